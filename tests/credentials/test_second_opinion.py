"""The law restated (tests/harness/opinion), set against the real registry and the real verdict."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger import linked_records, speaking
from credentials.ledger.standing import PARTY, Setting
from credentials.verdicts import battery, cell, record, shown
from tests.harness.ledger import lifecycle_table
from tests.harness.opinion.acts import Act
from tests.harness.opinion.alphabet import CAR, DECKS, EVERYBODY, RECALLS, RIGHTFUL, WATCH_DECKS, more_acts_of
from tests.harness.opinion.bounds import Shown, too_good
from tests.harness.opinion.bugs import BUGS, patched, table_changed
from tests.harness.opinion.explore import Finding, explore
from tests.harness.opinion.histories import EVENTS, liftings, many, side_by_side
from tests.harness.opinion.law import Archive, after
from tests.harness.opinion.names import further
from tests.harness.opinion.parties import CN_AUTHORITY, EU_AUTHORITY, HOLDER, MAKER, RIVAL, STRANGER
from tests.harness.opinion.record import broken
from tests.harness.opinion.speaking import may_speak
from tests.harness.opinion.stage import STATE, Stage

ROOT = Path(__file__).parents[2]
BEFORE = "d5dbf19"  # the rules under which eight routes of true statements ended in a false clear
ROUTES = tuple(f"L0{n}" for n in range(1, 9))


@pytest.mark.check
def test_the_opinion_finds_the_eight_known_routes_in_the_rules_of_d5dbf19(tmp_path: Path) -> None:
    """
    Run on the code of d5dbf19, the explorer finds each of the routes L01 to L08 by itself: a history of
    true statements by rightful parties at whose end that code said `clear`.
    """
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, f"this clone does not reach back to {BEFORE}: clone it whole"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(tmp_path, filter="data")

    done = subprocess.run(
        [sys.executable, "-P", "-m", "opinion", "--code", str(tmp_path), "--rightful", "--follow"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "tests" / "harness")},
        capture_output=True,
        text=True,
        check=True,
    )

    lines = [line for line in done.stdout.splitlines() if line.startswith(("==", "L0"))]
    print(*lines, sep="\n")
    found = {line[:3] for line in lines if line.startswith("L0") and "not found" not in line}
    assert found == set(ROUTES)


# What the opinion still holds against the code, each with the reason; whoever mends one takes its line away.
# A finding that is not listed fails the tests.
OPEN: dict[str, str] = {}


def _new(findings: Iterable[Finding]) -> list[str]:
    return [str(f) for f in findings if not any(known in f"{f.kind}: {f.about}: {f.said}" for known in OPEN)]


@pytest.mark.check
@pytest.mark.parametrize("deck", WATCH_DECKS)
def test_nothing_is_said_too_well_in_any_state_of_a_small_deck(deck: str) -> None:
    """
    At every state that the acts of the deck reach, the real registry lets nobody speak whom the law does not,
    the record keeps what the law keeps, and the real verdict says no better word than the law allows.
    """
    result = explore(WATCH_DECKS[deck])

    print(deck, result)
    assert result.finished
    assert not _new(result.findings.values())


def test_every_event_of_the_rules_is_drawn_by_the_histories() -> None:
    """
    A new event is not in force before the second opinion tried it: `EVENTS` of its histories has each.
    """
    assert {event["type"] for event in lifecycle_table()["events"]} == set(EVENTS) - set(RECALLS)


def test_random_histories_agree_with_the_law() -> None:
    """
    In seeded histories of three batteries the record keeps the law's invariants at every step, and every
    verdict at a change and at the end is no better than the law allows.
    """
    walks = many(range(6), 100)

    print(walks)
    assert walks.clear > 4
    assert not _new(walks.findings.values())


def test_a_verdict_that_is_stricter_than_the_law_is_found() -> None:
    """
    The lower bounds of random histories can fail: where every battery is taken for recalled, they do.
    """
    recalled = {PARTY: Setting("did:web:maker.example", 0)}

    with patched(cell, "recalls", lambda *_: recalled):
        walks = many(range(4), 60)

    assert {finding.kind for finding in walks.findings.values()} == {"worse"}


def lifted_without_a_licence(act: Act) -> tuple[list[str], int]:
    """Who lifts `act`, or takes it back, without a licence; and how many do so once they have one again."""
    stage, archive, found, lifted = Stage.new(), Archive(), list[str](), 0
    published = Act(MAKER, "passport.published", "A", version=1)
    for one in (Act(MAKER, "battery.produced", "A"), published, act):
        archive = taken(stage, archive, one)
    for lifting in liftings(archive):
        stage.license(frozenset({lifting.by}))
        lost = replace(archive, unlicensed=frozenset({lifting.by}))
        assert not may_speak(lost, lifting)
        found += [str(lifting)] if stage.would(lifting)[0] == STATE else []
        stage.license(frozenset())
        if stage.would(lifting)[0] == STATE:
            assert may_speak(archive, lifting)
            lifted += 1
    return found, lifted


OWN = [
    *(Act(by, "battery.recalled", "A") for by in (MAKER, CN_AUTHORITY)),
    Act(MAKER, "battery.reported_lost", "A"),
    Act(CN_AUTHORITY, "passport.revoked", "A", about_version=1),
]
SET = [
    *OWN,
    Act(CN_AUTHORITY, "battery.reported_lost", "A"),
    *(Act(by, "passport.suspended", "A", about_version=1) for by in (MAKER, CN_AUTHORITY)),
    *(Act(by, "recall.published", "A", scope="model") for by in (MAKER, EU_AUTHORITY)),
]


def test_who_has_no_licence_lifts_nothing_by_the_law_and_by_the_ledger() -> None:
    """
    I2: whoever set it, and its heirs, each without a licence and then with it again. Where the ledger does
    not ask for one, that is found.
    """
    told = [lifted_without_a_licence(act) for act in SET]
    with patched(speaking, "could_set", lambda *_: True):
        unasked = [lifted_without_a_licence(act) for act in OWN]

    print(f"{sum(lifted for _, lifted in told)} liftings, none without a licence")
    assert [found for found, _ in told if found] == []
    assert all(lifted for _, lifted in told)
    assert all(found for found, _ in unasked)


def taken_apart() -> list[str]:
    """What the opinion has against the record of a module that its dismantler had in hand, made by itself."""
    stage, archive = Stage.new(), Archive()
    for code in ("A", "B"):
        made = Act(MAKER, "battery.produced", code)
        given = Act(MAKER, "battery.handed_over", code, parties=(HOLDER,), countersigned=(HOLDER,))
        archive = taken(stage, taken(stage, archive, made), given)
    archive = taken(stage, archive, Act(HOLDER, "battery.declared_waste", "A"))
    apart = Act(HOLDER, "battery.dismantled", "A", others=("B",), countersigned=(MAKER,))
    archive = taken(stage, archive, apart)
    return [about for about, _ in broken(archive.of("B"), stage.standing("B"))]


def taken(stage: Stage, archive: Archive, act: Act) -> Archive:
    outcome, step = stage.would(act)
    assert outcome == STATE and may_speak(archive, act), act
    stage.take(act, step)
    return after(archive, act)


def test_a_module_that_stays_as_it_was_made_is_found() -> None:
    """
    I1: what came out of a waste pack is not just produced any more; where the table does not say so, it is.
    """
    assert taken_apart() == []
    with table_changed("battery.dismantled", "effects", {"claims_children": True, "fact": "dismantled"}):
        assert taken_apart() == ["state"]


def in_recycling() -> tuple[Stage, Archive]:
    stage, archive = Stage.new(), Archive()
    for act in (
        Act(MAKER, "battery.produced", "A"),
        Act(MAKER, "battery.handed_over", "A", parties=(HOLDER,), countersigned=(HOLDER,)),
        Act(HOLDER, "battery.declared_waste", "A"),
        Act(HOLDER, "recycling.received", "A"),
    ):
        archive = taken(stage, archive, act)
    return stage, archive


def test_what_a_named_recycler_completes_lies_where_it_was_received() -> None:
    """
    I5: a battery changes hands by a hand-over or by being taken in; who was named and completes the recycling
    of what another took in says what became of it, not that it has it.
    """
    stage, archive = Stage.new(), Archive()
    for act in (
        Act(MAKER, "battery.produced", "A"),
        Act(MAKER, "battery.handed_over", "A", parties=(STRANGER,), countersigned=(STRANGER,)),
        Act(STRANGER, "battery.declared_waste", "A", parties=(HOLDER,)),
        Act(STRANGER, "recycling.received", "A"),
        Act(HOLDER, "recycling.completed", "A"),
    ):
        archive = taken(stage, archive, act)

    assert archive.of("A").holder == stage.standing("A").holder == STRANGER
    assert list(broken(archive.of("A"), stage.standing("A"))) == []


def weighed_wrongly(event: str, *before: Act) -> set[str]:
    """Which weights of a recycler cannot all be true, and the ledger takes them all the same."""
    stage, archive = in_recycling()
    for act in before:
        archive = taken(stage, archive, act)
    acts = [act for act in more_acts_of(event, "A", archive, ("A",)) if act.by == HOLDER]
    lawful = [act for act in acts if may_speak(archive, act)]
    assert 0 < len(lawful) < len(acts) and all(stage.would(act)[0] == STATE for act in lawful)
    return {str(act.weights) for act in acts if act not in lawful and stage.would(act)[0] == STATE}


def without(event: str, bound: str) -> dict[str, Any]:
    """The members of an event without what says what bounds them."""
    members = next(e for e in lifecycle_table()["events"] if e["type"] == event)["members"]
    return {name: {k: v for k, v in m.items() if k != bound} for name, m in members.items()}


RECYCLED = Act(HOLDER, "recycling.completed", "A")
LOT = Act(HOLDER, "material.recovered", "A", weights=(("mass_grams", 250),))


@pytest.mark.parametrize(
    ("event", "bound", "before", "taken_for_true"),
    [("recycling.completed", "at_most", (), 2), ("recycling.completed", "part_of", (), 2),
     ("material.recovered", "part_of", (RECYCLED,), 1),
     ("material.recovered", "part_of", (RECYCLED, LOT), 2)],
)  # fmt: skip
def test_more_than_went_in_is_found(
    event: str, bound: str, before: tuple[Act, ...], taken_for_true: int
) -> None:
    """
    X13: where the table does not say what bounds what is recovered, as in a network that was founded before
    it did, the ledger takes it, and the law holds that against it.
    """
    assert weighed_wrongly(event, *before) == set()
    with table_changed(event, "members", without(event, bound)):
        assert len(weighed_wrongly(event, *before)) == taken_for_true


OUT_OF_USE = (
    Act(MAKER, "market.placed", "A", parties=(HOLDER,)),
    Act(HOLDER, "battery.installed", "A", vehicle=CAR),
    Act(HOLDER, "battery.swapped_out", "A", vehicle=CAR),
)


def taken_out(fate: str, *, pack: str = "A", inside: str = "B") -> list[Act]:
    """A pack out of a vehicle, taken apart into what its maker said is in it."""
    made = Act(MAKER, "battery.produced", pack, inside=(inside,))
    apart = Act(HOLDER, "battery.dismantled", pack, others=(inside,), countersigned=(MAKER,), fates=(fate,))
    return [made, *(replace(act, battery=pack) for act in OUT_OF_USE), apart]


@pytest.mark.parametrize("fate", ["recycle", "missing"])
def test_a_fate_that_binds_nothing_is_found(fate: str) -> None:
    """
    X8: where no verdict reads what a dismantling says of a module, the law holds that against the verdict.
    """
    sight = Shown("CN", condition="used", direction="inland")
    stage, archive = Stage.new(), Archive()
    for act in (*taken_out(fate), Act(MAKER, "passport.published", "B", version=1)):
        archive = taken(stage, archive, act)
    file = archive.bound("B")

    assert too_good(file, sight, stage.word("B", sight)) == []
    with patched(shown, "tell_fates", lambda *_: False):
        found = [ground for _, ground in too_good(file, sight, stage.word("B", sight))]
    assert len(found) == 1


@pytest.mark.parametrize("fate", ["recycle", "missing"])
def test_a_fate_of_the_pack_under_its_link_that_binds_nothing_is_found(fate: str) -> None:
    """
    X1, X8: taken out of another battery under the link that its passport names, apart under its code.
    """
    sight = Shown("CN", condition="used", direction="inland")
    stage, archive = Stage.new(), Archive()
    made, *out, apart = taken_out("reuse", pack="B", inside="C")
    for act in (
        *taken_out(fate, inside="L"),
        made,
        Act(MAKER, "passport.published", "B", version=1, names=("L",)),
        *out,
        apart,
        Act(MAKER, "passport.published", "C", version=1),
    ):
        archive = taken(stage, archive, act)
    file = archive.bound("C")

    assert too_good(file, sight, stage.word("C", sight)) == []
    with patched(record, "_called", lambda key, _: [key]):
        found = [ground for _, ground in too_good(file, sight, stage.word("C", sight))]
    assert len(found) == 1


def test_a_further_code_that_nobody_reads_is_found() -> None:
    """
    I1: in a vehicle under the code that its passport names, it is no new battery on the shelf.
    """
    sight = Shown("CN", direction="inland")
    stage, archive = Stage.new(), Archive()
    for act in (
        *(Act(MAKER, "battery.produced", code) for code in ("A", "L")),
        Act(MAKER, "passport.published", "A", version=1, names=("L",)),
        Act(MAKER, "battery.sold", "L", parties=(HOLDER,)),
        Act(HOLDER, "battery.installed", "L", vehicle=CAR),
    ):
        archive = taken(stage, archive, act)
    file, beside = archive.bound("A"), [archive.bound(code) for code in further(archive, "A")]

    assert too_good(file, sight, stage.word("A", sight), beside) == []
    with patched(battery, "check_alias", lambda *_: None):
        found = {ground for _, ground in too_good(file, sight, stage.word("A", sight), beside)}
    assert found == {
        "under a further code: as new, with marks of use: installed",
        "under a further code: in a vehicle, shown loose",
    }


INSTEAD = ("passport.published", "A")


@pytest.mark.parametrize("recorded_first", ["the older", "the newer"])
def test_whoever_gave_a_passport_up_publishes_another_and_nobody_else_does(recorded_first: str) -> None:
    """
    I4: one live passport: in either order the newer one of the two is, by the ledger and by the law, and it
    is not where it names nothing, or is no party's own, or the older is suspended.
    """
    older = Act(MAKER, *INSTEAD, version=1)
    newer = Act(MAKER, *INSTEAD, version=2, replaces=older)
    first, second = (older, newer) if recorded_first == "the older" else (newer, older)
    stage, archive = Stage.new(), Archive()
    for act in (Act(MAKER, "battery.produced", "A"), first):
        archive = taken(stage, archive, act)
    refused = {replace(newer, replaces=None), replace(newer, version=1), older} - {first, second}
    refused |= {second} if second is older else set()

    for act in refused:
        assert stage.would(act)[0] != STATE and not may_speak(archive, act), act
    if second is newer:
        paused = Act(MAKER, "passport.suspended", "A", about_version=1)
        stopped, held = stage.fork(), taken(stage.fork(), archive, paused)
        stopped.take(paused, stopped.would(paused)[1])
        assert stopped.would(newer)[0] != STATE and not may_speak(held, newer)
        archive = taken(stage, archive, newer)
    assert archive.of("A").passport == stage.standing("A").passport.version == 2


def test_what_was_never_in_a_pack_does_not_come_out_of_it() -> None:
    """
    I5: a stranger's battery that a maker says is in its pack. Where the ledger lets it be taken out, the law
    does not.
    """
    *before, apart = taken_out("reuse", inside="R1")
    stage, archive = Stage.new(), Archive()
    for act in (Act(RIVAL, "battery.produced", "R1"), *before):
        archive = taken(stage, archive, act)

    assert stage.would(apart)[0] != STATE
    with patched(linked_records, "_could_commit", lambda *_: True):
        assert stage.would(apart)[0] == STATE
    assert not may_speak(archive, apart)


@pytest.mark.check
def test_a_hundred_thousand_random_steps_agree_with_the_law() -> None:
    """
    A twentieth of the long run: 500 seeded histories of 200 steps.
    """
    walks = side_by_side(range(500), 200)

    print(walks, "seeds 0 to 499")
    assert walks.steps == 100_000
    assert not _new(walks.findings.values())


@pytest.mark.long
def test_two_million_random_steps_agree_with_the_law() -> None:
    """
    10,000 seeded histories of 200 steps.
    """
    walks = side_by_side(range(1_000, 11_000), 200)

    print(walks, "seeds 1000 to 10999")
    assert walks.steps == 2_000_000
    assert not _new(walks.findings.values())


@pytest.mark.long
@pytest.mark.parametrize("deck", [name for name in DECKS if name != "two"])
def test_one_battery_to_the_fixpoint(deck: str) -> None:
    """
    Six parties and the customs of each side say whatever the deck lets them, until no new state is reached.
    """
    result = explore(DECKS[deck])

    print(
        f"{deck}: {result.states} states, {result.acts} acts, {result.words} verdicts, depth {result.depth}"
    )
    assert result.finished
    assert not _new(result.findings.values())


@pytest.mark.parametrize(
    ("parties", "depth_max"),
    [
        pytest.param(RIGHTFUL, 5, id="rightful", marks=pytest.mark.check),
        pytest.param(EVERYBODY, 4, id="everybody", marks=pytest.mark.check),
        pytest.param(EVERYBODY, 6, id="everybody further", marks=pytest.mark.long),
    ],
)
def test_two_batteries_to_a_depth(parties: tuple[str, ...], depth_max: int) -> None:
    """
    Whatever two batteries are told in so many acts, by those who have a right and by rival, stranger and the
    authorities of both sides, each is judged no better than the law allows.
    """
    result = explore(replace(DECKS["two"], parties=parties), depth_max=depth_max)

    print(f"two, {len(parties)} parties:", result)
    assert result.depth >= 4
    assert not _new(result.findings.values())


@pytest.mark.check
def test_each_planted_bug_is_caught() -> None:
    """
    Ten bugs in table, rules, right to speak and verdict: each makes the opinion find what it does not find
    without, in decks of seconds.
    """
    caught: dict[str, str] = {}
    for name, bug in BUGS.items():
        with bug():
            for deck in WATCH_DECKS.values():
                result = explore(deck, enough=lambda seen: bool(_new(seen.findings.values())))
                found = _new(result.findings.values())
                if found:
                    caught[name] = f"deck {deck.name}: {min(found, key=len)}"
                    break

    print(*(f"{name}: {caught.get(name, 'NOT CAUGHT')}" for name in BUGS), sep="\n")
    assert set(caught) == set(BUGS)
