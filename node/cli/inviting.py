"""`comity network invite`: what a sponsor does for a newcomer, one command that is repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consensus.checkpoint import Checkpoint, SignedNote
from node.cli.change import JSON, proposes, tell_proposal
from node.cli.proposing import FILE, propose_admission
from node.cli.terminal import say
from node.errors import SetupError
from node.node_client import Client
from node.peers.fingerprint import JoiningFingerprint
from node.setup.network import read_card

_NO_ADDRESS = (
    "note: no address is on record for {did}, so no other node asks it for anything; it can give one later: "
    "`comity network propose move URL --data DIR` at its own node"
)


@click.command()
@click.argument("card", type=FILE)
@click.option("--proofs", type=FILE, help="What `comity keys prove` made at the newcomer: to propose it.")
@click.option("--address", default="", help="URL of its node, for peers.")
@click.option("--accreditation", "licences", type=FILE, help="[[accreditations]] as in a founding file.")
@proposes
def invite(
    *, client: Client, card: Path, proofs: Path | None, address: str, licences: Path | None, **how: Any
) -> int:
    """Propose to admit the party of this CARD.

    Called again it says who must still approve, and then the fingerprint.
    """
    newcomer = read_card(card)
    status, governing = client.get("/status"), client.get("/governance")
    party = next((one for one in governing["participants"] if one["did"] == newcomer.did), None)
    if party is not None and party["left"]:
        raise SetupError(
            f"{newcomer.did} left: who left comes back under another DID",
            step="Have the newcomer make new keys under another DID (`comity init`).",
        )
    if party is not None:
        if not party["address"]:
            say(_NO_ADDRESS.format(did=newcomer.did), err=True)
        _tell_fingerprint(client, bytes.fromhex(status["network"]["id"]), newcomer.did)
        return 0
    if open_ones := [
        one for one in client.get("/governance/proposals")["open"] if _admits(one, newcomer.did)
    ]:
        for one in open_ones:
            tell_proposal(one, whole=False)
        say(f"{newcomer.did} is not admitted yet: once it is, this command prints its fingerprint")
        return 0
    if proofs is None:
        raise SetupError(
            f"{newcomer.did} is not proposed yet: give --proofs FILE, which the newcomer makes with "
            f"`comity keys prove --data DIR --id {status['network']['id']}`"
        )
    if not address:
        say(_NO_ADDRESS.format(did=newcomer.did), err=True)
    say(
        "Once it is admitted, every node gives it the network key: with it identifiers can be guessed and "
        "volumes counted. The key is never rotated, and expulsion does not take it back.",
        err=True,
    )
    return propose_admission(client, newcomer, proofs=proofs, address=address, licences=licences, **how)


def _admits(proposal: JSON, did: str) -> bool:
    changed = [*proposal["changed"], *(proposal["effect"] or {"changes": []})["changes"]]
    return any(one["type"] == "participant" and one["name"] == did for one in changed)


def _tell_fingerprint(client: Client, network_id: bytes, did: str) -> None:
    checkpoint = Checkpoint.parse(SignedNote.parse(client.text("/log/checkpoint")).body)
    told = JoiningFingerprint.of(network_id, checkpoint.size, checkpoint.root)
    say(
        f"{did} is admitted. Tell it this fingerprint by another channel than the network, aloud or on paper:"
    )
    say(told.text)
    say(f"there: comity network join --data DIR --via {client.url} --fingerprint {told.text}")
