"""Who may ask for what: bearer keys, the cookie of a page, and where a write by cookie may come from."""

from __future__ import annotations

from hashlib import sha256

from flask import g, request
from werkzeug.http import parse_cookie

from node.api.route import Route
from node.errors import ProblemError, forbidden
from node.server.feeds import Feed
from node.service import Service
from node.storage.audit import A_PEER, ACCOUNT, ANYBODY, WHO
from node.use_cases.access import Session

BEARER_CHARS_MAX = 512


def cookie_name(service: Service) -> str:
    """One name per port: several nodes on one host do not overwrite each other's session."""
    return f"comity_{service.port}"


def _bearer() -> str | None:
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip() or len(key) > BEARER_CHARS_MAX:
        raise ProblemError(
            401,
            "no_key",
            "Key needed",
            "Send the key as `Authorization: Bearer <key>`; other schemes are not read.",
        )
    return key.strip()


def _shown(service: Service) -> tuple[str | None, str | None]:
    """(key, cookie) that this request shows; the key alone where it shows both."""
    bearer = _bearer()
    return bearer, None if bearer else request.cookies.get(cookie_name(service))


def own_origin(service: Service) -> str:
    """The origin under which whoever asks sees this node."""
    return service.hosts.origin(request.scheme, request.host)


def require_same_origin(service: Service) -> None:
    """A write that a cookie authorises, or that sets one, must come from one of our own pages.

    SameSite=Strict already keeps the cookie at home; this is the second lock.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if (origin is not None and origin == own_origin(service)) or (origin is None and site == "same-origin"):
        return
    raise forbidden(
        "foreign_origin",
        "A page of another site sent this form; open the form on this node and send it again.",
    )


def admit(service: Service, route: Route) -> None:
    """Put the session of this request into `g.session`, or raise 401 or 403.

    A route without scopes is open; a session is still looked up there, because it may entitle to more.
    """
    g.session = None
    WHO.set(A_PEER if route.peer else ANYBODY)
    ACCOUNT.set("")
    if route.peer or (route.open_api and service.vc_api.open_api):
        return  # a peer's body is signed: `PeerDoor.handle` judges it
    bearer, cookie = _shown(service)
    if not route.scopes:
        if bearer or cookie:
            g.session = _session(service, bearer, cookie)
        return
    try:
        g.session = _session_with(service, route.scopes, bearer, cookie)
    except ProblemError as error:
        if error.status == 403:  # known, and shown who it is and how to leave
            look_up(service)
        raise
    WHO.set(g.session.name)
    ACCOUNT.set(g.session.account)
    if bearer is None and request.method not in ("GET", "HEAD", "OPTIONS"):
        require_same_origin(service)


def while_admitted(service: Service, route: Route, feed: Feed) -> Feed:
    """The same feed, of whose key or session it is; it ends once that does, or loses its scope.

    However the headers are written that show it. A brief one does not end before: it tells what became of
    what was begun.
    """
    if g.session is None:
        return feed
    bearer, cookie = _shown(service)
    of, share = _whose(bearer, cookie), share_of(g.session)
    if feed.brief or not route.scopes:
        return Feed(feed.poll, brief=feed.brief, of=of, share=share)

    def poll() -> tuple[bytes, bool]:
        _session_with(service, route.scopes, bearer, cookie)
        return feed.poll()

    return Feed(poll, of=of, share=share)


def known_as(service: Service, authorization: str | None, cookies: str | None) -> str | None:
    """In whose share these headers' key or session of this node is, with whatever scope; None: nobody's."""
    scheme, _, key = (authorization or "").partition(" ")
    cookie = parse_cookie(cookies).get(cookie_name(service)) if cookies else None
    bearer = key.strip() if scheme.lower() == "bearer" and len(key) <= BEARER_CHARS_MAX else None
    if not bearer and not cookie:
        return None
    try:
        found = _session(service, bearer or None, None if bearer else cookie)
    except ProblemError:
        return None
    return None if found is None else share_of(found)


def share_of(found: Session) -> str:
    """In whose share a session is, in a word that names nobody and is no address."""
    return sha256((found.share or found.name).encode()).hexdigest()


def _whose(bearer: str | None, cookie: str | None) -> str:
    """One word for a key or a session, which tells nothing of it."""
    return sha256(f"{bearer or cookie}".encode()).hexdigest()


def require_own_host(service: Service) -> None:
    """421 for a request that names another host: it is not for this node, whatever key it carries."""
    if not service.hosts.admit(request.host):
        raise ProblemError(
            421,
            "other_host",
            "Misdirected request",
            "this node does not answer for the host {host}; ask it where it listens, or name its address as "
            "public_url in node.toml.",
            host=ascii(request.headers.get("Host", ""))[:120],
        )


def look_up(service: Service) -> None:
    """Put the session of a page into `g.session`, where nothing is asked for that would need one."""
    cookie = _shown(service)[1]
    g.session = _session(service, None, cookie) if cookie else None


def _session_with(
    service: Service, scopes: tuple[str, ...], bearer: str | None, cookie: str | None
) -> Session:
    """The session if it has any of `scopes`; the first refusal otherwise."""
    refusal: ProblemError | None = None
    for scope in scopes:
        try:
            return service.access.authorise(bearer=bearer, cookie=cookie, scope=scope)
        except ProblemError as error:
            refusal = refusal or error
            if error.status != 403:
                break
    assert refusal is not None, "a restricted route names at least one scope"
    raise refusal


def _session(service: Service, bearer: str | None, cookie: str | None) -> Session | None:
    """Who asks on an open route; an old cookie is nobody, a wrong key is told so."""
    try:
        return _session_with(
            service, ("read", "clear", "issue", "verify", "govern", "operate"), bearer, cookie
        )
    except ProblemError as error:
        if bearer and error.status == 401:
            raise
        return None
