"""What is told of another battery once that, or the one it is told about, went on (I1, I5, I6)."""

from __future__ import annotations

import pytest

from credentials.ledger.linked_records import children_root
from tests.credentials.test_namings import module
from tests.credentials.test_shown import GOOD, VIN, check, judged, shape
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import (
    MAKER,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
    lifecycle_table,
)

LATER_S = 1_000  # beyond the skew of clocks
NAMED = (WORKSHOP, RECYCLER, SECOND_LIFE)


def pack_with(w: World, *inside: str, serial: int = 1, named: tuple[str, ...] = NAMED) -> tuple[str, int]:
    """Used and out, its maker said what is inside; and a time in which who is named may take it apart."""
    pack, vin = code(serial), f"{VIN[:-1]}{serial}"
    made, root = (
        {"production_date": "2026-06-03", "category": "ev"},
        children_root([*map(subject_of, inside)]),
    )
    w.happen(MAKER, "battery.produced", pack, made, children_root=root)
    w.happen(MAKER, "market.placed", pack, {"art_41_checked": True}, parties=named)
    for kind in ("battery.installed", "battery.swapped_out"):
        w.happen(WORKSHOP, kind, pack, {"vin": vin}, bound_asset=subject_of(vin))
    then = w.now
    w.ledger.now += LATER_S
    return pack, then


def handed(w: World, text: str) -> None:
    w.happen(MAKER, "battery.handed_over", text, {"invoice": "1"}, parties=(RIVAL,), cosign=(RIVAL,))


def taken_apart(w: World, pack: str, *inside: str, at: int, by: str = RECYCLER) -> None:
    fates = ["reuse"] * len(inside)
    said = {"facility_licence": "L", "children": list(inside), "fates": fates}
    about = tuple(map(subject_of, inside))
    w.happen(by, "battery.dismantled", pack, said, event_time=at, references=about)


@pytest.mark.parametrize("shown_whole", [True, False], ids=["whole", "in part"])
def test_a_module_that_its_maker_gave_into_a_pack_is_not_new_once_that_is_told_to_be_apart(
    *, shown_whole: bool
) -> None:
    """
    I1: its maker holds it by its record, and showed with the pack that it is in there. Told in time that the
    pack is apart it is marked; told late, it is as undecided as what its dismantler makes or has. Who shows
    less than the whole shows nothing of what is inside. Rules from before judge as they did.
    """
    for known in (True, False):
        w = World(publishers=(MAKER, RECYCLER))
        if not known:
            table = lifecycle_table()
            del table["hears_of_then"]
            w.ledger.go_by(table)
        inside = (module(w, 7), module(w, 8))
        pack, then = pack_with(w, *inside)
        handed(w, pack)
        assert all(judged(w, text)["verdict"] in GOOD for text in inside)

        taken_apart(w, pack, *(inside if shown_whole else inside[:1]), at=then)

        assert "dismantled" in w.ledger.standing(subject_of(pack)).marks
        if known and shown_whole:
            assert {shape(judged(w, text)) for text in inside} == {("undecided", "origin_told")}
            used = check(judged(w, inside[0], condition="used"), "standing.state")
            assert "origin_told" in {c["reason"] for c in used}
        else:
            assert all(judged(w, text)["verdict"] in GOOD for text in inside)


def test_a_module_of_a_pack_that_came_second_is_not_new_either() -> None:
    """
    I1, X8: one of its modules came out of another pack, so that the dismantling does not count; the others
    are as undecided as they are where it is told late.
    """
    w = World()
    both, alone = module(w, 7), module(w, 8)
    first, then = pack_with(w, both)
    second, then = pack_with(w, both, alone, serial=2)
    taken_apart(w, first, both, at=then)
    assert judged(w, alone)["verdict"] in GOOD
    leaf = w.ledger.log.size

    taken_apart(w, second, both, alone, at=then)

    assert [refused.rule for refused in w.ledger.standing(subject_of(second)).refusals] == ["X8"]
    assert leaf < w.ledger.log.size and shape(judged(w, alone)) == ("undecided", "origin_told")


@pytest.mark.parametrize("late", [False, True])
def test_who_has_no_right_over_the_pack_spoils_nothing_that_is_inside(*, late: bool) -> None:
    """
    I5: it shows all that the pack's maker gave into it, and that is a claim about the pack.
    """
    w = World()
    inside = (module(w, 7), module(w, 8))
    pack, then = pack_with(w, *inside, named=(WORKSHOP,))
    if late:
        handed(w, pack)
    taken_apart(w, pack, *inside, at=then)

    assert "dismantled" not in w.ledger.standing(subject_of(pack)).marks
    assert all(judged(w, text)["verdict"] in GOOD for text in inside)
