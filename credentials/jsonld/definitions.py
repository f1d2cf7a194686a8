"""A JSON-LD 1.1 context object and the terms it defines (JSON-LD 1.1 API, 4.1.2 and 4.2.2).

What held before comes in, what holds afterwards goes out; documents and other contexts are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from credentials.errors import malformed
from credentials.jsonld.refusals import IRI

LANGUAGE = re.compile("[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*")  # BCP 47, RFC 5646 2.1

KEYWORDS = frozenset(
    "@base @container @context @default @direction @embed @explicit @graph @id "  # noqa: SIM905 - short names
    "@import @included @index @json @language @list @nest @none @omitDefault @prefix @preserve @propagate "
    "@protected @requireAll @reverse @set @type @value @version @vocab".split()
)
RESERVED = re.compile("@[a-zA-Z]+")
ABSENT: Final = object()
_COMPILED_CONTAINERS = (
    {"@list"},
    {"@graph"},
    {"@graph", "@set"},
    {"@language"},
    {"@language", "@set"},
    {"@set"},
)
_DEFINITION = frozenset(
    ("@id", "@type", "@container", "@context", "@language", "@direction", "@protected", "@prefix")
)
_UNCOMPILED_DEFINITION = frozenset(("@reverse", "@nest", "@index"))


class Uncompiled(Exception):
    """The document uses a feature of JSON-LD that is left to the general processor."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term definition (JSON-LD 1.1, 9.15.1); `iri` None means that the term is deliberately undefined."""

    iri: str | None
    type: str | None
    container: frozenset[str]
    context: Any  # as written; ABSENT when there is none
    language: Any  # ABSENT: the context's default holds
    direction: Any
    prefix: bool
    protected: bool
    compiled: bool


@dataclass(frozen=True, slots=True)
class Defined:
    """What holds once a context object is applied: every term, and the defaults of the context."""

    terms: dict[str, Term]
    vocabulary: str | None
    language: str | None
    direction: str | None


class Definitions:
    """One context object being applied to what held before it (JSON-LD 1.1 API, 4.1.2 and 4.2.2)."""

    def __init__(self, base: Defined, local: dict[str, Any], *, override: bool) -> None:
        self._local = local
        self._override = override
        self._terms = dict(base.terms)
        self._defined: dict[str, bool] = {}
        self._vocabulary, self._language, self._direction = base.vocabulary, base.language, base.direction
        self._protected = False

    def defined(self) -> Defined:
        """Define every term of the context object."""
        local = self._local
        if "@import" in local or "@propagate" in local or "@type" in local:
            raise Uncompiled
        if "@version" in local and local["@version"] != 1.1:
            malformed("A context asks for another @version than 1.1 (JSON-LD 1.1 API, 4.1.2, 5.5)")
        if local.get("@base") is not None:
            raise Uncompiled
        self._read_vocabulary()
        self._read_language()
        self._protected = _boolean(local, "@protected", False)
        for name in local:
            if name[:1] == "@":
                if name not in ("@version", "@base", "@vocab", "@language", "@direction", "@protected"):
                    malformed(
                        f"A context defines {name[:80]!a}, which is reserved (JSON-LD 1.1 API, 4.2.2, 5)"
                    )
            elif not self._defined.get(name):
                self._define(name, override=self._override)
        return Defined(self._terms, self._vocabulary, self._language, self._direction)

    def _read_vocabulary(self) -> None:
        if "@vocab" in self._local:
            value = self._local["@vocab"]
            if value is not None:
                if not isinstance(value, str):
                    malformed("The @vocab of a context is neither a text nor null (JSON-LD 1.1 API, 4.1.2)")
                prefix = self._terms.get(value.partition(":")[0])
                if IRI.fullmatch(value) is None or value in self._terms or (prefix and prefix.prefix):
                    raise Uncompiled
            self._vocabulary = value

    def _read_language(self) -> None:
        if "@language" in self._local:
            self._language = _language(self._local["@language"])
        if "@direction" in self._local:
            self._direction = _direction(self._local["@direction"])

    def _define(self, name: str, *, override: bool = False) -> None:
        """Define one term; one that another term needs first may not replace a protected one (5.2.2, 3)."""
        if self._defined.get(name) is False:
            malformed(f"A context defines {name[:80]!a} by itself (JSON-LD 1.1 API, 4.2.2, 1)")
        if not name:
            malformed("A context defines a term without a name (JSON-LD 1.1 API, 4.2.2, 2)")
        self._defined[name] = False
        before = self._terms.pop(name, None)
        value = self._local[name]
        simple = value is None or isinstance(value, str)
        definition = {"@id": value} if simple else value
        if not isinstance(definition, dict):
            malformed(f"A context defines {name[:80]!a} neither by a text nor by an object")
        term = self._term(name, definition, simple=simple)
        if before is not None and before.protected and not override:
            term = replace(term, protected=True)
            if term != before:
                malformed(f"A context redefines the protected term {name[:80]!a} (JSON-LD 1.1, 4.1.11)")
        self._terms[name] = term
        self._defined[name] = True

    def _term(self, name: str, definition: dict[str, Any], *, simple: bool) -> Term:
        compiled = True
        for part in definition:
            if part in _UNCOMPILED_DEFINITION:
                compiled = False
            elif part not in _DEFINITION:
                malformed(f"A context defines {name[:80]!a} with {part[:80]!a} (JSON-LD 1.1, 9.15.1)")
        iri = self._iri(name, definition)
        if iri in ("@context", "@preserve"):
            malformed(f"A context makes {name[:80]!a} an alias of {iri} (JSON-LD 1.1 API, 4.2.2, 14)")
        prefix = (
            simple and iri is not None and ":" not in name[1:] and (iri[:2] == "_:" or iri[-1:] in ":/?#[]@")
        )
        if "@prefix" in definition:
            if ":" in name or "/" in name or iri in KEYWORDS:
                malformed(f"A context makes {name[:80]!a} a prefix (JSON-LD 1.1 API, 4.2.2, 25)")
            prefix = _boolean(definition, "@prefix", False)
        container = definition.get("@container", [])
        parts = container if isinstance(container, list) else [container]
        if not all(isinstance(part, str) for part in parts):
            malformed(f"A context gives {name[:80]!a} an invalid @container (JSON-LD 1.1 API, 4.2.2, 19)")
        containers = frozenset(parts)
        if containers and containers not in _COMPILED_CONTAINERS:
            compiled = False
        language = direction = ABSENT
        if "@language" in definition and "@type" not in definition:
            language = _language(definition["@language"])
        if "@direction" in definition:
            direction = _direction(definition["@direction"])
        return Term(
            iri,
            self._type(name, definition),
            containers,
            definition.get("@context", ABSENT),
            language,
            direction,
            prefix,
            _boolean(definition, "@protected", self._protected),
            compiled,
        )

    def _iri(self, name: str, definition: dict[str, Any]) -> str | None:
        given = definition.get("@id", definition.get("@reverse", name))
        if given is None:
            return None
        if not isinstance(given, str):
            malformed(f"A context defines {name[:80]!a} by an @id that is no text")
        if given != name:
            iri = self._absolute(given)
            if ":" in name[1:] or "/" in name:
                raise Uncompiled  # it must then expand to what it is defined as (4.2.2, 14.2.5)
            return iri
        prefix, colon, suffix = name.partition(":")
        if colon and prefix:
            if prefix in self._local and not self._defined.get(prefix):
                self._define(prefix)
            term = self._terms.get(prefix)
            iri = name if term is None or term.iri is None else term.iri + suffix
        elif self._vocabulary is not None:
            iri = self._vocabulary + name
        else:
            malformed(f"A context defines {name[:80]!a} without an IRI (JSON-LD 1.1 API, 4.2.2, 18)")
        return iri

    def _absolute(self, given: object) -> str:
        iri = self._expand(given) if isinstance(given, str) else None
        if iri is None or (iri not in KEYWORDS and iri[:2] != "_:" and IRI.fullmatch(iri) is None):
            malformed(f"A context defines a term by {str(given)[:80]!a}, which is not an absolute IRI")
        return iri

    def _type(self, name: str, definition: dict[str, Any]) -> str | None:
        if "@type" not in definition:
            return None
        given = definition["@type"]
        if isinstance(given, str) and given in ("@id", "@vocab", "@json", "@none"):
            return given
        iri = self._expand(given) if isinstance(given, str) else None
        if iri is None or IRI.fullmatch(iri) is None:
            malformed(
                f"A context gives {name[:80]!a} a @type that is not an absolute IRI (JSON-LD 1.1, 4.2.3)"
            )
        return iri

    def _expand(self, text: str) -> str | None:
        """As `terms.Table.expand`, defining first what the same context defines later."""
        if text in KEYWORDS:
            return text
        if RESERVED.fullmatch(text):
            return None
        if text in self._local and self._defined.get(text) is not True:
            self._define(text)
        term = self._terms.get(text)
        if term is not None:
            return term.iri
        prefix, colon, suffix = text.partition(":")
        if colon and prefix:
            if prefix == "_" or suffix.startswith("//"):
                return text
            if prefix in self._local and not self._defined.get(prefix):
                self._define(prefix)
            term = self._terms.get(prefix)
            if term is not None and term.prefix:
                return f"{term.iri}{suffix}"
            if IRI.fullmatch(text):
                return text
        return text if self._vocabulary is None else self._vocabulary + text


def _language(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or LANGUAGE.fullmatch(value) is None:
        malformed("A @language is not a language tag (BCP 47)")
    return value.lower()


def _direction(value: object) -> str | None:
    if value not in (None, "ltr", "rtl"):
        malformed('A @direction is neither "ltr" nor "rtl" (JSON-LD 1.1, 4.2.4.1)')
    return value


def _boolean(values: Mapping[str, Any], name: str, default: bool) -> bool:
    value = values.get(name, default)
    if not isinstance(value, bool):
        malformed(f"The {name} of a context is neither true nor false (JSON-LD 1.1, 9.15)")
    return value


def language_tag(value: object) -> str:
    """Read the `@language` of a value; RDF tags are written in lower case here as in other processors."""
    tag = _language(value)
    if tag is None:
        malformed("A @language is null")
    return tag


def base_direction(value: object) -> str:
    """Read the `@direction` of a value."""
    direction = _direction(value)
    if direction is None:
        malformed("A @direction is null")
    return direction
