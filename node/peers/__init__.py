"""Peers: signed requests between nodes, and how much bad input is borne."""
