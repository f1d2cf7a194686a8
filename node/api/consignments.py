"""Manifests: judged in the background, read as a list, a page or a file; the importer's readiness report."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from credentials.documents.canonical import parse_json
from credentials.documents.tables import ROW_CHARACTERS_MAX
from credentials.errors import CredentialError
from credentials.verdicts.evidence import declaration_text
from credentials.verdicts.manifest_csv import UnknownColumns
from credentials.verdicts.severity import ORDER
from node.api.manifest_files import as_far_as_good, columns_asked, table_of
from node.api.problems import page_wanted
from node.api.readiness_files import report_asked, report_shown
from node.api.reading import integer_argument, json_body, raw_body, require_shape, searched
from node.api.record_files import consignment_record
from node.api.reply import (
    attachment,
    client_name,
    client_share,
    form_sent,
    json_reply,
    page,
    reply,
    see,
    session,
    words_for,
)
from node.api.route import CSV, EVENTS, MANIFEST_BYTES_MAX, MANIFEST_VALUES_MAX, NDJSON
from node.errors import ProblemError, bad_request, not_found
from node.server.feeds import Feed
from node.service import Service
from node.sheets import XLSX, is_workbook
from node.verdicts.choosing import LINE, WORST, Choice
from node.verdicts.consignments import watched
from node.web.checks import sections, unmade
from node.web.passport_read import glance, read_passport
from node.web.proof import find_proof

TABLES = (CSV, XLSX)
PAGE_ROWS = 50
ITEMS_PER_PAGE = 100
REASONS_SHOWN = 24
LEFT_OUT_SHOWN = 50  # on the page; the files have all
QUERY_CHARACTERS_MAX = 100

_NUMBER = re.compile(rb'"line"\s*:')
_DECLARATION = re.compile(rb'"declaration"\s*:\s*"([^"\\]{1,64})"')
_NAME = re.compile(rb"[0-9A-Za-z]")  # the first of a table: of its columns
_ROW = re.compile(rb"[\r\n][^\r\n0-9A-Za-z]*[0-9A-Za-z]")  # below the names of the columns

# What a person filters to: everything that is not simply clear, or one verdict.
SHOW = {
    "all": None,
    "problems": ("undecided", "hold", "refuse_recommended"),
    **{word: (word,) for word in ORDER},
}


def create_consignment(service: Service) -> ResponseReturnValue:
    """Take a manifest over: 202 once it is on disk, judged in the background."""
    if form_sent():
        upload = request.files.get("file")
        if request.form.get("battery"):
            data = json.dumps(_one_line(request.form)).encode()
        else:
            data = upload.read() if upload and upload.filename else request.form.get("manifest", "").encode()
        if not data.strip():
            raise _nothing_sent(upload)
        rows = _is_table(data)
    else:
        data = raw_body()
        rows = request.mimetype in TABLES
    try:
        with service.consignments.reading(client_share(), len(data)):
            service.consignments.require_room(client_share(), *_counted(data, rows))
            value = None if rows else _json(data)
            table = (
                table_of(service, data) if rows else as_far_as_good(service, value) if form_sent() else None
            )
            manifest = _numbered(value if table is None else table.manifest)
            created = service.consignments.create(manifest, client_share(), sender=client_name(), read=table)
    except UnknownColumns as unknown:
        return columns_asked(service, unknown)
    path = url_for("consignments.consignment", consignment_id=created["id"])
    if form_sent():
        return see(path)
    answer = json_reply(words_for(service).consignment(created), 202)
    answer.headers["Location"] = path
    return answer


def _counted(data: bytes, rows: bool) -> tuple[int, str]:
    """How many lines a manifest has, or fewer, and the declaration that it names: before it is read.

    No member stands inside of a text, whose quotation marks are escaped; documents may have any members.
    """
    if rows:
        if is_workbook(data):
            return 0, ""
        told = b'"' in data or b"declaration" in data[:ROW_CHARACTERS_MAX].lower()
        columns = _NAME.search(data)
        if told or columns is None:
            return 0, ""
        return sum(1 for _ in _ROW.finditer(data, columns.start())), ""
    named = _DECLARATION.search(data)
    lines = 0 if b'"documents"' in data else sum(1 for _ in _NUMBER.finditer(data))
    return lines, declaration_text(named[1].decode("utf-8", "replace")) if named else ""


def _nothing_sent(upload: FileStorage | None) -> ProblemError:
    if upload is not None and upload.filename:
        told = "The file {name} is empty: choose the one with the manifest."
        return bad_request("manifest_missing", told, name=upload.filename[:80])
    return bad_request("manifest_missing", "Choose a manifest file, or paste its text.")


def _is_table(data: bytes) -> bool:
    """Whether a person sent rows: JSON begins with a brace, and everything else is a table of text."""
    return data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] not in (b"{", b"[")


def _json(data: bytes) -> Any:
    try:
        return parse_json(data, size_bytes_max=MANIFEST_BYTES_MAX, values_max=MANIFEST_VALUES_MAX)
    except CredentialError as error:
        raise bad_request(error.code, f"A manifest is a JSON object with `lines`: {error}") from error


def _numbered(value: Any) -> Any:
    """A manifest of the known shape, with one number for each line."""
    manifest = require_shape(value, "Manifest")
    lines = [line["line"] for line in manifest["lines"]]
    if strange := next((number for number in lines if type(number) is not int), None):
        raise bad_request(
            "wrong_shape",
            "Write the number of a line without a point: {whole}, not {given}.",
            whole=int(strange),
            given=strange,
        )
    if (again := next((number for number, count in Counter(lines).items() if count > 1), None)) is not None:
        raise bad_request(
            "line_repeated",
            "More than one line of the manifest has the number {number}; number each line once.",
            number=again,
        )
    return manifest


def _one_line(form: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of one battery, as the form has it; what a person left empty is not given."""
    names = ("battery", "goods", "condition", "commodity_code", "vin")
    line = {name: form[name] for name in names if form.get(name)}
    head = {"declaration": form["declaration"]} if form.get("declaration") else {}
    return {**head, "lines": [{"line": 1, **line}]}


def consignments(service: Service) -> ResponseReturnValue:
    """Consignments of this node, newest first; `q`: those with these words."""
    q, words = searched()
    rows = service.consignments.listing(PAGE_ROWS, integer_argument("before", None), words)
    more = len(rows) == PAGE_ROWS
    return reply({"consignments": rows}, "consignments.html", consignments=rows, more=more, q=q)


def consignment(service: Service, consignment_id: str) -> ResponseReturnValue:
    """One consignment: worst verdict, counts, one line per item; `?show=problems` filters the lines."""
    show, order = request.args.get("show", "all"), request.args.get("order", LINE)
    if show not in SHOW:
        raise bad_request("bad_argument", "`show` must be one of {shows}.", shows=tuple(SHOW))
    if order not in (LINE, WORST):
        raise bad_request("bad_argument", "`order` must be one of {orders}.", orders=(LINE, WORST))
    offset = integer_argument("offset", 0, largest=1_000_000)
    limit = integer_argument("limit", ITEMS_PER_PAGE if page_wanted() else None, largest=20_000)
    q = request.args.get("q", "")[:QUERY_CHARACTERS_MAX]
    choice = Choice(SHOW[show], request.args.get("reason", "")[:64], q, order)
    words = words_for(service)
    shown = service.consignments.show(consignment_id, choice=choice, limit=limit, offset=offset)
    found = words.consignment(shown)
    if not page_wanted():
        return json_reply(found)
    reasons = service.consignments.reasons(consignment_id, choice)
    told = [(word, reason, count, words.reason(reason)) for word, reason, count in reasons[:REASONS_SHOWN]]
    asked = {"show": show, "reason": choice.reason, "q": q, "order": order}
    return page(
        "consignment.html",
        consignment=found,
        show=show,
        asked={name: value for name, value in asked.items() if value},
        reasons=told,
        offset=offset,
        limit=limit,
        watched=watched(found["created"]),
        left_out=service.consignments.completing.told(consignment_id, words, LEFT_OUT_SHOWN),
    )


def stop(service: Service, consignment_id: str) -> ResponseReturnValue:
    """Judge no further line of it."""
    service.consignments.stopping.stop(consignment_id, client_name())
    return _looked_at(service, consignment_id)


def go_on(service: Service, consignment_id: str) -> ResponseReturnValue:
    """Judge the lines that are left."""
    service.consignments.stopping.go_on(consignment_id, client_name())
    return _looked_at(service, consignment_id)


def _looked_at(service: Service, consignment_id: str) -> ResponseReturnValue:
    if form_sent():
        return see(url_for("consignments.consignment", consignment_id=consignment_id))
    return json_reply(service.consignments.show(consignment_id, limit=0))


def item(service: Service, consignment_id: str, line: int) -> ResponseReturnValue:
    """One item: the word, every check, the gaps, what is withheld, the records, the age of each source."""
    words = words_for(service)
    found = words.item(service.consignments.item(consignment_id, line))
    if not page_wanted():
        return json_reply(found)
    audience = service.access.audience_of(session())
    read = read_passport(service, found["battery"], found["passport"].get("digest"), audience, words.language)
    return page(
        "item.html",
        item=found,
        unfolded="unfolded" in request.args,
        passport=read,
        points=words.points(found["height"]),
        glance=glance(found, read, words.language),
        consignment=service.consignments.show(consignment_id, limit=0),
        line=line,
        sections=sections(found["checks"]),
        gaps_unknown=unmade(found["checks"], "completeness"),
        recognitions=words.recognition_rows(found["recognition"]),
        demonstration=words.sentence("recognition.demonstration"),
        proof=find_proof(service, found["battery"], audience, found["height"]),
    )


def events(service: Service, consignment_id: str) -> ResponseReturnValue:
    """Progress as lines of JSON, or as server-sent events, until all is judged."""
    after = integer_argument("after", 0)
    service.consignments.events(consignment_id, after)  # 404 before anything is sent

    stream = request.accept_mimetypes.best_match((NDJSON, EVENTS)) == EVENTS
    before, behind = (b"data: ", b"\n\n") if stream else (b"", b"\n")

    def poll() -> tuple[bytes, bool]:
        nonlocal after
        found, last = service.consignments.events(consignment_id, after)
        after = found[-1]["seq"] if found else after
        told = (json.dumps(event, ensure_ascii=False).encode() for event in found)
        return b"".join(before + one + behind for one in told), last

    return Response(Feed(poll), content_type=EVENTS if stream else NDJSON, direct_passthrough=True)


def export(service: Service, consignment_id: str, form: str) -> ResponseReturnValue:
    """All verdicts as a file."""
    if form == "pdf":
        return consignment_record(service, consignment_id)
    kind = {"csv": "text/csv; charset=utf-8", "json": "application/json", "xlsx": XLSX}.get(form)
    if kind is None:
        raise not_found(
            "no_such_export",
            "A consignment is exported as export.csv, export.xlsx, export.json or export.pdf.",
        )
    parts = service.consignments.export(consignment_id, form, words_for(service))
    return attachment(parts, f"consignment.{form}", kind)


def evidence(service: Service, consignment_id: str) -> ResponseReturnValue:
    """What the verdicts rest on, with its proof, as far as whoever asks may hold it: a line an object."""
    parts = service.evidence.file(consignment_id, service.access.audience_of(session()))
    return attachment(parts, "evidence.ndjson", NDJSON)


def readiness(service: Service, consignment_id: str) -> ResponseReturnValue:
    """The importer's report: per requirement what covers it, and who must act."""
    report = report_asked(service, consignment_id, words_for(service))
    if not page_wanted():
        return json_reply(report)
    return page(
        "readiness.html",
        report=report,
        consignment=service.consignments.show(consignment_id, limit=0),
        requests=service.set_requests.of_consignment(consignment_id),
    )


def ask_readiness(service: Service) -> ResponseReturnValue:
    """The same, by the consignment's id in the body."""
    order: dict[str, Any] = json_body("ReadinessRequest", MANIFEST_BYTES_MAX)
    return json_reply(report_shown(service.consignments.report(order["consignment"]), words_for(service)))
