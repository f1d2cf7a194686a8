"""Whose fault a finding is, and what is said of it: clocks, sets that nobody issued, claims by name."""

from __future__ import annotations

import pytest

from credentials.documents.passport import set_list_digest
from credentials.ledger.attestation import SetList
from credentials.verdicts.evidence import At
from credentials.verdicts.manifest import Line
from credentials.verdicts.readiness import readiness
from credentials.verdicts.verifier import verify
from tests.credentials.test_journeys import RECORD
from tests.credentials.test_shown import GOOD, check, judged, shape
from tests.credentials.test_used_before import remanufactured, taken_out
from tests.harness.border import LAW_DATE, World, code, policy, subject_of
from tests.harness.ledger import CN_AUTHORITY, IMPORTER, MAKER, RECYCLER, RIVAL


def test_a_node_whose_clock_is_behind_blames_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A passport signed after what the node takes for now is undecided, the node's fault; never a hold.
    """
    w = World()
    w.ledger.now += 30 * 86_400
    monkeypatch.setattr("tests.harness.border.CREATED", w.now)
    text = w.new(1)
    w.publish_lists()

    assert judged(w, text)["verdict"] in GOOD
    assert shape(judged(w, text, at=w.now - 600)) == ("undecided", "clock_wrong")


def test_a_set_that_is_shown_alone_is_completed_by_the_public_one() -> None:
    """
    Set 2 alone, of the live passport: set 1, which is held, completes it.
    """
    w = World()
    text = w.new(1)

    told = judged(w, text, shown=[w.passports[text].credentials[2]])

    assert told["verdict"] in GOOD
    assert check(told, "document")[0]["evidence"]["points"] == [1, 2]


def test_a_passport_without_its_public_set_was_never_issued_whole() -> None:
    """
    What was published without set 1 cannot be fetched from anybody: the passport lacks it, and that is said.
    """
    w = World()
    text = code(1)
    w.produce(text)
    issued = w.issue(text)
    digests = {p: d for p, d in _digests(issued.credentials).items() if p != 1}
    w.run(
        w.ledger.attest(
            MAKER,
            "passport.published",
            subject_of(text),
            set_list=SetList(1, digests),
            document_digest=set_list_digest(1, digests),
        )
    )

    told = judged(w, text, evidence=w.evidence(text, points=()))

    assert shape(told) == ("hold", "set_not_issued")


def _digests(credentials: object) -> dict[int, bytes]:
    from credentials.documents.canonical import digest_document

    assert isinstance(credentials, dict)
    return {point: digest_document(dict(document)) for point, document in credentials.items()}


def test_a_second_claim_to_a_code_is_named_as_what_it_was() -> None:
    """
    A second production is no second passport.
    """
    w = World()
    text = w.new(1)
    w.happen(MAKER, "battery.produced", text, {"production_date": "2026-06-03", "category": "ev"})

    warned = [c for c in check(judged(w, text), "standing.identity") if c["outcome"] == "warn"]

    assert [(c["reason"], c["evidence"]["kind"]) for c in warned] == [
        ("duplicate_claimed", "battery.produced")
    ]


# -- what gave way counts for nothing ------------------------------------------------------------------


def enrolled_and_produced(w: World, by: str = RIVAL) -> str:
    text = code(1)
    w.happen(by, "battery.enrolled", text, {"ground": "older_stock", "evidence": "photo"}, parties=(RIVAL,))
    w.happen(RIVAL, "used.exported", text, RECORD, quantities={"soh_permille": 900})
    w.produce(text)
    return text


def test_what_was_said_on_an_enrolment_that_gave_way_holds_nothing_and_proves_nothing() -> None:
    """
    I5: the honest new battery is no used one, and a stranger's record is no evidence once it is used.
    """
    w = World()
    text = enrolled_and_produced(w)
    w.publish(text)
    new = judged(w, text)

    w.happen(MAKER, "market.placed", text, {"art_41_checked": True})
    used = judged(w, text, condition="used")
    lines = [(Line.parse({"battery": text}), w.evidence(text, points=(1, 2, 3, 4)))]
    rows = readiness(lines, policy("importer-eu"), LAW_DATE, w.now)["rows"]

    assert new["verdict"] in GOOD
    assert shape(used) == ("hold", "used_evidence_missing")
    assert next(r for r in rows if r["id"] == "EXP-02")["state"] == "not_applicable"
    assert [step["kind"] for step in new["timeline"]][:2] == ["battery.enrolled", "used.exported"]


def test_what_was_said_on_an_enrolment_that_an_authority_relied_on_counts() -> None:
    """
    Nothing gave way: two records stand, and the battery is held.
    """
    w = World()
    text = enrolled_and_produced(w, by=CN_AUTHORITY)

    assert shape(judged(w, text))[0] == "hold"
    (found,) = check(judged(w, text, condition="used"), "used_evidence")
    assert found["reason"] == "used_evidence_outdated"  # it is read: the production came after it


# -- a document of what ended --------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["waste", "recycled", "consumed", ""])
def test_the_passport_of_what_ended_is_verified_with_a_warning(end: str) -> None:
    """
    A passport says what it said when it was signed; that the battery is waste or recycled is told beside it.
    """
    w = World()
    text = taken_out(w)
    if end == "consumed":
        remanufactured(w, text, code(1, "ZZ5"))
    elif end:
        w.happen(MAKER, "battery.sold", text, {"invoice": "I"}, parties=(RECYCLER, IMPORTER))
        w.happen(RECYCLER, "battery.declared_waste", text, {"reason": "worn"})
    if end == "recycled":
        w.happen(RECYCLER, "recycling.received", text, quantities={"mass_in_grams": 450_000})
        metals = {f"{m}_{way}_grams": 100 for m in ("co", "ni", "li", "cu") for way in ("in", "out")}
        w.happen(RECYCLER, "recycling.completed", text, {"method": "x"} | metals, quantities=metals)
    document = dict(w.passports[text].credentials[1])

    verdict = verify(document, w.evidence(text, shown=[document]), policy(), At(LAW_DATE, w.now))

    warned = [c.reason for c in verdict.checks if c.name == "status" and c.outcome.value == "warn"]
    assert warned == ([end] if end else [])
