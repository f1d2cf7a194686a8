"""Evidence: what proves a fault, what does not, and its way onto the record (consensus/evidence.py)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import faults
from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    Checkpoint,
    NoteKey,
    SignedNote,
    cosign_line,
    sign_log_line,
)
from consensus.cose import SeedSigner, SignatureInvalid
from consensus.deciding import ASK_RIVALS_MS
from consensus.encoding import EncodingError, encode
from consensus.errors import ConsensusError
from consensus.events import BlocksReceived, MessageReceived, RequestBlocks, Tick
from consensus.evidence import (
    EvidenceInvalid,
    FaultEvidence,
    evidence_in,
    evidence_of,
    evidence_of_checkpoints,
    keys_under,
    verify_evidence,
)
from consensus.faults import HEIGHTS_REMEMBERED
from consensus.machine import (
    CastVote,
    NewProposal,
    OldProposal,
    PolkaForValue,
    State,
    Step,
    step,
)
from consensus.sync import IDLE_STATUS_MS
from consensus.types import PRECOMMIT, PREVOTE, Block, Kind, Vote
from consensus.validators import ValidatorSet
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import key_name
from node.peers.messages import ITEM_COSIGNATURE
from tests.harness import ledger
from tests.harness.engines import Network
from tests.harness.replicas import NETWORK, Net, Node, certificate_of, chain_of, did, vote
from tests.harness.sim.ledger import make_tx
from tests.node.test_engine import genesis  # noqa: F401 - the fixture of a genesis of today

CHAIN = chain_of(4)
V, W = sha256(b"v").digest(), sha256(b"w").digest()
ORIGIN = "log.evidence.example"


def sets(height: int) -> ValidatorSet:
    return CHAIN.validators


def verify(evidence: FaultEvidence) -> None:
    verify_evidence(evidence, sets, NETWORK, NOTE_KEYS)


def signer(index: int, role: str) -> SeedSigner:
    return SeedSigner(f"{did(index)}#{role}", sha256(f"{role} {index}".encode()).digest())


NOTE_KEYS = {
    did(i): (
        NoteKey(ORIGIN, LOG_KIND, signer(i, "log").public_key),
        NoteKey(f"v{i}.example", COSIGNATURE_KIND, signer(i, "cosign").public_key),
    )
    for i in range(4)
}


def note(index: int, size: int, root: bytes, *, log: bool = False, time: int = 1_800_000_000) -> SignedNote:
    checkpoint = Checkpoint(ORIGIN, size, root)
    if log:
        return SignedNote(checkpoint.body(), (sign_log_line(checkpoint, ORIGIN, signer(index, "log")),))
    line = cosign_line(checkpoint, f"v{index}.example", time, signer(index, "cosign"))
    return SignedNote(checkpoint.body(), (line,))


def double_vote(index: int = 0, kind: Kind = PREVOTE, round: int = 0) -> FaultEvidence:
    found = evidence_of(vote(kind, index, round, V, CHAIN), vote(kind, index, round, W, CHAIN))
    assert found is not None
    return found


def examples() -> dict[str, FaultEvidence | None]:
    """One of each kind."""
    return {
        "double prevote": double_vote(),
        "double prevote, nil": evidence_of(vote(PREVOTE, 1, 2, None, CHAIN), vote(PREVOTE, 1, 2, V, CHAIN)),
        "same value, other valid round": evidence_of(
            vote(PREVOTE, 1, 2, V, CHAIN, vr=0), vote(PREVOTE, 1, 2, V, CHAIN, vr=1)
        ),
        "double precommit": double_vote(2, PRECOMMIT, 3),
        "amnesia": evidence_of(vote(PRECOMMIT, 3, 1, V, CHAIN), vote(PREVOTE, 3, 4, W, CHAIN)),
        "amnesia, an older valid round": evidence_of(
            vote(PREVOTE, 3, 4, W, CHAIN, vr=0), vote(PRECOMMIT, 3, 1, V, CHAIN)
        ),
        "checkpoints": evidence_of_checkpoints(did(1), note(1, 7, V), note(1, 7, W)),
        "checkpoints, log line": evidence_of_checkpoints(did(1), note(1, 7, V, log=True), note(1, 7, W)),
    }


@pytest.mark.parametrize("name", examples())
def test_contradictions_are_evidence(name: str) -> None:
    """
    Each kind of fault verifies from its two signed statements, and decodes to itself.
    """
    evidence = examples()[name]

    assert evidence is not None
    verify(evidence)
    assert FaultEvidence.decode(evidence.encode()) == evidence


INNOCENT = {
    "the same vote twice": (vote(PREVOTE, 0, 0, V, CHAIN), vote(PREVOTE, 0, 0, V, CHAIN)),
    "prevote and precommit": (vote(PREVOTE, 0, 0, V, CHAIN), vote(PRECOMMIT, 0, 0, W, CHAIN)),
    "precommit of nil, then a value": (vote(PRECOMMIT, 0, 0, None, CHAIN), vote(PREVOTE, 0, 1, W, CHAIN)),
    "a lock, then nil": (vote(PRECOMMIT, 0, 0, V, CHAIN), vote(PREVOTE, 0, 1, None, CHAIN)),
    "a lock, then the same": (vote(PRECOMMIT, 0, 0, V, CHAIN), vote(PREVOTE, 0, 1, V, CHAIN)),
    "unlocked by a polka of the same round": (
        vote(PRECOMMIT, 0, 1, V, CHAIN),
        vote(PREVOTE, 0, 2, W, CHAIN, vr=1),
    ),
    "unlocked by a later polka": (vote(PRECOMMIT, 0, 0, V, CHAIN), vote(PREVOTE, 0, 3, W, CHAIN, vr=2)),
    "a prevote before the lock": (vote(PREVOTE, 0, 0, W, CHAIN), vote(PRECOMMIT, 0, 1, V, CHAIN)),
    "two heights": (vote(PREVOTE, 0, 0, V, CHAIN), vote(PREVOTE, 0, 0, W, CHAIN, height=2)),
    "two validators": (vote(PREVOTE, 0, 0, V, CHAIN), vote(PREVOTE, 1, 0, W, CHAIN)),
}


@pytest.mark.parametrize("name", INNOCENT)
def test_what_correct_validators_sign_is_no_evidence(name: str) -> None:
    """
    Two votes that a correct validator may sign prove nothing, in either order.
    """
    first, second = INNOCENT[name]

    assert evidence_of(first, second) is None
    assert evidence_of(second, first) is None
    assert evidence_in((first, second)) == ()


def test_growth_and_repetition_are_no_rival_checkpoints() -> None:
    """
    Another size, or the same root at a later time, is what every cosigner signs.
    """
    assert evidence_of_checkpoints(did(0), note(0, 7, V), note(0, 8, W)) is None
    assert evidence_of_checkpoints(did(0), note(0, 7, V), note(0, 7, V, time=1_800_000_060)) is None


@pytest.mark.parametrize("name", examples())
def test_evidence_without_two_true_signatures_is_impossible(name: str) -> None:
    """
    No byte of either signed statement can be changed, no statement taken from somebody else, and nobody else
    accused with it.
    """
    evidence = examples()[name]
    assert evidence is not None
    random = Random(name)
    for which in (0, 1):
        for _ in range(60):
            statement = bytearray(evidence.statements[which])
            statement[random.randrange(len(statement))] ^= 1 << random.randrange(8)
            statements = list(evidence.statements)
            statements[which] = bytes(statement)
            forged = replace(evidence, statements=(statements[0], statements[1]))
            with pytest.raises(ConsensusError):
                verify(forged)
    with pytest.raises(ConsensusError):
        verify(replace(evidence, validator=did(0) if evidence.validator != did(0) else did(1)))
    with pytest.raises(ConsensusError):
        verify(replace(evidence, height=evidence.height + 1))
    with pytest.raises(ConsensusError):
        verify(replace(evidence, kind="amnesia" if evidence.kind != "amnesia" else "double_prevote"))


def test_evidence_of_another_network_or_set_is_refused() -> None:
    """
    Votes of a pilot network, or under another set of validators, accuse nobody here.
    """
    evidence = double_vote()

    with pytest.raises(SignatureInvalid):
        verify_evidence(evidence, sets, sha256(b"pilot").digest(), NOTE_KEYS)
    with pytest.raises(SignatureInvalid):
        verify_evidence(evidence, lambda height: chain_of(5).validators, NETWORK, NOTE_KEYS)
    checkpoints = examples()["checkpoints"]
    assert checkpoints is not None
    with pytest.raises(EvidenceInvalid):
        verify_evidence(checkpoints, sets, NETWORK, {})


@pytest.mark.parametrize("name", examples())
def test_a_fault_has_one_encoding(name: str) -> None:
    """
    A height or round of 0 or 1 written as false or true is no evidence: nobody is accused of one fault twice.
    """
    evidence = examples()[name]
    assert evidence is not None
    of_height = replace(evidence, height=bool(evidence.height))
    of_round = replace(evidence, round=bool(evidence.round))
    for other in (of_height, of_round):
        with pytest.raises(EncodingError):
            FaultEvidence.decode(other.encode())


@given(st.binary(max_size=80))
def test_hostile_bytes_are_no_evidence(data: bytes) -> None:
    """
    Whatever is decoded as evidence is refused with an EncodingError or shows a contradiction.
    """
    wrapped = encode(["comity/evidence/v1", "amnesia", did(0), 1, 1, [data, data]])
    for candidate in (data, wrapped):
        with pytest.raises(EncodingError):
            FaultEvidence.decode(candidate)


# --- rival decisions


def rival_votes(count: int, later: int) -> tuple[list[Vote], set[int]]:
    """A decision of v in round 0, and one of w in round `later`, with as few liars as that takes."""
    chain = chain_of(count)
    quorum = chain.validators.quorum
    liars = set(range(quorum - (count - quorum), quorum)) if later else set(range(2 * quorum - count))
    one, two = range(quorum), range(count - quorum, count)
    first = certificate_of(V, 0, chain, one)
    second = certificate_of(W, later, chain, two)
    guilty = set(one) & set(two)
    assert guilty
    votes = [*first.polka, *first.precommits, *second.polka, *second.precommits]
    return votes, guilty or liars


@pytest.mark.parametrize("count", [4, 5, 6, 7, 10])
@pytest.mark.parametrize("later", [0, 1, 5])
def test_two_decisions_name_more_than_a_third(count: int, later: int) -> None:
    """
    The certificates of two blocks at one height name f+1 validators at least, and only those in both.
    """
    chain = chain_of(count)
    votes, guilty = rival_votes(count, later)

    found = evidence_in(votes)
    named = {evidence.validator for evidence in found}
    assert named == {did(i) for i in guilty}
    assert 3 * len(named) >= count  # f+1, restated: more than (n - 1) / 3
    for evidence in found:
        verify_evidence(evidence, lambda height: chain.validators, NETWORK, {})


def test_a_decision_by_a_justified_polka_names_those_who_justified_it() -> None:
    """
    When the second decision rests on a polka between the two rounds, that polka holds the guilty.
    """
    first = certificate_of(V, 0, CHAIN, (0, 1, 2))
    between = [vote(PREVOTE, i, 1, W, CHAIN) for i in (1, 2, 3)]
    second = certificate_of(W, 2, CHAIN, (1, 2, 3), vr=1)

    assert evidence_in((*first.polka, *first.precommits, *second.polka, *second.precommits)) == ()
    named = {e.validator for e in evidence_in((*first.polka, *first.precommits, *between, *second.polka))}
    assert named == {did(1), did(2)}


def test_who_changed_its_lock_asks_for_a_newer_reason() -> None:
    """
    A correct validator that locked v, then w, prevotes w again only with a valid round since its lock on v:
    no two of its votes can be read as amnesia.
    """
    state = State(1, 4, Step.PREVOTE, V, 2, V, 2)
    state, _ = step(state, PolkaForValue(4, W))
    assert (state.locked_value, state.locked_round, state.earlier_lock) == (W, 4, 2)

    for event, value in (
        (NewProposal(5, W, True), None),
        (OldProposal(5, W, 1, True), None),
        (OldProposal(5, W, 2, True), W),
        (OldProposal(5, W, 4, True), W),
    ):
        proposing = replace(state, round=5, step=Step.PROPOSE, polka_seen=False)
        _, (cast,) = step(proposing, event)
        assert isinstance(cast, CastVote)
        assert cast.value_id == value
        if cast.value_id is not None:
            later = vote(PREVOTE, 0, 5, cast.value_id, CHAIN, vr=cast.valid_round)
            assert evidence_of(vote(PRECOMMIT, 0, 2, V, CHAIN), later) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("nopqx"), st.integers(0, 3), st.booleans()), max_size=30))
def test_no_walk_of_the_algorithm_accuses_its_author(walk: list[tuple[str, int, bool]]) -> None:
    """
    Whatever a correct validator is shown round by round, no two votes it casts are evidence against it.
    """
    values = (V, W, sha256(b"x").digest())
    state, cast = State(1), list[Vote]()
    for number, (what, pick, polka) in enumerate(walk):
        state = replace(
            state,
            round=number,
            step=Step.PROPOSE,
            prevote_timer=False,
            polka_seen=False,
            precommit_timer=False,
        )
        value = values[pick % 3]
        event = OldProposal(number, value, min(pick, number - 1), True)
        state, effects = step(
            state, NewProposal(number, value, True) if what in "no" or number == 0 else event
        )
        more: tuple[object, ...] = ()
        if polka:
            state, more = step(state, PolkaForValue(number, values[(pick + (what == "x")) % 3]))
        for effect in (*effects, *more):
            assert isinstance(effect, CastVote)
            cast.append(
                Vote(effect.kind, 1, effect.round, effect.valid_round, effect.value_id, did(0), bytes(64))
            )
    for first, second in combinations(cast, 2):
        assert evidence_of(first, second) is None


# --- the way onto the record


@pytest.fixture
def net() -> Iterator[Net]:
    made = Net(1, CHAIN, nodes=4)
    made.start()
    made.submit_named("first")
    made.run_until(lambda: made.height() >= 1)
    made.run(10)
    yield made


def recorded(net: Net, *indices: int) -> list[list[bytes]]:
    """The evidence in each node's blocks."""
    nodes = [net.node(i) for i in indices] if indices else list(net.nodes.values())
    return [[data for c in node.disk.commits for data in c.block.evidence] for node in nodes]


def test_a_double_vote_is_found_told_and_recorded_once(net: Net) -> None:
    """
    One node sees two votes of a validator; all record it in one block, as a leaf of the log, exactly once,
    also after a restart and however often it is told again.
    """
    height = net.height() + 1
    votes = [vote(PREVOTE, 3, 0, value, CHAIN, height=height) for value in (V, W)]
    net.node(3).stop()
    for v in votes:
        net.node(0).feed(MessageReceived(did(3), v.encode()))
    evidence = evidence_of(*votes)
    assert evidence is not None

    net.run_until(lambda: all(recorded(net, 0, 1, 2)))
    net.node(1).stop()
    net.node(1).start()
    for i in (0, 1, 2):
        net.node(i).feed(MessageReceived(did(1), evidence.encode()))
    net.submit_named("second", "third")
    net.run_until(lambda: net.final_everywhere(make_tx("third"), 0, 1, 2))
    assert recorded(net, 0, 1, 2) == [[evidence.encode()]] * 3
    entries = [entry for c in net.node(2).disk.commits for entry in c.execution.entries]
    assert entries.count(evidence.encode()) == 1
    assert all(net.node(i).up.evidence == [] for i in (0, 1, 2))


def test_evidence_for_the_same_fault_with_other_votes_is_not_news(net: Net) -> None:
    """
    One (validator, height, round, kind) is recorded once, whichever two of its votes are shown.
    """
    third = sha256(b"third").digest()
    first = double_vote(3)
    other = evidence_of(vote(PREVOTE, 3, 0, third, CHAIN), vote(PREVOTE, 3, 0, V, CHAIN))
    assert other is not None and other != first and other.id == first.id

    net.node(0).feed(MessageReceived(did(1), first.encode()))
    net.node(1).feed(MessageReceived(did(2), other.encode()))
    net.run_until(lambda: all(recorded(net)))
    net.run(5_000)
    assert [len(found) for found in recorded(net)] == [1, 1, 1, 1]


def test_forged_evidence_is_counted_and_goes_nowhere(net: Net) -> None:
    """
    FaultEvidence with one false signature changes nothing but a counter.
    """
    unsigned = replace(vote(PREVOTE, 3, 0, W, CHAIN), signature=bytes(64))
    forged = evidence_of(vote(PREVOTE, 3, 0, V, CHAIN), unsigned)
    assert forged is not None

    net.node(0).feed(MessageReceived(did(1), forged.encode()))
    assert net.node(0).up.refused["signature"] == 1
    assert net.node(0).up.evidence == []
    net.run(3_000)
    assert recorded(net) == [[], [], [], []]


def next_block(node: Node, **changes: object) -> Block:
    """A block that fits after a node's last one."""
    tip = node.up.tip
    block = Block(
        tip.height + 1, node.net.now_ms // 1000, tip.block_id, did(1), tip.app_hash, tip.log.size,
        tip.log.root, CHAIN.config_digest, 1, (),
    )  # fmt: skip
    return replace(block, **changes)  # type: ignore[arg-type]


def test_a_block_is_valid_only_with_evidence_that_verifies(net: Net) -> None:
    """
    A block with forged, repeated, unsorted, recorded, future or too much evidence gets no vote of a correct
    node.
    """
    node = net.node(0)
    good = sorted((double_vote(3), double_vote(2), double_vote(3, PRECOMMIT)), key=lambda e: e.id)
    datas = tuple(e.encode() for e in good)
    forged = evidence_of(
        vote(PREVOTE, 3, 0, V, CHAIN), replace(vote(PREVOTE, 3, 0, W, CHAIN), signature=b"s" * 64)
    )
    future = evidence_of(*(vote(PREVOTE, 3, 0, v, CHAIN, height=99) for v in (V, W)))
    assert forged is not None and future is not None

    assert node.up._faults.fits(next_block(node, evidence=datas))
    for wrong in (
        (forged.encode(),),
        (future.encode(),),
        (datas[0], datas[0]),
        tuple(reversed(datas)),
        (b"evidence",),
        datas * 6,
    ):
        assert not node.up._faults.fits(next_block(node, evidence=wrong))
    net.node(1).feed(MessageReceived(did(2), datas[0]))
    net.run_until(lambda: all(recorded(net)))
    net.run(10)
    assert not node.up._faults.fits(next_block(node, evidence=(datas[0],)))
    assert node.up._faults.fits(next_block(node, evidence=(datas[1],)))


def test_evidence_has_an_age_limit() -> None:
    """
    A fault longer ago than genesis allows is neither kept nor recorded.
    """
    chain = chain_of(4, evidence_heights_max=3)
    net = Net(2, chain, nodes=4)
    net.start()
    for number in range(6):
        net.submit_named(f"n{number}")
        net.run_until(lambda n=number: net.final_everywhere(make_tx(f"n{n}")))  # type: ignore[misc]
    assert net.height() >= 5

    node = net.node(0)
    node.feed(MessageReceived(did(1), double_vote(3).encode()))
    assert node.up.refused["late"] >= 1
    assert node.up.evidence == []
    assert not node.up._faults.fits(next_block(node, evidence=(double_vote(3).encode(),)))


def test_one_validator_fills_no_log_with_evidence_against_itself(net: Net) -> None:
    """
    Of one validator and kind the log takes 16 faults, and more once those are as old as a fault may be, also
    after a restart: a block with more gets no vote, and is followed where it was decided. Another kind and
    another validator have their own.
    """

    def on_record() -> list[tuple[str, str]]:
        (found,) = ([FaultEvidence.decode(data) for data in datas] for datas in recorded(net, 0))
        return sorted((e.validator, e.kind) for e in found)

    node, flood = net.node(0), [double_vote(3, round=round_) for round_ in range(5, 45)]
    for several in (flood[:12], flood[12:20], flood[20:]):
        for evidence in several:
            node.feed(MessageReceived(did(1), evidence.encode()))
        net.run_until(lambda: not any(net.node(i).up.evidence for i in range(4)))

    assert on_record() == [(did(3), "double_prevote")] * 16
    assert node.up.refused["surplus"] >= 20
    more = next_block(node, evidence=(flood[-1].encode(),))
    node.stop()
    node.start()
    assert not node.up._faults.fits(more)
    assert node.up._faults.fits(more, agreed=True)
    for evidence in (double_vote(3, PRECOMMIT), double_vote(2)):
        node.feed(MessageReceived(did(1), evidence.encode()))
    net.run_until(lambda: len(on_record()) == 18)
    later = node.up.tip.height + CHAIN.parameters.evidence_heights_max
    news = evidence_of(*(vote(PREVOTE, 3, 0, value, CHAIN, height=later) for value in (V, W)))
    assert news is not None
    assert not node.up._faults.fits(next_block(node, height=later - 9, evidence=(flood[-1].encode(),)))
    assert node.up._faults.fits(next_block(node, height=later, evidence=(news.encode(),)))


def test_a_late_vote_that_contradicts_the_record_is_evidence(net: Net) -> None:
    """
    A vote for a decided height is looked at only if it contradicts its validator's vote there: it accuses.
    """
    node = net.node(0)
    commit = node.disk.commits[0]
    voter = commit.certificate.polka[0].validator
    index = next(i for i in range(4) if did(i) == voter)
    node.feed(MessageReceived(did(1), vote(PREVOTE, index, commit.certificate.round, W, CHAIN).encode()))

    assert [e.validator for e in node.up.evidence] == [voter]
    forged = replace(vote(PREVOTE, index, commit.certificate.round, V, CHAIN), signature=bytes(64))
    node.feed(MessageReceived(did(1), forged.encode()))
    assert len(node.up.evidence) == 1


def test_a_rival_history_names_the_guilty_and_stops_the_vote(net: Net) -> None:
    """
    A node that is shown another decided block of its height keeps evidence against f+1 validators, tells its
    peers, votes no more and says why.
    """
    node = net.node(0)
    commit = node.disk.commits[0]
    rival = replace(commit.block, time=commit.block.time + 1)
    liars = (1, 2, 3)
    certificate = certificate_of(rival.id, commit.certificate.round, CHAIN, liars)
    node.feed(BlocksReceived(did(3), [(rival.encode(), certificate.encode())]))

    named = {e.validator for e in node.up.evidence}
    honest_in_own = {v.validator for v in commit.certificate.polka} & {did(i) for i in liars}
    assert named >= honest_in_own
    assert len(named) >= CHAIN.validators.one_honest
    assert node.up.withheld is not None and "two blocks at height 1" in node.up.withheld
    assert not node.up.voting


def test_a_rival_of_long_ago_is_compared_with_what_was_stored(net: Net) -> None:
    """
    The votes of that height are forgotten: what is stored tells. The same block is none, and one that no
    quorum decided is not compared. Of a rival the node hears by asking, once it is told who signed both.
    """
    node = net.node(0)
    for number in range(HEIGHTS_REMEMBERED + 1):
        net.submit_named(f"long {number}")
        net.run_until(lambda n=number: net.final_everywhere(make_tx(f"long {n}")))  # type: ignore[misc]
    net.run(100)
    commit = node.disk.commits[0]
    rival = replace(commit.block, time=commit.block.time + 1)

    node.feed(BlocksReceived(did(3), [(commit.block.encode(), commit.certificate.encode())]))
    few = certificate_of(rival.id, commit.certificate.round, CHAIN, (1, 2))
    node.feed(BlocksReceived(did(3), [(rival.encode(), few.encode())]))
    assert node.up.forked is None and node.up.voting

    for liar in (1, 2):
        node.feed(MessageReceived(did(liar), double_vote(liar).encode()))
    told = node.up.handle(Tick(), node.net.now_ms + IDLE_STATUS_MS)
    asked = {(effect.peer, effect.from_height) for effect in told if isinstance(effect, RequestBlocks)}
    assert asked == {(did(i), 1) for i in (1, 2, 3)}
    enough = certificate_of(rival.id, commit.certificate.round, CHAIN, (1, 2, 3))
    node.feed(BlocksReceived(did(3), [(rival.encode(), enough.encode())]))
    assert node.up.forked == 1 and not node.up.voting
    assert node.up.withheld is not None and "two blocks at height 1" in node.up.withheld


def test_blocks_of_long_ago_cost_a_look_and_no_signature(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    However many old blocks somebody shows, those that are stored here too verify nothing; another one is
    verified, and whoever shows one that no quorum decided pays for each.
    """
    node = net.node(0)
    for number in range(HEIGHTS_REMEMBERED + 1):
        net.submit_named(f"old {number}")
        net.run_until(lambda n=number: net.final_everywhere(make_tx(f"old {n}")))  # type: ignore[misc]
    net.run(100)
    commit = node.disk.commits[0]
    verified: list[Block] = []
    monkeypatch.setattr(faults, "verify_certificate", lambda _, block, *rest: verified.append(block))

    same = (commit.block.encode(), commit.certificate.encode())
    node.feed(BlocksReceived(did(3), [same] * 64))
    assert verified == []
    monkeypatch.undo()
    rival = replace(commit.block, time=commit.block.time + 1)
    few = certificate_of(rival.id, commit.certificate.round, CHAIN, (1, 2))
    node.feed(BlocksReceived(did(3), [(rival.encode(), few.encode())] * 3))
    assert node.up.refused["bad_block"] == 3
    assert node.up.forked is None


def test_what_was_heard_of_long_ago_is_asked_about_for_so_many_heights(net: Net) -> None:
    """
    Nobody shows another block: sixteen blocks after the news nobody is asked any more.
    """
    node = net.node(0)
    for liar in (1, 2):
        node.feed(MessageReceived(did(liar), double_vote(liar).encode()))

    def asks(later_ms: int) -> bool:
        told = node.up.handle(Tick(), node.net.now_ms + later_ms)
        return any(isinstance(effect, RequestBlocks) for effect in told)

    assert asks(ASK_RIVALS_MS) and not asks(ASK_RIVALS_MS + 1)
    for number in range(HEIGHTS_REMEMBERED + 1):
        net.submit_named(f"later {number}")
        net.run_until(lambda n=number: net.final_everywhere(make_tx(f"later {n}")))  # type: ignore[misc]
    assert not asks(10 * ASK_RIVALS_MS)


def test_who_is_ahead_asks_what_was_decided_where_more_than_f_broke_their_word(net: Net) -> None:
    """
    A node that hears of faults of f+1 validators at a height that it holds decided asks the others for what
    was decided there: it would vote on with whoever decided another block. Faults of f ask for nothing.
    """
    node = net.node(0)
    commit = node.disk.commits[0]
    liars = (1, 2, 3)[: CHAIN.validators.one_honest]
    for number, liar in enumerate(liars, 1):
        made = evidence_of(*(vote(PRECOMMIT, liar, commit.certificate.round, v, CHAIN) for v in (V, W)))
        assert made is not None
        node.feed(MessageReceived(did(liar), made.encode()))
        told = node.up.handle(Tick(), node.net.now_ms + number * 2 * IDLE_STATUS_MS)
        asked = [effect for effect in told if isinstance(effect, RequestBlocks)]
        assert bool(asked) is (number == len(liars)), number
    assert {(effect.peer, effect.from_height) for effect in asked} == {(did(i), 1) for i in (1, 2, 3)}


def test_a_node_on_the_other_history_looks_for_where_they_part() -> None:
    """
    A certified block on another history is not adopted: the node fetches what came before, finds both
    decisions and the names, and goes on living.
    """
    sides = [Net(seed, CHAIN, nodes=4) for seed in (1, 2)]
    for number, side in enumerate(sides):
        side.start()
        for step_ in range(2):
            side.submit_named(f"{number}/{step_}")
            side.run_until(lambda side=side, n=f"{number}/{step_}": side.final_everywhere(make_tx(n)))  # type: ignore[misc]
    left, right = (side.node(0) for side in sides)
    blocks = [(c.block.encode(), c.certificate.encode()) for c in right.disk.commits]

    left.feed(BlocksReceived(did(1), blocks[len(left.disk.commits) :] or blocks[-1:]))
    left.feed(BlocksReceived(did(1), blocks))
    assert len({e.validator for e in left.up.evidence}) >= CHAIN.validators.one_honest
    assert left.up.withheld is not None


# --- honest runs


@pytest.mark.parametrize("seed", range(12))
def test_honest_validators_are_never_named(seed: int) -> None:
    """
    Under loss, delay and restarts, nobody holds evidence, no block records any, and nothing that was ever
    signed could be turned into some by whoever collects it all.
    """
    count = (4, 5, 7)[seed % 3]
    net = Net(seed, chain_of(count), nodes=count)
    net.loss, net.delay_ms_max = (0.0, 0.1, 0.3)[seed % 3], (20, 900, 2_500)[seed // 3 % 3]
    net.start()
    for number in range(12):
        net.after(net.random.randint(0, 12_000), lambda n=number: net.submit_named(f"n{n}"))  # type: ignore[misc]
    for _ in range(4):
        node = net.node(net.random.randrange(count))
        at = net.random.randint(500, 10_000)
        net.after(at, node.stop)
        net.after(at + net.random.randint(100, 3_000), lambda node=node: node.start(ask_first=True))  # type: ignore[misc]
    net.run(20_000)
    net.loss, net.delay_ms_max = 0.0, 20
    net.run_until(lambda: all(net.final_everywhere(make_tx(f"n{n}")) for n in range(12)), 120_000)

    assert evidence_in(net.votes) == ()
    assert all(node.up.evidence == [] and node.up.withheld is None for node in net.nodes.values())
    assert not any(recorded(net))
    assert len(net.votes) >= 4 * count


# --- checkpoints, found by engines


@pytest.mark.parametrize("role", ["cosign", "log"])
def test_engines_find_rival_checkpoints_and_record_them(genesis: Genesis, tmp_path: Path, role: str) -> None:  # noqa: F811
    """
    A validator that cosigns (or signs as the log) another root for a size it signed is on every ledger, once.
    """
    network = Network(genesis, tmp_path)
    network.start(*ledger.VALIDATORS)
    network.submit(network.attestation(1))
    network.wait("the first block", lambda: network.heights() == {1})
    nodes = list(network.links.nodes.values())
    network.wait("a checkpoint", lambda: all(node.ledger.checkpoint() for node in nodes))
    liar, other = ledger.CUSTOMS, ledger.MAKER
    now = int(time.time())
    size = 1_000_000 if role == "log" else 2
    for root in (V, W):
        checkpoint = Checkpoint(genesis.origin, size, root)
        by = other if role == "log" else liar  # in the second case both lie, one with each key
        log_line = sign_log_line(checkpoint, genesis.origin, ledger.signer(liar, "log"))
        line = cosign_line(checkpoint, key_name(by), now, ledger.signer(by, "cosign"))
        nodes[0].engine.peer_items(liar, [[ITEM_COSIGNATURE, size, root, log_line, line]])

    guilty = [liar, other] if role == "log" else [liar]
    network.wait("the record", lambda: all(len(n.ledger.leaves.evidence()) >= len(guilty) for n in nodes))
    for node in nodes:
        accused = [FaultEvidence.decode(row.entry).validator for row in node.ledger.leaves.evidence()]
        assert sorted(accused) == sorted(guilty)
        assert node.engine.withheld is None or node.did == other
        node.stop()


@pytest.mark.parametrize("kind", ["vote", "checkpoint, cosigned", "checkpoint, of the log"])
def test_nobody_is_accused_by_what_a_stolen_key_signs(kind: str) -> None:
    """
    Neither kept, nor put into a block, nor accepted in one; also what was kept before the theft was known.
    A block on which the network agreed before is followed all the same.
    """
    log = kind == "checkpoint, of the log"
    found = {
        "vote": double_vote(1),
        "checkpoint, cosigned": evidence_of_checkpoints(did(1), note(1, 7, V), note(1, 7, W)),
        "checkpoint, of the log": evidence_of_checkpoints(
            did(1), note(1, 7, V, log=log), note(1, 7, W, log=log)
        ),
    }[kind]
    assert found is not None
    signed = (
        CHAIN.validators.validators[1].public_key if kind == "vote" else NOTE_KEYS[did(1)][not log].public_key
    )
    own = replace(CHAIN, parameters=replace(CHAIN.parameters, note_keys=NOTE_KEYS))
    net = Net(2, own, nodes=4)
    net.start()
    node, other = net.node(0), net.node(2)
    block = next_block(node, evidence=(found.encode(),))
    node.feed(MessageReceived(did(1), found.encode()))
    faults = node.up._faults
    assert faults.recordable() == (found.encode(),) and faults.fits(block)

    lost = replace(own, parameters=replace(own.parameters, stolen_keys=frozenset({signed})))
    node.up._present.chain = other.up._present.chain = lost
    assert faults.recordable() == () and not faults.fits(block) and faults.fits(block, agreed=True)
    other.feed(MessageReceived(did(1), found.encode()))
    assert other.up.evidence == [] and other.up.refused["not_its_key"] == 1


def test_what_a_thief_signed_takes_no_room_from_what_its_victim_does_later() -> None:
    """
    With a stolen key a thief has as many faults recorded as the log takes of one validator. Once the theft is
    stated, what that validator signs with another key is recorded all the same, also after a restart.
    """
    net = Net(2, replace(CHAIN, parameters=replace(CHAIN.parameters, note_keys=NOTE_KEYS)), nodes=4)
    net.start()
    node, stolen = net.node(0), NOTE_KEYS[did(1)][0].public_key

    def fault(size: int, *, log: bool) -> bytes:
        found = evidence_of_checkpoints(did(1), note(1, size, V, log=log), note(1, size, W, log=log))
        assert found is not None
        return found.encode()

    for size in range(1, 17):
        node.feed(MessageReceived(did(2), fault(size, log=True)))
    net.run_until(lambda: not any(net.node(i).up.evidence for i in range(4)))
    assert len(recorded(net, 0)[0]) == 16

    for _ in range(2):
        later = next_block(node, evidence=(fault(90, log=False),))
        assert not node.up._faults.fits(later), "nobody has said that the key was stolen"
        lost = replace(node.up.chain.parameters, stolen_keys=frozenset({stolen}))
        node.up._present.chain = replace(node.up.chain, parameters=lost)
        assert node.up._faults.fits(later)
        assert not node.up._faults.fits(next_block(node, evidence=(fault(91, log=True),)))
        node.stop()
        node.start()


def test_a_retired_key_accuses_for_trees_of_its_time_alone() -> None:
    """
    Two checkpoints of a size for which it spoke are a fault of its owner; of a larger one they are nobody's.
    """
    found = evidence_of_checkpoints(did(1), note(1, 7, V), note(1, 7, W))
    assert found is not None
    net = Net(2, replace(CHAIN, parameters=replace(CHAIN.parameters, note_keys=NOTE_KEYS)), nodes=4)
    net.start()
    node = net.node(0)
    block = next_block(node, evidence=(found.encode(),))

    for until, counts in ((7, True), (6, False)):
        over = replace(node.up.chain.parameters, note_keys_until={NOTE_KEYS[did(1)][1].public_key: until})
        node.up._present.chain = replace(node.up.chain, parameters=over)
        assert node.up._faults.fits(block) == counts and node.up._faults.fits(block, agreed=True)
    node.feed(MessageReceived(did(1), found.encode()))
    assert node.up.evidence == [] and node.up.refused["not_its_key"] == 1


def test_checkpoints_accuse_by_keys_of_that_log_alone() -> None:
    """
    Of who has no key, or keys that sign another log, nothing is shown, and it is told as that.
    """
    evidence = examples()["checkpoints"]
    assert evidence is not None
    elsewhere = {did(1): [key for key in NOTE_KEYS[did(1)] if key.kind != LOG_KIND]}

    for known in ({}, elsewhere):
        with pytest.raises(EvidenceInvalid, match=r"^the checkpoints are of another log$"):
            verify_evidence(evidence, sets, NETWORK, known)
    assert keys_under(evidence, sets, {}) == frozenset() != keys_under(evidence, sets, NOTE_KEYS)
