"""What travels between nodes: the kinds of item, and their limits.

    POST /peer/<path>   body = COSE_Sign1 by the sender's `transport` key (authentication.py) over `body`
    200                 body = COSE_Sign1 by the receiver's `transport` key over `body`

`body` by path, sealed to its reader (sealing.py); CBOR but for documents:

    messages   [status, [item, ...]]       -> status      item = [kind(int), fields...], see ITEM_*
    status     status                      -> status
    blocks     [from height, count]        -> [[block, certificate], ...]
    documents  JSON                        -> JSON (node/verdicts/sources.py says which)
    attempts   COSE_Sign1 of the refuser   -> 1           (node/oversight/attempts.py)
    cases      COSE_Sign1 of its author    -> 1           (node/oversight/case_statements.py)
    alerts     COSE_Sign1 of its sender    -> 1           (node/oversight/forwarding.py)
    collect    [[number, status, answer], ...] -> [[number, path, request], ...]  (mailboxes.py)
    snapshot   [height or 0, offset, log size] -> [height, size, chunk]  (snapshot.py)
    engine     [method, {name: number}]    -> JSON of CometBFT's RPC (node/ledger/comet/relay.py)

    status = [replica status, height, log size, size of the cosigned checkpoint]
"""

from __future__ import annotations

import json

from consensus.encoding import Value
from node.errors import ProblemError

PEER_BODY_BYTES_MAX = 4 << 20  # a batch of blocks, in either direction
STATUS_BYTES_MAX = 64 << 10  # an answer that is a status, or a refusal
TOLD_CHARS_MAX = 300  # of a peer's sentence
BLOCKS_PER_REQUEST = 64
BLOCKS_BYTES_MAX = 2 << 20

ITEM_CONSENSUS = 1  # [1, replica message]
ITEM_ATTESTATION = 2  # [2, attestation]
ITEM_COSIGNATURE = 3  # [3, size, root, log line, cosignature line]
ITEM_NOTE = 4  # [4, text of a cosigned checkpoint]: to a peer that lacks it
ITEM_ASK_COSIGNATURE = 5  # [5, DID]: which checkpoint did you see it cosign? Answered by item 3

Item = list[Value]
Status = tuple[bytes, int, int, int]  # replica status, height, log size, size of the cosigned checkpoint


def refusal_of(status: int, answer: bytes) -> str:
    """What a peer answered in place of an answer, as its operator's colleague reads it.

    Its own sentence, if it sent one that can be shown to anybody; its form and its signs are not trusted.
    """
    try:
        told = json.loads(answer[:STATUS_BYTES_MAX])["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        told = None
    if isinstance(told, str) and told and told.isprintable():
        return told[:TOLD_CHARS_MAX]
    return f"{status}, and not why"


def not_authenticated(detail: str) -> ProblemError:
    """401: what was sent is not from a peer, or not what a peer sends."""
    return ProblemError(401, "peer_not_authenticated", "Not authenticated", detail)


def too_large() -> ProblemError:
    """413: told by the length alone, without reading."""
    return ProblemError(
        413, "too_large", "Too large", f"a peer request has at most {PEER_BODY_BYTES_MAX} bytes"
    )
