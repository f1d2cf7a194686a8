"""What grows, drawn: an SVG with a line for each figure, as times its first value, over sizes (log scale)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from pathlib import Path

from tests.bench.harness import ROOT

FOLDER = ROOT / ".cache" / "plots"  # ignored: a drawing is of one machine and one hour
WIDTH, HEIGHT, LEFT, RIGHT, EDGE = 720, 420, 50, 150, 30
COLOURS = ("#1b6ca8", "#c0392b", "#27824a", "#8e5bb5", "#b9770e", "#4d5656", "#d35089", "#117864", "#7b6f00")


def draw(name: str, title: str, sizes: Sequence[int], figures: Mapping[str, Sequence[float]]) -> Path:
    """Write FOLDER/name.svg; each figure has a value, above zero, for each size."""
    times = {what: [value / values[0] for value in values] for what, values in figures.items()}
    top = max(max(values) for values in times.values())
    span = log10(sizes[-1] / sizes[0]) or 1.0

    def place(size: int, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * log10(size / sizes[0]) / span
        return f"{x:.1f},{HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / top:.1f}"

    parts = [f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    for number in range(int(top) + 1):
        x, y = place(sizes[0], number).split(",")
        parts += [f'<text x="{LEFT - 30}" y="{y}">{number}x</text>']
        parts += [f'<line x1="{x}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#dddddd"/>']
    for size in sizes:
        x = place(size, 0).split(",")[0]
        parts += [f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="middle">{size:,}</text>']
    for number, (what, values) in enumerate(times.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(place(size, value) for size, value in zip(sizes, values, strict=True))
        parts += [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>']
        label = f"{what} {values[-1]:.2f}x"
        parts += [
            f'<text x="{WIDTH - RIGHT + 6}" y="{EDGE + 16 * number}" fill="{colour}">{escape(label)}</text>'
        ]
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.svg"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-size="11" '
    path.write_text(head + 'font-family="sans-serif">\n' + "\n".join(parts) + "\n</svg>\n")
    return path
