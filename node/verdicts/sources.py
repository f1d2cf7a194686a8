"""Evidence for verdicts: what the own ledger says, and documents fetched from their issuers (evidence.py).

Fetching comes first and may take seconds; then ONE read transaction gathers everything a verdict rests on.
Documents are named by digests that are on the ledger, so it does not matter who hands them over. The address
asked comes from peers.toml, never from a document. What is held is kept with the time it was fetched.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from credentials.documents.identifiers import Identifier, Subject, read_identifier, subject
from credentials.documents.secured import credential_shown
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, standing_key, status_subject
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.recalls import Recall, Recalls, recall_subject
from credentials.ledger.records import Claims, StatusLists, claims_key
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import (
    Evidence,
    Held,
    LedgerEntry,
    LedgerView,
    Missing,
    NetworkView,
    Policy,
    StatusSource,
    Tables,
    battery_text,
    identifiers_in_play,
)
from node.peers.gossip import Gossip
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.disclosure import Giving
from node.verdicts.fetching import Fetching
from node.verdicts.lag import Lag

JSON = dict[str, Any]
WANT_MAX = 64
ANSWER_BYTES_MAX = 2 << 20
MISSING_S = 15.0  # an issuer that did not have or give a document is not asked again sooner
FETCH_TIMEOUT_S = 5.0
# Groups of events (verdicts.json) of whose documents a verdict reads members.
DOCUMENT_EVENTS = ("soh", "annexXiv", "presentation", "origin", "inVehicle")


@dataclass(frozen=True, slots=True)
class _Line:
    """What must be read and fetched for one line."""

    about: Subject | None
    code: str = ""  # canonical
    standing: Standing | None = None
    sets: Attestation | None = None  # the attestation that published the live passport
    events: tuple[Attestation, ...] = ()  # those whose documents a verdict reads
    presented: tuple[Mapping[str, Any], ...] = ()


class Gathering:
    """Reads everything a verdict rests on, in one transaction."""

    def __init__(
        self,
        *,
        genesis: Genesis,
        did: str,
        network_key: bytes,
        ledger: LedgerStore,
        office: OfficeStore,
        gossip: Gossip,
        tables: Tables,
        policy: Policy,
        view: Callable[..., NetworkView],  # with what is the same at every height
    ) -> None:
        self._genesis = genesis
        self._network_key = network_key
        self._ledger = ledger
        self._office = office
        self.tables = tables
        self.lifecycle = genesis.lifecycle
        self._policy = policy
        self._view = view
        self.lag = Lag(genesis, did, gossip)
        self.giving = Giving(genesis, tables.access, office, self.standing_of)
        self._fetching = Fetching(did, office, gossip)
        points = tables.access["audiences"].get(policy.audience, [])
        self._points = tuple(int(point) for point in points)
        events = tables.verdicts.get("events") or {}
        self._document_kinds = frozenset(
            [
                *(kind for name in DOCUMENT_EVENTS for kind in _kinds(events.get(name))),
                *_kinds_with_members(tables.crosswalk_evidence),
            ]
        )

    # -- one verdict ---------------------------------------------------------------------------------

    def evidence(self, line: Mapping[str, Any], *, fetch: bool = True) -> Evidence:
        """Everything known about one manifest line (or `{"battery": ...}` of a scan)."""
        if fetch:
            self.fetch_for([line])
        with self._ledger.reading(), self._office.reading():
            return self._evidence(line)

    def subject_of(self, text: str) -> Subject | None:
        """The subject of an identifier text; None if it is none (or an opaque URI without an issuer)."""
        identifier = self._identifier(text)
        return subject(identifier, self._network_key) if identifier is not None else None

    def standing_of(self, text: str) -> Standing | None:
        """What the ledger knows of the battery with this identifier text."""
        about = self.subject_of(text)
        return None if about is None else self._standing(standing_key(about))

    def _identifier(self, text: str) -> Identifier | None:
        try:
            return read_identifier(text, self.tables.identifiers)
        except CredentialError:
            return None

    def ledger_view(self, about: Subject, code: str) -> LedgerView:
        """What the own ledger says about one battery, by its canonical code; inside a read transaction."""
        key = standing_key(about)
        standing = self._standing(key)
        rows = self._ledger.entries_of(key)
        times = self._ledger.block_times(row.height for row in rows)
        lost = [(r.height, r.digest) for r in rows if r.type == "refused" and r.digest is not None]
        refused = self._ledger.ordered_attestations(lost)
        entries = [LedgerEntry(r.leaf_index, r.height, times[r.height], r.entry) for r in rows]
        claims = self._ledger.standing(claims_key(key))
        return LedgerView(
            standing,
            entries,
            refused,
            claims=Claims.decode(claims) if claims is not None else None,
            recalls=self._recalls(about, code, standing),
        )

    def _recalls(self, about: Subject, code: str, standing: Standing | None) -> tuple[Recall, ...]:
        """The recalls in force about the codes of this maker that reach this one."""
        record = self._ledger.standing(standing_key(recall_subject(about.scheme, about.namespace)))
        if record is None:
            return ()
        produced = standing.production_time if standing is not None else None
        return Recalls.decode(record).covering(code, standing_key(about), produced)

    def network_view(self, status: Mapping[tuple[str, str, str], StatusSource]) -> NetworkView:
        """What is the same for every battery at this height; inside a read transaction."""
        tip = self._ledger.tip()
        height, block_time = (tip.height, tip.time) if tip else (0, self._genesis.created)
        return self._view(
            height=height,
            block_time=block_time,
            lag_heights=self.lag.lag_heights(height),
            quorum_silence_s=self.lag.quorum_silence_s(),
            status_lists=status,
        )

    def _evidence(self, line: Mapping[str, Any]) -> Evidence:
        read = self._read(line)
        documents: dict[int, Held | Missing] = {}
        if read.sets is not None and read.sets.set_list is not None:
            for point in self._points:
                digest = read.sets.set_list.points.get(point)
                if digest is not None:
                    documents[point] = self._fetching.held(digest, read.sets.issuer)
        events = {a.document_digest: self._fetching.held(a.document_digest, a.issuer) for a in read.events}
        held = [d.document for d in documents.values() if isinstance(d, Held)]
        status = self._status_sources([*held, *read.presented])
        texts = identifiers_in_play(line, held)
        subjects = {text: found for text in texts if (found := self.subject_of(text)) is not None}
        receipts = line.get("receipts")
        shown = line.get("documents")
        return Evidence(
            network=self.network_view(status),
            ledger=LedgerView(None) if read.about is None else self.ledger_view(read.about, read.code),
            subjects=subjects,
            documents=documents,
            presented=tuple(shown) if isinstance(shown, list) else (),
            events=events,
            receipts=tuple(receipts) if isinstance(receipts, list) else (),
        )

    def _status_sources(
        self, documents: Iterable[Mapping[str, Any]]
    ) -> dict[tuple[str, str, str], StatusSource]:
        sources: dict[tuple[str, str, str], StatusSource] = {}
        now = int(time.time())
        for key in {key for document in documents for key in _status_entries(document)}:
            issuer, purpose, url = key
            digest = self._list_digest(issuer, purpose, url)
            stored = self._office.documents.get(digest) if digest is not None else None
            if stored is None:
                sources[key] = StatusSource(None, digest, source=issuer)
            else:
                # The own list is as fresh as this moment.
                fetched_at = now if stored.fetched_at is None else stored.fetched_at
                sources[key] = StatusSource(orjson.loads(stored.body), digest, fetched_at, issuer)
        return sources

    def _list_digest(self, issuer: str, purpose: str, url: str) -> bytes | None:
        """The latest version of a status list on the ledger."""
        record = self._ledger.standing(standing_key(status_subject(issuer, url)))
        if record is None:
            return None
        latest = StatusLists.decode(record).latest.get(purpose)
        return latest.digest if latest else None

    def _standing(self, key: bytes) -> Standing | None:
        record = self._ledger.standing(key)
        return None if record is None else Standing.decode(record)

    def _read(self, line: Mapping[str, Any]) -> _Line:
        """The subject, its standing, and which documents a verdict about it reads."""
        battery = battery_text(line)
        identifier = self._identifier(battery) if battery is not None else None
        about = subject(identifier, self._network_key) if identifier is not None else None
        shown = line.get("documents")
        presented = tuple(d for d in shown if isinstance(d, dict)) if isinstance(shown, list) else ()
        if identifier is None or about is None:
            return _Line(None, presented=presented)
        key = standing_key(about)
        standing = self._standing(key)
        sets: Attestation | None = None
        if standing is not None and standing.passport is not None:
            row = self._ledger.entry(standing.passport.leaf_index)
            sets = _attestation(row) if row is not None else None
        rows = [r for r in self._ledger.entries_of(key) if r.kind in self._document_kinds]
        events = tuple(a for r in rows if (a := _attestation(r)) is not None)
        return _Line(about, identifier.canonical, standing, sets, events, presented)

    # -- fetching ------------------------------------------------------------------------------------

    def fetch_for(
        self, lines: Sequence[Mapping[str, Any]], give_way: Callable[[], None] = lambda: None
    ) -> None:
        """Ask issuers for the documents that verdicts on these lines will read and that are not held.

        `give_way` is called between lines.
        """
        wanted: dict[str, set[bytes]] = defaultdict(set)
        held: list[Mapping[str, Any]] = []
        with self._ledger.reading(), self._office.reading():
            reads = []
            for line in lines:
                reads.append(self._read(line))
                give_way()
        for read in reads:
            if read.sets is not None and read.sets.set_list is not None:
                points = read.sets.set_list.points
                wanted[read.sets.issuer].update(points[p] for p in self._points if p in points)
            for event in read.events:
                wanted[event.issuer].add(event.document_digest)
        self._fetching.fetch(wanted)
        with self._ledger.reading(), self._office.reading():
            for digests in wanted.values():
                for stored in map(self._office.documents.get, digests):
                    if stored is not None:
                        held.append(orjson.loads(stored.body))
                        give_way()
            lists: dict[str, set[bytes]] = defaultdict(set)
            documents = [*held, *(document for read in reads for document in read.presented)]
            for issuer, purpose, url in {key for d in documents for key in _status_entries(d)}:
                digest = self._list_digest(issuer, purpose, url)
                if digest is not None:
                    lists[issuer].add(digest)
        self._fetching.fetch(lists, age_s_max=self._policy.status_list_age_s_max // 2)


def _kinds(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list | dict) else ()


def _kinds_with_members(crosswalk_evidence: Mapping[str, Any]) -> set[str]:
    """The events of whose documents a row of the importer's report reads members."""
    return {
        accepted["event"]
        for row in crosswalk_evidence.get("rows", {}).values()
        for part in row.get("parts", ())
        for accepted in part.get("accepts", ())
        if "event" in accepted and accepted.get("members")
    }


def _attestation(row: EntryRow) -> Attestation | None:
    parsed = parse_entry(row.entry)
    return parsed.attestation if isinstance(parsed, AdmittedEntry) else None


def _status_entries(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(issuer, purpose, list URL) of a document's status entries, as far as it has the form."""
    said = credential_shown(document)
    issuer = said.get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    entries = said.get("credentialStatus")
    found = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, Mapping) and isinstance(issuer, str):
            purpose, url = entry.get("statusPurpose"), entry.get("statusListCredential")
            if isinstance(purpose, str) and isinstance(url, str):
                found.append((issuer, purpose, url))
    return found
