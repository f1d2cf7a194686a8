"""Requests to be shown sets of passports: listed, asked from a row of the readiness report, and answered."""

from __future__ import annotations

from flask import request, url_for
from flask.typing import ResponseReturnValue

from node.api.problems import page_wanted
from node.api.reading import integer_argument, json_body, require_shape
from node.api.reply import client_name, form_sent, json_reply, page, reply, see, words_for
from node.api.route import BODY_BYTES_MAX
from node.catalogues import LANGUAGES
from node.oversight.request_statements import GROUNDS
from node.oversight.set_requests import SetsAsked
from node.service import Service

REQUEST_ROWS = 50
POINTS = ("1", "2", "3", "4")  # of Annex XIII


def listed(service: Service) -> ResponseReturnValue:
    """The requests that this party sent or was sent, newest first."""
    limit = integer_argument("limit", REQUEST_ROWS, largest=500) or REQUEST_ROWS
    found = service.set_requests.page(limit, integer_argument("before", None))
    return reply(found, "set_requests.html", found=found)


def new(service: Service) -> ResponseReturnValue:
    """Whom to ask for what answers a row and is not visible here; as a page, the form that asks."""
    asked = {name: request.args.get(name, "")[:100] for name in ("consignment", "requirement")}
    parties = service.set_requests.may_ask(**asked)
    if not page_wanted():
        return json_reply({"parties": parties})
    consignment = service.consignments.show(asked["consignment"], limit=0)
    return page(
        "set_request_new.html",
        asked=asked,
        wanted=_wanted(service, asked["requirement"]),
        parties=parties,
        grounds=GROUNDS,
        consignment=consignment,
    )


def _wanted(service: Service, requirement: str) -> str:
    """What a row of the report asks for, in the reader's language where the table has it; else its id."""
    words, english = words_for(service), service.set_requests.wanted(requirement)
    told = words.own(english)
    return told if told != english or words.language == LANGUAGES[0] else requirement


def ask(service: Service) -> ResponseReturnValue:
    """Ask a maker, signed as this participant's statement."""
    if form_sent():
        order = require_shape(
            {name: request.form.get(name, "") for name in SetsAsked.__slots__}, "SetRequestOrder"
        )
        return see(
            url_for("set_request_pages.one", request_id=service.set_requests.ask(order, client_name()))
        )
    made = service.set_requests.ask(json_body("SetRequestOrder", BODY_BYTES_MAX), client_name())
    return json_reply(service.set_requests.one(made), 201)


def one(service: Service, request_id: str) -> ResponseReturnValue:
    """One request: who asks, for which batteries and on what ground, and what was answered."""
    found = service.set_requests.one(request_id)
    wanted = _wanted(service, found["requirement"])
    return reply(found, "set_request.html", asked=found, wanted=wanted)


def answer(service: Service, request_id: str) -> ResponseReturnValue:
    """Hand the sets of some points over, or decline, with a reason."""
    if form_sent():
        told: dict[str, object] = {name: request.form.get(name, "") for name in ("act", "text")}
        told["points"] = [int(point) for point in request.form.getlist("points") if point in POINTS]
        order = require_shape(told, "SetRequestAnswer")
    else:
        order = json_body("SetRequestAnswer", BODY_BYTES_MAX)
    points = order.get("points", ())
    service.set_requests.answer(request_id, order["act"], order["text"], points, client_name())
    if form_sent():
        return see(url_for("set_request_pages.one", request_id=request_id))
    return json_reply(service.set_requests.one(request_id))
