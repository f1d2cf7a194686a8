"""What all parties together keep open is bounded, and nobody's part of it is anybody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from credentials.ledger.parties import Participant
from credentials.ledger.shares import RECORDS_LEAST_VOTING, RECORDS_OPEN_MAX, records_max
from tests.credentials.test_proposals import limits_row
from tests.harness.governing import Governing, Tables, recovery_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    MAKER,
    PARTIES,
    Ledger,
    make_genesis,
    participant,
    signer,
)

NEWCOMERS = 12


def crowded(count: int = NEWCOMERS) -> Governing:
    """The usual parties, and so many more that have a key each and a recovery key."""
    usual = [replace(participant(did), recovery=recovery_of(did)) for did in PARTIES]
    return Governing(Ledger(make_genesis(participants=[*usual, *map(newcomer, range(count))])))


def newcomer(number: int) -> Participant:
    did = f"did:web:late-{number}.example"
    first = participant(MAKER)
    keys = tuple(
        replace(k, id=signer(did, k.role).key_id, public=signer(did, k.role).public_key)
        for k in first.keys
        if k.role in ("attest", "transport")
    )
    return Participant(did, f"late {number}", "CN", (), keys, recovery=recovery_of(did))


def rules(count: int, first: int) -> Tables:
    """A change of so many records that all decide."""
    return {("rule", f"r{first + n}.json"): {"sha256": f"{first + n:064x}"} for n in range(count)}


@pytest.mark.check
def test_all_that_is_open_is_bounded_whoever_floods() -> None:
    """
    Every party fills what it can, with each of its keys: the sum is what is said, and an authority still has
    all of its own part, which no number of others took.
    """
    g, number, acts = crowded(), 0, list[bytes]()
    everybody = [did for did in g.now.participants if did not in (CN_AUTHORITY, EU_AUTHORITY)]
    for did in everybody:
        for recovery in (False, True):
            most = records_max(g.now, did, g.ledger.now, recovered=recovery)
            acts.append(g.act(did, "proposed", g.proposal(rules(most, number)), recovery=recovery))
            number += most
    g.ledger.run(*acts)
    state = g.ledger.registry.constitution.state
    opened = sum(len(t.proposal.records) for t in state.tabled.values())
    assert len(state.tabled) == 2 * len(everybody) and 0 < opened <= RECORDS_OPEN_MAX // 2

    for did in (everybody[0], everybody[-1]):
        for recovery in (False, True):
            more = g.proposal(limits_row(clock_skew_s=61))
            assert g.refused(did, "proposed", more, recovery=recovery) == "quota"
    mine = g.propose(CN_AUTHORITY, rules(32, number))
    assert g.outcome(mine) == ("open", "")
    assert g.refused(EU_AUTHORITY, "proposed", g.proposal(rules(32, number + 32))) == "admitted"


@pytest.mark.parametrize(("count", "most"), [(0, 21), (40, 4), (120, RECORDS_LEAST_VOTING)])
def test_a_part_follows_how_many_there_are(count: int, most: int) -> None:
    """
    The more take part the less has each; whoever votes never less than its own record and who votes; who left
    has none.
    """
    g = crowded(count)
    at, parties = g.ledger.now, len(g.now.participants)
    parts = [records_max(g.now, CUSTOMS, at, recovered=recovered) for recovered in (False, True)]

    assert parts == [most, most] == [max(256 // parties, RECORDS_LEAST_VOTING)] * 2
    assert records_max(g.now, CN_AUTHORITY, at, recovered=False) == 32
    assert records_max(g.now, CN_AUTHORITY, at, recovered=True) == most, "its recovery key is no office"
    gone = replace(g.now.participants[MAKER], left=at)
    fewer = replace(
        g.now,
        participants={**g.now.participants, MAKER: gone},
        validator_dids=(CUSTOMS, CN_AUTHORITY, EU_AUTHORITY),
    )
    assert records_max(fewer, CUSTOMS, at, recovered=False) == max(256 // (parties - 1), RECORDS_LEAST_VOTING)


@pytest.mark.parametrize("parties", [129, 200])
def test_what_all_may_have_open_together_is_bounded_in_a_large_network(parties: int) -> None:
    """
    Of two hundred parties each has a part, with each of its keys; whoever votes can change its own record
    together with who votes, and all parts together are no more than is said.
    """
    g = crowded(parties - len(PARTIES))
    everybody, at = list(g.now.participants), g.ledger.now
    parts = {(d, r): records_max(g.now, d, at, recovered=r) for d in everybody for r in (False, True)}

    assert len(everybody) == parties
    assert all(part >= 1 + (did in g.now.validator_dids) for (did, _), part in parts.items())
    assert sum(parts.values()) <= RECORDS_OPEN_MAX
    for recovered in (False, True):
        others = [
            n for (d, r), n in parts.items() if r == recovered and (r or d not in g.now.authorities(at))
        ]
        assert sum(others) <= RECORDS_OPEN_MAX // 4
