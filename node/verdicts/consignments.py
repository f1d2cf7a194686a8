"""Consignments: a manifest is stored first and judged line by line in the background; a restart goes on.

One thread works on one consignment at a time, in the order of arrival. A few verdicts are one transaction;
between two lines it gives way to whoever waits for one verdict (`scanning`): verdicts are computed under the
interpreter's lock, so a job beside them would double their time. A line is never judged twice.
"""

from __future__ import annotations

import csv
import io
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from credentials.documents.canonical import parse_json
from credentials.errors import CredentialError
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.evidence import Policy
from credentials.verdicts.manifest import Manifest, ManifestContext
from credentials.verdicts.readiness import readiness
from credentials.verdicts.words import ORDER
from node import log
from node.errors import ProblemError, bad_request, not_found
from node.storage.consignments import ConsignmentRow, ItemRow
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

JSON = dict[str, Any]
MANIFEST_BYTES_MAX = 16 << 20
BATCH_LINES = 8  # fetched for together, stored together
YIELD_S = 0.002
SCAN_POLL_S = 0.001
SCAN_WAIT_S_MAX = 0.05  # per line: scans without pause do not stop a job
WAIT_S = 5.0
EVENTS_AT_ONCE = 500
LEFT_OUT_OF_LISTS = ("checks", "timeline", "sources", "passport")
CSV_COLUMNS = (
    "declaration",
    "line",
    "battery",
    "goods",
    "commodity_code",
    "vin",
    "mass_kg",
    "registration_id",
    "verdict",
    "reason",
    "ground",
    "undecided_because",
    "law_date",
    "evaluated_at",
    "height",
    "block_time",
    "gaps",
    "checks_failed",
    "recognition_note",
)


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
        raise bad_request("law_date_malformed", "law_date is a day, YYYY-MM-DD") from error


class Consignments:
    """Takes manifests in, judges them, and shows how far it came."""

    def __init__(self, office: OfficeStore, gathering: Gathering, policy: Policy) -> None:
        self._office = office
        self._gathering = gathering
        self._policy = policy
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._scans = 0  # verdicts that somebody waits for right now
        self._scans_lock = threading.Lock()

    @contextmanager
    def scanning(self) -> Iterator[None]:
        """Somebody waits for one verdict: the job makes no new one meanwhile."""
        with self._scans_lock:
            self._scans += 1
        try:
            yield
        finally:
            with self._scans_lock:
                self._scans -= 1

    def _give_way(self) -> None:
        until = time.monotonic() + SCAN_WAIT_S_MAX
        while self._scans and time.monotonic() < until:
            time.sleep(SCAN_POLL_S)

    name = "consignments"

    def wake(self) -> None:
        """There may be something to judge."""
        self._wake.set()

    def stop(self) -> None:
        """A job that runs ends with its batch, and who follows one is let go."""
        self._stopping.set()

    # -- taking in -----------------------------------------------------------------------------------

    def create(self, manifest: JSON | bytes, content_type: str) -> JSON:
        """Store a manifest; its id is returned before the first verdict."""
        if content_type.partition(";")[0].strip() != "application/json":
            raise ProblemError(415, "media_type", "Unsupported media type", "a manifest is application/json")
        try:
            value = (
                parse_json(manifest, size_bytes_max=MANIFEST_BYTES_MAX)
                if isinstance(manifest, bytes)
                else manifest
            )
            parsed = Manifest.parse(value)
        except CredentialError as error:
            raise bad_request(error.code, str(error)) from error
        law_date = require_law_date(parsed.law_date)
        body = orjson.dumps(value)
        made = secrets.token_urlsafe(12)
        with self._office.writing() as db:
            self._office.consignments.put(
                db,
                id=made,
                declaration=parsed.declaration or "",
                manifest=body,
                manifest_digest=sha256(body).digest(),
                consignee_eori=parsed.consignee_eori,
                direction=parsed.direction or self._policy.direction,
                law_date=law_date,
                created=int(time.time()),
                lines=len(parsed.lines),
            )
        self._wake.set()
        log.moment("consignment", id=made, lines=len(parsed.lines))
        return self.show(made, limit=0)

    # -- showing -------------------------------------------------------------------------------------

    def listing(self, limit: int, before: int | None) -> list[JSON]:
        rows = self._office.consignments.page(limit, before)
        counts = self._office.consignments.counts([row.id for row in rows])
        return [self._shown(row, counts[row.id], [], sum(counts[row.id].values())) for row in rows]

    def show(
        self,
        consignment_id: str,
        *,
        verdicts: tuple[str, ...] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> JSON:
        """The consignment with its lines (without their checks); counts are always of the whole."""
        row = self._row(consignment_id)
        table = self._office.consignments
        counts = table.counts([consignment_id])[consignment_id]
        total = sum(n for word, n in counts.items() if verdicts is None or word in verdicts)
        bodies = [] if limit == 0 else table.items(consignment_id, verdicts, limit, offset)
        items = [
            {key: value for key, value in orjson.loads(body).items() if key not in LEFT_OUT_OF_LISTS}
            for body in bodies
        ]
        return self._shown(row, counts, items, total)

    def _shown(self, row: ConsignmentRow, found: Mapping[str, int], items: list[JSON], total: int) -> JSON:
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
            "worst": max(words, key=ORDER.index, default=None),
            "counts": counts,
            "items": items,
            "items_total": total,
        }

    def item(self, consignment_id: str, line: int) -> JSON:
        row = self._row(consignment_id)
        if line >= 1 << 31:  # SQLite has no such numbers
            raise not_found("line_unknown", "the consignment has no such line")
        found = self._office.consignments.item(consignment_id, line)
        if found is None:
            if row.state != "done":
                raise not_found("not_judged_yet", f"line {line} is not judged yet, or there is no such line")
            raise not_found("line_unknown", f"the consignment has no line {line}")
        item = orjson.loads(found)
        return {**item, "consignment": consignment_id, "declaration": row.declaration}

    def items(self, consignment_id: str) -> list[JSON]:
        """Every whole verdict, in line order."""
        self._row(consignment_id)
        return [orjson.loads(body) for body in self._office.consignments.bodies(consignment_id)]

    def events(self, consignment_id: str, after: int) -> tuple[list[JSON], bool]:
        """(what was judged after event `after`, whether nothing comes after that); never waits."""
        row = self._row(consignment_id)
        found = self._office.consignments.items_after(consignment_id, after, EVENTS_AT_ONCE)
        events = [
            {
                "seq": item.seq,
                "done": item.seq,
                "lines": row.lines,
                "line": item.line,
                "verdict": item.verdict,
                "state": "done" if item.seq == row.lines else "running",
            }
            for item in found
        ]
        reached = found[-1].seq if found else after
        return events, reached >= row.lines or self._stopping.is_set()

    def export(self, consignment_id: str, format: str) -> bytes:
        """All lines as CSV (one row each) or JSON (with every check)."""
        items = self.items(consignment_id)
        if format == "json":
            shown = self.show(consignment_id, limit=0)
            return orjson.dumps({**shown, "items": items}, option=orjson.OPT_INDENT_2)
        if format != "csv":
            raise not_found("format_unknown", "exports are csv or json")
        declaration = self._row(consignment_id).declaration
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(CSV_COLUMNS)
        for item in items:
            cells = {
                **item,
                "declaration": declaration,
                "evaluated_at": _iso(item["evaluated_at"]),
                "block_time": _iso(item["block_time"]),
                "gaps": "; ".join(str(gap.get("name", "")) for gap in item["gaps"]),
                "checks_failed": "; ".join(c["name"] for c in item["checks"] if c["outcome"] == "fail"),
            }
            writer.writerow([_cell(cells.get(column)) for column in CSV_COLUMNS])
        return text.getvalue().encode("utf-8-sig")

    def report(self, consignment_id: str) -> JSON:
        """The importer's readiness report over the lines of a consignment."""
        row = self._row(consignment_id)
        value = orjson.loads(self._office.consignments.manifest(consignment_id))
        manifest = Manifest.parse(value)
        self._gathering.fetch_for(value["lines"])
        pairs = (
            (line, self._gathering.evidence(raw, fetch=False))
            for line, raw in zip(manifest.lines, value["lines"], strict=True)
        )
        made = readiness(pairs, self._policy, row.law_date, int(time.time()))
        return {**made, "consignment": consignment_id, "declaration": row.declaration}

    def _row(self, consignment_id: str) -> ConsignmentRow:
        row = self._office.consignments.get(consignment_id)
        if row is None:
            raise not_found("consignment_unknown", "this node holds no consignment with that id")
        return row

    # -- the thread ----------------------------------------------------------------------------------

    def turn(self) -> None:
        """Judge the oldest consignment that is not done, or wait for one."""
        row = self._office.consignments.next_waiting()
        if row is not None:
            self._judge(row.id)
            return
        self._wake.wait(WAIT_S)
        self._wake.clear()

    def _judge(self, consignment_id: str) -> None:
        row = self._row(consignment_id)
        value = orjson.loads(self._office.consignments.manifest(consignment_id))
        manifest = Manifest.parse(value)
        context = ManifestContext.of(manifest, self._gathering.tables.identifiers)
        done = self._office.consignments.judged(consignment_id)
        seq = max(done.values(), default=0)
        rows = value["lines"]
        waiting = [(line, rows[n]) for n, line in enumerate(manifest.lines) if line.line not in done]
        with self._office.writing() as db:
            self._office.consignments.begin(db, consignment_id)
        while waiting and not self._stopping.is_set():
            part, waiting = waiting[:BATCH_LINES], waiting[BATCH_LINES:]
            self._gathering.fetch_for([raw for _, raw in part], self._give_way)
            verdicts: list[JSON] = []
            for line, raw in part:
                evidence = self._gathering.evidence(raw, fetch=False)
                now = int(time.time())
                judged = clear_item(line, evidence, self._policy, row.law_date, now, context)
                verdicts.append(judged.as_dict())
                time.sleep(YIELD_S)
                self._give_way()
            with self._office.writing() as db:
                items = [
                    ItemRow(verdict["line"], number, verdict["verdict"], orjson.dumps(verdict))
                    for number, verdict in enumerate(verdicts, seq + 1)
                ]
                self._office.consignments.put_items(db, consignment_id, items)
                seq, last = seq + len(items), verdicts[-1]
                self._office.consignments.progress(
                    db,
                    consignment_id,
                    done=seq,
                    evaluated_at=last["evaluated_at"],
                    height=last["height"],
                    block_time=last["block_time"],
                    state="running" if waiting else "done",
                )
            log.moment("judged", id=consignment_id, done=seq, lines=row.lines)
        if not rows or not waiting:
            with self._office.writing() as db:
                self._office.consignments.end(db, consignment_id)


def _iso(seconds: int | None) -> str | None:
    """ISO 8601 in UTC, as spreadsheets and customs systems read times."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: Any) -> str:
    """A cell in one line that a spreadsheet reads as text, never as a formula."""
    text = "" if value is None else " ".join(str(value).split())
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
