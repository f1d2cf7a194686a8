"""Random sequences of many actors, legal and not: what supervision makes of them, and what is restated.

    python -m tests.harness.supervised.histories SEED EVENTS

What is said is drawn as the second opinion draws it, and put to the real registry. Then three nodes look at
the log: an authority of each side, and the maker, who supervises nobody.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry, ClaimEntry, RefusedEntry, parse_entry
from credentials.ledger.lifecycle import Lifecycle
from credentials.verdicts.duties import DutyTable, Stated, duties_of, stated_of
from credentials.verdicts.record import Record
from node.ledger.subscriptions import Moments
from node.oversight.alerting import Alerting
from node.oversight.tallying import Tallying
from node.storage.alerts import AlertFilter
from node.storage.entries import EntryRow, row_of
from node.storage.office import OfficeStore
from node.storage.tallies import TallyFilter
from tests.harness.ledger import lifecycle_table
from tests.harness.opinion.acts import Act
from tests.harness.opinion.alphabet import acts_of, more_acts_of
from tests.harness.opinion.histories import LIVES, chosen
from tests.harness.opinion.law import Archive, after
from tests.harness.opinion.parties import CN_AUTHORITY, EU_AUTHORITY, MAKER, PARTIES
from tests.harness.opinion.speaking import may_speak
from tests.harness.opinion.stage import INADMISSIBLE, STATE, WAITS, Stage
from tests.harness.supervised import cases, trees
from tests.harness.supervised.restated import (
    ADMITTED,
    CLAIM,
    REFUSED,
    Said,
    Seen,
    Told,
    World,
    alerts,
    duties,
    standing_statements,
    sums,
)

WATCHING = (CN_AUTHORITY, EU_AUTHORITY, MAKER)
BATTERIES = ("A", "B", "C")
STEPS = 80  # of one history
LAWFUL, DRAWS = 0.8, 10
STEPS_OF_A_LIFE = (
    *LIVES,
    *6 * ("recycling.received", "recycling.completed", "material.recovered", "battery.declared_waste"),
)
DAY = 86_400
CONFIG = Path(__file__).resolve().parents[3] / "config"
ROWS: dict[str, Any] = tomllib.loads((CONFIG / "duties.toml").read_text())
WEIGHED = {
    "battery.produced": ("mass_grams",),
    "recycling.received": ("mass_in_grams",),
    "recycling.completed": ("co_out_grams", "ni_out_grams"),
    "material.recovered": ("mass_grams",),
}
HOMES = World(
    {did: one.jurisdiction for did, one in PARTIES.items()}, {d: p.roles for d, p in PARTIES.items()}
)


@dataclass
class Compared:
    """What was tried, what was compared, and where the two differ."""

    events: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    owed: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def add(self, other: Compared) -> None:
        self.events += other.events
        self.alerts += other.alerts
        self.owed += other.owed
        self.found += other.found

    def __str__(self) -> str:
        tried = ", ".join(f"{count} {name}" for name, count in sorted(self.events.items()))
        kinds, owed = len(self.alerts), self.owed.total()
        seen = f"{self.alerts.total()} alerts of {kinds} kinds, {owed} duties"
        return f"{self.events.total()} events ({tried}); {seen}; {len(self.found)} disagreements"


class Watcher:
    """What one party's node keeps of alerts: the real tables, emptied between two histories."""

    def __init__(self, did: str, folder: Path) -> None:
        self.did, self.office = did, OfficeStore(folder / f"{sha256(did.encode()).hexdigest()[:8]}.db")

    def look(self, ledger: Any, history: Any) -> tuple[list[Seen], Counter[tuple[str, str, str]]]:
        """The alerts that it has once it has looked at this log, and its sums."""
        with self.office.writing() as db:
            for table in ("alerts", "alert_leaves", "tallies"):
                db.execute(f"DELETE FROM {table}")
            self.office.alerts.look_on(db, 0)
            self.office.tallies.count_on(db, 0)
        gathering = cast(Any, SimpleNamespace(history=history, did=self.did))
        alerting = Alerting(self.office, ledger, gathering, Moments())
        while self.office.alerts.looked_until() < ledger.log_size():
            alerting.look()
        tallying = Tallying(self.office, ledger, history)
        while self.office.tallies.counted_until() < ledger.log_size():
            tallying.count()
        rows = self.office.alerts.page(AlertFilter(), 10_000)
        seen = [
            Seen(
                r.code,
                r.rule,
                r.party,
                r.namespace.partition(":")[2],
                r.subject,
                r.times,
                tuple(r.because.split(",")),
            )
            for r in rows
        ]
        return sorted(seen, key=repr), self._sums()

    def _sums(self) -> Counter[tuple[str, str, str]]:
        found = Counter[tuple[str, str, str]]()
        everybody = sorted({one.jurisdiction for one in PARTIES.values()})
        for did in PARTIES:
            wanted = TallyFilter(tuple(everybody), 0, 999_999, party=did)
            for kind, events, grams in self.office.tallies.by_kind(wanted):
                found[did, kind, "events"] += events
                found[did, kind, "grams"] += grams
            refused = sum(one.refused for one in self.office.tallies.by_month(wanted))
            found[did, "refused", "events"] += refused
        return +found


@cache
def beginning() -> Stage:
    """A ledger on which nothing was said."""
    return Stage.new()


def drawn(rng: Random, archive: Archive, stage: Stage) -> Act:
    """Mostly the next step of a whole life by somebody who may say it; else anything by anybody."""
    if rng.random() < LAWFUL:
        for _ in range(DRAWS):
            about = rng.choice(STEPS_OF_A_LIFE), rng.choice(BATTERIES), archive, BATTERIES
            acts = [one for one in (*acts_of(*about), *more_acts_of(*about)) if stage.accredited(one)]
            acts = [one for one in acts if may_speak(archive, one)]
            if acts:
                return rng.choice(acts)
    return next(chosen(rng, archive, BATTERIES))


def history(seed: int, watchers: Sequence[Watcher]) -> Compared:
    """One history: anything by anybody, the ordinary trade, weights that are true and others."""
    made, rng, archive, stage = Compared(), Random(seed), Archive(), beginning().fork()
    for _ in range(STEPS):
        if rng.random() < 0.05:
            stage.hour()
            archive = archive.hour()
        act = drawn(rng, archive, stage)
        if members := WEIGHED.get(act.event):
            grams = rng.choice((10, 50, 100, 500, 520, 540))
            act = replace(act, weights=tuple((name, grams) for name in members))
        outcome, step = stage.would(act)
        made.events[outcome] += 1
        if outcome in (INADMISSIBLE, WAITS):
            continue
        said = replace(act, late=stage.told_late(act, step))
        stage.take(act, step)
        if outcome == STATE:
            archive = after(archive, said)
    compare(stage, watchers, rng, made)
    return made


def compare(stage: Stage, watchers: Sequence[Watcher], rng: Random, made: Compared) -> None:
    """Alerts and sums of each watcher, and duties of each battery, at the end of a history."""
    told = [one for leaf in stage.world.leaves if (one := read(leaf)) is not None]
    ledger = log_of(stage.world.leaves)
    expected = sums(told)
    for watcher in watchers:
        seen, counted = watcher.look(ledger, stage.world.ledger.registry.history)
        mine = alerts(told, HOMES, watcher.did)
        made.alerts.update(alert.code for alert in mine)
        differ(made, f"alerts of {watcher.did}", seen, mine)
        differ(made, "sums", sorted(counted.items()), sorted(expected.items()))
    for battery in BATTERIES:
        compare_duties(stage, battery, told, rng, made)


def compare_duties(stage: Stage, battery: str, told: Sequence[Told], rng: Random, made: Compared) -> None:
    """What counts of the record, and what is owed on it once its times are stretched over weeks."""
    view, governance = stage.world.view(stage.book.code(battery)), stage.world.ledger.registry.history.latest
    counts = stated_of(Record.read(view, governance), governance)
    mine = standing_statements(told, stage.book.key(battery), HOMES)
    differ(made, "what counts", [(s.leaf_index, s.author) for s in counts], [(s.leaf, s.by) for s in mine])
    when, said = 1_790_000_000, list[Said]()
    for one in counts:
        when += rng.randrange(12 * DAY)
        late = rng.randrange(60 * DAY) if rng.random() < 0.4 else 0
        said.append(Said(one.kind, one.author, one.jurisdiction, when, when + late, one.leaf_index))
    holder, now = rng.choice((MAKER, None)), when + rng.randrange(rng.choice((3, 60)) * DAY)
    stated = [Stated(s.event, s.by, s.side, s.happened, s.recorded, s.leaf) for s in said]
    real = sorted(
        (
            (d.name, d.sort, d.state, d.jurisdiction, d.who, d.due_until, d.closed_at, d.leaf_index)
            for d in duties_of(stated, rules(), lifecycle(), holder, now)
        ),
        key=repr,
    )
    owed = duties(said, ROWS, lifecycle_table(), holder, now)
    made.owed.update(one[2] for one in owed)
    differ(made, "duties", real, owed)


def differ(made: Compared, what: str, real: Sequence[object], mine: Sequence[object]) -> None:
    if list(real) != list(mine):
        more = [one for one in real if one not in mine]
        less = [one for one in mine if one not in real]
        made.found.append(f"{what}: computed alone {more[:2]}, restated alone {less[:2]}")


@cache
def lifecycle() -> Lifecycle:
    return Lifecycle.parse(lifecycle_table())


@cache
def rules() -> DutyTable:
    return DutyTable.parse(ROWS, lifecycle())


def read(leaf: Any) -> Told | None:
    """A leaf as the restatement takes it."""
    entry, at = parse_entry(leaf.entry), leaf.block_time
    match entry:
        case AdmittedEntry(said) | ClaimEntry(said):
            return Told(
                leaf.leaf_index,
                at,
                ADMITTED if isinstance(entry, AdmittedEntry) else CLAIM,
                said.issuer,
                standing_key(said.subject),
                said.subject.namespace,
                said.digest,
                event=said.kind,
                parties=said.parties,
                grams=said.quantities,
                named=said.referenced_digests,
                of_one=not said.kind.startswith("recall."),
                happened=said.event_time,
            )
        case RefusedEntry(digest, issuer, subject, rule, _, _):
            about = standing_key(subject)
            return Told(leaf.leaf_index, at, REFUSED, issuer, about, subject.namespace, digest, rule=rule)
    return None


def log_of(leaves: Sequence[Any]) -> Any:
    """These leaves, found as a node's disk finds them."""
    rows = [replace(row_of(one.entry), leaf_index=one.leaf_index, height=one.height) for one in leaves]
    times: Mapping[int, int] = {one.height: one.block_time for one in leaves}

    def of(key: bytes, newest: int, before: int) -> list[EntryRow]:
        return [row for row in rows if row.subject == key and row.leaf_index < before][-newest:]

    def since(leaf: int, limit: int) -> list[EntryRow]:
        return [row for row in rows if row.leaf_index >= leaf][:limit]

    return SimpleNamespace(
        leaves=SimpleNamespace(of=of, since=since),
        log_size=lambda: rows[-1].leaf_index + 1 if rows else 0,
        block_times=lambda heights: {height: times[height] for height in heights},
        reading=nullcontext,
    )


def run(seed: int, events: int) -> Compared:
    """At least so many events, of all sorts: two of five on the ledger, the rest of cases and of trees."""
    made = Compared()
    with TemporaryDirectory() as folder:
        watchers = [Watcher(did, Path(folder)) for did in WATCHING]
        number = seed * 100_000
        while made.events.total() < events * 2 // 5:
            made.add(history(number, watchers))
            number += 1
        for one in watchers:
            one.office.close()
    made.events["of cases"] = cases.run(seed, events * 2 // 5, made.found)
    made.events["of parts"] = trees.run(seed, events // 5, made.found)
    return made


if __name__ == "__main__":
    print(run(int(sys.argv[1]), int(sys.argv[2])))
