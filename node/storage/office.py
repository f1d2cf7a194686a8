"""SQLite on disk, third file: `office.db`, what only this participant has and must back up.

Documents, the outbox of attestations, issuances, status lists, consignments, access keys. Issuing is one
transaction over documents, status index, issuance and outbox: acknowledged means on disk.
Times are seconds (UTC); digests are raw bytes; access secrets are stored as SHA-256 only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.storage.store import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    digest BLOB NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, battery TEXT, issuer TEXT NOT NULL,
    point INTEGER, set_digest BLOB, credential_id TEXT, fetched_at INTEGER);
CREATE UNIQUE INDEX IF NOT EXISTS documents_digest ON documents (digest);
CREATE INDEX IF NOT EXISTS documents_set ON documents (set_digest) WHERE set_digest IS NOT NULL;
CREATE INDEX IF NOT EXISTS documents_battery ON documents (battery) WHERE battery IS NOT NULL;
CREATE INDEX IF NOT EXISTS documents_credential ON documents (credential_id) WHERE credential_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL, kind TEXT NOT NULL,
    battery TEXT, subject BLOB, document_digest BLOB NOT NULL, created INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'outbox', height INTEGER, leaf_index INTEGER, rule TEXT,
    winner INTEGER, reason TEXT, receipted_at INTEGER);
CREATE INDEX IF NOT EXISTS outbox_open ON outbox (state) WHERE receipted_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_document ON outbox (document_digest);
CREATE INDEX IF NOT EXISTS outbox_battery ON outbox (battery, kind);
CREATE TABLE IF NOT EXISTS issuances (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, battery TEXT NOT NULL, version INTEGER NOT NULL,
    category TEXT NOT NULL, claims_digest BLOB NOT NULL, idempotency_key TEXT UNIQUE,
    signed_at INTEGER NOT NULL, published BLOB NOT NULL, produced BLOB, status_index INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS issuances_claims ON issuances (battery, claims_digest);
CREATE TABLE IF NOT EXISTS status_lists (
    name TEXT PRIMARY KEY, purpose TEXT NOT NULL, next_index INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS status_bits (
    name TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (name, place));
CREATE TABLE IF NOT EXISTS status_versions (
    name TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, attestation BLOB NOT NULL,
    PRIMARY KEY (name, seq));
CREATE TABLE IF NOT EXISTS consignments (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, declaration TEXT NOT NULL, manifest BLOB NOT NULL,
    manifest_digest BLOB NOT NULL, consignee_eori TEXT, direction TEXT, law_date TEXT NOT NULL,
    created INTEGER NOT NULL, evaluated_at INTEGER, height INTEGER, block_time INTEGER,
    state TEXT NOT NULL DEFAULT 'queued', lines INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS items (
    consignment TEXT NOT NULL, line INTEGER NOT NULL, seq INTEGER NOT NULL, verdict TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (consignment, line));
CREATE TABLE IF NOT EXISTS keys (
    hash BLOB PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL,
    last_used INTEGER);
CREATE TABLE IF NOT EXISTS links (
    hash BLOB PRIMARY KEY, scopes TEXT NOT NULL, next TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER);
CREATE TABLE IF NOT EXISTS sessions (
    hash BLOB PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL,
    expires INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document by its digest. `kind`: passport | set_list | event | status_list | credential."""

    digest: bytes
    kind: str
    body: bytes  # JSON as received or made
    issuer: str
    battery: str | None = None
    point: int | None = None  # passport: the Annex XIII point
    set_digest: bytes | None = None  # passport: the set list it belongs to
    credential_id: str | None = None
    fetched_at: int | None = None  # None: our own


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One own attestation and how far it came: outbox -> admitted | refused | dropped, then its receipt."""

    number: int
    digest: bytes
    data: bytes
    kind: str
    battery: str | None
    subject: bytes | None
    document_digest: bytes
    created: int
    state: str
    height: int | None
    leaf_index: int | None
    rule: str | None  # refused or dropped: by which rule
    winner: int | None  # refused: leaf index of the winner
    reason: str | None  # dropped: in words
    receipted_at: int | None


class OfficeStore:
    """The participant's own records. Methods that take `db` run inside the caller's transaction."""

    def __init__(self, path: Path) -> None:
        self._db = Database(path, _SCHEMA)
        self.writing = self._db.writing
        self.reading = self._db.reading

    def close(self) -> None:
        self._db.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection, for single reads."""
        return self._db.connection

    def bind(self, name: str, value: bytes) -> bytes:
        """Remember `value` under `name` at first use; afterwards the first value is what is returned."""
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return bytes(row["value"])

    # -- documents -----------------------------------------------------------------------------------

    @staticmethod
    def put_documents(db: sqlite3.Connection, documents: Sequence[StoredDocument]) -> None:
        """Keep documents; a digest already held keeps its first copy, with the newer fetch time."""
        db.executemany(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (digest) DO UPDATE SET fetched_at = excluded.fetched_at "
            "WHERE documents.fetched_at IS NOT NULL",
            [
                (
                    d.digest,
                    d.kind,
                    d.body,
                    d.battery,
                    d.issuer,
                    d.point,
                    d.set_digest,
                    d.credential_id,
                    d.fetched_at,
                )
                for d in documents
            ],
        )

    _DOCUMENT = (
        "SELECT digest, kind, body, issuer, battery, point, set_digest, credential_id, fetched_at "
        "FROM documents"
    )

    def document(self, digest: bytes) -> StoredDocument | None:
        row = self.connection.execute(f"{self._DOCUMENT} WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else StoredDocument(*row)

    def documents_with_id(self, credential_id: str) -> list[StoredDocument]:
        rows = self.connection.execute(f"{self._DOCUMENT} WHERE credential_id = ?", (credential_id,))
        return [StoredDocument(*row) for row in rows]

    def documents_of_set(self, set_digest: bytes) -> list[StoredDocument]:
        rows = self.connection.execute(f"{self._DOCUMENT} WHERE set_digest = ? ORDER BY point", (set_digest,))
        return [StoredDocument(*row) for row in rows]

    # -- outbox --------------------------------------------------------------------------------------

    @staticmethod
    def put_attestation(
        db: sqlite3.Connection,
        *,
        digest: bytes,
        data: bytes,
        kind: str,
        battery: str | None,
        subject: bytes | None,
        document_digest: bytes,
        created: int,
    ) -> None:
        db.execute(
            "INSERT INTO outbox "
            "(digest, data, kind, battery, subject, document_digest, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (digest, data, kind, battery, subject, document_digest, created),
        )

    _OUTBOX = (
        "SELECT number, digest, data, kind, battery, subject, document_digest, created, "
        "state, height, leaf_index, rule, winner, reason, receipted_at FROM outbox"
    )

    def attestation(self, digest: bytes) -> OutboxItem | None:
        row = self.connection.execute(f"{self._OUTBOX} WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else OutboxItem(*row)

    def attestations_of_document(self, document_digest: bytes) -> list[OutboxItem]:
        rows = self.connection.execute(
            f"{self._OUTBOX} WHERE document_digest = ? ORDER BY number", (document_digest,)
        )
        return [OutboxItem(*row) for row in rows]

    def attestations_of_battery(self, battery: str, kind: str) -> list[OutboxItem]:
        rows = self.connection.execute(
            f"{self._OUTBOX} WHERE battery = ? AND kind = ? ORDER BY number", (battery, kind)
        )
        return [OutboxItem(*row) for row in rows]

    def outbox(self, state: str, limit: int = 1000) -> list[OutboxItem]:
        """Own attestations in `state` without a receipt, oldest first."""
        rows = self.connection.execute(
            f"{self._OUTBOX} WHERE state = ? AND receipted_at IS NULL ORDER BY number LIMIT ?", (state, limit)
        )
        return [OutboxItem(*row) for row in rows]

    def outbox_counts(self) -> dict[str, int]:
        rows = self.connection.execute(
            "SELECT state, COUNT(*) AS n FROM outbox WHERE receipted_at IS NULL GROUP BY state"
        )
        return {row["state"]: int(row["n"]) for row in rows}

    # -- consignments --------------------------------------------------------------------------------

    def consignment(self, consignment_id: str) -> dict[str, Any] | None:
        row = self.connection.execute("SELECT * FROM consignments WHERE id = ?", (consignment_id,)).fetchone()
        return None if row is None else dict(row)

    def items(self, consignment_id: str) -> Iterator[tuple[int, int, str, bytes]]:
        """(line, seq, verdict, body) in line order."""
        rows = self.connection.execute(
            "SELECT line, seq, verdict, body FROM items WHERE consignment = ? ORDER BY line",
            (consignment_id,),
        )
        for row in rows:
            yield row["line"], row["seq"], row["verdict"], row["body"]
