"""What can be weighed: of no metal does more come out of a battery than is in it (X13, Annex XII)."""

from __future__ import annotations

from .acts import Act

METALS = ("co", "ni", "li", "cu", "mn")


def can_be(act: Act) -> bool:
    """Whether the weights of a statement can all be true; what it does not weigh can be anything."""
    weighed = dict(act.weights)
    for metal in METALS:
        inside, recovered = weighed.get(f"{metal}_in_grams"), weighed.get(f"{metal}_out_grams")
        if inside is not None and recovered is not None and recovered > inside:
            return False
    return True
