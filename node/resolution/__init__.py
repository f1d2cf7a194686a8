"""Resolution: other people's servers, and the keys of a DID."""
