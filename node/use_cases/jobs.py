"""The desk of the maker's line: sheets taken over as jobs, what became of each row, remembered models."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any, TypedDict

import orjson

from credentials.documents.canonical import b64u
from node.catalogues import LANGUAGES
from node.errors import ProblemError, bad_request, busy, not_found
from node.issuing.bulk_acts import CHECKED, REPEATED, SIGNED
from node.issuing.issue_jobs import KIND, IssueJobs, JobReading, JobSpec
from node.issuing.item_sheets import (
    RETURNED,
    ROWS_MAX,
    OneSheet,
    is_json_lines,
    json_lines,
    table,
    text_of,
    unpacked,
)
from node.issuing.passport_models import PassportModel
from node.sheets import csv_of, workbook_of
from node.storage.jobs import MODELS_MAX, QUEUED, REFUSED, STOPPED, WAITING, JobRow, SheetLine
from node.storage.office import OfficeStore
from node.use_cases.form_desk import remembered_model

ROWS_WAITING_PER_CLIENT_MAX = 200_000
ROWS_WAITING_MAX = 400_000
JOBS_WAITING_PER_CLIENT_MAX = 1_000  # each has a copy of its model
STORED_TOGETHER = 2_000  # rows in one transaction
PLAIN_RATE = 100.0  # rows a second, where no job has shown another one
ROW_STATES = (WAITING, SIGNED, REPEATED, CHECKED, REFUSED)
RETURNED_ROWS_TOGETHER = 500

Rows = Iterable[tuple[int, bytes]]  # line of the file, data


class RowProblem(TypedDict):
    """Why a row was refused, in the reader's language: which cell, whose fault it is and what to do."""

    code: str
    status: int
    cell: str | None  # the heading of its column
    title: str
    detail: str
    fault: str
    next: str


class JobRowAnswer(TypedDict):
    """What became of one row of a job."""

    row: int  # from 1
    line: int  # of the file
    battery: str | None
    state: str  # waiting | signed | repeated (issued before) | checked (dry run) | refused
    digest: str | None  # of the passport; of an act: of its attestation; in a look: of what is corrected
    version: int | None
    attested: str | None  # outbox | admitted | refused | ...
    receipted_at: int | None
    problem: RowProblem | None


class JobAnswer(TypedDict):
    """How a job does."""

    number: int
    id: str
    kind: str  # issue, or an act: suspend | reinstate | revoke | recall | lift_recall
    name: str
    reason: str  # of an act, as it is published
    versions: bool  # each row is a new version
    model: str | None
    state: str  # queued (waits, or is under way) | done | stopped
    dry_run: bool
    gaps: bool  # signed although data points are missing
    placed_on: str | None
    created: int
    ended: int | None
    rows: int
    done: int
    counts: dict[str, int]  # rows by state
    on_ledger: dict[str, int]  # its passports by what became of their publication; receipted: with a receipt
    finished: bool  # nothing waits, neither a row nor a receipt
    rows_per_s: float | None
    seconds_left: int | None
    waits: str | None  # why no row is being issued


class JobRowsAnswer(TypedDict):
    """Rows of a job, in order."""

    rows: list[JobRowAnswer]


class JobsAnswer(TypedDict):
    """Jobs, newest first."""

    jobs: list[JobAnswer]


class ModelsAnswer(TypedDict):
    """The names of the models that are remembered."""

    models: list[str]


class ModelAnswer(TypedDict):
    """A model as it is remembered, and the members that a column may be given to."""

    name: str
    claims: dict[str, Any]
    columns: dict[str, list[str]]
    utc_offset: str | None


@dataclass(frozen=True, slots=True)
class JobAsked:
    """What somebody asks for with a sheet."""

    model: str | None = None
    dry: bool = False
    gaps: bool = False
    placed_on: str | None = None
    name: str = ""
    key: str | None = None  # the same sheet under it is the same job
    versions: bool = False  # each row is a new version of a passport that there is


@dataclass(frozen=True, slots=True)
class SheetTaken:
    """Whose sheet it is, for what, and by what it is known again."""

    kind: str
    name: str
    client: str
    key: str | None
    asked: bytes


class JobDesk:
    """Takes sheets over, and says what became of their rows. Thread-safe."""

    def __init__(self, office: OfficeStore, jobs: IssueJobs) -> None:
        self._office = office
        self._jobs = jobs
        self._sheets = OneSheet()

    # -- models --------------------------------------------------------------------------------------

    def put_model(self, value: dict[str, object]) -> ModelAnswer:
        """Remember a model under its name, instead of the one before; 400 `model_malformed`."""
        model = PassportModel.read(value, self._jobs.kinds)
        known = self._office.jobs.models()
        if model.name not in known and len(known) >= MODELS_MAX:
            raise bad_request(
                "model_malformed", "this node remembers {most} models, and no more", most=MODELS_MAX
            )
        with self._office.writing() as db:
            self._office.jobs.put_model(db, model.name, model.as_json(), int(time.time()))
        return self.model(model.name)

    def model(self, name: str) -> ModelAnswer:
        """404 `model_unknown`."""
        found: ModelAnswer = remembered_model(self._office, name)
        return found

    def models(self) -> list[str]:
        return self._office.jobs.models()

    def members(self) -> list[str]:
        """What a column may be given to."""
        return self._jobs.kinds.names()

    # -- taking over ---------------------------------------------------------------------------------

    def take(self, data: bytes, asked: JobAsked, client: str) -> tuple[JobAnswer, bool]:
        """(the job, whether it is new), once every row is on disk; nothing is kept of a sheet refused."""
        how = [asked.model, asked.dry, asked.gaps, asked.placed_on, *(["versions"] if asked.versions else [])]
        digest = sha256(orjson.dumps(how) + data).digest()
        taken = SheetTaken(KIND, asked.name, client, asked.key, digest)
        return self.store(taken, lambda: self._read(data, asked))

    def store(self, taken: SheetTaken, read: Callable[[], tuple[JobSpec, Rows]]) -> tuple[JobAnswer, bool]:
        """(the job, whether it is new), once every row is on disk."""
        client, key = taken.client, taken.key
        if key is not None and (known := self._office.jobs.with_key(client, key)) is not None:
            if known.asked != taken.asked:
                told = "this idempotency key was used for another sheet: choose a new one"
                raise ProblemError(409, "idempotency_key_reused", "Conflict", told)
            return self._told(known), False
        with self._sheets.turn():
            self._require_room(client)
            spec, rows = read()
            job = JobRow(
                *(0, secrets.token_urlsafe(16), taken.kind, taken.name[:100], client, key, taken.asked),
                *(spec.as_json(), QUEUED, 0, int(time.time()), None),
            )
            self._store(job, rows)
        self._jobs.wake()
        return self.show(job.id), True

    def _read(self, data: bytes, asked: JobAsked) -> tuple[JobSpec, Rows]:
        """How the rows are read, and these one after the other."""
        data = unpacked(data)
        model = None if asked.model is None else {**self.model(asked.model)}
        rows: Rows
        if is_json_lines(data):
            form, headings, rows = "ndjson", None, json_lines(data)
        elif model is None:
            raise bad_request("model_missing", "a table needs its model: name it, or send lines of JSON")
        else:
            found = table(data)
            form, headings = found.form, list(found.headings)
            rows = ((line, orjson.dumps(cells)) for line, cells in found.rows)
        spec = JobSpec(model, form, headings, asked.dry, asked.gaps, asked.placed_on, versions=asked.versions)
        JobReading(spec, self._jobs.kinds)  # a sheet that the model does not fit is refused as a whole
        return spec, rows

    def _store(self, job: JobRow, rows: Rows) -> None:
        table, count = self._office.jobs, 0
        with self._office.writing() as db:
            number = table.begin(db, job)
        try:
            waiting = iter(rows)
            while part := list(islice(waiting, STORED_TOGETHER)):
                if count + len(part) > ROWS_MAX:
                    told = "the sheet has more than {most} rows: send it in parts"
                    raise ProblemError(413, "sheet_too_large", "Content too large", told, most=ROWS_MAX)
                with self._office.writing() as db:
                    table.add(db, number, ((n, *one) for n, one in enumerate(part, count + 1)))
                count += len(part)
            if not count:
                raise bad_request("sheet_malformed", "the sheet has no row below the names of its columns")
            with self._office.writing() as db:
                table.queue(db, number, count)
        except BaseException:
            with self._office.writing() as db:
                table.drop(db, number)
            raise

    def _require_room(self, client: str) -> None:
        """Nobody's rows take the place of everybody's."""
        own, all_rows = self._office.jobs.waiting_rows(client), self._office.jobs.waiting_rows()
        pace = self._jobs.rate() or PLAIN_RATE
        if own >= ROWS_WAITING_PER_CLIENT_MAX:
            told = "{count} rows of yours wait, and at most {most} may: send this sheet again in {seconds} s"
            most = ROWS_WAITING_PER_CLIENT_MAX
            seconds = 1 + int((own - most // 2) / pace)
            raise ProblemError(
                429, "too_many_rows", "Come again", told, count=own, most=most, seconds=seconds
            )
        if (jobs := self._office.jobs.queued_of(client)) >= JOBS_WAITING_PER_CLIENT_MAX:
            told = (
                "{count} jobs of yours wait, and at most {most} may: put more rows into each, and send this "
                "sheet again in {seconds} s"
            )
            most, seconds = JOBS_WAITING_PER_CLIENT_MAX, 1 + int(own / pace)
            raise ProblemError(
                429, "too_many_rows", "Come again", told, count=jobs, most=most, seconds=seconds
            )
        if all_rows >= ROWS_WAITING_MAX:
            told = "{count} rows wait at this node: send this sheet again in {seconds} s"
            raise busy(told, count=all_rows, seconds=1 + int((all_rows - ROWS_WAITING_MAX // 2) / pace))

    # -- showing -------------------------------------------------------------------------------------

    def show(self, id: str) -> JobAnswer:
        """404 `job_unknown`."""
        return self._told(self.row(id))

    def page(self, limit: int, before: int | None) -> list[JobAnswer]:
        """Newest first; the last one's `number` is `before` of the next page."""
        return [self._told(job) for job in self._office.jobs.page(limit, before)]

    def rows(
        self, id: str, language: str, *, state: str | None, limit: int, after: int
    ) -> list[JobRowAnswer]:
        """Rows in their order, from the one after row `after`."""
        found = self._office.jobs.lines(self.row(id).number, limit, after, state)
        statements = self._office.jobs.statements([one.digest for one in found if one.digest is not None])
        return [self._row_told(one, statements, language) for one in found]

    def passports_of(self, id: str, limit: int, after: int) -> list[tuple[int, str]]:
        """(row, digest) of passports of a job, for their labels."""
        job = self.row(id)
        found = self._office.jobs.passports(job.number, limit, after) if job.kind == KIND else []
        return [(row, b64u(digest)) for row, digest in found]

    def label_starts(self, id: str, each: int) -> list[int]:
        """After which rows the passports of a job begin, so many at a time."""
        job = self.row(id)
        return self._office.jobs.starts(job.number, each) if job.kind == KIND else []

    def failed(self, id: str, language: str) -> tuple[str, Iterator[bytes]]:
        """(ndjson | csv | xlsx, the refused rows in the form in which they came), with cell and reason."""
        job = self.row(id)
        spec = JobSpec.of(job)
        if spec.headings is None:
            return spec.form, _failed_lines(self._refused(job), language)
        rows = self._failed_rows(job, spec.headings, language)
        return spec.form, csv_of(rows) if spec.form == "csv" else iter([workbook_of(rows, "refused rows")])

    def stop(self, id: str) -> JobAnswer:
        """Issue no further row of it; what was issued stays. 409 `final` for one that ended."""
        if not self._jobs.end(self.row(id), STOPPED):
            raise ProblemError(409, "final", "Too late", "this job has ended already")
        return self.show(id)

    def row(self, id: str) -> JobRow:
        """404 `job_unknown`."""
        job = self._office.jobs.get(id)
        if job is None or job.rows == 0:
            raise not_found("job_unknown", "this node holds no job with that id")
        return job

    def _told(self, job: JobRow) -> JobAnswer:
        spec, counts = JobSpec.of(job), self._office.jobs.counts(job.number)
        on_ledger = self._office.jobs.on_ledger(job.number)
        waiting = counts.get(WAITING, 0)
        under_way = job.state == QUEUED
        pace = self._jobs.rate() if under_way else None
        pause = self._jobs.pause if under_way else None
        return {
            "number": job.number,
            "id": job.id,
            "kind": job.kind,
            "name": job.name,
            "reason": spec.reason,
            "versions": spec.versions,
            "model": None if spec.model is None else spec.model["name"],
            "state": job.state,
            "dry_run": spec.dry,
            "gaps": spec.gaps,
            "placed_on": spec.placed_on,
            "created": job.created,
            "ended": job.ended,
            "rows": job.rows,
            "done": job.rows - waiting,
            "counts": {state: counts[state] for state in ROW_STATES if state in counts},
            "on_ledger": on_ledger,
            "finished": not under_way and not on_ledger.keys() & {"outbox", "admitted"},
            "rows_per_s": None if pace is None else round(pace, 1),
            "seconds_left": None if not pace else 1 + int(self._office.jobs.waiting_rows() / pace),
            "waits": None if pause is None else pause.detail,
        }

    def _row_told(
        self, one: SheetLine, statements: dict[bytes, tuple[int | None, str, int | None]], language: str
    ) -> JobRowAnswer:
        of = one.digest if one.digest is not None and one.state != CHECKED else b""  # a look says nothing
        version, attested, receipted_at = statements.get(of, (None, None, None))
        return {
            "row": one.row,
            "line": one.line,
            "battery": one.battery,
            "state": one.state,
            "digest": None if one.digest is None else b64u(one.digest),
            "version": version,
            "attested": attested,
            "receipted_at": receipted_at,
            "problem": None if one.problem is None else problem_in(one.problem, language),
        }

    def _refused(self, job: JobRow) -> Iterator[SheetLine]:
        after = 0
        while part := self._office.jobs.lines(job.number, RETURNED_ROWS_TOGETHER, after, REFUSED):
            yield from part
            after = part[-1].row

    def _failed_rows(self, job: JobRow, headings: list[str], language: str) -> Iterator[list[str]]:
        kept = [place for place, name in enumerate(headings) if name.lower() not in RETURNED]
        yield [*(headings[place] for place in kept), *RETURNED]
        for one in self._refused(job):
            assert one.problem is not None, "it was refused"
            told = problem_in(one.problem, language)
            cells = [text_of(cell) for cell in orjson.loads(one.data)]
            cells += [""] * (len(headings) - len(cells))
            beyond = cells[len(headings) :]  # under no column: they are what is wrong
            told_all = [told["cell"] or "", " ".join([told["detail"], *beyond]), told["next"]]
            yield [*(cells[place] for place in kept), *told_all]


def _failed_lines(refused: Iterable[SheetLine], language: str) -> Iterator[bytes]:
    for one in refused:
        assert one.problem is not None, "it was refused"
        told = problem_in(one.problem, language)
        try:
            line = orjson.loads(one.data)
        except orjson.JSONDecodeError:
            line = None
        if not isinstance(line, dict):  # as it came: nothing can be added to it
            yield one.data + b"\n"
            continue
        said = {"problem_cell": told["cell"], "problem": told["detail"], "what_to_do": told["next"]}
        yield orjson.dumps({**line, **said}) + b"\n"


def problem_in(body: bytes, language: str) -> RowProblem:
    """A stored problem in one language; in the first where this one was not told yet."""
    told = orjson.loads(body)
    said = told.get(language) or told[LANGUAGES[0]]
    return {
        "code": told["code"],
        "status": told["status"],
        "cell": told["cell"],
        "title": said["title"],
        "detail": said["detail"],
        "fault": said.get("fault", ""),
        "next": said.get("next", ""),
    }
