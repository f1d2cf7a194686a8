"""Working-day duties as they are kept in codes, and in words."""

from __future__ import annotations

from typing import TypedDict

from node.words import Words, when

DUTY, STATE, NOT_TOLD = "duty", "duty_state", "duty_not_told"  # sections of sentences.toml


class DutyRecord(TypedDict):
    """One duty: due, overdue or kept late; `battery` None: no document held here says its code."""

    duty: str
    sort: str  # report | answer
    state: str
    jurisdiction: str
    who: str
    who_name: str | None
    battery: str | None
    key: str
    opened_at: int
    due_until: int
    calendar_known: bool
    closed_at: int | None
    working_days: int
    basis: str
    confirmed: bool
    leaf_index: int


class UnrecordedRecord(TypedDict):
    """An own statement that is signed and not recorded yet."""

    duty: str
    state: str
    battery: str | None
    attestation: str
    due_until: int
    calendar_known: bool


class DutiesHead(TypedDict):
    """Duties that a stretch of the log opened; `sides`: those that this party supervises."""

    evaluated_at: int
    height: int
    sides: list[str]
    counts: dict[str, int]
    unrecorded: list[UnrecordedRecord]
    not_read: int  # batteries whose record is longer than what was read of it
    before: int | None  # the leaf before which the next stretch ends; None: this was the beginning


class DutiesRecord(DutiesHead):
    """The same with the duties, overdue first; `not_told`: what no record can tell, by code."""

    duties: list[DutyRecord]
    not_told: list[str]


class DutyAnswer(DutyRecord):
    """One duty in words: what is owed, and how it stands."""

    text: str
    told: str


class DutiesAnswer(DutiesHead):
    """The list in words; `not_told`: what no record can tell."""

    duties: list[DutyAnswer]
    not_told: list[str]


def duties_answer(words: Words, made: DutiesRecord) -> DutiesAnswer:
    """The list in the language of these words."""
    return {
        **made,
        "duties": [_duty(words, one) for one in made["duties"]],
        "not_told": [words.sentence(f"{NOT_TOLD}.{code}") for code in made["not_told"]],
    }


def _duty(words: Words, one: DutyRecord) -> DutyAnswer:
    name = one["sort"] if one["sort"] == "report" else one["duty"]
    event = one["duty"].replace(".", " ").replace("_", " ")
    told = {
        "until": when(one["due_until"]),
        "closed": when(one["closed_at"]),
        "who": one["who_name"] or one["who"],
        "open_calendar": not one["calendar_known"],
    }
    return {
        **one,
        "text": words.sentence(f"{DUTY}.{name}", {**one, "event": event}),
        "told": words.sentence(f"{STATE}.{one['state']}", told),
    }
