"""Every page of a node in both themes, at a desk and on a phone: axe finds nothing serious or critical."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from node.use_cases.access import AT_THE_MACHINE
from node.web.sample import sample_claims
from tests.harness import screenshots
from tests.harness.axe import axe_source, found_by
from tests.harness.support_service import CODE, DID, LiveNode, live_node, manifest, serving
from tests.system.test_browser import ARTIFACTS, HEIGHT, WIDTHS, browser

__all__ = ["browser"]  # the fixture

WORDS = "seven quiet lamps over water"
THEMES = ("light", "dark")
PAGES = (
    *("/", "/customs", "/importer", "/manufacturer", "/consignments", "/passports", "/passports/new"),
    *(
        "/jobs",
        "/jobs/new",
        "/jobs/acts/new",
        "/models",
        "/acts",
        "/vehicles/check",
        "/duties",
        "/supervision",
        "/supervision/facilities",
        "/supervision/cases",
        "/governance",
        "/set-requests",
        "/suppliers",
    ),
    *("/supervision?because=forwarded", "/governance/accreditations", "/governance/recognitions"),
    *("/governance/proposals", "/governance/propose", "/governance/history", "/accounts", "/account"),
    *(
        "/keys",
        "/operations/audit",
        "/operations/aside",
        "/webhooks",
        "/status",
        "/find",
        "/log/entries",
        "/no-such-page",
    ),
)
PICTURED = (
    *(("home", "/"), ("accounts", "/accounts"), ("sign-in", "/account")),
    ("facilities", "/supervision/facilities"),
)
OF_STRANGERS = ("/", "/sign-in", "/customs")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("accessible")) as made:
        yield made


def filled(node: LiveNode) -> tuple[str, ...]:
    """Pages about something: a passport with its acts, a consignment with its lines."""
    issued = node.post_json("/passports", {"code": CODE, "claims": sample_claims(node.service, CODE)})
    passport = f"/passports/{issued.get_json()['digest']}"
    made = f"/consignments/{node.post_json('/consignments', manifest()).get_json()['id']}"
    node.wait(lambda: node.get_json(passport)["receipted_at"] is not None, "the receipt")
    node.wait(lambda: node.get_json(made)["state"] == "done", "the verdicts")
    act = f"/acts?battery={CODE}"
    first = node.get_json(f"/batteries/{CODE}")["timeline"][0]["leaf_index"]
    return (
        passport,
        f"{passport}/label",
        made,
        f"{made}/items/1",
        f"{made}/items/2",
        act,
        f"/batteries/{CODE}",
        f"/parts/{CODE}",
        f"/supervision/records/{first}",
        f"/suppliers?party={DID}",
        f"/set-requests/new?consignment={made.rpartition('/')[2]}&requirement=MAT-05",
    )


@pytest.mark.check
def test_axe_finds_nothing_serious_on_any_page_in_either_theme(node: LiveNode, browser: object) -> None:
    """
    An administrator is invited, chooses a passphrase, and opens every page, light and dark; strangers see
    what they may. Nothing that axe-core calls serious or critical is on any of them, and none sticks out.
    """
    source = axe_source()
    invited = node.service.accounts.add(AT_THE_MACHINE, "Ada Admin", ("admin",))
    faults: list[str] = []
    with serving(node) as url:
        context = browser.new_context(  # type: ignore[attr-defined]
            bypass_csp=True, viewport={"width": WIDTHS["desk"], "height": HEIGHT}
        )
        page = context.new_page()

        def look(path: str, who: str) -> None:
            page.goto(f"{url}{path}")
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                faults.extend(
                    f"{path} ({who}, {theme}): {told}"
                    for told in found_by(page, source, colours_alone=theme == "dark")
                )
            page.set_viewport_size({"width": WIDTHS["dock"], "height": HEIGHT})
            wide = page.evaluate("document.documentElement.scrollWidth")
            page.set_viewport_size({"width": WIDTHS["desk"], "height": HEIGHT})
            faults.extend([f"{path}: {wide} px wide on a phone"] if wide > WIDTHS["dock"] else [])

        for path in (*OF_STRANGERS, f"/welcome/{invited['token']}"):
            look(path, "a stranger")
        page.fill("#passphrase", WORDS)
        page.fill("#again", WORDS)
        page.click("main form button")
        assert urlsplit(page.url).path == "/"
        look("/", "before anything was done")
        for path in (*PAGES, *filled(node)):
            look(path, "an administrator")
        ARTIFACTS.mkdir(exist_ok=True)
        for name, path in PICTURED:
            for width in WIDTHS.values():
                page.set_viewport_size({"width": width, "height": HEIGHT})
                page.goto(f"{url}{path}")
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"{path} is {wide} px wide in a window of {width}"
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    screenshots.take(page, ARTIFACTS / f"{name}-{theme}-{width}.png", whole=True)
        context.close()
    assert faults == []
