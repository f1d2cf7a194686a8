"""A thief lifts nothing from what is tied to a battery: under no code, nor from what it came of (D806)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from credentials.ledger.payload import Criteria
from credentials.ledger.recalls import recall_subject
from tests.credentials.test_before_customs_beside import in_a_car, placed, sent
from tests.credentials.test_issuers import govern, stolen
from tests.credentials.test_namings import INLAND, module
from tests.credentials.test_repaired import recalled, repaired, stock
from tests.credentials.test_shown import GOOD, VIN, judged, shape
from tests.credentials.test_stopped_parts import suspended
from tests.credentials.test_tied_codes import called_twice
from tests.credentials.test_tied_kin import put_into, taken_apart
from tests.credentials.test_two_codes import LINK, with_links
from tests.credentials.test_vehicles import CAR, IN_CAR
from tests.harness.border import World, code
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, MAKER, RECYCLER

USED: dict[str, Any] = {"condition": "used"} | INLAND
Held = tuple[World, str, Callable[[], object], str, dict[str, Any]]


def beside_a_stolen_one() -> Held:
    w = World()
    other, shown = stock(w), stock(w, 2)
    for text in (other, shown):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)
    w.happen(CN_AUTHORITY, "battery.reported_lost", other, {"reference": "1"})
    return (
        w,
        shown,
        lambda: w.happen(CN_AUTHORITY, "battery.found", other, {"reason": "x"}),
        CN_AUTHORITY,
        CAR,
    )


def with_a_part_that_has_a_further_code() -> Held:
    w = with_links()
    pack = stock(w)
    repaired(w, pack, child_in=called_twice(w, code(7)))
    recalled(w, LINK)
    return w, pack, lambda: w.happen(MAKER, "battery.recall_lifted", LINK, {"reason": "x"}), MAKER, {}


def with_a_module_of_a_recalled_pack() -> Held:
    w = World(publishers=(MAKER, RECYCLER))
    old, module = taken_apart(w)
    recalled(w, old)
    pack = put_into(w, module)
    return w, pack, lambda: w.happen(MAKER, "battery.recall_lifted", old, {"reason": "x"}), MAKER, USED


def with_a_module_of_a_pack_whose_code_is_recalled() -> Held:
    w = World(publishers=(MAKER, RECYCLER))
    old, module = taken_apart(w)
    recall, pack = w.recall(MAKER, criteria=Criteria((old,), None, None)), put_into(w, module)
    about = recall_subject("gbt34014", "ZZ1")

    def lift() -> None:
        w.run(w.ledger.attest(MAKER, "recall.lifted", about, references=(recall,)))

    return w, pack, lift, MAKER, USED


def beside_one_before_customs() -> Held:
    w = World()
    waits, shown = in_a_car(w, 1), in_a_car(w, 2)
    sent(w, waits, shown)
    placed(w, shown)
    release = partial(w.happen, CUSTOMS, "customs.released", waits, {"basis": "x"})
    return w, shown, release, CUSTOMS, CAR | {"condition": "new"} | INLAND


def with_a_part_that_customs_suspended() -> Held:
    w = World()
    pack, part = stock(w), module(w)
    suspended(w, part)
    repaired(w, pack, child_in=part)
    return w, pack, partial(w.happen, CUSTOMS, "customs.released", part, {"basis": "x"}), CUSTOMS, {}


def with_a_part_that_never_left() -> Held:
    w = World()
    pack, part = stock(w), module(w)
    suspended(w, part)
    repaired(w, pack, child_in=part)
    said, never = {"basis": "x", "never_left": True}, {"never_left": 1}
    invalidate = partial(w.happen, CUSTOMS, "customs.invalidated", part, said, quantities=never)
    return w, pack, invalidate, CUSTOMS, {}


@pytest.mark.parametrize(
    "made",
    [
        beside_one_before_customs,
        with_a_part_that_customs_suspended,
        with_a_part_that_never_left,
        beside_a_stolen_one,
        with_a_part_that_has_a_further_code,
        with_a_module_of_a_recalled_pack,
        with_a_module_of_a_pack_whose_code_is_recalled,
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_thief_lifts_nothing_from_what_is_tied_to_a_battery(
    made: Callable[[], Held], *, before: bool
) -> None:
    """
    What was said before the theft lifts as before it.
    """
    w, text, lift, by, line = made()
    assert judged(w, text, **line)["verdict"] not in GOOD
    w.ledger.now += 1_000
    since = w.now
    lift()
    assert judged(w, text, **line)["verdict"] in GOOD
    w.ledger.now += 1_000

    govern(w, stolen(by, w.now - 100 if before else since))

    told = judged(w, text, **line)
    if before:
        assert told["verdict"] in GOOD
    else:
        assert shape(told) == ("undecided", "statement_key_compromised")
