"""What this node found out about its own records and cannot know again: codes and parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from node.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is lost or withheld. The code stands in config/reasons.toml."""

    code: str  # document_lost | status_list_withheld | revocation_unplaced
    about: str  # a digest in base64url, or the name of a status list
    since: int
    parameters: dict[str, Any] = field(default_factory=dict)


class FindingTable:
    """Findings, one for each code and thing, kept until the thing is there again."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def put(db: Transaction, finding: Finding) -> None:
        """Keep a finding; the first time stays."""
        row = (finding.code, finding.about, finding.since, json.dumps(finding.parameters, sort_keys=True))
        db.execute(
            "INSERT INTO findings VALUES (?, ?, ?, ?) "
            "ON CONFLICT (code, about) DO UPDATE SET parameters = excluded.parameters",
            row,
        )

    @staticmethod
    def clear(db: Transaction, code: str, about: str) -> None:
        """It is no longer so."""
        db.execute("DELETE FROM findings WHERE code = ? AND about = ?", (code, about))

    def counts(self) -> dict[str, int]:
        """How many of each code."""
        rows = self._db.connection.execute("SELECT code, COUNT(*) AS n FROM findings GROUP BY code")
        return {row["code"]: row["n"] for row in rows}

    def page(self, limit: int) -> list[Finding]:
        """The newest ones."""
        rows = self._db.connection.execute(
            "SELECT code, about, since, parameters FROM findings ORDER BY since DESC, code, about LIMIT ?",
            (limit,),
        )
        return [Finding(r["code"], r["about"], r["since"], json.loads(r["parameters"])) for r in rows]
