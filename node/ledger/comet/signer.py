"""The remote signer of CometBFT: its consensus key is our vote key, and never leaves this process.

CometBFT listens (`priv_validator_laddr`), this node connects and answers (privval of 0.38: messages framed as
on the ABCI socket). What is signed is under the guard of signing.db first, the one of the embedded engine:
one statement for a height, round and kind, and never an earlier one. Asked again for the same, as after a
crash, it gives the same signature with the time that was signed (privval/file.go does so).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from google.protobuf.message import DecodeError

from consensus.cose import Signer
from consensus.encoding import decode, encode
from node import log
from node.ledger.comet.frames import FrameError, Frames, frame
from node.ledger.comet.proto.tendermint.crypto.keys_pb2 import PublicKey
from node.ledger.comet.proto.tendermint.privval.types_pb2 import (
    Message,
    PingResponse,
    PubKeyResponse,
    RemoteSignerError,
    SignedProposalResponse,
    SignedVoteResponse,
)
from node.ledger.comet.proto.tendermint.types.canonical_pb2 import CanonicalProposal, CanonicalVote
from node.ledger.comet.proto.tendermint.types.types_pb2 import BlockID, Proposal, SignedMsgType, Vote
from node.storage.signing import GuardError, SigningStore

MESSAGE_BYTES_MAX = 10 << 10  # privval/signer_endpoint.go
READ_BYTES = 16 << 10
TURN_S = 0.25
AGAIN_S = 0.1  # between two tries to connect: CometBFT waits some seconds for its signer
KINDS = {
    SignedMsgType.SIGNED_MSG_TYPE_PREVOTE: "prevote",
    SignedMsgType.SIGNED_MSG_TYPE_PRECOMMIT: "precommit",
}
_RECORD_TAG = "comity/comet-vote/v1"


class NotSigned(Exception):
    """What this validator does not sign, and why."""


class VoteSigner:
    """Signs what CometBFT asks for, once."""

    def __init__(
        self,
        signer: Signer,
        signing: SigningStore,
        chain_id: str,
        orders: Callable[[int], bool] = lambda _: True,
    ) -> None:
        """`chain_id` names network and engine epoch: votes of another one are not signed.

        `orders`: whether this engine does at a height. What is signed beyond its last one would be in the
        guard of the next engine, which begins there.
        """
        self._signer, self._signing, self._chain_id = signer, signing, chain_id
        self._orders = orders

    def answer(self, message: Message) -> Message:
        """The answer to a request; raises NotSigned for what is none."""
        match message.WhichOneof("sum"):
            case "ping_request":
                return Message(ping_response=PingResponse())
            case "pub_key_request":
                return Message(pub_key_response=self._key(message.pub_key_request.chain_id))
            case "sign_vote_request":
                asked = message.sign_vote_request
                return Message(signed_vote_response=self._vote(asked.vote, asked.chain_id))
            case "sign_proposal_request":
                told = message.sign_proposal_request
                return Message(signed_proposal_response=self._proposal(told.proposal, told.chain_id))
            case asked:
                raise NotSigned(f"a signer is not asked for {asked or 'nothing'}")

    def _key(self, chain_id: str) -> PubKeyResponse:
        if chain_id != self._chain_id:
            return PubKeyResponse(pub_key=PublicKey(), error=_error(f"this key votes in {self._chain_id}"))
        return PubKeyResponse(pub_key=PublicKey(ed25519=self._signer.public_key))

    def _vote(self, vote: Vote, chain_id: str) -> SignedVoteResponse:
        try:
            kind = KINDS.get(vote.type)
            if kind is None or vote.extension:
                raise NotSigned("a vote is a prevote or a precommit, without an extension")
            canonical = CanonicalVote(type=vote.type, height=vote.height, round=vote.round, chain_id=chain_id)
            self._sign(vote, kind, canonical, chain_id)
        except NotSigned as error:
            return SignedVoteResponse(vote=Vote(), error=_error(str(error)))
        return SignedVoteResponse(vote=vote)

    def _proposal(self, proposal: Proposal, chain_id: str) -> SignedProposalResponse:
        try:
            canonical = CanonicalProposal(
                type=SignedMsgType.SIGNED_MSG_TYPE_PROPOSAL,
                height=proposal.height,
                round=proposal.round,
                pol_round=proposal.pol_round,
                chain_id=chain_id,
            )
            self._sign(proposal, "proposal", canonical, chain_id)
        except NotSigned as error:
            return SignedProposalResponse(proposal=Proposal(), error=_error(str(error)))
        return SignedProposalResponse(proposal=proposal)

    def _sign(
        self,
        said: Vote | Proposal,
        kind: str,
        canonical: CanonicalVote | CanonicalProposal,
        chain_id: str,
    ) -> None:
        """Put signature, and the time that is under it, into `said`."""
        self._may_sign(said, chain_id)
        _name_block(canonical, said.block_id)
        statement = canonical.SerializeToString(deterministic=True)  # without the time
        canonical.timestamp.SetInParent()
        canonical.timestamp.CopyFrom(said.timestamp)
        signature = self._signer.sign(frame(canonical.SerializeToString(deterministic=True)))
        moment = [said.timestamp.seconds, said.timestamp.nanos]
        record = encode([_RECORD_TAG, statement, *map(str, moment), signature])
        try:
            # On disk before anything is on the wire; what was signed before is what is answered again.
            kept = self._signing.guard_once((said.height, said.round, kind), record)
        except GuardError as error:
            raise NotSigned(str(error)) from error
        match decode(kept):
            case [tag, before, str(seconds), str(nanos), bytes(signature)] if (
                tag == _RECORD_TAG and before == statement
            ):
                said.timestamp.seconds, said.timestamp.nanos = int(seconds), int(nanos)
                said.signature = signature
            case _:
                told = f"another {kind} of height {said.height} round {said.round} was already signed"
                raise NotSigned(told)

    def _may_sign(self, said: Vote | Proposal, chain_id: str) -> None:
        withheld, first = self._signing.withheld(), self._signing.allowed()[0]
        if chain_id != self._chain_id:
            raise NotSigned(f"this key votes in {self._chain_id}")
        if said.height < 1 or said.round < 0:
            raise NotSigned("a height begins at 1, a round at 0")
        if withheld is not None:
            raise NotSigned(f"this validator does not vote: {withheld.reason}")
        if said.height < first:
            raise NotSigned(f"this validator votes from height {first} on")
        if not self._orders(said.height):
            raise NotSigned(f"another engine orders height {said.height}")


class SignerLink:
    """The connection to CometBFT, as a trade with a thread of its own; made again whenever it ends."""

    name = "signer"

    def __init__(self, path: Path, signer: VoteSigner) -> None:
        self._path, self._signer = path, signer
        self._sock: socket.socket | None = None
        self._frames = Frames(MESSAGE_BYTES_MAX)
        self._woken = threading.Event()

    @property
    def connected(self) -> bool:
        return self._sock is not None

    def turn(self) -> None:
        """Connect, or answer what CometBFT asks; a bounded wait."""
        if self._sock is None:
            self._connect()
            return
        try:
            data = self._sock.recv(READ_BYTES)
        except TimeoutError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop()
            return
        self._frames.feed(data)
        try:
            for message in self._frames.take():
                answer = self._signer.answer(Message.FromString(message))
                _tell_refused(answer)
                self._sock.sendall(frame(answer.SerializeToString()))
        except (FrameError, DecodeError, NotSigned) as error:
            log.moment("signer_refused", because=str(error)[:300])
            self._drop()
        except OSError:  # in the middle of an answer, perhaps: nothing after it would be read as one
            self._drop()
        except Exception:  # the node's supervisor tells it, and this is called again
            self._drop()
            raise

    def wake(self) -> None:
        """A turn that waits to connect again returns."""
        self._woken.set()

    def close(self) -> None:
        """CometBFT votes no more until it is connected again."""
        self._drop()

    def _connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(TURN_S)
        try:
            sock.connect(str(self._path))
        except OSError:
            sock.close()
            self._woken.wait(AGAIN_S)
            return
        self._sock, self._frames = sock, Frames(MESSAGE_BYTES_MAX)

    def _drop(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _name_block(canonical: CanonicalVote | CanonicalProposal, block: BlockID) -> None:
    """As types/canonical.go: nothing for nil, else the hash with its header of parts, even an empty one."""
    if not block.hash and not block.part_set_header.total and not block.part_set_header.hash:
        return
    canonical.block_id.hash = block.hash
    canonical.block_id.part_set_header.SetInParent()
    canonical.block_id.part_set_header.total = block.part_set_header.total
    canonical.block_id.part_set_header.hash = block.part_set_header.hash


def _error(why: str) -> RemoteSignerError:
    return RemoteSignerError(code=1, description=why)


def _tell_refused(answer: Message) -> None:
    name = answer.WhichOneof("sum")
    if name != "ping_response" and (told := getattr(answer, name)).HasField("error"):
        log.moment("vote_refused", because=told.error.description)
