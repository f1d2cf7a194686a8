"""Manifests and their verdicts, line by line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from zlib import crc32

from node.storage.database import Damaged, Database, Transaction, marks, parts
from node.storage.found_by import CONSIGNMENTS, WordTable
from node.storage.line_answers import put_answers, put_answers_again
from node.storage.rests_on import Rest, hasten_if_had, put_rests, put_rests_again

NUMBER_MAX = 1 << 53
EXPORT_LINES = 50  # read at once when all of them are wanted (0653)


@dataclass(frozen=True, slots=True)
class ConsignmentRow:
    """A manifest that was taken in, and how far its job came."""

    number: int
    id: str
    declaration: str
    consignee_eori: str | None
    direction: str | None
    law_date: str
    created: int
    evaluated_at: int | None
    height: int | None
    block_time: int | None
    state: str  # queued | running | done | set_aside
    lines: int
    done: int
    client: str  # whose key or session sent it


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A line that was judged; `seq` counts in order of judging, from 1."""

    line: int
    seq: int
    verdict: str
    body: bytes = b""  # the whole verdict, JSON; empty where it was not asked for
    subject: bytes | None = None  # standing key of its battery
    namespace: str | None = None  # `scheme:namespace` of its code, which a recall may be about
    issuer: str | None = None  # of its passport, whose status lists it rests on
    due: int | None = None  # when time alone may change it
    judged_at: int = 0
    reason: str = ""
    rests: tuple[Rest, ...] = ()  # further values by which it is found, by column
    answers: bytes = b""  # what a report adds up of it; empty: it judges the line itself


@dataclass(frozen=True, slots=True)
class LineWord:
    """A line with the word on it and its reason."""

    line: int
    verdict: str
    reason: str


_WAITING = "state IN ('queued', 'running')"  # as the index of these says it
_COLUMNS = (
    "number, id, declaration, consignee_eori, direction, law_date, created, evaluated_at, height, "
    "block_time, state, lines, done, client"
)


class ConsignmentTable:
    """Consignments in order of arrival, with their lines."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._words = WordTable(database, CONSIGNMENTS)
        self.damaged = False  # once something was read that is not what was written

    # -- written -------------------------------------------------------------------------------------

    def put(
        self,
        db: Transaction,
        *,
        id: str,
        declaration: str,
        manifest: bytes,
        manifest_digest: bytes,
        consignee_eori: str | None,
        direction: str | None,
        law_date: str,
        created: int,
        lines: int,
        client: str,
        text: str,
    ) -> int:
        """Its number, in order of arrival; `text` is what it is found by."""
        values = (
            *(id, declaration, manifest_digest, consignee_eori),
            *(direction, law_date, created, lines, client),
        )
        made = db.execute(
            "INSERT INTO consignments (id, declaration, manifest_digest, consignee_eori, "
            f"direction, law_date, created, lines, client) VALUES ({marks(len(values))})",
            values,
        )
        assert made.lastrowid is not None, "a row was made"
        db.execute("INSERT INTO manifests VALUES (?, ?, ?)", (id, manifest, crc32(manifest)))
        self._words.put(db, made.lastrowid, text)
        return made.lastrowid

    @staticmethod
    def put_items(db: Transaction, consignment_id: str, items: Iterable[ItemRow]) -> None:
        """Verdicts of lines; a line that has one keeps it."""
        items = list(items)
        for item in items:
            put_rests(db, consignment_id, item.line, item.rests)
            put_answers(db, consignment_id, item.line, item.answers)
        db.executemany(
            "INSERT OR IGNORE INTO items (consignment, line, seq, verdict, body, subject, namespace, "
            f"issuer, due, crc, reason) VALUES ({marks(11)})",
            [
                (
                    *(consignment_id, i.line, i.seq, i.verdict, i.body, i.subject, i.namespace),
                    *(i.issuer, i.due, crc32(i.body), i.reason),
                )
                for i in items
            ],
        )
        if items:  # judged together
            hasten_if_had(db, consignment_id, [i.line for i in items], min(i.judged_at for i in items))

    @staticmethod
    def replace_item(db: Transaction, consignment_id: str, item: ItemRow) -> None:
        """Another verdict for a line that was set aside; its place in the order of judging stays."""
        put_rests_again(db, consignment_id, item.line, item.rests)
        put_answers_again(db, consignment_id, item.line, item.answers)
        db.execute(
            "UPDATE items SET verdict = ?, body = ?, crc = ?, due = ?, subject = ?, namespace = ?, "
            "issuer = ?, reason = ? WHERE consignment = ? AND line = ?",
            (
                *(item.verdict, item.body, crc32(item.body), item.due, item.subject, item.namespace),
                *(item.issuer, item.reason, consignment_id, item.line),
            ),
        )
        hasten_if_had(db, consignment_id, [item.line], item.judged_at)

    @staticmethod
    def put_state(db: Transaction, consignment_id: str, state: str) -> None:
        """One that somebody stopped stays so."""
        query = "UPDATE consignments SET state = ? WHERE id = ? AND state != 'stopped'"
        db.execute(query, (state, consignment_id))

    @staticmethod
    def progress(
        db: Transaction,
        consignment_id: str,
        *,
        done: int,
        evaluated_at: int,
        height: int | None,
        block_time: int | None,
        state: str,
    ) -> None:
        db.execute(
            "UPDATE consignments SET done = ?1, evaluated_at = ?2, height = ?3, block_time = ?4, "
            "state = CASE WHEN state = 'stopped' AND ?1 < lines THEN state ELSE ?5 END WHERE id = ?6",
            (done, evaluated_at, height, block_time, state, consignment_id),
        )

    @staticmethod
    def end(db: Transaction, consignment_id: str) -> None:
        """Done, if every line is."""
        db.execute("UPDATE consignments SET state = 'done' WHERE id = ? AND done = lines", (consignment_id,))

    # -- read ----------------------------------------------------------------------------------------

    def of_declaration(self, declaration: str) -> list[ConsignmentRow]:
        """What was uploaded under this declaration number, oldest first."""
        return self._where("declaration = ? ORDER BY number", (declaration,))

    def same(self, declaration: str, manifest_digest: bytes, law_date: str | None) -> ConsignmentRow | None:
        """The latest upload of exactly this manifest, if all lines are open; `law_date` None: of any day."""
        found = self._where(
            "declaration = ?1 AND manifest_digest = ?2 AND (?3 IS NULL OR law_date = ?3) AND NOT EXISTS "
            "(SELECT 1 FROM items WHERE consignment = id AND settled != 0) ORDER BY number DESC LIMIT 1",
            (declaration, manifest_digest, law_date),
        )
        return found[0] if found else None

    def get(self, consignment_id: str) -> ConsignmentRow | None:
        found = self._where("id = ?", (consignment_id,))
        return found[0] if found else None

    def manifest(self, consignment_id: str) -> bytes:
        """The manifest as it was stored, JSON; the consignment must exist."""
        row = self._db.connection.execute(
            "SELECT manifest, crc FROM manifests WHERE consignment = ?", (consignment_id,)
        ).fetchone()
        manifest = bytes(row["manifest"])
        if crc32(manifest) != row["crc"]:
            raise self._damage(f"the manifest of {consignment_id}")
        return manifest

    def page(self, limit: int, before: int | None, words: Sequence[str] = ()) -> list[ConsignmentRow]:
        """Newest first, of those with a smaller number than `before`, and with all these words."""
        if words:
            found = self._words.newest(words, limit, before)
            return self._where(f"number IN ({marks(len(found))}) ORDER BY number DESC", found)
        above = before if before is not None else NUMBER_MAX
        return self._where("number < ? ORDER BY number DESC LIMIT ?", (above, limit))

    def newest(self) -> int:
        """The number of the last one that was taken in; 0: none was."""
        row = self._db.connection.execute("SELECT MAX(number) AS newest FROM consignments").fetchone()
        return row["newest"] or 0

    def oldest_waiting(self, lines_min: int = 0, lines_max: int | None = None) -> dict[str, ConsignmentRow]:
        """Of each client the oldest that is to be judged, of those with so many lines."""
        found = self._where(
            f"number IN (SELECT MIN(number) FROM consignments WHERE {_WAITING} "
            "AND lines >= ? AND lines <= ? GROUP BY client)",
            (lines_min, NUMBER_MAX if lines_max is None else lines_max),
        )
        return {row.client: row for row in found}

    @staticmethod
    def lines_waiting(db: Transaction, client: str) -> tuple[int, int]:
        """(lines not judged yet of all consignments, of those of one client)."""
        row = db.execute(
            "SELECT COALESCE(SUM(lines - done), 0) AS every, "
            "COALESCE(SUM(CASE client WHEN ? THEN lines - done END), 0) AS own "
            f"FROM consignments WHERE {_WAITING}",
            (client,),
        ).fetchone()
        return row["every"], row["own"]

    def counts(self, consignment_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """{consignment: {verdict: how many lines}} for many at once."""
        found: dict[str, dict[str, int]] = {one: {} for one in consignment_ids}
        for part in parts(consignment_ids):
            rows = self._db.connection.execute(
                "SELECT consignment, verdict, COUNT(*) AS n FROM items "
                f"WHERE consignment IN ({marks(len(part))}) GROUP BY consignment, verdict",
                part,
            )
            for row in rows:
                found[row["consignment"]][row["verdict"]] = row["n"]
        return found

    def words(self, consignment_id: str) -> list[LineWord]:
        """Word and reason of every line that is judged, in line order; no verdict is read for it."""
        rows = self._db.connection.execute(
            "SELECT line, verdict, reason FROM items INDEXED BY items_reason "
            "WHERE consignment = ? ORDER BY line",
            (consignment_id,),
        )
        return [LineWord(*row) for row in rows]

    def items_of(self, consignment_id: str, lines: Sequence[int]) -> list[bytes]:
        """The bodies of these lines, in this order; of those that have none, nothing."""
        found: dict[int, bytes] = {}
        for part in parts(lines, beside=1):
            rows = self._db.connection.execute(
                f"SELECT body, line, crc FROM items WHERE consignment = ? AND line IN ({marks(len(part))})",
                (consignment_id, *part),
            )
            found |= {row["line"]: self._whole(consignment_id, row) for row in rows}
        return [found[line] for line in lines if line in found]

    def item(self, consignment_id: str, line: int) -> bytes | None:
        """The body of one line."""
        return self.items_at([(consignment_id, line)]).get((consignment_id, line))

    def items_at(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
        """The bodies of these lines, by consignment and line; of those that have none, nothing."""
        found: dict[tuple[str, int], bytes] = {}
        for part in parts(places):  # of a thousand conditions and more SQLite makes no statement
            among = " OR ".join(["consignment = ? AND line = ?"] * len(part))
            query = f"SELECT consignment, body, line, crc FROM items WHERE {among}"
            for row in self._db.connection.execute(query, tuple(chain(*part))):
                found[row["consignment"], row["line"]] = self._whole(row["consignment"], row)
        return found

    def judged(self, consignment_id: str) -> dict[int, int]:
        """{line: seq} of the lines that have a verdict."""
        query = "SELECT line, seq FROM items WHERE consignment = ?"
        rows = self._db.connection.execute(query, (consignment_id,))
        return {row["line"]: row["seq"] for row in rows}

    def items_after(self, consignment_id: str, seq: int, limit: int) -> list[ItemRow]:
        """Lines judged after `seq`, in order of judging, without their bodies."""
        rows = self._db.connection.execute(
            "SELECT line, seq, verdict FROM items WHERE consignment = ? AND seq > ? ORDER BY seq LIMIT ?",
            (consignment_id, seq, limit),
        )
        return [ItemRow(*row) for row in rows]

    def bodies_after(self, consignment_id: str, line: int) -> list[bytes]:
        """The next few bodies in line order: no statement stays open while the reader is slow."""
        rows = self._db.connection.execute(
            "SELECT body, line, crc FROM items WHERE consignment = ? AND line > ? ORDER BY line LIMIT ?",
            (consignment_id, line, EXPORT_LINES),
        )
        return [self._whole(consignment_id, row) for row in rows]

    def _whole(self, consignment_id: str, row: sqlite3.Row) -> bytes:
        """The verdict of a line; Damaged where it is not what was written."""
        body = bytes(row["body"])
        if crc32(body) != row["crc"]:
            raise self._damage(f"line {row['line']} of {consignment_id}")
        return body

    def _damage(self, what: str) -> Damaged:
        self.damaged = True
        return Damaged(f"office.db is damaged: {what} is not what was written")

    def _where(self, condition: str, values: Sequence[object]) -> list[ConsignmentRow]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM consignments WHERE {condition}", values)
        return [ConsignmentRow(*row) for row in rows]
