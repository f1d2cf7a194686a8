"""Labels: what stands on them, in what size, and that a reader of another make reads their data carriers."""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from credentials.documents.identifiers import Identifier, read_identifier
from node import data_carriers
from node.config import shipped
from node.data_carriers import PIXELS_MAX, SYMBOLOGIES, Modules, read_photograph, symbol
from node.errors import ProblemError
from node.issuing.label import ANNEX_VI_A, Marks, carrier_link, label_of
from node.issuing.label_drawing import EDGE_MM, HEIGHT_MM, MM, sheets, svg
from tests.harness.parts import require
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_pages import BROWSER
from tests.node.test_watching import code_of, issue

RULES = json.loads(shipped("rules/gbt34014.json"))
PATHS = json.loads(shipped("rules/passport-paths.json"))
CLAIMS = json.loads(shipped("demo/plausible-ev-nmc.batterypass-1.2.json"))
TERMS = {name: name.upper() for name in ANNEX_VI_A}
BASE = "https://maker.example"
CODE = "ZZ1PE75QH00001G620000081"
LINK = "https://id.gs1.org/01/09521001000017/21/SN1"


def identifier(text: str) -> Identifier:
    return read_identifier(text, RULES, namespace="did:web:maker.example")


def picture(modules: Modules, scale: int = 2) -> Image.Image:
    """A picture of a data carrier, of so many pixels a module."""
    drawn = Image.new("L", (len(modules[0]), len(modules)))
    drawn.putdata([0 if dark else 255 for row in modules for dark in row])
    return drawn.resize((drawn.width * scale, drawn.height * scale), Image.Resampling.NEAREST)


def photo(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, form, **options)
    return data.getvalue()


@pytest.mark.parametrize("symbology", SYMBOLOGIES)
@pytest.mark.parametrize(
    "text",
    [
        "HTTPS://MAKER.EXAMPLE/B/" + CODE,
        "https://maker.example/01/09521001000017/21/sn%2F1",
        "https://maker.example/b/" + CODE,
        "https://maker.example/01/09521001000017/22/A/10/LOT7/21/SN1?17=301231&11=260617",
        "https://maker.example/" + "x" * 400,
    ],
)
def test_another_reader_reads_what_is_written(symbology: str, text: str) -> None:
    """
    Written by zint, read by zxing: also of two pixels a module, turned, in grey, and with a tenth of it
    torn off or painted over.
    """
    modules = symbol(text, symbology)
    small = picture(modules)

    assert [one.text for one in zxingcpp.read_barcodes(small)] == [text]
    assert read_photograph(photo(small), "desk") == [text]
    assert read_photograph(photo(picture(modules, 3).rotate(17, expand=True, fillcolor=255)), "desk") == [
        text
    ]
    assert read_photograph(photo(picture(modules, 4), "JPEG", quality=60), "desk") == [text]
    assert {row[0] for row in modules} == {False}, "there is a quiet zone"
    assert len(modules[0]) == len(modules), "what is as high as its place is no wider"
    if symbology == "qr":
        damaged = picture(modules, 4)
        third = damaged.width // 3
        damaged.paste(255, (third, third, third + damaged.width // 8, third + damaged.width // 8))
        assert read_photograph(photo(damaged), "desk") == [text]


def test_a_link_leads_to_this_node_and_names_its_battery_everywhere() -> None:
    """
    A code in capitals makes a link in capitals; a link of GS1 keeps its keys; each is read as the
    same battery by whoever scans it, whatever the host, its path below and the case.
    """
    link = carrier_link(identifier(CODE), BASE)
    assert link == f"HTTPS://MAKER.EXAMPLE/B/{CODE}"
    assert carrier_link(identifier(CODE), "https://a.example/Node/") == f"https://a.example/Node/B/{CODE}"
    assert carrier_link(identifier(LINK), BASE) == "HTTPS://MAKER.EXAMPLE/01/09521001000017/21/SN1"
    small = "https://id.gs1.org/01/09521001000017/21/sn1"
    assert carrier_link(identifier(small), BASE) == "https://maker.example/01/09521001000017/21/sn1"
    assert (
        carrier_link(identifier("https://maker.example/batteries/7"), BASE)
        == "https://maker.example/batteries/7"
    )

    for text in (link, link.lower(), f" {link}\n", f"http://b.example/Node/B/{CODE}"):
        assert identifier(text) == identifier(CODE), text
    for text in ("HTTPS://MAKER.EXAMPLE/01/09521001000017/21/SN1", f"{LINK}?17=301231"):
        assert identifier(text).canonical == LINK, text
    for own in (
        f"https://b.example/b/{CODE}/x",
        "https://shop.example/b/12345",
        "https://b.example/B/ABCDEFGH",
    ):
        assert identifier(own).canonical == own, "an address of its maker's own stays one"
    asked = read_identifier(f"https://b.example/b/{CODE}", RULES, namespace="did:web:b.example", scheme="uri")
    assert asked.scheme == "uri"


def test_a_label_says_what_annex_vi_asks_and_names_what_is_missing() -> None:
    """
    Every point of Part A comes from the passport; one that it does not give is named, not made up.
    """
    label = label_of(CLAIMS, PATHS, identifier(CODE), BASE)
    assert label.missing == () and set(label.told) == set(ANNEX_VI_A)
    assert label.told["date"] == "06/2026" and label.told["weight"] == "452.5 kg"
    assert label.told["capacity"] == "188 Ah"
    assert label.told["critical"] == "Nickel, Cobalt, Lithium, Graphite"

    for submodel, members in CLAIMS.items():
        without = {**CLAIMS, submodel: {}}
        said = label_of(without, PATHS, identifier(CODE), BASE)
        assert set(said.told) | set(said.missing) == set(ANNEX_VI_A)
        assert all(value in label.told.values() for value in said.told.values()), members
    assert label_of({}, PATHS, identifier(CODE), BASE).missing == tuple(ANNEX_VI_A)


def test_every_dark_module_of_a_carrier_stands_on_the_label_where_its_symbol_has_it() -> None:
    """
    Row by row from above, each in its place within the label: what is drawn is the symbol of the link.
    """
    label = label_of(CLAIMS, PATHS, identifier(CODE), BASE)
    marks = Marks(module_mm=0.5)
    modules = symbol(label.link, marks.symbology)
    dark = {(x, y) for y, row in enumerate(modules) for x, is_dark in enumerate(row) if is_dark}

    carrier = re.findall(r'<path[^>]* d="([^"]*)"', svg(label, marks, TERMS))
    boxes = [
        [(float(x) / MM, float(y) / MM) for x, y in re.findall(r"([-\d.]+)[ ,]([-\d.]+)", one)]
        for one in max(carrier, key=len).split("Z")
    ]

    left, top = EDGE_MM, HEIGHT_MM - EDGE_MM
    drawn = set()
    for box in filter(None, boxes):
        xs, ys = [round((x - left) / 0.5) for x, _ in box], [round((top - y) / 0.5) for _, y in box]
        drawn |= {(x, min(ys)) for x in range(min(xs), max(xs))}
    assert drawn == dark


@pytest.mark.parametrize(
    ("side", "millimetres"),
    [
        (None, 50.0),
        ((1200.0, 800.0), 50.0),  # five centimetres are the most
        ((100.0, 30.0), math.sqrt(90)),  # 3 % of the area
        ((20.0, 10.0), 10.0),  # too small for the battery: the size for its packaging
    ],
)
def test_separate_collection_has_its_size(side: tuple[float, float] | None, millimetres: float) -> None:
    assert Marks(side_mm=side).collection_mm == pytest.approx(millimetres)


def texts_of(drawn: str) -> list[str]:
    return [(one.text or "").strip() for one in ET.fromstring(drawn).iter() if one.tag.endswith("}text")]


def test_marks_stand_on_a_label_only_where_the_maker_says_so() -> None:
    label = label_of(CLAIMS, PATHS, identifier(CODE), BASE)
    plain, marked = (
        svg(label, Marks(), TERMS),
        svg(label, Marks(ce=True, notified_body="0123", lead=True), TERMS),
    )

    assert CODE in texts_of(plain) and "WEIGHT" in texts_of(plain)
    assert not {"Pb", "Cd", "0123"} & set(texts_of(plain))
    assert {"Pb", "0123"} <= set(texts_of(marked)) and "Cd" not in texts_of(marked)
    assert "style=" not in marked and "<!DOCTYPE" not in marked, "a page shows it under its strict policy"
    assert ET.fromstring(plain).attrib["width"] == "150mm"
    drawn = [one.attrib for one in ET.fromstring(plain).iter("{http://www.w3.org/2000/svg}text")]
    assert drawn and all({"font-size", "fill"} <= one.keys() for one in drawn), "each style an attribute"


def test_what_does_not_fit_is_refused() -> None:
    """Text that nobody could read, and a data carrier wider than its place."""
    long = {name: "many words " * 200 for name in ANNEX_VI_A}
    label = label_of(CLAIMS, PATHS, identifier(CODE), BASE)
    with pytest.raises(ProblemError, match="more text than fits") as refused:
        svg(replace(label, told=long), Marks(), TERMS)
    assert refused.value.code == "label_too_long"
    wide = replace(label, link=label.link + "X" * 60)
    most = int(50 / len(symbol(wide.link, "qr")) * 100) / 100
    with pytest.raises(ProblemError, match=f"give at most {most:g} mm") as refused:
        svg(wide, Marks(module_mm=1.3), TERMS)
    assert refused.value.code == "label_size" and svg(wide, Marks(module_mm=most), TERMS)


def test_sheets_are_the_same_bytes_each_time_and_hold_every_label() -> None:
    labels = [label_of(CLAIMS, PATHS, identifier(f"{CODE[:-2]}{n:02d}"), BASE) for n in range(1, 6)]
    made = sheets(labels, Marks(), TERMS)

    assert made.startswith(b"%PDF") and made == sheets(labels, Marks(), TERMS)
    assert made.count(b"/Type /Page\n") == 3, "two on each sheet of A4"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "photo_malformed"),
        (b"GIF89a" + bytes(100), "photo_malformed"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "photo_malformed"),
        (b"%PDF-1.4", "photo_malformed"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ProblemError) as refused:
        read_photograph(data, "desk")
    assert (refused.value.status, refused.value.code) == (400, code)


def test_a_bomb_is_refused_by_its_head() -> None:
    """A picture that would take gigabytes is known by the size that it says, before it is decoded."""
    side = math.isqrt(PIXELS_MAX) + 1
    bomb = photo(Image.new("1", (side, side), 1))
    assert len(bomb) < 100_000
    with pytest.raises(ProblemError, match="million"):
        read_photograph(bomb, "desk")


def test_one_client_reads_one_photograph_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends many has one read; another client's is read beside it, and a third comes again."""
    taken: list[str] = []

    def reading(data: bytes) -> list[str]:
        if not taken:
            taken.append("first")
            with pytest.raises(ProblemError) as own:
                data_carriers.read_photograph(data, "desk")
            assert (own.value.status, own.value.code) == (503, "busy")
            data_carriers.read_photograph(data, "dock")
        elif len(taken) == 1:
            taken.append("second")
            with pytest.raises(ProblemError) as third:
                data_carriers.read_photograph(data, "gate")
            assert third.value.status == 503
        return []

    monkeypatch.setattr(data_carriers, "_read", reading)
    read_photograph(b"", "desk")
    assert taken == ["first", "second"] and read_photograph(b"", "desk") == []


# -- at a node -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("labels")) as running:
        for number in (81, 82):
            issue(running, number)
        yield running


def digests(node: LiveNode) -> list[str]:
    return [row["digest"] for row in node.get_json("/passports")["passports"]]


def test_the_label_of_a_passport_is_drawn_and_printed(node: LiveNode) -> None:
    """The page shows it, says what is in the code and offers SVG and PDF; a stranger gets none of it."""
    newest = digests(node)[0]
    page = node.person.get(f"/passports/{newest}/label?ce=yes&symbology=datamatrix", headers=BROWSER)
    assert page.status_code == 200 and f"/B/{code_of(82)}" in page.text
    assert f'src="/passports/{newest}/label.svg?ce=yes&amp;symbology=datamatrix"' in page.text

    drawn = node.get(f"/passports/{newest}/label.svg?language=zh")
    assert drawn.mimetype == "image/svg+xml" and "重量" in texts_of(drawn.text)
    several = node.post_json("/labels", {"passports": digests(node), "ce": True})
    assert several.mimetype == "application/pdf" and several.data.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("module_mm=9", "0.25 to 1.3 mm"),
        ("module_mm=x", "0.25 to 1.3 mm"),
        ("symbology=code128", "qr, datamatrix"),
        ("side_mm=12", "width x height"),
        ("notified_body=12", "four digits"),
    ],
)
def test_a_choice_that_is_none_is_told_beside_the_form(node: LiveNode, query: str, words: str) -> None:
    newest = digests(node)[0]
    page = node.person.get(f"/passports/{newest}/label?{query}", headers=BROWSER)
    assert page.status_code == 400 and words in page.text and 'name="side_mm"' in page.text
    told = node.get(f"/passports/{newest}/label.svg?{query}").get_json()
    assert words in told["detail"] and told["next"]


def test_what_the_page_of_a_label_tells_is_in_the_readers_language(node: LiveNode) -> None:
    reader = {**BROWSER, "Accept-Language": "zh"}
    page = node.person.get(f"/passports/{digests(node)[0]}/label?module_mm=9", headers=reader)
    assert page.status_code == 400 and "码的模块宽度为 0.25 至 1.3 毫米。" in page.text


@pytest.mark.parametrize("passports", [[], ["A" * 43] * 101, ["short"], ["A" * 43]])
def test_sheets_are_bounded_and_of_own_passports(node: LiveNode, passports: list[str]) -> None:
    answer = node.post_json("/labels", {"passports": passports})
    assert answer.status_code == (404 if passports == ["A" * 43] else 400)


def test_a_link_that_is_scanned_opens_the_battery(node: LiveNode) -> None:
    """Whoever scans the label sees what is public, without signing in; so with a link of GS1."""
    for path, leads in (
        (f"/B/{code_of(81)}", f"/batteries/{code_of(81)}"),
        ("/01/09521001000017/21/SN1?17=301231", "/batteries/https://id.gs1.org/01/09521001000017/21/SN1"),
    ):
        answer = node.client.get(path, headers=BROWSER)
        assert (answer.status_code, answer.headers["Location"]) == (303, leads)


def test_a_photograph_of_a_label_is_found(node: LiveNode) -> None:
    """One code leads to what is found for it, of several one is chosen, of none it is said what to do."""
    link = f"HTTPS://MAKER.EXAMPLE/B/{code_of(81)}"
    one = picture(symbol(link, "qr"), 4)

    def sent(image: Image.Image, **headers: str) -> Any:
        files = {"photo": (io.BytesIO(photo(image)), "label.png")}
        return node.client.post("/find", data=files, headers={**node.bearer, **headers})

    led = sent(one, **BROWSER)
    assert led.status_code == 303
    told = node.client.get(led.headers["Location"]).get_json(force=True)
    assert told["code"] == code_of(81) and told["battery"]["standing"]
    assert sent(one).get_json() == {"codes": [link]}

    both = Image.new("L", (one.width * 2, one.height), 255)
    both.paste(one, (0, 0))
    both.paste(picture(symbol(code_of(82), "datamatrix"), 4), (one.width, 0))
    page = sent(both, **BROWSER)
    assert page.status_code == 200 and code_of(82) in page.text and link in page.text

    none = sent(Image.new("L", (64, 64), 255), **BROWSER)
    assert none.status_code == 422 and "type the code that stands beside it" in none.text
    assert node.client.post("/find", data={}, content_type="multipart/form-data").status_code == 401


@pytest.mark.long
def test_a_thousand_labels_are_read() -> None:
    """
    A thousand data carriers of both kinds, of two to nine pixels a module, upright and turned, in capitals,
    with lot and further keys, each drawn and read by a decoder of another make: the text that was drawn.
    """
    read = 0
    for serial in range(1_000):
        code = f"ZZ1PE75QH00001G62{serial:07d}"
        text = (
            f"HTTPS://MAKER.EXAMPLE/B/{code}",
            f"https://maker.example/b/{code}",
            f"https://maker.example/01/09521001000017/21/sn{serial}",
            f"https://maker.example/01/09521001000017/22/A/10/LOT{serial}/21/SN1?17=301231&11=260617",
        )[serial % 4]
        symbology = sorted(SYMBOLOGIES)[serial // 4 % len(SYMBOLOGIES)]
        shown = picture(symbol(text, symbology), 2 + serial % 8).rotate(90 * (serial // 8 % 4), expand=True)
        assert [one.text for one in zxingcpp.read_barcodes(shown)] == [text], (serial, symbology)
        read += 1

    assert read == 1_000


SIZES_MM = (0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.9, 1.1, 1.3)  # of a module: from the least to the most
DOTS_PER_INCH = 300  # of a printer in an office


def link_of(serial: int) -> str:
    """In capitals and not, of a node and of GS1, alone and with lot and further keys."""
    return (
        f"HTTPS://MAKER.EXAMPLE/B/ZZ1PE75QH00001G62{serial:07d}",
        f"https://maker.example/b/ZZ1PE75QH00001G62{serial:07d}",
        f"https://maker.example/01/09521001000017/21/sn{serial}",
        f"https://maker.example/01/09521001000017/10/LOT{serial}/21/SN1?17=301231",
    )[serial % 4]


def printed(sheet: bytes, folder: Path) -> tuple[list[str], str]:
    """What is read on its sheets, printed: data carriers, a page after the other; and the text."""
    folder.mkdir()
    (folder / "labels.pdf").write_bytes(sheet)
    command = [require("poppler"), "-r", str(DOTS_PER_INCH), "-gray", "labels.pdf", "page"]
    subprocess.run(command, cwd=folder, check=True, timeout=600)
    found = list[str]()
    for page in sorted(folder.glob("page*.pgm")):
        with Image.open(page) as shown:
            found += [one.text for one in zxingcpp.read_barcodes(shown)]
        page.unlink()
    text = subprocess.run(["pdftotext", "labels.pdf", "-"], cwd=folder, capture_output=True, check=True)
    return found, text.stdout.decode()


@pytest.mark.parametrize(
    ("sizes", "each"),
    [
        pytest.param((0.25, 0.5, 1.3), 4, marks=pytest.mark.check),
        pytest.param(SIZES_MM, 50, marks=pytest.mark.long),
    ],
)
def test_printed_labels_are_read(tmp_path: Path, sizes: tuple[float, ...], each: int) -> None:
    """
    Labels of both kinds and each size, as PDF sheets that poppler renders as an office printer would: every
    data carrier is read by a decoder of another make as the text that was drawn, beside the code for people.
    """
    told, read = label_of(CLAIMS, PATHS, identifier(CODE), BASE), 0
    for symbology, asked in product(SYMBOLOGIES, sizes):
        links = [link_of(read + nth) for nth in range(each)]
        codes = [f"ZZ1PE75QH00001G62{read + nth:07d}" for nth in range(each)]
        most = min(math.floor(50 / len(symbol(link, symbology)) * 100) / 100 for link in links)
        marks = Marks(symbology, min(asked, most), ce=read % 2 == 0, notified_body="0123", lead=asked < 1)
        labels = [replace(told, link=link, code=code) for link, code in zip(links, codes, strict=True)]
        found, text = printed(sheets(labels, marks, TERMS), tmp_path / f"{symbology}-{asked}")
        assert sorted(found) == sorted(links), (symbology, marks.module_mm)
        assert all(code in text for code in codes) and "WEIGHT" in text
        read += each

    assert read == 2 * len(sizes) * each


def test_a_link_below_a_folder_has_one_slash() -> None:
    """
    Whether the address of the node ends with one or not, in both kinds of link.
    """
    for base in ("https://a.example/Node", "https://a.example/Node/"):
        assert carrier_link(identifier(CODE), base) == f"https://a.example/Node/B/{CODE}"
        assert carrier_link(identifier(LINK), base) == "https://a.example/Node/01/09521001000017/21/SN1"


def test_a_picture_of_another_kind_is_not_opened() -> None:
    """
    Of the many readers of the library those of three kinds look at what somebody sends.
    """
    for kind in ("GIF", "TIFF", "BMP"):
        made = io.BytesIO()
        Image.new("RGB", (8, 8)).save(made, kind)
        with pytest.raises(ProblemError) as refused:
            read_photograph(made.getvalue(), "desk")
        assert refused.value.code == "photo_malformed"
