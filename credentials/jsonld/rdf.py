"""RDF Dataset Canonicalization, RDFC-1.0 (W3C Recommendation 2024-05-21), over N-Quads 1.1.

A quad is (subject, predicate, object, graph), each term as canonical N-Quads writes it: `<iri>`, `_:label`,
`"literal"`, `"literal"@tag`, `"literal"^^<iri>`; the graph is empty for the default graph. Two terms are the
same term exactly when their texts are equal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from itertools import permutations
from typing import Any

from credentials.errors import CredentialError, malformed

Quad = tuple[str, str, str, str]

BLANK_NODES_MAX = 10_000
QUADS_MAX = 100_000
# What telling resembling nodes apart may cost: a quad looked at or a step along a path is one. The costliest
# graph of the W3C tests that is to be canonicalised takes 25,260; this many take a tenth of a second.
WORK_MAX = 600_000
N_DEGREE_DEPTH_MAX = 300

_HASHES: dict[str, Callable[[bytes], Any]] = {"sha256": hashlib.sha256, "sha384": hashlib.sha384}

_TOO_ALIKE = "The nodes without an id resemble each other so much that naming them takes too long"

# RDFC-1.0, 5: which characters of a literal are escaped, and how.
_ESCAPED = re.compile('[\x00-\x1f"\\\\\x7f\ufffe\uffff]')
_NAMED = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def literal(text: str) -> str:
    """Return a literal's text between quotation marks, escaped as canonical N-Quads asks (RDFC-1.0, 5)."""
    if _ESCAPED.search(text) is None:
        return f'"{text}"'
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def canonicalize(quads: Iterable[Quad], *, hash_name: str = "sha256") -> bytes:
    """Return the canonical N-Quads of a dataset (RDFC-1.0, 4.4); the order and repetition of quads is free.

    Raises CredentialError `malformed` for a dataset with more blank nodes or quads than are read, or whose
    blank nodes resemble each other so much that telling them apart would take more than WORK_MAX steps.
    """
    canonical, _ = canonicalize_with_map(quads, hash_name=hash_name)
    return canonical


def canonicalize_with_map(
    quads: Iterable[Quad], *, hash_name: str = "sha256"
) -> tuple[bytes, dict[str, str]]:
    """As `canonicalize`, and the canonical label of each blank node, both without `_:`."""
    dataset = list(dict.fromkeys(quads))
    if len(dataset) > QUADS_MAX:
        malformed(f"The document makes more than {QUADS_MAX} statements")
    labels = _Canonicalization(dataset, _HASHES[hash_name]).labels()
    lines = []
    for subject, predicate, object_, graph in dataset:
        if subject[0] == "_":
            subject = labels[subject]  # noqa: PLW2901
        if object_[0] == "_":
            object_ = labels[object_]  # noqa: PLW2901
        if not graph:
            lines.append(f"{subject} {predicate} {object_} .\n")
        else:
            lines.append(f"{subject} {predicate} {object_} {labels.get(graph, graph)} .\n")
    lines.sort()
    return "".join(lines).encode(), {label[2:]: issued[2:] for label, issued in labels.items()}


def parse_nquads(data: bytes) -> list[Quad]:
    """Read N-Quads (RDF 1.1 N-Quads, 4); raises CredentialError `malformed` naming the line."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise CredentialError("malformed", f"The N-Quads are not UTF-8: {error}.") from error
    quads = []
    for number, line in enumerate(re.split("[\r\n]+", text), 1):
        if not line.strip(" \t") or line.lstrip(" \t").startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            malformed(f"Line {number} is not an N-Quads statement")
        quads.append(
            (
                _term(found["subject"]),
                _term(found["predicate"]),
                _term(found["object"]),
                _term(found["graph"] or ""),
            )
        )
    return quads


_IRI = r'<(?:[^\x00-\x20<>"{}|^`\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*>'
_BLANK = r"_:[\w:](?:[\w:.\-\u00b7]*[\w:\-\u00b7])?"
_STRING = r'"(?:[^"\\\n\r]|\\[tbnrf"\'\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*"'
_LITERAL = rf"{_STRING}(?:\^\^{_IRI}|@[a-zA-Z]+(?:-[a-zA-Z0-9]+)*)?"
_LINE = re.compile(
    rf"[ \t]*(?P<subject>{_IRI}|{_BLANK})[ \t]*(?P<predicate>{_IRI})"
    rf"[ \t]*(?P<object>{_IRI}|{_BLANK}|{_LITERAL})"
    rf"[ \t]*(?P<graph>{_IRI}|{_BLANK})?[ \t]*\.[ \t]*(?:#.*)?"
)
_UNESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_CHARACTERS = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_XSD_STRING = "^^<http://www.w3.org/2001/XMLSchema#string>"


def _term(text: str) -> str:
    """Return the one canonical text of a term."""
    if not text.startswith('"'):
        return _unescape(text)
    end = text.rindex('"')
    suffix = _unescape(text[end + 1 :])
    return literal(_unescape(text[1:end])) + ("" if suffix == _XSD_STRING else suffix)


def _unescape(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        code = int(found[1] or found[2] or "0", 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            malformed("An escape in the N-Quads is not a character")
        return _CHARACTERS[found[3]] if found[3] else chr(code)

    return _UNESCAPE.sub(character, text) if "\\" in text else text


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _NAMED.get(character) or f"\\u{ord(character):04X}"


class _Issuer:
    """Labels in the order in which they were asked for (RDFC-1.0, 4.5)."""

    __slots__ = ("issued", "prefix")

    def __init__(self, prefix: str, issued: dict[str, str] | None = None) -> None:
        self.prefix = prefix
        self.issued = issued if issued is not None else {}

    def label(self, node: str) -> str:
        found = self.issued.get(node)
        if found is None:
            found = self.issued[node] = f"{self.prefix}{len(self.issued)}"
        return found

    def copy(self) -> _Issuer:
        return _Issuer(self.prefix, dict(self.issued))


class _Canonicalization:
    """The canonicalization state (RDFC-1.0, 4.3)."""

    def __init__(self, dataset: list[Quad], hash_of: Callable[[bytes], Any]) -> None:
        self._hash_of = hash_of
        self._work_left = WORK_MAX
        self._quads: dict[str, list[Quad]] = {}
        self._canonical = _Issuer("_:c14n")
        self._first: dict[str, str] = {}
        quads = self._quads
        for quad in dataset:
            subject, _, object_, graph = quad
            if subject[0] == "_":
                quads.setdefault(subject, []).append(quad)
            if object_[0] == "_" and object_ != subject:
                quads.setdefault(object_, []).append(quad)
            if graph and graph[0] == "_" and graph not in (subject, object_):
                quads.setdefault(graph, []).append(quad)
        if len(quads) > BLANK_NODES_MAX:
            malformed(
                f"The document has {len(quads)} nodes without an id; at most {BLANK_NODES_MAX} are read"
            )

    def labels(self) -> dict[str, str]:
        """4.4.3: name first what is unique by its own quads, then the rest by their surroundings."""
        nodes_by_hash: dict[str, list[str]] = {}
        for node in self._quads:
            self._first[node] = digest = self._hash_first_degree(node)
            nodes_by_hash.setdefault(digest, []).append(node)
        resembling = []
        for digest in sorted(nodes_by_hash):
            nodes = nodes_by_hash[digest]
            if len(nodes) == 1:
                self._canonical.label(nodes[0])
            else:
                resembling.append(nodes)
        issued = self._canonical.issued
        for nodes in resembling:
            paths = []
            for node in nodes:
                if node not in issued:
                    issuer = _Issuer("_:b")
                    issuer.label(node)
                    paths.append(self._hash_n_degree(node, issuer))
            for _, issuer in sorted(paths, key=lambda path: path[0]):
                for node in issuer.issued:
                    self._canonical.label(node)
        return issued

    def _hash_first_degree(self, node: str) -> str:
        """4.6: the node's quads, itself written _:a and every other blank node _:z."""
        lines = []
        for subject, predicate, object_, graph in self._quads[node]:
            if subject[0] == "_":
                subject = "_:a" if subject == node else "_:z"  # noqa: PLW2901
            if object_[0] == "_":
                object_ = "_:a" if object_ == node else "_:z"  # noqa: PLW2901
            if not graph:
                lines.append(f"{subject} {predicate} {object_} .\n")
            else:
                if graph[0] == "_":
                    graph = "_:a" if graph == node else "_:z"  # noqa: PLW2901
                lines.append(f"{subject} {predicate} {object_} {graph} .\n")
        lines.sort()
        return self._hash("".join(lines))

    def _hash_related(self, related: str, quad: Quad, issuer: _Issuer, position: str) -> str:
        """4.7."""
        name = self._canonical.issued.get(related) or issuer.issued.get(related) or self._first[related]
        return self._hash(position + ("" if position == "g" else quad[1]) + name)

    def _hash_n_degree(self, node: str, issuer: _Issuer, depth: int = 1) -> tuple[str, _Issuer]:
        """4.8: the hash of the smallest path along which the nodes around `node` can be named."""
        self._spend(len(self._quads[node]) + len(issuer.issued))
        if depth > N_DEGREE_DEPTH_MAX:
            malformed(_TOO_ALIKE)
        related_by_hash: dict[str, list[str]] = {}
        for quad in self._quads[node]:
            for position, related in (("s", quad[0]), ("o", quad[2]), ("g", quad[3])):
                if related[:1] == "_" and related != node:
                    digest = self._hash_related(related, quad, issuer, position)
                    related_by_hash.setdefault(digest, []).append(related)
        data = []
        for digest in sorted(related_by_hash):
            chosen_path, chosen_issuer = "", issuer
            for permutation in permutations(related_by_hash[digest]):
                found = self._path(permutation, issuer, chosen_path, depth)
                if found is not None:
                    chosen_path, chosen_issuer = found
            data.append(digest + chosen_path)
            issuer = chosen_issuer
        return self._hash("".join(data)), issuer

    def _path(
        self, nodes: tuple[str, ...], issuer: _Issuer, chosen: str, depth: int
    ) -> tuple[str, _Issuer] | None:
        """4.8.3, 5.4: the path through `nodes` in this order; None when it is not smaller than `chosen`."""
        self._spend(len(nodes) + len(issuer.issued))
        issuer = issuer.copy()
        canonical = self._canonical.issued
        path, unnamed = "", []
        for node in nodes:
            label = canonical.get(node)
            if label is None:
                if node not in issuer.issued:
                    unnamed.append(node)
                label = issuer.label(node)
            path += label
            if chosen and len(path) >= len(chosen) and path > chosen:
                return None
        for node in unnamed:
            digest, deeper = self._hash_n_degree(node, issuer, depth + 1)
            path += f"{issuer.label(node)}<{digest}>"
            issuer = deeper
            if chosen and len(path) >= len(chosen) and path > chosen:
                return None
        return (path, issuer) if not chosen or path < chosen else None

    def _hash(self, text: str) -> str:
        digest: str = self._hash_of(text.encode()).hexdigest()
        return digest

    def _spend(self, work: int) -> None:
        self._work_left -= work
        if self._work_left < 0:
            malformed(_TOO_ALIKE)
