"""Schema versions: a database's history is a list of steps, each taken once, in order, never edited.

What has been taken stands in the file itself (`_sqlite_migrations`, sqlite-utils). The version of a file is
the number of its steps. An older file is brought forwards when it is opened, in one transaction; a newer one
is refused: this program does not know what its tables mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import sqlite_utils
from sqlite_utils.migrations import Migrations

from node.errors import SetupError

Step = Callable[[sqlite_utils.Database], None]
Columns = Mapping[str, type]


class History:
    """The steps of one database, oldest first; their names are the functions' own."""

    def __init__(self, name: str, *steps: Step) -> None:
        self.name = name
        self._migrations = Migrations(name)
        self._names = [step.__name__ for step in steps]
        for step in steps:
            self._migrations(name=step.__name__)(step)

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(self._names)

    @cached_property
    def tables(self) -> frozenset[str]:
        """The tables of a file that took every step."""
        made = sqlite_utils.Database(memory=True)
        try:
            self.apply(made)
            return frozenset(name for name in made.table_names() if not name.startswith("_sqlite"))
        finally:
            made.close()

    def require_known(self, db: sqlite_utils.Database, path: Path) -> None:
        """SetupError for a file that a newer program wrote, and for another database under this name."""
        applied = [step.name for step in self._migrations.applied(db)]
        if not applied and (whose := _histories(db)):
            raise SetupError(
                f"{path} is no {self.name}.db: it holds what {' and '.join(whose)}.db has",
                step="Give signing.db, ledger.db and office.db each its own file again, or restore a backup.",
            )
        strange = [name for name in applied if name not in self._names]
        if strange:
            raise SetupError(
                f"{path} was written by a newer version of this program (it took the step {strange[0]}, and "
                f"this one knows {len(self._names)}): run that version again, or restore an older backup"
            )

    def pending(self, db: sqlite_utils.Database) -> list[str]:
        """The names of the steps still to come."""
        return [step.name for step in self._migrations.pending(db)]

    def apply(self, db: sqlite_utils.Database, *, stop_before: str | None = None) -> None:
        """Take them, inside the caller's transaction."""
        self._migrations.apply(db, stop_before=stop_before)


def _histories(db: sqlite_utils.Database) -> list[str]:
    """The databases of which steps were taken in this file."""
    taken = Migrations.migrations_table
    if taken not in db.table_names():
        return []
    return sorted(row["migration_set"] for row in db.query(f"SELECT DISTINCT migration_set FROM {taken}"))


def make_table(
    db: sqlite_utils.Database,
    name: str,
    columns: Columns,
    *,
    pk: str | tuple[str, ...] | None = None,
    optional: Sequence[str] = (),
    defaults: Mapping[str, object] | None = None,
) -> None:
    """A table whose columns are all filled, but for the optional ones."""
    keys = {pk} if isinstance(pk, str) else set()
    db.create_table(
        name,
        dict(columns),
        pk=pk,
        not_null=[column for column in columns if column not in keys and column not in optional],
        defaults=dict(defaults or {}),
        if_not_exists=True,
    )


def make_index(
    db: sqlite_utils.Database, table: str, name: str, columns: Sequence[str], *, unique: bool = False
) -> None:
    db.table(table).create_index(list(columns), name, unique=unique, if_not_exists=True)
