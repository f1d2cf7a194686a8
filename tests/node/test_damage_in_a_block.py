"""A record of ledger.db is not what was written, and a block is executed that needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from credentials.ledger.attestation import standing_key
from node.api import create_app
from node.config import DataDirectory
from node.ledger.embedded import EmbeddedEngine
from node.setup.wiring import open_service
from node.web.sample import sample_claims
from tests.harness import ledger
from tests.harness.command_line import here
from tests.harness.engines import Network, founded_now
from tests.harness.support_service import CODE, PASSPHRASE, LiveNode, live_node
from tests.node.test_damage import change, flipped


@pytest.mark.parametrize("column", ["value", "digest"])
def test_a_validator_with_a_damaged_record_stops_and_the_others_go_on(tmp_path: Path, column: str) -> None:
    """
    It says once what is damaged, before it voted; it has adopted nothing, nobody is blamed for it, and once
    the record is what was written it has what the others decided.
    """
    genesis, victim = founded_now(), ledger.CUSTOMS
    network = Network(genesis, tmp_path)
    network.start(*ledger.VALIDATORS)
    network.submit(network.attestation(1))
    network.wait("the first block", lambda: network.heights() == {1})
    network.links.nodes[victim].stop()
    data = tmp_path / victim.removeprefix("did:web:")
    where = f"subject = x'{standing_key(ledger.battery(1)).hex()}'"
    before = change(data, "standings", column, where, lambda value: flipped(value, 9))

    network.start(victim)
    stopping = network.links.nodes[victim]
    network.wait("it to have caught up", lambda: not stopping.ordering.replica.asking)
    network.submit(network.attestation(1, by=ledger.OTHER_MAKER))
    network.submit(network.attestation(2))
    network.wait("it to stop", lambda: stopping.supervisor.failure is not None)
    others = [node for did, node in network.links.nodes.items() if did != victim]
    network.wait("the others", lambda: all(node.engine.status()[1] >= 2 for node in others))

    assert str(stopping.supervisor.failure).startswith("a database is damaged (ledger.db is damaged: record ")
    assert stopping.ledger.standings.damaged and stopping.tree.size == 2
    blamed = {"malformed", "attestation_malformed", "invalid_block", "unforeseen"}
    assert not stopping.drops and not blamed & {*stopping.engine.refused}
    stopping.stop()
    change(data, "standings", column, where, before)
    network.start(victim)
    network.wait("it to follow", lambda: len(network.heights()) == 1)
    assert len({node.tree.root() for node in network.links.nodes.values()}) == 1
    for node in list(network.links.nodes.values()):
        assert not node.supervisor.failure
        node.stop()


@pytest.mark.check
def test_what_was_said_meanwhile_is_on_the_ledger_once_it_is_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A validator alone, with a revocation in its outbox and the record it is about damaged: the node stops by
    one sentence and the condition, and refuses nothing; after `comity rebuild` the revocation is decided.
    """
    with live_node(tmp_path) as made:
        told = made.post_json("/passports", {"code": CODE, "claims": sample_claims(made.service, CODE)})
        made.wait_quiet()
        about = made.service.overview.gathering.subject_of(CODE)
        monkeypatch.setattr(EmbeddedEngine, "submit", lambda *_: None)
        made.service.passports.revoke(told.get_json()["digest"], "a test")
    monkeypatch.undo()
    assert about is not None
    directory = DataDirectory(made.data)
    where = f"subject = x'{standing_key(about).hex()}'"
    change(made.data, "standings", "value", where, lambda value: flipped(value, 9))

    first = open_service(directory, PASSPHRASE, 0)
    first.start()
    assert first.supervisor.failed.wait(60)
    client, key = create_app(first).test_client(), {"Authorization": f"Bearer {directory.operator()}"}
    conditions = {one["code"] for one in client.get("/readyz", headers=key).get_json()["conditions"]}
    waiting = [item.kind for item in first.stores.office.outbox.waiting("outbox")]
    first.stop()
    assert str(first.supervisor.failure).startswith("a database is damaged (ledger.db is damaged: record ")
    assert {"stopped", "damaged_ledger"} <= conditions
    assert waiting == ["passport.revoked"]

    done = here("rebuild", "--data", made.data, COMITY_PASSPHRASE=PASSPHRASE)
    assert done.returncode == 0, done.stderr
    second = open_service(directory, PASSPHRASE, 0)
    second.start()
    try:
        again = LiveNode(second, create_app(second), directory.operator(), directory.root)
        again.wait_quiet()
        kinds = [row.kind for row in second.stores.ledger.leaves.since(0, 99)]
        assert kinds.count("passport.revoked") == 1 and not second.supervisor.failure
    finally:
        second.stop()
