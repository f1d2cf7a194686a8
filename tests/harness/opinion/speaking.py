"""Who may speak about a battery (I2 to I5): what anybody else says is a claim, or refused."""

from __future__ import annotations

from .acts import Act, File, holds, own_code
from .kinds import (
    ASKS_NO_LICENCE,
    CUSTOMS_ACTS,
    IRREVERSIBLE,
    LEAVES_A_VEHICLE,
    MOVES,
    PASSPORT_ACTS,
    TOLD_LATE,
)
from .law import Archive, before_whom, may_lift, under
from .masses import can_be
from .packs import may_come_out
from .parties import is_authority, is_customs, is_customs_only, side
from .reaching import reported
from .rights import began_since, has_right, rules_here

LIFTS = {"battery.found": "lost", "battery.recall_lifted": "recalled"}
# Once one of these is taken back, what it lifted holds again.
LIFTINGS = (*LIFTS, "recall.lifted", "customs.refusal_lifted", "passport.ban_lifted", "passport.reinstated")


def may_speak(archive: Archive, act: Act) -> bool:
    """I5: whether what `act` says may become state. Anything else is a claim, or refused."""
    file = archive.of(act.battery)
    if act.lapsed:
        return False  # its author was told that it failed
    if act.late:
        return may_tell(archive, act)
    if not can_be(archive, act):
        return False
    then = archive.hours[-act.ago].without if act.ago else frozenset()
    if act.by in archive.unlicensed | then and not _without_licence(file, act):
        return False
    if act.event == "recall.published":
        return own_code(act.by, act.battery) or (is_authority(act.by) and not is_customs_only(act.by))
    if act.event == "recall.lifted":
        return act.undoes in archive.recalls and act.undoes is not None and may_lift(act.undoes.by, act.by)
    if act.event == "battery.produced":
        return True  # the accreditation for the namespace is what it needs; asked of the role tables
    if act.event == "battery.enrolled":
        return not file.exists
    if not file.exists:
        return False
    if file.disputed and act.event != "record.contested":
        return True  # two files of one battery lie side by side until an authority decides: not judged here
    if act.event == "battery.dismantled" and not all(may_come_out(archive, act, o) for o in act.others):
        return False
    if act.event in MOVES and file.is_set("lost"):
        return False  # X18: it waits for whoever reported it, or an authority assigns who has it
    if act.event in ("attestation.corrected", "attestation.voided"):
        return _may_undo(archive, act)
    if act.event == "record.contested":  # of two files side by side each party speaks about the other's
        party = act.by == file.holder or (file.disputed and act.by in file.named)
        return party or own_code(act.by, act.battery) or rules_here(file, act)
    if act.event in CUSTOMS_ACTS:
        return _may_customs(file, act)
    if act.event in PASSPORT_ACTS:
        return _may_passport(file, act)
    if act.event == "battery.presented":  # I4
        free = file.declaration is None and not file.is_set("refused", before_whom(act))
        return free and (holds(file, act) or is_customs(act.by))
    if act.event == "responsibility.transferred":
        return act.by == file.responsible and set(act.parties) <= set(act.countersigned)
    if act.event in LIFTS:
        there = [s for s in file.settings if s.what == LIFTS[act.event]]
        found = act.event == "battery.found" and act.by == file.holder  # what was reported before it
        return any(may_lift(s.by, act.by) or (found and not is_authority(s.by)) for s in there)
    if act.event in ("battery.recalled", "battery.reported_lost"):
        operator = act.event == "battery.recalled" and act.by == file.responsible  # 2023/1542 Art 38 to 43
        return holds(file, act) or rules_here(file, act) or act.by == file.maker or operator
    return has_right(file, act)


def may_tell(archive: Archive, act: Act) -> bool:
    """I1, I5: whoever could have told a use at its time tells it late, and nobody else does.

    It moves nothing: what moves a battery, or is there once, is not asked.
    """
    if act.event not in TOLD_LATE or not 0 < act.ago <= len(archive.hours):
        return False
    was = archive.hours[-act.ago]
    then, now = was.of(act.battery), archive.of(act.battery)
    if act.by in archive.unlicensed | was.without:
        return False
    if now.exists and (then.disputed or now.disputed):
        return True
    if not now.exists or began_since(archive, act, act.battery):
        return False
    return has_right(then, act)


def _without_licence(file: File, act: Act) -> bool:
    """Whose licence is suspended, or over, makes no word milder: neither its own nor anybody's (I2, X9).

    What is its own it may give up, and it may disagree; and it may take back that it lifted something, for
    then what it lifted holds again. It gives to nobody what it could not lift itself: who answers for
    passports after it would lift a pause, or a recall that a party before it set.
    """
    if act.event == "attestation.corrected":
        return act.undoes is not None and act.undoes.event in LIFTINGS
    if act.event not in ASKS_NO_LICENCE:
        return False
    if act.event != "responsibility.transferred":
        return True
    theirs = [s for s in file.settings if s.what == "recalled" and not is_authority(s.by)]
    return not file.paused_by_operator and all(s.by in (file.maker, *act.parties) for s in theirs)


def _may_undo(archive: Archive, act: Act) -> bool:
    """I3: its author alone, the last record or what moved nothing, nothing irreversible; voiding needs
    authorities together."""
    record = archive.record(act.battery)
    together = len({act.by, *act.countersigned} - archive.unlicensed) > 1 and is_authority(act.by)
    if act.event == "attestation.voided" and any(act.undoes == heard.act for heard in archive.heard):
        return together  # also what was never state
    corrected = act.event == "attestation.corrected" and under(record)
    if act.undoes is None or not record or act.undoes not in (record[-1], corrected, *reported(record)):
        return False
    if act.event == "attestation.voided":
        return together
    days = (r for r in archive.of(act.battery).recalls if r.scope == "days")
    if act.undoes.event == "battery.produced" and any(r.by != act.by for r in days):
        return False  # another's recall rests on the day on which it was made (I2)
    if act.undoes.event in LEAVES_A_VEHICLE:  # the vehicle was registered without it: that rests on it
        file, vehicle = archive.of(act.battery), act.undoes.vehicle or ""
        if archive.registered.count(vehicle) > file.registered_before:
            return False
    authors_own = act.by == act.undoes.by
    return authors_own and act.undoes.event not in IRREVERSIBLE and not act.undoes.countersigned


def _may_customs(file: File, act: Act) -> bool:
    """I2, I4: only the customs where the declaration is open; a refusal is theirs to lift."""
    if not is_customs(act.by):
        return False
    if act.event == "customs.refusal_lifted":
        return file.is_set("refused", side(act.by))
    return file.declaration is not None and file.declaration[1] == side(act.by)


def _may_passport(file: File, act: Act) -> bool:
    """I2: what an authority stopped, only it resumes; nobody publishes, supersedes or revokes round it."""
    foreign = [s for s in file.stops if not may_lift(s.by, act.by)]
    if act.event in ("passport.reinstated", "passport.ban_lifted"):
        what = "suspended" if act.event == "passport.reinstated" else "revoked"
        own = any(s.what == what and may_lift(s.by, act.by) for s in file.stops)
        return own or (what == "suspended" and act.by == file.responsible)  # its own pause
    if is_authority(act.by):
        return act.event in ("passport.suspended", "passport.revoked") and rules_here(file, act)
    if act.event == "passport.published" and file.live and not _replaces(file, act):
        return False
    return act.by == file.responsible and not foreign


def _replaces(file: File, act: Act) -> bool:
    """I4: one live passport; another comes beside it only where its own author gave that one up before.

    What is suspended, by whomever, stays until it is put back.
    """
    old = act.replaces
    given_up = old is not None and old.by == act.by == file.published_by and old.version == file.passport
    return given_up and act.version > file.passport and not file.paused_by_operator and not file.stops
