"""The registry: the Application that admits or refuses attestations and keeps every battery's standing.

The straight path of one attestation:

    parse -> known kind, this network, not final -> issuer's key at event time and now -> signature
          -> admission.py

A block in which any attestation fails is not valid. Only a real conflict between two validly signed
statements (`rules.Conflict`) becomes an entry: ["comity/refused/v1", ...]; the order decides, and the
winner keeps what it has. What an accredited party without a right over the battery says is an entry of its
own kind: ["comity/claim/v1", ...]. Everything here is integers, bytes and text; the same blocks give the
same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from consensus.application import Execution, Refusal
from consensus.chain import Parameters, Timeouts
from consensus.cose import SignatureInvalid, parse_sign1
from consensus.encoding import Value, encode
from consensus.standings_map import StandingsMap
from consensus.types import Block
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.admission import Judge, Judgment, StandingReader
from credentials.ledger.attestation import (
    Attestation,
    parse_attestation,
    standing_key,
    verify_attestation,
    verify_countersignature,
)
from credentials.ledger.block_order import block_order
from credentials.ledger.constitution import Constitution, governance_map
from credentials.ledger.entries import (
    AdmittedEntry,
    BlockEntry,
    ClaimEntry,
    Entry,
    EvidenceEntry,
    PolicyEntry,
    RefusedEntry,
    parse_entry,
)
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import Derived, Governance, GovernanceHistory
from credentials.ledger.governance_records import records_of
from credentials.ledger.governance_state import KINDS, Resolution
from credentials.ledger.parties import Limits
from credentials.ledger.policy_keys import PolicyKeys, policies_in, policy_entry
from credentials.ledger.records import asset_key
from credentials.ledger.rules import RuleConflict, require_built
from credentials.ledger.signatories import attest_key, recovery_key
from credentials.ledger.standing import Standing

__all__ = [
    "AdmittedEntry",
    "BlockEntry",
    "ClaimEntry",
    "Entry",
    "EvidenceEntry",
    "MemoryReader",
    "PolicyEntry",
    "RefusedEntry",
    "Registry",
    "Standing",
    "StandingReader",
    "asset_key",
    "block_order",
    "genesis_app_hash",
    "governance_map",
    "parse_entry",
    "standing_key",
]

VERIFIED_MAX = 2_000  # attestations whose signature is remembered between check_tx and the block: some 6 MiB
# The leaf of what is not in a block yet: after every leaf there is, as it will be. Which of two came first is
# asked of leaves; a proposal has to give the answers of its block, or its proposer could not vote for it.
NEXT_LEAF = 1 << 52


class MemoryReader:
    """A StandingReader in memory: for observers of small networks and for tests."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.finals: set[bytes] = set()
        self.entries: list[bytes] = []

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The encoded records that exist, by key."""
        return {key: self.records[key] for key in keys if key in self.records}

    def final(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of `digests` that are final."""
        return self.finals.intersection(digests)

    def store(self, execution: Execution) -> None:
        """Keep what a block did."""
        self.records.update(execution.standings)
        self.finals.update(execution.finals)
        self.entries.extend(execution.entries)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a block did beyond its bytes, for whoever adopts it."""

    attestations: tuple[Attestation, ...]  # so that whoever stores the entries need not parse them again
    resolution: Resolution
    policies: tuple[tuple[int, str], ...] = ()  # of the log: the size after which it decides, its text
    buckets: Mapping[int, bytes] = field(default_factory=dict)  # of the map of standings: changed hashes


def parameters_of(governance: Governance, origin: str) -> Parameters:
    """What consensus reads of what governs, for the log called `origin`."""
    limits = governance.limits
    return Parameters(
        app_version=governance.app_version,
        timeouts=Timeouts(
            propose_ms=limits.timeout_propose_ms,
            propose_delta_ms=limits.timeout_delta_ms,
            vote_ms=max(limits.timeout_prevote_ms, limits.timeout_precommit_ms),
            vote_delta_ms=limits.timeout_delta_ms,
        ),
        block_bytes_max=limits.block_bytes_max,
        heartbeat_ms=limits.heartbeat_ms,
        evidence_heights_max=limits.evidence_heights_max,
        note_keys=governance.note_keys(origin),
        stolen_keys=governance.stolen_keys,
    )


def _of_height(
    height: int, history: GovernanceHistory, made: Derived[Parameters], keys: PolicyKeys
) -> Parameters:
    known, epoch = made.of(history.at(height)), history.term(height).epoch
    return replace(known, note_keys_until=keys.until, engine_epoch=epoch)


def genesis_app_hash(genesis: Genesis, founded: Constitution | None = None) -> bytes:
    """The app hash at height 0; `founded`: the constitution before the first block, if it is at hand."""
    records = founded.records if founded else governance_map(records_of(genesis.governance))
    return _app_hash(genesis.network_id, StandingsMap(()).root, records.root, {})


class Registry:
    """The Application. `reader` must show the records as of the last committed block, that of `history`.

    A block is proposed and executed under what governs its height; what is asked outside of any block, under
    what governs the next one. Genesis is asked for what the founding alone says: which network, which
    configuration, which state before the first block.
    """

    def __init__(
        self,
        genesis: Genesis,
        reader: StandingReader,
        app_hash: bytes | None = None,
        standings_map: StandingsMap | None = None,
        history: GovernanceHistory | None = None,
        *,
        constitution: Constitution | None = None,
        policies: Iterable[tuple[int, str]] = (),  # of the log, after the founding's: `PolicyKeys`
    ) -> None:
        self.genesis = genesis
        self.constitution = constitution or Constitution.founded(genesis, history)
        self.history = self.constitution.history
        self.reader = reader
        self.app_hash = app_hash or genesis_app_hash(genesis, None if constitution else self.constitution)
        self.standings_map = standings_map if standings_map is not None else StandingsMap(())
        self._verified: dict[bytes, tuple[Attestation, frozenset[str]]] = {}
        self._last: tuple[bytes, Execution] | None = None
        self._policy_keys = PolicyKeys(self.history.epochs[0][1].log_policy(genesis.origin), policies)
        self._parameters = Derived(lambda governance: parameters_of(governance, genesis.origin))
        for _, governance in self.history.epochs:
            require_built(governance.lifecycle)

    @property
    def height(self) -> int:
        """Of the last committed block."""
        return self.history.height

    @property
    def app_version(self) -> int:
        """Carried by the next block."""
        return self.history.latest.app_version

    def parameters(self, height: int) -> Parameters:
        """What consensus reads of what governs that height."""
        return _of_height(height, self.history, self._parameters, self._policy_keys)

    def next_block_at(self, time: int) -> int | None:
        """When the next block is wanted though nothing waits for it, after one of this time."""
        return self.constitution.next_block_at(time, self.height + 1)

    def standing(self, subject: Subject) -> Standing | None:
        """The committed standing of a battery; None if the ledger knows nothing of it."""
        data = self.reader.get_many([standing_key(subject)]).get(standing_key(subject))
        return Standing.decode(data) if data is not None else None

    def check_tx(self, tx: bytes | Attestation, now: int) -> bytes:
        """The digest of an attestation that could be ordered now; raises Refusal or NotYet.

        A conflict passes: that it lost is decided by the order and belongs on the record. Who has it parsed
        already hands that over.
        """
        digest = _digest(tx)
        if self.reader.final([digest]):
            raise Refusal("duplicate", "this attestation is on the ledger already")
        governance = self.history.latest
        attestation, countersigned = self._authentic(tx, digest, now, governance)
        self.judge_at(now, governance).prefetch((attestation,)).judge(attestation, countersigned, NEXT_LEAF)
        return digest

    def issuer_of(self, tx: bytes) -> str:
        """The DID whose key signed an attestation that `check_tx` found authentic."""
        return parse_sign1(tx).key_id.partition("#")[0]

    def forget(self, digest: bytes) -> None:
        """Of what left the pool nothing is remembered: a flood does not push out what is kept."""
        self._verified.pop(digest, None)

    def foresee(self, tx: bytes | Attestation, now: int) -> Judgment:
        """What would become of it now: admitted (None), lost to another, or a claim; raises as check_tx."""
        governance = self.history.latest
        attestation, countersigned = self._authentic(tx, _digest(tx), now, governance)
        return self.judge_at(now, governance).judge(attestation, countersigned, NEXT_LEAF)

    def judge_at(self, at: int, governance: Governance) -> Judge:
        """Who judges the next block, were its time `at`."""
        sitting = self.constitution.state.sitting(at, self.height + 1, self.constitution.rule_files)
        return Judge(governance, self.reader, at, self.height, sitting)

    def prepare_proposal(
        self, txs: Sequence[bytes], height: int, time: int, previous_id: bytes, bytes_max: int
    ) -> tuple[bytes, ...]:
        """Those of `txs` that make a valid block now, in the order the block must have them."""
        governance = self.history.at(height)
        limits = governance.limits
        candidates: dict[bytes, tuple[Attestation, frozenset[str]]] = {}
        for tx in txs:
            digest = sha256(tx).digest()
            try:
                candidates[digest] = self._authentic(tx, digest, time, governance)
            except Refusal:
                continue
        for digest in self.reader.final(list(candidates)):
            del candidates[digest]
        judge = self.judge_at(time, governance)
        judge.prefetch(attestation for attestation, _ in candidates.values())
        chosen, size_bytes = list[bytes](), 0
        for attestation in block_order([a for a, _ in candidates.values()], previous_id):
            if len(chosen) == limits.attestations_per_block_max:
                break
            if size_bytes + _tx_bytes(attestation.data) > min(bytes_max, limits.block_bytes_max):
                continue
            try:
                judge.judge(attestation, candidates[attestation.digest][1], NEXT_LEAF + len(chosen))
            except Refusal:
                continue
            size_bytes += _tx_bytes(attestation.data)
            chosen.append(attestation.data)
        return tuple(chosen)

    def process_proposal(self, block: Block) -> Execution:
        """Execute the whole block on an overlay; raises Refusal if anything in it is not valid."""
        return self._execute(block)

    def finalize_block(self, block: Block) -> Execution:
        """The same computation, for a block that is decided."""
        return self._execute(block)

    def commit(self, execution: Execution) -> None:
        """Adopt an execution after its block is stored."""
        assert execution.height == self.height + 1, "executions are adopted in order"
        assert isinstance(execution.changes, Changes), "as `_execute` made it"
        self.constitution.adopt(execution.changes.resolution, execution.height)
        self._policy_keys.learn(*execution.changes.policies)
        self.standings_map.apply(execution.standings)
        self.history.advance(execution.height)
        self.app_hash = execution.app_hash
        self._last = None
        for digest in execution.finals:
            self._verified.pop(digest, None)

    def _execute(self, block: Block) -> Execution:
        if self._last is not None and self._last[0] == block.id:
            return self._last[1]
        if block.height != self.height + 1 or block.app_hash != self.app_hash:
            told = "block {height} does not follow the state after {after}"
            raise Refusal("block", told, height=block.height, after=self.height)
        governance = self.history.at(block.height)
        admissible = self._admissible(block, governance)
        judge = self.judge_at(block.time, governance)
        judge.prefetch(attestation for attestation, _ in admissible)
        entries: list[bytes] = []
        for attestation, countersigned in admissible:
            judgment = judge.judge(attestation, countersigned, block.log_size + len(entries))
            entries.append(_entry(attestation, judgment, block.height))
        resolution = judge.sitting.close()
        entries += (*resolution.entries, *block.evidence)
        named = policy_entry(governance, resolution.state.next, self.genesis.origin)
        policies = tuple(policies_in(named, block.log_size + len(entries)))
        entries += named
        changes = Changes(tuple(attestation for attestation, _ in admissible), resolution, policies)
        self._last = block.id, self._executed(block, governance, entries, judge.changes(), changes)
        return self._last[1]

    def _admissible(self, block: Block, governance: Governance) -> list[tuple[Attestation, frozenset[str]]]:
        """The attestations of a block, each with who countersigned it; raises Refusal for no valid block."""
        if block.config_digest != self.genesis.config_digest or block.app_version != governance.app_version:
            raise Refusal("block", "the block was made under another configuration or version")
        _require_bounds(block, governance.limits)
        found: dict[bytes, tuple[Attestation, frozenset[str]]] = {}
        for tx in block.attestations:
            digest = sha256(tx).digest()
            if digest in found:
                raise Refusal("duplicate", "an attestation is in the block twice")
            found[digest] = self._authentic(tx, digest, block.time, governance)
        if self.reader.final(list(found)):
            raise Refusal("duplicate", "an attestation of the block is on the ledger already")
        if [a.digest for a in block_order([a for a, _ in found.values()], block.previous_id)] != list(found):
            raise Refusal("order", "the attestations are not in the order that the block must have")
        return list(found.values())

    def _executed(
        self,
        block: Block,
        governance: Governance,
        entries: Sequence[bytes],
        standings: Mapping[bytes, bytes],
        changes: Changes,
    ) -> Execution:
        """What the block comes to: its leaves with its record as the last, the roots, the app hash."""
        resolution = changes.resolution
        standings_root = self.standings_map.root_with(standings)
        governance_root = self.constitution.records.root_with(resolution.under_root)
        app_hash = _app_hash(self.app_hash, standings_root, governance_root, standings)
        roots = app_hash, standings_root, governance_root
        last = BlockEntry(
            block.height, block.time, *roots, governance.validators.hash, self.genesis.config_digest
        )
        return Execution(
            height=block.height,
            app_hash=app_hash,
            entries=(*entries, last.encode()),
            standings=standings,
            finals=tuple(attestation.digest for attestation in changes.attestations),
            standings_root=standings_root,
            governance_root=governance_root,
            validator_updates=resolution.validator_updates,
            governance=resolution.rows,
            more=resolution.state.wants_more,
            changes=replace(changes, buckets=self.standings_map.buckets_with(standings)),
        )

    def _authentic(
        self, tx: bytes | Attestation, digest: bytes, at: int, governance: Governance
    ) -> tuple[Attestation, frozenset[str]]:
        """The attestation and who countersigned it, once it is known to be signed by whom it says."""
        # A remembered signature stays good under any governance: a key id names one key for ever.
        known = self._verified.get(digest)
        try:
            attestation = known[0] if known else _parsed(tx)
        except CredentialError as error:
            raise Refusal(error.code, error.message) from error
        if attestation.network_id != self.genesis.network_id:
            raise Refusal("wrong_network", "the attestation was made for another network")
        if governance.lifecycle.event(attestation.kind) is None and attestation.kind not in KINDS:
            raise Refusal("unknown_kind", "no event is called {kind}", kind=attestation.kind)
        happened = attestation.event_time
        if attestation.governance is not None and attestation.governance.recovery:
            public = recovery_key(governance, attestation, attestation.governance.recovery, at)
        else:
            public = attest_key(governance, attestation.kid, attestation.issuer, happened, at)
        publics = [
            attest_key(governance, c.kid, c.signatory, happened, at) for c in attestation.countersignatures
        ]
        if known:
            return known
        try:
            verify_attestation(attestation, public)
            for countersignature, key in zip(attestation.countersignatures, publics, strict=True):
                verify_countersignature(attestation, countersignature, key)
        except SignatureInvalid as error:
            raise Refusal(
                "invalid_signature", "a signature is not valid: {detail}", detail=str(error)
            ) from error
        verified = attestation, frozenset(c.signatory for c in attestation.countersignatures)
        if len(self._verified) >= VERIFIED_MAX:
            # A copy of the keys: the web server's threads ask as well.
            for old in list(self._verified)[: VERIFIED_MAX // 10]:
                self._verified.pop(old, None)
        self._verified[digest] = verified
        return verified


def _digest(tx: bytes | Attestation) -> bytes:
    return tx.digest if isinstance(tx, Attestation) else sha256(tx).digest()


def _parsed(tx: bytes | Attestation) -> Attestation:
    return tx if isinstance(tx, Attestation) else parse_attestation(tx)


def _tx_bytes(tx: bytes) -> int:
    return len(tx) + 5  # and the longest head of a CBOR byte string of this size


def _require_bounds(block: Block, limits: Limits) -> None:
    if len(block.attestations) > limits.attestations_per_block_max:
        most = limits.attestations_per_block_max
        raise Refusal("block", "more than {most} attestations in a block", most=most)
    if sum(_tx_bytes(tx) for tx in block.attestations) > limits.block_bytes_max:
        most = limits.block_bytes_max
        raise Refusal("block", "more than {most} bytes of attestations in a block", most=most)


def _entry(attestation: Attestation, judgment: Judgment, height: int) -> bytes:
    """The leaf that an attestation becomes."""
    if judgment is None:
        return attestation.data
    if not isinstance(judgment, RuleConflict):
        return ClaimEntry(attestation).encode()
    return RefusedEntry(
        attestation.digest,
        attestation.issuer,
        attestation.subject,
        judgment.rule,
        judgment.winner_leaf_index,
        height,
    ).encode()


def _app_hash(
    previous: bytes, standings_root: bytes, governance: bytes, changes: Mapping[bytes, bytes]
) -> bytes:
    updates: list[Value] = [[key, sha256(changes[key]).digest()] for key in sorted(changes)]
    return sha256(
        encode(["comity/app/v1", previous, standings_root, governance, sha256(encode(updates)).digest()])
    ).digest()
