"""A stop and the recovery key of whoever is stopped: what a thief of that key can do, and what its owner."""

from __future__ import annotations

from dataclasses import replace

import pytest

from credentials.ledger.proposals import ChangeProposal
from tests.credentials.test_proposals import governing, limits_row, stop_row
from tests.harness.governing import (
    Governing,
    participant_row,
    party_row,
    recovery_of,
    with_key,
)
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    accreditation,
    make_genesis,
)

OTHER = "did:web:other.example"  # whose recovery key follows
WAYS = pytest.mark.parametrize("way", ["rotated", "compromised", "left"])


def stopped(did: str = IMPORTER, *, confirmed: bool = False) -> Governing:
    """A network in which a party was stopped by its authority; confirmed by another one, or by all."""
    second = accreditation(CUSTOMS, roles=("authority",), schemes=(("gs1", "*"),), licence="authority")
    g = governing(accreditations=[*make_genesis().governance.accreditations, second])
    if did == EU_AUTHORITY:
        g.pass_(CUSTOMS, stop_row(did, CUSTOMS), CN_AUTHORITY)
    else:
        g.pass_(EU_AUTHORITY, stop_row(did, EU_AUTHORITY))
    if confirmed:
        held = g.now.stops[did]
        row = {("stop", did): {"target": did, "by": held.by, "since": held.since}}
        g.pass_(CUSTOMS, row)
        assert g.now.stops[did].until is None
    assert g.now.stopped(did, g.ledger.now)
    return g


def wanted(g: Governing, way: str, did: str = IMPORTER, number: int = 2) -> ChangeProposal:
    """What a recovery key decides alone otherwise."""
    party, at = g.now.participants[did], g.ledger.now
    if way == "rotated":
        rows, proofs = with_key(g.now, did, ("attest",), number, at, network_id=g.ledger.genesis.network_id)
        return g.propose(did, rows, proofs=proofs, recovery=True, for_s=20 * 86_400)
    lost = tuple(replace(k, compromised_from=at - 500) if k.role == "credential" else k for k in party.keys)
    changed = replace(party, keys=lost) if way == "compromised" else replace(party, left=at)
    return g.propose(did, party_row(changed), recovery=True, for_s=20 * 86_400)


# -- the thief -------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("confirmed", [False, pytest.param(True, marks=pytest.mark.check)])
def test_nothing_that_a_stopped_partys_recovery_key_proposes_takes_effect_by_itself(
    way: str, confirmed: bool
) -> None:
    """
    Naming keys, stating a theft, leaving for good: it lies on the table, and its side's authority is asked.
    """
    g = stopped(confirmed=confirmed)
    mine = wanted(g, way)
    g.idle(2, later_s=1_000)

    assert g.outcome(mine) == ("open", "")
    g.approve(mine, CN_AUTHORITY)
    assert g.outcome(mine) == ("open", ""), "one of another side is not asked"
    g.approve(mine, EU_AUTHORITY)
    assert g.outcome(mine) == ("decided", "")


def test_what_the_believed_owner_names_speaks_once_the_stop_is_lifted_and_not_before() -> None:
    """
    The owner's keys are replaced under the stop: no block lies between its end and theirs.
    """
    g = stopped()
    g.approve(wanted(g, "rotated"), EU_AUTHORITY)
    g.idle()
    ended = [k.id for k in g.now.participants[IMPORTER].keys if k.valid_until is not None]
    assert ended == [f"{IMPORTER}#attest-1"]
    about = g.propose(CUSTOMS, limits_row(clock_skew_s=61))
    assert g.refused(IMPORTER, "approved", about) == "stopped"

    held = g.now.stops[IMPORTER]
    g.pass_(EU_AUTHORITY, stop_row(IMPORTER, EU_AUTHORITY, since=held.since, lifted=True))
    assert g.refused(IMPORTER, "approved", about) == "X9", "its old key has ended"


@pytest.mark.check
def test_a_stop_of_a_key_leaves_the_rest_to_its_owner() -> None:
    """
    Who stopped a stolen key waits for its owner to name another one: nobody else is asked.
    """
    g = governing()
    g.pass_(EU_AUTHORITY, stop_row(f"{IMPORTER}#attest-1", EU_AUTHORITY))

    assert g.outcome(wanted(g, "rotated")) == ("decided", "")


@pytest.mark.check
@pytest.mark.parametrize("way", ["rotated", "compromised"])
def test_a_stopped_authority_is_believed_by_all_together(way: str) -> None:
    """
    One colleague of its side does not let it through, as one does not stop it.
    """
    g = stopped(EU_AUTHORITY)
    mine = wanted(g, way, EU_AUTHORITY)
    g.approve(mine, CUSTOMS)
    g.idle()
    assert g.outcome(mine) == ("open", "")
    g.approve(mine, CN_AUTHORITY)
    assert g.outcome(mine) == ("decided", "")


@pytest.mark.check
def test_what_was_proposed_before_the_stop_is_no_better() -> None:
    """
    Its own signature of before does not carry a change that only others' authority had yet to approve.
    """
    g = governing()
    moved = participant_row(g.now, IMPORTER, address="https://thief.example")
    before = g.propose(IMPORTER, {**moved, **participant_row(g.now, MAKER, name="another")})
    g.pass_(EU_AUTHORITY, stop_row(IMPORTER, EU_AUTHORITY))
    g.approve(before, CN_AUTHORITY)
    assert g.outcome(before) == ("open", "")
    g.approve(before, EU_AUTHORITY)

    assert g.outcome(before) == ("decided", "")


# -- the owner -------------------------------------------------------------------------------------------


def replaced(g: Governing, *, for_s: int = 20 * 86_400) -> ChangeProposal:
    """The authority puts the owner's new recovery key on the record."""
    rows = participant_row(g.now, IMPORTER, recovery=recovery_of(OTHER))
    return g.propose(EU_AUTHORITY, rows, for_s=for_s)


@pytest.mark.check
def test_no_thief_of_the_recovery_key_crowds_out_its_owner() -> None:
    """
    It fills its part of the table, leaves and objects: the authorities put another key there all the same.
    What the old key proposed is over with it; in the block before the new one governs it says nothing more.
    """
    g = stopped(confirmed=True)
    wait = g.now.approvals.objection_s
    taken = replaced(g)
    theirs = [wanted(g, "left"), wanted(g, "compromised")]
    theirs += [
        wanted(g, "rotated", number=n) for n in range(2, 2 + g.now.approvals.proposals_per_party_max - 2)
    ]
    more = g.proposal(limits_row(clock_skew_s=61))
    assert g.refused(IMPORTER, "proposed", more, recovery=True) == "quota"
    g.ledger.run(g.act(IMPORTER, "objected", taken, recovery=True))
    g.idle(later_s=wait)
    assert g.outcome(taken) == ("open", "")

    g.approve(taken, CN_AUTHORITY)
    assert g.outcome(taken) == ("decided", "")
    assert {g.outcome(theft) for theft in theirs} == {("lapsed", "recovery_replaced")}
    assert g.refused(IMPORTER, "proposed", more, recovery=True) == "X9", (
        "decided, and not in force before the next"
    )
    g.idle(2)
    assert g.now.participants[IMPORTER].recovery == recovery_of(OTHER)
    assert not [t for t in g.ledger.registry.constitution.state.tabled.values() if t.recovered]


@pytest.mark.check
def test_only_what_the_replaced_key_proposed_is_over_with_it() -> None:
    """
    What the party's attest key proposed, and what others' recovery keys did, stays.
    """
    g = stopped(confirmed=True)
    taken = replaced(g)
    theft = wanted(g, "rotated")
    network_id = g.ledger.genesis.network_id
    rows, proofs = with_key(g.now, MAKER, ("vote",), 2, g.ledger.now, network_id=network_id)
    other = g.propose(MAKER, rows, proofs=proofs, recovery=True, for_s=20 * 86_400)
    g.idle(later_s=g.now.approvals.objection_s)

    assert g.outcome(taken) == ("decided", "")
    assert (g.outcome(theft), g.outcome(other)) == (("lapsed", "recovery_replaced"), ("open", ""))


@pytest.mark.check
def test_the_owner_objects_and_proposes_under_the_stop() -> None:
    """
    An authority that took its place would have to be joined by all: the stop silences it in neither.
    """
    g = stopped()
    taken = replaced(g)
    mine, ends = wanted(g, "rotated"), g.now.stops[IMPORTER].until
    g.ledger.run(g.act(IMPORTER, "objected", taken, recovery=True))
    assert ends is not None and g.ledger.registry.next_block_at(g.ledger.now) == ends
    g.idle(later_s=ends - g.ledger.now)
    assert g.outcome(mine) == ("decided", ""), "nobody confirmed the stop"
    g.idle(later_s=g.now.approvals.objection_s)

    assert g.outcome(taken) == ("open", "")
