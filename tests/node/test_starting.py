"""What a command loads, counted: a device that checks receipts waits for no server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import live_node

MODULES_OF_HELP_MAX, MODULES_OF_VERIFY_MAX = 165, 240  # 152 and 223 with Python 3.11
MEMORY_KB_MAX = 30_000
UNUSED = ("google", "node.ledger.comet.proto", "joserfc", "reportlab", "PIL", "openpyxl", "zxingcpp", "pyld")
ASKED = """
import sys
from node.__main__ import run
code = run(sys.argv[1:])
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")] \
    if sys.platform == "linux" else ["0"]  # nobody else tells
print(code, len(sys.modules), *peak, file=sys.stderr)
"""


def asked(*words: str) -> tuple[int, int, int]:
    """(exit code, modules, KB at its peak) of a command in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", ASKED, *words], capture_output=True, text=True, check=True)
    code, modules, peak = map(int, ran.stderr.split()[-3:])
    print(f"{' '.join(words[:2])}: exit code {code}, {modules} modules, {peak:,} KB")
    return code, modules, peak


def test_help_loads_few_modules() -> None:
    """
    `comity --help` loads what reads the command line, and no more.
    """
    code, modules, _ = asked("--help")

    assert code == 0 and modules <= MODULES_OF_HELP_MAX


def test_a_receipt_is_verified_in_little_memory(tmp_path: Path) -> None:
    """
    `comity receipt verify` of a real receipt: valid, with few modules, in less than 30 MB.
    """
    with live_node(tmp_path / "node") as node:
        made = node.service.passports.issue(claims_of(1), code=code_of(1))
        node.wait_quiet()
        (tmp_path / "receipt").write_text(node.get(f"/receipts/{made['digest']}").text)
        (tmp_path / "policy").write_text(node.get("/log/policy").text)

    code, modules, peak_kb = asked(
        "receipt", "verify", str(tmp_path / "receipt"), "--policy", str(tmp_path / "policy")
    )

    assert code == 0
    assert modules <= MODULES_OF_VERIFY_MAX
    assert peak_kb < MEMORY_KB_MAX


def test_a_node_loads_nothing_that_it_may_never_need() -> None:
    """
    What `comity serve` loads before it opens its ledger; messages of CometBFT and the reading of tokens take
    a tenth of a second each, drawing pages, photographs and workbooks some 30 ms: who asks first waits for
    that.
    """
    asked_of = (
        "import node.cli.serve, node.setup.wiring, node.api, node.server.http, sys; print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", asked_of], capture_output=True, text=True, check=True)
    loaded = ran.stdout.split()

    assert "node.setup.engines" in loaded
    assert not [name for name in loaded if name.startswith(UNUSED)]
