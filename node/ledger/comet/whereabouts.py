"""Where the CometBFT of each participant is, as its own node says in the place of a replica's status.

    status = ["comity/comet-at/v1", id of the node (20 bytes), port]     nothing, while it is not there

It is signed, as every message of a node, by the transport key of a participant: the ledger says who that is,
and nobody else is connected to. The host is that of the node's own address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from consensus.encoding import EncodingError, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from consensus.recollection import is_recollection
from consensus.sync import is_status
from consensus.types import decode_message
from node.ledger.comet.comet_names import ADDRESS_BYTES

PORT_MAX = 65_535
_AT_TAG = "comity/comet-at/v1"


def told_at(node_id: bytes, port: int) -> bytes:
    """What this node says of its own."""
    return encode([_AT_TAG, node_id, port]) if port else b""


def read_at(status: bytes) -> tuple[bytes, int] | None:
    """(id, port) of a peer's; None where it says nothing of the kind."""
    try:
        match decode(status):
            case [tag, bytes(node_id), port] if tag == _AT_TAG and len(node_id) == ADDRESS_BYTES:
                return (node_id, port) if whole_numbers(port) and 0 < port <= PORT_MAX else None
    except EncodingError:
        pass
    return None


def is_no_message(data: bytes) -> bool:
    """Whether this engine has nothing to do with it: a place, or what the embedded engine says.

    That one ordered before, or orders after this one, where a network is moved.
    """
    if not data or read_at(data) is not None:
        return True
    try:
        value = decode(data)
        if not (is_status(value) or is_recollection(value)):
            decode_message(value)
    except ConsensusError:
        return False
    return True


class Whereabouts:
    """What all of them said last. From any thread."""

    def __init__(self) -> None:
        self.where: Callable[[], Mapping[str, str]] = dict  # {DID: URL} of whoever takes part now
        self._at: Mapping[str, tuple[bytes, int]] = {}
        self._lock = threading.Lock()

    def learn(self, did: str, status: bytes) -> None:
        """A participant says where its CometBFT is; while it is not there, what was said last stays."""
        at = read_at(status)
        if at is not None and self._at.get(did) != at:
            with self._lock:
                self._at = {**self._at, did: at}

    def peers(self) -> Mapping[str, str]:
        """{DID: id@host:port}, as CometBFT is told it, of whoever takes part and said so."""
        at = self._at
        told = {did: _address(*at[did], url) for did, url in self.where().items() if did in at}
        return {did: address for did, address in sorted(told.items()) if address is not None}

    def admits(self, node_id: str) -> bool:
        """Whether CometBFT may be connected to the one with this id, in hex."""
        return any(address.partition("@")[0] == node_id for address in self.peers().values())


def authority(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 address in brackets (RFC 3986, section 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address(node_id: bytes, port: int, url: str) -> str | None:
    host = urlsplit(url).hostname
    return f"{node_id.hex()}@{authority(host, port)}" if host else None
