"""No vehicle without registration: each battery of a vehicle in a lawful state, or a lawful exception.

What the ledger records (X5, X6, X18, X21) is in `test_vehicles.py` and `test_rules.py`; here is what anybody
is told beforehand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key
from credentials.ledger.payload import Criteria
from credentials.ledger.records import Asset, asset_key
from credentials.verdicts.vehicle_check import (
    FINDINGS,
    PackFound,
    VehicleCheck,
    VehicleFound,
    VehicleQuestion,
    VehicleTable,
    check_vehicle,
)
from tests.credentials.test_kin_recalls import FORMS, OTHERS, child
from tests.credentials.test_shown import VIN
from tests.credentials.test_vehicles import IN_CAR, SCRAPPED, built_in, placed_in_car
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import EU_AUTHORITY, IMPORTER, MAKER, WORKSHOP

ROWS: dict[str, Any] = tomllib.loads(
    (Path(__file__).resolve().parents[2] / "config" / "vehicle-acts.toml").read_text()
)
LATER = 1_830_000_000  # after 18 February 2027
ACTS = ("registered", "sold", "scrapped")


def told(w: World, act: str, *named: str, known: Sequence[str] = (), side: str = "EU") -> VehicleCheck:
    """What whoever asks is told; `named` are in the vehicle, of `known` the node has the codes."""
    life, key = w.governance.lifecycle, asset_key(subject_of(VIN))
    data = w.ledger.reader.get_many([key]).get(key)
    packs = tuple(
        PackFound.read(
            standing_key(subject_of(text)),
            text,
            w.view(text),
            subject_of(VIN),
            w.governance,
            named=text in named,
        )
        for text in dict.fromkeys((*named, *known))
    )
    found = VehicleFound(Asset.decode(data) if data is not None else None, packs)
    return check_vehicle(found, VehicleQuestion(act, side, LATER), VehicleTable.parse(ROWS, life), life)


def codes(made: VehicleCheck) -> tuple[str, list[str]]:
    """The answer and what stands in the way, of the vehicle and then of its batteries."""
    found = (*made.findings, *(one for pack in made.packs for one in pack.findings))
    return made.answer, [one.code for one in found if one.outcome != "note"]


@pytest.mark.parametrize("act", ACTS)
def test_an_honest_vehicle_may(act: str) -> None:
    """
    Two batteries on record in it, placed here, their passports live, both shown: nothing stands in the way.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2)

    assert codes(told(w, act, one, other)) == ("yes", [])


def test_a_vehicle_without_any_battery_on_record_goes_nowhere() -> None:
    """
    The fraud: an electric vehicle sold without registration. The honest late fact clears it: whoever built
    the battery in records that.
    """
    w = World()
    text = code(1)
    assert codes(told(w, "sold")) == ("no", ["none_on_record"])
    assert codes(told(w, "registered", text)) == ("no", ["none_on_record", "no_record"])

    placed_in_car(w, 1)

    assert codes(told(w, "registered", text)) == ("yes", [])


def test_the_battery_is_scrapped_with_the_vehicle_or_the_process_is_refused() -> None:
    """
    The fraud: a battery is kept back for the black market, and another lies in its place. Once its
    replacement is recorded, late, the vehicle may be scrapped without it.
    """
    w = World()
    kept, there = placed_in_car(w, 1), placed_in_car(w, 2)
    assert codes(told(w, "scrapped", known=(kept, there))) == ("not_decided", ["presence_not_checked"])
    assert codes(told(w, "scrapped", there, known=(kept,))) == ("no", ["absent"])
    strange = code(3)
    w.produce(strange)
    assert codes(told(w, "scrapped", there, strange, known=(kept,))) == ("no", ["not_in_vehicle", "absent"])

    said = {"vin": VIN, "replacement": there, "reason": "a cell had failed"}
    w.happen(WORKSHOP, "battery.replaced", kept, said, references=(subject_of(there),), **IN_CAR)

    assert codes(told(w, "scrapped", there)) == ("yes", [])
    explained = told(w, "scrapped", there, kept)
    assert explained.answer == "yes" and [f.code for f in explained.packs[1].findings] == ["explained"]


def test_a_swapped_battery_explains_an_empty_vehicle_where_the_law_says_so() -> None:
    """
    Vehicles whose batteries are swapped have rules of their own in China; the Union knows no such exception,
    and a replacement leaves no vehicle empty.
    """
    w = World()
    text = placed_in_car(w, 1)
    w.happen(WORKSHOP, "battery.swapped_out", text, {"vin": VIN}, **IN_CAR)

    assert codes(told(w, "sold", text, side="CN"))[0] == "yes"
    assert codes(told(w, "sold", text)) == ("no", ["none_on_record", "not_in_vehicle"])
    assert codes(told(w, "sold", side="CN")) == ("no", ["none_on_record"])


@pytest.mark.parametrize("act", ACTS)
def test_a_stolen_battery_holds_the_vehicle_until_it_is_found(act: str) -> None:
    """
    X18: neither registered, sold nor scrapped with it; whoever reported it clears that.
    """
    w = World()
    text = placed_in_car(w, 1)
    w.happen(IMPORTER, "battery.reported_lost", text, {"reference": "P-1"})
    assert codes(told(w, act, text)) == ("no", ["lost"])

    w.happen(IMPORTER, "battery.found", text, {"reason": "it was in the yard"})

    assert codes(told(w, act, text)) == ("yes", [])


def test_a_passport_that_is_not_in_force_is_named() -> None:
    """
    X21: suspended or revoked, the vehicle is neither registered nor sold; it may be scrapped.
    """
    w = World()
    text = placed_in_car(w, 1)
    live = w.view(text).standing
    assert live is not None and live.passport is not None
    about = {"passport_digest": b64u(live.passport.digest), "reason": "look"}
    w.happen(EU_AUTHORITY, "passport.suspended", text, about, references=(live.passport.digest,))

    made = told(w, "registered", text)

    assert codes(made) == ("no", ["passport"])
    assert made.packs[0].findings[0].parameters["status"] == "suspended"
    assert codes(told(w, "scrapped", text)) == ("yes", [])


def test_a_recall_here_stands_in_the_way_of_a_sale() -> None:
    """
    By the maker or an authority of this side; in that of a scrapping it does not.
    """
    w = World()
    text = placed_in_car(w, 1)
    w.recall(MAKER, criteria=Criteria((text[:14],), None, None))

    assert codes(told(w, "sold", text)) == ("no", ["recalled"])
    assert codes(told(w, "scrapped", text)) == ("yes", [])


@pytest.mark.parametrize(
    ("form", "reaches", "others_may"),
    [("named", ("EU",), False), ("model", (), True), ("another battery", (), False)],
)
def test_a_recall_of_what_a_battery_came_of_is_read_with_it(
    form: str, reaches: tuple[str, ...], others_may: bool
) -> None:
    """
    The module out of a recalled pack: by name it is known here, by a model only whoever has the pack's code.
    """
    w, text = child()

    (FORMS | OTHERS)[form](w)

    here, car = subject_of(text), subject_of(VIN)
    found = PackFound.read(standing_key(here), text, w.view(text), car, w.governance, named=True)
    assert (found.recalls, found.recalls_open) == (reaches, others_may)


def test_a_strangers_battery_bound_to_the_number_holds_nobody() -> None:
    """
    I5: anybody may bind a battery of its own to a number that it read on a stranger's car, and report it
    stolen. Without a look the question stays open; whoever names what is in the car is not held by that.
    """
    w = World()
    honest = placed_in_car(w, 1)
    w.happen(IMPORTER, "battery.handed_over", honest, {}, parties=("eori:DE999",))
    grief = built_in(w, 2)
    w.happen(MAKER, "battery.reported_lost", grief, {"reference": "none"})

    assert "several_hands" in codes(told(w, "registered", known=(honest, grief)))[1]
    assert codes(told(w, "registered", honest, known=(grief,))) == ("yes", [])


def test_a_scrapped_vehicle_is_not_sold_again() -> None:
    """
    The number of a scrapped vehicle names no vehicle that may be registered or sold; nor scrapped twice.
    """
    w = World()
    text = placed_in_car(w, 1)
    w.happen(WORKSHOP, "vehicle.scrapped", text, SCRAPPED, **IN_CAR)

    for act in ACTS:
        answer, found = codes(told(w, act, text))
        assert answer == "no" and "scrapped" in found, act


def test_where_it_is_not_it_is_not_registered() -> None:
    """
    On record in the Union, the vehicle is not registered in China before customs there released it.
    """
    w = World()
    text = placed_in_car(w, 1)

    assert codes(told(w, "registered", text, side="CN")) == ("no", ["elsewhere"])
    assert told(w, "sold", text, side="CN").answer == "yes"


def test_what_was_not_looked_at_is_no_yes() -> None:
    """
    I8: a recall by model is in force, and the node does not know the battery's code: the question stays open.
    """
    w = World()
    text = placed_in_car(w, 1)
    life, key = w.governance.lifecycle, asset_key(subject_of(VIN))
    asset = Asset.decode(w.ledger.reader.get_many([key])[key])
    standing = w.view(text).standing
    pack = PackFound(standing_key(subject_of(text)), None, standing, named=False, recalls_open=True)

    made = check_vehicle(
        VehicleFound(asset, (pack,)),
        VehicleQuestion("sold", "EU", LATER),
        VehicleTable.parse(ROWS, life),
        life,
    )

    assert codes(made) == ("not_decided", ["recall_not_checked"])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda t: t["act"][0].update(no=["colour"]), "is one of"),
        (lambda t: t["act"][0].update(event="vehicle.flown"), "no event is named vehicle.flown"),
        (lambda t: t["act"][0]["note"].append("lost"), "registered says no and note of one"),
        (lambda t: t.pop("lawful"), "lawful is missing"),
        (lambda t: t["lawful"][0].update(colour=1), "colour is no member"),
    ],
    ids=["finding", "event", "both", "missing", "unknown"],
)
def test_a_table_that_cannot_be_gone_by_is_refused(spoil: Any, why: str) -> None:
    """
    What is asked of vehicles is read strictly: nobody's vehicle passes by a misspelt row.
    """
    rows = {
        "act": [dict(r, note=list(r["note"])) for r in ROWS["act"]],
        "lawful": [dict(r) for r in ROWS["lawful"]],
    }
    spoil(rows)

    with pytest.raises(CredentialError, match=why) as refused:
        VehicleTable.parse(rows, World().governance.lifecycle)

    assert refused.value.code == "rules_invalid"


def test_each_act_says_what_each_finding_means() -> None:
    """
    No finding of a battery is left open by being forgotten: what is in neither list was not looked at.
    """
    for row in ROWS["act"]:
        open_ones = set(FINDINGS) - set(row["no"]) - set(row["note"])
        assert open_ones == {"several_hands", "presence_not_checked", "recall_not_checked"}, row["name"]
