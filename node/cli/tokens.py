"""`comity keys token`: which keys of a node are on its token, and whether each signs."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from node.cli.setup import DATA, PASSPHRASE
from node.cli.terminal import say
from node.config import DataDirectory, passphrase
from node.errors import SetupError, TokenAway
from node.setup.keystore import Keys
from node.setup.network import read_card


@click.command()
@DATA
@PASSPHRASE
def token(*, data: Path, passphrase_file: Path | None) -> int:
    """Try the keys on the token that node.toml names.

    Exit code 1 if one does not sign.

    New ones are made there by `comity init --pkcs11`, or by `comity keys rotate` once the node was started
    with [pkcs11] in node.toml.
    """
    keys = Keys.load(data, read_card(DataDirectory(data).card).did, passphrase(passphrase_file))
    if keys.token is None:
        raise SetupError(
            f"{data}/node.toml names no token: every key is in keys.enc",
            step="Write [pkcs11] with module, token, roles and pin_file into node.toml.",
        )
    found, failed = keys.on_token(), 0
    if not found:
        say(f"no key is on the token {keys.token.label} yet: `comity keys rotate ROLE...` makes them there")
    for signer in found:
        try:
            signer.sign(b"comity/token-tried/v1" + secrets.token_bytes(32))
            say(f"{signer.label}  on the token {keys.token.label}, signs")
        except TokenAway as away:
            failed = 1
            say(f"{signer.label}  {away.detail}")
    return failed
