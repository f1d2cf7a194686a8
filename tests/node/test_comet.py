"""The application behind CometBFT, asked over its socket by a script in its part (node/ledger/comet/)."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consensus import pool as pools
from consensus.delivered import EXECUTED_MAX
from consensus.encoding import decode, encode
from consensus.merkle import leaf_hash, verify_inclusion
from consensus.standings_map import MapProof, verify_map_proof
from credentials.ledger.entries import AdmittedEntry, BlockEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance_records import LIMITS
from credentials.ledger.parties import Limits
from credentials.ledger.registry import standing_key
from node.errors import SetupError
from node.ledger.comet.abci import AROUND_BYTES
from node.ledger.comet.comet_names import chain_id
from node.ledger.comet.frames import FRAME_BYTES_MAX, FrameError, Frames, frame
from node.ledger.comet.proto.tendermint.abci import types_pb2 as abci
from node.ledger.comet.server import CONNECTIONS_MAX, PATH_BYTES_MAX, Server
from node.ledger.subscriptions import PoolDropped
from tests.harness import comet_types, ledger
from tests.harness.comet import Connection, Kept, Pair, Refused
from tests.harness.engines import acts_of, founded_now, voters


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return founded_now()


@pytest.fixture
def pair(genesis: Genesis, tmp_path: Path, socket_path: Path) -> Iterator[Pair]:
    made = Pair(genesis, tmp_path, socket_path)
    yield made
    made.stop()
    assert made.application.supervisor.failure is None


def now() -> int:
    return int(time.time())


# --- the handshake


def test_a_chain_begins_with_our_genesis(pair: Pair) -> None:
    """
    InitChain answers with validators, limits and state of genesis, in some hundred bytes for each validator
    and nothing for whoever else takes part; Info says that nothing was decided yet.
    """
    answer = pair.comet.founded
    limits = pair.genesis.governance.limits

    named = {(v.pub_key.ed25519, v.power) for v in answer.validators}
    assert named == {(ledger.signer(did, "vote").public_key, 1) for did in ledger.VALIDATORS}
    assert answer.consensus_params.block.max_bytes == limits.block_bytes_max + AROUND_BYTES
    assert answer.consensus_params.evidence.max_age_num_blocks == limits.evidence_heights_max
    assert answer.app_hash == pair.application.behind.delivered.carried.hash
    assert answer.ByteSize() < 100 * (len(ledger.VALIDATORS) + 1)
    info = pair.comet.query.ask(info=abci.RequestInfo())
    assert (info.last_block_height, info.last_block_app_hash) == (0, b"")


OTHER_GENESIS: dict[str, Callable[[abci.RequestInitChain], None]] = {
    "another network": lambda r: setattr(r, "chain_id", "0" * 32 + "-0"),
    "another first height": lambda r: setattr(r, "initial_height", 7),
    "another time of founding": lambda r: setattr(r.time, "nanos", 1),
    "other validators": lambda r: setattr(r.validators.add(power=1).pub_key, "ed25519", bytes(32)),
}


@pytest.mark.parametrize("what", OTHER_GENESIS)
def test_another_genesis_is_refused(pair: Pair, what: str) -> None:
    """
    A file of CometBFT that says otherwise than our genesis begins no chain: it is told what differs.
    """
    request = pair.comet.init_chain()
    OTHER_GENESIS[what](request)

    with pytest.raises(Refused, match=what):
        pair.comet.consensus.ask(init_chain=request)


def test_a_ledger_with_blocks_is_not_founded_again(pair: Pair) -> None:
    """
    A CometBFT without its data may not begin a second chain on a ledger that has one.
    """
    pair.comet.decide(now())

    with pytest.raises(Refused, match="the ledger has blocks"):
        pair.comet.consensus.ask(init_chain=pair.comet.init_chain())


# --- what waits


def test_only_what_is_ready_enters_the_mempool(pair: Pair) -> None:
    """
    Malformed, dated ahead or waiting for another: CheckTx says so, and nothing of it is kept or passed on.
    """
    ready, ahead = pair.attestation(1), pair.attestation(2, ahead_s=3_600)
    unknown = pair.passport(3)

    assert pair.comet.check(ready).code == 0
    codes = {pair.comet.check(tx).codespace for tx in (ahead, unknown)}
    assert codes == {"waits"}
    assert pair.comet.check(b"\x00").codespace == "malformed"
    assert pair.comet.check(ready).code == 0, "it is known already, and still may be proposed"
    assert len(pair.application.behind.delivered.pool) == 1


def test_what_waits_again_after_a_block_is_kept_no_longer_than_in_the_engines_pool(pair: Pair) -> None:
    """
    One that was ready and waits for another now: CometBFT lets go of it at its recheck, and so does our pool,
    or nothing would begin a block for it once it is ready. Its author is told nothing: it is handed in again.
    """
    pool, waits = pair.application.behind.delivered.pool, pair.passport(3)
    pair.comet.check(pair.attestation(1))
    told = pair.application.moments.subscribe()
    began_ms = int(time.monotonic() * 1000)
    assert pool.add(waits, sha256(waits).digest(), "mempool", began_ms, now()) == []
    assert len(pool) == 2

    pair.comet.decide(now())
    assert len(pool) == 0
    assert pair.comet.check(waits).codespace == "waits"
    assert not [one for one in told.take() if isinstance(one, PoolDropped)]


def test_what_gave_way_to_one_that_found_no_room_is_told(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever handed in what left the pool is told so, also where the newcomer has to go as well.
    """
    held = [pair.attestation(n, by=ledger.OTHER_MAKER, namespace="ZZ3") for n in (1, 2)]
    newcomer = pair.attestation(3)
    assert [pair.comet.check(tx).code for tx in held] == [0, 0]
    told = pair.application.moments.subscribe()
    monkeypatch.setattr(pools, "SIZE_BYTES_MAX", len(held[0]) + len(newcomer) - 1)

    assert pair.comet.check(newcomer).codespace == "pool_full"
    (left,) = told.take()
    assert isinstance(left, PoolDropped)
    assert (left.digest, left.code) == (sha256(held[1]).digest(), "pool_full")


def test_a_block_is_made_of_the_own_pool(pair: Pair) -> None:
    """
    What CometBFT shows for a block does not decide what is in it: only what the pool holds is proposed.
    """
    first, second = pair.attestation(1), pair.attestation(2)
    pair.comet.check(first)

    block = pair.comet.propose(now(), txs=[b"\x00", second])

    assert block.txs == (first,)


def test_what_is_final_leaves_the_mempool_and_does_not_come_back(pair: Pair) -> None:
    """
    At most once: after its block an attestation is refused, and a block that repeats it is not valid.
    """
    tx, other = pair.attestation(1), pair.attestation(2)
    pair.comet.check(tx)
    pair.comet.check(other)
    block = pair.comet.decide(now(), [tx])

    assert pair.comet.mempool == [other]
    assert pair.comet.check(tx).codespace == "duplicate"
    assert not pair.comet.accepts(Kept(now(), block.txs, block.proposer))
    assert [e.attestation.data for e in admitted(pair)] == [tx]


def admitted(pair: Pair) -> list[AdmittedEntry]:
    rows = pair.application.store.leaves.since(0, 1_000)
    return [e for row in rows if isinstance(e := parse_entry(row.entry), AdmittedEntry)]


# --- blocks


def test_a_block_is_judged_as_one_of_our_own(pair: Pair) -> None:
    """
    Another order, time, proposer or height, a stranger's bytes and a late piece of evidence are rejected.
    """
    for number in range(1, 5):
        pair.comet.check(pair.attestation(number))
    good = pair.comet.propose(now())
    assert len(good.txs) == 4

    assert pair.comet.accepts(good)
    for txs in (good.txs[::-1], (*good.txs, b"\x00"), (*good.txs, good.txs[0]), (b"\x86\x00", *good.txs)):
        assert not pair.comet.accepts(Kept(good.time, txs, good.proposer))
    assert not pair.comet.accepts(Kept(pair.genesis.created - 1, good.txs, good.proposer))
    assert not pair.comet.accepts(Kept(good.time, good.txs, bytes(20)))
    assert not pair.comet.accepts(good, height=2)


def test_proposals_without_end_are_not_kept(pair: Pair) -> None:
    """
    A height of a hundred rounds leaves a few executed proposals in memory; the first can still be decided.
    """
    pair.comet.check(pair.attestation(1))
    first = pair.comet.propose(now())
    assert pair.comet.accepts(first)
    for later_s in range(100):
        assert pair.comet.accepts(Kept(first.time + later_s, first.txs, first.proposer))

    assert pair.application.behind.delivered.executed <= EXECUTED_MAX
    pair.comet.blocks.append(first)
    pair.comet.deliver(1, first)


def test_the_order_is_keyed_by_our_own_block(pair: Pair) -> None:
    """
    The same attestations come in an order that follows from the block before, whatever CometBFT's hash of it.
    """
    txs = [pair.attestation(number) for number in range(1, 9)]
    for tx in txs:
        pair.comet.check(tx)
    first = pair.comet.propose(now())
    ids = pair.application.behind.delivered.tip.block_id

    ranks = [sha256(ids + sha256(tx).digest()).digest() for tx in first.txs]
    assert ranks == sorted(ranks)
    assert pair.comet.finalize(1, first).app_hash == pair.comet.finalize(1, Kept(**vars(first))).app_hash


def test_what_is_acknowledged_is_on_disk(pair: Pair) -> None:
    """
    Until Commit nothing of a block is stored; once it is answered, another process reads it from the file.
    """
    tx = pair.attestation(1)
    pair.comet.check(tx)
    block = pair.comet.propose(now())
    count = (
        "import sqlite3, sys; "
        "print(sqlite3.connect(sys.argv[1]).execute('SELECT COUNT(*) FROM blocks').fetchone()[0])"
    )

    def stored() -> str:
        file = str(pair.folder / "node" / "ledger.db")
        return subprocess.run(
            [sys.executable, "-c", count, file], capture_output=True, text=True, check=True
        ).stdout.strip()

    pair.comet.blocks.append(block)
    pair.comet.hashes.append(pair.comet.finalize(1, block).app_hash)
    assert stored() == "0"
    pair.comet.consensus.ask(commit=abci.RequestCommit())
    assert stored() == "1"


def test_an_application_that_died_before_its_commit_is_delivered_the_block_again(pair: Pair) -> None:
    """
    Decided and not committed: after a restart the handshake delivers it, and it leads to the same hash.
    """
    pair.comet.check(pair.attestation(1))
    pair.comet.decide(now())
    pair.comet.check(pair.attestation(2))
    block = pair.comet.propose(now())
    pair.comet.blocks.append(block)
    pair.comet.hashes.append(pair.comet.finalize(2, block).app_hash)

    pair.stop()
    pair.start()

    assert pair.application.behind.delivered.tip.height == 2
    assert len(admitted(pair)) == 2
    assert pair.application.behind.delivered.carried.hash == pair.comet.hashes[1]


def test_an_amnesiac_application_is_replayed_to_the_same_hash(pair: Pair) -> None:
    """
    An empty data directory is delivered every block from the first: same hash at each height, same log.
    """
    for number in range(1, 6):
        pair.comet.check(pair.attestation(number))
        pair.comet.decide(now())
    root = pair.root

    pair.stop()
    pair.start("emptied")

    assert pair.application.behind.delivered.tip.height == 5
    assert pair.root == root


def test_the_hash_binds_the_whole_state(pair: Pair) -> None:
    """
    CometBFT's header carries one hash of ours: state, whole log, configuration, version of the rules, and the
    block's id, which names all before it.
    """
    pair.comet.check(pair.attestation(1))
    pair.comet.decide(now())
    delivered = pair.application.behind.delivered
    state = [
        pair.application.registry.app_hash,
        pair.application.tree.size,
        pair.application.tree.root(),
        pair.genesis.config_digest,
        pair.application.registry.app_version,
        delivered.tip.block_id,
    ]

    assert delivered.carried.state == state
    assert pair.comet.hashes == [sha256(encode(["comity/engine-state/v2", *state])).digest()]


@pytest.mark.check
def test_a_full_block_of_strangers_is_executed_in_time(
    genesis: Genesis, tmp_path: Path, socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    As many attestations as genesis allows, none of them seen before: ProcessProposal takes less than half the
    propose timeout, a replayed FinalizeBlock less than a second, both of this process's CPU.
    """
    limits = genesis.governance.limits
    pair = Pair(genesis, tmp_path, socket_path)
    most = limits.per_issuer_per_block_max
    txs = [pair.attestation(n) for n in range(most)]
    rest = limits.attestations_per_block_max - most
    txs += [pair.attestation(n, by=ledger.OTHER_MAKER, namespace="ZZ3") for n in range(rest)]
    for tx in txs:
        assert pair.comet.check(tx).code == 0
    block = pair.comet.propose(now())
    assert len(block.txs) == limits.attestations_per_block_max
    pair.stop()

    took = {}
    for name in ("process", "finalize"):
        pair.start(name)
        began = time.process_time()
        if name == "process":
            assert pair.comet.accepts(block)
        else:
            pair.comet.finalize(1, block)
        took[name] = time.process_time() - began
        pair.stop()

    with capsys.disabled():
        print("\n" + ", ".join(f"{name} {1000 * s:.0f} ms" for name, s in took.items()), f"of {len(txs)}")
    assert took["process"] < limits.timeout_propose_ms / 2_000
    assert took["finalize"] < 1


def test_an_idle_block_changes_nothing_that_cometbft_sees(pair: Pair) -> None:
    """
    CometBFT makes a block after each that changed its hash: one that did nothing keeps it, also over a
    restart and a replay, and its entry is bound by the next that does something.
    """
    pair.comet.check(pair.attestation(1))
    pair.comet.decide(now())
    for _ in range(3):
        pair.comet.decide(now(), ())
    pair.stop()
    pair.start()
    pair.comet.decide(now(), ())
    assert len(set(pair.comet.hashes)) == 1 and pair.application.tree.size == 6

    asked = abci.RequestQuery(path="/entry", data=bytes(8), prove=True)
    leaf, state = steps(pair.comet.query.ask(query=asked))
    _verify_leaf(leaf, state)
    assert sha256(encode(["comity/engine-state/v2", *state])).digest() == pair.comet.hashes[-1]
    later = abci.RequestQuery(path="/entry", data=(5).to_bytes(8, "big"), prove=True)
    assert not pair.comet.query.ask(query=later).proof_ops.ops

    pair.comet.check(pair.attestation(2))
    pair.comet.decide(now())
    assert len(set(pair.comet.hashes)) == 2
    assert pair.application.behind.delivered.carried.log_size == pair.application.tree.size == 8
    pair.stop()
    pair.start("emptied")


def test_cosignatures_do_not_notice_which_engine_ordered(pair: Pair) -> None:
    """
    After a commit the node has signed the checkpoint of the whole log, as under the embedded engine.
    """
    pair.comet.check(pair.attestation(1))
    pair.comet.decide(now())

    assert pair.application.signing.last_cosigned()[:2] == (2, pair.root)  # type: ignore[index]


# --- membership


def test_who_votes_changes_two_blocks_after_it_was_decided(pair: Pair) -> None:
    """
    The decision of block h is an update in the answer to h, which CometBFT and our history put in force at
    h + 2; then a block by who left is not valid.
    """
    dids = [*ledger.VALIDATORS[:3], ledger.IMPORTER]
    for act in acts_of(pair.application.registry, voters(dids)):
        assert pair.comet.check(act).code == 0
        pair.comet.decide(now())

    (decided,) = pair.comet.updates
    gone, new = ledger.VALIDATORS[3], ledger.IMPORTER
    assert pair.comet.updates[decided] == {
        (ledger.signer(gone, "vote").public_key, 0),
        (ledger.signer(new, "vote").public_key, 1),
    }
    by_gone, by_new = ((), pair.comet.address(gone)), ((), pair.comet.address(new))
    assert pair.comet.accepts(Kept(now(), *by_gone)) and not pair.comet.accepts(Kept(now(), *by_new))
    pair.comet.decide(now(), ())
    assert not pair.comet.accepts(Kept(now(), *by_gone)) and pair.comet.accepts(Kept(now(), *by_new))


def test_what_was_decided_comes_into_force_without_waiting_for_anybody(pair: Pair) -> None:
    """
    CometBFT makes a block after each that changed its hash: so it does until the height that is governed by
    what was decided, which verdicts name; then it rests.
    """
    for act in acts_of(pair.application.registry, voters([*ledger.VALIDATORS[:3], ledger.IMPORTER])):
        assert pair.comet.check(act).code == 0
        pair.comet.decide(now())
    decided = len(pair.comet.hashes)
    for _ in range(4):
        pair.comet.decide(now(), ())

    assert len(set(pair.comet.hashes[decided - 1 :])) == 2
    assert pair.comet.hashes[decided] not in pair.comet.hashes[:decided], "the block at h + 2 comes by itself"
    assert pair.application.registry.next_block_at(now()) is None


def test_a_limit_that_changes_is_told_at_the_first_height_that_it_governs(pair: Pair) -> None:
    """
    Decided at h it governs h + 2, whose answer tells CometBFT, for the block after it; no other answer does.
    """
    limits = Limits(block_bytes_max=700_000)
    table: dict[str, Any] = {f.name: getattr(limits, f.name) for f in fields(limits)}
    for act in acts_of(pair.application.registry, {(LIMITS, ""): table}):
        assert pair.comet.check(act).code == 0
        pair.comet.decide(now())
    for _ in range(3):
        pair.comet.decide(now(), ())

    told = {h: a.consensus_param_updates.block.max_bytes for h, a in pair.comet.answers.items()}
    assert told == {1: 0, 2: 0, 3: 0, 4: 700_000 + AROUND_BYTES, 5: 0}


def test_misbehaviour_accuses_nobody_on_the_ledger(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The ABCI names a fault and shows no votes: it changes neither the log nor the hash, and is evidence of
    nothing. The node's log has who, and says that this proves nothing by itself.
    """
    fault = abci.Misbehavior(type=abci.MisbehaviorType.DUPLICATE_VOTE, height=1)
    fault.validator.address = pair.comet.address(ledger.CUSTOMS)
    block = Kept(now(), (), pair.comet.address())

    plain = pair.comet.finalize(1, block).app_hash
    capsys.readouterr()
    assert pair.comet.finalize(1, Kept(block.time, (), block.proposer, (fault,))).app_hash == plain
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "misbehaviour" in line]

    assert [(one["validator"], one["kind"]) for one in told] == [(ledger.CUSTOMS, "duplicate_vote")]
    assert told[0]["proves"].startswith("nothing by itself")
    assert pair.application.behind.delivered.evidence == []


# --- queries


def test_a_query_proves_what_it_answers(pair: Pair) -> None:
    """
    From a record over its root and the block's entry to the hash in CometBFT's next header; from an entry so.
    """
    pair.comet.check(pair.attestation(1))
    pair.comet.decide(now())
    key = standing_key(ledger.battery(1))

    for asked in (key, standing_key(ledger.battery(99))):
        answer = pair.comet.query.ask(query=abci.RequestQuery(path="/standing", data=asked, prove=True))
        standing, leaf, state = steps(answer)
        entry = parse_entry(leaf[3])
        assert isinstance(entry, BlockEntry)
        found = MapProof(tuple((k, d) for k, d in standing[0]), tuple(standing[1]))
        verify_map_proof(entry.standings_root, asked, answer.value or None, found)
        _verify_leaf(leaf, state)
        assert sha256(encode(["comity/engine-state/v2", *state])).digest() == pair.comet.hashes[-1]
    assert answer.value == b""

    answer = pair.comet.query.ask(query=abci.RequestQuery(path="/entry", data=bytes(8), prove=True))
    leaf, state = steps(answer)
    assert leaf[3] == answer.value
    _verify_leaf(leaf, state)


def steps(answer: abci.ResponseQuery) -> list[Any]:
    return [decode(op.data) for op in answer.proof_ops.ops]


def _verify_leaf(leaf: Any, state: Any) -> None:
    number, size, way, entry = leaf
    assert size == state[1]
    verify_inclusion(leaf_hash(entry), number, size, way, state[2])


NO_ANSWER: dict[str, tuple[dict[str, Any], int]] = {
    "no such path": ({"path": "/"}, 1),
    "no key": ({"path": "/standing", "data": b"short"}, 2),
    "no number": ({"path": "/entry", "data": b"short"}, 2),
    "no such leaf": ({"path": "/entry", "data": b"\xff" * 8}, 3),
    "another height": ({"path": "/entry", "data": bytes(8), "height": 7}, 4),
}


@pytest.mark.parametrize("what", NO_ANSWER)
def test_a_query_that_has_no_answer_is_told_why(pair: Pair, what: str) -> None:
    """
    A code and a sentence; the connection goes on.
    """
    asked, code = NO_ANSWER[what]

    assert pair.comet.query.ask(query=abci.RequestQuery(**asked)).code == code
    assert pair.comet.query.ask(echo=abci.RequestEcho(message="there")).message == "there"


def test_a_stranger_is_connected_to_no_cometbft(pair: Pair) -> None:
    """
    CometBFT asks about each connection, first by address and then by the id that it proved: whoever no
    participant named is refused, as is a question that is read otherwise.
    """
    named = "61" * 20
    pair.application.behind.proven.admits = {named}.__contains__

    def code(about: str) -> int:
        return int(pair.comet.query.ask(query=abci.RequestQuery(path=f"/p2p/filter/{about}")).code)

    assert (code("addr/192.0.2.1:26656"), code(f"id/{named}")) == (0, 0)
    others = (f"id/{'73' * 20}", "id/", "", f"name/{named}", f"id/{named}/", f"id/{named.upper()}x")
    assert [code(other) for other in others] == [5] * len(others)


# --- hostile


HOSTILE = {
    "a length without end": b"\xff" * 8,
    "a length too large": frame(b"x" * 1)[:0] + b"\xff\xff\xff\x7f",
    "a length in a longer form": b"\x81\x00",
    "no protobuf": frame(b"\xff\xff\xff"),
    "no request": frame(b""),
    "an unknown request": frame(b"\xda\x0f\x00"),
    "a vote extension": frame(abci.Request(extend_vote=abci.RequestExtendVote()).SerializeToString()),
    "a chunk of a snapshot": frame(
        abci.Request(apply_snapshot_chunk=abci.RequestApplySnapshotChunk(chunk=b"x")).SerializeToString()
    ),
    "a commit of nothing": frame(abci.Request(commit=abci.RequestCommit()).SerializeToString()),
    "a block out of turn": frame(
        abci.Request(finalize_block=abci.RequestFinalizeBlock(height=9)).SerializeToString()
    ),
    "a proposal out of turn": frame(
        abci.Request(prepare_proposal=abci.RequestPrepareProposal(height=9)).SerializeToString()
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_cannot_be_answered_ends_its_connection_alone(pair: Pair, what: str) -> None:
    """
    Nothing leaves the edge: the connection is told and ended, the others and the ledger go on.
    """
    pair.comet.snapshot.sock.sendall(HOSTILE[what])
    with pytest.raises(Refused):
        pair.comet.snapshot.receive()
    with pytest.raises(Refused, match=r"hung up|reset"):
        pair.comet.snapshot.receive()

    pair.comet.check(pair.attestation(1))
    pair.comet.decide(now())
    assert pair.application.supervisor.failure is None


def test_a_frame_that_is_cut_off_is_waited_for_and_harms_nobody(pair: Pair) -> None:
    """
    Half a frame holds nothing up; when its sender hangs up it is forgotten, and its place is free again.
    """
    pair.comet.snapshot.sock.sendall(frame(b"x" * 100)[:50])
    pair.comet.decide(now())
    pair.comet.snapshot.close()

    deadline = time.monotonic() + 10
    while pair.application.behind.server.connections == CONNECTIONS_MAX and time.monotonic() < deadline:
        pair.comet.query.ask(echo=abci.RequestEcho())
    pair.comet.snapshot = Connection(pair.path)
    assert pair.comet.snapshot.ask(echo=abci.RequestEcho(message="again")).message == "again"


def test_a_fifth_connection_is_not_taken(pair: Pair) -> None:
    """
    CometBFT has four; who else comes is hung up on, and the four go on.
    """
    fifth = Connection(pair.path)

    with pytest.raises((Refused, BrokenPipeError)):
        fifth.ask(echo=abci.RequestEcho(message="x"))
    fifth.close()
    assert pair.comet.query.ask(echo=abci.RequestEcho(message="there")).message == "there"


def test_answers_come_in_order_however_the_bytes_come(pair: Pair) -> None:
    """
    A hundred questions byte by byte, or all at once: a hundred answers, in order, before the flush's.
    """
    asked = [abci.Request(echo=abci.RequestEcho(message=str(n))) for n in range(100)]
    data = b"".join(frame(r.SerializeToString()) for r in (*asked, abci.Request(flush=abci.RequestFlush())))
    pair.comet.query.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for byte in data[:200]:
        pair.comet.query.sock.sendall(bytes([byte]))
    pair.comet.query.sock.sendall(data[200:])

    answers = [pair.comet.query.receive() for _ in range(101)]
    assert [a.echo.message for a in answers[:-1]] == [str(n) for n in range(100)]
    assert answers[-1].WhichOneof("value") == "flush"


def test_who_fetches_no_answers_is_read_no_further(pair: Pair) -> None:
    """
    Somebody who only asks fills a bounded buffer, and nobody else waits.
    """
    echo = frame(abci.Request(echo=abci.RequestEcho(message="x" * 60_000)).SerializeToString())
    pair.comet.query.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        for _ in range(1_000):
            pair.comet.query.sock.sendall(echo)

    pair.comet.decide(now())


def test_a_socket_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """
    A path that no socket can have is a fault of the set-up, said before anything is answered.
    """
    with pytest.raises(SetupError, match="too long"):
        Server(tmp_path / ("x" * PATH_BYTES_MAX), lambda request: None)
    with pytest.raises(SetupError, match="no socket"):
        Server(Path("/proc/abci.sock"), lambda request: None)


# --- framing and types


def test_frames_are_read_as_they_are_written() -> None:
    """
    Every length around a change of its form, whole, in pieces and two at once.
    """
    for size in (0, 1, 127, 128, 16_383, 16_384, FRAME_BYTES_MAX):
        frames, data = Frames(), frame(b"x" * size) * 2
        frames.feed(data[:1])
        assert list(frames.take()) == ([b""] if size == 0 else [])
        frames.feed(data[1:])
        assert [len(m) for m in frames.take()] == [size] * (1 if size == 0 else 2)
        assert frames.held == 0


@pytest.mark.parametrize(
    "head", [frame(b"x" * (FRAME_BYTES_MAX + 1))[:4], b"\x80" * 4, b"\x80\x00", b"\xff\x80\x00"]
)
def test_a_length_that_is_none_is_refused(head: bytes) -> None:
    """
    Too large, without end, or longer than its shortest form: refused before what follows is read.
    """
    frames = Frames()
    frames.feed(head)

    with pytest.raises(FrameError):
        list(frames.take())


def test_the_types_are_those_of_the_proto_files(tmp_path: Path) -> None:
    """
    What is committed is what protoc makes of CometBFT's own files, which are beside it.
    """
    for name, text in comet_types.generate(tmp_path).items():
        assert (comet_types.PROTO / name).read_text() == text, "python -m tests.harness.comet_types"


def test_the_chain_is_named_after_the_network(genesis: Genesis) -> None:
    """
    CometBFT takes at most 50 characters.
    """
    assert len(chain_id(genesis.network_id)) <= 50
    assert chain_id(genesis.network_id) != chain_id(bytes(32))
