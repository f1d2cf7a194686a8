"""Schemathesis against a running node by itself: whatever its description lets in, no 5xx and no hang.

A minute in `make check`, 5 minutes in `make long`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
START_S_MAX = 60
HANG_S = 10
HOOKS = "tests.harness.described_requests"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A node started as its operator starts it, on an empty directory: its address and the operator's key."""
    root = tmp_path_factory.mktemp("open")
    environment = {k: v for k, v in os.environ.items() if k != "COMITY_PASSPHRASE"}
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "node", "serve", "--open-api", "--die-with-parent"),
                *("--data", str(root / "data"), "--listen", "127.0.0.1:0"),
            ],
            cwd=ROOT,
            env=environment,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_S_MAX
        while not (root / "data" / "address").exists() or '"listening"' not in (root / "log").read_text():
            assert process.poll() is None and time.monotonic() < deadline, (root / "log").read_text()[-2000:]
            time.sleep(0.05)
        address, key = ((root / "data" / name).read_text().strip() for name in ("address", "operator.key"))
        yield address, key
        assert process.poll() is None, (root / "log").read_text()[-4000:]
        assert '"at": "api"' not in (root / "log").read_text(), "the node logged an error of its own"
    finally:
        process.terminate()
        process.wait(20)


def run(url: str, key: str, folder: Path, seconds: int, seed: int) -> str:
    """One run of `st run`; what it printed."""
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("st")), "run", f"{url}/openapi.json"),
            *(
                "--max-time",
                str(seconds),
                "--checks",
                "not_a_server_error",
                "--max-response-time",
                str(HANG_S),
            ),
            *("--request-timeout", str(HANG_S), "--phases", "examples,coverage,fuzzing", "--seed", str(seed)),
            # A job's progress is a stream as long as the job; readiness may be a 503; peers speak CBOR.
            *("--exclude-path-regex", "/events$|^/readyz$|^/peer/", "--warnings", "off", "--no-shrink"),
            *("--header", f"Authorization: Bearer {key}"),
            *("--suppress-health-check", "all"),
        ],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": HOOKS},
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(60, marks=pytest.mark.check), pytest.param(300, marks=pytest.mark.long)],
)
def test_no_request_breaks_or_hangs_a_node(node: tuple[str, str], tmp_path: Path, seconds: int) -> None:
    """
    Every operation of /openapi.json, valid and invalid requests: no answer is a 5xx or takes ten seconds.
    """
    url, key = node

    told = run(url, key, tmp_path, seconds, seed=seconds)

    generated = re.search(r"([0-9,]+) generated", told)
    assert generated is not None and int(generated[1].replace(",", "")) > 100, told
    assert requests.get(f"{url}/healthz", timeout=HANG_S).status_code == 200
    print(f"schemathesis: {generated[1]} requests in {seconds} s, no 5xx, none over {HANG_S} s")
