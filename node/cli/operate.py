"""`comity status | issue | attest | revoke`: what a participant's own people do at their node."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.answers import CountersignAnswer
from node.cli.client import connect, named, options, read_json, show, speaks_to_node, which_node
from node.cli.terminal import in_utc, say, say_step
from node.config import DataDirectory, environment, passphrase, read_table, shipped
from node.errors import ProblemError, SetupError
from node.node_client import Client
from node.rules_in_force import tables

if TYPE_CHECKING:
    from credentials.ledger.lifecycle import Lifecycle

WAIT_S = 60.0
POLL_S = 0.2
QUIET_S = 3.0  # a block takes less: longer, and the node is asked what is in the way
FOLLOWS = "predecessor"  # it waits for what was signed with it: nothing to tell


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The whole answer.")
@speaks_to_node
def status(*, client: Client, as_json: bool) -> None:
    """Height, peers, log of a running node."""
    told = client.get("/status")
    if as_json:
        show(told)
        return
    voting = "validator" if told["validator"] else "observer"
    say(f"{told['name']} ({told['participant']}), {told['jurisdiction']}, {voting}")
    say(f"network {told['network']['name']}, id {told['network']['id']}")
    size, cosigned = told["log"]["size"], told["log"]["cosigned_size"]
    say(f"height {told['height']}, block time {in_utc(told['block_time'])}")
    say(f"log of {size} entries, {cosigned} cosigned")
    for condition in told.get("conditions", []):
        _say_condition(condition)
    for peer in told["peers"]:
        state = "reachable" if peer["reachable"] else "not reachable"
        height = "-" if peer["height"] is None else peer["height"]
        say(f"  {peer['did']}  {peer['jurisdiction']}  height {height}  {state}")


_SHEET = options(
    click.option("--from", "sheet", type=click.Path(path_type=Path), help="Sheet: CSV, XLSX, NDJSON; .gz."),
    click.option("--watch", type=click.Path(path_type=Path), help="Folder: each sheet put there, for ever."),
    click.option("--once", is_flag=True, help="With --watch: end when nothing is left there."),
    click.option("--model", help="With --from: the name of a model, or a JSON file that describes one."),
    click.option("--failed", type=click.Path(path_type=Path), help="With --from: write refused rows there."),
    click.option("--dry-run", is_flag=True, help="With --from: look at every row, sign nothing."),
    click.option("--gaps", is_flag=True, help="With --from: sign although data points are missing."),
    click.option("--versions", is_flag=True, help="With --from: each row replaces the passport there is."),
    click.option("--placed-on", help="With --from: YYYY-MM-DD, for which data points are counted."),
)


@click.command()
@click.argument("claims", type=str, required=False)
@click.option("--code", help="The battery's identifier; or CLAIMS is {code, claims}.")
@click.option("--idempotency-key", help="Repeat a request safely.")
@click.option("--strict", is_flag=True, help="Sign nothing if a data point of Annex XIII is missing.")
@click.option("--wait", is_flag=True, help="Wait for the receipt, or for those of all rows.")
@_SHEET
@speaks_to_node
def issue(
    *,
    client: Client,
    claims: str | None,
    code: str | None,
    idempotency_key: str | None,
    strict: bool,
    wait: bool,
    sheet: Path | None,
    model: str | None,
    failed: Path | None,
    **asked: Any,
) -> int:
    """Issue a passport from a file of claims, or many from a sheet.

    CLAIMS is in the form of BatteryPass 1.2 (- for standard input); gaps are told first. With --from a
    passport for each row of a sheet, as a job that goes on at the node if this command ends.
    """
    watch, once = asked.pop("watch"), asked.pop("once")
    if watch is not None or once:
        alone = not any((claims, code, idempotency_key, strict, wait, sheet, failed, asked.pop("dry_run")))
        return _watch(client, watch if alone else None, model, once=once, **asked)
    if sheet is not None:
        from node.cli.sheets_issued import issue_from  # noqa: PLC0415

        if claims or code or idempotency_key or strict:
            raise click.UsageError(
                "--from takes a sheet alone: no CLAIMS, --code, --idempotency-key, --strict"
            )
        return issue_from(client, sheet, model, failed, wait=wait, **asked)
    if claims is None:
        raise click.UsageError("which claims? Name a file, or a sheet with --from")
    if any((model, failed, *asked.values())):
        raise click.UsageError(
            "--model, --failed, --dry-run, --gaps, --versions and --placed-on are of a sheet: --from FILE"
        )
    value = read_json(claims)
    if code is None and isinstance(value, dict) and set(value) == {"code", "claims"}:
        code, value = value["code"], value["claims"]
    if code is None:
        raise click.UsageError("which battery? Give --code")
    order = {"code": code, "claims": value, "idempotency_key": idempotency_key}
    try:
        made = client.post("/passports", {**order, "strict": True})
    except ProblemError as problem:
        if strict or problem.code != "passport_incomplete":
            raise
        say(f"warning: {problem.detail} It is signed all the same; --strict signs nothing.", err=True)
        made = client.post("/passports", order)
    say(f"signed   {made['digest']}  {made['battery']}")
    return _follow(client, f"/passports/{made['digest']}", "attested") if wait else 0


def _watch(client: Client, folder: Path | None, model: str | None, **asked: Any) -> int:
    from node.cli.watch_folder import watch_folder  # noqa: PLC0415

    if folder is None:
        raise click.UsageError("--watch DIR takes --once, --model, --gaps, --versions and --placed-on alone")
    return watch_folder(client, folder, model, **asked)


_ATTEST = options(
    click.argument("event", required=False),
    click.option("--list", "listing", is_flag=True, help="The events in force, with their members."),
    click.option("--battery", help="The battery's identifier."),
    click.option("--vin", help="The vehicle, for events that bind one."),
    click.option("--member", "members", multiple=True, help="NAME=VALUE (repeatable); lists with commas."),
    click.option("--event-time", type=click.IntRange(0, 2**53 - 1), help="Seconds since 1970; default now."),
    click.option(
        "--draft", is_flag=True, help="Print what a second party has to countersign; record nothing."
    ),
    click.option(
        "--countersignature",
        "countersignatures",
        multiple=True,
        type=click.Path(path_type=Path),
        help="File that --countersign wrote (repeatable).",
    ),
    click.option(
        "--countersign", type=click.Path(path_type=Path), help="Agree to another party's draft (offline)."
    ),
    click.option("--passphrase-file", type=click.Path(path_type=Path), help="For --countersign."),
    click.option("--wait", is_flag=True, help="Wait for the receipt."),
    which_node,
)


@click.command()
@_ATTEST
def attest(
    *,
    event: str | None,
    listing: bool,
    battery: str | None,
    vin: str | None,
    members: tuple[str, ...],
    event_time: int | None,
    draft: bool,
    countersignatures: tuple[Path, ...],
    countersign: Path | None,
    passphrase_file: Path | None,
    wait: bool,
    data: Path | None,
    node: str | None,
    key: str | None,
) -> int:
    """Attest an event in a battery's life, any that --list names.

    An event that a second party must agree to (responsibility.transferred, ...) takes three steps: --draft
    here, --countersign there, and the same command with --countersignature and the draft's --event-time.
    """
    if listing:
        _list_events(data, node, key)
        return 0
    if countersign is not None:
        if data is None:
            raise click.UsageError("--countersign needs --data DIR: it signs with that node's keys")
        show(_countersign(DataDirectory(data), read_json(str(countersign)), passphrase(passphrase_file)))
        return 0
    if event is None or battery is None:
        raise click.UsageError("give an EVENT and --battery, or --list")
    client = connect(data, node, key)
    values: dict[str, Any] = {}
    for name, value in map(_member, members):
        if name in values:
            raise click.UsageError(f"--member {name} is given twice: several values go into one, with commas")
        values[name] = value
    if draft:
        values["draft"] = True
    if countersignatures:
        values["countersignatures"] = [_countersignature(path) for path in countersignatures]
    body: dict[str, Any] = {"event": event, "battery": battery, "members": values}
    if vin is not None:
        body["vin"] = vin
    if event_time is not None:
        body["event_time"] = event_time
    made = client.post("/attestations", body)
    if draft:
        show(made["draft"])
        return 0
    say(f"signed   {made['digest']}  {event}  {made['battery']}")
    return _follow(client, f"/attestations/{made['digest']}", "state") if wait else 0


@click.command()
@click.argument("digest")
@click.option("--reason", required=True)
@click.option("--wait", is_flag=True, help="Wait for the receipt.")
@speaks_to_node
def revoke(*, client: Client, digest: str, reason: str, wait: bool) -> int:
    """Revoke a passport of this node.

    DIGEST is what `comity issue` printed.
    """
    made = client.post(f"/passports/{named(digest)}/revoke", {"reason": reason})
    say(f"signed   {made['digest']}  {made['kind']}  {made['battery']}")
    return _follow(client, f"/attestations/{made['digest']}", "state") if wait else 0


def _countersignature(path: Path) -> list[Any]:
    signed = read_json(str(path))
    if not isinstance(signed, dict) or not {"key_id", "signature"} <= signed.keys():
        raise SetupError(
            f"{path} is not what `comity attest --countersign FILE` prints: key_id and signature"
        )
    return [signed["key_id"], signed["signature"]]


def _member(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.UsageError(f"--member is NAME=VALUE, not {text!r}")
    return name, value


def _say_condition(condition: Mapping[str, Any]) -> None:
    say(f"{'not ready' if condition['stops'] else 'note'}: {condition['text']}")
    say_step(condition)


def _follow(client: Client, path: str, state_member: str) -> int:
    """Print each step until the receipt is there; 1 if the ledger refused, 2 if it takes too long.

    While nothing moves, what keeps the node from being ready is told as soon as it is known.
    """
    begun = time.monotonic()
    deadline, asked = begun + WAIT_S, begun
    seen, waiting = "outbox", ""
    halts = set[str]()
    while time.monotonic() < deadline:
        told = client.get(path)
        state = told[state_member]
        if state != seen:
            seen = state
            if state in ("refused", "dropped", "claim", "cancelled"):
                say(f"{state:<8} {told['refusal']['text']}")
                say_step(told["refusal"])
                return 1
            say(f"{state:<8} height {told['height']}, entry {told['leaf_index']}")
        reason = told.get("waiting")
        if reason is not None and reason["code"] != FOLLOWS and reason["text"] != waiting:
            waiting = reason["text"]
            say(f"waiting  {waiting}")
            say_step(reason)
        if told.get("receipted_at"):
            say(f"receipt  {in_utc(told['receipted_at'])}")
            return 0
        if time.monotonic() - asked > QUIET_S:
            asked = time.monotonic()
            for condition in client.get("/status").get("conditions", []):
                if condition["stops"] and condition["code"] not in halts:
                    halts.add(condition["code"])
                    _say_condition(condition)
        time.sleep(POLL_S)
    because = f" ({waiting})" if waiting and seen == "outbox" else ""
    raise SetupError(
        f"no receipt within {WAIT_S:.0f} s{because}; what was signed stays with the node, which goes on",
        step=f"Ask later with `comity receipt get {path.rpartition('/')[2]}`.",
    )


def _list_events(data: Path | None, node: str | None, key: str | None) -> None:
    """The events of the life cycle in force: of the node's ledger, or else as shipped with this version."""
    from credentials.ledger.lifecycle import Lifecycle  # noqa: PLC0415

    if data is None and (node or environment("COMITY_NODE")):
        for told in connect(None, node, key).get("/events")["events"]:
            _show_event(told["event"], told["attesters"], told["members"])
        return
    if data is not None:
        lifecycle = _lifecycle_in_force(DataDirectory(data))
    else:
        say("as shipped with this version; of a network: --data DIR or --node URL")
        lifecycle = Lifecycle.parse(read_table("lifecycle.json", shipped("rules/lifecycle.json")))
    for event in lifecycle.events.values():
        _show_event(event.type, event.attesters, [asdict(member) for member in event.members.values()])


def _lifecycle_in_force(directory: DataDirectory) -> Lifecycle:
    """By the ledger on this disk, whether its node runs or not; by genesis before there is one."""
    from node.ledger.chain import history_of  # noqa: PLC0415
    from node.setup.network import joined  # noqa: PLC0415

    found = joined(directory)
    return history_of(directory.ledger, found.genesis, found.rule_files).latest.lifecycle


def _show_event(event: str, attesters: Sequence[str], members: Sequence[Mapping[str, Any]]) -> None:
    say(f"{event}  ({', '.join(attesters)})")
    for member in members:
        words = f" [{' | '.join(member['values'])}]" if member["values"] else ""
        needed = "" if member["required"] else ", optional"
        say(f"    {member['name']}: {member['type']}{needed}{words}  {member['text']}")


def _countersign(directory: DataDirectory, draft: Any, words: str) -> CountersignAnswer:
    """Sign another party's draft with this node's attest key; the node need not run."""
    from credentials.ledger.registry import MemoryReader, Registry  # noqa: PLC0415
    from node.issuing.issuing import Issuing  # noqa: PLC0415
    from node.issuing.list_places import ABOUT  # noqa: PLC0415
    from node.issuing.signing import Signers  # noqa: PLC0415
    from node.ledger.chain import history_of  # noqa: PLC0415
    from node.setup.current_keys import HeldKeys  # noqa: PLC0415
    from node.setup.keystore import Keys  # noqa: PLC0415
    from node.setup.network import open_network_key, read_card, verify  # noqa: PLC0415
    from node.storage.office import OfficeStore  # noqa: PLC0415

    if not isinstance(draft, dict):
        raise SetupError(
            "that is not a draft of an attestation",
            step="Name the file that `comity attest --draft` printed.",
        )
    keys = Keys.load(directory.root, read_card(directory.card).did, words)
    found = verify(directory.network)
    genesis = found.genesis
    history = history_of(directory.ledger, genesis, found.rule_files)
    held = HeldKeys(keys, history)
    office = OfficeStore(Path(":memory:"))
    try:
        issuing = Issuing(
            network_id=genesis.network_id,
            history=history,
            did=keys.did,
            signers=Signers(held.signer("attest"), held.signer("credential")),
            network_key=open_network_key(genesis, keys, found.sealed_key),
            places_secret=keys.lasting_secret(ABOUT),
            office=office,
            registry=Registry(genesis, MemoryReader()),
            schema=None,
            tables=tables,
        )
        return issuing.events.countersign(draft)
    finally:
        office.close()
