"""The maker's form: begun for a battery, looked at as often as one likes, and signed as it was shown."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from credentials.documents.canonical import parse_json
from credentials.errors import CredentialError
from node.api.problems import as_problem, problem_told
from node.api.reply import page, see, words_for
from node.api.route import BODY_BYTES_MAX
from node.api.schemas import DATE
from node.errors import ProblemError, bad_request
from node.issuing.passport_fields import each_field
from node.issuing.passport_form import FormTexts
from node.issuing.passport_orders import Order
from node.rules_in_force import rule_table
from node.service import Service
from node.use_cases.form_desk import FormAsked, FormSeen
from node.verdicts.consignments import today
from node.web.sample import propose_code, sample_claims

FIELD = "f-"  # before the path of a member, in the fields of a form


def new_passport(service: Service) -> ResponseReturnValue:
    """Which battery, of which category, from which model; or the form of it, where that is said.

    `from`: a passport of this node that gets a new version. Only in a demonstration a form is filled with
    the shipped sample; elsewhere it says nothing that nobody said.
    """
    given = request.args
    demonstration = bool(service.overview.status()["demonstration"])
    code = given.get("code", "").strip() or (propose_code(service) if demonstration else "")
    try:
        if digest := given.get("from", ""):
            return _form(service, *_renewed(service, digest))
        if category := given.get("category", ""):
            return _form(service, _begun(service, code, category, given.get("model", "")))
        if demonstration and code:
            claims = sample_claims(service, code)
            word = claims["GeneralProductInformation"]["batteryCategory"]
            return _form(service, service.passports.forms.begun(code, word, claims), sample=True)
    except (ProblemError, CredentialError) as error:
        return begin(service, as_problem(error), code=code)
    return begin(service, None, code=code)


def begin(service: Service, problem: ProblemError | None, *, code: str, claims: str = "") -> Response:
    """Where a form begins, with the way of those who have JSON."""
    words = words_for(service)
    return page(
        "passport_new.html",
        200 if problem is None else problem.status,
        code=code,
        given=request.values,
        claims=claims,
        categories=service.passports.forms.categories(),
        models=service.jobs.models(),
        problem=problem_told(problem, words)[0] if problem is not None else None,
        step=words.problem_step(problem) if problem is not None else None,
    )


def _begun(service: Service, code: str, category: str, model: str) -> FormSeen:
    if not code:
        raise bad_request("code_missing", "Give the battery's code.")
    forms = service.passports.forms
    base, offset = forms.of_model(model, code) if model else ({}, "")
    return forms.begun(code, category, base, offset)


def _renewed(service: Service, digest: str) -> tuple[FormSeen, bool]:
    forms = service.passports.forms
    battery, category, claims = forms.of_passport(digest)
    return forms.begun(battery, category, claims), True


def fill(service: Service) -> ResponseReturnValue:
    """What a filled form lacks and would sign; signed where exactly that was shown."""
    sent = request.form
    try:
        asked = _asked()
        if sent.get("do") == "count":
            return _missing(service.passports.forms.looked_at(asked))
        more, signs = sent.get("add", ""), "shown" in sent
        seen = service.passports.forms.looked_at(asked, more, tries=signs or not more)
    except (ProblemError, CredentialError) as error:
        problem = as_problem(error)
        return begin(service, problem, code=sent.get("code", ""))
    if not signs or seen.would_sign is None:
        return _form(service, seen, asked.renews, looked=not more)
    if sent["shown"] != seen.would_sign.digest:
        return _form(service, seen, asked.renews, other=True)
    whole = "gaps" not in sent
    order = Order(seen.claims, asked.code, whole=whole, placed_on=asked.placed_on, renews=asked.renews)
    try:
        issued = service.passports.ordered(order)
    except ProblemError as problem:
        return _form(service, seen, asked.renews, refused=problem)
    return see(url_for("passports.passport", digest=issued["digest"]))


def _asked() -> FormAsked:
    """The form as it was sent."""
    sent = request.form
    fields = {name.removeprefix(FIELD): text for name, text in sent.items() if name.startswith(FIELD)}
    placed_on = sent.get("placed_on", "") or None
    if placed_on is not None and not re.fullmatch(DATE["pattern"], placed_on):
        raise bad_request("bad_argument", "`{name}` is a day such as 2027-03-01", name="placed_on")
    base: Any = parse_json(sent.get("base", "{}").encode(), size_bytes_max=BODY_BYTES_MAX)
    if not isinstance(base, dict):
        raise bad_request("bad_argument", "`{name}` is an object of JSON", name="base")
    times = (sent.get(name, "").strip() for name in ("utc_offset", "measured"))
    texts = FormTexts({path: text.replace("\r\n", "\n") for path, text in fields.items()}, *times)
    code, category = sent.get("code", "").strip(), sent.get("category", "")
    return FormAsked(code, category, texts, base, placed_on, "renews" in sent)


def _missing(seen: FormSeen) -> Response:
    """The one part of the page that a script asks for again."""
    return page("passport_missing.html", complete=seen.complete, field=FIELD)


def _form(
    service: Service,
    seen: FormSeen,
    renews: bool = False,
    *,
    looked: bool = False,
    other: bool = False,
    refused: ProblemError | None = None,
    sample: bool = False,
) -> Response:
    words = words_for(service)
    why = refused or seen.refused
    status = why.status if why is not None else 400 if seen.problems else 409 if other else 200
    return page(
        "passport_form.html",
        status,
        seen=seen,
        asked=seen.asked,
        fields=seen.asked.texts.fields,
        complete=seen.complete,
        renews=renews,
        looked=looked or other or refused is not None,
        other=other,
        problems={path: problem_told(one, words)[0] for path, one in seen.problems.items()},
        problem=problem_told(why, words)[0] if why is not None else "",
        step=words.problem_step(why) if why is not None else None,
        base=json.dumps(seen.asked.base, ensure_ascii=False),
        signed=_signed_text(seen),
        filled=_filled(seen),
        readers=_readers(service),
        sample=sample,
        today=today(),
        field=FIELD,
    )


class Filled(NamedTuple):
    """How much of one part of a form is filled in; `open`: something that is asked for now is not."""

    filled: int
    fields: int
    open: bool
    wrong: bool


def _filled(seen: FormSeen) -> dict[tuple[int, str], Filled]:
    """By set and submodel."""
    told, found = seen.asked.texts.fields, dict[tuple[int, str], Filled]()
    missing = {path for _, path in seen.complete.missing} if seen.complete is not None else {""}
    for section in seen.sections:
        for group in section.groups:
            paths = [one.path for one in each_field([group])]
            lacks = any(one.startswith(group.path) and _is_of(one, paths) for one in missing)
            given = sum(1 for path in paths if told.get(path))
            wrong = any(path in seen.problems for path in paths)
            found[section.point, group.path] = Filled(given, len(paths), lacks or not given, wrong)
    return found


def _readers(service: Service) -> dict[int, list[str]]:
    """Who may read each set, as the access table that governs has it."""
    table = rule_table("annex-xiii-access.json", service.overview.history.latest)["audiences"]
    return {point: [name for name, of in table.items() if str(point) in of] for point in (1, 2, 3, 4)}


def _is_of(place: str, paths: list[str]) -> bool:
    return any(path == place or path.startswith(f"{place}.") for path in paths)


def _signed_text(seen: FormSeen) -> dict[int, str]:
    """Each set as it would be signed, letter by letter."""
    if seen.would_sign is None:
        return {}
    sets = seen.would_sign.sets.items()
    return {point: json.dumps(one, ensure_ascii=False, indent=1) for point, one in sets}
