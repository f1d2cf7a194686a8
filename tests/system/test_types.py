"""What is ours has a type: `dict[str, Any]` is for JSON of others; each room says how much of it there is."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.system.test_structure import nodes_of, trees

# How many annotations of a room may say `dict[str, Any]`, under its own name or another, and what they are.
# The numbers shrink: a smaller count is written here, or the test fails as well.
ALLOWED: dict[str, tuple[int, str]] = {
    "credentials/documents": (47, "credentials, DID documents, status lists, JOSE headers"),
    "credentials/jcs": (7, "JSON itself"),
    "credentials/jsonld": (11, "contexts and documents of JSON-LD"),
    "credentials/ledger": (9, "tables of TOML, and of records"),
    "credentials/toml_text": (1, "a table of TOML, before its form is asked"),
    "credentials/verdicts": (
        18,
        "documents that are examined; the parameters of a check; a manifest as JSON has it",
    ),
    "node/answers": (4, "documents inside answers; parameters of a condition"),
    "node/api": (45, "JSON Schema and OpenAPI; bodies as sent, before they are read"),
    "node/cli": (23, "what a node answered, or a file says; records that are to be proposed"),
    "node/node_client": (7, "what a node answered"),
    "node/config": (2, "tables of TOML and JSON"),
    "node/demo": (43, "claims, manifests and answers over HTTP, as any client has them"),
    "node/governance_answers": (1, "conditions of a recognition"),
    "node/issuing": (45, "claims, models of claims, lines of sheets, members of events, credentials"),
    "node/ledger": (4, "answers and settings of CometBFT, its own or a peer's"),
    "node/proposal_answers": (2, "records before and after, as the ledger has them"),
    "node/resolution": (3, "DID documents"),
    "node/server": (3, "WSGI environments, options of TLS"),
    "node/settings": (2, "tables of TOML"),
    "node/setup": (1, "tables of TOML"),
    "node/storage": (1, "parameters of a finding"),
    "node/use_cases": (12, "claims, manifests and options as sent; documents by right; a line's problem"),
    "node/verdicts": (3, "documents; manifests as sent"),
    "node/web": (3, "claims of the sample; the context of a template"),
}

# Functions of rooms that answer, which return a document of others, or a part of one.
DOCUMENTS = {
    "node/api/consignments.py:_one_line": "the manifest that a form stands for, before it is read",
    "node/api/described.py:_any_of": "JSON Schema",
    "node/api/described.py:_schema": "JSON Schema",
    "node/api/described.py:answer": "JSON Schema",
    "node/api/described.py:described": "JSON Schema",
    "node/api/openapi.py:_content": "OpenAPI",
    "node/api/openapi.py:_operation": "OpenAPI",
    "node/api/openapi.py:_parameters": "OpenAPI",
    "node/api/openapi.py:describe": "OpenAPI",
    "node/api/reading.py:json_body": "a body as sent",
    "node/api/reading.py:json_text": "a body as sent",
    "node/api/schemas.py:_list": "JSON Schema",
    "node/api/schemas.py:_nullable": "JSON Schema",
    "node/api/schemas.py:_object": "JSON Schema",
    "node/api/schemas.py:_ref": "JSON Schema",
    "node/api/schemas.py:schema_document": "JSON Schema",
    "node/api/schemas.py:schemas": "JSON Schema",
    "node/use_cases/records.py:document": "a document by right",
    "node/use_cases/vc_api.py:did_document": "a DID document",
    "node/use_cases/vc_api.py:status_list": "a status list credential",
    "node/verdicts/verification.py:_list_of": "a status list as its server sent it",
}
ANSWERING = (
    "node/use_cases/access.py",
    "node/answers.py",
    "node/api/",
    "node/use_cases/",
    "node/verdicts/",
    "node/words.py",
)


def is_untyped(node: ast.expr) -> bool:
    """True for `dict[str, Any]`."""
    return ast.unparse(node) == "dict[str, Any]"


def aliases(tree: ast.Module) -> set[str]:
    """Names that a module gives to it: they count like the thing."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            parts = [node.value, *ast.walk(node.value)] if isinstance(node.value, ast.BinOp) else [node.value]
            if any(isinstance(part, ast.expr) and is_untyped(part) for part in parts):
                found.add(node.targets[0].id)
    return found


def untyped_in(annotation: ast.expr | None, names: set[str]) -> int:
    """How often an annotation says it, also inside lists and unions."""
    if annotation is None:
        return 0
    return sum(
        isinstance(part, ast.expr) and (is_untyped(part) or (isinstance(part, ast.Name) and part.id in names))
        for part in ast.walk(annotation)
    )


def annotated(tree: ast.Module) -> Iterator[tuple[str, bool, ast.expr | None]]:
    """(function or name, whether it is what is returned, annotation) of a module."""
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name, True, node.returns
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield from ((node.name, False, argument.annotation) for argument in every)
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target), False, node.annotation


def room_of(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]).removesuffix(".py")


def counted() -> Counter[str]:
    """How many annotations say it, by room; an alias of a module counts where it is used."""
    found: Counter[str] = Counter()
    for path, tree in trees().items():
        names = aliases(tree)
        found[room_of(path)] += sum(untyped_in(annotation, names) for _, _, annotation in annotated(tree))
    return +found


def test_each_room_says_how_much_json_of_others_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """
    No room has more untyped JSON than is written here with a reason.
    """
    found = counted()
    with capsys.disabled():
        print(f"\n{sum(found.values())} annotations say dict[str, Any]:")
        for room, count in found.most_common():
            print(f"  {room:28} {count:3}  {ALLOWED.get(room, (0, ''))[1]}")

    assert found == {room: count for room, (count, _) in ALLOWED.items()}


def test_what_is_answered_has_a_type() -> None:
    """
    No function of the rooms that answer returns `dict[str, Any]`, but for documents, whose shape is others'.
    """
    found = {
        f"{path}:{name}"
        for path, tree in trees().items()
        if path.startswith(ANSWERING)
        for name, returned, annotation in annotated(tree)
        if returned and untyped_in(annotation, aliases(tree))
    }

    assert found - DOCUMENTS.keys() == set()
    assert DOCUMENTS.keys() - found == set(), "typed by now: take them off the list"


def test_an_untyped_answer_would_be_found() -> None:
    """
    The search finds the thing, a list of it, and both under another name.
    """
    planted = ast.parse(
        "JSON = dict[str, Any]\nd: JSON\n"
        "def a() -> list[JSON]: ...\ndef b(c: dict[str, Any] | None) -> str: ..."
    )

    names = aliases(planted)

    assert names == {"JSON"}
    assert [untyped_in(annotation, names) for _, _, annotation in annotated(planted)] == [1, 1, 0, 1]
