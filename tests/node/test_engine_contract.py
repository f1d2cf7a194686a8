"""One contract, held by every engine: order, at most once, disk before word, catch-up, who votes, faults."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from consensus.cose import parse_sign1
from consensus.validators import ValidatorSet
from credentials.ledger.genesis import Genesis
from node.ledger.chain import chain_config
from tests.harness import delivering, ledger
from tests.harness.comet import Application, Comet, Kept
from tests.harness.engine_contract import (
    Behind,
    Embedded,
    Real,
    attested,
    blocks,
    double_vote,
    forget,
    height,
    on_disk,
    produced,
    recorded,
    wait,
)
from tests.harness.engines import acts_of, founded_now, voters
from tests.harness.parts import COMETBFT_PARTS, require

pytestmark = pytest.mark.check
# An application behind a script in CometBFT's part; in `make long` behind CometBFT itself, of each line.
BEHIND, OF = "behind a script", "behind "
ENGINES = ("embedded", BEHIND, *(pytest.param(OF + one, marks=pytest.mark.long) for one in COMETBFT_PARTS))


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return founded_now()


@pytest.fixture(params=ENGINES)
def ordered(
    request: pytest.FixtureRequest, genesis: Genesis, tmp_path: Path, socket_path: Path
) -> Iterator[Engine]:
    """A network of each engine: a third one is one more line here."""
    made: Engine
    match request.param:
        case "embedded":
            made = Embedded(genesis, tmp_path)
        case str(name) if name == BEHIND:
            made = Behind(genesis, tmp_path, socket_path)
        case name:
            made = Real(genesis, tmp_path, require(name.removeprefix(OF)), socket_path.parent)
    yield made
    made.close()


Engine = Embedded | Behind | Real


def test_the_order_follows_from_the_block_before(ordered: Engine) -> None:
    """
    In every block the attestations come by SHA-256(id of our block before, digest): nobody chose it.
    """
    recorded(ordered, *produced(ordered.genesis, range(1, 13)))
    recorded(ordered, *produced(ordered.genesis, range(13, 25)))

    previous = ordered.genesis.network_id
    for block in blocks(ordered):
        ranks = [sha256(previous + sha256(tx).digest()).digest() for tx in block.attestations]
        assert block.previous_id == previous and ranks == sorted(ranks)
        previous = block.id
    assert len(attested(ordered)) == 24


def test_what_is_handed_in_again_and_again_is_recorded_once(ordered: Engine) -> None:
    """
    At most once: before its block, after it, and after a restart.
    """
    (tx,), (second, third) = produced(ordered.genesis, [1]), produced(ordered.genesis, [2, 3])
    recorded(ordered, tx, tx, tx)
    recorded(ordered, tx, second, tx)
    ordered.stop()
    ordered.start()
    recorded(ordered, tx, third)

    assert sorted(attested(ordered)) == sorted([tx, second, third])


def test_what_a_node_says_it_has_is_on_disk(ordered: Engine) -> None:
    """
    Whatever height a node shows, another process reads that block from its file.
    """
    for number in range(1, 6):
        recorded(ordered, *produced(ordered.genesis, [number]))
        assert on_disk(ordered) >= ordered.registry.height >= number


def test_a_node_goes_on_from_its_disk(ordered: Engine) -> None:
    """
    Stopped and started it has the same ledger, and the next block continues it.
    """
    recorded(ordered, *produced(ordered.genesis, [1, 2]))
    before, root = blocks(ordered), ordered.registry.app_hash
    ordered.stop()
    ordered.start()
    assert (blocks(ordered), ordered.registry.app_hash) == (before, root)

    recorded(ordered, *produced(ordered.genesis, [3]))
    assert blocks(ordered)[: len(before)] == before


def test_a_node_that_lost_its_ledger_catches_up_to_the_same(ordered: Engine) -> None:
    """
    Without ledger.db it is given every block again: same blocks, same leaves, same state.
    """
    for numbers in ([1, 2], [3], [4, 5]):
        recorded(ordered, *produced(ordered.genesis, numbers))
    before, tip = blocks(ordered), ordered.store.tip()
    assert tip is not None

    forget(ordered)
    wait(ordered, "it to catch up", lambda: height(ordered) == tip.height)

    again = ordered.store.tip()
    assert blocks(ordered) == before and again is not None
    assert (again.app_hash, again.frontier) == (tip.app_hash, tip.frontier)
    assert ordered.registry.app_hash == tip.app_hash


def test_who_votes_changes_at_the_second_height_after_the_decision(ordered: Engine) -> None:
    """
    The set of h and h + 1 is the old one, that of h + 2 the new one: known beforehand to everybody.
    """
    dids = [*ledger.VALIDATORS[:3], ledger.IMPORTER]
    for act in acts_of(ordered.registry, voters(dids)):
        recorded(ordered, act)
    (decided,) = {row.height for row in ordered.store.leaves.decisions(0)}

    history = ordered.store.validator_history(chain_config(ordered.genesis).validators)
    assert names(history.at(decided)) == names(history.at(decided + 1)) == set(ledger.VALIDATORS)
    assert names(history.at(decided + 2)) == set(dids)
    recorded(ordered, *produced(ordered.genesis, [1]))
    governs = ordered.registry.history.at(decided + 2).validators
    assert set(governs.validators) == set(history.at(decided + 2).validators)


def names(validators: ValidatorSet) -> set[str]:
    return {validator.name for validator in validators.validators}


def test_a_fault_that_is_shown_is_recorded_once(ordered: Engine) -> None:
    """
    Evidence comes into the next block, is a leaf of the log, and comes into no later one.
    """
    recorded(ordered, *produced(ordered.genesis, [1]))
    evidence = double_vote(ordered.genesis)
    ordered.accuse(evidence)
    wait(ordered, "the record", lambda: bool(ordered.store.leaves.evidence()))
    ordered.accuse(evidence)
    recorded(ordered, *produced(ordered.genesis, [2]))

    assert [row.entry for row in ordered.store.leaves.evidence()] == [evidence.encode()]
    assert [block.evidence for block in blocks(ordered) if block.evidence] == [(evidence.encode(),)]


def test_what_cannot_be_admitted_is_in_no_block(ordered: Engine) -> None:
    """
    Bytes, a signature that does not verify, a statement of another network: the good one alone is recorded.
    """
    (good,) = produced(ordered.genesis, [1])
    parsed = parse_sign1(good)
    bad = good.replace(parsed.signature, bytes(64))
    for tx in (b"", b"\xd2", bad, *produced(founded_now(), [2])):
        ordered.submit(tx)
    recorded(ordered, good)

    assert attested(ordered) == [good]


def test_one_sequence_leads_to_one_state_whichever_engine_delivers_it(
    genesis: Genesis, tmp_path: Path, socket_path: Path
) -> None:
    """
    Blocks that four embedded engines decided, with attestations, acts, evidence and another set of voters,
    delivered over the ABCI: same block ids, same app hash and same root of the log after every height.
    """
    embedded = Embedded(genesis, tmp_path)
    for numbers in ([1, 2, 3], [4, 5], [6]):
        recorded(embedded, *produced(genesis, numbers))
    embedded.accuse(double_vote(genesis))
    wait(embedded, "the record", lambda: bool(embedded.store.leaves.evidence()))
    for act in acts_of(embedded.registry, voters([*ledger.VALIDATORS[:3], ledger.IMPORTER])):
        recorded(embedded, act)
    recorded(embedded, *produced(genesis, [7, 8]))
    found, tip = blocks(embedded), embedded.store.tip()
    embedded.close()

    application = Application(genesis, tmp_path / "behind", socket_path)
    comet = Comet(genesis, socket_path)
    comet.connect()
    for block in found:
        said = Kept(block.time, (*block.attestations, *block.evidence), comet.address(block.proposer))
        assert comet.accepts(said, block.height)
        assert block.app_hash == application.registry.app_hash
        assert (block.log_size, block.log_root) == (application.tree.size, application.tree.root())
        comet.blocks.append(said)
        comet.deliver(block.height, said)
    last = application.store.tip()
    kept = [data for data, _ in application.store.blocks(1, 10_000, 1 << 30)]
    comet.hang_up()
    application.stop()

    assert kept == [block.encode() for block in found]
    assert last == tip
    assert any(comet.updates.values()) and any(block.evidence for block in found)


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_two_processes_execute_a_recording_alike(count: int, tmp_path: Path) -> None:
    """
    Whatever PYTHONHASHSEED is: every leaf, block id, update and hash of a recorded sequence is the same.
    """
    blocks, attestations = delivering.record(count, seed=count)
    assert attestations > count
    delivering.write(tmp_path / "recorded", blocks)

    told = {
        subprocess.run(
            [sys.executable, "-m", "tests.harness.delivering", str(tmp_path / "recorded")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }

    assert len(told) == 1 and told.pop().startswith(f"{count} ")
