"""The cell of a battery that is shown: one word for every axis of shown-as.toml, from record and line (I7).

What the record shows of use is more than its marks: a statement that shows use by being there, a reading that
no new battery has, a second vehicle. Corrected or not, it counts; only voiding takes it out (I1, I6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from credentials.ledger.attestation import Attestation
from credentials.ledger.rules import PUT_IN
from credentials.ledger.standing import (
    LIVE,
    PARTY,
    PASSPORT_SUSPENDED,
    SECOND_LIFE,
    WASTE,
    Setting,
    Standing,
)
from credentials.verdicts.content import LAW_NOT_GIVEN, no_passport
from credentials.verdicts.event_documents import event_members
from credentials.verdicts.evidence import declaration_text
from credentials.verdicts.hands import ALWAYS, held_until
from credentials.verdicts.kin import recalls_of_kin
from credentials.verdicts.record import Inquiry, Recorded
from credentials.verdicts.shown_as import NOT_GIVEN, ShownAs
from credentials.verdicts.tests_read import tests_of

Cell = Mapping[str, str]
HERE, ELSEWHERE = "here", "elsewhere"
CLOSED = "closed"  # of the axis `presented`
ENDED = "ended"  # of the axis `use`


@dataclass(frozen=True, slots=True)
class Declared:
    """As what the battery is shown; None: the line does not say. `asked` False: there is no line at all."""

    direction: str
    goods: str | None = None
    condition: str | None = None
    declaration: str | None = None
    vin: str | None = None
    details: tuple[tuple[str, str | None], ...] = ()  # what a presentation on record says as well
    manifest: bool = False  # the line is one of a declaration, whose number may be missing
    asked: bool = True


def cell_of(table: ShownAs, standing: Standing, inquiry: Inquiry, declared: Declared) -> Cell:
    """The word of every axis, for this standing and this declaration."""
    here = inquiry.policy.jurisdiction
    goods = declared.goods if declared.goods in table.words["goods"] else NOT_GIVEN
    lineage = {table.lineage_of[mark] for mark in standing.marks if mark in table.lineage_of}
    family = (standing, *inquiry.relatives())
    if any(one.enrolled is not None and one.producer is not None for one in family):
        lineage.add("disputed")
    uses = set(_uses(table, standing, inquiry))
    return {
        "state": _state(standing, inquiry),
        "eu_status": standing.eu_status,
        "publication": _publication(standing, inquiry),
        "use": max(uses, key=table.words["use"].index, default="unused"),
        "lineage": max(lineage, key=table.words["lineage"].index, default="none"),
        "placed": _where(_placed(standing, inquiry), here, never="never"),
        "presented": _presented(table, standing, inquiry, declared),
        "recall": _where(recalls(standing, inquiry), here),
        "lost": _where(binding("lost", standing, inquiry), here),
        "refusal": _where(binding("refused", standing, inquiry), here),
        "goods": goods,
        "condition": declared.condition or NOT_GIVEN,
        "direction": declared.direction,
    }


def _state(standing: Standing, inquiry: Inquiry) -> str:
    """The item state; a battery that travels in its vehicle is in it, wherever the vehicle is (D630).

    What was told late to have ended it did: the state of its record is of what nobody has any more.
    """
    ended = _ended_late(inquiry)
    if ended is not None:
        return ended
    rule = inquiry.events.get("inItsVehicle")
    if rule is None or standing.bound is None or standing.item_state not in rule["states"]:
        return standing.item_state
    state: str = rule["as"]
    return state


def _ended_late(inquiry: Inquiry) -> str | None:
    """The state in which others would have been made or taken out of it, as was told late; None: not told."""
    record, governance = inquiry.record, inquiry.evidence.network.governance
    if not record.late or governance is None:
        return None
    late = (r.attestation.kind for r in record.shown() if r.leaf_index in record.late)
    events = (event for kind in late if (event := governance.lifecycle.event(kind)) is not None)
    became = (
        event for event in events if event.effects.consumes is not None or event.effects.claims_children
    )
    return next((event.to for event in became), None)


def binding(name: str, standing: Standing, inquiry: Inquiry) -> dict[str, Setting]:
    """What is set under this name for this battery, or for what it was made from or taken out of (I2).

    Neither a new code nor a new passport gets round what an authority set on the old one (D722). What its
    operator paused is the old passport, which ended with the old battery (D730).
    """
    found: dict[str, Setting] = {}
    for one in inquiry.relatives():
        kept = one.settings(name).items()
        found.update({key: s for key, s in kept if s.role or name != PASSPORT_SUSPENDED})
    return {**found, **standing.settings(name)}


def _placed(standing: Standing, inquiry: Inquiry) -> dict[str, Setting]:
    """Where it was placed; where customs released it, too, but for the release it is under now."""
    events = inquiry.events
    under = standing.item_state in events.get("underDeclaration", ())
    latest = presentation(standing, inquiry) if under else None
    released = {
        where: setting
        for where, setting in standing.settings("released").items()
        if latest is None or setting.leaf_index < latest.leaf_index
    }
    return {**released, **standing.settings("placed")}


def in_its_vehicle(standing: Standing, inquiry: Inquiry, declared: Declared) -> bool:
    """True if the line names the vehicle in which the record has the battery."""
    vehicle = inquiry.evidence.subjects.get(declared.vin or "")
    bound = standing.bound_asset
    if declared.goods != "in_vehicle" or vehicle is None or bound is None:
        return False
    return vehicle.as_list() == bound.as_list()


def _publication(standing: Standing, inquiry: Inquiry) -> str:
    if binding("banned", standing, inquiry):
        return "banned"
    passport = standing.passport
    if (passport is None or passport.status == LIVE) and binding(PASSPORT_SUSPENDED, standing, inquiry):
        # Whatever became of another suspension; of a module without a passport, that of its pack (D722).
        return "suspended"
    if passport is None:
        asked = no_passport(inquiry) not in ("passport_not_yet_required", LAW_NOT_GIVEN)
        return "none" if asked else "not_yet"
    return passport.status


def recalls(standing: Standing, inquiry: Inquiry) -> dict[str, Setting]:
    """Every recall that reaches this battery or what it was made from: of an item, or of codes or days."""
    view = inquiry.evidence.ledger
    reaching = (*(view.recalls if view is not None else ()), *recalls_of_kin(inquiry))
    found = {recall.jurisdiction: Setting(recall.by, recall.leaf_index, recall.role) for recall in reaching}
    return {**found, **binding("recalled", standing, inquiry)}


def _where(settings: Mapping[str, Setting], here: str, *, never: str = "none") -> str:
    """Here: set for this jurisdiction, or by a party whose word counts everywhere (its maker, its holder)."""
    if here in settings or PARTY in settings:
        return HERE
    return ELSEWHERE if settings else never


def _presented(table: ShownAs, standing: Standing, inquiry: Inquiry, declared: Declared) -> str:
    """The presentation that is open, or under which it was released, against this declaration (X12).

    What is declared to customs here leaves under that declaration, or once they closed it (D888). What they
    closed has done its work: nothing more comes in under it (D903).
    """
    word, there = _declared_where(standing, inquiry, declared), standing.presentation
    comes_in = declared.direction == "import" and CLOSED in table.words["presented"] and word != ELSEWHERE
    if comes_in and ((word == HERE and there is None) or _closed(standing, inquiry, declared)):
        return CLOSED
    leaves = declared.direction == "export" and declared.asked
    if leaves and there is not None and there.jurisdiction == inquiry.policy.jurisdiction and word != HERE:
        return "open"
    return word


def _closed(standing: Standing, inquiry: Inquiry, declared: Declared) -> bool:
    """True if customs closed this declaration: released the battery under it, or have none open now.

    It was made here or came here, and may have gone on from here: whichever office closed it, it is over.
    """
    if declared.declaration is None:
        return False
    events = inquiry.events
    moving, releasing = events.get("moved", ()), events.get("released", ())
    number, released, here = declaration_text(declared.declaration), False, False
    for step in reversed(inquiry.record.of_kinds([*events.get("presentation", ()), *moving, *releasing])):
        said = step.attestation
        if said.kind in releasing:
            released = True
            continue
        here = here or _is_here(said, inquiry)
        if said.kind in moving:
            continue
        if here and (released or standing.presentation is None):
            members = event_members(inquiry, step) or {}
            if declaration_text(str(members.get("declaration_number"))) == number:
                return True
        released, here = False, False
    return False


def _is_here(said: Attestation, inquiry: Inquiry) -> bool:
    """True if goods are declared, or moved, to the side that judges: as the ledger finds it (D1023).

    By the licence of the office that is named, or of the author: at home where it has one there.
    """
    governance, office = inquiry.evidence.network.governance, (*said.parties, said.issuer)[0]
    party = governance.participant(office) if governance is not None else None
    event = governance.lifecycle.event(said.kind) if governance is not None else None
    if governance is None or party is None or event is None:
        return False
    roles = governance.lifecycle.customs_roles if said.parties else frozenset(event.attesters)
    about = said.subject
    sides = governance.sides(office, roles, about.scheme, about.namespace, said.event_time)
    side = party.jurisdiction if party.jurisdiction in sides else min(sides, default=party.jurisdiction)
    return side == inquiry.policy.jurisdiction


def _declared_where(standing: Standing, inquiry: Inquiry, declared: Declared) -> str:
    """The same, wherever the goods go."""
    if declared.direction == "inland" and about_in_no_country(standing, inquiry):
        return "open"
    latest = presentation(standing, inquiry)
    if latest is None and standing.presentation is None:
        asked = declared.manifest and "standing.presentation" in inquiry.policy.required
        return "none" if asked else "unasked"
    if standing.presentation is not None:
        elsewhere = standing.presentation.jurisdiction != inquiry.policy.jurisdiction
        if elsewhere and declared.asked:
            return ELSEWHERE  # a scan sees as much as a manifest
    else:
        # Where customs released it is where it is, whichever side's office that is established on.
        elsewhere = standing.place != inquiry.policy.jurisdiction
    if not declared.manifest:
        return "unasked"
    if elsewhere:
        return ELSEWHERE  # whatever its number: another side's declaration is not this one
    if declared.declaration is None:
        return NOT_GIVEN
    members = event_members(inquiry, latest)
    if members is None:
        return "unread"
    same = declaration_text(str(members.get("declaration_number"))) == declaration_text(declared.declaration)
    return HERE if same else ELSEWHERE


def about_in_no_country(standing: Standing, inquiry: Inquiry) -> bool:
    """True of what was released nowhere since it left or was declared, on either side (D771).

    To say on the way that it is waste lets it into no country (D1011).
    """
    under = inquiry.events.get("underCustoms", ())
    return standing.item_state in under or (standing.place is None and standing.eu_status == WASTE)


def presentation(standing: Standing, inquiry: Inquiry) -> Recorded | None:
    """The statement of the open presentation, or of the last one while the goods are where it left them."""
    record = inquiry.record
    if standing.presentation is not None:
        return record.with_digest(standing.presentation.attestation)
    events = inquiry.events
    if standing.item_state not in events.get("underDeclaration", ()):
        return None
    return next(reversed(record.of_kinds(events.get("presentation", ()))), None)


def _lived_through(standing: Standing, table: ShownAs, inquiry: Inquiry) -> Iterator[str]:
    """What others of the same hands went through in its vehicle, and so did that: a word of the axis each.

    Those that are in it (D990), and the one in whose place it was put: worn in there, whatever else it met
    left with it (D1000). Of another holder's battery it says nothing (I5).
    """
    view = inquiry.evidence.ledger
    for other in view.beside.values() if view is not None else ():
        until = held_until(other.holder, inquiry)
        if other.bound is not None and until:
            since = other.bound.leaf_index
            if _worn_since(other, since, table, inquiry, until):
                yield "used"
            met = _met_since(other, since, table, inquiry, until)
            yield from (word for word in met if word == "damaged")
    old = view.replaced if view is not None else None
    if old is not None:
        since = max(old.facts.get(fact, -1) for fact in (*facts_of(inquiry, "inVehicle"), PUT_IN))
        if since < standing.facts.get(PUT_IN, -1) and _worn_since(old, since, table, inquiry):
            yield "used"  # it was in no other vehicle since


def _worn_since(
    other: Standing, leaf_index: int, table: ShownAs, inquiry: Inquiry, until: int = ALWAYS
) -> bool:
    """True if it was tested after this leaf, before that one, and reads as no new battery does."""
    tested = any(other.facts.get(fact, -1) > leaf_index for fact in facts_of(inquiry, "soh"))
    if not (tested or other.taken_back):
        return False
    told = tests_of(other, inquiry).in_order()
    read = [said.attestation.quantities for said in told if leaf_index < said.leaf_index < until]
    counted = tested and until == ALWAYS
    counts = {name.partition("/")[0]: n for name, n in other.readings.items()} if counted else {}
    return any(map(table.beyond_new, (counts, *read)))


def _met_since(
    other: Standing, leaf_index: int, table: ShownAs, inquiry: Inquiry, until: int
) -> Iterator[str]:
    """What statements after this leaf, and before that one, show by being there."""
    governance = inquiry.evidence.network.governance
    for kind, word in table.shown_by.items():
        event = governance.lifecycle.event(kind) if governance is not None else None
        fact = event.effects.fact if event is not None else None
        told = [said.leaf_index for said in tests_of(other, inquiry).shown() if said.attestation.kind == kind]
        if any(leaf_index < leaf < until for leaf in (other.facts.get(fact or "", -1), *told)):
            yield word


def facts_of(inquiry: Inquiry, group: str) -> set[str]:
    """The facts that events of a group leave."""
    governance = inquiry.evidence.network.governance
    events = (
        (governance.lifecycle.event(kind) for kind in inquiry.events.get(group, ())) if governance else ()
    )
    return {event.effects.fact for event in events if event is not None and event.effects.fact is not None}


def _uses(table: ShownAs, standing: Standing, inquiry: Inquiry) -> Iterator[str]:
    """Every word of the axis `use` that the record shows: marks, statements, readings, vehicles."""
    record, events = inquiry.record, inquiry.events
    own = {mark for mark in standing.marks if mark not in table.lineage_of}
    if own <= table.following and len(own) < len(standing.marks):
        own = set()  # what followed its second life is no use of it: X20 asks for the test itself (D720)
    yield from (table.use_of.get(mark, "used") for mark in own)
    # What an authority certified to have ended is ended in what was made of it, whenever it was said (D818).
    behind = (table.use_of.get(mark) for one in inquiry.relatives() for mark in one.marks)
    yield from (word for word in behind if word == ENDED)
    # D703: leaving the rest out does not pay.
    yield from (table.shown_by[kind] for kind in table.shown_by if record.says(kind))
    vehicle = inquiry.evidence.ledger.vehicle if inquiry.evidence.ledger is not None else None
    # Said of the vehicle about another battery in it (D773).
    yield from (table.shown_by.get(kind, "used") for kind in (vehicle.told if vehicle is not None else ()))
    yield from _lived_through(standing, table, inquiry)
    readings = [*(r.attestation.quantities for r in record.shown()), standing.readings]
    # Only what was made as new has to read as new: a second life begins with what is left.
    beyond = table.grown(readings) if SECOND_LIFE in standing.marks else any(map(table.beyond_new, readings))
    if beyond:
        yield "used"
    if len(record.shown_assets(events.get("inVehicle", ()))) > 1:
        yield "used"
