"""Steps of office.db that keep what authorities see; `schema_steps.py` says in which order they are taken."""

from __future__ import annotations

import sqlite_utils

from node.storage.schema_history import make_index, make_table


def office_15_alerts(db: sqlite_utils.Database) -> None:
    """What the ledger alerts this party to, and what became of it; the log is looked at from leaf 0."""
    texts = ("code", "rule", "party", "namespace", "facility", "sides", "because", "parameters", "relied")
    handled = ("state", "assigned", "case_ref", "note", "handled_by")
    make_table(
        db,
        "alerts",
        {
            **{"number": int, "id": bytes, "seq": int, "code": str, "weight": int},
            **{"rule": str, "party": str, "namespace": str, "facility": str, "subject": bytes},
            **{"battery": str, "document": bytes, "sides": str, "because": str, "parameters": str},
            **{"relied": str, "leaf": int, "last_leaf": int, "height": int, "at": int, "times": int},
            **dict.fromkeys(handled, str),
            "handled_at": int,
        },
        pk="number",
        optional=("subject", "battery", "document", "handled_at"),
        defaults={**dict.fromkeys((*texts, *handled), ""), "state": "open"},
    )
    make_index(db, "alerts", "alerts_id", ["id"], unique=True)
    make_index(db, "alerts", "alerts_seq", ["seq"], unique=True)
    make_index(db, "alerts", "alerts_subject", ["subject"])
    columns = {"alert": int, "leaf": int, "subject": bytes}
    make_table(db, "alert_leaves", columns, pk=("alert", "leaf"), optional=("subject",))
    make_index(db, "alert_leaves", "alert_leaves_subject", ["subject"])
    make_table(db, "alert_looks", {"who": str, "seq": int, "at": int}, pk="who")


def office_18_attempts(db: sqlite_utils.Database) -> None:
    """What was refused for want of a licence, as refusers signed it: told here, or waiting to be told."""
    make_table(
        db,
        "attempts",
        {
            **{"number": int, "digest": bytes, "refuser": str, "told": str, "code": str, "party": str},
            **{"kind": str, "subject": bytes, "at": int, "report": bytes},
            **{"state": str, "tries": int, "due": int},
        },
        pk="number",
    )
    make_index(db, "attempts", "attempts_once", ["digest", "refuser", "told"], unique=True)
    make_index(db, "attempts", "attempts_waiting", ["state", "due"])


def office_22_cases(db: sqlite_utils.Database) -> None:
    """Cases with each statement as its author signed it, and letters that wait to be taken by other nodes."""
    make_table(
        db,
        "cases",
        {
            **{"number": int, "id": bytes, "side": str, "opener": str, "accused": str, "subject": bytes},
            **{"battery": str, "opened_at": int, "due_until": int, "state": str, "outcome": str},
            **{"ended_at": int, "changed": int},
        },
        pk="number",
        optional=("subject", "ended_at"),
    )
    make_index(db, "cases", "cases_id", ["id"], unique=True)
    make_index(db, "cases", "cases_opener", ["opener"])
    make_index(db, "cases", "cases_subject", ["subject"])
    columns = {"number": int, "case_id": bytes, "digest": bytes, "author": str, "act": str, "at": int}
    make_table(db, "case_statements", {**columns, "data": bytes}, pk="number")
    make_index(db, "case_statements", "case_statements_once", ["digest"], unique=True)
    make_index(db, "case_statements", "case_statements_case", ["case_id"])
    make_table(
        db,
        "letters",
        {
            **{"number": int, "path": str, "digest": bytes, "told": str, "at": int, "data": bytes},
            **{"state": str, "tries": int, "due": int},
        },
        pk="number",
    )
    make_index(db, "letters", "letters_once", ["digest", "told"], unique=True)
    make_index(db, "letters", "letters_waiting", ["state", "due"])


def office_23_reports_are_letters(db: sqlite_utils.Database) -> None:
    """Reports of attempts for others become letters, waiting or not; what is told here stays, by number."""
    for index in ("letters_once", "letters_waiting", "attempts_once", "attempts_waiting"):
        db.execute(f"DROP INDEX {index}")
    make_index(db, "letters", "letters_once", ["path", "digest", "told"], unique=True)
    make_index(db, "letters", "letters_waiting", ["state", "due", "path", "told"])
    make_index(db, "letters", "letters_path", ["path"])
    db.execute(
        "INSERT INTO letters (path, digest, told, at, data, state, tries, due) "
        "SELECT 'attempts', digest, told, at, report, state, tries, due FROM attempts "
        "WHERE told != '' ORDER BY number"
    )
    db.execute("DELETE FROM attempts WHERE told != ''")
    db.table("attempts").transform(drop={"told", "state", "tries", "due"})
    make_index(db, "attempts", "attempts_once", ["digest", "refuser"], unique=True)


def office_24_tallies(db: sqlite_utils.Database) -> None:
    """What each party recorded, by licence, event and month: the log is counted from leaf 0."""
    names = {"month": int, **dict.fromkeys(("side", "home", "party", "facility", "kind"), str)}
    make_table(
        db,
        "tallies",
        {**names, "events": int, "grams": int},
        pk=("month", "party", "facility", "side", "kind"),
    )


def office_25_requested_sets(db: sqlite_utils.Database) -> None:
    """Requests to be shown sets of passports with their answers, and which sets were handed to whom."""
    make_table(
        db,
        "set_requests",
        {
            **{"number": int, "id": bytes, "asker": str, "asked": str, "at": int, "ground": str},
            **{"why": str, "sets": bytes, "about": str, "consignment": str, "requirement": str},
            **{"data": bytes, "state": str, "answer_text": str, "answered_at": int, "answer": bytes},
        },
        pk="number",
        optional=("answered_at", "answer"),
    )
    make_index(db, "set_requests", "set_requests_id", ["id"], unique=True)
    make_index(db, "set_requests", "set_requests_pair", ["asker", "asked"])
    make_index(db, "set_requests", "set_requests_waiting", ["asked", "state"])
    make_index(db, "set_requests", "set_requests_consignment", ["consignment"])
    make_table(db, "handed_sets", {"digest": bytes, "party": str, "at": int}, pk=("digest", "party"))
    make_index(db, "handed_sets", "handed_sets_party", ["party"])


def office_27_throughput(db: sqlite_utils.Database) -> None:
    """What each facility handled, by the month in which it happened: the log is counted from leaf 0."""
    names = {"month": int, **dict.fromkeys(("party", "facility", "kind"), str)}
    columns = {**names, "batteries": int, "grams": int}
    make_table(db, "throughput", columns, pk=("month", "party", "facility", "kind"))
    make_index(db, "throughput", "throughput_licence", ["party", "facility"])


def office_29_lot_amounts(db: sqlite_utils.Database) -> None:
    """What was recovered of metals, put into lots and named by new batteries: looked at from leaf 0."""
    names = dict.fromkeys(("what", "author", "owner", "lot", "metal"), str)
    make_table(db, "lot_amounts", {"leaf": int, "battery": bytes, **names, "grams": int})
    make_index(db, "lot_amounts", "lot_amounts_lot", ["owner", "lot", "metal"])
    make_index(db, "lot_amounts", "lot_amounts_battery", ["battery"])
    make_index(db, "lot_amounts", "lot_amounts_leaf", ["leaf"])
    db.execute("DELETE FROM meta WHERE name = 'lots_looked'")


def office_31_presented(db: sqlite_utils.Database) -> None:
    """Own presentations of batteries by time: for so long the registry offers the proof of a registration."""
    db.execute("CREATE INDEX outbox_presented ON outbox (created) WHERE kind = 'battery.presented'")
