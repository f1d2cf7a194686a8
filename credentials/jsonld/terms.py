"""JSON-LD 1.1 contexts compiled to flat term tables (JSON-LD 1.1 API, 4: Context Processing).

A `Table` is an active context: every term with its IRI. Tables hang from each other as contexts are applied
(by URL, by type, by property), so that a pinned context is processed once in the life of a node and not once
per document. What is rare in credentials (reverse properties, nesting, maps, `@import`, `@propagate`) is not
compiled: `Uncompiled` says so, and the caller asks pyld.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from credentials.jsonld.refusals import IRI, context_unknown, malformed

LANGUAGE = re.compile("[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*")
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
I18N: Final = "https://www.w3.org/ns/i18n#"

# Terms written or read while one document's contexts are applied: a thousand times what credentials need.
WORK_MAX = 2_000_000
CONTEXT_URLS_MAX = 32
TABLES_KEPT_MAX = 1_024

KEYWORDS = frozenset(
    "@base @container @context @default @direction @embed @explicit @graph @id "  # noqa: SIM905 - short names
    "@import @included @index @json @language @list @nest @none @omitDefault @prefix @preserve @propagate "
    "@protected @requireAll @reverse @set @type @value @version @vocab".split()
)
RESERVED = re.compile("@[a-zA-Z]+")
_ABSENT: Final = object()
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

# What a member of a node object is.
PROPERTY, ID, TYPE, SKIPPED, VALUE = range(5)
# What a string under a property becomes, and what container its values are in.
LITERAL, REFERENCE, VOCABULARY, JSON_LITERAL = range(4)
NO_CONTAINER, LIST, GRAPH, LANGUAGE_MAP = range(4)


class Uncompiled(Exception):
    """The document uses a feature of JSON-LD that is left to the general processor."""


class Work:
    """What one document may still cost."""

    __slots__ = ("left",)

    def __init__(self, left: int = WORK_MAX) -> None:
        self.left = left

    def spend(self, terms: int) -> None:
        self.left -= terms
        if self.left < 0:
            malformed("The document's contexts are too large to be applied so often")


@dataclass(frozen=True, slots=True)
class Term:
    """A term definition (JSON-LD 1.1, 9.15.1); `iri` None means that the term is deliberately undefined."""

    iri: str | None
    type: str | None
    container: frozenset[str]
    context: Any  # as written; _ABSENT when there is none
    language: Any  # _ABSENT: the context's default holds
    direction: Any
    prefix: bool
    protected: bool
    compiled: bool


class TermUse:
    """What a member of a node object means under a table; for a property, how its values are written."""

    __slots__ = (
        "boolean",
        "container",
        "direction",
        "double",
        "integer",
        "kind",
        "mode",
        "nodes",
        "predicate",
        "scalars",
        "suffix",
    )

    kind: int
    predicate: str
    container: int
    mode: int
    direction: str | None
    suffix: str  # what follows the quotation marks of a string
    boolean: str
    integer: str
    double: str
    scalars: Table  # under which strings and references are expanded
    nodes: Table  # under which node objects are expanded


class Table:
    """An active context. Immutable but for what has been derived from it."""

    __slots__ = (
        "_derived",
        "_registry",
        "direction",
        "id_keys",
        "language",
        "members",
        "pinned",
        "previous",
        "terms",
        "type_keys",
        "value_keys",
        "vocabulary",
    )

    def __init__(
        self,
        registry: TermRegistry,
        terms: dict[str, Term],
        *,
        vocabulary: str | None = None,
        language: str | None = None,
        direction: str | None = None,
        previous: Table | None = None,
        pinned: bool = True,
    ) -> None:
        self._registry = registry
        self._derived: dict[Any, Table] = {}
        self.terms = terms
        self.vocabulary = vocabulary
        self.language = language
        self.direction = direction
        self.previous = previous  # what holds again in the node objects below (type-scoped contexts)
        self.pinned = pinned  # made of known contexts only: it outlives the document
        self.members: dict[str, TermUse] = {}
        aliases: dict[str, list[str]] = {"@id": ["@id"], "@type": ["@type"], "@value": ["@value"]}
        for name, term in terms.items():
            if term.iri in aliases:
                aliases[term.iri].append(name)
        self.id_keys, self.type_keys, self.value_keys = (tuple(names) for names in aliases.values())

    def under(self, context: object, work: Work) -> Table:
        """Apply a document's or a node's `@context`."""
        return self._apply(context, work, override=False, propagate=True, pinned=False)

    def under_types(self, types: Iterable[str], work: Work) -> Table:
        """Apply the contexts of the terms among `types`, in their order (JSON-LD 1.1 API, 5.1.2, 11)."""
        terms = self.terms
        scoped = sorted({name for name in types if name in terms and terms[name].context is not _ABSENT})
        if not scoped:
            return self
        key = tuple(scoped)
        found = self._derived.get(key)
        if found is None:
            found = self
            for name in scoped:
                if terms[name].context is None:
                    raise Uncompiled
                found = found._apply(terms[name].context, work, override=False, propagate=False)
            if found.type_keys != self.type_keys:
                raise Uncompiled
            self._keep(key, found)
        return found

    def member(self, key: str, work: Work) -> TermUse:
        """Say what the member `key` of a node object is; raises `malformed` for an undefined one."""
        found = self.members.get(key)
        if found is None:
            found = self._compile(key, work)
            # Names that no context defines are the document's own: there is no end to them.
            if key in self.terms or key in KEYWORDS:
                if self.pinned and found.kind == PROPERTY and found.scalars is not self:
                    self._registry.count()
                self.members[key] = found
        return found

    def expand(self, text: str) -> str | None:
        """Expand a term, compact IRI or IRI relative to the vocabulary (JSON-LD 1.1 API, 5.2)."""
        term = self.terms.get(text)
        if term is not None:
            return term.iri
        if text in KEYWORDS:
            return text
        if RESERVED.fullmatch(text):
            return None
        prefix, colon, suffix = text.partition(":")
        if colon and prefix:
            if prefix == "_" or suffix.startswith("//"):
                return text
            term = self.terms.get(prefix)
            if term is not None and term.prefix:
                return f"{term.iri}{suffix}"
            if IRI.fullmatch(text):
                return text
        return text if self.vocabulary is None else self.vocabulary + text

    def expand_reference(self, text: str) -> str:
        """Expand an `@id`: compact or absolute, never relative, for the base is null."""
        prefix, _, suffix = text.partition(":")
        term = self.terms.get(prefix)
        if term is not None and term.prefix and not suffix.startswith("//") and ":" in text:
            text = f"{term.iri}{suffix}"
        return text

    def _compile(self, key: str, work: Work) -> TermUse:
        member = TermUse()
        iri = self.expand(key)
        if iri in ("@id", "@type", "@context", "@value"):
            member.kind = {"@id": ID, "@type": TYPE, "@context": SKIPPED, "@value": VALUE}[iri]
            return member
        if iri is not None and iri in KEYWORDS:
            raise Uncompiled
        if iri is None or IRI.fullmatch(iri) is None:
            malformed(f"The member {key[:80]!a} is not defined by the document's contexts")
        member.kind = PROPERTY
        member.predicate = f"<{iri}>"
        term = self.terms.get(key)
        container: frozenset[str] = frozenset()
        member.scalars, member.nodes = self, self.previous or self
        if term is not None:
            if not term.compiled:
                raise Uncompiled
            container = term.container
            if term.context is not _ABSENT:
                member.scalars = self._apply(term.context, work, override=True, propagate=True)
                member.nodes = member.nodes._apply(term.context, work, override=True, propagate=True)
        member.container = (
            LIST
            if "@list" in container
            else GRAPH
            if "@graph" in container
            else LANGUAGE_MAP
            if "@language" in container
            else NO_CONTAINER
        )
        # Scalars are expanded by what the name means under its own context (5.1.2, 4).
        self._compile_scalars(member, term, member.scalars.terms.get(key))
        return member

    def _compile_scalars(self, member: TermUse, term: Term | None, inner: Term | None) -> None:
        kind = None if inner is None else inner.type
        if inner is not term and inner is not None and inner.iri in KEYWORDS:
            raise Uncompiled
        member.direction = None
        member.mode = {"@id": REFERENCE, "@vocab": VOCABULARY}.get(kind or "", LITERAL)
        if term is not None and term.type == "@json":
            if member.container != NO_CONTAINER:
                raise Uncompiled
            member.mode = JSON_LITERAL
        elif kind == "@json":
            raise Uncompiled
        if kind is not None and kind[0] != "@":
            if kind == f"{XSD}double":
                raise Uncompiled
            member.suffix = member.boolean = member.integer = member.double = f"^^<{kind}>"
            if kind == f"{XSD}string":
                member.suffix = member.boolean = member.integer = member.double = ""
            return
        language, direction = member.scalars.language, member.scalars.direction
        if inner is not None:
            language = language if inner.language is _ABSENT else inner.language
            direction = direction if inner.direction is _ABSENT else inner.direction
        member.direction, member.suffix = direction, suffix_of(language, direction)
        member.boolean, member.integer = f"^^<{XSD}boolean>", f"^^<{XSD}integer>"
        member.double = f"^^<{XSD}double>"

    def _apply(
        self, context: object, work: Work, *, override: bool, propagate: bool, pinned: bool = True
    ) -> Table:
        """Context processing (JSON-LD 1.1 API, 4.1.2); the base is null and stays so."""
        table = self
        items = context if isinstance(context, list) else [context]
        if len(items) > CONTEXT_URLS_MAX:
            malformed(f"A @context has {len(items)} items; at most {CONTEXT_URLS_MAX} are read")
        for item in items:
            if isinstance(item, str):
                table = table._apply_url(item, work, override=override, propagate=propagate)
            elif item is None:
                if not override and any(term.protected for term in table.terms.values()):
                    malformed("A @context of null would undo protected terms (JSON-LD 1.1, 4.1.11)")
                if not propagate:
                    raise Uncompiled
                table = self._registry.initial
            elif isinstance(item, dict):
                table = table._define(item, work, override=override, propagate=propagate, pinned=pinned)
            else:
                malformed("A @context is neither a URL nor an object (JSON-LD 1.1, 9.15)")
        return table

    def _apply_url(self, url: str, work: Work, *, override: bool, propagate: bool) -> Table:
        key = (url, override, propagate)
        found = self._derived.get(key)
        if found is None:
            document = self._registry.document(url)
            work.spend(1_000)  # contexts that name each other end here
            found = self._apply(document["@context"], work, override=override, propagate=propagate)
            self._keep(key, found)
        return found

    def _keep(self, key: Any, table: Table) -> None:
        if self.pinned:
            self._registry.count()
        self._derived[key] = table

    def _define(
        self, local: dict[str, Any], work: Work, *, override: bool, propagate: bool, pinned: bool
    ) -> Table:
        work.spend(len(self.terms) + len(local) + 1)
        previous = self.previous if propagate or self.previous is not None else self
        table = _Definitions(self, local, override=override).table(
            self._registry, previous, pinned=self.pinned and pinned
        )
        if not pinned:  # what the document brings is checked whole, used or not (4.2.2, 21)
            for name in local:
                term = table.terms.get(name)
                if term is not None and isinstance(term.context, dict | list | str):
                    table._apply(term.context, work, override=True, propagate=True, pinned=False)
        return table


class TermRegistry:
    """The root of all tables of one set of contexts, and how many have been kept."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._documents = documents
        self._kept = 0
        self.initial = Table(self, {})

    def document(self, url: str) -> Mapping[str, Any]:
        found = self._documents.get(url)
        if found is None:
            context_unknown(url)
        if "@context" not in found:
            malformed(f"The context {url[:200]!a} defines nothing")
        return found

    def count(self) -> None:
        """Forget all tables when there are too many: documents choose which come into being."""
        self._kept += 1
        if self._kept > TABLES_KEPT_MAX:
            self._kept = 0
            self.initial = Table(self, {})


class _Definitions:
    """One context object being turned into a table (JSON-LD 1.1 API, 4.1.2 and 4.2.2)."""

    def __init__(self, base: Table, local: dict[str, Any], *, override: bool) -> None:
        self._base = base
        self._local = local
        self._override = override
        self._terms = dict(base.terms)
        self._defined: dict[str, bool] = {}
        self._vocabulary, self._language, self._direction = base.vocabulary, base.language, base.direction
        self._protected = False

    def table(self, registry: TermRegistry, previous: Table | None, *, pinned: bool) -> Table:
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
        return Table(
            registry,
            self._terms,
            vocabulary=self._vocabulary,
            language=self._language,
            direction=self._direction,
            previous=previous,
            pinned=pinned,
        )

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
        language = direction = _ABSENT
        if "@language" in definition and "@type" not in definition:
            language = _language(definition["@language"])
        if "@direction" in definition:
            direction = _direction(definition["@direction"])
        return Term(
            iri,
            self._type(name, definition),
            containers,
            definition.get("@context", _ABSENT),
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
        """As `Table.expand`, defining first what the same context defines later."""
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


def suffix_of(language: str | None, direction: str | None) -> str:
    """What follows the quotation marks of a text; one with a direction is an i18n literal (API, 8.3.13)."""
    if direction is not None:
        return f"^^<{I18N}{language or ''}_{direction}>"
    return "" if language is None else f"@{language}"


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
