"""Rows of the log: one leaf with what it is found by, and the newest block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from consensus.merkle import leaf_hash
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.entries import (
    BLOCK_OPENING,
    AdmittedEntry,
    BlockEntry,
    ClaimEntry,
    EvidenceEntry,
    GovernanceEntry,
    PolicyEntry,
    RefusedEntry,
    parse_entry,
)
from credentials.ledger.records import claims_key

STATEMENTS = ("admitted", "claim", "refused")  # what an attestation becomes; it is final then
# As they stand in the indexes that find them by their digests.
OF_STATEMENTS, OF_OTHERS = "type IN ('admitted', 'claim', 'refused')", "type IN ('evidence', 'governance')"


@dataclass(frozen=True, slots=True)
class LedgerTip:
    """The newest decided and executed block."""

    height: int
    block_id: bytes
    time: int
    app_hash: bytes
    frontier: bytes


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One leaf of the log with what it is found by."""

    entry: bytes
    leaf_hash: bytes
    type: str  # admitted | claim | refused | block | policy | evidence | governance
    kind: str | None = None  # of the attestation: the event
    issuer: str | None = None
    subject: bytes | None = None  # its standing key; of a claim the key of the claims about the battery
    digest: bytes | None = None  # of the attestation
    document_digest: bytes | None = None
    rule: str | None = None  # refused: the rule
    winner: int | None = None  # refused: leaf index of the winner
    leaf_index: int = -1  # set when read
    height: int = -1  # set when read


def row_of(entry: bytes, parsed: Mapping[bytes, Attestation] | None = None) -> EntryRow:
    """What a leaf is found by; `parsed` holds attestations that were parsed already, by their bytes."""
    leaf = leaf_hash(entry)
    known = parsed.get(entry) if parsed is not None else None
    match AdmittedEntry(known) if known is not None else parse_entry(entry):
        case AdmittedEntry(attestation):
            return EntryRow(
                entry,
                leaf,
                "admitted",
                kind=attestation.kind,
                issuer=attestation.issuer,
                subject=standing_key(attestation.subject),
                digest=attestation.digest,
                document_digest=attestation.document_digest,
            )
        case ClaimEntry(attestation):
            # Under a key of its own and without its document: whoever reads the statements about a battery,
            # or looks for the record of a document, never meets a claim, however many there are.
            return EntryRow(
                entry,
                leaf,
                "claim",
                kind=attestation.kind,
                issuer=attestation.issuer,
                subject=claims_key(standing_key(attestation.subject)),
                digest=attestation.digest,
            )
        case RefusedEntry() as refused:
            return EntryRow(
                entry,
                leaf,
                "refused",
                issuer=refused.issuer,
                subject=standing_key(refused.subject),
                digest=refused.digest,
                rule=refused.rule,
                winner=refused.winner_leaf_index,
            )
        case EvidenceEntry(evidence):
            return EntryRow(entry, leaf, "evidence", kind=evidence.kind, digest=evidence.id)
        case BlockEntry():
            return EntryRow(entry, leaf, "block")
        case PolicyEntry():
            return EntryRow(entry, leaf, "policy")
        case GovernanceEntry() as decision:
            return EntryRow(entry, leaf, "governance", digest=decision.proposal)


def is_whole(row: EntryRow) -> bool:
    """Whether a row that was read is what was written: one with a flipped bit is not (0594).

    Every leaf that is read is asked this, so what the log is full of is not parsed for it: who said what
    about which document stands in the entry as it is. The subject does not: a row is looked for by it.
    """
    if leaf_hash(row.entry) != row.leaf_hash:
        return False
    if row.type == "admitted":
        named = (row.kind or "?").encode(), (row.issuer or "?").encode(), row.document_digest or b""
        return row.digest == sha256(row.entry).digest() and all(name in row.entry for name in named)
    if row.type == "block":
        return row.entry.startswith(BLOCK_OPENING)
    return replace(row_of(row.entry), leaf_index=row.leaf_index, height=row.height) == row
