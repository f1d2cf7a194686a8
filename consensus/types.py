"""What validators say to one another: blocks, proposals, votes, certificates.

Wire forms are deterministic CBOR arrays, shown at each type; a round of -1 (none) is null on the wire.
Signed bytes hold no time of day, so that two signatures by one key for one step are always evidence.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Final, Literal, Self

from consensus.cose import SIGNATURE_BYTES, verify_ed25519
from consensus.encoding import SIZE_BYTES_MAX, EncodingError, Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from consensus.validators import VALIDATORS_MAX, ValidatorSet, is_name

Kind = Literal["prevote", "precommit"]
PREVOTE: Final[Kind] = "prevote"
PRECOMMIT: Final[Kind] = "precommit"
NO_ROUND: Final = -1

ID_BYTES = 32
ROUND_MAX = 1 << 31

_KIND_CODES: dict[Kind, int] = {PREVOTE: 1, PRECOMMIT: 2}
_KINDS: dict[int, Kind] = {code: kind for kind, code in _KIND_CODES.items()}

_BLOCK_TAG = "comity/proposed-block/v1"
_PROPOSAL_TAG = "comity/proposal/v1"
_VOTE_TAG = "comity/vote/v1"
_CERTIFICATE_TAG = "comity/certificate/v1"


class CertificateInvalid(ConsensusError):
    """A commit certificate does not prove that the validators decided this block."""


@dataclass(frozen=True, slots=True)
class Block:
    """What is decided at one height.

    Wire: ["comity/proposed-block/v1", height, time, previous id, proposer, app hash, log size, log root,
    config digest, app version, [attestation, ...], [evidence, ...]]. The app hash, log size and log root are
    those after height - 1. `proposer` made the block; a later round may propose it again.
    """

    height: int
    time: int  # seconds, UTC; never below the previous block's
    previous_id: bytes
    proposer: str
    app_hash: bytes
    log_size: int
    log_root: bytes
    config_digest: bytes
    app_version: int
    attestations: tuple[bytes, ...]
    evidence: tuple[bytes, ...] = ()  # in rising order of `Evidence.id`
    id: bytes = field(init=False, compare=False, repr=False)
    _encoded: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        encoded = encode(
            [
                _BLOCK_TAG,
                self.height,
                self.time,
                self.previous_id,
                self.proposer,
                self.app_hash,
                self.log_size,
                self.log_root,
                self.config_digest,
                self.app_version,
                list(self.attestations),
                list(self.evidence),
            ]
        )
        object.__setattr__(self, "_encoded", encoded)
        object.__setattr__(self, "id", sha256(b"comity/block-id/v1" + encoded).digest())

    def encode(self) -> bytes:
        """The wire form; its first bytes are the domain tag."""
        return self._encoded

    @classmethod
    def decode(cls, data: bytes, *, size_bytes_max: int = SIZE_BYTES_MAX) -> Self:
        """Parse strictly; raises EncodingError."""
        match decode(data, size_bytes_max=size_bytes_max):
            case [
                tag,
                height,
                time,
                previous,
                proposer,
                app_hash,
                size,
                root,
                config,
                version,
                list() as txs,
                list() as evidence,
            ] if (
                tag == _BLOCK_TAG
                and whole_numbers(height, time, size, version)
                and _digests(previous, app_hash, root, config)
                and is_name(proposer)
                and all(type(item) is bytes for item in (*txs, *evidence))
            ):
                return cls(
                    height,
                    time,
                    previous,
                    proposer,
                    app_hash,
                    size,
                    root,
                    config,
                    version,
                    tuple(txs),
                    tuple(evidence),
                )
        raise EncodingError("not a block")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposer's block for one round.

    Wire: ["comity/proposal/v1", height, round, valid round, block, proposer, signature]
    Signed: ["comity/proposal/v1", network id, validator-set hash, height, round, valid round, block id]
    """

    height: int
    round: int
    valid_round: int  # NO_ROUND for a new value
    block: Block
    proposer: str
    signature: bytes = b""

    def signed_bytes(self, network_id: bytes, validators_hash: bytes) -> bytes:
        """What the proposer's vote key signs."""
        vr = _round_out(self.valid_round)
        return encode(
            [_PROPOSAL_TAG, network_id, validators_hash, self.height, self.round, vr, self.block.id]
        )

    def encode(self) -> bytes:
        """The wire form."""
        vr = _round_out(self.valid_round)
        block = self.block.encode()
        return encode([_PROPOSAL_TAG, self.height, self.round, vr, block, self.proposer, self.signature])


@dataclass(frozen=True, slots=True)
class Vote:
    """One validator's prevote or precommit; a prevote says which valid round justified it.

    Wire: ["comity/vote/v1", kind, height, round, valid round, value id, validator, signature]
    Signed: ["comity/vote/v1", network id, validator-set hash, kind, height, round, valid round, value id]
    with kind 1 (prevote) or 2 (precommit); valid round is null in precommits and in prevotes for nil.
    """

    kind: Kind
    height: int
    round: int
    valid_round: int
    value_id: bytes | None  # None is a vote for nil
    validator: str
    signature: bytes = b""

    def signed_bytes(self, network_id: bytes, validators_hash: bytes) -> bytes:
        """What the validator's vote key signs: no time and no name, so all voters sign the same bytes."""
        code, vr = _KIND_CODES[self.kind], _round_out(self.valid_round)
        return encode(
            [_VOTE_TAG, network_id, validators_hash, code, self.height, self.round, vr, self.value_id]
        )

    def encode(self) -> bytes:
        """The wire form."""
        code, vr = _KIND_CODES[self.kind], _round_out(self.valid_round)
        return encode(
            [_VOTE_TAG, code, self.height, self.round, vr, self.value_id, self.validator, self.signature]
        )


def decode_message(value: Value) -> Proposal | Vote:
    """A proposal or a vote from decoded CBOR; raises EncodingError."""
    match value:
        case [tag, height, round_, valid_round, bytes() as block, proposer, signature] if (
            tag == _PROPOSAL_TAG
            and whole_numbers(height)
            and _round(round_)
            and (valid_round is None or (_round(valid_round) and valid_round < round_))
            and is_name(proposer)
            and _signature(signature)
        ):
            return Proposal(height, round_, _round_in(valid_round), Block.decode(block), proposer, signature)
        case [tag, code, height, round_, valid_round, value_id, validator, signature] if (
            tag == _VOTE_TAG
            and whole_numbers(code, height)
            and code in _KINDS
            and _round(round_)
            and (value_id is None or _digests(value_id))
            and is_name(validator)
            and _signature(signature)
        ):
            kind = _KINDS[code]
            if valid_round is not None and not (
                kind == PREVOTE and value_id is not None and _round(valid_round) and valid_round < round_
            ):
                raise EncodingError("only a prevote for a value names an earlier valid round")
            return Vote(kind, height, round_, _round_in(valid_round), value_id, validator, signature)
    raise EncodingError("neither a proposal nor a vote")


@dataclass(frozen=True, slots=True)
class CommitCertificate:
    """A quorum of precommits for one value at one round, and the polka that justified them.

    Wire: ["comity/certificate/v1", height, round, value id, [[validator, signature], ...] (precommits),
    valid round of the polka, [[validator, signature], ...] (prevotes)]; both lists in order of name.
    """

    height: int
    round: int
    value_id: bytes
    precommits: tuple[Vote, ...]
    polka: tuple[Vote, ...]

    def encode(self) -> bytes:
        """The wire form."""
        valid_rounds = {vote.valid_round for vote in self.polka}
        assert len(valid_rounds) == 1, "the votes of a polka carry one valid round"
        return encode(
            [
                _CERTIFICATE_TAG,
                self.height,
                self.round,
                self.value_id,
                _signatures(self.precommits),
                _round_out(valid_rounds.pop()),
                _signatures(self.polka),
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse strictly; raises EncodingError."""
        match decode(data):
            case [tag, height, round_, value_id, list() as precommits, valid_round, list() as polka] if (
                tag == _CERTIFICATE_TAG
                and whole_numbers(height)
                and _round(round_)
                and _digests(value_id)
                and (valid_round is None or (_round(valid_round) and valid_round < round_))
                and _signature_list(precommits)
                and _signature_list(polka)
            ):
                vr = _round_in(valid_round)
                return cls(
                    height,
                    round_,
                    value_id,
                    tuple(Vote(PRECOMMIT, height, round_, NO_ROUND, value_id, n, s) for n, s in precommits),
                    tuple(Vote(PREVOTE, height, round_, vr, value_id, n, s) for n, s in polka),
                )
        raise EncodingError("not a commit certificate")


def verify_certificate(
    certificate: CommitCertificate, block: Block, validators: ValidatorSet, network_id: bytes
) -> None:
    """Raise CertificateInvalid or SignatureInvalid unless a quorum of `validators` decided `block`."""
    if certificate.height != block.height or certificate.value_id != block.id:
        raise CertificateInvalid("the certificate is about another block")
    for kind, votes in ((PRECOMMIT, certificate.precommits), (PREVOTE, certificate.polka)):
        about = {(v.kind, v.height, v.round, v.value_id) for v in votes}
        if about != {(kind, block.height, certificate.round, block.id)}:
            raise CertificateInvalid(f"a {kind} is about something else")
        if len({vote.valid_round for vote in votes}) != 1:
            raise CertificateInvalid(f"the {kind}s name different valid rounds")
        names = [vote.validator for vote in votes]
        if len(set(names)) != len(names) or any(validators.get(name) is None for name in names):
            raise CertificateInvalid(f"a {kind} is repeated or by a stranger")
        if validators.weight_of(names) < validators.quorum:
            raise CertificateInvalid(f"the {kind}s weigh less than a quorum")
        for vote in votes:
            verify_vote(vote, validators, network_id)


def verify_vote(vote: Vote, validators: ValidatorSet, network_id: bytes) -> None:
    """Raise unless the validator that `vote` names signed it in this network."""
    validator = validators.get(vote.validator)
    if validator is None:
        raise CertificateInvalid(f"{vote.validator} is not a validator")
    message = vote.signed_bytes(network_id, validators.hash)
    verify_ed25519(validator.public_key, vote.signature, message)


def verify_proposal(proposal: Proposal, validators: ValidatorSet, network_id: bytes) -> None:
    """Raise unless the proposer of the round signed `proposal` in this network."""
    proposer = validators.proposer(proposal.height, proposal.round)
    if proposal.proposer != proposer.name:
        raise CertificateInvalid(f"round {proposal.round} is not {proposal.proposer}'s to propose")
    message = proposal.signed_bytes(network_id, validators.hash)
    verify_ed25519(proposer.public_key, proposal.signature, message)


def _signatures(votes: tuple[Vote, ...]) -> list[list[str | bytes]]:
    return [[vote.validator, vote.signature] for vote in sorted(votes, key=lambda vote: vote.validator)]


def _signature_list(pairs: list[object]) -> bool:
    """Pairs of name and signature, in strictly rising order of name."""
    if not 0 < len(pairs) <= VALIDATORS_MAX:
        return False
    names: list[str] = []
    for pair in pairs:
        match pair:
            case [str() as name, signature] if is_name(name) and _signature(signature):
                names.append(name)
            case _:
                return False
    return all(first < second for first, second in pairwise(names))


def _round_out(round: int) -> int | None:
    return None if round == NO_ROUND else round


def _round_in(round: int | None) -> int:
    return NO_ROUND if round is None else round


def _round(value: object) -> bool:
    return type(value) is int and 0 <= value <= ROUND_MAX


def _digests(*values: object) -> bool:
    return all(type(value) is bytes and len(value) == ID_BYTES for value in values)


def _signature(value: object) -> bool:
    return type(value) is bytes and len(value) == SIGNATURE_BYTES
