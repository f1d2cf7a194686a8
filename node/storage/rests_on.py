"""What a judged line rests on beside its own battery: its further codes, the lists of others (I9)."""

from __future__ import annotations

from collections.abc import Iterable

from node.storage.database import Transaction, marks

Rest = tuple[str, bytes]  # (the column in which a line's own is kept, the value): subject, namespace, issuer
KIN = "kin"  # keys of batteries about which something is asked, and that give this one no name: in no column
PARTY = "party"  # who said what is on its record, of those whose lists no verdict reads: in no column


def put_rests(db: Transaction, consignment_id: str, line: int, rests: Iterable[Rest]) -> None:
    """What the first verdict of a line rests on."""
    db.executemany(
        f"INSERT OR IGNORE INTO rests_on (consignment, line, kind, value) VALUES ({marks(4)})",
        [(consignment_id, line, kind, value) for kind, value in rests],
    )


def put_rests_again(db: Transaction, consignment_id: str, line: int, rests: Iterable[Rest]) -> None:
    """What a newer verdict of a line rests on, in place of what the one before it did."""
    db.execute("DELETE FROM rests_on WHERE consignment = ? AND line = ?", (consignment_id, line))
    put_rests(db, consignment_id, line, rests)


def as_stored(value: bytes | str) -> bytes:
    """A value as it is kept: keys as they are, names as UTF-8."""
    return value.encode() if isinstance(value, str) else value
