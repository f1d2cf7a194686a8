"""`governance.held`, said by a validator's node itself: once it has the files and the code of a proposal.

    proposed -> the file is looked for, every second -> it is here, and this software has the code for all of
    it, and of the version of the ledger's rules where one is proposed -> one act, on disk in the outbox
    before it is sent -> on the ledger

Whether it was said follows from the ledger and the outbox, so a restart or a kill at any moment says it once.
Nothing is said of a file that is not here or cannot be read: then fewer hold it, and the proposal lapses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from credentials.documents.canonical import b64u
from credentials.ledger.consents import held_by
from credentials.ledger.governance_records import (
    APP_VERSION,
    RULE,
    RulesNotHere,
    read_record,
    require_version,
    rule_digest,
)
from credentials.ledger.governance_state import HELD, GovernanceState
from credentials.ledger.proposals import OPEN, Tabled
from node import log
from node.errors import ProblemError
from node.issuing.governance_acts import GovernanceActs
from node.ledger.subscriptions import Moments

LOOK_S, REST_S = 1.0, 5.0
# Of files by SHA-256 and of what governs: raises RulesNotHere.
Readable = Callable[[Mapping[str, bytes], Mapping[str, Any]], None]


class RuleHolding:
    """One thread that looks at open proposals and at the files beside them."""

    name = "rule files"

    def __init__(
        self,
        acts: GovernanceActs,
        state: Callable[[], GovernanceState],
        require_readable: Readable,
        moments: Moments,
    ) -> None:
        self._acts, self._state, self._require_readable = acts, state, require_readable
        self._wake = threading.Event()
        self._told: dict[bytes, str] = {}  # of an open proposal: why nothing is said
        self._lacking: dict[bytes, RulesNotHere] = {}  # the same, where it is for a file
        moments.subscribe(self.wake, kept_max=1)

    def lacking(self) -> list[RulesNotHere]:
        """What this node does not say that it holds, of the files of open proposals."""
        return list(self._lacking.values())

    def wake(self) -> None:
        """A block was stored, or the node stops."""
        self._wake.set()

    def turn(self) -> None:
        """Wait for a block, or for a second while a proposal is open, and look."""
        self._wake.wait(LOOK_S if self._state().tabled else REST_S)
        self._wake.clear()
        self.round()

    def round(self) -> None:
        """Say what can be said by now; in its thread alone, or it would be said twice."""
        state, own = self._state(), self._acts.did
        self._told = {digest: why for digest, why in self._told.items() if digest in state.tabled}
        self._lacking = {digest: what for digest, what in self._lacking.items() if digest in state.tabled}
        if state.next.validators.get(own) is None:
            return
        for digest, tabled in state.tabled.items():
            # What waits in the outbox is on its way; what was given up there is said again.
            said = own in held_by(tabled, state.next, int(time.time()))
            brings = tabled.outcome == OPEN and tabled.brings_rules
            if brings and not said and "held" not in self._acts.under_way([digest], ())[digest]:
                self._say(digest, tabled)

    def _say(self, digest: bytes, tabled: Tabled) -> None:
        why = ""
        self._lacking.pop(digest, None)
        try:
            self._require_readable(rule_files_of(tabled), self._state().next.rules)
            proposed = tabled.proposal.records.get((APP_VERSION, ""))
            if proposed is not None:
                require_version(read_record(APP_VERSION, proposed)["app_version"])
            self._acts.act(HELD, digest)
        except RulesNotHere as error:
            self._lacking[digest] = error
            why = f"{error.name} {error.digest.hex()[:16]}: {error.why}"
        except ProblemError as error:  # the gate is closed, or it was decided meanwhile: looked at again
            why = str(error)
        if why and self._told.get(digest) != why:
            log.moment("not_held", proposal=b64u(digest), because=why)
        self._told[digest] = why


def rule_files_of(tabled: Tabled) -> dict[str, bytes]:
    """{name: SHA-256} of the rule files that a proposal brings."""
    return {
        name: rule_digest(name, read_record(kind, data))
        for (kind, name), data in tabled.proposal.records.items()
        if kind == RULE
    }
