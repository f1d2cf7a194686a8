"""An evidence file, checked away from any node: what can be computed again is, and the rest is named.

Computed again, under a log.policy that whoever checks trusts: each receipt, and that its entry is the
statement that the verdict names, about the battery of the line; the signature of each statement and document;
what the newest status lists say; which rule files governed; the word that follows from the checks; counts and
lines. A step that cannot be made is `not_checked`, with why: never a pass. Its form: `evidence_file.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from consensus.cose import parse_sign1, verify_sign1
from consensus.encoding import decode
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from credentials.documents.canonical import b64u_decode
from credentials.documents.keys import controller_of
from credentials.errors import CredentialError
from credentials.jcs import parse_json
from credentials.ledger.log_epochs import LogEpochs
from node.receipts.evidence_line import CheckedLine, LineCheck
from node.receipts.evidence_shown import FAIL, JSON, NOT_CHECKED, PASS, EvidenceStep, ShownEvidence

EVIDENCE_FORMAT: Final = "comity/evidence/v1"
LINE_BYTES_MAX, LINE_VALUES_MAX = 64 << 20, 4 << 20  # of one line of a file
KEPT_MAX = 1_000_000  # objects of a file
DOCUMENTS = "documents"
NEVER_CHECKED = (
    "that the log holds no other record about these batteries: the file shows those that were read",
    "whether each issuer was licensed, and its key in force, at the time of its statement",
    "each check by itself: the outcomes are those that the judging node signed",
    "the goods themselves",
)


def signed_content(network_id: bytes, consignment: str, digest: bytes) -> list[Any]:
    """What the judging node signs: the SHA-256 of every line before the signature."""
    return [EVIDENCE_FORMAT, network_id, consignment, digest]


class NoEvidenceFile(ValueError):
    """The file is no evidence file, or cut off; the sentence says where."""


@dataclass(slots=True)
class CheckedEvidence:
    """What was found in a file."""

    head: JSON = field(default_factory=dict)
    lines: list[CheckedLine] = field(default_factory=list)
    found: list[EvidenceStep] = field(default_factory=list)
    verdicts: str = ""  # SHA-256 of the lines with verdicts: the record of the consignment names it

    @property
    def holds(self) -> bool:
        """True unless something was computed again and came out otherwise."""
        return bool(self.lines) and not any(one.outcome == FAIL for one in self.found)

    @property
    def whole(self) -> bool:
        """True if also nothing but documents was not checked: of these nobody may hold all."""
        left = (one.step for one in self.found if one.outcome == NOT_CHECKED)
        return self.holds and all(step == DOCUMENTS for step in left)


def check_evidence(lines: Iterable[bytes], log: LogPolicy | LogEpochs) -> CheckedEvidence:
    """Read a file line by line and check it under `log`. Raises NoEvidenceFile for what is none."""
    checker, digest, signed, verdicts = EvidenceCheck(log), sha256(), None, sha256()
    for number, data in enumerate(lines, 1):
        if signed is not None:
            raise NoEvidenceFile(f"line {number} stands after the signature")
        try:
            one = parse_json(data, size_bytes_max=LINE_BYTES_MAX, values_max=LINE_VALUES_MAX)
            if not isinstance(one, dict):
                raise NoEvidenceFile(f"line {number} is no JSON object")
            signed = one.get("signed") if number > 1 else None
            if signed is None:
                digest.update(data if data.endswith(b"\n") else data + b"\n")
                checker.take(one, first=number == 1)
                if "line" in one:
                    verdicts.update(data if data.endswith(b"\n") else data + b"\n")
        except (CredentialError, LookupError, TypeError, AttributeError) as error:
            raise NoEvidenceFile(f"line {number} is not as this version reads it: {error}") from error
    if not checker.made.head:
        raise NoEvidenceFile("the file is empty")
    checker.finish(signed, digest.digest())
    checker.made.verdicts = verdicts.hexdigest()
    return checker.made


class EvidenceCheck:
    """Takes one object after the other."""

    def __init__(self, log: LogPolicy | LogEpochs) -> None:
        self._shown = ShownEvidence(log)
        self.made = CheckedEvidence(found=self._shown.found)
        self._manifest: JSON | None = None
        self._objects = 0

    def take(self, one: JSON, *, first: bool) -> None:
        """The next object of the file."""
        if first:
            if one.get("format") != EVIDENCE_FORMAT:
                raise NoEvidenceFile(f"it does not begin with the format {EVIDENCE_FORMAT}")
            self.made.head = one
            self._line = LineCheck(self._shown, one)
            return
        self._objects += 1
        if self._objects > KEPT_MAX:
            raise NoEvidenceFile(f"it has more than {KEPT_MAX} objects")
        shown = self._shown
        kinds = {
            "rule": shown.take_rule,
            "governance": shown.take_governance,
            "block": shown.take_block,
            "record": shown.take_record,
            "document": shown.take_document,
            "list": shown.take_list,
        }
        kind = next((take for name, take in kinds.items() if name in one), None)
        if kind is not None:
            kind(one)
        elif "line" in one:
            self.made.lines.append(self._line.of(one["line"]))
        elif "manifest" in one:
            self._manifest = one["manifest"]
        else:
            raise NoEvidenceFile(f"it has an object with the members {', '.join(sorted(one))[:80]}")

    def finish(self, signed: object, digest: bytes) -> None:
        """What is of the whole file: its lines, its counts, its signature."""
        lines, head = self.made.lines, self.made.head["consignment"]
        declared = (
            None
            if self._manifest is None
            else Counter(
                (one.get("line", place), one["battery"])
                for place, one in enumerate(self._manifest["lines"], 1)
            )
        )
        judged = Counter((one.line, one.battery) for one in lines)
        if declared is None:
            self._shown.tell(None, "manifest", NOT_CHECKED, "the file does not say what was declared")
        elif judged - declared:
            self._shown.tell(None, "manifest", FAIL, "a line was judged that nobody declared")
        elif missing := (declared - judged).total():
            self._shown.tell(
                None, "manifest", NOT_CHECKED, f"{missing} of the declared lines have no verdict yet"
            )
        else:
            self._shown.tell(None, "manifest", PASS)
        counts = Counter(one.verdict for one in lines)
        same = counts == Counter({word: n for word, n in head["counts"].items() if n})
        self._shown.tell(
            None, "counts", PASS if same else FAIL, "" if same else "its head counts other words"
        )
        self._tell_signature(signed, digest, head["id"])

    def _tell_signature(self, signed: object, digest: bytes, consignment: str) -> None:
        if not isinstance(signed, str):
            self._shown.tell(None, "signature", FAIL, "it is cut off, or nobody signed it")
            return
        try:
            message = parse_sign1(b64u_decode(signed))
            content = decode(message.payload)
            if not isinstance(content, list) or content != signed_content(content[1], consignment, digest):
                raise CredentialError("malformed", "what was signed is not what is in the file")
            if controller_of(message.key_id) != self.made.head["judged_by"]:
                raise CredentialError("malformed", f"it is signed by {message.key_id[:200]}")
            key = self._shown.key_of(message.key_id)
            verify_sign1(message, key)
        except (ConsensusError, CredentialError, IndexError, ValueError) as error:
            self._shown.tell(None, "signature", FAIL, str(error))
            return
        self._shown.tell(None, "signature", PASS)
