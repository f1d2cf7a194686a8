"""`comity keys rotate, compromised, prove`, `comity network leave`: what a party does about its own keys.

Signed with the recovery key, which is opened here and nowhere else. A new key is made beside the old one; the
node goes on with the old one until the ledger names the new one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from consensus.cose import SeedSigner
from credentials.documents.keys import multikey_encode
from credentials.ledger.parties import KEY_ROLES
from credentials.ledger.proposals import prove_possession
from node.cli.change import JSON, change, decided, proposal_options, put
from node.cli.client import Client, Command, connect, options
from node.cli.proposing import gone, party_in, party_table
from node.cli.setup import DATA, PASSPHRASE
from node.cli.terminal import say
from node.config import DataDirectory, passphrase
from node.errors import SetupError
from node.setup.keystore import Keys, open_recovery
from node.setup.network import read_card
from node.setup.possession import write_proofs

# So long the old key stays valid beside the new one: what it signed may still be on its way.
OVERLAP_S = 3_600
OVERLAPPING = frozenset({"attest", "credential", "transport"})

_ROLES = click.argument("roles", metavar="ROLE...", nargs=-1, required=True, type=click.Choice(KEY_ROLES))


def recovers(command: Command) -> Command:
    """Add the options of what a recovery key signs: which node, the file of the key, what opens it."""
    added: Command = options(
        proposal_options,
        click.option(
            "--recovery",
            "recovery_file",
            required=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="The file with the recovery key.",
        ),
        click.option(
            "--recovery-passphrase-file",
            type=click.Path(path_type=Path),
            help="Its passphrase; default: that of the keys.",
        ),
        PASSPHRASE,
    )(command)
    return added


@dataclass(frozen=True, slots=True)
class _Party:
    """The own node, its keys and its recovery key."""

    root: Path
    words: str  # the passphrase of the keys
    keys: Keys
    recovery: SeedSigner
    client: Client

    @classmethod
    def of(
        cls,
        *,
        data: Path | None,
        node: str | None,
        key: str | None,
        recovery_file: Path,
        recovery_passphrase_file: Path | None,
        passphrase_file: Path | None,
    ) -> _Party:
        """Open what the options name."""
        if data is None:
            raise click.UsageError("whose keys? Give --data DIR")
        words = passphrase(passphrase_file)
        beside = words if recovery_passphrase_file is None else passphrase(recovery_passphrase_file)
        did = read_card(DataDirectory(data).card).did
        recovery = open_recovery(recovery_file, did, beside)
        return cls(data, words, Keys.load(data, did, words), recovery, connect(data, node, key))

    @property
    def network_id(self) -> bytes:
        return bytes.fromhex(self.client.get("/status")["network"]["id"])

    def successor(self, role: str, named: JSON) -> SeedSigner:
        """The key that follows those that are named: made before and not named yet, or new."""
        numbers = [number for of, _, number in map(_parts, (k["id"] for k in named["keys"])) if of == role]
        taken = [int(number) for number in numbers if number.isdigit()]
        held = self.keys.numbers(role)
        number = max([*taken, 0]) + 1
        if number in held:
            return self.keys.signer(role, number)
        keys = self.keys.with_key(role, number)
        keys.add(self.root, self.words)
        return keys.signer(role, number)


def _parts(kid: str) -> tuple[str, str, str]:
    """`...#attest-2` -> (attest, -, 2)."""
    return kid.partition("#")[2].rpartition("-")


@click.command()
@_ROLES
@recovers
def rotate(*, roles: tuple[str, ...], yes: bool, as_json: bool, days: int, **opened: Any) -> int:
    """Replace the keys of these roles by fresh ones. What the old ones signed stays as it is."""
    return _replaced(_Party.of(**opened), roles, None, yes=yes, as_json=as_json, days=days)


@click.command()
@_ROLES
@click.option("--from", "since", required=True, help="2026-11-27T08:00:00Z, or seconds since 1970.")
@recovers
def compromised(
    *, roles: tuple[str, ...], since: str, yes: bool, as_json: bool, days: int, **opened: Any
) -> int:
    """Say that somebody else may have used the keys of these roles since a time, and replace them.

    What they signed since then stays on record, and proves nothing any more.
    """
    return _replaced(_Party.of(**opened), roles, _seconds(since), yes=yes, as_json=as_json, days=days)


def _replaced(party: _Party, roles: Sequence[str], since: int | None, **how: Any) -> int:
    """Propose that fresh keys follow the open ones of these roles."""
    named = party_in(decided(party.client), party.keys.did)
    if named["recovery"] is None:
        raise SetupError(
            f"{party.keys.did} has no recovery key on record: its authority puts one there "
            "(`comity network propose recovery CARD`)"
        )
    now, network_id = int(time.time()), party.network_id
    table, proofs = party_table(named), dict[str, bytes]()
    for role in sorted(set(roles)):
        ended = [key for key in table["keys"] if key["role"] == role and _open(key)]
        if not ended:
            raise SetupError(f"{party.keys.did} has no {role} key that could be replaced")
        for key in ended:
            if since is None:
                key["valid_until"] = now + (OVERLAP_S if role in OVERLAPPING else 0)
            else:
                key["compromised_from"] = since
        fresh = party.successor(role, named)
        public = multikey_encode(fresh.public_key)
        table["keys"].append({"role": role, "id": fresh.key_id, "public": public, "valid_from": now})
        proofs[fresh.key_id] = prove_possession(network_id, role, fresh)
    changes = [change("participant", party.keys.did, table)]
    return put(party.client, changes, proofs=proofs, recovery=party.recovery, **how)


def _open(key: JSON) -> bool:
    return "valid_until" not in key and "compromised_from" not in key


def _seconds(text: str) -> int:
    if text.isdecimal():
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"--from is a time such as 2026-11-27T08:00:00Z, not {text!r}") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


@click.command()
@recovers
def leave(*, yes: bool, as_json: bool, days: int, **opened: Any) -> int:
    """Leave the network. What this party attested stays as it is; its keys and licences end."""
    party = _Party.of(**opened)
    changes = gone(decided(party.client), party.keys.did)
    return put(party.client, changes, recovery=party.recovery, yes=yes, as_json=as_json, days=days)


@click.command()
@DATA
@click.option("--id", "network_id", required=True, help="Of the network to join, 64 hex digits.")
@PASSPHRASE
def prove(*, data: Path, network_id: str, passphrase_file: Path | None) -> None:
    """Print the proofs that this node has the keys of its card: for `comity network propose admit`."""
    if len(network_id) != 64 or not set(network_id.lower()) <= set("0123456789abcdef"):
        raise click.UsageError("--id is 64 hexadecimal digits, as the founders tell it")
    card = read_card(DataDirectory(data).card)
    keys = Keys.load(data, card.did, passphrase(passphrase_file))
    say(write_proofs(keys, card, bytes.fromhex(network_id)), nl=False)
