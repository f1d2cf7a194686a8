"""A node by itself (`comity serve --open-api`): made whole, or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.config import DataDirectory
from node.errors import SetupError
from node.setup import network, standalone

URL = "http://127.0.0.1:8470"

# Killed at every seventh write, in a child of its own, and made once more after each.
MAKE_AND_KILL = """
import json, shutil, sys
from pathlib import Path
from node.config import DataDirectory
from node.setup import network, standalone
from node.setup.keystore import Keys
from tests.harness.killing import killed_at

root, url, steps = Path(sys.argv[1]), "http://127.0.0.1:8470", []
directory = DataDirectory(root)
for number in range(1, 1000, 7):
    shutil.rmtree(root, ignore_errors=True)
    if not killed_at(number, root, lambda: standalone.found(directory, url, None)):
        break
    new = standalone.is_new(directory)
    words = standalone.found(directory, url, None) if new else standalone.own_passphrase(directory)
    keys = Keys.load(root, standalone.did_of(url), words)
    network.open_network_key(network.verify(directory.network).genesis, keys)
    steps.append([new, sorted(path.name for path in root.iterdir())])
print(json.dumps(steps))
"""


@pytest.mark.check
def test_a_node_whose_making_is_killed_is_made_anew(tmp_path: Path) -> None:
    """
    Killed at any write: the next start finds a node that opens, or makes one; nothing asks for words that
    nobody knows.
    """
    arguments = [sys.executable, "-c", MAKE_AND_KILL, str(tmp_path / "data")]
    told = subprocess.run(arguments, capture_output=True, text=True, check=True)

    steps = json.loads(told.stdout)
    print(f"killed at {len(steps)} writes: {sum(new for new, _ in steps)} times made anew")
    assert len(steps) > 10
    whole = {"keys.enc", "recovery.enc", "operator.key", "participant.toml", "passphrase", "policy.toml"}
    whole |= {"network", "lock"}
    assert all(set(names) - {standalone.UNFINISHED} == whole | {"founding"} for _, names in steps)


def test_an_unfinished_node_is_made_anew(tmp_path: Path) -> None:
    """
    What an interrupted founding left is no node; the operator's own files stay.
    """
    root = tmp_path / "data"
    left = root / standalone.UNFINISHED
    (root / "network").mkdir(parents=True)
    left.mkdir()
    (left / "keys.enc").write_bytes(b"half")
    (root / "network" / "genesis.toml").write_text("half")
    (root / "node.toml").write_text("")
    directory = DataDirectory(root)

    assert standalone.is_new(directory)
    words = standalone.found(directory, URL, None)

    assert not standalone.is_new(directory) and not left.exists()
    assert standalone.own_passphrase(directory) == words
    assert network.verify(directory.network).genesis.name == "by-itself"
    assert (root / "node.toml").read_text() == ""
    assert [p for p in root.rglob("*") if p.stat().st_mode & 0o077] == []


def test_two_do_not_make_one_node(tmp_path: Path) -> None:
    """
    Whoever comes second is told to start again, and spoils nothing.
    """
    root = tmp_path / "data"
    root.mkdir()
    first = os.open(root, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    with pytest.raises(SetupError, match="start this again"):
        standalone.found(DataDirectory(root), URL, None)
    os.close(first)
    standalone.found(DataDirectory(root), URL, None)
    keys = (root / "keys.enc").read_bytes()

    with pytest.raises(SetupError, match="start this again"):
        standalone.found(DataDirectory(root), URL, None)

    assert (root / "keys.enc").read_bytes() == keys


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (["keys.enc"], "was interrupted.*remove the directory"),
        (["keys.enc", "participant.toml", "policy.toml"], "was interrupted.*remove the directory"),
        (["keys.enc", "lock"], "is not empty"),
        (["keys.enc", "network"], "is not empty"),
        (["keys.enc", "office.db"], "is not empty"),
        (["letters.txt"], "is not empty"),
    ],
)
def test_an_interrupted_init_is_told_from_a_node(tmp_path: Path, there: list[str], says: str) -> None:
    """
    Keys that were given to nobody may go; nothing is said of removing where a node may have run.
    """
    for name in there:
        (tmp_path / name).touch()

    with pytest.raises(SetupError, match=says):
        network.init(
            DataDirectory(tmp_path),
            did="did:web:a.example",
            name="A",
            jurisdiction="EU",
            roles=("importer",),
            validator=False,
            passphrase="words for this test alone",
        )
