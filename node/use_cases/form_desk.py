"""The maker's form: what a category asks for, what is still missing, what would be signed, and then that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import orjson

from credentials.documents.canonical import b64u, jcs
from credentials.documents.issuer import PASSPORT_SCHEMA
from credentials.documents.passport import DataPointState, PointState, completeness, merge, split
from credentials.errors import CredentialError
from node.config import schemas
from node.errors import ProblemError, bad_request, not_found
from node.issuing.issuing import Issuing
from node.issuing.passport_fields import FormSection, PassportFields, each_field, each_group
from node.issuing.passport_form import FormTexts, arranged, offset_of, read_form, rows_in, rows_of, shown
from node.issuing.passport_models import PassportModel
from node.issuing.passport_orders import Order
from node.storage.issuances import Issuance
from node.storage.office import OfficeStore
from node.use_cases.digests import read_digest

Claims = dict[str, object]  # in the form of BatteryPass, as far as the schema says
IDENTIFIER = "GeneralProductInformation.productIdentifier"


@dataclass(frozen=True, slots=True)
class FormAsked:
    """A form as it is sent. `base`: the claims that it began with; what it does not show of them stays."""

    code: str
    category: str  # a word of BatteryPass
    texts: FormTexts
    base: Claims = field(default_factory=dict)
    placed_on: str | None = None  # YYYY-MM-DD
    renews: bool = False


@dataclass(frozen=True, slots=True)
class Completeness:
    """What the category asks for on the day of placing, of what is filled in."""

    day: str
    present: int
    missing: Sequence[tuple[DataPointState, str]]  # with the path of the field that answers it
    later: int  # not asked for on that day, and not given


@dataclass(frozen=True, slots=True)
class WouldSign:
    """What would be signed: `digest` is of exactly this."""

    digest: str
    battery: str
    version: int
    sets: Mapping[int, Claims]


@dataclass(frozen=True, slots=True)
class FormSeen:
    """A form with what was found of it."""

    asked: FormAsked
    sections: Sequence[FormSection]
    problems: Mapping[str, ProblemError]  # by the path of a field
    complete: Completeness | None
    refused: ProblemError | None = None  # why nothing of it could be signed, though each field is in order
    would_sign: WouldSign | None = None
    claims: Claims = field(default_factory=dict)


class PassportForms:
    """Makes forms of the tables that govern, and claims of what is filled in."""

    def __init__(self, issuing: Issuing, office: OfficeStore) -> None:
        self._issuing = issuing
        self._office = office

    def categories(self) -> list[str]:
        """The words of BatteryPass for a category."""
        return list(self._issuing.signing.paths["categories"])

    def begun(self, code: str, category: str, base: Claims, utc_offset: str = "") -> FormSeen:
        """A form that shows these claims; of a battery without any, what its code itself says."""
        identifier = self._issuing.signing.identifier(code)
        fields, rows = self._fields(category), rows_of(base)
        sections = fields.sections(lambda path: rows.get(path, 0))
        base = arranged(base, sections)
        texts = shown(base, sections, offset_of(base) or utc_offset)
        filled = {IDENTIFIER: identifier.uri, **texts.fields}
        asked = FormAsked(identifier.canonical, category, replace(texts, fields=filled), base)
        return self.looked_at(asked)

    def of_model(self, name: str, code: str) -> tuple[Claims, str]:
        """(claims, zone of its days) of a model; 404 `model_unknown`."""
        value = remembered_model(self._office, name)
        model = PassportModel(name, value["claims"], {}, value["utc_offset"])
        return model.claims_for(self._issuing.signing.identifier(code).canonical), model.utc_offset or ""

    def of_passport(self, digest: str) -> tuple[str, str, Claims]:
        """(battery, its category as BatteryPass has it, claims) of the newest passport of a battery.

        404; 409 for an earlier one: its claims would take back what was corrected since.
        """
        row = issued_here(self._office, digest)
        newest = self._office.issuances.newest_of(row.battery)
        if newest is not None and newest.number != row.number:
            told = "this passport has a newer version, {version}: correct that one"
            raise ProblemError(409, "newer_version", "Conflict", told, version=newest.version)
        held = self._office.documents.of_set(row.digest)
        sets = {one.point: orjson.loads(one.body)["credentialSubject"] for one in held if one.point}
        claims: Claims = merge(sets, self._issuing.signing.paths)
        general = claims.get("GeneralProductInformation")
        category = general.get("batteryCategory") if isinstance(general, dict) else ""
        return row.battery, str(category), claims

    def looked_at(self, asked: FormAsked, more: str = "", *, tries: bool = False) -> FormSeen:
        """What is wrong with it, what is missing, and where it `tries`: what would be signed.

        `more`: the path of a list that is shown with one item more.
        """
        rows = rows_in(asked.texts.fields)
        for path, count in rows_of(asked.base).items():
            rows[path] = max(rows.get(path, 0), count)
        if more:
            rows[more] = max(rows.get(more, 0), 1) + 1
        sections = self._fields(asked.category).sections(lambda path: rows.get(path, 0))
        claims, problems = read_form(asked.texts, sections, asked.base, asked.category)
        seen = FormSeen(asked, sections, problems, self._complete(claims, asked, sections), claims=claims)
        if not tries or problems:
            return seen
        try:
            return replace(seen, would_sign=self._tried(asked, claims))
        except ProblemError as problem:
            return replace(seen, refused=problem)
        except CredentialError as error:
            return replace(seen, refused=bad_request("claims_malformed", str(error)))

    def _fields(self, category: str) -> PassportFields:
        signing = self._issuing.signing
        words = signing.paths["categories"]
        if category not in words:
            told = "choose the category of the battery: {categories}"
            raise bad_request("category_missing", told, categories=tuple(words))
        schema = schemas()[PASSPORT_SCHEMA["id"]]
        return PassportFields(words[category], schema, signing.paths, signing.datapoints)

    def _complete(
        self, claims: Claims, asked: FormAsked, sections: Sequence[FormSection]
    ) -> Completeness | None:
        """None where the claims are no passport at all."""
        datapoints, paths = self._issuing.signing.datapoints, self._issuing.signing.paths
        day = asked.placed_on or datapoints["passportRequiredFrom"]
        try:
            states = completeness(split(claims, paths), asked.category, day, datapoints, paths)
        except CredentialError:
            return None
        places = {point: one.path for one in each_group(sections) for point in one.asked.points}
        for one in each_field(sections):
            for point in one.asked.points:
                places.setdefault(point, one.path)
        by = _by_state(states)
        missing = [(one, places.get(one.dp, "")) for one in by(PointState.MISSING)]
        return Completeness(day, len(by(PointState.PRESENT)), missing, len(by(PointState.NOT_YET_REQUIRED)))

    def _tried(self, asked: FormAsked, claims: Claims) -> WouldSign:
        order = Order(claims, asked.code, placed_on=asked.placed_on, tried=True, renews=asked.renews)
        made = self._issuing.passports.passport(order)
        sets = {point: one for point, one in split(claims, self._issuing.signing.paths).items() if one}
        said = [made.battery, made.version, asked.renews, claims]
        return WouldSign(b64u(sha256(jcs(said)).digest()), made.battery, made.version, sets)


def issued_here(office: OfficeStore, digest: str) -> Issuance:
    """The passport of this node with this digest of its set list; 404 `passport_unknown`."""
    row = office.issuances.get(read_digest(digest))
    if row is None:
        raise not_found("passport_unknown", "this node issued no passport with that digest")
    return row


def remembered_model(office: OfficeStore, name: str) -> Any:
    """The JSON of a model; 404 `model_unknown`."""
    body = office.jobs.model(name)
    if body is None:
        told = "this node remembers no model {model}: send it first"
        raise not_found("model_unknown", told, model=name[:100])
    return orjson.loads(body)


def _by_state(states: Sequence[DataPointState]) -> Callable[[PointState], list[DataPointState]]:
    return lambda state: [one for one in states if one.state is state]
