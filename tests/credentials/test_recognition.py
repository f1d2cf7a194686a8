"""Recognition: unilateral, dated, scoped, not transitive, asked at event time and now."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.ledger.recognition import OUTCOMES, Effect, Recognition, ask, find
from tests.harness.ledger import RULES

EU, CN, LAB = "did:web:eu-authority.example", "did:web:cn-authority.example", "did:web:lab.example"


def row(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "authority": EU,
        "jurisdiction": "EU",
        "issuer": CN,
        "rows": ["ID-06", "LIFE-01"],
        "effect": "information-only",
        "legal_basis": "network-policy",
        "valid_from": 1_000,
        "valid_until": 2_000,
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def recognition(**changes: Any) -> Recognition:
    return Recognition.parse(row(**changes))


def test_found_in_scope_only() -> None:
    """
    Authority (or its jurisdiction), issuer, row and interval all have to fit; the end is exclusive.
    """
    table = [recognition()]

    assert find(table, EU, CN, "ID-06", 1_000) is table[0]
    assert find(table, "EU", CN, "ID-06", 1_999) is table[0]
    assert find(table, EU, CN, "ID-06", 2_000) is None
    assert find(table, EU, CN, "ID-06", 999) is None
    assert find(table, EU, CN, "ID-07", 1_500) is None
    assert find(table, EU, LAB, "ID-06", 1_500) is None
    assert find(table, CN, EU, "ID-06", 1_500) is None


def test_not_transitive() -> None:
    """
    EU recognises CN and CN recognises a laboratory: that says nothing about EU and the laboratory.
    """
    table = [recognition(), recognition(authority=CN, jurisdiction="CN", issuer=LAB)]

    assert find(table, EU, LAB, "ID-06", 1_500) is None
    assert ask(table, EU, LAB, "ID-06", event_time=1_500, now=1_500).outcome == "fail"


def test_class_of_issuers() -> None:
    """
    A class covers issuers of that role and jurisdiction; a row that names the issuer goes first.
    """
    by_class = recognition(issuer="*", issuer_class="lab", issuer_jurisdiction="CN")
    by_name = recognition(issuer=LAB, effect="accepted-as-lab-evidence")

    found = find([by_class], EU, LAB, "ID-06", 1_500, issuer_roles=("lab",), issuer_jurisdiction="CN")
    assert found is by_class
    assert find([by_class], EU, LAB, "ID-06", 1_500, issuer_roles=("lab",), issuer_jurisdiction="EU") is None
    assert find([by_class], EU, LAB, "ID-06", 1_500, issuer_roles=(), issuer_jurisdiction="CN") is None
    asked = partial(ask, [by_class], EU, LAB, "ID-06", event_time=1_500, now=1_500)
    assert asked(issuer_roles=("lab",), issuer_jurisdiction="CN").outcome == "warn"
    assert asked(issuer_roles=("maker",), issuer_jurisdiction="CN").outcome == "fail"
    assert asked(issuer_roles=("lab",), issuer_jurisdiction="EU").outcome == "fail"
    both = [by_name, by_class]
    assert find(both, EU, LAB, "ID-06", 1_500, issuer_roles=("lab",), issuer_jurisdiction="CN") is by_name


@pytest.mark.parametrize("effect", Effect)
def test_each_effect_has_one_outcome(effect: Effect) -> None:
    """
    The outcome follows from the effect alone.
    """
    answer = ask([recognition(effect=effect.value)], EU, CN, "ID-06", event_time=1_500, now=1_600)

    assert (answer.outcome, answer.effect) == (OUTCOMES[effect], effect)


@pytest.mark.parametrize(("event_time", "now"), [(500, 1_500), (1_500, 2_500)], ids=["too early", "lapsed"])
def test_asked_twice_the_weaker_counts(event_time: int, now: int) -> None:
    """
    A recognition that was not yet, or is no longer, in force does not carry the answer.
    """
    answer = ask([recognition(effect="accepted-by-law")], EU, CN, "ID-06", event_time=event_time, now=now)

    assert answer.outcome == "fail"
    assert (answer.now is None) == (now > 2_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"effect": "accepted"},
        {"rows": []},
        {"rows": ["ID-06", "ID-06"]},
        {"rows": "ID-06"},
        {"valid_from": -1},
        {"valid_from": 2_000},
        {"valid_until": True},
        {"issuer": ""},
        {"conditions": [1]},
        {"colour": "red"},
        {"legal_basis": None},
    ],
    ids=str,
)
def test_malformed_recognition_is_refused(changes: dict[str, Any]) -> None:
    """
    Unknown members, unknown effects, empty scopes and reversed intervals are refused.
    """
    with pytest.raises(CredentialError) as error:
        Recognition.parse(row(**changes))

    assert error.value.code == "recognition_invalid"


def test_table_form_round_trips() -> None:
    """
    What is written into genesis is what is read from it.
    """
    one = recognition(conditions={"attestation_age_days_max": 30})

    assert Recognition.parse(one.as_table()) == one


def test_crosswalk_rows_can_be_recognised() -> None:
    """
    The shipped crosswalk has 44 distinct row ids, and every row can be the scope of a recognition.
    """
    rows = [r["id"] for r in json.loads((RULES / "crosswalk-eu-cn.json").read_bytes())["rows"]]

    assert len(rows) == len(set(rows)) == 44
    assert recognition(rows=rows).rows == tuple(rows)
