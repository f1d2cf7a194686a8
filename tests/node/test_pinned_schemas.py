"""The schema of every database is pinned: a file of one version has the same tables wherever it was made.

`tests/vectors/schemas.txt`: for each database its tables, columns, keys, defaults, indexes and triggers as
SQLite has them. Whoever changes one adds a step (`node/storage/schema_history.py`), and writes this file anew:

    python -m tests.node.test_pinned_schemas
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pytest
import sqlite_utils

from node.storage.schema_history import History
from node.storage.ledger_steps import LEDGER
from node.storage.schema_steps import OFFICE, SIGNING
from tests.harness.pinned import require_kept, write

PINNED = "schemas.txt"


def schema(history: History) -> Iterator[str]:
    """What SQLite has of each table, index and trigger that the steps made, one a line."""
    made = sqlite_utils.Database(memory=True)
    try:
        history.apply(made)
        for kind, name, sql in made.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name, type"):
            if sql is not None and "_sqlite" not in name:
                yield f"{kind} {name} | {' '.join(sql.split())}"
    finally:
        made.close()


SECTIONS: dict[str, Callable[[], Iterable[str]]] = {
    name: partial(schema, history)
    for name, history in (("ledger", LEDGER), ("office", OFFICE), ("signing", SIGNING))
}


@pytest.mark.parametrize("name", SECTIONS)
def test_the_schema_is_the_pinned_one(name: str) -> None:
    """
    Each table, its columns with their types, defaults and what may be missing, each index and whether it is
    unique, each trigger.
    """
    require_kept(SECTIONS[name](), PINNED, name)


if __name__ == "__main__":
    write(PINNED, "tests.node.test_pinned_schemas", SECTIONS)
