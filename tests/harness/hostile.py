"""What hostile inputs are made of, and the two rules that hold at every door."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.harness.support_service import CODE

SEED = 20261126
HANG_S = 2.0
RUBBISH: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        1 << 63,
        1e308,
        "",
        "\x00",
        "\ud800",
        "x" * 5000,
        "..",
        "%00",
        "did:web:",
        "https://[",
        CODE,
    ),
    *([], {}, [[]] * 50, {"": None}, {"@context": []}, "２" * 24, "\u202e", "9" * 400, "1;DROP TABLE"),
)


def flipped(data: bytes, draw: random.Random) -> bytes:
    """`data` with a few bytes changed, left out or put in, or cut."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(changed) + 1)
        match draw.randrange(4):
            case 0 if changed:
                changed[place % len(changed)] ^= 1 << draw.randrange(8)
            case 1:
                changed[place:place] = draw.randbytes(draw.randint(1, 9))
            case 2:
                del changed[place : place + draw.randint(1, 40)]
            case _:
                del changed[max(1, place) :]
    return bytes(changed)


def altered(value: Any, draw: random.Random) -> Any:
    """A JSON value with one of its parts replaced, left out, doubled or renamed."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        name = draw.choice(sorted(value))
        rest = {key: item for key, item in value.items() if key != name}
        return draw.choice(
            [rest, {**value, name: altered(value[name], draw)}, {**rest, name + "s": value[name]}]
        )
    if isinstance(value, list) and value and draw.random() < 0.8:
        place = draw.randrange(len(value))
        return [*value[:place], altered(value[place], draw), *value[place + draw.randint(0, 1) :]]
    return draw.choice(RUBBISH)


class Door:
    """Counts what came back, and holds each input to the two rules that hold everywhere."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = 0.0

    def knock(self, what: object, enter: Callable[[], str]) -> None:
        started = time.monotonic()
        try:
            outcome = enter()
        except Exception as error:
            raise AssertionError(
                f"{self.name}: {type(error).__name__} beyond the edge for {what!r:.400}"
            ) from error
        took = time.monotonic() - started
        self.slowest_s = max(self.slowest_s, took)
        self.outcomes[outcome] += 1
        assert took < HANG_S, f"{self.name}: {took:.1f} s for {what!r:.400}"

    def tell(self) -> None:
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        print(f"{self.name}: {self.outcomes.total()} hostile inputs, slowest {self.slowest_s:.2f} s: {told}")
