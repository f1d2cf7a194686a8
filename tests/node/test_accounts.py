"""People: named accounts whose roles never widen, passphrases that are not guessed, sessions that end."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import nacl.pwhash.argon2id
import pytest
from flask.testing import FlaskClient

from node.api.operation_routes import OPERATIONS
from node.errors import ProblemError
from node.use_cases import passphrases
from node.use_cases.access import AT_THE_MACHINE, SCOPES
from node.use_cases.accounts import FIRST_S, Accounts
from node.use_cases.guesses import KEPT_MAX, OF_BOTH, OF_NAME, OF_SUBNET, Guesses
from node.use_cases.roles import person_roles, scopes_of
from node.web.sample import sample_claims
from tests.harness.command_line import here
from tests.harness.support_service import CODE, LiveNode, live_node
from tests.node.test_access import BROWSER, bearer, whole_audit
from tests.node.test_pages import Reader

WORDS = "seven quiet lamps over water"
OTHER = "nine loud bells under snow"


@pytest.fixture(autouse=True)
def _stretched_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """What libsodium is asked to do at least: how much it is, is not what these tests are about."""
    monkeypatch.setattr(passphrases, "OPSLIMIT", nacl.pwhash.argon2id.OPSLIMIT_MIN)
    monkeypatch.setattr(passphrases, "MEMLIMIT_BYTES", nacl.pwhash.argon2id.MEMLIMIT_MIN)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("accounts")) as made:
        yield made


@pytest.fixture(autouse=True)
def _untried(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test guessed leaves the next one as many tries as ever."""
    monkeypatch.setattr(node.service.accounts, "_guesses", Guesses())


def person(node: LiveNode, name: str, *roles: str, words: str = WORDS) -> FlaskClient:
    """Somebody with an account, signed in by the invitation."""
    made = node.service.accounts.add(AT_THE_MACHINE, name, roles)
    browser: FlaskClient = node.app.test_client()
    sent = {"passphrase": words, "again": words}
    answer = browser.post(f"/welcome/{made['token']}", data=sent, headers=BROWSER)
    assert answer.status_code == 303, answer.text[:600]
    return browser


@pytest.fixture(scope="module")
def cas(node: LiveNode) -> FlaskClient:
    """An administrator."""
    return person(node, "Cas", "admin")


def signed_in(node: LiveNode, name: str, words: str = WORDS, **more: str) -> tuple[FlaskClient, Any]:
    browser: FlaskClient = node.app.test_client()
    answer = browser.post("/sign-in", data={"name": name, "passphrase": words, **more}, headers=BROWSER)
    return browser, answer


def test_a_first_start_makes_one_link_for_the_first_administrator_and_no_more(node: LiveNode) -> None:
    """
    While there never was an account each start makes a link; it opens once, the one before it not at all, and
    once there was an account there is none. Its person gives the name and may pass on every scope.
    """
    accounts: Accounts = node.service.accounts
    before, token = accounts.first_link(), accounts.first_link()
    browser = node.app.test_client()
    assert browser.get(f"/welcome/{before}", headers=BROWSER).status_code == 403
    form = browser.get(f"/welcome/{token}", headers=BROWSER)
    assert "first administrator" in form.text and "Set-Cookie" not in form.headers

    sent = {"name": "Ada First", "passphrase": WORDS, "again": WORDS}
    answer = browser.post(f"/welcome/{token}", data=sent, headers=BROWSER)

    assert answer.status_code == 303 and answer.headers["Location"] == "/accounts"
    assert "Ada First" in browser.get("/accounts", headers=BROWSER).text
    (row,) = accounts.listing()
    assert (row["name"], row["roles"], row["scopes"]) == ("Ada First", ["admin"], list(SCOPES))
    assert row["state"] == "active" and row["last_used"] is not None
    assert browser.post(f"/welcome/{token}", data=sent, headers=BROWSER).status_code == 403
    assert accounts.first_link() is None


def test_a_first_link_is_bounded_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    After its hour the first link opens nothing, and nothing was made by it.
    """
    with live_node(tmp_path) as fresh:
        token = fresh.service.accounts.first_link()
        later = time.time() + FIRST_S + 1
        monkeypatch.setattr("node.use_cases.accounts.time.time", lambda: later)
        answer = fresh.app.test_client().get(f"/welcome/{token}", headers=BROWSER)

        assert answer.status_code == 403 and fresh.service.accounts.listing() == []


def test_who_is_invited_chooses_a_passphrase_and_acts_under_the_own_name(node: LiveNode) -> None:
    """
    An invitation opens once; then name and passphrase do. Each act stands in the audit with name and id, a
    signed statement too; the statement itself holds neither.
    """
    first = person(node, "Mia Maker", "maker")
    assert first.get("/passports", headers=BROWSER).status_code == 200
    _, refused = signed_in(node, "Mia Maker", OTHER)
    assert refused.status_code == 403 and "Set-Cookie" not in refused.headers
    browser, answer = signed_in(node, " mia  MAKER ", next="/passports")
    assert answer.status_code == 303 and answer.headers["Location"] == "/passports"

    claims = json.dumps(sample_claims(node.service, CODE))
    made = browser.post("/passports", data={"code": CODE, "claims": claims}, headers=BROWSER)
    assert made.status_code == 303, made.text[:400]

    (account,) = (row for row in node.service.accounts.listing() if row["name"] == "Mia Maker")
    rows = node.service.stores.office.audit.page(50, None)
    issued = [row for row in rows if row.did == "passport.published"]
    assert {(row.who, row.account) for row in issued} == {("Mia Maker", account["account"])}
    (attestation,) = node.get_json(str(made.headers["Location"]))["attestations"][:1]
    shown = browser.get(f"/attestations/{attestation['digest']}", headers=BROWSER).text
    assert "Mia Maker" in shown
    for item in node.service.stores.office.outbox.waiting("outbox", 50):
        assert b"Mia" not in item.data and account["account"].encode() not in item.data
    document = node.client.get(f"/documents/{attestation['document_digest']}", headers=node.bearer)
    assert document.status_code == 200
    assert "Mia" not in document.text and account["account"] not in document.text


def test_no_role_opens_what_its_maker_does_not_hold(node: LiveNode) -> None:
    """
    A key makes accounts of roles whose every scope it holds; nor does it make an invitation into an account
    that may more than itself; nor does a role that is widened later widen an account.
    """
    person(node, "Olga Officer", "customs")
    key = bearer(node, "operates and reads", "operate", "read")

    for order in ({"name": "Wider", "roles": ["customs"]}, {"name": "Wider", "roles": ["reader", "admin"]}):
        answer = node.client.post("/accounts", json=order, headers=key)
        assert answer.status_code == 403 and answer.get_json()["code"] == "scope_not_held", answer.text
    into = node.client.post("/accounts/invite", json={"name": "Olga Officer"}, headers=key)
    assert into.status_code == 403 and into.get_json()["code"] == "scope_not_held"
    reader = node.client.post("/accounts", json={"name": "Rita", "roles": ["reader"]}, headers=key)
    assert reader.status_code == 201, reader.text
    assert (
        node.client.post("/accounts", json={"name": "X", "roles": ["recycler"]}, headers=key).status_code
        == 400
    )

    held = {row["name"]: row["scopes"] for row in node.service.accounts.listing()}
    assert held["Rita"] == ["read"] and held["Olga Officer"] == list(scopes_of(["customs"]))


def test_an_account_holds_the_scopes_that_it_was_made_with(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A release that widens a role widens nobody who has it: a session opens what the account was made with.
    """
    person(node, "Before", "reader")
    rows = dict(person_roles())
    wide = type(rows["reader"])("reader", SCOPES, frozenset(), {"en": "r"}, {"en": "r"})
    monkeypatch.setattr("node.use_cases.accounts.person_roles", lambda: rows | {"reader": wide})
    monkeypatch.setattr("node.use_cases.roles.person_roles", lambda: rows | {"reader": wide})

    browser, answer = signed_in(node, "Before")

    assert answer.status_code == 303
    assert browser.get("/keys", headers=BROWSER).status_code == 403
    assert browser.get("/log/entries", headers=BROWSER).status_code == 200


def test_other_roles_end_the_sessions_and_open_what_they_open(node: LiveNode) -> None:
    """
    What was open before is no more, nor by a session of before; nobody changes the own roles, or those of
    somebody who may more; the audit says which they were.
    """
    person(node, "Wanda Wechsel", "customs")
    browser, _ = signed_in(node, "Wanda Wechsel")
    given = {"name": "Wanda Wechsel", "roles": ["reader"]}

    answer = node.post_json("/accounts/roles", given)

    assert answer.get_json() == {"name": "Wanda Wechsel", "sessions": 2}
    assert browser.get("/consignments", headers=BROWSER).status_code == 401
    again, _ = signed_in(node, "Wanda Wechsel")
    assert again.get("/consignments", headers=BROWSER).status_code == 200
    assert again.get("/columns", headers=BROWSER).status_code == 403
    audit = ("operator", "account.roles", "Wanda Wechsel: customs became reader")
    assert audit in whole_audit(node)

    boss = person(node, "Berta Boss", "admin")
    own = boss.post("/accounts/roles", data={"name": "Berta Boss", "role": "admin"}, headers=BROWSER)
    assert "another administrator does" in unescape(own.text)
    Reader(boss.get("/accounts", headers=BROWSER).text)
    key = bearer(node, "few", "operate", "read")
    order = {"name": "Berta Boss", "roles": ["reader"]}
    narrow = node.client.post("/accounts/roles", json=order, headers=key)
    nobody = node.post_json("/accounts/roles", {"name": "Nobody", "roles": ["reader"]})
    none = node.post_json("/accounts/roles", {"name": "Wanda Wechsel", "roles": []})
    assert [one.status_code for one in (own, narrow, nobody, none)] == [403, 403, 404, 400]
    assert narrow.get_json(force=True)["code"] == "scope_not_held"


def test_an_ended_account_opens_nothing_any_more(node: LiveNode) -> None:
    """
    Its sessions and its invitation end at once, its name is free, and whoever bears it next has another id.
    """
    browser = person(node, "Leo Leaves", "customs")
    again = node.service.accounts.invite(AT_THE_MACHINE, "Leo Leaves")
    former = again["account"]

    told = node.post_json("/accounts/end", {"name": "leo leaves"})

    assert told.status_code == 200 and told.get_json()["sessions"] == 1
    assert browser.get("/consignments", headers=BROWSER).status_code == 401
    assert node.app.test_client().get(f"/welcome/{again['token']}", headers=BROWSER).status_code == 403
    assert signed_in(node, "Leo Leaves")[1].status_code == 403
    assert node.post_json("/accounts/end", {"name": "Leo Leaves"}).status_code == 404
    assert node.service.accounts.add(AT_THE_MACHINE, "Leo Leaves", ("reader",))["account"] != former


@pytest.mark.parametrize("name", ["operator", "this node", "ＯＰＥＲＡＴＯＲ", "kim taken", "Kim  Taken"])
def test_nobody_has_the_name_of_somebody_else(node: LiveNode, name: str) -> None:
    """
    No account is called like another one, a key in use or the node itself; nor is a key or a link called like
    an account, whoever makes it: the audit would not know them apart.
    """
    if node.service.stores.office.accounts.by_name("kim taken") is None:
        node.service.accounts.add(AT_THE_MACHINE, "Kim Taken", ("reader",))
    key = bearer(node, f"key {name}", "read", "operate")

    for address, order in (
        ("/accounts", {"name": name, "roles": ["reader"]}),
        ("/keys", {"name": name, "scopes": ["read"]}),
        ("/links", {"name": name, "scopes": ["read"]}),
    ):
        answer = node.client.post(address, json=order, headers=key)
        assert answer.status_code == 409, (address, answer.text)
    assert node.post_json("/accounts", {"name": f"key {name}", "roles": ["reader"]}).status_code == 409


def test_guessing_is_slow_and_locks_out_the_guesser_alone(node: LiveNode) -> None:
    """
    After five tries from one subnet the next is told to wait, unlooked at, also with the right passphrase;
    another subnet still signs in. A name that nobody has is answered the same at every step.
    """
    person(node, "Gus Guessed", "reader")
    answers: dict[str, list[int]] = {}
    for name in ("Gus Guessed", "Nobody Here"):
        answers[name] = [signed_in(node, name, OTHER)[1].status_code for _ in range(int(OF_BOTH.tries) + 1)]
    assert answers["Gus Guessed"] == answers["Nobody Here"] == [403] * 5 + [429]

    _, right = signed_in(node, "Gus Guessed")
    assert right.status_code == 429 and int(right.headers["Retry-After"]) > 0
    assert "Retry" not in right.text and "try again in" in right.text
    assert node.service.accounts.sign_in("Gus Guessed", WORDS, "192.0.2.7").name == "Gus Guessed"


def test_tries_are_counted_by_name_and_by_subnet_and_come_back() -> None:
    """
    Many names from one subnet, and one name from many, meet a bound of their own; a right one counts nothing;
    what is kept is bounded; and with time tries come back.
    """
    now = [1000.0]
    guesses = Guesses(lambda: now[0])

    assert [guesses.take(f"name {n}", "a") for n in range(int(OF_SUBNET.tries))] == [0] * int(OF_SUBNET.tries)
    assert guesses.take("one more", "a") == OF_SUBNET.each_s
    assert guesses.take("one more", "b") == 0
    now[0] += OF_SUBNET.each_s
    assert guesses.take("one more", "a") == 0
    for n in range(int(OF_NAME.tries)):
        assert guesses.take("wanted", f"subnet {n}") == 0
    assert guesses.take("wanted", "yet another") == OF_NAME.each_s
    for _ in range(50):
        assert guesses.take("knows it", "c") == 0
        guesses.give_back("knows it", "c")
    for n in range(KEPT_MAX):
        guesses.take(f"filler {n}", f"of {n}")
    assert len(guesses._left) == KEPT_MAX


def test_signing_in_fixes_no_session(node: LiveNode) -> None:
    """
    A cookie that somebody put into a browser before is not what it is signed in by, and opens nothing after:
    neither a made-up one nor one of an open session.
    """
    person(node, "Fay Fixed", "reader")
    name = f"comity_{node.service.port}"
    planted, _ = signed_in(node, "Fay Fixed")
    known = planted.get_cookie(name)
    assert known is not None
    for value in ("made-up-by-somebody", known.value):
        victim = node.app.test_client()
        victim.set_cookie(name, value)
        sent = {"name": "Fay Fixed", "passphrase": WORDS}
        answer = victim.post("/sign-in", data=sent, headers=BROWSER)
        assert answer.status_code == 303
        fresh = victim.get_cookie(name)
        assert fresh is not None and fresh.value != value
        assert fresh.http_only and fresh.same_site == "Strict"
        thief = node.app.test_client()
        thief.set_cookie(name, value)
        assert thief.get("/account", headers=BROWSER).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {},
    ],
    ids=["another site", "another origin", "no origin", "nothing said"],
)
def test_no_form_of_another_site_signs_in_or_changes_an_account(
    cas: FlaskClient, headers: dict[str, str]
) -> None:
    """
    Each form of people is taken from a page of this node alone, also those that need no session: nobody is
    signed in as somebody else behind his back.
    """
    sent = {"name": "Cas", "passphrase": WORDS, "role": "reader", "old": WORDS, "again": WORDS}

    for route in OPERATIONS:
        if route.method == "POST" and route.view.__module__ == "node.api.accounts":
            address = route.rule.replace("<token>", "x")
            answer = cas.post(address, data=sent, headers={"Accept": "text/html", **headers})

            assert answer.status_code == 403 and "foreign_origin" in answer.text, address
            assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "wanted",
    [
        *(
            "https://elsewhere.example/",
            "//elsewhere.example",
            "/\\elsewhere.example",
            "\\\\elsewhere.example",
        ),
        *(
            "/%2f%2felsewhere.example",
            "javascript:alert(1)",
            "/no-such-page",
            "/keys",
            "",
            "/\t/elsewhere.example",
        ),
        "/static/../..//elsewhere.example",
    ],
)
def test_signing_in_leads_to_no_other_place(node: LiveNode, wanted: str) -> None:
    """
    Whatever an address asks for, who signs in comes to a page of this node that he may see, or to the start.
    """
    if node.service.stores.office.accounts.by_name("opal") is None:
        person(node, "Opal", "reader")

    _, answer = signed_in(node, "Opal", next=wanted)

    assert answer.status_code == 303 and answer.headers["Location"] == "/"


def test_a_person_sees_and_ends_the_own_sessions_and_nobody_elses(node: LiveNode) -> None:
    """
    The own page lists each session with a mark that opens nothing; one that is ended is over at once. A mark
    of somebody else's is not found, and who operates ends any.
    """
    here_ = person(node, "Sam Sessions", "reader")
    there, _ = signed_in(node, "Sam Sessions")
    other = person(node, "Tom Other", "reader")
    accounts = {row["name"]: row["account"] for row in node.service.accounts.listing()}
    toms = node.service.accounts.sessions(accounts["Tom Other"])[0]["mark"]
    assert here_.post("/account/sessions/end", data={"mark": toms}, headers=BROWSER).status_code == 404
    assert here_.post("/account/sessions/end", data={"x": "y"}, headers=BROWSER).status_code == 404

    marks = re.findall(r'name="mark" value="([0-9a-f]{64})"', here_.get("/account", headers=BROWSER).text)
    assert len(marks) == 2
    name = f"comity_{node.service.port}"
    thief = node.app.test_client()
    thief.set_cookie(name, marks[0])
    assert thief.get("/account", headers=BROWSER).status_code == 401
    assert here_.post("/account/sessions/end", data={"mark": marks[1]}, headers=BROWSER).status_code == 303
    assert there.get("/account", headers=BROWSER).status_code == 401
    assert here_.get("/account", headers=BROWSER).status_code == 200

    admin = person(node, "Sessions Admin", "admin")
    sent = {"account": accounts["Tom Other"], "mark": toms}
    assert admin.post("/accounts/sessions/end", data=sent, headers=BROWSER).status_code == 303
    assert other.get("/account", headers=BROWSER).status_code == 401
    assert ("Sessions Admin", "session.ended", "one of Tom Other") in whole_audit(node)


def test_a_changed_passphrase_ends_every_other_session(node: LiveNode) -> None:
    """
    Who changes it knows the old one, types the new one twice and stays signed in; nobody else does, and the
    old one opens nothing.
    """
    browser = person(node, "Pia Changes", "reader")
    elsewhere, _ = signed_in(node, "Pia Changes")
    for old, new, again, status in (
        (OTHER, OTHER, OTHER, 403),
        (WORDS, OTHER, OTHER + " ", 400),
        (WORDS, "short", "short", 400),
        (WORDS, "pia changes 2026", "pia changes 2026", 400),
        (WORDS, "x" * 257, "x" * 257, 400),
        (WORDS, OTHER, OTHER, 303),
    ):
        sent = {"old": old, "passphrase": new, "again": again}
        answer = browser.post("/account/passphrase", data=sent, headers=BROWSER)
        assert answer.status_code == status, (new, answer.text[:300])

    assert browser.get("/account", headers=BROWSER).status_code == 200
    assert elsewhere.get("/account", headers=BROWSER).status_code == 401
    assert signed_in(node, "Pia Changes")[1].status_code == 403
    assert signed_in(node, "Pia Changes", OTHER)[1].status_code == 303


def test_more_than_a_passphrase_has_opens_nothing(node: LiveNode) -> None:
    """
    What is too long for one is not stretched, and fits nobody's.
    """
    known = passphrases.Passphrases()
    words = "a meadow of slow violet clocks"
    verifier = known.verifier(words, "Kim")

    assert known.fits(verifier, words) and not known.fits(verifier, f"{words}!")
    assert not known.fits(verifier, "x" * (passphrases.CHARS_MAX + 1)) and not known.fits("", words)


def test_passphrases_and_secrets_are_nowhere_in_the_database(node: LiveNode) -> None:
    """
    Of a passphrase there is argon2id's verifier, of an invitation and a session a hash.
    """
    browser = person(node, "Vera Verified", "reader")
    made = node.service.accounts.add(AT_THE_MACHINE, "Vic Waits", ("reader",))
    cookie = browser.get_cookie(f"comity_{node.service.port}")
    assert cookie is not None

    stored = sqlite3.connect(node.data / "office.db")
    text = "\n".join(stored.iterdump())
    stored.close()

    assert "$argon2id$" in text
    for secret in (WORDS, made["token"], cookie.value):
        assert secret not in text


def test_an_administrator_works_by_the_pages(node: LiveNode) -> None:
    """
    The form makes an account and shows its link this once; a form that is refused keeps what was typed; the
    audit is shown by name. A page without a session leads to signing in, and from there back to it.
    """
    admin = person(node, "Page Admin", "admin")
    wrong = admin.post("/accounts", data={"name": "Nora New"}, headers=BROWSER)
    assert wrong.status_code == 400 and 'value="Nora New"' in wrong.text
    Reader(wrong.text)

    made = admin.post(
        "/accounts", data={"name": "Nora New", "role": ["customs", "importer"]}, headers=BROWSER
    )
    assert made.status_code == 200
    link = re.search(r'id="invitation">[^<]*(/welcome/[A-Za-z0-9_-]+)<', made.text)
    assert link is not None and "/welcome/" not in admin.get("/accounts", headers=BROWSER).text
    shown = Reader(admin.get("/operations/audit?who=Page+Admin", headers=BROWSER).text).text
    assert "Nora New: customs, importer" in shown and "Mia" not in shown

    stranger = node.app.test_client()
    refused = stranger.get("/consignments", headers=BROWSER)
    assert refused.status_code == 401 and "/sign-in?next=/consignments" in refused.text
    nora = node.app.test_client()
    Reader(nora.get(link[1], headers=BROWSER).text)
    sent = {"passphrase": WORDS, "again": WORDS}
    assert nora.post(link[1], data=sent, headers=BROWSER).status_code == 303
    for path in ("/", "/account", "/consignments"):
        Reader(nora.get(path, headers=BROWSER).text)
    assert nora.get("/accounts", headers=BROWSER).status_code == 403


def test_the_command_line_makes_lists_and_ends_accounts(node: LiveNode) -> None:
    """
    `comity account add` prints a link, `list` the accounts with id and state, `link` a new one, `end` ends.
    """
    address = node.data / "address"
    address.write_text("http://127.0.0.1:9\n")
    address.chmod(0o600)
    data = ("--data", str(node.data))

    added = here("account", "add", "Cleo Line", "--role", "importer", *data)
    assert added.returncode == 0, added.stderr
    link = added.stdout.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:9/welcome/[A-Za-z0-9_-]{43}", link)
    listed = here("account", "list", *data).stdout
    assert re.search(r"^Cleo Line  importer  [a-z2-7]{16}  invited", listed, re.M)
    again = here("account", "link", "cleo line", *data)
    assert again.returncode == 0 and again.stdout.strip() != link
    token = link.rpartition("/")[2]
    assert node.app.test_client().get(f"/welcome/{token}", headers=BROWSER).status_code == 403
    changed = here("account", "roles", "Cleo Line", "--role", "customs", "--role", "reader", *data)
    assert changed.stdout == "Cleo Line: customs, reader; 0 session(s) ended\n", changed.stderr
    assert here("account", "end", "Cleo Line", *data).returncode == 0
    gone = here("account", "end", "Cleo Line", *data)
    assert (
        gone.returncode != 0 and "no account in use" in gone.stderr and "comity account list" in gone.stderr
    )
    assert ("operator at the machine", "account.ended", "Cleo Line: 0 sessions") in whole_audit(node)


def test_a_stolen_passphrase_ends_with_the_account_or_with_another_one(node: LiveNode) -> None:
    """
    Whoever signed in with it is out, and it opens nothing, once its person chose another one by the link of
    `comity account link`, and once `comity account end` ended the account.
    """
    address = node.data / "address"
    address.write_text("http://127.0.0.1:9\n")
    address.chmod(0o600)
    data = ("--data", str(node.data))
    person(node, "Stella Stolen", "reader")
    thief, _ = signed_in(node, "Stella Stolen")

    link = here("account", "link", "Stella Stolen", *data).stdout.strip()
    assert thief.get("/account", headers=BROWSER).status_code == 200  # until it is used
    node.service.accounts.welcome(link.rpartition("/")[2], "", OTHER)
    assert thief.get("/account", headers=BROWSER).status_code == 401
    assert signed_in(node, "Stella Stolen")[1].status_code == 403

    again, _ = signed_in(node, "Stella Stolen", OTHER)
    assert here("account", "end", "Stella Stolen", *data).returncode == 0
    assert again.get("/account", headers=BROWSER).status_code == 401
    assert signed_in(node, "Stella Stolen", OTHER)[1].status_code == 403


@pytest.mark.parametrize("by", ["signing in", "another passphrase"])
def test_roles_that_are_taken_away_while_a_passphrase_is_checked_are_away(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """
    The session that is opened then holds the scopes of the new roles, and not those of the moment before.
    """
    name = f"Demoted by {by}"
    person(node, name, "admin")
    signed = node.service.accounts.sign_in(name, WORDS, "")
    signed = node.service.access.authorise(bearer=None, cookie=signed.cookie, scope="operate")
    whole = node.service.accounts._passphrases.fits

    def fits(verifier: str, words: str) -> bool:
        found = whole(verifier, words)
        with node.service.stores.office.writing() as db:  # as `give_roles` does, whoever ends the sessions
            node.service.stores.office.accounts.put_roles(db, signed.account, "reader", "read")
        return found

    monkeypatch.setattr(node.service.accounts._passphrases, "fits", fits)
    if by == "signing in":
        opened = node.service.accounts.sign_in(name, WORDS, "")
    else:
        opened = node.service.accounts.change(signed, WORDS, OTHER, "")

    assert opened.cookie is not None and opened.scopes == {"read"}
    with pytest.raises(ProblemError, match="needs the scope operate"):
        node.service.access.authorise(bearer=None, cookie=opened.cookie, scope="operate")


def test_two_who_open_one_invitation_at_once_are_one(node: LiveNode) -> None:
    """
    An invitation that was used between its form and its answer is refused, and changes no passphrase.
    """
    made = node.service.accounts.add(AT_THE_MACHINE, "Twice Invited", ("reader",))
    node.service.accounts.welcome(made["token"], "", WORDS)

    with pytest.raises(ProblemError) as refused:
        node.service.accounts.welcome(made["token"], "", OTHER)

    assert refused.value.code == "link_used"
    assert signed_in(node, "Twice Invited")[1].status_code == 303
