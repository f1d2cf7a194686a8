"""Storage: the three databases; all SQL of the node is here."""
