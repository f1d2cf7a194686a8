"""ToIP TRQP 2.0: recognised and authorised, at a time, as known at a height; "no" is proven as "yes" is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.ledger.governance import Governance
from credentials.ledger.governance_proof import verify_governance
from credentials.ledger.parties import Stop
from credentials.ledger.recognition import Effect, Recognition
from credentials.ledger.trqp import (
    RegistryQuestion,
    decide,
    is_answer,
    is_identifier,
    read_utc,
    utc_text,
    verify_answer,
)
from tests.consensus.test_receipt import POLICY
from tests.credentials.test_governance_proof import block, proof, proven, told
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    accreditation,
    make_genesis,
)

NOBODY = "did:web:nobody.example"
ROW = "ID-06"
LATER = CREATED + 1_000


def recognition(**changes: Any) -> Recognition:
    values: dict[str, Any] = {
        "authority": EU_AUTHORITY,
        "jurisdiction": "EU",
        "issuer": MAKER,
        "rows": (ROW,),
        "effect": Effect.INFORMATION_ONLY,
        "legal_basis": "network-policy",
        "valid_from": CREATED,
    }
    return Recognition(**(values | changes))


def governed(*given: Recognition, **changes: Any) -> Governance:
    return replace(make_genesis().governance, recognitions=given, **changes)


def recognises(**changes: Any) -> RegistryQuestion:
    return replace(RegistryQuestion("recognition", MAKER, EU_AUTHORITY, "issue", ROW, LATER), **changes)


def authorises(**changes: Any) -> RegistryQuestion:
    asked = RegistryQuestion("authorization", MAKER, CN_AUTHORITY, "manufacturer", "gbt34014:ZZ1", LATER)
    return replace(asked, **changes)


@pytest.mark.parametrize(
    ("asked", "yes", "reason"),
    [
        (recognises(), True, "recognised"),
        (recognises(resource=f"crosswalk:{ROW}"), True, "recognised"),
        (recognises(at=CREATED - 1), False, "no_recognition"),
        (recognises(resource="ID-99"), False, "no_recognition"),
        (recognises(entity=OTHER_MAKER), False, "no_recognition"),
        (recognises(authority=CN_AUTHORITY), False, "no_recognition"),
        (recognises(entity=EU_AUTHORITY, authority=MAKER), False, "no_recognition"),
    ],
)
def test_a_recognition_is_answered_for_its_row_party_and_time(
    asked: RegistryQuestion, yes: bool, reason: str
) -> None:
    """
    Of this authority, for this row, at this time; not the other way round.
    """
    found = decide(governed(recognition()), asked)

    assert (found.yes, found.reason, bool(found.statements)) == (yes, reason, yes)


def test_what_is_expressly_not_recognised_is_no_and_names_the_record() -> None:
    """
    An effect of `not-recognised` is an answer with its statement, and a suspension is none.
    """
    no = recognition(effect=Effect.NOT_RECOGNISED)
    found = decide(governed(no), recognises())
    assert (found.yes, found.reason) == (False, "not_recognised")
    assert found.statements == (
        {
            "type": "recognition",
            "id": no.id,
            "basis": "network-policy",
            "effect": "not-recognised",
            "valid_from": CREATED,
            "valid_until": None,
        },
    )
    paused = recognition(suspended=((LATER, None),))
    none = decide(governed(paused), recognises())
    assert (none.yes, none.reason) == (False, "no_recognition")
    assert decide(governed(paused), recognises(at=LATER - 1)).yes


def test_a_class_is_recognised_by_roles_and_jurisdiction() -> None:
    """
    "*" of a class and a jurisdiction covers who is of both, as in a verdict.
    """
    found = governed(recognition(issuer="*", issuer_class="manufacturer", issuer_jurisdiction="CN"))

    assert decide(found, recognises()).yes
    assert not decide(found, recognises(entity=CN_AUTHORITY)).yes
    assert not decide(found, recognises(entity=IMPORTER)).yes


def test_the_answer_is_the_same_in_whatever_order_the_records_stand() -> None:
    """
    Two of the same moment, equally exact: one of them is the answer, at a node and in a proof.
    """
    one, other = recognition(), recognition(effect=Effect.ACCEPTED_AS_LAB_EVIDENCE)

    answers = [decide(governed(*order), recognises()) for order in ((one, other), (other, one))]

    assert answers[0] == answers[1]
    assert answers[0].statements[0]["id"] == max(one.id, other.id)


@pytest.mark.parametrize(
    ("asked", "yes", "reason"),
    [
        (authorises(), True, "authorised"),
        (authorises(resource="gbt34014:ZZ9"), True, "authorised"),  # its licence to act is of any code
        (authorises(action="importer"), False, "no_licence"),
        (authorises(resource="isbn:ZZ1"), False, "no_licence"),
        (authorises(at=CREATED - 86_401), False, "no_authority"),
        (authorises(authority=EU_AUTHORITY), False, "no_licence"),
        (authorises(authority=CUSTOMS), False, "no_authority"),
        (authorises(entity=IMPORTER, authority=EU_AUTHORITY, action="importer"), True, "authorised"),
    ],
)
def test_a_licence_is_answered_by_the_authority_of_its_side(
    asked: RegistryQuestion, yes: bool, reason: str
) -> None:
    """
    A role, a scheme and namespace, a time; an authority speaks for its own jurisdiction, and only in office.
    """
    found = decide(make_genesis().governance, asked)

    assert (found.yes, found.reason, bool(found.statements)) == (yes, reason, yes)
    if yes:
        assert {s["type"] for s in found.statements} == {"accreditation"}


def test_a_licence_names_its_number_and_its_time() -> None:
    """
    The statements of a yes are the licences in force, with what they are called.
    """
    licence = accreditation(OTHER_MAKER, licence="L-7", valid_until=LATER + 1)
    governance = make_genesis().governance
    others = tuple(a for a in governance.accreditations if a.participant != OTHER_MAKER)
    found = replace(governance, accreditations=(*others, licence))
    asked = authorises(entity=OTHER_MAKER, resource="gbt34014:ZZ3")

    assert decide(found, asked).statements == (
        {
            "type": "accreditation",
            "id": licence.id,
            "basis": "L-7",
            "valid_from": licence.valid_from,
            "valid_until": LATER + 1,
        },
    )
    for other in (replace(asked, at=LATER + 1), replace(asked, resource="gbt34014:ZZ4")):
        none = decide(found, other)
        assert (none.yes, none.reason, none.statements) == (False, "no_licence", ())


def test_who_is_stopped_or_gone_is_not_authorised_then() -> None:
    """
    A stop for its time, with who set it; a party from when it left; an authority that left.
    """
    governance = make_genesis().governance
    stopped = replace(governance, stops={MAKER: Stop(MAKER, CN_AUTHORITY, LATER, LATER + 10)})
    found = decide(stopped, authorises())
    assert (found.yes, found.reason) == (False, "stopped")
    assert found.statements == (
        {
            "type": "stop",
            "id": MAKER,
            "basis": CN_AUTHORITY,
            "valid_from": LATER,
            "valid_until": LATER + 10,
        },
    )
    assert decide(stopped, authorises(at=LATER + 10)).yes
    assert decide(stopped, authorises(at=LATER - 1)).yes

    for did, reason in ((MAKER, "left"), (CN_AUTHORITY, "no_authority")):
        gone = {**governance.participants, did: replace(governance.participants[did], left=LATER)}
        seats = tuple(d for d in governance.validator_dids if d != did)
        left = replace(governance, participants=gone, validator_dids=seats)
        gone_since = decide(left, authorises())
        assert (gone_since.yes, gone_since.reason, gone_since.statements) == (False, reason, ())
        assert decide(left, authorises(at=LATER - 1)).yes


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (recognises(entity=NOBODY), f"{NOBODY} is no participant"),
        (recognises(authority=NOBODY), f"{NOBODY} is no participant"),
        (recognises(action="manufacturer"), "of the action issue"),
        (authorises(resource="gbt34014"), "scheme and the namespace"),
        (authorises(resource="gbt34014:"), "scheme and the namespace"),
        (authorises(resource=":ZZ1"), "scheme and the namespace"),
    ],
)
def test_what_cannot_be_asked_about_has_no_answer(asked: RegistryQuestion, sentence: str) -> None:
    """
    A stranger, another action, a resource that is none: no "no", but a sentence.
    """
    with pytest.raises(CredentialError, match=sentence) as refused:
        decide(make_genesis().governance, asked)
    assert refused.value.code == "trqp_unknown"


def test_a_node_and_a_proof_answer_alike_at_every_height() -> None:
    """
    Every pair of parties and several resources: what governs answers as the proven records do.
    """
    asked = 0
    for height in range(1, told().height, 4):
        known, governs = proven(height), told().history.at(height + 1)
        at = block(height).time
        for entity in governs.participants:
            for authority in (EU_AUTHORITY, CN_AUTHORITY):
                for question in (
                    recognises(entity=entity, authority=authority, at=at),
                    authorises(entity=entity, authority=authority, at=at),
                    authorises(entity=entity, authority=authority, at=at, action="importer"),
                ):
                    here, there = decide(governs, question), decide(known, question)
                    assert (here.yes, here.reason) == (there.yes, there.reason)
                    key = lambda s: s["id"]  # noqa: E731
                    assert sorted(here.statements, key=key) == sorted(there.statements, key=key)
                    asked += 1
    print(f"{asked} questions")
    assert asked > 100


# -- the file ------------------------------------------------------------------------------------------------


def answer(height: int, question: RegistryQuestion) -> dict[str, Any]:
    """As a node makes it."""
    known = proof(height)
    decision = decide(verify_governance(known, POLICY), question)
    return {
        "entity_id": question.entity,
        "authority_id": question.authority,
        "action": question.action,
        "resource": question.resource,
        {"recognition": "recognized", "authorization": "authorized"}[question.kind]: decision.yes,
        "time_requested": utc_text(question.at),
        "time_evaluated": utc_text(question.at + 5),
        "message": "as a person reads it",
        "reason": decision.reason,
        "context": {"time": utc_text(question.at), "height": str(height), "proof": "whole"},
        "as_known_at": {"height": height, "time": utc_text(block(height).time)},
        "statements": list(decision.statements),
        "proof": known,
    }


@pytest.mark.parametrize(
    ("question", "yes"),
    [
        (recognises(), True),
        (recognises(entity=OTHER_MAKER), False),
        (authorises(), True),
        (authorises(action="lab"), False),
    ],
)
def test_yes_and_no_are_proven_offline(question: RegistryQuestion, yes: bool) -> None:
    """
    The answer follows from the records under the root of its height, at the time it names.
    """
    found = verify_answer(answer(1, question), POLICY)

    assert (found.decision.yes, found.known.height, found.question) == (yes, 1, question)


def test_the_time_of_the_answer_stands_in_for_one_that_was_not_asked_for() -> None:
    """
    Without a time, blank or left out, it is as of `time_evaluated`.
    """
    for context in ({}, {"time": ""}):
        given = answer(1, recognises())
        given.pop("time_requested")
        given["context"] = context
        assert verify_answer(given, POLICY).question.at == LATER + 5
    given.pop("context")
    assert verify_answer(given, POLICY).question.at == LATER + 5


def test_a_licence_suspended_later_is_answered_as_each_height_knew_it() -> None:
    """
    The same time, known at two heights: yes then, no now, both proven.
    """
    last = told().height
    at = block(last).time
    asked = authorises(entity=IMPORTER, authority=EU_AUTHORITY, action="importer", at=at)

    answers = [verify_answer(answer(height, asked), POLICY).decision.yes for height in (1, last)]

    assert answers == [True, False]


HOSTILE: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "the other word": ("says yes: recognised", lambda a: a.update(recognized=False)),
    "a word that is none": ("says yes", lambda a: a.update(recognized=1)),
    "both questions": ("either", lambda a: a.update(authorized=True)),
    "neither": ("either", lambda a: a.pop("recognized")),
    "another entity": ("says no: no_recognition", lambda a: a.update(entity_id=OTHER_MAKER)),
    "a stranger": ("there is no answer", lambda a: a.update(entity_id=NOBODY)),
    "another authority": ("says no", lambda a: a.update(authority_id=CN_AUTHORITY)),
    "another row": ("says no", lambda a: a.update(resource="ID-99")),
    "no resource": ("as texts", lambda a: a.pop("resource")),
    "an action that is no text": ("as texts", lambda a: a.update(action=["issue"])),
    "another time": ("time of its context", lambda a: a.update(time_requested="2027-01-01T00:00:00Z")),
    "another time everywhere": (
        "says no",
        lambda a: a.update(time_requested="2001-01-01T00:00:00Z", context={"time": "2001-01-01T00:00:00Z"}),
    ),
    "no time at all": (
        "RFC 3339",
        lambda a: [a.pop("time_requested"), a.pop("context"), a.pop("time_evaluated")],
    ),
    "a context that is none": ("no object", lambda a: a.update(context=[])),
    "another height in the context": ("height of its context", lambda a: a["context"].update(height="2")),
    "another height": ("as proven", lambda a: a["as_known_at"].update(height=2)),
    "another time of the block": (
        "as proven",
        lambda a: a["as_known_at"].update(time="2027-01-01T00:00:00Z"),
    ),
    "no height": ("as proven", lambda a: a.pop("as_known_at")),
    "the proof of another height": ("as proven", lambda a: a.update(proof=proof(2))),
    "no proof": ("no proof", lambda a: a.pop("proof")),
    "another reason": ("not what is proven", lambda a: a.update(reason="no_recognition")),
    "no statement": ("these statements", lambda a: a.update(statements=[])),
    "another basis": ("these statements", lambda a: a["statements"][0].update(basis="a treaty")),
    "one statement more": ("these statements", lambda a: a["statements"].append({})),
}


@pytest.mark.parametrize("what", [*HOSTILE])
def test_an_answer_that_was_changed_is_refused(what: str) -> None:
    """
    Another word, party, row, time, height, statement, or a proof of another height: each with its sentence.
    """
    sentence, change = HOSTILE[what]
    given = answer(1, recognises())
    given["statements"] = [dict(one) for one in given["statements"]]
    change(given)

    with pytest.raises(CredentialError, match=sentence) as refused:
        verify_answer(given, POLICY)
    assert refused.value.code in ("trqp_answer_invalid", "trqp_time")


def test_a_proof_that_was_changed_is_refused_as_the_proof() -> None:
    """
    One record left out of the proof of an answer.
    """
    given = answer(1, recognises(entity=OTHER_MAKER))
    given["proof"]["records"].pop()

    with pytest.raises(CredentialError, match="missing, added or changed"):
        verify_answer(given, POLICY)


def test_times_are_rfc_3339_in_utc() -> None:
    """
    Read with a fraction, in either spelling of UTC; an offset, a day that is none, and what is no text, not.
    """
    for text in ("2027-03-01T10:00:00Z", "2027-03-01t10:00:00z", "2027-03-01T10:00:00.9Z"):
        assert read_utc(text) == 1_803_895_200
    assert read_utc("2027-03-01T10:00:00+00:00") == 1_803_895_200
    assert utc_text(1_803_895_200) == "2027-03-01T10:00:00Z"
    bad = ("2027-03-01T10:00:00+01:00", "2027-02-30T10:00:00Z", "2027-03-01T25:00:00Z", "2027-03-01", 7, None)
    for other in (*bad, "２027-03-01T10:00:00Z", "2027-03-01T10:00:00", "2027-03-01T10:00:60Z"):
        with pytest.raises(CredentialError) as refused:
            read_utc(other)
        assert refused.value.code == "trqp_time"


def test_identifiers_are_of_the_characters_of_rfc_3986() -> None:
    """
    Letters, digits, the reserved and unreserved signs, and octets in percent signs.
    """
    for good in (MAKER, "gbt34014:ZZ1", "did:web:a.example%3A8443", "issue", "https://a.example/x?y#z"):
        assert is_identifier(good)
    for bad in ("", "a b", "%zz", "%4", "é", "a\n", "<a>"):
        assert not is_identifier(bad)


def test_an_answer_is_told_from_other_files() -> None:
    """
    By the word that it answers with.
    """
    assert is_answer({"recognized": True}) and is_answer({"authorized": False})
    assert not is_answer({"format": "x"}) and not is_answer([])
