"""The web server of a node that speaks HTTPS itself: cheroot over a socket that is bound already.

Plain HTTP stays with waitress, which has no TLS: its one loop reads sockets without blocking, and a socket
wrapped by `ssl` hands over bytes that no `select` announces.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from node.errors import SetupError

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
REQUEST_SECONDS_MAX = 20
QUEUE_MAX = 64


class TlsServer(wsgi.Server):
    """Serves an application over TLS 1.2 and later, on a bound socket."""

    def __init__(
        self,
        application: Application,
        listening: socket.socket,
        *,
        certificate: Path,
        key: Path,
        threads: int,
        body_bytes_max: int,
    ) -> None:
        super().__init__(
            listening.getsockname()[:2],
            application,
            numthreads=threads,
            server_name="comity",
            max=threads,
            request_queue_size=QUEUE_MAX,
            timeout=REQUEST_SECONDS_MAX,
            accepted_queue_size=QUEUE_MAX,
        )
        self._listening = listening
        self.max_request_body_size = body_bytes_max
        try:
            adapter = BuiltinSSLAdapter(str(certificate), str(key))
        except (OSError, ssl.SSLError) as error:
            raise SetupError(
                f"--tls-cert {certificate} and --tls-key {key} cannot be used: {error}"
            ) from error
        adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.ssl_adapter = adapter
        listening.listen(QUEUE_MAX)  # from now on clients wait instead of being turned away

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:
        """The socket that was bound before anything else was done."""
        self.socket = self._listening
        return self._listening

    def run(self) -> None:
        """Serve until SystemExit."""
        self.prepare()
        self.serve()

    def close(self) -> None:
        """Finish what is being answered, and stop."""
        self.stop()

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Broken connections of clients are not the operator's news."""
