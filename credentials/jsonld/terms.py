"""JSON-LD 1.1 contexts compiled to flat term tables (JSON-LD 1.1 API, 4: Context Processing).

A `Table` is an active context: every term with its IRI. Tables hang from each other as contexts are applied
(by URL, by type, by property), so that a pinned context is processed once in the life of a node and not once
per document. What is rare in credentials (reverse properties, nesting, maps, `@import`, `@propagate`) is not
compiled: `Uncompiled` says so, and the caller asks pyld.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from credentials.errors import malformed
from credentials.jsonld.definitions import ABSENT, KEYWORDS, RESERVED, Defined, Definitions, Term, Uncompiled
from credentials.jsonld.refusals import IRI, context_unknown, undefined

XSD: Final = "http://www.w3.org/2001/XMLSchema#"
I18N: Final = "https://www.w3.org/ns/i18n#"

# Terms written or read while one document's contexts are applied: a thousand times what credentials need.
WORK_MAX = 2_000_000
CONTEXT_URLS_MAX = 32
TABLES_KEPT_MAX = 1_024

# What a member of a node object is.
PROPERTY, ID, TYPE, SKIPPED, VALUE = range(5)
# What a string under a property becomes, and what container its values are in.
LITERAL, REFERENCE, VOCABULARY, JSON_LITERAL = range(4)
NO_CONTAINER, LIST, GRAPH, LANGUAGE_MAP = range(4)


class Work:
    """What one document may still cost."""

    __slots__ = ("left",)

    def __init__(self, left: int = WORK_MAX) -> None:
        self.left = left

    def spend(self, terms: int) -> None:
        self.left -= terms
        if self.left < 0:
            malformed("The document's contexts are too large to be applied so often")


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
        scoped = sorted({name for name in types if name in terms and terms[name].context is not ABSENT})
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
            undefined(key)
        member.kind = PROPERTY
        member.predicate = f"<{iri}>"
        term = self.terms.get(key)
        container: frozenset[str] = frozenset()
        member.scalars, member.nodes = self, self.previous or self
        if term is not None:
            if not term.compiled:
                raise Uncompiled
            container = term.container
            if term.context is not ABSENT:
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
            language = language if inner.language is ABSENT else inner.language
            direction = direction if inner.direction is ABSENT else inner.direction
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
        base = Defined(self.terms, self.vocabulary, self.language, self.direction)
        found = Definitions(base, local, override=override).defined()
        table = Table(
            self._registry,
            found.terms,
            vocabulary=found.vocabulary,
            language=found.language,
            direction=found.direction,
            previous=previous,
            pinned=self.pinned and pinned,
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


def suffix_of(language: str | None, direction: str | None) -> str:
    """What follows the quotation marks of a text; one with a direction is an i18n literal (API, 8.3.13)."""
    if direction is not None:
        return f"^^<{I18N}{language or ''}_{direction}>"
    return "" if language is None else f"@{language}"
