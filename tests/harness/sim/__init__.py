"""A seeded cluster of production replicas over a simulated network, clock and disk.

A run is a seed and a commit. The checkers restate the rules in their own arithmetic.
"""
