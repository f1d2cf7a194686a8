"""Attestations that wait for a block, each issuer with a share: nobody's flood takes another's place.

Two shelves. *Ready*: may be proposed now. *Waiting*: a precondition is unmet. Both are bounded as a whole;
when one is full, the issuer that holds the most of it gives way to whoever holds less (decision 0103). What
only waits is bounded far below what is ready, per issuer and per peer that passes it on, and goes first.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from consensus.application import Application, NotYet, Refusal
from consensus.errors import OwnFault

COUNT_MAX = 20_000
SIZE_BYTES_MAX = 32 << 20
WAITING_COUNT_MAX = 4_000
WAITING_BYTES_MAX = 8 << 20
WAITING_PER_ISSUER_MAX = 1_000
WAITING_PER_SENDER_MAX = 1_000  # of what one peer passes on, whoever signed it
WAITED_PER_ISSUER_PER_DAY_MAX = (
    200_000  # as many as a ledger admits of one issuer by default: waiting is paid
)
DAY_S = 86_400
AGE_MS_MAX = 3_600_000  # an attestation that cannot be proposed for an hour is given up
RETRY_MS = 30_000  # for one that may be proposed and yet was left out of a block with room
RECHECKS_PER_BLOCK_MAX = 256
READY_RECHECK_MS = 30_000  # a proposable one is asked about again when it has waited this long
BUSY_COUNT = 64  # a block that took so many of ours was one of a stream
PACE_MS = 400  # then the next block waits for more: a block costs every node the same, full or not
FULL_COUNT = 400  # enough for a block without waiting
OFFERED_MAX = 4_000  # attestations given to one prepare_proposal
OFFERED_WAITING_MAX = 1_024  # of them: such that wait, perhaps for one that is offered with them

OWN = ""  # the sender of what this node itself hands in


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An attestation left the pool without a block."""

    digest: bytes
    code: str
    reason: str


@dataclass(slots=True)
class _Entry:
    digest: bytes
    tx: bytes
    issuer: str
    sender: str
    since_ms: int
    checked_ms: int
    ready: bool = False  # check_tx says that it may be proposed
    paid: bool = False  # it counts on its issuer's day of what waited


class _Shelf:
    """Entries by issuer, in the order in which they were last asked about, counted and weighed."""

    def __init__(self) -> None:
        self.by_issuer: dict[str, dict[bytes, _Entry]] = {}
        self.count = self.size_bytes = 0

    def add(self, entry: _Entry) -> None:
        self.by_issuer.setdefault(entry.issuer, {})[entry.digest] = entry
        self.count += 1
        self.size_bytes += len(entry.tx)

    def remove(self, entry: _Entry) -> None:
        of_issuer = self.by_issuer[entry.issuer]
        del of_issuer[entry.digest]
        if not of_issuer:
            del self.by_issuer[entry.issuer]
        self.count -= 1
        self.size_bytes -= len(entry.tx)

    def held_by(self, issuer: str) -> int:
        return len(self.by_issuer.get(issuer, ()))

    def newest_of_the_largest(self) -> _Entry | None:
        """What goes first when there is no room: the issuer with most entries loses its newest."""
        if not self.by_issuer:
            return None
        largest = max(sorted(self.by_issuer), key=self.held_by)
        return next(reversed(self.by_issuer[largest].values()))

    def in_turn(self) -> Iterator[_Entry]:
        """One of each issuer, oldest first, until there are none."""
        rows = deque(iter(entries.values()) for entries in self.by_issuer.values())
        while rows:
            row = rows.popleft()
            entry = next(row, None)
            if entry is not None:
                yield entry
                rows.append(row)


class Pool:
    """The attestations that a node would propose."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._entries: dict[bytes, _Entry] = {}
        self._ready, self._waiting = _Shelf(), _Shelf()
        self._waiting_by_sender: dict[str, int] = {}
        self._waited: tuple[int, dict[str, int]] = (0, {})  # a day, and what waited on it, by issuer
        self._passed: set[bytes] = set()  # ready, and left out of a block with room
        self._passed_until_ms = 0
        self._taken = 0  # by the block that is being stored
        self._paced_until_ms = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, digest: object) -> bool:
        return digest in self._entries

    def may_propose(self, digest: bytes) -> bool:
        """Whether this attestation is here and waits for no other."""
        entry = self._entries.get(digest)
        return entry is not None and entry.ready

    @property
    def ready(self) -> int:
        """Attestations that may be proposed now."""
        return self._ready.count

    @property
    def full_percent(self) -> int:
        """How much of the room is taken, by number or by size, whichever is nearer to its bound."""
        ready, waiting = self._ready, self._waiting
        by_size = 100 * (ready.size_bytes + waiting.size_bytes) // SIZE_BYTES_MAX
        return max(100 * (ready.count + waiting.count) // COUNT_MAX, by_size)

    @property
    def by_issuer(self) -> dict[str, int]:
        """How many attestations of each issuer there are."""
        issuers = sorted({*self._ready.by_issuer, *self._waiting.by_issuer})
        return {issuer: self._ready.held_by(issuer) + self._waiting.held_by(issuer) for issuer in issuers}

    def add(self, tx: bytes, digest: bytes, sender: str, now_ms: int, time: int) -> list[GivenUp]:
        """Keep `tx` if it may be proposed now or later; what is given up for it, or itself.

        `now_ms` measures how long it waits, `time` (seconds) is what the rules are asked with.
        """
        if digest in self._entries:
            return []
        entry = _Entry(digest, tx, "", sender, now_ms, now_ms)
        refusal = self._check(entry, now_ms, time)
        if refusal is not None:
            return self._gone([refusal])
        entry.issuer = self._application.issuer_of(tx)
        return self._gone(self._admit(entry, time))

    def _gone(self, given_up: list[GivenUp]) -> list[GivenUp]:
        """Have the application forget them: what it remembers is of what is kept, never of a flood."""
        for one in given_up:
            self._application.forget(one.digest)
        return given_up

    def _admit(self, entry: _Entry, time: int) -> list[GivenUp]:
        of_sender = 0 if entry.sender == OWN else self._waiting_by_sender.get(entry.sender, 0)
        of_issuer = self._waiting.held_by(entry.issuer)
        crowding = of_issuer >= WAITING_PER_ISSUER_MAX or of_sender >= WAITING_PER_SENDER_MAX
        if crowding and not entry.ready:
            return [
                _full(entry, "too many of the same issuer or sender wait for something else; send it later")
            ]
        if not entry.ready and not self._pay(entry, time // DAY_S):
            reason = (
                "too many of the same issuer have waited for something else on this day; send it tomorrow"
            )
            return [GivenUp(entry.digest, "quota", reason)]
        self._put(entry)
        given_up = []
        while (victim := self._one_too_many()) is not None:
            self._take_out(victim)
            given_up.append(_full(victim, "this node has too many attestations waiting; send it later"))
        return given_up

    def _pay(self, entry: _Entry, day: int) -> bool:
        """Count what only waits on the day of its issuer, once; False: that day is used up."""
        if day != self._waited[0]:
            self._waited = day, {}
        used = self._waited[1].get(entry.issuer, 0)
        if not entry.paid and used >= WAITED_PER_ISSUER_PER_DAY_MAX:
            return False
        if not entry.paid:
            self._waited[1][entry.issuer] = used + 1
        entry.paid = True
        return True

    def _one_too_many(self) -> _Entry | None:
        """What has to go while a bound is exceeded: first of what waits."""
        waiting, ready = self._waiting, self._ready
        crowded = waiting.count > WAITING_COUNT_MAX or waiting.size_bytes > WAITING_BYTES_MAX
        full = (
            waiting.count + ready.count > COUNT_MAX or waiting.size_bytes + ready.size_bytes > SIZE_BYTES_MAX
        )
        if not crowded and not full:
            return None
        return waiting.newest_of_the_largest() or ready.newest_of_the_largest()

    def _put(self, entry: _Entry) -> None:
        self._entries[entry.digest] = entry
        if entry.ready:
            self._ready.add(entry)
        else:
            self._waiting.add(entry)
            self._waiting_by_sender[entry.sender] = self._waiting_by_sender.get(entry.sender, 0) + 1

    def _take_out(self, entry: _Entry) -> None:
        del self._entries[entry.digest]
        self._passed.discard(entry.digest)
        if entry.ready:
            self._ready.remove(entry)
            return
        self._waiting.remove(entry)
        left = self._waiting_by_sender[entry.sender] - 1
        if left:
            self._waiting_by_sender[entry.sender] = left
        else:
            del self._waiting_by_sender[entry.sender]

    # --- proposing

    def proposable(self, now_ms: int) -> bool:
        """Whether there is something to start a height for, and enough of it while there is a stream."""
        if now_ms < self._paced_until_ms and self._ready.count < FULL_COUNT:
            return False
        if self._passed and now_ms >= self._passed_until_ms:
            self._passed.clear()
        return self._ready.count > len(self._passed)

    def offer(self) -> list[bytes]:
        """What prepare_proposal may choose from: the proposable first, then those that wait for others."""
        offered = [entry.tx for entry in islice(self._ready.in_turn(), OFFERED_MAX)]
        room = min(OFFERED_WAITING_MAX, OFFERED_MAX - len(offered))
        return [*offered, *(entry.tx for entry in islice(self._waiting.in_turn(), room))]

    def everything(self) -> list[bytes]:
        """All that is here, in the order of `offer`."""
        return [entry.tx for shelf in (self._ready, self._waiting) for entry in shelf.in_turn()]

    def passed_over(self, now_ms: int) -> None:
        """Nothing of the offer was chosen: do not start heights for it for a while."""
        self._passed = {d for entries in self._ready.by_issuer.values() for d in entries}
        self._passed_until_ms = now_ms + RETRY_MS

    # --- after a block

    def remove(self, digests: Iterable[bytes]) -> None:
        """Forget attestations that are final."""
        for digest in digests:
            entry = self._entries.get(digest)
            if entry is not None:
                self._take_out(entry)
                self._taken += 1

    def recheck(self, now_ms: int, time: int) -> list[GivenUp]:
        """After a block: ask again about those that wait, each issuer in turn, oldest answer first."""
        self._paced_until_ms = now_ms + PACE_MS if self._taken >= BUSY_COUNT else 0
        self._taken = 0
        due = list(islice(self._waiting.in_turn(), RECHECKS_PER_BLOCK_MAX))
        room = RECHECKS_PER_BLOCK_MAX - len(due)
        stale = (e for e in self._ready.in_turn() if now_ms - e.checked_ms >= READY_RECHECK_MS)
        given_up: list[GivenUp] = []
        for entry in (*due, *list(islice(stale, room))):
            if entry.digest not in self._entries:
                continue  # it made room for one that was ready a moment ago
            self._take_out(entry)
            refusal = self._check(entry, now_ms, time)
            given_up += self._admit(entry, time) if refusal is None else [refusal]
        return self._gone(given_up)

    def without_waiting(self) -> None:
        """Keep nothing that waits for another: where what is here is passed on to everybody."""
        for entry in list(self._waiting.in_turn()):
            self._take_out(entry)
            self._application.forget(entry.digest)

    def expire(self, now_ms: int) -> list[GivenUp]:
        """Give up what has waited for an hour."""
        reason = (
            "it could not be admitted within an hour; make sure that what it depends on is admitted first"
        )
        old = [entry for entry in self._entries.values() if now_ms - entry.since_ms >= AGE_MS_MAX]
        for entry in old:
            self._take_out(entry)
        return self._gone([GivenUp(entry.digest, "waited_too_long", reason) for entry in old])

    def _check(self, entry: _Entry, now_ms: int, time: int) -> GivenUp | None:
        entry.checked_ms = now_ms
        entry.ready = False
        try:
            checked = self._application.check_tx(entry.tx, time)
        except NotYet:
            return None
        except Refusal as refusal:
            return GivenUp(entry.digest, refusal.code, str(refusal))
        except OwnFault:
            raise
        except Exception as error:  # hostile bytes must not stop the node, whatever they raise
            return GivenUp(entry.digest, "malformed", f"it cannot be read ({type(error).__name__})")
        if checked != entry.digest:
            return GivenUp(entry.digest, "malformed", "its digest is not the one it was sent under")
        entry.ready = True
        return None


def _full(entry: _Entry, why: str) -> GivenUp:
    return GivenUp(entry.digest, "pool_full", why)
