"""A customs officer in Debian's Chromium, on the demo's live nodes, at a desk and at the dock."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from node.data_carriers import Modules, symbol
from tests.harness import screenshots
from tests.harness.demo_fixture import ROOT, DemoNetwork
from tests.harness.parts import find, require

ARTIFACTS = ROOT / "tests" / "artifacts"
WIDTHS = {"desk": 1280, "dock": 390}
HEIGHT = 900
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def crosswise(one: tuple[object, ...], two: tuple[object, ...]) -> list[object]:
    """(place, language, ...) of two: as given in `make check`, in `make long` with languages changed."""
    crossed = (one[0], two[1], *one[2:]), (two[0], one[1], *two[2:])
    return [one, two, *(pytest.param(*each, marks=pytest.mark.long) for each in crossed)]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Debian's Chromium, headless, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = require("chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


# Words and controls of the head of a page that lie upon each other.
UPON_EACH_OTHER = """() => {
  const parts = ".top b, .top small, .top nav a, .top input, .top button, .top .button";
  const seen = [...document.querySelectorAll(parts)]
    .map(one => [one.innerText || one.id, one.getBoundingClientRect()])
    .filter(([, r]) => r.width > 1 && r.height > 1);
  return seen.flatMap(([a, r], i) => seen.slice(i + 1)
    .filter(([, s]) => Math.min(r.right, s.right) - Math.max(r.left, s.left) > 1
      && Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 1).map(([b]) => `${a} / ${b}`));
}"""


class Officer:
    """One person's way through the pages; only the link comes from outside."""

    def __init__(self, browser: object, width: int, link: str, folder: Path) -> None:
        context = browser.new_context(  # type: ignore[attr-defined]
            viewport={"width": width, "height": HEIGHT}, accept_downloads=True
        )
        self.page = context.new_page()
        self.faults: list[str] = []
        self.page.on(
            "console", lambda message: self.faults.append(message.text) if message.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.width, self.folder = width, folder
        self.page.goto(link)

    def photograph(self, name: str) -> None:
        """Keep what the officer sees; nothing sticks out sideways, nor lies upon another in the head."""
        ARTIFACTS.mkdir(exist_ok=True)
        screenshots.take(self.page, ARTIFACTS / f"{name}-{self.width}.png", whole=True)
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.width, f"{name} is {wide} px wide in a window of {self.width}"
        assert self.page.evaluate(UPON_EACH_OTHER) == [], name

    def shown_in_readme(self, name: str) -> None:
        """The first screen of this page is what README.md shows of it."""
        self.page.evaluate("window.scrollTo(0, 0)")
        screenshots.hold_against_kept(name, screenshots.take(self.page))

    def download(self, element_id: str) -> Path:
        """Click a download; the file under the name the page gave it."""
        with self.page.expect_download() as expected:
            self.page.click(f"#{element_id}")
        path = self.folder / str(expected.value.suggested_filename)
        expected.value.save_as(str(path))
        return path

    def verify_as_shown(self) -> subprocess.CompletedProcess[str]:
        """Download what the page offers and run the command it shows, in that folder, without network."""
        if not self.page.locator("#command").is_visible():
            self.page.click("#proof > summary")  # below the decision, folded
        self.download("receipt")
        self.download("policy")
        if self.page.locator("#document").count():
            self.download("document")
        program, *arguments = shlex.split(self.page.inner_text("#command"))
        assert program == "comity"
        offline = ("unshare", "--net") if find("namespaces") else ()
        return subprocess.run(
            [*offline, sys.executable, "-m", "node", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.mark.check
@pytest.mark.parametrize("place", WIDTHS)
def test_officer_finds_the_altered_item_and_verifies_its_receipt(
    demo: DemoNetwork, browser: object, place: str, tmp_path: Path
) -> None:
    """
    The officer opens the consignment, filters to problems, opens the altered item, downloads the receipt and
    verifies it by the command the page shows; then the same for a clear item. At 1280 and at 390 px.
    """
    officer = Officer(browser, WIDTHS[place], demo.link("customs", "/customs"), tmp_path)
    page = officer.page
    officer.photograph("customs")

    page.click(f"table a[href='/consignments/{demo.consignment}']")
    officer.photograph("consignment")
    if place == "desk":
        officer.shown_in_readme("consignment")
    all_items = page.locator("table.lines tbody tr").count()
    page.click("nav.filters a[href='?show=problems']")
    officer.photograph("problems")
    problems = page.locator("table.lines tbody tr")
    assert 0 < problems.count() < all_items == 66
    assert "Clear" not in problems.all_inner_texts()

    page.click("table.lines tr:has-text('altered') a.id")
    officer.photograph("altered-item")
    if place == "desk":
        officer.shown_in_readme("held")
    assert page.inner_text(".headline .chip").strip() == "Hold"
    assert "26(a)" in page.inner_text("main > .lead")
    assert page.locator(".checks .o-fail").count() > 0
    checked = officer.verify_as_shown()
    assert checked.returncode == 0, checked.stdout + checked.stderr

    altered = page.inner_text("h1 .id")
    page.fill("#find", f" {altered.lower()} ")  # as it is typed from a label
    page.press("#find", "Enter")
    page.wait_for_url("**/find?q=*")
    officer.photograph("found-by-code")
    assert page.inner_text("h1 .id") == altered
    assert page.inner_text(".headline .chip").strip() == "Hold"
    page.click("text=/^Line \\d+ of /")
    page.wait_for_url("**/items/*")
    assert page.inner_text("h1 .id") == altered

    page.goto(page.url.rsplit("/", 1)[0] + "/1")
    officer.photograph("clear-item")
    if place == "dock":
        officer.shown_in_readme("clear-at-the-dock")
    assert page.inner_text(".headline .chip").startswith("Clear")
    checked = officer.verify_as_shown()
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert officer.faults == []


def film(label: Modules, path: Path) -> Path:
    """What a camera sees that is held over a label: one picture, as uncompressed video (YUV4MPEG2)."""
    width, height, scale = 640, 480, 8
    seen = bytearray(b"\xb0" * (width * height))
    for y, row in enumerate(label):
        for x, dark in enumerate(row):
            for line in range(scale):
                at = (40 + y * scale + line) * width + 150 + x * scale
                seen[at : at + scale] = (b"\x18" if dark else b"\xe8") * scale
    grey = b"\x80" * (width * height // 2)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F5:1 Ip A1:1 C420jpeg\n" + b"FRAME\n" + bytes(seen) + grey)
    return path


@pytest.mark.check
def test_an_officer_scans_a_label_with_the_camera(demo: DemoNetwork, browser: object, tmp_path: Path) -> None:
    """
    The camera sees a maker's label, and the page that opens has the word on that battery; then a photograph
    of it does the same.
    """
    desk = Officer(
        browser, WIDTHS["desk"], demo.link("customs", f"/consignments/{demo.consignment}"), tmp_path
    )
    code = desk.page.locator("table.lines tbody tr:has-text('Clear') a.id").first.inner_text()
    label = symbol(f"HTTPS://MAKER.EXAMPLE/B/{code}", "qr")
    seen = film(label, tmp_path / "label.y4m")
    flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    kind, path = browser.browser_type, require("chromium")  # type: ignore[attr-defined]
    camera = kind.launch(
        executable_path=path, args=[*FLAGS, *flags, f"--use-file-for-fake-video-capture={seen}"]
    )
    officer = Officer(camera, WIDTHS["dock"], demo.link("customs", "/customs"), tmp_path)
    page = officer.page

    page.click("header a:has-text('Scan')")
    officer.photograph("scan")
    page.click("text=Use the camera")
    page.wait_for_url("**/find?q=*")
    officer.photograph("scanned")
    assert page.inner_text("h1 .id") == code
    assert page.inner_text(".headline .chip").startswith("Clear")

    page.goto(page.url.partition("?")[0])
    picture = Image.new("1", (len(label), len(label)))
    picture.putdata([0 if dark else 1 for row in label for dark in row])
    picture.resize((len(label) * 6,) * 2).save(tmp_path / "label.png")
    page.set_input_files("#photo", tmp_path / "label.png")
    page.click("text=Read it")
    page.wait_for_url("**/find?q=**")
    assert page.inner_text("h1 .id") == code
    assert officer.faults == []
    camera.close()


@pytest.mark.check
@pytest.mark.parametrize("place", WIDTHS)
def test_a_line_is_decided_on_one_screen_and_printed_whole(
    demo: DemoNetwork, browser: object, place: str, tmp_path: Path
) -> None:
    """
    What is needed to decide is above whatever is folded, within the screen; paper has what is folded.
    """
    officer = Officer(browser, WIDTHS[place], demo.link("customs", "/customs"), tmp_path)
    page = officer.page
    page.goto(page.url.rsplit("/", 1)[0] + f"/consignments/{demo.consignment}/items/21")
    officer.photograph("decision")

    def top(selector: str) -> float:
        return float(page.locator(selector).first.bounding_box()["y"])

    height = page.viewport_size["height"]
    assert top(".headline .chip") < top("main > .lead") < top("text=What you may do.") < height
    assert top(".glance") < top("details.fold")
    assert page.locator(".g-differs").count() == 1
    assert not page.locator("#command").is_visible()
    page.emulate_media(media="print")
    assert page.locator("#command").is_visible() and page.locator(".passport").is_visible()
    page.emulate_media(media="screen")
    page.click("text=Unfold everything")
    assert page.locator("#command").is_visible() and page.locator("details.fold:not([open])").count() == 0
    officer.photograph("unfolded")
    assert officer.faults == []


@pytest.mark.check
@pytest.mark.parametrize("place", WIDTHS)
def test_an_act_is_chosen_beside_the_verdict_and_its_effect_is_shown_before_it_is_signed(
    demo: DemoNetwork, browser: object, place: str, tmp_path: Path
) -> None:
    """
    From a line to what may be attested, a form whose empty fields are told, the effect; nothing is sent.
    """
    officer = Officer(browser, WIDTHS[place], demo.link("customs", "/customs"), tmp_path)
    page = officer.page
    root = page.url.rsplit("/", 1)[0]
    page.goto(f"{root}/consignments/{demo.consignment}/items/1")
    page.click("text=Record an act >> nth=0")
    page.wait_for_selector(".acts a")
    officer.photograph("acts")

    page.click(".acts a[href*='event=customs.released']")
    page.click("text=Show what it would do")
    page.wait_for_selector("[aria-invalid=true]")
    officer.photograph("act-mistakes")
    page.select_option("main select", index=1)
    page.click("text=Show what it would do")
    page.wait_for_selector("#what-it-does")
    officer.photograph("act-effect")
    assert page.locator("text=Sign exactly this").is_visible()
    page.goto(f"{root}/acts")
    officer.photograph("queue")
    assert "Nothing waits" in page.inner_text("main")
    assert [fault for fault in officer.faults if "400" not in fault] == []


@pytest.mark.check
@pytest.mark.parametrize("place", WIDTHS)
def test_officer_finds_a_consignment_by_a_part_of_its_reference(
    demo: DemoNetwork, browser: object, place: str, tmp_path: Path
) -> None:
    """
    The field above the list leads to what has the words; what nobody has is told as that, with the way back.
    """
    officer = Officer(browser, WIDTHS[place], demo.link("customs", "/customs"), tmp_path)
    page = officer.page
    row = f"table a[href='/consignments/{demo.consignment}']"
    part = page.inner_text(row).strip()[3:].lower()

    page.fill("#q", part)
    page.press("#q", "Enter")
    page.wait_for_url("**/consignments?q=*")
    officer.photograph("found")
    assert page.locator(row).count() == 1
    assert page.input_value("#q") == part

    page.fill("#q", 'nowhere "zzzz')
    page.click("main form[role=search] button")
    page.wait_for_selector(".empty:has-text('search with fewer')")
    officer.photograph("found-nothing")
    page.click("main form[role=search] a")
    page.wait_for_selector(row)
    assert officer.faults == []


@pytest.mark.check
@pytest.mark.parametrize(("place", "language"), crosswise(("desk", "en"), ("dock", "zh")))
def test_maker_fills_in_the_form_and_has_label_and_receipt(
    demo: DemoNetwork, browser: object, place: str, language: str, tmp_path: Path
) -> None:
    """
    A maker's day: what is missing is said while the form is filled, and leads to its field; a wrong value
    stays beside its field; what was shown is signed, becomes recorded and receipted by itself, and has a
    label. In English and Chinese, at a desk and on a phone.
    """
    maker = Officer(browser, WIDTHS[place], demo.link("manufacturer", "/manufacturer"), tmp_path)
    page = maker.page
    page.click(f".languages button[value={language}]")
    maker.photograph("manufacturer")
    steps = page.locator("td .next").all_inner_texts()
    assert steps and all(len(one) > 20 for one in steps), "each rejected record says why and what to do"

    page.click(".story .button.primary")
    renewable, mass = "f-Circularity.renewableContent", "f-GeneralProductInformation.batteryMass"
    page.click(f"details:has([id='{renewable}']) > summary")
    page.fill(f"[id='{renewable}']", "")
    page.press(f"[id='{renewable}']", "Tab")
    page.click(f"#missing a[href='#{renewable}']")
    assert page.evaluate("document.activeElement.id") == renewable
    maker.photograph("passport-form")
    page.fill(f"[id='{renewable}']", "0")
    page.click(f"details:has([id='{mass}']) > summary")
    page.fill(f"[id='{mass}']", "-4")
    page.click(".passport-form > .actions button")
    assert page.input_value(f"[id='{mass}']") == "-4"
    maker.photograph("passport-form-wrong")
    page.fill(f"[id='{mass}']", "452.5")
    page.click(".passport-form > .actions button")
    maker.photograph("passport-form-shown")

    page.click("#review button[name=shown]")
    page.wait_for_selector(".steps .done:nth-child(3)", timeout=30_000)
    maker.photograph("passport-done")
    with page.expect_download() as receipt:
        page.click("td a[href^='/receipts/'] >> nth=-1")
    receipt.value.save_as(tmp_path / "battery.tlog-proof")
    assert (tmp_path / "battery.tlog-proof").read_bytes().startswith(b"c2sp.org/tlog-proof")
    page.click("a[href$='/label']")
    assert page.locator("svg.label, img.label").count() == 1
    maker.photograph("passport-label")
    assert [one for one in maker.faults if " 400 " not in one] == []


@pytest.mark.check
@pytest.mark.parametrize("place", WIDTHS)
def test_importer_reads_what_is_covered(
    demo: DemoNetwork, browser: object, place: str, tmp_path: Path
) -> None:
    """
    The readiness report opens with its computed sentence, labels the recognition a demonstration, and never
    says that anything is compliant.
    """
    importer = Officer(browser, WIDTHS[place], demo.link("importer", "/importer"), tmp_path)
    page = importer.page
    importer.photograph("importer")

    page.click("table a.button:has-text('Readiness')")
    importer.photograph("readiness")

    assert "asked for twice: 0" in page.inner_text(".head-sentence").lower()
    assert "Demonstration" in page.inner_text(".demo")
    assert "compliant" not in page.inner_text("main").lower()
    assert page.locator("table.readiness tbody tr").count() > 20
    assert importer.faults == []
