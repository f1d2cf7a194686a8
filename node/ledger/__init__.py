"""The ledger at the edge: the engine's thread, cosigning, snapshots."""
