"""Status lists as rows: places given away, bits raised, versions in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class ListVersion:
    """One version of a list: its place in the order, its digest, and that of its attestation."""

    seq: int
    digest: bytes
    attestation: bytes


class StatusTable:
    """The lists of all issuers of this participant, by name."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def served(self, name: str) -> bytes | None:
        """The digest of the version in force: the latest with a receipt; the first one before it has one."""
        row = self._db.connection.execute(
            "SELECT v.digest FROM status_versions v JOIN outbox o ON o.digest = v.attestation "
            "WHERE v.name = ? AND o.state IN ('outbox', 'admitted') "
            "ORDER BY o.receipted_at IS NOT NULL DESC, "
            "CASE WHEN o.receipted_at IS NULL THEN v.seq ELSE -v.seq END LIMIT 1",
            (name,),
        ).fetchone()
        return None if row is None else bytes(row["digest"])

    def withheld(self, name: str) -> bool:
        """Whether the list must not be served: its bits on the ledger are not known here."""
        row = self._db.connection.execute(
            "SELECT 1 FROM status_lists WHERE name = ? AND withheld IS NOT NULL", (name,)
        ).fetchone()
        return row is not None

    def versions(self, name: str) -> list[ListVersion]:
        """Every version of a list, oldest first."""
        rows = self._db.connection.execute(
            "SELECT seq, digest, attestation FROM status_versions WHERE name = ? ORDER BY seq", (name,)
        )
        return [ListVersion(*row) for row in rows]

    def version(self, name: str, seq: int) -> ListVersion | None:
        row = self._db.connection.execute(
            "SELECT seq, digest, attestation FROM status_versions WHERE name = ? AND seq = ?", (name, seq)
        ).fetchone()
        return None if row is None else ListVersion(*row)

    def newest(self, name: str) -> ListVersion | None:
        """The newest version, in force or not yet."""
        row = self._db.connection.execute(
            "SELECT seq, digest, attestation FROM status_versions WHERE name = ? ORDER BY seq DESC LIMIT 1",
            (name,),
        ).fetchone()
        return None if row is None else ListVersion(*row)

    def next_index(self, names_begin: str) -> int:
        """The running number of the next place over all lists whose names begin so."""
        row = self._db.connection.execute(
            "SELECT COALESCE(MAX(next_index), 0) AS n FROM status_lists WHERE name GLOB ?",
            (f"{names_begin}*",),
        ).fetchone()
        return int(row["n"])

    def bits(self, name: str) -> list[int]:
        """The places raised in a list."""
        rows = self._db.connection.execute("SELECT place FROM status_bits WHERE name = ?", (name,))
        return [row["place"] for row in rows]

    def raised(self, name: str, place: int) -> bool:
        """Whether one bit is raised."""
        row = self._db.connection.execute(
            "SELECT 1 FROM status_bits WHERE name = ? AND place = ?", (name, place)
        ).fetchone()
        return row is not None

    def raised_of_nobody(self, purpose: str, size: int) -> int:
        """How many bits are raised in lists called `purpose`-..., of `size` places, at places of no passport
        that is known here. A list's number follows from how many places were counted at its newest.
        """
        row = self._db.connection.execute(
            "SELECT COUNT(*) AS n FROM status_bits JOIN status_lists USING (name) WHERE name GLOB ? AND "
            "(next_index - 1) / ? * ? + place NOT IN (SELECT status_index FROM issuances)",
            (f"{purpose}-*", size, size),
        ).fetchone()
        return int(row["n"])

    @staticmethod
    def open(db: Transaction, name: str, purpose: str) -> bool:
        """Begin a list; False if it exists."""
        row = (name, purpose)
        return bool(
            db.execute("INSERT OR IGNORE INTO status_lists (name, purpose) VALUES (?, ?)", row).rowcount
        )

    @staticmethod
    def count(db: Transaction, names: Iterable[str], next_index: int) -> None:
        """Places below the running number `next_index` are given away, the last of them in these lists."""
        db.executemany(
            "UPDATE status_lists SET next_index = ? WHERE name = ?", [(next_index, name) for name in names]
        )

    @staticmethod
    def set_bit(db: Transaction, name: str, place: int, *, raised: bool) -> bool:
        """Raise or lower one bit; whether that changed it."""
        statement = (
            "INSERT OR IGNORE INTO status_bits VALUES (?, ?)"
            if raised
            else "DELETE FROM status_bits WHERE name = ? AND place = ?"
        )
        return bool(db.execute(statement, (name, place)).rowcount)

    @staticmethod
    def reserve(db: Transaction, name: str, purpose: str, next_index: int) -> None:
        """A list that exists on the ledger; its places below `next_index` may have been given away."""
        db.execute(
            "INSERT INTO status_lists (name, purpose, next_index) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET next_index = MAX(next_index, excluded.next_index)",
            (name, purpose, next_index),
        )

    @staticmethod
    def withhold(db: Transaction, name: str, reason: str | None) -> None:
        """Serve a list no more, or again."""
        db.execute("UPDATE status_lists SET withheld = ? WHERE name = ?", (reason, name))

    @staticmethod
    def forget_after(db: Transaction, name: str, seq: int) -> None:
        """Versions after `seq` are not the ledger's."""
        db.execute("DELETE FROM status_versions WHERE name = ? AND seq > ?", (name, seq))

    @staticmethod
    def set_bits(db: Transaction, name: str, places: Iterable[int]) -> None:
        """Exactly these places are raised."""
        db.execute("DELETE FROM status_bits WHERE name = ?", (name,))
        db.executemany("INSERT INTO status_bits VALUES (?, ?)", [(name, place) for place in places])

    @staticmethod
    def put_version(db: Transaction, name: str, version: ListVersion) -> None:
        row = (name, version.seq, version.digest, version.attestation)
        db.execute("INSERT INTO status_versions VALUES (?, ?, ?, ?)", row)
