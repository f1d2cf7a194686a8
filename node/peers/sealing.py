"""Bodies between nodes are sealed to their reader, also where a proxy ends TLS: libsodium's box.

    box = nonce(24) || XSalsa20-Poly1305 under X25519(own transport key, reader's transport key)

Transport keys are Ed25519 keys; libsodium says how each becomes one for X25519. A restricted
set, a presentation or an attestation is readable by the two participants and by nobody between them.
"""

from __future__ import annotations

import nacl.exceptions
import nacl.public
import nacl.signing


class SealingError(ValueError):
    """What was received is not sealed for this node by that peer, or its key is none."""


class Sealing:
    """Seals to peers and opens what they sealed, with the seed of the own transport key."""

    def __init__(self, seed: bytes) -> None:
        self._private = nacl.signing.SigningKey(seed).to_curve25519_private_key()
        self._boxes: dict[bytes, nacl.public.Box] = {}  # as many as there are transport keys

    def seal(self, reader: bytes, data: bytes) -> bytes:
        """`data` for the holder of the Ed25519 key `reader`; SealingError if that is no key."""
        try:
            return bytes(self._box(reader).encrypt(data))
        except (nacl.exceptions.CryptoError, ValueError) as error:
            raise SealingError("nothing can be sealed to that key") from error

    def open(self, writer: bytes, sealed: bytes) -> bytes:
        """What the holder of the Ed25519 key `writer` sealed for us; SealingError otherwise."""
        try:
            return bytes(self._box(writer).decrypt(sealed))
        except (nacl.exceptions.CryptoError, ValueError) as error:
            raise SealingError("it is not sealed for this node by its sender") from error

    def _box(self, other: bytes) -> nacl.public.Box:
        box = self._boxes.get(other)
        if box is None:
            public = nacl.signing.VerifyKey(other).to_curve25519_public_key()
            box = self._boxes[other] = nacl.public.Box(self._private, public)
        return box
