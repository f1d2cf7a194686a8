"""A process that judges lines beside the one that writes (0649); its other end: `node/verdicts/workers.py`.

It opens the same files, to read. One task is one read transaction over both of them: what was acknowledged
before it was given is in it. It answers verdicts that this process alone can stand for, and declines the
others: where somebody would have to be asked, where something was raised, where what is read is not what was
written, where another line or manifest of this node may change the verdict.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType

from credentials.ledger.constitution import Constitution, GovernanceRow
from node.config import DataDirectory
from node.ledger.chain import constitution_of
from node.setup.gathering import gathering_of, judged_by_of
from node.setup.network import joined
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.declarations import Declarations
from node.verdicts.judgement import Judged, Judgement, alike
from node.verdicts.lag import HeardPeer, Lag
from node.verdicts.manifests import Manifests
from node.verdicts.sources import Gathering
from node.verdicts.watching import Watching
from node.verdicts.workers import JudgedPart, Task

NICE = 5  # whoever waits for a page or a scan has the processor first
COLLECT_AT = (20_000, 20, 50)  # as of a node that serves


@dataclass(frozen=True, slots=True)
class Given:
    """What a worker is told at its start; the rest it reads."""

    root: Path
    did: str
    network_key: bytes
    judged_by: bytes  # what the node that began it goes by


def work(connection: Connection, given: Given) -> None:
    """JudgedPart tasks until the other end is closed, or its process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the node ends its workers
    os.nice(NICE)
    try:
        worker = Worker(given)
        gc.freeze()
        gc.set_threshold(*COLLECT_AT)
        connection.send(None)  # ready
        while True:
            connection.send(worker.answer(connection.recv()))
    except (EOFError, OSError):
        return


class _Declined(Exception):
    """Not for a worker."""


class _Nobody:
    """HeardPeers that only the node itself has."""

    peers: Mapping[str, HeardPeer] = MappingProxyType({})

    def request(self, did: str, path: str, body: bytes, timeout_s: float) -> bytes:
        raise _Declined


class _Told(Lag):
    """What the node heard of its peers, as it was when a task was given."""

    task: Task

    def lag_heights(self, height: int) -> int:
        return max(0, self.task.claimed - height)

    def quorum_silence_s(self) -> int | None:
        silence = self.task.silence_s
        return None if silence is None else silence + int(time.monotonic() - self.task.told_at)


class Worker:
    """Judges by the files of a data directory; writes none of them."""

    def __init__(self, given: Given) -> None:
        directory = DataDirectory(given.root)
        self._given = given
        self._network, self._settings = joined(directory), directory.settings()
        self._policy = directory.policy()
        if judged_by_of(directory, self._network, self._settings) != given.judged_by:
            raise OSError("what the node goes by is not what its files say any more")
        self._ledger = LedgerStore(directory.ledger, read_only=True)
        self._office = OfficeStore(directory.office, read_only=True)
        self._rows: list[GovernanceRow] = []
        with self._ledger.reading():
            self._begin()

    def answer(self, task: Task) -> JudgedPart | None:
        """The verdicts on its lines, or None: not for a worker."""
        try:
            with self._ledger.reading(), self._office.reading():
                self._follow()
                self._lag.task = task
                judged = self._judged(task)
                if not all(one.by_itself for one in judged):
                    return None
                items = [
                    self._watching.row_of(one.verdict, read=one.read, answers=one.answers) for one in judged
                ]
                log_size = self._ledger.log_size()
        except Exception:  # whatever it is: the node meets it itself, and says so
            return None
        if self._is_damaged():
            return None
        last = judged[-1].verdict
        return JudgedPart(tuple(items), last["evaluated_at"], last["height"], last["block_time"], log_size)

    def _judged(self, task: Task) -> list[Judged]:
        row = self._office.consignments.get(task.consignment)
        assert row is not None, "consignments are never deleted"
        manifest = self._manifests.read(task.consignment)
        groups = alike(map(manifest.lines.pair, task.lines))
        readings = self._gathering.fetch_for([pairs[0][1] for pairs in groups])
        judged = {
            one.verdict["line"]: one
            for pairs, reading in zip(groups, readings, strict=True)
            for one in self._judgement.of(pairs, row, manifest.together, reading)
        }
        return [judged[line] for line in task.lines]

    def _is_damaged(self) -> bool:
        kept = self._ledger
        return bool(
            self._office.damaged or kept.leaves.damaged or kept.tiles.damaged or kept.standings.damaged
        )

    # -- what governs --------------------------------------------------------------------------------

    def _begin(self) -> None:
        """By what the ledger says now; inside a read transaction."""
        self._rows = self._ledger.governance()
        made: Constitution = constitution_of(self._ledger, self._network.genesis, self._network.rule_files)
        self._history = made.history
        self._gathering: Gathering = gathering_of(
            self._network,
            self._history,
            did=self._given.did,
            network_key=self._given.network_key,
            policy=self._policy,
            settings=self._settings,
            ledger=self._ledger,
            office=self._office,
            peers=_Nobody(),
        )
        self._lag = self._gathering.lag = _Told(self._history, self._given.did, _Nobody())
        declarations = Declarations(self._office, self._gathering, self._policy)
        self._judgement = Judgement(self._gathering, declarations, self._policy)
        self._watching = Watching(self._office, self._ledger, self._gathering, self._policy)
        self._manifests = Manifests(self._office, self._gathering.key_of)

    def _follow(self) -> None:
        """Move on to the height of this read transaction; begin again where something else governs since."""
        tip = self._ledger.tip()
        height, known = tip.height if tip is not None else 0, self._history.height
        if height == known:
            return
        rows = self._ledger.governance()
        if rows != self._rows or any(row.decided >= known for row in rows):
            self._begin()
            return
        for block in range(known + 1, height + 1):
            self._history.advance(block)
