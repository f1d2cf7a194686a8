"""What waits for a peer that is away (node/peers/queue.py)."""

from node.peers.messages import ITEM_ATTESTATION, ITEM_CONSENSUS, Item
from node.peers.queue import (
    BATCH_BYTES_MAX,
    MESSAGE_AGE_S_MAX,
    QUEUE_BYTES_MAX,
    QUEUE_ITEMS_MAX,
    PeerQueue,
)


def numbered(queue: PeerQueue, first: int, count: int) -> None:
    for number in range(first, first + count):
        queue.put([ITEM_ATTESTATION, number.to_bytes(4, "big")])


def numbers(queue: PeerQueue) -> list[int]:
    """Everything that waits, taken out."""
    found: list[Item] = []
    while batch := queue.take(0)[0]:
        found += [item for _, item in batch]
    return [int.from_bytes(item[1], "big") for item in found if isinstance(item[1], bytes)]


def test_the_oldest_goes_when_the_queue_is_full() -> None:
    """
    Beyond its items a queue keeps the newest.
    """
    queue = PeerQueue()

    numbered(queue, 0, QUEUE_ITEMS_MAX + 10)

    assert numbers(queue) == list(range(10, QUEUE_ITEMS_MAX + 10))


def test_a_queue_is_bounded_in_bytes() -> None:
    """
    Large items are bounded by what they weigh, not by how many they are.
    """
    queue = PeerQueue()
    for _ in range(100):
        queue.put([ITEM_ATTESTATION, b"x" * (1 << 20)])

    assert queue.size_bytes <= QUEUE_BYTES_MAX
    assert len(queue) == QUEUE_BYTES_MAX >> 20


def test_a_batch_that_failed_is_given_back_as_far_as_there_is_room() -> None:
    """
    N10: a full queue keeps what is newest: of the batch given back, the oldest goes, in order.
    """
    queue = PeerQueue()
    numbered(queue, 0, 256)
    batch, _ = queue.take(0)
    numbered(queue, 256, QUEUE_ITEMS_MAX - 100)

    queue.give_back(batch)

    assert numbers(queue) == list(range(156, 256 + QUEUE_ITEMS_MAX - 100))


def test_a_batch_given_back_to_a_queue_that_filled_up_is_let_go() -> None:
    """
    Nothing that is newer is dropped for what is older.
    """
    queue = PeerQueue()
    numbered(queue, 0, 256)
    batch, _ = queue.take(0)
    numbered(queue, 256, QUEUE_ITEMS_MAX)

    queue.give_back(batch)

    assert numbers(queue) == list(range(256, 256 + QUEUE_ITEMS_MAX))


def test_old_messages_of_the_agreement_are_not_sent() -> None:
    """
    A vote that waited too long is dropped; an attestation that waited as long is sent.
    """
    now = 0.0
    queue = PeerQueue(lambda: now)
    queue.put([ITEM_CONSENSUS, b"old"])
    queue.put([ITEM_ATTESTATION, b"kept"])
    now = MESSAGE_AGE_S_MAX + 1
    queue.put([ITEM_CONSENSUS, b"new"])

    batch, _ = queue.take(0)

    assert [item for _, item in batch] == [[ITEM_ATTESTATION, b"kept"], [ITEM_CONSENSUS, b"new"]]


def test_a_batch_is_bounded_in_bytes_but_never_empty() -> None:
    """
    Items go in batches of about a mebibyte; one that is larger goes alone.
    """
    queue = PeerQueue()
    for size in (BATCH_BYTES_MAX + 1, 600_000, 600_000):
        queue.put([ITEM_CONSENSUS, b"x" * size])

    assert [len(queue.take(0)[0]) for _ in range(3)] == [1, 1, 1]
