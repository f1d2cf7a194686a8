"""The HTTP edge of a real node: who may, what is refused in which words; bad input breaks nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.api.log import parse_tile_path
from node.api.openapi import PARAMETER
from node.api.reading import require_shape
from node.api.route import BODY_BYTES_MAX, COSE, JSON, Route
from node.api.table import ROUTES
from node.errors import ProblemError
from node.server.feeds import Feed
from node.use_cases.access import AT_THE_MACHINE, SCOPES
from tests.harness.support_service import CODE, LiveNode, live_node, manifest

RESTRICTED = [route for route in ROUTES if route.scopes]
WRITES = [route for route in ROUTES if route.body]
NAMES = {id(route): f"{route.method} {route.rule}" for route in ROUTES}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("node")) as running:
        yield running


def granted(node: LiveNode, name: str, scopes: tuple[str, ...]) -> str:
    """A key of the operator's making."""
    return node.service.access.grant(AT_THE_MACHINE, name, scopes)["key"]


def named(route: Route) -> str:
    return NAMES[id(route)]


def filled(route: Route, value: str = "1") -> str:
    """The route's address with `value` for every parameter."""
    return PARAMETER.sub(value, route.rule)


def assert_problem(answer: Any, status: int | None = None) -> dict[str, Any]:
    """The answer is RFC 9457 problem details with one clear sentence."""
    assert answer.content_type == "application/problem+json", answer.data[:200]
    problem: dict[str, Any] = json.loads(answer.data)
    require_shape(problem, "Problem")
    assert problem["status"] == answer.status_code
    assert problem["detail"].strip() and "\n" not in problem["detail"], problem["detail"]
    assert "Traceback" not in problem["detail"]
    if status is not None:
        assert answer.status_code == status, problem
    return problem


# -- who may -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", RESTRICTED, ids=named)
def test_restricted_routes_refuse_strangers(node: LiveNode, route: Route) -> None:
    """
    Without a key, and with a key nobody made, a restricted route answers 401 and names the scheme.
    """
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Authorization": "Basic b3duZXI6"}):
        answer = node.client.open(filled(route), method=route.method, headers=headers)

        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", [r for r in RESTRICTED if set(r.scopes) < set(SCOPES)], ids=named)
def test_a_key_opens_only_its_scopes(node: LiveNode, route: Route) -> None:
    """
    A key without any of a route's scopes gets 403, whatever else it may do.
    """
    others = tuple(scope for scope in SCOPES if scope not in route.scopes)
    key = granted(node, f"test {named(route)}", others)

    answer = node.client.open(filled(route), method=route.method, headers={"Authorization": f"Bearer {key}"})

    assert_problem(answer, 403)


def test_a_link_lets_one_person_in_once(node: LiveNode) -> None:
    """
    The link sets a cookie named after the port, HttpOnly and SameSite=Strict, and leads on; but only once.
    """
    link = node.post_json("/links", {"next": "/status", "scopes": ["read"]}).get_json()
    guest = node.app.test_client()

    first = guest.get(link["path"])
    again = node.app.test_client().get(link["path"])

    assert first.status_code == 303 and first.headers["Location"] == "/status"
    cookie = first.headers["Set-Cookie"]
    assert cookie.startswith(f"comity_{node.service.port}=")
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert_problem(again, 403)
    assert guest.get("/log/entries").status_code == 200
    assert_problem(guest.post("/passports", json={}), 403)


def test_a_link_leads_nowhere_else(node: LiveNode) -> None:
    """
    A link's destination is a path of this node: an address of another site is refused when it is made.
    """
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example", "/..//evil.example\n"):
        assert_problem(node.post_json("/links", {"next": elsewhere}), 400)


def test_a_write_by_cookie_comes_from_our_own_page(node: LiveNode) -> None:
    """
    A form of another site, or one that hides where it comes from, is refused although the cookie is right.
    """
    guest = node.app.test_client()
    guest.get(node.post_json("/links", {}).get_json()["path"])
    form = {"code": "not a code", "claims": "{}"}

    for headers in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert_problem(guest.post("/passports", data=form, headers=headers), 403)
    for headers in ({"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}):
        assert guest.post("/passports", data=form, headers={**headers, **BROWSER}).status_code == 400


def test_looking_at_a_link_does_not_use_it_up(node: LiveNode) -> None:
    """
    HEAD of a link is a 405 and leaves the link as it was: the person's GET still comes in.
    """
    path = node.post_json("/links", {}).get_json()["path"]

    looked = node.app.test_client().head(path)
    entered = node.app.test_client().get(path)

    assert (looked.status_code, looked.headers["Allow"]) == (405, "GET")
    assert entered.status_code == 303


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "everything.example:8", "x y", "["],
)
def test_a_request_for_another_host_is_refused(node: LiveNode, host: str) -> None:
    """
    A foreign Host is a 421: no link is built on it, and and no write by cookie passes on it.
    """
    guest = node.app.test_client()
    guest.get(node.post_json("/links", {}).get_json()["path"])

    link = node.client.post("/links", json={}, headers={**node.bearer, "Host": host})
    form = guest.post("/passports", data={"code": "x"}, headers={"Host": host, "Origin": f"http://{host}"})

    assert "host" in assert_problem(link, 421)["detail"]
    assert "url" not in link.get_json(force=True)
    assert_problem(form, 421)


@pytest.mark.parametrize("host", ["a@localhost", "localhost:99999", "[::1", "evil.example"])
def test_a_host_that_is_not_ours_is_told_as_it_was_sent(node: LiveNode, host: str) -> None:
    """
    The refusal names the host that the client named, also where that is none.
    """
    told = node.client.get("/healthz", headers={"Host": host})

    assert told.status_code == 421
    assert f"'{host}'" in told.get_json(force=True)["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "[::1]:8470", "localhost", "everything.example"])
def test_a_request_for_an_own_host_is_answered(node: LiveNode, host: str) -> None:
    """
    Loopback names at any port (a tunnel's end) and the host of the own did:web are this node.
    """
    link = node.client.post("/links", json={}, headers={**node.bearer, "Host": host})

    assert link.get_json()["url"].startswith(f"http://{host}/enter/")


# -- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", WRITES, ids=named)
def test_a_body_too_large_is_refused_before_it_is_read(node: LiveNode, route: Route) -> None:
    """
    One byte beyond the route's limit is a 413 that names the limit.
    """
    assert route.body is not None
    kind = route.body.types[0]
    answer = node.post_raw(filled(route), b" " * (route.body.size_bytes_max + 1), kind)

    assert str(route.body.size_bytes_max) in assert_problem(answer, 413)["detail"]


@pytest.mark.parametrize("route", WRITES, ids=named)
def test_a_body_of_another_kind_is_refused(node: LiveNode, route: Route) -> None:
    """
    A content type the route does not take is a 415 that says what it takes.
    """
    assert route.body is not None
    answer = node.post_raw(filled(route), b"{}", "image/png")

    assert route.body.types[0] in assert_problem(answer, 415)["detail"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"no json", "not JSON"),
        (b'{"battery": "a", "battery": "b"}', "duplicate key"),
        (b'{"battery": NaN}', "not a number"),
        (b'{"battery": 1e999}', "infinite"),
        (b'{"battery": "\\ud800"}', "lone surrogate"),
        (b"[" * 100_000, "deep"),
        (b'\xff\xfe{"a": 1}', "UTF-16"),
        (b'{"battery": "x"} x', "trailing"),
        (b"[]", "not an object"),
        (b'{"batery": "x"}', "misspelt"),
        (b'{"battery": ["x"]}', "wrong type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_json_is_read_strictly(node: LiveNode, body: bytes, why: str) -> None:
    """
    What is not strict JSON of the documented shape is a 400 with one sentence.
    """
    assert_problem(node.post_raw("/clearance", body, JSON), 400)


@pytest.mark.parametrize(
    ("address", "body", "says"),
    [
        (
            "/consignments",
            {"lines": [{"line": 1, "battery": CODE}] * 20_001},
            "20001 items, and at most 20000",
        ),
        ("/consignments", {"lines": []}, "0 items, and at least 1"),
        ("/consignments", {"lines": {"x" * 1000: 1}}, "is not a list"),
        ("/clearance", {"battery": "x" * 600}, "600 characters, and at most 512"),
        ("/clearance", {"battery": CODE, "mass_kg": -5}, "mass_kg: -5 is not above 0"),
        ("/consignments", {"lines": [{"line": 1.0, "battery": CODE}]}, "without a point: 1, not 1.0"),
        ("/clearance", {"battery": CODE, "law_date": "1.3.2027"}, '"1.3.2027" is not a day, YYYY-MM-DD'),
    ],
    ids=["too many", "none", "long value", "long text", "mass", "line number", "day"],
)
def test_a_wrong_shape_is_told_with_its_reason(
    node: LiveNode, address: str, body: dict[str, Any], says: str
) -> None:
    """
    However long the value is, the sentence holds the reason, with count and limit.
    """
    detail = assert_problem(node.post_json(address, body), 400)["detail"]

    assert says in detail
    assert len(detail) < 400


def test_a_manifest_that_is_no_json_is_told_what_it_should_be(node: LiveNode) -> None:
    """
    A pasted CSV is told that a manifest is JSON, and a digest that is none is named once.
    """
    answer = node.post_raw("/consignments", b"line,battery\n1,ZZ1\n", JSON)

    assert assert_problem(answer, 400)["detail"].startswith("A manifest is a JSON object with `lines`: ")
    assert assert_problem(node.get("/documents/!"), 400)["detail"].startswith("The digest is not base64url")


HOSTILE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = sorted(
    {
        "code",
        "claims",
        "battery",
        "lines",
        "line",
        "documents",
        "event",
        "members",
        "credential",
        "reason",
        "vin",
    }
    | {"verifiableCredential", "consignment", "scopes", "next", "law_date", "goods", "mass_kg", "event_time"}
)
HOSTILE_BODIES = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(st.sampled_from(MEMBERS), HOSTILE_JSON, max_size=6).map(lambda v: json.dumps(v).encode()),
    HOSTILE_JSON.map(lambda v: json.dumps(v).encode()),
)


PLACES = st.sampled_from(["1", "-", CODE, "x" * 43, "%00", "%FF", "../.."])
KINDS = st.integers(0, 11)  # a number, not a draw from what the route takes: all routes draw alike


def require_a_problem_at_most(node: LiveNode, route: Route, body: bytes, place: str, kind: int) -> None:
    """A route answers this body, and below 500; a form that is shown again says what is wrong on it."""
    assert route.body is not None
    types = route.body.types

    answer = node.post_raw(filled(route, place), body, types[kind % len(types)])

    assert answer.status_code < 500, answer.data[:400]
    if answer.status_code >= 400 and answer.mimetype == "text/html":
        assert types[kind % len(types)] != JSON and 'role="alert"' in answer.text
    elif answer.status_code >= 400 and "verified" not in answer.text:
        assert_problem(answer)


@pytest.mark.parametrize("route", WRITES, ids=named)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=HOSTILE_BODIES, place=PLACES, kind=KINDS)
def test_hostile_bodies_never_break_a_route(
    node: LiveNode, route: Route, body: bytes, place: str, kind: int
) -> None:
    """
    No body makes a route answer 500; what is refused is refused with problem details. Twelve a route;
    3,500 more go through the door of `test_hostile.py` in `make check`, and 200 a route here in `make long`.
    """
    require_a_problem_at_most(node, route, body, place, kind)


@pytest.mark.long
@pytest.mark.parametrize("route", WRITES, ids=named)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=HOSTILE_BODIES, place=PLACES, kind=KINDS)
def test_many_hostile_bodies_never_break_a_route(
    node: LiveNode, route: Route, body: bytes, place: str, kind: int
) -> None:
    """
    Two hundred a route.
    """
    require_a_problem_at_most(node, route, body, place, kind)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "GET" and "<" in r.rule], ids=named)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=st.one_of(st.text(max_size=60), st.sampled_from(["0", "-1", "9" * 40, "%00", "..", "x" * 43, CODE]))
)
def test_hostile_addresses_never_break_a_route(node: LiveNode, route: Route, text: str) -> None:
    """
    No parameter makes a route answer 500.
    """
    quoted = PARAMETER.sub(
        lambda _: re.sub(r"[^A-Za-z0-9_.-]", lambda m: percent(m[0]), text) or "-", route.rule
    )

    answer = node.get(quoted)

    assert answer.status_code < 500 or answer.status_code == 503, answer.data[:400]
    if answer.status_code >= 400 and "didResolutionMetadata" not in answer.text:
        assert_problem(answer)


def percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def test_an_unknown_battery_is_not_found(node: LiveNode) -> None:
    """
    A code without any record is a 404 whose sentence does not accuse the battery.
    """
    answer = node.get("/batteries/ZZ1PE75QH00001G630000999")

    assert "says nothing about the battery" in assert_problem(answer, 404)["detail"]


def test_a_link_as_identifier_keeps_its_slashes(node: LiveNode) -> None:
    """
    A link in the path is read as it is, not redirected to fewer slashes.
    """
    answer = node.get("/batteries/https://maker.example/item/7")

    assert_problem(answer, 404)


def test_peers_without_a_signature_are_refused(node: LiveNode) -> None:
    """
    What is not signed by a key of genesis is refused, with problem details, by every peer address.
    """
    for kind in ("messages", "status", "blocks", "documents", "snapshot", "gossip"):
        answer = node.client.post(f"/peer/{kind}", data=b"\xd2\x84", headers={"Content-Type": COSE})

        assert answer.status_code in (400, 401, 403)
        assert_problem(answer)


def test_a_person_gets_a_page_and_a_program_gets_details(node: LiveNode) -> None:
    """
    The same refusal is a page for a browser and problem+json for anyone else.
    """
    page = node.client.get("/nowhere", headers=BROWSER)
    details = node.client.get("/nowhere")

    assert page.content_type.startswith("text/html") and page.status_code == 404
    assert assert_problem(details, 404)["detail"] in page.text


# -- every answer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/status", "/nowhere", "/healthz", "/static/comity.css", "/openapi.json"]
)
def test_every_answer_carries_the_security_headers(node: LiveNode, path: str) -> None:
    """
    Pages, JSON, files and errors alike: own content only, no framing, no sniffing, no referrer to others.
    """
    with node.client.get(path, headers=BROWSER) as answer:
        headers = answer.headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in ("same-origin", "no-referrer")


def test_wrong_method_says_which_are_right(node: LiveNode) -> None:
    """
    405 carries Allow.
    """
    answer = node.client.delete("/status")

    assert_problem(answer, 405)
    assert "GET" in answer.headers["Allow"]


def test_metrics_are_prometheus_text(node: LiveNode) -> None:
    """
    /metrics holds one number a line, each with its type.
    """
    lines = node.client.get("/metrics").text.splitlines()

    assert lines
    for line in lines:
        assert re.fullmatch(
            r"# TYPE comity_[a-z0-9_]+ (gauge|counter)|comity_[a-z0-9_]+ -?[0-9.e+-]+", line
        ), line


@pytest.mark.parametrize(
    ("level", "path", "tile"),
    [
        ("0", "000", (0, 0, 256)),
        ("1", "042", (1, 42, 256)),
        ("0", "x001/x234/067", (0, 1234067, 256)),
        ("0", "000.p/8", (0, 0, 8)),
        ("2", "x001/000.p/255", (2, 1000, 255)),
    ],
)
def test_tile_addresses_follow_the_specification(level: str, path: str, tile: tuple[int, int, int]) -> None:
    """
    C2SP tlog-tiles: groups of three digits, all but the last with an x, partial tiles with their width.
    """
    assert parse_tile_path(level, path) == tile


@pytest.mark.parametrize(
    ("level", "path"),
    [
        ("6", "000"),
        ("00", "000"),
        ("0", "0"),
        ("0", "x000/001"),
        ("0", "001/002"),
        ("0", "x001"),
        ("0", "000.p/0"),
        ("0", "000.p/256"),
        ("0", "000.p/08"),
        ("-", "000"),
        ("0", "٠٠٠"),  # digits to Python, not to the specification
        ("0", "000\n"),
        ("0", "000.p/8\n"),
    ],
)
def test_tile_addresses_have_one_spelling(level: str, path: str) -> None:
    """
    Any other spelling of a tile's address is a 404.
    """
    with pytest.raises(ProblemError) as refused:
        parse_tile_path(level, path)

    assert refused.value.status == 404


def test_limits_are_those_of_the_table() -> None:
    """
    1 MiB for ordinary bodies.
    """
    assert BODY_BYTES_MAX == 1 << 20


def test_a_disk_that_takes_nothing_is_told_as_that(node: LiveNode) -> None:
    """
    What is asked of a node whose database takes no write is a 503 that says so; nothing was done meanwhile.
    """
    with node.service.stores.office.reading() as connection:  # of this thread, which answers as well
        pass
    order = {"name": "line 9", "scopes": ["read"]}
    connection.execute("PRAGMA query_only=ON")
    try:
        answer = node.post_json("/keys", order)
        page = node.person.post("/keys/revoke", data={"name": "x"}, headers={**BROWSER, **SAME_SITE})
    finally:
        connection.execute("PRAGMA query_only=OFF")

    assert (answer.status_code, answer.get_json()["code"]) == (503, "out_of_room")
    assert answer.headers["Retry-After"] and "took nothing over" in answer.get_json()["detail"]
    assert page.status_code in (403, 503)
    assert node.post_json("/keys", order).status_code == 201


def test_whether_the_process_answers_is_one_word(node: LiveNode) -> None:
    """
    /healthz needs no key and says `ok`: programs that watch compare it.
    """
    answer = node.client.get("/healthz")

    assert (answer.status_code, answer.text, answer.mimetype) == (200, "ok\n", "text/plain")


def test_a_stream_of_verdicts_reaches_the_server_as_a_stream(node: LiveNode) -> None:
    """
    The server follows it without a thread of its own: it is handed on as it is, not read to its end.
    """
    made = node.post_json("/consignments", manifest()).get_json()["id"]
    environ = node.client.get(f"/consignments/{made}/events", headers=node.bearer).request.environ

    body = node.app(environ, lambda *_: lambda _: None)

    assert isinstance(body, Feed)


def test_a_form_takes_no_more_than_a_form_needs(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Half a million fields, or millions of escapes: 413, at once, before they are made into objects. 256 fields
    are a form still, and what is larger than 1 MiB comes in parts.
    """
    form = "application/x-www-form-urlencoded"
    undone = list[int]()

    def undoing(text: str, **options: Any) -> list[tuple[str, str]]:
        undone.append(len(text))
        return parse_qsl(text, **options)

    monkeypatch.setattr("werkzeug.formparser.parse_qsl", undoing)
    told = [
        node.post_raw("/consignments", body, form)
        for body in (b"a=1&" * (1 << 18), b"&" * (1 << 20), b"manifest=" + b"%41" * (5 << 20))
    ]

    found = [(answer.status_code, answer.get_json()["code"]) for answer in told]
    assert found == [(413, "too_many_fields")] * 2 + [(413, "too_large")] and not undone
    assert "at most 256 fields" in told[0].get_json()["detail"]
    asked = node.post_raw("/consignments", b"&".join([b"a=1"] * 256), form)
    assert asked.get_json()["code"] == "manifest_missing" and undone == [4 * 256 - 1]
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' for _ in range(99))
    many = node.post_raw("/consignments", parts + b"--x--\r\n", "multipart/form-data; boundary=x")
    assert many.status_code == 413 and "has more parts" in many.get_json()["detail"]
