"""What became of this node's own part in the network, since when, by whose decision: conditions of /readyz.

Gone, stopped, about to be removed: told as long as it holds. Retired from voting or called to it, moved,
renamed: told for a week. Each names the height from which it is so and the proposal that decided it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from credentials.documents.canonical import b64u
from credentials.ledger.entries import GovernanceEntry, parse_entry
from credentials.ledger.governance import VALIDATORS_AHEAD, Governance, GovernanceHistory
from credentials.ledger.governance_records import PARTICIPANT, STOP, VALIDATORS, RecordId
from credentials.ledger.governance_state import PROPOSED, GovernanceState
from credentials.ledger.parties import Participant
from node.issuing.statements import stamp
from node.storage.ledger import LedgerStore
from node.supervision.readiness import Condition, Parameter
from node.use_cases.governance_shown import name_of

NOTICE_S = 7 * 86_400
LEFT, LEAVING = "own_left", "own_removal_proposed"
VOTE_BEGAN, VOTE_ENDED = "own_vote_began", "own_vote_ended"
MOVED, RENAMED = "own_address_changed", "own_name_changed"


@dataclass(frozen=True, slots=True)
class _Change:
    """From this height on the own part is otherwise."""

    code: str
    start: int
    record: RecordId
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


class OwnPart:
    """Compares what governs with what governed before, for one participant."""

    def __init__(
        self,
        did: str,
        history: GovernanceHistory,
        ledger: LedgerStore,
        state: Callable[[], GovernanceState],
        now: Callable[[], int],
    ) -> None:
        self._did = did
        self._history = history
        self._ledger = ledger
        self._state = state
        self._now = now
        self._known: tuple[Governance, Sequence[_Change]] | None = None
        self._decided: dict[tuple[int, RecordId], tuple[int, Mapping[str, Parameter]]] = {}

    def takes_part(self) -> bool:
        """False once this participant left."""
        party = self._history.latest.participant(self._did)
        return party is None or party.takes_part(self._now())

    def conditions(self) -> Iterator[Condition]:
        """What holds now."""
        now = self._now()
        for change in self._changes():
            decided_at, told = self._decision(change)
            if change.code == LEFT or change.record[0] == STOP:
                if (since := self._holds_since(change, now)) is not None:
                    yield Condition(change.code, stops=False, parameters=told, since=since)
            elif now < decided_at + NOTICE_S:
                yield Condition(change.code, stops=False, parameters=told, since=decided_at)
        yield from self._removals()

    def _holds_since(self, change: _Change, now: int) -> int | None:
        if change.code == LEFT:
            party = self._history.latest.participant(self._did)
            return None if party is None or party.takes_part(now) else party.left
        stop = self._history.latest.stopped(change.record[1], now)
        return None if stop is None else stop.since

    def _removals(self) -> Iterator[Condition]:
        """Open proposals of others about the own record: those that it can object to."""
        governance = self._history.latest
        for digest, tabled in sorted(self._state().tabled.items()):
            if (PARTICIPANT, self._did) in tabled.proposal.records and tabled.by != self._did:
                told: Mapping[str, Parameter] = {
                    "decision": b64u(digest),
                    "by": name_of(governance, tabled.by),
                    "until": stamp(tabled.proposal.expires),
                }
                yield Condition(LEAVING, stops=False, parameters=told, since=tabled.since)

    def _changes(self) -> Sequence[_Change]:
        """The last one of each sort; looked for again once something else governs."""
        latest = self._history.latest
        if self._known is None or self._known[0] is not latest:
            self._known = latest, tuple(self._look())
        return self._known[1]

    def _look(self) -> Iterator[_Change]:
        found: dict[tuple[str, RecordId], _Change] = {}
        governed = [epoch for epoch in self._history.epochs if epoch[0] <= self._history.height + 1]
        for (_, before), (start, after) in pairwise(governed):
            for change in _differing(self._did, before, after, start):
                # A stop that was confirmed is no longer one that ends by itself.
                sort = STOP if change.record[0] == STOP else change.code
                found[sort, change.record] = change
        votes = self._history.latest.votes(self._did)
        found.pop((VOTE_ENDED if votes else VOTE_BEGAN, (VALIDATORS, "")), None)
        yield from found.values()

    def _decision(self, change: _Change) -> tuple[int, Mapping[str, Parameter]]:
        """When it was decided, and what is told of it."""
        key = change.start, change.record
        if key not in self._decided:
            self._decided[key] = self._decided_by(change)
        at, told = self._decided[key]
        return at, {**change.parameters, "height": change.start, **told}

    def _decided_by(self, change: _Change) -> tuple[int, Mapping[str, Parameter]]:
        leaves, governance = self._ledger.leaves, self._history.at(change.start)
        before = leaves.of_block(max(0, change.start - VALIDATORS_AHEAD - 1))
        for row in leaves.decisions(0 if before is None else before.leaf_index + 1):
            entry = parse_entry(row.entry)
            assert isinstance(entry, GovernanceEntry), "its row says so"
            if entry.in_force == change.start and change.record in {(k, n) for k, n, _, _ in entry.changed}:
                by = leaves.authors([entry.proposal], PROPOSED).get(entry.proposal, "")
                told = {"decision": b64u(entry.proposal), "by": name_of(governance, by)}
                return self._ledger.block_times([row.height])[row.height], told
        raise AssertionError("what governs was decided, and the log says by what")


def _differing(did: str, before: Governance, after: Governance, start: int) -> Iterator[_Change]:
    old, new = before.participant(did), after.participant(did)
    if old is None or new is None:
        return
    own = PARTICIPANT, did
    if new.left is not None and old.left is None:
        yield _Change(LEFT, start, own)
    if new.name != old.name:
        yield _Change(RENAMED, start, own, {"name": new.name, "before": old.name})
    if new.address != old.address:
        yield _Change(MOVED, start, own, {"address": new.address or "-"})
    if before.votes(did) != after.votes(did):
        yield _Change(VOTE_BEGAN if after.votes(did) else VOTE_ENDED, start, (VALIDATORS, ""))
    yield from _stops(new, before, after, start)


def _stops(party: Participant, before: Governance, after: Governance, start: int) -> Iterator[_Change]:
    for target in (party.did, *(key.id for key in party.keys)):
        stop = after.stops.get(target)
        if stop is not None and stop != before.stops.get(target):
            of_key = ("own_key_stopped", "own_key_stopped_confirmed")
            lapsing, confirmed = ("own_stopped", "own_stopped_confirmed") if target == party.did else of_key
            until = {} if stop.until is None else {"until": stamp(stop.until)}
            told: Mapping[str, Parameter] = {"target": target, **until}
            yield _Change(lapsing if until else confirmed, start, (STOP, target), told)
