"""What a keyboard, a scanner, a spreadsheet or an input method adds to a code, taken off again.

Codes come from labels, web pages, spreadsheets and scanners: with blanks of every kind between the groups,
invisible marks, full-width characters, small letters. None of that is part of a code. Everything is done by
explicit tables of ASCII and of code points, so that no two versions of Unicode read one text in two ways.
"""

from __future__ import annotations

# White space of Unicode (White_Space=yes, and the separators that `str.isspace` adds).
BLANKS = "\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
BLANKS += "\u2028\u2029\u202f\u205f\u3000"
# Characters that show as nothing: soft hyphen, joiners, marks of direction, fillers, byte order mark.
INVISIBLE = "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u3164\ufe0e\ufe0f\ufeff\uffa0"
INVISIBLE += "".join(map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))))

_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20
}  # full-width forms of ASCII
_AT_ENDS = BLANKS + INVISIBLE
_GONE = dict.fromkeys(map(ord, BLANKS + INVISIBLE))
_HIDDEN = dict.fromkeys(map(ord, INVISIBLE))
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}


def upper(text: str) -> str:
    """`text` with the letters a to z in capitals, and no others."""
    if text.isascii():
        return text.upper()
    return text.translate(_UPPER)


def trimmed(text: str) -> str:
    """`text` in half-width characters without invisible ones, and without blanks at its ends."""
    if text.isascii():  # nothing of ASCII is invisible or full-width
        return text.strip(BLANKS)
    return text.translate(_NARROW).translate(_HIDDEN).strip(BLANKS)


def cell_said(text: str) -> str:
    """What a cell of a table says, as it is spelled, without what keeps it a text: '8507 and ="8507"."""
    said = text.strip(_AT_ENDS)
    if len(said) > 3 and said[:2] == '="' and said[-1] == '"' and '"' not in said[2:-1]:
        return said[2:-1]
    return said[1:] if said[:1] in ("'", "\u2019") else said


def joined(text: str) -> str:
    """`text` in half-width characters without any blank: blanks in a code are grouping."""
    if text.isascii():
        return "".join(text.split())  # at the blanks of ASCII, which are those of the table
    return text.translate(_NARROW).translate(_GONE)


def shown(text: str, characters_max: int = 80) -> str:
    """`text` for a sentence: in quotation marks, cut, and with characters that mislead written as escapes."""
    return ascii(text if len(text) <= characters_max else text[: characters_max - 3] + "...")
