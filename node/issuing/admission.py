"""What would become of an act, asked of the own ledger before its author is told that it is taken (L18, L19).

An act that cannot be recorded now is refused at once, with what must happen first; or, asked for by name, it
is queued until its time runs out. One that would only be a claim is refused as well: the author that means to
claim says so. Nothing is recorded long after its author was told that it failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Attestation
from credentials.ledger.registry import Registry
from credentials.ledger.speaking import Silent
from credentials.ledger.standing import Standing
from node.errors import ProblemError, bad_request
from node.issuing.statements import Statement
from node.storage.office import OfficeStore
from node.storage.outbox import OutboxItem

JSON = dict[str, Any]
ACT_EXPIRES_S = 3_600  # as long as a pool keeps what waits
QUEUE = "queue"  # reserved member: true = let it wait until its time runs out
AS_CLAIM = "as_claim"  # reserved member: true = record it, knowing that nothing follows from it
# What passes by itself, without another's act: a full day or block, a clock a few seconds ahead.
PASSES = frozenset({"quota", "X11"})


def option(members: JSON, name: str) -> bool:
    """Take a reserved member out: true, or the text of it that a command line gives."""
    given = members.pop(name, False)
    if given in (True, "true"):
        return True
    if given in (False, "false"):
        return False
    raise bad_request("members_malformed", "{name} is true or false", name=name)


class Admission:
    """Asks the own ledger."""

    def __init__(self, registry: Registry, office: OfficeStore) -> None:
        self._registry = registry
        self._office = office
        # What is refused, or only waits, when it is meant.
        self.noted: Callable[[Attestation, str], None] = lambda _, __: None

    def standing(self, about: Subject) -> Standing | None:
        """What the own ledger knows of a battery."""
        return self._registry.standing(about)

    def require_admissible(self, statement: Statement, *, at_once: bool = False) -> NotYet | None:
        """Refuse early what every pool would refuse; what only waits for others is let through: for what.

        `at_once`: refuse as well what could not be recorded now.
        """
        if at_once:
            self.require_taken(statement, queue=False, as_claim=False)
        try:
            self._registry.check_tx(statement.attestation, int(time.time()))
        except NotYet as reason:
            return reason
        except Refusal as refusal:
            raise _refused(refusal) from refusal
        return None

    def require_taken(
        self, statement: Statement, *, queue: bool, as_claim: bool, only_try: bool = False
    ) -> None:
        """Refuse at once what cannot be recorded now, and what would only be a claim; 409 says what to do."""
        try:
            judged = self._registry.foresee(statement.attestation, int(time.time()))
        except NotYet as reason:
            if queue or reason.code in PASSES or self._follows_own(statement):
                return
            if not only_try:
                self.noted(statement.attestation, reason.code)
            raise ProblemError(
                409,
                reason.code,
                "Not yet",
                "{why}. Nothing was sent: let that happen first, or give the member queue=true and it waits "
                "up to {minutes} minutes",
                rule=reason.code,
                why=reason,
                minutes=ACT_EXPIRES_S // 60,
            ) from reason
        except Refusal as refusal:
            if not only_try:
                self.noted(statement.attestation, refusal.code)
            raise _refused(refusal) from refusal
        if isinstance(judged, Silent) and not as_claim:
            raise ProblemError(
                409,
                "only_a_claim",
                "No right over this battery",
                "{why}. As it stands this would be recorded as a claim, and nothing would follow from it; "
                "give the member as_claim=true if that is meant",
                rule="I5",
                why=judged.reason,
            )

    def can_be_recorded(self, data: bytes) -> bool:
        """Whether a block may still hold this attestation, now or later, whoever has it."""
        try:
            self._registry.check_tx(data, int(time.time()))
        except NotYet:
            return True
        except Refusal:
            return False
        return True

    def waits_for(self, data: bytes) -> NotYet | None:
        """What this attestation waits for on the ledger, as a validator would say it; None: nothing."""
        try:
            self._registry.check_tx(data, int(time.time()))
        except NotYet as reason:
            return reason
        except Refusal:
            return None  # the pool gives it up in a moment: the outbox then says why
        return None

    def _follows_own(self, statement: Statement) -> bool:
        """True if an own act about the same battery is under way: then this one waits for it."""
        return statement.battery is not None and self._office.outbox.under_way(statement.battery)

    def require_consistent(self, produced: Sequence[OutboxItem], category: str) -> None:
        """A passport says of the battery what its own produced record says: its category."""
        for item in produced:
            stored = self._office.documents.get(item.document_digest)
            if stored is None:
                continue
            recorded = orjson.loads(stored.body)["credentialSubject"]["members"].get("category")
            if recorded != category:
                raise ProblemError(
                    422,
                    "value_impossible",
                    "Claims refused",
                    "the battery was recorded as {recorded} when it was produced, the claims say {category}",
                    recorded=recorded,
                    category=category,
                )


def _refused(refusal: Refusal) -> ProblemError:
    return ProblemError(
        422, refusal.code, "Refused by the rules of the ledger", "{why}", rule=refusal.code, why=refusal
    )
