"""Which lines of a consignment an officer looks at first: the sum of named, weighted, dated indicators.

`config/risk.toml` names them. Each that counts is shown with its evidence: the alert, or the word of the
line. Nothing is learnt, and no verdict reads any of it: a sum orders a queue (decision 0642).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, TypedDict

from credentials.documents.canonical import b64u
from node.catalogues import LANGUAGES, risk_table, said
from node.errors import SetupError, not_found
from node.storage.alerts import LineAlert
from node.storage.office import OfficeStore

ON_BATTERY, ON_ISSUER, VERDICT = "alert_on_battery", "alert_on_issuer", "verdict"
SOURCES = (ON_BATTERY, ON_ISSUER, VERDICT)
LINES_SHOWN_MAX = 500


@dataclass(frozen=True, slots=True)
class RiskIndicator:
    """One row. `since`: the first second from which it counts."""

    name: str
    source: str
    weight: int
    since: int
    alert_weight: int = 1
    words: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, name: str, row: Mapping[str, Any]) -> RiskIndicator:
        """Read one row; SetupError names it."""
        since, words = row.get("since"), row.get("words", [])
        told = all(isinstance(row.get(language), str) for language in LANGUAGES)
        whole = isinstance(row.get("weight"), int) and type(row.get("alert_weight", 1)) is int
        if row.get("from") not in SOURCES or type(since) is not date or not whole or not told:
            raise SetupError(
                f"risk.toml: {name} lacks one of from, weight, since, en, zh, or has another value there",
                step="Correct that row of the table, or install this program again.",
            )
        begins = int(datetime(since.year, since.month, since.day, tzinfo=UTC).timestamp())
        weighed = row["weight"], begins, row.get("alert_weight", 1)
        return cls(name, row["from"], *weighed, frozenset(words))


class RiskShown(TypedDict):
    """One indicator of a line that counts, with its evidence."""

    name: str
    weight: int
    since: str  # the day from which it counts
    alert: str | None  # the id of the alert that it rests on
    text: str


class LineRisk(TypedDict):
    """One line in the order in which it is looked at."""

    line: int
    battery: str
    verdict: str
    risk: int
    indicators: list[RiskShown]


class RiskAnswer(TypedDict):
    """Lines of a consignment, the riskiest first; of equals the lower number first."""

    consignment: str
    lines: list[LineRisk]
    lines_total: int


@cache
def indicators() -> tuple[RiskIndicator, ...]:
    """The rows of the shipped table, in its order."""
    return tuple(RiskIndicator.parse(name, row) for name, row in risk_table().items())


class RiskDesk:
    """Orders the lines of a consignment; any thread."""

    def __init__(self, office: OfficeStore) -> None:
        self._office = office

    def of(self, consignment_id: str, language: str) -> RiskAnswer:
        """The lines that are judged so far; 404."""
        if self._office.consignments.get(consignment_id) is None:
            raise not_found("consignment_unknown", "this node holds no consignment with that id")
        with self._office.reading():
            judged = self._office.alerts.judged_lines(consignment_id)
            alerts = defaultdict[int, list[LineAlert]](list)
            for one in self._office.alerts.on_lines(consignment_id):
                alerts[one.line].append(one)
        now, rows = int(time.time()), list[LineRisk]()
        for line, battery, verdict in judged:
            found = [
                _shown(row, alert, language)
                for row in indicators()
                if row.since <= now
                for counts, alert in [_counts(row, verdict, alerts.get(line, []))]
                if counts
            ]
            risk = sum(one["weight"] for one in found)
            rows.append(
                {"line": line, "battery": battery, "verdict": verdict, "risk": risk, "indicators": found}
            )
        rows.sort(key=lambda row: (-row["risk"], row["line"]))
        return {"consignment": consignment_id, "lines": rows[:LINES_SHOWN_MAX], "lines_total": len(rows)}


def _counts(row: RiskIndicator, verdict: str, alerts: list[LineAlert]) -> tuple[bool, LineAlert | None]:
    """(whether it counts, the alert that it rests on): the newest of those that would do."""
    if row.source == VERDICT:
        return verdict in row.words, None
    about = [one for one in alerts if one.on_battery == (row.source == ON_BATTERY)]
    found = next((one for one in about if one.weight >= row.alert_weight), None)
    return found is not None, found


def _shown(row: RiskIndicator, alert: LineAlert | None, language: str) -> RiskShown:
    return {
        "name": row.name,
        "weight": row.weight,
        "since": datetime.fromtimestamp(row.since, UTC).date().isoformat(),
        "alert": None if alert is None else b64u(alert.id),
        "text": str(said(risk_table()[row.name], language)),
    }
