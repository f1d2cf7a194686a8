"""A workshop's and a recycler's day in Chromium, on the live nodes of the demo: found, taken in, acted on."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.catalogues import row_of, said
from node.demo import scenario
from tests.harness.demo_fixture import DemoNetwork
from tests.system.test_browser import WIDTHS, Officer, browser, crosswise

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.check

SCOPES = ["issue", "verify", "read"]  # of the roles workshop and recycler of config/desks.toml
USED, WASTE = scenario.LIVES[:2]


def at_work(demo: DemoNetwork, browser: object, place: str, language: str, folder: Path) -> Officer:
    """Somebody of the recycler's node, with what its people may do, on the start page in a language."""
    made = demo.desk("recycler").post("/links", {"next": "/", "scopes": SCOPES})
    person = Officer(browser, WIDTHS[place], str(made["url"]), folder)
    person.page.click(f".languages button[value={language}]")
    return person


def taken(person: Officer, code: str, condition: str, mass: str, name: str) -> str:
    """What is answered to: may I take it? Found by its code, as it is typed from a label."""
    page = person.page
    page.fill("#find", f" {code.lower()} ")
    page.press("#find", "Enter")
    page.wait_for_selector("#condition")
    person.photograph(f"{name}-found")
    page.select_option("#condition", condition)
    page.fill("#mass_kg", mass)
    page.click("button.primary")
    page.wait_for_selector(".headline .chip")
    person.photograph(f"{name}-may-i")
    return str(page.locator(".headline .chip").first.get_attribute("class"))


def acted(person: Officer, event: str, fields: dict[str, str], name: str) -> None:
    """One act, chosen beside the answer: empty fields are told, its effect is shown, then it is on record."""
    page = person.page
    page.click(f".acts a[href$='event={event}']")
    page.click("form.panel > button[type=submit]")
    page.wait_for_selector("[aria-invalid=true]")
    for member, value in fields.items():
        field = page.locator(f"#m-{member}")
        chosen = field.evaluate("one => one.tagName") == "SELECT"
        field.select_option(value) if chosen else field.fill(value)
    page.click("form.panel > button[type=submit]")
    page.wait_for_selector("#what-it-does")
    person.photograph(f"{name}-effect")
    page.click("section.panel form button.primary")
    page.wait_for_selector("a[href^='/receipts/']", timeout=30_000)
    person.photograph(f"{name}-done")
    assert [fault for fault in person.faults if "400" not in fault] == []


@pytest.mark.parametrize(("place", "language"), crosswise(("desk", "de"), ("dock", "zh")))
def test_a_workshop_takes_a_battery_in_and_records_a_repair(
    demo: DemoNetwork, browser: object, place: str, language: str, tmp_path: Path
) -> None:
    """
    A battery that was taken out of a car: offered as new it is not to be taken; as used it is judged, and the
    repair is signed beside the answer.
    """
    person = at_work(demo, browser, place, language, tmp_path)
    person.photograph("workshop-home")
    assert "v-hold" in taken(person, USED.code, "new", "", "workshop-as-new")
    taken(person, USED.code, "used", "", "workshop")
    acted(person, "battery.maintained", {"work": f"seal replaced, {place}"}, "workshop-repaired")


@pytest.mark.parametrize(
    ("at_desk", "on_phone"), [("nl", "en"), pytest.param("en", "nl", marks=pytest.mark.long)]
)
def test_a_recycler_receives_a_battery_with_its_mass_and_recycles_it_with_its_metals(
    demo: DemoNetwork, browser: object, at_desk: str, on_phone: str, tmp_path: Path
) -> None:
    """
    Waste: received with its mass at the desk; its metals at the phone; its tree says what became of it.
    """
    mass = int(WASTE.mass_kg * 1000)
    person = at_work(demo, browser, "desk", at_desk, tmp_path)
    taken(person, WASTE.code, "waste", str(WASTE.mass_kg), "recycler")
    received = {"facility_licence": "DEMO-LIC-1", "mass_in_grams": str(mass)}
    acted(person, "recycling.received", received, "recycler-received")

    phone = at_work(demo, browser, "dock", on_phone, tmp_path)
    phone.photograph("recycler-home")
    metals = {f"{metal}_{way}_grams": "900" for metal in ("co", "ni", "li", "cu") for way in ("in", "out")}
    taken(phone, WASTE.code, "waste", "", "recycler-again")
    acted(phone, "recycling.completed", {**metals, "method": "hydrometallurgy"}, "recycler-recycled")
    phone.page.goto(phone.page.url.split("/attestations/")[0] + f"/parts/{WASTE.code}")
    phone.photograph("recycler-tree")
    assert said(row_of("part_state.recycled"), on_phone) in phone.page.inner_text("main")
