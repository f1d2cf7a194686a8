"""A network of N nodes in a folder: `comity init`, `network create`, `network join`, `serve`, as processes.

    with running(tmp_path, VALIDATORS) as network:
        node = network["maker"]
        node.kill(); node.start(); node.wait_ready()
        node.wait_for("commit", height=3)

A process writes stdout and stderr to <folder>/<name>.log; its JSON lines are read back by `moments`.
"""

from __future__ import annotations

import atexit
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from node.__main__ import run
from node.named_files import write_own
from tests.harness.net.forked import Forked

JSON = dict[str, Any]
PASSPHRASE = "correct horse battery staple"
READY_S_MAX = 180.0  # each bound is for what never comes: a busy machine takes its time
WAIT_S_MAX = 90.0


@dataclass(frozen=True, slots=True)
class Party:
    """One participant of a test network: `maker` becomes did:web:maker.example."""

    name: str
    jurisdiction: str
    roles: tuple[str, ...]
    validator: bool = True
    schemes: tuple[tuple[str, str], ...] = (("gbt34014", "*"),)
    host: str = ""  # the party, named before it, on whose node it is to be: founded without an address

    @property
    def did(self) -> str:
        return f"did:web:{self.name}.example"


MAKER = Party("maker", "CN", ("manufacturer",), schemes=(("gbt34014", "ZZ1"), ("gbt34014", "ZZ2")))
CN = Party("cn", "CN", ("authority", "customs_origin"))
EU = Party("eu", "EU", ("authority", "market_surveillance"))
CUSTOMS = Party("customs", "EU", ("customs",))
IMPORTER = Party("importer", "EU", ("importer", "holder"), validator=False)
VALIDATORS = (MAKER, CN, EU, CUSTOMS)
FIVE = (*VALIDATORS, IMPORTER)


def comity(*arguments: str | Path) -> int:
    """Run one command in this process: the code path of the console script."""
    return run([str(argument) for argument in arguments])


_kept: list[socket.socket] = []  # bound, and nobody listens there before its node does


def free_ports(count: int) -> list[int]:
    """Ports that this process keeps until it ends: no other test and no client of one is given them.

    A node listens there beside, since both say SO_REUSEADDR and only one of them listens.
    """
    made = [socket.socket() for _ in range(count)]
    for one in made:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
    _kept.extend(made)
    return [one.getsockname()[1] for one in made]


@atexit.register
def _let_go() -> None:
    for one in _kept:
        one.close()


@dataclass
class Node:
    """One node: its data directory, its address and, while it runs, its process."""

    party: Party
    data: Path
    port: int
    passphrase_file: Path
    process: subprocess.Popen[bytes] | Forked | None = None
    tls: bool = False  # HTTPS under its own certificate
    forked: bool = False  # from a process that has imported all of a node
    pool: urllib3.PoolManager = field(init=False)

    def __post_init__(self) -> None:
        certificate = str(self.data / "certificate.pem") if self.tls else None
        self.pool = urllib3.PoolManager(retries=False, ca_certs=certificate)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data.with_suffix(".log")

    def start(self, *options: str, module: str = "node", within: Sequence[str] = ()) -> None:
        """`module`: what is run instead, e.g. another version; `within`: the command that runs it."""
        words = ["serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
        words += ["--passphrase-file", str(self.passphrase_file), *(["--tls", "own"] if self.tls else [])]
        words += ["--die-with-parent", *options]
        if self.forked and module == "node" and not within:
            self.process = Forked(words, self.log)
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-m", module, *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def name_cometbft(self, binary: str) -> None:
        """The program in node.toml; none: the usual one."""
        if binary:
            write_own(self.data / "node.toml", f'[cometbft]\nbinary = "{binary}"\n'.encode())

    def kill(self) -> None:
        """SIGKILL, by pid."""
        assert self.process is not None, "only a started node can be killed"
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.process = None

    def stop(self) -> int | None:
        """SIGTERM; the exit code."""
        if self.process is None:
            return None
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(5)
        finally:
            self.process = None
            self.pool.clear()

    def wait_ready(self, seconds_max: float = READY_S_MAX) -> None:
        def ready() -> bool:
            assert self.process is not None, "a node that was not started is never ready"
            assert self.process.poll() is None, f"{self.party.name} stopped: {self.last_words()}"
            return self.status_of("/readyz") == 200

        wait(f"{self.party.name} to be ready", ready, seconds_max)

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def moments(self, at: str) -> Iterator[JSON]:
        """The JSON lines of one kind of moment, oldest first.

        A node logs what it did once it is done: that something else shows it says nothing of its line.
        Of a node that runs `wait_for` waits for a line; of one that was stopped all are there.
        """
        # The last piece is empty, or a line that is being written.
        for line in self.log.read_text(errors="replace").split("\n")[:-1]:
            if line.startswith("{"):
                told = json.loads(line)
                if told.get("at") == at:
                    yield told

    def wait_for(self, at: str, seconds_max: float = WAIT_S_MAX, **members: Any) -> JSON:
        """The first line of this kind with these members."""
        found: list[JSON] = []

        def told() -> bool:
            found[:] = [m for m in self.moments(at) if all(m.get(k) == v for k, v in members.items())]
            return bool(found)

        wait(f"{self.party.name} to log {at} {members}", told, seconds_max)
        return found[0]

    # -- its API -------------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, body: JSON | bytes | None = None, **headers: str | None
    ) -> tuple[int, Any]:
        """(status, JSON or text) as its operator."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        wanted: dict[str, str | None] = {
            "authorization": f"Bearer {(self.data / 'operator.key').read_text().strip()}",
            "accept": "application/json",
            "content-type": "application/json" if body is not None else None,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        sent = {name: value for name, value in wanted.items() if value is not None}
        answer = self.pool.request(
            method, self.url + path, body=data, headers=sent, timeout=30, redirect=False
        )
        text = answer.data.decode()
        kind = answer.headers.get("content-type", "")
        return answer.status, json.loads(text) if "json" in kind and "ndjson" not in kind else text

    def get(self, path: str) -> Any:
        status, answer = self.request("GET", path)
        assert status == 200, f"GET {path} answered {status}: {answer}"
        return answer

    def post(self, path: str, body: JSON) -> JSON:
        status, answer = self.request("POST", path, body)
        assert status in (200, 201, 202), f"POST {path} answered {status}: {answer}"
        return dict(answer)

    def status_of(self, path: str) -> int:
        """The HTTP status of a GET; 0 when nobody answers."""
        try:
            return self.request("GET", path)[0]
        except (urllib3.exceptions.HTTPError, OSError):  # also: its certificate is not there yet
            return 0

    def height(self) -> int:
        return int(self.get("/status")["height"])


def wait(what: str, done: Callable[[], bool], seconds_max: float = WAIT_S_MAX) -> float:
    """Poll until `done`; the seconds it took."""
    start = time.monotonic()
    while not done():
        assert time.monotonic() - start < seconds_max, f"waited {seconds_max:.0f} s for {what}"
        time.sleep(0.02)
    return time.monotonic() - start


def found(
    root: Path,
    parties: Sequence[Party],
    *,
    tls: bool = False,
    governance: str = "",
    engine: str = "embedded",
    binary: str = "",
    forked: bool = False,
) -> dict[str, Node]:
    """Keys, network and joined data directories under `root`; nothing is started.

    `governance` is what [governance] of the founding says, as TOML. `binary`: another CometBFT than the
    usual one. `forked`: its nodes begin in a process
    that has imported all of a node, which takes a quarter of the time (`forked.py`).
    """
    root.mkdir(parents=True, exist_ok=True)
    passphrase_file = root / "passphrase"
    passphrase_file.write_text(PASSPHRASE + "\n")
    nodes = {}
    for party, port in zip(parties, free_ports(len(parties)), strict=True):
        node = Node(party, root / party.name, port, passphrase_file, tls=tls, forked=forked)
        roles = [word for role in party.roles for word in ("--role", role)]
        validator = ["--validator"] if party.validator else []
        identity = ["--did", party.did, "--name", party.name, "--jurisdiction", party.jurisdiction]
        made = comity(
            "init", "--data", node.data, *identity, *roles, *validator, "--passphrase-file", passphrase_file
        )
        assert made == 0
        node.name_cometbft(binary)
        nodes[party.name] = node
    founding = root / "founding.toml"
    rules = f"[governance]\n{governance}\n" if governance else ""
    founding.write_text(founding_text(parties) + rules)
    arguments: list[str | Path] = ["network", "create", "--name", "test", "--out", root / "network"]
    arguments += ["--founding", founding, "--engine", engine]
    for node in nodes.values():
        arguments += ["--card", node.data / "participant.toml"]
        if node.party.host:
            (node.data / "node.toml").write_text(f'host = "{nodes[node.party.host].party.did}"\n')
            hosting = f'[hosting]\nparticipants = ["{node.party.did}"]\n'
            (nodes[node.party.host].data / "node.toml").write_text(hosting)
        else:
            arguments += ["--address", f"{node.party.did}={node.url}"]
    assert comity(*arguments) == 0
    for node in nodes.values():
        joined = comity(
            "network", "join", "--data", node.data, "--network", root / "network",
            "--passphrase-file", passphrase_file,
        )  # fmt: skip
        assert joined == 0
    return nodes


def founding_text(parties: Sequence[Party]) -> str:
    """Accreditations for every party, as a founder writes them."""
    lines = []
    for party in parties:
        lines += [
            "[[accreditations]]",
            f'participant = "{party.did}"',
            f"roles = {json.dumps(list(party.roles))}",
            f"schemes = {json.dumps([list(scheme) for scheme in party.schemes])}",
            f'jurisdiction = "{party.jurisdiction}"',
            "",
        ]
    return "\n".join(lines)


@contextmanager
def running(
    root: Path,
    parties: Sequence[Party] = FIVE,
    *,
    governance: str = "",
    ready_s_max: float = READY_S_MAX,
    engine: str = "embedded",
    binary: str = "",
    forked: bool = False,
) -> Iterator[dict[str, Node]]:
    """A founded network whose nodes are started and ready; stopped at the end."""
    nodes = found(root, parties, governance=governance, engine=engine, binary=binary, forked=forked)
    try:
        for node in nodes.values():
            node.start()
        for node in nodes.values():
            node.wait_ready(ready_s_max)
        yield nodes
    finally:
        for node in nodes.values():
            node.stop()
