"""One line of an evidence file against what the file shows: its statements, lists, height and word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from credentials.documents.canonical import b64u
from credentials.documents.identifiers import read_identifier, subject_from_blind
from credentials.documents.model import StatusEntry
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation
from credentials.ledger.entries import RefusedEntry
from credentials.verdicts.evidence import Tables
from credentials.verdicts.severity import CLEAR, GAPS, ORDER
from credentials.verdicts.verdict import Check, Outcome, conclude
from node.config import shipped, shipped_codes
from node.receipts.evidence_shown import (
    FAIL,
    JSON,
    NOT_CHECKED,
    PASS,
    ShownEvidence,
    ShownRecord,
    statement_of,
)


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """One line and its word as the file has it; `again`: the word that follows from its checks."""

    line: int
    battery: str
    verdict: str
    reason: str
    again: str | None
    records: int  # statements that are proven


class LineCheck:
    """Checks the lines of one file."""

    def __init__(self, shown: ShownEvidence, head: JSON) -> None:
        self._shown, self._head = shown, head

    def of(self, item: JSON) -> CheckedLine:
        """One verdict; what became of each step is told to what was shown."""
        number = item["line"]
        records = sum(self._step(number, item["battery"], step) for step in item["timeline"])
        self._governed(number, item["height"])
        self._status(item)
        again = self._word(item)
        return CheckedLine(number, item["battery"], item["verdict"], item["reason"], again, records)

    def _step(self, number: int, battery: str, step: JSON) -> bool:
        """One line of a timeline against its receipt; True if it is proven."""
        digest = step["attestation_digest"]
        record = None if digest is None else self._shown.records.get(digest)
        if record is None:
            self._shown.tell(
                number, "statement", NOT_CHECKED, "a record of the timeline has no receipt in the file"
            )
            return False
        entry, said = record.entry, statement_of(record.entry)
        named = said.digest if said is not None else getattr(entry, "digest", b"")
        issuer = said.issuer if said is not None else getattr(entry, "issuer", None)
        differs = [
            name
            for name, ours, theirs in (
                ("digest", b64u(named), digest),
                ("issuer", issuer, step["issuer"]),
                ("kind", None if said is None else said.kind, None if said is None else step["kind"]),
                ("leaf", record.verified.index, step["leaf_index"]),
                ("state", isinstance(entry, RefusedEntry), step["state"] == "refused"),
            )
            if ours != theirs
        ]
        if differs:
            why = f"{', '.join(differs)} of {digest} is otherwise in the log"
            self._shown.tell(number, "statement", FAIL, why)
            return False
        if record.signed != PASS:
            why = "its signature does not hold" if record.signed == FAIL else "its key is not on record"
            self._shown.tell(number, "statement", record.signed, f"{digest}: {why}")
            return False
        outcome, why = self._about(record, battery)
        self._shown.tell(number, "statement", outcome, why)
        return outcome == PASS

    def _about(self, record: ShownRecord, battery: str) -> tuple[str, str]:
        """Whether a record is about the battery of the line."""
        about = getattr(statement_of(record.entry) or record.entry, "subject", None)
        blind = record.verified.blind
        if about is None or blind is None:
            return NOT_CHECKED, "which battery a record is about cannot be told: its receipt has no blind"
        try:
            issuer = getattr(statement_of(record.entry) or record.entry, "issuer", "-")
            named = subject_from_blind(read_identifier(battery, self._identifiers(), namespace=issuer), blind)
        except CredentialError as error:
            return NOT_CHECKED, f"the code of the line cannot be read: {error}"
        same = named.as_list() == about.as_list()
        return (
            (PASS, "")
            if same
            else (FAIL, f"a record of its timeline is about another battery than {battery}")
        )

    def _identifiers(self) -> Mapping[str, Any]:
        tables = self._shown.tables()
        return shipped_codes() if tables is None else tables.identifiers

    def _governed(self, number: int, height: int) -> None:
        """The governance that is proven was that of this height."""
        block = self._shown.blocks.get(height)
        proven = None if self._shown.proven is None else self._shown.blocks.get(self._shown.proven.height)
        if block is None or proven is None:
            self._shown.tell(
                number, "height", NOT_CHECKED, f"the block of height {height} is not in the file"
            )
        elif block[0].governance_root != proven[0].governance_root:
            why = f"what governed after height {height} was other than what the file proves"
            self._shown.tell(number, "height", NOT_CHECKED, why)
        else:
            self._shown.tell(number, "height", PASS)

    def _status(self, item: JSON) -> None:
        """No clear word beside a document that its list ended by then."""
        for digest in self._shown_by(item):
            if (document := self._shown.documents.get(digest)) is not None:
                for entry in document.status:
                    self._bit(item, digest, document.issuer, entry)

    def _bit(self, item: JSON, digest: str, issuer: str, entry: StatusEntry) -> None:
        number, block = item["line"], self._shown.blocks.get(item["height"])
        for one in self._shown.lists.get((issuer, entry.purpose), ()):
            try:
                raised = one.bits.value(entry, item["evaluated_at"])
            except CredentialError:
                continue  # another list
            if not raised:
                self._shown.tell(number, "status", PASS)
            elif block is None or one.index > block[1]:
                self._shown.tell(
                    number, "status", NOT_CHECKED, f"{digest} was ended after this word was given"
                )
            elif item["verdict"] in (CLEAR, GAPS) and self._is_live(item, digest):
                self._shown.tell(
                    number, "status", FAIL, f"the word is {item['verdict']}, and {digest} was ended"
                )
            else:
                self._shown.tell(number, "status", PASS)
            return
        self._shown.tell(number, "status", NOT_CHECKED, f"the list that {digest} names is not in the file")

    def _shown_by(self, item: JSON) -> Iterator[str]:
        """The documents of the statements of its timeline."""
        for said in self._stated(item):
            sets = said.set_list
            yield from map(b64u, [said.document_digest] if sets is None else sets.points.values())

    def _is_live(self, item: JSON, digest: str) -> bool:
        """True of a document of the passport in force."""
        live = item["passport"].get("digest")
        for said in self._stated(item):
            if b64u(said.document_digest) == live and said.set_list is not None:
                return digest in map(b64u, said.set_list.points.values())
        return False

    def _stated(self, item: JSON) -> Iterator[Attestation]:
        """The statements of its timeline that the file shows."""
        for step in item["timeline"]:
            record = self._shown.records.get(step["attestation_digest"] or "")
            said = None if record is None else statement_of(record.entry)
            if said is not None:
                yield said

    def _word(self, item: JSON) -> str | None:
        """The word that follows from the checks of a line, by the rules that governed."""
        number, tables = item["line"], self._shown.tables()
        if tables is None or self._head["reasons"] != sha256(shipped("reasons.toml")).hexdigest():
            why = "the word follows from tables that this version does not have"
            self._shown.tell(number, "word", NOT_CHECKED, why)
            return None
        checks = [_check(one, tables) for one in item["checks"]]
        required = frozenset(self._head["required"])
        again = conclude(checks, tables, gaps=bool(item["gaps"]), required=required).verdict
        if again == item["verdict"]:
            self._shown.tell(number, "word", PASS)
        elif ORDER.index(item["verdict"]) > ORDER.index(again):
            why = f"the word is {item['verdict']}, stricter than its checks alone make it ({again})"
            self._shown.tell(number, "word", NOT_CHECKED, why)
        else:
            self._shown.tell(
                number, "word", FAIL, f"the word is {item['verdict']}, and its checks make it {again}"
            )
        return again


def _check(one: JSON, tables: Tables) -> Check:
    """A check as it stands in a verdict, with the word of its row in shown-as.toml, if it has one."""
    rows = [
        row
        for row in (() if tables.shown_as is None else tables.shown_as.rows)
        if (row.check, row.reason, row.rule) == (one["name"], one["reason"], one.get("rule")) and row.word
    ]
    words = sorted((row.word for row in rows), key=ORDER.index)
    return Check(
        one["name"], Outcome(one["outcome"]), one["reason"], one.get("rule"), word=words[0] if words else None
    )
