"""The routes of consignments, a part of that table: manifests taken in, judged, shown and handed back."""

from __future__ import annotations

from node.api import consignments, manifest_files, readiness_files, suppliers
from node.api.readiness_files import PDF
from node.api.route import (
    CSV,
    FORM,
    HTML,
    JSON,
    JSON_OR_FORM,
    JSON_OR_PAGE,
    MANIFEST_BYTES_MAX,
    MULTIPART,
    NDJSON,
    SEEN,
    Body,
    Route,
    RouteAnswer,
)
from node.api.supervision import EVENT_STREAM
from node.sheets import XLSX

CLEAR = ("clear",)
SEE_CLEARED = ("read", "clear")


def _ok(schema: str, types: tuple[str, ...] = (JSON,)) -> tuple[RouteAnswer, ...]:
    return (RouteAnswer(200, schema, types, "As asked."),)


CONSIGNMENTS = (
    Route(
        "GET",
        "/suppliers",
        suppliers.suppliers,
        "What is on record about one or two suppliers, as figures",
        _ok("Suppliers", JSON_OR_PAGE),
        SEE_CLEARED,
        query=("party",),
    ),
    Route(
        "GET",
        "/suppliers.<form>",
        suppliers.suppliers_file,
        "The same as CSV or XLSX",
        (RouteAnswer(200, None, (CSV, XLSX), "A file."),),
        SEE_CLEARED,
        query=("party",),
    ),
    Route(
        "POST",
        "/consignments",
        consignments.create_consignment,
        "Take a manifest over and judge it",
        (RouteAnswer(202, "Consignment", text="Taken over; on disk; judged in the background."), SEEN),
        CLEAR,
        Body("Manifest", (*JSON_OR_FORM, CSV, XLSX), MANIFEST_BYTES_MAX),
    ),
    Route(
        "GET",
        "/consignments",
        consignments.consignments,
        "Consignments of this node",
        _ok("Consignments", JSON_OR_PAGE),
        SEE_CLEARED,
        query=("before", "q"),
    ),
    Route(
        "GET",
        "/manifest.<form>",
        manifest_files.template,
        "An empty manifest to fill in",
        (RouteAnswer(200, None, (CSV, XLSX), "A file."),),
        CLEAR,
    ),
    Route(
        "GET",
        "/consignments/<consignment_id>",
        consignments.consignment,
        "One consignment: worst verdict, counts, every item",
        _ok("Consignment", JSON_OR_PAGE),
        SEE_CLEARED,
        query=("show", "limit", "offset", "q", "reason", "order"),
    ),
    Route(
        "GET",
        "/consignments/<consignment_id>/items/<int:line>",
        consignments.item,
        "One item with every check",
        _ok("ItemVerdict", JSON_OR_PAGE),
        SEE_CLEARED,
    ),
    Route(
        "GET",
        "/consignments/<consignment_id>/events",
        consignments.events,
        "Progress, one JSON object a line, until done",
        (RouteAnswer(200, "Progress", (NDJSON, EVENT_STREAM), "One object a line."),),
        SEE_CLEARED,
        query=("after",),
    ),
    Route(
        "GET",
        "/consignments/<consignment_id>/export.<form>",
        consignments.export,
        "All verdicts as CSV, XLSX, JSON or PDF",
        (RouteAnswer(200, None, (JSON, CSV, XLSX, PDF), "A file."),),
        SEE_CLEARED,
    ),
    Route(
        "GET",
        "/consignments/<consignment_id>/evidence",
        consignments.evidence,
        "What the verdicts rest on, for `comity check --evidence` on another machine",
        (RouteAnswer(200, None, (NDJSON,), "One object a line; the last one signs the others."),),
        SEE_CLEARED,
    ),
    Route(
        "GET",
        "/consignments/<consignment_id>/left-out.<form>",
        manifest_files.left_out,
        "The rows that were left out, with cell and reason",
        (RouteAnswer(200, None, (CSV, XLSX), "A file."),),
        SEE_CLEARED,
    ),
    Route(
        "POST",
        "/consignments/<consignment_id>/rows",
        manifest_files.complete,
        "Take rows that were mended into a consignment",
        (RouteAnswer(202, "Consignment", text="Taken over; judged in the background."), SEEN),
        CLEAR,
        Body(None, (CSV, XLSX, MULTIPART), MANIFEST_BYTES_MAX),
    ),
    Route(
        "POST",
        "/consignments/<consignment_id>/stop",
        consignments.stop,
        "Judge no further line of a consignment",
        (*_ok("Consignment"), SEEN),
        CLEAR,
        Body("Nothing", JSON_OR_FORM),
    ),
    Route(
        "POST",
        "/consignments/<consignment_id>/continue",
        consignments.go_on,
        "Judge the lines that were left when it was stopped",
        (*_ok("Consignment"), SEEN),
        CLEAR,
        Body("Nothing", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/columns",
        manifest_files.columns,
        "What this sender calls the columns of a manifest",
        (RouteAnswer(200, None, (HTML,), "A page."),),
        CLEAR,
    ),
    Route(
        "POST",
        "/columns",
        manifest_files.call_columns,
        "Remember what this sender calls columns",
        (SEEN,),
        CLEAR,
        Body(None, (FORM,)),
    ),
    Route(
        "GET",
        "/consignments/<consignment_id>/readiness",
        consignments.readiness,
        "What is covered, by whom, and who must act; as the law is on another day",
        _ok("Readiness", JSON_OR_PAGE),
        SEE_CLEARED,
        query=("law_date", "against"),
    ),
    Route(
        "GET",
        "/consignments/<consignment_id>/readiness.<form>",
        readiness_files.report_file,
        "The readiness report as CSV, XLSX or PDF",
        (RouteAnswer(200, None, (CSV, XLSX, PDF), "A file."),),
        SEE_CLEARED,
        query=("law_date", "against"),
    ),
    Route(
        "POST",
        "/readiness",
        consignments.ask_readiness,
        "The readiness report of a consignment",
        _ok("Readiness"),
        SEE_CLEARED,
        Body("ReadinessRequest"),
    ),
)
