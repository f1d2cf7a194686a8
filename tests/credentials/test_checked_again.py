"""What was fine when it was agreed to, and no more when it comes into force: by hand, step by step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.errors import CredentialError
from credentials.ledger.governance_records import APPROVALS, VALIDATORS
from credentials.ledger.parties import Key, Participant
from credentials.ledger.proposals import prove_possession
from credentials.ledger.recognition import Effect, Recognition
from tests.credentials.test_proposals import governing, licence
from tests.harness.constitution.bugs import a_change_begins_by_the_rules_to_come
from tests.harness.governing import Governing, decisions, licence_row, participant_row, party_row
from tests.harness.ledger import CN_AUTHORITY, CREATED, CUSTOMS, EU_AUTHORITY, IMPORTER, MAKER, signer

SECOND = "did:web:second-authority.example"
VOTING_TOO = {(VALIDATORS, ""): {"participants": [MAKER, CN_AUTHORITY, EU_AUTHORITY, IMPORTER]}}


def leaving(g: Governing) -> Any:
    return participant_row(g.now, IMPORTER, left=g.ledger.now)


def approving(g: Governing, **changes: Any) -> Any:
    return {(APPROVALS, ""): {**g.now.approvals.as_table(), **changes}}


def recognition_row(row: str = "EXP-02") -> Any:
    given = Recognition(
        authority=EU_AUTHORITY, jurisdiction="EU", issuer=MAKER, rows=(row,),
        effect=Effect.ACCEPTED_AS_LAB_EVIDENCE, legal_basis="network-policy", valid_from=CREATED,
    )  # fmt: skip
    return {("recognition", given.id): given.as_table()}


def why(g: Governing, proposal: Any) -> str:
    """The sentence that everybody who asks is told while it is open."""
    files = dict[bytes, bytes]().get
    sitting = g.ledger.registry.constitution.state.sitting(g.ledger.now, g.ledger.height + 1, files)
    with pytest.raises(CredentialError) as refused:
        sitting.weighed(sitting.tabled[proposal.digest])
    return refused.value.message


def with_a_second_authority(g: Governing) -> None:
    """CN has two authorities from now on, so that either may go."""
    keys = tuple(
        Key(r, signer(SECOND, r).key_id, signer(SECOND, r).public_key, CREATED)
        for r in ("attest", "transport")
    )
    proofs = {
        k.id: prove_possession(g.ledger.genesis.network_id, k.role, signer(SECOND, k.role)) for k in keys
    }
    rows = {
        **party_row(Participant(SECOND, "second", "CN", (), keys)),
        **licence_row(licence(SECOND, roles=("authority",), jurisdiction="CN")),
    }
    g.pass_(CN_AUTHORITY, rows, EU_AUTHORITY, proofs=proofs)
    assert SECOND in g.now.authorities(g.ledger.now)


def test_a_change_that_would_begin_before_a_decided_one_is_judged_with_it() -> None:
    """
    The importer is to vote from two blocks on; in the block between it would leave, from one block on. Each
    is fine alone. What was decided stays, and the other is refused with the sentence that says why.
    """
    g = governing()
    votes, leaves = g.proposal(VOTING_TOO), g.proposal(leaving(g))
    g.ledger.run(g.act(CUSTOMS, "proposed", votes))
    g.approve(votes, CN_AUTHORITY, EU_AUTHORITY)
    assert g.outcome(votes) == ("decided", "")
    assert not g.now.votes(IMPORTER), "decided, and not in force yet"

    assert g.refused(IMPORTER, "proposed", leaves, recovery=True) == "governance_invalid"
    with pytest.raises(Refusal) as refused:
        g.propose(IMPORTER, leaving(g), recovery=True)
    told = f"the validator {IMPORTER} left: propose the other validators with it"
    assert str(refused.value) == told
    g.idle()
    assert g.now.votes(IMPORTER)
    assert g.now.participants[IMPORTER].left is None


def test_what_was_agreed_to_waits_and_is_read_again_when_its_wait_is_over() -> None:
    """
    All others agreed that the only authority of a side goes, which waits; meanwhile all decide that three
    approve from now on. When the wait ends the change would leave two: it lapses, and says so until then.
    """
    g = governing()
    with_a_second_authority(g)
    wait = g.now.approvals.removal_s
    theirs = next(a for a in g.now.accreditations if a.participant == EU_AUTHORITY)
    gone = {
        **licence_row(replace(theirs, valid_until=g.ledger.now)),
        (APPROVALS, ""): {**g.now.approvals.as_table(), "jurisdictions": ["CN"]},
    }
    going = g.propose(CN_AUTHORITY, gone, for_s=wait + 10_000)
    g.approve(going, SECOND)
    assert g.outcome(going) == ("open", "")
    three = g.propose(EU_AUTHORITY, approving(g, approvals_min=3))
    g.approve(three, CN_AUTHORITY, SECOND)
    assert (g.outcome(going), g.outcome(three)) == (("open", ""), ("decided", ""))
    assert why(g, going) == "approvals  is not what this proposal was written for: make it again"
    g.idle(later_s=wait)
    assert g.outcome(going) == ("lapsed", "base_changed")
    assert EU_AUTHORITY in g.now.authorities(g.ledger.now)


def test_what_is_decided_begins_by_the_rules_that_decided_it() -> None:
    """
    One block decides that a recognition is for all from then on, and a recognition, by one authority as the
    rules of that block still say: it begins with the next block, as every one that one authority gives.
    """
    g = governing()
    actions = {**g.now.approvals.as_table()["actions"], "recognition.given": "network"}
    stricter = g.propose(CUSTOMS, approving(g, actions=actions))
    given = g.proposal(recognition_row())
    acts = [g.act(did, "approved", stricter) for did in (CN_AUTHORITY, EU_AUTHORITY)]
    decided = decisions(g.ledger.run(*acts, g.act(EU_AUTHORITY, "proposed", given)))

    height = g.ledger.height
    assert sorted(d.in_force for d in decided if d.in_force) == [height + 1, height + 2]
    assert next(iter(g.now.recognitions)).issuer == MAKER
    g.idle()
    assert g.refused(EU_AUTHORITY, "proposed", g.proposal(recognition_row("EXP-03"))) == "admitted"


def test_a_change_that_began_by_the_rules_to_come_would_be_found() -> None:
    """
    Planted: when it begins is read from the rules that the same block decided. The one before this fails.
    """
    with a_change_begins_by_the_rules_to_come(), pytest.raises(AssertionError):
        test_what_is_decided_begins_by_the_rules_that_decided_it()
