"""The ratios of a run that was kept (`ratios.json`), and what a new run is by them: what fell is named.

Each is ours by that of a peer or a floor in the same run, more is better. Absolute figures move by half
between hours and are not kept. A row without a kept ratio, and one that was kept and not measured, are told:
neither has passed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).with_name("ratios.json")
FELL = 0.10  # a regression is named beyond this share
SHOWN = 12

_noted: dict[str, float] = {}


def note(row: str, ratio: float) -> None:
    """What a row of this run came to."""
    _noted[row] = ratio


def measured() -> Mapping[str, float]:
    """The rows of this run."""
    return _noted


def kept(file: Path = FILE) -> dict[str, float]:
    """The ratios of the run that was kept; none where none was."""
    if not file.exists():
        return {}
    found: dict[str, float] = json.loads(file.read_text())["ratios"]
    return found


def keep(circumstances: str, now: Mapping[str, float], file: Path = FILE) -> None:
    """Keep these in place of what their rows came to before; other rows stay."""
    together = {**kept(file), **{row: round(ratio, 4) for row, ratio in now.items()}}
    told = {"kept": circumstances, "ratios": dict(sorted(together.items()))}
    file.write_text(json.dumps(told, indent=1) + "\n")


def told(now: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """Lines for the end of a run."""
    lines = [
        f"REGRESSION: {row}: ratio {now[row]:.3g}, kept {was:.3g} ({now[row] / was - 1:+.0%})"
        for row, was in before.items()
        if row in now and now[row] < was * (1 - FELL)
    ]
    compared = len(now.keys() & before.keys())
    lines.append(f"{compared} ratios compared with those kept: {len(lines)} fell by more than {FELL:.0%}")
    for what, rows in (
        ("not kept", now.keys() - before.keys()),
        ("not measured", before.keys() - now.keys()),
    ):
        if rows:
            shown = "; ".join(sorted(rows)[:SHOWN]) + ("; ..." if len(rows) > SHOWN else "")
            lines.append(f"{len(rows)} {what}: {shown}")
    return lines
