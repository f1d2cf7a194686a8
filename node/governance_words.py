"""What a proposal does, needs and became, in the reader's language: records made into answers."""

from __future__ import annotations

from node.proposal_answers import (
    ActMadeAnswer,
    ActMadeRecord,
    DryRunAnswer,
    DryRunRecord,
    EffectAnswer,
    EffectRecord,
    MissingAnswer,
    MissingRecord,
    ProposalAnswer,
    ProposalRecord,
    ReachAnswer,
    ReachRecord,
    WhyAnswer,
)
from node.words import Words, step_of

REASONS = ("expired", "base_changed", "governance_invalid", "recovery_replaced", "key_stolen")


def effect(words: Words, shown: EffectRecord) -> EffectAnswer:
    """What a proposal does, what that needs and what is missing, in sentences."""
    return {
        **shown,
        "actions": [
            {
                **action,
                "text": words.sentence(
                    f"governance.action.{action['action']}",
                    {"party": action["party_name"], "jurisdiction": action["jurisdiction"]},
                ),
            }
            for action in shown["actions"]
        ],
        "missing": [_missing(words, missing) for missing in shown["missing"]],
    }


def _missing(words: Words, missing: MissingRecord) -> MissingAnswer:
    parameters = {
        "of": [party["name"] for party in missing["of"]],
        "count": missing["count"],
        "jurisdictions": missing["jurisdictions"],
    }
    return {**missing, "text": words.sentence(f"governance.missing.{missing['sort']}", parameters)}


def reach(words: Words, shown: ReachRecord | None) -> ReachAnswer | None:
    """What a change does to open lines, with the sentence of each word."""
    if shown is None:
        return None
    return {
        **shown,
        "items": [
            {
                **item,
                "before_text": words.reason(item["before_reason"]),
                "after_text": words.reason(item["after_reason"]) if item["after_reason"] else "",
            }
            for item in shown["items"]
        ],
    }


def proposal(words: Words, shown: ProposalRecord) -> ProposalAnswer:
    """A proposal with its effect, or with why it would lapse or is over."""
    problem = shown["problem"]
    why: WhyAnswer | None = None
    if problem is not None:
        text = words.refusal(problem["code"], problem["template"], problem["parameters"])
        step = step_of(problem["code"], problem["template"], problem["parameters"], words.language)
        why = {"code": problem["code"], "text": text, **step}
    return {
        **shown,
        "reason": _reason(words, shown["reason"]),
        "effect": None if shown["effect"] is None else effect(words, shown["effect"]),
        "ahead": [
            {**act, "missing": [_missing(words, missing) for missing in act["missing"]]}
            for act in shown["ahead"]
        ],
        "reach": reach(words, shown["reach"]),
        "problem": why,
    }


def _reason(words: Words, code: str) -> WhyAnswer | None:
    if not code:
        return None
    known = code if code in REASONS else "other"
    text = words.sentence(f"governance.over.{known}", {"reason": code})
    return {"code": code, "text": text, **step_of("proposal_over", "", {}, words.language)}


def dry_run(words: Words, shown: DryRunRecord) -> DryRunAnswer:
    """A change that is not proposed yet."""
    return {
        **shown,
        "effect": effect(words, shown["effect"]),
        "reach": reach(words, shown["reach"]),
    }


def act_made(words: Words, made: ActMadeRecord) -> ActMadeAnswer:
    """An act of this participant, with the proposal as it stands."""
    shown = made["proposal"]
    return {**made, "proposal": None if shown is None else proposal(words, shown)}
