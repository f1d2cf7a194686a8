"""Verdicts: from evidence to one word and its reasons."""
