"""The doors of a node that has CometBFT: the application's socket, the signer's, and what its RPC answers."""

from __future__ import annotations

import base64
import json
import random
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Thread
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from consensus.events import AttestationReceived
from credentials.ledger.genesis import Genesis
from node.ledger.comet import mempool as handing_in
from node.ledger.comet.comet_names import chain_id
from node.ledger.comet.frames import FrameError, Frames, frame
from node.ledger.comet.mempool import Mempool
from node.ledger.comet.proto.tendermint.abci import types_pb2 as abci
from node.ledger.comet.proto.tendermint.privval import types_pb2 as privval
from node.ledger.comet.rpc import Rpc
from node.ledger.comet.signer import SignerLink, VoteSigner
from node.ledger.inbox import OWN
from node.ledger.subscriptions import Moments
from node.storage.signing import SigningStore
from tests.harness import ledger
from tests.harness.comet import Application, Comet, Kept
from tests.harness.engines import founded_now, produced
from tests.harness.hostile import SEED, Door, altered, flipped

ANEW = 500  # after so many inputs the application begins again: a block of rubbish may have been decided
ANSWER_S_MAX = 10.0
HEIGHTS = (-(1 << 63), -1, 0, 1, 2, 3, (1 << 63) - 1)
ROUNDS = (-(1 << 31), -1, 0, 1, (1 << 31) - 1)


def through_comet(room: Path, count: int) -> Door:
    """What a CometBFT may be made to pass on, and what it may never say: asked, to be signed, answered."""
    draw, door = random.Random(SEED), Door("CometBFT")
    with tempfile.TemporaryDirectory(prefix="comet") as sockets:  # the path of a socket is short
        _to_the_application(door, draw, room / "comet", Path(sockets), count * 6 // 10)
        _to_the_signer(door, draw, room / "signer", Path(sockets), count * 2 // 10)
        _as_answers(door, draw, Path(sockets), count - count * 6 // 10 - count * 2 // 10)
    return door


# -- the application ---------------------------------------------------------------------------------------


def _questions(genesis: Genesis) -> list[abci.Request]:
    """One of each kind that CometBFT asks; blocks and attestations that would be taken.

    FinalizeBlock is not among them: what a quorum decided and this node cannot execute ends it, by design.
    """
    now, address = int(time.time()), Comet(genesis, Path()).address()
    tx = produced(genesis, 1, sha256(b"document").digest())
    said = Kept(now, (tx, tx[:-1] + b"x"), address).said(1)
    made = abci.RequestPrepareProposal(max_tx_bytes=1 << 20, txs=[tx], height=1, proposer_address=address)
    made.time.seconds = now
    queries = {"/entry": bytes(8), "/standing": bytes(32), f"/p2p/filter/id/{'0' * 40}": b"", "/x": b""}
    return [
        abci.Request(info=abci.RequestInfo(version="0.38")),
        abci.Request(echo=abci.RequestEcho(message="x")),
        abci.Request(init_chain=Comet(genesis, Path()).init_chain()),
        *(abci.Request(check_tx=abci.RequestCheckTx(tx=tx)) for _ in range(4)),
        abci.Request(check_tx=abci.RequestCheckTx(tx=tx, type=abci.CheckTxType.RECHECK)),
        abci.Request(prepare_proposal=made),
        *(abci.Request(process_proposal=abci.RequestProcessProposal(**said)) for _ in range(4)),
        abci.Request(commit=abci.RequestCommit()),
        abci.Request(list_snapshots=abci.RequestListSnapshots()),
        abci.Request(offer_snapshot=abci.RequestOfferSnapshot()),
        abci.Request(load_snapshot_chunk=abci.RequestLoadSnapshotChunk(height=1, format=1, chunk=0)),
        abci.Request(apply_snapshot_chunk=abci.RequestApplySnapshotChunk(chunk=b"x")),
        *(abci.Request(query=abci.RequestQuery(path=p, data=d, prove=True)) for p, d in queries.items()),
    ]


def _spoiled(question: abci.Request, draw: random.Random) -> bytes:
    """Framed, and changed: its attestation, its message, or the frame itself."""
    whole = abci.Request()
    whole.CopyFrom(question)
    kind = whole.WhichOneof("value")
    if draw.random() < 0.4 and kind in ("check_tx", "process_proposal"):
        if kind == "check_tx":
            whole.check_tx.tx = flipped(whole.check_tx.tx, draw)
        else:
            whole.process_proposal.txs[0] = flipped(whole.process_proposal.txs[0], draw)
        return frame(whole.SerializeToString())
    text = whole.SerializeToString()
    while True:
        data = frame(flipped(text, draw)) if draw.random() < 0.7 else flipped(frame(text), draw)
        if "finalize_block" not in _kinds(data):
            return data


def _kinds(data: bytes) -> set[str | None]:
    """What these bytes ask, as far as they ask anything."""
    frames, found = Frames(), set[str | None]()
    frames.feed(data)
    with suppress(FrameError, DecodeError):
        for message in frames.take():
            found.add(abci.Request.FromString(message).WhichOneof("value"))
    return found


def _answers(path: Path, data: bytes) -> str:
    """What came back on a connection of its own, until the application hung up: the last of it."""
    frames, last = Frames(), "nothing"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S_MAX)
        connection.connect(str(path))
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while came := connection.recv(1 << 16):
                frames.feed(came)
                for message in frames.take():
                    last = str(abci.Response.FromString(message).WhichOneof("value"))
        except (BrokenPipeError, ConnectionResetError):
            return "hung up"
    return last


def _to_the_application(door: Door, draw: random.Random, folder: Path, sockets: Path, count: int) -> None:
    genesis = founded_now()
    path, questions = sockets / "abci", _questions(genesis)
    for begin in range(0, count, ANEW):
        shutil.rmtree(folder, ignore_errors=True)
        application = Application(genesis, folder, path)
        try:
            for _ in range(min(ANEW, count - begin)):
                data = _spoiled(draw.choice(questions), draw)
                door.knock(data, partial(_asked, path, data))
            assert _answers(path, frame(questions[0].SerializeToString())) == "info"
        finally:
            application.stop()
        assert application.supervisor.failure is None


def _asked(path: Path, data: bytes) -> str:
    return f"asked: {_answers(path, data)}"


# -- the signer --------------------------------------------------------------------------------------------


def _to_the_signer(door: Door, draw: random.Random, folder: Path, sockets: Path, count: int) -> None:
    folder.mkdir()
    path, name = sockets / "votes", chain_id(bytes(32))
    signing = SigningStore(folder / "signing.db")
    link = SignerLink(path, VoteSigner(ledger.signer(ledger.MAKER, "vote"), signing, name))
    vote = {"type": 1, "height": 1, "round": 0}
    asked: list[privval.Message] = [
        privval.Message(ping_request=privval.PingRequest()),
        privval.Message(pub_key_request=privval.PubKeyRequest(chain_id=name)),
        privval.Message(sign_vote_request=privval.SignVoteRequest(chain_id=name)),
        privval.Message(sign_proposal_request=privval.SignProposalRequest(chain_id=name)),
    ]
    for field, value in vote.items():
        setattr(asked[2].sign_vote_request.vote, field, value)
        if field != "type":
            setattr(asked[3].sign_proposal_request.proposal, field, value)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        for _ in range(count):
            question = draw.choice(asked)
            text = _stated(question, draw).SerializeToString()
            if draw.random() < 0.4:
                data = frame(text)
            else:
                data = frame(flipped(text, draw)) if draw.random() < 0.7 else flipped(frame(text), draw)
            door.knock(data, partial(_signed, link, listening, data))
    signing.close()


def _stated(question: privval.Message, draw: random.Random) -> privval.Message:
    """The same, of any height, round, time and block."""
    said = privval.Message()
    said.CopyFrom(question)
    match said.WhichOneof("sum"):
        case "sign_vote_request":
            stated: Any = said.sign_vote_request.vote
            stated.type = draw.randrange(4)
        case "sign_proposal_request":
            stated = said.sign_proposal_request.proposal
            stated.pol_round = draw.choice(ROUNDS)
        case _:
            return said
    stated.height, stated.round = draw.choice(HEIGHTS), draw.choice(ROUNDS)
    stated.timestamp.seconds, stated.timestamp.nanos = draw.choice(HEIGHTS), draw.choice(ROUNDS)
    stated.block_id.hash = draw.randbytes(draw.choice((0, 32, 2000)))
    stated.block_id.part_set_header.total = draw.choice((0, 1, (1 << 32) - 1))
    return said


def _signed(link: SignerLink, listening: socket.socket, data: bytes) -> str:
    """On a connection of its own: what is left of a frame is none of the next one."""
    link.turn()
    comet, _ = listening.accept()
    with comet:
        comet.sendall(data)
        comet.shutdown(socket.SHUT_WR)
        for _ in range(3):
            if link.connected:
                link.turn()
        assert not link.connected
        comet.settimeout(0.0)
        try:
            answered = bool(comet.recv(1 << 16))
        except OSError:
            answered = False
    return "signer: answered" if answered else "signer: hung up"


# -- the RPC -----------------------------------------------------------------------------------------------


class _Answering(BaseHTTPRequestHandler):
    server: _Saying

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.said)))
        self.end_headers()
        self.wfile.write(self.server.said)

    def address_string(self) -> str:
        return "a Unix socket"

    def log_message(self, format: str, *args: object) -> None: ...


class _Saying(ThreadingUnixStreamServer):
    """A CometBFT that answers everything with these bytes."""

    daemon_threads = True
    said = b""


@contextmanager
def _saying(path: Path) -> Iterator[_Saying]:
    server = _Saying(str(path), _Answering)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _as_answers(door: Door, draw: random.Random, sockets: Path, count: int) -> None:
    """Told when something is handed in: whatever it says, the thread that hands in goes on."""
    told: dict[str, Any] = {
        "code": 1,
        "codespace": "invalid_signature",
        "log": "why",
        "data": "",
        "hash": "00",
    }
    lawful = [
        {"jsonrpc": "2.0", "id": 1, "result": told},
        {"jsonrpc": "2.0", "id": 1, "result": {**told, "code": 0}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "x", "data": "tx already exists"}},
    ]
    nested = b"[" * 100_000
    with pytest.MonkeyPatch.context() as patch, _saying(sockets / "rpc") as comet:
        patch.setattr(handing_in, "AGAIN_S", 0.0)
        for number in range(count):
            text = json.dumps(altered(draw.choice(lawful), draw)).encode()
            comet.said = nested if number == 0 else draw.choice([text, flipped(text, draw)])
            mempool = Mempool(
                Rpc(sockets / "rpc"), held=lambda digest: False, height=lambda: 1, moments=Moments()
            )
            tx = base64.b64encode(b"%d" % number)
            mempool.inbox.put(OWN, AttestationReceived(tx, sha256(tx).digest()))
            door.knock(comet.said, partial(_handed_in, mempool))


def _handed_in(mempool: Mempool) -> str:
    mempool.turn()
    return "handed in"
