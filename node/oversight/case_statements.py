"""Statements of a case, as their authors sign them (`authorship.py`), under "comity/case/v1"

    of     the case; h'' for the statement that opens one
    about  opened: [side, accused, battery, days, [leaf, ...]]   asked: [whom]   extended: [days]
           closed: [outcome]   reviewed: [digest of the closing, outcome]   any other act: []

They are no entries of the log: a case is exchanged among those whom it concerns, as attempts are (D641).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from consensus.cose import SignatureInvalid, Signer
from consensus.encoding import EncodingError, Value, whole_numbers
from credentials.ledger.governance import Governance
from node.errors import ProblemError, bad_request
from node.oversight.authorship import StatementKind

NAME_CHARS_MAX = 300
LEAVES_NAMED_MAX = 20
DAYS_MAX = 180  # from the opening, whatever is added
OPENED, ASKED, EXPLAINED, COMMENTED = "opened", "asked", "explained", "commented"
EXTENDED, WITHDRAWN, CLOSED, REVIEWED = "extended", "withdrawn", "closed", "reviewed"
ACTS = (OPENED, ASKED, EXPLAINED, COMMENTED, EXTENDED, WITHDRAWN, CLOSED, REVIEWED)
KIND = StatementKind("comity/case/v1", OPENED, size_bytes_max=20_000, text_chars_max=4_000)
FOUNDED, UNFOUNDED, GROUNDLESS = "founded", "unfounded", "groundless"
OUTCOMES = (FOUNDED, UNFOUNDED, GROUNDLESS)
UPHELD, OVERTURNED = "upheld", "overturned"
REVIEWS = (UPHELD, OVERTURNED)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStatement(About):
    """One statement that was read. Which members of `About` mean something, its act says."""

    case: bytes  # of an opening: its own digest
    act: str
    author: str
    at: int
    text: str
    digest: bytes
    data: bytes


def make_statement(
    network_id: bytes, case: bytes, act: str, text: str, about: About, *, author: str, at: int, signer: Signer
) -> bytes:
    """Sign a statement; `case` is empty for the one that opens a case."""
    return KIND.make(network_id, case, act, text, about.members(act), author=author, at=at, signer=signer)


def read_statement(
    data: bytes, network_id: bytes, governance: Governance, *, kept: bool = False
) -> CaseStatement:
    """A statement whose signature verifies, of a participant's attest key; 400 for one that says nothing.

    `kept`: it was taken here before, and what became of its key since takes nothing of it away.
    """
    try:
        said = KIND.read(data, network_id, governance, kept=kept)
    except (EncodingError, SignatureInvalid) as error:
        raise _strange() from error
    return CaseStatement(
        case=said.of,
        act=said.act,
        author=said.author,
        at=said.at,
        text=said.text,
        digest=said.digest,
        data=data,
        **asdict(_about(said.act, said.about)),
    )


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
