"""A data directory is its owner's alone: closed to others whenever a command uses it.

Whoever can write to it is the participant, and whoever reads its keys needs a passphrase only. A file that
somebody copied there, or unpacked from an archive, has the mode and the owner that it came with.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from node.errors import SetupError

MARKS = ("keys.enc", "participant.toml")  # with one of these, a folder is a data directory
SECRETS = ("keys.enc", "recovery.enc", "operator.key", "passphrase")
OTHERS = 0o077


def close_to_others(root: Path) -> tuple[str, ...]:
    """Take from others what they may do with a data directory; the names of what they could read or change.

    A node may run meanwhile: what it took away since it was listed is passed over.
    SetupError where that cannot be: a file of another user, or a secret behind a link that others can read.
    Links lead elsewhere and stay.
    """
    owners = owners_of(root)
    return tuple(path.name for path in _within(root) if _close(path, owners))


def owners_of(root: Path) -> set[int]:
    """Whose a file in it may be: that of the directory itself, and root, who can change any."""
    return {root.stat().st_uid, 0}


def is_data_directory(folder: Path) -> bool:
    """True for one in which a node was made: whatever else was named by mistake stays as it is."""
    return any(os.path.lexists(folder / name) for name in MARKS)


def _within(root: Path) -> Iterator[Path]:
    yield root
    folders = [root]
    while folders:
        for path in _listed(folders.pop()):
            yield path
            if path.is_dir() and not path.is_symlink():
                folders.append(path)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _close(path: Path, owners: set[int]) -> bool:
    """True if it was open to others."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(found.st_mode):
        _require_closed_target(path)
        return False
    if found.st_uid not in owners:
        raise SetupError(
            f"{path} belongs to another user (uid {found.st_uid}), who can change it: give it to the "
            "owner of the data directory, with chown"
        )
    if not found.st_mode & OTHERS:
        return False
    try:
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SetupError(
            f"{path} can be read or changed by others, and this user cannot close it ({error.strerror}): run "
            "this as the owner of the data directory"
        ) from error
    return stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)


def _require_closed_target(link: Path) -> None:
    if link.name not in SECRETS:
        return
    try:
        mode = link.stat().st_mode
    except OSError:  # it leads nowhere: whoever reads it says so
        return
    if stat.S_ISREG(mode) and mode & OTHERS:
        raise SetupError(f"{link} leads to a file that others can read or change: chmod 600 {link.resolve()}")
