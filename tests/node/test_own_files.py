"""The files of a data directory, whatever somebody made of them: closed, told by name, never waited for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.__main__ import run
from node.config import OPERATOR_KEY_CHARS_MIN, DataDirectory
from node.errors import SetupError
from node.named_files import write_own
from node.settings import Settings
from node.setup import closing
from node.setup.closing import SECRETS, close_to_others
from node.setup.keystore import Keys
from node.setup.standalone import own_passphrase
from node.storage.database import SIDE_FILES
from node.storage.office import OfficeStore
from tests.harness.support_service import DID, PASSPHRASE, live_node

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 10
OPENED = (
    *("participant.toml", "policy.toml", "node.toml", "operator.key", "keys.enc", "recovery.enc"),
    *("passphrase", "lock", "address", "certificate.pem", "network", "network/rules"),
    *("network/genesis.toml", "network/log.policy", "network/peers.toml", "network/rules/lifecycle.json"),
    *(f"{name}.db{suffix}" for name in ("office", "signing", "ledger") for suffix in ("", *SIDE_FILES)),
    *("keys.enc.new", "operator.key.new", "office.db.restored", "network.restored"),
)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{(folder := os.open(path.parent, os.O_RDONLY))}/{path.name}")
    os.close(folder)


SHAPES: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}


def _become(path: Path, shape: str) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    SHAPES[shape](path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a node that ran."""
    root = tmp_path_factory.mktemp("whole")
    with live_node(root):
        pass
    return root / "data"


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


def test_a_data_directory_is_closed_whenever_a_command_uses_it(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Whatever mode a file came with, others can do nothing with it afterwards, and it is said which it was.
    What leads elsewhere, and a folder that is no data directory, stays as it is.
    """
    (data / "contexts").symlink_to(shared := data.parent / "shared")
    shared.mkdir()
    shared.chmod(0o755)
    for path in (data, *data.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() else 0o666)
    (data / "policy.toml").chmod(0o640)

    assert run(["records", "--data", str(data)]) == 0

    told = capsys.readouterr().err
    assert told.startswith("comity: data, keys.enc, ledger.db, ") and told.count("\n") == 1, told
    for path in (data, *(path for path in data.rglob("*") if not path.is_symlink())):
        assert path.stat().st_mode & 0o077 == 0, path
    assert shared.stat().st_mode & 0o777 == 0o755
    assert run(["records", "--data", str(data)]) == 0
    assert "by others" not in capsys.readouterr().err
    assert run(["records", "--data", str(shared)]) != 0 and shared.stat().st_mode & 0o777 == 0o755


def test_a_file_of_another_user_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever owns a file can change it whatever its mode: a node does not run on it.
    """
    monkeypatch.setattr(closing, "owners_of", lambda root: {os.geteuid() + 1})

    with pytest.raises(SetupError, match=r"data belongs to another user \(uid \d+\), who can change it"):
        close_to_others(data)


def test_what_a_running_node_puts_in_its_place_meanwhile_ends_no_command(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A file and a folder that were there when the directory was listed, and are not when they are looked at.
    """
    (data / "keys.enc.new").touch(0o644)
    for name in ("network.new", "peers.new"):
        (data / name).mkdir(0o700)
    listed, gone = closing._within, {"keys.enc.new": Path.unlink, "peers.new": Path.rmdir}

    def meanwhile(root: Path) -> Iterator[Path]:
        for path in listed(root):
            if path.name in gone:
                (data / "network.new").rmdir() if path.name == "peers.new" else None
                gone.pop(path.name)(path)
            yield path

    monkeypatch.setattr(closing, "_within", meanwhile)
    assert close_to_others(data) == () and not gone


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_behind_a_link_is_closed_there(name: str, data: Path) -> None:
    """
    A link has no mode of its own: where it leads to a file that others can read, the command says so.
    """
    target = data.parent / "target"
    target.write_text("secret")
    (data / name).unlink(missing_ok=True)
    (data / name).symlink_to(target)
    target.chmod(0o640)
    with pytest.raises(
        SetupError, match=rf"{name} leads to a file that others can read .*chmod 600 .*target"
    ):
        close_to_others(data)

    target.chmod(0o600)
    assert close_to_others(data) == ()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", SIDE_FILES)
def test_what_is_no_file_beside_a_database_is_told_before_sqlite_opens_it(
    suffix: str, shape: str, data: Path
) -> None:
    """
    SQLite would wait for ever for a pipe in place of its journal, and write beside another.
    """
    _become(data / f"office.db{suffix}", shape)

    with pytest.raises(SetupError, match=rf"office\.db{suffix} is no regular file.*move it away"):
        OfficeStore(data / "office.db")


def test_a_database_has_one_name(data: Path) -> None:
    """
    A copy made of links (`cp -al`) is the same file: two nodes would write into it, each with its own log. A
    link that leads to it is another way to the one name.
    """
    (data / "also").mkdir()
    os.link(data / "office.db", data / "also" / "office.db")
    with pytest.raises(SetupError, match=r"office\.db has another name.*office\.db\.copy"):
        OfficeStore(data / "office.db")

    (data / "also" / "office.db").unlink()
    (data / "also" / "office.db").symlink_to(data / "office.db")
    OfficeStore(data / "also" / "office.db").close()


def test_what_a_link_to_the_keys_leads_to_loses_what_is_destroyed(data: Path) -> None:
    """
    keys.enc may be a link: a retired key is destroyed, and another passphrase set, where that leads.
    """
    target = data.parent / "elsewhere" / "keys"
    target.parent.mkdir()
    (data / "keys.enc").rename(target)
    (data / "keys.enc").symlink_to(target)

    Keys.load(data, DID, PASSPHRASE).without([("vote", 1)])

    assert (data / "keys.enc").is_symlink()
    assert Keys.load(target.parent.parent / "data", DID, PASSPHRASE).numbers("vote") == ()
    Keys.relock(data, DID, PASSPHRASE, "another passphrase")
    with pytest.raises(SetupError, match="does not open"):
        Keys.load(data, DID, PASSPHRASE)
    assert [path.name for path in target.parent.iterdir()] == ["keys"] and target.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_what_may_be_missing_is_not_missing_because_it_is_none(shape: str, data: Path) -> None:
    """
    node.toml, a node's own passphrase: a link that leads nowhere, or a pipe, is told instead of passed over.
    """
    for name in ("node.toml", "passphrase", "keys.enc"):
        _become(data / name, shape)

    for read in (
        lambda: Settings.read(data / "node.toml"),
        lambda: own_passphrase(DataDirectory(data)),
        lambda: Keys.load(data, DID, PASSPHRASE),
    ):
        with pytest.raises(SetupError, match=r"cannot be read: it is .*put a file in its place"):
            read()


# -- every file, every shape, every command that opens them without a node ---------------------------------

COMMANDS = (
    ("backup", "--out", "OUT"),
    ("restore", "--from", "BACKUP", "--replace"),
    ("rebuild",),
    ("records",),
    ("keys", "renew-operator"),
    ("keys", "passphrase", "--new-passphrase-file", "WORDS"),
    ("keys", "allow-vote"),
    ("keys", "rotate", "attest"),
    ("keys", "list"),
    ("evidence", "list"),
    ("network", "snapshot", "OUT"),
    ("network", "join", "DATA/network"),
    ("network", "leave"),
)


def visit(base: Path, shape: str) -> None:
    """Run each command on a copy with each file of that shape; print [command, file, exit code, words]."""
    words, backup = base.parent / "words", base.parent / "backup"
    words.write_text("five words that nobody guesses\n")
    work = base.parent / "work"
    for command in COMMANDS:
        for name in OPENED:
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(base, work / "data")
            _become(work / "data" / name, shape)
            given = {"OUT": str(work / "out"), "BACKUP": str(backup), "WORDS": str(words)}
            given["DATA/network"] = str(base / "network")
            arguments = [*(given.get(one, one) for one in command), "--data", str(work / "data")]
            print(json.dumps([command, name]), flush=True)
            signal.alarm(HANG_S)
            code = run(arguments)
            signal.alarm(0)
            print(json.dumps(code), flush=True)


@pytest.mark.long
@pytest.mark.parametrize("shape", ["a pipe", "a socket", "a folder", "a link to nowhere"])
def test_no_command_waits_or_ends_in_a_mistake_of_ours_whatever_a_file_is(
    shape: str, whole: Path, tmp_path: Path
) -> None:
    """
    Each file of a data directory in turn is no file: each command that opens them ends, and says it in words.
    """
    base = Path(shutil.copytree(whole, tmp_path / "base"))
    assert run(["backup", "--data", str(base), "--out", str(tmp_path / "backup")]) == 0
    visiting = f"from tests.node.test_own_files import Path, visit; visit(Path({str(base)!r}), {shape!r})"
    ran = subprocess.run(
        [sys.executable, "-c", visiting], cwd=ROOT, env={**os.environ, "COMITY_PASSPHRASE": PASSPHRASE},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[")]

    assert ran.returncode == 0, f"{said[-1]}: {ran.returncode} {ran.stderr[-500:]}"
    assert "Traceback" not in ran.stderr and "should not happen" not in ran.stderr, ran.stderr
    print(f"{len(said)} commands on a data directory with {shape} in it")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("k" * OPERATOR_KEY_CHARS_MIN, True),
        ("k" * (OPERATOR_KEY_CHARS_MIN - 1), False),
        ("k" * 20 + " " + "k" * 20, False),
        ("k" * 40 + "é", False),
        ("k" * 40 + "\x07", False),
    ],
)
def test_an_operator_key_is_one_word_as_long_as_a_node_makes_it(
    tmp_path: Path, text: str, good: bool
) -> None:
    """
    Shorter, of two words, or with what no node writes, it is refused with the command that makes it anew.
    """
    directory = DataDirectory(tmp_path)
    write_own(directory.operator_key, f"{text}\n".encode())

    if good:
        assert directory.operator() == text
    else:
        with pytest.raises(SetupError, match="holds no key that a node made"):
            directory.operator()
