"""engine.toml of a network directory: what orders the network, where that is not the embedded engine.

engine = "cometbft"
"""

from __future__ import annotations

from pathlib import Path

import tomli_w

from credentials.ledger.engine_terms import EMBEDDED
from node.errors import Unfit
from node.named_files import write_own
from node.settings import read_engine, read_toml

ENGINE_FILE = "engine.toml"
_HEAD = "# What orders this network: every node has the same. `engine` in node.toml goes before it.\n"


def write_engine(directory: Path, engine: str) -> None:
    """Say what orders, where it is not what orders without a word."""
    if engine != EMBEDDED:
        write_own(directory / ENGINE_FILE, (_HEAD + tomli_w.dumps({"engine": engine})).encode())


def engine_of(directory: Path) -> str:
    """What orders; raises SetupError for a file that cannot be read."""
    path = directory / ENGINE_FILE
    try:
        table = read_toml(path)
        if unknown := table.keys() - {"engine"}:
            raise ValueError(f"the member {min(unknown)!r} is not known: it has engine alone")
        return read_engine(table.get("engine"))
    except FileNotFoundError:
        return EMBEDDED
    except ValueError as error:
        raise Unfit(f"{path}: {error}") from error
