"""Which declarations name which batteries, on the consignments of this node (credentials D755)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.storage.database import Database, Transaction, marks


@dataclass(frozen=True, slots=True)
class DeclaredRow:
    """A declaration that names a battery: by its latest upload, on a line that is open."""

    declaration: str
    consignment: str
    created: int  # of that upload
    first: int  # number of the first consignment under it that named the battery


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

    def others(self, names: Sequence[str], declaration: str, created_after: int) -> list[DeclaredRow]:
        """The other declarations that name a battery with one of these names, the first first.

        What a declaration names is what its latest upload names: one that was corrected lets go.
        """
        rows = self._db.connection.execute(
            "SELECT d.declaration, c.id, c.created, (SELECT MIN(f.number) FROM declared f WHERE "
            f"f.declaration = d.declaration AND f.battery IN ({marks(len(names))})) AS first "
            "FROM declared d JOIN consignments c ON c.number = d.number "
            "LEFT JOIN items i ON i.consignment = c.id AND i.line = d.line "
            f"WHERE d.battery IN ({marks(len(names))}) AND d.declaration NOT IN (?, '') AND c.created > ? "
            "AND d.number = (SELECT MAX(number) FROM declared WHERE declaration = d.declaration) "
            "AND COALESCE(i.settled, 0) = 0 GROUP BY d.declaration ORDER BY first",
            (*names, *names, declaration, created_after),
        )
        return [DeclaredRow(*row) for row in rows]

    def first_of(self, names: Sequence[str], declaration: str) -> int | None:
        """Number of the first consignment under a declaration that named the battery; None: it lets go."""
        row = self._db.connection.execute(
            "SELECT MIN(number) AS first, MAX(number) AS last, "
            "(SELECT MAX(number) FROM declared WHERE declaration = ?1) AS newest "
            f"FROM declared WHERE declaration = ?1 AND battery IN ({marks(len(names))})",
            (declaration, *names),
        ).fetchone()
        return row["first"] if row["last"] == row["newest"] else None

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
