"""Customs invalidate a declaration because the goods never left (UCC Art 174): what that gives back.

State, place and whom its holder named are those of the situation before the battery was exported or declared,
which the record keeps (`situations.py`). Marks stay, and what was set. Nothing is given back where something
rests on its having left (I3): it is in other hands, was sold, or goes with a vehicle since.
"""

from __future__ import annotations

from itertools import pairwise

from consensus.application import Refusal
from credentials.ledger.attestation import Attestation
from credentials.ledger.changes import Change
from credentials.ledger.rules import Context
from credentials.ledger.situations import Situation
from credentials.ledger.standing import Standing


def given_back(standing: Standing, attestation: Attestation, context: Context) -> Change:
    """What an act that says so gives back; nothing where it does not say so. Raises Refusal."""
    event = context.event
    if not attestation.quantities.get(event.effects.gives_back or ""):
        return {}
    before = _before_it_left(standing, context.governance.lifecycle.on_the_way)
    if before is None:
        told = "how the battery stood before it was to leave is not on its record: that cannot be given back"
        raise Refusal("depends", told)
    if _rests_on_leaving(standing, before, context):
        told = "something rests on its having left: it is in other hands, sold, or with a vehicle since"
        raise Refusal("depends", told)
    return {"item_state": before.item_state, "named": before.named, "place": before.place}


def _before_it_left(standing: Standing, on_the_way: frozenset[str]) -> Situation | None:
    """The last situation in which it was not on its way yet; None: not kept.

    On one way a battery that was declared somewhere is in no country no more: where it is after that, it went
    off anew, from a situation that lasted no second and is on no record: by rules from before 0971.
    """
    places = [standing.place]
    for past in standing.past.situations():
        if past.item_state not in on_the_way:
            anew = any(earlier is not None and later is None for later, earlier in pairwise(places))
            return None if anew else past
        places.append(past.place)
    return None


def _rests_on_leaving(standing: Standing, before: Situation, context: Context) -> bool:
    """True if others rely on it: hands, what goes with it, and a sale that was recorded since (I3)."""
    since = (past for past in standing.past.situations() if past.since >= before.until)
    hands = {standing.holder, *(past.holder for past in since)}
    if hands != {before.holder} or standing.bound_asset != before.asset:
        return True
    events = [e for e in context.governance.lifecycle.events.values() if e.effects.fact in standing.facts]
    gone = [standing.facts[e.effects.fact or ""] for e in events if e.place == "none"]
    last = max(gone, default=standing.presentation.leaf_index if standing.presentation else 0)
    named = (e for e in events if e.names and e.to is None and e.place is None)
    return any(standing.facts[e.effects.fact or ""] > last for e in named)
