"""Issuing: what this participant says, and its way to the ledger."""
