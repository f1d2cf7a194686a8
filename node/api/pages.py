"""The start page and the three doors (customs, importer, manufacturer): each a short story on live data."""

from __future__ import annotations

from typing import TypedDict

from flask.typing import ResponseReturnValue

from node.answers import ConsignmentListed, LineRecord
from node.api.reply import page
from node.errors import not_found
from node.service import Service
from node.verdicts.choosing import Choice

ROWS = 20


def start(service: Service) -> ResponseReturnValue:
    """What this node is, and what one does here."""
    return page("start.html", status=service.overview.status())


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
    return page("manufacturer.html", passports=service.passports.page(ROWS))


class Story(TypedDict):
    """Where the story of the customs page leads."""

    consignment: ConsignmentListed
    item: LineRecord | None


def _problem_line(service: Service, rows: list[ConsignmentListed]) -> Story | None:
    """A consignment with something to decide, and one of its problem lines: where the story leads."""
    for row in rows:
        if row.get("worst") in ("hold", "refuse_recommended", "undecided"):
            found = service.consignments.show(
                row["id"], choice=Choice(("hold", "refuse_recommended", "undecided")), limit=1
            )
            return {"consignment": row, "item": found["items"][0] if found["items"] else None}
    return {"consignment": rows[0], "item": None} if rows else None
