"""Nodes in network namespaces of their own, joined by nothing but our relay.

    node namespace 10.77.i.2 --veth-- 10.77.i.1 hub namespace (the relay, and the test itself)

There is no route between two nodes: node i reaches node j at 10.77.i.1, port 8470 + j, which is a link of the
relay. The test's thread lives in the hub while the network stands. Names carry the pid of the test, so that
what a killed test left behind is recognised and removed by the next one.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import tomli_w

from node.demo.founding import found
from node.demo.launcher import NodeProcess
from node.demo.scenario import PARTIES
from tests.harness.net.link import Link, Relay

PREFIX = "comity-"
SUBNET = "10.77"
PORT = 8470
_CLONE_NEWNET = 0x40000000
_networks = count()  # of this process, for names


@dataclass
class NamespacedNode(NodeProcess):
    """A node whose process runs in a namespace."""

    ip: str = ""  # the program
    number: int = 0
    namespace: str = ""

    @property
    def host(self) -> str:
        return f"{SUBNET}.{self.number}.2"

    @property
    def url(self) -> str:
        return f"https://{self.host}:{PORT}"

    @property
    def certificate(self) -> Path:
        return self.data / "certificate.pem"

    def start(self) -> None:
        command = [self.ip, "netns", "exec", self.namespace, sys.executable, "-m", "node", "serve"]
        command += ["--data", str(self.data), "--listen", f"{self.host}:{PORT}"]
        command += ["--passphrase-file", str(self.passphrase_file), "--die-with-parent"]
        with (self.data / "node.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


@contextmanager
def namespaces(ip: str, names: Sequence[str]) -> Iterator[str]:
    """Namespaces with a veth each into a hub; yields the hub's name. All are removed at the end."""
    _remove_left_behind(ip)
    hub = f"{names[0]}-hub"
    made: list[str] = []

    def run(*arguments: str) -> None:
        subprocess.run([ip, *arguments], check=True, capture_output=True, timeout=20)

    try:
        for name in (hub, *names):
            run("netns", "add", name)
            made.append(name)
            run("-n", name, "link", "set", "lo", "up")
        for number, name in enumerate(made[1:]):
            here, there = f"hub{number}", "eth0"
            run("-n", hub, "link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
            run("-n", hub, "address", "add", f"{SUBNET}.{number}.1/24", "dev", here)
            run("-n", name, "address", "add", f"{SUBNET}.{number}.2/24", "dev", there)
            run("-n", hub, "link", "set", here, "up")
            run("-n", name, "link", "set", there, "up")
        yield hub
    finally:
        for name in made:
            _remove(ip, name)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread, and threads it starts, live in a namespace."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        _enter(there)
        try:
            yield
        finally:
            _enter(before)
    finally:
        os.close(there)
        os.close(before)


@contextmanager
def network(ip: str, root: Path) -> Iterator[tuple[list[NamespacedNode], Relay]]:
    """The demo's four validators, each in its namespace, started and ready; and the relay between them."""
    root.mkdir(parents=True, exist_ok=True)
    chosen = [party for party in PARTIES if party.validator]
    plain = found(root, [PORT + number for number in range(len(PARTIES))])
    prefix = f"{PREFIX}{os.getpid()}-{next(_networks)}-"
    nodes = [
        NamespacedNode(one.party, one.data, PORT, one.passphrase_file, None, ip, number, f"{prefix}{number}")
        for number, one in enumerate(one for one in plain if one.party.validator)
    ]
    assert [node.party for node in nodes] == chosen, "founding keeps the order of the parties"
    relay = Relay()
    for node in nodes:
        addresses = {}
        for other in nodes:
            if other is not node:
                listen = (f"{SUBNET}.{node.number}.1", PORT + other.number)
                relay.add(Link(node.party.key, other.party.key, listen, (other.host, PORT)))
                addresses[other.party.did] = f"https://{listen[0]}:{listen[1]}"
        peers = node.data / "network" / "peers.toml"
        peers.write_text(tomli_w.dumps({"addresses": addresses}))
    with namespaces(ip, [node.namespace for node in nodes]) as hub, inside(hub), relay:
        try:
            for node in nodes:
                node.start()
            for node in nodes:
                node.wait_ready()
            yield nodes, relay
        finally:
            for node in nodes:
                node.stop()


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "this thread cannot enter the namespace")


def _remove(ip: str, name: str) -> None:
    for _ in range(10):
        done = subprocess.run([ip, "netns", "delete", name], capture_output=True, check=False, timeout=20)
        if done.returncode == 0:
            return
        time.sleep(0.1)


def _remove_left_behind(ip: str) -> None:
    with suppress(FileNotFoundError):
        for entry in Path("/run/netns").iterdir():
            pid = entry.name.removeprefix(PREFIX).partition("-")[0]
            ours = entry.name.startswith(PREFIX) and pid.isdigit()
            if ours and not Path(f"/proc/{pid}").exists():
                _remove(ip, entry.name)
