"""What became of proposals, found by party, kind of record and height: an index in memory over the log.

A question reads the decisions that are new since the last one, then the page it shows: as many statements
however long the history is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

from consensus.encoding import INTEGER_MAX
from credentials.documents.canonical import b64u
from credentials.ledger.entries import GovernanceEntry, parse_entry
from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.governance_records import ACCREDITATION, PARTICIPANT, RECOGNITION, STOP
from credentials.ledger.governance_state import PROPOSED
from credentials.ledger.recognition import ANY
from node.governance_answers import HistoryRecord
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.use_cases.governance_shown import name_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions: before a leaf, of a party (who proposed it, or whom it concerns), a type, heights."""

    before: int | None = None
    party: str | None = None
    kind: str | None = None
    height_min: int = 0
    height_max: int = INTEGER_MAX


@dataclass(frozen=True, slots=True)
class _Decided:
    """What a decision is found by."""

    leaf: int
    height: int
    by: str
    parties: frozenset[str]
    kinds: frozenset[str]


class Decisions:
    """Finds decisions; it only grows, as the log does."""

    def __init__(
        self, history: GovernanceHistory, ledger: LedgerStore, future: Callable[[], Governance]
    ) -> None:
        """`future`: what governs once all that is decided does."""
        self._history = history
        self._ledger = ledger
        self._future = future
        self._known: list[_Decided] = []  # in the order of the log
        self._of_party: dict[str, list[_Decided]] = {}
        self._of_kind: dict[str, list[_Decided]] = {}
        self._lock = Lock()

    def page(self, limit: int, wanted: Wanted) -> list[HistoryRecord]:
        """The newest first, so many at most."""
        with self._lock:
            self._learn()
            found = self._found(limit, wanted)
        rows = self._ledger.leaves.at_each([one.leaf for one in found])
        times = self._ledger.block_times(one.height for one in found)
        return [self._told(one, rows[one.leaf], times.get(one.height)) for one in found]

    def _found(self, limit: int, wanted: Wanted) -> list[_Decided]:
        among: Sequence[_Decided] = self._known
        if wanted.party is not None:
            among = self._of_party.get(wanted.party, [])
        if wanted.kind is not None:
            of_kind = self._of_kind.get(wanted.kind, [])
            among = of_kind if len(of_kind) < len(among) else among
        end = bisect_left(among, wanted.height_max + 1, key=lambda one: one.height)
        if wanted.before is not None:
            end = min(end, bisect_left(among, wanted.before, key=lambda one: one.leaf))
        found: list[_Decided] = []
        for number in range(end - 1, -1, -1):
            one = among[number]
            if len(found) == limit or one.height < wanted.height_min:
                break
            if wanted.party in (None, *one.parties) and wanted.kind in (None, *one.kinds):
                found.append(one)
        return found

    def _learn(self) -> None:
        """Take over what was decided since the last look."""
        leaves = self._ledger.leaves
        new = leaves.decisions(self._known[-1].leaf + 1 if self._known else 0)
        # One that the history does not have yet is learnt with the next look.
        entries = [(row, _entry(row)) for row in new if row.height <= self._history.height]
        proposers = leaves.authors([entry.proposal for _, entry in entries], PROPOSED) if entries else {}
        for row, entry in entries:
            by = proposers.get(entry.proposal, "")
            concerned = self._concerned(row, entry)
            kinds = frozenset(kind for kind, *_ in entry.changed)
            one = _Decided(row.leaf_index, row.height, by, frozenset({by, *concerned}), kinds)
            self._known.append(one)
            for party in one.parties:
                self._of_party.setdefault(party, []).append(one)
            for kind in one.kinds:
                self._of_kind.setdefault(kind, []).append(one)

    def _concerned(self, row: EntryRow, entry: GovernanceEntry) -> set[str]:
        start = entry.in_force or row.height
        governance = self._history.at(start) if start <= self._history.height + 1 else self._future()
        return _parties(governance, [(kind, name) for kind, name, _, _ in entry.changed])

    def _told(self, one: _Decided, row: EntryRow, time: int | None) -> HistoryRecord:
        entry = _entry(row)
        return {
            "leaf_index": one.leaf,
            "height": one.height,
            "time": time,
            "proposal": b64u(entry.proposal),
            "by": one.by,
            "by_name": name_of(self._history.at(one.height), one.by),
            "outcome": entry.outcome,
            "reason": entry.reason,
            "in_force": entry.in_force or None,
            "changed": [
                {"type": kind, "name": name, "before": None if old is None else b64u(old), "after": b64u(new)}
                for kind, name, old, new in entry.changed
            ],
        }


def _entry(row: EntryRow) -> GovernanceEntry:
    entry = parse_entry(row.entry)
    assert isinstance(entry, GovernanceEntry), "its row says so"
    return entry


def _parties(governance: Governance, records: Iterable[tuple[str, str]]) -> set[str]:
    """Whom records are about: who takes part, holds a licence, recognises or is recognised, is stopped."""
    found = set[str]()
    for kind, name in records:
        if kind in (PARTICIPANT, STOP):
            found.add(name.partition("#")[0])
        elif kind == ACCREDITATION:
            found |= {one.participant for one in governance.accreditations if one.id == name}
        elif kind == RECOGNITION:
            given = [one for one in governance.recognitions if one.id == name]
            found |= {did for one in given for did in (one.authority, one.issuer) if did != ANY}
    return found
