"""A change of what governs, at the command line: tried, shown exactly, asked about, then proposed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from consensus.cose import Signer
from consensus.encoding import encode
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import GovernanceAct, make_attestation
from credentials.ledger.governance_state import NAMESPACE, PROPOSED, SCHEME
from credentials.ledger.proposals import ChangeProposal
from node.cli.client import Command, named, options, show, speaks_to_node, which_node
from node.cli.terminal import say, say_step
from node.errors import ProblemError, SetupError
from node.node_client import Client
from node.words import when

JSON = dict[str, Any]
DAY_S = 86_400
WAIT_S, POLL_S = 30.0, 0.3
MOMENTS = ("since", "until", "left", "valid_from", "valid_until", "compromised_from")
SUSPENDED = "suspended"  # [[from], [from, to], ...]


_HOW = (
    click.option("--yes", is_flag=True, help="Propose without asking; the effect is printed first."),
    click.option("--json", "as_json", is_flag=True, help="As JSON; without --yes the dry run alone."),
    click.option("--days", default=14, show_default=True, help="It expires so many days from now."),
)
tries_dry = click.option(
    "--dry-run",
    is_flag=True,
    help="Show what it would do, also to open lines of this node, and sign nothing.",
)


def proposes(command: Command) -> Command:
    """Add the options of every change that is proposed, and give it a `client`."""
    added: Command = options(*_HOW, tries_dry)(speaks_to_node(command))
    return added


def proposal_options(command: Command) -> Command:
    """The same options, for whoever may do without a node."""
    added: Command = options(which_node, *_HOW)(command)
    return added


def decided(client: Client) -> JSON:
    """What is decided so far, also what governs a block later only: proposals are compared with that."""
    now = client.get("/governance")
    at = now["changes_at"]
    return now if at is None else client.get(f"/governance?height={at}")


def change(record_type: str, name: str, table: Mapping[str, Any]) -> JSON:
    """One record as it shall be."""
    return {"type": record_type, "name": name, "table": dict(table)}


def put(
    client: Client,
    changes: Sequence[JSON],
    *,
    yes: bool,
    dry_run: bool = False,
    as_json: bool,
    days: int,
    proofs: Mapping[str, bytes] | None = None,
    recovery: Signer | None = None,
) -> int:
    """Try a change, show what it does, ask, propose it: signed by the node, or with a recovery key."""
    order: JSON = {"changes": list(changes), "recovered": recovery is not None, "expires_s": days * DAY_S}
    if proofs:
        order["proofs"] = {kid: b64u(proof) for kid, proof in proofs.items()}
    tried = client.post("/governance/dry-run", order)
    if as_json and (dry_run or not yes):
        show(tried)
        return 0
    if not as_json:
        tell_effect(tried["effect"])
        tell_reach(tried["reach"])
    if dry_run:
        return 0
    if not yes:
        click.confirm("Propose exactly this?", abort=True)
    sent = {"effect": tried["effect"]["digest"]}
    if recovery is None:
        sent["proposal"] = tried["proposal"]
    else:
        sent["attestation"] = b64u(_signed(client, recovery, tried, changes))
    made = client.post("/governance/proposals", sent)
    _follow(client, made["digest"])
    _conclude(client, made, as_json=as_json)
    return 0


def _signed(client: Client, recovery: Signer, tried: JSON, changes: Sequence[JSON]) -> bytes:
    """What the recovery key says: the proposal that the node made, if it is what was asked for."""
    proposal = ChangeProposal.decode(b64u_decode(tried["proposal"], "proposal"))
    asked = {(row["type"], row["name"]): encode(row["table"]) for row in changes}
    network_id = bytes.fromhex(client.get("/status")["network"]["id"])
    if proposal.records != asked or proposal.network_id != network_id:
        raise SetupError(
            "the node made another proposal than it was asked for: nothing was signed",
            step="Install one version of this program here and at the node, and repeat this.",
        )
    return signed_by_recovery(
        recovery, (tried["by"], PROPOSED, network_id), proposal.digest, proposal.encode()
    )


def signed_by_recovery(
    recovery: Signer, says: tuple[str, str, bytes], about: bytes, proposal: bytes = b""
) -> bytes:
    """An act that a recovery key signs, a proposal or an objection: who `says` what, in which network."""
    did, kind, network_id = says
    now = int(time.time())
    return make_attestation(
        signer=recovery,
        iat=now,
        kind=kind,
        issuer=did,
        subject=Subject(SCHEME, NAMESPACE, about),
        network_id=network_id,
        event_time=now,
        document_digest=about,
        governance=GovernanceAct(proposal, recovery.public_key),
    )


def _follow(client: Client, digest: str) -> None:
    """Until the ledger holds it, or a while."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            client.get(f"/governance/proposals/{named(digest)}")
        except ProblemError as error:
            if error.code != "proposal_unknown":
                raise
            time.sleep(POLL_S)
        else:
            return


def _conclude(client: Client, made: JSON, *, as_json: bool) -> None:
    """What became of it so far."""
    if as_json:
        show(made)
        return
    say(f"signed {made['attestation']}: {made['act'].replace('_', ' ')}")
    try:
        tell_proposal(client.get(f"/governance/proposals/{named(made['digest'])}"), whole=False)
    except ProblemError as error:
        if error.code != "proposal_unknown":
            raise
        say(f"proposal {made['digest']}: on its way to the ledger")


def act(client: Client, proposal: str, verb: str, body: JSON, *, as_json: bool) -> int:
    """Another act about a proposal."""
    made = client.post(f"/governance/proposals/{named(proposal)}/{verb}", body)
    _settled(client, made)
    _conclude(client, made, as_json=as_json)
    return 0


def _settled(client: Client, made: JSON) -> None:
    """Until the act is on the ledger, or a while."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        told = client.get(f"/governance/proposals/{named(made['digest'])}")
        if any(one["digest"] == made["attestation"] for one in told["acts"]):
            return
        time.sleep(POLL_S)


# -- telling -------------------------------------------------------------------------------------------


def tell_proposal(told: JSON, *, whole: bool = True) -> None:
    """A proposal, and with `whole` its effect and acts."""
    say(f"proposal {told['digest']} by {told['by_name']}, {when(told['since'])}: {told['outcome']}")
    if told["reason"]:
        say(f"  {told['reason']['text']}")
        say_step(told["reason"])
    if told["in_force"]:
        say(f"  governs from height {told['in_force']}")
    if told["problem"]:
        say(f"  as things stand it would lapse: {told['problem']['text']}")
        say_step(told["problem"])
    if whole:
        for changed in told["changed"]:
            _tell_change(changed)
        if told["effect"]:
            tell_effect(told["effect"])
        if told["effect"] or told["reach"]:
            tell_reach(told["reach"], over=told["outcome"] != "open")
        for one in told["acts"]:
            say(f"  {when(one['time'])}  {one['act'].replace('_', ' ')} by {one['by_name']}")
    elif told["effect"]:
        _tell_missing(told["effect"])


def tell_effect(effect: JSON) -> None:
    """What a change does, member by member; what it needs; from when it would govern."""
    for action in effect["actions"]:
        say(action["text"])
    for changed in effect["changes"]:
        _tell_change(changed)
    _tell_missing(effect)
    say(f"effect {effect['digest']}")


def tell_reach(reach: Mapping[str, Any] | None, *, over: bool = False) -> None:
    """What it does to the open lines of this node: from what word to what word."""
    if reach is None:
        say("what it would do to open lines is not shown: this node lacks a rule file of it")
        return
    whose = "everybody" if reach["everybody"] else ", ".join(one["name"] for one in reach["issuers"]) or "-"
    more = reach["issuers_total"] - len(reach["issuers"])
    say(f"concerns what is said by: {whose}{f' and {more} more' if more else ''}")
    where = f"{reach['lines']} open lines of {reach['consignments']} consignments here rest on that"
    say(f"{where}; {reach['judged']} {'were judged again' if over else 'tried'}, {reach['changed']} change")
    if not over:
        say(f"  tried as of {when(reach['at'])}, by the records, documents and rules of that moment;")
        say(
            "  what is recorded or decided until it governs is not in it: lines are judged again once it does"
        )
    if reach["later"]:
        say(f"  a part of it begins or ends on {when(reach['later'])} only, which is not shown")
    for one in reach["items"]:
        after = one["after"] or "waits to be judged again"
        name = one["declaration"] or one["consignment"]
        say(f"  {name} line {one['line']}: {one['before']} -> {after}")
        say(f"    {one['before_text']} -> {one['after_text'] or '-'}")


def _tell_missing(effect: JSON) -> None:
    for missing in effect["missing"]:
        say(f"missing: {missing['text']}")
    if effect["waits_until"]:
        say(f"not decided before {when(effect['waits_until'])}")
    if effect["held_missing"]:
        say(f"missing: validators with a weight of {effect['held_missing']} that hold its rule files")
    height = effect["governs_from"]
    if effect["ready"]:
        say(f"decided in the next block, it governs from height {height} on")
    else:
        say(f"were it decided in the next block, it would govern from height {height} on")


def _tell_change(changed: JSON) -> None:
    new = " (new)" if changed["before"] is None else ""
    say(f"  {changed['type']} {changed['name']}{new}  {changed['about']}".rstrip())
    for member in changed["members"]:
        name = member["member"]
        say(f"    {name}: {value(name, member['before'])} -> {value(name, member['after'])}")


def value(member: str, given: Any) -> str:
    """A value of a record as a person reads it."""
    if given is None:
        return "-"
    if isinstance(given, str) and given.partition("+")[0] == "decided":
        later = given.partition("+")[2]
        return f"{later} s after it is decided" if later else "when it is decided"
    if isinstance(given, int) and member.rpartition(".")[2] in MOMENTS:
        return when(given)
    if isinstance(given, list) and member == SUSPENDED:
        return "; ".join(" to ".join(value("since", end) for end in pause) for pause in given)
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
