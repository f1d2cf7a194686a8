"""The generated part of credentials/ledger/LIFECYCLE.md: a diagram and a table, from lifecycle.json alone.

`python -m tests.harness.lifecycle_page` writes it anew; tests/credentials/test_lifecycle_page.py compares.
"""

from __future__ import annotations

import json
from pathlib import Path

from credentials.ledger.lifecycle import ANY, Event, Lifecycle

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "credentials" / "ledger" / "LIFECYCLE.md"
BEGIN, END = "<!-- generated from config/rules/lifecycle.json -->", "<!-- end of the generated part -->"


def lifecycle() -> Lifecycle:
    return Lifecycle.parse(json.loads((ROOT / "config/rules/lifecycle.json").read_bytes()))


def generated(table: Lifecycle) -> str:
    """Diagram, marks, settings and one row per event."""
    return "\n".join([BEGIN, "", *_diagram(table), "", *_words(table), "", *_events(table), "", END])


def _diagram(table: Lifecycle) -> list[str]:
    """State changes; events that are lawful in any state and keep it are in the table only."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for event in table.events.values():
        if event.to is None:
            continue
        for state in sorted(table.states) if ANY in event.from_states else sorted(event.from_states):
            if table.allows(event, state) and state != event.to:
                arrows.setdefault((state, event.to), []).append(event.type)
    lines = [
        f"    {before} --> {after}: {', '.join(sorted(kinds))}"
        for (before, after), kinds in sorted(arrows.items())
    ]
    ends = [f"    {state} --> [*]" for state in sorted(table.final)]
    return ["```mermaid", "stateDiagram-v2", f"    [*] --> {table.initial}", *lines, *ends, "```"]


def _words(table: Lifecycle) -> list[str]:
    marks = [f"| mark | `{name}` | {text} |" for name, text in table.marks.items()]
    settings = [f"| setting | `{name}` | {kind.text} |" for name, kind in table.settings.items()]
    return ["| | | says that the battery |", "|---|---|---|", *marks, *settings]


def _events(table: Lifecycle) -> list[str]:
    head = "| event | who speaks | to | leaves | cannot be taken back |"
    rows = [_row(event) for event in sorted(table.events.values(), key=lambda event: event.type)]
    return [head, "|---|---|---|---|---|", *rows]


def _row(event: Event) -> str:
    left = [f"`{mark}`" for mark in event.marks]
    left += [f"`{mark}` if in use" for mark in event.marks_in_use]
    left += [f"`{mark}` if in use, not in a new vehicle" for mark in event.marks_after_use]
    left += [f"`{mark}` on what it names" for mark in event.marks_named]
    left += [f"`{mark}` on that, if the vehicle was in use" for mark in event.marks_named_in_use]
    left += [f"`{mark}` on that, if it was in another" for mark in event.marks_named_again]
    left += [f"`{mark}` if a part that it names had a life" for mark in event.marks_used_part]
    left += ["a claim about others' that it names"] if event.effects.claims_named else []
    left += [f"sets `{event.sets}`"] if event.sets else []
    left += [f"lifts `{event.lifts}`"] if event.lifts else []
    left += [f"holder: {event.custody}"] if event.custody else []
    left += ["names parties"] if event.names else []
    who = event.speaks if event.battery_event else "issuer, maker or authority"
    who += f"; signed by {event.countersigned_by}" if event.countersigned_by else ""
    stays = "yes" if event.irreversible else ""
    return f"| `{event.type}` | {who} | {event.to or ''} | {', '.join(left)} | {stays} |"


def with_generated(page: str, table: Lifecycle) -> str:
    """The page with its generated part made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + generated(table) + after


if __name__ == "__main__":
    PAGE.write_text(with_generated(PAGE.read_text(encoding="utf-8"), lifecycle()), encoding="utf-8")
