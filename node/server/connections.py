"""Who is connected, what each connection is about to do until when, and which gives way to a newcomer.

Connections are few (`CONNECTIONS_MAX`), so nobody may keep one for nothing: each thing that a connection
does has a deadline for all of it, however many bytes trickle in meanwhile. When there is no room, a
newcomer is not turned away: whoever has more than a share gives way, then whoever has shown least, of those
the one that does least and whose owner has most; a validator last. What is being answered never gives way:
lanes bound that, to fewer than there is room for.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial

from node.errors import ProblemError, busy

CONNECTIONS_MAX = 384  # more than lanes and feeds answer at the same time: somebody can always give way
FILES_WANTED = 4096  # that this process may have open
FILES_BESIDE = 256  # of these for databases, peers and bodies: connections leave them
CONNECTIONS_PER_SUBNET_MAX = 96  # that are not being answered
CONNECTIONS_SHARE = 32  # whoever has more gives way before all that have not, whatever it has shown
OPENING_S_MAX = 10.0  # TLS handshake and the whole header of the first request
IDLE_S_MAX = 30.0  # from one answer to the whole header of the next request
TRANSFER_S_MAX = 15.0  # a body or an answer, and more time for what of it has come or gone:
TRANSFER_BYTES_PER_S_MIN = 128 << 10
GRACE_S = 2.0  # a body or an answer on its way is given this long before it can be made to give way
# More than is kept in memory, on their way at the same time: a hundred MiB of each kind of request.
LARGE_BODIES_MAX = 6  # of up to 17 MiB
SMALLER_BODIES_MAX = 24  # of up to 4 MiB
QUICK_BYTES_PER_S = 1 << 20  # what comes as fast is soon over: it gives way to nobody who has as few


def room_for_connections() -> int:
    """How many connections this machine lets this process have beside the files that it needs.

    The limit is raised as far as this user may. A machine that leaves fewer than needed has few connections,
    and databases that can be opened: whoever connects takes none of these.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES_WANTED:
        soft = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    left = CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else soft - FILES_BESIDE
    return min(CONNECTIONS_MAX, max(left, soft // 4))


class Doing(IntEnum):
    """What a connection does; the lower, the sooner it gives way."""

    OPENING = 0  # no request was read from it yet
    IDLE = 1  # between two requests
    READING = 2  # the body of a request
    WRITING = 3  # an answer that the client takes its time to read
    ANSWERING = 4  # a lane works on its request, or a feed is open: bounded there


class Rank(IntEnum):
    """What was shown on a connection, or by a request: each has places that those below it cannot take."""

    STRANGER = 0
    TAKES_PART = 1  # a participant signed a request on it; of pages: who holds a key or a session
    VOTES = 2  # a validator signed a request on it


@dataclass(slots=True, eq=False)
class Connection:
    """One accepted connection; `cut` ends it at once and drops what was not sent."""

    subnet: str  # `subnet_of` its address
    cut: Callable[[], None]
    doing: Doing = Doing.OPENING
    since: float = 0.0
    until: float = 0.0
    moved_bytes: int = 0  # of the body or answer on its way
    proven: bool = False  # a peer's signature or a key of this node was verified on it
    known_as: str = ""  # whose key or session was shown on it last
    shown: tuple[str | None, str | None] = None, None  # the headers that showed it
    peer: str = ""  # who signed a peer's request on it last
    rank: Rank = Rank.STRANGER

    @property
    def of(self) -> str:
        """Whose it is, as far as was shown."""
        return self.peer or self.known_as or self.subnet

    def forget(self) -> None:
        """What was shown on it is not believed any more."""
        self.proven, self.known_as, self.shown = False, "", (None, None)
        self.peer, self.rank = "", Rank.STRANGER


@dataclass(slots=True)
class Connections:
    """All connections of one server. Not thread-safe: it belongs to the event loop."""

    now: Callable[[], float] = time.monotonic
    total_max: int = CONNECTIONS_MAX
    per_subnet_max: int = CONNECTIONS_PER_SUBNET_MAX
    _open: dict[Connection, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> bool:
        """Take a newcomer in; False when everybody here is at work and it has to come again."""
        same = [one for one in self._open if one.subnet == connection.subnet and one.doing < Doing.ANSWERING]
        if len(same) >= self.per_subnet_max:
            self._make_room(same)
        if len(self._open) >= self.total_max and not self._make_room(list(self._open)):
            return False
        self._open[connection] = None
        self.begin(connection, Doing.OPENING, OPENING_S_MAX)
        return True

    def begin(self, connection: Connection, doing: Doing, seconds_max: float) -> None:
        """From now on it does this, for so long at most."""
        connection.doing, connection.since = doing, self.now()
        connection.until = connection.since + seconds_max
        connection.moved_bytes = 0

    def transfer(self, connection: Connection, doing: Doing) -> None:
        """From now on a body or an answer is on its way: what `moved` tells of it buys it time."""
        self.begin(connection, doing, TRANSFER_S_MAX)

    def moved(self, connection: Connection, size_bytes: int) -> None:
        """So much of it came or went. What is said of its size buys nothing."""
        connection.moved_bytes += size_bytes
        needed_s = connection.moved_bytes / TRANSFER_BYTES_PER_S_MIN
        connection.until = connection.since + TRANSFER_S_MAX + needed_s

    def bytes_per_s(self, connection: Connection) -> float:
        """How fast its body or answer has come or gone, as if a fair one had for a second before it.

        So of those alike the older one is the faster, and goes on: somebody always comes to an end.
        """
        return (connection.moved_bytes + TRANSFER_BYTES_PER_S_MIN) / (self.now() - connection.since + 1.0)

    def late(self, among: Iterable[Connection]) -> Connection | None:
        """Of those whose body is later than a fair one would be, the latest."""
        now = self.now() - GRACE_S

        def late_s(one: Connection) -> float:
            return now - one.since - one.moved_bytes / TRANSFER_BYTES_PER_S_MIN

        slow = [one for one in among if late_s(one) > 0]
        return max(slow, key=late_s, default=None)

    def leave(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def cut_late(self) -> int:
        """Cut every connection whose time is over; how many."""
        now = self.now()
        late = [one for one in self._open if one.until < now]
        for one in late:
            self._cut(one)
        return len(late)

    def cut_all(self) -> None:
        for one in list(self._open):
            self._cut(one)

    def _make_room(self, among: list[Connection]) -> bool:
        """Whether one of these gave way."""
        yielding = [one for one in among if one.doing < Doing.ANSWERING]
        if not yielding:
            return False
        ripe = self.now() - GRACE_S
        held = Counter(one.of for one in self._open)

        def shown(one: Connection) -> tuple[bool, Rank, bool, bool, Doing, int, float]:
            share = held[one.of] <= CONNECTIONS_SHARE
            # After its likes, but no sooner than who has shown more: to begin each second is no way to stay.
            begun = one.doing > Doing.IDLE and one.since >= ripe
            return share, one.rank, one.proven, begun, one.doing, -held[one.of], one.since

        self._cut(min(yielding, key=shown))
        return True

    def _cut(self, connection: Connection) -> None:
        self.leave(connection)
        connection.cut()


class LargeBodies:
    """Places for the large bodies of one kind of request. Belongs to the event loop.

    Whoever comes has as many as anybody else: one client has all of them only while no other wants one. Who
    has none is let in, unless all that come are soon over: to come slowly holds no place.
    """

    def __init__(self, connections: Connections, count_max: int) -> None:
        self._connections = connections
        self._count_max = count_max
        self._there: dict[Connection, _Coming] = {}

    @asynccontextmanager
    async def reading(self, connection: Connection, client: str) -> AsyncIterator[None]:
        """A place while the body is read in this block; 408 once it gives way."""
        try:
            async with asyncio.timeout(None) as held:
                with self.place(connection, client, partial(held.reschedule, 0.0)):
                    yield
        except TimeoutError:
            if held.expired():
                raise _gave_way() from None
            raise

    @contextmanager
    def place(self, connection: Connection, client: str, give_way: Callable[[], None]) -> Iterator[None]:
        """A place while this client's body comes: free, or that of one that gives way; else 503.

        `give_way` ends the reading of it.
        """
        if len(self._there) >= self._count_max:
            yielding = self._yielding(client)
            if yielding is None:
                raise busy("this node receives as many large bodies at the same time as it can")
            self._there.pop(yielding).give_way()
        self._there[connection] = _Coming(client, give_way)
        try:
            yield
        finally:
            self._there.pop(connection, None)

    def _yielding(self, client: str) -> Connection | None:
        """What gives way to one more of this client's.

        One that stalls, of its own or of whoever has more than it has; else the one that has come least far,
        of whoever has the most and is left with no fewer than this client has then; else, if it has none, the
        slowest.
        """
        held = Counter(coming.client for coming in self._there.values())
        own = held[client]
        stalled = self._connections.late(
            one for one, coming in self._there.items() if coming.client == client or held[coming.client] > own
        )
        most = max(held.values())
        if stalled is not None:
            return stalled
        if most > own + 1:
            fullest = (one for one, coming in self._there.items() if held[coming.client] == most)
            return min(fullest, key=lambda one: one.moved_bytes)
        slowest = min(self._there, key=self._connections.bytes_per_s)
        slow = self._connections.bytes_per_s(slowest) < QUICK_BYTES_PER_S
        return slowest if own == 0 and slow else None


@dataclass(frozen=True, slots=True)
class _Coming:
    """A large body on its way."""

    client: str  # whose it is
    give_way: Callable[[], None]


def _gave_way() -> ProblemError:
    return ProblemError(
        408,
        "body_too_slow",
        "Request timeout",
        "The body came more slowly than others, and others wait to send theirs: send it again in a moment.",
    )
