"""The operator's desk of webhooks: endpoints, what waits or is dead, sent once more."""

from __future__ import annotations

import time
from typing import TypedDict

from node.errors import not_found
from node.resolution.webhooks import Webhooks, body_of
from node.storage.office import OfficeStore
from node.storage.webhook_posts import DEAD, SENT, WAITS, PostRow

DEAD_SHOWN = 200


class EndpointAnswer(TypedDict):
    """One endpoint of node.toml; its secret is told nobody."""

    name: str
    url: str
    topics: list[str]
    waits: int
    sent: int  # of those that are kept
    dead: int


class WebhookPostAnswer(TypedDict):
    """One post, and what came of it."""

    number: int
    endpoint: str
    topic: str
    id: str
    at: int
    state: str  # waits | sent | dead (tried no more)
    tries: int
    due: int  # not tried before
    because: str  # why the last try failed
    body: str  # JSON, as it is signed and sent


class WebhooksAnswer(TypedDict):
    """Endpoints, and the newest posts that were given up."""

    endpoints: list[EndpointAnswer]
    dead: list[WebhookPostAnswer]


class WebhookPostsAnswer(TypedDict):
    """Posts to one endpoint, in order."""

    posts: list[WebhookPostAnswer]


class AgainAnswer(TypedDict):
    """How many posts are sent once more."""

    again: int


class WebhookDesk:
    """What only the operator sees and decides."""

    def __init__(self, office: OfficeStore, webhooks: Webhooks) -> None:
        self._office = office
        self._webhooks = webhooks

    def show(self) -> WebhooksAnswer:
        """Every endpoint, and what was given up."""
        counts = self._office.webhooks.counts()
        endpoints: list[EndpointAnswer] = [
            {
                "name": one.name,
                "url": one.url,
                "topics": sorted(one.topics),
                "waits": counts.get((one.name, WAITS), 0),
                "sent": counts.get((one.name, SENT), 0),
                "dead": counts.get((one.name, DEAD), 0),
            }
            for one in self._webhooks.endpoints
        ]
        return {
            "endpoints": endpoints,
            "dead": [_told(row) for row in self._office.webhooks.dead(DEAD_SHOWN)],
        }

    def posts(self, name: str, state: str | None, after: int, limit: int) -> list[WebhookPostAnswer]:
        """In their order, from the one behind number `after`; 404 `webhook_unknown`."""
        self._require(name)
        return [_told(row) for row in self._office.webhooks.page(name, state, after, limit)]

    def again(self, name: str, number: int | None, who: str) -> int:
        """Send dead posts once more, all or one; how many. 404 `webhook_unknown`."""
        self._require(name)
        with self._office.writing() as db:
            found = self._webhooks.again(name, db, number)
            self._office.audit.put(db, int(time.time()), who, "webhook.again", f"{name}: {found}")
        return found

    def _require(self, name: str) -> None:
        if name not in {one.name for one in self._webhooks.endpoints}:
            raise not_found("webhook_unknown", "node.toml of this node names no endpoint {name}", name=name)


def _told(row: PostRow) -> WebhookPostAnswer:
    return {
        "number": row.number,
        "endpoint": row.endpoint,
        "topic": row.topic,
        "id": row.id,
        "at": row.at,
        "state": row.state,
        "tries": row.tries,
        "due": row.due,
        "because": row.because,
        "body": body_of(row).decode(),
    }
