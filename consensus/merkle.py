"""The Merkle tree of the log (RFC 9162, section 2.1).

A leaf is SHA-256(0x00 || entry), an inner node SHA-256(0x01 || left || right), the empty tree SHA-256("").
Hashes are 32 raw bytes everywhere; a range of leaves is written [start, end).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from consensus.errors import ConsensusError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
SIZE_MAX = (1 << 53) - 1  # leaves; the ledger's integer range (design: 0..2^53-1)
TILE_WIDTH = 256  # hashes in a full tile (C2SP tlog-tiles)
TILE_HEIGHT = 8


class MerkleError(ConsensusError):
    """A proof, a root or an index does not fit the tree it is said to belong to."""


LEAF_OPENING = b"\x00"  # what is hashed before an entry


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry as a leaf."""
    return sha256(LEAF_OPENING + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def require_hashes(hashes: Iterable[bytes], what: str) -> None:
    """Raise MerkleError if any of them is not a hash."""
    for one in hashes:
        if type(one) is not bytes or len(one) != HASH_BYTES:
            raise MerkleError(f"{what} is not a {HASH_BYTES}-byte hash")


def _peaks_root(peaks: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees given from the largest to the smallest."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: enough to append to it and to know its root, in O(log n) bytes.

    Wire form: size (8 bytes, big-endian) || the roots of the complete subtrees, largest first.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a number of subtrees that the size does not have."""
        if not 0 <= self.size <= SIZE_MAX or len(self.peaks) != self.size.bit_count():
            raise MerkleError(
                f"a frontier of {len(self.peaks)} subtrees does not fit a tree of {self.size} leaves"
            )
        require_hashes(self.peaks, "a subtree of the frontier")

    @property
    def root(self) -> bytes:
        """The root of the whole tree."""
        return _peaks_root(self.peaks)

    def append(self, leaf_hashes: Iterable[bytes]) -> "Frontier":
        """Return the frontier after these leaves."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaf_hashes:
            node, complete = leaf, size
            while complete & 1:
                node = node_hash(peaks.pop(), node)
                complete >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def encode(self) -> bytes:
        """Return the wire form."""
        return self.size.to_bytes(8, "big") + b"".join(self.peaks)

    @classmethod
    def decode(cls, data: bytes) -> "Frontier":
        """Read the wire form; raises MerkleError."""
        if len(data) < 8 or (len(data) - 8) % HASH_BYTES:
            raise MerkleError(f"{len(data)} bytes are not a frontier")
        peaks = tuple(data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES))
        return cls(int.from_bytes(data[:8], "big"), peaks)


class Tree:
    """An append-only tree that keeps the root of every complete subtree: 64 bytes a leaf, in bytearrays."""

    __slots__ = ("_levels", "_size")

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        """Build the tree over these leaves."""
        self._levels: list[bytearray] = [bytearray()]
        self._size = 0
        self.extend(leaf_hashes)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> int:
        """Add one leaf hash and return its index."""
        if len(leaf) != HASH_BYTES:
            raise MerkleError(f"a leaf is not a {HASH_BYTES}-byte hash")
        levels, index = self._levels, self._size
        levels[0] += leaf
        level, odd = 0, index
        while odd & 1:
            pair = levels[level][-2 * HASH_BYTES :]
            level += 1
            if level == len(levels):
                levels.append(bytearray())
            levels[level] += sha256(b"\x01" + pair).digest()
            odd >>= 1
        self._size = index + 1
        return index

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Add many leaf hashes, in order."""
        for leaf in leaf_hashes:
            self.append(leaf)

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash at `index`."""
        if not 0 <= index < self._size:
            raise MerkleError(f"leaf {index} is not in a tree of {self._size}")
        return self._node(0, index)

    def frontier(self, size: int | None = None) -> Frontier:
        """Return the right edge of the tree as it was at `size` leaves."""
        size = self._size_or_all(size)
        return Frontier(size, tuple(self._peaks(0, size)))

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree as it was at `size` leaves."""
        return _peaks_root(self._peaks(0, self._size_or_all(size)))

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the path from leaf `index` to the root at `size` leaves (RFC 9162, 2.1.3.1), leaf first."""
        size = self._size_or_all(size)
        if not 0 <= index < size:
            raise MerkleError(f"leaf {index} is not in a tree of {size}")
        proof, level, node = [], 0, index
        while (size - 1) >> level:
            sibling = node ^ 1
            if (sibling + 1) << level <= size:
                proof.append(self._node(level, sibling))
            elif sibling << level < size:
                proof.append(_peaks_root(self._peaks(sibling << level, size)))
            node >>= 1
            level += 1
        return proof

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the tree at `new` leaves extends the one at `old` (RFC 9162, 2.1.4.1).

        Empty for `old` = 0 and for equal sizes: there is nothing to prove then.
        """
        new = self._size_or_all(new)
        if not 0 <= old <= new:
            raise MerkleError(f"a tree of {new} leaves does not extend one of {old}")
        if old in {0, new}:
            return []
        return self._subproof(old, 0, new, complete=True)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """Return `width` hashes of tile `index` at tile level `level` (C2SP tlog-tiles)."""
        if not 0 <= level <= 63 or index < 0 or not 1 <= width <= TILE_WIDTH:
            raise MerkleError("a tile has a level of 0 to 63, an index and a width of 1 to 256")
        height = TILE_HEIGHT * level
        end = index * TILE_WIDTH + width
        if height >= len(self._levels) or end << height > self._size:
            raise MerkleError(
                f"tile {level}/{index} of width {width} is beyond a tree of {self._size} leaves"
            )
        return bytes(self._levels[height][index * TILE_WIDTH * HASH_BYTES : end * HASH_BYTES])

    def _size_or_all(self, size: int | None) -> int:
        if size is None:
            return self._size
        if not 0 <= size <= self._size:
            raise MerkleError(f"the tree has {self._size} leaves, not yet {size}")
        return size

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def _peaks(self, start: int, end: int) -> list[bytes]:
        """Return the complete subtrees of [start, end), largest first.

        `start` is a multiple of a power of two that is not smaller than the range, or 0.
        """
        peaks = []
        while start < end:
            level = (end - start).bit_length() - 1
            peaks.append(self._node(level, start >> level))
            start += 1 << level
        return peaks

    def _subproof(self, old: int, start: int, end: int, *, complete: bool) -> list[bytes]:
        """SUBPROOF of RFC 9162, 2.1.4.1, over the leaves [start, end)."""
        if old == end - start:
            return [] if complete else [_peaks_root(self._peaks(start, end))]
        split = 1 << ((end - start - 1).bit_length() - 1)
        if old <= split:
            left = self._subproof(old, start, start + split, complete=complete)
            return [*left, _peaks_root(self._peaks(start + split, end))]
        right = self._subproof(old - split, start + split, end, complete=False)
        return [*right, _peaks_root(self._peaks(start, start + split))]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf`, a leaf hash, is number `index` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size <= SIZE_MAX:
        raise MerkleError(f"leaf {index} is not in a tree of {size}")
    require_hashes((leaf, root, *proof), "a member of the inclusion proof")
    node, last = index, size - 1
    current = leaf
    for sibling in proof:
        if last == 0:
            raise MerkleError("the inclusion proof is longer than the tree is high")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise MerkleError("the inclusion proof ends before the root")
    if current != root:
        raise MerkleError(
            "the inclusion proof leads to another root: entry, index or tree is not the one proven"
        )


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the second tree only adds leaves to the first (RFC 9162, 2.1.4.2)."""
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise MerkleError(f"a tree of {new_size} leaves does not extend one of {old_size}")
    require_hashes((old_root, new_root, *proof), "a member of the consistency proof")
    if old_size in {0, new_size}:
        _verify_trivial(old_size, new_size, old_root, new_root, proof)
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise MerkleError("the consistency proof is empty")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise MerkleError("the consistency proof is longer than the tree is high")
        if node & 1 or node == last:
            before = node_hash(sibling, before)
            after = node_hash(sibling, after)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            after = node_hash(after, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise MerkleError("the consistency proof ends before the root")
    if before != old_root or after != new_root:
        raise MerkleError(
            "the consistency proof leads to another root: the log was rewritten or the proof changed"
        )


def _verify_trivial(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Equal sizes have equal roots; every tree extends the empty one; neither has anything to prove."""
    if proof:
        raise MerkleError("a consistency proof from 0 or between equal sizes is empty")
    if old_size == new_size and old_root != new_root:
        raise MerkleError("two trees of one size have different roots")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise MerkleError("the root of the empty tree is SHA-256 of nothing")
