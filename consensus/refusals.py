"""Why a message was dropped: one reason for every error that its reading or verifying can raise.

A replica counts what it drops by these words. `reason_of` is total: an error class that nobody listed has the
reason of its nearest listed ancestor, and ConsensusError, their root, is listed. So the edge needs one
`except ConsensusError`, and no list of classes that somebody forgets to extend.
"""

from collections.abc import Mapping

from consensus.application import Refusal
from consensus.checkpoint import NoteError
from consensus.cose import SignatureInvalid
from consensus.encoding import EncodingError
from consensus.errors import ConsensusError
from consensus.evidence import EvidenceInvalid
from consensus.log_policy import PolicyError
from consensus.merkle import MerkleError
from consensus.receipt import ReceiptError
from consensus.types import CertificateInvalid

_REASONS: Mapping[type[ConsensusError], str] = {
    ConsensusError: "invalid",
    EncodingError: "malformed",
    SignatureInvalid: "signature",
    CertificateInvalid: "stranger",
    EvidenceInvalid: "evidence",
    NoteError: "note",
    MerkleError: "proof",
    PolicyError: "policy",
    ReceiptError: "receipt",
    Refusal: "refused",
}

OVERSIZED = "oversized"
BAD_BLOCK = "bad_block"  # an answer to a request for blocks that is none of this chain
UNFORESEEN = "unforeseen"  # an exception of ours: whoever caused it, its sender need not be to blame

# What no honest node sends: whoever passes it on has not verified it, and pays with a strike.
HOSTILE = frozenset(
    {"malformed", OVERSIZED, "signature", "stranger", "evidence", "note", "invalid", BAD_BLOCK}
)


def reason_of(error: ConsensusError) -> str:
    """The word under which a message that raised `error` is counted."""
    return next(_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS)
