"""Whose key an attestation is signed with, and whether it may be at this height."""

from __future__ import annotations

from hashlib import sha256

from consensus.application import Refusal
from credentials.ledger.attestation import Attestation
from credentials.ledger.governance import Governance
from credentials.ledger.governance_state import RECOVERY_FRAGMENT

ATTEST_ROLE = "attest"
RECOVERED = ("governance.proposed", "governance.objected")  # what a recovery key signs


def recovery_key(governance: Governance, attestation: Attestation, public: bytes, at: int) -> bytes:
    """The key that the participant keeps offline: for proposals about its own keys, and to object.

    Of whoever takes part, stopped or not: a stop silences what is said of batteries, and must not keep a
    party from saying that it does not go.
    """
    participant = governance.participant(attestation.issuer)
    if attestation.kind not in RECOVERED or attestation.kid != f"{attestation.issuer}#{RECOVERY_FRAGMENT}":
        told = "a recovery key signs proposals and objections alone, as {did}#recovery"
        raise Refusal("X9", told, did=attestation.issuer)
    known = participant.recovery if participant is not None and participant.takes_part(at) else None
    if known != sha256(public).digest():
        raise Refusal("X9", "that is not the recovery key that {did} has on record", did=attestation.issuer)
    return public


def attest_key(governance: Governance, kid: str, did: str, event_time: int, at: int) -> bytes:
    """The public key, valid at both times by what is known at this height."""
    key = governance.key_by_id(kid)
    if key is None or did not in governance.participants:
        raise Refusal("issuer_unknown", "{key} is no key of a participant of this network", key=kid)
    if key.role != ATTEST_ROLE:
        told = "{key} is a {role} key; attestations are signed with an attest key"
        raise Refusal("X9", told, key=kid, role=key.role)
    stop = governance.stopped(did, at) or governance.stopped(kid, at)
    if stop is not None:
        told = "{target} is stopped by {by} until that is lifted or lapses"
        raise Refusal("stopped", told, target=stop.target, by=stop.by)
    if not governance.participants[did].takes_part(at):
        told = "{did} left this network and says nothing in it any more"
        raise Refusal("X9", told, did=did)
    if not key.valid(event_time) or not key.valid(at):
        raise Refusal("X9", "{key} was not valid both when it happened and now", key=kid)
    return key.public
