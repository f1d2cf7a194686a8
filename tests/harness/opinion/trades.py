"""Honest trades by name, and the worst word that the law needs on each: they go through, and are said well.

The other half of the opinion. `bounds.py` says what nobody may say better; here, what nobody may refuse,
and what nobody may say worse: each act is its rightful party's, each is needed, and nothing is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .acts import Act
from .alphabet import CAR, OURS, THEIRS
from .bounds import Shown
from .parties import (
    CAR_MAKER,
    CN_AUTHORITY,
    CN_CUSTOMS,
    EU_AUTHORITY,
    EU_CUSTOMS,
    HOLDER,
    MAKER,
    RIVAL,
    STRANGER,
)

PACK, MODULE, EUROPEAN, SUCCESSOR = "A", "B", "R1", "S1"


@dataclass(frozen=True, slots=True)
class Trade:
    """What happens to a battery, and how it may be shown then, each with the worst word allowed."""

    name: str
    acts: tuple[Act, ...]
    sights: tuple[tuple[Shown, str], ...]
    battery: str = PACK


def act(by: str, event: str, *parties: str, about: str = PACK, **more: object) -> Act:
    return replace(Act(by, event, about, parties=parties), **more)  # type: ignore[arg-type]


def seen(condition: str, word: str = "clear", **more: str) -> tuple[Shown, str]:
    return replace(Shown(condition=condition), **more), word


IN_CAR, TO_CN, OUT, INLAND = (
    {"goods": "in_vehicle"},
    {"jurisdiction": "CN"},
    {"direction": "export"},
    {"direction": "inland"},
)
MADE = (act(MAKER, "battery.produced"), act(MAKER, "passport.published", version=1))
SENT = (*MADE, act(MAKER, "battery.exported", HOLDER))
DECLARED = (*SENT, act(HOLDER, "battery.presented", declaration=OURS))
RELEASED = (*DECLARED, act(EU_CUSTOMS, "customs.released"))
PLACED = (*RELEASED, act(HOLDER, "market.placed", STRANGER))
IN_USE = (*PLACED, act(STRANGER, "battery.installed", vehicle=CAR))
TAKEN_OUT = (
    *IN_USE,
    act(STRANGER, "battery.swapped_out", vehicle=CAR),
    act(STRANGER, "soh.measured"),
)
SENT_USED = (*TAKEN_OUT, act(HOLDER, "used.exported", MAKER))
WASTE = (*TAKEN_OUT, act(HOLDER, "battery.declared_waste", STRANGER))
AGAIN = act(HOLDER, "battery.presented", declaration=THEIRS)
WASTE_BEFORE_CUSTOMS = (*WASTE, act(STRANGER, "waste.exported", HOLDER, STRANGER), AGAIN)
WASTE_HERE = (*WASTE_BEFORE_CUSTOMS, act(EU_CUSTOMS, "customs.released"))
USED_HERE = (*SENT_USED, AGAIN, act(EU_CUSTOMS, "customs.released"))
REFUSED = (*DECLARED, act(EU_CUSTOMS, "customs.refused"))
BACK_HOME = act(HOLDER, "battery.exported", MAKER)
MADE_IN_EU = (
    act(RIVAL, "battery.produced", about=EUROPEAN),
    act(RIVAL, "passport.published", about=EUROPEAN, version=1),
)

IN_NEW_CAR = (
    *MADE,
    act(MAKER, "battery.handed_over", CAR_MAKER, countersigned=(CAR_MAKER,)),
    act(CAR_MAKER, "battery.installed", vehicle=CAR),
    act(CAR_MAKER, "battery.exported", HOLDER),
    act(HOLDER, "battery.presented", declaration=OURS, vehicle=CAR),
)
CAR_ON_MARKET = (
    *IN_NEW_CAR,
    act(EU_CUSTOMS, "customs.released"),
    act(HOLDER, "market.placed", STRANGER),
)

TRADES = (
    Trade("import of a new battery", DECLARED, (seen("new"),)),
    Trade("import, released", RELEASED, (seen("new", "undecided"), seen("new", **INLAND))),
    Trade("import, on the way, not yet declared", SENT, (seen("new"),)),
    Trade("on the market", PLACED, (seen("new", **INLAND), seen("new", **OUT))),
    Trade(
        "rework before sale",
        (*MADE, act(MAKER, "battery.maintained"), *DECLARED[2:]),
        (seen("new"),),
    ),
    Trade(
        "unsold stock of one market sent on to another",
        (*MADE, act(MAKER, "market.placed", HOLDER), *DECLARED[2:]),
        (seen("new"),),
    ),
    Trade(
        "unsold stock of the EU sent to China",
        (*PLACED, BACK_HOME),
        (seen("new", **OUT), seen("new", **TO_CN), seen("return", **TO_CN)),
    ),
    Trade(
        "unsold stock comes back: a return",
        (*PLACED, BACK_HOME, AGAIN),
        (seen("return", declaration=THEIRS),),
    ),
    Trade(
        "a refusal corrected (Reg 2019/1020 Art 28)",
        (*REFUSED, act(EU_CUSTOMS, "customs.refusal_lifted"), DECLARED[-1]),
        (seen("new"),),
    ),
    Trade("refused goods are sent back", REFUSED, (seen("new", **OUT),)),
    Trade(
        "refused goods are back home",
        (*REFUSED, BACK_HOME),
        (seen("new", **TO_CN), seen("return", **TO_CN)),
    ),
    Trade(
        "a suspension that ended in release",
        (*DECLARED, act(EU_CUSTOMS, "customs.suspended"), act(EU_CUSTOMS, "customs.released")),
        (seen("new", "undecided"), seen("new", **INLAND)),
    ),
    Trade(
        "a declaration invalidated, declared again (UCC Art 174)",
        (*DECLARED, act(EU_CUSTOMS, "customs.invalidated"), AGAIN),
        (seen("new", declaration=THEIRS),),
    ),
    Trade(
        "transit to an office of the other side",
        (*DECLARED, act(EU_CUSTOMS, "customs.moved", CN_CUSTOMS), act(CN_CUSTOMS, "customs.released")),
        (seen("new", "undecided", **TO_CN), seen("new", **TO_CN, **INLAND)),
    ),
    Trade(
        "a battery made in the EU goes to China",
        (
            *MADE_IN_EU,
            act(RIVAL, "battery.exported", MAKER, about=EUROPEAN),
            act(RIVAL, "battery.presented", CN_CUSTOMS, about=EUROPEAN, declaration=OURS),
            act(CN_CUSTOMS, "customs.released", about=EUROPEAN),
        ),
        (seen("new", "undecided", **TO_CN), seen("new", **TO_CN, **INLAND)),
        EUROPEAN,
    ),
    Trade(
        "in its first car",
        IN_USE,
        (seen("new", **IN_CAR, **INLAND), seen("used", **IN_CAR, **INLAND), seen("new", **IN_CAR, **OUT)),
    ),
    Trade("a new car from China, with its battery", IN_NEW_CAR, (seen("new", **IN_CAR),)),
    Trade(
        "a new car from China, on the market",
        CAR_ON_MARKET,
        (seen("new", **IN_CAR, **INLAND), seen("used", **IN_CAR, **INLAND)),
    ),
    Trade(
        "a car from China, registered, its battery taken out",
        (
            *CAR_ON_MARKET,
            act(EU_AUTHORITY, "vehicle.registered", vehicle=CAR),
            act(STRANGER, "battery.swapped_out", vehicle=CAR),
        ),
        (seen("used", **INLAND),),
    ),
    Trade(
        "a car built and sold at home, its battery replaced by any workshop there",
        (
            *MADE_IN_EU,
            act(RIVAL, "battery.handed_over", HOLDER, about=EUROPEAN, countersigned=(HOLDER,)),
            act(HOLDER, "battery.installed", about=EUROPEAN, vehicle=CAR),
            act(HOLDER, "vehicle.sold", about=EUROPEAN, vehicle=CAR),
            act(STRANGER, "soh.measured", about=EUROPEAN),
            act(STRANGER, "battery.swapped_out", about=EUROPEAN, vehicle=CAR),
        ),
        (seen("used", **INLAND),),
        EUROPEAN,
    ),
    Trade(
        "a used car leaves with its battery",
        (*IN_USE, BACK_HOME),
        (seen("used", **IN_CAR, **OUT), seen("used", **IN_CAR, **TO_CN)),
    ),
    Trade("out of its car", TAKEN_OUT, (seen("used", **INLAND), seen("return", "undecided", **OUT))),
    Trade(
        "a used battery to China, with its record (Annex XIV)",
        SENT_USED,
        (seen("used", **OUT), seen("used", **TO_CN), seen("repair", "undecided", **TO_CN)),
    ),
    Trade(
        "a warranty return to its maker",
        (*TAKEN_OUT, BACK_HOME),
        (seen("return", "undecided", **TO_CN), seen("return", "undecided", **OUT)),
    ),
    Trade(
        "a used battery comes back: a re-import",
        (*SENT_USED, AGAIN),
        (seen("used", declaration=THEIRS), seen("return", "undecided", declaration=THEIRS)),
    ),
    Trade(
        "installed again",
        (*TAKEN_OUT, act(STRANGER, "battery.installed", vehicle=CAR)),
        (seen("used", **IN_CAR, **INLAND),),
    ),
    Trade(
        "recalled, and taken over as waste",
        (*TAKEN_OUT, act(MAKER, "battery.recalled"), act(HOLDER, "battery.declared_waste", STRANGER)),
        (seen("waste", **INLAND),),
    ),
    Trade("waste, as waste", WASTE, (seen("waste", **INLAND), seen("waste", "undecided", **OUT))),
    Trade(
        "waste collected and sent abroad",
        (*WASTE, act(STRANGER, "waste.collected"), act(STRANGER, "waste.exported", MAKER)),
        (seen("waste", "undecided", **OUT), seen("waste", "undecided", **TO_CN)),
    ),
    Trade(
        "waste that customs let in is taken over and recycled",
        (*WASTE_HERE, act(STRANGER, "waste.collected"), act(STRANGER, "recycling.received")),
        (),
    ),
    Trade(
        "waste that customs let in, taken over",
        (*WASTE_HERE, act(STRANGER, "waste.collected")),
        (seen("waste", **INLAND),),
    ),
    Trade(
        "waste that customs let in is sent on",
        (*WASTE_HERE, act(STRANGER, "waste.exported", MAKER)),
        (seen("waste", "undecided", **OUT),),
    ),
    Trade(
        "waste that customs refused goes back",
        (*WASTE_BEFORE_CUSTOMS, act(EU_CUSTOMS, "customs.refused"), act(STRANGER, "waste.exported", MAKER)),
        (seen("waste", "undecided", **TO_CN),),
    ),
    Trade(
        "a used battery that customs refused goes back with its record",
        (*SENT_USED, AGAIN, act(EU_CUSTOMS, "customs.refused"), act(HOLDER, "used.exported", MAKER)),
        (seen("used", **TO_CN),),
    ),
    Trade(
        "a used battery that customs let in is sent on",
        (*USED_HERE, act(HOLDER, "used.exported", MAKER)),
        (seen("used", **OUT), seen("used", **TO_CN)),
    ),
    Trade(
        "a used battery that customs let in is made into another",
        (
            *USED_HERE,
            act(HOLDER, "battery.sold", MAKER),
            act(MAKER, "second_life.remanufactured", others=(SUCCESSOR,), countersigned=(HOLDER, MAKER)),
        ),
        (),
    ),
    Trade(
        "a car scrapped by who was certified to, its battery handed on to a recycler",
        (
            *IN_USE,
            act(EU_AUTHORITY, "end_of_life.certified", STRANGER),
            act(STRANGER, "vehicle.scrapped", vehicle=CAR),
            act(STRANGER, "battery.handed_over", HOLDER, countersigned=(HOLDER,)),
            act(HOLDER, "recycling.received"),
        ),
        (),
    ),
    Trade(
        "a used car that its owner brings in, registered and looked after there",
        (
            *IN_NEW_CAR[:-2],
            act(CAR_MAKER, "vehicle.sold", vehicle=CAR),
            act(CN_AUTHORITY, "battery.exported", EU_CUSTOMS),
            act(EU_CUSTOMS, "battery.presented", declaration=OURS),
            act(EU_CUSTOMS, "customs.released"),
            act(EU_AUTHORITY, "vehicle.registered", vehicle=CAR),
            act(STRANGER, "soh.measured"),
            act(STRANGER, "battery.swapped_out", vehicle=CAR),
        ),
        (seen("used", **INLAND),),
    ),
    Trade(
        "installed before its importer reports that it is on the market",
        (
            *MADE,
            act(MAKER, "battery.exported", HOLDER, STRANGER),
            DECLARED[-1],
            act(EU_CUSTOMS, "customs.released"),
            act(STRANGER, "battery.installed", vehicle=CAR),
            act(HOLDER, "market.placed"),
            act(STRANGER, "soh.measured"),
        ),
        (seen("used", **IN_CAR, **INLAND),),
    ),
    Trade(
        "made into another battery",
        (
            *WASTE,
            act(
                MAKER,
                "second_life.prepared_for_reuse",
                others=(SUCCESSOR,),
                countersigned=(HOLDER, MAKER),
            ),
            act(MAKER, "battery.produced", about=SUCCESSOR, others=(PACK,)),
            act(MAKER, "passport.published", about=SUCCESSOR, version=1),
            act(MAKER, "market.placed", STRANGER, about=SUCCESSOR),
            act(STRANGER, "soh.measured", about=SUCCESSOR),
        ),
        (seen("second_life", **INLAND), seen("used", **INLAND)),
        SUCCESSOR,
    ),
    Trade(
        "a module out of a waste pack, prepared for a second life without a passport of its own",
        (
            *WASTE,
            act(MAKER, "battery.produced", about=MODULE),
            act(MAKER, "battery.handed_over", STRANGER, about=MODULE, countersigned=(STRANGER,)),
            act(STRANGER, "battery.dismantled", others=(MODULE,)),
            act(
                MAKER,
                "second_life.prepared_for_reuse",
                about=MODULE,
                others=(SUCCESSOR,),
                countersigned=(STRANGER, MAKER),
            ),
            act(MAKER, "battery.produced", about=SUCCESSOR, others=(MODULE,)),
            act(MAKER, "passport.published", about=SUCCESSOR, version=1),
            act(MAKER, "market.placed", STRANGER, about=SUCCESSOR),
            act(STRANGER, "soh.measured", about=SUCCESSOR),
        ),
        (seen("second_life", **INLAND), seen("used", **INLAND)),
        SUCCESSOR,
    ),
    Trade(
        "lost and found",
        (*SENT, act(HOLDER, "battery.reported_lost"), act(HOLDER, "battery.found"), DECLARED[-1]),
        (seen("new"),),
    ),
    Trade(
        "recalled, put right",
        (*SENT, act(MAKER, "battery.recalled"), act(MAKER, "battery.recall_lifted"), DECLARED[-1]),
        (seen("new"),),
    ),
    Trade(
        "a passport with a mistake, superseded",
        (*DECLARED, act(MAKER, "passport.superseded", version=2, about_version=1)),
        (seen("new"),),
    ),
    Trade(
        "a passport suspended and reinstated by its authority",
        (
            *MADE,
            act(CN_AUTHORITY, "passport.suspended", about_version=1),
            act(CN_AUTHORITY, "passport.reinstated", about_version=1),
            *DECLARED[2:],
        ),
        (seen("new"),),
    ),
    Trade(
        "a passport revoked, the ban lifted, published anew",
        (
            *MADE,
            act(CN_AUTHORITY, "passport.revoked", about_version=1),
            act(CN_AUTHORITY, "passport.ban_lifted", about_version=1),
            act(MAKER, "passport.published", version=2),
            *DECLARED[2:],
        ),
        (seen("new"),),
    ),
    Trade(
        "a passport that is missing at the border, published there",
        (
            act(MAKER, "battery.produced"),
            *DECLARED[2:],
            act(EU_CUSTOMS, "customs.suspended"),
            act(MAKER, "passport.published", version=1),
            act(EU_CUSTOMS, "customs.released"),
        ),
        (seen("new", "undecided"), seen("new", **INLAND)),
    ),
    Trade(
        "refused for its passport, published, declared again",
        (
            act(MAKER, "battery.produced"),
            *REFUSED[2:],
            act(MAKER, "passport.published", version=1),
            act(EU_CUSTOMS, "customs.refusal_lifted"),
            DECLARED[-1],
        ),
        (seen("new"),),
    ),
    Trade(
        "a passport revoked in use, the ban lifted, published anew",
        (
            *IN_USE,
            act(EU_AUTHORITY, "passport.revoked", about_version=1),
            act(EU_AUTHORITY, "passport.ban_lifted", about_version=1),
            act(MAKER, "passport.published", version=2),
        ),
        (seen("used", **IN_CAR, **INLAND),),
    ),
    Trade(
        "withdrawn by its operator, taken out, published anew",
        (
            *TAKEN_OUT,
            act(MAKER, "passport.revoked", about_version=1),
            act(MAKER, "passport.published", version=2),
        ),
        (seen("used", **INLAND),),
    ),
    Trade(
        "a used battery tested at the border",
        (*SENT_USED, AGAIN, act(HOLDER, "soh.measured")),
        (seen("used", declaration=THEIRS),),
    ),
    Trade(
        "handed over along a chain of sales",
        (*MADE, act(MAKER, "battery.handed_over", HOLDER, countersigned=(HOLDER,)), DECLARED[-1]),
        (seen("new"),),
    ),
    Trade(
        "sold on twice before it leaves, each buyer countersigning",
        (
            *MADE,
            act(MAKER, "battery.handed_over", CAR_MAKER, countersigned=(CAR_MAKER,)),
            act(CAR_MAKER, "battery.handed_over", HOLDER, countersigned=(HOLDER,)),
            DECLARED[-1],
        ),
        (seen("new"),),
    ),
    Trade(
        "seized in use, assigned to who ends it",
        (
            *TAKEN_OUT,
            act(EU_AUTHORITY, "custody.assigned", STRANGER),
            act(STRANGER, "battery.declared_waste"),
        ),
        (seen("waste", **INLAND),),
    ),
    Trade(
        "the holder insolvent, an authority assigns",
        (*RELEASED, act(EU_AUTHORITY, "custody.assigned", RIVAL), act(RIVAL, "market.placed", HOLDER)),
        (seen("new", **INLAND),),
    ),
    Trade(
        "older stock, enrolled by its holder",
        (
            act(HOLDER, "battery.enrolled"),
            act(HOLDER, "passport.published", version=1),
            act(HOLDER, "market.placed", STRANGER),
        ),
        (seen("used", **INLAND),),
    ),
)
