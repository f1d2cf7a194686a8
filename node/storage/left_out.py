"""Rows of tables that are no lines of their consignment, with their reason; and what senders call columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from node.storage.database import Database, Transaction, marks, parts

CALLED_MAX = 256  # columns of one sender; beyond it the names given first go


@dataclass(frozen=True, slots=True)
class LeftOutRow:
    """A row as it was sent, and why it was left out: an English sentence with its parameters."""

    row: int  # as the file counts it
    number: int  # of the line that it would be
    cell: str  # that is meant; "" is the row
    cells: tuple[str, ...]
    sentence: str
    parameters: Mapping[str, Any]


class LeftOutRows:
    """By consignment; they go with it (`retention.py`)."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, consignment_id: str, columns: Sequence[str], rows: Iterable[LeftOutRow]) -> None:
        """Those of a table with these columns, in the place of what was left out before."""
        db.execute("DELETE FROM rows_left_out WHERE consignment = ?", (consignment_id,))
        db.execute(
            "INSERT OR REPLACE INTO columns_sent VALUES (?, ?)", (consignment_id, orjson.dumps(columns))
        )
        db.executemany(
            f"INSERT INTO rows_left_out VALUES ({marks(7)})",
            [
                (
                    *(consignment_id, one.row, one.number, one.cell, orjson.dumps(one.cells)),
                    *(one.sentence, orjson.dumps(dict(one.parameters))),
                )
                for one in rows
            ],
        )

    @staticmethod
    def replace_manifest(
        db: Transaction, consignment_id: str, manifest: bytes, digest: bytes, lines: int
    ) -> None:
        """The manifest with further lines, which wait; its other lines are judged again beside these."""
        db.execute(
            "UPDATE manifests SET manifest = ?, crc = ? WHERE consignment = ?",
            (manifest, crc32(manifest), consignment_id),
        )
        db.execute(
            "UPDATE consignments SET manifest_digest = ?, lines = ?, state = 'queued' WHERE id = ?",
            (digest, lines, consignment_id),
        )

    def columns(self, consignment_id: str) -> tuple[str, ...]:
        """What its sender calls the columns; () where nothing was left out."""
        row = self._db.connection.execute(
            "SELECT columns FROM columns_sent WHERE consignment = ?", (consignment_id,)
        ).fetchone()
        return () if row is None else tuple(orjson.loads(row["columns"]))

    def of(self, consignment_id: str, limit: int | None = None) -> list[LeftOutRow]:
        """In order of the file."""
        rows = self._db.connection.execute(
            "SELECT row, number, cell, cells, sentence, parameters FROM rows_left_out "
            "WHERE consignment = ? ORDER BY row LIMIT ?",
            (consignment_id, -1 if limit is None else limit),
        )
        return [
            LeftOutRow(
                *(one["row"], one["number"], one["cell"], tuple(orjson.loads(one["cells"]))),
                *(one["sentence"], _parameters(one["parameters"])),
            )
            for one in rows
        ]

    def counts(self, consignment_ids: Sequence[str]) -> dict[str, int]:
        """How many of each; without those that have none."""
        found: dict[str, int] = {}
        for part in parts(consignment_ids):
            rows = self._db.connection.execute(
                "SELECT consignment, COUNT(*) AS n FROM rows_left_out "
                f"WHERE consignment IN ({marks(len(part))}) GROUP BY consignment",
                part,
            )
            found |= {row["consignment"]: row["n"] for row in rows}
        return found

    # -- what a sender calls columns -----------------------------------------------------------------

    def called(self, client: str) -> dict[str, str]:
        """What this sender said of each column: which one is meant, "" where it is not read."""
        rows = self._db.connection.execute(
            "SELECT called, meant FROM columns_called WHERE client = ? ORDER BY number", (client,)
        )
        return {row["called"]: row["meant"] for row in rows}

    @staticmethod
    def call(db: Transaction, client: str, called: Mapping[str, str]) -> None:
        """Remember what a sender calls columns; what was said before of the same name goes."""
        for name, meant in called.items():
            db.execute("DELETE FROM columns_called WHERE client = ? AND called = ?", (client, name))
            db.execute(
                "INSERT INTO columns_called (client, called, meant) VALUES (?, ?, ?)", (client, name, meant)
            )
        db.execute(
            "DELETE FROM columns_called WHERE client = ?1 AND number NOT IN (SELECT number FROM "
            "columns_called WHERE client = ?1 ORDER BY number DESC LIMIT ?2)",
            (client, CALLED_MAX),
        )


def _parameters(stored: bytes) -> dict[str, object]:
    """The parameters of a sentence: a list of words is told as one that does not change."""
    said = orjson.loads(stored)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
