"""What can be weighed (X13, Annex XII).

Of no metal does more come out of a battery than is in it; and neither the metals that are in it nor the lots
that are made of it are more than all that was received of it.
"""

from __future__ import annotations

from .acts import Act
from .law import Archive

METALS = ("co", "ni", "li", "cu", "mn")
# What is stated where an act weighs nothing by itself.
USUAL = {
    "mass_in_grams": 500,
    "mass_grams": 50,
    **{f"{metal}_{way}_grams": 50 for metal in METALS[:4] for way in ("in", "out")},
}


def grams(act: Act, member: str) -> int | None:
    """What an act says that something weighs."""
    return dict(act.weights).get(member, USUAL.get(member))


def can_be(archive: Archive, act: Act) -> bool:
    """Whether what a statement weighs can be true beside what is on record; unweighed it can be any."""
    if act.event not in ("recycling.completed", "material.recovered"):
        return True
    record = archive.record(act.battery)
    receipts = [n for n, said in enumerate(record) if said.event == "recycling.received"]
    received = grams(record[receipts[-1]], "mass_in_grams") if receipts else None
    if act.event == "material.recovered":
        since = record[receipts[-1] :] if receipts else ()
        lots = [said for said in (*since, act) if said.event == act.event]
        return received is None or sum(grams(lot, "mass_grams") or 0 for lot in lots) <= received
    for metal in METALS:
        inside, recovered = grams(act, f"{metal}_in_grams"), grams(act, f"{metal}_out_grams")
        if inside is not None and recovered is not None and recovered > inside:
            return False
    inside_all = sum(grams(act, f"{metal}_in_grams") or 0 for metal in METALS)
    return received is None or inside_all <= received
