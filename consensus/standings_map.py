"""The map of standings: an authenticated map of 2^16 buckets, and proofs of presence and absence.

Its hashes are those of the log (`merkle.py`); a bucket is one leaf, its items in order of their keys.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, pairwise

from consensus.merkle import (
    HASH_BYTES,
    LEAF_OPENING,
    MerkleError,
    leaf_hash,
    node_hash,
    paired,
    require_hashes,
)

BUCKET_BITS = 16
BUCKET_COUNT = 1 << BUCKET_BITS
RUNS = 4_096  # of buckets, which are looked at together where most are empty
BUCKET_ITEMS_MAX = 65_536  # items of one bucket in a proof that is read from outside

# Number of a bucket and its hash to the (key, SHA-256 of the value) that are in it: what has another hash is
# never given back. None: of a bucket that may be changing.
BucketReader = Callable[[int, bytes | None], Iterable[tuple[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class MapProof:
    """Presence or absence of one key: every (key, value digest) of its bucket, and the path to the root."""

    bucket: tuple[tuple[bytes, bytes], ...]
    path: tuple[bytes, ...]


def _bucket_of(key: bytes) -> int:
    if type(key) is not bytes or len(key) != HASH_BYTES:
        raise MerkleError(f"a key of the map is {HASH_BYTES} bytes")
    return int.from_bytes(key[:2], "big")


def bucket_hash(items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Hash a bucket, given in ascending order of keys, as one leaf."""
    return leaf_hash(b"".join(chain.from_iterable(items)))


EMPTY_BUCKET = bucket_hash(())


def _empty_levels() -> tuple[bytes, ...]:
    """Return what every node of a level is in a map without items, the root first."""
    levels = [EMPTY_BUCKET]
    while len(levels) <= BUCKET_BITS:
        levels.append(node_hash(levels[-1], levels[-1]))
    return tuple(reversed(levels))


_EMPTY = _empty_levels()


def _empty_nodes() -> bytearray:
    """Return the binary heap (root at 1, buckets from 2^16) of a map without items."""
    return bytearray(HASH_BYTES) + b"".join(node * (1 << level) for level, node in enumerate(_EMPTY))


def _filled(hashes: bytes) -> dict[int, bytes] | None:
    """The hashes that are not of an empty bucket, by their place in the heap; None: of more than a few."""
    run = BUCKET_COUNT // RUNS * HASH_BYTES
    empty = EMPTY_BUCKET * (BUCKET_COUNT // RUNS)
    starts = [at for at in range(0, len(hashes), run) if hashes[at : at + run] != empty]
    if len(starts) > RUNS // 2:
        return None
    places = (at for start in starts for at in range(start, start + run, HASH_BYTES))
    read = ((BUCKET_COUNT + at // HASH_BYTES, hashes[at : at + HASH_BYTES]) for at in places)
    return {place: node for place, node in read if node != EMPTY_BUCKET}


class StandingsMap:
    """An authenticated map from 32-byte keys to values: 2^16 buckets by the first two bytes, a tree above.

    With a reader the tree takes 4 MiB whatever the map holds. What is *in* a bucket is asked of
    `bucket_reader`, which returns the (key, SHA-256 of the value) of one bucket, a range query over the
    stored standings, and is told the hash that they must have: so a root is never made of what is not what
    was written. Without a reader the map keeps keys, digests and those nodes alone that have something below
    them, at most 17 an item: it suits what governs, and tests.

    With a reader, `items` must come in ascending order of keys (it is streamed, not kept), and `apply` goes
    together with the store's own commit: changes lie over what the reader says, so it may run before or after
    it, but no `root_with` may come between the two.
    """

    __slots__ = ("_asked", "_few", "_kept", "_nodes", "_reader")

    def __init__(
        self, items: Iterable[tuple[bytes, bytes]] = (), bucket_reader: BucketReader | None = None
    ) -> None:
        """Build the map over (key, value) pairs."""
        self._nodes = _empty_nodes() if bucket_reader is not None else bytearray()
        self._few: dict[int, bytes] = {}  # without a reader, the nodes that are not those of an empty map
        self._kept: dict[int, dict[bytes, bytes]] = {}
        self._reader = bucket_reader
        self._asked: tuple[Mapping[bytes, bytes], dict[int, bytes]] | None = None  # changes, their nodes
        if bucket_reader is None:
            self.apply(dict(items))
        else:
            self._load(items)

    @classmethod
    def over(cls, hashes: bytes, bucket_reader: BucketReader) -> "StandingsMap":
        """Return the map with these hashes of all its buckets: what is in them is not looked at.

        Who trusts nobody compares its root with one that was agreed on.
        """
        if len(hashes) != BUCKET_COUNT * HASH_BYTES:
            raise MerkleError(f"{len(hashes)} bytes are not the hashes of {BUCKET_COUNT} buckets")
        made = cls(bucket_reader=bucket_reader)
        if (few := _filled(hashes)) is not None:
            made._place(made._raise(few))
            return made
        rows = [hashes]
        while len(rows[-1]) > HASH_BYTES:
            rows.append(paired(rows[-1]))
        made._nodes = bytearray(HASH_BYTES) + b"".join(reversed(rows))
        return made

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

    def buckets(self) -> bytes:
        """The hashes of all buckets, as `over` takes them."""
        if self._reader is None:
            return b"".join(map(self._node, range(BUCKET_COUNT, 2 * BUCKET_COUNT)))
        return bytes(self._nodes[BUCKET_COUNT * HASH_BYTES :])

    def buckets_with(self, changes: Mapping[bytes, bytes]) -> dict[int, bytes]:
        """Return the hash of each bucket that `changes` make different, by its number."""
        asked = self._asked
        nodes = asked[1] if asked is not None and asked[0] is changes else self._overlay(changes)
        return {at - BUCKET_COUNT: node for at, node in nodes.items() if at >= BUCKET_COUNT}

    def apply(self, changes: Mapping[bytes, bytes]) -> None:
        """Adopt `changes`."""
        asked, self._asked = self._asked, None
        known = asked is not None and asked[0] is changes
        nodes = asked[1] if asked is not None and known else self._overlay(changes, held=False)
        if self._reader is None:
            for key, value in changes.items():
                self._kept.setdefault(_bucket_of(key), {})[key] = sha256(value).digest()
            self._few.update(nodes)
            return
        self._place(nodes)

    def proof(self, key: bytes) -> MapProof:
        """Return the proof of what the map holds, or does not hold, under `key`."""
        bucket = _bucket_of(key)
        at, path = BUCKET_COUNT + bucket, []
        while at > 1:
            path.append(self._node(at ^ 1))
            at >>= 1
        return MapProof(tuple(sorted(self._read(bucket, None))), tuple(path))

    def _read(self, bucket: int, held: bytes | None) -> Iterable[tuple[bytes, bytes]]:
        return self._reader(bucket, held) if self._reader else self._kept.get(bucket, {}).items()

    def _node(self, at: int) -> bytes:
        if self._reader is None:
            return self._few.get(at) or _EMPTY[at.bit_length() - 1]
        return bytes(self._nodes[at * HASH_BYTES : (at + 1) * HASH_BYTES])

    def _place(self, nodes: Mapping[int, bytes]) -> None:
        for at, node in nodes.items():
            self._nodes[at * HASH_BYTES : (at + 1) * HASH_BYTES] = node

    def _load(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Hash buckets as the items stream by, then every changed inner node once."""
        changed: dict[int, bytes] = {}
        previous, bucket, hashed = b"", -1, sha256(LEAF_OPENING)
        for key, value in items:
            if key <= previous:
                raise MerkleError("the items of a map with a reader come in ascending order of keys")
            if (at := _bucket_of(key)) != bucket:
                if previous:
                    changed[BUCKET_COUNT + bucket] = hashed.digest()
                bucket, hashed = at, sha256(LEAF_OPENING)
            hashed.update(key + sha256(value).digest())  # not kept: a bucket may be as large as who made it
            previous = key
        if previous:
            changed[BUCKET_COUNT + bucket] = hashed.digest()
        self._place(self._raise(changed))

    def _overlay(self, changes: Mapping[bytes, bytes], *, held: bool = True) -> dict[int, bytes]:
        """Return every node of the heap that `changes` make different; `held`: the store is as the map is."""
        by_bucket: dict[int, dict[bytes, bytes]] = {}
        for key, value in changes.items():
            by_bucket.setdefault(_bucket_of(key), {})[key] = sha256(value).digest()
        changed = {}
        for bucket, fresh in by_bucket.items():
            at = BUCKET_COUNT + bucket
            items = dict(self._read(bucket, self._node(at) if held else None))
            changed[at] = bucket_hash(sorted((items | fresh).items()))
        return self._raise(changed)

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
    require_hashes((root, *proof.path), "a member of the map proof")
    keys = [one for one, _ in proof.bucket]
    require_hashes((*keys, *(digest for _, digest in proof.bucket)), "an item of the map proof")
    if any(first >= second for first, second in pairwise(keys)):
        raise MerkleError("the items of the map proof are not in ascending order")
    current = bucket_hash(proof.bucket)
    for sibling in proof.path:
        current = node_hash(sibling, current) if at & 1 else node_hash(current, sibling)
        at >>= 1
    if current != root:
        raise MerkleError("the map proof leads to another root")
    found = bisect_left(keys, key)
    held = proof.bucket[found][1] if found < len(keys) and keys[found] == key else None
    if held != (None if value is None else sha256(value).digest()):
        raise MerkleError("the map holds something else under this key")
