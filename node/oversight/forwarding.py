"""An alert is handed to another authority: with what proves it, and without anything that one may not read.

    COSE_Sign1 by the sender's attest key over CBOR
    ["comity/forwarded/v1", network id, alert, leaf, report, text, sender, time]

`leaf`: the record that raised it, which the receiver has in its own log, and raises the alert from by itself;
`report`: of an attempt, which is no record, what its refuser signed (h'' otherwise). So nothing of the
sender is believed but its words, and no document goes along.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping

from consensus.cose import SignatureInvalid, Signer, parse_sign1, sign1
from consensus.encoding import EncodingError, Value, decode, encode, whole_numbers
from credentials.documents.canonical import b64u
from node.errors import ProblemError, bad_request, forbidden
from node.oversight.alert_kinds import ATTEMPT, CAPACITY, CASE, DATE, DUTY, LOTS, LOTS_SPENT, raised_of
from node.oversight.attempts import FROM_REFUSER_MAX, REPORT_BYTES_MAX, Attempts, Shares
from node.oversight.authorship import require_author
from node.oversight.case_rules import Officials
from node.oversight.letters import TAKEN, Letters
from node.oversight.raising import RaisedAlert, Raising, code_of, row_of
from node.storage.alerts import AlertRow
from node.storage.database import Transaction
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

TAG = "comity/forwarded/v1"
PATH = "alerts"
BYTES_MAX = REPORT_BYTES_MAX + 8_000
TEXT_CHARS_MAX = 500
FORWARDED = "forwarded"  # why this node is told


class Forwarding:
    """Hands alerts on, and takes in those that others hand on; any thread."""

    def __init__(
        self,
        *,
        network_id: bytes,
        signer: Signer,
        office: OfficeStore,
        ledger: LedgerStore,
        gathering: Gathering,
        letters: Letters,
        attempts: Attempts,
    ) -> None:
        self._network_id, self._signer = network_id, signer
        self._office, self._ledger = office, ledger
        self._history, self._did = gathering.history, gathering.did
        self._letters, self._attempts = letters, attempts
        self._raising = Raising(ledger, gathering.history)
        self._shares, self._lock = Shares(FROM_REFUSER_MAX), threading.Lock()

    def authorities(self) -> dict[str, str]:
        """{DID: name} of the authorities to whom an alert may be handed on."""
        governance = self._history.latest
        sides = Officials.of(governance, int(time.time())).sides
        return {did: governance.participants[did].name for did in sorted(sides) if did != self._did}

    # -- here ------------------------------------------------------------------------------------------

    def forward(self, row: AlertRow, to: str, text: str, who: str) -> None:
        """Hand it on, once for each text; 400, 403."""
        now = int(time.time())
        if to not in self.authorities():
            raise forbidden("not_an_authority", "an alert is handed to another authority of this network")
        if raised_of(row.code) in (CASE, DATE, DUTY, CAPACITY, LOTS, LOTS_SPENT):
            raise bad_request(
                "not_handed_on", "cases, dates and sums are told to whom they concern by themselves"
            )
        numbers = [leaf for leaf, _ in self._office.alerts.leaves_of(row.number)]
        reports = self._office.attempts.these(numbers) if raised_of(row.code) == ATTEMPT else []
        report = reports[0].report if reports else b""
        said: list[Value] = [TAG, self._network_id, row.id, 0 if report else row.last_leaf, report, text]
        data = sign1({}, encode([*said, self._did, now]), self._signer)
        with self._office.writing() as db:
            self._letters.put(db, PATH, data, [to])
            self._office.audit.put(db, now, who, "alert.forward", f"{b64u(row.id)}: {to}")
        self._letters.wake()

    # -- there -----------------------------------------------------------------------------------------

    def take(self, sender: str, content: bytes) -> bytes:
        """An alert of another authority, raised here from the own log; 400, 403, 503 while that is behind."""
        alert, leaf, report, text = self._read(sender, content)
        with self._lock:
            if not self._shares.take(sender):
                raise bad_request("quota", "too many alerts of one authority in an hour; send them later")
        party = self._history.latest.participant(sender)
        more = {"forwarded_by": party.name if party is not None else sender, "forwarded_text": text}
        told = self._attempts.read(report) if report else None
        if told is None:
            raised = self._of_leaf(alert, leaf)
        else:
            raised = self._attempts.raised_by(told, 0) if self._attempts.counts(told) else None
        if raised is None or raised.id != alert:
            raise bad_request("malformed", "the record that is named raises no such alert here")
        at = self._ledger.block_times([raised.height]).get(raised.height, int(time.time()))
        with self._office.writing() as db:
            if told is not None:
                self._attempts.store(db, told, report)
            self._keep(db, raised, more, at)
        return TAKEN

    def _of_leaf(self, alert: bytes, leaf: int) -> RaisedAlert | None:
        if leaf >= self._ledger.log_size():
            raise ProblemError(503, "behind", "Not yet", "this node has not that record yet; send it later")
        with self._ledger.reading():
            found = self._raising.of(self._ledger.leaves.these([leaf]))
        return next((one for one in found if one.id == alert), None)

    def _keep(self, db: Transaction, raised: RaisedAlert, more: Mapping[str, object], at: int) -> None:
        row = row_of(raised, code_of(self._office, raised), at, [FORWARDED], more=more)
        known = self._office.alerts.get(raised.id)
        if known is None:
            self._office.alerts.put(db, row)
        else:
            parameters = json.dumps({**json.loads(known.parameters), **more}, ensure_ascii=False)
            because = ",".join(dict.fromkeys([*known.because.split(","), FORWARDED]))
            self._office.alerts.told_more(db, raised.id, parameters, because)

    def _read(self, sender: str, content: bytes) -> tuple[bytes, int, bytes, str]:
        governance, now = self._history.latest, int(time.time())
        try:
            message = parse_sign1(content, size_bytes_max=BYTES_MAX)
            match decode(message.payload, size_bytes_max=BYTES_MAX):
                case [tag, network, bytes() as alert, leaf, bytes() as report, str() as text, author, at] if [
                    tag,
                    network,
                    author,
                ] == [TAG, self._network_id, sender] and whole_numbers(leaf, at):
                    pass
                case _:
                    raise _strange()
            require_author(message, sender, at, governance)
        except (EncodingError, SignatureInvalid) as error:
            raise _strange() from error
        if sender not in Officials.of(governance, now).sides or len(text) > TEXT_CHARS_MAX:
            raise forbidden("not_an_authority", "alerts are handed on by authorities")
        return alert, leaf, report, text


def _strange() -> ProblemError:
    return bad_request("malformed", "that is no alert that its sender signed in this network")
