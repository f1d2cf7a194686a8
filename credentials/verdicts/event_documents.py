"""The document of an event: examined like any other before a check may rest on what it says (I8).

A record on the ledger names its document by digest and says little itself. What fills a check is the signed
document: proven, valid, not withdrawn, by the party that attested it, of this kind, about this battery, and
with the quantities that are on the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from credentials.documents.identifiers import Subject
from credentials.verdicts.evidence import Missing, MissingReason
from credentials.verdicts.examination import examine_document
from credentials.verdicts.ledger_means import means_of
from credentials.verdicts.manifest import canonical_name
from credentials.verdicts.means import Demands, Examination
from credentials.verdicts.record import Inquiry, Recorded
from credentials.verdicts.verdict import UNMADE, Findings, Outcome

DAY_CHARACTERS_MAX = 10  # 2027-03-01
PRODUCED = "production_date"  # the member that is on the ledger as `produced_on` (lifecycle.json)


@dataclass(frozen=True, slots=True)
class EventDocument:
    """What an event's document says; `members` None: nothing that may be relied on, and why."""

    members: Mapping[str, Any] | None = None
    reason: str = "ok"
    spoiled: bool = False  # the document itself is wrong; else something to judge it by is not in hand

    def tell(self, found: Findings, name: str, **evidence: Any) -> None:
        """Say under this check why the document does not fill it."""
        outcome = Outcome.FAIL if self.spoiled else Outcome.INDETERMINATE
        found.add(name, outcome, self.reason, **evidence)


def event_document(inquiry: Inquiry, recorded: Recorded) -> EventDocument:
    """The document of an admitted event, examined once per verdict."""
    digest = recorded.attestation.document_digest
    if digest not in inquiry.read:
        inquiry.read[digest] = _examined(inquiry, recorded)
    return inquiry.read[digest]


def event_members(inquiry: Inquiry, recorded: Recorded | None) -> Mapping[str, Any] | None:
    """The members of an event's document, where they may be relied on."""
    return event_document(inquiry, recorded).members if recorded is not None else None


def _examined(inquiry: Inquiry, recorded: Recorded) -> EventDocument:
    evidence = inquiry.evidence
    held = evidence.events.get(recorded.attestation.document_digest)
    if held is None or isinstance(held, Missing):
        withheld = held is not None and held.reason is MissingReason.WITHHELD
        return EventDocument(reason="evidence_withheld" if withheld else "not_held")
    found = Findings(evidence.network.tables)
    demands = Demands(skew_s=inquiry.policy.clock_skew_s, schema_expected=False)
    read = examine_document(found, dict(held.document), means_of(inquiry), demands, inquiry.now)
    inquiry.moments.update(found.moments)
    wrong = next((check for check in found.checks if check.outcome is Outcome.FAIL), None)
    if wrong is not None:
        return EventDocument(reason=wrong.reason, spoiled=True)
    proven = read is not None and read.proven
    # Annexes are a check of their own that no policy here requires, of a passport as of an event.
    unmade = (check for check in found.checks if check.outcome in UNMADE)
    open_ = next((check for check in unmade if check.name != "related" or not proven), None)
    if open_ is not None:
        return EventDocument(reason=open_.reason)
    assert read is not None and proven, "what is neither proven nor wrong was not decided"
    return _compared(inquiry, recorded, read)


def _compared(inquiry: Inquiry, recorded: Recorded, read: Examination) -> EventDocument:
    """A proven document against the statement that attests it."""
    statement, credential = recorded.attestation, read.credential
    if read.digest != statement.document_digest:
        return EventDocument(reason="wrong_payload", spoiled=True)
    if credential.issuer != statement.issuer:
        return EventDocument(reason="wrong_issuer", spoiled=True)
    members = credential.subject.get("members")
    if credential.subject.get("event") != statement.kind or not isinstance(members, Mapping):
        return EventDocument(reason="wrong_kind", spoiled=True)
    names = names_of_subject(statement.subject, inquiry)
    if not names:
        return EventDocument(reason="not_held")
    rules = inquiry.evidence.network.tables.identifiers
    if any(canonical_name(str(s.get("id")), rules) not in names for s in credential.subjects):
        return EventDocument(reason="wrong_subject", spoiled=True)
    if any(members.get(name, value) != value for name, value in statement.quantities.items()):
        return EventDocument(reason="quantities_differ", spoiled=True)
    made = members.get(PRODUCED)
    if made is not None and statement.produced_on is not None and first_second(made) != statement.produced_on:
        return EventDocument(
            reason="quantities_differ", spoiled=True
        )  # a recall by days goes by the ledger's
    return EventDocument(members)


def first_second(day: object) -> int | None:
    """The first second of a day (UTC), None for what is none."""
    text = str(day)
    return _first_second(text) if len(text) <= DAY_CHARACTERS_MAX else None


@lru_cache(maxsize=1024)  # what is shipped together was made on a few days
def _first_second(text: str) -> int | None:
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def names_of_subject(subject: Subject, inquiry: Inquiry) -> set[str]:
    """The canonical names under which this verdict knows the battery."""
    rules = inquiry.evidence.network.tables.identifiers
    known = inquiry.evidence.subjects.items()
    return {canonical_name(text, rules) for text, found in known if found.as_list() == subject.as_list()}
