"""What a used battery brings: the Annex XIV record (X19), a health test, values after a change (X20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from credentials.documents.spelling import trimmed
from credentials.ledger.standing import WASTE, Standing
from credentials.verdicts.cell import Cell, Declared, in_its_vehicle
from credentials.verdicts.event_documents import EventDocument, event_document, first_second
from credentials.verdicts.freshness import ZONE_OFFSET_S_MAX
from credentials.verdicts.named import built_in, part_of_used
from credentials.verdicts.recognised import counts_here
from credentials.verdicts.record import Inquiry, Record, Recorded
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Findings, Outcome

USED_CHECKS = ("parts_not_used", "used_evidence", "soh", "status_change_values")
TESTS_READ_MAX = 8  # of the latest health tests: each costs the proof of its document
_DAY_S = 86_400


def check_used(found: Findings, cell: Cell | None, inquiry: Inquiry, declared: Declared) -> None:
    """What follows from being used, or from being declared so. `cell` None: the record could not be read."""
    evidence, policy = inquiry.evidence, inquiry.policy
    events = evidence.network.tables.verdicts.get("events")
    if evidence.ledger is None or inquiry.record.unreadable:
        found.unmade(USED_CHECKS, "ledger_unavailable")
        return
    standing = evidence.ledger.standing
    if standing is None:
        found.unmade(USED_CHECKS, evidence.ledger.unknown)
        return
    if events is None or cell is None:
        found.unmade(USED_CHECKS, "tables_unavailable")
        return
    condition = cell["condition"]
    if condition in ("new", "not_given") and cell["eu_status"] == "original":
        found.unmade(("parts_not_used",), "parts_not_compared", rule="X7")
    else:
        found.inapplicable("parts_not_used", condition=condition)
    crosses = _crosses_as_used(cell, inquiry) and not in_its_vehicle(standing, inquiry, declared)
    if not crosses or not policy.annex_xiv_required:
        found.inapplicable("used_evidence", condition=condition)
    elif condition in ("return", "repair"):
        # D705
        found.unmade(("used_evidence",), "return_not_checked", rule="X19", condition=condition)
    else:
        _check_evidence(found, inquiry, standing, cell)
    _check_soh(found, events, inquiry, applies=crosses)
    _check_status_change(found, cell, standing, inquiry)


def _crosses_as_used(cell: Cell, inquiry: Inquiry) -> bool:
    """True for goods that cross a border as a used battery, by the record or by their own declaration.

    Whether an export is on record does not matter: leaving it out must not spare the evidence (I6). What a
    repair names as a part of what was in use was in use in there (0969).
    """
    if cell["direction"] == "inland" or cell["condition"] == "waste":
        return False
    used = cell["use"] != "unused" or part_of_used(inquiry)
    if cell["condition"] in ("return", "repair"):
        # Only what was made as new can be unsold stock: what came out of a used pack carries no mark of use.
        used = used or cell["lineage"] != "none"
    return cell["condition"] == "used" or (cell["condition"] != "new" and used)


# -- the Annex XIV record ------------------------------------------------------------------------------


def _check_evidence(found: Findings, inquiry: Inquiry, standing: Standing, cell: Cell) -> None:
    """X19: a used battery crosses a border with the Annex XIV record, or is presumed to be waste.

    It is the record of this journey: the latest statement of leaving a country, not taken back, and nothing
    that ends a journey after it. An older one never comes back (D721).
    """
    events, record = inquiry.events, inquiry.record
    border = [r for r in record.in_order() if r.attestation.kind in events["border"]]
    needed = events["annexXiv"].get(border[-1].attestation.kind) if border else None
    if needed is None or border[-1].attestation.digest in record.taken_back:
        told: Mapping[str, Any] = border[-1].place() if border else {}
        kind = border[-1].attestation.kind if border else None
        found.failed("used_evidence", "used_evidence_missing", rule="X19", kind=kind, **told)
        return
    export = border[-1]
    arrived = cell["direction"] == "import" and standing.place == inquiry.policy.jurisdiction
    later = next((r for r in record.in_order() if _ends_journey(r, export, inquiry, arrived=arrived)), None)
    if later is not None:
        _tell_outdated(found, later)
        return
    document = event_document(inquiry, export)
    if document.members is None:
        kind, by = export.attestation.kind, export.attestation.issuer
        document.tell(found, "used_evidence", rule="X19", kind=kind, by=by, **export.place())
        return
    dated = events["soh"][export.attestation.kind]
    lacking = _lacking(document.members, needed)
    tested = _day_of_test(document.members.get(dated), export, standing)
    if lacking or tested is None:
        lacking += [dated] if tested is None else []
        found.failed("used_evidence", "used_evidence_missing", rule="X19", lacking=lacking, **export.place())
        return
    outdated = _outdated(tested, record, events) or _came_out(tested, standing, inquiry)
    outdated = outdated or _found_dead(tested, export, record, inquiry)
    if outdated is not None:
        _tell_outdated(found, outdated)
    else:
        found.passed("used_evidence", rule="X19", **export.place())


def _tell_outdated(found: Findings, later: Recorded) -> None:
    told = {"kind": later.attestation.kind, **later.place()}
    found.failed("used_evidence", "used_evidence_outdated", rule="X19", **told)


def _lacking(members: Mapping[str, Any], needed: Mapping[str, Any]) -> list[str]:
    """The members without which the record is none: health of nothing is no function (Annex XIV, 1).

    The ledger does not see the document: whatever is no value of its kind is none (I8).
    """
    lacking = [name for name in needed["text"] if not _says_something(members.get(name))]
    lacking += [name for name in needed["true"] if members.get(name) is not True]
    return lacking + [name for name in needed["positive"] if not _is_positive(members.get(name))]


def _says_something(value: object) -> bool:
    return isinstance(value, str) and bool(trimmed(value))


def _is_positive(value: object) -> bool:
    return type(value) is int and value > 0


def _day_of_test(said: object, export: Recorded, standing: Standing) -> int | None:
    """The day of the record's test; None for no day, one before it was made, or after the record was."""
    day, produced = first_second(said), standing.produced_on
    if day is None or (produced is not None and day < produced):
        return None
    return day if day <= export.attestation.event_time + ZONE_OFFSET_S_MAX else None


def _outdated(tested: int, record: Record, events: Mapping[str, Any]) -> Recorded | None:
    """What happened to the battery after the day of a test: it is not what was tested."""
    since = [r for r in record.shown() if r.attestation.kind in events["outdatesTests"]]
    since += [record.put_in] if record.put_in is not None else []
    return next((r for r in since if r.attestation.event_time >= tested + _DAY_S), None)


def check_alias_used(  # noqa: PLR0917  (one further code, and what it is read beside)
    found: Findings,
    text: str,
    named: Cell,
    about: Inquiry,
    cell: Cell,
    inquiry: Inquiry,
) -> None:
    """What its record under a further code says of use: it is the same battery that crosses (X1, X19).

    `about`: the same question of that code.
    """
    record, beside = about.record, about.evidence.ledger
    view, events = inquiry.evidence.ledger, inquiry.events
    assert view is not None and view.standing is not None, "a cell was made of it"
    if not inquiry.policy.annex_xiv_required:
        return
    if cell["condition"] in ("return", "repair"):
        if _crosses_as_used(named, about) and not _crosses_as_used(cell, inquiry):
            reason, unread = "return_not_checked", Outcome.INDETERMINATE
            found.add("alias", unread, reason, rule="X19", word=UNDECIDED, identifier=text)
        return
    if found.outcomes("used_evidence") != [Outcome.PASS]:
        return
    border = [r for r in inquiry.record.in_order() if r.attestation.kind in events["border"]]
    export, kinds = border[-1], (*events["annexXiv"], *events["origin"])
    said = (event_document(inquiry, export).members or {}).get(events["soh"][export.attestation.kind])
    tested = _day_of_test(said, export, view.standing)
    assert tested is not None, "the record was passed"
    arrived = cell["direction"] == "import" and view.standing.place == inquiry.policy.jurisdiction
    since = (r for r in record.in_order() if r.attestation.kind not in kinds)
    later = next((r for r in since if _ends_journey(r, export, inquiry, arrived=arrived)), None)
    later = later or _outdated(tested, record, events) or _found_dead(tested, export, record, inquiry)
    if later is None and beside is not None and beside.standing is not None:
        later = _came_out(tested, beside.standing, about)
    if later is not None:
        kind, place = later.attestation.kind, later.place()
        found.failed("alias", "used_evidence_outdated", rule="X19", identifier=text, kind=kind, **place)


def _came_out(tested: int, standing: Standing, inquiry: Inquiry) -> Recorded | None:
    """The dismantling by which it came out of its pack, after the day of a test: in there it was in use.

    Or a repair of what was in use that names it: it was put in there, or taken out (0966).
    """
    since = [said for what, said in inquiry.taken_out() if what == standing.subject and said is not None]
    since += built_in(inquiry)
    return next((r for r in since if r.attestation.event_time >= tested + _DAY_S), None)


def _ends_journey(later: Recorded, export: Recorded, inquiry: Inquiry, *, arrived: bool) -> bool:
    """True if what was stated after the record changes place or use: its test is not of what crosses now.

    `arrived`: it is where it is judged, so that a release since the record was that of its arrival. Where
    customs say that the goods never left there was no journey, and what leaves later makes another.
    """
    if later.leaf_index <= export.leaf_index:
        return False
    events, kind, governance = inquiry.events, later.attestation.kind, inquiry.evidence.network.governance
    if kind in events["released"]:
        return not arrived
    event = governance.lifecycle.event(kind) if governance is not None else None
    never = event.effects.gives_back if event is not None else None
    return kind not in events["sameJourney"] or bool(later.attestation.quantities.get(never or ""))


def _found_dead(tested: int, export: Recorded, record: Record, inquiry: Inquiry) -> Recorded | None:
    """A test, not taken back, that found nothing left of it: on the way, or not before the record's.

    `record`: that of the code that is asked about, or of a further one, whose documents need not be in hand.
    """
    events = inquiry.events
    tests = record.of_kinds(events["soh"])
    zeros = [r for r in tests if r.attestation.quantities.get(events["sohQuantity"]) == 0]
    for found in zeros[: -TESTS_READ_MAX - 1 : -1]:
        if found.leaf_index > export.leaf_index and found.leaf_index not in record.late:
            return found
        day = _tested_at(event_document(inquiry, found), found, events)
        if (found.attestation.event_time if day is None else day) >= tested:
            return found
    return None


# -- health --------------------------------------------------------------------------------------------


def _measured(inquiry: Inquiry, events: Mapping[str, Any]) -> list[Recorded]:
    """The tests of health on record that found any, oldest first."""
    quantity = events["sohQuantity"]
    return [
        r for r in inquiry.record.of_kinds(events["soh"]) if r.attestation.quantities.get(quantity, 0) > 0
    ]


def _check_soh(found: Findings, events: Mapping[str, Any], inquiry: Inquiry, *, applies: bool) -> None:
    """The latest test, by the day on which it was made, of somebody whose word counts here."""
    policy, network = inquiry.policy, inquiry.evidence.network
    if not applies or policy.soh_age_days_max is None:
        found.inapplicable("soh")
        return
    measured = _measured(inquiry, events)
    if not measured:
        found.failed("soh", "soh_missing", rule="X19")
        return
    if policy.recognition_required and (network.recognitions is None or network.governance is None):
        found.unknown("soh", "recognition_unavailable")
        return
    counted = [r for r in measured if counts_here(events["sohRow"], r, inquiry)]
    if not counted:
        by = measured[-1].attestation.issuer
        found.failed("soh", "not_recognised", rule="X19", issuer=by, **measured[-1].place())
        return
    read = [(event_document(inquiry, r), r) for r in counted[: -TESTS_READ_MAX - 1 : -1]]
    dated = [(at, r) for document, r in read if (at := _tested_at(document, r, events)) is not None]
    if not dated:
        document, latest = read[0]
        document = document if document.members is None else EventDocument(reason="not_held")
        document.tell(found, "soh", by=latest.attestation.issuer, **latest.place())
        return
    tested_at, latest = max(dated, key=lambda pair: pair[0])
    told = {
        "soh_permille": latest.attestation.quantities[events["sohQuantity"]],
        "measured_by": latest.attestation.issuer,
        "kind": latest.attestation.kind,
        **latest.place(),
    }
    age_s = inquiry.at.evaluated_at - tested_at
    about = inquiry.evidence.ledger.standing if inquiry.evidence.ledger is not None else None
    later = _outdated(tested_at, inquiry.record, events)
    later = later or (_came_out(tested_at, about, inquiry) if about is not None else None)
    if later is not None:
        since = {"since": later.attestation.kind, "since_leaf_index": later.leaf_index}
        found.failed("soh", "soh_outdated", age_s=age_s, **told, **since)
        return
    found.turns_at(tested_at + policy.soh_age_days_max * _DAY_S + 1)
    if age_s > policy.soh_age_days_max * _DAY_S:
        found.failed("soh", "soh_outdated", age_s=age_s, **told)
    else:
        found.passed("soh", age_s=age_s, **told)


def _tested_at(document: EventDocument, recorded: Recorded, events: Mapping[str, Any]) -> int | None:
    """When a test was made, by its document: the day it names, never later than it was told."""
    begins = first_second((document.members or {}).get(events["soh"][recorded.attestation.kind]))
    return None if begins is None else min(begins, recorded.attestation.event_time)


def _check_status_change(found: Findings, cell: Cell, standing: Standing, inquiry: Inquiry) -> None:
    """X20: the values of Annex XIII 4(a) at a change of status are measured after it, not before."""
    events, eu_status = inquiry.events, cell["eu_status"]
    if eu_status == "original" and cell["lineage"] != "second_life":
        found.inapplicable("status_change_values", eu_status=eu_status)
        return
    if eu_status != WASTE and not _check_changes(found, "status_change_values", inquiry):
        return
    changed = inquiry.changed_at(standing)
    leaf, happened = changed or (0, 0)
    after = [r for r in _measured(inquiry, events) if changed is not None and r.leaf_index > leaf]
    if after and (leaf < 0 or _tested_since(happened, after, inquiry, events)):
        found.passed("status_change_values", rule="X20", eu_status=eu_status)
    else:
        found.unknown("status_change_values", "not_held", rule="X20", eu_status=eu_status)


def _check_changes(
    found: Findings, name: str, inquiry: Inquiry, *, unread: str | None = None, **told: Any
) -> bool:
    """X20, Art 73: what the acts said by which others became this battery; True if nothing is against it.

    `unread`: the word where that is not known, if the policy does not say.
    """
    changes = inquiry.events.get("changes")
    if changes is None:
        return True
    for old, act in inquiry.made_into():
        if act is None:
            found.add(name, Outcome.INDETERMINATE, "relatives_unread", rule="X20", word=unread, **told)
            return False
        document, place = event_document(inquiry, act), {**act.place(), **told}
        if document.members is None:
            word = None if document.spoiled else unread
            document.tell(found, name, rule="X20", word=word, by=act.attestation.issuer, **place)
            return False
        lacking = _lacking_of_change(document.members, changes, old, act, inquiry)
        if lacking:
            found.failed(name, "status_values_missing", rule="X20", lacking=lacking, **place)
            return False
    return True


def tell_changes(found: Findings, name: str, inquiry: Inquiry, condition: str, **told: Any) -> bool:
    """The same of a further code, under this check; True if that says anything against it (D904)."""
    view = inquiry.evidence.ledger
    standing = view.standing if view is not None else None
    if standing is None or WASTE in (condition, standing.eu_status):
        return False
    return not _check_changes(found, name, inquiry, unread=UNDECIDED, **told)


def _lacking_of_change(
    members: Mapping[str, Any], changes: Mapping[str, Any], old: Standing, act: Recorded, inquiry: Inquiry
) -> list[str]:
    """The members without which no such act makes another battery of an old one.

    What makes waste cease to be waste is a test in the Union, where the Union asks (Art 73(1)(a)).
    """
    lacking = _lacking(members, changes["needed"])
    tested, where = changes["tested"], changes["tested_in"]
    lacking += [tested] if _day_of_test(members.get(tested), act, old) is None else []
    countries = where["countries"].get(inquiry.policy.jurisdiction)
    if countries is not None and old.eu_status == WASTE and members.get(where["member"]) not in countries:
        lacking.append(where["member"])
    return lacking


def _tested_since(
    moment: int, measured: Sequence[Recorded], inquiry: Inquiry, events: Mapping[str, Any]
) -> bool:
    """True if one of the latest tests was made on the day of this moment or later, by its own document."""
    latest = measured[: -TESTS_READ_MAX - 1 : -1]
    days = (_tested_at(event_document(inquiry, r), r, events) for r in latest)
    return any(day is not None and day + _DAY_S > moment for day in days)
