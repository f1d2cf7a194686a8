"""Requests to be shown sets, as people read and write them: by whom, for which batteries, how each stands."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TypedDict

from credentials.documents.canonical import b64u, b64u_decode
from credentials.errors import CredentialError
from node.errors import not_found
from node.oversight.request_statements import SETS_MAX
from node.oversight.set_requests import OPEN, WAITS_S, SetRequests, SetsAsked, state_of
from node.storage.office import OfficeStore
from node.storage.requested_sets import RequestedRow
from node.verdicts.reports import Reports, UnseenSet

BATTERIES_SHOWN_MAX = 100
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")


class RequestListed(TypedDict):
    """A request in codes; times in seconds. `state`: open | given | declined | ran_out."""

    id: str
    ours: bool
    asker: str
    asker_name: str | None
    asked: str
    asked_name: str | None
    ground: str
    at: int
    due_until: int
    state: str
    answered_at: int | None
    sets: int
    consignment: str
    requirement: str


class RequestsAnswer(TypedDict):
    """A page of requests, the newest first; `waiting`: how many wait for this party's answer."""

    requests: list[RequestListed]
    waiting: int
    before: int | None


class AskedBattery(TypedDict):
    """One battery with the points of Annex XIII that are asked for."""

    line: int
    battery: str
    points: list[int]


class RequestAnswer(RequestListed):
    """A request with what is asked and answered; `letter`: waits, sent or given_up, of what was said here."""

    text: str
    answer_text: str
    batteries: list[AskedBattery]
    batteries_total: int
    points: list[int]
    unknown: int  # sets asked for that this node has no record of having issued
    roles: list[str]
    jurisdiction: str | None
    letter: str
    may_answer: bool
    signed: list[str]  # base64url: as the authors signed it


class AskedOf(TypedDict):
    """A party that issued sets which answer a row and are not visible here."""

    did: str
    name: str | None
    sets: int
    batteries: int
    points: list[int]


class SetsToAskFor(TypedDict):
    """Whom to ask for what answers a row and is not visible here."""

    parties: list[AskedOf]


class RequestDesk:
    """Reads and writes requests for people; any thread."""

    def __init__(self, office: OfficeStore, requests: SetRequests, reports: Reports) -> None:
        self._office, self._requests, self._reports = office, requests, reports

    def page(self, limit: int, before: int | None = None) -> RequestsAnswer:
        """The newest that this party sent or was sent."""
        rows = self._office.requested.page(limit, before)
        return {
            "requests": [self._listed(row) for row in rows],
            "waiting": self.waiting(),
            "before": rows[-1].number if len(rows) == limit else None,
        }

    def waiting(self) -> int:
        """How many wait for this party's answer."""
        return self._office.requested.waiting(self._requests.did, int(time.time()) - WAITS_S)

    def one(self, request: str) -> RequestAnswer:
        """One request; 404."""
        row = self._office.requested.get(_id(request))
        if row is None:
            raise not_found("request_not_found", "No request to this party has this id.")
        listed = self._listed(row)
        batteries = _batteries(json.loads(row.about))
        party = self._requests.history.latest.participant(row.asker)
        said = [data for data in (row.data, row.answer) if data is not None]
        own = row.data if listed["ours"] else row.answer
        letters = self._office.letters.of([sha256(own).digest()]) if own is not None else []
        return {
            **listed,
            "text": row.why,
            "answer_text": row.answer_text,
            "batteries": batteries[:BATTERIES_SHOWN_MAX],
            "batteries_total": len(batteries),
            "points": sorted({point for one in batteries for point in one["points"]}),
            "unknown": sum(not point for _, _, point in json.loads(row.about)),
            "roles": sorted(party.roles) if party is not None else [],
            "jurisdiction": party.jurisdiction if party is not None else None,
            "letter": letters[0].state if letters else "",
            "may_answer": not listed["ours"] and row.state == "open",
            "signed": [b64u(data) for data in said],
        }

    def of_consignment(self, consignment: str) -> dict[str, list[RequestListed]]:
        """What was asked from the rows of its report, by requirement, the oldest first."""
        found: dict[str, list[RequestListed]] = {}
        for row in self._office.requested.of_consignment(consignment):
            found.setdefault(row.requirement, []).append(self._listed(row))
        return found

    def may_ask(self, consignment: str, requirement: str) -> list[AskedOf]:
        """Whom to ask for what answers a row and is not visible here, with how much of it there is."""
        found: dict[str, list[UnseenSet]] = {}
        for one in self._reports.unseen(consignment, requirement):
            found.setdefault(one.issuer, []).append(one)
        found = {did: left for did, sets in found.items() if (left := self._not_asked(did, sets))}
        return [
            {
                "did": did,
                "name": self._name(did),
                "sets": len(sets),
                "batteries": len({one.battery for one in sets}),
                "points": sorted({one.point for one in sets}),
            }
            for did, sets in sorted(found.items())
        ]

    def wanted(self, requirement: str) -> str:
        """What a row of the report asks for, as its table says it; "" where there is none of this id."""
        return self._reports.wanted(requirement)

    def ask(self, order: Mapping[str, str], who: str) -> str:
        """Ask; the request's id. 400, 403, 404."""
        asking = SetsAsked(**{name: order.get(name, "") for name in SetsAsked.__slots__})
        unseen = self._reports.unseen(asking.consignment, asking.requirement)
        sets = self._not_asked(asking.whom, [one for one in unseen if one.issuer == asking.whom])
        return b64u(self._requests.ask(asking, sets, who).id)

    def answer(self, request: str, act: str, text: str, points: Iterable[int], who: str) -> None:
        """Hand over the sets of these points, or decline. 400, 403, 404."""
        self._requests.answer(_id(request), act, text, list(points), who)

    def _not_asked(self, did: str, sets: list[UnseenSet]) -> list[UnseenSet]:
        """Those that stand in no request that waits, as many as one request names."""
        now, pair = int(time.time()), self._office.requested.of_pair(self._requests.did, did)
        asked = {digest for row in pair if state_of(row, now) == OPEN for digest in row.digests}
        return [one for one in sets if one.digest not in asked][:SETS_MAX]

    def _name(self, did: str) -> str | None:
        party = self._requests.history.latest.participant(did)
        return party.name if party is not None else None

    def _listed(self, row: RequestedRow) -> RequestListed:
        return {
            "id": b64u(row.id),
            "ours": row.asker == self._requests.did,
            "asker": row.asker,
            "asker_name": self._name(row.asker),
            "asked": row.asked,
            "asked_name": self._name(row.asked),
            "ground": row.ground,
            "at": row.at,
            "due_until": row.at + WAITS_S,
            "state": state_of(row, int(time.time())),
            "answered_at": row.answered_at,
            "sets": len(row.digests),
            "consignment": row.consignment,
            "requirement": row.requirement,
        }


def _batteries(about: Iterable[tuple[int, str, int]]) -> list[AskedBattery]:
    found: dict[tuple[int, str], list[int]] = {}
    for line, battery, point in about:
        if point:
            found.setdefault((line, battery), []).append(point)
    return [{"line": line, "battery": code, "points": sorted(set(p))} for (line, code), p in found.items()]


def _id(request: str) -> bytes:
    try:
        return b64u_decode(request) if _DIGEST.fullmatch(request) else b""
    except CredentialError as error:
        raise not_found("request_not_found", "No request to this party has this id.") from error
