"""`comity account add | link | list | roles | end`: people of a node, by name and role.

Works on the data directory, while the node runs as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from node.cli.access import opened, tell_if_down
from node.cli.setup import DATA
from node.cli.terminal import say, to_the_minute
from node.config import DataDirectory
from node.use_cases.access import AT_THE_MACHINE
from node.use_cases.accounts import AccountMade, Accounts
from node.use_cases.roles import person_roles


@contextmanager
def _accounts(data: Path) -> Iterator[Accounts]:
    with opened(data) as (access, office):
        yield Accounts(office, access)


@click.group()
def account() -> None:
    """People of a node: named accounts with roles."""


_ROLES = click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice(list(person_roles())),
    help="What the person does here; repeatable.",
)


@account.command()
@DATA
@click.argument("name")
@_ROLES
def add(*, data: Path, name: str, roles: tuple[str, ...]) -> None:
    """Make an account, and print the link for its person.

    By it the person chooses a passphrase.
    """
    address = DataDirectory(data).url()
    with _accounts(data) as accounts:
        made = accounts.add(AT_THE_MACHINE, name, tuple(dict.fromkeys(roles)))
    _say_link(data, address, made)


@account.command()
@DATA
@click.argument("name")
def link(*, data: Path, name: str) -> None:
    """Print a new link for somebody who forgot the passphrase.

    The old passphrase ends when the link is used.
    """
    address = DataDirectory(data).url()
    with _accounts(data) as accounts:
        made = accounts.invite(AT_THE_MACHINE, name)
    _say_link(data, address, made)


def _say_link(data: Path, address: str, made: AccountMade) -> None:
    say(f"{address}/welcome/{made['token']}")
    say(f"for {made['name']}: it opens once, until {to_the_minute(made['until'])}", err=True)
    tell_if_down(data, address)


@account.command("list")
@DATA
def list_accounts(*, data: Path) -> None:
    """The accounts in use with their roles, and those that ended last."""
    with _accounts(data) as accounts:
        rows = accounts.listing()
    if not rows:
        say("nobody has an account: `comity account add NAME --role ROLE` makes one")
    for row in rows:
        used = (
            "never signed in"
            if row["last_used"] is None
            else f"last signed in {to_the_minute(row['last_used'])}"
        )
        sessions = "1 session" if row["sessions"] == 1 else f"{row['sessions']} sessions"
        state = (
            f"ended {to_the_minute(row['ended'])}"
            if row["ended"] is not None
            else f"{row['state']}, {sessions}"
        )
        say(f"{row['name']}  {', '.join(row['roles'])}  {row['account']}  {state}, {used}")


@account.command("roles")
@DATA
@click.argument("name")
@_ROLES
def give_roles(*, data: Path, name: str, roles: tuple[str, ...]) -> None:
    """Give an account other roles; its sessions end at once.

    In the place of those it has.
    """
    with _accounts(data) as accounts:
        ended = accounts.give_roles(AT_THE_MACHINE, name, tuple(dict.fromkeys(roles)))
    say(f"{name}: {', '.join(dict.fromkeys(roles))}; {ended} session(s) ended")


@account.command()
@DATA
@click.argument("name")
def end(*, data: Path, name: str) -> None:
    """End an account and its sessions; at once, also while the node runs."""
    with _accounts(data) as accounts:
        ended = accounts.end(AT_THE_MACHINE, name)
    say(f"ended: the account {name}, and {ended} session(s) with it")
