"""Evidence for verdicts: what the own ledger says, and documents fetched from their issuers (evidence.py).

Fetching comes first and may take seconds; then ONE read transaction gathers everything a verdict rests on.
Documents are named by digests that are on the ledger, so it does not matter who hands them over. The address
asked comes from peers.toml, never from a document. What is held is kept with the time it was fetched.

    POST /peer/documents   {"want": [digest, ...]}
                           -> {"documents": {digest: document}, "missing": {digest: "withheld" | "not_found"}}
                           an answer may leave digests out that did not fit: they are asked for again
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from consensus.errors import ConsensusError
from credentials.documents.canonical import b64u, b64u_decode, digest_document, parse_json
from credentials.documents.identifiers import Subject, read_identifier, subject
from credentials.documents.secured import credential_shown
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, standing_key, status_subject
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.records import StatusLists
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import (
    Evidence,
    Held,
    LedgerEntry,
    LedgerView,
    Missing,
    MissingReason,
    NetworkView,
    Policy,
    StatusSource,
    Tables,
    battery_text,
    identifiers_in_play,
)
from node.errors import ProblemError, bad_request
from node.peers.gossip import Gossip
from node.storage.documents import StoredDocument
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore

JSON = dict[str, Any]
WANT_MAX = 64
ANSWER_BYTES_MAX = 2 << 20
MISSING_S = 15.0  # an issuer that did not have or give a document is not asked again sooner
FETCH_TIMEOUT_S = 5.0

# Who sees which Annex XIII sets: roles that are no row of annex-xiii-access.json themselves. Accredited
# operators of the waste stage have a legitimate interest (Art 77(2)(b)); everybody else is the public.
_AUDIENCE_BY_ROLE = {
    "authority": "market_surveillance",
    "recycler": "legitimate_interest",
    "licensed_dismantler": "legitimate_interest",
    "waste_operator": "legitimate_interest",
    "second_life_operator": "legitimate_interest",
    "workshop": "legitimate_interest",
}
OWN_OPERATOR, PUBLIC = "responsible_operator", "public"


@dataclass(frozen=True, slots=True)
class _Line:
    """What must be read and fetched for one line."""

    about: Subject | None
    standing: Standing | None = None
    sets: Attestation | None = None  # the attestation that published the live passport
    events: tuple[Attestation, ...] = ()  # those whose documents a verdict reads
    presented: tuple[Mapping[str, Any], ...] = ()


@dataclass(slots=True)
class _Misses:
    """Documents that were asked for in vain, with when and why."""

    found: dict[bytes, tuple[Missing, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, digest: bytes, missing: Missing) -> None:
        with self.lock:
            if len(self.found) > 50_000:
                self.found.clear()
            self.found[digest] = missing, time.monotonic()

    def get(self, digest: bytes, seconds_max: float = MISSING_S) -> Missing | None:
        with self.lock:
            known = self.found.get(digest)
        return known[0] if known is not None and time.monotonic() - known[1] < seconds_max else None


class Gathering:
    """Reads the ledger, holds and fetches documents, and answers other nodes' requests for ours."""

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
        self._did = did
        self._network_key = network_key
        self._ledger = ledger
        self._office = office
        self._gossip = gossip
        self.tables = tables
        self._policy = policy
        self._view = view
        self._misses = _Misses()
        points = tables.access["audiences"].get(policy.audience, [])
        self._points = tuple(int(point) for point in points)
        events = tables.verdicts.get("events") or {}
        self._document_kinds = frozenset(
            [
                *(kind for name in ("soh", "annexXiv") for kind in _kinds(events.get(name))),
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
        try:
            identifier = read_identifier(text, self.tables.identifiers)
        except CredentialError:
            return None
        return subject(identifier, self._network_key)

    def ledger_view(self, about: Subject) -> LedgerView:
        """What the own ledger says about one subject; inside a read transaction."""
        key = standing_key(about)
        standing = self._standing(key)
        rows = self._ledger.entries_of(key)
        times: dict[int, int] = {}
        refused: dict[bytes, bytes] = {}
        for row in rows:
            times.setdefault(row.height, self._ledger.block_time(row.height) or 0)
            if row.type == "refused" and row.digest is not None:
                data = self._ledger.ordered_attestation(row.height, row.digest)
                if data is not None:
                    refused[row.digest] = data
        entries = [LedgerEntry(r.leaf_index, r.height, times[r.height], r.entry) for r in rows]
        return LedgerView(standing, entries, refused)

    def network_view(self, status: Mapping[tuple[str, str, str], StatusSource]) -> NetworkView:
        """What is the same for every battery at this height; inside a read transaction."""
        tip = self._ledger.tip()
        height, block_time = (tip.height, tip.time) if tip else (0, self._genesis.created)
        return self._view(
            height=height,
            block_time=block_time,
            lag_heights=self.lag_heights(height),
            quorum_silence_s=self.quorum_silence_s(),
            status_lists=status,
        )

    def lag_heights(self, height: int) -> int:
        """Blocks between this ledger and the height that validators claim of whom one at least is honest."""
        validators = self._genesis.validators
        claims = [
            (peer.height, validator.weight)
            for did, peer in self._gossip.peers.items()
            if (validator := validators.get(did)) is not None
        ]
        weight = 0
        for claimed, own in sorted(claims, reverse=True):
            weight += own
            if weight >= validators.one_honest:
                return max(0, claimed - height)
        return 0

    def believed(self, claimed: int, height: int) -> int:
        """The height of a peer as far as it is more than its own word."""
        return min(claimed, height + self.lag_heights(height))

    def quorum_silence_s(self) -> int | None:
        """Seconds since validators with a quorum of weight were last heard; None: not since the start."""
        validators = self._genesis.validators
        now = time.time()
        heard = sorted(
            (now if v.name == self._did else self._heard(v.name), v.weight) for v in validators.validators
        )
        weight = 0
        for at, own in reversed(heard):
            weight += own
            if weight >= validators.quorum:
                return max(0, int(now - at)) if at > 0 else None
        return None

    def _heard(self, did: str) -> float:
        peer = self._gossip.peers.get(did)
        return 0.0 if peer is None or peer.last_seen is None else peer.last_seen

    def _evidence(self, line: Mapping[str, Any]) -> Evidence:
        read = self._read(line)
        documents: dict[int, Held | Missing] = {}
        if read.sets is not None and read.sets.set_list is not None:
            for point in self._points:
                digest = read.sets.set_list.points.get(point)
                if digest is not None:
                    documents[point] = self._held(digest, read.sets.issuer)
        events = {a.document_digest: self._held(a.document_digest, a.issuer) for a in read.events}
        held = [d.document for d in documents.values() if isinstance(d, Held)]
        status = self._status_sources([*held, *read.presented])
        texts = identifiers_in_play(line, held)
        subjects = {text: found for text in texts if (found := self.subject_of(text)) is not None}
        receipts = line.get("receipts")
        shown = line.get("documents")
        return Evidence(
            network=self.network_view(status),
            ledger=self.ledger_view(read.about) if read.about is not None else LedgerView(None),
            subjects=subjects,
            documents=documents,
            presented=tuple(shown) if isinstance(shown, list) else (),
            events=events,
            receipts=tuple(receipts) if isinstance(receipts, list) else (),
        )

    def _held(self, digest: bytes, issuer: str) -> Held | Missing:
        stored = self._office.documents.get(digest)
        if stored is not None:
            source = "" if stored.fetched_at is None else stored.issuer
            return Held(orjson.loads(stored.body), source, stored.fetched_at)
        # Asked long ago or never: for this verdict nobody answered.
        missing = self._misses.get(digest, 3600.0)
        return missing or Missing(MissingReason.UNREACHABLE, issuer)

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
        about = self.subject_of(battery) if isinstance(battery, str) else None
        shown = line.get("documents")
        presented = tuple(d for d in shown if isinstance(d, dict)) if isinstance(shown, list) else ()
        if about is None:
            return _Line(None, presented=presented)
        key = standing_key(about)
        standing = self._standing(key)
        sets: Attestation | None = None
        if standing is not None and standing.passport is not None:
            row = self._ledger.entry(standing.passport.leaf_index)
            sets = _attestation(row) if row is not None else None
        rows = [r for r in self._ledger.entries_of(key) if r.kind in self._document_kinds]
        events = tuple(a for r in rows if (a := _attestation(r)) is not None)
        return _Line(about, standing, sets, events, presented)

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
        self._fetch(wanted)
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
        self._fetch(lists, age_s_max=self._policy.status_list_age_s_max // 2)

    def _fetch(self, wanted: Mapping[str, set[bytes]], age_s_max: int | None = None) -> None:
        for issuer, digests in wanted.items():
            if issuer == self._did:
                continue
            needed = [digest for digest in digests if self._must_ask(digest, age_s_max)]
            while needed:
                part, needed = needed[:WANT_MAX], needed[WANT_MAX:]
                left_out = self._ask(issuer, part)
                if len(left_out) == len(part):
                    break
                needed += left_out

    def _must_ask(self, digest: bytes, age_s_max: int | None) -> bool:
        stored = self._office.documents.get(digest)
        if stored is not None:
            too_old = age_s_max is not None and stored.fetched_at is not None
            return too_old and time.time() - (stored.fetched_at or 0) > (age_s_max or 0)
        return self._misses.get(digest) is None

    def _ask(self, issuer: str, digests: Sequence[bytes]) -> list[bytes]:
        """One request; the digests that the answer left out."""
        now = int(time.time())
        body = orjson.dumps({"want": [b64u(digest) for digest in digests]})
        try:
            answer = parse_json(
                self._gossip.request(issuer, "documents", body, FETCH_TIMEOUT_S),
                size_bytes_max=2 * ANSWER_BYTES_MAX,
            )
            documents, missing = _answer_of(answer)
        except (
            OSError,
            ProblemError,
            CredentialError,
            ConsensusError,
        ):
            for digest in digests:
                self._misses.put(digest, Missing(MissingReason.UNREACHABLE, issuer, now))
            return []
        asked = set(digests)
        keep: list[StoredDocument] = []
        for document in documents:
            stored = _fetched(document, now)
            if stored is not None and stored.digest in asked:
                keep.append(stored)
                asked.discard(stored.digest)
        with self._office.writing() as db:
            self._office.documents.put(db, keep)
        for digest, reason in missing.items():
            if digest in asked:
                self._misses.put(digest, Missing(reason, issuer, now))
                asked.discard(digest)
        return [digest for digest in digests if digest in asked]

    # -- answering -----------------------------------------------------------------------------------

    def answer_peer(self, sender: str, body: bytes) -> bytes:
        """Documents of ours that `sender` has a right to."""
        try:
            wanted = parse_json(body)
            texts = wanted["want"] if isinstance(wanted, dict) else None
            if not isinstance(texts, list) or len(texts) > WANT_MAX:
                raise bad_request("malformed", f"want is a list of at most {WANT_MAX} digests")
            digests = [b64u_decode(text) for text in texts]
        except (CredentialError, KeyError, TypeError) as error:
            raise bad_request("malformed", "a request for documents is {want: [digest, ...]}") from error
        documents: dict[str, Any] = {}
        missing: dict[str, str] = {}
        size = 0
        for digest in digests:
            stored = self._office.documents.get(digest)
            if stored is None or stored.fetched_at is not None:
                missing[b64u(digest)] = MissingReason.NOT_FOUND.value
            elif not self.entitled(stored, self.audience_of_peer(sender, stored)):
                missing[b64u(digest)] = MissingReason.WITHHELD.value
            elif documents and size + len(stored.body) > ANSWER_BYTES_MAX:
                continue
            else:
                size += len(stored.body)
                documents[b64u(digest)] = orjson.Fragment(stored.body)
        return orjson.dumps({"documents": documents, "missing": missing})

    def entitled(self, stored: StoredDocument, audience: str) -> bool:
        """Whether this audience may see a document: sets by the access table, events by participants."""
        if stored.kind == "status_list":
            return True
        if stored.kind == "passport":
            return str(stored.point) in self.tables.access["audiences"].get(audience, [])
        return stored.kind == "set_list" or audience != PUBLIC

    def audience_of_peer(self, did: str, stored: StoredDocument) -> str:
        """The row of the access table that a participant falls under, for one document.

        An event's document is for every participant: they judge by it.
        """
        if stored.kind != "passport":
            return OWN_OPERATOR
        about = self.subject_of(stored.battery) if stored.battery else None
        standing = self._standing(standing_key(about)) if about is not None else None
        if standing is not None and did == standing.responsible:
            return OWN_OPERATOR
        participant = self._genesis.participants[did]
        rows = self.tables.access["audiences"]
        audiences = [
            role if role in rows else _AUDIENCE_BY_ROLE.get(role, PUBLIC) for role in participant.roles
        ]
        return max(audiences, key=lambda row: len(rows[row]), default=PUBLIC)


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


def _answer_of(answer: object) -> tuple[list[Any], dict[bytes, MissingReason]]:
    match answer:
        case {"documents": dict(documents), "missing": dict(missing)}:
            reasons = {b64u_decode(text): MissingReason(reason) for text, reason in missing.items()}
            return list(documents.values()), reasons
        case _:
            raise CredentialError("malformed", "the answer holds no documents")


def _fetched(document: object, now: int) -> StoredDocument | None:
    """A fetched document under the digest it really has; None if it is no document."""
    if not isinstance(document, dict):
        return None
    try:
        digest = digest_document(document)
    except CredentialError:
        return None
    issuer = document.get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
    credential_id = document.get("id")
    return StoredDocument(
        digest,
        "fetched",
        orjson.dumps(document),
        issuer if isinstance(issuer, str) else "",
        credential_id=credential_id if isinstance(credential_id, str) else None,
        fetched_at=now,
    )
