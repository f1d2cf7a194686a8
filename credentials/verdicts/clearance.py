"""One verdict per manifest line, and the consignment's: the worst line and the counts (design.md 9).

    manifest  {declaration?, consignee_eori?, law_date?, direction?, lines: [line]}
    line      {line, battery, goods?, commodity_code?, vin?, mass_kg?, registration_id?,
               documents?, receipts?}

A line is judged on its own evidence and on what the other lines say about the same battery (rule X17).
Without a manifest (a scan of one code) the checks of the declaration do not apply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import (
    canonical_commodity_code,
    canonical_vin,
    guess_scheme,
    parse_identifier,
    read_identifier,
)
from credentials.errors import CredentialError
from credentials.verdicts.condition import Battery, check_battery, event_members, why_missing
from credentials.verdicts.evidence import (
    At,
    Document,
    Evidence,
    Held,
    Missing,
    Policy,
    Tables,
    battery_text,
    declaration_text,
    vin_text,
)
from credentials.verdicts.record import Inquiry, Record
from credentials.verdicts.verdict import Findings, Verdict, conclude
from credentials.verdicts.verifier import (
    ADMITTED_CHECKS,
    DOCUMENT_CHECKS,
    Examined,
    check_freshness,
    check_law_date,
    check_receipts,
    examine,
    sources_of,
)

LINES_MAX = 20_000
DOCUMENTS_PER_LINE_MAX = 8
MASS_KG_MAX = 100_000  # declared: goods of any kind
BATTERY_MASS_KG_MAX = 10_000  # in a passport; passport-1.2.schema.json says the same
_LINE_MEMBERS = frozenset(
    {
        "line",
        "battery",
        "goods",
        "commodity_code",
        "vin",
        "mass_kg",
        "registration_id",
        "documents",
        "receipts",
    }
)
_MANIFEST_MEMBERS = frozenset({"declaration", "consignee_eori", "law_date", "direction", "lines"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a manifest; None: the line does not say."""

    line: int
    battery: str
    goods: str | None = None
    commodity_code: str | None = None
    vin: str | None = None
    mass_kg: float | None = None
    registration_id: str | None = None
    documents: tuple[Document, ...] = ()
    receipts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: object, number: int = 1) -> Line:
        """Read one line strictly; raises CredentialError("manifest_invalid", ...)."""
        if not isinstance(value, Mapping):
            raise _invalid(f"line {number} is not an object")
        stray = sorted(value.keys() - _LINE_MEMBERS)
        if stray:
            raise _invalid(f"line {number} has the unknown member {stray[0][:40]!a}")
        line = value.get("line", number)
        if type(line) is not int or not 1 <= line <= 1_000_000:
            raise _invalid(f"the number of line {number} is not a whole number from 1")
        battery = battery_text(value)
        if battery is None or not 1 <= len(battery) <= 512:
            raise _invalid(f"line {line} names no battery")
        texts = {
            name: _text(value, name, line) for name in ("goods", "commodity_code", "vin", "registration_id")
        }
        texts["vin"] = vin_text(value)
        mass = value.get("mass_kg")
        if mass is not None and (type(mass) not in (int, float) or not 0 < mass <= MASS_KG_MAX):
            raise _invalid(f"mass_kg of line {line} is not a mass in kilograms")
        documents, receipts = (
            [] if value.get(name) is None else value[name] for name in ("documents", "receipts")
        )
        if not isinstance(documents, list) or len(documents) > DOCUMENTS_PER_LINE_MAX:
            raise _invalid(f"documents of line {line} are not a list of at most {DOCUMENTS_PER_LINE_MAX}")
        if not isinstance(receipts, list) or not all(isinstance(r, str) for r in receipts):
            raise _invalid(f"receipts of line {line} are not a list of texts")
        return cls(
            line=line,
            battery=battery,
            mass_kg=None if mass is None else float(mass),
            documents=tuple(documents),
            receipts=tuple(receipts),
            **texts,
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """A declaration's list of batteries."""

    lines: tuple[Line, ...]
    declaration: str | None = None
    consignee_eori: str | None = None
    law_date: str | None = None
    direction: str | None = None

    @classmethod
    def parse(cls, value: object) -> Manifest:
        """Read a manifest strictly; raises CredentialError("manifest_invalid", ...) naming the line."""
        if not isinstance(value, Mapping):
            raise _invalid("it is not a JSON object")
        stray = sorted(value.keys() - _MANIFEST_MEMBERS)
        if stray:
            raise _invalid(f"it has the unknown member {stray[0][:40]!a}")
        rows = value.get("lines")
        if not isinstance(rows, list) or not 1 <= len(rows) <= LINES_MAX:
            raise _invalid(f"lines are a list of 1 to {LINES_MAX}")
        lines = tuple(Line.parse(row, number) for number, row in enumerate(rows, start=1))
        numbers = [line.line for line in lines]
        if len(set(numbers)) != len(numbers):
            raise _invalid("two lines have the same number")
        direction = _text(value, "direction", 0)
        if direction not in (None, "import", "export", "inland"):
            raise _invalid("direction is import, export or inland")
        return cls(
            lines,
            declaration=_text(value, "declaration", 0),
            consignee_eori=_text(value, "consignee_eori", 0),
            law_date=_text(value, "law_date", 0),
            direction=direction,
        )


@dataclass(frozen=True, slots=True)
class Appearance:
    """One line on which a battery appears, with the digests of the documents shown on it."""

    line: int
    digests: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class ManifestContext:
    """What a line's verdict needs to know of the other lines."""

    declaration: str | None
    by_battery: Mapping[str, tuple[Appearance, ...]] = field(default_factory=dict)
    direction: str | None = None
    by_vin: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # the lines that name a vehicle

    def imports(self, policy: Policy) -> bool:
        """True where the policy or the manifest says so: the declarant cannot declare the question away."""
        return "import" in (self.direction, policy.direction)

    @classmethod
    def of(cls, manifest: Manifest, identifier_rules: Mapping[str, Any]) -> ManifestContext:
        """Read every line once; batteries are compared by their canonical identifier."""
        seen: dict[str, list[Appearance]] = {}
        vehicles: dict[str, list[int]] = {}
        for line in manifest.lines:
            if line.vin:
                vehicles.setdefault(line.vin, []).append(line.line)
            digests = frozenset(d for d in (_digest(document) for document in line.documents) if d)
            name = canonical_name(line.battery, identifier_rules)
            seen.setdefault(name, []).append(Appearance(line.line, digests))
        return cls(
            manifest.declaration,
            {k: tuple(v) for k, v in seen.items()},
            manifest.direction,
            {k: tuple(v) for k, v in vehicles.items()},
        )


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """The verdict of one line. `as_dict` is the form of the API, the exports and the pages."""

    line: Line
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of contract and OpenAPI: line and battery beside the verdict's members."""
        return {
            "line": self.line.line,
            "battery": self.line.battery,
            "goods": self.line.goods,
            "commodity_code": self.line.commodity_code,
            "vin": self.line.vin,
            "mass_kg": self.line.mass_kg,
            "registration_id": self.line.registration_id,
            **self.verdict.as_dict(),
        }


def clear_item(  # noqa: PLR0917  (the two dates stay apart: never one parameter)
    line: Line,
    evidence: Evidence,
    policy: Policy,
    law_date: str,
    evaluated_at: int,
    context: ManifestContext | None = None,
) -> ItemVerdict:
    """Judge one line. `context` None: a scan of one code, without a declaration."""
    at = At(law_date, evaluated_at)
    tables = evidence.network.tables
    found = Findings(tables)
    record = Record.read(evidence.ledger)
    inquiry = Inquiry(evidence, record, policy, at)
    _check_identifier(found, line, evidence, policy)
    check_freshness(found, evidence, policy, at)
    check_law_date(found, at)
    shown = _check_documents(found, line, inquiry)
    check_receipts(found, evidence, shown[0] if shown else None, line.battery)
    battery = check_battery(found, shown, inquiry)
    _check_presentation(found, inquiry, context)
    _check_goods(found, line, tables, context)
    _check_vin(found, line, evidence, context)
    _check_mass(found, line, shown, tables, policy)
    _check_manifest(found, line, shown, inquiry, context)
    conclusion = conclude(found.checks, policy, tables, gaps=bool(battery.gaps), required=policy.required)
    return ItemVerdict(line, _verdict(conclusion, found, battery, inquiry))


def canonical_name(text: str, rules: Mapping[str, Any]) -> str:
    """The canonical form of an identifier, or the text itself when it is none."""
    try:
        identifier = read_identifier(text, rules, namespace="-")
    except (CredentialError, KeyError):
        return text
    return f"{identifier.scheme}:{identifier.canonical}"


def _verdict(conclusion: Any, found: Findings, battery: Battery, inquiry: Inquiry) -> Verdict:
    evidence = inquiry.evidence
    return Verdict(
        conclusion,
        tuple(found.checks),
        inquiry.at,
        evidence.network.height,
        evidence.network.block_time,
        gaps=battery.gaps,
        withheld=battery.withheld,
        sources=sources_of(evidence, inquiry.at),
        recognition_note=battery.recognition_note,
        timeline=inquiry.record.timeline(evidence.network.genesis),
        passport=battery.passport,
    )


# -- the battery and its documents ---------------------------------------------------------------------


def _check_identifier(found: Findings, line: Line, evidence: Evidence, policy: Policy) -> None:
    rules = evidence.network.tables.identifiers
    try:
        scheme = guess_scheme(line.battery)
        if scheme not in policy.schemes:
            found.unknown("identifier", "identifier_unsupported", scheme=scheme)
            return
        identifier = parse_identifier(scheme, line.battery, rules, namespace="-")
    except CredentialError as error:
        known = error.code == "identifier_unsupported"
        found.unknown("identifier", error.code if known else "identifier_invalid", detail=str(error))
        return
    except KeyError:
        found.unmade(("identifier",), "tables_unavailable")
        return
    if line.battery not in evidence.subjects:
        found.unmade(("identifier",), "not_held", detail="the subject of this identifier was not computed")
    else:
        found.passed("identifier", scheme=scheme, notes=list(identifier.notes) or None)


def _check_documents(found: Findings, line: Line, inquiry: Inquiry) -> list[Examined]:
    """Steps 1 to 9 for the documents shown with the line, or else for those fetched from the publisher."""
    evidence = inquiry.evidence
    later = ("parse", *DOCUMENT_CHECKS, *ADMITTED_CHECKS, "accredited")
    fetched = [(point, held) for point, held in sorted(evidence.documents.items()) if isinstance(held, Held)]
    if evidence.presented:
        queue: list[tuple[Document | bytes, int | None, str]] = [(d, 0, "shown") for d in evidence.presented]
    else:
        queue = [
            (
                held.document,
                None if held.fetched_at is None else inquiry.at.evaluated_at - held.fetched_at,
                "fetched",
            )
            for _, held in fetched
        ]
    if not queue:
        reason = why_missing(inquiry, 1)
        found.unknown("document", reason)
        found.unmade(later, reason)
        return []
    examined = [examine(found, document, inquiry, age_s=age) for document, age, _ in queue]
    shown = [e for e in examined if e is not None]
    points = sorted({e.point for e in shown if e.is_passport and e.point is not None})
    if evidence.presented and shown:
        # Further sets that were fetched complete the picture; they must be of the passport that is shown.
        publisher = {e.recorded.attestation.digest for e in shown if e.recorded is not None}
        for point, held in fetched:
            extra = (
                None
                if point in points
                else examine(Findings(evidence.network.tables), held.document, inquiry)
            )
            if extra and extra.proven and extra.recorded and extra.recorded.attestation.digest in publisher:
                shown.append(extra)
    if 1 in points:
        found.passed("document", points=points, origin=queue[0][2])
    elif shown:
        found.unknown("document", "document_unreachable", points=points, detail="set 1 is not among them")
    else:
        found.unknown("document", _worst_reading(found))
    _check_line_subject(found, line, shown, evidence)
    return sorted(shown, key=lambda e: (not e.is_passport, e.point or 0))


def _check_line_subject(found: Findings, line: Line, shown: Sequence[Examined], evidence: Evidence) -> None:
    """A document of another battery, shown for this one, is no document of this one."""
    declared = evidence.subjects.get(line.battery)
    for examined in shown:
        text = examined.credential.subject.get("id")
        named = evidence.subjects.get(text) if isinstance(text, str) else None
        if declared is not None and named is not None and named.as_list() != declared.as_list():
            found.failed("admitted.subject", "wrong_subject", declared=line.battery, document=text)


def _worst_reading(found: Findings) -> str:
    reasons = {check.reason for check in found.checks}
    return next(
        (r for r in ("unsupported_algorithm", "malformed", "structure_invalid") if r in reasons), "malformed"
    )


# -- the declaration -----------------------------------------------------------------------------------


def _check_presentation(found: Findings, inquiry: Inquiry, context: ManifestContext | None) -> None:
    """X12: the presentation that is open on the ledger is this declaration, and no other."""
    evidence = inquiry.evidence
    if evidence.ledger is None:
        found.unmade(("standing.presentation",), "ledger_unavailable")
        return
    standing = evidence.ledger.standing
    if standing is None:
        found.unmade(("standing.presentation",), "not_found")
        return
    kinds = inquiry.record.of_kinds(
        evidence.network.tables.verdicts.get("events", {}).get("presentation", ())
    )
    required = "standing.presentation" in inquiry.policy.required
    if context is None or not context.imports(inquiry.policy) or (not kinds and not required):
        told = {"presented_by": kinds[-1].attestation.issuer} if kinds else {}
        found.inapplicable("standing.presentation", open=standing.presentation is not None, **told)
        return
    if not kinds:
        found.warned("standing.presentation", "not_presented", rule="X12", declaration=context.declaration)
        return
    latest = kinds[-1]
    if context.declaration is None:
        # Without a number nobody can say that the presentation on record is this one.
        found.unknown("standing.presentation", "not_declared", rule="X12", **latest.place())
        return
    members = event_members(evidence, latest)
    if members is None or isinstance(members, Missing):
        found.unknown("standing.presentation", "not_held", rule="X12", **latest.place())
    elif declaration_text(str(members.get("declaration_number"))) == declaration_text(context.declaration):
        found.passed("standing.presentation", rule="X12", declaration=context.declaration, **latest.place())
    else:
        found.failed("standing.presentation", "second_presentation", rule="X12", **latest.place())


def _check_goods(found: Findings, line: Line, tables: Tables, context: ManifestContext | None) -> None:
    """X17: what the goods are, the commodity code that fits them, and the vehicle a battery came in."""
    kinds = tables.commodity.get("goods")
    if not isinstance(kinds, Mapping):
        found.unmade(("goods", "commodity_code"), "tables_unavailable", rule="X17")
        return
    if line.goods is None and line.commodity_code is None and context is None:
        found.inapplicable("goods")
        found.inapplicable("commodity_code")
        return
    rule = kinds.get(line.goods or "")
    if rule is None:
        found.failed("goods", "goods_unknown", rule="X17", goods=line.goods, known=sorted(kinds))
        found.unmade(("commodity_code",), "goods_unknown", rule="X17")
        return
    if rule.get("vin_required") and not line.vin:
        found.failed("goods", "vin_missing", rule="X17", goods=line.goods)
    elif line.vin and (mistake := _mistake_in_vin(line.vin)):
        found.failed("goods", "vin_invalid", rule="X17", vin=line.vin, detail=mistake)
    else:
        found.passed("goods", goods=line.goods, vin=line.vin)
    if not line.commodity_code:
        found.unknown("commodity_code", "not_declared", rule="X17")
        return
    try:
        code = canonical_commodity_code(line.commodity_code)
    except CredentialError as error:
        found.failed("commodity_code", error.code, rule="X17", detail=str(error), goods=line.goods)
        return
    if (
        len(code) in tables.commodity.get("digits", ())
        and code.startswith(tuple(rule["prefixes"]))
        and not code.startswith(tuple(rule.get("not_prefixes", ())) or ("-",))
    ):
        found.passed("commodity_code", rule="X17", commodity_code=code, goods=line.goods)
    else:
        found.failed(
            "commodity_code",
            "commodity_code",
            rule="X17",
            commodity_code=line.commodity_code,
            goods=line.goods,
            expected=list(rule["prefixes"]),
        )


def _check_vin(found: Findings, line: Line, evidence: Evidence, context: ManifestContext | None) -> None:
    """X17: the vehicle of the line is the one the ledger binds the battery to, as far as it binds it."""
    if not line.vin:
        found.inapplicable("vin")
        return
    others = [n for n in context.by_vin.get(line.vin, ()) if n != line.line] if context else []
    if others:
        found.warned("vin", "vin_repeated", rule="X17", vin=line.vin, other_lines=others)
    declared = evidence.subjects.get(line.vin)
    if evidence.ledger is None or evidence.ledger.standing is None:
        reason = "ledger_unavailable" if evidence.ledger is None else "not_found"
        found.unmade(("vin",), reason, rule="X17", vin=line.vin)
        return
    bound = evidence.ledger.standing.bound_asset
    if bound is None:
        found.unmade(("vin",), "vin_not_recorded", rule="X17", vin=line.vin)
    elif declared is None:
        found.unmade(("vin",), "not_held", rule="X17", detail="the subject of this VIN was not computed")
    elif declared.as_list() == bound.as_list():
        found.passed("vin", rule="X17", vin=line.vin)
    else:
        found.failed("vin", "vin_other", rule="X17", vin=line.vin)


def _mistake_in_vin(text: str) -> str | None:
    try:
        canonical_vin(text)
    except CredentialError as error:
        return str(error)
    return None


def _check_mass(
    found: Findings, line: Line, shown: Sequence[Examined], tables: Tables, policy: Policy
) -> None:
    """X17: the declared mass against the passport's, where the goods are the battery itself."""
    public = next((e for e in shown if e.is_passport and e.point == 1), None)
    general = public.claims.get("GeneralProductInformation") if public else None
    mass = general.get("batteryMass") if isinstance(general, Mapping) else None
    if public is not None and not public.established:
        found.unmade(("mass",), "document_unestablished", rule="X17")
        return
    if mass is not None and (type(mass) not in (int, float) or not 0 < mass <= BATTERY_MASS_KG_MAX):
        found.failed("mass", "mass_impossible", rule="X17", passport_kg=str(mass)[:32])
        return
    kinds = tables.commodity.get("goods", {})
    if line.goods is not None and not kinds.get(line.goods, {}).get("mass_compared", True):
        found.inapplicable("mass", goods=line.goods)
        return
    if mass is None or line.mass_kg is None:
        found.unmade(("mass",), "not_held" if mass is None else "not_declared", rule="X17")
        return
    # Whole grams: the comparison is in integers.
    declared, stated = round(line.mass_kg * 1000), round(mass * 1000)
    told = {
        "declared_kg": line.mass_kg,
        "passport_kg": mass,
        "tolerance_permille": policy.mass_tolerance_permille,
    }
    if abs(declared - stated) * 1000 > stated * policy.mass_tolerance_permille:
        found.failed("mass", "mass_mismatch", rule="X17", **told)
    else:
        found.passed("mass", rule="X17", **told)


def _check_manifest(
    found: Findings,
    line: Line,
    shown: Sequence[Examined],
    inquiry: Inquiry,
    context: ManifestContext | None,
) -> None:
    """X17 and X1 among the lines: a battery is on a manifest once, and with one passport.

    The ledger decides which of two passports is the honest one; only where it does not know either does the
    order of the lines decide.
    """
    if context is None:
        found.inapplicable("manifest")
        return
    name = canonical_name(line.battery, inquiry.evidence.network.tables.identifiers)
    others = [a for a in context.by_battery.get(name, ()) if a.line != line.line]
    if not others:
        found.passed("manifest", rule="X17", lines=1)
        return
    lines = [a.line for a in others]
    mine = {e.digest for e in shown if e.is_passport}
    recorded = any(e.recorded is not None for e in shown)
    earlier = [a for a in others if a.line < line.line]
    if any(e.refused is not None and e.recorded is None for e in shown):
        found.failed("manifest", "duplicate_identity", rule="X1", other_lines=lines)
    elif not earlier or (recorded and _others_lose(others, mine, inquiry.record)):
        found.warned("manifest", "repeated_on_manifest", rule="X17", other_lines=lines)
    elif not recorded and inquiry.evidence.presented and any(e.proven for e in shown):
        found.failed("manifest", "duplicate_identity", rule="X1", other_lines=lines)
    else:
        found.failed("manifest", "duplicate_line", rule="X17", other_lines=lines)


def _others_lose(others: Sequence[Appearance], mine: set[bytes], record: Record) -> bool:
    """True if every other line shows a passport, and none that the ledger knows as admitted."""
    return all(a.digests - mine and not any(record.covering(d) for d in a.digests) for a in others)


# -- small ---------------------------------------------------------------------------------------------


def _digest(document: object) -> bytes | None:
    try:
        return digest_document(dict(document)) if isinstance(document, Mapping) else None
    except CredentialError:
        return None


def _text(value: Mapping[str, Any], name: str, line: int) -> str | None:
    text = value.get(name)
    if text is None or text == "":
        return None
    if not isinstance(text, str) or len(text) > 256:
        where = f"{name} of line {line}" if line else name
        raise _invalid(f"{where} is not a short text")
    return text


def _invalid(why: str) -> CredentialError:
    return CredentialError("manifest_invalid", f"the manifest cannot be read: {why}")
