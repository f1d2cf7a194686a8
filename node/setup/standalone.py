"""A node by itself (`comity serve --open-api` on an empty directory): own keys, a network of one, no peers.

It is an ordinary node of a network whose only validator it is, so that its status lists are ordered and
receipted as everywhere else. Its did:web is made of the address it has when it is first started.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from credentials.ledger.parties import Accreditation
from node.config import DataDirectory, jurisdiction_alone
from node.errors import SetupError, Unreadable
from node.named_files import holding, make_folder, put_whole, read_own, write_own
from node.settings import SETTINGS_FILE, files_of_settings
from node.setup import ceremony, network
from node.setup.closing import close_to_others

NAME = "A node by itself"
UNFINISHED = "founding.unfinished"  # where a node is made before it is moved into its directory
ROLES = ("manufacturer", "importer", "customs", "authority")


def is_new(directory: DataDirectory) -> bool:
    """True for a directory that does not exist, or holds nothing but node.toml and the files it names.

    So is one in which a node was begun and never finished: nothing of it was used, and it is made anew.
    Raises SetupError for one that holds something else and no node: keys are not made among strangers' files.
    """
    root = directory.root
    if not root.exists():
        return True
    others = {path.name for path in root.iterdir()} - operators_files(directory)
    if "keys.enc" in others:
        return False
    if others and UNFINISHED not in others:
        raise SetupError(
            f"{root} is not empty and holds no node: it has {min(others)!r}. Name an empty directory, or one "
            "with node.toml and the files that node.toml names"
        )
    return True


def operators_files(directory: DataDirectory) -> frozenset[str]:
    """node.toml, and what lies beside it because it names it: certificates, contexts."""
    parts = [Path(name).parts for name in files_of_settings(directory.root)]
    return frozenset({SETTINGS_FILE, *(part[0] for part in parts if part)})


def own_passphrase(directory: DataDirectory) -> str | None:
    """The passphrase that such a node made for itself, None if it was given one."""
    file = directory.passphrase_file
    try:
        words = read_own(file).decode().rstrip("\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{file} is not text: put back the passphrase that opens keys.enc") from error
    return words or None


def found(directory: DataDirectory, public_url: str, passphrase: str | None) -> str:
    """Make keys, a network of one and what belongs to them; the passphrase, made here if none is given.

    It is made in a folder of its own and moved from there, the keys last: whenever this is interrupted, the
    directory is still a new one.
    """
    words = passphrase or secrets.token_urlsafe(24)
    root = directory.root
    make_folder(root)
    with _alone_in(root):
        if not is_new(directory):
            raise SetupError(f"another process made a node in {root} at the same time: start this again")
        made = DataDirectory(root / UNFINISHED)
        shutil.rmtree(made.root, ignore_errors=True)
        _make(made, did_of(public_url), words)
        if passphrase is None:
            write_own(made.passphrase_file, f"{words}\n".encode())
        close_to_others(root)
        for path in sorted(made.root.iterdir(), key=lambda one: (one.name == "keys.enc", one.name)):
            _put(path, root / path.name)
        made.root.rmdir()
    return words


def _make(made: DataDirectory, did: str, words: str) -> None:
    """A whole data directory of a node and its network."""
    home = jurisdiction_alone()
    card = network.init(
        made, did=did, name=NAME, jurisdiction=home, roles=ROLES, validator=True, passphrase=words
    )
    founding = ceremony.Founding(name="by-itself", origin="log.by-itself.example")
    founding.add(card)
    founding.accreditations.append(
        Accreditation(
            participant=did,
            roles=ROLES,
            schemes=(("gbt34014", "*"), ("gs1", "*")),
            jurisdiction=home,
            valid_from=founding.created,
        )
    )
    folder = made.root / "founding"
    ceremony.create(folder, founding)
    network.join(made, folder, words)


def _put(path: Path, target: Path) -> None:
    """Move it there, in place of what an interrupted founding left."""
    if target.is_dir():
        shutil.rmtree(target)
    put_whole(path, target)


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Nobody else makes a node in this directory meanwhile."""
    with holding(root) as held:
        if not held:
            raise SetupError(f"another process is making a node in {root}: start this again in a moment")
        yield


def did_of(public_url: str) -> str:
    """The did:web of a host and port (did:web method, 3.1)."""
    parts = urlsplit(public_url)
    host = parts.hostname or "localhost"
    return (
        "did:web:" + (host if ":" not in host else "localhost") + (f"%3A{parts.port}" if parts.port else "")
    )
