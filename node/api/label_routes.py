"""The routes of labels, a part of the table: what stands on a label is open to everybody who scans it."""

from __future__ import annotations

from node.api import label_pages
from node.api.route import FORM, HTML, JSON, MULTIPART, PDF, Body, Route, RouteAnswer
from node.data_carriers import PHOTO_BYTES_MAX

SEE_ISSUED = ("read", "issue")
ANYBODY = ("read", "operate", "clear", "issue", "govern", "verify")
CHOICES = ("symbology", "module_mm", "side_mm", "ce", "notified_body", "cadmium", "lead", "language")
LEADS_ON = (RouteAnswer(303, None, (HTML,), "See the page of the battery, named by Location."),)

LABELS = (
    Route(
        "GET",
        "/passports/<digest>/label",
        label_pages.label,
        "The label of one passport: choices and how it looks",
        (RouteAnswer(200, None, (HTML,), "A page."),),
        SEE_ISSUED,
        query=CHOICES,
    ),
    Route(
        "GET",
        "/passports/<digest>/label.svg",
        label_pages.label_drawing,
        "One label in its true size",
        (RouteAnswer(200, None, (label_pages.SVG,)),),
        SEE_ISSUED,
        query=CHOICES,
    ),
    Route(
        "POST",
        "/labels",
        label_pages.labels,
        "Labels of several passports, as sheets of A4",
        (RouteAnswer(200, None, (PDF,)),),
        SEE_ISSUED,
        Body("LabelsRequest", (JSON, FORM, MULTIPART)),
    ),
    Route("GET", "/B/<path:code>", label_pages.opened, "The link on the label of a battery", LEADS_ON),
    Route("GET", "/01/<path:keys>", label_pages.digital_link, "A GS1 Digital Link on a label", LEADS_ON),
    Route(
        "POST",
        "/find",
        label_pages.photograph,
        "What the label in a photograph names",
        (
            RouteAnswer(
                200, "CodesRead", (JSON, HTML), "What was read; as a page, which of several is meant."
            ),
            RouteAnswer(303, None, (HTML,), "One was read: see what is found for it."),
        ),
        ANYBODY,
        Body(None, (MULTIPART,), PHOTO_BYTES_MAX),
    ),
)
