"""Every act by every party against all that holds a battery up: only whoever set it lifts it (I2, I3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.ledger.attestation import Criteria, standing_key
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.recalls import Recalls, recall_subject
from credentials.ledger.standing import Standing
from credentials.verdicts.severity import ORDER
from tests.credentials.test_pinned_verdicts import DECLARED, told
from tests.credentials.test_registry import COUNTERSIGNERS, EVENTS
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    PARTIES,
    day_of,
    vehicle,
)

TEXT = code(1)
CODES = recall_subject("gbt34014", "ZZ1")
WAYS = (("customs-eu", "new"), ("importer-eu", "new"), ("customs-eu", "used"))
Hold = Callable[[World], None]


def said(by: str, kind: str) -> Hold:
    def hold(w: World) -> None:
        live = (w.passports[TEXT].digest,)
        passport: dict[str, Any] = {"references": live} if kind.startswith("passport.") else {}
        w.happen(by, kind, TEXT, {"reason": "a case"}, **passport)

    return hold


def recalled_codes(by: str) -> Hold:
    return lambda w: void(w.recall(by, criteria=Criteria((TEXT[:6],), None, None)))


def void(_: object) -> None:
    """Nothing of it is asked."""


# What holds it up, and the acts after which a word may be milder: of whoever set it, or decides about it.
Rightful = frozenset[tuple[str, str]]
BORDER = {(f"customs.{done}", CUSTOMS) for done in ("released", "invalidated", "refused")}


def lifted(by: str, kind: str) -> Rightful:
    return frozenset({(kind, by), ("attestation.corrected", by)})


HOLDS: dict[str, tuple[Hold, Rightful]] = {
    "banned there": (said(EU_AUTHORITY, "passport.revoked"), frozenset()),
    "banned by the side of its maker": (said(CN_AUTHORITY, "passport.revoked"), frozenset()),
    "revoked by its maker": (
        said(MAKER, "passport.revoked"),
        frozenset({("passport.published", MAKER)}),
    ),
    "suspended there": (
        said(EU_AUTHORITY, "passport.suspended"),
        frozenset({("passport.reinstated", EU_AUTHORITY)}),
    ),
    "suspended by the side of its maker": (
        said(CN_AUTHORITY, "passport.suspended"),
        frozenset({("passport.reinstated", CN_AUTHORITY)}),
    ),
    "suspended by its maker": (
        said(MAKER, "passport.suspended"),
        frozenset({("passport.reinstated", MAKER)}),
    ),
    "recalled by its maker": (said(MAKER, "battery.recalled"), lifted(MAKER, "battery.recall_lifted")),
    "recalled there": (
        said(EU_AUTHORITY, "battery.recalled"),
        lifted(EU_AUTHORITY, "battery.recall_lifted"),
    ),
    "its codes recalled by their maker": (recalled_codes(MAKER), lifted(MAKER, "recall.lifted")),
    "its codes recalled there": (recalled_codes(EU_AUTHORITY), lifted(EU_AUTHORITY, "recall.lifted")),
    "reported lost by its importer": (  # its holder is the maker still
        said(IMPORTER, "battery.reported_lost"),
        lifted(IMPORTER, "battery.found") | {("battery.found", MAKER)},
    ),
    "reported lost there": (
        said(EU_AUTHORITY, "battery.reported_lost"),
        lifted(EU_AUTHORITY, "battery.found"),
    ),
    "refused": (said(CUSTOMS, "customs.refused"), frozenset({("customs.refusal_lifted", CUSTOMS)})),
    "its release suspended": (said(CUSTOMS, "customs.suspended"), frozenset(BORDER)),
}


def attack(w: World, kind: str, by: str) -> bytes:
    """The act as lawful as this party can make it; raises Refusal if there is nothing that it could name."""
    subject = subject_of(TEXT)
    standing = w.ledger.standing(subject)
    assert standing.passport is not None
    live = (standing.passport.digest,)
    if kind in ("passport.published", "passport.superseded"):
        issued = w.issue(TEXT, by=by, version=standing.passport.version + 1)
        return w.attested(TEXT, issued, kind, **({"references": live} if "superseded" in kind else {}))
    given = EVENTS[kind][2]
    members: dict[str, Any] = dict(given if isinstance(given, dict) else given(w.ledger, subject))
    agreeing = tuple(COUNTERSIGNERS.get(kind, ()))
    if kind.startswith("passport."):
        members = {} if kind == "passport.ban_lifted" else {"references": live}
    elif kind in ("attestation.corrected", "attestation.voided", "record.contested", "record.withdrawn"):
        members, agreeing = {"references": (last_of(standing),)}, ()  # no authorities conspire
    elif kind == "battery.produced":
        members = {"produced_on": day_of(CREATED)}
    elif kind in ("battery.handed_over", "responsibility.transferred"):
        members, agreeing = {"parties": (IMPORTER,)}, (IMPORTER,)
    elif kind == "recall.lifted":
        members = {"references": (recall_of(w),)}
    if "bound_asset" in members:
        members["bound_asset"] = vehicle(1)
    about = CODES if kind.startswith("recall.") else subject
    return w.ledger.countersigned(by, kind, about, [did for did in agreeing if did != by], **members)


def last_of(standing: Standing) -> bytes:
    assert standing.undo is not None
    return standing.undo.attestation


def recall_of(w: World) -> bytes:
    data = w.ledger.reader.records.get(standing_key(CODES))
    if data is None:
        raise Refusal("state", "there is no recall")
    return Recalls.decode(data).recalls[0].attestation


def held(name: str) -> World:
    w = World(publishers=(MAKER, IMPORTER))
    w.new(1)
    HOLDS[name][0](w)
    return w


def ranks(w: World) -> list[int]:
    return [ORDER.index(told(w, TEXT, policy, DECLARED[declared])["verdict"]) for policy, declared in WAYS]


def admissible(name: str) -> Iterator[tuple[str, str]]:
    """Every act that the ledger would take then."""
    w = held(name)
    for kind in EVENTS:
        for by in PARTIES if kind != "status.published" else ():
            try:
                w.ledger.registry.check_tx(attack(w, kind, by), w.now)
            except Refusal:
                continue
            yield kind, by


@cache
def good() -> int:
    w = World(publishers=(MAKER, IMPORTER))
    w.new(1)
    return ranks(w)[0]


@pytest.mark.long
@pytest.mark.parametrize("name", HOLDS)
def test_only_whoever_set_it_lifts_it(name: str) -> None:
    """
    Against each of these, every kind of act by every party: no other makes a word milder; the rightful do.
    """
    before, milder, tried = ranks(held(name)), set(), 0
    assert before[0] > good()

    for kind, by in admissible(name):
        w = held(name)
        leaves = len(w.leaves)
        w.run(attack(w, kind, by))
        entries = (parse_entry(leaf.entry) for leaf in w.leaves[leaves:])
        tried += 1
        if any(isinstance(e, AdmittedEntry) and e.attestation.kind == kind for e in entries) and any(
            now < then for now, then in zip(ranks(w), before, strict=True)
        ):
            milder.add((kind, by))

    print(f"{name}: {tried} acts, {len(milder)} of them milder")
    assert milder <= HOLDS[name][1], (name, milder)
    assert milder or not HOLDS[name][1]
