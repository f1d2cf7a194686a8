"""What the thief of an attest key approved and proposed, once its owner says that the key was stolen."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from consensus.cose import SeedSigner
from credentials.ledger.parties import Key
from credentials.ledger.proposals import ChangeProposal, prove_possession
from tests.credentials.test_proposals import governing, limits_row
from tests.harness.governing import Governing, participant_row, party_row
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, EU_AUTHORITY, IMPORTER, accreditation, make_genesis

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
