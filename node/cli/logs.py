"""`comity log`, `comity receipt get | verify`: the log as a node shows or holds it, and proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consensus.checkpoint import encode_base64
from consensus.receipt import ReceiptError
from credentials.ledger.log_epochs import EpochError
from node.cli.client import DataFolder, named, read_json, speaks_to_node, write_out
from node.cli.in_parts import fetch_epochs
from node.cli.terminal import in_utc, say
from node.config import DataDirectory
from node.errors import SetupError, Unfit
from node.node_client import Client
from node.receipts.checker import (
    check_document,
    read_epochs,
    read_shown_receipt,
    signatures,
    verify_file,
    what_it_says,
)


@click.group()
def log() -> None:
    """The log: entries, checkpoint, policy."""


@log.command()
@click.option("--start", type=int, default=0, show_default=True, help="First leaf index.")
@speaks_to_node
def entries(*, client: Client, start: int) -> None:
    """Entries from an index on."""
    for row in client.get(f"/log/entries?start={start}")["entries"]:
        words = row["kind"] or row["type"]
        say(f"{row['leaf_index']:>7}  height {row['height']:>5}  {words:<24} {row['issuer'] or ''}".rstrip())


@log.command()
@speaks_to_node
def checkpoint(*, client: Client) -> None:
    """The latest cosigned checkpoint (C2SP signed note)."""
    say(client.text("/log/checkpoint"), nl=False)


@log.command()
@click.option("--leaves", type=int, help="That of a tree of so many leaves; 0: the first one.")
@speaks_to_node
def policy(*, client: Client, leaves: int | None) -> None:
    """log.policy: whose cosignatures make the newest checkpoint.

    A device that holds an older one goes on from that: `comity log epochs`, then `comity log walk`.
    """
    say(client.text("/log/policy" + ("" if leaves is None else f"?leaves={leaves}")), nl=False)


@log.command("epochs")
@click.option(
    "--for",
    "receipt_file",
    type=click.Path(path_type=Path),
    help="Also prove that the tree of this receipt, or of the one in this proof or answer, is on the way to "
    "the newest checkpoint.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File; otherwise standard output.")
@speaks_to_node
def export_epochs(*, client: Client, receipt_file: Path | None, output: Path | None) -> None:
    """Every policy of the log: from an old one to the newest.

    Each is receipted under the one before.
    """
    try:
        link = None if receipt_file is None else read_shown_receipt(receipt_file).size
    except ReceiptError as error:
        raise Unfit(f"{receipt_file}: {error}") from error
    write_out(fetch_epochs(client, link), output)


@log.command("walk")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File; otherwise standard output.")
def walk_epochs(*, old: Path, file: Path, output: Path | None) -> int:
    """From the log.policy OLD to the newest one in FILE, offline.

    FILE is what `comity log epochs` writes.

    Exit 1: an epoch is missing, forked, or not receipted under the one before it; the sentence says which.
    """
    try:
        found = read_epochs(old, file)
    except EpochError as error:
        say(f"not valid: {error}")
        return 1
    steps = len(found.epochs) - 1
    say(
        f"{steps} epoch{'' if steps == 1 else 's'} on, for trees of more than {found.newest.after} leaves",
        err=True,
    )
    if found.head is not None:
        say(f"checkpoint of {found.head.size} leaves under it: {encode_base64(found.head.root)}", err=True)
    write_out(found.newest.text, output)
    return 0


@log.command("verify")
@click.option("--data", type=DataFolder(), required=True, help="Data directory of a node on this machine.")
def verify_log(*, data: Path) -> None:
    """Read all of ledger.db, and hold it to the newest block.

    Each entry, hash and record, to what that names.

    The node may run meanwhile. Exit 0: all is what was written; otherwise what is not, and what mends it.
    """
    from node.cli.setup import say_unchecked  # noqa: PLC0415
    from node.ledger import verifying  # noqa: PLC0415
    from node.setup import network as networks  # noqa: PLC0415

    directory = DataDirectory(data)
    if not directory.ledger.exists():
        raise SetupError(f"{data} holds no ledger.db yet: start the node, which fetches it")
    found = verifying.verify(directory.ledger, networks.verify(directory.network).genesis)
    if not found.height:
        raise SetupError(f"{directory.ledger} holds no block yet: start the node, which fetches them")
    say(
        f"{directory.ledger}: {found.entries} entries and {found.records} records up to block "
        f"{found.height} are what was written"
    )
    say_unchecked(directory.ledger)


@click.group()
def receipt() -> None:
    """Receipts: proof that a statement is in the log."""


@receipt.command()
@click.argument("digest")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File; otherwise standard output.")
@speaks_to_node
def get(*, client: Client, digest: str, output: Path | None) -> None:
    """Fetch the receipt of the attestation or document with DIGEST."""
    write_out(client.text(f"/receipts/{named(digest)}"), output)


@receipt.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--policy", "policy_file", required=True, type=click.Path(path_type=Path), help="log.policy")
@click.option(
    "--epochs",
    "epochs_file",
    type=click.Path(path_type=Path),
    help="What leads from that log.policy to the newest (`comity log epochs`).",
)
@click.option("--document", type=click.Path(path_type=Path), help="Check that it is about this document.")
def verify(*, file: Path, policy_file: Path, epochs_file: Path | None, document: Path | None) -> int:
    """Verify a receipt offline, and print what the entry is.

    No node is asked, and no network.

    Exit 0: a valid receipt of an admitted attestation, and about the document if one is given. Exit 1: not
    valid, with the reason; or valid, but what it proves is a refusal or another record: never what was said.
    """
    shown: Any = None if document is None else read_json(str(document))
    try:
        verified = verify_file(file, policy_file, epochs_file)
        said = what_it_says(verified.entry)
        about = None if document is None or not said.admitted else check_document(verified, shown)
    except SetupError:
        raise
    except ValueError as error:
        say(f"not valid: {error}")
        return 1
    place = f"entry {verified.index} of {verified.origin}, log of {verified.size} entries"
    if said.admitted:
        say(f"valid: {place}")
        say(said.words)
    else:
        say(f"valid: {said.words}; {place}")
    for line in signatures(verified):
        say(line)
    say(f"recorded before {in_utc(verified.before)}")
    if said.admitted:
        say("what was recorded since is not in it: a revocation, a correction, what became of the battery")
    if about is not None:
        say(f"it is about this document: {about}")
    elif document is not None:
        say("NOT a receipt for this document: the entry does not record that it was admitted")
    return 0 if said.admitted else 1
