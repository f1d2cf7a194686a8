"""Conditions of /readyz at a real node that really is in that state: told, with what to do, and over again.

`test_readiness.py` has each condition by its facts alone; here the facts are made.
"""

from __future__ import annotations

import ast
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.config import shipped
from tests.harness.net.batteries import code_of, issue, wait_receipted
from tests.harness.net.clocks import turned
from tests.harness.net.harness import CN, IMPORTER, JSON, MAKER, Node, found, wait
from tests.harness.net.small_disks import DATA, MEBIBYTES, TEMPORARY, Disk, empty, fill, seen_by, small_disks
from tests.harness.net.small_pool import ROOM
from tests.harness.parts import require
from tests.harness.restarts import Maker, maker
from tests.system.test_evidence import tree

ROOT = Path(__file__).parents[2]
SOON_S = 90.0
ALONE = replace(MAKER, schemes=(("gbt34014", "ZZ1"),))
WELL = list[str]()


def conditions(node: Node) -> dict[str, JSON]:
    """What holds at a running node, by code; one that was just started is waited for."""
    wait("its answer", lambda: node.status_of("/readyz") != 0, SOON_S)
    status, told = node.request("GET", "/readyz")
    found = {one["code"]: one for one in told["conditions"]}
    assert (status == 200) is told["ready"] is (not any(one["stops"] for one in found.values()))
    return found


def shows(node: Node, code: str, *says: str) -> JSON:
    """It says so within seconds, with these words; what it says."""
    found = dict[str, JSON]()

    def is_told() -> bool:
        found.update(conditions(node))
        return code in found

    wait(f"{code} to be told", is_told, SOON_S)
    told = found[code]
    for words in says:
        assert words in f"{told['text']} {told['next']}", told
    return told


def is_well(node: Node, seconds_max: float = SOON_S) -> None:
    """Nothing is told any more."""
    wait("the end of it", lambda: not conditions(node), seconds_max)


@pytest.fixture
def started() -> Iterator[list[Node]]:
    """What is put in here is stopped at the end."""
    nodes = list[Node]()
    yield nodes
    for node in nodes:
        node.stop()


@pytest.mark.check
def test_who_cannot_ask_is_behind_and_whose_clock_is_off_is_told_so(
    tmp_path: Path, started: list[Node]
) -> None:
    """
    An observer hears of blocks and cannot ask for them, its peers.toml being wrong: it is behind, and names
    who is in there that nobody knows. What it took over meanwhile it judges once the file is right. A clock
    that is put back, at the only validator and at the observer, is told by both, and over when it is right.
    """
    nodes = found(tmp_path / "network", (ALONE, IMPORTER))
    validator, observer = nodes["maker"], nodes["importer"]
    peers = observer.data / "network" / "peers.toml"
    right = peers.read_text()
    peers.write_text(
        right.replace(validator.url, "http://127.0.0.1:9")
        + '"did:web:nobody.example" = "http://127.0.0.1:9"\n'
    )
    with turned(tmp_path) as clocks:
        for node in (validator, observer):
            node.start()
            started.append(node)
        validator.wait_ready()
        for number in range(1, 5):
            wait_receipted(validator, issue(validator, number)["digest"])

        shows(observer, "behind", "blocks behind", "peers.toml", "firewall")
        shows(observer, "peers_unknown", "did:web:nobody.example")
        asked = observer.post("/consignments", manifest_of(code_of(1)))["id"]

        observer.stop()
        peers.write_text(right)
        observer.start()
        is_well(observer)
        wait("the verdict", lambda: observer.get(f"/consignments/{asked}")["state"] == "done")
        wait("the last block", lambda: observer.height() == validator.height())
        assert validator.height() >= 4

        clocks.turn(observer, -20)
        shows(observer, "clock_differs", "away from those of half of the validators", "Set the clock")
        clocks.right(observer)
        is_well(observer)
        wait_receipted(validator, issue(validator, 5)["digest"])
        clocks.turn(validator, -600)
        shows(validator, "clock_behind", "is behind", "Set the clock")
        clocks.right(validator)
        is_well(validator)
        wait_receipted(validator, issue(validator, 6)["digest"])


def manifest_of(code: str) -> JSON:
    """One line."""
    line = {
        "line": 1,
        "battery": code,
        "goods": "battery",
        "condition": "new",
        "commodity_code": "8507600000",
    }
    return {
        "declaration": "26NLTEST000001",
        "law_date": "2027-03-01",
        "direction": "import",
        "lines": [line],
    }


@pytest.mark.check
def test_a_full_pool_is_told_and_loses_nothing(tmp_path: Path, started: list[Node]) -> None:
    """
    The other of two validators is gone, and more is attested than there is room for: that is told, with how
    much of it is taken. Once the other one is back, everything that was acknowledged is recorded, what found
    no room too.
    """
    nodes = found(tmp_path / "network", (ALONE, CN))
    full, other = nodes["maker"], nodes["cn"]
    started += [full, other]
    full.start(module="tests.harness.net.small_pool")
    other.start()
    full.wait_ready()
    made = [issue(full, 1)["digest"]]
    wait_receipted(full, made[0])
    other.kill()

    made += [issue(full, number)["digest"] for number in range(2, ROOM + 5)]
    told = shows(full, "pool_full", "attestations wait for a block", "further ones are refused for now")
    assert 90 <= told["parameters"]["percent"] <= 100 and told["parameters"]["count"] <= ROOM

    other.start()
    for node in (full, other):
        is_well(node, 60.0)
    for digest in made:
        assert wait_receipted(full, digest, 60.0)["attested"] == "admitted"


FULL: dict[Disk, tuple[str, str]] = {
    DATA: ("disk_full", "nothing is acknowledged that cannot be written"),
    TEMPORARY: ("temporary_full", "TMPDIR"),
}


@pytest.mark.check
def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path, started: list[Node]) -> None:
    """
    Of the data directory, and of temporary files: with how much is left, until something is deleted. What is
    asked meanwhile is taken, and recorded. A folder of temporary files that is gone is told, too.
    """
    require("mounts")
    node = found(tmp_path / "network", (ALONE,))["maker"]
    started.append(node)
    node.start(within=small_disks(node))
    node.wait_ready()
    is_well(node)
    made = list[str]()
    for number, (disk, (code, says)) in enumerate(FULL.items(), start=1):
        fill(node, disk, MEBIBYTES[disk] // 4)
        told = shows(node, code, says, "MiB are left", "Make room")
        assert told["stops"] and told["parameters"]["mebibytes"] < 256
        made.append(issue(node, number)["digest"])
        empty(node, disk)
        is_well(node)

    folder = seen_by(node, TEMPORARY) / "of-the-node"
    folder.rename(folder.with_name("elsewhere"))
    shows(node, "not_known", "of-the-node: No such file or directory", "put it back")
    folder.with_name("elsewhere").rename(folder)
    is_well(node)
    for digest in made:
        assert wait_receipted(node, digest)["attested"] == "admitted"


# -- a node in this process ------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Maker]:
    with maker(tmp_path) as made:
        made.start()
        made.wait_open()
        yield made


def told_here(node: Maker) -> dict[str, Any]:
    return {one.code: one for one in node.up.overview.readiness().conditions}


def test_a_thread_that_ended_is_told_until_the_node_is_started_again(here: Maker) -> None:
    """
    It is asked itself to end, which no fault is: named, with the reason, while the rest still answers.
    Started again the node is well, and what it acknowledged before is recorded.
    """
    given = here.issue(1)
    here.wait("it to be recorded", lambda: here.on_ledger(given) is not None)
    recorded, late = here.on_ledger(given), here.issue(2)
    work: Any = next(work for work in here.up.supervisor.works if work.name == "rule files")

    def turn() -> None:
        raise SystemExit("planted")

    work.turn = turn
    work.wake()
    here.wait("it to be told", lambda: {"stopped", "thread_ended"} <= told_here(here).keys())
    told = told_here(here)
    assert told["thread_ended"].parameters == {"thread": "rule files"} and told["thread_ended"].stops
    assert told["stopped"].parameters["because"] == "rule files: SystemExit: planted"
    assert here.up.failed.is_set()

    here.stop()
    here.start()
    here.wait("it to be well", lambda: not told_here(here))
    here.wait_quiet()
    assert [here.on_ledger(one) for one in (given, late)] == [recorded] * 2


def test_no_heartbeat_and_what_was_set_aside_are_told(here: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    No block for longer than an idle network leaves between two: told until one comes. A message that fails
    in a way nobody foresaw is told with the reason, and stops nothing.
    """
    engine: Any = here.up.engine
    ordering = engine._ordering
    with monkeypatch.context() as later:
        later.setattr(ordering.watch, "_monotonic", lambda: time.monotonic() + 3_600)
        assert set(told_here(here)) == {"no_heartbeat"}
        here.issue(1)
        here.wait_quiet()
        here.wait("a block", lambda: "no_heartbeat" not in told_here(here))
    assert not told_here(here)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    with monkeypatch.context() as patch:
        patch.setattr(ordering._checkpoints.cosigning, "receive_note", broken)
        note = "log.example\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— log.example AAAAAAA=\n"
        engine.peer_items("did:web:peer.example", [[4, note]])
        here.wait("it to be set aside", lambda: "input_set_aside" in told_here(here))
    assert "a mistake of ours" in told_here(here)["input_set_aside"].parameters["because"]
    assert here.up.overview.readiness().ready
    given = here.issue(2)
    here.wait("it to go on", lambda: here.on_ledger(given) is not None)


# -- none is left out ------------------------------------------------------------------------------------

_HERE = "tests/node/test_conditions_shown.py::"
_READINESS = "tests/node/test_readiness.py::"
_LEAVING = "tests/system/test_leaving.py::"
_RULES = "tests/system/test_rules_lacking.py::test_who_lacks_a_rule_file_or_its_code_stops_and_catches_up"
_HALT = _READINESS + "test_a_halt_shows_within_seconds_and_ends_when_it_is_over"
_POOL = _HERE + "test_a_full_pool_is_told_and_loses_nothing"
_BEHIND = _HERE + "test_who_cannot_ask_is_behind_and_whose_clock_is_off_is_told_so"
_DISK = _HERE + "test_a_disk_that_is_nearly_full_is_told"
_ENDED = _HERE + "test_a_thread_that_ended_is_told_until_the_node_is_started_again"
_STOP = "tests/node/test_governance_cli.py::test_a_stop_of_the_own_part_or_key_is_said_until_it_is_lifted"
_OWN = "tests/node/test_governance_cli.py::test_a_change_of_the_own_name_and_address_is_said_at_the_node"
_FILES = "tests/node/test_rule_files.py::"
SHOWN = {
    "stopped": _ENDED,
    "thread_ended": _ENDED,
    "thread_failing": "tests/node/test_supervision.py::test_a_fault_in_the_sender_of_one_peer_ends_no_node",
    "thread_stuck": "tests/node/test_supervision.py::"
    "test_a_request_that_never_comes_back_is_told_until_it_does",
    "vote_withheld": "tests/node/test_restore.py::test_a_file_that_is_gone_is_like_one_that_is_old",
    "forked": "tests/system/test_fork.py::test_two_blocks_at_one_height_are_noticed_by_both_sides",
    "quorum_not_heard": _HALT,
    "cut_off": _HALT,
    "not_final": _HALT,
    "engine_away": "tests/system/test_comet_serve.py::test_cometbft_is_killed_and_both_are_back",
    "token_away": "tests/node/test_key_token.py::test_while_a_token_is_out_work_waits_and_goes_on_by_itself",
    "host_away": "tests/system/test_hosted_firm.py::"
    "test_a_hosted_firm_is_read_through_its_host_and_leaves_with_all",
    "comparing_records": _HALT,
    "behind": _BEHIND,
    "peers_unknown": _BEHIND,
    "clock_differs": _BEHIND,
    "clock_behind": _BEHIND,
    "no_heartbeat": _HERE + "test_no_heartbeat_and_what_was_set_aside_are_told",
    "input_set_aside": _HERE + "test_no_heartbeat_and_what_was_set_aside_are_told",
    "pool_full": _POOL,
    "disk_full": _DISK,
    "temporary_full": _DISK,
    "not_known": _DISK,
    "damaged_ledger": "tests/node/test_damage.py::test_a_tile_that_is_not_what_was_written_is_said",
    "damaged_office": "tests/node/test_damage.py::test_a_flipped_bit_of_own_records_blames_nobody",
    "damaged": "tests/node/test_damage.py::test_an_entry_that_is_not_what_was_written_is_not_served",
    "not_written": _READINESS + "test_a_disk_that_takes_nothing_shows_within_seconds_and_ends_when_it_does",
    "set_aside": "tests/node/test_set_aside.py::"
    "test_a_line_that_raises_stops_no_other_and_is_judged_again_when_asked",
    "open_api": "tests/node/test_access.py::test_an_open_node_says_that_it_is_open",
    "document_lost": "tests/node/test_restore.py::"
    "test_an_old_office_gives_no_place_away_twice_and_lowers_no_bit",
    "status_list_withheld": "tests/node/test_restore.py::test_a_place_that_nobody_knows_withholds_the_list",
    "own_left": _LEAVING + "test_who_leaves_is_told_by_its_own_node_which_serves_on",
    "own_vote_ended": _LEAVING + "test_a_validator_that_retires_is_told_so_and_follows",
    "own_vote_began": _LEAVING + "test_a_validator_that_retires_is_told_so_and_follows",
    "own_stopped": _STOP,
    "own_stopped_confirmed": _STOP,
    "own_key_stopped": _STOP,
    "own_key_stopped_confirmed": _STOP,
    "own_removal_proposed": "tests/node/test_governance_cli.py::"
    "test_a_stopped_party_objects_with_its_recovery_key",
    "own_name_changed": _OWN,
    "own_address_changed": _OWN,
    "rule_file_lacking": _FILES + "test_a_validator_says_once_that_it_holds_a_file_which_is_put_beside_it",
    "rule_code_lacking": _FILES + "test_nothing_is_said_of_a_file_that_cannot_be_gone_by",
    "version_lacking": _FILES + "test_a_version_of_the_rules_is_held_by_who_has_its_code",
    "rules_unread": _FILES + "test_no_item_is_decided_under_rules_that_this_version_cannot_read",
    "rule_file_needed": _RULES,
    "newer_version_needed": _RULES,
    "version_needed": _RULES,
}


def texts_of(path: Path, name: str) -> set[str]:
    """Every text in a test, and in the constants and helpers of its file that it names."""
    named = dict[str, ast.stmt | None]()
    for node in tree(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                named[getattr(part, "id", getattr(part, "name", ""))] = node
    found, waiting = set[str](), [name]
    while waiting:
        stands = named.pop(waiting.pop(), None)
        for inner in () if stands is None else ast.walk(stands):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                found.add(inner.value)
            elif isinstance(inner, ast.Name):
                waiting.append(inner.id)
    return found


@pytest.mark.parametrize("code", tomllib.loads(shipped("conditions.toml").decode()))
def test_each_condition_is_shown_by_a_test(code: str) -> None:
    """
    No condition of /readyz has words alone: a test makes its facts at a node, and finds it there by its code.
    """
    file, _, name = SHOWN[code].partition("::")
    texts = texts_of(ROOT / file, name)

    assert code in texts, f"{SHOWN[code]} does not look for {code}"


def test_every_condition_has_words() -> None:
    """
    What the code yields has a section of its own, and the table of who shows it names no other.
    """
    yielded = {
        inner.args[0].value
        for path in (ROOT / "node").rglob("*.py")
        if "Condition(" in path.read_text()
        for inner in ast.walk(tree(path))
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "Condition"
        if isinstance(inner.args[0], ast.Constant)
    }

    assert len(yielded) > 20
    assert yielded <= SHOWN.keys() == tomllib.loads(shipped("conditions.toml").decode()).keys()
