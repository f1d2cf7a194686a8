"""The inbox and the moments of the engine: each party has its share (inbox.py, subscriptions.py)."""

from __future__ import annotations

from hashlib import sha256

import pytest

from consensus.events import MessageReceived
from node.errors import ProblemError
from node.ledger import inbox as bounds
from node.ledger.engine_condition import Watch
from node.ledger.inbox import OWN, Inbox
from node.ledger.intake import AttestationBatch, CheckpointItem, Incoming, Intake
from node.ledger.subscriptions import Moments, PoolDropped, Progressed
from node.peers.messages import (
    ITEM_ASK_COSIGNATURE,
    ITEM_ATTESTATION,
    ITEM_CONSENSUS,
    ITEM_COSIGNATURE,
    ITEM_NOTE,
)


def fill(inbox: Inbox[str], sender: str) -> int:
    """Put until it is refused; how many were taken."""
    for number in range(100_000):
        try:
            inbox.put(sender, f"{sender} {number}")
        except ProblemError as refused:
            assert refused.status == 503
            return number
    raise AssertionError("the inbox has no bound")


def test_many_flooders_leave_room_for_who_has_little() -> None:
    """
    When flooders have filled the whole, another participant and this node itself still get their floor in.
    """
    inbox: Inbox[str] = Inbox()
    taken = [fill(inbox, f"flooder {number}") for number in range(6)]

    assert taken[:4] == [bounds.EVENTS_PER_SENDER_MAX] * 4
    assert sum(taken) <= bounds.EVENTS_MAX + 2 * bounds.EVENTS_FLOOR
    assert fill(inbox, "honest") == bounds.EVENTS_FLOOR
    assert fill(inbox, OWN) == bounds.EVENTS_FLOOR


def test_who_sends_little_does_not_wait_behind_who_sends_much() -> None:
    """
    Each sender has its turn: a vote behind two thousand events of another is the second taken out. What one
    sender sends stays in its order.
    """
    inbox: Inbox[str] = Inbox()
    fill(inbox, "flooder")
    inbox.put("honest", "vote 1")
    inbox.put("honest", "vote 2")

    taken = [inbox.get(0) for _ in range(5)]

    assert taken == ["flooder 0", "vote 1", "flooder 1", "vote 2", "flooder 2"]


def test_batches_have_their_turn_by_sender() -> None:
    """
    Batches of attestations are taken one of each sender, and after at most 32 urgent ones.
    """
    inbox: Inbox[str] = Inbox()
    for number in range(100):
        inbox.put("flooder", f"batch {number}", patient=True)
    inbox.put("honest", "mine", patient=True)

    assert [inbox.get(0) for _ in range(3)] == ["batch 0", "mine", "batch 1"]


@pytest.mark.parametrize("patient", [True, False])
def test_what_was_taken_out_makes_room(patient: bool) -> None:
    """
    Counts and bytes are given back, to the last.
    """
    inbox: Inbox[int] = Inbox()
    for round_ in range(3):
        for number in range(bounds.EVENTS_PER_SENDER_MAX // 4):
            inbox.put("maker", number, count=4, size_bytes=1000, patient=patient)
        with pytest.raises(ProblemError):
            inbox.put("maker", -1)
        assert inbox.waiting_of("maker") == bounds.EVENTS_PER_SENDER_MAX
        while inbox.get(0) is not None:
            pass
        assert (len(inbox), inbox.waiting_of("maker")) == (0, 0), round_


def test_every_subscriber_is_told_and_a_slow_one_holds_nobody_up() -> None:
    """
    Two subscribers get every moment in order; one that does not look keeps its newest and knows what it
    missed; each is woken.
    """
    moments, woken = Moments(), list[str]()
    quick = moments.subscribe(lambda: woken.append("quick"))
    slow = moments.subscribe(kept_max=3)
    told = [Progressed(height, 2 * height) for height in range(10)]
    for moment in told:
        moments.tell(moment)
    last = PoolDropped(bytes(32), "it is refused", "X9")
    moments.tell(last)

    assert quick.take() == [*told, last]
    assert quick.take() == []
    assert slow.take() == [told[8], told[9], last]
    assert (slow.missed, quick.missed) == (8, 0)
    assert woken == ["quick"] * 11


@pytest.fixture
def intake() -> Intake:
    return Intake(Watch(lambda: 0.0, lambda: 0.0))


def taken(intake: Intake) -> list[Incoming]:
    """What waits in the inbox, in the order in which the engine takes it."""
    found: list[Incoming] = []
    while (item := intake.inbox.get(0.0)) is not None:
        found.append(item)
    return found


def test_what_a_peer_says_of_checkpoints_reaches_the_engine_as_what_it_is(intake: Intake) -> None:
    """
    A cosignature, a question for one and a whole note: each under the name by which the engine heeds it.
    """
    root = bytes(32)

    intake.items(
        "peer",
        [
            [ITEM_COSIGNATURE, 5, root, "log line", "line"],
            [ITEM_ASK_COSIGNATURE, "did:web:other.example"],
            [ITEM_NOTE, "a note"],
        ],
    )

    assert taken(intake) == [
        CheckpointItem("cosignature", "peer", (5, root, "log line", "line")),
        CheckpointItem("ask", "peer", ("did:web:other.example",)),
        CheckpointItem("note", "peer", ("a note",)),
    ]


def test_an_attestation_that_many_peers_pass_on_is_judged_once_in_a_moment(intake: Intake) -> None:
    """
    Within two seconds only the first copy reaches the engine, whoever sends the others.
    """
    new = b"new"
    intake.items("first", [[ITEM_ATTESTATION, b"same"]])
    intake.items("second", [[ITEM_ATTESTATION, b"same"]])
    intake.items("third", [[ITEM_ATTESTATION, b"same"], [ITEM_ATTESTATION, new]])

    assert taken(intake) == [
        AttestationBatch("first", [(b"same", sha256(b"same").digest())]),
        AttestationBatch("third", [(new, sha256(new).digest())]),
    ]


def test_what_a_peer_sends_waits_in_its_share_and_signatures_let_votes_pass(intake: Intake) -> None:
    """
    Each item of a batch is counted against whoever sent it; a vote that comes after attestations goes first.
    """
    intake.items("peer", [[ITEM_ATTESTATION, b"one"], [ITEM_ATTESTATION, b"two"]])
    intake.items("peer", [[ITEM_CONSENSUS, b"a vote"], [ITEM_ASK_COSIGNATURE, "did:web:other.example"]])

    assert (intake.inbox.waiting_of("peer"), intake.inbox.waiting_of("another")) == (4, 0)
    assert [type(one) for one in taken(intake)] == [MessageReceived, CheckpointItem, AttestationBatch]
    assert intake.inbox.waiting_of("peer") == 0
