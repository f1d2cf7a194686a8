"""What the passport says: against its code (X16), against the record, and what the law asks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from credentials.documents.identifiers import Identifier, parse_identifier, read_identifier
from credentials.documents.passport import (
    CodeMismatch,
    DataPointState,
    PointState,
    code_mismatches,
)
from credentials.documents.passport import category as category_of
from credentials.errors import CredentialError
from credentials.ledger.standing import PLACED, WASTE, Standing
from credentials.verdicts.event_documents import event_document, first_second
from credentials.verdicts.evidence import Held, LedgerView, Missing, MissingReason, kin_of
from credentials.verdicts.kin import packs_behind
from credentials.verdicts.record import Inquiry, Recorded, live_passport
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Findings, Outcome
from credentials.verdicts.verdict_record import GapRecord

if TYPE_CHECKING:
    from credentials.verdicts.verifier import Examined

CODE_SCHEMES = ("gbt34014", "gs1")  # a battery has one code of such a scheme
LAW_NOT_GIVEN = "law_not_given"
JudgeAlias = Callable[[str, LedgerView], None]
MASS = "mass_grams"  # of a production: a quantity on the ledger (lifecycle.json)
BATTERY_MASS_KG_MAX = 10_000  # in a passport; passport-1.2.schema.json says the same
ALIAS_CHARS_MAX = 256  # of an identifier shown as evidence


def check_code(
    found: Findings, passports: Sequence[Examined], inquiry: Inquiry, judge_alias: JudgeAlias
) -> None:
    """X16: what the code says against what set 1 says, and set 1 against the record of production."""
    public = next((e for e in passports if e.point == 1), None)
    if public is None or not public.established:
        reason = why_missing(inquiry, 1) if public is None else "document_unestablished"
        found.unmade(("code_matches_passport", "alias", "category"), reason, rule="X16")
        return
    origin = _origin(inquiry)
    _check_category(found, public, inquiry, origin)
    rules = inquiry.evidence.network.tables.identifiers
    try:
        identifier = _code_of(public, rules)
        mismatches = code_mismatches(identifier, public.claims, rules)
        of_record = (_day_of_production(public, origin), _mass_of_production(public, origin, inquiry))
        mismatches += [differs for differs in of_record if differs is not None]
        text, other = _named_in(public.claims, rules)
    except CredentialError as error:
        found.failed("code_matches_passport", "code_mismatch", rule="X16", detail=str(error))
        found.unmade(("alias",), "code_mismatch", rule="X16")
        return
    except (KeyError, TypeError):
        found.unmade(("code_matches_passport", "alias"), "tables_unavailable", rule="X16")
        return
    if other is not None and other.scheme == identifier.scheme and _is_code(other.scheme, rules):
        found.inapplicable("alias")
        if other.canonical != identifier.canonical:
            # Two codes of one scheme are two batteries.
            mismatches.append(
                CodeMismatch("identifier", identifier.canonical, other.canonical, confirmed=True)
            )
    elif text is None or (other is not None and other.uri == identifier.uri):
        found.inapplicable("alias")
    else:
        view = inquiry.evidence.aliases.get(text)
        if view is not None and (view.on_record or view.recalls):
            judge_alias(text[:ALIAS_CHARS_MAX], view)
        elif view is None and other is not None:
            # Nobody looked whether it is on record (I8).
            named = text[:ALIAS_CHARS_MAX]
            found.add("alias", Outcome.INDETERMINATE, "not_held", rule="X1", word=UNDECIDED, identifier=named)
        else:
            found.warned("alias", "alias_not_recorded", rule="X16", identifier=text[:ALIAS_CHARS_MAX])
    differing = [{"name": m.name, "code": m.code_value, "passport": m.passport_value} for m in mismatches]
    if any(m.confirmed for m in mismatches):
        found.failed("code_matches_passport", "code_mismatch", rule="X16", differing=differing)
    elif mismatches:
        found.warned("code_matches_passport", "code_differs_unconfirmed", rule="X16", differing=differing)
    else:
        found.passed("code_matches_passport", rule="X16", notes=list(identifier.notes) or None)


def _is_code(scheme: str, rules: Mapping[str, Any]) -> bool:
    return scheme in CODE_SCHEMES or scheme in rules.get("schemes", ())


def _code_of(public: Examined, rules: Mapping[str, Any]) -> Identifier:
    """The identifier that set 1 carries as its code."""
    code = public.claims.get("code")
    if not isinstance(code, Mapping):
        raise CredentialError("malformed", "the passport carries no code")
    scheme, value = str(code.get("scheme")), str(code.get("value"))
    identifier = parse_identifier(scheme, value, rules, namespace=public.credential.issuer)
    if identifier.uri != public.claims.get("id"):
        raise CredentialError("malformed", "the code and the identifier of the passport differ")
    return identifier


def _check_category(found: Findings, public: Examined, inquiry: Inquiry, origin: Recorded | None) -> None:
    """The category that the passport names is the one with which the battery was brought into being."""
    if origin is None:
        found.inapplicable("category")  # enrolled, or taken out of a pack: nobody recorded one
        return
    document = event_document(inquiry, origin)
    if document.members is None:
        document.tell(found, "category", rule="X16", by=origin.attestation.issuer, **origin.place())
        return
    try:
        named = category_of(public.claims, inquiry.evidence.network.tables.paths)
    except CredentialError:
        found.unmade(("category",), "schema_invalid", rule="X16")
        return
    except (KeyError, TypeError):
        found.unmade(("category",), "tables_unavailable", rule="X16")
        return
    if document.members.get("category") is None:
        found.unmade(("category",), "not_held", rule="X16")
        return
    recorded = str(document.members["category"])
    told = {"passport": named, "record": recorded, **origin.place()}
    if named.lower() == recorded.lower():
        found.passed("category", rule="X16", **told)
    else:
        found.failed("category", "category_mismatch", rule="X16", **told)


def _origin(inquiry: Inquiry) -> Recorded | None:
    """The record with which its maker brought it into being."""
    kinds = inquiry.events.get("origin", ())
    return next(iter(inquiry.record.of_kinds(kinds)), None)


def _day_of_production(public: Examined, origin: Recorded | None) -> CodeMismatch | None:
    """X16: the day that the passport names is the one on the ledger, by which recalls go."""
    made = origin.attestation.produced_on if origin is not None else None
    general = public.claims.get("GeneralProductInformation")
    named = general.get("manufacturingDate") if isinstance(general, Mapping) else None
    if made is None or not isinstance(named, str):
        return None
    recorded = datetime.fromtimestamp(made, UTC).date().isoformat()
    if named[:10] == recorded:
        return None
    return CodeMismatch("production_date", recorded, named[:10], confirmed=True)


def _mass_of_production(public: Examined, origin: Recorded | None, inquiry: Inquiry) -> CodeMismatch | None:
    """X16: the mass that the passport names is the one on the ledger, if its maker recorded one."""
    made = origin.attestation.quantities.get(MASS) if origin is not None else None
    general = public.claims.get("GeneralProductInformation")
    named = general.get("batteryMass") if isinstance(general, Mapping) else None
    if made is None or not isinstance(named, int | float) or not 0 < named <= BATTERY_MASS_KG_MAX:
        return None  # what is no mass has a check of its own
    stated = round(named * 1000)
    if abs(stated - made) * 1000 <= made * inquiry.policy.mass_tolerance_permille:
        return None
    return CodeMismatch("mass_grams", str(made), str(stated), confirmed=True)


def _named_in(claims: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[str | None, Identifier | None]:
    """The productIdentifier of set 1, and the identifier it is, if it is one this node can read."""
    general = claims.get("GeneralProductInformation")
    text = general.get("productIdentifier") if isinstance(general, Mapping) else None
    if text is None or text == "":
        return None, None
    text = str(text).strip()
    try:
        return text, read_identifier(text, rules, namespace="-")
    except CredentialError:
        return text, None


@dataclass(slots=True)
class _Points:
    """The data points that are not there, by why."""

    gaps: list[GapRecord] = field(default_factory=list)
    withheld: list[GapRecord] = field(default_factory=list)  # the law gives them to others
    unseen: list[GapRecord] = field(default_factory=list)  # this party may see them, and did not


def check_completeness(
    found: Findings, passports: Sequence[Examined], inquiry: Inquiry
) -> tuple[tuple[GapRecord, ...], tuple[GapRecord, ...]]:
    """Which data points are required at the law date, of the sets this audience may see: gaps, withheld."""
    tables, policy = inquiry.evidence.network.tables, inquiry.policy
    if not _law_given(inquiry):
        found.unmade(("completeness",), LAW_NOT_GIVEN, jurisdiction=policy.jurisdiction)
        return (), ()
    access = tables.access.get("audiences", {}).get(policy.audience)
    if access is None:
        found.unmade(("completeness",), "tables_unavailable", audience=policy.audience)
        return (), ()
    sets = sets_of_one_passport(passports)
    if 1 not in sets:
        shown = any(e.point == 1 for e in passports)
        found.unmade(("completeness",), "document_unestablished" if shown else why_missing(inquiry, 1))
        return (), ()
    try:
        category = category_of(sets[1], tables.paths)
        states = inquiry.data_points(sets, category)
    except CredentialError as error:
        found.unknown("completeness", "schema_invalid", detail=str(error))
        return (), ()
    except (KeyError, TypeError):
        found.unmade(("completeness",), "tables_unavailable")
        return (), ()
    points = _sorted_by_why(states, {int(point) for point in access}, _issued_points(inquiry))
    told = {
        "present": sum(s.state is PointState.PRESENT for s in states),
        "missing": len(points.gaps),
        "withheld": len(points.withheld) + len(points.unseen),
        "not_yet_required": sum(s.state is PointState.NOT_YET_REQUIRED for s in states),
        "category": category,
        "law_date": inquiry.at.law_date,
    }
    _say_completeness(found, points, told, inquiry)
    return tuple(points.gaps), tuple(points.withheld)


def sets_of_one_passport(passports: Sequence[Examined]) -> dict[int, Mapping[str, Any]]:
    """The established sets that were published together with set 1: those of another passport add nothing."""
    first = next((e for e in passports if e.point == 1 and e.established), None)
    if first is None or first.recorded is None:
        return {}
    publisher = first.recorded.attestation.digest
    return {
        e.point: e.claims
        for e in reversed(passports)
        if e.point is not None
        and e.established
        and e.recorded is not None
        and e.recorded.attestation.digest == publisher
    }


def _sorted_by_why(states: Sequence[DataPointState], entitled: set[int], issued: set[int] | None) -> _Points:
    points = _Points()
    for state in states:
        row: GapRecord = {"dp": state.dp, "point": state.point}
        if state.state is PointState.MISSING:
            points.gaps.append(row)
        elif state.state is not PointState.WITHHELD:
            continue
        elif state.point not in entitled:
            points.withheld.append(row)
        elif issued is not None and state.point not in issued:
            points.gaps.append(row)  # the passport has no such set at all
        else:
            points.unseen.append(row)
    return points


def _say_completeness(found: Findings, points: _Points, told: Mapping[str, Any], inquiry: Inquiry) -> None:
    missing = [gap["dp"] for gap in points.gaps]
    fatal = [dp for dp in missing if dp in inquiry.policy.hold_when_missing]
    if fatal:
        reason = "operator_missing" if fatal == [2] else "required_data_missing"
        found.failed("completeness", reason, data_points=fatal, **told)
    elif points.unseen:
        sets = sorted({row["point"] for row in points.unseen})
        found.unknown("completeness", why_missing(inquiry, sets[0]), points=sets, **told)
    elif missing:
        found.warned("completeness", "gaps", data_points=missing, **told)
    else:
        found.passed("completeness", **told)


def why_missing(inquiry: Inquiry, point: int) -> str:
    """The reason code for a set of the passport that is not in hand."""
    evidence = inquiry.evidence
    held = evidence.documents.get(point)
    if isinstance(held, Missing):
        return why_unread(held)
    if evidence.ledger is None:
        return "ledger_unavailable"
    if evidence.ledger.standing is None:
        return evidence.ledger.unknown
    if evidence.ledger.standing.passport is None:
        return no_passport(inquiry)
    issued = _issued_points(inquiry)
    return "document_unreachable" if issued is None or point in issued else "set_not_issued"


def why_unread(held: Held | Missing | None) -> str:
    """The reason code for a set of a passport that was asked for, and is not in hand as it was published."""
    if not isinstance(held, Missing):
        return "document_unreachable"
    return {
        MissingReason.WITHHELD: "evidence_withheld",
        MissingReason.NOT_FOUND: "document_not_found",
    }.get(held.reason, "document_unreachable")


def _law_given(inquiry: Inquiry) -> bool:
    """True where the table of data points is the law that this node's side goes by, or answers."""
    table = inquiry.evidence.network.tables.datapoints
    return inquiry.policy.jurisdiction in table.get("judgedIn", (inquiry.policy.jurisdiction,))


def no_passport(inquiry: Inquiry) -> str:
    """The reason code for a battery of which the ledger knows no passport at all."""
    if not _law_given(inquiry):
        return LAW_NOT_GIVEN
    table = inquiry.evidence.network.tables.datapoints
    asked = inquiry.at.law_date >= table.get("passportRequiredFrom", "") and _asked_of(inquiry, table)
    return "not_published" if asked else "passport_not_yet_required"


def _asked_of(inquiry: Inquiry, table: Mapping[str, Any]) -> bool:
    """Art 77(1) asks for a passport of three categories, placed on the market from that day on.

    When older stock was placed, before anybody entered it here, is not known.
    """
    view, begins = inquiry.evidence.ledger, first_second(table.get("passportRequiredFrom"))
    assert view is not None and view.standing is not None, "asked of a battery that is on record"
    placed = view.standing.setting(PLACED, table.get("passportRequiredIn", ""))
    if placed is None and view.standing.enrolled is not None and view.standing.producer is None:
        return False
    out_of_pack = view.standing.parent is not None and not view.standing.settings(PLACED)
    if view.standing.eu_status == WASTE and out_of_pack and not _asked_of_its_packs(view, table, begins):
        return False
    if placed is not None and begins is not None:
        at = next(
            (r.block_time for r in inquiry.record.admitted if r.leaf_index == placed.leaf_index), begins
        )
        if at < begins:
            return False
    origin = _origin(inquiry)
    members = event_document(inquiry, origin).members if origin is not None else None
    category = (members or {}).get("category")
    return category is None or str(category).lower() in table.get("passportRequiredOf", ())


def _asked_of_its_packs(view: LedgerView, table: Mapping[str, Any], begins: int | None) -> bool:
    """Waste gets no new passport (Art 77(7)): what came out of a waste pack is waste under that pack's.

    Where its packs have none it is asked for if theirs was: not of older stock, nor of what was placed before
    the law asked. What a pack was made from is another battery, and spares it nothing.
    """
    packs = packs_behind(view)
    made_into = {key for pack in packs for key in _predecessors(pack, view)}
    if any(one.passport is not None for key, one in view.relatives.items() if key not in made_into):
        return False
    for pack in packs:
        placed = pack.setting(PLACED, table.get("passportRequiredIn", ""))
        if placed is not None:
            at = view.kin_placed.get(placed.leaf_index)
            return at is None or begins is None or at >= begins
    return not packs or packs[-1].enrolled is None or packs[-1].producer is not None


def _predecessors(pack: Standing, view: LedgerView) -> set[bytes]:
    """The keys of all that a pack was made from, and those again."""
    found, asked = set[bytes](), list(pack.predecessors)
    while asked:
        key = asked.pop()
        if key not in found:
            found.add(key)
            old = view.relatives.get(key)
            asked += kin_of(old) if old is not None else ()
    return found


def _issued_points(inquiry: Inquiry) -> set[int] | None:
    """The points the live passport was issued with, as its attestation lists them."""
    live = live_passport(inquiry.evidence, inquiry.record)
    sets = live.attestation.set_list if live else None
    return set(sets.points) if sets else None
