"""ToIP Trust Registry Query Protocol 2.0: recognised or authorised, at a time, as known at a height.

    recognition     action "issue", resource "crosswalk:ROW": does this authority give the entity's statements
                    any effect for the row? By the rule that verdicts go by (`recognition.find`)
    authorization   action a role, resource "SCHEME:NAMESPACE": does the entity hold a licence of the
                    jurisdiction for which this authority speaks, and is it neither stopped nor gone?

One function answers at a node, from what governs, and offline, from every record under a governance root: so
"no" is proven as "yes" is. The time is `context.time` of the question, or else `time_evaluated`; what is
known is what governed after the block of `as_known_at.height`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NotRequired, Protocol, TypedDict

from consensus.log_policy import LogPolicy
from credentials.errors import CredentialError
from credentials.ledger.governance import APPROVING_ROLE
from credentials.ledger.governance_proof import ProvenGovernance, verify_governance
from credentials.ledger.log_epochs import LogEpochs
from credentials.ledger.parties import Accreditation, Participant, Stop
from credentials.ledger.recognition import Effect, Recognition, find

RECOGNITION, AUTHORIZATION = "recognition", "authorization"
ANSWERED: Mapping[str, str] = {RECOGNITION: "recognized", AUTHORIZATION: "authorized"}
ISSUE, ROW = "issue", "crosswalk:"
ASKED = ("entity_id", "authority_id", "action", "resource")
# RFC 3339, 5.6, in UTC only (the schemas of TRQP: "using only Z (+00:00) offset").
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|\+00:00)"
)
_IDENTIFIER = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")  # RFC 3986, 2


class KnownRecords(Protocol):
    """What governs, or governed: a `Governance`, or what was proven of one."""

    @property
    def accreditations(self) -> Sequence[Accreditation]:
        """Every licence on record."""

    @property
    def recognitions(self) -> Sequence[Recognition]:
        """Every recognition on record."""

    def participant(self, did: str) -> Participant | None:
        """The participant with this DID."""

    def stopped(self, target: str, at: int) -> Stop | None:
        """The emergency stop of a party or key that is in force at `at`."""


@dataclass(frozen=True, slots=True)
class RegistryQuestion:
    """A query with its time in seconds."""

    kind: str  # recognition | authorization
    entity: str
    authority: str
    action: str
    resource: str
    at: int


class RestsOn(TypedDict):
    """A record on which an answer rests."""

    type: str  # recognition | accreditation | stop
    id: str
    basis: str  # the legal basis, the licence, who set the stop
    effect: NotRequired[str]  # of a recognition
    valid_from: int
    valid_until: int | None


@dataclass(frozen=True, slots=True)
class RegistryDecision:
    """Yes or no, why, and the records that say so; none where nothing is on record."""

    yes: bool
    reason: str
    statements: tuple[RestsOn, ...] = ()


def decide(known: KnownRecords, question: RegistryQuestion) -> RegistryDecision:
    """Answer one query.

    Raises CredentialError("trqp_unknown", sentence) where an entity, authority, action or resource is none
    that can be asked about (TRQP: 404).
    """
    entity, authority = known.participant(question.entity), known.participant(question.authority)
    for party, did in ((entity, question.entity), (authority, question.authority)):
        if party is None:
            raise _unknown(f"{did} is no participant as known at that height")
    assert entity is not None and authority is not None, "both are known"
    if question.kind == RECOGNITION:
        return _recognised(known, question, entity)
    return _authorised(known, question, entity, authority)


def _recognised(known: KnownRecords, question: RegistryQuestion, entity: Participant) -> RegistryDecision:
    if question.action != ISSUE:
        raise _unknown(f"recognition is of the action {ISSUE}")
    found = find(
        known.recognitions,
        question.authority,
        entity.did,
        question.resource.removeprefix(ROW),
        question.at,
        issuer_roles=entity.roles,
        issuer_jurisdiction=entity.jurisdiction,
    )
    if found is None:
        return RegistryDecision(False, "no_recognition")
    statement: RestsOn = {
        "type": "recognition",
        "id": found.id,
        "basis": found.legal_basis,
        "effect": found.effect.value,
        "valid_from": found.valid_from,
        "valid_until": found.valid_until,
    }
    yes = found.effect is not Effect.NOT_RECOGNISED
    return RegistryDecision(yes, "recognised" if yes else "not_recognised", (statement,))


def _authorised(
    known: KnownRecords, question: RegistryQuestion, entity: Participant, authority: Participant
) -> RegistryDecision:
    scheme, colon, namespace = question.resource.partition(":")
    if not (scheme and colon and namespace):
        raise _unknown("a resource is the scheme and the namespace of codes, such as gbt34014:ZZ1")
    at, side = question.at, authority.jurisdiction
    held = [a for a in known.accreditations if a.in_force(at)]
    speaks = authority.takes_part(at) and any(
        a.participant == authority.did and a.jurisdiction == side and APPROVING_ROLE in a.roles for a in held
    )
    if not speaks:
        return RegistryDecision(False, "no_authority")
    if not entity.takes_part(at):
        return RegistryDecision(False, "left")
    stop = known.stopped(entity.did, at)
    if stop is not None:
        return RegistryDecision(False, "stopped", (_stop(stop),))
    licences = tuple(
        _licence(a)
        for a in held
        if a.participant == entity.did
        and a.jurisdiction == side
        and question.action in a.roles
        and a.covers(scheme, namespace)
    )
    return RegistryDecision(bool(licences), "authorised" if licences else "no_licence", licences)


def _licence(held: Accreditation) -> RestsOn:
    return {
        "type": "accreditation",
        "id": held.id,
        "basis": held.licence,
        "valid_from": held.valid_from,
        "valid_until": held.valid_until,
    }


def _stop(stop: Stop) -> RestsOn:
    return {
        "type": "stop",
        "id": stop.target,
        "basis": stop.by,
        "valid_from": stop.since,
        "valid_until": stop.until,
    }


# -- the file ------------------------------------------------------------------------------------------------


def is_answer(value: object) -> bool:
    """True for an answer by TRQP, whether it holds or not."""
    return isinstance(value, Mapping) and any(name in value for name in ANSWERED.values())


@dataclass(frozen=True, slots=True)
class VerifiedAnswer:
    """An answer that holds: of which question, and what was known when."""

    question: RegistryQuestion
    decision: RegistryDecision
    known: ProvenGovernance


def verify_answer(answer: Mapping[str, Any], log: LogPolicy | LogEpochs) -> VerifiedAnswer:
    """Check an answer with its proof offline, under log.policy or its epochs: answered again from records.

    `time_evaluated` is what the node said; everything else follows. Raises
    CredentialError("trqp_answer_invalid", sentence), or "governance_proof_invalid" for its proof.
    """
    kinds = [kind for kind, name in ANSWERED.items() if name in answer]
    if len(kinds) != 1:
        raise _invalid("it says either `recognized` or `authorized`")
    if any(type(answer.get(name)) is not str for name in ASKED):
        raise _invalid(f"it names {', '.join(ASKED)} as texts")
    if "proof" not in answer:
        raise _invalid("it holds no proof: ask with `proof`: `whole` in the context")
    known = verify_governance(answer["proof"], log)
    if answer.get("as_known_at") != {"height": known.height, "time": utc_text(known.time)}:
        raise _invalid(f"`as_known_at` is not height {known.height} of {utc_text(known.time)}, as proven")
    entity, authority, action, resource = (str(answer[name]) for name in ASKED)
    question = RegistryQuestion(kinds[0], entity, authority, action, resource, _time_of(answer))
    try:
        decision = decide(known, question)
    except CredentialError as error:
        raise _invalid(f"there is no answer to it: {error.message}") from error
    if answer[ANSWERED[question.kind]] is not decision.yes:
        raise _invalid(f"what is proven says {'yes' if decision.yes else 'no'}: {decision.reason}")
    if answer.get("reason") != decision.reason:
        raise _invalid(f"its reason is not what is proven: {decision.reason}")
    if answer.get("statements") != list(decision.statements):
        raise _invalid("it does not rest on these statements")
    return VerifiedAnswer(question, decision, known)


def _time_of(answer: Mapping[str, Any]) -> int:
    """The time that is answered for: the one that was asked for, or that of the answer."""
    context = answer.get("context", {})
    if not isinstance(context, Mapping):
        raise _invalid("its context is no object")
    if (context.get("time") or None) != answer.get("time_requested"):
        raise _invalid("`time_requested` is not the time of its context")
    height = context.get("height", str(answer["as_known_at"]["height"]))
    if height != str(answer["as_known_at"]["height"]):
        raise _invalid("it is not as known at the height of its context")
    return read_utc(answer.get("time_requested", answer.get("time_evaluated")))


def read_utc(text: object) -> int:
    """Seconds since 1970 of an RFC 3339 time in UTC, a fraction cut off.

    Raises CredentialError("trqp_time", sentence).
    """
    found = _TIME.fullmatch(text) if type(text) is str else None
    try:
        if found is not None:
            return int(datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00").timestamp())
    except ValueError:
        pass  # no such day or hour: said below
    raise CredentialError("trqp_time", "a time is RFC 3339 in UTC, such as 2027-03-01T10:00:00Z")


def utc_text(seconds: int) -> str:
    """Seconds since 1970 as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"


def is_identifier(text: str) -> bool:
    """True for a text of the characters of RFC 3986, as TRQP asks of each identifier."""
    return _IDENTIFIER.fullmatch(text) is not None


def _unknown(sentence: str) -> CredentialError:
    return CredentialError("trqp_unknown", sentence)


def _invalid(sentence: str) -> CredentialError:
    return CredentialError("trqp_answer_invalid", f"The answer cannot be relied on: {sentence}.")
