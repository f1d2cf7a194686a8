"""Consignments: manifests are taken in within bounds, and shown as far as they are judged (`judging.py`)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
from credentials.verdicts.manifest import Manifest
from credentials.verdicts.manifest_csv import TableManifest
from credentials.verdicts.policy import Policy
from credentials.verdicts.severity import ORDER
from credentials.verdicts.verdict_record import ChangeRecord, ItemRecord, ReportRecord
from node import log
from node.answers import ConsignmentListed, ConsignmentRecord, JudgedEvent, LineRecord
from node.errors import ProblemError, bad_request, busy, not_found
from node.sheets import csv_of, workbook_of
from node.storage.consignments import ConsignmentRow
from node.storage.found_by import consignment_text
from node.storage.office import OfficeStore
from node.storage.overtaken import ChangedRow
from node.storage.stopped_consignments import STOPPED
from node.verdicts.choosing import Choice, Chosen
from node.verdicts.completing import Completing
from node.verdicts.declarations import OPEN_S
from node.verdicts.export import as_json, as_rows, in_words
from node.verdicts.judging import Judging
from node.verdicts.manifests import OneAtATime
from node.verdicts.overtaking import Overtaking
from node.verdicts.reports import Reports
from node.verdicts.sources import Gathering
from node.verdicts.stopping import Stopping
from node.words import Words

JSON = dict[str, Any]
LINES_WAITING_MAX = 100_000  # not judged yet, of all clients
LINES_WAITING_PER_CLIENT_MAX = 40_000  # a client's first manifest always has room
EVENTS_AT_ONCE = 500
LEFT_OUT_OF_LISTS = ("checks", "timeline", "sources", "passport")
DECISIONS_SHOWN = 20
CHANGES_SHOWN = 50  # of lines whose word changed; the count is of all


def today() -> str:
    """The law date when nobody names one."""
    return datetime.now(UTC).date().isoformat()


def require_law_date(text: str | None) -> str:
    """A day, `YYYY-MM-DD`; today when none is given."""
    if text is None:
        return today()
    try:
        if len(text) != 10:
            raise ValueError("not ten characters")
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError as error:
        raise bad_request(
            "law_date_malformed",
            "law_date is a day, written as 2027-03-01; {given} is none",
            given=ascii(text[:40]),
        ) from error


def watched(created: int) -> tuple[int, bool]:
    """Until when the ledger changes the words of what came in then, and whether it still does."""
    return created + OPEN_S, created + OPEN_S > time.time()


class Consignments:
    """Takes manifests in, judges them, and shows how far it came."""

    def __init__(
        self,
        office: OfficeStore,
        gathering: Gathering,
        policy: Policy,
        judging: Judging,
        overtaking: Overtaking,
    ) -> None:
        self._office = office
        self._overtaking = overtaking
        self._policy = policy
        self._judging = judging
        self._reading = OneAtATime()
        self.reports = Reports(office, gathering, policy, overtaking)
        self.completing, self.stopping = Completing(office, judging), Stopping(office, judging)

    # -- taking in -----------------------------------------------------------------------------------

    def reading(self, client: str, size_bytes: int) -> AbstractContextManager[None]:
        """Around reading a manifest and `create`: it takes many times its size, so one is read at a time."""
        return self._reading.turn(client, size_bytes)

    def require_room(self, client: str, lines: int, declaration: str) -> None:
        """Before a manifest of some such number of lines is read: it is refused as `create` would refuse it.

        What was uploaded before is read all the same: whoever did not hear the answer is given it again.
        """
        table = self._office.consignments
        with self._office.reading() as db:
            waiting, own = table.lines_waiting(db, client)
        if not declaration or not table.of_declaration(declaration):
            _require_room(lines, waiting, own)

    def create(
        self, manifest: JSON, client: str, *, sender: str | None = None, read: TableManifest | None = None
    ) -> ConsignmentRecord:
        """Store a manifest in the share of `client`; its id is returned before the first verdict.

        429 `too_many_lines` when this client, 503 `busy` when all of them, have as many lines waiting as
        may wait. `read`: what the manifest was read of, whose other rows are kept beside it.
        """
        try:
            parsed = Manifest.parse(manifest)
        except CredentialError as error:
            raise bad_request(error.code, str(error)) from error
        body = orjson.dumps(manifest)
        law_date = require_law_date(parsed.law_date)
        made, lines = secrets.token_urlsafe(12), len(parsed.lines)
        table, now = self._office.consignments, int(time.time())
        digest, named = sha256(body + _left_out(read)).digest(), self._judging.declarations.named(parsed)
        known = table.same(parsed.declaration or "", digest, parsed.law_date and law_date)
        if known is not None and parsed.declaration and (parsed.law_date or watched(known.created)[1]):
            # The same declaration again is the same goods: a second verdict could only differ in its age.
            self.stopping.go_on(known.id, sender or client)
            return {**self.show(known.id, limit=0), "uploaded_before": True}
        text = consignment_text(made, parsed.declaration or "", parsed.consignee_eori, manifest["lines"])
        with self._office.writing() as db:
            _require_room(lines, *table.lines_waiting(db, client))
            number = table.put(
                db,
                id=made,
                declaration=parsed.declaration or "",
                manifest=body,
                manifest_digest=digest,
                consignee_eori=parsed.consignee_eori,
                direction=parsed.direction or self._policy.direction,
                law_date=law_date,
                created=now,
                lines=lines,
                client=client,
                text=text,
            )
            self._judging.declarations.put(db, number, parsed.declaration, named)
            if read is not None:
                self.completing.keep(db, made, read)
            self._office.audit.put(db, now, sender or client, "consignment.sent", f"{made}: {lines} lines")
            # Before it can be found: whoever finds it need not read it again.
            self._judging.manifests.hand_on(made, parsed, manifest["lines"])
        self._judging.wake()
        log.moment("consignment", id=made, lines=lines)
        return self.show(made, limit=0)

    # -- showing -------------------------------------------------------------------------------------

    def listing(self, limit: int, before: int | None, words: Sequence[str] = ()) -> list[ConsignmentListed]:
        """Newest first; those with all these words, if there are any."""
        with self._office.reading():
            rows = self._office.consignments.page(limit, before, words)
            named = [row.id for row in rows]
            counts = self._office.consignments.counts(named)
            behind = self._overtaking.counts(named)
            left = self._office.left_out.counts(named)
        return [self._shown(row, counts[row.id], behind.get(row.id, 0), left.get(row.id, 0)) for row in rows]

    def show(
        self,
        consignment_id: str,
        *,
        choice: Choice | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> ConsignmentRecord:
        """The consignment with its lines (without their checks); counts are always of the whole."""
        table = self._office.consignments
        with self._office.reading():
            row = self._row(consignment_id)
            counts = table.counts([consignment_id])[consignment_id]
            every = limit == 0 and choice is None
            lines = [] if every else Chosen(self._office, consignment_id, choice or Choice()).lines()
            part = lines[offset:] if limit is None else lines[offset : offset + limit]
            bodies = table.items_of(consignment_id, part)
            changed = self._office.overtaken.changed(consignment_id)
            changes = table.items_of(consignment_id, [one.line for one in changed[:CHANGES_SHOWN]])
            behind = self._overtaking.lines(consignment_id)
            left = self._office.left_out.counts([consignment_id]).get(consignment_id, 0)
        items = [_listed(orjson.loads(body), behind) for body in bodies]
        same = table.of_declaration(row.declaration) if row.declaration else []
        return {
            **self._shown(row, counts, len(behind), left),
            "items": items,
            "items_total": sum(counts.values()) if every else len(lines),
            "changed_total": len(changed),
            "changed": [_changed(*both, behind) for both in zip(changed, changes, strict=False)],
            "decisions": [
                {"proposal": b64u(one.proposal), "at": one.at}
                for one in self._office.reached.of_consignment(consignment_id, DECISIONS_SHOWN)
            ],
            "same_declaration": [other.id for other in same if other.id != row.id],
            "uploaded_before": False,
        }

    def reasons(self, consignment_id: str, choice: Choice) -> list[tuple[str, str, int]]:
        """(word, reason, how many lines) of those that are chosen, whatever their reason."""
        with self._office.reading():
            return Chosen(self._office, consignment_id, choice).reasons()

    def _shown(
        self,
        row: ConsignmentRow,
        found: Mapping[str, int],
        behind: int,
        left_out: int,
    ) -> ConsignmentListed:
        counts = dict.fromkeys(ORDER, 0) | dict(found)
        words = [word for word, count in counts.items() if count]
        return {
            "id": row.id,
            "number": row.number,
            "declaration": row.declaration,
            "consignee_eori": row.consignee_eori,
            "direction": row.direction,
            "policy": self._policy.name,
            "law_date": row.law_date,
            "created": row.created,
            "evaluated_at": row.evaluated_at,
            "height": row.height,
            "block_time": row.block_time,
            "state": row.state,
            "lines": row.lines,
            "done": sum(counts.values()),
            "left_out": left_out,
            "worst": max(words, key=ORDER.index, default=None),
            "counts": counts,
            "overtaken": behind,
            "items": [],
            "items_total": sum(counts.values()),
        }

    def item(self, consignment_id: str, line: int) -> ItemRecord:
        row = self._row(consignment_id)
        if line >= 1 << 31:  # SQLite has no such numbers
            raise not_found("line_unknown", "the consignment has no such line")
        with self._office.reading():
            found = self._office.consignments.item(consignment_id, line)
            behind = self._overtaking.lines(consignment_id, (line, line))
        if found is None:
            if row.state != "done":
                told = "line {line} is not judged yet, or there is no such line"
                raise not_found("not_judged_yet", told, line=line)
            raise not_found("line_unknown", "the consignment has no line {line}", line=line)
        item: ItemRecord = orjson.loads(found)
        named: ItemRecord = {**item, "consignment": consignment_id, "declaration": row.declaration}
        return _marked(named, behind)

    def events(self, consignment_id: str, after: int) -> tuple[list[JudgedEvent], bool]:
        """(what was judged after event `after`, whether nothing comes after that); never waits."""
        row = self._row(consignment_id)
        with self._office.reading():
            found = self._office.consignments.items_after(consignment_id, after, EVENTS_AT_ONCE)
            behind = self._overtaking.lines(consignment_id) if found else frozenset[int]()
        events: list[JudgedEvent] = [
            {
                "seq": item.seq,
                "done": item.seq,
                "lines": row.lines,
                "line": item.line,
                "verdict": item.verdict,
                "overtaken": item.line in behind,
                "state": "done" if item.seq == row.lines else "running",
            }
            for item in found
        ]
        reached = found[-1].seq if found else after
        return events, reached >= row.lines or row.state == STOPPED or self._judging.stopping

    def export(self, consignment_id: str, format: str, words: Words) -> Iterable[bytes]:
        """All lines as CSV or XLSX (one row each) or JSON (with every check); text is never all in memory.

        Codes and the words of the moment, in a workbook its reader's: what somebody signs says what he read.
        """
        declaration = self._row(consignment_id).declaration
        items = self.items(consignment_id)
        if format == "json":
            return as_json(self.show(consignment_id, limit=0), items, words)
        rows = as_rows(items, self.completing.told(consignment_id, words), declaration, words)
        if format == "csv":
            return csv_of(rows)
        return [workbook_of(in_words(rows, words), declaration or words.sentence("column.declaration"))]

    def items(self, consignment_id: str) -> Iterator[ItemRecord]:
        """Every line that is judged, in order."""
        line = -1
        while True:
            with self._office.reading():
                bodies = self._office.consignments.bodies_after(consignment_id, line)
                items: list[ItemRecord] = [orjson.loads(body) for body in bodies]
                if not items:
                    return
                between = items[0]["line"], items[-1]["line"]
                behind = self._overtaking.lines(consignment_id, between)
            yield from (_marked(item, behind) for item in items)
            line = between[1]

    def report(self, consignment_id: str, law_date: str | None = None) -> ReportRecord:
        """The importer's readiness report; `law_date`: of another day than the consignment's."""
        row = self._row(consignment_id)
        return self.reports.report(row, row.law_date if law_date is None else require_law_date(law_date))

    def complete(self, consignment_id: str, table: TableManifest, sender: str) -> int:
        """Take the rows of a table into a consignment that was taken without them; how many."""
        return self.completing.add(self._row(consignment_id), table, sender)

    def _row(self, consignment_id: str) -> ConsignmentRow:
        row = self._office.consignments.get(consignment_id)
        if row is None:
            raise not_found("consignment_unknown", "this node holds no consignment with that id")
        return row


def _left_out(table: TableManifest | None) -> bytes:
    """What was left out, as a part of what tells one upload from another."""
    rows = [] if table is None else [one.row.cells for one in table.left_out]
    return orjson.dumps(rows) if rows else b""


def _changed(row: ChangedRow, body: bytes, behind: Set[int]) -> ChangeRecord:
    """Why a line has another word now, and what was recorded about its battery last."""
    item: ItemRecord = orjson.loads(body)
    recorded = [step for step in item["timeline"] if step["state"] == "admitted"]
    return {
        "line": row.line,
        "was": row.was,
        "verdict": row.verdict,
        "overtaken": row.line in behind,
        "reason": item["reason"],
        "unmade": item["unmade"],
        "evaluated_at": item["evaluated_at"],
        "newest": recorded[-1] if recorded else None,
    }


def _listed(item: ItemRecord, behind: Set[int]) -> LineRecord:
    """A stored line as lists have it."""
    return without_checks(_marked(item, behind))


def without_checks(item: ItemRecord) -> LineRecord:
    """A line without its checks and what they rest on."""
    kept: Any = {name: value for name, value in item.items() if name not in LEFT_OUT_OF_LISTS}
    line: LineRecord = kept
    return line


def _marked(item: ItemRecord, behind: Set[int]) -> ItemRecord:
    """With whether its word has been overtaken."""
    return {**item, "overtaken": item["line"] in behind}


def _require_room(lines: int, waiting: int, own: int) -> None:
    """Nobody's manifests take the place of everybody's."""
    if own and own + lines > LINES_WAITING_PER_CLIENT_MAX:
        raise ProblemError(
            429,
            "too_many_lines",
            "Come again",
            "{count} lines of yours wait to be judged, and at most {most} may: send this manifest when some "
            "of them are done",
            count=own,
            most=LINES_WAITING_PER_CLIENT_MAX,
        )
    if waiting and waiting + lines > LINES_WAITING_MAX:
        raise busy(
            "{count} lines wait to be judged at this node, and at most {most} may: send this manifest later",
            count=waiting,
            most=LINES_WAITING_MAX,
        )
