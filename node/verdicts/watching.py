"""A verdict does not rot (I9; credentials D704): what the ledger learns marks the open lines that rest on it.

What was judged says at which height. Each leaf of the log after that is about some battery, or is a status
list or a recall: the open lines about that battery, or resting on that issuer's lists, or of the codes that
are recalled, are marked and judged again. A line is settled once its goods were placed on the market after
it was judged: it has done its work.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.verdicts.evidence import Policy
from credentials.verdicts.verdict_record import ItemRecord
from node import log
from node.storage.consignments import ItemRow
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

JSON = dict[str, Any]
LEAVES_AT_ONCE = 2_000
OPEN_S = 120 * 86_400  # a consignment older than this is not judged again


class Watching:
    """Knows which judged lines the ledger has overtaken; called from the consignments' thread only."""

    def __init__(
        self, office: OfficeStore, ledger: LedgerStore, gathering: Gathering, policy: Policy
    ) -> None:
        self._office = office
        self._ledger = ledger
        self._gathering = gathering
        self._policy = policy

    def look(self) -> bool:
        """Mark what the newest leaves are about; True if there may be more of them."""
        table = self._office.consignments
        begin, size = table.watched_until(), self._ledger.log_size()
        if begin >= size:
            return False
        if not table.any_judged():
            with self._office.writing() as db:
                table.watched(db, size)
            return False
        rows = self._ledger.entries_from(begin, LEAVES_AT_ONCE)
        about = self._about(rows)
        with self._office.writing() as db:
            marked = table.mark_stale(db, about=about, created_after=int(time.time()) - OPEN_S)
            table.watched(db, begin + len(rows))
        if marked:
            log.moment("stale_lines", lines=marked)
        return len(rows) == LEAVES_AT_ONCE

    def _about(self, rows: Sequence[EntryRow]) -> dict[str, Sequence[bytes | str]]:
        """What these leaves are about, by the columns in which lines are found."""
        subjects: set[bytes] = set()
        issuers: set[str] = set()
        namespaces: set[str] = set()
        for row in rows:
            event = self._gathering.event_of(row)
            if event is not None and event.effects.status_list and row.issuer is not None:
                issuers.add(row.issuer)
            elif event is not None and event.effects.recall is not None:
                entry = parse_entry(row.entry)
                if isinstance(entry, AdmittedEntry):
                    namespaces.add(entry.attestation.subject.namespace)
            elif row.subject is not None:
                subjects.add(row.subject)
        return {"subject": sorted(subjects), "namespace": sorted(namespaces), "issuer": sorted(issuers)}

    def row_of(self, verdict: Mapping[str, Any], seq: int = 0) -> ItemRow:
        """A verdict as it is stored: with what it is found by when the ledger learns more."""
        about = self._gathering.subject_of(verdict["battery"])
        return ItemRow(
            verdict["line"],
            seq,
            verdict["verdict"],
            orjson.dumps(verdict),
            subject=standing_key(about) if about is not None else None,
            namespace=f"{about.scheme}:{about.namespace}" if about is not None else None,
            issuer=verdict["passport"].get("issuer"),
        )

    def keep(self, db: Any, consignment_id: str, verdict: ItemRecord) -> None:
        """Store the newer verdict of a line, with the word it had before; a settled line keeps its own."""
        table, line = self._office.consignments, verdict["line"]
        stored = table.item(consignment_id, line)
        before = orjson.loads(stored) if stored is not None else {}
        if self._placed_since(verdict["battery"], before.get("height", 0)):
            table.settle(db, consignment_id, line)
            return
        told = {name: before.get(name) for name in ("verdict", "reason", "height", "evaluated_at")}
        kept: Mapping[str, Any] = verdict
        if (told["verdict"], told["reason"]) != (verdict["verdict"], verdict["reason"]):
            kept = {**verdict, "before": told}
            log.moment("verdict_changed", id=consignment_id, line=line, verdict=verdict["verdict"])
        elif "before" in before:
            kept = {**verdict, "before": before["before"]}
        table.put_again(db, consignment_id, self.row_of(kept))

    def _placed_since(self, battery: str, height: int) -> bool:
        """True if the battery was placed on this market after `height`: the line's goods went their way."""
        standing = self._gathering.standing_of(battery)
        placed = standing.setting("placed", self._policy.jurisdiction) if standing is not None else None
        entry = self._ledger.entry(placed.leaf_index) if placed is not None else None
        return entry is not None and entry.height > height
