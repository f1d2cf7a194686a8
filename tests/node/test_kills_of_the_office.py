"""A kill at any write of office.db: accounts, keys, alerts, attempts, letters, cases, webhooks, models.

What a killed process leaves is what its files hold at that moment: they are looked at before every statement
of every act, and each state of them is opened as a start would.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from node.api import create_app
from node.config import DataDirectory
from node.resolution.webhooks import TOPICS, WebhookEndpoint
from node.setup.wiring import open_service
from node.storage.office import OfficeStore
from tests.harness.governed_node import others
from tests.harness.hostile_oversight import ENDPOINT, from_peers, refused_statement
from tests.harness.ledger import CN_AUTHORITY, IMPORTER, MAKER
from tests.harness.support_service import PASSPHRASE, LiveNode, live_node
from tests.node.test_jobs import model_of
from tests.node.test_webhooks import SECRET, URL, Endpoint

pytestmark = pytest.mark.check

SUFFIXES = ("", "-wal")
NOT_ACTED = {"last_used"}  # kept when somebody is seen, not when somebody acts
State = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node whose threads are not begun: what is written is written by the test's own."""
    root = tmp_path_factory.mktemp("kills")
    with live_node(root, others=others(IMPORTER)):
        pass
    directory = DataDirectory(root / "data")
    service = open_service(directory, PASSPHRASE, 0)
    yield LiveNode(service, create_app(service), directory.operator(), directory.root)
    service.stop()


class Watched:
    """What the files hold before each statement of this thread, while acts are acknowledged one by one."""

    def __init__(self, office: OfficeStore, path: Path) -> None:
        self._connection = vars(office)["_db"].connection
        self._path = path
        self.acts: list[tuple[str, State, State]] = []  # by name, before it and once it was acknowledged
        self.left: dict[bytes, tuple[int, str, list[bytes]]] = {}  # files, in which act, before what
        self.statements = 0

    def act(self, name: str, act: Callable[[], object]) -> None:
        """Do it; when it returns, it was acknowledged."""
        before = state_of(self._connection)
        self._connection.set_trace_callback(self._look)
        try:
            act()
            self._look("the answer")
        finally:
            self._connection.set_trace_callback(None)
        self.acts.append((name, before, state_of(self._connection)))

    def _look(self, statement: str) -> None:
        self.statements += 1
        files = [path.read_bytes() for suffix in SUFFIXES if (path := Path(f"{self._path}{suffix}")).exists()]
        self.left.setdefault(b"".join(files), (len(self.acts), statement, files))


def state_of(connection: sqlite3.Connection) -> State:
    """Every row of every table, but when somebody was seen last."""
    found: State = {}
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (name,) in names:
        if not name.startswith(("sqlite_", "_sqlite_")) and "_fts" not in name:
            info = connection.execute(f"PRAGMA table_info({name})").fetchall()
            kept = [row[1] for row in info if row[1] not in NOT_ACTED]
            found[name] = [tuple(row) for row in connection.execute(f"SELECT {', '.join(kept)} FROM {name}")]
    return found


def reopened(folder: Path, files: Sequence[bytes]) -> State:
    """As a start opens what a killed process left."""
    folder.mkdir()
    for suffix, data in zip(SUFFIXES, files, strict=False):
        (folder / f"office.db{suffix}").write_bytes(data)
    office = OfficeStore(folder / "office.db")
    try:
        connection = vars(office)["_db"].connection
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return state_of(connection)
    finally:
        office.close()


def changed(one: State, other: State) -> list[str]:
    return [name for name in one if one[name] != other.get(name)]


def ok(answer: Any) -> Any:
    assert answer.status_code < 400, answer.text
    return answer.get_json(silent=True)


def acts_of(node: LiveNode) -> Iterator[tuple[str, Callable[[], object]]]:
    """What people and other nodes do at the stores of the office, one act after the other."""
    service, office, peers = node.service, node.service.stores.office, node.service.peers
    browser: FlaskClient = node.app.test_client()
    shown = {"Accept": "text/html", "Origin": "http://localhost"}
    made: dict[str, Any] = {}

    def posted(path: str, **order: Any) -> Callable[[], object]:
        return lambda: made.update(ok(node.post_json(path, order)) or {})

    def typed(path: str, **fields: str) -> Callable[[], object]:
        return lambda: ok(browser.post(path, data=fields, headers=shown))

    words = {"passphrase": "a sentence that only she knows", "again": "a sentence that only she knows"}
    yield "an account", posted("/accounts", name="Ada", roles=["reader"])
    yield "an invitation", posted("/accounts/invite", name="Ada")
    yield "a passphrase", typed(f"/welcome/{made['token']}", **words)
    yield "signed in", typed("/sign-in", name="Ada", **words)
    yield "other roles", posted("/accounts/roles", name="Ada", roles=["reader", "admin"])
    yield "ended", posted("/accounts/end", name="Ada")
    yield "a key", posted("/keys", name="plant", scopes=["read"])
    yield "a link", posted("/links", name="visitor", scopes=["read"])

    refused, report = refused_statement(node), from_peers(node)
    yield "an attempt here", lambda: peers._attempts._keep(refused, "X9", int(time.time()))
    yield (
        "one of the other side",
        lambda: peers._attempts._keep(refused_statement(node, MAKER), "X9", int(time.time())),
    )
    yield "an alert handed on to us", lambda: peers._forwarding.take(CN_AUTHORITY, report["alerts"][0])
    alert = node.get_json("/supervision?code=attempted_without_licence")["alerts"][0]["id"]
    for act in ("acknowledge", "reopen", "assign", "note"):
        yield act, posted(f"/supervision/alerts/{alert}", act=act, value="Ada")
    yield "looked", posted("/supervision/looked")
    yield "handed on", posted(f"/supervision/alerts/{alert}", act="forward", value=CN_AUTHORITY, text="x")

    opening = {"accused": MAKER, "text": "its label bears our code", "side": "EU", "alert": alert}
    yield "a case", posted("/supervision/cases", **opening)
    here = f"/supervision/cases/{made['id']}"
    yield "asked", posted(here, act="asked", text="why", whom=MAKER)
    yield "more time", posted(here, act="extended", text="as asked", days=7)
    yield "closed", posted(here, act="closed", text="no proof", outcome="unfounded")
    for said in report["cases"][:3]:
        yield "another's statement", partial(peers._cases.take, CN_AUTHORITY, said)
    letters = vars(peers._cases)["_letters"]
    with office.writing() as db:
        db.execute("UPDATE letters SET at = at - 700000 WHERE path = 'attempts'")
    while office.letters.waiting(1 << 40, 1):
        with office.writing() as db:
            db.execute("UPDATE letters SET due = 0")
        yield "a letter", letters.send
        with office.writing() as db:
            db.execute("UPDATE letters SET at = at - 700000")

    webhooks: Any = vars(service.webhooks)["_webhooks"]
    webhooks.endpoints = (WebhookEndpoint(ENDPOINT, URL, frozenset(TOPICS), SECRET),)
    webhooks._sender = Endpoint()

    def tell() -> None:
        with office.writing() as db:
            webhooks.post(db, "job.ended", "a-job", {})

    yield "a post", tell
    yield "sent", webhooks.round
    with office.writing() as db:
        db.execute("UPDATE webhook_posts SET state = 'dead'")
    yield "again", posted(f"/webhooks/{ENDPOINT}/again")

    model = model_of()
    yield "a model", posted("/models", **model)
    yield "a revoked key", posted("/keys/revoke", name="plant")


def test_a_kill_at_any_write_loses_nothing_and_leaves_nothing_half(
    node: LiveNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever statement a kill comes before, what was acknowledged is there, and of the act under way all of it
    or nothing.
    """
    monkeypatch.setattr("node.oversight.letters.SENT_AT_ONCE", 1)  # each letter is an act of its own
    watched = Watched(node.service.stores.office, node.data / "office.db")
    for name, act in acts_of(node):
        watched.act(name, act)

    half = []
    for number, (act_number, statement, files) in enumerate(watched.left.values()):
        found = reopened(tmp_path / str(number), files)
        name, before, after = watched.acts[act_number]
        if found not in (before, after):
            half.append((name, statement[:90], changed(found, before), changed(found, after)))
    assert half == []
    assert len(watched.left) >= len(watched.acts)
