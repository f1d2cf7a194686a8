"""What this node knows of one battery, and the verdict on one item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from credentials.verdicts.manifest import CONDITIONS, MASS_KG_MAX
from node.answers import ItemAnswer
from node.api.problems import page_wanted, problem_told
from node.api.reading import integer_argument, json_body, require_shape
from node.api.reply import form_sent, json_reply, page, session, words_for
from node.api.route import BODY_BYTES_MAX
from node.api.supervision import of_battery
from node.errors import ProblemError, bad_request, not_found
from node.issuing.passport_models import number_of
from node.service import Service
from node.web.checks import sections
from node.web.passport_read import glance, read_passport

SEEING = frozenset({"read", "clear", "govern", "operate"})  # as the routes of alerts ask for
FIELDS = {"condition_missing": "condition", "cell_malformed": "mass_kg"}  # of the form, by what is refused
ATTESTING = frozenset({"issue", "govern", "clear"})  # as the route of acts asks for


def battery(service: Service, identifier: str) -> ResponseReturnValue:
    """Current state, records in order, passports; as much as whoever asks is entitled to see."""
    before = integer_argument("before", None)
    found = service.batteries.battery(identifier, service.access.audience_of(session()), before)
    if not found["known"]:
        raise not_found(
            "battery_not_found",
            "No record of {battery} is on this ledger; that says nothing about the battery.",
            battery=_shown(identifier),
        )
    if not page_wanted():
        return json_reply(found)
    asking = session()
    alerts = of_battery(service, found["battery"]) if asking and asking.scopes & SEEING else []
    return page("battery.html", battery=found, alerts=alerts)


def _shown(identifier: str) -> str:
    """The identifier as given, short enough for a sentence."""
    return identifier if len(identifier) <= 80 else identifier[:80] + "…"


def clearance(service: Service) -> ResponseReturnValue:
    """The verdict on one item, now: nothing of it is kept."""
    if form_sent():
        return _taken(service)
    return json_reply(_judged(service, json_body("ClearanceRequest", BODY_BYTES_MAX)))


def _judged(service: Service, item: dict[str, Any]) -> ItemAnswer:
    law_date = item.pop("law_date", None)
    if not item["battery"].strip():
        raise ProblemError(400, "battery_missing", "Bad request", "Give the battery's code or link.")
    return words_for(service).item(service.clearance.item(item, law_date=law_date))


def _taken(service: Service) -> ResponseReturnValue:
    """May this be taken, and is it what it is said to be: the verdict, and the acts that are possible."""
    form = {name: request.form.get(name, "").strip() for name in ("battery", "condition", "mass_kg")}
    try:
        item = _judged(service, _offered(form))
    except ProblemError as error:
        why, step = problem_told(error, words_for(service))
        told = {"code": form["battery"], "offered_as": form["condition"], "mass": form["mass_kg"]}
        wrong = FIELDS.get(error.code, "battery")  # what else is refused is what was typed as its code
        return page("taken.html", error.status, item=None, problem=why, step=step, wrong=wrong, **told)
    asking = session()
    audience = service.access.audience_of(asking)
    language = words_for(service).language
    read = read_passport(service, item["battery"], item["passport"].get("digest"), audience, language)
    acts = asking is not None and asking.scopes & ATTESTING and item["timeline"]
    return page(
        "taken.html",
        item=item,
        passport=read,
        glance=glance(item, read, language),
        sections=sections(item["checks"]),
        offered=service.acts.offered(item["battery"]) if acts else None,
        unfolded=False,
        mass=form["mass_kg"],
    )


def _offered(form: Mapping[str, str]) -> dict[str, str | float]:
    """The item of a form: a battery by itself; its mass as numbers of sheets are read."""
    given = {name: value for name, value in form.items() if value and name != "mass_kg"}
    item: dict[str, str | float] = {"battery": "", "goods": "battery", **given}
    if form["condition"] not in CONDITIONS:
        raise bad_request("condition_missing", "Say as what the battery is offered: it is never guessed.")
    if form["mass_kg"]:
        item["mass_kg"] = mass = number_of(form["mass_kg"], whole=False)
        if not 0 < mass <= MASS_KG_MAX:
            told = "A mass is more than 0 and at most {most} kg."
            raise bad_request("cell_malformed", told, most=MASS_KG_MAX)
    require_shape(item, "ClearanceRequest")
    return item
