"""Lines that the ledger has overtaken: marked, judged again, settled (I9; node/verdicts/watching.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from zlib import crc32

import orjson

from node.storage.consignments import ItemRow
from node.storage.database import VARIABLES_MAX, Database, Transaction, marks, parts
from node.storage.line_answers import put_answers_again
from node.storage.rests_on import KIN, PARTY, as_stored, hasten_if_had, put_rests_again

About = Mapping[str, Sequence[bytes | str]] | None  # values by column; None: every line
Lines = tuple[int, int]  # the first and the last of a part of a consignment
_WATCHED = "SELECT id FROM consignments WHERE created > ?"
NAMERS_MAX = 8  # batteries that name one, of each of its parties, of which a verdict reads the passports


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A line whose word is not the one it was judged with first."""

    line: int
    was: str
    verdict: str


@dataclass(frozen=True, slots=True)
class OpenLine:
    """A line that is judged again when the ledger learns more."""

    consignment: str
    line: int
    verdict: str


class OvertakenLines:
    """What the log said since a line was judged, and what became of the line."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put_again(db: Transaction, consignment_id: str, item: ItemRow) -> None:
        """The newer verdict of a line that has one; the word it had first is kept beside it."""
        put_rests_again(db, consignment_id, item.line, item.rests)
        put_answers_again(db, consignment_id, item.line, item.answers)
        db.execute(
            "UPDATE items SET was = CASE WHEN COALESCE(was, verdict) = ?1 THEN NULL "
            "ELSE COALESCE(was, verdict) END, "
            "verdict = ?1, body = ?2, issuer = ?3, due = ?6, subject = ?7, namespace = ?8, crc = ?9, "
            "reason = ?10, stale = 0 WHERE consignment = ?4 AND line = ?5",
            (
                *(item.verdict, item.body, item.issuer, consignment_id, item.line, item.due),
                *(item.subject, item.namespace, crc32(item.body), item.reason),
            ),
        )
        hasten_if_had(db, consignment_id, [item.line], item.judged_at)

    @staticmethod
    def hasten_about(db: Transaction, batteries: Sequence[bytes], at: int) -> None:
        """Have the open lines about these batteries judged again at `at`, if not sooner."""
        for part in parts(batteries, beside=2):
            db.execute(
                "UPDATE items SET due = MIN(COALESCE(due, ?), ?) WHERE settled = 0 "
                f"AND subject IN ({marks(len(part))})",
                (at, at, *part),
            )

    def open_lines(self, subjects: Collection[bytes]) -> dict[bytes, list[OpenLine]]:
        """The open lines about each of these batteries, by its own code or a further one."""
        found: dict[bytes, dict[OpenLine, None]] = {}
        columns = "items.consignment, items.line, items.verdict"
        for part in parts(sorted(subjects)):
            among = f"IN ({marks(len(part))})"
            for statement in (
                f"SELECT {columns}, subject AS about FROM items WHERE subject {among} AND settled = 0",
                f"SELECT {columns}, value AS about FROM rests_on JOIN items USING (consignment, line) "
                f"WHERE kind = 'subject' AND value {among} AND settled = 0",
            ):
                for row in self._db.connection.execute(statement, part):
                    line = OpenLine(row["consignment"], row["line"], row["verdict"])
                    found.setdefault(bytes(row["about"]), {})[line] = None
        return {about: [*lines] for about, lines in found.items()}

    def newest_about(self, subject: bytes, limit: int) -> list[tuple[str, int, str]]:
        """(consignment, line, declaration) of open lines about a battery, those that came last first."""
        places = (
            "SELECT consignment, line FROM items WHERE subject = ?1 AND settled = 0 UNION "
            "SELECT consignment, line FROM rests_on JOIN items USING (consignment, line) "
            "WHERE kind = 'subject' AND value = ?1 AND settled = 0"
        )
        rows = self._db.connection.execute(
            f"SELECT consignment, line, declaration FROM ({places}) JOIN consignments ON id = consignment "
            "ORDER BY number DESC, line LIMIT ?2",
            (subject, limit),
        )
        return [(row["consignment"], row["line"], row["declaration"]) for row in rows]

    def named_by(self, keys: Sequence[bytes], publishers: Sequence[str]) -> tuple[list[str], list[str]]:
        """The batteries of judged lines that rest on one of these keys, published by one of these parties.

        (Of each party the first NAMERS_MAX, in order of their keys; of each that has more, one more.) None
        whose own key it is. No party's batteries leave out another's.
        """
        if not keys or not publishers:
            return [], []
        # Found by the keys: by the publishers (no `+`) each line went through all lines of its publisher.
        rows = self._db.connection.execute(
            "SELECT body, place FROM (SELECT i.body, i.issuer, i.subject, ROW_NUMBER() OVER (PARTITION BY "
            "i.issuer ORDER BY i.subject) AS place FROM rests_on r JOIN items i ON i.consignment = "
            f"r.consignment AND i.line = r.line WHERE r.kind = 'subject' AND r.value IN ({marks(len(keys))}) "
            f"AND +i.issuer IN ({marks(len(publishers))}) AND i.subject NOT IN ({marks(len(keys))}) "
            "GROUP BY i.issuer, i.subject) WHERE place <= ? ORDER BY subject, issuer",
            (*keys, *publishers, *keys, NAMERS_MAX + 1),
        )
        found: tuple[list[str], list[str]] = [], []
        for row in rows:
            found[row["place"] > NAMERS_MAX].append(orjson.loads(row["body"])["battery"])
        return found

    def sharing(self, consignment_id: str, own: bytes, keys: Sequence[bytes]) -> dict[bytes, list[int]]:
        """By each of these keys the lines of a consignment about other batteries that rest on it as well."""
        # Found by the keys: by the consignment (no `+`) each of its lines went through all of them.
        rows = self._db.connection.execute(
            "SELECT DISTINCT r.value, r.line FROM rests_on r JOIN items i ON i.consignment = r.consignment "
            f"AND i.line = r.line WHERE +r.consignment = ? AND r.kind = 'subject' AND r.value IN "
            f"({marks(len(keys))}) AND i.subject != ? ORDER BY r.line",
            (consignment_id, *keys, own),
        )
        found: dict[bytes, list[int]] = {}
        for row in rows:
            found.setdefault(bytes(row["value"]), []).append(row["line"])
        return found

    @staticmethod
    def mark_named(
        db: Transaction, own: bytes, named: Sequence[bytes], shared: Sequence[bytes], mark: int
    ) -> None:
        """Mark the open lines about other batteries that are `named`, or that rest on what is `shared`."""
        db.execute(
            "UPDATE items SET stale = ? WHERE stale = 0 AND settled = 0 AND subject != ? AND (subject IN "
            f"({marks(len(named))}) OR (consignment, line) IN (SELECT consignment, line FROM rests_on WHERE "
            f"kind = 'subject' AND value IN ({marks(len(shared))})))",
            (mark, own, *named, *shared),
        )

    @staticmethod
    def settle(db: Transaction, consignment_id: str, line: int) -> None:
        """The goods of this line went their way: it keeps its verdict, whatever becomes of them."""
        where = "WHERE consignment = ? AND line = ?"
        db.execute(f"UPDATE items SET settled = 1, stale = 0, due = NULL {where}", (consignment_id, line))
        put_answers_again(db, consignment_id, line, b"")  # nobody looks any more whether they still hold

    @staticmethod
    def mark_stale(
        db: Transaction,
        *,
        about: About,
        created_after: int,
        mark: int = 1,
    ) -> int:
        """Mark the open lines with one of these values in a column (subject, namespace, issuer) or beside it.

        How many. None: all of them. `mark` grows with the log. A line keeps the mark it has: whoever waits
        longest is judged first.
        """
        return sum(
            db.execute(
                f"UPDATE items SET stale = ? WHERE {condition} AND settled = 0 AND stale = 0 "
                f"AND consignment IN ({_WATCHED})",
                (mark, *values, created_after),
            ).rowcount
            for condition, values in _found_by(about)
        )

    @staticmethod
    def mark_again(db: Transaction, consignment_id: str, lines: Sequence[int]) -> None:
        """These lines were judged by what was overtaken meanwhile."""
        db.executemany(
            "UPDATE items SET stale = 1 WHERE consignment = ? AND line = ? AND settled = 0",
            [(consignment_id, line) for line in lines],
        )

    def any_due(self, now: int) -> bool:
        """True if time alone may have changed a line by now."""
        return (
            self._db.connection.execute("SELECT 1 FROM items WHERE due <= ?", (now,)).fetchone() is not None
        )

    @staticmethod
    def mark_due(db: Transaction, now: int, created_after: int, limit: int, mark: int) -> int:
        """Mark the open lines that time alone may have changed by now, at most so many at once; how many.

        A line's moment is over with that: it has the next one once it is judged. Lines of consignments that
        are not watched any more have none.
        """
        return db.execute(
            "UPDATE items SET due = NULL, stale = CASE WHEN stale = 0 AND settled = 0 AND consignment IN "
            "(SELECT id FROM consignments WHERE created > ?1) THEN ?2 ELSE stale END WHERE (consignment, "
            "line) IN (SELECT consignment, line FROM items WHERE due <= ?3 ORDER BY due LIMIT ?4)",
            (created_after, mark, now, limit),
        ).rowcount

    @staticmethod
    def goes_by(db: Transaction, digest: bytes) -> bool:
        """Keep by what this node judges; True if that was something else before."""
        row = db.execute("SELECT value FROM meta WHERE name = 'goes_by'").fetchone()
        db.execute("INSERT OR REPLACE INTO meta VALUES ('goes_by', ?)", (digest,))
        return row is None or bytes(row["value"]) != digest

    @staticmethod
    def watched(db: Transaction, leaves: int) -> None:
        """Everything in the first `leaves` leaves of the log is known to the judged lines, or marked."""
        db.execute("INSERT OR REPLACE INTO meta VALUES ('watched', ?)", (leaves.to_bytes(8, "big"),))

    def watched_until(self) -> int:
        """The number of leaves that `watched` was told last; 0 at first."""
        row = self._db.connection.execute("SELECT value FROM meta WHERE name = 'watched'").fetchone()
        return 0 if row is None else int.from_bytes(row["value"], "big")

    def any_judged(self) -> bool:
        """True if there is a verdict that could grow old."""
        return self._db.connection.execute("SELECT 1 FROM items LIMIT 1").fetchone() is not None

    def stale(self, limit: int) -> list[tuple[str, int]]:
        """(consignment, line) of lines to be judged again, of one consignment: the one that waits longest."""
        rows = self._db.connection.execute(
            "SELECT consignment, line FROM items WHERE stale != 0 AND consignment = (SELECT consignment "
            "FROM items WHERE stale != 0 ORDER BY stale LIMIT 1) ORDER BY stale, line LIMIT ?",
            (limit,),
        )
        return [(row["consignment"], row["line"]) for row in rows]

    def changed(self, consignment_id: str) -> list[ChangedRow]:
        """The lines whose word changed since it was given first."""
        rows = self._db.connection.execute(
            "SELECT line, was, verdict FROM items WHERE consignment = ? AND was IS NOT NULL ORDER BY line",
            (consignment_id,),
        )
        return [ChangedRow(*row) for row in rows]

    def behind(
        self, consignment_id: str, about: About, now: int, created_after: int, between: Lines
    ) -> frozenset[int]:
        """Of these lines those that are judged again: marked, or about this, or their time has come."""
        one = "consignment = ?" if about is None else "+consignment = ?"  # by `about`, not by the consignment
        union, values = _behind(about, now, f"{one} AND line BETWEEN ? AND ?", (consignment_id, *between))
        rows = self._db.connection.execute(
            f"SELECT line FROM ({union}) WHERE consignment IN ({_WATCHED})", (*values, created_after)
        )
        return frozenset(row["line"] for row in rows)

    def behind_at(
        self, places: Sequence[tuple[str, int]], about: About, now: int, created_after: int
    ) -> frozenset[tuple[str, int]]:
        """The same of a few lines, by consignment and line."""
        among = " OR ".join(["consignment = ? AND line = ?"] * len(places)) or "FALSE"
        union, values = _behind(about, now, f"({among})", tuple(chain(*places)))
        rows = self._db.connection.execute(
            f"SELECT consignment, line FROM ({union}) WHERE consignment IN ({_WATCHED})",
            (*values, created_after),
        )
        return frozenset((row["consignment"], row["line"]) for row in rows)

    def behind_counts(
        self, consignment_ids: Sequence[str], about: About, now: int, created_after: int
    ) -> dict[str, int]:
        """How many such lines consignments have; without those that have none."""
        found: dict[str, int] = {}
        for part in parts(consignment_ids, beside=VARIABLES_MAX // 2):
            among = f"{'consignment' if about is None else '+consignment'} IN ({marks(len(part))})"
            union, values = _behind(about, now, among, part)
            rows = self._db.connection.execute(
                f"SELECT consignment, COUNT(*) AS n FROM ({union}) WHERE consignment IN ({_WATCHED}) "
                "GROUP BY consignment",
                (*values, created_after),
            )
            found |= {row["consignment"]: row["n"] for row in rows}
        return found


def _behind(about: About, now: int, among: str, of: Sequence[object]) -> tuple[str, list[object]]:
    """One statement for all of them, and its values. What is marked or has a moment is not settled."""
    conditions: list[tuple[str, Sequence[object]]] = [("stale != 0", ()), ("due <= ?", (now,))]
    conditions += [(f"{condition} AND settled = 0", values) for condition, values in _found_by(about)]
    union = " UNION ".join(
        f"SELECT consignment, line FROM items WHERE {condition} AND {among}" for condition, _ in conditions
    )
    return union, [value for _, values in conditions for value in (*values, *of)]


def _found_by(about: About) -> list[tuple[str, Sequence[object]]]:
    """The conditions by which lines are found, each with its values."""
    found: list[tuple[str, Sequence[object]]] = [("1", ())] if about is None else []
    for column, values in (about or {}).items():
        assert column in ("subject", "namespace", "issuer", PARTY, KIN), "a column by which lines are found"
        for part in parts(values, beside=4):
            if column not in (PARTY, KIN):
                found.append((f"{column} IN ({marks(len(part))})", part))
            among = f"SELECT consignment, line FROM rests_on WHERE kind = '{column}' AND value"
            further = [as_stored(value) for value in part]
            found.append((f"(consignment, line) IN ({among} IN ({marks(len(part))}))", further))
    return found
