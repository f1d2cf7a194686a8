"""What this node answers about itself and its goods, member by member: the JSON contract of its API.

Records (`credentials/verdicts/verdict_record.py`, `*Record` here) are what use cases answer: codes and
parameters. Answers are records in words (`node/words.py`). `/openapi.json` is derived from these types
(`node/api/described.py`), so it cannot say anything else. Heights, leaf indices and counts are whole numbers;
times are seconds since 1970, UTC; digests are base64url. Documents are of others and have no shape of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from credentials.verdicts.verdict_record import (
    ChangeRecord,
    CheckRecord,
    CountedRecord,
    Day,
    Digest,
    GapRecord,
    HeadRecord,
    LeftOutRecord,
    LineHead,
    PassportRecord,
    ReportHead,
    SourceRecord,
    StepRecord,
    VerdictHead,
    VerdictWord,
)

# -- verdicts ------------------------------------------------------------------------------------------


class StepAnswer(TypedDict):
    """Whose fault it is (one of `FAULTS`), and what its reader does next."""

    fault: str
    next: str


class CheckAnswer(CheckRecord, StepAnswer):
    """A check with its sentence and the provision of its reason."""

    text: str
    provision: str


class GapAnswer(GapRecord):
    """A missing or withheld data point by name."""

    name: str
    provision: str


class SourceAnswer(SourceRecord):
    """A source by name."""

    name: str
    age_note: str | None  # why it has no age


class LineRecord(LineHead, VerdictHead):
    """The verdict of one line as lists have it: without its checks."""

    gaps: list[GapRecord]
    withheld: list[GapRecord]


class LineAnswer(LineHead, VerdictHead, StepAnswer):
    """The verdict of one line, as lists have it, in words."""

    text: str
    provision: str
    overtaken_note: str  # why nobody acts on this word; empty: it is the newest
    recognition_note: str
    gaps: list[GapAnswer]
    withheld: list[GapAnswer]


class ItemAnswer(LineAnswer):
    """The verdict of one line in words, with every check."""

    sources: list[SourceAnswer]
    checks: list[CheckAnswer]
    timeline: list[StepRecord]
    passport: PassportRecord


# -- consignments --------------------------------------------------------------------------------------


class ConsignmentHead(TypedDict):
    """A manifest, and how far its verdicts came."""

    id: str
    number: int
    declaration: str
    consignee_eori: str | None
    direction: str | None
    policy: str
    law_date: Day
    created: int
    evaluated_at: int | None
    height: int | None
    block_time: int | None
    state: str  # queued | running | done | set_aside
    lines: int
    done: int
    left_out: int  # rows of the file that are no lines, and not judged
    worst: VerdictWord | None
    counts: dict[str, int]  # by verdict, of the whole
    overtaken: int  # of these lines: being judged again
    items_total: int  # of those asked for


class ChangeAnswer(ChangeRecord):
    """The same, and the reason in a sentence."""

    text: str


class ConsignmentListed(ConsignmentHead):
    """A consignment in a list: without lines."""

    items: list[LineRecord]


class DecisionAnswer(TypedDict):
    """A decision about what governs, for which lines of a consignment were judged again."""

    proposal: Digest
    at: int


class ConsignmentRecord(ConsignmentListed):
    """One consignment with the lines asked for."""

    changed_total: int
    changed: list[ChangeRecord]
    decisions: list[DecisionAnswer]  # about what governs, that reached its lines; newest first
    same_declaration: list[str]  # other consignments under its declaration number
    uploaded_before: bool


class ConsignmentAnswer(ConsignmentHead):
    """The same in words."""

    items: list[LineAnswer]
    changed_total: int
    changed: list[ChangeAnswer]
    decisions: list[DecisionAnswer]  # about what governs, that reached its lines; newest first
    same_declaration: list[str]
    uploaded_before: bool


class ConsignmentsAnswer(TypedDict):
    """Consignments, newest first."""

    consignments: list[ConsignmentListed]


class JudgedEvent(TypedDict):
    """One line was judged."""

    seq: int
    done: int
    lines: int
    line: int
    verdict: str
    overtaken: bool
    state: str


# -- the importer's report -----------------------------------------------------------------------------


class HeadAnswer(HeadRecord):
    """The counts in one sentence."""

    sentence: str


class RequirementAnswer(CountedRecord):
    """A requirement by name, and who is asked for what while it is open."""

    requirement: str
    provision: str
    element: str | None  # what the other side has
    coverage: str | None
    legal_route: str | None
    who: str | None
    action: str | None


class LeftOutAnswer(LeftOutRecord, StepAnswer):
    """A line that is not counted, and why."""

    text: str


class ReportAnswer(ReportHead):
    """The importer's report in words."""

    head: HeadAnswer
    rows: list[RequirementAnswer]
    left_out: list[LeftOutAnswer]
    note: str


# -- own attestations and passports --------------------------------------------------------------------


class RefusalRecord(TypedDict):
    """Why an attestation counts for nothing: by which rule, and who was first."""

    state: str  # refused | claim | dropped | cancelled
    rule: str | None
    winner_leaf_index: int | None
    detail: str | None  # dropped: as the pool of this node said it


class RefusalAnswer(RefusalRecord, StepAnswer):
    """The same in words."""

    text: str


class WaitingRecord(TypedDict):
    """Why an attestation cannot be ordered yet: what the ledger lacks, as a `Refusal` has it."""

    code: str
    template: str
    parameters: Mapping[str, object]


class WaitingAnswer(StepAnswer):
    """The same in words."""

    code: str
    detail: str  # what the ledger lacks
    text: str


class ProgressHead(TypedDict):
    """One own attestation: outbox -> admitted | claim | refused (by a rule) | dropped | cancelled."""

    digest: Digest
    kind: str
    battery: str | None
    state: str
    height: int | None
    leaf_index: int | None
    block_time: int | None
    created: int
    receipted_at: int | None
    document_digest: Digest


class Progress(ProgressHead):
    """The same, with what became of it, and why it waits (where one attestation is asked for)."""

    refusal: RefusalRecord | None
    waiting: WaitingRecord | None


class ProgressAnswer(ProgressHead):
    """The same in words."""

    refusal: RefusalAnswer | None
    waiting: WaitingAnswer | None


class PassportHead(TypedDict):
    """One passport of this node; `number` names the place in the list of all, newest first."""

    number: int
    digest: Digest
    battery: str
    version: int
    category: str
    signed_at: int
    attested: str  # outbox | admitted | refused | dropped
    height: int | None
    leaf_index: int | None
    block_time: int | None
    receipted_at: int | None
    sets: dict[str, str]  # Annex XIII point -> digest of the credential


class PassportProgress(PassportHead):
    """The same, with what became of its attestations."""

    refusal: RefusalRecord | None
    waiting: WaitingRecord | None  # why it cannot be recorded yet
    attestations: list[Progress]


class PassportAnswer(PassportHead):
    """The same in words."""

    refusal: RefusalAnswer | None
    waiting: WaitingAnswer | None
    attestations: list[ProgressAnswer]


class PassportsAnswer(TypedDict):
    """Passports of this node, newest first."""

    passports: list[PassportAnswer]


class IssuedHead(TypedDict):
    """A passport that is on disk: its credentials by Annex XIII point."""

    digest: Digest
    battery: str
    credentials: dict[str, Any]
    repeated: bool  # it was issued before


class IssuedRecord(IssuedHead):
    """The same, with how far it came."""

    progress: PassportProgress


class IssuedAnswer(IssuedHead):
    """The same in words."""

    progress: PassportAnswer


class AttestedHead(TypedDict):
    """An event that is signed and on disk, with its credential."""

    digest: Digest  # of the attestation
    event: str
    battery: str
    document: dict[str, Any] | None
    repeated: bool


class AttestedRecord(AttestedHead):
    """The same, with how far it came."""

    progress: Progress


class AttestedAnswer(AttestedHead):
    """The same in words."""

    progress: ProgressAnswer


class DraftAnswer(TypedDict):
    """An attestation that a second party has to countersign first."""

    draft: dict[str, Any]


class CountersignAnswer(TypedDict):
    """A second party's agreement to a draft."""

    key_id: str
    signature: str


# -- the VC-API ----------------------------------------------------------------------------------------


class ProblemAnswer(StepAnswer):
    """RFC 9457, of a check."""

    type: str
    title: str
    detail: str
    age_s: NotRequired[int]


class VerificationAnswer(TypedDict):
    """What was looked at in a credential, or in a presentation and each of its `credentials`."""

    verified: bool
    checks: list[CheckAnswer]
    problemDetails: list[ProblemAnswer]
    warnings: list[ProblemAnswer]
    credentials: NotRequired[list[VerificationAnswer]]


class ProfileAnswer(TypedDict):
    """Who issues by a profile, where."""

    id: str
    endpoint: str


# Names of DID Resolution 1.0, some of which are none in Python.
ResolutionAnswer = TypedDict(
    "ResolutionAnswer",
    {
        "@context": str,
        "didDocument": dict[str, Any] | None,
        "didDocumentMetadata": dict[str, str],
        "didResolutionMetadata": dict[str, str],
    },
)


# -- the node ------------------------------------------------------------------------------------------


class ConditionAnswer(StepAnswer):
    """What holds of this node now."""

    code: str
    stops: bool  # it makes the node not ready
    since: int | None
    parameters: dict[str, Any]
    text: str


class ReadyAnswer(TypedDict):
    """Whether this node can do its work."""

    ready: bool
    reasons: list[str]
    conditions: list[ConditionAnswer]


class FaultRecord(TypedDict):
    """A fault of a validator; pending ones have no leaf."""

    digest: Digest
    kind: str
    validator: str
    height: int
    round: int
    leaf_index: int | None
    recorded_at: int | None


class FaultAnswer(FaultRecord):
    """The same in words."""

    words: str
