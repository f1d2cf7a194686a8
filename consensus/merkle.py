"""The Merkle tree of the log (RFC 9162, section 2.1) and the map of standings with its proofs.

A leaf is SHA-256(0x00 || entry), an inner node SHA-256(0x01 || left || right), the empty tree SHA-256("").
Hashes are 32 raw bytes everywhere; a range of leaves is written [start, end).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from consensus.errors import ConsensusError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
SIZE_MAX = (1 << 53) - 1  # leaves; the ledger's integer range (design: 0..2^53-1)
TILE_WIDTH = 256  # hashes in a full tile (C2SP tlog-tiles)
TILE_HEIGHT = 8

BUCKET_BITS = 16
BUCKET_COUNT = 1 << BUCKET_BITS
BUCKET_ITEMS_MAX = 65_536  # items of one bucket in a proof that is read from outside


class MerkleError(ConsensusError):
    """A proof, a root or an index does not fit the tree it is said to belong to."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry as a leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def _require_hashes(hashes: Iterable[bytes], what: str) -> None:
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
        _require_hashes(self.peaks, "a subtree of the frontier")

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
    _require_hashes((leaf, root, *proof), "a member of the inclusion proof")
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
    _require_hashes((old_root, new_root, *proof), "a member of the consistency proof")
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


BucketReader = Callable[[int], Iterable[tuple[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class MapProof:
    """Presence or absence of one key: every (key, value digest) of its bucket, and the path to the root."""

    bucket: tuple[tuple[bytes, bytes], ...]
    path: tuple[bytes, ...]


def _bucket_of(key: bytes) -> int:
    if type(key) is not bytes or len(key) != HASH_BYTES:
        raise MerkleError(f"a key of the map is {HASH_BYTES} bytes")
    return int.from_bytes(key[:2], "big")


def _bucket_hash(items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Hash a bucket, given in ascending order of keys, as one leaf."""
    return leaf_hash(b"".join(key + digest for key, digest in items))


def _empty_nodes() -> bytearray:
    """Return the binary heap (root at 1, buckets from 2^16) of a map without items."""
    level, count, rows = _bucket_hash(()), BUCKET_COUNT, []
    while count:
        rows.append(level * count)
        level, count = node_hash(level, level), count // 2
    return bytearray(HASH_BYTES) + b"".join(reversed(rows))


class StandingsMap:
    """An authenticated map from 32-byte keys to values: 2^16 buckets by the first two bytes, a tree above.

    The tree takes 4 MiB whatever the map holds. What is *in* a bucket is asked of `bucket_reader`, which
    returns the (key, SHA-256 of the value) of one bucket, in any order: a range query over the stored
    standings. Without a reader the map keeps keys and digests itself, which suits small maps and tests.

    With a reader, `items` must come in ascending order of keys (it is streamed, not kept), and `apply` goes
    together with the store's own commit: changes lie over what the reader says, so it may run before or after
    it, but no `root_with` may come between the two.
    """

    __slots__ = ("_asked", "_kept", "_nodes", "_reader")

    def __init__(
        self, items: Iterable[tuple[bytes, bytes]] = (), bucket_reader: BucketReader | None = None
    ) -> None:
        """Build the map over (key, value) pairs."""
        self._nodes = _empty_nodes()
        self._kept: dict[int, dict[bytes, bytes]] = {}
        self._reader = bucket_reader
        self._asked: tuple[Mapping[bytes, bytes], dict[int, bytes]] | None = None  # changes, their nodes
        if bucket_reader is None:
            self.apply(dict(items))
        else:
            self._load(items)

    @property
    def root(self) -> bytes:
        """The root over all buckets."""
        return self._node(1)

    def root_with(self, changes: Mapping[bytes, bytes]) -> bytes:
        """Return the root as it would be after `changes`, which are key to value; the map stays as it is.

        What it took to find out is remembered for an `apply` of the same object, which must not change.
        """
        nodes = self._overlay(changes)
        self._asked = changes, nodes
        return nodes.get(1, self.root)

    def apply(self, changes: Mapping[bytes, bytes]) -> None:
        """Adopt `changes`."""
        asked, self._asked = self._asked, None
        nodes = asked[1] if asked is not None and asked[0] is changes else self._overlay(changes)
        if self._reader is None:
            for key, value in changes.items():
                self._kept.setdefault(_bucket_of(key), {})[key] = sha256(value).digest()
        for at, node in nodes.items():
            self._nodes[at * HASH_BYTES : (at + 1) * HASH_BYTES] = node

    def proof(self, key: bytes) -> MapProof:
        """Return the proof of what the map holds, or does not hold, under `key`."""
        bucket = _bucket_of(key)
        at, path = BUCKET_COUNT + bucket, []
        while at > 1:
            path.append(self._node(at ^ 1))
            at >>= 1
        return MapProof(tuple(sorted(self._read(bucket))), tuple(path))

    def _read(self, bucket: int) -> Iterable[tuple[bytes, bytes]]:
        return self._reader(bucket) if self._reader else self._kept.get(bucket, {}).items()

    def _node(self, at: int) -> bytes:
        return bytes(self._nodes[at * HASH_BYTES : (at + 1) * HASH_BYTES])

    def _load(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Hash buckets as the items stream by, then every changed inner node once."""
        changed: dict[int, bytes] = {}
        previous, bucket, rows = b"", -1, list[tuple[bytes, bytes]]()
        for key, value in items:
            if key <= previous:
                raise MerkleError("the items of a map with a reader come in ascending order of keys")
            if (at := _bucket_of(key)) != bucket:
                if rows:
                    changed[BUCKET_COUNT + bucket] = _bucket_hash(rows)
                bucket, rows = at, []
            rows.append((key, sha256(value).digest()))
            previous = key
        if rows:
            changed[BUCKET_COUNT + bucket] = _bucket_hash(rows)
        for index, node in self._raise(changed).items():
            self._nodes[index * HASH_BYTES : (index + 1) * HASH_BYTES] = node

    def _overlay(self, changes: Mapping[bytes, bytes]) -> dict[int, bytes]:
        """Return every node of the heap that `changes` make different."""
        by_bucket: dict[int, dict[bytes, bytes]] = {}
        for key, value in changes.items():
            by_bucket.setdefault(_bucket_of(key), {})[key] = sha256(value).digest()
        return self._raise(
            {
                BUCKET_COUNT + bucket: _bucket_hash(sorted((dict(self._read(bucket)) | fresh).items()))
                for bucket, fresh in by_bucket.items()
            }
        )

    def _raise(self, changed: dict[int, bytes]) -> dict[int, bytes]:
        """Return `changed` bucket hashes with all their ancestors, level by level."""
        nodes, level = dict(changed), set(changed)
        while level and level != {1}:
            level = {at >> 1 for at in level}
            for at in level:
                left, right = at << 1, (at << 1) + 1
                nodes[at] = node_hash(
                    nodes.get(left) or self._node(left), nodes.get(right) or self._node(right)
                )
        return nodes


def verify_map_proof(root: bytes, key: bytes, value: bytes | None, proof: MapProof) -> None:
    """Check that the map under `root` holds `value` at `key`, or nothing when `value` is None."""
    at = BUCKET_COUNT + _bucket_of(key)
    if len(proof.path) != BUCKET_BITS or len(proof.bucket) > BUCKET_ITEMS_MAX:
        raise MerkleError(f"a map proof has {BUCKET_BITS} hashes and at most {BUCKET_ITEMS_MAX} items")
    _require_hashes((root, *proof.path), "a member of the map proof")
    keys = [one for one, _ in proof.bucket]
    _require_hashes((*keys, *(digest for _, digest in proof.bucket)), "an item of the map proof")
    if any(first >= second for first, second in pairwise(keys)):
        raise MerkleError("the items of the map proof are not in ascending order")
    current = _bucket_hash(proof.bucket)
    for sibling in proof.path:
        current = node_hash(sibling, current) if at & 1 else node_hash(current, sibling)
        at >>= 1
    if current != root:
        raise MerkleError("the map proof leads to another root")
    found = bisect_left(keys, key)
    held = proof.bucket[found][1] if found < len(keys) and keys[found] == key else None
    if held != (None if value is None else sha256(value).digest()):
        raise MerkleError("the map holds something else under this key")
