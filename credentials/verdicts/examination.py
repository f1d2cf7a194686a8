"""One document examined: what can be said about it alone, the same for clearance and for the VC-API.

    1 parse   2 structure   3 proof   4 issuer_key   5 validity   6 schema   7 related   8 status

Nothing is fetched here: `Means` holds what the node has, and says so where it has not. What the node lacks,
or a third server sent wrongly, leaves a check undecided (`errors.UNDECIDED`); only what the document itself
does wrong fails it. What was not evaluated as its specification says is not checked, and never passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from credentials.documents.canonical import Contexts, digest_document, parse_json
from credentials.documents.model import Credential
from credentials.documents.secured import (
    IN_AN_ENVELOPE,
    NO_OBJECT,
    Secured,
    Shown,
    meant,
    unwrap,
    verify_shown,
    view_of,
)
from credentials.errors import CredentialError
from credentials.verdicts.means import Demands, Examination, HeldProofs, Means, tell
from credentials.verdicts.status_step import check_status
from credentials.verdicts.verdict import Findings, Outcome

STEPS = ("structure", "proof", "issuer_key", "validity", "schema", "related", "status")
STATUS_CLAIM = "status"  # a claim that no context defines: a status of the Token Status List specification
SCHEMA_TYPE = "JsonSchema"  # the one kind of schema that is evaluated (VC JSON Schema, 2.1)
PROOFS_KEPT_MAX = 4_096  # half a kilobyte each


def examine_document(
    found: Findings, shown: object, means: Means, demands: Demands, at: int, *, age_s: int | None = None
) -> Examination | None:
    """Make every step about one document at time `at`; None when it cannot be read as a credential."""
    document = _parse(found, shown, age_s)
    if document is None:
        found.unmade(STEPS, "malformed")
        return None
    read = _structure(found, document, means.contexts)
    if read is None:
        return None
    opened, credential, digest = read
    examined = Examination(document, credential, digest)
    examined = _proof(found, opened, examined, means, demands, at)
    _check_related(found, credential, means)
    if demands.proof_only:
        return examined
    _check_validity(found, credential, demands, at)
    if credential.schema or demands.schema_expected:
        _check_schema(found, credential, means)
    else:
        found.inapplicable("schema")
    check_status(found, examined, means, at)
    return examined


# -- parse, structure ----------------------------------------------------------------------------------


def _parse(found: Findings, shown: object, age_s: int | None) -> dict[str, Any] | None:
    document = shown
    if isinstance(shown, bytes):
        try:
            document = parse_json(shown)
        except CredentialError as error:
            tell(found, "parse", error)
            return None
    if not isinstance(document, Mapping):
        found.failed(
            "parse", "malformed", detail=NO_OBJECT + (IN_AN_ENVELOPE if isinstance(shown, str) else "")
        )
        return None
    found.passed("parse", age_s=age_s)
    return dict(document)


def _structure(
    found: Findings, document: dict[str, Any], contexts: Contexts
) -> tuple[Shown, Credential, bytes] | None:
    """The credential, out of its envelope, and the digest of what was shown.

    None after saying why it is none, or cannot be judged.
    """
    try:
        opened = unwrap(document)
        credential = view_of(opened.document)
        digest = digest_document(document)
    except CredentialError as error:
        # An algorithm that is none, or is not known here, is a matter of the proof.
        name = "proof" if error.code in ("unsupported_algorithm", "invalid_signature") else "structure"
        tell(found, name, error)
        found.unmade([step for step in STEPS if step != name], error.code)
        return None
    try:
        said = meant(opened, contexts)
        if said is not opened.document:
            credential = view_of(said)
        if STATUS_CLAIM in opened.document and STATUS_CLAIM not in said:
            credential = replace(credential, status_unknown=(*credential.status_unknown, "status of a JWT"))
    except CredentialError as error:
        tell(found, "structure", error, id=credential.id, types=list(credential.types))
    else:
        found.passed("structure", id=credential.id, types=list(credential.types))
    return opened, credential, digest


# -- proof, issuer's key -------------------------------------------------------------------------------


def _proof(  # noqa: PLR0917  (one document, its reading, and what judges it)
    found: Findings, opened: Shown, examined: Examination, means: Means, demands: Demands, at: int
) -> Examination:
    credential = examined.credential
    if opened.jwt is None and not credential.proofs:
        found.failed("proof", "proof_missing")
        found.unmade(("issuer_key",), "proof_missing")
        return examined
    try:
        secured = _secured(opened, examined.digest, means)
    except CredentialError as error:
        tell(found, "proof", error, issuer=credential.issuer)
        found.unmade(("issuer_key",), error.code)
        unreadable = error.code if error.code in ("unsupported_algorithm", "context_unknown") else None
        return replace(examined, unreadable=unreadable)
    examined = replace(examined, controllers=secured.controllers, methods=secured.methods)
    if secured.expires is not None:
        found.turns_at(secured.expires + demands.skew_s)
    if secured.not_before is not None:
        found.turns_at(secured.not_before - demands.skew_s)
    told = {"verification_method": ", ".join(secured.methods), "cryptosuite": ", ".join(secured.mechanisms)}
    if secured.expires is not None and secured.expires <= at - demands.skew_s:
        reason = "expired"
    elif secured.not_before is not None and secured.not_before > at + demands.skew_s:
        reason = "not_yet_valid"  # RFC 7519, 4.1.5: not accepted for processing before nbf
    else:
        found.passed("proof", **told)
        return replace(examined, proven=_check_issuer_key(found, examined, secured, means, demands))
    found.failed("proof", reason, not_before=secured.not_before, expires=secured.expires, **told)
    found.unmade(("issuer_key",), reason)
    return examined


def _secured(opened: Shown, digest: bytes, means: Means) -> Secured:
    """A document whose proofs hold: verified once by its digest, as long as its methods have these keys."""
    held = means.proofs.get(digest)
    if held is not None and tuple(map(means.key_of, held.secured.methods)) == held.keys:
        return held.secured
    secured = verify_shown(opened, means.key_of, means.contexts)
    if opened.jwt is None:  # the times of an envelope are told with its document
        if len(means.proofs) >= PROOFS_KEPT_MAX:
            means.proofs.clear()
        bare = replace(secured, document={})
        means.proofs[digest] = HeldProofs(bare, tuple(map(means.key_of, secured.methods)))
    return secured


def _check_issuer_key(
    found: Findings, examined: Examination, secured: Secured, means: Means, demands: Demands
) -> bool:
    """The key is the issuer's, and was in force; a participant's name is never lent to another's key."""
    issuer = examined.credential.issuer
    if issuer not in secured.controllers:
        outcome = Outcome.FAIL if demands.issuer_bound or means.ledger is not None else Outcome.WARN
        found.add(
            "issuer_key",
            outcome,
            "issuer_key_mismatch",
            issuer=issuer,
            controllers=list(secured.controllers),
            verification_method=", ".join(secured.methods),
        )
        return False
    for method in secured.methods if means.ledger is not None else ():
        assert means.ledger is not None, "asked only where there is a ledger"
        try:
            means.ledger.require_key(method, examined.digest)
        except CredentialError as error:
            found.failed("issuer_key", error.code, verification_method=method, detail=str(error))
            return False
    found.passed("issuer_key", issuer=issuer, verification_method=", ".join(secured.methods))
    return True


# -- validity, schema, related resources ---------------------------------------------------------------


def _check_validity(found: Findings, credential: Credential, demands: Demands, at: int) -> None:
    told: dict[str, Any] = {"valid_from": credential.valid_from, "valid_until": credential.valid_until}
    if credential.valid_from is not None:
        found.turns_at(credential.valid_from - demands.skew_s)
    if credential.valid_until is not None:
        found.turns_at(credential.valid_until + demands.skew_s + 1)
    if credential.valid_from is not None and at + demands.skew_s < credential.valid_from:
        found.add("validity", demands.dated_ahead, "not_yet_valid", **told)
    elif credential.valid_until is not None and at - demands.skew_s > credential.valid_until:
        found.failed("validity", "expired", **told)
    else:
        found.passed("validity", **told)


def _check_schema(found: Findings, credential: Credential, means: Means) -> None:
    if not credential.schema:
        found.unmade(("schema",), "schema_unavailable", detail="The document names no schema.")
        return
    for named in credential.schema:
        schema = means.schemas.get(named.id)
        if schema is None or SCHEMA_TYPE not in named.types:
            found.unmade(("schema",), "schema_unavailable", schema=named.id, types=list(named.types))
            continue
        try:
            checked = not named.digests or named.check(means.resources, "credentialSchema")
        except CredentialError as error:
            # The schema that is held here is not the one that was meant: nothing was checked by the latter.
            found.unknown("schema", "schema_other", schema=named.id, detail=str(error))
            continue
        try:
            schema.check(credential.document)
        except CredentialError as error:
            found.failed("schema", "schema_invalid", schema=named.id, detail=str(error))
        else:
            if checked:
                found.passed("schema", schema=named.id)
            else:
                found.unknown("schema", "schema_other", schema=named.id)


def _check_related(found: Findings, credential: Credential, means: Means) -> None:
    """VCDM 2.0, 5.3: the digests of resources that are held here; others are not checked, and it says so."""
    if not credential.related:
        found.inapplicable("related")
        return
    for named in credential.related:
        try:
            if named.check(means.resources, "relatedResource"):
                found.passed("related", resource=named.id)
            else:
                found.unmade(("related",), "related_unchecked", resource=named.id)
        except CredentialError as error:
            tell(found, "related", error, resource=named.id)
