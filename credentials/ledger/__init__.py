"""The ledger: what attestations do to the standing of a battery."""
