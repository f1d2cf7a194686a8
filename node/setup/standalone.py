"""A node by itself (`comity serve --open-api` on an empty directory): own keys, a network of one, no peers.

It is an ordinary node of a network whose only validator it is, so that its status lists are ordered and
receipted as everywhere else. Its did:web is made of the address it has when it is first started.
"""

from __future__ import annotations

import os
import secrets
from urllib.parse import urlsplit

from credentials.ledger.genesis import Accreditation
from node.config import DataDirectory
from node.setup import network

NAME = "A node by itself"
ROLES = ("manufacturer", "importer", "customs", "authority")


def is_new(directory: DataDirectory) -> bool:
    """True for a directory that does not exist or holds nothing."""
    root = directory.root
    return not root.exists() or not any(path for path in root.iterdir() if path.name != "node.toml")


def own_passphrase(directory: DataDirectory) -> str | None:
    """The passphrase that such a node made for itself, None if it was given one."""
    file = directory.passphrase_file
    return file.read_text().strip() if file.exists() else None


def found(directory: DataDirectory, public_url: str, passphrase: str | None) -> str:
    """Make keys, a network of one and what belongs to them; the passphrase, made here if none is given."""
    settings = directory.root / "node.toml"
    kept = settings.read_bytes() if settings.exists() else None
    settings.unlink(missing_ok=True)
    words = passphrase or secrets.token_urlsafe(24)
    did = did_of(public_url)
    card = network.init(
        directory, did=did, name=NAME, jurisdiction="EU", roles=ROLES, validator=True, passphrase=words
    )
    if kept is not None:
        settings.write_bytes(kept)
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
