"""The lots of recovered material that a new battery is said to be made with, as its maker names them.

"did:web:recycler.example LOT-7 co 1200": who made the lot, its number there, the metal, grams of it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from credentials.documents.identifiers import canonical_did
from credentials.errors import CredentialError

EXAMPLE = "did:web:recycler.example LOT-7 co 1200"
METAL_CHARS_MAX, GRAMS_DIGITS_MAX = 2, 8


@dataclass(frozen=True, slots=True)
class NamedLot:
    """So many grams of a metal out of one lot."""

    owner: str
    lot: str
    metal: str
    grams: int


def read_lots(lines: Sequence[str]) -> tuple[NamedLot, ...]:
    """The lots that are named; raises CredentialError for a line that names none."""
    return tuple(map(_read, lines))


def _read(line: str) -> NamedLot:
    words = line.split()
    if len(words) < len(NamedLot.__slots__):
        raise _no_lot(line)
    owner, *lot, metal, grams = words
    plain = metal.isascii() and metal.islower() and len(metal) <= METAL_CHARS_MAX
    counted = grams.isascii() and grams.isdecimal() and len(grams) <= GRAMS_DIGITS_MAX
    if not plain or not counted or not int(grams):
        raise _no_lot(line)
    try:
        return NamedLot(canonical_did(owner), " ".join(lot), metal, int(grams))
    except CredentialError as error:
        raise _no_lot(line) from error


def _no_lot(line: str) -> CredentialError:
    return CredentialError("members_malformed", f"{line[:80]!r} names no lot: write it as {EXAMPLE}")
