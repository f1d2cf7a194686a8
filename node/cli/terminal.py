"""What commands print: texts of others are shown, and do nothing else to a terminal.

A name, a refusal or a sentence that another node sent may hold control characters: what moves the cursor,
colours, types for whoever reads, or turns the direction of writing. They are shown by their number.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

# C0 (but for tab and newline), delete and C1, marks and overrides of direction, half a surrogate.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_DIRECTIONS = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_DOES_SOMETHING = re.compile(f"[{_CONTROLS}{_DIRECTIONS}\ud800-\udfff]")


def plain(text: str) -> str:
    """The text, with what a terminal would obey written as JSON writes it (`\\u001b`)."""
    return _DOES_SOMETHING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """The same, on one line whatever it holds."""
    return plain(text).replace("\n", "\\u000a")


def say(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Print it."""
    click.echo(plain(text), nl=nl, err=err)


def in_utc(seconds: int) -> str:
    """A moment in UTC, to the second; a number that no calendar has, as such."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def to_the_minute(seconds: int) -> str:
    """A moment in UTC that this node chose: until when something holds, when somebody came last."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def step_line(told: Mapping[str, Any]) -> str:
    """What the reader does next, and whose fault it is."""
    from node.catalogues import whose_fault  # noqa: PLC0415  (only what is told pays for the tables)

    return f"next: {told['next']} (fault: {whose_fault(told['fault'])})"


def say_step(told: Mapping[str, Any]) -> None:
    """Print that; a node of an earlier version says none."""
    if "next" in told and "fault" in told:
        say(step_line(told))


def say_progress(text: str) -> None:
    """Write over the line that was written before, where somebody looks at a terminal; a pipe gets none."""
    if sys.stderr.isatty():
        click.echo(f"\r{plain(text)}", nl=False, err=True)


def end_progress() -> None:
    """Go on beneath the last of them."""
    if sys.stderr.isatty():
        click.echo("", err=True)


def who_decides(quorum: int, validators: int, sides: Sequence[str]) -> str:
    """How many validators decide a block, and without which jurisdictions they never do."""
    needed = (
        f"never without a validator of each of {', '.join(sides)}" if sides else "of whatever jurisdictions"
    )
    return f"a block is decided by {quorum} of {validators} validators, {needed}"
