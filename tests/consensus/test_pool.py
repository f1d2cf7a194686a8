"""The pool: everybody's share, what waits gives way, and what a flood costs (consensus/pool.py)."""

from __future__ import annotations

import time
from hashlib import sha256

import pytest

from consensus import pool as bounds
from consensus.events import AttestationReceived
from consensus.pool import GivenUp, Pool
from tests.harness.replicas import Net, chain_of, did
from tests.harness.sim.ledger import Ledger, make_tx

NOW = 1_800_000_000


def digest_of(tx: bytes) -> bytes:
    return sha256(tx).digest()


class Shared:
    """A pool on a bench; attestations are named `issuer:what`, and wait for `issuer:what`s."""

    def __init__(self) -> None:
        self.pool = Pool(Ledger())
        self.given_up: list[GivenUp] = []

    def add(self, name: str, after: str | None = None, sender: str = "", time: int = NOW) -> bool:
        """Whether it is kept."""
        tx = make_tx(name, after)
        self.given_up += self.pool.add(tx, digest_of(tx), sender, 0, time)
        return digest_of(tx) in self.pool

    def flood(self, issuer: str, count: int, after: str | None = "never", sender: str = "flooder") -> int:
        """How many of these are kept."""
        return sum(self.add(f"{issuer}:{number}", after, sender) for number in range(count))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Shared:
    """A pool a hundredth of its size."""
    for name in ("COUNT_MAX", "WAITING_COUNT_MAX", "WAITING_PER_ISSUER_MAX", "WAITING_PER_SENDER_MAX"):
        monkeypatch.setattr(bounds, name, getattr(bounds, name) // 100)
    return Shared()


def test_what_waits_is_bounded_per_issuer_and_far_below_what_is_ready(shared: Shared) -> None:
    """
    An issuer whose attestations only wait gets its share of the waiting shelf, and no more; another's are
    kept, ready or not.
    """
    assert shared.flood("evil", 500) == bounds.WAITING_PER_ISSUER_MAX == 10
    assert {item.code for item in shared.given_up} == {"pool_full"}
    assert shared.add("good:1")
    assert shared.add("good:2", after="good:1")
    assert bounds.WAITING_COUNT_MAX * 5 == bounds.COUNT_MAX
    assert shared.pool.by_issuer == {"evil": 10, "good": 2}


def test_what_only_waits_is_paid_for_by_the_day(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever lets its attestations wait, lets them be forgotten and sends others has a number of them for one
    day, whatever room there is; what is ready, another's, and the next day's are not touched, and one that is
    asked about again is not counted again.
    """
    monkeypatch.setattr(bounds, "WAITED_PER_ISSUER_PER_DAY_MAX", 25)

    kept = 0
    for number in range(40):
        kept += shared.add(f"evil:{number}", after="never")
        for _ in range(3):
            shared.given_up += shared.pool.recheck(0, NOW)
        shared.pool.remove([digest_of(make_tx(f"evil:{number}", "never"))])

    assert kept == 25
    assert [item.code for item in shared.given_up] == ["quota"] * 15
    assert shared.add("evil:ready")
    assert shared.add("good:1", after="never")
    assert shared.add("evil:tomorrow", after="never", time=NOW + bounds.DAY_S)


def test_what_one_peer_passes_on_is_bounded_whoever_signed_it(shared: Shared) -> None:
    """
    A peer that passes on the waiting attestations of many issuers fills its own share only.
    """
    kept = sum(shared.flood(f"issuer{number}", 5, sender="relay") for number in range(20))

    assert kept == bounds.WAITING_PER_SENDER_MAX
    assert shared.add("good:1", after="good:0", sender="good")


def test_what_waits_gives_way_to_what_is_ready(shared: Shared) -> None:
    """
    A full pool takes what may be proposed now, and gives up what waits, the largest holder's first.
    """
    for number in range(5):
        shared.flood(f"evil{number}", 10, sender=f"peer{number}")
    assert len(shared.pool) == bounds.WAITING_COUNT_MAX

    assert shared.flood("good", 200, after=None) == 200
    assert shared.pool.ready == 200
    assert len(shared.pool) == bounds.COUNT_MAX


def test_the_largest_holder_gives_way(shared: Shared) -> None:
    """
    An issuer that fills the whole pool with ready ones loses one for each that another brings, and gets no
    more in itself.
    """
    assert shared.flood("evil", 300, after=None) == bounds.COUNT_MAX
    assert shared.flood("good", 50, after=None) == 50

    assert shared.pool.by_issuer == {"evil": 150, "good": 50}
    assert not shared.add("evil:again")


def test_how_full_it_is_goes_by_what_is_nearer_to_its_bound(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A few large attestations fill it as many small ones do, ready or not.
    """
    shared.flood("good", 50, after=None)
    assert shared.pool.full_percent == 25
    shared.flood("late", 10)
    assert shared.pool.full_percent == 30

    size_bytes = sum(len(make_tx(f"good:{n}")) for n in range(50))
    size_bytes += sum(len(make_tx(f"late:{n}", "never")) for n in range(10))
    monkeypatch.setattr(bounds, "SIZE_BYTES_MAX", size_bytes * 10 // 9)

    assert 89 <= shared.pool.full_percent <= 90


def test_offers_and_rechecks_take_issuers_in_turn(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Behind a flood, another issuer's attestation is in every offer, and is asked about again after one block.
    """
    monkeypatch.setattr(bounds, "OFFERED_MAX", 4)
    monkeypatch.setattr(bounds, "RECHECKS_PER_BLOCK_MAX", 4)
    shared.flood("evil", 100, after=None)
    shared.flood("evil2", 10)
    shared.add("good:1")
    shared.add("good:2", after="good:first")
    shared.pool._application.names["good:first"] = bytes(32)  # type: ignore[attr-defined]

    assert make_tx("good:1") in shared.pool.offer()
    everything = shared.pool.everything()
    assert len(everything) == len(set(everything)) == len(shared.pool) == 112
    assert set(shared.pool.offer()) < set(everything)
    shared.pool.recheck(1_000, NOW)
    assert shared.pool.ready == 102


@pytest.mark.check
def test_a_flood_of_what_waits_leaves_the_network_as_it_was() -> None:
    """
    N02: an observer posts 21,250 attestations that only wait to all four. All but its share are refused,
    honest ones are taken, and one more block is decided in the time it takes without a flood.
    """
    net = Net(2, chain_of(4), 4)
    net.start()
    flood = [make_tx(f"observer:{number}", "never") for number in range(21_250)]
    begun = time.perf_counter()
    for node in net.nodes.values():
        for tx in flood:
            node.feed(AttestationReceived(tx, digest_of(tx), "did:web:observer.example"))
    took_s = time.perf_counter() - begun

    for node in net.nodes.values():
        assert node.up.pool.by_issuer == {"observer": bounds.WAITING_PER_ISSUER_MAX}
        assert node.up.pool.ready == 0
    tx = make_tx(f"{did(0)}:honest")
    started_ms = net.now_ms
    net.submit(tx)
    net.run_until(lambda: net.final_everywhere(tx))
    print(f"4 x 21,250 waiting ones: {took_s:.1f} s; then final after {net.now_ms - started_ms} ms")
    assert net.now_ms - started_ms < 500


def test_after_a_block_that_took_many_the_next_one_waits_for_more() -> None:
    """
    Of a stream: as many as make a block busy left with it, and what is there begins none for the pause; one
    fewer is no stream.
    """
    for taken, waits in ((bounds.BUSY_COUNT, True), (bounds.BUSY_COUNT - 1, False)):
        bench = Shared()
        for number in range(taken + 1):
            assert bench.add(f"maker:{number}")
        bench.pool.remove(digest_of(make_tx(f"maker:{number}")) for number in range(taken))
        bench.pool.recheck(1_000, NOW)

        assert bench.pool.proposable(1_000 + bounds.PACE_MS - 1) is not waits
        assert bench.pool.proposable(1_000 + bounds.PACE_MS)
