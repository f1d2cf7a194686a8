"""What the ledger holds of proposals, and what of this party is on its way: read for many as for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from credentials.ledger.attestation import Attestation, parse_attestation
from credentials.ledger.entries import GovernanceEntry, parse_entry
from credentials.ledger.governance_state import APPROVED, KINDS, PROPOSED, TAKEN_BACK
from node.issuing.governance_acts import GovernanceActs
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore


@dataclass(frozen=True, slots=True)
class ProposalOnLedger:
    """What the ledger holds of a proposal: its acts, with their times, and what became of it."""

    acts: tuple[tuple[EntryRow, Attestation, int | None], ...]
    decision: GovernanceEntry | None
    under_way: tuple[str, ...]  # own acts that are signed, and not on the ledger yet

    @property
    def proposed(self) -> tuple[EntryRow, Attestation, int | None]:
        return next(act for act in self.acts if act[1].kind == PROPOSED)

    @property
    def approving(self) -> list[str]:
        """Who stood behind it at the end, in the order in which they approved."""
        found: dict[str, None] = {}
        for _, attestation, _ in self.acts:
            if attestation.kind == APPROVED:
                found[attestation.issuer] = None
            elif attestation.kind == TAKEN_BACK:
                found.pop(attestation.issuer, None)
        return list(found)


def recorded(
    ledger: LedgerStore, own: GovernanceActs, digests: Sequence[bytes]
) -> dict[bytes, ProposalOnLedger]:
    """By digest, in four statements however many there are."""
    rows = [row for row in ledger.leaves.with_documents(digests) if row.kind in KINDS]
    times = ledger.block_times(row.height for row in rows)
    acts: dict[bytes, list[tuple[EntryRow, Attestation, int | None]]] = {digest: [] for digest in digests}
    for row in rows:
        acts[row.document_digest or b""].append((row, parse_attestation(row.entry), times.get(row.height)))
    decisions: dict[bytes, GovernanceEntry] = {}
    for row in ledger.leaves.decided(digests):
        entry = parse_entry(row.entry)
        assert isinstance(entry, GovernanceEntry), "its row says so"
        decisions[row.digest or b""] = entry
    on_ledger = {attestation.digest for about in acts.values() for _, attestation, _ in about}
    waiting = own.under_way(digests, on_ledger)
    return {
        digest: ProposalOnLedger(tuple(about), decisions.get(digest), tuple(waiting.get(digest, ())))
        for digest, about in acts.items()
    }
