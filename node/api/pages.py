"""The start page and the three doors (customs, importer, manufacturer): each a short story on live data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from flask.typing import ResponseReturnValue

from node.answers import ConsignmentListed, LineRecord
from node.api.reply import page, session, words_for
from node.errors import not_found
from node.service import Service
from node.verdicts.choosing import Choice

ROWS, NEWEST = 20, 5
TO_DECIDE = ("hold", "refuse_recommended", "undecided")


class DayNumber(TypedDict):
    """One number of the day: `code` is the sentence of what it counts; where it is looked at."""

    code: str
    count: int
    path: str
    urgent: bool


def start(service: Service) -> ResponseReturnValue:
    """What this node is; for who is signed in, what waits today by what they may do, and the newest of it."""
    asks, status = session(), service.overview.status()
    held = asks.scopes if asks is not None else frozenset[str]()
    clears = "clear" in held and not {"customs", "importer", "authority"}.isdisjoint(status["roles"])
    issues = "issue" in held and "manufacturer" in status["roles"]
    takes = {"verify", "issue"} <= held and "clear" not in held and not issues
    rows = service.consignments.listing(ROWS, None) if clears else []
    told = words_for(service).passport
    return page(
        "start.html",
        status=status,
        today=[one for one in _today(service, held, rows) if one["count"]],
        consignments=rows[:NEWEST] if clears else None,
        passports=[told(row) for row in service.passports.page(NEWEST)] if issues else None,
        takes=takes,
    )


def _today(
    service: Service, held: frozenset[str], consignments: list[ConsignmentListed]
) -> Iterator[DayNumber]:
    """The numbers of who holds these scopes; what has none is left out by whoever shows them."""
    decide = sum(row.get("worst") in TO_DECIDE for row in consignments)
    judged = sum(row["state"] not in ("done", "stopped") for row in consignments)
    yield {"code": "home.decide", "count": decide, "path": "/consignments", "urgent": True}
    yield {"code": "home.judged", "count": judged, "path": "/consignments", "urgent": False}
    if held & {"issue", "clear", "govern"}:
        unrecorded = service.overview.status()["outbox"].get("outbox", 0)
        yield {"code": "home.unrecorded", "count": unrecorded, "path": "/acts", "urgent": False}
    if "issue" in held:
        asked = service.set_requests.waiting()
        yield {"code": "home.requests", "count": asked, "path": "/set-requests", "urgent": True}
    if held & {"read", "clear", "govern", "operate"}:
        alerts = service.stores.office.alerts.counts(0)
        yield {"code": "home.heavy", "count": alerts["heavy"], "path": "/supervision", "urgent": True}
        calm = alerts["open"] - alerts["heavy"]
        yield {"code": "home.alerts", "count": calm, "path": "/supervision", "urgent": False}
    if "govern" in held:
        tabled = len(service.proposing.governance.proposals()[0])
        yield {"code": "home.proposals", "count": tabled, "path": "/governance/proposals", "urgent": True}
    if "operate" in held:
        aside = len(service.operations.aside())
        yield {"code": "home.aside", "count": aside, "path": "/operations/aside", "urgent": True}
        wrong = len(service.overview.readiness().conditions)
        yield {"code": "home.conditions", "count": wrong, "path": "/status", "urgent": True}


def _require_door(service: Service, role: str) -> None:
    status = service.overview.status()
    if role not in status["roles"]:
        raise not_found(
            "no_such_door",
            "{name} is not {role} in this network: this page is elsewhere.",
            name=status["name"],
            role=role,
        )


def customs(service: Service) -> ResponseReturnValue:
    """Consignments to decide on, and how."""
    _require_door(service, "customs")
    rows = service.consignments.listing(ROWS, None)
    return page("customs.html", consignments=rows, story=_problem_line(service, rows))


def importer(service: Service) -> ResponseReturnValue:
    """What is covered before the goods arrive, and who must act."""
    _require_door(service, "importer")
    rows = service.consignments.listing(ROWS, None)
    return page("importer.html", consignments=rows)


def manufacturer(service: Service) -> ResponseReturnValue:
    """Issuing, and what became of it."""
    _require_door(service, "manufacturer")
    told = words_for(service).passport
    return page("manufacturer.html", passports=[told(row) for row in service.passports.page(ROWS)])


class Story(TypedDict):
    """Where the story of the customs page leads."""

    consignment: ConsignmentListed
    item: LineRecord | None


def _problem_line(service: Service, rows: list[ConsignmentListed]) -> Story | None:
    """A consignment with something to decide, and one of its problem lines: where the story leads."""
    for row in rows:
        if row.get("worst") in TO_DECIDE:
            found = service.consignments.show(row["id"], choice=Choice(TO_DECIDE), limit=1)
            return {"consignment": row, "item": found["items"][0] if found["items"] else None}
    return {"consignment": rows[0], "item": None} if rows else None
