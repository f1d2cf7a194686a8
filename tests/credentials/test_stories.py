"""Short lives of several batteries, drawn: what anything true speaks against is never clear (I1, I2, I6)."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.verdicts import clearance, shown
from credentials.verdicts.verdict_record import ItemRecord
from tests.credentials.test_vehicles import CAR
from tests.harness.border import code, line_of
from tests.harness.border_stories import findings_at_the_border, told_at_the_border
from tests.harness.stories import findings, told

DRAWN = 100


def drawn(seeds: range) -> tuple[int, list[str]]:
    """(verdicts, findings) of these stories."""
    each = [findings(told(seed)) for seed in seeds]
    return sum(count for count, _ in each), [one for _, found in each for one in found]


@pytest.mark.check
def test_nothing_is_clear_that_anything_true_speaks_against() -> None:
    """
    Repairs, dismantlings, second lives, thefts, recalls, endings, further codes, corrections and sales.
    """
    verdicts, found = drawn(range(DRAWN))

    print(f"{DRAWN} stories, {verdicts} verdicts")
    assert not found, found[:5]
    assert verdicts > 10 * DRAWN


@pytest.mark.check
@pytest.mark.parametrize(
    ("forgotten", "first"), [("tell_repairs", 0), ("with_whole_of_tied", 0), ("tell_beside", 360)]
)
def test_a_verdict_that_forgets_what_is_tied_is_found(
    forgotten: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each taken out of what a verdict asks is found by one of a hundred stories.
    """
    whole = forgotten == "with_whole_of_tied"
    for place in (shown, clearance):
        if hasattr(place, forgotten):
            monkeypatch.setattr(place, forgotten, (lambda e, *_: e) if whole else (lambda *_, **__: False))

    assert any(findings(told(seed))[1] for seed in range(first, first + DRAWN))


IN_COMPANY = 15
GOOD_TO_BAD = ("clear", "undecided", "hold", "refuse_recommended")


@pytest.mark.check
def test_no_line_is_better_in_company() -> None:
    """
    I6, I8: beside a line about another battery each line says what it says alone, wherever that stands; and
    beside what it is tied to nothing milder.
    """
    compared = 0
    for story in map(told, range(IN_COMPANY)):
        world = story.world
        for text in world.passports:
            line: dict[str, Any] = dict(CAR) if story.in_car(text) else {}
            line |= {"condition": "used", "evidence": world.evidence(text, vin=line.get("vin"))}
            alone = world.judge(text, **line).as_dict()
            for other in (line_of(2, code(77)), line_of(2, code(77)) | {"before": True}):
                assert _words(world.judge(text, **line, others=[other]).as_dict()) == _words(alone)
            for tied in (one for one in world.passports if one != text):
                beside = world.judge(text, **line, others=[line_of(2, tied, condition="used")]).as_dict()
                compared += 1
                assert GOOD_TO_BAD.index(beside["verdict"]) >= GOOD_TO_BAD.index(alone["verdict"]), text

    print(f"{compared} lines in company")
    assert compared > 10 * IN_COMPANY


def _words(verdict: ItemRecord) -> list[tuple[str, ...]]:
    """The word and what was checked; of the manifest itself the number of its lines is another."""
    checks = [(c["name"], c["outcome"], c["reason"]) for c in verdict["checks"] if c["name"] != "manifest"]
    return [(verdict["verdict"], verdict["reason"]), *checks]


AT_THE_BORDER = 60


@pytest.mark.check
def test_nothing_is_clear_that_customs_hold_alone_or_in_another() -> None:
    """
    Sent off, declared, suspended, refused and let in, by itself, built in meanwhile, or beside in a car.
    """
    each = [findings_at_the_border(told_at_the_border(seed)) for seed in range(AT_THE_BORDER)]

    print(f"{AT_THE_BORDER} stories, {sum(count for count, _ in each)} verdicts")
    assert not [one for _, found in each for one in found]
    assert sum(count for count, _ in each) > 4 * AT_THE_BORDER


@pytest.mark.check
def test_a_verdict_that_forgets_what_customs_hold_in_a_battery_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A module that was sent off is built into stock: seed 38.
    """
    monkeypatch.setattr(shown, "tell_stopped_parts", lambda *_, **__: False)

    assert any(findings_at_the_border(told_at_the_border(seed))[1] for seed in range(30, 40))
