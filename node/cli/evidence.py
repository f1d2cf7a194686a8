"""`comity evidence list | export | verify`: what validators did wrong, and the proof of it for anyone.

`list` and `export` work on the data directory, running or not; `verify` needs genesis and no node.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.client import read_json, write_out
from node.cli.setup import DATA, PASSPHRASE
from node.cli.terminal import say
from node.config import DataDirectory, passphrase
from node.errors import SetupError

if TYPE_CHECKING:
    from node.storage.ledger import LedgerStore


@contextmanager
def _ledger(directory: DataDirectory) -> Iterator[LedgerStore]:
    from node.storage.ledger import LedgerStore  # noqa: PLC0415

    if not directory.ledger.exists():
        raise SetupError(f"{directory.root} holds no ledger: start its node once")
    ledger = LedgerStore(directory.ledger)
    try:
        yield ledger
    finally:
        ledger.close()


@click.group()
def evidence() -> None:
    """Faults of validators on the record."""


@evidence.command("list")
@DATA
def list_evidence(*, data: Path) -> None:
    """The faults on the record, oldest first."""
    from node.issuing.faults import all_shown  # noqa: PLC0415
    from node.words import fault_words  # noqa: PLC0415

    with _ledger(DataDirectory(data)) as ledger:
        faults = all_shown((), ledger.leaves.evidence())
        if not faults:
            say("no fault of a validator is on record")
        for fault in faults:
            place = (
                f"size {fault['height']}" if fault["kind"] == "checkpoints" else f"height {fault['height']}"
            )
            say(f"{fault['digest']}  {fault['validator']}  {fault_words(fault['kind'])}, {place}")


@evidence.command()
@DATA
@click.argument("digest")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File; otherwise standard output.")
@PASSPHRASE
def export(*, data: Path, digest: str, output: Path | None, passphrase_file: Path | None) -> None:
    """Write a recorded fault as a credential that anyone verifies with genesis alone."""
    from consensus.evidence import FaultEvidence  # noqa: PLC0415
    from credentials.documents.canonical import b64u_decode  # noqa: PLC0415
    from node.issuing.faults import make_credential  # noqa: PLC0415
    from node.setup.keystore import Keys  # noqa: PLC0415
    from node.setup.network import read_card  # noqa: PLC0415
    from node.setup.network import verify as verify_network  # noqa: PLC0415

    directory = DataDirectory(data)
    keys = Keys.load(directory.root, read_card(directory.card).did, passphrase(passphrase_file))
    genesis = verify_network(directory.network).genesis
    with _ledger(directory) as ledger:
        wanted = b64u_decode(digest, "the digest")
        row = next((row for row in ledger.leaves.evidence() if row.digest == wanted), None)
    if row is None:
        raise SetupError("no fault with that digest is on the record: see `comity evidence list`")
    made = make_credential(
        FaultEvidence.decode(row.entry),
        row,
        genesis=genesis,
        issuer=keys.did,
        signer=keys.signer("credential"),
        now=int(time.time()),
    )
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    write_out(text, output)


@evidence.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--genesis", "network", required=True, type=click.Path(path_type=Path), help="Network directory."
)
def verify(*, file: Path, network: Path) -> int:
    """Verify an exported fault offline: no node, no network. Exit 0: proven; 1: not, with the reason."""
    from node.issuing.faults import FaultInvalid, verify_credential  # noqa: PLC0415
    from node.setup.network import verify as verify_network  # noqa: PLC0415

    genesis = verify_network(network).genesis
    document = read_json(str(file))
    try:
        if not isinstance(document, dict):
            raise FaultInvalid("it is not a JSON object")
        proven = verify_credential(document, genesis, genesis.history())
    except FaultInvalid as error:
        say(f"not proven: {error}")
        return 1
    from node.words import fault_words  # noqa: PLC0415

    place = f"log size {proven.height}" if proven.kind == "checkpoints" else f"height {proven.height}"
    say(f"proven: {proven.validator} signed {fault_words(proven.kind)}, {place}, round {proven.round}")
    say(f"network {genesis.name}, id {genesis.network_id.hex()}; shown by {document['issuer']}")
    return 0
