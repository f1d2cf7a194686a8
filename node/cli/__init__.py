"""The `comity` command: one function per verb, in the module named beside it.

Commands import what they need when they run, so that `comity receipt verify` starts without a server.
"""

from __future__ import annotations

import re
from importlib import import_module

import click
from click.exceptions import NoSuchCommand

from node.config import VERSION

# What verbs are about, and of each: its module, and how its own help begins, which is not read for the list.
_SECTIONS = {
    "Begin": {
        "demo": ("demo", "Start six nodes on this machine, and play the scenario."),
        "init": ("setup", "Make the keys and the public card of a new node."),
        "network": ("governance", "Found, join and verify networks."),
        "serve": ("serve", "Run the node of a data directory until SIGTERM or Ctrl-C."),
        "status": ("operate", "Height, peers, log of a running node."),
    },
    "Batteries": {
        "issue": ("operate", "Issue a passport from a file of claims, or many from a sheet."),
        "attest": ("operate", "Attest an event in a battery's life, any that --list names."),
        "revoke": ("operate", "Revoke a passport of this node."),
        "bulk": ("bulk", "Act on many batteries, once what is reached was shown."),
        "check": ("judge", "Judge WHAT: one battery, or a manifest of many."),
        "readiness": ("judge", "The importer's report of WHAT: a consignment or a manifest."),
        "vehicle": ("vehicles", "May the vehicle VIN be registered, sold or scrapped?"),
        "parts": ("parts", "Parts of a battery: compared, and checked offline."),
        "duties": ("duties", "Working-day duties: what is due, and what is overdue."),
    },
    "Proof": {
        "receipt": ("logs", "Receipts: proof that a statement is in the log."),
        "log": ("logs", "The log: entries, checkpoint, policy."),
        "governance": ("as_of", "What governed at a height: proven, and asked offline."),
        "evidence": ("evidence", "Faults of validators on the record."),
        "vc": ("vc", "Credentials and presentations, with a key in a file."),
    },
    "Who may": {
        "account": ("account", "People of a node: named accounts with roles."),
        "keys": ("access", "Keys of a participant; bearer keys and links of its node."),
        "audit": ("aside", "Who did what at this node, newest first."),
    },
    "Running a node": {
        "backup": ("copies", "Copy what only this participant has; the node may run."),
        "restore": ("copies", "Put a backup back; the node must be stopped."),
        "rebuild": ("copies", "Make ledger.db again, from its own blocks or a snapshot."),
        "archive": ("copies", "Move what is older than node.toml keeps it to a file."),
        "records": ("copies", "What of this participant's records is lost or withheld."),
        "aside": ("aside", "Work that failed unforeseen and was set aside."),
        "webhooks": ("aside", "Who is told what happens at a node, and what was given up."),
    },
}
_COMMANDS = {name: row for verbs in _SECTIONS.values() for name, row in verbs.items()}


_DIGEST = re.compile(r"-[A-Za-z0-9_-]{42}")  # base64url of 32 bytes, of which one in 64 begins so
_ALONE = ("--yes", "--json", "--wait")  # options after which no value comes


def digests_last(args: list[str]) -> list[str]:
    """A digest that begins with a hyphen is no option: it goes behind `--`, where nothing is one."""
    before = ["", *args]
    if "--" in args:
        return args
    found = [
        n
        for n, arg in enumerate(args)
        if _DIGEST.fullmatch(arg) and (before[n] in _ALONE or not before[n].startswith("-"))
    ]
    if not found:
        return args
    return [*(arg for n, arg in enumerate(args) if n not in found), "--", *(args[n] for n in found)]


class _Verbs(click.Group):
    """Commands by name, each imported when it is used."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, digests_last(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise NoSuchCommand(args[0], possibilities=_COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command = getattr(import_module(f"node.cli.{module}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by what they are about, without importing them."""
        width = formatter.width - 6 - max(len(name) for name in _COMMANDS)
        for about, verbs in _SECTIONS.items():
            shown = [click.Command(name, help=words) for name, (_, words) in verbs.items()]
            with formatter.section(about):
                formatter.write_dl([(str(verb.name), verb.get_short_help_str(width)) for verb in shown])


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="comity")
def comity() -> None:
    """A node of a Comity network: battery passports that count on both sides of a border."""
