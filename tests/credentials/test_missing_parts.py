"""A verdict without a part of its tables: an earlier version had fewer, and one may be unreadable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from credentials.verdicts.evidence import Evidence, Tables
from credentials.verdicts.severity import CLEAR, GAPS, ORDER
from tests.credentials.test_shown import dismantled_and_presented
from tests.credentials.test_two_codes import two_codes
from tests.harness.border import World, used_pack

PARTS_MAX = 20  # of a table that has more, each row is one: reasons


def used() -> tuple[World, str]:
    w = World()
    return w, used_pack(w, 1)


def out_of_a_pack() -> tuple[World, str]:
    w = World()
    return w, dismantled_and_presented(w)


SITUATIONS: dict[str, tuple[Callable[[], tuple[World, str]], str]] = {
    "under two codes": (two_codes, "new"),
    "used": (used, "used"),
    "out of a pack": (out_of_a_pack, "waste"),
}


def lessened(tables: Tables) -> Iterator[tuple[str, Tables]]:
    """The tables without one of them, without one part of one, and without what an event may say besides."""
    for member in fields(tables):
        table = getattr(tables, member.name)
        if not isinstance(table, Mapping):
            continue
        parts = [part for part in table if len(table) <= PARTS_MAX]
        less = {f"{member.name}.{part}": {n: v for n, v in table.items() if n != part} for part in parts}
        for name, lesser in {**less, member.name: {}}.items():
            changed: dict[str, Any] = {member.name: lesser}
            yield name, replace(tables, **changed)
    events = tables.verdicts["events"]
    for part in ("fates", "changes", "ended", "origin", "inItsVehicle"):
        rest = {name: value for name, value in events.items() if name != part}
        verdicts = {**tables.verdicts, "events": rest}
        yield f"verdicts.events.{part}", replace(tables, verdicts=verdicts)
    yield "shown_as", replace(tables, shown_as=None)


def without(evidence: Evidence, tables: Tables) -> Evidence:
    return replace(evidence, network=replace(evidence.network, tables=tables))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_a_table_does_not_say_makes_no_word_milder(situation: str) -> None:
    """
    Whichever part is missing, every step is made, and what was not clear with it is not clear without it.
    """
    build, condition = SITUATIONS[situation]
    w, text = build()
    evidence = w.evidence(text)

    def word(evidence: Evidence) -> str:
        return w.judge(text, evidence=evidence, condition=condition).verdict.conclusion.verdict

    whole = word(evidence)
    tables = evidence.network.tables
    said = {part: word(without(evidence, lesser)) for part, lesser in lessened(tables)}

    assert set(said.values()) <= set(ORDER) and len(said) > 20
    good = (CLEAR, GAPS)
    assert whole in good or not {part for part, word in said.items() if word in good}
