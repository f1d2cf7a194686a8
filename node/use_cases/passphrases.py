"""Passphrases of people: argon2id (RFC 9106, by libsodium), checked a few at a time.

A verifier is argon2id's own text with its salt and parameters: one made with others is still checked.
"""

from __future__ import annotations

import threading

import nacl.exceptions
import nacl.pwhash.argon2id

from node.config import PASSPHRASE_CHARS_MIN, PASSPHRASE_DIFFERENT_MIN
from node.errors import bad_request

CHARS_MAX = 256
CHECKED_AT_ONCE = 2  # each takes MEMLIMIT_BYTES, and a core for a tenth of a second
OPSLIMIT = nacl.pwhash.argon2id.OPSLIMIT_MODERATE
MEMLIMIT_BYTES = nacl.pwhash.argon2id.MEMLIMIT_INTERACTIVE


class Passphrases:
    """Thread-safe."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(CHECKED_AT_ONCE)
        self._nobodys: str | None = None

    def verifier(self, words: str, name: str) -> str:
        """What a new passphrase is known by; 400 for one that is guessed soon."""
        _require_strong(words, name)
        return self._made(words)

    def fits(self, verifier: str, words: str) -> bool:
        """Whether it is that one. "" is nobody's: it takes as long, and never fits."""
        if len(words) > CHARS_MAX:
            return False
        against = verifier or self._of_nobody()
        with self._turns:
            try:
                nacl.pwhash.argon2id.verify(against.encode(), words.encode("utf-8", "replace"))
            except nacl.exceptions.InvalidkeyError:
                return False
        return bool(verifier)

    def _of_nobody(self) -> str:
        if self._nobodys is None:
            self._nobodys = self._made("whatever is typed for a name that nobody has")
        return self._nobodys

    def _made(self, words: str) -> str:
        with self._turns:
            made: bytes = nacl.pwhash.argon2id.str(
                words.encode("utf-8", "replace"), opslimit=OPSLIMIT, memlimit=MEMLIMIT_BYTES
            )
        return made.decode("ascii")


def _require_strong(words: str, name: str) -> None:
    plain = " ".join(words.casefold().split())
    if len(words) > CHARS_MAX:
        told = "a passphrase has at most {most} characters"
        raise bad_request("passphrase_weak", told, most=CHARS_MAX)
    if len(words) < PASSPHRASE_CHARS_MIN or len(set(plain)) < PASSPHRASE_DIFFERENT_MIN:
        told = "a passphrase has at least {least} characters, {different} of them different"
        raise bad_request(
            "passphrase_weak", told, least=PASSPHRASE_CHARS_MIN, different=PASSPHRASE_DIFFERENT_MIN
        )
    rest = plain.replace(" ".join(name.casefold().split()), "")
    if len(rest.strip("0123456789 !.-_")) < PASSPHRASE_DIFFERENT_MIN:
        raise bad_request("passphrase_weak", "a passphrase is more than the name that it is for, and numbers")
