"""Manifests as files: tables read in whichever form they come, and an empty one to fill in."""

from __future__ import annotations

from typing import Any

from flask.typing import ResponseReturnValue

from credentials.errors import CredentialError
from credentials.verdicts.manifest_csv import COLUMNS, manifest_of_rows
from node.api.reply import attachment
from node.api.route import CSV
from node.errors import bad_request, not_found
from node.service import Service
from node.sheets import XLSX, csv_of, rows_of, workbook_of

SHEET = "Manifest"


def template(service: Service, form: str) -> ResponseReturnValue:
    """A table with the names of the columns and nothing below them."""
    if form == "csv":
        return attachment(csv_of([tuple(COLUMNS)]), "manifest.csv", f"{CSV}; charset=utf-8")
    if form == "xlsx":
        return attachment([workbook_of([tuple(COLUMNS)], SHEET)], "manifest.xlsx", XLSX)
    raise not_found("no_such_template", "An empty manifest is manifest.csv or manifest.xlsx.")


def manifest_of_table(data: bytes) -> Any:
    """The manifest that a table is, whole or not at all."""
    try:
        return manifest_of_rows(rows_of(data))
    except CredentialError as error:
        raise bad_request(error.code, str(error)) from error
