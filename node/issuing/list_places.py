"""The order in which places of status lists are given away, and what the lists are called: neither counts.

Passports are counted by a running number that is in no document. Their places are a keyed permutation of it
within a list, and a list is called by a keyed word: whoever has a passport learns from neither how many there
are. The key follows from keys.enc: where office.db is an older one, or gone, the lists of before are found by
the same names, and no two numbers share a place. Lists that were begun before this was so keep their names,
1, 2, ..., and no further place of them is given away.
"""

from __future__ import annotations

import hmac
from struct import pack

from credentials.documents.status import BITS_MIN

LOW_BITS = 8
HIGH_BITS = 9
ABOUT = b"comity/status-places/v1"  # what the secret is derived for
ROUNDS = 6  # of two halves each: 12 of a Feistel network, of which FF1 (NIST SP 800-38G) has ten
WORD_BYTES = 8

assert 1 << (HIGH_BITS + LOW_BITS) == BITS_MIN, "the permutation is one of the places of a list"


class ListPlaces:
    """The places of the lists of one issuer; `begins` is what the names of its lists begin with."""

    def __init__(self, secret: bytes, begins: str) -> None:
        self._key = hmac.digest(secret, b"lists" + begins.encode(), "sha256")

    def place(self, number: int) -> int:
        """The place over all lists of a purpose that the running `number` has."""
        lists_before, nth = divmod(number, BITS_MIN)
        high, low = nth >> LOW_BITS, nth % (1 << LOW_BITS)
        # Each half is changed by the other alone, so it can be undone: no two meet.
        for turn in range(ROUNDS):
            high ^= self._drawn(lists_before, 2 * turn, low) % (1 << HIGH_BITS)
            low ^= self._drawn(lists_before, 2 * turn + 1, high) % (1 << LOW_BITS)
        return lists_before * BITS_MIN + (high << LOW_BITS | low)

    def word(self, list_number: int) -> str:
        """What the list with this number is called by, instead of its number."""
        return hmac.digest(self._key, b"list" + pack(">Q", list_number), "sha256")[:WORD_BYTES].hex()

    def _drawn(self, list_number: int, turn: int, half: int) -> int:
        drawn = hmac.digest(self._key, b"half" + pack(">QHH", list_number, turn, half), "sha256")
        return int.from_bytes(drawn[:4])
