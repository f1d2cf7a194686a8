"""Own attestations, and how far each came. What is in here was acknowledged, and is never lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from credentials.documents.canonical import b64u
from node.storage.audit import WHO, AuditTable
from node.storage.database import Database, Transaction, marks, parts


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


@dataclass(frozen=True, slots=True)
class Settled:
    """What the ledger says became of an attestation."""

    digest: bytes
    state: str  # admitted | claim | refused
    height: int
    leaf_index: int
    rule: str | None
    winner: int | None


class Receipted(NamedTuple):
    """One that has its receipt now."""

    digest: bytes
    document_digest: bytes
    kind: str
    battery: str | None
    state: str  # what became of it


_COLUMNS = (
    "number, digest, data, kind, battery, subject, document_digest, created, "
    "state, height, leaf_index, rule, winner, reason, receipted_at"
)


class OutboxTable:
    """Attestations of this participant, oldest first."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(
        db: Transaction,
        *,
        digest: bytes,
        data: bytes,
        kind: str,
        battery: str | None,
        subject: bytes | None,
        document_digest: bytes,
        created: int,
    ) -> None:
        """A new attestation, to be sent; the audit says who made it."""
        AuditTable.put(db, created, WHO.get(), kind, battery or b64u(document_digest), ref=digest)
        db.execute(
            "INSERT INTO outbox "
            "(digest, data, kind, battery, subject, document_digest, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (digest, data, kind, battery, subject, document_digest, created),
        )

    @staticmethod
    def adopt(db: Transaction, item: OutboxItem) -> None:
        """One of ours that the ledger knows and this office does not: kept as it is on the ledger."""
        db.execute(
            "INSERT OR IGNORE INTO outbox (digest, data, kind, battery, subject, document_digest, created, "
            f"state, height, leaf_index, rule, winner) VALUES ({marks(12)})",
            (
                *(item.digest, item.data, item.kind, item.battery, item.subject, item.document_digest),
                *(item.created, item.state, item.height, item.leaf_index, item.rule, item.winner),
            ),
        )

    @staticmethod
    def settle(db: Transaction, outcomes: Iterable[Settled]) -> None:
        """What became of attestations."""
        db.executemany(
            "UPDATE outbox SET state = ?, height = ?, leaf_index = ?, rule = ?, winner = ? WHERE digest = ?",
            [(o.state, o.height, o.leaf_index, o.rule, o.winner, o.digest) for o in outcomes],
        )

    @staticmethod
    def drop(db: Transaction, dropped: Iterable[tuple[bytes, str, str]]) -> None:
        """(digest, rule, reason) of attestations that no pool will take."""
        db.executemany(
            "UPDATE outbox SET state = 'dropped', rule = ?, reason = ? WHERE digest = ? AND state = 'outbox'",
            [(rule, reason, digest) for digest, rule, reason in dropped],
        )

    def has_below(self, size: int) -> bool:
        """Whether anything below a cosigned size is without a receipt: asked often, and written seldom."""
        row = self._db.connection.execute(
            "SELECT 1 FROM outbox WHERE receipted_at IS NULL AND leaf_index < ? LIMIT 1", (size,)
        ).fetchone()
        return row is not None

    @staticmethod
    def receipt(db: Transaction, size: int, now: int, limit: int) -> list[Receipted]:
        """Note those below a cosigned size as receipted, up to `limit`; which."""
        found = db.execute(
            "UPDATE outbox SET receipted_at = ? WHERE number IN ("
            "SELECT number FROM outbox WHERE receipted_at IS NULL AND leaf_index < ? LIMIT ?) "
            "RETURNING digest, document_digest, kind, battery, state",
            (now, size, limit),
        )
        return [Receipted(*row) for row in found.fetchall()]

    def get(self, digest: bytes) -> OutboxItem | None:
        found = self._where("digest = ?", (digest,))
        return found[0] if found else None

    def get_many(self, digests: Sequence[bytes]) -> dict[bytes, OutboxItem]:
        """Those of `digests` that are ours, by digest."""
        found: dict[bytes, OutboxItem] = {}
        for part in parts(digests):
            found.update((i.digest, i) for i in self._where(f"digest IN ({marks(len(part))})", part))
        return found

    def lost_publications(self, kinds: Sequence[str]) -> list[tuple[bytes, bytes]]:
        """(standing key, digest of the passport) of ours that came back from the ledger without a record."""
        rows = self._db.connection.execute(
            "SELECT subject, document_digest FROM outbox WHERE battery IS NULL AND state = 'admitted' "
            f"AND kind IN ({marks(len(kinds))}) AND digest NOT IN (SELECT published FROM issuances)",
            kinds,
        )
        return [(row["subject"], row["document_digest"]) for row in rows]

    def of_document(self, document_digest: bytes) -> list[OutboxItem]:
        return self._where("document_digest = ? ORDER BY number", (document_digest,))

    def of_documents(self, digests: Sequence[bytes]) -> list[OutboxItem]:
        """What is about these documents; of one document in the order in which it was signed."""
        return [
            item
            for part in parts(digests)
            for item in self._where(f"document_digest IN ({marks(len(part))}) ORDER BY number", part)
        ]

    def of_battery(self, battery: str, *kinds: str) -> list[OutboxItem]:
        among = f"battery = ? AND kind IN ({marks(len(kinds))}) ORDER BY number"
        return self._where(among, (battery, *kinds))

    def presented_by_day(self, since: int, until: int) -> list[tuple[int, int]]:
        """(first second of a UTC day, how many own presentations of batteries of then are on record)."""
        among = "kind = 'battery.presented' AND created >= ? AND created < ? AND state = 'admitted'"
        rows = self._db.connection.execute(
            f"SELECT created / 86400 * 86400 AS day, COUNT(*) AS n FROM outbox WHERE {among} GROUP BY day",
            (since, until),
        )
        return [(int(row["day"]), int(row["n"])) for row in rows]

    def under_way(self, battery: str) -> bool:
        """True if an attestation about this battery is neither final nor given up."""
        return bool(self._where("battery = ? AND state = 'outbox' LIMIT 1", (battery,)))

    @staticmethod
    def cancel(db: Transaction, digest: bytes) -> bool:
        """Send it no more; False if it was final, or given up, already."""
        state = "UPDATE outbox SET state = 'cancelled' WHERE digest = ? AND state = 'outbox'"
        return db.execute(state, (digest,)).rowcount == 1

    def waiting(self, state: str, limit: int = 1000, after: int = 0) -> list[OutboxItem]:
        """Those in `state` without a receipt, oldest first; `after`: with a higher number."""
        condition = "state = ? AND receipted_at IS NULL AND number > ? ORDER BY number LIMIT ?"
        return self._where(condition, (state, after, limit))

    def leaves_known(self) -> int:
        """Up to how many leaves of the log something of ours is known to stand."""
        row = self._db.connection.execute(
            "SELECT COALESCE(MAX(leaf_index) + 1, 0) AS n FROM outbox"
        ).fetchone()
        return int(row["n"])

    def counts(self) -> dict[str, int]:
        """How many without a receipt, by state."""
        rows = self._db.connection.execute(
            "SELECT state, COUNT(*) AS n FROM outbox WHERE receipted_at IS NULL GROUP BY state"
        )
        return {row["state"]: int(row["n"]) for row in rows}

    def _where(self, condition: str, values: Sequence[object]) -> list[OutboxItem]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM outbox WHERE {condition}", values)
        return [OutboxItem(*row) for row in rows]
