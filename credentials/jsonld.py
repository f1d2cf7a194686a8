"""JSON-LD 1.1 to RDF, losslessly and with pinned contexts only."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from pyld import jsonld
from pyld.context_resolver import ContextResolver

from credentials.errors import CredentialError
from credentials.jcs import parse_json
from credentials.rdf import Quad, literal

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_IRI = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>"{}|^`\\]*')
_BLANK = re.compile(r'_:[^\x00-\x20<>"{}|^`\\]+')
_LANGUAGE = re.compile("[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*")


class Contexts(Mapping[str, Mapping[str, Any]]):
    """The JSON-LD contexts a node knows, by URL: the shipped ones and those its operator adds."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._documents = dict(documents)

    def adding(self, files: Mapping[str, tuple[bytes, str]]) -> Contexts:
        """Return these contexts and those of `files`: URL -> (file, its SHA-256 in hexadecimal digits).

        Raises CredentialError `malformed` for a file with another digest or that holds no context, and for a
        URL that is known already: a pinned context is never replaced.
        """
        documents = dict(self._documents)
        for url, (data, sha256) in files.items():
            if _IRI.fullmatch(url) is None:
                _malformed(f"The context address {url[:200]!a} is not a URL")
            if url in documents:
                _malformed(f"The context {url} is known already and is not replaced")
            if hashlib.sha256(data).hexdigest() != sha256.lower():
                _malformed(f"The file of the context {url} has another digest than the one configured")
            document = parse_json(data)
            if not isinstance(document, dict) or not isinstance(document.get("@context"), dict | list):
                _malformed(f"The file of the context {url} has no @context (JSON-LD 1.1, 3.1)")
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
    return _by_pyld(document, contexts)


def _by_pyld(document: Mapping[str, Any], contexts: Contexts) -> list[Quad]:
    """The general way, for contexts that use what the compiler does not know."""

    def load(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
        if url not in contexts:
            _malformed(f"The context {url[:200]!a} is not one of the contexts this node knows")
        return {"contextUrl": None, "documentUrl": url, "document": copy.deepcopy(contexts[url])}

    def dropped(name: object) -> NoReturn:
        _malformed(f"The member {str(name)[:80]!a} is not defined by the document's contexts")

    options = {
        "base": None,
        "documentLoader": load,
        "contextResolver": ContextResolver({}, load),
        "rdfDirection": "i18n-datatype",
    }
    _require_members({name: value for name, value in document.items() if name != "@context"})
    try:
        processor = jsonld.JsonLdProcessor(on_property_dropped=dropped)
        expanded = processor.expand(document, options)
        _require_absolute(expanded)
        dataset = processor.to_rdf(expanded, {**options, "base": None})
    except jsonld.JsonLdError as error:
        cause: BaseException = error
        while isinstance(cause.__cause__, Exception):
            cause = cause.__cause__
        if isinstance(cause, CredentialError):
            raise cause from error
        reason = str(getattr(cause, "args", ("",))[0] or type(cause).__name__)[:200]
        raise CredentialError("malformed", f"The document is not JSON-LD: {reason}") from error
    quads = []
    for name, triples in dataset.items():
        graph = "" if name == "@default" else _node(name)
        for triple in triples:
            subject, predicate, value = triple["subject"], triple["predicate"], triple["object"]
            quads.append((_node(subject["value"]), _node(predicate["value"]), _object(value), graph))
    if not quads:
        _malformed("The document makes no statement (JSON-LD 1.1)")
    return quads


def _object(value: Mapping[str, Any]) -> str:
    if value["type"] != "literal":
        return _node(value["value"])
    text = literal(value["value"])
    if "language" in value:
        return f"{text}@{value['language']}"
    return text if value["datatype"] == f"{_XSD}string" else f"{text}^^{_node(value['datatype'])}"


def _node(text: str) -> str:
    if _BLANK.fullmatch(text):
        return text
    if _IRI.fullmatch(text) is None:
        _malformed(f"{text[:80]!a} is not an absolute IRI")
    return f"<{text}>"


def _require_members(value: Any) -> None:
    """Refuse what JSON-LD drops: null and empty arrays."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "@context":
                continue
            if member is None or member == []:
                _malformed(f"The member {name[:80]!a} is null or empty and would not be signed")
            _require_members(member)
    elif isinstance(value, list):
        for member in value:
            if member is None:
                _malformed("A list holds null, which would not be signed")
            _require_members(member)


def _require_absolute(value: Any) -> None:
    """Refuse expanded ids, types and languages that RDF leaves out or cannot write."""
    if isinstance(value, list):
        for member in value:
            _require_absolute(member)
    elif isinstance(value, dict):
        if value.get("@type") == "@json":
            return
        language = value.get("@language")
        if language is not None and _LANGUAGE.fullmatch(language) is None:
            _malformed(f"{language[:80]!a} is not a language (BCP 47)")
        types = value.get("@type", [])
        for name in [value.get("@id"), *(types if isinstance(types, list) else [types])]:
            if name is not None:
                _node(name)
        if "@id" in value and value["@id"] is None:
            _malformed("An id is not an absolute IRI")
        for name, member in value.items():
            if name[0] != "@":
                if _IRI.fullmatch(name) is None:
                    _malformed(f"The member {name[:80]!a} is not an absolute IRI")
                _require_absolute(member)
            elif name in ("@graph", "@list", "@set", "@included"):
                _require_absolute(member)
            elif name == "@reverse":
                for item in member.values():
                    _require_absolute(item)


def _malformed(sentence: str) -> NoReturn:
    raise CredentialError("malformed", f"{sentence}.")
