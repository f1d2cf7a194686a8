"""What the restated rules found wrong in the registry, each shown by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.application import Refusal
from tests.credentials.test_proposals import governing, limits_row, stop_row
from tests.harness.governing import licence_row, participant_row, with_key
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, EU_AUTHORITY, IMPORTER, MAKER, OUTSIDER


def test_an_authority_with_two_keys_approves_with_the_one_that_is_not_stopped() -> None:
    """
    A newer key that is stopped does not silence the older one beside it.
    """
    g = governing()
    network_id, wait = g.ledger.genesis.network_id, g.now.approvals.removal_s
    rows, proofs = with_key(g.now, CN_AUTHORITY, ("attest",), 2, g.ledger.now, network_id=network_id)
    table = dict(rows["participant", CN_AUTHORITY])
    table["keys"] = [{n: v for n, v in key.items() if n != "valid_until"} for key in table["keys"]]
    g.pass_(CN_AUTHORITY, {("participant", CN_AUTHORITY): table}, proofs=proofs, recovery=True)
    stop = g.propose(CN_AUTHORITY, stop_row(f"{CN_AUTHORITY}#attest-2", CN_AUTHORITY), for_s=wait + 100)
    g.approve(stop, EU_AUTHORITY)
    g.idle(2, later_s=wait)

    assert g.now.stopped(f"{CN_AUTHORITY}#attest-2", g.ledger.now) is not None
    assert g.now.authorities(g.ledger.now)[CN_AUTHORITY] == "CN"


def test_nobody_sets_a_stop_in_the_name_of_another() -> None:
    """
    Who sets it cannot confirm it: named as its setter, somebody else could not.
    """
    g = governing()
    named = g.propose(CN_AUTHORITY, stop_row(OUTSIDER, MAKER))
    g.idle()

    assert g.outcome(named) == ("open", "")


def test_the_recovery_key_of_who_left_proposes_nothing() -> None:
    """
    Who left takes no part, with none of its keys.
    """
    g = governing()
    g.pass_(IMPORTER, participant_row(g.now, IMPORTER, left=g.ledger.now), recovery=True)
    proposal = g.proposal(limits_row(clock_skew_s=61))

    assert g.now.participants[IMPORTER].left is not None
    assert g.refused(IMPORTER, "proposed", proposal, recovery=True) == "X9"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"proposal_s_max": 86_399}, "no proposal would live until it can be decided"),
        ({"objection_s": 30 * 86_400}, "no proposal would live until it can be decided"),
        ({"removal_s": 30 * 86_400}, "no proposal would live until it can be decided"),
        ({"approvals_min": 3}, "3 authorities approve a change for all, and in the end 2 would be left"),
        ({"jurisdictions": ["CN", "EU", "IN"]}, "IN would in the end have no authority that can approve"),
    ],
)
def test_approval_rules_that_nobody_could_change_again_are_refused(
    changes: dict[str, object], sentence: str
) -> None:
    """
    Waits that no proposal outlives, more approvals than authorities, a side that has none.
    """
    g = governing()
    rows = {("approvals", ""): {**g.now.approvals.as_table(), **changes}}

    with pytest.raises(Refusal, match=sentence):
        g.propose(CUSTOMS, rows)


def test_a_block_without_room_for_a_proposal_is_refused() -> None:
    """
    16 KiB hold the largest proposal with its attestation; a byte less does not.
    """
    g = governing()

    with pytest.raises(Refusal, match="no block could hold a proposal: block_bytes_max is 16384 at least"):
        g.propose(CUSTOMS, limits_row(block_bytes_max=16_383))
    assert g.refused(CUSTOMS, "proposed", g.proposal(limits_row(block_bytes_max=16_384))) == "admitted"


def test_a_licence_that_is_given_for_a_time_that_is_over_ends_when_it_is_decided() -> None:
    """
    Nothing reaches back: it was nobody's before.
    """
    g = governing()
    held = next(a for a in g.now.accreditations if a.participant == IMPORTER)
    given = replace(held, licence="short", valid_until=g.ledger.now - 100)
    g.pass_(EU_AUTHORITY, licence_row(given))

    found = next(a for a in g.now.accreditations if a.id == given.id)
    assert found.valid_until is not None and found.valid_until > g.ledger.now - 100


def test_what_lost_its_base_to_another_is_objected_to_no_more() -> None:
    """
    One decided before it in the same block took its base: it lapses with it, and is over for everybody.
    """
    g = governing()
    wait = g.now.approvals.objection_s
    rows = (participant_row(g.now, IMPORTER, recovery=bytes([n]) * 32) for n in (1, 2))
    one, two = (g.propose(EU_AUTHORITY, row, for_s=2 * wait) for row in rows)
    g.idle(later_s=wait)

    assert (g.outcome(one), g.outcome(two)) == (("decided", ""), ("lapsed", "base_changed"))
    assert g.refused(IMPORTER, "objected", two) == "proposal_over"
