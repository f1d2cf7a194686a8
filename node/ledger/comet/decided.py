"""What stands in the place of a certificate: that CometBFT decided the block, and what its header carries."""

from __future__ import annotations

from consensus.delivered import Carried
from consensus.encoding import EncodingError, decode, encode

_DECIDED_TAG = "comity/decided-by/v1"
ENGINE = "cometbft"


def decided_by(height: int, block_hash: bytes, carried: Carried) -> bytes:
    """What is kept in a certificate's place: that CometBFT decided it, and as which of its blocks.

    Wire: ["comity/decided-by/v1", "cometbft", height, hash of its block, height and state that its next
    header carries]. It proves nothing by itself: CometBFT keeps the commit, and receipts rest on cosigned
    checkpoints.
    """
    return encode([_DECIDED_TAG, ENGINE, height, block_hash, carried.height, carried.state])


def carried_by(certificate: bytes) -> Carried:
    """What the header after that block carries; raises EncodingError where another engine decided it."""
    match decode(certificate):
        case [tag, engine, _, _, height, state] if (tag, engine) == (_DECIDED_TAG, ENGINE):
            return Carried.read(height, state)
    raise EncodingError("another engine decided the last block")


def by_cometbft(certificate: bytes) -> bool:
    """Whether this stands in the place of a certificate: it proves nothing by itself."""
    try:
        carried_by(certificate)
    except EncodingError:
        return False
    return True
