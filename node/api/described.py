"""Answers described from their types: JSON Schema (2020-12) of what use cases and words answer.

A member that is added to an answer stands in /openapi.json by being added, and one that is not in its type
cannot be answered without `mypy` refusing it.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from credentials.ledger.governance_proof import ProofPart
from credentials.verdicts.verdict_record import ReportHead
from node.answers import (
    AttestedAnswer,
    ConsignmentAnswer,
    ConsignmentsAnswer,
    CountersignAnswer,
    DraftAnswer,
    HeadAnswer,
    IssuedAnswer,
    ItemAnswer,
    JudgedEvent,
    LeftOutAnswer,
    PassportAnswer,
    PassportsAnswer,
    ProgressAnswer,
    ReadyAnswer,
    RequirementAnswer,
    ResolutionAnswer,
    VerificationAnswer,
)
from node.data_carriers import CodesRead
from node.duty_answers import DutiesAnswer
from node.governance_answers import (
    AccreditationAnswer,
    GoverningAnswer,
    HistoryAnswer,
    KeyUsesAnswer,
    RecognitionGiven,
)
from node.oversight.alert_desk import AlertAnswer, AlertsAnswer, AlertToldAnswer
from node.oversight.case_desk import CaseAnswer, CasesAnswer
from node.oversight.dependents import RestingAnswer
from node.oversight.facility_desk import FacilitiesAnswer
from node.oversight.request_desk import RequestAnswer, RequestsAnswer, SetsToAskFor
from node.oversight.risk import RiskAnswer
from node.parts_answers import PartsAnswer, PartsTreeAnswer
from node.proposal_answers import ActMadeAnswer, DryRunAnswer, ProposalAnswer, ProposalsAnswer
from node.use_cases.access import KeyMade, KeyShown, SessionShown
from node.use_cases.accounts import AccountMade, AccountShown
from node.use_cases.batteries import BatteryAnswer
from node.use_cases.jobs import JobAnswer, JobRowsAnswer, JobsAnswer, ModelAnswer, ModelsAnswer
from node.use_cases.lookup import FoundAnswer
from node.use_cases.operations import AsideAnswer, AuditAnswer, InputAnswer
from node.use_cases.overview import ParticipantShown, StatusAnswer
from node.use_cases.passports import EventAnswer, IssuedLine
from node.use_cases.recall_reach import RecallReachAnswer
from node.use_cases.records import EntryAnswer
from node.use_cases.supplier_audit import SuppliersRecord
from node.use_cases.trqp import TrqpAuthorization, TrqpRecognition
from node.use_cases.vc_api import ProvedAnswer, SecuredAnswer, VersionAnswer
from node.use_cases.webhook_desk import AgainAnswer, WebhookPostsAnswer, WebhooksAnswer
from node.vehicle_answers import VehicleAnswer

Schema = dict[str, Any]
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


class Described:
    """The schemas of answers by name: a type inside another one stands under its own name."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def answer(self, answer: type) -> Schema:
        """The schema of one answer."""
        assert is_typeddict(answer), f"{answer.__name__} is an answer"
        members: dict[str, Schema] = {}
        required: list[str] = []
        for name, kind in get_type_hints(answer, include_extras=True).items():
            optional = get_origin(kind) is NotRequired
            members[name] = self._schema(get_args(kind)[0] if optional else kind)
            # Annotations are texts here, so `__required_keys__` has not seen NotRequired.
            if not optional and vars(answer)["__total__"]:
                required.append(name)
        told = " ".join((answer.__doc__ or "").split())
        return {"type": "object", "description": told, "properties": members, "required": required}

    def _schema(self, kind: Any) -> Schema:
        if kind is Any:
            return {}
        if kind in PLAIN:
            return {"type": PLAIN[kind]}
        if is_typeddict(kind):
            if kind.__name__ not in self.schemas:
                self.schemas[kind.__name__] = {}  # a type inside itself is referred to
                self.schemas[kind.__name__] = self.answer(kind)
            return {"$ref": f"#/components/schemas/{kind.__name__}"}
        origin, parts = get_origin(kind), get_args(kind)
        if origin is Annotated:
            key = "pattern" if isinstance(parts[1], str) else "enum"
            return {"type": "string", key: parts[1] if key == "pattern" else list(parts[1])}
        if origin in (UnionType, Union):
            return self._any_of([self._schema(part) for part in parts])
        if origin is list:
            return {"type": "array", "items": self._schema(parts[0])}
        assert origin is dict and parts[0] is str, f"{kind} is no JSON"
        inner = self._schema(parts[1])
        return {"type": "object", "additionalProperties": inner} if inner else {"type": "object"}

    @staticmethod
    def _any_of(schemas: list[Schema]) -> Schema:
        if all(schema.keys() == {"type"} for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": schemas}


class ParticipantsAnswer(TypedDict):
    """Who is in the network."""

    participants: list[ParticipantShown]


class EntriesAnswer(TypedDict):
    """Entries of the log, in order."""

    entries: list[EntryAnswer]


class EventsAnswer(TypedDict):
    """The events that can be attested."""

    events: list[EventAnswer]


class VersionsAnswer(TypedDict):
    """Every version of a status list, in order."""

    versions: list[VersionAnswer]


class SetAsideAnswer(TypedDict):
    """Work and inputs that were set aside."""

    aside: list[AsideAnswer]
    inputs: list[InputAnswer]


class ActsAnswer(TypedDict):
    """Acts at this node, newest first."""

    audit: list[AuditAnswer]


class KeysAnswer(TypedDict):
    """Keys without their secrets, and the sessions of the pages."""

    keys: list[KeyShown]
    sessions: list[SessionShown]


class AccreditationsAnswer(TypedDict):
    """Licences to attest."""

    accreditations: list[AccreditationAnswer]


class RecognitionsAnswer(TypedDict):
    """Recognitions by authorities."""

    recognitions: list[RecognitionGiven]


class LookedAnswer(TypedDict):
    """Up to which alert whoever asks has seen what there is."""

    seq: int


class LookedAgainAnswer(TypedDict):
    """From which leaf on the log is looked at once more."""

    leaf_index: int


class RevokedAnswer(TypedDict):
    """How many keys and sessions of a name ended."""

    name: str
    keys: int
    sessions: int


class AccountsAnswer(TypedDict):
    """People with accounts, then those whose account ended."""

    accounts: list[AccountShown]


class AccountMadeAnswer(AccountMade):
    """A new account, or a new invitation of one: the only place where its link is shown."""

    url: str
    path: str


class RequirementShown(RequirementAnswer):
    """A requirement as it is shown."""

    shown_as: str  # its state; not_visible: all that is open was issued, in sets this party is not shown
    then: str | None  # the same on the other day that was asked for


class ReportShown(ReportHead):
    """The importer's report, and what is otherwise on another day."""

    head: HeadAnswer
    rows: list[RequirementShown]
    left_out: list[LeftOutAnswer]
    note: str
    against: str | None  # the other day


class AccountEndedAnswer(TypedDict):
    """How many sessions of an account ended."""

    name: str
    sessions: int


class LinkAnswer(TypedDict):
    """A link that lets one person in once."""

    url: str
    path: str
    token: str


# What each route answers, by the name that the table of routes uses.
ANSWERS: dict[str, type] = {
    "Accreditations": AccreditationsAnswer,
    "AccountEnded": AccountEndedAnswer,
    "AccountMade": AccountMadeAnswer,
    "Accounts": AccountsAnswer,
    "Alert": AlertAnswer,
    "AlertTold": AlertToldAnswer,
    "Resting": RestingAnswer,
    "Alerts": AlertsAnswer,
    "Aside": SetAsideAnswer,
    "AsideItem": AsideAnswer,
    "Webhooks": WebhooksAnswer,
    "WebhookPosts": WebhookPostsAnswer,
    "WebhooksAgain": AgainAnswer,
    "Attestation": ProgressAnswer,
    "AttestedEvent": AttestedAnswer,
    "Audit": ActsAnswer,
    "Battery": BatteryAnswer,
    "Case": CaseAnswer,
    "Cases": CasesAnswer,
    "CodesRead": CodesRead,
    "Consignment": ConsignmentAnswer,
    "Consignments": ConsignmentsAnswer,
    "Countersignature": CountersignAnswer,
    "Draft": DraftAnswer,
    "DryRun": DryRunAnswer,
    "Duties": DutiesAnswer,
    "Entries": EntriesAnswer,
    "Events": EventsAnswer,
    "Facilities": FacilitiesAnswer,
    "RecallReach": RecallReachAnswer,
    "Found": FoundAnswer,
    "Governance": GoverningAnswer,
    "GovernanceActMade": ActMadeAnswer,
    "GovernanceHistory": HistoryAnswer,
    "GovernanceProof": ProofPart,
    "Issuance": PassportAnswer,
    "Issuances": PassportsAnswer,
    "IssuedLine": IssuedLine,
    "IssuedPassport": IssuedAnswer,
    "ItemVerdict": ItemAnswer,
    "Job": JobAnswer,
    "JobRows": JobRowsAnswer,
    "Jobs": JobsAnswer,
    "Key": KeyMade,
    "KeyUses": KeyUsesAnswer,
    "Keys": KeysAnswer,
    "Link": LinkAnswer,
    "Looked": LookedAnswer,
    "LookedAgain": LookedAgainAnswer,
    "Model": ModelAnswer,
    "Models": ModelsAnswer,
    "Participants": ParticipantsAnswer,
    "PartsCheck": PartsAnswer,
    "PartsTree": PartsTreeAnswer,
    "Progress": JudgedEvent,
    "Proposal": ProposalAnswer,
    "Proposals": ProposalsAnswer,
    "Readiness": ReportShown,
    "Ready": ReadyAnswer,
    "Recognitions": RecognitionsAnswer,
    "Resolution": ResolutionAnswer,
    "Revoked": RevokedAnswer,
    "Risk": RiskAnswer,
    "SetRequest": RequestAnswer,
    "SetRequests": RequestsAnswer,
    "SetsToAskFor": SetsToAskFor,
    "Suppliers": SuppliersRecord,
    "Status": StatusAnswer,
    "StatusVersions": VersionsAnswer,
    "TrqpAuthorization": TrqpAuthorization,
    "TrqpRecognition": TrqpRecognition,
    "VerifiableCredential": SecuredAnswer,
    "VerifiablePresentation": ProvedAnswer,
    "VehicleCheck": VehicleAnswer,
    "Verification": VerificationAnswer,
}


def described() -> dict[str, Schema]:
    """The schemas of all answers, and of the types inside them."""
    made = Described()
    answers = {name: made.answer(answer) for name, answer in ANSWERS.items()}
    assert not answers.keys() & made.schemas.keys(), "a type inside an answer has the name of an answer"
    return answers | made.schemas
