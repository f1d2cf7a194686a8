"""The `comity` command: one function per verb, in the module named beside it.

Commands import what they need when they run, so that `comity receipt verify` starts without a server.
"""

from __future__ import annotations

import re
from importlib import import_module

import click

from node.config import VERSION

_COMMANDS = {
    "init": "setup",
    "network": "governance",
    "governance": "as_of",
    "serve": "serve",
    "status": "operate",
    "issue": "operate",
    "attest": "operate",
    "revoke": "operate",
    "check": "judge",
    "readiness": "judge",
    "log": "logs",
    "receipt": "logs",
    "keys": "access",
    "backup": "copies",
    "restore": "copies",
    "rebuild": "copies",
    "records": "copies",
    "aside": "aside",
    "audit": "aside",
    "vc": "vc",
    "evidence": "evidence",
    "demo": "demo",
}


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

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"node.cli.{_COMMANDS[cmd_name]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="comity")
def comity() -> None:
    """A node of a Comity network: battery passports that count on both sides of a border."""
