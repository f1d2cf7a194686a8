"""Attempts leave a trace: what this node refuses for want of a licence is told the authority of that side.

    refused (`noted.py`), or waits too long for a battery or a signature (`waiting.py`)
    -> whose signature is it? one that does not verify names nobody, and is dropped
    -> signed by the refuser, on disk -> a letter to the authorities of the signer's jurisdiction
    -> there: both signatures verified, kept once, an alert

What is told holds the refused bytes as they were signed, and no document: COSE_Sign1 by the refuser's attest
key over CBOR

    ["comity/attempt/v1", network id, refused attestation, code of the refusal, refuser, time]

Whoever sends a flood pays with its own share: so many attempts of one signer in an hour are kept and told,
further ones are counted. The refuser says what it saw, and accuses nobody of more: the authority has the
signed statement and asks its signer.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from consensus.cose import SignatureInvalid, parse_sign1, sign1, verify_sign1
from consensus.cose import Signer as CoseSigner
from consensus.encoding import EncodingError, decode, encode, whole_numbers
from credentials.errors import CredentialError
from credentials.ledger.attestation import (
    Attestation,
    parse_attestation,
    standing_key,
    verify_attestation,
)
from credentials.ledger.governance import Governance, GovernanceHistory
from node import log
from node.errors import TokenAway, bad_request
from node.oversight.alert_kinds import ATTEMPT, AUTHORITY, kind_of
from node.oversight.letters import GIVEN_UP_S, TAKEN, Letters
from node.oversight.noted import Noted
from node.oversight.raising import RaisedAlert, code_of, row_of
from node.oversight.waiting import RULES
from node.storage.alerts import AlertRow
from node.storage.database import Transaction
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.refused_attempts import AttemptRow

TAG = "comity/attempt/v1"
PATH = "attempts"
REPORT_BYTES_MAX = 20_000
CODE_CHARS_MAX = 40
PER_SIGNER_MAX, PER_SIGNER_S = 20, 3_600  # kept and told, of one signer in an hour
FROM_REFUSER_MAX = 200  # taken of one refuser in an hour
COUNTED_MAX = 10_000  # parties whose hour is remembered
REST_S = 5.0  # what is noted wakes it
SKEW_S = 600  # between two clocks


@dataclass(frozen=True, slots=True)
class ReadReport:
    """A report that was read: by whom, about what. Its signatures are verified."""

    attestation: Attestation
    code: str
    refuser: str
    at: int


class Shares:
    """So many of each name in an hour."""

    def __init__(self, most: int) -> None:
        self._most, self._hours = most, OrderedDict[str, tuple[float, int]]()
        self.beyond = 0

    def take(self, name: str) -> bool:
        """False when its hour is used up."""
        now = time.monotonic()
        begun, count = self._hours.pop(name, (now, 0))
        if now - begun >= PER_SIGNER_S:
            begun, count = now, 0
        self._hours[name] = (begun, count + 1)
        while len(self._hours) > COUNTED_MAX:
            self._hours.popitem(last=False)
        self.beyond += count >= self._most
        return count < self._most

    def give_back(self, name: str) -> None:
        """What was taken was not used."""
        begun, count = self._hours[name]
        self._hours[name] = (begun, count - 1)


class Attempts:
    """One thread that keeps what was refused, and a door that takes in what others tell."""

    name = "attempts"

    def __init__(
        self,
        *,
        network_id: bytes,
        did: str,
        history: GovernanceHistory,
        signer: CoseSigner,
        noted: Noted,
        waited_s: int,
        waits_by: Callable[[bytes, int], str],
        office: OfficeStore,
        ledger: LedgerStore,
        letters: Letters,
    ) -> None:
        self._network_id, self._did, self._history = network_id, did, history
        self._signer, self._noted, self._office, self._letters = signer, noted, office, letters
        self._ledger, self._waits_by, self._waited_s = ledger, waits_by, waited_s
        self._shares, self._refusers = Shares(PER_SIGNER_MAX), Shares(FROM_REFUSER_MAX)
        self._woken, self._lock = threading.Event(), threading.Lock()
        noted.came = self.wake

    def wake(self) -> None:
        """Something was noted, or the node stops."""
        self._woken.set()

    def turn(self) -> None:
        """Keep what was refused since, or rest for a moment."""
        if not self.keep(int(time.time())):
            self._woken.wait(REST_S)
            self._woken.clear()

    # -- at the refuser --------------------------------------------------------------------------------

    def keep(self, now: int) -> bool:
        """What was refused since the last look, or waits too long, is on disk for whoever it concerns."""
        refused = [(data, code, now) for data, code in self._noted.take()]
        waited = self._noted.waited(now - self._waited_s)
        waiting = [one for one in waited if self._waits_by(one[0], one[2]) == one[1]]
        told = [*refused, *waiting]
        for place, one in enumerate(told):
            try:
                self._keep(*one)
            except TokenAway:  # the key that signs reports is on a token: noted again, for when it is back
                for data, code, _ in told[place:]:
                    self._noted.put(data, code)
                raise
        return bool(told)

    def _keep(self, data: bytes, code: str, now: int) -> None:
        governance = self._history.latest
        attestation = signed_by_whom_it_says(data, governance)
        if attestation is None or not self._shares.take(attestation.issuer):
            return
        told = [TAG, self._network_id, data, code[:CODE_CHARS_MAX], self._did, now]
        try:
            report = sign1({}, encode(told), self._signer)
        except TokenAway:
            self._shares.give_back(attestation.issuer)
            raise
        made = ReadReport(attestation, code, self._did, now)
        to = _authorities(governance, attestation.issuer, now)
        with (
            self._office.writing() as db
        ):  # told to everybody or, where a kill comes between, still to nobody
            if self._did in to:
                self.store(db, made, report)
            self._letters.put(db, PATH, report, to - {self._did}, about=attestation.digest)
        self._letters.wake()
        log.moment("attempt", party=attestation.issuer, kind=attestation.kind, code=code)

    # -- at the authority ------------------------------------------------------------------------------

    def take(self, sender: str, content: bytes) -> bytes:
        """A report of another node: kept once, with an alert; 400 for one that proves nothing.

        Of a statement that is on the ledger nothing is kept: its licence was there, whoever says otherwise.
        """
        with self._lock:
            if not self._refusers.take(sender):
                raise bad_request("quota", "too many attempts of one refuser in an hour; send them later")
        report = self.read(content)
        if report.refuser != sender:
            raise bad_request("malformed", "a report of an attempt is sent by whoever signed it")
        if self.counts(report):
            with self._office.writing() as db:
                self.store(db, report, content)
        return TAKEN

    def counts(self, report: ReadReport) -> bool:
        """True if it is an attempt still: of such a code, not recorded since, and waiting if it did."""
        if kind_of(ATTEMPT, (report.code,)) is None or self._on_ledger(report.attestation):
            return False
        return report.code not in RULES or self._waits_by(report.attestation.data, report.at) == report.code

    def _on_ledger(self, said: Attestation) -> bool:
        return any(entry.type == "admitted" for entry in self._ledger.leaves.with_digest(said.digest))

    def read(self, content: bytes) -> ReadReport:
        """A report whose two signatures verify; 400."""
        governance = self._history.latest
        try:
            message = parse_sign1(content, size_bytes_max=REPORT_BYTES_MAX)
            match decode(message.payload, size_bytes_max=REPORT_BYTES_MAX):
                case [tag, network, bytes() as data, str() as code, str() as refuser, at] if (
                    tag == TAG and network == self._network_id and whole_numbers(at)
                ):
                    pass
                case _:
                    raise bad_request("malformed", "that is no report of an attempt in this network")
            key = governance.key_by_id(message.key_id)
            if key is None or message.key_id.partition("#")[0] != refuser or key.role != "attest":
                raise bad_request(
                    "malformed", "a report of an attempt is signed with the refuser's attest key"
                )
            verify_sign1(message, key.public)
        except (EncodingError, SignatureInvalid) as error:
            raise bad_request("malformed", "that is no report of an attempt in this network") from error
        attestation = signed_by_whom_it_says(data, governance)
        if attestation is None:
            raise bad_request(
                "malformed", "the refused statement is not signed by whom it names: it says nothing"
            )
        now = int(time.time())
        if not now - GIVEN_UP_S - SKEW_S <= at <= now + SKEW_S:
            raise bad_request(
                "malformed", "a report of an attempt is of the last days, and not of a time to come"
            )
        return ReadReport(attestation, code[:CODE_CHARS_MAX], refuser, at)

    def store(self, db: Transaction, report: ReadReport, data: bytes) -> None:
        """Keep it, and raise its alert."""
        number = self._office.attempts.put(db, _row(report, data))
        raised = None if number is None else self.raised_by(report, number)
        if raised is not None:
            self._office.alerts.put(db, _alert(raised, report, self._office))

    def raised_by(self, report: ReadReport, number: int) -> RaisedAlert | None:
        """What it raises, kept under this number; None: no kind of alert is of its code."""
        said, governance = report.attestation, self._history.latest
        kind = kind_of(ATTEMPT, (report.code,))
        if kind is None:
            return None
        party = governance.participant(said.issuer)
        side = party.jurisdiction if party is not None else ""
        is_battery = said.subject.scheme in governance.lifecycle.battery_schemes
        return RaisedAlert(
            kind,
            number,
            self._history.height,
            said.issuer,
            rule=report.code,
            subject=said.subject if is_battery else None,
            maker=(said.subject.scheme, said.subject.namespace),
            document=said.document_digest,
            sides=frozenset({side} - {""}),
        )


def signed_by_whom_it_says(data: bytes, governance: Governance) -> Attestation | None:
    """The statement, if a participant's attest key signed it, whenever that was in force; None: nobody's."""
    try:
        said = parse_attestation(data)
        key = governance.key_by_id(said.kid)
        if key is None or key.role != "attest" or said.kid.partition("#")[0] != said.issuer:
            return None
        if key.public in governance.stolen_keys:  # somebody else may have signed it
            return None
        verify_attestation(said, key.public)
    except (CredentialError, EncodingError, SignatureInvalid):
        return None
    return said


def _authorities(governance: Governance, signer: str, now: int) -> frozenset[str]:
    """The authorities of the side of whoever signed it, and of those for which it holds a licence."""
    party = governance.participant(signer)
    sides = {party.jurisdiction} if party is not None else set[str]()
    sides |= {licence.jurisdiction for licence in governance.accreditations_of(signer)}
    return frozenset(did for did, side in governance.authorities(now).items() if side in sides)


def _row(report: ReadReport, data: bytes) -> AttemptRow:
    said = report.attestation
    return AttemptRow(
        number=0,
        digest=said.digest,
        refuser=report.refuser,
        code=report.code,
        party=said.issuer,
        kind=said.kind,
        subject=standing_key(said.subject),
        at=report.at,
        report=data,
    )


def _alert(raised: RaisedAlert, report: ReadReport, office: OfficeStore) -> AlertRow:
    more = {"kind": report.attestation.kind, "refuser": report.refuser}
    return row_of(raised, code_of(office, raised), report.at, [AUTHORITY], more=more)
