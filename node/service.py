"""Use cases of a node: what the API, the pages and the command line call, and how they are wired.

Every method returns JSON-able dicts (or text and bytes where said) and raises `ProblemError`.
Digests in arguments and answers are base64url without padding. `opening.py` turns a data directory
into a node.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from consensus.encoding import Value, decode, encode
from consensus.errors import ConsensusError
from consensus.merkle import Tree
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.keys import did_document
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation
from credentials.ledger.registry import Registry
from credentials.ledger.standing import LIVE, Standing
from credentials.verdicts.clearance import Line, clear_item
from credentials.verdicts.evidence import Policy
from credentials.verdicts.record import Record
from node import config, log
from node.errors import ProblemError, bad_request, not_found
from node.issuing.outbox import Outbox
from node.issuing.passports import Issuing
from node.issuing.profiled import Securing, require_known_purpose
from node.ledger.engine import EmbeddedEngine
from node.ledger.faults import all_shown
from node.ledger.snapshot import Shelf
from node.peers.gossip import (
    BLOCKS_BYTES_MAX,
    BLOCKS_PER_REQUEST,
    ITEM_ATTESTATION,
    Gossip,
    too_large,
)
from node.receipts.proofs import Proofs
from node.resolution.resolver import Resolver
from node.server.access import Access
from node.server.hosts import Hosts
from node.storage.issuances import Issuance
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.outbox import OutboxItem
from node.storage.signing import SigningStore
from node.supervision.supervisor import Supervisor
from node.verdicts.consignments import Consignments, require_law_date
from node.verdicts.sources import Gathering
from node.verdicts.verification import Checking

if TYPE_CHECKING:
    from node.setup.network import Network

JSON = dict[str, Any]

SCOPES = ("issue", "verify", "clear", "govern", "operate", "read")
LINES_IN_BATTERY_LIST = 200
PROOF_CHECKS = ("parse", "structure", "proof")
STATUS_CHECKS = (*PROOF_CHECKS, "issuer_key", "validity", "schema", "status")


@dataclass(frozen=True, slots=True)
class Session:
    """Who is asking: the holder of a bearer key, of a page's cookie, or a participant's node."""

    name: str  # a label of the key; for a peer its DID
    scopes: frozenset[str]
    cookie: str | None = None  # set by `enter`: the value for the cookie `comity_<port>`
    next: str = "/"  # where the page goes after a one-time link


@dataclass(frozen=True, slots=True)
class Parts:
    """What a node is made of; `opening.open_service` puts it together."""

    did: str
    network: Network
    policy: Policy
    registry: Registry
    tree: Tree
    ledger: LedgerStore
    office: OfficeStore
    signing: SigningStore
    engine: EmbeddedEngine
    gossip: Gossip
    outbox: Outbox
    issuing: Issuing
    gathering: Gathering
    consignments: Consignments
    supervisor: Supervisor
    access: Access
    resolver: Resolver
    securing: Securing
    checking: Checking
    open_api: bool
    proofs: Proofs
    shelf: Shelf


class Service:
    """One node's use cases. Thread-safe: the web server calls it from several threads."""

    def __init__(self, parts: Parts, port: int, hosts: Hosts) -> None:
        self._parts = parts
        self.hosts = hosts
        self._genesis = parts.network.genesis
        self._participant = self._genesis.participants[parts.did]
        self._port = port
        self._started = time.time()
        self.failed = parts.supervisor.failed  # set when a thread cannot go on: the process must end

    # -- life ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to agree, to send and to judge; everything left over from before is taken up."""
        self._parts.supervisor.start()

    def stop(self) -> None:
        """Stop every thread, then close the databases."""
        parts = self._parts
        parts.consignments.stop()
        parts.gossip.stop()
        parts.supervisor.stop()
        parts.gossip.close()
        for store in (parts.signing, parts.ledger, parts.office):
            store.close()

    @property
    def supervisor(self) -> Supervisor:
        """The threads of this node."""
        return self._parts.supervisor

    @property
    def failure(self) -> str | None:
        """Why the node cannot go on: the engine stopped, or a thread failed too often."""
        return self._parts.supervisor.failure

    # -- what this node is ---------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port listened on; the session cookie is named `comity_<port>`."""
        return self._port

    def status(self) -> JSON:
        """{participant, name, jurisdiction, roles, validator, network {name, id, origin}, height, round,
        block_time, lag_s, ready, peers [{did, name, jurisdiction, roles, height, last_seen, reachable}],
        log {size, root, cosigned_size}, withheld (why this validator does not vote, or null), evidence
        [{digest, kind, words, validator, height, round, leaf_index, recorded_at}], outbox, pool, version,
        simulated: false, now}.
        """
        parts, genesis = self._parts, self._genesis
        tip = parts.ledger.tip()
        height, block_time = (tip.height, tip.time) if tip else (0, genesis.created)
        kept = parts.ledger.checkpoint()
        now = int(time.time())
        peers = []
        for did, participant in genesis.participants.items():
            peer = parts.gossip.peers.get(did)
            if did != parts.did:
                peers.append(
                    {
                        "did": did,
                        "name": participant.name,
                        "jurisdiction": participant.jurisdiction,
                        "roles": list(participant.roles),
                        "validator": genesis.validators.get(did) is not None,
                        "height": parts.gathering.believed(peer.height, height) if peer else None,
                        "last_seen": int(peer.last_seen) if peer and peer.last_seen else None,
                        "reachable": bool(peer and peer.reachable),
                        "problem": peer.refusal if peer else "peers.toml names no address",
                    }
                )
        ready = self.ready()
        return {
            "participant": parts.did,
            "name": self._participant.name,
            "jurisdiction": self._participant.jurisdiction,
            "roles": list(self._participant.roles),
            "validator": genesis.validators.get(parts.did) is not None,
            "network": {
                "name": genesis.name,
                "id": genesis.network_id.hex(),
                "origin": genesis.origin,
                "app_version": genesis.app_version,
            },
            "policy": {"name": parts.policy.name, "title": parts.policy.title},
            "height": height,
            "round": parts.engine.round,
            "block_time": block_time,
            "lag_heights": (lag := parts.gathering.lag_heights(height)),
            "catching_up": {"height": height, "of": height + lag} if lag > 1 else None,
            "lag_s": parts.gathering.quorum_silence_s(),
            "ready": ready["ready"],
            "reasons": ready["reasons"],
            "peers": peers,
            "log": {
                "size": parts.tree.size,
                "root": b64u(parts.tree.root()),
                "cosigned_size": kept[0] if kept else 0,
            },
            "withheld": parts.engine.withheld,
            "evidence": all_shown(parts.engine.evidence(), parts.ledger.evidence()),
            "outbox": parts.office.outbox.counts(),
            "pool": parts.engine.pool_size,
            "version": config.VERSION,
            "simulated": False,
            "now": now,
        }

    def ready(self) -> JSON:
        """{ready: bool, reasons: [str]}: 200 or 503 at /readyz."""
        reasons = []
        if self.failure is not None:
            reasons.append(f"the node stopped itself: {self.failure}")
        if self._parts.engine.withheld is not None:
            reasons.append(
                f"this validator does not vote: {self._parts.engine.withheld}. Once no other copy of it "
                "runs: stop it, `comity keys allow-vote --data DIR`, start it"
            )
        silence = self._parts.gathering.quorum_silence_s()
        if silence is None:
            reasons.append("a quorum of validators was not heard yet")
        elif silence > self._parts.policy.quorum_silence_s_max:
            reasons.append(f"a quorum of validators was last heard {silence} s ago")
        tip = self._parts.ledger.tip()
        lag = self._parts.gathering.lag_heights(tip.height if tip else 0)
        if lag > self._parts.policy.lag_heights_max:
            reasons.append(f"this node is {lag} blocks behind and catching up")
        return {"ready": not reasons, "reasons": reasons}

    def participants(self) -> list[JSON]:
        """[{did, name, jurisdiction, roles, validator, accreditations [{roles, schemes, ...}]}]."""
        genesis = self._genesis
        found = []
        for did, participant in genesis.participants.items():
            accreditations = [
                {
                    "roles": list(a.roles),
                    "schemes": [list(scheme) for scheme in a.schemes],
                    "jurisdiction": a.jurisdiction,
                    "licence": a.licence,
                    "valid_from": a.valid_from,
                    "valid_until": a.valid_until,
                }
                for a in genesis.accreditations
                if a.participant == did
            ]
            found.append(
                {
                    "did": did,
                    "name": participant.name,
                    "jurisdiction": participant.jurisdiction,
                    "roles": list(participant.roles),
                    "validator": genesis.validators.get(did) is not None,
                    "accreditations": accreditations,
                }
            )
        return found

    def metrics(self) -> JSON:
        """Flat {name: number} for /metrics."""
        parts = self._parts
        tip = parts.ledger.tip()
        counts = parts.office.outbox.counts()
        kept = parts.ledger.checkpoint()
        return {
            "comity_height": tip.height if tip else 0,
            "comity_log_size": parts.tree.size,
            "comity_cosigned_size": kept[0] if kept else 0,
            "comity_pool": parts.engine.pool_size,
            "comity_outbox_open": sum(counts.values()),
            "comity_peers_reachable": sum(peer.reachable for peer in parts.gossip.peers.values()),
            "comity_uptime_s": int(time.time() - self._started),
            **{f"comity_cpu_{stage}_ms": s * 1000 for stage, s in parts.engine.cpu_s.copy().items()},
            **{f"comity_cpu_{stage}_ms": s * 1000 for stage, s in parts.gossip.cpu_s.copy().items()},
            **{f"comity_refused_{reason}_total": n for reason, n in parts.engine.refused.items()},
            **{f"comity_peer_refused_{code}_total": n for code, n in parts.gossip.refused.copy().items()},
        }

    # -- issuing -------------------------------------------------------------------------------------

    def issue_passport(self, claims: JSON, *, code: str, idempotency_key: str | None = None) -> JSON:
        """{digest, battery, credentials {point: document}, progress: <issuance>, repeated: bool}.

        Returns only after documents and attestations are on disk. The same claims for the same code
        give the same answer; `idempotency_key` with other claims is a 409.
        """
        digest, repeated = self._parts.issuing.passport(claims, code, idempotency_key)
        self._parts.outbox.wake()
        documents = self._parts.office.documents.of_set(digest)
        progress = self.issuance(b64u(digest))
        return {
            "digest": b64u(digest),
            "battery": progress["battery"],
            "credentials": {str(d.point): orjson.loads(d.body) for d in documents},
            "progress": progress,
            "repeated": repeated,
        }

    def issuance(self, digest: str) -> JSON:
        """{digest, battery, version, category, signed_at, attested: "outbox"|"admitted"|"refused",
        height, leaf_index, block_time, refusal {rule, winner_leaf_index}|null, receipted_at|null,
        waiting {code, text}|null (why it cannot be recorded yet),
        attestations [{kind, digest, state, leaf_index, height}]}.
        """
        row = self._parts.office.issuances.get(_digest(digest))
        if row is None:
            raise not_found("passport_unknown", "this node issued no passport with that digest")
        return self._issuance(row, explain=True)

    def issuances(self, limit: int = 50, before: int | None = None) -> list[JSON]:
        """Newest first; each as `issuance` plus `number` (give the last as `before` for the next page)."""
        return [self._issuance(row) for row in self._parts.office.issuances.page(limit, before)]

    def _issuance(self, row: Issuance, *, explain: bool = False) -> JSON:
        office = self._parts.office
        published = office.outbox.get(row.published)
        assert published is not None, "an issuance and its attestation are one transaction"
        produced = office.outbox.get(row.produced) if row.produced is not None else None
        told = self._progress(published)
        return {
            "number": row.number,
            "digest": b64u(row.digest),
            "battery": row.battery,
            "version": row.version,
            "category": row.category,
            "signed_at": row.signed_at,
            "attested": told["state"],
            "height": told["height"],
            "leaf_index": told["leaf_index"],
            "block_time": told["block_time"],
            "refusal": told["refusal"],
            "waiting": self._waiting(published) if explain else None,
            "receipted_at": told["receipted_at"],
            "sets": {str(d.point): b64u(d.digest) for d in office.documents.of_set(row.digest)},
            "attestations": [self._progress(item) for item in (produced, published) if item is not None],
        }

    def _waiting(self, item: OutboxItem) -> JSON | None:
        """{code, text}: why an attestation cannot be ordered yet; it is offered again until it can."""
        reason = self._parts.issuing.waits_for(item.data) if item.state == "outbox" else None
        if reason is None:
            return None
        again = "it is offered again until it can be recorded, and may still be refused then"
        return {"code": reason.code, "text": f"{reason}; {again}"}

    def _progress(self, item: OutboxItem) -> JSON:
        refusal: JSON | None = None
        if item.state == "refused":
            refusal = {"rule": item.rule, "winner_leaf_index": item.winner}
        elif item.state == "dropped":
            refusal = {"rule": item.rule, "winner_leaf_index": None, "text": item.reason}
        time_of = self._parts.ledger.block_time
        return {
            "digest": b64u(item.digest),
            "kind": item.kind,
            "battery": item.battery,
            "state": item.state,
            "height": item.height,
            "leaf_index": item.leaf_index,
            "block_time": time_of(item.height) if item.height is not None else None,
            "refusal": refusal,
            "created": item.created,
            "receipted_at": item.receipted_at,
            "document_digest": b64u(item.document_digest),
        }

    def issue_credential(
        self, credential: Any, options: JSON | None = None, profile: str | None = None
    ) -> JSON:
        """VC-API: one credential secured by a profile, or the default one: {verifiableCredential, warning?}.

        `warning`: a battery passport or event that was signed here is not on the ledger, and says so.
        """
        answer = {"verifiableCredential": self._parts.securing.issue(profile, credential)}
        warning = self._parts.issuing.unattested(credential)
        return {**answer, "warning": warning} if warning else answer

    def verify_credential(self, credential: Any, options: JSON | None = None) -> JSON:
        """VC-API: {verified, checks, problemDetails, warnings} (the route answers 400 if not verified)."""
        return self._parts.checking.credential(credential, options or {})

    def verify_presentation(self, presentation: Any, options: JSON | None = None) -> JSON:
        """VC-API: as `verify_credential`, and `credentials`: the answer for each credential in it."""
        return self._parts.checking.presentation(presentation, options or {})

    @property
    def open_api(self) -> bool:
        """True when the VC-API is open to everybody (`serve --open-api`)."""
        return self._parts.open_api

    def test_manifest(self) -> JSON:
        """{profile: {id, endpoint}}; 404 unless the VC-API is open to everybody."""
        if not self.open_api:
            raise not_found("no_manifest", "this node was not started with --open-api")
        return self._parts.securing.manifest()

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
        made = self._parts.issuing.attest(event, battery, members, vin=vin, event_time=event_time)
        if "draft" in made:
            return made
        self._parts.outbox.wake()
        item = self._parts.office.outbox.get(made["digest"])
        assert item is not None, "an attestation is stored before it is answered"
        stored = self._parts.office.documents.get(item.document_digest)
        return {
            "digest": b64u(item.digest),
            "event": event,
            "battery": made["battery"],
            "document": orjson.loads(stored.body) if stored else None,
            "progress": {**self._progress(item), "waiting": self._waiting(item)},
            "repeated": made["repeated"],
        }

    def countersign(self, draft: JSON) -> JSON:
        """Agree, as a second party, to another party's draft of an attestation: {key_id, signature}."""
        return self._parts.issuing.countersign(draft)

    def events(self) -> list[JSON]:
        """The lifecycle's events: [{event, text, members [{name, required, ...}], attesters, from, to}]."""
        return [
            {
                "event": event.type,
                "attesters": list(event.attesters),
                "from": sorted(event.from_states),
                "to": event.to,
                "needs": list(event.needs),
                "basis": event.basis,
                "countersigned_by": event.countersigned_by,
                "members": [
                    {
                        "name": member.name,
                        "type": member.type,
                        "required": member.required,
                        "text": member.text,
                        "values": list(member.values),
                    }
                    for member in event.members.values()
                ],
            }
            for event in self._genesis.lifecycle.events.values()
            if event.battery_event
        ]

    def attestation(self, digest: str) -> JSON:
        """Progress of one attestation of this node: {digest, kind, battery, state, height, leaf_index,
        refusal, waiting, receipted_at, document_digest}; state: outbox | admitted | refused | dropped;
        waiting {code, text}: why it cannot be recorded yet.
        """
        item = self._parts.office.outbox.get(_digest(digest))
        if item is None:
            raise not_found("attestation_unknown", "this node made no attestation with that digest")
        return {**self._progress(item), "waiting": self._waiting(item)}

    def revoke(self, digest: str, reason: str) -> JSON:
        """Revoke the passport with this set-list digest: status list first, then the ledger event."""
        made = self._parts.issuing.revoke(_digest(digest), reason)
        self._parts.outbox.wake()
        return self.attestation(b64u(made["digest"]))

    def set_credential_status(self, credential_id: str, purpose: str, status: bool) -> JSON:
        """VC-API POST /credentials/status: of a passport's set, or of a credential of a profile."""
        require_known_purpose(purpose)
        stored = self._parts.office.documents.with_id(credential_id)
        sets = [d.set_digest for d in stored if d.fetched_at is None and d.set_digest is not None]
        issued = self._parts.office.issuances.get(sets[0]) if sets else None
        if issued is not None:
            self._parts.issuing.set_status(issued.status_index, purpose, raised=status)
            self._parts.outbox.wake()
        else:
            self._parts.securing.set_status(
                credential_id, purpose, raised=status, wake=self._parts.outbox.wake
            )
        return {"credentialId": credential_id, "statusPurpose": purpose, "status": status}

    # -- batteries and verdicts ----------------------------------------------------------------------

    def battery(self, identifier: str, audience: str | None = None) -> JSON:
        """{battery, scheme, known, height, block_time, standing {...}|null, timeline [{leaf_index, height,
        time, kind, issuer, issuer_name, jurisdiction, document_digest, attestation_digest, state, rule?}],
        passports [{digest, version, issuer, live, points {point: digest|null}}]}.

        `audience` as in the access table ("public" when None); an unknown battery is known: false.
        """
        parts = self._parts
        found = parts.issuing.identifier(identifier)
        about = parts.issuing.subject(found)
        with parts.ledger.reading(), parts.office.reading():
            view = parts.gathering.ledger_view(about)
            network = parts.gathering.network_view({})
            record = Record.read(view)
            standing = view.standing
            passports = [
                self._published(r.attestation, standing, audience or "public")
                for r in record.admitted
                if r.attestation.set_list is not None
            ]
        return {
            "battery": found.canonical,
            "scheme": found.scheme,
            "fields": dict(found.fields),
            "known": standing is not None,
            "height": network.height,
            "block_time": network.block_time,
            "standing": None if standing is None else _standing(standing),
            "timeline": [dict(step) for step in record.timeline(self._genesis)],
            "passports": passports,
        }

    def _published(self, attestation: Attestation, standing: Standing | None, audience: str) -> JSON:
        assert attestation.set_list is not None, "asked for publications only"
        version = standing.passport_with(attestation.document_digest) if standing else None
        return {
            "digest": b64u(attestation.document_digest),
            "version": attestation.set_list.version,
            "issuer": attestation.issuer,
            "live": version is not None and version.status == LIVE,
            "status": version.status if version is not None else "earlier",
            "points": {str(p): b64u(d) for p, d in sorted(attestation.set_list.points.items())},
            "held": {
                str(p): (stored := self._parts.office.documents.get(d)) is not None
                and self._parts.gathering.entitled(stored, audience)
                for p, d in sorted(attestation.set_list.points.items())
            },
        }

    def batteries(self, limit: int = 50, before: int | None = None) -> list[JSON]:
        """Batteries this node has issued, newest first: [{battery, digest, ...}]."""
        return [
            {"number": row["number"], "battery": row["battery"], "digest": row["digest"]}
            for row in self.issuances(limit, before)
        ]

    def clear_item(self, item: JSON, *, law_date: str | None = None, evaluated_at: None = None) -> JSON:
        """The ItemVerdict of one manifest line as a dict (contract.md, last paragraph)."""
        try:
            line = Line.parse({k: v for k, v in item.items() if k not in ("law_date", "direction")})
        except CredentialError as error:
            raise bad_request(error.code, str(error).replace("the manifest", "this scan", 1)) from error
        when = require_law_date(law_date if law_date is not None else item.get("law_date"))
        with self._parts.consignments.scanning():
            evidence = self._parts.gathering.evidence(item)
            judged = clear_item(line, evidence, self._parts.policy, when, int(time.time()))
            return judged.as_dict()

    def create_consignment(self, manifest: JSON | bytes, content_type: str = "application/json") -> JSON:
        """{id, declaration, state, lines, done, ...}: stored, judged in the background."""
        return self._parts.consignments.create(manifest, content_type)

    def consignments(self, limit: int = 50, before: int | None = None) -> list[JSON]:
        """Newest first: [{id, number, declaration, created, state, lines, done, worst, counts}]."""
        return self._parts.consignments.listing(limit, before)

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
        return self._parts.consignments.show(consignment_id, verdicts=verdicts, limit=limit, offset=offset)

    def consignment_item(self, consignment_id: str, line: int) -> JSON:
        """The whole item verdict of one line (404 `not_judged_yet` while the job has not reached it)."""
        return self._parts.consignments.item(consignment_id, line)

    def consignment_events(self, consignment_id: str, after: int = 0) -> tuple[list[JSON], bool]:
        """(progress after event `after`, oldest first: {seq, done, lines, line, verdict, state}; whether
        that was all). Never waits.
        """
        return self._parts.consignments.events(consignment_id, after)

    def consignment_export(self, consignment_id: str, format: str) -> bytes:
        """'csv' or 'json'."""
        return self._parts.consignments.export(consignment_id, format)

    def readiness(self, consignment_id: str) -> JSON:
        """The importer's report: {head {total, met_abroad, met_eu, open, not_yet_required, asked_twice,
        sentence}, rows [...], items [...]}; computed from stored verdicts and crosswalk data.
        """
        return self._parts.consignments.report(consignment_id)

    # -- documents, log, identity --------------------------------------------------------------------

    def document(self, digest: str, audience: str = "public") -> JSON:
        """A stored document by its digest, if `audience` has a right to it (403 `not_entitled` otherwise)."""
        stored = self._parts.office.documents.get(_digest(digest))
        if stored is None:
            raise not_found("document_unknown", "this node holds no document with that digest")
        if not self._parts.gathering.entitled(stored, audience):
            raise ProblemError(
                403, "not_entitled", "Not allowed", f"this document is not for the audience {audience}"
            )
        body = orjson.loads(stored.body)
        assert isinstance(body, dict), "documents are JSON objects"
        return body

    def receipt(self, digest: str) -> str:
        """C2SP tlog-proof text; `digest` = of an attestation or of its document.

        404 `no_receipt_yet` while validators are still cosigning, 404 `unknown_digest` otherwise.
        """
        return self._parts.proofs.receipt(_digest(digest))

    def checkpoint(self) -> str:
        """The latest cosigned checkpoint (signed note), log line and q cosignatures."""
        return self._parts.proofs.checkpoint()

    def tile(self, level: int, index: int, width: int) -> bytes:
        """C2SP tlog-tiles hash tile."""
        try:
            return self._parts.tree.tile(level, index, width)
        except ConsensusError as error:
            raise not_found("no_such_tile", str(error)) from error

    def entries(self, start: int, limit: int = 50) -> list[JSON]:
        """Entries of the log for participants: [{leaf_index, height, kind, issuer, ...}]."""
        found = []
        for row in self._parts.ledger.entries_from(start, limit):
            participant = self._genesis.participants.get(row.issuer or "")
            found.append(
                {
                    "leaf_index": row.leaf_index,
                    "height": row.height,
                    "time": self._parts.ledger.block_time(row.height),
                    "type": row.type,
                    "kind": row.kind,
                    "issuer": row.issuer,
                    "issuer_name": participant.name if participant else None,
                    "jurisdiction": participant.jurisdiction if participant else None,
                    "digest": b64u(row.digest) if row.digest else None,
                    "document_digest": b64u(row.document_digest) if row.document_digest else None,
                    "leaf_hash": b64u(row.leaf_hash),
                    "rule": row.rule,
                    "winner_leaf_index": row.winner,
                }
            )
        return found

    def log_policy(self) -> str:
        """The tlog-policy file."""
        return self._parts.network.policy_text

    def did_document(self) -> JSON:
        """This participant's did.json."""
        return did_document(self._participant)

    def resolve(self, did: str) -> JSON:
        """{didDocument, didDocumentMetadata, didResolutionMetadata}: ledger, computed, or fetched."""
        return self._parts.resolver.resolution(did)

    def status_list(self, name: str, seq: int | None = None) -> JSON:
        """The status list credential in force (version n until n+1 has its receipt), or version `seq`."""
        lists = self._parts.issuing.lists
        digest = lists.served(name) if seq is None else lists.version(name, seq)
        stored = self._parts.office.documents.get(digest) if digest is not None else None
        if stored is None:
            raise not_found("list_unknown", "this node publishes no status list of that name and version")
        body = orjson.loads(stored.body)
        assert isinstance(body, dict), "a status list is a credential"
        return body

    def status_versions(self, name: str) -> list[JSON]:
        """Every version of a list: {seq, digest, attestation, state, height, leaf_index, block_time}.

        Whether a bit was raised at a time is said by the last version admitted before it; its receipt is at
        /receipts/{attestation}.
        """
        versions = self._parts.issuing.lists.versions(name)
        if not versions:
            raise not_found("list_unknown", "this node publishes no status list of that name")
        told = []
        for version in versions:
            item = self._parts.office.outbox.get(version.attestation)
            assert item is not None, "a version and its attestation are one transaction"
            progress = self._progress(item)
            members = ("state", "height", "leaf_index", "block_time", "receipted_at")
            told.append(
                {
                    "seq": version.seq,
                    "digest": b64u(version.digest),
                    "attestation": b64u(version.attestation),
                    **{name: progress[name] for name in members},
                }
            )
        return told

    # -- access --------------------------------------------------------------------------------------

    def open_link(self, scopes: tuple[str, ...], next: str = "/") -> str:
        """A one-time token for /enter/<token>, valid 24 hours, used once."""
        return self._parts.access.open_link(scopes, next)

    def enter(self, token: str) -> Session:
        """Exchange a one-time token for a session: `.cookie` is its value. 403 if used or too old."""
        name, scopes, cookie, next = self._parts.access.enter(token)
        return Session(name, scopes, cookie, next)

    def grant_key(self, name: str, scopes: tuple[str, ...]) -> JSON:
        """{name, scopes, key}: the bearer key is shown this once."""
        return self._parts.access.grant(name, scopes)

    def keys(self) -> list[JSON]:
        """[{name, scopes, created, last_used}] without secrets."""
        return self._parts.access.listing()

    def authorise(self, *, bearer: str | None, cookie: str | None, scope: str) -> Session:
        """The session of a key or cookie with `scope`; 401 `no_key`, `unknown_key`, 403 `scope_missing`."""
        name, scopes = self._parts.access.authorise(bearer, cookie, scope)
        return Session(name, scopes)

    def audience_of(self, session: Session | None) -> str:
        """The access-table audience of who asks on this node: "public" without session, own staff else."""
        return "public" if session is None else self._parts.policy.audience

    # -- peers ---------------------------------------------------------------------------------------

    def handle_peer(self, path: str, body: bytes) -> bytes:
        """Answer POST /peer/{messages,blocks,documents,status}: `path` is e.g. "messages".

        401 for a body that is not signed by a participant of this network, 403 for the wrong receiver
        or network. Both bodies are COSE_Sign1, application/cose.
        """
        gossip = self._parts.gossip
        with gossip.receiving() as known:
            sender, nonce, content = gossip.open(path, body)
            known.append(sender)
            match path:
                case "messages":
                    answer = self._peer_messages(sender, content)
                case "status":
                    gossip.note_status(sender, _decoded(content))
                    answer = self._peer_status()
                case "blocks":
                    answer = self._peer_blocks(content)
                case "documents":
                    answer = self._parts.gathering.answer_peer(sender, content)
                case "snapshot":
                    answer = self._parts.shelf.answer(content)
                case _:
                    raise not_found("no_such_page", "nodes ask for messages, status, blocks, documents")
            return gossip.answer(sender, nonce, path, answer)

    def refuse_large_peer(self) -> None:
        """A peer's request is longer than any may be: counted like every refusal, and not read."""
        with self._parts.gossip.receiving():
            raise too_large()

    def refusal_wait_s(self) -> float:
        """How long one more refusal of a peer's request waits before it is told."""
        return self._parts.gossip.patience.refusal_wait_s()

    def _peer_messages(self, sender: str, content: bytes) -> bytes:
        match _decoded(content):
            case [status, list(items)]:
                self._parts.engine.peer_items(sender, items)
                self._parts.gossip.note_status(sender, status)
            case _:
                raise bad_request("malformed", "messages are [status, [item, ...]]")
        attestations = sum(isinstance(i, list) and i[:1] == [ITEM_ATTESTATION] for i in items)
        if attestations:
            log.moment("gossip", peer=sender, attestations=attestations)
        return self._peer_status()

    def _peer_status(self) -> bytes:
        return encode(list[Value](self._parts.engine.status()))

    def _peer_blocks(self, content: bytes) -> bytes:
        match _decoded(content):
            case [int(start), int(count)] if 0 < count <= BLOCKS_PER_REQUEST:
                blocks = self._parts.ledger.blocks(start, count, BLOCKS_BYTES_MAX)
                return encode([list[Value](pair) for pair in blocks])
            case _:
                raise bad_request("malformed", f"blocks are asked for by [height, 1 to {BLOCKS_PER_REQUEST}]")


def _digest(text: str) -> bytes:
    """A digest in base64url, 43 characters; 400 otherwise."""
    try:
        found = b64u_decode(text, "digest")
    except CredentialError as error:
        raise bad_request("digest_malformed", str(error)) from error
    if len(found) != 32:
        raise bad_request("digest_malformed", "a digest is 43 characters of base64url")
    return found


def _decoded(content: bytes) -> Value:
    try:
        return decode(content, size_bytes_max=4 << 20)
    except ConsensusError as error:
        raise bad_request("malformed", str(error)) from error


def _not_verified(reason: str, detail: str) -> JSON:
    problem = {"type": f"urn:comity:reason:{reason}", "title": reason, "detail": detail}
    return {"verified": False, "checks": [], "problemDetails": [problem]}


def _resolution(document: JSON | None, metadata: JSON) -> JSON:
    return {
        "@context": "https://w3id.org/did-resolution/v1",
        "didDocument": document,
        "didDocumentMetadata": {},
        "didResolutionMetadata": metadata,
    }


def _standing(standing: Standing) -> JSON:
    """The standing as people and programs read it; `publication` names what the passport is now."""
    passport = standing.passport
    publication = standing.publication
    if passport is not None and (standing.revoked or standing.suspended):
        publication = passport.status
    return {
        "item_state": standing.item_state,
        "eu_status": standing.eu_status,
        "publication": publication,
        "producer": standing.producer,
        "responsible": standing.responsible,
        "named": list(standing.named),
        "passport": None
        if passport is None
        else {
            "digest": b64u(passport.digest),
            "version": passport.version,
            "issuer": passport.issuer,
            "status": passport.status,
            "leaf_index": passport.leaf_index,
            "height": passport.height,
        },
        "bound": standing.bound is not None,
        "presented": standing.presentation is not None,
        "lost": standing.lost,
        "recalled": standing.recalled,
        "last_event_time": standing.last_event_time,
        "refusals": [
            {
                "rule": r.rule,
                "attestation_digest": b64u(r.attestation),
                "document_digest": b64u(r.document),
                "issuer": r.issuer,
                "leaf_index": r.leaf_index,
                "winner_leaf_index": r.winner_leaf_index,
            }
            for r in standing.refusals
        ],
        "refusals_count": standing.refusals_count,
    }
