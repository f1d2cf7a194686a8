"""How much of what is read in every block one party may keep there: the records of its open proposals.

Every open proposal is read again in every block, so all of them together are bounded (`RECORDS_OPEN_MAX`),
and each party has an equal part that nobody else takes: half is for the attest keys of the authorities, which
others need to be heard by, a quarter for those of everybody else, a quarter for the recovery keys of all.
"""

from __future__ import annotations

from collections.abc import Iterable

from consensus.application import Refusal
from credentials.ledger.governance import Governance
from credentials.ledger.proposals import RECORDS_MAX, ChangeProposal, Tabled

RECORDS_OPEN_MAX = 1_024  # of all open proposals: at worst 0.4 s of every block
RECORDS_LEAST = 1  # what the smallest part holds: a party's own record
RECORDS_LEAST_VOTING = 2  # and who votes, for whoever does


def records_max(governance: Governance, did: str, at: int, *, recovered: bool) -> int:
    """How many records the proposals of one key of a party may have open."""
    authorities = governance.authorities(at)
    if did in authorities and not recovered:
        part = RECORDS_OPEN_MAX // 2 // len(authorities)
    else:
        parties = sum(p.takes_part(at) for p in governance.participants.values())
        part = RECORDS_OPEN_MAX // 4 // max(parties, 1)
    least = RECORDS_LEAST_VOTING if did in governance.validator_dids else RECORDS_LEAST
    return max(min(part, RECORDS_MAX), least)


def require_room(
    tabled: Iterable[Tabled],
    proposal: ChangeProposal,
    issuer: str,
    governance: Governance,
    at: int,
    *,
    recovered: bool,
) -> None:
    """A party's open proposals are few, and small together; raises Refusal.

    What its recovery key proposed has room of its own: a thief of the other key takes none of it.
    """
    own = [t for t in tabled if (t.by, t.recovered) == (issuer, recovered)]
    most = governance.approvals.proposals_per_party_max
    if len(own) >= most:
        raise Refusal("quota", "{issuer} has {most} proposals open already", issuer=issuer, most=most)
    part = records_max(governance, issuer, at, recovered=recovered)
    if sum(len(t.proposal.records) for t in own) + len(proposal.records) > part:
        told = "{issuer} has proposals of more than {most} records open then: withdraw one, or wait"
        raise Refusal("quota", told, issuer=issuer, most=part)
