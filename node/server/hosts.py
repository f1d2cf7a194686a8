"""The names under which this node answers: a request for another `Host` is not for it.

A link that is handed out and the check where a write by cookie comes from are both built on `Host`; a name
that points here without belonging here (DNS rebinding) must not pass for ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")  # RFC 9110, 7.2, without escapes
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})  # at any port: a tunnel ends at one of its own
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104
USUAL_PORTS = frozenset({80, 443})  # a Host may leave them out


@dataclass(frozen=True, slots=True)
class Hosts:
    """Own names with their ports (None: no port, or the usual one)."""

    own: frozenset[tuple[str, int | None]] = frozenset()
    every_address_at: int | None = None  # listening on every address: any IP address at this port is ours
    by_https: frozenset[tuple[str, int | None]] = frozenset()  # of the own, those that a URL says

    @classmethod
    def of(cls, did: str, listen: tuple[str, int] | None, urls: Iterable[str | None]) -> Hosts:
        """Where it listens, the URLs it is known by (public_url, its line of peers.toml), its did:web."""
        own = {_split(unquote(did.removeprefix("did:web:").partition(":")[0]))}
        known = [urlsplit(url) for url in urls if url]
        own |= {_split(url.netloc) for url in known}
        everywhere = None
        if listen is not None and listen[0] in EVERYWHERE:
            everywhere = listen[1]
        elif listen is not None:
            own.add((listen[0].lower(), None if listen[1] in USUAL_PORTS else listen[1]))
        by_https = frozenset(_split(url.netloc) for url in known if url.scheme == "https")
        return cls(frozenset(own - {("", None)}), everywhere, by_https)

    def names(self) -> list[str]:
        """The own names, without ports."""
        return sorted({name for name, _ in self.own})

    def origin(self, scheme: str, host: str) -> str:
        """The origin under which whoever asks by this `Host` sees this node (RFC 6454, 4).

        Where a proxy ends TLS in front of it, the request arrives by HTTP; public_url says what it was.
        """
        return f"{'https' if _split(host) in self.by_https else scheme}://{host}"

    def admit(self, host: str) -> bool:
        """True when a request with this `Host` is for this node."""
        name, port = _split(host)
        if name in LOOPBACK or (name, port) in self.own:
            return True
        return port is not None and port == self.every_address_at and _is_address(name)


def _split(host: str) -> tuple[str, int | None]:
    """(name in lower case, port) of `name[:port]`; ("", None) when it is not of that form."""
    if not HOST.fullmatch(host):
        return "", None
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").rstrip("."), None if parts.port in USUAL_PORTS else parts.port
    except ValueError:
        return "", None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
