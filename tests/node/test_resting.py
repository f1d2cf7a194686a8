"""What rests on a record is listed before anybody takes it back: records, other batteries, open lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.support_service import ROLES, LiveNode, live_node
from tests.node.test_pages import BROWSER
from tests.node.test_watching import attest, code_of, issue, judged

VIN = "ZZ9DEM0E0T0000051"
PACK, BESIDE, CHILD = 51, 52, 53
pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Two batteries in one vehicle; one leaves it, is waste and is taken apart; its module is on a line."""
    roles = (*ROLES, "vehicle_manufacturer", "swap_operator", "waste_operator", "distributor", "lab")
    with live_node(tmp_path_factory.mktemp("resting"), roles) as made:
        for serial in (PACK, BESIDE, CHILD):
            issue(made, serial)
        for serial in (PACK, BESIDE):
            attest(made, "battery.installed", serial, vin=VIN)
        yield made


def leaf_of(node: LiveNode, serial: int, kind: str) -> int:
    steps = node.get_json(f"/batteries/{code_of(serial)}")["timeline"]
    return int(next(one["leaf_index"] for one in reversed(steps) if one["kind"] == kind))


def rests(node: LiveNode, serial: int, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = node.get_json(f"/supervision/records/{leaf_of(node, serial, kind)}")
    return found


def listed(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["kind"], one["relation"]) for one in found["records"]]


def test_the_last_record_is_its_authors_to_correct_and_what_is_before_it_is_nobodys(node: LiveNode) -> None:
    """
    Nothing rests on the last record, and its author may take it back until a day; on the one before that one
    rests the last, and the rules in force take it back by nobody.
    """
    last = rests(node, PACK, "battery.installed")
    assert (last["way"], listed(last), last["battery"]) == ("corrected", [], code_of(PACK))
    assert last["until"] > last["block_time"]

    before = rests(node, PACK, "passport.published")
    assert (before["way"], before["until"]) == ("followed", None)
    assert listed(before) == [("battery.installed", "follows")]


def test_what_was_only_reported_is_its_authors_to_correct_under_what_followed(node: LiveNode) -> None:
    """
    A measurement moved nothing: what was recorded since stands without it, and the page says so. Its author
    corrects it under that; then it was taken back.
    """
    members = {"method": "M", "measured_on": time.strftime("%Y-%m-%d", time.gmtime()), "soh_permille": 900}
    attest(node, "soh.measured", BESIDE, **members, cycles=9_000)
    attest(node, "battery.maintained", BESIDE, work="a fuse")
    found = rests(node, BESIDE, "soh.measured")
    assert (found["way"], listed(found)) == ("corrected", [("battery.maintained", "stands")])

    attest(
        node,
        "attestation.corrected",
        BESIDE,
        attestation_digest=found["record"]["attestation_digest"],
        reason="900, not 9000",
    )
    assert rests(node, BESIDE, "soh.measured")["way"] == "taken_back"
    attest(node, "soh.measured", BESIDE, **members, cycles=900)


def test_what_is_said_of_its_vehicle_and_of_what_it_became_is_listed_with_the_open_lines(
    node: LiveNode,
) -> None:
    """
    The vehicle is sold: that rests on both batteries' installing. A pack is taken apart: what its module's
    record says since, and the line with the module, rest on it.
    """
    attest(node, "vehicle.sold", BESIDE, vin=VIN, invoice="I-1")
    assert ("vehicle.sold", "same_vehicle") in listed(rests(node, PACK, "battery.installed"))

    attest(node, "battery.swapped_out", PACK, vin=VIN)
    attest(node, "battery.declared_waste", PACK, reason="worn")
    members = {"facility_licence": "L", "children": [code_of(CHILD)], "fates": ["reuse"]}
    attest(node, "battery.dismantled", PACK, **members)
    consignment = judged(node, "26NLRESTS1", CHILD)
    attest(node, "battery.reported_lost", CHILD, reference="P-1")

    apart = rests(node, PACK, "battery.dismantled")
    assert listed(apart) == [("battery.reported_lost", "battery_named")]
    assert apart["way"] == "voided"
    assert {"consignment": consignment, "line": 1} in apart["lines"]
    waste = rests(node, PACK, "battery.declared_waste")
    assert ("battery.dismantled", "follows") in listed(waste) and waste["way"] == "followed"


def test_what_was_taken_back_says_so_and_what_is_no_statement_is_not_found(node: LiveNode) -> None:
    """
    A loss that was stated by mistake and corrected is shown as taken back; a number that is no statement
    is not found.
    """
    attest(node, "battery.found", CHILD, reason="it was in the yard")
    digest = rests(node, CHILD, "battery.found")["record"]["attestation_digest"]
    attest(node, "attestation.corrected", CHILD, attestation_digest=digest, reason="another battery")
    assert rests(node, CHILD, "battery.found")["way"] == "taken_back"
    assert node.get(f"/supervision/records/{1 << 40}").status_code == 404


def test_the_page_says_what_rests_on_it_in_words(node: LiveNode, tmp_path: Path) -> None:
    """
    An officer reads who may take it back and what would be judged again.
    """
    leaf = leaf_of(node, PACK, "battery.declared_waste")
    page = node.person.get(f"/supervision/records/{leaf}", headers=BROWSER)
    assert page.status_code == 200
    assert "nothing earlier" in page.text and "not checked" in page.text
