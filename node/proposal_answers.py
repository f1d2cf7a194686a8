"""What this node answers about proposals: what they do, what is missing, who can give it, what became.

Records are codes and parameters, answers are records in words (`node/governance_words.py`). A time in an
effect that only the deciding block knows is a text: "decided", or "decided+259200" (seconds later).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from credentials.verdicts.verdict_record import Digest
from node.answers import StepAnswer
from node.governance_answers import PartyAnswer


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
    before_digest: Digest | None  # of the record; None: there was none
    after_digest: Digest | None  # None: it holds a time that only the deciding block knows


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


class ActAheadHead(TypedDict):
    """What an act of this node's party would leave of what is missing, as things stand."""

    act: str  # approve | withdraw_approval | object
    waits_until: int | None
    held_missing: int
    ready: bool  # it would be decided in the next block


class ActAheadRecord(ActAheadHead):
    """With what would be missing then."""

    missing: list[MissingRecord]


class ActAheadAnswer(ActAheadHead):
    """The same in words."""

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


class WhyAnswer(StepAnswer):
    """The same in words, with what its reader does next."""

    code: str
    text: str


class ProposalRecord(ProposalHead):
    """With its effect while it is open."""

    reason: str
    effect: EffectRecord | None
    ahead: list[ActAheadRecord]  # of one proposal that is open: what each act of `may` would leave
    reach: ReachRecord | None  # of one proposal: what it would do here while it is open, and what it did
    problem: WhyRecord | None  # open, and it would lapse as things stand


class ProposalAnswer(ProposalHead):
    """The same in words."""

    reason: WhyAnswer | None
    effect: EffectAnswer | None
    ahead: list[ActAheadAnswer]
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
