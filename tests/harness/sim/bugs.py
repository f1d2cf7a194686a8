"""Ten classic bugs, put into the production code one by one; tests/consensus/test_bugs.py catches each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from consensus import evidence, faults, machine
from consensus.events import Broadcast
from consensus.machine import Height, State
from consensus.types import NO_ROUND, PREVOTE, Kind, Vote
from consensus.validators import ValidatorSet
from consensus.votes import Votes
from consensus.wal import SigningLog
from credentials.ledger import registry
from credentials.ledger.attestation import Attestation
from tests.harness.sim.world import sim_genesis


@contextmanager
def _patched(owner: Any, name: str, changed: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, changed)
    try:
        yield
    finally:
        setattr(owner, name, original)


def vote_without_persisting() -> AbstractContextManager[None]:
    """Votes go out, and are on no disk."""

    def persist(self: SigningLog, record: Any) -> None:
        self._signed[record.guard] = record.data
        self._present.out.append(Broadcast(record.data))

    return _patched(SigningLog, "persist", persist)


@contextmanager
def quorum_at_least_two_thirds() -> Iterator[None]:
    """`>=` for `>`: two thirds are a quorum."""
    post_init = ValidatorSet.__post_init__

    def changed(self: ValidatorSet) -> None:
        post_init(self)
        object.__setattr__(self, "quorum", -(-2 * self.total_weight // 3))

    sim_genesis.cache_clear()  # sets know their quorum from when they were made
    with _patched(ValidatorSet, "__post_init__", changed):
        yield
    sim_genesis.cache_clear()


def lock_not_kept() -> AbstractContextManager[None]:
    """A polka is precommitted, and nothing is locked."""
    original = machine._polka

    def polka(state: State, value_id: bytes) -> machine.Result:
        after, effects = original(state, value_id)
        return replace(after, locked_value=state.locked_value, locked_round=state.locked_round), effects

    return _patched(machine, "_polka", polka)


def valid_round_ignored() -> AbstractContextManager[None]:
    """L28 without its condition: an old polka unlocks whatever was locked since."""
    original = machine.step

    def step(state: State, event: machine.Input) -> machine.Result:
        if isinstance(event, machine.OldProposal):
            forgetful = replace(state, locked_value=None, locked_round=NO_ROUND)
            after, effects = original(forgetful, event)
            kept = replace(after, locked_value=state.locked_value, locked_round=state.locked_round)
            return (kept, effects) if effects else (state, ())
        return original(state, event)

    return _patched(machine, "step", step)


def timestamp_in_a_vote() -> AbstractContextManager[None]:
    """What a vote signs holds the time of day."""
    original = Vote.signed_bytes
    ticks = iter(range(1 << 60))

    def signed_bytes(self: Vote, network_id: bytes, validators_hash: bytes) -> bytes:
        return original(self, network_id, validators_hash) + (next(ticks) // 64).to_bytes(8, "big")

    return _patched(Vote, "signed_bytes", signed_bytes)


def set_iteration() -> AbstractContextManager[None]:
    """The order in a block is that of a set: it depends on PYTHONHASHSEED."""
    original = registry.block_order

    def block_order(attestations: Sequence[Attestation], previous_id: bytes) -> list[Attestation]:
        by_digest = {attestation.digest: attestation for attestation in original(attestations, previous_id)}
        return [by_digest[digest] for digest in set(sorted(by_digest))]

    return _patched(registry, "block_order", block_order)


def sender_counted_twice() -> AbstractContextManager[None]:
    """A validator that votes twice in a step weighs twice."""

    def quorum_for(
        self: Votes, kind: Kind, round: int, value_id: bytes | None, valid_round: int = NO_ROUND
    ) -> bool:
        choices = self._tally.get((round, kind), {})
        same = choices.get((value_id, valid_round), {})
        again = sum(
            name in other
            for choice, other in choices.items()
            if choice != (value_id, valid_round)
            for name in same
        )
        return self._weight(same) + again >= self._validators.quorum

    @contextmanager
    def both() -> Iterator[None]:
        original = Votes.decisions

        def decisions(self: Votes) -> list[tuple[int, bytes]]:
            found = original(self)
            for (round_, kind), choices in sorted(self._tally.items()):
                for value_id, _ in choices:
                    enough = value_id is not None and kind != PREVOTE
                    if (
                        enough
                        and quorum_for(self, kind, round_, value_id)
                        and (round_, value_id) not in found
                    ):
                        found.append((round_, value_id))  # type: ignore[arg-type]
            return found

        with _patched(Votes, "quorum_for", quorum_for), _patched(Votes, "decisions", decisions):
            yield

    return both()


def unlock_on_nil_polka() -> AbstractContextManager[None]:
    """A quorum of nil prevotes takes the lock away."""
    original = machine.step

    def step(state: State, event: machine.Input) -> machine.Result:
        after, effects = original(state, event)
        if isinstance(event, machine.PolkaForNil) and effects:
            after = replace(after, locked_value=None, locked_round=NO_ROUND)
        return after, effects

    return _patched(machine, "step", step)


def decide_without_proposal() -> AbstractContextManager[None]:
    """L49 without the block: a quorum of precommits decides."""
    original = Height._enabled

    def enabled(self: Height) -> Iterator[machine.Input]:
        for round_, value_id in self.votes.decisions():
            yield machine.PrecommitsForValue(round_, value_id)
        yield from original(self)

    return _patched(Height, "_enabled", enabled)


@contextmanager
def evidence_without_signatures() -> Iterator[None]:
    """What accuses is believed unread."""

    def believe(*_: object) -> None:
        return

    with _patched(faults, "verify_evidence", believe), _patched(evidence, "verify_evidence", believe):
        yield


BUGS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    bug.__name__: bug
    for bug in (
        vote_without_persisting,
        quorum_at_least_two_thirds,
        lock_not_kept,
        valid_round_ignored,
        timestamp_in_a_vote,
        set_iteration,
        sender_counted_twice,
        unlock_on_nil_polka,
        decide_without_proposal,
        evidence_without_signatures,
    )
}
