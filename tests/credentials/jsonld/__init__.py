"""The package credentials/jsonld: contexts, statements, canonical forms."""
