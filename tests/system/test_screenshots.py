"""How the tests of the browser take pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.harness import screenshots
from tests.harness.demo_fixture import ROOT
from tests.system.test_browser import browser

__all__ = ["browser"]  # the fixture

RENEWED = 24  # times, each in the middle of a picture: without `take` two of five were never taken
RENEWS_ITSELF = """<!doctype html><meta charset="utf-8"><title>being judged</title>
<p>row</p><script>
const often = Number(sessionStorage.often || 0);
sessionStorage.often = often + 1;
if (often < %d) setTimeout(() => location.reload(), 20 + 11 * (often %% 9));
</script>"""


@pytest.mark.check
def test_a_page_that_renews_itself_is_taken(browser: object, tmp_path: Path) -> None:
    """
    A consignment reloads when its last line is judged: a picture that was begun before is taken again.
    """
    page = browser.new_context().new_page()  # type: ignore[attr-defined]
    loads: list[str] = []

    def answer(route: Any) -> None:
        loads.append(route.request.url)
        route.fulfill(content_type="text/html", body=RENEWS_ITSELF % RENEWED)

    page.route("**", answer)
    page.goto("http://page.example/")
    while len(loads) <= RENEWED:
        assert screenshots.take(page, tmp_path / "taken.png", whole=True).startswith(b"\x89PNG")
    assert (tmp_path / "taken.png").stat().st_size > 0


def test_pictures_are_taken_in_one_place() -> None:
    """
    No test takes a picture by itself, and so hangs where a page renews itself.
    """
    taking = re.compile(r"\.screenshot\(")
    found = [path.name for path in (ROOT / "tests").rglob("*.py") if taking.search(path.read_text())]
    assert found == ["screenshots.py"]
