"""What a verdict and the importer's report are written as: JSON of codes and parameters, member by member.

Records are judged, stored and exchanged; what they say in words is added where somebody reads them.
Heights, leaf indices and counts are whole numbers; times are seconds since 1970, UTC; digests base64url.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypedDict

from credentials.verdicts.severity import ORDER

VerdictWord = Annotated[str, ORDER]
OutcomeWord = Annotated[
    str, ("pass", "fail", "warn", "not_applicable", "not_yet_required", "not_checked", "indeterminate")
]
Digest = Annotated[str, "^[A-Za-z0-9_-]{43}$"]  # SHA-256, base64url
Day = Annotated[str, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"]


class PlaceRecord(TypedDict):
    """Where a reader finds a statement in the log."""

    leaf_index: int
    height: int
    attestation: Digest


class CheckRecord(TypedDict):
    """A check; `evidence` are its parameters, by which a reader looks it up."""

    name: str
    outcome: OutcomeWord
    reason: str
    evidence: dict[str, Any]
    rule: NotRequired[str]
    age_s: NotRequired[int]


class GapRecord(TypedDict):
    """A data point that is missing or withheld, or a row of the policy recognised for information only."""

    dp: NotRequired[int]
    point: NotRequired[int]  # of Annex XIII
    row: NotRequired[str]


# `from` is no name in Python.
SourceRecord = TypedDict(
    "SourceRecord",
    {
        # ledger | genesis | recognitions | relatives | passport_set | document_shown | status_list
        "source": str,
        "point": NotRequired[int],
        "purpose": NotRequired[str],
        "age_s": int | None,
        "state": str,
        "from": NotRequired[str | None],
    },
)


class RecognitionRecord(TypedDict):
    """A recognition in force, or (`jurisdiction` alone) that there is none."""

    row: NotRequired[str]
    effect: NotRequired[str]
    legal_basis: NotRequired[str]
    jurisdiction: NotRequired[str]


class StepRecord(TypedDict):
    """One statement about a battery, and where it stands."""

    leaf_index: int
    height: int
    time: int
    event_time: int | None
    kind: str | None
    issuer: str
    issuer_name: str | None
    jurisdiction: str | None
    document_digest: Digest | None
    attestation_digest: Digest | None
    state: str  # admitted | refused
    rule: NotRequired[str | None]
    winner_leaf_index: NotRequired[int | None]


class PassportRecord(TypedDict, total=False):
    """The latest passport on the ledger; empty where there is none."""

    digest: str
    version: int
    issuer: str
    status: str
    leaf_index: int
    eu_status: str | None
    item_state: str | None


class BeforeRecord(TypedDict):
    """The verdict a line had before the ledger learned more about it."""

    verdict: str | None
    reason: str | None
    height: int | None
    evaluated_at: int | None


class VerdictHead(TypedDict):
    """The word, its main reason, and as of when."""

    verdict: VerdictWord
    reason: str
    ground: str | None
    unmade: int  # checks that were not made
    undecided_because: NotRequired[str]
    law_date: Day
    evaluated_at: int
    height: int
    block_time: int
    good_until: int | None  # from then on time alone may change it, whatever the ledger learns; null: never
    recognition: list[RecognitionRecord]
    before: NotRequired[BeforeRecord]
    overtaken: NotRequired[bool]  # the ledger knows more since, or time ended it: it is being judged again
    consignment: NotRequired[str]  # where one line of a consignment is asked for
    declaration: NotRequired[str]


class LineHead(TypedDict):
    """The line of a manifest that a verdict is about."""

    line: int
    battery: str
    goods: str | None
    condition: str | None
    commodity_code: str | None
    vin: str | None
    mass_kg: float | None
    registration_id: str | None


class VerdictRecord(VerdictHead):
    """A verdict."""

    sources: list[SourceRecord]
    checks: list[CheckRecord]
    gaps: list[GapRecord]
    withheld: list[GapRecord]
    timeline: list[StepRecord]
    passport: PassportRecord


class ItemRecord(LineHead, VerdictRecord):
    """The verdict of one line."""


class ChangeRecord(TypedDict):
    """A line whose word is not its first one; `newest`: what was recorded about it last."""

    line: int
    was: str
    verdict: str
    overtaken: bool
    reason: str
    unmade: int
    evaluated_at: int
    newest: StepRecord | None


class AskRecord(TypedDict):
    """Who must still give which part of a requirement, and why what there is does not do."""

    who: str
    part: int | None  # of the evidence for its row
    what: str | None
    why: str  # missing | withheld | not_accepted | no_rule


class SaidRecord(PlaceRecord):
    """One statement, whoever reads it."""

    kind: str
    issuer: str
    issuer_name: NotRequired[str]
    jurisdiction: str


class StatementRecord(SaidRecord):
    """One statement that answers a part of a requirement."""

    data_points: NotRequired[list[int]]
    effect: NotRequired[str]
    accepted: bool  # False: seen, but without the effect that its row needs


class ProofRecord(StatementRecord):
    """The same, for a line."""

    line: int


class AnsweredRecord(TypedDict, total=False):
    """What answers a requirement: kinds of records, by whom, with which effect, at which leaves."""

    records: list[str]
    by: list[str]
    effect: list[str]
    leaves: list[int]


class CountedRecord(TypedDict):
    """The counts of one requirement over all batteries of a consignment, and what they are of."""

    id: str
    state: str  # met_abroad | met_home | open | not_yet_required | not_applicable
    items: dict[str, int]  # by state
    open_lines: list[int]
    withheld_lines: list[int]
    asks: list[AskRecord]
    due_from: str | None
    basis: str | None
    effect: list[str]
    not_accepted: int
    asked_twice: bool
    evidence: AnsweredRecord
    proofs: list[ProofRecord]


class RequirementRecord(CountedRecord):
    """One requirement over all batteries of a consignment."""

    asked: Mapping[str, Any]  # the row of the crosswalk that names it


class HeadRecord(TypedDict):
    """The counts of the report, and how many batteries of how many lines they are about."""

    total: int
    batteries: int
    lines: int
    met_abroad: int
    met_home: int
    open: int
    not_yet_required: int
    not_applicable: int
    asked_twice: int


class LeftOutRecord(TypedDict):
    """A line that is not counted, and why."""

    line: int
    battery: str
    reason: str
    first_line: NotRequired[int]


class ReportHead(TypedDict):
    """What the report is about, and as of when."""

    items: int  # batteries counted
    law_date: Day
    evaluated_at: int
    height: int
    jurisdiction: str
    consignment: NotRequired[str]
    declaration: NotRequired[str]


class ReportRecord(ReportHead):
    """The importer's report."""

    head: HeadRecord
    rows: list[RequirementRecord]
    left_out: list[LeftOutRecord]
