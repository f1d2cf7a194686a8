"""JSON-LD 1.1 to RDF and its canonical form (RDFC-1.0), with pinned contexts only."""
