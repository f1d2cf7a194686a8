"""Processes that judge lines beside the one that writes (0649): begun for a large job, ended after it.

They read the same files and write none. A worker is given numbers of lines of a consignment and answers with
their verdicts, in the order asked. It declines what is not for it: then, and when it has died, the writer
judges these lines itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from node import log
from node.storage.consignments import ItemRow

LINES_MIN = 500  # of a job: for fewer, a process is not worth its start
PART_LINES = 32  # that differ
PARTS_AHEAD = 2  # for each worker: one that it judges, and one that waits for it
ANSWER_S_MAX = 60.0
IDLE_S = 10.0
STARTS_FAILED_MAX = 3  # of workers that died before they were ready, in a row


@dataclass(frozen=True, slots=True)
class Task:
    """Lines of one consignment, and what only the process knows that hears the peers."""

    consignment: str
    lines: tuple[int, ...]
    claimed: int  # the height that is claimed by those of whom one is honest
    silence_s: int | None  # since a quorum was heard, at `told_at`
    told_at: float  # monotonic, of this machine


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """The verdicts on the lines of a task, in its order, as they are stored, and what they rest on."""

    items: tuple[ItemRow, ...]
    evaluated_at: int  # the last of them
    height: int | None
    block_time: int | None
    log_size: int


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    ready: bool = False
    asked: deque[int] = field(default_factory=deque)  # tickets, in the order of the answers to come

    def end(self) -> None:
        """Its own, by its own handle: what it holds of files is released."""
        with contextlib.suppress(OSError):
            self.connection.close()
        self.process.terminate()
        self.process.join(1.0)


class Workers:
    """So many processes at most; used by one thread."""

    def __init__(self, work: Callable[[Connection], None], count: int) -> None:
        """`work` is what a process does with its end of a pipe, sent there whole."""
        self._work = work
        self.count = count
        self._running: list[_Worker] = []
        self._next_ticket = 0
        self._answers: dict[int, JudgedPart | None] = {}
        self._dropped: set[int] = set()
        self._used_at = 0.0
        self._failed = 0

    def begin(self, lines: int) -> None:
        """A job with so many lines left is under way: let there be workers for it, and look who is ready."""
        self._used_at = time.monotonic()
        if lines >= LINES_MIN and self._failed < STARTS_FAILED_MAX:
            while len(self._running) < self.count:
                self._running.append(self._started())
        for worker in list(self._running):
            if not worker.ready:
                self._look_whether_ready(worker)

    @property
    def has_place(self) -> bool:
        """True if a worker is ready for a further task."""
        return bool(self._free())

    def _free(self) -> list[_Worker]:
        return [one for one in self._running if one.ready and len(one.asked) < PARTS_AHEAD]

    def send(self, task: Task) -> int | None:
        """The ticket of a task that was given away; None where no worker has a place for it."""
        if not (free := self._free()):
            return None
        worker = min(free, key=lambda one: len(one.asked))
        try:
            worker.connection.send(task)
        except OSError:
            self._bury(worker)
            return None
        self._next_ticket += 1
        worker.asked.append(self._next_ticket)
        return self._next_ticket

    def answer(self, ticket: int) -> JudgedPart | None:
        """What became of a task; None: it was declined, or its worker died. Waits for it."""
        while ticket not in self._answers:
            worker = next((one for one in self._running if ticket in one.asked), None)
            if worker is None:
                return None
            self._hear(worker)
        return self._answers.pop(ticket)

    def drop(self, tickets: Sequence[int]) -> None:
        """Nobody asks for these any more."""
        for ticket in tickets:
            if ticket in self._answers:
                del self._answers[ticket]
            elif any(ticket in one.asked for one in self._running):
                self._dropped.add(ticket)

    def rest(self) -> None:
        """Nothing is to be judged: after a while nobody waits here, and no memory is held."""
        if self._running and time.monotonic() - self._used_at > IDLE_S:
            self.end()

    def end(self) -> None:
        """End them all."""
        while self._running:
            self._running.pop().end()
        self._answers.clear()
        self._dropped.clear()

    @property
    def pids(self) -> list[int]:
        """Of those that are ready."""
        return [one.process.pid for one in self._running if one.ready and one.process.pid is not None]

    def _started(self) -> _Worker:
        # Spawned: a copy of a process with threads would hold their locks for ever.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=self._work, args=(theirs,), name="comity worker", daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _look_whether_ready(self, worker: _Worker) -> None:
        try:
            if worker.connection.poll():
                worker.connection.recv()
                worker.ready, self._failed = True, 0
        except Exception:  # it has ended, or is not itself any more: as below
            self._failed += 1
            self._bury(worker)

    def _hear(self, worker: _Worker) -> None:
        """The next answer of this worker; one that is dead or hangs is buried, with what it was asked.

        So is one whose answer is none: a process whose memory failed must not end this thread with it.
        """
        try:
            if not worker.connection.poll(ANSWER_S_MAX):
                raise TimeoutError
            answer: JudgedPart | None = worker.connection.recv()
        except Exception:
            answer, read = None, False
        else:
            read = answer is None or type(answer) is JudgedPart
        if not read:
            self._bury(worker)
            return
        ticket = worker.asked.popleft()
        if ticket in self._dropped:
            self._dropped.discard(ticket)
        else:
            self._answers[ticket] = answer

    def _bury(self, worker: _Worker) -> None:
        self._running.remove(worker)
        self._dropped.difference_update(worker.asked)
        worker.end()
        log.moment("worker_lost", pid=worker.process.pid, code=worker.process.exitcode)
