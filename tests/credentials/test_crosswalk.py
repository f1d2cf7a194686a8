"""The requirements of a further jurisdiction: taken up as data, counted for its nodes, refused if unsound."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.ledger.recognition import Effect, Recognition
from credentials.verdicts.crosswalk import crosswalks, is_crosswalk_file
from credentials.verdicts.manifest import Line
from credentials.verdicts.policy import Policy
from credentials.verdicts.readiness import readiness
from node.answers import ReportAnswer
from tests.harness.border import LAW_DATE, World, policy, tables, words
from tests.harness.ledger import CN_AUTHORITY, CREATED

FILE = "crosswalk-in.json"
INDIA: dict[str, Any] = json.loads((Path(__file__).parents[1] / "harness" / "india" / FILE).read_bytes())
ALL = (1, 2, 3, 4)


def report(
    asks: Policy, *, known: Mapping[str, Any] | None = None, recognised: tuple[Recognition, ...] | None = None
) -> ReportAnswer:
    """What a node of this policy is told about one battery from China."""
    w = World()
    text = w.new(1)
    found = replace(tables(), crosswalks=known or {})
    changes = {} if recognised is None else {"recognitions": recognised}
    evidence = w.evidence(text, points=ALL, network=w.network(tables=found, **changes))
    return words().report(readiness([(Line(1, text), evidence)], asks, LAW_DATE, w.now))


def states(told: ReportAnswer) -> dict[str, str]:
    return {row["id"]: row["state"] for row in told["rows"]}


def test_an_indian_node_is_told_what_india_asks() -> None:
    """
    Its rows alone, in its own words: a maker's own word counts wherever it is, a foreign office's does not.
    """
    told = report(policy("elsewhere"), known=crosswalks({FILE: INDIA}))

    assert states(told) == {
        "ZIN-01": "met_abroad", "ZIN-02": "open", "ZIN-03": "not_yet_required", "ZIN-04": "not_applicable",
    } or states(told)["ZIN-04"] == "open"  # fmt: skip
    first, second = told["rows"][0], told["rows"][1]
    assert (first["requirement"], first["provision"]) == ("Mass of the battery", "invented, 1")
    assert (first["element"], first["coverage"], first["legal_route"]) == (
        "mass in the passport",
        "covered",
        "none",
    )
    assert (first["basis"], first["due_from"]) == ("operator-statement", "2027-01-01")
    assert (second["element"], second["who"], second["not_accepted"]) == (None, "customs", 1)
    assert told["jurisdiction"] == "IN" and "0 by IN-side evidence" in told["head"]["sentence"]


def test_a_recognition_that_india_gives_is_the_one_that_counts_for_its_rows() -> None:
    """
    Recognised by an Indian authority the foreign office's word counts; recognised by the EU it does not.
    """

    def counted(jurisdiction: str) -> str:
        given = Recognition(
            authority=CN_AUTHORITY, jurisdiction=jurisdiction, issuer=CN_AUTHORITY, rows=("ZIN-02",),
            effect=Effect.ACCEPTED_BY_LAW, legal_basis="invented", valid_from=CREATED,
        )  # fmt: skip
        told = report(policy("elsewhere"), known=crosswalks({FILE: INDIA}), recognised=(given,))
        return states(told)["ZIN-02"]

    assert (counted("IN"), counted("EU")) == ("met_abroad", "open")


@pytest.mark.parametrize(
    ("name", "known"), [("authority-cn", True), ("elsewhere", False), ("importer-eu", True)]
)
def test_without_requirements_of_its_own_a_node_is_told_those_of_the_eu(name: str, known: bool) -> None:
    """
    Whoever asks, evidence of an EU party is EU-side evidence there, and a Chinese one's is from abroad.
    """
    there = report(policy(name), known=crosswalks({FILE: INDIA}) if known else None)

    assert states(there) == states(report(policy("importer-eu")))
    assert there["jurisdiction"] == "EU" and "by EU-side evidence" in there["head"]["sentence"]


def test_a_file_is_known_by_its_name_and_read_once_for_a_jurisdiction() -> None:
    """
    The two that are shipped are read by themselves; of one known by its digest alone nothing is said.
    """
    assert is_crosswalk_file(FILE) and crosswalks({FILE: INDIA})["IN"] is INDIA
    for other in ("crosswalk-eu-cn.json", "crosswalk-evidence.json", "crosswalk-IN.json", "lifecycle.json"):
        assert not is_crosswalk_file(other) and crosswalks({other: INDIA}) == {}
    assert crosswalks({FILE: None}) == {}
    second = {**INDIA, "rows": []} | {"evidence": {}}
    assert crosswalks({FILE: INDIA, "crosswalk-in-cn.json": second})["IN"] is second, "the first by its name"


def _row(**members: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda table: table["rows"][0].update(members)


def _way(**members: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda table: table["evidence"]["ZIN-01"]["parts"][0]["accepts"][0].update(members)


def _evidence(**members: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda table: table["evidence"]["ZIN-01"].update(members)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("rows"), "it has jurisdiction, rows and evidence"),
        (lambda t: t.update(jurisdiction="India"), "its jurisdiction is 2 to 8 capitals"),
        (lambda t: t.update(jurisdiction=1), "its jurisdiction is 2 to 8 capitals"),
        (lambda t: t.update(rows={}), "its rows are a list of objects"),
        (lambda t: t.update(rows=[1]), "its rows are a list of objects"),
        (_row(id=""), "each of its rows has an id of its own"),
        (_row(id=7), "each of its rows has an id of its own"),
        (_row(id="ZIN-02"), "each of its rows has an id of its own"),
        (_row(requirement=None), "ZIN-01 has a requirement and a provision"),
        (_row(provision=1), "ZIN-01 has a requirement and a provision"),
        (_row(dueFrom="soon"), "ZIN-01 is due from a day"),
        (_row(dueFrom=2027), "ZIN-01 is due from a day"),
        (lambda t: t.update(evidence=[]), "its evidence is by the ids of its rows"),
        (lambda t: t["evidence"].update(X={}), "its evidence is by the ids of its rows"),
        (lambda t: t["evidence"].update({"ZIN-01": 1}), "the basis of ZIN-01 is one of operator-statement"),
        (_evidence(basis="law"), "the basis of ZIN-01 is one of operator-statement"),
        (_evidence(parts=[]), "a part of ZIN-01 says what, whom it asks"),
        (_evidence(parts={}), "a part of ZIN-01 says what, whom it asks"),
        (_evidence(parts=[1]), "a part of ZIN-01 says what, whom it asks"),
        (_evidence(parts=[{"what": "x", "accepts": []}]), "a part of ZIN-01 says what, whom it asks"),
        (_evidence(parts=[{"what": "x", "asks": "y"}]), "a part of ZIN-01 says what, whom it asks"),
        (_evidence(parts=[{"what": "x", "asks": "y", "accepts": [1]}]), "a part of ZIN-01 says what"),
        (_way(datapoints=[]), "a part of ZIN-01 says what, whom it asks"),
        (_way(datapoints=["10"]), "a part of ZIN-01 says what, whom it asks"),
        (_way(datapoints=10), "a part of ZIN-01 says what, whom it asks"),
        (_way(event=1), "a part of ZIN-01 says what, whom it asks"),
        (_way(members="x"), "a part of ZIN-01 says what, whom it asks"),
        (_way(members=[1]), "a part of ZIN-01 says what, whom it asks"),
        (_evidence(applies=[]), "applies of ZIN-01 is lists by"),
        (_evidence(applies={"event": "x"}), "applies of ZIN-01 is lists by"),
    ],
)
def test_a_file_that_could_not_be_counted_by_is_refused_with_what_is_wrong(
    change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    """
    No report stops half-way over a file that the network took up.
    """
    table = copy.deepcopy(INDIA)
    change(table)

    with pytest.raises(CredentialError) as error:
        crosswalks({FILE: table})

    assert error.value.code == "rules_invalid"
    assert error.value.message.startswith(f"{FILE} cannot be used: ") and says in error.value.message


def test_a_file_that_is_no_object_is_refused() -> None:
    """
    Anything may stand in a file.
    """
    with pytest.raises(CredentialError, match="it has jurisdiction, rows and evidence"):
        crosswalks({FILE: [INDIA]})


def test_a_row_that_a_network_adds_is_told_in_its_own_words() -> None:
    """
    The shipped requirements are a rule file as well: a row that no release knows has its name, and whoever
    must act is told that there is no rule for it.
    """
    w = World()
    text = w.new(1)
    row = {"id": "NEW-01", "requirement": "Something new", "provision": "invented", "dueFrom": "2027-01-01"}
    changed = {**tables().crosswalk, "rows": [*tables().crosswalk["rows"], row]}
    network = w.network(tables=replace(tables(), crosswalk=changed))
    evidence = w.evidence(text, points=ALL, network=network)

    told = words().report(readiness([(Line(1, text), evidence)], policy("importer-eu"), LAW_DATE, w.now))

    assert told["rows"][-1]["requirement"] == "Something new" and told["rows"][-1]["state"] == "open"
    assert told["rows"][-1]["who"] == "operator" and told["rows"][-1]["action"]


def test_a_report_says_when_it_was_made_and_whom_it_asks_in_order() -> None:
    """
    Two parts that are missing are asked of two parties, in the order of their names; without a battery it is
    of no height, and still of its day.
    """
    w = World()
    text = w.new(1)
    parts = [
        {"what": who, "asks": who, "accepts": [{"event": "battery.recycled"}]}
        for who in ("recycler", "customs")
    ]
    table = copy.deepcopy(INDIA) | {"rows": INDIA["rows"][:1]}
    table["evidence"] = {"ZIN-01": {"basis": "network-policy", "parts": parts}}
    network = w.network(tables=replace(tables(), crosswalks=crosswalks({FILE: table})))
    evidence = w.evidence(text, points=ALL, network=network)

    told = readiness([(Line(1, text), evidence)], policy("elsewhere"), LAW_DATE, w.now)
    none = readiness([], policy("elsewhere"), LAW_DATE, w.now)

    assert [(ask["who"], ask["part"], ask["what"]) for ask in told["rows"][0]["asks"]] == [
        ("customs", 1, "customs"), ("recycler", 0, "recycler"),
    ]  # fmt: skip
    assert (told["height"], told["evaluated_at"], told["jurisdiction"]) == (w.ledger.height, w.now, "IN")
    assert (none["height"], none["evaluated_at"], none["jurisdiction"]) == (0, w.now, "IN")
