"""The importer's readiness report as a file, and what is otherwise on another day."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Response, request
from flask.typing import ResponseReturnValue

from credentials.verdicts.verdict_record import CountedRecord, ReportRecord
from node.api.described import ReportShown, RequirementShown
from node.api.reply import attachment, client_name, words_for
from node.api.route import CSV, PDF
from node.errors import not_found
from node.pdf_pages import Paragraph, pdf_of
from node.service import Service
from node.sheets import XLSX, csv_of, workbook_of
from node.verdicts.export import in_words
from node.words import Words, when

NOT_VISIBLE = "not_visible"
COLUMNS = (
    "id",
    "requirement",
    "provision",
    "state",
    "due_from",
    "evidence",
    "by",
    "who",
    "action",
    "open_lines",
    "withheld_lines",
    "not_accepted",
)


def report_asked(service: Service, consignment_id: str, words: Words) -> ReportShown:
    """The report for the day that is asked for; `against`: with what each row is on that other day."""
    day, other = request.args.get("law_date") or None, request.args.get("against") or None
    report = service.consignments.report(consignment_id, day)
    if other is None:
        return report_shown(report, words)
    return report_shown(report, words, service.consignments.report(consignment_id, other))


def report_shown(report: ReportRecord, words: Words, other: ReportRecord | None = None) -> ReportShown:
    """In words, each state as whoever reads it may act on it."""
    states = {} if other is None else {row["id"]: _shown_as(row) for row in other["rows"]}
    told = words.report(report)
    rows: list[RequirementShown] = [
        {**row, "shown_as": _shown_as(row), "then": states.get(row["id"])} for row in told["rows"]
    ]
    return {**told, "rows": rows, "against": None if other is None else other["law_date"]}


def _shown_as(row: CountedRecord) -> str:
    withheld = bool(row["asks"]) and all(ask["why"] == "withheld" for ask in row["asks"])
    return NOT_VISIBLE if row["state"] == "open" and withheld else row["state"]


def report_file(service: Service, consignment_id: str, form: str) -> ResponseReturnValue:
    """The report as CSV or XLSX (a row a requirement, then the lines that are not counted) or as a PDF."""
    if form not in ("csv", "xlsx", "pdf"):
        raise not_found(
            "no_such_export",
            "A readiness report is exported as readiness.csv, readiness.xlsx or readiness.pdf.",
        )
    if form == "pdf":
        return _record(service, consignment_id)
    words = words_for(service)
    rows = _rows(report_asked(service, consignment_id, words), words)
    if form == "csv":
        return attachment(csv_of(rows), "readiness.csv", f"{CSV}; charset=utf-8")
    return attachment([workbook_of(in_words(rows, words), "Readiness")], "readiness.xlsx", XLSX)


def _rows(report: ReportShown, words: Words) -> Iterator[list[object]]:
    against = report["against"]
    yield [*COLUMNS, *([f"state_{against}"] if against else []), "law_date", "height"]
    for row in report["rows"]:
        cells = {
            **row,
            "state": words.sentence(f"readiness.{row['shown_as']}"),
            "evidence": ", ".join(row["evidence"].get("records", ())),
            "by": ", ".join(row["evidence"].get("by", ())),
            "open_lines": ", ".join(map(str, row["open_lines"])),
            "withheld_lines": ", ".join(map(str, row["withheld_lines"])),
        }
        then = row["then"]
        beside = [words.sentence(f"readiness.{then}") if then else ""] if against else []
        yield [*(cells[name] for name in COLUMNS), *beside, report["law_date"], report["height"]]
    for one in report["left_out"]:
        told = words.sentence("not_counted_line", {"line": one["line"], "battery": one["battery"]})
        yield ["", told, "", one["text"]]


def _record(service: Service, consignment_id: str) -> Response:
    """The report: its sentence, then each requirement with its state, who answers it, and who must act."""
    words = words_for(service)
    report = report_asked(service, consignment_id, words)
    name = service.consignments.show(consignment_id, limit=0)["declaration"] or consignment_id
    title = words.sentence("record.readiness", {"name": name})

    def written() -> Iterator[Paragraph]:
        yield Paragraph(title, 0)
        yield from judged_by(service, words)
        yield Paragraph(words.sentence("record.law_date", report))
        yield Paragraph(report["head"]["sentence"])
        for row in report["rows"]:
            yield Paragraph(f"{row['id']} {row['requirement']}", 1)
            state = words.sentence(f"readiness.{row['shown_as']}")
            yield Paragraph(f"{state}. {row['provision']}", 2, 12)
            if row["then"] and row["then"] != row["shown_as"]:
                then = {"day": report["against"], "state": words.sentence(f"readiness.{row['then']}")}
                yield Paragraph(words.sentence("page.readiness_then", then), 3, 12)
            if row["evidence"]:
                by = ", ".join(row["evidence"].get("by", ()))
                yield Paragraph(words.sentence("record.by", {"by": by}), 3, 12)
            if row["who"]:
                yield Paragraph(f"{row['who']}: {row['action'] or ''}", 2, 12)
        for one in report["left_out"]:
            told = words.sentence("not_counted_line", {"line": one["line"], "battery": one["battery"]})
            yield Paragraph(f"{told} {one['text']}", 3)

    return attachment(pdf_of(written(), title=title, foot=name), "readiness.pdf", PDF)


def judged_by(service: Service, words: Words) -> Iterator[Paragraph]:
    """Whose node says so, for whom it was saved, and when."""
    status = service.overview.status()
    who = {
        "name": status["name"],
        "did": status["participant"],
        "who": client_name(),
        "at": when(int(time.time())),
    }
    yield Paragraph(words.sentence("record.judged", who))
