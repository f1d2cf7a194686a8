"""`comity duties`: what is due, overdue or was said late. Exit code 1 if anything is overdue."""

from __future__ import annotations

import click

from node.cli.client import show, speaks_to_node
from node.cli.terminal import say
from node.node_client import Client
from node.words import when


@click.command()
@click.option("--before", type=int, help="Of records before this leaf of the log.")
@click.option("--json", "as_json", is_flag=True, help="The whole answer.")
@speaks_to_node
def duties(*, client: Client, before: int | None, as_json: bool) -> int:
    """Working-day duties: what is due, and what is overdue.

    What this party owes; for an authority what its side owes.
    """
    found = client.get("/duties" + ("" if before is None else f"?before={before}"))
    if as_json:
        show(found)
    else:
        for one in found["unrecorded"]:
            say(f"{one['state']:<8} {when(one['due_until'])}  {one['duty']}: signed, not recorded yet")
        for one in found["duties"]:
            say(f"{one['state']:<8} {when(one['due_until'])}  {one['battery'] or one['key']}")
            say(f"         {one['text']} {one['told']} ({one['basis']})")
        told = ", ".join(f"{count} {state}" for state, count in found["counts"].items())
        say(f"{told}; as of height {found['height']}")
        if found["before"] is not None:
            say(f"older ones: --before {found['before']}")
        for sentence in found["not_told"]:
            say(f"not told here: {sentence}")
    overdue = found["counts"]["overdue"] or any(one["state"] == "overdue" for one in found["unrecorded"])
    return 1 if overdue else 0
