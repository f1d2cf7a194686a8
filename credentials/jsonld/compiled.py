"""JSON-LD 1.1 to RDF (JSON-LD 1.1 API, 5.1 and 8.1), losslessly and with known contexts only.

A document goes straight to quads by compiled contexts (`terms.py`); what those do not know goes through pyld
(`general.py`). Either way a document of which RDF would leave something out is refused, because that
part would not be signed: undefined members and types, null, empty arrays, relative references (the base is
null).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from credentials.errors import malformed
from credentials.jcs import jcs, parse_json
from credentials.jsonld.definitions import Uncompiled, base_direction, language_tag
from credentials.jsonld.rdf import BLANK_NODES_MAX, QUADS_MAX, Quad, literal
from credentials.jsonld.refusals import IRI
from credentials.jsonld.terms import (
    GRAPH,
    JSON_LITERAL,
    LANGUAGE_MAP,
    LIST,
    LITERAL,
    PROPERTY,
    REFERENCE,
    VALUE,
    XSD,
    Table,
    TermRegistry,
    TermUse,
    Work,
    suffix_of,
)

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RDF_TYPE, _FIRST, _REST, _NIL = (f"<{_RDF}{name}>" for name in ("type", "first", "rest", "nil"))
_JSON = f"^^<{_RDF}JSON>"
_MANTISSA = re.compile(r"(\d)0*E\+?(-?)0*(\d)")


class Contexts(Mapping[str, Mapping[str, Any]]):
    """The JSON-LD contexts a node knows, by URL: the shipped ones and those its operator adds."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._documents = dict(documents)
        self.registry = TermRegistry(self._documents)

    def adding(self, files: Mapping[str, tuple[bytes, str]]) -> Contexts:
        """Return these contexts and those of `files`: URL -> (file, its SHA-256 in hexadecimal digits).

        Raises CredentialError `malformed` for a file with another digest or that holds no context, and for a
        URL that is known already: a pinned context is never replaced.
        """
        documents = dict(self._documents)
        for url, (data, sha256) in files.items():
            if IRI.fullmatch(url) is None:
                malformed(f"The context address {url[:200]!a} is not a URL")
            if url in documents:
                malformed(f"The context {url} is known already and is not replaced")
            if hashlib.sha256(data).hexdigest() != sha256.lower():
                malformed(f"The file of the context {url} has another digest than the one configured")
            document = parse_json(data)
            if not isinstance(document, dict) or not isinstance(document.get("@context"), dict | list):
                malformed(f"The file of the context {url} has no @context (JSON-LD 1.1, 3.1)")
            documents[url] = document
        return Contexts(documents)

    def __getitem__(self, url: str) -> Mapping[str, Any]:
        return self._documents[url]

    def __iter__(self) -> Iterator[str]:
        return iter(self._documents)

    def __len__(self) -> int:
        return len(self._documents)


def to_quads(document: Mapping[str, Any], contexts: Contexts) -> list[Quad]:
    """Return the statements of `document`; raises CredentialError `malformed` if a part of it makes none."""
    return _walked(document, contexts, _Walk(Work()))


def require_meaning(document: Mapping[str, Any], contexts: Contexts) -> None:
    """Refuse what `to_quads` refuses: of statements that nobody reads the literals are not written."""
    _walked(document, contexts, _Walk(Work(), literal=str, number=_unwritten))


def _walked(document: Mapping[str, Any], contexts: Contexts, walk: _Walk) -> list[Quad]:
    try:
        return walk.document(dict(document), contexts.registry.initial)
    except Uncompiled:
        from credentials.jsonld import general as jsonld_general  # noqa: PLC0415  (pyld: few documents need it)

        return jsonld_general.to_quads(document, contexts)
    except RecursionError:
        malformed("The document or its contexts are nested too deep")


def number(value: float, integer: str, double: str) -> str:
    """JSON-LD 1.1 API, 8.3, 8 to 11."""
    if type(value) is int and abs(value) < 10**21:
        return f'"{value}"{integer}'
    if abs(value) >= 1e21 or not float(value).is_integer():
        if not math.isfinite(value):
            malformed("A number is not finite")
        return f'"{_MANTISSA.sub(_exponent, f"{value:1.15E}")}"{double}'
    return f'"{int(value)}"{integer}'


def _exponent(found: re.Match[str]) -> str:
    return f"{found[1]}E{found[2]}{found[3]}"


def _unwritten(value: float, integer: str, double: str) -> str:
    if not math.isfinite(value):
        malformed("A number is not finite")
    return ""


class _Walk:
    """One document being turned into quads."""

    def __init__(
        self,
        work: Work,
        literal: Callable[[str], str] = literal,
        number: Callable[[float, str, str], str] = number,
    ) -> None:
        """`literal`, `number`: how texts and numbers are written."""
        self._work = work
        self._literal, self._number = literal, number
        self._quads: list[Quad] = []
        self._blank_nodes = 0
        self._labels: dict[str, str] = {}  # of blank nodes that the document names itself

    def document(self, document: dict[str, Any], table: Table) -> list[Quad]:
        self._node(document, table, "")
        if not self._quads:
            malformed("The document makes no statement")
        return self._quads

    def _node(self, node: dict[str, Any], table: Table, graph: str) -> str:
        """Add the statements of a node object and of what is below it; return its subject."""
        if "@context" in node:
            table = table.under(node["@context"], self._work)
        types: list[str] = []
        for key in table.type_keys:
            if key in node:
                types += _types(node[key])
        scoped = table.under_types(types, self._work) if types else table
        subject = None
        for key in scoped.id_keys:
            if key in node:
                if subject is not None:
                    malformed("A node has two ids (JSON-LD 1.1 API, 5.1.2, 13.4.2)")
                subject = self._reference(node[key], scoped)
        if subject is None:
            subject = self._blank_node()
        quads = self._quads
        for name in types:
            quads.append((subject, _RDF_TYPE, self._term(table.expand(name), name), graph))
        members, work, written = scoped.members, self._work, self._literal
        for key, value in node.items():
            member = members.get(key) or scoped.member(key, work)
            if member.kind == PROPERTY:
                if type(value) is str and member.mode == LITERAL and not member.container:
                    quads.append((subject, member.predicate, written(value) + member.suffix, graph))
                else:
                    self._property(subject, member, value, graph)
            elif member.kind == VALUE:
                malformed("A node has a @value (JSON-LD 1.1, 9.5)")
        if len(quads) > QUADS_MAX:
            malformed(f"The document makes more than {QUADS_MAX} statements")
        return subject

    def _property(self, subject: str, member: TermUse, value: Any, graph: str) -> None:
        if member.mode == JSON_LITERAL:
            objects = [literal(jcs(value).decode()) + _JSON]
        elif member.container == LIST:
            objects = [self._list(member, value if type(value) is list else [value], graph)]
        elif member.container == GRAPH:
            objects = [self._graph(member, item) for item in _items(value)]
        elif member.container == LANGUAGE_MAP and type(value) is dict:
            objects = self._language_map(member, value)
        elif type(value) is list:
            objects = [self._object(member, item, graph) for item in _items(value)]
        else:
            objects = [self._object(member, value, graph)]
        predicate = member.predicate
        self._quads += [(subject, predicate, object_, graph) for object_ in objects]

    def _object(self, member: TermUse, value: Any, graph: str) -> str:
        """Return the term that `value` is under `member` (JSON-LD 1.1 API, 5.3 and 8.3)."""
        kind = type(value)
        if kind is str:
            if member.mode == LITERAL:
                return self._literal(value) + member.suffix
            if member.mode == REFERENCE:
                return self._reference(value, member.scalars)
            return self._term(member.scalars.expand(value), value)
        if kind is dict:
            scalars = member.scalars
            for key in scalars.value_keys:
                if key in value:
                    return self._value(value, scalars)
            if len(value) == 1:
                for key in scalars.id_keys:
                    if key in value:
                        return self._reference(value[key], scalars)
            return self._node(value, member.nodes, graph)
        if kind is bool:
            return f'"{"true" if value else "false"}"{member.boolean}'
        if kind is int or kind is float:
            return self._number(value, member.integer, member.double)
        if value is None:
            malformed("A member is null, which would not be signed")
        raise Uncompiled

    def _list(self, member: TermUse, items: list[Any], graph: str) -> str:
        """Return the head of an RDF list (JSON-LD 1.1 API, 8.4)."""
        head = _NIL
        for item in reversed(items):
            found = (
                self._list(member, item, graph) if type(item) is list else self._object(member, item, graph)
            )
            node = self._blank_node()
            self._quads += [(node, _FIRST, found, graph), (node, _REST, head, graph)]
            head = node
        return head

    def _graph(self, member: TermUse, value: Any) -> str:
        """Return the name of a new graph that holds `value` (JSON-LD 1.1, 4.9)."""
        if type(value) is not dict or any(key in value for key in member.scalars.value_keys):
            malformed("A graph holds something else than an object, which would not be signed")
        graph, before = self._blank_node(), len(self._quads)
        self._node(value, member.nodes, graph)
        if len(self._quads) == before:
            malformed("A graph holds an object with nothing but an id, which would not be signed")
        return graph

    def _language_map(self, member: TermUse, value: dict[str, Any]) -> list[str]:
        if not value:
            malformed("A language map is empty and would not be signed")
        direction = member.direction
        found = []
        for tag, texts in value.items():
            suffix = suffix_of(None if tag == "@none" else language_tag(tag), direction)
            if member.scalars.expand(tag) == "@none" and tag != "@none":
                raise Uncompiled
            for text in _items(texts):
                if type(text) is not str:
                    malformed("A language map holds something else than texts (JSON-LD 1.1, 9.8)")
                found.append(literal(text) + suffix)
        return found

    def _value(self, value: dict[str, Any], table: Table) -> str:
        """Return the literal that a value object is (JSON-LD 1.1, 9.5)."""
        parts: dict[str, Any] = {}
        for key, part in value.items():
            name = table.expand(key)
            if name == "@context" or name in parts:
                raise Uncompiled
            if name not in ("@value", "@type", "@language", "@direction"):
                malformed(f"A value has a member {key[:80]!a}, which would not be signed (JSON-LD 1.1, 9.5)")
            parts[name] = part
        content = parts["@value"]
        if "@type" in parts:
            if "@language" in parts or "@direction" in parts:
                malformed("A value has a @type and a @language or @direction (JSON-LD 1.1, 9.5)")
            kind = table.expand(parts["@type"]) if isinstance(parts["@type"], str) else None
            if kind == "@json":
                return literal(jcs(content).decode()) + _JSON
            if kind is None or IRI.fullmatch(kind) is None:
                malformed("A value has a @type that is not an absolute IRI (JSON-LD 1.1, 9.5)")
            if kind == f"{XSD}double":
                raise Uncompiled
            suffix = "" if kind == f"{XSD}string" else f"^^<{kind}>"
            boolean = integer = double = suffix
        else:
            language, direction = parts.get("@language"), parts.get("@direction")
            if "@language" in parts:
                language = language_tag(language)
            if "@direction" in parts:
                direction = base_direction(direction)
            suffix = suffix_of(language, direction)
            if suffix and type(content) is not str:
                malformed("A value has a @language or @direction and is not a text (JSON-LD 1.1, 9.5)")
            boolean, integer, double = f"^^<{XSD}boolean>", f"^^<{XSD}integer>", f"^^<{XSD}double>"
        if type(content) is str:
            return literal(content) + suffix
        if type(content) is bool:
            return f'"{"true" if content else "false"}"{boolean}'
        if type(content) is int or type(content) is float:
            return self._number(content, integer, double)
        return malformed("A @value is neither text, number nor boolean (JSON-LD 1.1, 9.5)")

    def _reference(self, value: Any, table: Table) -> str:
        if type(value) is not str:
            malformed("An id is not a text (JSON-LD 1.1, 9.3)")
        return self._term(table.expand_reference(value), value)

    def _term(self, iri: str | None, written: str) -> str:
        if iri is not None:
            if iri[:2] == "_:" and len(iri) > 2:
                label = self._labels.get(iri)
                if label is None:
                    label = self._labels[iri] = self._blank_node()
                return label
            if IRI.fullmatch(iri) is not None:
                return f"<{iri}>"
        return malformed(
            f"{written[:80]!a} is neither defined by the document's contexts nor an absolute IRI"
        )

    def _blank_node(self) -> str:
        self._blank_nodes += 1
        if self._blank_nodes > BLANK_NODES_MAX:
            malformed(f"The document has more than {BLANK_NODES_MAX} nodes without an id")
        return f"_:n{self._blank_nodes}"


def _types(value: Any) -> list[str]:
    types = value if type(value) is list else [value]
    if not types or not all(type(name) is str for name in types):
        malformed("A type is neither a text nor a list of texts (JSON-LD 1.1, 9.3)")
    return types


def _items(value: Any) -> list[Any]:
    """The items of a set: arrays in it are part of it."""
    if type(value) is not list:
        return [value]
    if not value:
        malformed("A member is an empty array, which would not be signed")
    if any(type(item) is list for item in value):
        return [inner for item in value for inner in _items(item)]
    return value
