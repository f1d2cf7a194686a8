"""The framing of the ABCI socket: each message is preceded by its length, an unsigned varint.

CometBFT (abci/types/messages.go) writes the varint of protobuf: seven bits a byte, lowest first. It is read
strictly: at most `FRAME_BYTES_MAX`, in the shortest form, and no more is kept of what comes than a frame.
"""

from __future__ import annotations

from collections.abc import Iterator

# The largest block is 1 MiB, and PrepareProposal shows what waits up to that size; the rest is its commit.
FRAME_BYTES_MAX = 4 << 20
_LENGTH_BYTES_MAX = 4  # of any length up to FRAME_BYTES_MAX


class FrameError(ValueError):
    """What came over the socket is no frame."""


def frame(message: bytes) -> bytes:
    """A message with its length."""
    length, head = len(message), bytearray()
    while length >= 0x80:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + message


class Frames:
    """The frames of one connection, as its bytes come."""

    def __init__(self, size_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._buffer, self._most = bytearray(), size_bytes_max

    @property
    def held(self) -> int:
        """Bytes that are not a whole frame yet, or not taken."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._buffer += data

    def take(self) -> Iterator[bytes]:
        """The whole frames there are, in order; raises FrameError, after which nothing more is a frame."""
        while (found := self._length()) is not None:
            length, head = found
            if len(self._buffer) < head + length:
                return
            message = bytes(self._buffer[head : head + length])
            del self._buffer[: head + length]
            yield message

    def _length(self) -> tuple[int, int] | None:
        """(length of the message, bytes that say so); None: they are not all there."""
        length = 0
        for place, byte in enumerate(self._buffer[:_LENGTH_BYTES_MAX]):
            length |= (byte & 0x7F) << (7 * place)
            if byte & 0x80:
                continue
            if length > self._most:
                raise FrameError(f"a message of {length} bytes, at most {self._most} are read")
            if place and byte == 0:
                raise FrameError("a length is not in its shortest form")
            return length, place + 1
        if len(self._buffer) >= _LENGTH_BYTES_MAX:
            raise FrameError("a length has no end")
        return None
