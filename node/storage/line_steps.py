"""Steps of office.db about lines of consignments and jobs: taken once in the life of a file, never edited."""

from __future__ import annotations

import sqlite_utils

from node.storage.schema_history import make_index, make_table


def office_19_rows_left_out(db: sqlite_utils.Database) -> None:
    """Rows of a table that are no lines, as they were sent; what each sender calls the columns."""
    texts: dict[str, type] = dict(sentence=str, parameters=bytes)
    columns = {"consignment": str, "row": int, "number": int, "cell": str, "cells": bytes, **texts}
    make_table(db, "rows_left_out", columns, pk=("consignment", "row"))
    make_table(db, "columns_sent", {"consignment": str, "columns": bytes}, pk="consignment")
    called = {"number": int, "client": str, "called": str, "meant": str}
    make_table(db, "columns_called", called, pk="number")
    make_index(db, "columns_called", "columns_called_client", ["client", "called"], unique=True)


def office_20_reasons_of_lines(db: sqlite_utils.Database) -> None:
    """Lines by word and reason: a page of them, or how many have one, reads no verdict but its own."""
    db.table("items").add_column("reason", str, not_null_default="")
    db.execute(
        "UPDATE items SET reason = COALESCE(json_extract(CAST(body AS TEXT), '$.reason'), '') "
        "WHERE json_valid(CAST(body AS TEXT))"
    )
    make_index(db, "items", "items_reason", ["consignment", "line", "verdict", "reason"])


def office_26_jobs_by_client(db: sqlite_utils.Database) -> None:
    """Whose turn it is reads no job but the oldest of each client."""
    make_index(db, "jobs", "jobs_waiting", ["state", "client"])


def office_30_line_answers(db: sqlite_utils.Database) -> None:
    """What judged lines answer of a report's requirements."""
    columns = {"consignment": str, "line": int, "body": bytes, "crc": int}
    make_table(db, "line_answers", columns, pk=("consignment", "line"))
