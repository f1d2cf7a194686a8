"""What may at best be said of a battery that is shown: one function per invariant, each with its ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .acts import SECOND_LIVES, File
from .heard import ORIGIN, PART_OF_USED
from .parties import is_authority, side

WORDS = ("clear", "clear_with_gaps", "undecided", "hold", "refuse_recommended")  # best first


@dataclass(frozen=True, slots=True)
class Shown:
    """How a battery is shown: where, under which declaration, as what."""

    jurisdiction: str = "EU"
    declaration: str = "26NLTEST000001"
    condition: str | None = "new"
    goods: str | None = "battery"  # None: not given
    direction: str = "import"
    registered: str | None = None  # the registration that its line gives
    beside: str | None = None  # the registration of another battery on the same manifest


GOODS = ("battery", "in_vehicle")
ALL_GOODS = (*GOODS, "in_other", None)


def sights(conditions: Sequence[str], goods: Sequence[str | None] = GOODS) -> Iterator[Shown]:
    """Every way in which a battery is shown under one declaration; the plainest first."""
    for jurisdiction in ("EU", "CN"):
        for direction in ("import", "export", "inland"):
            for kind in goods:
                for condition in conditions:
                    yield Shown(jurisdiction, condition=condition, goods=kind, direction=direction)


# Grounds that batteries tied to each other give, counted by histories.
OWN_REPAIR, OTHERS_REPAIR = "by a repair of who made or has it", "by somebody else's repair"
USED_PART, BESIDE_USED = "repaired with what is used", "as new, beside what reads as used in their vehicle"
PART_ENDED, BESIDE_HELD = "in one battery with what ended", "in a vehicle with another that is held"
PART_AT_CUSTOMS = "with a part that customs hold"
TIED = (PART_AT_CUSTOMS, OWN_REPAIR, OTHERS_REPAIR, USED_PART, BESIDE_USED, PART_ENDED, BESIDE_HELD)
PASSPORT_GRAMS = 452_500  # by every passport here
Bound = tuple[str, str]  # the best word allowed, and the ground


def i1_never_new_again(file: File, shown: Shown) -> Bound | None:
    """No battery with a mark of use is clear as new; in its vehicle, having been installed is no fault.

    Where the goods are left out they may be that vehicle: they are asked for (I7), and no ground before.
    """
    in_it = shown.goods is None or (shown.goods == "in_vehicle" and file.vehicle is not None)
    forgiven = {"installed"} if in_it else set()
    if shown.condition == "new" and (marks := file.used - forgiven):
        return "hold", "as new, with marks of use: " + ", ".join(sorted(marks))
    return None


def i1_waste(file: File, shown: Shown) -> Bound | None:
    """What was declared waste is waste, whatever happened since."""
    if "waste" in file.used and shown.condition != "waste" and file.ended not in SECOND_LIVES:
        return "refuse_recommended", "waste, shown as " + str(shown.condition)
    return None


def i1_scrapped(file: File, shown: Shown) -> Bound | None:
    """Named as present when its vehicle was scrapped it is no goods but waste, in it and out of it.

    Of what was waste a second life is made, with a record of its own.
    """
    ended = file.ended in SECOND_LIVES
    if "scrapped_with_vehicle" in file.used and not ended and shown.condition not in ("waste", None):
        return "hold", "its vehicle was scrapped with it"
    return None


def i1_ended(file: File, shown: Shown) -> Bound | None:
    """A battery that became another, was taken apart or is being recycled is no battery any more."""
    if file.ended and shown.condition != "waste":
        return "undecided", "ended: " + file.ended
    return None


def x8_fate(file: File, shown: Shown) -> Bound | None:
    """What whoever took it out of its pack said of it: for recycling is waste, missing was not there."""
    if "recycle" in file.fates and shown.condition != "waste":
        return "refuse_recommended", "taken out of its pack for recycling, shown as " + str(shown.condition)
    return ("hold", "missing from its pack") if "missing" in file.fates else None


def i1_part_of_used(file: File, shown: Shown) -> Bound | None:
    """A repair of a battery in use names it as a part: whether it was in there nobody verified (I6)."""
    named = any(how == PART_OF_USED for how, _ in file.named_as)
    if named and shown.condition in ("new", "return"):
        return "undecided", "a part of a battery in use, by its repair"
    return None


def i2_parts_stopped(file: File, shown: Shown) -> Bound | None:
    """A recalled or stolen part is that inside of a battery, and what came out of such a pack is of it."""
    here = [
        tied
        for tied in file.tied
        if tied.what == "lost"
        or (tied.what == "recalled" and tied.where in ("", shown.jurisdiction) and shown.condition != "waste")
    ]
    if any(tied.own for tied in here):
        return "hold", OWN_REPAIR
    return ("undecided", OTHERS_REPAIR) if here else None


def i2_parts_before_customs(file: File, shown: Shown) -> Bound | None:
    """What customs refused there, or hold, is not in the country inside of another battery either."""
    sent_back = shown.direction == "export" or shown.condition == "waste"
    held = {
        tied.what
        for tied in file.tied
        if tied.what in ("suspended", "declared")
        or (tied.what == "refused" and tied.where == shown.jurisdiction and not sent_back)
        or (tied.what == "supervised" and shown.direction == "inland")
    }
    return ("undecided", PART_AT_CUSTOMS) if held else None


def x7_part_used(file: File, shown: Shown) -> Bound | None:
    """A used part in the same hands is in there by a repair, in whatever order that was told."""
    used = any(tied.what == "used" for tied in file.tied) and shown.condition in ("new", "return")
    return ("undecided", USED_PART) if used else None


def x3_part_ended(file: File, shown: Shown) -> Bound | None:
    """What is in a battery did not end, and it not without that: one of both is not so."""
    ended = any(tied.what == "ended" for tied in file.tied) and shown.condition not in ("waste", None)
    return ("undecided", PART_ENDED) if ended else None


def i2_held_beside(file: File, shown: Shown) -> Bound | None:
    """A vehicle goes nowhere with another battery that is held; what was refused may be sent back."""
    if shown.goods != "in_vehicle" or shown.condition is None:
        return None
    here = {what for what, where in file.held_beside if where in ("", shown.jurisdiction)}
    if shown.direction == "export":
        here.discard("refused")
    if shown.condition == "waste":
        here &= {"lost"}
    return ("undecided", BESIDE_HELD) if here else None


def i1_read_beside(file: File, shown: Shown) -> Bound | None:
    """What one battery of a vehicle reads, the other went through: the vehicle was in use."""
    read = file.read_beside and shown.condition == "new"
    return ("hold", BESIDE_USED) if read else None


def x8_made_of_another(file: File, shown: Shown) -> Bound | None:
    """Whoever makes it, or has it, said that it came of another battery, and that is not on record."""
    named = any(how == ORIGIN for how, _ in file.named_as)
    return ("undecided", "said to be made of another") if named and shown.condition != "waste" else None


def x16_mass(file: File, shown: Shown) -> Bound | None:
    """What its passport says of its mass is what its maker recorded with its making."""
    other = file.weighs is not None and abs(file.weighs - PASSPORT_GRAMS) > PASSPORT_GRAMS // 2
    return ("hold", "heavier or lighter by its passport") if other and file.passport else None


def x17_registration(file: File, shown: Shown) -> Bound | None:
    """A registration is of one item (Impl Reg (EU) 2026/1778): two batteries under one are one paper set."""
    repeated = shown.registered is not None and shown.registered == shown.beside
    return ("hold", "another battery with its registration") if repeated else None


def i1_first_placing(file: File, shown: Shown) -> Bound | None:
    """Placed on a market, it is never placed there for the first time again."""
    if shown.condition == "new" and shown.direction == "import" and file.is_set("placed", shown.jurisdiction):
        return "hold", "as new, but placed there before"
    return None


def i2_passport_stopped(file: File, shown: Shown) -> Bound | None:
    """What an authority revoked or suspended stays so until that authority lifts it."""
    if any(s.what == "revoked" for s in file.stops):
        return "refuse_recommended", "passport revoked by an authority, not lifted"
    if any(s.what == "suspended" for s in file.stops):
        return "hold", "passport suspended by an authority, not lifted"
    return None


def i2_goods_stopped(file: File, shown: Shown) -> Bound | None:
    """Refused or suspended there, recalled there or by its maker, or lost anywhere, and not lifted."""
    # What was refused may leave again (Art 28); what is suspended stays before its customs.
    stopped = ("suspended",) if shown.direction == "export" else ("refused", "suspended")
    here = [s for s in file.settings if s.where == shown.jurisdiction and s.what in stopped]
    recalled = [
        s
        for s in file.settings
        if s.what == "recalled" and (s.where == shown.jurisdiction or s.by == file.maker)
    ]
    lost = [s for s in file.settings if s.what == "lost"]
    found = {s.what for s in (*here, *recalled, *lost)}
    # The recall of a model, batch, days or items: by the maker it holds everywhere, by an authority at home.
    if any(not is_authority(r.by) or side(r.by) == shown.jurisdiction for r in file.recalls):
        found.add("recalled")
    # Taken over as waste within the country it ends as a recall or a refusal lets it (2019/1020 Art 3(22) and
    # 28; UCC Art 198: goods that may not be released are destroyed).
    if shown.condition == "waste" and shown.direction == "inland":
        found -= {"recalled", "refused"}
    return ("hold", "not lifted: " + ", ".join(sorted(found))) if found else None


def i4_other_declaration(file: File, shown: Shown) -> Bound | None:
    """One battery, one open declaration: brought in under another it is not clear."""
    if shown.direction != "import":
        return None
    if file.declaration is not None and file.declaration != (shown.declaration, shown.jurisdiction):
        return "hold", "open under another declaration"
    return None


def i4_closed(file: File, shown: Shown) -> Bound | None:
    """Under a declaration that customs closed nothing more comes in, unless they opened it again.

    Released under it the goods went their way (UCC Art 194): that is for good.
    """
    asked = (shown.declaration, shown.jurisdiction)
    over = asked in file.released_under or (file.declaration is None and asked in file.closed)
    return ("undecided", "declaration closed") if over and shown.direction == "import" else None


def i4_declared_here(file: File, shown: Shown) -> Bound | None:
    """What is declared to customs of a country leaves it under that declaration, or once they closed it."""
    leaves = shown.direction == "export" and file.declaration is not None
    here = file.declaration is not None and file.declaration[1] == shown.jurisdiction
    if leaves and here and file.declaration != (shown.declaration, shown.jurisdiction):
        return "hold", "leaving while another declaration is open there"
    return None


def i4_not_released(file: File, shown: Shown) -> Bound | None:
    """What left a country or stands before customs is under supervision: about in none (UCC Art 134, 267)."""
    held = file.supervised and shown.direction == "inland"
    return ("hold", "on the way or declared, not released") if held else None


def i5_origin(file: File, shown: Shown) -> Bound | None:
    """A battery nobody brought into being, or one enrolled without its origin, is never clear as new."""
    if not file.exists:
        return "undecided", "nobody brought it into being"
    if file.disputed:
        return "undecided", "produced after an authority relied on its enrolment"
    if file.enrolled and shown.condition == "new":
        return "undecided", "origin not on record"
    return None


def i7_condition(file: File, shown: Shown) -> Bound | None:
    """What it is shown as is asked for, never guessed; a battery in a vehicle is no loose battery."""
    if shown.condition is None:
        return "undecided", "condition not given"
    if file.vehicle is not None and not file.ended and shown.goods in ("battery", "in_other"):
        return "hold", "in a vehicle, shown loose"  # what was told late to have ended is that, and in none
    if file.vehicle is not None and shown.goods is None:
        return "undecided", "in a vehicle, goods not given"
    return None


def i7_second_life(file: File, shown: Shown) -> Bound | None:
    """A second life is on record: what made it names its successor."""
    if shown.condition == "second_life" and "second_life" not in file.used:
        return "hold", "no second life on record"
    return None


def art_73_waste_still(file: File, shown: Shown) -> Bound | None:
    """Made of waste without a test in the Union, it is no battery in a second life there."""
    there = shown.jurisdiction == "EU" and shown.condition != "waste"
    return (
        ("hold", "made of waste that was tested elsewhere") if there and "still_waste" in file.used else None
    )


def i8_waste(file: File, shown: Shown) -> Bound | None:
    """Waste crosses borders by a notification that nobody here checks; inland it is on record as waste."""
    if shown.condition != "waste":
        return None
    if shown.direction != "inland":
        return "undecided", "waste shipment not checked"
    return None if "waste" in file.used else ("undecided", "waste not on record")


def annex_xiv(file: File, shown: Shown) -> Bound | None:
    """A used battery crosses a border with its record, or is presumed to be waste (point 5)."""
    if shown.direction == "inland" or shown.goods == "in_vehicle":
        return None
    if shown.condition == "used" and file.border != "used.exported":
        return "hold", "used, without its Annex XIV record"
    # What was put into a vehicle, was damaged or came out of a pack since the test is not what was tested.
    # Nor is what was put into a battery in use, or taken out of it, by its repair.
    part = any(how == PART_OF_USED for how, _ in file.named_as)
    since = file.been_in or "damaged" in file.used or file.came_out or part
    if shown.condition == "used" and file.old_test and since:
        return "hold", "used, tested before it was used"
    if shown.condition in ("return", "repair") and (file.in_use or part):
        return "undecided", "a return or repair whose agreement nobody checked"
    return None


def i3_withdrawn(file: File, shown: Shown) -> Bound | None:
    """Its operator says that this passport is not to be relied on, wherever it says so."""
    stopped = file.withdrawn_by_operator or file.paused_by_operator
    return ("hold", "passport withdrawn or paused by its operator") if stopped else None


def art_77_passport(file: File, shown: Shown) -> Bound | None:
    """From 18 February 2027 it has a live passport."""
    return None if file.passport else ("undecided", "no passport")


# What binds a battery under each of its codes: it is the same battery that is shown (X1).
UNDER_EVERY_CODE: tuple[Callable[[File, Shown], Bound | None], ...] = (
    i1_never_new_again, i1_waste, i1_scrapped, i1_ended, x8_fate, i1_first_placing,
    i2_passport_stopped, i2_goods_stopped, i3_withdrawn, i4_other_declaration, i4_closed,
    i4_declared_here, i7_condition, i1_part_of_used, x8_made_of_another,
    i2_parts_stopped, i2_parts_before_customs, x7_part_used, x3_part_ended, i1_read_beside,
)  # fmt: skip
INVARIANTS: tuple[Callable[[File, Shown], Bound | None], ...] = (
    i1_never_new_again, i1_waste, i1_scrapped, i1_ended, x8_fate, i1_first_placing,
    i2_passport_stopped, i2_goods_stopped, i3_withdrawn, i4_other_declaration, i4_closed,
    i4_declared_here, i4_not_released,
    i5_origin, i7_condition, i7_second_life, art_73_waste_still, i8_waste, annex_xiv, art_77_passport,
    i1_part_of_used, x8_made_of_another, x16_mass, x17_registration,
    i2_parts_stopped, i2_parts_before_customs, x7_part_used, x3_part_ended, i1_read_beside, i2_held_beside,
)  # fmt: skip


def bounds(file: File, shown: Shown, further: Sequence[File] = ()) -> list[Bound]:
    """Everything that speaks against a better word, worst first; `further` are its files of further codes."""
    found = [bound for invariant in INVARIANTS if (bound := invariant(file, shown)) is not None]
    asked = ((invariant, other) for other in further for invariant in UNDER_EVERY_CODE)
    under = [bound for invariant, other in asked if (bound := invariant(other, shown)) is not None]
    found += [(word, f"under a further code: {ground}") for word, ground in under]
    return sorted(found, key=lambda bound: -WORDS.index(bound[0]))


def too_good(file: File, shown: Shown, word: str, further: Sequence[File] = ()) -> list[Bound]:
    """The grounds on which `word` is better than anybody may say."""
    return [bound for bound in bounds(file, shown, further) if WORDS.index(word) < WORDS.index(bound[0])]
