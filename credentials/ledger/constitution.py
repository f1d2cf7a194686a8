"""What governs, on one node: where it stands, the map under its root, the rule files that the node holds.

The rows that a node keeps say all of it: at which height a record was decided on, and from which height it
governs. `restored` makes of them what the node had before it was stopped; so does whoever takes them over
from a peer and checks them against the roots in the log (`Replay`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from consensus.standings_map import StandingsMap
from credentials.ledger.engine_terms import FOUNDED, EngineTerm
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.governance_records import (
    PROPOSAL,
    RecordId,
    Records,
    RuleFiles,
    governance_with,
    record_key,
    records_of,
)
from credentials.ledger.governance_state import GovernanceState, Resolution
from credentials.ledger.proposals import OPEN, Tabled
from credentials.ledger.soundness import governance_invalid


class GovernanceRow(NamedTuple):
    """A record as it was decided on."""

    decided: int  # height
    governs_from: int  # height
    type: str
    name: str
    record: bytes


@dataclass
class Constitution:
    """Moved on by the registry, block by block."""

    state: GovernanceState
    records: StandingsMap
    rule_files: RuleFiles
    history: GovernanceHistory
    _wanted: tuple[GovernanceState | None, int | None] = field(default=(None, None), repr=False)

    @classmethod
    def founded(cls, genesis: Genesis, history: GovernanceHistory | None = None) -> Constitution:
        """Before the first block."""
        records = governance_map(records_of(genesis.governance))
        state = GovernanceState.founded(genesis.governance)
        return cls(state, records, genesis.rule_files.get, history or genesis.history())

    @classmethod
    def restored(
        cls, genesis: Genesis, rows: Iterable[GovernanceRow], height: int, rule_files: RuleFiles
    ) -> Constitution:
        """After the block of `height`, from the rows that were decided on until then."""
        replay = Replay(genesis, rows, rule_files)
        for block in range_of(replay.heights, height):
            replay.advance(block)
        return replay.constitution(height)

    def next_block_at(self, at: int, height: int) -> int | None:
        """When the block of `height` is wanted, be it empty; computed once for each state and time."""
        state, wanted = self._wanted
        if state is not self.state or (wanted is not None and wanted <= at):
            wanted = self.state.next_block_at(at, height)
            self._wanted = self.state, wanted
        return wanted

    def adopt(self, resolution: Resolution, height: int) -> None:
        """The block of `height` is stored: what it decided governs from the next one on."""
        self.records.apply(resolution.under_root)
        before, self.state = self.state, resolution.state
        if self.state.next is not before.next:
            self.history.enact(height + 1, self.state.next)


def governance_map(records: Records) -> StandingsMap:
    """The map under the governance root, of these records."""
    return StandingsMap((record_key(record_id), data) for record_id, data in records.items())


def records_under_root(first: Governance, rows: Iterable[GovernanceRow], height: int) -> Records:
    """Every record under the governance root of a height; `first` is the governance of genesis."""
    held = records_of(first)
    for row in sorted(rows, key=lambda row: row.decided):
        if row.decided <= height and (row.type == PROPOSAL or row.governs_from <= height + 1):
            held[row.type, row.name] = row.record
    return held


def range_of(heights: Iterable[int], last: int) -> list[int]:
    """The heights at which something happens, until `last`."""
    return sorted(h for h in set(heights) if h <= last)


class Replay:
    """The rows applied height by height, as the registry applied them."""

    def __init__(self, genesis: Genesis, rows: Iterable[GovernanceRow], rule_files: RuleFiles) -> None:
        self._genesis, self._rule_files = genesis, rule_files
        self._decided: dict[int, list[GovernanceRow]] = {}
        for row in rows:
            self._decided.setdefault(row.decided, []).append(row)
        self.records = governance_map(records_of(genesis.governance))
        self._next = self._future = genesis.governance
        self._scheduled: dict[RecordId, bytes] = {}
        self._tabled: dict[bytes, Tabled] = {}
        self._over: dict[bytes, tuple[str, str]] = {}
        self._epochs: list[tuple[int, Governance]] = [(0, genesis.governance)]
        self._began = 0  # the last height after which something else governed

    @property
    def heights(self) -> set[int]:
        """At which something is decided or begins to be under the root."""
        return {h + ahead for h in self._decided for ahead in (0, 1)}

    def decided_at(self, height: int) -> list[GovernanceRow]:
        """The rows of one block."""
        return self._decided.get(height, [])

    @property
    def governing(self) -> Governance:
        """What governs the block after the last one that was applied."""
        return self._next

    @property
    def coming(self) -> Governance:
        """What governs the block after that, as far as it is decided: who votes on it stands."""
        return self._future

    def term(self, height: int) -> EngineTerm:
        """The engine of a height up to that which `coming` governs."""
        terms = (g.engine for g in (self._future, *(known for _, known in reversed(self._epochs))))
        return next((term or FOUNDED for term in terms if term is None or term.first <= height), FOUNDED)

    def advance(self, height: int) -> None:
        """The block of `height`, as `Sitting.close` resolves it.

        Raises CredentialError("governance_invalid", ...) where rows say what no decision comes to. Who votes
        on the next block is known since the one before: who decides it signs what this one decided.
        """
        rows = self.decided_at(height)
        soon, later, proposals = _parted(rows, height)
        for data in proposals.values():
            self._table(data)
        governing = {**self._scheduled, **soon, **proposals}
        if self._scheduled or soon:
            self._began = height
        self.records.apply({record_key(record_id): data for record_id, data in governing.items()})
        self._next = governance_with(self._future, soon, self._rule_files)
        if self._next.validators != self._future.validators:
            raise governance_invalid(
                f"who votes is decided two blocks ahead, and block {height} changed it for the next one"
            )
        self._future = governance_with(self._next, later, self._rule_files)
        self._scheduled = later
        if self._next is not self._epochs[-1][1]:
            self._epochs.append((height + 1, self._next))

    def _table(self, data: bytes) -> None:
        tabled = Tabled.decode(data)
        digest = tabled.proposal.digest
        if tabled.outcome == OPEN:
            self._tabled[digest] = tabled
        else:
            self._tabled.pop(digest, None)
            self._over[digest] = tabled.outcome, tabled.reason

    def constitution(self, height: int) -> Constitution:
        """What it comes to after the block of `height`."""
        began = self._began == height > 0
        state = GovernanceState(self._next, self._future, self._tabled, self._over, self._scheduled, began)
        history = GovernanceHistory(self._epochs, height)
        return Constitution(state, self.records, self._rule_files, history)


def _parted(
    rows: Iterable[GovernanceRow], height: int
) -> tuple[dict[RecordId, bytes], dict[RecordId, bytes], Mapping[RecordId, bytes]]:
    """What governs the next block, what the one after it, and the proposals."""
    soon: dict[RecordId, bytes] = {}
    later: dict[RecordId, bytes] = {}
    proposals: dict[RecordId, bytes] = {}
    for row in rows:
        record_id = row.type, row.name
        if row.type == PROPOSAL:
            proposals[record_id] = row.record
        elif row.governs_from == height + 1:
            soon[record_id] = row.record
        else:
            later[record_id] = row.record
    return soon, later, proposals
