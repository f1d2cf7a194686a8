"""From the leaves of the log to the alerts that they raise: the same at every node that has the same log.

Nothing is read but leaves up to the one that is looked at, and what governed at its height: what came later
changes no alert, so that a node which looks again, from any leaf on, raises the same ones by the same ids.
Who is told of an alert is another question (`alerting.py`): each node answers it for itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from consensus.encoding import Value, encode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.entries import (
    AdmittedEntry,
    ClaimEntry,
    Entry,
    EvidenceEntry,
    GovernanceEntry,
    RefusedEntry,
    parse_entry,
)
from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.governance_records import ACCREDITATION, PARTICIPANT, RECOGNITION, STOP
from credentials.ledger.parties import Accreditation, Participant, Pause
from credentials.ledger.recognition import ANY, Recognition
from node.oversight import counted_again, travels
from node.oversight.alert_kinds import (
    ADMITTED,
    BALANCE,
    CLAIM,
    EVIDENCE,
    GOVERNANCE,
    REFUSED,
    TRAVEL,
    AlertKind,
    alert_kinds,
    kind_of,
)
from node.oversight.balances import RULE, WEIGHED, out_of_balance
from node.oversight.counted_again import TAKEN_BACK, counted_before, counts_once, still_said
from node.oversight.tallying import licence_of
from node.oversight.travels import InHand, travel
from node.storage.alerts import AlertRow
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore

RECORD_READ_MAX = 256  # newest statements of a battery that say whose hands it went through
ID_TAG = "comity/alert/v1"
FOREVER = 1 << 62
Recorded = list[tuple[EntryRow, Attestation]]  # of one battery, in the order of the log


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """What one leaf raises. `sides`: jurisdictions that have a hand in it; `authors`: parties that have."""

    kind: AlertKind
    leaf: int
    height: int
    party: str
    rule: str = ""
    subject: Subject | None = None  # the battery
    maker: tuple[str, str] = ("", "")  # scheme and namespace of its code
    winner: int | None = None
    document: bytes | None = None  # digest of what was stated
    facility: str = ""  # the licence under which it was stated
    period: str = ""  # of a sum over time
    prefixes: tuple[str, ...] = ()  # beginnings of the codes that a recall covers
    sides: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    case: bytes | None = None

    @property
    def battery(self) -> bytes | None:
        """The key of its battery."""
        return None if self.subject is None else standing_key(self.subject)

    @property
    def id(self) -> bytes:
        """The same at every node, and again for what the kind does not tell apart."""
        told: dict[str, Value] = {
            "rule": self.rule,
            "battery": self.battery,
            "party": self.party,
            "maker": list(self.maker),
            "leaf": self.leaf,
            "case": self.case,
            "facility": self.facility,
            "period": self.period,
        }
        return sha256(encode([ID_TAG, self.kind.code, [told[name] for name in self.kind.per]])).digest()


@dataclass(frozen=True, slots=True)
class _Said:
    """What an entry is about, whatever its type."""

    party: str
    subject: Subject
    named: str  # the rule or the event that says which kind it is
    winner: int | None = None
    document: bytes | None = None
    prefixes: tuple[str, ...] = ()


class Raising:
    """Reads leaves; from any thread, inside a read transaction of the ledger."""

    def __init__(self, ledger: LedgerStore, history: GovernanceHistory) -> None:
        self._ledger = ledger
        self._history = history
        self._events = frozenset(e for k in alert_kinds() if k.leaf == ADMITTED for e in k.raised_by)

    def of(self, rows: Sequence[EntryRow]) -> list[RaisedAlert]:
        """What these leaves raise, in their order."""
        return [raised for row in rows for raised in self._of_row(row)]

    def _of_row(self, row: EntryRow) -> Iterator[RaisedAlert]:
        if row.type == ADMITTED and row.kind in WEIGHED:
            yield from self._of_balance(row)
        if row.type == ADMITTED and row.kind in travel().in_hand:
            yield from self._of_travel(row)
        if row.type in (ADMITTED, CLAIM) and (again := self._counted_again(row)) is not None:
            yield again
            return
        if row.type == ADMITTED and row.kind not in self._events:  # nearly all of them
            return
        if row.type == EVIDENCE:
            yield from self._of_fault(row, parse_entry(row.entry))
        elif row.type == GOVERNANCE:
            yield from self._of_decision(row, parse_entry(row.entry))
        elif row.type in (ADMITTED, CLAIM, REFUSED):
            said = _said(parse_entry(row.entry))
            kind = kind_of(row.type, (said.named,))
            if kind is not None:
                yield self._about_goods(row, kind, said)

    def _of_balance(self, row: EntryRow) -> Iterator[RaisedAlert]:
        """X13, by all that was recorded of this battery up to this leaf."""
        said, kind = _said(parse_entry(row.entry)), kind_of(BALANCE, ())
        left = self._left(row, self._read(standing_key(said.subject), row.leaf_index + 1))
        if kind is not None and out_of_balance(one for _, one in left):
            yield replace(self._about_goods(row, kind, said), rule=RULE)

    def about(self, row: EntryRow, kind: AlertKind) -> RaisedAlert:
        """An alert of this kind about what an admitted leaf says, whoever found it."""
        return self._about_goods(row, kind, _said(parse_entry(row.entry)))

    def _of_travel(self, row: EntryRow) -> Iterator[RaisedAlert]:
        """X12, by all hands that this battery was in up to this leaf."""
        said, kind = _said(parse_entry(row.entry)), kind_of(TRAVEL, ())
        held = self._in_hand(self._left(row, self._read(standing_key(said.subject), row.leaf_index + 1)))
        first = travel().first_before(held[-1], held[:-1]) if held else None
        if kind is not None and first is not None:
            yield replace(self._about_goods(row, kind, said), rule=travels.RULE, winner=first.leaf)

    def settled(self, rows: Sequence[EntryRow]) -> Iterator[tuple[int, str, bytes]]:
        """(leaf, code of a kind, battery): what these leaves took back, and nothing is wrong of since.

        Of a record that is too long to be read whole nobody can say that: what is wrong may lie before.
        """
        balance, journey = kind_of(BALANCE, ()), kind_of(TRAVEL, ())
        for row in rows:
            if row.type != ADMITTED or row.kind not in TAKEN_BACK or row.subject is None:
                continue
            read = self._read(row.subject, row.leaf_index + 1)
            if len(read) >= RECORD_READ_MAX:
                continue
            left = self._left(row, read)
            if balance is not None and not out_of_balance(one for _, one in left):
                yield row.leaf_index, balance.code, row.subject
            if journey is not None and travel().is_possible(self._in_hand(left)):
                yield row.leaf_index, journey.code, row.subject

    def _counted_again(self, row: EntryRow) -> RaisedAlert | None:
        """X4, where the second statement was no conflict: it was told late, or was only a claim.

        A claim of whoever had the battery, or was named for it: anybody else may claim of every battery.
        """
        kind, lifecycle = kind_of(REFUSED, (counted_again.RULE,)), self._history.at(row.height).lifecycle
        if kind is None or row.kind is None or counts_once(row.kind, lifecycle) is None:
            return None
        said = _said(parse_entry(row.entry))
        battery = standing_key(said.subject)
        if (
            row.type == CLAIM
            and said.party not in hands(self._ledger, self._history, battery, row.leaf_index)[0]
        ):
            return None
        recorded = admitted_of(self._read(battery, row.leaf_index))
        first = counted_before(row.kind, ((one.leaf_index, of) for one, of in recorded), lifecycle)
        if first is None:
            return None
        return replace(self._about_goods(row, kind, said), rule=counted_again.RULE, winner=first)

    def _in_hand(self, left: Recorded) -> list[InHand]:
        """Who had it in hand, by what is left of its record."""
        return [
            InHand(one.leaf_index, said.event_time, self._side_of(one, said))
            for one, said in left
            if said.kind in travel().in_hand
        ]

    def _side_of(self, row: EntryRow, said: Attestation) -> str:
        governance = self._history.at(row.height)
        return licence_of(governance, said.issuer, said.kind, said.subject, said.event_time)[0]

    def _read(self, battery: bytes, before: int) -> list[EntryRow]:
        """What is on record of a battery `before` a leaf, the newest of it."""
        return self._ledger.leaves.of(battery, RECORD_READ_MAX, before)

    def _left(self, at: EntryRow, read: Sequence[EntryRow]) -> Recorded:
        """What of it was admitted, and by the rules of a leaf taken back by nobody."""
        return still_said(admitted_of(read), self._history.at(at.height).lifecycle)

    def _about_goods(self, row: EntryRow, kind: AlertKind, said: _Said) -> RaisedAlert:
        authors, sides = hands(self._ledger, self._history, standing_key(said.subject), row.leaf_index + 1)
        governance = self._history.at(row.height)
        party = governance.participant(said.party)
        if party is not None:
            sides.add(party.jurisdiction)
        licence = governance.accredited(
            said.party,
            row.kind or "",
            said.subject.scheme,
            said.subject.namespace,
            self._time_of(row),
        )
        if licence is not None:
            sides.add(licence.jurisdiction)
        is_battery = said.subject.scheme in governance.lifecycle.battery_schemes
        return RaisedAlert(
            kind,
            row.leaf_index,
            row.height,
            said.party,
            rule=said.named if row.type == REFUSED else "",
            subject=said.subject if is_battery else None,
            maker=_maker(said.subject),
            winner=said.winner,
            document=said.document,
            prefixes=said.prefixes,
            facility=licence.licence if licence is not None else "",
            sides=frozenset(sides),
            authors=frozenset(authors | {said.party}),
        )

    def _time_of(self, row: EntryRow) -> int:
        return self._ledger.block_times([row.height]).get(row.height, 0)

    def _of_fault(self, row: EntryRow, entry: Entry) -> Iterator[RaisedAlert]:
        assert isinstance(entry, EvidenceEntry), "the type of the row says so"
        kind = kind_of(EVIDENCE, ())
        if kind is not None:
            accused = entry.evidence.validator
            party = self._history.at(row.height).participant(accused)
            sides = frozenset([party.jurisdiction] if party is not None else [])
            yield RaisedAlert(
                kind,
                row.leaf_index,
                row.height,
                accused,
                rule=entry.evidence.kind,
                sides=sides,
                authors=frozenset({accused}),
            )

    def _of_decision(self, row: EntryRow, entry: Entry) -> Iterator[RaisedAlert]:
        assert isinstance(entry, GovernanceEntry), "the type of the row says so"
        if not entry.in_force:
            return
        before, after = self._history.at(entry.in_force - 1), self._history.at(entry.in_force)
        found: dict[bytes, RaisedAlert] = {}
        for record, name, _, _ in entry.changed:
            for change, party, side in _changes(record, name, before, after, self._time_of(row)):
                kind, told = kind_of(GOVERNANCE, (change,)), after.participant(party)
                if kind is None:
                    continue
                sides = {side, told.jurisdiction if told is not None else side} - {""}
                raised = RaisedAlert(
                    kind,
                    row.leaf_index,
                    row.height,
                    party,
                    sides=frozenset(sides),
                    authors=frozenset({party}),
                )
                found.setdefault(raised.id, raised)
        yield from found.values()


def admitted_of(rows: Sequence[EntryRow]) -> Recorded:
    """The statements that were admitted, with their leaves."""
    entries = ((one, parse_entry(one.entry)) for one in rows)
    return [(one, entry.attestation) for one, entry in entries if isinstance(entry, AdmittedEntry)]


def hands(
    ledger: LedgerStore, history: GovernanceHistory, key: bytes, before: int | None = None
) -> tuple[set[str], set[str]]:
    """(who spoke about a battery or was named `before` a leaf, of which sides they are)."""
    authors, sides = set[str](), set[str]()
    for one in ledger.leaves.of(key, RECORD_READ_MAX, before):
        entry = parse_entry(one.entry)
        if not isinstance(entry, AdmittedEntry):
            continue
        governance = history.at(one.height)
        named = (governance.owner_of(name) for name in entry.attestation.parties)
        for did in {entry.attestation.issuer, *(name for name in named if name is not None)}:
            party = governance.participant(did)
            if party is not None:
                authors.add(did)
                sides.add(party.jurisdiction)
    return authors, sides


def _said(entry: Entry) -> _Said:
    match entry:
        case RefusedEntry(_, issuer, subject, rule, winner, _):
            return _Said(issuer, subject, rule, winner=winner)
        case AdmittedEntry(attestation) | ClaimEntry(attestation):
            prefixes = attestation.criteria.prefixes if attestation.criteria is not None else ()
            return _Said(
                attestation.issuer,
                attestation.subject,
                attestation.kind,
                document=attestation.document_digest,
                prefixes=prefixes,
            )
        case _:
            raise AssertionError("asked of entries about goods only")


def _maker(subject: Subject) -> tuple[str, str]:
    return subject.scheme, subject.namespace


# -- what a decision takes away --------------------------------------------------------------------------


def _changes(
    record: str, name: str, before: Governance, after: Governance, at: int
) -> Iterator[tuple[str, str, str]]:
    """(what changed, of whom, on which side beside that party's own) by one record of a decision."""
    if record == ACCREDITATION:
        old, new = _named(before.accreditations, name), _named(after.accreditations, name)
        if old is not None and _is_narrower(old, new, at):
            yield "licence_withdrawn", old.participant, old.jurisdiction
    elif record == RECOGNITION:
        given, left = _named(before.recognitions, name), _named(after.recognitions, name)
        if given is not None and _is_narrower(given, left, at):
            yield (
                "recognition_withdrawn",
                given.authority if given.issuer == ANY else given.issuer,
                (given.jurisdiction),
            )
    elif record == STOP:
        stop, known = after.stops.get(name), before.stops.get(name)
        if stop is not None and stop != known and not stop.lifted and stop.holds(max(at, stop.since)):
            yield "stopped", name.partition("#")[0], ""
    elif record == PARTICIPANT:
        yield from ((change, name, "") for change in _lost(before.participant(name), after.participant(name)))


def _lost(old: Participant | None, new: Participant | None) -> Iterator[str]:
    if old is None or new is None:
        return
    robbed = {key.id for key in old.keys if key.compromised_from is not None}
    if any(key.compromised_from is not None and key.id not in robbed for key in new.keys):
        yield "key_stolen"
    if new.left is not None and old.left is None:
        yield "left"


def _named(rows: Sequence[Any], name: str) -> Any:
    return next((one for one in rows if one.id == name), None)


def _is_narrower(old: Accreditation | Recognition, new: Accreditation | Recognition | None, at: int) -> bool:
    """True if it ends sooner than it did, or is suspended when it was not."""
    if old.valid_until is not None and old.valid_until <= at:
        return False
    if new is None or (new.valid_until or FOREVER) < (old.valid_until or FOREVER):
        return True
    return any(not any(_within(pause, known) for known in old.suspended) for pause in new.suspended)


def _within(pause: Pause, known: Pause) -> bool:
    return known[0] <= pause[0] and (pause[1] or FOREVER) <= (known[1] or FOREVER)


def parameters_of(raised: RaisedAlert) -> Mapping[str, object]:
    """What its sentence says beside who did it."""
    told: dict[str, object] = {"rule": raised.rule, "winner": raised.winner, "maker": raised.maker[1]}
    return {name: value for name, value in told.items() if value not in ("", None)}


def code_of(office: OfficeStore, raised: RaisedAlert) -> str | None:
    """The code of its battery, if a line or a statement of this node names it."""
    return None if raised.battery is None else office.alerts.code_of(raised.battery)


def row_of(
    raised: RaisedAlert,
    battery: str | None,
    at: int,
    because: Sequence[str],
    *,
    relied: Sequence[Sequence[object]] = (),
    more: Mapping[str, object] | None = None,
) -> AlertRow:
    """The alert as it is stored: `battery` its code, where known; `more`: what its sentence says too."""
    told = {**parameters_of(raised), **(more or {})}
    return AlertRow(
        number=0,
        id=raised.id,
        seq=0,
        code=raised.kind.code,
        weight=raised.kind.weight,
        rule=raised.rule,
        party=raised.party,
        namespace=":".join(raised.maker) if raised.maker[0] else "",
        facility=raised.facility,
        subject=raised.battery,
        battery=battery,
        document=raised.document,
        sides=",".join(sorted(raised.sides)),
        because=",".join(because),
        parameters=json.dumps(told, ensure_ascii=False, sort_keys=True),
        relied=json.dumps(relied),
        leaf=raised.leaf,
        last_leaf=raised.leaf,
        height=raised.height,
        at=at,
        times=1,
    )
