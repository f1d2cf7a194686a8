"""As what a battery is shown, and what its record says of that: one cell of shown-as.toml, and its rows (I7).

The cell is made of what the standing says and of what the line declares; the table says what follows.
Nothing here decides: a word comes from a row, a warning from a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from credentials.documents.canonical import b64u
from credentials.documents.identifiers import canonical_commodity_code
from credentials.documents.spelling import trimmed
from credentials.errors import CredentialError
from credentials.ledger.standing import LIVE, WASTE, Passport, Setting, Standing
from credentials.verdicts.beside import tell_beside
from credentials.verdicts.cell import HERE, Cell, Declared, binding, cell_of, presentation, recalls
from credentials.verdicts.content import why_missing
from credentials.verdicts.event_documents import event_members
from credentials.verdicts.evidence import LedgerView
from credentials.verdicts.fates import tell_fates
from credentials.verdicts.inside import tell_first_lives
from credentials.verdicts.issuers import check_issuers
from credentials.verdicts.kin import recalls_unasked
from credentials.verdicts.kin_names import with_names_of_kin
from credentials.verdicts.listed import publication_of
from credentials.verdicts.named import tell_namings
from credentials.verdicts.names import is_claim
from credentials.verdicts.record import Inquiry, Record
from credentials.verdicts.repaired import tell_repairs
from credentials.verdicts.severity import CLEAR, UNDECIDED
from credentials.verdicts.shown_as import CHECKS, NOT_GIVEN, Row
from credentials.verdicts.stolen import stolen_in
from credentials.verdicts.stopped_parts import tell_stopped_parts
from credentials.verdicts.tied import with_whole_of_tied
from credentials.verdicts.used import tell_changes
from credentials.verdicts.verdict import Findings, Outcome

if TYPE_CHECKING:
    from credentials.verdicts.verifier import Examined

SHOWN_CHECKS = tuple(name for name in CHECKS if name != "goods")  # goods has its checks in `declared`
_OF_THE_LINE = frozenset(
    {"condition", "goods", "standing.presentation"}
)  # what a document alone does not say


def check_shown(
    found: Findings, shown: Sequence[Examined], inquiry: Inquiry, declared: Declared
) -> Cell | None:
    """Make every check of the table; the cell, or None where record or table could not be read."""
    evidence, record = inquiry.evidence, inquiry.record
    names = SHOWN_CHECKS if declared.asked else tuple(n for n in SHOWN_CHECKS if n not in _OF_THE_LINE)
    claims = ("standing.claims", "standing.issuers")
    if evidence.ledger is None or record.unreadable:
        unreadable = {"unreadable_entries": record.unreadable} if record.unreadable else {}
        found.unmade((*names, *claims), "ledger_unavailable", **unreadable)
        return None
    standing = evidence.ledger.standing
    if standing is None:
        found.unmade((*names, *claims), evidence.ledger.unknown)
        return None
    table = evidence.network.tables.shown_as
    if table is None:
        found.unmade((*names, *claims), "tables_unavailable")
        return None
    cell = cell_of(table, standing, inquiry, declared)
    try:
        rows, notes = table.judge(cell), table.remarks(cell)
    except CredentialError as error:
        found.unmade((*names, *claims), error.code, detail=str(error))
        return None
    for row in rows:
        if row.word != CLEAR and (declared.asked or row.check not in _OF_THE_LINE):
            outcome = Outcome.INDETERMINATE if row.word == UNDECIDED else Outcome.FAIL
            told = _told(row, standing, inquiry, cell)
            found.add(row.check, outcome, row.reason, rule=row.rule, word=row.word, ground=row.ground, **told)
    for note in notes:
        if declared.asked or note.check not in _OF_THE_LINE:
            found.warned(note.check, note.reason, rule=note.rule, **_told(note, standing, inquiry, cell))
    _check_claims(found, standing, inquiry)
    check_issuers(found, inquiry)
    said = {row.check for row in (*rows, *notes)}
    if _tell_kin(found, "standing.state", evidence.ledger, cell):
        said.add("standing.state")
    if tell_fates(found, "standing.state", inquiry, cell["condition"]):
        said.add("standing.state")
    for tell in (tell_namings, tell_repairs, tell_first_lives):
        if tell(found, "standing.state", inquiry, cell["condition"]):
            said.add("standing.state")
    for tell_of in (tell_stopped_parts, tell_beside):
        if tell_of(found, "standing.state", inquiry, declared, cell["condition"]):
            said.add("standing.state")
    undecided = None if cell["condition"] == WASTE else UNDECIDED
    for name, unread, reason in (
        ("standing.state", inquiry.kin_missing, "relatives_unread"),
        ("standing.recall", recalls_unasked(inquiry), "recall_of_kin_unread"),
    ):
        if unread:  # and so not passed, whatever else was found and whatever the policy asks (I8)
            found.add(name, Outcome.NOT_CHECKED, reason, word=undecided)
            said.add(name)
    for name in names:
        if name not in said:
            _say_nothing_against(found, name, cell, standing, shown, inquiry, declared)
    return cell


def check_alias(  # noqa: PLR0917  (one further code, and what it is read beside)
    found: Findings,
    text: str,
    view: LedgerView,
    inquiry: Inquiry,
    declared: Declared,
    parties: Set[str],
) -> tuple[Cell, Inquiry] | None:
    """A further code of this battery that has a record of its own: what binds that record binds it (X1, I4).

    The whole record is read: statements, recalls, what it was made from, a declaration that is open on it. Of
    a code that has none a recall reaches the battery all the same, and what names it (D998). Returned is what
    counts, asked as its own. `parties` have a right over the battery, under this or another code.
    """
    evidence, standing = inquiry.evidence, view.standing
    table, governance = evidence.network.tables.shown_as, evidence.network.governance
    if table is None:
        found.unmade(("alias",), "tables_unavailable", rule="X1")
        return None
    if standing is None or not view.on_record:
        _tell_unrecorded(found, text, view, inquiry, declared)
        return None
    record = Record.read(view, governance)
    if is_claim(standing, record, parties, governance):
        by = standing.enrolled.by if standing.enrolled is not None else None
        found.warned("alias", "alias_claimed", rule="X1", identifier=text, by=by)
        return None
    beside = with_names_of_kin(replace(evidence, ledger=view))
    beside = with_whole_of_tied(beside, inquiry.policy, inquiry.at)
    about = Inquiry(beside, record, inquiry.policy, inquiry.at)
    unread = "ledger_unavailable" if record.unreadable else "relatives_unread" if about.kin_missing else None
    unread = unread or ("recall_of_kin_unread" if recalls_unasked(about) else None)
    named = dict(cell_of(table, standing, about, declared))
    named["publication"], unlisted = publication_of(named["publication"], about)
    if (unread := unread or unlisted) is not None:
        found.add("alias", Outcome.INDETERMINATE, unread, rule="X1", word=UNDECIDED, identifier=text)
    inquiry.moments.update(about.moments)
    if governance is not None and stolen_in(about, governance):
        reason = "statement_key_compromised"
        found.add("alias", Outcome.INDETERMINATE, reason, rule="X1", word=UNDECIDED, identifier=text)
    if named["publication"] in ("none", "not_yet"):
        named["publication"] = "live"  # the passport that is shown names both
    if named["presented"] == "open" and standing.presentation is None:
        named["presented"] = "unasked"  # whether it arrived is told where it is declared
    _tell_kin(found, "alias", beside.ledger, named, identifier=text)
    for tell in (tell_changes, tell_fates, tell_namings, tell_repairs, tell_first_lives):
        tell(found, "alias", about, named["condition"], identifier=text)
    for tell_of in (tell_stopped_parts, tell_beside):
        tell_of(found, "alias", about, declared, named["condition"], identifier=text)
    rows = [row for row in table.judge(named) if _is_of_alias(row, standing, declared)]
    _tell_alias(found, text, rows)
    if _in_another_vehicle(standing, inquiry, declared):
        found.failed("alias", "vin_other", rule="X17", identifier=text, vin=declared.vin)
    elif not rows and unread is None:
        found.warned("alias", "alias_recorded", rule="X1", identifier=text)
    return named, about


def _tell_kin(
    found: Findings, name: str, view: LedgerView | None, cell: Mapping[str, str], **told: Any
) -> bool:
    """What a further code says of what it came of, or may say; True if that is about these goods."""
    if view is None:
        return False
    if view.kin_gone:
        found.warned(name, "names_of_kin_gone", rule="X1", **told)
    word = view.kin_otherwise
    if word is None or (word == WASTE and cell["condition"] == WASTE):
        return view.kin_gone
    found.failed(name, word, rule="X8", **told)
    return True


def _tell_unrecorded(
    found: Findings, text: str, view: LedgerView, inquiry: Inquiry, declared: Declared
) -> None:
    """Of a further code without a record: the recalls that reach it, and what names it (D998)."""
    evidence, own, table = inquiry.evidence, inquiry.evidence.ledger, inquiry.evidence.network.tables.shown_as
    assert own is not None and own.standing is not None, "the passport that names the code is established"
    assert table is not None, "asked before"
    about = replace(inquiry, evidence=replace(evidence, ledger=replace(own, recalls=view.recalls)))
    cell = cell_of(table, own.standing, about, declared)
    rows = [row for row in table.judge(cell) if row.check == "standing.recall"]
    _tell_alias(found, text, rows)
    named_so = replace(inquiry, evidence=replace(evidence, ledger=view))
    tells = (tell_namings, tell_repairs)
    said = [tell(found, "alias", named_so, cell["condition"], identifier=text) for tell in tells]
    if not (any(said) or rows):
        found.warned("alias", "alias_not_recorded", rule="X16", identifier=text)


def _in_another_vehicle(standing: Standing, inquiry: Inquiry, declared: Declared) -> bool:
    """True if the record has the battery in a vehicle, and the line in another one."""
    vehicle, bound = inquiry.evidence.subjects.get(declared.vin or ""), standing.bound_asset
    if declared.goods != "in_vehicle" or vehicle is None or bound is None:
        return False
    return vehicle.as_list() != bound.as_list()


def _is_of_alias(row: Row, standing: Standing, declared: Declared) -> bool:
    """Whether it is held against the further code; of one that nobody produced the state says nothing."""
    of_line = row.check in _OF_THE_LINE and not declared.asked
    of_nobody = row.check == "standing.state" and not standing.born
    return row.word != CLEAR and not (of_line or of_nobody)


def _tell_alias(found: Findings, text: str, rows: Sequence[Row]) -> None:
    for row in rows:
        outcome = Outcome.INDETERMINATE if row.word == UNDECIDED else Outcome.FAIL
        found.add(
            "alias", outcome, row.reason, rule=row.rule, word=row.word, ground=row.ground, identifier=text
        )


# -- what is told --------------------------------------------------------------------------------------


def _say_nothing_against(  # noqa: PLR0917  (one check, and all it may rest on)
    found: Findings,
    name: str,
    cell: Cell,
    standing: Standing,
    shown: Sequence[Examined],
    inquiry: Inquiry,
    declared: Declared,
) -> None:
    """A check that no row and no note is about: passed only where something was compared."""
    if name == "standing.publication":
        assert standing.passport is not None, "no passport has a row"
        _check_shown_passport(found, standing.passport, shown, inquiry)
    elif name == "standing.presentation":
        if cell["presented"] == HERE and cell["direction"] == "import":
            _check_presentation(found, standing, inquiry, declared)
        else:
            found.inapplicable(name, open=standing.presentation is not None)
    elif name == "new_not_used" and cell["condition"] == NOT_GIVEN:
        found.unmade((name,), "condition_not_given", rule="X7")
    elif name == "new_not_used" and cell["condition"] != "new":
        found.inapplicable(name, condition=cell["condition"])
    elif name == "new_not_used":
        found.passed(name, rule="X7")
    elif name == "condition" and cell["condition"] in ("used", "return", "repair") and _unmarked(cell):
        found.inapplicable(name, condition=cell["condition"])  # nothing on record to compare it with
    elif name == "condition":
        found.passed(name, condition=cell["condition"])
    elif name == "standing.state":
        found.passed(name, item_state=standing.item_state, eu_status=standing.eu_status)
    else:
        found.passed(name)


def _check_presentation(found: Findings, standing: Standing, inquiry: Inquiry, declared: Declared) -> None:
    """X12, X17: what the declaration on record says of the goods is what the line says, where both do."""
    members = event_members(inquiry, presentation(standing, inquiry)) or {}
    differing = [
        name for name, said in declared.details if said is not None and not _same(name, said, members)
    ]
    told = {"rule": "X12", "differing": differing or None}
    if set(differing) - {"eori"}:
        found.failed("standing.presentation", "presentation_differs", **told)
    elif differing:
        found.warned("standing.presentation", "declarant_differs", **told)  # somebody may declare for another
    else:
        found.passed("standing.presentation", rule="X12")


def _same(name: str, said: str, members: Mapping[str, Any]) -> bool:
    """True if the record says the same, or nothing; a shorter commodity code is the beginning of a longer."""
    recorded = members.get(name)
    if not isinstance(recorded, str):
        return recorded is None  # a number is no registration id, and compares with none
    if name != "commodity_code":
        return trimmed(recorded).upper() == trimmed(said).upper()
    try:
        one, other = canonical_commodity_code(recorded), canonical_commodity_code(said)
    except CredentialError:
        return True  # what is no code has a check of its own
    return one.startswith(other) or other.startswith(one)


def _unmarked(cell: Cell) -> bool:
    return (cell["use"], cell["lineage"], cell["eu_status"]) == ("unused", "none", "original")


def _check_shown_passport(
    found: Findings, current: Passport, shown: Sequence[Examined], inquiry: Inquiry
) -> None:
    """The ledger's passport is in force; whether it is the one that is shown is another question."""
    told = {"digest": b64u(current.digest), "version": current.version, "status": current.status}
    passports = [e for e in shown if e.is_passport]
    recorded = [e.recorded for e in passports if e.recorded is not None]
    assert current.status == LIVE, "any other status has a row"
    if any(r.attestation.document_digest != current.digest for r in recorded):
        found.failed("standing.publication", "superseded", **told)
    elif not passports:
        found.unmade(("standing.publication",), why_missing(inquiry, 1), **told)
    elif not all(e.established for e in passports):
        found.unmade(("standing.publication",), "document_unestablished", **told)
    else:
        found.passed("standing.publication", **told)


def _told(row: Row, standing: Standing, inquiry: Inquiry, cell: Cell) -> dict[str, Any]:
    """What a reader needs to look a finding up: whose statement it rests on, and since when."""
    match row.check:
        case "standing.publication":
            current = standing.passport
            bans = binding("banned", standing, inquiry)
            ban = min(bans.values(), key=lambda s: s.leaf_index, default=None)
            return {
                "publication": cell["publication"],
                "digest": b64u(current.digest) if current else None,
                "version": current.version if current else None,
                "by": ban.by if ban else current.changed_by if current else None,
                "leaf_index": ban.leaf_index if ban else None,
            }
        case "standing.recall":
            return _set_by(recalls(standing, inquiry))
        case "standing.lost":
            return _set_by(binding("lost", standing, inquiry))
        case "standing.presentation":
            latest = presentation(standing, inquiry)
            return {**latest.place()} if latest is not None else {}
        case "new_not_used" | "condition" | "goods":
            return {
                "condition": cell["condition"],
                "marks": list(standing.marks) or None,
                "eu_status": standing.eu_status,
                **_in_vehicle(standing, inquiry),
            }
        case _:
            refused = _set_by(binding("refused", standing, inquiry)) if "refused" in row.reason else {}
            return {
                "item_state": standing.item_state,
                "eu_status": standing.eu_status,
                **_in_vehicle(standing, inquiry),
                **refused,
            }


def _check_claims(found: Findings, standing: Standing, inquiry: Inquiry) -> None:
    """What others say without a right to: shown, however many they are, and deciding nothing (I5)."""
    claims = inquiry.evidence.ledger.claims if inquiry.evidence.ledger else None
    said = False
    if claims is not None and claims.count:
        alerts = [c for c in claims.first if c.alert]
        first = [{"by": c.issuer, "kind": c.kind or None, "leaf_index": c.leaf_index} for c in claims.first]
        reason = "claimed_by_authority" if alerts else "claimed"
        found.warned("standing.claims", reason, count=claims.count, first=first)
        said = True
    if standing.contested:
        found.warned("standing.claims", "record_contested", leaf_indices=list(standing.contested))
        said = True
    if standing.voided:
        found.warned("standing.claims", "record_voided")
        said = True
    if standing.past.late_leaves:
        found.warned("standing.claims", "told_late", leaf_indices=list(standing.past.late_leaves))
        said = True
    if not said:
        found.passed("standing.claims")


def _set_by(settings: Mapping[str, Setting]) -> dict[str, Any]:
    first = min(settings.values(), key=lambda s: s.leaf_index, default=None)
    return {} if first is None else {"by": first.by, "leaf_index": first.leaf_index}


def _in_vehicle(standing: Standing, inquiry: Inquiry) -> dict[str, Any]:
    """In which vehicle it is on record, since when, and by whom; its number if the document is held."""
    if standing.bound is None:
        return {}
    leaf = standing.bound.leaf_index
    statement = next((r for r in inquiry.record.admitted if r.leaf_index == leaf), None)
    vin = (event_members(inquiry, statement) or {}).get("vin")
    return {
        "vehicle": vin,
        "since": statement.attestation.event_time if statement is not None else None,
        "by": statement.attestation.issuer if statement is not None else None,
        "leaf_index": leaf,
    }
