"""The replica: persisting, restarting, helping, catching up, and refusing what does not belong."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random

import pytest

from consensus.application import CannotFollow, Execution
from consensus.chain import Tip
from consensus.cose import SeedSigner
from consensus.encoding import Value, decode, encode
from consensus.errors import ConsensusError, OwnFault
from consensus.events import (
    AttestationReceived,
    BlocksReceived,
    BlockStored,
    Broadcast,
    Commit,
    Drop,
    Effect,
    Event,
    MessageReceived,
    PeerHeight,
    Persist,
    RequestBlocks,
    Send,
    SetTimer,
    Started,
    Strike,
    Tick,
    TimerElapsed,
)
from consensus.evidence import is_evidence, statements_of
from consensus.merkle import Frontier
from consensus.refusals import HOSTILE
from consensus.replica import Replica, is_at_rest
from consensus.sync import BUFFERED_PER_SENDER_MAX, IDLE_STATUS_MS
from consensus.types import (
    PRECOMMIT,
    PREVOTE,
    Block,
    CertificateInvalid,
    CommitCertificate,
    Kind,
    Proposal,
    Vote,
    decode_message,
    verify_certificate,
)
from tests.harness.sim.cluster import GENESIS_APP_HASH, START_MS, Cluster, make_chain, make_signers
from tests.harness.sim.ledger import Ledger, make_tx, put_in_force

CHAIN = make_chain(4)
SIGNERS = make_signers(4)
NAMES = [validator.name for validator in CHAIN.validators.validators]
TIP = Tip(0, CHAIN.network_id, START_MS // 1000, GENESIS_APP_HASH, Frontier())
TX = make_tx("first")


@dataclass
class Bench:
    """Validator 0 on a bench: the test plays the three others. Validator 1 proposes at height 1."""

    me: int = 0
    wal: list[bytes] = field(default_factory=list)
    tip: Tip = TIP
    ledger: Ledger = field(default_factory=Ledger)
    out: list[Effect] = field(default_factory=list)
    now_ms: int = START_MS

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new process with the same disk."""
        self.replica = Replica(
            CHAIN, self.ledger, self.tip, name=NAMES[self.me], signer=SIGNERS[self.me], wal=list(self.wal)
        )

    def feed(self, event: Event) -> list[Effect]:
        """Handle one event; what is persisted goes to the disk."""
        if isinstance(event, BlockStored):
            put_in_force(self.replica)
        effects = self.replica.handle(event, self.now_ms)
        self.wal += [effect.record for effect in effects if isinstance(effect, Persist)]
        self.out += effects
        return effects

    def hear(self, *messages: Proposal | Vote) -> list[Effect]:
        """Messages from their authors."""
        effects: list[Effect] = []
        for message in messages:
            author = message.proposer if isinstance(message, Proposal) else message.validator
            effects += self.feed(MessageReceived(author, message.encode()))
        return effects

    def votes(self) -> list[Vote]:
        """Every vote broadcast so far."""
        return [message for message in self.said() if isinstance(message, Vote)]

    def said(self) -> list[Proposal | Vote]:
        """Every proposal and vote broadcast so far."""
        return said(self.out)


def said(effects: list[Effect]) -> list[Proposal | Vote]:
    """The proposals and votes among broadcasts."""
    datas = [effect.data for effect in effects if isinstance(effect, Broadcast)]
    return [decode_message(decode(data)) for data in datas if not is_status(data)]


def is_status(data: bytes) -> bool:
    value = decode(data)
    return isinstance(value, list) and (value[0] == "comity/status/v1" or is_evidence(value))


def make_block(*txs: bytes, height: int = 1, by: int = 1, time: int = TIP.time) -> Block:
    return Block(
        height,
        time,
        TIP.block_id,
        NAMES[by],
        TIP.app_hash,
        0,
        TIP.log.root,
        CHAIN.config_digest,
        CHAIN.parameters.app_version,
        txs,
    )


BLOCK = make_block(TX)


def propose(
    round: int, block: Block, valid_round: int = -1, *, network: bytes = CHAIN.network_id
) -> Proposal:
    proposer = CHAIN.validators.proposer(block.height, round).name
    unsigned = Proposal(block.height, round, valid_round, block, proposer)
    signer = SIGNERS[NAMES.index(proposer)]
    return replace(unsigned, signature=signer.sign(unsigned.signed_bytes(network, CHAIN.validators.hash)))


def vote(
    kind: Kind,
    round: int,
    who: int,
    block: Block | None,
    valid_round: int = -1,
    *,
    height: int = 1,
    network: bytes = CHAIN.network_id,
) -> Vote:
    unsigned = Vote(kind, height, round, valid_round, block.id if block else None, NAMES[who])
    return replace(
        unsigned, signature=SIGNERS[who].sign(unsigned.signed_bytes(network, CHAIN.validators.hash))
    )


def all_votes(kind: Kind, round: int, block: Block | None, who: tuple[int, ...] = (1, 2, 3)) -> list[Vote]:
    return [vote(kind, round, validator, block) for validator in who]


def commit_of(effects: list[Effect]) -> Commit:
    [commit] = [effect for effect in effects if isinstance(effect, Commit)]
    return commit


def timer(effects: list[Effect], step: int) -> TimerElapsed:
    """The elapsed timer of a step (1 propose, 2 prevote, 3 precommit) that was set last."""
    return TimerElapsed(
        [effect.token for effect in effects if isinstance(effect, SetTimer) and effect.token[2] == step][-1]
    )


# --- the way of a height


def test_one_height_from_proposal_to_commit() -> None:
    """
    Proposal, polka and precommits lead to a Commit with a valid certificate and the log after it.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK))
    commit = commit_of(bench.hear(*all_votes(PRECOMMIT, 0, BLOCK)))

    verify_certificate(commit.certificate, commit.block, CHAIN.validators, CHAIN.network_id)
    assert commit.block == BLOCK
    assert commit.execution.entries[0] == TX
    assert commit.log.size == len(commit.execution.entries)
    bench.feed(BlockStored(1))
    assert bench.replica.tip == Tip(1, BLOCK.id, BLOCK.time, commit.execution.app_hash, commit.log)


def test_nothing_is_sent_before_it_is_persisted() -> None:
    """
    Every own proposal and vote is in a Persist effect, under its guard, before its Broadcast.
    """
    bench = Bench(me=1)
    bench.feed(AttestationReceived(TX, sha256(TX).digest()))
    own = bench.said()[0]
    assert isinstance(own, Proposal)
    bench.hear(*all_votes(PREVOTE, 0, own.block, (0, 2)), *all_votes(PRECOMMIT, 0, own.block, (0, 2)))

    on_disk: dict[bytes, object] = {}
    guards = []
    for effect in bench.out:
        if isinstance(effect, Persist):
            record = decode(effect.record)
            assert isinstance(record, list)
            on_disk[record[4]] = effect.guard
        elif isinstance(effect, Broadcast) and not is_status(effect.data):
            guards.append(on_disk[effect.data])
    assert guards == [(1, 0, "proposal"), (1, 0, PREVOTE), (1, 0, PRECOMMIT)]


def test_a_block_is_executed_once() -> None:
    """
    What process_proposal computed is what gets committed: 200 attestations are not executed a second time.
    """
    bench = Bench()
    block = make_block(*(make_tx(f"n{i}") for i in range(200)))
    bench.hear(propose(0, block), *all_votes(PREVOTE, 0, block), *all_votes(PRECOMMIT, 0, block))
    bench.feed(BlockStored(1))

    assert bench.ledger.executed == [block.id]


def test_the_next_height_waits_for_the_disk() -> None:
    """
    Messages of the next height are kept until the block is stored, then they count.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK))
    commit = commit_of(bench.hear(*all_votes(PRECOMMIT, 0, BLOCK)))
    following = Block(
        2, BLOCK.time, BLOCK.id, NAMES[2], commit.execution.app_hash, commit.log.size, commit.log.root,
        CHAIN.config_digest, 1, (make_tx("second"),),
    )  # fmt: skip
    assert bench.hear(propose(0, following)) == []

    effects = bench.feed(BlockStored(1))

    assert [m.value_id for m in said(effects) if isinstance(m, Vote)] == [following.id]


@dataclass
class Lacking(Ledger):
    """A ledger that cannot execute before it is given what the others have."""

    given: bool = False
    tries: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def process_proposal(self, block: Block) -> Execution:
        self.tries += 1
        if not self.given:
            raise CannotFollow("a file")
        return super().process_proposal(block)


@pytest.mark.parametrize("shown", ["votes", "block"])
def test_a_decided_block_waits_for_what_this_node_lacks(shown: str) -> None:
    """
    Whether it saw the votes or was shown the block: the node votes nil, says what it lacks, begins nothing,
    asks once a second, and stores the same block as soon as it has it; killed meanwhile likewise.
    """
    ledger = Lacking()
    bench = Bench(ledger=ledger)

    def decided() -> list[Effect]:
        if shown == "block":
            return bench.feed(BlocksReceived(NAMES[1], ((BLOCK.encode(), certificate(BLOCK).encode()),)))
        return bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK), *all_votes(PRECOMMIT, 0, BLOCK))

    def commits(effects: list[Effect]) -> list[bytes]:
        return [effect.block.id for effect in effects if isinstance(effect, Commit)]

    assert bench.replica.lacking is None
    assert not commits(decided())
    assert str(bench.replica.lacking) == "a file"
    assert {own.value_id for own in bench.votes()} == ({None} if shown == "votes" else set())
    bench.restart()
    assert not commits(decided()) and str(bench.replica.lacking) == "a file"

    before = ledger.tries
    for _ in range(8):
        bench.now_ms += 250
        assert not commits(bench.feed(Tick()))
    assert ledger.tries - before == 2
    assert bench.replica.step[0] == 1
    ledger.given = True
    bench.now_ms += 1_000
    assert commits(bench.feed(Tick())) == [BLOCK.id]
    assert bench.replica.lacking is None
    bench.feed(BlockStored(1))
    assert bench.replica.tip.height == 1


def test_what_a_node_lacked_while_it_was_proposed_is_asked_about_again() -> None:
    """
    Nil for the block in round 0; given what it lacked, the same block has its vote in round 1.
    """
    ledger = Lacking()
    bench = Bench(ledger=ledger)
    bench.hear(propose(0, BLOCK))
    assert [own.value_id for own in bench.votes()] == [None]

    ledger.given = True
    bench.hear(*all_votes(PREVOTE, 0, BLOCK), *all_votes(PREVOTE, 1, None), propose(1, BLOCK, 0))

    prevotes = [own.value_id for own in bench.votes() if (own.round, own.kind) == (1, PREVOTE)]
    assert prevotes == [BLOCK.id]


def test_late_precommits_change_nothing() -> None:
    """
    A precommit for a height that is decided or stored is dropped and counted.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK), *all_votes(PRECOMMIT, 0, BLOCK, (1, 2)))
    late = vote(PRECOMMIT, 0, 3, BLOCK)

    assert bench.hear(late) == []
    bench.feed(BlockStored(1))
    assert bench.hear(late) == []
    assert bench.replica.refused["late"] == 2


# --- valid and timely

UNFIT = {
    "another previous block": replace(BLOCK, previous_id=bytes(32)),
    "another app hash": replace(BLOCK, app_hash=bytes(32)),
    "another log size": replace(BLOCK, log_size=1),
    "another log root": replace(BLOCK, log_root=bytes(32)),
    "another configuration": replace(BLOCK, config_digest=bytes(32)),
    "another app version": replace(BLOCK, app_version=2),
    "time runs backwards": replace(BLOCK, time=BLOCK.time - 1),
    "made by a stranger": replace(BLOCK, proposer="did:web:stranger.example"),
    "an attestation that is refused": replace(BLOCK, attestations=(b"\xff",)),
    "an attestation that breaks the code": replace(BLOCK, attestations=(make_tx("bomb"),)),
    "an attestation that must wait": replace(BLOCK, attestations=(make_tx("b", after="a"),)),
    "far in the future": replace(BLOCK, time=BLOCK.time + 11),
}


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in UNFIT.items()])
def test_an_unfit_block_costs_a_nil_prevote(block: Block) -> None:
    """
    A proposal that does not fit, is untimely or fails to execute for any reason gets nil, and the node lives.
    """
    bench = Bench()
    bench.hear(propose(0, block))

    assert [(v.kind, v.value_id) for v in bench.votes()] == [(PREVOTE, None)]


APART = {
    "another app hash": "it goes on from another state than is here",
    "another log size": "it goes on from another log than is here",
    "another log root": "it goes on from another log than is here",
    "another configuration": "it goes on from another founding than is here",
    "another app version": "it goes on from another version of the rules than is here",
    "time runs backwards": "it goes on from a later time than is here",
    "made by a stranger": "it goes on from other validators than is here",
    "an attestation that is refused": "it cannot be executed: ",
    "an attestation that breaks the code": "it cannot be executed: ",
}


@pytest.mark.parametrize("name", APART)
def test_a_decided_block_that_this_node_cannot_agree_with_ends_it(name: str) -> None:
    """
    It says which block, what differs and what to do, and has adopted nothing.
    """
    bench, block = Bench(), UNFIT[name]

    with pytest.raises(AssertionError) as ended:
        bench.feed(BlocksReceived(NAMES[1], ((block.encode(), certificate(block).encode()),)))

    told = str(ended.value)
    assert told.startswith(
        "block 1 is decided, and rules or data are other ones here than where it was. Nothing"
    )
    assert "start the version of Comity that the others run" in told and "`comity rebuild`" in told
    assert APART[name] in told
    assert bench.replica.tip.height == 0


OWN: dict[str, Callable[[], Event]] = {
    "check_tx": lambda: AttestationReceived(TX, sha256(TX).digest(), NAMES[2]),
    "prepare_proposal": lambda: AttestationReceived(TX, sha256(TX).digest()),
    "process_proposal": lambda: MessageReceived(NAMES[1], propose(0, BLOCK).encode()),
    "finalize_block": lambda: BlocksReceived(NAMES[1], ((BLOCK.encode(), certificate(BLOCK).encode()),)),
}


@pytest.mark.parametrize("asked", OWN)
def test_a_fault_of_this_nodes_own_judges_nothing(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    """
    What its disk cannot tell it makes no attestation malformed and no block invalid: it goes on up as it is,
    before anything is signed, given up, counted against its sender or adopted.
    """
    bench = Bench(me=1 if asked == "prepare_proposal" else 0)  # it proposes at once

    def fail(*_: object) -> None:
        raise OwnFault("ledger.db is damaged")

    monkeypatch.setattr(bench.ledger, asked, fail)
    refused = dict(bench.replica.refused)
    with pytest.raises(OwnFault, match=r"^ledger\.db is damaged$"):
        bench.feed(OWN[asked]())

    assert bench.said() == [] and bench.replica.tip.height == 0
    assert dict(bench.replica.refused) == refused
    assert not [e for e in bench.out if isinstance(e, Drop | Strike | Commit)]


def test_the_window_for_time_grows_with_the_round() -> None:
    """
    A block 14 s old is untimely in round 0 and timely in round 1.
    """
    bench = Bench(now_ms=START_MS + 14_000)
    bench.hear(propose(0, BLOCK))
    assert bench.votes()[-1].value_id is None

    bench.hear(*all_votes(PREVOTE, 1, None, (2, 3)), propose(1, BLOCK))
    assert (bench.votes()[-1].round, bench.votes()[-1].value_id) == (1, BLOCK.id)


def test_an_aged_locked_value_is_proposed_and_accepted() -> None:
    """
    A value locked long ago needs no timeliness: its polka speaks for it.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK, (1, 2)))
    bench.now_ms += 600_000
    bench.hear(*all_votes(PREVOTE, 1, None, (2, 3)), propose(1, BLOCK, 0))

    last = bench.votes()[-1]
    assert (last.kind, last.round, last.value_id, last.valid_round) == (PREVOTE, 1, BLOCK.id, 0)


# --- restart


def script(bench: Bench) -> list[list[Proposal | Vote]]:
    """What bench hears, up to its precommit."""
    return [
        [propose(0, BLOCK)],
        [vote(PREVOTE, 0, 1, BLOCK)],
        [vote(PREVOTE, 0, 2, BLOCK)],
        [vote(PRECOMMIT, 0, 1, BLOCK)],
    ]


@pytest.mark.parametrize("crash_after", range(4))
def test_restart_in_each_step(crash_after: int) -> None:
    """
    A node restarted after any step sends the same bytes again, signs nothing twice and finishes the height.
    """
    bench = Bench()
    for messages in script(bench)[: crash_after + 1]:
        bench.hear(*messages)
    before = [effect.data for effect in bench.out if isinstance(effect, Broadcast)]

    bench.restart()
    again = [e.data for e in bench.feed(Started()) if isinstance(e, Broadcast) and not is_status(e.data)]
    assert again == before

    bench.out.clear()
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK, (1, 2)))
    commit = commit_of(bench.hear(*all_votes(PRECOMMIT, 0, BLOCK, (1, 2))))
    assert commit.block == BLOCK
    guards = [(v.height, v.round, v.kind) for v in bench.votes()]
    earlier = [message for message in said([Broadcast(data) for data in before]) if isinstance(message, Vote)]
    assert not set(guards) & {(v.height, v.round, v.kind) for v in earlier}


def test_restart_between_persist_and_broadcast() -> None:
    """
    A vote that reached the disk and never the wire is sent after the restart, byte for byte.
    """
    bench = Bench()
    effects = bench.hear(propose(0, BLOCK))
    [vote_data] = [effect.data for effect in effects if isinstance(effect, Broadcast)]

    bench.restart()

    assert Broadcast(vote_data) in bench.feed(Started())


def test_restart_with_another_proposal_does_not_vote_again() -> None:
    """
    After a restart an equivocating proposer gets no second prevote.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK))
    bench.restart()
    bench.feed(Started())
    bench.out.clear()

    bench.hear(propose(0, make_block(make_tx("other"))))

    assert bench.votes() == []


def test_restart_restores_the_lock() -> None:
    """
    Locked value, locked round and polka survive: the node refuses another value and proposes its own.
    """
    bench = Bench(me=2)  # proposes in round 1
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK, (0, 1)))
    bench.restart()
    effects = bench.feed(Started())
    assert [m.kind for m in said(effects) if isinstance(m, Vote)] == [PREVOTE, PRECOMMIT]

    bench.hear(*all_votes(PREVOTE, 1, None, (0, 3)))

    own = [message for message in bench.said() if isinstance(message, Proposal)][-1]
    assert (own.round, own.valid_round, own.block) == (1, 0, BLOCK)
    assert (bench.votes()[-1].value_id, bench.votes()[-1].valid_round) == (BLOCK.id, 0)
    bench.hear(*all_votes(PREVOTE, 2, None, (0, 1)), propose(2, make_block(make_tx("other"), by=3)))
    assert (bench.votes()[-1].round, bench.votes()[-1].value_id) == (2, None)


def test_what_came_together_is_proposed_together() -> None:
    """
    A height that begins for the first attestation of a batch proposes all of it; fed one by one, the first
    goes alone. One that is refused takes no other along.
    """
    txs = [make_tx(name) for name in ("first", "second", "third")]
    events = [AttestationReceived(tx, sha256(tx).digest()) for tx in txs]
    together, single = Bench(me=1), Bench(me=1)
    refused = AttestationReceived(txs[0], bytes(32))
    effects = together.replica.handle_together([refused, *events], together.now_ms, None)
    for event in events:
        single.feed(event)

    [proposal] = [message for message in said(effects) if isinstance(message, Proposal)]
    assert sorted(proposal.block.attestations) == sorted(txs)
    assert [effect.digest for effect in effects if isinstance(effect, Drop)] == [bytes(32)]
    [alone] = [message for message in single.said() if isinstance(message, Proposal)]
    assert alone.block.attestations == (txs[0],)


def test_restart_proposes_the_same_block() -> None:
    """
    A proposer restarted after persisting its proposal sends that block, not a new one.
    """
    bench = Bench(me=1)
    bench.feed(AttestationReceived(TX, sha256(TX).digest()))
    first = [m for m in bench.said() if isinstance(m, Proposal)]
    bench.wal = bench.wal[:1]  # the crash came before the prevote was on disk
    bench.now_ms += 3_000
    bench.restart()
    bench.out.clear()

    bench.feed(Started())
    bench.feed(AttestationReceived(make_tx("second"), sha256(make_tx("second")).digest()))

    assert [m for m in bench.said() if isinstance(m, Proposal)] == first
    assert [v.value_id for v in bench.votes()] == [first[0].block.id]


def test_a_damaged_log_stops_the_start() -> None:
    """
    A record of the write-ahead log that cannot be read is an error that names signing.db.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK))
    bench.wal[0] = bench.wal[0][:-1] + b"\x01"

    with pytest.raises(ConsensusError):
        bench.restart()


def test_records_of_stored_heights_are_ignored() -> None:
    """
    A log that was not cleaned up after a stored block does no harm.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK), *all_votes(PRECOMMIT, 0, BLOCK))
    bench.feed(BlockStored(1))
    bench.tip = bench.replica.tip

    bench.restart()

    assert [e for e in bench.feed(Started()) if isinstance(e, Broadcast) and not is_status(e.data)] == []


# --- who may run


def test_a_wrong_vote_key_is_refused() -> None:
    """
    A node whose key is not the genesis' does not start as that validator.
    """
    with pytest.raises(ConsensusError, match="vote key"):
        Replica(CHAIN, Ledger(), TIP, name=NAMES[0], signer=SIGNERS[1])


def test_observers_follow_certified_blocks_only() -> None:
    """
    An observer executes a block with its certificate, and signs, votes and keeps nothing.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK))
    commit = commit_of(bench.hear(*all_votes(PRECOMMIT, 0, BLOCK)))
    observer = Replica(CHAIN, Ledger(), TIP, name=None, signer=None)

    assert observer.handle(MessageReceived(NAMES[1], propose(0, BLOCK).encode()), START_MS) == []
    assert observer.handle(PeerHeight(NAMES[1], 1), START_MS) == [RequestBlocks(NAMES[1], 1)]
    effects = observer.handle(
        BlocksReceived(NAMES[1], [(BLOCK.encode(), commit.certificate.encode())]), START_MS
    )
    assert effects == [replace(commit, execution=commit_of(effects).execution)]
    put_in_force(observer)
    observer.handle(BlockStored(1), START_MS)
    assert observer.tip.app_hash == commit.execution.app_hash


def certificate(block: Block, **changes: object) -> CommitCertificate:
    good = CommitCertificate(
        1, 0, block.id, tuple(all_votes(PRECOMMIT, 0, block)), tuple(all_votes(PREVOTE, 0, block))
    )
    return replace(good, **changes)  # type: ignore[arg-type]


BAD_CERTIFICATES = {
    "two precommits": certificate(BLOCK, precommits=tuple(all_votes(PRECOMMIT, 0, BLOCK, (1, 2)))),
    "two prevotes": certificate(BLOCK, polka=tuple(all_votes(PREVOTE, 0, BLOCK, (1, 2)))),
    "another network's votes": certificate(
        BLOCK, precommits=tuple(vote(PRECOMMIT, 0, i, BLOCK, network=bytes(32)) for i in (1, 2, 3))
    ),
    "another block": certificate(make_block(make_tx("other"))),
    "prevotes passed off as precommits": certificate(
        BLOCK, precommits=tuple(replace(v, kind=PRECOMMIT) for v in all_votes(PREVOTE, 0, BLOCK))
    ),
}


@pytest.mark.parametrize("bad", [pytest.param(bad, id=name) for name, bad in BAD_CERTIFICATES.items()])
def test_a_bad_certificate_is_refused(bad: CommitCertificate) -> None:
    """
    A block whose certificate does not prove a decision is not executed, and another peer is asked.
    """
    bench = Bench()
    bench.feed(PeerHeight(NAMES[3], 1))

    effects = bench.feed(BlocksReceived(NAMES[3], [(BLOCK.encode(), bad.encode())]))

    assert effects == [Strike(NAMES[3], "bad_block")]
    assert bench.replica.refused["bad_block"] == 1
    assert bench.ledger.executed == []
    bench.out.clear()
    bench.feed(PeerHeight(NAMES[2], 1))
    bench.now_ms += 2_000
    bench.feed(Tick())
    assert [e.peer for e in bench.out if isinstance(e, RequestBlocks)] == [NAMES[2]]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"value_id": bytes(32)}, "the certificate is about another block"),
        ({"precommits": tuple(all_votes(PRECOMMIT, 1, BLOCK))}, "a precommit is about something else"),
        ({"precommits": tuple(all_votes(PREVOTE, 0, BLOCK))}, "a precommit is about something else"),
        ({"polka": tuple(all_votes(PREVOTE, 0, None))}, "a prevote is about something else"),
        (
            {"polka": (*all_votes(PREVOTE, 0, BLOCK, (1, 2)), vote(PREVOTE, 0, 3, BLOCK, 0))},
            "the prevotes name different valid rounds",
        ),
        (
            {"precommits": tuple(all_votes(PRECOMMIT, 0, BLOCK, (1, 2, 2)))},
            "a precommit is repeated or by a stranger",
        ),
        ({"polka": tuple(all_votes(PREVOTE, 0, BLOCK, (1, 2)))}, "the prevotes weigh less than a quorum"),
    ],
)
def test_what_is_no_certificate_is_told(changes: dict[str, object], told: str) -> None:
    """
    Each in these words, before a signature is verified.
    """
    with pytest.raises(CertificateInvalid, match=f"^{told}$"):
        verify_certificate(certificate(BLOCK, **changes), BLOCK, CHAIN.validators, CHAIN.network_id)


def test_a_validator_that_slept_catches_up_in_the_middle_of_a_height() -> None:
    """
    Blocks with certificates end the height at which a validator is stuck.
    """
    bench = Bench()
    bench.hear(vote(PREVOTE, 0, 1, None))

    commit = commit_of(bench.feed(BlocksReceived(NAMES[3], [(BLOCK.encode(), certificate(BLOCK).encode())])))

    assert commit.block == BLOCK
    bench.feed(BlockStored(1))
    assert bench.replica.tip.height == 1


# --- what does not belong


def test_foreign_messages_are_dropped_and_counted() -> None:
    """
    Malformed, oversized, foreign, forged and strangers' messages change nothing and are counted.
    """
    bench = Bench()
    stranger = SeedSigner("x", bytes(32))
    forged = replace(vote(PREVOTE, 0, 1, BLOCK), validator=NAMES[2])
    unknown = replace(vote(PREVOTE, 0, 1, BLOCK), validator="did:web:stranger.example")
    unsigned = Proposal(1, 0, -1, BLOCK, NAMES[2])
    wrong_turn = replace(
        unsigned, signature=SIGNERS[2].sign(unsigned.signed_bytes(CHAIN.network_id, CHAIN.validators.hash))
    )
    bad: list[tuple[bytes, str]] = [
        (b"", "malformed"),
        (b"not CBOR at all", "malformed"),
        (b"\x81" * 5000, "malformed"),
        (encode(["comity/vote/v1"]), "malformed"),
        (encode(["comity/vote/v9", 1, 1, 0, None, None, NAMES[1], bytes(64)]), "malformed"),
        (encode(["comity/status/v1", 1, 0, 0, b"1234567"]), "malformed"),
        (encode(["comity/status/v1", "1", 0, 0, b""]), "malformed"),
        (vote(PREVOTE, 0, 1, BLOCK).encode()[:-1] + b"\x00", "signature"),
        (bytes(2 << 20), "oversized"),
        (vote(PREVOTE, 0, 1, BLOCK, network=bytes(32)).encode(), "signature"),
        (propose(0, BLOCK, network=bytes(32)).encode(), "signature"),
        (forged.encode(), "signature"),
        (replace(forged, signature=stranger.sign(b"")).encode(), "signature"),
        (unknown.encode(), "stranger"),
        (wrong_turn.encode(), "stranger"),
        (vote(PREVOTE, 0, 1, BLOCK, height=9).encode(), "early"),
    ]
    for data, reason in bad:
        before = bench.replica.refused[reason]
        effects = bench.feed(MessageReceived(NAMES[1], data))

        assert bench.replica.refused[reason] == before + 1, reason
        assert effects == ([Strike(NAMES[1], reason)] if reason in HOSTILE else [])
    assert bench.replica.step == (1, 0, 0)


def test_mutated_messages_never_raise() -> None:
    """
    4,000 messages with changed, cut, repeated or swapped parts leave a validator that can still decide.
    """
    random = Random(3)
    bench = Bench()
    good = [
        propose(0, BLOCK).encode(),
        vote(PREVOTE, 0, 1, BLOCK).encode(),
        vote(PRECOMMIT, 5, 2, None, height=2).encode(),
        bench.replica.status(),
        certificate(BLOCK).encode(),
    ]
    parts: list[Value] = [None, 0, 1, 2**53 - 1, "", "x" * 300, b"", bytes(32), bytes(64), [], {}, True]
    for _ in range(2_000):
        data = bytearray(random.choice(good))
        at = random.randrange(len(data))
        data[at : at + random.randint(0, 2)] = random.randbytes(random.randint(0, 2))
        bench.feed(MessageReceived(NAMES[random.randrange(4)], bytes(data)))
        value = decode(random.choice(good))
        assert isinstance(value, list)
        value[random.randrange(len(value))] = random.choice(parts)
        bench.feed(MessageReceived("did:web:stranger.example", encode(value)))
        bench.feed(BlocksReceived(NAMES[1], [(bytes(data), encode(value)), (BLOCK.encode(), bytes(data))]))

    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK))
    assert commit_of(bench.hear(*all_votes(PRECOMMIT, 0, BLOCK))).block == BLOCK
    assert sum(bench.replica.refused.values()) > 3_000


def test_the_buffer_for_the_next_height_is_bounded_per_sender() -> None:
    """
    One sender fills its own places and nobody else's.
    """
    bench = Bench()
    bench.hear(vote(PREVOTE, 0, 2, None))
    for salt in range(BUFFERED_PER_SENDER_MAX + 10):
        message = replace(vote(PREVOTE, 0, 1, None, height=2), signature=salt.to_bytes(64, "big"))
        bench.feed(MessageReceived(NAMES[1], message.encode()))
    bench.feed(MessageReceived(NAMES[3], vote(PREVOTE, 0, 3, None, height=2).encode()))

    assert bench.replica.refused["buffer_full"] == 10


def test_duplicates_cost_no_verification() -> None:
    """
    A message heard again is dropped by its digest, and counted each time.
    """
    bench = Bench()
    bench.hear(vote(PREVOTE, 0, 1, BLOCK))

    for count in (1, 2):
        assert bench.hear(vote(PREVOTE, 0, 1, BLOCK)) == []
        assert bench.replica.refused["duplicate"] == count


def test_the_largest_block_that_limits_allow_is_heard_and_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A block of 1 MiB to the byte (the bound of `block_bytes_max`), whose proposal is larger than that: from
    the wire, after a restart, and in an answer of a peer; of one byte more it votes for nothing.
    """
    most = 1 << 20
    monkeypatch.setattr(
        sys.modules[__name__],
        "CHAIN",
        replace(CHAIN, parameters=replace(CHAIN.parameters, block_bytes_max=most)),
    )
    room = most - len(make_block(make_tx("large", padding=most // 2)).encode())
    largest, larger = (make_block(make_tx("large", padding=most // 2 + room + more)) for more in (0, 1))
    assert (len(largest.encode()), len(larger.encode())) == (most, most + 1)
    bench, other, observer = Bench(), Bench(), Bench(me=2)

    bench.hear(propose(0, largest), *all_votes(PREVOTE, 0, largest))
    bench.restart()
    decided = commit_of(bench.hear(propose(0, largest), *all_votes(PRECOMMIT, 0, largest)))
    other.hear(propose(0, larger), *all_votes(PREVOTE, 0, larger, who=(1, 2)))
    told = observer.feed(BlocksReceived(NAMES[1], [(largest.encode(), decided.certificate.encode())]))

    assert decided.block == commit_of(told).block == largest
    assert not other.votes() and other.replica.refused == {"malformed": 1}


def test_double_votes_are_kept_as_evidence() -> None:
    """
    Two votes by one key for one step end up in `evidence` with both signatures.
    """
    bench = Bench()
    other = make_block(make_tx("other"))
    bench.hear(vote(PREVOTE, 0, 3, BLOCK), vote(PREVOTE, 0, 3, other))
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK, (1, 2)), *all_votes(PRECOMMIT, 0, BLOCK))
    bench.feed(BlockStored(1))

    [evidence] = bench.replica.evidence
    assert {vote.value_id for vote in statements_of(evidence)} == {BLOCK.id, other.id}


# --- help


def test_status_is_answered_with_everything_the_peer_lacks() -> None:
    """
    Votes of a validator that has died since reach a peer through others; what it has is not sent.
    """
    bench = Bench()
    proposal, dead = propose(0, BLOCK), vote(PREVOTE, 0, 1, BLOCK)
    bench.hear(proposal, dead)
    bench.now_ms += 200
    have = sha256(proposal.encode()).digest()[:8]

    effects = bench.feed(MessageReceived(NAMES[2], encode(["comity/status/v1", 1, 0, 1, have])))

    sent = [effect.data for effect in effects if isinstance(effect, Send) and effect.peer == NAMES[2]]
    assert dead.encode() in sent
    assert proposal.encode() not in sent
    assert len(sent) == 2  # the dead validator's prevote and the own one


def test_nobody_is_helped_with_what_is_on_its_way() -> None:
    """
    Messages of the last 200 ms are not sent again: under load every status would cost a block.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK))

    assert bench.feed(MessageReceived(NAMES[2], encode(["comity/status/v1", 1, 0, 1, b""]))) == []


def test_help_is_limited_in_time() -> None:
    """
    A peer that asks without pause is answered ten times a second at most.
    """
    bench = Bench()
    bench.hear(propose(0, BLOCK))
    bench.now_ms += 200
    status = MessageReceived(NAMES[2], encode(["comity/status/v1", 1, 0, 1, b""]))

    answers = [bool(bench.feed(status)) for _ in range(5)]

    assert answers == [True, False, False, False, False]


def test_a_stuck_node_asks() -> None:
    """
    With no progress between two ticks a node broadcasts its status; idle nodes stay quiet.
    """
    bench = Bench()
    bench.feed(Started())
    assert bench.feed(Tick()) == []

    bench.hear(propose(0, BLOCK))
    assert bench.feed(Tick()) == []
    [effect] = bench.feed(Tick())
    assert isinstance(effect, Broadcast)
    assert is_status(effect.data)


def test_who_has_nothing_to_do_is_at_rest_and_says_so() -> None:
    """
    The status of a node at which nothing happens is marked, so that who tells it to peers anyway need not
    send it; that of one that is stuck in a height, or asks for blocks, is not, and it is not at rest.
    """
    bench = Bench()
    bench.feed(Started())
    assert is_at_rest(bench.replica)

    bench.now_ms += IDLE_STATUS_MS
    [said] = bench.feed(Tick())
    assert isinstance(said, Broadcast) and is_status(said.data) and said.at_rest

    bench.feed(PeerHeight(NAMES[1], 5))
    assert not is_at_rest(bench.replica)
    stuck = Bench()
    stuck.hear(propose(0, BLOCK))
    stuck.now_ms += IDLE_STATUS_MS
    told = [
        effect for effect in stuck.feed(Tick()) if isinstance(effect, Broadcast) and is_status(effect.data)
    ]
    assert not is_at_rest(stuck.replica) and [effect.at_rest for effect in told] == [False]


def test_a_peer_behind_learns_of_it_and_a_peer_ahead_is_asked_for_blocks() -> None:
    """
    Status messages of different heights lead to a request for blocks on the side that is behind.
    """
    ahead = Bench()
    ahead.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK), *all_votes(PRECOMMIT, 0, BLOCK))
    ahead.feed(BlockStored(1))
    behind = Bench(me=2)

    assert ahead.feed(MessageReceived(NAMES[2], behind.replica.status())) == []
    ahead.now_ms += 200
    [answer] = ahead.feed(MessageReceived(NAMES[2], behind.replica.status()))
    assert isinstance(answer, Send)
    assert behind.feed(MessageReceived(NAMES[0], answer.data)) == []
    behind.now_ms += 200
    assert [e for e in behind.feed(Tick()) if isinstance(e, RequestBlocks)] == [RequestBlocks(NAMES[0], 1)]


# --- the pool, idle heights and the heartbeat


def test_an_observers_height_alone_is_not_chased() -> None:
    """
    A height that no validator claims is nobody's word: such a peer is not asked while validators are heard.
    """
    observer = Replica(CHAIN, Ledger(), replace(TIP, height=1), name=None, signer=None)
    liar = "did:web:liar.example"

    assert observer.handle(PeerHeight(NAMES[1], 1), START_MS) == []
    assert observer.handle(PeerHeight(liar, 2**53 - 1), START_MS + 10_000) == []
    effects = observer.handle(PeerHeight(NAMES[1], 2), START_MS + 20_000)

    assert [type(effect) for effect in effects] == [RequestBlocks]


def test_idle_nodes_start_no_round() -> None:
    """
    Without attestations nothing is signed until the heartbeat falls due, then one empty block is proposed.
    """
    bench = Bench(me=1)
    bench.feed(Started())
    for _ in range(10):
        bench.now_ms += 50_000
        bench.feed(Tick())
    assert bench.said() == []

    bench.now_ms = START_MS + 600_000
    bench.feed(Tick())

    own = bench.said()[0]
    assert isinstance(own, Proposal)
    assert own.block.attestations == ()


def test_what_is_scheduled_makes_a_block_in_time_and_one_a_second_at_most() -> None:
    """
    The rules want a block at a time: the proposer makes an empty one then, and not a second earlier. Rules
    that want one again and again get one a second, and no more.
    """
    bench = Bench(me=1)
    bench.ledger.wanted = START_MS // 1000 + 30
    bench.restart()
    bench.now_ms = START_MS + 29_999
    bench.feed(Tick())
    assert bench.said() == []

    bench.now_ms = START_MS + 30_000
    bench.feed(Tick())
    own = bench.said()[0]
    assert isinstance(own, Proposal)
    assert (own.block.attestations, own.block.time) == ((), START_MS // 1000 + 30)

    bench.hear(*all_votes(PREVOTE, 0, own.block), *all_votes(PRECOMMIT, 0, own.block))
    bench.feed(BlockStored(1))
    assert bench.replica.tip.height == 1 and bench.replica._blocks.due() is False
    bench.now_ms += 999
    bench.feed(Tick())
    assert bench.replica._blocks.due() is False
    bench.now_ms += 1
    bench.feed(Tick())
    assert bench.replica._blocks.due() is True
    bench.ledger.wanted = None


def test_a_proposer_woken_with_an_empty_pool_proposes_what_arrives_next() -> None:
    """
    A proposer that has nothing makes no empty block in round 0; the first attestation is proposed at once.
    """
    bench = Bench(me=1)
    bench.hear(vote(PREVOTE, 0, 2, None))
    assert bench.said() == []

    bench.feed(AttestationReceived(TX, sha256(TX).digest()))

    own = bench.said()[0]
    assert isinstance(own, Proposal)
    assert own.block.attestations == (TX,)


def test_refused_attestations_are_given_back() -> None:
    """
    Malformed, duplicate or code-breaking attestations are dropped with a code and a reason.
    """
    bench = Bench()
    for tx, code in ((b"\xff", "malformed"), (make_tx("bomb"), "malformed")):
        [drop] = bench.feed(AttestationReceived(tx, sha256(tx).digest()))

        assert isinstance(drop, Drop)
        assert (drop.code, drop.digest) == (code, sha256(tx).digest())
    [drop] = bench.feed(AttestationReceived(TX, bytes(32)))
    assert isinstance(drop, Drop)
    assert len(bench.replica.pool) == 0


def test_an_attestation_waits_for_what_it_depends_on() -> None:
    """
    NotYet keeps an attestation in the pool without starting a height; after an hour it is given up.
    """
    bench = Bench(me=1)
    tx = make_tx("second", after="first")
    assert bench.feed(AttestationReceived(tx, sha256(tx).digest())) == []
    assert sha256(tx).digest() in bench.replica._pool

    bench.feed(AttestationReceived(TX, sha256(TX).digest()))
    own = bench.said()[0]
    assert isinstance(own, Proposal)
    assert own.block.attestations == (TX, tx)

    bench = Bench(me=1)
    bench.feed(AttestationReceived(tx, sha256(tx).digest()))
    bench.now_ms += 3_600_000
    drops = [effect for effect in bench.feed(Tick()) if isinstance(effect, Drop)]
    assert [drop.code for drop in drops] == ["waited_too_long"]


def test_final_attestations_leave_the_pool() -> None:
    """
    After a block its attestations are gone, and those it made impossible are given back with the reason.
    """
    bench = Bench()
    rival = make_tx("first", padding=1)
    waits = make_tx("third", after="second")
    for tx in (TX, waits):
        bench.feed(AttestationReceived(tx, sha256(tx).digest()))
    bench.hear(propose(0, BLOCK), *all_votes(PREVOTE, 0, BLOCK), *all_votes(PRECOMMIT, 0, BLOCK))
    bench.feed(BlockStored(1))

    assert sha256(TX).digest() not in bench.replica._pool
    assert sha256(waits).digest() in bench.replica._pool
    [drop] = bench.feed(AttestationReceived(rival, sha256(rival).digest()))
    assert isinstance(drop, Drop)
    assert drop.code == "duplicate"


# --- clusters


@pytest.mark.parametrize("dead", range(4))
def test_three_of_four_go_on_within_three_seconds(dead: int) -> None:
    """
    Whichever validator is gone, an attestation is final on the three others within 3 s.
    """
    cluster = Cluster(seed=dead, validators=4)
    cluster.start()
    cluster.submit(make_tx("warm-up"))
    cluster.run(2_000)
    for height in range(1, 6):
        victim = cluster.validators[dead]
        victim.crash()
        alive = [node for node in cluster.validators if node is not victim]
        started_ms = cluster.now_ms
        cluster.submit(make_tx(f"tx {height}"))

        done = cluster.run_until(lambda: min(len(n.commits) for n in alive) > height, 3_000)  # noqa: B023

        assert done, f"height {height + 1} took more than 3 s"
        assert cluster.now_ms - started_ms <= 3_000


def test_one_validator_is_a_network() -> None:
    """
    A network of one decides on its own.
    """
    cluster = Cluster(seed=1, validators=1)
    cluster.start()
    cluster.submit(TX)

    assert cluster.run_until(lambda: len(cluster.validators[0].commits) == 1, 1_000)


def test_an_observer_joins_from_nothing() -> None:
    """
    A node that starts after forty blocks fetches, verifies and executes all of them.
    """
    cluster = Cluster(seed=5, validators=4, observers=1)
    for node in cluster.validators:
        node.start()
    for i in range(40):
        cluster.submit(make_tx(f"n{i}"))
        cluster.run_until(lambda: len(cluster.validators[0].commits) > i, 5_000)  # noqa: B023
    [observer] = [node for node in cluster.nodes.values() if node.signer is None]
    assert observer.commits == []

    observer.start()

    assert cluster.run_until(lambda: len(observer.commits) >= 40, 15_000)
    assert observer.entries[:40] == cluster.validators[0].entries[:40]
