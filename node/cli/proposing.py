"""`comity network propose ...`: the common changes of what governs, by what they are called.

Each makes the records as they shall be from those that are decided so far, shows the exact effect, and asks.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from credentials.ledger.engine_terms import ENGINES
from credentials.ledger.genesis_table import accreditation_table, participant_table
from credentials.ledger.parties import Accreditation, Participant
from credentials.ledger.recognition import Recognition
from node.cli.change import JSON, change, decided, proposal_options, proposes, put, tries_dry
from node.cli.client import NamedParty, connect
from node.errors import SetupError, Unreadable
from node.named_files import read_own
from node.node_client import Client
from node.settings import read_toml
from node.setup.founding_file import read_accreditation, rows_of, with_days
from node.setup.network import read_card
from node.setup.possession import read_proofs

FILE = click.Path(path_type=Path, dir_okay=False)
NUMBER = re.compile(r"[0-9]{1,15}")
ACCREDITATION_MEMBERS = ("participant", "roles", "schemes", "licence", "jurisdiction", "valid_from")
RECOGNITION_MEMBERS = (
    "authority", "jurisdiction", "issuer", "issuer_class", "issuer_jurisdiction", "rows", "effect",
    "legal_basis", "valid_from",
)  # fmt: skip


@click.group(invoke_without_command=True)
@click.option("--file", "path", type=FILE, help="[[changes]] with type, name and table of each record.")
@proposal_options
@tries_dry
@click.pass_context
def propose(
    context: click.Context,
    /,
    *,
    path: Path | None,
    data: Path | None,
    node: str | None,
    key: str | None,
    **how: Any,
) -> int:
    """Propose a change, by one of the commands or by --file.

    Its effect is shown first.
    """
    if context.invoked_subcommand is not None:
        return 0
    if path is None:
        raise click.UsageError("which change? Give one of the commands (--help lists them), or --file")
    rows = rows_of(_read(path), "changes")
    return put(connect(data, node, key), [dict(row) for row in rows], **how)


# -- participants --------------------------------------------------------------------------------------


@propose.command()
@click.argument("card", type=FILE)
@click.option("--proofs", type=FILE, required=True, help="What `comity keys prove` made at the newcomer.")
@click.option("--address", default="", help="URL of its node, for peers.")
@click.option("--accreditation", "licences", type=FILE, help="[[accreditations]] as in a founding file.")
@proposes
def admit(
    *, client: Client, card: Path, proofs: Path, address: str, licences: Path | None, **how: Any
) -> int:
    """Admit a participant by its CARD.

    With its accreditations, if it is to have any.
    """
    newcomer = read_card(card)
    return propose_admission(client, newcomer, proofs=proofs, address=address, licences=licences, **how)


def propose_admission(
    client: Client, newcomer: Participant, *, proofs: Path, address: str, licences: Path | None, **how: Any
) -> int:
    """Propose that the party of a card takes part, from this address and with these licences."""
    network_id = bytes.fromhex(client.get("/status")["network"]["id"])
    table = participant_table(replace(newcomer, address=address or newcomer.address))
    changes = [change("participant", newcomer.did, table)]
    changes += _accreditations(_read(licences)) if licences is not None else []
    return put(client, changes, proofs=read_proofs(proofs, network_id), **how)


@propose.command()
@click.argument("did", type=NamedParty())
@proposes
def expel(*, client: Client, did: str, **how: Any) -> int:
    """Send a participant away; it votes no more either.

    What it learnt stays known to it.
    """
    return put(client, gone(decided(client), did), **how)


def gone(governing: JSON, did: str) -> list[JSON]:
    """The records without this participant."""
    table = party_table(party_in(governing, did)) | {"left": int(time.time())}
    changes = [change("participant", did, table)]
    left = [one["did"] for one in governing["validators"] if one["did"] != did]
    if len(left) < len(governing["validators"]):
        changes.append(change("validators", "", {"participants": left}))
    return changes


@propose.command()
@click.argument("name")
@click.option("--did", type=NamedParty(), metavar="DID", help="Of the participant; default: this node's own.")
@proposes
def rename(*, client: Client, name: str, did: str | None, **how: Any) -> int:
    """Change the NAME of a participant."""
    return _described(client, did, {"name": name}, how)


@propose.command()
@click.argument("address")
@click.option("--did", type=NamedParty(), metavar="DID", help="Of the participant; default: this node's own.")
@proposes
def move(*, client: Client, address: str, did: str | None, **how: Any) -> int:
    """Change the ADDRESS of a participant's node."""
    return _described(client, did, {"address": address}, how)


def _described(client: Client, did: str | None, members: JSON, how: JSON) -> int:
    own = did or str(client.get("/status")["participant"])
    table = party_table(party_in(decided(client), own)) | members
    return put(client, [change("participant", own, table)], **how)


@propose.command("recovery")
@click.argument("card", type=FILE)
@proposes
def replace_recovery(*, client: Client, card: Path, **how: Any) -> int:
    """Put this CARD's recovery key in place of the old.

    Of one that was lost or stolen: by its authority, after a wait.
    """
    newer = read_card(card)
    if newer.recovery is None:
        raise SetupError(
            f"the card {card} names no recovery key",
            step="Have its owner send the card that `comity init` made.",
        )
    table = party_table(party_in(decided(client), newer.did))
    table["recovery"] = participant_table(newer)["recovery"]
    return put(client, [change("participant", newer.did, table)], **how)


# -- licences and recognitions -------------------------------------------------------------------------


@propose.command()
@click.argument("path", metavar="FILE", type=FILE)
@proposes
def accredit(*, client: Client, path: Path, **how: Any) -> int:
    """Give the [[accreditations]] in FILE.

    Written as in a founding file.
    """
    return put(client, _accreditations(_read(path)), **how)


def _accreditations(table: JSON) -> list[JSON]:
    now = int(time.time())
    given: list[Accreditation] = [read_accreditation(row, now) for row in rows_of(table, "accreditations")]
    if not given:
        raise SetupError(
            "the file has no [[accreditations]]",
            step="Write [[accreditations]], and below it the members of one.",
        )
    return [change("accreditation", one.id, accreditation_table(one)) for one in given]


@propose.command()
@click.argument("path", metavar="FILE", type=FILE)
@proposes
def recognise(*, client: Client, path: Path, **how: Any) -> int:
    """Give the [[recognitions]] in FILE.

    Written as in a founding file.
    """
    now = int(time.time())
    given = [Recognition.parse(with_days(row, now)) for row in rows_of(_read(path), "recognitions")]
    if not given:
        raise SetupError(
            f"{path} has no [[recognitions]]", step="Write [[recognitions]], and below it the members of one."
        )
    return put(client, [change("recognition", one.id, one.as_table()) for one in given], **how)


@propose.command()
@click.argument("record_id", metavar="ID")
@proposes
def suspend(*, client: Client, record_id: str, **how: Any) -> int:
    """Suspend an accreditation or recognition, by its ID.

    Until it is reinstated.
    """
    kind, table = _dated(decided(client), record_id)
    table["suspended"] = [*table.get("suspended", []), [int(time.time())]]
    return put(client, [change(kind, record_id, table)], **how)


@propose.command()
@click.argument("record_id", metavar="ID")
@proposes
def reinstate(*, client: Client, record_id: str, **how: Any) -> int:
    """Put what was suspended under ID back in force.

    An accreditation or a recognition.
    """
    kind, table = _dated(decided(client), record_id)
    pauses = table.get("suspended", [])
    if not pauses:
        raise SetupError(
            f"the {kind} {record_id} is not suspended", step="See what is with `comity network show`."
        )
    start = pauses[-1][0]
    table["suspended"] = [*pauses[:-1], [start, max(start, int(time.time()))]]
    return put(client, [change(kind, record_id, table)], **how)


@propose.command("withdraw-licence")
@click.argument("record_id", metavar="ID")
@proposes
def withdraw_licence(*, client: Client, record_id: str, **how: Any) -> int:
    """End the accreditation ID as soon as that is decided."""
    return _end(client, "accreditation", record_id, how)


@propose.command("withdraw-recognition")
@click.argument("record_id", metavar="ID")
@proposes
def withdraw_recognition(*, client: Client, record_id: str, **how: Any) -> int:
    """End the recognition ID as soon as that is decided."""
    return _end(client, "recognition", record_id, how)


def _end(client: Client, wanted: str, record_id: str, how: JSON) -> int:
    kind, table = _dated(decided(client), record_id)
    if kind != wanted:
        raise SetupError(
            f"{record_id} is a {kind}, not a {wanted}",
            step="Use the command of that kind, or take the right name from `comity network show`.",
        )
    end = max(int(time.time()), table["valid_from"] + 1)  # one that was given just now ends as well
    return put(client, [change(kind, record_id, table | {"valid_until": end})], **how)


# -- emergency stops -----------------------------------------------------------------------------------


@propose.command()
@click.argument("target", metavar="DID|KEY", type=NamedParty())
@proposes
def stop(*, client: Client, target: str, **how: Any) -> int:
    """Stop a participant or one key of it at once.

    It lapses unless another authority confirms it.
    """
    own = client.get("/status")["participant"]
    return put(client, [change("stop", target, _stop(target, own, 0) | {"until": 0})], **how)


@propose.command("confirm-stop")
@click.argument("target", metavar="DID|KEY", type=NamedParty())
@proposes
def confirm_stop(*, client: Client, target: str, **how: Any) -> int:
    """Let a stop last until it is lifted."""
    found = _stopped(decided(client), target)
    return put(client, [change("stop", target, _stop(target, found["by"], found["since"]))], **how)


@propose.command("lift-stop")
@click.argument("target", metavar="DID|KEY", type=NamedParty())
@proposes
def lift_stop(*, client: Client, target: str, **how: Any) -> int:
    """End a stop."""
    found = _stopped(decided(client), target)
    table = _stop(target, found["by"], found["since"]) | {"lifted": True}
    return put(client, [change("stop", target, table)], **how)


def _stop(target: str, by: str, since: int) -> JSON:
    return {"target": target, "by": by, "since": since}


def _stopped(governing: JSON, target: str) -> JSON:
    found = next((one for one in governing["stops"] if one["target"] == target), None)
    if found is None or found["state"] not in ("in_force", "confirmed"):
        raise SetupError(f"{target} is not stopped", step="See what is with `comity network show`.")
    return dict(found)


# -- what concerns all ---------------------------------------------------------------------------------


@propose.command()
@click.argument("dids", metavar="DID...", nargs=-1, required=True, type=NamedParty())
@proposes
def validators(*, client: Client, dids: tuple[str, ...], **how: Any) -> int:
    """Let exactly these participants validate.

    Those that stay keep their turn, new ones come last.
    """
    now = [one["did"] for one in decided(client)["validators"]]
    order = [did for did in now if did in dids] + [did for did in dids if did not in now]
    return put(client, [change("validators", "", {"participants": order})], **how)


@propose.command()
@click.argument("settings", metavar="NAME=VALUE...", nargs=-1, required=True)
@proposes
def limits(*, client: Client, settings: tuple[str, ...], **how: Any) -> int:
    """Change limits that every node enforces."""
    table = dict(decided(client)["limits"])
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in table or not NUMBER.fullmatch(text):
            raise click.UsageError(f"{setting} is no NAME=NUMBER; limits are {', '.join(sorted(table))}")
        table[name] = int(text)
    return put(client, [change("limits", "", table)], **how)


@propose.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@proposes
def rules(*, client: Client, files: tuple[Path, ...], **how: Any) -> int:
    """Change rule files, by name and SHA-256.

    Validators must hold them before it is decided.
    """
    changes = []
    for path in files:
        try:
            digest = sha256(read_own(path)).hexdigest()
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
        changes.append(change("rule", path.name, {"sha256": digest}))
    return put(client, changes, **how)


@propose.command()
@click.argument("engine", type=click.Choice(ENGINES))
@click.option("--after", type=click.IntRange(min=1), required=True, help="The last block of the one before.")
@proposes
def engine(*, client: Client, engine: str, after: int, **how: Any) -> int:
    """Move the network to another engine.

    All nodes stop after a block, and go on with it.
    """
    last = decided(client)["engine"]
    epoch = 1 if last is None else last["epoch"] + 1
    return put(client, [change("engine", "", {"engine": engine, "epoch": epoch, "first": after + 1})], **how)


@propose.command()
@click.argument("path", metavar="FILE", type=FILE)
@proposes
def approvals(*, client: Client, path: Path, **how: Any) -> int:
    """Change who may change what.

    By members of [governance] in FILE; those that it leaves out stay.
    """
    given, now = dict(_read(path).get("governance", {})), dict(decided(client)["approvals"])
    actions = {**now["actions"], **given.pop("actions", {})}
    return put(client, [change("approvals", "", {**now, **given, "actions": actions})], **how)


# -- records as they are -------------------------------------------------------------------------------


def party_in(governing: JSON, did: str) -> JSON:
    """A participant among those that are decided so far."""
    for one in governing["participants"]:
        if one["did"] == did:
            return dict(one)
    raise SetupError(f"{did} is no participant", step="Take the DID from `comity network show`.")


def party_table(party: JSON) -> JSON:
    """The record of a participant, from how it is shown."""
    members = ("role", "id", "public", "valid_from", "valid_until", "compromised_from")
    keys = [{name: key[name] for name in members if key[name] is not None} for key in party["keys"]]
    table = {name: party[name] for name in ("did", "name", "jurisdiction", "roles")}
    beside = {name: party[name] for name in ("identifiers", "address", "recovery", "left") if party[name]}
    return {**table, **beside, "keys": keys}


def _dated(governing: JSON, record_id: str) -> tuple[str, JSON]:
    """(type, table) of an accreditation or recognition by its id."""
    for kind, rows, members in (
        ("accreditation", governing["accreditations"], ACCREDITATION_MEMBERS),
        ("recognition", governing["recognitions"], RECOGNITION_MEMBERS),
    ):
        for row in rows:
            if row["id"] == record_id:
                beside = ("valid_until", "suspended", "conditions")
                return kind, {
                    **{name: row[name] for name in members},
                    **{name: row[name] for name in beside if row.get(name)},
                }
    raise SetupError(
        f"there is no accreditation or recognition {record_id}: `comity network show` lists them"
    )


def _read(path: Path) -> JSON:
    try:
        return dict(read_toml(path))
    except FileNotFoundError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
