"""Documents: what is signed, by which mechanism, and what it says."""
