"""What a change of what governs would do to the open lines of this node: judged before it is signed.

Each line that rests on the words of whom the change concerns is judged twice, by what is decided so far and
by what would be, with the documents that are held: nobody is asked, nothing is stored. A time of the change
that is to come within an hour is taken as come, as a proposal is decided a little later than it is tried.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import (
    ACCREDITATION,
    APP_VERSION,
    PARTICIPANT,
    RECOGNITION,
    RULE,
    STOP,
    RecordId,
)
from credentials.ledger.recognition import ANY
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.evidence import Evidence, Tables
from credentials.verdicts.manifest import Line
from credentials.verdicts.policy import Policy
from credentials.verdicts.verdict_record import ItemRecord
from node.storage.office import OfficeStore
from node.storage.reached import OpenVerdict
from node.verdicts.declarations import OPEN_S, Declarations
from node.verdicts.manifests import ReadManifest, Together, read_manifest
from node.verdicts.sources import Gathering

LINES_TRIED_MAX = 50
TRIED_S_MAX = 4.0  # whoever waits for a page is answered by then, with what was tried
SOON_S = 3_600
KEPT_MAX, KEPT_S = 16, 10  # effects that were foretold, and for how long
TIMES = ("valid_from", "valid_until", "since", "until", "compromised_from", "left")


@dataclass(frozen=True, slots=True)
class TriedChange:
    """What governs as it is decided so far, and as it would be."""

    name: bytes  # of its effect
    before: Governance
    after: Governance
    records: tuple[tuple[RecordId, Mapping[str, Any]], ...]  # that it changes, as they would be


@dataclass(frozen=True, slots=True)
class TriedLine:
    """One line under both."""

    line: OpenVerdict
    battery: str
    before: ItemRecord
    after: ItemRecord

    @property
    def changes(self) -> bool:
        return _word(self.before) != _word(self.after)


@dataclass(frozen=True, slots=True)
class Foretold:
    """What a change would do here."""

    parties: tuple[str, ...] | None  # whose words count otherwise; None: everybody's
    lines: int  # open lines that rest on them
    consignments: int
    tried: tuple[TriedLine, ...]  # so many of them were judged
    at: int  # as of this time
    later: int | None  # something of the change begins or ends only then: that is not shown


class Foretelling:
    """Judges open lines by what would govern; one change at a time, whoever asks."""

    def __init__(
        self,
        gathering: Gathering,
        office: OfficeStore,
        *,
        policy: Policy,
        declarations: Declarations,
        tables: Callable[[Governance], Tables],
    ) -> None:
        self._gathering = gathering
        self._tables = tables
        self._office = office
        self._policy = policy
        self._declarations = declarations
        self._kept: OrderedDict[tuple[bytes, int, int, int], Foretold] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, change: TriedChange) -> Foretold:
        """What it would do, as things stand; the same answer for ten seconds."""
        now = int(time.time())
        parties = parties_concerned(change.after, [record for record, _ in change.records])
        with self._lock:
            counts = (0, 0)
            if parties != set():
                counts = self._office.reached.count(parties, now - OPEN_S)
            key = (change.name, self._gathering.history.height, counts[0], now // KEPT_S)
            if key not in self._kept:
                self._kept[key] = self._foretold(change, parties, counts, now)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
            return self._kept[key]

    def _foretold(
        self, change: TriedChange, parties: set[str] | None, counts: tuple[int, int], now: int
    ) -> Foretold:
        moments = sorted(set(_moments(change)))
        at = max([now, *(moment for moment in moments if moment <= now + SOON_S)])
        later = next((moment for moment in moments if moment > at), None)
        tried: list[TriedLine] = []
        if counts[0]:
            until = time.monotonic() + TRIED_S_MAX
            for one in self._tried(change, parties, now - OPEN_S, at):
                tried.append(one)
                if time.monotonic() > until:
                    break
        named = None if parties is None else tuple(sorted(parties))
        return Foretold(named, *counts, tuple(tried), at, later)

    def _tried(
        self, change: TriedChange, parties: set[str] | None, since: int, at: int
    ) -> Iterator[TriedLine]:
        read: ReadManifest | None = None
        for one in self._office.reached.open_lines(parties, since, LINES_TRIED_MAX):
            if read is None or read.id != one.consignment:
                read = read_manifest(self._office, one.consignment, self._gathering.key_of)
            line, raw = read.lines.pair(one.line)
            evidence = self._gathering.evidence_of(raw, None)
            evidence = self._declarations.beside(line.battery, evidence, one.declaration, read.id)
            before, after = (
                self._judged(line, self._under(evidence, governance), one.law_date, at, read.together)
                for governance in (change.before, change.after)
            )
            yield TriedLine(one, line.battery, before, after)

    def _under(self, evidence: Evidence, governance: Governance) -> Evidence:
        """The same evidence, as it would be by other records and rules: the documents are those of now."""
        now = evidence.network
        same = now.governance is not None and now.governance.rule_digests == governance.rule_digests
        network = replace(
            now,
            governance=governance,
            recognitions=governance.recognitions,
            tables=now.tables if same else self._tables(governance),
            lists_opened={},  # by other keys, maybe
        )
        return replace(evidence, network=network)

    def _judged(
        self, line: Line, evidence: Evidence, law_date: str, at: int, together: Together
    ) -> ItemRecord:
        context = together.by(evidence.network.tables.identifiers)
        return clear_item(line, evidence, self._policy, law_date, at, context).as_dict()


def parties_concerned(governance: Governance, records: Sequence[RecordId]) -> set[str] | None:
    """Whose words count otherwise once these records are as `governance` has them; None for everybody's."""
    licences = {licence.id: licence.participant for licence in governance.accreditations}
    recognitions = {recognition.id: recognition for recognition in governance.recognitions}
    parties = set[str]()
    for kind, name in records:
        if kind in (RULE, APP_VERSION):
            return None
        if kind == PARTICIPANT and name in governance.robbed:
            return None  # what it said of others' origins and of recalls is in no line's rests (D806)
        if kind in (PARTICIPANT, STOP):
            parties.add(name.partition("#")[0])
        elif kind in (ACCREDITATION, RECOGNITION) and name not in licences.keys() | recognitions.keys():
            return None  # not there yet: whose it will be is not known
        elif kind == ACCREDITATION:
            parties.add(licences[name])
        elif kind == RECOGNITION:
            given = recognitions[name]
            if (given.issuer, given.issuer_class, given.issuer_jurisdiction) == (ANY, ANY, ANY):
                return None
            parties |= {
                did
                for did, party in governance.participants.items()
                if given.issuer in (did, ANY)
                and (given.issuer_class == ANY or given.issuer_class in party.roles)
                and given.issuer_jurisdiction in (party.jurisdiction, ANY)
            }
    return parties


def _moments(change: TriedChange) -> Iterator[int]:
    for _, table in change.records:
        yield from _times(table)


def _times(table: Mapping[str, Any]) -> Iterator[int]:
    """The times at which a record begins or ends to hold; those of its decision are texts, and come soon."""
    for name, value in table.items():
        if name in TIMES and type(value) is int:
            yield value
        elif name == "suspended":
            yield from (moment for pause in value for moment in pause if type(moment) is int)
        elif name == "keys":
            for key in value:
                yield from _times(key)


def _word(verdict: ItemRecord) -> tuple[str, str]:
    return verdict["verdict"], verdict["reason"]
