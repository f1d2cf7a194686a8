"""The trust registry that this node is (ToIP TRQP 2.0): its ledger asked at a time, as known at a height.

An answer costs two statements and a look through what governs in memory, whatever the height; the proof that
goes with it is every record of that height, made once and kept (`RecordDesk.governance_proof`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NotRequired, TypedDict

from credentials.errors import CredentialError
from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.governance_proof import ProofAnswer
from credentials.ledger.trqp import (
    ASKED,
    AUTHORIZATION,
    RegistryDecision,
    RegistryQuestion,
    RestsOn,
    decide,
    is_identifier,
    read_utc,
    utc_text,
)
from node.errors import bad_request, not_found
from node.storage.ledger import LedgerStore

CONDITIONS = ("time", "height", "proof", "locator")  # of a context; no locator is needed to find a record


class KnownAt(TypedDict):
    """What the ledger held when this was known: after the block of a height, of this time."""

    height: int
    time: str


class TrqpHead(TypedDict):
    """What both answers have."""

    entity_id: str
    authority_id: str
    action: str
    resource: str
    time_requested: NotRequired[str]
    time_evaluated: str
    message: str
    context: NotRequired[dict[str, str]]
    reason: str  # a code: what the message says
    as_known_at: KnownAt
    statements: list[RestsOn]  # the records that say so; none: that there is none is proven too
    not_considered: list[str]  # conditions of the context that mean nothing here
    proof_url: str
    proof: NotRequired[ProofAnswer]  # where the context says `proof`: `whole`


class TrqpRecognition(TrqpHead):
    """Is the entity recognised by the authority (TRQP, RecognitionResponse)?"""

    recognized: bool


class TrqpAuthorization(TrqpHead):
    """Is the entity authorised by the authority (TRQP, AuthorizationResponse)?"""

    authorized: bool


class TrustRegistry:
    """Answers queries from what governs."""

    def __init__(
        self, history: GovernanceHistory, ledger: LedgerStore, prove: Callable[[int], ProofAnswer]
    ) -> None:
        self._history = history
        self._ledger = ledger
        self._prove = prove

    def ask(self, kind: str, query: Mapping[str, Any]) -> tuple[bool, TrqpHead]:
        """Yes or no with what both answers have, the message still empty.

        400 for what cannot be read, 404 for what cannot be asked about and for a height to come (TRQP, error
        handling), 404 `no_receipt_yet` where the proof is wanted whole and validators are still cosigning.
        """
        for name in ASKED:
            if not is_identifier(query[name]):
                raise bad_request(
                    "trqp_identifier",
                    "`{member}` is no identifier by RFC 3986: percent-encode it",
                    member=name,
                )
        context: Mapping[str, str] = query.get("context", {})
        requested = context.get("time") or None
        tip = self._ledger.tip()
        evaluated = max(int(time.time()), tip.time if tip else 0)
        height = self._height(context.get("height"), tip.height if tip else 0)
        question = RegistryQuestion(
            kind,
            query["entity_id"],
            query["authority_id"],
            query["action"],
            query["resource"],
            evaluated if requested is None else _time(requested),
        )
        decision = self._decide(question, height)
        head: TrqpHead = {
            "entity_id": question.entity,
            "authority_id": question.authority,
            "action": question.action,
            "resource": question.resource,
            "time_evaluated": utc_text(evaluated),
            "message": "",
            "reason": decision.reason,
            "as_known_at": {"height": height, "time": utc_text(self._ledger.block_times([height])[height])},
            "statements": list(decision.statements),
            "not_considered": sorted(context.keys() - set(CONDITIONS)),
            "proof_url": f"/governance/proof?height={height}",
        }
        if requested is not None:
            head["time_requested"] = requested
        if "context" in query:
            head["context"] = dict(context)
        if "proof" in context:
            head["proof"] = self._prove(height)
        return decision.yes, head

    def _height(self, asked: str | None, tip: int) -> int:
        known = min(tip, self._history.height)
        height = known if asked is None else int(asked)
        if not 1 <= height <= known:
            raise not_found("height_unknown", "this ledger has no block of that height yet")
        return height

    def _decide(self, question: RegistryQuestion, height: int) -> RegistryDecision:
        known = self._history.at(height + 1)
        if question.kind == AUTHORIZATION:
            _require_role(known, question.action)
        try:
            return decide(known, question)
        except CredentialError as error:
            told = "nothing can be said about this: {detail}"
            raise not_found("trqp_unknown", told, detail=error.message) from error


def _time(text: str) -> int:
    try:
        return read_utc(text)
    except CredentialError as error:
        told = "`time` is no time in UTC by RFC 3339, such as 2027-03-01T10:00:00Z"
        raise bad_request("trqp_time", told) from error


def _require_role(known: Governance, action: str) -> None:
    roles = sorted(known.lifecycle.roles)
    if action not in roles:
        told = "{action} is no role that licences are given for: these are {roles}"
        raise not_found("trqp_unknown", told, action=action, roles=roles)
