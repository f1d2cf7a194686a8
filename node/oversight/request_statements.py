"""Requests to be shown sets of passports, and their answers, as their authors sign them.

In the form of `authorship.py`, under "comity/set-request/v1"

    of     the request; h'' for the statement that asks
    about  asked: [whom, ground, [digest, ...]]   given: [[digest, ...]]   declined: []

A set is named by its digest, as the ledger has it: no battery's code and nothing of what a set says is in a
statement. What is given is fetched afterwards as any document is, sealed to its reader
(`verdicts/disclosure.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.cose import SignatureInvalid, Signer
from consensus.encoding import EncodingError, Value
from credentials.ledger.governance import Governance
from node.errors import ProblemError, bad_request
from node.oversight.authorship import StatementKind

SETS_MAX = 1_000  # of one request
ASKED, GIVEN, DECLINED = "asked", "given", "declined"
ANSWERS = (GIVEN, DECLINED)
KIND = StatementKind("comity/set-request/v1", ASKED, size_bytes_max=60_000, text_chars_max=2_000)
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
    return KIND.make(network_id, request, act, text, about, author=author, at=at, signer=signer)


def read_request(data: bytes, network_id: bytes, governance: Governance) -> SetRequest:
    """A statement whose signature verifies, of a participant's attest key; 400 for one that says nothing."""
    try:
        said = KIND.read(data, network_id, governance)
    except (EncodingError, SignatureInvalid) as error:
        raise _strange() from error
    whom, ground, sets = _about(said.act, said.about)
    return SetRequest(
        said.of, said.act, said.author, said.at, said.text, said.digest, data, whom, ground, sets
    )


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
