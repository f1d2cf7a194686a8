"""What is old leaves office.db by a file, and every table says what bounds it (`comity archive`)."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from node.errors import SetupError
from node.settings import Keeping, Settings
from node.setup import archiving
from node.setup.archiving import YEAR_S, archive
from node.storage import retention
from node.storage.consignments import ItemRow
from node.storage.documents import StoredDocument
from node.storage.ledger_steps import LEDGER
from node.storage.office import OfficeStore
from node.storage.schema_steps import OFFICE, SIGNING
from tests.harness.net.harness import comity

ROOT = Path(__file__).resolve().parents[2]
NOW = 2_000_000_000
OLD = NOW - 11 * YEAR_S
MOVED = ("consignments", "manifests", "items", "rests_on", "consignment_words")
STATES = ("done", "done", "running", "done", "done")  # of c0, c1, ...


@pytest.fixture
def office(tmp_path: Path) -> Iterator[OfficeStore]:
    """Two old acts and one of today; four old consignments: one is open, and of one a line is aside."""
    made = OfficeStore(tmp_path / "office.db")
    with made.writing() as db:
        for at, who in ((OLD, "a"), (OLD + 1, "b"), (NOW, "c")):
            made.audit.put(db, at, who, "key.granted", "to whom")
        for number, state in enumerate(STATES):
            id, at = f"c{number}", OLD if number < 4 else NOW
            put(made, db, id, at)
            made.consignments.put_state(db, id, state)
        made.aside.put(db, "line", "c3/1", "it failed", OLD)
        fetched: dict[str, int | None] = {"own": None, "old": OLD, "new": NOW}
        for name, fetched_at in fetched.items():
            body = f'{{"id": "{name}"}}'.encode()
            digest = sha256(body).digest()
            made.documents.put(db, [StoredDocument(digest, "fetched", body, "a", fetched_at=fetched_at)])
    yield made
    made.close()


def put(office: OfficeStore, db: Any, id: str, created: int) -> None:
    number = office.consignments.put(
        db,
        id=id,
        declaration=f"D-{id}",
        manifest=b'{"lines": []}',
        manifest_digest=b"\xff" * 32,
        consignee_eori=None,
        direction=None,
        law_date="2026-01-01",
        created=created,
        lines=1,
        client="desk",
        text=f"d-{id}",
    )
    item = ItemRow(1, 1, "clear", b'{"verdict": "clear"}', b"s", rests=(("subject", b"k"),))
    office.consignments.put_items(db, id, [item])
    office.declared.put(db, number, f"D-{id}", [(1, "battery")])


def rows(tmp_path: Path, table: str) -> list[Any]:
    db = sqlite3.connect(tmp_path / "office.db")
    try:
        return db.execute(f"SELECT * FROM [{table}]").fetchall()
    finally:
        db.close()


def everything(tmp_path: Path) -> dict[str, list[Any]]:
    return {table: rows(tmp_path, table) for table in sorted(OFFICE.tables) if "fts" not in table}


def test_what_is_old_is_in_the_file_and_no_more_in_the_office(office: OfficeStore, tmp_path: Path) -> None:
    """
    Each old act, and each old consignment that is judged to the end with nothing set aside, is in the file,
    with manifest and verdicts, byte by byte, and each old copy of another's document; of the others every row
    stays, and all that is this participant's own. The audit says which file it was, and refuses changes as
    ever. What is younger is archived the next time.
    """
    before = everything(tmp_path)
    out = tmp_path / "old.jsonl"
    done = archive(office, out, Keeping(), NOW, "operator")

    lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert [line["audit"]["who"] for line in lines if "audit" in line] == ["a", "b"]
    gone = [line["consignment"] for line in lines if "consignment" in line]
    assert [(one["id"], one["declaration"]) for one in gone] == [("c0", "D-c0"), ("c1", "D-c1")]
    for one in gone:
        (item,) = one["items"]
        assert base64.b64decode(item["body"]["base64"]) == b'{"verdict": "clear"}'
        assert base64.b64decode(one["manifest"]["base64"]) == b'{"lines": []}'
    (copy,) = (line["document"] for line in lines if "document" in line)
    assert base64.b64decode(copy["body"]["base64"]) == b'{"id": "old"}'
    assert (done.acts, done.consignments, done.documents) == (2, 2, 1)
    assert done.digest == sha256(out.read_bytes()).hexdigest()
    assert out.stat().st_mode & 0o077 == 0

    after = everything(tmp_path)
    assert [row[2:4] for row in after["audit"]] == [("c", "key.granted"), ("operator", "office.archived")]
    assert done.digest in after["audit"][-1][4]
    for table in MOVED:
        assert after[table] == before[table][2:], table
    bodies = [{json.loads(row[2])["id"] for row in held["documents"]} for held in (before, after)]
    assert bodies == [{"own", "old", "new"}, {"own", "new"}]
    for table in before.keys() - {"audit", "documents", *MOVED}:
        assert after[table] == before[table], table
    with pytest.raises(sqlite3.IntegrityError, match="never changed"), office.writing() as db:
        db.execute("DELETE FROM audit")
    assert office.consignments.get("c0") is None
    with pytest.raises(SetupError, match="name a new file"):
        archive(office, out, Keeping(), NOW, "operator")
    assert archive(office, tmp_path / "more", Keeping(1, 1), NOW + 2 * YEAR_S, "operator").acts == 2


def test_what_ends_before_the_rows_are_dropped_loses_nothing(
    office: OfficeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A command that ends once its file is there, or while rows are dropped, leaves the office as it was; one
    that has nothing to move makes no file.
    """
    before = everything(tmp_path)

    def dropping(db: Any, *until: int) -> None:
        drop(db, *until)
        raise KeyboardInterrupt

    drop = retention.drop
    with monkeypatch.context() as killed:
        killed.setattr(retention, "drop", dropping)
        with pytest.raises(KeyboardInterrupt):
            archive(office, tmp_path / "old", Keeping(), NOW, "operator")
    assert (tmp_path / "old").exists() and everything(tmp_path) == before

    with monkeypatch.context() as full:
        full.setattr(archiving, "write_own", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space"):
            archive(office, tmp_path / "other", Keeping(), NOW, "operator")
    archive(office, tmp_path / "none", Keeping(100, 100), NOW, "operator")
    assert not (tmp_path / "none").exists() and everything(tmp_path) == before


def test_the_command_goes_by_node_toml(
    office: OfficeStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `comity archive`: as many years as [keep] says, and where it went.
    """
    (tmp_path / "node.toml").write_text("[keep]\naudit_years = 100\nconsignments_years = 100\n")
    office.close()

    assert comity("archive", "--data", tmp_path, "--out", tmp_path / "old") == 0
    assert "nothing is that old" in capsys.readouterr().out
    with closing(sqlite3.connect(tmp_path / "office.db")) as db, db:
        db.execute("INSERT INTO audit (at, who, did, about) VALUES (7, 'x', 'y', 'z')")
    db.close()
    (tmp_path / "node.toml").write_text("[keep]\naudit_years = 30\n")
    assert comity("archive", "--data", tmp_path, "--out", tmp_path / "old") == 0
    assert "1 acts of the audit, 0 consignments, 0 copies of documents; sha256 " in capsys.readouterr().out


@pytest.mark.parametrize("years", ["0", "101", "-1", "true", '"10"', "1.5"])
def test_years_that_are_none_are_told(tmp_path: Path, years: str) -> None:
    """
    A setting never does nothing.
    """
    (tmp_path / "node.toml").write_text(f"[keep]\naudit_years = {years}\n")
    with pytest.raises(SetupError, match=r"keep\.audit_years is a number of years, from 1 to 100"):
        Settings.read(tmp_path / "node.toml")


def test_every_table_says_what_bounds_it() -> None:
    """
    Each table of the three databases has its row in storage/README.md, and no row is of a table that is gone.
    """
    text = (ROOT / "node" / "storage" / "README.md").read_text()
    section = text.partition("## What bounds each table")[2].partition("\n## ")[0]
    told = {
        name
        for line in section.splitlines()
        if line.startswith("| ") and " | " in line
        for name in re.findall(r"`([a-z_]+)`", line[2:].partition(" | ")[0])
    }
    tables = {
        name for history in (SIGNING, LEDGER, OFFICE) for name in history.tables if "_words_fts" not in name
    }

    assert told == tables
