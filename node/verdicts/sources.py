"""Evidence for verdicts: what the own ledger says, and documents fetched from their issuers (evidence.py).

Fetching comes first and may take seconds; then ONE read transaction gathers everything a verdict rests on.
What was read to know what to fetch is not read again, as long as the ledger stands at the same height: then
it says the same. Documents are named by digests that are on the ledger, so it does not matter who hands them
over. The address asked comes from peers.toml, never from a document. What is held is kept with the time it
was fetched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import Identifier, Subject, read_identifier, subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.entries import AdmittedEntry
from credentials.ledger.governance import Derived, Governance, GovernanceHistory
from credentials.ledger.governance_records import RulesNotHere
from credentials.ledger.lifecycle import Event
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import (
    Evidence,
    Held,
    LedgerView,
    Missing,
    NetworkView,
    Tables,
    battery_text,
    identifiers_in_play,
    part_texts,
)
from credentials.verdicts.means import HeldProofs, OpenedList
from credentials.verdicts.names import FURTHER_CODES_MAX, OPAQUE
from credentials.verdicts.policy import Policy
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.disclosure import Giving
from node.verdicts.fetching import Fetching
from node.verdicts.further_codes import NOBODY, FurtherCodes, earlier_sets, kin_sets
from node.verdicts.lag import HeardPeers, Lag
from node.verdicts.ledger_views import kin_statements, newest_of, read_view
from node.verdicts.lists import ListsInForce

JSON = dict[str, Any]
NAMED_DEEP_MAX = FURTHER_CODES_MAX + 1  # each code may name one that only its own passports do
# Groups of events (verdicts.json) of whose documents a verdict reads members.
DOCUMENT_EVENTS = ("soh", "annexXiv", "presentation", "origin", "inVehicle", "partsOut")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the ledger says of one line's battery at one height, and which documents a verdict on it reads."""

    height: int
    view: LedgerView
    subjects: Mapping[str, Subject]  # of the battery, by the line's own text
    sets: Attestation | None = None  # the attestation that published the live passport
    # The public sets of those before it, and of further codes that are on record; where it may be seen, set 4
    # of these as well. With their issuers.
    earlier: list[tuple[bytes, str]] = field(default_factory=list)
    events: tuple[Attestation, ...] = ()  # those whose documents a verdict reads
    presented: tuple[Mapping[str, Any], ...] = ()
    # Of the further codes that its passport names: their records, and statements whose documents are read.
    aliases: dict[str, LedgerView] = field(default_factory=dict)
    declared: list[Attestation] = field(default_factory=list)
    named: dict[str, Subject] = field(default_factory=dict)  # of these, those that its documents name
    namers: list[str] = field(default_factory=list)  # what is named so by its own passports: in `aliases`
    parties: set[str] = field(default_factory=set)  # who has a right over it, under one of its codes
    # By which others became it, and it came out of a pack under a further code: their documents name these.
    kin: list[Attestation] = field(default_factory=list)
    seen: Sequence[int] = ()  # the points of Annex XIII that this party sees
    # The documents named by sets and events, once they were fetched for: read and parsed once.
    documents: dict[bytes, Held | Missing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What follows from one Governance for evidence, made once."""

    tables: Tables
    points: tuple[int, ...]  # the sets that the audience of this node's policy may see
    document_kinds: frozenset[str]  # events of whose documents a verdict reads members
    # Lists whose signatures were verified: remembered for as long as the same keys count.
    lists_opened: dict[bytes, OpenedList] = field(default_factory=dict)
    proofs_held: dict[bytes, HeldProofs] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Tables, policy: Policy) -> _Rules:
        points = tables.access["audiences"].get(policy.audience, [])
        events = tables.verdicts.get("events") or {}
        kinds = (kind for name in DOCUMENT_EVENTS for kind in _kinds(events.get(name)))
        return cls(
            tables,
            tuple(int(point) for point in points),
            frozenset([*kinds, *_kinds_with_members(tables.crosswalk_evidence)]),
        )


class Gathering:
    """Reads everything a verdict rests on, in one transaction."""

    def __init__(
        self,
        *,
        history: GovernanceHistory,
        created: int,
        did: str,
        network_key: bytes,
        ledger: LedgerStore,
        office: OfficeStore,
        gossip: HeardPeers,
        tables: Callable[[Governance], Tables],
        policy: Policy,
        view: Callable[..., NetworkView],  # with what is the same at every height
    ) -> None:
        self.history, self.did = history, did
        self._created = created  # what stands for the time of a block before the first
        self._network_key = network_key
        self._ledger = ledger
        self._office = office
        self._rules = Derived(lambda governance: _Rules.of(tables(governance), policy))
        self._policy = policy
        self._view = view
        self.also: Callable[[Attestation | None], Iterable[int]] = lambda live: ()  # seen (`handed.py`)
        self.lag = Lag(history, did, gossip)
        self.giving = Giving(history, lambda: self.tables.access, office, self.standing_of)
        self.fetching = Fetching(did, office, gossip)
        self._lists = ListsInForce(ledger, office)
        self._codes = FurtherCodes(
            self._identified, self.ledger_view, network_key, lambda: self.tables, office
        )

    @property
    def tables(self) -> Tables:
        """What verdicts read, by the rules at the height of the ledger."""
        return self._rules_at(self.history.height).tables

    def _rules_at(self, height: int) -> _Rules:
        return self._rules.of(self.history.at(height))

    # -- one verdict ---------------------------------------------------------------------------------

    def evidence(self, line: Mapping[str, Any]) -> Evidence:
        """Everything known about one manifest line (or `{"battery": ...}` of a scan), fetched for first."""
        (reading,) = self.fetch_for([line])
        return self.evidence_of(line, reading)

    def evidence_of(self, line: Mapping[str, Any], reading: Reading | None) -> Evidence:
        """What a verdict on this line rests on; asks nobody. `reading`: what `fetch_for` read for it."""
        (found,) = self.evidence_of_lines([(line, reading)])
        return found

    def evidence_of_lines(self, lines: Sequence[tuple[Mapping[str, Any], Reading | None]]) -> list[Evidence]:
        """The same of several lines, all of them at one height."""
        found = []
        with self._ledger.reading(), self._office.reading():
            network = self.network_view()
            for line, read in lines:
                if read is None or read.height != network.height:
                    self._hold([read := self._read(line, network.height)])
                found.append(self._evidence(line, read, network))
        return found

    def subject_of(self, text: str, issuer: str = NOBODY) -> Subject | None:
        """The subject of an identifier text; None if it is none (or an opaque URI without an issuer)."""
        identifier, _ = self._identified(text, issuer)
        return subject(identifier, self._network_key) if identifier is not None else None

    def key_of(self, text: str) -> bytes | None:
        """The key on the ledger of the battery with this identifier text."""
        return None if (about := self.subject_of(text)) is None else standing_key(about)

    def standing_of(self, text: str) -> Standing | None:
        """What the ledger knows of the battery with this identifier text."""
        key = self.key_of(text)
        record = None if key is None else self._ledger.standings.record(key)
        return None if record is None else Standing.decode(record)

    def _identified(self, text: str, issuer: str = NOBODY) -> tuple[Identifier | None, str]:
        """What a text of this issuer names, or None and why nobody can be asked for it, as a reason code."""
        try:
            identifier = read_identifier(text, self.tables.identifiers, namespace=issuer)
        except CredentialError as error:
            return None, error.code
        unnamed = identifier.scheme == OPAQUE and issuer == NOBODY
        return (None, "not_held") if unnamed else (identifier, "")

    def ledger_view(
        self, about: Subject, identifier: Identifier, newest: int | None = None, before: int | None = None
    ) -> LedgerView:
        """What the own ledger says about one battery; inside a read transaction.

        Its whole record, or the `newest` entries of it, `before` a leaf.
        """
        governance = self.history.at(self.history.height)
        return read_view(self._ledger, about, identifier, newest, before, governance=governance)

    def network_view(self) -> NetworkView:
        """What is the same for every battery at this height, without status lists; in a read transaction.

        Governance is that of the height the ledger is read at: the verdict names this height, and whoever
        asks again for it, however much later, must get the same answer.
        """
        tip = self._ledger.tip()
        height, block_time = (tip.height, tip.time) if tip else (0, self._created)
        governance, rules = self.history.at(height), self._rules_at(height)
        return self._view(
            height=height,
            block_time=block_time,
            governance=governance,
            recognitions=governance.recognitions,
            tables=rules.tables,
            lists_opened=rules.lists_opened,
            proofs_held=rules.proofs_held,
            lag_heights=self.lag.lag_heights(height),
            quorum_silence_s=self.lag.quorum_silence_s(),
        )

    def event_of(self, row: EntryRow) -> Event | None:
        """The event that an entry is about, by the rules it was admitted under."""
        return None if row.kind is None else self.history.at(row.height).lifecycle.event(row.kind)

    def reads_documents_of(self, kind: str | None) -> bool:
        """True if verdicts read the documents of such events, by the rules of now."""
        return kind in self._rules_at(self.history.height).document_kinds

    def side_of(self, row: EntryRow) -> str | None:
        """The jurisdiction of the participant that made a statement, as of its height."""
        author = self.history.at(row.height).participant(row.issuer) if row.issuer is not None else None
        return author.jurisdiction if author is not None else None

    def _evidence(self, line: Mapping[str, Any], reading: Reading, network: NetworkView) -> Evidence:
        documents: dict[int, Held | Missing] = {}
        if reading.sets is not None and reading.sets.set_list is not None:
            points = reading.sets.set_list.points
            documents = {p: reading.documents[points[p]] for p in reading.seen if p in points}
        held = [d.document for d in documents.values() if isinstance(d, Held)]
        kin = [reading.documents[a.document_digest] for a in reading.kin]
        in_play = identifiers_in_play(line, [*held, *(d.document for d in kin if isinstance(d, Held))])
        known = {**reading.named, **reading.subjects}
        subjects = {  # of further codes as well: dismantlings name what came out by them (credentials D867)
            text: found
            for text in (*in_play, *reading.aliases, *_parts_named(reading, self.history.at(reading.height)))
            if (found := known.get(text) or self.subject_of(text)) is not None
        }
        receipts, shown = line.get("receipts"), line.get("documents")
        read = [d.document for d in reading.documents.values() if isinstance(d, Held)]
        return Evidence(
            network=replace(network, status_lists=self._lists.sources([*read, *reading.presented], network)),
            ledger=reading.view,
            subjects=subjects,
            documents=documents,
            presented=tuple(shown) if isinstance(shown, list) else (),
            events={
                a.document_digest: reading.documents[a.document_digest]
                for a in (*reading.events, *reading.declared, *reading.kin)
            },
            receipts=tuple(receipts) if isinstance(receipts, list) else (),
            aliases=reading.aliases,
            namers=tuple(reading.namers),
            earlier={digest: reading.documents[digest] for digest, _ in reading.earlier},
        )

    def _read(self, line: Mapping[str, Any], height: int) -> Reading:
        """What the ledger says of the battery, and which documents a verdict about it reads."""
        battery = battery_text(line) or ""
        shown = line.get("documents")
        presented = tuple(d for d in shown if isinstance(d, dict)) if isinstance(shown, list) else ()
        identifier, why = self._identified(battery)
        if identifier is None:  # not "unknown to the network": nobody could be asked for it
            return Reading(height, LedgerView(None, unknown=why), {}, presented=presented)
        about = subject(identifier, self._network_key)
        view = self.ledger_view(about, identifier)
        admitted = {
            leaf.leaf_index: leaf.parsed.attestation
            for leaf in view.entries
            if isinstance(leaf.parsed, AdmittedEntry)
        }
        passport = view.standing.passport if view.standing is not None else None
        live = admitted.get(passport.leaf_index) if passport is not None else None
        rules = self._rules_at(height)
        return Reading(
            height,
            view,
            {battery: about},
            live,
            [*earlier_sets(admitted.values(), live, rules.points), *kin_sets(view)],
            newest_of([a for a in admitted.values() if a.kind in rules.document_kinds]),
            presented,
            kin=[*kin_statements(self._ledger, view)],
            seen=tuple(dict.fromkeys((*rules.points, *self.also(live)))),
        )

    # -- fetching ------------------------------------------------------------------------------------

    def fetch_for(
        self, lines: Sequence[Mapping[str, Any]], give_way: Callable[[], None] = lambda: None
    ) -> list[Reading]:
        """Ask issuers for the documents that verdicts on these lines will read and that are not held.

        `give_way` is called between lines. What was read meanwhile is returned, for `evidence_of`.
        """
        readings = []
        with self._ledger.reading():
            height = tip.height if (tip := self._ledger.tip()) else 0
            for line in lines:
                readings.append(self._read(line, height))
                give_way()
        self._fetch_named(readings, give_way)
        with self._ledger.reading(), self._office.reading():
            held = [d.document for r in readings for d in r.documents.values() if isinstance(d, Held)]
            at = tip.height if (tip := self._ledger.tip()) else 0
            lists = self._lists.newest([*held, *(shown for r in readings for shown in r.presented)], at)
            beside = [document for reading in readings for document in _beside_passports(reading)]
            unread = self._lists.unread(beside, self.history.at(at), at)
        self.fetching.fetch(lists, age_s_max=self._policy.status_list_age_s_max // 2)
        if unread:
            self.fetching.fetch(unread, once=True)
            self._lists.look_again()
        return readings

    def _fetch_named(self, readings: Sequence[Reading], give_way: Callable[[], None]) -> None:
        """Ask for what the readings name, and for what that names in turn.

        The passports of further codes name others, and the records of these declarations and dismantlings.
        """
        asked = list[list[tuple[bytes, str]]]()
        for _ in range(NAMED_DEEP_MAX + 1):
            named = [_named(reading) for reading in readings]
            if named == asked:
                break
            asked, wanted = named, defaultdict[str, set[bytes]](set)
            for digest, issuer in chain.from_iterable(named):
                wanted[issuer].add(digest)
            self.fetching.fetch(wanted)
            with self._ledger.reading(), self._office.reading():
                self._hold(readings, give_way)

    def _hold(self, readings: Sequence[Reading], give_way: Callable[[], None] = lambda: None) -> None:
        """Read the documents that are held, and why the others are not; inside a read transaction."""
        for reading in readings:
            for _ in range(NAMED_DEEP_MAX):
                reading.documents.update(self.fetching.held(_named(reading)))
                if not self._codes.read(reading, self.history.at(reading.height)):
                    break
            else:
                reading.documents.update(self.fetching.held(_named(reading)))
            give_way()


def _named(reading: Reading) -> list[tuple[bytes, str]]:
    """(digest, issuer) of the documents that a verdict reads, as far as this party may see them."""
    sets, points = reading.sets, dict[int, bytes]()
    if sets is not None and sets.set_list is not None:
        points = {p: sets.set_list.points[p] for p in reading.seen if p in sets.set_list.points}
    named = [(digest, sets.issuer) for digest in points.values()] if sets is not None else []
    events = (*reading.events, *reading.declared, *reading.kin)
    return [*named, *reading.earlier, *((event.document_digest, event.issuer) for event in events)]


def _parts_named(reading: Reading, governance: Governance) -> Iterator[str]:
    """The codes of parts in the documents of repairs, where recalls of such codes are in force."""
    views = (reading.view, *reading.aliases.values())
    if any(one.part_recalls for view in views for one in (view, *view.named_of_others)):
        for said in (*reading.events, *reading.declared, *reading.kin):
            held = reading.documents[said.document_digest]
            if isinstance(held, Held):
                yield from part_texts(held.document, governance.lifecycle)


def _beside_passports(reading: Reading) -> list[Mapping[str, Any]]:
    """The documents of events, and what is shown with a line, but for the passports on record.

    That a passport was revoked is on the ledger itself, whatever its list said once.
    """
    parsed = (leaf.parsed for leaf in reading.view.entries)
    stated = (entry.attestation for entry in parsed if isinstance(entry, AdmittedEntry))
    named = (
        reading.documents.get(a.document_digest) for a in (*reading.events, *reading.declared, *reading.kin)
    )
    sets = {digest for a in stated if a.set_list is not None for digest in a.set_list.points.values()}
    return [
        *(document for document in reading.presented if _digest_of(document) not in sets),
        *(found.document for found in named if isinstance(found, Held)),
    ]


def _digest_of(document: Mapping[str, Any]) -> bytes | None:
    try:
        return digest_document(dict(document))
    except CredentialError:
        return None


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


def unread_rules(gathering: Gathering) -> list[RulesNotHere]:
    """The rule files that govern and that this version cannot go by: no item is decided meanwhile."""
    digests = gathering.history.at(gathering.history.height).rule_digests
    unread = gathering.tables.unread
    return [
        RulesNotHere(name, digests[name], why, newer=True)
        for name, why in sorted(unread.items())
        if name in digests
    ]
