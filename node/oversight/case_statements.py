"""Statements of a case, as their authors sign them: COSE_Sign1 by the author's attest key over CBOR

    ["comity/case/v1", network id, case, act, author, time, text, about]

    case   h'' for the statement that opens one; else its id: the SHA-256 of that statement's signed bytes
    about  opened: [side, accused, battery, days, [leaf, ...]]   asked: [whom]   extended: [days]
           closed: [outcome]   reviewed: [digest of the closing, outcome]   any other act: []

They are no entries of the log: a case is exchanged among those whom it concerns, as attempts are (D641).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from consensus.cose import SignatureInvalid, Signer, parse_sign1, sign1
from consensus.encoding import EncodingError, Value, decode, encode, whole_numbers
from credentials.ledger.governance import Governance
from node.errors import ProblemError, bad_request
from node.oversight.authorship import require_author

TAG = "comity/case/v1"
STATEMENT_BYTES_MAX = 20_000
TEXT_CHARS_MAX = 4_000
NAME_CHARS_MAX = 300
LEAVES_NAMED_MAX = 20
DAYS_MAX = 180  # from the opening, whatever is added
OPENED, ASKED, EXPLAINED, COMMENTED = "opened", "asked", "explained", "commented"
EXTENDED, WITHDRAWN, CLOSED, REVIEWED = "extended", "withdrawn", "closed", "reviewed"
ACTS = (OPENED, ASKED, EXPLAINED, COMMENTED, EXTENDED, WITHDRAWN, CLOSED, REVIEWED)
FOUNDED, UNFOUNDED, GROUNDLESS = "founded", "unfounded", "groundless"
OUTCOMES = (FOUNDED, UNFOUNDED, GROUNDLESS)
UPHELD, OVERTURNED = "upheld", "overturned"
REVIEWS = (UPHELD, OVERTURNED)


@dataclass(frozen=True, slots=True)
class CaseStatement:
    """One statement that was read. Which of the later members mean something, its act says."""

    case: bytes  # of an opening: its own digest
    act: str
    author: str
    at: int
    text: str
    digest: bytes
    data: bytes
    side: str = ""
    accused: str = ""
    battery: str = ""
    days: int = 0
    leaves: tuple[int, ...] = ()
    whom: str = ""
    outcome: str = ""
    closing: bytes = b""


@dataclass(frozen=True, slots=True)
class About:
    """What an act says beside its text."""

    side: str = ""
    accused: str = ""
    battery: str = ""
    days: int = 0
    leaves: tuple[int, ...] = ()
    whom: str = ""
    outcome: str = ""
    closing: bytes = b""

    def members(self, act: str) -> list[Value]:
        """As they are signed."""
        match act:
            case "opened":
                return [self.side, self.accused, self.battery, self.days, list(self.leaves)]
            case "asked":
                return [self.whom]
            case "extended":
                return [self.days]
            case "closed":
                return [self.outcome]
            case "reviewed":
                return [self.closing, self.outcome]
            case _:
                return []


def make_statement(
    network_id: bytes, case: bytes, act: str, text: str, about: About, *, author: str, at: int, signer: Signer
) -> bytes:
    """Sign a statement; `case` is empty for the one that opens a case."""
    return sign1({}, encode([TAG, network_id, case, act, author, at, text, about.members(act)]), signer)


def read_statement(
    data: bytes, network_id: bytes, governance: Governance, *, kept: bool = False
) -> CaseStatement:
    """A statement whose signature verifies, of a participant's attest key; 400 for one that says nothing.

    `kept`: it was taken here before, and what became of its key since takes nothing of it away.
    """
    try:
        message = parse_sign1(data, size_bytes_max=STATEMENT_BYTES_MAX)
        match decode(message.payload, size_bytes_max=STATEMENT_BYTES_MAX):
            case [
                tag,
                network,
                bytes() as case,
                str() as act,
                str() as author,
                at,
                str() as text,
                list(said),
            ] if [tag, network] == [TAG, network_id] and whole_numbers(at) and len(text) <= TEXT_CHARS_MAX:
                about = _about(act, said)
            case _:
                raise _strange()
        require_author(message, author, _number(at), governance, kept=kept)
    except (EncodingError, SignatureInvalid) as error:
        raise _strange() from error
    digest = sha256(data).digest()
    if (act == OPENED) != (case == b"") or len(case) not in (0, 32):
        raise _strange()
    named = {name: getattr(about, name) for name in About.__slots__}
    return CaseStatement(case or digest, act, author, at, text, digest, data, **named)


def _about(act: str, said: list[Value]) -> About:
    match act, said:
        case "opened", [str() as side, str() as accused, str() as battery, days, list(leaves)] if (
            whole_numbers(days, *leaves)
            and days in range(1, DAYS_MAX + 1)
            and len(leaves) <= LEAVES_NAMED_MAX
            and max(map(len, (side, accused, battery))) <= NAME_CHARS_MAX
        ):
            return About(
                side=side, accused=accused, battery=battery, days=_number(days), leaves=tuple(leaves)
            )
        case "asked", [str() as whom]:
            return About(whom=whom)
        case "extended", [days] if whole_numbers(days) and days in range(1, DAYS_MAX + 1):
            return About(days=_number(days))
        case "closed", [str() as outcome] if outcome in OUTCOMES:
            return About(outcome=outcome)
        case "reviewed", [bytes() as closing, str() as outcome] if outcome in REVIEWS:
            return About(closing=closing, outcome=outcome)
        case (("explained" | "commented" | "withdrawn"), []):
            return About()
        case _:
            raise _strange()


def _number(said: Value) -> int:
    assert isinstance(said, int), "the pattern says so"
    return said


def _strange() -> ProblemError:
    return bad_request("malformed", "that is no statement of a case, signed by a party of this network")
