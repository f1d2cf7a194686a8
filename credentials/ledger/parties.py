"""Who takes part in a network, with which keys and licences, and the limits every node enforces alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from consensus.encoding import Value, encode, whole_numbers

ANY = "*"
Pause = tuple[int, int | None]  # suspended from, until before; None: until somebody lifts it
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

    @property
    def is_open(self) -> bool:
        """True unless an end is stated."""
        return self.valid_until is None and self.compromised_from is None

    def compromised(self, at: int) -> bool:
        """True if somebody else may have signed with the key at `at`."""
        return self.compromised_from is not None and at >= self.compromised_from


@dataclass(frozen=True, slots=True)
class Participant:
    """An organisation. `roles` describe it; what it may attest is said by its accreditations.

    `recovery` is the SHA-256 of a public key that is kept offline and replaces the others. Who `left` stays
    on record with keys and licences, which are valid no longer.
    """

    did: str
    name: str
    jurisdiction: str
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    identifiers: tuple[str, ...] = ()  # eori:..., uscc:...: by which others may have named it
    address: str = ""  # of its node, for peers
    recovery: bytes | None = None
    left: int | None = None  # from then on it takes part no more

    def takes_part(self, at: int) -> bool:
        """True until it left."""
        return self.left is None or at < self.left

    def latest_key(self, role: str) -> Key | None:
        """The last key of this role: with which a validator votes, cosigns, signs notes."""
        return next((key for key in reversed(self.keys) if key.role == role), None)

    def key(self, role: str, at: int) -> Key | None:
        """The newest key of this role that is valid at `at`."""
        if not self.takes_part(at):
            return None
        found = [key for key in self.keys if key.role == role and key.valid(at)]
        return max(found, key=lambda key: key.valid_from, default=None)


@dataclass(frozen=True, slots=True)
class Stop:
    """An emergency stop of a party or a key: [since, until); until None once it is confirmed."""

    target: str  # DID or key id
    by: str
    since: int
    until: int | None
    lifted: bool = False

    def holds(self, at: int) -> bool:
        """True while the target may do nothing."""
        return self.since <= at and (self.until is None or at < self.until)


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
    suspended: tuple[Pause, ...] = ()

    @property
    def id(self) -> str:
        """Its name in governance: what it says, whatever becomes of it later."""
        return _accreditation_id(self)

    def in_force(self, at: int) -> bool:
        """True while the accreditation is valid and not suspended."""
        return dated_in_force(self.valid_from, self.valid_until, self.suspended, at)

    def is_suspended(self, at: int) -> bool:
        """True while it would be valid but for a suspension."""
        return dated_in_force(self.valid_from, self.valid_until, (), at) and not self.in_force(at)

    def covers(self, scheme: str, namespace: str, *, exactly: bool = False) -> bool:
        """True if the subject is in scope; `exactly`: named, not by "*"."""
        return (scheme, namespace) in self.schemes or (not exactly and (scheme, ANY) in self.schemes)


@lru_cache(maxsize=4096)  # asked for each licence by each change of what governs
def _accreditation_id(given: Accreditation) -> str:
    schemes = [list(pair) for pair in given.schemes]
    said: list[Value] = [given.participant, list(given.roles), schemes, given.jurisdiction, given.licence]
    return sha256(encode(["comity/accreditation/v1", *said, given.valid_from])).hexdigest()[:32]


def read_pauses(value: object) -> tuple[Pause, ...]:
    """[[from, until], ...] in rising order, the last perhaps [from]; raises ValueError with a sentence."""
    if not isinstance(value, list):
        raise ValueError("suspended is a list of [from, until]")
    found: list[Pause] = []
    for number, pause in enumerate(value, 1):
        times = pause if isinstance(pause, list) else []
        if not whole_numbers(*times):
            raise ValueError("a suspension is [from, until] in whole seconds")
        if len(times) != 2 and not (len(times) == 1 and number == len(value)):
            raise ValueError("a suspension has a beginning and an end; the last may last")
        if times != sorted(times) or (found and times[0] < (found[-1][1] or 0)):
            raise ValueError("suspensions follow each other")
        found.append((times[0], times[1] if len(times) == 2 else None))
    return tuple(found)


def dated_in_force(since: int, until: int | None, pauses: Sequence[Pause], at: int) -> bool:
    """True at a time of [since, until) that is in none of the pauses."""
    if not since <= at or (until is not None and at >= until):
        return False
    return not any(start <= at and (end is None or at < end) for start, end in pauses)
