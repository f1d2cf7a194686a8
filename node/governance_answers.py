"""What this node answers about who governs: members of the API's answers, as `answers.py` has the others.

Proposals and what they do: `proposal_answers.py`.
"""

from __future__ import annotations

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


class MoveAnswer(TypedDict):
    """The last move of the network to another engine; perhaps one to come."""

    engine: str  # embedded | cometbft
    epoch: int  # counts the moves
    first: int  # the height of its first block; all stop after the one before


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
    engine: MoveAnswer | None  # None: what ordered at the founding, as the network directory says
    approvals: ApprovalsAnswer


# -- what was decided, and what rests on a key -----------------------------------------------------------


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
