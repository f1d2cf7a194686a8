"""Who lost its standing lifts nothing (I2): every act that makes a word milder, every way to lose it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.ledger.attestation import Criteria
from credentials.ledger.governance import Governance
from credentials.ledger.parties import Limits, Stop
from credentials.ledger.recalls import Recalls, recall_subject
from credentials.ledger.rules import LOST
from credentials.ledger.standing import BANNED, PASSPORT_SUSPENDED, REFUSED
from tests.credentials.test_routes import PASSPORT, ends_as
from tests.harness.ledger import (
    ANY_BATTERY,
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RIVAL,
    WORKSHOP,
    Ledger,
    accreditation,
    battery,
    founded,
    lifecycle_table,
    make_genesis,
    rule_files,
    vehicle,
)

Change = Callable[[Governance], Governance]
SETTERS = (MAKER, CN_AUTHORITY, EU_AUTHORITY, CUSTOMS, IMPORTER)
LOST_AT = CREATED + 50_000
OTHER_TRADE = "licence for another trade"
RECALL = recall_subject("gbt34014", "ZZ1")
RECALLED = "recalled"


@dataclass(frozen=True, slots=True)
class Lifting:
    """`by` set something about the battery and lifts it; `left` is what stands until it is lifted."""

    by: str
    arranged: Callable[[Ledger], Mapping[str, Any]]  # -> members of the lifting act
    kind: str
    left: Callable[[Ledger], bool]
    approving: tuple[str, ...] = ()
    whichever: bool = False  # by custody, under any licence


def stands(name: str) -> Callable[[Ledger], bool]:
    return lambda ledger: bool(ledger.standing(battery(1)).settings(name))


def said(by: str, kind: str, **members: Any) -> Callable[[Ledger], Mapping[str, Any]]:
    """The act that is lifted, about a published battery of MAKER."""

    def arranged(ledger: Ledger) -> Mapping[str, Any]:
        ledger.produced(1, published=True)
        ledger.happen(by, kind, battery(1), **members)
        return {"references": PASSPORT} if kind == "passport.suspended" else {}

    return arranged


def undone(by: str, kind: str, **members: Any) -> Callable[[Ledger], Mapping[str, Any]]:
    """The same, to be taken back by its digest."""

    def arranged(ledger: Ledger) -> Mapping[str, Any]:
        said(by, kind, **members)(ledger)
        last = ledger.standing(battery(1)).undo
        assert last is not None
        return {"references": (last.attestation,)}

    return arranged


def recalled_codes(by: str) -> Callable[[Ledger], Mapping[str, Any]]:
    def arranged(ledger: Ledger) -> Mapping[str, Any]:
        tx = ledger.attest(by, "recall.published", RECALL, criteria=Criteria(("ZZ1P",), None, None))
        ledger.run(tx)
        return {"references": (recalls(ledger).recalls[0].attestation,)}

    return arranged


def recalls(ledger: Ledger) -> Recalls:
    return Recalls.decode(ledger.reader.records[Recalls("gbt34014", "ZZ1").key])


def refused(ledger: Ledger) -> Mapping[str, Any]:
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.refused", subject)
    return {}


def transferred(ledger: Ledger) -> Mapping[str, Any]:
    members = said(MAKER, "passport.suspended", references=PASSPORT)(ledger)
    parties = (IMPORTER,)
    transfer = ledger.countersigned(MAKER, "responsibility.transferred", battery(1), parties, parties=parties)
    ledger.run(transfer)
    return members


def assigned(ledger: Ledger) -> Mapping[str, Any]:
    said(MAKER, "battery.reported_lost")(ledger)
    ledger.happen(CN_AUTHORITY, "custody.assigned", battery(1), parties=(IMPORTER,))
    return {}


def repaired(ledger: Ledger) -> Mapping[str, Any]:
    """A workshop's report on a battery in use, which an authority of the place withdraws."""
    car = vehicle(1)
    subject = ledger.produced(1, published=True)
    ledger.happen(MAKER, "battery.exported", subject, parties=(IMPORTER,))
    ledger.happen(IMPORTER, "battery.presented", subject)
    ledger.happen(CUSTOMS, "customs.released", subject)
    ledger.happen(IMPORTER, "market.placed", subject, parties=(WORKSHOP,))
    ledger.happen(WORKSHOP, "battery.installed", subject, bound_asset=car)
    ledger.happen(WORKSHOP, "battery.swapped_out", subject, bound_asset=car)
    last = ledger.standing(subject).undo
    assert last is not None
    return {"references": (last.attestation,)}


def own(by: str, setting: str) -> Lifting:
    """What `by` itself set."""
    sets, lifts, members = SETS[setting]
    return Lifting(by, said(by, sets, **members), lifts, stands(setting))


def corrected(by: str, setting: str, corrector: str | None = None) -> Lifting:
    """The same, by taking back the act: its author, or who voids it."""
    sets, _, members = SETS[setting]
    done = undone(by, sets, **members)
    if corrector is None:
        return Lifting(by, done, "attestation.corrected", stands(setting))
    return Lifting(corrector, done, "attestation.voided", stands(setting), approving=(EU_AUTHORITY,))


# What is set: by which act, lifted by which, with which members.
SETS: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    RECALLED: ("battery.recalled", "battery.recall_lifted", {}),
    LOST: ("battery.reported_lost", "battery.found", {}),
    PASSPORT_SUSPENDED: ("passport.suspended", "passport.reinstated", {"references": PASSPORT}),
    BANNED: ("passport.revoked", "passport.ban_lifted", {"references": PASSPORT}),
}
LIFTINGS: dict[str, Lifting] = {
    "its own recall, by the maker": own(MAKER, RECALLED),
    "its own recall, by an authority": own(CN_AUTHORITY, RECALLED),
    "its own loss, by the holder": own(MAKER, LOST),
    "its own loss, by an authority": own(CN_AUTHORITY, LOST),
    "its own suspension, by the maker": own(MAKER, PASSPORT_SUSPENDED),
    "its own suspension, by an authority": own(CN_AUTHORITY, PASSPORT_SUSPENDED),
    "what the operator before it suspended": Lifting(
        IMPORTER, transferred, "passport.reinstated", stands(PASSPORT_SUSPENDED)
    ),
    "what the holder before it reported lost": Lifting(
        IMPORTER, assigned, "battery.found", stands(LOST), whichever=True
    ),
    "its own ban": own(CN_AUTHORITY, BANNED),
    "its own refusal": Lifting(CUSTOMS, refused, "customs.refusal_lifted", stands(REFUSED)),
    **{
        f"its own recall of codes, by {who}": Lifting(
            by, recalled_codes(by), "recall.lifted", lambda ledger: bool(recalls(ledger).recalls)
        )
        for who, by in (("the maker", MAKER), ("an authority", EU_AUTHORITY))
    },
    "a recall corrected by the maker": corrected(MAKER, RECALLED),
    "a recall corrected by an authority": corrected(CN_AUTHORITY, RECALLED),
    "a loss corrected by the holder": corrected(MAKER, LOST),
    "a recall voided": corrected(MAKER, RECALLED, CN_AUTHORITY),
    "a report of a trade withdrawn": Lifting(
        EU_AUTHORITY,
        repaired,
        "record.withdrawn",
        lambda ledger: ledger.standing(battery(1)).item_state == "removed",
    ),
}


def licences(**change: Any) -> Change:
    """Every licence of the parties changed."""
    return lambda governance: replace(
        governance,
        accreditations=tuple(
            replace(a, **change) if a.participant in SETTERS else a for a in governance.accreditations
        ),
    )


def _withdrawn(governance: Governance) -> Governance:
    left = tuple(a for a in governance.accreditations if a.participant not in SETTERS)
    return replace(governance, accreditations=left)


def _other_trade(governance: Governance) -> Governance:
    """Their licences are over, and they have one for a trade that sets nothing of all this."""
    other = tuple(accreditation(did, roles=("recycler",), schemes=ANY_BATTERY) for did in SETTERS)
    left = tuple(a for a in governance.accreditations if a.participant not in SETTERS)
    return replace(governance, accreditations=(*left, *other))


def stopped(key: str) -> Change:
    stops = {did + key: Stop(did + key, EU_AUTHORITY, LOST_AT, LOST_AT + 100_000) for did in SETTERS}
    return lambda governance: replace(governance, stops=stops)


def _robbed(governance: Governance) -> Governance:
    robbed = {}
    for did in SETTERS:
        party = governance.participants[did]
        keys = (replace(k, compromised_from=LOST_AT) if k.role == "attest" else k for k in party.keys)
        robbed[did] = replace(party, keys=tuple(keys))
    return replace(governance, participants={**governance.participants, **robbed})


LOSSES: dict[str, Change] = {
    "licence suspended": licences(suspended=((LOST_AT, None),)),
    "licence expired": licences(valid_until=LOST_AT),
    "licence withdrawn": _withdrawn,
    OTHER_TRADE: _other_trade,
    "party stopped": stopped(""),
    "key stopped": stopped("#attest-1"),
    "key stolen": _robbed,
}


@cache
def without_standing(lost: str) -> Governance:
    """What governs once whoever lifts has lost its standing so: made once, as it takes longer than a test."""
    return LOSSES[lost](founded(Limits()).history().latest)


REFUSED_WITH = {"X9", "X10", "stopped", "not_responsible"}


def ends(ledger: Ledger, lifting: Lifting, members: Mapping[str, Any]) -> str:
    about = RECALL if lifting.kind == "recall.lifted" else battery(1)
    if not lifting.approving:
        return ends_as(ledger, lifting.by, lifting.kind, about, **members)
    try:
        ledger.run(ledger.countersigned(lifting.by, lifting.kind, about, lifting.approving, **members))
    except Refusal as refusal:
        return refusal.code
    return "admitted"


@pytest.mark.parametrize("name", LIFTINGS)
def test_who_lost_its_standing_lifts_nothing(name: str) -> None:
    """
    Suspended, expired, withdrawn, of another trade alone, stopped, its key stopped or stolen: refused, and
    what it set stands. Once it has its standing again the same act is admitted.
    """
    lifting, ledger = LIFTINGS[name], Ledger()
    members, stood = lifting.arranged(ledger), ledger.history.latest
    ledger.now = LOST_AT + 10

    for lost in LOSSES:
        if lost == OTHER_TRADE and lifting.whichever:
            continue
        govern(ledger, without_standing(lost))
        assert ends(ledger, lifting, members) in REFUSED_WITH, lost
        assert lifting.left(ledger)
    govern(ledger, stood)

    assert ends(ledger, lifting, members) == "admitted"
    assert not lifting.left(ledger)


def govern(ledger: Ledger, governance: Governance) -> None:
    ledger.history.enact(ledger.history.height + 1, governance)
    ledger.run()


def answering(ledger: Ledger, by: str, to: str) -> None:
    """Who answers for the battery hands that over."""
    ledger.run(ledger.countersigned(by, "responsibility.transferred", battery(1), (to,), parties=(to,)))


def beside_its_recall(ledger: Ledger) -> None:
    said(MAKER, "battery.recalled")(ledger)
    ledger.happen(MAKER, "passport.suspended", battery(1), references=PASSPORT)


def taken_back(ledger: Ledger) -> None:
    """The maker answers again for what somebody suspended that answered for it in between."""
    ledger.produced(1, published=True)
    answering(ledger, MAKER, IMPORTER)
    ledger.happen(IMPORTER, "passport.suspended", battery(1), references=PASSPORT)
    answering(ledger, IMPORTER, MAKER)


HANDED_ON: dict[str, Callable[[Ledger], object]] = {
    "its own suspension": said(MAKER, "passport.suspended", references=PASSPORT),
    "its own, beside its recall": beside_its_recall,
    "its predecessor's suspension": transferred,
    "what it took back with its duty": taken_back,
}


def test_who_handed_it_on_puts_its_passport_back_no_more() -> None:
    """
    A passport has one state, and who answers for it now rests on it: it is put back by the operator of now
    alone, or by whom it is handed back to. A recall stands beside others, and stays the maker's (D956).
    """
    ledger = Ledger()
    beside_its_recall(ledger)
    answering(ledger, MAKER, IMPORTER)
    back = ledger.attest(MAKER, "passport.reinstated", battery(1), references=PASSPORT)

    with pytest.raises(Refusal) as refusal:
        ledger.run(back)
    assert refusal.value.code == "not_responsible"
    assert str(refusal.value).startswith(f"{IMPORTER} answers for this battery")
    assert stands(PASSPORT_SUSPENDED)(ledger)
    ledger.happen(MAKER, "battery.recall_lifted", battery(1))
    assert not stands(RECALLED)(ledger)

    answering(ledger, IMPORTER, MAKER)
    ledger.happen(MAKER, "passport.reinstated", battery(1), references=PASSPORT)
    assert not stands(PASSPORT_SUSPENDED)(ledger)


def test_under_rules_before_it_who_set_a_suspension_still_ends_it() -> None:
    """A table without `alone` judges as it did, so that no history parts (D956)."""
    table = lifecycle_table()
    del table["settings"]["suspended"]["alone"]
    files = {**rule_files(), "lifecycle.json": json.dumps(table).encode()}
    ledger = Ledger(make_genesis(rule_files=files))
    beside_its_recall(ledger)
    answering(ledger, MAKER, IMPORTER)

    ledger.happen(MAKER, "passport.reinstated", battery(1), references=PASSPORT)
    assert not stands(PASSPORT_SUSPENDED)(ledger)


def hands_over(ledger: Ledger, by: str, to: str) -> str:
    try:
        answering(ledger, by, to)
    except Refusal as refusal:
        assert (by in str(refusal)) or refusal.code != "X22"  # which says whose licence is not in force
        return refusal.code
    return "admitted"


@pytest.mark.parametrize("name", HANDED_ON)
def test_who_lost_its_standing_hands_on_nothing_that_it_could_not_lift(name: str) -> None:
    """
    X22: what it set, or took over, its friend would lift for it. Refused until its licence is in force again.
    """
    ledger = Ledger()
    HANDED_ON[name](ledger)
    by, stood = ledger.standing(battery(1)).responsible, ledger.history.latest
    assert by is not None
    ledger.now = LOST_AT + 10

    for lost in LOSSES:
        govern(ledger, without_standing(lost))
        assert hands_over(ledger, by, RIVAL) in {"X22", "X10", "stopped", "X9"}, lost
        assert ledger.standing(battery(1)).responsible == by
    govern(ledger, stood)
    assert hands_over(ledger, by, RIVAL) == "admitted"


def test_who_lost_its_standing_hands_over_where_nothing_is_held() -> None:
    """
    Its battery is not held for that: nothing set, its own recall (which stays its own), or an authority's, it
    hands over; and who had set it before takes it back.
    """
    for before, to in (
        (said(MAKER, "battery.recalled"), RIVAL),
        (said(CN_AUTHORITY, "passport.suspended", references=PASSPORT), RIVAL),
        (lambda ledger: ledger.produced(1, published=True), RIVAL),
        (transferred, MAKER),
    ):
        ledger = Ledger()
        before(ledger)
        by = ledger.standing(battery(1)).responsible
        assert by is not None
        ledger.now = LOST_AT + 10
        left = tuple(
            replace(a, suspended=((LOST_AT, None),)) if a.participant == by else a
            for a in ledger.history.latest.accreditations
        )
        govern(ledger, replace(ledger.history.latest, accreditations=left))

        assert hands_over(ledger, by, to) == "admitted"
        lifted = ends_as(ledger, to, "battery.recall_lifted", battery(1))
        assert lifted != "admitted"
