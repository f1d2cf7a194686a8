"""One JSON line on stderr for every noteworthy moment: `{"at": "commit", "height": 7, ...}`, flushed.

The kill tests wait for these lines and stop the process from outside. No secret is ever a member: ids,
heights and digests only.

Nobody fills a disk with them: of what others can bring about as often as they like, `BURST` lines of a kind
and peer are written, and then one a second; how many were left out is a member of the next one, `left_out`,
or in a line of its own. What a node does at its own pace (`AT_OWN_PACE`) is written always. What libraries
say, and where something was raised unforeseen, comes through here as well (decision 0586).
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections import OrderedDict
from dataclasses import dataclass

from consensus.encoding import Value
from credentials.documents.canonical import b64u

BURST = 60
REFILL_S = 1.0
CHARS_MAX = 1000  # of a text: it may be another's
KEPT_MAX = 4096  # kinds and peers that are told apart: the participants are fewer
AT_OWN_PACE = {
    **dict.fromkeys(("proposal", "prevote", "precommit"), "one a round, which lasts as long as its timeouts"),
    **dict.fromkeys(("commit", "cosign", "checkpoint", "receipt"), "one a block, or a minute"),
    **dict.fromkeys(("listening", "ended", "stopped"), "one a start"),
    **dict.fromkeys(("issue", "outbox"), "one a statement that this participant signed"),
    **dict.fromkeys(("waits", "goes_on", "withheld", "key_destroyed"), "one a change of what governs"),
    **dict.fromkeys(("comparing", "compared"), "one a start, and each minute until it is done"),
    "condition": "one a condition that begins or ends, looked at every few seconds",
    "fault": "a thread that fails is tried again later each time",
    "evidence": "so many of a kind as a ledger records",
    "decision_reached": "one a decision of the network",
}

_lock = threading.Lock()


@dataclass(slots=True)
class _Budget:
    """How many lines of one kind and peer may be written, when that was worked out, how many were not."""

    lines: float
    at_s: float
    left_out: int = 0


_budgets: OrderedDict[tuple[str, str], _Budget] = OrderedDict()  # by kind and peer
_owing: dict[tuple[str, str], _Budget] = {}  # of those, what left lines out that were not told yet


def moment(at: str, error: BaseException | None = None, **members: Value) -> None:
    """Write one line, or count it; bytes appear in base64url. After it where `error` was raised, if any."""
    plain = {k: _plain(v) for k, v in members.items()}
    peer = plain.get("peer")
    what = at, peer if isinstance(peer, str) else ""
    with _lock:
        lines = []
        if at in AT_OWN_PACE:
            lines += [_line(of, peer=by, left_out=count) for (of, by), count in _paid()]
        elif not _spends(what):
            return
        elif (owed := _owing.pop(what, None)) is not None:
            plain["left_out"], owed.left_out = owed.left_out, 0
        lines.append(_line(at, **plain))
        if error is not None:
            lines += traceback.format_exception(error)
        sys.stderr.write("".join(lines))
        sys.stderr.flush()


def _plain(value: Value) -> Value:
    if isinstance(value, bytes):
        return b64u(value)
    return value[:CHARS_MAX] if isinstance(value, str) else value


def _line(at: str, **members: Value) -> str:
    return json.dumps({"at": at, "time_ms": int(time.time() * 1000), **members}, ensure_ascii=False) + "\n"


def _spends(what: tuple[str, str]) -> bool:
    """Whether one more line of this kind and peer is written; else it is counted."""
    budget = _budgets.setdefault(what, _Budget(BURST, time.monotonic()))
    _budgets.move_to_end(what)
    if len(_budgets) > KEPT_MAX:
        _owing.pop(_budgets.popitem(last=False)[0], None)
    if _refilled(budget) < 1:
        budget.left_out += 1
        _owing[what] = budget
        return False
    budget.lines -= 1
    return True


def _refilled(budget: _Budget) -> float:
    now = time.monotonic()
    budget.lines = min(budget.lines + (now - budget.at_s) / REFILL_S, BURST)
    budget.at_s = now
    return budget.lines


def _paid() -> list[tuple[tuple[str, str], int]]:
    """(kind and peer, how many lines of it were left out) of what may be told now."""
    told = []
    for what, budget in list(_owing.items()):
        if _refilled(budget) >= 1:
            del _owing[what]
            told.append((what, budget.left_out))
            budget.lines, budget.left_out = budget.lines - 1, 0
    return told


class Libraries(logging.Handler):
    """What libraries have to say, as moments: a client may bring it about as often as it likes."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        moment("library", error, of=record.name, because=record.getMessage())


def hear_libraries() -> None:
    """From now on libraries write nothing themselves."""
    logging.basicConfig(handlers=[Libraries()], level=logging.WARNING, force=True)
