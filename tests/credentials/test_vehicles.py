"""What is said of a vehicle about one battery is said of the others in it that are in the same hands (I6)."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.application import NotYet, Refusal
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


def holder_of(w: World, text: str) -> str | None:
    standing = w.view(text).standing
    return standing.holder if standing is not None else None


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


def test_a_stolen_battery_is_not_scrapped_into_other_hands() -> None:
    """
    X18: whom its holder named scraps the vehicle, has the battery and says that it is found: stolen, it was
    clear as waste. It waits until its holder, or who was assigned it, says so.
    """
    w = World()
    text = placed_in_car(w, 1)
    w.happen(IMPORTER, "battery.reported_lost", text, {"reference": "P-1"})

    with pytest.raises(NotYet) as waits:
        w.happen(WORKSHOP, "vehicle.scrapped", text, SCRAPPED, **IN_CAR)

    assert waits.value.code == "X18" and holder_of(w, text) == IMPORTER
    assert shape(judged(w, text, condition="waste", direction="export"))[0] == "hold"
    w.happen(
        EU_AUTHORITY,
        "custody.assigned",
        text,
        {"ground": "finding", "holder": WORKSHOP, "reference": "1"},
        parties=(WORKSHOP,),
    )
    w.happen(WORKSHOP, "battery.found", text, {"reason": "with the car"})
    w.happen(WORKSHOP, "vehicle.scrapped", text, SCRAPPED, **IN_CAR)


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


def replaced(w: World, old: str, new: str, by: str = WORKSHOP) -> bytes:
    said = {"vin": VIN, "reason": "worn", "replacement": new}
    return w.happen(by, "battery.replaced", old, said, references=(subject_of(new),), **IN_CAR)


def in_stock(w: World, serial: int, *named: str) -> str:
    """A new battery, placed by IMPORTER."""
    text = code(serial)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.handed_over", text, {}, cosign=(IMPORTER,), parties=(IMPORTER,))
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, parties=named)
    return text


OUT: dict[str, Any] = {"direction": "export"}


def test_what_replaced_another_is_no_loose_new_battery() -> None:
    """
    I6: whether or not its own installation is on record; voided, it is as before.
    """
    w = World()
    old, new = placed_in_car(w, 1), in_stock(w, 2, WORKSHOP)

    statement = replaced(w, old, new)

    assert shape(judged(w, new, **OUT)) == ("hold", "used_sold_as_new")
    case, both = {"case": "1"}, (CN_AUTHORITY,)
    w.happen(EU_AUTHORITY, "attestation.voided", new, case, cosign=both, references=(statement,))
    assert judged(w, new, **OUT)["verdict"] in GOOD


@pytest.mark.parametrize("registered", [False, True])
def test_what_was_put_into_a_vehicle_in_use_is_not_new_in_it(registered: bool) -> None:
    """
    D702: a new vehicle holds its first battery, also where a faulty one was replaced before a registration;
    one that was registered or sold holds a used one.
    """
    w = World()
    old, new = placed_in_car(w, 1), in_stock(w, 2, WORKSHOP)
    if registered:
        w.happen(EU_AUTHORITY, "vehicle.registered", old, {"vin": VIN}, **IN_CAR)
    replaced(w, old, new)

    w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)

    told = judged(w, new, **CAR, **OUT)
    assert (told["verdict"] in GOOD) != registered
    assert not registered or shape(told) == ("hold", "used_sold_as_new")
    assert judged(w, new, condition="used", **CAR, **OUT)["verdict"] in GOOD


def test_a_workshop_marks_no_battery_of_a_stranger() -> None:
    """
    I5: naming another's battery as a replacement leaves nothing on it.
    """
    w = World()
    old, new = placed_in_car(w, 1), in_stock(w, 2)
    before = w.ledger.standing(subject_of(new))

    replaced(w, old, new)

    assert w.ledger.standing(subject_of(new)) == before
    assert judged(w, new, **OUT)["verdict"] in GOOD


def test_a_mistyped_replacement_is_taken_back_where_it_was_written() -> None:
    """
    I3: its author corrects it about the battery that it named; what it showed stays until it is voided.
    """
    w = World()
    old, new = placed_in_car(w, 1), in_stock(w, 2, WORKSHOP)
    statement = replaced(w, old, new)

    w.happen(WORKSHOP, "attestation.corrected", new, {"reason": "typing"}, references=(statement,))

    assert w.ledger.standing(subject_of(new)).marks == ("installed",)
    case, both = {"case": "1"}, (CN_AUTHORITY,)
    w.happen(EU_AUTHORITY, "attestation.voided", new, case, cosign=both, references=(statement,))
    assert w.ledger.standing(subject_of(new)).marks == ()


def test_an_authority_registers_all_that_one_workshop_built_in() -> None:
    """
    Whoever holds them: the vehicle that it registers is in use with both.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2, RIVAL)

    w.happen(EU_AUTHORITY, "vehicle.registered", one, {"vin": VIN}, **IN_CAR)

    assert shape(judged(w, other, **CAR, **OUT)) == ("hold", "used_sold_as_new")


@pytest.mark.parametrize("named", [False, True])
def test_who_may_end_both_batteries_ends_both_with_the_vehicle(named: bool) -> None:
    """
    I5: of two holders, the one that named the dismantler gave its consent; the other did not.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2, RIVAL)
    if not named:
        w.happen(RIVAL, "battery.handed_over", other, {}, parties=("eori:DE999",))

    w.happen(WORKSHOP, "vehicle.scrapped", one, SCRAPPED, references=(subject_of(other),), **IN_CAR)

    told = judged(w, other, condition="used", **CAR, **OUT)
    assert (shape(told) == ("hold", "end_of_life")) == named
    assert (told["verdict"] in GOOD) != named


def test_two_owners_without_a_node_are_not_one_holder() -> None:
    """
    D733: certified for one, the end of a vehicle is no consent of whoever owns the other battery in it.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2)
    for text in (one, other):
        w.happen(IMPORTER, "vehicle.sold", text, SOLD, **IN_CAR)
    w.happen(EU_AUTHORITY, "end_of_life.certified", one, {"certificate": "1"}, parties=(WORKSHOP,))

    w.happen(WORKSHOP, "vehicle.scrapped", one, SCRAPPED, references=(subject_of(other),), **IN_CAR)

    assert judged(w, other, condition="used", **CAR, **OUT)["verdict"] in GOOD


def test_a_replacement_that_was_installed_before_keeps_its_own_last_record() -> None:
    """
    It says so already: a mistake in its own installation is still taken back.
    """
    w = World()
    old, new = placed_in_car(w, 1), in_stock(w, 2, WORKSHOP)
    w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)
    before = w.ledger.standing(subject_of(new))

    replaced(w, old, new)

    assert w.ledger.standing(subject_of(new)) == before


def correct(w: World, by: str, text: str, statement: bytes) -> None:
    w.happen(by, "attestation.corrected", text, {"reason": "typing"}, references=(statement,))


@pytest.mark.parametrize("taken_out", [False, True])
def test_what_is_put_into_a_vehicle_in_use_without_a_replacement_is_not_new_in_it(taken_out: bool) -> None:
    """
    I6: a vehicle that an authority registered stays in use, with or without the battery about which it was
    said. Who takes one out and puts another in says as much as who replaces it.
    """
    w = World()
    old, new = placed_in_car(w, 1), in_stock(w, 2, WORKSHOP)
    registered = w.happen(EU_AUTHORITY, "vehicle.registered", old, {"vin": VIN}, **IN_CAR)
    if taken_out:
        w.happen(WORKSHOP, "battery.swapped_out", old, {"vin": VIN}, **IN_CAR)

    w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)

    assert shape(judged(w, new, **CAR, **OUT)) == ("hold", "used_sold_as_new")
    assert judged(w, new, condition="used", **CAR, **OUT)["verdict"] in GOOD
    if not taken_out:
        case, both = {"case": "1"}, (CN_AUTHORITY,)
        w.happen(EU_AUTHORITY, "attestation.voided", old, case, cosign=both, references=(registered,))
        assert judged(w, new, **CAR, **OUT)["verdict"] in GOOD


def test_an_authority_registers_what_others_built_in_as_well() -> None:
    """
    D773: the vehicle that an authority puts on the road is in use with all that is in it, in whatever hands.
    """
    w = World()
    one, other = placed_in_car(w, 1), built_in(w, 2)

    w.happen(EU_AUTHORITY, "vehicle.registered", one, {"vin": VIN}, **IN_CAR)

    assert shape(judged(w, other, **CAR, **OUT)) == ("hold", "used_sold_as_new")


@pytest.mark.parametrize("same", [True, False])
def test_what_a_holder_puts_into_a_vehicle_that_it_sold_is_not_new_in_it(same: bool) -> None:
    """
    I6: sold, the vehicle is in use for what its holder has put in later. Of another holder's battery it says
    nothing, though the same workshop built in both (D773).
    """
    w = World()
    old, new = placed_in_car(w, 1), in_stock(w, 2, WORKSHOP)
    if not same:
        w.happen(IMPORTER, "battery.handed_over", new, {}, cosign=(RIVAL,), parties=(RIVAL,))
        w.happen(RIVAL, "battery.sold", new, {"invoice": "1"}, parties=(WORKSHOP,))
    w.happen(IMPORTER, "vehicle.sold", old, SOLD, **IN_CAR)
    w.happen(WORKSHOP, "battery.swapped_out", old, {"vin": VIN}, **IN_CAR)

    w.happen(WORKSHOP, "battery.installed", new, {"vin": VIN}, **IN_CAR)

    told = judged(w, new, **CAR, **OUT)
    assert (shape(told) == ("hold", "used_sold_as_new")) == same
    assert (told["verdict"] in GOOD) != same


@pytest.mark.parametrize("told", [True, False])
def test_what_is_taken_out_of_a_vehicle_that_was_scrapped_with_it_is_waste(told: bool) -> None:
    """
    I1: no later event sheds it. Of another holder, who agreed to nothing, it is a used battery.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2, IMPORTER if told else RIVAL)
    if not told:
        w.happen(RIVAL, "battery.handed_over", other, {}, parties=("eori:DE999",))
    w.happen(WORKSHOP, "vehicle.scrapped", one, SCRAPPED, references=(subject_of(other),), **IN_CAR)
    w.happen(WORKSHOP, "negative_event", other, {"event_kind": "flood"})
    inside = w.ledger.standing(subject_of(other))
    assert "waste" not in inside.marks and inside.eu_status != "waste"  # yet: it is in that vehicle

    out = w.happen(WORKSHOP, "battery.swapped_out", other, {"vin": VIN}, **IN_CAR)

    left = w.ledger.standing(subject_of(other))
    assert ("waste" in left.marks, left.eu_status == "waste") == (told, told)
    used = judged(w, other, condition="used", direction="inland")
    assert (shape(used) == ("refuse_recommended", "waste")) == told
    assert (used["verdict"] in GOOD) != told
    if told:  # X20 asks for its values, and nothing else
        inland: dict[str, Any] = {"condition": "waste", "direction": "inland"}
        assert shape(judged(w, other, **inland)) == ("undecided", "not_held")
        assert judged(w, other, policy_name="recycler", **inland)["verdict"] in GOOD
    correct(w, WORKSHOP, other, out)
    again = judged(w, other, condition="used", **CAR, **OUT)
    assert (shape(again) == ("hold", "end_of_life")) == told


def test_a_strangers_word_on_a_vehicle_is_no_use_of_what_its_maker_builds_in() -> None:
    """
    I5: whoever binds a battery of its own to a number that it read, and sells or scraps that, ends nothing of
    what others put into the vehicle.
    """
    w = World()
    strangers = placed_in_car(w, 1)
    w.happen(WORKSHOP, "vehicle.scrapped", strangers, SCRAPPED, **IN_CAR)

    honest = built_in(w, 2)

    assert judged(w, honest, **CAR, **OUT)["verdict"] in GOOD


@pytest.mark.parametrize("told", ["vehicle.scrapped", "vehicle.registered"])
def test_what_a_record_of_the_vehicle_rests_on_is_not_corrected(told: str) -> None:
    """
    I3: a vehicle is scrapped or registered without the battery that was taken out before. Its author does not
    put it back in; an authority that withdraws the report does, and then what was said of the vehicle is said
    of that battery too.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2)
    out = w.happen(WORKSHOP, "battery.swapped_out", other, {"vin": VIN}, **IN_CAR)
    by, said = (WORKSHOP, SCRAPPED) if told == "vehicle.scrapped" else (EU_AUTHORITY, {"vin": VIN})
    w.happen(by, told, one, said, **IN_CAR)

    with pytest.raises(Refusal) as refused:
        correct(w, WORKSHOP, other, out)

    assert refused.value.code == "depends"
    w.happen(EU_AUTHORITY, "record.withdrawn", other, {"reason": "false"}, references=(out,))
    key = w.ledger.standing(subject_of(other)).key
    inside = w.view(other).vehicle
    assert inside is not None and inside.pack == key and set(inside.told) == {told}


def test_a_removal_after_what_was_said_of_the_vehicle_is_corrected() -> None:
    """
    Nothing rests on it: registered first, taken out by mistake, it is in its vehicle again as it was.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2)
    w.happen(EU_AUTHORITY, "vehicle.registered", one, {"vin": VIN}, **IN_CAR)
    before = w.view(other).vehicle
    out = w.happen(WORKSHOP, "battery.swapped_out", other, {"vin": VIN}, **IN_CAR)

    left = w.ledger.standing(subject_of(other))
    assert (left.eu_status, left.marks) == (
        "original",
        ("in_used_vehicle", "installed", "removed"),
    )
    correct(w, WORKSHOP, other, out)

    after = w.view(other).vehicle
    assert before is not None and after is not None and after.told == before.told != {}


def test_what_another_hand_says_of_the_vehicle_holds_up_no_correction() -> None:
    """
    I5: a stranger that scraps a battery of its own under that number keeps nobody from mending a mistake.
    """
    w = World()
    honest = built_in(w, 2)
    strangers = placed_in_car(w, 1)
    out = w.happen(MAKER, "battery.replaced", honest, {"vin": VIN, "reason": "x", "replacement": strangers},
                   references=(subject_of(strangers),), **IN_CAR)  # fmt: skip
    w.happen(WORKSHOP, "vehicle.scrapped", strangers, SCRAPPED, **IN_CAR)

    correct(w, MAKER, honest, out)

    assert w.ledger.standing(subject_of(honest)).bound is not None


@pytest.mark.parametrize("hand", ["installer", "holder"])
def test_a_removal_on_which_a_record_of_the_same_hands_rests_is_not_corrected(hand: str) -> None:
    """
    I3: X6 and X21 ask about what one party built in, and what one party holds: either rests on what left.
    """
    w = World()
    if hand == "installer":
        one, other = placed_in_car(w, 1), placed_in_car(w, 2, RIVAL)
    else:
        one, other = placed_in_car(w, 1), in_stock(w, 2, MAKER, WORKSHOP)
        w.happen(MAKER, "battery.installed", other, {"vin": VIN}, **IN_CAR)
    out = w.happen(WORKSHOP, "battery.swapped_out", other, {"vin": VIN}, **IN_CAR)
    w.happen(IMPORTER, "vehicle.sold", one, SOLD, **IN_CAR)

    with pytest.raises(Refusal) as refused:
        correct(w, WORKSHOP, other, out)

    assert refused.value.code == "depends"


def test_what_was_said_of_one_owners_battery_is_not_said_of_anothers_that_comes_back() -> None:
    """
    D733: two owners without a node are not one holder, also of what leaves the vehicle and returns.
    """
    w = World()
    one, other = placed_in_car(w, 1), placed_in_car(w, 2)
    for text in (one, other):
        w.happen(IMPORTER, "vehicle.sold", text, SOLD, **IN_CAR)
    w.happen(EU_AUTHORITY, "end_of_life.certified", one, {"certificate": "1"}, parties=(WORKSHOP,))
    w.happen(WORKSHOP, "battery.swapped_out", other, {"vin": VIN}, **IN_CAR)
    w.happen(WORKSHOP, "vehicle.scrapped", one, SCRAPPED, **IN_CAR)

    w.happen(WORKSHOP, "battery.installed", other, {"vin": VIN}, **IN_CAR)

    inside = w.view(other).vehicle  # its own sale is told again (0968)
    assert inside is not None and set(inside.told) == {"vehicle.sold"}


def test_what_replaces_another_holders_battery_is_in_a_vehicle_that_its_own_holder_sold() -> None:
    """
    D774: of the old battery nothing was said; the new one's holder said that the vehicle was sold.
    """
    w = World()
    sold, old, new = placed_in_car(w, 1), placed_in_car(w, 3, RIVAL), in_stock(w, 2, WORKSHOP)
    w.happen(IMPORTER, "vehicle.sold", sold, SOLD, **IN_CAR)

    replaced(w, old, new)

    assert w.ledger.standing(subject_of(new)).marks == ("in_used_vehicle", "installed")


@pytest.mark.parametrize("reading", [{"soh_permille": 990, "cycles": 900}, {"soh_permille": 500}])
@pytest.mark.parametrize("when", ["before", "after", "and again", "since, of others"])
def test_a_battery_beside_one_that_was_in_use_in_there_is_in_no_new_vehicle(
    when: str, reading: dict[str, int]
) -> None:
    """
    I6, D990, D972: two batteries of one vehicle, and one of them is read as no new one, by its health or its
    cycles, whatever is read later: so is the other. What was read before it was built in, or of another
    holder's battery, says nothing of this one.
    """
    w = World()
    one, other = (
        built_in(w, 1) if when == "since, of others" else in_stock(w, 1, WORKSHOP),
        placed_in_car(w, 2),
    )
    said = {"method": "m", "measured_on": "2027-01-15"}

    def read(**reading: int) -> None:
        w.happen(WORKSHOP, "soh.measured", one, {**said, **reading}, quantities=reading)

    if when == "before":
        read(**reading)
    if when != "since, of others":
        w.happen(WORKSHOP, "battery.installed", one, {"vin": VIN}, **IN_CAR)
    assert judged(w, other, **CAR, **OUT)["verdict"] in GOOD
    if when != "before":
        read(**reading)
    if when == "and again":
        read(**{**reading, "soh_permille": 1000})

    told = judged(w, other, **CAR, **OUT)
    assert (shape(told) == ("hold", "used_sold_as_new")) == (when in ("after", "and again"))
    assert (told["verdict"] in GOOD) == (when in ("before", "since, of others"))
    assert judged(w, other, condition="used", **CAR, **OUT)["verdict"] in GOOD
