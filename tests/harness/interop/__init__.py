"""Round trips with independent implementations: Digital Bazaar's (Node), openvc-core and joserfc (Python)."""
