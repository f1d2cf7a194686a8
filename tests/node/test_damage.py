"""A bit of ledger.db that flipped by itself: nothing false is served, and what mends it is said."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from credentials.ledger.attestation import standing_key
from node.api import create_app
from node.config import DataDirectory
from node.errors import SetupError
from node.ledger.verifying import verify
from node.setup.network import joined
from node.setup.wiring import open_service
from node.storage.database import Damaged
from node.storage.entries import EntryRow, is_whole
from node.storage.schema_steps import SUMMED
from node.storage.signing import SigningStore, Withheld
from node.web.sample import sample_claims
from tests.harness.command_line import here
from tests.harness.grown import grow
from tests.harness.support_service import CODE, PASSPHRASE, LiveNode, live_node

ENTRIES = "/log/entries"
FLIPS = 16
RECORD = ("entry", "leaf_hash", "type", "kind", "issuer", "digest", "document_digest")


def flipped(value: Any, number: int) -> Any:
    """The value with one bit of it the other way; text stays text, as most flips leave it."""
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[number // 3 % len(data)] ^= 1 << number % 3
    return data.decode() if isinstance(value, str) else bytes(data)


def change(data: Path, table: str, column: str, where: str, value: Any, *, name: str = "ledger.db") -> Any:
    """Put a value into a database; what was there."""
    with closing(sqlite3.connect(data / name)) as db, db:
        (before,) = db.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
        db.execute(
            f"UPDATE {table} SET {column} = ? WHERE {where}", (value(before) if callable(value) else value,)
        )
    db.close()
    return before


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node with a passport on its ledger."""
    with live_node(tmp_path_factory.mktemp("damage")) as made:
        told = made.post_json("/passports", {"code": CODE, "claims": sample_claims(made.service, CODE)})
        digest = told.get_json()["digest"]
        made.wait(lambda: made.get(f"/receipts/{digest}").status_code == 200, "the receipt")
        yield made


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of such a node, stopped."""
    with live_node(tmp_path_factory.mktemp("stopped")) as made:
        told = made.post_json("/passports", {"code": CODE, "claims": sample_claims(made.service, CODE)})
        digest = told.get_json()["digest"]
        made.wait(lambda: made.get(f"/receipts/{digest}").status_code == 200, "the receipt")
    with closing(sqlite3.connect(made.data / "ledger.db")) as db, db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return made.data


def test_a_row_with_one_bit_flipped_is_not_whole(node: LiveNode) -> None:
    """
    Whichever bit of what an entry says, or of what it is found by.
    """
    rows = node.service.stores.ledger.leaves.since(0, 99)
    assert {row.type for row in rows} == {"admitted", "block"} and all(map(is_whole, rows))
    told = [row for row in rows if row.kind == "passport.published"]
    (row,) = told
    for column in RECORD:
        value = getattr(row, column)
        for number in range(3 * len(value)):
            changed: EntryRow = replace(row, **{column: flipped(value, number)})
            assert not is_whole(changed), (column, number)
    for other in ("claim", "refused", "block", "policy", "evidence", "governance"):
        assert not is_whole(replace(row, type=other))


@pytest.mark.parametrize("column", RECORD)
def test_an_entry_that_is_not_what_was_written_is_not_served(node: LiveNode, column: str) -> None:
    """
    Neither in the log nor in what rests on it: 500 by the fault of this node, with what its operator does;
    and /readyz says which entry it is, and the command.
    """
    row = next(r for r in node.service.stores.ledger.leaves.since(0, 99) if r.kind == "passport.published")
    where = f"leaf_index = {row.leaf_index}"
    before = change(node.data, "entries", column, where, lambda value: flipped(value, 4))
    try:
        asked = [node.get(ENTRIES), node.get(f"/batteries/{CODE}")]
    finally:
        change(node.data, "entries", column, where, before)

    told = [(answer.status_code, answer.get_json()["code"], answer.get_json()["fault"]) for answer in asked]
    assert told == [(500, "damaged", "node")] * 2
    assert "comity rebuild" in asked[0].get_json()["next"]
    ready = node.get("/readyz").get_json()
    (said,) = [one for one in ready["conditions"] if one["code"] == "damaged"]
    assert said["stops"] and f"entry {row.leaf_index} is not what was written" in said["text"]
    assert "comity rebuild --data" in said["text"]
    assert node.get(ENTRIES).status_code == 200, "what is whole is served"


def test_a_tile_that_is_not_what_was_written_is_said(node: LiveNode) -> None:
    """
    Whoever asks for what is under it gets 500 by the fault of this node, and /readyz says what mends it.
    """
    tiles = node.service.stores.ledger.tiles
    with pytest.raises(Damaged, match=r"ledger\.db is damaged: tile 0/7 "):
        tiles.nodes(0, 7, b"a root that no tile here has")
    try:
        ready = node.get("/readyz").get_json()
        (said,) = [one for one in ready["conditions"] if one["code"] == "damaged_ledger"]
        assert said["stops"] and "comity rebuild --data" in said["text"]
    finally:
        tiles.damaged = False


@pytest.mark.parametrize("column", ["value", "digest"])
def test_a_record_that_is_not_what_was_written_is_not_served(node: LiveNode, column: str) -> None:
    """
    A start does not read it; whoever asks what rests on it gets 500 by the fault of this node.
    """
    standings = node.service.stores.ledger.standings
    about = node.service.overview.gathering.subject_of(CODE)
    assert about is not None
    where = f"subject = x'{standing_key(about).hex()}'"
    before = change(node.data, "standings", column, where, lambda value: flipped(value, 9))
    try:
        answer = node.get(f"/batteries/{CODE}")
        assert (answer.status_code, answer.get_json()["code"]) == (500, "damaged")
        assert standings.damaged
        assert "damaged_ledger" in {one["code"] for one in node.get("/readyz").get_json()["conditions"]}
    finally:
        change(node.data, "standings", column, where, before)
        standings.damaged = False
    assert node.get(f"/batteries/{CODE}").status_code == 200


@pytest.mark.parametrize(
    ("table", "column", "where"),
    [
        ("bucket_changes", "hashes", "height = (SELECT MAX(height) FROM bucket_changes)"),
        ("blocks", "frontier", "height = (SELECT MAX(height) FROM blocks)"),
        ("blocks", "app_hash", "height = (SELECT MAX(height) FROM blocks)"),
        ("entries", "entry", "leaf_index = (SELECT MAX(leaf_index) FROM entries)"),
        ("entries", "leaf_hash", "leaf_index = 0"),
    ],
)
def test_a_state_that_is_not_what_was_decided_starts_no_node_until_it_is_rebuilt(
    stopped: Path, tmp_path: Path, table: str, column: str, where: str
) -> None:
    """
    The node says which file it is and the command, and after that command it starts.
    """
    data = tmp_path / "data"
    shutil.copytree(stopped, data)
    change(data, table, column, where, lambda value: flipped(value, 7))

    with pytest.raises(SetupError, match=r"ledger\.db is damaged.*comity rebuild --data"):
        open_service(DataDirectory(data), PASSPHRASE, 0)

    done = here("rebuild", "--data", data, COMITY_PASSPHRASE=PASSPHRASE)
    assert done.returncode == 0, done.stderr
    open_service(DataDirectory(data), PASSPHRASE, 0).stop()


@pytest.mark.parametrize(
    ("table", "column", "where"),
    [
        ("entries", "entry", "leaf_index = 1"),
        ("entries", "leaf_hash", "leaf_index = 1"),
        ("standings", "value", "rowid = (SELECT MIN(rowid) FROM standings)"),
        ("standings", "digest", "rowid = (SELECT MIN(rowid) FROM standings)"),
        ("bucket_changes", "hashes", "height = (SELECT MAX(height) FROM bucket_changes)"),
        ("blocks", "frontier", "height = (SELECT MAX(height) FROM blocks)"),
    ],
)
def test_whoever_reads_everything_finds_what_is_not_what_was_written(
    stopped: Path, tmp_path: Path, table: str, column: str, where: str
) -> None:
    """
    `comity log verify` says that all of a whole ledger is what was written; of a changed one that it is
    damaged, and what mends it.
    """
    data = tmp_path / "data"
    shutil.copytree(stopped, data)
    whole = here("log", "verify", "--data", data)
    change(data, table, column, where, lambda value: flipped(value, 30))
    found = here("log", "verify", "--data", data)

    assert whole.returncode == 0 and "are what was written" in whole.stdout, whole.stderr
    assert found.returncode != 0 and "comity rebuild --data" in found.stderr, found.stdout


def test_a_tile_that_nobody_asks_for_is_found_by_whoever_reads_everything(tmp_path: Path) -> None:
    """
    The same of a full tile, of either level, in a log of more than 256 entries.
    """
    with live_node(tmp_path) as made:
        path = made.data / "ledger.db"
    genesis = joined(DataDirectory(made.data)).genesis
    grow(path, genesis, entries=600, records=50)
    found = verify(path, genesis)
    assert (found.entries, found.records) == (600, 50)
    for where in ("level = 0 AND number = 1", "level = 1"):
        before = change(made.data, "tiles", "hashes", where, lambda value: flipped(value, 30))
        with pytest.raises(SetupError, match=r"damaged.*comity rebuild --data"):
            verify(path, genesis)
        change(made.data, "tiles", "hashes", where, before)
    assert verify(path, genesis) == found


@pytest.mark.check
def test_a_flipped_bit_anywhere_in_the_ledger_serves_nothing_false(stopped: Path, tmp_path: Path) -> None:
    """
    Bits of the whole file, drawn by a seed: the node answers as before, or says that it is damaged, or does
    not start and names a command.
    """
    whole, seen = asked(stopped), list[str]()
    held, random = (stopped / "ledger.db").read_bytes(), Random(594)
    places = [at for at, value in enumerate(held) if value]
    for number in range(FLIPS):
        data = tmp_path / str(number)
        shutil.copytree(stopped, data)
        at = random.choice(places)
        with (data / "ledger.db").open("r+b") as file:
            file.seek(at)
            file.write(bytes([held[at] ^ 1 << random.randrange(8)]))
        try:
            told = asked(data)
        except SetupError as refused:
            assert "comity " in str(refused) or "newer version" in str(refused), at
            seen.append("refused")
            continue
        for path, answer in told.items():
            assert answer == whole[path] or answer[1].get("code") in ("damaged", "no_receipt_yet"), (at, path)
        seen.append("same" if told == whole else "damaged")
        shutil.rmtree(data)
    print(seen)
    assert set(seen) > {"same"}


def asked(data: Path) -> dict[str, tuple[int, Any]]:
    """What a node that is opened on this directory answers to those who ask."""
    service = open_service(DataDirectory(data), PASSPHRASE, 0)
    try:
        client, key = create_app(service).test_client(), DataDirectory(data).operator()
        answers = {
            path: client.get(path, headers={"Authorization": f"Bearer {key}"})
            for path in (ENTRIES, f"/batteries/{CODE}", "/passports")
        }
        return {path: (one.status_code, one.get_json()) for path, one in answers.items()}
    finally:
        service.stop()


OWN = {
    "a document": ("documents", "body", "kind = 'passport'"),
    "a manifest": ("manifests", "manifest", "consignment = '{made}'"),
    "a verdict": ("items", "body", "consignment = '{made}'"),
}


@pytest.mark.parametrize("what", OWN)
def test_a_flipped_bit_of_own_records_blames_nobody(node: LiveNode, what: str) -> None:
    """
    A document, a manifest or a verdict of office.db that is not what was written is not served, and no line
    says that its issuer signed it wrongly: 500 by the fault of this node, and /readyz says what mends it.
    """
    table, column, where = OWN[what]
    made, number = judged(node, 1), 2 + [*OWN].index(what)
    place = where.format(made=made)
    before = change(node.data, table, column, place, flip, name="office.db")
    try:
        verdicts = []
        if table == "documents":
            verdicts = node.get_json(f"/consignments/{judged(node, number)}")["items"]
        asked = {
            "documents": lambda: node.post_json("/clearance", {"battery": CODE, "goods": "battery"}),
            "manifests": lambda: node.get(f"/consignments/{made}/readiness"),
            "items": lambda: node.get(f"/consignments/{made}/items/1"),
        }[table]()
    finally:
        change(node.data, table, column, place, before, name="office.db")
    conditions = node.get("/readyz").get_json()["conditions"]

    assert [(one["verdict"], one["reason"], one["fault"]) for one in verdicts] in (
        [],
        [("undecided", "set_aside", "node")],
    )
    told = asked.get_json()
    assert (asked.status_code, told["code"], told["fault"]) == (500, "damaged", "node")
    assert "comity restore" in told["next"]
    (said,) = [one for one in conditions if one["code"] == "damaged_office"]
    assert said["stops"] and "comity restore --data" in said["text"]
    assert "log verify" not in said["text"], "which reads ledger.db alone"


def flip(body: bytes) -> bytes:
    """One bit within a text of it, so that it is JSON as before."""
    at = body.rindex(b'"', 0, len(body) // 2) - 1
    while not body[at : at + 1].isalnum():
        at -= 1
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def judged(node: LiveNode, number: int) -> str:
    """A consignment of one line, judged."""
    line = {"line": number, "battery": CODE, "goods": "battery", "condition": "new"}
    made: str = node.post_json("/consignments", {"lines": [line]}).get_json()["id"]
    node.wait(lambda: bool(node.get_json(f"/consignments/{made}?limit=0")["state"] == "done"), "the verdict")
    return made


@pytest.mark.parametrize(
    ("table", "column"),
    [(table, column) for table, columns in SUMMED.items() for column in columns.split(", ")],
)
def test_a_flipped_bit_of_what_was_signed_starts_no_validator(
    tmp_path: Path, table: str, column: str
) -> None:
    """
    Whatever in signing.db is not what was written is found before anything is signed: a guard of which a bit
    flipped would let another vote be given.
    """
    path = tmp_path / "signing.db"
    signing = SigningStore(path)
    signing.persist(7, [(b"vote", (7, 0, "prevote"))])
    signing.guard_cosignature(5, b"root", 100)
    signing.withhold(Withheld("older than what peers saw", 9, 6))
    signing.allow_vote()
    signing.withhold(Withheld("older than what peers saw", 9, 6))
    signing.close()
    SigningStore(path).close()  # whole

    def other(value: Any) -> Any:
        return value ^ 1 if isinstance(value, int) else flipped(value, 4)

    change(tmp_path, table, column, "1", other, name="signing.db")

    with pytest.raises(
        SetupError, match=r"signing\.db is damaged: what this validator signed cannot be known"
    ):
        SigningStore(path)
