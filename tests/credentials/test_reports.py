"""Reports that moved nothing are taken back wherever they stand (I3, decision 0975)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.moved_nothing import REPORTS_MAX
from credentials.ledger.standing import Standing
from tests.credentials.test_custody import last
from tests.credentials.test_routes import CAR, ends_as, in_use
from tests.harness.ledger import (
    ANY_BATTERY,
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    RECYCLER,
    RIVAL,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    lifecycle_table,
    make_genesis,
)

CORRECTED, VOIDED = "attestation.corrected", "attestation.voided"


def measured(ledger: Ledger, by: str, subject: Subject, cycles: int) -> dict[str, Any]:
    """A measurement is recorded; by what a later statement names it."""
    ledger.happen(by, "soh.measured", subject, quantities={"soh_permille": 900, "cycles": cycles})
    return last(ledger, subject)


def shape(standing: Standing) -> dict[str, Any]:
    """What a standing says, but for times and places in the log, and what stays of what was taken back."""
    beside = {
        "undo",
        "taken_back",
        "past",
        "passport",
        "bound",
        "jurisdictions",
        "refusals",
        "last_event_time",
    }
    said = {name: getattr(standing, name) for name in Standing.__dataclass_fields__ if name not in beside}
    return said | {"facts": set(standing.facts), "bound": standing.bound_asset}


def test_a_reading_is_corrected_under_what_others_recorded_since() -> None:
    """I3: whoever read 9,000 cycles for 900 takes that back after the next trade took it out of its car."""
    ledger = Ledger()
    subject = in_use(ledger)
    wrong = measured(ledger, WORKSHOP, subject, 9_000)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    before = ledger.standing(subject)

    assert ends_as(ledger, RECYCLER, CORRECTED, subject, **wrong) == "not_responsible"
    assert ends_as(ledger, WORKSHOP, CORRECTED, subject, **wrong) == "admitted"

    after = ledger.standing(subject)
    assert after.item_state == before.item_state == "removed" and after.marks == before.marks
    assert "soh" not in after.facts and not after.readings and not after.past.reports
    assert ends_as(ledger, WORKSHOP, CORRECTED, subject, **wrong) == "depends"
    measured(ledger, WORKSHOP, subject, 900)


def test_authorities_void_a_report_under_others_and_its_marks_stay() -> None:
    """I1, I3: k of n take a report back wherever it stands; its marks others may have left, too."""
    ledger = Ledger()
    subject = in_use(ledger)
    false = measured(ledger, WORKSHOP, subject, 9_000)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)
    before = ledger.standing(subject)
    ledger.run(ledger.countersigned(EU_AUTHORITY, VOIDED, subject, (CN_AUTHORITY,), **false))

    after = ledger.standing(subject)
    assert after.voided and after.marks == before.marks and after.item_state == "removed"
    assert "soh" not in after.facts and not after.readings


def test_only_so_many_reports_are_reached_back_to() -> None:
    """The latest reports alone are remembered: those before them stay for good."""
    ledger = Ledger()
    subject = in_use(ledger)
    told = [measured(ledger, WORKSHOP, subject, cycles) for cycles in range(REPORTS_MAX + 1)]
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)

    assert len(ledger.standing(subject).past.reports) == REPORTS_MAX
    assert ends_as(ledger, WORKSHOP, CORRECTED, subject, **told[0]) == "depends"
    assert ends_as(ledger, WORKSHOP, CORRECTED, subject, **told[1]) == "admitted"


def test_what_moved_something_is_followed_and_the_refusal_names_by_what() -> None:
    """An installation under a later record is not taken back; the sentence says which record follows it."""
    ledger = Ledger()
    subject = in_use(ledger)
    installed = last(ledger, subject)
    measured(ledger, WORKSHOP, subject, 10)
    with pytest.raises(Refusal, match=r"soh\.measured by .* \(leaf \d+\) follows it"):
        ledger.happen(WORKSHOP, CORRECTED, subject, **installed)


def test_under_a_table_that_does_not_reach_back_the_last_record_alone_is_taken_back() -> None:
    """A network whose founding rules lack `reaches_back` goes on as it did, to the byte."""
    ledger, table = Ledger(), lifecycle_table()
    for row in table["events"]:
        row["effects"].pop("reaches_back", None)
    ledger.go_by(table)
    subject = in_use(ledger)
    wrong = measured(ledger, WORKSHOP, subject, 9_000)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=CAR)

    assert not ledger.standing(subject).past.reports
    assert ends_as(ledger, WORKSHOP, CORRECTED, subject, **wrong) == "depends"


MEASURING = (WORKSHOP, RIVAL, IMPORTER)  # a trade, another, and its holder


def with_trades() -> Ledger:
    """A ledger on which these three measure and take batteries out of vehicles."""
    trades = [
        accreditation(did, roles=("workshop", "lab"), schemes=ANY_BATTERY, licence="trade")
        for did in (RIVAL, IMPORTER)
    ]
    return Ledger(make_genesis(accreditations=[*accreditations(), *trades]))


Act = tuple[str, str, dict[str, Any]]


def acts(rng: Random, count: int) -> list[Act]:
    """What trades, an operator and an authority say of a battery in use, in any order."""
    found: list[Act] = []
    for _ in range(count):
        by, other = rng.choice(MEASURING), rng.choice((*MEASURING, RECYCLER))
        read = {"quantities": {"soh_permille": 900, "cycles": rng.randrange(5) * 100}}
        found.append(
            rng.choice(
                (
                    (by, "soh.measured", read),
                    (by, "soh.measured", read),
                    (by, "negative_event", {}),
                    (by, "battery.maintained", {}),
                    (by, "battery.swapped_out", {"bound_asset": CAR}),
                    (by, "battery.installed", {"bound_asset": CAR}),
                    (by, "battery.sold", {"parties": (other,)}),
                    (by, CORRECTED, {}),
                    (EU_AUTHORITY, "record.withdrawn", {}),
                    (by, "battery.reported_lost", {}),
                )
            )
        )
    return found


def tell(ledger: Ledger, subject: Subject, act: Act) -> str:
    by, kind, members = act
    named = last(ledger, subject) if kind in (CORRECTED, "record.withdrawn") else {}
    return ends_as(ledger, by, kind, subject, **members, **named)


ROUNDS = [pytest.param(60, marks=pytest.mark.check), pytest.param(2_000, marks=pytest.mark.long)]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_report_taken_out_is_as_one_that_was_taken_back_at_once(rounds: int) -> None:
    """
    After any correction that reaches back, the standing, and what taking the last record back restores, are
    those of a history in which the report was corrected before anything followed; of what was said since each
    statement ends there in the same way.
    """
    reached = 0
    for seed in range(rounds):
        rng = Random(f"reports {seed}")
        first, later = acts(rng, rng.randrange(6)), acts(rng, rng.randrange(1, 8))
        late, at_once = with_trades(), with_trades()
        subject = in_use(late)
        assert in_use(at_once) == subject
        for act in first:
            assert tell(late, subject, act) == tell(at_once, subject, act)
        reports = (act for act in acts(rng, 99) if act[1] in ("soh.measured", "negative_event"))
        report = next(act for act in reports if tell(late, subject, act) == "admitted")
        assert tell(at_once, subject, report) == "admitted"
        named = last(late, subject)
        taken_back = ends_as(at_once, report[0], CORRECTED, subject, **last(at_once, subject))
        assert taken_back == "admitted"
        for act in later:
            if act[1] in (CORRECTED, "record.withdrawn") and last(late, subject) == named:
                continue  # it would take this report back, or the row of trades that it is in
            outcome = tell(late, subject, act)
            if outcome != "value_impossible":  # fewer cycles than the false report read
                assert tell(at_once, subject, act) == outcome, (seed, act)
        if last(late, subject) == named:
            continue
        assert ends_as(late, report[0], CORRECTED, subject, **named) == "admitted", (seed, report)
        reached += 1
        _hold_alike(late.standing(subject), at_once.standing(subject))
    print(f"{reached} of {rounds} histories corrected under what followed")
    assert reached > rounds // 4


def _hold_alike(late: Standing, at_once: Standing) -> None:
    assert shape(late) == shape(at_once)
    assert len(late.past.reports) == len(at_once.past.reports)
    assert late.undo is not None and at_once.undo is not None
    assert (late.undo.kind, late.undo.taken_back) == (at_once.undo.kind, at_once.undo.taken_back)
    for name in ("core_before", "core_since"):
        cores = [getattr(undo, name) for undo in (late.undo, at_once.undo)]
        assert [core is None for core in cores] in ([True, True], [False, False])
        if cores[0] is not None:
            restored = [shape(Standing.decode_core(core)) for core in cores]
            assert restored[0] == restored[1]
