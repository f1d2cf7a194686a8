"""Governance as ledger state: who changes what, when it is in force, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.application import Refusal
from consensus.encoding import decode
from consensus.log_policy import LogPolicy
from consensus.standings_map import verify_map_proof
from credentials.errors import CredentialError
from credentials.ledger import governance_records
from credentials.ledger.amendment import may_stop
from credentials.ledger.approvals import NETWORK, ApprovalRules
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.governance_records import (
    APPROVALS,
    LIMITS,
    PARTICIPANT,
    VALIDATORS,
    VersionNotHere,
    record_key,
    records_of,
)
from credentials.ledger.parties import Key, Limits, Participant
from credentials.ledger.possession_file import parse_proofs, proofs_table
from credentials.ledger.proposals import POSSESSION_TAG, possession_message, prove_possession
from credentials.ledger.recognition import Effect, Recognition
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
    OTHER_MAKER,
    OUTSIDER,
    PARTIES,
    Ledger,
    accreditation,
    battery,
    make_genesis,
    participant,
    signer,
)
from tests.harness.ledger import VALIDATORS as VOTING


def governing(**genesis: Any) -> Governing:
    parties = [replace(participant(did), recovery=recovery_of(did)) for did in PARTIES]
    return Governing(Ledger(make_genesis(participants=parties, **genesis)))


def licence(did: str, **changes: Any) -> Any:
    return replace(accreditation(MAKER), participant=did, **changes)


# -- possession of new keys ------------------------------------------------------------------------------


def test_a_proof_of_possession_is_of_one_key_for_one_name_one_role_and_one_network() -> None:
    """
    What is signed says all four, so that a proof is good for no other; as a file it is for its network alone.
    """
    network, key = bytes(range(32)), signer(MAKER, "attest")
    said = [network, key.key_id, "attest", key.public_key]

    assert decode(possession_message(*said)) == [POSSESSION_TAG, *said]  # type: ignore[arg-type]
    proofs = {key.key_id: prove_possession(network, "attest", key)}
    assert parse_proofs(proofs_table(proofs, network), network) == proofs
    with pytest.raises(CredentialError) as refused:
        parse_proofs(proofs_table(proofs, network), bytes(32))
    assert refused.value.code == "wrong_network"


# -- what governs is under the root ----------------------------------------------------------------------


def test_genesis_seeds_the_records_and_the_root_moves_with_each_change() -> None:
    """
    Before the first block the root is that of the records of genesis; every block's record names the root of
    what governs the next one, with presence and absence provable.
    """
    g = governing()
    new = licence(OUTSIDER, schemes=(("gbt34014", "ZZ8"),), jurisdiction="CN")
    key = record_key(("accreditation", new.id))
    registry = g.ledger.registry

    def proven(value: bytes | None) -> None:
        proof = registry.constitution.records.proof(key)
        entry = parse_entry(g.idle().entries[-1])
        assert isinstance(entry, BlockEntry)
        verify_map_proof(entry.governance_root, key, value, proof)

    proven(None)
    g.propose(CN_AUTHORITY, licence_row(new))
    proven(records_of(g.now)["accreditation", new.id])


def test_a_ledger_without_governance_acts_keeps_its_root() -> None:
    """
    Blocks of batteries alone do not touch what governs.
    """
    g = governing()
    before = g.ledger.registry.constitution.records.root
    g.ledger.produced(1, published=True)

    assert g.ledger.registry.constitution.records.root == before
    assert g.ledger.history.epochs == ((0, g.ledger.genesis.governance),)


# -- one authority of the jurisdiction -------------------------------------------------------------------


def test_a_licence_given_by_one_authority_governs_the_next_block() -> None:
    """
    The proposal of an authority of that side is its approval; the block after may use it, its own not yet.
    """
    g = governing()
    new = licence(OUTSIDER, schemes=(("gbt34014", "ZZ8"),))
    proposal = g.proposal(licence_row(new))
    made = g.ledger.attest(OUTSIDER, "battery.produced", battery(8, "ZZ8"))
    with pytest.raises(Refusal, match="accredited"):
        g.ledger.registry.check_tx(made, g.ledger.now)

    decided = decisions(g.ledger.run(g.act(CN_AUTHORITY, "proposed", proposal)))

    assert [(d.outcome, d.in_force) for d in decided] == [("decided", g.ledger.height + 1)]
    assert g.outcome(proposal) == ("decided", "")
    g.ledger.run(made)
    assert g.ledger.standing(battery(8, "ZZ8")).holder == OUTSIDER


def test_another_sides_authority_decides_nothing_here() -> None:
    """
    A licence for CN waits for an authority of CN, whoever else approves; the maker may ask for it itself.
    """
    g = governing()
    proposal = g.propose(OUTSIDER, licence_row(licence(OUTSIDER, schemes=(("gbt34014", "ZZ8"),))))
    assert g.refused(OUTSIDER, "approved", proposal) == "not_responsible"

    g.approve(proposal, EU_AUTHORITY)
    assert g.outcome(proposal) == ("open", "")
    g.approve(proposal, CN_AUTHORITY)
    assert g.outcome(proposal) == ("decided", "")


def test_a_licence_is_suspended_reinstated_and_withdrawn() -> None:
    """
    What was admitted stays; nothing new while it is suspended; and what is over is not begun again.
    """
    g = governing()
    held = next(a for a in g.now.accreditations if a.participant == MAKER and a.licence == "")
    at = g.ledger.now

    def allowed() -> str:
        tx = g.ledger.attest(MAKER, "battery.produced", battery(g.ledger.height + 100))
        try:
            g.ledger.registry.check_tx(tx, g.ledger.now)
        except Refusal as refusal:
            return refusal.code
        return "admitted"

    assert allowed() == "admitted"
    suspended = replace(held, suspended=((at, None),))
    g.pass_(CN_AUTHORITY, licence_row(suspended))
    assert allowed() == "X9"
    begun = next(a for a in g.now.accreditations if a.id == held.id).suspended[0][0]
    g.pass_(CN_AUTHORITY, licence_row(replace(held, suspended=((begun, g.ledger.now),))))
    assert allowed() == "admitted"
    latest = next(a for a in g.now.accreditations if a.id == held.id)
    g.pass_(CN_AUTHORITY, licence_row(replace(latest, valid_until=at)))
    assert allowed() == "X9"
    ended = next(a for a in g.now.accreditations if a.id == held.id)
    assert ended.valid_until is not None
    assert ended.valid_until > at, "a withdrawal does not reach back"
    with pytest.raises(Refusal, match="it is over: give another one"):
        g.propose(
            CN_AUTHORITY, licence_row(replace(ended, suspended=(*ended.suspended, (g.ledger.now, None))))
        )


def test_a_recognition_is_the_recognising_sides_alone() -> None:
    """
    The EU recognises; approvals of the other side are not asked for and do not count.
    """
    g = governing()
    row = Recognition(
        authority=EU_AUTHORITY, jurisdiction="EU", issuer=MAKER, rows=("EXP-02",),
        effect=Effect.ACCEPTED_AS_LAB_EVIDENCE, legal_basis="network-policy", valid_from=CREATED,
    )  # fmt: skip
    table = {("recognition", row.id): row.as_table()}

    other = g.propose(CN_AUTHORITY, table)
    g.idle()
    assert g.outcome(other) == ("open", "")
    mine = g.propose(EU_AUTHORITY, table)
    assert g.outcome(mine) == ("decided", "")
    assert row in g.now.recognitions
    g.idle()
    assert g.outcome(other) == ("lapsed", "base_changed")


def test_a_participant_is_admitted_with_keys_that_it_has() -> None:
    """
    Every new key signed for itself; then the party may act under the licence that it is given.
    """
    g = governing()
    did = "did:web:late.example"
    keys = tuple(
        Key(r, signer(did, r).key_id, signer(did, r).public_key, CREATED) for r in ("attest", "transport")
    )
    late = Participant(did, "late", "EU", (), keys)
    proofs = {k.id: prove_possession(g.ledger.genesis.network_id, k.role, signer(did, k.role)) for k in keys}
    with pytest.raises(Refusal, match="did not sign for itself"):
        g.propose(EU_AUTHORITY, party_row(late))
    stolen = {**proofs, keys[0].id: proofs[keys[1].id]}
    with pytest.raises(Refusal, match="did not sign for itself"):
        g.propose(EU_AUTHORITY, party_row(late), proofs=stolen)

    g.pass_(EU_AUTHORITY, party_row(late), proofs=proofs)

    assert g.now.participants[did].keys[0].valid_from >= CREATED
    assert list(g.now.participants)[-1] == did


# -- keys ------------------------------------------------------------------------------------------------


def test_own_keys_are_replaced_with_the_recovery_key_and_nothing_else() -> None:
    """
    Not with the key that is replaced, nor by the authority of its side; what was admitted stays.
    """
    g = governing()
    rows, proofs = with_key(
        g.now, IMPORTER, ("attest",), 2, g.ledger.now, network_id=g.ledger.genesis.network_id
    )
    by_itself = g.propose(IMPORTER, rows, proofs=proofs)
    by_authority = g.propose(EU_AUTHORITY, rows, proofs=proofs)
    g.idle()
    assert g.outcome(by_itself) == g.outcome(by_authority) == ("open", "")

    mine = g.propose(IMPORTER, rows, proofs=proofs, recovery=True)

    assert g.outcome(mine) == ("decided", "")
    old, new = (k for k in g.now.participants[IMPORTER].keys if k.role == "attest")
    assert (old.valid_until, new.valid_until) == (new.valid_from, None)
    g.idle()
    assert g.refused(IMPORTER, "approved", by_itself) == "X9", "the old key signs nothing any more"


def test_a_recovery_key_of_another_or_for_another_act_is_refused() -> None:
    """
    The digest on record decides; it signs proposals and nothing else.
    """
    g = governing()
    rows, proofs = with_key(
        g.now, IMPORTER, ("attest",), 2, g.ledger.now, network_id=g.ledger.genesis.network_id
    )
    proposal = g.proposal(rows, proofs=proofs)

    assert g.refused(EU_AUTHORITY, "approved", proposal, recovery=True) == "X9"
    g.ledger.genesis.governance.participants[IMPORTER]
    assert g.refused(IMPORTER, "proposed", proposal, recovery=True) == "admitted"
    other = Governing(Ledger())  # nobody has a recovery key on record
    assert other.refused(IMPORTER, "proposed", other.proposal(rows, proofs=proofs), recovery=True) == "X9"


def test_a_recovery_key_is_replaced_by_the_authority_after_a_wait_if_nobody_objects() -> None:
    """
    The party is told and may object; without an objection it is done when the wait ends.
    """
    g = governing()
    rows = participant_row(g.now, IMPORTER, recovery=b"\x01" * 32)
    first = g.propose(EU_AUTHORITY, rows)
    assert g.refused(MAKER, "objected", first) == "not_responsible"
    g.ledger.run(g.act(IMPORTER, "objected", first))
    wait = g.now.approvals.objection_s
    g.idle(later_s=wait)
    assert g.outcome(first) == ("lapsed", "expired"), "the other side did not agree"

    second = g.propose(EU_AUTHORITY, rows, for_s=wait + 1000)
    g.idle(later_s=wait - 100)
    assert g.outcome(second) == ("open", "")
    g.idle(later_s=200)
    assert g.outcome(second) == ("decided", "")
    assert g.now.participants[IMPORTER].recovery == b"\x01" * 32


def test_a_validators_vote_key_is_rotated_by_its_recovery_key_and_all_authorities() -> None:
    """
    Neither alone; consensus is told in that block and the new key votes two blocks on.
    """
    g = governing()
    network_id = g.ledger.genesis.network_id
    rows, proofs = with_key(g.now, MAKER, ("vote",), 2, g.ledger.now, network_id=network_id)
    alone = g.propose(EU_AUTHORITY, rows, proofs=proofs)
    g.approve(alone, CN_AUTHORITY)
    assert g.outcome(alone) == ("open", "")

    mine = g.propose(MAKER, rows, proofs=proofs, recovery=True)
    g.approve(mine, EU_AUTHORITY)
    assert g.outcome(mine) == ("open", "")
    before = g.now.validators
    execution = g.approve(mine, CN_AUTHORITY)

    assert [(v.name, v.weight) for v in execution.validator_updates] == [(MAKER, 1)]
    assert g.now.validators == before, "the next block is being voted on"
    g.idle()
    assert g.now.validators == before.updated(execution.validator_updates) != before
    assert [v.name for v in g.now.validators.validators] == list(VOTING)


# -- all together ----------------------------------------------------------------------------------------


def limits_row(**changes: int) -> Any:
    return {(LIMITS, ""): {f: getattr(replace(Limits(), **changes), f) for f in Limits.__dataclass_fields__}}


def test_limits_need_k_authorities_and_one_of_each_side() -> None:
    """
    In force two blocks after the decision; an approval can be taken back until then, and given again.
    """
    g = governing()
    proposal = g.propose(CUSTOMS, limits_row(per_issuer_per_day_max=7))
    g.approve(proposal, EU_AUTHORITY)
    g.ledger.run(g.act(EU_AUTHORITY, "approval_withdrawn", proposal))
    g.approve(proposal, CN_AUTHORITY)
    assert g.outcome(proposal) == ("open", "")

    decided = decisions(g.approve(proposal, EU_AUTHORITY))

    assert [(d.outcome, d.in_force) for d in decided] == [("decided", g.ledger.height + 2)]
    assert g.now.limits.per_issuer_per_day_max == Limits().per_issuer_per_day_max
    g.idle()
    assert g.now.limits.per_issuer_per_day_max == 7
    assert g.refused(EU_AUTHORITY, "approval_withdrawn", proposal) == "proposal_over"
    assert g.refused(EU_AUTHORITY, "approved", proposal) == "proposal_over"


def test_an_approval_of_a_party_that_is_suspended_by_then_does_not_count() -> None:
    """
    Approvals are counted when it is decided: of those that may approve at that moment.
    """
    third = "did:web:recycler.example"
    g = governing(
        accreditations=[
            *make_genesis().governance.accreditations,
            accreditation(third, roles=("authority",), schemes=(("gs1", "*"),), licence="authority"),
        ]
    )
    proposal = g.propose(CUSTOMS, limits_row(per_issuer_per_day_max=7))
    g.approve(proposal, third)
    own = next(a for a in g.now.accreditations if a.licence == "authority")
    suspended = replace(own, suspended=((g.ledger.now, None),))
    g.pass_(EU_AUTHORITY, licence_row(suspended), CN_AUTHORITY)
    assert third not in g.now.authorities(g.ledger.now)

    g.approve(proposal, CN_AUTHORITY)
    assert g.outcome(proposal) == ("open", ""), "k are reached with the suspended one only"
    g.approve(proposal, EU_AUTHORITY)
    assert g.outcome(proposal) == ("decided", "")


def test_two_proposals_that_are_fine_alone_and_not_together() -> None:
    """
    Decided in one block in the order in which they were made: the second is judged under what the first left.
    """
    g = governing()
    a = g.propose(CUSTOMS, limits_row(per_issuer_per_day_max=7))
    b = g.propose(CUSTOMS, limits_row(per_issuer_per_day_max=8))
    g.ledger.run(*(g.act(did, "approved", p) for p in (a, b) for did in (CN_AUTHORITY, EU_AUTHORITY)))

    assert (g.outcome(a), g.outcome(b)) == (("decided", ""), ("lapsed", "base_changed"))
    g.idle()
    assert g.now.limits.per_issuer_per_day_max == 7


def test_validators_change_two_blocks_on_and_keep_their_order() -> None:
    """
    A validator is retired and another promoted; whoever stays keeps its turn.
    """
    g = governing()
    row = {(VALIDATORS, ""): {"participants": [MAKER, CN_AUTHORITY, EU_AUTHORITY, IMPORTER]}}
    mixed = {(VALIDATORS, ""): {"participants": [IMPORTER, MAKER, CN_AUTHORITY, EU_AUTHORITY]}}
    with pytest.raises(Refusal, match="keep their order"):
        g.propose(CUSTOMS, mixed)

    proposal = g.propose(CUSTOMS, row)
    execution = g.approve(proposal, CN_AUTHORITY, EU_AUTHORITY)

    assert sorted((v.name, v.weight) for v in execution.validator_updates) == [(CUSTOMS, 0), (IMPORTER, 1)]
    assert g.now.votes(CUSTOMS)
    g.idle()
    assert [v.name for v in g.now.validators.validators] == [MAKER, CN_AUTHORITY, EU_AUTHORITY, IMPORTER]
    with pytest.raises(Refusal, match="or a quorum could decide without it"):
        g.propose(CUSTOMS, {(VALIDATORS, ""): {"participants": [MAKER, CN_AUTHORITY, OTHER_MAKER]}})


def test_who_can_block_is_a_policy_that_is_changed_with_the_validators() -> None:
    """
    A side leaves the list and the vote in one proposal; with the list as it was the same change is refused.
    """
    g = governing()
    alone = {(VALIDATORS, ""): {"participants": [MAKER, CN_AUTHORITY, CUSTOMS, OTHER_MAKER]}}
    both = {**alone, (APPROVALS, ""): {**g.now.approvals.as_table(), "quorum_jurisdictions": ["CN"]}}
    with pytest.raises(Refusal, match="take it out of `quorum_jurisdictions`"):
        g.propose(CN_AUTHORITY, alone)

    g.approve(g.propose(CN_AUTHORITY, both), EU_AUTHORITY)
    g.idle()

    policy = LogPolicy.parse(g.now.log_policy("log.example"))
    assert policy.never_without() == g.now.approvals.quorum_jurisdictions == ("CN",)
    named = {(APPROVALS, ""): {**g.now.approvals.as_table(), "quorum_jurisdictions": ["CN", "IN"]}}
    with pytest.raises(Refusal, match="IN has 0 of 4 validators and needs 2"):
        g.propose(CN_AUTHORITY, named)


# -- no way back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["withdrawn", "suspended", "dated", "left"])
def test_no_change_leads_to_where_nothing_can_be_changed(how: str) -> None:
    """
    The last authority of a side is not taken away, ended at a date or let go: the refusal says what to do.
    """
    g = governing()
    held = next(a for a in g.now.accreditations if a.participant == EU_AUTHORITY)
    rows = {
        "withdrawn": lambda: licence_row(replace(held, valid_until=g.ledger.now)),
        "suspended": lambda: licence_row(replace(held, suspended=((g.ledger.now, None),))),
        "dated": lambda: licence_row(replace(held, valid_until=g.ledger.now + 10**8)),
        "left": lambda: participant_row(g.now, EU_AUTHORITY, left=g.ledger.now),
    }[how]()

    with pytest.raises(Refusal, match=r"admit another one first|propose the other validators with it"):
        g.propose(CN_AUTHORITY, rows)


def test_a_recovery_key_does_not_approve_for_its_authority() -> None:
    """
    It speaks for the party's keys; the office approves with its attest key.
    """
    g = governing()
    network_id = g.ledger.genesis.network_id
    rows, proofs = with_key(g.now, EU_AUTHORITY, ("vote",), 2, g.ledger.now, network_id=network_id)
    own = g.propose(EU_AUTHORITY, rows, proofs=proofs, recovery=True)
    g.approve(own, CN_AUTHORITY)
    assert g.outcome(own)[0] == "open"
    g.approve(own, EU_AUTHORITY)
    assert g.outcome(own)[0] == "decided"


def test_the_only_authority_of_a_side_changes_its_key_by_all_others_after_a_wait() -> None:
    """
    Its own approval would be one of the key that goes: the others give theirs, and a wait lets it be heard.
    """
    g = governing()
    network_id = g.ledger.genesis.network_id
    wait = g.now.approvals.removal_s
    rows, proofs = with_key(g.now, EU_AUTHORITY, ("attest", "vote"), 2, g.ledger.now, network_id=network_id)
    own = g.propose(EU_AUTHORITY, rows, proofs=proofs, recovery=True, for_s=wait + 100)
    g.approve(own, EU_AUTHORITY)
    assert g.outcome(own)[0] == "open"
    g.approve(own, CN_AUTHORITY)
    assert g.outcome(own)[0] == "open"

    g.idle(later_s=wait)
    assert g.outcome(own)[0] == "decided"
    g.idle()
    assert g.now.authorities(g.ledger.now)[EU_AUTHORITY] == "EU"


# -- emergency stops -------------------------------------------------------------------------------------


def stop_row(target: str, by: str, **changes: Any) -> Any:
    return {("stop", target): {"target": target, "by": by, "since": 0, "until": 0} | changes}


def test_an_emergency_stop_holds_from_the_next_block_and_lapses() -> None:
    """
    Everything that the party signs is refused until then; what it signed before stays.
    """
    g = governing()
    subject = g.ledger.produced(1)
    g.propose(CN_AUTHORITY, stop_row(MAKER, CN_AUTHORITY))
    later = g.ledger.attest(MAKER, "battery.produced", battery(2))

    with pytest.raises(Refusal, match="is stopped by did:web:cn-authority"):
        g.ledger.registry.check_tx(later, g.ledger.now)
    assert g.ledger.standing(subject).holder == MAKER
    g.idle(later_s=g.now.approvals.stop_s)
    g.ledger.run(g.ledger.attest(MAKER, "battery.produced", battery(2)))


def test_nobody_repeats_a_stop_that_was_not_confirmed() -> None:
    """
    After it lapsed another one needs all; one that was lifted may come again.
    """
    g = governing()
    first = g.propose(CN_AUTHORITY, stop_row(MAKER, CN_AUTHORITY))
    assert g.outcome(first)[0] == "decided"
    g.idle(later_s=g.now.approvals.stop_s)

    again = g.propose(CN_AUTHORITY, stop_row(MAKER, CN_AUTHORITY))
    assert g.outcome(again) == ("open", "")
    g.approve(again, EU_AUTHORITY)
    assert g.outcome(again)[0] == "decided"


def test_a_stop_is_confirmed_by_another_authority_or_all_together() -> None:
    """
    Not by whoever set it; where a side has one authority, by all; then it lasts until it is lifted.
    """
    g = governing()
    g.propose(CN_AUTHORITY, stop_row(OUTSIDER, CN_AUTHORITY))
    stop = g.now.stops[OUTSIDER]
    confirm = {("stop", OUTSIDER): {"target": OUTSIDER, "by": CN_AUTHORITY, "since": stop.since}}
    proposal = g.propose(CN_AUTHORITY, confirm)
    g.idle()
    assert g.outcome(proposal) == ("open", "")
    g.approve(proposal, EU_AUTHORITY)
    assert g.outcome(proposal)[0] == "decided"

    g.idle(2, later_s=g.now.approvals.stop_s * 2)
    assert g.now.stopped(OUTSIDER, g.ledger.now) is not None
    lift = {("stop", OUTSIDER): {"target": OUTSIDER, "by": CN_AUTHORITY, "since": stop.since, "lifted": True}}
    g.pass_(CN_AUTHORITY, lift)
    assert g.now.stopped(OUTSIDER, g.ledger.now) is None


# -- proposals -------------------------------------------------------------------------------------------


def test_a_proposal_expires_is_withdrawn_and_can_be_made_again() -> None:
    """
    The same bytes never twice; the same change under another nonce whenever somebody wants it.
    """
    g = governing()
    rows = limits_row(per_issuer_per_day_max=7)
    short = g.propose(CUSTOMS, rows, for_s=100)
    g.approve(short, CN_AUTHORITY)
    g.idle(later_s=100)
    assert g.outcome(short) == ("lapsed", "expired")
    mine = g.propose(CUSTOMS, rows)
    assert g.refused(MAKER, "proposal_withdrawn", mine) == "not_responsible"
    g.ledger.run(g.act(CUSTOMS, "proposal_withdrawn", mine))
    assert g.outcome(mine) == ("withdrawn", "")

    assert g.refused(CUSTOMS, "proposed", mine) == "duplicate"
    again = g.propose(CUSTOMS, rows)
    g.approve(again, CN_AUTHORITY, EU_AUTHORITY)
    assert g.outcome(again)[0] == "decided"


def test_a_flood_of_proposals_ends_at_a_partys_share() -> None:
    """
    A share per party: nobody takes the room of others.
    """
    g = governing()
    most = g.now.approvals.proposals_per_party_max
    for number in range(most):
        g.propose(OUTSIDER, limits_row(per_issuer_per_day_max=10 + number))

    assert g.refused(OUTSIDER, "proposed", g.proposal(limits_row(per_issuer_per_day_max=9))) == "quota"
    g.propose(CUSTOMS, limits_row(per_issuer_per_day_max=9))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (lambda g: participant_row(g.now, MAKER), "it leaves participant did:web:maker.example as it is"),
        (lambda g: participant_row(g.now, MAKER, jurisdiction="EU"), "stays in CN"),
        (lambda g: participant_row(g.now, MAKER, keys=()), "keeps every key on record"),
        (lambda g: {(PARTICIPANT, MAKER): {"did": MAKER}}, "lacks"),
        (lambda g: {("rule", "other.json"): {"sha256": "x"}}, "64 hexadecimal digits"),
        (lambda g: {("limits", ""): {"x": 1}}, "^limits are among"),
    ],
    ids=["nothing", "jurisdiction", "keys", "form", "digest", "limits"],
)
def test_what_cannot_be_changed_so_is_refused_when_it_is_proposed(rows: Any, sentence: str) -> None:
    """
    With the sentence that says what is wrong.
    """
    g = governing()

    with pytest.raises(Refusal, match=sentence):
        g.propose(CN_AUTHORITY, rows(g))


def test_nothing_is_decided_for_all_while_a_side_is_silenced_by_a_stop() -> None:
    """
    The others may stop the only authority of a side; what needs all waits until that is over, so nobody puts
    another one into its place meanwhile. The stop cannot be made to last: that would be a dead end.
    """
    g = governing()
    wait = g.now.approvals.removal_s
    stop = g.propose(CN_AUTHORITY, stop_row(EU_AUTHORITY, CN_AUTHORITY), for_s=wait + 100)
    g.idle(later_s=wait)
    assert g.outcome(stop)[0] == "decided"
    g.idle()
    until = g.now.stops[EU_AUTHORITY].until
    assert until is not None and EU_AUTHORITY not in g.now.authorities(g.ledger.now)

    usurper = accreditation(IMPORTER, roles=("authority",), schemes=(("gs1", "*"),), licence="usurped")
    taken = g.propose(CN_AUTHORITY, licence_row(usurper), for_s=wait)
    g.idle(2)
    assert g.outcome(taken) == ("open", "")
    since = until - g.now.approvals.stop_s
    lasting = {("stop", EU_AUTHORITY): {"target": EU_AUTHORITY, "by": CN_AUTHORITY, "since": since}}
    with pytest.raises(Refusal, match=r"EU would in the end have no authority|would be left"):
        g.propose(CN_AUTHORITY, lasting)

    g.idle(later_s=until - g.ledger.now)
    assert g.outcome(taken) == ("open", ""), "the EU is heard again, and has not approved"
    g.approve(taken, EU_AUTHORITY)
    assert g.outcome(taken)[0] == "decided"


def test_another_version_of_the_rules_stops_who_lacks_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Held by a quorum and approved it is in force two blocks later, and blocks are of it then; a node without
    its code stops before the block that decides it, and decides it once it has it: the same block.
    """
    g = governing()
    proposal = g.propose(EU_AUTHORITY, {("app_version", ""): {"app_version": 2}})
    g.approve(proposal, CN_AUTHORITY)
    assert g.outcome(proposal) == ("open", "")
    held = [g.act(did, "held", proposal) for did in g.now.validator_dids]
    block = g.ledger.block(g.ledger.propose(held))
    with pytest.raises(VersionNotHere, match="version 2 of the ledger's rules"):
        g.ledger.execute(block)

    monkeypatch.setattr(governance_records, "APP_VERSIONS", frozenset({1, 2}))
    g.ledger.execute(block)
    assert g.outcome(proposal) == ("decided", "") and g.ledger.registry.app_version == 1
    g.idle()
    assert g.ledger.registry.app_version == 2
    with pytest.raises(Refusal, match="another configuration or version"):
        g.ledger.registry.process_proposal(g.ledger.block((), app_version=1))
    g.idle()


def test_where_all_together_decide_a_stop_it_may_be_set_in_any_authoritys_name() -> None:
    """
    By the rules as they come only the authority of that side decides one, and nobody sets it for another.
    """
    first = governing().now
    together = replace(first, approvals=ApprovalRules.parse({"actions": {"stop.set": NETWORK}}))

    def may(governance: Any) -> list[bool]:
        return [may_stop(governance, by, MAKER, CREATED) for by in (CN_AUTHORITY, EU_AUTHORITY)]

    assert (may(first), may(together)) == ([True, False], [True, True])


@pytest.mark.check
def test_a_stop_that_may_be_set_is_one_that_can_be_decided() -> None:
    """
    In whoever's name it is set, and whatever was stopped before: exactly where somebody can give each
    approval that is missing.
    """
    g = governing()
    g.pass_(EU_AUTHORITY, stop_row(IMPORTER, EU_AUTHORITY))
    g.pass_(CN_AUTHORITY, stop_row(f"{MAKER}#attest-1", CN_AUTHORITY))
    lifted = {"target": f"{MAKER}#attest-1", "by": CN_AUTHORITY, "lifted": True}
    since = g.now.stops[f"{MAKER}#attest-1"].since
    g.pass_(CN_AUTHORITY, {("stop", f"{MAKER}#attest-1"): {**lifted, "since": since}})
    parties, state, at = list(g.now.participants), g.ledger.registry.constitution.state, g.ledger.now
    seen, differing = set[bool](), list[tuple[str, str, bool]]()
    for by in (EU_AUTHORITY, CN_AUTHORITY, MAKER):
        sitting = state.sitting(at, g.ledger.height + 1, lambda _: None)
        for target in (*parties, *(f"{did}#attest-1" for did in parties)):
            try:
                tabled = sitting.tabling(g.proposal(stop_row(target, by)), by, recovered=False)
                missing = sitting.weighed(tabled)[2].missing
                can = all(one.count <= len(one.of) for one in missing)
            except (Refusal, CredentialError):
                can = False  # stopped already, or it would leave a dead end
            if may_stop(g.now, by, target, at) != can:
                differing.append((by, target, can))
            seen.add(can)
    assert seen == {True, False} and differing == []
