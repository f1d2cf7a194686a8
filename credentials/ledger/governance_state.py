"""Where governance stands after a block, and what the acts of the next one make of it.

    governance.proposed            a proposal; also its author's approval, where the author may approve
    governance.approved            an authority stands behind it; again after it took that back
    governance.approval_withdrawn  and does not any more: possible until it is decided
    governance.proposal_withdrawn  its author takes it back
    governance.objected            the party that would lose its recovery key or its place, or an authority
                                   of its side: then more have to approve (`consents.py`)
    governance.held                a validator holds the proposed rule files and the code they need

Acts are judged in their order; whatever can be decided is decided once, after the last act of the block, in
the order in which the proposals were made, each under what the one before it left. Approvals are counted
then: of parties that may approve at that moment, whatever they were when they approved. What one authority
may do governs the next block; what all approve together, the one after it (`VALIDATORS_AHEAD`): who votes on
the next block is known already.

Two states are kept: `next`, which governs the next block, and `future`, the one after it, which the proposals
are compared with. A change must be good in both: what is decided already is not undone by what comes quicker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

from consensus.application import GovernanceRow, NotYet, Refusal
from consensus.validators import Validator
from credentials.errors import CredentialError
from credentials.ledger.amendment import Amended, read_amendments
from credentials.ledger.approvals import NETWORK
from credentials.ledger.attestation import Attestation
from credentials.ledger.consents import Wanting, held_by, may_object, strictest, wanting
from credentials.ledger.dead_ends import require_way_on
from credentials.ledger.engine_terms import EngineTerm, require_next
from credentials.ledger.governance import APPROVING_KEY, VALIDATORS_AHEAD, Governance
from credentials.ledger.governance_records import (
    ENGINE,
    RecordId,
    Records,
    RuleFiles,
    governance_with,
    read_record,
    record_key,
    records_of,
)
from credentials.ledger.proposals import (
    DECIDED,
    LAPSED,
    OPEN,
    WITHDRAWN,
    ChangeProposal,
    Tabled,
    leaf_of,
    placed,
    require_possession,
)
from credentials.ledger.shares import require_room

SCHEME, NAMESPACE = "governance", "network"
PROPOSED, APPROVED, OBJECTED = "governance.proposed", "governance.approved", "governance.objected"
TAKEN_BACK, PROPOSAL_WITHDRAWN = "governance.approval_withdrawn", "governance.proposal_withdrawn"
HELD = "governance.held"
KINDS = (PROPOSED, APPROVED, TAKEN_BACK, PROPOSAL_WITHDRAWN, OBJECTED, HELD)
RECOVERY_FRAGMENT = "recovery"


@dataclass(frozen=True)
class GovernanceState:
    """After a block: what governs the next one and the one after it, and the proposals."""

    next: Governance
    future: Governance
    tabled: Mapping[bytes, Tabled] = field(default_factory=dict)  # those that are open, by digest
    over: Mapping[bytes, tuple[str, str]] = field(default_factory=dict)  # outcome and reason of the others
    scheduled: Mapping[RecordId, bytes] = field(default_factory=dict)  # from `next` to `future`
    began: bool = False  # `next` is other than what governed the last block

    @classmethod
    def founded(cls, governance: Governance) -> GovernanceState:
        """Before the first block."""
        return cls(governance, governance)

    def sitting(self, at: int, height: int, rule_files: RuleFiles) -> Sitting:
        """Judge the acts of the block of this height and time."""
        return Sitting(self, at, height, rule_files, dict(self.tabled))

    def next_block_at(self, at: int, height: int) -> int | None:
        """When the block of `height` is wanted, be it empty, if the one before it has the time `at`.

        None: nothing is scheduled. Every block that this asks for decides or ends a proposal, brings into
        force what was decided, or lies after a time that is only once: there are no more of them than a few
        for each proposal.
        """
        if self.wants_more:
            return at  # verdicts name the last block, and go by what governed it
        sitting = self.sitting(at, height, _no_file)
        return min((sitting.due(tabled) for tabled in self.tabled.values()), default=None)

    @property
    def wants_more(self) -> bool:
        """Whether what was decided comes into force with the next block, or did with the last one."""
        return bool(self.scheduled) or self.began

    @cached_property
    def records(self) -> dict[RecordId, bytes]:
        """The records of `future`, which proposals are compared with."""
        return records_of(self.future)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the governance of a block comes to."""

    state: GovernanceState
    rows: tuple[GovernanceRow, ...]  # records that were decided on
    under_root: Mapping[bytes, bytes]  # key: record, of those that govern from the next block on
    entries: tuple[bytes, ...]
    validator_updates: tuple[Validator, ...]


@dataclass(slots=True)
class Sitting:
    """The acts of one block, on an overlay."""

    before: GovernanceState
    at: int
    height: int
    rule_files: RuleFiles
    tabled: dict[bytes, Tabled]
    next: Governance = field(init=False)
    future: Governance = field(init=False)
    over: dict[bytes, Tabled] = field(init=False, default_factory=dict)  # since this block
    changed: dict[RecordId, bytes] = field(init=False, default_factory=dict)  # decided in this block

    def __post_init__(self) -> None:
        # What was scheduled governs the next block now.
        self.next = self.future = self.before.future

    def record(self, record_id: RecordId) -> bytes | None:
        """A record that proposals are compared with."""
        return self.changed.get(record_id) or self.before.records.get(record_id)

    # -- acts ------------------------------------------------------------------------------------------

    def act(self, attestation: Attestation) -> None:
        """One act; raises Refusal or NotYet, changing nothing."""
        if attestation.subject.scheme != SCHEME or attestation.subject.namespace != NAMESPACE:
            raise Refusal("subject", "{event} is about a proposal", event=attestation.kind)
        if attestation.document_digest != attestation.subject.h:
            raise Refusal("members", "the digest is not that of the proposal")
        _require_own_key(attestation, self.next)
        proposed = attestation.kind == PROPOSED
        tabled = self._proposed(attestation) if proposed else self._about(attestation)
        digest = attestation.subject.h
        if tabled.outcome == OPEN:
            self.tabled[digest] = tabled
        else:
            self.over[digest] = tabled
            del self.tabled[digest]

    def _outcome(self, digest: bytes) -> tuple[str, str] | None:
        """What became of a proposal that is over."""
        tabled = self.over.get(digest)
        return (tabled.outcome, tabled.reason) if tabled else self.before.over.get(digest)

    def _proposed(self, attestation: Attestation) -> Tabled:
        data = attestation.governance
        if data is None or not data.proposal:
            raise Refusal("members", "{event} holds a proposal", event=attestation.kind)
        try:
            proposal = ChangeProposal.decode(data.proposal)
            if proposal.digest != attestation.subject.h:
                raise Refusal("members", "the digest is not that of the proposal")
            if proposal.network_id != attestation.network_id:
                raise Refusal("wrong_network", "the proposal was made for another network")
            return self.tabling(proposal, attestation.issuer, recovered=bool(data.recovery))
        except CredentialError as error:
            raise Refusal(error.code, error.message) from error

    def tabling(self, proposal: ChangeProposal, by: str, *, recovered: bool) -> Tabled:
        """The proposal as it would be on the ledger, were it made now; raises Refusal or CredentialError."""
        if proposal.digest in self.tabled or self._outcome(proposal.digest):
            raise Refusal("duplicate", "this proposal was made already: make another one")
        require_room(self.tabled.values(), proposal, by, self.next, self.at, recovered=recovered)
        self._require_time(proposal)
        # A recovery key speaks for keys, not for the office of its owner.
        own = frozenset[str]() if recovered else frozenset({by} & self.next.authorities(self.at).keys())
        tabled = Tabled(proposal, by, recovered, self.at, self.height, own)
        require_possession(self.future, proposal)
        # Whoever lacks a proposed rule file admits the proposal as everybody else: nobody reads it yet.
        self._tried(tabled, None)
        return tabled

    def _require_time(self, proposal: ChangeProposal) -> None:
        most = self.next.approvals.proposal_s_max
        if not self.at < proposal.expires <= self.at + most:
            told = "a proposal expires later than now and within {most} s"
            raise Refusal("members", told, most=most)

    def _about(self, attestation: Attestation) -> Tabled:
        digest, who = attestation.subject.h, attestation.issuer
        outcome, tabled = self._outcome(digest), self.tabled.get(digest)
        if outcome is not None:
            told = "the proposal is over: {outcome} {reason}"
            raise Refusal("proposal_over", told, outcome=outcome[0], reason=outcome[1])
        if tabled is None:
            raise NotYet("predecessor", "the proposal is not on the ledger yet")
        match attestation.kind.partition(".")[2]:
            case "approved":
                return self._approved(tabled, who)
            case "held":
                return self._held(tabled, who, attestation.kid)
            case "approval_withdrawn":
                if who not in tabled.approvals:
                    raise NotYet("state", "{issuer} has not approved it", issuer=who)
                return replace(tabled, approvals=tabled.approvals - {who})
            case "proposal_withdrawn":
                if who != tabled.by:
                    raise Refusal("not_responsible", "{by} made this proposal", by=tabled.by)
                return tabled.closed(WITHDRAWN)
            case _:
                try:
                    amendments = self._reading(tabled).amendments
                except CredentialError as error:  # one decided after it changed its base: it lapses now
                    raise Refusal(error.code, error.message) from error
                if not may_object(tabled, amendments, self.next, who, self.at):
                    raise Refusal("not_responsible", "{issuer} cannot object to it", issuer=who)
                if who in tabled.objections:
                    raise Refusal("duplicate", "{issuer} objected to it already", issuer=who)
                return replace(tabled, objections=tabled.objections | {who})

    def _approved(self, tabled: Tabled, who: str) -> Tabled:
        if who not in self.next.authorities(self.at):
            raise Refusal("not_responsible", "{issuer} is no authority that may approve now", issuer=who)
        if who in tabled.approvals:
            raise Refusal("duplicate", "{issuer} approved it already", issuer=who)
        return replace(tabled, approvals=tabled.approvals | {who})

    def _held(self, tabled: Tabled, who: str, kid: str) -> Tabled:
        if self.next.validators.get(who) is None:
            raise Refusal("not_responsible", "{issuer} is no validator", issuer=who)
        if not tabled.brings_rules:
            raise Refusal("members", "the proposal brings no rule file: there is nothing to hold")
        if who in held_by(tabled, self.next, self.at):
            raise Refusal("duplicate", "{issuer} said already that it holds what it brings", issuer=who)
        return replace(tabled, held={**tabled.held, who: kid})

    # -- decisions -------------------------------------------------------------------------------------

    def _reading(self, tabled: Tabled) -> Amended:
        """What the proposal does now; raises CredentialError("governance_invalid", ...) if it cannot be.

        Read again every time: what it does depends on the time, and that of whoever asks outside of blocks
        must not be what a block goes by.
        """
        before, proposed = placed(tabled.proposal, self.record)
        return _possible(read_amendments(self.future, before, proposed, self.at), self.future, self.height)

    def _tried(
        self, tabled: Tabled, rule_files: RuleFiles | None
    ) -> tuple[Amended, Governance, Governance, int]:
        """What it does, and what would govern then; raises CredentialError for what must not be.

        Before it is decided nobody has to hold its rule files, and every node answers alike.
        """
        reading = self._reading(tabled)
        sort = strictest(tabled, self.next, reading.amendments)
        ahead = VALIDATORS_AHEAD if sort == NETWORK else 1
        soon = self.next if ahead > 1 else governance_with(self.next, reading.records, rule_files)
        later = governance_with(self.future, reading.records, rule_files)
        require_way_on(self.next, soon, self.at)
        require_way_on(self.future, later, self.at)
        return reading, soon, later, self.height + ahead

    def weighed(self, tabled: Tabled) -> tuple[Amended, int, Wanting]:
        """What it does, from which height on were it decided now, and what it wants; changes nothing.

        Raises CredentialError for a proposal that would lapse.
        """
        reading, _, _, in_force = self._tried(tabled, None)
        return reading, in_force, wanting(tabled, reading.amendments, self.next, self.at)

    def close(self) -> Resolution:
        """Decide what can be decided, once; the block is over."""
        entries = [leaf_of(tabled, {}, {}) for tabled in self.over.values()]  # withdrawn
        starts: dict[RecordId, int] = {}
        for digest in sorted(self.tabled, key=lambda d: (self.tabled[d].height, d)):
            if digest not in self.tabled:
                continue  # it went with a key of its author just now
            known = self.future
            tabled, changed = self._decide(self.tabled[digest], starts)
            if tabled.outcome == OPEN:
                continue
            before = {record_id: data for record_id in changed if (data := self.record(record_id))}
            starts |= dict.fromkeys(changed, tabled.in_force)
            self.changed |= changed
            entries.append(self._over(tabled, before, changed))
            entries += [self._over(t, {}, {}) for t in _orphaned(self.tabled.values(), known, self.future)]
            self.tabled |= _unsaid(self.tabled.values(), known, self.future)
        return self._resolved(starts, tuple(entries))

    def _over(self, tabled: Tabled, before: Records, after: Records) -> bytes:
        """It is off the table; its leaf."""
        digest = tabled.proposal.digest
        self.over[digest] = tabled
        del self.tabled[digest]
        return leaf_of(tabled, before, after)

    def _decide(self, tabled: Tabled, starts: Mapping[RecordId, int]) -> tuple[Tabled, Records]:
        """What becomes of an open proposal, and the records it changes.

        One for which a record would begin at another height than by what was decided just now (`starts`)
        waits for the next block: or an address would bring a vote key in force too early.
        """
        if self.at >= tabled.proposal.expires:
            return tabled.closed(LAPSED, "expired"), {}
        try:
            if not wanting(tabled, self._reading(tabled).amendments, self.next, self.at).ready(self.at):
                return tabled, {}
            reading, soon, later, in_force = self._tried(tabled, self.rule_files)
        except CredentialError as error:
            return tabled.closed(LAPSED, error.code), {}
        if any(starts.get(record_id, in_force) != in_force for record_id in reading.records):
            return tabled, {}
        if _ends_term(self.next, self.height) and _updates(self.future, later):
            return tabled, {}
        self.next, self.future = soon, later
        return tabled.closed(DECIDED, in_force=in_force), reading.records

    def due(self, tabled: Tabled) -> int:
        """When an open proposal is decided or over, if nobody says anything more about it."""
        if self.at >= tabled.proposal.expires:
            return self.at
        try:
            wanted = wanting(tabled, self._reading(tabled).amendments, self.next, self.at)
        except CredentialError:
            return self.at  # it lapses with the next block
        if not wanted.missing and not wanted.held_missing:
            return min(max(self.at, wanted.waits_until), tabled.proposal.expires)
        # Who made or approved it, or holds its files, and was stopped counts again once the stop has lapsed.
        spoke = tabled.approvals | tabled.held.keys() | {tabled.by}
        ends = [
            stop.until
            for target, stop in self.next.stops.items()
            if target.partition("#")[0] in spoke and stop.holds(self.at) and stop.until is not None
        ]
        return min([tabled.proposal.expires, *ends])

    def _resolved(self, starts: Mapping[RecordId, int], entries: tuple[bytes, ...]) -> Resolution:
        before, now = self.before, self.height + 1
        moved = [t for d, t in self.tabled.items() if t is not before.tabled.get(d)] + [*self.over.values()]
        proposals = {tabled.record_id: tabled.encode() for tabled in moved}
        soon = {r: data for r, data in self.changed.items() if starts[r] == now}
        later = {r: data for r, data in self.changed.items() if starts[r] > now}
        rows = [(starts[r], *r, data) for r, data in self.changed.items()]
        rows += [(now, *r, data) for r, data in proposals.items()]
        governing = {**before.scheduled, **soon, **proposals}
        if not rows and not before.scheduled:
            return Resolution(replace(before, began=False) if before.began else before, (), {}, (), ())
        over = {digest: (tabled.outcome, tabled.reason) for digest, tabled in self.over.items()}
        # Once more and all at once: who restores it from the rows puts it together in the same order.
        if self.changed or before.scheduled:
            self.next = governance_with(before.future, soon, self.rule_files)
            self.future = governance_with(self.next, later, self.rule_files)
        began = bool(soon or before.scheduled)
        state = GovernanceState(self.next, self.future, self.tabled, {**before.over, **over}, later, began)
        under_root = {record_key(r): data for r, data in governing.items()}
        return Resolution(
            state, tuple(sorted(rows)), under_root, entries, _updates(before.future, self.future)
        )


def _possible(reading: Amended, known: Governance, height: int) -> Amended:
    """The same; raises CredentialError for a move to another engine that no block of this height decides."""
    if (move := reading.records.get((ENGINE, ""))) is not None:
        require_next(known.engine, EngineTerm.parse(read_record(ENGINE, move)), height, VALIDATORS_AHEAD)
    return reading


def _ends_term(governance: Governance, height: int) -> bool:
    """Whether another engine begins after this block: who votes on its first two blocks is told it once."""
    return governance.engine is not None and governance.engine.first == height + 1


def _require_own_key(attestation: Attestation, governance: Governance) -> None:
    """A key that was replaced or stolen says nothing more in the block before that is in force."""
    data, did, kid = attestation.governance, attestation.issuer, attestation.kid
    used = data.recovery if data is not None else b""
    if used and sha256(used).digest() != governance.participants[did].recovery:
        raise Refusal("X9", "that is not the recovery key that {did} has on record", did=did)
    if not used and kid in _stolen(governance, did):
        raise Refusal("X9", "{key} was not valid both when it happened and now", key=kid)


def _orphaned(tabled: Iterable[Tabled], known: Governance, future: Governance) -> list[Tabled]:
    """What was proposed with keys of which it was learnt since `known` that they are not their owner's."""
    lost = {
        did
        for did, participant in known.participants.items()
        if participant.recovery != future.participants[did].recovery
    }
    robbed = _robbed(known, future)
    gone = [t.closed(LAPSED, "recovery_replaced") for t in tabled if t.recovered and t.by in lost]
    gone += [t.closed(LAPSED, "key_stolen") for t in tabled if not t.recovered and t.by in robbed]
    return sorted(gone, key=lambda t: (t.height, t.proposal.digest))


def _unsaid(tabled: Iterable[Tabled], known: Governance, future: Governance) -> dict[bytes, Tabled]:
    """The proposals that lose an approval of whoever is known to be robbed since `known`, without it.

    Whichever of its keys approved, and when: a theft is stated from a time that its victim guesses. Who
    meant it approves again.
    """
    robbed = _robbed(known, future)
    return {
        t.proposal.digest: replace(t, approvals=t.approvals - robbed) for t in tabled if t.approvals & robbed
    }


def _robbed(known: Governance, future: Governance) -> frozenset[str]:
    """Whoever has a key that speaks for it of which it was learnt since `known` that it was stolen."""
    return frozenset(did for did in future.robbed if _stolen(future, did) - _stolen(known, did))


def _stolen(governance: Governance, did: str) -> frozenset[str]:
    """The keys with which a participant speaks, by id, that are known to be stolen."""
    party = governance.participants.get(did)
    keys = party.keys if party is not None else ()
    return frozenset(k.id for k in keys if k.role == APPROVING_KEY and k.compromised_from is not None)


def _no_file(digest: bytes) -> None:
    """Nothing is read of rule files before a proposal is decided."""


def _updates(before: Governance, after: Governance) -> tuple[Validator, ...]:
    """What consensus is told: who votes with which key two blocks on; a weight of 0 removes."""
    old, new = before.validators, after.validators
    changed = [v for v in new.validators if old.get(v.name) != v]
    gone = [replace(v, weight=0) for v in old.validators if new.get(v.name) is None]
    assert old.updated((*changed, *gone)) == new, "amendment.py keeps the order of those that stay"
    return (*changed, *gone)
