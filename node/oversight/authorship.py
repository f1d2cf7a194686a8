"""Whose a letter is: cases, requests and alerts are COSE_Sign1 by their author's attest key.

What is said in a case, and in a request for sets, is CBOR of one form:

    [tag, network id, of, act, author, time, text, about]

    of     h'' for the statement that begins it; else its id: the SHA-256 of that statement's signed bytes
    about  what the act says beside its text, as each kind has it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from consensus.cose import Sign1, SignatureInvalid, Signer, parse_sign1, sign1, verify_sign1
from consensus.encoding import EncodingError, Value, decode, encode, whole_numbers
from credentials.ledger.governance import Governance

# Between a statement and when it comes here: letters wait a week.
LATE_S_MAX, EARLY_S_MAX = 8 * 86_400, 300


@dataclass(frozen=True, slots=True)
class Authored:
    """What one party said, read and verified; `of` is its own digest where it begins something."""

    of: bytes
    act: str
    author: str
    at: int
    text: str
    about: list[Value]
    digest: bytes


@dataclass(frozen=True, slots=True)
class StatementKind:
    """One kind of such statements; `beginning`: the act that is of nothing before it."""

    tag: str
    beginning: str
    size_bytes_max: int
    text_chars_max: int

    def make(
        self,
        network_id: bytes,
        of: bytes,
        act: str,
        text: str,
        about: Sequence[Value],
        *,
        author: str,
        at: int,
        signer: Signer,
    ) -> bytes:
        """Sign one; `of` is empty where it begins something."""
        return sign1({}, encode([self.tag, network_id, of, act, author, at, text, list(about)]), signer)

    def read(self, data: bytes, network_id: bytes, governance: Governance, *, kept: bool = False) -> Authored:
        """One that its author signed; EncodingError or SignatureInvalid for what is none.

        `kept` as of `require_author`.
        """
        message = parse_sign1(data, size_bytes_max=self.size_bytes_max)
        match decode(message.payload, size_bytes_max=self.size_bytes_max):
            case [
                self.tag,
                network,
                bytes() as of,
                str() as act,
                str() as author,
                at,
                str() as text,
                list(about),
            ] if network == network_id and whole_numbers(at) and len(text) <= self.text_chars_max:
                require_author(message, author, at, governance, kept=kept)
            case _:
                raise EncodingError(f"not a statement of {self.tag} in this network")
        if len(of) != (0 if act == self.beginning else 32):
            raise EncodingError(f"{act} is said of what is not named, or of nothing and names it")
        digest = sha256(data).digest()
        return Authored(of or digest, act, author, at, text, about, digest)


def of_these_days(at: int, now: int) -> bool:
    """True unless it was said longer ago than letters wait, or is of a time to come."""
    return now - LATE_S_MAX <= at <= now + EARLY_S_MAX


def require_author(
    message: Sign1, author: str, at: int, governance: Governance, *, kept: bool = False
) -> None:
    """SignatureInvalid unless the author's attest key signed it, valid then, and not stated stolen since.

    `kept`: it was taken here before, and what became of its key since takes nothing of it away.
    """
    key = governance.key_by_id(message.key_id)
    if key is None or message.key_id.partition("#")[0] != author or key.role != "attest":
        raise SignatureInvalid("its author has no attest key of that name")
    if not kept and (key.public in governance.stolen_keys or not key.valid(at)):
        raise SignatureInvalid("its author's key was not valid then, or was stated stolen")
    verify_sign1(message, key.public)
