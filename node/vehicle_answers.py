"""May a vehicle be registered, sold, scrapped: the answer as it is kept in codes, and in words."""

from __future__ import annotations

from typing import TypedDict

from node.words import Words

ANSWER, FOUND, NEXT = "vehicle_answer", "vehicle_finding", "vehicle_next"  # sections of sentences.toml


class FindingRecord(TypedDict):
    """What was found: `outcome` is no, note or not_decided."""

    code: str
    outcome: str
    parameters: dict[str, str | int | list[str]]


class PackRecord(TypedDict):
    """One battery, by its code where a document held here says it, and by its key on the ledger."""

    battery: str | None
    key: str
    findings: list[FindingRecord]


class VehicleHead(TypedDict):
    """The answer about one act, as of one height: yes, no or not_decided."""

    vin: str
    act: str
    jurisdiction: str
    answer: str
    height: int
    block_time: int
    evaluated_at: int


class VehicleRecord(VehicleHead):
    """The same with what was found of the vehicle and of each battery."""

    findings: list[FindingRecord]
    batteries: list[PackRecord]


class FindingAnswer(FindingRecord):
    """A finding with its sentence, and what its reader does next."""

    text: str
    next: str


class PackAnswer(TypedDict):
    """One battery with what was found of it, in words."""

    battery: str | None
    key: str
    findings: list[FindingAnswer]


class VehicleAnswer(VehicleHead):
    """The answer in words."""

    text: str
    findings: list[FindingAnswer]
    batteries: list[PackAnswer]


def vehicle_answer(words: Words, made: VehicleRecord) -> VehicleAnswer:
    """The answer in the language of these words."""
    return {
        **made,
        "text": words.sentence(f"{ANSWER}.{made['answer']}", {**made, "act": words.own(made["act"])}),
        "findings": [_finding(words, one) for one in made["findings"]],
        "batteries": [
            {**pack, "findings": [_finding(words, one) for one in pack["findings"]]}
            for pack in made["batteries"]
        ],
    }


def _finding(words: Words, found: FindingRecord) -> FindingAnswer:
    parameters = {
        name: words.own(value.replace("_", " "))
        if name in ("state", "status") and isinstance(value, str)
        else value
        for name, value in found["parameters"].items()
    }
    return {
        **found,
        "text": words.sentence(f"{FOUND}.{found['code']}", parameters),
        "next": words.sentence(f"{NEXT}.{found['code']}", parameters),
    }
