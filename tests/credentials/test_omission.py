"""I6: leaving out what a remaining statement presupposes or shows never gives a better word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from consensus.application import NotYet, Refusal
from credentials.errors import CredentialError
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.recognition import Effect, Recognition
from credentials.verdicts.severity import ORDER
from tests.harness.border import DECLARATION, World, code, subject_of, world
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    IMPORTER,
    MAKER,
    RECYCLER,
    SECOND_LIFE,
    WORKSHOP,
)
from tests.harness.opinion.omission import leave_out

HISTORIES, STEPS, OMISSIONS_MAX, SEED = 40, 9, 12, 20261126
VIN = "ZZ9DEM0E0T0000039"
NAMED = (IMPORTER, WORKSHOP, RECYCLER, SECOND_LIFE)
RECORD = {
    "contract_reference": "INV-1",
    "soh_permille": 900,
    "soh_date": "2027-01-15",
    "not_waste": True,
    "packaging": "crate",
}
PRESENTED = {
    "declaration_number": DECLARATION,
    "registration_id": "R-1",
    "commodity_code": "8507600000",
    "eori": "DE1",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One statement by whose it is."""

    by: str
    kind: str
    members: Mapping[str, Any]
    delta: Mapping[str, Any]


def step(by: str, kind: str, members: Mapping[str, Any] | None = None, **delta: Any) -> Step:
    return Step(by, kind, members or {}, delta)


CAR = {"bound_asset": subject_of(VIN)}
# Whose statements count abroad is another question: here all of them do.
ACCEPTED = Recognition(
    authority=CN_AUTHORITY,
    jurisdiction="CN",
    issuer="*",
    issuer_jurisdiction="EU",
    rows=("EXP-02",),
    effect=Effect.ACCEPTED_BY_LAW,
    legal_basis="demonstration",
    valid_from=CREATED,
)
MENU = (
    step(MAKER, "battery.exported", {"commodity_code": "850760"}, parties=NAMED),
    step(RECYCLER, "battery.exported", {"commodity_code": "850760"}, parties=NAMED),
    step(IMPORTER, "battery.presented", PRESENTED),
    step(CUSTOMS, "customs.released", {"basis": "registry_check"}),
    step(IMPORTER, "market.placed", {"art_41_checked": True}, parties=NAMED),
    step(MAKER, "market.placed", {"art_41_checked": True}, parties=NAMED),
    step(WORKSHOP, "battery.installed", {"vin": VIN}, **CAR),
    step(WORKSHOP, "battery.swapped_out", {"vin": VIN}, **CAR),
    step(WORKSHOP, "soh.measured", {"soh_permille": 900}, quantities={"soh_permille": 900}),
    step(WORKSHOP, "battery.maintained", {"work": "fan"}),
    step(IMPORTER, "used.exported", RECORD, quantities={"soh_permille": 900}, parties=NAMED),
    step(RECYCLER, "battery.declared_waste", {"reason": "worn"}, parties=NAMED),
    step(RECYCLER, "waste.exported", {"notification": "N-1"}, parties=NAMED),
    step(RECYCLER, "waste.collected", {"facility_licence": "L"}, quantities={"mass_grams": 1}),
)
# What a statement presupposes or shows: leaving that out while this stays must not pay.
SHOWS: Mapping[str, frozenset[str]] = {
    "battery.presented": frozenset({"battery.exported", "used.exported", "waste.exported"}),
    "customs.released": frozenset({"battery.presented", "battery.exported"}),
    "market.placed": frozenset({"customs.released", "battery.presented", "battery.exported"}),
    "battery.swapped_out": frozenset({"battery.installed", "market.placed"}),
    "used.exported": frozenset({"battery.installed", "battery.swapped_out", "market.placed"}),
    "waste.exported": frozenset({"battery.declared_waste", "battery.installed", "battery.swapped_out"}),
    "waste.collected": frozenset({"battery.declared_waste", "battery.installed", "battery.swapped_out"}),
    "battery.exported": frozenset({"market.placed"}),
}


def begun() -> tuple[World, str]:
    w, text = world(recognitions=[ACCEPTED]), code(1)
    w.produce(text)
    w.publish(text)
    return w, text


def becomes_state(w: World, text: str, chosen: Step) -> bool:
    """Make the statement; False if it was refused, waits, or is a claim."""
    before = len(w.leaves)
    try:
        w.happen(chosen.by, chosen.kind, text, chosen.members, **chosen.delta)
    except (Refusal, NotYet, CredentialError, AssertionError):
        return False
    return any(isinstance(parse_entry(leaf.entry), AdmittedEntry) for leaf in w.leaves[before:])


def history(random: Random) -> list[Step]:
    """Statements that became state, in order."""
    w, text = begun()
    found: list[Step] = []
    for _ in range(STEPS):
        last = found[-1] if found else None
        offered = [s for s in random.sample(MENU, len(MENU)) if s is not last]
        chosen = next((s for s in offered if becomes_state(w, text, s)), None)
        if chosen is None:
            break
        found.append(chosen)
    return found


def words(steps: Sequence[Step]) -> dict[tuple[str, str], str] | None:
    """The word at each border as each condition; None if a step does not become state."""
    w, text = begun()
    for chosen in steps:
        if not becomes_state(w, text, chosen):
            return None
    return {
        (policy, condition): w.judge(text, policy_name=policy, condition=condition).verdict.conclusion.verdict
        for policy in ("customs-eu", "authority-cn")
        for condition in ("new", "used", "second_life", "waste")
    }


def omissions(steps: Sequence[Step]) -> list[list[Step]]:
    """The history without one statement, or two, that remaining later ones presuppose or show."""
    found = []
    for first in range(len(steps)):
        for second in range(first, len(steps)):
            dropped = {first, second}
            kept = [s for n, s in enumerate(steps) if n not in dropped]
            if all(
                any(steps[n].kind in SHOWS.get(later.kind, ()) for later in steps[n + 1 :] if later in kept)
                for n in dropped
            ):
                found.append(kept)
    return found


@pytest.mark.parametrize(
    ("kinds", "left_out"),
    [
        (
            "market.placed battery.installed battery.swapped_out used.exported",
            "battery.installed battery.swapped_out",
        ),
    ],
)
def test_an_omission_does_not_pay(kinds: str, left_out: str) -> None:
    """
    I6, by hand: a used export shows that the battery was used, whatever else is left out of its record.
    """
    steps = [next(s for s in reversed(MENU) if s.kind == kind) for kind in kinds.split()]
    kept = [s for s in steps if s.kind not in left_out.split()]
    full, told = words(steps), words(kept)

    assert full is not None and told is not None
    assert all(ORDER.index(told[where]) >= ORDER.index(word) for where, word in full.items())


@pytest.mark.check
def test_leaving_out_what_remains_shown_never_gives_a_better_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    I6: over seeded histories of the real registry, each statement (and each two) that a remaining one
    presupposes or shows is left out: no border gives a better word, as whatever the battery is declared.
    """
    random = Random(SEED)
    counted: Counter[str] = Counter()
    better: list[Any] = []
    for number in range(HISTORIES):
        steps = history(random)
        full: dict[tuple[str, str], str] | None = None
        choices = omissions(steps)
        for kept in random.sample(choices, min(len(choices), OMISSIONS_MAX)):
            counted["tried"] += 1
            told = words(kept)
            if told is None:
                continue  # what remains is not admitted without it: the ledger itself asks for it
            full = full or words(steps)
            assert full is not None
            counted["compared"] += 1
            better += [
                (number, where, full[where], told[where], [s.kind for s in steps], [s.kind for s in kept])
                for where in full
                if ORDER.index(told[where]) < ORDER.index(full[where])
            ]

    with capsys.disabled():
        print(f"\nomissions: {dict(counted)} of {HISTORIES} histories, seed {SEED}")
    assert counted["compared"] > 8
    assert not better, better[0]


@pytest.mark.check
def test_silence_about_what_a_long_history_shows_never_pays(capsys: pytest.CaptureFixture[str]) -> None:
    """
    I6, in 250 seeded histories of three batteries, as the opinion walks them: each statement that a later one
    presupposes or shows is left out, and no battery it was about gets a better word.
    """
    count = leave_out(range(250), 200)

    with capsys.disabled():
        print(f"omissions: {count}", end=" ")
    assert count.words > 500
    assert not count.better, count.better[0]


@pytest.mark.long
def test_silence_never_pays_in_many_long_histories(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The same in 4,000 histories, each battery shown in a dozen ways.
    """
    count = leave_out(range(1_000, 5_000), 200, views=12)

    with capsys.disabled():
        print(f"omissions: {count}", end=" ")
    assert not count.better, count.better[0]
