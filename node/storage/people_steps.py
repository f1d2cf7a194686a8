"""Steps of office.db that are about people: taken once in the life of a file, never edited."""

from __future__ import annotations

import sqlite_utils

from node.storage.schema_history import make_table


def office_17_accounts(db: sqlite_utils.Database) -> None:
    """People with names and roles, what lets each choose a passphrase, and who did what by account."""
    columns = {"account": str, "name": str, "reads": str, "roles": str, "scopes": str, "verifier": str}
    more = {"created": int, "made_by": str, "last_used": int, "ended": int}
    make_table(db, "accounts", {**columns, **more}, pk="account", optional=("last_used", "ended"))
    db.execute("CREATE UNIQUE INDEX accounts_reads ON accounts (reads) WHERE ended IS NULL")
    make_table(db, "invitations", {"hash": bytes, "account": str, "until": int}, pk="hash")
    db.table("sessions").add_column("account", str, not_null_default="")
    db.table("audit").add_column("account", str, not_null_default="")
    db.table("audit").add_column("ref", bytes)
    db.execute("CREATE INDEX audit_ref ON audit (ref) WHERE ref IS NOT NULL")


def office_28_identities(db: sqlite_utils.Database) -> None:
    """Whose account a provider names; kept once the account ended, so that it stays ended."""
    make_table(db, "identities", {"issuer": str, "subject": str, "account": str}, pk=("issuer", "subject"))
