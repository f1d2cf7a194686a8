"""Ports of the demo: a block belongs to one demo, and a stranger on a port is not taken for a node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from node.demo import scenario
from node.demo.launcher import NodeProcess, claim_block
from node.demo.play import DemoFailed
from tests.harness.stand_in import StandIn


class _SaysReady(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to see."""


@pytest.fixture
def stranger() -> Iterator[StandIn]:
    server = StandIn(("127.0.0.1", 0), _SaysReady)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_stranger_on_the_port_is_not_taken_for_the_node(stranger: StandIn, tmp_path: Path) -> None:
    """
    Ready is what the own process says: somebody else's answer on its port is not waited for, nor believed.
    """
    (tmp_path / "passphrase").write_text("a sentence that only you know")
    node = NodeProcess(scenario.PARTIES[0], tmp_path, stranger.server_port, tmp_path / "passphrase")

    node.start()

    with pytest.raises(DemoFailed, match="stopped at start"):
        node.wait_ready()


def test_two_demos_that_start_together_take_different_blocks() -> None:
    """
    A block is taken from the moment it is chosen, before any node listens on it.
    """
    ours, our_page = claim_block(7, 9000)
    theirs, their_page = claim_block(7, 9000)
    with our_page, their_page:
        assert not set(ours) & set(theirs)
        assert our_page.getsockname() == ("127.0.0.1", ours[-1])
