"""Text on A4 pages (PDF): a title, facts and paragraphs, wrapped and numbered; nothing is laid out twice.

Western letters are in Helvetica, and a piece of text that has others is in the font of a reader's Asian
package, as on labels: no font is embedded, and Chinese is broken between any two of its letters.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

MM = 72 / 2.54 * 0.1  # points
A4 = 210 * MM, 297 * MM
EDGE, FOOT = 48.0, 30.0  # points
LEADING = 1.35  # of the size of the letters
PARAGRAPHS_MAX = 200_000
PARAGRAPH_CHARS_MAX = 8_000
PLAIN, BOLD, OTHER = "Helvetica", "Helvetica-Bold", "STSong-Light"
_PIECES = re.compile(r"[^\s\u2e80-\uffff]+\s?|\s|[\u2e80-\uffff]")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph. `level`: 0 the title, 1 a heading, 2 text, 3 small."""

    text: str
    level: int = 2
    indent: float = 0.0  # points


_STYLES = {0: (BOLD, 16.0, 8.0), 1: (BOLD, 10.5, 7.0), 2: (PLAIN, 9.0, 2.0), 3: (PLAIN, 7.5, 1.0)}


def pdf_of(paragraphs: Iterable[Paragraph], *, title: str, foot: str) -> bytes:
    """The file; `foot` stands on each page before its number."""
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415  (loaded where a page is drawn)

    made = io.BytesIO()
    sheet = _Sheet(Canvas(made, pagesize=A4, pageCompression=1, invariant=1), foot)
    sheet.canvas.setTitle(_plain(title))
    for number, one in enumerate(paragraphs):
        if number >= PARAGRAPHS_MAX:
            sheet.write(Paragraph("...", 1))
            break
        sheet.write(one)
    sheet.end()
    return made.getvalue()


class _Sheet:
    def __init__(self, canvas: Canvas, foot: str) -> None:
        self.canvas, self._foot, self._page = canvas, _plain(foot), 1
        self._y = A4[1] - EDGE

    def write(self, one: Paragraph) -> None:
        font, size, before = _STYLES[one.level]
        text = _plain(one.text)[:PARAGRAPH_CHARS_MAX]
        font = _font(text, font)
        self._y -= before
        kept = 2 if one.level < 2 else 1  # a heading does not stand alone at the end of a page
        for line in lines_of(text, font, size, A4[0] - 2 * EDGE - one.indent):
            if self._y - kept * size * LEADING < EDGE + FOOT:
                self._turn()
            self._y -= size * LEADING
            self.canvas.setFont(font, size)
            self.canvas.drawString(EDGE + one.indent, self._y, line)

    def end(self) -> None:
        self._number()
        self.canvas.save()

    def _turn(self) -> None:
        self._number()
        self.canvas.showPage()
        self._page, self._y = self._page + 1, A4[1] - EDGE

    def _number(self) -> None:
        foot = f"{self._foot}   {self._page}"
        self.canvas.setFont(_font(foot, PLAIN), 7.0)
        self.canvas.drawRightString(A4[0] - EDGE, EDGE - 14, foot)


def lines_of(text: str, font: str, size: float, width: float) -> Iterator[str]:
    """The text in lines no wider than `width` points; a word that is wider is cut."""
    line, used = "", 0.0
    for piece in _fitting(text, font, size, width):
        wide = _wide(piece, font, size)
        if line and used + _wide(piece.rstrip(), font, size) > width:
            yield line.rstrip()
            line, used = "", 0.0
            if piece.isspace():
                continue
        line, used = line + piece, used + wide
    yield line.rstrip()


def _fitting(text: str, font: str, size: float, width: float) -> Iterator[str]:
    """Words and letters, each no wider than a line."""
    for piece in _PIECES.findall(text):
        if _wide(piece, font, size) <= width:
            yield piece
            continue
        part = ""
        for letter in piece:
            if _wide(part + letter, font, size) > width:
                yield part
                part = ""
            part += letter
        yield part


@lru_cache(maxsize=20_000)
def _wide(text: str, font: str, size: float) -> float:
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415

    return float(pdfmetrics.stringWidth(text, font, size))


def _font(text: str, font: str) -> str:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        pass
    else:
        return font
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # noqa: PLC0415

    if OTHER not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(OTHER))
    return OTHER


def _plain(text: str) -> str:
    return _UNWRITABLE.sub(" ", text.replace("\n", " "))
