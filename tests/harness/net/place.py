"""Governance of a running network, by what its operators type: proposals, approvals, whoever comes later."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness.net.harness import Node, Party, comity, free_ports, wait


@dataclass
class Place:
    """A network that runs, and the machines of whoever comes later."""

    root: Path
    nodes: dict[str, Node]
    binary: str = ""  # of whoever comes later, where it is another CometBFT than the usual one
    told: list[str] = field(default_factory=list)  # what was typed and printed

    def types(self, capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
        capsys.readouterr()
        given = comity(*words)
        got = capsys.readouterr()
        assert given == 0, (words, got)
        return got.out + got.err

    def decided(self, capsys: pytest.CaptureFixture[str], told: str, *approving: str) -> None:
        """The proposal is approved by these, decided, and in force at every node."""
        digest = re.findall(r"^proposal (\S+)[ :]", told, re.M)[-1].rstrip(":")
        path = f"/governance/proposals/{digest}"
        for who in approving:
            node = self.nodes[who]
            wait("the proposal", lambda: node.status_of(path) == 200)  # noqa: B023
            self.types(capsys, "network", "approve", digest, "--data", node.data, "--yes")
        first = next(iter(self.nodes.values()))
        wait("the proposal", lambda: first.status_of(path) == 200)
        wait("the decision", lambda: first.get(path)["outcome"] != "open")
        over = first.get(path)
        assert over["outcome"] == "decided", over
        for node in self.nodes.values():
            wait("the change", lambda: node.height() >= over["in_force"])  # noqa: B023

    def admitted(
        self,
        capsys: pytest.CaptureFixture[str],
        party: Party,
        sponsor: str,
        *approving: str,
        via: str = "customs",
    ) -> None:
        """`init`, `keys prove`, `network invite`, approvals, the fingerprint, `network join`, `serve`."""
        (port,) = free_ports(1)
        node = Node(party, self.root / party.name, port, self.root / "network" / "passphrase")
        words = ["--passphrase-file", str(node.passphrase_file)]
        roles = [word for role in party.roles for word in ("--role", role)]
        named = ["--did", party.did, "--name", party.name, "--jurisdiction", party.jurisdiction, *roles]
        able = ["--validator"] if party.validator else []
        self.types(capsys, "init", "--data", node.data, *named, *able, *words)
        node.name_cometbft(self.binary)
        by = self.nodes[sponsor]
        network_id = by.get("/status")["network"]["id"]
        proofs, licence = self.root / f"{party.name}.proofs", self.root / f"{party.name}.licence"
        proofs.write_text(
            self.types(capsys, "keys", "prove", "--data", node.data, "--id", network_id, *words)
        )
        licence.write_text(
            f'[[accreditations]]\nparticipant = "{party.did}"\nroles = {json.dumps(party.roles)}\n'
            f'schemes = {json.dumps(party.schemes)}\njurisdiction = "{party.jurisdiction}"\n'
        )
        invite: list[str | Path] = ["network", "invite", node.data / "participant.toml", "--data", by.data]
        more: list[str | Path] = ["--proofs", proofs, "--accreditation", licence]
        more += ["--address", node.url, "--yes"]
        self.decided(capsys, self.types(capsys, *invite, *more), *approving)
        seen: list[str] = []

        def there() -> bool:
            seen[:] = re.findall(r"^([0-9]+-[0-9a-f]{64})$", self.types(capsys, *invite), re.M)
            return bool(seen)

        wait("the fingerprint", there)
        join = ["--via", self.nodes[via].url, "--fingerprint", seen[0], *words]
        self.types(capsys, "network", "join", "--data", node.data, *join)
        self.nodes[party.name] = node
        node.start()
        node.wait_ready()
