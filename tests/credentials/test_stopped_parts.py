"""What customs hold they hold inside of another battery as well; what never arrived is nowhere (I2, I6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from credentials.ledger.attestation import Attestation
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.verdicts.evidence import Missing, MissingReason
from tests.credentials.test_namings import INLAND, module
from tests.credentials.test_repaired import repaired, stock
from tests.credentials.test_shown import GOOD, PRESENTED, TESTED, VIN, exported, judged, placed, shape
from tests.credentials.test_tied_codes import called_twice
from tests.credentials.test_two_codes import LINK, with_links
from tests.credentials.test_vehicles import CAR, IN_CAR
from tests.harness.border import World, code, line_of, replace, subject_of
from tests.harness.ledger import (
    CUSTOMS,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    RECYCLER,
    SECOND_LIFE,
    WORKSHOP,
)

HERE = {"condition": "used", **INLAND}
STOPPED = ("undecided", "part_stopped")


def declared(w: World, text: str, by: str = MAKER) -> None:
    w.happen(by, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)


def exported_alone(w: World, text: str) -> None:
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))


def suspended(w: World, text: str) -> None:
    declared(w, text)
    w.happen(CUSTOMS, "customs.suspended", text, {"ground": "26(e)"})


def refused(w: World, text: str) -> None:
    declared(w, text)
    w.happen(CUSTOMS, "customs.refused", text, {"conclusion": "c", "endorsement": "e"})


def fitted(w: World, pack: str, **parts: str) -> bytes:
    """By a workshop that the importer named, which has the pack in its hands."""
    document, about = {"work": "module", **parts}, tuple(map(subject_of, parts.values()))
    return w.happen(WORKSHOP, "battery.maintained", pack, document, references=about)


def held(w: World, text: str, **line: object) -> list[str]:
    told = judged(w, text, **line)["checks"]
    holding = (c["evidence"]["held"] for c in told if c["reason"] in ("part_stopped", "vehicle_held"))
    return [why for one in holding for why in one]


def said(w: World) -> list[Attestation]:
    parsed = (parse_entry(leaf.entry) for leaf in w.leaves)
    return [one.attestation for one in parsed if isinstance(one, AdmittedEntry)]


@pytest.mark.parametrize(
    ("stop", "why"),
    [
        (exported_alone, "not_released"),
        (declared, "second_presentation"),
        (suspended, "release_suspended"),
        (refused, "release_refused"),
    ],
)
def test_what_customs_hold_is_in_no_battery_in_the_country(
    stop: Callable[[World, str], None], why: str
) -> None:
    """
    I2, I4: a module that was released nowhere is built into a pack that was, and the pack is sold; once the
    module is out on record, it is that pack again.
    """
    w = World()
    pack, part, other = placed(w, 1), module(w), placed(w, 2)
    stop(w, part)
    assert judged(w, part, **HERE)["verdict"] not in GOOD
    fitted(w, pack, child_in=part)
    fitted(w, other, child_in=module(w, 8))

    assert shape(judged(w, pack, **HERE)) == STOPPED
    assert held(w, pack, **HERE) == [why]
    assert judged(w, other, **HERE)["verdict"] in GOOD
    fitted(w, pack, child_out=part)
    assert judged(w, pack, **HERE)["verdict"] in GOOD


def test_what_was_refused_comes_back_in_nothing_else() -> None:
    """
    I2: sent back and built into new stock, what customs here refused is not let in by another code. It may
    leave; customs that lift their refusal let it in; customs elsewhere refused nothing here.
    """
    w = World()
    pack, part = stock(w), module(w)
    refused(w, part)
    repaired(w, pack, child_in=part)
    declared(w, pack)

    assert shape(judged(w, pack)) == STOPPED
    leaving = {"condition": "used", "direction": "export", "head": {"direction": "export"}}
    assert held(w, pack, policy_name="manufacturer", **leaving) == []
    assert held(w, pack, policy_name="authority-cn", condition="used", head={"direction": "inland"}) == []
    w.happen(CUSTOMS, "customs.refusal_lifted", part, {"reason": "corrected"})
    assert judged(w, pack)["verdict"] in GOOD


def test_what_goes_to_customs_by_itself_has_left_the_battery() -> None:
    """
    I5: a module that a repair put in, and that was declared by itself since, is not in there: the pack is not
    held by what customs do about it. Released before it was built in it holds nothing either.
    """
    for stop in (exported_alone, suspended, refused):
        w = World()
        pack, part, other, spare = stock(w), module(w), stock(w, 2), module(w, 8)
        repaired(w, pack, child_in=part)
        stop(w, part)
        declared(w, spare)
        w.happen(CUSTOMS, "customs.released", spare, {"basis": "registry_check"})
        repaired(w, other, child_in=spare)

        assert judged(w, pack)["verdict"] in GOOD
        assert judged(w, other)["verdict"] in GOOD


def test_where_a_part_of_other_hands_is_holds_nothing_and_a_refusal_does() -> None:
    """
    I5: whose it is says where it is; that customs refused it they said themselves.
    """
    w = World(publishers=(MAKER, OTHER_MAKER))
    pack, part = placed(w, 1), module(w, by=OTHER_MAKER)
    declared(w, part, by=OTHER_MAKER)
    fitted(w, pack, child_in=part)
    assert judged(w, pack, **HERE)["verdict"] in GOOD

    w.happen(CUSTOMS, "customs.refused", part, {"conclusion": "c", "endorsement": "e"})
    other = placed(w, 2)
    fitted(w, other, child_in=part)
    assert held(w, other, **HERE) == ["release_refused"]


def test_what_is_held_is_not_known_to_be_out_where_the_document_is_kept_back() -> None:
    """
    I8: whether the repair put it in or took it out stands in its document.
    """
    w = World()
    pack, part = placed(w, 1), module(w)
    suspended(w, part)
    statement = fitted(w, pack, child_in=part)
    whole = w.evidence(pack)
    assert whole.ledger is not None
    (named,) = (one.document_digest for one in said(w) if one.digest == statement)
    lacks = replace(whole, events={**whole.events, named: Missing(MissingReason.WITHHELD)})

    told = judged(w, pack, evidence=lacks, **HERE)
    assert (told["verdict"], told["reason"]) == ("undecided", "evidence_withheld")


@pytest.mark.parametrize("stop", [suspended, refused])
def test_under_its_further_code_customs_hold_a_part_as_well(stop: Callable[[World, str], None]) -> None:
    """
    X1: a repair names one code of a module; under the other one customs stopped it.
    """
    w = with_links()
    pack, part = stock(w), called_twice(w, code(7))
    stop(w, LINK)
    repaired(w, pack, child_in=part)

    assert judged(w, pack, condition="used", **INLAND)["reason"] == "part_stopped"


def test_a_vehicle_is_held_by_what_customs_refused_inside_its_other_battery() -> None:
    """
    I2: the part is in a battery, and that in the car that is shown with another one.
    """
    w = World()
    other, shown, part = stock(w), stock(w, 2), module(w)
    refused(w, part)
    repaired(w, other, child_in=part)
    for text in (other, shown):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)

    assert held(w, shown, **CAR) == ["release_refused"]
    repaired(w, other, child_out=part)
    assert held(w, shown, **CAR) == []


def test_a_vehicle_is_held_by_what_customs_refused_in_a_first_life() -> None:
    """
    I2: a battery that customs refused is waste, and was made into another: asked about itself that is
    refused, and so is the car with it in it.
    """
    w = World(publishers=(MAKER, SECOND_LIFE))
    old, made, shown = code(1), code(5, maker="ZZ5"), stock(w, 2)
    w.produce(old)
    w.publish(old)
    refused(w, old)
    w.happen(MAKER, "battery.declared_waste", old, {"reason": "x"})
    w.happen(MAKER, "battery.handed_over", old, {}, parties=(SECOND_LIFE,), cosign=(SECOND_LIFE,))
    document, of = TESTED | {"successors": [made]}, (subject_of(made),)
    w.happen(SECOND_LIFE, "second_life.prepared_for_reuse", old, document, cosign=(MAKER,), references=of)
    w.produce(made, by=SECOND_LIFE)
    w.publish(made, w.issue(made, by=SECOND_LIFE))
    assert judged(w, made, condition="second_life", **INLAND)["reason"] == "release_refused"
    w.happen(SECOND_LIFE, "battery.handed_over", made, {}, parties=(MAKER,), cosign=(MAKER,))
    for text in (made, shown):
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, **IN_CAR)

    assert held(w, shown, **CAR | {"condition": "used"} | INLAND) == ["refused"]


# -- what arrived nowhere ---------------------------------------------------------------------------------


def test_on_the_way_no_battery_arrives_by_being_declared_waste() -> None:
    """
    I6: exported and never declared, it is about in no country (0771), whatever its holder says that it is; so
    is the module that comes out of it. Let in by customs it is waste that a recycler may take over.
    """
    as_waste = {"condition": "waste", **INLAND}
    w = World(publishers=(MAKER, RECYCLER))
    way, here, part = exported(w, 1, RECYCLER), exported(w, 2, RECYCLER), code(9, maker="ZZ6")
    w.happen(IMPORTER, "battery.presented", here, PRESENTED)
    w.happen(CUSTOMS, "customs.released", here, {"basis": "registry_check"})
    for text in (way, here):
        w.happen(RECYCLER, "battery.declared_waste", text, {"reason": "x"})
    w.happen(MAKER, "battery.handed_over", way, {}, parties=(RECYCLER,), cosign=(RECYCLER,))
    apart = {"facility_licence": "L", "children": [part], "fates": ["recycle"]}

    assert shape(judged(w, way, **as_waste)) == ("hold", "not_released")
    assert judged(w, here, **as_waste)["verdict"] in GOOD
    w.happen(RECYCLER, "battery.dismantled", way, apart, references=(subject_of(part),))
    assert shape(judged(w, part, **as_waste)) == ("hold", "not_released")


def test_on_the_way_no_part_arrives_by_being_declared_waste() -> None:
    """
    The same of what a repair put into a battery that is waste where it is (found by a drawn story).
    """
    w = World()
    pack, part = stock(w), module(w)
    exported_alone(w, part)
    repaired(w, pack, child_in=part)
    for text in (pack, part):
        w.happen(MAKER, "battery.declared_waste", text, {"reason": "worn"})

    assert held(w, pack, condition="waste", **INLAND) == ["not_released"]


# -- what is declared beside it ---------------------------------------------------------------------------


def test_what_is_in_a_battery_is_no_line_of_its_own() -> None:
    """
    X8, X17: a pack and the module that a repair left in it are declared as two goods, in whatever order they
    stand; another module beside it, one that was taken out, and each by itself are clear.
    """
    w = World()
    pack, part, other = stock(w), module(w), module(w, 8)

    def beside(one: str, another: str, **line: object) -> tuple[str, str]:
        declared_as = {"condition": line.get("condition", "new")}
        first, second = ([line_of(9, another) | declared_as | {"before": b}] for b in (True, False))
        words = {shape(judged(w, one, others=others, **line)) for others in (first, second)}
        assert len(words) == 1
        return words.pop()

    assert beside(pack, part)[0] in GOOD
    repaired(w, pack, child_in=part)
    assert beside(pack, part) == beside(part, pack) == ("undecided", "declared_inside")
    assert beside(pack, other)[0] in GOOD
    assert judged(w, pack)["verdict"] in GOOD
    assert beside(pack, part, condition="used", **INLAND) == ("undecided", "declared_inside")
    repaired(w, pack, child_out=part)
    assert beside(pack, part)[0] in GOOD
    assert beside(part, pack)[0] in GOOD
