"""Snapshots: the ledger as rows that prove themselves, for a node that joins without executing every block.

A file of rows, each a 4-byte big-endian length and that many bytes of CBOR:

    ["comity/snapshot/v1", network id, height, log size]
    ["checkpoint", note]                                           cosigned, of exactly this size
    ["governance", [[decided, governs from, type, name, record], ...]]   what changed, in that order
    ["block", block, certificate]                                  heights 1 to `height`
    ["entries", [leaf, ...]]                                       all leaves, in order
    ["standings", [[key, record], ...]]                            all records, in the order of their keys

Nothing in it is believed by who takes it over: `snapshot_join.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from consensus.encoding import EncodingError, Value, decode, encode, whole_numbers
from credentials.ledger.genesis import Genesis
from node.errors import PeerFailed, ProblemError, SetupError
from node.ledger import incoming
from node.named_files import put_whole
from node.peers.authentication import PeerAuthentication
from node.peers.certificates import Trust
from node.peers.link import Link, LinkError
from node.peers.messages import refusal_of
from node.storage.entries import LedgerTip
from node.storage.ledger import LedgerStore

TAG = "comity/snapshot/v1"
ROW_BYTES_MAX = 8 << 20
PART_BYTES = 1 << 20  # of leaves or records in one row
CHUNK_BYTES = 1 << 20  # to a peer, in one answer
WAIT_COSIGNED_S_MAX = 10.0
SNAPSHOT_BYTES_MAX = 64 << 30  # of a peer; a file that somebody copied may be larger
ANSWER_S_MAX, ANSWER_BYTES_MAX = 60.0, 2 * CHUNK_BYTES  # of one question to a peer
ASK_AGAIN_S, ASK_AGAIN_S_MAX = 1.0, 300.0  # while the peer makes it

Row = list[Any]
T = TypeVar("T")


class SnapshotRefused(SetupError):
    """A snapshot is not what a quorum cosigned: one sentence for the operator."""

    FAULT, NEXT = "source", "Get the snapshot again, or from another peer: nothing was taken over."


# -- making ------------------------------------------------------------------------------------------------


def write(
    ledger: LedgerStore, genesis: Genesis, out: Path, stop: threading.Event | None = None
) -> tuple[int, int]:
    """Write the newest block that is under a cosigned checkpoint, and all before it; height and log size.

    SetupError when there is none within ten seconds, or once `stop` is set.
    """
    stop = stop or threading.Event()
    deadline = time.monotonic() + WAIT_COSIGNED_S_MAX
    while True:
        with ledger.reading():
            kept, tip = ledger.checkpoint(), ledger.tip()
            if tip is None:
                raise SetupError(
                    "this ledger has no block yet: there is nothing to take a snapshot of",
                    step="Wait until the network has recorded something.",
                )
            if kept is not None and kept[0] == ledger.log_size():
                scratch = out.with_name(out.name + ".new")
                try:
                    _write(_rows(ledger, genesis, tip, kept), scratch, stop)
                    put_whole(scratch, out)
                finally:
                    scratch.unlink(missing_ok=True)
                return tip.height, kept[0]
        if stop.wait(0.1) or time.monotonic() > deadline:
            raise SetupError("the newest block has no cosigned checkpoint yet: try again in a moment")


def _write(rows: Iterable[Row], out: Path, stop: threading.Event) -> None:
    with out.open("wb") as file:
        for row in rows:
            data = encode(row)
            incoming.require_room(out.parent, len(data))
            file.write(len(data).to_bytes(4, "big") + data)
            if stop.is_set():
                raise SetupError("this node is stopping", step="Ask again once it runs.")


def _rows(ledger: LedgerStore, genesis: Genesis, tip: LedgerTip, kept: tuple[int, str]) -> Iterator[Row]:
    yield [TAG, genesis.network_id, tip.height, kept[0]]
    yield ["checkpoint", kept[1]]
    for rows in _parts(ledger.governance(), lambda row: len(row.record)):
        yield ["governance", [list(row) for row in rows]]
    height = 1
    while pairs := ledger.blocks(height, 64, ROW_BYTES_MAX):
        for block, certificate in pairs:
            yield ["block", block, certificate]
        height += len(pairs)
    leaves = (row.entry for start in range(0, kept[0], 1000) for row in ledger.leaves.since(start, 1000))
    for part in _parts(leaves, len):
        yield ["entries", part]
    for pairs in _parts(ledger.standings.all(), lambda pair: len(pair[0]) + len(pair[1])):
        yield ["standings", [list(pair) for pair in pairs]]


def _parts(values: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Lists of about PART_BYTES each."""
    part: list[T] = []
    size = 0
    for value in values:
        if part and size + size_of(value) > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(value)
        size += size_of(value)
    if part:
        yield part


# -- taking over -------------------------------------------------------------------------------------------


@contextmanager
def asking(
    authentication: PeerAuthentication, addresses: Mapping[str, str], url: str, trusts: Iterable[Trust] = ()
) -> Iterator[Callable[[bytes], bytes]]:
    """Signed questions to the peer at `url`, which peers.toml must name."""
    did = next((did for did, address in addresses.items() if address.rstrip("/") == url.rstrip("/")), None)
    if did is None:
        raise SetupError(
            f"{url} is not the address of a peer in peers.toml: only participants are asked",
            step="Name an address that stands in peers.toml.",
        )
    if not authentication.side_of(did):
        raise SetupError(
            f"{did} joined later than the founding, and nothing here says yet which keys are its own: name a "
            "founding participant's URL, or give --snapshot a file"
        )
    link = Link(url, [authentication.trust(did), *trusts])

    def once(body: bytes) -> tuple[int, bytes, bytes]:
        data, nonce = authentication.request(did, "snapshot", body)
        told = link.post("/peer/snapshot", data, seconds_max=ANSWER_S_MAX, size_bytes_max=ANSWER_BYTES_MAX)
        return *told, nonce

    def post(body: bytes) -> tuple[int, bytes, bytes]:
        told = once(body)
        for _ in range(authentication.keys_held - 1):  # without a ledger, nobody here knows which one governs
            if told[0] == HTTPStatus.UNAUTHORIZED:
                authentication.unknown_to(did)
                told = once(body)
        return told

    def ask(body: bytes) -> bytes:
        deadline = time.monotonic() + ASK_AGAIN_S_MAX
        try:
            status, answer, nonce = post(body)
            while status == HTTPStatus.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
                time.sleep(ASK_AGAIN_S)  # it is being made
                status, answer, nonce = post(body)
            if status != HTTPStatus.OK:
                raise PeerFailed(f"{did} gave no snapshot: {refusal_of(status, answer)}")
            return authentication.open_reply(answer, "snapshot", did, nonce)
        except LinkError as error:
            raise PeerFailed(f"{did} gave no snapshot: {error}") from error
        except OSError as error:
            raise PeerFailed(f"{did} cannot be reached at {url}: {type(error).__name__}") from error
        except ProblemError as error:
            raise PeerFailed(f"the answer of {did} was not signed by it: {error}") from error

    try:
        yield ask
    finally:
        link.close()


def fetch(ask: Callable[[bytes], bytes], out: Path, log_size: int = 0) -> None:
    """Copy a peer's snapshot into a file; `ask` sends one signed question and gives the answer.

    It is of a log of at least `log_size` entries, if the peer has them.

    What the peer says first of height and size holds to the end, and it comes in whole chunks: a peer cannot
    fill the disk bit by bit, nor keep a newcomer waiting with a byte at a time. Nothing is written of what
    the disk has no room for.
    """
    height, size, offset = 0, 0, 0
    with out.open("wb") as file:
        while offset < size or not offset:
            match _decoded(ask(encode([height, offset, log_size]))):
                case [of, all_bytes, bytes(chunk)] if (
                    chunk
                    and whole_numbers(of, all_bytes)
                    and (not offset or (of, all_bytes) == (height, size))
                ):
                    height, size = of, all_bytes
                    if not offset + len(chunk) <= size <= SNAPSHOT_BYTES_MAX:
                        raise SnapshotRefused(f"the peer's snapshot is said to have {size} bytes")
                    incoming.require_room(out.parent, size - offset)
                    if len(chunk) < min(CHUNK_BYTES, size - offset):
                        raise SnapshotRefused("the peer gives less at a time than a node does")
                    file.write(chunk)
                    offset += len(chunk)
                case _:
                    raise SnapshotRefused("the peer's answer holds no snapshot")


def _decoded(answer: bytes) -> Value:
    try:
        return decode(answer, size_bytes_max=ANSWER_BYTES_MAX)
    except EncodingError as error:
        raise SnapshotRefused("the peer's answer holds no snapshot") from error
