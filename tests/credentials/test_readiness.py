"""The importer's report: every number computed, nothing met without evidence, nothing asked for twice."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from credentials.ledger.recognition import Effect, Recognition
from credentials.verdicts.answering import answers_of, as_text, read_text
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.crosswalk import Requirements
from credentials.verdicts.evidence import At, Evidence, Held, LedgerView, Missing, MissingReason, Tables
from credentials.verdicts.manifest import Line
from credentials.verdicts.readiness import STATES, readiness, report_of
from credentials.verdicts.verdict_record import ReportRecord
from node.answers import ReportAnswer
from tests.harness.border import (
    LAW_DATE,
    World,
    claims_of,
    code,
    policy,
    subject_of,
    tables,
    used_pack,
    words,
    world,
)
from tests.harness.ledger import CN_AUTHORITY, CREATED, CUSTOMS, EU_AUTHORITY, IMPORTER, MAKER

ALL = (1, 2, 3, 4)


def report(
    w: World, *texts: str, law_date: str = LAW_DATE, points: tuple[int, ...] = ALL, **changes: Any
) -> ReportAnswer:
    items = [
        (Line(n, text), replace(w.evidence(text, points=points), **changes))
        for n, text in enumerate(texts, start=1)
    ]
    told = readiness(items, policy("importer-eu"), law_date, w.now)
    assert told == by_verdicts(items, law_date, w.now)
    return words().report(told)


def by_verdicts(items: Sequence[tuple[Line, Evidence]], law_date: str, now: int) -> ReportRecord:
    """The report added up from what the verdicts on these lines left to be kept (`answering.py`)."""
    asks, kept = policy("importer-eu"), []
    for line, evidence in items:
        verdict = clear_item(line, evidence, asks, law_date, now)
        assert verdict.inquiry is not None
        answers = answers_of(verdict.inquiry, None if evidence.presented else verdict.examined)
        asked = Requirements.of(evidence.network.tables, asks.jurisdiction)
        read = read_text(as_text(answers), asked)
        assert read == answers, "what is read is what was kept"
        kept.append((line.line, line.battery, read))
    return report_of(kept, asks.jurisdiction, At(law_date, now))


def states(told: ReportAnswer) -> dict[str, str]:
    return {row["id"]: row["state"] for row in told["rows"]}


def row(told: Mapping[str, Any], row_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in told["rows"] if r["id"] == row_id)
    return found


def test_the_head_counts_every_requirement_once() -> None:
    """
    The states of the rows add up to all requirements of the crosswalk, and the sentence says these numbers.
    """
    w = World()

    told = report(w, w.new(1), w.new(2))

    head: Mapping[str, Any] = told["head"]
    assert head["total"] == len(tables().crosswalk["rows"]) == 44
    assert sum(head[state] for state in STATES) == head["total"]
    for state in STATES:
        assert head[state] == sum(r["state"] == state for r in told["rows"])
    assert head["sentence"] == (
        f"About 2 batteries of 2 lines: of 44 requirements {head['met_abroad']} met by attestations made "
        "abroad, "
        f"{head['met_home']} by EU-side evidence, {head['open']} open, "
        f"{head['not_yet_required']} not yet required, "
        f"{head['not_applicable']} not applicable to this consignment; asked for twice: 0"
    )
    assert min(head[state] for state in STATES) > 0


def test_a_row_says_which_line_proves_it_and_from_when_it_is_due() -> None:
    """
    Each proof names the line that it is about, each row the day from which it is asked, the report its time.
    """
    w = World()

    told = report(w, w.new(1), w.new(2))

    published = row(told, "ID-01")
    assert {proof["line"] for proof in published["proofs"]} == {1, 2}
    assert published["due_from"] == "2027-02-18"
    assert told["evaluated_at"] == w.now and told["law_date"] == LAW_DATE


def test_the_head_says_how_few_batteries_it_is_about() -> None:
    """
    L22: a consignment whose batteries mostly are not known says so before it counts what was met.
    """
    w = World()

    head = report(w, w.new(1), *(code(n) for n in range(50, 58)))["head"]

    assert (head["batteries"], head["lines"]) == (1, 9)
    assert head["sentence"].startswith("About 1 battery of 9 lines: of 44 requirements ")


def test_each_side_answers_its_own_rows() -> None:
    """
    A maker's data is met abroad, the registration on the EU side, and Art 41 waits for the importer.
    """
    w = World()

    told = report(w, w.new(1))

    expected = {
        "ID-06": "met_abroad",
        "ID-09": "met_abroad",
        "MAT-05": "met_abroad",
        "CUS-02": "met_abroad",
        "ID-02": "met_home",
        "ID-03": "met_home",
        "CUS-01": "met_home",
        "IMP-01": "open",
        "DOC-01": "open",
        "EOL-02": "open",
        "CFP-01": "not_yet_required",
        "REC-01": "not_yet_required",
        "LIFE-02": "not_applicable",
        "EXP-02": "not_applicable",
    }
    assert {k: states(told)[k] for k in expected} == expected
    assert row(told, "IMP-01")["who"] == "importer"
    proof = row(told, "ID-06")["proofs"][0]
    assert (proof["kind"], proof["issuer"], proof["jurisdiction"]) == ("passport.published", MAKER, "CN")
    assert proof["leaf_index"] > 0


def test_art_41_checks_close_their_rows() -> None:
    """
    When the importer attests its checks, the rows that waited for it are met by EU-side evidence.
    """
    w = World()
    text = w.new(1)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    before = states(report(w, text))

    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True})

    after = states(report(w, text))
    assert {k for k in after if before[k] != after[k]} == {"IMP-01", "DOC-01", "LAB-01"}
    assert after["IMP-01"] == after["DOC-01"] == "met_home"


def test_an_unticked_box_is_no_evidence() -> None:
    """
    A market.placed whose document says that nothing was checked, under a delta that says so, answers nothing.
    """
    w = World()
    text = w.new(1)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": False})

    assert states(report(w, text))["IMP-01"] == "open"
    assert states(report(w, text, events={}))["ID-02"] == "open"


def test_a_requirement_without_a_rule_is_open_and_asks_the_operator() -> None:
    """
    Where the tables do not say what meets a requirement, it is open, and the operator is to add the rule.
    """
    w = World()
    text = w.new(1)
    rules = {k: v for k, v in tables().crosswalk_evidence["rows"].items() if k != "IMP-01"}
    changed = replace(tables(), crosswalk_evidence={**tables().crosswalk_evidence, "rows": rules})

    told = report(w, text, network=w.network(tables=changed))

    found = row(told, "IMP-01")
    assert (found["state"], found["who"]) == ("open", "operator")
    assert found["action"] == "no rule says which evidence answers this row"


def test_a_withheld_set_is_open_not_met() -> None:
    """
    What lies in a set this node was not shown is not met, however well its digest is recorded.
    """
    w = World()

    told = states(report(w, w.new(1), points=(1,)))

    assert told["MAT-05"] == told["TEST-01"] == told["PERF-06"] == "open"
    assert told["MAT-01"] == "met_abroad"


def test_an_issued_set_that_is_withheld_is_not_called_unissued() -> None:
    """
    An open row says "withheld from this party" where the maker issued the set, and only there.
    """
    w = World()
    text, poor = w.new(1), code(2)
    claims = claims_of(2)
    del claims["MaterialComposition"]["batteryMaterials"]
    w.run(w.ledger.attest(MAKER, "battery.produced", subject_of(poor)))
    w.publish(poor, w.issue(poor, claims=claims))

    withheld, shown = report(w, text, points=(1,)), report(w, poor)

    assert row(withheld, "MAT-05")["action"] == "detailed composition (issued, withheld from this party)"
    assert row(withheld, "MAT-05")["withheld_lines"] == [1]
    assert row(shown, "MAT-05")["action"] == "detailed composition"
    assert row(shown, "MAT-05")["withheld_lines"] == []
    assert withheld["head"]["open"] == sum(r["state"] == "open" for r in withheld["rows"])


def test_one_battery_without_it_keeps_a_row_open() -> None:
    """
    A row is met for a consignment only when it is met for every battery; the open lines are named.
    """
    w = World()
    good, poor = w.new(1), code(2)
    claims = claims_of(2)
    del claims["Circularity"]["renewableContent"]
    w.run(w.ledger.attest(MAKER, "battery.produced", subject_of(poor)))
    w.publish(poor, w.issue(poor, claims=claims))

    told = row(report(w, good, poor), "REC-02")

    assert (told["state"], told["open_lines"], told["who"]) == ("open", [2], "manufacturer")
    assert told["items"]["met_abroad"] == told["items"]["open"] == 1


def test_lines_without_a_live_passport_are_left_out_and_said() -> None:
    """
    Unknown, revoked and repeated batteries do not enter the counts, and are listed with their reason.
    """
    w = World()
    good, revoked = w.new(1), w.new(2)
    w.revoke(revoked)

    told = report(w, good, revoked, code(3), good)

    assert told["items"] == 1
    assert [(x["line"], x["reason"]) for x in told["left_out"]] == [
        (2, "revoked"),
        (3, "not_found"),
        (4, "counted_earlier"),
    ]
    assert told["left_out"][2]["first_line"] == 1
    assert "came first" not in tables().reasons["counted_earlier"]["en"]


def test_a_line_without_a_passport_or_its_entry_says_why() -> None:
    """
    A battery that was never published, and one whose passport's entry is not in hand, are left out.
    """
    w = World()
    w.produce(code(9))
    text = w.new(1)
    view = w.view(text)

    unpublished = report(w, code(9))["left_out"]
    unread = report(w, text, ledger=replace(view, entries=()))["left_out"]

    assert [left["reason"] for left in unpublished] == ["not_published"]
    assert [left["reason"] for left in unread] == ["ledger_unavailable"]


@pytest.mark.parametrize("why", list(MissingReason))
def test_a_line_whose_public_set_is_not_in_hand_says_why(why: MissingReason) -> None:
    """
    A passport whose public set was not received is left out, with a reason that the table of reasons knows.
    """
    w = World()

    left = report(w, w.new(1), documents={1: Missing(why, MAKER)})["left_out"]

    assert [row["reason"] in tables().reasons for row in left] == [True]


def test_an_altered_set_answers_nothing() -> None:
    """
    A set that does not verify against the live passport is no evidence.
    """
    w = World()
    text = w.new(1)
    evidence = w.evidence(text, points=ALL)
    second = evidence.documents[2]
    assert isinstance(second, Held)
    altered = {**second.document, "validFrom": "2026-01-01T00:00:00Z"}
    documents = {**evidence.documents, 2: replace(second, document=altered)}

    assert states(report(w, text, documents=documents))["MAT-05"] == "open"


@pytest.mark.parametrize(
    ("effect", "state"),
    [
        (None, "open"),
        (Effect.INFORMATION_ONLY, "open"),
        (Effect.ACCEPTED_AS_LAB_EVIDENCE, "met_abroad"),
    ],
)
def test_a_laboratory_abroad_counts_only_by_recognition(effect: Effect | None, state: str) -> None:
    """
    A safety test abroad meets its row only under an effect that accepts it; information leaves it open.
    """
    recognitions = [
        Recognition(
            authority=EU_AUTHORITY,
            jurisdiction="EU",
            issuer=MAKER,
            rows=("SAF-01",),
            effect=effect,
            legal_basis="demonstration",
            valid_from=CREATED,
        )
        for effect in [effect]
        if effect is not None
    ]
    w = world(recognitions=recognitions)

    told = row(report(w, w.new(1)), "SAF-01")

    assert told["state"] == state
    assert told["not_accepted"] == (state == "open")
    proof = told["proofs"][0]
    assert proof["effect"] == (effect or Effect.NOT_RECOGNISED).value
    assert (proof["accepted"], proof["jurisdiction"]) == (state == "met_abroad", "CN")


def test_the_law_date_decides_what_is_required() -> None:
    """
    Before 18 Feb 2027 nothing of the passport is required; from 18 Aug 2027 due diligence is.
    """
    w = World()
    text = w.new(1)

    early, late = report(w, text, law_date="2027-02-17"), report(w, text, law_date="2027-08-18")

    assert early["head"]["not_yet_required"] == 44
    assert states(report(w, text))["DD-01"] == "not_yet_required"
    assert states(late)["DD-01"] != "not_yet_required"


def test_a_used_pack_has_its_shipment_row() -> None:
    """
    Art 72 applies once a used battery is exported, and to no new one.
    """
    w = World()

    told = report(w, used_pack(w, 1))

    assert states(told)["EXP-02"] == "met_home"
    assert states(told)["EXP-01"] == "not_applicable"


def asked_twice_evidence(w: World, text: str) -> tuple[Evidence, Tables]:
    """A crosswalk in which the export statement and the declaration answer one part."""
    rows = copy.deepcopy(tables().crosswalk_evidence)
    rows["rows"]["CUS-01"]["parts"][0]["accepts"].append({"event": "battery.exported"})
    values = {n: getattr(tables(), n) for n in Tables.__dataclass_fields__} | {"crosswalk_evidence": rows}
    evidence = w.evidence(text, points=ALL)
    changed = Tables(**values)
    return replace(evidence, network=replace(evidence.network, tables=changed)), changed


def test_evidence_given_by_both_sides_is_counted_as_asked_twice() -> None:
    """
    The last number is computed: where both sides had to state one thing, it is one.
    """
    w = World()
    text = w.new(1)
    evidence, _ = asked_twice_evidence(w, text)

    told = readiness([(Line(1, text), evidence)], policy("importer-eu"), LAW_DATE, w.now)

    assert told["head"]["asked_twice"] == 1
    assert row(told, "CUS-01")["asked_twice"]


def test_a_gap_for_what_was_stated_abroad_is_counted_as_asked_twice() -> None:
    """
    A mass attested at production and still listed as missing from the passport is asked for twice.
    """
    w = World()
    text = code(1)
    claims = claims_of(1)
    del claims["GeneralProductInformation"]["batteryMass"]
    w.happen(
        MAKER,
        "battery.produced",
        text,
        {"production_date": "2026-06-03", "category": "ev", "mass_grams": 452500},
        quantities={"mass_grams": 452500},
    )
    w.publish(text, w.issue(text, claims=claims))

    told = report(w, text)

    assert states(told)["ID-09"] == "met_abroad"
    assert row(told, "ID-09")["asked_twice"]


def test_nothing_is_called_compliant() -> None:
    """
    The report says what is met by which evidence, with the legal effect, and is labelled.
    """
    w = World()

    told = report(w, w.new(1))

    assert "complian" not in str([r["state"] for r in told["rows"]] + [told["head"]]).lower()
    assert "demonstration" in told["note"]
    assert CN_AUTHORITY in row(told, "CUS-02")["evidence"]["by"]


def test_a_line_that_could_not_be_asked_for_is_left_out_as_that() -> None:
    """
    A mistyped code is left out of the report as mistyped, not as unknown to the network.
    """
    w = World()

    told = report(w, w.new(1), ledger=LedgerView(None, unknown="identifier_invalid"))

    assert [line["reason"] for line in told["left_out"]] == ["identifier_invalid"]
