"""A vehicle is before customs with all that is in it: its other battery says so as well (I4, I6)."""

from __future__ import annotations

import pytest

from tests.credentials.test_namings import INLAND
from tests.credentials.test_shown import GOOD, PRESENTED, VIN, judged, shape
from tests.credentials.test_vehicles import CAR, IN_CAR
from tests.harness.border import World, code
from tests.harness.ledger import CN_CUSTOMS, CUSTOMS, IMPORTER, MAKER, RIVAL

IN_COUNTRY = CAR | INLAND


def in_a_car(w: World, serial: int) -> str:
    """Built into a new car by its maker."""
    text = code(serial)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)
    return text


def sent(w: World, *texts: str) -> None:
    for text in texts:
        w.happen(MAKER, "battery.exported", text, {"commodity_code": "870380"}, parties=(IMPORTER,))
        w.happen(IMPORTER, "battery.presented", text, PRESENTED | {"commodity_code": "8703800000"})


def placed(w: World, text: str) -> None:
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True})


def test_a_vehicle_is_in_the_country_once_all_that_is_in_it_was_released() -> None:
    """
    One of its two batteries was released and placed on the market, the other one never was.
    """
    w = World()
    waits, shown = in_a_car(w, 1), in_a_car(w, 2)
    sent(w, waits, shown)
    placed(w, shown)

    told = judged(w, shown, **IN_COUNTRY)
    assert shape(told) == ("undecided", "vehicle_held")
    assert next(c for c in told["checks"] if c["reason"] == "vehicle_held")["evidence"]["held"] == [
        "not_released"
    ]
    assert judged(w, shown, condition="used", head={"direction": "export"}, **CAR)["reason"] != "vehicle_held"
    placed(w, waits)
    assert judged(w, shown, **IN_COUNTRY)["verdict"] in GOOD


def test_a_vehicle_is_before_one_customs() -> None:
    """
    I4: declared here with one battery, before the customs of another country with the other.
    """
    w = World()
    there, shown = in_a_car(w, 1), in_a_car(w, 2)
    sent(w, there, shown)
    assert judged(w, shown, **CAR)["verdict"] in GOOD

    document = {"customs_office": CN_CUSTOMS, "transit_document": "T1"}
    w.happen(CUSTOMS, "customs.moved", there, document, parties=(CN_CUSTOMS,))

    assert shape(judged(w, shown, **CAR)) == ("undecided", "vehicle_held")


@pytest.mark.parametrize("line", [CAR, IN_COUNTRY])
def test_by_the_way_of_a_battery_of_other_hands_no_vehicle_is_held(line: dict[str, object]) -> None:
    """
    I5: whose it is says where it is; whoever sells one of two batteries could hold the car.
    """
    w = World()
    other, shown = in_a_car(w, 1), in_a_car(w, 2)
    sent(w, shown)
    if line is IN_COUNTRY:
        placed(w, shown)
    w.happen(MAKER, "battery.exported", other, {"commodity_code": "870380"}, parties=(RIVAL,))
    w.happen(MAKER, "battery.handed_over", other, {}, parties=(RIVAL,), cosign=(RIVAL,))
    w.happen(RIVAL, "battery.presented", other, PRESENTED | {"commodity_code": "8703800000"})
    w.happen(
        CUSTOMS,
        "customs.moved",
        other,
        {"customs_office": CN_CUSTOMS, "transit_document": "T1"},
        parties=(CN_CUSTOMS,),
    )

    assert judged(w, shown, **line)["reason"] != "vehicle_held"
