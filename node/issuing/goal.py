"""How far the own ledger must have come before this participant speaks again."""

from __future__ import annotations

from collections.abc import Callable

from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore


class Goal:
    """All that this participant can have said: what a quorum has committed, and what office.db has seen.

    `network_height`: of the newest block that the network tells of; None while no quorum was heard. It is
    asked once, so that a network that goes on does not move the goal.
    """

    def __init__(
        self, office: OfficeStore, ledger: LedgerStore, network_height: Callable[[], int | None]
    ) -> None:
        self._office, self._ledger = office, ledger
        self._network_height = network_height
        self.renew()

    def renew(self) -> None:
        """Ask the network anew; what was reached until now counts no more."""
        self._height: int | None = None
        self._leaves = max(self._office.followed(), self._office.outbox.leaves_known())
        self._reached: int | None = None  # leaves, once the goal was reached

    @property
    def asked(self) -> bool:
        """Whether the network has said how far it is."""
        return self._height is not None

    def reached(self, *, cosigned: bool) -> bool:
        """Whether the ledger is there; with `cosigned`, whether its checkpoint is there as well."""
        if self._height is None:
            self._height = self._network_height()
        if self._height is None:
            return False
        if self._reached is None:
            self._reached = self._leaves_at_goal(self._height)
        if self._reached is None or not cosigned:
            return self._reached is not None
        kept = self._ledger.checkpoint()
        return (0 if kept is None else kept[0]) >= self._reached

    def _leaves_at_goal(self, height: int) -> int | None:
        tip = self._ledger.tip()
        if (0 if tip is None else tip.height) < height:
            return None
        size = self._ledger.log_size()
        return size if size >= self._leaves else None
