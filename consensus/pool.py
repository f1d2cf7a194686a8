"""Attestations that wait for a block: bounded, in order of arrival, each with what is known about it."""

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.application import Application, NotYet, Refusal

COUNT_MAX = 20_000
SIZE_BYTES_MAX = 32 << 20
AGE_MS_MAX = 3_600_000  # an attestation that cannot be proposed for an hour is given up
RETRY_MS = 30_000  # for one that may be proposed and yet was left out of a block with room
RECHECKS_PER_BLOCK_MAX = 256
READY_RECHECK_MS = 30_000  # a proposable one is asked about again when it has waited this long
BUSY_COUNT = 64  # a block that took so many of ours was one of a stream
PACE_MS = 400  # then the next block waits for more: a block costs every node the same, full or not
FULL_COUNT = 400  # enough for a block without waiting
OFFERED_MAX = 4_000  # attestations given to one prepare_proposal


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An attestation left the pool without a block."""

    digest: bytes
    code: str
    reason: str


@dataclass(slots=True)
class _Waiting:
    tx: bytes
    since_ms: int
    ready: bool  # check_tx says that it may be proposed
    checked_ms: int
    retry_at_ms: int = 0


class Pool:
    """The attestations that a node would propose."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._waiting: dict[bytes, _Waiting] = {}
        self._size_bytes = 0
        self._taken = 0  # by the block that is being stored
        self._paced_until_ms = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, digest: object) -> bool:
        return digest in self._waiting

    @property
    def ready(self) -> int:
        """Attestations that may be proposed now."""
        return sum(entry.ready for entry in self._waiting.values())

    def add(self, tx: bytes, digest: bytes, now_ms: int, time: int) -> GivenUp | None:
        """Keep `tx` if it may be proposed now or later."""
        if digest in self._waiting:
            return None
        if len(self._waiting) >= COUNT_MAX or self._size_bytes + len(tx) > SIZE_BYTES_MAX:
            return GivenUp(digest, "pool_full", "this node has too many attestations waiting; send it later")
        entry = _Waiting(tx, now_ms, ready=False, checked_ms=now_ms)
        refusal = self._check(digest, entry, now_ms, time)
        if refusal is None:
            self._waiting[digest] = entry
            self._size_bytes += len(tx)
        return refusal

    def proposable(self, now_ms: int) -> bool:
        """Whether there is something to start a height for, and enough of it while there is a stream."""
        if now_ms < self._paced_until_ms and len(self._waiting) < FULL_COUNT:
            return False
        return any(entry.ready and entry.retry_at_ms <= now_ms for entry in self._waiting.values())

    def offer(self) -> list[bytes]:
        """What prepare_proposal may choose from: the proposable first, then those that wait for others."""
        ready = [entry.tx for entry in self._waiting.values() if entry.ready]
        unready = [entry.tx for entry in self._waiting.values() if not entry.ready]
        return [*ready, *unready][:OFFERED_MAX]

    def passed_over(self, now_ms: int) -> None:
        """Nothing of the offer was chosen: do not start heights for it for a while."""
        for entry in self._waiting.values():
            entry.retry_at_ms = now_ms + RETRY_MS

    def remove(self, digests: Iterable[bytes]) -> None:
        """Forget attestations that are final."""
        for digest in digests:
            entry = self._waiting.pop(digest, None)
            if entry is not None:
                self._size_bytes -= len(entry.tx)
                self._taken += 1

    def recheck(self, now_ms: int, time: int) -> list[GivenUp]:
        """After a block: ask again about those that wait, oldest answer first."""
        self._paced_until_ms = now_ms + PACE_MS if self._taken >= BUSY_COUNT else 0
        self._taken = 0
        due = [
            (digest, entry)
            for digest, entry in self._waiting.items()
            if not entry.ready or now_ms - entry.checked_ms >= READY_RECHECK_MS
        ]
        due.sort(key=lambda item: item[1].checked_ms)
        given_up = [
            self._check(digest, entry, now_ms, time) for digest, entry in due[:RECHECKS_PER_BLOCK_MAX]
        ]
        return self._drop(given_up)

    def expire(self, now_ms: int) -> list[GivenUp]:
        """Give up what has waited for an hour."""
        reason = (
            "it could not be admitted within an hour; make sure that what it depends on is admitted first"
        )
        return self._drop(
            [
                GivenUp(digest, "waited_too_long", reason)
                for digest, entry in self._waiting.items()
                if now_ms - entry.since_ms >= AGE_MS_MAX
            ]
        )

    def _check(self, digest: bytes, entry: _Waiting, now_ms: int, time: int) -> GivenUp | None:
        entry.checked_ms = now_ms
        try:
            checked = self._application.check_tx(entry.tx, time)
        except NotYet:
            entry.ready = False
            return None
        except Refusal as refusal:
            return GivenUp(digest, refusal.code, str(refusal))
        except Exception as error:  # hostile bytes must not stop the node, whatever they raise
            return GivenUp(digest, "malformed", f"it cannot be read ({type(error).__name__})")
        if checked != digest:
            return GivenUp(digest, "malformed", "its digest is not the one it was sent under")
        entry.ready = True
        return None

    def _drop(self, given_up: Iterable[GivenUp | None]) -> list[GivenUp]:
        dropped = [item for item in given_up if item is not None]
        self.remove(item.digest for item in dropped)
        return dropped
