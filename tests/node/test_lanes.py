"""Lanes: whose turn it is, whose place another takes, and what nobody else can take of a validator's."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from node.errors import ProblemError
from node.server.connections import Rank
from node.server.lanes import Lane

BOUNDS: dict[str, Any] = {"threads": (1, 2, 3), "places": (3, 6, 9), "per_client_max": 4, "turn_s_max": 60.0}
Ask = Callable[[str, Rank], Awaitable[str]]


class Held:
    """A lane each of whose turns ends when it is told so."""

    def __init__(self) -> None:
        self.lane = Lane("held", **BOUNDS)
        self.begun: list[str] = []
        self.goes_on = threading.Semaphore(0)
        self._changed = asyncio.Event()

    def ask(self, client: str, rank: Rank) -> asyncio.Task[str]:
        loop = asyncio.get_running_loop()

        def work() -> str:
            self.begun.append(client)
            loop.call_soon_threadsafe(self._changed.set)
            self.goes_on.acquire()
            return client

        return loop.create_task(self.lane.run(work, client=client, rank=rank))

    async def until_begun(self, count: int) -> None:
        while len(self.begun) < count:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 30)

    async def one_goes_on(self) -> None:
        """One turn ends, and what waits for its thread has begun."""
        count = len(self.begun)
        self.goes_on.release()
        await self.until_begun(count + 1)


def held(doing: Callable[[Held], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        here = Held()
        try:
            await doing(here)
        finally:
            here.goes_on.release(99)
            await asyncio.to_thread(here.lane.close, 10.0)

    asyncio.run(run())


async def refused(task: asyncio.Task[str]) -> bool:
    """Whether it is told 503."""
    with pytest.raises(ProblemError) as told:
        await asyncio.wait_for(task, 30)
    return told.value.status == 503


def test_neither_strangers_nor_participants_take_the_threads_and_places_of_validators() -> None:
    """
    With every place taken that each of them can have, a validator's request begins at once, and further ones
    find places; of threads strangers have the fewest, and who takes part leaves one to validators.
    """

    async def doing(here: Held) -> None:
        strangers = [here.ask(f"s{n}", Rank.STRANGER) for n in range(3)]
        await here.until_begun(1)
        others = [here.ask(f"p{n}", Rank.TAKES_PART) for n in range(3)]
        await here.until_begun(2)
        assert await refused(here.ask("s3", Rank.STRANGER))
        assert await refused(here.ask("p3", Rank.TAKES_PART))

        validators = [here.ask("v", Rank.VOTES)]
        await here.until_begun(3)
        validators += [here.ask("v", Rank.VOTES) for _ in range(2)]
        assert here.begun == ["s0", "p0", "v"]
        here.goes_on.release(99)
        assert [await one for one in strangers + others] == ["s0", "s1", "s2", "p0", "p1", "p2"]
        assert [await one for one in validators] == ["v"] * 3

    held(doing)


def test_clients_take_turns_and_whoever_has_most_gives_its_place_to_a_newcomer() -> None:
    """
    One client has all places while no other comes; the newest of its turns gives way to a newcomer, until
    both have as many. Whoever came later is not behind all of what the first one asked.
    """

    async def doing(here: Held) -> None:
        first = [here.ask("first", Rank.TAKES_PART) for _ in range(4)]
        await here.until_begun(2)
        assert await refused(here.ask("first", Rank.TAKES_PART))  # its share
        second = [here.ask("second", Rank.TAKES_PART) for _ in range(2)]
        third = here.ask("third", Rank.TAKES_PART)  # the places are all taken
        assert await refused(first[3])
        assert await refused(here.ask("second", Rank.TAKES_PART))
        for _ in range(4):
            await here.one_goes_on()
        assert here.begun == ["first", "first", "first", "second", "third", "second"]
        here.goes_on.release(99)
        assert [await one for one in [*first[:3], *second, third]] == ["first"] * 3 + ["second"] * 2 + [
            "third"
        ]

    held(doing)


def test_who_leaves_before_its_turn_leaves_its_place() -> None:
    """
    A client that waits and leaves is not waited for, and its call is never made; one whose call has begun
    keeps its place until that is over.
    """

    async def doing(here: Held) -> None:
        begun, waits = here.ask("a", Rank.STRANGER), here.ask("b", Rank.STRANGER)
        await here.until_begun(1)
        begun.cancel()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waits, 30)
        others = [here.ask(client, Rank.STRANGER) for client in "cd"]
        assert await refused(here.ask("e", Rank.STRANGER)), "what has begun still has a place"
        here.goes_on.release(99)
        assert [await one for one in others] == ["c", "d"]
        assert here.begun == ["a", "c", "d"]

    held(doing)


def test_nobodys_place_is_taken_by_who_has_shown_less() -> None:
    """
    A stranger with nothing takes no place of a participant that has many, and strangers that hang leave
    participants their threads.
    """

    async def doing(here: Held) -> None:
        many = [here.ask("p", Rank.TAKES_PART) for _ in range(4)]
        more = [here.ask("q", Rank.TAKES_PART) for _ in range(2)]
        await here.until_begun(2)
        assert await refused(here.ask("s", Rank.STRANGER))
        here.goes_on.release(99)
        assert [await one for one in many + more] == ["p"] * 4 + ["q"] * 2

    held(doing)


class Large:
    """What a request holds while it is answered."""


def test_what_failed_is_let_go_of_at_once() -> None:
    """
    A body of four megabytes that is refused is gone with its refusal: were it held by its own error, only the
    collector would find it, and a stranger fills the memory meanwhile.
    """
    kept: list[weakref.ref[Large]] = []

    async def refused(here: Held) -> None:
        def work(large: Large) -> str:
            raise ProblemError(401, "no", "No", f"{large} is refused")

        async def asked() -> None:
            large = Large()
            kept.append(weakref.ref(large))
            await here.lane.run(partial(work, large), client="a", rank=Rank.STRANGER)

        for _ in range(3):
            with pytest.raises(ProblemError) as told:
                await asked()
            del told
        await asyncio.to_thread(here.lane.close, 10.0)

    gc.collect()
    gc.disable()
    try:
        held(refused)
        assert len(kept) == 3 and not [one for one in kept if one() is not None]
    finally:
        gc.enable()


def test_it_is_asked_while_somebody_waits_and_for_a_while_after_a_thread_took_it() -> None:
    """
    A lane tells of what waits for a thread however long that lasts, of what runs only for so many seconds: a
    long turn holds nothing up that gives way to requests.
    """

    async def doing(here: Held) -> None:
        now = [100.0]
        here.lane.monotonic = lambda: now[0]
        assert not here.lane.is_asked(5.0)

        first = here.ask("a", Rank.STRANGER)
        await here.until_begun(1)
        assert here.lane.is_asked(5.0)
        now[0] += 6.0
        assert not here.lane.is_asked(5.0)

        second = here.ask("b", Rank.STRANGER)  # strangers have one thread
        await asyncio.sleep(0)
        now[0] += 6.0
        assert here.lane.is_asked(5.0)
        await here.one_goes_on()
        here.goes_on.release()
        await asyncio.gather(first, second)
        assert not here.lane.is_asked(5.0)

    held(doing)
