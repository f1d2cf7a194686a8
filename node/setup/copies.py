"""Backup and restore of a data directory.

A backup is a folder with a list of its files and their digests: keys (encrypted), card, policy, network and a
whole copy of office.db, marked as a copy. signing.db is not in it, and is never put back: that is how a
validator signs twice. ledger.db is not in it either: it is fetched again, and verified.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NotRequired, TypedDict

from node.config import DataDirectory
from node.errors import SetupError
from node.ledger.rebuilding import keep_aside, put_in_place
from node.named_files import make_folder, open_own, put_whole, read_own, write_own
from node.settings import SETTINGS_FILE, files_of_settings
from node.setup.closing import close_to_others
from node.setup.network import read_card, verify
from node.storage.office import OfficeStore

TAG = "comity/backup/v1"
LIST = "backup.json"
OFFICE = "office.db"
SINGLE = ("participant.toml", "keys.enc", "operator.key", "policy.toml", SETTINGS_FILE)
FOLDER = "network"
RESTORED = ".restored"  # what is on its way into the directory
# Never put back: what a node must find out again, what it makes at each start, what is kept apart from keys.
NEVER = ("signing.db", "ledger.db", "lock", "address", "certificate.pem", "passphrase", "recovery.enc")
DATABASES = ("office.db", "signing.db", "ledger.db")  # and what SQLite reads beside one


class BackupList(TypedDict):
    """The list of a backup: whose it is, and every file with its digest."""

    type: str
    participant: str
    network: str
    made: NotRequired[int]  # when, for people: no restore goes by it
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds."""

    files: int
    outside: tuple[str, ...]  # files that node.toml names outside the data directory: not in the backup


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    files: tuple[str, ...]  # written
    kept: tuple[str, ...]  # were there already, and stay
    aside: Path | None  # where the office.db that was there is now
    signing: bool  # whether there is a signing.db


def backup(directory: DataDirectory, out: Path) -> BackedUp:
    """Make a backup beside a running node or a stopped one. `out` must not exist."""
    if not directory.office.exists():
        raise SetupError(f"{directory.root} holds no office.db: start its node once")
    if out.exists():
        raise SetupError(f"{out} exists: name a new folder for each backup")
    card = read_card(directory.card)
    made = out.with_name(out.name + ".new")
    shutil.rmtree(made, ignore_errors=True)
    make_folder(made.parent)
    made.mkdir(mode=0o700)
    named = files_of_settings(directory.root)
    inside = [name for name in named if _belongs(name, named)]
    files = [name for name in (*SINGLE, *inside) if (directory.root / name).exists()]
    files += [str(p.relative_to(directory.root)) for p in sorted(directory.network.rglob("*")) if p.is_file()]
    for name in files:
        _copy(directory.root / name, made / name)
    office = OfficeStore(directory.office)
    try:
        office.copy(made / OFFICE)
    finally:
        office.close()
    digests = {name: _digest(made / name) for name in (*files, OFFICE)}
    listed: BackupList = {
        "type": TAG,
        "participant": card.did,
        "network": verify(directory.network).genesis.network_id.hex(),
        "made": int(time.time()),
        "files": digests,
    }
    _write(made / LIST, io.BytesIO(json.dumps(listed, indent=2).encode()))
    put_whole(made, out)
    return BackedUp(len(digests), tuple(name for name in named if name not in inside))


def restore(directory: DataDirectory, source: Path, *, replace: bool) -> Restored:
    """Put a backup into a data directory whose node is stopped; the caller holds its lock.

    What is there stays, but for office.db: that is moved aside if `replace` says so. Nothing is written
    before every file of the backup was found whole.
    """
    listed = _read(source)
    _require_fitting(directory, listed)
    if directory.office.exists() and not replace:
        raise SetupError(
            f"{directory.office} exists, and may be newer than the backup: repeat this with --replace to "
            "move it aside"
        )
    written, kept = [], []
    for name in listed["files"]:
        target = directory.root / name
        if name == OFFICE or not target.exists():
            written.append(name)
        else:
            kept.append(name)
    _put_files(directory.root, source, [name for name in written if name != OFFICE])
    fresh = directory.root / f"{OFFICE}{RESTORED}"
    _copy(source / OFFICE, fresh)
    aside = None
    if directory.office.exists():
        OfficeStore(directory.office).close()  # what its log holds goes into the file
        aside = keep_aside(directory.office, int(time.time()))
    put_in_place(fresh, directory.office)
    close_to_others(directory.root)
    return Restored(tuple(written), tuple(kept), aside, directory.signing.exists())


def _put_files(root: Path, source: Path, names: list[str]) -> None:
    """Each file whole or not at all, and so a network folder that was not there: this can be repeated."""
    folder = root / FOLDER
    staged = folder if folder.exists() else root / f"{FOLDER}{RESTORED}"
    if staged != folder:
        shutil.rmtree(staged, ignore_errors=True)
    for name in names:
        first, *rest = Path(name).parts
        _copy(source / name, staged.joinpath(*rest) if first == FOLDER else root / name)
    if staged != folder and staged.exists():
        put_whole(staged, folder)


def _copy(source: Path, target: Path) -> None:
    with open_own(source) as file:
        _write(target, file)


def _read(source: Path) -> BackupList:
    """The list of a backup, every file compared with it."""
    try:
        read: Any = json.loads(read_own(source / LIST))
    except (OSError, ValueError, RecursionError) as error:
        raise SetupError(
            f"{source} is no backup: it has no readable {LIST}",
            step="Name a folder that `comity backup` made.",
        ) from error
    files = read.get("files") if isinstance(read, dict) and read.get("type") == TAG else None
    if not isinstance(files, dict) or OFFICE not in files:
        raise SetupError(
            f"{source / LIST} is not the list of a backup of this version",
            step="Name a folder that `comity backup` of this version made.",
        )
    named = files_of_settings(source)
    for name, digest in files.items():
        if name != OFFICE and not _belongs(name, named):
            raise SetupError(
                f"{source / LIST} names {name!a:.80}, which is no file of a backup",
                step="Name a folder that `comity backup` made, as it was made.",
            )
        try:
            found = _digest(source / name)
        except OSError as error:
            raise SetupError(
                f"{source / name} is missing from the backup", step="Use another backup."
            ) from error
        if found != digest:
            raise SetupError(f"{source / name} was changed since the backup was made: use another backup")
    return {
        "type": TAG,
        "participant": read.get("participant", ""),
        "network": read.get("network", ""),
        "files": files,
    }


def _belongs(name: str, named: Collection[str]) -> bool:
    """True for a file of a backup beside office.db: one of ours, of the network, or `named` by its settings.

    Nothing else, as SQLite takes what lies beside a database for the newest part of it.
    """
    path = Path(name)
    first = path.parts[0].casefold() if path.parts else ""
    if not name.isprintable() or str(path) != name or path.is_absolute() or ".." in path.parts:
        return False
    if first in NEVER or first.startswith(DATABASES):
        return False
    return name in SINGLE or name in named or (path.parts[0] == FOLDER and len(path.parts) > 1)


def _require_fitting(directory: DataDirectory, listed: BackupList) -> None:
    """The backup is of this participant in this network, where the directory has one already."""
    if directory.card.exists():
        did = read_card(directory.card).did
        if did != listed["participant"]:
            raise SetupError(
                f"the backup is of {listed['participant']}, this directory of {did}",
                step="Name the backup or the directory of one participant.",
            )
    if directory.network.exists():
        own = verify(directory.network).genesis.network_id.hex()
        if own != listed["network"]:
            raise SetupError(
                "the backup is of another network than this directory",
                step="Name the backup or the directory of one network.",
            )


def _digest(path: Path) -> str:
    with open_own(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: IO[bytes]) -> None:
    """A file of its owner alone, on disk when this returns."""
    make_folder(path.parent)
    write_own(path, data)
