"""How far the sources of a verdict can be relied on: freshness of the ledger, law date, receipts, ages."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.receipt import verify_receipt
from credentials.documents.secured import credential_shown
from credentials.errors import CredentialError
from credentials.verdicts.evidence import At, Evidence, Held, Missing
from credentials.verdicts.manifest import canonical_name
from credentials.verdicts.policy import Policy
from credentials.verdicts.record import attestation_of, covers
from credentials.verdicts.verdict import Findings
from credentials.verdicts.verdict_record import SourceRecord

if TYPE_CHECKING:
    from credentials.verdicts.verifier import Examined

_DAY_S = 86_400
STATUS_LIST = "status_list"  # a source: a list that a document of the verdict names
RELATIVES = "relatives"  # a source: the records of what it was made from or taken out of
ZONE_OFFSET_S_MIN, ZONE_OFFSET_S_MAX = -12 * 3600, 14 * 3600  # of the clocks on Earth, against UTC


def check_freshness(found: Findings, evidence: Evidence, policy: Policy, at: At) -> None:
    """Say whether the own ledger can be relied on: an observer beyond its lag never says clear."""
    network = evidence.network
    told = {"height": network.height, "lag_heights": network.lag_heights}
    if evidence.ledger is None:
        found.unknown("ledger", "ledger_unavailable")
        found.unknown("fresh", "ledger_unavailable")
        return
    if evidence.ledger.standing is None:
        found.unknown("ledger", evidence.ledger.unknown, height=network.height)
    else:
        found.passed("ledger", height=network.height, entries=len(evidence.ledger.entries))
    silence = network.quorum_silence_s
    if network.lag_heights is None or silence is None:
        found.unknown("fresh", "freshness_unknown", **told)
    elif network.lag_heights > policy.lag_heights_max or silence > policy.quorum_silence_s_max:
        found.unknown("fresh", "ledger_stale", age_s=silence, **told)
    elif network.block_time > at.evaluated_at + policy.clock_skew_s:
        found.turns_at(network.block_time - policy.clock_skew_s)
        found.unknown("fresh", "clock_wrong", block_time=network.block_time, **told)
    else:
        found.passed("fresh", age_s=silence, **told)


def check_law_date(found: Findings, at: At) -> None:
    """The law is that of the day of judging, which is one of two or three days somewhere on Earth."""
    first, day, last = (
        datetime.fromtimestamp(at.evaluated_at + offset_s, UTC).date().isoformat()
        for offset_s in (ZONE_OFFSET_S_MIN, 0, ZONE_OFFSET_S_MAX)
    )
    found.turns_at(*_day_of_law(at.law_date))
    if at.law_date < first:
        found.unknown("law_date", "law_date_past", law_date=at.law_date, day_of_judging=day)
    elif at.law_date > last:
        found.warned("law_date", "law_date_future", law_date=at.law_date, day_of_judging=day)
    else:
        found.passed("law_date", law_date=at.law_date)


def _day_of_law(law_date: str) -> tuple[int, ...]:
    """When a day begins anywhere on Earth, and when it is over everywhere."""
    try:
        begins = int(datetime.fromisoformat(law_date).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return ()  # no day: what reads it as one says so
    return begins - ZONE_OFFSET_S_MAX, begins + _DAY_S - ZONE_OFFSET_S_MIN


def check_receipts(
    found: Findings, evidence: Evidence, examined: Examined | None, battery: str | None
) -> None:
    """Verify the receipts shown with the document: offline proof beside the own ledger.

    `battery` is the identifier the receipts are shown for.
    """
    if not evidence.receipts:
        found.inapplicable("receipt")
        return
    try:
        policy = LogPolicy.parse(evidence.network.log_policy or "")
    except ConsensusError:
        found.unmade(("receipt",), "not_held", needs="log_policy")
        return
    subject = evidence.subjects.get(battery or "")
    for text in evidence.receipts:
        try:
            verified = verify_receipt(text, policy)
            recorded = attestation_of(verified.entry)
        except (ConsensusError, CredentialError) as error:
            found.failed("receipt", "receipt_invalid", detail=str(error))
            continue
        told = {
            "leaf_index": verified.index,
            "cosigned_by": sorted(verified.cosigned_by),
            "jurisdictions": [name for name in verified.by_jurisdiction if name],
        }
        if examined is not None and recorded is not None and covers(recorded, examined.digest):
            found.passed("receipt", **told)
        elif subject is None:
            found.unmade(("receipt",), "not_held", needs="subject", **told)
        elif recorded is None or recorded.subject.as_list() != subject.as_list():
            found.failed("receipt", "receipt_other", **told)
        else:
            found.warned("receipt", "receipt_of_other_record", kind=recorded.kind, **told)


def sources_of(evidence: Evidence, at: At, names: Set[str]) -> tuple[SourceRecord, ...]:
    """Every source of the verdict with its age and state; what the founding fixed has no age.

    `names`: the further codes of the battery, by their canonical names.
    """
    network = evidence.network
    ledger_state = "held" if evidence.ledger is not None else "unreachable"
    told: list[SourceRecord] = [
        {"source": "ledger", "age_s": network.quorum_silence_s, "state": ledger_state},
        {
            "source": "genesis",
            "age_s": None,
            "state": "held" if network.governance else "unreachable",
        },
        {
            "source": "recognitions",
            "age_s": None,
            "state": "held" if network.recognitions is not None else "unreachable",
        },
    ]
    if evidence.ledger is not None and evidence.ledger.relatives:
        told.append({"source": RELATIVES, "age_s": None, "state": "held"})
    for point, held in sorted(evidence.documents.items()):
        state = held.reason.value if isinstance(held, Missing) else "held"
        fetched = held.asked_at if isinstance(held, Missing) else held.fetched_at
        told.append(
            {
                "source": "passport_set",
                "point": point,
                "age_s": at.evaluated_at - fetched if fetched is not None else None,
                "state": state,
                "from": held.source,
            }
        )
    told.extend({"source": "document_shown", "age_s": 0, "state": "held"} for _ in evidence.presented)
    shown = [held.document for held in evidence.documents.values() if isinstance(held, Held)]
    issuers = {_issuer_of(document) for document in (*shown, *evidence.presented)}
    rules = network.tables.identifiers
    codes = (v.standing for text, v in evidence.aliases.items() if canonical_name(text, rules) in names)
    issuers |= {one.passport.issuer for one in codes if one is not None and one.passport is not None}
    for (issuer, purpose, _), source in sorted(network.status_lists.items()):
        if issuer in issuers:
            fetched = source.fetched_at
            told.append(
                {
                    "source": STATUS_LIST,
                    "purpose": purpose,
                    "age_s": at.evaluated_at - fetched if fetched is not None else None,
                    "state": "held" if source.credential is not None else "unreachable",
                    "from": source.source or issuer,
                }
            )
    return tuple(told)


def _issuer_of(document: object) -> str | None:
    """The issuer a document names, well-formed or not."""
    issuer = credential_shown(document).get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    return issuer if isinstance(issuer, str) else None
