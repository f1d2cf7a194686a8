"""Whose a battery is, and until when: what was told until then of what is in it was told of their own (I6).

Who hands a battery on sheds nothing of what it said of its parts before; what it says of them afterwards is
the word of somebody who has it no more (I5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from credentials.ledger.as_it_stood import as_it_stood
from credentials.ledger.attestation import Attestation
from credentials.ledger.governance import Governance
from credentials.ledger.lifecycle import Event
from credentials.ledger.situations import Situation
from credentials.ledger.standing import PRIVATE, Standing
from credentials.verdicts.evidence import LedgerView
from credentials.verdicts.record import Inquiry, Recorded

ALWAYS = 2**62  # a leaf beyond all


def by_own_names(standing: Standing, governance: Governance) -> Standing:
    """The standing with its parties under the names by which they act here, now and before.

    Who was named by EORI or USCC, or came by that number since, is the participant that has it: under a
    second name nobody is another, who never had the battery (I6; D1022).
    """
    party, past = governance.party, standing.past
    situations = [
        replace(
            one,
            holder=party(one.holder) if one.holder is not None else None,
            named=tuple(map(party, one.named)),
        ).encode()
        for one in map(Situation.decode, past.before)
    ]
    return replace(
        standing,
        holder=party(standing.holder) if standing.holder is not None else None,
        named=tuple(map(party, standing.named)),
        past=replace(past, before=tuple(situations)),
    )


def held_until(party: str | None, inquiry: Inquiry) -> int:
    """The leaf at which the battery last left the hands of this party; 0: it never had it; ALWAYS: it has."""
    view, governance = inquiry.evidence.ledger, inquiry.evidence.network.governance
    if party in (None, PRIVATE) or view is None or view.standing is None or governance is None:
        return 0
    if view.standing.holder == party:
        return ALWAYS
    left, holder = 0, None
    for said in inquiry.record.admitted:
        event = governance.lifecycle.event(said.attestation.kind)
        if event is None or event.custody is None or said.leaf_index in inquiry.record.late:
            continue
        taker = _taker(event, said.attestation, governance)
        left, holder = said.leaf_index if holder == party != taker else left, taker
    return left


def own_parties(standing: Standing | None, relatives: Mapping[bytes, Standing]) -> frozenset[str]:
    """Who made or has a battery, or what it was made from: their word holds it."""
    old = (relatives.get(key) for key in made_from(standing, relatives))
    own = [party for one in (standing, *old) if one is not None for party in (one.producer, one.holder)]
    return frozenset(party for party in own if party is not None and party != PRIVATE)


def made_from(standing: Standing | None, relatives: Mapping[bytes, Standing]) -> list[bytes]:
    """The keys of what it was made from, and that in turn; what it was taken out of was more than it."""
    asked = list(standing.predecessors) if standing is not None else []
    for key in asked:
        old = relatives.get(key)
        asked += [one for one in (old.predecessors if old is not None else ()) if one not in asked]
    return asked


@dataclass(frozen=True, slots=True)
class SameHands:
    """The other batteries in its vehicle whose parts are asked for: those of its holder (I5).

    `lives`: each with what it came of; `batteries`: the keys of these and of what they were made from;
    `parties`: whose word holds one of them.
    """

    lives: Mapping[bytes, Mapping[bytes, Standing]]
    batteries: Sequence[bytes]
    parties: frozenset[str]


def of_same_hands(
    standing: Standing | None, beside: Mapping[bytes, Standing], kin: Mapping[bytes, LedgerView]
) -> SameHands:
    """Those of its holder, with what they came of."""
    holder = standing.holder if standing is not None else None
    same = [one for one in beside.values() if one.holder == holder not in (None, PRIVATE)]
    old = {one.key: kin[one.key].relatives if one.key in kin else {} for one in same}
    return SameHands(
        {one.key: {one.key: one, **old[one.key]} for one in same},
        [key for one in same for key in (one.key, *made_from(one, old[one.key]))],
        frozenset(party for one in same for party in own_parties(one, old[one.key])),
    )


def past_hands(record: Iterable[Recorded], governance: Governance) -> dict[str, int]:
    """The leaf at which its record has it leave the hands of each that had it, the last one each."""
    left, holder = dict[str, int](), None
    for said in record:
        event = governance.lifecycle.event(said.attestation.kind)
        if event is None or event.custody is None:
            continue
        taker = _taker(event, said.attestation, governance)
        if holder not in (None, taker, PRIVATE):
            left[str(holder)] = said.leaf_index
        holder = taker
    return left


def had_until(part: Standing, repair: Recorded, inquiry: Inquiry) -> int:
    """The leaf until which whoever has a part, or had it when it was put in, had the battery; 0: never."""
    then = as_it_stood(part, repair.attestation.event_time)
    until = max(held_until(party, inquiry) for party in {part.holder, *(stood.holder for stood in then)})
    return until if until > repair.leaf_index else 0


def _taker(event: Event, said: Attestation, governance: Governance) -> str:
    """Who has it afterwards."""
    if event.custody == "private":
        return PRIVATE
    return said.issuer if event.custody == "author" or not said.parties else governance.party(said.parties[0])
