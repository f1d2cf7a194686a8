"""The only reader of configuration and environment: shipped tables, the data directory, the passphrase.

DIR/ keys.enc participant.toml operator.key policy.toml lock
     node.toml (optional; `settings.py`)
     network/ genesis.toml rules/ log.policy peers.toml
     signing.db ledger.db office.db

Every command reads this module: what a node or a verdict needs is imported by the functions that need it.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from credentials.errors import CredentialError
from node.errors import SetupError, Unfit, Unreadable
from node.named_files import hold, open_regular, read_named_text, read_own

if TYPE_CHECKING:
    from credentials.documents.canonical import Contexts
    from credentials.verdicts.policy import Policy
    from node.settings import Settings

VERSION = "0.1.0"
PASSPHRASE_CHARS_MIN, PASSPHRASE_DIFFERENT_MIN = 12, 6
PASSPHRASE_FILE_BYTES_MAX = 4096
OPERATOR_KEY_CHARS_MIN = 32  # it opens everything: one that somebody thought of is none

# The rule files whose digests are in genesis: what the ledger decides by.
GENESIS_RULES = (
    "annex-xiii-access.json",
    "commodity.toml",
    "crosswalk-eu-cn.json",
    "eu-datapoints-v2.json",
    "gbt34014.json",
    "lifecycle.json",
    "passport-paths.json",
    "shown-as.toml",
)
DATA_POINTS = "eu-datapoints-v2.json"
# Those of which this software reads anything: a network may name the last two as well.
RULES_READ = (*GENESIS_RULES, "crosswalk-evidence.json", "verdicts.json")


def shipped(name: str) -> bytes:
    """A data file of the package `config`, by its path in it."""
    return resources.files("config").joinpath(name).read_bytes()


def judged_by() -> list[bytes]:
    """The tables that verdicts read as they are shipped with this version, and the schemas."""
    names = sorted(entry.name for entry in resources.files("config").joinpath("rules").iterdir())
    rules = [shipped(f"rules/{name}") for name in names if name.endswith((".json", ".toml"))]
    return [shipped("reasons.toml"), *rules, json.dumps(schemas(), sort_keys=True).encode()]


def read_table(name: str, data: bytes) -> dict[str, Any]:
    """A JSON or TOML file, by the ending of its name."""
    table = json.loads(data) if name.endswith(".json") else tomllib.loads(data.decode())
    assert isinstance(table, dict), f"{name} is a table"
    return table


@lru_cache(maxsize=1)
def shipped_codes() -> Mapping[str, Any]:
    """What identifiers are read by where no table of a network is at hand: one object, so reading is kept."""
    return read_table("gbt34014.json", shipped("rules/gbt34014.json"))


def rule_files() -> dict[str, bytes]:
    """The rule files a founding ceremony puts into a network, by name."""
    return {name: shipped(f"rules/{name}") for name in GENESIS_RULES}


@lru_cache(maxsize=1)
def contexts() -> Contexts:
    """The pinned JSON-LD contexts by URL."""
    from credentials.documents.canonical import Contexts  # noqa: PLC0415

    return Contexts(_documents("credentials.jsonld.contexts"))


@lru_cache(maxsize=1)
def related_resources() -> Mapping[str, tuple[bytes, ...]]:
    """The texts of the pinned contexts and schemas by URL: what names one by digest must have one of theirs.

    The v2 context was published twice (July 2024 and Recommendation); both digests are right.
    """
    folder = resources.files("credentials.jsonld.contexts")
    index: dict[str, str] = json.loads(folder.joinpath("index.json").read_bytes())
    earlier = folder.joinpath("earlier.json")
    editions: dict[str, list[str]] = json.loads(earlier.read_bytes())
    contexts_held = {
        url: tuple(folder.joinpath(file).read_bytes() for file in (name, *editions.get(url, ())))
        for url, name in index.items()
    }
    files = resources.files("credentials.documents.schemas").iterdir()
    texts = [file.read_bytes() for file in files if file.name.endswith(".json")]
    return contexts_held | {json.loads(text)["$id"]: (text,) for text in texts}


@lru_cache(maxsize=1)
def schemas() -> Mapping[str, Any]:
    """The shipped credential schemas by their `$id`."""
    return _documents("credentials.documents.schemas")


def _documents(package: str) -> dict[str, Any]:
    """The JSON files of a package by URL: `index.json` {url: file name}, or each file's `$id`."""
    folder = resources.files(package)
    index = folder.joinpath("index.json")
    if index.is_file():
        names: dict[str, str] = json.loads(index.read_bytes())
        return {url: json.loads(folder.joinpath(name).read_bytes()) for url, name in names.items()}
    found = [json.loads(f.read_bytes()) for f in folder.iterdir() if f.name.endswith(".json")]
    return {document["$id"]: document for document in found if "$id" in document}


def policy_name(jurisdiction: str, roles: tuple[str, ...]) -> str:
    """The shipped policy that fits a participant: `config/who-asks-what.toml`."""
    rows = read_table("who-asks-what.toml", shipped("who-asks-what.toml"))["policy"]
    return next(
        str(row["name"])
        for row in rows
        if row.get("jurisdiction", jurisdiction) == jurisdiction
        and ("role" not in row or row["role"] in roles)
    )


def jurisdictions_with_policies() -> tuple[str, ...]:
    """For which there are policies of their own."""
    rows = read_table("who-asks-what.toml", shipped("who-asks-what.toml"))["policy"]
    return tuple(sorted({str(row["jurisdiction"]) for row in rows if "jurisdiction" in row}))


def jurisdiction_alone() -> str:
    """Of a node by itself."""
    return str(read_table("who-asks-what.toml", shipped("who-asks-what.toml"))["alone"])


def shipped_policy(name: str, jurisdiction: str) -> bytes:
    """A shipped policy file, e.g. `customs-eu`; one that is for any jurisdiction becomes that of this one."""
    try:
        data = shipped(f"policies/{name}.toml")
    except (FileNotFoundError, IsADirectoryError) as error:
        known = sorted(
            entry.name.removesuffix(".toml")
            for entry in resources.files("config").joinpath("policies").iterdir()
            if entry.name.endswith(".toml")
        )
        raise SetupError(f"there is no policy called {name}: choose one of {', '.join(known)}") from error
    return data.replace(b'jurisdiction = "*"', f'jurisdiction = "{jurisdiction}"'.encode())


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The files of one node."""

    root: Path

    @property
    def card(self) -> Path:
        return self.root / "participant.toml"

    @property
    def network(self) -> Path:
        return self.root / "network"

    @property
    def policy_file(self) -> Path:
        return self.root / "policy.toml"

    @property
    def passphrase_file(self) -> Path:
        """The passphrase of a stand-alone node that made it itself (`serve --open-api`)."""
        return self.root / "passphrase"

    def settings(self) -> Settings:
        """node.toml."""
        from node.settings import SETTINGS_FILE, Settings  # noqa: PLC0415

        return Settings.read(self.root / SETTINGS_FILE)

    @property
    def operator_key(self) -> Path:
        return self.root / "operator.key"

    @property
    def address(self) -> Path:
        """Where the running node listens: for the command line on the same machine."""
        return self.root / "address"

    @property
    def certificate(self) -> Path:
        """The certificate that the running node made for itself: for the command line on the same machine."""
        return self.root / "certificate.pem"

    @property
    def signing(self) -> Path:
        return self.root / "signing.db"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.db"

    @property
    def office(self) -> Path:
        return self.root / "office.db"

    def policy(self) -> Policy:
        """The policy this node judges by."""
        from credentials.verdicts.policy import Policy  # noqa: PLC0415

        try:
            return Policy.parse(read_own(self.policy_file))
        except FileNotFoundError as error:
            raise SetupError(f"{self.policy_file} is missing: copy one of config/policies there") from error
        except OSError as error:
            raise Unreadable(f"{self.policy_file} cannot be read: {error.strerror}") from error
        except CredentialError as error:
            raise Unfit(f"{self.policy_file}: {error}") from error

    def lock(self) -> IO[bytes]:
        """Hold the directory for this process; the lock ends with it, however it ends."""
        path = self.root / "lock"
        try:
            file = os.fdopen(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")
            held = hold(file)
        except FileNotFoundError as error:
            raise SetupError(f"{self.root} is not a data directory: run `comity init` first") from error
        except OSError as error:
            raise SetupError(
                f"{path} cannot be used: {error.strerror}; make {self.root} writable for whoever runs the "
                "node"
            ) from error
        if not held:
            file.close()
            raise SetupError(
                f"{self.root} is already in use by a running node: stop it, or choose another --data"
            )
        return file

    def operator(self) -> str:
        """The key of this node's operator, for the command line on the same machine."""
        try:
            key = read_own(self.operator_key).decode().strip()
        except FileNotFoundError as error:
            remedy = self._anew if self.card.exists() else "run `comity init` first"
            raise SetupError(f"{self.root} holds no operator.key: {remedy}") from error
        except PermissionError as error:
            raise SetupError(
                f"{self.operator_key} may be read by its owner only",
                step="Run this as the user who runs the node.",
            ) from error
        except OSError as error:
            raise Unreadable(f"{self.operator_key} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise SetupError(f"{self.operator_key} is not text: {self._anew}") from error
        if len(key) < OPERATOR_KEY_CHARS_MIN or not key.isascii() or not key.isprintable() or " " in key:
            raise SetupError(f"{self.operator_key} holds no key that a node made: {self._anew}")
        return key

    def url(self) -> str:
        """Where the running node listens, as it wrote down when it started."""
        from credentials.documents.uri import is_web_url  # noqa: PLC0415

        try:
            url = read_own(self.address).decode().strip()
        except FileNotFoundError as error:
            raise SetupError(
                f"the node of {self.root} was never started: run `comity serve --data {self.root}`"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"{self.address} cannot be read: start the node again") from error
        if not is_web_url(url):
            raise SetupError(f"{self.address} holds no address of a node: start the node again")
        return url

    @property
    def _anew(self) -> str:
        """What to do about an operator.key that is lost."""
        return f"stop the node and make one with `comity keys renew-operator --data {self.root}`"


def require_strong(words: str) -> None:
    """SetupError unless a new passphrase is one that nobody guesses soon: all role keys rest on it."""
    if len(words) < PASSPHRASE_CHARS_MIN or len(set(words.lower())) < PASSPHRASE_DIFFERENT_MIN:
        raise SetupError(
            f"the passphrase is too weak: take one of at least {PASSPHRASE_CHARS_MIN} characters, "
            f"{PASSPHRASE_DIFFERENT_MIN} of them different. Five words that do not belong together are good"
        )


def passphrase(file: Path | None) -> str:
    """The passphrase from a file, or from COMITY_PASSPHRASE."""
    if file is not None:
        text = read_named_text(file, PASSPHRASE_FILE_BYTES_MAX, what="the passphrase file").rstrip("\n")
    else:
        text = os.environ.get("COMITY_PASSPHRASE", "")
    if not text:
        raise SetupError("no passphrase: set COMITY_PASSPHRASE or give --passphrase-file FILE")
    return text


def environment(name: str) -> str | None:
    """COMITY_KEY, COMITY_NODE: where the command line finds a node and its key."""
    return os.environ.get(name) or None
