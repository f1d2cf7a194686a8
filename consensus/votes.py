"""The votes of one height, counted by weight; what a validator says twice is evidence.

A validator counts once for each value it voted for and once in "votes of any kind". A second vote of an
equivocator is kept, because other validators may have seen only that one and hold a polka with it; further
ones are kept only when f+1 already stand behind the same value, so that no sender can fill the memory.
"""

from collections.abc import Iterable
from enum import Enum

from consensus.evidence import FaultEvidence, evidence_of
from consensus.types import NO_ROUND, PRECOMMIT, PREVOTE, Kind, Vote
from consensus.validators import ValidatorSet

VOTES_PER_STEP_MAX = 2  # of one validator in one round and kind, before the f+1 rule applies
ROUNDS_AHEAD_MAX = 16  # votes further ahead only say that their sender is there


class Added(Enum):
    """What became of a vote."""

    NEW = "new"
    DUPLICATE = "duplicate"
    SURPLUS = "surplus"  # one vote too many of an equivocator, or too far ahead to keep


# What a vote is for: prevotes for one value with different valid rounds are different.
_Choice = tuple[bytes | None, int]


class Votes:
    """The vote keeper of one height. Signatures are verified before a vote gets here."""

    def __init__(self, validators: ValidatorSet) -> None:
        self._validators = validators
        self._cast: dict[tuple[int, Kind], dict[str, list[Vote]]] = {}
        self._tally: dict[tuple[int, Kind], dict[_Choice, dict[str, Vote]]] = {}
        self._highest_round: dict[str, int] = {}
        self.evidence: dict[bytes, FaultEvidence] = {}  # by id

    def add(self, vote: Vote, current_round: int) -> Added:
        """Keep `vote`, unless it is known or one too many."""
        self.note_round(vote.validator, vote.round)
        if vote.round > current_round + ROUNDS_AHEAD_MAX:
            return Added.SURPLUS
        step, choice = (vote.round, vote.kind), (vote.value_id, vote.valid_round)
        same = self._tally.setdefault(step, {}).setdefault(choice, {})
        if vote.validator in same:
            return Added.DUPLICATE
        earlier = self._cast.setdefault(step, {}).setdefault(vote.validator, [])
        if len(earlier) >= VOTES_PER_STEP_MAX and not self._weight(same) >= self._validators.one_honest:
            if not same:
                del self._tally[step][choice]
            return Added.SURPLUS
        for evidence in self.against(vote):
            self.evidence.setdefault(evidence.id, evidence)
        earlier.append(vote)
        same[vote.validator] = vote
        return Added.NEW

    def against(self, vote: Vote) -> Iterable[FaultEvidence]:
        """What `vote` shows together with what its validator said before."""
        for cast in self._cast.values():
            for earlier in cast.get(vote.validator, ()):
                evidence = evidence_of(earlier, vote)
                if evidence is not None:
                    yield evidence

    def note_round(self, validator: str, round: int) -> None:
        """`validator` has signed something in `round`."""
        self._highest_round[validator] = max(round, self._highest_round.get(validator, NO_ROUND))

    def round_ahead(self, round: int) -> int | None:
        """The highest round above `round` that f+1 have reached, if there is one (L55)."""
        weight = 0
        for name, reached in sorted(self._highest_round.items(), key=lambda item: (-item[1], item[0])):
            if reached <= round:
                return None
            weight += self._validators.weight_of([name])
            if weight >= self._validators.one_honest:
                return reached
        return None

    def quorum_of_any(self, kind: Kind, round: int) -> bool:
        """A quorum has voted in this step, for whatever."""
        names = self._cast.get((round, kind), {})
        return self._validators.weight_of(names) >= self._validators.quorum

    def quorum_for(self, kind: Kind, round: int, value_id: bytes | None, valid_round: int = NO_ROUND) -> bool:
        """A quorum has voted for this value (None: nil) with this valid round."""
        same = self._tally.get((round, kind), {}).get((value_id, valid_round), {})
        return self._weight(same) >= self._validators.quorum

    def honest_support(self, round: int, value_id: bytes) -> bool:
        """At least one correct validator has prevoted this value in `round`."""
        return any(
            value == value_id and self._weight(same) >= self._validators.one_honest
            for (value, _), same in self._tally.get((round, PREVOTE), {}).items()
        )

    def polka(self, round: int, value_id: bytes) -> tuple[Vote, ...]:
        """A quorum of prevotes for this value with one valid round, in order of name, or nothing."""
        choices = self._tally.get((round, PREVOTE), {})
        for choice in sorted((c for c in choices if c[0] == value_id), key=lambda c: c[1]):
            if self._weight(choices[choice]) >= self._validators.quorum:
                return tuple(vote for _, vote in sorted(choices[choice].items()))
        return ()

    def decisions(self) -> list[tuple[int, bytes]]:
        """Every (round, value) with a quorum of precommits."""
        return [
            (round_, value_id)
            for (round_, kind), choices in sorted(self._tally.items())
            if kind == PRECOMMIT
            for (value_id, _), same in choices.items()
            if value_id is not None and self._weight(same) >= self._validators.quorum
        ]

    def precommits(self, round: int, value_id: bytes) -> tuple[Vote, ...]:
        """The precommits for a value, in order of name."""
        same = self._tally.get((round, PRECOMMIT), {}).get((value_id, NO_ROUND), {})
        return tuple(vote for _, vote in sorted(same.items()))

    def has_polka(self, round: int) -> bool:
        """Some value has a polka in `round`."""
        return any(value and self.polka(round, value) for value, _ in self._tally.get((round, PREVOTE), {}))

    def all(self) -> list[Vote]:
        """Every vote kept, in the order of round, kind and name."""
        return [
            vote
            for _, cast in sorted(self._cast.items())
            for _, votes in sorted(cast.items())
            for vote in votes
        ]

    def forget(self, round: int) -> None:
        """Drop the votes of `round`."""
        for key in [key for key in self._cast if key[0] == round]:
            del self._cast[key], self._tally[key]

    def rounds(self) -> list[int]:
        """The rounds with votes."""
        return sorted({round_ for round_, _ in self._cast})

    def _weight(self, same: dict[str, Vote]) -> int:
        return self._validators.weight_of(same)
