"""The demo's one address: three doors into the live nodes. It holds no data of its own."""

from __future__ import annotations

import html
import socket
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DOORS = {
    "customs": (
        "Customs officer",
        "A consignment of 66 lines has arrived in Rotterdam. "
        "See what is proven about each battery, what is not, and why.",
    ),
    "importer": (
        "EU importer",
        "Which EU requirements do the attestations made in China already answer, "
        "which stay open, and who must act?",
    ),
    "manufacturer": (
        "Manufacturer",
        "Issue a passport from your own node and watch it become signed, attested and receipted.",
    ),
}

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comity demo</title><style>
body{{font:17px/1.5 system-ui,sans-serif;margin:0;background:#f4f5f2;color:#1c2321}}
main{{max-width:60rem;margin:0 auto;padding:2rem 1rem}}
h1{{font-size:1.7rem;margin:0 0 .3rem}} ul{{list-style:none;padding:0;display:grid;gap:1rem}}
@media(min-width:48rem){{ul{{grid-template-columns:repeat(3,1fr)}}}}
li a{{display:block;background:#fff;border:2px solid #2b4c5e;border-radius:.4rem;padding:1rem 1.2rem;
color:inherit;text-decoration:none;height:100%;box-sizing:border-box}}
li a:hover,li a:focus{{background:#e8f0f3}}
strong{{display:block;font-size:1.2rem;color:#1d4257}}
.wide{{overflow-x:auto}} table{{border-collapse:collapse;margin-top:.5rem;width:100%}}
td,th{{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #d5dad6}}
.note{{color:#4a5552}}
</style></head><body><main>
<h1>Comity: a battery passport crosses the border</h1>
<p class="note">Six nodes run on this machine as separate processes. All parties, codes and numbers are
invented; the recognition between the two sides is a demonstration: no EU act recognises a Chinese battery
attestation today.</p>
<ul>{doors}</ul>
<h2>The nodes</h2><div class="wide"><table>
<thead><tr><th>Participant</th><th>Side</th><th>Vote</th><th>Address</th></tr></thead>
<tbody>{nodes}</tbody></table></div>
</main></body></html>
"""


class StartPage(ThreadingHTTPServer):
    """Serves the three doors; each opens with a fresh one-time link asked of the node at that moment."""

    daemon_threads = True

    def __init__(
        self,
        listening: socket.socket,
        nodes: list[tuple[str, str, bool, str]],
        links: Mapping[str, Callable[[], str]],
    ) -> None:
        self.links = links
        self.body = PAGE.format(
            doors="".join(
                f'<li><a href="/door/{door}"><strong>{html.escape(title)}</strong>'
                f"{html.escape(text)}</a></li>"
                for door, (title, text) in DOORS.items()
            ),
            nodes="".join(
                f"<tr><td>{html.escape(name)}</td><td>{html.escape(side)}</td>"
                f"<td>{'yes' if votes else 'reads only'}</td>"
                f'<td><a href="{html.escape(url)}">{html.escape(url)}</a></td></tr>'
                for name, side, votes, url in nodes
            ),
        ).encode()
        super().__init__(listening.getsockname(), _Request, bind_and_activate=False)
        self.socket.close()
        self.socket = listening


class _Request(BaseHTTPRequestHandler):
    server: StartPage

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, self.server.body)
            return
        link = (
            self.server.links.get(self.path.removeprefix("/door/"))
            if self.path.startswith("/door/")
            else None
        )
        if link is None:
            self._answer(404, b"<p>There is no such door. <a href='/'>Back to the three doors</a></p>")
            return
        try:
            target = link()
        except Exception as error:  # the node behind the door may just be down: say so, keep serving
            self._answer(
                502, f"<p>The node behind this door did not answer: {html.escape(str(error))}</p>".encode()
            )
            return
        self.send_response(303)
        self.send_header("Location", target)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The demo prints its own progress; the page's access log would drown it."""
