"""Verdicts at the edge: what is fetched, and what runs in the background."""
