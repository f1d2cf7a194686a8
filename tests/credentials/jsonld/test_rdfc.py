"""RDFC-1.0 and N-Quads: the W3C tests, graphs made to be costly, statements made to be misread."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.jsonld import rdf
from credentials.jsonld.rdf import Quad, canonicalize, canonicalize_with_map, parse_nquads

VECTORS = Path(__file__).parents[2] / "vectors" / "rdf-canon"
MANIFEST: list[dict[str, Any]] = json.loads((VECTORS / "manifest.jsonld").read_bytes())["entries"]
P = "<urn:p>"


def published(kind: str) -> list[Any]:
    """The tests of one kind, by the name that says what is in them."""
    return [
        pytest.param(entry, id=f"{entry['id'][1:]} {entry['name']}")
        for entry in MANIFEST
        if entry["type"] == f"rdfc:RDFC10{kind}Test"
    ]


def run(entry: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    quads = parse_nquads((VECTORS / entry["action"]).read_bytes())
    return canonicalize_with_map(quads, hash_name=entry.get("hashAlgorithm", "SHA256").lower())


@pytest.mark.parametrize("entry", published("Eval"))
def test_canonical_form(entry: dict[str, Any]) -> None:
    """
    The canonical N-Quads are the published bytes.
    """
    canonical, _ = run(entry)

    assert canonical == (VECTORS / entry["result"]).read_bytes()


@pytest.mark.parametrize("entry", published("Map"))
def test_issued_labels(entry: dict[str, Any]) -> None:
    """
    Each blank node gets the published label.
    """
    _, labels = run(entry)

    assert labels == json.loads((VECTORS / entry["result"]).read_bytes())


@pytest.mark.parametrize("entry", published("NegativeEval"))
def test_poison_graph(entry: dict[str, Any]) -> None:
    """
    A graph made to take forever is refused by the limit on work, in less than a second.
    """
    started = time.thread_time()

    with pytest.raises(CredentialError, match="too long") as caught:
        run(entry)

    assert caught.value.code == "malformed"
    assert time.thread_time() - started < 1


def test_all_published_tests_are_run() -> None:
    """
    No test of the manifest is of a kind that is not run above.
    """
    assert len(MANIFEST) == sum(len(published(kind)) for kind in ("Eval", "Map", "NegativeEval")) == 86


@pytest.mark.parametrize("entry", published("Eval"))
def test_order_and_labels_do_not_matter(entry: dict[str, Any]) -> None:
    """
    The same dataset with its quads shuffled and its blank nodes renamed has the same canonical form.
    """
    seeded = random.Random(entry["id"])
    quads = parse_nquads((VECTORS / entry["action"]).read_bytes())
    nodes = sorted({term for quad in quads for term in quad if term.startswith("_:")})
    names = {
        node: f"_:x{name}" for node, name in zip(nodes, seeded.sample(range(1000), len(nodes)), strict=True)
    }
    renamed: list[Quad] = [(names.get(s, s), p, names.get(o, o), names.get(g, g)) for s, p, o, g in quads]
    seeded.shuffle(renamed)
    hash_name = entry.get("hashAlgorithm", "SHA256").lower()

    canonical = canonicalize(renamed + renamed[:1], hash_name=hash_name)

    assert canonical == canonicalize(quads, hash_name=hash_name)
    assert canonicalize(parse_nquads(canonical), hash_name=hash_name) == canonical


def clique(size: int) -> list[Quad]:
    return [(f"_:{a}", P, f"_:{b}", "") for a in range(size) for b in range(size) if a != b]


def hubs(children: int) -> list[Quad]:
    return [(f"_:hub{hub}", P, f"_:{hub}-{child}", "") for hub in (1, 2) for child in range(children)]


def chains(length: int) -> list[Quad]:
    return [
        (f"_:{chain}-{link}", P, f"_:{chain}-{link + 1}", "") for chain in (1, 2) for link in range(length)
    ]


COSTLY = {
    "clique of 10": (clique(10), "too long"),
    "two nodes with 1,000 equal children each": (hubs(1000), "too long"),
    "two chains of 2,000 equal links": (chains(2000), "too long"),
    "many blank nodes": (hubs(50_000), "at most 10000"),
    "many statements": ([("<urn:s>", P, f'"{n}"', "") for n in range(100_001)], "more than 100000"),
}


@pytest.mark.parametrize(("quads", "sentence"), COSTLY.values(), ids=COSTLY.keys())
def test_costly_graphs(quads: list[Quad], sentence: str) -> None:
    """
    What would take more than the limit is refused with a sentence, in bounded time.
    """
    started = time.thread_time()

    with pytest.raises(CredentialError, match=sentence) as caught:
        canonicalize(quads)

    assert caught.value.code == "malformed"
    assert time.thread_time() - started < 3


@pytest.mark.parametrize("quads", [hubs(5), chains(50), clique(5)], ids=["hubs", "chains", "clique"])
def test_resembling_nodes_are_told_apart(quads: list[Quad]) -> None:
    """
    Graphs of the same shapes in the sizes that documents have are canonicalised.
    """
    assert canonicalize(quads).count(b"\n") == len(quads)


NOT_NQUADS = {
    "no full stop": b"<urn:s> <urn:p> <urn:o>",
    "two statements on a line": b"<urn:s> <urn:p> <urn:o> . <urn:s> <urn:p> <urn:o> .",
    "literal as subject": b'"s" <urn:p> <urn:o> .',
    "literal as graph": b'<urn:s> <urn:p> <urn:o> "g" .',
    "blank predicate": b"<urn:s> _:p <urn:o> .",
    "space in an IRI": b"<urn: s> <urn:p> <urn:o> .",
    "quotation mark in a literal": b'<urn:s> <urn:p> "a"b" .',
    "unknown escape": b'<urn:s> <urn:p> "\\x" .',
    "escaped surrogate": b'<urn:s> <urn:p> "\\uD800" .',
    "escape beyond Unicode": b'<urn:s> <urn:p> "\\U00110000" .',
    "language and type": b'<urn:s> <urn:p> "a"@en^^<urn:t> .',
    "label that ends with a dot": b"_:a. <urn:p> <urn:o> .",
    "not UTF-8": b'<urn:s> <urn:p> "\xff" .',
}


@pytest.mark.parametrize("data", NOT_NQUADS.values(), ids=NOT_NQUADS.keys())
def test_not_nquads(data: bytes) -> None:
    """
    What N-Quads does not allow is refused, not read somehow.
    """
    with pytest.raises(CredentialError) as caught:
        parse_nquads(b"<urn:s> <urn:p> <urn:o> .\n" + data)

    assert caught.value.code == "malformed"
    where = ("Line 2 is not an N-Quads statement", "escape", "UTF-8")
    assert any(one in str(caught.value) for one in where), caught.value


def test_a_literal_is_written_in_one_way() -> None:
    """
    Every character comes back through its canonical text, alone and beside others.
    """
    for code in [*range(0x300), 0x2028, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF]:
        written = rdf.literal(chr(code))
        (quad,) = parse_nquads(f"<urn:s> {P} {written} .".encode())

        assert quad[2] == written
        assert "\n" not in written and "\r" not in written
