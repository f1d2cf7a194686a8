"""The files that prove a record without this node, and the one command that verifies them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credentials.verdicts.verdict_record import StepRecord
from node.errors import ProblemError
from node.service import Service

NAME_CHARS = 12


@dataclass(frozen=True, slots=True)
class Proof:
    """A receipt that is ready, with the document it is about where whoever asks may have it."""

    receipt: str  # digest of the attestation
    document: str | None
    record: Mapping[str, Any]  # its line of the timeline
    signed: Mapping[str, tuple[str, ...]]  # cosigners by jurisdiction

    @property
    def command(self) -> str:
        """What the officer types in the folder with the files."""
        words = ["comity receipt verify", receipt_file(self.receipt), "--policy log.policy"]
        if self.document:
            words.append(f"--document {document_file(self.document)}")
        return " ".join(words)


def receipt_file(digest: str) -> str:
    """The name of a receipt's file; it never begins with a dash, as a digest may."""
    return f"record-{digest[:NAME_CHARS]}.tlog-proof"


def document_file(digest: str) -> str:
    """The name of a document's file."""
    return f"document-{digest[:NAME_CHARS]}.json"


def find_proof(service: Service, battery: str, audience: str, height: int) -> Proof | None:
    """The receipt of the passport in force, else of the latest record about the battery, else nothing.

    Its author is called what it was called at the height of the verdict beside which it stands.
    """
    try:
        known = service.batteries.battery(battery, audience)
    except ProblemError:
        return None  # an identifier that cannot be read has no record
    then = service.overview.history.at(height)

    def called(row: StepRecord) -> StepRecord:
        author = then.participant(row["issuer"])
        return row if author is None else {**row, "issuer_name": author.name}

    recorded = [
        (digest, called(row))
        for row in known["timeline"]
        if row["state"] != "refused" and (digest := row["attestation_digest"]) is not None
    ]
    for passport in sorted(known["passports"], key=lambda shown: not shown["live"]):
        for digest, row in recorded:
            if row["document_digest"] == passport["digest"] and (signed := _signed(service, digest)):
                held = (
                    document
                    for point, document in sorted(passport["points"].items())
                    if passport["held"][point]
                )
                return Proof(digest, next(held, None), row, signed)
    for digest, row in reversed(recorded):
        if signed := _signed(service, digest):
            return Proof(digest, None, row, signed)
    return None


def _signed(service: Service, digest: str) -> Mapping[str, tuple[str, ...]]:
    """Whose signatures are under the receipt; empty where there is none yet."""
    try:
        return service.records.signed_in(service.records.receipt(digest))
    except ProblemError:
        return {}
