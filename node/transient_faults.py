"""Faults of the world around a node that pass by themselves: what fails by one of them is tried again.

Anything else that is raised unforeseen comes from the item that is being worked on, or is a mistake of ours:
trying the same again gives the same, so the item is set aside (`node/storage/aside.py`).
"""

from __future__ import annotations

from node.storage.database import StorageTrouble

PASSING = (OSError, StorageTrouble, MemoryError)


def sentence(error: BaseException) -> str:
    """An exception in one line, short enough to be kept."""
    return f"{type(error).__name__}: {error}"[:300]
