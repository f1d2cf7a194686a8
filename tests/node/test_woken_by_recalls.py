"""A recall of the codes of whatever is tied to a battery has its open line judged again (I2, I9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.payload import Criteria
from credentials.ledger.recalls import recall_subject
from node.storage.entries import row_of as leaf_row
from node.storage.office import OfficeStore
from node.verdicts.resting import rests_of
from node.verdicts.watching import Watching
from tests.credentials.test_namings import INLAND, module
from tests.credentials.test_repaired import repaired
from tests.credentials.test_shown import GOOD, TESTED, VIN
from tests.credentials.test_tied_codes import called_twice
from tests.credentials.test_tied_kin import taken_apart
from tests.credentials.test_two_codes import LINK
from tests.credentials.test_vehicles import CAR, IN_CAR
from tests.harness.border import World, claims_of, code, policy, subject_of
from tests.harness.ledger import (
    ANY_BATTERY,
    CUSTOMS,
    MAKER,
    RECYCLER,
    Ledger,
    accreditation,
    accreditations,
    make_genesis,
)
from tests.node.test_woken import Gathering, as_gathered, office, open_line, woken

__all__ = ["office"]

OWN, OTHER = code(2, maker="ZZ2"), code(1)  # codes of two namespaces
USED_CAR = {**CAR, "condition": "used", **INLAND}
IN_USE = {"condition": "used", **INLAND}


def own(w: World, named: str | None = None) -> str:
    claims = claims_of(2)
    claims["GeneralProductInformation"]["productIdentifier"] = named or OWN
    w.produce(OWN)
    w.publish(OWN, w.issue(OWN, claims=claims))
    return OWN


def a_part(w: World) -> None:
    repaired(w, own(w), child_in=module(w, 1))


def a_part_without_a_record(w: World) -> None:
    repaired(w, own(w), child_in=OTHER)


def a_part_under_its_further_code(w: World) -> None:
    repaired(w, own(w), child_in=called_twice(w, code(7)))


def what_is_in_a_part_under_its_further_code(w: World) -> None:
    part = called_twice(w, code(7))
    repaired(w, LINK, child_in=module(w, 1))
    repaired(w, own(w), child_in=part)


def what_it_came_out_of(w: World) -> None:
    repaired(w, module(w, 1), child_out=own(w))


def what_a_part_came_of(w: World) -> None:
    _, part = taken_apart(w)
    own(w)
    w.happen(MAKER, "market.placed", OWN, {"art_41_checked": True})
    w.happen(MAKER, "battery.handed_over", OWN, {}, parties=(RECYCLER,), cosign=(RECYCLER,))
    said = {"work": "module", "child_in": part}
    w.happen(RECYCLER, "battery.maintained", OWN, said, references=(subject_of(part),))


def made_into(w: World, successor: str) -> None:
    """A second life, by its maker."""
    module(w, 1)
    w.happen(MAKER, "market.placed", OTHER, {"art_41_checked": True})
    said, of = TESTED | {"successors": [successor]}, (subject_of(successor),)
    w.happen(MAKER, "second_life.repurposed", OTHER, said, references=of)


def what_it_was_made_of(w: World) -> None:
    made_into(w, OWN)
    own(w)


def what_its_first_life_came_out_of(w: World) -> None:
    pack, first = module(w, 1), code(7, maker="ZZ2")
    w.produce(first)
    w.publish(first)
    repaired(w, pack, child_out=first)
    w.happen(MAKER, "market.placed", first, {"art_41_checked": True})
    said, of = TESTED | {"successors": [OWN]}, (subject_of(OWN),)
    w.happen(MAKER, "second_life.repurposed", first, said, references=of)
    own(w)


def another_in_its_vehicle(w: World) -> None:
    for text in (own(w), module(w, 1)):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)


def another_in_its_vehicle_under_its_further_code(w: World) -> None:
    for text in (own(w), called_twice(w, code(7))):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)


def what_another_in_its_vehicle_was_made_of(w: World) -> None:
    made = code(5, maker="ZZ2")
    made_into(w, made)
    w.produce(made)
    w.publish(made)
    for text in (own(w), made):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)


def what_another_in_its_vehicle_came_out_of(w: World) -> None:
    pack, other = module(w, 1), code(7, maker="ZZ2")
    w.produce(other)
    w.publish(other)
    repaired(w, pack, child_out=other)
    for text in (own(w), other):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)


def what_is_in_the_first_life_of_another(w: World) -> None:
    first, made = code(7, maker="ZZ2"), code(5, maker="ZZ2")
    w.produce(first)
    w.publish(first)
    repaired(w, first, child_in=module(w, 1))
    w.happen(MAKER, "market.placed", first, {"art_41_checked": True})
    said, of = TESTED | {"successors": [made]}, (subject_of(made),)
    w.happen(MAKER, "second_life.repurposed", first, said, references=of)
    w.produce(made)
    w.publish(made)
    for text in (own(w), made):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)


def what_a_further_code_of_it_was_made_of(w: World) -> None:
    own(w, named=LINK)
    made_into(w, LINK)
    claims = claims_of(2)
    claims["GeneralProductInformation"]["productIdentifier"] = OWN
    w.produce(LINK)
    w.publish(LINK, w.issue(LINK, claims=claims))


BY_ITEMS = {"references": (subject_of(OTHER),)}
OF_LINK = {"criteria": Criteria((LINK,), None, None)}
Tie = tuple[Callable[[World], None], Mapping[str, Any], Mapping[str, Any]]
TIES: tuple[Tie, ...] = (
    (a_part, BY_ITEMS, IN_USE),
    (a_part_without_a_record, BY_ITEMS, IN_USE),
    (a_part_under_its_further_code, OF_LINK, IN_USE),
    (what_is_in_a_part_under_its_further_code, BY_ITEMS, IN_USE),
    (what_it_came_out_of, BY_ITEMS, IN_USE),
    (what_a_part_came_of, BY_ITEMS, IN_USE),
    (what_it_was_made_of, BY_ITEMS, {"condition": "second_life", **INLAND}),
    (what_its_first_life_came_out_of, BY_ITEMS, {"condition": "second_life", **INLAND}),
    (another_in_its_vehicle, BY_ITEMS, USED_CAR),
    (another_in_its_vehicle_under_its_further_code, OF_LINK, USED_CAR),
    (what_another_in_its_vehicle_was_made_of, BY_ITEMS, USED_CAR),
    (what_another_in_its_vehicle_came_out_of, BY_ITEMS, USED_CAR),
    (what_is_in_the_first_life_of_another, BY_ITEMS, USED_CAR),
    (what_a_further_code_of_it_was_made_of, BY_ITEMS, {"condition": "second_life", **INLAND}),
)


@pytest.mark.parametrize(("tie", "recalled", "line"), TIES, ids=[tie.__name__ for tie, *_ in TIES])
def test_a_recall_of_what_is_tied_to_a_battery_wakes_its_line(
    tie: Callable[[World], None],
    recalled: Mapping[str, Any],
    line: Mapping[str, Any],
    office: OfficeStore,
) -> None:
    """
    Published, it makes the line say something else, and the line is found by the codes that it is about;
    lifted, it is found once more.
    """
    more = [
        accreditation(MAKER, roles=("second_life_operator",), schemes=ANY_BATTERY, licence="second lives"),
        accreditation(MAKER, schemes=(("gs1", "9521001"),), licence="gs1"),
    ]
    genesis = make_genesis(accreditations=[*accreditations(), *more])
    w = World(Ledger(genesis), publishers=(MAKER, RECYCLER))
    tie(w)
    watching = _watching(w, office)
    said = _judged(w, office, watching, line)
    about = recall_subject("gs1", "9521001") if recalled is OF_LINK else recall_subject("gbt34014", "ZZ1")

    seen = len(w.leaves)
    w.run(w.ledger.attest(MAKER, "recall.published", about, **recalled))
    assert _looked(w, office, watching, seen) == 1
    held = _judged(w, office, watching, line)
    assert held != said and held[0] not in GOOD

    seen, digest = len(w.leaves), _last(w)
    w.run(w.ledger.attest(MAKER, "recall.lifted", about, references=(digest,)))
    assert _looked(w, office, watching, seen) == 1
    assert _judged(w, office, watching, line) == said


def _watching(w: World, office: OfficeStore) -> Watching:
    gathering = Gathering()
    gathering.event_of = lambda row: w.governance.lifecycle.event(row.kind)  # type: ignore[attr-defined]
    standings = SimpleNamespace(keys_changed=lambda first, last: [], records=lambda keys: {})
    ledger = SimpleNamespace(standings=standings)
    return Watching(*[cast(Any, one) for one in (office, ledger, gathering, policy("recycler"))])


def _judged(w: World, office: OfficeStore, watching: Watching, line: Mapping[str, Any]) -> tuple[str, str]:
    """The word on its line, which is open then."""
    found = w.evidence(OWN, vin=line.get("vin"))
    assert found.ledger is not None
    found = replace(found, ledger=as_gathered(found.ledger))
    verdict = w.judge(OWN, evidence=found, **line).as_dict()
    read = rests_of(found, CUSTOMS, policy("recycler").status_list_age_s_max, w.now)
    open_line(office, watching, verdict, read)
    return verdict["verdict"], verdict["reason"]


def _looked(w: World, office: OfficeStore, watching: Watching, seen: int) -> int | None:
    """By when the line is judged again, once the watch has looked at the leaves since."""
    leaves = w.leaves[seen:]
    rows = [replace(leaf_row(leaf.entry), height=leaf.height) for leaf in leaves]
    with office.writing() as db:
        office.overtaken.mark_stale(db, about=watching.learned.about(rows), created_after=0)
    return woken(office)


def _last(w: World) -> bytes:
    """The digest of the last statement."""
    parsed = (parse_entry(leaf.entry) for leaf in reversed(w.leaves))
    return next(one.attestation.digest for one in parsed if isinstance(one, AdmittedEntry))
