"""What is written to disk because others say so: in a place of its own, and never the last of the disk.

A snapshot that a peer sends is on disk before it can be believed. It is in one folder until then, which is
emptied when it is refused, and when the next command or the node begins: whatever is there was of one that
was killed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from shutil import disk_usage

from node.errors import SetupError
from node.named_files import make_folder
from node.storage.database import SIDE_FILES

FOLDER = "incoming"
FREE_BYTES_MIN = 1 << 30  # stays free, whatever a peer sends or asks for


def place(root: Path, name: str) -> Path:
    """Where a file of this name is written, in the folder of a data directory."""
    make_folder(root / FOLDER)
    return root / FOLDER / name


def clear(root: Path) -> None:
    """Nothing is there any more."""
    folder = root / FOLDER
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)


def remove(file: Path) -> None:
    """Remove a file, and those that SQLite makes beside it."""
    for suffix in ("", *SIDE_FILES):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def leave(file: Path) -> None:
    """A file of `place` is done with; so is the folder, once nothing is in it."""
    remove(file)
    if not any(file.parent.iterdir()):
        file.parent.rmdir()


def require_room(folder: Path, size_bytes: int) -> None:
    """SetupError if so many bytes more would leave less than FREE_BYTES_MIN on this disk."""
    free = disk_usage(folder).free
    if free < size_bytes + FREE_BYTES_MIN:
        raise SetupError(
            f"the disk of {folder} has {free >> 20} MiB left, and this would take {-(-size_bytes >> 20)} "
            f"of them, of which {FREE_BYTES_MIN >> 20} stay free for what the node itself writes: "
            "make room first"
        )


def require_written(database: Path, size_bytes: int) -> None:
    """SetupError if this disk has no room for a commit of what waits beside a database, and for more."""
    beside = database.with_name(database.name + SIDE_FILES[0])
    waits = beside.stat().st_size if beside.exists() else 0
    require_room(database.parent, waits + size_bytes)
