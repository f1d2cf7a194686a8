"""Files that somebody names: read within a bound, and what cannot be read is told by its name.

A name may lead to anything: a disk image, a device that never ends, a pipe into which nobody writes. Nothing
is read beyond what is taken. On a command line a name may be a pipe, as shells make them; what a node reads
by itself, in its data directory or because a setting names it, is a regular file, or there is an OSError that
says so: a start waits for nobody.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from node.errors import SetupError, Unreadable

STDIN = Path("-")
OWN_BYTES_MAX = 16 << 20  # of one file that a node reads whole: rule files and genesis have a few hundred kB

_NO_FILE = "it is no regular file, but a pipe, a socket or a device: put a file in its place"
_FOLDER = "it is a directory: put a file in its place"
_NOWHERE = "it is a link that leads nowhere: put a file in its place, or what it leads to back"
_NOT_OURS = "this user may not: give it to whoever runs the node, with chown"


def open_own(path: Path) -> io.BufferedReader:
    """A regular file, opened for reading without waiting; OSError for whatever else has that name."""
    return os.fdopen(open_regular(path, os.O_RDONLY), "rb")


def open_regular(path: Path, flags: int) -> int:
    """A regular file, opened without waiting; a new one is its owner's alone.

    OSError for whatever else has that name, which says what to do. A link that leads nowhere is not a file
    that is missing: somebody meant something by it.
    """
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _worded(error, path) from error
    try:
        require_regular(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _worded(error: OSError, path: Path) -> OSError:
    """The same error, which says what to do."""
    match error.errno:
        case errno.ENXIO:  # a socket, or a pipe that nobody reads
            return OSError(errno.EINVAL, _NO_FILE, str(path))
        case errno.EISDIR:
            return IsADirectoryError(errno.EISDIR, _FOLDER, str(path))
        case errno.EACCES | errno.EPERM:
            return PermissionError(errno.EACCES, _NOT_OURS, str(path))
        case errno.ELOOP | errno.ENOENT if path.is_symlink():
            return OSError(errno.ELOOP, _NOWHERE, str(path))
        case _:
            return error


def read_own(path: Path) -> bytes:
    """The bytes of a regular file; OSError for what cannot be read, is none, or has more than 16 MiB."""
    with open_own(path) as file:
        data = file.read(OWN_BYTES_MAX + 1)
    if len(data) > OWN_BYTES_MAX:
        raise OSError(errno.EFBIG, f"it has more than {OWN_BYTES_MAX >> 20} MiB", str(path))
    return data


def write_own(path: Path, data: bytes | IO[bytes]) -> None:
    """A file of its owner alone in place of whatever has that name: all of it on disk, or what was there."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(io.BytesIO(data) if isinstance(data, bytes) else data, file)
    put_whole(scratch, path)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """A folder, with those above it that are missing; one that is there stays as it is.

    Not by `Path.mkdir`, which calls itself for each folder above: a name may have two thousand.
    """
    for above in reversed(path.parents):
        above.mkdir(exist_ok=True)
    path.mkdir(mode=mode, exist_ok=True)


def put_whole(made: Path, target: Path) -> None:
    """Give a file or folder the name under which it is looked for, once all of it is on disk.

    A rename alone is whole to whoever kills a process; a power cut can leave the new name with empty files.
    """
    for path in (*made.rglob("*"), made) if made.is_dir() else (made,):
        if not path.is_symlink():
            _settle(path)
    os.replace(made, target)
    _settle(target.parent)


def _settle(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a pipe, or a disk that keeps no order of names
            raise
    finally:
        os.close(descriptor)


def hold(opened: int | IO[Any], *, wait: bool = False) -> bool:
    """Hold an open file or folder against other processes until it is closed, however this process ends.

    False while another holds it; `wait`: until it does not.
    """
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@contextmanager
def holding(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Whether the folder is held by this process, which it is until the block ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield hold(descriptor, wait=wait)
    finally:
        os.close(descriptor)


def require_regular(descriptor: int, path: Path) -> None:
    """OSError unless what is open there, by that name, is a regular file."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, _FOLDER, str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, _NO_FILE, str(path))


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
        raise Unreadable(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > size_bytes_max:
        most = f"{size_bytes_max >> 20} MiB" if size_bytes_max >= 1 << 20 else f"{size_bytes_max} bytes"
        raise SetupError(
            f"{name} has more than {most}, which is the most that is taken here", step="Name another file."
        )
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
