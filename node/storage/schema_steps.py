"""The steps of signing.db and office.db. A step is taken once in the life of a file: it is never edited.

SQL stands where sqlite-utils has no words. The first step takes over files from before there were versions.
"""

from __future__ import annotations

from zlib import crc32

import orjson
import sqlite_utils

from node.storage.found_by import CONSIGNMENTS, PASSPORTS, consignment_text, passport_text
from node.storage.line_steps import (
    office_19_rows_left_out,
    office_20_reasons_of_lines,
    office_26_jobs_by_client,
    office_30_line_answers,
)
from node.storage.oversight_steps import (
    office_15_alerts,
    office_18_attempts,
    office_22_cases,
    office_23_reports_are_letters,
    office_24_tallies,
    office_25_requested_sets,
    office_27_throughput,
    office_29_lot_amounts,
    office_31_presented,
)
from node.storage.people_steps import office_17_accounts, office_28_identities
from node.storage.schema_history import History, make_index, make_table
from node.storage.webhook_steps import office_21_webhooks, office_32_requests_by_key

# -- signing.db --------------------------------------------------------------------------------------------


def signing_1_guards_and_wal(db: sqlite_utils.Database) -> None:
    make_table(db, "wal", {"seq": int, "height": int, "record": bytes}, pk="seq")
    make_table(
        db,
        "guard",
        {"height": int, "round": int, "kind": str, "record": bytes},
        pk=("height", "round", "kind"),
    )
    for columns in (
        "cosign_guard (#, size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL)",
        "highest (#, height INTEGER NOT NULL, round INTEGER NOT NULL, kind TEXT NOT NULL)",
        "withheld (#, reason TEXT NOT NULL, height INTEGER NOT NULL, size INTEGER NOT NULL)",
        "allowed (#, height INTEGER NOT NULL, size INTEGER NOT NULL)",
    ):
        one_row = columns.replace("#", "id INTEGER PRIMARY KEY CHECK (id = 1)")
        db.execute(f"CREATE TABLE IF NOT EXISTS {one_row}")


def signing_2_epoch(db: sqlite_utils.Database) -> None:
    """What office.db must say as well, or one of the two did not run last (`ledger_follower.py`)."""
    db.execute("CREATE TABLE epoch (id INTEGER PRIMARY KEY CHECK (id = 1), token BLOB NOT NULL)")


def signing_3_whose_it_is(db: sqlite_utils.Database) -> None:
    """Network and participant, as in the other two: what another signed is no guard of ours."""
    make_table(db, "meta", {"name": str, "value": bytes}, pk="name")


# What each row of signing.db is summed over: a bit of a guard that flipped would let another one be signed.
SUMMED = {
    "wal": "height, record",
    "guard": "height, round, kind, record",
    "highest": "height, round, kind",
    "withheld": "reason, height, size",
    "allowed": "height, size",
    "cosign_guard": "size, root, time",
}


def summed(*values: int | str | bytes) -> int:
    """The sum of a row of signing.db."""
    return crc32(repr(values).encode())


def signing_4_sums(db: sqlite_utils.Database) -> None:
    """What tells a row from one of which a bit flipped on the disk."""
    db.conn.create_function("summed", -1, summed, deterministic=True)
    for table, columns in SUMMED.items():
        db.table(table).add_column("crc", int, not_null_default=0)
        db.execute(f"UPDATE {table} SET crc = summed({columns})")


# -- office.db ---------------------------------------------------------------------------------------------


def office_1_records(db: sqlite_utils.Database) -> None:
    make_table(db, "meta", {"name": str, "value": bytes}, pk="name")
    _documents(db)
    _outbox(db)
    _issuing(db)
    _consignments(db)
    _access(db)


def _documents(db: sqlite_utils.Database) -> None:
    make_table(
        db,
        "documents",
        {
            **{"digest": bytes, "kind": str, "body": bytes, "battery": str, "issuer": str},
            **{"point": int, "set_digest": bytes, "credential_id": str, "fetched_at": int},
        },
        optional=("battery", "point", "set_digest", "credential_id", "fetched_at"),
    )
    make_index(db, "documents", "documents_digest", ["digest"], unique=True)
    for name, column in (
        ("documents_set", "set_digest"),
        ("documents_battery", "battery"),
        ("documents_credential", "credential_id"),
    ):
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON documents ({column}) WHERE {column} IS NOT NULL")


def _outbox(db: sqlite_utils.Database) -> None:
    make_table(
        db,
        "outbox",
        {
            **{"number": int, "digest": bytes, "data": bytes, "kind": str, "battery": str, "subject": bytes},
            **{"document_digest": bytes, "created": int, "state": str, "height": int, "leaf_index": int},
            **{"rule": str, "winner": int, "reason": str, "receipted_at": int},
        },
        pk="number",
        optional=(
            *("battery", "subject", "height", "leaf_index"),
            *("rule", "winner", "reason", "receipted_at"),
        ),
        defaults={"state": "outbox"},
    )
    make_index(db, "outbox", "outbox_digest", ["digest"], unique=True)
    db.execute("CREATE INDEX IF NOT EXISTS outbox_open ON outbox (state) WHERE receipted_at IS NULL")
    make_index(db, "outbox", "outbox_document", ["document_digest"])
    make_index(db, "outbox", "outbox_battery", ["battery", "kind"])


def _issuing(db: sqlite_utils.Database) -> None:
    make_table(
        db,
        "issuances",
        {
            **{"number": int, "digest": bytes, "battery": str, "version": int, "category": str},
            **{"claims_digest": bytes, "idempotency_key": str, "signed_at": int, "published": bytes},
            **{"produced": bytes, "status_index": int},
        },
        pk="number",
        optional=("idempotency_key", "produced"),
    )
    make_index(db, "issuances", "issuances_digest", ["digest"], unique=True)
    make_index(db, "issuances", "issuances_key", ["idempotency_key"], unique=True)
    make_index(db, "issuances", "issuances_claims", ["battery", "claims_digest"], unique=True)
    make_table(
        db,
        "status_lists",
        {"name": str, "purpose": str, "next_index": int},
        pk="name",
        defaults={"next_index": 0},
    )
    make_table(db, "status_bits", {"name": str, "place": int}, pk=("name", "place"))
    make_table(
        db,
        "status_versions",
        {"name": str, "seq": int, "digest": bytes, "attestation": bytes},
        pk=("name", "seq"),
    )


def _consignments(db: sqlite_utils.Database) -> None:
    make_table(
        db,
        "consignments",
        {
            **{"number": int, "id": str, "declaration": str, "manifest": bytes, "manifest_digest": bytes},
            **{"consignee_eori": str, "direction": str, "law_date": str, "created": int},
            **{"evaluated_at": int, "height": int, "block_time": int},
            **{"state": str, "lines": int, "done": int},
        },
        pk="number",
        optional=("consignee_eori", "direction", "evaluated_at", "height", "block_time"),
        defaults={"state": "queued", "done": 0},
    )
    make_index(db, "consignments", "consignments_id", ["id"], unique=True)
    make_table(
        db,
        "items",
        {"consignment": str, "line": int, "seq": int, "verdict": str, "body": bytes},
        pk=("consignment", "line"),
    )


def _access(db: sqlite_utils.Database) -> None:
    make_table(
        db,
        "keys",
        {"hash": bytes, "name": str, "scopes": str, "created": int, "last_used": int},
        pk="hash",
        optional=("last_used",),
    )
    make_table(
        db,
        "links",
        {"hash": bytes, "scopes": str, "next": str, "created": int, "used": int},
        pk="hash",
        optional=("used",),
    )
    make_table(
        db,
        "sessions",
        {"hash": bytes, "name": str, "scopes": str, "created": int, "expires": int},
        pk="hash",
    )


def office_2_following_the_ledger(db: sqlite_utils.Database) -> None:
    """What the office cannot know again, which lists it must not serve; by subject, to follow the ledger."""
    db.create_table(
        "findings",
        {"code": str, "about": str, "since": int, "parameters": str},
        pk=("code", "about"),
        not_null=("code", "about", "since", "parameters"),
    )
    db.table("status_lists").add_column("withheld", str)
    db.execute("CREATE INDEX outbox_subject ON outbox (subject) WHERE subject IS NOT NULL")


def office_3_aside_audit_and_names(db: sqlite_utils.Database) -> None:
    """What was set aside; who did what; whose key, link, session and manifest each is."""
    make_table(
        db,
        "set_aside",
        {"number": int, "what": str, "ref": str, "because": str, "at": int, "tries": int, "again": int},
        pk="number",
    )
    make_index(db, "set_aside", "set_aside_ref", ["what", "ref"], unique=True)
    make_table(db, "audit", {"number": int, "at": int, "who": str, "did": str, "about": str}, pk="number")
    for act in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END"
        )
    db.table("consignments").add_column("client", str, not_null_default="")
    for table in ("keys", "links", "sessions"):
        db.table(table).add_column("made_by", str, not_null_default="")
    db.table("links").add_column("name", str, not_null_default="")
    db.table("keys").add_column("revoked", int)


def office_4_lines_that_are_watched(db: sqlite_utils.Database) -> None:
    """By what a judged line is found when the ledger learns something that would change its word.

    A line from before keeps its verdict until its consignment is uploaded again: it says at which height.
    """
    items = db.table("items")
    for column in ("subject", "namespace", "issuer", "was"):
        items.add_column(column, bytes if column == "subject" else str)
        db.execute(f"CREATE INDEX items_{column} ON items ({column}) WHERE {column} IS NOT NULL")
    items.add_column("stale", int, not_null_default=0)
    items.add_column("settled", int, not_null_default=0)
    db.execute("CREATE INDEX items_stale ON items (stale) WHERE stale != 0")
    make_index(db, "consignments", "consignments_declaration", ["declaration"])


def office_5_what_declarations_name(db: sqlite_utils.Database) -> None:
    """Which declarations name which batteries; those from before are named once they are uploaded again."""
    columns = {"number": int, "line": int, "declaration": str, "battery": str}
    make_table(db, "declared", columns, pk=("number", "line"))
    make_index(db, "declared", "declared_battery", ["battery", "declaration", "number"])
    make_index(db, "declared", "declared_declaration", ["declaration", "number"])


def office_6_lines_by_time(db: sqlite_utils.Database) -> None:
    """When time alone may change a line's word; a line from before waits for the ledger, as it did."""
    db.table("items").add_column("due", int)
    db.execute("CREATE INDEX items_due ON items (due) WHERE due IS NOT NULL")


def office_7_what_else_lines_rest_on(db: sqlite_utils.Database) -> None:
    """Further codes of a line's battery, and whose lists its documents name; put as lines are judged."""
    columns = {"consignment": str, "line": int, "kind": str, "value": bytes}
    make_table(db, "rests_on", columns, pk=("consignment", "line", "kind", "value"))
    make_index(db, "rests_on", "rests_on_value", ["kind", "value"])


def office_8_what_decisions_reached(db: sqlite_utils.Database) -> None:
    """Which open lines rested on what a decision changed, the word of each before it and after it."""
    counts = {"leaf": int, "proposal": bytes, "at": int, "lines": int, "consignments": int}
    make_table(db, "decisions_reached", counts, pk="leaf")
    make_index(db, "decisions_reached", "decisions_reached_proposal", ["proposal"])
    columns = {"leaf": int, "consignment": str, "line": int, "was": str, "was_reason": str}
    judged = ("verdict", "reason")
    kinds: dict[str, type] = {**columns, **dict.fromkeys(judged, str)}
    make_table(db, "lines_reached", kinds, pk=("leaf", "consignment", "line"), optional=judged)
    make_index(db, "lines_reached", "lines_reached_line", ["consignment", "line"])


def office_9_passports_issued_again(db: sqlite_utils.Database) -> None:
    """A passport that came to nothing gives way: its claims and its idempotency key are free again."""
    db.table("issuances").add_column("gave_way", int, not_null_default=0)
    for name, columns in (
        ("issuances_key", "idempotency_key"),
        ("issuances_claims", "battery, claims_digest"),
    ):
        db.execute(f"DROP INDEX {name}")
        db.execute(f"CREATE UNIQUE INDEX {name} ON issuances ({columns}) WHERE gave_way = 0")


def office_10_what_waits_to_be_judged(db: sqlite_utils.Database) -> None:
    """What is to be judged is found without a look at all that was: asked at each turn and manifest.

    `state` is in it, so that no row is read for it: that lies behind the manifest.
    """
    db.execute(
        "CREATE INDEX consignments_waiting ON consignments (client, lines, done, state) "
        "WHERE state IN ('queued', 'running')"
    )


def office_11_manifests_apart(db: sqlite_utils.Database) -> None:
    """Of a consignment the small columns alone are in its row: SQLite reads and writes a row in whole.

    A list of fifty read all their manifests, and each few lines that were judged wrote the manifest again.
    """
    make_table(db, "manifests", {"consignment": str, "manifest": bytes}, pk="consignment")
    db.execute("INSERT INTO manifests SELECT id, manifest FROM consignments")
    db.execute("ALTER TABLE consignments DROP COLUMN manifest")


def office_12_whose_share(db: sqlite_utils.Database) -> None:
    """In whose share keys, links and sessions are: "" is their own; or their maker's, if no operator."""
    for table in ("keys", "links", "sessions"):
        db.table(table).add_column("share", str, not_null_default="")
        db.execute(
            f"UPDATE {table} SET share = made_by "
            "WHERE made_by NOT IN ('', 'operator', 'operator at the machine')"
        )


def office_13_found_by_words(db: sqlite_utils.Database) -> None:
    """What passports and consignments are found by, with an index of it; for those of before as well.

    In tables of their own: a trigger on what is listed would index it anew with each line that is judged.
    """
    for name in (PASSPORTS, CONSIGNMENTS):
        make_table(db, name, {"number": int, "text": str}, pk="number")
    for number, battery, category, body in db.execute(
        "SELECT i.number, i.battery, i.category, d.body FROM issuances i LEFT JOIN documents d "
        "ON d.set_digest = i.digest AND d.point = 1"
    ):
        text = passport_text(battery, category, _member(body, "credentialSubject"))
        db.execute(f"INSERT OR IGNORE INTO {PASSPORTS} VALUES (?, ?)", (number, text))
    for number, made, declaration, eori, body in db.execute(
        "SELECT number, id, declaration, consignee_eori, manifest FROM consignments "
        "LEFT JOIN manifests ON consignment = id"
    ):
        lines = _member(body, "lines")
        text = consignment_text(made, declaration, eori, lines if isinstance(lines, list) else ())
        db.execute(f"INSERT INTO {CONSIGNMENTS} VALUES (?, ?)", (number, text))
    for name in (PASSPORTS, CONSIGNMENTS):
        db.table(name).enable_fts(["text"], create_triggers=True, tokenize="trigram")


def office_14_sums(db: sqlite_utils.Database) -> None:
    """What tells a document, a verdict and a manifest from one of which a bit flipped on the disk."""
    db.conn.create_function("crc32", 1, crc32, deterministic=True)
    for table, column in (("documents", "body"), ("items", "body"), ("manifests", "manifest")):
        db.table(table).add_column("crc", int, not_null_default=0)
        db.execute(f"UPDATE {table} SET crc = crc32({column})")


def office_16_jobs(db: sqlite_utils.Database) -> None:
    """Jobs over many rows, each row with what became of it; models whose passports they issue."""
    make_table(
        db,
        "jobs",
        {
            **{"number": int, "id": str, "kind": str, "name": str, "client": str, "key": str},
            **{"asked": bytes, "spec": bytes, "state": str, "rows": int, "created": int, "ended": int},
        },
        pk="number",
        optional=("key", "ended"),
    )
    make_index(db, "jobs", "jobs_id", ["id"], unique=True)
    db.execute("CREATE UNIQUE INDEX jobs_key ON jobs (client, key) WHERE key IS NOT NULL")
    make_table(
        db,
        "job_rows",
        {
            **{"job": int, "row": int, "line": int, "data": bytes, "state": str},
            **{"battery": str, "digest": bytes, "problem": bytes},
        },
        pk=("job", "row"),
        optional=("battery", "digest", "problem"),
    )
    make_index(db, "job_rows", "job_rows_state", ["job", "state", "row"])
    db.execute("CREATE INDEX job_rows_battery ON job_rows (job, battery) WHERE battery IS NOT NULL")
    make_table(db, "models", {"name": str, "body": bytes, "changed": int}, pk="name")


def _member(body: bytes | None, name: str) -> object:
    """A member of a stored JSON object; None where there is none."""
    try:
        value = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return None
    return value.get(name) if isinstance(value, dict) else None


SIGNING = History("signing", signing_1_guards_and_wal, signing_2_epoch, signing_3_whose_it_is, signing_4_sums)
OFFICE = History(
    "office",
    office_1_records,
    office_2_following_the_ledger,
    office_3_aside_audit_and_names,
    office_4_lines_that_are_watched,
    office_5_what_declarations_name,
    office_6_lines_by_time,
    office_7_what_else_lines_rest_on,
    office_8_what_decisions_reached,
    office_9_passports_issued_again,
    office_10_what_waits_to_be_judged,
    office_11_manifests_apart,
    office_12_whose_share,
    office_13_found_by_words,
    office_14_sums,
    office_15_alerts,
    office_16_jobs,
    office_17_accounts,
    office_18_attempts,
    office_19_rows_left_out,
    office_20_reasons_of_lines,
    office_21_webhooks,
    office_22_cases,
    office_23_reports_are_letters,
    office_24_tallies,
    office_25_requested_sets,
    office_26_jobs_by_client,
    office_27_throughput,
    office_28_identities,
    office_29_lot_amounts,
    office_30_line_answers,
    office_31_presented,
    office_32_requests_by_key,
)
