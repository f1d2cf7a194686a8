"""Parts of a battery: committed to by its maker, opened whole or one by one, compared with their records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key
from credentials.ledger.descendants import root_of
from credentials.verdicts.parts_check import (
    CommitmentError,
    PartsChecked,
    PartShown,
    check_parts,
    key_shown,
    open_part,
    require_opened,
)
from tests.harness.border import World, code, identifier_of, subject_of
from tests.harness.ledger import IMPORTER, MAKER, OTHER_MAKER, RECYCLER


def module(serial: int, maker: str = "ZZ1") -> str:
    """The code of a module."""
    return code(serial, maker).replace("PE", "ME", 1)


def keys_of(codes: Sequence[str]) -> list[bytes]:
    return [standing_key(subject_of(text)) for text in codes]


def pack_of(w: World, text: str, parts: Sequence[str]) -> None:
    """A new pack whose maker committed to these parts."""
    root = root_of(keys_of(parts))
    said = {"production_date": "2026-06-03", "category": "ev", "children_root": b64u(root)}
    w.happen(MAKER, "battery.produced", text, said, children_root=root)


def shown(w: World, *parts: str, opened_among: Sequence[str] = ()) -> list[PartShown]:
    """These parts as somebody shows them; with their ways, where all codes are known."""
    keys = keys_of(opened_among)
    return [
        PartShown(
            subject_of(text),
            text,
            w.view(text).standing,
            open_part(keys, standing_key(subject_of(text))) if text in opened_among else None,
        )
        for text in parts
    ]


def told(w: World, pack: str, parts: Sequence[PartShown]) -> PartsChecked:
    standing = w.view(pack).standing
    assert standing is not None
    return check_parts(standing, parts, w.governance, {standing_key(subject_of(pack)): pack}.get)


def codes(made: PartsChecked) -> tuple[str, list[list[str]]]:
    return made.answer, [[one.code for one in part.findings] for part in made.parts]


def test_an_honest_pack_opened_whole_passes() -> None:
    """
    New modules of its own maker, recorded or not: all that was committed is shown, nothing is against any.
    """
    w = World()
    parts = [module(n) for n in range(1, 6)]
    w.produce(parts[0])
    pack_of(w, code(9), parts)

    made = told(w, code(9), shown(w, *parts))

    assert (made.answer, made.size) == ("pass", 5)
    assert codes(made)[1] == [[], *[["part_no_record"]] * 4]


def test_a_used_module_in_a_new_pack_is_found_when_its_tree_is_opened() -> None:
    """
    X7, X8, the fraud: an old pack is taken apart, and one of its modules is built into a pack that is sold as
    new. Opened whole or that part alone, it is found; the honest ones beside it are not held by that.
    """
    w = World()
    old, parts = code(1), [module(1), module(2)]
    pack_of(w, old, parts)
    fates = {"facility_licence": "L", "children": parts, "fates": ["reuse", "reuse"]}
    w.publish(old)
    w.happen(MAKER, "battery.handed_over", old, {}, cosign=(RECYCLER,), parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.declared_waste", old, {"reason": "worn"}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.dismantled", old, fates, references=tuple(map(subject_of, parts)))
    fresh, inside = code(2), [module(2), module(3)]
    pack_of(w, fresh, inside)

    whole = told(w, fresh, shown(w, *inside))
    alone = told(w, fresh, shown(w, module(2), opened_among=inside))

    for made in (whole, alone):
        assert made.answer == "fail" and "part_of_another" in codes(made)[1][0]
    assert codes(whole)[1][1] == ["part_no_record"] and alone.size == 2


def test_what_was_not_committed_is_not_checked() -> None:
    """
    I8: a part that is not under the root, one shown without its way, a pack whose maker committed to nothing:
    none of them passes.
    """
    w = World()
    parts = [module(n) for n in range(1, 4)]
    pack_of(w, code(9), parts)
    w.produce(code(8))

    assert codes(told(w, code(9), shown(w, parts[0])))[0] == "not_checked"
    assert codes(told(w, code(9), shown(w, *parts, module(7)))) == (
        *("not_checked", [["part_not_committed", "part_no_record"]] * 4),
    )
    one = told(w, code(9), shown(w, parts[0], opened_among=parts))
    assert one.answer == "not_checked" and one.parts[0].committed and one.size == 3
    assert told(w, code(9), shown(w, *parts, opened_among=parts)).answer == "pass"
    assert told(w, code(8), shown(w, *parts)).answer == "not_checked"
    assert told(w, code(9), []).answer == "not_checked"


def test_a_part_of_another_maker_is_a_claim_until_that_maker_hands_it_over() -> None:
    """
    I5: whoever commits to a stranger's module has a claim; the honest supplier's hand-over clears it.
    """
    w = World()
    theirs = module(1, "ZZ3")
    w.produce(theirs, by=OTHER_MAKER)
    pack_of(w, code(9), [theirs])
    assert codes(told(w, code(9), shown(w, theirs))) == ("not_checked", [["part_claimed"]])

    w.happen(OTHER_MAKER, "battery.handed_over", theirs, {}, cosign=(MAKER,), parties=(MAKER,))

    assert codes(told(w, code(9), shown(w, theirs))) == ("pass", [[]])


def test_a_stolen_part_is_found() -> None:
    """
    X18: a module that its holder reported stolen turns up in a new pack.
    """
    w = World()
    w.produce(module(1))
    w.happen(MAKER, "battery.handed_over", module(1), {}, cosign=(IMPORTER,), parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.reported_lost", module(1), {"reference": "P-1"})
    pack_of(w, code(9), [module(1)])

    assert codes(told(w, code(9), shown(w, module(1)))) == ("fail", [["part_lost"]])


def test_each_part_opens_and_no_other_opens_in_its_place() -> None:
    """
    For trees of every size to 40: each part's way leads to the root, no other part, place, size or root does.
    """
    chance = Random(652)
    for size in range(1, 41):
        keys = [chance.randbytes(32) for _ in range(size)]
        root, key = root_of(keys), chance.choice(keys)
        opened = open_part(keys, key)
        require_opened(key, opened, root)

        wrong = [
            (chance.randbytes(32), opened, root),
            (key, opened, chance.randbytes(32)),
            (key, replace(opened, index=opened.index + 1), root),
            (key, replace(opened, path=(*opened.path, bytes(32))), root),
        ]
        for one, way, under in wrong:
            with pytest.raises(CommitmentError) as refused:
                require_opened(one, way, under)
            assert refused.value.code == "malformed"
        with pytest.raises(CommitmentError):
            open_part(keys, chance.randbytes(32))


def test_an_opened_part_is_checked_by_its_code_and_blind_alone() -> None:
    """
    Whoever has code and blind of one part computes its key without the key of the network; another blind is
    another part.
    """
    about = subject_of(module(1))
    assert isinstance(about, Subject) and about.blind is not None

    assert key_shown(identifier_of(module(1)), about.blind) == standing_key(about)
    assert key_shown(identifier_of(module(1)), bytes(16)) != standing_key(about)
    with pytest.raises(CredentialError):
        key_shown(identifier_of(module(1)), bytes(3))


def verdict_of(w: World, text: str, *asked_too: str) -> tuple[str, str]:
    """(its word, its reason) as a new battery at the border."""
    told = w.judge(text, asked_too=asked_too).as_dict()
    return told["verdict"], told["reason"]


def test_where_a_policy_asks_for_its_parts_what_nobody_compared_is_not_clear() -> None:
    """
    I8: of three packs, all clear by a policy that does not ask, none is clear where it asks: a verdict
    compares no parts, whatever was committed. Opened, the three are told apart: an honest one, one with a
    module of an old pack, and one whose maker committed to nothing, which stays not checked.
    """
    w = World()
    old, taken = code(1), [module(1), module(2)]
    pack_of(w, old, taken)
    fates = {"facility_licence": "L", "children": taken, "fates": ["reuse", "reuse"]}
    w.publish(old)
    w.happen(MAKER, "battery.handed_over", old, {}, cosign=(RECYCLER,), parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.declared_waste", old, {"reason": "worn"}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.dismantled", old, fates, references=tuple(map(subject_of, taken)))
    honest, fraud, silent = [module(11), module(12)], [module(2), module(21)], [module(31)]
    packs = {code(2): honest, code(3): fraud, code(4): silent}
    pack_of(w, code(2), honest)
    pack_of(w, code(3), fraud)
    w.produce(code(4))
    for text in packs:
        w.declare(text, f"REG-{text}")

    assert {verdict_of(w, text) for text in packs} == {("clear", "ok")}
    asked = {verdict_of(w, text, "parts_not_used") for text in packs}

    assert asked == {("undecided", "parts_not_compared")}
    assert [told(w, text, shown(w, *parts)).answer for text, parts in packs.items()] == [
        *("pass", "fail", "not_checked"),
    ]
