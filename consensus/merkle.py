"""The Merkle tree of the log (RFC 9162, section 2.1).

A leaf is SHA-256(0x00 || entry), an inner node SHA-256(0x01 || left || right), the empty tree SHA-256("").
Hashes are 32 raw bytes everywhere; a range of leaves is written [start, end).
"""

from collections.abc import Callable, Iterable, Sequence
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


def paired(row: bytes) -> bytes:
    """Return the level above a row of hashes."""
    step = 2 * HASH_BYTES
    pairs = range(0, len(row) // step * step, step)
    return b"".join([sha256(b"\x01" + row[at : at + step]).digest() for at in pairs])


def tile_nodes(hashes: bytes) -> bytes:
    """Return a full tile and every node above it: 256 hashes, 128, ..., and its root as the last 32 bytes."""
    rows = [hashes]
    for _ in range(TILE_HEIGHT):
        rows.append(paired(rows[-1]))
    return b"".join(rows)


# Level, number and root of a full tile to its `tile_nodes`; what has another root is never given back.
TileReader = Callable[[int, int, bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Edge:
    """The right edge of a tree: of each level the nodes that are in no full tile."""

    size: int = 0
    rows: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, size: int, tiles: Sequence[bytes]) -> "_Edge":
        """Return that of a tree with these partial tiles, from level 0 on."""
        rows = []
        for level, tile in enumerate(tiles):
            if len(tile) != (size >> TILE_HEIGHT * level) % TILE_WIDTH * HASH_BYTES:
                raise MerkleError(f"the partial tile of level {level} does not fit a tree of {size} leaves")
            rows.append(tile)
            for _ in range(1, TILE_HEIGHT):
                rows.append(paired(rows[-1]))
        if size >> TILE_HEIGHT * len(tiles):
            raise MerkleError(f"{len(tiles)} partial tiles are too few for a tree of {size} leaves")
        return cls(size, tuple(rows))

    def extended(self, leaf_hashes: Iterable[bytes]) -> tuple["_Edge", dict[tuple[int, int], bytes]]:
        """Return the edge after these leaves, and the tiles that they fill, by level and number."""
        rows, size, full = [bytearray(row) for row in self.rows], self.size, dict[tuple[int, int], bytes]()
        for leaf in leaf_hashes:
            if len(leaf) != HASH_BYTES:
                raise MerkleError(f"a leaf is not a {HASH_BYTES}-byte hash")
            level, index, node = 0, size, leaf
            while True:
                if level == len(rows):
                    rows.append(bytearray())
                rows[level] += node
                if not index & 1:
                    break
                node = sha256(b"\x01" + rows[level][-2 * HASH_BYTES :]).digest()
                level, index = level + 1, index >> 1
                if level % TILE_HEIGHT == 0:  # the node is the root of a full tile
                    full[level // TILE_HEIGHT - 1, index] = bytes(rows[level - TILE_HEIGHT])
                    for row in rows[level - TILE_HEIGHT : level]:
                        row.clear()
            size += 1
        return _Edge(size, tuple(bytes(row) for row in rows)), full


class Tree:
    """An append-only tree: its right edge in memory, its full tiles where `reader` finds them.

    The edge is replaced, never changed, and a full tile stays as it is: threads that read see one tree while
    another extends it. The reader has a tile before `extend` is told of its last leaf, and is asked by the
    root that the tile above names, up to the edge: so whatever is read is what the edge stands for. Without a
    reader the tree keeps the nodes itself, 64 bytes a leaf: for tests and offline checks.
    """

    __slots__ = ("_edge", "_nodes", "_reader")

    def __init__(self, leaf_hashes: Iterable[bytes] = (), *, reader: TileReader | None = None) -> None:
        """Build the tree over these leaves."""
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._reader = reader
        self._edge = _Edge()
        self.extend(leaf_hashes)

    @classmethod
    def over(cls, size: int, tiles: Sequence[bytes], reader: TileReader) -> "Tree":
        """Return a tree of `size` leaves that lies elsewhere; `tiles` are its partial ones, from level 0 on.

        They are as they were read: the frontier says whether they are those of a tree that was agreed on.
        """
        tree = cls(reader=reader)
        tree._edge = _Edge.of(size, tiles)
        return tree

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._edge.size

    def append(self, leaf: bytes) -> int:
        """Add one leaf hash and return its index."""
        self.extend((leaf,))
        return self._edge.size - 1

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Add many leaf hashes, in order."""
        edge, full = self._edge.extended(leaf_hashes)
        if self._reader is None:
            self._nodes |= {place: tile_nodes(hashes) for place, hashes in full.items()}
        self._edge = edge

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash at `index`."""
        if not 0 <= index < self.size:
            raise MerkleError(f"leaf {index} is not in a tree of {self.size}")
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
        edge, height = self._edge, TILE_HEIGHT * level
        if index * TILE_WIDTH + width << height > edge.size:
            raise MerkleError(f"tile {level}/{index} of width {width} is beyond a tree of {edge.size} leaves")
        full = index < edge.size >> height + TILE_HEIGHT
        return (self._full(level, index) if full else edge.rows[height])[: width * HASH_BYTES]

    def _size_or_all(self, size: int | None) -> int:
        held = self._edge.size
        if size is None:
            return held
        if not 0 <= size <= held:
            raise MerkleError(f"the tree has {held} leaves, not yet {size}")
        return size

    def _node(self, level: int, index: int) -> bytes:
        edge, (tile_level, height) = self._edge, divmod(level, TILE_HEIGHT)
        number = index >> TILE_HEIGHT - height
        at = index - (number << TILE_HEIGHT - height)
        if number < edge.size >> TILE_HEIGHT * (tile_level + 1):
            row = self._full(tile_level, number)
            at += 2 * TILE_WIDTH - (2 * TILE_WIDTH >> height)  # after the rows below
        else:
            row = edge.rows[level]
        return row[at * HASH_BYTES : (at + 1) * HASH_BYTES]

    def _full(self, level: int, number: int) -> bytes:
        """Return the nodes of a full tile."""
        if self._reader is None:
            return self._nodes[level, number]
        root = self._node(TILE_HEIGHT * (level + 1), number)
        nodes = self._reader(level, number, root)
        assert nodes[-HASH_BYTES:] == root, "a tile is what the one above it names"
        return nodes

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
