"""Files of earlier versions of each database, in tests/node/versions: whoever adds a step writes one more.

    python -m tests.harness.earlier

makes those that are missing, each of the version before it brought one step further, with a row in each
table. One that is there is never written again: it is how that version left its file.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

from node.storage import ledger_steps, schema_steps
from node.storage.database import Database
from node.storage.schema_history import History, Step

EARLIER = Path(__file__).parents[1] / "node" / "versions"
HISTORIES = {"signing": schema_steps.SIGNING, "ledger": ledger_steps.LEDGER, "office": schema_steps.OFFICE}
STEPS: dict[str, list[Step]] = {
    name: [vars(ledger_steps if name == "ledger" else schema_steps)[step] for step in history.steps]
    for name, history in HISTORIES.items()
}
VALUES = {"INTEGER": 1, "FLOAT": 1.0, "BLOB": b"\x01" * 32}


def indexes(connection: sqlite3.Connection) -> dict[str, str]:
    """The indexes of words, by name, with the statement that makes each."""
    return dict(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE %'")
    )


def tables(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows each table of the data has."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    own = ("sqlite_", "_sqlite_", *indexes(connection))  # an index of words has tables of its own
    names = [row[0] for row in found if not row[0].startswith(own)]
    return {name: connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in names}


def statements(name: str, version: int) -> str:
    """What makes the file of this version, from that of the one before it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.db"
        made = sqlite3.connect(file)
        made.executescript((EARLIER / f"{name}-{version - 1}.sql").read_text())
        made.close()
        Database(file, History(name, *STEPS[name][:version])).close()
        made = sqlite3.connect(file)
        for table in (table for table, rows in tables(made).items() if not rows):
            kinds = [column[2] for column in made.execute(f"PRAGMA table_info({table})")]
            row = [VALUES.get(kind, "x") for kind in kinds]
            made.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        made.commit()
        head = f"-- {name}.db as version {version} left it, with a row in each table.\n"
        filled = indexes(made)
        for (
            index
        ) in filled:  # made from its statement, and filled from the texts: what it keeps is SQLite's own
            made.execute(f"DROP TABLE {index}")
        lines = [*made.iterdump()]
        for index, statement in filled.items():
            lines += [f"{statement};", f"INSERT INTO {index}({index}) VALUES('rebuild');"]
        made.close()
    return head + "\n".join(lines) + "\n"


def missing() -> list[tuple[str, int]]:
    """The versions that were, and have no file."""
    were = [(name, version) for name, steps in STEPS.items() for version in range(len(steps))]
    return [(name, version) for name, version in were if not (EARLIER / f"{name}-{version}.sql").exists()]


if __name__ == "__main__":
    for name, version in missing():
        path = EARLIER / f"{name}-{version}.sql"
        path.write_text(statements(name, version))
        print(path)
