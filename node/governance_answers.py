"""What this node answers about who governs: members of the API's answers, as `answers.py` has the others.

Records are codes and parameters, answers are records in words (`node/governance_words.py`). A time in an
effect that only the deciding block knows is a text: "decided", or "decided+259200" (seconds later).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from credentials.verdicts.verdict_record import Digest

# -- what governs at a height --------------------------------------------------------------------------


class KeyAnswer(TypedDict):
    """A key of a participant; one that has ended stays on record."""

    role: str
    id: str
    public: str  # multikey
    valid_from: int
    valid_until: int | None
    compromised_from: int | None
    state: str  # in_force | not_yet | ended | compromised | stopped


class PartyAnswer(TypedDict):
    """A participant by name."""

    did: str
    name: str


class GoverningParticipant(PartyAnswer):
    """A participant as it stands under what governs."""

    jurisdiction: str
    roles: list[str]
    identifiers: list[str]
    address: str
    recovery: str | None  # SHA-256 of the public key that it keeps offline
    left: int | None
    validator: bool
    authority: bool  # may approve at that time
    stopped: bool
    keys: list[KeyAnswer]


class AccreditationAnswer(TypedDict):
    """A licence to attest."""

    id: str
    participant: str
    participant_name: str
    roles: list[str]
    schemes: list[list[str]]  # [scheme, namespace]
    jurisdiction: str
    licence: str
    valid_from: int
    valid_until: int | None
    suspended: list[list[int]]  # [from, until]; [from] while it lasts
    state: str  # in_force | not_yet | suspended | ended


class RecognitionGiven(TypedDict):
    """What one authority recognises of others."""

    id: str
    authority: str
    authority_name: str
    jurisdiction: str
    issuer: str
    issuer_class: str
    issuer_jurisdiction: str
    rows: list[str]
    effect: str
    legal_basis: str
    valid_from: int
    valid_until: int | None
    conditions: dict[str, Any]
    suspended: list[list[int]]
    state: str  # in_force | not_yet | suspended | ended


class StopAnswer(TypedDict):
    """The last emergency stop of a party or key."""

    target: str
    target_name: str
    by: str
    by_name: str
    since: int
    until: int | None  # None: confirmed, until it is lifted
    state: str  # in_force | confirmed | lifted | lapsed


class RuleAnswer(TypedDict):
    """A rule file by its digest."""

    name: str
    sha256: str


class ApprovalsAnswer(TypedDict):
    """Who may change what."""

    approvals_min: int
    jurisdictions: list[str]
    quorum_jurisdictions: list[str]
    proposal_s_max: int
    stop_s: int
    objection_s: int
    removal_s: int
    proposals_per_party_max: int
    actions: dict[str, str]  # action: own | recovery | authority | network


class GoverningAnswer(TypedDict):
    """Everything that governs the block of one height; states are as of `at`."""

    height: int
    at: int
    since_height: int  # it has been so since this height
    changes_at: int | None  # from this height on something else is known to govern
    participants: list[GoverningParticipant]
    accreditations: list[AccreditationAnswer]
    recognitions: list[RecognitionGiven]
    stops: list[StopAnswer]
    validators: list[PartyAnswer]
    quorum: int  # weight that decides a block
    limits: dict[str, int]
    rules: list[RuleAnswer]
    app_version: int
    approvals: ApprovalsAnswer


# -- proposals -----------------------------------------------------------------------------------------


class MemberChange(TypedDict):
    """One member of a record, before and after; None: it is not there."""

    member: str
    before: Any
    after: Any


class RecordChange(TypedDict):
    """One record that is changed."""

    type: str
    name: str
    about: str  # whom it concerns, by name
    members: list[MemberChange]
    before: dict[str, Any] | None
    after: dict[str, Any]


class ActionRecord(TypedDict):
    """One thing that a proposal does, and whose approval that needs."""

    action: str
    type: str
    name: str
    party: str
    party_name: str
    jurisdiction: str
    sort: str  # own | recovery | authority | network


class ActionAnswer(ActionRecord):
    """The same in words."""

    text: str


class MissingRecord(TypedDict):
    """What is missing, and who can give it."""

    action: str
    sort: str
    count: int
    of: list[PartyAnswer]
    jurisdictions: list[str]  # of each of which one is needed


class MissingAnswer(MissingRecord):
    """The same in words."""

    text: str


class EffectHead(TypedDict):
    """What a proposal does, exactly, as things stand."""

    digest: Digest  # of the effect: an approval names it
    changes: list[RecordChange]
    waits_until: int | None  # it is not decided before
    held_missing: int  # weight of validators that have yet to say that they hold its rule files
    ready: bool  # it would be decided in the next block
    governs_from: int  # the first height that it governs, were it decided in the next block
    blocks_ahead: int


class EffectRecord(EffectHead):
    """The same, with what it needs."""

    actions: list[ActionRecord]
    missing: list[MissingRecord]


class EffectAnswer(EffectHead):
    """The same in words."""

    actions: list[ActionAnswer]
    missing: list[MissingAnswer]


class ReachedLineRecord(TypedDict):
    """An open line of this node that rests on what is changed: its word before, and after."""

    consignment: str
    declaration: str
    line: int
    before: str
    before_reason: str
    after: str | None  # None: it waits to be judged again
    after_reason: str | None


class ReachedLineAnswer(ReachedLineRecord):
    """The same in words."""

    before_text: str
    after_text: str


class ReachHead(TypedDict):
    """What a change would do to the open lines of this node, as things stand; or what it did."""

    at: int  # judged as of this time, or when it was seen to govern
    everybody: bool  # it concerns everybody's words
    issuers: list[PartyAnswer]  # else: whose; the first fifty
    issuers_total: int
    lines: int  # open lines that rest on it
    consignments: int
    judged: int  # so many of them were judged by it
    changed: int  # so many of these have another word or reason
    later: int | None  # before: something of it begins or ends only then, which is not shown


class ReachRecord(ReachHead):
    """With the lines whose word is another one, the first fifty."""

    items: list[ReachedLineRecord]


class ReachAnswer(ReachHead):
    """The same in words."""

    items: list[ReachedLineAnswer]


class GovernanceActAnswer(TypedDict):
    """One act about a proposal, on the ledger."""

    digest: Digest  # of the attestation
    act: str  # proposed | approved | approval_withdrawn | proposal_withdrawn | objected | held
    by: str
    by_name: str
    height: int
    time: int | None
    leaf_index: int


class ProposalHead(TypedDict):
    """A proposal, and who stands behind it."""

    digest: Digest
    by: str
    by_name: str
    recovered: bool  # signed with the recovery key of that party
    since: int | None
    height: int
    expires: int
    outcome: str  # open | decided | lapsed | withdrawn
    in_force: int | None  # the first height that it governs
    approvals: list[PartyAnswer]
    may: list[str]  # what this node's party may do: approve | withdraw_approval | withdraw | object
    under_way: list[str]  # own acts that are signed, and not on the ledger yet
    changed: list[RecordChange]  # decided: what became of the records
    acts: list[GovernanceActAnswer]


class WhyRecord(TypedDict):
    """A code and its sentence, as a `Refusal` has it."""

    code: str
    template: str
    parameters: Mapping[str, object]


class WhyAnswer(TypedDict):
    """The same in words."""

    code: str
    text: str


class ProposalRecord(ProposalHead):
    """With its effect while it is open."""

    reason: str
    effect: EffectRecord | None
    reach: ReachRecord | None  # of one proposal: what it would do here while it is open, and what it did
    problem: WhyRecord | None  # open, and it would lapse as things stand


class ProposalAnswer(ProposalHead):
    """The same in words."""

    reason: WhyAnswer | None
    effect: EffectAnswer | None
    reach: ReachAnswer | None
    problem: WhyAnswer | None


class ProposalsAnswer(TypedDict):
    """Proposals that are open, the oldest first, and the newest that are over."""

    open: list[ProposalAnswer]
    over: list[ProposalAnswer]


class DryRunHead(TypedDict):
    """A change that nobody proposed yet."""

    proposal: str  # its bytes, base64url: propose these
    digest: Digest
    by: str
    recovered: bool
    expires: int


class DryRunRecord(DryRunHead):
    """With its effect, and what it would do here; None: this node lacks a rule file of it."""

    effect: EffectRecord
    reach: ReachRecord | None


class DryRunAnswer(DryRunHead):
    """The same in words."""

    effect: EffectAnswer
    reach: ReachAnswer | None


class RecordMoved(TypedDict):
    """A record that was changed, by digests."""

    type: str
    name: str
    before: Digest | None
    after: Digest


class HistoryRecord(TypedDict):
    """What became of one proposal: an entry of the log."""

    leaf_index: int
    height: int
    time: int | None
    proposal: Digest
    by: str
    by_name: str
    outcome: str
    reason: str
    in_force: int | None
    changed: list[RecordMoved]


class HistoryAnswer(TypedDict):
    """Decisions, newest first."""

    history: list[HistoryRecord]


class OpenLineRecord(TypedDict):
    """A line of a manifest at this node whose goods have not gone their way."""

    consignment: str
    line: int
    verdict: str


class KeyUseRecord(TypedDict):
    """Something on the log that a key signed, or may have."""

    leaf_index: int
    height: int
    time: int
    type: str  # admitted | claim
    kind: str  # the event
    digest: Digest
    document_digest: Digest | None
    certain: bool  # False: this node does not hold the document, whose key is therefore not known
    open_lines: list[OpenLineRecord]  # the first twenty
    open_lines_total: int


class KeyUsesAnswer(TypedDict):
    """What rests on a key since a time."""

    key: str
    participant: str
    participant_name: str
    role: str
    rests: str  # attestations | documents | votes | checkpoints | messages
    since: int
    first_leaf: int  # of the log, at that time: checkpoints over more of it are in question
    uses: list[KeyUseRecord]
    next: int | None  # the leaf to go on from; None: that is all


class ActMadeHead(TypedDict):
    """An act of this participant that is signed and on disk."""

    attestation: Digest
    act: str


class ActMadeRecord(ActMadeHead):
    """With the proposal; None: it is on its way to the ledger."""

    digest: Digest  # of the proposal
    proposal: ProposalRecord | None


class ActMadeAnswer(ActMadeHead):
    """The same in words."""

    digest: Digest
    proposal: ProposalAnswer | None
