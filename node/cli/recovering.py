"""`comity keys rotate, compromised, prove`, `comity network leave`: what a party does about its own keys.

Signed with the recovery key, which is opened here and nowhere else. A new key is made beside the old one; the
node goes on with the old one until the ledger names the new one.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from consensus.cose import SeedSigner, Signer
from credentials.documents.canonical import b64u
from credentials.documents.keys import multikey_encode
from credentials.ledger.governance_state import OBJECTED
from credentials.ledger.parties import KEY_ROLES
from credentials.ledger.proposals import prove_possession
from node.cli.change import JSON, act, change, decided, proposal_options, put, signed_by_recovery
from node.cli.client import Command, connect, options, speaks_to_node
from node.cli.proposing import gone, party_in, party_table
from node.cli.setup import DATA, PASSPHRASE
from node.cli.terminal import in_utc, say
from node.config import DataDirectory, passphrase
from node.errors import SetupError
from node.node_client import Client
from node.setup.keystore import Keys, open_recovery
from node.setup.network import read_card
from node.setup.possession import write_proofs
from node.setup.retiring import COSIGN, VOTE
from node.use_cases.digests import read_digest

# So long the old key stays valid beside the new one: what it signed may still be on its way.
OVERLAP_S = 3_600
OVERLAPPING = frozenset({"attest", "credential", "transport"})

# What a key signs that no entry of the log shows: what is in question once it was stolen.
IN_QUESTION = {
    "vote": "blocks from leaf {first} on were decided with its votes; they stay, and what it signed against "
    "itself is evidence.",
    "cosign": "checkpoints over more than {first} leaves may bear a signature of the thief's.",
    "log": "checkpoints over more than {first} leaves may bear a signature of the thief's.",
    "transport": "what peers sent to this node since then may have been read, the network key with it.",
}

DESTROYED = (
    "{role}: the node overwrites the old private key in keys.enc once the new one has governed a block; "
    "backups keep it."
)

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

    def successor(self, role: str, named: JSON) -> Signer:
        """The key that follows those that are named: made before and not named yet, or new."""
        numbers = [number for of, _, number in map(_parts, (k["id"] for k in named["keys"])) if of == role]
        taken = [int(number) for number in numbers if number.isdecimal()]
        held = self.keys.again()  # another role's was added before
        number = max([*taken, 0]) + 1
        if number in held.numbers(role):
            return held.signer(role, number)
        keys = held.with_key(role, number)
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
@click.option("--key-id", "only", multiple=True, metavar="ID", help="Of this key alone; can be given again.")
@recovers
def compromised(
    *,
    roles: tuple[str, ...],
    since: str,
    only: tuple[str, ...],
    yes: bool,
    as_json: bool,
    days: int,
    **opened: Any,
) -> int:
    """State a theft of keys of these roles, and replace them.

    Somebody else may have used them since that time.

    What they signed since then stays on record, and proves nothing any more. Keys that were replaced since
    then are meant too.
    """
    theft = _Theft(_seconds(since), frozenset(only))
    return _replaced(_Party.of(**opened), roles, theft, yes=yes, as_json=as_json, days=days)


@click.command()
@_ROLES
@click.option("--from", "since", required=True, help="2026-11-27T08:00:00Z, or seconds since 1970.")
@click.option("--of", "did", help="Another participant's keys; default: this node's own.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@speaks_to_node
def uses(*, client: Client, roles: tuple[str, ...], since: str, did: str | None, as_json: bool) -> None:
    """List what the keys of these roles signed since a time.

    What the log holds of it, with the open lines on it.
    """
    whose = did or client.get("/status")["participant"]
    for key in party_in(decided(client), whose)["keys"]:
        for use in _uses(client, key["id"], _seconds(since)) if key["role"] in roles else ():
            say(json.dumps({"key": key["id"], **use}, ensure_ascii=False) if as_json else _use_line(use))


def _use_line(use: JSON) -> str:
    """One use of a key on one line; a passport by the digest that `comity revoke` takes."""
    lines = f", open lines {use['open_lines_total']}" if use["open_lines_total"] else ""
    told = "" if use["certain"] else " (perhaps: this node does not hold the document)"
    about = f", document {use['document_digest']}" if use["document_digest"] else ""
    said = f"{use['leaf_index']}  {in_utc(use['time'])}  {use['kind']}  {use['digest']}"
    return f"{said}{about}{lines}{told}"


def _uses(client: Client, kid: str, since: int) -> Iterator[JSON]:
    """Every use of a key, a page of the answer at a time."""
    leaf: int | None = 0
    while leaf is not None:
        answer = client.get(f"/governance/key-uses?key={quote(kid, safe='')}&since={since}&leaf={leaf}")
        yield from answer["uses"]
        leaf = answer["next"]


def _tell_uses(client: Client, kid: str, role: str, since: int) -> None:
    """Before it is signed: what the key signed since then, which stays and is in question."""
    first = client.get(f"/governance/key-uses?key={quote(kid, safe='')}&since={since}")["first_leaf"]
    if role in IN_QUESTION:
        say(f"{kid}: {IN_QUESTION[role].format(first=first)}", err=True)
        return
    found = Counter[str]()
    for use in _uses(client, kid, since):
        found.update(entries=1, perhaps=not use["certain"], lines=use["open_lines_total"])
    perhaps = f" ({found['perhaps']} perhaps: this node lacks the documents)" if found["perhaps"] else ""
    say(
        f"{kid}: {found['entries']} entries of the log rest on it since then{perhaps}, "
        f"{found['lines']} open lines of this node on them. They stay; "
        f"`comity keys uses {role} --from {since}` lists them.",
        err=True,
    )


@dataclass(frozen=True, slots=True)
class _Theft:
    """Since when the keys may have been somebody else's, and which; none: whatever signed since then."""

    since: int
    only: frozenset[str]

    def means(self, key: JSON) -> bool:
        """True for a key that signed since then and is not known as stolen; if some are named, for those."""
        if "compromised_from" in key or (self.only and key["id"] not in self.only):
            return False
        return _open(key) or key["valid_until"] > self.since


def _replaced(party: _Party, roles: Sequence[str], theft: _Theft | None, **how: Any) -> int:
    """Propose that fresh keys follow the open ones of these roles; state the theft of what it means."""
    named = party_in(decided(party.client), party.keys.did)
    if named["recovery"] is None:
        raise SetupError(
            f"{party.keys.did} has no recovery key on record: its authority puts one there "
            "(`comity network propose recovery CARD`)"
        )
    now, network_id = int(time.time()), party.network_id
    table, proofs = party_table(named), dict[str, bytes]()
    for role in sorted(set(roles)):
        meant = [
            key for key in table["keys"] if key["role"] == role and (theft.means if theft else _open)(key)
        ]
        if not meant:
            raise SetupError(
                _none_meant(party.keys.did, role, theft, table["keys"]),
                step="See the keys on record with `comity network show --json`.",
            )
        followed = any(map(_open, meant))
        for key in meant:
            if theft is None:
                key["valid_until"] = now + (OVERLAP_S if role in OVERLAPPING else 0)
            else:
                key["compromised_from"] = theft.since
                _tell_uses(party.client, key["id"], role, theft.since)
        if not followed:
            continue
        if role in (VOTE, COSIGN):
            say(DESTROYED.format(role=role), err=True)
        fresh = party.successor(role, named)
        public = multikey_encode(fresh.public_key)
        table["keys"].append({"role": role, "id": fresh.key_id, "public": public, "valid_from": now})
        proofs[fresh.key_id] = prove_possession(network_id, role, fresh)
    changes = [change("participant", party.keys.did, table)]
    return put(party.client, changes, proofs=proofs, recovery=party.recovery, **how)


def _none_meant(did: str, role: str, theft: _Theft | None, keys: Sequence[JSON]) -> str:
    if theft is None:
        return f"{did} has no {role} key that could be replaced"
    known = ", ".join(key["id"] for key in keys if key["role"] == role)
    return (
        f"{did} has no {role} key of those named that signed since then and is not known as stolen. "
        f"On record: {known}"
    )


def _open(key: JSON) -> bool:
    return "valid_until" not in key and "compromised_from" not in key


def _seconds(text: str) -> int:
    try:
        if text.isascii() and text.isdecimal():
            return int(text)
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


@click.command("object")
@click.argument("proposal")
@click.option(
    "--recovery",
    "recovery_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file with the recovery key; without it the node signs, which a stopped party cannot.",
)
@PASSPHRASE
@click.option("--json", "as_json", is_flag=True, help="The whole answer.")
@speaks_to_node
def object_(
    *, client: Client, proposal: str, recovery_file: Path | None, passphrase_file: Path | None, as_json: bool
) -> int:
    """Object to another recovery key, or to an expulsion.

    Of this party or of one of its jurisdiction.

    All authorities together then decide what one of them could have.
    """
    body: JSON = {}
    if recovery_file is not None:
        status = client.get("/status")
        did, network_id = str(status["participant"]), bytes.fromhex(status["network"]["id"])
        recovery = open_recovery(recovery_file, did, passphrase(passphrase_file))
        about = read_digest(proposal)
        body["attestation"] = b64u(signed_by_recovery(recovery, (did, OBJECTED, network_id), about))
    return act(client, proposal, "object", body, as_json=as_json)


@click.command()
@DATA
@click.option("--id", "network_id", required=True, help="Of the network to join, 64 hex digits.")
@PASSPHRASE
def prove(*, data: Path, network_id: str, passphrase_file: Path | None) -> None:
    """Print the proofs that this node has the keys of its card.

    For `comity network propose admit` and `comity network invite`.
    """
    if len(network_id) != 64 or not set(network_id.lower()) <= set("0123456789abcdef"):
        raise click.UsageError("--id is 64 hexadecimal digits, as the founders tell it")
    card = read_card(DataDirectory(data).card)
    keys = Keys.load(data, card.did, passphrase(passphrase_file))
    say(write_proofs(keys, card, bytes.fromhex(network_id)), nl=False)
