"""What of the job under way is with workers: parts from its front, in the order of its lines."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from node.storage.office import OfficeStore
from node.verdicts.judgement import Judged, batch_of
from node.verdicts.manifests import ReadManifest
from node.verdicts.sources import Gathering
from node.verdicts.workers import PART_LINES, JudgedPart, Task, Workers


@dataclass(frozen=True, slots=True)
class _Part:
    """How many lines, and which manifest was the newest when they were given away."""

    lines: int
    newest: int
    ticket: int


class GivenAway:
    """Of one job at a time; used by the consignments' thread."""

    def __init__(
        self, office: OfficeStore, gathering: Gathering, workers: Workers, pause: Callable[[], None]
    ) -> None:
        self._office = office
        self._gathering = gathering
        self._pause = pause
        self._parts: deque[_Part] = deque()
        self.workers = workers

    def next(self, manifest: ReadManifest, waiting: Sequence[int]) -> tuple[int, JudgedPart] | None:
        """The front of what waits as a worker judged it, and the newest manifest before; None: not by one.

        It stays given away until `stored`.
        """
        self._give(manifest, waiting)
        if not self._parts:
            return None
        part = self._parts[0]
        answer = self.workers.answer(part.ticket)
        self._pause()
        # What later leaves are about was looked for among lines that these were not yet of.
        if answer is None or answer.log_size < self._office.overtaken.watched_until():
            self.take_back()
            return None
        return part.newest, answer

    def _give(self, manifest: ReadManifest, waiting: Sequence[int]) -> None:
        """As much as workers have places for."""
        self.workers.begin(len(waiting))
        given = sum(part.lines for part in self._parts)
        while given < len(waiting) and self.workers.has_place:
            part = batch_of(map(manifest.lines.pair, islice(waiting, given, None)), PART_LINES)
            newest, lag = self._office.consignments.newest(), self._gathering.lag
            told = lag.lag_heights(0), lag.quorum_silence_s(), time.monotonic()
            ticket = self.workers.send(Task(manifest.id, tuple(line.line for line, _ in part), *told))
            if ticket is None:
                return
            self._parts.append(_Part(len(part), newest, ticket))
            given += len(part)

    def stored(self) -> None:
        """The part that was next is on disk."""
        self._parts.popleft()

    def take_back_after(self, judged: Sequence[Judged]) -> None:
        """What these say may be about lines that workers judge: these are judged after it."""
        if not all(one.by_itself for one in judged):
            self.take_back()

    def take_back(self) -> None:
        """Nothing is with workers any more."""
        self.workers.drop([part.ticket for part in self._parts])
        self._parts.clear()
