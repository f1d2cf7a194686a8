"""A jurisdiction whose law is not among the rules: the record is judged, what the law asks is not checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from credentials.documents.code_schemes import code_schemes
from credentials.verdicts.clearance import _check_identifier, clear_item
from credentials.verdicts.content import _is_code
from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from credentials.verdicts.verdict import Findings
from credentials.verdicts.verdict_record import ItemRecord
from tests.credentials.test_code_schemes import CODE, FILE, ZIN
from tests.harness.border import LAW_DATE, World, code, line_of, policy, tables, words
from tests.harness.ledger import CN_AUTHORITY, IMPORTER


def exported(w: World) -> str:
    """A battery with a passport, on its way from China, declared nowhere yet."""
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(CN_AUTHORITY, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    return text


def check(told: ItemRecord, name: str) -> dict[str, Any]:
    return next(dict(one) for one in told["checks"] if one["name"] == name)


def test_what_is_on_record_is_judged_and_the_law_is_said_not_to_be_checked() -> None:
    """
    At an Indian node a battery with a live passport is clear; which data it must carry there was not checked,
    and the sentence says whose law is missing. No gap of another law is listed.
    """
    w = World()
    text = exported(w)

    told = w.judge(text, policy_name="elsewhere").as_dict()

    found = check(told, "completeness")
    assert (told["verdict"], told["gaps"]) == ("clear", [])
    assert (found["outcome"], found["reason"]) == ("not_checked", "law_not_given")
    assert words().reason("law_not_given", found["evidence"]) == (
        "What the law of IN asks of a passport is not among the rules of this network: it was not checked."
    )
    assert words().reason("law_not_given").startswith("What the law here asks of a passport is not")


@pytest.mark.parametrize("name", ["customs-eu", "authority-cn"])
def test_where_the_law_is_given_it_is_asked(name: str) -> None:
    """
    The table of data points names the jurisdictions whose nodes go by it: there nothing changes.
    """
    w = World()
    text = w.new(1)

    assert check(w.judge(text, policy_name=name).as_dict(), "completeness")["reason"] != "law_not_given"


def test_who_asks_for_data_where_no_law_is_given_is_never_told_clear() -> None:
    """
    A policy that requires completeness there leaves the verdict open: nothing passes unchecked.
    """
    w = World()
    text = exported(w)
    evidence = w.evidence(text)
    elsewhere = policy("elsewhere")
    asking = replace(elsewhere, required=elsewhere.required | {"completeness"})

    manifest = Manifest.parse({"declaration": "26NLTEST000001", "lines": [line_of(1, text)]})
    context = ManifestContext.of(manifest, tables().identifiers)
    told = clear_item(manifest.lines[0], evidence, asking, LAW_DATE, w.now, context).as_dict()

    assert (told["verdict"], told["reason"]) == ("undecided", "law_not_given")


def test_a_table_that_takes_a_jurisdiction_in_is_gone_by_there() -> None:
    """
    That the law is given for India is one member of a rule file, and no code.
    """
    w = World()
    text = w.new(1)
    law = {**tables().datapoints, "judgedIn": ["CN", "EU", "IN"]}
    network = w.network(tables=replace(tables(), datapoints=law))

    told = w.judge(text, policy_name="elsewhere", evidence=w.evidence(text, network=network)).as_dict()

    assert check(told, "completeness")["outcome"] != "not_checked"


def test_no_passport_is_asked_for_by_a_law_that_is_not_given() -> None:
    """
    A battery on record without a passport is held in the EU; elsewhere it is undecided, and says why.
    """
    w = World()
    text = code(1)
    w.produce(text)

    here, there = (w.judge(text, policy_name=name).as_dict() for name in ("customs-eu", "elsewhere"))

    assert (here["verdict"], here["reason"]) == ("hold", "not_published")
    assert there["verdict"] == "undecided"
    assert check(there, "document")["reason"] == "law_not_given"


@pytest.mark.parametrize(
    ("schemes", "reason"),
    [(("gbt34014", "*"), "ok"), (("gbt34014",), "identifier_unsupported"), (("zin",), "ok")],
)
def test_a_policy_takes_what_the_network_adds_where_it_says_so(schemes: tuple[str, ...], reason: str) -> None:
    """
    "*" among its schemes is every scheme that the network adds, and no other: a VIN is no battery.
    """
    w = World()
    table = replace(tables(), identifiers={**tables().identifiers, "schemes": code_schemes({FILE: ZIN})})
    evidence = replace(w.evidence(w.new(1)), network=w.network(tables=table))
    evidence = replace(evidence, subjects={CODE: w.evidence(code(1)).subjects[code(1)]})

    def asked(text: str) -> str:
        found = Findings(table)
        _check_identifier(found, Line(1, text), evidence, replace(policy(), schemes=schemes))
        return found.checks[0].reason

    assert asked(CODE) == reason
    assert asked("LSVAA2180E2109876") == "identifier_unsupported"


def test_two_codes_of_an_added_scheme_are_two_batteries() -> None:
    """
    X16 holds for codes of a scheme that a network adds as for those that are built in; a URI is no code.
    """
    schemes = {"schemes": code_schemes({FILE: ZIN})}

    assert _is_code("zin", schemes) and _is_code("gs1", {})
    assert not _is_code("zin", {}) and not _is_code("uri", schemes)
