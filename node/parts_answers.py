"""Parts of a battery, opened and compared: the answer in codes and in words."""

from __future__ import annotations

from typing import TypedDict

from node.words import Words

ANSWER, FOUND = "parts_answer", "part_finding"  # sections of sentences.toml


class OpenedPart(TypedDict):
    """The way from one part to the commitment; with its blind it is checked without any node."""

    code: str
    blind: str
    index: int
    size: int
    path: list[str]


class PartFindingRecord(TypedDict):
    """What was found of a part: `outcome` is no, note or not_checked."""

    code: str
    outcome: str
    parameters: dict[str, str | int | list[str]]


class PartRecord(TypedDict):
    """One part; `opened`: its way to the commitment, where all parts were shown."""

    code: str
    committed: bool
    opened: OpenedPart | None
    findings: list[PartFindingRecord]


class PartsHead(TypedDict):
    """pass, fail or not_checked; `root` is what is on record, `shown_root` that of what was shown."""

    battery: str
    answer: str
    root: str | None
    shown_root: str
    attestation: str | None  # the production that commits to it: its receipt proves the root
    size: int | None
    shown: int
    height: int


class PartsRecord(PartsHead):
    """The same with each part."""

    parts: list[PartRecord]


class PartFindingAnswer(PartFindingRecord):
    """A finding with its sentence."""

    text: str


class PartAnswer(TypedDict):
    """One part, in words."""

    code: str
    committed: bool
    opened: OpenedPart | None
    findings: list[PartFindingAnswer]


class PartsAnswer(PartsHead):
    """The answer in words."""

    text: str
    parts: list[PartAnswer]


def parts_answer(words: Words, made: PartsRecord) -> PartsAnswer:
    """The answer in the language of these words."""
    code = made["answer"] if made["root"] is not None else "nothing_committed"
    return {
        **made,
        "text": words.sentence(f"{ANSWER}.{code}", made),
        "parts": [
            {
                **part,
                "findings": [
                    {**one, "text": words.sentence(f"{FOUND}.{one['code']}", one["parameters"])}
                    for one in part["findings"]
                ],
            }
            for part in made["parts"]
        ],
    }
