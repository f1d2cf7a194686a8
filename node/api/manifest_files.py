"""Manifests as files: tables read in whichever form they come, an empty one, and rows handed back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain

from flask import request, url_for
from flask.typing import ResponseReturnValue

from credentials.documents.tables import TableRow
from credentials.errors import CredentialError
from credentials.verdicts.manifest import Manifest
from credentials.verdicts.manifest_csv import COLUMNS, TableManifest, UnknownColumns, read_table
from node.api.reading import raw_body
from node.api.reply import (
    attachment,
    client_name,
    client_share,
    form_sent,
    json_reply,
    page,
    see,
    words_for,
)
from node.api.route import CSV
from node.errors import bad_request, not_found
from node.service import Service
from node.sheets import XLSX, csv_of, rows_of, workbook_of
from node.verdicts.export import heading

SHEET = "Manifest"
_NO_CELLS = {"documents", "receipts"}
CALLED_CHARACTERS_MAX = 200  # of what somebody calls a column


def template(service: Service, form: str) -> ResponseReturnValue:
    """A table with the names of the columns and nothing below them: of a workbook in its reader's words."""
    if form == "csv":
        return attachment(csv_of([tuple(COLUMNS)]), "manifest.csv", f"{CSV}; charset=utf-8")
    if form == "xlsx":
        named = [heading(column, words_for(service)) for column in COLUMNS]
        return attachment([workbook_of([named], SHEET)], "manifest.xlsx", XLSX)
    raise not_found("no_such_template", "An empty manifest is manifest.csv or manifest.xlsx.")


def table_of(service: Service, data: bytes) -> TableManifest:
    """A table as far as it is good, its columns as this sender calls them; 400 where no row is a line."""
    try:
        table = read_table(rows_of(data), service.consignments.completing.known(client_share()))
    except UnknownColumns:
        raise
    except CredentialError as error:
        raise bad_request(error.code, f"the manifest cannot be read: {error}") from error
    if not table.manifest["lines"]:
        first = table.left_out[0]
        raise bad_request(
            "manifest_invalid",
            f"the manifest cannot be read: line {first.row.number} of the file: {first.fault.message}",
        )
    return table


def as_far_as_good(service: Service, value: object) -> TableManifest | None:
    """A manifest in JSON of which some lines are good, read as the sheet of these; None: as strictly as ever.

    Lines that show documents have no sheet: such a manifest is taken whole or not at all.
    """
    if _is_good(value) or (rows := _rows_of_lines(value)) is None:
        return None
    try:
        table = read_table(rows, service.consignments.completing.known(client_share()))
    except CredentialError:
        return None  # what is wrong with it as JSON is told
    return table if table.manifest["lines"] else None


def _is_good(value: object) -> bool:
    try:
        return bool(Manifest.parse(value).lines)
    except CredentialError:
        return False


def _rows_of_lines(value: object) -> list[TableRow] | None:
    """The first row names the members; what is said of the whole manifest stands in every row."""
    if not isinstance(value, dict) or not isinstance(lines := value.get("lines"), list):
        return None
    if not lines or not all(isinstance(line, dict) and not line.keys() & _NO_CELLS for line in lines):
        return None
    head = {name: said for name, said in value.items() if name != "lines"}
    names = tuple(dict.fromkeys(chain(head, *lines)))
    rows = (tuple(_cell({**line, **head}.get(name)) for name in names) for line in lines)
    return [TableRow(0, names), *(TableRow(number, cells) for number, cells in enumerate(rows, 1))]


def _cell(value: object) -> str:
    if value is None or isinstance(value, str):
        return (value or "").strip()
    return json.dumps(value)


# -- what a sender calls columns -------------------------------------------------------------------------


def columns_asked(service: Service, unknown: UnknownColumns) -> ResponseReturnValue:
    """A person is asked what each column is; a program is told which are read."""
    if not form_sent():
        raise bad_request(unknown.code, str(unknown)) from unknown
    return _columns_page(service, unknown.unknown, 400)


def columns(service: Service) -> ResponseReturnValue:
    """What this sender calls columns."""
    return _columns_page(service, [], 200)


def call_columns(service: Service) -> ResponseReturnValue:
    """Remember what a sender calls columns; then the file is chosen once more."""
    names, meant = request.form.getlist("called"), request.form.getlist("meant")
    if len(names) != len(meant) or not all(0 < len(name) <= CALLED_CHARACTERS_MAX for name in names):
        raise bad_request("columns_unreadable", "Say of each column what it is, and send the form again.")
    service.consignments.completing.call(client_share(), dict(zip(names, meant, strict=True)))
    return see(url_for("manifest_files.columns"))


def _columns_page(service: Service, unknown: Sequence[str], status: int) -> ResponseReturnValue:
    called = service.consignments.completing.called(client_share())
    asked = [name for name in unknown if len(name) <= CALLED_CHARACTERS_MAX]
    return page("columns.html", status, unknown=asked, called=called)


# -- rows that were left out -----------------------------------------------------------------------------


def left_out(service: Service, consignment_id: str, form: str) -> ResponseReturnValue:
    """The rows that were left out, as the sheet they came from, with cell and reason."""
    if form not in ("csv", "xlsx"):
        raise not_found("no_such_template", "Rows that were left out are left-out.csv or left-out.xlsx.")
    rows = service.consignments.completing.handed_back(consignment_id, client_share(), words_for(service))
    head = next(rows)
    if form == "csv":
        return attachment(csv_of(chain([head], rows)), "left-out.csv", f"{CSV}; charset=utf-8")
    return attachment([workbook_of(chain([head], rows), SHEET)], "left-out.xlsx", XLSX)


def complete(service: Service, consignment_id: str) -> ResponseReturnValue:
    """Take rows that were mended into the consignment that was taken without them."""
    if form_sent():
        upload = request.files.get("file")
        data = upload.read() if upload is not None else b""
    else:
        data = raw_body()
    if not data.strip():
        raise bad_request("manifest_missing", "Choose the file with the rows that you corrected.")
    try:
        with service.consignments.reading(client_share(), len(data)):
            table = table_of(service, data)
            service.consignments.complete(consignment_id, table, client_name())
    except UnknownColumns as unknown:
        return columns_asked(service, unknown)
    path = url_for("consignments.consignment", consignment_id=consignment_id)
    if form_sent():
        return see(path)
    return json_reply(service.consignments.show(consignment_id, limit=0), 202)
