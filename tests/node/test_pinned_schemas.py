"""The schema of every database is pinned: a file of one version has the same tables wherever it was made.

`tests/vectors/schemas.txt`: for each database its tables, columns, keys, defaults, indexes and triggers as
SQLite has them, and a digest of the same after each step. Whoever changes one adds a step
(`node/storage/schema_history.py`), edits none, and writes this file anew:

    python -m tests.node.test_pinned_schemas
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from itertools import zip_longest

import pytest
import sqlite_utils

from node.storage.ledger_steps import LEDGER
from node.storage.schema_history import History
from node.storage.schema_steps import OFFICE, SIGNING
from tests.harness.pinned import require_kept, write

PINNED = "schemas.txt"


def schema(made: sqlite_utils.Database) -> Iterator[str]:
    """What SQLite has of each table, index and trigger, one a line."""
    for kind, name, sql in made.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name, type"):
        if sql is not None and "_sqlite" not in name:
            yield f"{kind} {name} | {' '.join(sql.split())}"


def digest(lines: Iterable[str]) -> str:
    return sha256("\n".join(lines).encode()).hexdigest()[:12]


def steps(history: History) -> Iterator[str]:
    """The digest of what each step leaves, then the schema after the last, line by line."""
    made = sqlite_utils.Database(memory=True)
    try:
        for step, following in zip_longest(history.steps, history.steps[1:]):
            history.apply(made, stop_before=following)
            yield f"after {step} | {digest(schema(made))}"
        yield from schema(made)
    finally:
        made.close()


SECTIONS: dict[str, Callable[[], Iterable[str]]] = {
    name: partial(steps, history)
    for name, history in (("ledger", LEDGER), ("office", OFFICE), ("signing", SIGNING))
}


@pytest.mark.parametrize("name", SECTIONS)
def test_the_schema_is_the_pinned_one(name: str) -> None:
    """
    Each table, its columns with their types, defaults and what may be missing, each index and whether it is
    unique, each trigger; and what a step left when it was written it leaves today.
    """
    require_kept(SECTIONS[name](), PINNED, name)


if __name__ == "__main__":
    write(PINNED, "tests.node.test_pinned_schemas", SECTIONS)
