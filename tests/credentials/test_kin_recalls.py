"""What binds a battery reaches what was made of it: its recall in every form, the certificate of its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from credentials.documents.canonical import digest_document
from credentials.ledger.attestation import Criteria, standing_key
from credentials.ledger.recalls import recall_subject
from credentials.verdicts.evidence import Evidence
from tests.credentials.test_recalls import june
from tests.credentials.test_shown import GOOD, VIN, check, judged, waste
from tests.credentials.test_used_before import (
    measured,
    remanufactured,
    second_life_pack,
    taken_out,
    two_publishers,
)
from tests.harness.border import World, claims_of, code, line_of, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RECYCLER,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    make_genesis,
)

PACK = code(1)
Recalling = Callable[[World], bytes]


def taken(text: str, fate: str = "reuse") -> dict[str, Any]:
    """What the document of a dismantling says of one child."""
    return {"facility_licence": "L", "children": [text], "fates": [fate]}


def child() -> tuple[World, str]:
    """A module that was taken out of the pack."""
    w, text = World(), code(11, maker="ZZ6")
    pack = waste(w, 1)
    w.happen(RECYCLER, "battery.dismantled", pack, taken(text), references=(subject_of(text),))
    return w, text


def successor() -> tuple[World, str]:
    """What the pack was made into."""
    w = two_publishers()
    return w, second_life_pack(w)


def grandchild() -> tuple[World, str]:
    """A module out of a module out of the pack."""
    w, module = child()
    text = code(12, maker="ZZ6")
    w.happen(RECYCLER, "battery.dismantled", module, taken(text), references=(subject_of(text),))
    return w, text


MADE = {made.__name__: made for made in (child, successor, grandchild)}
FORMS: dict[str, Recalling] = {
    "item": lambda w: w.happen(EU_AUTHORITY, "battery.recalled", PACK, {"reason": "x"}),
    "model": lambda w: w.recall(EU_AUTHORITY, criteria=Criteria((PACK[:13],))),
    "batch": lambda w: w.recall(EU_AUTHORITY, criteria=Criteria((PACK[:17],))),
    "days": lambda w: w.recall(EU_AUTHORITY, criteria=june(1, 9)),
    "model and days": lambda w: w.recall(EU_AUTHORITY, criteria=replace(june(1, 9), prefixes=(PACK[:13],))),
    "named": lambda w: w.recall(EU_AUTHORITY, references=(subject_of(PACK),)),
}
OTHERS: dict[str, Recalling] = {
    "another model": lambda w: w.recall(EU_AUTHORITY, criteria=Criteria((PACK[:10] + "9",))),
    "other days": lambda w: w.recall(EU_AUTHORITY, criteria=june(4, 9)),
    "the model, of other days": lambda w: w.recall(
        EU_AUTHORITY, criteria=replace(june(4, 9), prefixes=(PACK[:13],))
    ),
    "another battery": lambda w: w.recall(EU_AUTHORITY, references=(subject_of(code(2)),)),
    "another maker's": lambda w: w.recall(EU_AUTHORITY, namespace="ZZ3", criteria=june(1, 9)),
}


def recall_of(w: World, text: str, evidence: Evidence | None = None) -> list[tuple[str, str]]:
    found = judged(w, text, condition="used", evidence=evidence)
    return [(c["outcome"], c["reason"]) for c in check(found, "standing.recall")]


def without_documents(w: World, text: str) -> Evidence:
    """As a node has it that was given no document of what became of the pack."""
    evidence = w.evidence(text)
    assert evidence.ledger is not None
    relatives = evidence.ledger.relatives
    known = {n: s for n, s in evidence.subjects.items() if standing_key(s) not in relatives}
    return replace(evidence, subjects=known)


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_recall_reaches_what_was_made_of_it(made: str, form: str) -> None:
    """
    In whatever form a pack is recalled: the module out of it, the module out of that, its successor.
    """
    w, text = MADE[made]()
    before = recall_of(w, text)

    FORMS[form](w)

    assert before == [("pass", "ok")]
    assert recall_of(w, text) == [("fail", "recalled")]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("form", OTHERS)
def test_a_recall_of_others_does_not_reach_it(made: str, form: str) -> None:
    """
    Asked of the pack's own code and days, not of all that its maker made.
    """
    w, text = MADE[made]()

    OTHERS[form](w)

    assert recall_of(w, text) == [("pass", "ok")]


@pytest.mark.parametrize(("by", "expected"), [(MAKER, "recalled"), (CN_AUTHORITY, "recalled_elsewhere")])
def test_it_counts_where_it_counts_for_the_pack(by: str, expected: str) -> None:
    """
    The maker's everywhere, an authority's on its own side.
    """
    w, text = child()

    w.recall(by, criteria=Criteria((PACK[:13],)))

    assert [reason for _, reason in recall_of(w, text)] == [expected]


def test_lifted_by_its_setter_it_is_lifted_for_all() -> None:
    """
    One lifting frees the pack and whatever was made of it.
    """
    w, text = child()
    published = FORMS["model"](w)
    lifted = w.ledger.attest(
        EU_AUTHORITY, "recall.lifted", recall_subject("gbt34014", "ZZ1"), references=(published,)
    )
    w.run(lifted)

    assert recall_of(w, text) == [("pass", "ok")]


@pytest.mark.parametrize(
    ("form", "expected"),
    [("model", "not_checked"), ("batch", "not_checked"), ("model and days", "not_checked"),
     ("days", "fail"), ("named", "fail"), ("other days", "not_checked"), ("another battery", "pass"),
     ("another maker's", "pass")],
)  # fmt: skip
@pytest.mark.parametrize("made", MADE)
def test_without_its_code_nothing_is_decided_that_asks_for_it(made: str, form: str, expected: str) -> None:
    """
    The day on record and the name on the ledger are known without; the rest is not checked, and not passed.
    """
    w, text = MADE[made]()
    (FORMS | OTHERS)[form](w)

    found = recall_of(w, text, without_documents(w, text))

    assert [outcome for outcome, _ in found] == [expected]
    if expected == "not_checked":
        assert found[0][1] == "recall_of_kin_unread"


def test_what_is_not_decided_is_not_clear() -> None:
    """
    Undecided by what this node lacks, and no ground.
    """
    w, text = successor()
    FORMS["model"](w)

    found = judged(w, text, condition="second_life", evidence=without_documents(w, text))

    assert (found["verdict"], found["ground"]) == ("undecided", None)
    assert check(found, "standing.recall")[0]["reason"] == "recall_of_kin_unread"


OTHERS_TOO = [pytest.param(word, marks=pytest.mark.check) for word in ("second_life", "return", "repair")]


def module_in_use() -> tuple[World, str]:
    """A module out of a pack that was in use and is no waste."""
    w, text = World(publishers=(MAKER, RECYCLER)), code(11, maker="ZZ6")
    pack = taken_out(w)
    w.happen(MAKER, "battery.sold", pack, {"invoice": "1"}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.dismantled", pack, taken(text), references=(subject_of(text),))
    w.publish(text, w.issue(text, by=RECYCLER))
    return w, text


def successor_of_a_module() -> tuple[World, str]:
    """What was made of such a module."""
    w, module = module_in_use()
    text = code(1, "ZZ5")
    w.publishers = (*w.publishers, SECOND_LIFE)
    w.publish_lists(SECOND_LIFE)
    w.happen(RECYCLER, "battery.sold", module, {"invoice": "2"}, parties=(SECOND_LIFE,))
    remanufactured(w, module, text, cosign=(RECYCLER,))
    w.produce(text, by=SECOND_LIFE)
    w.publish(text, w.issue(text, by=SECOND_LIFE))
    w.happen(SECOND_LIFE, "battery.sold", text, {"invoice": "I"}, parties=(WORKSHOP, IMPORTER))
    measured(w, text, soh_permille=900)
    return w, text


@pytest.mark.parametrize("condition", ["used", *OTHERS_TOO])
@pytest.mark.parametrize("made", [module_in_use, successor, successor_of_a_module])
def test_an_end_that_is_certified_afterwards_is_that_of_what_was_made_of_it(
    made: Callable[[], tuple[World, str]], condition: str
) -> None:
    """
    I6: in whatever order an authority's certificate and the dismantling or the second life were recorded.
    """
    w, text = made()
    before = judged(w, text, condition=condition, head={"direction": "inland"}, policy_name="recycler")

    w.happen(EU_AUTHORITY, "end_of_life.certified", PACK, {"certificate": "C-1"}, parties=(RECYCLER,))

    told = judged(w, text, condition=condition, head={"direction": "inland"}, policy_name="recycler")
    second = made is not module_in_use
    assert (before["verdict"] in GOOD) == (second or condition != "second_life")
    assert (told["verdict"], told["ground"]) == ("hold", "26(e)")
    assert "end_of_life" in {c["reason"] for c in check(told, "new_not_used")}


@pytest.mark.parametrize("before", [False, pytest.param(True, marks=pytest.mark.check)])
@pytest.mark.parametrize("made", [module_in_use, successor, successor_of_a_module])
def test_a_battery_and_what_came_of_it_are_not_on_one_manifest(
    made: Callable[[], tuple[World, str]], *, before: bool
) -> None:
    """
    X8, X17: one battery in two states. What is left of a pack travels as waste beside its modules.
    """
    w, text = made()
    condition = "used" if made is module_in_use else "second_life"

    def on_manifest(pack: str, kin: str = "new") -> list[tuple[str, str]]:
        beside = [line_of(2, PACK, condition=pack) | {"before": before}]
        told = judged(w, text, condition=condition, others=beside)
        back = judged(w, PACK, condition=kin, others=[line_of(2, text, condition=condition)])
        return [(c["outcome"], c["reason"]) for one in (told, back) for c in check(one, "manifest")]

    both = [("fail", "duplicate_line")] * (1 if made is successor_of_a_module else 2)
    assert on_manifest("used", "used") == [*both, ("pass", "ok")][:2]
    assert on_manifest("waste", "waste") == [("pass", "ok")] * 2


def recycle(w: World, text: str) -> None:
    """What is left of a pack goes through recycling."""
    w.happen(RECYCLER, "recycling.received", text, quantities={"mass_in_grams": 9})
    metals = {f"{m}_{way}_grams": 1 for m in ("co", "ni", "li", "cu") for way in ("in", "out")}
    w.happen(RECYCLER, "recycling.completed", text, {"method": "x"} | metals, quantities=metals)


LINK = "https://id.gs1.org/01/09521001000000/21/1"
SAID: dict[str, Callable[[World], object]] = {
    "lost": lambda w: w.happen(MAKER, "battery.reported_lost", LINK, {"reference": "P"}),
    "recalled": lambda w: w.happen(MAKER, "battery.recalled", LINK, {"reason": "fire"}),
    "end_of_life": lambda w: w.happen(
        CN_AUTHORITY, "end_of_life.certified", LINK, {"certificate": "C"}, parties=(RECYCLER,)
    ),
    "recalled by the beginning of the link": lambda w: w.run(
        w.ledger.attest(
            EU_AUTHORITY,
            "recall.published",
            recall_subject("gs1", "9521001"),
            criteria=Criteria((LINK[:40],)),
        )
    ),
}


def named_by_link(*, recorded: bool = True) -> World:
    """A pack with a code and a link, in use and taken out under its code."""
    licences = [*accreditations(), accreditation(MAKER, schemes=(("gs1", "9521001"),), licence="gs1")]
    w = World(Ledger(make_genesis(accreditations=licences)), publishers=(MAKER, SECOND_LIFE, RECYCLER))
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = LINK
    if recorded:
        w.produce(LINK)
    w.produce(PACK)
    w.publish(PACK, w.issue(PACK, claims=claims))
    in_use_and_out(w, PACK)
    return w


def in_use_and_out(w: World, text: str) -> None:
    """Placed, and taken out of a vehicle again."""
    named = (WORKSHOP, SECOND_LIFE, RECYCLER)
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=named)
    for kind in ("battery.installed", "battery.swapped_out"):
        w.happen(WORKSHOP, kind, text, {"vin": VIN}, bound_asset=subject_of(VIN))


def made_of_it(w: World, made: str, pack: str = PACK) -> str:
    """A successor of the pack, or a module out of it."""
    text = code(1, "ZZ5") if made == "successor" else code(11, maker="ZZ6")
    if made == "successor":
        remanufactured(w, pack, text)
        w.produce(text, by=SECOND_LIFE)
        w.publish(text, w.issue(text, by=SECOND_LIFE))
        w.happen(SECOND_LIFE, "battery.sold", text, {"invoice": "I"}, parties=(WORKSHOP,))
        measured(w, text, soh_permille=900)
    else:
        w.happen(RECYCLER, "battery.dismantled", pack, taken(text), references=(subject_of(text),))
        w.publish(text, w.issue(text, by=RECYCLER))
    return text


@pytest.mark.parametrize("made", ["successor", pytest.param("module", marks=pytest.mark.check)])
@pytest.mark.parametrize(
    "said", [pytest.param(name, marks=() if name == "lost" else pytest.mark.check) for name in SAID]
)
def test_what_is_said_under_a_further_code_reaches_what_was_made_of_the_battery(said: str, made: str) -> None:
    """
    I2, X1: known of one name it is known under all, and so of what came of it, whichever was first.
    """
    words = []
    for order in (0, 1):
        w = named_by_link(recorded=said not in ("recalled by the beginning of the link",))
        if order == 0:
            SAID[said](w)
        text = made_of_it(w, made)
        before = judged(w, text, condition="used", head={"direction": "inland"}, policy_name="recycler")
        if order == 1:
            assert before["verdict"] in GOOD
            SAID[said](w)
        told = judged(w, text, condition="used", head={"direction": "inland"}, policy_name="recycler")
        words.append((told["verdict"], told["reason"]))

    assert words == [("hold", said.partition(" ")[0])] * 2


def test_names_of_what_it_came_of_that_cannot_be_read_are_not_passed() -> None:
    """
    I8: a passport of the pack that is not handed out, or a code that nobody looked up. Once the pack was
    recycled its passport ceased, and nobody has to have it.
    """
    w = named_by_link()
    text = made_of_it(w, "module")
    made = w.evidence(text)
    digest = digest_document(w.passports[PACK].credentials[1])
    kept_back = replace(made, earlier={k: v for k, v in made.earlier.items() if k != digest})
    unasked = replace(made, aliases={k: v for k, v in made.aliases.items() if k != LINK})

    def told(evidence: Evidence) -> tuple[str, str]:
        line = {"condition": "used", "head": {"direction": "inland"}, "policy_name": "recycler"}
        found = check(judged(w, text, evidence=evidence, **line), "standing.state")
        return found[-1]["outcome"], found[-1]["reason"]

    assert told(made) == ("pass", "ok")
    assert told(kept_back) == told(unasked) == ("not_checked", "relatives_unread")
    recycle(w, PACK)
    assert told(w.evidence(text)) == ("pass", "ok")
    assert told(replace(w.evidence(text), earlier={})) == ("warn", "names_of_kin_gone")
