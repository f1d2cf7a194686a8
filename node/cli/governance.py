"""`comity network show, history, propose, approve, withdraw, object`: who governs, and how that changes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from credentials.ledger.governance_records import TYPES
from node.cli.change import JSON, act, tell_effect, tell_proposal, tell_reach, tries_dry
from node.cli.client import NamedParty, named, show, speaks_to_node
from node.cli.inviting import invite
from node.cli.proposing import propose
from node.cli.recovering import leave, object_
from node.cli.setup import network
from node.cli.terminal import say, say_step, who_decides
from node.errors import SetupError
from node.node_client import Client
from node.words import when

__all__ = ["network"]

OWN_PART = "own_"  # conditions about this node's part in the network begin so (`own_part.py`)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="The whole answer.")


@network.command("show")
@click.argument("proposal", required=False)
@click.option("--height", type=int, help="What governed then; default: the next block.")
@AS_JSON
@speaks_to_node
def show_(*, client: Client, proposal: str | None, height: int | None, as_json: bool) -> None:
    """Who governs, and what is proposed; or one PROPOSAL.

    A proposal with its exact effect.
    """
    if proposal is not None:
        told = client.get(f"/governance/proposals/{named(proposal)}")
        show(told) if as_json else tell_proposal(told)
        return
    governing = client.get("/governance" if height is None else f"/governance?height={height}")
    proposals = client.get("/governance/proposals")["open"] if height is None else []
    conditions = client.get("/status")["conditions"] if height is None else []
    own = [one for one in conditions if one["code"].startswith(OWN_PART)]
    if as_json:
        show({**governing, "proposals": proposals, "own": own})
        return
    _tell(governing)
    for one in own:
        say(f"this node: {one['text']}")
        say_step(one)
    for one in proposals:
        tell_proposal(one, whole=False)


def _tell(governing: JSON) -> None:
    say(f"governs height {governing['height']}; so since height {governing['since_height']}")
    if governing["changes_at"]:
        say(f"from height {governing['changes_at']} on something else is decided already")
    if (move := governing["engine"]) is not None:
        say(f"ordered by {move['engine']} from block {move['first']} on: move {move['epoch']}")
    rules = governing["approvals"]
    say(who_decides(governing["quorum"], len(governing["validators"]), rules["quorum_jurisdictions"]))
    for party in governing["participants"]:
        does = [*party["roles"], *(["validator"] if party["validator"] else [])]
        does += ["may approve"] if party["authority"] else []
        state = "STOPPED" if party["stopped"] else "left" if party["left"] else ""
        say(f"  {party['did']}  {party['jurisdiction']}  {', '.join(does)}  {state}".rstrip())
    for one in governing["accreditations"]:
        codes = ", ".join(" ".join(pair) for pair in one["schemes"])
        say(f"accreditation {one['id']}  {one['participant_name']}  {state_of(one)}")
        say(f"    {', '.join(one['roles'])}: {codes}; {one['jurisdiction']} {one['licence']}".rstrip())
    for one in governing["recognitions"]:
        who = f"{one['issuer']} of {one['issuer_jurisdiction']}"
        say(f"recognition {one['id']}  {one['authority_name']}  {state_of(one)}")
        say(f"    {who}: {', '.join(one['rows'])}; {one['effect']}, {one['legal_basis']}")
    for one in governing["stops"]:
        until = when(one["until"]) if one["until"] else "it is lifted"
        say(f"stop {one['target']}  {state_of(one)}, by {one['by']}, until {until}")


def state_of(one: JSON) -> str:
    """Whether a record holds, as words."""
    return str(one["state"]).replace("_", " ")


@network.command()
@click.option("--before", type=int, help="Entries of the log before this one.")
@click.option("--party", type=NamedParty(), metavar="DID", help="Who proposed it, or whom it concerns.")
@click.option("--kind", type=click.Choice(TYPES), help="The type of a record that it changed.")
@click.option("--from", "from_", type=click.IntRange(min=0), help="Decided at this height or later.")
@click.option("--until", type=click.IntRange(min=0), help="Decided at this height or before.")
@AS_JSON
@speaks_to_node
def history(*, client: Client, as_json: bool, from_: int | None, **asked: Any) -> None:
    """What was decided, newest first."""
    wanted = {name: value for name, value in {**asked, "from": from_}.items() if value is not None}
    told = client.get("/governance/history" + (f"?{urlencode(wanted)}" if wanted else ""))
    if as_json:
        show(told)
        return
    for row in told["history"]:
        records = ", ".join(f"{one['type']} {one['name']}".strip() for one in row["changed"])
        line = f"{when(row['time'])}  height {row['height']}  {row['outcome']}  {row['proposal']}"
        say(f"{line}  by {row['by_name']}: {records or row['reason'] or '-'}")
    if not told["history"]:
        say("nothing of that is decided" if wanted else "nothing was decided since the founding")


@network.command()
@click.argument("proposal")
@click.option("--yes", is_flag=True, help="Without asking; the effect of this moment is printed first.")
@tries_dry
@AS_JSON
@speaks_to_node
def approve(*, client: Client, proposal: str, yes: bool, dry_run: bool, as_json: bool) -> int:
    """Stand behind a proposal, once its exact effect was shown."""
    told = client.get(f"/governance/proposals/{named(proposal)}")
    if told["effect"] is None:
        why = told["problem"] or told["reason"]
        since = f", and governs from height {told['in_force']}" if told["in_force"] else ""
        because = f"; {why['text']}" if why else since
        raise SetupError(
            f"there is nothing to approve: the proposal is {told['outcome']}{because}",
            step="See what was decided with `comity network history`.",
        )
    if not as_json:
        tell_effect(told["effect"])
        tell_reach(told["reach"])
    if dry_run:
        if as_json:
            show(told)
        return 0
    if not yes:
        click.confirm("Approve exactly this?", abort=True, err=as_json)
    return act(client, proposal, "approve", {"effect": told["effect"]["digest"]}, as_json=as_json)


@network.command()
@click.argument("proposal")
@AS_JSON
@speaks_to_node
def withdraw(*, client: Client, proposal: str, as_json: bool) -> int:
    """Take back the own proposal, or the own approval of another's."""
    return act(client, proposal, "withdraw", {}, as_json=as_json)


network.add_command(object_)
network.add_command(invite)
network.add_command(propose)
network.add_command(leave)
