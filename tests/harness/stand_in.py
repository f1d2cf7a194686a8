"""A plain HTTP server in a test, for a host that is not a node of Comity."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class StandIn(ThreadingHTTPServer):
    """Somebody else's server. That whoever asked it broke off is no error of the test that runs then.

    Its threads outlive a request that was given up: what they print stands in what another test captures.
    """

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
