"""What is stated of a pack under its further code binds what came out of it under the other (X1, X8, I2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from credentials.ledger.attestation import standing_key
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import RELATIVES_MAX, Evidence, relatives_of
from tests.credentials.test_earlier_codes import renew
from tests.credentials.test_kin_recalls import taken
from tests.credentials.test_shown import GOOD, check, shape
from tests.credentials.test_two_codes import LINK
from tests.credentials.test_used_before import taken_out
from tests.credentials.test_used_evidence import inquiry
from tests.harness.border import World, claims_of, code, subject_of
from tests.harness.ledger import (
    EU_AUTHORITY,
    MAKER,
    RECYCLER,
    Ledger,
    accreditation,
    accreditations,
    battery,
    make_genesis,
)

PACK, OUTER, MODULE, PART = code(1), code(2), code(11, maker="ZZ6"), code(12, maker="ZZ6")


def border() -> World:
    """MAKER makes packs; RECYCLER takes apart, and may make links of its own."""
    links = accreditation(RECYCLER, schemes=(("gs1", "9521001"),), licence="links")
    return World(
        Ledger(make_genesis(accreditations=[*accreditations(), links])), publishers=(MAKER, RECYCLER)
    )


def apart(w: World, pack: str, child: str, fate: str = "reuse") -> None:
    w.happen(RECYCLER, "battery.dismantled", pack, taken(child, fate), references=(subject_of(child),))


def in_hand(w: World, serial: int, named: str | None = None) -> str:
    """A pack that was in use, in the hands of who takes packs apart; its passport may name a further code."""
    pack = taken_out(w, serial)
    if named is not None:
        renew(w, pack, named)
    w.happen(MAKER, "battery.sold", pack, {"invoice": "1"}, parties=(RECYCLER,))
    return pack


def link_out_of_another(w: World, fate: str) -> None:
    """The pack's link came out of another battery, with this fate."""
    apart(w, in_hand(w, 2), LINK, fate)


def module_of(w: World) -> None:
    """A module out of the pack whose passport names the link."""
    apart(w, in_hand(w, 1, LINK), MODULE)
    w.publish(MODULE, w.issue(MODULE, by=RECYCLER))


def part_of_module(w: World) -> None:
    """A part out of a module out of that pack; the part is what is shown."""
    apart(w, in_hand(w, 1, LINK), PART)
    apart(w, PART, MODULE)
    w.publish(MODULE, w.issue(MODULE, by=RECYCLER))


def judged(w: World, condition: str = "used", evidence: Evidence | None = None) -> tuple[str, str, set[str]]:
    line = {"condition": condition, "head": {"direction": "inland"}, "policy_name": "recycler"}
    told = w.judge(MODULE, evidence=evidence, **line).as_dict()  # type: ignore[arg-type]
    fates = {c["evidence"]["fate"] for c in check(told, "standing.state") if "fate" in c["evidence"]}
    return (*shape(told), fates)


@pytest.mark.parametrize("made", [module_of, pytest.param(part_of_module, marks=pytest.mark.check)])
@pytest.mark.parametrize("condition", ["used", pytest.param("waste", marks=pytest.mark.check)])
@pytest.mark.parametrize("fate", ["reuse", "recycle", "missing"])
def test_a_fate_of_the_pack_under_its_further_code_is_one_of_its_modules(
    fate: str, condition: str, made: Callable[[World], None]
) -> None:
    """
    Taken out of another battery under its link, for recycling or as missing, and taken apart under its code.
    """
    w = border()
    link_out_of_another(w, fate)
    made(w)

    word, _, fates = judged(w, condition)

    bad = {"recycle": {"recycle"} - ({"recycle"} if condition == "waste" else set()), "missing": {"missing"}}
    assert fates == bad.get(fate, set())
    assert (word in GOOD) == (fate == "reuse" and condition == "used")


def test_a_fate_under_the_packs_further_code_that_is_kept_back_does_not_pay() -> None:
    """
    I8: the document of that dismantling is not had, or the dismantling itself not in hand.
    """
    w = border()
    link_out_of_another(w, "recycle")
    module_of(w)
    evidence = w.evidence(MODULE)
    code_of_pack = evidence.aliases[LINK]
    assert code_of_pack.taken_out

    for unread in (
        replace(evidence, events={}),
        replace(evidence, aliases={**evidence.aliases, LINK: replace(code_of_pack, taken_out=())}),
    ):
        assert judged(w, evidence=unread)[0] == "undecided"


@pytest.mark.parametrize("what", ["suspended", pytest.param("revoked", marks=pytest.mark.check)])
def test_what_an_authority_did_to_the_packs_passport_under_its_further_code_binds(what: str) -> None:
    """
    I2: until that authority takes it back.
    """
    w = border()
    link_out_of_another(w, "reuse")
    w.publish(LINK, w.issue(LINK, by=RECYCLER, claims=claims_of(1)))
    module_of(w)
    before, digest = judged(w), (w.passports[LINK].digest,)

    w.happen(EU_AUTHORITY, f"passport.{what}", LINK, {"reason": "case"}, references=digest)
    held = judged(w)
    back = {"suspended": "passport.reinstated", "revoked": "passport.ban_lifted"}[what]
    w.happen(EU_AUTHORITY, back, LINK, {"reason": "ok"}, references=digest if what == "suspended" else ())

    word = {"suspended": ("hold", "suspended"), "revoked": ("refuse_recommended", "publication_banned")}
    assert before[0] in GOOD and held[:2] == word[what] and judged(w)[0] in GOOD


@pytest.mark.parametrize("fate", ["reuse", pytest.param("recycle", marks=pytest.mark.check)])
def test_taken_apart_under_its_further_code_the_fate_is_read_there(fate: str) -> None:
    """
    The module came out of the link; what is on record of the code that names the link binds it as well.
    """
    w = border()
    link_out_of_another(w, "reuse")
    apart(w, LINK, MODULE, fate)
    w.publish(MODULE, w.issue(MODULE, by=RECYCLER))

    assert (judged(w)[0] in GOOD) == (fate == "reuse")


def test_a_pack_under_its_further_code_out_of_its_own_module_is_not_checked() -> None:
    """
    X8: codes are blinded on the ledger, which records it; nothing else that came out of the pack is touched.
    """
    w, sibling = border(), code(13, maker="ZZ6")
    pack = in_hand(w, 1, LINK)
    both = {"facility_licence": "L", "children": [MODULE, sibling], "fates": ["reuse", "reuse"]}
    references = (subject_of(MODULE), subject_of(sibling))
    w.happen(RECYCLER, "battery.dismantled", pack, both, references=references)
    w.publish(sibling, w.issue(sibling, by=RECYCLER))
    apart(w, MODULE, LINK)
    w.publish(LINK, w.issue(LINK, by=RECYCLER, claims=claims_of(1)))

    line: dict[str, Any] = {"condition": "used", "head": {"direction": "inland"}, "policy_name": "recycler"}
    words = {text: shape(w.judge(text, **line).as_dict()) for text in (LINK, sibling)}

    assert words[LINK] == ("undecided", "relatives_unread") and words[sibling][0] in GOOD


@pytest.mark.parametrize(("behind", "unread"), [(RELATIVES_MAX, False), (RELATIVES_MAX + 1, True)])
@pytest.mark.parametrize("in_a_row", [True, False])
def test_more_behind_a_battery_than_is_read_is_not_checked(behind: int, in_a_row: bool, unread: bool) -> None:
    """
    I8: one out of the other, or all made into one.
    """
    subjects = [battery(n) for n in range(1, behind + 2)]
    keys = [standing_key(subject) for subject in subjects]
    of: dict[bytes, Standing] = {}
    for place, (key, subject) in enumerate(zip(keys, subjects, strict=True)):
        before = keys[place + 1 : place + 2] if in_a_row else keys[1:] if place == 0 else []
        of[key] = Standing(subject, item_state="removed", predecessors=tuple(before))
    first = of[keys[0]]
    relatives = relatives_of(first, lambda asked: {key: of[key] for key in asked})

    made = inquiry(standing=first)
    view = replace(made.evidence.ledger, relatives=relatives)  # type: ignore[type-var]
    about = replace(made, evidence=replace(made.evidence, ledger=view))

    assert len(relatives) == RELATIVES_MAX and about.kin_missing == unread
