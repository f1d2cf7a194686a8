"""Batteries of which the law asks for no passport: never held for want of one, and never clear without."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.ledger.descendants import children_root
from tests.credentials.test_shown import GOOD, PRESENTED, TESTED, check, judged, shape
from tests.credentials.test_used_before import measured, two_publishers
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, IMPORTER, MAKER, RECYCLER, SECOND_LIFE, WORKSHOP

BEFORE, AFTER = (
    1_802_500_000,
    1_805_000_000,
)  # the middle of February and of March 2027: the law asks from the 18th
NOT_ASKED = ("undecided", "passport_not_yet_required")


def let_in(w: World, **production: str) -> str:
    """Made, and let into the EU by customs; nobody published a passport."""
    text = code(1)
    w.produce(text, **production)
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    return text


def placed(w: World) -> str:
    text = let_in(w)
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP, RECYCLER))
    return text


def told(w: World, text: str, **line: Any) -> tuple[str, str]:
    return shape(w.judge(text, law_date="2028-01-01", **line).as_dict())


@pytest.mark.parametrize(
    ("category", "word"),
    [
        ("portable", NOT_ASKED),
        ("sli", NOT_ASKED),
        ("ev", ("hold", "not_published")),
        ("lmt", ("hold", "not_published")),
        ("industrial", ("hold", "not_published")),
    ],
)
def test_a_battery_of_a_category_without_passports_is_not_held_for_one(
    category: str, word: tuple[str, str]
) -> None:
    """
    Art 77(1): light means of transport, industrial and electric vehicle batteries.
    """
    w = World()

    assert told(w, let_in(w, category=category)) == word


def test_a_category_that_nobody_shows_spares_no_passport() -> None:
    """
    The document of the production is not in hand: it is held as any other.
    """
    w = World()
    text = let_in(w, category="portable")

    assert told(w, text, evidence=w.evidence(text, events={})) == ("hold", "not_published")


def test_what_was_placed_before_the_law_asked_is_not_held_for_a_passport() -> None:
    """
    In use, and taken over as waste: a recycler accepts it (Art 70), and is told that nothing is proven.
    """
    w = World()
    text = placed(w)

    assert told(w, text, condition="used", direction="inland") == NOT_ASKED
    w.happen(RECYCLER, "battery.declared_waste", text, {"reason": "worn"})
    assert told(w, text, condition="waste", direction="inland", policy_name="recycler") == NOT_ASKED


def test_what_is_placed_later_is_asked_for_its_passport() -> None:
    """
    A placing in China is none in the EU, and one that was recorded after the day is none before it.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True})

    assert told(w, text, condition="used", direction="inland") == ("hold", "not_published")


def test_of_older_stock_nobody_knows_when_it_was_placed() -> None:
    """
    Entered without a record of its origin, it is not held for want of a passport; placed later, it is.
    """
    w = World()
    text = code(1)
    w.happen(IMPORTER, "battery.enrolled", text, {"ground": "older_stock", "evidence": "x"})

    assert told(w, text, condition="used", direction="inland") == NOT_ASKED
    assert check(w.judge(text).as_dict(), "standing.publication")[0]["reason"] == NOT_ASKED[1]
    w.ledger.now = AFTER
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, event_time=BEFORE)
    assert told(w, text, condition="used", direction="inland", at=AFTER) == ("hold", "not_published")


OTHER_SECOND_LIVES = ("prepared_for_repurposing", "remanufactured")


def out_of_waste(
    w: World, *, published: bool = True, module: str = "", root: bool = False, placed_at: int | None = None
) -> str:
    """A module out of a waste pack: of the dismantler's own codes, or one that its maker committed to.

    `placed_at`: when the pack was placed in the EU, if it was.
    """
    text, pack = module or code(11, maker="ZZ6"), code(1)
    if root:
        w.produce(text)
    committed: dict[str, Any] = {"children_root": children_root([subject_of(text)])} if root else {}
    made = {"production_date": "2026-06-03", "category": "ev"}
    w.happen(MAKER, "battery.produced", pack, made, **committed)
    if published:
        w.publish(pack)
    if placed_at is not None:
        w.happen(
            MAKER, "battery.handed_over", pack, {"invoice": "1"}, parties=(IMPORTER,), cosign=(IMPORTER,)
        )
        w.ledger.now = max(w.ledger.now, placed_at)
        checked = {"art_41_checked": True}
        w.happen(IMPORTER, "market.placed", pack, checked, parties=(RECYCLER,), event_time=BEFORE - 9)
    else:
        w.happen(MAKER, "battery.sold", pack, {"invoice": "1"}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.declared_waste", pack, {"reason": "worn"})
    w.happen(RECYCLER, "battery.dismantled", pack, {"facility_licence": "L"}, references=(subject_of(text),))
    return text


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    ("placed_at", "word"),
    [(BEFORE, NOT_ASKED), (AFTER, ("hold", "not_published")), (None, ("hold", "not_published"))],
)
def test_a_module_is_asked_for_a_passport_as_its_pack_was(
    placed_at: int | None, word: tuple[str, str], *, recorded: bool
) -> None:
    """
    Placed before the law asked, a pack has none for its modules to be waste under: they are not held for it.
    Recorded after the day, or never placed here, it was asked for one; so is a module that somebody places.
    """
    w = World()
    text = out_of_waste(
        w, published=False, placed_at=placed_at, root=recorded, module=code(11) if recorded else ""
    )
    inland: dict[str, Any] = {"direction": "inland", "policy_name": "recycler", "at": AFTER}

    assert told(w, text, condition="waste", **inland) == word
    for condition in ("new", "used", "second_life"):
        assert told(w, text, condition=condition, **inland) == ("refuse_recommended", "waste")


def test_what_a_pack_was_made_from_spares_its_modules_no_passport() -> None:
    """
    The second life of an old pack is another battery, which the law asks for a passport: taken apart without
    one, its modules are held.
    """
    w, made = two_publishers(), code(1, "ZZ5")
    old = out_of_waste(w, published=True)
    w.happen(RECYCLER, "battery.sold", old, {"invoice": "2"}, parties=(SECOND_LIFE,))
    said = {"successors": [made], **TESTED}
    w.happen(
        SECOND_LIFE,
        "second_life.prepared_for_reuse",
        old,
        said,
        cosign=(RECYCLER,),
        references=(subject_of(made),),
    )
    w.produce(made, by=SECOND_LIFE)
    w.happen(SECOND_LIFE, "battery.sold", made, {"invoice": "3"}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.declared_waste", made, {"reason": "worn"})
    module = code(13, maker="ZZ6")
    licence = {"facility_licence": "L"}
    w.happen(RECYCLER, "battery.dismantled", made, licence, references=(subject_of(module),))

    told_of = told(w, module, condition="waste", direction="inland", policy_name="recycler")
    assert told_of == ("hold", "not_published")


def test_what_comes_out_of_waste_needs_no_passport_of_its_own() -> None:
    """
    Art 77(7): waste gets no new passport. Taken over as waste it is not held for one, where its pack has one;
    as anything else it is refused.
    """
    bare, w, again, own = World(), World(), World(), World()
    text = out_of_waste(w)
    module = out_of_waste(again)
    inner = code(12, maker="ZZ6")
    licence = {"facility_licence": "L"}
    again.happen(RECYCLER, "battery.dismantled", module, licence, references=(subject_of(inner),))

    inland: dict[str, Any] = {"direction": "inland", "policy_name": "recycler"}
    assert told(w, text, condition="waste", **inland) == NOT_ASKED
    assert told(again, inner, condition="waste", **inland) == NOT_ASKED
    by_itself = out_of_waste(own, root=True, module=code(11))
    assert told(own, by_itself, condition="waste", **inland) == NOT_ASKED
    assert told(bare, out_of_waste(bare, published=False), condition="waste", **inland) == (
        "hold", "not_published",
    )  # fmt: skip
    for condition in ("new", "used", "second_life", "return", "repair"):
        assert told(w, text, condition=condition, **inland) == ("refuse_recommended", "waste"), condition


def test_a_module_without_a_passport_is_held_by_the_suspension_of_its_pack_s() -> None:
    """
    I2: what an authority suspended binds what came out of it until that authority reinstates it.
    """
    w = World()
    text = out_of_waste(w)
    digest = (w.passports[code(1)].digest,)
    line: dict[str, Any] = {"condition": "waste", "direction": "inland", "policy_name": "recycler"}

    w.happen(CN_AUTHORITY, "passport.suspended", code(1), {"reason": "test"}, references=digest)
    assert told(w, text, **line) == ("hold", "suspended")
    w.happen(CN_AUTHORITY, "passport.reinstated", code(1), {"reason": "ok"}, references=digest)
    assert told(w, text, **line) == NOT_ASKED


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    "kind",
    ["prepared_for_reuse", *(pytest.param(kind, marks=pytest.mark.check) for kind in OTHER_SECOND_LIVES)],
)
def test_what_comes_out_of_waste_is_prepared_for_a_second_life(kind: str, *, recorded: bool) -> None:
    """
    Art 3(30), 77(7): a module without a passport becomes another battery, which has its own; that one is
    clear as what it is, and never as new. So is one that its maker had recorded by itself.
    """
    w, made = two_publishers(), code(1, "ZZ5")
    text = out_of_waste(w, root=True, module=code(11)) if recorded else out_of_waste(w)
    w.happen(RECYCLER, "battery.sold", text, {"invoice": "2"}, parties=(SECOND_LIFE,))
    answers = MAKER if recorded else RECYCLER
    said = {"successors": [made], **TESTED}
    w.happen(
        SECOND_LIFE, f"second_life.{kind}", text, said, cosign=(answers,), references=(subject_of(made),)
    )
    w.produce(made, by=SECOND_LIFE)
    w.publish(made, w.issue(made, by=SECOND_LIFE))
    w.happen(SECOND_LIFE, "battery.sold", made, {"invoice": "I"}, parties=(WORKSHOP, IMPORTER))
    measured(w, made, soh_permille=900)

    assert judged(w, made, condition="second_life")["verdict"] in GOOD
    assert judged(w, made, condition="used", direction="inland")["verdict"] in GOOD
    assert shape(judged(w, made)) == ("hold", "used_sold_as_new")
    assert shape(judged(w, text, condition="waste")) == ("refuse_recommended", "consumed")
