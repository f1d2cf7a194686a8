"""Who may vote, with which key and weight: a set of validators, and the sets of a network by height.

Quorums are by weight, in integers. Wire form: ["comity/validators/v1", [[name, key, weight], ...]].
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Self

from consensus.cose import PUBLIC_KEY_BYTES
from consensus.encoding import EncodingError, Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError

NAME_BYTES_MAX = 256
VALIDATORS_MAX = 128

_VALIDATORS_TAG = "comity/validators/v1"


@dataclass(frozen=True, slots=True)
class Validator:
    """A node with a vote."""

    name: str  # DID
    public_key: bytes  # vote key, 32 bytes
    weight: int = 1


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Validators in proposer order. All thresholds are integers by weight.

    Wire: ["comity/validators/v1", [[name, vote key, weight], ...]]; its SHA-256 is the set's hash.
    """

    validators: tuple[Validator, ...]
    total_weight: int = field(init=False, compare=False)
    quorum: int = field(init=False, compare=False)  # q: any two quorums share a correct validator
    one_honest: int = field(init=False, compare=False)  # f+1: at least one of these is correct
    hash: bytes = field(init=False, compare=False, repr=False)
    _by_name: dict[str, Validator] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        by_name = {validator.name: validator for validator in self.validators}
        if not 0 < len(by_name) <= VALIDATORS_MAX or len(by_name) != len(self.validators):
            raise ConsensusError(f"a network has 1 to {VALIDATORS_MAX} validators with distinct names")
        if len({validator.public_key for validator in self.validators}) != len(self.validators):
            raise ConsensusError("two validators share a vote key; each needs its own")
        if any(v.weight < 1 or len(v.public_key) != PUBLIC_KEY_BYTES for v in self.validators):
            raise ConsensusError("a validator needs a weight of at least 1 and a 32-byte vote key")
        total = sum(validator.weight for validator in self.validators)
        object.__setattr__(self, "total_weight", total)
        object.__setattr__(self, "quorum", 2 * total // 3 + 1)
        object.__setattr__(self, "one_honest", (total - 1) // 3 + 1)
        object.__setattr__(self, "hash", sha256(self.encode()).digest())
        object.__setattr__(self, "_by_name", by_name)

    def encode(self) -> bytes:
        """The wire form."""
        return encode([_VALIDATORS_TAG, [[v.name, v.public_key, v.weight] for v in self.validators]])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse strictly; raises EncodingError, or ConsensusError for members that are no set."""
        match decode(data):
            case [tag, list() as members] if tag == _VALIDATORS_TAG:
                return cls(tuple(_member(member) for member in members))
        raise EncodingError("not a validator set")

    def updated(self, updates: Iterable[Validator]) -> Self:
        """The set after `updates`: a name that is new joins, a known one gets this key and weight.

        A weight of 0 removes. Raises ConsensusError when what is left is no set.
        """
        members = dict(self._by_name)
        for update in updates:
            members[update.name] = update
        return type(self)(tuple(member for member in members.values() if member.weight != 0))

    def get(self, name: str) -> Validator | None:
        """The validator called `name`, if there is one."""
        return self._by_name.get(name)

    def proposer(self, height: int, round: int) -> Validator:
        """Whose turn it is: rotates with every height and every round, by weight."""
        slot = (height + round) % self.total_weight
        for validator in self.validators:
            if slot < validator.weight:
                return validator
            slot -= validator.weight
        raise AssertionError("a slot below the total weight belongs to a validator")

    def weight_of(self, names: Iterable[str]) -> int:
        """The weight of the distinct validators among `names`."""
        return sum(self._by_name[name].weight for name in set(names) if name in self._by_name)


@dataclass(frozen=True, slots=True)
class ValidatorHistory:
    """Who votes at which height: each set with the first height it decides, in rising order.

    Changes of height h are in force at h + 2, so the sets of the two heights after the last block are known.
    """

    steps: tuple[tuple[int, ValidatorSet], ...]

    def __post_init__(self) -> None:
        heights = [height for height, _ in self.steps]
        if not heights or any(first >= second for first, second in pairwise(heights)):
            raise ConsensusError("validator sets are kept by rising height, from the first one on")

    def at(self, height: int) -> ValidatorSet:
        """The validators of `height`, as far as known; those of the first set before it."""
        found = self.steps[0][1]
        for first, validators in self.steps:
            if first > height:
                break
            found = validators
        return found

    def changed(self, height: int, validators: ValidatorSet) -> Self:
        """The history with another set from `height` on."""
        return type(self)((*self.steps, (height, validators)))


def _member(member: Value) -> Validator:
    match member:
        case [str() as name, bytes() as key, weight] if is_name(name) and whole_numbers(weight):
            return Validator(name, key, weight)
    raise EncodingError("not a validator")


def is_name(value: object) -> bool:
    """True if it is a name that a message may carry: text of 1 to 256 bytes."""
    return type(value) is str and 0 < len(value.encode()) <= NAME_BYTES_MAX
