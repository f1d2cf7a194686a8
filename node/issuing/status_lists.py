"""The status lists of this participant: places given away, bits raised, versions numbered and attested.

One list for each purpose, `revocation-1`, `suspension-1`, ...; a full one is followed by the next. Version n
is served until n+1 has its receipt (design.md 7). Methods with `db` run inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from consensus.cose import Signer
from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import Subject
from credentials.documents.issuer import issue_status_list
from credentials.documents.keys import did_web_url
from credentials.documents.status import BITS_MIN, PURPOSES
from credentials.ledger.attestation import StatusUpdate, status_subject
from node.issuing.statements import Batch, Statement, stamp
from node.storage.office import OfficeStore, StoredDocument


@dataclass(frozen=True, slots=True)
class StatusVersion:
    """One version of a list: its place in the order, its digest, and that of its attestation."""

    seq: int
    digest: bytes
    attestation: bytes


Attest = Callable[[Subject, int, StatusUpdate], Statement]


class StatusLists:
    """Bitstring status lists of one issuer; `attest` makes the ledger's statement about a version."""

    def __init__(
        self,
        did: str,
        signer: Signer,
        office: OfficeStore,
        attest: Attest,
        *,
        base_url: str | None = None,
        issuer_did: str | None = None,
        prefix: str = "",
    ) -> None:
        self._did = did
        self._issuer_did = issuer_did or did
        self._signer = signer
        self._office = office
        self._attest = attest
        self._prefix = prefix
        self.base_url = base_url or did_web_url(did).removesuffix("/did.json").removesuffix("/.well-known")

    def of_issuer(self, issuer_did: str, signer: Signer, prefix: str) -> StatusLists:
        """The lists of another issuer of this participant, attested alike."""
        return StatusLists(
            self._did,
            signer,
            self._office,
            self._attest,
            base_url=self.base_url,
            issuer_did=issuer_did,
            prefix=prefix,
        )

    def url(self, name: str) -> str:
        """The `id` of a status list: where outsiders find it."""
        return f"{self.base_url}/status/{name}"

    def served(self, name: str) -> bytes | None:
        """The digest of the version in force: the latest with a receipt; the first one before it has one."""
        row = self._office.connection.execute(
            "SELECT v.digest FROM status_versions v JOIN outbox o ON o.digest = v.attestation "
            "WHERE v.name = ? ORDER BY o.receipted_at IS NOT NULL DESC, "
            "CASE WHEN o.receipted_at IS NULL THEN v.seq ELSE -v.seq END LIMIT 1",
            (name,),
        ).fetchone()
        return None if row is None else bytes(row["digest"])

    def newest(self, name: str) -> bytes | None:
        """The digest of the newest version, in force or not yet."""
        row = self._office.connection.execute(
            "SELECT digest FROM status_versions WHERE name = ? ORDER BY seq DESC LIMIT 1", (name,)
        ).fetchone()
        return None if row is None else bytes(row["digest"])

    def version(self, name: str, seq: int) -> bytes | None:
        """The digest of version `seq`."""
        row = self._office.connection.execute(
            "SELECT digest FROM status_versions WHERE name = ? AND seq = ?", (name, seq)
        ).fetchone()
        return None if row is None else bytes(row["digest"])

    def versions(self, name: str) -> list[StatusVersion]:
        """Every version of a list, oldest first."""
        rows = self._office.connection.execute(
            "SELECT seq, digest, attestation FROM status_versions WHERE name = ? ORDER BY seq", (name,)
        ).fetchall()
        return [StatusVersion(row["seq"], row["digest"], row["attestation"]) for row in rows]

    def name_of(self, url: str) -> str | None:
        """The name of a list in the address of one of these lists, None for any other address."""
        name = url.removeprefix(f"{self.base_url}/status/")
        known = name != url and any(name.startswith(f"{self._prefix}{purpose}-") for purpose in PURPOSES)
        return name if known else None

    def names(self) -> dict[str, str]:
        """The current list for each purpose; a full list is followed by the next."""
        number = 1 + self.next_index() // BITS_MIN
        return {purpose: f"{self._prefix}{purpose}-{number}" for purpose in PURPOSES}

    def next_index(self) -> int:
        """The next place: one running number over all lists of a purpose."""
        row = self._office.connection.execute(
            "SELECT COALESCE(MAX(next_index), 0) AS n FROM status_lists WHERE name GLOB ?",
            (f"{self._prefix}{PURPOSES[0]}-*",),
        ).fetchone()
        return int(row["n"])

    def open(self, db: sqlite3.Connection, names: Mapping[str, str], batch: Batch) -> None:
        """Publish the first version of lists that do not exist yet."""
        for purpose, name in names.items():
            made = db.execute("SELECT 1 FROM status_lists WHERE name = ?", (name,)).fetchone()
            if made is None:
                db.execute("INSERT INTO status_lists (name, purpose) VALUES (?, ?)", (name, purpose))
                self._publish(db, name, purpose, batch)

    def take_index(self, db: sqlite3.Connection, names: Mapping[str, str], index: int) -> None:
        """The place `index` is given away."""
        for name in names.values():
            db.execute("UPDATE status_lists SET next_index = ? WHERE name = ?", (index + 1, name))

    def set_bit(
        self, db: sqlite3.Connection, purpose: str, index: int, *, raised: bool, batch: Batch
    ) -> None:
        """Raise or lower one bit; if that changes it, a new version of the list is published."""
        name = f"{self._prefix}{purpose}-{1 + index // BITS_MIN}"
        self.set_bit_of(db, name, purpose, index % BITS_MIN, raised=raised, batch=batch)

    def set_bit_of(
        self, db: sqlite3.Connection, name: str, purpose: str, place: int, *, raised: bool, batch: Batch
    ) -> None:
        """Raise or lower the bit at a place of the list called `name`."""
        if raised:
            done = db.execute("INSERT OR IGNORE INTO status_bits VALUES (?, ?)", (name, place)).rowcount
        else:
            done = db.execute("DELETE FROM status_bits WHERE name = ? AND place = ?", (name, place)).rowcount
        if done:
            self._publish(db, name, purpose, batch)

    def _publish(self, db: sqlite3.Connection, name: str, purpose: str, batch: Batch) -> None:
        """The next version of a list, with its attestation."""
        url = self.url(name)
        last = db.execute(
            "SELECT seq, digest FROM status_versions WHERE name = ? ORDER BY seq DESC LIMIT 1", (name,)
        ).fetchone()
        bits = [row["place"] for row in db.execute("SELECT place FROM status_bits WHERE name = ?", (name,))]
        document = issue_status_list(
            list_id=url,
            purpose=purpose,
            set_bits=bits,
            issuer_did=self._issuer_did,
            signer=self._signer,
            valid_from=stamp(batch.now),
            created=stamp(batch.now),
        )
        digest = digest_document(document)
        seq = 1 if last is None else last["seq"] + 1
        update = StatusUpdate(digest, purpose, seq, None if last is None else bytes(last["digest"]))
        statement = self._attest(status_subject(self._did, url), batch.now, update)
        batch.add(
            statement,
            StoredDocument(
                digest, "status_list", orjson.dumps(document), self._issuer_did, credential_id=url
            ),
        )
        db.execute("INSERT INTO status_versions VALUES (?, ?, ?, ?)", (name, seq, digest, statement.digest))
