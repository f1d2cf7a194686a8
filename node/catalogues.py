"""The tables of codes with sentences, as they are shipped: read once, refused where a row is not whole.

A row of a refusal, a reason or a condition says in every language what is so, whose fault it is, and what its
reader does next (`next`). A table without one of them is refused when it is read, not when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from node.config import read_table, shipped
from node.errors import SetupError

LANGUAGES: Final = ("en", "zh")  # the first where nobody asks for one

# Whose fault it is: nobody's; the goods' or their papers'; who recorded or issued it; who declares it; who
# asked or signed; a third server; this node; the network or an authority.
FAULTS: Final = ("none", "item", "issuer", "importer", "caller", "source", "node", "network")

Row = Mapping[str, Any]
Rows = Mapping[str, Row]


def language_of(accepted: Iterable[tuple[str, float]]) -> str:
    """Of (language tag, quality) in the order of preference, the first that there is: `zh-CN` is `zh`."""
    tags = (tag.lower().partition("-")[0] for tag, quality in accepted if quality > 0)
    return next((tag for tag in tags if tag in LANGUAGES), LANGUAGES[0])


@cache
def sentences() -> Mapping[str, Any]:
    """sentences.toml: sentences beside the codes."""
    return read_table("sentences.toml", shipped("sentences.toml"))


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
