"""Who may ask: bearer keys, one-time links and the sessions they open. Only SHA-256 of a secret is stored."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from node.errors import ProblemError, bad_request, forbidden
from node.storage.office import OfficeStore

SCOPES = ("issue", "verify", "clear", "govern", "operate", "read")
LINK_S = 24 * 3600
SESSION_S = 12 * 3600
SECRET_BYTES = 32
TOUCH_S = 60  # last_used is written at most this often: reading stays reading
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_NEXT = re.compile(r"/(?!/)[^\x00-\x20\x7f\\]{0,500}")


def _hash(secret: str) -> bytes:
    return sha256(b"comity/access/v1" + secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class Session:
    """Who is asking: the holder of a bearer key, or of a page's cookie."""

    name: str
    scopes: frozenset[str]
    cookie: str | None = None  # set by `enter`: the value for the cookie `comity_<port>`
    next: str = "/"  # where the page goes after a one-time link


class Access:
    """Keys, links, sessions of one node."""

    def __init__(self, office: OfficeStore, operator_key: str, audience: str = "public") -> None:
        self._office = office
        self._operator = _hash(operator_key)
        self._audience = audience

    def audience_of(self, session: Session | None) -> str:
        """The access-table audience of who asks on this node: "public" without session, own staff else."""
        return "public" if session is None else self._audience

    def authorise(self, *, bearer: str | None, cookie: str | None, scope: str) -> Session:
        """The session of a key or cookie with `scope`; 401 `no_key`, `unknown_key`, 403 `scope_missing`."""
        if bearer is None and cookie is None:
            raise ProblemError(
                401, "no_key", "Key needed", "this needs a key of this node: ask its operator for one"
            )
        found = self._by_key(bearer) if bearer is not None else self._by_cookie(cookie or "")
        if found is None:
            what = "key" if bearer is not None else "session"
            raise ProblemError(
                401, "unknown_key", "Key unknown", f"this node knows no such {what}, or it ended"
            )
        if scope not in found.scopes:
            held = ", ".join(sorted(found.scopes))
            raise forbidden("scope_missing", f"this needs the scope {scope}; yours has {held}")
        return found

    def _by_key(self, bearer: str) -> Session | None:
        hashed = _hash(bearer)
        if hashed == self._operator:
            return Session("operator", frozenset(SCOPES))
        row = self._office.access.key(hashed)
        if row is None:
            return None
        now = int(time.time())
        if row.last_used is None or now - row.last_used > TOUCH_S:
            with self._office.writing() as db:
                self._office.access.touch_key(db, hashed, now)
        return Session(row.name, frozenset(row.scopes.split()))

    def _by_cookie(self, cookie: str) -> Session | None:
        row = self._office.access.session(_hash(cookie), int(time.time()))
        return None if row is None else Session(row[0], frozenset(row[1].split()))

    def grant(self, name: str, scopes: tuple[str, ...]) -> dict[str, Any]:
        """A new bearer key; its secret is in the answer and nowhere else."""
        if not _NAME.fullmatch(name):
            raise bad_request("name_malformed", "a key has a name of 1 to 100 characters")
        words = _scopes(scopes)
        key = secrets.token_urlsafe(SECRET_BYTES)
        with self._office.writing() as db:
            self._office.access.put_key(db, _hash(key), name, " ".join(words), int(time.time()))
        return {"name": name, "scopes": list(words), "key": key}

    def listing(self) -> list[dict[str, Any]]:
        return [{**asdict(row), "scopes": row.scopes.split()} for row in self._office.access.granted()]

    def open_link(self, scopes: tuple[str, ...], next: str) -> str:
        """A token for /enter/<token>: once, within a day."""
        if not _NEXT.fullmatch(next):
            raise bad_request("next_malformed", "next is a path on this node")
        words = _scopes(scopes)
        token = secrets.token_urlsafe(SECRET_BYTES)
        with self._office.writing() as db:
            self._office.access.put_link(db, _hash(token), " ".join(words), next, int(time.time()))
        return token

    def enter(self, token: str) -> Session:
        """Exchange a one-time token for a session: `.cookie` is its value. 403 if used or too old."""
        now = int(time.time())
        cookie = secrets.token_urlsafe(SECRET_BYTES)
        with self._office.writing() as db:
            found = self._office.access.use_link(db, _hash(token), now, now - LINK_S)
            if found is None:
                raise forbidden("link_used", "this link was used before or is too old: ask for a new one")
            scopes, next = found
            self._office.access.forget_ended(db, now, now - LINK_S)
            self._office.access.put_session(
                db, _hash(cookie), "page", scopes, now=now, expires=now + SESSION_S
            )
        return Session("page", frozenset(scopes.split()), cookie, next)


def _scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(scopes) - set(SCOPES)
    if unknown or not scopes:
        raise bad_request("scope_unknown", f"scopes are among {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in scopes)
