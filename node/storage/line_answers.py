"""What judged lines answer of a report's requirements, apart from their verdicts: all that a report reads."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from node.storage.database import Database, Transaction, marks, parts


def put_answers(db: Transaction, consignment_id: str, line: int, answers: bytes) -> None:
    """Those of a line's first verdict; a line that has some keeps them. Empty: none are known."""
    if answers:
        values = (consignment_id, line, answers, crc32(answers))
        db.execute(f"INSERT OR IGNORE INTO line_answers VALUES ({marks(4)})", values)


def put_answers_again(db: Transaction, consignment_id: str, line: int, answers: bytes) -> None:
    """Those of a newer verdict of a line, in place of what the one before it had."""
    db.execute("DELETE FROM line_answers WHERE consignment = ? AND line = ?", (consignment_id, line))
    put_answers(db, consignment_id, line, answers)


class LineAnswersTable:
    """By consignment and line."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, consignment_id: str, lines: Sequence[int]) -> dict[int, bytes]:
        """Those of these lines that are kept and are what was written: the others are judged anew."""
        found: dict[int, bytes] = {}
        for part in parts(lines, beside=1):
            rows = self._db.connection.execute(
                "SELECT line, body, crc FROM line_answers WHERE consignment = ? "
                f"AND line IN ({marks(len(part))})",
                (consignment_id, *part),
            )
            bodies = ((row["line"], bytes(row["body"]), row["crc"]) for row in rows)
            found |= {line: body for line, body, crc in bodies if crc32(body) == crc}
        return found
