"""The desk of acts on many batteries: what they reach is looked at first, and only that is carried out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

import orjson

from credentials.documents.canonical import b64u
from node.errors import ProblemError, bad_request
from node.issuing.bulk_acts import ACTS, CHECKED, CORRECT, LIFT, NAMED, REASON_CHARACTERS_MAX, code_place
from node.issuing.issue_jobs import JobSpec
from node.issuing.issuing import Issuing
from node.issuing.item_sheets import is_json_lines, table, unpacked
from node.storage.issuances import Issuance
from node.storage.jobs import DONE, JobRow
from node.storage.office import OfficeStore
from node.use_cases.jobs import JobAnswer, JobDesk, Rows, SheetTaken

PUBLIC_POINT = 1
ROWS_TOGETHER = 2_000
CODE = "code"


@dataclass(frozen=True, slots=True)
class ActAsked:
    """What is to be done, and to which batteries: all that is given has to hold."""

    act: str
    reason: str = ""
    job: str | None = None  # batteries of the passports of this job: a batch
    begins: str | None = None  # codes that begin so: a model or a batch, as the code carries it
    made_from: str | None = None  # produced on this day or later, YYYY-MM-DD
    made_until: str | None = None  # or earlier
    statement: str = ""  # of `correct`: the kind of statement of which the newest of each is taken back
    name: str = ""
    key: str | None = None


class BulkDesk:
    """Finds what an act reaches, as a job that only tries; and carries it out on exactly that."""

    def __init__(self, office: OfficeStore, issuing: Issuing, desk: JobDesk) -> None:
        self._office = office
        self._issuing = issuing
        self._desk = desk

    def preview(self, data: bytes, asked: ActAsked, client: str) -> tuple[JobAnswer, bool]:
        """(a job in which every battery is tried and nothing is said, whether it is new).

        `data`: a sheet of codes; empty: own passports by `asked`. 400 where neither names any battery.
        """
        if asked.act not in ACTS:
            raise bad_request("bad_argument", "`act` is one of {acts}", acts=ACTS)
        if not asked.reason.strip() and asked.act != LIFT:
            raise bad_request("bad_argument", "say why: `reason` is one sentence, and is published")
        if len(asked.reason) > REASON_CHARACTERS_MAX:
            told = "`reason` has at most {most} characters"
            raise bad_request("bad_argument", told, most=REASON_CHARACTERS_MAX)
        self._require_kind(asked)
        by_records = (asked.job, asked.begins, asked.made_from, asked.made_until)
        if bool(data.strip()) == any(by_records):
            told = (
                "name the batteries: by a sheet of codes, or by job, beginning of the code or days, not both"
            )
            raise bad_request("bad_argument", told)
        spec = JobSpec(None, "csv", [CODE], True, False, None, reason=asked.reason.strip())
        spec = replace(spec, statement=asked.statement)
        whole = orjson.dumps([asked.act, spec.reason, asked.statement, *by_records]) + data
        taken = SheetTaken(asked.act, asked.name, client, asked.key, sha256(whole).digest())
        return self._desk.store(
            taken, lambda: self._by_sheet(data, spec) if data.strip() else (spec, self._found(asked))
        )

    def carry_out(self, id: str) -> tuple[JobAnswer, bool]:
        """(the job that does to those batteries what was looked at, whether it is new).

        409 `not_looked_at` for a job that is no preview, or whose rows were not all looked at yet.
        """
        job = self._desk.row(id)
        spec = JobSpec.of(job)
        if job.kind not in ACTS or not spec.dry or job.state != DONE:
            told = "carried out is a preview of which every row was looked at, and this job is none"
            raise ProblemError(409, "not_looked_at", "Not possible", told)
        asked = sha256(b"carry out" + job.id.encode()).digest()
        taken = SheetTaken(job.kind, job.name, job.client, f"carry out {job.id}", asked)
        spec = replace(spec, dry=False)
        if job.kind == CORRECT:
            spec = replace(spec, headings=[CODE, NAMED])
        return self._desk.store(taken, lambda: (spec, self._reached(job)))

    def _reached(self, job: JobRow) -> Iterator[tuple[int, bytes]]:
        """Rows as they came; of statements that are corrected, those that the look named."""
        after = 0
        while part := self._office.jobs.lines(job.number, ROWS_TOGETHER, after, CHECKED):
            for one in part:
                named = one.digest if job.kind == CORRECT else None
                yield one.line, one.data if named is None else orjson.dumps([one.battery, b64u(named)])
            after = part[-1].row

    def _require_kind(self, asked: ActAsked) -> None:
        """400 where it is not said what is corrected, or the rules in force know no such event."""
        if asked.act != CORRECT:
            return
        if asked.statement not in (kinds := self.kinds()):
            raise bad_request("bad_argument", "`statement` is what is corrected: one of {kinds}", kinds=kinds)

    def kinds(self) -> tuple[str, ...]:
        """What can be corrected, by the rules in force."""
        events = self._issuing.signing.governance.lifecycle.events.values()
        return tuple(sorted(one.type for one in events if one.battery_event and not one.irreversible))

    def _by_sheet(self, data: bytes, spec: JobSpec) -> tuple[JobSpec, Rows]:
        data = unpacked(data)
        if is_json_lines(data):
            raise bad_request("sheet_malformed", "a sheet of codes is CSV or XLSX, with a column `code`")
        found = table(data)
        code_place(list(found.headings))
        rows = ((line, orjson.dumps(cells)) for line, cells in found.rows)
        return replace(spec, form=found.form, headings=list(found.headings)), rows

    def _found(self, asked: ActAsked) -> Rows:
        """A row for each battery with a passport of ours that all of it holds for, in order of issuing."""
        job = None if asked.job is None else self._desk.row(asked.job).number
        begins, after, line = (asked.begins or "").strip(), 0, 1
        while part := self._office.issuances.standing_ones(begins, job, after, ROWS_TOGETHER):
            for one in part:
                after = one.number
                if self._made_then(one, asked):
                    line += 1
                    yield line, orjson.dumps([one.battery])
        if line == 1:
            told = "no battery with a passport of this node is meant by that"
            raise bad_request("nothing_reached", told)

    def _made_then(self, issued: Issuance, asked: ActAsked) -> bool:
        if asked.made_from is None and asked.made_until is None:
            return True
        day = self._made_on(issued)
        return (asked.made_from or "") <= day <= (asked.made_until or "9999")

    def _made_on(self, issued: Issuance) -> str:
        """The day of production that the code carries, else that of the passport; "" where neither says."""
        made = self._issuing.signing.identifier(issued.battery).manufactured
        if made is not None and made[2]:
            return "{:04}-{:02}-{:02}".format(*made)
        for document in self._office.documents.of_set(issued.digest):
            if document.point == PUBLIC_POINT:
                general = orjson.loads(document.body)["credentialSubject"].get("GeneralProductInformation")
                return str((general or {}).get("manufacturingDate", ""))[:10]
        return ""
