"""Acts as parties sign them: as the bytes that the registry gets, and as what the restatement does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from consensus.cose import SeedSigner
from consensus.encoding import encode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import GovernanceAct, make_attestation
from credentials.ledger.governance_state import NAMESPACE, SCHEME
from credentials.ledger.proposals import ChangeProposal, prove_possession
from tests.harness.constitution.model import PROPOSED, Act
from tests.harness.constitution.parties import HOUR_S, key, recovery
from tests.harness.constitution.rules import Offer
from tests.harness.constitution.tables import Id, State, Table, digest, of_type, written_for


@dataclass(frozen=True)
class Signed:
    """An act twice."""

    data: bytes
    act: Act


@dataclass
class Desk:
    """Where proposals and acts are written, for one network."""

    network_id: bytes
    nonce: int = 0

    def offer(
        self, records: State, changed: Mapping[Id, Table], at: int, *, reads: tuple[Id, ...] = (),
        for_s: int = 24 * HOUR_S, stale: bool = False, unproven: bool = False,
    ) -> tuple[ChangeProposal, Offer]:  # fmt: skip
        """A proposal for these records, in both forms; the author is filled in by `sign`."""
        self.nonce += 1
        base: dict[Id, Any] = {r: digest(records.get(r)) for r in reads}
        base |= {r: written_for(r, records.get(r), table) for r, table in changed.items()}
        if stale:
            first = base[min(base)]
            base[min(base)] = dict.fromkeys(first, b"\x07" * 32) if isinstance(first, dict) else b"\x07" * 32
        known = {k["id"] for _, p in of_type(records, "participant") for k in p["keys"]}
        proofs = {}
        for (kind, _), table in changed.items():
            for new in table["keys"] if kind == "participant" else ():
                if new["id"] not in known:
                    signer = signer_of(new["id"])
                    proofs[new["id"]] = prove_possession(self.network_id, new["role"], signer)
        if unproven and proofs:
            proofs[min(proofs)] = bytes(64)
        data = {record: encode(dict(table)) for record, table in changed.items()}
        nonce = self.nonce.to_bytes(16, "big")
        proposal = ChangeProposal(self.network_id, data, base, proofs, at + for_s, nonce)
        name = proposal.digest
        return proposal, Offer(name, "", False, dict(changed), base, proposal.expires, 0, 0)

    def sign(
        self, by: str, kind: str, about: bytes, at: int, signer: SeedSigner, *, by_recovery: bool = False,
        proposal: ChangeProposal | None = None, offer: Offer | None = None, signed: int | None = None,
        happened: int | None = None, flaw: str = "",
    ) -> Signed:  # fmt: skip
        """The act of a party under a key."""
        signed, happened = at if signed is None else signed, at if happened is None else happened
        carried = GovernanceAct(
            proposal.encode() if proposal is not None and kind == PROPOSED else b"",
            signer.public_key if by_recovery else b"",
        )
        data = make_attestation(
            signer=signer,
            iat=signed,
            kind=f"governance.{kind}",
            subject=Subject(SCHEME, NAMESPACE, about),
            network_id=self.network_id,
            event_time=happened,
            document_digest=about,
            issuer=by,
            governance=carried if carried.value else None,
        )
        if flaw == "signature":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if offer is not None:
            offer = replace(offer, author=by, by_recovery=by_recovery)
        act = Act(
            by, kind, about, signer.key_id, signed, happened, sha256(data).digest(), len(data),
            recovery_of(signer) if by_recovery else "", offer, flaw,
        )  # fmt: skip
        return Signed(data, act)


def recovery_of(signer: SeedSigner) -> str:
    """The digest of a recovery key as a record has it."""
    from credentials.documents.canonical import b64u

    return b64u(sha256(signer.public_key).digest())


def signer_of(kid: str) -> SeedSigner:
    """The key with this id."""
    did, _, fragment = kid.partition("#")
    role, _, number = fragment.rpartition("-")
    return key(did, role, int(number))


def recovery_signer(did: str, known: str) -> SeedSigner | None:
    """The key whose digest is on record."""
    found = (recovery(did, number) for number in range(1, 6))
    return next((signer for signer in found if recovery_of(signer) == known), None)


__all__ = ["Any", "Desk", "Signed", "recovery_signer", "signer_of"]
