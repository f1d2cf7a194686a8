"""Cases, said anew: who may say what, and how a case stands; and random sequences of many actors.

Half of what is tried is anything by anybody; an authority, a party in the chain and a stranger alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from random import Random

from node.errors import ProblemError
from node.oversight import case_rules
from node.oversight.case_statements import CaseStatement

DAY = 86_400
SIDES = {"eu-1": "EU", "eu-2": "EU", "cn-1": "CN", "cn-2": "CN"}  # authorities
PARTIES = ("maker", "importer", "stranger")
ACTORS = (*SIDES, *PARTIES)
ACTS = ("asked", "explained", "commented", "extended", "withdrawn", "closed", "reviewed")


def statement(
    rng: Random, opening: CaseStatement | None, said: Sequence[CaseStatement], at: int
) -> CaseStatement:
    """Anything by anybody at this time."""
    author = rng.choice(ACTORS)
    digest = sha256(f"{rng.random()} {at}".encode()).digest()
    if opening is None:
        side = rng.choice(("EU", "CN"))
        author = rng.choice([*PARTIES, *(did for did, own in SIDES.items() if own == side)])
        accused = rng.choice([did for did in PARTIES if did != author])
        days = rng.randint(1, 90)
        return CaseStatement(
            case=digest,
            act="opened",
            author=author,
            at=at,
            text="",
            digest=digest,
            data=b"",
            side=side,
            accused=accused,
            days=days,
        )
    closings = [one for one in said if one.act == "closed"]
    act = rng.choice(ACTS)
    closing = rng.choice(closings).digest if closings and rng.random() < 0.9 else bytes(32)
    return CaseStatement(
        case=opening.case,
        act=act,
        author=author,
        at=at,
        text="",
        digest=digest,
        data=b"",
        days=rng.randint(1, 60) if act == "extended" else 0,
        whom=rng.choice((opening.author, opening.accused, "stranger")) if act == "asked" else "",
        outcome=_outcome(rng, act),
        closing=closing if act == "reviewed" else b"",
    )


def _outcome(rng: Random, act: str) -> str:
    if act == "closed":
        return rng.choice(("founded", "unfounded", "groundless"))
    return rng.choice(("upheld", "overturned")) if act == "reviewed" else ""


def may_say(opening: CaseStatement, one: CaseStatement, said: Sequence[CaseStatement]) -> bool:
    """Line 4 of the issue: the deciding side asks, closes and reviews; the other comments, never decides."""
    deciding = SIDES.get(one.author) == opening.side
    both = (opening.author, opening.accused)
    if len([s for s in said if s.author == one.author]) >= 20:
        return False
    if one.act == "explained":
        return one.author in both
    if one.act == "commented":
        return one.author in SIDES
    if one.act == "withdrawn":
        return one.author == opening.author
    if one.act == "asked":
        return deciding and one.whom in both
    if one.act in ("extended", "closed"):
        return deciding and one.author != opening.accused
    closed = [s for s in said if s.act == "closed" and s.digest == one.closing]
    return deciding and one.author not in both and bool(closed) and closed[0].author != one.author


def stands(opening: CaseStatement, said: Sequence[CaseStatement], now: int) -> tuple[str, int, str]:
    """(state at this time, until when it is to be decided, its outcome): day by day from the opening."""
    overturned = {s.closing for s in said if s.act == "reviewed" and s.outcome == "overturned"}
    longest = max(opening.days, min(180, opening.days + sum(s.days for s in said if s.act == "extended")))
    until = opening.at + longest * DAY
    for closing in overturned:  # the first review of a decision opens the case again, for thirty days
        until = max(
            until,
            min(
                s.at
                for s in said
                if s.act == "reviewed" and s.closing == closing and s.outcome == "overturned"
            )
            + 30 * DAY,
        )
    ended = sorted(
        (s.at, s.digest, s.outcome or "withdrawn")
        for s in said
        if s.act in ("closed", "withdrawn") and s.digest not in overturned
    )
    if ended:
        return "closed", until, ended[0][2]
    if now >= until:
        return "ran_out", until, ""
    for asked in said:
        if asked.act == "asked":
            answers = [s.at for s in said if s.act == "explained" and s.author == asked.whom]
            if not any(at >= asked.at for at in answers):
                return "asked", until, ""
    explained = any(s.act == "explained" and s.author == opening.accused for s in said)
    return ("explained" if explained else "open"), until, ""


def share(opened: Sequence[tuple[bool, str, int | None]], now: int, *, official: bool) -> int:
    """Five open cases of a party, fewer by each groundless one of the last year; 500 of an authority."""
    left = 500 if official else 5
    for is_open, outcome, ended in opened:
        left -= is_open
        if not official and outcome == "groundless" and ended is not None and ended > now - 365 * DAY:
            left -= 1
    return max(left, 0)


def run(seed: int, events: int, found: list[str]) -> int:
    """So many statements of cases, each compared; disagreements go into `found`."""
    rng, officials, tried = Random(f"cases {seed}"), case_rules.Officials(SIDES), 0
    opened: list[tuple[bool, str, int | None]] = []
    while tried < events:
        at = 1_800_000_000 + rng.randrange(DAY)
        opening, said = statement(rng, None, (), at), list[CaseStatement]()
        for _ in range(rng.randint(3, 30)):
            at += rng.randrange(8 * DAY)
            one = statement(rng, opening, said, at)
            tried += 1
            allowed = may_say(opening, one, said)
            try:
                case_rules.require_may_say(opening, one, said, officials)
            except ProblemError:
                really = False
            else:
                really = True
            if really != allowed:
                found.append(f"case: {one.act} by {one.author}: may say {really}, restated {allowed}")
            if really:
                said.append(one)
            now, shuffled = at + rng.randrange(60 * DAY), rng.sample(said, len(said))
            how = case_rules.stands(opening, shuffled)
            told = (how.at(now), how.due_until, how.outcome)
            if told != (mine := stands(opening, said, now)):
                found.append(f"case: stands {told}, restated {mine}")
        opened = [*opened[-9:], (how.ended_at is None, how.outcome, how.ended_at)]
        official = rng.random() < 0.3
        shares = case_rules.share_of(opened, at, official=official), share(opened, at, official=official)
        if shares[0] != shares[1]:
            found.append(f"case: share {shares[0]}, restated {shares[1]}")
    return tried
