"""Jurisdictions are data: no module and no page names one, so a further one needs no other code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.system.test_structure import nodes_of, trees

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"\b(EU|CN|JP|KR|UK|China|Chinese|India|Indian|European)\b")  # `IN` is a word of SQL
SMALL = frozenset({"eu", "cn"})  # a whole text: one of the sides, in small letters
LAWS = re.compile(r"(Reg|IR) \(EU\)")  # the law that a sentence or comment cites
SCENARIO = "node/demo/"  # invented parties, and so data


def docstrings(tree: ast.AST) -> set[int]:
    """The ids of the constants that document something."""
    found = set()
    for node in nodes_of(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def named(text: str) -> bool:
    return bool(NAMED.search(LAWS.sub("", text))) or text in SMALL


def test_the_search_finds_a_jurisdiction_wherever_it_stands() -> None:
    """
    A comparison, a sentence, small letters; not the name of a law, of a file, or another word.
    """
    assert all(map(named, ("EU", "the CN side", "an Indian office", "eu")))
    assert not any(map(named, ("Reg (EU) 2023/1542 Art 77", "INDEX", "in the log", "crosswalk-eu-cn.json")))


def test_no_module_names_a_jurisdiction() -> None:
    """
    Not as a text that is compared, looked up or told: what differs between them is in config/ and genesis.
    """
    found = []
    for path, tree in trees().items():
        if str(path).startswith(SCENARIO):
            continue
        documented = docstrings(tree)
        found += [
            f"{path}:{node.lineno} {node.value[:60]!r}"
            for node in nodes_of(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documented
            and named(node.value)
        ]

    assert len(trees()) > 200
    assert not found, found


def test_no_page_names_a_jurisdiction() -> None:
    """
    What a page says of a side it is told; laws are cited by their names.
    """
    pages = sorted((ROOT / "node" / "web" / "templates").glob("*.html"))
    found = [
        f"{page.name}:{number} {line.strip()[:80]}"
        for page in pages
        for number, line in enumerate(page.read_text().splitlines(), start=1)
        if NAMED.search(LAWS.sub("", line))
    ]

    assert len(pages) > 20
    assert not found, found
