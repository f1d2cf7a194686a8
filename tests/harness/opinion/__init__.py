"""A second opinion on the life of a battery: the law restated, set against the real ledger and verdict."""
