"""The log and what proves it: documents by right, receipts, checkpoint, tiles, entries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypedDict

import orjson

from consensus.errors import ConsensusError
from consensus.merkle import Tree
from credentials.documents.canonical import b64u
from credentials.ledger.constitution import records_under_root
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.governance_proof import ProofAnswer, ProofPart, part_of, prove_governance
from node.errors import bad_request, forbidden, not_found
from node.receipts.maker import Proofs
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.use_cases.digests import read_digest
from node.use_cases.key_uses import KeyUses
from node.use_cases.trqp import TrustRegistry
from node.verdicts.sources import Gathering

JSON = dict[str, Any]
PROOFS_KEPT = 8  # heights whose proof is in memory


class EntryAnswer(TypedDict):
    """One entry of the log, as participants see it."""

    leaf_index: int
    height: int
    time: int | None
    type: str
    kind: str | None
    issuer: str | None
    issuer_name: str | None
    jurisdiction: str | None
    digest: str | None
    document_digest: str | None
    leaf_hash: str
    rule: str | None
    winner_leaf_index: int | None


class ProvenHeights:
    """The proofs of the heights that were asked for last; one is made at a time, whoever asks."""

    def __init__(self, make: Callable[[int], ProofAnswer], kept_max: int) -> None:
        self._make = make
        self._kept_max = kept_max
        self._kept: OrderedDict[int, ProofAnswer] = OrderedDict()
        self._lock = Lock()

    def of(self, height: int) -> ProofAnswer:
        """The proof of a height: it never becomes another one."""
        with self._lock:
            if height not in self._kept:
                self._kept[height] = self._make(height)
            self._kept.move_to_end(height)
            while len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
            return self._kept[height]


class RecordDesk:
    """Shows the log and hands out what proves it."""

    def __init__(
        self,
        *,
        history: GovernanceHistory,
        proofs: Proofs,
        tree: Tree,
        gathering: Gathering,
        ledger: LedgerStore,
        office: OfficeStore,
    ) -> None:
        self._history = history
        self._proofs = proofs
        self._tree = tree
        self._gathering = gathering
        self._ledger = ledger
        self._office = office
        self.key_uses = KeyUses(history, ledger, office)
        self.trust_registry = TrustRegistry(history, ledger, self.governance_proof)
        self._proven = ProvenHeights(self._prove_governance, PROOFS_KEPT)

    def document(self, digest: str, audience: str = "public") -> JSON:
        """A stored document by its digest, if `audience` has a right to it (403 `not_entitled` otherwise)."""
        stored = self._office.documents.get(read_digest(digest))
        if stored is None:
            raise not_found("document_unknown", "this node holds no document with that digest")
        if not self._gathering.giving.entitled(stored, audience):
            told = "this document is not for the audience {audience}"
            raise forbidden("not_entitled", told, audience=audience)
        body = orjson.loads(stored.body)
        assert isinstance(body, dict), "documents are JSON objects"
        return body

    def receipt(self, digest: str) -> str:
        """C2SP tlog-proof text; `digest` = of an attestation or of its document.

        404 `no_receipt_yet` while validators are still cosigning, 404 `unknown_digest` otherwise.
        """
        return self._proofs.receipt(read_digest(digest))

    def signed_in(self, receipt: str) -> dict[str, tuple[str, ...]]:
        """Whose signatures are under a receipt of this node, by jurisdiction."""
        return self._proofs.signed_in(receipt)

    def governance_proof(self, height: int) -> ProofAnswer:
        """Every record that governed after the block of a height, and the receipt of that block's entry.

        404 `height_unknown`, or `no_receipt_yet` while validators are still cosigning. Made once, whoever
        asks, and for one height at a time. 400 `in_parts` where it is larger than one answer.
        """
        whole = self._proven.of(height)
        if part_of(whole, 0)["next"] is not None:
            told = (
                "what governed after height {height} is more than one answer holds: ask for it in parts, "
                "with `from=0` first, as `comity governance prove` of this version does"
            )
            raise bad_request("in_parts", told, height=height)
        return whole

    def governance_proof_part(self, height: int, start: int) -> ProofPart:
        """Some of these records from a place on, and where the next part begins; 404 as the whole."""
        return part_of(self._proven.of(height), start)

    def block_receipt(self, height: int) -> str:
        """The receipt of the last entry of a block; 404 `height_unknown`, or `no_receipt_yet`."""
        return self._proofs.receipt_of_block(height)

    def _prove_governance(self, height: int) -> ProofAnswer:
        receipt = self._proofs.receipt_of_block(height)
        first = self._history.epochs[0][1]
        return prove_governance(records_under_root(first, self._ledger.governance(), height), height, receipt)

    def checkpoint(self) -> str:
        """The latest cosigned checkpoint (signed note), log line and q cosignatures."""
        return self._proofs.checkpoint()

    def log_policy(self, size: int | None = None) -> str:
        """The tlog-policy that a tree of `size` leaves falls under; None: that of the newest checkpoint."""
        return self._proofs.policy(size)

    def epochs(self, link: int | None, after: int | None) -> str:
        """The file that leads an old log policy to the newest, or a part of it: `Proofs.epochs`."""
        return self._proofs.epochs(link, after)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """C2SP tlog-tiles hash tile."""
        try:
            return self._tree.tile(level, index, width)
        except ConsensusError as error:
            raise not_found("no_such_tile", str(error)) from error

    def entries(self, start: int, limit: int = 50) -> list[EntryAnswer]:
        """Entries of the log from an index on."""
        found: list[EntryAnswer] = []
        rows = self._ledger.leaves.since(start, limit)
        times = self._ledger.block_times(row.height for row in rows)
        for row in rows:
            # Named as it was called when the entry was written.
            participant = self._history.at(row.height).participant(row.issuer or "")
            found.append(
                {
                    "leaf_index": row.leaf_index,
                    "height": row.height,
                    "time": times.get(row.height),
                    "type": row.type,
                    "kind": row.kind,
                    "issuer": row.issuer,
                    "issuer_name": participant.name if participant else None,
                    "jurisdiction": participant.jurisdiction if participant else None,
                    "digest": b64u(row.digest) if row.digest else None,
                    "document_digest": b64u(row.document_digest) if row.document_digest else None,
                    "leaf_hash": b64u(row.leaf_hash),
                    "rule": row.rule,
                    "winner_leaf_index": row.winner,
                }
            )
        return found
