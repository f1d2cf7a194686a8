"""Cases of this node (`office.db`): one row a case, and each statement of it as its author signed it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from node.storage.database import Database, Transaction, marks

CASES_KEPT_MAX = 5_000  # beyond it the oldest go, those that are over first
STATEMENTS_MAX = 60  # of one case
ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What is listed of a case; it follows from its statements. Times are seconds (UTC)."""

    number: int
    id: bytes  # digest of the statement that opened it
    side: str  # the jurisdiction that decides
    opener: str
    accused: str
    subject: bytes | None  # key of the battery; None: it is about a party alone
    battery: str
    opened_at: int
    due_until: int
    state: str
    outcome: str
    ended_at: int | None
    changed: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One statement, in the order in which it came to be known here."""

    number: int
    case_id: bytes
    digest: bytes
    author: str
    act: str
    at: int
    data: bytes


_CASE = ", ".join(one.name for one in fields(CaseRow))
_STATEMENT = ", ".join(one.name for one in fields(StatementRow))


class CaseTable:
    """Cases by number, id and party."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, row: CaseRow) -> None:
        """Keep what is listed of it: the first time, or anew."""
        values = [getattr(row, one.name) for one in fields(CaseRow)][1:]
        names = _CASE.removeprefix("number, ")
        sets = ", ".join(f"{name} = excluded.{name}" for name in names.split(", "))
        db.execute(
            f"INSERT INTO cases ({names}) VALUES ({marks(len(values))}) "
            f"ON CONFLICT (id) DO UPDATE SET {sets}",
            values,
        )
        held = db.execute("SELECT COUNT(*) AS n FROM cases").fetchone()["n"]
        if held > CASES_KEPT_MAX:
            oldest = "SELECT id FROM cases ORDER BY ended_at IS NULL, changed LIMIT ?"
            db.execute(f"DELETE FROM case_statements WHERE case_id IN ({oldest})", (held - CASES_KEPT_MAX,))
            db.execute(f"DELETE FROM cases WHERE id IN ({oldest})", (held - CASES_KEPT_MAX,))

    @staticmethod
    def say(db: Transaction, row: StatementRow) -> int | None:
        """Keep a statement; its number, or None if it is here already."""
        values = [getattr(row, one.name) for one in fields(StatementRow)][1:]
        made = db.execute(
            f"INSERT OR IGNORE INTO case_statements ({_STATEMENT.removeprefix('number, ')}) "
            f"VALUES ({marks(len(values))})",
            values,
        )
        return made.lastrowid if made.rowcount == 1 else None

    def get(self, case_id: bytes) -> CaseRow | None:
        """The one with this id."""
        found = self._cases("id = ?", (case_id,))
        return found[0] if found else None

    def statements(self, case_id: bytes) -> list[StatementRow]:
        """All of a case, as they came."""
        rows = self._db.connection.execute(
            f"SELECT {_STATEMENT} FROM case_statements WHERE case_id = ? ORDER BY number", (case_id,)
        )
        return [StatementRow(*row) for row in rows]

    def statement(self, number: int) -> StatementRow | None:
        """One by its number."""
        row = self._db.connection.execute(
            f"SELECT {_STATEMENT} FROM case_statements WHERE number = ?", (number,)
        ).fetchone()
        return None if row is None else StatementRow(*row)

    def page(self, asked: dict[str, str], limit: int, before: int | None = None) -> list[CaseRow]:
        """The newest first, `before` a number; `asked`: state, party (either side of it) or side."""
        condition, values = "number < ?", list[object]([before or 1 << 53])
        for name in ("state", "side"):
            if name in asked:
                condition, values = f"{condition} AND {name} = ?", [*values, asked[name]]
        if "party" in asked:
            condition, values = f"{condition} AND ? IN (opener, accused)", [*values, asked["party"]]
        return self._cases(f"{condition} ORDER BY number DESC LIMIT ?", (*values, limit))

    def of_opener(self, opener: str) -> list[CaseRow]:
        """The newest that a party opened."""
        return self._cases("opener = ? ORDER BY number DESC LIMIT ?", (opener, ROWS_AT_ONCE))

    def about(self, subject: bytes) -> list[CaseRow]:
        """Those about one battery, the newest first."""
        return self._cases("subject = ? ORDER BY number DESC LIMIT ?", (subject, ROWS_AT_ONCE))

    def counts(self) -> dict[str, int]:
        """How many are in each state."""
        rows = self._db.connection.execute("SELECT state, COUNT(*) AS n FROM cases GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    def counts_against(self, accused: str, now: int) -> dict[str, int]:
        """Of all cases against a party: how many there are, are open at this time, and were founded."""
        row = self._db.connection.execute(
            "SELECT COUNT(*) AS whole, COALESCE(SUM(ended_at IS NULL AND ? < due_until), 0) AS open, "
            "COALESCE(SUM(outcome = 'founded'), 0) AS founded FROM cases WHERE accused = ?",
            (now, accused),
        ).fetchone()
        return {"all": row["whole"], "open": row["open"], "founded": row["founded"]}

    def _cases(self, condition: str, values: tuple[object, ...]) -> list[CaseRow]:
        rows = self._db.connection.execute(f"SELECT {_CASE} FROM cases WHERE {condition}", values)
        return [CaseRow(*row) for row in rows]
