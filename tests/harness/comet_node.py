"""Real nodes of CometBFT on loopback, each with an application of this node behind it."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from credentials.ledger.genesis import Genesis
from node.ledger.comet.abci import chain_id
from tests.harness import ledger
from tests.harness.comet import Application
from tests.harness.net.harness import free_ports

START_S_MAX, BLOCK_S_MAX = 30.0, 30.0


def seed(did: str, role: str) -> bytes:
    """What `ledger.signer` makes its key of."""
    return sha256(f"{did}/{role}".encode()).digest()


@dataclass
class CometNode:
    """One validator: a process of CometBFT, and its application in a thread of this one."""

    binary: str
    genesis: Genesis
    did: str
    folder: Path
    socket: Path
    rpc: int
    p2p: int
    peers: list[CometNode] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home = self.folder / "comet"
        self.data = "node"
        self._run("init")
        public = ledger.signer(self.did, "vote").public_key
        private = seed(self.did, "vote") + public
        self._write(
            "config/priv_validator_key.json",
            {
                "address": sha256(public).hexdigest()[:40].upper(),
                "pub_key": {"type": "tendermint/PubKeyEd25519", "value": _b64(public)},
                "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": _b64(private)},
            },
        )
        moment = datetime.fromtimestamp(self.genesis.created, UTC)
        self._write(
            "config/genesis.json",
            {
                "genesis_time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "chain_id": chain_id(self.genesis.network_id),
                "initial_height": "1",
                "app_hash": "",
            },
        )
        config = self.home / "config" / "config.toml"
        text = config.read_text()
        for name, value in (
            ("addr_book_strict", "false"),
            ("allow_duplicate_ip", "true"),
            ("create_empty_blocks", "false"),
            ("pex", "false"),
            ("timeout_commit", '"100ms"'),
            ("indexer", '"null"'),
        ):
            text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
            assert count == 1, name
        config.write_text(text)

    def _run(self, *arguments: str) -> str:
        command = [self.binary, *arguments, "--home", str(self.home)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _write(self, name: str, value: Any) -> None:
        (self.home / name).write_text(json.dumps(value))

    @property
    def address(self) -> str:
        return f"{self._run('show-node-id')}@127.0.0.1:{self.p2p}"

    # --- living and dying

    def start(self) -> None:
        self.start_application()
        self.start_comet()

    def start_application(self) -> None:
        self.application = Application(self.genesis, self.folder / self.data, self.socket, self.did)

    def start_comet(self) -> None:
        peers = ",".join(peer.address for peer in self.peers if peer is not self)
        command = [self.binary, "node", "--home", str(self.home), "--proxy_app", f"unix://{self.socket}"]
        command += [
            "--rpc.laddr",
            f"tcp://127.0.0.1:{self.rpc}",
            "--p2p.laddr",
            f"tcp://127.0.0.1:{self.p2p}",
        ]
        command += ["--p2p.persistent_peers", peers]
        with (self.folder / "comet.log").open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)

    def kill_comet(self) -> None:
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop_application(self) -> None:
        self.application.stop()

    def stop(self) -> None:
        self.kill_comet()
        self.stop_application()

    # --- asking

    def ask(self, method: str, **params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.rpc}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            told = json.load(answer)
        assert "error" not in told, told
        return told["result"]

    def submit(self, tx: bytes) -> int:
        """The code of CheckTx."""
        return int(self.ask("broadcast_tx_sync", tx=_b64(tx))["code"])

    @property
    def height(self) -> int:
        return self.application.behind.delivered.tip.height

    @property
    def up(self) -> bool:
        try:
            self.ask("status")
        except OSError:
            return False
        return True

    def last_words(self) -> str:
        return (self.folder / "comet.log").read_text()[-3000:]


def network(
    binary: str, genesis: Genesis, dids: Sequence[str], folder: Path, sockets: Path
) -> list[CometNode]:
    """Nodes that know each other; none is started."""
    ports = free_ports(2 * len(dids))
    nodes = [
        CometNode(
            binary, genesis, did, folder / f"{i}", sockets / f"{i}.sock", ports[2 * i], ports[2 * i + 1]
        )
        for i, did in enumerate(dids)
    ]
    for node in nodes:
        node.peers = nodes
    return nodes


def wait(what: str, done: Callable[[], bool], nodes: Sequence[CometNode], seconds: float) -> float:
    """Until it is so; the seconds that took."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"waited {seconds} s for {what}:\n{nodes[0].last_words()}")
        time.sleep(0.05)
    return time.monotonic() - began


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
