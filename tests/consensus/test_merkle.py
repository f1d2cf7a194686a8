"""The Merkle tree and the map of standings: official vectors, the RFC restated recursively, properties."""

import json
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.merkle import (
    EMPTY_ROOT,
    Frontier,
    MerkleError,
    Tree,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from consensus.standings_map import MapProof, StandingsMap, bucket_hash, verify_map_proof

VECTORS = Path(__file__).parents[1] / "vectors" / "merkle"
LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(70)]


def vectors(kind: str) -> list[Path]:
    return sorted((VECTORS / kind).rglob("*.json"))


def name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def hashes(texts: Sequence[str] | None) -> list[bytes]:
    return [b64decode(text) for text in texts or ()]


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1, as it is written there."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


@pytest.mark.parametrize("file", vectors("inclusion"), ids=name)
def test_inclusion_vectors(file: Path) -> None:
    """
    Every inclusion vector of transparency-dev is accepted or refused as it says.
    """
    vector: dict[str, Any] = json.loads(file.read_text())
    leaf, root = hashes([vector["leafHash"], vector["root"]])
    refused = False

    try:
        verify_inclusion(leaf, vector["leafIdx"], vector["treeSize"], hashes(vector["proof"]), root)
    except MerkleError:
        refused = True

    assert refused == vector["wantErr"]


@pytest.mark.parametrize("file", vectors("consistency"), ids=name)
def test_consistency_vectors(file: Path) -> None:
    """
    Every consistency vector of transparency-dev is accepted or refused as it says.
    """
    vector: dict[str, Any] = json.loads(file.read_text())
    old, new = hashes([vector["root1"], vector["root2"]])
    refused = False

    try:
        verify_consistency(vector["size1"], vector["size2"], old, new, hashes(vector["proof"]))
    except MerkleError:
        refused = True

    assert refused == vector["wantErr"]


def test_vectors_are_all_there() -> None:
    """
    The two tests above ran over 91 files, not over an empty folder.
    """
    assert (len(vectors("inclusion")), len(vectors("consistency"))) == (49, 42)


def test_roots_and_proofs_are_those_of_the_rfc() -> None:
    """
    For every size up to 70 and every leaf, root, frontier and proof equal the recursive definition.
    """
    tree, frontier = Tree(), Frontier()

    for size in range(1, len(LEAVES) + 1):
        tree.append(LEAVES[size - 1])
        frontier = frontier.append([LEAVES[size - 1]])
        root = mth(LEAVES[:size])

        assert tree.root() == frontier.root == root
        assert tree.frontier() == frontier == Frontier.decode(frontier.encode())
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            assert proof == path(index, LEAVES[:size])
            verify_inclusion(LEAVES[index], index, size, proof, root)


def test_trees_of_many_tiles_are_those_of_the_rfc() -> None:
    """
    Around the sizes at which tiles fill, on both levels, root, proofs and frontier equal the definition.
    """
    leaves = [leaf_hash(index.to_bytes(4, "big")) for index in range(65_800)]
    tree = Tree(leaves)

    for size in (255, 256, 257, 511, 512, 513, 700, 65_535, 65_536, 65_537, 65_800):
        frontier = Frontier().append(leaves[:size])
        assert tree.root(size) == frontier.root
        assert tree.frontier(size) == frontier
        for index in (0, 254, size // 2, size - 1):
            verify_inclusion(leaves[index], index, size, tree.inclusion_proof(index, size), frontier.root)
            before = Frontier().append(leaves[: index + 1]).root
            proof = tree.consistency_proof(index + 1, size)
            verify_consistency(index + 1, size, before, frontier.root, proof)
    for size in (255, 256, 257, 513, 700):
        assert tree.root(size) == mth(leaves[:size])
        for index in (0, size // 3, size - 1):
            assert tree.inclusion_proof(index, size) == path(index, leaves[:size])


def test_an_edge_that_does_not_fit_its_size_is_no_tree() -> None:
    """
    Partial tiles of another length or another number are refused.
    """
    whole = Tree(LEAVES)
    edge = [b"".join(LEAVES)]

    assert Tree.over(len(LEAVES), edge, lambda *_: b"").root() == whole.root()
    for size, tiles in ((len(LEAVES) + 1, edge), (len(LEAVES), []), (256, [b""]), (256, [b"", b""])):
        with pytest.raises(MerkleError):
            Tree.over(size, tiles, lambda *_: b"")


def test_proofs_at_earlier_sizes() -> None:
    """
    A grown tree still gives the root, the proofs and the frontier it had at every earlier size.
    """
    tree = Tree(LEAVES)

    for size in range(1, len(LEAVES) + 1):
        assert tree.root(size) == tree.frontier(size).root == mth(LEAVES[:size])
        for index in range(size):
            assert tree.inclusion_proof(index, size) == path(index, LEAVES[:size])
    assert tree.root(0) == EMPTY_ROOT


def test_consistency_of_all_pairs() -> None:
    """
    Between any two sizes up to 70 the proof verifies, and stops verifying when a root or a hash changes.
    """
    tree = Tree(LEAVES)
    roots = [tree.root(size) for size in range(len(LEAVES) + 1)]

    for new in range(len(LEAVES) + 1):
        for old in range(new + 1):
            proof = tree.consistency_proof(old, new)
            verify_consistency(old, new, roots[old], roots[new], proof)
            if 0 < old < new:
                for changed in range(len(proof)):
                    bad = [*proof[:changed], sha256(proof[changed]).digest(), *proof[changed + 1 :]]
                    with pytest.raises(MerkleError):
                        verify_consistency(old, new, roots[old], roots[new], bad)
                with pytest.raises(MerkleError):
                    verify_consistency(old, new, roots[new], roots[old], proof)


@given(st.integers(1, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_a_proof_of_another_leaf_size_or_length_is_refused(size: int, data: st.DataObject) -> None:
    """
    A proof holds for one leaf, one index and one size only.
    """
    tree = Tree(leaf_hash(index.to_bytes(2, "big")) for index in range(size))
    index = data.draw(st.integers(0, size - 1))
    leaf, proof, root = tree.leaf(index), tree.inclusion_proof(index), tree.root()
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index)) if size > 1 else size

    for changed in (
        (leaf_hash(b"another"), index, size, proof),
        (leaf, other, size, proof),
        (leaf, index, size, [*proof, root]),
        (leaf, index, size, [root, *proof]),
        *([(leaf, index, size, proof[:-1])] if proof else []),
        (leaf, index, 0, proof),
        (leaf, -1, size, proof),
    ):
        with pytest.raises(MerkleError):
            verify_inclusion(*changed, root)


def test_frontier_appends_many() -> None:
    """
    Appending in batches and one by one give one frontier.
    """
    assert Frontier().append(LEAVES[:33]).append(LEAVES[33:]) == Tree(LEAVES).frontier()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        bytes(8) + bytes(32),
        (1).to_bytes(8, "big"),
        (3).to_bytes(8, "big") + bytes(32),
        b"\xff" * 8,
    ],
    ids=["empty", "short", "peak of nothing", "peak missing", "one of two peaks", "size out of range"],
)
def test_frontier_is_decoded_strictly(data: bytes) -> None:
    """
    Bytes that no frontier encodes to are refused.
    """
    with pytest.raises(MerkleError):
        Frontier.decode(data)


def test_tiles_are_the_hashes_of_the_specification() -> None:
    """
    A tree of 70,000 leaves has the tiles that tlog-tiles counts for it, each with MTH of its range.
    """
    tree = Tree(leaf_hash(index.to_bytes(3, "big")) for index in range(70_000))

    assert tree.tile(0, 272, 256)[:32] == tree.leaf(272 * 256)
    assert len(tree.tile(0, 273, 112)) == 112 * 32
    assert tree.tile(1, 1, 17)[:32] == Tree(tree.leaf(i) for i in range(65_536, 65_792)).root()
    assert tree.tile(2, 0, 1) == tree.root(65_536)
    for beyond in (
        (0, 273, 113),
        (1, 1, 18),
        (2, 0, 2),
        (3, 0, 1),
        (64, 0, 1),
        (0, 0, 0),
        (0, 0, 257),
        (0, -1, 1),
    ):
        with pytest.raises(MerkleError):
            tree.tile(*beyond)


@pytest.mark.parametrize("index,size", [(70, 70), (-1, 70), (0, 71), (0, 0), (0, -1)])
def test_questions_beyond_the_tree_are_refused(index: int, size: int) -> None:
    """
    A proof for a leaf or a size the tree does not have is an error, not a wrong proof.
    """
    with pytest.raises(MerkleError):
        Tree(LEAVES).inclusion_proof(index, size)


def item(number: int) -> tuple[bytes, bytes]:
    return sha256(number.to_bytes(4, "big")).digest(), b"standing %d" % number


class Shelf:
    """A store of standings as a node has one: sorted rows, asked by bucket."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self.rows = rows

    def bucket(self, number: int, held: bytes | None) -> list[tuple[bytes, bytes]]:
        prefix = number.to_bytes(2, "big")
        found = [(key, sha256(value).digest()) for key, value in self.rows.items() if key.startswith(prefix)]
        assert held is None or bucket_hash(sorted(found)) == held, "what is asked for is what is there"
        return found


def test_map_root_depends_on_content_only() -> None:
    """
    One content gives one root, whatever the order it came in and whether or not a reader keeps the buckets.
    """
    rows = dict(item(number) for number in range(300))
    shelf = Shelf(rows)

    at_once = StandingsMap(rows.items())
    backwards = StandingsMap(reversed(rows.items()))
    stepwise = StandingsMap()
    for key, value in rows.items():
        stepwise.apply({key: value})
    read = StandingsMap(sorted(rows.items()), shelf.bucket)

    assert at_once.root == backwards.root == stepwise.root == read.root != StandingsMap().root


def test_root_with_leaves_the_map_alone() -> None:
    """
    `root_with` says what `apply` will give and changes nothing.
    """
    standings = StandingsMap(item(number) for number in range(50))
    before, changes = standings.root, {item(7)[0]: b"recycled", item(99)[0]: b"new"}

    foretold = standings.root_with(changes)

    assert standings.root == before == standings.root_with({})
    standings.apply(changes)
    assert standings.root == foretold != before


def test_map_with_a_reader_agrees_before_and_after_the_store_commits() -> None:
    """
    Applying changes before or after the store holds them gives the same root.
    """
    rows = dict(item(number) for number in range(40))
    changes = {item(3)[0]: b"exported", item(41)[0]: b"produced"}
    early, late = Shelf(dict(rows)), Shelf(dict(rows))
    first = StandingsMap(sorted(rows.items()), early.bucket)
    second = StandingsMap(sorted(rows.items()), late.bucket)

    first.apply(changes)
    late.rows.update(changes)
    second.apply(changes)

    assert first.root == second.root == StandingsMap((rows | changes).items()).root


def test_map_with_a_reader_refuses_unsorted_rows() -> None:
    """
    Rows out of order would be hashed into the wrong bucket, so they are refused.
    """
    rows = sorted(item(number) for number in range(9))

    with pytest.raises(MerkleError):
        StandingsMap(reversed(rows), Shelf(dict(rows)).bucket)


def test_map_proofs_of_presence_and_absence() -> None:
    """
    A proof shows the value under a key, or that there is none, and nothing else.
    """
    standings = StandingsMap(item(number) for number in range(500))
    (key, value), (absent, _) = item(77), item(1000)

    verify_map_proof(standings.root, key, value, standings.proof(key))
    verify_map_proof(standings.root, absent, None, standings.proof(absent))

    proof = standings.proof(key)
    for changed in (
        (standings.root, key, None, proof),
        (standings.root, key, b"another", proof),
        (standings.root, absent, value, proof),
        (StandingsMap().root, key, value, proof),
        (standings.root, key, value, MapProof(proof.bucket, proof.path[:-1])),
        (standings.root, key, value, MapProof(proof.bucket, proof.path[::-1])),
        (standings.root, key, None, MapProof((), proof.path)),
        (standings.root, key, value, MapProof(proof.bucket * 2, proof.path)),
    ):
        with pytest.raises(MerkleError):
            verify_map_proof(*changed)


def test_two_keys_of_one_bucket() -> None:
    """
    Keys that share a bucket are told apart.
    """
    first, second = bytes(32), bytes(31) + b"\x01"
    standings = StandingsMap([(first, b"a"), (second, b"b")])

    verify_map_proof(standings.root, first, b"a", standings.proof(first))
    verify_map_proof(standings.root, second, b"b", standings.proof(first))
    assert standings.root != StandingsMap([(first, b"b"), (second, b"a")]).root


def test_map_with_a_reader_refuses_a_key_twice() -> None:
    """
    A bucket with one key twice has a root that no map has.
    """
    with pytest.raises(MerkleError, match="ascending order"):
        StandingsMap([item(1), item(1)], Shelf(dict([item(1)])).bucket)


def test_a_proof_of_another_map_leads_elsewhere() -> None:
    """
    And is refused as that, not as a value that is not there.
    """
    key, value = item(1)
    one, other = StandingsMap([item(1)]), StandingsMap([item(1), item(2)])

    verify_map_proof(one.root, key, value, one.proof(key))
    with pytest.raises(MerkleError, match=r"^the map proof leads to another root$"):
        verify_map_proof(other.root, key, value, one.proof(key))
