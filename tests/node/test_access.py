"""Who may: scopes never widen, keys and sessions have names and ends, and the audit knows who did what."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

import pytest
from flask.testing import FlaskClient

from node.api import create_app, door_of
from node.api.access import cookie_name, known_as
from node.config import DataDirectory
from node.errors import ProblemError, SetupError
from node.server.hosts import Hosts
from node.setup import network, standalone
from node.setup.wiring import open_service
from node.use_cases import access as keys
from node.use_cases.access import AT_THE_MACHINE, end_operators_key, page_scopes
from node.web.sample import sample_claims
from tests.harness.command_line import Done, here
from tests.harness.support_service import CODE, DID, PASSPHRASE, ROLES, LiveNode, live_node, manifest
from tests.node.test_http import answer, closed, serving

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
T = TypeVar("T")
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("access")) as made:
        yield made


def bearer(node: LiveNode, name: str, *scopes: str) -> dict[str, str]:
    key = node.service.access.grant(AT_THE_MACHINE, name, scopes)["key"]
    return {"Authorization": f"Bearer {key}"}


def audit(node: LiveNode) -> list[tuple[str, str]]:
    return [(act["who"], act["did"]) for act in node.get_json("/operations/audit")["audit"]]


def whole_audit(node: LiveNode) -> list[tuple[str, str, str]]:
    return [(row.who, row.did, row.about) for row in node.service.stores.office.audit.page(10_000, None)]


def guest(node: LiveNode, **order: Any) -> FlaskClient:
    made: FlaskClient = node.app.test_client()
    link = node.post_json("/links", order).get_json()
    assert made.get(link["path"]).status_code == 303
    return made


@pytest.mark.parametrize("scope", ["issue", "verify", "clear", "govern", "read"])
def test_whoever_operates_passes_on_only_what_he_holds(node: LiveNode, scope: str) -> None:
    """
    A key with the scope operate makes neither a link nor a key with a scope that it has not itself.
    """
    key = bearer(node, f"operates, and not {scope}", "operate")

    for address, order in (
        ("/links", {"scopes": [scope]}),
        ("/links", {"scopes": ["operate", scope]}),
        ("/keys", {"name": f"wider by {scope}", "scopes": [scope]}),
    ):
        answer = node.client.post(address, json=order, headers=key)
        assert answer.status_code == 403 and answer.get_json()["code"] == "scope_not_held", answer.text

    assert node.client.post("/links", json={}, headers=key).status_code == 403  # the pages' scopes: none held
    assert node.client.post("/links", json={"scopes": ["operate"]}, headers=key).status_code == 201


def test_scopes_do_not_widen_over_steps(node: LiveNode) -> None:
    """
    A key made by a key, and a link made by that, open nothing that the first did not.
    """
    first = bearer(node, "first of a chain", "operate", "read")
    second = node.client.post(
        "/keys", json={"name": "second", "scopes": ["operate"]}, headers=first
    ).get_json()
    headers = {"Authorization": f"Bearer {second['key']}"}

    assert node.client.post("/links", json={"scopes": ["read"]}, headers=headers).status_code == 403
    assert node.client.get("/log/entries", headers=headers).status_code == 200  # operate reads the log


def test_a_revoked_key_opens_nothing_any_more(node: LiveNode) -> None:
    """
    Revoking ends the key, the sessions its links opened and its unused links, at once; the list says so.
    """
    key = bearer(node, "to be revoked", "operate", "read", "clear")
    used = node.client.post("/links", json={"name": "Ana"}, headers=key).get_json()["path"]
    unused = node.client.post("/links", json={"name": "Bo"}, headers=key).get_json()["path"]
    ana = node.app.test_client()
    ana.get(used)
    assert ana.get("/consignments").status_code == 200

    told = node.post_json("/keys/revoke", {"name": "to be revoked"}).get_json()

    assert told == {"name": "to be revoked", "keys": 1, "sessions": 1}
    assert node.client.get("/consignments", headers=key).status_code == 401
    assert ana.get("/consignments").status_code == 401
    assert node.app.test_client().get(unused).status_code == 403
    rows = {row["name"]: row for row in node.get_json("/keys")["keys"]}
    assert rows["to be revoked"]["revoked"] and "key" not in rows["to be revoked"]
    assert node.post_json("/keys/revoke", {"name": "to be revoked"}).status_code == 404


def test_two_keys_in_use_never_have_one_name(node: LiveNode) -> None:
    """
    A name in use, and the operator's own, are not given again: the audit would not know them apart.
    """
    bearer(node, "only one", "read")
    for name in ("only one", "operator"):
        answer = node.post_json("/keys", {"name": name, "scopes": ["read"]})
        assert answer.status_code == 409, answer.text

    node.post_json("/keys/revoke", {"name": "only one"})
    assert node.post_json("/keys", {"name": "only one", "scopes": ["read"]}).status_code == 201


def test_nobody_lets_in_more_than_its_share(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Keys that are in use, and links and sessions that are open, are bounded for each maker: one more is
    refused in a sentence, and made once one has ended. Links that were made open their sessions, and others
    find their shares free.
    """
    shown, other = (bearer(node, name, "operate", "read") for name in ("lets many in", "lets few in"))
    monkeypatch.setattr(keys, "KEYS_PER_MAKER_MAX", 2)
    monkeypatch.setattr(keys, "LET_IN_PER_MAKER_MAX", 2)

    def make(headers: dict[str, str], path: str, name: str) -> Any:
        order = {"name": name, "scopes": ["read"]}
        return node.client.post(path, json=order, headers=headers)

    for path, code in (("/keys", "too_many_keys"), ("/links", "too_many_links")):
        made = [make(shown, path, f"{path} {number}") for number in range(3)]
        assert [one.status_code for one in made[:2]] == [201, 201]
        refused = made[2].get_json()
        assert (refused["code"], refused["detail"].partition(" of yours")[0][:1]) == (code, "2")
        assert make(other, path, f"of another {path}").status_code == 201
        if path == "/links":
            assert node.app.test_client().get(made[0].get_json()["path"]).status_code == 303
            assert make(shown, path, f"{path} 2").get_json()["code"] == code, "the session counts on"
        node.post_json("/keys/revoke", {"name": f"{path} 0"})
        assert make(shown, path, f"{path} 2").status_code == 201


def test_keys_that_are_made_and_revoked_without_end_take_no_room(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of each share the keys that were revoked last are listed, a bounded number; those of others stay, and the
    audit has them all.
    """
    shown, other = (bearer(node, name, "operate", "read") for name in ("makes and ends", "made and ended"))
    monkeypatch.setattr(keys, "KEYS_PER_MAKER_MAX", 2)

    def made_and_revoked(headers: dict[str, str], name: str) -> None:
        order = {"name": name, "scopes": ["read"]}
        assert node.client.post("/keys", json=order, headers=headers).status_code == 201
        assert node.post_json("/keys/revoke", {"name": name}).status_code == 200

    made_and_revoked(other, "of another, over")
    for number in range(6):
        made_and_revoked(shown, f"over {number}")
    names = [key["name"] for key in node.service.access.listing()]

    ended = {"of another, over", *(f"over {number}" for number in range(6))}
    assert [name for name in names if name in ended] == ["of another, over", "over 3", "over 4", "over 5"]
    assert {about.partition(":")[0] for who, did, about in whole_audit(node) if did == "key.revoked"} >= {
        f"over {number}" for number in range(6)
    }


def test_whom_a_guest_lets_in_shares_what_the_guest_has(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of a key with `operate`, its link, the link of that session and the key that this one grants: at threads,
    places and streams, for lines that wait and for who is let in they are one client; whom the operator lets
    in is another. The audit names each.
    """
    first = bearer(node, "first of many", "operate", "read", "clear")
    order = {"scopes": ["operate", "read", "clear"]}
    made = node.client.post("/keys", json={"name": "second of many", **order}, headers=first).get_json()
    second = {"Authorization": f"Bearer {made['key']}"}
    link = node.client.post("/links", json={"name": "third of many", **order}, headers=second).get_json()
    entered = node.app.test_client().get(link["path"])
    cookie = entered.headers["Set-Cookie"].partition(";")[0]
    other = bearer(node, "of the operator", "read", "clear")

    keys_shown = [headers["Authorization"] for headers in (first, second, other)]
    known = [known_as(node.service, shown, None) for shown in keys_shown]
    assert len({*known[:2], known_as(node.service, None, cookie)}) == 1
    assert known[2] not in known[:2] and None not in known

    monkeypatch.setattr(keys, "LET_IN_PER_MAKER_MAX", 2)
    again = {"name": "fourth of many", "scopes": ["read"]}
    assert node.client.post("/links", json=again, headers=second).status_code == 201
    refused = node.client.post("/links", json={**again, "name": "fifth"}, headers=first)
    assert refused.get_json()["code"] == "too_many_links"

    sent = node.client.post(
        "/consignments", json={**manifest(), "declaration": "26NLTEST000077"}, headers=second
    ).get_json()
    row = node.service.stores.office.consignments.get(sent["id"])
    assert row is not None and row.client == "first of many"
    assert ("second of many", "consignment.sent") in audit(node)


@pytest.mark.parametrize(
    "name",
    [
        "operator",
        "Operator",
        "ｏｐｅｒａｔｏｒ",
        "operator at the  machine",
        "a peer",
        "anybody",
        "this node",
    ],
)
def test_nobody_acts_under_a_name_of_this_node(node: LiveNode, name: str) -> None:
    """
    Neither a key nor a session is called as the operator or as what needs no key: the audit would lie.
    """
    shown = bearer(node, f"deputy against {name}", "operate", "read")
    for path, order in (("/keys", {"name": name, "scopes": ["read"]}), ("/links", {"name": name})):
        answer = node.client.post(path, json=order, headers=shown)

        assert answer.status_code == 409, (path, answer.text)


def test_nobody_acts_under_the_name_of_somebody_else(node: LiveNode) -> None:
    """
    Who may make links and keys makes none in the name of another's key, session or link; the operator does,
    for the people that he knows, and everybody in his own name.
    """
    shown = bearer(node, "Mallory", "operate", "read")
    bearer(node, "Ana", "read")
    guest(node, name="Bo")
    node.post_json("/links", {"name": "Chen"})
    for name in ("Ana", "Bo", "Chen"):
        linked = node.client.post("/links", json={"name": name, "scopes": ["read"]}, headers=shown)
        keyed = node.client.post("/keys", json={"name": name, "scopes": ["read"]}, headers=shown)
        assert (linked.status_code, keyed.status_code) == (409, 409), name

    for name in ("Mallory", "Dora"):
        for _ in range(2):
            own = node.client.post("/links", json={"name": name, "scopes": ["read"]}, headers=shown)
            assert own.status_code == 201, own.text
    for name in ("Ana", "Bo", "Dora"):
        assert node.post_json("/links", {"name": name}).status_code == 201


def test_signing_out_ends_the_session(node: LiveNode) -> None:
    """
    After signing out the cookie is gone from the browser, and a copy of it opens nothing.
    """
    person = guest(node, name="Chen")
    cookie = person.get_cookie(f"comity_{node.service.port}")
    assert cookie is not None
    assert "Chen" in person.get("/", headers=BROWSER).text

    assert person.post("/leave", headers=BROWSER, content_type=FORM).status_code == 303

    assert person.get_cookie(f"comity_{node.service.port}") is None
    thief = node.app.test_client()
    thief.set_cookie(f"comity_{node.service.port}", cookie.value)
    assert thief.get("/consignments").status_code == 401
    assert ("Chen", "session.ended") in audit(node)


def test_the_audit_names_who_did_what(node: LiveNode) -> None:
    """
    Issuing, sending a manifest and making keys stand in the audit with the name of the key or session.
    """
    key = bearer(node, "the line's IT", "issue", "read")
    made = node.client.post(
        "/passports", json={"code": CODE, "claims": sample_claims(node.service, CODE)}, headers=key
    )
    assert made.status_code == 201
    officer = guest(node, name="officer Diaz")
    form = {"manifest": node.app.json.dumps(manifest())}
    assert officer.post("/consignments", data=form, headers=BROWSER).status_code == 303

    acts = audit(node)
    assert ("the line's IT", "passport.published") in acts
    assert ("officer Diaz", "consignment.sent") in acts
    assert ("officer Diaz", "session.opened") in acts
    assert ("operator", "link.made") in acts
    assert (AT_THE_MACHINE.name, "key.granted") in acts


def test_the_audit_is_only_added_to(node: LiveNode) -> None:
    """
    The database itself refuses to change or delete what stands in the audit.
    """
    with closing(sqlite3.connect(node.data / "office.db")) as db, db:
        for statement in ("UPDATE audit SET who = 'nobody'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                db.execute(statement)
    db.close()


@pytest.mark.parametrize("role", ROLES)
def test_a_default_link_leads_to_no_refusal(node: LiveNode, role: str) -> None:
    """
    What a role's default link opens shows no page, and no link or form on a page, that answers it with 403.
    """
    person = node.app.test_client()
    token = node.service.access.open_link(AT_THE_MACHINE, page_scopes((role,)), "/")
    person.get(f"/enter/{token}")
    doors = {"manufacturer": "/manufacturer", "importer": "/importer", "customs": "/customs"}
    todo, seen = ["/", doors.get(role, "/status")], set[str]()
    while todo:
        page = todo.pop()
        if page in seen or len(seen) > 60:
            continue
        seen.add(page)
        answer = person.get(page, headers=BROWSER)
        assert answer.status_code != 403, f"{page} refuses a default link of {role}"
        if answer.mimetype != "text/html":  # a file to be had there
            continue
        todo += [
            link
            for link in re.findall(r'href="(/[^"#]*)"', answer.text)
            if not link.startswith("/static/") and link not in set(doors.values()) - {doors.get(role)}
        ]
        for action in re.findall(r'<form[^>]* method="post"[^>]* action="(/[^"]*)"', answer.text):
            if action != "/leave":
                assert person.post(action, headers=BROWSER, content_type=FORM).status_code != 403, action


def test_a_link_to_a_page_that_it_does_not_open_is_refused_when_it_is_made(node: LiveNode) -> None:
    """
    A link whose scopes do not suffice for its page, or whose page is not there, is refused with a 400.
    """
    answer = node.post_json("/links", {"scopes": ["read"], "next": "/passports/new"})
    assert answer.status_code == 400 and "needs the scope issue" in answer.get_json()["detail"]

    answer = node.post_json("/links", {"next": "/no/such/page"})
    assert answer.status_code == 400 and answer.get_json()["code"] == "no_such_page"


def test_the_command_line_lists_and_revokes(node: LiveNode) -> None:
    """
    `comity keys list` shows keys and sessions with names, `comity keys revoke` ends them while the node runs.
    """
    key = bearer(node, "by the command line", "read", "clear")
    guest(node, name="Eve")

    def run(*words: str) -> str:
        done = here("keys", *words, "--data", node.data)
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = run("list")
    assert "by the command line  clear, read" in listed
    assert "session Eve" in listed and "link made by operator" in listed
    assert "revoked: 1 key(s)" in run("revoke", "by the command line")
    assert node.client.get("/consignments", headers=key).status_code == 401
    assert "revoked 20" in run("list")


HEADERS = ("Authorization", "Cookie", "Expect", "Accept", "Accept-Language", "Content-Type", "Origin", "Host")


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", [b"\xff", b"Bearer \xe9", b"a=\xe9; b=c", b"a=\xe7\x94\xb5"])
def test_bytes_beyond_ascii_in_a_header_are_no_error_of_ours(node: LiveNode, name: str, value: bytes) -> None:
    """
    Over the wire: whatever bytes a header of anybody has, the request is answered, or refused as theirs.
    """
    cookie = cookie_name(node.service).encode()
    value = value.replace(b"a=", cookie + b"=")
    host = b"" if name == "Host" else b"Host: localhost\r\n"
    with serving(node.app, door=door_of(node.service)) as address:
        for path in (b"/keys", b"/status", b"/consignments/x/events"):
            head = b"GET %s HTTP/1.1\r\n%s%s: %s\r\n" % (path, host, name.encode(), value)
            told = answer(address, head + b"Connection: close\r\n\r\n")
            assert told[9:10] in (b"2", b"4"), told


def long_manifest() -> dict[str, Any]:
    """Lines that take some seconds to judge."""
    line = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    lines = [{"line": number, "battery": f"{CODE[:-7]}{number:07d}", **line} for number in range(1, 4001)]
    return {**manifest(), "declaration": "26NLTEST000009", "lines": lines}


@pytest.mark.parametrize("by", ["key", "session", "signing out"])
def test_a_stream_ends_with_the_key_that_opened_it(node: LiveNode, by: str) -> None:
    """
    Revoked or signed out while a stream of events is open: it ends within a second, though work goes on.
    """
    name, cookie = f"stream by {by}", ""
    made = node.post_json("/consignments", long_manifest()).get_json()["id"]
    if by == "key":
        shown = "Authorization: " + bearer(node, name, "read")["Authorization"]
    else:
        token = node.post_json("/links", {"name": name, "scopes": ["read"]}).get_json()["token"]
        cookie = node.service.access.enter(token).cookie or ""
        shown = f"Cookie: {cookie_name(node.service)}={cookie}"
    asked = (
        f"GET /consignments/{made}/events HTTP/1.1\r\nHost: localhost\r\n{shown}\r\nConnection: close\r\n\r\n"
    )
    with (
        serving(node.app, door=door_of(node.service)) as address,
        socket.create_connection(address, timeout=60) as stream,
    ):
        stream.sendall(asked.encode())
        assert stream.recv(1 << 16).startswith(b"HTTP/1.1 200")

        if by == "signing out":
            node.service.access.leave(cookie)
        else:
            node.service.access.revoke(AT_THE_MACHINE, name)

        assert closed(stream, 2)
        assert node.get_json(f"/consignments/{made}?limit=0")["done"] < 4000, "it was at work still"
        assert answer(address, asked.encode())[9:12] == b"401"


def test_a_connection_is_a_strangers_once_its_key_has_ended(node: LiveNode) -> None:
    """
    What a key proved on a kept connection ends with the key: it has no place of those who hold one.
    """
    shown = bearer(node, "kept", "read")["Authorization"]
    asked: list[str | None] = []
    door = door_of(node.service)

    def knows(authorization: str | None, cookie: str | None) -> str | None:
        asked.append(authorization)
        return door.knows(authorization, cookie)

    with serving(node.app, door=replace(door, knows=knows)) as address:
        connection = HTTPConnection(*address, timeout=60)

        def status() -> int:
            connection.request("GET", "/log/entries", headers={"Authorization": shown})
            answered = connection.getresponse()
            answered.read()
            return answered.status

        assert [status(), status()] == [200, 200]
        assert len(asked) == 1, "proven once for a connection"
        node.service.access.revoke(AT_THE_MACHINE, "kept")
        assert [status(), status()] == [401, 401]
        connection.close()

    assert len(asked) == 2, "and asked about again once it has ended"


def test_a_key_that_is_revoked_while_a_body_comes_in_takes_nothing_over(node: LiveNode) -> None:
    """
    Who may is asked when the whole request is there: half a manifest of a key that is revoked then is a 401.
    """
    shown = bearer(node, "half way", "clear")["Authorization"]
    body = json.dumps({**manifest(), "declaration": "26NLTEST000010"}).encode()
    head = (
        f"POST /consignments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: {shown}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    before = len(node.get_json("/consignments")["consignments"])
    with (
        serving(node.app, door=door_of(node.service)) as address,
        socket.create_connection(address, timeout=60) as connection,
    ):
        connection.sendall(head.encode() + body[:-9])
        time.sleep(0.2)
        node.service.access.revoke(AT_THE_MACHINE, "half way")
        connection.sendall(body[-9:])
        told = connection.recv(1 << 16)

    assert told.startswith(b"HTTP/1.1 401")
    assert len(node.get_json("/consignments")["consignments"]) == before


def test_a_cookie_of_somebody_else_on_this_host_does_not_hide_ours(node: LiveNode) -> None:
    """
    A cookie in another coding beside it: the session is found.
    """
    token = node.post_json("/links", {"name": "Eve"}).get_json()["token"]
    cookie = node.service.access.enter(token).cookie or ""
    theirs = b"Cookie: theirs=\xe9\xff; %s=%s\r\n" % (cookie_name(node.service).encode(), cookie.encode())
    with serving(node.app, door=door_of(node.service)) as address:
        told = answer(
            address, b"GET /passports HTTP/1.1\r\nHost: localhost\r\n" + theirs + b"Connection: close\r\n\r\n"
        )

    assert told[9:12] == b"200", told[:300]


def test_pages_behind_a_proxy_that_ends_tls_are_of_its_https_address(node: LiveNode) -> None:
    """
    By public_url the node knows that browsers see it by HTTPS: links lead there, the cookie is Secure, and a
    form comes from there and from nowhere else.
    """
    hosts = Hosts.of(DID, None, ("https://node.example",))
    client = create_app(replace(node.service, hosts=hosts)).test_client(use_cookies=False)
    host = {"Host": "node.example"}
    link = client.post("/links", json={}, headers={**node.bearer, **host}).get_json()
    entered = client.get(link["path"], headers=host)
    cookie = entered.headers["Set-Cookie"]

    def sent(origin: str) -> int:
        form = {**host, "Cookie": cookie.partition(";")[0], "Origin": origin, "Accept": "text/html"}
        return client.post(
            "/consignments", data={"manifest": json.dumps(manifest())}, headers=form
        ).status_code

    assert link["url"].startswith("https://node.example/enter/")
    assert "; Secure" in cookie
    assert sent("https://node.example") == 303
    for foreign in ("http://node.example", "https://node.example:8443", "https://evil.example", "null"):
        assert sent(foreign) == 403


def test_what_a_client_may_ask_is_told_without_a_body(node: LiveNode) -> None:
    """
    OPTIONS of an address that takes a body needs none itself.
    """
    told = node.client.options("/clearance", headers=node.bearer)

    assert told.status_code == 200 and "POST" in told.headers["Allow"]


# -- a new data directory --------------------------------------------------------------------------------


def new_directory(root: Path, passphrase: str = PASSPHRASE) -> DataDirectory:
    directory = DataDirectory(root)
    network.init(
        directory,
        did="did:web:new.example",
        name="New Ltd (invented)",
        jurisdiction="EU",
        roles=("importer",),
        validator=True,
        passphrase=passphrase,
    )
    return directory


def open_to_others(root: Path) -> list[str]:
    return [
        str(path.relative_to(root))
        for path in (root, *root.rglob("*"))
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]


def test_a_data_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    """
    Made in a directory that was open to all: afterwards no file and no folder in it is, founded, joined, run.
    """
    root = tmp_path / "data"
    root.mkdir(mode=0o755)
    directory = new_directory(root)
    assert open_to_others(root) == []

    alone = DataDirectory(tmp_path / "alone")
    words = standalone.found(alone, "http://localhost:1", None)
    service = open_service(alone, words, 0)
    service.start()
    service.stop()

    assert open_to_others(alone.root) == []
    assert directory.root.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("words", ["a", "aaaaaaaaaaaaaaaaaaaa", "short one", "121212121212121212"])
def test_a_weak_passphrase_is_refused_before_anything_is_made(tmp_path: Path, words: str) -> None:
    """
    One character, or few different ones, are refused with a sentence that says what is asked.
    """
    with pytest.raises(SetupError, match="at least 12 characters, 6 of them different"):
        new_directory(tmp_path / "data", words)

    assert not (tmp_path / "data").exists()


def test_keys_are_never_locked_under_a_weak_passphrase(tmp_path: Path) -> None:
    """
    Not when the passphrase is changed either: the file stays under the old one.
    """
    directory = new_directory(tmp_path / "data")
    (tmp_path / "old").write_text(PASSPHRASE)
    (tmp_path / "new").write_text("aaaaaaaaaaaaaaaaaaaa")
    before = (directory.root / "keys.enc").read_bytes()
    words: list[str | Path] = [
        "--passphrase-file",
        tmp_path / "old",
        "--new-passphrase-file",
        tmp_path / "new",
    ]

    made = here("keys", "passphrase", "--data", directory.root, *words)

    assert made.returncode == 65 and "at least 12 characters, 6 of them different" in made.stderr
    assert (directory.root / "keys.enc").read_bytes() == before


OPERATORS = "renew-operator"


def renew(root: Path, words: str) -> Done:
    """`comity keys renew-operator` with this passphrase."""
    file = root.parent / "words"
    file.write_text(words)
    return here("keys", OPERATORS, "--data", root, "--passphrase-file", file)


@pytest.mark.parametrize("how", ["lost", "seen by somebody", "empty", "a word"])
def test_a_lost_operator_key_is_made_anew(tmp_path: Path, how: str) -> None:
    """
    Whoever has the data directory and its passphrase makes operator.key anew: the old key, and the sessions
    that it opened, end; the audit says so; keys that it granted stay.
    """
    with live_node(tmp_path) as running:
        data = DataDirectory(running.data)
        guest(running, name="Eve")
        granted = running.post_json("/keys", {"name": "line 1", "scopes": ["read"]}).get_json()["key"]
        with data.lock():  # as `comity serve` holds it
            while_it_runs = renew(data.root, PASSPHRASE)
    old = data.operator()
    match how:
        case "lost":
            data.operator_key.unlink()
        case "empty" | "a word":
            data.operator_key.write_text("" if how == "empty" else "operator\n")
    if how != "seen by somebody":
        with pytest.raises(SetupError, match="comity keys renew-operator --data"):
            data.operator()

    done = renew(data.root, PASSPHRASE)
    service = open_service(data, PASSPHRASE, 0)
    try:
        client = create_app(service).test_client()

        def asks(key: str, path: str) -> int:
            return client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code

        assert while_it_runs.returncode == 65 and "in use by a running node" in while_it_runs.stderr
        assert done.returncode == 0 and "session(s) ended" in done.stdout, done.stderr
        assert data.operator_key.stat().st_mode & 0o777 == 0o600
        assert (asks(old, "/keys"), asks(data.operator(), "/keys"), asks(granted, "/status")) == (
            401,
            200,
            200,
        )
        assert service.access.sessions() == []
        assert [key["name"] for key in service.access.listing() if key["revoked"] is None] == ["line 1"]
        newest = service.operations.audit(1, None)[0]
        assert (newest["who"], newest["did"]) == ("operator at the machine", "operator.renewed")
    finally:
        service.stop()


def test_an_operator_key_is_not_made_without_the_passphrase(tmp_path: Path) -> None:
    """
    Another passphrase, or a folder that is no data directory: nothing is made, nothing ends.
    """
    directory = new_directory(tmp_path / "data")
    before = directory.operator()

    refused = renew(directory.root, "another sentence of words")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    nowhere = renew(elsewhere, PASSPHRASE)

    assert refused.returncode == 65 and "the passphrase does not open" in refused.stderr
    assert directory.operator() == before and not directory.office.exists()
    assert nowhere.returncode == 65 and list(elsewhere.iterdir()) == []


def test_an_open_node_says_that_it_is_open(tmp_path: Path) -> None:
    """
    In /readyz, in the status and on every page; a node that is not open says nothing of the kind.
    """
    alone = DataDirectory(tmp_path / "alone")
    words = standalone.found(alone, "http://localhost:1", None)
    for open_api in (True, False):
        service = open_service(alone, words, 0, open_api=open_api)
        service.start()
        try:
            client = create_app(service).test_client()
            assert client.get("/status").get_json()["open_api"] is open_api
            codes = [told["code"] for told in client.get("/readyz").get_json()["conditions"]]
            assert ("open_api" in codes) is open_api
            for page in ("/", "/status"):
                assert ("This node is open" in client.get(page, headers=BROWSER).text) is open_api, page
        finally:
            service.stop()


def test_names_are_required_to_be_names(node: LiveNode) -> None:
    """
    Control characters, blanks alone and novels are no names.
    """
    for name in ("", " ", "a\nb", "x" * 101, "Eve ", "Eve\u200b", "\u202eeve", "Eve\u00a0x"):
        with pytest.raises(ProblemError, match="a key has a name"):
            node.service.access.grant(AT_THE_MACHINE, name, ("read",))


def test_the_old_operators_sessions_end_with_its_key(tmp_path: Path) -> None:
    """
    Before operator.key is made anew: who came in by its links is out, and the audit says when and how many.
    """
    with live_node(tmp_path) as running:
        before, eve = int(time.time()), guest(running, name="Eve")

        ended = end_operators_key(running.service.stores.office)

        newest = running.service.operations.audit(1, None)[0]
        assert ended == 2  # Eve, and the person of the node
        assert eve.get("/passports", headers=BROWSER).status_code == 401
        assert (newest["did"], newest["about"]) == ("operator.renewed", "2 sessions ended")
        assert before <= newest["at"] <= time.time()


def test_a_session_is_found_in_whichever_line_its_cookie_came(node: LiveNode) -> None:
    """
    A proxy may send cookies in lines of their own: they are one list (RFC 9113, 8.2.3).
    """
    token = node.post_json("/links", {"name": "Eve"}).get_json()["token"]
    cookie = node.service.access.enter(token).cookie or ""
    lines = f"Cookie: theirs=1\r\nCookie: {cookie_name(node.service)}={cookie}\r\n"
    with serving(node.app, door=door_of(node.service)) as address:
        told = answer(
            address,
            f"GET /passports HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n".encode(),
        )

    assert told[9:12] == b"200", told[:300]


def test_streams_are_counted_by_the_key_however_it_is_written(node: LiveNode) -> None:
    """
    Whoever holds one key follows as many streams as one client may, whatever stands beside it; the others of
    this node find theirs free.
    """
    key, other = (
        node.post_json("/keys", {"name": name, "scopes": ["clear"]}).get_json()["key"]
        for name in ("s1", "s2")
    )
    judging, held = node.service.judging, threading.Event()
    proper, judging.turn = judging.turn, lambda: held.wait(0.05)  # type: ignore[method-assign, assignment]
    spellings = [f"Bearer {key}", f"bearer {key}", f"BEARER  {key}", f"Bearer {key} ", f"bEARER   {key}"]
    try:
        made = node.post_json("/consignments", manifest() | {"declaration": "26NLSTREAMS"}).get_json()["id"]
        with serving(node.app, door=door_of(node.service)) as address, ExitStack() as open_ones:

            def begin(credential: str, number: int) -> bytes:
                one = open_ones.enter_context(socket.create_connection(address, timeout=60))
                head = (
                    f"GET /consignments/{made}/events HTTP/1.1\r\nHost: localhost\r\nCookie: a={number}\r\n"
                )
                one.sendall(f"{head}Authorization: {credential}\r\n\r\n".encode())
                return one.recv(12)[-3:]

            assert [begin(said, number) for number, said in enumerate(spellings)] == [b"200"] * 4 + [b"503"]
            assert begin(f"Bearer {other}", 9) == b"200"
    finally:
        judging.turn = proper  # type: ignore[method-assign]
        held.set()


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What each of these returns, begun together on threads of their own."""
    together = threading.Barrier(len(calls))

    def begun(call: Callable[[], T]) -> T:
        together.wait(60)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(begun, calls))


class Browser:
    """A client of its own on a socket of its own, with a key or the cookie that it was given."""

    def __init__(self, address: tuple[str, int], headers: dict[str, str] | None = None) -> None:
        self.address, self.headers = address, headers or {}

    def ask(self, path: str, order: Any = None) -> int:
        """The status of the answer; a cookie that comes with it is shown from now on."""
        connection = HTTPConnection(*self.address, timeout=60)
        try:
            sent = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin", **self.headers}
            body = None if order is None else json.dumps(order)
            connection.request("GET" if order is None else "POST", path, body, sent)
            answered = connection.getresponse()
            answered.read()
            given = answered.getheader("Set-Cookie")
            if given is not None and order is None:
                self.headers = {"Cookie": given.partition(";")[0]}
            return answered.status
        finally:
            connection.close()


def acts(node: LiveNode, did: str, who: str) -> int:
    return audit(node).count((who, did))


def test_what_is_done_at_once_is_done_once_and_to_nobody_else(node: LiveNode) -> None:
    """
    One link that several open at once lets one in; links of one key that are opened at once are as many
    sessions, of which one that signs out, twice at once, ends no other; of two who revoke at once one is told
    that there is nothing left. The audit has each once, under the name of who did it.
    """
    makers = [bearer(node, name, "operate", "read") for name in ("at once", "beside")]

    def link(maker: dict[str, str], name: str) -> str:
        path: str = node.client.post("/links", json={"name": name}, headers=maker).get_json()["path"]
        return path

    with serving(node.app, door=door_of(node.service)) as address:
        one = link(makers[0], "one of four")
        four = [Browser(address) for _ in range(4)]
        assert sorted(at_once(*[partial(each.ask, one) for each in four])) == [303, 403, 403, 403]
        assert sorted(each.ask("/log/entries") for each in four) == [200, 401, 401, 401]
        assert acts(node, "session.opened", "one of four") == 1

        names = ["Ana at once", "Bo at once", "Cy beside", "Di beside"]
        paths = [link(makers[n // 2], name) for n, name in enumerate(names)]
        people = [Browser(address) for _ in names]
        entering = [partial(each.ask, path) for each, path in zip(people, paths, strict=True)]
        assert at_once(*entering) == [303] * 4
        ana, bo, *beside = people
        leaving = partial(ana.ask, "/leave", {})
        *left, stays = at_once(leaving, leaving, partial(bo.ask, "/log/entries"))
        assert 303 in left and {303, 401}.issuperset(left) and stays == 200
        assert [each.ask("/log/entries") for each in people] == [401, 200, 200, 200]
        assert [acts(node, "session.ended", name) for name in names] == [1, 0, 0, 0]

        more = link(makers[1], "El beside")
        late = Browser(address)
        revoking = partial(Browser(address, node.bearer).ask, "/keys/revoke", {"name": "at once"})
        assert sorted(at_once(revoking, revoking, partial(late.ask, more))) == [200, 303, 404]
        assert bo.ask("/log/entries") == 401
        assert [each.ask("/log/entries") for each in (*beside, late)] == [200] * 3
        told = [act for act in node.get_json("/operations/audit")["audit"] if act["did"] == "key.revoked"]
        assert [act["who"] for act in told if act["about"].startswith("at once:")] == ["operator"]


def test_who_signs_out_twice_at_once_signed_out_once(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Two requests to sign out find the session open, and wait for the same file: the audit has one end of it.
    """
    access, office = node.service.access, node.service.stores.office
    cookie = access.enter(access.open_link(AT_THE_MACHINE, ("read",), name="Gil twice")).cookie
    found, proper = threading.Semaphore(0), office.access.session

    def looked_up(*given: Any) -> Any:
        row = proper(*given)
        found.release()
        return row

    monkeypatch.setattr(office.access, "session", looked_up)
    with ThreadPoolExecutor(2) as threads:
        with office.writing():
            leaving = [threads.submit(access.leave, str(cookie)) for _ in range(2)]
            assert found.acquire(timeout=60) and found.acquire(timeout=60)
        for each in leaving:
            each.result(60)

    assert acts(node, "session.ended", "Gil twice") == 1


def test_what_leads_back_to_a_revoked_key_ends_with_it(node: LiveNode) -> None:
    """
    A person whom a key let in lets another in, who lets in a third: all of them end with the key, and links
    of theirs that nobody used. Who was let in by somebody else under a name in use stays.
    """
    shown = bearer(node, "root of a chain", "operate", "read")
    people, paths = list[FlaskClient](), list[str]()
    for name in ("Hal", "Ida", "Jon"):
        headers = shown if not people else BROWSER
        maker = people[-1] if people else node.client
        order = {"scopes": ["operate", "read"], "name": f"{name} of the chain"}
        used, unused = (maker.post("/links", json=order, headers=headers).get_json()["path"] for _ in "ab")
        people.append(node.app.test_client())
        paths.append(unused)
        assert people[-1].get(used).status_code == 303
    beside = guest(node, scopes=["operate", "read"], name="Hal of the chain")
    assert [person.get("/log/entries").status_code for person in people] == [200] * 3

    told = node.post_json("/keys/revoke", {"name": "root of a chain"}).get_json()
    assert (told["keys"], told["sessions"]) == (1, 1), (
        "another Hal is in use: whose Ida's link was is not known"
    )
    assert beside.get("/log/entries").status_code == 200
    told = node.post_json("/keys/revoke", {"name": "Hal of the chain"}).get_json()
    assert (told["keys"], told["sessions"]) == (0, 3)
    assert [person.get("/log/entries").status_code for person in (*people, beside)] == [401] * 4
    assert [node.app.test_client().get(path).status_code for path in paths] == [403] * 3


def test_a_revoked_key_is_never_answered_once_its_end_was(node: LiveNode) -> None:
    """
    Requests by key and session go on while their key is revoked: none that began after the revocation was
    answered is anything but a 401; another's all are 200.
    """
    key, other = bearer(node, "ends meanwhile", "operate", "read"), bearer(node, "goes on", "read")
    path = node.client.post("/links", json={"name": "Fe meanwhile"}, headers=key).get_json()["path"]
    revoked, begun = threading.Event(), threading.Semaphore(0)

    with serving(node.app, door=door_of(node.service)) as address:
        session = Browser(address)
        assert session.ask(path) == 303

        def asking(headers: dict[str, str]) -> list[tuple[bool, int]]:
            """(whether it began after the revocation was answered, status) of each, until five did."""
            found: list[tuple[bool, int]] = []
            while [after for after, _ in found].count(True) < 5:
                after = revoked.is_set()
                found.append((after, Browser(address, headers).ask("/log/entries")))
                begun.release()
            return found

        def revoking() -> list[tuple[bool, int]]:
            for _ in range(6):
                assert begun.acquire(timeout=60)
            try:
                status = Browser(address, node.bearer).ask("/keys/revoke", {"name": "ends meanwhile"})
            finally:
                revoked.set()
            return [(True, status)]

        shown = (key, session.headers, other)
        *ended, others, told = at_once(*[partial(asking, headers) for headers in shown], revoking)

    assert told == [(True, 200)]
    assert {status for found in ended for after, status in found if after} == {401}
    assert {status for found in ended for _, status in found} <= {200, 401}
    assert {status for _, status in others} == {200}


DONE = ("key.granted", "key.revoked")


@pytest.mark.parametrize("by", ["key", "session"])
@pytest.mark.parametrize(
    ("path", "made", "order"),
    [
        ("/links", "open_link", {"scopes": ["read"]}),
        ("/keys", "grant", {"scopes": ["read"], "name": "lives on"}),
        ("/keys/revoke", "revoke", {"name": "lives on"}),
    ],
)
def test_a_key_that_is_revoked_meanwhile_does_nothing_to_others(  # noqa: PLR0917 # a table
    path: str, made: str, order: dict[str, Any], by: str, node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A key or session that was in force when its request was let in, and is revoked before it makes a link or
    a key, or ends another's, does none of these: nothing that it began outlives it.
    """
    name = f"passes on {path} by {by}"
    shown = bearer(node, name, "operate", "read")
    person = node.app.test_client()
    if by == "session":
        link = node.client.post("/links", json={"scopes": ["operate", "read"]}, headers=shown).get_json()
        assert person.get(link["path"]).status_code == 303
        shown = {"Sec-Fetch-Site": "same-origin"}
    monkeypatch.setattr(keys, "TOUCH_S", 3600)
    assert person.get("/keys", headers=shown).status_code == 200
    let_in = threading.Event()
    proper = getattr(node.service.access, made)

    def making(*given: Any) -> Any:
        let_in.set()
        return proper(*given)

    monkeypatch.setattr(node.service.access, made, making)
    office = node.service.stores.office
    with ThreadPoolExecutor(1) as threads:
        with office.writing() as db:
            asked = threads.submit(person.post, path, json=order, headers=shown)
            assert let_in.wait(60)
            assert office.access.revoke(db, name, int(time.time())) == (1, by == "session")
        answered = asked.result(60)

    assert (answered.status_code, answered.get_json()["code"]) == (401, "unknown_key")
    audited = {(act["who"], act["did"]) for act in node.get_json("/operations/audit")["audit"]}
    assert not audited & {(who, did) for who in (name, f"guest of {name}") for did in DONE}


def test_a_key_of_any_length_that_is_given_is_looked_up(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    At the door as in the application: of the most characters that are read, and not of one more.
    """
    key = node.operator_key
    assert known_as(node.service, f"Bearer {key}", None) is not None

    monkeypatch.setattr("node.api.access.BEARER_CHARS_MAX", len(key))
    assert known_as(node.service, f"Bearer {key}", None) is not None
    monkeypatch.setattr("node.api.access.BEARER_CHARS_MAX", len(key) - 1)
    assert known_as(node.service, f"Bearer {key}", None) is None


def test_the_audit_leads_to_what_was_before_and_keeps_whom_it_is_about(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A full page has a link to the earlier rows; one that has all has none.
    """
    monkeypatch.setattr("node.api.operations.AUDIT_ROWS", 2)
    page = node.client.get("/operations/audit", headers={**node.bearer, "Accept": "text/html"}).text
    rows = node.get_json("/operations/audit")["audit"]

    assert len(rows) == 2 and f"/operations/audit?before={rows[-1]['number']}" in page
    monkeypatch.setattr("node.api.operations.AUDIT_ROWS", 10_000)
    all_of_them = node.client.get("/operations/audit", headers={**node.bearer, "Accept": "text/html"}).text
    assert "/operations/audit?before=" not in all_of_them
