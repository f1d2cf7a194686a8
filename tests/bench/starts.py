"""Rows `start` and `idle`: what a command and a node cost before they do anything, and while nothing happens.

Cold starts in turn with `python -c pass`, the floor of each; processor seconds and peak memory are the
kernel's. The receipt that is verified is a real one. A node is ready once /readyz says so; its passphrase is
stretched on the way, which is meant to take time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from statistics import median

from tests.bench import ratios
from tests.bench.harness import NotMeasured
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.net.harness import FIVE, Node, running
from tests.harness.support_service import live_node

HELP_S, RECEIPT_S, RECEIPT_MB, READY_S, IDLE_SHARE = 0.150, 0.200, 30, 0.6, 0.005  # the aims
SETTLE_S = 5.0
STARTING = """
import os, sys, time
began = time.perf_counter()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - began
print(os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Of one process: seconds by the clock and of the processor, and its peak."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def _started(*arguments: str) -> Start:
    """By a small process: a child's peak begins with that of whoever starts it."""
    command = [sys.executable, "-c", STARTING, sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    code, *taken = done.stdout.split()
    if code != "0":
        raise NotMeasured(f"{' '.join(arguments)} ended with {code}: {done.stderr[-200:]!r}")
    return Start(*map(float, taken))


def _receipt(root: Path) -> tuple[Path, Path]:
    """A receipt and the policy of its log, made by a node by itself."""
    with redirect_stderr(StringIO()), live_node(root) as node:
        order = {"code": code_of(1), "claims": claims_of(1)}
        digest = node.post_json("/passports", order).get_json()["digest"]
        node.wait(lambda: node.get(f"/receipts/{digest}").status_code == 200, "the receipt")
        (root / "one.tlog-proof").write_bytes(node.get(f"/receipts/{digest}").data)
    return root / "one.tlog-proof", root / "network" / "log.policy"


def starts(*, rounds: int) -> list[str]:
    """A row for each command."""
    with tempfile.TemporaryDirectory() as folder:
        receipt, policy = map(str, _receipt(Path(folder)))
        commands = {
            "comity --help": (["-m", "node", "--help"], HELP_S),
            "comity receipt verify": (
                ["-m", "node", "receipt", "verify", receipt, "--policy", policy],
                RECEIPT_S,
            ),
        }
        floor, taken = [], dict[str, list[Start]]()
        for _ in range(rounds):
            floor.append(_started("-c", "pass"))
            for name, (arguments, _) in commands.items():
                taken.setdefault(name, []).append(_started(*arguments))
    floor_s = median(one.cpu_s for one in floor)
    return [_told(name, taken[name], floor_s, aim) for name, (_, aim) in commands.items()]


def _told(name: str, taken: list[Start], floor_s: float, aim_s: float) -> str:
    wall, cpu = median(one.wall_s for one in taken), median(one.cpu_s for one in taken)
    ratios.note(f"cold {name}", floor_s / cpu)
    return (
        f"cold {name}: {1000 * wall:,.0f} ms, {1000 * cpu:,.0f} of the processor "
        f"({cpu / floor_s:.1f} times python -c pass), peak {max(one.peak_mb for one in taken):.0f} MB; "
        f"aim {1000 * aim_s:.0f} ms: {'met' if wall < aim_s else 'missed'}"
    )


def cpu_of(node: Node) -> float:
    """Seconds of the processor that a node's process has taken."""
    assert node.process is not None, "a node that runs"
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(*, seconds: float) -> list[str]:
    """Four validators and an observer while nothing happens but heartbeats; one of them started again."""
    if not Path("/proc/self/stat").exists():
        raise NotMeasured("the kernel does not tell here what a process takes")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        with redirect_stdout(StringIO()):
            nodes = stack.enter_context(running(Path(folder)))
        time.sleep(SETTLE_S)
        before = {name: cpu_of(node) for name, node in nodes.items()}
        time.sleep(seconds)
        shares = {name: (cpu_of(node) - before[name]) / seconds for name, node in nodes.items()}
        again = next(iter(nodes.values()))
        again.stop()
        began = time.perf_counter()
        again.start()
        again.wait_ready()
        ready_s, ready_cpu_s = time.perf_counter() - began, cpu_of(again)
    validators = [shares[party.name] for party in FIVE if party.validator]
    observers = [shares[party.name] for party in FIVE if not party.validator]
    rows = [
        f"an idle {name} for {seconds:.0f} s: {100 * median(found):.2f} % of a core, at most "
        f"{100 * max(found):.2f}; aim {100 * IDLE_SHARE:.1f} %: "
        f"{'met' if max(found) < IDLE_SHARE else 'missed'}"
        for name, found in (("validator", validators), ("observer", observers))
    ]
    return [
        *rows,
        f"from start to ready: {ready_s:.2f} s, {ready_cpu_s:.2f} of the processor; aim {READY_S} s: "
        f"{'met' if ready_s < READY_S else 'missed'}",
    ]
