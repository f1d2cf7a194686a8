"""The routes of supervision, a part of the table: alerts listed, followed, read and dealt with."""

from __future__ import annotations

from node.api import cases, facilities, set_request_pages, supervision
from node.api.route import (
    CSV,
    JSON,
    JSON_OR_FORM,
    SEEN,
    Body,
    Route,
    RouteAnswer,
    ok,
    shown,
)
from node.use_cases.recall_reach import ASKED as REACH_ASKED

SEE_ALERTS = ("read", "clear", "govern", "operate")
DEAL_WITH = ("clear", "govern", "operate")
SEE_CASES = ("read", "issue", "clear", "govern")
OPERATE = ("operate",)
SEE_CLEARED = ("read", "clear")
SPEAK = ("issue", "govern", "clear")  # in the name of the participant; what it may say, the case says
SEARCH = (*supervision.ASKED, "since", "until")


SUPERVISION = (
    Route(
        "GET",
        "/supervision",
        supervision.supervision,
        "Alerts of this node, newest first, and what is new",
        shown("Alerts"),
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
        shown("Facilities"),
        SEE_ALERTS,
        query=facilities.ASKED,
    ),
    Route(
        "GET",
        "/supervision/recall-reach",
        supervision.recall_reach,
        "What a recall would reach of what this node knows, before it is signed",
        shown("RecallReach"),
        SEE_ALERTS,
        query=REACH_ASKED,
    ),
    Route(
        "GET",
        "/supervision/alerts/<alert_id>",
        supervision.alert,
        "One alert, with the records that raised it",
        shown("AlertTold"),
        SEE_ALERTS,
    ),
    Route(
        "POST",
        "/supervision/alerts/<alert_id>",
        supervision.handle,
        "Acknowledge it, open it again, give it to somebody, link it to a case, note something, hand it on",
        (*ok("Alert"), SEEN),
        DEAL_WITH,
        Body("AlertAct", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/supervision/cases",
        cases.cases,
        "Cases that this party may read, newest first",
        shown("Cases"),
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
        shown("Case"),
        SEE_CASES,
    ),
    Route(
        "POST",
        "/supervision/cases/<case_id>",
        cases.said,
        "Ask, explain, comment, give more time, withdraw, close or review",
        (*ok("Case"), SEEN),
        SPEAK,
        Body("CaseSaid", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/supervision/consignments/<consignment_id>",
        supervision.risk,
        "The lines of a consignment by the sum of named indicators",
        shown("Risk"),
        SEE_CLEARED,
    ),
    Route(
        "GET",
        "/supervision/records/<int:leaf>",
        supervision.resting,
        "What rests on a record: what was recorded since, and the open lines that are judged again with it",
        shown("Resting"),
        SEE_ALERTS,
    ),
    Route(
        "POST",
        "/supervision/looked",
        supervision.looked,
        "Whoever asks has seen what there is",
        (*ok("Looked"), SEEN),
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
    Route(
        "GET",
        "/set-requests",
        set_request_pages.listed,
        "Requests to be shown sets of passports, sent and received, newest first",
        shown("SetRequests"),
        SEE_CASES,
        query=("before", "limit"),
    ),
    Route(
        "GET",
        "/set-requests/new",
        set_request_pages.new,
        "Whom to ask for the sets that answer a row of a readiness report and are not visible here",
        shown("SetsToAskFor"),
        SEE_CLEARED,
        query=("consignment", "requirement"),
    ),
    Route(
        "POST",
        "/set-requests",
        set_request_pages.ask,
        "Ask the issuer of sets to be shown them",
        (RouteAnswer(201, "SetRequest", (JSON,), "Signed, and on its way to whom it is asked of."), SEEN),
        ("clear",),
        Body("SetRequestOrder", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/set-requests/<request_id>",
        set_request_pages.one,
        "One request, and how it was answered",
        shown("SetRequest"),
        SEE_CASES,
    ),
    Route(
        "POST",
        "/set-requests/<request_id>",
        set_request_pages.answer,
        "Hand the sets of some points over, or decline",
        (*ok("SetRequest"), SEEN),
        ("issue",),
        Body("SetRequestAnswer", JSON_OR_FORM),
    ),
)
