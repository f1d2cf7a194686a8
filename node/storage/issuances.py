"""Passports this participant issued: by digest, by battery and claims, by idempotency key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from node.storage.database import Database, Transaction, marks
from node.storage.found_by import PASSPORTS, WordTable

NUMBER_MAX = 1 << 53


@dataclass(frozen=True, slots=True)
class Issuance:
    """One passport of ours. Its attestations are in the outbox, its credentials among the documents."""

    number: int  # in order of issuing; 0 before it is stored
    digest: bytes  # of the set list
    battery: str
    version: int
    category: str
    claims_digest: bytes
    idempotency_key: str | None
    signed_at: int
    published: bytes  # digest of the attestation
    produced: bytes | None  # the same for the battery's production, if it came with this passport
    status_index: int  # over all lists of a purpose


_COLUMNS = (
    "number, digest, battery, version, category, claims_digest, idempotency_key, "
    "signed_at, published, produced, status_index"
)


_VALUES = attrgetter(*_COLUMNS.split(", ")[1:])


class IssuanceTable:
    """What was issued, in order."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._words = WordTable(database, PASSPORTS)

    @staticmethod
    def put(db: Transaction, issuance: Issuance) -> int:
        """Store it; its number."""
        made = db.execute(f"INSERT INTO issuances ({_COLUMNS}) VALUES (NULL, {marks(10)})", _VALUES(issuance))
        assert made.lastrowid is not None, "a row was made"
        return made.lastrowid

    def put_words(self, db: Transaction, found_by: Iterable[tuple[int, str]]) -> None:
        """What those with these numbers are found by: of a whole batch together.

        Behind a savepoint the full-text index writes what it holds to its file: for each passport a piece of
        its own, and all of them merged again.
        """
        for number, text in found_by:
            self._words.put(db, number, text)

    def get(self, digest: bytes) -> Issuance | None:
        return self._one("digest = ?", (digest,))

    def published_by(self, attestation: bytes) -> Issuance | None:
        """The passport that this attestation publishes."""
        return self._one("published = ?", (attestation,))

    def with_key(self, idempotency_key: str) -> Issuance | None:
        """The latest that was asked for with this key."""
        return self._one("idempotency_key = ? ORDER BY number DESC LIMIT 1", (idempotency_key,))

    def with_claims(self, battery: str, claims_digest: bytes) -> Issuance | None:
        """The latest with these claims: what gave way did so to one with the same."""
        return self._one("battery = ? AND claims_digest = ? AND gave_way = 0", (battery, claims_digest))

    def newest_of(self, battery: str) -> Issuance | None:
        """The latest of this battery that did not give way."""
        return self._one("battery = ? AND gave_way = 0 ORDER BY number DESC LIMIT 1", (battery,))

    def standing_ones(self, begins: str, job: int | None, after: int, limit: int) -> list[Issuance]:
        """The newest of each battery whose code begins so, of those in this job; from behind a number."""
        upto, of_job = begins + chr(0x10FFFF), "battery IN (SELECT battery FROM job_rows WHERE job = ?) AND "
        also, values = ("", ()) if job is None else (of_job, (job,))
        return self._where(
            f"{also}battery >= ? AND battery < ? AND number > ? AND gave_way = 0 AND NOT EXISTS "
            "(SELECT 1 FROM issuances later WHERE later.battery = issuances.battery AND later.gave_way = 0 "
            "AND later.number > issuances.number) ORDER BY number LIMIT ?",
            (*values, begins, upto, after, limit),
        )

    @staticmethod
    def give_way(db: Transaction, number: int) -> None:
        """Of this one nothing came: the same claims are issued again, in this transaction."""
        db.execute("UPDATE issuances SET gave_way = 1 WHERE number = ?", (number,))

    def of_subject(self, subject: bytes) -> list[Issuance]:
        """Our passports of the battery with this standing key, oldest first."""
        return self._where(
            "published IN (SELECT digest FROM outbox WHERE subject = ?) ORDER BY number", (subject,)
        )

    def subjects(self) -> list[bytes]:
        """The standing keys of all batteries that we issued a passport of."""
        published = "digest IN (SELECT published FROM issuances)"
        rows = self._db.connection.execute(
            f"SELECT DISTINCT subject FROM outbox WHERE subject IS NOT NULL AND {published}"
        )
        return [bytes(row["subject"]) for row in rows]

    def page(self, limit: int, before: int | None, words: Sequence[str] = ()) -> list[Issuance]:
        """Newest first, of those with a smaller number than `before`, and with all these words."""
        if words:
            found = self._words.newest(words, limit, before)
            return self._where(f"number IN ({marks(len(found))}) ORDER BY number DESC", found)
        above = before if before is not None else NUMBER_MAX
        return self._where("number < ? ORDER BY number DESC LIMIT ?", (above, limit))

    def _one(self, condition: str, values: Sequence[object]) -> Issuance | None:
        found = self._where(condition, values)
        return found[0] if found else None

    def _where(self, condition: str, values: Sequence[object]) -> list[Issuance]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM issuances WHERE {condition}", values)
        return [Issuance(*row) for row in rows]
