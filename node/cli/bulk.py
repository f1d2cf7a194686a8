"""`comity bulk ACT`: many batteries suspended, reinstated, revoked, recalled, corrected, after a look."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.client import speaks_to_node
from node.cli.sheets_issued import SHEET_BYTES_MAX, progress, tell, told_of, write_refused
from node.cli.terminal import end_progress, say
from node.maker_client import MakerClient
from node.named_files import read_named
from node.node_client import Client

if TYPE_CHECKING:
    from node.use_cases.jobs import JobAnswer

WORDS = {"signed": "said", "repeated": "said before", "checked": "reached", "refused": "not reached"}
ACTS = ("suspend", "reinstate", "revoke", "recall", "lift_recall", "correct")


@click.command()
@click.argument("act", type=click.Choice(ACTS))
@click.option("--reason", default="", help="Why, in one sentence; it is published.")
@click.option("--codes", type=click.Path(path_type=Path), help="Sheet with a column `code`: CSV, XLSX.")
@click.option("--job", "batch", help="Batteries of the passports that this job issued.")
@click.option("--begins", help="Own passports of codes that begin so: a model or a batch.")
@click.option("--made-from", help="Produced on this day or later, YYYY-MM-DD.")
@click.option("--made-until", help="Produced on this day or earlier.")
@click.option("--statement", help="Of `correct`: which kind is taken back, the newest of each battery.")
@click.option("--failed", type=click.Path(path_type=Path), help="Write what is not reached there.")
@click.option("--yes", is_flag=True, help="Carry it out without asking.")
@speaks_to_node
def bulk(
    *,
    client: Client,
    act: str,
    reason: str,
    codes: Path | None,
    batch: str | None,
    failed: Path | None,
    yes: bool,
    **named: str | None,
) -> int:
    """Act on many batteries, once what is reached was shown."""
    maker = MakerClient(client)
    data = b"" if codes is None else read_named(codes, SHEET_BYTES_MAX, stdin=True)
    which = {name: value for name, value in {"job": batch, **named}.items() if value}
    key = secrets.token_hex(16)
    looked = _followed(maker, maker.look_at(act, reason, codes=data, key=key, **which)["id"])
    refused = looked["counts"].get("refused", 0)
    if refused:
        tell(maker, looked["id"], refused)
        if failed is not None:
            write_refused(maker, looked["id"], failed)
    reached = looked["counts"].get("checked", 0)
    say(f"reached  {told_of(looked, WORDS)}")
    if not reached:
        return 1 if refused else 0
    if not yes and not click.confirm(f"{act.replace('_', ' ')} these {reached}?"):
        say(f"nothing was said; the preview stays at the node: {looked['id']}")
        return 0
    done = _followed(maker, maker.carry_out(looked["id"])["id"])
    if left := done["counts"].get("refused", 0):
        tell(maker, done["id"], left)
    say(f"done     {told_of(done, WORDS)}, {done['on_ledger'].get('receipted', 0)} with a receipt")
    return 1 if refused or left else 0


def _followed(maker: MakerClient, id: str) -> JobAnswer:
    job = maker.wait(id, progress)
    end_progress()
    return job
