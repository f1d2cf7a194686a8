"""The ratios of a run that was kept (`ratios.json`), and what a new run is by them: what fell is named.

Each is ours by that of a peer or a floor in the same run, more is better. Absolute figures move by half
between hours and are not kept. Where a row has rounds, one that fell is said to be lost only if the best of
them is below what was kept: what lies between its rounds tells nothing. A row without a kept ratio, and one
that was kept and not measured, are told: neither has passed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).with_name("ratios.json")
FELL = 0.10  # a regression is named beyond this share
SHOWN = 12

_noted: dict[str, float] = {}
_best: dict[str, float] = {}


def note(row: str, ratio: float, best: float | None = None) -> None:
    """What a row of this run came to, and the best of its rounds."""
    _noted[row] = ratio
    _best[row] = ratio if best is None else best


def best() -> Mapping[str, float]:
    """Of each row of this run the best round; the ratio itself where it has none."""
    return _best


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


def told(
    now: Mapping[str, float], before: Mapping[str, float], best: Mapping[str, float] | None = None
) -> list[str]:
    """Lines for the end of a run."""
    best = now if best is None else best
    lines = [
        f"REGRESSION, {'beyond' if best[row] < was else 'within'} the spread of its rounds: {row}: "
        f"ratio {now[row]:.3g}, kept {was:.3g} ({now[row] / was - 1:+.0%})"
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
