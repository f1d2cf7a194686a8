"""Which open lines a change of what governs reaches: those that would be judged again, and those that were.

Every line that rests on the words of the parties concerned is counted; so many of each decision are kept by
name, the newest consignments first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from node.storage.database import Database, Transaction, marks
from node.storage.rests_on import PARTY, as_stored

LINES_KEPT_MAX = 1_000  # of one decision


@dataclass(frozen=True, slots=True)
class OpenVerdict:
    """A line that would be judged again."""

    consignment: str
    declaration: str
    line: int
    law_date: str


@dataclass(frozen=True, slots=True)
class DecisionReached:
    """What a decision reached here: how many open lines, of how many consignments."""

    leaf: int
    proposal: bytes
    at: int
    lines: int
    consignments: int


@dataclass(frozen=True, slots=True)
class LineReached:
    """A line that rested on what was changed; without a verdict while it waits to be judged again."""

    consignment: str
    declaration: str
    line: int
    was: str
    was_reason: str
    verdict: str | None
    reason: str | None


Parties = Collection[str] | None  # whose words count otherwise; None: everybody's


class ReachedLines:
    """Lines by whose words they rest on."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def count(self, parties: Parties, created_after: int) -> tuple[int, int]:
        """(open lines, their consignments) that rest on the words of these parties."""
        where, values = _where(parties, created_after)
        row = self._db.connection.execute(
            f"SELECT COUNT(*) AS lines, COUNT(DISTINCT consignment) AS consignments FROM items WHERE {where}",
            values,
        ).fetchone()
        return row["lines"], row["consignments"]

    def open_lines(self, parties: Parties, created_after: int, limit: int) -> list[OpenVerdict]:
        """These lines, the newest consignments first."""
        where, values = _where(parties, created_after)
        rows = self._db.connection.execute(
            "SELECT id, declaration, line, law_date FROM items JOIN consignments ON id = consignment "
            f"WHERE {where} ORDER BY number DESC, line LIMIT ?",
            (*values, limit),
        )
        return [OpenVerdict(*row) for row in rows]

    def about(self, subject: bytes, created_after: int, limit: int) -> list[tuple[str, int]]:
        """(consignment, line) of the open lines that rest on the record of this battery, newest first."""
        rows = self._db.connection.execute(
            "SELECT consignment, line FROM items JOIN consignments ON id = consignment WHERE settled = 0 "
            "AND created > ?1 AND (subject = ?2 OR (consignment, line) IN "
            "(SELECT consignment, line FROM rests_on WHERE kind IN ('subject', 'kin') AND value = ?2)) "
            "ORDER BY number DESC, line LIMIT ?3",
            (created_after, subject, limit),
        )
        return [(row["consignment"], row["line"]) for row in rows]

    def of_codes(
        self, namespace: str, prefixes: Sequence[str], created_after: int, limit: int
    ) -> list[tuple[str, int]]:
        """The same of this namespace, whose codes begin so: any, where no beginning is given."""
        begins = " OR ".join(["instr(json_extract(CAST(body AS TEXT), '$.battery'), ?) = 1"] * len(prefixes))
        rows = self._db.connection.execute(
            "SELECT consignment, line FROM items JOIN consignments ON id = consignment WHERE settled = 0 "
            f"AND created > ? AND namespace = ? AND ({begins or '1'}) ORDER BY number DESC, line LIMIT ?",
            (created_after, namespace, *prefixes, limit),
        )
        return [(row["consignment"], row["line"]) for row in rows]

    @staticmethod
    def put(  # noqa: PLR0917  (one decision: its leaf, its proposal, when, whom, since when)
        db: Transaction, leaf: int, proposal: bytes, at: int, parties: Parties, created_after: int
    ) -> int:
        """Keep which open lines a decision reaches, before they are judged again; how many."""
        where, values = _where(parties, created_after)
        lines, consignments = db.execute(
            f"SELECT COUNT(*), COUNT(DISTINCT consignment) FROM items WHERE {where}", values
        ).fetchone()
        if lines:
            db.execute(
                f"INSERT OR IGNORE INTO decisions_reached VALUES ({marks(5)})",
                (leaf, proposal, at, lines, consignments),
            )
            db.execute(
                "INSERT OR IGNORE INTO lines_reached (leaf, consignment, line, was, was_reason) "
                "SELECT ?, consignment, line, verdict, json_extract(CAST(body AS TEXT), '$.reason') "
                f"FROM items JOIN consignments ON id = consignment WHERE {where} "
                "ORDER BY number DESC, line LIMIT ?",
                (leaf, *values, LINES_KEPT_MAX),
            )
        return int(lines)

    @staticmethod
    def judged(db: Transaction, consignment_id: str, line: int, verdict: str, reason: str) -> None:
        """What became of a line that decisions had reached."""
        db.execute(
            "UPDATE lines_reached SET verdict = ?, reason = ? "
            "WHERE consignment = ? AND line = ? AND verdict IS NULL",
            (verdict, reason, consignment_id, line),
        )

    def of_proposal(self, proposal: bytes) -> DecisionReached | None:
        """What the decision on this proposal reached; None: no open line of this node."""
        row = self._db.connection.execute(
            "SELECT leaf, proposal, at, lines, consignments FROM decisions_reached WHERE proposal = ?",
            (proposal,),
        ).fetchone()
        return None if row is None else DecisionReached(*row)

    def of_consignment(self, consignment_id: str, limit: int) -> list[DecisionReached]:
        """The decisions that reached lines of a consignment, newest first."""
        rows = self._db.connection.execute(
            "SELECT leaf, proposal, at, lines, consignments FROM decisions_reached WHERE leaf IN "
            "(SELECT leaf FROM lines_reached WHERE consignment = ?) ORDER BY leaf DESC LIMIT ?",
            (consignment_id, limit),
        )
        return [DecisionReached(*row) for row in rows]

    def counts(self, leaf: int) -> tuple[int, int]:
        """(lines that wait to be judged again, lines whose word is another one), of those kept by name."""
        row = self._db.connection.execute(
            "SELECT COUNT(*) - COUNT(verdict) AS waiting, COALESCE(SUM(verdict != was), 0) AS changed "
            "FROM lines_reached WHERE leaf = ?",
            (leaf,),
        ).fetchone()
        return row["waiting"], row["changed"]

    def lines(self, leaf: int, limit: int) -> list[LineReached]:
        """The lines of a decision: those whose word is another one first."""
        rows = self._db.connection.execute(
            "SELECT consignment, declaration, line, was, was_reason, verdict, reason FROM lines_reached "
            "JOIN consignments ON id = consignment WHERE leaf = ? "
            "ORDER BY COALESCE(verdict, was) = was, number DESC, line LIMIT ?",
            (leaf, limit),
        )
        return [LineReached(*row) for row in rows]


def _where(parties: Parties, created_after: int) -> tuple[str, tuple[object, ...]]:
    """Open lines of consignments that are watched, resting on these parties' words or lists."""
    watched = "settled = 0 AND consignment IN (SELECT id FROM consignments WHERE created > ?)"
    if parties is None:
        return watched, (created_after,)
    named = sorted(parties)
    among = marks(len(named))
    beside = f"SELECT consignment, line FROM rests_on WHERE kind IN ('issuer', '{PARTY}') AND value"
    condition = f"(issuer IN ({among}) OR (consignment, line) IN ({beside} IN ({among})))"
    return f"{condition} AND {watched}", (*named, *map(as_stored, named), created_after)
