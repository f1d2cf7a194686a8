"""The remote signer of CometBFT: what it signs, once, and what it does not (node/ledger/comet/signer.py)."""

from __future__ import annotations

import json
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from consensus.cose import SeedSigner, verify_ed25519
from node.ledger.comet.frames import Frames, frame
from node.ledger.comet.proto.tendermint.privval import types_pb2 as privval
from node.ledger.comet.proto.tendermint.types import types_pb2 as types
from node.ledger.comet.signer import MESSAGE_BYTES_MAX, READ_BYTES, NotSigned, SignerLink, VoteSigner
from node.storage.signing import SigningStore, Withheld
from node.supervision.supervisor import Supervisor

CHAIN = "test_chain_id"
ZERO_TIME_S = -62_135_596_800  # of Go: year 1
PREVOTE, PRECOMMIT = 1, 2


@dataclass
class Listening:
    """A key that shows what it was asked to sign."""

    key: SeedSigner = field(default_factory=lambda: SeedSigner("did:web:maker.example#vote-1", b"s" * 32))
    signed: list[bytes] = field(default_factory=list)

    @property
    def key_id(self) -> str:
        return self.key.key_id

    @property
    def public_key(self) -> bytes:
        return self.key.public_key

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return self.key.sign(message)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SigningStore]:
    made = SigningStore(tmp_path / "signing.db")
    yield made
    made.close()


@pytest.fixture
def key() -> Listening:
    return Listening()


@pytest.fixture
def signer(key: Listening, store: SigningStore) -> VoteSigner:
    return VoteSigner(key, store, CHAIN)


def a_vote(
    height: int = 1, round: int = 0, kind: Any = PREVOTE, block: bytes = b"", at: int = 5
) -> types.Vote:
    vote = types.Vote(type=kind, height=height, round=round)
    vote.timestamp.seconds = at
    if block:
        vote.block_id.hash = block
        vote.block_id.part_set_header.total = 1
        vote.block_id.part_set_header.hash = block
    return vote


def ask(signer: VoteSigner, vote: types.Vote, chain_id: str = CHAIN) -> privval.SignedVoteResponse:
    request = privval.SignVoteRequest(vote=vote, chain_id=chain_id)
    return signer.answer(privval.Message(sign_vote_request=request)).signed_vote_response


def propose(signer: VoteSigner, height: int, block: bytes, round: int = 0) -> privval.SignedProposalResponse:
    proposal = types.Proposal(type=types.SIGNED_MSG_TYPE_PROPOSAL, height=height, round=round, pol_round=-1)
    proposal.block_id.hash = block
    request = privval.SignProposalRequest(proposal=proposal, chain_id=CHAIN)
    return signer.answer(privval.Message(sign_proposal_request=request)).signed_proposal_response


# types/vote_test.go of v0.38.25, TestVoteSignBytesTestVectors, cases 1 and 2, with the chain id of case 4.
TAIL = bytes.fromhex("11 0100000000000000 19 0100000000000000 2a 0b 088092b8c398feffffff01")
NAMED = b"\x32\x0d" + CHAIN.encode()


@pytest.mark.parametrize("kind", [PREVOTE, PRECOMMIT])
def test_what_is_signed_is_what_cometbft_verifies(signer: VoteSigner, key: Listening, kind: int) -> None:
    """
    The bytes under a vote are those of CometBFT's own test vectors, and the signature verifies.
    """
    answer = ask(signer, a_vote(1, 1, kind, at=ZERO_TIME_S))

    expected = b"\x08" + bytes([kind]) + TAIL + NAMED
    assert key.signed == [bytes([len(expected)]) + expected]
    verify_ed25519(key.public_key, answer.vote.signature, key.signed[0])


def test_the_same_is_signed_once_and_answered_again(signer: VoteSigner) -> None:
    """
    Asked again with another time, as after a crash, it gives the first signature with the first time.
    """
    first = ask(signer, a_vote(at=5, block=b"a" * 32)).vote

    again = ask(signer, a_vote(at=9, block=b"a" * 32)).vote
    assert (again.signature, again.timestamp.seconds) == (first.signature, 5)


OTHER: dict[str, dict[str, Any]] = {
    "another block": {"block": b"b" * 32},
    "nil": {"block": b""},
    "an earlier height": {"height": 6},
    "an earlier round": {"round": 1},
    "an earlier step": {"kind": PREVOTE},
}


@pytest.mark.parametrize("what", OTHER)
def test_nothing_else_is_signed_there_or_before(signer: VoteSigner, key: Listening, what: str) -> None:
    """
    After a precommit neither another one for its round, nor anything that comes before it.
    """
    said: dict[str, Any] = {"height": 7, "round": 2, "kind": PRECOMMIT, "block": b"a" * 32}
    assert ask(signer, a_vote(**said)).vote.signature

    answer = ask(signer, a_vote(**(said | OTHER[what])))

    assert answer.error.description and not answer.vote.signature


def test_a_second_proposal_is_not_signed(signer: VoteSigner) -> None:
    """
    One block for a round; in the next round another one.
    """
    assert propose(signer, 3, b"a" * 32).proposal.signature
    assert "already signed" in propose(signer, 3, b"b" * 32).error.description
    assert propose(signer, 3, b"b" * 32, round=1).proposal.signature


def test_the_guard_is_that_of_the_embedded_engine(signer: VoteSigner, store: SigningStore) -> None:
    """
    What the embedded engine signed at a height is signed by no other engine again, nor anything before it.
    """
    store.persist(9, [(b"\x80", (9, 0, "prevote"))])

    assert "already signed" in ask(signer, a_vote(9)).error.description
    assert ask(signer, a_vote(8)).error.description
    assert ask(signer, a_vote(9, kind=PRECOMMIT)).vote.signature
    assert store.highest() == (9, 0, "precommit")


def test_a_restarted_signer_remembers(key: Listening, store: SigningStore, tmp_path: Path) -> None:
    """
    What was answered is on disk: another process with the same file signs nothing against it.
    """
    ask(VoteSigner(key, store, CHAIN), a_vote(4, block=b"a" * 32))
    reopened = SigningStore(tmp_path / "signing.db")

    answer = ask(VoteSigner(key, reopened, CHAIN), a_vote(4, block=b"b" * 32))
    reopened.close()

    assert "already signed" in answer.error.description


def test_guards_of_long_ago_go_and_their_heights_stay_closed(signer: VoteSigner, tmp_path: Path) -> None:
    """
    A hundred heights leave a few guards, and none of the heights before can be signed again.
    """
    for height in range(1, 101):
        assert ask(signer, a_vote(height)).vote.signature

    for height in (1, 50, 99):
        assert ask(signer, a_vote(height, round=3)).error.description
    with closing(sqlite3.connect(tmp_path / "signing.db")) as db:
        assert db.execute("SELECT COUNT(*) FROM guard").fetchone()[0] <= 6


def test_who_may_not_vote_signs_nothing(signer: VoteSigner, store: SigningStore, key: Listening) -> None:
    """
    Withheld, below the height that the operator allowed, of another chain, or no vote at all.
    """
    assert "votes in" in ask(signer, a_vote(), "another").error.description
    an_extended_vote = a_vote()
    an_extended_vote.extension = b"x"
    for vote in (a_vote(0), a_vote(round=-1), a_vote(kind=32), an_extended_vote):
        assert ask(signer, vote).error.description
    store.withhold(Withheld("it was seen to vote", 9, 0))
    assert "it was seen to vote" in ask(signer, a_vote()).error.description
    store.allow_vote()
    assert "from height 10" in ask(signer, a_vote(9)).error.description
    assert key.signed == []
    assert ask(signer, a_vote(10)).vote.signature


def test_the_key_is_shown_to_its_chain_alone(signer: VoteSigner, key: Listening) -> None:
    """
    The public key, and no answer to what no signer is asked.
    """
    shown = signer.answer(privval.Message(pub_key_request=privval.PubKeyRequest(chain_id=CHAIN)))
    assert shown.pub_key_response.pub_key.ed25519 == key.public_key
    other = signer.answer(privval.Message(pub_key_request=privval.PubKeyRequest(chain_id="another")))
    assert other.pub_key_response.error.description and not other.pub_key_response.pub_key.ed25519
    with pytest.raises(NotSigned):
        signer.answer(privval.Message(ping_response=privval.PingResponse()))
    with pytest.raises(NotSigned):
        signer.answer(privval.Message())


# --- the connection


@pytest.fixture
def comet(signer: VoteSigner) -> Iterator[socket.socket]:
    """CometBFT's end: it listens."""
    with tempfile.TemporaryDirectory(prefix="comet") as folder:
        path = Path(folder) / "votes.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(20)
        supervisor, link = Supervisor(), SignerLink(path, signer)
        supervisor.employ(link, tries_max=1)
        supervisor.start()
        yield listener
        supervisor.stop()
        link.close()
        listener.close()
        assert supervisor.failure is None


def called(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(20)
    return connection


def ping(connection: socket.socket) -> str | None:
    connection.sendall(frame(privval.Message(ping_request=privval.PingRequest()).SerializeToString()))
    frames = Frames()
    while data := connection.recv(1 << 16):
        frames.feed(data)
        for message in frames.take():
            name: str | None = privval.Message.FromString(message).WhichOneof("sum")
            return name
    return None


def test_the_signer_comes_back_whenever_cometbft_does(comet: socket.socket) -> None:
    """
    A connection that ends is made again, and answered on.
    """
    for _ in range(3):
        connection = called(comet)
        assert ping(connection) == "ping_response"
        connection.close()


def test_a_vote_that_is_not_signed_is_told_in_the_log(
    comet: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    With why, and the connection stays: whoever reads the log knows why the node does not vote.
    """
    connection = called(comet)
    asked = privval.Message(sign_vote_request=privval.SignVoteRequest(vote=a_vote(), chain_id="another"))
    connection.sendall(frame(asked.SerializeToString()))

    assert connection.recv(1 << 16) and ping(connection) == "ping_response"
    connection.close()
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "vote_refused" in line]
    assert "votes in" in json.loads(told)["because"]


def test_who_fetches_no_answers_is_parted_with(comet: socket.socket) -> None:
    """
    An answer that could be sent in part, or not in time, is the last one: the next begins a new connection.
    """
    connection = called(comet)
    connection.settimeout(3)
    asked = frame(privval.Message(ping_request=privval.PingRequest()).SerializeToString())
    connection.sendall(asked * (READ_BYTES // len(asked)))
    again = called(comet)

    with suppress(ConnectionResetError):
        while connection.recv(1 << 16):
            pass
    assert ping(again) == "ping_response"
    for one in (connection, again):
        one.close()


HOSTILE = {
    "no protobuf": frame(b"\xff\xff\xff"),
    "too large": frame(b"x" * (MESSAGE_BYTES_MAX + 1)),
    "no length": b"\xff" * 8,
    "an answer": frame(privval.Message(ping_response=privval.PingResponse()).SerializeToString()),
    "nothing": frame(b""),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_request_ends_the_connection_alone(comet: socket.socket, what: str) -> None:
    """
    Nothing leaves the edge: it hangs up, and comes again.
    """
    connection = called(comet)
    connection.sendall(HOSTILE[what])
    with suppress(ConnectionResetError):
        assert connection.recv(1) == b""
    connection.close()

    again = called(comet)
    assert ping(again) == "ping_response"
    again.close()
