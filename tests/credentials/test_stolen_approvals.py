"""What keys say that speak for their owner no more: stolen ones that approved, retired ones of notes."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from consensus.application import Execution, Refusal
from consensus.cose import SeedSigner
from consensus.types import Block
from credentials.ledger import governance_state
from credentials.ledger.entries import BlockEntry, PolicyEntry, parse_entry
from credentials.ledger.log_epochs import AFTER_ENTRY
from credentials.ledger.parties import Key
from credentials.ledger.policy_keys import PolicyKeys, policies_in
from credentials.ledger.proposals import ChangeProposal, prove_possession
from credentials.ledger.registry import Registry
from tests.credentials.test_proposals import governing, limits_row
from tests.harness.governing import Governing, participant_row, party_row, with_key
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    Ledger,
    accreditation,
    make_genesis,
)

STOLEN_S = 500  # before it is stated


def network() -> Governing:
    """Two authorities in the EU and one in CN."""
    second = accreditation(CUSTOMS, roles=("authority",), schemes=(("gs1", "*"),), licence="authority")
    return governing(accreditations=[*make_genesis().governance.accreditations, second])


def new_signer(did: str) -> SeedSigner:
    return SeedSigner(f"{did}#attest-2", sha256(f"{did} next".encode()).digest())


def stated(g: Governing, did: str, **beside: int) -> ChangeProposal:
    """Its recovery key says that its attest key was stolen, and names the next one."""
    party, at, fresh = g.now.participants[did], g.ledger.now, new_signer(did)
    lost = tuple(
        replace(k, valid_until=at, compromised_from=at - STOLEN_S) if k.role == "attest" else k
        for k in party.keys
    )
    rows = party_row(replace(party, keys=(*lost, Key("attest", fresh.key_id, fresh.public_key, at))))
    proofs = {fresh.key_id: prove_possession(g.ledger.genesis.network_id, "attest", fresh)}
    changed = {**rows, **(limits_row(**beside) if beside else {})}
    return g.propose(did, changed, proofs=proofs, recovery=True)


def approvals(g: Governing, proposal: ChangeProposal) -> frozenset[str]:
    return g.ledger.registry.constitution.state.tabled[proposal.digest].approvals


def test_what_a_stolen_key_approved_is_not_approved() -> None:
    """
    Its owner approves again with the new key; what others approved stays.
    """
    g = network()
    theirs = g.propose(IMPORTER, limits_row(clock_skew_s=61))
    g.approve(theirs, CUSTOMS)
    own = g.propose(EU_AUTHORITY, limits_row(attestation_age_s_max=3_600))
    theft = stated(g, CUSTOMS)
    assert g.outcome(theft) == ("decided", "")
    assert (approvals(g, theirs), approvals(g, own)) == (frozenset(), frozenset({EU_AUTHORITY}))
    g.approve(theirs, CN_AUTHORITY)
    assert g.outcome(theirs) == ("open", "")

    g.idle()
    g.ledger.run(g.act(CUSTOMS, "approved", theirs, signed=new_signer(CUSTOMS)))
    assert g.outcome(theirs) == ("decided", "")


def test_a_stolen_key_approves_nothing_once_that_is_decided() -> None:
    """
    Also in the block before it is in force, where the key still speaks.
    """
    g = network()
    theirs = g.propose(IMPORTER, limits_row(clock_skew_s=61))
    theft = stated(g, CUSTOMS, attestation_age_s_max=3_600)
    g.approve(theft, EU_AUTHORITY, CN_AUTHORITY)

    assert g.outcome(theft) == ("decided", "") and g.now.key_by_id(f"{CUSTOMS}#attest-1", g.ledger.now)
    assert g.refused(CUSTOMS, "approved", theirs) == "X9"


def test_what_a_stolen_key_proposed_is_over() -> None:
    """
    A thief's change of its victim is not decided as the victim's own; what its recovery key proposes stays.
    """
    g = network()
    rows = participant_row(g.now, IMPORTER, address="https://thief.example")
    both = {**rows, **limits_row(clock_skew_s=61)}
    theirs = g.propose(IMPORTER, both, for_s=20 * 86_400)
    theft = stated(g, IMPORTER)

    assert (g.outcome(theft), g.outcome(theirs)) == (("decided", ""), ("lapsed", "key_stolen"))


def test_a_retired_key_of_checkpoints_spoke_until_the_size_of_its_policy() -> None:
    """
    The same for who restarts from the log as for who lived through it; keys that stay have no end.
    """
    g = governing()
    origin, network_id = g.ledger.genesis.origin, g.ledger.genesis.network_id
    old, stays = g.now.cosign_key(MAKER).public_key, g.now.log_key(origin, MAKER).public_key
    rows, proofs = with_key(g.now, MAKER, ("cosign",), 2, g.ledger.now, network_id=network_id)
    g.pass_(MAKER, rows, EU_AUTHORITY, CN_AUTHORITY, recovery=True, proofs=proofs)
    entries = g.ledger.reader.entries
    (policy,) = [i for i, entry in enumerate(entries) if isinstance(parse_entry(entry), PolicyEntry)]

    until = g.ledger.registry.parameters(g.ledger.height + 1).note_keys_until
    assert until == {old: policy + AFTER_ENTRY} and stays not in until
    assert isinstance(parse_entry(entries[policy + 1]), BlockEntry), "the last of its block"
    again = Registry(
        g.ledger.genesis, g.ledger.reader, g.ledger.registry.app_hash,
        constitution=g.ledger.registry.constitution, policies=policies_in(entries),
    )  # fmt: skip
    assert again.parameters(g.ledger.height + 1) == g.ledger.registry.parameters(g.ledger.height + 1)

    first, second = (one.log_policy(origin) for one in (g.ledger.genesis.governance, g.now))
    back = PolicyKeys(first, [(10, second), (20, first)])
    assert old not in back.until and [*back.until.values()] == [20]
    back.learn((30, second))
    assert back.until == {old: 30}


def expelled(g: Governing, did: str) -> Any:
    """Its side sends it away."""
    return participant_row(g.now, did, left=g.ledger.now)


def test_what_a_stolen_key_objected_to_is_proposed_again() -> None:
    """
    The theft takes no objection back, its owner's or the thief's: all together may decide. Proposed again,
    the stolen key does not object, and the authority decides alone after the wait.
    """
    g = network()
    wait = g.now.approvals.objection_s
    gone = g.propose(EU_AUTHORITY, expelled(g, IMPORTER), for_s=3 * wait)
    g.ledger.run(g.act(CUSTOMS, "objected", gone))
    theft = stated(g, CUSTOMS, attestation_age_s_max=3_600)
    g.approve(theft, EU_AUTHORITY, CN_AUTHORITY)
    g.idle(2, later_s=wait)
    assert (g.outcome(theft), g.outcome(gone)) == (("decided", ""), ("open", ""))

    g.ledger.run(g.act(EU_AUTHORITY, "proposal_withdrawn", gone))
    again = g.propose(EU_AUTHORITY, expelled(g, IMPORTER), for_s=3 * wait)
    assert g.refused(CUSTOMS, "objected", again) == "X9"
    g.idle(2, later_s=wait)
    assert g.outcome(again) == ("decided", "")


def test_an_objection_by_a_stolen_key_does_not_outvote_all() -> None:
    """
    What it was raised against is decided by all together, at once when its wait is over.
    """
    g = network()
    wait = g.now.approvals.objection_s
    gone = g.propose(EU_AUTHORITY, expelled(g, IMPORTER), for_s=3 * wait)
    g.ledger.run(g.act(CUSTOMS, "objected", gone))
    g.idle(later_s=wait)
    assert g.outcome(gone) == ("open", "")

    g.approve(gone, CN_AUTHORITY)
    assert g.outcome(gone) == ("decided", "")


def test_a_history_of_the_rule_before_is_refused_where_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A thief's approval was counted by an earlier version. Executed again by this one, the first block that
    rests on that is refused with a sentence, and nothing is executed after it: no second history begins.
    """
    blocks: list[Block] = []
    execute = Ledger.execute

    def kept(ledger: Ledger, block: Block) -> Execution:
        blocks.append(block)
        return execute(ledger, block)

    with monkeypatch.context() as earlier:
        earlier.setattr(governance_state, "_unsaid", lambda *_: {})
        earlier.setattr(Ledger, "execute", kept)
        g = network()
        theirs = g.propose(IMPORTER, limits_row(clock_skew_s=61))
        g.approve(theirs, CUSTOMS)
        theft = stated(g, CUSTOMS)
        stolen_at = g.ledger.height
        g.approve(theirs, CN_AUTHORITY)
        g.idle(2)
        assert (g.outcome(theft), g.outcome(theirs)) == (("decided", ""), ("decided", ""))

    now = Ledger(g.ledger.genesis)
    for block in blocks[:stolen_at]:
        now.execute(block)
    agreed = now.registry.app_hash
    for block in blocks[stolen_at:]:
        with pytest.raises(Refusal, match="does not follow the state after") as refused:
            now.execute(block)
        assert refused.value.code == "block"

    assert now.height == stolen_at < len(blocks)
    assert now.registry.app_hash == agreed != blocks[stolen_at].app_hash
