"""People: named accounts with roles, signed in by a passphrase; made by an invitation that opens once.

An account holds the scopes of its roles as they were when they were given. Whoever makes one, changes its
roles, or opens it anew for somebody who forgot the passphrase, holds each of them himself. Its name stands in
the audit with its id.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterable
from typing import TypedDict

from node.errors import ProblemError, bad_request, forbidden, not_found
from node.storage.access import SessionRow
from node.storage.accounts import OF_NOBODY, AccountRow, AccountTable
from node.storage.database import Transaction
from node.storage.office import OfficeStore
from node.use_cases.access import (
    AT_THE_MACHINE,
    SECRET_BYTES,
    SESSION_S,
    Access,
    Session,
    hash_of,
    passed_on,
    read_as,
    require_name,
    taken,
)
from node.use_cases.guesses import Guesses
from node.use_cases.passphrases import Passphrases
from node.use_cases.roles import ADMIN, person_roles, scopes_of

INVITATION_S = 24 * 3600
FIRST_S = 3600  # of the link that a first start prints: whoever starts the node sits before it
ACCOUNTS_MAX = 2000  # in use; and as many that ended are listed
SESSIONS_MAX = 20  # of one account: the oldest ends
ID_BYTES = 10


class AccountShown(TypedDict):
    """An account; `account` is its id in the audit.

    `state` is one of invited, active, no passphrase, identity provider, ended.
    """

    account: str
    name: str
    roles: list[str]
    scopes: list[str]
    state: str
    created: int
    made_by: str
    last_used: int | None
    ended: int | None
    sessions: int


class AccountMade(TypedDict):
    """An account with the token of its invitation: `/welcome/<token>`, once, until then."""

    account: str
    name: str
    roles: list[str]
    scopes: list[str]
    token: str
    until: int


class OwnSession(TypedDict):
    """A session of an account; `mark` names it and opens nothing."""

    mark: str
    created: int
    expires: int
    this: bool


class Accounts:
    """The accounts of one node."""

    def __init__(self, office: OfficeStore, access: Access) -> None:
        self._office = office
        self._access = access
        self._passphrases = Passphrases()
        self._guesses = Guesses()

    # -- making and ending -----------------------------------------------------------------------------

    def add(self, by: Session, name: str, roles: tuple[str, ...]) -> AccountMade:
        """A new account, and the link by which its person chooses a passphrase.

        403 `scope_not_held` for a role that opens more than `by` holds, 409 `name_taken`.
        """
        require_name(name)
        scopes = passed_on(by, scopes_of(_fitting(roles, self._access.roles())))
        now = int(time.time())
        with self._office.writing() as db:
            self._access.require_in_force(by, now)
            row = self.put_account(db, by.name, name, roles, scopes=scopes, now=now)
            token = self._invite(db, row.account, now + INVITATION_S)
            told = f"{name}: {', '.join(roles)}"
            self._office.audit.put(db, now, by.name, "account.added", told)
        return _made(row, token, now + INVITATION_S)

    def put_account(
        self,
        db: Transaction,
        by: str,
        name: str,
        roles: tuple[str, ...],
        *,
        scopes: tuple[str, ...],
        now: int,
    ) -> AccountRow:
        """A new account under a name that nobody bears; 409 `name_taken`, 403 `too_many_accounts`."""
        reads = read_as(name)
        if self._access.is_ours(name) or self._office.accounts.named(db, reads):
            raise taken(name)
        if self._office.access.borne(db, name, "", now):
            raise taken(name)
        if (count := self._office.accounts.count(db)) >= ACCOUNTS_MAX:
            told = "{count} accounts are in use, and at most {most} may: end those that nobody needs"
            raise forbidden("too_many_accounts", told, count=count, most=ACCOUNTS_MAX)
        account = base64.b32encode(secrets.token_bytes(ID_BYTES)).decode().lower()
        row = AccountRow(account, name, reads, " ".join(roles), " ".join(scopes), "", now, by, None, None)
        self._office.accounts.put(db, row)
        return row

    def _invite(self, db: Transaction, account: str, until: int) -> str:
        token = secrets.token_urlsafe(SECRET_BYTES)
        self._office.accounts.invite(db, hash_of(token), account, until)
        return token

    def invite(self, by: Session, name: str) -> AccountMade:
        """A new link for somebody who forgot the passphrase; the old one ends when it is used. 404.

        403 `scope_not_held` for an account that may more than `by`: the link would open it to him.
        """
        now = int(time.time())
        with self._office.writing() as db:
            self._access.require_in_force(by, now)
            row = _own(db, name)
            passed_on(by, tuple(row.scopes.split()))
            token = self._invite(db, row.account, now + INVITATION_S)
            self._office.audit.put(db, now, by.name, "account.invited", row.name)
        return _made(row, token, now + INVITATION_S)

    def give_roles(self, by: Session, name: str, roles: tuple[str, ...]) -> int:
        """Other roles for an account in use; its sessions end, with the links they made; how many. 404.

        403 `scope_not_held` where it may more than `by`, before or after, and `own_roles` for one's own.
        """
        now = int(time.time())
        scopes = passed_on(by, scopes_of(_fitting(roles, self._access.roles())))
        with self._office.writing() as db:
            self._access.require_in_force(by, now)
            row = _own(db, name)
            passed_on(by, tuple(row.scopes.split()))
            if row.account == by.account:
                raise forbidden("own_roles", "nobody changes the own roles: another administrator does")
            self._office.accounts.put_roles(db, row.account, " ".join(roles), " ".join(scopes))
            _, ended = self._office.access.revoke(db, row.name, now)
            told = f"{row.name}: {row.roles.replace(' ', ', ')} became {', '.join(roles)}"
            self._office.audit.put(db, now, by.name, "account.roles", told)
        return ended

    def end(self, by: Session, name: str) -> int:
        """Nobody signs in to it again, and its sessions end, with the links they made; how many. 404."""
        now = int(time.time())
        with self._office.writing() as db:
            self._access.require_in_force(by, now)
            row = _known(db, name)
            self._office.accounts.end(db, row.account, now, ACCOUNTS_MAX)
            _, ended = self._office.access.revoke(db, row.name, now)
            self._office.audit.put(db, now, by.name, "account.ended", f"{row.name}: {ended} sessions")
        return ended

    def listing(self) -> list[AccountShown]:
        """Every account in use, then those that ended last."""
        now = int(time.time())
        waiting, provided = self._office.accounts.waiting(now), self._office.accounts.provided()
        return [
            _shown(
                row,
                _state(row, row.account in waiting, row.account in provided),
                0 if row.ended else len(self._office.accounts.sessions(row.account, now)),
            )
            for row in self._office.accounts.listing()
        ]

    def roles_of(self, session: Session) -> tuple[str, ...]:
        """The roles of whose session it is; none for one that a link opened."""
        row = self._office.accounts.by_id(session.account) if session.account else None
        return tuple(row.roles.split()) if row is not None else ()

    # -- the first one ---------------------------------------------------------------------------------

    def first_link(self) -> str | None:
        """The token of a link for the first administrator, while there never was an account; else None."""
        if self._office.accounts.ever():
            return None
        now = int(time.time())
        with self._office.writing() as db:
            token = self._invite(db, OF_NOBODY, now + FIRST_S)
            self._office.audit.put(db, now, AT_THE_MACHINE.name, "account.first_link", "printed at the start")
        return token

    # -- choosing a passphrase -------------------------------------------------------------------------

    def invited(self, token: str) -> str:
        """Whose passphrase a link lets choose; "" where its person gives the name; 403 `link_used`."""
        account = self._office.accounts.invited(hash_of(token), int(time.time()))
        row = self._office.accounts.by_id(account) if account else None
        if account is None or (account != OF_NOBODY and row is None):
            raise _used()
        return row.name if row is not None else ""

    def welcome(self, token: str, name: str, words: str, former: str | None = None) -> Session:
        """Choose the passphrase of an invitation, and be signed in: `.cookie`. 403 `link_used`."""
        whose = self.invited(token)
        verifier = self._passphrases.verifier(words, whose or name)
        if not whose:
            require_name(name)
        now = int(time.time())
        with self._office.writing() as db:
            account = self._office.accounts.invited(hash_of(token), now)
            if account is None or not self._office.accounts.use(db, hash_of(token), now):
                raise _used()
            if account == OF_NOBODY:
                row = self.put_account(
                    db, AT_THE_MACHINE.name, name, (ADMIN,), scopes=scopes_of((ADMIN,)), now=now
                )
                told = f"{name}: {ADMIN}"
                self._office.audit.put(db, now, name, "account.added", told, account=row.account)
            else:
                found = self._office.accounts.by_id(account)
                if found is None:
                    raise _used()
                row = found
            self._office.accounts.choose(db, row.account, verifier)
            self._office.accounts.touch(db, row.account, verifier, now)
            self._office.accounts.end_sessions(db, row.account)
            self._office.audit.put(
                db, now, row.name, "passphrase.chosen", "by an invitation", account=row.account
            )
            return self.open_session(db, row, now, former)

    def change(self, by: Session, old: str, new: str, subnet: str) -> Session:
        """Another passphrase; every session of the account ends but the one that is opened now."""
        row = self._office.accounts.by_id(by.account) if by.account else None
        if row is None:
            raise forbidden("no_account", "you came by a key or a link: an account has a passphrase")
        self._require_fits(row, row.reads, old, subnet)
        verifier = self._passphrases.verifier(new, row.name)
        now = int(time.time())
        with self._office.writing() as db:
            self._access.require_in_force(by, now)
            if not self._office.accounts.choose(db, row.account, verifier, row.verifier):
                raise _not_right()
            ended = self._office.accounts.end_sessions(db, row.account)
            told = f"{ended} sessions ended"
            self._office.audit.put(db, now, row.name, "passphrase.changed", told, account=row.account)
            return self.open_session(db, row, now)

    # -- signing in ------------------------------------------------------------------------------------

    def sign_in(self, name: str, words: str, subnet: str, former: str | None = None) -> Session:
        """A session: `.cookie`. 403 `not_signed_in` whatever was wrong, 429 `too_many_tries`."""
        reads = read_as(name)
        row = self._office.accounts.by_name(reads)
        self._require_fits(row, reads, words, subnet)
        assert row is not None, "nobody's passphrase never fits"
        now = int(time.time())
        with self._office.writing() as db:
            if not self._office.accounts.touch(db, row.account, row.verifier, now):
                raise _not_right()
            return self.open_session(db, row, now, former)

    def _require_fits(self, row: AccountRow | None, reads: str, words: str, subnet: str) -> None:
        if wait_s := self._guesses.take(reads, subnet):
            told = "too many tries for this name from here: this one was not looked at; try again in {wait} s"
            raise ProblemError(429, "too_many_tries", "Come again", told, wait=wait_s)
        if not self._passphrases.fits(row.verifier if row is not None else "", words):
            raise _not_right()
        self._guesses.give_back(reads, subnet)

    def open_session(
        self, db: Transaction, row: AccountRow, now: int, former: str | None = None, how: str = "signed in"
    ) -> Session:
        """Always a new secret: `former`, the cookie that the browser had, opens nothing any more."""
        self._access.end_in(db, former, now)
        row = _known(db, row.name)  # its scopes may have become others while the passphrase was checked
        cookie = secrets.token_urlsafe(SECRET_BYTES)
        self._office.access.forget_ended(db, now, now - INVITATION_S)
        self._office.accounts.keep_newest(db, row.account, SESSIONS_MAX - 1)
        session = SessionRow(row.name, row.scopes, now, now + SESSION_S, row.name, "", row.account)
        self._office.access.put_session(db, hash_of(cookie), session)
        self._office.audit.put(db, now, row.name, "session.opened", how, account=row.account)
        scopes = frozenset(row.scopes.split())
        return Session(row.name, scopes, "", cookie, shown=hash_of(cookie), account=row.account)

    # -- sessions --------------------------------------------------------------------------------------

    def sessions(self, account: str, shown: bytes | None = None) -> list[OwnSession]:
        """The open ones of an account; `shown`: the hash of the one that asks."""
        return [
            {
                "mark": one.hashed.hex(),
                "created": one.created,
                "expires": one.expires,
                "this": one.hashed == shown,
            }
            for one in self._office.accounts.sessions(account, int(time.time()))
        ]

    def end_session(self, by: Session, account: str, mark: str) -> None:
        """End one, by its mark; 404 where it is not open, or not of this account."""
        now = int(time.time())
        row = self._office.accounts.by_id(account)
        with self._office.writing() as db:
            self._access.require_in_force(by, now)
            if row is None or not self._office.accounts.end_session(db, account, _hash_of_mark(mark)):
                told = "this session is not open: it was ended, or its time is over"
                raise not_found("session_unknown", told)
            self._office.audit.put(db, now, by.name, "session.ended", f"one of {row.name}")


def _known(db: Transaction, name: str) -> AccountRow:
    row = AccountTable.held_by(db, read_as(name))
    if row is None:
        raise _unknown(name)
    return row


def _own(db: Transaction, name: str) -> AccountRow:
    """An account whose roles and passphrase are given here; 404, 409 `provided`."""
    row = _known(db, name)
    if AccountTable.is_provided(db, row.account):
        told = "{name} signs in by the identity provider, which gives the roles and keeps the passphrase"
        raise ProblemError(409, "provided", "Given elsewhere", told, name=row.name)
    return row


def _hash_of_mark(mark: str) -> bytes:
    return bytes.fromhex(mark) if len(mark) == 64 and set(mark) <= set("0123456789abcdef") else b""


def _fitting(roles: tuple[str, ...], own: Iterable[str]) -> tuple[str, ...]:
    known = tuple(role.name for role in person_roles().values() if role.fits(own))
    if not roles or set(roles) - set(known):
        raise bad_request("role_unknown", "roles of people at this node are among {roles}", roles=known)
    return roles


def _state(row: AccountRow, waiting: bool, provided: bool) -> str:
    if row.ended is not None:
        return "ended"
    if provided:
        return "identity provider"
    if waiting:
        return "invited"
    return "active" if row.verifier else "no passphrase"


def _shown(row: AccountRow, state: str, sessions: int) -> AccountShown:
    return {
        "account": row.account,
        "name": row.name,
        "roles": row.roles.split(),
        "scopes": row.scopes.split(),
        "state": state,
        "created": row.created,
        "made_by": row.made_by,
        "last_used": row.last_used,
        "ended": row.ended,
        "sessions": sessions,
    }


def _made(row: AccountRow, token: str, until: int) -> AccountMade:
    return {
        "account": row.account,
        "name": row.name,
        "roles": row.roles.split(),
        "scopes": row.scopes.split(),
        "token": token,
        "until": until,
    }


def _unknown(name: str) -> ProblemError:
    return not_found("account_unknown", "no account in use is called {name}", name=ascii(name))


def _used() -> ProblemError:
    return forbidden("link_used", "this invitation was used before or is too old: ask for a new one")


def _not_right() -> ProblemError:
    return forbidden("not_signed_in", "no account of this name has this passphrase")
