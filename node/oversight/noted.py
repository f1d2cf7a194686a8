"""What the pool of this node refuses is noted in passing, for `attempts.py`: never waited for, never refused.

Both engines ask the registry before anything is kept, so that this is the one place where every attempt comes
by, whoever sent it: a peer, or this participant's own people.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import cached_property

from consensus.application import Refusal
from credentials.ledger.attestation import Attestation
from credentials.ledger.registry import Registry
from node.oversight.alert_kinds import ATTEMPT, alert_kinds
from node.oversight.waiting import RULES, WatchedStatements, waits_by

NOTED_MAX = 512  # between two looks; what comes beyond is counted


class Noted:
    """Refused statements with the codes of their refusals, the first so many since the last look."""

    def __init__(self) -> None:
        self._kept: deque[tuple[bytes, str]] = deque()
        self._waiting = WatchedStatements()
        self._codes = frozenset(c for kind in alert_kinds() if kind.leaf == ATTEMPT for c in kind.raised_by)
        self.beyond = 0
        self.came: Callable[[], object] = lambda: None  # told of each, at once

    def put(self, tx: bytes | Attestation, code: str) -> None:
        """From any thread; at once."""
        if code not in self._codes:
            return
        if code in RULES:  # a later record may clear it
            self.beyond += not self._waiting.put(tx, code, int(time.time()))
            return
        if len(self._kept) >= NOTED_MAX:
            self.beyond += 1
            return
        self._kept.append((tx.data if isinstance(tx, Attestation) else tx, code))
        self.came()

    def take(self) -> list[tuple[bytes, str]]:
        """Those since the last time, each statement once."""
        found: dict[bytes, str] = {}
        while self._kept:
            data, code = self._kept.popleft()
            found.setdefault(data, code)
        return list(found.items())

    def waited(self, until: int) -> list[tuple[bytes, str, int]]:
        """(statement, rule, since when) of what waits since then or longer: an attempt, if it still waits."""
        return self._waiting.take(until)


class NotingRegistry(Registry):
    """The registry; what it refuses for want of a licence, a battery or a signature is noted."""

    @cached_property
    def noted(self) -> Noted:
        """What was refused so."""
        return Noted()

    def check_tx(self, tx: bytes | Attestation, now: int) -> bytes:
        """As the registry's; a refusal is noted and goes on."""
        try:
            return super().check_tx(tx, now)
        except Refusal as refusal:
            self.noted.put(tx, refusal.code)
            raise

    def waits_by(self, data: bytes, at: int) -> str:
        """The rule by which a statement of then waits now, noted nowhere; "" for one that does not."""
        return waits_by(super().check_tx, data, at)
