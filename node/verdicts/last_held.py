"""When lists of other servers were last had, for verdicts that say so while such a server does not answer."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

LISTS_REMEMBERED_MAX = 10_000


class LastHeld:
    """By address of a list. Thread-safe.

    Whoever shows a document names the lists that are asked for. So where there is no room, one of the server
    with most lists is forgotten, the oldest: nobody's lists take the place of other servers'.
    """

    def __init__(self, most: int = LISTS_REMEMBERED_MAX) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._of: dict[str, dict[str, int]] = {}  # by server, in the order in which they were had

    def get(self, url: str) -> int | None:
        """Seconds, UTC; None when it never was, or that is not known any more."""
        with self._lock:
            return self._of.get(_server(url), {}).get(url)

    def put(self, url: str, now: int) -> None:
        """It was had at `now`."""
        with self._lock:
            self._forget(_server(url), url)
            if sum(map(len, self._of.values())) >= self._most:
                fullest = max(self._of, key=lambda server: len(self._of[server]))
                self._forget(fullest, next(iter(self._of[fullest])))
            self._of.setdefault(_server(url), {})[url] = now

    def _forget(self, server: str, url: str) -> None:
        lists = self._of.get(server, {})
        lists.pop(url, None)
        if not lists:
            self._of.pop(server, None)


def _server(url: str) -> str:
    return urlsplit(url).netloc
