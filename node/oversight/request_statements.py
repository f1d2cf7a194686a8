"""Requests to be shown sets of passports, and their answers, as their authors sign them.

COSE_Sign1 by the author's attest key over CBOR

    ["comity/set-request/v1", network id, request, act, author, time, text, about]

    request  h'' for the one that asks; else its id: the SHA-256 of that statement's signed bytes
    about    asked: [whom, ground, [digest, ...]]   given: [[digest, ...]]   declined: []

A set is named by its digest, as the ledger has it: no battery's code and nothing of what a set says is in a
statement. What is given is fetched afterwards as any document is, sealed to its reader
(`verdicts/disclosure.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from consensus.cose import SignatureInvalid, Signer, parse_sign1, sign1
from consensus.encoding import EncodingError, Value, decode, encode, whole_numbers
from credentials.ledger.governance import Governance
from node.errors import ProblemError, bad_request
from node.oversight.authorship import require_author

TAG = "comity/set-request/v1"
SETS_MAX = 1_000  # of one request
STATEMENT_BYTES_MAX = 60_000
TEXT_CHARS_MAX = 2_000
ASKED, GIVEN, DECLINED = "asked", "given", "declined"
ANSWERS = (GIVEN, DECLINED)
# Reg (EU) 2023/1542, Art 38 and 41: duties of who places on the market or imports; Art 77(2)(b); a contract.
GROUNDS = ("duties", "legitimate_interest", "agreed")


@dataclass(frozen=True, slots=True)
class SetRequest:
    """One statement that was read. `request`: of what asks, its own digest."""

    request: bytes
    act: str
    author: str
    at: int
    text: str
    digest: bytes
    data: bytes
    whom: str = ""
    ground: str = ""
    sets: tuple[bytes, ...] = ()


def make_request(
    network_id: bytes,
    about: Sequence[Value],
    text: str,
    *,
    act: str = ASKED,
    request: bytes = b"",
    author: str,
    at: int,
    signer: Signer,
) -> bytes:
    """Sign one; `request` is empty for the one that asks."""
    return sign1({}, encode([TAG, network_id, request, act, author, at, text, list(about)]), signer)


def read_request(data: bytes, network_id: bytes, governance: Governance) -> SetRequest:
    """A statement whose signature verifies, of a participant's attest key; 400 for one that says nothing."""
    try:
        message = parse_sign1(data, size_bytes_max=STATEMENT_BYTES_MAX)
        match decode(message.payload, size_bytes_max=STATEMENT_BYTES_MAX):
            case [
                tag,
                network,
                bytes() as asks,
                str() as act,
                str() as author,
                at,
                str() as text,
                list(about),
            ] if [tag, network] == [TAG, network_id] and whole_numbers(at) and len(text) <= TEXT_CHARS_MAX:
                whom, ground, sets = _about(act, about)
            case _:
                raise _strange()
        require_author(message, author, at, governance)
    except (EncodingError, SignatureInvalid) as error:
        raise _strange() from error
    digest = sha256(data).digest()
    if len(asks) != (0 if act == ASKED else 32):
        raise _strange()
    return SetRequest(asks or digest, act, author, at, text, digest, data, whom, ground, sets)


def _about(act: str, about: list[Value]) -> tuple[str, str, tuple[bytes, ...]]:
    match act, about:
        case "asked", [str() as whom, str() as ground, list(sets)] if ground in GROUNDS:
            return whom, ground, _digests(sets)
        case "given", [list(sets)]:
            return "", "", _digests(sets)
        case "declined", []:
            return "", "", ()
        case _:
            raise _strange()


def _digests(said: list[Value]) -> tuple[bytes, ...]:
    found = tuple(one for one in said if isinstance(one, bytes) and len(one) == 32)
    if len(found) != len(said) or not 1 <= len(found) <= SETS_MAX or len(set(found)) != len(found):
        raise _strange()
    return found


def _strange() -> ProblemError:
    return bad_request("malformed", "that is no request for sets, nor its answer, signed in this network")
