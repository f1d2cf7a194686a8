"""What CometBFT calls the network and its validators: no message of its own is needed."""

from __future__ import annotations

from hashlib import sha256

ADDRESS_BYTES = 20


def chain_id(network_id: bytes, epoch: int = 0) -> str:
    """What CometBFT calls the network; all of its id is under the app hash of genesis.

    Half of the id and the engine's epoch (`EngineTerm`): CometBFT takes 50 characters.
    """
    return f"{network_id[:16].hex()}-{epoch}"


def address(public_key: bytes) -> bytes:
    """How CometBFT names a validator: the first 20 bytes of the SHA-256 of its vote key."""
    return sha256(public_key).digest()[:ADDRESS_BYTES]
