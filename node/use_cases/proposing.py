"""Proposing and approving for this participant.

Nobody proposes or approves unseen: both name the digest of the effect that was shown (`foreseen.py`), and
where the effect is another one by now nothing is signed (409, with the new effect).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from consensus.encoding import EncodingError
from credentials.documents.canonical import b64u, b64u_decode
from credentials.errors import CredentialError
from credentials.ledger.governance_records import APPROVALS, RecordId
from credentials.ledger.governance_state import APPROVED, OBJECTED, PROPOSAL_WITHDRAWN, PROPOSED, TAKEN_BACK
from credentials.ledger.proposals import NONCE_BYTES, OPEN, ChangeProposal, propose
from node.errors import ProblemError, bad_request
from node.issuing.governance_acts import GovernanceActs, proposal_in
from node.issuing.outbox import Outbox
from node.proposal_answers import ActMadeRecord, DryRunRecord, EffectRecord, ProposalRecord
from node.use_cases.digests import read_digest
from node.use_cases.drafting import Drafting, RuleShelf
from node.use_cases.governance import GovernanceDesk

APPROVING_S = 7 * 86_400  # to be approved, after the longest wait, unless another expiry is asked for


class EffectChanged(ProblemError):
    """409: since the effect was shown it has become another one; nothing was signed."""

    def __init__(self, status: int, code: str, title: str, sentence: str, /, *, now: EffectRecord) -> None:
        super().__init__(status, code, title, sentence)
        self.effect = now


class ProposalDesk:
    """Says for this participant what it proposes, approves, takes back and objects to."""

    def __init__(
        self, governance: GovernanceDesk, acts: GovernanceActs, outbox: Outbox, shelf: RuleShelf
    ) -> None:
        self.governance = governance
        self.drafting = Drafting(self.governance, acts.did, acts.network_id, shelf)
        self._acts = acts
        self._outbox = outbox

    def dry_run(
        self,
        changes: Sequence[Mapping[str, Any]],
        *,
        proofs: Mapping[str, str] | None = None,
        recovered: bool = False,
        expires_s: int | None = None,
    ) -> DryRunRecord:
        """What a change would do that nobody proposed yet, and the proposal to make of it.

        A change that gives a side its first authority gives it a say, unless it says itself who approves.
        `changes`: [{type, name, table}]; `recovered`: it is to be signed with the recovery key.
        """
        rows = {(row["type"], row["name"]): row["table"] for row in changes}
        if len(rows) < len(changes):
            raise bad_request("change_twice", "one record is given twice")
        expires = self.governance.now() + (self._expires_s() if expires_s is None else expires_s)
        proposal = self._drafted(rows, expires, proofs or {})
        found = self.governance.would(proposal, self._acts.did, recovered=recovered)
        rules = self.governance.with_a_say(found)
        if rules != found.before.approvals and not recovered:
            proposal = self._drafted({**rows, (APPROVALS, ""): rules.as_table()}, expires, proofs or {})
            found = self.governance.would(proposal, self._acts.did, recovered=False)
        shown, reach = self.governance.whole(found)
        return {
            "proposal": b64u(proposal.encode()),
            "digest": b64u(proposal.digest),
            "by": self._acts.did,
            "recovered": recovered,
            "expires": proposal.expires,
            "effect": shown,
            "reach": reach,
        }

    def _drafted(
        self, rows: Mapping[RecordId, Mapping[str, Any]], expires: int, proofs: Mapping[str, str]
    ) -> ChangeProposal:
        try:
            made = propose(
                self._acts.network_id,
                self.governance.state.records,
                rows,
                expires=expires,
                nonce=secrets.token_bytes(NONCE_BYTES),
                proofs={kid: b64u_decode(proof, "a proof of possession") for kid, proof in proofs.items()},
            )
            return ChangeProposal.decode(made.encode())  # as every node reads it
        except (CredentialError, EncodingError) as error:
            told = "this change cannot be proposed: {detail}"
            raise bad_request("change_malformed", told, detail=str(error)) from error

    def _expires_s(self) -> int:
        """Long enough for what waits, as far as the rules allow: it would lapse before it can be decided."""
        rules = self.governance.state.next.approvals
        return min(rules.proposal_s_max, max(rules.objection_s, rules.removal_s) + APPROVING_S)

    def propose(
        self, seen: str, *, proposal: str | None = None, attestation: str | None = None
    ) -> ActMadeRecord:
        """Propose what a dry run gave, whose effect `seen` was shown; or take what a recovery key signed."""
        if attestation is not None:
            signed = _bytes(attestation)
            made = proposal_in(signed)
            self._require_seen(seen, self.governance.tried(made, self._acts.did, recovered=True))
            return self._made(self._acts.take(signed, PROPOSED, made.digest), PROPOSED, made.digest)
        if proposal is None:
            raise bad_request(
                "proposal_missing", "give the proposal that a dry run returned, or one signed already"
            )
        try:
            made = ChangeProposal.decode(_bytes(proposal))
        except CredentialError as error:
            told = "this change cannot be proposed: {detail}"
            raise bad_request("change_malformed", told, detail=error.message) from error
        self._require_seen(seen, self.governance.tried(made, self._acts.did, recovered=False))
        return self._made(self._acts.propose(made), PROPOSED, made.digest)

    def approve(self, digest: str, seen: str) -> ActMadeRecord:
        """Stand behind a proposal whose effect `seen` was shown; 409 if it is another one now."""
        self._require_seen(seen, self._require_open(digest)["effect"])
        return self._about(digest, APPROVED)

    def withdraw(self, digest: str, seen: str | None = None) -> ActMadeRecord:
        """Take back the own proposal, or the own approval of another's; 409 if it is none that was `seen`."""
        shown = self._require_open(digest)
        self._require_same(seen, shown["effect"])
        return self._about(digest, PROPOSAL_WITHDRAWN if shown["by"] == self._acts.did else TAKEN_BACK)

    def object(
        self, digest: str, *, attestation: str | None = None, seen: str | None = None
    ) -> ActMadeRecord:
        """Object to what would be done for good: with the attest key, or as the recovery key signed it."""
        self._require_same(seen, self._require_open(digest)["effect"])
        if attestation is None:
            return self._about(digest, OBJECTED)
        about = read_digest(digest)
        return self._made(self._acts.take(_bytes(attestation), OBJECTED, about), OBJECTED, about)

    def _require_open(self, digest: str) -> ProposalRecord:
        shown = self.governance.proposal(digest)
        if shown["outcome"] != OPEN:
            told = "the proposal is over: {outcome} {reason}"
            raise ProblemError(
                409, "proposal_over", "Too late", told, outcome=shown["outcome"], reason=shown["reason"]
            )
        return shown

    @classmethod
    def _require_seen(cls, seen: str, now: EffectRecord | None) -> None:
        """What is signed is what was shown; one that would lapse has no effect to be approved."""
        read_digest(seen)
        if now is None:
            told = "as things stand this proposal would lapse: there is nothing to approve"
            raise ProblemError(409, "would_lapse", "Conflict", told)
        cls._require_same(seen, now)

    @staticmethod
    def _require_same(seen: str | None, now: EffectRecord | None) -> None:
        """The effect is still what was shown; programs that take back or object need not name any."""
        if seen is not None and now is not None and now["digest"] != seen:
            told = (
                "what this would do has changed since it was shown, and nothing was signed: look at the new "
                "effect, then decide"
            )
            raise EffectChanged(409, "effect_changed", "Another effect", told, now=now)

    def _about(self, digest: str, kind: str) -> ActMadeRecord:
        about = read_digest(digest)
        return self._made(self._acts.act(kind, about), kind, about)

    def _made(self, attestation: bytes, kind: str, proposal: bytes) -> ActMadeRecord:
        self._outbox.wake()
        known = self.governance.knows(b64u(proposal))
        return {
            "attestation": b64u(attestation),
            "act": kind.partition(".")[2],
            "digest": b64u(proposal),
            "proposal": self.governance.proposal(b64u(proposal)) if known else None,
        }


def _bytes(text: str) -> bytes:
    try:
        return b64u_decode(text, "it")
    except CredentialError as error:
        raise bad_request(
            "act_malformed", "the proposal cannot be read: {detail}", detail=str(error)
        ) from error
