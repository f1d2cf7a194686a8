"""Faults of the world around a node that pass by themselves: what fails by one of them is tried again.

Anything else that is raised unforeseen comes from the item that is being worked on, or is a mistake of ours:
trying the same again gives the same, so the item is set aside (`node/storage/aside.py`).
"""

from __future__ import annotations

import errno

from node.errors import ProblemError, TokenAway
from node.storage.database import NotRead, StorageTrouble, is_damage

PASSING = (OSError, StorageTrouble, NotRead, MemoryError, TokenAway)


# What the disk itself does not take, of all that an OSError may be.
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


def is_out_of_room(error: BaseException) -> bool:
    """True where this node's disk or memory took nothing more: whoever asked may ask again."""
    if isinstance(error, OSError):
        return error.errno in _OF_THE_DISK
    return isinstance(error, StorageTrouble | NotRead | MemoryError) and not is_damage(error)


def sentence(error: BaseException) -> str:
    """An exception in one line, short enough to be kept: the world's in words, our mistakes by name."""
    if is_damage(error):
        return f"a database is damaged ({error})"[:300]
    if isinstance(error, StorageTrouble | NotRead):
        return f"the databases cannot be read or written now ({error})"[:300]
    if isinstance(error, TokenAway):
        return str(error)[:300]
    if isinstance(error, MemoryError):
        return "the memory of this machine is used up"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"[:300] if error.filename else error.strerror[:300]
    return f"{type(error).__name__}: {error}"[:300]


def out_of_room(error: BaseException) -> ProblemError:
    """What whoever asked is told, at every edge alike."""
    told = "This node took nothing over: {detail}. Its operator sees it too; ask again."
    return ProblemError(503, "out_of_room", "Come again", told, detail=sentence(error))


def damaged() -> ProblemError:
    """What whoever asked is told where a database does not hold what was written: no fault of theirs."""
    told = "A database of this node is damaged: what cannot be read of it as it was written is not served."
    return ProblemError(500, "damaged", "Error in this node", told)
