"""The one thing that a newcomer is told by another channel: which network, and which past of it.

    SIZE-HEX    HEX = SHA-256 of ["comity/joining/v1", network id, size, root of the log at that size]

The id of a network alone would not do: keys that voted long ago, and were stolen since, can sign another
past for the same genesis. The root of the log names genesis (in the first block), every decision about who
governs, and so whoever votes by then: nothing else needs to be trusted (D485).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from consensus.encoding import encode

_TAG = "comity/joining/v1"
_FORM = re.compile(r"([1-9][0-9]{0,14})-([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class JoiningFingerprint:
    """A log of `size` entries, of one network; `text` is how it is told."""

    size: int
    digest: str

    @classmethod
    def of(cls, network_id: bytes, size: int, root: bytes) -> JoiningFingerprint:
        return cls(size, sha256(encode([_TAG, network_id, size, root])).hexdigest())

    @classmethod
    def parse(cls, text: str) -> JoiningFingerprint | None:
        """None for anything but the one spelling."""
        found = _FORM.fullmatch(text)
        return None if found is None else cls(int(found[1]), found[2])

    @property
    def text(self) -> str:
        return f"{self.size}-{self.digest}"
