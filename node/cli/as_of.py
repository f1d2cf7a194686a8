"""`comity governance prove | ask | verify`: what governed after a height, with its proof, checked offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.client import read_json, speaks_to_node, write_out
from node.cli.in_parts import fetch_proof
from node.cli.terminal import say
from node.node_client import Client
from node.receipts.checker import read_log
from node.words import when

if TYPE_CHECKING:
    from credentials.ledger.governance_proof import ProvenGovernance
    from credentials.ledger.trqp import VerifiedAnswer

FILE = click.Path(path_type=Path)


@click.group()
def governance() -> None:
    """What governed at a height: proven, and asked offline."""


@governance.command()
@click.argument("height", type=click.IntRange(min=1))
@click.option("--output", "-o", type=FILE, help="File; otherwise standard output.")
@speaks_to_node
def prove(*, client: Client, height: int, output: Path | None) -> None:
    """Fetch every record that governed after the block of HEIGHT.

    With the receipt of that block's entry.
    """
    write_out(json.dumps(fetch_proof(client, height), indent=1) + "\n", output)


@governance.command()
@click.argument("kind", type=click.Choice(["recognition", "authorization"]))
@click.option("--entity", required=True, help="DID of who is asked about.")
@click.option("--authority", required=True, help="DID of the authority.")
@click.option("--action", default="issue", show_default=True, help="Of an authorization: a role.")
@click.option(
    "--resource", required=True, help="A row of the crosswalk; of an authorization SCHEME:NAMESPACE."
)
@click.option("--at", help="RFC 3339, such as 2027-03-01T10:00:00Z; default: now.")
@click.option("--height", type=click.IntRange(min=1), help="As known after that block; default: by now.")
@click.option("--output", "-o", type=FILE, help="File for the answer with its whole proof.")
@speaks_to_node
def ask(*, client: Client, kind: str, output: Path | None, **asked: Any) -> int:
    """Ask the trust registry: recognised, or licensed?

    ToIP TRQP 2.0: at a time, as known at a height.

    Exit 0: yes. Exit 1: no.
    """
    context = {"time": asked["at"], "height": asked["height"]}
    told = client.post(
        f"/{kind}",
        {
            "entity_id": asked["entity"],
            "authority_id": asked["authority"],
            "action": asked["action"],
            "resource": asked["resource"],
            "context": {name: str(value) for name, value in context.items() if value is not None},
        },
    )
    if output is not None:
        told["proof"] = fetch_proof(client, told["as_known_at"]["height"])
        write_out(json.dumps(told, indent=1, ensure_ascii=False) + "\n", output)
    say(told["message"])
    return 0 if told["recognized" if kind == "recognition" else "authorized"] else 1


@governance.command()
@click.argument("file", type=FILE)
@click.option("--policy", "policy_file", required=True, type=FILE, help="log.policy")
@click.option(
    "--epochs", "epochs_file", type=FILE, help="What leads on from that policy (`comity log epochs`)."
)
@click.option("--issuer", help="Ask about this participant; without it only the rules are printed.")
@click.option("--role", help="Was it licensed for this role? or, with a role of keys: which keys had it?")
@click.option("--scheme", default="*", help="The scheme of the codes, such as gbt34014.")
@click.option("--namespace", default="*", help="The namespace of the codes, such as a maker code.")
@click.option("--at", type=int, help="Seconds since 1970; default: the time of the block.")
def verify(
    *,
    file: Path,
    policy_file: Path,
    epochs_file: Path | None,
    issuer: str | None,
    role: str | None,
    scheme: str,
    namespace: str,
    at: int | None,
) -> int:
    """Verify such a FILE offline, and answer a question from it.

    Or an answer of the trust registry.

    Exit 0: it holds, and the answer is yes. Exit 1: it does not hold, with the reason; or the answer is no.
    """
    from consensus.errors import ConsensusError  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415
    from credentials.ledger.governance_proof import verify_governance  # noqa: PLC0415
    from credentials.ledger.trqp import is_answer, verify_answer  # noqa: PLC0415

    try:
        log, proof = read_log(policy_file, epochs_file), read_json(str(file))
        if is_answer(proof):
            return _tell_answer(verify_answer(proof, log))
        proven = verify_governance(proof, log)
    except (CredentialError, ConsensusError) as error:  # the latter: epochs that do not follow each other
        say(f"not valid: {error}")
        return 1
    return _tell_proven(proven, issuer, role, (scheme, namespace), at)


def _tell_proven(
    proven: ProvenGovernance, issuer: str | None, role: str | None, code: tuple[str, str], at: int | None
) -> int:
    """What was asked about a participant, or the rules that were in force."""
    say(f"valid: what governed after height {proven.height}, of {when(proven.time)}")
    if issuer is None:
        for name, digest in sorted(proven.rules().items()):
            say(f"rule file {name}  SHA-256 {digest.hex()}")
        return 0
    asked = proven.time if at is None else at
    held = proven.participant(issuer)
    if held is None:
        say(f"{issuer} was no participant")
        return 1
    if role is None:
        say(f"{issuer} was a participant of {held.jurisdiction}")
        return 0
    licences, keys = proven.licences(issuer, role, *code, asked), proven.keys(issuer, role, asked)
    for one in licences:
        say(f"licensed at {when(asked)}: accreditation {one.id} {one.licence}".rstrip())
    for key in keys:
        say(f"key at {when(asked)}: {key.id}  {key.public.hex()}")
    stop = proven.stopped(issuer, asked)
    if stop is not None:
        say(f"STOPPED at {when(asked)}, by {stop.by}")
    if not licences and not keys:
        say(f"neither licensed as {role} for {' '.join(code)} nor with such a key at {when(asked)}")
    return 0 if (licences or keys) and stop is None else 1


def _tell_answer(found: VerifiedAnswer) -> int:
    asked, known, yes = found.question, found.known, found.decision.yes
    word = {"recognition": "recognised", "authorization": "authorised"}[asked.kind]
    say(f"valid: as known after height {known.height}, of {when(known.time)}")
    say(f"{asked.entity} {'is' if yes else 'is NOT'} {word} by {asked.authority} at {when(asked.at)}")
    say(f"    {asked.action} {asked.resource}: {found.decision.reason}")
    for one in found.decision.statements:
        say(f"    {one['type']} {one['id']} {one.get('effect', '')} {one['basis']}".rstrip())
    return 0 if yes else 1
