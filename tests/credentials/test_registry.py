"""The registry: every event has a lawful and an unlawful path, conflicts are recorded, blocks are pure."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from consensus import pool as pool_module
from consensus.application import NotYet, Refusal
from consensus.cose import SeedSigner
from consensus.encoding import encode
from consensus.pool import Pool
from consensus.standings_map import StandingsMap
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger import registry as registry_module
from credentials.ledger.attestation import (
    Attestation,
    Criteria,
    StatusUpdate,
    countersign,
    draft_attestation,
    make_attestation,
    parse_attestation,
    standing_key,
    status_subject,
    verify_attestation,
)
from credentials.ledger.entries import (
    AdmittedEntry,
    BlockEntry,
    ClaimEntry,
    PolicyEntry,
    RefusedEntry,
    parse_entry,
)
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.parties import Limits
from credentials.ledger.recalls import Recalls, recall_subject
from credentials.ledger.records import Asset, Quota, StatusLists
from credentials.ledger.registry import Registry, block_order
from credentials.ledger.standing import Standing
from tests.credentials.test_routes import ends_as
from tests.harness.ledger import (
    CN_AUTHORITY,
    CN_CUSTOMS,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    OUTSIDER,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    battery,
    day_of,
    lifecycle_table,
    make_genesis,
    set_list,
    set_list_digest,
    signer,
    vehicle,
)

Members = dict[str, Any]
TABLE = Lifecycle.parse(lifecycle_table())
CAR = vehicle(1)
LIST_URL = "https://maker.example/status/1"


def published(ledger: Ledger) -> Subject:
    return ledger.produced(1, published=True)


def presented(ledger: Ledger) -> Subject:
    subject = published(ledger)
    ledger.happen(CN_AUTHORITY, "battery.exported", subject, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)
    return subject


def sold(ledger: Ledger) -> Subject:
    """Its maker named the importer and the workshop."""
    subject = published(ledger)
    ledger.happen(MAKER, "battery.sold", subject, parties=(IMPORTER, WORKSHOP))
    return subject


def refused_goods(ledger: Ledger) -> Subject:
    subject = presented(ledger)
    ledger.happen(CUSTOMS, "customs.refused", subject)
    return subject


def lost(ledger: Ledger) -> Subject:
    subject = published(ledger)
    ledger.happen(MAKER, "battery.reported_lost", subject)
    return subject


def recalled(ledger: Ledger) -> Subject:
    subject = published(ledger)
    ledger.happen(MAKER, "battery.recalled", subject)
    return subject


def banned(ledger: Ledger) -> Subject:
    subject = published(ledger)
    ledger.happen(CN_AUTHORITY, "passport.revoked", subject, references=PASSPORT)
    return subject


def recall_published(ledger: Ledger) -> Subject:
    ledger.happen(MAKER, "recall.published", RECALL, **CRITERIA)
    return RECALL


def last_recall(ledger: Ledger, subject: Subject) -> Members:
    data = ledger.reader.records.get(standing_key(RECALL))
    return {"references": (Recalls.decode(data).recalls[-1].attestation,) if data else (bytes(32),)}


def installed(ledger: Ledger) -> Subject:
    """Sold to, and so named, the workshop; then installed."""
    subject = published(ledger)
    ledger.happen(MAKER, "battery.sold", subject, parties=(WORKSHOP, MAKER, IMPORTER))
    ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)
    return subject


def removed(ledger: Ledger) -> Subject:
    subject = installed(ledger)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    return subject


def waste(ledger: Ledger) -> Subject:
    return ledger.waste(1)


def in_recycling(ledger: Ledger) -> Subject:
    subject = waste(ledger)
    ledger.happen(RECYCLER, "recycling.received", subject, quantities={"mass_in_grams": 450_000})
    return subject


def recycled(ledger: Ledger) -> Subject:
    subject = in_recycling(ledger)
    ledger.happen(RECYCLER, "recycling.completed", subject, quantities=MASSES)
    return subject


def suspended_passport(ledger: Ledger) -> Subject:
    subject = published(ledger)
    ledger.happen(MAKER, "passport.suspended", subject, references=PASSPORT)
    return subject


def last_of(ledger: Ledger, subject: Subject) -> Members:
    undo = ledger.standing(subject).undo
    return {"references": (undo.attestation,) if undo else (bytes(32),)}


def first_list(ledger: Ledger, subject: Subject) -> Members:
    return status_members(1, None)


def status_members(seq: int, previous: bytes | None, salt: int = 0) -> Members:
    digest = sha256(b"list %d %d" % (seq, salt)).digest()
    return {"document_digest": digest, "status": StatusUpdate(digest, "revocation", seq, previous)}


MASSES = {f"{e}_{way}_grams": 10 for e in ("co", "ni", "li", "cu") for way in ("in", "out")}
PASSPORT = (set_list_digest(set_list(1)),)
SUCCESSORS = {"references": (battery(21, "ZZ5"),)}
RECALL = recall_subject("gbt34014", "ZZ1")
CRITERIA = {"criteria": Criteria(("ZZ1PE75",))}


def in_its_place(ledger: Ledger, subject: Subject) -> Members:
    """A replacement that exists (it is named by whoever asks)."""
    other = battery(2)
    if not ledger.standing(other).born:
        ledger.happen(MAKER, "battery.produced", other)
    return {"bound_asset": CAR, "references": (other,)}


MembersOf = Members | Callable[[Ledger, Subject], Members]

# For every event: a history after which it is lawful, who may attest it with which members, and who may not.
EVENTS: dict[str, tuple[Callable[[Ledger], Subject], str, MembersOf, str]] = {
    "battery.produced": (
        lambda _: battery(1),
        MAKER,
        {"quantities": {"mass_grams": 452_500}, "produced_on": day_of(CREATED)},
        OTHER_MAKER,
    ),
    "battery.exported": (published, CN_AUTHORITY, {"parties": (IMPORTER,)}, RECYCLER),
    "battery.presented": (sold, IMPORTER, {}, RIVAL),
    "customs.suspended": (presented, CUSTOMS, {}, EU_AUTHORITY),
    "customs.released": (presented, CUSTOMS, {}, IMPORTER),
    "customs.refused": (presented, CUSTOMS, {}, IMPORTER),
    "passport.published": (lambda ledger: ledger.produced(1), MAKER, {"set_list": set_list(1)}, IMPORTER),
    "market.placed": (sold, IMPORTER, {"quantities": {"art_41_checked": 1}}, RIVAL),
    "battery.installed": (sold, WORKSHOP, {"bound_asset": CAR}, IMPORTER),
    "battery.swapped_out": (installed, WORKSHOP, {"bound_asset": CAR}, MAKER),
    "battery.replaced": (installed, WORKSHOP, in_its_place, IMPORTER),
    "battery.maintained": (installed, WORKSHOP, {}, IMPORTER),
    "soh.measured": (installed, WORKSHOP, {"quantities": {"soh_permille": 912}}, IMPORTER),
    "negative_event": (installed, WORKSHOP, {}, IMPORTER),
    "vehicle.scrapped": (installed, WORKSHOP, {"bound_asset": CAR}, RECYCLER),
    "battery.declared_waste": (installed, MAKER, {}, CUSTOMS),
    "waste.collected": (waste, RECYCLER, {"quantities": {"mass_grams": 450_000}}, WORKSHOP),
    "battery.dismantled": (
        waste,
        RECYCLER,
        {"references": (battery(11, "ZZ6"), battery(12, "ZZ6"))},
        WORKSHOP,
    ),
    "second_life.prepared_for_reuse": (waste, SECOND_LIFE, SUCCESSORS, RECYCLER),
    "second_life.prepared_for_repurposing": (waste, SECOND_LIFE, SUCCESSORS, RECYCLER),
    "second_life.repurposed": (removed, SECOND_LIFE, SUCCESSORS, RECYCLER),
    "second_life.remanufactured": (removed, SECOND_LIFE, SUCCESSORS, RECYCLER),
    "waste.exported": (waste, RECYCLER, {}, IMPORTER),
    "used.exported": (
        removed,
        IMPORTER,
        {"quantities": {"soh_permille": 880, "not_waste": 1}},
        WORKSHOP,
    ),
    "recycling.received": (waste, RECYCLER, {"quantities": {"mass_in_grams": 1}}, WORKSHOP),
    "recycling.completed": (in_recycling, RECYCLER, {"quantities": MASSES}, WORKSHOP),
    "material.recovered": (recycled, RECYCLER, {"quantities": {"mass_grams": 7}}, WORKSHOP),
    "battery.reported_lost": (sold, IMPORTER, {}, RIVAL),
    "battery.recalled": (published, MAKER, {}, IMPORTER),
    "passport.superseded": (
        published,
        MAKER,
        {"references": PASSPORT, "set_list": set_list(1, 2)},
        IMPORTER,
    ),
    "passport.suspended": (published, CN_AUTHORITY, {"references": PASSPORT}, EU_AUTHORITY),
    "passport.reinstated": (suspended_passport, MAKER, {"references": PASSPORT}, IMPORTER),
    "passport.revoked": (published, MAKER, {"references": PASSPORT}, IMPORTER),
    "responsibility.transferred": (published, MAKER, {"parties": (IMPORTER,)}, IMPORTER),
    "battery.sold": (published, MAKER, {"parties": (IMPORTER,)}, CUSTOMS),
    "vehicle.registered": (installed, CN_AUTHORITY, {"bound_asset": CAR}, IMPORTER),
    "vehicle.sold": (installed, MAKER, {"bound_asset": CAR}, WORKSHOP),
    "attestation.corrected": (sold, MAKER, last_of, IMPORTER),
    "attestation.voided": (published, EU_AUTHORITY, last_of, IMPORTER),
    "battery.enrolled": (lambda _: battery(1), WORKSHOP, {}, CUSTOMS),
    "battery.handed_over": (sold, MAKER, {"parties": (IMPORTER,)}, IMPORTER),
    "battery.found": (lost, MAKER, {}, CN_AUTHORITY),
    "battery.recall_lifted": (recalled, MAKER, {}, CN_AUTHORITY),
    "customs.invalidated": (presented, CUSTOMS, {}, CN_CUSTOMS),
    "customs.moved": (presented, CUSTOMS, {"parties": (CUSTOMS,)}, CN_CUSTOMS),
    "customs.refusal_lifted": (refused_goods, CUSTOMS, {}, CN_CUSTOMS),
    "passport.ban_lifted": (banned, CN_AUTHORITY, {}, MAKER),
    "custody.assigned": (published, CN_AUTHORITY, {"parties": (RECYCLER,)}, EU_AUTHORITY),
    "end_of_life.certified": (published, CN_AUTHORITY, {"parties": (RECYCLER,)}, EU_AUTHORITY),
    "record.contested": (published, MAKER, last_of, IMPORTER),
    "record.withdrawn": (installed, CN_AUTHORITY, last_of, EU_AUTHORITY),
    "recall.published": (lambda _: RECALL, MAKER, CRITERIA, OTHER_MAKER),
    "recall.lifted": (recall_published, MAKER, last_recall, CN_AUTHORITY),
    "status.published": (lambda _: status_subject(MAKER, LIST_URL), MAKER, first_list, IMPORTER),
}
FROM_NOTHING = {
    "battery.produced",
    "battery.enrolled",
    "status.published",
    "recall.published",
    "recall.lifted",
}
# Where EVENTS' other party holds the licence and no right over the battery.
CLAIMED = {
    *(
        "battery.exported",
        "battery.presented",
        "market.placed",
        "battery.reported_lost",
        "passport.suspended",
    ),
    *("custody.assigned", "end_of_life.certified", "record.withdrawn"),
}
COUNTERSIGNERS = {
    "responsibility.transferred": (IMPORTER,),
    "battery.handed_over": (IMPORTER,),
    "battery.enrolled": (IMPORTER,),
    "attestation.voided": (CN_AUTHORITY,),
    **{kind: (MAKER,) for kind in EVENTS if kind.startswith("second_life.")},
}


def step(ledger: Ledger, kind: str, subject: Subject, by: str) -> bytes:
    """The attestation of EVENTS[kind], by whom it is asked for."""
    members = EVENTS[kind][2]
    members = members if isinstance(members, dict) else members(ledger, subject)
    return ledger.countersigned(by, kind, subject, COUNTERSIGNERS.get(kind, ()), **members)


def test_every_event_has_a_path() -> None:
    """
    Every event of lifecycle.json is walked below.
    """
    assert TABLE.events.keys() == EVENTS.keys()


@pytest.mark.parametrize("kind", EVENTS)
def test_lawful_event_is_admitted(kind: str) -> None:
    """
    After a lawful history the event is admitted with its exact bytes and moves the battery as the table says.
    Once the rules in force know such events no more, all authorities take it back, and nobody else does.
    """
    ledger = Ledger()
    history, by, _, _ = EVENTS[kind]
    subject = history(ledger)
    tx = step(ledger, kind, subject, by)

    execution = ledger.run(tx)

    assert execution.entries[0] == tx
    event = ledger.genesis.governance.lifecycle.events[kind]
    if event.to is not None:
        assert ledger.standing(subject).item_state == event.to
    if event.battery_event and not event.effects.undo:
        assert_only_voided(ledger, kind, subject, by)


def assert_only_voided(ledger: Ledger, kind: str, subject: Subject, by: str) -> None:
    """The battery's last record is of this kind, by this party; then the kind is dropped."""
    ledger.forget(kind)
    last = last_of(ledger, subject)
    withdrawn = {
        ends_as(ledger, did, "record.withdrawn", subject, **last) for did in (CN_AUTHORITY, EU_AUTHORITY)
    }
    ended = ledger.standing(subject).item_state in TABLE.final
    assert ends_as(ledger, by, "attestation.corrected", subject, **last) == (
        "X3" if ended else "irreversible"
    )
    assert withdrawn <= ({"X3"} if ended else {"irreversible", "claim"})  # "claim": by that of another side
    assert ends_as(ledger, by, kind, subject) == "unknown_kind"
    case = ledger.countersigned(EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), **last)
    assert ledger.run(case).entries[0] == case
    assert ledger.standing(subject).voided


@pytest.mark.parametrize("kind", EVENTS)
def test_event_by_another_party_is_not_admissible(kind: str) -> None:
    """
    The same step by a party without the licence never enters a block; with it, but without a right over this
    battery, it is recorded as a claim and the standing stays as it was.
    """
    ledger = Ledger()
    history, _, _, other = EVENTS[kind]
    subject = history(ledger)
    tx = step(ledger, kind, subject, other)

    before = ledger.reader.records.get(standing_key(subject))
    try:
        ledger.registry.check_tx(tx, ledger.now)
    except Refusal as refusal:
        assert refusal.code in {"X9", "not_responsible", "subject", "X10"}
    else:
        assert isinstance(parse_entry(ledger.run(tx).entries[0]), ClaimEntry)
        assert ledger.reader.records[standing_key(subject)] == before
        assert kind in CLAIMED
        return
    assert kind not in CLAIMED
    assert ledger.propose([tx]) == ()
    with pytest.raises(Refusal):
        ledger.registry.process_proposal(ledger.block([tx]))


@pytest.mark.parametrize("kind", [k for k in EVENTS if k not in FROM_NOTHING])
def test_event_about_an_unknown_battery_waits(kind: str) -> None:
    """
    Nothing is admitted about a battery whose production is not on the ledger.
    """
    ledger = Ledger()
    tx = step(ledger, kind, battery(1), EVENTS[kind][1])

    with pytest.raises(NotYet):
        ledger.registry.check_tx(tx, ledger.now)


@pytest.mark.parametrize(
    "kind", [kind for kind, e in TABLE.events.items() if any(m.required for m in e.ledger_members)]
)
def test_event_without_its_ledger_members_is_refused(kind: str) -> None:
    """
    A member that the rules need is in the delta, or the attestation is not admissible.
    """
    ledger = Ledger()
    history, by, _, _ = EVENTS[kind]
    subject = history(ledger)

    with pytest.raises(Refusal) as refusal:
        ledger.registry.check_tx(
            ledger.attest(by, kind, subject, produced_on=None, quantities={}), ledger.now
        )

    assert refusal.value.code == "members"


def test_golden_path_from_produced_to_recycled() -> None:
    """
    One battery from production to recycling: every step admitted, the three axes as the law has them.
    """
    ledger = Ledger()
    subject, path = battery(1), []

    def walk(by: str, kind: str, **members: Any) -> None:
        ledger.happen(by, kind, subject, **members)
        standing = ledger.standing(subject)
        path.append((standing.item_state, standing.eu_status, standing.publication))

    walk(MAKER, "battery.produced")
    walk(MAKER, "passport.published", set_list=set_list(1))
    walk(CN_AUTHORITY, "battery.exported", parties=(IMPORTER,))
    walk(IMPORTER, "battery.presented")
    walk(CUSTOMS, "customs.released")
    walk(IMPORTER, "market.placed")
    ledger.hand_over(IMPORTER, subject, WORKSHOP)
    walk(WORKSHOP, "battery.installed", bound_asset=CAR)
    ledger.hand_over(WORKSHOP, subject, RECYCLER)
    walk(RECYCLER, "battery.declared_waste")
    walk(RECYCLER, "recycling.received", quantities={"mass_in_grams": 450_000})
    walk(RECYCLER, "recycling.completed", quantities=MASSES)

    assert path == [
        ("produced", "original", "draft"),
        ("produced", "original", "active"),
        ("exported", "original", "active"),
        ("presented", "original", "active"),
        ("released", "original", "active"),
        ("placed", "original", "active"),
        ("installed", "original", "active"),
        ("waste", "waste", "active"),
        ("in_recycling", "waste", "active"),
        ("recycled", "waste", "ceased"),
    ]
    assert ledger.standing(subject).bound is None
    assert not ledger.standing(subject).live


def test_second_passport_of_the_same_maker_is_refused_on_the_record() -> None:
    """
    The second passport for one battery is an entry that names the first; the first stays live and is marked.
    """
    ledger = Ledger()
    subject = published(ledger)
    winner = ledger.standing(subject).passport
    assert winner is not None
    tx = ledger.attest(MAKER, "passport.published", subject, set_list=set_list(2))

    execution = ledger.run(tx)

    refused = parse_entry(execution.entries[0])
    assert refused == RefusedEntry(
        sha256(tx).digest(), MAKER, subject, "X1", winner.leaf_index, execution.height
    )
    assert execution.finals == (sha256(tx).digest(),)
    standing = ledger.standing(subject)
    assert standing.passport == winner and standing.live
    assert standing.refusals_count == 1
    assert [(r.document, r.rule) for r in standing.refusals] == [(set_list_digest(set_list(2)), "X1")]
    with pytest.raises(Refusal, match="on the ledger already"):
        ledger.registry.check_tx(tx, ledger.now)


def test_order_inside_one_block_decides_a_conflict() -> None:
    """
    Of two conflicting attestations in one block exactly one wins, the same one for every proposer.
    """
    outcomes = set()
    for turn in (1, -1):
        ledger = Ledger()
        subject = ledger.produced(1)
        txs = [ledger.attest(MAKER, "passport.published", subject, set_list=set_list(n)) for n in (1, 2)]
        execution = ledger.run(*txs[::turn])
        entries = [parse_entry(entry) for entry in execution.entries]
        assert [type(entry) for entry in entries] == [AdmittedEntry, RefusedEntry, BlockEntry]
        outcomes.add(execution.app_hash)

    assert len(outcomes) == 1


def test_predecessors_come_first_in_a_block() -> None:
    """
    A chain of events that name their predecessors is ordered in one block, whatever order they arrived in.
    """
    for seed in range(20):
        ledger = Ledger()
        subject = battery(seed)
        first = ledger.attest(MAKER, "battery.produced", subject)
        second = ledger.attest(
            MAKER, "passport.published", subject, set_list=set_list(1), predecessors=[sha256(first).digest()]
        )
        third = ledger.attest(
            CN_AUTHORITY, "battery.exported", subject, predecessors=[sha256(second).digest()]
        )
        with pytest.raises(NotYet):
            ledger.registry.check_tx(second, ledger.now)
        chosen = ledger.propose([third, second, first])

        assert chosen == (first, second, third)
        ledger.execute(ledger.block(chosen))
        assert ledger.standing(subject).item_state == "exported"


def test_what_is_proposed_can_be_executed_whichever_came_first() -> None:
    """
    Which of two reports came first decides which is lifted, and a proposal is judged as its block will be.
    Three parties that reported and found one battery in one block made every honest proposer propose what
    nobody could vote for.
    """
    ledger = Ledger()
    subject = ledger.produced(1)
    ledger.happen(MAKER, "battery.sold", subject, parties=(IMPORTER, RIVAL))
    ledger.happen(IMPORTER, "battery.reported_lost", subject)
    second = ledger.attest(RIVAL, "battery.reported_lost", subject)
    found = ledger.attest(MAKER, "battery.found", subject, predecessors=[sha256(second).digest()])
    again = ledger.attest(IMPORTER, "battery.found", subject, predecessors=[sha256(found).digest()])

    chosen = ledger.propose([second, found, again])

    assert chosen == (second, found)  # the holder ended the first report: its author has none to lift
    ledger.execute(ledger.block(chosen))
    assert [s.by for s in ledger.standing(subject).settings("lost").values()] == [RIVAL]


def test_block_with_predecessors_in_a_circle_has_no_order() -> None:
    """
    An attestation that follows itself round a corner is left out of the order, so no block holds it.
    """
    ledger = Ledger()
    one = parse_attestation(ledger.attest(MAKER, "battery.produced", battery(1)))
    circle = [replace(one, predecessors=(b"b" * 32,), digest=b"a" * 32)]
    circle.append(replace(one, predecessors=(b"a" * 32,), digest=b"b" * 32))

    assert block_order([*circle, one], bytes(32)) == [one]


def test_block_in_another_order_is_refused() -> None:
    """
    The order inside a block is computed: a proposer that chooses another one gets no vote.
    """
    ledger = Ledger()
    txs = [ledger.attest(MAKER, "battery.produced", battery(n)) for n in range(8)]
    chosen = ledger.propose(txs)
    assert set(chosen) == set(txs)

    with pytest.raises(Refusal, match="order"):
        ledger.registry.process_proposal(ledger.block(chosen[::-1]))


@pytest.mark.parametrize(
    "changes",
    [
        {"app_hash": b"x" * 32},
        {"config_digest": b"x" * 32},
        {"app_version": 2},
        {"height": 7},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_block_of_another_state_is_refused(changes: Members) -> None:
    """
    A block that names another state, configuration or version is not executed.
    """
    ledger = Ledger()

    with pytest.raises(Refusal):
        ledger.registry.process_proposal(ledger.block([], **changes))


def test_block_limits_are_validity() -> None:
    """
    Count, bytes and quota of an issuer bound a block for proposer and voter alike.
    """
    for limits in (
        Limits(attestations_per_block_max=3),
        Limits(per_issuer_per_block_max=3),
        Limits(per_issuer_per_day_max=3),
        Limits(block_bytes_max=1_400),
    ):
        ledger = Ledger(make_genesis(limits=limits))
        txs = [ledger.attest(MAKER, "battery.produced", battery(n)) for n in range(6)]

        chosen = ledger.propose(txs)

        assert len(chosen) == 3
        ordered = [a.data for a in block_order([parse_attestation(tx) for tx in txs], ledger.previous_id)]
        with pytest.raises(Refusal):
            ledger.registry.process_proposal(ledger.block(ordered))
        ledger.execute(ledger.block(chosen))


def test_daily_quota_counts_across_blocks_and_ends_with_the_day() -> None:
    """
    An issuer's daily quota holds over many blocks; the next day it is whole again.
    """
    ledger = Ledger(per_issuer_per_day_max=2)
    ledger.produced(1)
    ledger.produced(2)

    with pytest.raises(NotYet, match="on this day"):
        ledger.registry.check_tx(ledger.attest(MAKER, "battery.produced", battery(3)), ledger.now)
    ledger.now += 86_400
    ledger.produced(3)


def test_status_lists_are_a_chain() -> None:
    """
    Version n+1 names version n; a gap waits, another list for one number is refused on the record.
    """
    ledger = Ledger()
    subject = status_subject(MAKER, LIST_URL)
    first, second = status_members(1, None), status_members(2, status_members(1, None)["document_digest"])

    with pytest.raises(NotYet):
        ledger.registry.check_tx(ledger.attest(MAKER, "status.published", subject, **second), ledger.now)
    ledger.happen(MAKER, "status.published", subject, **first)
    with pytest.raises(Refusal, match="version 1 of this status list is on the ledger already") as again:
        ledger.registry.check_tx(ledger.attest(MAKER, "status.published", subject, **first), ledger.now)
    assert again.value.code == "duplicate"
    with pytest.raises(Refusal, match="does not follow"):
        wrong = status_members(2, b"w" * 32)
        ledger.registry.check_tx(ledger.attest(MAKER, "status.published", subject, **wrong), ledger.now)
    ledger.happen(MAKER, "status.published", subject, **second)
    other = status_members(2, first["document_digest"], salt=1)
    execution = ledger.happen(MAKER, "status.published", subject, **other)

    refused = parse_entry(execution.entries[0])
    assert isinstance(refused, RefusedEntry) and refused.rule == "S1"
    lists = StatusLists.decode(ledger.reader.records[standing_key(subject)])
    assert lists.latest["revocation"].digest == second["document_digest"]


def test_passport_versions_and_statuses() -> None:
    """
    Superseded, suspended, reinstated and revoked change the live passport; a revoked one stays revoked.
    """
    ledger = Ledger()
    subject = published(ledger)
    second = (set_list_digest(set_list(1, 2)),)

    ledger.happen(MAKER, "passport.superseded", subject, references=PASSPORT, set_list=set_list(1, 2))
    standing = ledger.standing(subject)
    assert standing.passport and standing.passport.version == 2 and standing.live
    assert [p.status for p in standing.earlier] == ["superseded"]
    with pytest.raises(Refusal, match="superseded"):
        old = ledger.attest(MAKER, "passport.revoked", subject, references=PASSPORT)
        ledger.registry.check_tx(old, ledger.now)
    ledger.happen(CN_AUTHORITY, "passport.suspended", subject, references=second)
    assert ledger.standing(subject).suspended
    with pytest.raises(Refusal, match="has to lift it"):
        tx = ledger.attest(MAKER, "passport.reinstated", subject, references=second)
        ledger.registry.check_tx(tx, ledger.now)
    ledger.happen(CN_AUTHORITY, "passport.reinstated", subject, references=second)
    assert ledger.standing(subject).live
    ledger.happen(MAKER, "passport.revoked", subject, references=second)
    assert ledger.standing(subject).revoked and ledger.standing(subject).publication == "ceased"
    with pytest.raises(Refusal, match="revoked"):
        tx = ledger.attest(MAKER, "passport.reinstated", subject, references=second)
        ledger.registry.check_tx(tx, ledger.now)
    ledger.happen(MAKER, "passport.published", subject, set_list=set_list(1, 3))
    assert ledger.standing(subject).live
    assert ledger.standing(subject).passport_with(second[0]).status == "revoked"  # type: ignore[union-attr]


def test_correction_takes_the_last_effect_back_and_keeps_the_record() -> None:
    """
    The author takes its last attestation back in time: standing and vehicle are as before, refusals stay.
    """
    ledger = Ledger(correction_s_max=100)
    subject = published(ledger)
    before = ledger.standing(subject)
    ledger.happen(MAKER, "battery.installed", subject, bound_asset=CAR)
    ledger.happen(MAKER, "passport.published", subject, set_list=set_list(2))  # refused by X1

    ledger.happen(MAKER, "attestation.corrected", subject, **last_of(ledger, subject))

    after = ledger.standing(subject)
    assert (after.item_state, after.bound, after.facts) == (before.item_state, None, before.facts)
    assert after.marks == ("installed",)
    assert after.refusals_count == 1
    assert Asset.decode(ledger.reader.records[Asset(CAR).key]).installed == ()
    with pytest.raises(Refusal, match="last record"):
        tx = ledger.attest(
            MAKER,
            "attestation.corrected",
            subject,
            references=(before.passport.attestation,),  # type: ignore[union-attr]
        )
        ledger.registry.check_tx(tx, ledger.now)
    ledger.happen(MAKER, "battery.recalled", subject)
    ledger.now += 200
    with pytest.raises(Refusal, match="time for a correction"):
        tx = ledger.attest(MAKER, "attestation.corrected", subject, **last_of(ledger, subject))
        ledger.registry.check_tx(tx, ledger.now)


def test_voided_production_can_be_attested_again() -> None:
    """
    Authorities of both jurisdictions remove a production; the code is free for its maker again.
    """
    ledger = Ledger()
    subject = ledger.produced(1)
    tx = ledger.countersigned(
        EU_AUTHORITY, "attestation.voided", subject, (CN_AUTHORITY,), **last_of(ledger, subject)
    )

    ledger.run(tx)

    assert ledger.standing(subject).item_state == "unknown"
    ledger.happen(MAKER, "battery.produced", subject)
    assert ledger.standing(subject).producer == MAKER


def test_transferred_responsibility_moves_the_right_to_publish() -> None:
    """
    After a countersigned transfer the new operator publishes and the old one no longer may.
    """
    ledger = Ledger()
    subject = ledger.produced(1)
    ledger.run(
        ledger.countersigned(MAKER, "responsibility.transferred", subject, (IMPORTER,), parties=(IMPORTER,))
    )

    with pytest.raises(Refusal, match="answers for this battery"):
        tx = ledger.attest(MAKER, "passport.published", subject, set_list=set_list(1))
        ledger.registry.check_tx(tx, ledger.now)
    ledger.happen(IMPORTER, "passport.published", subject, set_list=set_list(1))

    assert ledger.standing(subject).passport.issuer == IMPORTER  # type: ignore[union-attr]


def test_second_life_gives_the_successor_its_status() -> None:
    """
    A successor names what it was made from and starts with the EU status the predecessor was given.
    """
    ledger = Ledger()
    old, new = ledger.waste(1), battery(21, "ZZ5")
    early = ledger.attest(SECOND_LIFE, "battery.produced", new, references=(old,))
    with pytest.raises(NotYet):
        ledger.registry.check_tx(early, ledger.now)
    ledger.run(step(ledger, "second_life.prepared_for_reuse", old, SECOND_LIFE))

    ledger.run(early)

    assert ledger.standing(old).item_state == "consumed"
    assert ledger.standing(old).publication == "superseded"
    assert ledger.standing(new).eu_status == "re-used"


def test_subject_is_bound_to_its_namespace() -> None:
    """
    An accredited maker that registers another maker's H under its own namespace does not touch that battery.
    """
    ledger = Ledger()
    squatted = battery(1)
    ledger.happen(OTHER_MAKER, "battery.produced", Subject("gbt34014", "ZZ3", squatted.h))

    ledger.happen(MAKER, "battery.produced", squatted)

    assert ledger.standing(squatted).producer == MAKER


def test_vehicle_with_the_h_of_a_battery_leaves_the_battery_alone() -> None:
    """
    The record of a vehicle never lies where a battery's does, whatever H its binder claims.
    """
    ledger = Ledger()
    victim, other = ledger.produced(1), published_number(ledger, 2)
    ledger.happen(WORKSHOP, "battery.installed", other, bound_asset=Subject("uri", "ZZ1", victim.h))

    assert ledger.standing(victim).item_state == "produced"


def published_number(ledger: Ledger, number: int) -> Subject:
    return ledger.produced(number, published=True)


# -- hostile input ------------------------------------------------------------------------------------


def test_key_must_be_an_attest_key_in_its_interval() -> None:
    """
    Another role's key, an unknown key, a key outside its interval and a signature by another key are refused.
    """
    ledger = Ledger()
    subject = battery(1)
    attempts = {
        "vote key": ledger.attest(MAKER, "battery.produced", subject, key=signer(MAKER, "vote")),
        "before the key": ledger.attest(MAKER, "battery.produced", subject, event_time=CREATED - 90_000),
        "no such key": ledger.attest(
            MAKER, "battery.produced", subject, key=SeedSigner(f"{MAKER}#attest-9", b"9" * 32)
        ),
        "another key": ledger.attest(
            MAKER, "battery.produced", subject, key=SeedSigner(f"{MAKER}#attest-1", b"9" * 32)
        ),
        "no party": ledger.attest(
            "did:web:nobody.example",
            "battery.produced",
            subject,
            key=SeedSigner("did:web:nobody.example#attest-1", b"9" * 32),
        ),
        "no role": ledger.attest(OUTSIDER, "battery.produced", subject),
        "other network": ledger.attest(MAKER, "battery.produced", subject, network_id=b"o" * 32),
        "no such event": ledger.attest(MAKER, "battery.blessed", subject),
        "asset as battery": ledger.attest(CUSTOMS, "battery.presented", CAR),
    }

    codes = {}
    for name, tx in attempts.items():
        with pytest.raises(Refusal) as refusal:
            ledger.registry.check_tx(tx, ledger.now)
        codes[name] = refusal.value.code
        with pytest.raises(Refusal):
            ledger.registry.process_proposal(ledger.block([tx]))

    assert codes == {
        "vote key": "X9",
        "before the key": "X9",
        "no such key": "issuer_unknown",
        "another key": "invalid_signature",
        "no party": "issuer_unknown",
        "no role": "X9",
        "other network": "wrong_network",
        "no such event": "unknown_kind",
        "asset as battery": "subject",
    }


def test_forged_countersignature_is_refused() -> None:
    """
    A countersignature over another statement, or by another key, makes the attestation inadmissible.
    """
    ledger = Ledger()
    subject = published(ledger)
    statement = ledger.statement("responsibility.transferred", subject, parties=(IMPORTER,))
    other = draft_attestation(issuer=MAKER, **{**statement, "event_time": ledger.now + 1})
    statement["countersignatures"] = [countersign(other, signer(IMPORTER))]
    tx = make_attestation(signer=signer(MAKER), iat=ledger.now, issuer=MAKER, **statement)

    with pytest.raises(Refusal, match="not valid"):
        ledger.registry.check_tx(tx, ledger.now)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_attestations_raise_nothing_but_refusals(seed: int) -> None:
    """
    Any changed, cut or random byte string is a Refusal, never another exception and never admitted.
    """
    ledger = Ledger()
    chance = random.Random(seed)
    subject = installed(ledger)
    good = step(ledger, "vehicle.scrapped", subject, WORKSHOP)
    for _ in range(400):
        data = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 5))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        if bytes(data) == good:
            continue
        with pytest.raises(Refusal):
            ledger.registry.check_tx(bytes(data), ledger.now)
        assert ledger.propose([bytes(data)]) == ()
        with pytest.raises(Refusal):
            ledger.registry.process_proposal(ledger.block([bytes(data)]))


def test_resigned_hostile_attestations_raise_nothing_but_refusals() -> None:
    """
    Signed statements of any kind with any members are admitted, recorded or refused, never a crash.
    """
    ledger = Ledger()
    chance = random.Random(7)
    subject = installed(ledger)
    kinds = list(EVENTS)
    choices: dict[str, list[Any]] = {
        "bound_asset": [None, CAR, vehicle(2), battery(1)],
        "parties": [(), (IMPORTER,), ("did:web:nobody.example",)],
        "references": [(), PASSPORT, (bytes(32),), (battery(2),), (subject,), (battery(3), bytes(32))],
        "quantities": [{}, {"mass_grams": 1}, MASSES, {"soh_permille": 2**53 - 1}],
        "set_list": [None, set_list(1), set_list(1, 2), set_list(2, 9)],
        "children_root": [None, bytes(32)],
        "predecessors": [(), (bytes(32),)],
        "event_time": [0, ledger.now, ledger.now + 1_000, 2**53 - 1],
    }
    parties = [MAKER, WORKSHOP, RECYCLER, CUSTOMS, IMPORTER, EU_AUTHORITY]
    admitted = 0
    for _ in range(1_500):
        members = {name: chance.choice(values) for name, values in choices.items() if chance.random() < 0.12}
        by = chance.choice(parties)
        tx = ledger.attest(by, chance.choice(kinds), chance.choice((subject, battery(5))), **members)
        try:
            ledger.registry.check_tx(tx, ledger.now)
        except Refusal:
            continue
        ledger.execute(ledger.block([tx]))
        admitted += 1

    assert admitted > 10


# -- determinism --------------------------------------------------------------------------------------

RUN = """
import random
from consensus.application import Refusal
from tests.harness.ledger import *
ledger, chance = Ledger(), random.Random(5)
subjects = [battery(n) for n in range(12)]
for round in range(30):
    txs = []
    for _ in range(20):
        n = chance.randrange(12)
        by, kind, members = chance.choice([
            (MAKER, "battery.produced", {}),
            (MAKER, "passport.published", {"set_list": set_list(n, chance.randrange(1, 3))}),
            (CN_AUTHORITY, "battery.exported", {}),
            (IMPORTER, "battery.presented", {}),
            (CUSTOMS, "customs.released", {}),
            (IMPORTER, "market.placed", {}),
            (WORKSHOP, "battery.installed", {"bound_asset": vehicle(n % 4)}),
            (MAKER, "battery.declared_waste", {"parties": (RECYCLER,)}),
            (RECYCLER, "recycling.received", {"quantities": {"mass_in_grams": 5}}),
        ])
        txs.append(ledger.attest(by, kind, subjects[n], **members))
    ledger.execute(ledger.block(ledger.propose(txs)))
print(ledger.registry.app_hash.hex(), ledger.log.root.hex(), ledger.log.size)
"""


def test_run_does_not_depend_on_the_hash_seed() -> None:
    """
    Two processes with different string hashing end with one app hash and one log.
    """
    outputs = {
        subprocess.run(
            [sys.executable, "-c", RUN],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1")
    }

    assert len(outputs) == 1
    assert int(outputs.pop().split()[2]) > 80


def test_node_that_only_follows_reaches_the_same_state() -> None:
    """
    A second registry that never saw check_tx or prepare_proposal executes the blocks to the same hashes.
    """
    leader, follower = Ledger(), Ledger()
    for number in range(5):
        txs = [leader.attest(MAKER, "battery.produced", battery(number * 10 + n)) for n in range(5)]
        block = leader.block(leader.propose(txs))
        ours, theirs = leader.execute(block), follower.execute(block)
        assert (ours.app_hash, ours.entries, ours.standings) == (
            theirs.app_hash,
            theirs.entries,
            theirs.standings,
        )


def test_registry_built_from_stored_records_continues() -> None:
    """
    A registry made from a reader, an app hash and a height goes on where the other one stopped.
    """
    ledger = Ledger()
    subject = installed(ledger)
    restored = Registry(
        ledger.genesis,
        ledger.reader,
        app_hash=ledger.registry.app_hash,
        standings_map=StandingsMap(ledger.reader.records.items()),
        history=ledger.genesis.history(ledger.height),
    )
    block = ledger.block([step(ledger, "battery.swapped_out", subject, WORKSHOP)])

    assert restored.finalize_block(block).app_hash == ledger.registry.process_proposal(block).app_hash


def test_proposal_that_is_not_decided_changes_nothing() -> None:
    """
    Executing a block without committing it leaves the registry as it was.
    """
    ledger = Ledger()
    tx = ledger.attest(MAKER, "battery.produced", battery(1))
    other = ledger.attest(MAKER, "battery.produced", battery(2))

    ledger.registry.process_proposal(ledger.block([tx]))

    assert ledger.registry.process_proposal(ledger.block([other])).entries[0] == other
    ledger.execute(ledger.block([tx]))


def test_records_round_trip() -> None:
    """
    Every record that a rich history leaves decodes to what it was encoded from, and to no other kind.
    """
    ledger = Ledger()
    step_subject = ledger.waste(1)
    ledger.run(step(ledger, "battery.dismantled", step_subject, RECYCLER))
    ledger.happen(MAKER, "status.published", status_subject(MAKER, LIST_URL), **status_members(1, None))
    other = published_number(ledger, 2)
    ledger.happen(MAKER, "battery.installed", other, bound_asset=CAR)
    ledger.happen(MAKER, "passport.published", other, set_list=set_list(3))
    kinds = (Standing, Asset, StatusLists, Quota)

    seen = set()
    for key, data in ledger.reader.records.items():
        for kind in kinds:
            try:
                record = kind.decode(data)
            except CredentialError:
                continue
            assert record.encode() == data and record.key == key
            seen.add(kind)

    assert seen == set(kinds)


def test_entries_are_read_strictly() -> None:
    """
    Each kind of entry round-trips; anything else is malformed.
    """
    ledger = Ledger()
    tx = ledger.attest(MAKER, "battery.produced", battery(1))
    entries: list[RefusedEntry | BlockEntry | PolicyEntry] = [
        RefusedEntry(b"d" * 32, MAKER, battery(1), "X1", 4, 2),
        BlockEntry(1, 2, *(bytes([n]) * 32 for n in range(5))),
        PolicyEntry(bytes(32), "log ...\n", ("key",)),
    ]

    for entry in entries:
        assert parse_entry(entry.encode()) == entry
    admitted = parse_entry(tx)
    assert isinstance(admitted, AdmittedEntry) and admitted.attestation.data == tx
    for bad in (b"", b"\xd2\x84", tx[:-1], encode(["comity/refused/v1", 1]), encode({}), encode(["x"])):
        with pytest.raises(CredentialError):
            parse_entry(bad)


def test_rules_that_are_not_built_are_not_accepted_silently() -> None:
    """
    A table that guards an event by a rule this version does not have is refused at the start.
    """
    table = lifecycle_table()
    table["events"][0]["guards"].append("X13")
    files = {"lifecycle.json": json.dumps(table).encode()}

    with pytest.raises(CredentialError, match="X13"):
        Ledger(make_genesis(rule_files=files))


def test_an_attestation_that_was_parsed_is_judged_as_its_bytes() -> None:
    """
    Whoever signed an attestation hands it on as it was parsed: the same digest, the same judgment, the same
    refusal, and its signature is verified all the same.
    """
    ledger = Ledger()
    tx = ledger.attest(MAKER, "battery.produced", battery(1))
    forged = parse_attestation(tx[:-1] + bytes([tx[-1] ^ 1]))
    claim = ledger.attest(OTHER_MAKER, "battery.produced", battery(1))

    assert ledger.registry.check_tx(parse_attestation(tx), ledger.now) == sha256(tx).digest()
    assert ledger.registry.foresee(parse_attestation(tx), ledger.now) is None
    with pytest.raises(Refusal, match="a signature is not valid"):
        ledger.registry.check_tx(forged, ledger.now)
    for form in (claim, parse_attestation(claim)):
        with pytest.raises(Refusal) as refused:
            ledger.registry.check_tx(form, ledger.now)
        assert refused.value.code == "X9"
    ledger.run(tx)
    with pytest.raises(Refusal) as final:
        ledger.registry.check_tx(parse_attestation(tx), ledger.now)
    assert final.value.code == "duplicate"


def test_a_flood_that_only_waits_costs_nobody_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A signature is verified once, also while another floods the pool with what only waits; what left the pool
    is not remembered, and its own is verified again if it comes again.
    """
    monkeypatch.setattr(registry_module, "VERIFIED_MAX", 20)
    monkeypatch.setattr(pool_module, "WAITING_PER_ISSUER_MAX", 5)
    verified: list[bytes] = []

    def counted(attestation: Attestation, public: bytes) -> None:
        verified.append(attestation.digest)
        verify_attestation(attestation, public)

    monkeypatch.setattr(registry_module, "verify_attestation", counted)
    ledger = Ledger()
    pool = Pool(ledger.registry)
    honest = ledger.attest(MAKER, "battery.produced", battery(1))
    ahead = ledger.now + 3_600
    lost = "battery.reported_lost"
    flood = [ledger.attest(RECYCLER, lost, battery(n), event_time=ahead) for n in range(2, 60)]

    def add(tx: bytes) -> list[str]:
        return [one.code for one in pool.add(tx, sha256(tx).digest(), "peer", 0, ledger.now)]

    assert add(honest) == []
    codes = [code for tx in flood for code in add(tx)]
    chosen = ledger.registry.prepare_proposal(pool.offer(), 1, ledger.now, bytes(32), 1 << 20)

    assert codes == ["pool_full"] * (len(flood) - 5) and chosen == (honest,)
    assert verified.count(sha256(honest).digest()) == 1
    add(flood[-1])
    assert verified.count(sha256(flood[-1]).digest()) == 2


def test_what_is_kept_names_its_own_leaf() -> None:
    """
    Each act of a block is at the place in the log where its entry stands, the later ones too.
    """
    ledger = Ledger()
    batteries = [ledger.produced(number) for number in (1, 2, 3)]
    first = ledger.log.size

    execution = ledger.run(*(ledger.attest(MAKER, "battery.reported_lost", b) for b in batteries))

    kept = [ledger.standing(b).settings("lost")[""].leaf_index for b in batteries]
    attested = [parse_entry(entry) for entry in execution.entries[:3]]
    about = {e.attestation.subject: first + n for n, e in enumerate(attested) if isinstance(e, AdmittedEntry)}
    assert kept == [about[b] for b in batteries]


def test_the_app_hash_is_of_all_that_was_before_and_of_what_the_block_changed() -> None:
    """
    Each hash holds the one before it, both roots and every standing that changed: none can be left out.
    """
    ledger = Ledger()
    for _ in range(2):
        before = ledger.registry.app_hash
        execution = ledger.run(ledger.attest(MAKER, "battery.produced", battery(ledger.height + 1)))
        changed = [[key, sha256(standing).digest()] for key, standing in sorted(execution.standings.items())]
        roots = execution.standings_root, execution.governance_root
        said = ["comity/app/v1", before, *roots, sha256(encode(changed)).digest()]
        assert changed and execution.app_hash == sha256(encode(said)).digest()
        assert ledger.registry.app_hash == execution.app_hash
