"""What a statement on one battery names of others' is a claim about that: seen, and no word of it (I5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consensus.application import Refusal
from tests.credentials.test_shown import VIN, judged, shape
from tests.credentials.test_vehicles import IN_CAR, SCRAPPED, in_stock, placed_in_car, replaced
from tests.harness.border import World, subject_of
from tests.harness.ledger import IMPORTER, RIVAL, WORKSHOP, Ledger, lifecycle_table, make_genesis, rule_files

LATER_S = 1_000  # beyond the skew of clocks
KINDS = ("battery.replaced", "vehicle.scrapped")


def named_beside(w: World, kind: str, about: str, text: str, *, at: int | None = None) -> None:
    """WORKSHOP replaces a battery by this one, or scraps its vehicle with this one in it."""
    said: dict[str, Any] = {**SCRAPPED, "other_packs": [text]}
    if kind == "battery.replaced":
        said = {"vin": VIN, "reason": "worn", "replacement": text}
    told: dict[str, Any] = {**IN_CAR, **({"event_time": at} if at is not None else {})}
    w.happen(WORKSHOP, kind, about, said, references=(subject_of(text),), **told)


def claims_about(w: World, text: str) -> list[tuple[str, str]]:
    ledger = w.evidence(text).ledger
    assert ledger is not None
    return [(one.issuer, one.kind) for one in ledger.claims.first] if ledger.claims is not None else []


def warnings(w: World, text: str) -> set[tuple[str, str]]:
    return {(c["name"], c["reason"]) for c in judged(w, text)["checks"] if c["outcome"] == "warn"}


def of_rival(w: World, text: str) -> str:
    """In the hands of another party, that named nobody for it."""
    w.happen(IMPORTER, "battery.handed_over", text, {"invoice": "1"}, parties=(RIVAL,), cosign=(RIVAL,))
    return text


@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_named_beside_of_others_is_their_partys_one_claim(kind: str, *, late: bool) -> None:
    """
    I5: seen by its holder and the authorities, a warning, no state; said again it is the same claim, and the
    statement is recorded all the same. Said of it by itself, it is that party's claim already.
    """
    w = World()
    theirs = of_rival(w, in_stock(w, 3))
    word, warned, before = (
        shape(judged(w, theirs)),
        warnings(w, theirs),
        w.ledger.standing(subject_of(theirs)),
    )

    for serial in (1, 2):
        about, then = placed_in_car(w, serial), w.now
        w.ledger.now += LATER_S
        if late:
            w.happen(WORKSHOP, "battery.swapped_out", about, {"vin": VIN}, **IN_CAR)
        named_beside(w, kind, about, theirs, at=then if late else None)

    assert claims_about(w, theirs) == [(WORKSHOP, kind)]
    assert warnings(w, theirs) == warned | {("standing.claims", "claimed")}
    assert (shape(judged(w, theirs)), w.ledger.standing(subject_of(theirs))) == (word, before)
    with pytest.raises(Refusal, match="claim"):
        w.happen(WORKSHOP, "battery.installed", theirs, {"vin": VIN}, **IN_CAR)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_named_by_right_is_no_claim(kind: str) -> None:
    """
    What its own stock is, or is in the same hands in a scrapped vehicle, is state of that.
    """
    w = World()
    about = placed_in_car(w, 1)
    mine = in_stock(w, 2, WORKSHOP) if kind == "battery.replaced" else placed_in_car(w, 2)

    named_beside(w, kind, about, mine)

    assert claims_about(w, mine) == []
    assert shape(judged(w, mine)) != shape(judged(w, of_rival(w, in_stock(w, 3))))


def test_the_battery_of_another_holder_in_a_scrapped_vehicle_is_claimed_to_be_in_there() -> None:
    """
    I5: what ends a battery needs its holder's consent.
    """
    w = World()
    about, theirs = placed_in_car(w, 1), of_rival(w, placed_in_car(w, 2))
    before = w.ledger.standing(subject_of(theirs))

    named_beside(w, "vehicle.scrapped", about, theirs)

    assert claims_about(w, theirs) == [(WORKSHOP, "vehicle.scrapped")]
    assert w.ledger.standing(subject_of(theirs)) == before


def test_a_network_whose_table_does_not_say_so_keeps_its_bytes() -> None:
    """
    Until it decides on the new table.
    """
    table = lifecycle_table()
    for row in table["events"]:
        row["effects"].pop("claims_named", None)
    files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
    w = World(Ledger(make_genesis(rule_files=files)))
    about, theirs = placed_in_car(w, 1), of_rival(w, in_stock(w, 2))

    replaced(w, about, theirs)

    assert claims_about(w, theirs) == []
