"""One SQLite file: how it is opened, what a transaction promises, and how its schema moves forwards.

sqlite-utils makes tables, moves schemas forwards and searches (`schema_history.py` and its users). The
statements of hot paths are SQL as it stands, on one connection in one transaction: sqlite-utils commits every
call of its own accord, looks a table up before each, and makes a dictionary of every row.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlite_utils

from consensus.errors import OwnFault
from node.errors import SetupError
from node.named_files import open_regular
from node.storage.schema_history import History

BUSY_TIMEOUT_S = 30
OPENING_TIMEOUT_S = 1  # whoever holds a lock on the whole file is no node: the directory's own lock says so
T = TypeVar("T")

MEMORY = ":memory:"
SIDE_FILES = ("-wal", "-shm", "-journal")
ROOM_BYTES = 64 << 10  # what is written to see whether this file takes anything again
ROOM_APART_S = 1.0
VARIABLES_MAX = 500  # SQLite's limit of host parameters is higher; this keeps statements cacheable

# A connection on which a write transaction is open. Only this folder runs statements on it; whoever else is
# given one hands it on, so that several writes are one.
Transaction = sqlite3.Connection
StorageError = sqlite3.Error
StorageTrouble = sqlite3.OperationalError  # a lock, a full disk: may pass
RowTwice = sqlite3.IntegrityError
Unreadable = sqlite3.DatabaseError  # any fault of a file, also one that passes
# What may be wrong with a file that is whole; the primary result code is the low byte.
_OF_THE_WORLD = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM),
    }
)


class Damaged(SetupError, OwnFault):
    """The file is no database, or not whole."""

    FAULT = "node"
    NEXT = (
        "Stop the node. For ledger.db run `comity rebuild --data DIR`, and `comity log verify --data DIR` to "
        "know what is damaged; for office.db `comity restore --data DIR --from BACKUP --replace`."
    )


class NotRead(OwnFault):
    """What is asked for cannot be read now: a disk or a lock, and nothing is known of what is written."""


def is_damage(error: BaseException) -> bool:
    """True where what is read of a database is not what was written into it."""
    if isinstance(error, Damaged):
        return True
    if not isinstance(error, sqlite3.DatabaseError) or is_of_the_world(error):
        return False
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "decode to UTF-8" in str(error)


class Database:
    """One SQLite file in WAL mode, one connection per thread, explicit transactions."""

    def __init__(self, path: Path, history: History, *, read_only: bool = False) -> None:
        """`read_only`: of a process beside the one that writes; the file is there, and of this version."""
        self.path = path
        self._read_only = read_only
        self._local = threading.local()
        self._connections: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._closed = False
        self._lock = threading.Lock()
        self._refused: str | None = None
        self._tried_at = 0.0  # monotonic
        self._trying = threading.Lock()
        if read_only:
            history.require_known(self.tables(), path)
            return
        _make_private(path)
        try:
            self._bring_forward(history)
        except SetupError:
            self.close()
            raise
        except Exception as error:  # SQLite quotes what it found, which may not even be text
            self.close()
            if is_of_the_world(error):
                raise SetupError(
                    f"{path} cannot be opened now ({error}): end what else uses it, see to the disk, and "
                    "start again"
                ) from error
            raise Damaged(f"{path} is not a database of this node: restore it, or start empty") from error

    def _bring_forward(self, history: History) -> None:
        """Take the steps that are still to come, all in one transaction; a newer file is refused."""
        tables = self.tables()
        history.require_known(tables, self.path)
        if history.pending(tables):
            with self.writing():
                history.apply(tables)  # looks again: another process may have been first
        if not history.tables <= set(tables.table_names()):
            raise sqlite3.DatabaseError("tables are missing that its steps made")

    def tables(self) -> sqlite_utils.Database:
        """This thread's connection as sqlite-utils sees it."""
        return sqlite_utils.Database(self.connection, recursive_triggers=False, execute_plugins=False)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection, opened on first use; none once the database was closed."""
        if self._closed:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connected(threading.current_thread())
        return connection

    def apart(self) -> sqlite3.Connection:
        """One of no thread, in no transaction: it sees what was committed last.

        Its user says whose turn on it is next, and closes it between two of them; `close` does not.
        """
        return self.connection if self._closed or str(self.path) == MEMORY else self._connected(None)

    def _connected(self, whose: threading.Thread | None) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=OPENING_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        if whose is not None:
            with self._lock:  # before the first statement: one that fails leaves no lock behind
                self._connections.append((whose, connection))
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-2000")
        if self._read_only:
            connection.execute("PRAGMA query_only=ON")
        return connection

    def widen(self, cache_kib: int, wal_pages: int) -> None:
        """This thread's connection holds so much of the file, and moves the WAL's pages at so many."""
        self.connection.execute(f"PRAGMA cache_size=-{cache_kib}")
        self.connection.execute(f"PRAGMA wal_autocheckpoint={wal_pages}")

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Transaction]:
        """One write transaction: all of it, or nothing. On disk when the block ends.

        With `durable=False` it is whole but may be lost with the power: the next durable one takes it along.
        """
        connection = self.connection
        if not durable:
            connection.execute("PRAGMA synchronous=NORMAL")
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk ends a transaction by itself; a failed COMMIT leaves it open.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if is_of_the_world(error):
                self._refused = str(error)[:200]
            raise
        finally:
            if not durable:
                connection.execute("PRAGMA synchronous=FULL")

    def refusal(self) -> str | None:
        """Why the disk did not take a write to this file; None once it takes one again.

        Whoever asks has it tried, now and then: a disk has room again without anybody telling. Never waits.
        """
        if self._refused is not None and self._trying.acquire(blocking=False):
            try:
                if time.monotonic() - self._tried_at >= ROOM_APART_S:
                    self._tried_at = time.monotonic()
                    self._try_to_write()
            finally:
                self._trying.release()
        return self._refused

    def _try_to_write(self) -> None:
        connection = self.connection
        connection.execute("PRAGMA busy_timeout=0")
        try:
            with self.writing() as db:
                self.remember(db, "room", bytes(ROOM_BYTES))
            with self.writing() as db:
                self.remember(db, "room", None)
        except sqlite3.Error:
            return  # kept by `writing`
        finally:
            connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
        self._refused = None

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One read transaction: everything inside sees the same state. May be nested."""
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    def bind(self, name: str, value: bytes) -> bytes:
        """Remember `value` under `name` at first use; afterwards the first value is what is returned."""
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return bytes(row["value"])

    def remembered(self, name: str) -> bytes | None:
        """What `remember` kept under this name."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row["value"])

    @staticmethod
    def remember(db: Transaction, name: str, value: bytes | None) -> None:
        """Keep a value under a name, instead of the one before; None forgets it."""
        db.execute("DELETE FROM meta WHERE name = ?", (name,))
        if value is not None:
            db.execute("INSERT INTO meta VALUES (?, ?)", (name, value))

    def copy(self, to: Path) -> None:
        """A whole copy at one moment, also while it is written to; `to` must not exist."""
        _make_private(to)
        target = sqlite3.connect(to)
        try:
            self.connection.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        finally:
            target.close()

    def close(self) -> None:
        """No thread is given a connection any more.

        That of a thread that still runs is its own to the end: closed while a statement runs on it, it would
        take the process along. It goes with its thread.
        """
        self._closed = True
        with self._lock:
            for thread, connection in self._connections:
                if thread is threading.current_thread() or not thread.is_alive():
                    connection.close()
            self._connections.clear()


@contextmanager
def part_of(db: Transaction) -> Iterator[None]:
    """A part of a transaction that is open: all of it, or nothing of it; the others are untouched."""
    db.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # a full disk ends all of it by itself
            db.execute("ROLLBACK TO part")
            db.execute("RELEASE part")
        raise
    db.execute("RELEASE part")


def is_of_the_world(error: Exception) -> bool:
    """The disk, a lock, a right: nothing is wrong with what is written."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_WORLD


def _make_private(path: Path) -> None:
    """The file is its owner's alone, before the first byte; SQLite gives -wal and -shm the same mode."""
    if str(path) == MEMORY:
        return
    try:
        os.close(open_regular(path, os.O_RDWR | os.O_CREAT))
        real = Path(os.path.realpath(path))  # beside which SQLite looks
        for file in (real, *(real.with_name(real.name + suffix) for suffix in SIDE_FILES)):
            if os.path.lexists(file):
                _make_one_private(file)
    except OSError as error:
        raise SetupError(
            f"{path} cannot be opened: {error.strerror}",
            step="Make the folder writable for whoever runs the node.",
        ) from error


def _make_one_private(file: Path) -> None:
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode):  # SQLite would wait for a pipe
        raise SetupError(f"{file} is no regular file, which a database has beside it: move it away")
    kept = (one.stat().st_ino for one in file.parent.glob(f"{file.name}.before-*"))  # by restore, if killed
    if found.st_nlink > 1 + sum(inode == found.st_ino for inode in kept):
        # As `cp -al` makes copies: two nodes would write into one file, each with a log of its own beside it.
        raise SetupError(
            f"{file} has another name, by which others may write into it: copy it to {file.name}.copy, and "
            "give the copy its name"
        )
    if found.st_mode & 0o077:
        file.chmod(0o600)


def marks(count: int) -> str:
    """`count` host parameters, for IN (...)."""
    return ",".join("?" * count)


def parts(values: Sequence[T], beside: int = 0) -> Iterator[Sequence[T]]:
    """`values` in parts that one statement takes, with `beside` parameters of its own."""
    size = VARIABLES_MAX - beside
    return (values[start : start + size] for start in range(0, len(values), size))
