"""One battery, however its code is written, at every entrance of a running node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from node.web.sample import sample_claims
from tests.harness.support_service import CODE, LiveNode, live_node

SPELLINGS = [
    CODE.lower(),
    f"{CODE[:3]} {CODE[3:12]}\u00a0{CODE[12:]}",
    "".join(chr(ord(c) + 0xFEE0) for c in CODE),
    f"\ufeff{CODE}\u3000",
    f"urn:comity:item:gbt34014:{CODE.lower()}",
    f"URN:COMITY:ITEM:gbt34014:{CODE}",
]
LINKS = [
    "HTTPS://ID.GS1.ORG/01/09521001000017/21/SN1",
    "Https://id.gs1.org/01/09521001000017/21/SN1?linkType=all",
    "http://maker.example/p/01/9521001000017/21/SN1",
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node on whose ledger a battery is, issued by a code in small letters."""
    with live_node(tmp_path_factory.mktemp("spellings")) as running:
        order = {"code": CODE.lower(), "claims": sample_claims(running.service, CODE)}
        assert running.post_json("/passports", order).status_code == 201
        running.wait(lambda: running.get(f"/batteries/{CODE}").status_code == 200, "the battery")
        yield running


def judged(node: LiveNode, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of a consignment of these lines."""
    made = node.post_json("/consignments", {"direction": "import", "lines": rows}).get_json()
    address = f"/consignments/{made['id']}"
    node.wait(lambda: node.get_json(address)["state"] == "done", "the consignment")
    return [node.get_json(f"{address}/items/{row['line']}") for row in rows]


def line_of(number: int, text: str) -> dict[str, Any]:
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507\u00a060 00 00"}
    return {"line": number, "battery": text, **goods}


@pytest.mark.parametrize("text", SPELLINGS, ids=ascii)
def test_every_spelling_of_a_code_finds_its_battery(node: LiveNode, text: str) -> None:
    """
    Page and API, a scan, a manifest's line and an event all mean the battery that was issued.
    """
    found: Any = node.get_json(f"/batteries/{text}")
    scan = node.post_json("/clearance", {"battery": text, "law_date": "2027-03-01"}).get_json()
    item = judged(node, [line_of(1, text)])[0]

    assert found["known"]
    assert scan["reason"] != "not_found"
    assert item["reason"] not in ("not_found", "identifier_invalid")
    codes = [check for check in item["checks"] if check["name"] == "commodity_code"]
    assert [code["outcome"] for code in codes] == ["pass"]


@pytest.mark.parametrize("text", LINKS)
def test_every_spelling_of_a_link_is_read_as_one(node: LiveNode, text: str) -> None:
    """
    In capitals as QR codes are printed, with a query, on the maker's own host: a battery nobody recorded.
    """
    scan = node.post_json("/clearance", {"battery": text, "law_date": "2027-03-01"}).get_json()

    outcomes = [check["outcome"] for check in scan["checks"] if check["name"] == "identifier"]
    assert outcomes == ["pass"] and scan["reason"] == "not_found"


def test_two_spellings_on_a_manifest_are_one_battery_twice(node: LiveNode) -> None:
    """
    A duplicate does not hide behind a blank or small letters.
    """
    texts = (CODE, CODE.lower(), f"{CODE[:5]}\u2009{CODE[5:]}")

    items = judged(node, [line_of(number, text) for number, text in enumerate(texts, start=1)])

    reasons = [{check["reason"] for check in item["checks"] if check["name"] == "manifest"} for item in items]
    assert reasons == [{"repeated_on_manifest"}, {"duplicate_line"}, {"duplicate_line"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CODE[:-1], "has 23 characters"),
        (CODE[:-1] + "O", "Probably 0 is meant"),
        (CODE[:10], "10 characters"),
    ],
)
def test_a_mistyped_code_is_told_at_the_entrance(node: LiveNode, text: str, told: str) -> None:
    """
    Issuing answers 400 with what is wrong; a scan is undecided, and says it as well.
    """
    order = {"code": text, "claims": sample_claims(node.service, CODE)}
    refused = node.post_json("/passports", order)
    scan = node.post_json("/clearance", {"battery": text, "law_date": "2027-03-01"}).get_json()

    assert refused.status_code == 400 and told in refused.get_json()["detail"]
    details = [
        str(check["evidence"].get("detail")) for check in scan["checks"] if check["name"] == "identifier"
    ]
    assert scan["verdict"] == "undecided" and told in details[0]


def test_what_a_line_does_not_say_may_be_null(node: LiveNode) -> None:
    """
    A program that writes every column sends null for what it has not: as if it were left out.
    """
    names = (
        "goods",
        "condition",
        "commodity_code",
        "vin",
        "mass_kg",
        "registration_id",
        "documents",
        "receipts",
    )
    row = {"line": 1, "battery": CODE}

    told = judged(node, [row | dict.fromkeys(names), {**row, "line": 2}])

    outcomes = [
        sorted((c["name"], c["reason"]) for c in item["checks"] if c["name"] != "manifest") for item in told
    ]
    assert outcomes[0] == outcomes[1]
    scan = node.post_json("/clearance", {"battery": CODE, **dict.fromkeys(names)})
    assert scan.status_code == 200
