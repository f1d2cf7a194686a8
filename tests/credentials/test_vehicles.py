"""What is said of a vehicle about one battery is said of the others in it that are in the same hands (I6)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.credentials.test_shown import GOOD, VIN, judged, shape
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, IMPORTER, MAKER, RIVAL, WORKSHOP

CAR = {"goods": "in_vehicle", "commodity_code": "8703800000", "mass_kg": None, "vin": VIN}
IN_CAR: dict[str, Any] = {"bound_asset": subject_of(VIN)}
SOLD, SCRAPPED = {"vin": VIN, "invoice": "1"}, {"vin": VIN, "scrap_date": "2027-01-15"}


def built_in(w: World, serial: int, by: str = MAKER, holder: str = MAKER) -> str:
    """A new battery that the vehicle's maker, or another, built into the vehicle."""
    text = code(serial)
    w.produce(text)
    w.publish(text)
    if holder != MAKER:
        w.happen(MAKER, "battery.handed_over", text, {}, cosign=(holder,), parties=(holder,))
    w.happen(by, "battery.installed", text, {"vin": VIN}, cosign=(holder,), **IN_CAR)
    return text


def placed_in_car(w: World, serial: int, holder: str = IMPORTER) -> str:
    """A battery that WORKSHOP built into a vehicle where it was placed."""
    text = code(serial)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.handed_over", text, {}, cosign=(holder,), parties=(holder,))
    w.happen(holder, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP,))
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, **IN_CAR)
    return text


@pytest.mark.parametrize(
    ("by", "kind", "said"),
    [(CN_AUTHORITY, "vehicle.registered", {"vin": VIN}), (MAKER, "vehicle.sold", SOLD)],
)
def test_no_battery_of_a_vehicle_in_use_is_new(by: str, kind: str, said: dict[str, str]) -> None:
    """
    A vehicle with two batteries is registered or sold as a whole: the statement about one shows use of both,
    and as used both are what they are. Voided, it shows nothing.
    """
    w = World()
    one, other = built_in(w, 1), built_in(w, 2)
    assert judged(w, other, **CAR)["verdict"] in GOOD

    statement = w.happen(by, kind, one, said, **IN_CAR)

    for text in (one, other):
        assert shape(judged(w, text, **CAR)) == ("hold", "used_sold_as_new")
        assert judged(w, text, condition="used", **CAR)["verdict"] in GOOD
    case, both = {"case": "1"}, (CN_AUTHORITY,)
    w.happen(EU_AUTHORITY, "attestation.voided", one, case, cosign=both, references=(statement,))
    assert judged(w, other, **CAR)["verdict"] in GOOD


def test_a_correction_leaves_what_was_shown_of_the_others() -> None:
    """
    I1: corrected by its author, a sale of the vehicle still shows use of all that is in it.
    """
    w = World()
    one, other = built_in(w, 1), built_in(w, 2)
    registered = w.happen(CN_AUTHORITY, "vehicle.registered", one, {"vin": VIN}, **IN_CAR)

    w.happen(CN_AUTHORITY, "attestation.corrected", one, {"reason": "x"}, references=(registered,))

    assert shape(judged(w, other, **CAR)) == ("hold", "used_sold_as_new")


def test_a_battery_of_a_scrapped_vehicle_is_waste_and_nothing_else() -> None:
    """
    Named as present when its vehicle was scrapped, it is no battery in a vehicle any more; voided, it is.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2)
    present = (subject_of(other),)

    gone = w.happen(WORKSHOP, "vehicle.scrapped", one, SCRAPPED, references=present, **IN_CAR)

    for condition in ("used", "return", "repair"):
        told = judged(w, other, condition=condition, direction="export", **CAR)
        assert shape(told) == ("hold", "end_of_life"), condition
    w.happen(
        EU_AUTHORITY,
        "attestation.voided",
        one,
        {"case": "1"},
        cosign=(CN_AUTHORITY,),
        references=(gone,),
    )
    assert judged(w, other, condition="used", direction="export", **CAR)["verdict"] in GOOD


@pytest.mark.parametrize("end", ["vehicle.scrapped", "vehicle.sold"])
def test_a_stranger_in_the_same_vehicle_ends_nothing(end: str) -> None:
    """
    I5: whoever binds a battery of its own to the number of another's car, by the same workshop, says nothing
    of the battery that is in it.
    """
    w = World()
    honest, own = placed_in_car(w, 1), placed_in_car(w, 2, RIVAL)
    w.happen(IMPORTER, "battery.handed_over", honest, {}, parties=("eori:DE999",))  # who names nobody
    before = shape(judged(w, honest, condition="used", direction="export", **CAR))

    if end == "vehicle.sold":
        w.happen(RIVAL, end, own, SOLD, **IN_CAR)
    else:
        w.happen(WORKSHOP, end, own, SCRAPPED, references=(subject_of(honest),), **IN_CAR)

    assert before[0] in GOOD
    assert shape(judged(w, honest, condition="used", direction="export", **CAR)) == before
