"""`comity keys grant | link | list | allow-vote`: who may use a node, and whether it may vote.

Works on the data directory; all but `allow-vote` while the node runs, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from node.access.keys import SCOPES, Access
from node.cli.setup import DATA
from node.config import DataDirectory
from node.errors import SetupError
from node.storage.office import OfficeStore


@contextmanager
def _access(data: Path) -> Iterator[Access]:
    directory = DataDirectory(data)
    if not directory.card.exists():
        raise SetupError(f"{data} is not a data directory: run `comity init` first")
    office = OfficeStore(directory.office)
    try:
        yield Access(office, directory.operator())
    finally:
        office.close()


@click.group()
def keys() -> None:
    """Bearer keys and one-time links of a node."""


@keys.command()
@DATA
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="Repeatable."
)
def grant(*, data: Path, name: str, scopes: tuple[str, ...]) -> None:
    """Make a bearer key; it is shown this once."""
    with _access(data) as access:
        click.echo(access.grant(name, scopes)["key"])


@keys.command()
@DATA
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Default: read, clear.")
@click.option("--next", "page", default="/", show_default=True, help="The page to open.")
def link(*, data: Path, scopes: tuple[str, ...], page: str) -> None:
    """Make a one-time link that opens the pages in a browser."""
    directory = DataDirectory(data)
    with _access(data) as access:
        token = access.open_link(scopes or ("read", "clear"), page)
    try:
        address = directory.address.read_text().strip()
    except FileNotFoundError as error:
        raise SetupError(f"the node of {data} was never started: run `comity serve --data {data}`") from error
    click.echo(f"{address}/enter/{token}")


@keys.command("list")
@DATA
def list_keys(*, data: Path) -> None:
    """The keys that were granted, without their secrets."""
    with _access(data) as access:
        for row in access.listing():
            used = "never used" if row["last_used"] is None else f"last used {_day(row['last_used'])}"
            click.echo(f"{row['name']}  {', '.join(row['scopes'])}  since {_day(row['created'])}, {used}")


@keys.command("allow-vote")
@DATA
@click.option("--no-other-copy-runs", is_flag=True, help="Say that this is the only node with these keys.")
def allow_vote(*, data: Path, no_other_copy_runs: bool) -> int:
    """Let a validator vote again whose signing.db was lost or put back. The node must be stopped.

    It votes above the height, and cosigns above the log size, that its peers have seen signed by it.
    """
    from node.storage.signing import SigningStore  # noqa: PLC0415

    directory = DataDirectory(data)
    if not directory.signing.exists():
        raise SetupError(f"{data} holds no signing.db: start the node, and it says whether it may vote")
    with directory.lock():
        signing = SigningStore(directory.signing)
        try:
            withheld = signing.withheld()
            if withheld is None:
                click.echo("nothing is withheld: the node votes when its peers have answered")
                return 0
            click.echo(f"withheld: {withheld.reason}")
            if not no_other_copy_runs:
                click.echo("if no other node runs with these keys, repeat this with --no-other-copy-runs")
                return 1
            height, size = signing.allow_vote()
        finally:
            signing.close()
    click.echo(f"allowed: votes from height {height} on, cosignatures from {size} entries on")
    return 0


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
