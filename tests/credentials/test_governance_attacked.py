"""Who governs, attacked by its own: each way by which a few took over, sent away or froze the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.application import NotYet, Refusal
from consensus.encoding import decode, encode
from credentials.ledger.foreseen import effect_of
from credentials.ledger.governance_records import PARTICIPANT
from credentials.ledger.parties import Key, Limits, Participant
from credentials.ledger.proposals import prove_possession
from credentials.ledger.values import GOVERNANCE_ACTS_PER_DAY_MAX
from tests.credentials.test_proposals import governing, licence, limits_row, stop_row
from tests.harness.governing import (
    Governing,
    decisions,
    licence_row,
    participant_row,
    party_row,
    recovery_of,
    with_key,
)
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OUTSIDER,
    PARTIES,
    Ledger,
    accreditation,
    make_genesis,
    participant,
    signer,
)

SECOND_EU = "did:web:recycler.example"  # a second authority of the EU where a test asks for one
YEARS_S = 30 * 366 * 86_400
NO_WAY_ON = "EU would in the end have no authority that can approve|in the end 1 would be left"


def two_of_a_side(**genesis: Any) -> Governing:
    """The network with two authorities in the EU and one in CN."""
    second = accreditation(SECOND_EU, roles=("authority",), schemes=(("gs1", "*"),), licence="authority")
    return governing(accreditations=[*make_genesis().governance.accreditations, second], **genesis)


def joining(g: Governing, did: str, place: str) -> tuple[Any, dict[str, bytes]]:
    """Rows that admit somebody, and the proofs of its keys."""
    keys = tuple(
        Key(r, signer(did, r).key_id, signer(did, r).public_key, CREATED) for r in ("attest", "transport")
    )
    network_id = g.ledger.genesis.network_id
    proofs = {k.id: prove_possession(network_id, k.role, signer(did, k.role)) for k in keys}
    return party_row(Participant(did, "late", place, (), keys)), proofs


# -- what begins in thirty years -------------------------------------------------------------------------


@pytest.mark.parametrize("later_s", [1_000, YEARS_S])
def test_an_authority_that_begins_later_is_none_to_count_on(later_s: int) -> None:
    """
    The only authority of a side does not go because another one will come some day: until it has begun.
    """
    g = governing()
    begins = g.ledger.now + later_s
    coming = licence(
        IMPORTER, roles=("authority",), schemes=(("gs1", "*"),), jurisdiction="EU", valid_from=begins
    )
    given = g.pass_(EU_AUTHORITY, licence_row(coming), CN_AUTHORITY)
    assert g.outcome(given)[0] == "decided"
    held = next(a for a in g.now.accreditations if a.participant == EU_AUTHORITY)

    with pytest.raises(Refusal, match=NO_WAY_ON):
        g.propose(CN_AUTHORITY, licence_row(replace(held, valid_until=g.ledger.now)))
    g.idle(later_s=begins - g.ledger.now)
    g.propose(CN_AUTHORITY, licence_row(replace(held, valid_until=g.ledger.now)))


def test_an_authority_whose_only_key_begins_later_is_none_to_count_on() -> None:
    """
    A key that is to be valid in thirty years approves nothing until then: it cannot follow the only one.
    """
    g = governing()
    network_id = g.ledger.genesis.network_id
    rows, proofs = with_key(g.now, EU_AUTHORITY, ("attest",), 2, g.ledger.now, network_id=network_id)
    table: Any = rows[PARTICIPANT, EU_AUTHORITY]
    later = {**table["keys"][-1], "valid_from": g.ledger.now + YEARS_S}

    with pytest.raises(Refusal, match=NO_WAY_ON):
        g.propose(
            EU_AUTHORITY,
            {(PARTICIPANT, EU_AUTHORITY): {**table, "keys": [*table["keys"][:-1], later]}},
            proofs=proofs,
            recovery=True,
        )


def test_a_side_whose_authority_begins_later_is_sponsored_by_all() -> None:
    """
    Nobody is at home there who could sponsor anybody: what needed its authority would wait for thirty years.
    """
    g = governing()
    first, proofs = joining(g, "did:web:in-authority.example", "IN")
    coming = licence(
        "did:web:in-authority.example", roles=("authority",), schemes=(("gs1", "*"),), jurisdiction="IN",
        valid_from=g.ledger.now + YEARS_S,
    )  # fmt: skip
    g.pass_(EU_AUTHORITY, {**first, **licence_row(coming)}, CN_AUTHORITY, proofs=proofs)

    second, proofs = joining(g, "did:web:in-maker.example", "IN")
    admitted = g.pass_(EU_AUTHORITY, second, CN_AUTHORITY, proofs=proofs)

    assert g.outcome(admitted) == ("decided", "")


# -- what is done to a party for good --------------------------------------------------------------------


def taking(g: Governing, how: str, did: str = IMPORTER) -> Any:
    """Rows that put another recovery key on the record of a party, or send it away."""
    changes: dict[str, Any] = {"recovery": {"recovery": b"\x01" * 32}, "expelled": {"left": g.ledger.now}}
    return participant_row(g.now, did, **changes[how])


HOW = pytest.mark.parametrize("how", ["recovery", "expelled"])


@HOW
def test_one_authority_does_nothing_for_good_before_its_party_could_object(how: str) -> None:
    """
    Nobody loses its place or its recovery key from one block to the next: not in the last second before.
    """
    g = governing()
    wait = g.now.approvals.objection_s
    taken = g.propose(EU_AUTHORITY, taking(g, how), for_s=wait + 100)
    since = g.ledger.now

    g.ledger.now = since + wait - 20
    g.idle()
    assert g.outcome(taken) == ("open", "")
    g.ledger.now = since + wait
    g.idle()
    assert g.outcome(taken) == ("decided", "")


@HOW
@pytest.mark.parametrize("recovery", [False, True])
def test_an_objection_makes_it_the_affair_of_all(how: str, recovery: bool) -> None:
    """
    With the attest key or the recovery key; its authority alone decides it no more, and all together may:
    a thief of those keys keeps nothing by objecting.
    """
    g = two_of_a_side()
    wait = g.now.approvals.objection_s
    taken = g.propose(EU_AUTHORITY, taking(g, how), for_s=2 * wait)
    assert g.refused(MAKER, "objected", taken) == "not_responsible"
    assert g.refused(MAKER, "objected", taken, recovery=True) == "not_responsible"

    g.ledger.run(g.act(IMPORTER, "objected", taken, recovery=recovery))
    assert g.refused(IMPORTER, "objected", taken, recovery=not recovery) == "duplicate"
    g.approve(taken, SECOND_EU)
    g.idle(later_s=wait)
    assert g.outcome(taken) == ("open", ""), "one side is not all"

    decided = decisions(g.approve(taken, CN_AUTHORITY))
    assert [(d.outcome, d.in_force) for d in decided] == [("decided", g.ledger.height + 2)]


@HOW
def test_an_objection_of_an_authority_of_that_side_asks_for_all(how: str) -> None:
    """
    A colleague of a robbed authority need not be asked by the party itself; one of another side is none.
    """
    g = two_of_a_side()
    wait = g.now.approvals.objection_s
    taken = g.propose(EU_AUTHORITY, taking(g, how), for_s=2 * wait)

    assert g.refused(CN_AUTHORITY, "objected", taken) == "not_responsible"
    g.ledger.run(g.act(SECOND_EU, "objected", taken))
    g.idle(later_s=wait)

    assert g.outcome(taken) == ("open", "")


@HOW
def test_two_authorities_of_a_side_do_not_take_over_a_party_that_they_stopped(how: str) -> None:
    """
    Stopped, and the stop confirmed, it attests nothing; its recovery key still says that it does not go.
    """
    g = two_of_a_side()
    wait = g.now.approvals.objection_s
    g.propose(EU_AUTHORITY, stop_row(IMPORTER, EU_AUTHORITY))
    since = g.now.stops[IMPORTER].since
    g.pass_(SECOND_EU, {("stop", IMPORTER): {"target": IMPORTER, "by": EU_AUTHORITY, "since": since}})
    assert g.now.stops[IMPORTER].until is None
    taken = g.propose(EU_AUTHORITY, taking(g, how), for_s=2 * wait)
    assert g.refused(IMPORTER, "objected", taken) == "stopped"

    g.ledger.run(g.act(IMPORTER, "objected", taken, recovery=True))
    g.approve(taken, SECOND_EU)
    g.idle(later_s=wait)

    assert g.outcome(taken) == ("open", "")


def test_an_objection_to_what_all_decide_in_any_case_asks_for_every_other_authority() -> None:
    """
    k of n are enough to put another recovery key there for an authority; once it objected all others are.
    """
    g = two_of_a_side()
    wait = g.now.approvals.objection_s
    quiet = g.propose(CN_AUTHORITY, taking(g, "recovery", SECOND_EU), for_s=3 * wait)
    g.approve(quiet, EU_AUTHORITY)
    g.idle(later_s=wait)
    assert g.outcome(quiet) == ("decided", "")
    g.idle()

    rows = participant_row(g.now, SECOND_EU, recovery=b"\x02" * 32)
    loud = g.propose(CN_AUTHORITY, rows, for_s=3 * wait)
    g.ledger.run(g.act(SECOND_EU, "objected", loud))
    g.approve(loud, SECOND_EU)
    g.idle(later_s=wait)
    assert g.outcome(loud) == ("open", ""), "k of n, one of each side, and not every other one"
    g.approve(loud, EU_AUTHORITY)
    assert g.outcome(loud) == ("decided", "")


def without_recovery() -> Governing:
    """The importer has no recovery key on record, and two authorities at home."""
    second = accreditation(SECOND_EU, roles=("authority",), schemes=(("gs1", "*"),), licence="authority")
    parties = [
        replace(participant(did), recovery=None if did == IMPORTER else recovery_of(did)) for did in PARTIES
    ]
    return Governing(
        Ledger(
            make_genesis(
                participants=parties,
                accreditations=[*make_genesis().governance.accreditations, second],
            )
        )
    )


@HOW
@pytest.mark.parametrize("target", [IMPORTER, f"{IMPORTER}#attest-1"])
def test_who_cannot_object_is_treated_as_who_did(how: str, target: str) -> None:
    """
    Stopped, itself or its only key, and without a recovery key on record: then all decide it.
    """
    g = without_recovery()
    wait = g.now.approvals.objection_s
    taken = g.propose(EU_AUTHORITY, taking(g, how), for_s=3 * wait)
    g.idle(later_s=wait - 100)
    g.propose(EU_AUTHORITY, stop_row(target, EU_AUTHORITY))
    g.idle(2, later_s=200)
    assert g.outcome(taken) == ("open", ""), "nobody waits until it can be silenced"

    g.idle(2, later_s=g.now.approvals.stop_s)
    assert g.outcome(taken) == ("open", ""), "it is heard again only now"
    g.idle(2, later_s=wait)
    assert g.outcome(taken) == ("decided", "")


# -- what the subject of a decision does to void it --------------------------------------------------------


def test_nobody_escapes_a_decision_by_moving() -> None:
    """
    A party that is to go changes its address in every block, under its own key: it goes all the same.
    """
    g = governing()
    wait = g.now.approvals.objection_s
    expelled = g.propose(EU_AUTHORITY, taking(g, "expelled"), for_s=2 * wait)
    for number in range(3):
        moved = participant_row(g.now, IMPORTER, address=f"https://{number}.importer.example")
        assert g.outcome(g.propose(IMPORTER, moved)) == ("decided", "")
    g.idle(later_s=wait)

    assert g.outcome(expelled) == ("decided", "")
    party = g.now.participants[IMPORTER]
    assert party.left is not None and party.address == "https://2.importer.example"


def test_a_proposal_that_was_written_before_its_subject_moved_is_put_on_the_ledger() -> None:
    """
    Moving in every block, a party would keep every proposal about it from ever being made.
    """
    g = governing()
    written = g.proposal(taking(g, "expelled"))
    g.propose(IMPORTER, participant_row(g.now, IMPORTER, address="https://elsewhere.example"))

    assert g.refused(EU_AUTHORITY, "proposed", written) == "admitted"


def test_nobody_escapes_a_decision_by_changing_its_keys_or_being_renamed() -> None:
    """
    Its recovery key replaces others, and an authority gives it another name: neither voids what waits.
    """
    g = two_of_a_side()
    wait, network_id = g.now.approvals.objection_s, g.ledger.genesis.network_id
    expelled = g.propose(EU_AUTHORITY, taking(g, "expelled"), for_s=2 * wait)
    rows, proofs = with_key(g.now, IMPORTER, ("attest",), 2, g.ledger.now, network_id=network_id)
    g.pass_(IMPORTER, rows, proofs=proofs, recovery=True)
    g.pass_(SECOND_EU, participant_row(g.now, IMPORTER, name="another"))
    g.idle(later_s=wait)

    assert g.outcome(expelled) == ("decided", "")
    party = g.now.participants[IMPORTER]
    assert party.name == "another" and [k.id for k in party.keys][-1].endswith("#attest-2")


def test_the_thief_of_an_attest_key_does_not_keep_its_owner_from_replacing_keys() -> None:
    """
    A validator's vote key waits for all authorities; whoever has its attest key moves it meanwhile.
    """
    g = governing()
    rows, proofs = with_key(g.now, MAKER, ("vote",), 2, g.ledger.now, network_id=g.ledger.genesis.network_id)
    mine = g.propose(MAKER, rows, proofs=proofs, recovery=True)
    g.propose(MAKER, participant_row(g.now, MAKER, address="https://thief.example"))
    g.approve(mine, EU_AUTHORITY, CN_AUTHORITY)

    assert g.outcome(mine) == ("decided", "")


def test_a_withdrawal_by_all_is_not_voided_by_one_who_suspends() -> None:
    """
    One authority suspends the licence that all are about to withdraw: it is withdrawn, and suspended by then.
    """
    held = next(a for a in make_genesis().governance.accreditations if a.participant == IMPORTER)
    g = governing(governance={"actions": {"accreditation.withdrawn": "network"}})
    ended = g.propose(CN_AUTHORITY, licence_row(replace(held, valid_until=g.ledger.now)))
    g.propose(EU_AUTHORITY, licence_row(replace(held, suspended=((g.ledger.now, None),))))
    g.approve(ended, EU_AUTHORITY)

    assert g.outcome(ended) == ("decided", "")
    g.idle()
    now = next(a for a in g.now.accreditations if a.id == held.id)
    assert now.valid_until is not None and now.suspended[0][1] is None


def test_what_changes_the_same_member_is_for_other_records_then() -> None:
    """
    Two that each replace one recovery key: the second was written for the key that was there before.
    """
    g = governing()
    wait = g.now.approvals.objection_s
    one = g.propose(EU_AUTHORITY, participant_row(g.now, IMPORTER, recovery=b"\x01" * 32), for_s=2 * wait)
    two = g.propose(EU_AUTHORITY, participant_row(g.now, IMPORTER, recovery=b"\x02" * 32), for_s=2 * wait)
    g.idle(2, later_s=wait)

    assert (g.outcome(one), g.outcome(two)) == (("decided", ""), ("lapsed", "base_changed"))


def test_no_address_brings_a_vote_key_in_force_before_its_height() -> None:
    """
    A vote key that is decided for the second block from now, and an address of the same party that could be
    for the next: that is decided with the next, and who votes there is who voted.
    """
    g = governing()
    row, proofs = with_key(g.now, CUSTOMS, ["vote"], 2, g.ledger.now, network_id=g.ledger.genesis.network_id)
    keys = g.propose(CUSTOMS, row, proofs=proofs, recovery=True)
    moved = g.proposal(participant_row(g.now, CUSTOMS, address="https://elsewhere.example"))
    voters = g.now.validators

    g.ledger.run(
        g.act(CUSTOMS, "proposed", moved),
        *(g.act(did, "approved", keys) for did in (EU_AUTHORITY, CN_AUTHORITY)),
    )

    assert (g.outcome(keys), g.outcome(moved)) == (("decided", ""), ("open", ""))
    assert g.now.validators == voters and not g.now.participants[CUSTOMS].address
    g.idle(2)
    assert g.outcome(moved) == ("decided", "") and g.now.participants[CUSTOMS].address
    assert g.now.validators != voters


def test_a_proposal_changes_no_member_that_its_base_does_not_name() -> None:
    """
    Whatever else its table says is not done: what is approved is what the effect shows.
    """
    g = governing()
    written = g.proposal(participant_row(g.now, IMPORTER, address="https://new.example"))
    table: Any = decode(written.records[PARTICIPANT, IMPORTER])
    sneaky = replace(written, records={(PARTICIPANT, IMPORTER): encode({**table, "name": "sneaked in"})})
    g.ledger.run(g.act(IMPORTER, "proposed", sneaky))

    assert g.outcome(sneaky) == ("decided", "")
    assert g.now.participants[IMPORTER].address == "https://new.example"
    assert g.now.participants[IMPORTER].name == "importer.example"


def test_who_moves_in_every_block_keeps_nobody_from_approving() -> None:
    """
    What was shown is what is approved: the effect has the same name wherever its subject is by then.
    """
    g = governing()
    expelled = g.propose(CN_AUTHORITY, taking(g, "expelled"))

    def shown() -> bytes:
        constitution = g.ledger.registry.constitution
        tabled = constitution.state.tabled[expelled.digest]
        at, height = g.ledger.now, g.ledger.height + 1
        return effect_of(constitution.state, tabled, at, height, constitution.rule_files).digest

    before = shown()
    g.propose(IMPORTER, participant_row(g.now, IMPORTER, address="https://elsewhere.example"))
    moved = shown()
    g.ledger.run(g.act(IMPORTER, "objected", expelled))

    assert before == moved
    assert shown() != before, "now more have to approve it"


# -- what one authority, or one side, does again and again -------------------------------------------------


def test_one_authority_does_not_stop_a_party_for_ever_by_lifting_its_stop() -> None:
    """
    Lifted a moment before it lapses and set again, a stop would never have to be confirmed.
    """
    g = governing()
    g.propose(CN_AUTHORITY, stop_row(OUTSIDER, CN_AUTHORITY))
    g.idle(later_s=g.now.approvals.stop_s - 100)
    since = g.now.stops[OUTSIDER].since
    g.pass_(CN_AUTHORITY, stop_row(OUTSIDER, CN_AUTHORITY, since=since, lifted=True))

    again = g.propose(CN_AUTHORITY, stop_row(OUTSIDER, CN_AUTHORITY))

    assert g.outcome(again) == ("open", "")
    g.approve(again, EU_AUTHORITY)
    assert g.outcome(again) == ("decided", "")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (OUTSIDER, f"{OUTSIDER}#attest-1"),
        (f"{OUTSIDER}#attest-1", OUTSIDER),
        (f"{OUTSIDER}#attest-1", f"{OUTSIDER}#transport-1"),
    ],
    ids=["the party, a key", "a key, the party", "a key, another"],
)
def test_one_authority_does_not_stop_a_party_for_ever_by_its_keys_in_turn(first: str, then: str) -> None:
    """
    The party and its keys, one after the other: soon after a stop of any of them all have to agree; after a
    while, ten times as long as a stop holds, one authority may act alone in an emergency again.
    """
    g = governing()
    g.propose(CN_AUTHORITY, stop_row(first, CN_AUTHORITY))
    stop_s = g.now.approvals.stop_s
    g.idle(later_s=stop_s + 100)

    soon = g.propose(CN_AUTHORITY, stop_row(then, CN_AUTHORITY))
    assert g.outcome(soon) == ("open", "")
    g.idle(later_s=10 * stop_s)
    later = g.propose(CN_AUTHORITY, stop_row(then, CN_AUTHORITY))
    assert g.outcome(later) == ("decided", "")


def unseating(g: Governing, how: str) -> Any:
    """Rows that take the only authority of the EU away, or silence it, and the EU's consent with it."""
    held = next(a for a in g.now.accreditations if a.participant == EU_AUTHORITY)
    rules = {**g.now.approvals.as_table(), "jurisdictions": ["CN"], "approvals_min": 1}
    left: Any = {
        **participant_row(g.now, EU_AUTHORITY, left=g.ledger.now),
        ("validators", ""): {"participants": [MAKER, CN_AUTHORITY, CUSTOMS]},
    }
    rows: dict[str, Any] = {
        "withdrawn": licence_row(replace(held, valid_until=g.ledger.now)),
        "suspended": licence_row(replace(held, suspended=((g.ledger.now, None),))),
        "stopped": stop_row(EU_AUTHORITY, CN_AUTHORITY),
        "expelled": left,
    }
    return {**rows[how], ("approvals", ""): {**rules, "quorum_jurisdictions": ["CN"]}}


@pytest.mark.parametrize("how", ["withdrawn", "suspended", "stopped", "expelled"])
@pytest.mark.parametrize("recovery", [False, True])
def test_one_side_does_not_take_the_network_over_from_the_other(how: str, recovery: bool) -> None:
    """
    Of two authorities the other one is "all others": it removes the first with its consent to everything, in
    one proposal, after a wait. Whoever is there and objects stays: fewer than k do not go on without it.
    """
    g = governing()
    wait = g.now.approvals.removal_s
    taken = g.propose(CN_AUTHORITY, unseating(g, how), for_s=2 * wait)
    assert g.refused(MAKER, "objected", taken) == "not_responsible"
    g.ledger.run(g.act(EU_AUTHORITY, "objected", taken, recovery=recovery))
    g.idle(2, later_s=wait)

    assert g.outcome(taken) == ("open", "")
    g.approve(taken, EU_AUTHORITY)
    assert g.outcome(taken) == ("decided", ""), "with its own consent it is k of n, and one of each side"


def test_an_authority_that_is_gone_does_not_hold_the_others() -> None:
    """
    Nobody objects for the whole wait: its keys are lost, and all others go on.
    """
    g = governing()
    wait = g.now.approvals.removal_s
    taken = g.propose(CN_AUTHORITY, unseating(g, "withdrawn"), for_s=2 * wait)
    g.idle(2, later_s=wait)

    assert g.outcome(taken) == ("decided", "")


def test_enough_others_go_on_in_spite_of_an_objection() -> None:
    """
    Where the others are k, a thief of the only authority of a side does not stay by objecting.
    """
    g = two_of_a_side()
    held = next(a for a in g.now.accreditations if a.participant == CN_AUTHORITY)
    rules = {**g.now.approvals.as_table(), "jurisdictions": ["EU"]}
    wait = g.now.approvals.removal_s
    rows = {**licence_row(replace(held, valid_until=g.ledger.now)), ("approvals", ""): rules}
    taken = g.propose(EU_AUTHORITY, rows, for_s=2 * wait)
    g.ledger.run(g.act(CN_AUTHORITY, "objected", taken))
    g.approve(taken, SECOND_EU)
    g.idle(2, later_s=wait)

    assert g.outcome(taken) == ("decided", "")


def test_nobody_objects_to_a_key_that_its_owner_replaces() -> None:
    """
    The thief of the only authority's attest key cannot keep the owner's recovery key from replacing it.
    """
    g = governing()
    network_id = g.ledger.genesis.network_id
    rows, proofs = with_key(g.now, EU_AUTHORITY, ("attest", "vote"), 2, g.ledger.now, network_id=network_id)
    own = g.propose(EU_AUTHORITY, rows, proofs=proofs, recovery=True)

    assert g.refused(EU_AUTHORITY, "objected", own) == "not_responsible"


# -- shares ----------------------------------------------------------------------------------------------


def test_who_used_up_a_partys_day_silences_it_in_nothing_that_governs() -> None:
    """
    The thief of an attest key attests until the day is full: the owner still replaces it, and objects.
    """
    parties = [replace(participant(did), recovery=recovery_of(did)) for did in PARTIES]
    g = Governing(Ledger(make_genesis(participants=parties, limits=Limits(per_issuer_per_day_max=2))))
    for number in range(2):
        g.ledger.produced(number)
    with pytest.raises(NotYet, match="on this day already"):
        g.ledger.produced(3)
    taken = g.propose(CN_AUTHORITY, taking(g, "recovery", MAKER))

    assert g.refused(MAKER, "objected", taken) == "admitted"
    assert g.refused(MAKER, "objected", taken, recovery=True) == "admitted"
    rows, proofs = with_key(
        g.now, MAKER, ("attest",), 2, g.ledger.now, network_id=g.ledger.genesis.network_id
    )
    mine = g.propose(MAKER, rows, proofs=proofs, recovery=True)
    assert g.outcome(mine) == ("decided", "")


def test_a_party_has_a_share_of_what_governs_each_day() -> None:
    """
    What is proposed and withdrawn is on record for ever: after so many the day is over for that key, not
    for the recovery key of the party, nor for others.
    """
    g = governing()
    made = 0
    for _ in range(GOVERNANCE_ACTS_PER_DAY_MAX // 2):
        mine = g.propose(OUTSIDER, limits_row(clock_skew_s=61))
        g.ledger.run(g.act(OUTSIDER, "proposal_withdrawn", mine))
        made += 2
    assert made == GOVERNANCE_ACTS_PER_DAY_MAX

    more = g.proposal(limits_row(clock_skew_s=61))
    assert g.refused(OUTSIDER, "proposed", more) == "quota"
    assert g.refused(OUTSIDER, "proposed", more, recovery=True) == "admitted"
    assert g.refused(CUSTOMS, "proposed", more) == "admitted"
    g.ledger.now += 86_400
    assert g.refused(OUTSIDER, "proposed", more) == "admitted"
