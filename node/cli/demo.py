"""`comity demo`: six nodes, one scenario, one address (node/demo)."""

from node.demo import main as demo

__all__ = ["demo"]
