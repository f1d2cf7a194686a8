"""The consignments' thread: lines are judged a few at a time, by turns of who sent them; a restart goes on.

A few verdicts are one transaction and one turn; between two lines the job gives way (`giving_way.py`). A line
is judged once, and again when the ledger has learned more about its battery (`watching.py`). One that raises
what nobody foresaw is set aside: it reads `undecided`, by this node's fault, until the operator has it judged
again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from credentials.verdicts.policy import Policy
from node import log
from node.storage.consignments import ConsignmentRow, ItemRow
from node.storage.office import OfficeStore
from node.storage.stopped_consignments import is_stopped
from node.transient_faults import PASSING, sentence
from node.verdicts.declarations import Declarations
from node.verdicts.given_away import GivenAway
from node.verdicts.giving_way import GivingWay
from node.verdicts.judgement import BATCH_LINES, Judged, Judgement, alike, batch_of
from node.verdicts.manifests import Manifests, Pair, ReadManifest, Together
from node.verdicts.sources import Gathering, Reading
from node.verdicts.turns import FEW_LINES, Turns
from node.verdicts.watching import Watching
from node.verdicts.workers import Workers

JSON = dict[str, Any]
TURNS_OF_A_LOOK = 4  # one turn of so many is for lines that the ledger has overtaken, however much waits
WAIT_S = 5.0
LINE, CONSIGNMENT = "line", "consignment"  # what is set aside


@dataclass(slots=True)
class _Job:
    """The consignment being judged: read once a turn, worked off from the front."""

    row: ConsignmentRow
    manifest: ReadManifest
    waiting: list[int]  # the numbers of its lines
    seq: int  # of the last line judged


class Judging:
    """One thread's work on all consignments."""

    name = "consignments"

    def __init__(
        self,
        office: OfficeStore,
        gathering: Gathering,
        policy: Policy,
        watching: Watching,
        workers: Workers,
    ) -> None:
        self._office = office
        self.watching = watching
        self.declarations = Declarations(office, gathering, policy)
        self._gathering = gathering
        self._judgement = Judgement(gathering, self.declarations, policy)
        self._job: _Job | None = None
        self._few: _Job | None = None  # a small one, beside a large one
        self._turns = 0
        self._next, self._next_few = Turns(office.consignments), Turns(office.consignments, few=True)
        self.manifests = Manifests(office, gathering.key_of)
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self.giving_way = GivingWay()
        self.given_away = GivenAway(office, gathering, workers, self.giving_way.wait)

    def wake(self) -> None:
        """There may be something to judge."""
        self._woken.set()

    def stop(self) -> None:
        """Who follows a job is let go."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """True once nothing more will be judged before the next start."""
        return self._stopping.is_set()

    def turn(self) -> None:
        """Judge the next few lines, or wait for some."""
        again = self._office.aside.refs(LINE, again=True)
        if again:
            self._judge_again(again[0])
            return
        self._take_up_again()
        self._turns += 1
        if self._turns % TURNS_OF_A_LOOK == 0 and self._look():
            return
        if not (self._work_off_few() | self._work_off()) and not self._look():
            self.manifests.forget()
            self.given_away.workers.rest()
            self._woken.wait(WAIT_S)
            self._woken.clear()

    def _look(self) -> bool:
        """What the ledger has learned, for the lines that were judged; True if there was anything to do."""
        more = self.watching.look()
        return self._judge_overtaken() or more

    def _work_off(self) -> bool:
        """A batch of the consignment whose turn it is; False if none waits."""
        if self._job is None:
            row = self._next.next()
            if row is None:
                return False
            self._job = self._open(row)
        elif self._job.waiting:
            self._judge_batch(self._job)
        if self._job is not None and (not self._job.waiting or self._next.is_over(self._job.row)):
            self.given_away.take_back()
            self._job = None  # what is left of it goes on when it is its client's turn again
        return True

    def _work_off_few(self) -> bool:
        """A batch of a small consignment while a large one is under way: neither waits for the other."""
        if self._job is None or self._job.row.lines <= FEW_LINES:
            self._few = None
            return False
        if self._few is None:
            row = self._next_few.next()
            self._few = self._open(row) if row is not None else None
        elif self._few.waiting:
            self._judge_batch(self._few)
        if self._few is not None and not self._few.waiting:
            self._few = None
            return True
        return self._few is not None

    # -- a job ---------------------------------------------------------------------------------------

    def _open(self, row: ConsignmentRow) -> _Job | None:
        """Read a manifest; one that cannot be read any more is set aside as a whole."""
        try:
            manifest = self.manifests.read(row.id, row.lines)
        except PASSING:
            raise
        except Exception as error:
            with self._office.writing() as db:
                self._office.consignments.put_state(db, row.id, "set_aside")
                self._put_aside(db, CONSIGNMENT, row.id, error)
            return None
        done = self._office.consignments.judged(row.id)
        waiting = [number for number in manifest.lines.numbers if number not in done]
        with self._office.writing() as db:
            self._office.consignments.put_state(db, row.id, "running" if waiting else "done")
        return _Job(row, manifest, waiting, max(done.values(), default=0))

    def _judge_batch(self, job: _Job) -> None:
        """The next few lines: fetched for together, on disk together, or judged again in the next turn."""
        if is_stopped(self._office.consignments, job.row.id):
            job.waiting.clear()
            return
        if self._store_answer(job):
            return
        newest = self._office.consignments.newest()
        part = batch_of(map(job.manifest.lines.pair, job.waiting))
        judged = self._judged(part, job.row, job.manifest.together)
        numbered = enumerate(judged, job.seq + 1)
        items = [self.watching.row_of(one.verdict, number, one.read, one.answers) for number, one in numbered]
        last = judged[-1].verdict
        with self._office.writing() as db:
            self._put_items(db, job, items, last["height"], last["block_time"])
            for one in judged:
                self.watching.mark_named(db, one.verdict, {})
                if one.error is not None:
                    self._put_aside(db, LINE, f"{job.row.id}/{one.verdict['line']}", one.error)
            self.declarations.look_again(db, newest, job.row.id, [line.line for line, _ in part])
        self._go_on(job, len(items))
        self.given_away.take_back_after(judged)

    def _store_answer(self, job: _Job) -> bool:
        """The next few lines as a worker judged them; False where this is nothing for workers."""
        found = self.given_away.next(job.manifest, job.waiting) if job is self._job else None
        if found is None:
            return False
        newest, part = found
        items = [replace(item, seq=number) for number, item in enumerate(part.items, job.seq + 1)]
        with self._office.writing() as db:
            self._put_items(db, job, items, part.height, part.block_time)
            self.declarations.look_again(db, newest, job.row.id, [item.line for item in items])
        self.given_away.stored()
        self._go_on(job, len(items))
        return True

    def _put_items(
        self, db: Any, job: _Job, items: Sequence[ItemRow], height: int | None, block_time: int | None
    ) -> None:
        table, judged = self._office.consignments, job.seq + len(items)
        table.put_items(db, job.row.id, items)
        table.progress(
            db,
            job.row.id,
            done=judged,
            evaluated_at=items[-1].judged_at,
            height=height,
            block_time=block_time,
            state="running" if len(items) < len(job.waiting) else "done",
        )

    def _go_on(self, job: _Job, judged: int) -> None:
        del job.waiting[:judged]
        job.seq += judged
        log.moment("judged", id=job.row.id, done=job.seq, lines=job.row.lines)

    def _judge_overtaken(self) -> bool:
        """Judge a few lines again of which the ledger has learned more (I9); True if there were any."""
        table = self._office.consignments
        stale = self._office.overtaken.stale(BATCH_LINES)
        if not stale:
            return False
        row = table.get(stale[0][0])
        assert row is not None, "consignments are never deleted"
        manifest = self.manifests.read(row.id, row.lines)
        newest = table.newest()
        part = [manifest.lines.pair(line) for _, line in stale]
        judged = self._judged(part, row, manifest.together)
        last = judged[-1].verdict
        with self._office.writing() as db:
            for one in judged:
                self.watching.keep(db, row.id, one.verdict, one.read, one.answers)
                if one.error is not None:
                    self._put_aside(db, LINE, f"{row.id}/{one.verdict['line']}", one.error)
            self.declarations.look_again(db, newest, row.id, [line.line for line, _ in part])
            table.progress(
                db,
                row.id,
                done=row.done,
                evaluated_at=last["evaluated_at"],
                height=last["height"],
                block_time=last["block_time"],
                state=row.state,
            )
        self.given_away.take_back_after(judged)
        return True

    def _judged(self, part: Sequence[Pair], row: ConsignmentRow, together: Together) -> list[Judged]:
        """Fetch what the lines rest on, and judge them.

        A line for which fetching fails unforeseen fails again when it is judged. Those alike are judged once.
        """
        groups = alike(part)
        readings: list[Reading | None] = [None] * len(groups)
        try:
            raws = [pairs[0][1] for pairs in groups]
            readings = list(self._gathering.fetch_for(raws, self.giving_way.wait))
        except PASSING:
            raise
        except Exception as error:
            log.moment("fetch_failed", lines=len(part), because=sentence(error))
        judged = {
            one.verdict["line"]: one
            for pairs, reading in zip(groups, readings, strict=True)
            for one in self._judgement.tried(pairs, row, together, reading, self.giving_way.wait)
        }
        return [judged[line.line] for line, _ in part]

    # -- what was set aside --------------------------------------------------------------------------

    def _put_aside(self, db: Any, what: str, ref: str, error: Exception) -> None:
        log.moment("set_aside", error, what=what, ref=ref, because=sentence(error))
        self._office.aside.put(db, what, ref, sentence(error), int(time.time()))

    def _take_up_again(self) -> None:
        """Whole consignments that the operator wants tried again."""
        for ref in self._office.aside.refs(CONSIGNMENT, again=True):
            with self._office.writing() as db:
                self._office.aside.clear(db, CONSIGNMENT, ref)
                self._office.consignments.put_state(db, ref, "queued")

    def _judge_again(self, ref: str) -> None:
        """One line that the operator wants judged again: its verdict takes the place of the old one."""
        consignment_id, _, number = ref.rpartition("/")
        row = self._office.consignments.get(consignment_id)
        assert row is not None, "consignments are never deleted"
        manifest = self.manifests.read(consignment_id, row.lines)
        pair = manifest.lines.pair(int(number))
        (one,) = self._judged([pair], row, manifest.together)
        with self._office.writing() as db:
            if one.error is not None:
                self._put_aside(db, LINE, ref, one.error)
                return
            item = self.watching.row_of(one.verdict, read=one.read, answers=one.answers)
            self._office.consignments.replace_item(db, consignment_id, item)
            self._office.aside.clear(db, LINE, ref)
        self.given_away.take_back_after([one])
