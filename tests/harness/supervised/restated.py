"""Alerts, masses, sums and duties, said anew: everything looked up again in the whole list each time.

Of the code it imports nothing. It reads statements as they stand on the log, and says by whom each alert is
to be seen, as the issue has it: whoever supervises a side that has a hand in it, and whoever spoke.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

ADMITTED, CLAIM, REFUSED = "admitted", "claim", "refused"
OFFICIALS = {"authority", "customs", "customs_origin", "registration_authority", "market_surveillance"}
BY_RULE = {
    "X1": "duplicate_passport",
    "X2": "produced_twice",
    "X4": "counted_twice",
    "X5": "second_vehicle",
    "X8": "consumed_twice",
    "X12": "declared_twice",
}
# What an admitted statement alerts to, what tells two of them apart, and whether authorities are told.
BY_EVENT: dict[str, tuple[str, str, str]] = {
    "battery.reported_lost": ("reported_lost", "battery", "side"),
    "battery.recalled": ("recalled", "battery party", "side"),
    "recall.published": ("recall_published", "leaf", "every"),
    "passport.suspended": ("passport_suspended", "battery party", "nobody"),
    "passport.revoked": ("passport_revoked", "battery party", "nobody"),
    "customs.refused": ("refused_at_the_border", "battery party", "side"),
    "record.contested": ("contested", "battery party", "side"),
    "attestation.voided": ("voided", "battery leaf", "side"),
}
UNDOING = ("attestation.corrected", "attestation.voided", "record.withdrawn")
WEIGHING = ("recycling.received", "recycling.completed", "material.recovered")
FOREVER = 1 << 53
IN_HAND = {
    *("battery.swapped_out", "battery.replaced", "battery.maintained", "soh.measured", "waste.collected"),
    *("second_life.prepared_for_reuse", "second_life.prepared_for_repurposing", "second_life.repurposed"),
    *("second_life.remanufactured", "battery.dismantled", "recycling.received"),
}
ONCE = {  # what happens once to a battery, as the table's X4 has it
    "vehicle.scrapped": "waste",
    "battery.declared_waste": "waste",
    "recycling.received": "received",
}
METALS = ("co", "ni", "li", "cu", "mn")


@dataclass(frozen=True, slots=True)
class Told:
    """One statement on the log: what became of it, who said it, about what."""

    leaf: int
    at: int
    outcome: str
    by: str
    about: bytes  # the key of its battery; of a recall of many, of no battery
    maker: str
    digest: bytes
    event: str = ""  # of a refused one the log does not say
    rule: str = ""
    parties: tuple[str, ...] = ()
    grams: Mapping[str, int] = field(default_factory=dict)
    named: tuple[bytes, ...] = ()  # statements that it names by their digest
    of_one: bool = True
    happened: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """An alert as one party sees it, once all is told."""

    code: str
    rule: str
    party: str
    maker: str
    battery: bytes | None
    times: int
    because: tuple[str, ...]


class World:
    """Where the parties are at home and what they are accredited for."""

    def __init__(self, homes: Mapping[str, str], roles: Mapping[str, Sequence[str]]) -> None:
        self.homes, self.roles = homes, roles

    def supervises(self, did: str) -> str | None:
        """The side that an authority supervises."""
        return self.homes[did] if OFFICIALS & set(self.roles.get(did, ())) else None


def alerts(told: Sequence[Told], world: World, did: str) -> list[Seen]:
    """Every alert that this party sees, whatever the order in which they came."""
    found: dict[tuple[object, ...], Seen] = {}
    for one in told:
        for code, rule, apart, whom in _raised(told, one, world):
            because = _because(told, one, world, did, whom)
            if not because:
                continue
            battery = one.about if one.of_one else None
            parts = {"battery": battery, "party": one.by, "leaf": one.leaf, "rule": rule, "maker": one.maker}
            key = (code, *(parts[name] for name in apart.split()))
            first = found.get(key)
            if first is None:
                found[key] = Seen(code, rule, one.by, one.maker, battery, 1, because)
            else:
                found[key] = Seen(
                    code, rule, first.party, first.maker, first.battery, first.times + 1, because
                )
    return sorted(found.values(), key=repr)


def _raised(told: Sequence[Told], one: Told, world: World) -> Iterator[tuple[str, str, str, str]]:
    """(code, rule, what tells two apart, which authorities) of each alert that a statement raises."""
    admitted = one.outcome == ADMITTED
    if one.outcome == REFUSED:
        yield BY_RULE.get(one.rule, "refused_by_rule"), one.rule, "rule battery party", "side"
    elif one.event in ONCE and said_before(told, one) and (admitted or one.by in _hands(told, one, world)):
        yield "counted_twice", "X4", "rule battery party", "side"
    elif one.outcome == CLAIM:
        yield "claimed", "", "party maker", "side"
    else:
        if one.event in WEIGHING and does_not_balance(told, one):
            yield "mass_balance", "X13", "battery party", "side"
        if one.event in IN_HAND and no_journey(told, one, world):
            yield "impossible_travel", "X12", "battery party", "side"
        if one.event in BY_EVENT:
            code, apart, whom = BY_EVENT[one.event]
            yield code, "", apart, whom


def said_before(told: Sequence[Told], one: Told) -> bool:
    """Something of the same end is on record before it, taken back by nobody: counted once, said again."""
    record = _on_record(told, one.about, one.leaf - 1)
    return any(ONCE.get(said.event) == ONCE[one.event] for said in _left(record))


def no_journey(told: Sequence[Told], one: Told, world: World) -> bool:
    """Somebody of another side had it in hand within eight hours, before or after, and did not unsay that."""
    record = _on_record(told, one.about, one.leaf)
    held = [said for said in _left(record) if said.event in IN_HAND]
    near = [said for said in held if abs(said.happened - one.happened) < 8 * 3_600]
    return any({world.homes[said.by], world.homes[one.by]} == {"CN", "EU"} for said in near)


def _because(told: Sequence[Told], one: Told, world: World, did: str, whom: str) -> tuple[str, ...]:
    speakers = {one.by} | _hands(told, one, world)
    own = world.supervises(did)
    as_authority = own is not None and (
        whom == "every" or (whom == "side" and own in {world.homes[name] for name in speakers})
    )
    as_author = did in speakers
    return tuple(["authority"] * as_authority + ["author"] * as_author)


def _hands(told: Sequence[Told], one: Told, world: World) -> set[str]:
    """Who spoke on the record of its battery up to it, or was named there."""
    record = _on_record(told, one.about, one.leaf)
    return {did for said in record for did in (said.by, *said.parties) if did in world.homes}


# -- masses ----------------------------------------------------------------------------------------------


def standing_statements(told: Sequence[Told], about: bytes, world: World) -> list[Told]:
    """What counts of a battery: without what was taken back.

    Where its maker produced it after a stranger had enrolled it, what was said on the enrolment counts for
    nothing, unless an authority or that maker spoke on it (credentials 0655).
    """
    record = _on_record(told, about, FOREVER)
    made = [one for one in record if one.event == "battery.produced"]
    if made and any(one.event == "battery.enrolled" for one in record):
        before = [one for one in record if one.leaf < made[0].leaf]
        if not any(one.by == made[0].by or world.supervises(one.by) for one in before):
            record = [one for one in record if one.leaf >= made[0].leaf]
    return _left(record)


def _left(record: Sequence[Told]) -> list[Told]:
    """What of a record nobody took back: what is withdrawn, with all that was said since, up to that."""
    gone = {digest for one in record if one.event in UNDOING for digest in one.named}
    for one in record:
        if one.event == "record.withdrawn":
            first = [earlier.leaf for earlier in record if earlier.digest in one.named]
            gone |= {e.digest for e in record if first and first[0] <= e.leaf < one.leaf}
    return [one for one in record if one.digest not in gone]


def _on_record(told: Sequence[Told], about: bytes, until: int) -> list[Told]:
    return [one for one in told if one.about == about and one.leaf <= until and one.outcome == ADMITTED]


def does_not_balance(told: Sequence[Told], one: Told) -> bool:
    """X13: received within 5 % of what it weighed when it was made; no more out than in; no more lots."""
    record = _left(_on_record(told, one.about, one.leaf))

    def newest(event: str, *members: str) -> int | None:
        for said in reversed(record):
            if said.event == event and (event == "recycling.completed" or set(members) & set(said.grams)):
                return sum(said.grams.get(name, 0) for name in members)
        return None

    made = newest("battery.produced", "mass_grams")
    taken = newest("recycling.received", "mass_in_grams")
    out = newest("recycling.completed", *(f"{metal}_out_grams" for metal in METALS))
    lots = sum(said.grams.get("mass_grams", 0) for said in record if said.event == "material.recovered")
    bounds = [
        (taken, None if made is None else made + made * 5 // 100),
        (out, taken),
        (lots, out),
        (lots, taken),
    ]
    return any(grams is not None and most is not None and grams > most for grams, most in bounds)


def sums(told: Sequence[Told]) -> Counter[tuple[str, str, str]]:
    """(party, event, "events" or "grams") -> how much; what lost by a rule is an event of its own."""
    found = Counter[tuple[str, str, str]]()
    for one in told:
        if one.outcome == CLAIM:
            continue
        event = one.event if one.outcome == ADMITTED else "refused"
        found[one.by, event, "events"] += 1
        if event == "recycling.completed":
            grams = sum(value for name, value in one.grams.items() if name[2:] == "_out_grams")
        else:
            grams = one.grams.get("mass_grams", one.grams.get("mass_in_grams", 0))
        found[one.by, event, "grams"] += grams if one.outcome == ADMITTED else 0
    return +found


# -- duties ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """A statement with the times that a duty is counted by."""

    event: str
    by: str
    side: str
    happened: int
    recorded: int
    leaf: int


Owed = tuple[
    str, str, str, str, str, int, int | None, int
]  # name, sort, state, side, who, until, closed, leaf


def last_second(rows: Mapping[str, Any], side: str, since: int, days: int) -> int:
    """The last second of so many working days after a moment, a day at a time, by that side's days."""
    (calendar,) = [one for one in rows["calendar"] if one["jurisdiction"] == side]
    day = date(1970, 1, 1) + timedelta(days=(since + calendar["utc_offset_s"]) // 86_400)
    while days > 0:
        day += timedelta(days=1)
        text = day.isoformat()
        rests = day.isoweekday() in calendar["weekend"] or text in calendar["holidays"]
        if text in calendar["working"] or not rests:
            days -= 1
    after = (day - date(1970, 1, 1)).days + 1
    return int(after * 86_400 - calendar["utc_offset_s"] - 1)


def duties(
    said: Sequence[Said], rows: Mapping[str, Any], life: Mapping[str, Any], holder: str | None, now: int
) -> list[Owed]:
    """What is owed on one battery: reports that came late, answers that are due, overdue or came late."""
    found: list[Owed] = []
    for place, one in enumerate(said):
        limits = [] if one.event in rows["answered_by_another"] else _limits(life, one.event)
        for side, days in limits:
            until = last_second(rows, side, one.happened, days)
            if side == one.side and one.recorded > until:
                found.append((one.event, "report", "late", side, one.by, until, one.recorded, one.leaf))
        for row in rows["answer"]:
            if one.event not in row["opened_by"] or row["jurisdiction"] != one.side:
                continue
            begins = date.fromisoformat(row.get("from", "1970-01-01")) - date(1970, 1, 1)
            if one.happened < begins.days * 86_400:
                continue
            if row["working_days"] == 0 and any(b.event in row["closed_by"] for b in said[:place]):
                continue  # it was there before it was asked for
            until = last_second(rows, one.side, one.happened, row["working_days"])
            answer = next((a for a in said[place + 1 :] if a.event in row["closed_by"]), None)
            if answer is not None and answer.happened <= until:
                continue
            state = "late" if answer is not None else "overdue" if now > until else "due"
            who = one.by if row["owes"] == "author" else holder or ""
            closed = answer.recorded if answer is not None else None
            found.append((row["name"], "answer", state, one.side, who, until, closed, one.leaf))
    return sorted(found, key=repr)


def _limits(life: Mapping[str, Any], event: str) -> list[tuple[str, int]]:
    rows = [one for one in life["events"] if one["type"] == event]
    return [(d["jurisdiction"], d["working_days"]) for row in rows for d in row.get("duties", ())]
