"""Acts of governance by this participant: signed with its attest key, or brought ready-signed, then queued.

A recovery key stays offline: what it signs is made by the command line (`node/cli/governance.py`) and only
looked at here. Nothing of a proposal is stored beside its attestation, which holds it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence

from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import GovernanceAct, parse_attestation, sign_attestation
from credentials.ledger.governance_state import KINDS, NAMESPACE, PROPOSED, SCHEME
from credentials.ledger.proposals import ChangeProposal
from node import log
from node.errors import bad_request, forbidden
from node.issuing.admission import ACT_EXPIRES_S, Admission
from node.issuing.gate import Gate
from node.issuing.signing import StatementSigner
from node.issuing.statements import Batch, Statement
from node.storage.office import OfficeStore


class GovernanceActs:
    """Says for this participant what it proposes, approves, takes back or objects to."""

    def __init__(
        self,
        *,
        network_id: bytes,
        signing: StatementSigner,
        office: OfficeStore,
        admission: Admission,
        gate: Gate,
        lock: threading.Lock,
    ) -> None:
        self.network_id = network_id
        self._signing = signing
        self._office = office
        self._admission = admission
        self._gate = gate
        self._lock = lock

    @property
    def did(self) -> str:
        """Of this participant."""
        return self._signing.did

    def under_way(self, digests: Sequence[bytes], recorded: Collection[bytes]) -> dict[bytes, list[str]]:
        """Own acts about proposals that are signed and not `recorded` yet: approved, objected, ..."""
        found: dict[bytes, list[str]] = {digest: [] for digest in digests}
        for item in self._office.outbox.of_documents(digests):
            if item.state == "outbox" and item.digest not in recorded:
                found[item.document_digest or b""].append(item.kind.partition(".")[2])
        return found

    def propose(self, proposal: ChangeProposal) -> bytes:
        """Propose with the attest key; the digest of the attestation, which is on disk."""
        return self._make(PROPOSED, proposal.digest, GovernanceAct(proposal.encode()))

    def act(self, kind: str, digest: bytes) -> bytes:
        """Another act about a proposal; the digest of the attestation, which is on disk."""
        assert kind in KINDS and kind != PROPOSED, "there is no other act"
        return self._make(kind, digest, None)

    def _make(self, kind: str, digest: bytes, carried: GovernanceAct | None) -> bytes:
        now = int(time.time())
        with self._lock:
            self._gate.require_open()
            attestation = sign_attestation(
                signer=self._signing.signers.attest,
                iat=now,
                kind=kind,
                issuer=self.did,
                subject=Subject(SCHEME, NAMESPACE, digest),
                network_id=self.network_id,
                event_time=now,
                document_digest=digest,
                expires=now + ACT_EXPIRES_S,
                governance=carried,
            )
            return self._queue(Statement(attestation, None))

    def take(self, data: bytes, kind: str, about: bytes) -> bytes:
        """An act of this participant about this proposal that its recovery key signed elsewhere."""
        try:
            attestation = parse_attestation(data)
        except CredentialError as error:
            told = "the proposal cannot be read: {detail}"
            raise bad_request("act_malformed", told, detail=str(error)) from error
        if (attestation.issuer, attestation.kind, attestation.subject.h) != (self.did, kind, about):
            told = "this node takes signed proposals and objections of {did} alone"
            raise forbidden("not_own_act", told, did=self.did)
        with self._lock:
            self._gate.require_open()
            return self._queue(Statement(attestation, None))

    def _queue(self, statement: Statement) -> bytes:
        self._admission.require_taken(statement, queue=False, as_claim=True)
        batch = Batch(int(time.time()), statements=[statement])
        if self._office.outbox.get(statement.digest) is None:
            with self._office.writing() as db:
                batch.store(db)
        attestation = statement.attestation
        log.moment("issue", event=attestation.kind, digest=statement.digest)
        return statement.digest


def proposal_in(data: bytes) -> ChangeProposal:
    """The proposal that a signed act carries; 400 for anything else."""
    try:
        carried = parse_attestation(data).governance
        if carried is None or not carried.proposal:
            raise CredentialError("malformed", "it holds no proposal")
        return ChangeProposal.decode(carried.proposal)
    except CredentialError as error:
        told = "the proposal cannot be read: {detail}"
        raise bad_request("act_malformed", told, detail=str(error)) from error
