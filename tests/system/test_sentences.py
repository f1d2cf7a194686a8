"""Every sentence that a person may read: in plain words, without anything that only this code knows."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.test_structure import nodes_of, trees

ROOT = Path(__file__).resolve().parents[2]

# What tells a reader nothing: files of this project, types of Python, positions in a tree nobody sent.
INTERNAL = re.compile(
    r"design\.md|\bNone\b|\bNoneType\b|\b(?:dict|str|tuple|bytes) object|\.py\b|passport-paths"
    r"|lifecycle\.json|verdicts\.json|gbt34014\.json|/lines/|\bJSON pointer\b|\(char \d"
    r"|\b(?:Key|Type|Value|Attribute)Error\b|surrogates not allowed|\blist index\b",
)
# Calls whose texts become sentences: errors, refusals, answers, and what a command prints.
TELLING = re.compile(
    r"(?:Error|Problem|Refusal|NotYet)$|^(?:_?refuse|_?malformed|_?invalid|_invalid|bad_request|not_found|conflict"
    r"|failed|warned|unknown|unmade|echo|UsageError|ClickException|tell)$"
)


def told(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of every text in a call that tells somebody something."""
    for node in nodes_of(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if TELLING.search(name):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, part.value


def test_no_sentence_of_the_code_has_an_internal_word(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Errors, refusals and printed lines name members, standards and what to do; never our files and types.
    """
    texts = [(f"{path}:{line}", text) for path, tree in trees().items() for line, text in told(tree)]

    with capsys.disabled():
        print(f"\n{len(texts)} texts of sentences looked at")
    assert len(texts) > 1000
    assert not [(place, text) for place, text in texts if INTERNAL.search(text)]


def test_no_sentence_of_the_tables_has_an_internal_word() -> None:
    """
    The reasons that verdicts, pages and exports show cite laws and standards a reader can look up.
    """
    reasons = tomllib.loads((ROOT / "config" / "reasons.toml").read_text())

    for code, row in reasons.items():
        for member in ("en", "zh", "provision", "unmade_en", "unmade_zh"):
            assert not INTERNAL.search(row.get(member, "")), (code, member)
        assert row["en"].endswith(".") and row["zh"].endswith("。"), code


TOLD = ("sentences.toml", "refusals.toml", "conditions.toml", "terms.toml", "reasons.toml")
LANGUAGES = ("en", "zh")


def texts_of(table: object, way: str = "") -> Iterator[tuple[str, str]]:
    """(where, text) of every text below a table that a reader sees: those of a language, however deep."""
    match table:
        case dict():
            for name, value in table.items():
                yield from texts_of(value, f"{way}/{name}")
        case list():
            for value in table:
                yield from texts_of(value, way)
        case str() if set(way.split("/")) & {*LANGUAGES, "title_en", "title_zh", "template"}:
            yield way, table


@pytest.mark.parametrize("name", TOLD)
def test_no_words_of_a_table_are_internal(name: str) -> None:
    """
    What refusals, conditions, sentences and labels say names none of our files, types or positions.
    """
    found = list(texts_of(tomllib.loads((ROOT / "config" / name).read_text())))

    assert len(found) >= 40
    assert not [(way, text) for way, text in found if INTERNAL.search(text)]
