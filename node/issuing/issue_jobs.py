"""Jobs that issue a passport for each row of a sheet: a few rows a turn, resumed after a kill.

What becomes of a row is written in the transaction in which its passport is: a row that waits was not issued,
and one that was is not asked again. Rows of several people take turns. While this node may not speak, or a
rule cannot be read, rows wait; every other refusal is the row's own result.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from credentials.documents.canonical import parse_json
from credentials.errors import CredentialError
from node import log
from node.catalogues import refusals
from node.errors import ProblemError, bad_request
from node.issuing.bulk_acts import CHECKED, CORRECT, REPEATED, SIGNED, Acting, BulkActs, code_place
from node.issuing.issuing import Issuing
from node.issuing.item_sheets import LINE_BYTES_MAX, RETURNED, code_in
from node.issuing.passport_models import CellProblem, MemberKinds, PassportModel, RowReading
from node.issuing.passport_orders import Issued, Order
from node.resolution.webhooks import Webhooks
from node.storage.database import Transaction
from node.storage.jobs import DONE, REFUSED, JobRow, RowResult, SheetLine
from node.storage.office import OfficeStore
from node.transient_faults import PASSING, sentence
from node.turn_order import TurnOrder

JSON = dict[str, Any]
KIND = "issue"
TOGETHER = 32  # rows in one transaction, during which nobody else issues anything
IDLE_S, PAUSED_S = 5.0, 0.5  # a sheet that was taken over wakes it
RATE_PARTS, RATE_S = 64, 20.0  # by which the rate is told
READINGS_KEPT = 4  # jobs that take turns
FORMS_KEPT = 16  # of the lines of one sheet of JSON

Told = Callable[[ProblemError], Mapping[str, JSON]]  # a problem by language


@dataclass(frozen=True, slots=True)
class JobSpec:
    """How the rows of a job are read, and what is asked for with them."""

    model: JSON | None  # as remembered; None: each line is a whole order
    form: str  # ndjson | csv | xlsx
    headings: list[str] | None  # None: lines of JSON
    dry: bool
    gaps: bool  # sign although data points are missing
    placed_on: str | None
    versions: bool = False  # each row is a new version of a passport that there is
    reason: str = ""  # of an act
    statement: str = ""  # the kind that is corrected

    def as_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def of(cls, job: JobRow) -> JobSpec:
        return cls(**orjson.loads(job.spec))


@dataclass(frozen=True, slots=True)
class RowParts:
    """A row, taken apart."""

    code: str
    columns: RowReading | None  # None: the claims are whole
    cells: Sequence[Any]
    claims: JSON = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asked:
    row: int
    battery: str
    order: Order
    columns: RowReading | None


class JobReading:
    """The orders of one job, row by row."""

    def __init__(self, spec: JobSpec, kinds: MemberKinds) -> None:
        """ProblemError for a sheet that its model does not fit."""
        self.spec = spec
        self._kinds = kinds
        self._model = None if spec.model is None else PassportModel.read(spec.model, kinds)
        self._table = None if spec.headings is None else self._reading(tuple(spec.headings))
        self._forms: OrderedDict[tuple[str, ...], RowReading] = OrderedDict()

    def _reading(self, headings: Sequence[str]) -> RowReading:
        assert self._model is not None, "a table has a model"
        return RowReading(self._model, headings, self._kinds)

    def parts(self, data: bytes) -> RowParts:
        """The code of a row, and what else stands in it: cells of a table, or claims."""
        if self._table is not None:
            cells = orjson.loads(data)
            at = self._table.code_at
            try:
                code = code_in(cells, at)
            except ProblemError as problem:
                raise CellProblem(self._table.headings[at], problem) from problem
            return RowParts(code, self._table, cells)
        row = _line(data)
        if self._model is None:
            if not isinstance(row.get("claims"), dict) or row.keys() - {"code", "claims"}:
                told = "a line without a model is a JSON object with `code` and `claims`, and nothing else"
                raise bad_request("row_malformed", told)
            return RowParts(str(row.get("code") or "").strip(), None, (), row["claims"])
        headings = tuple(row)
        if headings not in self._forms:
            self._forms[headings] = self._reading(headings)
            if len(self._forms) > FORMS_KEPT:
                self._forms.popitem(last=False)
        reading = self._forms[headings]
        values = list(row.values())
        return RowParts(str(values[reading.code_at]).strip(), reading, values)

    def order(self, parts: RowParts, canonical: str) -> Order:
        """What a row asks for; CellProblem."""
        claims, columns = parts.claims, parts.columns
        if columns is not None:
            rest = [None if place == columns.code_at else cell for place, cell in enumerate(parts.cells)]
            claims = columns.filled(rest, canonical)
        spec = self.spec
        return Order(
            claims,
            parts.code,
            whole=not spec.gaps,
            placed_on=spec.placed_on,
            once=not spec.versions,
            tried=spec.dry,
            renews=spec.versions,
        )


def _line(data: bytes) -> JSON:
    """A line of JSON, as strictly as any request; what was handed back with a row is left out."""
    try:
        row = parse_json(data, size_bytes_max=LINE_BYTES_MAX)
    except CredentialError as error:
        raise bad_request("row_malformed", "this line is no JSON: {why}", why=str(error)) from error
    if not isinstance(row, dict):
        raise bad_request("row_malformed", "this line is no JSON object")
    return {name: value for name, value in row.items() if name not in RETURNED}


class IssueJobs:
    """One thread that issues, a part of a job at a time."""

    name = "jobs"

    def __init__(
        self,
        issuing: Issuing,
        office: OfficeStore,
        signed: Callable[[], None],
        kinds: MemberKinds,
        *,
        told: Told,
        webhooks: Webhooks,
    ) -> None:
        """`signed` is called when something waits to be sent."""
        self._issuing = issuing
        self._office = office
        self._signed = signed
        self._told = told
        self._webhooks = webhooks
        self._bulk = BulkActs(issuing, office)
        self.kinds = kinds
        self._wake = threading.Event()
        self._readings: OrderedDict[int, JobReading] = OrderedDict()
        self._pace: deque[tuple[float, int]] = deque(maxlen=RATE_PARTS)
        self._turns = TurnOrder()
        self.pause: ProblemError | None = None  # why rows wait, while they do
        with office.writing() as db:
            office.jobs.drop_unread(db)

    def wake(self) -> None:
        self._wake.set()

    def rate(self) -> float | None:
        """Rows a second, of the last parts; None while nothing is known."""
        now = time.monotonic()
        parts = [(at, rows) for at, rows in list(self._pace) if now - at <= RATE_S]
        if len(parts) < 2:
            return None
        return sum(rows for _, rows in parts[1:]) / max(parts[-1][0] - parts[0][0], 1e-3)

    def turn(self) -> None:
        """One part of one job, or a bounded wait."""
        job = self._next()
        if job is None:
            self._wake.wait(IDLE_S)
            self._wake.clear()
            return
        try:
            self._issuing.lists.gate.require_open()
            self._part(job)
            self.pause = None
        except _Paused as paused:
            self._wait(paused.problem)
        except ProblemError as problem:
            self._wait(problem)

    def _wait(self, problem: ProblemError) -> None:
        self.pause = problem
        self._wake.wait(PAUSED_S)
        self._wake.clear()

    def _next(self) -> JobRow | None:
        """The oldest of whoever waits longest for a turn."""
        queued = self._office.jobs.oldest_queued()
        client = self._turns.next({client: job.number for client, job in queued.items()})
        return None if client is None else queued[client]

    def _part(self, job: JobRow) -> None:
        rows = self._office.jobs.waiting(job.number, TOGETHER)
        if not rows:
            self.end(job, DONE)
            return
        if job.kind == KIND:
            try:
                self._work(job, rows)
            except (_Paused, AssertionError, *PASSING):
                raise
            except Exception as error:  # one of them is at fault: the others do not wait for it
                for row in rows:
                    self._alone(job, row, error if len(rows) == 1 else None)
        else:
            self._act(job, rows)
        self._pace.append((time.monotonic(), len(rows)))

    def end(self, job: JobRow, state: str) -> bool:
        """Done or stopped, and told; False for one that had ended before."""
        jobs = self._office.jobs
        with self._office.writing() as db:
            ended = jobs.end(db, job.number, state, int(time.time()))
            if ended:
                told = {"id": job.id, "kind": job.kind, "name": job.name, "state": state, "rows": job.rows}
                counts = jobs.counts(job.number)
                self._webhooks.post(db, "job.ended", f"job_{job.id}", {**told, "counts": counts})
            jobs.forget_old(db)
        if ended:
            log.moment("job", id=job.id, state=state, rows=job.rows)
        return ended

    def _alone(self, job: JobRow, row: SheetLine, error: Exception | None) -> None:
        if error is None:
            try:
                self._work(job, [row])
                return
            except (_Paused, AssertionError, *PASSING):
                raise
            except Exception as raised:
                error = raised
        result = self._broken(job, row, error)
        with self._office.writing() as db:
            self._office.jobs.settle(db, job.number, [result])

    def _broken(self, job: JobRow, row: SheetLine, error: Exception) -> RowResult:
        log.moment("fault", error, thread=self.name, because=sentence(error), job=job.id, row=row.row)
        told = "This node made an error; its log says which."
        problem = ProblemError(500, "broken", "Error in this node", told)
        return self._refused(row.row, row.battery, problem)

    def _reading(self, job: JobRow) -> JobReading:
        if job.number not in self._readings:
            self._readings[job.number] = JobReading(JobSpec.of(job), self.kinds)
            if len(self._readings) > READINGS_KEPT:
                self._readings.popitem(last=False)
        return self._readings[job.number]

    def _work(self, job: JobRow, rows: Sequence[SheetLine]) -> None:
        """These rows: each is issued or refused, and its result stored with it."""
        reading = self._reading(job)
        settled: list[RowResult] = []
        asked: list[_Asked] = []
        seen: dict[str, int] = {}
        for row in rows:
            battery = None
            try:
                parts = reading.parts(row.data)
                battery = self._battery(parts.code)
                self._require_first(job, row.row, battery, seen)
                asked.append(_Asked(row.row, battery, reading.order(parts, battery), parts.columns))
            except CellProblem as wrong:
                settled.append(self._refused(row.row, battery, wrong.problem, wrong.heading))
            except ProblemError as problem:
                settled.append(self._refused(row.row, battery, problem))

        def beside(db: Transaction, made: Sequence[Issued | ProblemError]) -> None:
            for one in made:
                if isinstance(one, ProblemError) and one.status == 503:
                    raise _Paused(one)  # nothing of this part is kept
            results = [self._result(of, one) for of, one in zip(asked, made, strict=True)]
            self._office.jobs.settle(db, job.number, [*settled, *results])

        if asked:
            self._issuing.passports.passports([one.order for one in asked], beside)
            self._signed()
        else:
            with self._office.writing() as db:
                beside(db, [])

    def _act(self, job: JobRow, rows: Sequence[SheetLine]) -> None:
        """These rows of an act: each is on disk with its statement, or refused, one after the other."""
        spec = JobSpec.of(job)
        headings = spec.headings or []
        place = code_place(headings)
        acting = Acting(job.kind, spec.reason, spec.statement, job.number, spec.dry)
        for row in rows:
            battery, result = None, None
            try:
                battery = self._battery(self._bulk.code(row.data, place))
                named = self._bulk.named(row.data, headings) if job.kind == CORRECT else None
                self._require_first(job, row.row, battery, {}, named)
                result = self._bulk.act(acting, row.row, battery, named)
            except ProblemError as problem:
                if problem.status == 503:
                    raise _Paused(problem) from problem
                result = self._refused(row.row, battery, problem)
            except (AssertionError, *PASSING):
                raise
            except Exception as error:  # the other rows do not wait for it
                result = self._broken(job, row, error)
            if result is not None:
                with self._office.writing() as db:
                    self._office.jobs.settle(db, job.number, [result])
        self._signed()

    def _battery(self, code: str) -> str:
        if not code:
            raise bad_request("code_missing", "this row has no code of a battery")
        return self._issuing.signing.identifier(code).canonical

    def _require_first(
        self, job: JobRow, row: int, battery: str, seen: dict[str, int], named: bytes | None = None
    ) -> None:
        """409 for the second row of a sheet about one battery; where it names a statement, about that one."""
        before = seen.setdefault(battery, row)
        if before == row:
            before = self._office.jobs.first_with(job.number, battery, named) or row
        if before != row:
            told = "row {row} of this sheet has the same code: one of the two is wrong, or one too many"
            raise ProblemError(409, "code_repeated", "Conflict", told, row=before)

    def _result(self, asked: _Asked, made: Issued | ProblemError) -> RowResult:
        if isinstance(made, ProblemError):
            heading = None if asked.columns is None else asked.columns.heading_of(str(made))
            return self._refused(asked.row, asked.battery, _of_row(made), heading)
        if made.credentials is None:
            return RowResult(asked.row, REPEATED, made.battery, made.digest)
        if asked.order.tried:
            return RowResult(asked.row, CHECKED, made.battery)
        return RowResult(asked.row, SIGNED, made.battery, made.digest)

    def _refused(
        self, row: int, battery: str | None, problem: ProblemError, heading: str | None = None
    ) -> RowResult:
        told = {"code": problem.code, "status": problem.status, "cell": heading, **self._told(problem)}
        return RowResult(row, REFUSED, battery, None, orjson.dumps(told))


def _of_row(problem: ProblemError) -> ProblemError:
    """What a reader of claims says, told to whoever can correct the row."""
    if problem.sentence in refusals("refusal"):
        return problem
    told = "the claims of this row are refused: {why}"
    return ProblemError(problem.status, problem.code, problem.title, told, why=problem.detail)


class _Paused(Exception):
    """The node cannot take these rows now: they wait, as they are."""

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(str(problem))
        self.problem = problem
