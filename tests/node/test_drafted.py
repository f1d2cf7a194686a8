"""The records of a change that a person filled in: each sort changes what it says, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from credentials.ledger.engine_terms import COMETBFT, EngineTerm
from credentials.ledger.genesis_table import accreditation_table, participant_table
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import stop_table
from credentials.ledger.parties import Stop
from credentials.ledger.recognition import Effect, Recognition
from node.use_cases.drafted import MAKERS, DraftedRecord, FieldProblemError, every_of, name_and_digest
from tests.harness.ledger import EU_AUTHORITY, IMPORTER, MAKER, make_genesis

AT, DAY_S = 1_800_000_000, 86_400
STOPPED = Stop(MAKER, EU_AUTHORITY, AT - 9, AT + 9)


def governance() -> Governance:
    """What governs in the tests, with one party stopped."""
    return replace(make_genesis().governance, stops={MAKER: STOPPED})


def made(kind: str, **given: str) -> list[DraftedRecord]:
    return MAKERS[kind](governance(), given, AT, EU_AUTHORITY)


def record(kind: str, name: str, table: Any) -> list[dict[str, Any]]:
    return [{"type": kind, "name": name, "table": dict(table)}]


def party(**changes: Any) -> dict[str, Any]:
    return dict(participant_table(replace(governance().participants[MAKER], **changes)))


def test_a_party_is_renamed_or_moved_and_stays_what_it_is() -> None:
    """
    The member that was filled in is another, all others are those on record.
    """
    assert made("rename", who=MAKER, name="Another name") == record(
        "participant", MAKER, party(name="Another name")
    )
    assert made("move", who=MAKER, url="https://new.example") == record(
        "participant", MAKER, party(address="https://new.example")
    )


def test_a_licence_is_suspended_put_back_and_ended_and_says_the_rest_as_before() -> None:
    """
    From the moment of the change; what was paused is told as paused, and the other way about.
    """
    one = governance().accreditations[0]
    paused = record("accreditation", one.id, accreditation_table(replace(one, suspended=((AT, None),))))
    ended = record("accreditation", one.id, accreditation_table(replace(one, valid_until=AT)))

    assert made("suspend", record=one.id) == paused
    assert made("end", record=one.id) == ended
    with pytest.raises(FieldProblemError) as caught:
        made("reinstate", record=one.id)
    assert (caught.value.field, caught.value.code) == ("record", "not_paused")


def test_a_licence_and_a_recognition_have_what_was_filled_in() -> None:
    """
    The scheme and its namespace, the roles each once, the day on which it ends; every issuer of a side.
    """
    given = {"participant": IMPORTER, "roles": "importer, importer", "scheme": " gs1 ", "namespace": "*"}
    (licence,) = made("license", **given, side="EU", licence="L-9", ends="2099-01-02")
    told: dict[str, Any] = {
        **{"participant": IMPORTER, "roles": ["importer"], "schemes": [["gs1", "*"]], "jurisdiction": "EU"},
        **{"licence": "L-9", "valid_from": AT, "valid_until": 4_070_995_200},
    }
    assert {name: licence["table"][name] for name in told} == told

    filled = {"authority": EU_AUTHORITY, "rows": "ID-06, STAT-01", "effect": "information-only", "basis": "b"}
    meant = Recognition(
        authority=EU_AUTHORITY,
        jurisdiction="EU",
        issuer="*",
        issuer_jurisdiction="CN",
        rows=("ID-06", "STAT-01"),
        effect=Effect.INFORMATION_ONLY,
        legal_basis="b",
        valid_from=AT,
    )
    assert made("recognise", **filled, issuer=every_of("CN")) == record(
        "recognition", meant.id, meant.as_table()
    )


def test_a_stop_is_asked_for_confirmed_and_lifted() -> None:
    """
    By whoever proposes it; confirmed it has no end, lifted it is over.
    """
    assert made("stop", party=MAKER) == record("stop", MAKER, stop_table(Stop(MAKER, EU_AUTHORITY, 0, 0)))
    confirmed = replace(STOPPED, until=None)
    assert made("confirm", unconfirmed=MAKER) == record("stop", MAKER, stop_table(confirmed))
    assert made("lift", stopped=MAKER) == record("stop", MAKER, stop_table(replace(confirmed, lifted=True)))


def test_what_concerns_all_changes_by_one_member() -> None:
    """
    Who votes, a limit, the engine and from when, a rule by name and digest.
    """
    voting = list(governance().validator_dids)
    limits = {name: getattr(governance().limits, name) for name in governance().limits.__dataclass_fields__}

    assert made("promote", candidate="did:web:new.example") == record(
        "validators", "", {"participants": [*voting, "did:web:new.example"]}
    )
    assert made("retire", voting=voting[0]) == record("validators", "", {"participants": voting[1:]})
    assert made("limit", limit="clock_skew_s", value="61") == record(
        "limits", "", {**limits, "clock_skew_s": 61}
    )
    assert made("engine", engine=COMETBFT, after="99") == record(
        "engine", "", EngineTerm(COMETBFT, 1, 100).as_table()
    )
    assert made("rule", rule=name_and_digest("a.json", bytes(32))) == record(
        "rule", "a.json", {"sha256": "00" * 32}
    )


def test_how_many_approve_and_of_whom_is_one_setting() -> None:
    """
    A number is one, names are a list in order, each once; all other settings stay.
    """
    table = governance().approvals.as_table()
    numbers = [name for name, value in table.items() if isinstance(value, int)]
    lists = [name for name, value in table.items() if isinstance(value, list)]

    assert numbers and lists
    for name in numbers:
        assert made("approval", setting=name, content="3") == record("approvals", "", {**table, name: 3})
        with pytest.raises(FieldProblemError):
            made("approval", setting=name, content="three")
    for name in lists:
        assert made("approval", setting=name, content="b, a b") == record(
            "approvals", "", {**table, name: ["a", "b"]}
        )
    action = next(iter(governance().approvals.actions))
    told = {**table, "actions": {**governance().approvals.actions, action: "all"}}
    assert made("approver", action=action, sort="all") == record("approvals", "", told)


def test_records_of_a_file_are_taken_as_they_stand() -> None:
    """
    And a file without any, or with what is none, is refused at its field.
    """
    row = '[[changes]]\ntype = "stop"\nname = "a"\n[changes.table]\ntarget = "a"\n'
    assert made("records", changes=row) == record("stop", "a", {"target": "a"})
    wrong = {"changes = 1": "changes", "": "changes", "[": "document", "changes = [1]": "changes"}
    for text, code in wrong.items():
        with pytest.raises(FieldProblemError) as caught:
            made("records", changes=text)
        assert (caught.value.field, caught.value.code) == ("changes", code)
