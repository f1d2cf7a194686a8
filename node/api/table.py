"""The table of routes: address, who may, what body of what size, which answers.

`create_app` registers exactly these, `openapi.py` describes exactly these. A route that is not here does
not exist; a route whose `scopes` are empty is open to everyone.
"""

from __future__ import annotations

from node.api import (
    acts,
    batteries,
    credentials,
    duties,
    finding,
    log,
    network,
    pages,
    parts,
    passport_forms,
    passports,
    vehicles,
)
from node.api.consignment_routes import CONSIGNMENTS
from node.api.governance_routes import GOVERNANCE
from node.api.job_routes import JOBS
from node.api.label_routes import LABELS
from node.api.operation_routes import OPERATIONS
from node.api.route import (
    BATCH_BYTES_MAX,
    FORM,
    JSON,
    JSON_OR_FORM,
    NDJSON,
    OCTETS,
    PAGE,
    PASSPORT_FIELDS_MAX,
    SEEN,
    TEXT,
    Body,
    Route,
    RouteAnswer,
    ok,
    shown,
)
from node.api.supervision_routes import SUPERVISION
from node.api.vc_routes import VC_API
from node.peers.messages import PEER_BODY_BYTES_MAX

ISSUE = ("issue",)
ATTEST = ("issue", "govern", "clear")  # which events a participant may attest is the ledger's rule
SEE_ISSUED = ("read", "issue")
CLEAR = ("clear",)
SEE_CLEARED = ("read", "clear")
VERIFY = ("verify", "clear")
OPERATE = ("operate",)
ANYBODY = ("read", "operate", "clear", "issue", "govern", "verify")
READ = ("read", "operate", "clear", "issue", "govern")

PROMETHEUS = "text/plain; version=0.0.4"


ROUTES: tuple[Route, ...] = (
    # -- pages -------------------------------------------------------------------------------------------
    Route("GET", "/", pages.start, "Start page of this node", PAGE),
    Route("GET", "/customs", pages.customs, "The customs officer's door", PAGE, SEE_CLEARED),
    Route("GET", "/importer", pages.importer, "The importer's door", PAGE, SEE_CLEARED),
    Route("GET", "/manufacturer", pages.manufacturer, "The manufacturer's door", PAGE, SEE_ISSUED),
    Route(
        "GET",
        "/find",
        finding.find,
        "Whatever a code, a link, a vehicle's number, a declaration or a part of one names",
        shown("Found"),
        query=("q",),
    ),
    # -- issuing -----------------------------------------------------------------------------------------
    Route(
        "POST",
        "/passports",
        passports.issue_passport,
        "Issue a battery passport",
        (
            RouteAnswer(201, "IssuedPassport", text="Signed, and queued for the ledger; both are on disk."),
            RouteAnswer(200, "IssuedPassport", text="The same passport was issued before; here it is again."),
            SEEN,
        ),
        ISSUE,
        Body("PassportRequest", JSON_OR_FORM),
    ),
    Route(
        "POST",
        "/passports/batch",
        passports.issue_batch,
        "Issue up to a thousand battery passports: one order a line, one answer a line",
        (RouteAnswer(200, "IssuedLine", (NDJSON,), "One object a line, in order: on disk, or refused."),),
        ISSUE,
        Body("PassportRequest", (NDJSON,), BATCH_BYTES_MAX),
    ),
    Route(
        "GET",
        "/passports",
        passports.passports,
        "Passports of this node",
        shown("Issuances"),
        SEE_ISSUED,
        query=("before", "q"),
    ),
    Route(
        "GET",
        "/passports/new",
        passport_forms.new_passport,
        "The form that issues a passport: begun for a battery, or from a passport that gets a new version",
        PAGE,
        ISSUE,
        query=("code", "category", "model", "from"),
    ),
    Route(
        "POST",
        "/passports/new",
        passport_forms.fill,
        "What a filled form lacks and would sign; signed where exactly that was shown",
        (*PAGE, SEEN),
        ISSUE,
        Body(None, (FORM,), fields_max=PASSPORT_FIELDS_MAX),
    ),
    Route(
        "GET",
        "/passports/<digest>",
        passports.passport,
        "Progress of one passport: signed, recorded, proof of record",
        shown("Issuance"),
        SEE_ISSUED,
    ),
    Route(
        "POST",
        "/passports/<digest>/revoke",
        passports.revoke,
        "Revoke one passport of this node",
        (*ok("Attestation"), SEEN),
        ISSUE,
        Body("RevokeRequest", (JSON, FORM)),
    ),
    Route(
        "POST",
        "/attestations",
        passports.attest,
        "Attest an event about a battery",
        (
            RouteAnswer(201, "AttestedEvent", text="Signed and queued; on disk."),
            RouteAnswer(
                200,
                "AttestedOrDraft",
                text="Attested before, or a draft for a second party to countersign.",
            ),
        ),
        ATTEST,
        Body("AttestationRequest"),
    ),
    Route(
        "POST",
        "/countersignatures",
        passports.countersign,
        "Countersign another party's draft of an attestation",
        (RouteAnswer(201, "Countersignature", text="The key id and the signature."),),
        ATTEST,
        Body("CountersignRequest"),
    ),
    Route(
        "GET",
        "/attestations/<digest>",
        passports.attestation,
        "Its progress",
        shown("Attestation"),
        READ,
    ),
    Route(
        "DELETE",
        "/attestations/<digest>",
        passports.cancel,
        "Send it no more",
        ok("Attestation"),
        ATTEST,
    ),
    Route(
        "POST",
        "/attestations/<digest>/cancel",
        acts.cancel_by_form,
        "Send it no more, by a form",
        (SEEN,),
        ATTEST,
        Body(None, (FORM,)),
    ),
    Route(
        "GET",
        "/acts",
        acts.acts,
        "What waits to be recorded; of a battery what may be attested now, and the form of one event",
        PAGE,
        ATTEST,
        query=("battery", "event", "passport"),
    ),
    Route(
        "POST",
        "/acts",
        acts.act,
        "What a filled form would do; signed where exactly that was shown",
        (*PAGE, SEEN),
        ATTEST,
        Body(None, (FORM,)),
    ),
    Route("GET", "/events", passports.events, "The events of the lifecycle", ok("Events")),
    *VC_API,
    *LABELS,
    *JOBS,
    # -- batteries and verdicts --------------------------------------------------------------------------
    Route(
        "GET",
        "/batteries/<path:identifier>",
        batteries.battery,
        "What the ledger says about one battery",
        shown("Battery"),
        query=("before",),
    ),
    Route(
        "POST",
        "/clearance",
        batteries.clearance,
        "The verdict on one item",
        shown("ItemVerdict"),
        VERIFY,
        Body("ClearanceRequest", (JSON, FORM)),
    ),
    *CONSIGNMENTS,
    Route(
        "GET",
        "/duties",
        duties.duties,
        "Working-day duties: what is due of this party, and what is overdue on an authority's side",
        shown("Duties"),
        READ,
        query=("before",),
    ),
    Route(
        "GET",
        "/parts/<path:identifier>",
        parts.tree,
        "What a battery came from, its parts level by level and what it became, with the fate of each",
        shown("PartsTree"),
        READ,
        query=("after",),
    ),
    Route(
        "POST",
        "/parts/check",
        parts.check,
        "Parts of a battery: compared with their maker's commitment and with what is on record of each",
        shown("PartsCheck"),
        READ,
        Body("PartsRequest", (JSON, FORM)),
    ),
    Route(
        "GET",
        "/vehicles/check",
        vehicles.ask,
        "The form that asks whether a vehicle may be registered, sold or scrapped",
        PAGE,
        READ,
        query=("vin", "act"),
    ),
    Route(
        "POST",
        "/vehicles/check",
        vehicles.check,
        "May this vehicle be registered, sold or scrapped, with which of its batteries",
        shown("VehicleCheck"),
        READ,
        Body("VehicleRequest", (JSON, FORM)),
    ),
    # -- log and documents -------------------------------------------------------------------------------
    Route("GET", "/documents/<digest>", log.document, "A document by its digest, by right", ok("Document")),
    Route(
        "GET",
        "/receipts/<digest>",
        log.receipt,
        "The receipt of an attestation or of its document (C2SP tlog-proof)",
        (RouteAnswer(200, None, (TEXT,), "A receipt."),),
    ),
    Route(
        "GET",
        "/log/checkpoint",
        log.checkpoint,
        "The latest cosigned checkpoint (C2SP)",
        (RouteAnswer(200, None, (TEXT,), "A signed note."),),
    ),
    Route(
        "GET",
        "/log/policy",
        log.policy,
        "The log's policy (C2SP tlog-policy): of the newest checkpoint, or of a tree of so many leaves",
        (RouteAnswer(200, None, (TEXT,), "A policy; from an older one to it: /log/epochs."),),
        query=("leaves",),
    ),
    Route(
        "GET",
        "/log/epochs",
        log.epochs,
        "Every policy of the log, each receipted under the one before it",
        (RouteAnswer(200, None, (TEXT,), "What leads a device from an old policy to the newest."),),
        query=("link", "after"),
    ),
    Route(
        "GET",
        "/log/tile/<level>/<path:path>",
        log.tile,
        "A hash tile (C2SP tlog-tiles)",
        (RouteAnswer(200, None, (OCTETS,), "Up to 256 hashes of 32 bytes."),),
    ),
    Route(
        "GET",
        "/log/entries",
        log.entries,
        "Entries of the log",
        shown("Entries"),
        READ,
        query=("start",),
    ),
    # -- identity and peers ------------------------------------------------------------------------------
    Route(
        "GET",
        "/.well-known/did.json",
        network.did_document,
        "DID document",
        ok("Document", ("application/did+json",)),
    ),
    Route("GET", "/1.0/identifiers/<path:did>", network.resolve, "Resolve a DID", ok("Resolution")),
    Route("GET", "/participants", network.participants, "Participants of the network", ok("Participants")),
    Route(
        "GET",
        "/status/<name>",
        network.status_list,
        "A status list credential: the version in force, or an earlier one",
        ok("Document", ("application/vc", JSON, "application/ld+json")),
        query=("seq",),
    ),
    Route(
        "GET",
        "/status/<name>/versions",
        credentials.status_versions,
        "Every version of a status list, with its place in the log",
        ok("StatusVersions"),
    ),
    Route(
        "POST",
        "/peer/<kind>",
        network.peer,
        "Between nodes: a signed request",
        (RouteAnswer(200, None, ("application/cose",), "A signed answer."),),
        body=Body(None, network.PEER_TYPES, PEER_BODY_BYTES_MAX),
        peer=True,
    ),
    # -- governance ----------------------------------------------------------------------------------
    *GOVERNANCE,
    # -- supervision ---------------------------------------------------------------------------------
    *SUPERVISION,
    # -- operations --------------------------------------------------------------------------------------
    *OPERATIONS,
)
