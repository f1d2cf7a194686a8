"""The approval rules, restated from the order and the decisions alone: slow, plain, one case after the other.

Written without reading how the registry decides (amendment.py, the second half of proposals.py,
governance_state.py, dead_ends.py), from what was decided in words. `changes_of` says what a proposal changes
and what the records are afterwards; `missing` says who still has to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from tests.harness.constitution.tables import (
    APPROVALS,
    VALIDATOR_KEYS,
    VALIDATORS,
    Id,
    State,
    Table,
    is_authority,
    key_good,
    living,
    of_type,
    offices,
    owner_of,
    present,
    readable,
    stopped,
)

MEMBERS_OF = {"participant.moved": ("address",), "participant.described": ("name", "roles", "identifiers")}


class Never(Exception):
    """What is proposed cannot be done at all."""


@dataclass(frozen=True)
class Change:
    """One thing that a proposal does."""

    action: str
    place: str  # the jurisdiction it is of; "" for what is everybody's
    party: str  # whose affair it is
    weighty: bool = False  # all together, whatever the table of actions says
    needs_owner: bool = False  # and the owner's recovery key beside them
    setter: str = ""  # of the stop that is confirmed: its approval does not count
    only: str = ""  # whose approval alone counts: nobody sets a stop in another's name
    unseats: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Offer:
    """A proposal, as everybody reads it."""

    digest: bytes
    author: str
    by_recovery: bool
    changed: Mapping[Id, Table]
    base: Mapping[
        Id, bytes | Mapping[str, bytes | None] | None
    ]  # of members, where a party has some of its own
    expires: int
    height: int
    time: int  # when it was put on the ledger
    objectors: frozenset[str] = frozenset()  # authorities that lived then
    approvals: frozenset[str] = frozenset()
    held: Mapping[str, str] = field(default_factory=dict)  # party: the key with which it said so last
    against: frozenset[str] = frozenset()  # who objected
    recovery: str = ""  # the recovery key that signed it, as a record has it
    robbed_then: Mapping[str, frozenset[str]] = field(
        default_factory=dict
    )  # thefts known as each spoke for it


@dataclass
class Effect:
    """What a proposal would do now."""

    changes: list[Change] = field(default_factory=list)
    records: dict[Id, Table] = field(default_factory=dict)


def changes_of(offer: Offer, before: State, at: int) -> Effect:
    """Read off the records before and after; raises Never."""
    effect = Effect()
    for record, proposed in offer.changed.items():
        old, named = before.get(record), offer.base[record]
        table = proposed if not isinstance(named, Mapping) else _amended(old or {}, proposed, set(named))
        if old == table:
            raise Never(f"{record} is so already")
        if not readable(record, table):
            raise Never(f"{record} cannot be read")
        found, after = _READERS[record[0]](Case(record, old, table, before, at, offer))
        if not found:
            raise Never(f"{record}: nothing that has a name")
        effect.changes += found
        effect.records[record] = after
    return effect


def _amended(old: Table, proposed: Table, named: set[str]) -> Table:
    """The record of today with what was proposed of it: whatever else became of it meanwhile stays."""
    return {n: proposed[n] if n in named else old[n] for n in old.keys() | proposed.keys()
            if n in (proposed if n in named else old)}  # fmt: skip


# -- participants ----------------------------------------------------------------------------------------

Read = tuple[list[Change], Table]


class Case(NamedTuple):
    """One record of a proposal, before it and as it is proposed."""

    record: Id
    old: Table | None
    new: Table
    before: State
    at: int
    offer: Offer


def _participant(case: Case) -> Read:
    record, old, new, before, at, offer = case
    did, after = record[1], dict(new)
    if old is None:
        after["keys"] = [_new_key(k, at) for k in new["keys"]]
        if "left" in new:
            raise Never("nobody joins that left")
        first = new["jurisdiction"] not in {
            before["participant", who]["jurisdiction"]
            for who, licence in offices(before)
            if licence["valid_from"] <= at < licence.get("valid_until", at + 1)
            and is_authority(before, who, at)
        }  # fmt: skip
        return [Change("participant.admitted", new["jurisdiction"], did, weighty=first)], after
    if "left" in old:
        raise Never("it left")
    place, found = old["jurisdiction"], []
    if new["jurisdiction"] != place:
        raise Never("another jurisdiction")
    for action, members in MEMBERS_OF.items():
        if any(old.get(m) != new.get(m) for m in members):
            found.append(Change(action, place, did))
    office = is_authority(before, did, at)
    seat = frozenset({did}) if office else frozenset()
    mute = "recovery" not in old and _silenced(before, old, at)
    if old.get("recovery") != new.get("recovery"):
        found.append(Change("recovery.replaced", place, did, weighty=office or mute))
    if "left" in new:
        own = offer.by_recovery and offer.author == did
        action = "participant.left" if own else "participant.expelled"
        found.append(Change(action, place, did, weighty=office or mute, unseats=seat))
        after["left"] = max(new["left"], at)
    keys, after["keys"] = _keys(case, seat)
    return found + keys, after


def _silenced(before: State, party: Table, at: int) -> bool:
    """True of a party that can sign nothing: it, or one of its keys, is stopped, or none is good."""
    attest = [k for k in party["keys"] if k["role"] == "attest"]
    names = [party["did"], *(k["id"] for k in attest)]
    return any(stopped(before, name, at) for name in names) or not any(key_good(k, at) for k in attest)


def heard_since(before: State, did: str) -> int:
    """When whoever has no recovery key could last say something again after a stop."""
    party = before.get(("participant", did))
    if party is None or "recovery" in party:
        return 0
    names = [did, *(k["id"] for k in party["keys"] if k["role"] == "attest")]
    ends: list[int] = [before.get(("stop", name), {}).get("until", 0) for name in names]
    return max(ends)


def _keys(case: Case, seat: frozenset[str]) -> tuple[list[Change], list[Table]]:
    """What becomes of the keys on record, and which follow them."""
    assert case.old is not None, "somebody who joins has none on record"
    (_, did), before, at, place = case.record, case.before, case.at, case.old["jurisdiction"]
    old, new = case.old["keys"], case.new["keys"]
    if len(new) < len(old):
        raise Never("keys are left out")
    after: list[Table] = []
    touched: dict[str, set[str]] = {"keys.rotated": set(), "keys.compromised": set()}
    for was, is_ in zip(old, new[: len(old)], strict=True):
        dates = ("valid_until", "compromised_from")
        if {n: v for n, v in was.items() if n not in dates} != {
            n: v for n, v in is_.items() if n not in dates
        }:
            raise Never("keys stay as they are, in their order")
        kept = dict(is_)
        for name, action in zip(dates, touched, strict=True):
            if was.get(name) == is_.get(name):
                continue
            if name not in is_ or is_[name] > was.get(name, is_[name]):
                raise Never("an end is put off, a theft taken back")
            if name == "compromised_from":
                if is_[name] > at:
                    raise Never("a theft that is still to come")
            else:
                kept[name] = max(is_[name], at)
                if kept[name] > was.get(name, kept[name]):
                    raise Never("it ended already")
                if kept[name] <= is_["valid_from"]:
                    raise Never("it ends before it begins")
            touched[action].add(is_["role"])
        after.append(kept)
    for key in new[len(old) :]:
        after.append(_new_key(key, at))
        touched["keys.rotated"].add(key["role"])
    votes = did in before[VALIDATORS]["participants"]
    open_roles = {k["role"] for k in after if not {"valid_until", "compromised_from"} & k.keys()}
    if votes and not open_roles >= set(VALIDATOR_KEYS):
        raise Never("a validator goes on with its next key")
    found = []
    for action, roles in touched.items():
        if roles:
            heavy = votes and bool(roles & set(VALIDATOR_KEYS))
            found.append(
                Change(
                    action,
                    place,
                    did,
                    heavy,
                    needs_owner=True,
                    unseats=seat if "attest" in roles else frozenset(),
                )
            )
    return found, after


def _new_key(key: Table, at: int) -> Table:
    if {"compromised_from", "valid_until"} & key.keys():
        raise Never("a new key that has an end already")
    return {**key, "valid_from": max(key["valid_from"], at)}


# -- licences, recognitions, stops -----------------------------------------------------------------------


def _dated(case: Case) -> Read:
    record, old, new, _before, at, _ = case
    kind = record[0]
    party = new["participant"] if kind == "accreditation" else new["authority"]
    office = kind == "accreditation" and "authority" in new["roles"]
    # Whose office it is has its seat as long as the next block knows it, be it decided already that it goes.
    seat = frozenset({party}) if office else frozenset[str]()

    def change(what: str, *, ends: bool = False) -> list[Change]:
        return [
            Change(
                f"{kind}.{what}", new["jurisdiction"], party, office, unseats=seat if ends else frozenset()
            )
        ]

    after = dict(new)
    end_differs = old is None or old.get("valid_until") != new.get("valid_until")
    if "valid_until" in new and end_differs:
        after["valid_until"] = max(new["valid_until"], at)
    if after.get("valid_until", at + 1 + after["valid_from"]) <= after["valid_from"]:
        raise Never("it ends before it begins")
    if old is None:
        if new.get("suspended"):
            raise Never("nothing begins suspended")
        return change("given"), after
    if old.get("valid_until", at + 1) <= at:
        raise Never("it is over")
    were, are = old.get("suspended", []), new.get("suspended", [])
    if end_differs:
        if (
            were != are
            or "valid_until" not in new
            or new["valid_until"] > old.get("valid_until", new["valid_until"])
        ):
            raise Never("an end is put off, or two things are done at once")
        return change("withdrawn", ends=True), after
    open_ = bool(were) and len(were[-1]) == 1
    if not open_ and are and are[:-1] == were and len(are[-1]) == 1:
        start = max(are[-1][0], at)
        if were and start < were[-1][1]:
            raise Never("suspensions follow each other")
        after["suspended"] = [*were, [start]]
        return change("suspended", ends=True), after
    if open_ and are and are[:-1] == were[:-1] and len(are[-1]) == 2 and are[-1][0] == were[-1][0]:
        start, end = are[-1]
        if end > max(at, start):
            raise Never("whoever is to come back later is none to count on")
        after["suspended"] = [*were[:-1], [start, max(at, start)]]
        return change("reinstated"), after
    raise Never("neither an end, nor a suspension, nor the end of one")


def _stop(case: Case) -> Read:
    record, old, new, before, at, _ = case
    target = record[1]
    owner = owner_of(before, target)
    if owner is None:
        raise Never("nobody's")
    place, office = before["participant", owner]["jurisdiction"], is_authority(before, owner, at)
    seat = frozenset({owner}) if office else frozenset()
    if old is None or not stopped(before, target, at):
        if "lifted" in new:
            raise Never("there is nothing to lift")
        if "until" not in new:
            raise Never("a stop begins with an end")
        again = (old is not None and "lifted" not in old) or _quiet(before, owner, at)
        stop = {"target": target, "by": new["by"], "since": at, "until": at + before[APPROVALS]["stop_s"]}
        return [Change("stop.set", place, owner, office or again, unseats=seat, only=new["by"])], stop
    same = all(old[name] == new[name] for name in ("target", "by", "since"))
    if same and new.get("lifted"):
        return [Change("stop.lifted", place, owner, office)], {**old, "until": at, "lifted": True}
    if same and "until" in old and "until" not in new:
        after = {name: old[name] for name in ("target", "by", "since")}
        return [Change("stop.confirmed", place, owner, office, setter=old["by"])], after
    raise Never("a stop is confirmed or lifted, nothing else")


def _quiet(before: State, owner: str, at: int) -> bool:
    """True for a while after any stop of a party or its keys has ended: then one authority is not enough."""
    while_s = 10 * before[APPROVALS]["stop_s"]
    ends = [stop["until"] for name, stop in of_type(before, "stop")
            if "until" in stop and owner_of(before, name) == owner]  # fmt: skip
    return any(end <= at < end + while_s for end in ends)


# -- what is everybody's ---------------------------------------------------------------------------------


def _everybodys(action: str) -> Callable[..., Read]:
    def read(case: Case) -> Read:
        return [Change(action, "", "", weighty=True)], case.new

    return read


def _validators(case: Case) -> Read:
    old, new = case.old, case.new
    assert old is not None, "genesis has validators"
    stay = [did for did in old["participants"] if did in new["participants"]]
    if new["participants"][: len(stay)] != stay:
        raise Never("those that stay keep their order")
    return [Change("validators.changed", "", "", weighty=True)], new


_READERS: dict[str, Callable[..., Read]] = {
    "participant": _participant,
    "accreditation": _dated,
    "recognition": _dated,
    "stop": _stop,
    "validators": _validators,
    "limits": _everybodys("limits.changed"),
    "approvals": _everybodys("approvals.changed"),
    "rule": _everybodys("rules.changed"),
    "app_version": _everybodys("rules.changed"),
}


# -- whose approval --------------------------------------------------------------------------------------


FOR_GOOD = ("recovery.replaced", "participant.expelled")  # to be objected to


def sort_of(change: Change, rules: Table, offer: Offer) -> str:
    """own, recovery, authority or network."""
    if change.weighty or (offer.against and change.action in FOR_GOOD):
        return "network"
    return str(rules["actions"][change.action])


def together(effect: Effect, rules: Table, offer: Offer) -> bool:
    """True of what governs the second block, because all decide it."""
    return any(sort_of(c, rules, offer) == "network" for c in effect.changes)


def missing(offer: Offer, effect: Effect, rules: Table, current: State, at: int) -> list[str]:
    """What is not there yet; empty: it can be decided. `current` governs the next block."""
    alive = living(current, at)
    yes = {did: alive[did] for did in offer.approvals if did in alive}
    votes, lacks = Votes(rules, alive, yes), list[str]()
    all_ = together(effect, rules, offer)
    emptied = _emptied(effect, alive) if all_ else set()
    others = set(alive) - frozenset[str]().union(*(c.unseats for c in effect.changes)) if emptied else set()
    if offer.against and len(others) < rules["approvals_min"]:
        others = set()  # too few to go on without whoever is there and does not want to go
    for change in effect.changes:
        lacks += _missing_of(change, offer, votes, bool(others))
        lacks += _believed(change, offer, votes, current, at)
    if all_ and not all(c.action.startswith("stop.") for c in effect.changes):
        silenced = [place for place in rules["jurisdictions"] if place not in alive.values()]
        for (kind, target), stop in current.items():
            owner = target.split("#")[0]
            if kind != "stop" or current["participant", owner]["jurisdiction"] not in silenced:
                continue
            if is_authority(current, owner, at) and at < stop.get("until", 0) and stop["since"] <= at:
                lacks.append(f"the end of the stop of {target}")
    if emptied:
        # (who has to approve; how long it waits is the same for all)
        lacks += [f"{did} (all others)" for did in sorted(others) if did not in yes]
        if at < offer.time + rules["removal_s"]:
            lacks.append("the wait before a removal")
    actions = {change.action for change in effect.changes}
    lacks += _objected(offer, effect, votes, current, at)
    if "rules.changed" in actions and not _held(offer, current, at):
        lacks.append("validators that hold it")
    return lacks


def _believed(change: Change, offer: Offer, votes: Votes, current: State, at: int) -> Iterator[str]:
    """What somebody stopped wants for itself is believed by whoever could have stopped it."""
    rules, alive, yes = votes
    if sort_of(change, rules, offer) in ("network", "authority") or not stopped(current, change.party, at):
        return
    if is_authority(current, change.party, at):
        yield from _all_together(rules, alive, yes)
    elif not any(alive[did] == change.place for did in yes):
        yield f"an authority of {change.place} that believes {change.party}"


def _objected(offer: Offer, effect: Effect, votes: Votes, current: State, at: int) -> Iterator[str]:
    """What is done to a party for good waits for its objection, and more agree to it after one."""
    rules, alive, yes = votes
    final = [change for change in effect.changes if change.action in FOR_GOOD]
    for change in final:
        heard = max(offer.time, heard_since(current, change.party))
        if at < heard + rules["objection_s"]:
            yield f"the wait for an objection of {change.party}"
    grave = {
        c.party for c in final if c.weighty or rules["actions"][c.action] == "network"
    } if offer.against else set()  # fmt: skip
    if grave:
        yield from (f"{did} (every other one)" for did in sorted(set(alive) - grave - set(yes)))


class Votes(NamedTuple):
    """Who lives, and who of them stands behind a proposal."""

    rules: Table
    alive: Mapping[str, str]
    yes: Mapping[str, str]


def _missing_of(change: Change, offer: Offer, votes: Votes, by_all_others: bool) -> Iterator[str]:
    rules, alive, yes = votes
    sort = sort_of(change, rules, offer)
    if (sort == "recovery" or change.needs_owner) and not (
        offer.by_recovery and offer.author == change.party
    ):
        yield f"{change.party}'s recovery key"
    if sort == "own" and (offer.by_recovery or offer.author != change.party):
        yield f"{change.party} itself"
    if sort == "authority":
        here = {did for did, place in alive.items() if place == change.place}
        if change.setter and not here - {change.setter}:
            yield from _all_together(rules, alive, yes)
        elif not {d for d in here if d != change.setter and change.only in ("", d)} & yes.keys():
            yield f"an authority of {change.place}"
    if sort == "network" and not by_all_others:
        yield from _all_together(rules, alive, yes)


def _all_together(rules: Table, alive: Mapping[str, str], yes: Mapping[str, str]) -> Iterator[str]:
    if len(yes) < rules["approvals_min"]:
        yield f"{rules['approvals_min'] - len(yes)} more authorities"
    for place in rules["jurisdictions"]:
        if place in alive.values() and place not in yes.values():
            yield f"an authority of {place}"


def _emptied(effect: Effect, alive: Mapping[str, str]) -> set[str]:
    """The jurisdictions that would be without a living authority."""
    going = frozenset[str]().union(*(change.unseats for change in effect.changes))
    return set(alive.values()) - {place for did, place in alive.items() if did not in going}


def _held(offer: Offer, current: State, at: int) -> bool:
    voters = current[VALIDATORS]["participants"]
    return sum(did in voters for did in holding(offer, current, at)) >= len(voters) * 2 // 3 + 1


def thefts(state: State, did: str) -> frozenset[str]:
    """The keys with which it speaks that are known to be somebody else's too."""
    keys = state["participant", did]["keys"]
    return frozenset(k["id"] for k in keys if k["role"] == "attest" and "compromised_from" in k)


def meant(offer: Offer, state: State) -> Offer:
    """The same with those approvals alone whose givers know of no theft that they did not know of then."""
    still = frozenset(did for did in offer.approvals if thefts(state, did) == offer.robbed_then[did])
    return replace(offer, approvals=still)


def holding(offer: Offer, current: State, at: int) -> list[str]:
    """Those whose word that they hold it stands: there, silenced by nobody, their key not another's."""
    found = []
    for did, kid in offer.held.items():
        party = current["participant", did]
        stolen = any(k["id"] == kid and "compromised_from" in k for k in party["keys"])
        silenced = stopped(current, did, at) or stopped(current, kid, at)
        if present(party, at) and not silenced and not stolen:
            found.append(did)
    return found


def objectors_to(change: Change, homes: Mapping[str, str]) -> set[str]:
    """Who can object: the party, and the authorities of its side that lived when it was proposed."""
    return {change.party, *(did for did, place in homes.items() if place == change.place)}


def can_object(changes: list[Change], homes: Mapping[str, str], alive: Mapping[str, str]) -> set[str]:
    """Everybody who can: `homes` are the authorities that lived when it was proposed, `alive` live now."""
    going = frozenset[str]().union(*(c.unseats for c in changes if not c.action.startswith("keys.")))
    empties = any(
        known[gone] not in {place for did, place in known.items() if did not in going}
        for known in (homes, alive)
        for gone in going & known.keys()
    )
    found = set[str]()
    for change in changes:
        if change.action in FOR_GOOD or (empties and change.unseats & going):
            found |= objectors_to(change, homes)
    return found


def targets_for_good(offer: Offer, before: State) -> Iterator[tuple[str, str]]:
    """(party, its jurisdiction) of whoever would go, or get another recovery key."""
    for (kind, did), table in offer.changed.items():
        old: Any = before.get((kind, did)) if kind == "participant" else None
        office: str | None = owner_of(before, did) if kind == "stop" else None
        if kind == "accreditation" and "authority" in table["roles"]:
            office = table["participant"]
        if office is not None and ("participant", office) in before:
            yield office, before["participant", office]["jurisdiction"]
        if old is not None and any(old.get(n) != table.get(n) for n in ("recovery", "left")):
            yield did, old["jurisdiction"]


def touches_rules(offer: Offer) -> bool:
    """True if validators have to hold something for it."""
    return any(kind in ("rule", "app_version") for kind, _ in offer.changed)


def to_be_had(offer: Offer) -> bool:
    """True unless it brings a file that nobody has, or a version whose code nobody has."""
    return "00" * 32 not in str(offer.changed) and not any(kind == "app_version" for kind, _ in offer.changed)


def parties(state: State) -> list[str]:
    """Every participant on record."""
    return [did for did, _ in of_type(state, "participant")]
