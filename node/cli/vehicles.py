"""`comity vehicle`: may a vehicle be registered, sold or scrapped, by what is on record?

Exit codes: 0 yes, 1 no, 2 could not decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from node.cli.client import show, speaks_to_node
from node.cli.terminal import say
from node.node_client import Client

CODES = {"yes": 0, "no": 1}


@click.command()
@click.argument("vin")
@click.option("--act", required=True, help="registered, sold or scrapped.")
@click.option("--battery", "batteries", multiple=True, help="A battery that is in it, or was (repeatable).")
@click.option("--jurisdiction", help="Where; default: that of the node's policy.")
@click.option("--json", "as_json", is_flag=True, help="The whole answer.")
@speaks_to_node
def vehicle(
    *,
    client: Client,
    vin: str,
    act: str,
    batteries: tuple[str, ...],
    jurisdiction: str | None,
    as_json: bool,
) -> int:
    """May the vehicle VIN be registered, sold or scrapped?

    With every battery that is bound to it.
    """
    asked: dict[str, object] = {"vin": vin, "act": act, "batteries": list(batteries)}
    if jurisdiction is not None:
        asked["jurisdiction"] = jurisdiction
    made = client.post("/vehicles/check", asked)
    if as_json:
        show(made)
    else:
        say(f"{made['answer']}: {made['text']}")
        _print_findings(made["findings"])
        for pack in made["batteries"]:
            say(f"  {pack['battery'] or 'a battery whose code this node does not know'}")
            _print_findings(pack["findings"])
    return CODES.get(made["answer"], 2)


def _print_findings(findings: Iterable[Mapping[str, str]]) -> None:
    for one in findings:
        say(f"    {one['outcome']:<12} {one['code']}: {one['text']}")
        if one["outcome"] != "note":
            say(f"    {'':<12} next: {one['next']}")
