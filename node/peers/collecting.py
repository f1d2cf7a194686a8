"""A participant whom another's node hosts: what is asked of it is collected there, answered here (D726)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import orjson

from consensus.encoding import Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from node.errors import ProblemError
from node.peers.gossip import Gossip
from node.peers.mailboxes import ASKED_MAX, AWAY_S
from node.peers.messages import PEER_BODY_BYTES_MAX, not_authenticated

EACH_S = 0.5  # between two questions while nothing is asked
AGAIN_S = 2.0  # after one that failed
ANSWERS_BYTES_MAX = PEER_BODY_BYTES_MAX - (64 << 10)  # of what is answered at once


class Collecting:
    """The trade that asks the host; what it hands over is opened as whatever comes to the own door is."""

    name = "collecting"

    def __init__(self, host: str, gossip: Gossip) -> None:
        self.host = host
        self._gossip = gossip
        self._asked: list[tuple[int, str, bytes]] = []  # number, path, request: what waits to be answered
        self._answers: list[tuple[int, int, bytes]] = []  # number, status, answer
        self._woken = threading.Event()
        self._heard_s = time.monotonic()  # as if just now: a start is no fault of the host

    def answer_by(self, answer: Callable[[str, bytes], bytes]) -> None:
        """`answer`: (path, request) -> signed answer, or ProblemError."""
        self._answer = answer

    def silence_s(self) -> int | None:
        """For how long the host has not answered; None while it does."""
        silent_s = time.monotonic() - self._heard_s
        return int(silent_s) if silent_s > AWAY_S else None

    def turn(self) -> None:
        """Hand over what was answered, collect what is asked, answer it; or wait a moment.

        A host, honest or not, is heard of as much as an honest one keeps, and answered by one body's worth at
        a time: it takes no memory beyond that.
        """
        try:
            asked = self._collected()
        except (OSError, ConsensusError, ProblemError):
            self._asked, self._answers = [], []  # whoever waited for them does no more
            self._wait(AGAIN_S)
            return
        self._heard_s = time.monotonic()
        self._asked = [*self._asked, *asked][:ASKED_MAX]
        while self._asked and sum(len(answer) for *_, answer in self._answers) < ANSWERS_BYTES_MAX:
            self._answers.append(self._answered(*self._asked.pop(0)))
        if not self._answers:
            self._wait(EACH_S)

    def wake(self) -> None:
        self._woken.set()

    def _wait(self, seconds: float) -> None:
        self._woken.wait(seconds)
        self._woken.clear()

    def _collected(self) -> list[tuple[int, str, bytes]]:
        now, size = list[Value](), 0
        while self._answers and (not now or size + len(self._answers[0][2]) <= ANSWERS_BYTES_MAX):
            size += len(self._answers[0][2])
            now.append(list[Value](self._answers.pop(0)))
        answer = self._gossip.request(self.host, "collect", encode(now))
        handed = decode(answer, size_bytes_max=PEER_BODY_BYTES_MAX)
        return [_asked(row) for row in (handed if isinstance(handed, list) else [handed])]

    def _answered(self, number: int, path: str, request: bytes) -> tuple[int, int, bytes]:
        try:
            answer = self._answer(path, request)
        except ProblemError as error:
            return number, error.status, orjson.dumps({"detail": error.detail})
        if len(answer) > ANSWERS_BYTES_MAX:
            return number, 413, orjson.dumps({"detail": "the answer is larger than what a host passes on"})
        return number, 200, answer


def _asked(row: Value) -> tuple[int, str, bytes]:
    match row:
        case [number, str(path), bytes(request)] if whole_numbers(number):
            return number, path, request
        case _:
            raise not_authenticated("what the host hands over cannot be read")
