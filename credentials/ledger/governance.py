"""Who takes part, with which keys and licences, whose acts count, by which limits and rules: at a height.

`Governance` is the answer at one height, a frozen value that is sound by construction. `GovernanceHistory`
gives it for every height. Genesis is its first epoch, in force from height 0; whatever changes later begins
another, and no question of the past is answered otherwise for it. Two sorts of time must not be mixed up:

    height   which Governance is asked: the rules and records as the network had agreed on them then
    at       a time in seconds that the question is about: was this licence, this key in force at that time?

A key that is rotated or found to be compromised stays in every later Governance with its interval: so what is
asked today about a time in the past knows what was learnt since, and what is asked as of an old height does
not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Generic, TypeVar

from consensus.checkpoint import COSIGNATURE_KIND, LOG_KIND, NoteKey
from consensus.log_policy import make_policy
from consensus.validators import ValidatorSet
from credentials.documents.code_schemes import CodeScheme, code_schemes
from credentials.errors import CredentialError
from credentials.ledger.approvals import ApprovalRules
from credentials.ledger.engine_terms import FOUNDED, EngineTerm
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.parties import ANY, Accreditation, Key, Limits, Participant, Stop
from credentials.ledger.recognition import Recognition
from credentials.ledger.soundness import (
    governance_invalid,
    require_accreditations,
    require_participants,
    require_recognitions,
    validator_set,
)

T = TypeVar("T")

LIFECYCLE_FILE = "lifecycle.json"
APPROVING_ROLE, APPROVING_KEY = "authority", "attest"
INDEXED_MAX = 32  # epochs of the past that keep the indices they were asked by (decision 0913)
VALIDATORS_AHEAD = 2  # blocks between a change of validators and the first block that they decide


@dataclass(frozen=True)
class Governance:
    """Everything that governs at one height.

    Raises CredentialError("governance_invalid", sentence) for records that do not go together, and
    "rules_invalid" for a life cycle or a scheme of codes that cannot be read. Asking builds nothing but
    indices, each once.
    """

    participants: Mapping[str, Participant]  # by DID, in the order in which they joined
    validator_dids: tuple[str, ...]  # in the order in which they take turns
    accreditations: tuple[Accreditation, ...]
    recognitions: tuple[Recognition, ...]
    limits: Limits
    rules: Mapping[str, Any]  # parsed rule files by name
    rule_digests: Mapping[str, bytes]
    app_version: int  # of the code that executes the rules
    approvals: ApprovalRules = field(default_factory=ApprovalRules)
    stops: Mapping[str, Stop] = field(default_factory=dict)  # the last one of each target
    engine: EngineTerm | None = None  # the last move to another engine; it may be one to come
    # The table of the life cycle and what was read of it: every proposal that is tried makes a governance,
    # most of the same rules, and the table is long. `replace` hands it on; another table is read anew.
    lifecycle_read: tuple[object, Lifecycle] | None = field(default=None, compare=False, repr=False)
    schemes: Mapping[str, CodeScheme] = field(init=False, compare=False, repr=False)  # of codes, added
    validators: ValidatorSet = field(init=False, compare=False, repr=False)
    lifecycle: Lifecycle = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if LIFECYCLE_FILE not in self.rules:
            raise governance_invalid(f"it names no {LIFECYCLE_FILE}")
        table, read = self.rules[LIFECYCLE_FILE], self.lifecycle_read
        if read is None or read[0] is not table:
            read = table, Lifecycle.parse(table)
            object.__setattr__(self, "lifecycle_read", read)
        lifecycle, schemes = read[1], code_schemes(self.rules)
        lifecycle = replace(lifecycle, battery_schemes=lifecycle.battery_schemes | schemes.keys())
        require_participants(self.participants, lifecycle)
        validators = validator_set(
            self.validator_dids, self.participants, self.approvals.quorum_jurisdictions
        )
        require_accreditations(self.accreditations, self.participants, lifecycle)
        require_recognitions(self.recognitions, self.participants)
        object.__setattr__(self, "lifecycle", lifecycle)
        object.__setattr__(self, "schemes", schemes)
        object.__setattr__(self, "validators", validators)

    # -- participants and their keys -----------------------------------------------------------------

    def participant(self, did: str) -> Participant | None:
        """The participant with this DID."""
        return self.participants.get(did)

    def key(self, did: str, role: str, at: int) -> Key | None:
        """The participant's newest key of this role, valid at `at`."""
        participant = self.participants.get(did)
        return participant.key(role, at) if participant else None

    def key_by_id(self, kid: str, at: int | None = None) -> Key | None:
        """The key with this DID URL, if it is valid at `at` (None: at any time)."""
        key = self._keys_by_id.get(kid)
        return key if key and (at is None or key.valid(at)) else None

    def stopped(self, target: str, at: int) -> Stop | None:
        """The emergency stop of a DID or key that is in force at `at`."""
        stop = self.stops.get(target)
        return stop if stop is not None and stop.holds(at) else None

    def aliases(self, did: str) -> frozenset[str]:
        """Every name a participant may be named by: its DID, and its EORI or USCC where it gave one."""
        return self._aliases.get(did, frozenset())

    def owner_of(self, name: str) -> str | None:
        """The participant with this DID, EORI or USCC; None for a party without a node."""
        return self._owners.get(name)

    def party(self, name: str) -> str:
        """Under which name whoever is named so acts here: a participant's DID, or the name as it is."""
        return self._owners.get(name, name)

    @cached_property
    def robbed(self) -> frozenset[str]:
        """Whoever stated that a key of its own was stolen."""
        found = self.participants.items()
        return frozenset(d for d, p in found if any(k.compromised_from is not None for k in p.keys))

    @cached_property
    def stolen_keys(self) -> frozenset[bytes]:
        """The public keys that somebody else may have used: what they sign accuses nobody."""
        keys = (key for did in self.robbed for key in self.participants[did].keys)
        return frozenset(key.public for key in keys if key.compromised_from is not None)

    @cached_property
    def before_thefts(self) -> Governance:
        """The same, had nobody stated a theft: what a key said is held against whoever it was said of."""
        parties = {did: self.participants[did] for did in sorted(self.robbed)}
        believed = {
            did: replace(p, keys=tuple(replace(k, compromised_from=None) for k in p.keys))
            for did, p in parties.items()
        }
        return replace(self, participants={**self.participants, **believed})

    # -- licences ------------------------------------------------------------------------------------

    def accredited(self, did: str, role: str, scheme: str, namespace: str, at: int) -> Accreditation | None:
        """The accreditation under which `did` acts as `role` for this namespace at `at`, or None.

        `role` is a role, or the name of an event: then any role that may attest it.
        """
        event = self.lifecycle.event(role)
        roles = event.attesters if event else (role,)
        exactly = bool(event and event.effects.creates)
        for accreditation in self._accreditations_of.get(did, ()):
            if (
                accreditation.in_force(at)
                and accreditation.covers(scheme, namespace, exactly=exactly)
                and (ANY in roles or not set(roles).isdisjoint(accreditation.roles))
            ):
                return accreditation
        return None

    def accreditations_of(self, did: str) -> tuple[Accreditation, ...]:
        """Every accreditation of a participant, in the order in which they were given."""
        return self._accreditations_of.get(did, ())

    def sides(self, did: str, roles: Set[str], scheme: str, namespace: str, at: int) -> frozenset[str]:
        """Where its licences in one of these roles for such codes are in force, wherever it is at home."""
        return frozenset(
            a.jurisdiction
            for a in self._accreditations_of.get(did, ())
            if a.in_force(at) and a.covers(scheme, namespace) and not roles.isdisjoint(a.roles)
        )

    def makes(self, did: str, scheme: str, namespace: str, at: int) -> bool:
        """True if `did` may bring codes of this namespace into being at `at`: named, not by "*"."""
        return any(
            a.in_force(at)
            and a.covers(scheme, namespace, exactly=True)
            and not self._creating_roles.isdisjoint(a.roles)
            for a in self._accreditations_of.get(did, ())
        )

    def holds_role(self, did: str, role: str, at: int) -> bool:
        """True if some accreditation in force gives the participant this role."""
        return any(role in a.roles and a.in_force(at) for a in self._accreditations_of.get(did, ()))

    def is_official(self, did: str, at: int) -> bool:
        """True if the participant is an authority of any kind, by the roles that the table calls so."""
        return any(self.holds_role(did, role, at) for role in sorted(self.lifecycle.officials))

    def holders_of(self, role: str, at: int) -> tuple[str, ...]:
        """The participants that hold a role at `at`, in the order in which they joined."""
        return tuple(did for did in self.participants if self.holds_role(did, role, at))

    def authorities(self, at: int) -> dict[str, str]:
        """{DID: jurisdiction} of the authorities that may approve at `at`: keyed, at home, not stopped."""
        return {
            did: participant.jurisdiction
            for did, participant in self.participants.items()
            if not self.stopped(did, at)
            and participant.takes_part(at)
            and any(
                key.role == APPROVING_KEY and key.valid(at) and not self.stopped(key.id, at)
                for key in participant.keys
            )
            and any(
                APPROVING_ROLE in a.roles and a.jurisdiction == participant.jurisdiction and a.in_force(at)
                for a in self._accreditations_of.get(did, ())
            )
        }

    # -- the log -------------------------------------------------------------------------------------

    def votes(self, did: str) -> bool:
        """True if the participant is a validator."""
        return self.validators.get(did) is not None

    def log_key(self, origin: str, did: str) -> NoteKey:
        """The C2SP key (0x01) with which a validator signs checkpoints; its name is the origin."""
        return NoteKey(origin, LOG_KIND, self._validator_key(did, "log"))

    def cosign_key(self, did: str) -> NoteKey:
        """The C2SP key (0x04) with which a validator cosigns."""
        return NoteKey(key_name(did), COSIGNATURE_KIND, self._validator_key(did, "cosign"))

    def note_keys(self, origin: str) -> dict[str, tuple[NoteKey, ...]]:
        """{DID: every key with which it signs checkpoints, or did}, of whoever has such keys."""
        found = {did: note_keys_of(p, origin) for did, p in self.participants.items()}
        return {did: keys for did, keys in found.items() if keys}

    def compromised_note_keys(self, origin: str) -> tuple[str, ...]:
        """The keys of checkpoints, as vkeys in order, that somebody else may have used."""
        made = (key for keys in self.note_keys(origin).values() for key in keys)
        return tuple(sorted(key.vkey() for key in made if key.public_key in self.stolen_keys))

    def log_policy(self, origin: str) -> str:
        """The tlog-policy of the log: every validator's log key, and a quorum of cosigners."""
        dids = [validator.name for validator in self.validators.validators]
        return make_policy(
            origin,
            [self.log_key(origin, did) for did in dids],
            [(key_name(did), self.cosign_key(did)) for did in dids],
            self.validators.quorum,
            {key_name(did): self.participants[did].jurisdiction for did in dids},
        )

    def _validator_key(self, did: str, role: str) -> bytes:
        if not self.votes(did):
            raise CredentialError("not_a_validator", f"{did} is no validator of this network")
        key = self.participants[did].latest_key(role)
        assert key is not None, "a validator has one: soundness.py"
        return key.public

    # -- indices, built when first asked -------------------------------------------------------------

    def forget_indices(self) -> None:
        """They are built again once they are asked for."""
        for name in _INDICES:  # and not those that are there: another thread may be building one
            vars(self).pop(name, None)

    @cached_property
    def _keys_by_id(self) -> dict[str, Key]:
        return {
            key.id: key if p.left is None else replace(key, valid_until=_earlier(key.valid_until, p.left))
            for p in self.participants.values()
            for key in p.keys
        }

    @cached_property
    def _creating_roles(self) -> frozenset[str]:
        return self.lifecycle.creating_roles()

    @cached_property
    def _aliases(self) -> dict[str, frozenset[str]]:
        return {did: frozenset((did, *p.identifiers)) for did, p in self.participants.items()}

    @cached_property
    def _owners(self) -> dict[str, str]:
        return {name: did for did, names in self._aliases.items() for name in names}

    @cached_property
    def _accreditations_of(self) -> dict[str, tuple[Accreditation, ...]]:
        found: dict[str, list[Accreditation]] = {}
        for accreditation in self.accreditations:
            left = self.participants[accreditation.participant].left
            if left is not None:
                until = _earlier(accreditation.valid_until, left)
                accreditation = replace(accreditation, valid_until=until)  # noqa: PLW2901
            found.setdefault(accreditation.participant, []).append(accreditation)
        return {did: tuple(held) for did, held in found.items()}


_INDICES = {name for name, member in vars(Governance).items() if isinstance(member, cached_property)}


def _earlier(until: int | None, left: int) -> int:
    return left if until is None else min(until, left)


def key_name(did: str) -> str:
    """The C2SP key name of a participant's cosign key: the host and path of its did:web."""
    return did.removeprefix("did:web:").replace(":", "/").replace("%3A", ":")


def note_keys_of(party: Participant, origin: str) -> tuple[NoteKey, ...]:
    """Every key with which a participant signs checkpoints of this log, or did."""
    return (
        *(NoteKey(origin, LOG_KIND, key.public) for key in party.keys if key.role == "log"),
        *(NoteKey(key_name(party.did), COSIGNATURE_KIND, k.public) for k in party.keys if k.role == "cosign"),
    )


class GovernanceHistory:
    """Which Governance is in force at which height, and the height of the last committed block.

    It only grows: what `at` answered for a committed height, it answers for ever. One node has one, which
    its registry moves on; everybody else asks it, from any thread (`_epochs` is replaced, never changed).
    Every epoch is kept, but of the past only those asked for last keep their indices.
    """

    def __init__(self, epochs: Iterable[tuple[int, Governance]], height: int = 0) -> None:
        """`epochs`: each with the first height at which it is in force, rising, the first from 0 on."""
        self._epochs = tuple(epochs)
        starts = [start for start, _ in self._epochs]
        if starts[:1] != [0] or any(first >= second for first, second in pairwise(starts)):
            raise governance_invalid("epochs follow each other, the first from height 0 on")
        self._indexed: OrderedDict[int, Governance] = OrderedDict()  # of the past, those asked for last
        for (start, before), (_, after) in pairwise(self._epochs):
            _require_same_keys(before, after)
            self._was_asked(start, before)
        self._height = height

    @property
    def height(self) -> int:
        """Of the last committed block."""
        return self._height

    @property
    def epochs(self) -> tuple[tuple[int, Governance], ...]:
        """(first height, Governance), in rising order; the last may not be in force yet."""
        return self._epochs

    @property
    def latest(self) -> Governance:
        """What governs the next block, and so whatever is asked now and of no block."""
        return self.at(self._height + 1)

    def at(self, height: int) -> Governance:
        """What governs the block of this height; of heights to come, as far as is known by now."""
        assert height >= 0, "no block has a height below zero"
        epochs = self._epochs
        place = bisect_right(epochs, height, key=lambda epoch: epoch[0]) - 1
        if place < len(epochs) - 2:  # what governs now, or next, is not of the past
            self._was_asked(*epochs[place])
        return epochs[place][1]

    def term(self, height: int) -> EngineTerm:
        """The engine of this height: of heights to come, as far as is known by now."""
        terms = (governance.engine for _, governance in reversed(self._epochs))
        return next((term or FOUNDED for term in terms if term is None or term.first <= height), FOUNDED)

    def advance(self, height: int) -> None:
        """The block of this height is committed."""
        assert height == self._height + 1, "blocks are committed in order"
        self._height = height

    def enact(self, start: int, governance: Governance) -> None:
        """From `start` on, `governance` is in force; raises CredentialError("governance_invalid", ...).

        Not at a height that is committed, or an answer about the past would change. That others vote not
        before the second block from their decision on is the business of who decided (governance_state.py).
        """
        before = self._epochs[-1]
        if start <= max(self._height, before[0]):
            raise governance_invalid(f"height {start} is governed already: changes are for later blocks")
        _require_same_keys(before[1], governance)
        self._epochs = (*self._epochs, (start, governance))
        for past in self._epochs[-3:-2]:
            self._was_asked(*past)

    def _was_asked(self, start: int, governance: Governance) -> None:
        # Threads may cross here: each of these is one step, and what is forgotten early is built again.
        self._indexed.pop(start, None)
        self._indexed[start] = governance
        if len(self._indexed) > INDEXED_MAX:
            self._indexed.popitem(last=False)[1].forget_indices()


class Derived(Generic[T]):
    """What somebody makes of a Governance, made again only when another one is asked for."""

    def __init__(self, make: Callable[[Governance], T]) -> None:
        self._make = make
        self._made: tuple[Governance, T] | None = None

    def of(self, governance: Governance) -> T:
        """What was made of this one."""
        made = self._made
        if made is None or made[0] is not governance:
            made = self._made = governance, self._make(governance)
        return made[1]


def _require_same_keys(before: Governance, after: Governance) -> None:
    """A key id names one key for ever, or a signature that was good would be another's later."""
    for participant in before.participants.values():
        for key in participant.keys:
            again = after.key_by_id(key.id)
            if again is not None and (again.public, again.role) != (key.public, key.role):
                raise governance_invalid(f"{key.id} names another key already: a new key has a new id")
