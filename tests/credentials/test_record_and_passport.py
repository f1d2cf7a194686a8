"""What the record of a production and a passport both state of a battery, compared (X16, 0933)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from credentials.ledger.lifecycle import Lifecycle
from tests.credentials.test_shown import GOOD, PRESENTED, check, judged
from tests.harness.border import World, code
from tests.harness.ledger import IMPORTER, MAKER, RULES, lifecycle_table

LIFECYCLE = Lifecycle.parse(lifecycle_table())
MADE = [e for e in LIFECYCLE.events.values() if e.effects.creates]
PATHS: dict[str, list[int]] = json.loads((RULES / "passport-paths.json").read_bytes())["members"]
GENERAL = "GeneralProductInformation."

# By member of a production: the member of the passport that says the same, and the check that compares them.
COMPARED = {
    "production_date": ("manufacturingDate", "code_matches_passport"),
    "mass_grams": ("batteryMass", "code_matches_passport"),
    "category": ("batteryCategory", "category"),
}
# Why the others have no counterpart in a passport.
NOT_IN_A_PASSPORT = {
    "children_root": "BatteryPass 1.2 names no modules or cells: a dismantling is compared with the root",
    "predecessors": "BatteryPass 1.2 names none; the record of a second life is judged",
    "recycled_grams": "BatteryPass 1.2 has shares by metal, and no grams or lots: 0711",
    "recycled_lots": "as recycled_grams",
}
# Members of a passport that a record could contradict, and what is made of each.
SAID_ELSEWHERE = {
    "productIdentifier": "compared with the code (alias)",
    "batteryPassportIdentifier": "its publisher's name of it: the ledger goes by digests",
    "batteryStatus": "own_word.py: never better than the record, nor original of a second life",
    "manufacturerInformation": "the maker in law has its own name; who made the code is the ledger's",
    "operatorInformation": "who answers changes on the ledger, without another passport",
    "manufacturingPlace": "a postal address: the ledger has a jurisdiction, which is that of a licence",
    "puttingIntoService": "a day that the maker expects; where and when it was placed is the ledger's alone",
    "warrentyPeriod": "no record states one",
}


def test_every_member_of_a_production_is_compared_or_has_no_counterpart() -> None:
    """
    A new member of a production, or of the general part of a passport, is noticed by whoever adds it.
    """
    (event,) = MADE
    assert event.members.keys() == COMPARED.keys() | NOT_IN_A_PASSPORT.keys()
    assert not COMPARED.keys() & NOT_IN_A_PASSPORT.keys()

    general = {path.removeprefix(GENERAL) for path in PATHS if path.startswith(GENERAL)}
    assert general == {said for said, _ in COMPARED.values()} | SAID_ELSEWHERE.keys()


def test_no_record_states_what_else_a_passport_says() -> None:
    """
    Capacity, voltages, chemistry and materials stand in no member of any event: of the Chinese code the
    chemistry is compared, the rest only its maker says. A health or a count of cycles is of its day.
    """
    stated = {member.name for event in LIFECYCLE.events.values() for member in event.members.values()}
    words = {"capacity", "voltage", "energy", "power", "chemistry", "material", "footprint", "manufacturer"}

    assert not [name for name in stated if any(word in name for word in words)]
    assert {"soh_permille", "cycles"} <= stated


CONTRADICTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "production_date": ({"production_date": "2026-06-04"}, {}),
    "mass_grams": ({"mass_grams": 100_000}, {"quantities": {"mass_grams": 100_000}}),
    "category": ({"category": "lmt"}, {}),
}


@pytest.mark.parametrize("member", [None, *COMPARED])
def test_a_passport_that_contradicts_the_record_is_never_clear(member: str | None) -> None:
    """
    Each member alone: the check that compares it fails and names it. Where nothing differs it is clear.
    """
    w, text = World(), code(1)
    said: dict[str, Any] = {"production_date": "2026-06-03", "category": "ev"}
    other, delta = CONTRADICTIONS.get(member or "", ({}, {}))
    w.happen(MAKER, "battery.produced", text, {**said, **other}, **delta)
    w.publish(text)
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)

    told = judged(w, text)

    assert (told["verdict"] in GOOD) == (member is None)
    if member is not None:
        (found,) = check(told, COMPARED[member][1])
        assert found["outcome"] == "fail" and found["rule"] == "X16"
        differing = found["evidence"].get("differing") or [{"name": "category"}]
        assert [one["name"] for one in differing] == [member]


def test_every_compared_member_is_contradicted_here() -> None:
    """
    The cases above are those of the table.
    """
    assert CONTRADICTIONS.keys() == COMPARED.keys()
