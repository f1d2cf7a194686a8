"""What the line declares, against the tables, the passport and the other lines (rule X17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from credentials.documents.identifiers import canonical_commodity_code, canonical_vin
from credentials.errors import CredentialError
from credentials.ledger.standing import WASTE
from credentials.verdicts.cell import presentation
from credentials.verdicts.content import BATTERY_MASS_KG_MAX
from credentials.verdicts.evidence import Evidence, Tables
from credentials.verdicts.inside import inside_of
from credentials.verdicts.manifest import Appearance, Line, ManifestContext, canonical_name
from credentials.verdicts.policy import Policy
from credentials.verdicts.record import Inquiry, Record
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Findings, Outcome

if TYPE_CHECKING:
    from credentials.verdicts.verifier import Examined

OTHER_LINES_MAX = 8  # told by each line of a battery that is on many


def check_declared(  # noqa: PLR0917  (one line, and all that it may rest on)
    found: Findings,
    line: Line,
    shown: Sequence[Examined],
    inquiry: Inquiry,
    context: ManifestContext | None,
    names: Set[str],
) -> None:
    """All checks of the declaration; `context` None: a scan of one code, to which some do not apply.

    `names` are the further codes of the battery, whatever passport names them.
    """
    evidence, policy = inquiry.evidence, inquiry.policy
    tables = evidence.network.tables
    _check_vin(found, line, evidence, context)
    _check_goods(found, line, tables, context)
    _check_mass(found, line, shown, tables, policy)
    _check_manifest(found, line, shown, inquiry, context, names)
    own = canonical_name(line.battery, tables.identifiers)
    _check_declared_once(found, inquiry, context, {own, *names})


def _check_goods(found: Findings, line: Line, tables: Tables, context: ManifestContext | None) -> None:
    """What the goods are, and the vehicle they came in. Left out, it is asked for: never a ground."""
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
        reason = "goods_not_given" if line.goods is None else "goods_unknown"
        found.unknown("goods", reason, rule="X17", goods=line.goods, known=sorted(kinds))
        found.unmade(("commodity_code",), reason, rule="X17")
        return
    if rule.get("vin_required") and not line.vin:
        found.failed("goods", "vin_missing", rule="X17", goods=line.goods)
    elif line.vin and (mistake := _mistake_in_vin(line.vin)):
        found.failed("goods", "vin_invalid", rule="X17", vin=line.vin, detail=mistake)
    elif rule.get("vin_required") and (why := _vehicle_not_compared(found)):
        found.unmade(("goods",), why, rule="X17", goods=line.goods, vin=line.vin)
    else:
        found.passed("goods", goods=line.goods, vin=line.vin)
    _check_commodity_code(found, line, rule, tables)


def _vehicle_not_compared(found: Findings) -> str | None:
    """Why the vehicle of the line is not the one of the record; None: it is (I8)."""
    passed = Outcome.PASS in found.outcomes("vin")
    return None if passed else next(c.reason for c in reversed(found.checks) if c.name == "vin")


def _check_commodity_code(found: Findings, line: Line, rule: Mapping[str, Any], tables: Tables) -> None:
    """The code fits the goods: a battery, or what the battery came in."""
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
        found.warned("vin", "vin_repeated", rule="X17", vin=line.vin, **_lines(others))
    declared = evidence.subjects.get(line.vin)
    if evidence.ledger is None or evidence.ledger.standing is None:
        reason = "ledger_unavailable" if evidence.ledger is None else evidence.ledger.unknown
        found.unmade(("vin",), reason, rule="X17", vin=line.vin)
        return
    bound = evidence.ledger.standing.bound_asset
    if bound is None:
        found.unmade(("vin",), "vin_not_recorded", rule="X17", vin=line.vin)
    elif declared is None:
        found.unmade(("vin",), "not_held", rule="X17", needs="vehicle")
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


def _check_manifest(  # noqa: PLR0917  (one line, and all that it may rest on)
    found: Findings,
    line: Line,
    shown: Sequence[Examined],
    inquiry: Inquiry,
    context: ManifestContext | None,
    names: Set[str],
) -> None:
    """X17 and X1 among the lines: a battery is on a manifest once, and with one passport.

    The ledger decides which of two passports is the honest one; only where it does not know either does the
    order of the lines decide.
    """
    if context is None:
        found.inapplicable("manifest")
        return
    rules = inquiry.evidence.network.tables.identifiers
    name = canonical_name(line.battery, rules)
    twins = [a.line for other in sorted(names) for a in context.by_battery.get(other, ())]
    if twins:
        # Its own passports say that both are one battery: never honest on one manifest, in any order.
        found.failed("manifest", "duplicate_line", rule="X17", **_lines(twins))
        return
    shared = inquiry.evidence.sharing.items()
    sharing = sorted({number for other, numbers in shared if other in names for number in numbers})
    if any(other < line.line for other in sharing):
        # Each passport names one further code: whoever's word that is, one battery is not placed twice.
        found.failed("manifest", "duplicate_line", rule="X17", **_lines(sharing))
        return
    if _told_of_others(found, line, inquiry, context, name):
        return
    others = [a for a in context.by_battery.get(name, ()) if a.line != line.line]
    if not others and sharing:
        found.warned("manifest", "repeated_on_manifest", rule="X17", **_lines(sharing))
        return
    if not others:
        found.passed("manifest", rule="X17", lines=1)
        return
    mine = {e.digest for e in shown if e.is_passport}
    recorded = any(e.recorded is not None for e in shown)
    earlier = any(a.line < line.line for a in others)
    # Of many lines the first few are told: each of 20,000 need not go through all others for that.
    lines = _lines([a.line for a in others[:OTHER_LINES_MAX]], len(others))
    if any(e.refused is not None and e.recorded is None for e in shown):
        found.failed("manifest", "duplicate_identity", rule="X1", **lines)
    elif not earlier or (recorded and _others_lose(others, mine, inquiry.record)):
        found.warned("manifest", "repeated_on_manifest", rule="X17", **lines)
    elif not recorded and inquiry.evidence.presented and any(e.proven for e in shown):
        found.failed("manifest", "duplicate_identity", rule="X1", **lines)
    else:
        found.failed("manifest", "duplicate_line", rule="X17", **lines)


def _told_of_others(
    found: Findings, line: Line, inquiry: Inquiry, context: ManifestContext, name: str
) -> bool:
    """What lines of other batteries say of this one; True if they say anything against it."""
    if kin := _kin_on(context, line, inquiry):
        found.failed("manifest", "duplicate_line", rule="X17", **_lines(kin))
    elif inside := _inside_on(context, line, inquiry):
        told = {"rule": "X17", "word": UNDECIDED, **_lines(inside)}
        found.add("manifest", Outcome.INDETERMINATE, "declared_inside", **told)
    elif registered := context.registered_as(line, name):
        # An item has a registration of its own: whose of them it is, nobody here can say.
        found.failed("manifest", "registration_repeated", rule="X17", **_lines(registered))
    else:
        return False
    return True


def _kin_on(context: ManifestContext, line: Line, inquiry: Inquiry) -> list[int]:
    """The other lines that hold what this one came of, or what came of it: one battery in two states (X8).

    What is left of a pack that was taken apart may travel as waste beside its modules.
    """
    view = inquiry.evidence.ledger
    if view is None or view.standing is None:
        return []
    successors = view.standing.lineage.successors if view.standing.lineage is not None else ()
    behind, made = tuple(view.relatives), (*view.standing.children, *successors)
    if not behind and not made:
        return []
    lines = context.by_key()
    older = [other for key in behind for other, shown_as in lines.get(key, ()) if shown_as != WASTE]
    newer = [other for key in made for other, _ in lines.get(key, ()) if line.condition != WASTE]
    return sorted({*older, *newer} - {line.line})


def _inside_on(context: ManifestContext, line: Line, inquiry: Inquiry) -> list[int]:
    """The other lines that hold what a repair left in it, or what its own repair left it in (D1014).

    Waste and what comes out of it may travel together.
    """
    view = inquiry.evidence.ledger
    if line.condition == WASTE or view is None or not (view.parts or view.named_in):
        return []
    lines = context.by_key()
    others = (entry for key in inside_of(inquiry, lines) for entry in lines[key])
    return sorted({other for other, shown_as in others if shown_as != WASTE} - {line.line})


def _check_declared_once(
    found: Findings, inquiry: Inquiry, context: ManifestContext | None, names: Set[str]
) -> None:
    """X12 where the ledger does not say yet: of two declarations at this node, the first has the battery.

    Presented on the ledger, the battery is under that declaration, whichever came first here: a number that
    anybody wrote on a manifest holds up nobody who may present it. A scan is under no declaration, and
    whoever scans need not see consignments: it is told that there is one, not which.
    """
    evidence, policy = inquiry.evidence, inquiry.policy
    said = ((other.since(names), other) for other in evidence.declared)
    named = sorted(((since, one) for since, one in said if since is not None), key=lambda pair: pair[0])
    others = [other for _, other in named]
    importing = (context.direction_for(policy) if context else policy.direction) == "import"
    if not others or not importing or "standing.presentation" not in policy.required:
        return
    standing = inquiry.evidence.ledger.standing if inquiry.evidence.ledger else None
    if standing is None or standing.presentation is not None or presentation(standing, inquiry) is not None:
        return
    found.turns_at(*(other.open_until for other in others))
    if context is None:
        found.warned("manifest", "declared_here", rule="X12")
        return
    if context.declaration is None:
        found.unknown("standing.presentation", "declaration_not_given", rule="X12")
        return
    own = evidence.declared_as.since(names) if evidence.declared_as is not None else None
    earlier = [other for since, other in named if own is None or since < own]
    told = [{"declaration": o.declaration, "consignment": o.consignment} for o in earlier or others]
    more = {"total": len(told)} if len(told) > OTHER_LINES_MAX else {}
    about = {"declarations": told[:OTHER_LINES_MAX], "first": told[0]["declaration"], **more}
    if earlier:
        found.failed("manifest", "declared_before", rule="X12", **about)
    else:
        found.warned("manifest", "declared_again", rule="X12", **about)


def _lines(others: Sequence[int], total: int | None = None) -> dict[str, Any]:
    """The first of the other lines, and how many there are where these are not all: each line tells them."""
    total = len(others) if total is None else total
    more = {"other_lines_total": total} if total > OTHER_LINES_MAX else {}
    return {"other_lines": list(others[:OTHER_LINES_MAX]), **more}


def _others_lose(others: Sequence[Appearance], mine: set[bytes], record: Record) -> bool:
    """True if every other line shows a passport, and none that the ledger knows as admitted."""
    return all(a.digests - mine and not any(record.covering(d) for d in a.digests) for a in others)
