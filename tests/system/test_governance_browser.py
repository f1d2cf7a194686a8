"""A person at the pages of governance in Debian's Chromium: sees the effect, then approves exactly that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from credentials.ledger.genesis_table import participant_table
from node.use_cases.access import AT_THE_MACHINE
from node.use_cases.drafting import FORMS
from tests.harness.governed_node import (
    CN_AUTHORITY,
    DID,
    EU_AUTHORITY,
    MAKER,
    GovernedNode,
    proposal_of,
    served_node,
)
from tests.node.test_governance_pages import newcomer
from tests.system.test_browser import WIDTHS, Officer, browser

__all__ = ["browser"]  # the fixture


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GovernedNode, str]]:
    """A node with other parties, on a port of loopback."""
    with served_node(tmp_path_factory.mktemp("governed")) as served:
        yield served


@pytest.mark.check
@pytest.mark.parametrize("place", WIDTHS)
def test_a_signer_reads_the_effect_and_approves_exactly_that(
    served: tuple[GovernedNode, str], browser: object, place: str, tmp_path: Path
) -> None:
    """
    From the navigation to the proposal, members before and after, what is missing by name, the button below
    it, and the decision; every page fits, at 1280 and at 390 px, and the browser reports no fault.
    """
    g, address = served
    width = WIDTHS[place]
    digest = proposal_of(g, CN_AUTHORITY, 1_000 + width)
    scopes = ("govern", "read")
    token = g.node.service.access.open_link(AT_THE_MACHINE, scopes, "/governance", f"signer {place}")
    officer = Officer(browser, width, f"{address}/enter/{token}", tmp_path)
    page = officer.page
    officer.photograph("governance")
    for name in ("Accreditations", "Recognitions", "History", "Proposals"):
        page.click(f"nav[aria-label=Governance] a:has-text('{name}')")
        officer.photograph(f"governance-{name.lower()}")

    page.click("a:has-text('changes limits that every node enforces')")
    officer.photograph("proposal-open")
    shown = page.inner_text("main")
    assert "per_issuer_per_day_max" in shown and f"{1_000 + width}" in shown and "1 approval more" in shown
    effect, button = (
        page.locator("table.effect").bounding_box(),
        page.locator("button.primary").bounding_box(),
    )
    assert effect["y"] + effect["height"] < button["y"]
    page.click("button.primary")
    g.until_over(digest)
    page.goto(f"{address}/governance/proposals/{digest}")
    officer.photograph("proposal-decided")
    assert "What it changed" in page.inner_text("main")

    stop = {"target": MAKER, "by": CN_AUTHORITY, "since": 0, "until": 0}
    if place == "desk":
        proposal_of(g, CN_AUTHORITY, changes={("stop", MAKER): stop})
    page.goto(f"{address}/governance")
    officer.photograph("governance-stopped")
    assert "is stopped by" in page.inner_text("main")
    assert officer.faults == []


@pytest.mark.check
@pytest.mark.parametrize("place", WIDTHS)
def test_every_page_of_governance_fits_and_goes_by_keyboard(
    served: tuple[GovernedNode, str], browser: object, place: str, tmp_path: Path
) -> None:
    """
    Every form, a newcomer's whole effect, a proposal with more than one act fit, at 1280 and at 390 px. No
    two elements share an id, every field has its label, and the way from the form to its button is by Tab.
    """
    g, address = served
    token = g.node.service.access.open_link(
        AT_THE_MACHINE, ("govern", "read"), "/governance", f"keys {place}"
    )
    officer = Officer(browser, WIDTHS[place], f"{address}/enter/{token}", tmp_path)
    page = officer.page
    own = g.node.service.proposing.governance.state.future.participants[DID]
    table = participant_table(replace(own, recovery=bytes([WIDTHS[place] % 256]) * 32))
    digest = proposal_of(g, EU_AUTHORITY, changes={("participant", DID): table})
    given = newcomer(g)

    for path in (f"proposals/{digest}", *(f"propose?kind={kind}" for kind in FORMS)):
        page.goto(f"{address}/governance/{path}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= WIDTHS[place], f"{path} is {wide} px wide"
        ids = page.evaluate("Array.from(document.querySelectorAll('[id]'), e => e.id)")
        assert len(ids) == len(set(ids)), path
        asked = "main input:not([type=hidden]), main select, main textarea"
        labelled = (
            f"Array.from(document.querySelectorAll('{asked}')).every(e => e.labels.length || e.ariaLabel)"
        )
        assert page.evaluate(labelled), path

    page.goto(f"{address}/governance/propose?kind=admit")
    for field in ("card", "proofs", "address"):
        page.fill(f"#{field}", given[field])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#what-it-does")
    officer.photograph("propose-admission")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Propose exactly this"
    assert officer.faults == []


@pytest.mark.check
@pytest.mark.parametrize("place", WIDTHS)
def test_a_signer_proposes_what_the_form_showed(
    served: tuple[GovernedNode, str], browser: object, place: str, tmp_path: Path
) -> None:
    """
    A form, a mistake beside its field, the exact effect above the button, the proposal with what is missing;
    every page fits, at 1280 and at 390 px.
    """
    g, address = served
    width = WIDTHS[place]
    token = g.node.service.access.open_link(
        AT_THE_MACHINE, ("govern", "read"), "/governance/proposals", place
    )
    officer = Officer(browser, width, f"{address}/enter/{token}", tmp_path)
    page = officer.page
    page.click("text=Propose a change")
    officer.photograph("propose")
    page.click("nav[aria-label='What to propose'] a:has-text('Change a limit')")
    page.select_option("#limit", "clock_skew_s")
    page.fill("#value", "many")
    page.click("button:has-text('Show what it would do')")
    officer.photograph("propose-mistake")
    assert "written in digits" in page.inner_text("#value-problem")
    assert page.evaluate("document.activeElement.id") == "value", (
        "the field with the mistake is where one types"
    )
    page.fill("#value", str(60 + width % 100))
    page.click("button:has-text('Show what it would do')")
    officer.photograph("propose-effect")
    heading = page.locator("#what-it-does")
    assert heading.is_visible() and page.evaluate("document.activeElement.id") == "what-it-does"
    effect = page.locator("table.effect").bounding_box()
    button = page.locator("button.primary").bounding_box()
    assert effect["y"] + effect["height"] < button["y"]
    page.click("button.primary")
    page.wait_for_url("**/governance/proposals/*")
    officer.photograph("propose-proposal")
    assert "1 approval more" in page.inner_text("main")
    page.goto(f"{address}/governance/history?kind=limits")
    officer.photograph("history-of-limits")
    assert [fault for fault in officer.faults if "400" not in fault] == []
