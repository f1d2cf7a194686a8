"""No alert without a cause: honest lives raise none, and what is cut off half way loses and doubles none."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from credentials.documents.identifiers import Subject
from credentials.ledger.entries import AdmittedEntry, ClaimEntry, parse_entry
from credentials.ledger.genesis import Genesis, write_genesis
from node.ledger.subscriptions import Moments
from node.oversight import alerting
from node.oversight.alerting import Alerting
from node.oversight.balances import out_of_balance
from node.oversight.counted_again import counted_before, still_said
from node.oversight.raising import RaisedAlert, Raising
from node.storage.alerts import AlertFilter, AlertTable
from node.storage.entries import EntryRow, row_of
from node.storage.office import OfficeStore
from tests.credentials.test_routes import CAR, in_use
from tests.harness.ledger import (
    IMPORTER,
    MAKER,
    OUTSIDER,
    RECYCLER,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    genesis_arguments,
)
from tests.harness.support_service import LiveNode
from tests.node.test_alerts import node, produced_again, settled
from tests.node.test_watching import attest, issue

__all__ = ["node"]

KILLS = 100
COUNTS = (
    pytest.param(3, id="3 lives"),
    pytest.param(100, id="100 lives", marks=pytest.mark.check),
    pytest.param(10_000, id="10,000 lives", marks=pytest.mark.long),
)


def lived(ledger: Ledger, number: int) -> Subject:
    """Made, exported, released, placed, sold, built in, measured, taken out, and recycled to its material."""
    subject = in_use(ledger, number)
    ledger.happen(WORKSHOP, "soh.measured", subject, quantities={"soh_permille": 900, "cycles": 100})
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    ledger.happen(IMPORTER, "battery.sold", subject, parties=(RECYCLER,))
    ledger.happen(RECYCLER, "battery.declared_waste", subject)
    ledger.happen(RECYCLER, "waste.collected", subject, quantities={"mass_grams": 450_000})
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": 450_000})
    masses = {name: 1_000 for name in ("co_in_grams", "ni_in_grams", "li_in_grams", "cu_in_grams")}
    masses |= {name: 900 for name in ("co_out_grams", "ni_out_grams", "li_out_grams", "cu_out_grams")}
    ledger.happen(RECYCLER, "recycling.completed", subject, quantities=masses)
    ledger.happen(RECYCLER, "material.recovered", subject, quantities={"mass_grams": 900})
    return subject


def log_of(ledger: Ledger, begin: int = 0) -> tuple[list[EntryRow], Any]:
    """The leaves of this ledger from `begin` on, and what reads them; asking for more fails."""
    entries = ledger.reader.entries[begin:]
    rows = [replace(row_of(entry), leaf_index=begin + place, height=0) for place, entry in enumerate(entries)]

    def of(key: bytes, newest: int, before: int) -> list[EntryRow]:
        return [row for row in rows if row.subject == key and row.leaf_index < before][-newest:]

    return rows, SimpleNamespace(leaves=SimpleNamespace(of=of), block_times=lambda _: {})


def raised_by(ledger: Ledger, begin: int = 0) -> list[Any]:
    """What the leaves of this ledger raise."""
    rows, read = log_of(ledger, begin)
    return Raising(cast(Any, read), ledger.history).of(rows)


@pytest.mark.parametrize("count", COUNTS)
def test_honest_lives_raise_no_alert(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Lives of true statements by whose they are, from production to recovered material, raise no alert at all.
    """
    ledger, looked, statements = Ledger(), 0, 0
    for number in range(1, count + 1):
        lived(ledger, number)
        assert raised_by(ledger, looked) == []
        statements += len(ledger.reader.entries) - looked
        looked = len(ledger.reader.entries)
    with capsys.disabled():
        print(f"\n  {count} lives, {statements} leaves, no alert")


def test_the_same_search_finds_what_is_not_honest() -> None:
    """
    A loss of such a battery is seen by the search of the test above.
    """
    ledger = Ledger()
    subject = in_use(ledger, 1)
    looked = len(ledger.reader.entries)
    ledger.happen(IMPORTER, "battery.reported_lost", subject)
    (raised,) = raised_by(ledger, looked)
    assert (raised.kind.code, raised.party) == ("reported_lost", IMPORTER)


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def killed_now_and_then(patch: pytest.MonkeyPatch, seed: int) -> Iterator[list[int]]:
    """Each write of alerts may be the last thing that a process does; how often it was."""
    chance, kills = random.Random(seed), list[int]()

    def dying(name: str, before: bool) -> None:
        real = getattr(AlertTable, name)

        def write(*given: Any, **named: Any) -> Any:
            done = None if before else real(*given, **named)
            if len(kills) < KILLS and chance.random() < 0.5:
                kills.append(1)
                raise Killed
            return real(*given, **named) if before else done

        patch.setattr(AlertTable, name, staticmethod(write) if name == "put" else write)

    for name, before in (("put", True), ("bound", True), ("look_on", False)):
        dying(name, before)
    yield kills


def test_no_alert_is_lost_or_doubled_over_a_hundred_kills(node: LiveNode, tmp_path: Path) -> None:
    """
    A thread that is cut off at any write, a hundred times, and begun anew raises the alerts that one raises
    which runs through: the same ids, as often.
    """
    for serial in range(30, 36):
        issue(node, serial)
        produced_again(node, serial)
        attest(node, "battery.reported_lost", serial, reference="P-1")
    settled(node)
    desk, ledger = node.service.alerts, node.service.stores.ledger

    def followed(name: str) -> dict[bytes, tuple[str, int, int]]:
        office = OfficeStore(tmp_path / name)
        table = office.alerts
        while table.looked_until() < ledger.log_size():
            try:
                Alerting(office, ledger, desk._gathering, Moments()).look()
            except Killed:
                office.close()
                office = OfficeStore(tmp_path / name)
                table = office.alerts
        found = {row.id: (row.code, row.times, row.last_leaf) for row in table.page(AlertFilter(), 1_000)}
        office.close()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerting, "LEAVES_AT_ONCE", 3)
        through = followed("through.db")
        with killed_now_and_then(patch, 7) as kills:
            cut_off = followed("killed.db")

    assert len(kills) == KILLS
    assert len(through) >= 12
    assert cut_off == through


def restated(records: list[tuple[str, dict[str, int]]], taken_back: set[int]) -> bool:
    """X13 anew: by what is left once what was taken back is struck out."""
    left = [one for place, one in enumerate(records) if place not in taken_back]

    def newest(kind: str) -> dict[str, int] | None:
        return next((grams for name, grams in reversed(left) if name == kind), None)

    made, taken = newest("battery.produced"), newest("recycling.received")
    done = newest("recycling.completed")
    lots = sum(grams["mass_grams"] for name, grams in left if name == "material.recovered")
    out = None if done is None else sum(grams for name, grams in done.items() if name.endswith("out_grams"))
    weighed = None if taken is None else taken["mass_in_grams"]
    too_heavy = made is not None and weighed is not None and weighed > int(made["mass_grams"] * 1.05)
    too_much = out is not None and weighed is not None and out > weighed
    return too_heavy or too_much or any(bound is not None and lots > bound for bound in (out, weighed))


def test_masses_add_up_as_restated(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Of random statements about one battery, honest and not, some taken back, each prefix is out of balance
    where the slow restatement says so, and nowhere else.
    """
    random, compared, found = Random(13), 0, 0
    lifecycle = Ledger().history.latest.lifecycle
    shapes = {
        "battery.produced": ("mass_grams",),
        "recycling.received": ("mass_in_grams",),
        "recycling.completed": ("co_in_grams", "co_out_grams", "ni_out_grams"),
        "material.recovered": ("mass_grams",),
        "soh.measured": ("soh_permille",),
    }
    for _ in range(1_000):
        records: list[tuple[str, dict[str, int]]] = []
        said: list[Any] = []
        taken_back: set[int] = set()
        for place in range(8):
            kind = random.choice(sorted(shapes))
            grams = {name: 20 * random.randint(1, 9) for name in shapes[kind]}
            gone: tuple[bytes, ...] = ()
            if records and random.random() < 0.2:
                kind, grams, other = "attestation.corrected", {}, random.randrange(place)
                gone = (bytes([other]),)
                taken_back.add(other)
            records.append((kind, grams))
            said.append(
                SimpleNamespace(kind=kind, quantities=grams, digest=bytes([place]), referenced_digests=gone)
            )
            left = still_said(((0, one) for one in said), lifecycle)
            is_out = out_of_balance(one for _, one in left) is not None
            assert is_out == restated(records, taken_back), records
            compared, found = compared + 1, found + is_out
    assert 0 < found < compared
    with capsys.disabled():
        print(f"\n  {compared} prefixes compared, {found} out of balance")


def test_lots_of_more_than_there_was_are_an_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A recycler that makes more into lots than it recovered raises X13, at the statement after which it is so.
    """
    ledger = Ledger()
    subject = lived(ledger, 1)
    begin = len(ledger.reader.entries)
    assert raised_by(ledger) == []
    ledger.happen(RECYCLER, "material.recovered", subject, quantities={"mass_grams": 449_000})
    monkeypatch.setattr(
        Raising, "_about_goods", lambda _, row, kind, said: RaisedAlert(kind, row.leaf_index, 0, said.party)
    )
    (raised,) = raised_by(ledger)
    assert (raised.kind.code, raised.rule) == ("mass_balance", "X13")
    assert (raised.leaf, raised.party) == (begin, RECYCLER)


def test_what_counts_once_and_is_said_again_is_an_alert_also_where_no_rule_refuses_it() -> None:
    """
    Told late, the second word that a battery is waste is admitted and moves nothing; by whom was named for it
    and comes second, that it was received is a claim. Whoever supervises sees both by X4, with the record
    that was there first.
    """
    ledger = Ledger(two_recyclers())
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "market.placed", subject, parties=(RECYCLER,))
    ledger.happen(MAKER, "battery.sold", subject, parties=(OUTSIDER,))
    then = ledger.now - 1
    ledger.happen(MAKER, "battery.declared_waste", subject)
    waste = ledger.standing(subject).facts["waste"]
    again = second_word(ledger, subject, RECYCLER, "battery.declared_waste", event_time=then)
    assert again == (AdmittedEntry, waste), "the ledger does not refuse it"

    weighed = {"quantities": {"mass_in_grams": 450_000}}
    ledger.happen(RECYCLER, "recycling.received", subject, **weighed)
    received = ledger.standing(subject).facts["received"]
    again = second_word(ledger, subject, OUTSIDER, "recycling.received", **weighed)
    assert again == (ClaimEntry, received), "nor this"


@cache
def two_recyclers() -> Genesis:
    """The usual ones, with a second recycler."""
    arguments = genesis_arguments(
        accreditations=[*accreditations(), accreditation(OUTSIDER, roles=("recycler",))]
    )
    return Genesis.parse(write_genesis(**arguments), arguments["rule_files"])


def second_word(
    ledger: Ledger, about: Subject, by: str, kind: str, **members: Any
) -> tuple[type, int | None]:
    """(as what it is recorded, the first record that X4 names) of what is stated again."""
    begin = len(ledger.reader.entries)
    ledger.happen(by, kind, about, **members)
    raised = raised_by(ledger)[-1]
    assert (raised.kind.code, raised.rule, raised.party) == ("counted_twice", "X4", by)
    assert raised.leaf == begin
    return type(parse_entry(ledger.reader.entries[begin])), raised.winner


def test_claims_of_a_stranger_about_many_batteries_are_one_light_alert() -> None:
    """
    Who never had a battery, and was not named for it, raises nothing heavy by what it claims of it, however
    many they are: a claim, one alert for each maker.
    """
    ledger = Ledger()
    for number in (1, 2):
        subject = ledger.produced(number, published=True)
        ledger.happen(MAKER, "battery.declared_waste", subject)
        ledger.happen(WORKSHOP, "vehicle.scrapped", subject, bound_asset=CAR)

    raised = raised_by(ledger)

    assert [(one.kind.code, one.party) for one in raised] == [("claimed", WORKSHOP)] * 2
    assert len({one.id for one in raised}) == 1


def test_what_was_taken_back_counts_no_more_and_what_happens_often_never_did() -> None:
    """
    Of records of one battery the first that counts once is found, past those that were corrected, voided or
    withdrawn; of what may happen again none is.
    """
    lifecycle = Ledger().history.latest.lifecycle
    told = [
        (3, SimpleNamespace(kind="battery.produced", digest=b"0", referenced_digests=())),
        (5, SimpleNamespace(kind="battery.declared_waste", digest=b"1", referenced_digests=())),
        (7, SimpleNamespace(kind="attestation.voided", digest=b"2", referenced_digests=(b"1",))),
        (9, SimpleNamespace(kind="vehicle.scrapped", digest=b"3", referenced_digests=())),
    ]
    recorded = cast(Any, told)
    assert counted_before("battery.declared_waste", recorded, lifecycle) == 9
    assert counted_before("battery.declared_waste", recorded[:3], lifecycle) is None
    assert counted_before("battery.declared_waste", recorded[:2], lifecycle) == 5
    assert counted_before("recycling.received", recorded, lifecycle) is None
    assert counted_before("soh.measured", recorded, lifecycle) is None


def test_a_row_that_is_withdrawn_counts_no_more_with_all_that_is_in_it() -> None:
    """
    Of trades' records in a row an authority names the first: what was said after it, up to then, is gone as
    well, and what was voided after that is as it was; what is said after the withdrawal counts.
    """
    lifecycle = Ledger().history.latest.lifecycle
    told = [
        SimpleNamespace(kind="soh.measured", digest=b"1", referenced_digests=()),
        SimpleNamespace(kind="battery.declared_waste", digest=b"2", referenced_digests=()),
        SimpleNamespace(kind="record.withdrawn", digest=b"3", referenced_digests=(b"1",)),
        SimpleNamespace(kind="vehicle.scrapped", digest=b"4", referenced_digests=()),
    ]
    recorded = cast(Any, list(enumerate(told)))
    assert counted_before("battery.declared_waste", recorded[:3], lifecycle) is None
    assert counted_before("battery.declared_waste", recorded, lifecycle) == 3
    assert [place for place, _ in still_said(recorded, lifecycle)] == [2, 3]
