"""The verdict table of the demo, and its comparison with what is expected (kept in tests/)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from node.demo.life import Life
from node.demo.play import Played

EXPECTED = Path(__file__).resolve().parent.parent.parent / "tests" / "demo_expected.json"
CLEAR = ("clear", "clear_with_gaps")


@dataclass
class Comparison:
    """Which lines differ from what is expected; `expected` is None when tests/ is not beside the code."""

    expected: dict[str, Any] | None
    differences: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.expected is not None and not self.differences


def compare(consignment: dict[str, Any], played: Played, lives: list[Life]) -> Comparison:
    """Hold the verdicts that the nodes gave against tests/demo_expected.json."""
    if not EXPECTED.exists():
        return Comparison(None)
    expected = json.loads(EXPECTED.read_text())
    result = Comparison(expected)
    items = {item["line"]: item for item in consignment["items"]}
    if sorted(items) != list(range(1, expected["count"] + 1)):
        result.differences.append(f"{len(items)} lines were judged, {expected['count']} expected")
    for number, item in sorted(items.items()):
        wanted = expected["lines"].get(str(number), expected["others"])
        result.differences += [f"line {number}: {text}" for text in _differences(item, wanted)]
        if item["law_date"] != expected["law_date"]:
            result.differences.append(f"line {number}: law date {item['law_date']}")
    result.differences += [
        f"used pack: {t}" for t in _differences(played.used_verdict, expected["used_pack"])
    ]
    result.differences += [
        f"{life.title}: {text}"
        for life in lives
        for text in _differences(life.verdict, expected["lives"].get(life.title, {"verdict": "not foreseen"}))
    ]
    result.differences += _report_differences(played.report, expected["report"])
    return result


def _differences(item: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    found = []
    if item["verdict"] != wanted["verdict"]:
        found.append(f"{item['verdict']} ({item.get('reason')}), expected {wanted['verdict']}")
    found += [
        f"{key} is {item.get(key)}, expected {wanted[key]}"
        for key in ("ground", "reason")
        if key in wanted and item.get(key) != wanted[key]
    ]
    gaps = [gap["dp"] for gap in item["gaps"]]
    if gaps != wanted.get("gaps", gaps if item["verdict"] not in CLEAR else []):
        found.append(f"gaps are {gaps}, expected {wanted.get('gaps', [])}")
    rules = {check.get("rule") for check in item["checks"] if check["outcome"] in ("fail", "warn")}
    if "rule" in wanted and wanted["rule"] not in rules:
        found.append(f"no failed check names rule {wanted['rule']}")
    if wanted.get("warns") and not any(check["outcome"] == "warn" for check in item["checks"]):
        found.append("no check warns")
    return found


def _report_differences(report: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    head = report["head"]
    found = [f"report: {k} is {head.get(k)}, expected {v}" for k, v in wanted.items() if head.get(k) != v]
    return found


def print_table(
    consignment: dict[str, Any], played: Played, lives: list[Life], comparison: Comparison
) -> None:
    """One row for each odd line; clean lines are counted by verdict and goods."""
    expected = comparison.expected or {"lines": {}}
    click.echo(f"\nConsignment {consignment['declaration']}, law date {consignment['law_date']}:")
    click.echo(_row("line", "verdict", "ground", "reason", "what it is"))
    folded: Counter[tuple[str, str, str, str]] = Counter()
    for item in consignment["items"]:
        known = expected["lines"].get(str(item["line"]))
        title = known["title"] if known else item.get("goods") or ""
        if item["verdict"] in CLEAR and not (known and known.get("warns")):
            folded[(item["verdict"], "", item.get("reason") or "", title)] += 1
    for row, count in sorted(folded.items()):
        click.echo(_row(f"{count} x", *row))
    for item in consignment["items"]:
        known = expected["lines"].get(str(item["line"]))
        if item["verdict"] in CLEAR and not (known and known.get("warns")):
            continue
        title = known["title"] if known else "not foreseen"
        click.echo(
            _row(
                str(item["line"]), item["verdict"], item.get("ground") or "", item.get("reason") or "", title
            )
        )
    used = played.used_verdict
    title = "pack from the EU, judged by the Chinese node"
    click.echo(_row("used", used["verdict"], used.get("ground") or "", used.get("reason") or "", title))
    for life in lives:
        word = life.verdict
        click.echo(
            _row("life", word["verdict"], word.get("ground") or "", word.get("reason") or "", life.title)
        )
    click.echo(f"\nImporter's report: {played.report['head']['sentence']}")
    if comparison.expected is None:
        click.echo("Not compared: tests/demo_expected.json is not beside the code.")
    elif comparison.differences:
        click.echo("NOT as expected:")
        for line in comparison.differences:
            click.echo(f"  {line}")
    else:
        click.echo(
            f"All {comparison.expected['count']} lines, the used pack, the four lives and the "
            "report are as expected."
        )


def _row(line: str, verdict: str, ground: str, reason: str, title: str) -> str:
    return f"{line:>6}  {verdict:<18}  {ground:<6}  {reason:<21}  {title}".rstrip()
