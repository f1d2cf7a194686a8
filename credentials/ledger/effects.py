"""What an admitted event does to the standing of its battery; everything it does is data (`Event`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from consensus.application import NotYet, Refusal
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.changes import Change, said_last
from credentials.ledger.lifecycle import Event
from credentials.ledger.moved_nothing import Report, read_after, read_of, with_report
from credentials.ledger.never_left import given_back
from credentials.ledger.passports import passport_after
from credentials.ledger.rules import ACTED_ON, OWN_RECORD, Context, gives_way, state_after
from credentials.ledger.said_of_vehicle import in_new_vehicle, marks_of_vehicle
from credentials.ledger.speaking import Voice, is_holder
from credentials.ledger.standing import (
    NAMED_MAX,
    PARTY,
    PRIVATE,
    REFUSED,
    Bound,
    CustomsPresentation,
    Enrolment,
    Lineage,
    Setting,
    Standing,
    Undo,
)
from credentials.ledger.values import reading_of, weighed_after


def after(
    standing: Standing, attestation: Attestation, context: Context, voice: Voice, undo: Undo | None
) -> Standing:
    """The standing after an admitted event that takes nothing back; `undo` is what takes it back."""
    event = context.event
    if event.effects.creates and standing.born:
        if not gives_way(standing):
            contested = standing.with_contest(context.leaf_index)
            return replace(contested, producer=attestation.issuer, undo=undo)
        standing = _unseated(standing, context.leaf_index)
    to: Change = {"undo": undo}
    marks = marks_left(standing, attestation, context)
    if marks:
        to["marks"] = tuple(sorted({*standing.marks, *marks}))
    to |= _axes(standing, attestation, context, voice)
    if standing.bound is not None and to.get("bound", standing.bound) is None:
        to |= _with_its_vehicle(replace(standing, **to), standing.bound, context)
    to |= _origin(attestation, context, voice)
    if event.sets is not None or event.lifts is not None:
        to["jurisdictions"] = _settings(standing, attestation, context, voice)
    if event.effects.passport is not None:
        to |= passport_after(standing, attestation, context, voice)
    to |= _custody(standing, attestation, context, voice)
    if event.effects.presentation is not None:
        to |= _presentation(standing, attestation, context, voice)
    read = _read(attestation, event, voice)
    return reported(standing, replace(standing, **to), read, attestation, context)


def marks_left(standing: Standing, attestation: Attestation, context: Context) -> tuple[str, ...]:
    """The marks that an event leaves on its battery.

    What was repaired with what had a life of its own is not as new (I1), whichever of the parts that was.
    """
    event = context.event
    marks = (*event.marks, *(event.marks_in_use if standing.used else ()))
    if event.marks_after_use and standing.used and not in_new_vehicle(standing, attestation, context):
        marks = (*marks, *event.marks_after_use)
    parts = [context.records.standing(subject) for subject in attestation.referenced_subjects]
    if not (event.marks_used_part and parts):
        return marks
    used = any(part.marks or _shows_use(part, context) for part in parts)
    used = used or any(_came_of_use(one, context) for one in (standing, *parts))
    return (*marks, *event.marks_used_part) if used else marks


def _shows_use(one: Standing, context: Context) -> bool:
    """Whether a statement about it makes it used that leaves no mark (`used_part_by`)."""
    events = map(context.governance.lifecycle.event, context.event.used_part_by)
    return any(event.effects.fact in one.facts for event in events if event is not None)


def _came_of_use(one: Standing, context: Context) -> bool:
    """Whether what names it says so, where the rules in force ask it (I6): as a part of what is used, or as
    made of another. Who repairs it says nothing of that, nor does its own record."""
    parts = context.governance.lifecycle.naming_parts
    for naming in context.records.namings(one.key).first if context.event.used_part_by else ():
        pack = context.records.standing_at(naming.about)
        if naming.kind not in parts or pack is None or pack.marks or _shows_use(pack, context):
            return True
    return False


def _axes(standing: Standing, attestation: Attestation, context: Context, voice: Voice) -> Change:
    """States, facts, readings, what it is bound to and what it becomes part of."""
    event, effects = context.event, context.event.effects
    to: Change = {}
    to_state = state_after(standing, event)
    if to_state is not None:
        to["item_state"] = to_state
    if to_state not in (None, standing.item_state):
        to["last_event_time"] = attestation.event_time
    if effects.fact is not None:
        to["facts"] = {**standing.facts, effects.fact: context.leaf_index}
    if effects.eu_status is not None:
        to["eu_status"] = effects.eu_status
    if effects.bound is not None:
        asset = attestation.bound_asset if effects.bound == "bind" else None
        to["bound"] = Bound(asset, context.leaf_index, attestation.issuer) if asset is not None else None
    keys = tuple(standing_key(subject) for subject in attestation.referenced_subjects)
    if effects.consumes is not None:
        to["lineage"] = Lineage(keys, context.leaf_index, effects.consumes)
    if effects.claims_children:
        to["children"] = keys
    if effects.responsible is not None:
        if attestation.parties[0] not in context.governance.participants:
            raise Refusal(
                "members", "{party} is no participant of this network", party=attestation.parties[0]
            )
        to["responsible"] = attestation.parties[0]
    if effects.contests:
        to["contested"] = standing.with_contest(context.leaf_index).contested
    read = _read(attestation, event, voice)
    if read:
        to["readings"] = read_after(standing.readings, read)
    if attestation.quantities:
        weighed = weighed_after(standing, attestation, event, context.governance.lifecycle)
        if weighed:
            to["readings"] = {**to.get("readings", standing.readings), **weighed}
    return to


def _with_its_vehicle(left: Standing, bound: Bound, context: Context) -> Change:
    """What leaves a vehicle that was scrapped with it is waste, as that one about which it was said (I1)."""
    inside = context.records.asset(bound.asset).of(left.key)
    assert inside is not None, "it is bound on both records"
    told = [e for kind in inside.told if (e := context.governance.lifecycle.event(kind)) is not None]
    ended = [event for event in told if event.effects.eu_status is not None]
    marks = {*left.marks, *(mark for event in ended for mark in event.marks)}
    marks |= marks_of_vehicle(inside, context)
    to: Change = {"marks": tuple(sorted(marks))}
    for event in ended:
        assert event.effects.eu_status is not None, "these were chosen so"
        to["eu_status"] = event.effects.eu_status
    return to


def _read(attestation: Attestation, event: Event, voice: Voice) -> dict[str, int]:
    """The quantities that only grow, as whoever may speak read them: a trade under its own name."""
    rising = (m.name for m in event.ledger_members if m.monotone and m.name in attestation.quantities)
    by = attestation.issuer
    return {reading_of(n, by) if voice.trade else n: attestation.quantities[n] for n in rising}


def reported(
    before: Standing, now: Standing, read: Mapping[str, int], attestation: Attestation, context: Context
) -> Standing:
    """The standing that remembers a report as one to be taken back wherever it stands.

    What moves something and reads besides ends the reach: what was read before it is not read again.
    """
    event, past = context.event, now.past
    if event.type not in context.governance.lifecycle.reports:
        return replace(now, past=replace(past, reports=())) if read and past.reports else now
    said, fact = said_last(attestation, context, None), event.effects.fact
    report = Report(
        said.attestation,
        said.author,
        said.kind,
        said.leaf_index,
        said.admitted_at,
        said.countersigned,
        fact,
        before.facts.get(fact) if fact is not None else None,
        read,
        read_of(read, before.readings),
    )
    return replace(now, past=replace(past, reports=with_report(past.reports, report)))


def _origin(attestation: Attestation, context: Context, voice: Voice) -> Change:
    """What bringing a code into being sets, beside custody and place.

    The EU status is not touched: what a second life left on the record of an unborn code stays (I1).
    """
    effects, issuer = context.event.effects, attestation.issuer
    if effects.creates:
        return {
            "producer": issuer,
            "responsible": issuer,
            "production_time": attestation.event_time,
            "produced_on": attestation.produced_on,
            "children_root": attestation.children_root,
        }
    if effects.enrols:
        party = attestation.parties[0] if attestation.parties else issuer
        return {
            "responsible": party if party in context.governance.participants else issuer,
            "enrolled": Enrolment(issuer, context.leaf_index, voice.role, attestation.digest),
        }
    return {}


def _unseated(standing: Standing, leaf_index: int) -> Standing:
    """A maker produces a code that somebody enrolled: the maker is not the loser (I5).

    What a licence alone entered gives way with all that was said on top of it, refusals too: the judge turns
    it into a claim, and the battery's own record begins at this leaf.
    """
    return Standing(standing.subject, facts={OWN_RECORD: leaf_index}, voided=standing.voided)


def with_authority(now: Standing, attestation: Attestation, context: Context) -> Standing:
    """Remember on an enrolled battery that an authority signed an act about it, as whatever it signed.

    So does its own maker's act: what it used, sold or took over as an enrolled battery it has not yet to
    make (I1). Its contest, or taking back what it said, is no such act. The fact outlives what the act set
    and what taking back restores: the maker's production is then for authorities to judge. That a
    declaration is set aside says nothing of the battery: anybody can declare what does not exist (D785).
    """
    set_aside = context.event.effects.presentation == "closed" and context.event.sets is None
    if now.enrolled is None or set_aside:
        return now
    governance, subject, effects = context.governance, now.subject, context.event.effects
    signed = (attestation.issuer, *sorted(context.countersigned))
    relied = any(governance.is_official(did, context.at) for did in signed) or (
        not (effects.contests or effects.undo)
        and any(governance.makes(did, subject.scheme, subject.namespace, context.at) for did in signed)
    )
    return replace(now, facts={**now.facts, ACTED_ON: context.leaf_index}) if relied else now


def _settings(
    standing: Standing, attestation: Attestation, context: Context, voice: Voice
) -> Mapping[str, Mapping[str, Setting]]:
    """What is kept per jurisdiction with who set it: each setter if it can be lifted, or the first alone."""
    event, lifecycle = context.event, context.governance.lifecycle
    if event.lifts is not None:
        assert voice.lifts is not None, "speaking.py found which one it lifts"
        return standing.lifted(event.lifts, voice.lifts).jurisdictions
    assert event.sets is not None, "asked for these events only"
    kind = lifecycle.settings[event.sets].key
    side = voice.jurisdiction if kind == "act" or voice.role else PARTY
    if kind == "officials" and not voice.role:
        return standing.jurisdictions
    made = Setting(attestation.issuer, context.leaf_index, voice.role)
    if event.sets not in lifecycle.liftable and standing.setting(event.sets, side) is not None:
        return standing.jurisdictions  # placed or released once, it is never a first time again
    return standing.joined(event.sets, side, made).jurisdictions


def _presentation(standing: Standing, attestation: Attestation, context: Context, voice: Voice) -> Change:
    effect = context.event.effects.presentation
    if effect == "closed":
        return {"presentation": None, **given_back(standing, attestation, context)}
    office, jurisdiction = _office(attestation, context, voice)
    refused = standing.setting(REFUSED, jurisdiction)
    if refused is not None:  # neither declared nor moved to where it was refused
        told = "{by} refused it in {jurisdiction} and has to lift that first"
        raise NotYet("refused_here", told, by=refused.by, jurisdiction=jurisdiction)
    if effect == "moved":
        if standing.presentation is None:  # whoever may speak by the rules in force
            raise NotYet("state", "the battery is not presented to customs")
        moved = replace(standing.presentation, jurisdiction=jurisdiction, office=office)
        return {"presentation": moved, "place": jurisdiction}
    opened = CustomsPresentation(
        attestation.digest, attestation.issuer, context.leaf_index, jurisdiction, office
    )
    return {"presentation": opened, "place": jurisdiction}


def _office(attestation: Attestation, context: Context, voice: Voice) -> tuple[str | None, str]:
    """The customs participant that is named, or the side of the author's licence."""
    if not attestation.parties:
        return (attestation.issuer if voice.role else None), voice.jurisdiction
    office, governance, subject = attestation.parties[0], context.governance, attestation.subject
    roles = governance.lifecycle.customs_roles
    sides = governance.sides(office, roles, subject.scheme, subject.namespace, context.at)
    if not sides:
        raise Refusal("members", "{office} is no customs participant of this network", office=office)
    home = governance.participants[office].jurisdiction
    if home not in sides and len(sides) > 1:
        raise Refusal(
            "jurisdiction_unclear",
            "{office} is a customs office of {jurisdictions} and established in none of them: name an office "
            "of the side where the goods are declared",
            office=office,
            jurisdictions=tuple(sorted(sides)),
        )
    return office, home if home in sides else min(sides)


def _custody(standing: Standing, attestation: Attestation, context: Context, voice: Voice) -> Change:
    """Who holds it, where it is and who is named for the next steps."""
    event = context.event
    to: Change = {}
    holder = _next_holder(standing, attestation, context)
    if holder is not None:
        to["holder"], to["named"] = holder, ()
    if event.names and attestation.parties:
        to["named"] = _named_after(replace(standing, **to), attestation, context, voice)
    if event.place == "author":
        to["place"] = voice.jurisdiction
    elif event.place == "none":
        to["place"] = None
    return to


def _next_holder(standing: Standing, attestation: Attestation, context: Context) -> str | None:
    """The new holder, None if it stays."""
    custody, parties, governance = context.event.custody, attestation.parties, context.governance
    if custody is None:
        return None
    if custody == "private":
        return PRIVATE
    if custody == "first_party" or (custody == "party_or_author" and parties):
        party = governance.party(parties[0])
        if party.startswith("did:") and party not in governance.participants:
            told = "{party} is no participant of this network: name it by EORI or USCC"
            raise Refusal("members", told, party=party)
        return party
    return None if is_holder(standing, attestation.issuer, context) else attestation.issuer


def _named_after(
    standing: Standing, attestation: Attestation, context: Context, voice: Voice
) -> tuple[str, ...]:
    """Whom its holder, or an authority, names; who was named passes on its own place and adds nobody."""
    named, parties = standing.named, attestation.parties
    holders = is_holder(standing, attestation.issuer, context) or standing.holder in context.countersigned
    if not voice.role and not holders:
        added = [party for party in parties if party not in named and party != standing.holder]
        if len(added) > 1:
            raise Refusal("members", "who was named passes that on to one party; its holder names others")
        own = context.governance.aliases(attestation.issuer) if added else ()
        return (*(party for party in named if party not in own), *added)
    # An export says for whom it is: whom the holder dealt with before is not the consignee.
    before = () if context.event.place == "none" else named
    grown = tuple(dict.fromkeys((*before, *parties)))
    if len(grown) > NAMED_MAX and not voice.role:
        told = "{most} parties are named already: hand it over, or export it"
        raise Refusal("members", told, most=NAMED_MAX)
    return grown[-NAMED_MAX:]
