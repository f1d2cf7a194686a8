"""Which engine orders which heights: the record `engine/`, by which a network moves from one to another.

    {"engine": "cometbft", "epoch": 1, "first": H + 1}    all stop after H; from H + 1 on the other orders

Who founded a network said without the ledger what orders it: there is no record until it is moved once. So
each height has one engine and one epoch, and every node reads the same of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from consensus.encoding import whole_numbers
from credentials.ledger.soundness import governance_invalid

EMBEDDED, COMETBFT = "embedded", "cometbft"
ENGINES = (EMBEDDED, COMETBFT)  # what may order a network
AHEAD_MAX = 10_000  # heights: what is decided for later stands in the way of everything else until then


@dataclass(frozen=True, slots=True)
class EngineTerm:
    """From the block of height `first` on, `engine` orders; `epoch` counts the moves."""

    engine: str
    epoch: int
    first: int

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Self:
        """Read the record; raises CredentialError("governance_invalid", sentence)."""
        if table.keys() != {"engine", "epoch", "first"}:
            raise governance_invalid("a move to another engine has the members engine, epoch, first")
        engine, epoch, first = table["engine"], table["epoch"], table["first"]
        if engine not in ENGINES:
            raise governance_invalid(f"there is no engine {str(engine)[:40]!r}: {' or '.join(ENGINES)}")
        if not whole_numbers(epoch, first) or epoch < 1 or first < 2:
            raise governance_invalid("a move has an epoch from 1 on and a first height after another block")
        return cls(engine, epoch, first)

    def as_table(self) -> Mapping[str, Any]:
        """The table as `parse` reads it."""
        return {"engine": self.engine, "epoch": self.epoch, "first": self.first}


FOUNDED = EngineTerm("", 0, 1)  # as the network directory says: no record of the ledger


def require_next(before: EngineTerm | None, after: EngineTerm, height: int, ahead: int) -> None:
    """Raise CredentialError unless a block of `height` may decide `after`, in force `ahead` blocks later.

    So no height is ever given to two engines, and none that is stored or under way to another one.
    """
    last = before or FOUNDED
    if last.first > height:
        raise governance_invalid(
            f"a move to {last.engine} with block {last.first} is decided already: another one is for later"
        )
    if after.engine == last.engine:
        raise governance_invalid(f"{after.engine} orders already")
    if after.epoch != last.epoch + 1:
        raise governance_invalid(f"the next move has the epoch {last.epoch + 1}")
    earliest = height + ahead
    if not earliest <= after.first <= earliest + AHEAD_MAX:
        raise governance_invalid(
            f"the first block of another engine is one from {earliest} to {earliest + AHEAD_MAX}: those "
            "before are decided, or are by the time that the move is"
        )
