"""Row `engines`: finality under the embedded engine, under CometBFT, and of its own kvstore, in one run.

The first two are the four nodes of row `finality`, which differ in what orders; every signature is verified,
every rule judged, every root cosigned. The third is CometBFT by itself with the same timeouts, four nodes
whose application is the one that comes with it: it keeps what it is given, and verifies nothing.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credentials.ledger.engine_terms import COMETBFT, EMBEDDED
from tests.bench import finality
from tests.bench.finality import VALIDATORS, WAIT_S_MAX
from tests.bench.harness import NotMeasured, percentile
from tests.harness.comet_node import settle
from tests.harness.net.harness import free_ports
from tests.harness.parts import PARTS, find

VALUE_BYTES = 400  # about as many as an attestation has
POLL_S = 0.005


def measure(*, count: int, burst: int) -> Iterator[str]:
    """Yield a line for each; raises NotMeasured."""
    binary = find("cometbft")
    if binary is None:
        raise NotMeasured(PARTS["cometbft"][1])
    ours = {
        "the embedded engine": finality.measure(count=count, burst=burst, engine=EMBEDDED),
        "CometBFT, our application": finality.measure(count=count, burst=burst, engine=COMETBFT),
    }
    found = {name: (one.to_log_s, one.burst / one.burst_s) for name, one in ours.items()}
    with tempfile.TemporaryDirectory(prefix="comity-bench-") as folder, _kvstore(binary, Path(folder)) as one:
        found["CometBFT's kvstore"] = _one_by_one(one, count), burst / _burst(one, burst)
    theirs_s, theirs = found["CometBFT's kvstore"]
    for name, (seconds, rate) in found.items():
        p50, p99 = percentile(seconds, 0.5), percentile(seconds, 0.99)
        times = p50 / percentile(theirs_s, 0.5)
        yield (
            f"finality, {name}: {count} one by one p50 {p50 * 1000:,.0f} ms, p99 {p99 * 1000:,.0f} ms "
            f"({times:.2f} times the kvstore's); a burst of {burst}: "
            f"{rate:,.0f}/s ({rate / theirs:.2f} times)"
        )


@dataclass(frozen=True, slots=True)
class _Rpc:
    """Of one node of CometBFT."""

    port: int

    def ask(self, method: str, **parameters: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S_MAX) as answer:
                return json.load(answer)["result"]
        except (OSError, KeyError, ValueError) as error:
            raise NotMeasured(f"CometBFT did not answer {method}: {error}") from error

    def put(self, method: str) -> str:
        """A key of its own with a value; the key."""
        key = secrets.token_hex(8)
        value = secrets.token_hex((VALUE_BYTES - len(key)) // 2)
        told = self.ask(method, tx=base64.b64encode(f"{key}={value}".encode()).decode())
        if told.get("code") or told.get("check_tx", {}).get("code"):
            raise NotMeasured(f"the kvstore refused a transaction: {told}")
        return key

    def holds(self, key: str) -> bool:
        return bool(self.ask("abci_query", data=key.encode().hex())["response"].get("value"))


@contextmanager
def _kvstore(binary: str, root: Path) -> Iterator[_Rpc]:
    """Four validators of CometBFT alone, up and connected."""
    made = ["testnet", "--v", str(VALIDATORS), "--o", str(root), "--populate-persistent-peers=false"]
    subprocess.run([binary, *made], check=True, capture_output=True)
    homes, ports = [root / f"node{number}" for number in range(VALIDATORS)], free_ports(2 * VALIDATORS)
    ids = [
        subprocess.run([binary, "show-node-id", "--home", home], check=True, capture_output=True, text=True)
        for home in homes
    ]
    peers = [
        f"{one.stdout.strip()}@127.0.0.1:{port}" for one, port in zip(ids, ports[VALIDATORS:], strict=True)
    ]
    running = []
    try:
        for number, home in enumerate(homes):
            settle(home)
            rpc, p2p = ports[number], ports[VALIDATORS + number]
            others = ",".join(peer for peer in peers if peer != peers[number])
            command = [binary, "node", "--home", str(home), "--proxy_app", "kvstore", "--log_level", "error"]
            command += ["--rpc.laddr", f"tcp://127.0.0.1:{rpc}", "--p2p.laddr", f"tcp://127.0.0.1:{p2p}"]
            command += ["--p2p.persistent_peers", others]
            with (home / "log").open("wb") as log:
                running.append(subprocess.Popen(command, stdout=log, stderr=log))
        first = _Rpc(ports[0])
        _wait(lambda: _connected(first), "CometBFT's nodes to be connected")
        yield first
    finally:
        for process in running:
            process.kill()
            process.wait()


def _connected(rpc: _Rpc) -> bool:
    try:
        return int(rpc.ask("net_info")["n_peers"]) == VALIDATORS - 1
    except NotMeasured:
        return False


def _wait(done: Any, what: str) -> None:
    limit = time.perf_counter() + WAIT_S_MAX
    while not done():
        if time.perf_counter() > limit:
            raise NotMeasured(f"waited {WAIT_S_MAX:.0f} s for {what}")
        time.sleep(POLL_S)


def _one_by_one(rpc: _Rpc, count: int) -> list[float]:
    """Seconds from the request until the application has it."""
    found = []
    for number in range(count + 5):
        started = time.perf_counter()
        key = rpc.put("broadcast_tx_sync")
        _wait(lambda: rpc.holds(key), "a transaction")  # noqa: B023
        if number >= 5:  # the first ones warm up
            found.append(time.perf_counter() - started)
    return found


def _burst(rpc: _Rpc, count: int) -> float:
    """Seconds from the first request until the application has the last."""
    started = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(lambda _: rpc.put("broadcast_tx_sync"), range(count)))
    for key in reversed(keys):
        _wait(lambda: rpc.holds(key), "a transaction")  # noqa: B023
    return time.perf_counter() - started
