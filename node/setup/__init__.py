"""Setup: keys, founding, and how a data directory becomes a node."""
