"""What a newcomer does wrong first, and what is said: whose fault it is and what to do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from node import config
from node.config import DataDirectory
from node.errors import SetupError
from tests.harness.command_line import Done, here
from tests.harness.support_service import PASSPHRASE, live_node

FINGERPRINT = f"12-{'a' * 64}"


def begun(data: Path, jurisdiction: str) -> Done:
    return here(
        *("init", "--data", data, "--did", "did:web:new.example", "--name", "New", "--role", "importer"),
        *("--jurisdiction", jurisdiction),
        COMITY_PASSPHRASE=PASSPHRASE,
    )


@pytest.mark.parametrize(("jurisdiction", "told"), [("NL", True), ("IN", True), ("EU", False), ("CN", False)])
def test_a_jurisdiction_without_rules_is_told_when_the_keys_are_made(
    tmp_path: Path, jurisdiction: str, told: bool
) -> None:
    """
    Lawful, for a network may know another law; who means a member state of the EU learns what to write.
    """
    done = begun(tmp_path / "data", jurisdiction)

    assert done.returncode == 0, done.stderr
    assert (f"no law of {jurisdiction} is among the rules" in done.stdout) is told
    assert ("--jurisdiction EU" in done.stdout) is told


@pytest.mark.parametrize(
    ("via", "says"),
    [
        ("127.0.0.1:8401", "--via 127.0.0.1:8401 is not an http:// or https:// URL"),
        ("http://10.0.0.9:8401", "--via http://10.0.0.9:8401 would need clear text between machines"),
    ],
)
def test_an_address_that_is_wrong_is_the_one_that_was_typed(tmp_path: Path, via: str, says: str) -> None:
    """
    `join --via`: it was told as the address of the newcomer, who has none yet.
    """
    data = tmp_path / "data"
    begun(data, "EU")

    done = here(
        *("network", "join", "--data", data, "--via", via, "--fingerprint", FINGERPRINT),
        COMITY_PASSPHRASE=PASSPHRASE,
    )

    assert done.returncode == 65
    assert says in done.stderr and "did:web:new.example" not in done.stderr


def test_a_link_of_a_node_that_is_stopped_says_so(tmp_path: Path) -> None:
    """
    The link is made, and opens once the node runs: that is said beside it.
    """
    with live_node(tmp_path) as node:
        (node.data / "address").write_text("http://127.0.0.1:9\n")
    done = here("keys", "link", "--data", node.data)

    assert done.returncode == 0 and done.stdout.startswith("http://127.0.0.1:9/enter/")
    assert "does not run" in done.stderr and f"comity serve --data {node.data}" in done.stderr


def test_a_clone_that_is_not_installed_says_what_installs_it(tmp_path: Path) -> None:
    """
    The commands need what `make demo` installs; without it one sentence says so, and no traceback.
    """
    clone = Path(config.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "node", "demo"], cwd=clone, capture_output=True, text=True, check=False
    )

    assert done.returncode == 70
    assert "Traceback" not in done.stderr, done.stderr
    assert "is not installed" in done.stderr and "make demo" in done.stderr


def test_a_data_directory_that_takes_nothing_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Mounted to be read only, or of another user: it is to be made writable.
    """

    def refuse(path: Path, *_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(config, "open_regular", refuse)
    with pytest.raises(SetupError, match=r"Read-only file system.*make .* writable for whoever"):
        DataDirectory(tmp_path).lock()
