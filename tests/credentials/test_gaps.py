"""What a passport does not say: by policy a gap, a ground, or not known, and which data points each time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.credentials.test_shown import check
from tests.harness.border import World, claims_of, code

ALL = (1, 2, 3, 4)
IDENTIFIER, OPERATOR, MAKER_NAME = (
    "GeneralProductInformation.productIdentifier",
    "GeneralProductInformation.operatorInformation",
    "GeneralProductInformation.manufacturerInformation",
)


def lacking(*paths: str) -> dict[str, Any]:
    """The claims of a passport without these members."""
    claims = claims_of(1)
    for path in paths:
        *outer, last = path.split(".")
        inner: Any = claims
        for name in outer:
            inner = inner[name]
        del inner[last]
    return claims


def shown(w: World, number: int, *paths: str) -> str:
    text = code(number)
    w.produce(text)
    w.publish(text, w.issue(text, claims=lacking(*paths)))
    return text


def said(w: World, text: str, points: tuple[int, ...], policy: str) -> dict[str, Any]:
    told: Any = w.judge(text, evidence=w.evidence(text, points=points), policy_name=policy).as_dict()
    [found] = check(told, "completeness")
    return {"outcome": found["outcome"], "reason": found["reason"], **found["evidence"], "gaps": told["gaps"]}


GAPS, UNREAD = ("warn", "gaps"), ("indeterminate", "document_unreachable")
NO_OPERATOR, NO_CODE = ("fail", "operator_missing"), ("fail", "required_data_missing")
# What is left out -> what is missing, and what is said of it by customs, who see the first set alone; by a
# recycler and by an authority, who may see more, with all four sets and with the first.
ROWS: list[tuple[tuple[str, ...], list[int], list[tuple[str, str]]]] = [
    ((), [], [("pass", "ok"), ("pass", "ok"), UNREAD, ("pass", "ok"), UNREAD]),
    ((OPERATOR,), [2], [NO_OPERATOR, GAPS, UNREAD, NO_OPERATOR, NO_OPERATOR]),
    ((IDENTIFIER,), [1, 7], [NO_CODE, GAPS, UNREAD, NO_CODE, NO_CODE]),
    ((IDENTIFIER, OPERATOR), [1, 2, 7], [NO_CODE, GAPS, UNREAD, NO_CODE, NO_CODE]),
    ((MAKER_NAME,), [3, 4], [GAPS, GAPS, UNREAD, GAPS, UNREAD]),
]


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_a_data_point_that_is_missing_is_a_gap_or_a_ground_by_policy(row: int) -> None:
    """
    A ground where the policy holds for it, else a gap, named; of sets that are not in hand it is not known,
    and those that an audience may not see are withheld from it and lack nothing.
    """
    paths, missing, words = ROWS[row]
    world = World()
    text = shown(world, row + 1, *paths)
    asked = (
        ("customs-eu", (1,)),
        ("recycler", ALL),
        ("recycler", (1,)),
        ("authority-eu", ALL),
        ("authority-eu", (1,)),
    )

    for (policy, points), word in zip(asked, words, strict=True):
        told = said(world, text, points, policy)
        assert (told["outcome"], told["reason"]) == word
        assert [gap["dp"] for gap in told["gaps"]] == missing and told["missing"] == len(missing)
        fatal = [dp for dp in missing if dp in (1, 2)] if word[0] == "fail" else missing
        unseen = {"recycler": [2, 4], "authority-eu": [2, 3]}
        named = unseen[policy] if word == UNREAD else None
        assert (told.get("points"), told.get("data_points")) == (named, None if named else fatal or None)
        assert told["withheld"] == (0 if points == ALL else 22)
