"""The steps of ledger.db; `schema_steps.py` has those of the other two, and says what a step is."""

from __future__ import annotations

from hashlib import sha256

import sqlite_utils

from node.storage.entries import OF_OTHERS, OF_STATEMENTS
from node.storage.schema_history import History, make_index, make_table
from node.storage.standings import make_hashes, put_all_hashes
from node.storage.tiles import fill


def ledger_1_blocks_and_entries(db: sqlite_utils.Database) -> None:
    make_table(db, "meta", {"name": str, "value": bytes}, pk="name")
    make_table(
        db,
        "blocks",
        {
            **{"height": int, "id": bytes, "time": int, "app_hash": bytes},
            **{"block": bytes, "certificate": bytes, "frontier": bytes},
        },
        pk="height",
    )
    make_table(
        db,
        "entries",
        {
            **{"leaf_index": int, "leaf_hash": bytes, "height": int, "type": str, "kind": str},
            **{"issuer": str, "subject": bytes, "digest": bytes, "document_digest": bytes},
            **{"rule": str, "winner": int, "entry": bytes},
        },
        pk="leaf_index",
        optional=("kind", "issuer", "subject", "digest", "document_digest", "rule", "winner"),
    )
    for name, column in (
        ("entries_subject", "subject"),
        ("entries_digest", "digest"),
        ("entries_document", "document_digest"),
    ):
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON entries ({column}) WHERE {column} IS NOT NULL")
    db.execute("CREATE INDEX IF NOT EXISTS entries_evidence ON entries (leaf_index) WHERE type = 'evidence'")
    # With a rowid and a unique index: twice as fast to write as WITHOUT ROWID.
    make_table(db, "standings", {"subject": bytes, "value": bytes})
    make_index(db, "standings", "standings_subject", ["subject"], unique=True)
    make_table(db, "finals", {"digest": bytes, "height": int})
    make_index(db, "finals", "finals_digest", ["digest"], unique=True)
    make_table(db, "validators", {"height": int, "members": bytes}, pk="height")
    make_table(db, "checkpoints", {"size": int, "time": int, "first_note": str, "note": str}, pk="size")


def ledger_2_what_changed(db: sqlite_utils.Database) -> None:
    """Which records each block changed: a verdict may rest on a record that no leaf of its battery names."""
    db.execute(
        "CREATE TABLE changed (height INTEGER, subject BLOB, PRIMARY KEY (height, subject)) WITHOUT ROWID"
    )


def ledger_3_what_governs(db: sqlite_utils.Database) -> None:
    """Every record of what governs, as it was decided on: never changed, so any height can be asked for.

    A ledger from before had none: what governed it was genesis alone.
    """
    columns = {"height": int, "governs_from": int, "type": str, "name": str, "record": bytes}
    make_table(db, "governance", columns, pk=("height", "type", "name"))


def ledger_4_decisions(db: sqlite_utils.Database) -> None:
    """What became of proposals is found without a look at every leaf."""
    db.execute("CREATE INDEX entries_decisions ON entries (leaf_index) WHERE type = 'governance'")


def ledger_5_tiles(db: sqlite_utils.Database) -> None:
    """The tree of the log, of which opening reads the edge alone; policies without a look at each leaf."""
    make_table(db, "tiles", {"level": int, "number": int, "hashes": bytes}, pk=("level", "number"))
    db.execute("CREATE INDEX entries_policies ON entries (leaf_index) WHERE type = 'policy'")
    ((size,),) = db.execute("SELECT COALESCE(MAX(leaf_index) + 1, 0) FROM entries")
    fill(db.conn, 0, size)


def ledger_6_buckets(db: sqlite_utils.Database) -> None:
    """The hashes of the map of standings, and each record's digest: a start hashes no record.

    The index is unique no more: a key has one record because it is looked for before one is put in.
    """
    make_table(db, "buckets", {"number": int, "hashes": bytes}, pk="number")
    make_table(db, "bucket_changes", {"height": int, "total": int, "hashes": bytes}, pk="height")
    db.execute("ALTER TABLE standings ADD COLUMN digest BLOB NOT NULL DEFAULT x''")
    db.conn.create_function("record_digest", 1, lambda value: sha256(value).digest(), deterministic=True)
    db.execute("UPDATE standings SET digest = record_digest(value)")
    db.execute("DROP INDEX standings_subject")
    db.execute("CREATE INDEX standings_digest ON standings (subject, digest)")
    if db.table("standings").count:  # a ledger that begins has none, which needs no row
        put_all_hashes(db.conn, make_hashes(db.conn))


def ledger_7_finals(db: sqlite_utils.Database) -> None:
    """What is final stands in the entries, each once and found by its digest: the table said it again."""
    db.execute("DROP TABLE finals")
    db.execute("DROP INDEX entries_digest")
    db.execute(f"CREATE UNIQUE INDEX entries_digest ON entries (digest) WHERE {OF_STATEMENTS}")
    db.execute(f"CREATE INDEX entries_digest_others ON entries (digest) WHERE {OF_OTHERS}")


LEDGER = History(
    "ledger",
    ledger_1_blocks_and_entries,
    ledger_2_what_changed,
    ledger_3_what_governs,
    ledger_4_decisions,
    ledger_5_tiles,
    ledger_6_buckets,
    ledger_7_finals,
)
