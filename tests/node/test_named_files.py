"""Files that a node reads by itself: whatever bears the name of one, no start waits for it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from node import named_files
from node.named_files import holding, make_folder, open_own, put_whole, read_named, read_own, write_own
from tests.harness.support_service import PASSPHRASE, live_node

ROOT = Path(__file__).resolve().parents[2]
START_S_MAX = 30.0
MADE_LATER = ("node.toml", "address", "certificate.pem", "signing.db-journal")
READERS = {"read_bytes", "read_text", "open"}
# What reads files without that door, and why it may.
BESIDE = {
    "node/config.py": "what is shipped in the package, and the lock",
    "node/named_files.py": "it is the door",
    "node/receipts/checker.py": "a receipt that the command line names",
    "node/setup/keystore.py": "what keys.enc was, to be overwritten",
    "node/cli/evidenced.py": "an evidence file that the command line names",
    "node/ledger/comet/state_sync.py": "chunks of a snapshot that this process put there itself",
    "node/ledger/shelf.py": "a snapshot that this process put there itself",
    "node/ledger/snapshot.py": "the same, written",
    "node/ledger/snapshot_join.py": "a snapshot that the command line names",
}

# What gives names or writes without it, and why it may.
BESIDE_WHOLE = {
    "node/named_files.py": "it is the door",
    "node/cli/client.py": "a file that a command's --output names",
    "node/cli/sheets_issued.py": "a file that a command's --failed names",
    "node/cli/watch_folder.py": "what was refused, beside the sheets of the folder that a command names",
    "node/ledger/comet/state_sync.py": "chunks, of which none counts until all are held to their digests",
    "node/ledger/shelf.py": "a snapshot of this process, which the next one makes again",
    "node/server/tls.py": "a folder that is gone when the certificate was read",
}


def test_a_name_is_given_once_all_of_it_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each file and folder below is synced before the name changes, and the folder of the name after: a power
    cut leaves what was there, or all of the new.
    """
    made, target = tmp_path / "made", tmp_path / "network"
    (made / "rules").mkdir(parents=True)
    (made / "rules" / "a.json").write_text("{}")
    (made / "genesis.toml").write_text("")
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        done.append(str(Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(tmp_path)))
        sync(descriptor)

    def named(source: Path, to: Path) -> None:
        done.append("named")
        replace(source, to)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", named)

    put_whole(made, target)
    write_own(tmp_path / "keys.enc", b"keys")

    assert sorted(done[:4]) == ["made", "made/genesis.toml", "made/rules", "made/rules/a.json"]
    assert done[4:] == ["named", ".", "keys.enc.new", "named", "."]
    assert sorted(path.name for path in target.rglob("*")) == ["a.json", "genesis.toml", "rules"]


def test_nothing_else_gives_a_file_its_name() -> None:
    """
    What a node looks for under a name is put there by one door: no rename and no write beside it.
    """
    found = set()
    for path in sorted((ROOT / "node").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                alone = len(call.args) == 1 and not call.keywords
                if call.func.attr in {"rename", "write_bytes", "write_text"} or (
                    call.func.attr == "replace" and alone
                ):
                    found.add(str(path.relative_to(ROOT)))

    assert {name for name in found if not name.startswith("node/demo/")} <= BESIDE_WHOLE.keys()


def test_what_is_no_regular_file_is_told_without_waiting(tmp_path: Path) -> None:
    """
    A pipe nobody writes into, a device that never ends, a folder: an OSError at once, with the name.
    """
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()

    for name, told in (("pipe", "no regular file"), ("device", "no regular file"), ("folder", "directory")):
        with pytest.raises(OSError, match=told) as raised:
            read_own(tmp_path / name)
        assert raised.value.filename == str(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        open_own(tmp_path / "nothing")


def test_a_folder_is_made_however_many_are_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Or there is an OSError of the system, with the name; whoever is above is anybody's, it is its owner's.
    """
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)  # whatever that of whoever runs the tests is
    try:
        make_folder(Path("above/below"))
    finally:
        os.umask(before)
    make_folder(Path("above/below"))
    assert Path("above/below").stat().st_mode & 0o777 == 0o700 != Path("above").stat().st_mode & 0o777
    make_folder(Path("a/" * 1_200))
    os.removedirs("a/" * 1_200)  # pytest's own removal calls itself, too
    with pytest.raises(OSError, match="too long"):
        make_folder(Path("a" * 300) / "b")


def test_nothing_else_makes_folders_above_folders() -> None:
    """
    One door: `parents=True` calls itself once for each.
    """
    found = {
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "node").rglob("*.py"))
        if "parents=True" in path.read_text() or "makedirs" in path.read_text()
    }
    assert {name for name in found if not name.startswith("node/demo/")} == set()


def test_a_file_is_read_up_to_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    As much as is taken is read whole; one byte more is refused, and says how much is taken.
    """
    monkeypatch.setattr(named_files, "OWN_BYTES_MAX", 1 << 20)
    file = tmp_path / "file"
    file.write_bytes(bytes(1 << 20))

    assert read_own(file) == bytes(1 << 20)
    file.write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(OSError, match="it has more than 1 MiB"):
        read_own(file)


def test_a_pipe_named_on_a_command_line_is_read(tmp_path: Path) -> None:
    """
    `comity check <(...)`: what a shell hands over is a pipe, and is read.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"told"))
    writer.start()

    assert read_named(pipe, 10) == b"told"
    writer.join()


def test_a_file_is_written_in_place_of_whatever_bears_its_name(tmp_path: Path) -> None:
    """
    Where a pipe was, there is the file, for its owner only; nothing is left beside it.
    """
    file = tmp_path / "address"
    os.mkfifo(file)
    os.mkfifo(tmp_path / "address.new")

    write_own(file, b"here\n")

    assert file.read_bytes() == b"here\n" and file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["address"]


def test_nothing_else_in_a_node_opens_files() -> None:
    """
    Every read of a file goes through that door; the exceptions are named, and each still is one.
    """
    found = set()
    for path in sorted((ROOT / "node").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("node/demo/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _reads(node):
                found.add(name)

    assert found == set(BESIDE)


def _reads(call: ast.Call) -> bool:
    """`x.read_bytes()`, `x.read_text()`, `x.open("rb")`: no other `open` has a mode as its first argument."""
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr != "open":
        return call.func.attr in READERS
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and isinstance(first.value, str)


@pytest.mark.check
def test_a_folder_is_held_until_its_block_ends(tmp_path: Path) -> None:
    """
    Whoever comes second is told at once that it is held, or waits for the first.
    """
    waited = list[bool]()

    def wait() -> None:
        with holding(tmp_path, wait=True) as held:
            waited.append(held)

    with holding(tmp_path) as first:
        with holding(tmp_path) as second:
            assert (first, second) == (True, False)
        waiter = threading.Thread(target=wait, daemon=True)
        waiter.start()
        assert not waited
    waiter.join(START_S_MAX)
    assert waited == [True]


def test_files_are_held_by_one_door() -> None:
    """
    No other module of the product imports what locks files.
    """
    holders = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "node").rglob("*.py")
        if any(
            (isinstance(one, ast.Import) and any(name.name == "fcntl" for name in one.names))
            or (isinstance(one, ast.ImportFrom) and one.module == "fcntl")
            for one in ast.walk(ast.parse(path.read_text()))
        )
    }

    assert holders == {"node/named_files.py"}


@pytest.mark.check
def test_no_start_waits_for_a_pipe(tmp_path: Path) -> None:
    """
    Each file of a data directory in turn is a pipe: `comity serve` runs, or ends and names it.
    """
    with live_node(tmp_path):
        pass
    data = tmp_path / "data"
    files = sorted(path for path in data.rglob("*") if path.is_file())
    files += [data / name for name in MADE_LATER if not (data / name).exists()]
    assert len(files) > 12

    ended = []
    for file in files:
        kept = file.with_name(file.name + ".kept")
        if file.exists():
            file.rename(kept)
        os.mkfifo(file)
        told = _start(data, file)
        if told is not None:
            assert file.name in told and "Traceback" not in told, told
            ended.append(file.name)
        file.unlink(missing_ok=True)
        if kept.exists():
            kept.rename(file)
    print(f"{len(files)} files, {len(ended)} starts ended: {', '.join(ended)}")
    assert {"genesis.toml", "keys.enc", "lock", "log.policy", "node.toml", "office.db"} <= set(ended)


def _start(data: Path, file: Path) -> str | None:
    """What a start that ended said; None for one that came to listen."""
    serve = [sys.executable, "-m", "node", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        serve, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env={**os.environ, "COMITY_PASSPHRASE": PASSPHRASE},
    )  # fmt: skip
    said: list[str] = []
    listening = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if '"listening"' in line:
                listening.set()
        listening.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert listening.wait(START_S_MAX), f"with {file.name} a pipe the start waits"
        if any('"listening"' in line for line in said):
            return None
        assert process.wait(START_S_MAX) != 0
        return "".join(said)
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stderr is not None
        process.stderr.close()
