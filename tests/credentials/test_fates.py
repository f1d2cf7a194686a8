"""What the document of a dismantling says became of a module binds the module (X8)."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.verdicts.evidence import Evidence
from tests.credentials.test_journeys import DAY_S, RECORD
from tests.credentials.test_kin_recalls import taken
from tests.credentials.test_shown import GOOD, check, shape
from tests.credentials.test_two_codes import LINK
from tests.credentials.test_used_before import taken_out
from tests.harness.border import World, claims_of, code, replace, stamp, subject_of
from tests.harness.ledger import MAKER, RECYCLER, Ledger, accreditation, accreditations, make_genesis


def module(fate: str, **said: Any) -> tuple[World, str]:
    """A module, with a passport of its own, out of a pack that was in use and is no waste."""
    w, text = World(publishers=(MAKER, RECYCLER)), code(11, maker="ZZ6")
    pack = taken_out(w)
    w.happen(MAKER, "battery.sold", pack, {"invoice": "1"}, parties=(RECYCLER,))
    apart = taken(text, fate) | said
    w.happen(RECYCLER, "battery.dismantled", pack, apart, references=(subject_of(text),))
    w.publish(text, w.issue(text, by=RECYCLER))
    return w, text


def passed(told: Any) -> bool:
    """True if a check of the state says that nothing is against it."""
    return "pass" in {c["outcome"] for c in check(told, "standing.state")}


def judged(w: World, text: str, condition: str, evidence: Evidence | None = None) -> tuple[str, str]:
    line = {"condition": condition, "direction": "inland"}
    return shape(w.judge(text, evidence=evidence, **line).as_dict())  # type: ignore[arg-type]


@pytest.mark.parametrize("fate", ["reuse", "repurpose"])
def test_a_module_that_was_to_be_used_is_a_used_one(fate: str) -> None:
    """
    Nothing is said against it.
    """
    w, text = module(fate)

    assert judged(w, text, "used")[0] in GOOD


@pytest.mark.parametrize("condition", ["new", "used", "return"])
def test_a_module_that_was_to_be_recycled_is_sold_as_nothing_else(condition: str) -> None:
    """
    Recorded for recycling by who took the pack apart, and shown as a product all the same: it was clear.
    """
    w, text = module("recycle")

    told = w.judge(text, condition=condition, direction="inland").as_dict()

    assert told["verdict"] == "refuse_recommended"
    assert {c["evidence"]["fate"] for c in check(told, "standing.state") if c["reason"] == "waste"} == {
        "recycle"
    }
    assert not passed(told)


def test_a_module_that_was_to_be_recycled_may_be_shown_as_waste() -> None:
    """
    That is what it is: nothing of the dismantling speaks against it.
    """
    w, text = module("recycle")

    told = w.judge(text, condition="waste", direction="inland").as_dict()

    assert not [c for c in check(told, "standing.state") if "fate" in c["evidence"]]


@pytest.mark.parametrize("condition", ["used", "waste"])
def test_a_module_that_was_missing_is_held_whatever_it_is_shown_as(condition: str) -> None:
    """
    It was not in the pack: whoever shows it says where it was.
    """
    w, text = module("missing")

    told = w.judge(text, condition=condition, direction="inland").as_dict()

    assert told["verdict"] in ("hold", "refuse_recommended")
    assert "lost" in {c["reason"] for c in check(told, "standing.state")}


def test_what_is_kept_back_of_a_dismantling_does_not_pay() -> None:
    """
    Its document not in hand, or naming no fate for this module: undecided.
    """
    w, text = module("recycle")
    evidence = w.evidence(text)
    assert evidence.ledger is not None
    dismantled = {leaf.leaf_index for leaf in evidence.ledger.taken_out}
    assert len(dismantled) == 1

    told = w.judge(
        text, condition="used", direction="inland", evidence=replace(evidence, events={})
    ).as_dict()

    assert told["verdict"] == "undecided" and not passed(told)


@pytest.mark.parametrize("said", [{"fates": []}, {"children": ["another"]}])
def test_a_dismantling_that_names_no_fate_for_it_is_not_held(said: dict[str, Any]) -> None:
    """
    Its document is in hand and says nothing of this module: what would say it is not there.
    """
    w, text = module("reuse", **said)

    told = w.judge(text, condition="used", direction="inland").as_dict()

    assert shape(told) == ("undecided", "not_held") and not passed(told)


def test_under_rules_that_name_no_fate_none_is_asked() -> None:
    """
    A network whose rules have none yet: a document that is not in hand holds nothing up.
    """
    w, text = module("recycle")
    evidence = w.evidence(text)
    tables = evidence.network.tables
    verdicts = {**tables.verdicts, "events": {**tables.verdicts["events"], "fates": {}}}
    network = replace(evidence.network, tables=replace(tables, verdicts=verdicts))

    told = judged(w, text, "used", replace(evidence, network=network, events={}))

    assert told[0] in GOOD


@pytest.mark.parametrize("unread", ["missing", "of a later form"])
def test_a_dismantling_that_cannot_be_read_is_not_passed_over(unread: str) -> None:
    """
    The ledger says at which leaf it was taken out; what is there is not in hand, or cannot be read.
    """
    w, text = module("recycle")
    evidence = w.evidence(text)
    assert evidence.ledger is not None
    (out,) = evidence.ledger.taken_out
    left = [] if unread == "missing" else [replace(out, entry=b"\x00", parsed=None)]
    given = replace(evidence, ledger=replace(evidence.ledger, taken_out=left))

    told = w.judge(text, condition="used", direction="inland", evidence=given).as_dict()

    assert shape(told) == ("undecided", "relatives_unread") and not passed(told)


@pytest.mark.parametrize("condition", ["used", "waste"])
@pytest.mark.parametrize("fate", ["reuse", "recycle", "missing"])
def test_what_was_said_of_a_module_under_its_further_code_binds_it(fate: str, condition: str) -> None:
    """
    X1: taken out for re-use by its code, and of another pack by the link on its label.
    """
    links = accreditation(RECYCLER, schemes=(("gs1", "9521001"),), licence="links")
    ledger = Ledger(make_genesis(accreditations=[*accreditations(), links]))
    w, text = World(ledger, publishers=(MAKER, RECYCLER)), code(11, maker="ZZ6")
    for serial, child, said in ((1, text, "reuse"), (2, LINK, fate)):
        pack = taken_out(w, serial)
        w.happen(MAKER, "battery.sold", pack, {"invoice": "1"}, parties=(RECYCLER,))
        w.happen(RECYCLER, "battery.dismantled", pack, taken(child, said), references=(subject_of(child),))
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = LINK
    w.publish(text, w.issue(text, by=RECYCLER, claims=claims))

    told = w.judge(text, condition=condition, direction="inland").as_dict()

    reasons = {c["reason"] for c in check(told, "alias") if c["evidence"].get("fate") == fate}
    assert reasons == {"recycle": {"waste"} - {condition}, "missing": {"lost"}}.get(fate, set())
    assert (told["verdict"] in GOOD) == (fate == "reuse" and condition == "used")


def test_of_two_fates_of_one_module_neither_is_left_out() -> None:
    """
    A document that names a module for re-use and again for recycling.
    """
    w, text = World(publishers=(MAKER, RECYCLER)), code(11, maker="ZZ6")
    pack = taken_out(w)
    w.happen(MAKER, "battery.sold", pack, {"invoice": "1"}, parties=(RECYCLER,))
    apart = {"facility_licence": "L", "children": [text, text], "fates": ["reuse", "recycle"]}
    w.happen(RECYCLER, "battery.dismantled", pack, apart, references=(subject_of(text),))
    w.publish(text, w.issue(text, by=RECYCLER))

    assert judged(w, text, "used")[0] == "refuse_recommended"


@pytest.mark.parametrize(("days", "good"), [(-30, False), (-1, False), (0, True), (1, True)])
def test_a_module_that_crosses_was_tested_once_it_was_out_of_its_pack(days: int, good: bool) -> None:
    """
    X19, 0949: in there it was in use, and so was what its test was of.
    """
    w, text = World(publishers=(MAKER, RECYCLER)), code(11, maker="ZZ6")
    pack = taken_out(w)
    w.happen(MAKER, "battery.sold", pack, {"invoice": "1"}, parties=(RECYCLER,))
    w.ledger.now += 10 * DAY_S
    tested = {"soh_date": stamp(w.now + days * DAY_S)[:10]}
    w.happen(RECYCLER, "battery.dismantled", pack, taken(text, "reuse"), references=(subject_of(text),))
    w.publish(text, w.issue(text, by=RECYCLER))
    w.ledger.now += 2 * DAY_S
    w.happen(RECYCLER, "used.exported", text, RECORD | tested, quantities={"soh_permille": 900})

    told = w.judge(text, condition="used", direction="export").as_dict()

    reason = [c["reason"] for c in check(told, "used_evidence")]
    assert reason == ["ok" if good else "used_evidence_outdated"]
    assert (told["verdict"] in GOOD) == good
