"""The operator's desk: work that was set aside, and who did what."""

from __future__ import annotations

import time
from typing import TypedDict

from node.errors import not_found
from node.issuing.outbox import Outbox
from node.ledger.engine import Engine
from node.storage.office import OfficeStore
from node.verdicts.judging import Judging

ASIDE_MAX = 500


class AsideAnswer(TypedDict):
    """One piece of work that failed and is not tried again by itself."""

    number: int
    what: str  # attestation | line | consignment
    ref: str  # a digest; consignment/line; a consignment
    because: str
    at: int
    tries: int


class InputAnswer(TypedDict):
    """One message or other input that failed unforeseen: it is gone, and its sender may send it again."""

    what: str
    sender: str
    because: str
    at: int


class AuditAnswer(TypedDict):
    """Who did what, when; `account`: of that person, by its id, "" where it was a key, a link or nobody."""

    number: int
    at: int
    who: str
    did: str
    about: str
    account: str


class OperationsDesk:
    """What only the operator sees and decides."""

    def __init__(self, office: OfficeStore, outbox: Outbox, judging: Judging, engine: Engine) -> None:
        self._office = office
        self._engine = engine
        self._wake = (outbox.wake, judging.wake)

    def aside(self) -> list[AsideAnswer]:
        """What was set aside, newest first."""
        return [
            {
                "number": row.number,
                "what": row.what,
                "ref": row.ref,
                "because": row.because,
                "at": row.at,
                "tries": row.tries,
            }
            for row in self._office.aside.page(ASIDE_MAX)
        ]

    def inputs(self) -> list[InputAnswer]:
        """The newest inputs that the engine set aside."""
        return [
            {"what": item.what, "sender": item.sender, "because": item.because, "at": item.since}
            for item in reversed(self._engine.condition().set_aside)
        ]

    def try_again(self, number: int, who: str) -> AsideAnswer:
        """Have one piece of work tried once more; 404 `nothing_aside`."""
        row = self._office.aside.get(number)
        if row is None:
            raise not_found("nothing_aside", "nothing is set aside under the number {number}", number=number)
        with self._office.writing() as db:
            self._office.aside.try_again(db, number)
            self._office.audit.put(db, int(time.time()), who, "aside.tried_again", f"{row.what} {row.ref}")
        for wake in self._wake:
            wake()
        return {
            "number": number,
            "what": row.what,
            "ref": row.ref,
            "because": row.because,
            "at": row.at,
            "tries": row.tries,
        }

    def audit(self, limit: int, before: int | None, who: str = "") -> list[AuditAnswer]:
        """Acts at this node, newest first; `who`: of this name alone."""
        return [
            {
                "number": row.number,
                "at": row.at,
                "who": row.who,
                "did": row.did,
                "about": row.about,
                "account": row.account,
            }
            for row in self._office.audit.page(limit, before, who)
        ]

    def author(self, digest: bytes) -> str:
        """Who of this participant made a signed statement of its; "" where that was not written down."""
        row = self._office.audit.of_statement(digest)
        return "" if row is None else row.who
