"""What one transaction of the office stores: documents, and the attestations about them for the outbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import standing_key
from node.storage.database import Transaction
from node.storage.documents import DocumentTable, StoredDocument
from node.storage.outbox import OutboxTable


@dataclass(frozen=True, slots=True)
class Statement:
    """An attestation about to be written: its bytes and what it is filed under."""

    data: bytes
    kind: str
    battery: str | None
    subject: Subject
    document_digest: bytes

    @property
    def digest(self) -> bytes:
        return sha256(self.data).digest()


@dataclass(slots=True)
class Batch:
    """What one transaction stores: documents and the attestations about them."""

    now: int
    documents: list[StoredDocument] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)

    def add(self, statement: Statement, document: StoredDocument) -> None:
        self.statements.append(statement)
        self.documents.append(document)

    def store(self, db: Transaction) -> None:
        """Write all of it, inside the caller's transaction."""
        DocumentTable.put(db, self.documents)
        for statement in self.statements:
            OutboxTable.put(
                db,
                digest=statement.digest,
                data=statement.data,
                kind=statement.kind,
                battery=statement.battery,
                subject=standing_key(statement.subject),
                document_digest=statement.document_digest,
                created=self.now,
            )


def stamp(at: int) -> str:
    """Seconds as a dateTimeStamp of the data model."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
