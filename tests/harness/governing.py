"""Acts of governance on the small ledger of `ledger.py`: propose, approve, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from consensus.application import Execution, Refusal
from consensus.cose import SeedSigner
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import GovernanceAct, make_attestation
from credentials.ledger.entries import GovernanceEntry, parse_entry
from credentials.ledger.genesis_table import accreditation_table, participant_table
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import PARTICIPANT, RecordId, records_of
from credentials.ledger.governance_state import NAMESPACE, SCHEME
from credentials.ledger.parties import Accreditation, Key, Participant
from credentials.ledger.proposals import ChangeProposal, propose, prove_possession
from tests.harness.ledger import Ledger, signer

WEEK_S = 7 * 86_400
Tables = Mapping[RecordId, Mapping[str, Any]]


def recovery_signer(did: str) -> SeedSigner:
    """The key that a party keeps offline."""
    return SeedSigner(f"{did}#recovery", sha256(f"{did}/recovery".encode()).digest())


def recovery_of(did: str) -> bytes:
    """What genesis says of it."""
    return sha256(recovery_signer(did).public_key).digest()


class Governing:
    """The governance of a ledger, as its parties work it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._nonce = 0

    @property
    def now(self) -> Governance:
        """What governs the next block."""
        return self.ledger.history.latest

    def proposal(
        self, changed: Tables, *, proofs: Mapping[str, bytes] | None = None, for_s: int = WEEK_S
    ) -> ChangeProposal:
        """A proposal for what is on record now."""
        self._nonce += 1
        state = self.ledger.registry.constitution.state
        known = records_of(state.future)
        return propose(
            self.ledger.genesis.network_id,
            known,
            changed,
            expires=self.ledger.now + for_s,
            nonce=self._nonce.to_bytes(16, "big"),
            proofs=proofs,
        )

    def act(
        self, by: str, kind: str, about: ChangeProposal | bytes, *, recovery: bool = False, **members: Any
    ) -> bytes:
        """A signed act."""
        digest = about if isinstance(about, bytes) else about.digest
        carried = GovernanceAct(
            about.encode() if isinstance(about, ChangeProposal) and kind == "proposed" else b"",
            recovery_signer(by).public_key if recovery else b"",
        )
        return make_attestation(
            signer=members.pop("signed", None) or (recovery_signer(by) if recovery else signer(by)),
            iat=members.pop("iat", self.ledger.now),
            **{
                "kind": f"governance.{kind}",
                "subject": Subject(SCHEME, NAMESPACE, digest),
                "network_id": self.ledger.genesis.network_id,
                "event_time": self.ledger.now,
                "document_digest": digest,
                "issuer": by,
                "governance": carried if carried.value else None,
            }
            | members,
        )

    def propose(self, by: str, changed: Tables, **options: Any) -> ChangeProposal:
        """Put a proposal on the ledger."""
        recovery = options.pop("recovery", False)
        proposal = self.proposal(changed, **options)
        self.ledger.run(self.act(by, "proposed", proposal, recovery=recovery))
        return proposal

    def approve(self, proposal: ChangeProposal, *who: str) -> Execution:
        """Approvals in one block."""
        return self.ledger.run(*(self.act(did, "approved", proposal) for did in who))

    def pass_(self, by: str, changed: Tables, *approving: str, **options: Any) -> ChangeProposal:
        """Propose and approve, and wait until it is in force."""
        proposal = self.propose(by, changed, **options)
        if approving:
            self.approve(proposal, *approving)
        self.idle(2)
        return proposal

    def idle(self, blocks: int = 1, *, later_s: int = 0) -> Execution:
        """Blocks without an attestation."""
        self.ledger.now += later_s
        for _ in range(blocks):
            execution = self.ledger.execute(self.ledger.block(()))
        return execution

    def outcome(self, proposal: ChangeProposal) -> tuple[str, str]:
        """What became of it."""
        state = self.ledger.registry.constitution.state
        if proposal.digest in state.tabled:
            return "open", ""
        return state.over[proposal.digest]

    def refused(self, *args: Any, **options: Any) -> str:
        """The code with which an act is refused."""
        try:
            self.ledger.registry.check_tx(self.act(*args, **options), self.ledger.now)
        except Refusal as refusal:
            return refusal.code
        return "admitted"


def decisions(execution: Execution) -> list[GovernanceEntry]:
    """What a block decided."""
    parsed = (parse_entry(entry) for entry in execution.entries)
    return [entry for entry in parsed if isinstance(entry, GovernanceEntry)]


def participant_row(governance: Governance, did: str, **changes: Any) -> Tables:
    """A participant that is otherwise."""
    return party_row(replace(governance.participants[did], **changes))


def party_row(participant: Participant) -> Tables:
    return {(PARTICIPANT, participant.did): participant_table(participant)}


def licence_row(accreditation: Accreditation) -> Tables:
    return {("accreditation", accreditation.id): accreditation_table(accreditation)}


def with_key(
    governance: Governance, did: str, roles: Sequence[str], number: int, at: int, *, network_id: bytes
) -> tuple[Tables, dict[str, bytes]]:
    """
    New keys for these roles, the old ones ended; with their proofs of possession. A key lives a second at
    least: of two changes within one second the later would end a key as it begins, which the ledger refuses.
    """
    participant = governance.participants[did]
    end: Callable[[Key], Key] = lambda key: (  # noqa: E731
        replace(key, valid_until=max(at, key.valid_from + 1)) if key.role in roles and key.is_open else key
    )
    fresh = {role: SeedSigner(f"{did}#{role}-{number}", sha256(f"{did}/{role}/{number}".encode()).digest())
             for role in roles}  # fmt: skip
    new = tuple(Key(role, s.key_id, s.public_key, at) for role, s in fresh.items())
    row = party_row(replace(participant, keys=(*map(end, participant.keys), *new)))
    return row, {s.key_id: prove_possession(network_id, role, s) for role, s in fresh.items()}
