"""The tables of codes with sentences, as they are shipped: read once, refused where a row is not whole.

A row of a refusal, a reason or a condition says in every language what is so, whose fault it is, and what its
reader does next (`next`). A table without one of them is refused when it is read, not when somebody asks.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from node.config import read_table, shipped
from node.errors import SetupError

LANGUAGES: Final = ("en", "zh")  # of the tables; the first where nobody asks for one
# Of pages and answers, by what each calls itself: what a table or a template lacks in one is said in English.
READ_IN: Final = {"en": "English", "zh": "中文", "de": "Deutsch", "nl": "Nederlands"}

# An entry of a catalogue of gettext; comments and empty lines stand between entries, `msgid` on one line.
PO_ENTRY = re.compile(r'msgid ("(?:[^"\\]|\\.)*")\nmsgstr ("(?:[^"\\]|\\.)*")(?:\n|\Z)')
PO_BETWEEN = re.compile(r"(?:#[^\n]*)?(?:\n|\Z)")

# Whose fault it is: nobody's; the goods' or their papers'; who recorded or issued it; who declares it; who
# asked or signed; a third server; this node; the network or an authority.
FAULTS: Final = ("none", "item", "issuer", "importer", "caller", "source", "node", "network")

Row = Mapping[str, Any]
Rows = Mapping[str, Row]


def language_of(accepted: Iterable[tuple[str, float]]) -> str:
    """Of (language tag, quality) in the order of preference, the first that there is: `zh-CN` is `zh`."""
    tags = (tag.lower().partition("-")[0] for tag, quality in accepted if quality > 0)
    return next((tag for tag in tags if tag in READ_IN), LANGUAGES[0])


def read_catalogue(name: str, data: str) -> dict[str, str]:
    """Translations by their English, of the part of gettext's PO form that ours are written in.

    An entry is `msgid` and `msgstr`, each on one line; an empty `msgstr` is none. SetupError names the line
    that is nothing of that, and an English that is there twice.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        between = PO_BETWEEN.match(data, at)
        entry = None if between else PO_ENTRY.match(data, at)
        if between is None and entry is None:
            line = data.count("\n", 0, at) + 1
            raise SetupError(
                f"{name}: line {line} is no entry: msgid and msgstr, one line each",
                step="Correct that line of the catalogue, or install this program again.",
            )
        if entry is not None:
            english, told = json.loads(entry[1]), json.loads(entry[2])
            if english in found:
                raise SetupError(
                    f"{name}: {english!r} is there twice",
                    step="Correct that line of the catalogue, or install this program again.",
                )
            if english:  # the first entry is about the file
                found[english] = told
        at = (between or entry).end()  # type: ignore[union-attr]
    return {english: told for english, told in found.items() if told}


@cache
def texts(language: str) -> Mapping[str, str]:
    """The translations of a language by their English, read when somebody first asks; of English none."""
    if language == LANGUAGES[0]:
        return {}
    name = f"texts/{language}.po"
    return read_catalogue(name, shipped(name).decode())


def in_language(english: str, language: str) -> str:
    """A text of ours in a language, or as it is."""
    return texts(language).get(english, english)


def said(row: Mapping[str, Any], language: str) -> Any:
    """What a row of a table says in a language: its own member, else the catalogue's, else English.

    A noun is a list of its forms.
    """
    if language in row:
        return row[language]
    english = row[LANGUAGES[0]]
    if isinstance(english, list):
        return [in_language(form, language) for form in english]
    return in_language(english, language)


@cache
def sentences() -> Mapping[str, Any]:
    """sentences.toml: sentences beside the codes."""
    return read_table("sentences.toml", shipped("sentences.toml"))


@cache
def terms() -> Mapping[str, Any]:
    """terms.toml: the words of verdicts, states, choices and fields, read once."""
    return read_table("terms.toml", shipped("terms.toml"))


@cache
def reasons() -> Rows:
    """reasons.toml, by code."""
    return whole("reasons.toml", read_table("reasons.toml", shipped("reasons.toml")))


@cache
def conditions() -> Rows:
    """conditions.toml, by code."""
    return whole("conditions.toml", read_table("conditions.toml", shipped("conditions.toml")))


@cache
def alerts() -> Rows:
    """alerts.toml, by code."""
    return whole("alerts.toml", read_table("alerts.toml", shipped("alerts.toml")))


@cache
def risk_table() -> Rows:
    """risk.toml, by name."""
    return read_table("risk.toml", shipped("risk.toml"))


@cache
def travel_table() -> Rows:
    """travel.toml: which acts are done with the battery in hand, and the hours between two sides."""
    return read_table("travel.toml", shipped("travel.toml"))


@cache
def refusals(kind: str) -> Rows:
    """The rows of refusals.toml: `code` and `problem` by name; `refusal` and `title` by their English."""
    rows = read_table("refusals.toml", shipped("refusals.toml"))[kind]
    named = rows if isinstance(rows, Mapping) else {row[LANGUAGES[0]]: row for row in rows}
    return named if kind == "title" else whole("refusals.toml", named)


def whole(name: str, rows: Rows) -> Rows:
    """The rows of a table; SetupError names the first that does not say whose fault it is, or what to do."""
    for code, row in rows.items():
        if row.get("fault") not in FAULTS:
            raise SetupError(
                f"{name}: {code} does not say whose fault it is: one of {', '.join(FAULTS)}",
                step="Correct that row of the table, or install this program again.",
            )
        step = row.get("next")
        if not isinstance(step, Mapping) or not _is_told(step):
            told = ", ".join(LANGUAGES)
            raise SetupError(
                f"{name}: {code} does not say what its reader does next, in each of {told}",
                step="Correct that row of the table, or install this program again.",
            )
    return rows


def _is_told(row: Row) -> bool:
    texts: Iterable[object] = (row.get(language) for language in LANGUAGES)
    return all(isinstance(text, str) and text.strip() for text in texts)


def read_all() -> None:
    """Read each table, so that a node with one that is not whole does not start."""
    sentences(), reasons(), conditions(), alerts()
    for kind in ("code", "problem", "refusal", "title"):
        refusals(kind)


def number(value: object, language: str = LANGUAGES[0]) -> str:
    """A number as its readers write it: with the decimal mark of the language, and never grouped (0702)."""
    return str(value).replace(".", said(sentences()["between"]["decimal"], language))


class Telling(string.Formatter):
    """Parameters as people read them: `{lines:line}` is `1 line` or `2 lines`, a list is its parts.

    `{roles:or}` is a list of which one is enough.
    """

    def __init__(self, language: str) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, list | tuple):
            between: str = said(sentences()["between"][format_spec or "list"], self._language)
            return between.join(map(str, value))
        if format_spec:
            one, more = said(sentences()["noun"][format_spec], self._language)
            return f"{value} {one if value == 1 else more}"
        return number(value, self._language) if isinstance(value, float) else str(value)


def row_of(code: str) -> Mapping[str, Any]:
    """The row `section.name` of sentences.toml."""
    row: Any = sentences()
    for name in code.split("."):
        row = row[name]
    assert isinstance(row, Mapping), f"{code} is a sentence"
    return row


def whose_fault(code: str, language: str = LANGUAGES[0]) -> str:
    """Whose fault something is: a code of a later version is shown as it is."""
    row = sentences()["whose"].get(code)
    return code if row is None else str(said(row, language))


def aside_step() -> str:
    """What the operator does about work that was set aside, in English."""
    return str(row_of("aside_next")[LANGUAGES[0]])


def fault_words(kind: str) -> str:
    """What a validator did, in English: for the operator, and third parties who are handed the evidence."""
    return str(row_of(f"fault.{kind}")["en"])
