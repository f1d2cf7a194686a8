"""Cases: opened, asked, explained and decided among those whom they concern, each statement signed.

    a person says something -> signed, on disk -> the others whom it concerns, over the peers' channel
    -> there: signature, right to speak and share are asked; kept once, an alert

An authority of the deciding side hands every statement on to all whom it concerns, so that neither party can
keep one from the other. The state follows from the statements, whatever their order (`case_rules.py`).
"""

from __future__ import annotations

import threading
import time

from consensus.cose import Signer
from credentials.documents.canonical import b64u
from credentials.ledger.governance import Governance
from node import log
from node.errors import bad_request, forbidden, not_found
from node.oversight.alert_kinds import AUTHOR, AUTHORITY, CASE, kind_of
from node.oversight.authorship import of_these_days
from node.oversight.case_rules import (
    CaseStands,
    Officials,
    concerned,
    require_may_open,
    require_may_say,
    share_of,
    stands,
)
from node.oversight.case_statements import OPENED, About, CaseStatement, make_statement, read_statement
from node.oversight.letters import TAKEN, Letters
from node.oversight.raising import RaisedAlert, hands, row_of
from node.storage.cases import STATEMENTS_MAX, CaseRow, StatementRow
from node.storage.database import Transaction
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

PATH = "cases"


class Cases:
    """What this party says in cases, and the door by which others' statements come in; any thread."""

    def __init__(
        self,
        *,
        network_id: bytes,
        signer: Signer,
        office: OfficeStore,
        ledger: LedgerStore,
        gathering: Gathering,
        letters: Letters,
    ) -> None:
        self._network_id, self._signer = network_id, signer
        self._office, self._ledger, self._gathering = office, ledger, gathering
        self.history, self.did = gathering.history, gathering.did
        self._letters, self._lock = letters, threading.Lock()

    # -- said here -------------------------------------------------------------------------------------

    def say(
        self, case: bytes, act: str, text: str, about: About, who: str, *, alert: bytes = b""
    ) -> CaseStatement:
        """Sign it, keep it, and have it sent; `case` is empty for the one that opens one. 400, 403, 404.

        `alert`: the id of one of this node that is linked to the case.
        """
        now = int(time.time())
        data = make_statement(
            self._network_id, case, act, text.strip(), about, author=self.did, at=now, signer=self._signer
        )
        made = read_statement(data, self._network_id, self.history.latest)
        with self._lock:
            self._keep(made, now, who, alert)
        self._letters.wake()
        return made

    # -- said elsewhere --------------------------------------------------------------------------------

    def take(self, _sender: str, content: bytes) -> bytes:
        """A statement, from whoever has it: its author's signature says whose it is. 400, 403, 404."""
        said, now = read_statement(content, self._network_id, self.history.latest), int(time.time())
        if not of_these_days(said.at, now):
            raise bad_request("malformed", "the time of that statement is not of these days")
        with self._lock:
            self._keep(said, now, None)
        self._letters.wake()
        return TAKEN

    # -- read ------------------------------------------------------------------------------------------

    def read(self, case_id: bytes) -> tuple[CaseRow, list[CaseStatement]]:
        """A case with all that was said in it, as it came to be known here; 404."""
        row = self._office.cases.get(case_id)
        if row is None:
            raise not_found("case_not_found", "No case of this node has this id.")
        governance, rows = self.history.latest, self._office.cases.statements(case_id)
        said = [read_statement(one.data, self._network_id, governance, kept=True) for one in rows]
        return row, said

    def share(self, did: str, now: int) -> int:
        """How many more cases a party may open now."""
        rows = self._office.cases.of_opener(did)
        opened = [(row.ended_at is None and now < row.due_until, row.outcome, row.ended_at) for row in rows]
        return share_of(opened, now, official=did in Officials.of(self.history.latest, now).sides)

    # -- kept ------------------------------------------------------------------------------------------

    def _keep(self, one: CaseStatement, now: int, who: str | None, alert: bytes = b"") -> None:
        """Keep what may be said, once, with its alert and its letters, in one transaction."""
        governance = self.history.latest
        officials = Officials.of(governance, now)
        if one.act == OPENED:
            if self._office.cases.get(one.case) is not None:
                return
            self._require_grounds(one, officials, governance, now)
            opening, said = one, [one]
        else:
            _, known = self.read(one.case)
            if any(other.digest == one.digest for other in known):
                return
            if len(known) >= STATEMENTS_MAX:
                raise forbidden("quota", "enough was said in this case: open another one")
            opening, said = known[0], [*known, one]
            require_may_say(opening, one, known, officials)
        told = concerned(opening, officials, governance)
        if self.did not in told:
            raise forbidden("not_concerned", "that case concerns nobody here")
        row = self._row(opening, stands(opening, said), now)
        with self._office.writing() as db:
            number = self._office.cases.say(
                db, StatementRow(0, one.case, one.digest, one.author, one.act, one.at, one.data)
            )
            self._office.cases.put(db, row)
            if who is not None or officials.decides(self.did, opening.side):
                self._letters.put(db, PATH, one.data, told - {self.did, one.author})
            if alert:
                self._office.alerts.link(db, alert, b64u(one.case))
            if who is not None:
                self._office.audit.put(db, now, who, f"case.{one.act}", b64u(one.case))
            elif number is not None:
                self._alert(db, number, one, opening, officials)
        log.moment("case", case=b64u(one.case), act=one.act, party=one.author)

    def _require_grounds(
        self, one: CaseStatement, officials: Officials, governance: Governance, now: int
    ) -> None:
        """403 unless this party may open such a case: it has a hand in the battery, grounds and a share."""
        require_may_open(one, officials, governance)
        key = self._gathering.key_of(one.battery) if one.battery else None
        if one.battery and key is None:
            raise bad_request("battery_unread", "The battery's code cannot be read.")
        if one.author not in officials.sides:
            if key is None or one.author not in hands(self._ledger, self.history, key)[0]:
                raise forbidden("not_in_the_chain", "who has no record of a battery opens no case about it")
            rows = self._ledger.leaves.these(one.leaves)
            if not rows or any(row.subject != key for row in rows) or len(rows) != len(set(one.leaves)):
                raise forbidden("no_grounds", "name the records of that battery on which the case rests")
        if not one.text:
            raise bad_request("no_grounds", "say on what grounds the case is opened")
        if self.share(one.author, now) < 1:
            raise forbidden("quota", "this party has as many cases open as one party may have")
        same = self._office.cases.about(key) if key is not None else []
        if any(
            (row.opener, row.accused) == (one.author, one.accused) and row.ended_at is None
            for row in same
            if now < row.due_until
        ):
            raise forbidden("case_open", "a case of the same parties about this battery is open already")

    def _row(self, opening: CaseStatement, how: CaseStands, now: int) -> CaseRow:
        return CaseRow(
            number=0,
            id=opening.case,
            side=opening.side,
            opener=opening.author,
            accused=opening.accused,
            subject=self._gathering.key_of(opening.battery) if opening.battery else None,
            battery=opening.battery,
            opened_at=opening.at,
            due_until=how.due_until,
            state=how.state,
            outcome=how.outcome,
            ended_at=how.ended_at,
            changed=now,
        )

    def _alert(
        self, db: Transaction, number: int, one: CaseStatement, opening: CaseStatement, officials: Officials
    ) -> None:
        """Tell the people here. It is about no battery: an accusation raises no risk of anybody's goods."""
        kind = kind_of(CASE, (one.act,))
        if kind is None:
            return
        raised = RaisedAlert(
            kind,
            number,
            self.history.height,
            one.author,
            sides=frozenset({opening.side}),
            case=one.case,
        )
        because = [AUTHORITY] if self.did in officials.sides else []
        because += [AUTHOR] if self.did in (opening.author, opening.accused) else []
        accused = self.history.latest.participant(opening.accused)
        more = {"accused": accused.name if accused is not None else opening.accused, "act": one.act}
        row = row_of(raised, opening.battery or None, one.at, because, more=more)
        self._office.alerts.put(db, row)
        self._office.alerts.link(db, raised.id, b64u(one.case))
