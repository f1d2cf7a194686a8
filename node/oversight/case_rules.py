"""What becomes of a case, and who may say what in it: pure, from its statements, whatever their order.

A case is asked, explained and decided; it holds no goods and changes no word of a verdict. So whoever is
accused by the hundred loses nothing by saying nothing, and whoever accuses by the hundred uses up its own
share: so many open cases of one party, fewer by each that an authority of the deciding side closed as
groundless in the last year (decision 0681).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from credentials.ledger.governance import Governance
from node.errors import ProblemError, forbidden
from node.oversight.case_statements import (
    ASKED,
    CLOSED,
    COMMENTED,
    DAYS_MAX,
    EXPLAINED,
    EXTENDED,
    GROUNDLESS,
    OVERTURNED,
    REVIEWED,
    WITHDRAWN,
    CaseStatement,
)

DAY_S = 86_400
OPEN_OF_PARTY_MAX, OPEN_OF_AUTHORITY_MAX = 5, 500
GROUNDLESS_S = 365 * DAY_S
REVIEW_S = 30 * DAY_S  # which a case has from the review that opened it again
OF_ONE_AUTHOR_MAX = 20  # statements in one case
OPEN, ASKED_STATE, EXPLAINED_STATE, OVER = "open", "asked", "explained", "closed"
RAN_OUT = "ran_out"
STATES = (OPEN, ASKED_STATE, EXPLAINED_STATE, OVER, RAN_OUT)


@dataclass(frozen=True, slots=True)
class CaseStands:
    """How a case stands. `by`: whoever closed it; `ended_at` None: nobody did."""

    state: str
    due_until: int
    outcome: str = ""
    by: str = ""
    ended_at: int | None = None
    closing: bytes = b""

    def at(self, now: int) -> str:
        """The state at this time: a case that nobody closed in time ran out, undecided."""
        return RAN_OUT if self.ended_at is None and now >= self.due_until else self.state


@dataclass(frozen=True, slots=True)
class Officials:
    """Authorities of any kind, by party, of the jurisdiction in which they are at home."""

    sides: Mapping[str, str]

    @classmethod
    def of(cls, governance: Governance, at: int) -> Officials:
        """Those that hold a licence as such, take part and are not stopped."""
        return cls(
            {
                did: party.jurisdiction
                for did, party in governance.participants.items()
                if party.takes_part(at)
                and not governance.stopped(did, at)
                and governance.is_official(did, at)
            }
        )

    def decides(self, did: str, side: str) -> bool:
        """True for an authority of the side that decides."""
        return self.sides.get(did) == side


def concerned(opening: CaseStatement, officials: Officials, governance: Governance) -> frozenset[str]:
    """Who reads a case: both sides of it, and the authorities of theirs and of the one that decides."""
    parties = (opening.author, opening.accused)
    told = (governance.participant(did) for did in parties)
    sides = {opening.side, *(party.jurisdiction for party in told if party is not None)}
    return frozenset([*parties, *(did for did, side in officials.sides.items() if side in sides)])


def stands(opening: CaseStatement, said: Sequence[CaseStatement]) -> CaseStands:
    """How it stands by these statements: the same whatever their order."""
    overturned: dict[bytes, CaseStatement] = {}
    for one in sorted(said, key=lambda one: (one.at, one.digest)):
        if one.act == REVIEWED and one.outcome == OVERTURNED:
            overturned.setdefault(one.closing, one)  # the first opened it again; a later one adds no time
    due = opening.at + opening.days * DAY_S
    added = sum(one.days for one in said if one.act == EXTENDED) * DAY_S
    due = min(due + added, max(due, opening.at + DAYS_MAX * DAY_S))
    due = max([due, *(one.at + REVIEW_S for one in overturned.values())])
    ends = [one for one in said if one.act in (CLOSED, WITHDRAWN) and one.digest not in overturned]
    if ends:
        end = min(ends, key=lambda one: (one.at, one.digest))
        return CaseStands(OVER, due, end.outcome or WITHDRAWN, end.author, end.at, end.digest)
    explained = {one.author: one.at for one in sorted(said, key=lambda one: one.at) if one.act == EXPLAINED}
    unanswered = any(one.act == ASKED and explained.get(one.whom, -1) < one.at for one in said)
    if unanswered:
        return CaseStands(ASKED_STATE, due)
    return CaseStands(EXPLAINED_STATE if opening.accused in explained else OPEN, due)


def share_of(opened: Sequence[tuple[bool, str, int | None]], now: int, *, official: bool) -> int:
    """How many more cases a party may open, by those it opened: (still open, outcome, when it ended)."""
    most = OPEN_OF_AUTHORITY_MAX if official else OPEN_OF_PARTY_MAX
    lost = sum(
        outcome == GROUNDLESS and ended is not None and now - ended < GROUNDLESS_S
        for _, outcome, ended in opened
    )
    held = sum(is_open for is_open, _, _ in opened)
    return max(0, most - (0 if official else lost) - held)


def require_may_open(opening: CaseStatement, officials: Officials, governance: Governance) -> None:
    """403 unless an authority of the deciding side opens it, or a party before the side of either."""
    accused = governance.participant(opening.accused)
    author = governance.participant(opening.author)
    if accused is None or author is None or opening.accused == opening.author:
        raise forbidden("not_a_party", "a case is opened against another participant of this network")
    if opening.side not in officials.sides.values():
        raise forbidden("no_authority", "{side} has no authority here that could decide", side=opening.side)
    if opening.author in officials.sides:
        if not officials.decides(opening.author, opening.side):
            raise forbidden("not_its_side", "an authority opens cases of its own side only")
    elif opening.side not in (accused.jurisdiction, author.jurisdiction):
        raise forbidden("not_its_side", "the side that decides is one of the two parties' own")


def require_may_say(
    opening: CaseStatement, one: CaseStatement, said: Sequence[CaseStatement], officials: Officials
) -> None:
    """403 for what its author may not say in this case; nothing of it is asked of the time."""
    decides = officials.decides(one.author, opening.side)
    match one.act:
        case "explained":
            may = one.author in (opening.author, opening.accused)
        case "commented":
            may = one.author in officials.sides
        case "withdrawn":
            may = one.author == opening.author
        case "asked":
            may = decides and one.whom in (opening.author, opening.accused)
        case "extended" | "closed":
            may = decides and one.author != opening.accused
        case "reviewed":
            may = decides and one.author not in (opening.author, opening.accused)
        case _:
            may = False
    if not may:
        raise _not_yours(one.act)
    if one.act == REVIEWED:
        closing = next((s for s in said if s.digest == one.closing and s.act == CLOSED), None)
        if closing is None:
            raise forbidden("not_closed", "a review is of a decision that closed this case")
        if closing.author == one.author:
            raise forbidden(
                "own_decision", "another authority of that side reviews it, not the one that decided"
            )
    if sum(s.author == one.author for s in said) >= OF_ONE_AUTHOR_MAX:
        raise forbidden("quota", "one party says at most {most} things in a case", most=OF_ONE_AUTHOR_MAX)


def may_act(
    opening: CaseStatement, said: Sequence[CaseStatement], officials: Officials, did: str, now: int
) -> tuple[str, ...]:
    """What this party may say in it now, for a page."""
    how = stands(opening, said)
    over, decides = how.ended_at is not None, officials.decides(did, opening.side)
    reviewer = decides and did not in (opening.author, opening.accused, how.by) and how.outcome != WITHDRAWN
    asked = {
        EXPLAINED: did in (opening.author, opening.accused) and not over,
        COMMENTED: did in officials.sides,
        ASKED: decides and not over,
        EXTENDED: decides and did != opening.accused and not over and now < opening.at + DAYS_MAX * DAY_S,
        CLOSED: decides and did != opening.accused and not over,
        WITHDRAWN: did == opening.author and not over,
        REVIEWED: over and reviewer,
    }
    return tuple(act for act, may in asked.items() if may)


def _not_yours(act: str) -> ProblemError:
    return forbidden("not_yours_to_say", "this party may not say `{act}` in this case", act=act)
