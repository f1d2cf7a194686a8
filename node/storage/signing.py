"""`signing.db`: what this validator signed. Consensus WAL and guards, on disk before anything is sent.

Never backed up and never restored: putting an old guard back is how a validator signs twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consensus.events import Guard
from consensus.wal import position
from node.errors import SetupError
from node.storage.database import Damaged, Database, Transaction, marks
from node.storage.schema_steps import SIGNING, SUMMED, summed

GUARDS_KEPT = 4  # heights whose guards stay; `highest` outlives them
FORKED = "forked"  # the reason that two blocks were decided at a height: `Withheld.height`


class GuardError(AssertionError):
    """This validator was about to sign a second, different statement: the node stops instead."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """What peers showed that this validator signed, and its own database does not know."""

    reason: str
    height: int  # of the highest vote shown
    size: int  # of the largest checkpoint shown


class SigningStore:
    """Guards and the consensus WAL: on disk before anything is on the wire."""

    def __init__(self, path: Path) -> None:
        damaged = (
            f"{path} is damaged: what this validator signed cannot be known from it. Move it away, start the "
            "node, and follow what it says about voting"
        )
        try:
            self._db = Database(path, SIGNING)
        except Damaged as error:
            raise SetupError(damaged) from error
        try:
            found = self._db.connection.execute("PRAGMA quick_check").fetchone()[0]
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self.close()
            raise SetupError(damaged) from error
        if found != "ok" or not self._is_whole():
            self.close()
            raise SetupError(damaged)

    def _is_whole(self) -> bool:
        """Whether every row is what was written; PRAGMA quick_check looks at none of them."""
        return all(
            summed(*values) == crc
            for table, columns in SUMMED.items()
            for *values, crc in self._db.connection.execute(f"SELECT {columns}, crc FROM {table}")
        )

    def bind(self, name: str, value: bytes) -> bytes:
        """Remember `value` under `name` at first use; afterwards the first value is what is returned."""
        return self._db.bind(name, value)

    def close(self) -> None:
        self._db.close()

    def persist(self, height: int, records: Sequence[tuple[bytes, Guard]]) -> None:
        """Append WAL records of `height`; a guard taken by another record raises `GuardError`."""
        with self._db.writing() as db:
            for record, guard in records:
                taken = _taken(db, guard)
                if taken is None:
                    _put(db, "guard", *guard, record)
                    _put_one(db, "highest", *guard)
                    _put(db, "wal", height, record)
                elif taken != record:
                    raise GuardError(
                        f"another {guard[2]} of height {guard[0]} round {guard[1]} was already signed"
                    )

    def guard_once(self, guard: Guard, record: bytes) -> bytes:
        """Take a guard that is later than every one before, for `record`; what it was taken for, if it was.

        For an engine that asks again after a restart and is given the same answer. An earlier guard that is
        forgotten, or was never taken, raises `GuardError`: what was signed there cannot be known any more.
        """
        with self._db.writing() as db:
            if (taken := _taken(db, guard)) is not None:
                return taken
            last = db.execute("SELECT height, round, kind FROM highest").fetchone()
            # A validator signs forwards only.
            if last is not None and position(guard) <= position(tuple(last)):
                raise GuardError(
                    f"a {last['kind']} of height {last['height']} round {last['round']} was signed, and "
                    f"{guard[2]} of height {guard[0]} round {guard[1]} is not later"
                )
            _put(db, "guard", *guard, record)
            _put_one(db, "highest", *guard)
            if last is not None and last["height"] < guard[0]:
                db.execute("DELETE FROM guard WHERE height < ?", (guard[0] - GUARDS_KEPT,))
        return record

    def wal(self, height_min: int) -> list[bytes]:
        """Records written while working on `height_min` or later, in order."""
        rows = self._db.connection.execute(
            "SELECT record FROM wal WHERE height >= ? ORDER BY seq", (height_min,)
        )
        return [row["record"] for row in rows]

    def prune(self, height_below: int) -> None:
        """Forget WAL records and guards of heights decided long ago."""
        with self._db.writing() as db:
            db.execute("DELETE FROM wal WHERE height < ?", (height_below,))
            db.execute("DELETE FROM guard WHERE height < ?", (height_below,))

    def highest(self) -> Guard | None:
        """The last guard that was taken; it outlives `prune`."""
        row = self._db.connection.execute("SELECT height, round, kind FROM highest").fetchone()
        return None if row is None else (row["height"], row["round"], row["kind"])

    def withheld(self) -> Withheld | None:
        """Why this validator does not vote, if peers showed it signatures that this database lacks."""
        row = self._db.connection.execute("SELECT reason, height, size FROM withheld").fetchone()
        return None if row is None else Withheld(*row)

    def withhold(self, withheld: Withheld) -> None:
        """Remember that this validator must not vote; the highest heights and sizes shown are kept."""
        with self._db.writing() as db:
            before = db.execute("SELECT height, size FROM withheld").fetchone() or (0, 0)
            height, size = max(withheld.height, before[0]), max(withheld.size, before[1])
            _put_one(db, "withheld", withheld.reason, height, size)

    def allow_vote(self) -> tuple[int, int]:
        """Let the validator vote above what it was shown; (first height, first size to cosign)."""
        with self._db.writing() as db:
            shown = db.execute("SELECT height, size FROM withheld").fetchone() or (0, 0)
            before = db.execute("SELECT height, size FROM allowed").fetchone() or (0, 0)
            allowed = max(shown[0] + 1, before[0]), max(shown[1] + 1, before[1])
            _put_one(db, "allowed", *allowed)
            db.execute("DELETE FROM withheld")
        return allowed

    def allowed(self) -> tuple[int, int]:
        """The first height to vote at and the first size to cosign."""
        row = self._db.connection.execute("SELECT height, size FROM allowed").fetchone()
        return (0, 0) if row is None else (row["height"], row["size"])

    def epoch(self) -> bytes | None:
        """The token that was last agreed on with office.db."""
        row = self._db.connection.execute("SELECT token FROM epoch").fetchone()
        return None if row is None else bytes(row["token"])

    def begin_epoch(self, token: bytes) -> None:
        with self._db.writing() as db:
            db.execute("INSERT OR REPLACE INTO epoch VALUES (1, ?)", (token,))

    def last_cosigned(self) -> tuple[int, bytes, int] | None:
        """(size, root, time) of the newest checkpoint this validator cosigned."""
        row = self._db.connection.execute("SELECT size, root, time FROM cosign_guard").fetchone()
        return None if row is None else (row["size"], row["root"], row["time"])

    def guard_cosignature(self, size: int, root: bytes, time: int) -> None:
        """Allow growth, or the same size and root with a later time; anything else raises `GuardError`."""
        with self._db.writing() as db:
            last = db.execute("SELECT size, root, time FROM cosign_guard").fetchone()
            if last is not None:
                grows = size > last["size"]
                repeats = size == last["size"] and root == last["root"] and time >= last["time"]
                if not (grows or repeats):
                    raise GuardError(
                        f"a checkpoint of size {last['size']} was cosigned; size {size} would contradict it"
                    )
            _put_one(db, "cosign_guard", size, root, time)


def _taken(db: Transaction, guard: Guard) -> bytes | None:
    """What a guard was taken for."""
    row = db.execute("SELECT record FROM guard WHERE height = ? AND round = ? AND kind = ?", guard).fetchone()
    return None if row is None else bytes(row["record"])


def _put(db: Transaction, table: str, *values: int | str | bytes) -> None:
    """One more row, with its sum; a guard that is there already is an error."""
    row = (*values, summed(*values))
    db.execute(f"INSERT INTO {table} ({SUMMED[table]}, crc) VALUES ({marks(len(row))})", row)


def _put_one(db: Transaction, table: str, *values: int | str | bytes) -> None:
    """The one row of a table, in place of what it was."""
    row = (1, *values, summed(*values))
    db.execute(f"INSERT OR REPLACE INTO {table} (id, {SUMMED[table]}, crc) VALUES ({marks(len(row))})", row)
