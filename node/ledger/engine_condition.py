"""How the engine is: typed facts for readiness and the operations page, gathered on the engine's thread.

Ages are measured on a monotonic clock: a wall clock that is put right changes none of them. Wall time is kept
only where people read it (`since`). Who is not heard, what was set aside and which clock is off are facts
here; sentences about them are the reader's.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consensus.application import CannotFollow
from consensus.validators import ValidatorSet

SET_ASIDE_KEPT = 32  # the newest; all are counted
ON_THE_WAY_S_MAX = 5.0  # a request that was longer under way says nothing about its sender's clock
CLOCK_HEARD_S_MAX = 300.0  # a peer's time older than this says nothing about the clock now


@dataclass(frozen=True, slots=True)
class SetAside:
    """One item that raised what nobody foresaw: it is not tried again."""

    what: str  # the kind of the item: the class of the event, or "cosignature", "note", ...
    sender: str  # DID; "" is this node itself
    because: str  # the exception, in one line
    since: int  # wall clock, seconds


@dataclass(frozen=True, slots=True)
class EngineCondition:
    """The engine at one moment; `Engine.condition()` gives it to any thread, at any time.

    `/readyz` is built of it: nothing here is a verdict, and no limit is applied.
    """

    height: int  # of the last stored block
    final_age_s: float  # since a block was stored here, or since the start
    stalled_s: float | None  # how long something that may be proposed waits; None: nothing does
    quorum_age_s: float | None  # validators with a quorum of weight (this node among them) were all heard
    # within this time; None: not since the start
    unheard: Mapping[str, float | None]  # validator -> seconds since it was heard; None: not since the start
    cut_off_since: int | None  # wall clock: from when on no quorum is heard; None while one is (within 5 s)
    clock_offset_s: float | None  # this node's clock minus the median of the validators' clocks, the own one
    # among them; None: nobody has said. Half of the validators' clocks wrong: it cannot be known who is right
    block_ahead_s: float  # the last block's time minus this node's clock, where that is positive: a quorum
    # found that time right, so this clock is behind
    withheld: str | None  # why this validator does not vote
    forked: int | None  # a height at which two blocks were decided; also of a node that has no vote
    lacking: CannotFollow | None  # what it has to be given before it can follow the next decided block
    asking: bool  # still asks its peers what they saw signed by it, and does not vote yet
    pool: int  # attestations that wait for a block
    pool_ready: int  # of them: may be proposed now; the others wait for something else
    pool_full_percent: int  # of the room for them, by number or by size, whichever is nearer to its bound
    pool_by_issuer: Mapping[str, int]  # DID -> its attestations in the pool
    inbox: int  # events that wait for the engine's thread
    set_aside_total: int
    set_aside: tuple[SetAside, ...]  # the newest, at most SET_ASIDE_KEPT


CUT_OFF_S = 5.0  # peers are heard every second: who hears no quorum for this long is cut off


class Watch:
    """What is noticed as it happens; from any thread. `monotonic` and `wall` are seconds."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic, self._wall = monotonic, wall
        self._lock = threading.Lock()
        self._heard: dict[str, float] = {}  # by peer: when something signed by it came
        self._clocks: dict[str, tuple[float, float]] = {}  # by peer: its clock minus the monotonic one, when
        self._set_aside: deque[SetAside] = deque(maxlen=SET_ASIDE_KEPT)
        self.set_aside_total = 0
        self._started = self._final_at = monotonic()
        self._ready_since: float | None = None

    # -- noticing ------------------------------------------------------------------------------------

    def heard(self, peer: str) -> None:
        """A message signed by this peer came."""
        with self._lock:
            self._heard[peer] = self._monotonic()

    def clock(self, peer: str, time_s: float, *, answered: bool) -> None:
        """What a peer's clock shows, by something that it signed: its answer, or a request in its name.

        A request may be an old one that somebody else sends again: it never puts a clock back that was
        seen later, unless nothing else was heard for as long as that counts.
        """
        now = self._monotonic()
        shown = time_s - now
        with self._lock:
            known, when = self._clocks.get(peer, (shown, now))
            if answered or shown >= known or now - when > CLOCK_HEARD_S_MAX:
                self._clocks[peer] = shown, now
            elif known - shown <= ON_THE_WAY_S_MAX:
                self._clocks[peer] = known, now

    def final(self) -> None:
        """A block was stored."""
        self._final_at = self._monotonic()

    def turned(self, ready: int) -> None:
        """The engine's thread ended a turn; `ready` attestations may be proposed."""
        if not ready:
            self._ready_since = None
        elif self._ready_since is None:
            self._ready_since = self._monotonic()

    def aside(self, what: str, sender: str, error: Exception) -> SetAside:
        """An item raised what nobody foresaw."""
        item = SetAside(what, sender, f"{type(error).__name__}: {error}"[:300], int(self._wall()))
        with self._lock:
            self._set_aside.append(item)
            self.set_aside_total += 1
        return item

    # -- asking --------------------------------------------------------------------------------------

    def ages(self) -> tuple[float, float | None]:
        """(final, stalled): seconds, as `EngineCondition` names them."""
        now = self._monotonic()
        ready = self._ready_since
        stalled = None if ready is None else now - max(ready, self._final_at)
        return now - self._final_at, stalled

    def quorum_age_s(self, validators: ValidatorSet, own: str) -> float | None:
        """Seconds within which validators that make a quorum with `own` were all heard."""
        now = self._monotonic()
        with self._lock:
            heard = dict(self._heard)
        named = {own} if validators.get(own) is not None else set()
        if validators.weight_of(named) >= validators.quorum:
            return 0.0
        for name, at in sorted(heard.items(), key=lambda item: (-item[1], item[0])):
            named.add(name)
            if validators.weight_of(named) >= validators.quorum:
                return now - at
        return None

    def unheard(self, validators: ValidatorSet, own: str) -> dict[str, float | None]:
        """Each other validator, with the seconds since it was heard."""
        now = self._monotonic()
        with self._lock:
            heard = dict(self._heard)
        names = [v.name for v in validators.validators if v.name != own]
        return {name: now - heard[name] if name in heard else None for name in names}

    def cut_off_since(self, quorum_age_s: float | None) -> int | None:
        """Wall clock at which the last quorum was heard, once that is too long ago."""
        age = self._monotonic() - self._started if quorum_age_s is None else quorum_age_s
        return int(self._wall() - age) if age > CUT_OFF_S else None

    def clock_offset_s(self, validators: ValidatorSet, own: str) -> float | None:
        """The own wall clock minus the median of those of the validators, by weight of one each."""
        now, wall = self._monotonic(), self._wall()
        with self._lock:
            offsets = [
                wall - (at + now)
                for peer, (at, when) in self._clocks.items()
                if peer != own and validators.get(peer) is not None and now - when <= CLOCK_HEARD_S_MAX
            ]
        if not offsets:
            return None
        if validators.get(own) is not None:
            offsets.append(0.0)
        return _median(offsets)

    def condition(
        self,
        validators: ValidatorSet,
        own: str,
        *,
        height: int,
        block_ahead_s: float,
        withheld: str | None,
        forked: int | None,
        lacking: CannotFollow | None,
        asking: bool,
        pool: int,
        pool_ready: int,
        pool_full_percent: int,
        pool_by_issuer: Mapping[str, int],
        inbox: int,
    ) -> EngineCondition:
        """What was noticed, beside what the engine says of itself."""
        final_age_s, stalled_s = self.ages()
        quorum_age_s = self.quorum_age_s(validators, own)
        return EngineCondition(
            height=height,
            final_age_s=final_age_s,
            stalled_s=stalled_s,
            quorum_age_s=quorum_age_s,
            unheard=self.unheard(validators, own),
            cut_off_since=self.cut_off_since(quorum_age_s),
            clock_offset_s=self.clock_offset_s(validators, own),
            block_ahead_s=block_ahead_s,
            withheld=withheld,
            forked=forked,
            lacking=lacking,
            asking=asking,
            pool=pool,
            pool_ready=pool_ready,
            pool_full_percent=pool_full_percent,
            pool_by_issuer=pool_by_issuer,
            inbox=inbox,
            set_aside_total=self.set_aside_total,
            set_aside=self.newest_set_aside(),
        )

    def newest_set_aside(self) -> tuple[SetAside, ...]:
        """The newest items that were set aside, oldest first."""
        with self._lock:
            return tuple(self._set_aside)


def _median(values: list[float]) -> float:
    """
    The middle one; of an even number, of the two middle ones the one further from zero: where one half of the
    clocks contradicts the other, nobody knows which is right, and the nodes of both say so.
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return max(ordered[middle - 1], ordered[middle], key=abs)
