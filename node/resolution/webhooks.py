"""Webhooks: what happens here is posted to the endpoints that node.toml names, and nowhere else.

A post is stored in the transaction of what it tells: none is lost, and none tells what did not happen. It is
sent until the endpoint answers 2xx, later each time, and is dead after the last try: shown, and sent again
when somebody says so. Each is signed as Standard Webhooks 1.0 has it:

    webhook-id: ID                      the same at each try: who has it already says 2xx and does nothing
    webhook-timestamp: SECONDS          of this try
    webhook-signature: v1,BASE64        HMAC-SHA256 of "ID.SECONDS.BODY" by the secret of the endpoint
    {"type": TOPIC, "timestamp": TIME, "number": N, "after": M, "data": {...}}

`number` rises, and `after` is that of the post before it: who misses one asks /webhooks/NAME/posts?after=M.
"""

from __future__ import annotations

import base64
import hmac
import re
import threading
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from node import log
from node.resolution.fetch import FetchError, PostAnswer
from node.storage.database import Transaction
from node.storage.office import OfficeStore
from node.storage.webhook_posts import DEAD, SENT, WAITS, PostRow

# What may be asked for, and what a post under it says. Whoever adds one posts it, and says so in README.
ALERTS = "alerts"
TOPICS = {
    "job.ended": "a job ended: its id, kind, and how many rows came to what",
    ALERTS: "an alert of /supervision, in codes and words, by the rows [[alerts]] of node.toml",
    "receipts": "statements of this node got their receipts: digests, batteries and when",
}
ENDPOINTS_MAX = 16
DATA_BYTES_MAX = 64 << 10
# Waits behind each try; behind the last of them a post is dead: after some two and a half days.
WAITS_S = (5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200, 43_200, 86_400)
ASKED_WAIT_S_MAX = 86_400  # that an endpoint may ask for
TOGETHER = 32  # posts to one endpoint before the next one has its turn
IDLE_S, REST_S = 1.0, 5.0  # where there is no endpoint nothing will come
_ID = re.compile(r"[A-Za-z0-9_:-]{1,128}")  # no dot: it parts what is signed
_TRIED_AGAIN_LATER = (408, 425, 429)  # the whole endpoint asks for a pause


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """One row of [[webhooks]]: who is told what."""

    name: str
    url: str
    topics: frozenset[str]
    secret: bytes = field(repr=False)

    def signature(self, id: str, at: int, body: bytes) -> str:
        """Standard Webhooks 1.0, symmetric."""
        said = f"{id}.{at}.".encode() + body
        return "v1," + base64.b64encode(hmac.digest(self.secret, said, "sha256")).decode()


class Posting(Protocol):
    """`fetch.Fetcher`."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> PostAnswer: ...


class Webhooks:
    """One thread that posts; `post` is called in the transaction of what is told."""

    name = "webhooks"

    def __init__(self, office: OfficeStore, endpoints: Sequence[WebhookEndpoint], sender: Posting) -> None:
        self.endpoints = tuple(endpoints)
        self._office = office
        self._sender = sender
        self._wake = threading.Event()
        # By endpoint: until when it is left alone, and how often in a row it failed. A restart asks at once.
        self._paused: dict[str, tuple[float, int]] = {}
        with office.writing() as db:
            gone = "node.toml names no endpoint of that name any more"
            office.webhooks.end_others(db, tuple(one.name for one in self.endpoints), gone)

    def post(
        self, db: Transaction, topic: str, id: str, data: Mapping[str, Any], only: Set[str] | None = None
    ) -> None:
        """Tell every endpoint that asked for `topic`, once for each `id`; nothing where nobody did.

        `only`: no others than these by name.
        """
        assert topic in TOPICS and _ID.fullmatch(id), "a known topic, and an id without a dot"
        told = [one for one in self.endpoints if topic in one.topics and (only is None or one.name in only)]
        if not told:
            return
        body = orjson.dumps(data)
        assert len(body) <= DATA_BYTES_MAX, "what is told fits into one post"
        for endpoint in told:
            self._office.webhooks.put(db, PostRow(0, endpoint.name, topic, id, 0, body, int(time.time())))
        self._wake.set()

    def wake(self) -> None:
        """A turn that waits returns at once."""
        self._wake.set()

    def turn(self) -> None:
        """Send what is due, or wait a moment."""
        if not self.round():
            self._wake.wait(IDLE_S if self.endpoints else REST_S)
            self._wake.clear()

    def round(self) -> int:
        """How many posts were tried; called by `turn`, and by tests."""
        return sum(self._send_to(endpoint) for endpoint in self.endpoints)

    def again(self, endpoint: str, db: Transaction, number: int | None) -> int:
        """Dead posts are sent once more, and now."""
        self._paused.pop(endpoint, None)
        found = self._office.webhooks.again(db, endpoint, number)
        self._wake.set()
        return found

    def _send_to(self, endpoint: WebhookEndpoint) -> int:
        until, failed = self._paused.get(endpoint.name, (0.0, 0))
        if time.monotonic() < until:
            return 0
        tried = 0
        for row in self._office.webhooks.waiting(endpoint.name, int(time.time()), TOGETHER):
            tried += 1
            because, pause_s = self._try(endpoint, row)
            if pause_s is not None:
                wait_s = max(pause_s, WAITS_S[min(failed, len(WAITS_S) - 1)])
                self._paused[endpoint.name] = time.monotonic() + wait_s, failed + 1
                log.moment("webhook_paused", endpoint=endpoint.name, seconds=wait_s, because=because)
                break
            self._paused.pop(endpoint.name, None)
            failed = 0
        return tried

    def _try(self, endpoint: WebhookEndpoint, row: PostRow) -> tuple[str, int | None]:
        """(why it failed, for how long the endpoint is left alone: None if it answers)."""
        now, pause_s, because = int(time.time()), None, ""
        body = body_of(row)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": row.id,
            "webhook-timestamp": str(now),
            "webhook-signature": endpoint.signature(row.id, now, body),
        }
        try:
            answer = self._sender.post(endpoint.url, body, headers)
        except FetchError as error:
            because, pause_s = str(error), 0
        else:
            if not 200 <= answer.status < 300:
                because = f"answered {answer.status}"
            if answer.status >= 500 or answer.status in _TRIED_AGAIN_LATER:
                pause_s = min(answer.retry_after_s or 0, ASKED_WAIT_S_MAX)
        last = row.tries >= len(WAITS_S)
        state = SENT if not because else DEAD if last else WAITS
        due = 0 if state != WAITS else now + max(WAITS_S[row.tries], pause_s or 0)
        with self._office.writing() as db:
            self._office.webhooks.tried(db, row.number, state, because, due)
        if state == DEAD:
            log.moment("webhook_dead", endpoint=endpoint.name, id=row.id, because=because)
        return because, pause_s


def body_of(row: PostRow) -> bytes:
    """What is sent: the same bytes at each try."""
    said = {
        "type": row.topic,
        "timestamp": datetime.fromtimestamp(row.at, UTC).isoformat().replace("+00:00", "Z"),
        "number": row.number,
        "after": row.after,
        "data": orjson.Fragment(row.body),
    }
    return orjson.dumps(said)
