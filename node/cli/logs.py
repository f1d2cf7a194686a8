"""`comity log`, `comity receipt get | verify`: the log as a node shows it, and proof without any node."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from node.cli.client import Client, named, read_json, speaks_to_node, write_out
from node.cli.terminal import say
from node.errors import SetupError
from node.receipts.checker import check_document, read_policy, verify_file, what_it_says


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
@speaks_to_node
def policy(*, client: Client) -> None:
    """log.policy: whose cosignatures make a checkpoint."""
    say(client.text("/log/policy"), nl=False)


@click.group()
def receipt() -> None:
    """Receipts: proof that a statement is in the log."""


@receipt.command()
@click.argument("digest")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File; otherwise standard output.")
@speaks_to_node
def get(*, client: Client, digest: str, output: Path | None) -> None:
    """Fetch the receipt of an attestation, or of the document with this digest."""
    write_out(client.text(f"/receipts/{named(digest)}"), output)


@receipt.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--policy", "policy_file", required=True, type=click.Path(path_type=Path), help="log.policy")
@click.option("--document", type=click.Path(path_type=Path), help="Check that it is about this document.")
def verify(*, file: Path, policy_file: Path, document: Path | None) -> int:
    """Verify a receipt offline: no node, no network; print what the entry is.

    Exit 0: a valid receipt of an admitted attestation, and about the document if one is given. Exit 1: not
    valid, with the reason; or valid, but what it proves is a refusal or another record: never what was said.
    """
    wanted = read_policy(policy_file)
    shown: Any = None if document is None else read_json(str(document))
    try:
        verified = verify_file(file, wanted)
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
    say(f"cosigned by {', '.join(sorted(verified.cosigned_by))}")
    say(f"recorded before {_time(verified.before)}")
    if about is not None:
        say(f"it is about this document: {about}")
    elif document is not None:
        say("NOT a receipt for this document: the entry does not record that it was admitted")
    return 0 if said.admitted else 1


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
