"""CometBFT's part, played over the real socket: what a node of it asks its application, and in which order.

One validator that agrees with itself. Its blocks are kept as CometBFT keeps them, so that an application that
forgot, or fell behind, is delivered again what it lacks (spec/abci, "Crash recovery").
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.log_policy import LogPolicy
from consensus.merkle import Tree
from consensus.standings_map import StandingsMap
from credentials.ledger.attestation import make_attestation
from credentials.ledger.genesis import Genesis
from credentials.ledger.registry import Registry
from node.ledger.chain import chain_config, constitution_of, tip_of
from node.ledger.checkpoints import Checkpoints
from node.ledger.comet.behind import Behind
from node.ledger.comet.comet_names import chain_id
from node.ledger.comet.frames import Frames, frame
from node.ledger.comet.proto.tendermint.abci import types_pb2 as abci
from node.ledger.comet.signer import SignerLink, VoteSigner
from node.ledger.cosigner import Cosigner, Cosigning
from node.ledger.ledger import Ledger
from node.ledger.log_policies import LogPolicies
from node.ledger.subscriptions import Moments
from node.peers.messages import Item
from node.storage.ledger import LedgerStore, SqliteStandingReader
from node.storage.signing import SigningStore
from node.supervision.supervisor import Supervisor
from tests.harness import ledger
from tests.harness.engines import produced

ANSWER_S_MAX = 20.0


class Refused(Exception):
    """The application answered with an exception, or hung up: CometBFT ends itself then."""


class Nobody:
    """`engine.Outgoing` of a node that is alone."""

    def broadcast(self, item: Item, *, observers: bool = False) -> None: ...

    def send(self, did: str, item: Item) -> None: ...

    def request_blocks(self, did: str, height: int) -> None: ...

    def strike(self, sender: str) -> None:
        raise AssertionError(f"{sender} is struck, and nobody is there")

    def request(self, did: str, path: str, body: bytes) -> bytes:
        raise ConnectionError("nobody is there")


class Application:
    """The application of one node over its real databases, on a thread of its own."""

    def __init__(
        self,
        genesis: Genesis,
        folder: Path,
        path: Path,
        did: str = ledger.MAKER,
        signer: Path | None = None,
    ) -> None:
        """`signer`: where CometBFT listens for who signs for it."""
        folder.mkdir(exist_ok=True)
        self.signing, self.store = SigningStore(folder / "signing.db"), LedgerStore(folder / "ledger.db")
        tip = tip_of(self.store, genesis)
        self.tree = Tree(row.leaf_hash for row in self.store.leaves.since(0, self.store.log_size()))
        self.registry = registry = Registry(
            genesis,
            SqliteStandingReader(self.store),
            tip.app_hash,
            StandingsMap.over(self.store.standings.hashes(), self.store.standings.bucket),
            constitution=constitution_of(self.store, genesis, genesis.rule_files.get),
        )
        term = registry.history.term(tip.height + 1)
        policy = genesis.governance.log_policy(genesis.origin)
        cosigner = Cosigner(did, (ledger.signer(did, "log"),), (ledger.signer(did, "cosign"),), self.signing)
        policies = LogPolicies(LogPolicy.parse(policy), policy, self.store.leaves)
        self.moments = Moments()
        self.checkpoints = checkpoints = Checkpoints(
            Cosigning(policies, self.tree, cosigner), self.store, self.moments
        )
        checkpoints.out, checkpoints.may_sign = Nobody(), lambda: True
        self.ledger = Ledger(self.store, registry, self.tree, checkpoints, self.moments)
        self.behind = Behind(
            path,
            chain=replace(chain_config(genesis), engine_epoch=term.epoch),
            registry=registry,
            tip=tip,
            store=self.store,
            ledger=self.ledger,
            tree=self.tree,
            moments=self.moments,
            term=term,
        )
        self.supervisor = Supervisor()
        self.supervisor.employ(self.behind, tries_max=1)
        self.link: SignerLink | None = None
        if signer is not None:
            votes = VoteSigner(ledger.signer(did, "vote"), self.signing, chain_id(genesis.network_id))
            self.link = SignerLink(signer, votes)
            self.supervisor.employ(self.link, tries_max=1)
        self.supervisor.start()

    def stop(self) -> None:
        self.supervisor.stop()
        self.behind.close()
        if self.link is not None:
            self.link.close()
        self.signing.close()
        self.store.close()


class Connection:
    """One of the four."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_S_MAX)
        self.sock.connect(str(path))
        self._frames = Frames()

    def send(self, *requests: abci.Request) -> None:
        self.sock.sendall(b"".join(frame(request.SerializeToString()) for request in requests))

    def receive(self) -> abci.Response:
        """The next answer; raises Refused where there is none, or an exception."""
        while True:
            for message in self._frames.take():
                response: abci.Response = abci.Response.FromString(message)
                if response.WhichOneof("value") == "exception":
                    raise Refused(response.exception.error)
                return response
            try:
                data = self.sock.recv(1 << 16)
            except ConnectionResetError as error:
                raise Refused("the connection was reset") from error
            if not data:
                raise Refused("the application hung up")
            self._frames.feed(data)

    def ask(self, **request: Any) -> Any:
        """One question with its flush, as CometBFT's client sends it."""
        (name,) = request
        self.send(abci.Request(**request), abci.Request(flush=abci.RequestFlush()))
        response = self.receive()
        assert response.WhichOneof("value") == name
        assert self.receive().WhichOneof("value") == "flush"
        return getattr(response, name)

    def close(self) -> None:
        self.sock.close()


@dataclass
class Kept:
    """A block as CometBFT has it."""

    time: int
    txs: tuple[bytes, ...]
    proposer: bytes  # its address
    misbehavior: tuple[abci.Misbehavior, ...] = ()

    def said(self, height: int) -> dict[str, Any]:
        """What ProcessProposal and FinalizeBlock are asked."""
        moment: dict[str, Any] = {"seconds": self.time}
        return {
            "txs": self.txs,
            "height": height,
            "time": moment,
            "proposer_address": self.proposer,
            "hash": sha256(repr((height, self)).encode()).digest(),
            "misbehavior": self.misbehavior,
        }


@dataclass
class Comet:
    """One node of CometBFT: its blocks outlive it, its connections and its mempool do not."""

    genesis: Genesis
    path: Path
    proposer: str = ledger.MAKER
    epoch: int = 0
    first: int = 1  # the height of its first block
    begun_s: int | None = None  # that of genesis
    blocks: list[Kept] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)  # what the application answered, by height
    answers: dict[int, abci.ResponseFinalizeBlock] = field(default_factory=dict)  # by height
    mempool: list[bytes] = field(default_factory=list)
    retained: int = 0  # from which block on it is to keep its own; 0: all

    def connect(self) -> None:
        """Four connections and the handshake: Info, InitChain at the beginning, and what is lacking."""
        self.consensus, self.checking, self.query, self.snapshot = (Connection(self.path) for _ in range(4))
        self.mempool = []
        info = self.query.ask(info=abci.RequestInfo(version="0.38", abci_version="2.0.0"))
        if info.last_block_height == 0:
            self.founded = self.consensus.ask(init_chain=self.init_chain())
        elif info.last_block_height - self.first < len(self.hashes):
            assert info.last_block_app_hash == self.hashes[info.last_block_height - self.first]
        for height in range(max(info.last_block_height + 1, self.first), self.next):
            self.deliver(height, self.blocks[height - self.first])

    @property
    def next(self) -> int:
        """The height of its next block."""
        return self.first + len(self.blocks)

    def init_chain(self, **changes: Any) -> abci.RequestInitChain:
        name = chain_id(self.genesis.network_id, self.epoch)
        request = abci.RequestInitChain(chain_id=name, initial_height=self.first)
        request.time.seconds = self.genesis.created if self.begun_s is None else self.begun_s
        for name, value in changes.items():
            setattr(request, name, value)
        return request

    def hang_up(self) -> None:
        for connection in (self.consensus, self.checking, self.query, self.snapshot):
            connection.close()

    def check(self, tx: bytes) -> abci.ResponseCheckTx:
        answer: abci.ResponseCheckTx = self.checking.ask(check_tx=abci.RequestCheckTx(tx=tx))
        if answer.code == 0:
            self.mempool.append(tx)
        return answer

    def address(self, did: str | None = None) -> bytes:
        key = ledger.signer(did or self.proposer, "vote").public_key
        return sha256(key).digest()[:20]

    def propose(self, time: int, txs: Sequence[bytes] | None = None) -> Kept:
        """The block that the application makes of what waits, or of `txs`."""
        asked = abci.RequestPrepareProposal(
            max_tx_bytes=1 << 20,
            txs=self.mempool if txs is None else txs,
            height=self.next,
            proposer_address=self.address(),
        )
        asked.time.seconds = time
        answer = self.consensus.ask(prepare_proposal=asked)
        return Kept(time, tuple(answer.txs), self.address())

    def accepts(self, block: Kept, height: int | None = None) -> bool:
        said = block.said(height or self.next)
        answer = self.consensus.ask(process_proposal=abci.RequestProcessProposal(**said))
        return bool(answer.status == abci.ResponseProcessProposal.ProposalStatus.ACCEPT)

    def finalize(self, height: int, block: Kept) -> abci.ResponseFinalizeBlock:
        answer: abci.ResponseFinalizeBlock = self.consensus.ask(
            finalize_block=abci.RequestFinalizeBlock(**block.said(height))
        )
        return answer

    def deliver(self, height: int, block: Kept) -> None:
        """FinalizeBlock and Commit, then the recheck; what the application says is what it said before."""
        answer = self.finalize(height, block)
        assert len(answer.tx_results) == len(block.txs)
        if height - self.first < len(self.hashes):
            assert answer.app_hash == self.hashes[height - self.first], "a replayed block leads elsewhere"
        else:
            self.hashes.append(answer.app_hash)
        self.answers[height] = answer
        self.retained = self.consensus.ask(commit=abci.RequestCommit()).retain_height
        left = [tx for tx in self.mempool if tx not in block.txs]
        kind = abci.CheckTxType.RECHECK
        self.mempool = [
            tx for tx in left if self.checking.ask(check_tx=abci.RequestCheckTx(tx=tx, type=kind)).code == 0
        ]

    @property
    def updates(self) -> dict[int, set[tuple[bytes, int]]]:
        """Keys and weights that changed, by the height whose answer said so."""
        return {
            height: {(u.pub_key.ed25519, u.power) for u in answer.validator_updates}
            for height, answer in self.answers.items()
            if answer.validator_updates
        }

    def decide(self, time: int, txs: Sequence[bytes] | None = None) -> Kept:
        """One height, from the proposal to the commit."""
        block = self.propose(time) if txs is None else Kept(time, tuple(txs), self.address())
        assert self.accepts(block)
        self.blocks.append(block)
        self.deliver(self.next - 1, block)
        return block


class Pair:
    """An application and the CometBFT that asks it; each can die alone."""

    def __init__(self, genesis: Genesis, folder: Path, path: Path) -> None:
        self.genesis, self.folder, self.path = genesis, folder, path
        self.comet = Comet(genesis, path)
        self.documents = 0
        self.start()

    def start(self, folder: str = "node") -> None:
        self.application = Application(self.genesis, self.folder / folder, self.path)
        self.comet.connect()

    def stop(self) -> None:
        self.comet.hang_up()
        self.application.stop()

    @property
    def root(self) -> bytes:
        return self.application.tree.root()

    def attestation(
        self, number: int, *, ahead_s: int = 0, by: str = ledger.MAKER, namespace: str = "ZZ1"
    ) -> bytes:
        """A battery is made; `ahead_s` from now."""
        self.documents += 1
        document = sha256(b"document %d" % self.documents).digest()
        return produced(self.genesis, number, document, by=by, namespace=namespace, ahead_s=ahead_s)

    def passport(self, number: int) -> bytes:
        """A passport of a battery, which has to be made before."""
        sets = ledger.set_list(number)
        return make_attestation(
            signer=ledger.signer(ledger.MAKER),
            iat=int(time.time()),
            kind="passport.published",
            issuer=ledger.MAKER,
            subject=ledger.battery(number),
            network_id=self.genesis.network_id,
            event_time=int(time.time()),
            document_digest=ledger.set_list_digest(sets),
            set_list=sets,
        )
