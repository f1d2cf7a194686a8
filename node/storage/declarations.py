"""Which declarations name which batteries, on the consignments of this node (credentials D755)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.storage.database import Database, Transaction, marks


@dataclass(frozen=True, slots=True)
class DeclaredRow:
    """A declaration and a name of a battery that an upload under it named."""

    declaration: str
    battery: str
    first: int  # number of the first consignment under it that named the battery so
    latest: bool  # its latest upload does


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A declaration whose latest upload names a battery so, on a line that is open."""

    declaration: str
    battery: str
    consignment: str
    created: int


class DeclaredTable:
    """One row a line of a manifest; declaration "": it names none, and holds up nobody."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, number: int, declaration: str, batteries: Iterable[tuple[int, str]]) -> None:
        """The (line, battery) of the consignment with this number; batteries by canonical name."""
        db.executemany(
            f"INSERT INTO declared (number, line, declaration, battery) VALUES ({marks(4)})",
            [(number, line, declaration, battery) for line, battery in batteries],
        )

    def naming(self, names: Sequence[str]) -> list[DeclaredRow]:
        """Each declaration that ever named a battery by one of these names, and each of these names."""
        rows = self._db.connection.execute(
            "SELECT declaration, battery, MIN(number) AS first, MAX(number) = "
            "(SELECT MAX(number) FROM declared WHERE declaration = d.declaration) AS latest FROM declared d "
            f"WHERE battery IN ({marks(len(names))}) AND declaration != '' GROUP BY declaration, battery",
            names,
        )
        return [DeclaredRow(row[0], row[1], row[2], bool(row[3])) for row in rows]

    def open(self, names: Sequence[str], created_after: int) -> list[OpenRow]:
        """The declarations that name a battery by one of these names now, in order of their uploads.

        What a declaration names is what its latest upload names: one that was corrected lets go.
        """
        rows = self._db.connection.execute(
            "SELECT d.declaration, d.battery, c.id, c.created "
            "FROM declared d JOIN consignments c ON c.number = d.number "
            "LEFT JOIN items i ON i.consignment = c.id AND i.line = d.line "
            f"WHERE d.battery IN ({marks(len(names))}) AND d.declaration != '' AND c.created > ? "
            "AND d.number = (SELECT MAX(number) FROM declared WHERE declaration = d.declaration) "
            "AND COALESCE(i.settled, 0) = 0 GROUP BY d.declaration, d.battery ORDER BY d.number",
            (*names, created_after),
        )
        return [OpenRow(*row) for row in rows]

    @staticmethod
    def mark_beside(db: Transaction, number: int, line: int, created_after: int, mark: int) -> None:
        """Mark the open lines of other uploads that name the battery of this line."""
        db.execute(
            "UPDATE items SET stale = ?4 WHERE stale = 0 AND settled = 0 AND (consignment, line) IN ("
            "SELECT c.id, d.line FROM declared d JOIN consignments c ON c.number = d.number "
            "WHERE c.created > ?3 AND d.number != ?1 AND d.battery IN "
            "(SELECT battery FROM declared WHERE number = ?1 AND line = ?2))",
            (number, line, created_after, mark),
        )

    @staticmethod
    def mark_shared(db: Transaction, declaration: str, created_after: int, mark: int) -> None:
        """Mark the open lines of every battery that this declaration and another one name or named."""
        db.execute(
            "UPDATE items SET stale = ?3 WHERE stale = 0 AND settled = 0 AND (consignment, line) IN ("
            "SELECT c.id, d.line FROM declared d JOIN consignments c ON c.number = d.number "
            # Each battery once: one that stands on every line of a manifest is not looked for on every line.
            "WHERE c.created > ?2 AND d.battery IN (SELECT battery FROM declared WHERE battery IN "
            "(SELECT battery FROM declared WHERE declaration = ?1) "
            "GROUP BY battery HAVING MIN(declaration) != ?1 OR MAX(declaration) != ?1))",
            (declaration, created_after, mark),
        )
