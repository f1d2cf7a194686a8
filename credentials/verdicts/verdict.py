"""The form of a verdict: checks with outcomes and reasons, and the rule that turns checks into one word.

    check    {name, outcome, reason, rule?, evidence, age_s?}
    verdict  clear < clear_with_gaps < undecided < hold < refuse_recommended

Codes and parameters only: what they say, in which language, by which provision, is told where somebody reads
it (`node/words.py`). `detail` in the evidence is text all the same: what a reader found in a document.

A failing check takes the verdict of its reason (`config/reasons.toml`). A required check that was not made
gives at best `undecided`, `hold` where the item itself caused it. "Could not check" is never "passed".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from credentials.verdicts.evidence import At, Tables
from credentials.verdicts.policy import CHECKS
from credentials.verdicts.severity import CLEAR, GAPS, HOLD, ORDER, REFUSE, UNDECIDED
from credentials.verdicts.verdict_record import (
    CheckRecord,
    GapRecord,
    PassportRecord,
    RecognitionRecord,
    SourceRecord,
    StepRecord,
    VerdictRecord,
)


class Outcome(StrEnum):
    """What became of one check."""

    PASS = "pass"  # noqa: S105  (a word, not a password)
    FAIL = "fail"
    WARN = "warn"
    NOT_APPLICABLE = "not_applicable"
    NOT_YET_REQUIRED = "not_yet_required"
    NOT_CHECKED = "not_checked"
    INDETERMINATE = "indeterminate"


UNMADE = (Outcome.NOT_CHECKED, Outcome.INDETERMINATE)


class Check(NamedTuple):
    """One check, kept whatever its outcome."""

    name: str
    outcome: Outcome
    reason: str
    rule: str | None = None
    evidence: Mapping[str, Any] = MappingProxyType({})
    age_s: int | None = None
    word: str | None = None  # the word of its row in shown-as.toml
    ground: str | None = None  # that of its row

    def as_dict(self) -> CheckRecord:
        """The JSON form."""
        told: CheckRecord = {
            "name": self.name,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "evidence": dict(self.evidence),
        }
        if self.rule:
            told["rule"] = self.rule
        if self.age_s is not None:
            told["age_s"] = self.age_s
        return told


class Findings:
    """Collects checks in the order in which they are made."""

    def __init__(self, tables: Tables) -> None:
        self._reasons = tables.reasons
        self.checks: list[Check] = []
        self.moments: set[int] = set()  # from each of which on something compared with the time may differ

    def copy(self) -> Findings:
        """The same so far: what is added to one is not added to the other."""
        again = copy(self)
        again.checks, again.moments = [*self.checks], {*self.moments}
        return again

    def add(
        self,
        name: str,
        outcome: Outcome,
        reason: str = "ok",
        *,
        rule: str | None = None,
        age_s: int | None = None,
        word: str | None = None,
        ground: str | None = None,
        **evidence: Any,
    ) -> Check:
        """Keep one check. `evidence` holds what a reader needs to look it up; None members are left out.

        `word` and `ground` are those of a row of shown-as.toml: they count whatever the policy requires.
        """
        assert name in CHECKS, f"no policy could require the check {name!r}"
        check = Check(
            name,
            outcome,
            reason,
            rule,
            {key: value for key, value in evidence.items() if value is not None},
            age_s,
            word,
            ground,
        )
        self.checks.append(check)
        return check

    def passed(self, name: str, **evidence: Any) -> None:
        """The check was made and is in order."""
        self.add(name, Outcome.PASS, **evidence)

    def failed(self, name: str, reason: str, **evidence: Any) -> None:
        """The check was made and something is wrong."""
        self.add(name, Outcome.FAIL, reason, **evidence)

    def warned(self, name: str, reason: str, **evidence: Any) -> None:
        """The check is in order; a person should know something about it."""
        self.add(name, Outcome.WARN, reason, **evidence)

    def unknown(self, name: str, reason: str, **evidence: Any) -> None:
        """The check was tried and its source did not allow a decision."""
        self.add(name, Outcome.INDETERMINATE, reason, **evidence)

    def unmade(self, names: Iterable[str], reason: str, **evidence: Any) -> None:
        """Checks that were not made, because an earlier one left nothing to check."""
        for name in names:
            self.add(name, Outcome.NOT_CHECKED, reason, **evidence)

    def inapplicable(self, name: str, **evidence: Any) -> None:
        """The check does not concern this item."""
        self.add(name, Outcome.NOT_APPLICABLE, "not_applicable", **evidence)

    def turns_at(self, *moments: int | None) -> None:
        """A check compared these moments with the time: from each on it may come out otherwise."""
        self.moments.update(moment for moment in moments if moment is not None)

    def knows(self, reason: str) -> bool:
        """True if the table of reasons has this code."""
        return reason in self._reasons

    def outcomes(self, name: str) -> list[Outcome]:
        """The outcomes of all checks of this name so far."""
        return [check.outcome for check in self.checks if check.name == name]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The word, the main reason behind it, what an undecided word waits for, and what was not checked."""

    verdict: str
    reason: str
    ground: str | None
    because: str | None
    unmade: int = 0  # checks that were not made: the main reason must not say more than was checked


def conclude(checks: Sequence[Check], tables: Tables, *, gaps: bool, required: frozenset[str]) -> Conclusion:
    """Turn checks into one word. `required` are the policy's checks that this kind of verdict makes."""
    if not tables.reasons or not tables.verdicts or tables.unread:
        return Conclusion(UNDECIDED, "tables_unavailable", None, "unreachable")
    words: list[tuple[str, str]] = []  # (verdict, reason)
    for check in checks:
        row = tables.reasons.get(check.reason, {})
        if check.outcome is Outcome.FAIL:
            word = row.get("verdict", HOLD)
            # A failing check is never good news, whatever a table says.
            words.append((word if word in (UNDECIDED, HOLD, REFUSE) else HOLD, check.reason))
        elif check.outcome in UNMADE and check.name in required:
            held = row.get("fault") == "item" and row.get("verdict") in (HOLD, REFUSE)
            words.append((HOLD if held else UNDECIDED, check.reason))
        if check.word is not None:
            words.append((check.word, check.reason))
    made = {check.name for check in checks}
    words.extend((UNDECIDED, "not_checked") for name in sorted(required) if name not in made)
    if not checks:
        words.append((UNDECIDED, "not_checked"))
    unmade = len({check.name for check in checks if check.outcome in UNMADE})
    if not words:
        word, reason = (GAPS, "gaps") if gaps else (CLEAR, "ok")
        return Conclusion(word, reason, None, None, unmade)
    worst = max((word for word, _ in words), key=ORDER.index)
    reason = min((r for word, r in words if word == worst), key=_rank(tables))
    row = tables.reasons.get(reason, {})
    named = next((c.ground for c in checks if c.reason == reason and c.ground), None)
    ground = (named or row.get("ground") or "26(a)") if worst in (HOLD, REFUSE) else None
    because = (row.get("because") or "unreachable") if worst == UNDECIDED else None
    if because == "none":
        because = "unreachable"
    return Conclusion(worst, reason, ground, because, unmade)


def _rank(tables: Tables) -> Any:
    places = {reason: place for place, reason in enumerate(tables.verdicts.get("precedence", ()))}
    return lambda reason: (places.get(reason, len(places)), reason)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier found about one document and its battery."""

    conclusion: Conclusion
    checks: tuple[Check, ...]
    at: At
    height: int
    block_time: int
    gaps: tuple[GapRecord, ...] = ()
    withheld: tuple[GapRecord, ...] = ()
    sources: tuple[SourceRecord, ...] = ()
    recognition: tuple[RecognitionRecord, ...] = ()
    timeline: tuple[StepRecord, ...] = ()
    passport: PassportRecord = field(default_factory=PassportRecord)
    good_until: int | None = None  # the first moment at which time alone may change it; None: there is none

    def as_dict(self) -> VerdictRecord:
        """The JSON form; `undecided_because` is there only when the word is undecided."""
        told: VerdictRecord = {
            "verdict": self.conclusion.verdict,
            "reason": self.conclusion.reason,
            "ground": self.conclusion.ground,
            "unmade": self.conclusion.unmade,
            "law_date": self.at.law_date,
            "evaluated_at": self.at.evaluated_at,
            "height": self.height,
            "block_time": self.block_time,
            "good_until": self.good_until,
            "sources": list(self.sources),
            "checks": [check.as_dict() for check in self.checks],
            "gaps": list(self.gaps),
            "withheld": list(self.withheld),
            "recognition": list(self.recognition),
            "timeline": list(self.timeline),
            "passport": self.passport,
        }
        if self.conclusion.because:
            told["undecided_because"] = self.conclusion.because
        return told
