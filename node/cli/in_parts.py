"""What a node answers in parts once the network has lived long, fetched and put together again.

Asked for whole first: a node that knows of no parts gives it so, and one that holds more than one answer
says `in_parts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.cli.client import JSON, Client
from node.errors import ProblemError

if TYPE_CHECKING:
    from credentials.ledger.governance_proof import ProofAnswer

IN_PARTS = "in_parts"
PARTS_MAX = 4_096


def fetch_proof(client: Client, height: int) -> ProofAnswer | JSON:
    """Every record that governed after the block of a height, as the file that is verified offline."""
    from credentials.ledger.governance_proof import joined  # noqa: PLC0415

    path = f"/governance/proof?height={height}"
    try:
        return client.get(path)
    except ProblemError as problem:
        if problem.code != IN_PARTS:
            raise
    parts: list[JSON] = []
    start: int | None = 0
    while start is not None:
        parts.append(client.get(f"{path}&from={start}"))
        start = _following(start, parts[-1]["next"], len(parts))
    return joined(parts)


def fetch_epochs(client: Client, link: int | None) -> str:
    """Every policy of the log, each receipted under the one before it, as the file that a device walks."""
    from credentials.ledger.log_epochs import EpochStep  # noqa: PLC0415
    from node.receipts.epochs import EpochFile  # noqa: PLC0415

    asked = "" if link is None else f"link={link}"
    try:
        return client.text(f"/log/epochs?{asked}".rstrip("?"))
    except ProblemError as problem:
        if problem.code != IN_PARTS:
            raise
    steps: list[EpochStep] = []
    after: int | None = 0
    for number in range(1, PARTS_MAX + 1):
        part = EpochFile.parse(client.text(f"/log/epochs?after={after}&{asked}".rstrip("&")))
        steps += part.steps
        after = _following(after or 0, part.more, number)
        if after is None:
            break
    return EpochFile(tuple(steps), part.head, part.links).text()


def _following(now: int, following: object, parts: int) -> int | None:
    """Where the next part begins: further on, or the node is none."""
    if following is None:
        return None
    if type(following) is not int or following <= now or parts >= PARTS_MAX:
        told = "the parts of the answer do not follow each other: what answers there is no node"
        raise ProblemError(502, "strange_answer", "Strange answer", told)
    return following
