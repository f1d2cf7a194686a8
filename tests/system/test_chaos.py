"""Each stopper of a network for a minute: the doors and the stoppers of `make check`, six times as long.

The bounds are those of `test_doors.py`; what each did is printed as one table at the end: finality of the
honest, memory that grew, how long a probe waited, and what /readyz said.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.harness.net.clocks import Clocks
from tests.system import test_doors as doors
from tests.system import test_stoppers as stoppers
from tests.system.test_doors import Net, running
from tests.system.test_stoppers import clocks  # noqa: F401  (a fixture)

pytestmark = pytest.mark.long

MINUTE_S = 60.0
STOPPERS: dict[str, Callable[[Net], None]] = {
    "N01": stoppers.test_poisoned_evidence,
    "N02": stoppers.test_what_only_waits,
    "N04": doors.test_silent_tls_connections,
    "N05": doors.test_half_open_requests,
    "N06": doors.test_event_streams,
    "N07": doors.test_compressed_answers,
    "N09": doors.test_replays,
    "strangers": doors.test_strangers_at_the_peers_door,
    "bombs": doors.test_bombs_of_strangers_at_the_peers_door,
    "snapshots": doors.test_asking_for_snapshots,
    "large bodies": doors.test_large_bodies_that_never_end,
}


@pytest.fixture(scope="module")
def net(clocks: Clocks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:  # noqa: F811
    with running(tmp_path_factory.mktemp("chaos") / "network") as made:
        made.seconds = float(os.environ.get("COMITY_DOORS_S", MINUTE_S))
        yield made
        print(f"\n{made.seconds:.0f} s each, load average {os.getloadavg()[0]:.1f} at the end")
        print(doors.HEAD)
        for row in made.rows:
            print(row)


@pytest.mark.parametrize("name", STOPPERS)
def test_a_stopper_goes_on_for_a_minute(net: Net, name: str) -> None:
    """
    One attack on two of four validators for a minute: what the honest attest is final within bounds, memory
    stays within bounds, and /readyz goes on answering.
    """
    STOPPERS[name](net)


def test_wrong_clocks_at_the_end_of_it_all(net: Net, clocks: Clocks) -> None:  # noqa: F811
    """
    N03, after ten minutes of the others: two clocks wrong for five seconds, and then as if they never were.
    """
    stoppers.test_wrong_clocks(net, clocks)


def test_nothing_acknowledged_was_lost_in_all_of_it(net: Net) -> None:
    """
    Every attestation that was acknowledged meanwhile is on every ledger.
    """
    doors.test_nothing_acknowledged_is_lost(net)
