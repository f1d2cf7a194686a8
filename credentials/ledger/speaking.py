"""Who may speak about a battery (invariant I5): a licence is a trade, never a right over a thing.

    speak(standing, attestation, context) -> Voice            what it says becomes state
                                          -> Silent           a claim: recorded, never a state
                                          raises Refusal, NotYet

A right over a battery comes from custody (its holder, whom the holder named, what the holder
countersigned), from an authority's own jurisdiction and kind of act, or, for a battery in use, from a trade
of the place where it was placed. Which of these an event asks for is data (`speaks` in the table).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from consensus.application import NotYet, Refusal
from credentials.ledger.attestation import Attestation
from credentials.ledger.licences import (
    OPERATOR,
    answers_for_passports,
    could_set,
    left_to_an_operator,
    licences,
)
from credentials.ledger.lifecycle import ANY, Lifecycle
from credentials.ledger.rules import Context
from credentials.ledger.standing import PARTY, PLACED, Setting, Standing, side_of


@dataclass(frozen=True, slots=True)
class Voice:
    """Under what an author speaks: the jurisdiction of its licence, and its role if as an authority.

    `lifts`: the key of the setting that this act lifts, if it lifts one. `trade`: as a trade of the place
    alone, without any right from the holder.
    """

    jurisdiction: str
    role: str = ""
    lifts: str | None = None
    trade: bool = False


@dataclass(frozen=True, slots=True)
class Silent:
    """The author is accredited and has no right over this battery: what it says is a claim."""

    reason: Refusal  # what whoever has the right must do: told, and not raised
    alert: bool = False  # an authority outside its jurisdiction


def speak(standing: Standing, attestation: Attestation, context: Context) -> Voice | Silent:
    """Decide whether what an accredited author says about this battery becomes state."""
    event = context.event
    if not standing.born and not event.brings_into_being:
        raise NotYet("state", "the battery is not recorded as produced yet")
    voices = _voices(attestation, context)
    decide = _DECIDES[event.speaks]
    home = context.governance.participants[attestation.issuer].jurisdiction
    first = home if event.effects.presentation == "open" else standing.place
    voices.sort(key=lambda voice: (voice.jurisdiction != first, voice.jurisdiction != home))
    for voice in voices:
        spoken = decide(standing, attestation, context, voice)
        if spoken is not None:
            _require_known_side(spoken, (first, home), voices, context)
            return spoken
    return _unheard(standing, attestation, context, voices)


def _require_known_side(
    spoken: Voice, known: Sequence[str | None], voices: Sequence[Voice], context: Context
) -> None:
    """Where an act happened is where the battery is, or the author's home: never the first licence found."""
    event, kinds = context.event, context.governance.lifecycle.settings
    fixes = event.place is not None or (event.sets is not None and kinds[event.sets].key == "act")
    sides = {voice.jurisdiction for voice in voices}
    if fixes and spoken.jurisdiction not in known and len(sides) > 1:
        raise Refusal(
            "jurisdiction_unclear",
            "its author is licensed in {jurisdictions}, and the battery is on record in none of them: "
            "present it to customs where it is first, naming the office",
            jurisdictions=tuple(sorted(sides)),
        )


def is_holder(standing: Standing, did: str, context: Context) -> bool:
    """True if this participant holds the battery, under any of its names."""
    return standing.holder is not None and standing.holder in context.governance.aliases(did)


def _voices(attestation: Attestation, context: Context) -> list[Voice]:
    """The licences under which the author may act: each jurisdiction, as a party and as an authority."""
    governance, event, subject = context.governance, context.event, attestation.subject
    officials, anybody = governance.lifecycle.officials, ANY in event.attesters
    found: dict[Voice, None] = {}
    if anybody:
        found[Voice(governance.participants[attestation.issuer].jurisdiction)] = None
    for accreditation in governance.accreditations_of(attestation.issuer):
        if not all(accreditation.in_force(at) for at in (attestation.event_time, context.at)):
            continue
        if not accreditation.covers(subject.scheme, subject.namespace, exactly=event.effects.creates):
            continue
        for role in accreditation.roles:
            if role in officials and (anybody or role in event.attesters):
                found[Voice(accreditation.jurisdiction, role)] = None
            elif role in event.attesters:
                found[Voice(accreditation.jurisdiction)] = None
    return list(found)


_Decides = Callable[[Standing, Attestation, Context, Voice], Voice | None]


def has_right(standing: Standing, attestation: Attestation, context: Context) -> bool:
    """The holder, whom it named, or what it countersigned."""
    names = context.governance.aliases(attestation.issuer)
    return (
        standing.holder in names
        or not names.isdisjoint(standing.named)
        or standing.holder in context.countersigned
    )


def _as_holder(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """Before it is in use nobody but its holder's side speaks; an authority in its own jurisdiction."""
    if voice.role:
        return voice if s.place == voice.jurisdiction else None
    return voice if has_right(s, a, c) else None


def _as_trade(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """Once installed, its owner often has no node: licensed trades of the place report what they did."""
    entitled = _as_holder(s, a, c, voice)
    if entitled is None and s.place == voice.jurisdiction and reported_by_trades(s, c.governance.lifecycle):
        return replace(voice, trade=True)  # where it is: no trade of a place that it left says where it is
    return entitled


def reported_by_trades(standing: Standing, lifecycle: Lifecycle) -> bool:
    """True once it was installed, where it is placed; before customs it is in nobody's workshop."""
    if standing.presentation is not None or standing.place is None:
        return False
    installed = not lifecycle.binding_marks.isdisjoint(standing.marks)
    return installed and standing.setting(PLACED, standing.place) is not None


def _as_custodian(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """Only who holds it hands it over: being named for the next steps is not enough."""
    if voice.role:
        return None
    return voice if is_holder(s, a.issuer, c) or s.holder in c.countersigned else None


def _as_presenting(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """The holder or its consignee; customs of the place where the battery is, or that an export named.

    On the way it is nobody's yet: a customs office that nobody named would hold up the honest declaration.
    """
    return voice if has_right(s, a, c) or (voice.role and s.place == voice.jurisdiction) else None


def _as_customs(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """Only customs of the side whose declaration is open."""
    if s.presentation is None:
        raise NotYet("state", "the battery is not presented to customs")
    return voice if voice.role and s.presentation.jurisdiction == voice.jurisdiction else None


def _as_authority(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    return voice if voice.role and s.place == voice.jurisdiction else None


def _as_operator(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """The responsible operator; an authority where the battery is, or where that operator is established."""
    if not voice.role:
        return voice if a.issuer == s.responsible else None
    operator = c.governance.participants.get(s.responsible or "")
    established = operator is not None and operator.jurisdiction == voice.jurisdiction
    return voice if established or s.place == voice.jurisdiction else None


def _as_responsible(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """The outgoing operator alone gives its duty away (X10); an authority has `custody` to assign."""
    return voice if not voice.role and a.issuer == s.responsible else None


def _as_maker(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    if voice.role:
        return voice if s.place == voice.jurisdiction else None
    return voice if a.issuer in (s.producer, s.responsible) else None


def _as_setter(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """What an authority did, only it undoes, or the same role in the same jurisdiction (I2)."""
    name = c.event.lifts
    assert name is not None, "lifecycle_table.py asks for it"
    if not s.settings(name):
        if c.event.effects.passport is not None and s.revoked:
            raise Refusal("passport_state", "the passport is revoked, and what is revoked stays revoked")
        raise NotYet("state", "nothing is {setting} that could be lifted", setting=name)
    there = sorted(s.settings(name).items(), key=lambda kept: kept[1].leaf_index)
    own = [
        key
        for key, kept in there
        if kept.by == a.issuer
        and side_of(key) in (PARTY, voice.jurisdiction)
        and not _left_its_passport(s, kept, c)
        and could_set(name, key, kept, a, c)
    ]
    like = [
        key
        for key, kept in there
        if voice.role and kept.role == voice.role and side_of(key) == voice.jurisdiction
    ]
    lifted = next(iter((*own, *like, *_inherited(s, a, c, name, there))), None)
    return replace(voice, lifts=lifted) if lifted is not None else None


def _left_its_passport(s: Standing, kept: Setting, c: Context) -> bool:
    """True if it is a passport that would come back, and who set this answers for the battery no more (D956).

    A passport has one state: nobody sets it again beside it, so the operator of now may rest on it.
    """
    alone = c.governance.lifecycle.settings[c.event.lifts or ""].alone
    return alone and not kept.role and kept.by != s.responsible


def not_licensed(issuer: str) -> Refusal:
    """Why its author does not lift what it set itself."""
    told = "{issuer} has no licence in force to say such a thing, so it does not take it back either"
    return Refusal("X9", told, issuer=issuer)


def _inherited(
    s: Standing, a: Attestation, c: Context, name: str, there: Sequence[tuple[str, Setting]]
) -> list[str]:
    """What a party before it set, its heir ends: the holder that finds it, the operator that recalls.

    The holder has a licence, whichever; the operator one to answer for passports.
    """
    heir = c.governance.lifecycle.settings[name].heir
    if heir == OPERATOR:
        inherits = a.issuer == s.responsible and answers_for_passports(a, c)
        return [key for key, _ in left_to_an_operator(s, name, c.event, a.issuer)] if inherits else []
    if heir is None or not is_holder(s, a.issuer, c) or not licences(a, c):
        return []
    return [key for key, kept in there if side_of(key) == PARTY and kept.by != a.issuer]


def _as_contest(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """The holder, the maker of the code's namespace, an authority of the place."""
    if voice.role:
        return voice if s.place == voice.jurisdiction else None
    maker = c.governance.makes(a.issuer, a.subject.scheme, a.subject.namespace, c.at)
    return voice if maker or a.issuer == s.producer or is_holder(s, a.issuer, c) else None


def _as_enrolling(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    """What is on record is entered by nobody: whoever has it in hand can only claim so."""
    return None if s.born else voice


def _as_anybody(s: Standing, a: Attestation, c: Context, voice: Voice) -> Voice | None:
    return voice  # X9, X10 or the rule of undoing have said who


_DECIDES: Mapping[str, _Decides] = {
    "creation": _as_anybody,
    "enrolment": _as_enrolling,
    "holder": _as_holder,
    "custodian": _as_custodian,
    "trade": _as_trade,
    "ending": _as_holder,
    "presenting": _as_presenting,
    "customs": _as_customs,
    "authority": _as_authority,
    "operator": _as_operator,
    "responsible": _as_responsible,
    "maker": _as_maker,
    "setter": _as_setter,
    "contest": _as_contest,
    "author": _as_anybody,
    "authorities": _as_anybody,
    "any": _as_anybody,
}
# Where nobody without the right has anything to say: refused, not recorded as a claim.
_NO_CLAIM = frozenset({"custodian", "responsible", "customs", "setter", "contest"})


def _unheard(standing: Standing, attestation: Attestation, context: Context, voices: list[Voice]) -> Silent:
    event = context.event
    if event.effects.enrols:
        told = "the battery is on record already; {holder} holds it"
        return Silent(Refusal("not_responsible", told, holder=standing.holder))
    alert = any(voice.role for voice in voices)
    wanted = _wanted(standing, attestation.issuer, context)
    if event.speaks in _NO_CLAIM or (event.speaks == "operator" and not alert):
        raise wanted
    if alert:
        return Silent(_elsewhere(standing, attestation.issuer, voices[0].jurisdiction), alert=True)
    return Silent(wanted)


def _elsewhere(standing: Standing, issuer: str, acts_for: str) -> Refusal:
    if standing.place is None:
        told = "{issuer} acts for {jurisdiction}; the battery is on the way, in no jurisdiction"
        return Refusal("not_responsible", told, issuer=issuer, jurisdiction=acts_for)
    told = "{issuer} acts for {jurisdiction}; the battery is in {place}"
    return Refusal("not_responsible", told, issuer=issuer, jurisdiction=acts_for, place=standing.place)


def _answers(standing: Standing) -> Refusal:
    told = "{by} answers for this battery and has to attest this"
    return Refusal("not_responsible", told, by=standing.responsible)


def _wanted(standing: Standing, issuer: str, context: Context) -> Refusal:
    """Who has the right, and what it must do."""
    match context.event.speaks:
        case "operator" | "responsible":
            return _answers(standing)
        case "setter":
            there = standing.settings(context.event.lifts or "").values()
            own = [kept for kept in there if kept.by == issuer]
            if any(_left_its_passport(standing, kept, context) for kept in own):
                return _answers(standing)
            if own:
                return not_licensed(issuer)
            setters = tuple(sorted({kept.by for kept in there}))
            told = "{by} set it and has to lift it, or the same authority of that side"
            return Refusal("not_responsible", told, by=setters)
        case "customs":
            assert standing.presentation is not None, "without one it waits: _as_customs"
            told = "only customs of {jurisdiction} closes this declaration"
            return Refusal("not_responsible", told, jurisdiction=standing.presentation.jurisdiction)
        case "maker":
            told = "only {maker}, {operator} or an authority of {place} may"
            maker, operator = standing.producer, standing.responsible
            return Refusal("not_responsible", told, maker=maker, operator=operator, place=standing.place)
        case "contest":
            told = "its holder ({holder}), its maker or an authority of {place} contests it"
            return Refusal("not_responsible", told, holder=standing.holder, place=standing.place)
        case "custodian":
            told = "{holder} holds this battery and has to hand it over"
            return Refusal("not_responsible", told, holder=standing.holder)
        case _:
            told = (
                "{holder} holds this battery: it names the author as a party of one of its events, hands the "
                "battery over to it, or countersigns this one"
            )
            return Refusal("not_responsible", told, holder=standing.holder)
