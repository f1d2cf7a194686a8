"""A label drawn in its true size, as SVG for a page or as PDF sheets for a printer: one drawing for both.

Symbols: the CE marking by the construction of Annex II to Reg (EC) 765/2008, separate collection and the
chemical symbols of Annex VI, Part B, to Reg (EU) 2023/1542, in the sizes of Art 13(4) and (5) and Art 20(1).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from reportlab.graphics import renderPDF, renderSVG
from reportlab.graphics.shapes import Circle, Drawing, Group, Line, Path, Polygon, Rect, String
from reportlab.lib.colors import black
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from node.data_carriers import Modules, symbol
from node.errors import ProblemError, bad_request
from node.issuing.label import Label, Marks

MM = 72 / 25.4  # points
WIDTH_MM, HEIGHT_MM = 150.0, 108.0
COLUMN_MM = 50.0  # on the left: the data carrier above, separate collection below; 5 cm is the most asked
EDGE_MM = 4.0
CE_MM = 10.0  # at least 5 mm (Reg (EC) 765/2008, Annex II)
POINTS_MAX, POINTS_MIN = 8.0, 5.0  # of the text
SHEET_MM = (210.0, 297.0)  # ISO 216 A4
LATIN, LATIN_BOLD, HAN = "Helvetica", "Helvetica-Bold", "STSong-Light"


def svg(label: Label, marks: Marks, terms: Mapping[str, str]) -> str:
    """One label; `terms`: the name of each point of Annex VI, Part A, in the language of the market."""

    return _plain(renderSVG.drawToString(_drawing(label, marks, terms)))


def _plain(drawn: str) -> str:
    """In millimetres, each style an attribute: a page's policy lets no `style` through (CSP `style-src`)."""
    root = ElementTree.fromstring(drawn)  # noqa: S314 (what reportlab wrote a moment ago)
    root.set("width", f"{WIDTH_MM:g}mm")
    root.set("height", f"{HEIGHT_MM:g}mm")
    for one in root.iter():
        for rule in filter(str.strip, one.attrib.pop("style", "").split(";")):
            name, _, value = rule.partition(":")
            one.set(name.strip(), value.strip())
        if (font := one.get("font-family")) is not None:
            one.set("font-family", "Helvetica, Arial, sans-serif")
            one.set("font-weight", "bold" if font == LATIN_BOLD else "normal")
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    return ElementTree.tostring(root, encoding="unicode")


def sheets(labels: Iterable[Label], marks: Marks, terms: Mapping[str, str]) -> bytes:
    """Labels on sheets of A4, from the top, in the order given, as one PDF."""

    written = io.BytesIO()
    canvas = Canvas(written, pagesize=(SHEET_MM[0] * MM, SHEET_MM[1] * MM), invariant=True)
    left, rows = (SHEET_MM[0] - WIDTH_MM) / 2, int(SHEET_MM[1] // HEIGHT_MM)
    top = (SHEET_MM[1] + rows * HEIGHT_MM) / 2
    for number, label in enumerate(labels):
        row = number % rows
        if number and not row:
            canvas.showPage()
        drawn = _drawing(label, marks, terms)
        renderPDF.draw(drawn, canvas, left * MM, (top - (row + 1) * HEIGHT_MM) * MM)
    canvas.showPage()
    canvas.save()
    return written.getvalue()


def _drawing(label: Label, marks: Marks, terms: Mapping[str, str]) -> Drawing:

    drawing = Drawing(WIDTH_MM * MM, HEIGHT_MM * MM)
    drawing.add(Rect(0, 0, WIDTH_MM * MM, HEIGHT_MM * MM, fillColor=None, strokeWidth=0.25))
    _carrier(drawing, label, marks)
    _collection(drawing, marks)
    bottom = EDGE_MM
    if marks.ce:
        _conformity(drawing, marks)
        bottom += CE_MM + EDGE_MM
    _text(drawing, label, terms, bottom)
    return drawing


def _carrier(drawing: Drawing, label: Label, marks: Marks) -> None:
    """The data carrier, and beneath it the code for people."""
    modules = symbol(label.link, marks.symbology)
    side = len(modules) * marks.module_mm
    if side > COLUMN_MM:
        most = math.floor(COLUMN_MM / len(modules) * 100) / 100
        told = "at {asked} mm a module this link needs {side} mm: give at most {most} mm"
        raise bad_request(
            "label_size", told, asked=f"{marks.module_mm:g}", side=f"{side:.0f}", most=f"{most:g}"
        )
    top = HEIGHT_MM - EDGE_MM
    drawing.add(_squares(modules, marks.module_mm, EDGE_MM, top))
    size = min(POINTS_MAX, COLUMN_MM * MM / _width(label.code, LATIN, 1.0))
    drawing.add(_string(EDGE_MM, top - side - 3, label.code, LATIN, size))


def _squares(modules: Modules, module_mm: float, left: float, top: float) -> Group:
    """Dark modules as rectangles, a row's neighbours in one."""

    path = Path(fillColor=black, strokeColor=None)
    for y, row in enumerate(modules):
        x = 0
        while x < len(row):
            run = x
            while run < len(row) and row[run]:
                run += 1
            if run > x:
                _rectangle(
                    path, left + x * module_mm, top - (y + 1) * module_mm, (run - x) * module_mm, module_mm
                )
            x = run + 1
    return Group(path)


def _rectangle(path: Any, x: float, y: float, width: float, height: float) -> None:
    """In millimetres, from the lower left corner."""
    path.moveTo(x * MM, y * MM)
    path.lineTo((x + width) * MM, y * MM)
    path.lineTo((x + width) * MM, (y + height) * MM)
    path.lineTo(x * MM, (y + height) * MM)
    path.closePath()


# -- symbols -------------------------------------------------------------------------------------------

# The crossed-out wheeled bin in a square of 100: outlines, and the two bars that cross it out.
_BIN: Sequence[Sequence[tuple[float, float]]] = (
    ((27, 72), (73, 72), (73, 79), (27, 79)),  # lid
    ((41, 79), (43, 86), (57, 86), (59, 79)),  # its handle
    ((30, 72), (36, 14), (62, 14), (70, 72)),  # body
    ((70, 66), (79, 66), (79, 58), (69, 58)),  # grip
)
_WHEEL = (62.0, 14.0, 7.0)
_CROSS = (((6.0, 4.0), (94.0, 96.0)), ((6.0, 96.0), (94.0, 4.0)))


def _collection(drawing: Drawing, marks: Marks) -> None:
    """Separate collection, and beneath it Cd and Pb, a quarter of its height (Annex VI, Part B)."""

    signs = [name for name, shown in (("Cd", marks.cadmium), ("Pb", marks.lead)) if shown]
    side = marks.collection_mm * (0.78 if signs and marks.collection_mm > COLUMN_MM * 0.75 else 1)
    scale = side * MM / 100
    drawn = Group(transform=(scale, 0, 0, scale, EDGE_MM * MM, (EDGE_MM + (side / 4 if signs else 0)) * MM))
    for outline in _BIN:
        flat = [number for point in outline for number in point]
        drawn.add(Polygon(flat, fillColor=None, strokeColor=black, strokeWidth=3))
    drawn.add(Circle(*_WHEEL, fillColor=black, strokeColor=None))
    for (x1, y1), (x2, y2) in _CROSS:
        drawn.add(Line(x1, y1, x2, y2, strokeColor=black, strokeWidth=7))
    drawing.add(drawn)
    if signs:
        drawing.add(_string(EDGE_MM, EDGE_MM, "  ".join(signs), LATIN_BOLD, side / 4 * MM / 0.72))


def _conformity(drawing: Drawing, marks: Marks) -> None:
    """CE: two letters of one circle each, the second touching the inner circle of the first."""

    scale = CE_MM * MM / 200
    left = EDGE_MM * 2 + COLUMN_MM
    drawn = Group(transform=(scale, 0, 0, scale, left * MM, EDGE_MM * MM))
    drawn.add(Polygon(_letter(100, bar=False), fillColor=black, strokeColor=None))
    drawn.add(Polygon(_letter(270, bar=True), fillColor=black, strokeColor=None))
    drawing.add(drawn)
    if marks.notified_body:
        drawing.add(_string(left + CE_MM * 1.5, EDGE_MM, marks.notified_body, LATIN_BOLD, CE_MM * MM / 1.4))


def _letter(centre: float, *, bar: bool) -> list[float]:
    """The outline of a C, with `bar` an E: radii 100 and 70 about (`centre`, 100), ten units open."""
    wide, narrow, half = math.acos(10 / 100), math.acos(10 / 70), math.asin(15 / 70)
    outer = _arc(centre, 100, wide, 2 * math.pi - wide)
    inner = _arc(centre, 70, 2 * math.pi - narrow, math.pi + half if bar else math.pi)
    rest = _arc(centre, 70, math.pi - half if bar else math.pi, narrow)
    middle = [(centre - 10, 85.0), (centre - 10, 115.0)] if bar else []
    return [number for point in (*outer, *inner, *middle, *rest) for number in point]


def _arc(centre: float, radius: float, start: float, end: float) -> list[tuple[float, float]]:
    angles = (start + (end - start) * step / 64 for step in range(65))
    return [(centre + radius * math.cos(angle), 100 + radius * math.sin(angle)) for angle in angles]


# -- text ----------------------------------------------------------------------------------------------


def _text(drawing: Drawing, label: Label, terms: Mapping[str, str], bottom_mm: float) -> None:
    """Annex VI, Part A, as large as it fits; 422 `label_too_long` where it then cannot be read."""
    left = EDGE_MM * 2 + COLUMN_MM
    width, height = (WIDTH_MM - left - EDGE_MM) * MM, (HEIGHT_MM - bottom_mm - EDGE_MM) * MM
    size = POINTS_MAX
    while (lines := _lines(label, terms, size, width)) and len(lines) * size * 1.2 > height:
        size -= 0.5
        if size < POINTS_MIN:
            told = (
                "what Annex VI asks of this battery's label has more text than fits on {width} x {height} mm"
            )
            raise ProblemError(
                422, "label_too_long", "No label", told, width=int(WIDTH_MM), height=int(HEIGHT_MM)
            )
    for number, (text, bold) in enumerate(lines, 1):
        y = HEIGHT_MM - EDGE_MM - number * size * 1.2 / MM
        drawing.add(_string(left, y, text, LATIN_BOLD if bold else LATIN, size))


def _lines(label: Label, terms: Mapping[str, str], size: float, width: float) -> list[tuple[str, bool]]:
    """(text, bold), each no wider than `width` points."""

    found = list[tuple[str, bool]]()
    for name, value in label.told.items():
        found.append((terms[name], True))
        found.extend((part, False) for part in simpleSplit(value, _font(value, LATIN), size, width))
    return found


def _string(x_mm: float, y_mm: float, text: str, font: str, size: float) -> Any:

    return String(x_mm * MM, y_mm * MM, text, fontName=_font(text, font), fontSize=size)


def _width(text: str, font: str, size: float) -> float:

    return float(pdfmetrics.stringWidth(text, _font(text, font), size))


def _font(text: str, font: str) -> str:
    """Helvetica has the letters of Western Europe alone; others need the font of a reader's Asian package."""
    if text.isascii() or all(ord(letter) < 256 for letter in text):
        return font

    if HAN not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(HAN))
    return HAN
