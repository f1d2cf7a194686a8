"""What goods are once customs let them in or left them there, and what is told late or handed on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from consensus.application import NotYet
from credentials.documents.identifiers import Subject
from tests.credentials.test_routes import CAR, ends_as, exported, in_use, placed, presented
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    battery,
)

OWN = battery(90, "ZZ6")


def used_and_sent(ledger: Ledger) -> Subject:
    """Taken out of its car in the EU, and on its way as used."""
    subject = in_use(ledger)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    ledger.happen(
        IMPORTER, "used.exported", subject, quantities={"soh_permille": 900}, parties=(IMPORTER, RECYCLER)
    )
    return subject


def waste_and_sent(ledger: Ledger) -> Subject:
    subject = placed(ledger)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "waste.collected", subject, quantities={"mass_grams": 450_000})
    ledger.happen(RECYCLER, "waste.exported", subject, parties=(IMPORTER,))
    return subject


def let_in(ledger: Ledger, subject: Subject, what: str = "customs.released") -> Subject:
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, what, subject)
    return subject


WEIGHED = {"mass_in_grams": 450_000}


@pytest.mark.parametrize("what", ["customs.released", "customs.refused"])
@pytest.mark.parametrize(
    "acts",
    [
        [
            ("waste.collected", {"quantities": {"mass_grams": 450_000}}),
            ("recycling.received", {"quantities": WEIGHED}),
        ],
        [("waste.exported", {})],
        [("battery.dismantled", {"references": (OWN,)})],
    ],
    ids=["recycled", "sent on", "taken apart"],
)
def test_waste_is_waste_again_behind_the_border(
    what: str, acts: Sequence[tuple[str, dict[str, object]]]
) -> None:
    """
    Let in, it is taken over, taken apart or sent on as any other waste is; refused, it goes back, or its end
    is here.
    """
    ledger = Ledger()
    subject = let_in(ledger, waste_and_sent(ledger), what)

    for event, members in acts:
        ledger.happen(RECYCLER, event, subject, **members)

    assert "waste" in ledger.standing(subject).marks


def test_used_goods_are_loose_again_behind_the_border() -> None:
    """
    Let in, a used battery is taken apart or made into another as one that was never abroad.
    """
    ledger = Ledger()
    subject = let_in(ledger, used_and_sent(ledger))

    ledger.happen(RECYCLER, "battery.dismantled", subject, references=(OWN,))

    assert ledger.standing(subject).item_state == "dismantled"


def test_what_was_taken_apart_is_not_taken_apart_again_behind_the_border() -> None:
    """
    A shell is a shell: it is received for recycling, and nothing else comes out of it.
    """
    ledger = Ledger()
    subject = waste_and_sent_shell(ledger)
    let_in(ledger, subject)

    with pytest.raises(NotYet, match="follows removed or waste"):
        ledger.happen(RECYCLER, "battery.dismantled", subject, references=(battery(91, "ZZ6"),))
    ledger.happen(RECYCLER, "recycling.received", subject, quantities=WEIGHED)


def waste_and_sent_shell(ledger: Ledger) -> Subject:
    subject = placed(ledger)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "battery.dismantled", subject, references=(OWN,))
    ledger.happen(RECYCLER, "waste.exported", subject, parties=(IMPORTER,))
    return subject


def test_a_battery_in_a_vehicle_is_not_loose_behind_the_border() -> None:
    """
    Taken out of one car and travelling in another, it is in that one until somebody takes it out.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.exported", subject, parties=(IMPORTER, RECYCLER))
    let_in(ledger, subject)

    with pytest.raises(NotYet, match="the battery is released"):
        ledger.happen(RECYCLER, "battery.dismantled", subject, references=(OWN,))


def test_new_goods_that_were_let_in_are_not_loose_used_ones() -> None:
    """
    Only what carries the mark was taken out of anything: a new battery is not taken apart before it is waste.
    """
    ledger = Ledger()
    subject = presented(ledger)
    ledger.happen(CUSTOMS, "customs.released", subject)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(RECYCLER,))

    with pytest.raises(NotYet, match=r"the battery is released: .*declared_waste"):
        ledger.happen(RECYCLER, "battery.dismantled", subject, references=(OWN,))


# -- told late ----------------------------------------------------------------------------------------


def installed_before_placing(ledger: Ledger) -> Subject:
    """Let in and installed by a workshop that the maker named; nobody said that it is on the market."""
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER, WORKSHOP))
    let_in(ledger, subject)
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=CAR)
    return subject


def test_a_placing_that_is_told_after_the_installation_counts() -> None:
    """
    Its importer has working days to report; the workshop was quicker. The battery stays in its car, the last
    change is the installation, and trades of the place may report from now on.
    """
    ledger = Ledger()
    released = ledger.now
    subject = installed_before_placing(ledger)
    installed = ledger.standing(subject)

    ledger.happen(IMPORTER, "market.placed", subject, event_time=released)

    told = ledger.standing(subject)
    assert (told.item_state, told.bound, told.last_event_time) == (
        "installed", installed.bound, installed.last_event_time,
    )  # fmt: skip
    assert told.setting("placed", "EU") is not None and told.holder == IMPORTER
    ledger.hand_over(IMPORTER, subject, "eori:DE1")
    assert ends_as(ledger, WORKSHOP, "battery.maintained", subject) == "admitted"


def test_a_placing_is_told_late_once() -> None:
    """
    Whom the holder named is not its holder a year later by placing it again.
    """
    ledger = Ledger()
    subject = installed_before_placing(ledger)
    ledger.happen(IMPORTER, "market.placed", subject, parties=(RIVAL,))

    assert ends_as(ledger, RIVAL, "market.placed", subject) == "duplicate"
    assert ledger.standing(subject).holder == IMPORTER


def test_a_placing_that_is_told_late_moves_nothing() -> None:
    """
    The battery is in its car in the EU: its maker in China did not place it there.
    """
    ledger = Ledger()
    subject = installed_before_placing(ledger)

    assert ends_as(ledger, MAKER, "market.placed", subject) == "jurisdiction_unclear"
    assert ledger.standing(subject).place == "EU"


def test_a_state_that_changed_is_not_changed_before() -> None:
    """
    X11: of goods that no vehicle holds, the placing is no earlier than their release.
    """
    ledger = Ledger()
    before = ledger.now - 400
    subject = exported(ledger)
    let_in(ledger, subject)

    assert ends_as(ledger, IMPORTER, "market.placed", subject, event_time=before) == "X11"


def test_a_car_that_its_owner_brings_in_is_registered_and_looked_after() -> None:
    """
    Nobody places a car that moves with its owner: customs let it in, the authority there registers it, and
    from then on workshops there report on its battery. Registered before it was let in it is not.
    """
    ledger = Ledger()
    subject = ledger.installed(1, CAR)
    ledger.happen(MAKER, "vehicle.sold", subject, bound_asset=CAR)
    ledger.happen(CN_AUTHORITY, "battery.exported", subject, parties=(CUSTOMS,))
    ledger.happen(CUSTOMS, "battery.presented", subject)
    assert ends_as(ledger, EU_AUTHORITY, "vehicle.registered", subject, bound_asset=CAR) == "state"
    ledger.happen(CUSTOMS, "customs.released", subject)
    assert ends_as(ledger, WORKSHOP, "battery.maintained", subject) == "claim"
    registered_at = ledger.now

    ledger.happen(EU_AUTHORITY, "vehicle.registered", subject, bound_asset=CAR)

    told = ledger.standing(subject)
    assert (told.item_state, told.last_event_time) == ("installed", registered_at)
    assert ends_as(ledger, WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR) == "admitted"


def test_a_car_is_registered_as_often_as_it_changes_hands() -> None:
    """
    A registration moves nothing and gives nobody anything; one of before a removal is told late.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.happen(EU_AUTHORITY, "vehicle.registered", subject, bound_asset=CAR)
    installed = ledger.standing(subject)

    ledger.happen(EU_AUTHORITY, "vehicle.registered", subject, bound_asset=CAR)

    again = ledger.standing(subject)
    assert (again.holder, again.place, again.last_event_time, again.jurisdictions) == (
        installed.holder, installed.place, installed.last_event_time, installed.jurisdictions,
    )  # fmt: skip


# -- handing on what was scrapped ------------------------------------------------------------------------


def test_who_scraps_a_vehicle_hands_on_what_was_in_it() -> None:
    """
    Its owner has no node, and an authority certified who may scrap it: from there a recycler has it.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.hand_over(IMPORTER, subject, "eori:DE1")
    ledger.happen(EU_AUTHORITY, "end_of_life.certified", subject, parties=(WORKSHOP,))
    ledger.happen(WORKSHOP, "vehicle.scrapped", subject, bound_asset=CAR)

    ledger.hand_over(WORKSHOP, subject, RECYCLER)
    ledger.happen(RECYCLER, "recycling.received", subject, quantities=WEIGHED)

    assert ledger.standing(subject).item_state == "in_recycling"


# -- what comes first ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "event", "told"),
    [
        (MAKER, "battery.exported", "customs.refused or customs.released comes first"),
        (IMPORTER, "market.placed", "customs.released comes first"),
        (
            RECYCLER,
            "recycling.received",
            "customs.invalidated comes first",
        ),
    ],
)
def test_a_refusal_says_what_comes_first(by: str, event: str, told: str) -> None:
    """
    The first acts of the shortest ways from where the battery is to where the event follows.
    """
    ledger = Ledger()
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER, RECYCLER))
    ledger.happen(IMPORTER, "battery.presented", subject)
    members = {"quantities": WEIGHED} if event == "recycling.received" else {}

    with pytest.raises(NotYet) as refused:
        ledger.happen(by, event, subject, **members)

    assert str(refused.value).endswith(f"the battery is presented: {told}")


def test_nobody_is_sent_to_build_a_battery_in_for_a_placing() -> None:
    """
    A placing follows an installation only where it is told late: what was taken out goes abroad or is waste.
    """
    ledger = Ledger()
    subject = in_use(ledger)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)

    with pytest.raises(NotYet) as refused:
        ledger.happen(IMPORTER, "market.placed", subject)

    assert "battery.installed" not in str(refused.value)


def test_where_nothing_leads_nothing_is_said_to_come_first() -> None:
    """
    What became another battery is never exported again.
    """
    ledger = Ledger()
    subject = ledger.waste(1)
    ledger.run(
        ledger.countersigned(
            SECOND_LIFE, "second_life.remanufactured", subject, [MAKER], references=(battery(92, "ZZ5"),)
        )
    )

    with pytest.raises(NotYet) as refused:
        ledger.happen(MAKER, "battery.exported", subject)

    assert str(refused.value).endswith("the battery is consumed")
