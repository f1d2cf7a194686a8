"""The eight routes to a false `clear` that were known at d5dbf19, told by what the law holds against each."""

from __future__ import annotations

from collections.abc import Iterable

from .explore import Finding

# Route: (what it is, the ground on which the law holds the word `clear` to be too good).
ROUTES: dict[str, tuple[str, str]] = {
    "L01": ("waste, exported as waste, presented", "waste, shown as new"),
    "L02": ("the same with a dismantled pack", "ended: battery.dismantled"),
    "L03": ("revoked by an authority, published again", "passport revoked by an authority, not lifted"),
    "L04": (
        "suspended by an authority, revoked by its maker, published again",
        "passport suspended by an authority, not lifted",
    ),
    "L05": ("successor of a second life, issued without predecessors", "marks of use: second_life"),
    "L06": ("child of a dismantled pack, shown as new", "marks of use: child_of_dismantled, waste"),
    "L07": ("in a car, shown as a loose battery", "in a vehicle, shown loose"),
    "L08": ("installed and removed, shown as new", "marks of use: installed, removed"),
}


def known_routes(findings: Iterable[Finding]) -> dict[str, Finding]:
    """The known routes among the false `clear` words found, each with a shortest history."""
    clear = [f for f in findings if f.kind == "word" and f.said == "clear"]
    found: dict[str, Finding] = {}
    for route, (_, ground) in ROUTES.items():
        mine = [f for f in clear if f.about.endswith(ground)]
        if mine:
            found[route] = min(mine, key=lambda f: len(f.history))
    return found
