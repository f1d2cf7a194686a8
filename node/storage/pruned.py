"""Old blocks of which only that is kept which nothing else here holds: the log's entries say the rest.

    "comity/pruned-block/v1", block      a CBOR sequence: the block with its refused attestations alone

The first entries of a block are its attestations, one each and in its order: an admitted one as it is, a
claim with its tag, a refused one by its digest. So a pruned block is put together again, and has its own id.
What is gone is the certificate: who agreed to it. Whoever has to be shown that asks a node that keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from consensus.encoding import EncodingError, encode
from consensus.types import Block
from credentials.errors import CredentialError
from credentials.ledger.entries import ClaimEntry, parse_entry
from node.storage.database import Damaged, Database, Transaction

BLOCKS_AT_ONCE = 4  # with each block that comes in: what is behind is caught up with, and no lock lasts
_NAME, _OPENING = "pruned", encode("comity/pruned-block/v1")
_ENTRIES = "SELECT type, entry FROM entries WHERE leaf_index >= ? ORDER BY leaf_index"


def read_block(data: bytes) -> Block:
    """A block as it is stored: a pruned one has those attestations alone that were refused."""
    try:
        return Block.decode(data.removeprefix(_OPENING))
    except EncodingError as error:
        raise Damaged(f"ledger.db is damaged: a block is not what was written ({error})") from error


class Pruned:
    """Which blocks are pruned, and what they were."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @property
    def height(self) -> int:
        """No block up to this one is kept with who agreed to it; 0: all are."""
        return int.from_bytes(self._db.remembered(_NAME) or b"", "big")

    def prune(self, last: int, is_needed: Callable[[bytes], bool]) -> None:
        """Prune up to `last`, so many at once: all of these, or none.

        `is_needed`: whether what stands in the place of a certificate is kept. A power cut may take this
        back, and then it is done again: the next durable write takes it along.
        """
        done = self.height
        if last <= done:
            return
        until = min(last, done + BLOCKS_AT_ONCE)
        with self._db.writing(durable=False) as db:
            for height in range(done + 1, until + 1):
                _prune(db, height, is_needed)
            self._db.remember(db, _NAME, until.to_bytes(8, "big"))

    def whole(self, data: bytes) -> bytes:
        """A block as it is stored, as it was decided."""
        return _whole(self._db.connection, data) if data.startswith(_OPENING) else data


def _prune(db: Transaction, height: int, is_needed: Callable[[bytes], bool]) -> None:
    """One block. What could not be put together again stays: its entries are damaged, and it mends them."""
    query = "SELECT block, certificate FROM blocks WHERE height = ?"
    ((data, certificate),) = db.execute(query, (height,))
    if not data.startswith(_OPENING):
        block = read_block(data)
        became = zip(block.attestations, db.execute(_ENTRIES, (block.log_size,)), strict=False)
        refused = tuple(tx for tx, (type_, _) in became if type_ == "refused")
        kept = _OPENING + replace(block, attestations=refused).encode()
        with suppress(Damaged):
            data = kept if _whole(db, kept) == data else data
    if not data.startswith(_OPENING):
        return
    values = data, certificate if is_needed(certificate) else b"", height
    # The frontier of the log is that of the newest block, or computed of the leaves.
    db.execute("UPDATE blocks SET block = ?, certificate = ?, frontier = x'' WHERE height = ?", values)


def _whole(db: Transaction, kept: bytes) -> bytes:
    block, found = read_block(kept), list[bytes]()
    refused = iter(block.attestations)
    for type_, entry in db.execute(_ENTRIES, (block.log_size,)):
        match type_:
            case "admitted":
                found.append(entry)
            case "claim":
                found.append(_claimed(entry))
            case "refused" if (one := next(refused, None)) is not None:
                found.append(one)
            case "refused":
                raise Damaged("ledger.db is damaged: a block cannot be put together again")
            case _:  # what else the block did comes after them
                break
    return replace(block, attestations=tuple(found)).encode()


def _claimed(entry: bytes) -> bytes:
    try:
        claim = parse_entry(entry)
    except CredentialError as error:
        raise Damaged(f"ledger.db is damaged: a claim is not what was written ({error})") from error
    assert isinstance(claim, ClaimEntry), "as its type says"
    return claim.attestation.data
