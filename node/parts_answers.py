"""Parts of a battery, opened and compared: the answer in codes and in words."""

from __future__ import annotations

from typing import TypedDict

from node.catalogues import sentences
from node.words import Words

# Sections of sentences.toml.
ANSWER, FOUND, STATE, COMMITTED = "parts_answer", "part_finding", "part_state", "parts_committed"


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
                "findings": _told(words, part["findings"]),
            }
            for part in made["parts"]
        ],
    }


class PartNodeHead(TypedDict):
    """A battery in a tree: `relation` to `under` is self, part, taken_out_of, made_from or became.

    `object` is pack, module or cell, as its code says; `code` None: no document held here says it. Of its
    `parts` so many are `shown`. The receipt of `attestation` proves the newest record of it.
    """

    key: str
    code: str | None
    object: str | None
    relation: str
    under: str | None
    state: str | None
    committed: str | None  # whole, other, closed, nothing; None: nothing to compare
    parts: int
    shown: int
    leaf_index: int | None
    attestation: str | None


class PartNodeRecord(PartNodeHead):
    """The same with what is to be known beside its state."""

    findings: list[PartFindingRecord]


class PartNodeAnswer(PartNodeHead):
    """The same in words: what became of it, and what is known of its parts."""

    text: str
    committed_text: str | None
    findings: list[PartFindingAnswer]


class PartsTreeHead(TypedDict):
    """A battery with what is around it, as of a height; `more`: where its next parts begin."""

    battery: str
    height: int
    block_time: int
    after: int
    more: int | None


class PartsTreeRecord(PartsTreeHead):
    """The same with each battery of the tree, in the order in which it is read."""

    nodes: list[PartNodeRecord]


class PartsTreeAnswer(PartsTreeHead):
    """The tree in words."""

    nodes: list[PartNodeAnswer]


def tree_answer(words: Words, made: PartsTreeRecord) -> PartsTreeAnswer:
    """The tree in the language of these words."""
    return {**made, "nodes": [_node(words, one) for one in made["nodes"]]}


def _node(words: Words, one: PartNodeRecord) -> PartNodeAnswer:
    state, committed = one["state"] or "unknown", one["committed"]
    known = state if state in sentences()[STATE] else "other"
    return {
        **one,
        "text": words.sentence(f"{STATE}.{known}", {"state": words.own(state.replace("_", " "))}),
        "committed_text": words.sentence(f"{COMMITTED}.{committed}", {"size": one["parts"]})
        if committed is not None
        else None,
        "findings": _told(words, one["findings"]),
    }


def _told(words: Words, findings: list[PartFindingRecord]) -> list[PartFindingAnswer]:
    return [{**one, "text": _sentence(words, one)} for one in findings]


def _sentence(words: Words, found: PartFindingRecord) -> str:
    parameters = {
        name: words.own(value) if name == "status" and isinstance(value, str) else value
        for name, value in found["parameters"].items()
    }
    return words.sentence(f"{FOUND}.{found['code']}", parameters)
