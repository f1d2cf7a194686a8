"""Verdicts are pinned: every check, reason, rule, provision and piece of evidence of a table of situations.

One line a verdict in `tests/vectors/verdicts.txt`: situation | policy | declared | word | reason | digest of
all that was judged: codes and parameters. Changing a verdict means changing that file in the same commit:
`python -m tests.credentials.test_pinned_verdicts` writes it anew, and `git diff` shows what changed.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from credentials.documents import identifiers
from credentials.verdicts.verdict_record import ItemRecord
from tests.credentials.test_clearance import REMOVALS, of_unknown_suite
from tests.credentials.test_shown import (
    VIN,
    dismantled_and_presented,
    exported,
    installed,
    placed,
    removed,
    waste,
    waste_exported_and_presented,
)
from tests.harness.border import World, claims_of, code, used_pack
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, EU_AUTHORITY, MAKER, WORKSHOP
from tests.harness.pinned import SHARES

PINNED = Path(__file__).parents[1] / "vectors" / "verdicts.txt"
DRAW, ONE_IN = random.Random(20261129).randrange(31), 31
POLICIES = ("customs-eu", "authority-cn", "importer-eu", "recycler")


def recalled(w: World) -> str:
    text = w.new(1)
    w.happen(MAKER, "battery.recalled", text, {"reason": "cells"})
    return text


def lost(w: World) -> str:
    text = exported(w, 1)
    w.happen(MAKER, "battery.reported_lost", text, {"reference": "P-1"})
    return text


def suspended_by_authority(w: World) -> str:
    text = w.new(1)
    issued = w.passports[text]
    w.happen(EU_AUTHORITY, "passport.suspended", text, {"reason": "x"}, references=(issued.digest,))
    return text


def refused_release(w: World) -> str:
    text = w.new(1)
    w.happen(CUSTOMS, "customs.refused", text, {"conclusion": "x", "endorsement": "y"})
    return text


def listed_only(w: World) -> str:
    text = w.new(1)
    w.revoke(text, ledger=False)
    return text


def revoked(w: World) -> str:
    text = w.new(1)
    w.revoke(text)
    return text


def recycled(w: World) -> str:
    text = exported_never(w)
    w.recycle(text)
    return text


def exported_never(w: World) -> str:
    text = code(1)
    w.produce(text)
    w.publish(text)
    return text


def never_published(w: World) -> str:
    text = code(1)
    w.produce(text)
    return text


def contradicting(w: World) -> str:
    text, claims = code(1), claims_of(1)
    claims["GeneralProductInformation"]["manufacturingDate"] = "2026-07-03T09:00:00.000+08:00"
    claims["GeneralProductInformation"]["batteryMass"] = 300
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))
    return text


def claimed(w: World) -> str:
    text = w.new(1)
    w.happen(WORKSHOP, "battery.maintained", text, {"work": "x"})
    return text


def certified(w: World) -> str:
    text = exported_never(w)
    w.happen(CN_AUTHORITY, "end_of_life.certified", text, {"certificate": "C-1"}, parties=(WORKSHOP,))
    return text


SITUATIONS: dict[str, Callable[[World], str]] = {
    "presented": lambda w: w.new(1),
    "exported": lambda w: exported(w, 1),
    "in the factory": exported_never,
    "never published": never_published,
    "unknown": lambda w: code(9),
    "another maker's": lambda w: code(9, maker="ZZ3"),
    "placed": lambda w: placed(w, 1),
    "installed": lambda w: installed(w, 1),
    "removed": lambda w: removed(w, 1),
    "used, with its record": lambda w: used_pack(w, 1),
    "used, without": lambda w: used_pack(w, 1, record={"packaging": ""}),
    "waste": lambda w: waste(w, 1),
    "waste, presented": waste_exported_and_presented,
    "dismantled, presented": dismantled_and_presented,
    "recycled": recycled,
    "recalled": recalled,
    "lost": lost,
    "suspended by an authority": suspended_by_authority,
    "refused": refused_release,
    "revoked": revoked,
    "revoked on the list alone": listed_only,
    "code and passport contradict": contradicting,
    "claimed by a stranger": claimed,
    "end of life certified": certified,
}
DECLARED: dict[str, Mapping[str, Any]] = {
    "new": {},
    "used": {"condition": "used"},
    "waste": {"condition": "waste"},
    "a return": {"condition": "return"},
    "nothing said": {"condition": None, "goods": None, "commodity_code": None, "mass_kg": None},
    "in its car": {"goods": "in_vehicle", "commodity_code": "8703801000", "vin": VIN},
    "in a car without VIN": {"goods": "in_vehicle", "commodity_code": "8703801000"},
    "a wrong code and mass": {"commodity_code": "8708999000", "mass_kg": 9.0},
    "twice on the manifest": {"others": ({"before": True, "goods": "battery"},)},
}


@cache
def built(situation: str) -> tuple[World, str]:
    """A situation and the battery it is about, made once: whoever is only told leaves it as it is."""
    w = World()
    return w, SITUATIONS[situation](w)


def told(w: World, text: str, policy_name: str, declared: Mapping[str, Any]) -> ItemRecord:
    line = dict(declared)
    others = [{**other, "battery": text} for other in line.pop("others", ())]
    return w.judge(text, policy_name=policy_name, others=others, **line).as_dict()


def without_details(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: without_details(v) for k, v in value.items() if k != "detail"}
    return [without_details(item) for item in value] if isinstance(value, list | tuple) else value


def tampered(w: World, text: str) -> list[dict[str, Any]]:
    document = copy.deepcopy(dict(w.passports[text].credentials[1]))
    document["credentialSubject"]["GeneralProductInformation"]["batteryMass"] = 1
    return [document]


SHOWN: dict[str, Callable[[World, str], list[dict[str, Any]]]] = {
    "its own set": lambda w, text: [dict(w.passports[text].credentials[1])],
    "all four sets": lambda w, text: [dict(d) for d in w.passports[text].credentials.values()],
    "another battery's set": lambda w, text: [dict(w.passports[w.new(7)].credentials[1])],
    "a set that nobody attested": lambda w, text: [dict(w.issue(text, version=2).credentials[1])],
    "a set with a changed value": tampered,
    "a set by a suite that is not known": lambda w, text: [of_unknown_suite(w, text)],
    "no document at all": lambda w, text: [{"@context": [], "type": "Nothing"}],
}


def shown_documents() -> Iterator[tuple[str, Callable[[], ItemRecord]]]:
    """Documents beside a line: alone, with a receipt that is none, and before and after a line like it."""
    for name, choose in SHOWN.items():
        w = World()
        text = w.new(1)
        documents = choose(w, text)
        twin = {"battery": text, "goods": "battery", "documents": documents}
        ways: dict[str, dict[str, Any]] = {
            "alone": {},
            "with a receipt": {"receipts": ["no receipt"]},
            "after its twin": {"others": ({**twin, "before": True},)},
            "before its twin": {"others": (twin,)},
        }
        for way, line in ways.items():
            yield f"{name} | customs-eu | {way}", partial(shown_with, w, text, documents, line)


def shown_with(w: World, text: str, documents: list[dict[str, Any]], line: Mapping[str, Any]) -> ItemRecord:
    return w.judge(text, shown=documents, **line).as_dict()


def pinned(head: str, found: Mapping[str, Any]) -> str:
    digest = sha256(json.dumps(without_details(found), sort_keys=True).encode()).hexdigest()
    return f"{head} | {found['verdict']} | {found['reason']} | {digest[:16]}"


def cases() -> Iterator[tuple[str, Callable[[], ItemRecord]]]:
    """How each line begins, and the judgement that it is of."""
    for situation in SITUATIONS:
        w, text = built(situation)
        for policy_name in POLICIES:
            for name, declared in DECLARED.items():
                yield (
                    f"{situation} | {policy_name} | {name}",
                    partial(told, w, text, policy_name, declared),
                )
    w = World()
    text = w.new(1)
    shown = [dict(w.passports[text].credentials[1])]
    for name, remove in REMOVALS.items():
        for way, documents in (("fetched", []), ("shown", shown)):
            evidence = remove(w, text, w.evidence(text, shown=documents))
            judgement = w.judge(text, shown=documents, evidence=evidence)
            yield f"{name} | customs-eu | {way}", judgement.as_dict
    yield from shown_documents()


def one_of_each_situation() -> Iterator[tuple[str, ItemRecord]]:
    """Every situation once, under one policy after the other, as one thing declared after the other."""
    turns = zip(SITUATIONS.items(), cycle(POLICIES), cycle(DECLARED.items()), strict=False)
    for (situation, build), policy_name, (name, declared) in turns:
        w = World()
        yield f"{situation} | {policy_name} | {name}", told(w, build(w), policy_name, declared)


# Text that is a parameter: what somebody else wrote, or data of the network's own rules and constitution.
FOREIGN = ("detail", "message", "legal_basis", "conditions", "issuer_name", "differing", "identifier")


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(member, text) of every text in a value, but for what others wrote."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in FOREIGN:
                yield from texts(inner, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner, name)
    elif isinstance(value, str):
        yield name, value


@pytest.mark.parametrize("one_in", SHARES)
def test_verdicts_are_the_pinned_ones(one_in: int) -> None:
    """
    Every situation under every policy as everything it can be declared as, and each source taken away: each
    with its word, its reason and the digest of everything judged; and nothing judged is a sentence.
    """
    kept = [line for line in PINNED.read_text().splitlines() if not line.startswith("#")]

    made, looked_at = 0, 0
    for head, judge in cases():
        made += 1
        assert kept[made - 1].startswith(f"{head} | ")
        if made % one_in:
            continue
        found = judge()
        line = pinned(head, found)
        assert line == kept[made - 1], f"if that is meant: `python -m {__name__}`, and read the diff"
        for name, text in texts(found):
            looked_at += 1
            assert " " not in text, f"{line}: a sentence in what is judged, {name}: {text}"

    assert made == len(SITUATIONS) * len(POLICIES) * len(DECLARED) + 2 * len(REMOVALS) + 4 * len(SHOWN)
    assert made == len(kept) and looked_at > 100_000 // one_in


def test_what_is_kept_of_identifiers_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A drawn part of the cases, judged with every code read anew each time and with what was read before kept:
    all that was judged is the same, and the codes were really read more often.
    """
    kept, read = identifiers._read, 0

    def anew(*given: Any) -> Any:
        nonlocal read
        read += 1
        return kept.__wrapped__(*given)

    compared = 0
    for number, (head, judge) in enumerate(cases()):
        if (number + DRAW) % ONE_IN:
            continue
        with monkeypatch.context() as patch:
            patch.setattr(identifiers, "_read", anew)
            plain = judge()
        kept.cache_clear()
        assert [judge(), judge()] == [plain] * 2, head
        compared += 1

    assert compared > 20 and read > 10 * compared


if __name__ == "__main__":
    lines = [
        "# Pinned verdicts, written by `python -m tests.credentials.test_pinned_verdicts`: see its module."
    ]
    PINNED.write_text("\n".join([*lines, *(pinned(head, judge()) for head, judge in cases())]) + "\n")
