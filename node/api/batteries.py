"""What this node knows of one battery, and the verdict on one item."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from node.api.problems import page_wanted
from node.api.reading import integer_argument, json_body
from node.api.reply import json_reply, page, session, words_for
from node.api.route import BODY_BYTES_MAX
from node.api.supervision import of_battery
from node.errors import ProblemError, not_found
from node.service import Service

SEEING = frozenset({"read", "clear", "govern", "operate"})  # as the routes of alerts ask for


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
    """The verdict on one item, now."""
    item = json_body("ClearanceRequest", BODY_BYTES_MAX)
    law_date = item.pop("law_date", None)
    if not item["battery"].strip():
        raise ProblemError(400, "battery_missing", "Bad request", "Give the battery's code or link.")
    return json_reply(words_for(service).item(service.clearance.item(item, law_date=law_date)))
