"""A verdict does not rot (I9; credentials D704): what the ledger learns, or time alone, marks the open lines.

What was judged says at which height. Each leaf of the log after that is about some battery, or is a status
list or a recall: the open lines about that battery, or resting on that issuer's lists, or of the codes that
are recalled, are marked and judged again. A verdict knows the first moment at which time alone may change it
(`good_until`): its line is marked then (D756). An act about a pack also writes on its children and its
successors, and a verdict on these looks at the pack: their lines are marked with it. A line is settled once
customs here released its goods, under its own declaration, after it was judged: it has done its work.

A decision about what governs marks the lines of whoever's words count otherwise, once it is in force.

Not only the ledger (D590): a document that a line was judged without, or with one that was too old, wakes it
once it is had; another policy of this node wakes all. What is claimed of a battery is a warning and moves no
word: its lines are judged again a while after the first claim, with whatever is claimed until then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import orjson

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import ClaimEntry, parse_entry
from credentials.ledger.rules import gives_way
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import declaration_text
from credentials.verdicts.freshness import RELATIVES, STATUS_LIST
from credentials.verdicts.names import OPAQUE
from credentials.verdicts.policy import Policy
from credentials.verdicts.verdict_record import ItemRecord
from node import log
from node.storage.audit import THIS_NODE
from node.storage.consignments import ItemRow
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.rests_on import KIN, PARTY, Rest, as_stored
from node.verdicts.declarations import OPEN_S
from node.verdicts.further_codes import NOBODY
from node.verdicts.learned import ANY_NAMESPACE, GOVERNANCE, Learned, decision_of
from node.verdicts.sources import Gathering

JSON = dict[str, Any]
LEAVES_AT_ONCE = 2_000
UNDER_CUSTOMS_MAX = 256  # statements about goods between their presentation and their release
DUE_AT_ONCE = 500  # lines that time has overtaken, marked in one look
CLAIMS_S = 600  # what is claimed of a battery within it has its lines judged once
ASK_AGAIN_S = 3_600  # after it, sources that said nothing are asked again
ASKED_AGAIN = ("unreachable", "stale")  # words of `undecided_because` that are no fault of the item
SET_ASIDE = "set_aside"  # the reason of a line that waits for the operator
CLAIM = "claim"  # the type of a leaf
RELEASED = "released"  # the fact and the setting, of config/rules/lifecycle.json


class Watching:
    """Knows which judged lines the ledger has overtaken; called from the consignments' thread only."""

    def __init__(
        self, office: OfficeStore, ledger: LedgerStore, gathering: Gathering, policy: Policy
    ) -> None:
        self._office = office
        self._ledger = ledger
        self._gathering = gathering
        self._policy = policy
        self.learned = Learned(ledger, gathering)

    def go_by(self, digest: bytes) -> None:
        """What this node judges by beside the ledger: is it another since, every open line is marked."""
        table = self._office.overtaken
        with self._office.writing() as db:
            if table.goes_by(db, digest):
                since, mark = int(time.time()) - OPEN_S, max(1, table.watched_until())
                table.mark_stale(db, about=None, created_after=since, mark=mark)

    def look(self) -> bool:
        """Mark what the newest leaves are about; True if there may be more of them."""
        table, now = self._office.overtaken, int(time.time())
        due = table.any_due(now)
        if due:
            with self._office.writing() as db:
                mark = max(1, table.watched_until())
                table.mark_due(db, now, now - OPEN_S, DUE_AT_ONCE, mark)
        return self._look_at_the_ledger() or due

    def _look_at_the_ledger(self) -> bool:
        table = self._office.overtaken
        begin, size = table.watched_until(), self._ledger.log_size()
        if begin >= size:
            return False
        if not table.any_judged():
            with self._office.writing() as db:
                table.watched(db, size)
            return False
        with self._ledger.reading():
            found = self._ledger.leaves.since(begin, LEAVES_AT_ONCE)
            rows = self._in_force(found)
            about = self.learned.about(rows) if rows else {}
        mark, now = begin + len(rows), int(time.time())
        since = now - OPEN_S
        with self._office.writing() as db:
            self._tell_of_decisions(db, begin, rows, now)
            table.hasten_about(db, claimed_of(rows), now + CLAIMS_S)
            marked = table.mark_stale(db, about=about, created_after=since, mark=mark)
            table.watched(db, mark)
        if marked:
            log.moment("stale_lines", lines=marked)
        return len(rows) == LEAVES_AT_ONCE

    def _tell_of_decisions(self, db: Any, begin: int, rows: Sequence[EntryRow], now: int) -> None:
        """Keep which lines each decision reaches, and tell the operator why they are judged again."""
        for leaf, row in enumerate(rows, begin):
            decision = decision_of(row) if row.type == GOVERNANCE else None
            parties = self.learned.parties_changed(decision) if decision is not None else set[str]()
            if decision is None or parties == set():
                continue
            reached = self._office.reached.put(db, leaf, decision.proposal, now, parties, now - OPEN_S)
            if reached:
                told = f"{b64u(decision.proposal)}: {reached} open lines are judged again"
                self._office.audit.put(db, now, THIS_NODE, "decision.reached", told)
                log.moment("decision_reached", proposal=b64u(decision.proposal), lines=reached)

    def _in_force(self, rows: Sequence[EntryRow]) -> Sequence[EntryRow]:
        """Those before the first decision that governs later only: who rests on it is told once it does."""
        for place, row in enumerate(rows):
            if row.type == GOVERNANCE and decision_of(row).in_force > self._gathering.history.height:
                return rows[:place]
        return rows

    def row_of(
        self, verdict: Mapping[str, Any], seq: int = 0, read: Set[Rest] = frozenset(), answers: bytes = b""
    ) -> ItemRow:
        """A verdict as it is stored: with what it is found by when the ledger learns more.

        `read` is what was read for it (`resting.py`): a verdict tells only what it found. `answers`: what a
        report adds up of it.
        """
        about = self._gathering.subject_of(verdict["battery"])
        own = standing_key(about) if about is not None else None
        told = dict.fromkeys(self._rests(verdict))
        in_columns = {(KIN, own), ("issuer", as_stored(verdict["passport"].get("issuer") or ""))}
        in_columns |= {(PARTY, value) for kind, value in in_columns if kind == "issuer"}
        in_columns |= {(KIN, value) for kind, value in told if kind == "subject"}
        return ItemRow(
            verdict["line"],
            seq,
            verdict["verdict"],
            orjson.dumps(verdict),
            subject=own,
            namespace=_recalled_by(verdict, about) if about is not None else None,
            issuer=verdict["passport"].get("issuer"),
            due=due_of(verdict),
            judged_at=verdict["evaluated_at"],
            reason=verdict["reason"],
            rests=(*told, *sorted(read - told.keys() - in_columns)),
            answers=answers,
        )

    def _rests(self, verdict: Mapping[str, Any]) -> Iterator[Rest]:
        """What the verdict rests on beside its own battery and its publisher's lists.

        The further codes that its passport names, recorded or not; the lists of whose documents it read.
        """
        for about in self._named_in(verdict):
            yield "subject", standing_key(about)
            yield "namespace", as_stored(f"{about.scheme}:{about.namespace}")
        naming = {c["evidence"]["about"] for c in verdict["checks"] if c["evidence"].get("about")}
        yield from ((KIN, b64u_decode(key)) for key in sorted(naming))
        steps = [step for step in verdict["timeline"] if step["state"] == "admitted"]
        issuers = {step["issuer"] for step in steps if self._gathering.reads_documents_of(step["kind"])}
        lists = (source for source in verdict["sources"] if source["source"] == STATUS_LIST)
        issuers |= {source["from"] for source in lists}
        publisher = {verdict["passport"].get("issuer")}  # in a column of its own
        others = issuers - publisher
        yield from (("issuer", as_stored(issuer)) for issuer in sorted(others))
        speaking = {step["issuer"] for step in steps} - others - publisher
        yield from ((PARTY, as_stored(party)) for party in sorted(speaking))

    def _named_in(self, verdict: Mapping[str, Any]) -> list[Subject]:
        """The further codes that the verdict names, recorded or not."""
        named = {c["evidence"].get("identifier") for c in verdict["checks"] if c["name"] == "alias"}
        issuer = verdict["passport"].get("issuer") or NOBODY
        found = (self._gathering.subject_of(text, issuer) for text in sorted(map(str, named - {None})))
        return [about for about in found if about is not None]

    def keep(
        self, db: Any, consignment_id: str, verdict: ItemRecord, read: Set[Rest], answers: bytes
    ) -> None:
        """Store the newer verdict of a line, with the word it had before; a settled line keeps its own.

        `read`: what was read for it; `answers`: what a report adds up of it.
        """
        table, line = self._office.overtaken, verdict["line"]
        stored = self._office.consignments.item(consignment_id, line)
        before = orjson.loads(stored) if stored is not None else {}
        if self._released_since(consignment_id, verdict["battery"], before.get("height", 0)):
            self._settle(db, consignment_id, line, verdict["battery"])
            self._office.reached.judged(db, consignment_id, line, before["verdict"], before["reason"])
            return
        told = {name: before.get(name) for name in ("verdict", "reason", "height", "evaluated_at")}
        kept: Mapping[str, Any] = verdict
        if (told["verdict"], told["reason"]) != (verdict["verdict"], verdict["reason"]):
            kept = {**verdict, "before": told}
            log.moment("verdict_changed", id=consignment_id, line=line, verdict=verdict["verdict"])
        elif "before" in before:
            kept = {**verdict, "before": before["before"]}
        table.put_again(db, consignment_id, self.row_of(kept, read=read, answers=answers))
        self.mark_named(db, kept, before)
        self._office.reached.judged(db, consignment_id, line, verdict["verdict"], verdict["reason"])

    def _settle(self, db: Any, consignment_id: str, line: int, battery: str) -> None:
        """A line has done its work: what stands on another declaration is declared once more only (D755)."""
        table, row = self._office.overtaken, self._office.consignments.get(consignment_id)
        about = self._gathering.subject_of(battery)
        assert row is not None and about is not None, "a line of a battery that is on record"
        table.settle(db, consignment_id, line)
        own, mark = standing_key(about), max(1, table.watched_until())
        table.mark_named(db, own, (), (own,), mark)
        self._office.declared.mark_beside(db, row.number, line, int(time.time()) - OPEN_S, mark)

    def mark_named(self, db: Any, verdict: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Mark what the names of a judged line say something of: other batteries that one code names as well.

        `before`: its last verdict, {} for none. What both name by one publisher's word was told then; what
        only one of them does is news. An opaque identifier may be a model's: what else is named so is no
        other code of this battery, unless it is on record.
        """
        about = self._gathering.subject_of(verdict["battery"])
        new = {standing_key(one): one for one in self._named_in(verdict)}
        old = {standing_key(one): one for one in self._named_in(before)} if before else {}
        publisher = verdict["passport"].get("issuer")
        told = new.keys() & old.keys() if old and before["passport"].get("issuer") == publisher else set()
        named = [one for key, one in {**old, **new}.items() if key not in told]
        if about is not None and named:
            table = self._office.overtaken
            shared = [
                standing_key(one) for one in named if one.scheme != OPAQUE or is_battery(self._ledger, one)
            ]
            mark = max(1, table.watched_until())
            table.mark_named(db, standing_key(about), [standing_key(one) for one in named], shared, mark)

    def _released_since(self, consignment_id: str, battery: str, height: int) -> bool:
        """True if customs here released the battery after `height`: the line's goods went their way.

        What was released under the number of another declaration is no end of this one's line (X12).

        The setting keeps the first release of a side; the fact is the latest of any, whoever imports again.
        """
        standing = self._gathering.standing_of(battery)
        leaf = standing.facts.get(RELEASED) if standing is not None else None
        entry = self._ledger.leaves.at(leaf) if leaf is not None else None
        if entry is None or entry.height <= height:
            return False
        row, about = self._office.consignments.get(consignment_id), self._gathering.subject_of(battery)
        assert row is not None and about is not None, "a line of a battery that is on record"
        under = presented_under(self._office, self._gathering, self._ledger, about, entry)
        if row.declaration and under != declaration_text(row.declaration):
            return False
        # The side's first release is kept with its leaf: an office may be licensed on several sides.
        settings = standing.settings(RELEASED) if standing is not None else {}
        side = next((key for key, first in settings.items() if first.leaf_index == leaf), None)
        return (side or self._gathering.side_of(entry)) == self._policy.jurisdiction


def is_battery(ledger: LedgerStore, about: Subject) -> bool:
    """True if it is on record as one battery, by more than somebody's licence (credentials D862)."""
    record = ledger.standings.record(standing_key(about))
    standing = Standing.decode(record) if record is not None else None
    return standing is not None and standing.born and not gives_way(standing)


def presented_under(
    office: OfficeStore, gathering: Gathering, ledger: LedgerStore, about: Subject, release: EntryRow
) -> str | None:
    """The number of the declaration under which what was released was presented; None: not in hand."""
    kinds = gathering.tables.verdicts.get("events", {}).get("presentation", ())
    rows = ledger.leaves.of(standing_key(about), UNDER_CUSTOMS_MAX, release.leaf_index)
    digests = [r.document_digest for r in rows if r.kind in kinds and r.document_digest is not None]
    document = office.documents.get(digests[-1]) if digests else None
    said = orjson.loads(document.body) if document is not None else {}
    number = said.get("credentialSubject", {}).get("members", {}).get("declaration_number")
    return None if number is None else declaration_text(str(number))


def claimed_of(rows: Sequence[EntryRow]) -> list[bytes]:
    """The keys of the batteries that these leaves claim something of."""
    claims = (parse_entry(row.entry) for row in rows if row.type == CLAIM)
    keys = {standing_key(one.attestation.subject) for one in claims if isinstance(one, ClaimEntry)}
    return sorted(keys)


def _recalled_by(verdict: Mapping[str, Any], about: Subject) -> str:
    """Of which codes a recall may change this line: its own, or any where it was made from others."""
    made_from_others = any(source["source"] == RELATIVES for source in verdict["sources"])
    return ANY_NAMESPACE if made_from_others else f"{about.scheme}:{about.namespace}"


def due_of(verdict: Mapping[str, Any]) -> int | None:
    """When a line is to be judged again though the ledger learned nothing; None: never.

    What a source did not say is asked again after a while: that is no moment of the verdict's, and ours.
    """
    until: int | None = verdict["good_until"]
    if verdict["reason"] == SET_ASIDE or verdict.get("undecided_because") not in ASKED_AGAIN:
        return until if verdict["reason"] != SET_ASIDE else None
    again: int = verdict["evaluated_at"] + ASK_AGAIN_S
    return again if until is None else min(until, again)
