"""What rests on one record: looked at before anybody takes it back, or asks the others to (D709).

    the record -> whether the rules in force take it back, and who would
               -> what was recorded since: of that battery, of those that it names, of its vehicle
               -> the open lines of this node that are judged again with it

What was told of a time before it does not rest on it and is listed as such; nor does anything on a report
that moved nothing (credentials D975). Whether each of the others would stand without it is not checked:
nobody has said it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from credentials.documents.canonical import b64u
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.lifecycle import RESTS_ON_ALL_PACKS, Lifecycle
from credentials.ledger.records import Asset, asset_key
from credentials.ledger.standing import Standing
from node.errors import not_found
from node.oversight.counted_again import taken_back
from node.oversight.raising import RECORD_READ_MAX, admitted_of
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.declarations import OPEN_S
from node.verdicts.sources import Gathering

BATTERIES_MAX = 32  # beside its own: those that it names, and those in its vehicle
RECORDS_EACH, LINES_MAX = 8, 100  # of each of them; in all
TRADE = "trade"
FOLLOWS, BEFORE, NAMED, VEHICLE = "follows", "of_before", "battery_named", "same_vehicle"
STANDS = "stands"  # whatever becomes of a report that moved nothing


class ReliedLine(TypedDict):
    """An open line of this node that rests on what happened to a battery."""

    consignment: str
    line: int


class RestingRecord(TypedDict):
    """One record that came after; `relation` says why it is listed."""

    leaf_index: int
    height: int
    time: int
    kind: str
    issuer: str
    issuer_name: str | None
    relation: str  # follows | of_before | stands | battery_named | same_vehicle
    attestation_digest: str


class RestingAnswer(TypedDict):
    """What rests on a record, as of now; `way`: by whom the rules in force have it taken back."""

    record: RestingRecord
    battery: str | None  # None: its code is not known here
    way: str  # corrected | withdrawn | voided | followed | taken_back
    until: int | None  # of `corrected`: until when its author may
    records: list[RestingRecord]  # in the order of the log
    more: bool  # there are more than are listed
    lines: list[ReliedLine]
    height: int
    block_time: int


@dataclass(frozen=True, slots=True)
class _Since:
    """One record with what it says, and why it is listed."""

    row: EntryRow
    said: Attestation
    relation: str


class Resting:
    """Reads; any thread."""

    def __init__(self, office: OfficeStore, ledger: LedgerStore, gathering: Gathering) -> None:
        self._office, self._ledger, self._gathering = office, ledger, gathering

    def of(self, leaf: int, now: int) -> RestingAnswer:
        """What rests on the statement with this number; 404 for what is none about a battery."""
        with self._ledger.reading(), self._office.reading():
            row = self._ledger.leaves.at(leaf)
            found = admitted_of([row]) if row is not None and row.subject is not None else []
            if not found or row is None or row.subject is None:
                raise not_found("record_not_found", "No statement about goods has this number on the ledger.")
            (_, said), key = found[0], row.subject
            record = self._ledger.leaves.of(key, RECORD_READ_MAX)
            beside = self._beside(said, key)
            moved_nothing = said.kind in self._gathering.history.latest.lifecycle.reports
            follows = STANDS if moved_nothing else FOLLOWS
            since = [*_of_battery(said, leaf, record, follows), *self._of_others(said, leaf, beside)]
            since.sort(key=lambda one: one.row.leaf_index)
            network = self._gathering.network_view()
            times = self._ledger.block_times({row.height, *(one.row.height for one in since)})
            way, until = self._way(said, key, record, times.get(row.height, 0))
            lines = [one for about in (key, *beside) for one in self._lines(about, now)]
        return {
            "record": self._told(_Since(row, said, FOLLOWS), times),
            "battery": self._office.alerts.code_of(key),
            "way": way,
            "until": until,
            "records": [self._told(one, times) for one in since],
            "more": len(record) == RECORD_READ_MAX or len(beside) == BATTERIES_MAX,
            "lines": [ReliedLine(consignment=c, line=n) for c, n in dict.fromkeys(lines)][:LINES_MAX],
            "height": network.height,
            "block_time": network.block_time,
        }

    def _way(
        self, said: Attestation, key: bytes, record: Sequence[EntryRow], at: int
    ) -> tuple[str, int | None]:
        data = self._ledger.standings.record(key)
        governance = self._gathering.history.latest
        standing = Standing.decode(data) if data is not None else None
        gone = taken_back([one for _, one in admitted_of(record)], governance.lifecycle)
        way = _way_of(said, standing, governance.lifecycle, gone)
        until = at + governance.limits.correction_s_max if way == "corrected" else None
        return way, until

    def _beside(self, said: Attestation, key: bytes) -> list[bytes]:
        """The batteries that it names as having come of it, and those that are in its vehicle now."""
        event = self._gathering.history.latest.lifecycle.event(said.kind)
        named = [standing_key(one) for one in said.referenced_subjects]
        named = [] if event is not None and event.effects.creates else named  # it rests on these
        inside = [one.pack for one in self._asset(said).installed] if said.bound_asset is not None else []
        return [one for one in dict.fromkeys((*named, *inside)) if one != key][:BATTERIES_MAX]

    def _asset(self, said: Attestation) -> Asset:
        assert said.bound_asset is not None, "asked of what names a vehicle"
        key = asset_key(said.bound_asset)
        data = self._ledger.standings.record(key)
        return Asset.decode(data) if data is not None else Asset(said.bound_asset)

    def _of_others(self, said: Attestation, leaf: int, beside: Sequence[bytes]) -> Iterator[_Since]:
        named = {standing_key(one) for one in said.referenced_subjects}
        read = self._ledger.leaves.newest_of_each(beside, RECORDS_EACH, admitted=True) if beside else {}
        for key, rows in read.items():
            for row, other in admitted_of([one for one in rows if one.leaf_index > leaf]):
                if key in named:
                    yield _Since(row, other, NAMED)
                elif other.bound_asset == said.bound_asset and self._asks_all(other):
                    yield _Since(row, other, VEHICLE)

    def _asks_all(self, said: Attestation) -> bool:
        """True if it was said of the vehicle with every battery that is in it."""
        event = self._gathering.history.latest.lifecycle.event(said.kind)
        return event is not None and not RESTS_ON_ALL_PACKS.isdisjoint(event.guards)

    def _lines(self, key: bytes, now: int) -> list[tuple[str, int]]:
        return self._office.reached.about(key, now - OPEN_S, LINES_MAX)

    def _told(self, one: _Since, times: dict[int, int]) -> RestingRecord:
        party = self._gathering.history.latest.participant(one.said.issuer)
        return {
            "leaf_index": one.row.leaf_index,
            "height": one.row.height,
            "time": times.get(one.row.height, 0),
            "kind": one.said.kind,
            "issuer": one.said.issuer,
            "issuer_name": party.name if party is not None else None,
            "relation": one.relation,
            "attestation_digest": b64u(one.said.digest),
        }


def _of_battery(said: Attestation, leaf: int, record: Sequence[EntryRow], follows: str) -> Iterator[_Since]:
    """What was recorded of the battery since; of a time before, it does not rest on it."""
    for row, later in admitted_of([one for one in record if one.leaf_index > leaf]):
        yield _Since(row, later, BEFORE if later.event_time < said.event_time else follows)


def _way_of(said: Attestation, standing: Standing | None, lifecycle: Lifecycle, gone: set[bytes]) -> str:
    """By whom the rules in force have it taken back: the last record of a battery, a row, or what moved
    nothing."""
    if said.digest in gone:
        return "taken_back"
    for report in standing.past.reports if standing is not None and said.kind in lifecycle.reports else ():
        if report.attestation == said.digest:
            return "voided" if report.countersigned else "corrected"
    undo = standing.undo if standing is not None else None
    entered = standing.enrolled if standing is not None else None
    if entered is not None and entered.attestation == said.digest:
        return "voided"
    if undo is None or undo.taken_back:
        return "followed"
    event = lifecycle.event(said.kind)
    if undo.attestation == said.digest:
        alone = event is not None and not event.irreversible and not undo.countersigned
        return "corrected" if alone else "voided"
    is_row = undo.since == said.digest and event is not None and event.speaks == TRADE
    return "withdrawn" if is_row else "followed"
