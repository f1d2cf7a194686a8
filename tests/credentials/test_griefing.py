"""No stranger can spoil a battery (invariant I5), generated from the table.

For each event, each party that holds the licence for it and has no right over this battery, and each state
that the battery reaches on an honest life: what the stranger says leaves the standing byte for byte as it was
(so whatever is judged from it is the same), and the honest holder's next lawful act still goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import ClaimEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.lifecycle import Event
from credentials.ledger.parties import Accreditation
from credentials.ledger.speaking import Silent
from credentials.verdicts import shown
from credentials.verdicts.record import Inquiry
from credentials.verdicts.verdict import Findings
from tests.harness.ledger import (
    CREATED,
    CUSTOMS,
    IMPORTER,
    MAKER,
    RECYCLER,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    accreditations,
    battery,
    make_genesis,
    participant,
    set_list,
    vehicle,
)
from tests.harness.ledger import PARTIES as CAST
from tests.harness.opinion.bugs import BUGS, a_trade_names_what_it_likes, patched
from tests.harness.opinion.griefing import spoil
from tests.harness.opinion.trades import TRADES

CAR, STRANGERS_CAR = vehicle(1), vehicle(2)
PACK, OTHER, MODULE = battery(1), battery(2), battery(3, "ZZ6")
MASSES = {f"{e}_{way}_grams": 10 for e in ("co", "ni", "li", "cu") for way in ("in", "out")}
# One stranger per jurisdiction, with every role there is: licensed for everything, entitled to nothing. One
# acts where no battery of this life ever is, the others where it is for a time; as an authority none of them.
ABROAD, IN_CN, IN_EU = "did:web:abroad.example", "did:web:licensed-cn.example", "did:web:licensed-eu.example"
STRANGERS = {ABROAD: "JP", IN_CN: "CN", IN_EU: "EU"}

Act = tuple[str, str, dict[str, Any]]
LIFE: tuple[Act, ...] = (
    (MAKER, "battery.produced", {}),
    (MAKER, "passport.published", {"set_list": set_list(1)}),
    (MAKER, "battery.exported", {"parties": (IMPORTER,)}),
    (IMPORTER, "battery.presented", {}),
    (CUSTOMS, "customs.suspended", {}),
    (CUSTOMS, "customs.released", {}),
    (IMPORTER, "market.placed", {"parties": (WORKSHOP,)}),
    (WORKSHOP, "soh.measured", {"quantities": {"soh_permille": 990}}),
    (WORKSHOP, "battery.installed", {"bound_asset": CAR}),
    (IMPORTER, "battery.sold", {"parties": (WORKSHOP,)}),
    (WORKSHOP, "battery.replaced", {"bound_asset": CAR, "references": (OTHER,)}),
    (IMPORTER, "battery.sold", {"parties": (RECYCLER,)}),
    (RECYCLER, "battery.declared_waste", {}),
    (RECYCLER, "waste.collected", {"quantities": {"mass_grams": 450_000}}),
    (RECYCLER, "battery.dismantled", {"references": (MODULE,)}),
    (RECYCLER, "recycling.received", {"quantities": {"mass_in_grams": 450_000}}),
    (RECYCLER, "recycling.completed", {"quantities": MASSES}),
    (RECYCLER, "material.recovered", {"quantities": {"mass_grams": 7}}),
)
SECOND = battery(4, "ZZ5")
# What of the states that this life does not reach: refused, entered without a record, made into another.
REFUSED: tuple[Act, ...] = (
    *LIFE[:4],
    (CUSTOMS, "customs.refused", {}),
    (CUSTOMS, "customs.refusal_lifted", {}),
    (IMPORTER, "battery.presented", {}),
)
ENROLLED: tuple[Act, ...] = (
    (IMPORTER, "battery.enrolled", {}),
    (IMPORTER, "market.placed", {"parties": (WORKSHOP,)}),
    (WORKSHOP, "battery.installed", {"bound_asset": CAR}),
)
CONSUMED: tuple[Act, ...] = (
    *LIFE[:2],
    (MAKER, "battery.sold", {"parties": (SECOND_LIFE,)}),
    (MAKER, "market.placed", {}),
    (SECOND_LIFE, "second_life.repurposed", {"references": (SECOND,), "who": (MAKER,)}),
)
OTHER_LIVES = [
    *((REFUSED, upto, f"after-{REFUSED[upto - 1][1]}") for upto in (5, 6)),
    *((ENROLLED, upto, f"enrolled-after-{ENROLLED[upto - 1][1]}") for upto in (1, 2, 3)),
    (CONSUMED, 5, "after-second_life.repurposed"),
]


@cache
def genesis() -> Genesis:
    lifecycle = make_genesis().governance.lifecycle
    licences = []
    for did, jurisdiction in STRANGERS.items():
        roles = tuple(
            role
            for role in lifecycle.roles
            if did == ABROAD or role not in lifecycle.officials  # an authority at home may speak
        )
        licences.append(
            Accreditation(did, roles, (("gbt34014", "*"),), jurisdiction, valid_from=CREATED - 86_400)
        )
    CAST.update({did: (where, (), ()) for did, where in STRANGERS.items()})
    try:
        people = [participant(did) for did in CAST]
        return make_genesis(participants=people, accreditations=[*accreditations(), *licences])
    finally:
        for did in STRANGERS:
            del CAST[did]


def fitting(event: Event, ledger: Ledger, subject: Subject) -> dict[str, Any]:
    """Members with which a stranger would say it: everything in form and range."""
    members: dict[str, Any] = {}
    for member in event.ledger_members:
        match member.ledger:
            case "bound_asset":
                bound = ledger.standing(subject).bound_asset
                members["bound_asset"] = (
                    STRANGERS_CAR if event.effects.bound == "bind" or not bound else bound
                )
            case "parties":
                members["parties"] = (CUSTOMS if "office" in member.name else ABROAD,)
            case "quantities":
                members.setdefault("quantities", {})[member.name] = member.minimum or 1
            case "set_list":
                members["set_list"] = set_list(9, 9)
            case "references" if member.type == "digest":
                undo, passport = ledger.standing(subject).undo, ledger.standing(subject).passport
                named = passport.digest if event.effects.passport and passport else undo and undo.attestation
                members["references"] = (named or bytes(32),)
            case "references" if not event.effects.creates:
                members["references"] = (OTHER,)
    return members


def attacks(ledger: Ledger, subject: Subject) -> Iterator[tuple[str, str, bytes]]:
    """Every event by every stranger, signed, about this battery as it stands now."""
    for event in ledger.genesis.governance.lifecycle.events.values():
        if not event.battery_event:
            continue
        for stranger in STRANGERS:
            who = (ABROAD,) if event.countersigned_by == "parties" else ()
            members = fitting(event, ledger, subject)
            yield event.type, stranger, ledger.countersigned(stranger, event.type, subject, who, **members)
            if event.told_late:  # and of a time some steps before
                members["event_time"] = ledger.now - 30
                yield (
                    event.type,
                    stranger,
                    ledger.countersigned(stranger, event.type, subject, who, **members),
                )


def lived(
    upto: int, spoil: Callable[[Ledger], None] = lambda _: None, life: tuple[Act, ...] = LIFE
) -> Ledger:
    """The first `upto` steps of the honest life, then `spoil`, then the next step."""
    ledger = Ledger(genesis())
    ledger.happen(MAKER, "battery.produced", OTHER)
    for by, kind, members in life[:upto]:
        ledger.run(ledger.countersigned(by, kind, PACK, **{"who": (), **members}))
    spoil(ledger)
    if upto < len(life):
        by, kind, members = life[upto]
        execution = ledger.happen(by, kind, PACK, **members)
        assert execution.entries[0][:2] == b"\xd2\x84", f"{kind} of {by} was not admitted"
    return ledger


def entitled(kind: str, stranger: str, ledger: Ledger) -> bool:
    """What I5 lets the stranger say: a trade of the place, once the battery is in use."""
    event = ledger.genesis.governance.lifecycle.events[kind]
    placed = ledger.standing(PACK).setting("placed", STRANGERS[stranger])
    in_use = ledger.standing(PACK).used and placed is not None
    return event.effects.enrols or (event.speaks == "trade" and in_use)


@pytest.mark.parametrize(
    ("life", "upto"),
    [
        *(
            pytest.param(LIFE, n, id=f"after-{LIFE[n - 1][1] if n else 'nothing'}")
            for n in range(len(LIFE) + 1)
        ),
        *(pytest.param(life, n, id=name, marks=pytest.mark.check) for life, n, name in OTHER_LIVES),
    ],
)
def test_a_stranger_spoils_nothing(
    life: tuple[Act, ...], upto: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Whatever strangers say in this state, or late of one before, the standing stays and the honest life goes
    on.
    """
    counted = {"claims": 0, "refused": 0}

    def spoil(ledger: Ledger) -> None:
        key = standing_key(PACK)
        before = ledger.reader.records.get(key)
        for kind, stranger, tx in list(attacks(ledger, PACK)):
            if entitled(kind, stranger, ledger):
                continue
            try:
                entry = parse_entry(ledger.run(tx).entries[0])
            except Refusal:
                assert ledger.propose([tx]) == ()
                counted["refused"] += 1
            else:
                assert isinstance(entry, ClaimEntry), f"{kind} by {stranger} became state"
                counted["claims"] += 1
            assert ledger.reader.records.get(key) == before, f"{kind} by {stranger} changed the standing"

    undisturbed, disturbed = lived(upto, life=life), lived(upto, spoil, life)

    now, then = disturbed.standing(PACK), undisturbed.standing(PACK)
    for name in ("item_state", "eu_status", "publication", "holder", "named", "place", "marks", "voided"):
        assert getattr(now, name) == getattr(then, name), name
    assert now.jurisdictions.keys() == then.jurisdictions.keys()
    assert (now.refusals_count, now.contested) == (then.refusals_count, then.contested)
    with capsys.disabled():
        print(f"griefing: {counted['claims']} claims, {counted['refused']} refused", end=" ")


@pytest.mark.check
def test_every_state_of_the_table_is_reached_by_an_honest_life() -> None:
    """
    Strangers speak in each of them.
    """
    lives = [(LIFE, n) for n in range(len(LIFE) + 1)] + [(life, n) for life, n, _ in OTHER_LIVES]
    reached = {lived(n, life=life[:n]).standing(PACK).item_state for life, n in lives}

    assert reached == set(make_genesis().governance.lifecycle.states)


@pytest.mark.check
def test_each_event_is_tried_as_a_claim_first(capsys: pytest.CaptureFixture[str]) -> None:
    """
    One claim of a party about a battery is recorded: so every event is also tried as a stranger's very first.
    """
    tried = claimed = 0
    for upto in range(len(LIFE)):
        base = lived(upto)
        for kind, stranger, tx in attacks(base, PACK):
            if entitled(kind, stranger, base):
                continue
            tried += 1
            try:
                judged = base.registry.foresee(tx, base.now)
            except Refusal:
                continue
            claimed += 1
            assert isinstance(judged, Silent), f"{kind} by {stranger}: {judged}"
    with capsys.disabled():
        print(f"griefing: {tried} events x strangers x states, {claimed} would be claims", end=" ")
    assert claimed > 200


@pytest.mark.check
def test_a_stranger_changes_no_verdict_of_an_import(capsys: pytest.CaptureFixture[str]) -> None:
    """
    In the first states of an import, each event by each party that may not speak, also late, and also of
    another battery that it names this one in: the holder's next act is recorded, and the whole verdict is the
    same before and after it, shown in another way each time.
    """
    count = spoil([replace(TRADES[0], acts=TRADES[0].acts[:2])], views=1)

    with capsys.disabled():
        print(f"griefing: {count}", end=" ")
    assert count.claims > 40 and count.late and count.elsewhere
    assert not count.findings, count.findings[0]


@pytest.mark.check
def test_a_stranger_changes_no_verdict_of_any_honest_trade(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The same in each state of every honest trade: use, second life, waste, returns, both directions. Of what
    is said late or of another battery one in eight, of the rest one in two, in each state others.
    """
    count = spoil(TRADES, views=1, every=8, every_now=2)

    with capsys.disabled():
        print(f"griefing: {count}", end=" ")
    assert count.claims > 1_000 and count.late > 100 and count.elsewhere
    assert not count.findings, count.findings[0]


@pytest.mark.long
def test_a_stranger_changes_no_verdict_of_any_honest_trade_late_or_beside(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    The same with all that strangers say late, or of another battery.
    """
    count = spoil(TRADES, views=1)

    with capsys.disabled():
        print(f"griefing: {count}", end=" ")
    assert not count.findings, count.findings[0]


@pytest.mark.check
def test_a_verdict_that_hears_strangers_is_found() -> None:
    """
    With the bug that every operator speaks, that a claim holds the goods, or that a repair is believed of
    every part that it names, the comparison finds it.
    """
    made = [replace(TRADES[0], acts=TRADES[0].acts[:3])]
    with BUGS["any_operator_speaks"]():
        spoken = spoil(made, views=1)
    with patched(shown, "_check_claims", _claims_hold):
        louder = spoil(made, views=1)
    with a_trade_names_what_it_likes():
        named = spoil(made, views=1)

    assert any("battery.maintained" in finding for finding in named.findings)
    assert any("became state" in finding for finding in spoken.findings)
    assert any("verdict" in finding for finding in louder.findings)


def _claims_hold(found: Findings, standing: Any, inquiry: Inquiry) -> None:
    """A planted bug: what a stranger says holds the goods."""
    ledger = inquiry.evidence.ledger
    if ledger is not None and ledger.claims is not None:
        found.failed("standing.claims", "recalled")
