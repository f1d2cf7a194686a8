"""Entries: the leaves of the log.

the exact bytes of an admitted attestation (COSE_Sign1, tag 18)
["comity/claim/v1", the exact bytes of an attestation whose author has no right over the battery]
["comity/refused/v1", digest, issuer, subject, rule, winner leaf index, height]
["comity/evidence/v1", kind, validator, height, round, [statement, statement]]      consensus.evidence
["comity/policy/v1", SHA-256 of the policy before, tlog-policy text, [compromised note key, ...]]
["comity/governance/v1", proposal digest, outcome, reason, first height that it governs,
                         [[type, name, SHA-256 before / null, SHA-256 after], ...]]
["comity/block/v1", height, time, app hash, standings root, governance root, validator-set hash,
                    config digest]                                    the last leaf of every block
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consensus.encoding import EncodingError, decode, encode
from consensus.evidence import FaultEvidence, is_evidence
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, parse_attestation

ENTRY_BYTES_MAX = 1 << 17
_COSE_OPENING = b"\xd2\x84"
_CLAIM, _REFUSED = "comity/claim/v1", "comity/refused/v1"
GOVERNANCE_OPENING = bytes([0x86]) + encode("comity/governance/v1")  # a list of six
BLOCK_OPENING = bytes([0x88]) + encode("comity/block/v1")  # a list of eight
_POLICY, _BLOCK, _GOVERNANCE = "comity/policy/v1", "comity/block/v1", "comity/governance/v1"


@dataclass(frozen=True, slots=True)
class AdmittedEntry:
    """An admitted attestation; its signature was verified before it was ordered."""

    attestation: Attestation


@dataclass(frozen=True, slots=True)
class ClaimEntry:
    """An attestation by an accredited party without a right over the battery: recorded, never a state.

    A type of its own, so that nobody who reads admitted statements takes a claim for one (I5).
    """

    attestation: Attestation

    def encode(self) -> bytes:
        """The leaf."""
        return encode([_CLAIM, self.attestation.data])


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """A validly signed attestation that lost, by `rule`, to the entry at `winner_leaf_index`."""

    digest: bytes
    issuer: str
    subject: Subject
    rule: str
    winner_leaf_index: int
    height: int

    def encode(self) -> bytes:
        """The leaf."""
        return encode(
            [
                _REFUSED,
                self.digest,
                self.issuer,
                self.subject.as_list(),
                self.rule,
                self.winner_leaf_index,
                self.height,
            ]
        )


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """The last leaf of a block: what the state was after it."""

    height: int
    time: int
    app_hash: bytes
    standings_root: bytes
    governance_root: bytes
    validators_hash: bytes
    config_digest: bytes

    def encode(self) -> bytes:
        """The leaf."""
        return encode(
            [
                _BLOCK,
                self.height,
                self.time,
                self.app_hash,
                self.standings_root,
                self.governance_root,
                self.validators_hash,
                self.config_digest,
            ]
        )


@dataclass(frozen=True, slots=True)
class EvidenceEntry:
    """A validator's fault; its signatures were verified before it was ordered."""

    evidence: FaultEvidence

    def encode(self) -> bytes:
        """The leaf."""
        return self.evidence.encode()


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """A tlog-policy put on the record: it follows one policy, so that none can be left out.

    `compromised` are keys of the log and its cosigners, as C2SP vkeys, in order, that prove nothing alone.
    """

    before: bytes
    text: str
    compromised: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The leaf."""
        return encode([_POLICY, self.before, self.text, list(self.compromised)])


@dataclass(frozen=True, slots=True)
class GovernanceEntry:
    """What became of a proposal, and which records it changed from what to what."""

    proposal: bytes
    outcome: str
    reason: str
    in_force: int  # the first height that it governs; 0 for one that changes nothing
    changed: tuple[tuple[str, str, bytes | None, bytes], ...]

    def encode(self) -> bytes:
        """The leaf."""
        changed = [list(row) for row in self.changed]
        return encode([_GOVERNANCE, self.proposal, self.outcome, self.reason, self.in_force, changed])


Entry = AdmittedEntry | ClaimEntry | RefusedEntry | EvidenceEntry | BlockEntry | PolicyEntry | GovernanceEntry


def parse_entry(entry: bytes) -> Entry:
    """Read one leaf strictly; raises CredentialError("malformed", ...)."""
    if entry.startswith(_COSE_OPENING):
        return AdmittedEntry(parse_attestation(entry))
    try:
        value = decode(entry, size_bytes_max=ENTRY_BYTES_MAX)
        if is_evidence(value):
            return EvidenceEntry(FaultEvidence.decode(entry))
    except EncodingError as error:
        raise CredentialError("malformed", f"not an entry of the log: {error}") from error
    match value:
        case [tag, bytes() as attestation] if tag == _CLAIM:
            return ClaimEntry(parse_attestation(attestation))
        case [tag, digest, issuer, [scheme, namespace, h], rule, winner, height] if tag == _REFUSED:
            _require((digest, h), bytes)
            _require((issuer, scheme, namespace, rule), str)
            _require((winner, height), int)
            return RefusedEntry(digest, issuer, Subject(scheme, namespace, h), rule, winner, height)
        case [tag, before, text, list(compromised)] if tag == _POLICY:
            _require((before,), bytes)
            _require((text, *compromised), str)
            return PolicyEntry(before, text, tuple(compromised))
        case [tag, proposal, outcome, reason, in_force, list(changed)] if tag == _GOVERNANCE:
            _require((proposal,), bytes)
            _require((outcome, reason), str)
            _require((in_force,), int)
            return GovernanceEntry(proposal, outcome, reason, in_force, _changed(changed))
        case [tag, height, time, *digests] if tag == _BLOCK and len(digests) == 5:
            _require((height, time), int)
            _require(digests, bytes)
            return BlockEntry(height, time, *digests)
        case _:
            raise CredentialError("malformed", "not an entry of the log: its form is none of those known")


def _changed(rows: list[Any]) -> tuple[tuple[str, str, bytes | None, bytes], ...]:
    for row in rows:
        if type(row) is not list or len(row) != 4:
            raise CredentialError("malformed", "not an entry of the log: a changed record is four values")
        _require(row[:2], str)
        _require([digest for digest in row[2:] if digest is not None] or [None], bytes)
        _require(row[3:], bytes)
    return tuple((row[0], row[1], row[2], row[3]) for row in rows)


def _require(values: Any, kind: type) -> None:
    if any(type(value) is not kind or (type(value) is bytes and len(value) != 32) for value in values):
        raise CredentialError("malformed", f"not an entry of the log: a member is not {kind.__name__}")
