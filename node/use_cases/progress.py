"""How far an own attestation came, as callers are told."""

from __future__ import annotations

from collections.abc import Sequence

from consensus.application import NotYet
from credentials.documents.canonical import b64u
from credentials.ledger.standing import Standing
from node.answers import Progress, RefusalRecord, WaitingRecord
from node.issuing.issuing import Issuing
from node.storage.ledger import LedgerStore
from node.storage.outbox import OutboxItem

CLAIM_RULE = "I5"
ONCE = "X4"  # what is stated under this rule counts once of a battery


class ProgressReport:
    """Reads what became of attestations."""

    def __init__(self, ledger: LedgerStore, issuing: Issuing) -> None:
        self._ledger = ledger
        self._issuing = issuing

    def of_many(self, items: Sequence[OutboxItem]) -> dict[bytes, Progress]:
        """Where each stands, by digest: one look at the ledger for all."""
        times = self._ledger.block_times(item.height for item in items if item.height is not None)
        first = self._first([item for item in items if item.state == "claim"])
        return {
            item.digest: self._told(item, times.get(item.height or 0), first.get(item.digest))
            for item in items
        }

    def of(self, item: OutboxItem) -> Progress:
        """Where it stands."""
        return self.of_many([item])[item.digest]

    def _first(self, claims: Sequence[OutboxItem]) -> dict[bytes, int]:
        """Where the same was recorded before, of claims to what counts once: the race for it was lost."""
        life, subjects = self._issuing.signing.governance.lifecycle, {one.subject for one in claims} - {None}
        found = dict[bytes, int]()
        records = self._ledger.standings.records(sorted(s for s in subjects if s)) if subjects else {}
        for one in claims:
            event, data = life.event(one.kind), records.get(one.subject or b"")
            if event is None or data is None or ONCE not in event.guards or event.effects.fact is None:
                continue
            leaf = Standing.decode(data).facts.get(event.effects.fact)
            if leaf is not None and leaf < (one.leaf_index or 0):
                found[one.digest] = leaf
        return found

    @staticmethod
    def _told(item: OutboxItem, block_time: int | None, first: int | None) -> Progress:
        return {
            "digest": b64u(item.digest),
            "kind": item.kind,
            "battery": item.battery,
            "state": item.state,
            "height": item.height,
            "leaf_index": item.leaf_index,
            "block_time": block_time,
            "refusal": _refusal(item, first),
            "waiting": None,
            "created": item.created,
            "receipted_at": item.receipted_at,
            "document_digest": b64u(item.document_digest),
        }

    def explained(self, item: OutboxItem) -> Progress:
        """Where it stands, and why it waits."""
        return {**self.of(item), "waiting": self.waiting(item)}

    def waiting(self, item: OutboxItem) -> WaitingRecord | None:
        """Why an attestation cannot be ordered yet; it is offered again until it can."""
        return told_of(self._issuing.admission.waits_for(item.data) if item.state == "outbox" else None)


def told_of(reason: NotYet | None) -> WaitingRecord | None:
    """What something waits for, as it is told."""
    if reason is None:
        return None
    return {"code": reason.code, "template": reason.sentence, "parameters": reason.parameters}


def _refusal(item: OutboxItem, first: int | None) -> RefusalRecord | None:
    if item.state not in ("refused", "claim", "dropped", "cancelled"):
        return None
    return {
        "state": item.state,
        "rule": CLAIM_RULE if item.state == "claim" else item.rule,
        "winner_leaf_index": item.winner if item.state == "refused" else first,
        "detail": item.reason if item.state == "dropped" else None,
    }
