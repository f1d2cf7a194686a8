"""Supervision beside its restatement: alerts, masses, sums, duties, cases and parts of random sequences."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from credentials.verdicts import duties, parts_check
from node import log
from node.oversight import balances, case_rules, raising, tallying
from node.oversight.raising import RaisedAlert
from node.storage.alerts import AlertTable
from tests.harness.supervised import cases, trees
from tests.harness.supervised.histories import WATCHING, Compared, Watcher, history, run

SEEDS, EVENTS, EVENTS_IN_CHECK = 40, 2_500, 1_600
HISTORIES_MAX = 60  # within which a planted bug is found
Planted = Callable[[pytest.MonkeyPatch], None]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the lines of the alerts' thread, one for each look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "moment", lambda *_, **__: None)
        yield


def model(seed: int) -> Compared:
    with quiet():
        return run(seed, EVENTS)


@pytest.mark.check
def test_supervision_is_as_restated(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Random sequences of many actors, legal and not: what three parties see, what balances, what is owed, how
    each case stands and what each opened pack shows is what a slow restatement says; both have much to say.
    """
    with quiet():
        made = run(1, EVENTS_IN_CHECK)
    with capsys.disabled():
        print(f"\n  {made}")
    assert made.found == []
    assert made.events.total() >= EVENTS_IN_CHECK
    assert {"claimed", "counted_twice", "mass_balance", "produced_twice"} <= made.alerts.keys()


@pytest.mark.long
def test_a_hundred_thousand_events_are_as_restated(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The same over 100,000 events: no disagreement.
    """
    everything = Compared()
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for made in pool.map(model, range(100, 100 + SEEDS)):
            everything.add(made)
    with capsys.disabled():
        print(f"\n  {everything}")
    assert everything.found == []
    assert everything.events.total() >= 100_000
    assert len(everything.alerts) >= 12
    assert everything.owed.keys() == {"due", "overdue", "late"}


# -- planted bugs: each is found, or the model would see nothing -----------------------------------------


def _a_tenth_passes(patch: pytest.MonkeyPatch) -> None:
    """X13 lets a battery be a tenth heavier than it was made."""
    patch.setattr(balances, "TOLERANCE_PERMILLE", 100)


def _lots_pass(patch: pytest.MonkeyPatch) -> None:
    """X13 does not look at what comes out."""
    real = balances.out_of_balance
    kinds = ("recycling.completed", "material.recovered")
    patch.setattr(raising, "out_of_balance", lambda said: real(s for s in said if s.kind not in kinds))


def _named_are_nobody(patch: pytest.MonkeyPatch) -> None:
    """Whoever was named on a record, and never spoke, has no hand in it."""
    real = raising.hands

    def hands(ledger: Any, history: Any, key: bytes, before: int | None = None) -> Any:
        authors, _ = real(ledger, history, key, before)
        rows = ledger.leaves.of(key, 256, before)
        spoke = authors & {row.issuer for row in rows if row.type == "admitted"}
        parties = (history.latest.participant(did) for did in spoke)
        return spoke, {party.jurisdiction for party in parties if party is not None}

    patch.setattr(raising, "hands", hands)


def _each_leaf_is_an_alert(patch: pytest.MonkeyPatch) -> None:
    """What comes again is another alert."""
    patch.setattr(RaisedAlert, "id", property(lambda raised: raised.leaf.to_bytes(32, "big")))


def _what_comes_again_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    """An alert that is here already stays as it was."""
    real = AlertTable.put

    def put(db: Any, row: Any) -> bool:
        known = db.execute("SELECT 1 FROM alerts WHERE id = ?", (row.id,)).fetchone()
        return False if known else real(db, row)

    patch.setattr(AlertTable, "put", staticmethod(put))


def _recovered_weighs_nothing(patch: pytest.MonkeyPatch) -> None:
    """A sum takes the first mass of any statement, of a finished recycling as well."""
    patch.setattr(tallying, "COMPLETED", "none")


def _weekends_only(patch: pytest.MonkeyPatch) -> None:
    """Holidays are worked."""
    patch.setattr(
        duties.WorkingDays,
        "is_working",
        lambda calendar, one: one.isoweekday() not in calendar.weekend,
    )


def _reports_are_never_late(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks when something was recorded."""
    patch.setattr(duties, "_reports", lambda *_: iter(()))


def _no_review_reopens(patch: pytest.MonkeyPatch) -> None:
    """A review gives a case no time."""
    patch.setattr(case_rules, "REVIEW_S", 0)


def _cases_without_end(patch: pytest.MonkeyPatch) -> None:
    """More time may be given for ever."""
    patch.setattr(case_rules, "DAYS_MAX", 10_000)


def _who_decided_reviews(patch: pytest.MonkeyPatch) -> None:
    """The other side's authorities decide as well."""
    patch.setattr(case_rules.Officials, "decides", lambda officials, did, _: did in officials.sides)


def _any_path_opens(patch: pytest.MonkeyPatch) -> None:
    """The way of a part is not followed to the root."""
    patch.setattr(parts_check, "require_opened", lambda *_: None)


def _everybody_commits(patch: pytest.MonkeyPatch) -> None:
    """Whose code a part has is not asked."""
    patch.setattr(parts_check, "_makers", lambda *_: True)


def of_ledger() -> bool:
    """Whether histories on the ledger find something."""
    with quiet(), TemporaryDirectory() as folder:
        watchers = [Watcher(did, Path(folder)) for did in WATCHING]
        try:
            return any(history(seed, watchers).found for seed in range(700_000, 700_000 + HISTORIES_MAX))
        finally:
            for one in watchers:
                one.office.close()


def of_cases() -> bool:
    """Whether cases do."""
    found: list[str] = []
    return any(cases.run(seed, 100, found) and found for seed in range(30))


def of_parts() -> bool:
    """Whether parts do."""
    found: list[str] = []
    return any(trees.run(seed, 60, found) and found for seed in range(10))


PLANTED: tuple[tuple[Planted, Callable[[], bool]], ...] = (
    (_a_tenth_passes, of_ledger),
    (_lots_pass, of_ledger),
    (_named_are_nobody, of_ledger),
    (_each_leaf_is_an_alert, of_ledger),
    (_what_comes_again_is_not_counted, of_ledger),
    (_recovered_weighs_nothing, of_ledger),
    (_weekends_only, of_ledger),
    (_reports_are_never_late, of_ledger),
    (_no_review_reopens, of_cases),
    (_cases_without_end, of_cases),
    (_who_decided_reviews, of_cases),
    (_any_path_opens, of_parts),
    (_everybody_commits, of_parts),
)


@pytest.mark.check
@pytest.mark.parametrize(("bug", "look"), PLANTED, ids=lambda one: one.__name__.strip("_"))
def test_each_planted_bug_is_found(
    bug: Planted, look: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    With a bug planted in what computes it the model disagrees.
    """
    bug(monkeypatch)
    assert look()
