"""A header of CometBFT as its RPC shows it, and the two hashes that bind one (0.38: types/block.go).

    hash of a header      RFC 6962 tree over its 14 members, each in its protobuf form    what is signed
    hash of validators    RFC 6962 tree over (key, weight), the heaviest first, then by address

Who knows the validators of a height by the ledger, and the hash of a header that names them, has let nobody
choose who signs: CometBFT itself verifies from there who signed what (its light client).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BytesValue, Int64Value, StringValue

from consensus.merkle import Frontier, leaf_hash
from consensus.validators import ValidatorSet
from node.ledger.comet.comet_names import address
from node.ledger.comet.proto.tendermint.crypto.keys_pb2 import PublicKey
from node.ledger.comet.proto.tendermint.types.types_pb2 import BlockID
from node.ledger.comet.proto.tendermint.types.validator_pb2 import SimpleValidator
from node.ledger.comet.proto.tendermint.version.types_pb2 import Consensus

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_INT64_MAX = 2**63 - 1


class HeaderError(ValueError):
    """What is shown is no header of CometBFT."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is asked of one; `hash` is of all of it."""

    chain_id: str
    height: int
    time_s: int
    last_hash: bytes  # of the header before it
    validators_hash: bytes
    app_hash: bytes
    proposer: bytes  # the address of its key
    hash: bytes


def read_header(told: Any) -> Header:
    """From the JSON of the RPC (`signed_header.header`); raises HeaderError."""
    try:
        return _read(told)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise HeaderError(f"not a header of CometBFT ({type(error).__name__})") from error


def validators_hash(validators: ValidatorSet) -> bytes:
    """What the header of a height says of those who vote on it."""
    ordered = sorted(validators.validators, key=lambda v: (-v.weight, address(v.public_key)))
    return _root(
        SimpleValidator(pub_key=PublicKey(ed25519=v.public_key), voting_power=v.weight).SerializeToString()
        for v in ordered
    )


def _read(told: Mapping[str, Any]) -> Header:
    version, last = told["version"], told["last_block_id"]
    chain_id, height = str(told["chain_id"]), _number(told["height"])
    moment = _TIME.fullmatch(told["time"])
    if moment is None:
        raise ValueError("a time")
    seconds = int(datetime.fromisoformat(moment[1]).replace(tzinfo=UTC).timestamp())
    time = Timestamp(seconds=seconds, nanos=int((moment[2] or "0").ljust(9, "0")))
    before = BlockID(hash=_bytes(last["hash"]))
    before.part_set_header.SetInParent()  # written even when it is empty, as gogoproto does
    before.part_set_header.total = _number(last["parts"]["total"])
    before.part_set_header.hash = _bytes(last["parts"]["hash"])
    hashes = {name: _bytes(told[name]) for name in _HASHES}
    consensus = Consensus(block=_number(version["block"]), app=_number(version.get("app", 0)))
    members = (
        consensus.SerializeToString(),
        StringValue(value=chain_id).SerializeToString(),
        Int64Value(value=height).SerializeToString(),
        time.SerializeToString(),
        before.SerializeToString(),
        *(BytesValue(value=value).SerializeToString() for value in hashes.values()),
    )
    validators, app, proposer = hashes["validators_hash"], hashes["app_hash"], hashes["proposer_address"]
    return Header(chain_id, height, seconds, before.hash, validators, app, proposer, _root(members))


_HASHES = (
    "last_commit_hash",
    "data_hash",
    "validators_hash",
    "next_validators_hash",
    "consensus_hash",
    "app_hash",
    "last_results_hash",
    "evidence_hash",
    "proposer_address",
)


def _root(members: Iterable[bytes]) -> bytes:
    return Frontier().append(map(leaf_hash, members)).root


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text)


def _number(told: str | int) -> int:
    number = int(told)
    if not 0 <= number <= _INT64_MAX:
        raise ValueError("a number")
    return number
