"""Steps of office.db about webhooks and keys of requests; `schema_steps.py` says in which order."""

from __future__ import annotations

import sqlite_utils

from node.storage.schema_history import make_index, make_table


def office_21_webhooks(db: sqlite_utils.Database) -> None:
    """Posts to the endpoints of webhooks."""
    make_table(
        db,
        "webhook_posts",
        {
            **{"number": int, "endpoint": str, "topic": str, "id": str, "after": int, "body": bytes},
            **{"at": int, "state": str, "tries": int, "due": int, "because": str},
        },
        pk="number",
        defaults={"state": "waits", "tries": 0, "due": 0, "because": ""},
    )
    make_index(db, "webhook_posts", "webhook_posts_once", ["endpoint", "id"], unique=True)
    make_index(db, "webhook_posts", "webhook_posts_state", ["endpoint", "state", "due"])


def office_32_requests_by_key(db: sqlite_utils.Database) -> None:
    """What was asked for with an idempotency key, also what gave way, is found by the key."""
    columns, given = "issuances (idempotency_key)", "idempotency_key IS NOT NULL"
    db.execute(f"CREATE INDEX issuances_asked ON {columns} WHERE {given}")
