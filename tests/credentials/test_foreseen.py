"""What a proposal would do is shown exactly, before anybody approves it, and has a name of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.errors import CredentialError
from credentials.ledger.foreseen import Foreseen, dry_run, effect_of
from credentials.ledger.governance_records import LIMITS, PARTICIPANT, VALIDATORS
from credentials.ledger.proposals import ChangeProposal
from tests.credentials.test_proposals import governing, licence, limits_row, stop_row
from tests.harness.governing import Governing, licence_row, participant_row, with_key
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OUTSIDER,
    accreditation,
)


def foreseen(g: Governing, proposal: ChangeProposal, later_s: int = 0) -> Foreseen:
    """What an open proposal does, were it decided in the next block."""
    constitution = g.ledger.registry.constitution
    tabled = constitution.state.tabled[proposal.digest]
    at = g.ledger.now + later_s
    return effect_of(constitution.state, tabled, at, g.ledger.height + 1, constitution.rule_files)


def tried(g: Governing, by: str, changed: Any, *, recovery: bool = False, **options: Any) -> Foreseen:
    """What a change would do that nobody proposed yet."""
    constitution = g.ledger.registry.constitution
    return dry_run(
        constitution.state,
        g.proposal(changed, **options),
        by,
        recovered=recovery,
        at=g.ledger.now,
        height=g.ledger.height + 1,
        rule_files=constitution.rule_files,
    )


def test_a_dry_run_says_what_changes_what_is_missing_and_who_can_give_it() -> None:
    """
    Record, members before and after, sort of approval, missing approvals by name, first height: and nothing
    of the ledger moves.
    """
    g = governing()
    state = g.ledger.registry.constitution.state

    shown = tried(g, EU_AUTHORITY, limits_row(per_issuer_per_day_max=7))

    (change,) = shown.changed
    assert change.record == (LIMITS, "") and change.before is not None
    moved = {name for name, value in change.after.items() if change.before[name] != value}
    assert moved == {"per_issuer_per_day_max"}
    assert [(r.amendment.action, r.sort) for r in shown.required] == [("limits.changed", "network")]
    (missing,) = shown.wanting.missing
    assert (missing.count, missing.of, missing.jurisdictions) == (1, (CN_AUTHORITY,), ("CN",))
    assert shown.in_force == g.ledger.height + 3 and shown.ahead == 2
    assert shown.governance(g.ledger.registry.constitution.rule_files).limits.per_issuer_per_day_max == 7
    assert g.ledger.registry.constitution.state is state and not state.tabled


def test_what_the_proposer_may_do_alone_misses_nothing_and_governs_the_next_block() -> None:
    """
    One authority of the jurisdiction proposes and approves in one act; there was no such record before.
    """
    g = governing()
    new = licence(OUTSIDER, schemes=(("gbt34014", "ZZ8"),))

    shown = tried(g, CN_AUTHORITY, licence_row(new))

    assert shown.changed[0].before is None and shown.changed[0].after["participant"] == OUTSIDER
    assert shown.wanting.missing == () and shown.ahead == 1
    assert shown.in_force == g.ledger.height + 2


def test_the_effect_that_was_tried_is_the_effect_that_is_proposed() -> None:
    """
    It has one name, whoever proposes it, under whatever nonce, and however many approved it by then.
    """
    g = governing()
    change = limits_row(per_issuer_per_day_max=7)
    before = tried(g, CUSTOMS, change).digest
    proposal = g.propose(CUSTOMS, change)
    first = foreseen(g, proposal)
    g.approve(proposal, CN_AUTHORITY)
    second = foreseen(g, proposal, later_s=500)

    assert before == first.digest == second.digest
    assert first.wanting != second.wanting
    assert tried(g, CUSTOMS, limits_row(per_issuer_per_day_max=8)).digest != before


def test_times_that_only_the_deciding_block_knows_are_shown_as_such() -> None:
    """
    A stop begins when it is decided and ends so much later: until then its effect stays one.
    """
    g = governing()
    shown = tried(g, CN_AUTHORITY, stop_row(MAKER, CN_AUTHORITY))
    wait = g.now.approvals.stop_s

    after = shown.changed[0].after
    assert (after["since"], after["until"]) == ("decided", f"decided+{wait}")
    g.ledger.now += 1000
    assert tried(g, CN_AUTHORITY, stop_row(MAKER, CN_AUTHORITY)).digest == shown.digest


def test_an_end_that_is_stated_stays_until_it_is_over_and_then_the_effect_is_another() -> None:
    """
    An end in the future is shown as it is; once it has passed, it would be the moment of the decision.
    """
    g = governing(accreditations=[*governing().now.accreditations, second_authority()])
    own = next(a for a in g.now.accreditations if a.licence == "authority")
    end = g.ledger.now + 100
    proposal = g.propose(CUSTOMS, licence_row(replace(own, valid_until=end)))

    before = foreseen(g, proposal, later_s=end - g.ledger.now - 1)
    after = foreseen(g, proposal, later_s=end - g.ledger.now)

    assert before.changed[0].after["valid_until"] == end
    assert after.changed[0].after["valid_until"] == "decided"
    assert before.digest != after.digest


def second_authority() -> Any:
    third = "did:web:recycler.example"
    return accreditation(third, roles=("authority",), schemes=(("gs1", "*"),), licence="authority")


def test_nested_times_and_those_that_stand_are_told_apart() -> None:
    """
    Of a list of keys, what the change brings is of the moment: the new key's beginning, the old one's end.
    """
    g = governing()
    row, proofs = with_key(
        g.now, OUTSIDER, ("attest",), 2, g.ledger.now, network_id=g.ledger.genesis.network_id
    )
    shown = tried(g, OUTSIDER, row, recovery=True, proofs=proofs)

    keys = {key["id"].partition("#")[2]: key for key in shown.changed[0].after["keys"]}
    assert keys["attest-1"]["valid_until"] == "decided" and keys["attest-2"]["valid_from"] == "decided"
    assert keys["vote-1"] == {k["id"]: k for k in shown.changed[0].before["keys"]}[keys["vote-1"]["id"]]  # type: ignore[index]
    assert [(r.amendment.action, r.sort) for r in shown.required] == [("keys.rotated", "recovery")]
    assert not shown.wanting.missing


def test_an_effect_changes_with_whose_approval_it_needs() -> None:
    """
    The same records, but of a party that has become an authority meanwhile: all have to approve that.
    """
    g = governing()
    # Somebody proposes to expel a party: its authority may.
    proposal = g.propose(CUSTOMS, participant_row(g.now, OUTSIDER, left=g.ledger.now))
    before = foreseen(g, proposal)
    made = licence(OUTSIDER, roles=("authority",), jurisdiction="CN", schemes=(("gs1", "*"),))
    g.pass_(CN_AUTHORITY, licence_row(made), EU_AUTHORITY)

    after = foreseen(g, proposal)

    assert before.changed == after.changed
    assert [r.sort for r in before.required] == ["authority"] and [r.sort for r in after.required] == [
        "network"
    ]
    assert (before.ahead, after.ahead) == (1, 2) and before.digest != after.digest


def test_what_would_lapse_or_be_refused_says_why() -> None:
    """
    A proposal whose base has changed, a change without proof of possession, one that breaks the rules.
    """
    g = governing()
    stale = g.propose(CUSTOMS, participant_row(g.now, OUTSIDER, name="Another name"))
    g.propose(CN_AUTHORITY, participant_row(g.now, OUTSIDER, name="A third name"))
    # It lapses at the end of the next block; until then whoever asks is told that it will.
    with pytest.raises(CredentialError, match="make it again"):
        foreseen(g, stale)

    row, _ = with_key(g.now, OUTSIDER, ("attest",), 2, g.ledger.now, network_id=g.ledger.genesis.network_id)
    with pytest.raises(CredentialError, match="did not sign for itself"):
        tried(g, OUTSIDER, row, recovery=True)
    with pytest.raises(CredentialError, match="keep their order"):
        tried(g, CUSTOMS, {(VALIDATORS, ""): {"participants": [IMPORTER, MAKER, CN_AUTHORITY, EU_AUTHORITY]}})
    with pytest.raises(Refusal, match="within"):
        tried(g, CUSTOMS, limits_row(per_issuer_per_day_max=7), for_s=10**8)
    assert (PARTICIPANT, OUTSIDER) in g.ledger.registry.constitution.state.records
