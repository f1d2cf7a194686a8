"""The registry: the Application that admits or refuses attestations and keeps every battery's standing.

The straight path of one attestation (design.md 7):

    parse -> known kind, this network, not final -> issuer's key at event time and now -> signature
          -> members and subject as the table says -> predecessors final -> quota
          -> claim of the rightful holder -> rules X1..X21 -> state -> effects

A block in which any attestation fails is not valid. Only a real conflict between two validly signed
statements (`rules.Conflict`) becomes an entry: ["comity/refused/v1", ...]; the order decides, and the
winner keeps what it has. Everything here is integers, bytes and text; the same blocks give the same bytes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Protocol

from consensus.application import Execution, NotYet, Refusal
from consensus.cose import SignatureInvalid
from consensus.encoding import Value, encode
from consensus.merkle import StandingsMap
from consensus.types import Block
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import (
    Attestation,
    parse_attestation,
    standing_key,
    verify_attestation,
    verify_countersignature,
)
from credentials.ledger.entries import (
    AdmittedEntry,
    BlockEntry,
    Entry,
    EvidenceEntry,
    PolicyEntry,
    RefusedEntry,
    parse_entry,
)
from credentials.ledger.genesis import Genesis
from credentials.ledger.lifecycle import LEDGER_FIELDS, Event, Member
from credentials.ledger.rules import RULES, Conflict, Context
from credentials.ledger.standing import (
    ACTIVE,
    CEASED,
    DRAFT,
    EARLIER_PASSPORTS_MAX,
    LIVE,
    NAMED_MAX,
    REVOKED,
    SUPERSEDED,
    SUSPENDED,
    Asset,
    Bound,
    Lineage,
    Parent,
    Passport,
    Presentation,
    Quota,
    Record,
    Refused,
    Standing,
    StatusLists,
    StatusVersion,
    Undo,
    asset_key,
    quota_key,
)

__all__ = [
    "AdmittedEntry",
    "BlockEntry",
    "Entry",
    "EvidenceEntry",
    "MemoryReader",
    "PolicyEntry",
    "RefusedEntry",
    "Registry",
    "Standing",
    "StandingReader",
    "asset_key",
    "genesis_app_hash",
    "governance_root",
    "parse_entry",
    "standing_key",
]

VERIFIED_MAX = 20_000  # attestations whose signature is remembered between check_tx and the block
DAY_S = 86_400
PACKS_MAX = 64  # batteries of one vehicle or asset
STATUS_RULE = "S1"  # two lists of one issuer for one number; not one of X1..X21
ATTEST_ROLE = "attest"


class StandingReader(Protocol):
    """Where the registry reads the committed records and what is final."""

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The encoded records that exist, by key."""
        ...

    def final(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of `digests` that are admitted or refused already."""
        ...


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


def governance_root(genesis: Genesis) -> bytes:
    """The root of what governs: until governance attestations are built, the configuration of genesis."""
    return sha256(encode(["comity/governance/v1", genesis.config_digest])).digest()


def genesis_app_hash(genesis: Genesis) -> bytes:
    """The app hash at height 0."""
    return _app_hash(genesis.network_id, StandingsMap(()).root, governance_root(genesis), {})


class Registry:
    """The Application. `reader` must show the records as of the last committed block."""

    def __init__(
        self,
        genesis: Genesis,
        reader: StandingReader,
        app_hash: bytes | None = None,
        standings_map: StandingsMap | None = None,
        height: int = 0,
    ) -> None:
        self.genesis = genesis
        self.reader = reader
        self.app_hash = app_hash if app_hash is not None else genesis_app_hash(genesis)
        self.standings_map = standings_map if standings_map is not None else StandingsMap(())
        self.height = height
        self._governance_root = governance_root(genesis)
        self._validators_hash = genesis.validators.hash
        self._verified: dict[bytes, tuple[Attestation, frozenset[str]]] = {}
        self._last: tuple[bytes, Execution] | None = None
        lifecycle = genesis.lifecycle
        for event in lifecycle.events.values():
            for rule in (*lifecycle.guards_always, *event.guards):
                if rule not in RULES:
                    raise CredentialError("rules_invalid", f"{event.type} is guarded by {rule}: not built")

    @property
    def app_version(self) -> int:
        """Carried by every block."""
        return self.genesis.app_version

    def standing(self, subject: Subject) -> Standing | None:
        """The committed standing of a battery; None if the ledger knows nothing of it."""
        data = self.reader.get_many([standing_key(subject)]).get(standing_key(subject))
        return Standing.decode(data) if data is not None else None

    def check_tx(self, tx: bytes, now: int) -> bytes:
        """The digest of an attestation that could be ordered now; raises Refusal or NotYet.

        A conflict passes: that it lost is decided by the order and belongs on the record.
        """
        digest = sha256(tx).digest()
        if self.reader.final([digest]):
            raise Refusal("duplicate", "this attestation is on the ledger already")
        attestation, countersigned = self._authentic(tx, digest, now)
        _Judge(self, now).judge(attestation, countersigned, leaf_index=0)
        return digest

    def prepare_proposal(
        self, txs: Sequence[bytes], height: int, time: int, previous_id: bytes, bytes_max: int
    ) -> tuple[bytes, ...]:
        """Those of `txs` that make a valid block now, in the order the block must have them."""
        limits = self.genesis.limits
        candidates: dict[bytes, tuple[Attestation, frozenset[str]]] = {}
        for tx in txs:
            digest = sha256(tx).digest()
            try:
                candidates[digest] = self._authentic(tx, digest, time)
            except Refusal:
                continue
        for digest in self.reader.final(list(candidates)):
            del candidates[digest]
        judge = _Judge(self, time)
        judge.prefetch(attestation for attestation, _ in candidates.values())
        chosen: list[bytes] = []
        size_bytes = 0
        for attestation in block_order([a for a, _ in candidates.values()], previous_id):
            if len(chosen) == limits.attestations_per_block_max:
                break
            if size_bytes + _tx_bytes(attestation.data) > min(bytes_max, limits.block_bytes_max):
                continue
            try:
                judge.judge(attestation, candidates[attestation.digest][1], leaf_index=len(chosen))
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
        self.standings_map.apply(execution.standings)
        self.height = execution.height
        self.app_hash = execution.app_hash
        self._last = None
        for digest in execution.finals:
            self._verified.pop(digest, None)

    def _execute(self, block: Block) -> Execution:
        if self._last is not None and self._last[0] == block.id:
            return self._last[1]
        limits, attestations = self.genesis.limits, []
        if block.height != self.height + 1 or block.app_hash != self.app_hash:
            raise Refusal("block", f"block {block.height} does not follow the state after {self.height}")
        if block.config_digest != self.genesis.config_digest or block.app_version != self.app_version:
            raise Refusal("block", "the block was made under another configuration or version")
        if len(block.attestations) > limits.attestations_per_block_max:
            raise Refusal("block", f"more than {limits.attestations_per_block_max} attestations in a block")
        if sum(_tx_bytes(tx) for tx in block.attestations) > limits.block_bytes_max:
            raise Refusal("block", f"more than {limits.block_bytes_max} bytes of attestations in a block")
        countersigned: dict[bytes, frozenset[str]] = {}
        for tx in block.attestations:
            digest = sha256(tx).digest()
            if digest in countersigned:
                raise Refusal("duplicate", "an attestation is in the block twice")
            attestation, countersigned[digest] = self._authentic(tx, digest, block.time)
            attestations.append(attestation)
        if self.reader.final(list(countersigned)):
            raise Refusal("duplicate", "an attestation of the block is on the ledger already")
        if [a.digest for a in block_order(attestations, block.previous_id)] != list(countersigned):
            raise Refusal("order", "the attestations are not in the order that the block must have")
        judge = _Judge(self, block.time, block.height)
        judge.prefetch(attestations)
        entries: list[bytes] = []
        for attestation in attestations:
            leaf_index = block.log_size + len(entries)
            conflict = judge.judge(attestation, countersigned[attestation.digest], leaf_index)
            if conflict is None:
                entries.append(attestation.data)
            else:
                entries.append(_refused_entry(attestation, conflict, block.height))
        standings = judge.changes()
        standings_root = self.standings_map.root_with(standings)
        app_hash = _app_hash(self.app_hash, standings_root, self._governance_root, standings)
        last = BlockEntry(
            block.height,
            block.time,
            app_hash,
            standings_root,
            self._governance_root,
            self._validators_hash,
            self.genesis.config_digest,
        )
        execution = Execution(
            height=block.height,
            app_hash=app_hash,
            entries=(*entries, *block.evidence, last.encode()),
            standings=standings,
            finals=tuple(countersigned),
            standings_root=standings_root,
            governance_root=self._governance_root,
            changes=tuple(attestations),  # so that whoever stores the entries need not parse them again
        )
        self._last = (block.id, execution)
        return execution

    def _authentic(self, tx: bytes, digest: bytes, at: int) -> tuple[Attestation, frozenset[str]]:
        """The attestation and who countersigned it, once it is known to be signed by whom it says."""
        known = self._verified.get(digest)
        try:
            attestation = known[0] if known else parse_attestation(tx)
        except CredentialError as error:
            raise Refusal(error.code, error.message) from error
        if attestation.network_id != self.genesis.network_id:
            raise Refusal("wrong_network", "the attestation was made for another network")
        if self.genesis.lifecycle.event(attestation.kind) is None:
            raise Refusal("unknown_kind", f"no event is called {attestation.kind}")
        public = self._attest_key(attestation.kid, attestation.issuer, attestation.event_time, at)
        publics = [
            self._attest_key(c.kid, c.signatory, attestation.event_time, at)
            for c in attestation.countersignatures
        ]
        if known:
            return known
        try:
            verify_attestation(attestation, public)
            for countersignature, key in zip(attestation.countersignatures, publics, strict=True):
                verify_countersignature(attestation, countersignature, key)
        except SignatureInvalid as error:
            raise Refusal("invalid_signature", f"a signature is not valid: {error}") from error
        verified = attestation, frozenset(c.signatory for c in attestation.countersignatures)
        if len(self._verified) >= VERIFIED_MAX:
            # A copy of the keys: the web server's threads ask as well.
            for old in list(self._verified)[: VERIFIED_MAX // 10]:
                self._verified.pop(old, None)
        self._verified[digest] = verified
        return verified

    def _attest_key(self, kid: str, did: str, event_time: int, at: int) -> bytes:
        key = self.genesis.key_by_id(kid)
        if key is None or did not in self.genesis.participants:
            raise Refusal("issuer_unknown", f"{kid} is no key of a participant of this network")
        if key.role != ATTEST_ROLE:
            raise Refusal("X9", f"{kid} is a {key.role} key; attestations are signed with an attest key")
        if not key.valid(event_time) or not key.valid(at):
            raise Refusal("X9", f"{kid} was not valid both when it happened and now")
        return key.public


def block_order(attestations: Sequence[Attestation], previous_id: bytes) -> list[Attestation]:
    """The one order a block may have: predecessors first, then by SHA-256(previous block id || digest).

    Attestations that are each other's predecessors, directly or round a corner, are left out.
    """
    by_digest = {attestation.digest: attestation for attestation in attestations}
    waits_for: dict[bytes, int] = {}
    followers: dict[bytes, list[bytes]] = {}
    for digest, attestation in by_digest.items():
        inside = [p for p in attestation.predecessors if p in by_digest]
        waits_for[digest] = len(inside)
        for predecessor in inside:
            followers.setdefault(predecessor, []).append(digest)
    ready = [(_rank(previous_id, d), d) for d, count in waits_for.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[Attestation] = []
    while ready:
        _, digest = heapq.heappop(ready)
        ordered.append(by_digest[digest])
        for follower in followers.get(digest, ()):
            waits_for[follower] -= 1
            if waits_for[follower] == 0:
                heapq.heappush(ready, (_rank(previous_id, follower), follower))
    return ordered


def _rank(previous_id: bytes, digest: bytes) -> bytes:
    return sha256(previous_id + digest).digest()


def _tx_bytes(tx: bytes) -> int:
    return len(tx) + 5  # and the longest head of a CBOR byte string of this size


def _refused_entry(attestation: Attestation, conflict: Conflict, height: int) -> bytes:
    return RefusedEntry(
        attestation.digest,
        attestation.issuer,
        attestation.subject,
        conflict.rule,
        conflict.winner_leaf_index,
        height,
    ).encode()


def _app_hash(
    previous: bytes, standings_root: bytes, governance: bytes, changes: Mapping[bytes, bytes]
) -> bytes:
    updates: list[Value] = [[key, sha256(changes[key]).digest()] for key in sorted(changes)]
    return sha256(
        encode(["comity/app/v1", previous, standings_root, governance, sha256(encode(updates)).digest()])
    ).digest()


@dataclass(slots=True)
class _Judge:
    """Judges attestations in order, on an overlay over the committed records."""

    registry: Registry
    at: int
    height: int = 0
    records: dict[bytes, Record | None] = field(default_factory=dict)
    fetched: dict[bytes, bytes | None] = field(default_factory=dict)
    changed: dict[bytes, Record] = field(default_factory=dict)
    ordered: set[bytes] = field(default_factory=set)
    per_issuer: dict[str, int] = field(default_factory=dict)

    def prefetch(self, attestations: Iterable[Attestation]) -> None:
        """Read in one go the records that these attestations name."""
        keys: dict[bytes, None] = {}
        for attestation in attestations:
            keys[standing_key(attestation.subject)] = None
            keys[quota_key(attestation.issuer)] = None
            if attestation.bound_asset is not None:
                keys[asset_key(attestation.bound_asset)] = None
            for subject in attestation.referenced_subjects:
                keys[standing_key(subject)] = None
        found = self.registry.reader.get_many(list(keys))
        self.fetched.update((key, found.get(key)) for key in keys)

    def changes(self) -> dict[bytes, bytes]:
        """The encoded records that changed, in the order of their keys."""
        return {key: self.changed[key].encode() for key in sorted(self.changed)}

    # -- records (rules.Records) ---------------------------------------------------------------------

    def standing(self, subject: Subject) -> Standing:
        """The standing of a battery; one without history is unknown."""
        found = self._record(standing_key(subject), Standing.decode)
        return found if isinstance(found, Standing) else Standing(_plain(subject))

    def standing_at(self, key: bytes) -> Standing | None:
        """The standing with this key."""
        found = self._record(key, Standing.decode)
        return found if isinstance(found, Standing) else None

    def asset(self, subject: Subject) -> Asset:
        """The vehicle or asset, with what is bound to it."""
        found = self._record(asset_key(subject), Asset.decode)
        return found if isinstance(found, Asset) else Asset(_plain(subject))

    def _record(self, key: bytes, decode: Callable[[bytes], Record]) -> Record | None:
        if key not in self.records:
            if key not in self.fetched:
                self.fetched[key] = self.registry.reader.get_many([key]).get(key)
            data = self.fetched[key]
            self.records[key] = decode(data) if data is not None else None
        return self.records[key]

    def _put(self, record: Record) -> None:
        self.records[record.key] = record
        self.changed[record.key] = record

    # -- one attestation -----------------------------------------------------------------------------

    def judge(
        self, attestation: Attestation, countersigned: frozenset[str], leaf_index: int
    ) -> Conflict | None:
        """Admit it into the overlay, or record that it lost; raises Refusal and changes nothing."""
        genesis = self.registry.genesis
        event = genesis.lifecycle.event(attestation.kind)
        assert event is not None, "the kind was checked before the signature"
        context = Context(genesis, event, self.at, self, countersigned)
        _require_members(attestation, event)
        self._require_predecessors(attestation)
        quota = self._next_quota(attestation.issuer)
        if event.effects.status_list:
            conflict = self._status_list(attestation, context, leaf_index)
        else:
            conflict = self._battery(attestation, context, leaf_index)
        self._put(quota)
        self.per_issuer[attestation.issuer] = self.per_issuer.get(attestation.issuer, 0) + 1
        self.ordered.add(attestation.digest)
        return conflict

    def _require_predecessors(self, attestation: Attestation) -> None:
        missing = [p for p in attestation.predecessors if p not in self.ordered]
        if missing and len(self.registry.reader.final(missing)) < len(missing):
            raise NotYet("predecessor", "an attestation that it follows is not on the ledger yet")

    def _next_quota(self, issuer: str) -> Quota:
        limits = self.registry.genesis.limits
        if self.per_issuer.get(issuer, 0) >= limits.per_issuer_per_block_max:
            raise NotYet("quota", f"{issuer} has {limits.per_issuer_per_block_max} in this block already")
        found = self._record(quota_key(issuer), Quota.decode)
        day = self.at // DAY_S
        # Block time never goes back; a clock that does (check_tx) counts on the day already begun.
        quota = found if isinstance(found, Quota) and found.day >= day else Quota(issuer, day)
        if quota.count >= limits.per_issuer_per_day_max:
            raise NotYet("quota", f"{issuer} has {limits.per_issuer_per_day_max} on this day already")
        return replace(quota, count=quota.count + 1)

    def _status_list(self, attestation: Attestation, context: Context, leaf_index: int) -> Conflict | None:
        subject, update = attestation.subject, attestation.status
        assert update is not None, "required by the table"
        if subject.scheme != "status" or subject.namespace != attestation.issuer:
            raise Refusal("subject", "a status list is published by its issuer, about its own list")
        if update.list_digest != attestation.document_digest:
            raise Refusal("members", "the digest of the list is not that of the document")
        found = self._record(standing_key(subject), StatusLists.decode)
        lists = found if isinstance(found, StatusLists) else StatusLists(_plain(subject))
        RULES["X11"](Standing(subject), attestation, context)
        latest = lists.latest.get(update.purpose)
        seq = latest.seq if latest else 0
        if update.seq > seq + 1:
            raise NotYet("status", f"version {seq + 1} of this status list is not on the ledger yet")
        if latest is not None and update.seq <= seq:
            if update.seq < seq or update.list_digest == latest.digest:
                raise Refusal("duplicate", f"version {seq} of this status list is on the ledger already")
            return Conflict(STATUS_RULE, latest.leaf_index)
        if update.previous != (latest.digest if latest else None):
            raise Refusal("status", f"it does not follow version {seq} that is on the ledger")
        version = StatusVersion(update.seq, update.list_digest, attestation.digest, leaf_index, self.at)
        self._put(replace(lists, latest={**lists.latest, update.purpose: version}))
        return None

    def _battery(self, attestation: Attestation, context: Context, leaf_index: int) -> Conflict | None:
        genesis, event = context.genesis, context.event
        subject, asset = attestation.subject, attestation.bound_asset
        if subject.scheme not in genesis.lifecycle.battery_schemes:
            raise Refusal("subject", f"{subject.scheme} is no scheme of batteries")
        if asset is not None and asset.scheme not in genesis.lifecycle.asset_schemes:
            raise Refusal("subject", f"{asset.scheme} is no scheme of vehicles or assets")
        standing = self.standing(subject)
        for rule in genesis.lifecycle.guards_always:
            RULES[rule](standing, attestation, context)
        _require_holder(standing, attestation, context)
        conflict = None
        for rule in event.guards:
            conflict = RULES[rule](standing, attestation, context)
            if conflict is not None:
                break
        if conflict is not None:
            self._put(
                standing.with_refusal(
                    Refused(
                        conflict.rule,
                        attestation.digest,
                        attestation.document_digest,
                        attestation.issuer,
                        conflict.winner_leaf_index,
                        leaf_index,
                    )
                )
            )
            return conflict
        if not genesis.lifecycle.allows(event, standing.item_state):
            states = " or ".join(sorted(event.from_states))
            raise NotYet("state", f"{event.type} follows {states}; the battery is {standing.item_state}")
        passport_from = event.requires_passport_from
        if passport_from is not None and attestation.event_time >= passport_from and not standing.live:
            raise NotYet("state", f"{event.type} needs a live passport, the battery has none")
        if event.effects.undo:
            after = self._undo(standing, attestation, context)
        else:
            after = self._after(standing, attestation, context, leaf_index)
        before = None if standing == Standing(standing.subject) else standing.core()
        self._link(standing, after, attestation, leaf_index)
        self._put(replace(after, undo=Undo(attestation.digest, attestation.issuer, self.at, before)))
        return None

    def _after(
        self, standing: Standing, attestation: Attestation, context: Context, leaf_index: int
    ) -> Standing:
        """The standing after an admitted event."""
        event, effects = context.event, context.event.effects
        to: dict[str, Any] = {}
        if event.to is not None:
            to["item_state"] = event.to
            to["last_event_time"] = attestation.event_time
        if effects.fact is not None:
            to["facts"] = {**standing.facts, effects.fact: leaf_index}
        if effects.eu_status is not None:
            to["eu_status"] = effects.eu_status
        if effects.flag is not None:
            to[effects.flag] = True
        if effects.presentation is not None:
            opened = Presentation(attestation.digest, attestation.issuer, leaf_index)
            to["presentation"] = opened if effects.presentation == "open" else None
        if effects.bound is not None:
            asset = attestation.bound_asset
            to["bound"] = Bound(asset, leaf_index) if asset and effects.bound == "bind" else None
        subjects = attestation.referenced_subjects
        keys = tuple(standing_key(subject) for subject in subjects)
        if effects.consumes is not None:
            to["lineage"] = Lineage(keys, leaf_index, effects.consumes)
        if effects.claims_children:
            to["children"] = keys
        if effects.creates:
            lineages = [lineage for s in subjects if (lineage := self.standing(s).lineage)]
            to["producer"] = to["responsible"] = attestation.issuer
            to["production_time"] = attestation.event_time
            to["children_root"] = attestation.children_root
            to["eu_status"] = lineages[0].status if lineages else "original"
        if attestation.parties and attestation.issuer == standing.responsible:
            added = [p for p in attestation.parties if p not in standing.named]
            to["named"] = (*standing.named, *added)[-NAMED_MAX:]
        if effects.responsible is not None:
            if attestation.parties[0] not in context.genesis.participants:
                raise Refusal("members", f"{attestation.parties[0]} is no participant of this network")
            to["responsible"], to["named"] = attestation.parties[0], ()
        if effects.passport is not None:
            to.update(_passport(standing, attestation, context, self.height, leaf_index))
        return replace(standing, **to)

    def _undo(self, standing: Standing, attestation: Attestation, context: Context) -> Standing:
        """The standing without the effect of its last attestation; the record stays."""
        reference, undo = attestation.referenced_digests[0], standing.undo
        if undo is None or undo.attestation != reference:
            if reference not in self.ordered and not self.registry.reader.final([reference]):
                raise NotYet("state", "the attestation it names is not on the ledger yet")
            raise Refusal("depends", "only the last record of a battery can be taken back: others follow it")
        if context.event.holder == "author":
            if undo.author != attestation.issuer:
                raise Refusal("not_responsible", f"only {undo.author} can take its attestation back")
            if undo.admitted_at + context.genesis.limits.correction_s_max < self.at:
                raise Refusal("too_late", "the time for a correction by its author is over")
        before = undo.core_before
        restored = Standing(standing.subject) if before is None else Standing.decode_core(before)
        # What others recorded about this battery meanwhile is not this attestation's effect.
        return replace(
            restored,
            refusals=standing.refusals,
            refusals_count=standing.refusals_count,
            parent=standing.parent,
        )

    def _link(self, before: Standing, after: Standing, attestation: Attestation, leaf_index: int) -> None:
        """Keep the records of vehicles and children in step with this battery's."""
        if before.bound_asset != after.bound_asset:
            if before.bound_asset is not None:
                asset = self.asset(before.bound_asset)
                self._put(replace(asset, packs=tuple(key for key in asset.packs if key != before.key)))
            if after.bound_asset is not None:
                asset = self.asset(after.bound_asset)
                if len(asset.packs) >= PACKS_MAX:
                    raise Refusal("X5", f"a vehicle or asset holds at most {PACKS_MAX} batteries")
                self._put(replace(asset, packs=(*asset.packs, after.key)))
        if before.children != after.children:
            subjects = {standing_key(s): s for s in attestation.referenced_subjects}
            for key in (*before.children, *after.children):
                child = self.standing_at(key)
                if child is None:
                    child = Standing(subjects[key])
                self._put(
                    replace(child, parent=Parent(before.key, leaf_index) if key in after.children else None)
                )


def _plain(subject: Subject) -> Subject:
    return subject if subject.blind is None else replace(subject, blind=None)


def _present(attestation: Attestation, member: Member) -> bool:
    if member.ledger == "quantities":
        return member.name in attestation.quantities
    return bool(getattr(attestation, member.ledger or ""))


def _require_members(attestation: Attestation, event: Event) -> None:
    """The delta has what the table asks for, in its form, and nothing else."""
    members = event.ledger_members
    fields = {member.ledger for member in members}
    for name in sorted(LEDGER_FIELDS):
        if name not in fields and getattr(attestation, name):
            raise Refusal("members", f"{event.type} has no {name}")
    for member in members:
        if member.required and not _present(attestation, member):
            raise Refusal("members", f"{event.type} needs {member.name} (delta: {member.ledger})")
        if member.ledger == "references":
            one, kind = member.type in ("digest", "identifier"), bytes if member.type == "digest" else Subject
            if any(not isinstance(r, kind) for r in attestation.references):
                raise Refusal("members", f"{member.name} of {event.type} is of the type {member.type}")
            if one and len(attestation.references) > 1:
                raise Refusal("members", f"{event.type} names one {member.name}")
    named = {member.name for member in members if member.ledger == "quantities"}
    for name in attestation.quantities:
        if name not in named:
            raise Refusal("members", f"{event.type} has no quantity {name}")
    if attestation.subject in attestation.references:
        raise Refusal("members", f"{event.type} names the battery itself as another")


def _require_holder(standing: Standing, attestation: Attestation, context: Context) -> None:
    """The claim is its author's to make: responsible operator, or named or countersigned by it."""
    holder, issuer, responsible = context.event.holder, attestation.issuer, standing.responsible
    if holder is None or holder == "author":
        return
    subject = attestation.subject
    for role in sorted(context.event.holder_exempt):
        if context.genesis.accredited(issuer, role, subject.scheme, subject.namespace, context.at):
            return
    if responsible is None:
        raise NotYet("state", "the battery is not recorded as produced yet")
    if issuer == responsible or (holder != "responsible" and responsible in context.countersigned):
        return
    if holder == "named":
        if issuer in standing.named:
            return
        raise NotYet(
            "not_responsible",
            f"{responsible} answers for this battery: it names {issuer} as a party of one of its events, "
            "or countersigns this one",
        )
    wanted = "countersign" if holder == "consented" else "attest"
    raise Refusal("not_responsible", f"{responsible} answers for this battery and has to {wanted} this")


def _passport(
    standing: Standing, attestation: Attestation, context: Context, height: int, leaf_index: int
) -> dict[str, Any]:
    """What an event changes about publication."""
    effect, passport, issuer = context.event.effects.passport, standing.passport, attestation.issuer
    if effect in ("publish", "supersede"):
        assert attestation.set_list is not None, "required by the table"
        if effect == "supersede":
            passport = _named_passport(standing, attestation, (LIVE,))
        if passport is not None and attestation.set_list.version <= passport.version:
            raise Refusal("passport_state", f"the version follows {passport.version}")
        earlier = standing.earlier
        if passport is not None:
            status = SUPERSEDED if passport.status == LIVE else passport.status
            earlier = (*earlier, replace(passport, status=status))[-EARLIER_PASSPORTS_MAX:]
        new = Passport(
            digest=attestation.document_digest,
            version=attestation.set_list.version,
            issuer=issuer,
            attestation=attestation.digest,
            leaf_index=leaf_index,
            height=height,
            status=LIVE,
            changed_by=issuer,
        )
        return {"passport": new, "earlier": earlier, "publication": ACTIVE}
    if effect in ("cede", "cease"):
        publication = SUPERSEDED if effect == "cede" else CEASED
        if passport is None:
            return {"publication": publication if effect == "cease" else DRAFT}
        ended = replace(passport, status=publication, changed_by=issuer)
        return {
            "publication": publication,
            "passport": ended if passport.status in (LIVE, SUSPENDED) else passport,
        }
    if effect == "suspend":
        passport = _named_passport(standing, attestation, (LIVE,))
        return {"passport": replace(passport, status=SUSPENDED, changed_by=issuer)}
    if effect == "reinstate":
        passport = _named_passport(standing, attestation, (SUSPENDED,))
        exempt = any(context.genesis.holds_role(issuer, r, context.at) for r in context.event.holder_exempt)
        if passport.changed_by != issuer and not exempt:
            raise Refusal("not_responsible", f"{passport.changed_by} suspended it and has to reinstate it")
        return {"passport": replace(passport, status=LIVE, changed_by=issuer)}
    assert effect == "revoke", "lifecycle.PASSPORT_EFFECTS has no other"
    passport = _named_passport(standing, attestation, (LIVE, SUSPENDED))
    return {"passport": replace(passport, status=REVOKED, changed_by=issuer), "publication": CEASED}


def _named_passport(standing: Standing, attestation: Attestation, statuses: tuple[str, ...]) -> Passport:
    passport, named = standing.passport, attestation.referenced_digests[0]
    if passport is None or standing.passport_with(named) is None:
        raise NotYet("state", "the passport it names is not published on the ledger yet")
    if passport.digest != named or passport.status not in statuses:
        status = passport.status if passport.digest == named else SUPERSEDED
        raise Refusal("passport_state", f"the passport is {status}, not {' or '.join(statuses)}")
    return passport
