"""What admits an act, condition by condition: the one second, the one party, the one number that decide."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any

import pytest

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, parse_attestation, standing_key
from credentials.ledger.block_order import block_order
from credentials.ledger.consents import held_by, silenced_until
from credentials.ledger.effects import with_authority
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.ledger.lifecycle import Event
from credentials.ledger.parties import Limits, Stop
from credentials.ledger.payload import DAY_S, Criteria, GovernanceAct, StatusUpdate
from credentials.ledger.proposals import ChangeProposal, Tabled
from credentials.ledger.records import HANDS_MAX, Asset, Installed, Quota, asset_key
from credentials.ledger.registry import parameters_of
from credentials.ledger.rules import Context, passport_asked, require_built, state_after
from credentials.ledger.signatories import attest_key, recovery_key
from credentials.ledger.standing import Bound, Enrolment, Setting, Standing
from credentials.ledger.values import next_quota, require_governance_form, require_members, require_schemes
from tests.credentials.test_proposals import governing
from tests.credentials.test_rules import PASSPORTS, let_in
from tests.harness.governing import recovery_of, recovery_signer
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    RECYCLER,
    WORKSHOP,
    Ledger,
    battery,
    lifecycle_table,
    make_genesis,
    set_list,
    signer,
    vehicle,
)

FIRST = make_genesis().governance
EVENTS = FIRST.lifecycle.events
CAR = vehicle(1)
AT = CREATED + 1_000


@pytest.fixture(scope="module")
def shared() -> Ledger:
    """One ledger for all: each test has batteries of its own."""
    return Ledger()


@pytest.fixture(scope="module")
def later() -> Ledger:
    """The same in March 2027, when the EU asks for passports."""
    ledger = Ledger()
    ledger.now = PASSPORTS
    return ledger


def told(ledger: Ledger, by: str, kind: str, subject: Subject, **members: Any) -> tuple[bool, str, str]:
    """Whether it may still come, and with which code and sentence it is kept out."""
    with pytest.raises(Refusal) as refusal:
        ledger.registry.check_tx(ledger.attest(by, kind, subject, **members), ledger.now)
    return isinstance(refusal.value, NotYet), refusal.value.code, str(refusal.value)


# -- who signs -------------------------------------------------------------------------------------------


def keyed(did: str, kid: str, happened: int, at: int, governance: Governance = FIRST) -> str:
    try:
        assert attest_key(governance, kid, did, happened, at) == signer(did).public_key
    except Refusal as refusal:
        assert not isinstance(refusal, NotYet)
        return f"{refusal.code}: {refusal}"
    return "found"


def test_an_act_is_signed_with_an_attest_key_that_is_valid_then_and_now() -> None:
    """
    Known, of that role, not stopped, and in its interval at both times; the sentence says which.
    """
    kid, log = f"{MAKER}#attest-1", f"{MAKER}#log-1"
    party = FIRST.participants[MAKER]
    dated = tuple(replace(k, valid_from=10, valid_until=20) if k.id == kid else k for k in party.keys)
    short = replace(FIRST, participants={**FIRST.participants, MAKER: replace(party, keys=dated)})
    never = f"X9: {kid} was not valid both when it happened and now"

    assert keyed(MAKER, kid, AT, AT) == "found"
    unknown = "is no key of a participant of this network"
    assert keyed(MAKER, f"{MAKER}#x", AT, AT) == f"issuer_unknown: {MAKER}#x {unknown}"
    assert keyed("did:web:x.example", kid, AT, AT) == f"issuer_unknown: {kid} {unknown}"
    assert keyed(MAKER, log, AT, AT) == (
        f"X9: {log} is a log key; attestations are signed with an attest key"
    )
    assert [keyed(MAKER, kid, t, 19, short) for t in (9, 10, 19, 20)] == [never, "found", "found", never]
    assert [keyed(MAKER, kid, 10, t, short) for t in (9, 10, 19, 20)] == [never, "found", "found", never]
    for target in (MAKER, kid):
        stopped = replace(FIRST, stops={target: Stop(target, CN_AUTHORITY, 50, 60)})
        halt = f"stopped: {target} is stopped by {CN_AUTHORITY} until that is lifted or lapses"
        assert [keyed(MAKER, kid, AT, t, stopped) for t in (50, 59)] == [halt] * 2
        assert [keyed(MAKER, kid, AT, t, stopped) for t in (AT,)] == ["found"]


def test_who_holds_a_proposal_is_believed_while_neither_it_nor_its_key_is_stopped() -> None:
    """
    From the second of a stop to that of its end its word is none; nor is it with a key that was stolen.
    """
    kid = f"{MAKER}#attest-1"
    proposal = ChangeProposal(bytes(32), {}, {}, {}, AT + 1, bytes(16))
    tabled = Tabled(proposal, MAKER, False, AT, 1, held={MAKER: kid})

    assert held_by(tabled, FIRST, AT) == {MAKER}
    for target in (MAKER, kid):
        stopped = replace(FIRST, stops={target: Stop(target, CN_AUTHORITY, AT, AT + 10)})
        believed = [held_by(tabled, stopped, at) for at in (AT - 1, AT, AT + 9, AT + 10)]
        assert believed == [{MAKER}, set(), set(), {MAKER}], target


def test_a_party_without_a_recovery_key_was_silenced_until_its_last_stop_ended() -> None:
    """
    Of itself or of an attest key; never where there was none, or where it could have said so by its recovery.
    """
    party = FIRST.participants[MAKER]
    stops = {
        MAKER: Stop(MAKER, CN_AUTHORITY, 50, 60),
        f"{MAKER}#attest-1": Stop(f"{MAKER}#attest-1", CN_AUTHORITY, 55, 65),
    }

    def silenced(recovery: bytes | None, stops: dict[str, Stop]) -> int:
        participants = {**FIRST.participants, MAKER: replace(party, recovery=recovery)}
        return silenced_until(replace(FIRST, participants=participants, stops=stops), MAKER)

    assert (silenced(None, {}), silenced(None, stops), silenced(b"r" * 32, stops)) == (0, 65, 0)
    assert silenced_until(FIRST, "did:web:nobody.example") == 0


def test_a_recovery_key_signs_proposals_of_whoever_takes_part() -> None:
    """
    Under its one name, with the key whose digest is on record, until the party leaves.
    """
    g = governing()
    tx = g.act(IMPORTER, "proposed", g.proposal({("app_version", ""): {"app_version": 2}}), recovery=True)
    act, key = parse_attestation(tx), recovery_signer(IMPORTER).public_key
    party = replace(FIRST.participants[IMPORTER], recovery=recovery_of(IMPORTER))

    def asked(statement: Attestation = act, public: bytes = key, at: int = AT, **changes: Any) -> str:
        parties = {**FIRST.participants, IMPORTER: replace(party, **changes)}
        try:
            assert recovery_key(replace(FIRST, participants=parties), statement, public, at) == public
        except Refusal as refusal:
            return f"{refusal.code}: {refusal}"
        return "found"

    alone = f"X9: a recovery key signs proposals and objections alone, as {IMPORTER}#recovery"
    other = f"X9: that is not the recovery key that {IMPORTER} has on record"
    assert asked() == asked(left=AT + 1) == "found"
    assert asked(replace(act, kind="governance.objected")) == "found"
    assert asked(replace(act, kind="governance.approved")) == alone
    assert asked(replace(act, kid=f"{IMPORTER}#attest-1")) == alone
    assert asked(public=bytes(32)) == asked(recovery=None) == asked(left=AT) == other
    nobody = replace(act, issuer="did:web:x.example", kid="did:web:x.example#recovery")
    assert asked(nobody) == other.replace(IMPORTER, "did:web:x.example")


# -- what it is about ------------------------------------------------------------------------------------


@cache
def plain() -> Ledger:
    """A ledger on which nothing happens."""
    return Ledger()


def statement(kind: str, by: str = IMPORTER, **members: Any) -> Attestation:
    return parse_attestation(plain().attest(by, kind, members.pop("subject", battery(1)), **members))


def refusal_of(check: Any, *asked: Any) -> str:
    try:
        check(*asked)
    except Refusal as refusal:
        waits = "waits " if isinstance(refusal, NotYet) else ""
        return f"{waits}{refusal.code}: {refusal}"
    return "fine"


def test_an_act_is_about_batteries_and_names_vehicles_and_batteries() -> None:
    """
    By the schemes of the table: of its subject, what it names, and the vehicle.
    """
    lifecycle = FIRST.lifecycle

    def asked(**members: Any) -> str:
        return refusal_of(require_schemes, statement("battery.maintained", **members), lifecycle)

    assert asked() == asked(bound_asset=CAR) == asked(references=(battery(2), bytes(32))) == "fine"
    assert asked(subject=CAR) == "subject: vin is no scheme of batteries"
    assert asked(references=(battery(2), CAR)) == "subject: vin is no scheme of batteries"
    assert asked(bound_asset=battery(2)) == "subject: gbt34014 is no scheme of vehicles or assets"


def test_an_act_of_governance_is_of_now_and_holds_nothing_of_a_battery() -> None:
    """
    At most the skew ahead, by either of its times, at most the age behind; no member of an event.
    """
    limits = Limits(clock_skew_s=5, attestation_age_s_max=7)
    ahead = "waits X11: it is dated ahead of the ledger's clock"
    old = "X11: it was signed too long ago; sign it again"

    def asked(iat: int = AT, happened: int = AT, **members: Any) -> str:
        act = statement("governance.approved", **members)
        return refusal_of(require_governance_form, replace(act, iat=iat, event_time=happened), limits, AT)

    assert [asked(iat=AT + s) for s in (5, 6)] == [asked(happened=AT + s) for s in (5, 6)] == ["fine", ahead]
    assert [asked(iat=AT - s) for s in (7, 8)] == ["fine", old]
    assert asked(happened=1) == "fine"
    status = StatusUpdate(bytes(32), "revocation", 1, None)
    members: list[tuple[str, Any]] = [
        ("bound_asset", CAR), ("parties", (MAKER,)), ("references", (battery(2),)), ("quantities", {"a": 1}),
        ("children_root", bytes(32)), ("set_list", set_list(1)), ("status", status),
        ("criteria", Criteria(("ZZ1",))), ("produced_on", DAY_S),
    ]  # fmt: skip
    for name, value in members:
        assert asked(**{name: value}) == f"members: governance.approved has no {name}"
    signed = statement("governance.approved")
    signed = replace(signed, countersignatures=(object(),))  # type: ignore[arg-type]
    assert refusal_of(require_governance_form, signed, limits, AT) == (
        "members: governance.approved has no countersignatures"
    )


def test_an_event_has_the_members_of_its_row() -> None:
    """
    What is required, and nothing else: an act of governance neither; the sentence names the member.
    """
    sold, replaced = EVENTS["battery.sold"], EVENTS["battery.replaced"]
    more = statement("battery.sold", parties=(MAKER,), governance=GovernanceAct(b"x"))

    assert refusal_of(require_members, statement("battery.sold", parties=(MAKER,)), sold) == "fine"
    assert refusal_of(require_members, more, sold) == "members: battery.sold has no governance"
    missing = refusal_of(require_members, statement("battery.replaced"), replaced)
    assert missing.startswith("members: battery.replaced needs ") and missing.endswith(
        ": add it and sign it again"
    )
    extra = statement("battery.sold", parties=(MAKER,), bound_asset=CAR)
    assert refusal_of(require_members, extra, sold) == "members: battery.sold has no bound_asset"


# -- how many --------------------------------------------------------------------------------------------


def test_a_partys_share_is_counted_by_block_and_by_day() -> None:
    """
    The last of a share is taken, the next waits; the count begins anew with the day and never goes back.
    """
    limits = Limits(per_issuer_per_block_max=3, per_issuer_per_day_max=5)
    day = AT // DAY_S

    assert next_quota(Quota(MAKER, day, 4), AT, 2, limits) == Quota(MAKER, day, 5)
    assert next_quota(Quota(MAKER, day - 1, 5), AT, 0, limits) == Quota(MAKER, day, 1)
    assert next_quota(Quota(MAKER, day + 1, 2), AT, 0, limits) == Quota(MAKER, day + 1, 3)
    assert next_quota(Quota(MAKER, 0), DAY_S, 0, limits) == Quota(MAKER, 1, 1)
    block = refusal_of(next_quota, Quota(MAKER, day, 4), AT, 3, limits)
    assert block == f"waits quota: {MAKER} has 3 in this block already"
    used = refusal_of(next_quota, Quota(MAKER, day, 5), AT, 0, limits)
    assert used == f"waits quota: {MAKER} has 5 on this day already"


def test_a_block_orders_predecessors_first_and_leaves_circles_out() -> None:
    """
    Among those that wait for nobody, and among those that one frees, by their digest with the block before.
    """
    loose = [statement("battery.maintained", subject=battery(n)) for n in range(5)]
    after = statement("battery.maintained", predecessors=(loose[0].digest, loose[1].digest))
    elsewhere = statement("battery.maintained", subject=battery(9), predecessors=(bytes(32),))
    last = statement("battery.maintained", subject=battery(8), predecessors=(after.digest,))
    circle = replace(loose[4], predecessors=(loose[4].digest,))
    previous = b"p" * 32

    def rank(one: Attestation) -> bytes:
        return sha256(previous + one.digest).digest()

    found = block_order([last, after, elsewhere, *loose[:4], circle], previous)

    ready, expected = sorted([elsewhere, *loose[:4]], key=rank), []
    while ready:
        expected.append(ready.pop(0))
        if expected[-1] is after:
            ready.append(last)
        if {loose[0].digest, loose[1].digest} <= {e.digest for e in expected} and after not in (
            *ready, *expected,
        ):  # fmt: skip
            ready.append(after)
        ready.sort(key=rank)
    assert [one.digest for one in found] == [one.digest for one in expected]
    assert block_order([], previous) == []


# -- passports and states --------------------------------------------------------------------------------


def test_a_passport_is_asked_of_what_is_placed_where_and_from_when_the_law_asks() -> None:
    """
    From the first second of that day by the event's own time; not again of what was placed there.
    """
    event = EVENTS["market.placed"]
    begins = event.requires_passport_from["EU"]
    placed = Standing(battery(1), jurisdictions={"placed": {"EU": Setting(IMPORTER, 1)}})

    def asked(at: int, place: str | None, standing: Standing = Standing(battery(1))) -> bool:  # noqa: B008
        context = Context(FIRST, event, at, None)  # type: ignore[arg-type]
        return passport_asked(standing, replace(act, event_time=at), context, place)

    act = statement("market.placed")
    assert [asked(at, "EU") for at in (begins - 1, begins, begins + 1)] == [False, True, True]
    assert [asked(begins, place) for place in ("CN", "", None)] == [False] * 3
    assert not asked(begins, "EU", placed)
    assert asked(begins, "EU", replace(placed, jurisdictions={"placed": {"CN": Setting(IMPORTER, 1)}}))


def test_what_a_vehicle_holds_stays_in_it() -> None:
    """
    An event with a state for that leads there, and to its own outside; one without leads to its own.
    """
    loose, inside = Standing(battery(1)), Standing(battery(1), bound=Bound(CAR, 1, MAKER))
    placed, scrapped = EVENTS["market.placed"], EVENTS["battery.declared_waste"]
    assert placed.to_in_vehicle is not None and scrapped.to_in_vehicle is None

    assert (state_after(loose, placed), state_after(inside, placed)) == (placed.to, placed.to_in_vehicle)
    assert state_after(loose, scrapped) == state_after(inside, scrapped) == scrapped.to
    assert state_after(inside, EVENTS["battery.maintained"]) is None


def test_a_life_cycle_names_rules_that_this_software_has() -> None:
    """
    Those of one event and those of all.
    """
    sold = replace(EVENTS["battery.sold"], guards=("X2", "X13"))
    one = replace(FIRST.lifecycle, events={"battery.sold": sold})
    always = replace(FIRST.lifecycle, guards_always=("X14",))

    for table, sentence in (
        (one, "battery.sold is guarded by X13: not built"),
        (always, "battery.produced is guarded by X14: not built"),
    ):
        with pytest.raises(CredentialError) as error:
            require_built(table)
        assert (error.value.code, error.value.message) == ("rules_invalid", sentence)
    require_built(FIRST.lifecycle)


def test_placing_without_a_passport_waits_where_one_is_asked(later: Ledger) -> None:
    """
    In the EU from that day on, of this battery, whoever else has one; in China nobody asks.
    """
    bare, good = let_in(later, 1, published=False), let_in(later, 2, published=True)

    assert told(later, IMPORTER, "market.placed", bare) == (
        True, "state", "market.placed needs a live passport, the battery has none",
    )  # fmt: skip
    later.happen(IMPORTER, "market.placed", good)
    later.happen(MAKER, "market.placed", later.produced(3))


def test_what_does_not_follow_says_what_comes_first(shared: Ledger) -> None:
    """
    The states it follows, the one there is, and the acts that lead there; without any it ends there.
    """
    subject = shared.produced(11)
    shared.happen(MAKER, "battery.sold", subject, parties=(RECYCLER,))
    received: dict[str, Any] = {"quantities": {"mass_in_grams": 5}}

    assert told(shared, RECYCLER, "recycling.received", subject, **received) == (
        True,
        "state",
        "recycling.received follows dismantled or exported or waste; the battery is produced: "
        "battery.declared_waste or battery.exported comes first",
    )
    shared.happen(RECYCLER, "battery.declared_waste", subject)
    shared.happen(RECYCLER, "recycling.received", subject, **received)
    assert told(shared, RECYCLER, "waste.exported", subject, parties=(IMPORTER,)) == (
        True,
        "state",
        "waste.exported follows dismantled or waste; the battery is in_recycling",
    )


def test_each_statement_of_a_block_knows_its_own_leaf(shared: Ledger) -> None:
    """
    What its effects refer to later is the place where it stands: counted from the log before the block.
    """
    before = shared.log.size
    txs = [shared.attest(MAKER, "battery.produced", battery(n)) for n in (21, 22, 23)]
    shared.run(*txs)

    facts = sorted(shared.standing(battery(n)).facts["produced"] for n in (21, 22, 23))
    assert facts == [before, before + 1, before + 2]
    for n in (21, 22, 23):
        leaf = shared.standing(battery(n)).facts["produced"]
        entry = shared.reader.entries[leaf]
        assert parse_attestation(entry).subject == battery(n)


def test_a_battery_put_in_for_another_is_marked_whichever_comes_first(shared: Ledger) -> None:
    """
    I5, I6: a stranger's among those that are named is passed over, the rest is marked all the same; what was
    put in already had come out in between, and says so (D944).
    """
    table = lifecycle_table()
    rows = {row["type"]: row for row in table["events"]}
    rows["battery.replaced"]["members"]["replacement"]["type"] = "identifiers"
    files = {"lifecycle.json": json.dumps(table).encode()}
    ledger = Ledger(make_genesis(rule_files=files))
    own, second = ledger.installed(1, CAR), ledger.installed(2, CAR)
    spare, other = ledger.produced(3), ledger.produced(4)
    theirs = battery(5, "ZZ3")
    ledger.happen(OTHER_MAKER, "battery.produced", theirs)
    before = ledger.standing(theirs)

    ledger.happen(MAKER, "battery.replaced", own, bound_asset=CAR, references=(theirs, spare))
    assert ledger.standing(spare).marks == ("installed",)
    undo = ledger.standing(spare).undo
    assert undo is not None and (undo.author, undo.kind) == (MAKER, "battery.replaced")
    assert not undo.countersigned and not undo.taken_back and undo.core_before is not None
    assert (undo.leaf_index, undo.admitted_at) == (ledger.log.size - 2, ledger.now - 10)
    ledger.happen(MAKER, "battery.replaced", second, bound_asset=CAR, references=(spare, other))
    assert ledger.standing(theirs) == before
    assert ledger.standing(spare).marks == ("installed", "removed")
    assert ledger.standing(other).marks == ("installed",)


def test_what_is_said_of_a_vehicle_is_said_of_what_is_in_the_same_hands(shared: Ledger) -> None:
    """
    I6: of every battery of one holder by whoever it is, of others by an authority, and under the name of the
    act; of a stranger's nothing.
    """
    one, two = shared.installed(41, vehicle(41)), shared.installed(42, vehicle(41))

    def inside(subject: Subject) -> Installed:
        found = Asset.decode(shared.reader.records[asset_key(vehicle(41))]).of(standing_key(subject))
        assert found is not None
        return found

    assert (inside(one).told, inside(one).by) == ({}, MAKER)
    leaf = shared.log.size
    tx = shared.attest(CN_AUTHORITY, "vehicle.registered", one, bound_asset=vehicle(41))
    shared.run(tx)
    for subject in (one, two):
        assert inside(subject).told == {"vehicle.registered": sha256(tx).digest()}
        assert inside(subject).relied_leaf == leaf


# -- what a block comes to -------------------------------------------------------------------------------


def test_a_block_of_batteries_alone_changes_nothing_of_what_governs(shared: Ledger) -> None:
    """
    No votes, no records of governance, no policy; its last leaf is its record with both roots.
    """
    registry = shared.registry
    tx = shared.attest(MAKER, "battery.produced", battery(51))
    height, time = shared.height + 1, shared.now
    execution = shared.run(tx)

    assert (execution.validator_updates, execution.governance) == ((), ())
    assert (execution.height, execution.finals) == (height, (sha256(tx).digest(),))
    assert execution.governance_root == registry.constitution.records.root
    assert execution.standings_root == registry.standings_map.root
    assert execution.app_hash == registry.app_hash
    attested, last = execution.entries
    assert attested == tx
    assert parse_entry(last) == BlockEntry(
        height, time, execution.app_hash, execution.standings_root, execution.governance_root,
        FIRST.validators.hash, shared.genesis.config_digest,
    )  # fmt: skip


def test_consensus_is_told_what_governs_a_height(shared: Ledger) -> None:
    """
    Of each height, and alike wherever the same governs.
    """
    registry = shared.registry

    assert registry.parameters(1) == parameters_of(FIRST, shared.genesis.origin)
    assert registry.parameters(1) == registry.parameters(shared.height + 1)


def test_a_block_is_full_at_its_limits() -> None:
    """
    As many attestations and bytes as there may be, and none more.
    """
    ledger = Ledger(attestations_per_block_max=2)
    txs = [ledger.attest(MAKER, "battery.produced", battery(n)) for n in range(3)]
    both = ledger.propose(txs)
    assert len(both) == 2
    with pytest.raises(Refusal) as refusal:
        ledger.registry.process_proposal(ledger.block(txs))
    assert (refusal.value.code, str(refusal.value)) == ("block", "more than 2 attestations in a block")
    ledger.registry.process_proposal(ledger.block(both))

    size = sum(len(tx) + 5 for tx in both)
    for room, fits in ((size, True), (size - 1, False)):
        tight = Ledger(block_bytes_max=room)
        own = [tight.attest(MAKER, "battery.produced", battery(n)) for n in range(2)]
        order = block_order([parse_attestation(tx) for tx in own], tight.previous_id)
        chosen = tight.propose(own)
        assert (len(chosen) == 2) == fits
        if not fits:
            with pytest.raises(Refusal) as refusal:
                tight.registry.process_proposal(tight.block([one.data for one in order]))
            assert str(refusal.value) == f"more than {room} bytes of attestations in a block"


def test_the_times_of_an_attestation_are_named_where_they_are_none() -> None:
    """
    When it was signed, and when it happened.
    """
    for name, what in (("iat", "iat"), ("event_time", "event time")):
        with pytest.raises(CredentialError) as error:
            parse_attestation(plain().attest(MAKER, "battery.maintained", battery(1), **{name: -1}))
        assert error.value.message == f"not an attestation: {what} is not a time in whole seconds"


# -- the life cycle asked --------------------------------------------------------------------------------


def test_what_customs_let_in_is_besides_what_its_first_mark_says() -> None:
    """
    Any of the marks counts, of a state that resumes; of others, and without the mark, nothing is added.
    """
    lifecycle = FIRST.lifecycle
    event = replace(EVENTS["battery.maintained"], from_states=frozenset({"dismantled"}))

    assert lifecycle.allows(event, "dismantled")
    assert lifecycle.allows(event, "released", ("dismantled",))
    assert lifecycle.allows(event, "released", ("x", "dismantled"))
    assert not lifecycle.allows(event, "released", ("removed", "waste"))
    assert not lifecycle.allows(event, "released") and not lifecycle.allows(event, "placed", ("dismantled",))
    assert not lifecycle.allows(event, "refused", ("removed",))
    anywhere = replace(event, from_states=frozenset({"*"}))
    assert [lifecycle.allows(anywhere, state) for state in ("unknown", "recycled", "placed")] == [
        False, False, True,
    ]  # fmt: skip


def test_the_first_steps_are_those_of_the_shortest_ways() -> None:
    """
    All of the shortest, in order; nothing where there is no way or the battery is there already; what may be
    told late of a battery in its vehicle is no reason to build it in.
    """

    def event(name: str, frm: str, to: str | None, **more: Any) -> Event:
        states = frozenset(frm.split())
        return replace(EVENTS["battery.maintained"], type=name, from_states=states, to=to, **more)

    rows = (
        event("a.one", "produced", "placed"),
        event("a.two", "produced", "exported"),
        event("b.one", "placed", "waste"),
        event("b.two", "exported", "waste"),
        event("b.three", "exported", "removed"),
        event("c.one", "waste", "recycled"),
        event("c.two", "waste", "consumed"),
        event("d.one", "installed", "installed"),
    )
    lifecycle = replace(FIRST.lifecycle, events={e.type: e for e in rows})

    def steps(frm: str, state: str = "produced", marks: tuple[str, ...] = (), **more: Any) -> tuple[str, ...]:
        return lifecycle.first_steps(event("x", frm, None, **more), state, marks)

    assert steps("placed") == ("a.one",)
    assert steps("waste") == steps("recycled") == steps("recycled consumed") == ("a.one", "a.two")
    assert steps("removed") == ("a.two",)
    assert steps("removed recycled") == ("a.two",)
    assert steps("placed recycled") == ("a.one",)
    assert steps("produced", "recycled") == steps("unknown") == steps("installed", "installed") == ()
    assert steps("recycled", "released", ("waste",)) == ("c.one",)
    assert steps("recycled", "released") == ()
    assert steps("waste placed", to_in_vehicle="placed") == ("a.one", "a.two")
    assert steps("placed", to_in_vehicle="placed") == ()
    there_and_back = (event("e.one", "exported", "placed"), event("e.two", "placed", "exported"))
    circle = replace(FIRST.lifecycle, events={e.type: e for e in (*there_and_back, rows[5])})
    assert circle.first_steps(event("x", "recycled", None), "placed") == ()


def test_the_states_of_waste_are_those_it_comes_into_where_it_is() -> None:
    """
    What is sent abroad as waste is elsewhere.
    """
    sent = replace(EVENTS["waste.exported"], to="exported")
    assert "exported" not in FIRST.lifecycle.waste_states and "waste" in FIRST.lifecycle.waste_states
    only = replace(FIRST.lifecycle, events={"waste.exported": sent})
    assert only.waste_states == frozenset()
    here = replace(sent, place=None, effects=replace(sent.effects, eu_status="waste"))
    assert replace(only, events={"x": here, "y": replace(here, to=None)}).waste_states == {"exported"}
    assert (
        replace(
            only, events={"x": replace(here, effects=replace(here.effects, eu_status="original"))}
        ).waste_states
        == frozenset()
    )


def test_what_is_said_of_a_vehicle_is_kept_by_battery_and_taken_back_by_its_statement() -> None:
    """
    Of those it binds, each kind once, and what another statement said stays.
    """
    one, two = b"1" * 32, b"2" * 32
    first, second = b"f" * 32, b"s" * 32
    asset = Asset(CAR, (Installed(one, MAKER), Installed(two, MAKER, 7, {"a": first})))

    told = asset.with_told([one], "b", second)
    assert (told.of(one), told.of(two)) == (Installed(one, MAKER, None, {"b": second}), asset.installed[1])
    both = asset.with_told([one, two], "b", second)
    assert both.of(two) == Installed(two, MAKER, 7, {"a": first, "b": second})
    assert both.without_told(second) == asset
    assert both.without_told(first).of(two) == Installed(two, MAKER, 7, {"b": second})
    assert Asset.decode(both.encode()) == both
    again = both.with_told([two], "a", second)
    assert again == both  # the first of a kind is kept: to void the second leaves it


def test_what_is_said_of_a_vehicle_outlasts_the_batteries_in_it_by_whose_hands_they_were() -> None:
    """
    The leaf of the last statement of a kind and the digest of the first, for each hand; voided, it is gone.
    """
    first, second = b"f" * 32, b"s" * 32
    asset = Asset(CAR).with_said(["", MAKER], "a", 7, first).with_said([MAKER], "a", 9, second)
    asset = asset.with_said([WORKSHOP], "b", 8, second)

    assert asset.told_to({"", MAKER}) == {"a": first}
    assert asset.told_to({MAKER, WORKSHOP}) == {"a": first, "b": second}
    assert asset.told_to({RECYCLER}) == {}
    assert asset.said_since(8, {MAKER}) and not asset.said_since(9, {MAKER})
    assert not asset.said_since(7, {"", RECYCLER}) and asset.said_since(6, {"", RECYCLER})
    assert Asset.decode(asset.encode()) == asset
    assert asset.without_told(first).told_to({"", MAKER, WORKSHOP}) == {"b": second}


def test_the_record_of_a_vehicle_keeps_the_word_of_so_many_hands_and_of_authorities() -> None:
    """
    I5: whoever binds batteries of its own to a number that it read makes no record without end of it.
    """
    first, second = b"f" * 32, b"s" * 32
    asset = Asset(CAR)
    for number in range(HANDS_MAX):
        asset = asset.with_said([f"eori:DE{number}"], "a", number, first)

    full = asset.with_said([MAKER, "", "eori:DE0"], "a", 99, second)

    assert full.told_to({MAKER}) == {}
    assert full.told_to({""}) == {"a": second}
    assert full.said_since(98, {"eori:DE0"}) and not full.said_since(98, {"eori:DE1"})
    assert full.told_to({f"eori:DE{HANDS_MAX - 1}"}) == {"a": first}


def test_a_declaration_that_is_set_aside_says_nothing_of_the_battery(shared: Ledger) -> None:
    """
    D785: any other act of an authority about a battery that somebody entered stays a fact.
    """
    entered = Standing(battery(1), enrolled=Enrolment(WORKSHOP, 1, "", bytes(32)))

    def fact(kind: str, by: str, standing: Standing = entered, *signed: str) -> int | None:
        context = Context(FIRST, EVENTS[kind], AT, None, frozenset(signed), 77)  # type: ignore[arg-type]
        return with_authority(standing, statement(kind, by), context).facts.get("acted_on")

    assert fact("customs.released", CUSTOMS) == 77
    assert fact("customs.invalidated", CUSTOMS) is None
    assert fact("battery.maintained", WORKSHOP) is None
    assert fact("battery.maintained", WORKSHOP, entered, CUSTOMS) == 77
    assert fact("battery.maintained", MAKER) == 77
    assert fact("record.contested", MAKER) is fact("attestation.corrected", MAKER) is None
    assert fact("customs.released", CUSTOMS, Standing(battery(1))) is None
