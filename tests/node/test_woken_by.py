"""A verdict does not rot, whatever changes (I9): what governs, and each act on any battery that is known.

Generated: each situation of the pinned verdicts under each change of what governs of each party in it; and
random histories of the second opinion, in which every act that is recorded is looked at as the watch of a
node looks at its leaves. Where a fresh look at a line gives another word, another main reason or another
check than before, the line must have been woken.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

import pytest

from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import ACCREDITATION, PARTICIPANT, RECOGNITION, STOP, RecordId
from credentials.ledger.parties import Stop
from credentials.ledger.recognition import Effect, Recognition
from node.storage.entries import row_of as leaf_row
from node.storage.office import OfficeStore
from node.storage.rests_on import PARTY
from node.verdicts.foretelling import parties_concerned
from node.verdicts.resting import rests_of
from node.verdicts.watching import Watching, claimed_of
from tests.credentials.test_pinned_verdicts import DECLARED, SITUATIONS
from tests.harness.border import policy
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, EU_AUTHORITY
from tests.harness.opinion import histories
from tests.harness.opinion.alphabet import CAR
from tests.harness.opinion.law import Archive, after
from tests.harness.opinion.stage import REFUSED, STATE, Stage
from tests.node.test_woken import AS, POLICY, Gathering, as_gathered, gathered, office, open_line, said

__all__ = ["office"]

SHARED = (pytest.param(10, id="a tenth", marks=pytest.mark.check),
          pytest.param(1, id="all", marks=pytest.mark.long))  # fmt: skip
Change = tuple[str, tuple[RecordId, ...], Governance]


def changes(before: Governance, now: int) -> Iterator[Change]:
    """What may be decided of each party, its licences and keys, and of each recognition."""
    for did, party in before.participants.items():
        licences = [one for one in before.accreditations if one.participant == did]
        others = tuple(one for one in before.accreditations if one.participant != did)
        records = tuple((ACCREDITATION, one.id) for one in licences)
        suspended = tuple(replace(one, suspended=((now - 1, None),)) for one in licences)
        yield "licences suspended", records, replace(before, accreditations=(*others, *suspended))
        over = tuple(replace(one, valid_until=now - 1) for one in licences)
        yield "licences over", records, replace(before, accreditations=(*others, *over))
        for target in (did, *(key.id for key in party.keys if key.role in ("attest", "credential"))):
            stops = {target: Stop(target, EU_AUTHORITY, now - 1, None)}
            yield "stopped", ((STOP, target),), replace(before, stops=stops)
        signing = ("attest", "credential")
        over_keys = [replace(k, valid_until=now - 1) if k.role in signing else k for k in party.keys]
        stolen = [replace(k, compromised_from=1) if k.role in signing else k for k in party.keys]
        for what, keys in (("keys over", tuple(over_keys)), ("keys stolen", tuple(stolen))):
            people = {**before.participants, did: replace(party, keys=keys)}
            yield what, ((PARTICIPANT, did),), replace(before, participants=people)
        for authority in (CN_AUTHORITY, EU_AUTHORITY):
            side = before.participants[authority].jurisdiction
            effect = Effect.ACCEPTED_BY_LAW
            given = Recognition(authority, side, did, ("EXP-02",), effect, "network-policy", 1)
            more = (*before.recognitions, given)
            yield "recognised", ((RECOGNITION, given.id),), replace(before, recognitions=more)
    for one in before.recognitions:
        rest = tuple(other for other in before.recognitions if other != one)
        ended = replace(one, valid_until=now - 1)
        yield "recognised no more", ((RECOGNITION, one.id),), replace(before, recognitions=(*rest, ended))


@pytest.mark.parametrize("one_in", SHARED)
def test_woken_by_whatever_governs_otherwise(one_in: int, office: OfficeStore) -> None:
    """
    A licence, a key, a stop or a recognition that makes a line say something else has it judged again.
    """
    watching = Watching(*[cast(Any, one) for one in (office, None, Gathering(), policy(POLICY))])
    tried, changed = 0, Counter[str]()
    for situation, build in SITUATIONS.items():
        w, text, whole = gathered(build)
        before = whole.network.governance
        assert before is not None
        read = rests_of(whole, CUSTOMS, policy(POLICY).status_list_age_s_max, w.now)
        for declared in AS:
            verdict = None
            for what, records, governance in changes(before, w.now):
                tried += 1
                if tried % one_in:
                    continue
                if verdict is None:
                    verdict = w.judge(text, evidence=whole, **DECLARED[declared]).as_dict()
                    open_line(office, watching, verdict, read)
                network = replace(whole.network, governance=governance, recognitions=governance.recognitions)
                after = w.judge(text, evidence=replace(whole, network=network), **DECLARED[declared])
                if said(after.as_dict()) == said(verdict):
                    continue
                changed[what] += 1
                assert _reached(office, parties_concerned(governance, records)), (situation, declared, what)

    print(f"{tried // one_in} changes of what governs, {changed.total()} change a line: {dict(changed)}")
    assert changed.total() > 500 // one_in
    assert len(changed) == 4  # what was said in time stays said by keys and licences that are over


def _reached(office: OfficeStore, parties: set[str] | None) -> bool:
    """Whether the watch marks the open line for a decision about these; None: about everybody."""
    about = {"issuer": sorted(parties), PARTY: sorted(parties)} if parties is not None else None
    with office.writing() as db:
        office.overtaken.mark_stale(db, about=about, created_after=0)
        found = bool(db.execute("SELECT stale FROM items").fetchone()["stale"])
        db.execute("UPDATE items SET stale = 0")
    return found


SHOWN: dict[str, Mapping[str, Any]] = {
    **{name: DECLARED[name] for name in ("new", "used", "waste")},
    "in its car": {**DECLARED["in its car"], "vin": CAR, "mass_kg": None},
}
HISTORIES = (pytest.param(range(50_000, 50_003), 80, id="3", marks=pytest.mark.check),
             pytest.param(range(50_100, 50_130), 200, id="30", marks=pytest.mark.long))  # fmt: skip


@pytest.mark.parametrize(("seeds", "steps"), HISTORIES)
def test_woken_by_each_act_that_makes_a_line_say_something_else(
    seeds: range, steps: int, office: OfficeStore
) -> None:
    """
    Whatever anybody records of a battery, its pack, its vehicle, its codes, what it came of, what came of it.
    """
    acts, changed, start = 0, Counter[str](), Stage.new()
    for seed in seeds:
        rng, stage, archive = random.Random(seed), start.fork(), Archive()
        batteries = (*histories.BATTERIES, *histories.ONE_UNDER_TWO[2:])
        lines = _Lines(office, stage, batteries)
        for _ in range(steps):
            act = next(histories.chosen(rng, archive, batteries))
            outcome, step = stage.would(act) if stage.accredited(act) else (REFUSED, None)
            if step is None:
                continue
            stage.take(act, step)
            if outcome == STATE:
                archive = after(archive, replace(act, late=False))
            acts += 1
            lines.look(step)
            for battery, declared, found in lines.say_something_else():
                assert found, (seed, str(act), battery, declared)
                changed[act.event] += 1

    print(f"{acts} acts, {changed.total()} lines that say something else, by {len(changed)} kinds of event")
    assert changed.total() > 20


class _Lines:
    """An open line for each battery as each thing, watched as a node watches its leaves."""

    def __init__(self, office: OfficeStore, stage: Stage, batteries: tuple[str, ...]) -> None:
        self.office, self.stage, self.seen = office, stage, len(stage.world.leaves)
        self.lines = list(product(batteries, SHOWN))
        gathering = Gathering()
        gathering.event_of = lambda row: stage.world.governance.lifecycle.event(row.kind)  # type: ignore[attr-defined]
        standings = SimpleNamespace(keys_changed=self._changed, records=self._records)
        self.ledger = SimpleNamespace(standings=standings)
        self.watching = Watching(
            *[cast(Any, one) for one in (office, self.ledger, gathering, policy(POLICY))]
        )
        self.said: dict[tuple[str, str], Any] = {}
        self.step: Any = None
        for one in self.lines:
            self._judge(one)

    def _changed(self, first: int, last: int) -> list[bytes]:
        return list(self.step.standings)

    def _records(self, keys: list[bytes]) -> dict[bytes, bytes]:
        return cast(dict[bytes, bytes], self.stage.world.ledger.reader.get_many(keys))

    def _judge(self, one: tuple[str, str]) -> None:
        world, (battery, declared) = self.stage.world, one
        text = self.stage.book.code(battery)
        found = world.evidence(text, vin=SHOWN[declared].get("vin"))
        if found.ledger is not None:
            found = replace(found, ledger=as_gathered(found.ledger))
        verdict = {**world.judge(text, evidence=found, **SHOWN[declared]).as_dict()}
        verdict["line"] = self.lines.index(one) + 1
        read = rests_of(found, CUSTOMS, policy(POLICY).status_list_age_s_max, world.now)
        self.said[one] = said(verdict)
        with self.office.writing() as db:
            for table in ("items", "rests_on"):
                db.execute(f"DELETE FROM {table} WHERE line = ?", (verdict["line"],))
            self.office.consignments.put_items(db, "c", [self.watching.row_of(verdict, 1, read)])

    def look(self, step: Any) -> None:
        """What a node does with the leaves of the block."""
        self.step, leaves = step, self.stage.world.leaves
        rows = [replace(leaf_row(leaf.entry), height=leaf.height) for leaf in leaves[self.seen :]]
        self.seen = len(leaves)
        about = self.watching.learned.about(rows)
        with self.office.writing() as db:
            self.office.overtaken.hasten_about(db, claimed_of(rows), 1)
            self.office.overtaken.mark_stale(db, about=about, created_after=0)

    def say_something_else(self) -> Iterator[tuple[str, str, bool]]:
        """The lines that a fresh look judges otherwise, and whether they were woken; all are fresh then."""
        for one in self.lines:
            before, woken = self.said[one], self._woken(one)
            self._judge(one)
            if self.said[one] != before:
                yield (*one, woken)

    def _woken(self, one: tuple[str, str]) -> bool:
        at = "SELECT stale, due FROM items WHERE line = ?"
        row = self.office._db.connection.execute(at, (self.lines.index(one) + 1,)).fetchone()
        return bool(row["stale"] or row["due"] == 1)
