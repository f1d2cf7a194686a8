"""How severe a verdict is: its five words, mildest first, and the grounds a hold may stand on."""

from __future__ import annotations

from collections.abc import Iterable

CLEAR, GAPS, UNDECIDED, HOLD, REFUSE = (
    "clear",
    "clear_with_gaps",
    "undecided",
    "hold",
    "refuse_recommended",
)
ORDER = (CLEAR, GAPS, UNDECIDED, HOLD, REFUSE)  # worst last
GROUNDS = ("26(a)", "26(b)", "26(c)", "26(d)", "26(e)")  # of Reg (EU) 2019/1020 Art 26(1)


def worst(words: Iterable[str]) -> str:
    """The worst of some words; clear where there is none."""
    return max(words, key=ORDER.index, default=CLEAR)


def worse(one: str, other: str | None) -> str:
    """The worse of two words; what is no word is no better than a hold."""
    return worst(word if word in ORDER else HOLD for word in (one, other) if word is not None)
