"""What a newcomer is given, and who is given nothing (node/use_cases/welcoming.py)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.encoding import encode
from consensus.merkle import Tree
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.parties import Stop
from node.errors import ProblemError
from node.peers.fingerprint import JoiningFingerprint
from node.use_cases.welcoming import Welcome
from tests.harness import ledger

TREE = Tree([bytes([number]) * 32 for number in range(9)])


def door(*stopped: str) -> Welcome:
    """A node's door for newcomers while these are stopped for good."""
    genesis = ledger.make_genesis()
    stops = {target: Stop(target, ledger.EU_AUTHORITY, 0, None) for target in stopped}
    history = GovernanceHistory([(0, replace(genesis.governance, stops=stops))])
    return Welcome(ledger.MAKER, genesis, history, lambda _: None, b"k" * 32, TREE, {})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (bytes(256), "malformed"),
        (b"\x81" * 250, "malformed"),
        (encode([]), "malformed"),
        (encode([7]), "malformed"),
        (encode(["0-" + "a" * 64]), "malformed"),
        (encode([f"{'9' * 15}-" + "a" * 64]), "fingerprint_ahead"),
        (encode(["1-" + "a" * 64]), "other_fingerprint"),
        (encode([JoiningFingerprint.of(bytes(32), 9, TREE.root()).text]), "other_fingerprint"),
    ],
)
def test_whatever_a_stranger_says_first_it_is_told_why_not(body: bytes, code: str) -> None:
    """
    Nothing but a fingerprint of this log is answered; everything else is a refusal.
    """
    with pytest.raises(ProblemError) as refused:
        door().hello(body)

    assert refused.value.code == code


@pytest.mark.parametrize("target", [ledger.IMPORTER, f"{ledger.IMPORTER}#transport-1"])
def test_who_is_stopped_is_given_no_network_key(target: str) -> None:
    """
    The participant, or the transport key with which a thief would ask.
    """
    assert door().give_key(ledger.IMPORTER)

    with pytest.raises(ProblemError) as refused:
        door(target).give_key(ledger.IMPORTER)

    assert refused.value.code == "sender_stopped"
