"""/readyz tells the truth: one condition for each way in which a node cannot do its work."""

from __future__ import annotations

import json
import resource
import string
import subprocess
import sys
import time
import tomllib
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.governance_records import RulesNotHere, VersionNotHere
from node.config import shipped
from node.ledger.engine_condition import EngineCondition, SetAside
from node.supervision import readiness
from node.supervision.readiness import Condition, Lookout, Source
from node.supervision.supervisor import ThreadFact
from tests.harness.border import words
from tests.harness.net.batteries import issue, wait_receipted
from tests.harness.net.harness import MAKER, VALIDATORS, Node, running, wait
from tests.node.test_own_part import LIVES

WELL = EngineCondition(
    height=7,
    final_age_s=3.0,
    stalled_s=None,
    quorum_age_s=0.5,
    unheard={},
    cut_off_since=None,
    clock_offset_s=0.2,
    block_ahead_s=0.0,
    withheld=None,
    forked=None,
    lacking=None,
    asking=False,
    pool=0,
    pool_ready=0,
    pool_full_percent=0,
    pool_by_issuer={},
    inbox=0,
    set_aside_total=0,
    set_aside=(),
)
SOON_S = 90.0


class Threads:
    """Threads of which one fails, hangs or has ended."""

    def __init__(self, *facts: ThreadFact, failure: str | None = None) -> None:
        self._facts, self.failure = facts, failure

    def facts(self) -> tuple[ThreadFact, ...]:
        return self._facts


def engine(**changed: Any) -> Source:
    facts = replace(WELL, **changed)
    return lambda: [
        *readiness.of_agreement(lambda: facts, lambda: 600_000)(),
        *readiness.of_clock(lambda: facts)(),
        *readiness.of_pool(lambda: facts)(),
    ]


def threads(*facts: ThreadFact, failure: str | None = None) -> Source:
    return readiness.of_threads(Threads(*facts, failure=failure))


def broken() -> Iterator[Condition]:
    raise KeyError("planted")
    yield


@dataclass(frozen=True)
class Records:
    """What the office found out about its own records."""

    comparing: str | None = None
    lost: dict[str, int] = field(default_factory=dict)


def records(comparing: str | None = None, **lost: int) -> Source:
    return readiness.of_records(lambda: Records(comparing, lost))


class HostSilent:
    """The node that takes what is asked of this one does not answer."""

    host = "did:web:host.example"

    def silence_s(self) -> int:
        return 12


class TokenOut:
    """A token that was taken out."""

    label = "plant"

    def trouble(self) -> str:
        return "it was taken out"


BAD = SetAside("MessageReceived", "did:web:x.example", "KeyError: planted", 1_800_000_000)
LACKING = RulesNotHere("lifecycle.json", bytes(32), "this node does not hold that file")
UNREADABLE = RulesNotHere("lifecycle.json", bytes(32), "'X99' is not known", newer=True)
STOPS: dict[str, Source] = {
    "stopped": threads(failure="outbox: OperationalError: disk I/O error"),
    "thread_ended": threads(ThreadFact("outbox", False, 0, None, 0.0)),
    "thread_failing": threads(ThreadFact("outbox", True, 3, "OSError: planted", 0.0)),
    "thread_stuck": threads(ThreadFact("outbox", True, 0, None, 500.0)),
    "vote_withheld": engine(withheld="its signing.db is older than what peers saw"),
    "forked": engine(forked=7, withheld="two blocks"),
    "rule_file_needed": engine(lacking=LACKING, stalled_s=20.0),
    "newer_version_needed": engine(lacking=UNREADABLE, stalled_s=20.0),
    "quorum_not_heard": engine(quorum_age_s=None),
    "cut_off": engine(quorum_age_s=9.0, cut_off_since=1_800_000_000),
    "not_final": engine(stalled_s=20.0, pool_ready=4),
    "no_heartbeat": engine(final_age_s=900.0),
    "clock_differs": engine(clock_offset_s=-3600.0),
    "clock_behind": engine(block_ahead_s=60.0),
    "engine_away": readiness.of_engine(lambda: "it ended: no space left on device"),
    "token_away": readiness.of_token(TokenOut()),
    "pool_full": engine(pool=990, pool_full_percent=99),
    "version_needed": engine(lacking=VersionNotHere(2), stalled_s=20.0),
    "rules_unread": readiness.of_unread_rules(lambda: [UNREADABLE]),
    "damaged": readiness.of_damaged_entries(lambda: 4),
    "damaged_ledger": readiness.of_damaged_ledger(lambda: True),
    "damaged_office": readiness.of_damaged_office(lambda: True),
    "not_written": readiness.of_office(lambda: "database or disk is full"),
    "behind": readiness.of_lag(lambda height: 9, lambda: None, 3),
    "comparing_records": records("office.db was put back from a backup"),
    "not_known": broken,
}
TELLS: dict[str, Source] = {
    "host_away": readiness.of_host(HostSilent()),
    "document_lost": records(document_lost=3),
    "status_list_withheld": records(status_list_withheld=1),
    "set_aside": readiness.of_set_aside(lambda: 2),
    "input_set_aside": engine(set_aside_total=5, set_aside=(BAD,)),
    "peers_unknown": readiness.of_addresses(lambda: ["did:web:b.example", "did:web:c.example"], lambda: 7),
    "rule_file_lacking": readiness.of_rule_files(lambda: [LACKING]),
    "version_lacking": readiness.of_rule_files(lambda: [VersionNotHere(2)]),
    "rule_code_lacking": readiness.of_rule_files(lambda: [UNREADABLE]),
    "open_api": readiness.of_openness(open_api=True),
    **{code: life.told for code, life in LIVES.items()},
}


@pytest.mark.parametrize(
    "fact",
    [
        ThreadFact("to did:web:a.example", True, 3, "OSError: planted", 0.0, needed=False),
        ThreadFact("to did:web:a.example", True, 0, None, 500.0, needed=False),
    ],
)
def test_a_thread_that_the_node_does_without_is_told_and_stops_nothing(fact: ThreadFact) -> None:
    """
    What makes the sender to a peer fail may be that peer's: no party makes the nodes of others not ready.
    """
    found = Lookout([threads(fact)]).look()

    assert found.ready and len(found.conditions) == 1


@pytest.mark.parametrize("code", [*STOPS, *TELLS])
def test_each_condition_is_found_and_has_words(code: str) -> None:
    """
    What is wrong is found by its code alone, stops the node or only tells, and has a sentence without gaps.
    """
    found = Lookout([({**STOPS, **TELLS})[code]]).look()

    assert [condition.code for condition in found.conditions] == [code]
    assert found.ready is (code in TELLS)
    text = words().condition(found.conditions[0])["text"]
    assert len(text) > 20 and "{" not in text and "None" not in text


def test_a_well_node_has_no_condition() -> None:
    """
    Nothing wrong, nothing told.
    """
    sources = [engine(), threads(ThreadFact("outbox", True, 0, None, 1.0)), readiness.of_set_aside(lambda: 0)]

    assert Lookout(sources).look().conditions == ()


def test_a_longer_heartbeat_is_waited_for_from_when_it_governs() -> None:
    """
    The network decides how often an idle block comes: the same silence is told, and no more after the change.
    """
    heartbeat_ms = [600_000]
    facts = replace(WELL, final_age_s=900.0)
    lookout = Lookout([readiness.of_agreement(lambda: facts, lambda: heartbeat_ms[0])])
    assert [c.code for c in lookout.look().conditions] == ["no_heartbeat"]

    heartbeat_ms[0] = 3_600_000

    assert lookout.look().conditions == ()


@pytest.mark.parametrize(
    ("code", "folder", "mebibytes"), [("disk_full", "data", 255), ("temporary_full", "tmp", 63)]
)
def test_a_full_disk_is_told_before_it_is_full(
    code: str, folder: str, mebibytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    With less than 256 MiB left on the data directory's disk the node is not ready; with less than 64 MiB left
    for temporary files neither.
    """
    usage = namedtuple("usage", "free")
    left = {"data": 500, "tmp": 500, folder: mebibytes}
    monkeypatch.setattr(readiness, "gettempdir", lambda: "tmp")
    monkeypatch.setattr(readiness, "disk_usage", lambda path: usage(left[str(path)] << 20))

    found = Lookout([readiness.of_disk(Path("data"))]).look()

    assert [c.code for c in found.conditions] == [code] and not found.ready
    assert f"{mebibytes} MiB" in words().condition(found.conditions[0])["text"]


def test_a_condition_says_since_when() -> None:
    """
    The first look that finds a condition dates it; once it ended, the next time it begins anew.
    """
    well = [False]
    lookout = Lookout(
        [lambda: [] if well[0] else [Condition("behind", stops=True, parameters={"blocks": 9})]]
    )

    first = lookout.look().conditions[0].since
    again = lookout.look().conditions[0].since
    well[0] = True
    assert lookout.look().ready

    assert first is not None and abs(first - time.time()) < 60 and again == first


def test_the_words_of_each_condition_use_its_parameters_in_both_languages() -> None:
    """
    Every section of config/conditions.toml is a condition of the code; en and zh name the same parameters.
    """
    table = tomllib.loads(shipped("conditions.toml").decode())

    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert set(table) == {*STOPS, *TELLS, "disk_full", "temporary_full"}
    for code, row in table.items():
        assert fields(row["en"]) == fields(row["zh"]), code


# -- a real network ----------------------------------------------------------------------------------------


def codes(node: Node) -> list[str]:
    status, told = node.request("GET", "/readyz")
    assert (status == 200) is told["ready"] is (not any(c["stops"] for c in told["conditions"]))
    return [condition["code"] for condition in told["conditions"]]


def told_while_it_waits(node: Node, passport: str) -> str:
    """The first line by which `comity revoke --wait` says why nothing becomes final, as soon as it does."""
    words = ["revoke", passport, "--reason", "withdrawn", "--wait", "--data", str(node.data)]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "node", *words], stdout=subprocess.PIPE, text=True
    ) as asked:
        assert asked.stdout is not None
        found = next((line for line in asked.stdout if line.startswith("not ready: ")), "")
        asked.kill()
    return found


@pytest.mark.check
def test_a_halt_shows_within_seconds_and_ends_when_it_is_over(tmp_path: Path) -> None:
    """
    Two of four validators are killed: the others say that they are cut off, since when, and, once something
    waits, that nothing becomes final; one that starts meanwhile, that it heard no quorum and has not compared
    its records yet. When the two are back the node is ready, and what it took before the kill is recorded.
    """
    with running(tmp_path, VALIDATORS) as network:
        maker = network["maker"]
        wait("all to be heard", lambda: codes(maker) == [], SOON_S)
        for name in ("eu", "customs"):
            network[name].kill()

        seconds = wait("the cut to be told", lambda: "cut_off" in codes(maker), SOON_S)
        made = issue(maker, 1)
        wait("the halt to be told", lambda: "not_final" in codes(maker), SOON_S)
        told = maker.request("GET", "/readyz")[1]["conditions"]
        cut = next(condition for condition in told if condition["code"] == "cut_off")
        assert abs(cut["since"] - time.time()) < 60 and "cut off from the network since 20" in cut["text"]
        print(f"\ncut off: told after {seconds:.1f} s")
        assert "cut off from the network since 20" in told_while_it_waits(maker, made["digest"])

        maker.kill()
        maker.start()
        wait("its answer", lambda: maker.status_of("/readyz") == 503, SOON_S)
        assert {"quorum_not_heard", "comparing_records"} <= {*codes(maker)}

        for name in ("eu", "customs"):
            network[name].start()
        wait("the node to be ready again", lambda: codes(maker) == [], SOON_S)
        assert wait_receipted(maker, made["digest"])["attested"] == "admitted"


ALONE = (replace(MAKER, schemes=(("gbt34014", "ZZ1"),)),)


@pytest.mark.check
def test_a_disk_that_takes_nothing_shows_within_seconds_and_ends_when_it_does(tmp_path: Path) -> None:
    """
    No file of a running node may grow: what is asked is refused with 503, small and large, and /readyz says
    that the records cannot be written; once they can, it is over by itself, and nothing refused was taken.
    """
    with running(tmp_path, ALONE) as network:
        maker = network["maker"]
        assert maker.process is not None
        resource.prlimit(maker.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        asked = [maker.request("POST", "/links", {}), maker.request("POST", "/consignments", bytes(1 << 20))]
        assert [(status, told["code"]) for status, told in asked] == [(503, "out_of_room")] * 2
        assert codes(maker) == ["not_written"]
        time.sleep(2)
        assert codes(maker) == ["not_written"], "it does not end by itself"

        resource.prlimit(maker.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        wait("it to be over", lambda: codes(maker) == [], SOON_S)
        assert maker.request("POST", "/links", {})[0] == 201
        assert "Traceback" not in maker.last_words()


def test_a_condition_is_logged_when_it_begins_and_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Once each, however often it is looked at.
    """
    well = [False]
    lookout = Lookout(
        [lambda: [] if well[0] else [Condition("behind", stops=True, parameters={"blocks": 9})]]
    )
    lookout.wake()  # no turn waits
    for now in (False, False, True, True, False):
        well[0] = now
        lookout.turn()

    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(m["at"], m["code"], m["holds"]) for m in logged] == [
        ("condition", "behind", True),
        ("condition", "behind", False),
        ("condition", "behind", True),
    ]
