"""What is so old that it may leave `office.db`: acts, consignments with their verdicts, others' documents.

What leaves was read in the same transaction. What later verdicts read stays for ever: which declaration named
which battery (`declared`), and how many lines a decision reached. A copy that was fetched is asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from node.storage.database import Transaction
from node.storage.found_by import CONSIGNMENTS

_GUARD = "audit_no_delete"
# The newest one stays: numbers are given in order of arrival, and none is given twice.
_OLD = (
    "state IN ('done', 'stopped') AND created < ? AND number < (SELECT MAX(number) FROM consignments) "
    "AND NOT EXISTS (SELECT 1 FROM set_aside WHERE ref = id OR substr(ref, 1, length(id) + 1) = id || '/')"
)
_OF_CONSIGNMENT = (
    *("manifests", "items", "rests_on", "lines_reached", "line_answers"),
    *("rows_left_out", "columns_sent"),
)


def acts(db: Transaction, before: int) -> Iterator[Mapping[str, object]]:
    """Acts before that second, in order."""
    for row in db.execute("SELECT * FROM audit WHERE at < ? ORDER BY number", (before,)):
        yield dict(row)


def consignments(db: Transaction, before: int) -> Iterator[Mapping[str, object]]:
    """Consignments that came before that second, are judged to the end and have no line set aside.

    Each with its manifest and its lines as they are stored.
    """
    for row in db.execute(
        f"SELECT consignments.*, manifest FROM consignments JOIN manifests ON consignment = id WHERE {_OLD} "
        "ORDER BY number",
        (before,),
    ):
        of = (row["id"],)
        lines = db.execute("SELECT * FROM items WHERE consignment = ? ORDER BY line", of)
        reached = db.execute("SELECT * FROM lines_reached WHERE consignment = ? ORDER BY leaf, line", of)
        left_out = db.execute("SELECT * FROM rows_left_out WHERE consignment = ? ORDER BY row", of)
        yield {
            **dict(row),
            "items": [dict(one) for one in lines],
            "reached": [dict(one) for one in reached],
            "left_out": [dict(one) for one in left_out],
        }


def fetched(db: Transaction, before: int) -> Iterator[Mapping[str, object]]:
    """Copies of others' documents that were last fetched before that second."""
    for row in db.execute("SELECT * FROM documents WHERE fetched_at < ? ORDER BY fetched_at", (before,)):
        yield dict(row)


def drop(db: Transaction, acts_before: int, before: int) -> None:
    """Drop what `acts`, `consignments` and `fetched` gave."""
    old = f"(SELECT id FROM consignments WHERE {_OLD})"
    for table in _OF_CONSIGNMENT:
        db.execute(f"DELETE FROM {table} WHERE consignment IN {old}", (before,))
    numbers = f"(SELECT number FROM consignments WHERE {_OLD})"
    db.execute(f"DELETE FROM {CONSIGNMENTS} WHERE number IN {numbers}", (before,))
    db.execute(f"DELETE FROM consignments WHERE {_OLD}", (before,))
    db.execute("DELETE FROM documents WHERE fetched_at < ?", (before,))  # of our own it is null
    # The audit refuses it to everybody else: its guard is back before anybody can read that it was gone.
    (guard,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (_GUARD,)).fetchone()
    db.execute(f"DROP TRIGGER {_GUARD}")
    db.execute("DELETE FROM audit WHERE at < ?", (acts_before,))
    db.execute(guard)
