"""What comes for participants whom this node hosts: kept in memory until they collect it (D726).

    POST /peer/collect   [[number, status, answer], ...] -> [[number, path, request], ...]

A hosted participant's node opens no door to the outside: its address is its host's. What is asked of it comes
here, signed by its sender and sealed to its reader, is collected, and answered the same way: the host sees
who asked whom, when and on which path, opens none of it, and can forge no answer. It can withhold: whoever
asked is told that nobody answered.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

from consensus.encoding import Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from node.errors import ProblemError, bad_request, busy, forbidden
from node.peers.messages import PEER_BODY_BYTES_MAX, refusal_of

ASKED_MAX, OF_SENDER_MAX = 64, 8  # of one participant at the same time; of these, of one who asks
REQUEST_BYTES_MAX = 1 << 20  # of one request that is passed on: a batch has no more
COLLECTED_BYTES_MAX = 2 << 20  # at once, but for one alone
AWAY_S = 10.0  # who has not collected for so long is not there
ANSWERED_S_MAX = 4.5  # its asker waits for 5 s


@dataclass(slots=True)
class _Asked:
    sender: str
    path: str
    request: bytes
    since_s: float
    answer: Future[bytes] = field(default_factory=Future)
    given: bool = False


@dataclass(slots=True)
class _Mailbox:
    asked: dict[int, _Asked] = field(default_factory=dict)  # in order
    seen_s: float | None = None  # when it was collected last

    def tidy(self, now_s: float) -> None:
        """Nobody waits for the others any more."""
        for number, one in [*self.asked.items()]:
            if one.answer.done() or now_s - one.since_s > ANSWERED_S_MAX:
                one.answer.cancel()
                del self.asked[number]


class Mailboxes:
    """One for each participant that is hosted here. Thread-safe."""

    def __init__(self, hosted: Iterable[str] = (), *, passed: Callable[[], float] = time.monotonic) -> None:
        self._boxes = {did: _Mailbox() for did in hosted}
        self.hosted = frozenset(self._boxes)
        self._passed = passed
        self._lock = threading.Lock()

    def put(self, receiver: str, sender: str, path: str, request: bytes) -> Future[bytes]:
        """The answer to come; ProblemError 503 where nobody collects, or too much waits already."""
        box = self._boxes[receiver]
        with self._lock:
            box.tidy(now_s := self._passed())
            if box.seen_s is None or now_s - box.seen_s > AWAY_S:
                raise away()
            of_sender = sum(one.sender == sender for one in box.asked.values())
            if len(request) > REQUEST_BYTES_MAX or len(box.asked) >= ASKED_MAX or of_sender >= OF_SENDER_MAX:
                raise busy("more is asked of {participant} than waits at its host", participant=receiver)
            asked = box.asked[secrets.randbits(48)] = _Asked(sender, path, request, now_s)
        return asked.answer

    def collect(self, did: str, content: bytes) -> bytes:
        """Take over the answers of a hosted participant, and hand out what was asked of it since."""
        if did not in self._boxes:
            raise forbidden("not_hosted", "this node hosts no {participant}: see [hosting]", participant=did)
        answers, box = _answers_of(content), self._boxes[did]
        with self._lock:
            box.seen_s = self._passed()
            answered = [(box.asked.pop(number, None), status, answer) for number, status, answer in answers]
            box.tidy(box.seen_s)
            collected = self._collected(box)
        for asked, status, answer in answered:
            if asked is not None and asked.answer.set_running_or_notify_cancel():
                _settle(asked.answer, status, answer)
        return encode(collected)

    @staticmethod
    def _collected(box: _Mailbox) -> list[Value]:
        found, size = list[Value](), 0
        for number, one in box.asked.items():
            size += len(one.request)
            if one.given:
                continue
            if found and size > COLLECTED_BYTES_MAX:
                break
            one.given = True
            found.append([number, one.path, one.request])
        return found


def away() -> ProblemError:
    """503: whom it is for does not collect what is asked of it, or does not answer."""
    told = "whom it is for is hosted here, and does not answer now: its own computer is off, or cut off"
    return ProblemError(503, "hosted_away", "Come again", told)


def waited(later: Future[bytes]) -> bytes:
    """The answer to come, on a thread that waits for it."""
    try:
        return later.result(ANSWERED_S_MAX)
    except (TimeoutError, CancelledError):
        raise away() from None
    finally:
        later.cancel()


def _settle(waiting: Future[bytes], status: int, answer: bytes) -> None:
    """What it signed; or what it refused, in its own words."""
    if status == 200:
        waiting.set_result(answer)
    else:
        told = "it answered: {refusal}"
        refusal = refusal_of(status, answer)
        waiting.set_exception(ProblemError(status, "peer_refused", "Refused", told, refusal=refusal))


def _answers_of(content: bytes) -> list[tuple[int, int, bytes]]:
    try:
        rows = decode(content, size_bytes_max=PEER_BODY_BYTES_MAX)
    except ConsensusError as error:
        raise bad_request("malformed", str(error)) from error
    found = []
    for row in rows if isinstance(rows, list) else [rows]:
        match row:
            case [number, status, bytes(answer)] if whole_numbers(number, status) and (
                status == 200 or 400 <= status < 600
            ):
                found.append((number, status, answer))
            case _:
                raise bad_request("malformed", "answers are [[number, status, answer], ...]")
    return found
