"""The table of I7: whole, without contradiction, and clear only where every axis is named."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.ledger.lifecycle import Lifecycle
from credentials.verdicts.severity import ORDER, worst
from credentials.verdicts.shown_as import AXES, ShownAs, cells
from tests.harness.ledger import lifecycle_table

CONFIG = Path(__file__).parents[2] / "config"


@cache
def shipped() -> dict[str, Any]:
    return tomllib.loads((CONFIG / "rules/shown-as.toml").read_text())


@cache
def reasons() -> dict[str, Any]:
    return tomllib.loads((CONFIG / "reasons.toml").read_text())


@cache
def table() -> ShownAs:
    return ShownAs.parse(shipped(), reasons())


def clear_rows() -> list[dict[str, Any]]:
    return [row for row in shipped()["row"] if row["verdict"] == "clear"]


def row_of(changed: dict[str, Any], reason: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in changed["row"] if row.get("reason") == reason)
    return found


def test_the_shipped_table_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Every cell of the product of all axes has a row, and none is both clear and held up.
    """
    words = table().words

    with capsys.disabled():
        print(f"\nshown-as: {cells(words):,} cells, {len(table().rows)} rows, {len(table().notes)} notes")
    assert cells(words) > 100_000_000


def test_the_axes_have_the_words_of_the_ledger() -> None:
    """
    Item states and EU statuses are those of lifecycle.json: a new one must be thought of here first.
    """
    lifecycle = Lifecycle.parse(lifecycle_table())

    assert set(lifecycle.states) <= set(table().words["state"])
    statuses = lifecycle.eu_status_transitions
    assert set(table().words["eu_status"]) >= statuses.keys() | {s for f in statuses.values() for s in f}


def widen(axis: str) -> Callable[[dict[str, Any]], None]:
    def change(changed: dict[str, Any]) -> None:
        next(row for row in changed["row"] if row["verdict"] == "clear").pop(axis)

    return change


def _laxer(changed: dict[str, Any]) -> None:
    row = row_of(changed, "recalled")
    row.pop("ground")
    row["verdict"] = "undecided"


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a row taken out": lambda t: t["row"].remove(row_of(t, "installed_on_record")),
    "a clear row taken out": lambda t: t["row"].remove(clear_rows()[0]),
    "a new word on an axis": lambda t: t["axes"]["state"].append("stored"),
    "a clear row over a held cell": lambda t: t["row"].append(clear_rows()[0] | {"use": ["used"]}),
    "a row that holds a clear cell": lambda t: row_of(t, "lost").pop("lost"),
    "a wildcard row that is clear": lambda t: t["row"].append({"verdict": "clear"}),
    "a clear row by what it is not": lambda t: t["row"].append(clear_rows()[0] | {"use": {"not": ["used"]}}),
    "a clear row with a reason": lambda t: t["row"].append(clear_rows()[0] | {"reason": "ok"}),
    "an unknown word": lambda t: row_of(t, "recycled").update(state=["melted"]),
    "an unknown axis": lambda t: row_of(t, "recycled").update(colour=["red"]),
    "an unknown verdict": lambda t: row_of(t, "recycled").update(verdict="fine"),
    "a clear_with_gaps row": lambda t: row_of(t, "recycled").update(verdict="clear_with_gaps"),
    "an unknown reason": lambda t: row_of(t, "recycled").update(reason="because"),
    "an unknown check": lambda t: row_of(t, "recycled").update(check="standing.colour"),
    "a row laxer than its reason": lambda t: row_of(t, "recycled").update(verdict="hold"),
    "an undecided row for a hold": _laxer,
    "a hold without a ground": lambda t: row_of(t, "recalled").pop("ground"),
    "a hold on no ground": lambda t: row_of(t, "recalled").update(ground="26(z)"),
    "undecided on a ground": lambda t: row_of(t, "condition_not_given").update(ground="26(a)"),
    "an axis left out": lambda t: t["axes"].pop("condition"),
    "an axis with a word twice": lambda t: t["axes"]["use"].append("used"),
    "an axis without words": lambda t: t["axes"].update(use=[]),
    "an unknown table": lambda t: t.update(rows=[]),
    "no date": lambda t: t.pop("date"),
    "a mark that leads nowhere": lambda t: t["marks"]["use"].update(installed="parked"),
    "no marks that follow": lambda t: t["marks"].pop("following"),
    "marks that follow, by number": lambda t: t["marks"].update(following=[1]),
    "no readings": lambda t: t["marks"].pop("readings"),
    "a reading without its most": lambda t: t["marks"]["readings"].update(cycles=[0]),
    "a reading in words": lambda t: t["marks"]["readings"].update(cycles=["0", "10"]),
    "a note with a verdict": lambda t: t["note"][0].update(verdict="hold"),
    **{"a clear row without " + axis: widen(axis) for axis in AXES},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_table_with_a_fault_is_refused(fault: str) -> None:
    """
    A gap, a contradiction, a word nobody knows, a laxer row: the table is refused whole, not read in part.
    """
    changed = copy.deepcopy(shipped())
    FAULTS[fault](changed)

    with pytest.raises(CredentialError) as refused:
        ShownAs.parse(changed, reasons())

    assert refused.value.code == "rules_invalid"


def test_the_proof_by_boxes_agrees_with_the_product() -> None:
    """
    On tables small enough to expand, splitting finds a fault exactly where the product has one.
    """
    random = Random(20261126)
    outcomes = {True: 0, False: 0}
    for _ in range(400):
        changed = small(random)
        words = {axis: tuple(changed["axes"][axis]) for axis in AXES}
        whole = all(
            (fitting := fits(changed, cell)) and ("clear" not in fitting or set(fitting) == {"clear"})
            for cell in (
                dict(zip(AXES, chosen, strict=True)) for chosen in product(*(words[axis] for axis in AXES))
            )
        )
        try:
            ShownAs.parse(changed, reasons())
            found = True
        except CredentialError:
            found = False
        assert found == whole
        outcomes[whole] += 1
    assert min(outcomes.values()) > 20, outcomes


def small(random: Random) -> dict[str, Any]:
    """A table of three axes with two or three words, the others with one; rows at random."""
    axes = {axis: ["x"] for axis in AXES} | {"state": ["a", "b"], "use": ["a", "b"], "lost": ["a", "b", "c"]}
    held = [
        {
            "check": "condition",
            "verdict": "undecided",
            "reason": "condition_not_given",
            **{
                a: random.sample(axes[a], random.randint(1, 2))
                for a in random.sample(("state", "use", "lost"), 2)
            },
        }
        for _ in range(random.randint(1, 3))
    ]
    clear = [
        {
            "verdict": "clear",
            **axes,
            **{a: random.sample(axes[a], random.randint(1, len(axes[a]))) for a in ("state", "use", "lost")},
        }
        for _ in range(random.randint(0, 2))
    ]
    if random.random() < 0.5:  # make it whole: one clear row for every cell that nothing holds up
        clear = [
            {"verdict": "clear"} | {axis: [word] for axis, word in cell.items()}
            for cell in (dict(zip(AXES, chosen, strict=True)) for chosen in product(*axes.values()))
            if not fits({"row": held}, cell)
        ]
    return {
        "version": 1,
        "date": "2026-11-26",
        "axes": axes,
        "marks": {"following": [], "readings": {}, "use": {}, "shown": {}, "lineage": {}},
        "row": [*held, *clear],
    }


def fits(changed: dict[str, Any], cell: dict[str, str]) -> list[str]:
    return [row["verdict"] for row in changed["row"] if all(cell[a] in row.get(a, [cell[a]]) for a in AXES)]


def test_clear_never_says_new_of_what_was_used() -> None:
    """
    I1: no clear cell declares as new what has a mark of use, except in the vehicle it was built into.
    """
    for row in clear_rows():
        if "new" in row["condition"]:
            assert row["lineage"] == ["none"] and row["eu_status"] == ["original"]
            assert "used" not in row["use"] and "removed" not in row["state"]
            if "installed" in row["use"]:
                assert (row["state"], row["goods"]) == (["installed"], ["in_vehicle"])
            if "import" in row["direction"]:
                assert "here" not in row["placed"]


def test_clear_never_passes_over_an_authority_or_a_silence() -> None:
    """
    I2, I7: what an authority of this side set, and what a line leaves out where it matters, is never clear.
    """
    for row in clear_rows():
        assert row["publication"] == ["live"]
        assert "here" not in row["lost"] and "open" not in row["presented"]
        assert "here" not in row["recall"] or (row["condition"], row["direction"]) == (["waste"], ["inland"])
        assert "not_given" not in row["condition"]
        assert ("waste" in row["eu_status"]) == (row["condition"] == ["waste"])
        if "import" in row["direction"]:
            assert "here" not in row["refusal"] and "waste" not in row["condition"]
            assert not {"elsewhere", "not_given", "unread"} & set(row["presented"])
        if "installed" in row["state"]:
            assert row["goods"] == ["in_vehicle"]


def test_every_cell_has_its_word(capsys: pytest.CaptureFixture[str]) -> None:
    """
    50,000 seeded cells: one clear row or rows that hold up, and a note never stands for a word.
    """
    random = Random(8)
    counted = dict.fromkeys(ORDER, 0)
    for _ in range(50_000):
        cell = {axis: random.choice(table().words[axis]) for axis in AXES}
        rows = table().judge(cell)
        word = worst(row.word for row in rows)
        assert (word == "clear") == (len(rows) == 1 and rows[0].check == "" and rows[0].reason == "ok")
        assert all(note.word == "" for note in table().remarks(cell))
        counted[word] += 1
    with capsys.disabled():
        print(f"\nshown-as, 50,000 cells: {counted}")
    assert counted["clear"] and counted["hold"] and counted["refuse_recommended"] and counted["undecided"]


def test_a_word_on_no_axis_is_no_cell() -> None:
    """
    A state that the table does not know is a missing table, never a pass.
    """
    cell = {axis: table().words[axis][0] for axis in AXES} | {"state": "molten"}

    with pytest.raises(CredentialError) as refused:
        table().judge(cell)

    assert refused.value.code == "tables_unavailable"
