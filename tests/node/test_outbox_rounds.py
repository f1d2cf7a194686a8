"""The outbox by itself: what a round of it looks at, hands over, and takes up again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from node.errors import busy
from node.issuing import outbox as bounds
from node.issuing.ledger_follower import Following
from node.issuing.outbox import Outbox
from node.peers.messages import Item
from node.resolution.webhooks import Webhooks
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.outbox import Settled


class Bench:
    """An outbox whose engine and peers are the test's, and whose clock it moves."""

    def __init__(self, office: OfficeStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office, self.now = office, 100.0
        self.handed: list[tuple[bytes, ...]] = []
        self.told: list[bytes] = []
        self.full_after: int | None = None
        self.looked_at = 0
        monkeypatch.setattr(bounds, "time", SimpleNamespace(monotonic=lambda: self.now, time=lambda: 1.0))
        waiting = office.outbox.waiting

        def counted(state: str, limit: int = 1000, after: int = 0) -> list[object]:
            found = waiting(state, limit, after)
            self.looked_at += len(found)
            return list(found)

        monkeypatch.setattr(office.outbox, "waiting", counted)
        unused = SimpleNamespace(is_open=True, post=lambda *_: None)
        self.outbox = Outbox(
            office,
            cast(LedgerStore, self),
            self,
            self,
            cast(Following, unused),
            webhooks=cast(Webhooks, unused),
        )

    def checkpoint(self) -> tuple[int, bytes]:
        return 10, b"a note"

    def submit(self, *attestations: bytes) -> None:
        if b"planted" in attestations:
            raise TypeError("planted")
        if self.full_after is not None and sum(map(len, self.handed)) >= self.full_after:
            raise busy("full")
        self.handed.append(attestations)

    def broadcast(self, item: Item, *, observers: bool = False) -> None:
        self.told.append(cast(bytes, item[1]))

    def put(self, *attestations: bytes) -> None:
        with self.office.writing() as db:
            for data in attestations:
                about = data.ljust(32, b"-")
                self.office.outbox.put(
                    db,
                    digest=about,
                    data=data,
                    kind="k",
                    battery=None,
                    subject=None,
                    document_digest=about,
                    created=1,
                )

    def cancel(self, data: bytes) -> None:
        with self.office.writing() as db:
            assert self.office.outbox.cancel(db, data.ljust(32, b"-"))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    office = OfficeStore(tmp_path / "office.db")
    yield Bench(office, monkeypatch)
    office.close()


def test_a_round_reads_what_is_new_alone_until_something_is_due_again(bench: Bench) -> None:
    """
    What was sent is not read again by each of the rounds that blocks wake, however many wait; after its time
    it is sent again, what was given up meanwhile is not, and the time doubles.
    """
    bench.put(*(b"first %d" % n for n in range(100)))
    bench.outbox.send()
    bench.looked_at = 0
    for _ in range(50):
        bench.outbox.send()
    assert bench.looked_at == 0
    bench.put(b"second")
    bench.outbox.send()

    assert [len(part) for part in bench.handed] == [bounds.SEND_TOGETHER, 100 - bounds.SEND_TOGETHER, 1]
    assert bench.told == [data for part in bench.handed for data in part]
    assert bench.looked_at == 1
    bench.cancel(b"second")
    bench.handed.clear()
    for second, again in ((1.9, 0), (2.0, 100), (3.9, 0), (5.9, 0), (6.0, 100)):
        bench.now = 100.0 + second
        bench.outbox.send()
        assert sum(map(len, bench.handed)) == again, second
        bench.handed.clear()


def test_what_found_no_room_goes_next(bench: Bench) -> None:
    """
    An engine that is full keeps nothing of what it refused; the next round begins there, and none is lost or
    sent twice before its time.
    """
    everything = [b"%05d" % n for n in range(bounds.SENT_MAX + bounds.SEND_MAX)]
    bench.put(*everything)
    bench.full_after = bounds.SEND_TOGETHER
    for _ in range(3):
        bench.outbox.send()
    assert bench.handed == [tuple(everything[: bounds.SEND_TOGETHER])]
    bench.full_after = None
    for _ in range(20):
        bench.outbox.send()

    sent = [data for part in bench.handed for data in part]
    assert sent == everything[: bounds.SENT_MAX]  # nothing was heard of them yet: the others wait
    for data in everything[:10]:
        bench.cancel(data)
    bench.now += bounds.RESEND_S_MIN
    for _ in range(20):
        bench.outbox.send()
    again = [data for part in bench.handed for data in part][bounds.SENT_MAX :]
    assert again == everything[10 : bounds.SENT_MAX + 10]


def test_one_that_raises_takes_none_of_its_neighbours_along(bench: Bench) -> None:
    """
    Of those that are handed over together only the one that raises is set aside, and is read no more before
    the operator says so.
    """
    bench.put(b"one", b"planted", b"two")
    bench.outbox.send()
    bench.now += bounds.RESEND_S_MIN
    bench.outbox.send()

    assert bench.handed == [(b"one",), (b"two",), (b"one", b"two")]
    assert len(bench.office.aside.refs(bounds.ATTESTATION, again=False)) == 1


def test_a_round_without_a_receipt_writes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The office is written to once something of ours is below a cosigned size, and not again for it: whoever
    issues meanwhile waits for no transaction that writes nothing.
    """
    bench.put(b"above", b"below")
    places = [Settled(data.ljust(32, b"-"), "admitted", 1, leaf, None, None) for data, leaf in
              ((b"above", 10), (b"below", 9))]  # fmt: skip
    with bench.office.writing() as db:
        bench.office.outbox.settle(db, places[:1])
    written: list[str] = []
    bench.office._db.connection.set_trace_callback(written.append)

    bench.outbox.receipt()
    first, written[:] = [one for one in written if one.startswith("BEGIN")], []
    with bench.office.writing() as db:
        bench.office.outbox.settle(db, places[1:])
    written.clear()
    for _ in range(3):
        bench.outbox.receipt()
    bench.office._db.connection.set_trace_callback(None)

    assert first == []
    assert [one for one in written if one.startswith("BEGIN")] == ["BEGIN IMMEDIATE"]
    assert bench.office.outbox.has_below(11) and not bench.office.outbox.has_below(10)


def test_an_outbox_that_waits_for_nothing_rests_five_seconds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is new wakes it; by itself it looks again where something is to be sent again, in time for that, and
    otherwise each five seconds.
    """
    rested: list[float | None] = []
    monkeypatch.setattr(bench.outbox._wake, "wait", rested.append)
    monkeypatch.setattr(bench.outbox, "round", lambda: None)
    for sent in (b"", b"own"):
        if sent:
            bench.put(sent)
        bench.outbox.send()
        for _ in range(2):
            bench.outbox.turn()
            bench.now += bounds.RESEND_S_MIN - bounds.AGAIN_S

    assert rested == [bounds.REST_S, bounds.REST_S, bounds.RESEND_S_MIN, bounds.AGAIN_S]
