"""Measured in turn against others (`make bench`): rounds A B A B, medians, both figures and the ratio."""
