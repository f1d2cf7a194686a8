"""The four questions of the ABCI about snapshots: what this node hands to newcomers, and takes as one."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from node.ledger.comet.proto.tendermint.abci.types_pb2 import (
    Request,
    RequestLoadSnapshotChunk,
    Response,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseOfferSnapshot,
    Snapshot,
)
from node.ledger.comet.server import RequestRefused
from node.ledger.comet.state_sync import FORMAT, Syncing
from node.ledger.engine import Lending
from node.ledger.snapshot import CHUNK_BYTES, SNAPSHOT_BYTES_MAX

# Of a snapshot at height h a newcomer's light client reads the headers up to h + 2: it rejects what has none.
HEADERS_AFTER = 2


class Handing:
    """`abci.Snapshots` of a node. `lending` is attached before the first turn."""

    def __init__(self, height: Callable[[], int], syncing: Syncing | None = None) -> None:
        """`height`: of the last block here. `syncing`: of a newcomer."""
        self._height, self.syncing = height, syncing
        self.lending: Lending | None = None

    def answer(self, request: Request) -> Response | None:
        """The answer to one of the four; None while a snapshot is being looked at."""
        syncing = self.syncing
        match request.WhichOneof("value"):
            case "list_snapshots":
                return Response(list_snapshots=self._list())
            case "load_snapshot_chunk":
                return Response(load_snapshot_chunk=self._load(request.load_snapshot_chunk))
            case "offer_snapshot" if syncing is not None:
                return Response(offer_snapshot=syncing.offer(request.offer_snapshot))
            case "apply_snapshot_chunk" if syncing is not None:
                applied = syncing.apply(request.apply_snapshot_chunk)
                return None if applied is None else Response(apply_snapshot_chunk=applied)
            case "apply_snapshot_chunk":
                raise RequestRefused("this node takes no ledger over")
        # Who has a ledger takes none.
        return Response(offer_snapshot=ResponseOfferSnapshot(result=ResponseOfferSnapshot.Result.ABORT))

    @property
    def taken(self) -> tuple[int, bytes, int] | None:
        """Height, hash and version of the ledger that was taken, until the node goes on from it."""
        taken = None if self.syncing is None else self.syncing.taken
        return None if taken is None else (taken.height, taken.carried.hash, taken.app_version)

    def delivered(self, height: int, block_hash: bytes) -> bool:
        """Whether this block comes after a ledger that was taken: the node is opened again for it."""
        return self.syncing is not None and self.syncing.delivered(height, block_hash)

    def _list(self) -> ResponseListSnapshots:
        """What this node would give to any newcomer, cut into chunks; what none would take is not told of."""
        if self.lending is None:
            return ResponseListSnapshots()
        found = []
        for height, digests in self.lending.offered(self._height() - HEADERS_AFTER):
            if len(digests) * CHUNK_BYTES > SNAPSHOT_BYTES_MAX:
                continue
            data = b"".join(digests)
            named = sha256(data).digest()
            found.append(
                Snapshot(height=height, format=FORMAT, chunks=len(digests), hash=named, metadata=data)
            )
        return ResponseListSnapshots(snapshots=found)

    def _load(self, asked: RequestLoadSnapshotChunk) -> ResponseLoadSnapshotChunk:
        if self.lending is None or asked.format != FORMAT:
            return ResponseLoadSnapshotChunk()
        return ResponseLoadSnapshotChunk(chunk=self.lending.chunk(asked.height, asked.chunk))
