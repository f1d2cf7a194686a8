"""X13 by metal: more of a metal in lots than was recovered of it is an alert to whoever may read that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from node.oversight import lots as by_metal
from node.oversight.lots import LotsByMetal, beyond
from node.storage.lot_amounts import IN_LOT, IN_NEW, LotAmount
from node.storage.office import OfficeStore
from tests.harness.support_service import DID, ROLES, LiveNode, live_node
from tests.node.test_alerts import listed
from tests.node.test_watching import attest, code_of, issue

IN = {"co_in_grams": 9_200, "ni_in_grams": 45_100, "li_in_grams": 8_700, "cu_in_grams": 30_000}
OUT = {"co_out_grams": 8_600, "ni_out_grams": 42_000, "li_out_grams": 4_700, "cu_out_grams": 28_000}
METALS = ("co", "ni", "li", "cu", "mn")
TRIALS = 2_000


def restated(recovered: Mapping[str, int], lots: Sequence[tuple[str, int]]) -> set[str]:
    """The metals of which more is in lots than was recovered, a metal at a time."""
    found = set()
    for metal in METALS:
        name = f"{metal}_out_grams"
        if name in recovered and sum(grams for said, grams in lots if said == metal) > recovered[name]:
            found.add(metal)
    return found


def test_lots_by_metal_add_up_as_restated() -> None:
    """
    Of random recyclings and lots: a metal is named just where a slow sum finds too much of it, and of several
    the one with most; what a recycling does not state is not compared.
    """
    rng, seen = Random(20261130), Counter[bool]()
    for _ in range(TRIALS):
        recovered = {f"{metal}_out_grams": rng.randrange(5) * 100 for metal in METALS if rng.random() < 0.8}
        lots = [(rng.choice(METALS), rng.randrange(1, 200)) for _ in range(rng.randrange(9))]
        made, mine = beyond(recovered, lots), restated(recovered, lots)
        assert (made is None) == (not mine)
        seen[made is None] += 1
        if made is not None:
            metal, said, there = made
            assert metal in mine and said == sum(grams for one, grams in lots if one == metal)
            assert said - there == max(
                sum(g for m, g in lots if m == one) - recovered[f"{one}_out_grams"] for one in mine
            )
    assert min(seen.values()) > TRIALS // 10


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Three batteries that are recycled; this node's party recycles them, and supervises that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("node.oversight.battery_codes.NAMED_APART_S", 0.1)
        roles = (*ROLES, "recycler", "waste_operator")
        with live_node(tmp_path_factory.mktemp("lots"), roles) as made:
            for serial in (41, 42, 43):
                issue(made, serial)
                attest(made, "battery.declared_waste", serial, reason="worn")
                attest(made, "recycling.received", serial, facility_licence="L", mass_in_grams=400_000)
                attest(made, "recycling.completed", serial, **IN, **OUT, method="hydrometallurgy")
            yield made


def lot(node: LiveNode, serial: int, metal: str, grams: int, number: str) -> None:
    attest(node, "material.recovered", serial, lot=number, element=metal, mass_grams=grams)


def looked(node: LiveNode) -> None:
    """Everything on the log was looked at, and nothing waits."""
    search = node.service.alerts._alerting.lots
    size = node.service.stores.ledger.log_size()
    node.wait(lambda: search._looked >= size and not search._waiting, "the look at lots")


def alerts(node: LiveNode, serial: int) -> list[dict[str, Any]]:
    return [one for one in listed(node, rule="X13") if one["battery"] == code_of(serial)]


@pytest.mark.check
def test_a_metal_of_which_there_was_less_is_one_alert_and_an_honest_recycling_none(node: LiveNode) -> None:
    """
    All lots of a battery weigh less than what was recovered of it; of lithium alone there are six kilograms,
    of the 4.7 that were recovered: one alert, with both. The lots of another battery add up: none.
    """
    for metal in ("co", "ni", "li", "cu"):
        lot(node, 41, metal, OUT[f"{metal}_out_grams"], f"LOT-{metal}")
    lot(node, 42, "co", 8_600, "LOT-co")
    lot(node, 42, "li", 3_000, "LOT-li")
    looked(node)
    assert alerts(node, 41) == alerts(node, 42) == []

    lot(node, 42, "li", 3_000, "LOT-li-2")
    looked(node)

    node.wait(lambda: bool(alerts(node, 42)), "the alert")
    (alert,) = alerts(node, 42)
    assert (alert["code"], alert["party"], alert["weight"]) == ("lots_of_a_metal", DID, 3)
    assert "6000 g of Li" in alert["text"] and "4700 g" in alert["text"]
    assert alerts(node, 41) == []


@pytest.mark.check
def test_a_lot_whose_document_is_kept_back_waits_and_holds_up_no_other(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever does not show what a lot is of is asked again, also after a start; other batteries are compared
    meanwhile, and nothing is said of the one that is not checked.
    """
    search = node.service.alerts._alerting.lots
    proper = search._shown

    def without(lots: Sequence[Any]) -> dict[bytes, Mapping[str, object]]:
        return {} if any(one.quantities.get("mass_grams") == 4_699 for one in lots) else proper(lots)

    monkeypatch.setattr(search, "_shown", without)
    lot(node, 43, "li", 4_699, "LOT-kept")
    lot(node, 43, "li", 4_699, "LOT-kept-2")
    lot(node, 41, "co", 1, "LOT-more")
    node.wait(lambda: bool(alerts(node, 41)), "the other's alert")
    node.wait(lambda: len(search._waiting) == 1, "the one that waits")
    assert alerts(node, 43) == []
    begin = int.from_bytes(node.service.stores.office.remembered(by_metal.LOOKED) or b"", "big")
    assert begin <= next(iter(search._waiting.values()))

    again = LotsByMetal(search._office, search._ledger, search._gathering, search._sides)
    while again.turn():
        pass
    node.wait(lambda: bool(alerts(node, 43)), "the alert of whoever shows it")


@pytest.mark.check
def test_where_all_masses_do_not_add_up_there_is_one_alert_and_not_two(node: LiveNode) -> None:
    """
    A lot that is heavier than all that was recovered is an alert by X13 already: by its metal there is none
    beside it.
    """
    issue(node, 44)
    attest(node, "battery.declared_waste", 44, reason="worn")
    attest(node, "recycling.received", 44, facility_licence="L", mass_in_grams=400_000)
    attest(node, "recycling.completed", 44, **IN, **OUT, method="hydrometallurgy")
    lot(node, 44, "co", 99_000, "LOT-99")
    looked(node)
    node.wait(lambda: bool(alerts(node, 44)), "the alert")
    assert [one["code"] for one in alerts(node, 44)] == ["mass_balance"]


@pytest.mark.check
def test_a_lot_that_is_taken_back_closes_it(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Once the lot that was too much does not count any more, the alert is dealt with by the node.
    """
    looked(node)
    (alert,) = alerts(node, 42)
    leaf = node.service.stores.ledger.log_size()
    monkeypatch.setattr(by_metal, "still_said", lambda record, _: list(record)[:-1])
    search, battery = node.service.alerts._alerting.lots, node.service.alerts._get(alert["id"]).subject
    assert alert["state"] == "open" and battery is not None
    assert search._compare(battery, leaf)
    assert [one["state"] for one in alerts(node, 42)] == ["acknowledged"]


def made(node: LiveNode, serial: int, *lots: tuple[str, str, int]) -> None:
    """A new battery whose maker names these lots (number, metal, grams) of this node's recycler."""
    named = [f"{DID} {number} {metal} {grams}" for number, metal, grams in lots]
    grams = sum(one[2] for one in lots)
    members = {"production_date": "2026-06-02", "category": "ev", "mass_grams": 300_000}
    attest(node, "battery.produced", serial, **members, recycled_grams=grams, recycled_lots=named)


def balance(node: LiveNode) -> dict[str, tuple[int, int, int]]:
    """By metal: recovered, in lots, in new batteries; "" is what is not checked."""
    found = node.get_json("/supervision/facilities")["metals"]
    return {row["metal"]: (row["recovered"], row["in_lots"], row["in_new"]) for row in found}


@pytest.mark.check
def test_of_no_lot_is_more_in_new_batteries_than_it_holds(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A lot of cobalt goes into two batteries, all of it: no alert. A third names it as well: one alert, with
    what is in new batteries by then and what the lot held, about that battery and its maker. Once that
    battery's production does not count any more, or the lot holds more, it is dealt with.
    """
    looked(node)
    before = balance(node)
    issue(node, 45)
    attest(node, "battery.declared_waste", 45, reason="worn")
    attest(node, "recycling.received", 45, facility_licence="L", mass_in_grams=400_000)
    attest(node, "recycling.completed", 45, **IN, **OUT, method="hydrometallurgy")
    lot(node, 45, "co", 5_000, "LOT-45")
    made(node, 46, ("LOT-45", "co", 3_000))
    made(node, 47, ("LOT-45", "co", 2_000))
    looked(node)
    assert [alerts(node, serial) for serial in (46, 47)] == [[], []]

    made(node, 48, ("LOT-45", "co", 1))
    looked(node)

    node.wait(lambda: bool(alerts(node, 48)), "the alert")
    (alert,) = alerts(node, 48)
    assert (alert["code"], alert["party"], alert["rule"]) == ("lot_spent_twice", DID, "X13")
    assert "5001 g of its Co" in alert["text"] and "held 5000 g" in alert["text"]
    assert [alerts(node, serial) for serial in (46, 47)] == [[], []]
    now = balance(node)
    assert tuple(a - b for a, b in zip(now["co"], before["co"], strict=True)) == (8_600, 5_000, 5_001)

    lot(node, 45, "co", 1, "LOT-45")
    looked(node)
    node.wait(lambda: alerts(node, 48)[0]["state"] == "acknowledged", "the alert to be closed")
    page = node.person.get("/supervision/facilities", headers={"Accept": "text/html"}).text
    assert "Recovered metals" in page and "In new batteries, kg" in page


@pytest.mark.check
def test_what_is_not_shown_of_lots_is_not_checked(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A new battery whose document is not shown, or a lot of that recycler that is not: nothing is said of it,
    and the balance shows so many grams as not checked.
    """
    looked(node)
    search, before = node.service.alerts._alerting.lots, balance(node).get("", (0, 0, 0))
    monkeypatch.setattr(search, "_shown", lambda _: {})
    made(node, 49, ("LOT-none", "li", 700))
    node.wait(lambda: balance(node).get("", (0, 0, 0))[2] == before[2] + 700, "what is not checked")
    assert alerts(node, 49) == []
    monkeypatch.undo()
    looked(node)
    node.wait(lambda: bool(alerts(node, 49)), "the alert of a lot that nobody made")


@pytest.mark.parametrize(
    ("lots", "grams", "told"),
    [
        (["LOT-1 co 5"], 5, "names no lot"),
        ([f"{DID} LOT-1 cobalt 5"], 5, "names no lot"),
        ([f"{DID} LOT-1 co 0"], 5, "names no lot"),
        ([f"{DID} LOT-1 co 5"], 6, "are 5 g, and recycled_grams says 6"),
        ([f"{DID} LOT-1 co 5"], None, "are 5 g, and recycled_grams says 0"),
    ],
)
@pytest.mark.check
def test_what_names_no_lot_is_refused_before_signing(
    node: LiveNode, lots: list[str], grams: int | None, told: str
) -> None:
    """The maker gets told which line names no lot, or that the grams are not theirs; nothing is signed."""
    members: dict[str, Any] = {"production_date": "2026-06-02", "category": "ev", "recycled_lots": lots}
    members |= {"recycled_grams": grams} if grams is not None else {}
    body = {"event": "battery.produced", "battery": code_of(50), "members": members}
    answer = node.post_json("/attestations", body)
    assert answer.status_code in (400, 422) and told in answer.get_json()["detail"]


def test_lots_and_what_is_taken_of_them_add_up_as_restated(tmp_path: Path) -> None:
    """
    Of random lots and new batteries, read in any order and read again: what a lot holds, and what is taken of
    it, are those of a slow sum; of a recycler with a lot that is not shown nothing is said.
    """
    rng, office, kept = Random(711), OfficeStore(tmp_path / "office.db"), dict[bytes, list[LotAmount]]()
    for trial in range(300):
        battery = rng.randbytes(1)
        kept[battery] = [
            LotAmount(
                trial,
                battery,
                rng.choice((IN_LOT, IN_NEW)),
                "did:a",
                rng.choice(("did:a", "did:b")),
                rng.choice(("1", "2")),
                rng.choice(("co", "li", "co", "li", "")),
                rng.randrange(1, 9),
            )
            for _ in range(rng.randrange(4))
        ]
        with office.writing() as db:
            office.lot_amounts.replace(db, battery, kept[battery])
            rows = [one for amounts in kept.values() for one in amounts]
            for owner, number, metal in {(one.owner, one.lot, one.metal) for one in rows if one.metal}:
                of_lot = [o for o in rows if (o.owner, o.lot, o.metal) == (owner, number, metal)]
                unread = any(o.owner == owner and o.what == IN_LOT and not o.metal for o in rows)
                held = sum(o.grams for o in of_lot if o.what == IN_LOT)
                assert office.lot_amounts.held(db, owner, number, metal) == (None if unread else held)
                taken = office.lot_amounts.taken(db, owner, number, metal)
                assert sorted(o.grams for o in taken) == sorted(o.grams for o in of_lot if o.what == IN_NEW)
    office.close()
