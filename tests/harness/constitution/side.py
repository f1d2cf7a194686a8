"""Registry and restatement, fed the same acts; whatever they differ in is a `Difference`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from consensus.application import NotYet, Refusal
from consensus.encoding import decode
from credentials.ledger.entries import GovernanceEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import records_of
from tests.harness.constitution.acts import Desk, Signed
from tests.harness.constitution.model import ADMITTED, REFUSED, WAITS, Model
from tests.harness.constitution.parties import genesis, records_of_genesis, small_rules
from tests.harness.constitution.tables import VALIDATORS, State
from tests.harness.ledger import Ledger


class Difference(AssertionError):
    """What the registry does, and what the rules say."""


@dataclass
class Counts:
    """How much a run has seen."""

    acts: int = 0
    blocks: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)  # of what was decided

    def add(self, other: Counts) -> None:
        self.acts += other.acts
        self.blocks += other.blocks
        for mine, its in (
            (self.answers, other.answers), (self.outcomes, other.outcomes), (self.actions, other.actions),
        ):  # fmt: skip
            for name, count in its.items():
                mine[name] = mine.get(name, 0) + count

    def __str__(self) -> str:
        told = [f"{self.acts} acts in {self.blocks} blocks"]
        for what in (self.answers, self.outcomes, self.actions):
            told.append(", ".join(f"{name} {what[name]}" for name in sorted(what)))
        return "; ".join(told)


class Side:
    """One network, twice."""

    def __init__(self, founding: Genesis | None = None, *, compare_checks: bool = True) -> None:
        self.ledger = Ledger(founding or genesis())
        self.ledger.registry.constitution.rule_files = files().get
        self.model = Model.founded(records_of_genesis(self.ledger.genesis.data))
        self.desk = Desk(self.ledger.genesis.network_id)
        self.counts = Counts()
        self.compare_checks = compare_checks
        self.told: list[str] = []
        self._governance: Governance | None = None
        self._state: State = {}
        self._compare_records()

    @property
    def now(self) -> int:
        """The time of the next block."""
        return self.ledger.now

    def block(self, acts: Sequence[Signed]) -> dict[bytes, Any]:
        """One block of these acts, or of those of them that can be in it."""
        if self.compare_checks:
            for act in acts:
                self._compare_answer(act)
        chosen, table = self.model.fill([s.act for s in acts], self.now, self.ledger.previous_id)
        taken = self.ledger.propose([s.data for s in acts])
        by_name = {s.data: s.act for s in acts}
        if [by_name[data].name for data in taken] != [act.name for act in chosen]:
            got, said = [_told(by_name[d]) for d in taken], [_told(a) for a in chosen]
            self._differ(
                "acts of the block", [a for a in got if a not in said], [a for a in said if a not in got]
            )
        execution_time = self.now
        execution = self.ledger.execute(self.ledger.block(taken))
        found = self.model.close(chosen, table, execution_time)
        entries = [e for e in map(parse_entry, execution.entries) if isinstance(e, GovernanceEntry)]
        got_outcomes = {e.proposal: (e.outcome, e.in_force) for e in entries}
        self._same(
            "outcomes", _named(got_outcomes), _named({d: (o.outcome, o.in_force) for d, o in found.items()})
        )
        self._same("on the table", set(self.ledger.registry.constitution.state.tabled), set(self.model.open))
        self._compare_records()
        self.counts.acts += len(acts)
        self.counts.blocks += 1
        for outcome in found.values():
            self.counts.outcomes[outcome.outcome] = self.counts.outcomes.get(outcome.outcome, 0) + 1
        for offer in table.open.values():
            if offer.digest in found and found[offer.digest].outcome == "decided":
                self._count_actions(offer)
                if offer.against:
                    spite = "decided in spite of an objection"
                    self.counts.outcomes[spite] = self.counts.outcomes.get(spite, 0) + 1
        return found

    def _count_actions(self, offer: Any) -> None:
        for kind, _ in offer.changed:
            self.counts.actions[kind] = self.counts.actions.get(kind, 0) + 1

    def _compare_answer(self, signed: Signed) -> None:
        why = ""
        try:
            self.ledger.registry.check_tx(signed.data, self.now)
            got = ADMITTED
        except NotYet as refusal:
            got, why = WAITS, str(refusal)
        except Refusal as refusal:
            got, why = REFUSED, f"{refusal.code}: {refusal}"
        said = self.model.answer(signed.act, self.now, self.model.table())
        self.counts.answers[said] = self.counts.answers.get(said, 0) + 1
        if got != said:
            self._differ(f"answer to {_told(signed.act)}", f"{got} ({why})", f"{said} ({self.model.reason})")

    def _compare_records(self) -> None:
        latest, state = self.ledger.history.latest, self.model.current
        if latest is not self._governance or state is not self._state:
            got = {record: decode(data) for record, data in records_of(latest).items()}
            for record in sorted(got.keys() | state.keys()):
                self._same(f"record {record}", got.get(record), state.get(record))
            voters = [v.name for v in latest.validators.validators]
            self._same("validators", voters, state[VALIDATORS]["participants"])
            self._governance, self._state = latest, state

    def _same(self, what: str, got: Any, said: Any) -> None:
        if got != said:
            self._differ(what, got, said)

    def _differ(self, what: str, got: Any, said: Any) -> None:
        raise Difference(f"height {self.ledger.height}: {what}: the registry: {got}; the rules: {said}")


def files() -> dict[bytes, bytes]:
    """Rule files that every node of the test holds."""
    from hashlib import sha256

    return {sha256(data).digest(): data for data in small_rules()}


def _named(found: dict[bytes, Any]) -> dict[str, Any]:
    return {digest.hex()[:8]: value for digest, value in sorted(found.items())}


def _told(act: Any) -> str:
    about = act.about.hex()[:8]
    if act.offer is not None:
        key = "recovery key" if act.recovery else "attest key"
        changed = "; ".join(f"{r}: {_short(t)}" for r, t in act.offer.changed.items())
        return f"{act.by} {act.kind} {about} with its {key}: {changed}"
    return f"{act.by} {act.kind} {about} under {act.kid}"


def _short(table: Any) -> Any:
    """A table without what tells a reader nothing."""
    if "keys" in table:
        keys = [{n: v for n, v in key.items() if n not in ("public", "role")} for key in table["keys"]]
        return {**table, "keys": [tuple(key.values()) for key in keys]}
    return dict(table)
