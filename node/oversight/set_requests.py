"""Requests to be shown sets that were issued and are not visible here: asked, answered, handed over.

    importer: a row of the readiness report -> signed, on disk -> the maker's node, as a letter
    maker:    a person hands sets over or declines, with a reason -> signed, on disk -> the importer's node
    importer: the next report asks the maker's node for those sets, as for any document, and reads them

What is handed over is shown to that one party, and read by its reports alone: verdicts, files and pages for
others go by the access table as before (decision 0705).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from consensus.cose import Signer
from consensus.encoding import Value
from credentials.documents.canonical import b64u
from node import log
from node.errors import bad_request, forbidden, not_found
from node.oversight.authorship import of_these_days
from node.oversight.letters import TAKEN, Letters
from node.oversight.request_statements import (
    ANSWERS,
    ASKED,
    GIVEN,
    GROUNDS,
    SetRequest,
    make_request,
    read_request,
)
from node.storage.database import Transaction
from node.storage.office import OfficeStore
from node.storage.requested_sets import RequestedRow
from node.verdicts.reports import UnseenSet
from node.verdicts.sources import Gathering

PATH = "set-requests"
WAITS_S = 30 * 86_400  # what nobody answered by then ran out, and may be asked again
OPEN_OF_PAIR_MAX = 20
OPEN, RAN_OUT = "open", "ran_out"


@dataclass(frozen=True, slots=True)
class SetsAsked:
    """What somebody asks of a maker, from a row of a report."""

    whom: str
    ground: str
    text: str
    consignment: str
    requirement: str


def state_of(row: RequestedRow, now: int) -> str:
    """open, given, declined, or ran_out: nobody answered in time."""
    return RAN_OUT if row.state == OPEN and now >= row.at + WAITS_S else row.state


class SetRequests:
    """What this party asks and answers, and the door by which others' statements come in; any thread."""

    def __init__(
        self,
        network_id: bytes,
        signer: Signer,
        office: OfficeStore,
        gathering: Gathering,
        *,
        letters: Letters,
    ) -> None:
        self._network_id, self._signer = network_id, signer
        self._office, self._letters = office, letters
        self.history, self.did = gathering.history, gathering.did
        self._fetching = gathering.fetching
        self._lock = threading.Lock()

    # -- said here -------------------------------------------------------------------------------------

    def ask(self, asking: SetsAsked, sets: Sequence[UnseenSet], who: str) -> RequestedRow:
        """Ask the issuer of these sets to be shown them. 400, 403."""
        now = int(time.time())
        party = self.history.latest.participant(asking.whom)
        if party is None or not party.takes_part(now) or asking.whom == self.did:
            raise bad_request("bad_argument", "sets are asked for of another participant of this network")
        if asking.ground not in GROUNDS:
            raise bad_request("bad_argument", "`ground` must be one of {grounds}.", grounds=GROUNDS)
        if not asking.text.strip():
            raise bad_request("bad_argument", "say what the sets are needed for, in a sentence")
        if not sets:
            raise bad_request(
                "nothing_to_ask",
                "that party has nothing for this requirement that is neither shown to you nor requested "
                "already",
            )
        about: list[Value] = [asking.whom, asking.ground, [one.digest for one in sets]]
        made = self._made(ASKED, b"", asking.text, about, now)
        row = self._row(made, [[one.line, one.battery, one.point] for one in sets], asking)
        with self._lock:
            self._require_share(self._office.requested.of_pair(self.did, asking.whom), now)
            with self._office.writing() as db:
                self._office.requested.put(db, row)
                self._letters.put(db, PATH, made.data, [asking.whom])
                self._office.audit.put(db, now, who, "sets.ask", f"{b64u(made.request)}: {asking.whom}")
        self._letters.wake()
        return row

    def answer(self, request: bytes, act: str, text: str, points: Sequence[int], who: str) -> None:
        """Hand over those of the sets that are of these points of Annex XIII, or decline. 400, 403, 404."""
        now, text = int(time.time()), text.strip()
        if act not in ANSWERS:
            raise bad_request("bad_argument", "`act` must be one of {acts}.", acts=ANSWERS)
        if not text:
            raise bad_request("bad_argument", "say why, in a sentence")
        with self._lock:
            row = self._office.requested.get(request)
            if row is None or row.asked != self.did:
                raise not_found("request_not_found", "No request to this party has this id.")
            if row.state != OPEN:
                raise forbidden("request_answered", "this request was answered already")
            about: list[Value] = []
            sets = [
                d
                for d, (_, _, point) in zip(row.digests, json.loads(row.about), strict=True)
                if point in points
            ]
            if act == GIVEN:
                if not sets:
                    raise bad_request("bad_argument", "choose which of the sets are handed over")
                about = [list(sets)]
            made = self._made(act, request, text, about, now)
            with self._office.writing() as db:
                self._settle(db, row, made, party=row.asker, at=now)
                self._letters.put(db, PATH, made.data, [row.asker])
                self._office.audit.put(db, now, who, f"sets.{act}", f"{b64u(request)}: {row.asker}")
        self._letters.wake()

    # -- said elsewhere --------------------------------------------------------------------------------

    def take(self, sender: str, content: bytes) -> bytes:
        """A request to this party, or the answer to one of its own; 400, 403."""
        said, now = read_request(content, self._network_id, self.history.latest), int(time.time())
        if said.author != sender:
            raise bad_request("malformed", "a request for sets, or its answer, is sent by whoever signed it")
        if not of_these_days(said.at, now):
            raise bad_request("malformed", "a request for sets, or its answer, is of these days")
        with self._lock:
            if said.act == ASKED:
                self._take_request(said, now)
            else:
                self._take_answer(said, now)
        log.moment("set_request", request=b64u(said.request), act=said.act, party=sender)
        return TAKEN

    def _take_request(self, said: SetRequest, now: int) -> None:
        if said.whom != self.did:
            raise forbidden("not_concerned", "that request is to another party")
        if self._office.requested.get(said.request) is not None:
            return
        self._require_share(self._office.requested.of_pair(said.author, self.did), now)
        held = self._office.documents.get_many(said.sets)
        own = {d: one for d, one in held.items() if one.fetched_at is None and one.kind == "passport"}
        about = [[0, own[d].battery or "", own[d].point or 0] if d in own else [0, "", 0] for d in said.sets]
        if not own:
            raise bad_request("not_ours", "none of these sets was issued by this party")
        with self._office.writing() as db:
            self._office.requested.put(db, self._row(said, about, None))

    def _take_answer(self, said: SetRequest, now: int) -> None:
        row = self._office.requested.get(said.request)
        if row is None or (row.asker, row.asked) != (self.did, said.author):
            raise forbidden("not_concerned", "that answers no request of this party")
        if row.state != OPEN:
            return
        if not set(said.sets) <= set(row.digests):
            raise bad_request("malformed", "sets are handed over that were not asked for")
        with self._office.writing() as db:
            self._settle(db, row, said, party=self.did, at=now)
        self._fetching.ask_again(said.sets)

    # -- kept ------------------------------------------------------------------------------------------

    def _settle(self, db: Transaction, row: RequestedRow, said: SetRequest, *, party: str, at: int) -> None:
        """`at`: when it was answered by the clock of this node, whatever the answer says of itself."""
        self._office.requested.answered(db, row.number, said.act, text=said.text, at=at, data=said.data)
        self._office.requested.hand(db, party, said.sets, at)

    def _made(self, act: str, request: bytes, text: str, about: Sequence[Value], now: int) -> SetRequest:
        data = make_request(
            self._network_id,
            about,
            text.strip(),
            act=act,
            request=request,
            author=self.did,
            at=now,
            signer=self._signer,
        )
        return read_request(data, self._network_id, self.history.latest)

    def _row(
        self, said: SetRequest, about: Sequence[Sequence[object]], asking: SetsAsked | None
    ) -> RequestedRow:
        return RequestedRow(
            number=0,
            id=said.request,
            asker=said.author,
            asked=said.whom,
            at=said.at,
            ground=said.ground,
            why=said.text,
            sets=b"".join(said.sets),
            about=json.dumps(about, ensure_ascii=False),
            consignment=asking.consignment if asking is not None else "",
            requirement=asking.requirement if asking is not None else "",
            data=said.data,
        )

    def _require_share(self, rows: Sequence[RequestedRow], now: int) -> None:
        if sum(state_of(row, now) == OPEN for row in rows) >= OPEN_OF_PAIR_MAX:
            raise forbidden(
                "quota",
                "at most {most} requests of one party wait for another's answer",
                most=OPEN_OF_PAIR_MAX,
            )
