"""The Annex XIV record at its bounds, on made evidence: which second, which member, which statement (X19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any

import pytest

from credentials.ledger.attestation import parse_attestation
from credentials.ledger.entries import AdmittedEntry
from credentials.ledger.records import Installed
from credentials.ledger.standing import Bound, Enrolment, Parent, Setting, Standing
from credentials.verdicts.cell import Declared, cell_of
from credentials.verdicts.content import no_passport
from credentials.verdicts.event_documents import EventDocument
from credentials.verdicts.evidence import (
    At,
    Evidence,
    LedgerEntry,
    LedgerView,
    Missing,
    MissingReason,
    NetworkView,
)
from credentials.verdicts.freshness import ZONE_OFFSET_S_MAX
from credentials.verdicts.own_word import check_own_word
from credentials.verdicts.record import Inquiry, Record, Recorded
from credentials.verdicts.used import check_alias_used, check_used
from credentials.verdicts.verdict import Check, Findings
from tests.harness.border import LAW_DATE, first_second, policy, tables
from tests.harness.ledger import CN_AUTHORITY, IMPORTER, MAKER, WORKSHOP, Ledger, battery, vehicle

DAY = first_second("2027-01-15")
DAY_S = 86_400
NOW = DAY + 5 * DAY_S
CROSSES = {
    "condition": "used", "direction": "export", "use": "used", "lineage": "none", "eu_status": "original",
}  # fmt: skip
UNUSED = CROSSES | {"condition": "new", "use": "unused"}
RECORD = {
    "contract_reference": "C", "packaging": "crate", "not_waste": True, "soh_permille": 900,
    "soh_date": "2027-01-15",
}  # fmt: skip
STANDING = Standing(battery(1), place="EU")
ENTERED = Enrolment(WORKSHOP, 1, "", bytes(32))
LINE = Declared("export")
NUMBERS = count()  # of documents: each statement has its own


@cache
def ledger() -> Ledger:
    return Ledger()


def said(kind: str, leaf: int, at: int = DAY, *, by: str = IMPORTER, **members: Any) -> Recorded:
    """A statement on the ledger: at this leaf, of this time."""
    document = sha256(b"document %d" % next(NUMBERS)).digest()
    tx = ledger().attest(by, kind, battery(1), event_time=at, iat=NOW, document_digest=document, **members)
    return Recorded(parse_attestation(tx), leaf, leaf + 1, NOW)


EXPORT = said("used.exported", 5, quantities={"soh_permille": 900})


def inquiry(*statements: Recorded, standing: Standing = STANDING, **changes: Any) -> Inquiry:
    """What one verdict is about, with these statements on record."""
    view = replace(LedgerView(standing), **changes.pop("view", {}))
    network = NetworkView(9, NOW, changes.pop("tables", tables()))
    evidence = Evidence(network, view, {}, **changes.pop("evidence", {}))
    made = Inquiry(evidence, Record(statements), policy(changes.pop("by", "customs-eu")), At(LAW_DATE, NOW))
    return replace(made, **changes)


def documented(made: Inquiry, statement: Recorded, members: Mapping[str, Any] | None) -> Inquiry:
    """The same with the document of a statement in hand, examined."""
    made.read[statement.attestation.document_digest] = EventDocument(members)
    return made


def evidence_check(
    *later: Recorded,
    standing: Standing = STANDING,
    export: Recorded = EXPORT,
    cell: Mapping[str, str] = CROSSES,
    **members: Any,
) -> tuple[str, str, Mapping[str, Any]]:
    made = documented(inquiry(export, *later, standing=standing), export, RECORD | members)
    found = Findings(tables())
    check_used(found, cell, made, LINE)
    (told,) = (c for c in found.checks if c.name == "used_evidence")
    assert told.rule == ("X19" if told.outcome != "not_applicable" else None)
    return told.outcome.value, told.reason, told.evidence


PLACE = EXPORT.place()
OK = ("pass", "ok", PLACE)


def missing(*names: str) -> tuple[str, str, Mapping[str, Any]]:
    return "fail", "used_evidence_missing", {"lacking": list(names), **PLACE}


def outdated(by: Recorded) -> tuple[str, str, Mapping[str, Any]]:
    return "fail", "used_evidence_outdated", {"kind": by.attestation.kind, **by.place()}


def test_every_member_of_the_record_says_something_of_its_kind() -> None:
    """
    I8: the least state of health there can be is one; blanks, a yes in words and no number are none.
    """
    assert evidence_check() == evidence_check(soh_permille=1) == OK
    for no in (0, -1, True, 1.0, "900", None):
        assert evidence_check(soh_permille=no) == missing("soh_permille")
    for no in ("", "  ", 7, None):
        assert evidence_check(contract_reference=no) == missing("contract_reference")
        assert evidence_check(packaging=no) == missing("packaging")
    for no in (False, 1, "yes", None):
        assert evidence_check(not_waste=no) == missing("not_waste")
    assert evidence_check(soh_date="x", packaging="", not_waste=0) == missing(
        "packaging", "not_waste", "soh_date"
    )


def test_the_day_of_the_test_lies_between_the_making_and_the_record() -> None:
    """
    The day of production itself, and the day that it is already somewhere on Earth, are days like any other.
    """
    for produced, fine in ((None, True), (DAY, True), (DAY - 1, True), (DAY + 1, False)):
        standing = replace(STANDING, produced_on=produced)
        assert evidence_check(standing=standing) == (OK if fine else missing("soh_date"))
    for at, fine in ((DAY - ZONE_OFFSET_S_MAX, True), (DAY - ZONE_OFFSET_S_MAX - 1, False)):
        export = said("used.exported", 5, at)
        told = evidence_check(export=export)
        assert told[:2] == (OK if fine else missing())[:2]


def test_what_happened_after_the_day_of_the_test_outdates_it() -> None:
    """
    From the first second of the day after: on the day itself nobody knows which came first.
    """
    put_in: dict[str, Any] = {"bound_asset": vehicle(1), "by": WORKSHOP}
    told_since: list[tuple[str, dict[str, Any]]] = [("negative_event", {}), ("battery.installed", put_in)]
    for at, fine in ((DAY + DAY_S - 1, True), (DAY + DAY_S, False)):
        for kind, members in told_since:
            fire = said(kind, 3, at, **members)
            told = evidence_check(fire)
            assert told == (OK if fine else outdated(fire))
    assert evidence_check(said("battery.maintained", 3, DAY + 9 * DAY_S)) == OK


def test_what_followed_the_record_ends_the_journey_or_does_not() -> None:
    """
    Only what is later on the ledger; a release ends it but where the goods arrived, a customs step never.
    """
    import_ = CROSSES | {"direction": "import"}
    for leaf in (4, 6):
        released, presented = said("customs.released", leaf), said("battery.presented", leaf)
        placed = said("market.placed", leaf)
        over = leaf > 5
        assert evidence_check(presented) == OK
        assert evidence_check(released) == (outdated(released) if over else OK)
        assert evidence_check(placed) == (outdated(placed) if over else OK)
        assert evidence_check(released, cell=import_) == OK
        abroad = replace(STANDING, place="CN")
        assert evidence_check(released, cell=import_, standing=abroad) == (outdated(released) if over else OK)
    same = said("market.placed", 5)
    assert evidence_check(same) == OK


def test_a_test_that_found_nothing_left_outdates_the_record() -> None:
    """
    On the way, or of the record's day or later by its own document; without one, by when it was told.
    """
    for leaf, at, day, fine in (
        (6, DAY - 9 * DAY_S, "2027-01-01", False),
        (4, DAY, "2027-01-14", True),
        (4, DAY, "2027-01-15", False),
        (4, DAY, None, False),
        (4, DAY - 1, None, True),
        (4, DAY - 1, "2027-01-16", True),
    ):
        dead = said("soh.measured", leaf, at, quantities={"soh_permille": 0})
        made = documented(inquiry(EXPORT, dead), EXPORT, RECORD)
        documented(made, dead, None if day is None else {"measured_on": day})
        found = Findings(tables())
        check_used(found, CROSSES, made, LINE)
        (told,) = (c for c in found.checks if c.name == "used_evidence")
        assert (told.outcome.value, told.reason, told.evidence) == (OK if fine else outdated(dead))
    alive = said("soh.measured", 6, quantities={"soh_permille": 1})
    assert evidence_check(alive) == OK


def test_only_the_latest_tests_are_read() -> None:
    """
    Eight documents at most, so that nobody makes a verdict dear: the ninth from the end is not read.
    """
    for many, reason in ((8, "used_evidence_outdated"), (9, "ok")):
        tests = [said("soh.measured", 4, DAY + n, quantities={"soh_permille": 0}) for n in range(many)]
        made = documented(inquiry(*tests, EXPORT), EXPORT, RECORD)
        for n, test in enumerate(tests):
            documented(made, test, {"measured_on": "2027-01-14" if n else "2027-01-15"})
        found = Findings(tables())
        check_used(found, CROSSES, made, LINE)
        assert [c.reason for c in found.checks if c.name == "used_evidence"] == [reason]


def test_a_used_battery_without_its_record_says_what_there_is_instead() -> None:
    """
    Nothing, another departure, or a record that was taken back: the statement is named.
    """

    def told(*statements: Recorded, **changes: Any) -> tuple[str, Mapping[str, Any]]:
        made = inquiry(*statements)
        made = replace(made, record=replace(made.record, **changes))
        found = Findings(tables())
        check_used(found, CROSSES, made, LINE)
        (check,) = (c for c in found.checks if c.name == "used_evidence")
        assert (check.outcome.value, check.rule) == ("fail", "X19")
        return check.reason, check.evidence

    other = said("waste.exported", 7)
    assert told() == ("used_evidence_missing", {})
    assert told(EXPORT, other) == ("used_evidence_missing", {"kind": "waste.exported", **other.place()})
    back = frozenset({EXPORT.attestation.digest})
    assert told(EXPORT, taken_back=back) == ("used_evidence_missing", {"kind": "used.exported", **PLACE})


def test_a_record_whose_document_is_not_in_hand_says_whose_it_is() -> None:
    """
    Not made is not failed; what is wrong with it is.
    """
    found = Findings(tables())
    check_used(found, CROSSES, inquiry(EXPORT), LINE)
    made = inquiry(EXPORT)
    made.read[EXPORT.attestation.document_digest] = EventDocument(reason="wrong_payload", spoiled=True)
    check_used(found, CROSSES, made, LINE)

    told = [(c.outcome.value, c.reason, c.evidence) for c in found.checks if c.name == "used_evidence"]
    evidence = {"kind": "used.exported", "by": IMPORTER, **PLACE}
    assert told == [("indeterminate", "not_held", evidence), ("fail", "wrong_payload", evidence)]


def test_health_is_that_of_the_battery_as_it_is() -> None:
    """
    What happened the day after the latest test outdates it, and is named beside it.
    """
    test = said("soh.measured", 2, DAY, by=CN_AUTHORITY, quantities={"soh_permille": 880})
    for at, fine in ((DAY + DAY_S - 1, True), (DAY + DAY_S, False)):
        fire = said("negative_event", 3, at)
        made = documented(inquiry(test, fire, by="authority-cn"), test, {"measured_on": "2027-01-15"})
        made = replace(made, policy=replace(made.policy, recognition_required=False))
        found = Findings(tables())
        check_used(found, CROSSES, made, LINE)
        (told,) = (c for c in found.checks if c.name == "soh")
        seen = {
            "soh_permille": 880, "measured_by": CN_AUTHORITY, "kind": "soh.measured", **test.place(),
        }  # fmt: skip
        since = {} if fine else {"since": "negative_event", "since_leaf_index": 3}
        assert (told.reason, told.age_s) == ("ok" if fine else "soh_outdated", 5 * DAY_S)
        assert told.evidence == seen | since


# -- a further code --------------------------------------------------------------------------------------


def alias_check(
    *statements: Recorded,
    cell: Mapping[str, str] = CROSSES,
    named: Mapping[str, str] = UNUSED,
    before: str | None = "passed",
    standing: Standing = STANDING,
    by: str = "customs-eu",
    **view: Any,
) -> list[Check]:
    found = Findings(tables())
    if before == "passed":
        found.passed("used_evidence")
    elif before == "failed":
        found.failed("used_evidence", "used_evidence_missing")
    made = documented(inquiry(EXPORT, standing=standing, by=by), EXPORT, RECORD)
    about = replace(inquiry(standing=view.pop("its", standing), view=view), record=Record(statements))
    check_alias_used(found, "THE-CODE", named, about, cell, made)
    return [c for c in found.checks if c.name == "alias"]


def test_what_is_told_under_a_further_code_is_of_the_battery_that_crosses() -> None:
    """
    After the record of its own it ends the journey, and what came after the day of its test outdates it; the
    check names the code, the statement and its place.
    """
    late, old = said("market.placed", 6), said("market.placed", 4)
    fire, same_day = said("negative_event", 4, DAY + DAY_S), said("negative_event", 4, DAY + DAY_S - 1)

    for statement in (late, fire):
        (told,) = alias_check(statement)
        assert (told.outcome.value, told.reason, told.rule) == ("fail", "used_evidence_outdated", "X19")
        kind = statement.attestation.kind
        assert told.evidence == {"identifier": "THE-CODE", "kind": kind, **statement.place()}
    assert alias_check(old) == alias_check(same_day) == alias_check() == []
    assert alias_check(said("used.exported", 9), said("battery.produced", 9, by=MAKER)) == []
    assert alias_check(late, before="failed") == alias_check(late, before=None) == []
    assert alias_check(late, by="manufacturer") == []


def test_a_release_under_a_further_code_is_the_arrival_where_the_goods_are() -> None:
    """
    Judged at an import where the battery is; at an export, or of one elsewhere, it ended the journey.
    """
    released, abroad = said("customs.released", 6), replace(STANDING, place="CN")
    arriving = CROSSES | {"direction": "import"}

    assert alias_check(released, cell=arriving) == []
    assert len(alias_check(released)) == 1
    assert len(alias_check(released, cell=arriving, standing=abroad)) == 1


@pytest.mark.parametrize("condition", ["return", "repair"])
def test_a_return_that_was_used_under_a_further_code_is_asked_about(condition: str) -> None:
    """
    D705: only where its own record does not ask that already; the check names the code.
    """
    back = UNUSED | {"condition": condition}
    used = back | {"use": "used"}

    (told,) = alias_check(cell=back, named=used)
    assert (told.outcome.value, told.reason) == ("indeterminate", "return_not_checked")
    assert (told.rule, told.word, told.evidence) == ("X19", "undecided", {"identifier": "THE-CODE"})
    assert alias_check(cell=used, named=used) == alias_check(cell=back, named=back) == []
    second = back | {"lineage": "second_life"}
    assert len(alias_check(cell=back, named=second)) == 1
    assert alias_check(said("market.placed", 6), cell=back, named=back) == []


# -- its own word, and what is not in hand ---------------------------------------------------------------


def own_word(condition: str | None, *, by: str = "importer-eu", held: bool = True) -> list[Check]:
    documents = {4: Missing(MissingReason.WITHHELD)} if held else {}
    found = Findings(tables())
    cell = None if condition is None else CROSSES | {"condition": condition}
    check_own_word(found, (), inquiry(by=by, evidence={"documents": documents}), cell)
    return found.checks


def test_a_set_that_is_kept_back_leaves_open_what_rests_on_it() -> None:
    """
    X7: of a new battery that it is new, of any other in which state it is; of waste, and of what is not said
    to be anything, nothing. Whoever may not see it, or did not ask, does not miss it.
    """
    for condition in ("new", "used", "return"):
        (told,) = own_word(condition)
        assert told.name == ("new_not_used" if condition == "new" else "standing.state")
        assert (told.outcome.value, told.reason) == ("indeterminate", "evidence_withheld")
        assert (told.rule, told.word) == ("X7", "undecided")
    assert own_word("waste") == own_word("not_given") == own_word(None) == []
    assert own_word("new", by="authority-cn") == own_word("new", held=False) == []
    without = replace(tables(), shown_as=None)
    found = Findings(without)
    check_own_word(found, (), inquiry(by="importer-eu", tables=without), CROSSES)
    assert found.checks == []


def word_of(axis: str, made: Inquiry, declared: Declared = LINE) -> str:
    table, view = tables().shown_as, made.evidence.ledger
    assert table is not None and view is not None and view.standing is not None
    return cell_of(table, view.standing, made, declared)[axis]


def test_what_was_said_of_the_vehicle_is_use() -> None:
    """
    D773: each by its word in the table, and what has none there as use.
    """

    def use(*kinds: str) -> str:
        told = Installed(STANDING.key, WORKSHOP, told=dict.fromkeys(kinds, bytes(32)))
        return word_of("use", inquiry(view={"vehicle": told}))

    table = tables().shown_as
    assert table is not None and len(table.shown_by) > 1
    for kind, word in table.shown_by.items():
        assert use(kind) == word
    assert (use(), use("vehicle.unheard_of")) == ("unused", "used")


def test_what_no_customs_released_is_open_inland() -> None:
    """
    D771: in each state in which it left or was declared; at a border or in any other state it is not asked.
    """
    for state in ("exported", "presented", "suspended", "refused", "placed", "produced"):
        made = inquiry(standing=replace(STANDING, item_state=state))
        inside, out = (word_of("presented", made, Declared(d)) for d in ("inland", "export"))
        open_ = state in ("exported", "presented", "suspended", "refused")
        assert (inside, out) == ("open" if open_ else "unasked", "unasked")


def test_what_came_out_of_a_pack_under_a_further_code_is_tested_after_that() -> None:
    """
    X1, X19, 0969: of a day before its further code came out of a pack, a test is none of what crosses.
    """
    for at, outdated in ((DAY + DAY_S, True), (DAY, False)):
        apart = said("battery.dismantled", 4, at, by=WORKSHOP, references=(battery(1),))
        leaf = LedgerEntry(4, 5, NOW, b"", AdmittedEntry(apart.attestation))
        out = replace(STANDING, parent=Parent(b"p" * 32, 4, "original", ()))
        found = alias_check(its=out, taken_out=[leaf])

        assert [(c.reason, c.evidence["kind"]) for c in found] == (
            [("used_evidence_outdated", "battery.dismantled")] if outdated else []
        )


def test_without_the_table_of_events_nothing_is_read_off_them() -> None:
    """
    A cell has its words all the same, and the checks say that a table is not in hand.
    """
    bare = replace(tables(), verdicts={})
    released = replace(STANDING, item_state="released", bound=Bound(vehicle(1), 1, WORKSHOP))
    made = inquiry(standing=released, tables=bare)

    assert (word_of("presented", made, Declared("inland")), word_of("use", made)) == ("unasked", "unused")
    assert word_of("placed", made) == "never"
    found = Findings(bare)
    check_used(found, CROSSES, made, LINE)
    assert {c.reason for c in found.checks} == {"tables_unavailable"}
    alias = Findings(bare)
    check_alias_used(alias, "THE-CODE", UNUSED, made, CROSSES, made)
    assert alias.checks == []


# -- who needs a passport --------------------------------------------------------------------------------


def asked(day: str = "2027-02-18", *statements: Recorded, standing: Standing = STANDING, **said_: Any) -> str:
    made = inquiry(*statements, standing=standing)
    for statement in statements:
        if statement.attestation.kind == "battery.produced":
            documented(made, statement, said_ or None)
    return no_passport(replace(made, at=At(day, NOW)))


def test_a_passport_is_asked_of_what_is_placed_from_that_day_on() -> None:
    """
    Art 77(1): of three categories; what is not known is asked, and older stock is not.
    """
    yes, no = "not_published", "passport_not_yet_required"
    made = said("battery.produced", 1, by=MAKER, produced_on=DAY)

    assert [asked(day) for day in ("2027-02-17", "2027-02-18", "2027-02-19")] == [no, yes, yes]
    for category, answer in (("ev", yes), ("EV", yes), ("lmt", yes), ("industrial", yes), ("sli", no)):
        assert asked("2027-02-18", made, category=category) == answer
    assert asked("2027-02-18", made, mass_grams=1) == asked("2027-02-18", made) == yes
    enrolled = replace(STANDING, enrolled=ENTERED)
    assert asked(standing=enrolled) == no
    assert asked(standing=replace(enrolled, producer=MAKER)) == yes


def test_what_was_placed_before_that_day_needs_none() -> None:
    """
    By the time of the block in which it was placed; a place that is not on its record is none.
    """
    begins = first_second("2027-02-18")
    placing = said("market.placed", 3)
    placed = replace(STANDING, jurisdictions={"placed": {"EU": Setting(IMPORTER, 3, "")}}, enrolled=ENTERED)

    for at, answer in ((begins - 1, "passport_not_yet_required"), (begins, "not_published")):
        assert asked("2027-02-18", replace(placing, block_time=at), standing=placed) == answer
    other = replace(placing, leaf_index=4, block_time=begins - 1)
    assert asked("2027-02-18", other, standing=placed) == "not_published"
    elsewhere = replace(placed, jurisdictions={"placed": {"CN": Setting(IMPORTER, 3, "")}}, enrolled=None)
    assert asked("2027-02-18", replace(placing, block_time=1), standing=elsewhere) == "not_published"
