"""Snapshots: the ledger as rows that prove themselves, for a node that joins without executing every block.

A file of rows, each a 4-byte big-endian length and that many bytes of CBOR:

    ["comity/snapshot/v1", network id, height, log size]
    ["checkpoint", note]                                           cosigned, of exactly this size
    ["block", block, certificate]                                  heights 1 to `height`
    ["entries", [leaf, ...]]                                       all leaves, in order
    ["standings", [[key, record], ...]]                            all records, in the order of their keys

Nothing in it is believed. The note must satisfy the own log.policy; the root over all leaves must be the
note's; the last leaf is the block record, and the root over all standings must be the one it names; every
block follows the one before, is certified by a quorum, and cuts the log where it says. What is final are the
attestations of the blocks. A peer's SQLite file is never read: its indexes and triggers are the peer's words.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import IO, TypeVar

from consensus.checkpoint import Checkpoint, SignedNote
from consensus.encoding import EncodingError, Value, decode, encode
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.merkle import Frontier, leaf_hash
from consensus.standings_map import StandingsMap
from consensus.types import Block, CommitCertificate, verify_certificate
from credentials.errors import CredentialError
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.genesis import Genesis
from node.errors import ProblemError, SetupError
from node.peers.authentication import PeerAuthentication
from node.peers.certificates import Trust
from node.peers.link import Link, LinkError
from node.peers.messages import refusal_of
from node.storage.database import StorageError
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import Adoption, LedgerStore

TAG = "comity/snapshot/v1"
ROW_BYTES_MAX = 8 << 20
PART_BYTES = 1 << 20  # of leaves or records in one row
CHUNK_BYTES = 1 << 20  # to a peer, in one answer
WAIT_COSIGNED_S_MAX = 10.0
SNAPSHOT_BYTES_MAX = 64 << 30  # of a peer; a file that somebody copied may be larger
ANSWER_S_MAX, ANSWER_BYTES_MAX = 60.0, 2 * CHUNK_BYTES  # of one question to a peer
ASK_AGAIN_S, ASK_AGAIN_S_MAX = 1.0, 300.0  # while the peer makes it

Row = list[Value]
T = TypeVar("T")


class SnapshotRefused(SetupError):
    """A snapshot is not what a quorum cosigned: one sentence for the operator."""


# -- making ------------------------------------------------------------------------------------------------


def write(ledger: LedgerStore, genesis: Genesis, out: Path, stop: threading.Event | None = None) -> int:
    """Write the newest block that is under a cosigned checkpoint, and all before it; the height.

    SetupError when there is none within ten seconds, or once `stop` is set.
    """
    stop = stop or threading.Event()
    deadline = time.monotonic() + WAIT_COSIGNED_S_MAX
    while True:
        with ledger.reading():
            kept, tip = ledger.checkpoint(), ledger.tip()
            if tip is None:
                raise SetupError("this ledger has no block yet: there is nothing to take a snapshot of")
            if ledger.validator_history(genesis.governance.validators).steps[1:]:
                raise SetupError("the validators have changed since genesis: join by blocks, not by snapshot")
            if kept is not None and kept[0] == ledger.log_size():
                scratch = out.with_name(out.name + ".new")
                with scratch.open("wb") as file:
                    for row in _rows(ledger, genesis, tip, kept):
                        data = encode(row)
                        file.write(len(data).to_bytes(4, "big") + data)
                        if stop.is_set():
                            raise SetupError("this node is stopping")
                scratch.replace(out)
                return tip.height
        if stop.wait(0.1) or time.monotonic() > deadline:
            raise SetupError("the newest block has no cosigned checkpoint yet: try again in a moment")


def _rows(ledger: LedgerStore, genesis: Genesis, tip: LedgerTip, kept: tuple[int, str]) -> Iterator[Row]:
    yield [TAG, genesis.network_id, tip.height, kept[0]]
    yield ["checkpoint", kept[1]]
    height = 1
    while pairs := ledger.blocks(height, 64, ROW_BYTES_MAX):
        for block, certificate in pairs:
            yield ["block", block, certificate]
        height += len(pairs)
    leaves = (row.entry for start in range(0, kept[0], 1000) for row in ledger.leaves.since(start, 1000))
    for part in _parts(leaves, len):
        yield ["entries", part]
    for pairs in _parts(ledger.standings(), lambda pair: len(pair[0]) + len(pair[1])):
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
        raise SetupError(f"{url} is not the address of a peer in peers.toml: only participants are asked")
    link = Link(url, [authentication.trust(did), *trusts])

    def post(body: bytes) -> tuple[int, bytes, bytes]:
        data, nonce = authentication.request(did, "snapshot", body)
        told = link.post("/peer/snapshot", data, seconds_max=ANSWER_S_MAX, size_bytes_max=ANSWER_BYTES_MAX)
        return *told, nonce

    def ask(body: bytes) -> bytes:
        deadline = time.monotonic() + ASK_AGAIN_S_MAX
        try:
            status, answer, nonce = post(body)
            while status == HTTPStatus.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
                time.sleep(ASK_AGAIN_S)  # it is being made
                status, answer, nonce = post(body)
            if status != HTTPStatus.OK:
                raise SetupError(f"{did} gave no snapshot: {refusal_of(status, answer)}")
            return authentication.open_reply(answer, "snapshot", did, nonce)
        except LinkError as error:
            raise SetupError(f"{did} gave no snapshot: {error}") from error
        except OSError as error:
            raise SetupError(f"{did} cannot be reached at {url}: {type(error).__name__}") from error
        except ProblemError as error:
            raise SetupError(f"the answer of {did} was not signed by it: {error}") from error

    try:
        yield ask
    finally:
        link.close()


def fetch(ask: Callable[[bytes], bytes], out: Path) -> None:
    """Copy a peer's snapshot into a file; `ask` sends one signed question and gives the answer.

    What the peer says first of height and size holds to the end: it cannot fill the disk bit by bit.
    """
    height, size, offset = 0, 0, 0
    with out.open("wb") as file:
        while offset < size or not offset:
            match _decoded(ask(encode([height, offset]))):
                case [int(of), int(all_bytes), bytes(chunk)] if chunk and (
                    not offset or (of, all_bytes) == (height, size)
                ):
                    height, size = of, all_bytes
                    if not offset + len(chunk) <= size <= SNAPSHOT_BYTES_MAX:
                        raise SnapshotRefused(
                            f"the peer's snapshot is said to have {size} bytes: ask another peer"
                        )
                    file.write(chunk)
                    offset += len(chunk)
                case _:
                    raise SnapshotRefused("the peer's answer holds no snapshot: ask another peer")


def _decoded(answer: bytes) -> Value:
    try:
        return decode(answer, size_bytes_max=ANSWER_BYTES_MAX)
    except EncodingError as error:
        raise SnapshotRefused("the peer's answer holds no snapshot: ask another peer") from error


def join(source: Path, genesis: Genesis, policy: LogPolicy, ledger: Path) -> int:
    """Make `ledger` (ledger.db) of a snapshot; its height. Otherwise SnapshotRefused, and no ledger."""
    if ledger.exists():
        raise SetupError(f"{ledger} exists: a snapshot is for a node that has no ledger yet")
    scratch = ledger.with_name("ledger.db.new")
    _remove(scratch)
    store = LedgerStore(scratch)
    try:
        with source.open("rb") as file, store.adopting() as adoption:
            height = _take(_read(file), genesis, policy, adoption)
    except (ConsensusError, CredentialError, StorageError) as error:
        raise SnapshotRefused(f"{source.name} is not a snapshot of this network's ledger: {error}") from error
    except OSError as error:
        raise SetupError(f"{source} cannot be read: {error.strerror}") from error
    else:
        store.close()
        scratch.rename(ledger)
        return height
    finally:
        store.close()
        _remove(scratch)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _read(file: IO[bytes]) -> Iterator[Row]:
    while head := file.read(4):
        size = int.from_bytes(head, "big")
        data = file.read(size) if len(head) == 4 and size <= ROW_BYTES_MAX else b""
        if not data or len(data) != size:
            raise SnapshotRefused("the snapshot is cut short or no snapshot at all: get it again")
        row = decode(data, size_bytes_max=ROW_BYTES_MAX)
        if not isinstance(row, list) or not row:
            raise SnapshotRefused("a row of the snapshot is not a list")
        yield row


def _take(rows: Iterator[Row], genesis: Genesis, policy: LogPolicy, adoption: Adoption) -> int:
    """Check row after row into an open transaction; raises and so undoes it when anything does not fit."""
    height, checkpoint = _take_head(rows, genesis, policy, adoption)
    chain = _Chain(genesis, checkpoint, adoption)
    records = chain.rows(rows)
    # Streamed: the map wants the records in rising order of keys, and so does the store's index.
    root = StandingsMap(records, lambda _: ()).root
    record = chain.end(height)
    if root != record.standings_root:
        raise SnapshotRefused(
            f"a standing was altered: the records do not lead to the root in the record of block {height}"
        )
    return height


def _take_head(
    rows: Iterator[Row], genesis: Genesis, policy: LogPolicy, adoption: Adoption
) -> tuple[int, Checkpoint]:
    match next(rows, None):
        case [tag, bytes(network), int(height), int(size)] if tag == TAG:
            if network != genesis.network_id:
                raise SnapshotRefused(
                    f"the snapshot is of network {network.hex()[:16]}, this node joins "
                    f"{genesis.network_id.hex()[:16]}"
                )
        case _:
            raise SnapshotRefused("this is no snapshot: make one with `comity network snapshot`")
    match next(rows, None):
        case ["checkpoint", str(text)]:
            note = SignedNote.parse(text)
        case _:
            raise SnapshotRefused("the snapshot has no checkpoint")
    times = policy.cosigned(note)
    checkpoint = Checkpoint.parse(note.body)
    if checkpoint.size != size:
        raise SnapshotRefused(f"the cosigned checkpoint has {checkpoint.size} entries, the snapshot {size}")
    adoption.checkpoint(size, policy.before(times), text)
    return height, checkpoint


class _Chain:
    """Blocks that follow each other, and the leaves they cut the log into."""

    def __init__(self, genesis: Genesis, checkpoint: Checkpoint, adoption: Adoption) -> None:
        self._genesis, self._checkpoint, self._adoption = genesis, checkpoint, adoption
        self._blocks: list[tuple[bytes, int, bytes, bytes]] = []  # previous app hash, log size, root, id
        self._log = Frontier()
        self._last_leaf = b""
        self._height = 0  # whose leaves are complete

    def rows(self, rows: Iterator[Row]) -> Iterator[tuple[bytes, bytes]]:
        """Take blocks and leaves in; yield the standings that follow them."""
        for row in rows:
            match row:
                case ["block", bytes(block), bytes(certificate)] if not self._last_leaf:
                    self._block(block, certificate)
                case ["entries", list(leaves)]:
                    for leaf in leaves:
                        self._leaf(leaf)
                case ["standings", list(records)]:
                    for record in records:
                        match record:
                            case [bytes(key), bytes(value)] if len(key) == 32:
                                self._adoption.standing(key, value)
                                yield key, value
                            case _:
                                raise SnapshotRefused("a standing is not a key and a record")
                case _:
                    raise SnapshotRefused("the snapshot has a row that does not belong there")

    def _block(self, data: bytes, certificate: bytes) -> None:
        genesis = self._genesis
        block = Block.decode(data)
        height = len(self._blocks) + 1
        before = self._blocks[-1][3] if self._blocks else genesis.network_id
        if block.height != height or block.previous_id != before:
            raise SnapshotRefused(f"block {height} does not follow the one before it")
        verify_certificate(
            # Those of genesis: no snapshot is made once the validators have changed.
            CommitCertificate.decode(certificate),
            block,
            genesis.governance.validators,
            genesis.network_id,
        )
        self._blocks.append((block.app_hash, block.log_size, block.log_root, block.id))
        self._adoption.block(height, block.id, block.time, data, certificate)
        self._adoption.final(height, [sha256(attestation).digest() for attestation in block.attestations])

    def _leaf(self, leaf: Value) -> None:
        if not isinstance(leaf, bytes):
            raise SnapshotRefused("an entry is not a byte string")
        ends = self._ends(self._height + 1)
        if self._log.size >= ends:
            self._close(self._height + 1)
        self._adoption.entry(self._log.size, self._height + 1, row_of(leaf))
        self._log = self._log.append([leaf_hash(leaf)])
        self._last_leaf = leaf

    def _ends(self, height: int) -> int:
        """How many leaves there are after the block of this height."""
        if height > len(self._blocks):
            raise SnapshotRefused("there are entries beyond the last block")
        return self._blocks[height][1] if height < len(self._blocks) else self._checkpoint.size

    def _close(self, height: int) -> None:
        """All leaves of a block were read: they lead to the root that the next block, or the note, names."""
        last = height == len(self._blocks)
        wanted = self._checkpoint.root if last else self._blocks[height][2]
        if self._log.size != self._ends(height) or self._log.root != wanted:
            raise SnapshotRefused(
                f"an entry of block {height} was altered, added or left out: the entries do not lead to "
                + ("the cosigned root" if last else "the root in the next block")
            )
        record = parse_entry(self._last_leaf)
        if not isinstance(record, BlockEntry) or record.height != height:
            raise SnapshotRefused(f"the entries of block {height} do not end with its record")
        if not last and record.app_hash != self._blocks[height][0]:
            raise SnapshotRefused(f"the record of block {height} names another state than the next block")
        self._adoption.state(height, record.app_hash, self._log.encode())
        self._height = height

    def end(self, height: int) -> BlockEntry:
        """The record of the last block, once all is read."""
        if len(self._blocks) != height or not self._last_leaf:
            raise SnapshotRefused(f"the snapshot names {height} blocks and holds {len(self._blocks)}")
        self._close(height)
        record = parse_entry(self._last_leaf)
        assert isinstance(record, BlockEntry), "checked when the block was closed"
        if record.config_digest != self._genesis.config_digest:
            raise SnapshotRefused("the snapshot was made under another configuration")
        return record
