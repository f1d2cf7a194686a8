"""Verifying what others show (VC-API): one credential or a presentation, by whatever mechanism it is secured.

    1 parse   2 proof   3 structure   4 issuer_key   5 validity   6 schema   7 related   8 status

Verified means that no check failed and none that was asked for is undecided. Whether the issuer is the
controller of the key is reported and fails nothing: who needs it (clearance does) asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from credentials.documents.canonical import Contexts, parse_json
from credentials.documents.model import Credential, StatusEntry, check_related, parse_credential
from credentials.documents.presentation import open_presentation
from credentials.documents.secured import Secured, open_secured
from credentials.documents.status import check_status
from credentials.documents.suites import jose
from credentials.errors import CredentialError
from credentials.ledger.genesis import Genesis
from credentials.verdicts.evidence import At, Policy, Tables
from credentials.verdicts.verdict import Findings, Outcome
from credentials.verdicts.verifier import verify
from node.resolution.fetch import Fetcher, FetchError
from node.resolution.resolver import Resolver
from node.verdicts.consignments import require_law_date
from node.verdicts.sources import Gathering

JSON = dict[str, Any]
LIST_BYTES_MAX = 4 << 20
LIST_TYPES = "application/vc, application/ld+json, application/json, application/vc+jwt"
LATER = ("structure", "issuer_key", "validity", "schema", "related", "status")
UNDECIDED_CODES = ("unsupported_algorithm", "issuer_unknown")


class Schema(Protocol):
    """A compiled credential schema; raises CredentialError("schema_invalid", ...)."""

    def check(self, document: Mapping[str, Any]) -> None: ...


OwnList = Callable[[str], JSON | None]  # the newest version of a list this node publishes, by its URL
LedgerChecks = Callable[[JSON], "Sequence[JSON] | None"]  # None: not a participant's


class Checking:
    """Judges credentials and presentations; never raises for what is shown."""

    def __init__(
        self,
        *,
        resolver: Resolver,
        fetcher: Fetcher,
        contexts: Contexts,
        related: Mapping[str, Sequence[bytes]],
        schemas: Mapping[str, Schema],
        tables: Tables,
        own_list: OwnList,
        ledger_verdicts: LedgerChecks,
    ) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._contexts = contexts
        self._related = related
        self._schemas = schemas
        self._tables = tables
        self._own_list = own_list
        self._ledger_verdicts = ledger_verdicts
        self._last_held: dict[str, int] = {}  # list URL -> when it was last had

    # -- credentials -----------------------------------------------------------------------------------

    def credential(self, shown: object, options: Mapping[str, Any]) -> JSON:
        """{verified, checks, problemDetails, warnings} of one credential."""
        found = Findings(self._tables)
        now = int(time.time())
        secured = self._open(found, shown, now)
        if secured is not None:
            credential = self._structure(found, secured)
            if credential is not None:
                proof_only = options.get("checks") == ["proof"]
                self._judge(found, shown, secured, credential, now, proof_only=proof_only)
        return _answer(found, [])

    def _open(self, found: Findings, shown: object, now: int) -> Secured | None:
        try:
            secured = open_secured(shown, self._resolver.keys("assertionMethod", now), self._contexts)
        except (CredentialError, FetchError) as error:
            _tell(found, "proof", error)
            return None
        if secured.expires is not None and secured.expires <= now:
            found.failed("proof", "expired", expires=secured.expires)
            return None
        found.passed("proof", verification_methods=list(secured.methods), mechanisms=list(secured.mechanisms))
        return secured

    def _structure(self, found: Findings, secured: Secured) -> Credential | None:
        try:
            credential = parse_credential(secured.document)
        except CredentialError as error:
            _tell(found, "structure", error)
            return None
        found.passed("structure", id=credential.id, types=list(credential.types))
        return credential

    def _judge(
        self,
        found: Findings,
        shown: object,
        secured: Secured,
        credential: Credential,
        now: int,
        *,
        proof_only: bool,
    ) -> None:
        if set(secured.controllers) == {credential.issuer}:
            found.passed("issuer_key", issuer=credential.issuer)
        else:
            found.warned(
                "issuer_key",
                "issuer_key_mismatch",
                issuer=credential.issuer,
                controllers=list(secured.controllers),
            )
        try:
            check_related(credential, self._related)
            found.passed("related", resources=len(credential.related))
        except CredentialError as error:
            _tell(found, "related", error)
        if proof_only:
            return
        self._check_schemas(found, secured.document, credential)
        if credential.valid_until is not None and credential.valid_until <= now:
            found.failed("validity", "expired", valid_until=credential.valid_until)
        elif max(credential.valid_from or 0, secured.not_before or 0) > now:
            found.warned("validity", "not_yet_valid", valid_from=credential.valid_from)
        else:
            found.passed("validity")
        told = self._ledger_verdicts(shown) if isinstance(shown, dict) and credential.proofs else None
        if told is None:
            self._check_status(found, credential, now)
            return
        # A participant of this network: its keys and statuses are what the ledger says they are.
        for check in told:
            if check["name"] == "status" or check["reason"] == "key_not_valid":
                found.add(
                    check["name"],
                    Outcome(check["outcome"]),
                    check["reason"],
                    age_s=check.get("age_s"),
                    **check["evidence"],
                )

    def _check_schemas(self, found: Findings, document: Mapping[str, Any], credential: Credential) -> None:
        for schema_id, _ in credential.schema:
            schema = self._schemas.get(schema_id)
            if schema is None:
                found.warned("schema", "schema_unavailable", schema=schema_id)
                continue
            try:
                schema.check(document)
                found.passed("schema", schema=schema_id)
            except CredentialError as error:
                _tell(found, "schema", error)

    # -- status ----------------------------------------------------------------------------------------

    def _check_status(self, found: Findings, credential: Credential, now: int) -> None:
        """Bitstring Status List 1.0, 3.2. A list that cannot be had or used decides nothing: never open."""
        if not credential.status:
            found.inapplicable("status")
            return
        for entry in credential.status:
            told = {"purpose": entry.purpose, "list": entry.list_credential, "index": entry.index}
            last = self._last_held.get(entry.list_credential)
            age_s = now - last if last is not None else None
            try:
                raised = self._bit(entry, credential.issuer, now)
            except FetchError as error:
                found.unknown("status", "status_unavailable", age_s=age_s, detail=str(error), **told)
            except CredentialError as error:
                reason = error.code if error.code in ("status_stale", "status_list_invalid") else None
                found.unknown(
                    "status", reason or "status_list_invalid", age_s=age_s, detail=str(error), **told
                )
            else:
                if raised and entry.purpose in ("revocation", "suspension"):
                    reason = "revoked" if entry.purpose == "revocation" else "suspended"
                    found.failed("status", reason, age_s=0, **told)
                elif raised:
                    found.warned("status", "status_differs", **told)
                else:
                    found.passed("status", age_s=0, **told)

    def _bit(self, entry: StatusEntry, issuer: str, now: int) -> bool:
        """Whether the bit of `entry` is raised, in a list whose own proof holds."""
        shown = self._own_list(entry.list_credential)
        if shown is None:
            data = self._fetcher.get(entry.list_credential, accept=LIST_TYPES, size_bytes_max=LIST_BYTES_MAX)
            shown = _list_of(data)
        keys = self._resolver.keys("assertionMethod", now)
        secured = open_secured(shown, keys, self._contexts)
        if set(secured.controllers) != {issuer}:
            raise CredentialError("status_list_invalid", "The list is signed by another than the issuer.")
        if secured.expires is not None and secured.expires <= now:
            raise CredentialError("status_stale", "The proof of the list has expired.")
        raised = check_status(secured.document, entry, issuer=issuer, at=now)
        if len(self._last_held) < 10_000:
            self._last_held[entry.list_credential] = now
        return raised

    # -- presentations ---------------------------------------------------------------------------------

    def presentation(self, shown: object, options: Mapping[str, Any]) -> JSON:
        """{verified, checks, problemDetails, credentials [one answer for each]} of a presentation."""
        found = Findings(self._tables)
        now = int(time.time())
        challenge, domain = (options.get(name) for name in ("challenge", "domain"))
        results: list[JSON] = []
        try:
            for name, value in (("challenge", challenge), ("domain", domain)):
                if value is not None and not isinstance(value, str):
                    raise CredentialError("malformed", f"options.{name} must be a text (VC-API).")
            presentation, secured = open_presentation(
                shown,
                self._resolver.keys("authentication", now),
                self._contexts,
                domain=domain,
                challenge=challenge,
            )
            if secured.expires is not None and secured.expires <= now:
                raise CredentialError("expired", "The proof of the presentation has expired.")
        except (CredentialError, FetchError) as error:
            _tell(found, "proof", error)
            return {**_answer(found, results), "credentials": results}
        found.passed("proof", verification_methods=list(secured.methods))
        if presentation.holder is not None and {presentation.holder} != set(secured.controllers):
            found.warned("holder_key", "issuer_key_mismatch", holder=presentation.holder)
        results = [self.credential(item, options) for item in presentation.credentials]
        return {**_answer(found, results), "credentials": results}


class LedgerVerdicts:
    """What the ledger says about documents of participants: their keys' intervals, and their status."""

    def __init__(self, gathering: Gathering, policy: Policy, genesis: Genesis) -> None:
        self._gathering = gathering
        self._policy = policy
        self._genesis = genesis

    def __call__(self, document: JSON) -> Sequence[JSON] | None:
        issuer = document.get("issuer")
        issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
        if not isinstance(issuer, str) or issuer not in self._genesis.participants:
            return None
        subjects = document.get("credentialSubject")
        about = subjects.get("id") if isinstance(subjects, dict) else None
        line = {"battery": about if isinstance(about, str) else "", "documents": [document]}
        at = At(require_law_date(None), int(time.time()))
        verdict = verify(document, self._gathering.evidence(line), self._policy, at)
        return [check.as_dict() for check in verdict.checks]


def _list_of(data: bytes) -> JSON:
    """A status list as it came: JSON, or a bare JWT."""
    text = data.strip()
    if text.startswith(b"ey"):
        return jose.envelop(text.decode("ascii", "replace"))
    value = parse_json(data, size_bytes_max=LIST_BYTES_MAX)
    if not isinstance(value, dict):
        raise CredentialError("status_list_invalid", "The list is not a JSON object.")
    return value


def _tell(found: Findings, name: str, error: CredentialError | FetchError) -> None:
    if isinstance(error, FetchError):
        found.unknown(name, "issuer_unknown", detail=str(error))
        return
    undecided = error.code in UNDECIDED_CODES
    reason = error.code if found.knows(error.code) else "malformed"
    found.add(name, Outcome.INDETERMINATE if undecided else Outcome.FAIL, reason, detail=str(error))


def _answer(found: Findings, inner: Sequence[JSON]) -> JSON:
    checks = [check.as_dict() for check in found.checks]
    bad = [c for c in checks if c["outcome"] in ("fail", "indeterminate", "not_checked")]
    problems = [_problem(check) for check in bad]
    problems += [problem for result in inner for problem in result["problemDetails"]]
    proven = any(c["name"] == "proof" and c["outcome"] == "pass" for c in checks)
    return {
        "verified": proven and not bad and all(result["verified"] for result in inner),
        "checks": checks,
        "problemDetails": problems,
        "warnings": [_problem(check) for check in checks if check["outcome"] == "warn"],
    }


def _problem(check: JSON) -> JSON:
    detail = check["evidence"].get("detail") or check["text"]
    problem = {"type": f"urn:comity:reason:{check['reason']}", "title": check["name"], "detail": detail}
    return {**problem, "age_s": check["age_s"]} if "age_s" in check else problem
