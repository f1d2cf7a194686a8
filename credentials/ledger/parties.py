"""Who takes part in a network, with which keys and licences, and the limits every node enforces alike."""

from __future__ import annotations

from dataclasses import dataclass

ANY = "*"
KEY_ROLES = ("vote", "attest", "credential", "cosign", "log", "transport")
VALIDATOR_KEY_ROLES = ("vote", "cosign", "log")


@dataclass(frozen=True, slots=True)
class Limits:
    """What every node enforces alike; units last in the names."""

    attestations_per_block_max: int = 500
    block_bytes_max: int = 512 * 1024
    per_issuer_per_block_max: int = 400
    per_issuer_per_day_max: int = 200_000
    clock_skew_s: int = 60  # how far in the future a time may lie
    attestation_age_s_max: int = 90 * 86_400  # from iat to admission
    correction_s_max: int = 7 * 86_400  # within which an author may take an attestation back
    void_approvals_min: int = 2  # authorities, the author included, and one per jurisdiction that has one
    heartbeat_ms: int = 600_000
    timeout_propose_ms: int = 1_000
    timeout_prevote_ms: int = 500
    timeout_precommit_ms: int = 500
    timeout_delta_ms: int = 500  # each round waits so much longer
    evidence_heights_max: int = 100_000  # how long ago a validator's fault may be that a block records


@dataclass(frozen=True, slots=True)
class Key:
    """A public key (credentials.documents.keys) of a participant for one role."""

    role: str
    id: str  # DID URL
    public: bytes
    valid_from: int
    valid_until: int | None = None  # rotated: what was admitted before stays as it was
    compromised_from: int | None = None  # from then on it proves nothing, also in what was admitted since

    def valid(self, at: int) -> bool:
        """True while the key is valid."""
        return (
            self.valid_from <= at
            and (self.valid_until is None or at < self.valid_until)
            and not self.compromised(at)
        )

    def compromised(self, at: int) -> bool:
        """True if somebody else may have signed with the key at `at`."""
        return self.compromised_from is not None and at >= self.compromised_from


@dataclass(frozen=True, slots=True)
class Participant:
    """An organisation. `roles` describe it; what it may attest is said by its accreditations."""

    did: str
    name: str
    jurisdiction: str
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    identifiers: tuple[str, ...] = ()  # eori:..., uscc:...: by which others may have named it

    def key(self, role: str, at: int) -> Key | None:
        """The newest key of this role that is valid at `at`."""
        found = [key for key in self.keys if key.role == role and key.valid(at)]
        return max(found, key=lambda key: key.valid_from, default=None)


@dataclass(frozen=True, slots=True)
class Accreditation:
    """A licence to attest in these roles about identifiers of these schemes and namespaces."""

    participant: str
    roles: tuple[str, ...]
    schemes: tuple[tuple[str, str], ...]
    jurisdiction: str
    valid_from: int
    valid_until: int | None = None
    licence: str = ""

    def in_force(self, at: int) -> bool:
        """True while the accreditation is valid."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)

    def covers(self, scheme: str, namespace: str, *, exactly: bool = False) -> bool:
        """True if the subject is in scope; `exactly`: named, not by "*"."""
        return (scheme, namespace) in self.schemes or (not exactly and (scheme, ANY) in self.schemes)
