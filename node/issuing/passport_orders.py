"""What is asked for when a passport is issued, what came of it, and what is kept of it as documents."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

import orjson

from consensus.application import NotYet
from credentials.documents.issuer import IssuedPassport
from node.errors import ProblemError, busy
from node.storage.documents import StoredDocument
from node.storage.issuances import Issuance

JSON = dict[str, Any]
Sets = Mapping[int, JSON]  # the credentials of a passport by their Annex XIII point
ISSUED_TOGETHER = 32  # in one transaction, during which nobody else issues anything


@dataclass(frozen=True, slots=True)
class Order:
    """A passport that somebody asks for.

    `whole`: refused as `passport_incomplete` where a data point that has to be there on the day `placed_on`
    is missing. `renews`: a new version of a passport that there is; with the claims of the newest one
    nothing is signed again. `once`: one passport of this battery and version, whatever the claims; other
    claims for one that stands are refused as `passport_stands`. `tried`: only asked about; no credential of
    it is signed, and nothing is kept. `asked_in`: what is written of it names who asked, on whichever thread.
    """

    claims: JSON
    code: str
    idempotency_key: str | None = None
    whole: bool = False
    placed_on: str | None = None  # YYYY-MM-DD; None: today, or the first day on which a passport is needed
    once: bool = False
    tried: bool = False
    renews: bool = False
    asked_in: Context = field(default_factory=copy_context, compare=False, repr=False)


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


@dataclass(slots=True, eq=False)
class _Waiting:
    """One order of a request, and what came of it; None after its turn: it is to be issued by itself."""

    order: Order
    had_its_turn: bool = False
    made: Issued | ProblemError | None = None


class OneByOne:
    """Requests of one passport each: those that come while another is written go together. Thread-safe.

    Whoever has the turn issues the oldest of all that wait, in one transaction, so that they wait for the
    disk once; each is told what it would have been told by itself. Nobody waits for others to come.
    """

    def __init__(self, issue: Callable[[Sequence[Order]], Sequence[Issued | ProblemError]]) -> None:
        self._issue = issue
        self._turn = threading.Lock()
        self.waiting = deque[_Waiting]()  # as many as there are requests

    def issued(self, order: Order) -> Issued | ProblemError:
        """On disk when this returns, or why it is refused."""
        mine = _Waiting(order)
        self.waiting.append(mine)
        with self._turn:
            while not mine.had_its_turn:
                self._issue_oldest()
        return mine.made if mine.made is not None else self._issue([order])[0]

    def _issue_oldest(self) -> None:
        together = [self.waiting.popleft() for _ in range(min(len(self.waiting), ISSUED_TOGETHER))]
        try:
            made = self._issue([one.order for one in together])
            for one, what in zip(together, made, strict=True):
                one.made = what
        except Exception:
            if len(together) == 1:
                raise
            # Nothing is kept of any of them: each is issued by itself, and raises what is its own.
        finally:
            for one in together:
                one.had_its_turn = True


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
