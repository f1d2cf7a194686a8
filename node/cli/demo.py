"""`comity demo`: six nodes on this machine, one scenario, one address."""

from __future__ import annotations

from node.demo import main as demo

__all__ = ["demo"]
