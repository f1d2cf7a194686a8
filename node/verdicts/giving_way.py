"""When a job pauses: for whoever waits for one verdict, and for a moment for any request (decision 0646).

Verdicts are computed under the interpreter's lock, so a job beside a scan would double its time. Between two
lines the job asks here; where nobody asks, it does not pause. Whoever asks without pause does not stop it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_S = 0.001
SCAN_WAIT_S_MAX = 0.05  # per line: scans without pause do not stop a job
REQUEST_WAIT_S_MAX = 0.005  # per line, about what a line takes: whoever asks without pause doubles its time


class GivingWay:
    """Who is waited for. Thread-safe."""

    def __init__(self) -> None:
        self._scans = 0  # verdicts that somebody waits for right now
        self._lock = threading.Lock()
        self._asked: Callable[[float], bool] = lambda seconds: False

    def to(self, asked: Callable[[float], bool]) -> None:
        """Who asks: whether a request waits, or was begun less than so many seconds ago."""
        self._asked = asked

    @contextmanager
    def scanning(self) -> Iterator[None]:
        """Somebody waits for one verdict: the job makes no new one meanwhile."""
        with self._lock:
            self._scans += 1
        try:
            yield
        finally:
            with self._lock:
                self._scans -= 1

    def wait(self) -> None:
        """Until nobody is waited for any more, or long enough."""
        since = time.monotonic()
        while self._is_awaited(time.monotonic() - since):
            time.sleep(POLL_S)

    def _is_awaited(self, waited: float) -> bool:
        if self._scans:
            return waited < SCAN_WAIT_S_MAX
        return waited < REQUEST_WAIT_S_MAX and self._asked(REQUEST_WAIT_S_MAX)
