"""Where the marks of a picture stand: a timeline, columns, shares."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from node.web.drawings import COLUMNS_HIGH_PX, LANES_MAX, WHOLE_PX, columns, shares, timeline

DAY_S = 86_400


def record(issuer: str, time: int, **told: Any) -> dict[str, Any]:
    return {"issuer": issuer, "issuer_name": issuer.upper(), "jurisdiction": "CN", "time": time, **told}


def test_each_record_is_a_mark_in_the_lane_of_its_party() -> None:
    """
    From left to right as in the list, with its number there; a rejected one is another mark, and a
    day is told once.
    """
    rows = [record("a", 0), record("b", 10, jurisdiction="EU"), record("a", DAY_S, state="refused")]

    drawn = timeline(rows)

    assert [(lane.name, lane.jurisdiction) for lane in drawn.lanes] == [("A", "CN"), ("B", "EU")]
    assert [mark.number for mark in drawn.marks] == [1, 2, 3]
    assert [mark.y for mark in drawn.marks] == [drawn.lanes[lane].y for lane in (0, 1, 0)]
    assert sorted({mark.x for mark in drawn.marks}) == [mark.x for mark in drawn.marks]
    assert [mark.refused for mark in drawn.marks] == [False, False, True]
    assert [day for _, _, day in drawn.days] == ["1970-01-01", "1970-01-02"] and drawn.days[0][
        1
    ] != drawn.days[1][1]
    assert all(mark.x < drawn.width and mark.y < drawn.height for mark in drawn.marks)


def test_many_parties_share_the_last_lane() -> None:
    """
    A battery that went through many hands has a picture of bounded height, and no record is left out of it.
    """
    rows = [record(f"party-{number}", number) for number in range(LANES_MAX + 5)]

    drawn = timeline(rows)

    assert len(drawn.lanes) == LANES_MAX and drawn.lanes[-1].name is None
    assert len(drawn.marks) == len(rows)
    assert {mark.y for mark in drawn.marks} == {lane.y for lane in drawn.lanes}


@pytest.mark.parametrize("amounts", [[(3, 1), (0, 0), (8, 2)], [(0, 0)], []])
def test_the_largest_column_has_the_whole_height(amounts: list[tuple[int, int]]) -> None:
    """
    Parts stand upon each other in proportion; where nothing is, nothing is drawn.
    """
    drawn = columns([(f"2026-{month:02}", pair) for month, pair in enumerate(amounts, 1)])

    most = max(map(sum, amounts), default=0)
    for column, pair in zip(drawn, amounts, strict=True):
        high = [high for _, _, high in column.parts]
        assert column.whole == sum(pair)
        assert high == [amount * COLUMNS_HIGH_PX // (most or 1) for amount in pair]
        assert column.parts[-1][1] == COLUMNS_HIGH_PX - sum(high)


def test_shares_are_one_whole_without_a_gap() -> None:
    """
    Each part begins where the last one ends, the last ends where the bar does; of nought there is
    nothing.
    """
    drawn = shares([("met", 24), ("none", 0), ("open", 13), ("later", 7)])

    assert [(name, count) for name, count, _, _ in drawn] == [("met", 24), ("open", 13), ("later", 7)]
    assert drawn[0][2] == 0 and drawn[-1][2] + drawn[-1][3] == WHOLE_PX
    assert all(one[2] + one[3] == after[2] for one, after in pairwise(drawn))
    assert shares([("met", 0)]) == ()
