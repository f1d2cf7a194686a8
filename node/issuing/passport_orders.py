"""What is asked for when a passport is issued, what came of it, and what is kept of it as documents."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from consensus.application import NotYet
from credentials.documents.issuer import IssuedPassport
from node.errors import busy
from node.storage.documents import StoredDocument
from node.storage.issuances import Issuance

JSON = dict[str, Any]
Sets = Mapping[int, JSON]  # the credentials of a passport by their Annex XIII point


@dataclass(frozen=True, slots=True)
class Order:
    """A passport that somebody asks for.

    `whole`: refused as `passport_incomplete` where a data point that has to be there on the day `placed_on`
    is missing. `renews`: a new version of a passport that there is; with the claims of the newest one
    nothing is signed again. `once`: one passport of this battery and version, whatever the claims; other
    claims for one that stands are refused as `passport_stands`. `tried`: only asked about; no credential of
    it is signed, and nothing is kept.
    """

    claims: JSON
    code: str
    idempotency_key: str | None = None
    whole: bool = False
    placed_on: str | None = None  # YYYY-MM-DD; None: today, or the first day on which a passport is needed
    once: bool = False
    tried: bool = False
    renews: bool = False


@dataclass(frozen=True, slots=True)
class Issued:
    """A passport that is on disk; or of an order that was only tried, what would be."""

    digest: bytes  # of its set list
    battery: str
    version: int
    credentials: Sets | None  # as they were just signed; None: it was issued before
    waits: NotYet | None = None  # for what its publication waits on the ledger, as it was signed
    kept: Issuance | None = None  # as it was just stored


class OneBatch:
    """One batch is issued at a time. Thread-safe."""

    def __init__(self) -> None:
        self._taken = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around all parts of a batch; 503 while another one has the turn."""
        if not self._taken.acquire(blocking=False):
            raise busy("another batch is being issued: send this one again once that is answered")
        try:
            yield
        finally:
            self._taken.release()


def set_documents(issued: IssuedPassport, battery: str, did: str) -> list[StoredDocument]:
    """Its credentials, one for each point, by this issuer."""
    return [
        StoredDocument(
            issued.digests[point],
            "passport",
            orjson.dumps(document),
            did,
            battery=battery,
            point=point,
            set_digest=issued.digest,
            credential_id=document["id"],
        )
        for point, document in issued.credentials.items()
    ]
