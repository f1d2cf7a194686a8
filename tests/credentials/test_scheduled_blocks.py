"""When the next block is wanted though nothing waits for it: so that an idle network decides in time."""

from __future__ import annotations

from hashlib import sha256

from node.config import rule_files
from tests.credentials.test_proposals import governing, licence
from tests.harness.governing import Governing, licence_row, participant_row, recovery_of
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, EU_AUTHORITY, IMPORTER, MAKER, OUTSIDER

LIMITS = ("limits", "")


def wanted(g: Governing) -> int | None:
    return g.ledger.registry.next_block_at(g.ledger.now)


def limits(g: Governing, per_day: int) -> dict[tuple[str, str], dict[str, object]]:
    table = {f: getattr(g.now.limits, f) for f in type(g.now.limits).__dataclass_fields__}
    return {LIMITS: {**table, "per_issuer_per_day_max": per_day}}


def idle_until_nothing_is_wanted(g: Governing, most: int = 50) -> int:
    """Blocks at the times that are asked for; how many it took."""
    count = 0
    while (at := wanted(g)) is not None:
        g.idle(later_s=max(0, at - g.ledger.now))
        count += 1
        assert count <= most, "the blocks come to an end"
    return count


def test_nothing_is_wanted_where_nothing_is_scheduled() -> None:
    """
    Neither at the founding nor after blocks of batteries.
    """
    g = governing()
    assert wanted(g) is None
    g.ledger.produced(1, published=True)
    assert wanted(g) is None


def test_what_one_authority_decides_wants_the_block_that_it_governs() -> None:
    """
    One block, at once, for verdicts go by what governed the last one: a stolen key is believed no longer than
    that in a network where nothing else happens.
    """
    g = governing()
    proposal = g.propose(CN_AUTHORITY, licence_row(licence(OUTSIDER, schemes=(("gbt34014", "ZZ8"),))))
    assert g.outcome(proposal) == ("decided", "")

    assert wanted(g) == g.ledger.now
    assert idle_until_nothing_is_wanted(g) == 1


def test_what_is_decided_for_all_wants_the_block_that_brings_it_into_force() -> None:
    """
    One block, at once, and the one that it governs; then nothing more.
    """
    g = governing()
    proposal = g.propose(EU_AUTHORITY, limits(g, 77))
    g.approve(proposal, CN_AUTHORITY)
    assert g.outcome(proposal) == ("decided", "") and g.now.limits.per_issuer_per_day_max != 77
    assert wanted(g) == g.ledger.now

    assert idle_until_nothing_is_wanted(g) == 2
    assert g.now.limits.per_issuer_per_day_max == 77


def test_a_proposal_that_nobody_approves_wants_the_block_in_which_it_lapses() -> None:
    """
    At its expiry and not before, also where it waits for validators to hold a file; one block for it.
    """
    newer = sha256(rule_files()["lifecycle.json"] + b"\n").hexdigest()
    for row in (None, {("rule", "lifecycle.json"): {"sha256": newer}}):
        g = governing()
        proposal = g.propose(EU_AUTHORITY, row or limits(g, 77))
        if row:
            g.approve(proposal, CN_AUTHORITY)
        assert wanted(g) == proposal.expires > g.ledger.now
        assert idle_until_nothing_is_wanted(g) == 1
        assert g.outcome(proposal) == ("lapsed", "expired")


def test_a_wait_wants_the_block_in_which_it_is_over() -> None:
    """
    A recovery key is replaced once the time for objections is over: decided then, without an act.
    """
    g = governing()
    proposal = g.propose(
        EU_AUTHORITY, participant_row(g.now, IMPORTER, recovery=recovery_of(OUTSIDER)), for_s=10 * 86_400
    )
    g.approve(proposal, *(did for did in (CN_AUTHORITY,) if g.outcome(proposal)[0] == "open"))
    since = g.ledger.registry.constitution.state.tabled[proposal.digest].since
    assert wanted(g) == since + g.now.approvals.objection_s < proposal.expires

    idle_until_nothing_is_wanted(g, 4)
    assert g.outcome(proposal) == ("decided", "")


def test_two_of_one_base_end_in_the_same_moment_or_the_next_block() -> None:
    """
    Two proposals for one record: what the first leaves undone of the second lapses without an act.
    """
    g = governing()
    first = g.propose(EU_AUTHORITY, limits(g, 77))
    second = g.propose(CUSTOMS, limits(g, 78))
    g.approve(second, CN_AUTHORITY, EU_AUTHORITY)
    assert g.outcome(second) == ("decided", "")

    assert idle_until_nothing_is_wanted(g, 3) >= 1
    assert g.outcome(first)[0] == "lapsed"


def test_an_approval_of_who_was_stopped_wants_the_block_in_which_the_stop_lapses() -> None:
    """
    Approved by who is stopped since then: counted again when the stop is over, with no act.
    """
    g = governing()
    proposal = g.propose(MAKER, limits(g, 77), for_s=20 * 86_400)
    g.approve(proposal, CN_AUTHORITY)
    wait = g.now.approvals.removal_s
    stop = {"target": CN_AUTHORITY, "by": EU_AUTHORITY, "since": 0, "until": 0}
    g.propose(EU_AUTHORITY, {("stop", CN_AUTHORITY): stop}, for_s=wait + 100)
    g.idle(later_s=wait)
    g.idle()
    assert g.now.stopped(CN_AUTHORITY, g.ledger.now)
    g.approve(proposal, EU_AUTHORITY)
    assert g.outcome(proposal) == ("open", "")
    until = g.now.stops[CN_AUTHORITY].until
    assert until is not None and wanted(g) == until < proposal.expires
    idle_until_nothing_is_wanted(g, 3)
    assert g.outcome(proposal) == ("decided", "")


def test_many_proposals_ask_for_few_blocks_each() -> None:
    """
    However many are open, the blocks asked for come to an end: three for each at most. Whoever restores the
    state asks for the same.
    """
    g = governing()
    made = 0
    for did in (EU_AUTHORITY, CN_AUTHORITY, CUSTOMS, IMPORTER, MAKER, OUTSIDER):
        for number in range(g.now.approvals.proposals_per_party_max):
            g.propose(did, limits(g, 100 + number), for_s=1_000 + 10 * made)
            made += 1

    assert idle_until_nothing_is_wanted(g, 3 * made) <= 3 * made
    assert not g.ledger.registry.constitution.state.tabled
