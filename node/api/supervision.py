"""Supervision: alerts as they come, searched, read one by one, dealt with, and as a file."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from node.api.problems import page_wanted
from node.api.reading import integer_argument, json_body
from node.api.reply import attachment, client_name, form_sent, json_reply, page, reply, see, words_for
from node.api.route import BODY_BYTES_MAX, EVENTS
from node.errors import bad_request
from node.oversight.alert_desk import PAGE_ROWS, AlertAnswer, AlertRecord, as_csv
from node.oversight.alert_kinds import alert_kinds
from node.server.feeds import Feed
from node.service import Service
from node.storage.alerts import AlertFilter
from node.use_cases.recall_reach import ASKED as REACH_ASKED
from node.words import Words, alert_words

ASKED = (
    "code",
    "rule",
    "maker",
    "party",
    "side",
    "facility",
    "model",
    "state",
    "assigned",
    "because",
    "battery",
)
AT_ONCE = 100  # alerts that one poll of a stream sends
STILL_S = 15.0  # an open stream says so at least so often
DAY_S = 86_400


def supervision(service: Service) -> ResponseReturnValue:
    """The alerts of this node, newest first: all, or those that a search asks for, and what is new."""
    words, wanted, asked = words_for(service), _wanted(service), _asked()
    limit = integer_argument("limit", PAGE_ROWS, largest=500) or PAGE_ROWS
    found = service.alerts.page(wanted, client_name(), limit, integer_argument("before", None))
    told = {
        "alerts": [_told(words, row) for row in found.rows],
        **found.counts,
        "looked_at": found.looked_at,
        "before": found.rows[-1]["seq"] if found.more else None,
    }
    kinds = [(kind.code, _title(kind.code)) for kind in alert_kinds()]
    return reply(
        told, "supervision.html", found=told, asked=asked, kinds=kinds, last=service.alerts.last_seq()
    )


def alert(service: Service, alert_id: str) -> ResponseReturnValue:
    """One alert, with the records that raised it."""
    row, leaves, attempts = service.alerts.one(alert_id)
    told = {**_told(words_for(service), row), "leaves": leaves, "attempts": attempts}
    if not page_wanted():
        return json_reply(told)
    return page(
        "alert.html",
        alert=told,
        mine=client_name(),
        known=service.cases.has(row["case"]),
        others=service.alerts.forwarding.authorities(),
    )


def handle(service: Service, alert_id: str) -> ResponseReturnValue:
    """Acknowledge an alert, open it again, give it to somebody, link it to a case, note something."""
    if form_sent():
        order: Mapping[str, Any] = {name: request.form.get(name, "") for name in ("act", "value", "text")}
    else:
        order = json_body("AlertAct", BODY_BYTES_MAX)
    row = service.alerts.handle(
        alert_id, order["act"], order.get("value", ""), client_name(), order.get("text", "")
    )
    if form_sent():
        return see(url_for("supervision.alert", alert_id=alert_id))
    return json_reply(_told(words_for(service), row))


def looked(service: Service) -> ResponseReturnValue:
    """Whoever asks has seen what there is: what comes from now on is new to it."""
    seq = service.alerts.look(client_name())
    return see(url_for("supervision.supervision")) if form_sent() else json_reply({"seq": seq})


def look_again(service: Service) -> ResponseReturnValue:
    """Look at the log once more from a height on: alerts that are missing here come again."""
    order = json_body("LookAgain", BODY_BYTES_MAX)
    return json_reply({"leaf_index": service.alerts.look_again(order["height"], client_name())}, 202)


def export(service: Service) -> ResponseReturnValue:
    """Alerts as a file, the newest first: those that a search asks for."""
    words = words_for(service)
    rows = [_told(words, row) for row in service.alerts.export(_wanted(service))]
    return attachment(as_csv(rows), "alerts.csv", "text/csv; charset=utf-8")


def stream(service: Service) -> ResponseReturnValue:
    """Alerts as they are raised (server-sent events): from `after`, or what `Last-Event-ID` names, on.

    Without either from now on. An id is the alert's `seq`; what the search asks for is asked here as well.
    """
    words, wanted = words_for(service), _wanted(service)
    last = request.headers.get("Last-Event-ID", "")
    begun = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else None
    after = integer_argument("after", None) if begun is None else begun
    seen = service.alerts.last_seq() if after is None else after
    said = time.monotonic() - STILL_S

    def poll() -> tuple[bytes, bool]:
        nonlocal seen, said
        new = b""
        for row in service.alerts.since(seen, AT_ONCE, wanted):
            seen = row["seq"]
            data = json.dumps({**_told(words, row), "href": _href(row)}, ensure_ascii=False)
            new += f"id: {seen}\nevent: alert\ndata: {data}\n\n".encode()
        if not new and time.monotonic() - said >= STILL_S:
            new = b": still here\n\n"
        if new:
            said = time.monotonic()
        return new, False

    return Response(Feed(poll), content_type=f"{EVENTS}; charset=utf-8", direct_passthrough=True)


def resting(service: Service, leaf: int) -> ResponseReturnValue:
    """What rests on one record: looked at before it is taken back, contested or made a case of."""
    found = service.alerts.resting.of(leaf, int(time.time()))
    return reply(found, "resting.html", found=found)


def recall_reach(service: Service) -> ResponseReturnValue:
    """What a recall of these criteria would reach: looked at before it is signed."""
    asked = {name: value for name in REACH_ASKED if (value := request.args.get(name, "").strip())}
    found = service.recall_reach.of(asked, int(time.time()))
    return reply(found, "recall_reach.html", found=found if asked else None, asked=asked)


def risk(service: Service, consignment_id: str) -> ResponseReturnValue:
    """The lines of a consignment by the sum of named indicators: what to look at first, and why."""
    found = service.alerts.risk.of(consignment_id, words_for(service).language)
    return reply(found, "risk.html", risk=found)


def of_battery(service: Service, battery: str) -> list[AlertAnswer]:
    """The alerts about one battery, in words: for its page."""
    words = words_for(service)
    return [_told(words, row) for row in service.alerts.of_battery(battery)]


def _href(row: AlertRecord) -> str:
    return f"/supervision/alerts/{row['id']}"


def _told(words: Words, row: AlertRecord) -> AlertAnswer:
    text, fault, step = alert_words(words, row["code"], row["parameters"])
    return {**row, "text": text, "fault": fault, "next": step}


def _title(code: str) -> str:
    return code.replace("_", " ")


def _asked() -> dict[str, str]:
    """What the address asks for."""
    names = (*ASKED, "since", "until")
    return {name: value for name in names if (value := request.args.get(name, "").strip())}


def _wanted(service: Service) -> AlertFilter:
    asked = _asked()
    times: dict[str, int] = {}
    for name in ("since", "until"):
        if text := asked.pop(name, ""):
            times[name] = _day(name, text) + (DAY_S if name == "until" else 0)
    return service.alerts.wanted(asked, **times)


def _day(name: str, text: str) -> int:
    """The first second of a day (UTC)."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError) as error:
        raise bad_request("bad_argument", "`{name}` must be a day, YYYY-MM-DD.", name=name) from error
