"""Verdicts at both sides of every limit are pinned, and how manifests, policies and values are read.

`tests/vectors/limits.txt`: a line a case with the word, the reason and the digest of everything judged. To
write it anew, and see in `git diff` what changed:

    python -m tests.credentials.test_pinned_limits
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.errors import CredentialError
from credentials.ledger.recognition import Effect, Recognition
from credentials.verdicts.evidence import At, Missing, MissingReason
from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from credentials.verdicts.policy import Policy
from credentials.verdicts.shown_as import ShownAs
from credentials.verdicts.verifier import verify
from tests.credentials.test_clearance import in_network
from tests.credentials.test_pinned_verdicts import pinned
from tests.credentials.test_shown import VIN, installed, waste
from tests.credentials.test_shown_as import FAULTS, reasons, shipped
from tests.harness.border import (
    CONFIG,
    DECLARATION,
    LAW_DATE,
    World,
    claims_of,
    code,
    first_second,
    line_of,
    policy,
    subject_of,
    tables,
    used_pack,
)
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    EU_AUTHORITY,
    MAKER,
    Ledger,
    accreditations,
    make_genesis,
)
from tests.harness.pinned import lines, require_kept, write
from tests.harness.spoiled import spoiled

PINNED = "limits.txt"
DAY_S = 86_400
NETWORKS: tuple[dict[str, Any], ...] = (
    {},
    {"recognitions": ()},
    {"recognitions": None},
    {"governance": None, "network_id": None},
)


def fixed(**genesis: Any) -> World:
    """A world whose network id is not that of its genesis: a word of a table would change every digest."""
    return World(Ledger(replace(make_genesis(**genesis), network_id=bytes(32))))


def recognised(effect: Effect) -> Recognition:
    """What the Chinese authority makes of an importer's record of a used export."""
    return Recognition(
        authority=CN_AUTHORITY,
        jurisdiction="CN",
        issuer="*",
        rows=policy("authority-cn").recognition_rows,
        effect=effect,
        legal_basis="x",
        valid_from=CREATED,
    )


def limits() -> Iterator[str]:
    """Each limit of policy and evidence, at it and one beyond."""
    w = fixed()
    text, rules = w.new(1), policy("customs-eu")
    shown = [dict(w.passports[text].credentials[1])]

    def judged(name: str, changes: dict[str, Any], **asked: Any) -> str:
        evidence = in_network(**changes)(w, text, w.evidence(text)) if changes else None
        return pinned(name, w.judge(text, evidence=evidence, **asked).as_dict())

    for beyond in (0, 1):
        yield judged(f"lag + {beyond}", {"lag_heights": rules.lag_heights_max + beyond})
        yield judged(f"silence + {beyond}", {"quorum_silence_s": rules.quorum_silence_s_max + beyond})
        yield judged(f"clock + {beyond}", {"block_time": w.now + rules.clock_skew_s + beyond})
    fetched = w.network().status_lists
    for age in (
        rules.status_list_age_s_max - 1,
        rules.status_list_age_s_max,
        rules.status_list_age_s_max + 1,
    ):
        stale = {key: replace(source, fetched_at=w.now - age) for key, source in fetched.items()}
        yield judged(f"status lists of {age} s", {"status_lists": stale})
    # The clock is at noon: a day begins 12 hours east and ends 14 hours west of it.
    for law_date in ("2027-01-14", "2027-01-15", "2027-01-16", "2027-01-17", "2027-03-01", "2026-01-01", "x"):
        for at in (w.now, w.now + 8 * 3600, w.now + 15 * 3600, w.now + 27 * 3600):
            yield judged(f"law of {law_date} at + {at - w.now}", {}, law_date=law_date, at=at)
    for at in (CREATED - 1, CREATED, w.now + 400 * DAY_S):
        yield judged(f"judged at {at - w.now}", {}, at=at)
    for mass in (452.5 * 0.95, 452.5 * 0.95 - 0.001, 452.5 * 1.05, 452.5 * 1.05 + 0.001, 452.5, 0.001, None):
        yield judged(f"a mass of {mass}", {}, mass_kg=mass)
    for goods in (*tables().commodity["goods"], "nothing of the kind"):
        for number in ("8507600000", "8507", "850760", "8703801000", "8549110000", "8708999000", ""):
            told = {"goods": goods, "commodity_code": number, "vin": "1HGBH41JXMN109186"}
            yield judged(f"{goods} as {number}", {}, **told)
    for vin in ("1HGBH41JXMN109186", "1HGBH41JXMN10918O", "x", ""):
        twin = {"battery": text.replace("42", "43"), "vin": vin, "goods": "in_vehicle"}
        yield judged(f"a vehicle {vin}", {}, goods="in_vehicle", vin=vin, others=(twin,))
    for direction in ("import", "export", "inland"):
        for declared in (None, "import", "export", "inland"):
            head = {"declaration": DECLARATION} | ({"direction": declared} if declared else {})
            yield judged(f"{direction} declared as {declared}", {}, direction=direction, head=head)
    for name, receipts in {"no receipt": ("x",), "two": ("x", "y")}.items():
        evidence = replace(w.evidence(text, shown=shown), receipts=receipts)
        yield pinned(f"receipts: {name}", w.judge(text, shown=shown, evidence=evidence).as_dict())


def recognitions() -> Iterator[str]:
    """A recognition of each effect, its age and its interval from both sides, under each policy that asks."""
    for effect in Effect:
        w = fixed(recognitions=[recognised(effect)])
        text = used_pack(w, 1)
        for name in ("customs-eu", "authority-cn", "authority-eu"):
            for changes in NETWORKS:
                evidence = in_network(**changes)(w, text, w.evidence(text))
                found = w.judge(text, policy_name=name, condition="used", evidence=evidence)
                yield pinned(f"{effect.value} | {name} | {' '.join(changes)}", found.as_dict())
    w = fixed()
    text = w.new(1)
    for rule in policy("customs-eu").recognition_rows:
        cases: dict[str, dict[str, Any]] = {
            "young enough": {"conditions": {"attestation_age_days_max": 30}},
            "too old": {"conditions": {"attestation_age_days_max": 0}},
            "without limit": {},
            "begins later": {"valid_from": w.now + 10},
            "ended": {"valid_until": w.now},
            "ends later": {"valid_until": w.now + 1},
        }
        for name, other in cases.items():
            values: dict[str, Any] = {
                "authority": EU_AUTHORITY, "jurisdiction": "EU", "issuer": MAKER, "rows": (rule,),
                "effect": Effect.ACCEPTED_BY_LAW, "legal_basis": "x", "valid_from": CREATED - 1,
            }  # fmt: skip
            given = Recognition(**{**values, **other})
            evidence = in_network(recognitions=(given,))(w, text, w.evidence(text))
            for later in (0, 29 * DAY_S, 31 * DAY_S):
                told = w.judge(text, evidence=evidence, at=w.now + later)
                yield pinned(f"{rule} | {name} | + {later}", told.as_dict())


def without_a_part() -> Iterator[str]:
    """Each part of each table taken away: what rests on it is not made, and nothing else changes."""
    for situation in ("new", "used"):
        w = fixed()
        text = w.new(1) if situation == "new" else used_pack(w, 1)
        for table in fields(tables()):
            if table.name in ("reasons", "crosswalk"):
                continue  # for whoever reads the verdict: nothing is judged by them
            whole = getattr(tables(), table.name)
            for part in whole if isinstance(whole, dict) else ():
                left: dict[str, Any] = {table.name: {k: v for k, v in whole.items() if k != part}}
                changed = replace(tables(), **left)
                evidence = replace(w.evidence(text), network=replace(w.network(), tables=changed))
                try:
                    found = w.judge(text, evidence=evidence, condition=situation).as_dict()
                except (KeyError, TypeError) as error:
                    yield f"{situation} without {table.name}.{part} | not judged: {type(error).__name__}"
                    continue
                yield pinned(f"{situation} without {table.name}.{part}", found)


def alone() -> Iterator[str]:
    """Documents without a line, of every kind, under each policy, before and after what ends a passport."""
    w = fixed()
    text = used_pack(w, 1)
    sets = {f"set {point}": dict(document) for point, document in w.passports[text].credentials.items()}
    events = {
        d["credentialSubject"]["event"]: d for d in w.documents.values() if "event" in d["credentialSubject"]
    }
    changed = {**sets["set 1"], "validFrom": "2027-01-01T00:00:00Z"}
    shown = {**sets, **events, "a changed set": changed, "a list": dict(next(iter(w.lists.values())))}
    shown["nothing"] = {}
    never = dict(w.issue(text, version=2).credentials[1])
    for then in ("now", "a year on", "recalled", "revoked"):
        if then == "recalled":
            w.happen(MAKER, "battery.recalled", text, {"reason": "cells"})
        if then == "revoked":
            w.revoke(text)
        at = At(LAW_DATE, w.now + (365 * DAY_S if then == "a year on" else 0))
        for name, document in {**shown, "a set that nobody attested": never}.items():
            for policy_name in ("customs-eu", "authority-cn", "importer-eu", "recycler"):
                evidence = w.evidence(text, shown=[document])
                found = verify(document, evidence, policy(policy_name), at).as_dict()
                yield pinned(f"{name} | {policy_name} | {then}", found)
        less = replace(w.evidence(text, shown=[sets["set 1"]]), subjects={})
        yield pinned(f"no subject | {then}", verify(sets["set 1"], less, policy("customs-eu"), at).as_dict())
    yield from intervals()
    yield from measured()


def measured() -> Iterator[str]:
    """A used battery whose state of health was never measured, or so long ago; and no ledger at all."""
    for name in ("measured", "never measured"):
        w = fixed()
        text = used_pack(w, 1) if name == "measured" else waste(w, 1)
        document = dict(w.passports[text].credentials[1])
        evidence = w.evidence(text, shown=[document])
        for days in (None, 0, 1, 5):
            asked = replace(policy("customs-eu"), soh_age_days_max=days)
            for later in (-60, 0, DAY_S - 60, DAY_S, 5 * DAY_S + 60):
                found = verify(document, evidence, asked, At(LAW_DATE, w.now + later)).as_dict()
                yield pinned(f"{name}, at most {days} days, + {later}", found)
        blind = replace(evidence, ledger=None)
        yield pinned(f"{name}, no ledger", verify(document, blind, asked, At(LAW_DATE, w.now)).as_dict())


def intervals() -> Iterator[str]:
    """A maker whose licence ended around the day on which it published, and a document judged later."""
    for ended in (-11, -10, -9, 0, 1, 10, 11, 20, 21, 30, 31, 40, 10_000):
        made = CREATED + 1_000 + ended
        kept = [a if a.participant != MAKER else replace(a, valid_until=made) for a in accreditations()]
        w = fixed(accreditations=kept)
        try:
            text = w.new(1)
        except (Refusal, AssertionError):
            continue
        document = dict(w.passports[text].credentials[1])
        evidence = w.evidence(text, shown=[document])
        found = verify(document, evidence, policy("customs-eu"), At(LAW_DATE, w.now)).as_dict()
        yield pinned(f"licence ended at {ended}", found)
        yield pinned(f"licence ended at {ended}, on a line", w.judge(text, shown=[document]).as_dict())


def beside_a_line() -> Iterator[str]:
    """A line of an installed battery with and without its vehicle's subject, and with each set withheld."""
    w = fixed()
    text = installed(w, 1)
    for vin in (VIN, "1HGBH41JXMN109187"):
        evidence = w.evidence(text, vin=vin)
        for name, subjects in {
            "known": evidence.subjects,
            "vehicle not known": {k: v for k, v in evidence.subjects.items() if k != vin},
        }.items():
            found = w.judge(text, evidence=replace(evidence, subjects=subjects), goods="in_vehicle", vin=vin)
            yield pinned(f"{vin} | {name}", found.as_dict())
    w = fixed()
    text = w.new(1)
    sets = {point: dict(d) for point, d in w.passports[text].credentials.items()}
    for reason in MissingReason:
        for gone in ((1,), (2,), (1, 2), (1, 2, 3, 4)):
            evidence = w.evidence(text, points=(1, 2, 3, 4))
            documents = {**evidence.documents, **{point: Missing(reason, MAKER, w.now) for point in gone}}
            for show in ((), (2,), (1, 3), (1, 2, 3, 4)):
                presented = tuple(sets[point] for point in show)
                changed = replace(evidence, documents=documents, presented=presented)
                for policy_name in ("customs-eu", "authority-eu"):
                    found = w.judge(text, shown=presented, evidence=changed, policy_name=policy_name)
                    name = f"{reason.value} {gone} shown {show} | {policy_name}"
                    yield pinned(name, found.as_dict())


def values() -> Iterator[str]:
    """A passport with one of its values left out or another, signed and published so."""
    w = fixed()
    claims = claims_of(1)
    watched = {name: claims[name] for name in ("GeneralProductInformation",)}
    ways = ("left out", ": 0", ": 'x'", ": {}")
    for serial, (name, changed) in enumerate(spoiled(watched), start=100):
        if not name.endswith(ways):
            continue
        text = code(serial)
        made = first_second("2026-06-03")
        w.run(w.ledger.attest(MAKER, "battery.produced", subject_of(text), produced_on=made))
        try:
            issued = w.issue(text, claims={**claims, **changed})
        except CredentialError as error:
            yield f"{name} | not issued | {error.code} | {error.message}"
            continue
        w.publish(text, issued)
        yield pinned(name, w.judge(text).as_dict())


def manifests() -> Iterator[tuple[str, Callable[[], Any]]]:
    line = line_of(
        1, code(1), vin="1HGBH41JXMN109186", registration_id="R", documents=[{"a": 1}], receipts=["r"]
    )
    head = {"declaration": "D", "consignee_eori": "DE1", "law_date": "2027-01-01", "direction": "import"}
    for name, other in spoiled({**head, "lines": [line]}):
        yield name, partial(Manifest.parse, other)
    bounds: dict[str, dict[str, Any]] = {
        **{f"line {n}": {"line": n} for n in (0, 1, 1_000_000, 1_000_001)},
        **{f"battery of {n}": {"battery": "x" * n} for n in (1, 512, 513)},
        **{f"{name} of {n}": {name: "x" * n} for name in ("goods", "registration_id") for n in (256, 257)},
        **{f"mass {n}": {"mass_kg": n} for n in (0, 0.001, 100_000, 100_000.1, 100_001)},
        **{f"{n} documents": {"documents": [{}] * n} for n in (8, 9)},
        **{f"as {condition}": {"condition": condition} for condition in ("new", "waste", "old", "")},
    }
    for name, members in bounds.items():
        yield name, partial(Line.parse, {**line, **members})
        yield f"a manifest with {name}", partial(Manifest.parse, {"lines": [{**line, **members}]})
    yield "20,000 lines", partial(_count, 20_000)
    yield "20,001 lines", partial(_count, 20_001)
    rows = [line, {**line, "line": 2, "battery": "y"}, {"line": 3, "battery": "y"}]
    two = Manifest.parse({"lines": rows})
    yield "what the lines say about each other", partial(ManifestContext.of, two, tables().identifiers)
    table = tomllib.loads((CONFIG / "policies" / "authority-cn.toml").read_text())
    for name, other in spoiled(table):
        yield f"policy {name}", partial(Policy.from_table, other)
    for name, data in {"no TOML": b"x", "no UTF-8": b"\xff", "empty": b""}.items():
        yield f"policy {name}", partial(Policy.parse, data)


def _count(lines: int) -> int:
    return len(Manifest.parse({"lines": [{"battery": "x"}] * lines}).lines)


def tables_with_a_fault() -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, spoil in FAULTS.items():
        changed = copy.deepcopy(shipped())
        spoil(changed)
        yield name, partial(ShownAs.parse, changed, reasons())


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "limits": limits,
    "recognitions": recognitions,
    "without a part": without_a_part,
    "alone": alone,
    "beside a line": beside_a_line,
    "values": values,
    "manifests": lambda: lines(manifests()),
    "tables": lambda: lines(tables_with_a_fault()),
}


SLOW = ("alone", "values")


@pytest.mark.parametrize(
    "section", [pytest.param(name, marks=[pytest.mark.check] * (name in SLOW)) for name in SECTIONS]
)
def test_verdicts_at_their_limits_are_the_pinned_ones(section: str) -> None:
    """
    At a limit, one beyond it, and with one part or value away: the word, the reason and everything judged.
    """
    require_kept(SECTIONS[section](), PINNED, section)


if __name__ == "__main__":
    write(PINNED, "tests.credentials.test_pinned_limits", SECTIONS)
