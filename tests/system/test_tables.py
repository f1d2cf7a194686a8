"""The tables of config/ are read: a member that no code looks at is a note for a reader, and listed."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.system.test_structure import nodes_of, trees

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
TABLES = sorted([*CONFIG.glob("*.toml"), *CONFIG.glob("policies/*.toml"), *CONFIG.glob("rules/*.*")])

# Parts of a table whose names are data: codes, numbers of data points, letters of an alphabet, paths in
# documents of others. They are looked up by what a battery, a document or another table says.
DATA = {
    "alerts.toml": ("",),
    "desks.toml": (".role",),
    "risk.toml": ("",),
    "reasons.toml": ("",),
    "refusals.toml": (".code", ".problem"),
    "annex-xiii-access.json": (".audiences",),
    "crosswalk-evidence.json": (".rows",),
    "eu-datapoints-v2.json": (".dataPoints[]", ".phasedObligations[].from"),
    "gbt34014.json": (
        *(".cascadeCode.fields[].map", ".cascadeCode.fields[].values", ".newProductCode.fields[].map"),
        *(".newProductCode.fields[].values", ".newProductCode.fields[].valuesPresumed"),
        *(".chemistry.confirmed", ".chemistry.presumed"),
    ),
    "lifecycle.json": (
        *(".euStatusTransitions", ".events[].ledger_members", ".events[].members", ".marks", ".roles"),
        *(".kinds[].ledger_members", ".kinds[].members", ".states"),
        *(".resumes.refused", ".resumes.released"),
    ),
    "passport-paths.json": (
        *(".categories", ".dataPoints", ".members", ".projections[].where"),
        *(f".dataPoints.{point}.any[].where" for point in (15, 20, 21, 22, 23, 40, 41)),
        ".dataPoints.38.all[].where",
    ),
    "sentences.toml": (
        *(f".governance.action.{about}" for about in ("participant", "keys", "recovery")),
        *(".annex_vi", ".duty", ".duty_not_told", ".column", ".noun", ".part_state", ".whose"),
    ),
    "shown-as.toml": (".marks.readings", ".marks.shown", ".marks.use"),
    "terms.toml": ("", ".act", ".choice", ".field", ".glossary"),
    "verdicts.json": (".events.ended", ".events.fates", ".events.partsOut"),
}
# Notes for whoever reads the table: where it is from, how sure it is, what is not built.
NOTES = {
    "cn-duties.json": ("2018", "2026", "dismantlerFields", "deadline_wd", "range_days"),
    "crosswalk-eu-cn.json": ("cnAttester", "confidence"),
    "gbt34014.json": (
        *("assignedBy", "carriers", "chem", "decoded", "definedBy", "inForce", "mappingRule"),
        "valuesPresumed",
    ),
    "lifecycle.json": ("euStatusNote",),
}


@cache
def looked_at() -> frozenset[str]:
    """Every name that the code or a template looks at."""
    found: set[str] = set()
    for tree in trees().values():
        for node in nodes_of(tree):
            match node:
                case ast.Constant(value=str(text)):
                    found.add(text)
                case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                    found.add(name)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found.add(name)
    for path in (ROOT / "node" / "web" / "templates").glob("*.html"):
        found.update(re.findall(r"\w+", path.read_text()))
    return frozenset(found)


def members(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """(part of the table, name) of every member, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield where, name
            yield from members(inner, f"{where}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner, f"{where}[]")


def unread(table: Path) -> dict[str, set[str]]:
    """The members that nobody looks at, by the part of the table."""
    text = table.read_text()
    found: dict[str, set[str]] = defaultdict(set)
    for where, name in members(tomllib.loads(text) if table.suffix == ".toml" else json.loads(text)):
        if name not in looked_at() and name != "$comment" and where not in DATA.get(table.name, ()):
            found[where].add(name)
    return found


def test_every_member_of_a_table_is_read_or_is_a_note() -> None:
    """
    No table says what nobody looks at, but for the notes that are listed; and no note is listed in vain.
    """
    for table in TABLES:
        found, notes = unread(table), set(NOTES.get(table.name, ()))
        names = set().union(*found.values())

        assert {where: part - notes for where, part in found.items() if part - notes} == {}, table.name
        assert notes - names == set(), f"{table.name}: read by now, or gone: take it off the list"
    assert len(TABLES) > 15 and len(looked_at()) > 5_000


def test_an_unread_member_would_be_found(tmp_path: Path) -> None:
    """
    The search finds a planted member at any depth, and leaves what is read.
    """
    planted = tmp_path / "planted.toml"
    planted.write_text(
        '[reasons]\nnobody_reads_this = 1\n[[reasons.more]]\nnor_this = 2\nverdict = "clear"\n'
    )

    assert unread(planted) == {".reasons": {"nobody_reads_this"}, ".reasons.more[]": {"nor_this"}}
