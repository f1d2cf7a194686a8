"""What may be typed where a command asks for a file or a number: each oddity is told as what it is."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.harness.command_line import Done, here
from tests.harness.support_service import CODE, LiveNode, live_node, serving

ROWS = f"battery,goods,condition\n{CODE},battery,new\n"
LINES = json.dumps({"lines": [{"line": 1, "battery": CODE, "goods": "battery", "condition": "new"}]})
DATA, USAGE, UNDECIDED = 65, 64, 2


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("odd")) as running:
        yield running


@pytest.fixture(scope="module")
def address(node: LiveNode) -> Iterator[str]:
    with serving(node) as url:
        yield url


def checked(node: LiveNode, address: str, *arguments: str | Path) -> Done:
    return here("check", *arguments, COMITY_NODE=address, COMITY_KEY=node.operator_key)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("manifest.tsv", ROWS.replace(",", "\t")),
        ("manifest", ROWS),
        ("manifest", f"\n {LINES}"),
        ("lines.txt", LINES),
        ("-", ROWS),
        ("-", LINES),
    ],
)
def test_a_manifest_is_read_by_what_it_holds(
    node: LiveNode, address: str, tmp_path: Path, name: str, text: str
) -> None:
    """
    Rows or JSON, whatever the file is called; `-` is standard input, and no battery.
    """
    (tmp_path / name).write_text(text)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
        done = checked(node, address, name if name == "-" else tmp_path / name)

    assert done.returncode == UNDECIDED and "(1 undecided)" in done.stdout, done


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("folder", "cannot be read: Is a directory"),
        ("nowhere", "cannot be read: No such file"),
        ("absent/x", "cannot be read: No such file"),
        ("manifest.ods", "is neither a table nor JSON"),
        ("receipt.tlog-proof", "is neither a table nor JSON"),
        ("manifest.json", "is not JSON"),
    ],
)
def test_what_is_no_manifest_is_no_battery_either(
    node: LiveNode, address: str, tmp_path: Path, name: str, told: str
) -> None:
    """
    A path is never judged as a code, and a file of another kind is told without a place in a form it has not.
    """
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "away")
    for file in ("manifest.ods", "receipt.tlog-proof", "manifest.json"):
        (tmp_path / file).write_text("c2sp.org/tlog-proof@v1\n")

    done = checked(node, address, tmp_path / name)

    assert done.returncode == DATA and told in done.stderr and "next: " in done.stderr, done


def test_a_long_code_is_no_name_of_a_file(node: LiveNode, address: str) -> None:
    """
    What no file can be called is judged as a code: that it is none is said.
    """
    done = checked(node, address, "X" * 300)

    assert (done.returncode, "identifier_invalid" in done.stdout) == (UNDECIDED, True), done


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", CODE, "--mass-kg", "nan"),
        ("check", CODE, "--mass-kg", "1e999"),
        ("attest", "battery.exported", "--battery", CODE, "--event-time", "99999999999999999999"),
        ("attest", "battery.exported", "--battery", CODE, "--event-time", "-1"),
    ],
)
def test_numbers_that_no_node_reads_are_told_by_their_option(
    node: LiveNode, address: str, arguments: tuple[str, ...]
) -> None:
    """
    Never by a line and column of what the command would have sent.
    """
    done = here(*arguments, COMITY_NODE=address, COMITY_KEY=node.operator_key)

    assert done.returncode == USAGE and f"'{arguments[-2]}'" in done.stderr, done
    assert "JSON" not in done.stderr and "column" not in done.stderr


def test_an_empty_ledger_is_not_called_what_was_written(node: LiveNode, tmp_path: Path) -> None:
    """
    `comity log verify` of a ledger.db without a block has nothing that it could hold to anything.
    """
    shutil.copytree(node.data, tmp_path / "data", ignore=shutil.ignore_patterns("ledger.db*"))
    (tmp_path / "data" / "ledger.db").touch()

    done = here("log", "verify", "--data", tmp_path / "data")

    assert done.returncode == DATA and "holds no block yet: start the node" in done.stderr, done


def test_a_ledger_of_another_network_is_not_called_what_was_written(node: LiveNode, tmp_path: Path) -> None:
    """
    However whole it is: `comity log verify` holds it to the network that was joined.
    """
    with live_node(tmp_path) as other:
        other.wait_quiet()
    copied = tmp_path / "copied"
    shutil.copytree(node.data, copied, ignore=shutil.ignore_patterns("ledger.db*"))
    shutil.copy(tmp_path / "data" / "ledger.db", copied)

    done = here("log", "verify", "--data", copied)

    assert done.returncode == DATA and "ledger.db is of another network than" in done.stderr, done


def test_a_receipt_comes_on_standard_input_too(
    node: LiveNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    `-` is read as the bytes that a file would hold, and judged as them.
    """
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"no receipt\n")))

    done = here("receipt", "verify", "-", "--policy", node.data / "network" / "log.policy")

    assert done.returncode == 1 and "not valid: a receipt begins with" in done.stdout, done
