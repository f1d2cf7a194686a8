"""`comity keys grant | link | list | revoke | renew-operator | passphrase | allow-vote`: who may use a node?

And `comity keys rotate | compromised | uses | prove` (`recovering.py`), `comity keys token` (`tokens.py`).

Works on the data directory; all but the last three while the node runs, too.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click

from node.cli.recovering import compromised, prove, rotate, uses
from node.cli.setup import DATA, PASSPHRASE
from node.cli.terminal import say, to_the_minute
from node.cli.tokens import token
from node.config import DataDirectory, passphrase
from node.errors import SetupError
from node.setup import standalone
from node.setup.keystore import KEYS_FILE, Keys, write_operator_key
from node.setup.network import read_card
from node.storage.office import OfficeStore
from node.use_cases.access import AT_THE_MACHINE, SCOPES, Access, end_operators_key


@contextmanager
def opened(data: Path) -> Iterator[tuple[Access, OfficeStore]]:
    """Who may use the node of a data directory, and the store that says so."""
    directory = DataDirectory(data)
    if not directory.card.exists():
        raise SetupError(f"{data} is not a data directory: run `comity init` first")
    office = OfficeStore(directory.office)
    try:
        roles = read_card(directory.card).roles
        yield Access(office, directory.operator(), roles=lambda: roles), office
    finally:
        office.close()


@contextmanager
def _access(data: Path) -> Iterator[Access]:
    with opened(data) as (access, _):
        yield access


@click.group()
def keys() -> None:
    """Keys of a participant; bearer keys and links of its node."""


@keys.command()
@DATA
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="Repeatable."
)
def grant(*, data: Path, name: str, scopes: tuple[str, ...]) -> None:
    """Make a bearer key; it is shown this once."""
    with _access(data) as access:
        say(access.grant(AT_THE_MACHINE, name, scopes)["key"])


@keys.command()
@DATA
@click.argument("name")
def revoke(*, data: Path, name: str) -> None:
    """End a key, and the sessions and links of that name.

    At once, also while the node runs.
    """
    with _access(data) as access:
        ended, sessions = access.revoke(AT_THE_MACHINE, name)
    say(f"revoked: {ended} key(s) and {sessions} session(s) called {name}")


@keys.command()
@DATA
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="Default: what people of this participant's roles do at the pages.",
)
@click.option("--next", "page", default="/", show_default=True, help="The page to open.")
@click.option("--for", "name", help="Who will use it: the name of the session, in the list and in the audit.")
def link(*, data: Path, scopes: tuple[str, ...], page: str, name: str | None) -> None:
    """Make a one-time link that opens the pages in a browser."""
    from node.api.destinations import require_open  # noqa: PLC0415
    from node.api.table import ROUTES  # noqa: PLC0415

    address = DataDirectory(data).url()
    with _access(data) as access:
        words = access.link_scopes(AT_THE_MACHINE, scopes or None)
        require_open(page, words, ROUTES)
        token = access.open_link(AT_THE_MACHINE, words, page, name)
    say(f"{address}/enter/{token}")
    tell_if_down(data, address)


def tell_if_down(data: Path, address: str) -> None:
    """A link of a node that does not run opens later."""
    if not _answers(address):
        told = f"comity: the node does not run: the link opens once it does (`comity serve --data {data}`)"
        say(told, err=True)


def _answers(address: str) -> bool:
    """Whether anybody listens there."""
    at = urlsplit(address)
    try:
        socket.create_connection((at.hostname or "", at.port or 0), timeout=2).close()
    except OSError:
        return False
    return True


@keys.command("list")
@DATA
def list_keys(*, data: Path) -> None:
    """Keys that were granted, and sessions that are open.

    Without their secrets.
    """
    with _access(data) as access:
        granted, sessions = access.listing(), access.sessions()
        if not granted and not sessions:
            say("no key was granted, and no session is open")
        for key in granted:
            used = "never used" if key["last_used"] is None else f"last used {_day(key['last_used'])}"
            state = used if key["revoked"] is None else f"revoked {_day(key['revoked'])}"
            by = f" by {key['made_by']}" if key["made_by"] else ""
            say(f"{key['name']}  {', '.join(key['scopes'])}  since {_day(key['created'])}{by}, {state}")
        for session in sessions:
            until = to_the_minute(session["expires"])
            by = f", link made by {session['made_by']}" if session["made_by"] else ""
            say(f"session {session['name']}  {', '.join(session['scopes'])}  until {until}{by}")


@keys.command("renew-operator")
@DATA
@PASSPHRASE
def renew_operator(*, data: Path, passphrase_file: Path | None) -> None:
    """Make operator.key anew: it was lost, or somebody saw it. The node must be stopped.

    Whoever has the data directory and its passphrase may. The old key ends, and what it let in with it.
    """
    directory = DataDirectory(data)
    did = read_card(directory.card).did
    with directory.lock():
        words = standalone.own_passphrase(directory) or passphrase(passphrase_file)
        Keys.load(directory.root, did, words)  # who may not, does not get past this
        office = OfficeStore(directory.office)
        try:
            sessions = end_operators_key(office)
        finally:
            office.close()
        write_operator_key(directory.operator_key)
    say(f"{directory.operator_key} is new: the old key opens nothing, {sessions} session(s) ended with it")
    say(f"keys that were granted with the old one stay: `comity keys list --data {data}` names them")


@keys.command("passphrase")
@DATA
@PASSPHRASE
@click.option(
    "--new-passphrase-file",
    "following",
    required=True,
    type=click.Path(path_type=Path),
    help="File with the passphrase from now on.",
)
def change_passphrase(*, data: Path, passphrase_file: Path | None, following: Path) -> None:
    """Lock keys.enc under another passphrase.

    Somebody may know the old one. The node must be stopped.

    A copy that was made before opens as it did: `comity keys compromised` ends the keys in it.
    """
    directory = DataDirectory(data)
    did = read_card(directory.card).did
    with directory.lock():
        if standalone.own_passphrase(directory) is not None:
            raise SetupError(
                f"the passphrase of {data} lies beside its keys: whoever read the one has read the other",
                step="Make another node with a passphrase that lies elsewhere.",
            )
        Keys.relock(directory.root, did, passphrase(passphrase_file), passphrase(following))
    say(f"{directory.root / KEYS_FILE} opens with the new passphrase only; older copies, with the old one")
    say("the keys in it are the same: `comity keys compromised ROLE... --from TIME` replaces them")


@keys.command("allow-vote")
@DATA
@click.option("--no-other-copy-runs", is_flag=True, help="Say that this is the only node with these keys.")
def allow_vote(*, data: Path, no_other_copy_runs: bool) -> int:
    """Let a validator vote again whose signing.db was lost.

    Or was put back. The node must be stopped.

    It votes above the height, and cosigns above the log size, that its peers have seen signed by it.
    """
    from node.storage.signing import FORKED, SigningStore  # noqa: PLC0415

    directory = DataDirectory(data)
    if not directory.signing.exists():
        raise SetupError(f"{data} holds no signing.db: start the node, and it says whether it may vote")
    with directory.lock():
        signing = SigningStore(directory.signing)
        try:
            withheld = signing.withheld()
            if withheld is None:
                say("nothing is withheld: the node votes when its peers have answered")
                return 0
            if withheld.reason == FORKED:
                say(f"withheld: two blocks were decided at height {withheld.height}, one of them here")
                say("go on only once all participants agreed that the history which it holds counts")
            else:
                say(f"withheld: {withheld.reason}")
            if not no_other_copy_runs:
                say("if no other node runs with these keys, repeat this with --no-other-copy-runs")
                return 1
            height, size = signing.allow_vote()
        finally:
            signing.close()
    say(f"allowed: votes from height {height} on, cosignatures from {size} entries on")
    return 0


for _command in (rotate, compromised, uses, prove, token):
    keys.add_command(_command)


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
