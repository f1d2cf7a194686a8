"""No change may lead to a state that cannot be changed any more.

Asked of what governs after a change, as if every end that is stated had come: whoever approves by a licence
that ends, with a key that ends, or in spite of a stop that was confirmed, is not counted on. Nor is whoever
only begins later: until then nobody could approve, and that may be in thirty years.
"""

from __future__ import annotations

from credentials.ledger.approvals import DAY_S
from credentials.ledger.governance import APPROVING_KEY, APPROVING_ROLE, Governance
from credentials.ledger.parties import Accreditation, Participant
from credentials.ledger.soundness import governance_invalid

ROOM_BYTES_MIN = 16 * 1024  # the largest proposal (proposals.PROPOSAL_BYTES_MAX) with its attestation


def lasting_authorities(governance: Governance, at: int) -> dict[str, str]:
    """{DID: jurisdiction} of those that can approve from `at` on for ever, unless somebody changes that."""
    return {
        did: participant.jurisdiction
        for did, participant in governance.participants.items()
        if participant.left is None
        and _keyed(governance, participant, at)
        and any(_lasts(a, participant, at) for a in governance.accreditations_of(did))
    }


def _keyed(governance: Governance, participant: Participant, at: int) -> bool:
    keys = [k for k in participant.keys if k.role == APPROVING_KEY and k.is_open and k.valid_from <= at]
    return not _stopped(governance, participant.did) and any(not _stopped(governance, k.id) for k in keys)


def _stopped(governance: Governance, target: str) -> bool:
    stop = governance.stops.get(target)
    return stop is not None and stop.until is None


def _lasts(accreditation: Accreditation, participant: Participant, at: int) -> bool:
    return (
        APPROVING_ROLE in accreditation.roles
        and accreditation.jurisdiction == participant.jurisdiction
        and accreditation.valid_from <= at
        and accreditation.valid_until is None
        and not any(end is None for _, end in accreditation.suspended)
    )


def dead_ends(governance: Governance, at: int) -> dict[str, str]:
    """Why something could never be changed any more, as things are at `at`: a sentence for each reason."""
    lasting, rules, found = lasting_authorities(governance, at), governance.approvals, {}
    if governance.limits.block_bytes_max < ROOM_BYTES_MIN:
        found["room"] = f"no block could hold a proposal: block_bytes_max is {ROOM_BYTES_MIN} at least"
    if rules.proposal_s_max < max(DAY_S, rules.objection_s + 1, rules.removal_s + 1):
        found["waits"] = (
            "no proposal would live until it can be decided: proposal_s_max is a day at least, and longer "
            "than objection_s and removal_s"
        )
    if len(lasting) < rules.approvals_min:
        found["approvals_min"] = (
            f"{rules.approvals_min} authorities approve a change for all, and in the end {len(lasting)} "
            "would be left: admit another one first, or lower approvals_min with it"
        )
    for jurisdiction in sorted(set(rules.jurisdictions) - set(lasting.values())):
        found[jurisdiction] = (
            f"{jurisdiction} would in the end have no authority that can approve, and its consent is "
            "needed: admit another one first, or take it out of `jurisdictions` with it"
        )
    return found


def require_way_on(before: Governance, after: Governance, at: int) -> None:
    """Refuse a change that leads from where something can be changed to where it cannot."""
    known, found = dead_ends(before, at), dead_ends(after, at)
    for reason in found:
        if reason not in known:
            raise governance_invalid(found[reason])
