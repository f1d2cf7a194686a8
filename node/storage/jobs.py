"""Jobs over many rows, the rows as they were sent with what became of each, and models of passports.

A row changes its state in the transaction in which what it asks for is stored, so a process that was killed
goes on with the rows that are still `waiting`. Of jobs that ended `JOBS_KEPT` stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.storage.database import Database, Transaction, marks, parts

JOBS_KEPT = 500
MODELS_MAX = 1_000
READING, QUEUED, DONE, STOPPED = "reading", "queued", "done", "stopped"
WAITING, REFUSED = "waiting", "refused"  # of a row; else what it came to


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job. `state`: reading (its rows are being stored), queued, done or stopped."""

    number: int
    id: str
    kind: str
    name: str  # of the sheet
    client: str  # in whose share
    key: str | None  # by which whoever sent it knows it again
    asked: bytes  # SHA-256 of all that was sent
    spec: bytes  # JSON: how its rows are read
    state: str
    rows: int
    created: int
    ended: int | None


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One row of a job. `state`: waiting, refused, or what it came to; `problem`: JSON in each language."""

    row: int  # from 1
    line: int  # of the file on which it begins
    data: bytes
    state: str
    battery: str | None
    digest: bytes | None  # of what was made of it
    problem: bytes | None


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row."""

    row: int
    state: str
    battery: str | None = None
    digest: bytes | None = None
    problem: bytes | None = None


_JOB = "number, id, kind, name, client, key, asked, spec, state, rows, created, ended"
_ROW = "row, line, data, state, battery, digest, problem"


class JobTable:
    """Jobs in the order in which they came."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- jobs ----------------------------------------------------------------------------------------

    @staticmethod
    def begin(db: Transaction, job: JobRow) -> int:
        """A job whose rows are still to come; its number."""
        made = db.execute(
            f"INSERT INTO jobs ({_JOB}) VALUES (NULL, {marks(11)})",
            (
                *(job.id, job.kind, job.name, job.client, job.key, job.asked, job.spec, READING),
                *(0, job.created, None),
            ),
        )
        assert made.lastrowid is not None, "a row was made"
        return made.lastrowid

    @staticmethod
    def add(db: Transaction, number: int, rows: Iterable[tuple[int, int, bytes]]) -> None:
        """(row, line of the file, data) of rows that wait."""
        db.executemany(
            "INSERT INTO job_rows (job, row, line, data, state) VALUES (?, ?, ?, ?, ?)",
            ((number, row, line, data, WAITING) for row, line, data in rows),
        )

    @staticmethod
    def queue(db: Transaction, number: int, rows: int) -> None:
        """All its rows are here."""
        db.execute("UPDATE jobs SET state = ?, rows = ? WHERE number = ?", (QUEUED, rows, number))

    @staticmethod
    def end(db: Transaction, number: int, state: str, now: int) -> bool:
        """Done or stopped; False if it had ended before."""
        values = (state, now, number, QUEUED)
        return (
            db.execute("UPDATE jobs SET state = ?, ended = ? WHERE number = ? AND state = ?", values).rowcount
            > 0
        )

    @staticmethod
    def drop_unread(db: Transaction) -> None:
        """Jobs of which not all rows came: whoever sent them was not told that they are here."""
        db.execute("DELETE FROM job_rows WHERE job IN (SELECT number FROM jobs WHERE state = ?)", (READING,))
        db.execute("DELETE FROM jobs WHERE state = ?", (READING,))

    @staticmethod
    def drop(db: Transaction, number: int) -> None:
        """One of which not all rows came."""
        db.execute("DELETE FROM job_rows WHERE job = ?", (number,))
        db.execute("DELETE FROM jobs WHERE number = ?", (number,))

    @staticmethod
    def forget_old(db: Transaction) -> None:
        """Of those that ended the newest stay; what was made of their rows is no part of them.

        Whoever has most of them gives way: nobody's results go because somebody else has many jobs.
        """
        old = (
            "SELECT number FROM jobs WHERE ended IS NOT NULL "
            "ORDER BY ROW_NUMBER() OVER (PARTITION BY client ORDER BY number DESC), number DESC "
            "LIMIT -1 OFFSET ?"
        )
        db.execute(f"DELETE FROM job_rows WHERE job IN ({old})", (JOBS_KEPT,))
        db.execute(f"DELETE FROM jobs WHERE number IN ({old})", (JOBS_KEPT,))

    def get(self, id: str) -> JobRow | None:
        found = self._jobs("id = ?", (id,))
        return found[0] if found else None

    def with_key(self, client: str, key: str) -> JobRow | None:
        """The one that this client sent with this key."""
        found = self._jobs("client = ? AND key = ? AND state != ?", (client, key, READING))
        return found[0] if found else None

    def oldest_queued(self) -> dict[str, JobRow]:
        """Of each client the oldest that is under way or waits."""
        oldest = "SELECT MIN(number) FROM jobs WHERE state = ? GROUP BY client"
        return {job.client: job for job in self._jobs(f"number IN ({oldest})", (QUEUED,))}

    def queued_of(self, client: str) -> int:
        """How many of this client are under way or wait."""
        of = "SELECT COUNT(*) FROM jobs WHERE state = ? AND client = ?"
        return int(self._db.connection.execute(of, (QUEUED, client)).fetchone()[0])

    def page(self, limit: int, before: int | None) -> list[JobRow]:
        """Newest first, of those with a smaller number than `before`."""
        above = before if before is not None else 1 << 53
        return self._jobs("number < ? AND state != ? ORDER BY number DESC LIMIT ?", (above, READING, limit))

    def _jobs(self, condition: str, values: Sequence[object]) -> list[JobRow]:
        rows = self._db.connection.execute(f"SELECT {_JOB} FROM jobs WHERE {condition}", values)
        return [JobRow(*row) for row in rows]

    # -- rows ----------------------------------------------------------------------------------------

    @staticmethod
    def settle(db: Transaction, number: int, results: Iterable[RowResult]) -> None:
        """What became of rows."""
        db.executemany(
            "UPDATE job_rows SET state = ?, battery = ?, digest = ?, problem = ? WHERE job = ? AND row = ?",
            [(one.state, one.battery, one.digest, one.problem, number, one.row) for one in results],
        )

    def waiting(self, number: int, limit: int) -> list[SheetLine]:
        """The next rows of a job."""
        return self._rows("job = ? AND state = ? ORDER BY row LIMIT ?", (number, WAITING, limit))

    def lines(self, number: int, limit: int, offset: int, state: str | None = None) -> list[SheetLine]:
        """Rows in their order, all or those in one state, from the one after row `offset`."""
        if state is None:
            return self._rows("job = ? AND row > ? ORDER BY row LIMIT ?", (number, offset, limit))
        condition = "job = ? AND state = ? AND row > ? ORDER BY row LIMIT ?"
        return self._rows(condition, (number, state, offset, limit))

    def passports(self, number: int, limit: int, after: int) -> list[tuple[int, bytes]]:
        """(row, digest) of rows with a passport, from the one after row `after`: so many at most."""
        rows = self._db.connection.execute(
            "SELECT row, digest FROM job_rows WHERE job = ? AND row > ? AND digest IS NOT NULL "
            "ORDER BY row LIMIT ?",
            (number, after, limit),
        )
        return [(row["row"], bytes(row["digest"])) for row in rows]

    def first_with(self, number: int, battery: str, digest: bytes | None = None) -> int | None:
        """The first row of a job that is about this battery, or about this statement of it."""
        of_it = "" if digest is None else " AND digest = ?"
        values = (number, battery) if digest is None else (number, battery, digest)
        found = self._db.connection.execute(
            f"SELECT MIN(row) AS row FROM job_rows WHERE job = ? AND battery = ?{of_it}", values
        ).fetchone()
        return None if found["row"] is None else int(found["row"])

    def counts(self, number: int) -> dict[str, int]:
        """How many rows by state."""
        rows = self._db.connection.execute(
            "SELECT state, COUNT(*) AS n FROM job_rows WHERE job = ? GROUP BY state", (number,)
        )
        return {row["state"]: int(row["n"]) for row in rows}

    def on_ledger(self, number: int) -> dict[str, int]:
        """How many passports of its rows by the state of their publication; `receipted` of those with one."""
        rows = self._db.connection.execute(
            "SELECT CASE WHEN o.receipted_at IS NULL THEN o.state ELSE 'receipted' END AS state, "
            "COUNT(*) AS n FROM job_rows r LEFT JOIN issuances i ON i.digest = r.digest "
            "JOIN outbox o ON o.digest = COALESCE(i.published, r.digest) "
            "WHERE r.job = ? AND r.digest IS NOT NULL AND r.state <> 'checked' GROUP BY 1",
            (number,),
        )
        return {row["state"]: int(row["n"]) for row in rows}

    def statements(self, digests: Sequence[bytes]) -> dict[bytes, tuple[int | None, str, int | None]]:
        """By digest of a passport or attestation: version, what became of it, and when it was receipted."""
        found: dict[bytes, tuple[int | None, str, int | None]] = {}
        for part in parts(digests):
            for row in self._db.connection.execute(
                "SELECT i.digest, i.version, o.state, o.receipted_at FROM issuances i "
                f"JOIN outbox o ON o.digest = i.published WHERE i.digest IN ({marks(len(part))}) "
                "UNION ALL SELECT digest, NULL, state, receipted_at FROM outbox "
                f"WHERE digest IN ({marks(len(part))})",
                (*part, *part),
            ):
                found[bytes(row["digest"])] = row["version"], row["state"], row["receipted_at"]
        return found

    def starts(self, number: int, each: int) -> list[int]:
        """Of the rows with a passport, before which each part of so many begins."""
        rows = self._db.connection.execute(
            "SELECT row - 1 AS after FROM (SELECT row, ROW_NUMBER() OVER (ORDER BY row) AS n FROM job_rows "
            "WHERE job = ? AND digest IS NOT NULL) WHERE n % ? = 1 ORDER BY row",
            (number, each),
        )
        return [row["after"] for row in rows]

    def waiting_rows(self, client: str | None = None) -> int:
        """How many rows wait, of one client or of all."""
        of, values = (
            ("", (WAITING, QUEUED)) if client is None else (" AND client = ?", (WAITING, QUEUED, client))
        )
        found = self._db.connection.execute(
            "SELECT COUNT(*) AS n FROM job_rows WHERE state = ? AND job IN "
            f"(SELECT number FROM jobs WHERE state = ?{of})",
            values,
        ).fetchone()
        return int(found["n"])

    def _rows(self, condition: str, values: Sequence[object]) -> list[SheetLine]:
        rows = self._db.connection.execute(f"SELECT {_ROW} FROM job_rows WHERE {condition}", values)
        return [SheetLine(*row) for row in rows]

    # -- models --------------------------------------------------------------------------------------

    @staticmethod
    def put_model(db: Transaction, name: str, body: bytes, now: int) -> None:
        """A model under its name, instead of the one before."""
        db.execute("INSERT OR REPLACE INTO models VALUES (?, ?, ?)", (name, body, now))

    def model(self, name: str) -> bytes | None:
        found = self._db.connection.execute("SELECT body FROM models WHERE name = ?", (name,)).fetchone()
        return None if found is None else bytes(found["body"])

    def models(self) -> list[str]:
        """Their names."""
        rows = self._db.connection.execute("SELECT name FROM models ORDER BY name")
        return [row["name"] for row in rows]
