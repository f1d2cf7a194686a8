"""More than f vote keys are stolen, and two blocks are decided at one height: by running processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from consensus.faults import HEIGHTS_REMEMBERED
from tests.harness.net.batteries import issue, wait_receipted
from tests.harness.net.harness import PASSPHRASE, VALIDATORS, Node, comity, found, free_ports, wait
from tests.harness.net.link import Link, Relay

pytestmark = pytest.mark.check

STOLEN, NOWHERE = ("maker", "customs"), "http://127.0.0.1:9"


@dataclass
class Parted:
    """Four validators, of which two are run twice: one of each beside `cn`, the other beside `eu`."""

    nodes: dict[str, Node]
    twins: dict[str, Node]
    relay: Relay  # of what `cn` and `eu` send each other

    @property
    def everybody(self) -> list[Node]:
        return [*self.nodes.values(), *self.twins.values()]


def knows(node: Node, addresses: dict[str, str]) -> None:
    """Where this node finds the others."""
    rows = [f'"{did}" = "{url}"\n' for did, url in addresses.items()]
    (node.data / "network" / "peers.toml").write_text("[addresses]\n" + "".join(rows))


@pytest.fixture
def parted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parted]:
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    nodes = found(tmp_path, VALIDATORS)
    twins = {}
    for name, port in zip(STOLEN, free_ports(len(STOLEN)), strict=True):
        data = tmp_path / f"{name}-copied"
        shutil.copytree(nodes[name].data, data)
        twins[name] = replace(nodes[name], data=data, port=port)
    relay = Relay()
    doors = dict(zip(("cn", "eu"), free_ports(2), strict=True))  # how the other one of the two reaches it
    for name, port in doors.items():
        other = "eu" if name == "cn" else "cn"
        link = Link(other, name, ("127.0.0.1", port), ("127.0.0.1", nodes[name].port), is_cut=True)
        relay.add(link)
    for name, beside in (("cn", nodes), ("eu", twins)):
        other = "eu" if name == "cn" else "cn"
        thieves = {beside[thief].party.did: beside[thief].url for thief in STOLEN}
        near = {**thieves, nodes[name].party.did: nodes[name].url}
        for thief in STOLEN:
            knows(beside[thief], {**near, nodes[other].party.did: NOWHERE})
        knows(nodes[name], {**near, nodes[other].party.did: f"http://127.0.0.1:{doors[other]}"})
    made = Parted(nodes, twins, relay)
    try:
        with relay:
            for node in made.everybody:
                node.start()
            for node in made.everybody:
                node.wait_ready()
            yield made
    finally:
        for node in made.everybody:
            node.stop()


def conditions(node: Node) -> tuple[int, dict[str, str]]:
    """The status of /readyz, and what it says by code."""
    status, told = node.request("GET", "/readyz")
    return status, {one["code"]: f"{one['text']}. {one['next']}" for one in told["conditions"]}


def test_two_blocks_at_one_height_are_noticed_by_both_sides(
    parted: Parted, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Whoever has the vote keys of two of four validators signs one block for each of the two others, and goes
    on with one of them. Once these hear each other, both say so at /readyz and in their logs, vote no more,
    and name the stolen keys (`comity evidence list`); the one that is far ahead as the one behind, and after
    a restart.
    """
    alone, on = parted.nodes["maker"], parted.twins["maker"]
    for thief, serial in ((alone, 1), *((on, serial) for serial in range(2, 3 + HEIGHTS_REMEMBERED + 1))):
        wait_receipted(thief, str(issue(thief, serial)["digest"]))
    honest = [parted.nodes[name] for name in ("cn", "eu")]
    assert honest[1].height() > honest[0].height() + HEIGHTS_REMEMBERED

    parted.relay.heal()

    for node in honest:
        wait(f"{node.party.name} to notice", lambda: "forked" in conditions(node)[1])  # noqa: B023
        status, told = conditions(node)
        assert status == 503 and "decided two blocks at height" in told["forked"]
        assert "vote_withheld" not in told
        because = node.wait_for("forked")["because"]
        assert "`comity evidence list`" in because and "`comity evidence list --data DIR`" in told["forked"]
        capsys.readouterr()
        assert comity("evidence", "list", "--data", node.data) == 0
        named = capsys.readouterr().out
        assert all(parted.nodes[thief].party.did in named for thief in STOLEN)
        assert not any(one.party.did in named for one in honest)

    behind = honest[0]
    behind.stop()
    behind.start()
    wait(
        "it to say so again", lambda: behind.status_of("/readyz") == 503 and "forked" in conditions(behind)[1]
    )
