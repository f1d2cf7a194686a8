"""Judging the lines of stored manifests: once when they arrive, again when the ledger learns more (I9).

What was judged says at which height. Each leaf of the log after that is about some battery, or is a status
list or a recall: the open lines that rest on it are marked, and judged again in the background. A line is
settled once its goods were placed on the market after it was judged: it has done its work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from credentials.ledger.attestation import standing_key
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.evidence import Evidence, Policy
from credentials.verdicts.life import settings_of
from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from node import log
from node.storage.consignments import ConsignmentRow, ItemRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

JSON = dict[str, Any]
BATCH_LINES = 8  # fetched for together, stored together
YIELD_S = 0.002
LEAVES_AT_ONCE = 2_000
OPEN_S = 120 * 86_400  # a consignment older than this is not judged again
STATUS_KIND = "status.published"


@dataclass(frozen=True, slots=True)
class _Job:
    """One consignment as its lines are judged from."""

    row: ConsignmentRow
    lines: dict[int, tuple[Line, JSON]]
    context: ManifestContext


class Judging:
    """Judges the lines of one consignment at a time; called from one thread only."""

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        gathering: Gathering,
        policy: Policy,
        give_way: Callable[[], None],
    ) -> None:
        self._office = office
        self._ledger = ledger
        self._gathering = gathering
        self._policy = policy
        self._give_way = give_way

    # -- for the first time --------------------------------------------------------------------------

    def first(self, row: ConsignmentRow, stopping: threading.Event) -> None:
        """Judge the lines that have no verdict yet. A line is never judged twice for the same record."""
        table = self._office.consignments
        job = self._job(row)
        done = table.judged(row.id)
        seq = max(done.values(), default=0)
        waiting = [number for number in job.lines if number not in done]
        with self._office.writing() as db:
            table.begin(db, row.id)
        while waiting and not stopping.is_set():
            part, waiting = waiting[:BATCH_LINES], waiting[BATCH_LINES:]
            judged = self._verdicts(job, part)
            with self._office.writing() as db:
                items = [self._item(v, e, number) for number, (v, e) in enumerate(judged, seq + 1)]
                table.put_items(db, row.id, items)
                seq, last = seq + len(items), judged[-1][0]
                table.progress(
                    db,
                    row.id,
                    done=seq,
                    evaluated_at=last["evaluated_at"],
                    height=last["height"],
                    block_time=last["block_time"],
                    state="running" if waiting else "done",
                )
            log.moment("judged", id=row.id, done=seq, lines=row.lines)
        if not waiting:
            with self._office.writing() as db:
                table.end(db, row.id)

    # -- again ---------------------------------------------------------------------------------------

    def look(self) -> bool:
        """Mark what the newest leaves are about; True if there may be more of them."""
        table = self._office.consignments
        begin, size = table.watched_until(), self._ledger.log_size()
        if begin >= size:
            return False
        if not table.any_judged():
            with self._office.writing() as db:
                table.watched(db, size)
            return False
        rows = self._ledger.entries_from(begin, LEAVES_AT_ONCE)
        subjects = sorted({row.subject for row in rows if row.subject is not None})
        lists = sorted({row.issuer for row in rows if row.kind == STATUS_KIND and row.issuer is not None})
        with self._office.writing() as db:
            marked = table.mark_stale(
                db, subjects=subjects, issuers=lists, created_after=int(time.time()) - OPEN_S
            )
            table.watched(db, begin + len(rows))
        if marked:
            log.moment("stale_lines", lines=marked)
        return len(rows) == LEAVES_AT_ONCE

    def again(self) -> bool:
        """Judge a few marked lines again; True if there were any."""
        table = self._office.consignments
        stale = table.stale(BATCH_LINES)
        if not stale:
            return False
        row = table.get(stale[0][0])
        assert row is not None, "an item has its consignment"
        judged = self._verdicts(self._job(row), [line for _, line in stale])
        with self._office.writing() as db:
            for verdict, evidence in judged:
                self._keep(db, row, verdict, evidence)
            last = judged[-1][0]
            table.progress(
                db,
                row.id,
                done=row.done,
                evaluated_at=last["evaluated_at"],
                height=last["height"],
                block_time=last["block_time"],
                state=row.state,
            )
        return True

    def _keep(self, db: Any, row: ConsignmentRow, verdict: JSON, evidence: Evidence) -> None:
        table, line = self._office.consignments, verdict["line"]
        stored = table.item(row.id, line)
        before = orjson.loads(stored) if stored is not None else {}
        if _placed_since(evidence, self._policy.jurisdiction, before.get("height", 0)):
            table.settle(db, row.id, line)
            return
        told = {name: before.get(name) for name in ("verdict", "reason", "height", "evaluated_at")}
        if (told["verdict"], told["reason"]) != (verdict["verdict"], verdict["reason"]):
            verdict = {**verdict, "before": told}
            log.moment("verdict_changed", id=row.id, line=line, verdict=verdict["verdict"])
        elif "before" in before:
            verdict = {**verdict, "before": before["before"]}
        table.put_again(db, row.id, self._item(verdict, evidence, 0))

    # -- one batch -----------------------------------------------------------------------------------

    def _job(self, row: ConsignmentRow) -> _Job:
        value = orjson.loads(self._office.consignments.manifest(row.id))
        manifest = Manifest.parse(value)
        context = ManifestContext.of(manifest, self._gathering.tables.identifiers)
        lines = {line.line: (line, raw) for line, raw in zip(manifest.lines, value["lines"], strict=True)}
        return _Job(row, lines, context)

    def _verdicts(self, job: _Job, numbers: Sequence[int]) -> list[tuple[JSON, Evidence]]:
        self._gathering.fetch_for([job.lines[number][1] for number in numbers], self._give_way)
        judged: list[tuple[JSON, Evidence]] = []
        for line, raw in (job.lines[number] for number in numbers):
            evidence = self._gathering.evidence(raw, fetch=False)
            verdict = clear_item(
                line, evidence, self._policy, job.row.law_date, int(time.time()), job.context
            )
            judged.append((verdict.as_dict(), evidence))
            time.sleep(YIELD_S)
            self._give_way()
        return judged

    def _item(self, verdict: JSON, evidence: Evidence, seq: int) -> ItemRow:
        about = evidence.subjects.get(verdict["battery"])
        return ItemRow(
            verdict["line"],
            seq,
            verdict["verdict"],
            orjson.dumps(verdict),
            subject=standing_key(about) if about is not None else None,
            issuer=verdict["passport"].get("issuer"),
        )


def _placed_since(evidence: Evidence, jurisdiction: str, height: int) -> bool:
    """True if the battery was placed on this market after `height`: the line's goods went their way."""
    standing = evidence.ledger.standing if evidence.ledger else None
    if standing is None or evidence.ledger is None:
        return False
    placed = settings_of(standing, "placed").get(jurisdiction)
    if placed is None:
        return False
    return any(e.leaf_index == placed.leaf_index and e.height > height for e in evidence.ledger.entries)
