"""`comity backup | restore | rebuild | records`: what was copied really comes back (node/setup/copies.py)."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import certifi
import pytest

from consensus.checkpoint import Checkpoint, SignedNote, cosign_line, sign_log_line
from credentials.documents.status import read_list
from credentials.ledger.governance import key_name
from node.config import DataDirectory
from node.errors import SetupError
from node.ledger import incoming, rebuilding
from node.setup import network as networks
from node.setup.copies import TAG, restore
from node.setup.keystore import Keys
from node.storage.ledger import LedgerStore
from tests.harness.net.batteries import code_of, issue, wait_receipted
from tests.harness.net.harness import Node, comity, running, wait
from tests.harness.restarts import FILES, Maker, maker
from tests.harness.support_service import DID, PASSPHRASE


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Maker]:
    with maker(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)


def test_a_backup_of_a_running_node_is_restored(node: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Backup beside the running node; later restored over a newer office.db, which is kept aside: the node goes
    on, in new lists, with every bit that was raised since, and `comity records` names what is lost.
    """
    node.start()
    first = node.issue(1)
    node.wait_quiet()
    out = node.root / "backup"
    assert comity("backup", "--data", node.data, "--out", out) == 0
    second = node.issue(2)
    node.wait_quiet()
    for given in (first, second):
        node.act(given, "revoked")
    node.wait_quiet()
    restoring: list[str | Path] = ["restore", "--data", node.data, "--from", out]
    assert comity(*restoring, "--replace") != 0  # it runs
    node.stop()
    signing = (node.data / "signing.db").read_bytes()

    assert comity(*restoring) != 0
    assert "--replace" in capsys.readouterr().err
    assert comity(*restoring, "--replace") == 0
    assert (node.data / "signing.db").read_bytes() == signing
    node.start()
    node.wait_open()
    third = node.issue(3)
    node.wait_quiet()

    assert [node.listed(g)["revocation"] for g in (first, second, third)] == [True, True, False]
    assert third.entries["revocation"][0] == node.list_name("revocation", 2)
    assert [path.name for path in node.data.glob("office.db.before-*")]
    assert {path.stat().st_mode & 0o077 for path in out.rglob("*") if path.is_file()} == {0}
    assert not {"signing.db", "ledger.db"} & {path.name for path in out.iterdir()}
    assert comity("records", "--data", node.data) == 1
    assert "document_lost" in capsys.readouterr().out


def test_a_backup_holds_the_files_that_the_settings_name(
    node: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A context and an authority of node.toml are in the backup, and where they lie elsewhere it says so: the
    restored directory is read by a node that starts.
    """
    elsewhere = tmp_path / "authority.pem"
    elsewhere.write_bytes(Path(certifi.where()).read_bytes())
    (node.data / "contexts").mkdir()
    (node.data / "contexts" / "maker.jsonld").write_text('{"@context": {}}')
    digest = sha256((node.data / "contexts" / "maker.jsonld").read_bytes()).hexdigest()
    (node.data / "node.toml").write_text(
        f'[peers]\nca_file = "{elsewhere}"\n\n[[contexts]]\nurl = "https://maker.example/contexts/v1"\n'
        f'file = "contexts/maker.jsonld"\nsha256 = "{digest}"\n'
    )
    node.start()
    node.stop()
    out = tmp_path / "backup"

    assert comity("backup", "--data", node.data, "--out", out) == 0
    assert f"not in it: {elsewhere}" in capsys.readouterr().out
    again = tmp_path / "again"
    assert comity("restore", "--data", again, "--from", out) == 0

    assert DataDirectory(again).settings().contexts.keys() == {"https://maker.example/contexts/v1"}


def test_a_database_that_is_removed_is_gone_with_the_files_beside_it(tmp_path: Path) -> None:
    """
    None of it is left for whoever opens the next one there; what is not there is no trouble.
    """
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm", "other.db"):
        (tmp_path / name).touch()

    for _ in range(2):
        incoming.remove(tmp_path / "ledger.db")

    assert [one.name for one in tmp_path.iterdir()] == ["other.db"]


def test_a_backup_makes_a_new_directory(node: Maker) -> None:
    """
    On an empty machine: keys, card, network, policy and records are back; nothing but the folder was needed.
    The recovery key is in no backup of the node.
    """
    node.start()
    node.issue(1)
    node.wait_quiet()
    out = node.root / "backup"
    assert comity("backup", "--data", node.data, "--out", out) == 0
    node.stop()
    before = {
        path.name: path.read_bytes() for path in node.data.iterdir() if path.suffix in (".toml", ".enc")
    }
    assert before.pop("recovery.enc") and not (out / "recovery.enc").exists()
    shutil.rmtree(node.data)

    assert comity("restore", "--data", node.data, "--from", out) == 0

    assert {name: (node.data / name).read_bytes() for name in before} == before
    assert node.data.stat().st_mode & 0o777 == 0o700
    assert not (node.data / "signing.db").exists()


RESTORE_AND_KILL = """
import json, shutil, sys
from pathlib import Path
from node.config import DataDirectory
from node.setup.copies import restore
from node.storage.office import OfficeStore
from node.ledger.rebuilding import rebuild
from node.setup.network import verify
from tests.harness.killing import killed_at

what, source, backup = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
room = source.with_name("killed")
directory = DataDirectory(room)
found = verify(source / "network")

def work():
    if what == "rebuild":
        rebuild(directory.ledger, found.genesis, found.policy, found.rule_files)
    else:
        restore(directory, backup, replace=True)

counts = []
for number in range(1, 1000):
    shutil.rmtree(room, ignore_errors=True)
    if what == "restore into nothing":
        room.mkdir()
    else:
        shutil.copytree(source, room)
    if not killed_at(number, room, work):
        break
    if what != "restore into nothing":
        assert directory.office.exists() and directory.ledger.exists(), number
    work()
    names = sorted(str(path.relative_to(room)) for path in room.rglob("*"))
    assert not [name for name in names if name.endswith((".new", ".restored"))], names
    assert verify(directory.network).genesis.network_id == found.genesis.network_id
    OfficeStore(directory.office).close()
    counts.append(number)
print(json.dumps(counts))
"""


@pytest.mark.parametrize(
    "what",
    [
        "restore",
        pytest.param("rebuild", marks=pytest.mark.check),
        pytest.param("restore into nothing", marks=pytest.mark.check),
    ],
)
def test_what_is_killed_at_any_write_is_repeated(node: Maker, what: str) -> None:
    """
    Restoring and rebuilding, killed at each change of the directory: no database is ever missing that was
    there, and the same command again ends as if nothing had happened.
    """
    node.start()
    node.issue(1)
    node.wait_quiet()
    out = node.root / "backup"
    assert comity("backup", "--data", node.data, "--out", out) == 0
    node.stop()

    arguments = [sys.executable, "-c", RESTORE_AND_KILL, what, str(node.data), str(out)]
    told = subprocess.run(arguments, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stderr[-2000:]
    print(f"{what}: killed at each of {len(json.loads(told.stdout))} changes")
    assert len(json.loads(told.stdout)) > 5


def _cut(out: Path) -> None:
    (out / "office.db").write_bytes((out / "office.db").read_bytes()[:-1])


def _missing(out: Path) -> None:
    (out / "keys.enc").unlink()


def _escaping(out: Path) -> None:
    listed = json.loads((out / "backup.json").read_text())
    listed["files"]["network/../../signing.db"] = "0"
    (out / "backup.json").write_text(json.dumps(listed))


def _signing(out: Path) -> None:
    listed = json.loads((out / "backup.json").read_text())
    listed["files"]["signing.db"] = "0"
    (out / "backup.json").write_text(json.dumps(listed))


STRANGE = (
    "signing.db-wal", "ledger.db-shm", "office.db-wal", "SIGNING.DB", "ledger.db/x", "office.db.restored",
    "network", "network.new/x", "founding.unfinished/keys.enc", "./keys.enc", "network/a\0b",
    "network/\ud800", "", "snapshot.rows",
)  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_a_backup_puts_nothing_beside_a_database(tmp_path: Path, name: str) -> None:
    """
    Each file by its name: only what a backup of this version holds is written, whatever its list says.
    """
    files = {"office.db": sha256(b"x").hexdigest(), name: sha256(b"x").hexdigest()}
    source, directory = tmp_path / "backup", DataDirectory(tmp_path / "data")
    source.mkdir()
    directory.root.mkdir()
    for one in files:
        with suppress(OSError, ValueError):
            (source / one).parent.mkdir(exist_ok=True)
            (source / one).write_bytes(b"x")
    (source / "backup.json").write_text(json.dumps({"type": TAG, "participant": "", "files": files}))

    with pytest.raises(SetupError, match="is no file of a backup"):
        restore(directory, source, replace=True)

    assert not list(directory.root.iterdir())


def _nested(out: Path) -> None:
    (out / "backup.json").write_text("[" * 100_000)


def _foreign(out: Path) -> None:
    listed = json.loads((out / "backup.json").read_text())
    listed["participant"] = "did:web:somebody.example"
    (out / "backup.json").write_text(json.dumps(listed))


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (_cut, "was changed since the backup was made"),
        (_missing, "is missing from the backup"),
        (_escaping, "is no file of a backup"),
        (_signing, "is no file of a backup"),
        (_foreign, "the backup is of did:web:somebody.example"),
        (shutil.rmtree, "is no backup"),
        (_nested, "is no backup"),
    ],
    ids=["cut", "missing", "outside", "signing.db", "foreign", "gone", "nested"],
)
def test_a_backup_that_is_not_whole_or_not_ours_writes_nothing(
    node: Maker, capsys: pytest.CaptureFixture[str], alter: Callable[[Path], None], says: str
) -> None:
    """
    Whatever does not fit is one sentence, and the directory is as it was.
    """
    node.start()
    node.wait_quiet()
    node.stop()
    out = node.root / "backup"
    assert comity("backup", "--data", node.data, "--out", out) == 0
    alter(out)
    before = {path: path.read_bytes() for path in node.data.rglob("*") if path.is_file()}

    assert comity("restore", "--data", node.data, "--from", out, "--replace") == 65

    assert says in capsys.readouterr().err
    assert {path: path.read_bytes() for path in node.data.rglob("*") if path.is_file()} == before


TABLES = ("blocks", "entries", "standings", "checkpoints", "validators")


def rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as db, db:
        return {table: sorted(db.execute(f"SELECT * FROM {table}").fetchall()) for table in TABLES}


def test_projections_are_rebuilt_from_the_blocks(node: Maker) -> None:
    """
    With every projection wrong or gone, executing the blocks again gives the same tables, byte for byte.
    """
    node.start()
    for serial in (1, 2):
        node.act(node.issue(serial), "suspended")
        node.wait_quiet()
    node.stop()
    ledger = node.data / "ledger.db"
    before = rows(ledger)
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute("DELETE FROM standings")
        db.execute("UPDATE entries SET kind = 'passport.revoked', entry = x'00'")
        db.execute("UPDATE blocks SET frontier = x'', app_hash = x''")
    db.close()

    assert comity("rebuild", "--data", node.data) == 0
    after = rows(ledger)
    node.start()
    node.issue(3)
    node.wait_quiet()

    for table in TABLES:
        assert after[table] == before[table], table
    assert sorted(p.name for p in node.data.glob("ledger.db*")) == [
        "ledger.db",
        "ledger.db-shm",
        "ledger.db-wal",
    ]


def test_altered_blocks_are_not_rebuilt_from(node: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A block that is not the one that was certified ends the rebuild with one sentence; the old file stays.
    What it says to do is what the engine allows.
    """
    node.start()
    node.issue(1)
    node.wait_quiet()
    node.stop()
    ledger = node.data / "ledger.db"
    with closing(sqlite3.connect(ledger)) as db, db:
        block = db.execute("SELECT block FROM blocks WHERE height = 1").fetchone()[0]
        db.execute("UPDATE blocks SET block = ? WHERE height = 1", (block[:-1] + bytes([block[-1] ^ 1]),))
    db.close()
    before = rows(ledger)

    assert comity("rebuild", "--data", node.data) == 65

    assert "rebuild it from a peer (--from URL)" in capsys.readouterr().err
    assert rows(ledger) == before
    found = networks.verify(node.data / "network")
    with pytest.raises(SetupError, match=r"start the node: CometBFT gives it every block again$"):
        rebuilding.rebuild(ledger, found.genesis, found.policy, found.rule_files, certified=False)
    assert rows(ledger) == before


# --- old files in every combination, in a network


COMBINATIONS = [
    tuple(name for name, old in zip(FILES, which, strict=True) if old)
    for which in product((False, True), repeat=3)
    if any(which)
]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """Four validators and an observer, as processes."""
    with running(tmp_path_factory.mktemp("copies") / "network") as nodes:
        yield nodes


@pytest.mark.check
@pytest.mark.parametrize("number", range(len(COMBINATIONS)), ids=["+".join(c) for c in COMBINATIONS])
def test_old_files_in_every_combination(network: dict[str, Node], tmp_path: Path, number: int) -> None:
    """
    The maker, a validator, comes back with old copies of these files: no place twice, nothing revoked reads
    0, nobody is accused of a double signature, and it issues and votes again (once allowed, if it must be).
    """
    node, serial = network["maker"], 100 * number + 1
    first = issue(node, serial)
    wait_receipted(node, first["digest"])
    node.stop()
    for file in FILES:
        for path in node.data.glob(f"{file}*"):
            shutil.copy(path, tmp_path)
    node.start()
    node.wait_ready()
    second = issue(node, serial + 1)
    wait_receipted(node, second["digest"])
    for made, code in ((first, code_of(serial)), (second, code_of(serial + 1))):
        node.post(f"/passports/{made['digest']}/revoke", {"reason": "a test"})
        wait("the revocation", lambda c=code: status_of(node, c) == "revoked")  # type: ignore[misc]
    wait("the list", lambda: listed(node, first) and listed(node, second))
    node.stop()
    for file in COMBINATIONS[number]:
        for path in node.data.glob(f"{file}*"):
            path.unlink()
        for path in tmp_path.glob(f"{file}*"):
            shutil.copy(path, node.data)

    node.start()
    wait("an answer", lambda: node.status_of("/status") == 200)
    third = issue_when_open(node, serial + 2)
    wait("the lists", lambda: node.status_of(f"/status/{place(first)[0]}") == 200)

    assert listed(node, first) and listed(node, second) and not listed(node, third)
    assert len({place(made) for made in (first, second, third)}) == 3
    wait("its word", lambda: node.status_of("/readyz") == 200 or node.get("/status")["withheld"] is not None)
    if node.get("/status")["withheld"] is not None:
        node.stop()
        assert comity("keys", "allow-vote", "--data", node.data, "--no-other-copy-runs") == 0
        node.start()
    node.wait_ready()
    wait_receipted(node, third["digest"])
    assert node.get("/status")["evidence"] == network["eu"].get("/status")["evidence"] == []


def issue_when_open(node: Node, serial: int) -> dict[str, Any]:
    """The passport, once the node says that it has compared itself with the ledger."""
    made: list[dict[str, Any]] = []

    def issued() -> bool:
        try:
            made.append(issue(node, serial))
        except AssertionError as refused:
            assert "comparing_with_ledger" in str(refused), refused
        return bool(made)

    wait("the comparison", issued)
    return made[0]


def place(made: dict[str, Any]) -> tuple[str, int]:
    entries = next(iter(made["credentials"].values()))["credentialStatus"]
    entry = next(e for e in entries if e["statusPurpose"] == "revocation")
    return entry["statusListCredential"].rpartition("/")[2], int(entry["statusListIndex"])


def listed(node: Node, made: dict[str, Any]) -> bool:
    """The revocation bit of a passport in the list that is served."""
    name, index = place(made)
    return bool(read_list(node.get(f"/status/{name}")).bits(index))


def status_of(node: Node, code: str) -> str:
    return str(node.get(f"/batteries/{code}")["standing"]["publication"])


def test_a_copy_that_was_put_back_says_so_until_it_was_compared(
    node: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The log names why the records are compared: this office.db is a copy.
    """
    node.start()
    node.issue(1)
    node.wait_quiet()
    out = node.root / "backup"
    assert comity("backup", "--data", node.data, "--out", out) == 0
    node.stop()
    assert comity("restore", "--data", node.data, "--from", out, "--replace") == 0
    capsys.readouterr()

    node.start()
    node.wait_open()

    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    reasons = [moment["because"] for moment in logged if moment["at"] == "comparing"]
    assert reasons == ["office.db is a copy that was put back"]


def test_a_log_that_is_not_the_cosigned_one_is_not_rebuilt(
    node: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Blocks that agree with each other and not with the checkpoint of their size: one sentence, and the old
    file stays.
    """
    node.start()
    node.issue(1)
    node.wait_quiet()
    node.stop()
    keys, genesis = Keys.load(node.data, DID, PASSPHRASE), networks.verify(node.data / "network").genesis
    ledger = LedgerStore(node.data / "ledger.db")
    size = ledger.log_size()
    forged = Checkpoint(genesis.origin, size, b"x" * 32)
    lines = (
        sign_log_line(forged, genesis.origin, keys.signer("log")),
        cosign_line(forged, key_name(DID), 1_800_000_000, keys.signer("cosign")),
    )
    ledger.put_checkpoint(size, 1, SignedNote(forged.body(), lines).text())
    ledger.close()
    before = rows(node.data / "ledger.db")

    assert comity("rebuild", "--data", node.data) == 65

    told = capsys.readouterr().err
    assert "the blocks lead to another log than the one that was cosigned" in told
    assert rows(node.data / "ledger.db") == before
