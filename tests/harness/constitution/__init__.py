"""The approval rules restated, slowly and plainly, and set against the registry: see `rules.py`."""
