"""Documents by their digest: own ones and fetched ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

from credentials.documents.canonical import b64u
from node.storage.database import Damaged, Database, Transaction, marks, parts
from node.storage.rests_on import DOCUMENT, UNREAD, hasten


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


_COLUMNS = "digest, kind, body, issuer, battery, point, set_digest, credential_id, fetched_at"


class DocumentTable:
    """What a participant signed or was given."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.damaged = False  # once something was read that is not what was written

    @staticmethod
    def put(db: Transaction, documents: Iterable[StoredDocument]) -> None:
        """Keep documents; a digest already held keeps its first copy, with the newer fetch time.

        The lines that were judged without them are judged again.
        """
        documents = list(documents)
        db.executemany(
            f"INSERT INTO documents ({_COLUMNS}, crc) VALUES ({marks(10)}) "
            "ON CONFLICT (digest) DO UPDATE SET fetched_at = excluded.fetched_at "
            "WHERE documents.fetched_at IS NOT NULL",
            [
                (
                    *(d.digest, d.kind, d.body, d.issuer, d.battery),
                    *(d.point, d.set_digest, d.credential_id, d.fetched_at, crc32(d.body)),
                )
                for d in documents
            ],
        )
        hasten(db, DOCUMENT, [d.digest for d in documents], 1)
        fetched = [(d.issuer, d.fetched_at) for d in documents if d.fetched_at is not None]
        for issuer, at in dict(fetched).items():
            hasten(db, UNREAD, [issuer], at)

    def get(self, digest: bytes) -> StoredDocument | None:
        found = self._where("digest = ?", (digest,))
        return found[0] if found else None

    def get_many(self, digests: Sequence[bytes]) -> dict[bytes, StoredDocument]:
        """Those of `digests` that are held, by digest."""
        found: dict[bytes, StoredDocument] = {}
        for part in parts(digests):
            found.update((d.digest, d) for d in self._where(f"digest IN ({marks(len(part))})", part))
        return found

    def without_bodies(self, digests: Sequence[bytes]) -> dict[bytes, StoredDocument]:
        """Those of `digests` that are held, by digest: what each is and whose, not what it says."""
        columns = _COLUMNS.replace("body", "x''")
        found: dict[bytes, StoredDocument] = {}
        for part in parts(digests):
            rows = self._db.connection.execute(
                f"SELECT {columns} FROM documents WHERE digest IN ({marks(len(part))})", part
            )
            found.update((row["digest"], StoredDocument(*row)) for row in rows)
        return found

    def fetched_times(self, digests: Sequence[bytes]) -> dict[bytes, int | None]:
        """When those of `digests` that are held were fetched, without their bodies; None: our own."""
        found: dict[bytes, int | None] = {}
        for part in parts(digests):
            rows = self._db.connection.execute(
                f"SELECT digest, fetched_at FROM documents WHERE digest IN ({marks(len(part))})", part
            )
            found.update((row["digest"], row["fetched_at"]) for row in rows)
        return found

    def with_id(self, credential_id: str) -> list[StoredDocument]:
        """The credentials with this `id`."""
        return self._where("credential_id = ?", (credential_id,))

    def of_set(self, set_digest: bytes) -> list[StoredDocument]:
        """The credentials of a passport that are held, by Annex XIII point."""
        return self._where("set_digest = ? ORDER BY point", (set_digest,))

    def digests_of_sets(self, set_digests: Sequence[bytes]) -> dict[bytes, dict[int, bytes]]:
        """{set: {point: digest}} for many passports at once, without their bodies."""
        found: dict[bytes, dict[int, bytes]] = {digest: {} for digest in set_digests}
        for part in parts(set_digests):
            rows = self._db.connection.execute(
                f"SELECT set_digest, point, digest FROM documents WHERE set_digest IN ({marks(len(part))}) "
                "ORDER BY point",
                part,
            )
            for row in rows:
                found[row["set_digest"]][row["point"]] = row["digest"]
        return found

    def _where(self, condition: str, values: Sequence[object]) -> list[StoredDocument]:
        """Damaged where one of them is not what was written: whose it is would be blamed for it."""
        rows = self._db.connection.execute(f"SELECT crc, {_COLUMNS} FROM documents WHERE {condition}", values)
        found = [(crc, StoredDocument(*row)) for crc, *row in rows]
        for crc, document in found:
            if crc32(document.body) != crc:
                self.damaged = True
                told = b64u(document.digest)
                raise Damaged(f"office.db is damaged: the document {told} is not what was written")
        return [document for _, document in found]
