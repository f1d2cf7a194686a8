"""What a proposal would do, exactly, as things stand: what whoever is asked to approve it has to see.

    effect = ["comity/effect/v1", [[type, name, members before / null, members after], ...],
              [[action, type, name, party, jurisdiction, sort of approval, unseated authority], ...],
              blocks from its decision until it governs]

Of a record those members that differ: whoever moves in every block would else keep everybody from approving
what was shown. A time that is known only once it is decided is a text there: "decided", or "decided+259200"
(seconds later). The SHA-256 of that names the effect. It does not name the proposal, so that a change which
is tried before it is proposed has the effect that is proposed then; and it is another one as soon as anything
of this is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, cast

from consensus.encoding import Value, decode, encode
from credentials.errors import CredentialError
from credentials.ledger.amendment import Amendment, read_amendments
from credentials.ledger.approvals import ApprovalRules
from credentials.ledger.consents import Wanting, sort_of
from credentials.ledger.dead_ends import lasting_authorities
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import RecordId, Records, RuleFiles, RulesNotHere, governance_with
from credentials.ledger.governance_state import GovernanceState
from credentials.ledger.proposals import ChangeProposal, Tabled, placed

TAG = "comity/effect/v1"
DECIDED = "decided"  # a time: that of the block in which it is decided


@dataclass(frozen=True, slots=True)
class ChangedRecord:
    """One record, before and after."""

    record: RecordId
    before: Mapping[str, Any] | None  # None: there was none
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Required:
    """One thing that a proposal does, and whose approval that needs."""

    amendment: Amendment
    sort: str


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a proposal does and wants, as things stand."""

    tabled: Tabled
    changed: tuple[ChangedRecord, ...]
    required: tuple[Required, ...]
    wanting: Wanting
    in_force: int  # the first height that it governs, were it decided in the next block
    ahead: int  # so many blocks after its decision
    before: Governance  # what is decided so far
    records: Records  # as they would be, with their times

    def governance(self, rule_files: RuleFiles) -> Governance:
        """What would govern then; raises RulesNotHere where this node lacks a file or its code."""
        return governance_with(self.before, self.records, rule_files)

    @property
    def digest(self) -> bytes:
        """The name of what it does, not of who stands behind it."""
        changed: list[Value] = [[*c.record, *_differing(c)] for c in self.changed]
        required: list[Value] = [
            [a.action, *a.record, a.party, a.jurisdiction, sort, a.unseats]
            for a, sort in ((r.amendment, r.sort) for r in self.required)
        ]
        return sha256(encode([TAG, changed, required, self.ahead])).digest()


def _differing(change: ChangedRecord) -> tuple[Value, Value]:
    """The members that differ, before and after."""
    if change.before is None:
        return None, cast(Value, dict(change.after))
    before, after = dict(change.before), dict(change.after)
    same = {member for member in before if member in after and before[member] == after[member]}
    return (
        cast(Value, {m: v for m, v in before.items() if m not in same}),
        cast(Value, {m: v for m, v in after.items() if m not in same}),
    )


def effect_of(
    state: GovernanceState, tabled: Tabled, at: int, height: int, rule_files: RuleFiles
) -> Foreseen:
    """What an open proposal would do, were it decided in the block of this height and time.

    Raises CredentialError for one that would lapse then, with the sentence that says why.
    """
    sitting = state.sitting(at, height, rule_files)
    reading, in_force, wanted = sitting.weighed(tabled)
    before, proposed = placed(tabled.proposal, sitting.record)
    try:
        later = read_amendments(sitting.future, before, proposed, at + 1).records
    except CredentialError:
        later = reading.records  # this is the last moment at which it can be decided
    changed = tuple(
        ChangedRecord(
            record,
            cast(dict[str, Any], decode(before[record])) if record in before else None,
            cast(dict[str, Any], _undated(decode(data), decode(later[record]), at)),
        )
        for record, data in sorted(reading.records.items())
    )
    required = tuple(Required(a, sort_of(tabled, sitting.future, a)) for a in reading.amendments)
    ahead = in_force - height
    return Foreseen(tabled, changed, required, wanted, in_force, ahead, sitting.future, reading.records)


def dry_run(
    state: GovernanceState,
    proposal: ChangeProposal,
    by: str,
    *,
    recovered: bool,
    at: int,
    height: int,
    rule_files: RuleFiles,
) -> Foreseen:
    """What a proposal would do and want, were it made in the block of this height and time.

    Raises CredentialError or Refusal for one that would be refused.
    """
    tabled = state.sitting(at, height, rule_files).tabling(proposal, by, recovered=recovered)
    return effect_of(state, tabled, at, height, rule_files)


def with_sides_begun(found: Foreseen, rule_files: RuleFiles, at: int) -> ApprovalRules:
    """The rules of approval, with the consent of each side that has no authority now and gets one.

    For whoever drafts a change: what is decided says it itself. As they are where the change says who
    approves, or this node lacks a rule file of it.
    """
    rules = found.before.approvals
    try:
        after = found.governance(rule_files)
    except RulesNotHere:
        return rules
    begun = {*lasting_authorities(after, at).values()} - {*lasting_authorities(found.before, at).values()}
    if after.approvals != rules or begun <= {*rules.jurisdictions}:
        return rules
    return replace(rules, jurisdictions=tuple(sorted({*rules.jurisdictions, *begun})))


def _undated(now: Value, later: Value, at: int) -> Value:
    """A value with a text for each time that depends on when it is decided."""
    if type(now) is int and type(later) is int and now != later:
        return DECIDED if now == at else f"{DECIDED}+{now - at}"
    match now, later:
        case dict(), dict():
            return {name: _undated(value, later[name], at) for name, value in now.items()}
        case list(), list():
            return [_undated(value, other, at) for value, other in zip(now, later, strict=True)]
    return now
