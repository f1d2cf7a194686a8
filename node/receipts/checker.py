"""Receipts away from any node: is it valid, and about this document and battery?

Each step is its own refusal: the entry is an admitted attestation; its digest is the document's, or that of a
set list with the document in it; its issuer is the document's; its subject is the identifier in the document
with the blind of the receipt.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consensus.log_policy import POLICY_BYTES_MAX, LogPolicy, PolicyError
from consensus.receipt import RECEIPT_BYTES_MAX, Receipt, VerifiedReceipt
from credentials.documents.canonical import b64u, digest_document
from credentials.documents.code_schemes import BUILT_IN, UPPER_AND_DIGITS
from credentials.documents.identifiers import Identifier, Subject, read_identifier, subject_from_blind
from credentials.errors import CredentialError
from credentials.jcs import parse_json
from credentials.ledger.attestation import parse_attestation
from credentials.ledger.entries import (
    AdmittedEntry,
    BlockEntry,
    ClaimEntry,
    EvidenceEntry,
    GovernanceEntry,
    PolicyEntry,
    RefusedEntry,
    parse_entry,
)
from credentials.ledger.log_epochs import LogEpochs, verify_under
from node.config import shipped_codes
from node.errors import SetupError, Unfit, Unreadable
from node.named_files import STDIN, read_named, read_named_text
from node.receipts.epochs import EpochFile

SHOWN_BYTES_MAX, SHOWN_VALUES_MAX = 64 << 20, 4 << 20  # of a file that a receipt may be in
_ADMITTED = b"\xd2\x84"  # an attestation is a COSE_Sign1; every other entry is a list


class NotAboutThis(ValueError):
    """The receipt is valid, but it is not a receipt for this document."""


def read_policy(path: Path) -> LogPolicy:
    """A tlog-policy file."""
    data = read_named(path, POLICY_BYTES_MAX, what="the policy")
    try:
        return LogPolicy.parse(data)
    except PolicyError as error:
        raise Unfit(f"{path}: {error}") from error


def read_epochs(policy_file: Path, epochs_file: Path) -> LogEpochs:
    """From the policy in the one file to the newest in the other; raises EpochError, SetupError."""
    read_policy(policy_file)
    trusted = read_named_text(policy_file, POLICY_BYTES_MAX, what="the policy")
    return EpochFile.read(epochs_file).walk(trusted)


def read_log(policy_file: Path, epochs_file: Path | None) -> LogPolicy | LogEpochs:
    """What receipts are verified under: the one policy, or what leads on from it; raises as `read_epochs`."""
    return read_policy(policy_file) if epochs_file is None else read_epochs(policy_file, epochs_file)


def read_receipt(path: Path) -> Receipt:
    """The receipt in a file, or on standard input for `-`, well-formed; raises ReceiptError."""
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as file:
            return Receipt.parse(file.read(RECEIPT_BYTES_MAX + 1))  # which refuses one more
    except OSError as error:
        raise Unreadable(f"the receipt {path} cannot be read: {error.strerror}") from error


def read_shown_receipt(path: Path) -> Receipt:
    """The same, also of the receipt in a proof of what governed, or in an answer that holds such a proof."""
    shown = read_named(path, SHOWN_BYTES_MAX, what="the receipt")
    if not shown.lstrip().startswith(b"{"):
        return Receipt.parse(shown)
    try:
        match parse_json(shown, size_bytes_max=SHOWN_BYTES_MAX, values_max=SHOWN_VALUES_MAX):
            case {"receipt": str(text)} | {"proof": {"receipt": str(text)}}:
                return Receipt.parse(text)
    except CredentialError as error:
        raise Unfit(f"{path}: {error}") from error
    raise SetupError(
        f"{path} holds no receipt: it is to be one, or a proof or answer that holds one",
        step="Fetch one with `comity receipt get DIGEST`.",
    )


def verify_file(path: Path, policy_file: Path, epochs_file: Path | None = None) -> VerifiedReceipt:
    """Verify the receipt in a file; raises ReceiptError with the reason, EpochError for the epochs."""
    log = read_log(policy_file, epochs_file)  # what somebody trusts comes before what is shown
    return verify_under(log, read_receipt(path))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the entry of a receipt is: only of an admitted attestation does a receipt prove the statement."""

    admitted: bool
    words: str


def what_it_says(entry: bytes) -> Meaning:
    """The entry in words: an attestation with kind, issuer, battery and time; a refusal with its rule; ..."""
    try:
        found = parse_entry(entry)
    except CredentialError as error:
        return Meaning(False, f"an entry that this version cannot read ({error})")
    match found:
        case AdmittedEntry(attestation):
            at = datetime.fromtimestamp(attestation.event_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            about = _subject(attestation.subject)
            told = f"admitted: {attestation.kind} by {attestation.issuer}, about {about}, of {at}"
            return Meaning(True, told)
        case ClaimEntry(attestation):
            return Meaning(
                False,
                f"proof that {attestation.issuer} CLAIMED {attestation.kind} about "
                f"{_subject(attestation.subject)}: it had no right over it, and nothing follows from that",
            )
        case RefusedEntry():
            return Meaning(
                False,
                f"proof that the statement {b64u(found.digest)} by {found.issuer}, about "
                f"{_subject(found.subject)}, was REFUSED by {found.rule}: entry {found.winner_leaf_index} "
                "came first",
            )
        case BlockEntry():
            return Meaning(False, f"the record of block {found.height}: no statement about a battery")
        case EvidenceEntry(evidence):
            told = f"the record of a fault of {evidence.validator}: no statement about a battery"
            return Meaning(False, told)
        case PolicyEntry():
            return Meaning(False, "a log policy: no statement about a battery")
        case GovernanceEntry():
            told = f"the proposal {b64u(found.proposal)} was {found.outcome}: no statement about a battery"
            return Meaning(False, told)


def _named(text: str, about: Subject, issuer: str) -> Identifier:
    """The identifier of a document; of a scheme that a network added, in the only form that a document has.

    What such a code means is in a file of that network. That it is this one the hash in the subject says.
    """
    code = text.removeprefix(f"urn:comity:item:{about.scheme}:")
    if about.scheme not in BUILT_IN and code != text and UPPER_AND_DIGITS.issuperset(code):
        return Identifier(about.scheme, about.namespace, code)
    return read_identifier(text, shipped_codes(), namespace=issuer)


def signatures(verified: VerifiedReceipt) -> list[str]:
    """Whose signatures are under the receipt, of which jurisdictions, and of which there always is one."""
    told = [
        f"{', '.join(names)} ({jurisdiction})" if jurisdiction else ", ".join(names)
        for jurisdiction, names in verified.by_jurisdiction.items()
    ]
    lines = [f"cosigned by {'; '.join(told)}"]
    if "" in verified.by_jurisdiction:
        lines.append("the policy does not say of which jurisdiction each of them is")
    elif verified.never_without:
        lines.append(f"no quorum of this policy is without {' or '.join(verified.never_without)}")
    else:
        lines.append("a quorum of this policy can be without any one jurisdiction")
    return lines


def _subject(about: Subject) -> str:
    return f"the {about.scheme} subject {about.namespace} {b64u(about.h)}"


def check_document(verified: VerifiedReceipt, document: Any) -> str:
    """What the receipt says about this document; raises NotAboutThis with the step that fails."""
    if not isinstance(document, dict):
        raise NotAboutThis("the document is not a JSON object")
    if not verified.entry.startswith(_ADMITTED):
        said = what_it_says(verified.entry)
        raise NotAboutThis(f"the entry is not an admitted attestation but {said.words}")
    try:
        attestation = parse_attestation(verified.entry)
        digest = digest_document(document)
    except CredentialError as error:
        raise NotAboutThis(str(error)) from error
    sets = attestation.set_list
    if digest != attestation.document_digest and (sets is None or digest not in sets.points.values()):
        raise NotAboutThis("the document is not the one that was attested: its digest is another")
    issuer = document.get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    if issuer != attestation.issuer:
        raise NotAboutThis(f"the document is by {issuer}, the attestation by {attestation.issuer}")
    subjects = document.get("credentialSubject")
    text = subjects.get("id") if isinstance(subjects, Mapping) else None
    if not isinstance(text, str):
        raise NotAboutThis("the document names no battery")
    if verified.blind is None:
        raise NotAboutThis("the receipt carries no blind: which battery it is about cannot be checked")
    try:
        identifier = _named(text, attestation.subject, attestation.issuer)
        about = subject_from_blind(identifier, verified.blind)
    except CredentialError as error:
        raise NotAboutThis(f"the identifier in the document cannot be read: {error}") from error
    if about.as_list() != attestation.subject.as_list():
        raise NotAboutThis(f"the attestation is about another battery than {text}")
    return f"{attestation.kind} of {identifier.canonical} by {attestation.issuer}, document {b64u(digest)}"
