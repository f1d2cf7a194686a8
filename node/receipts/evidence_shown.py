"""What an evidence file shows, verified as it is read: what governed, statements, documents, status lists.

A receipt that does not hold, or is about something else than it says, is told as a failure; what the file
does not have is told where a line rests on it (`evidence_line.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.receipt import VerifiedReceipt
from credentials.documents.canonical import b64u, digest_document
from credentials.documents.keys import controller_of
from credentials.documents.model import StatusEntry
from credentials.documents.secured import unwrap, verify_shown, view_of
from credentials.documents.status import StatusList, read_list
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, verify_attestation
from credentials.ledger.entries import AdmittedEntry, BlockEntry, ClaimEntry, Entry, parse_entry
from credentials.ledger.governance_proof import ProvenGovernance, verify_governance
from credentials.ledger.log_epochs import LogEpochs, verify_under
from credentials.verdicts.evidence import Tables
from node.config import contexts, read_table
from node.rules_in_force import tables_of

PASS, FAIL, NOT_CHECKED = "pass", "fail", "not_checked"
_ASSERTING = ("credential", "attest")
JSON = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EvidenceStep:
    """What became of one step: of a line of the consignment, or (None) of the file."""

    line: int | None
    step: str
    outcome: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """A receipt that holds; `signed`: by the key of its issuer that is on record."""

    entry: Entry
    verified: VerifiedReceipt
    signed: str  # an outcome


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """A document that was shown: by whom, with which entries of status lists."""

    issuer: str
    status: tuple[StatusEntry, ...]


@dataclass(frozen=True, slots=True)
class ShownList:
    """A version of a status list, and where its attestation is in the log."""

    bits: StatusList
    index: int


class ShownEvidence:
    """Takes one object of a file after the other, and keeps what holds."""

    def __init__(self, log: LogPolicy | LogEpochs) -> None:
        self._log = log
        self.found: list[EvidenceStep] = []
        self._rules: dict[str, bytes] = {}  # text by SHA-256
        self.proven: ProvenGovernance | None = None
        self.blocks: dict[int, tuple[BlockEntry, int]] = {}  # and its leaf
        self.records: dict[str, ShownRecord] = {}
        self.documents: dict[str, ShownDocument] = {}
        self.lists: dict[tuple[str, str], list[ShownList]] = {}
        self._tables: Tables | None = None
        self._tables_read = False  # as of what was shown by now: each line asks for them

    def tell(self, line: int | None, step: str, outcome: str, why: str = "") -> None:
        """Keep what became of a step."""
        self.found.append(EvidenceStep(line, step, outcome, why))

    # -- what governed -------------------------------------------------------------------------------

    def take_rule(self, one: JSON) -> None:
        """A rule file, by its digest."""
        data = one["content"].encode()
        if sha256(data).hexdigest() != one["sha256"]:
            self.tell(None, "rules", FAIL, f"{one['rule']} is not the file whose digest it names")
        self._rules[one["sha256"]] = data
        self._tables_read = False

    def take_governance(self, one: JSON) -> None:
        """What governed, with its proof; the block of its height with it."""
        try:
            proven = verify_governance(one["governance"], self._log)
            receipt = verify_under(self._log, one["governance"]["receipt"])
        except (CredentialError, ConsensusError) as error:
            self.tell(None, "governance", FAIL, str(error))
            return
        self.proven = proven
        self._tables_read = False
        self._put_block(receipt)
        self.tell(None, "governance", PASS)
        lacking = [name for name, digest in proven.rules().items() if digest.hex() not in self._rules]
        for name in sorted(lacking):
            self.tell(None, "rules", NOT_CHECKED, f"{name} governed and is not in the file")
        if not lacking:
            self.tell(None, "rules", PASS)

    def take_block(self, one: JSON) -> None:
        """The entry of the block of another height."""
        if "missing" in one:
            return  # told at each line of that height
        try:
            self._put_block(verify_under(self._log, one["receipt"]))
        except ConsensusError as error:
            self.tell(None, "governance", FAIL, f"block {one['block']}: {error}")

    def _put_block(self, receipt: VerifiedReceipt) -> None:
        entry = parse_entry(receipt.entry)
        if isinstance(entry, BlockEntry):
            self.blocks[entry.height] = entry, receipt.index

    def key_of(self, method: str) -> bytes:
        """The key on record with this URL, or the only one of its DID that makes statements."""
        did = controller_of(method)
        party = None if self.proven is None else self.proven.participant(did)
        keys = [] if party is None else [key for key in party.keys if key.role in _ASSERTING]
        named = [key for key in keys if key.id == method] or (keys if method == did else [])
        if len(named) == 1:
            return named[0].public
        raise CredentialError("issuer_unknown", f"{method[:200]} is no key of what governed")

    # -- statements, documents, lists ----------------------------------------------------------------

    def take_record(self, one: JSON) -> None:
        """A statement, or a refusal, with its receipt."""
        digest = one["record"]
        if "missing" in one:
            return  # told at each line that names it
        try:
            verified = verify_under(self._log, one["receipt"])
            entry = parse_entry(verified.entry)
        except (ConsensusError, CredentialError) as error:
            self.tell(None, "statement", FAIL, f"{digest}: {error}")
            return
        said = statement_of(entry)
        self.records[digest] = ShownRecord(entry, verified, PASS if said is None else self._signed(said))

    def _signed(self, said: Attestation) -> str:
        try:
            key = self.key_of(said.kid)
        except CredentialError:
            return NOT_CHECKED
        try:
            verify_attestation(said, key)
        except (ConsensusError, CredentialError):
            return FAIL
        return PASS

    def take_document(self, one: JSON) -> None:
        """A document as it was signed."""
        digest = one["document"]
        if "missing" in one:
            self.tell(None, "documents", NOT_CHECKED, _NOT_HELD.get(one["missing"], "a document is not held"))
            return
        content = one["content"]
        try:
            if b64u(digest_document(content)) != digest:
                self.tell(None, "documents", FAIL, f"{digest} is another document than the one it names")
                return
            issuer, status = _read_document(content)
        except CredentialError as error:
            self.tell(None, "documents", FAIL, f"{digest}: {error}")
            return
        self.documents[digest] = ShownDocument(issuer, status)
        try:
            secured = verify_shown(unwrap(content), self.key_of, contexts())
        except CredentialError as error:
            # An altered document is what a verdict of such a line says: it is told, and no fault of the file.
            self.tell(None, "documents", NOT_CHECKED, f"the proof of {digest} does not hold: {error}")
            return
        if issuer in secured.controllers:
            self.tell(None, "documents", PASS)
        else:
            self.tell(None, "documents", NOT_CHECKED, f"{digest} is signed by another than its issuer")

    def take_list(self, one: JSON) -> None:
        """A version of a status list, with the receipt of its attestation."""
        digest = one["list"]
        if "missing" in one:
            self.tell(None, "status", NOT_CHECKED, f"a status list is not in the file ({one['missing']})")
            return
        content = one["content"]
        try:
            verified = verify_under(self._log, one["receipt"])
            said = statement_of(parse_entry(verified.entry))
            if said is None or b64u(said.document_digest) != digest:
                raise CredentialError("status_list_invalid", "its receipt is about another document")
            if b64u(digest_document(content)) != digest:
                raise CredentialError("status_list_invalid", "it is another list than the one it names")
            verify_shown(unwrap(content), self.key_of, contexts())
            bits = read_list(unwrap(content).document)
        except (ConsensusError, CredentialError) as error:
            self.tell(None, "status", FAIL, f"list {digest}: {error}")
            return
        for purpose in bits.purposes:
            known = self.lists.setdefault((said.issuer, purpose), [])
            known.append(ShownList(bits, verified.index))

    def tables(self) -> Tables | None:
        """The tables of what governed; None where a file of them is lacking, or of a version to come."""
        if not self._tables_read:
            self._tables, self._tables_read = self._read_tables(), True
        return self._tables

    def _read_tables(self) -> Tables | None:
        names = {} if self.proven is None else self.proven.rules()
        held = {name: self._rules[d.hex()] for name, d in names.items() if d.hex() in self._rules}
        if not names or len(held) < len(names):
            return None
        try:
            return tables_of({name: read_table(name, data) for name, data in held.items()})
        except (CredentialError, AssertionError, LookupError, TypeError, ValueError):
            return None


_NOT_HELD = {
    "document_unknown": "a document is not in the file: who made it did not hold it",
    "not_entitled": "a document is not in the file: it is not for whoever it was made for",
}


def statement_of(entry: Entry) -> Attestation | None:
    """The statement that an entry holds: admitted, or a claim."""
    return entry.attestation if isinstance(entry, AdmittedEntry | ClaimEntry) else None


def _read_document(content: JSON) -> tuple[str, tuple[StatusEntry, ...]]:
    view = view_of(unwrap(dict(content)).document)
    return view.issuer, tuple(view.status)
