"""`comity parts`: parts of a battery opened, compared at a node, and checked offline."""

from __future__ import annotations

import json
from pathlib import Path

import click

from node.cli.client import read_json, show, speaks_to_node, write_out
from node.cli.terminal import say
from node.errors import SetupError
from node.named_files import read_named_text
from node.node_client import Client

LIST_BYTES_MAX = 1 << 20
CODES = {"pass": 0, "fail": 1}


@click.group()
def parts() -> None:
    """Parts of a battery: compared, and checked offline."""


@parts.command()
@click.argument("battery")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--open", "chosen", multiple=True, help="Write the way of this part (repeatable; else of all).")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Where the ways are written.")
@click.option("--json", "as_json", is_flag=True, help="The whole answer.")
@speaks_to_node
def check(
    *,
    client: Client,
    battery: str,
    file: Path,
    chosen: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> int:
    """Compare parts with what BATTERY's maker committed to.

    FILE names them (one code a line, or what --output wrote); what is on record of each is compared as well.

    Exit 0: all that was committed is shown, and nothing stands against any part. Exit 1: something does. Exit
    2: not all could be compared.
    """
    made = client.post("/parts/check", {"battery": battery, "parts": _shown(file)})
    if as_json:
        show(made)
    else:
        say(f"{made['answer']}: {made['text']}")
        say(f"commitment of what is shown: {made['shown_root']}")
        for part in made["parts"]:
            for one in part["findings"]:
                say(f"  {one['outcome']:<12} {part['code']}: {one['text']}")
    if output is not None:
        ways = [part["opened"] for part in made["parts"] if not chosen or part["code"] in chosen]
        if not ways or None in ways:
            raise SetupError(
                "no way to the commitment is known: not all parts that were committed to are named",
                step="Name every part that the maker committed to, one code a line.",
            )
        kept = {"battery": made["battery"], "attestation": made["attestation"], "parts": ways}
        write_out(json.dumps(kept, indent=1) + "\n", output)
    return CODES.get(made["answer"], 2)


@parts.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--receipt", required=True, type=click.Path(path_type=Path), help="Of the production.")
@click.option("--policy", "policy_file", required=True, type=click.Path(path_type=Path), help="log.policy")
def verify(*, file: Path, receipt: Path, policy_file: Path) -> int:
    """Verify offline that parts are under a commitment.

    The parts in FILE, under that of the production in the receipt.
    """
    from node.receipts.checker import verify_file  # noqa: PLC0415
    from node.receipts.opened_parts import check_opened  # noqa: PLC0415

    shown = read_json(str(file))
    try:
        found = check_opened(verify_file(receipt, policy_file), shown)
    except SetupError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        say(f"not valid: {error}")
        return 1
    say(f"valid: {', '.join(found)} stand under the commitment of this production")
    return 0


def _shown(file: Path) -> list[dict[str, object]]:
    if file.suffix.lower() == ".json":
        match read_json(str(file)):
            case {"parts": [*opened]} if all(isinstance(part, dict) for part in opened):
                return [{k: v for k, v in part.items() if k != "blind"} for part in opened]
        raise SetupError(
            f"{file} names no parts",
            step="Name what `comity parts check` wrote with --output, or a list of codes, one a line.",
        )
    text = read_named_text(file, LIST_BYTES_MAX, what="the list of parts")
    return [{"code": line.strip()} for line in text.splitlines() if line.strip()]
