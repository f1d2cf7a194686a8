"""Whether a node can do its work, and what whoever relies on it must know: conditions with a code.

Each part that knows something about the node's health is a `Source`: called, it tells the conditions that
hold now. A `Condition` has a code and parameters only; its words are in config/conditions.toml, and are put
together at the edge (`node/words.py`). One that `stops` makes /readyz answer 503.

`Lookout` asks all sources: on its own thread every second, so that it knows since when a condition holds and
the log says when it began and ended; and again whenever somebody asks, so that no answer is old.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import disk_usage
from tempfile import gettempdir
from typing import Protocol

from credentials.ledger.governance_records import APP_VERSIONS, RulesNotHere, VersionNotHere
from node import log
from node.ledger.engine_condition import EngineCondition
from node.supervision.supervisor import ThreadFact
from node.transient_faults import sentence

WATCH_S = 2.0  # between two looks for the log; who asks /readyz has it looked at
NOT_FINAL_S = 5.0  # a height takes well under a second
HEARTBEAT_GRACE_S = 120
DISK_FREE_BYTES_MIN = 256 << 20
TEMPORARY_FREE_BYTES_MIN = 64 << 20  # a few of the largest bodies
POOL_FULL_PERCENT = 90
CLOCK_OFFSET_S_MAX = 3.0  # times of messages are whole seconds, and a message takes its time

Parameter = str | int


@dataclass(frozen=True, slots=True)
class Condition:
    """Something about this node that holds now. `since`: seconds, UTC; None: nobody watched it begin."""

    code: str  # a section of config/conditions.toml
    stops: bool  # the node cannot do its work
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    since: int | None = None


Source = Callable[[], Iterable[Condition]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """What holds now, the worst first."""

    conditions: tuple[Condition, ...]

    @property
    def ready(self) -> bool:
        """True when nothing that holds stops the node."""
        return not any(condition.stops for condition in self.conditions)


class Hosted(Protocol):
    """What asks the host of this node."""

    host: str

    def silence_s(self) -> int | None:
        """For how long it has not answered; None while it does."""


class Lookout:
    """Asks the sources, and remembers since when each condition holds."""

    name = "lookout"

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._since: dict[str, int] = {}
        self._logged: set[str] = set()
        self._lock = threading.Lock()
        self._woken = threading.Event()

    def turn(self) -> None:
        """Look every WATCH_S, and log what began or ended."""
        found = self.look().conditions
        codes = {condition.code for condition in found}
        for code in sorted(codes ^ self._logged):
            told = next((one.parameters for one in found if one.code == code), {})
            log.moment("condition", code=code, holds=code in codes, parameters=dict(told))
        self._logged = codes
        self._woken.wait(WATCH_S)

    def wake(self) -> None:
        self._woken.set()

    def look(self) -> Readiness:
        """What holds now. A source that fails is a condition of its own, never an answer left out."""
        found = [condition for source in self._sources for condition in _ask(source)]
        with self._lock:
            now = int(time.time())
            codes = {condition.code for condition in found}
            self._since = {code: self._since.get(code, now) for code in codes}
            told = [
                condition
                if condition.since is not None
                else replace(condition, since=self._since[condition.code])
                for condition in found
            ]
        return Readiness(tuple(sorted(told, key=lambda condition: not condition.stops)))


def _ask(source: Source) -> list[Condition]:
    try:
        return list(source())
    except Exception as error:
        return [Condition("not_known", stops=True, parameters={"because": sentence(error)})]


# -- sources -------------------------------------------------------------------------------------------


class Threads(Protocol):
    """`supervisor.Supervisor`."""

    @property
    def failure(self) -> str | None: ...

    def facts(self) -> Iterable[ThreadFact]: ...


class RecordsTold(Protocol):
    """`following.Told`."""

    @property
    def comparing(self) -> str | None: ...

    @property
    def lost(self) -> Mapping[str, int]: ...


class KeyToken(Protocol):
    """`key_token.Token`."""

    @property
    def label(self) -> str: ...

    def trouble(self) -> str | None: ...


class LastBlock(Protocol):
    """The last block on this disk."""

    @property
    def height(self) -> int: ...


def of_threads(threads: Threads) -> Source:
    """Threads that cannot go on, fail again and again, or have not come back from one turn."""

    def look() -> Iterator[Condition]:
        if threads.failure is not None:
            yield Condition("stopped", stops=True, parameters={"because": threads.failure})
        yield from _unwell(threads.facts())

    return look


def of_lanes(facts: Callable[[], Iterable[ThreadFact]]) -> Source:
    """Requests that have not come back from the thread that answers them."""
    return lambda: _unwell(facts())


def _unwell(facts: Iterable[ThreadFact]) -> Iterator[Condition]:
    for fact in facts:
        told = {"thread": fact.name}
        if not fact.alive:
            yield Condition("thread_ended", stops=True, parameters=told)
        elif fact.failures:
            told |= {"because": fact.fault or "", "tries": str(fact.failures)}
            yield Condition("thread_failing", stops=fact.needed, parameters=told)
        elif fact.stuck:
            yield Condition(
                "thread_stuck", stops=fact.needed, parameters={**told, "seconds": int(fact.turn_s)}
            )


def of_agreement(facts: Callable[[], EngineCondition], heartbeat_ms: Callable[[], int]) -> Source:
    """A block that cannot be followed, two at one height, votes withheld, no quorum, nothing final.

    `heartbeat_ms`: by what governs now.
    """

    def look() -> Iterator[Condition]:
        found = facts()
        if found.lacking is not None:
            yield _unfollowed(found)
        if found.forked is not None:
            yield Condition("forked", stops=True, parameters={"height": found.forked})
        elif found.withheld is not None:
            yield Condition("vote_withheld", stops=True, parameters={"because": found.withheld})
        if found.quorum_age_s is None:
            yield Condition("quorum_not_heard", stops=True)
        elif found.cut_off_since is not None:
            told = {"seconds": int(found.quorum_age_s)}
            yield Condition("cut_off", stops=True, parameters=told, since=found.cut_off_since)
        waited_s = found.stalled_s or 0.0
        if found.lacking is not None:
            pass  # why nothing becomes final here is said
        elif waited_s > NOT_FINAL_S:
            told = {"height": found.height + 1, "count": found.pool_ready, "seconds": int(waited_s)}
            yield Condition("not_final", stops=True, parameters=told)
        elif found.final_age_s > heartbeat_ms() // 1000 + HEARTBEAT_GRACE_S:
            yield Condition("no_heartbeat", stops=True, parameters={"seconds": int(found.final_age_s)})
        if found.set_aside:
            newest: Mapping[str, Parameter] = {
                "count": found.set_aside_total,
                "because": found.set_aside[-1].because,
            }
            yield Condition("input_set_aside", stops=False, parameters=newest)

    return look


def _unfollowed(found: EngineCondition) -> Condition:
    lacking = found.lacking
    assert isinstance(lacking, RulesNotHere), "nothing else keeps a node from following a block"
    height = found.height + 1
    if isinstance(lacking, VersionNotHere):
        return Condition("version_needed", True, {"height": height, **_of_version(lacking)})
    told: Mapping[str, Parameter] = {"height": height, **_of_file(lacking)}
    return Condition("newer_version_needed" if lacking.newer else "rule_file_needed", True, told)


def _of_version(one: VersionNotHere) -> Mapping[str, Parameter]:
    return {"version": one.version, "most": max(APP_VERSIONS)}


def _of_file(one: RulesNotHere) -> Mapping[str, Parameter]:
    return {"name": one.name, "sha256": one.digest.hex(), "because": one.why}


def of_clock(facts: Callable[[], EngineCondition]) -> Source:
    """This machine's clock against those of the validators, and against the time of the last block."""

    def look() -> Iterator[Condition]:
        found = facts()
        offset_s = found.clock_offset_s
        if offset_s is not None and abs(offset_s) > CLOCK_OFFSET_S_MAX:
            yield Condition("clock_differs", stops=True, parameters={"seconds": round(abs(offset_s))})
        elif found.block_ahead_s > CLOCK_OFFSET_S_MAX:
            yield Condition("clock_behind", stops=True, parameters={"seconds": round(found.block_ahead_s)})

    return look


def of_lag(
    lag_heights: Callable[[int], int], tip: Callable[[], LastBlock | None], heights_max: int
) -> Source:
    """Blocks that this node has not got yet."""

    def look() -> Iterator[Condition]:
        last = tip()
        lag = lag_heights(last.height if last is not None else 0)
        if lag > heights_max:
            yield Condition("behind", stops=True, parameters={"blocks": lag})

    return look


def of_disk(folder: Path) -> Source:
    """The disk of the data directory is nearly full: soon nothing can be acknowledged; or that of bodies."""

    def look() -> Iterator[Condition]:
        free = disk_usage(folder).free
        if free < DISK_FREE_BYTES_MIN:
            yield Condition("disk_full", stops=True, parameters={"mebibytes": free >> 20})
        free = disk_usage(gettempdir()).free
        if free < TEMPORARY_FREE_BYTES_MIN:
            yield Condition("temporary_full", stops=True, parameters={"mebibytes": free >> 20})

    return look


def of_office(refusal: Callable[[], str | None]) -> Source:
    """office.db did not take a write. What signing.db or ledger.db do not take ends the node."""

    def look() -> Iterator[Condition]:
        because = refusal()
        if because is not None:
            yield Condition("not_written", stops=True, parameters={"because": because})

    return look


def of_damaged_entries(damaged: Callable[[], int | None]) -> Source:
    """An entry of ledger.db was read that is not what was written: told until it is rebuilt."""

    def look() -> Iterator[Condition]:
        entry = damaged()
        if entry is not None:
            yield Condition("damaged", stops=True, parameters={"entry": entry})

    return look


def of_damaged_ledger(damaged: Callable[[], bool]) -> Source:
    """Something else of ledger.db was read that is not what was written: told until it is rebuilt."""

    def look() -> Iterator[Condition]:
        if damaged():
            yield Condition("damaged_ledger", stops=True)

    return look


def of_damaged_office(damaged: Callable[[], bool]) -> Source:
    """Something of office.db was read that is not what was written: told until a backup is put back."""

    def look() -> Iterator[Condition]:
        if damaged():
            yield Condition("damaged_office", stops=True)

    return look


def of_engine(trouble: Callable[[], str | None]) -> Source:
    """The process of an engine that has one is not there, or has nobody who answers or signs for it."""

    def look() -> Iterator[Condition]:
        because = trouble()
        if because is not None:
            yield Condition("engine_away", stops=True, parameters={"because": because})

    return look


def of_pool(facts: Callable[[], EngineCondition]) -> Source:
    """Attestations wait for a block, nearly as many or as large as are kept: the next ones are refused."""

    def look() -> Iterator[Condition]:
        found = facts()
        if found.pool_full_percent >= POOL_FULL_PERCENT:
            told = {"count": found.pool, "percent": found.pool_full_percent}
            yield Condition("pool_full", stops=True, parameters=told)

    return look


def of_set_aside(counted: Callable[[], int]) -> Source:
    """Work that was set aside: the node goes on, somebody has to look."""

    def look() -> Iterator[Condition]:
        count = counted()
        if count:
            yield Condition("set_aside", stops=False, parameters={"count": count})

    return look


def of_records(told: Callable[[], RecordsTold]) -> Source:
    """Own records being compared with the ledger, and what of them is lost."""

    def look() -> Iterator[Condition]:
        records = told()
        if records.comparing is not None:
            yield Condition("comparing_records", stops=True, parameters={"because": records.comparing})
        for code, count in sorted(records.lost.items()):
            yield Condition(code, stops=False, parameters={"count": count})

    return look


def of_rule_files(lacking: Callable[[], Iterable[RulesNotHere]]) -> Source:
    """Rule files of open proposals of which this validator does not say that it holds them."""

    def look() -> Iterator[Condition]:
        for one in lacking():
            if isinstance(one, VersionNotHere):
                yield Condition("version_lacking", stops=False, parameters=_of_version(one))
                continue
            code = "rule_code_lacking" if one.newer else "rule_file_lacking"
            yield Condition(code, stops=False, parameters=_of_file(one))

    return look


def of_unread_rules(unread: Callable[[], Iterable[RulesNotHere]]) -> Source:
    """Rule files that govern and that this version cannot read: until it is renewed, it decides no item."""

    def look() -> Iterator[Condition]:
        for one in unread():
            yield Condition("rules_unread", stops=True, parameters=_of_file(one))

    return look


def of_addresses(unknown: Callable[[], Sequence[str]], height: Callable[[], int]) -> Source:
    """Addresses in peers.toml of whom no ledger knows: a slip of the pen, or somebody who is yet to join."""

    def look() -> Iterator[Condition]:
        names = unknown()
        if names:
            told: Mapping[str, Parameter] = {"names": ", ".join(names), "height": height()}
            yield Condition("peers_unknown", stops=False, parameters=told)

    return look


def while_holds(holds: Callable[[], bool], source: Source) -> Source:
    """A source that has nothing to say while something does not hold."""
    return lambda: source() if holds() else ()


def of_token(token: KeyToken | None) -> Source:
    """The token with keys of this node gives no signatures: what waits for one waits."""

    def look() -> Iterator[Condition]:
        because = None if token is None else token.trouble()
        if token is not None and because is not None:
            yield Condition("token_away", stops=True, parameters={"token": token.label, "because": because})

    return look


def of_host(collecting: Hosted | None) -> Source:
    """The node that takes what is asked of this one does not answer: nobody reaches this one."""

    def look() -> Iterator[Condition]:
        seconds = None if collecting is None else collecting.silence_s()
        if collecting is not None and seconds is not None:
            yield Condition(
                "host_away", stops=False, parameters={"host": collecting.host, "seconds": seconds}
            )

    return look


def of_openness(*, open_api: bool) -> Source:
    """The VC-API is open to everybody: said wherever the node speaks of itself."""
    told = [Condition("open_api", stops=False)] if open_api else []
    return lambda: told
