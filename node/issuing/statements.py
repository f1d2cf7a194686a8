"""What one transaction of the office stores: documents, and the attestations about them for the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import orjson

from credentials.documents.canonical import b64u
from credentials.documents.passport import set_list_digest
from credentials.ledger.attestation import SETS_TAG, Attestation, standing_key
from node.storage.database import Transaction
from node.storage.documents import DocumentTable, StoredDocument
from node.storage.outbox import OutboxTable


@dataclass(frozen=True, slots=True)
class Statement:
    """An attestation about to be written, as it was signed, and the battery's code where it has one."""

    attestation: Attestation
    battery: str | None

    @property
    def digest(self) -> bytes:
        return self.attestation.digest


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
            signed = statement.attestation
            OutboxTable.put(
                db,
                digest=signed.digest,
                data=signed.data,
                kind=signed.kind,
                battery=statement.battery,
                subject=standing_key(signed.subject),
                document_digest=signed.document_digest,
                created=self.now,
            )


def set_list_document(version: int, sets: Mapping[int, bytes], battery: str, did: str) -> StoredDocument:
    """The list of a passport's sets, which the ledger is told of: their digests by Annex XIII point."""
    digests = {str(point): b64u(digest) for point, digest in sets.items()}
    body = orjson.dumps({"type": SETS_TAG, "version": version, "sets": digests})
    return StoredDocument(set_list_digest(version, sets), "set_list", body, did, battery=battery)


@lru_cache(maxsize=64)  # what is signed together has one time, and it stands in each of six documents
def stamp(at: int) -> str:
    """Seconds as a dateTimeStamp of the data model."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
