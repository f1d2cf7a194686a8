"""Who may ask: bearer keys, one-time links and the sessions they open. Only SHA-256 of a secret is stored.

Scopes never widen: whoever makes a key or a link passes on what he holds himself, and no more. Every key and
session has a name, which stands in the audit (`node/storage/audit.py`) beside what it did.
"""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypedDict

from node.errors import ProblemError, bad_request, forbidden, not_found
from node.storage.access import KeyRow, LinkRow, SessionRow
from node.storage.audit import A_PEER, ANYBODY, THIS_NODE
from node.storage.database import Transaction
from node.storage.office import OfficeStore

SCOPES = ("issue", "verify", "clear", "govern", "operate", "read")
OPERATOR = "operator"
LINK_S = 24 * 3600
SESSION_S = 12 * 3600
SECRET_BYTES = 32
NAME_CHARS_MAX = 100
KEYS_PER_MAKER_MAX = 1000  # in use; and as many that were revoked are listed
LET_IN_PER_MAKER_MAX = 1000  # sessions that have not ended, and links that may still open one
TOUCH_S = 60  # last_used is written at most this often: reading stays reading
# What a participant's people do at the pages, by its roles: a link that names no scopes opens these.
_SCOPES_BY_ROLE = {
    "manufacturer": ("issue",),
    "importer": ("clear", "verify"),
    "customs": ("clear", "verify"),
}
_NEXT = re.compile(r"/(?!/)[^\x00-\x20\x7f\\]{0,500}")


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return sha256(b"comity/access/v1" + secret.encode()).digest()


def page_scopes(roles: tuple[str, ...]) -> tuple[str, ...]:
    """What a person at the pages of a participant with these roles does, unless a link says otherwise."""
    found = {"read", *(scope for role in roles for scope in _SCOPES_BY_ROLE.get(role, ("clear", "verify")))}
    return tuple(scope for scope in SCOPES if scope in found)


@dataclass(frozen=True, slots=True)
class Session:
    """Who is asking: the holder of a bearer key, or of a page's cookie."""

    name: str
    scopes: frozenset[str]
    share: str = ""  # whose share what it does is taken from, where not its own
    cookie: str | None = None  # set by `enter`: the value for the cookie `comity_<port>`
    next: str = "/"  # where the page goes after a one-time link
    shown: bytes | None = field(default=None, repr=False)  # the hash of its secret; None: at the machine
    account: str = ""  # of whom signed in, by its id


# Whoever works on the data directory itself can read operator.key as well.
AT_THE_MACHINE = Session("operator at the machine", frozenset(SCOPES))
# Who else stands in the audit (`WHO` of node/storage/audit.py): nobody is given these names.
_OURS = frozenset({OPERATOR, AT_THE_MACHINE.name, A_PEER, ANYBODY, THIS_NODE})


class KeyShown(TypedDict):
    """A key without its secret."""

    name: str
    scopes: list[str]
    created: int
    last_used: int | None
    made_by: str
    revoked: int | None


class SessionShown(TypedDict):
    """A session that has not ended."""

    name: str
    scopes: list[str]
    created: int
    expires: int
    made_by: str


class KeyMade(TypedDict):
    """A new key: the only place where its secret is shown."""

    name: str
    scopes: list[str]
    key: str


def end_operators_key(office: OfficeStore) -> int:
    """Before operator.key is made anew: the sessions and links that the old one made end; how many sessions.

    The keys that it granted stay: they have names of their own, and are revoked by these.
    """
    now = int(time.time())
    with office.writing() as db:
        _, sessions = office.access.revoke(db, OPERATOR, now)
        office.audit.put(db, now, AT_THE_MACHINE.name, "operator.renewed", f"{sessions} sessions ended")
    return sessions


class Access:
    """Keys, links, sessions of one node."""

    def __init__(
        self,
        office: OfficeStore,
        operator_key: str,
        *,
        audience: str = "public",
        roles: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._office = office
        self._operator = hash_of(operator_key)
        self._audience = audience
        self.roles = roles  # of the participant, now

    def audience_of(self, session: Session | None) -> str:
        """The access-table audience of who asks on this node: "public" without session, own staff else."""
        return "public" if session is None else self._audience

    # -- asking --------------------------------------------------------------------------------------

    def authorise(self, *, bearer: str | None, cookie: str | None, scope: str) -> Session:
        """The session of a key or cookie with `scope`; 401 `no_key`, `unknown_key`, 403 `scope_missing`."""
        if bearer is None and cookie is None:
            raise ProblemError(
                401, "no_key", "Key needed", "this needs a key of this node: ask its operator for one"
            )
        found = self._by_key(bearer) if bearer is not None else self._by_cookie(cookie or "")
        if found is None:
            raise _ended(session=bearer is None)
        if scope not in found.scopes:
            told = "this needs the scope {scope}; yours has {held}"
            raise forbidden("scope_missing", told, scope=scope, held=tuple(sorted(found.scopes)))
        return found

    def _by_key(self, bearer: str) -> Session | None:
        hashed = hash_of(bearer)
        if hashed == self._operator:
            return Session(OPERATOR, frozenset(SCOPES), shown=hashed)
        row = self._office.access.key(hashed)
        if row is None:
            return None
        now = int(time.time())
        if row.last_used is None or now - row.last_used > TOUCH_S:
            with self._office.writing() as db:
                self._office.access.touch_key(db, hashed, now)
        return Session(row.name, frozenset(row.scopes.split()), row.share, shown=hashed)

    def _by_cookie(self, cookie: str) -> Session | None:
        hashed = hash_of(cookie)
        row = self._office.access.session(hashed, int(time.time()))
        if row is None:
            return None
        scopes = frozenset(row.scopes.split())
        return Session(row.name, scopes, row.share, shown=hashed, account=row.account)

    def require_in_force(self, by: Session, now: int) -> None:
        """401 `unknown_key` when it ended since its request was let in; inside the transaction of an act."""
        if by.shown is None or by.shown == self._operator:
            return
        table = self._office.access
        if table.key(by.shown) is None and table.session(by.shown, now) is None:
            raise _ended()

    # -- passing on ----------------------------------------------------------------------------------

    def grant(self, by: Session, name: str, scopes: tuple[str, ...]) -> KeyMade:
        """A new bearer key; its secret is in the answer and nowhere else.

        403 `scope_not_held` for a scope that `by` has not, 409 `name_taken` for a name in use.
        """
        words = passed_on(by, scopes)
        require_name(name)
        key, now = secrets.token_urlsafe(SECRET_BYTES), int(time.time())
        with self._office.writing() as db:
            self.require_in_force(by, now)
            if self._office.access.named(db, name):
                raise taken(name)
            self._require_free(db, by, name, now)
            share = _share_of(by)
            if (count := self._office.access.keys_of(db, by.name, share)) >= KEYS_PER_MAKER_MAX:
                told = (
                    "{count} keys of yours are in use, and at most {most} may: revoke those that nobody needs"
                )
                raise forbidden("too_many_keys", told, count=count, most=KEYS_PER_MAKER_MAX)
            self._office.access.forget_revoked(db, by.name, share, KEYS_PER_MAKER_MAX)
            row = KeyRow(name, " ".join(words), now, None, by.name, None, share)
            self._office.access.put_key(db, hash_of(key), row)
            self._office.audit.put(db, now, by.name, "key.granted", f"{name}: {', '.join(words)}")
        return {"name": name, "scopes": list(words), "key": key}

    def revoke(self, by: Session, name: str) -> tuple[int, int]:
        """End the key of that name, the sessions that lead back to it and their unused links; 404.

        (keys, sessions) that ended. Keys that it granted stay: they have names of their own.
        """
        now = int(time.time())
        with self._office.writing() as db:
            self.require_in_force(by, now)
            keys, ended = self._office.access.revoke(db, name, now)
            if not keys and not ended:
                told = "no key and no session in use is called {name}"
                raise not_found("key_unknown", told, name=ascii(name))
            self._office.audit.put(db, now, by.name, "key.revoked", f"{name}: {keys} keys, {ended} sessions")
        return keys, ended

    def listing(self) -> list[KeyShown]:
        """Every key in use, and those that were revoked last, without their secrets."""
        return [
            {
                "name": row.name,
                "scopes": row.scopes.split(),
                "created": row.created,
                "last_used": row.last_used,
                "made_by": row.made_by,
                "revoked": row.revoked,
            }
            for row in self._office.access.granted()
        ]

    def sessions(self) -> list[SessionShown]:
        """Every session that has not ended."""
        return [
            {
                "name": row.name,
                "scopes": row.scopes.split(),
                "created": row.created,
                "expires": row.expires,
                "made_by": row.made_by,
            }
            for row in self._office.access.sessions(int(time.time()))
        ]

    def link_scopes(self, by: Session, scopes: tuple[str, ...] | None) -> tuple[str, ...]:
        """What a link of `by` opens: the scopes asked for; else, as far as held, those of people at pages."""
        if scopes is not None:
            return passed_on(by, scopes)
        held = tuple(scope for scope in page_scopes(self.roles()) if scope in by.scopes)
        if not held:
            raise forbidden("scope_not_held", "your key has none of the scopes that the pages need")
        return held

    def open_link(
        self, by: Session, scopes: tuple[str, ...] | None = None, next: str = "/", name: str | None = None
    ) -> str:
        """A token for /enter/<token>: once, within a day. `name`: whose session it will be.

        429 `too_many_links` when whoever makes it has let in as many as one may: a link that is made opens a
        session, whoever else comes in meanwhile.
        """
        if not _NEXT.fullmatch(next):
            raise bad_request("next_malformed", "next is a path on this node")
        words = self.link_scopes(by, scopes)
        whose = name if name is not None else f"guest of {by.name}"[:100]
        require_name(whose)
        token, now = secrets.token_urlsafe(SECRET_BYTES), int(time.time())
        with self._office.writing() as db:
            self.require_in_force(by, now)
            if whose != by.name:
                self._require_free(db, by, whose, now)
            self._office.access.forget_ended(db, now, now - LINK_S)
            share = _share_of(by)
            _require_few(self._office.access.let_in(db, by.name, share, now, now - LINK_S))
            self._office.access.put_link(
                db, hash_of(token), LinkRow(" ".join(words), next, whose, by.name, share), now
            )
            self._office.audit.put(db, now, by.name, "link.made", f"{whose}: {', '.join(words)}")
        return token

    def _require_free(self, db: Transaction, by: Session, name: str, now: int) -> None:
        """409 `name_taken` for a name under which somebody else acts: the audit would say that it was he.

        An account's name is its person's, whoever asks.
        """
        if self.is_ours(name) or self._office.accounts.named(db, read_as(name)):
            raise taken(name)
        operates = by.name in (OPERATOR, AT_THE_MACHINE.name)
        if not operates and self._office.access.borne(db, name, by.name, now):
            raise taken(name)

    @staticmethod
    def is_ours(name: str) -> bool:
        """Whether this node itself stands under that name in the audit."""
        return read_as(name) in _OURS

    def enter(self, token: str) -> Session:
        """Exchange a one-time token for a session: `.cookie` is its value. 403 if used or too old."""
        now = int(time.time())
        cookie = secrets.token_urlsafe(SECRET_BYTES)
        with self._office.writing() as db:
            found = self._office.access.use_link(db, hash_of(token), now, now - LINK_S)
            if found is None:
                raise forbidden("link_used", "this link was used before or is too old: ask for a new one")
            self._office.access.forget_ended(db, now, now - LINK_S)
            row = SessionRow(found.name, found.scopes, now, now + SESSION_S, found.made_by, found.share)
            self._office.access.put_session(db, hash_of(cookie), row)
            self._office.audit.put(db, now, found.name, "session.opened", f"by a link of {found.made_by}")
        return Session(found.name, frozenset(found.scopes.split()), found.share, cookie, found.next)

    def leave(self, cookie: str) -> None:
        """Sign out: the cookie opens nothing any more."""
        now = int(time.time())
        if (
            self._office.access.session(hash_of(cookie), now) is not None
        ):  # a stranger's takes no turn to write
            with self._office.writing() as db:
                self.end_in(db, cookie, now)

    def end_in(self, db: Transaction, cookie: str | None, now: int) -> None:
        """The same beside what else the caller writes."""
        hashed = hash_of(cookie or "")
        row = self._office.access.session(hashed, now)
        if row is not None and self._office.access.end_session(db, hashed):  # once, whoever asks twice
            self._office.audit.put(db, now, row.name, "session.ended", "signed out", account=row.account)


def _share_of(by: Session) -> str:
    """In whose share is whom `by` lets in: of the operator's each in its own, of others all in theirs."""
    return "" if by.name in (OPERATOR, AT_THE_MACHINE.name) else by.share or by.name


def require_name(name: str) -> None:
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable() or name != name.strip():
        told = "a key has a name of 1 to 100 characters that can be seen, without a blank at its ends"
        raise bad_request("name_malformed", told)


def _require_few(count: int) -> None:
    if count >= LET_IN_PER_MAKER_MAX:
        told = (
            "{count} links and sessions of yours are open, and at most {most} may: revoke those that nobody "
            "needs, or come again when some have ended"
        )
        raise ProblemError(429, "too_many_links", "Come again", told, count=count, most=LET_IN_PER_MAKER_MAX)


def read_as(name: str) -> str:
    """The name as a person takes it in: width, case and blanks make no other one."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _ended(*, session: bool = False) -> ProblemError:
    told = "this node knows no such key, or it ended"
    if session:
        told = "this node knows no such session, or it ended"
    return ProblemError(401, "unknown_key", "Key unknown", told)


def taken(name: str) -> ProblemError:
    told = "somebody else is called {name} here: give another name"
    return ProblemError(409, "name_taken", "Name in use", told, name=ascii(name))


def passed_on(by: Session, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes in their order, if all are known and `by` holds each of them."""
    if set(scopes) - set(SCOPES) or not scopes:
        raise bad_request("scope_unknown", "scopes are among {scopes}", scopes=SCOPES)
    if lacking := [scope for scope in SCOPES if scope in scopes and scope not in by.scopes]:
        held = tuple(scope for scope in SCOPES if scope in by.scopes)
        told = "you cannot pass on {lacking}: your own key has {held} only"
        raise forbidden("scope_not_held", told, lacking=tuple(lacking), held=held)
    return tuple(scope for scope in SCOPES if scope in scopes)
