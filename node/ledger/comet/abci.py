"""ABCI 2.0 (CometBFT 0.38, spec/abci): what this node answers, a method a request.

Nothing here decides: what is admitted, proposed, accepted and executed is `consensus.delivered`, what is
stored is `Ledger.adopt`, of snapshots is `handing.py`. Vote extensions are not used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Protocol

from consensus.application import CannotFollow
from consensus.chain import Parameters
from consensus.cose import PUBLIC_KEY_BYTES
from consensus.delivered import Delivered
from consensus.errors import ConsensusError
from consensus.pool import GivenUp
from consensus.validators import Validator
from credentials.ledger.engine_terms import FOUNDED, EngineTerm
from node import log
from node.ledger.comet.comet_names import address, chain_id
from node.ledger.comet.decided import decided_by
from node.ledger.comet.proto.tendermint.abci.types_pb2 import (
    ExecTxResult,
    Misbehavior,
    MisbehaviorType,
    Request,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    Response,
    ResponseCheckTx,
    ResponseCommit,
    ResponseEcho,
    ResponseFinalizeBlock,
    ResponseFlush,
    ResponseInfo,
    ResponseInitChain,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    ValidatorUpdate,
)
from node.ledger.comet.proto.tendermint.crypto.keys_pb2 import PublicKey
from node.ledger.comet.proto.tendermint.types.params_pb2 import (
    BlockParams,
    ConsensusParams,
    EvidenceParams,
    ValidatorParams,
    VersionParams,
)
from node.ledger.comet.proven import Proven
from node.ledger.comet.server import RequestRefused
from node.ledger.ledger import Decision, Ledger

MEMPOOL = "mempool"  # the sender of everything that CometBFT asks about: it names nobody
# CometBFT counts header, commit (128 validators) and its own evidence into a block; ours counts none of them.
EVIDENCE_BYTES_MAX = 64 << 10
AROUND_BYTES = EVIDENCE_BYTES_MAX + (64 << 10)
PROVES = "nothing by itself: the votes are in CometBFT's block, as its own evidence"
BLOCK_S = 1  # a height takes no less: what is so many heights old is no younger than so many seconds


class Snapshots(Protocol):
    """What is answered about snapshots, and what a newcomer took of one."""

    def answer(self, request: Request) -> Response | None: ...

    @property
    def taken(self) -> tuple[int, bytes, int] | None:
        """Height, hash and version of a ledger that was taken, which this process does not go on from."""

    def delivered(self, height: int, block_hash: bytes) -> bool:
        """Whether this block comes after it: it is executed once the node is opened again."""


class Abci:
    """The application behind CometBFT. One thread asks it, one request after the other."""

    def __init__(
        self,
        delivered: Delivered,
        ledger: Ledger,
        proven: Proven,
        network_id: bytes,
        snapshots: Snapshots,
        *,
        term: EngineTerm = FOUNDED,
        wall: Callable[[], float],
        gone: Callable[[Sequence[GivenUp]], None],
    ) -> None:
        """`term`: of this chain; what was before it is not CometBFT's.

        `gone` is told what left the pool without a block, for whoever waits for it.
        """
        self._delivered, self._ledger, self._proven = delivered, ledger, proven
        self._snapshots = snapshots
        self._chain_id, self._first = chain_id(network_id, term.epoch), term.first
        self._wall, self._gone = wall, gone
        self._decided: tuple[int, bytes] | None = None  # the block that Commit will store: height, its hash
        self._lacking: CannotFollow | None = None
        self.greeted = 0  # handshakes: each is of a CometBFT whose mempool is empty

    @property
    def lacking(self) -> CannotFollow | None:
        """What this node has to be given before it can execute the block that was decided."""
        return self._lacking

    def answer(self, request: Request) -> Response | None:
        """The answer; None while this node lacks what it takes to execute the block. Raises RequestRefused.

        An AssertionError is a broken invariant of our own: it ends the node, as everywhere.
        """
        try:
            return self._answer(request)
        except ConsensusError as error:
            raise RequestRefused(str(error)) from error

    def _answer(self, request: Request) -> Response | None:
        match request.WhichOneof("value"):
            case "echo":
                return Response(echo=ResponseEcho(message=request.echo.message))
            case "flush":
                return Response(flush=ResponseFlush())
            case "info":
                self.greeted += 1
                return Response(info=self._info())
            case "init_chain":
                return Response(init_chain=self._init_chain(request.init_chain))
            case "query":
                return Response(query=self._proven.answer(request.query))
            case "check_tx":
                return Response(check_tx=self._check_tx(request.check_tx))
            case "prepare_proposal":
                return Response(prepare_proposal=self._prepare(request.prepare_proposal))
            case "process_proposal":
                return Response(process_proposal=self._process(request.process_proposal))
            case "finalize_block":
                found = self._finalize(request.finalize_block)
                return None if found is None else Response(finalize_block=found)
            case "commit":
                return Response(commit=self._commit())
            case "list_snapshots" | "offer_snapshot" | "load_snapshot_chunk" | "apply_snapshot_chunk":
                return self._snapshots.answer(request)
            case asked:
                raise RequestRefused(f"this application is not asked for {asked or 'nothing'}")

    # --- where it stands

    def _info(self) -> ResponseInfo:
        """Where the handshake goes on from: CometBFT delivers every later block again."""
        tip, taken = self._delivered.tip, self._snapshots.taken
        if taken is not None:
            height, carried, version = taken
            return ResponseInfo(
                data="comity",
                app_version=version,
                last_block_height=height,
                last_block_app_hash=carried,
            )
        if tip.height < self._first:
            return ResponseInfo(data="comity", app_version=self._delivered.parameters.app_version)
        return ResponseInfo(
            data="comity",
            app_version=self._delivered.parameters.app_version,
            last_block_height=tip.height,
            last_block_app_hash=self._delivered.carried.hash,
        )

    def _init_chain(self, request: RequestInitChain) -> ResponseInitChain:
        """The chain begins with our genesis, whatever the file of CometBFT says: a rival one is refused.

        Or after the last block of the engine before, whose state it goes on from. Nothing is changed by it:
        CometBFT asks again until it has a block of its own.
        """
        delivered = self._delivered
        founded = delivered.history.at(self._first).validators
        named = {(v.pub_key.ed25519, v.power) for v in request.validators}
        same = {
            "the ledger has blocks": delivered.tip.height == self._first - 1,
            "another network": request.chain_id == self._chain_id,
            "another first height": request.initial_height == self._first,
            "another time of founding": (request.time.seconds, request.time.nanos) == (delivered.tip.time, 0),
            "other validators": named in (set(), {(v.public_key, v.weight) for v in founded}),
        }
        for what, agrees in same.items():
            if not agrees:
                raise RequestRefused(f"CometBFT's genesis is not that of this network: {what}")
        return ResponseInitChain(
            consensus_params=_params(delivered.parameters),
            validators=[_update(v) for v in founded],
            app_hash=delivered.carried.hash,
        )

    # --- what waits

    def _check_tx(self, request: RequestCheckTx) -> ResponseCheckTx:
        """Only what may be proposed now enters: all that does is passed on. A recheck asks the pool."""
        digest = sha256(request.tx).digest()
        if request.type:
            kept = self._delivered.pool.may_propose(digest)
            return ResponseCheckTx(code=0 if kept else 1, codespace="" if kept else "gone")
        given_up = self._delivered.check(request.tx, MEMPOOL, _now_ms(), int(self._wall()))
        self._gone([one for one in given_up if one.digest != digest])
        own = next((one for one in given_up if one.digest == digest), None)
        return ResponseCheckTx() if own is None else _not_taken(own)

    # --- blocks

    def _prepare(self, request: RequestPrepareProposal) -> ResponsePrepareProposal:
        """Of the own pool, which has shares: the order in which CometBFT heard of something says nothing."""
        if request.height != self._delivered.working:
            raise RequestRefused(f"block {request.height} is to be made where another is the next one")
        return ResponsePrepareProposal(
            txs=self._delivered.propose(request.time.seconds, max(0, request.max_tx_bytes))
        )

    def _process(self, request: RequestProcessProposal) -> ResponseProcessProposal:
        status = ResponseProcessProposal.ProposalStatus
        proposer = self._name(request.proposer_address, request.height)
        accepts = proposer is not None and self._delivered.accepts(
            request.height, request.time.seconds, proposer, request.txs
        )
        return ResponseProcessProposal(status=status.ACCEPT if accepts else status.REJECT)

    def _finalize(self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock | None:
        delivered, height = self._delivered, request.height
        if self._snapshots.delivered(height, request.hash):
            return None
        proposer = self._name(request.proposer_address, height)
        if proposer is None:
            raise RequestRefused(f"the proposer of block {height} is no validator of that height")
        try:
            storing = delivered.decide(height, request.time.seconds, proposer, request.txs)
        except CannotFollow as lacking:
            if str(self._lacking) != str(lacking):
                log.moment("waits", height=height, because=str(lacking))
            self._lacking = lacking
            return None
        self._lacking = None
        for fault in request.misbehavior:
            _tell(fault, self._name(fault.validator.address, fault.height))
        self._decided = height, request.hash
        # One height late: what governs the next one is in force once this one is stored.
        before, now = _params(delivered.parameters_at(height - 1)), _params(delivered.parameters)
        return ResponseFinalizeBlock(
            tx_results=[ExecTxResult() for _ in request.txs],
            validator_updates=[_update(v) for v in delivered.updates(storing)],
            consensus_param_updates=None if now == before else now,
            app_hash=delivered.carried_after(storing).hash,
        )

    def _commit(self) -> ResponseCommit:
        """The block is on disk when this returns: CometBFT takes its answer for that."""
        delivered, storing, decided = self._delivered, self._delivered.storing, self._decided
        if storing is None or decided is None:
            raise RequestRefused("no block is decided that could be committed")
        block = storing.block
        self._decided = None
        self._ledger.adopt(
            block.height,
            block.time,
            block.attestations,
            storing.execution,
            decision=Decision(
                block.id,
                block.encode(),
                decided_by(*decided, delivered.carried_after(storing)),
                0,
                storing.log,
                storing.validators,
            ),
        )
        self._gone(delivered.stored(_now_ms(), int(self._wall())))
        return ResponseCommit(retain_height=self._retained(block.height))

    def _retained(self, height: int) -> int:
        """From which block on CometBFT keeps its own; 0: all.

        What is pruned here it drops, but for the heights that a fault may still be recorded of.
        """
        pruned = self._ledger.pruned
        oldest = height - self._delivered.parameters.evidence_heights_max
        return max(0, min(pruned + 1, oldest)) if pruned else 0

    def _name(self, address_: bytes, height: int) -> str | None:
        """The validator of that height with this address."""
        validators = self._delivered.history.at(height).validators
        return next((v.name for v in validators if address(v.public_key) == address_), None)


def _params(limits: Parameters) -> ConsensusParams:
    """What of our limits CometBFT has to know. Its evidence is as old as ours may be."""
    params = ConsensusParams(
        block=BlockParams(max_bytes=limits.block_bytes_max + AROUND_BYTES, max_gas=-1),
        evidence=EvidenceParams(max_age_num_blocks=limits.evidence_heights_max, max_bytes=EVIDENCE_BYTES_MAX),
        validator=ValidatorParams(pub_key_types=["ed25519"]),
        version=VersionParams(app=limits.app_version),
    )
    params.evidence.max_age_duration.seconds = limits.evidence_heights_max * BLOCK_S
    return params


def _update(validator: Validator) -> ValidatorUpdate:
    assert len(validator.public_key) == PUBLIC_KEY_BYTES, "a vote key is Ed25519"
    return ValidatorUpdate(pub_key=PublicKey(ed25519=validator.public_key), power=validator.weight)


def _not_taken(own: GivenUp) -> ResponseCheckTx:
    """Whoever hands in over the RPC reads the code and the sentence, and tells the author (`mempool.py`)."""
    return ResponseCheckTx(code=1, codespace=own.code, log=own.reason)


def _tell(fault: Misbehavior, name: str | None) -> None:
    """The ABCI names a fault and shows none of its votes: it is told, and accuses nobody on the ledger."""
    kind = MisbehaviorType.Name(fault.type).lower()
    log.moment("misbehaviour", validator=name or "", kind=kind, height=fault.height, proves=PROVES)


def _now_ms() -> int:
    return int(time.monotonic() * 1000)
