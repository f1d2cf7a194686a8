"""Use cases of a node: what the API, the pages and the command line call.

Every method returns JSON-able dicts (or text and bytes where said) and raises `ProblemError`.
Digests in arguments and answers are base64url without padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]

SCOPES = ("issue", "verify", "clear", "govern", "operate", "read")


@dataclass(frozen=True, slots=True)
class Session:
    """Who is asking: the holder of a bearer key, of a page's cookie, or a participant's node."""

    name: str  # a label of the key; for a peer its DID
    scopes: frozenset[str]
    cookie: str | None = None  # set by `enter`: the value for the cookie `comity_<port>`
    next: str = "/"  # where the page goes after a one-time link


class Service:
    """One node's use cases. Thread-safe: the web server calls it from several threads."""

    # -- what this node is ---------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port listened on; the session cookie is named `comity_<port>`."""
        raise NotImplementedError

    def status(self) -> JSON:
        """{participant, name, jurisdiction, roles, validator, network {name, id, origin}, height, round,
        block_time, lag_s, ready, peers [{did, name, jurisdiction, roles, height, last_seen, reachable}],
        log {size, root, cosigned_size}, outbox, pool, version, simulated: false, now}.
        """
        raise NotImplementedError

    def ready(self) -> JSON:
        """{ready: bool, reasons: [str]}: 200 or 503 at /readyz."""
        raise NotImplementedError

    def participants(self) -> list[JSON]:
        """[{did, name, jurisdiction, roles, validator, accreditations [{roles, schemes, ...}]}]."""
        raise NotImplementedError

    def metrics(self) -> JSON:
        """Flat {name: number} for /metrics."""
        raise NotImplementedError

    # -- issuing -------------------------------------------------------------------------------------

    def issue_passport(self, claims: JSON, *, code: str, idempotency_key: str | None = None) -> JSON:
        """{digest, battery, credentials {point: document}, progress: <issuance>, repeated: bool}.

        Returns only after documents and attestations are on disk. The same claims for the same code
        give the same answer; `idempotency_key` with other claims is a 409.
        """
        raise NotImplementedError

    def issuance(self, digest: str) -> JSON:
        """{digest, battery, version, category, signed_at, attested: "outbox"|"admitted"|"refused",
        height, leaf_index, block_time, refusal {rule, winner_leaf_index}|null, receipted_at|null,
        attestations [{kind, digest, state, leaf_index, height}]}.
        """
        raise NotImplementedError

    def issuances(self, limit: int = 50, before: int | None = None) -> list[JSON]:
        """Newest first; each as `issuance` plus `number` (give the last as `before` for the next page)."""
        raise NotImplementedError

    def issue_credential(self, credential: JSON, options: JSON | None = None) -> JSON:
        """VC-API: sign one VCDM 2.0 credential whose issuer is this participant. {verifiableCredential}."""
        raise NotImplementedError

    def verify_credential(self, credential: Any, options: JSON | None = None) -> JSON:
        """VC-API: {verified, checks [..], problemDetails [..]} (the route answers 400 if not verified)."""
        raise NotImplementedError

    def attest(
        self,
        event: str,
        battery: str,
        members: JSON,
        *,
        vin: str | None = None,
        event_time: int | None = None,
    ) -> JSON:
        """{digest (of the attestation), event, battery, document (the event credential), progress}."""
        raise NotImplementedError

    def events(self) -> list[JSON]:
        """The lifecycle's events: [{event, text, members [{name, required, ...}], attesters, from, to}]."""
        raise NotImplementedError

    def attestation(self, digest: str) -> JSON:
        """Progress of one attestation of this node: {digest, kind, battery, state, height, leaf_index,
        refusal, receipted_at, document_digest}; state: outbox | admitted | refused | dropped.
        """
        raise NotImplementedError

    def revoke(self, digest: str, reason: str) -> JSON:
        """Revoke the passport with this set-list digest: status list first, then the ledger event."""
        raise NotImplementedError

    def set_credential_status(self, credential_id: str, purpose: str, status: bool) -> JSON:
        """VC-API POST /credentials/status."""
        raise NotImplementedError

    # -- batteries and verdicts ----------------------------------------------------------------------

    def battery(self, identifier: str, audience: str | None = None) -> JSON:
        """{battery, scheme, known, height, block_time, standing {...}|null, timeline [{leaf_index, height,
        time, kind, issuer, issuer_name, jurisdiction, document_digest, attestation_digest, state, rule?}],
        passports [{digest, version, issuer, live, points {point: digest|null}}]}.

        `audience` as in the access table ("public" when None); an unknown battery is known: false.
        """
        raise NotImplementedError

    def batteries(self, limit: int = 50, before: int | None = None) -> list[JSON]:
        """Batteries this node has issued, newest first: [{battery, digest, ...}]."""
        raise NotImplementedError

    def clear_item(self, item: JSON, *, law_date: str | None = None, evaluated_at: None = None) -> JSON:
        """The ItemVerdict of one manifest line as a dict (contract.md, last paragraph)."""
        raise NotImplementedError

    def create_consignment(self, manifest: JSON | bytes, content_type: str = "application/json") -> JSON:
        """{id, declaration, state, lines, done, ...}: stored, judged in the background."""
        raise NotImplementedError

    def consignments(self, limit: int = 50, before: int | None = None) -> list[JSON]:
        """Newest first: [{id, number, declaration, created, state, lines, done, worst, counts}]."""
        raise NotImplementedError

    def consignment(
        self,
        consignment_id: str,
        *,
        verdicts: tuple[str, ...] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> JSON:
        """{id, declaration, consignee_eori, direction, law_date, evaluated_at, state ("queued", "running" or
        "done"), lines, done, worst, counts {verdict: n}, height, block_time, items [item verdicts without
        checks], items_total}.

        `verdicts` filters `items`; counts are always of the whole consignment.
        """
        raise NotImplementedError

    def consignment_item(self, consignment_id: str, line: int) -> JSON:
        """The whole item verdict of one line (404 `not_judged_yet` while the job has not reached it)."""
        raise NotImplementedError

    def consignment_events(self, consignment_id: str, after: int = 0) -> Iterator[JSON]:
        """Progress, oldest first, ends when done: {seq, done, lines, line?, verdict?, state}."""
        raise NotImplementedError

    def consignment_export(self, consignment_id: str, format: str) -> bytes:
        """'csv' or 'json'."""
        raise NotImplementedError

    def readiness(self, consignment_id: str) -> JSON:
        """The importer's report: {head {total, met_abroad, met_eu, open, not_yet_required, asked_twice,
        sentence}, rows [...], items [...]}; computed from stored verdicts and crosswalk data.
        """
        raise NotImplementedError

    # -- documents, log, identity --------------------------------------------------------------------

    def document(self, digest: str, audience: str = "public") -> JSON:
        """A stored document by its digest, if `audience` has a right to it (403 `not_entitled` otherwise)."""
        raise NotImplementedError

    def receipt(self, digest: str) -> str:
        """C2SP tlog-proof text; `digest` = of an attestation or of its document.

        404 `no_receipt_yet` while validators are still cosigning, 404 `unknown_digest` otherwise.
        """
        raise NotImplementedError

    def checkpoint(self) -> str:
        """The latest cosigned checkpoint (signed note), log line and q cosignatures."""
        raise NotImplementedError

    def tile(self, level: int, index: int, width: int) -> bytes:
        """C2SP tlog-tiles hash tile."""
        raise NotImplementedError

    def entries(self, start: int, limit: int = 50) -> list[JSON]:
        """Entries of the log for participants: [{leaf_index, height, kind, issuer, ...}]."""
        raise NotImplementedError

    def log_policy(self) -> str:
        """The tlog-policy file."""
        raise NotImplementedError

    def did_document(self) -> JSON:
        """This participant's did.json."""
        raise NotImplementedError

    def resolve(self, did: str) -> JSON:
        """{didDocument, didDocumentMetadata, didResolutionMetadata} from the ledger; did:key computed."""
        raise NotImplementedError

    def status_list(self, name: str) -> JSON:
        """The status list credential in force (version n until n+1 has its receipt)."""
        raise NotImplementedError

    # -- access --------------------------------------------------------------------------------------

    def open_link(self, scopes: tuple[str, ...], next: str = "/") -> str:
        """A one-time token for /enter/<token>, valid 24 hours, used once."""
        raise NotImplementedError

    def enter(self, token: str) -> Session:
        """Exchange a one-time token for a session: `.cookie` is its value. 403 if used or too old."""
        raise NotImplementedError

    def grant_key(self, name: str, scopes: tuple[str, ...]) -> JSON:
        """{name, scopes, key}: the bearer key is shown this once."""
        raise NotImplementedError

    def keys(self) -> list[JSON]:
        """[{name, scopes, created, last_used}] without secrets."""
        raise NotImplementedError

    def authorise(self, *, bearer: str | None, cookie: str | None, scope: str) -> Session:
        """The session of a key or cookie with `scope`; 401 `no_key`, `unknown_key`, 403 `scope_missing`."""
        raise NotImplementedError

    def audience_of(self, session: Session | None) -> str:
        """The access-table audience of who asks on this node: "public" without session, own staff else."""
        raise NotImplementedError

    # -- peers ---------------------------------------------------------------------------------------

    def handle_peer(self, path: str, body: bytes) -> bytes:
        """Answer POST /peer/{messages,blocks,documents,status}: `path` is e.g. "messages".

        401 for a body that is not signed by a participant of this network, 403 for the wrong receiver
        or network. Both bodies are COSE_Sign1, application/cose.
        """
        raise NotImplementedError
