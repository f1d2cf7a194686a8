"""JSON-LD 1.1 to RDF through pyld: slower by an order of magnitude, and complete.

It decides for documents whose contexts use what `terms.py` does not compile, and the tests compare it with
the compiled way on every document that both can read.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from pyld import jsonld
from pyld.context_resolver import ContextResolver

from credentials.errors import CredentialError, malformed
from credentials.jsonld.definitions import KEYWORDS, LANGUAGE, RESERVED
from credentials.jsonld.rdf import Quad, literal
from credentials.jsonld.refusals import IRI, context_unknown, undefined
from credentials.jsonld.terms import XSD

# Measured to keep the slowest document below two seconds.
MEMBERS_MAX = 5_000
CONTEXTS_MAX = 16
CONTEXT_MEMBERS_MAX = 500

_BLANK = re.compile(r'_:[^\x00-\x20<>"{}|^`\\]+')


def to_quads(document: Mapping[str, Any], contexts: Mapping[str, Mapping[str, Any]]) -> list[Quad]:
    """Return the statements of `document`, as `jsonld.to_quads` does, whatever its contexts use."""

    def load(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
        if url not in contexts:
            context_unknown(url)
        return {"contextUrl": None, "documentUrl": url, "document": copy.deepcopy(contexts[url])}

    options = {
        "base": None,
        "documentLoader": load,
        "contextResolver": ContextResolver({}, load),
        "rdfDirection": "i18n-datatype",
    }
    _Size().document(document)
    try:
        processor = _Lossless(on_property_dropped=undefined)
        expanded = processor.expand(document, options)
        _require_absolute(expanded)
        dataset = processor.to_rdf(expanded, options)
    except CredentialError:
        raise
    except Exception as error:  # pyld answers malformed contexts with errors of every kind
        cause: BaseException = error
        while isinstance(cause.__cause__, Exception):
            cause = cause.__cause__
        if isinstance(cause, CredentialError):
            raise cause from error
        if not isinstance(cause, jsonld.JsonLdError):
            # What its own code stumbled over is no sentence for whoever sent the document.
            raise CredentialError(
                "malformed", "The document is not JSON-LD that can be read here."
            ) from error
        reason = str((cause.args or ("",))[0] or cause.type)[:200].rstrip(".")
        raise CredentialError("malformed", f"The document is not JSON-LD: {reason}.") from error
    quads = []
    for name, triples in dataset.items():
        graph = "" if name == "@default" else _node(name)
        for triple in triples:
            subject, predicate, value = triple["subject"], triple["predicate"], triple["object"]
            quads.append((_node(subject["value"]), _node(predicate["value"]), _object(value), graph))
    if not quads:
        malformed("The document makes no statement (JSON-LD 1.1)")
    return quads


class _Lossless(jsonld.JsonLdProcessor):  # type: ignore[misc, unused-ignore]
    """Expansion (JSON-LD 1.1 API, 5.1) that refuses what it would drop: free texts, bare ids."""

    def _expand(self, active_ctx: Any, active_property: Any, element: Any, *args: Any, **options: Any) -> Any:
        expanded = super()._expand(active_ctx, active_property, element, *args, **options)
        if expanded is None:
            malformed(f"A part of the document makes no statement: {str(element)[:80]!a}")
        return expanded


def _object(value: Mapping[str, Any]) -> str:
    if value["type"] != "literal":
        return _node(value["value"])
    text = literal(value["value"])
    if "language" in value:
        return f"{text}@{value['language']}"
    return text if value["datatype"] == f"{XSD}string" else f"{text}^^{_node(value['datatype'])}"


def _node(text: str | None) -> str:
    if text is not None and _BLANK.fullmatch(text):
        return text
    if text is None or IRI.fullmatch(text) is None:
        malformed(f"{str(text)[:80]!a} is not an absolute IRI")
    return f"<{text}>"


_KEYWORDS = {"@id", "@type", "@value", "@language", "@direction", "@list", "@set", "@graph", "@none"}
_KEYWORDS |= {"@reverse", "@nest", "@included"}
_HOLDERS = ("@reverse", "@nest", "@included")  # of members: empty they say nothing


class _Size:
    """Refuse null and empty arrays, which JSON-LD drops, and what pyld would take seconds for.

    Null and empty arrays inside JSON literals and empty lists are refused too: where they stand is not known
    before the contexts are applied.
    """

    def __init__(self) -> None:
        self.members = self.contexts = self.context_members = 0

    def document(self, value: Any) -> None:
        if isinstance(value, dict):
            self.members += len(value)
            for name, member in value.items():
                if name == "@context":
                    self.contexts += 1
                    self.context(member)
                elif name == "@index":
                    malformed("An @index would not be signed")
                elif name[:1] == "@" and name not in _KEYWORDS:
                    malformed(f"The member {name[:80]!a} has no meaning outside a context (JSON-LD 1.1, 4.1)")
                elif member is None or member == [] or (name in _HOLDERS and member == {}):
                    malformed(f"The member {name[:80]!a} is null or empty, which would not be signed")
                else:
                    self.document(member)
        elif isinstance(value, list):
            self.members += len(value)
            for member in value:
                if member is None or member == []:
                    malformed("An array holds null or an empty array, which would not be signed")
                self.document(member)
        if self.members > MEMBERS_MAX or self.contexts > CONTEXTS_MAX:
            malformed("The document is too large for the features of JSON-LD that it uses")

    def context(self, value: Any) -> None:
        self.context_members += len(value) if isinstance(value, dict | list) else 1
        if self.context_members > CONTEXT_MEMBERS_MAX:
            malformed("The contexts inside the document are too large for the features of JSON-LD they use")
        if isinstance(value, dict):
            for name in value:
                if RESERVED.fullmatch(name) and name not in KEYWORDS:
                    malformed(
                        f"A context defines {name[:80]!a}, which is reserved (JSON-LD 1.1 API, 4.2.2, 5)"
                    )
        for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            self.context(member)


def _require_absolute(value: Any) -> None:
    """Refuse expanded ids, types and languages that RDF leaves out or cannot write."""
    if isinstance(value, list):
        for member in value:
            _require_absolute(member)
    elif isinstance(value, dict):
        if value.get("@type") == "@json":
            return
        language = value.get("@language")
        if language is not None and LANGUAGE.fullmatch(language) is None:
            malformed(f"{language[:80]!a} is not a language (BCP 47)")
        types = value.get("@type", [])
        if "@index" in value:
            malformed("The names in an index map would not be signed (JSON-LD 1.1, 4.6.1)")
        names = [value["@id"]] if "@id" in value else []
        for name in names + (types if isinstance(types, list) else [types]):
            _node(name)
        for name, member in value.items():
            if name[0] != "@":
                if IRI.fullmatch(name) is None:
                    malformed(f"The member {name[:80]!a} is not an absolute IRI")
                if not member:  # a map without entries: empty arrays were refused as they came
                    malformed(f"The member {name[:80]!a} is empty, which would not be signed")
                _require_absolute(member)
            elif name in ("@graph", "@list", "@set", "@included"):
                if name == "@graph" and any("@value" in item or item.keys() <= {"@id"} for item in member):
                    malformed("A graph holds a text or nothing but an id, which would not be signed")
                _require_absolute(member)
            elif name == "@reverse":
                for item in member.values():
                    _require_absolute(item)
