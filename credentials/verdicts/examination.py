"""One document examined: what can be said about it alone, the same for clearance and for the VC-API.

    1 parse   2 structure   3 proof   4 issuer_key   5 validity   6 schema   7 related   8 status

Nothing is fetched here: `Means` holds what the node has, and says so where it has not. What the node lacks,
or a third server sent wrongly, leaves a check undecided (`errors.UNDECIDED`); only what the document itself
does wrong fails it. What was not evaluated as its specification says is not checked, and never passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from credentials.documents.canonical import Contexts, digest_document, parse_json
from credentials.documents.model import Credential, StatusEntry
from credentials.documents.secured import (
    Secured,
    Shown,
    meant,
    open_secured,
    unwrap,
    verify_shown,
    view_of,
    what_is_said,
)
from credentials.documents.status import StatusList, read_list
from credentials.documents.suites.integrity import KeyOf
from credentials.errors import UNDECIDED, CredentialError
from credentials.verdicts.verdict import Findings, Outcome

STEPS = ("structure", "proof", "issuer_key", "validity", "schema", "related", "status")
STATUS_CLAIM = "status"  # a claim that no context defines: a status of the Token Status List specification
LISTS_KEPT_MAX, LIST_KEPT_BYTES_MAX = 64, 256 << 10
SCHEMA_TYPE = "JsonSchema"  # the one kind of schema that is evaluated (VC JSON Schema, 2.1)
# What a raised bit of a purpose means (Bitstring Status List 1.0, 2.1); other purposes are not evaluated.
ENDING = {"revocation": "revoked", "suspension": "suspended"}
TELLING = {"message": "status_message", "refresh": "status_refresh"}
NOT_RAISED = "not_raised"
MESSAGE_CHARS_MAX = 200
NO_OBJECT = "The document is not a JSON object."
IN_AN_ENVELOPE = " A JWT is shown in an envelope: an EnvelopedVerifiableCredential (VCDM 2.0, 4.13)."


class Schema(Protocol):
    """A compiled credential schema; raises CredentialError("schema_invalid", ...)."""

    def check(self, document: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class ListInHand:
    """A status list as it was had; None: why not, by a code of `errors.UNDECIDED`."""

    document: Mapping[str, Any] | None
    age_s: int | None = None
    code: str = "status_unavailable"
    why: str | None = None
    digest: bytes | None = None  # of the latest one on the ledger, which this is


@dataclass(frozen=True, slots=True)
class OpenedList:
    """A list whose proof holds, with the times of its envelope."""

    list: StatusList
    not_before: int | None
    expires: int | None


class LedgerSide(Protocol):
    """What the ledger says about documents of a participant."""

    def require_key(self, method: str, digest: bytes | None) -> None:
        """Refuse a key that was not in force when the document of this digest counted (None: a list)."""

    def status(self, digest: bytes, credential: Credential) -> str | None:
        """`revoked` or `suspended`, by what is on the ledger and was in the lists that it knows."""

    def unread(self, digest: bytes, credential: Credential) -> Mapping[str, Any] | None:
        """What to tell of a list that may have revoked it in a version nobody read; None: there is none."""

    def records(self, digest: bytes) -> bool:
        """True if an admitted attestation covers the document."""

    def ended(self, digest: bytes) -> str | None:
        """Why the battery of a recorded document is no product any more, as a reason code."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a node has to examine a document with."""

    key_of: KeyOf  # the URL of a verification method, or a DID with one key
    contexts: Contexts
    schemas: Mapping[str, Schema]
    resources: Mapping[str, Sequence[bytes]]  # right texts by URL: contexts and schemas that are held
    list_of: Callable[[str, StatusEntry], ListInHand]  # of an issuer's entry
    ledger: LedgerSide | None = None  # None: the issuer is no participant
    list_issuers: frozenset[str] = frozenset()  # whose lists count for credentials of others
    # Lists of participants that were opened, by digest: the same for as long as the keys of participants are.
    opened: dict[bytes, OpenedList] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Demands:
    """What whoever asks makes of findings that the specifications leave to the verifier."""

    issuer_bound: bool = True  # the issuer's own key must have signed
    dated_ahead: Outcome = Outcome.FAIL  # validFrom lies in the future
    skew_s: int = 0  # between the clocks of signer and verifier
    schema_expected: bool = True  # a document that names no schema was not checked
    proof_only: bool = False


@dataclass(frozen=True, slots=True)
class Examination:
    """A document that could be read as a credential, and what became of its proof."""

    document: Mapping[str, Any]  # as it was shown
    credential: Credential
    digest: bytes
    proven: bool = False  # the signature holds and is the issuer's, by a key in force
    unreadable: str | None = None  # why nobody could verify it here: its record is not looked for
    controllers: tuple[str, ...] = ()
    methods: tuple[str, ...] = field(default=())


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
    _check_status(found, examined, means, at)
    return examined


def tell(found: Findings, name: str, error: CredentialError, **evidence: Any) -> None:
    """Keep what an error says: undecided where it says nothing against the document."""
    outcome = Outcome.INDETERMINATE if error.code in UNDECIDED else Outcome.FAIL
    found.add(name, outcome, error.code, detail=str(error), **evidence)


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
        secured = verify_shown(opened, means.key_of, means.contexts)
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


# -- status --------------------------------------------------------------------------------------------


def _check_status(found: Findings, examined: Examination, means: Means, at: int) -> None:
    """The lists, and for a participant the ledger, whose projection they are: the stricter counts."""
    credential = examined.credential
    ledger = means.ledger.status(examined.digest, credential) if means.ledger is not None else None
    for kind in credential.status_unknown:
        found.unknown("status", "status_unsupported", type=kind[:200])
    decided = not credential.status_unknown
    raised: dict[str, dict[str, Any]] = {}
    for entry in credential.status:
        told: dict[str, Any] = {"purpose": entry.purpose, "list": entry.list_credential, "index": entry.index}
        value = _value_of(found, credential.issuer, entry, means, at, told)
        if value is None:
            decided = False
        elif value and entry.purpose in ENDING:
            raised[ENDING[entry.purpose]] = told
        elif value:
            message = entry.messages.get(value)
            found.warned(
                "status",
                TELLING[entry.purpose],
                value=value,
                message=message and message[:MESSAGE_CHARS_MAX],
                **told,
            )
    listed = next((word for word in ("revoked", "suspended") if word in raised), None)
    sides = {"ledger": ledger or NOT_RAISED, "status_list": listed or NOT_RAISED}
    sides = sides if means.ledger is not None else {}
    if listed or ledger:
        stricter = "revoked" if "revoked" in (listed, ledger) else "suspended"
        found.failed("status", stricter, **raised.get(stricter, {}), **sides)
    elif decided and credential.status:
        unread = means.ledger.unread(examined.digest, credential) if means.ledger is not None else None
        if unread is not None:
            found.unknown("status", "status_unavailable", **unread)
        else:
            found.passed("status", lists=len(credential.status))
    elif decided and means.ledger is not None:
        found.warned("status", "status_missing")
    elif decided:
        found.inapplicable("status")
    ended = means.ledger.ended(examined.digest) if means.ledger is not None else None
    if ended is not None:
        found.warned("status", ended)  # the passport is as it was signed; the battery is not
    recorded = means.ledger is not None and means.ledger.records(examined.digest)
    if listed != ledger and credential.status and decided and recorded:
        found.warned("status", "status_differs", **sides)


def _value_of(  # noqa: PLR0917  (one entry, and what judges it)
    found: Findings, issuer: str, entry: StatusEntry, means: Means, at: int, told: dict[str, Any]
) -> int | None:
    """The value of one entry, or None after saying why it could not be read. `told` gains the list's age."""
    if entry.purpose not in ENDING and entry.purpose not in TELLING:
        found.unknown("status", "status_unsupported", **told)
        return None
    had = means.list_of(issuer, entry)
    told["age_s"] = had.age_s
    if had.document is None:
        found.unknown("status", had.code, detail=had.why, **told)
        return None
    try:
        return _read_list(found, had, issuer, entry, means, at)
    except CredentialError as error:
        found.unknown("status", _reason_of_list(error.code), detail=str(error), **told)
        return None


def _read_list(  # noqa: PLR0917  (one list, one entry, and what judges them)
    found: Findings, had: ListInHand, issuer: str, entry: StatusEntry, means: Means, at: int
) -> int:
    opened = _open_list(had, means)
    valid_until = opened.list.valid_until
    found.turns_at(opened.not_before, opened.expires, opened.list.valid_from)
    found.turns_at(valid_until + 1 if valid_until is not None else None)
    by = opened.list.issuer
    if by != issuer and by not in means.list_issuers:
        raise CredentialError(
            "status_list_foreign",
            f"The list is by {by[:200]}, the credential by {issuer[:200]}; whether one may speak for the "
            "other is for this node's operator to say ([status] issuers in node.toml).",
        )
    if (opened.expires is not None and opened.expires <= at) or (opened.not_before or 0) > at:
        raise CredentialError("status_stale", "The signature of the list is out of its time.")
    return opened.list.value(entry, at)


def _open_list(had: ListInHand, means: Means) -> OpenedList:
    """A list whose own proof holds; opened once, as long as it is the same bytes."""
    assert had.document is not None, "what could not be had is told before"
    known = means.opened.get(had.digest) if had.digest is not None else None
    if known is not None:
        return known
    secured = open_secured(dict(had.document), means.key_of, means.contexts)
    read = read_list(what_is_said(secured.document))  # null says nothing here either
    if read.issuer not in secured.controllers:
        raise CredentialError(
            "status_list_invalid", f"The list is by {read.issuer[:200]}, and signed by another."
        )
    for method in secured.methods if means.ledger is not None else ():
        assert means.ledger is not None, "asked only where there is a ledger"
        means.ledger.require_key(method, None)
    opened = OpenedList(read, secured.not_before, secured.expires)
    if had.digest is not None and len(read.string) <= LIST_KEPT_BYTES_MAX:
        if len(means.opened) >= LISTS_KEPT_MAX:
            means.opened.clear()
        means.opened[had.digest] = opened
    return opened


def _reason_of_list(code: str) -> str:
    """Whatever is wrong with a list is the list's: it never speaks against the credential."""
    if code.startswith("status_"):
        return code
    if code in ("unsupported_algorithm", "context_unknown"):
        return "status_unsupported"
    return "status_unavailable" if code in UNDECIDED else "status_list_invalid"
