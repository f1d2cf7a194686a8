"""Verify one document against the evidence a node gathered: numbered steps, every check kept (design.md 9).

    1 parse       4 issuer_key    7 status     10 recognised   13 policy
    2 structure   5 validity      8 admitted   11 standing
    3 proof       6 schema        9 accredited 12 completeness

No step raises and none is left out: what could not be checked is a check of its own, with the source that
was missing. What a failing or missing check means is data (`verdict.conclude`). Steps 1 to 9 are here, those
about the battery itself (10 to 12) in `credentials.verdicts.condition`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import orjson

from credentials.documents import suites
from credentials.documents.canonical import b64u, digest_document, parse_json
from credentials.documents.keys import did_key_decode, split_did_url
from credentials.documents.model import Credential, StatusEntry, parse_credential
from credentials.documents.passport import PassportSchema
from credentials.documents.status import check_status
from credentials.documents.suites.integrity import UNDECIDED
from credentials.errors import CredentialError
from credentials.ledger.genesis import Genesis, Key
from credentials.verdicts.condition import check_battery
from credentials.verdicts.evidence import CHECKS, At, Document, Evidence, NetworkView, Policy
from credentials.verdicts.freshness import check_freshness, check_law_date, check_receipts, sources_of
from credentials.verdicts.record import Inquiry, Record, Recorded, passport_status
from credentials.verdicts.shown import Declared
from credentials.verdicts.verdict import Findings, Outcome, Verdict, conclude

PASSPORT_TYPE = "BatteryPassportCredential"
ENVELOPED_TYPE = "EnvelopedVerifiableCredential"
PUBLISHING = ("publish", "supersede")  # effects of the events under which a passport is recorded
ASSERTING_ROLES = ("credential", "attest")  # the keys a did.json lists under assertionMethod

DOCUMENT_CHECKS = ("structure", "proof", "issuer_key", "validity", "schema", "status")
ADMITTED_CHECKS = tuple(name for name in CHECKS if name.startswith("admitted."))


@dataclass(frozen=True, slots=True)
class Examined:
    """What the document steps found out, for the steps about the battery."""

    document: Document
    credential: Credential
    digest: bytes
    point: int | None  # the Annex XIII point, for a passport set
    proven: bool  # the signature holds and is the issuer's
    recorded: Recorded | None  # the admitted attestation that covers it
    refused: Recorded | None  # the refused attestation that covers it

    @property
    def is_passport(self) -> bool:
        """True for a set of a battery passport."""
        return PASSPORT_TYPE in self.credential.types

    @property
    def established(self) -> bool:
        """True if what it says may be relied on: the issuer's proof holds and the ledger records it."""
        return self.proven and self.recorded is not None

    @property
    def claims(self) -> Mapping[str, Any]:
        """What the document says about its first subject."""
        return self.credential.subject


def verify(document: Document | bytes, evidence: Evidence, policy: Policy, at: At) -> Verdict:
    """Judge one document and the battery it is about; collects all checks and never raises for bad input."""
    found = Findings(evidence.network.tables)
    record = Record.read(evidence.ledger, evidence.network.genesis)
    inquiry = Inquiry(evidence, record, policy, at)
    check_freshness(found, evidence, policy, at)
    check_law_date(found, at)
    found.passed("document", origin="shown")
    examined = examine(found, document, inquiry)
    named = examined.credential.subject.get("id") if examined else None
    check_receipts(found, evidence, examined, named if isinstance(named, str) else None)
    declared = Declared(policy.direction, asked=False)
    battery = check_battery(found, [examined] if examined else [], inquiry, declared)
    made = {check.name for check in found.checks}
    # A document alone has no manifest line: what only a line can answer is not asked of it.
    required = frozenset(n for n in policy.required if CHECKS[n] != "manifest" or n in made)
    if examined is not None and not examined.is_passport:
        required -= {"completeness", "code_matches_passport", "standing.publication"} - made
    conclusion = conclude(
        found.checks, policy, evidence.network.tables, gaps=bool(battery.gaps), required=required
    )
    return Verdict(
        conclusion,
        tuple(found.checks),
        at,
        evidence.network.height,
        evidence.network.block_time,
        gaps=battery.gaps,
        withheld=battery.withheld,
        sources=sources_of(evidence, at),
        recognition_note=battery.recognition_note,
        timeline=record.timeline(evidence.network.genesis),
        passport=battery.passport,
    )


def examine(
    found: Findings, shown: Document | bytes, inquiry: Inquiry, *, age_s: int | None = None
) -> Examined | None:
    """Steps 1 to 9 for one document; None when it could not even be read as a credential."""
    evidence, record = inquiry.evidence, inquiry.record
    policy, at = inquiry.policy, inquiry.at
    later = (*DOCUMENT_CHECKS, *ADMITTED_CHECKS, "accredited")
    # 1 parse
    document: Any = shown
    if isinstance(shown, bytes):
        try:
            document = parse_json(shown)
        except CredentialError as error:
            found.failed("parse", "malformed", detail=str(error))
            found.unmade(later, "malformed")
            return None
    if not isinstance(document, Mapping):
        found.failed("parse", "malformed", detail="the document is not a JSON object")
        found.unmade(later, "malformed")
        return None
    document = dict(document)
    found.passed("parse", age_s=age_s)
    # 2 structure
    types = document.get("type")
    if types == ENVELOPED_TYPE or (isinstance(types, list) and ENVELOPED_TYPE in types):
        found.unmade(later, "unsupported_algorithm", detail="enveloped credentials cannot be verified here")
        return None
    try:
        credential = parse_credential(document)
        digest = digest_document(document)
    except CredentialError as error:
        found.failed("structure", "structure_invalid", detail=str(error))
        found.unmade(later[1:], "structure_invalid")
        return None
    found.passed("structure", id=credential.id, types=list(credential.types))
    recorded = record.covering(digest)
    refused = record.refused_covering(digest)
    # 3 proof, 4 issuer_key
    proven, undecided = _check_proof(found, document, credential, recorded, inquiry)
    # 5 validity
    _check_validity(found, credential, policy, at)
    # 6 schema
    _check_schema(found, document, credential, evidence.network)
    examined = Examined(document, credential, digest, _point(credential), proven, recorded, refused)
    # 7 status
    _check_status(found, examined, inquiry)
    # 8 admitted
    _check_admitted(found, examined, evidence, record, undecided)
    # 9 accredited
    _check_accredited(found, examined, evidence, at)
    return examined


# -- proof, validity, schema ---------------------------------------------------------------------------


def _check_proof(
    found: Findings,
    document: dict[str, Any],
    credential: Credential,
    recorded: Recorded | None,
    inquiry: Inquiry,
) -> tuple[bool, str | None]:
    """Return whether the proof holds, and the reason why its record cannot be looked for (or None)."""
    network, at = inquiry.evidence.network, inquiry.at
    if not credential.proofs:
        found.failed("proof", "proof_missing")
        found.unmade(("issuer_key",), "proof_missing")
        return False, None
    if network.genesis is None:
        found.unknown("proof", "genesis_unavailable")
        found.unmade(("issuer_key",), "genesis_unavailable")
        return False, None
    try:
        results = suites.verify(document, _public_key_of(network.genesis), contexts=network.contexts or None)
    except CredentialError as error:
        undecided = error.code in UNDECIDED
        reason = "structure_invalid" if error.code == "malformed" else error.code
        reason = reason if found.knows(reason) else "invalid_signature"
        found.add(
            "proof",
            Outcome.INDETERMINATE if undecided else Outcome.FAIL,
            reason,
            detail=str(error),
            issuer=credential.issuer,
        )
        found.unmade(("issuer_key",), reason)
        # A document's digest depends on its proof mechanism (design.md 5): without it no record is found.
        return False, error.code if error.code == "unsupported_algorithm" else None
    told = {
        "verification_method": ", ".join(result.verification_method for result in results),
        "cryptosuite": ", ".join(result.cryptosuite for result in results),
    }
    if any(
        r.expires is not None and r.expires < at.evaluated_at - inquiry.policy.clock_skew_s for r in results
    ):
        found.failed("proof", "expired", **told)
        found.unmade(("issuer_key",), "expired")
        return False, None
    found.passed("proof", **told)
    if all(result.controller != credential.issuer for result in results):
        found.failed(
            "issuer_key",
            "issuer_key_mismatch",
            issuer=credential.issuer,
            verification_method=told["verification_method"],
        )
        return False, None
    # Recorded: valid when it was admitted and when it happened. Never recorded: today's keys only.
    times = (
        (recorded.block_time, recorded.attestation.event_time) if recorded is not None else (at.evaluated_at,)
    )
    for result in results:
        key = network.genesis.key_by_id(result.verification_method)
        role = {"role": key.role} if key else {}  # a did:key: its own name is its key
        told = {"verification_method": result.verification_method, **role}
        if not _key_holds(key, times):
            taken = key is not None and any(key.compromised(time) for time in times)
            found.failed("issuer_key", "key_compromised" if taken else "key_not_valid", **told)
            return False, None
    found.passed("issuer_key", **told)
    return True, None


def _key_holds(key: Key | None, times: Sequence[int] = ()) -> bool:
    return key is None or (key.role in ASSERTING_ROLES and all(key.valid(time) for time in times))


def _public_key_of(genesis: Genesis) -> Callable[[str], bytes]:
    def public_key_of(method: str) -> bytes:
        did, _ = split_did_url(method)
        key = genesis.key_by_id(method)
        if key is not None:
            return key.public
        if genesis.participant(did) is not None:
            raise CredentialError("issuer_key_mismatch", f"{did} has no key {method} on the ledger")
        if did.startswith("did:key:"):
            return did_key_decode(method)
        raise CredentialError("issuer_unknown", f"{did} is not a participant of this network")

    return public_key_of


def _check_validity(found: Findings, credential: Credential, policy: Policy, at: At) -> None:
    now, skew = at.evaluated_at, policy.clock_skew_s
    told = {"valid_from": credential.valid_from, "valid_until": credential.valid_until}
    if credential.valid_from is not None and now + skew < credential.valid_from:
        found.failed("validity", "not_yet_valid", **told)
    elif credential.valid_until is not None and now - skew > credential.valid_until:
        found.failed("validity", "expired", **told)
    else:
        found.passed("validity", **told)


class Schema(Protocol):
    """A compiled schema; raises CredentialError("schema_invalid", ...)."""

    def check(self, document: Mapping[str, Any]) -> None: ...


@lru_cache(maxsize=64)
def _compiled(schema: bytes) -> Schema:
    return PassportSchema(orjson.loads(schema))


def _check_schema(
    found: Findings, document: Mapping[str, Any], credential: Credential, network: NetworkView
) -> None:
    if not credential.schema:
        found.unmade(("schema",), "schema_unavailable", detail="the document names no schema")
        return
    for schema_id, _ in credential.schema:
        schema = network.schemas.get(schema_id)
        if schema is None:
            found.unknown("schema", "schema_unavailable", schema=schema_id)
            continue
        try:
            checker: Schema = _compiled(orjson.dumps(schema)) if isinstance(schema, dict) else schema
            checker.check(document)
        except CredentialError as error:
            found.failed("schema", "schema_invalid", schema=schema_id, detail=str(error))
        else:
            found.passed("schema", schema=schema_id)


# -- status --------------------------------------------------------------------------------------------

_RAISED = {"revocation": "revoked", "suspension": "suspended"}


def _check_status(found: Findings, examined: Examined, inquiry: Inquiry) -> None:
    """The ledger is the authority, the list its projection; if they differ the stricter counts."""
    ledger = _ledger_status(examined, inquiry.evidence)
    raised: set[str] = set()
    decided = True
    for entry in examined.credential.status:
        bit = _list_bit(found, examined, entry, inquiry)
        decided = decided and bit is not None
        if bit:
            raised.add(_RAISED.get(entry.purpose, "suspended"))
    listed = "revoked" if "revoked" in raised else "suspended" if raised else None
    if listed or ledger:
        stricter = "revoked" if "revoked" in (listed, ledger) else "suspended"
        found.failed("status", stricter, ledger=ledger or "not raised", status_list=listed or "not raised")
    elif decided and examined.credential.status:
        found.passed("status", lists=len(examined.credential.status))
    elif decided:
        found.warned("status", "status_missing")
    if listed != ledger and examined.credential.status and decided and examined.recorded is not None:
        found.warned(
            "status", "status_differs", ledger=ledger or "not raised", status_list=listed or "not raised"
        )


def _ledger_status(examined: Examined, evidence: Evidence) -> str | None:
    standing = evidence.ledger.standing if evidence.ledger else None
    if standing is None or examined.recorded is None:
        return None
    digest = examined.recorded.attestation.document_digest
    return passport_status(standing, digest)


def _list_bit(found: Findings, examined: Examined, entry: StatusEntry, inquiry: Inquiry) -> bool | None:
    """The bit of one status entry, or None after saying why it could not be read."""
    network, policy, at = inquiry.evidence.network, inquiry.policy, inquiry.at
    issuer = examined.credential.issuer
    source = network.status_lists.get((issuer, entry.purpose, entry.list_credential))
    told = {"purpose": entry.purpose, "list": entry.list_credential}
    if source is None or source.credential is None:
        found.unknown("status", "status_unavailable", **told)
        return None
    age_s = at.evaluated_at - source.fetched_at if source.fetched_at is not None else None
    document = dict(source.credential)
    if source.digest_on_ledger is None:
        found.unknown(
            "status", "status_unavailable", age_s=age_s, detail="the ledger knows no such list", **told
        )
        return None
    if network.genesis is None:
        found.unknown("status", "genesis_unavailable", **told)
        return None
    try:
        if digest_document(document) != source.digest_on_ledger:
            found.unknown(
                "status", "status_stale", age_s=age_s, detail="not the latest list on the ledger", **told
            )
            return None
        if age_s is None or age_s > policy.status_list_age_s_max:
            found.unknown("status", "status_stale", age_s=age_s, **told)
            return None
        proofs = suites.verify(document, _public_key_of(network.genesis), contexts=network.contexts or None)
        keys = [network.genesis.key_by_id(proof.verification_method) for proof in proofs]
        if all(proof.controller != issuer for proof in proofs) or not all(_key_holds(key) for key in keys):
            raise CredentialError("status_list_invalid", "The list is signed by another key.")
        return check_status(document, entry, issuer=issuer, at=at.evaluated_at)
    except CredentialError as error:
        reason = "status_stale" if error.code == "stale" else "status_list_invalid"
        found.unknown("status", reason, age_s=age_s, detail=str(error), **told)
        return None


# -- admitted ------------------------------------------------------------------------------------------


def _check_admitted(
    found: Findings, examined: Examined, evidence: Evidence, record: Record, undecided: str | None
) -> None:
    """Design.md 5, "Admitted": each condition its own check, and the entry on the own ledger."""
    if evidence.ledger is None:
        found.unmade(ADMITTED_CHECKS, "ledger_unavailable")
        return
    if undecided is not None:
        found.unmade(ADMITTED_CHECKS, undecided)
        return
    recorded = examined.recorded
    others = tuple(name for name in ADMITTED_CHECKS if name != "admitted.entry")
    if recorded is None:
        if record.unreadable:
            found.unmade(ADMITTED_CHECKS, "ledger_unavailable", unreadable_entries=record.unreadable)
            return
        lost = examined.refused
        if lost is None:
            found.failed("admitted.entry", "not_admitted", digest=b64u(examined.digest))
        else:
            found.failed(
                "admitted.entry",
                "refused_by_ledger",
                rule=lost.rule,
                digest=b64u(examined.digest),
                winner_leaf_index=lost.winner_leaf_index,
                **lost.place(),
            )
        found.unmade(others, "not_admitted" if lost is None else "refused_by_ledger")
        return
    statement = recorded.attestation
    genesis = evidence.network.genesis
    place = recorded.place()
    found.passed("admitted.payload", digest=b64u(examined.digest), **place)
    if statement.issuer == examined.credential.issuer:
        found.passed("admitted.issuer", issuer=statement.issuer)
    else:
        found.failed(
            "admitted.issuer", "wrong_issuer", document=examined.credential.issuer, record=statement.issuer
        )
    _check_subject(found, examined, evidence, recorded)
    event = genesis.lifecycle.event(statement.kind) if genesis else None
    if event is None:
        found.unknown("admitted.kind", "genesis_unavailable", kind=statement.kind)
    elif _kind_fits(examined, statement.kind, event.effects.passport):
        found.passed("admitted.kind", kind=statement.kind)
    else:
        found.failed(
            "admitted.kind", "wrong_kind", kind=statement.kind, types=list(examined.credential.types)
        )
    if genesis is None:
        found.unknown("admitted.network", "genesis_unavailable")
    elif statement.network_id == genesis.network_id:
        found.passed("admitted.network", network=genesis.name)
    else:
        found.failed("admitted.network", "wrong_network")
    found.passed("admitted.entry", block_time=recorded.block_time, **place)


def _kind_fits(examined: Examined, kind: str, passport_effect: str | None) -> bool:
    if not examined.is_passport:
        return passport_effect not in PUBLISHING and examined.claims.get("event") == kind
    sets = examined.recorded.attestation.set_list if examined.recorded else None
    return (
        passport_effect in PUBLISHING
        and sets is not None
        and examined.point is not None
        and sets.points.get(examined.point) == examined.digest
        and examined.claims.get("passportVersion") == sets.version
    )


def _check_subject(found: Findings, examined: Examined, evidence: Evidence, recorded: Recorded) -> None:
    statement = recorded.attestation
    texts = [s["id"] for s in examined.credential.subjects if isinstance(s.get("id"), str)]
    subjects = [evidence.subjects.get(text) for text in texts]
    if not texts or any(subject is None for subject in subjects):
        found.unknown("admitted.subject", "identifier_invalid", identifiers=texts)
    elif all(subject and subject.as_list() == statement.subject.as_list() for subject in subjects):
        found.passed("admitted.subject", identifiers=texts)
    else:
        found.failed("admitted.subject", "wrong_subject", identifiers=texts)


# -- accredited ----------------------------------------------------------------------------------------


def _check_accredited(found: Findings, examined: Examined, evidence: Evidence, at: At) -> None:
    """Recorded: accredited then. Never recorded: today, and for making batteries of this namespace (X9)."""
    genesis = evidence.network.genesis
    issuer = examined.credential.issuer
    if genesis is None:
        found.unknown("accredited", "genesis_unavailable")
        return
    if genesis.participant(issuer) is None:
        found.unknown("accredited", "issuer_unknown", issuer=issuer)
        return
    text = examined.credential.subject.get("id")
    subject = evidence.subjects.get(text) if isinstance(text, str) else None
    if subject is None:
        found.unknown("accredited", "identifier_invalid", issuer=issuer)
        return
    scope = {"issuer": issuer, "scheme": subject.scheme, "namespace": subject.namespace}
    recorded = examined.recorded
    if recorded is not None:
        kinds = [recorded.attestation.kind]
        times = [recorded.block_time, recorded.attestation.event_time]
    else:
        standing = evidence.ledger.standing if evidence.ledger else None
        events = genesis.lifecycle.events.values()
        responsible = standing is not None and standing.responsible == issuer
        kinds = [
            e.type for e in events if (e.effects.passport in PUBLISHING if responsible else e.effects.creates)
        ]
        times = [at.evaluated_at]
    for time in times:
        held = [genesis.accredited(issuer, kind, subject.scheme, subject.namespace, time) for kind in kinds]
        if not any(held):
            found.failed("accredited", "issuer_out_of_scope", rule="X9", at=time, **scope)
            return
    if not examined.established:
        found.unmade(("accredited",), "document_unestablished", **scope)
        return
    licence = next((a.licence for a in held if a is not None), "")
    found.passed("accredited", licence=licence or None, **scope)


# -- small ---------------------------------------------------------------------------------------------


def _point(credential: Credential) -> int | None:
    point = credential.subject.get("annexXiiiPoint")
    return point if type(point) is int else None
