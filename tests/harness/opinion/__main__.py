"""`python -m opinion [--deck use]`: explore the code on the path and print what it said too well."""

from __future__ import annotations

import argparse
import sys
import time

from .alphabet import DECKS, ROUTE_DECKS


def only_from(tree: str) -> None:
    """Import the project from `tree` alone, not from where it is installed."""
    sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(getattr(f, "__module__", f))]
    sys.path.insert(0, tree)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deck", action="append", choices=sorted({*DECKS, *ROUTE_DECKS}))
    parser.add_argument("--depth", type=int, default=99)
    parser.add_argument("--states", type=int, default=1_000_000)
    parser.add_argument("--follow", action="store_true", help="go on from acts that nobody may speak")
    parser.add_argument("--rightful", action="store_true", help="only the parties of one honest trade")
    parser.add_argument("--code", metavar="DIR", help="a tree of the project, such as an older commit's")
    options = parser.parse_args()
    if options.code:
        only_from(options.code)
    from .explore import Finding, explore
    from .routes import ROUTES, known_routes

    found: list[Finding] = []
    decks = ROUTE_DECKS if options.rightful else DECKS
    for name in options.deck or sorted(decks):
        deck = decks[name]
        started = time.perf_counter()
        result = explore(
            deck,
            depth_max=options.depth,
            states_max=options.states,
            speaks=not options.follow,
            tell=lambda text: print(" ", text, flush=True),
        )
        seconds = time.perf_counter() - started
        end = "to the fixpoint" if result.finished else "cut off"
        print(
            f"== {name}: {result.states} states, {result.acts} acts, {result.words} words, "
            f"depth {result.depth}, {end}, {seconds:.0f} s",
            flush=True,
        )
        found += result.findings.values()
    print("== known routes")
    routes = known_routes(found)
    for route, (what, _) in ROUTES.items():
        steps = "; ".join(map(str, routes[route].history)) if route in routes else "not found"
        print(f"{route} {what}: {steps}")


if __name__ == "__main__":
    main()
