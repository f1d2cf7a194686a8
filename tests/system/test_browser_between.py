"""Working days between nodes in Chromium: an authority, an importer, and the maker whom each asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.demo.play import wait, wait_admitted
from node.use_cases.roles import scopes_of
from tests.harness.demo_fixture import DemoNetwork
from tests.system.test_browser import WIDTHS, Officer, browser, crosswise
from tests.system.test_demo_authorities import alerts, attested, issued

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.check

LOST = {"desk": 7_600_030, "dock": 7_600_032}
OTHER = {"desk": "dock", "dock": "desk"}


def came(demo: DemoNetwork, browser: object, who: tuple[str, str], how: tuple[str, str], at: Path) -> Officer:
    """Somebody of a node with what this role may, at a place, on the start page in a language."""
    (node, role), (place, language) = who, how
    link = demo.desk(node).post("/links", {"next": "/", "scopes": list(scopes_of((role,)))})["url"]
    person = Officer(browser, WIDTHS[place], str(link), at)
    person.page.click(f".languages button[value={language}]")
    return person


@pytest.mark.parametrize(("place", "language"), crosswise(("desk", "zh"), ("dock", "de")))
def test_an_authority_is_alerted_asks_for_a_statement_and_closes_the_case(
    demo: DemoNetwork, browser: object, place: str, language: str, tmp_path: Path
) -> None:
    """
    An alert appears on the open page; it is acknowledged and assigned; a case is opened from it with what is
    known filled in, its maker is asked, answers at its own node, and the case is closed with an outcome.
    """
    maker, code = demo.desk("manufacturer"), issued(demo.desk("manufacturer"), LOST[place])
    officer = came(demo, browser, ("cn-authority", "authority"), (place, language), tmp_path)
    page, root = officer.page, officer.page.url.rstrip("/")
    officer.photograph(f"authority-home-{language}")
    page.goto(f"{root}/supervision")
    live = page.get_attribute("#live", "data-live")
    page.wait_for_selector(f"#live:has-text('{live}')")
    before = page.locator("#alerts tr").count()
    lost = attested(maker, "battery.reported_lost", code, {"reference": f"P-{place}"})
    wait_admitted(maker, [lost], "the loss")
    page.wait_for_selector(f"#alerts tr >> nth={before}")
    officer.photograph(f"authority-alerted-{language}")
    authority = demo.desk("cn-authority")
    wait("the battery's code", lambda: alerts(authority, code="reported_lost")[0]["battery"] == code)

    page.click("#alerts tr >> nth=0 >> a >> nth=0")
    page.click("form:has(input[value=acknowledge]) button")
    page.wait_for_selector("input[name=act][value=reopen]", state="attached")
    page.click("form:has(input[value=assign]) button")
    officer.photograph(f"authority-alert-{language}")
    page.click("a[href*='/supervision/cases?']")
    assert page.input_value("[name=battery]") == code
    assert page.input_value("[name=accused]") == demo.state["nodes"]["manufacturer"]["did"]
    page.fill("textarea[name=text]", "Lost a day after it was made.")
    page.select_option("select[name=side]", "CN")
    page.click("form:has([name=accused]) button")
    page.wait_for_url("**/supervision/cases/*")
    officer.photograph(f"authority-case-{language}")
    case = page.url.removeprefix(root)

    def says(person: Officer, act: str, text: str) -> None:
        form = f"details:has(input[value={act}])"
        if not person.page.locator(f"{form} textarea").is_visible():
            person.page.click(f"{form} > summary")
        person.page.fill(f"{form} textarea", text)
        person.page.click(f"{form} button")
        person.page.wait_for_selector(f".panel:has-text('{text}')")

    says(officer, "asked", "Where was it kept?")
    accused = came(demo, browser, ("manufacturer", "maker"), (OTHER[place], language), tmp_path)
    wait("the question", lambda: maker.http.get(f"{maker.url}{case}").status_code == 200)
    accused.page.goto(f"{maker.url}{case}")
    says(accused, "explained", "In the yard of the works.")
    accused.photograph(f"maker-case-{language}")
    wait("the answer", lambda: "yard" in str(authority.get(case)))
    page.goto(f"{root}{case}")
    says(officer, "closed", "It was found meanwhile.")
    officer.photograph(f"authority-closed-{language}")
    assert authority.get(case)["state"] == "closed"
    assert officer.faults == accused.faults == []


@pytest.mark.parametrize(
    ("place", "language", "requirement"), crosswise(("desk", "de", "MAT-05"), ("dock", "en", "PERF-06"))
)
def test_an_importer_asks_its_maker_hands_over_and_the_row_turns(  # noqa: PLR0917  (of pytest)
    demo: DemoNetwork, browser: object, place: str, language: str, requirement: str, tmp_path: Path
) -> None:
    """
    From a row that is issued and not visible the importer asks the maker at its node; the maker reads who
    asks and what for, in Chinese, and hands over; the importer's row is met, by what it did not see before.
    """
    importer = came(demo, browser, ("importer", "importer"), (place, language), tmp_path)
    page, root = importer.page, importer.page.url.rstrip("/")
    page.goto(f"{root}/importer")
    page.click("a[href$='/readiness'] >> nth=0")
    importer.photograph(f"importer-readiness-{language}")
    row = f"table.readiness tr:has-text('{requirement}')"
    page.click(f"{row} a[href*='/set-requests/new']")
    page.fill("textarea[name=text]", f"For the file of {requirement}.")
    importer.photograph(f"importer-asks-{language}")
    page.click("form:has(textarea) button")
    page.wait_for_url("**/set-requests/*")
    request = page.url.removeprefix(root)

    maker = came(demo, browser, ("manufacturer", "maker"), (OTHER[place], "zh"), tmp_path)
    desk = demo.desk("manufacturer")
    wait("the request", lambda: desk.http.get(f"{desk.url}{request}").status_code == 200)
    maker.page.goto(f"{desk.url}/")
    maker.page.click(".today a[href='/set-requests']")
    maker.page.click(f"a[href='{request}']")
    assert requirement in maker.page.inner_text("main")
    maker.photograph("maker-asked-zh")
    maker.page.fill("textarea[name=text]", "agreed")
    maker.page.click("button[value=given]")
    maker.page.wait_for_selector("main p:has-text('agreed')")
    maker.photograph("maker-handed-over-zh")

    asking = demo.desk("importer")
    wait("the answer", lambda: asking.get(request)["state"] == "given")
    page.goto(f"{root}{request}")
    page.click("dl a[href*='/readiness']")
    met = page.locator(f"details.fold {row} td:nth-of-type(1) .o-pass")
    assert met.count() == 1, "the next look at the report reads what was handed over"
    page.click(f"details:has({row}) > summary")
    importer.photograph(f"importer-turned-{language}")
    assert importer.faults == maker.faults == []
