"""The routes of supervision, a part of the table: alerts listed, followed, read and dealt with."""

from __future__ import annotations

from node.api import cases, facilities, supervision
from node.api.route import (
    CSV,
    JSON,
    JSON_OR_FORM,
    JSON_OR_PAGE,
    SEEN,
    Body,
    Route,
    RouteAnswer,
)

SEE_ALERTS = ("read", "clear", "govern", "operate")
DEAL_WITH = ("clear", "govern", "operate")
SEE_CASES = ("read", "issue", "clear", "govern")
OPERATE = ("operate",)
SEE_CLEARED = ("read", "clear")
SPEAK = ("issue", "govern", "clear")  # in the name of the participant; what it may say, the case says
SEARCH = (*supervision.ASKED, "since", "until")


def _shown(schema: str, types: tuple[str, ...] = JSON_OR_PAGE) -> tuple[RouteAnswer, ...]:
    return (RouteAnswer(200, schema, types, "As asked."),)


SUPERVISION = (
    Route(
        "GET",
        "/supervision",
        supervision.supervision,
        "Alerts of this node, newest first, and what is new",
        _shown("Alerts"),
        SEE_ALERTS,
        query=(*SEARCH, "before", "limit"),
    ),
    Route(
        "GET",
        "/supervision/stream",
        supervision.stream,
        "Alerts as they are raised (server-sent events)",
        (
            RouteAnswer(
                200, None, (supervision.EVENT_STREAM,), "One event an alert; its id goes on from there."
            ),
        ),
        SEE_ALERTS,
        query=(*SEARCH, "after"),
    ),
    Route(
        "GET",
        "/supervision/alerts.csv",
        supervision.export,
        "Alerts as a file",
        (RouteAnswer(200, None, (CSV,), "A file."),),
        SEE_ALERTS,
        query=SEARCH,
    ),
    Route(
        "GET",
        "/supervision/facilities",
        facilities.facilities,
        "Parties of a supervised side with their licences, and what they recorded by month",
        _shown("Facilities"),
        SEE_ALERTS,
        query=facilities.ASKED,
    ),
    Route(
        "GET",
        "/supervision/alerts/<alert_id>",
        supervision.alert,
        "One alert, with the records that raised it",
        _shown("AlertTold"),
        SEE_ALERTS,
    ),
    Route(
        "POST",
        "/supervision/alerts/<alert_id>",
        supervision.handle,
        "Acknowledge it, open it again, give it to somebody, link it to a case, note something, hand it on",
        (*_shown("Alert", (JSON,)), SEEN),
        DEAL_WITH,
        Body("AlertAct", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/supervision/cases",
        cases.cases,
        "Cases that this party may read, newest first",
        _shown("Cases"),
        SEE_CASES,
        query=(*cases.ASKED, *cases.GIVEN, "before", "limit"),
    ),
    Route(
        "POST",
        "/supervision/cases",
        cases.opened,
        "Open a case, with its grounds",
        (RouteAnswer(201, "Case", (JSON,), "It is open, and on its way to whom it concerns."), SEEN),
        SPEAK,
        Body("CaseOrder", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/supervision/cases/<case_id>",
        cases.case,
        "One case, both sides of it side by side",
        _shown("Case"),
        SEE_CASES,
    ),
    Route(
        "POST",
        "/supervision/cases/<case_id>",
        cases.said,
        "Ask, explain, comment, give more time, withdraw, close or review",
        (*_shown("Case", (JSON,)), SEEN),
        SPEAK,
        Body("CaseSaid", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/supervision/consignments/<consignment_id>",
        supervision.risk,
        "The lines of a consignment by the sum of named indicators",
        _shown("Risk"),
        SEE_CLEARED,
    ),
    Route(
        "POST",
        "/supervision/looked",
        supervision.looked,
        "Whoever asks has seen what there is",
        (*_shown("Looked", (JSON,)), SEEN),
        SEE_ALERTS,
        Body("Nothing", JSON_OR_FORM),
    ),
    Route(
        "POST",
        "/supervision/again",
        supervision.look_again,
        "Look at the log once more from a height on: missing alerts come again",
        (RouteAnswer(202, "LookedAgain", text="It is looked at; what is here already stays as it is."),),
        OPERATE,
        Body("LookAgain"),
    ),
)
