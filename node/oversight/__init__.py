"""What authorities see: alerts that follow from the ledger, whom they concern, what becomes of them."""
