"""A node by itself (`comity serve --open-api` on an empty directory): own keys, a network of one, no peers.

It is an ordinary node of a network whose only validator it is, so that its status lists are ordered and
receipted as everywhere else. Its did:web is made of the address it has when it is first started.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from credentials.ledger.parties import Accreditation
from node.config import DataDirectory
from node.config import passphrase as read_passphrase
from node.errors import SetupError
from node.settings import SETTINGS_FILE, files_of_settings
from node.setup import network

NAME = "A node by itself"
ROLES = ("manufacturer", "importer", "customs", "authority")


def is_new(directory: DataDirectory) -> bool:
    """True for a directory that does not exist, or holds nothing but node.toml and the files it names.

    Raises SetupError for one that holds something else and no node: keys are not made among strangers' files.
    """
    root = directory.root
    if not root.exists():
        return True
    others = {path.name for path in root.iterdir()} - operators_files(directory)
    if others and not (root / "keys.enc").exists():
        raise SetupError(
            f"{root} is not empty and holds no node: it has {min(others)!r}. Name an empty directory, or one "
            "with node.toml and the files that node.toml names"
        )
    return not others


def operators_files(directory: DataDirectory) -> frozenset[str]:
    """node.toml, and what lies beside it because it names it: certificates, contexts."""
    parts = [Path(name).parts for name in files_of_settings(directory.root)]
    return frozenset({SETTINGS_FILE, *(part[0] for part in parts if part)})


def own_passphrase(directory: DataDirectory) -> str | None:
    """The passphrase that such a node made for itself, None if it was given one."""
    file = directory.passphrase_file
    return read_passphrase(file) if file.exists() else None


def found(directory: DataDirectory, public_url: str, passphrase: str | None) -> str:
    """Make keys, a network of one and what belongs to them; the passphrase, made here if none is given."""
    words = passphrase or secrets.token_urlsafe(24)
    did = did_of(public_url)
    card = network.init(
        directory,
        did=did,
        name=NAME,
        jurisdiction="EU",
        roles=ROLES,
        validator=True,
        passphrase=words,
        beside=operators_files(directory),
    )
    if passphrase is None:
        descriptor = os.open(directory.passphrase_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(words + "\n")
    founding = network.Founding(name="by-itself", origin="log.by-itself.example")
    founding.add(card)
    founding.accreditations.append(
        Accreditation(
            participant=did,
            roles=ROLES,
            schemes=(("gbt34014", "*"), ("gs1", "*")),
            jurisdiction="EU",
            valid_from=founding.created,
        )
    )
    made = directory.root / "founding"
    network.create(made, founding)
    network.join(directory, made, words)
    return words


def did_of(public_url: str) -> str:
    """The did:web of a host and port (did:web method, 3.1)."""
    parts = urlsplit(public_url)
    host = parts.hostname or "localhost"
    return (
        "did:web:" + (host if ":" not in host else "localhost") + (f"%3A{parts.port}" if parts.port else "")
    )
