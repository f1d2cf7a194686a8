"""What a used battery brings: the Annex XIV record (X19), a health test, values after a change (X20)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credentials.verdicts.cell import Cell
from credentials.verdicts.evidence import Evidence, Missing, MissingReason
from credentials.verdicts.record import Inquiry, Record, Recorded, event_members
from credentials.verdicts.verdict import Findings

USED_CHECKS = ("parts_not_used", "used_evidence", "soh", "status_change_values")
_DAY_S = 86_400


def check_used(found: Findings, cell: Cell | None, inquiry: Inquiry) -> None:
    """What follows from being used, or from being declared so. `cell` None: the record could not be read."""
    evidence, record, policy = inquiry.evidence, inquiry.record, inquiry.policy
    events = evidence.network.tables.verdicts.get("events")
    if evidence.ledger is None or record.unreadable:
        found.unmade(USED_CHECKS, "ledger_unavailable")
        return
    if evidence.ledger.standing is None:
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
    crosses = _crosses_as_used(cell)
    if not crosses or not policy.annex_xiv_required:
        found.inapplicable("used_evidence", condition=condition)
    elif condition in ("return", "repair"):
        # D705
        found.unmade(("used_evidence",), "return_not_checked", rule="X19", condition=condition)
    else:
        _check_evidence(found, record.of_kinds(events["border"]), evidence, events["annexXiv"])
    _check_soh(found, events, inquiry, applies=crosses)
    eu_status, lineage = cell["eu_status"], cell["lineage"]
    if eu_status == "original" and lineage != "second_life":
        found.inapplicable("status_change_values", eu_status=eu_status)
    elif _measured(record, events):
        found.passed("status_change_values", rule="X20", eu_status=eu_status)
    else:
        found.unknown("status_change_values", "not_held", rule="X20", eu_status=eu_status)


def _crosses_as_used(cell: Cell) -> bool:
    """True for goods that cross a border as a used battery, by the record or by their own declaration.

    Whether an export is on record does not matter: leaving it out must not spare the evidence (I6).
    """
    if cell["direction"] == "inland" or cell["goods"] == "in_vehicle" or cell["condition"] == "waste":
        return False
    used = cell["use"] != "unused"
    if cell["condition"] in ("return", "repair"):
        # Only what was made as new can be unsold stock: what came out of a used pack carries no mark of use.
        used = used or cell["lineage"] != "none"
    return cell["condition"] == "used" or (cell["condition"] != "new" and used)


def _check_evidence(
    found: Findings, border: list[Recorded], evidence: Evidence, rules: Mapping[str, Mapping[str, Any]]
) -> None:
    """X19: a used battery crosses a border with the Annex XIV record, or is presumed to be waste."""
    if not border:
        found.failed("used_evidence", "used_evidence_missing", rule="X19")
        return
    export = border[-1]
    statement = export.attestation
    needed = rules.get(statement.kind)
    if needed is None:
        found.failed(
            "used_evidence", "used_evidence_missing", rule="X19", kind=statement.kind, **export.place()
        )
        return
    members = event_members(evidence, export)
    if isinstance(members, Missing) or members is None:
        withheld = members is not None and members.reason is MissingReason.WITHHELD
        reason = "evidence_withheld" if withheld else "not_held"
        found.unknown("used_evidence", reason, rule="X19", kind=statement.kind, **export.place())
        return
    lacking = [name for name in needed["present"] if members.get(name) in (None, "")]
    lacking += [name for name in needed["true"] if members.get(name) is not True]
    if lacking:
        found.failed("used_evidence", "used_evidence_missing", rule="X19", lacking=lacking, **export.place())
    else:
        found.passed("used_evidence", rule="X19", **export.place())


def _measured(record: Record, events: Mapping[str, Any]) -> list[Recorded]:
    quantity = events["sohQuantity"]
    return [r for r in record.of_kinds(events["soh"]) if quantity in r.attestation.quantities]


def _check_soh(found: Findings, events: Mapping[str, Any], inquiry: Inquiry, *, applies: bool) -> None:
    record, policy, at = inquiry.record, inquiry.policy, inquiry.at
    if not applies or policy.soh_age_days_max is None:
        found.inapplicable("soh")
        return
    measured = _measured(record, events)
    if not measured:
        found.failed("soh", "soh_missing", rule="X19")
        return
    latest = max(measured, key=lambda r: r.attestation.event_time)
    age_s = at.evaluated_at - latest.attestation.event_time
    told = {
        "soh_permille": latest.attestation.quantities[events["sohQuantity"]],
        "measured_by": latest.attestation.issuer,
        "kind": latest.attestation.kind,
        **latest.place(),
    }
    if age_s > policy.soh_age_days_max * _DAY_S:
        found.failed("soh", "soh_outdated", age_s=age_s, **told)
    else:
        found.passed("soh", age_s=age_s, **told)
