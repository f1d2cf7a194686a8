"""The stoppers of a network, on CometBFT: what once stopped one from within or at its doors, a moment each.

The attacks and bounds of `test_doors.py` and `test_stoppers.py`; `make long` goes on with each for a minute
(`test_chaos.py`). One is of this engine alone: strangers at the door of CometBFT itself.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from credentials.ledger.engine_terms import COMETBFT
from tests.harness.net.clocks import Clocks
from tests.harness.net.harness import Node
from tests.harness.parts import require
from tests.system import test_doors as doors
from tests.system import test_stoppers as stoppers
from tests.system.test_chaos import STOPPERS
from tests.system.test_doors import Net, keep_open, running
from tests.system.test_stoppers import clocks  # noqa: F401  (a fixture)

pytestmark = pytest.mark.check

SECONDS = float(os.environ.get("COMITY_DOORS_S", "3"))
# What a node's own desk is asked has nothing to do with what orders: in `make long` alone, it takes a minute.
OF_THE_DESK = frozenset({"N08", "N13"})


@pytest.fixture(scope="module")
def net(clocks: Clocks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:  # noqa: F811
    require("cometbft")
    with running(tmp_path_factory.mktemp("cs") / "n", COMETBFT) as made:
        made.seconds = SECONDS
        yield made
        print(f"\n{doors.HEAD}")
        for row in made.rows:
            print(row)


@pytest.mark.parametrize("name", sorted(STOPPERS.keys() - OF_THE_DESK))
def test_a_stopper_stops_no_network_of_cometbft(net: Net, name: str) -> None:
    """
    Finality of the honest, memory, the time that a probe waits and what /readyz says stay within the bounds
    that hold for the embedded engine.
    """
    STOPPERS[name](net)


def test_strangers_at_the_door_of_cometbft(net: Net) -> None:
    """
    110 connections to the port of CometBFT itself, whose handshake never ends or is garbage: the network goes
    on, and its nodes stay connected.
    """
    garbage = os.urandom(1_024)

    def at_its_door(node: Node, ended: threading.Event) -> None:
        port = list(node.moments("engine_started"))[-1]["port"]

        def begin(plain: socket.socket) -> socket.socket:
            plain.sendall(garbage)
            return plain

        keep_open(node, ended, begin, b"a", port)

    net.during("strangers at CometBFT", at_its_door)
    for node in net.nodes.values():
        assert "comity_cometbft_peers 3" in node.get("/metrics")


def test_wrong_clocks_of_nodes(net: Net, clocks: Clocks) -> None:  # noqa: F811
    """
    N03: the clocks of two nodes are wrong; those of their CometBFTs, which date blocks, are this machine's.
    """
    stoppers.test_wrong_clocks(net, clocks)


def test_nothing_acknowledged_was_lost(net: Net) -> None:
    """
    After all that every battery that was attested is on the ledger of every validator.
    """
    doors.test_nothing_acknowledged_is_lost(net)
