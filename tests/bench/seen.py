"""Row `seen`: from the commit of a block at an authority's node to the row on its open page, in Chromium.

The demo's four validators. Batteries are produced a second time, one after the other: X2, an alert at the
Chinese authority, whose `/supervision` is open. When its node committed is read of the node's own log, when
the row was there of the page: both by the clock of this machine. Nothing is reloaded.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.bench.finality import validators
from tests.bench.harness import NotMeasured, of_a_network, percentile
from tests.harness.parts import find

AIM_S = 1.0
FIRST_SERIAL = 6_000_000
PARTIES = ("manufacturer", "cn-authority")
FLAGS = ("--no-sandbox", "--disable-gpu")
APPEARED = """() => {
  window.appeared = {};
  const hrefs = () => [...document.querySelectorAll("#alerts a")].map((one) => one.getAttribute("href"));
  const before = new Set(hrefs());
  new MutationObserver(() => {
    for (const href of hrefs())
      if (href.startsWith("/supervision/alerts/") && !before.has(href)) window.appeared[href] ??= Date.now();
  }).observe(document.getElementById("alerts"), {childList: true, subtree: true});
}"""


@dataclass(frozen=True, slots=True)
class Seen:
    """Seconds from the commit to the row on the page, of each alert."""

    took_s: list[float]
    machine_load: float  # others on this machine take part

    def text(self) -> str:
        """Return the row."""
        p50, p99 = (percentile(self.took_s, share) for share in (0.50, 0.99))
        met = "met" if p99 < AIM_S else "missed"
        return (
            f"{len(self.took_s)} alerts one by one: p50 {p50 * 1000:,.0f} ms, p99 {p99 * 1000:,.0f} ms, "
            f"at most {max(self.took_s) * 1000:,.0f} ms (p99 < {AIM_S:.0f} s {met}); "
            f"load average {self.machine_load:.1f}"
        )


def committed_at(log: Path, leaf: int) -> float:
    """When a node committed the block of this leaf, by its own log; seconds."""
    lines = log.read_text().splitlines()
    said = (json.loads(line) for line in lines if '"at": "commit"' in line)
    return next(float(one["time_ms"]) / 1_000 for one in said if one["log_size"] > leaf)


@contextmanager
def _chromium() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NotMeasured("Playwright is not installed") from error
    path = find("chromium")
    if path is None:
        raise NotMeasured("Chromium is not installed")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield opened
        finally:
            opened.close()


def _produced(desk: Any, serials: Sequence[int], state: str, **more: Any) -> None:
    """State of each that it was produced, and wait until the ledger has answered so."""
    from node.demo.play import produced_members, wait
    from node.demo.scenario import make

    batteries = [make(serial) for serial in serials]
    made = [desk.attest("battery.produced", one, {**produced_members(one), **more}) for one in batteries]
    wait(state, lambda: all(desk.get(f"/attestations/{digest}")["state"] == state for digest in made))


def measure(*, count: int) -> Seen:
    """Measure; raises NotMeasured."""
    from node.demo.play import wait

    serials = range(FIRST_SERIAL, FIRST_SERIAL + count)
    with (
        tempfile.TemporaryDirectory(prefix="comity-bench-") as folder,
        _chromium() as browser,
        of_a_network(requests.RequestException),
        validators(Path(folder)) as nodes,
    ):
        maker, authority = (next(n for n in nodes if n.party.key == key) for key in PARTIES)
        desk, at = maker.desk(), authority.desk()
        _produced(desk, serials, "admitted")
        page = browser.new_page()
        page.goto(str(at.post("/links", {"next": "/supervision?rule=X2"})["url"]))
        page.wait_for_selector("#live:has-text('Live')")
        page.evaluate(APPEARED)
        for number, serial in enumerate(serials, start=1):
            _produced(desk, [serial], "refused", mass_grams=9)
            wait("the row", lambda number=number: len(page.evaluate("window.appeared")) >= number)  # type: ignore[misc]
        rows = page.evaluate("window.appeared")
        leaves = {href: int(at.get(href)["leaf_index"]) for href in rows}
        took = [rows[href] / 1_000 - committed_at(authority.data / "node.log", leaves[href]) for href in rows]
        return Seen(took, os.getloadavg()[0])
