"""Signing in by an identity provider: a real one on loopback, right once and wrong in each respect alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import tomli_w
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from node.errors import ProblemError, SetupError
from node.provider_settings import ProviderSettings
from node.resolution import identity_provider
from node.server.wsgi import SUBNET
from node.settings import Settings
from node.use_cases.access import AT_THE_MACHINE
from node.use_cases.guesses import Guesses
from node.use_cases.provided_accounts import ProvidedAccounts
from tests.harness import openid_provider
from tests.harness.command_line import here
from tests.harness.net.harness import free_ports
from tests.harness.openid_provider import ANNA, MISPLACED, SIGNED_OTHERWISE, SPOILED, Running
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_access import BROWSER, whole_audit

SECRET = "0123456789abcdef-secret"
GIVES = {"nl-customs": "customs", "nl-admins": "admin", "nl-lab": "workshop"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Running]:
    with openid_provider.running(free_ports(1)[0], SECRET) as running:
        yield running


@pytest.fixture(scope="module")
def node(provider: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    folder = tmp_path_factory.mktemp("openid")
    (folder / "secret").write_text(f"{SECRET}\n")
    row = {
        "issuer": provider.issuer,
        "client_id": "comity",
        "secret_file": str(folder / "secret"),
        "gives": GIVES,
    }
    with live_node(folder, settings={"oidc": row}) as made:
        yield made


@pytest.fixture(autouse=True)
def _anew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test did leaves the next one as many tries as ever, and nothing read of the provider."""
    if "node" in request.fixturenames:
        request.getfixturevalue("provider").control()
        provided: Any = request.getfixturevalue("node").service.provided
        monkeypatch.setattr(provided, "_tries", Guesses())
        provided._asked._kept.clear()


def there(browser: FlaskClient, wanted: str = "/") -> str:
    """Out to the provider, and where it sends the browser back to."""
    out = browser.get("/oidc", query_string={"next": wanted})
    assert out.status_code == 303, out.text[:400]
    answer = requests.get(out.location, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return str(answer.headers["Location"])


def signed_in(node: LiveNode, wanted: str = "/") -> tuple[FlaskClient, TestResponse]:
    browser: FlaskClient = node.app.test_client()
    back = urlsplit(there(browser, wanted))
    return browser, browser.get(f"{back.path}?{back.query}")


def refused(answer: TestResponse) -> str:
    """What the page says, of one that signed nobody in."""
    assert answer.status_code in (403, 409, 429, 503), answer.text[:300]
    assert not re.search(r"comity_\d+=[^;]", str(answer.headers.getlist("Set-Cookie")))
    found = re.search(r'<div class="error"[^>]*><p>(.*?)</p>', answer.text)
    assert found is not None, answer.text[:2000]
    return found[1]


@pytest.mark.check
def test_a_person_signs_in_at_the_provider_and_acts_under_the_own_name(node: LiveNode) -> None:
    """
    Out with state, nonce and challenge; back with a session that may what the groups give, at the page that
    was wanted; the audit has the name, the account and the provider.
    """
    assert f"Sign in at {node.service.provided.host}" in node.client.get("/sign-in").text
    browser, answer = signed_in(node, "/consignments")

    assert answer.status_code == 200 and 'url=/consignments"' in answer.text
    assert "SameSite=Strict" in str(answer.headers.getlist("Set-Cookie"))
    assert browser.get("/consignments").status_code == 200
    assert browser.get("/accounts").status_code == 403
    own = browser.get("/account").text
    assert "<h1>Anna Berg</h1>" in own and "customs officer" in own and "Another passphrase" not in own
    audit = node.service.stores.office.audit.page(50, None)
    (row,) = [row for row in node.service.accounts.listing() if row["name"] == "Anna Berg"]
    assert (row["state"], row["roles"]) == ("identity provider", ["customs"])
    opened = next(one for one in audit if one.did == "session.opened" and one.who == "Anna Berg")
    assert (opened.about, opened.account) == (f"by {node.service.provided.host}", row["account"])


@pytest.mark.check
@pytest.mark.parametrize("wrong", [*SPOILED, *SIGNED_OTHERWISE, "no token"])
def test_a_token_that_is_wrong_in_one_respect_signs_nobody_in(
    node: LiveNode, provider: Running, wrong: str
) -> None:
    """
    Of another issuer, audience or time, without this nonce, or not signed by the provider's key with the one
    algorithm: nobody is signed in, and what is wrong is told.
    """
    provider.control(wrong=wrong)
    _, answer = signed_in(node)

    assert "does not fit" in refused(answer)


@pytest.mark.check
@pytest.mark.parametrize("wrong", MISPLACED)
def test_only_the_issuer_that_was_configured_is_asked(
    node: LiveNode, provider: Running, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A discovery document that names another issuer, or an address of another origin, is refused whole: nobody
    is sent there, and nobody asks there.
    """
    asked: list[str] = []

    def connecting(address: Any, deadline: float) -> Any:
        asked.append(address.host)
        return connect(address, deadline)

    provided: Any = node.service.provided
    fetcher = provided._asked._fetcher
    connect = fetcher._connect
    monkeypatch.setattr(fetcher, "_connect", connecting)
    provider.control(wrong=wrong)
    answer = node.app.test_client().get("/oidc")

    assert f"({wrong})" in refused(answer)
    assert set(asked) == {"127.0.0.1"}


@pytest.mark.check
def test_what_was_begun_elsewhere_signs_nobody_in(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An answer of the provider opens nothing in another browser, with another state, a second time, of another
    issuer, or after ten minutes.
    """
    one, other = node.app.test_client(), node.app.test_client()
    back = there(one)
    assert "not begun in this browser" in refused(other.get(back))
    there(other)
    assert "not begun in this browser" in refused(other.get(back))  # its own cookie, the state of another
    assert "(iss)" in refused(one.get(f"{back}&iss=https://elsewhere.example"))

    monkeypatch.setattr(node.service.provided, "_tries", Guesses())
    again = there(one)
    late = time.time() + identity_provider.BEGUN_S + 1
    with monkeypatch.context() as patched:
        patched.setattr(node.service.provided._asked, "_now", lambda: late)
        assert "too long ago" in refused(one.get(again))
    assert "not begun" in refused(one.get(again))  # the cookie is gone with the first try

    last = there(one)
    cookie = one.get_cookie("comity_0_begun", path="/oidc")
    assert cookie is not None and one.get(last).status_code == 200
    one.set_cookie("comity_0_begun", cookie.value, path="/oidc")
    assert "did not sign you in" in refused(one.get(last))  # the provider gives nothing for a code twice


@pytest.mark.check
def test_whom_the_provider_refuses_or_cannot_answer_for_is_told_so(node: LiveNode, provider: Running) -> None:
    """
    Denied, a code of nobody, a secret that it does not know, out of order: a sentence, and no session.
    """
    provider.control(wrong="denied")
    assert "access_denied" in refused(signed_in(node)[1])
    provider.control()
    browser = node.app.test_client()
    back = there(browser)
    assert "did not sign you in" in refused(browser.get(re.sub("code=[^&]+", "code=guessed", back)))
    provider.control(wrong="away")
    assert "does not fit" in refused(signed_in(node)[1])


@pytest.mark.check
def test_guessing_codes_is_slow_for_the_guesser_alone(node: LiveNode) -> None:
    """
    Who fails five times from a subnet waits; the provider is not asked meanwhile, and others sign in.
    """
    for _ in range(5):
        refused(node.app.test_client().get("/oidc/back?code=x&state=y"))
    answer = node.app.test_client().get("/oidc/back?code=x&state=y")
    browser: FlaskClient = node.app.test_client()
    back = there(browser)

    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    assert browser.get(back, environ_overrides={SUBNET: "192.0.2.0"}).status_code == 200


@pytest.mark.check
def test_roles_are_given_anew_each_time_and_whoever_was_ended_stays_ended(
    node: LiveNode, provider: Running
) -> None:
    """
    Other groups are other scopes from the next signing in on, and sessions from before end; without a group
    nobody comes in; an account that an administrator ended opens nothing again, whatever the provider says.
    """
    eva = {"sub": "e-1", "preferred_username": "Eva Vos", "groups": ["nl-admins", "canteen"]}
    provider.control(person=eva)
    first, _ = signed_in(node)
    assert first.get("/accounts").status_code == 200

    provider.control(person={**eva, "groups": "nl-customs", "preferred_username": "Eva Renamed"})
    second, _ = signed_in(node)
    assert second.get("/consignments").status_code == 200 and second.get("/accounts").status_code == 403
    assert first.get("/accounts").status_code == 401

    provider.control(person={**eva, "groups": ["canteen"]})
    assert "none of your groups" in refused(signed_in(node)[1])
    assert second.get("/consignments").status_code == 401

    provider.control(person=eva)
    third, _ = signed_in(node)
    node.service.accounts.end(AT_THE_MACHINE, "Eva Vos")
    assert third.get("/accounts").status_code == 401
    assert "was ended" in refused(signed_in(node)[1])
    told = [about for _, did, about in whole_audit(node) if did == "account.roles"]
    assert f"Eva Vos: admin became customs, by {node.service.provided.host}" in told


@pytest.mark.check
def test_nobody_is_somebody_else_by_a_name(node: LiveNode, provider: Running) -> None:
    """
    An account is of (issuer, subject): who bears a name that is another's here is refused, and no passphrase
    or role is given here to whom the provider names.
    """
    node.service.accounts.add(AT_THE_MACHINE, "Kim Cas", ("customs",))
    provider.control(person={"sub": "k-1", "preferred_username": "kim  CAS", "groups": ["nl-admins"]})
    assert "somebody else is called" in refused(signed_in(node)[1])
    provider.control(person={"sub": "a-2", "preferred_username": "Anna Berg", "groups": ["nl-admins"]})
    provider_first = signed_in(node)[1]
    provider.control(person=ANNA)
    mine = signed_in(node)[1]

    assert {provider_first.status_code, mine.status_code} == {200, 409}
    for act in ("/accounts/invite", "/accounts/roles"):
        answer = node.post_json(
            act, {"name": "Anna Berg", **({"roles": ["admin"]} if "roles" in act else {})}
        )
        assert answer.status_code == 409 and answer.get_json()["code"] == "provided"
    sent = {"name": "Anna Berg", "passphrase": ""}
    assert node.app.test_client().post("/sign-in", data=sent, headers=BROWSER).status_code == 403


@pytest.mark.check
def test_new_keys_of_the_provider_are_read_and_an_old_token_is_not(
    node: LiveNode, provider: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A key that the provider has since is asked for, once in a while and not for each token.
    """
    assert signed_in(node)[1].status_code == 200
    provider.control(rotate="2")
    assert "(signature)" in refused(signed_in(node)[1])  # asked a moment ago
    monkeypatch.setattr(identity_provider, "AGAIN_S", 0.0)
    assert signed_in(node)[1].status_code == 200


@pytest.mark.check
def test_a_stolen_provider_ends_with_its_setting_and_the_accounts_it_opened(
    node: LiveNode, provider: Running
) -> None:
    """
    Whoever has it signs in as a new administrator; without the setting the door is shut, and `comity account
    end` ends the account that was opened by it, with its sessions.
    """
    address = node.data / "address"
    address.write_text("http://127.0.0.1:9\n")
    address.chmod(0o600)
    provider.control(person={"sub": "m-1", "preferred_username": "Mallory", "groups": ["nl-admins"]})
    thief, _ = signed_in(node)
    assert thief.get("/accounts").status_code == 200
    access, accounts = node.service.access, node.service.accounts
    without = ProvidedAccounts(node.service.stores.office, access, accounts, None)
    with pytest.raises(ProblemError, match="no identity provider"):
        without.begin("http://localhost/oidc/back", "/")

    assert here("account", "end", "Mallory", "--data", str(node.data)).returncode == 0
    assert thief.get("/accounts").status_code == 401
    assert "was ended" in refused(signed_in(node)[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://login.example"},
        {"issuer": "https://login.example/?x=1"},
        {"issuer": 7},
        {"algorithm": "HS256"},
        {"algorithm": "none"},
        {"client_id": ""},
        {"secret_file": "none.secret"},
        {"gives": {}},
        {"gives": ["customs"]},
        {"scopes": ["profile"]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_setting_of_a_provider_that_does_not_fit_is_told_by_name(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    """
    Plain http, a shared secret as algorithm, nobody to give a role to: refused when the node starts.
    """
    row: dict[str, Any] = {
        "issuer": "https://login.example/r",
        "client_id": "comity",
        "secret_file": "s",
        "gives": GIVES,
    }
    (tmp_path / "s").write_text(SECRET)
    (tmp_path / "node.toml").write_text(tomli_w.dumps({"oidc": row}))
    assert Settings.read(tmp_path / "node.toml").oidc is not None
    (tmp_path / "node.toml").write_text(tomli_w.dumps({"oidc": {**row, **wrong}}))

    with pytest.raises(SetupError, match=f"oidc.{next(iter(wrong))}"):
        Settings.read(tmp_path / "node.toml")


def test_a_role_that_there_is_not_is_told_when_the_node_starts(tmp_path: Path) -> None:
    """
    Whoever maps a group to a role of no table reads which roles there are; without a provider nobody is sent.
    """
    (tmp_path / "s").write_text(SECRET)
    row = {"issuer": "https://login.example/r", "client_id": "comity", "gives": {"x": "customs"}}
    settings = ProviderSettings.of(row, SECRET.encode(), None)
    none: Any = None

    assert ProvidedAccounts(none, none, none, None).host == ""
    assert ProvidedAccounts(none, none, none, settings).host == "login.example"
    with pytest.raises(SetupError, match=r"oidc\.gives names the role 'emperor': roles are customs"):
        ProvidedAccounts(none, none, none, replace(settings, gives={"x": "emperor"}))


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"a.b": ["x"], "a": {"b": ["y"]}}, {"x"}),
        ({"a": {"b": ["x", "y", 1]}}, {"x", "y"}),
        ({"a": {"b": "x"}}, {"x"}),
        ({"a": "b"}, set()),
        ({}, set()),
        ({"a.b": [str(n) for n in range(identity_provider.VALUES_MAX + 1)]}, None),
    ],
)
def test_groups_are_read_where_the_setting_points(claims: Any, groups: set[str] | None) -> None:
    """
    By the claim of that name, else by the member that its points lead to; no more than are read.
    """
    found = identity_provider._values(claims, "a.b")

    if groups is None:
        assert len(found) == identity_provider.VALUES_MAX
    else:
        assert found == groups
