"""Real nodes of CometBFT on loopback, each with an application of this node behind it, in its own process,
which signs for it: CometBFT has no key of ours.

`python -m tests.harness.comet_node GENESIS FOLDER SOCKET DID SIGNER` is that application, until it is killed.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from credentials.ledger.genesis import Genesis
from node.ledger.comet.comet_names import chain_id
from node.ledger.comet.home import GOSSIP_MS
from tests.harness import ledger
from tests.harness.comet import Application
from tests.harness.net.harness import free_ports

START_S_MAX, BLOCK_S_MAX = 30.0, 30.0


@dataclass
class CometNode:
    """One validator: a process of CometBFT and one of its application."""

    binary: str
    genesis: Genesis
    did: str
    folder: Path
    socket: Path
    rpc: int
    p2p: int
    peers: list[CometNode] = field(default_factory=list)
    comet: subprocess.Popen[bytes] | None = None
    application: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home, self.signer = self.folder / "comet", self.socket.with_suffix(".votes")
        self.data = "node"
        self._run("init")
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
        settle(self.home)

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
        """Until its socket is there."""
        self.socket.unlink(missing_ok=True)
        genesis = self.folder / "genesis.toml"
        genesis.write_bytes(self.genesis.data)
        command = [sys.executable, "-m", "tests.harness.comet_node", str(genesis)]
        command += [str(self.folder / self.data), str(self.socket), self.did, str(self.signer)]
        with (self.folder / "application.log").open("ab") as out:
            self.application = subprocess.Popen(command, stdout=out, stderr=out)
        wait("the application", self.socket.exists, [self], START_S_MAX)

    def start_comet(self) -> None:
        peers = ",".join(peer.address for peer in self.peers if peer is not self)
        command = [self.binary, "node", "--home", str(self.home), "--proxy_app", f"unix://{self.socket}"]
        command += [
            "--rpc.laddr",
            f"tcp://127.0.0.1:{self.rpc}",
            "--p2p.laddr",
            f"tcp://127.0.0.1:{self.p2p}",
        ]
        command += ["--p2p.persistent_peers", peers, "--priv_validator_laddr", f"unix://{self.signer}"]
        self.signer.unlink(missing_ok=True)
        with (self.folder / "comet.log").open("ab") as out:
            self.comet = subprocess.Popen(command, stdout=out, stderr=out)

    def kill_comet(self) -> None:
        _kill(self.comet)
        self.comet = None

    def kill_application(self) -> None:
        _kill(self.application)
        self.application = None

    def stop(self) -> None:
        self.kill_comet()
        self.kill_application()

    def forget(self, name: str) -> None:
        """The application loses its ledger, and not what it signed: `start` goes on in another folder."""
        kept = self.folder / self.data / "signing.db"
        self.data = name
        (self.folder / name).mkdir()
        shutil.copy(kept, self.folder / name / "signing.db")

    # --- asking

    def ask(self, method: str, **params: Any) -> Any:
        told = self.answer(method, **params)
        assert "error" not in told, told
        return told["result"]

    def answer(self, method: str, **params: Any) -> Any:
        """With "result" or "error"."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.rpc}", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            return json.load(refused)

    def submit(self, tx: bytes) -> int:
        """The code of CheckTx."""
        return int(self.ask("broadcast_tx_sync", tx=_b64(tx))["code"])

    def log(self) -> list[tuple[str, bytes]]:
        """Type and bytes of every leaf, as the file has them."""
        file = f"file:{self.folder / self.data / 'ledger.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(file, uri=True)) as db:
            rows = db.execute("SELECT type, entry FROM entries ORDER BY leaf_index")
            return [(kind, bytes(entry)) for kind, entry in rows]

    def height_of(self, tx: bytes) -> int:
        """The block that recorded it."""
        file = f"file:{self.folder / self.data / 'ledger.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(file, uri=True)) as db:
            return int(db.execute("SELECT height FROM entries WHERE entry = ?", (tx,)).fetchone()[0])

    def attested(self) -> list[bytes]:
        """The attestations in the log, in order."""
        return [entry for kind, entry in self.log() if kind not in ("block", "policy")]

    @property
    def state(self) -> tuple[int, str]:
        """Height and hash, as the application says."""
        found = self.ask("abci_info")["response"]
        return int(found.get("last_block_height", 0)), str(found.get("last_block_app_hash", ""))

    @property
    def up(self) -> bool:
        return self._status() is not None

    @property
    def follows(self) -> bool:
        """0.40 takes nothing before it has what the others have."""
        told = self._status()
        return told is not None and not told["sync_info"]["catching_up"]

    def _status(self) -> Any:
        try:
            return self.ask("status")
        except (OSError, http.client.HTTPException):
            return None

    def last_words(self) -> str:
        logs = (self.folder / "application.log", self.folder / "comet.log")
        return "\n".join(log.read_text()[-2_000:] for log in logs if log.exists())


def settle(home: Path) -> None:
    """Write into its configuration what nodes on one machine need, and a network of ours sets."""
    config = home / "config" / "config.toml"
    text = config.read_text()
    for name, value in (
        ("addr_book_strict", "false"),
        ("allow_duplicate_ip", "true"),
        ("create_empty_blocks", "false"),
        ("pex", "false"),
        ("timeout_propose", '"1s"'),
        ("timeout_prevote", '"500ms"'),
        ("timeout_precommit", '"500ms"'),
        ("timeout_commit", '"100ms"'),
        ("peer_gossip_sleep_duration", f'"{GOSSIP_MS}ms"'),
        ("flush_throttle_timeout", f'"{GOSSIP_MS}ms"'),
        ("indexer", '"null"'),
    ):
        text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        assert count == 1, name
    config.write_text(text)


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


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
        process.wait()


def main() -> None:
    genesis, folder, path, did, signer = sys.argv[1:]
    founded = Genesis.parse(Path(genesis).read_bytes(), ledger.rule_files())
    application = Application(founded, Path(folder), Path(path), did, Path(signer))
    application.supervisor.failed.wait()
    sys.exit(application.supervisor.failure)


if __name__ == "__main__":
    main()
