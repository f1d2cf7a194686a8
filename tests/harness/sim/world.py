"""What a simulated network orders: the production registry of a small genesis, or plain named values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Protocol

from consensus.application import Application, Execution
from consensus.chain import ChainConfig, Parameters, Tip
from consensus.cose import SeedSigner
from consensus.log_policy import LogPolicy
from consensus.merkle import Frontier
from consensus.standings_map import StandingsMap
from consensus.validators import Validator, ValidatorSet
from credentials.ledger.attestation import make_attestation
from credentials.ledger.constitution import Constitution, GovernanceRow
from credentials.ledger.genesis import Genesis
from credentials.ledger.parties import KEY_ROLES, Key, Participant
from credentials.ledger.policy_keys import policies_in
from credentials.ledger.registry import MemoryReader, Registry, genesis_app_hash
from node.ledger.chain import chain_config
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    MAKER,
    OTHER_MAKER,
    accreditation,
    battery,
    day_of,
    make_genesis,
    participant,
    set_list,
    set_list_digest,
    signer,
)
from tests.harness.sim.ledger import Ledger

START_MS = CREATED * 1000
GENESIS_APP_HASH = Ledger().app_hash


def validator_name(index: int) -> str:
    """The DID of a validator."""
    return f"did:web:v{index}.example"


@cache
def validator_signer(index: int, role: str = "vote") -> SeedSigner:
    """A key of a validator, from its index."""
    seed = sha256(f"{role} {index}".encode()).digest()
    return SeedSigner(f"{validator_name(index)}#{role}", seed)


def faulty_max(validators: int) -> int:
    """f: the largest number that is less than a third."""
    return max(f for f in range(validators) if 3 * f < validators)


def make_signers(count: int) -> list[SeedSigner]:
    """Vote keys from their index."""
    return [validator_signer(i) for i in range(count)]


def make_chain(count: int, *, heartbeat_ms: int = 600_000) -> ChainConfig:
    """A network of `count` validators of weight 1 that orders named values."""
    validators = ValidatorSet(
        tuple(Validator(validator_name(i), s.public_key) for i, s in enumerate(make_signers(count)))
    )
    return ChainConfig(
        network_id=sha256(b"sim network").digest(),
        validators=validators,
        config_digest=sha256(b"sim config").digest(),
        parameters=Parameters(1, heartbeat_ms=heartbeat_ms),
    )


class Disk(Protocol):
    """What one node has stored of what the network agreed on; survives its crashes."""

    def application(self, height: int, app_hash: bytes) -> Application:
        """The application as a restarted process builds it."""
        ...

    def store(self, execution: Execution) -> None:
        """One transaction of ledger.db."""
        ...


class World(Protocol):
    """The rules and the start of a network."""

    @property
    def chain(self) -> ChainConfig:
        """What the nodes agreed on before they started."""
        ...

    @property
    def policy(self) -> LogPolicy | None:
        """Which cosignatures make a receipt valid; None: nobody cosigns."""
        ...

    def tip(self) -> Tip:
        """Height 0."""
        ...

    def disk(self) -> Disk:
        """An empty disk."""
        ...


# --- named values


class _Values:
    """Keeps executions; the application adopts them again after a restart."""

    def __init__(self) -> None:
        self._executions: list[Execution] = []

    def application(self, height: int, app_hash: bytes) -> Ledger:
        ledger = Ledger()
        for execution in self._executions:
            ledger.commit(execution)
        return ledger

    def store(self, execution: Execution) -> None:
        self._executions.append(execution)


@dataclass(frozen=True)
class Plain:
    """A network that orders named values (tests/harness/sim/ledger.py)."""

    chain: ChainConfig
    policy: LogPolicy | None = None

    def tip(self) -> Tip:
        return Tip(0, self.chain.network_id, START_MS // 1000, GENESIS_APP_HASH, Frontier())

    def disk(self) -> _Values:
        return _Values()


# --- the registry


def _validator(index: int, count: int) -> Participant:
    jurisdiction = "CN" if index < (count + 1) // 2 else "EU"
    keys = []
    for role in KEY_ROLES:
        held = validator_signer(index, role)
        keys.append(Key(role, held.key_id, held.public_key, CREATED - 86_400))
    did = validator_name(index)
    return Participant(did, did.removeprefix("did:web:"), jurisdiction, ("authority",), tuple(keys))


@cache
def sim_genesis(count: int) -> Genesis:
    """`count` validators in two jurisdictions, two makers and an authority."""
    makers = (MAKER, OTHER_MAKER, CN_AUTHORITY)
    return make_genesis(
        participants=[*(_validator(i, count) for i in range(count)), *(participant(did) for did in makers)],
        validators=[validator_name(i) for i in range(count)],
        accreditations=[accreditation(did) for did in makers],
        recognitions=(),
    )


class _Records:
    """The production reader in memory; a restarted registry is built from its records."""

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = genesis
        self.reader = MemoryReader()
        self.governance: list[GovernanceRow] = []

    def application(self, height: int, app_hash: bytes) -> Registry:
        standings = StandingsMap(self.reader.records.items())
        files = self._genesis.rule_files.get
        constitution = Constitution.restored(self._genesis, self.governance, height, files)
        policies = policies_in(self.reader.entries)
        return Registry(
            self._genesis, self.reader, app_hash, standings, constitution=constitution, policies=policies
        )

    def store(self, execution: Execution) -> None:
        self.reader.store(execution)
        self.governance += [GovernanceRow(execution.height, *row) for row in execution.governance]


class Border:
    """A network that orders attestations about batteries with the production registry."""

    def __init__(self, count: int) -> None:
        self.genesis = sim_genesis(count)
        self.chain = chain_config(self.genesis)
        policy = self.genesis.governance.log_policy(self.genesis.origin)
        self.policy: LogPolicy | None = LogPolicy.parse(policy)

    def tip(self) -> Tip:
        return Tip(
            0, self.genesis.network_id, self.genesis.created, genesis_app_hash(self.genesis), Frontier()
        )

    def disk(self) -> _Records:
        return _Records(self.genesis)

    def life_of(self, number: int) -> list[bytes]:
        """A battery is produced and its passport published twice, differently: one of the two must lose."""
        subject = battery(number, "ZZ3" if number % 3 == 0 else "ZZ1")
        by = OTHER_MAKER if number % 3 == 0 else MAKER
        produced = make_attestation(
            kind="battery.produced",
            issuer=by,
            signer=signer(by),
            subject=subject,
            network_id=self.genesis.network_id,
            iat=CREATED - 100,
            event_time=CREATED - 100,
            document_digest=sha256(b"produced %d" % number).digest(),
            produced_on=day_of(CREATED - 100),
        )
        first, rival = (self._published(number, version, by) for version in (1, 2))
        return [produced, first, rival]

    def _published(self, number: int, version: int, by: str) -> bytes:
        sets = set_list(number, version)
        return make_attestation(
            kind="passport.published",
            issuer=by,
            signer=signer(by),
            subject=battery(number, "ZZ3" if number % 3 == 0 else "ZZ1"),
            network_id=self.genesis.network_id,
            iat=CREATED - 50,
            event_time=CREATED - 50,
            set_list=sets,
            document_digest=set_list_digest(sets),
        )


def lives(world: Border, numbers: Iterable[int]) -> list[bytes]:
    """All attestations about these batteries."""
    return [tx for number in numbers for tx in world.life_of(number)]
