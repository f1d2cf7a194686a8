"""`comity aside`, `comity webhooks`, `comity audit`: what a running node's operator has to look at."""

from __future__ import annotations

import click

from node.cli.client import speaks_to_node
from node.cli.terminal import in_utc, say, say_step
from node.node_client import Client


@click.group()
def aside() -> None:
    """Work that failed unforeseen and was set aside."""


@aside.command("list")
@speaks_to_node
def list_aside(*, client: Client) -> None:
    """What was set aside, and why."""
    told = client.get("/operations/aside")
    rows = told["aside"]
    for row in told["inputs"]:
        say(f"input {row['what']} of {row['sender'] or 'this node'}  {in_utc(row['at'])}: {row['because']}")
    if not rows:
        say("nothing is set aside")
    for row in rows:
        tries = "1 try" if row["tries"] == 1 else f"{row['tries']} tries"
        say(f"{row['number']}  {row['what']} {row['ref']}  {in_utc(row['at'])}, {tries}: {row['because']}")
    if rows:
        from node.catalogues import aside_step  # noqa: PLC0415  (only what is told pays for the tables)

        say_step({"fault": "node", "next": aside_step()})


@aside.command()
@click.argument("number", type=click.IntRange(min=1))
@speaks_to_node
def retry(*, client: Client, number: int) -> None:
    """Have one piece of work tried once more, by its number in the list."""
    row = client.post(f"/operations/aside/{number}/again", {})
    say(f"will be tried again: {row['what']} {row['ref']}")


@click.group()
def webhooks() -> None:
    """Who is told what happens at a node, and what was given up."""


@webhooks.command("list")
@speaks_to_node
def list_webhooks(*, client: Client) -> None:
    """Endpoints of node.toml, and posts that were given up."""
    told = client.get("/webhooks")
    if not told["endpoints"]:
        say("node.toml names no endpoint")
    for row in told["endpoints"]:
        counts = f"{row['waits']} wait, {row['sent']} were taken, {row['dead']} were given up"
        say(f"{row['name']}  {row['url']}  {', '.join(row['topics'])}: {counts}")
    for row in told["dead"]:
        say(f"{row['number']}  {row['endpoint']} {row['topic']}  {in_utc(row['at'])}: {row['because']}")


@webhooks.command("retry")
@click.argument("name")
@click.option("--number", type=click.IntRange(min=1), help="Only this post.")
@speaks_to_node
def retry_webhooks(*, client: Client, name: str, number: int | None) -> None:
    """Send what was given up to one endpoint once more."""
    query = "" if number is None else f"?number={number}"
    say(f"will be sent again: {client.post(f'/webhooks/{name}/again{query}', {})['again']}")


@click.command()
@click.option("--before", type=click.IntRange(min=1), help="Only acts with a smaller number.")
@speaks_to_node
def audit(*, client: Client, before: int | None) -> None:
    """Who did what at this node, newest first."""
    query = "" if before is None else f"?before={before}"
    for row in client.get(f"/operations/audit{query}")["audit"]:
        say(f"{row['number']}  {in_utc(row['at'])}  {row['who']}  {row['did']}  {row['about']}")
