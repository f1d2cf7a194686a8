"""Webhooks: told once, signed, sent until taken, to nobody whom the operator did not name."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from node.errors import SetupError
from node.resolution.fetch import Fetcher, FetchError, FetchPolicy, PostAnswer
from node.resolution.webhooks import WAITS_S, WebhookEndpoint, Webhooks
from node.settings import Settings
from node.storage import webhook_posts as stored
from node.storage.office import OfficeStore
from tests.node.test_fetch import Handler, server

SECRET = b"s" * 32
URL = "http://127.0.0.1:9/told"


class Endpoint:
    """What a test answers, and what it was sent."""

    def __init__(self) -> None:
        self.answers: list[PostAnswer | FetchError] = []
        self.got: list[tuple[dict[str, str], bytes]] = []

    def post(self, url: str, body: bytes, headers: Any) -> PostAnswer:
        assert url == URL
        self.got.append((dict(headers), body))
        answer = self.answers.pop(0) if self.answers else PostAnswer(200)
        if isinstance(answer, FetchError):
            raise answer
        return answer


class Clock:
    """Both clocks of the sender, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000
        both = SimpleNamespace(time=self, monotonic=self)
        monkeypatch.setattr("node.resolution.webhooks.time", both)

    def __call__(self) -> float:
        return float(self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[OfficeStore]:
    made = OfficeStore(tmp_path / "office.db")
    yield made
    made.close()


def sender(office: OfficeStore, endpoint: Endpoint, *names: str) -> Webhooks:
    rows = [WebhookEndpoint(name, URL, frozenset({"job.ended"}), SECRET) for name in names or ("mes",)]
    return Webhooks(office, rows, endpoint)


def tell(webhooks: Webhooks, office: OfficeStore, *ids: str, topic: str = "job.ended") -> None:
    for id in ids:
        with office.writing() as db:
            webhooks.post(db, topic, id, {"n": id})


def states(office: OfficeStore) -> list[str]:
    return [row.state for row in office.webhooks.page("mes", None, 0, 100)]


def test_a_post_is_told_once_signed_and_numbered(office: OfficeStore, clock: Clock) -> None:
    """
    An id is told once however often it is posted; each post carries the signature of Standard Webhooks,
    computed here by hand, and names the one before it; a topic that nobody asked for is not kept.
    """
    endpoint = Endpoint()
    webhooks = sender(office, endpoint)

    tell(webhooks, office, "a", "a", "b")
    tell(webhooks, office, "c", topic="receipts")
    assert (webhooks.round(), webhooks.round()) == (2, 0)

    bodies = [json.loads(body) for _, body in endpoint.got]
    assert [(one["type"], one["data"]) for one in bodies] == [("job.ended", {"n": n}) for n in "ab"]
    assert [one["after"] for one in bodies] == [0, bodies[0]["number"]]
    for headers, body in endpoint.got:
        said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = base64.b64encode(hmac.new(SECRET, said, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{mac}"


def test_what_was_not_taken_is_sent_later_each_time_and_then_given_up(
    office: OfficeStore, clock: Clock
) -> None:
    """
    The same bytes go out again at growing waits and survive a restart; after the last try the post is dead,
    is not sent by itself, and is sent when the operator says so.
    """
    endpoint = Endpoint()
    webhooks = sender(office, endpoint)
    tell(webhooks, office, "a")
    endpoint.answers = [PostAnswer(400)] * (len(WAITS_S) + 1)

    tried_at = []
    for _ in range(len(WAITS_S) + 1):
        while not webhooks.round():
            clock.now += 5
        tried_at.append(clock.now)
        webhooks = sender(office, endpoint)  # a restart

    waits = [after - before for before, after in pairwise(tried_at)]
    assert waits == list(WAITS_S)
    assert len({body for _, body in endpoint.got}) == 1
    clock.now += 10 * WAITS_S[-1]
    assert (states(office), webhooks.round()) == (["dead"], 0)
    with office.writing() as db:
        assert webhooks.again("mes", db, None) == 1
    assert (webhooks.round(), states(office)) == (1, ["sent"])


def test_an_endpoint_that_is_down_is_asked_seldom_and_holds_nobody_else(
    office: OfficeStore, clock: Clock
) -> None:
    """
    One that does not answer is tried once in a growing while, whatever waits for it; one that says when to
    come again is left alone for so long; nothing is lost, and all of it arrives in order once it is back.
    """
    endpoint = Endpoint()
    webhooks = sender(office, endpoint)
    tell(webhooks, office, *"abcd")
    endpoint.answers = [FetchError("unreachable", "gone"), PostAnswer(503, 900)]

    assert (webhooks.round(), webhooks.round()) == (1, 0)
    clock.now += WAITS_S[0]
    assert (webhooks.round(), webhooks.round()) == (1, 0)
    clock.now += 899
    assert webhooks.round() == 0
    clock.now += 1
    assert webhooks.round() == 4
    assert states(office) == ["sent"] * 4


def test_posts_are_bounded_and_a_lost_endpoint_keeps_none_waiting(
    office: OfficeStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The newest posts stay, the oldest go, and a gap is seen by the numbers; what waits for an endpoint that
    node.toml no longer names is dead, with that reason.
    """
    monkeypatch.setattr(stored, "POSTS_KEPT", 3)
    webhooks = sender(office, Endpoint())

    tell(webhooks, office, *"abcde")

    assert [(row.id, row.after > 0) for row in office.webhooks.page("mes", None, 0, 9)] == [
        (id, True) for id in "cde"
    ]
    sender(office, Endpoint(), "other")
    assert states(office) == ["dead"] * 3
    assert "names no endpoint" in office.webhooks.dead(9)[0].because


def test_only_configured_addresses_are_posted_to() -> None:
    """
    The sender reaches the origins that it is given, follows no redirect, and hears when to come again.
    """
    requests: list[bytes] = []

    def asked(origin: str) -> PostAnswer:
        fetcher = Fetcher(FetchPolicy(origins=frozenset({origin})))
        with pytest.raises(FetchError, match="does not allow"):
            fetcher.post("http://127.0.0.1:9/", b"{}", {})
        return fetcher.post(f"{origin}/in", b"{}", {"webhook-id": "a"})

    def saying(head: bytes) -> Handler:
        def answer(connection: socket.socket, request: bytes) -> None:
            requests.append(request)
            connection.sendall(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

        return answer

    with server(saying(b"429 x\r\nRetry-After: 7")) as origin:
        assert asked(origin) == PostAnswer(429, 7)
    with server(saying(b"302 x\r\nLocation: /other")) as origin:
        assert asked(origin) == PostAnswer(302)

    assert [one.partition(b"\r\n")[0] for one in requests] == [b"POST /in HTTP/1.1"] * 2
    assert b"webhook-id: a\r\n" in requests[0]


ROW = '[[webhooks]]\nname = "mes"\nurl = "{url}"\ntopics = {topics}\nsecret_file = "hook.secret"\n'


@pytest.mark.parametrize(
    ("text", "secret", "told"),
    [
        (ROW.format(url="ftp://a.example/", topics='["job.ended"]'), None, "webhooks.url of mes"),
        (ROW.format(url=URL, topics='["job.begun"]'), None, "job.ended, receipts"),
        (ROW.format(url=URL, topics="[]"), None, "webhooks.topics of mes"),
        (ROW.format(url=URL, topics='["job.ended"]') * 2, None, "given once"),
        (ROW.format(url=URL, topics='["job.ended"]'), b"whsec_c2hvcnQ=", "holds no secret"),
        ('[[webhooks]]\nname = "mes"\n', None, "has name, url, topics and secret_file"),
    ],
    ids=["address", "topic", "no topic", "twice", "short secret", "members"],
)
def test_a_row_that_cannot_work_is_told_at_the_start(
    tmp_path: Path, text: str, secret: bytes | None, told: str
) -> None:
    """
    A setting never does nothing: an endpoint that could not be told is refused with its member.
    """
    (tmp_path / "hook.secret").write_bytes(secret or b"whsec_" + base64.b64encode(SECRET) + b"\n")
    (tmp_path / "node.toml").write_text(text)

    with pytest.raises(SetupError, match=told.replace("[", r"\[")):
        Settings.read(tmp_path / "node.toml")
