"""ABCI queries: what the ledger holds, with the way from it to the hash that CometBFT's next header carries.

    /entry     data: the leaf's number, 8 bytes   value: the entry
    /standing  data: the key of a record           value: the record; empty where there is none
    /p2p/filter/{id,addr}/...                      code 0 where CometBFT may be connected to that peer

Each way is three steps at most (`ProofOp`, type and CBOR data), from the value upwards:

    comity:standing  [[[key, SHA-256 of the record], ...], [16 hashes]]     `standings_map.MapProof`
    comity:leaf      [leaf, size, [hashes], entry]   RFC 9162 2.1.3; of a standing: the block's own entry,
                                                     which names the root of the standings
    comity:state     [app hash, log size, log root, config digest, app version, block id]   `Carried`
"""

from __future__ import annotations

from collections.abc import Callable

from consensus.delivered import Delivered
from consensus.encoding import encode
from consensus.merkle import Tree
from consensus.standings_map import StandingsMap
from node.ledger.comet.proto.tendermint.abci.types_pb2 import RequestQuery, ResponseQuery
from node.ledger.comet.proto.tendermint.crypto.proof_pb2 import ProofOp
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore

KEY_BYTES, LEAF_BYTES = 32, 8
NO_SUCH_PATH, NOT_A_KEY, NOT_THERE, NOT_NOW, NOBODY_KNOWN = 1, 2, 3, 4, 5
FILTER = "/p2p/filter/"


class Proven:
    """Answers with their proofs, of the last block that did something; later leaves have none yet."""

    def __init__(self, delivered: Delivered, store: LedgerStore, tree: Tree, standings: StandingsMap) -> None:
        self._delivered, self._store, self._tree, self._standings = delivered, store, tree, standings
        # Whether CometBFT may be connected to the one with this id, in hex.
        self.admits: Callable[[str], bool] = lambda node_id: False

    def answer(self, query: RequestQuery) -> ResponseQuery:
        """What is asked for, or a code other than 0 and why."""
        if query.path.startswith(FILTER):
            return self._filter(query.path.removeprefix(FILTER))
        height = self._delivered.carried.height
        if query.height not in (0, height):
            return _no(NOT_NOW, f"this node answers for block {height}, the last that did something")
        match query.path:
            case "/entry":
                return self._entry(query, height)
            case "/standing":
                return self._standing(query, height)
        return _no(NO_SUCH_PATH, "/entry and /standing are answered")

    def _filter(self, about: str) -> ResponseQuery:
        """Who may be connected to CometBFT, by the id that its connection proves, from wherever."""
        kind, _, name = about.partition("/")
        if kind == "addr" or (kind == "id" and self.admits(name)):
            return ResponseQuery()
        return _no(NOBODY_KNOWN, "no participant said that it is this one")

    def _entry(self, query: RequestQuery, height: int) -> ResponseQuery:
        if len(query.data) != LEAF_BYTES:
            return _no(NOT_A_KEY, f"a leaf's number has {LEAF_BYTES} bytes")
        leaf = int.from_bytes(query.data, "big")
        row = self._store.leaves.at(leaf) if leaf < self._tree.size else None
        if row is None:
            return _no(NOT_THERE, f"the log has {self._tree.size} leaves")
        answer = ResponseQuery(height=height, index=leaf, key=query.data, value=row.entry)
        if query.prove and leaf < self._delivered.carried.log_size:
            answer.proof_ops.ops.extend([self._leaf(leaf, row), self._state()])
        return answer

    def _standing(self, query: RequestQuery, height: int) -> ResponseQuery:
        if len(query.data) != KEY_BYTES:
            return _no(NOT_A_KEY, f"the key of a record has {KEY_BYTES} bytes")
        value = self._store.standings.record(query.data)
        answer = ResponseQuery(height=height, key=query.data, value=value or b"")
        own = self._store.leaves.of_block(height)
        if query.prove and own is not None:
            found = self._standings.proof(query.data)
            pairs = [list(pair) for pair in found.bucket]
            step = ProofOp(type="comity:standing", key=query.data, data=encode([pairs, list(found.path)]))
            answer.proof_ops.ops.extend(
                [step, self._leaf(self._delivered.carried.log_size - 1, own), self._state()]
            )
        return answer

    def _leaf(self, leaf: int, row: EntryRow) -> ProofOp:
        size = self._delivered.carried.log_size
        data = encode([leaf, size, list(self._tree.inclusion_proof(leaf, size)), row.entry])
        return ProofOp(type="comity:leaf", key=leaf.to_bytes(LEAF_BYTES, "big"), data=data)

    def _state(self) -> ProofOp:
        return ProofOp(type="comity:state", key=b"", data=encode(self._delivered.carried.state))


def _no(code: int, why: str) -> ResponseQuery:
    return ResponseQuery(code=code, codespace="comity", log=why)
