"""The document of the act that makes another battery of an old one is read before anybody says clear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.verdicts.evidence import Evidence, Missing, MissingReason
from tests.credentials.test_shown import GOOD, TESTED, check, judged, shape
from tests.harness.border import World, claims_of, code, subject_of
from tests.harness.ledger import (
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
from tests.harness.opinion.alphabet import CAR
from tests.harness.opinion.bounds import Shown, too_good
from tests.harness.opinion.law import Archive, after
from tests.harness.opinion.stage import STATE, Stage
from tests.harness.opinion.trades import TRADES

LACKING = ("hold", "status_values_missing")
PREPARED, REPURPOSED = "second_life.prepared_for_reuse", "second_life.repurposed"


def made_of(w: World, kind: str = PREPARED, status: str | None = "Reused", **changes: Any) -> str:
    """A battery made of waste, or of one that was placed: published, and tested after the change."""
    old, text = code(1), code(2, "ZZ5")
    w.produce(old)
    w.publish(old)
    w.happen(MAKER, "market.placed", old, {"art_41_checked": True}, parties=(RECYCLER, SECOND_LIFE))
    if kind == PREPARED:
        w.happen(MAKER, "battery.declared_waste", old, {"reason": "worn"}, parties=(SECOND_LIFE,))
    said = {name: value for name, value in (TESTED | changes).items() if value is not None}
    w.happen(SECOND_LIFE, kind, old, said, cosign=(MAKER,), references=(subject_of(text),))
    w.produce(text, by=SECOND_LIFE)
    w.publish(text, w.issue(text, by=SECOND_LIFE, claims=_claims(w, status)))
    w.happen(SECOND_LIFE, "battery.sold", text, {"invoice": "1"}, parties=(WORKSHOP, IMPORTER))
    tested = {"method": "m", "measured_on": "2027-01-15", "soh_permille": 900}
    w.happen(WORKSHOP, "soh.measured", text, tested, quantities={"soh_permille": 900})
    return text


def two_publishers() -> World:
    return World(publishers=(MAKER, SECOND_LIFE))


@pytest.mark.parametrize(
    ("kind", "changes", "good"),
    [
        (PREPARED, {}, True),
        (REPURPOSED, {}, True),
        (PREPARED, {"soh_member_state": "FR"}, True),
        (PREPARED, {"soh_member_state": "CN"}, False),
        (PREPARED, {"soh_member_state": None}, False),
        (REPURPOSED, {"soh_member_state": "CN"}, True),  # no waste: nothing that the Union has to free of it
        (REPURPOSED, {"soh_member_state": None}, True),
        (PREPARED, {"soh_permille": 0}, False),
        (REPURPOSED, {"soh_permille": None}, False),
        (PREPARED, {"contract_reference": " "}, False),
        (REPURPOSED, {"contract_reference": None}, False),
        (PREPARED, {"soh_date": None}, False),
        (PREPARED, {"soh_date": "2026-06-02"}, False),  # before the old one was made
        (REPURPOSED, {"soh_date": "2027-02-15"}, False),  # after it was another
    ],
)
def test_a_second_life_begins_with_its_test_and_its_contract(
    kind: str, changes: dict[str, Any], good: bool
) -> None:
    """
    X20, Art 73: a test that found health, made of the old battery in time, and a contract of further use; of
    waste, in a Member State. Without one of these it is held, whatever was measured since.
    """
    w = two_publishers()

    told = judged(w, made_of(w, kind, **changes), condition="second_life")

    assert (told["verdict"] in GOOD) == good
    assert good or shape(told) == LACKING
    if not good:
        (said,) = check(told, "status_change_values")
        (name,) = changes
        assert said["evidence"]["lacking"] == [name]


@pytest.mark.parametrize(
    ("changes", "good"),
    [({}, True), ({"soh_member_state": "CN"}, False), ({"soh_permille": 0}, False)],
)
def test_a_second_life_that_a_further_code_alone_has_begins_with_its_test(
    changes: dict[str, Any], good: bool
) -> None:
    """
    X1, X20: shown under a code that says nothing of it, the battery is what the act made of the old one under
    the other code; where that act is not shown it is undecided.
    """
    link = "https://id.gs1.org/01/09521001000000/21/2"
    licences = [*accreditations(), accreditation(SECOND_LIFE, schemes=(("gs1", "9521001"),), licence="gs1")]
    w = World(Ledger(make_genesis(accreditations=licences)), publishers=(MAKER, SECOND_LIFE))
    old, text = code(1), code(2, "ZZ5")
    w.produce(old)
    w.publish(old)
    w.happen(MAKER, "market.placed", old, {"art_41_checked": True}, parties=(RECYCLER, SECOND_LIFE))
    w.happen(MAKER, "battery.declared_waste", old, {"reason": "worn"}, parties=(SECOND_LIFE,))
    said = TESTED | changes
    w.happen(SECOND_LIFE, PREPARED, old, said, cosign=(MAKER,), references=(subject_of(link),))
    for own, other in ((link, text), (text, link)):
        claims = claims_of(2)
        claims["GeneralProductInformation"]["productIdentifier"] = other
        w.produce(own, by=SECOND_LIFE)
        w.publish(own, w.issue(own, by=SECOND_LIFE, claims=claims))
    inland = {"condition": "used", "policy_name": "recycler", "direction": "inland"}

    told = judged(w, text, **inland)

    assert (told["verdict"] in GOOD) == good
    assert good or shape(told) == LACKING
    seen = w.evidence(text)
    lost = judged(w, text, evidence=replace(seen, events={}), **inland)
    assert lost["verdict"] not in GOOD
    swapped = judged(w, text, evidence=replace(seen, events=_swapped(seen)), **inland)
    assert not good or (shape(lost)[0], shape(swapped)) == ("undecided", ("hold", "wrong_payload"))


def _swapped(seen: Evidence) -> dict[bytes, Any]:
    """Another document in the place of each: not what its attestation is of."""
    digests = list(seen.events)
    return {
        digest: seen.events[other] for digest, other in zip(digests, digests[1:] + digests[:1], strict=True)
    }


def test_where_the_union_does_not_judge_no_test_in_it_is_asked_for() -> None:
    """
    Art 73 is the Union's: another side asks for the test, and not where it was made.
    """
    w = two_publishers()
    text = made_of(w, soh_member_state="CN")

    told = judged(w, text, condition="second_life", policy_name="authority-cn", direction="inland")

    assert check(told, "status_change_values")[0]["outcome"] == "pass"


@pytest.mark.parametrize("gone", ["the document", "the act"])
def test_an_act_that_nobody_shows_makes_no_second_life_clear(gone: str) -> None:
    """
    I8: the document that is withheld, and the leaf that is not in hand, leave it undecided.
    """
    w = two_publishers()
    text = made_of(w)
    seen = w.evidence(text)

    told = judged(w, text, evidence=without(seen, gone), condition="second_life")

    reason = "evidence_withheld" if gone == "the document" else "relatives_unread"
    assert shape(told) == ("undecided", reason)


def without(seen: Evidence, gone: str) -> Evidence:
    assert seen.ledger is not None
    (leaf,) = seen.ledger.made_into
    if gone == "the act":
        return replace(seen, ledger=replace(seen.ledger, made_into=()))
    entry = parse_entry(leaf.entry)
    assert isinstance(entry, AdmittedEntry)
    digest = entry.attestation.document_digest
    withheld = Missing(MissingReason.WITHHELD, SECOND_LIFE)
    return replace(seen, events={**seen.events, digest: withheld})


@pytest.mark.parametrize("tested_in", ["FR", "CN"])
def test_the_opinion_holds_what_is_made_of_waste_that_was_tested_elsewhere(tested_in: str) -> None:
    """
    Art 73 restated: of the trade that makes waste into another battery the word is no better than allowed.
    """
    trade = next(t for t in TRADES if t.name == "made into another battery")
    stage, archive = Stage.new(), Archive()
    for act in trade.acts:
        said = replace(act, tested_in=tested_in) if act.event == PREPARED else act
        outcome, step = stage.would(said)
        assert outcome == STATE, f"{said} is {outcome}"
        stage.take(said, step)
        archive = after(archive, said)

    for shown, _ in trade.sights:
        word = stage.judged(trade.battery, shown, CAR).verdict.conclusion.verdict
        assert not too_good(archive.of(trade.battery), shown, word)
        assert (word == "clear") == (tested_in != "CN")
    assert too_good(
        archive.of(trade.battery), Shown(condition="second_life", direction="inland"), "clear"
    ) == ([("hold", "made of waste that was tested elsewhere")] if tested_in == "CN" else [])


@pytest.mark.parametrize("status", ["Original", "original", "Reused", "re-used", "Waste", None])
@pytest.mark.parametrize("condition", ["second_life", "used", "new", "waste"])
def test_a_second_life_whose_passport_says_original_is_held(status: str | None, condition: str) -> None:
    """
    X16, Art 77(7): the passport of a second life says its status; one that says *Original* contradicts the
    record, as whatever but waste it is shown. Customs, which sees set 1 alone, does not see it.
    """
    w = two_publishers()
    text = made_of(w, status=status)
    seen = w.evidence(text, points=(1, 2, 3, 4))

    told = w.judge(text, policy_name="importer-eu", evidence=seen, condition=condition).as_dict()

    said = [one for one in told["checks"] if one["reason"] == "status_mismatch"]
    contradicts = status is not None and status.lower() == "original" and condition != "waste"
    assert len(said) == contradicts
    if contradicts:
        assert told["verdict"] not in GOOD and said[0]["evidence"]["record"] == "re-used"
        assert condition != "second_life" or shape(told) == ("hold", "status_mismatch")
    else:
        assert (told["verdict"] in GOOD) == (condition == "second_life" and status != "Waste")


def test_a_second_life_is_held_for_no_passport_that_another_replaced() -> None:
    """
    X16: whoever answers for it publishes one that says its status, and is held no more.
    """
    w = two_publishers()
    text = made_of(w, status="Original")
    first = w.passports[text]
    second = w.issue(text, by=SECOND_LIFE, version=2, claims=_claims(w, "Reused"))
    w.run(w.attested(text, second, "passport.superseded", references=(first.digest,)))
    w.passports[text] = second
    seen = w.evidence(text, points=(1, 2, 3, 4))

    told = w.judge(text, policy_name="importer-eu", evidence=seen, condition="second_life").as_dict()

    assert not [one for one in told["checks"] if one["reason"] == "status_mismatch"]


def _claims(w: World, status: str | None) -> dict[str, Any]:
    claims = claims_of(w.issued + 1)
    general = claims["GeneralProductInformation"]
    general.pop("batteryStatus")
    return {**claims, "GeneralProductInformation": general | ({"batteryStatus": status} if status else {})}
