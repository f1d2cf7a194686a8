"""Messages of a Byzantine participant that are well formed and signed, and false in one respect each.

Each is what an honest author would send but for one thing: signed for another height, network or set, by
somebody else, about equal votes, out of turn, too large. With it stands the reason for which it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any, TypeVar

from consensus.checkpoint import Checkpoint, SignedNote, cosign_line, sign_log_line
from consensus.encoding import encode
from consensus.evidence import AMNESIA, FaultEvidence, evidence_of, evidence_of_checkpoints
from consensus.recollection import encode_answer, encode_question
from consensus.types import PRECOMMIT, PREVOTE, ROUND_MAX, Block, Proposal, Vote
from tests.consensus.test_evidence_of_faults import NOTE_KEYS, ORIGIN, signer
from tests.harness.replicas import APP_HASH, NETWORK, chain_of, did, key, vote

CHAIN = chain_of(4, note_keys=NOTE_KEYS)
V, W = sha256(b"v").digest(), sha256(b"w").digest()
STRANGER = "did:web:nobody.example"
PILOT = sha256(b"pilot").digest()
OTHER_SET = chain_of(5).validators

Message = TypeVar("Message", Vote, Proposal)
False_ = tuple[bytes, str]  # the message, and the reason for which it is dropped


def _signed(
    unsigned: Message, by: int = 1, network: bytes = NETWORK, validators: Any = CHAIN.validators
) -> Message:
    return replace(unsigned, signature=key(by).sign(unsigned.signed_bytes(network, validators.hash)))


def _said(true: Message, **signed_about: Any) -> Message:
    """`true`, with a signature under the same but for these members."""
    return replace(true, signature=_signed(replace(true, **signed_about)).signature)


VOTE = Vote(PREVOTE, 1, 3, 1, W, did(1))
BLOCK = Block(1, 1_800_000_000, NETWORK, did(1), APP_HASH, 0, bytes(32), CHAIN.config_digest, 1, ())
PROPOSAL = Proposal(1, 4, 2, BLOCK, did(1))

VOTES: dict[str, False_] = {
    "kind": (_said(replace(VOTE, valid_round=-1), kind=PRECOMMIT).encode(), "signature"),
    "height": (_said(VOTE, height=2).encode(), "signature"),
    "round": (_said(VOTE, round=4).encode(), "signature"),
    "valid_round": (_said(VOTE, valid_round=-1).encode(), "signature"),
    "value_id": (_said(VOTE, value_id=V).encode(), "signature"),
    "validator": (_signed(replace(VOTE, validator=STRANGER)).encode(), "stranger"),
    "signature": (_signed(VOTE, by=2).encode(), "signature"),
    "network": (_signed(VOTE, network=PILOT).encode(), "signature"),
    "set": (_signed(VOTE, validators=OTHER_SET).encode(), "signature"),
    "a round too large": (_signed(replace(VOTE, round=ROUND_MAX + 1)).encode(), "malformed"),
    "a valid round of its own round": (_signed(replace(VOTE, valid_round=3)).encode(), "malformed"),
    "a precommit with a valid round": (_signed(replace(VOTE, kind=PRECOMMIT)).encode(), "malformed"),
    "a name too large": (_signed(replace(VOTE, validator="x" * 257)).encode(), "malformed"),
}

PROPOSALS: dict[str, False_] = {
    "height": (_said(PROPOSAL, height=5).encode(), "signature"),
    "round": (_said(PROPOSAL, round=8).encode(), "signature"),
    "valid_round": (_said(PROPOSAL, valid_round=-1).encode(), "signature"),
    "block": (_said(PROPOSAL, block=replace(BLOCK, time=BLOCK.time + 1)).encode(), "signature"),
    "proposer": (_signed(replace(PROPOSAL, proposer=did(2)), by=2).encode(), "stranger"),
    "signature": (_signed(PROPOSAL, by=2).encode(), "signature"),
    "network": (_signed(PROPOSAL, network=PILOT).encode(), "signature"),
    "set": (_signed(PROPOSAL, validators=OTHER_SET).encode(), "signature"),
    "out of turn": (_signed(replace(PROPOSAL, round=5)).encode(), "stranger"),
    "a round too large": (_signed(replace(PROPOSAL, round=ROUND_MAX + 1)).encode(), "malformed"),
    "a block too large": (
        _signed(replace(PROPOSAL, block=replace(BLOCK, attestations=(bytes(600 << 10),)))).encode(),
        "oversized",
    ),
}


def _found(first: Vote, second: Vote) -> FaultEvidence:
    evidence = evidence_of(first, second)
    assert evidence is not None, "the two contradict each other"
    return evidence


def _checkpoints(one: SignedNote, two: SignedNote, accused: int = 1) -> FaultEvidence:
    evidence = evidence_of_checkpoints(did(accused), one, two)
    assert evidence is not None, "the two contradict each other"
    return evidence


def _note(origin: str, root: bytes, *, log: bool = False) -> SignedNote:
    checkpoint = Checkpoint(origin, 7, root)
    if log:
        return SignedNote(checkpoint.body(), (sign_log_line(checkpoint, ORIGIN, signer(1, "log")),))
    line = cosign_line(checkpoint, "v1.example", 1_800_000_000, signer(1, "cosign"))
    return SignedNote(checkpoint.body(), (line,))


def _pair(make: Callable[[bytes], Vote]) -> FaultEvidence:
    return _found(make(V), make(W))


TRUE = _pair(lambda value: vote(PREVOTE, 1, 0, value, CHAIN))
_EQUAL = vote(PREVOTE, 1, 0, V, CHAIN).encode()
_OF_TWO_HEIGHTS = vote(PREVOTE, 1, 0, V, CHAIN).encode(), vote(PREVOTE, 1, 0, W, CHAIN, height=2).encode()
_OF_TWO = vote(PREVOTE, 1, 0, V, CHAIN).encode(), vote(PREVOTE, 2, 0, W, CHAIN).encode()
_OF_TWO_ROUNDS = vote(PREVOTE, 1, 0, V, CHAIN).encode(), vote(PREVOTE, 1, 1, W, CHAIN).encode()

EVIDENCE: dict[str, tuple[FaultEvidence, str]] = {
    "kind": (replace(TRUE, kind=AMNESIA), "malformed"),
    "validator": (replace(TRUE, validator=did(2)), "malformed"),
    "height": (replace(TRUE, height=0), "malformed"),
    "round": (replace(TRUE, round=1), "malformed"),
    "statements": (replace(TRUE, statements=(TRUE.statements[1], TRUE.statements[0])), "malformed"),
    "equal votes": (replace(TRUE, statements=(_EQUAL, _EQUAL)), "malformed"),
    "votes of two heights": (replace(TRUE, statements=_OF_TWO_HEIGHTS), "malformed"),
    "votes of two rounds": (replace(TRUE, statements=_OF_TWO_ROUNDS), "malformed"),
    "votes of two validators": (replace(TRUE, statements=_OF_TWO), "malformed"),
    "votes of a stranger": (
        _pair(lambda value: _signed(Vote(PREVOTE, 1, 0, -1, value, STRANGER))), "stranger",
    ),
    "votes signed by another": (
        _pair(lambda value: _signed(Vote(PREVOTE, 1, 0, -1, value, did(1)), by=2)), "signature",
    ),
    "network": (
        _pair(lambda value: _signed(Vote(PREVOTE, 1, 0, -1, value, did(1)), network=PILOT)), "signature",
    ),
    "set": (
        _pair(lambda value: _signed(Vote(PREVOTE, 1, 0, -1, value, did(1)), validators=OTHER_SET)),
        "signature",
    ),
    "one vote of another network": (
        _found(vote(PREVOTE, 1, 0, V, CHAIN), _signed(Vote(PREVOTE, 1, 0, -1, W, did(1)), network=PILOT)),
        "signature",
    ),
    "too large": (replace(TRUE, statements=(TRUE.statements[0], bytes(4096))), "malformed"),
    "checkpoints of another log": (
        _checkpoints(_note("log.pilot.example", V), _note("log.pilot.example", W)), "evidence",
    ),
    "checkpoints of another log, by the log key": (
        _checkpoints(_note("log.pilot.example", V, log=True), _note("log.pilot.example", W)), "evidence",
    ),
    "checkpoints of a stranger": (
        replace(_checkpoints(_note(ORIGIN, V), _note(ORIGIN, W)), validator=STRANGER), "evidence",
    ),
    "checkpoints signed by another": (
        _checkpoints(_note(ORIGIN, V), _note(ORIGIN, W), accused=2), "evidence",
    ),
}  # fmt: skip

OTHERS: dict[str, False_] = {
    "a question about a name too large": (encode_question("x" * 257), "malformed"),
    "a question about nobody": (encode(["comity/signed-by-me/v1", ""]), "malformed"),
    "a status of no height": (encode(["comity/status/v1", 0, 0, 1, b""]), "malformed"),
    "a status with half a digest": (encode(["comity/status/v1", 1, 0, 1, bytes(12)]), "malformed"),
}  # fmt: skip


def _all() -> Iterator[tuple[str, False_]]:
    yield from ((f"vote: {name}", one) for name, one in VOTES.items())
    yield from ((f"proposal: {name}", one) for name, one in PROPOSALS.items())
    yield from ((f"evidence: {name}", (one.encode(), why)) for name, (one, why) in EVIDENCE.items())
    yield from OTHERS.items()


FALSE: dict[str, False_] = dict(_all())

PASSED_OVER: dict[str, False_] = {
    "evidence of a height to come": (
        _pair(lambda value: vote(PREVOTE, 1, 0, value, CHAIN, height=99)).encode(), "late",
    ),
    "a vote of before the first block": (vote(PREVOTE, 1, 0, V, CHAIN, height=0).encode(), "late"),
    "a vote of a height far away": (vote(PREVOTE, 1, 0, V, CHAIN, height=99).encode(), "early"),
    "an answer that nobody asked for": (
        encode_answer(did(0), 0, vote(PREVOTE, 0, 0, None, CHAIN)), "unasked",
    ),
    "an answer to somebody else": (encode_answer(did(2), 0, None), "unasked"),
}  # fmt: skip
