"""People's accounts as rows, and what lets one choose a passphrase. A passphrase is known by its verifier."""

from __future__ import annotations

from dataclasses import dataclass

from node.storage.database import Database, Transaction, marks

OF_NOBODY = ""  # in an invitation: whoever opens it names the first account


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One person at this node, by an opaque id that is never given again.

    `reads` is the name as it is compared; `roles` and `scopes` are words with blanks between them; `verifier`
    is argon2id's, "" before a passphrase was chosen.
    """

    account: str
    name: str
    reads: str
    roles: str
    scopes: str
    verifier: str
    created: int
    made_by: str
    last_used: int | None
    ended: int | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session of an account; `hashed` is the hash of its secret, and opens nothing."""

    hashed: bytes
    created: int
    expires: int


_COLUMNS = "account, name, reads, roles, scopes, verifier, created, made_by, last_used, ended"


class AccountTable:
    """Accounts of one node, with their invitations and sessions."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def listing(self) -> list[AccountRow]:
        """Those in use by name, then those that ended and are kept."""
        rows = self._db.connection.execute(
            f"SELECT {_COLUMNS} FROM accounts ORDER BY ended IS NOT NULL, ended DESC, reads"
        )
        return [AccountRow(*row) for row in rows]

    def by_name(self, reads: str) -> AccountRow | None:
        """The account in use that has this name."""
        return _one(self._db.connection, "reads = ?", reads)

    def by_id(self, account: str) -> AccountRow | None:
        """The account in use with this id."""
        return _one(self._db.connection, "account = ?", account)

    @staticmethod
    def named(db: Transaction, reads: str) -> bool:
        """Whether an account in use has this name."""
        return _one(db, "reads = ?", reads) is not None

    @staticmethod
    def held_by(db: Transaction, reads: str) -> AccountRow | None:
        """The account in use that has this name, as it is in this transaction."""
        return _one(db, "reads = ?", reads)

    @staticmethod
    def in_use(db: Transaction, account: str) -> AccountRow | None:
        """The account in use with this id, as it is in this transaction."""
        return _one(db, "account = ?", account)

    @staticmethod
    def count(db: Transaction) -> int:
        """How many are in use."""
        found: int = db.execute("SELECT COUNT(*) FROM accounts WHERE ended IS NULL").fetchone()[0]
        return found

    def ever(self) -> bool:
        """Whether there was ever an account."""
        return self._db.connection.execute("SELECT 1 FROM accounts LIMIT 1").fetchone() is not None

    @staticmethod
    def put(db: Transaction, row: AccountRow) -> None:
        db.execute(
            f"INSERT INTO accounts ({_COLUMNS}) VALUES ({marks(10)})",
            (
                *(row.account, row.name, row.reads, row.roles, row.scopes, row.verifier),
                *(row.created, row.made_by, row.last_used, row.ended),
            ),
        )

    @staticmethod
    def put_roles(db: Transaction, account: str, roles: str, scopes: str) -> None:
        """Other roles of an account in use, and what they open."""
        db.execute(
            "UPDATE accounts SET roles = ?, scopes = ? WHERE account = ? AND ended IS NULL",
            (roles, scopes, account),
        )

    @staticmethod
    def choose(db: Transaction, account: str, verifier: str, before: str | None = None) -> bool:
        """A passphrase for an account in use, if it has the one that was asked for before; whether it was."""
        done = db.execute(
            "UPDATE accounts SET verifier = :verifier WHERE account = :account AND ended IS NULL "
            "AND (:before IS NULL OR verifier = :before)",
            {"verifier": verifier, "account": account, "before": before},
        )
        return done.rowcount == 1

    @staticmethod
    def touch(db: Transaction, account: str, verifier: str, now: int) -> bool:
        """It is signed in to; False where it ended, or has another passphrase, since that was looked up."""
        done = db.execute(
            "UPDATE accounts SET last_used = ? WHERE account = ? AND verifier = ? AND ended IS NULL",
            (now, account, verifier),
        )
        return done.rowcount == 1

    @staticmethod
    def end(db: Transaction, account: str, now: int, kept: int) -> None:
        """Nobody signs in to it again; of those that ended the last `kept` are listed."""
        db.execute("UPDATE accounts SET ended = ?, verifier = '' WHERE account = ?", (now, account))
        db.execute("DELETE FROM invitations WHERE account = ?", (account,))
        db.execute(
            "DELETE FROM accounts WHERE account IN (SELECT account FROM accounts WHERE ended IS NOT NULL "
            "ORDER BY ended DESC, rowid DESC LIMIT -1 OFFSET ?)",
            (kept,),
        )

    # -- identity providers ----------------------------------------------------------------------------

    @staticmethod
    def provided_for(db: Transaction, issuer: str, subject: str) -> str | None:
        """The account of whom a provider calls `subject`, whether or not it ended."""
        row = db.execute(
            "SELECT account FROM identities WHERE issuer = ? AND subject = ?", (issuer, subject)
        ).fetchone()
        return None if row is None else str(row[0])

    @staticmethod
    def put_identity(db: Transaction, issuer: str, subject: str, account: str) -> None:
        row = (issuer, subject, account)
        db.execute("INSERT INTO identities (issuer, subject, account) VALUES (?, ?, ?)", row)

    @staticmethod
    def is_provided(db: Transaction, account: str) -> bool:
        """Whether a provider names whose account this is."""
        found = db.execute("SELECT 1 FROM identities WHERE account = ?", (account,)).fetchone()
        return found is not None

    def provided(self) -> set[str]:
        """The accounts that a provider names."""
        return {str(row[0]) for row in self._db.connection.execute("SELECT account FROM identities")}

    # -- invitations -----------------------------------------------------------------------------------

    @staticmethod
    def invite(db: Transaction, hashed: bytes, account: str, until: int) -> None:
        """One at a time: those before it open nothing any more."""
        db.execute("DELETE FROM invitations WHERE account = ?", (account,))
        row = (hashed, account, until)
        db.execute("INSERT INTO invitations (hash, account, until) VALUES (?, ?, ?)", row)

    def invited(self, hashed: bytes, now: int) -> str | None:
        """Whose account an invitation is for that was not used and is young enough."""
        row = self._db.connection.execute(
            "SELECT account FROM invitations WHERE hash = ? AND until > ?", (hashed, now)
        ).fetchone()
        return None if row is None else str(row[0])

    @staticmethod
    def use(db: Transaction, hashed: bytes, now: int) -> bool:
        """It is used up now; False where somebody was first, or it is too old."""
        done = db.execute("DELETE FROM invitations WHERE hash = ? AND until > ?", (hashed, now))
        return done.rowcount == 1

    def waiting(self, now: int) -> set[str]:
        """The accounts with an invitation that may still be used."""
        rows = self._db.connection.execute("SELECT account FROM invitations WHERE until > ?", (now,))
        return {str(row[0]) for row in rows}

    # -- sessions --------------------------------------------------------------------------------------

    def sessions(self, account: str, now: int) -> list[SignedIn]:
        """Those of an account that have not ended, oldest first."""
        rows = self._db.connection.execute(
            "SELECT hash, created, expires FROM sessions WHERE account = ? AND expires > ? "
            "ORDER BY created, rowid",
            (account, now),
        )
        return [SignedIn(*row) for row in rows]

    @staticmethod
    def end_session(db: Transaction, account: str, hashed: bytes) -> int:
        """One of an account; how many that were."""
        return db.execute("DELETE FROM sessions WHERE account = ? AND hash = ?", (account, hashed)).rowcount

    @staticmethod
    def end_sessions(db: Transaction, account: str) -> int:
        """All of an account; how many."""
        return db.execute("DELETE FROM sessions WHERE account = ?", (account,)).rowcount

    @staticmethod
    def keep_newest(db: Transaction, account: str, kept: int) -> None:
        """Of the sessions of an account the oldest end, so that `kept` are left."""
        db.execute(
            "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE account = ? "
            "ORDER BY created DESC, rowid DESC LIMIT -1 OFFSET ?)",
            (account, kept),
        )


def _one(connection: Transaction, where: str, value: str) -> AccountRow | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM accounts WHERE {where} AND ended IS NULL", (value,)
    ).fetchone()
    return None if row is None else AccountRow(*row)
