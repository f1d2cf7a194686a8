"""A newcomer's ledger by CometBFT's state sync: offered by peers, taken chunk by chunk, believed at the end.

    offered    the snapshot that this node hands to any newcomer (`snapshot.py`), cut into chunks
    a chunk    by its own SHA-256, which the offer names: another one is fetched again, from somebody else
    the rows   as of every snapshot (`snapshot_join.py`): each entry, standing and decision, up to a cosigned
               root
    the blocks by the hash that CometBFT's next header carries, which a quorum signed: its light client
               verified it from the header that the fingerprint led to. It names the last block that did
               something, and so each before it
    idle ones  that came after it: by the headers of CometBFT, down from the first block that it delivers

Then the node goes on from it as from a ledger of its own: it is opened again, and CometBFT with it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from consensus.delivered import Carried
from consensus.encoding import EncodingError
from consensus.errors import ConsensusError
from consensus.types import Block
from credentials.errors import CredentialError
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.registry import parameters_of
from node import log
from node.errors import ProblemError, SetupError
from node.ledger import incoming, snapshot_join
from node.ledger.chain import constitution_of, tip_of, tree_of
from node.ledger.comet.comet_names import address
from node.ledger.comet.decided import carried_by
from node.ledger.comet.headers import Header
from node.ledger.comet.home import Home
from node.ledger.comet.proto.tendermint.abci.types_pb2 import (
    RequestApplySnapshotChunk,
    RequestOfferSnapshot,
    ResponseApplySnapshotChunk,
    ResponseOfferSnapshot,
)
from node.ledger.comet.settling import GIVEN_UP_FILE, SYNCED, TAKEN
from node.ledger.snapshot import CHUNK_BYTES, SNAPSHOT_BYTES_MAX, SnapshotRefused
from node.named_files import make_folder, put_whole, read_own, write_own
from node.storage.database import NotRead, StorageError
from node.storage.ledger import LedgerStore
from node.transient_faults import PASSING, sentence

FORMAT = 1
DIGEST_BYTES = 32
TRUST_FILE = "state-sync.json"  # in DIR/comet: of who joined by a fingerprint, whenever it has no ledger
TURN_S = 0.25
OFFERED_S_MAX = 180.0  # beside two heartbeats: nothing that can be taken was offered for so long

_Offer, _Chunk = ResponseOfferSnapshot.Result, ResponseApplySnapshotChunk.Result


@dataclass(frozen=True, slots=True)
class TrustedHeader:
    """The header of CometBFT that a newcomer's light client begins with: the fingerprint led to it."""

    height: int
    hash: bytes

    def write(self, home: Home) -> None:
        """For the first start."""
        make_folder(home.root)
        told = {"height": self.height, "hash": self.hash.hex()}
        write_own(home.root / TRUST_FILE, json.dumps(told).encode())

    @classmethod
    def read(cls, home: Home) -> TrustedHeader | None:
        """None where the node replays, or goes on from what it has; SetupError for what is none."""
        path = home.root / TRUST_FILE
        try:
            told = json.loads(read_own(path))
            return cls(int(told["height"]), bytes.fromhex(told["hash"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SetupError(
                f"{path} cannot be read: remove it, and the node is given every block from the first one on"
            ) from error


@dataclass(frozen=True, slots=True)
class Taken:
    """A ledger that the next header of CometBFT names, but for the idle blocks at its end."""

    height: int
    carried: Carried
    app_version: int
    idle: tuple[tuple[int, int, bytes], ...]  # height, time and address of who proposed it, in order


def take(rows: Path, known: snapshot_join.Known, path: Path, app_hash: bytes) -> Taken:
    """Make `path` of the rows; raises SetupError unless it is the ledger that `app_hash` names."""
    incoming.remove(path)
    snapshot_join.join(rows, replace(known, uncertified=True), path)
    store, taken = LedgerStore(path), None
    try:
        taken = _held_to(store, known, path, app_hash)
    except (EncodingError, ConsensusError, CredentialError, StorageError, NotRead) as error:
        raise SnapshotRefused(f"the snapshot is not a ledger that CometBFT ordered: {error}") from error
    finally:
        store.close()
        if taken is None:
            incoming.remove(path)
    return taken


def _held_to(store: LedgerStore, known: snapshot_join.Known, path: Path, app_hash: bytes) -> Taken:
    genesis = known.genesis
    tip = tip_of(store, genesis)
    tree = tree_of(store, tip, path)
    history = constitution_of(store, genesis, known.rule_files).history
    (kept,) = store.certificates(1)
    carried = carried_by(kept)
    if carried.hash != app_hash:
        raise SnapshotRefused("the snapshot is not of the state that a quorum signed under CometBFT")
    last, end = _entry(store, carried.height), _entry(store, tip.height)
    idle = [Block.decode(data) for data, _ in _blocks(store, carried.height + 1, tip.height)]
    same = {
        "log": tree.size >= carried.log_size and tree.root(carried.log_size) == carried.log_root,
        "chain of blocks": store.block_id(carried.height) == carried.block_id,
        "state": last.app_hash == carried.app_hash,
        "configuration": carried.config_digest == genesis.config_digest,
        "end": tree.size == carried.log_size + len(idle)
        and not any(block.attestations or block.evidence for block in idle)
        and (last.standings_root, last.governance_root) == (end.standings_root, end.governance_root),
    }
    if wrong := [what for what, agrees in same.items() if not agrees]:
        raise SnapshotRefused(f"the snapshot was altered: CometBFT's header names another {wrong[0]}")
    tail = []
    for block in idle:
        proposer = history.at(block.height).validators.get(block.proposer)
        if proposer is None:
            raise SnapshotRefused(f"the snapshot was altered: no validator proposed block {block.height}")
        tail.append((block.height, block.time, address(proposer.public_key)))
    version = parameters_of(history.latest, genesis.origin).app_version
    return Taken(tip.height, carried, version, tuple(tail))


def _entry(store: LedgerStore, height: int) -> BlockEntry:
    row = store.leaves.of_block(height)
    entry = None if row is None else parse_entry(row.entry)
    if not isinstance(entry, BlockEntry):
        raise SnapshotRefused(f"the snapshot has no record of block {height}")
    return entry


def _blocks(store: LedgerStore, first: int, last: int) -> list[tuple[bytes, bytes]]:
    """Idle ones: some hundred bytes each."""
    found: list[tuple[bytes, bytes]] = []
    while first + len(found) <= last:
        found += store.blocks(first + len(found), last - first - len(found) + 1, SNAPSHOT_BYTES_MAX)
    return found


def require_led(taken: Taken, delivered: bytes, header: Callable[[int], Header]) -> None:
    """The idle blocks are those of CometBFT, by the hash of the block after them; SnapshotRefused if not.

    `header` asks a peer, who is not believed: each header has the hash that the one after it names.
    """
    wanted = delivered
    above = [(taken.height + 1, None, None), *reversed(taken.idle)] if taken.idle else []
    for height, moment, proposer in above:
        shown = header(height)
        if shown.hash != wanted:
            raise ConnectionError(f"a peer shows another header than that of block {height}")
        if moment is not None and (shown.time_s, shown.proposer) != (moment, proposer):
            raise SnapshotRefused(f"the snapshot was altered: block {height} is not the one of CometBFT")
        wanted = shown.last_hash


class Syncing:
    """Takes a ledger over. `turn` on its own thread, all else on the engine's."""

    name = "state sync"

    def __init__(
        self,
        home: Home,
        root: Path,
        known: snapshot_join.Known,
        header: Callable[[int], Header],
        *,
        heartbeat_s: float,
        renewed: threading.Event,
    ) -> None:
        """`renewed` is set once the node is to be opened again: with a ledger, or to replay."""
        self._home, self._root, self._known, self._header = home, root, known, header
        self._offered_s_max, self._renewed = 2 * heartbeat_s + OFFERED_S_MAX, renewed
        self._rows = root / incoming.FOLDER / "state-sync.rows"
        self._lock, self._woken = threading.Lock(), threading.Event()
        self._forget_offer()
        self._moved_s = time.monotonic()

    def _forget_offer(self) -> None:
        self._digests: tuple[bytes, ...] = ()
        self._app_hash, self._lacks = b"", set[int]()
        self.taken: Taken | None = None
        self._refused: str | None = None
        self._delivered: tuple[int, bytes] | None = None

    def begin(self) -> None:
        """CometBFT starts, with nothing: what is left of its last start would keep it from syncing."""
        if self._renewed.is_set():
            return
        with self._lock:
            self._forget_offer()
        self._home.empty()

    # --- the engine's thread

    def offer(self, request: RequestOfferSnapshot) -> ResponseOfferSnapshot:
        """Whether the chunks are to be fetched; `app_hash` is what CometBFT's light client verified."""
        offered = request.snapshot
        if offered.format != FORMAT:
            return ResponseOfferSnapshot(result=_Offer.REJECT_FORMAT)
        data, size = offered.metadata, offered.chunks * CHUNK_BYTES
        if len(data) != offered.chunks * DIGEST_BYTES or not 0 < size <= SNAPSHOT_BYTES_MAX + CHUNK_BYTES:
            return ResponseOfferSnapshot(result=_Offer.REJECT_SENDER)
        if sha256(data).digest() != offered.hash:
            return ResponseOfferSnapshot(result=_Offer.REJECT_SENDER)
        with self._lock:
            self._forget_offer()
            try:
                rows = incoming.place(self._root, self._rows.name)
                incoming.require_room(rows.parent, 2 * size)
                rows.write_bytes(b"")
            except (SetupError, *PASSING) as error:
                log.moment("snapshot_refused", because=sentence(error))
                return ResponseOfferSnapshot(result=_Offer.REJECT)
            self._digests = tuple(data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES))
            self._lacks, self._app_hash = set(range(offered.chunks)), request.app_hash
        self._moved_s = time.monotonic()
        log.moment("snapshot_offered", height=offered.height, chunks=offered.chunks)
        return ResponseOfferSnapshot(result=_Offer.ACCEPT)

    def apply(self, request: RequestApplySnapshotChunk) -> ResponseApplySnapshotChunk | None:
        """One chunk; None while what they are together is being looked at."""
        index, chunk, count = request.index, request.chunk, len(self._digests)
        if index >= count:
            return ResponseApplySnapshotChunk(result=_Chunk.ABORT)
        if index in self._lacks:
            whole = len(chunk) == CHUNK_BYTES if index < count - 1 else 0 < len(chunk) <= CHUNK_BYTES
            if not whole or sha256(chunk).digest() != self._digests[index]:
                log.moment("chunk_refused", index=index, because="it is not the one that was offered")
                senders = [request.sender] if request.sender else []
                return ResponseApplySnapshotChunk(
                    result=_Chunk.RETRY, refetch_chunks=[index], reject_senders=senders
                )
            with self._rows.open("r+b") as rows:
                rows.seek(index * CHUNK_BYTES)
                rows.write(chunk)
            self._moved_s = time.monotonic()
            self._lacks.discard(index)
            if not self._lacks:
                self._woken.set()
        if self._lacks:
            return ResponseApplySnapshotChunk(result=_Chunk.ACCEPT)
        with self._lock:
            if self._refused is not None:
                return ResponseApplySnapshotChunk(result=_Chunk.REJECT_SNAPSHOT)
            return None if self.taken is None else ResponseApplySnapshotChunk(result=_Chunk.ACCEPT)

    def delivered(self, height: int, block_hash: bytes) -> bool:
        """CometBFT goes on after the snapshot: the node does too, once it is opened again."""
        with self._lock:
            if self.taken is None or height != self.taken.height + 1:
                return False
            self._delivered = height, block_hash
        self._woken.set()
        return True

    # --- its own thread

    def turn(self) -> None:
        """Look at what was taken, or wait for it."""
        self._woken.wait(TURN_S)
        self._woken.clear()
        if self._renewed.is_set():
            self._woken.wait(TURN_S)
        elif self._digests and not self._lacks and self.taken is None and self._refused is None:
            self._look()
        elif self._delivered is not None:
            self._go_on()
        elif time.monotonic() - self._moved_s > self._offered_s_max:
            self._give_up("nothing was offered that this node could take")

    def wake(self) -> None:
        """A turn that waits returns."""
        self._woken.set()

    def _look(self) -> None:
        path, digests = self._root / TAKEN, self._digests
        try:
            taken, refused = take(self._rows, self._known, path, self._app_hash), None
        except (SetupError, *PASSING) as error:
            taken, refused = None, str(error) if isinstance(error, SetupError) else sentence(error)
            log.moment("snapshot_refused", because=refused)
        finally:
            incoming.remove(self._rows)
        with self._lock:
            if self._digests is digests:
                self.taken, self._refused = taken, refused
        self._moved_s = time.monotonic()

    def _go_on(self) -> None:
        taken, delivered = self.taken, self._delivered
        assert taken is not None and delivered is not None, "asked for"
        try:
            require_led(taken, delivered[1], self._header)
        except SnapshotRefused as error:
            log.moment("snapshot_refused", because=str(error))
            incoming.remove(self._root / TAKEN)
        except (OSError, ProblemError) as error:  # asked again with the next turn
            log.moment("header_not_shown", because=str(error)[:300])
            self._woken.wait(TURN_S)
            if time.monotonic() - self._moved_s > self._offered_s_max:
                self._give_up("no peer shows the headers of the idle blocks")
            return
        else:
            put_whole(self._root / TAKEN, self._root / SYNCED)
            log.moment("state_synced", height=taken.height)
        self._renewed.set()

    def _give_up(self, because: str) -> None:
        """The node is given every block, as one that nothing is offered to."""
        log.moment("state_sync_given_up", because=because)
        (self._home.root / TRUST_FILE).replace(self._home.root / GIVEN_UP_FILE)
        incoming.remove(self._root / TAKEN)
        self._renewed.set()
