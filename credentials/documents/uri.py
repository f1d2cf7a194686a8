"""URLs, URNs and DIDs by their grammar (RFC 3986; RFC 8141 and DID Core 1.0, 3.1, within it).

Nobody else cuts a URL at a `:` or looks at its first letters: a name in capitals, an escape or a port would
be read in one place and not in another. Characters beyond ASCII are those of an IRI (RFC 3987, 2.2) and are
left as they are; what must be a URI asks `is_ascii`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

URI_CHARACTERS_MAX = 8192  # the did:key of a large key, and again as its fragment
ASKED_AGAIN_CHARACTERS_MAX = 256  # of longer ones no answer is kept

# RFC 3986, appendix A, and `ucschar` of RFC 3987 (private use and non-characters are none).
_UCS = "\u00a1-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U000efffd"
_PLAIN = rf"A-Za-z0-9\-._~!$&'()*+,;={_UCS}"
_ESCAPE = "%[0-9A-Fa-f]{2}"


def _any_of(characters: str) -> str:
    # Possessive: no part shares a character with what ends it, so nothing is ever gained by going back.
    return rf"(?:[{characters}]++|{_ESCAPE})*+"


_URI = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*+):"
    rf"(?://(?:(?P<user>{_any_of(_PLAIN + ':')})@)?"
    rf"(?P<host>\[[0-9A-Fa-f:.]+\]|{_any_of(_PLAIN)})(?::(?P<port>[0-9]*+))?"
    rf"(?P<absolute>(?:/{_any_of(_PLAIN + ':@')})*+)"
    rf"|(?P<opaque>/?(?:(?:[{_PLAIN}:@]|{_ESCAPE}){_any_of(_PLAIN + ':@/')})?+))"
    rf"(?:\?(?P<query>{_any_of(_PLAIN + ':@/?')}))?+(?:\#(?P<fragment>{_any_of(_PLAIN + ':@/?')}))?+"
)
_IDCHAR = rf"(?:[A-Za-z0-9._\-]|{_ESCAPE})"
_DID = re.compile(rf"did:(?P<method>[a-z0-9]+):(?P<id>(?:{_IDCHAR}*:)*{_IDCHAR}+)")
_PORTS = {"http": "80", "https": "443"}
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI in its parts, as written but for scheme and host, which have no case (RFC 3986, 6.2.2.1)."""

    scheme: str  # lower case
    user: str | None
    host: str | None  # lower case; None: no authority
    port: str | None
    path: str
    query: str | None
    fragment: str | None

    @property
    def is_web(self) -> bool:
        """True for http and https with a host."""
        return self.scheme in _PORTS and bool(self.host)

    @property
    def is_did(self) -> bool:
        """True for a DID or a DID URL."""
        return self.scheme == "did" and self.host is None

    @property
    def method(self) -> str:
        """The method of a DID, such as `web`; the namespace of a URN. Empty for anything else."""
        return self.path.partition(":")[0] if self.scheme in ("did", "urn") else ""

    @property
    def normal(self) -> str:
        """One spelling of equivalent URIs: RFC 3986, 6.2.2 (case, escapes, dot segments) and 6.2.3 (port)."""
        port = None if self.port in (None, "", _PORTS.get(self.scheme)) else self.port
        path = _unescaped(self.path)
        if self.host is not None:
            path = _without_dots(path)
            path = path or ("/" if self.scheme in _PORTS else "")
        elif self.scheme == "urn":  # RFC 8141, 3.1: the namespace has no case either
            namespace, colon, rest = path.partition(":")
            path = namespace.lower() + colon + rest
        query, fragment = (None if part is None else _unescaped(part) for part in (self.query, self.fragment))
        host = None if self.host is None else _unescaped(self.host).lower()
        return replace(self, host=host, port=port, path=path, query=query, fragment=fragment).text

    @property
    def text(self) -> str:
        """The URI again, with scheme and host in lower case (RFC 3986, 5.3)."""
        authority = ""
        if self.host is not None:
            authority = "//" + (f"{self.user}@" if self.user is not None else "") + self.host
            authority += f":{self.port}" if self.port is not None else ""
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return f"{self.scheme}:{authority}{self.path}{query}{fragment}"


def parse_uri(text: object) -> Uri | None:
    """The parts of an absolute URI or IRI, or None if `text` is not one. Never raises."""
    return _parsed(text) if isinstance(text, str) and len(text) <= URI_CHARACTERS_MAX else None


def same_uri(one: str, other: str) -> bool:
    """True for two spellings of one URI (RFC 3986, 6.2.2 and 6.2.3), and for two equal texts."""
    if one == other:
        return True
    left, right = parse_uri(one), parse_uri(other)
    return left is not None and right is not None and left.normal == right.normal


@lru_cache(maxsize=512)  # an issuer's keys are named in each of its documents
def _parsed(text: str) -> Uri | None:
    match = _match(text)
    if match is None:
        return None
    host = match["host"]
    return Uri(
        match["scheme"].lower(),
        match["user"],
        host.lower() if host is not None else None,
        match["port"],
        match["absolute"] if host is not None else match["opaque"] or "",
        match["query"],
        match["fragment"],
    )


def is_url(text: object) -> bool:
    """True for an absolute URI or IRI of any scheme that names something: a host, or a path.

    Asked some ten times of each document, mostly of what the one before it named as well.
    """
    if isinstance(text, str) and len(text) <= ASKED_AGAIN_CHARACTERS_MAX:
        return _is_url(text)
    return _names_something(text)


@lru_cache(maxsize=1024)
def _is_url(text: str) -> bool:
    return _names_something(text)


def _names_something(text: object) -> bool:
    match = _match(text)
    return match is not None and bool(match["host"] or match["absolute"] or match["opaque"])


def _match(text: object) -> re.Match[str] | None:
    if not isinstance(text, str) or len(text) > URI_CHARACTERS_MAX:
        return None
    match = _URI.fullmatch(text)
    return match if match and not (match["port"] and int(match["port"]) > 65535) else None


def is_web_url(text: object) -> bool:
    """True for an absolute http or https URL with a host, however its letters are written."""
    uri = parse_uri(text)
    return uri is not None and uri.is_web


def parse_did(text: object) -> tuple[str, str] | None:
    """(method, method-specific id) of a DID without path, query and fragment (DID Core 1.0, 3.1), or None.

    The scheme and the method of a DID are in lower case; another spelling is no DID.
    """
    if not isinstance(text, str) or not text.isascii() or len(text) > URI_CHARACTERS_MAX:
        return None
    match = _DID.fullmatch(text)
    return (match["method"], match["id"]) if match else None


def unescaped(text: str) -> str:
    """`text` with every escape undone (RFC 3986, 2.1); what is no UTF-8 becomes U+FFFD."""

    def some(match: re.Match[str]) -> str:
        return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "replace")

    return re.sub(f"(?:{_ESCAPE})+", some, text) if "%" in text else text


def _unescaped(text: str) -> str:
    """Escapes of unreserved characters undone, others in capitals (RFC 3986, 6.2.2)."""

    def one(match: re.Match[str]) -> str:
        character = chr(int(match[0][1:], 16))
        return character if character in _UNRESERVED else match[0].upper()

    return re.sub(_ESCAPE, one, text) if "%" in text else text


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4, for a path that begins with a slash or is empty."""
    kept: list[str] = []
    parts = path.split("/")[1:]
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
        if part in (".", "..") and last:
            kept.append("")
    return "/" + "/".join(kept) if parts else path
