"""Six node processes on loopback, as children of the demo: ports, start, readiness, death.

A child is started with --die-with-parent: it ends when the demo ends, also when the demo is killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from node.config import DataDirectory
from node.demo.play import DemoFailed, Desk
from node.demo.scenario import PARTIES, Party

FIRST_PORT = 8470
BLOCK = 10  # a demo takes a block of ten ports: six nodes and the start page
READY_S_MAX = 90.0  # for what never comes: six nodes start at once, and a busy machine takes its time


def free_block(count: int, first: int = FIRST_PORT) -> list[int]:
    """The first block of `count` free loopback ports at `first`, `first` + 10, ..."""
    for start in range(first, 65000, BLOCK):
        block = list(range(start, start + count))
        if all(map(_is_free, block)):
            return block
    raise DemoFailed("no free block of ports on 127.0.0.1")


def claim_block(count: int, first: int = FIRST_PORT) -> tuple[list[int], socket.socket]:
    """
    The first free block whose last port could be taken at once: it is returned listening, for the start page.

    Two demos that start together see the same block free; only one of them gets its last port.
    """
    while True:
        block = free_block(count, first)
        page = socket.socket()
        try:
            page.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            page.bind(("127.0.0.1", block[-1]))
            page.listen()
        except OSError:
            page.close()
            first = block[0] + BLOCK
        else:
            return block, page


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class NodeProcess:
    """One node: its data directory, address and, while it runs, its process."""

    party: Party
    data: Path
    port: int
    passphrase_file: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def certificate(self) -> Path | None:
        """What to believe when this node is asked over HTTPS; None: the system's authorities."""
        return None

    @property
    def _says_where(self) -> Path:
        return DataDirectory(self.data).address

    def start(self) -> None:
        self._says_where.unlink(missing_ok=True)  # written again by the process that listens
        log = (self.data / "node.log").open("ab")
        command = [sys.executable, "-m", "node", "serve", "--data", str(self.data)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--passphrase-file", str(self.passphrase_file)]
        with log:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                [*command, "--die-with-parent"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops its nodes in order
            )

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self.process is not None, "only a started node can be killed"
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)
        self.process = None

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=5)
        self.process = None

    def wait_ready(self, seconds_max: float = READY_S_MAX) -> float:
        """Seconds until /readyz answers 200."""
        start = time.monotonic()
        while time.monotonic() - start < seconds_max:
            if self.process is not None and self.process.poll() is not None:
                raise DemoFailed(f"{self.party.name} stopped at start: {self.last_words()}")
            try:
                verify = str(self.certificate) if self.certificate else True
                ready = requests.get(self.url + "/readyz", timeout=2, verify=verify).status_code == 200
                if ready and self._says_where.exists():  # else somebody else answers on this port
                    return time.monotonic() - start
            except OSError:  # all that requests raises, and a certificate that is not there yet
                pass
            time.sleep(0.05)
        raise DemoFailed(f"{self.party.name} was not ready after {seconds_max:.0f} s: {self.last_words()}")

    def last_words(self) -> str:
        lines = (self.data / "node.log").read_text(errors="replace").splitlines()
        return lines[-1][:400] if lines else "it wrote nothing"

    def desk(self) -> Desk:
        """The operator of this node, with the key that `comity init` left in its data directory."""
        desk = Desk(self.party.key, self.url, (self.data / "operator.key").read_text().strip())
        if self.certificate is not None:
            desk.http.verify = str(self.certificate)
        return desk

    def pss_bytes(self) -> int:
        """Proportional set size summed over this node's processes (Linux)."""
        assert self.process is not None, "only a running node has a size"
        return pss_bytes(self.process.pid)


def pss_bytes(pid: int) -> int:
    """Proportional set size of a process and all its descendants (Linux)."""
    return own_pss_bytes(pid) + descendants_pss_bytes(pid)


def descendants_pss_bytes(pid: int) -> int:
    """The same of its descendants alone; one that ends meanwhile has none."""
    found = 0
    for child in _children(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += pss_bytes(child)
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, (task / "children").read_text().split())
    return found


def own_pss_bytes(pid: int) -> int:
    """Proportional set size of a process alone (Linux)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise DemoFailed(f"process {pid} does not tell its PSS")


def write_state(root: Path, nodes: list[NodeProcess], **more: object) -> None:
    """demo.json: where everything is, for the operator and for tests; it holds no key."""
    state = {
        "nodes": {
            n.party.key: {
                "url": n.url,
                "data": n.data.name,
                "pid": n.process.pid if n.process else None,
                "did": n.party.did,
            }
            for n in nodes
        },
        "pid": os.getpid(),
        **more,
    }
    scratch = root / "demo.json.new"
    scratch.write_text(json.dumps(state, indent=1))
    scratch.replace(root / "demo.json")


assert len(PARTIES) < BLOCK, "the start page needs a port of the block as well"
