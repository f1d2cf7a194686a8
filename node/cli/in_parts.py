"""What a node answers in parts once the network has lived long, fetched and put together again.

Asked for whole first: a node that knows of no parts gives it so, and one that holds more than one answer
says `in_parts`. Whoever answers: every part goes further, and all together are no more than is read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import ProblemError
from node.node_client import JSON, Client

if TYPE_CHECKING:
    from credentials.ledger.governance_proof import ProofAnswer

IN_PARTS = "in_parts"
PARTS_MAX = 4_096
TOGETHER_BYTES_MAX = 256 << 20


def fetch_proof(client: Client, height: int) -> ProofAnswer | JSON:
    """Every record that governed after the block of a height, as the file that is verified offline."""
    from credentials.ledger.governance_proof import RECORDS_MAX, joined  # noqa: PLC0415

    path = f"/governance/proof?height={height}"
    try:
        return client.get(path)
    except ProblemError as problem:
        if problem.code != IN_PARTS:
            raise
    parts, taken = list[JSON](), _Taken(RECORDS_MAX)
    start: int | None = 0
    while start is not None:
        part = client.get(f"{path}&from={start}")
        rows = part["records"] if isinstance(part["records"], list) else []
        taken.add(len(rows), sum(len(repr(row)) for row in rows))
        parts.append(part)
        start = _following(start, part["next"], len(parts))
    return joined(parts)


def fetch_epochs(client: Client, link: int | None) -> str:
    """Every policy of the log, each receipted under the one before it, as the file that a device walks."""
    from credentials.ledger.log_epochs import EPOCHS_MAX, EpochStep  # noqa: PLC0415
    from node.receipts.epochs import EpochFile  # noqa: PLC0415

    asked = "" if link is None else f"link={link}"
    try:
        return client.text(f"/log/epochs?{asked}".rstrip("?"))
    except ProblemError as problem:
        if problem.code != IN_PARTS:
            raise
    steps, taken = list[EpochStep](), _Taken(EPOCHS_MAX)
    after: int | None = 0
    for number in range(1, PARTS_MAX + 1):
        text = client.text(f"/log/epochs?after={after}&{asked}".rstrip("&"))
        part = EpochFile.parse(text, "the node's answer")
        taken.add(len(part.steps), len(text))
        steps += part.steps
        after = _following(after or 0, part.more, number)
        if after is None:
            break
    return EpochFile(tuple(steps), part.head, part.links).text()


class _Taken:
    """How much came already."""

    def __init__(self, items_max: int) -> None:
        self._items_max, self._items, self._bytes = items_max, 0, 0

    def add(self, items: int, size_bytes: int) -> None:
        """One part more; ProblemError for one that holds nothing, and for more than any node has."""
        self._items, self._bytes = self._items + items, self._bytes + size_bytes
        if not items:
            raise _strange("a part of the answer holds nothing")
        if self._items > self._items_max or self._bytes > TOGETHER_BYTES_MAX:
            raise _strange("the parts of the answer hold more than any node has")


def _strange(why: str) -> ProblemError:
    return ProblemError(502, "strange_answer", "Strange answer", f"{why}: what answers there is no node")


def _following(now: int, following: object, parts: int) -> int | None:
    """Where the next part begins: further on, or the node is none."""
    if following is None:
        return None
    if type(following) is not int or following <= now or parts >= PARTS_MAX:
        raise _strange("the parts of the answer do not follow each other")
    return following
