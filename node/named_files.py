"""Files that somebody names: read within a bound, and what cannot be read is told by its name.

A name may lead to anything: a disk image, a device that never ends. Nothing is read beyond what is taken.
"""

from __future__ import annotations

import sys
from pathlib import Path

from node.errors import SetupError

STDIN = Path("-")


def read_named(path: Path, size_bytes_max: int, *, what: str = "", stdin: bool = False) -> bytes:
    """The bytes of a file, of standard input for `-` where `stdin` says so; SetupError with one sentence.

    `what` is what the sentence calls it, such as "the receipt".
    """
    name = f"{what} {path}".strip()
    try:
        if stdin and path == STDIN:
            data = sys.stdin.buffer.read(size_bytes_max + 1)
        else:
            with path.open("rb") as file:
                data = file.read(size_bytes_max + 1)
    except OSError as error:
        raise SetupError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > size_bytes_max:
        most = f"{size_bytes_max >> 20} MiB" if size_bytes_max >= 1 << 20 else f"{size_bytes_max} bytes"
        raise SetupError(f"{name} has more than {most}, which is the most that is taken here")
    return data


def read_named_text(path: Path, size_bytes_max: int, *, what: str = "") -> str:
    """The same, as text in UTF-8."""
    try:
        return read_named(path, size_bytes_max, what=what).decode()
    except UnicodeDecodeError as error:
        name = f"{what} {path}".strip()
        raise SetupError(
            f"{name} is not text in UTF-8 (its byte {error.start + 1} is none): save it so"
        ) from error
