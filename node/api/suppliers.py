"""What is on record about suppliers, one or two side by side: a page, JSON, CSV and XLSX."""

from __future__ import annotations

from collections.abc import Iterator

from flask import request
from flask.typing import ResponseReturnValue

from node.api.reply import attachment, reply, words_for
from node.api.route import CSV
from node.errors import not_found
from node.service import Service
from node.sheets import XLSX, csv_of, workbook_of
from node.use_cases.supplier_audit import SuppliersRecord
from node.verdicts.export import in_words
from node.words import Words, when


def suppliers(service: Service) -> ResponseReturnValue:
    """Figures of one or two suppliers, each with what it is computed from."""
    found = _asked(service)
    return reply(found, "suppliers.html", found=found)


def suppliers_file(service: Service, form: str) -> ResponseReturnValue:
    """The same as a file: a row a figure, a column a supplier."""
    if form not in ("csv", "xlsx"):
        raise not_found("no_such_export", "Suppliers are exported as suppliers.csv or suppliers.xlsx.")
    words = words_for(service)
    rows = _rows(_asked(service), words)
    if form == "csv":
        return attachment(csv_of(rows), "suppliers.csv", f"{CSV}; charset=utf-8")
    return attachment([workbook_of(in_words(rows, words), "Suppliers")], "suppliers.xlsx", XLSX)


def _asked(service: Service) -> SuppliersRecord:
    return service.supplier_audit.of([did for did in request.args.getlist("party") if did])


def _rows(found: SuppliersRecord, words: Words) -> Iterator[list[object]]:
    shown = found["suppliers"]
    heads = [f"{one['name']} ({one['did']})" for one in shown]
    yield ["figure", "unit", *heads, *(f"of: {head}" for head in heads), "from", "height", "evaluated_at"]
    for place, figure in enumerate(shown[0]["figures"] if shown else ()):
        beside = [one["figures"][place] for one in shown]
        values = [
            words.sentence("supplier_unknown") if one["value"] is None else one["value"] for one in beside
        ]
        yield [
            words.sentence(f"supplier.{figure['name']}"),
            figure["unit"],
            *values,
            *(one["of"] for one in beside),
            words.sentence(f"supplier_from.{figure['source']}"),
            found["height"],
            when(found["evaluated_at"]),
        ]
