"""Cases as they are read and written at this node: both sides of each side by side, and what may be said."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TypedDict

from credentials.documents.canonical import b64u, b64u_decode
from credentials.errors import CredentialError
from credentials.ledger.governance import Governance
from node.errors import bad_request, forbidden, not_found
from node.oversight.case_rules import Officials, concerned, may_act, stands
from node.oversight.case_statements import (
    DAYS_MAX,
    LEAVES_NAMED_MAX,
    OPENED,
    OUTCOMES,
    REVIEWED,
    REVIEWS,
    About,
    CaseStatement,
)
from node.oversight.cases import Cases
from node.storage.cases import CaseRow
from node.storage.office import OfficeStore

DAYS = 30
ALERTS_SHOWN_MAX = 50
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")


class CaseListed(TypedDict):
    """A case in codes; times in seconds. `state`: open, asked, explained, closed, ran_out."""

    id: str
    side: str
    opener: str
    opener_name: str | None
    accused: str
    accused_name: str | None
    battery: str
    opened_at: int
    due_until: int
    state: str
    outcome: str  # founded | unfounded | groundless | withdrawn; "" while nobody closed it
    ended_at: int | None


class CasesAnswer(TypedDict):
    """A page of cases, the newest first; `share`: how many more this party may open now."""

    cases: list[CaseListed]
    counts: dict[str, int]
    share: int
    sides: list[str]
    before: int | None


class StatementShown(TypedDict):
    """One statement. `part`: opener, accused, authority of the deciding side, or other_authority.

    `told`: of one that was said or handed on here, how many others took it, wait for it, never did.
    """

    digest: str
    act: str
    author: str
    author_name: str | None
    part: str
    at: int
    text: str
    leaves: list[int]
    whom: str
    days: int
    outcome: str
    closing: str
    told: dict[str, int]
    signed: str  # base64url: as its author signed it


class CaseAlert(TypedDict):
    """An alert of this node that is linked to the case."""

    id: str
    code: str
    time: int


class CaseAnswer(CaseListed):
    """A case with all that was said in it; `may`: what this party may say now, `readers`: who reads it."""

    due_days_max: int
    statements: list[StatementShown]
    may: list[str]
    readers: list[str]
    alerts: list[CaseAlert]


class CaseDesk:
    """Reads and writes cases for people; any thread."""

    def __init__(self, office: OfficeStore, cases: Cases) -> None:
        self._office, self._cases = office, cases
        self._history = cases.history

    def page(self, asked: dict[str, str], limit: int, before: int | None = None) -> CasesAnswer:
        """The newest that are asked for, by state, party or side."""
        now, governance = int(time.time()), self._history.latest
        rows = self._office.cases.page(asked, limit, before)
        return {
            "cases": [self._listed(row, governance, now) for row in rows],
            "counts": self._office.cases.counts(),
            "share": self._cases.share(self._cases.did, now),
            "sides": sorted(set(Officials.of(governance, now).sides.values())),
            "before": rows[-1].number if len(rows) == limit else None,
        }

    def one(self, case: str) -> CaseAnswer:
        """A case with what was said in it; 404."""
        row, said = self._cases.read(_id(case))
        now, governance = int(time.time()), self._history.latest
        officials, opening = Officials.of(governance, now), said[0]
        readers = (governance.participant(did) for did in concerned(opening, officials, governance))
        linked = self._office.alerts.linked(b64u(row.id), ALERTS_SHOWN_MAX)
        return {
            **self._listed(row, governance, now),
            "due_days_max": DAYS_MAX,
            "statements": [self._shown(one, opening, officials, governance) for one in said],
            "may": list(may_act(opening, said, officials, self._cases.did, now)),
            "readers": sorted(party.name for party in readers if party is not None),
            "alerts": [{"id": b64u(one.id), "code": one.code, "time": one.at} for one in linked],
        }

    def has(self, case: str) -> bool:
        """True if this node has a case with this id."""
        return _DIGEST.fullmatch(case) is not None and self._office.cases.get(_id(case)) is not None

    def open(self, order: Mapping[str, object], who: str) -> str:
        """Open one; its id. `alert`: one of this node's, which is linked to it. 400, 403, 404."""
        governance, accused = self._history.latest, str(order.get("accused", "")).strip()
        party = governance.participant(accused)
        if party is None:
            raise bad_request("bad_argument", "a case is opened against another participant of this network")
        side = str(order.get("side", "")).strip() or party.jurisdiction
        about = About(
            side=side,
            accused=accused,
            battery=str(order.get("battery", "")).strip(),
            days=_days(order.get("days") or DAYS),
            leaves=_leaves(order.get("leaves") or ()),
        )
        alert = str(order.get("alert", ""))
        linked = b64u_decode(alert) if _DIGEST.fullmatch(alert) else b""
        made = self._cases.say(b"", OPENED, str(order.get("text", "")), about, who, alert=linked)
        return b64u(made.case)

    def say(self, case: str, order: Mapping[str, object], who: str) -> None:
        """Say something in it, as far as this party may now. 400, 403, 404."""
        act, text = str(order.get("act", "")), str(order.get("text", "")).strip()
        _, said = self._cases.read(_id(case))
        now = int(time.time())
        officials, opening = Officials.of(self._history.latest, now), said[0]
        if act not in may_act(opening, said, officials, self._cases.did, now):
            raise forbidden("not_yours_to_say", "this party may not say `{act}` in this case", act=act[:40])
        if not text:
            raise bad_request("bad_argument", "say why, in a sentence")
        outcome = str(order.get("outcome", ""))
        if act in ("closed", REVIEWED) and outcome not in (REVIEWS if act == REVIEWED else OUTCOMES):
            outcomes = REVIEWS if act == REVIEWED else OUTCOMES
            raise bad_request("bad_argument", "`outcome` must be one of {outcomes}.", outcomes=outcomes)
        about = About(
            whom=str(order.get("whom", "")),
            days=_days(order.get("days") or DAYS),
            outcome=outcome,
            closing=stands(opening, said).closing,
        )
        self._cases.say(opening.case, act, text, about, who)

    def _name(self, did: str, governance: Governance) -> str | None:
        party = governance.participant(did)
        return party.name if party is not None else None

    def _listed(self, row: CaseRow, governance: Governance, now: int) -> CaseListed:
        ran_out = row.ended_at is None and now >= row.due_until
        return {
            "id": b64u(row.id),
            "side": row.side,
            "opener": row.opener,
            "opener_name": self._name(row.opener, governance),
            "accused": row.accused,
            "accused_name": self._name(row.accused, governance),
            "battery": row.battery,
            "opened_at": row.opened_at,
            "due_until": row.due_until,
            "state": "ran_out" if ran_out else row.state,
            "outcome": row.outcome,
            "ended_at": row.ended_at,
        }

    def _shown(
        self, one: CaseStatement, opening: CaseStatement, officials: Officials, governance: Governance
    ) -> StatementShown:
        letters = [row.state for row in self._office.letters.of([one.digest])]
        authority = "authority" if officials.decides(one.author, opening.side) else "other_authority"
        parts = {opening.author: "opener", opening.accused: "accused"}
        return {
            "digest": b64u(one.digest),
            "act": one.act,
            "author": one.author,
            "author_name": self._name(one.author, governance),
            "part": parts.get(one.author, authority),
            "at": one.at,
            "text": one.text,
            "leaves": list(one.leaves),
            "whom": one.whom,
            "days": one.days,
            "outcome": one.outcome,
            "closing": b64u(one.closing) if one.closing else "",
            "told": {state: letters.count(state) for state in sorted(set(letters))},
            "signed": b64u(one.data),
        }


def _id(case: str) -> bytes:
    try:
        return b64u_decode(case) if _DIGEST.fullmatch(case) else b""
    except CredentialError as error:
        raise not_found("case_not_found", "No case of this node has this id.") from error


def _days(said: object) -> int:
    text = str(said).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= DAYS_MAX):
        raise bad_request("bad_argument", "`days` must be a whole number from 1 to {most}.", most=DAYS_MAX)
    return int(text)


def _leaves(said: object) -> tuple[int, ...]:
    parts = re.split(r"[\s,;]+", said.strip()) if isinstance(said, str) else list(said)  # type: ignore[call-overload]
    texts = [str(one) for one in parts if str(one)]
    if len(texts) > LEAVES_NAMED_MAX or any(not re.fullmatch(r"[0-9]{1,15}", one) for one in texts):
        raise bad_request(
            "bad_argument", "`leaves` are numbers of records, at most {most}.", most=LEAVES_NAMED_MAX
        )
    return tuple(dict.fromkeys(int(one) for one in texts))
