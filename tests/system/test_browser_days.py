"""Working days in Chromium, at a desk and on a phone, in four languages, on a node that is every party."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.use_cases.access import AT_THE_MACHINE
from node.use_cases.roles import scopes_of
from tests.harness.support_service import ROLES, LiveNode, live_node, serving
from tests.node.test_watching import attest, code_of, issue
from tests.system.test_browser import WIDTHS, Officer, browser, crosswise
from tests.system.test_browser_trades import acted, taken

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.check

OWN = (*ROLES, "distributor", "lab", "vehicle_manufacturer", "registration_authority", "workshop")
RECALLED, SOLD, MEASURED, BUILT_IN, BOUGHT = 21, 22, 23, 24, 25
VIN = "ZZ9DEM0E0T0000124"
HEAD = "Seriennummer;condition;goods;commodity_code;mass_kg;declaration;law_date"
TODAY = datetime.now(UTC).date().isoformat()
DESK, DOCK = ("desk", 500, 20), ("dock", 50, 5)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveNode, str]]:
    """The node with a few batteries of its own, and its address."""
    with live_node(tmp_path_factory.mktemp("days"), OWN) as node, serving(node) as url:
        for serial in (RECALLED, RECALLED + 10, SOLD, MEASURED, BUILT_IN, BOUGHT):
            issue(node, serial)
        yield node, url


def came(at: tuple[LiveNode, str], browser: object, role: str, how: tuple[str, str], folder: Path) -> Officer:
    """Somebody with what this role may, at a place, on the start page in a language."""
    (node, url), (place, language) = at, how
    name = f"{role} {place} {language}"
    token = node.service.access.open_link(AT_THE_MACHINE, scopes_of((role,)), "/", name)
    person = Officer(browser, WIDTHS[place], f"{url}/enter/{token}", folder)
    person.page.click(f".languages button[value={language}]")
    return person


def sheet(serials: list[int], bad: int, declaration: str) -> str:
    """A table of a sender's own words; the mass of each of the last `bad` rows is no number."""
    good = len(serials) - bad
    goods, law = "new;battery;8507600000", "2027-03-01"
    rows = [
        f"{code_of(serial)};{goods};{'viel' if number >= good else '452,5'};{declaration};{law}"
        for number, serial in enumerate(serials)
    ]
    return "\n".join([HEAD, *rows]) + "\n"


@pytest.mark.parametrize(("size", "language"), crosswise((DESK, "zh"), (DOCK, "de")))
def test_an_officer_mends_a_manifest_and_learns_of_a_recall_after_it(
    at: tuple[LiveNode, str], browser: object, size: tuple[str, int, int], language: str, tmp_path: Path
) -> None:
    """
    Columns in the sender's words are asked about once; rows that cannot be read come back, are mended and
    judged; what the ledger learns afterwards is told on the consignment: which line, what, by whom and when.
    """
    node, _ = at
    place, lines, bad = size
    recalled = RECALLED if place == "desk" else RECALLED + 10
    attest(node, "battery.exported", recalled, commodity_code="850760", consignee="c", consignment_id="1")
    officer = came(at, browser, "customs", (place, language), tmp_path)
    page = officer.page
    first = 1000 if place == "desk" else 5000
    serials = [recalled, *range(first, first + lines - 1)]
    (tmp_path / "m.csv").write_text(sheet(serials, bad, f"26NLDAY{lines:07}"))

    def upload() -> None:
        page.goto(f"{at[1]}/consignments")
        page.click("main details.panel summary >> nth=0")
        page.set_input_files("#file", str(tmp_path / "m.csv"))
        page.click("main details[open] button[type=submit]")

    upload()
    if page.locator("select[name=meant]").count():
        officer.photograph(f"columns-{language}")
        page.locator("select[name=meant]").first.select_option("battery")
        page.locator("main form:has(select[name=meant]) button").first.click()
        upload()
    page.wait_for_selector("#left-out")
    officer.photograph(f"left-out-{language}")
    assert page.locator("#left-out tbody tr").count() == min(bad, 20)
    with page.expect_download() as expected:
        page.click("#left-out a[href$='left-out.csv']")
    back = Path(expected.value.path()).read_text(encoding="utf-8-sig")
    (tmp_path / "mended.csv").write_text(re.sub(r"\bviel\b(?=[;,])", '"452,5"', back))
    path = page.url.removeprefix(at[1]).partition("?")[0]
    node.wait(lambda: node.get_json(f"{path}?limit=0")["state"] == "done", "the verdicts of the others")
    page.set_input_files("#rows", str(tmp_path / "mended.csv"))
    page.click("#left-out form button")
    address = at[1] + path
    page.wait_for_url(address)
    node.wait(lambda: node.get_json(f"{path}?limit=0")["state"] == "done", "the verdicts")
    page.goto(address)
    assert page.locator("#left-out").count() == 0
    officer.photograph(f"judged-{language}")
    assert node.get_json(f"{path}?limit=0")["done"] == lines

    assert node.get_json(f"{path}/items/1")["verdict"] in ("clear", "clear_with_gaps")

    attest(node, "battery.recalled", recalled, reason="fire")
    node.wait(lambda: node.get_json(f"{path}?limit=0")["changed_total"] == 1, "the other word")
    page.goto(address)
    officer.photograph(f"recalled-{language}")
    told = page.inner_text("#changed")
    assert "Everything Ltd" in told and "UTC" in told
    page.click("#changed li a")
    page.wait_for_selector(".headline")
    assert [fault for fault in officer.faults if "400" not in fault] == []  # the question about columns


@pytest.mark.parametrize(("place", "language"), crosswise(("desk", "nl"), ("dock", "en")))
def test_a_dealer_takes_a_battery_in_and_sells_it(
    at: tuple[LiveNode, str], browser: object, place: str, language: str, tmp_path: Path
) -> None:
    """
    Found by its code, asked about as what it is offered as, and its sale signed beside the answer.
    """
    person = came(at, browser, "dealer", (place, language), tmp_path)
    taken(person, code_of(SOLD), "new", "", "dealer")
    acted(person, "battery.sold", {"invoice": f"R-{place}"}, "dealer-sold")


@pytest.mark.parametrize(("place", "language"), crosswise(("desk", "zh"), ("dock", "de")))
def test_a_laboratory_records_what_it_measured(
    at: tuple[LiveNode, str], browser: object, place: str, language: str, tmp_path: Path
) -> None:
    """
    A state of health with its method and day; one that no battery can have is told beside its field.
    """
    person = came(at, browser, "laboratory", (place, language), tmp_path)
    taken(person, code_of(MEASURED), "new", "", "laboratory")
    measured = {"method": "capacity test", "measured_on": TODAY, "soh_permille": "934", "cycles": "210"}
    acted(person, "soh.measured", measured, "laboratory-measured")


@pytest.mark.parametrize(("place", "language"), crosswise(("desk", "en"), ("dock", "zh")))
def test_a_vehicle_maker_builds_a_battery_in_and_asks_about_the_vehicle(
    at: tuple[LiveNode, str], browser: object, place: str, language: str, tmp_path: Path
) -> None:
    """
    Installed in a vehicle by its number, which is then asked about: what is on record of each battery in it
    is told, and what stands in the way of its sale.
    """
    person = came(at, browser, "maker", (place, language), tmp_path)
    page = person.page
    if place == "desk":
        taken(person, code_of(BUILT_IN), "new", "", "vehicle-maker")
        acted(person, "battery.installed", {"vin": VIN, "place": "1"}, "vehicle-maker-installed")
    page.goto(f"{at[1]}/vehicles/check")
    page.fill("#vin", VIN.lower())
    page.select_option("#act", "sold")
    page.click("main form.panel button")
    page.wait_for_selector("#vehicle-answer")
    person.photograph(f"vehicle-{language}")
    assert code_of(BUILT_IN) in page.inner_text("main")
    assert [fault for fault in person.faults if "400" not in fault] == []


@pytest.mark.parametrize(("place", "language"), crosswise(("dock", "de"), ("desk", "nl")))
def test_a_buyer_reads_the_record_of_a_used_battery_without_an_account(
    at: tuple[LiveNode, str], browser: object, place: str, language: str, tmp_path: Path
) -> None:
    """
    Whoever scans the label of what is offered used sees its public record, and is told that it is no verdict.
    """
    person = Officer(browser, WIDTHS[place], f"{at[1]}/", tmp_path)
    page = person.page
    page.click(f".languages button[value={language}]")
    page.goto(f"{at[1]}/B/{code_of(BOUGHT)}")
    person.photograph(f"buyer-{language}")
    assert code_of(BOUGHT) in page.inner_text("h1") and page.locator(".timeline li").count() >= 1
    assert page.locator("a[href^='/acts']").count() == 0
    page.fill("#find", code_of(BOUGHT).lower())
    page.press("#find", "Enter")
    page.wait_for_selector("#battery-found")
    person.photograph(f"buyer-found-{language}")
    assert person.faults == []


@pytest.mark.parametrize(("place", "language"), crosswise(("desk", "de"), ("dock", "zh")))
def test_an_administrator_makes_an_account_and_ends_its_session(
    at: tuple[LiveNode, str], browser: object, place: str, language: str, tmp_path: Path
) -> None:
    """
    The invitation is handed on and opens once; its person signs in; the session is ended, and opens nothing.
    """
    admin = came(at, browser, "admin", (place, language), tmp_path)
    page, name = admin.page, f"Nia New {place}"
    page.goto(f"{at[1]}/accounts")
    page.fill("#name", name)
    page.check("#role-customs")
    page.click("main form.panel button.primary")
    invitation = page.inner_text("#invitation").strip()
    admin.photograph(f"invited-{language}")

    nia = Officer(browser, WIDTHS[place], invitation, tmp_path)
    for field in ("#passphrase", "#again"):
        nia.page.fill(field, "seven quiet lamps over water")
    nia.page.click("main form button")
    nia.page.goto(f"{at[1]}/consignments")
    assert nia.page.locator("form.leave").count() == 1

    page.goto(f"{at[1]}/accounts")
    admin.photograph(f"accounts-{language}")
    page.click(f"tr:has(a:text-is('{name}')) form[action='/accounts/sessions/end'] button")
    nia.page.reload()
    assert nia.page.locator("form.leave").count() == 0
    assert admin.faults == []
