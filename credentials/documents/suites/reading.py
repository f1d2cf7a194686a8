"""Whoever reads a document as JSON reads what was signed as RDF (vc-data-integrity 1.0, 4.6).

On RDF a signature covers statements, not names: `validUntil` may be renamed to its full IRI, or to an alias
of an added context, and the proof still holds, while a reader of JSON no longer sees an expiry or a status.
So for the members on which verdicts rest, each value that JSON-LD finds must stand under its own name.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NoReturn

from credentials.errors import CredentialError

_CREDENTIALS = "https://www.w3.org/2018/credentials#"
# The members of a credential or presentation that are read by name (VCDM 2.0, 4; VC Data Model 1.1, 4).
ROOT = {
    name: _CREDENTIALS + name
    for name in (
        *(
            "credentialSchema",
            "credentialStatus",
            "credentialSubject",
            "evidence",
            "expirationDate",
            "holder",
        ),
        *("issuanceDate", "issuer", "refreshService", "relatedResource", "termsOfUse", "validFrom"),
        *("validUntil", "verifiableCredential"),
    )
}
# Types that decide how a value under one of these names is read.
TYPES = {
    name: iri + name
    for iri, names in (
        ("https://www.w3.org/ns/credentials/status#", ("BitstringStatusListEntry", "BitstringStatusList")),
        (_CREDENTIALS, ("JsonSchema", "VerifiableCredential", "VerifiablePresentation")),
    )
    for name in names
}
_VALUE_OBJECT = frozenset({"@value", "@type", "@language", "@direction"})


def require_names(document: Mapping[str, Any], contexts: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `structure_invalid` where a member that verdicts rest on stands under another name."""
    if _is_plain(document, 0):
        return
    node = _expand(document, contexts)
    for name, iri in ROOT.items():
        shown = document.get(name, [])
        shown = shown if isinstance(shown, list) else [shown]
        meant = node.get(iri, [])
        if len(shown) != len(meant):
            _refuse(name)
        for one, two in zip(shown, meant, strict=True):
            _require_types(one, two)
    _require_types(document, node)


def _is_plain(value: Any, depth: int) -> bool:
    """True when only terms of contexts that this node knows occur: nothing can stand under another name."""
    if isinstance(value, list):
        return all(_is_plain(item, depth + 1) for item in value)
    if not isinstance(value, Mapping):
        return True
    if "@value" in value:
        return value.keys() <= _VALUE_OBJECT
    for name, member in value.items():
        listed = member if isinstance(member, list) else [member]
        if name == "@context":
            if depth or not all(isinstance(item, str) or item == {"@vocab": None} for item in listed):
                return False
            continue
        named_by_iri = name == "type" and any(isinstance(item, str) and ":" in item for item in listed)
        if ":" in name or name.startswith("@") or named_by_iri or not _is_plain(member, depth + 1):
            return False
    return True


def _expand(document: Mapping[str, Any], contexts: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The expanded form (JSON-LD 1.1 API, 5.1): each member under its IRI, each value as often as written."""
    from pyld import jsonld  # noqa: PLC0415  (few documents need it)
    from pyld.context_resolver import ContextResolver  # noqa: PLC0415

    def load(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
        if url not in contexts:
            raise CredentialError("malformed", f"The context {url[:200]!a} is not known to this node.")
        return {"contextUrl": None, "documentUrl": url, "document": copy.deepcopy(contexts[url])}

    options = {"base": None, "documentLoader": load, "contextResolver": ContextResolver({}, load)}
    try:
        expanded = jsonld.JsonLdProcessor().expand(dict(document), options)
    except Exception as error:  # pyld answers malformed contexts with errors of every kind
        raise CredentialError("malformed", "The document is not JSON-LD that can be read here.") from error
    if len(expanded) != 1 or "@graph" in expanded[0] or "@included" in expanded[0]:
        raise CredentialError("structure_invalid", "The document is not one node (VCDM 2.0, 4.2).")
    node: Mapping[str, Any] = expanded[0]
    return node


def _require_types(shown: Any, meant: Any) -> None:
    if not isinstance(meant, Mapping):
        return
    listed = shown.get("type", []) if isinstance(shown, Mapping) else []
    for name, iri in TYPES.items():
        if iri in meant.get("@type", []) and name not in (listed if isinstance(listed, list) else [listed]):
            _refuse(name)


def _refuse(name: str) -> NoReturn:
    raise CredentialError(
        "structure_invalid",
        f"{name} stands under another name, where readers of JSON do not see it (vc-data-integrity, 4.6).",
    )
