"""What a judged line rests on beside its own battery: its further codes, the lists of others (I9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from node.storage.database import Transaction, marks, parts

Rest = tuple[str, bytes]  # (the column in which a line's own is kept, the value): subject, namespace, issuer
KIN = "kin"  # keys of batteries about which something is asked, and that give this one no name: in no column
PARTY = "party"  # who said what is on its record, of those whose lists no verdict reads: in no column
DOCUMENT = "document"  # digests of what was not had, or is too old: in no column
UNREAD = "unread"  # whose lists have versions that were never had: in no column
MEANWHILE_S = 10  # longer than a document is on its way that is kept with the time it was asked for


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


def hasten(db: Transaction, kind: str, values: Sequence[bytes | str], at: int) -> None:
    """Have the open lines that rest on one of these judged again at `at`, if their time does not come sooner.

    However often that is said meanwhile, they are judged once.
    """
    for part in parts(values, beside=2):
        db.execute(
            "UPDATE items SET due = MIN(COALESCE(due, ?1), ?1) WHERE settled = 0 AND (consignment, line) IN "
            f"(SELECT consignment, line FROM rests_on WHERE kind = ?2 AND value IN ({_numbered(part)}))",
            (at, kind, *map(as_stored, part)),
        )


def hasten_if_had(db: Transaction, consignment_id: str, lines: Sequence[int], judged_at: int) -> None:
    """Have those of these lines judged again of which a document was had while they were judged without."""
    for part in parts(lines, beside=2):
        db.execute(
            f"UPDATE items SET due = ?1 WHERE consignment = ?2 AND line IN ({_numbered(part)}) AND EXISTS ("
            "SELECT 1 FROM rests_on r JOIN documents d ON d.digest = r.value "
            "WHERE r.consignment = ?2 AND r.line = items.line "
            f"AND r.kind = '{DOCUMENT}' AND d.fetched_at >= ?1 - {MEANWHILE_S})",
            (judged_at, consignment_id, *part),
        )


def _numbered(values: Sequence[object]) -> str:
    return ", ".join(f"?{number}" for number in range(3, 3 + len(values)))
