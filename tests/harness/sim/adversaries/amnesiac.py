"""Amnesiac: signs each step once, and remembers neither what it locked nor what was valid."""

from dataclasses import replace

from consensus.events import Event, TimerElapsed
from consensus.machine import Height, State, Step
from consensus.types import NO_ROUND
from tests.harness.sim.cluster import Node


class Amnesiac(Node):
    """Forgets its lock after every event; `forget` makes it begin the height anew in the next round."""

    honest = False

    def feed(self, event: Event) -> None:
        """Handle it, then forget."""
        super().feed(event)
        height = self.replica._present.height if self.replica else None
        if height is not None:
            height.state = replace(
                height.state,
                locked_value=None,
                locked_round=NO_ROUND,
                valid_value=None,
                valid_round=NO_ROUND,
            )

    def forget(self) -> None:
        """Nothing of this height is left but the round: no vote, no block, no lock."""
        replica = self.replica
        assert replica is not None
        height, round_, _ = replica.step
        present = replica._present
        present.move(present.tip, present.history)
        replica._rounds.reset()
        state = State(height, round_, Step.PRECOMMIT)
        present.height = Height(state, self.cluster.chain.validators, self.name, replica._blocks.valid)
        self.feed(TimerElapsed((height, round_, int(Step.PRECOMMIT))))
