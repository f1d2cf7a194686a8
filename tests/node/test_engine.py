"""The engine over real databases: four in one process, linked by hand (node/ledger/)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consensus import sync
from consensus.checkpoint import (
    LOG_KIND,
    Checkpoint,
    NoteError,
    NoteKey,
    SignedNote,
    cosign_line,
    sign_log_line,
)
from consensus.cose import SeedSigner
from consensus.events import Compare, RivalShown
from consensus.log_policy import LogPolicy
from consensus.merkle import Tree
from consensus.replica import Replica
from credentials.ledger.entries import EvidenceEntry, PolicyEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import key_name
from node.errors import ProblemError
from node.ledger import ordering
from node.ledger.cosigner import Conflict, Cosigner, Cosigning
from node.ledger.log_policies import LogPolicies
from node.ledger.ordering import REST_TICK_S, Ordering
from node.ledger.subscriptions import Progressed
from node.peers.messages import ITEM_CONSENSUS, ITEM_COSIGNATURE, Item
from node.storage.signing import SigningStore
from tests.harness import ledger
from tests.harness.engines import Link, Links, Network, Node, founded_now


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return founded_now()


@pytest.fixture
def network(genesis: Genesis, tmp_path: Path) -> Iterator[Network]:
    made = Network(genesis, tmp_path)
    made.start(*ledger.VALIDATORS)
    yield made
    for node in list(made.links.nodes.values()):
        node.stop()


def test_four_engines_decide_store_and_cosign(network: Network) -> None:
    """
    A submitted attestation is in every ledger.db, in one log, under a checkpoint that the policy accepts.
    """
    policy = LogPolicy.parse(network.genesis.governance.log_policy(network.genesis.origin))
    data = network.attestation(1)

    network.submit(data)
    nodes = list(network.links.nodes.values())
    network.wait("the block", lambda: network.heights() == {1})
    network.wait("a checkpoint", lambda: all(node.ledger.checkpoint() for node in nodes))

    roots = {node.tree.root() for node in nodes}
    assert len(roots) == 1
    for node in nodes:
        assert node.ledger.leaves.at(0).entry == data  # type: ignore[union-attr]
        size, text = node.ledger.checkpoint() or (0, "")
        assert size == node.tree.size == 2
        assert len(policy.cosigned(SignedNote.parse(text))) >= 3


def test_a_block_of_long_ago_is_looked_into_where_the_stored_one_is_another(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The one that is stored costs no signature, nor does one of a height that there is not (decision 0132).
    """
    network.submit(network.attestation(1))
    network.wait("the block", lambda: network.heights() == {1})
    node = network.links.nodes[ledger.CUSTOMS]
    stored = node.ledger.block_id(1)
    assert stored is not None
    own, another, above = (RivalShown(ledger.MAKER, name, b"") for name in (b"own", b"another", b"above"))
    fed: list[object] = []

    def feed(self: Ordering, event: object) -> list[Any]:
        fed.append(event)
        return []

    monkeypatch.setattr(Ordering, "_feed", feed)

    asked = [Compare(1, stored, own), Compare(1, bytes(32), another), Compare(9, bytes(32), above)]
    node.ordering._execute(asked)

    assert [event for event in fed if isinstance(event, RivalShown)] == [another]


def test_a_restarted_engine_goes_on_from_its_disk(network: Network) -> None:
    """
    Stopped and opened again, an engine has the same tip and log, catches up, and signs nothing twice.
    """
    network.submit(network.attestation(1))
    network.wait("the first block", lambda: network.heights() == {1})
    network.links.nodes[ledger.CUSTOMS].stop()
    network.submit(network.attestation(2))
    network.wait("the second block", lambda: network.heights() == {2})

    network.start(ledger.CUSTOMS)
    reopened = network.links.nodes[ledger.CUSTOMS]
    assert reopened.tree.size == 2
    network.wait("it to catch up", lambda: network.heights() == {2})
    network.wait("its checkpoint", lambda: (reopened.ledger.checkpoint() or (0,))[0] == 4)
    network.submit(network.attestation(3))
    network.wait("the third block", lambda: network.heights() == {3})

    assert len({node.tree.root() for node in network.links.nodes.values()}) == 1
    assert reopened.supervisor.failure is None


def test_an_observer_votes_once_the_set_names_it_and_no_more_once_it_does_not(network: Network) -> None:
    """
    Never opened again, a fifth votes and cosigns while it is a validator; before and after it follows.
    """
    fifth = ledger.OTHER_MAKER
    network.start(fifth)

    def replica() -> Replica:
        return network.links.nodes[fifth].ordering.replica

    network.submit(network.attestation(1))
    network.wait("all five to follow", lambda: network.heights() == {1})
    assert not replica().voting

    network.let_validate((*ledger.VALIDATORS, fifth))
    network.wait("the fifth to vote", lambda: replica().voting)
    network.links.nodes[ledger.CUSTOMS].stop()  # four of five are the quorum: no block without the fifth
    height = max(network.heights())
    network.submit(network.attestation(2))
    network.wait("a block with it", lambda: min(network.heights()) > height)
    name = key_name(fifth)
    network.wait("its cosignature", lambda: name in (network.checkpoint(ledger.MAKER)))

    network.start(ledger.CUSTOMS)
    network.let_validate(ledger.VALIDATORS)
    network.wait("the fifth to be silent", lambda: not replica().voting)
    height = max(network.heights())
    network.submit(network.attestation(3))
    network.wait("all five to follow", lambda: min(network.heights()) > height)
    assert not any(node.supervisor.failure for node in network.links.nodes.values())


def test_a_stopped_network_takes_up_where_it_was(genesis: Genesis, tmp_path: Path) -> None:
    """
    All four stopped at any moment and started again go on with the same log.
    """
    network = Network(genesis, tmp_path)
    for number in range(3):
        network.start(*ledger.VALIDATORS)
        network.submit(network.attestation(10 + number))
        if number == 1:
            network.wait("a block", lambda: len(network.heights()) == 1 and min(network.heights()) >= 1)
        for node in list(network.links.nodes.values()):
            node.stop()

    network.start(*ledger.VALIDATORS)
    last = network.attestation(20)
    network.submit(last)
    nodes = list(network.links.nodes.values())
    digest = sha256(last).digest()
    network.wait("the last", lambda: all(node.ledger.leaves.with_digest(digest) for node in nodes))
    # An entry is on disk before the tree has it, and the height is told after both.
    network.wait("one log", lambda: len({node.tree.root() for node in nodes}) == 1)
    network.wait("one height", lambda: len(network.heights()) == 1)

    assert len({node.tree.root() for node in nodes}) == 1
    for node in nodes:
        assert node.supervisor.failure is None
        node.stop()


@pytest.mark.parametrize(
    ("wrong", "off_s"),
    [
        (1, 3_600),
        pytest.param(2, -3_600, marks=pytest.mark.check),
        pytest.param(1, -3_600, marks=pytest.mark.check),
        pytest.param(2, 3_600, marks=pytest.mark.check),
    ],
)
def test_a_clock_that_was_wrong_costs_nothing_once_it_is_right(
    network: Network, wrong: int, off_s: int
) -> None:
    """
    N03: an hour off for three seconds on one or two of four, then right: within five seconds everything is
    final at all four, those that were wrong included; cosignatures are dated by the clock that is right.
    """
    off = [network.links.nodes[did] for did in ledger.VALIDATORS[:wrong]]
    begun = time.monotonic()
    network.submit(network.attestation(1))
    network.wait("a block before", lambda: network.heights() == {1})
    calm_s = time.monotonic() - begun  # a block on this machine, now
    for node in off:
        node.clock_off_s = off_s
    network.submit(network.attestation(2))
    until = time.monotonic() + 3
    network.wait("the wrong clocks' time", lambda: time.monotonic() > until)
    for node in off:
        node.clock_off_s = 0

    begun = time.monotonic()
    network.submit(network.attestation(3))
    network.wait("both", lambda: all(n.tree.size >= 5 for n in network.links.nodes.values()))
    took = time.monotonic() - begun
    network.submit(network.attestation(4))
    network.wait("one height", lambda: len(network.heights()) == 1 and min(network.heights()) >= 3)

    assert took < 5 + 10 * calm_s, calm_s  # other programs slow both alike
    for node in network.links.nodes.values():
        last = node.signing.last_cosigned()
        assert last is not None and abs(last[2] - time.time()) < 60
        assert node.drops == [] or node in off  # what a wrong clock refuses, others take


def test_what_no_pool_takes_is_told(network: Network) -> None:
    """
    An attestation outside its issuer's accreditation is dropped with the rule, and nothing is ordered.
    """
    network.submit(network.attestation(1, ledger.OTHER_MAKER, "ZZ1"))
    node = network.links.nodes[ledger.MAKER]

    network.wait("the drop", lambda: bool(node.drops))

    assert [code for _, code in node.drops] == ["X9"]
    assert network.heights() == {0}


def test_an_observer_follows_and_signs_nothing(network: Network) -> None:
    """
    An observer executes the decided blocks, has the same log and checkpoint, and cosigns nothing.
    """
    network.start(ledger.IMPORTER)
    observer = network.links.nodes[ledger.IMPORTER]

    network.submit(network.attestation(1))
    network.wait("the block", lambda: network.heights() == {1})
    network.wait("its checkpoint", lambda: observer.ledger.checkpoint() is not None)

    assert observer.signing.last_cosigned() is None
    assert observer.tree.root() == network.links.nodes[ledger.MAKER].tree.root()


def test_engines_at_rest_look_seldom_and_say_nothing(
    genesis: Genesis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While nothing happens an engine wakes by itself once a second, not four times, and sends no status of its
    own: each exchange between peers carries it. Whatever comes ends the rest.
    """
    monkeypatch.setattr(sync, "IDLE_STATUS_MS", 20)
    monkeypatch.setattr(ordering, "REST_TICK_S", 0.01)
    said: list[str] = []
    ticks = dict.fromkeys(ledger.VALIDATORS, 0)

    def broadcast(self: Link, item: Item, *, observers: bool = False) -> None:
        if item[0] == ITEM_CONSENSUS:
            said.append(self.did)
        send_all(self, item, observers=observers)

    def tick(self: Ordering) -> None:
        ticks[self.did] += 1
        look(self)

    def more(count: int) -> None:
        goal = {did: found + count for did, found in ticks.items()}
        network.wait("ticks", lambda: all(ticks[did] >= goal[did] for did in goal))

    send_all, look = Link.broadcast, Ordering._tick
    monkeypatch.setattr(Link, "broadcast", broadcast)
    monkeypatch.setattr(Ordering, "_tick", tick)
    network = Network(genesis, tmp_path)
    network.start(*ledger.VALIDATORS)
    nodes = [*network.links.nodes.values()]
    try:
        network.submit(network.attestation(1))
        network.wait("a block", lambda: network.heights() == {1})
        network.wait(
            "rest",
            lambda: all(
                ordering._tick_s(node.ordering.replica, node.ordering._checkpoints) == 0.01 for node in nodes
            ),
        )
        more(3)
        spoke = len(said)
        more(20)
        quiet = len(said) - spoke
        network.submit(network.attestation(2))
        network.wait("the next", lambda: network.heights() == {2})
    finally:
        for node in nodes:
            node.stop()

    assert spoke > 0 and quiet == 0
    assert ordering.TICK_S == 0.25 and REST_TICK_S == 1.0


def test_a_second_signature_stops_the_node(network: Network) -> None:
    """
    If a guard row says that another vote was signed, the engine stops and says why; it does not send. While
    one other hears nothing no block is decided without this one, however late it is heard.
    """
    node = network.links.nodes[ledger.CUSTOMS]
    deaf = next(did for did in network.links.nodes if did not in (ledger.CUSTOMS, ledger.MAKER))
    away = network.links.nodes.pop(deaf)
    for kind in ("proposal", "prevote", "precommit"):
        node.signing.persist(1, [(b"signed elsewhere", (1, 0, kind))])

    network.submit(network.attestation(1))
    network.wait("it to stop", node.supervisor.failed.is_set)

    assert "was already signed" in str(node.supervisor.failure)
    network.links.nodes[deaf] = away
    del network.links.nodes[ledger.CUSTOMS]
    network.wait("the others", lambda: network.heights() == {1})
    node.supervisor.stop()
    node.signing.close()
    node.ledger.close()


def test_a_full_inbox_is_a_503(genesis: Genesis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Beyond its bound the inbox takes nothing and says so; memory does not grow.
    """
    monkeypatch.setattr("node.ledger.inbox.EVENTS_MAX", 3)
    monkeypatch.setattr("node.ledger.inbox.EVENTS_FLOOR", 0)
    node = Node(genesis, ledger.MAKER, tmp_path / "maker", Links())  # never started: nothing is taken out

    for number in range(3):
        node.engine.submit(bytes([number]))
    with pytest.raises(ProblemError) as full:
        node.engine.submit(b"one more")

    assert full.value.status == 503
    node.stop()


def test_records_and_their_guards_are_on_disk_before_a_message_is_sent(network: Network) -> None:
    """
    Whatever a validator sent can be found in its signing.db at the moment of sending.
    """
    sent_before_persisted: list[bytes] = []
    node = network.links.nodes[ledger.MAKER]
    link = node.ordering.out
    assert isinstance(link, Link)
    persisted: set[bytes] = set()
    original: Any = node.signing.persist

    def persist(height: int, records: list[tuple[bytes, Any]]) -> None:
        original(height, records)
        persisted.update(record for record, _ in records)

    def broadcast(item: Item, *, observers: bool = False) -> None:
        data = item[1]
        signed = isinstance(data, bytes) and (b"comity/vote" in data or b"comity/proposal" in data)
        if signed and not any(data in record for record in persisted):  # type: ignore[operator]
            sent_before_persisted.append(data)  # type: ignore[arg-type]
        Link.broadcast(link, item, observers=observers)

    node.signing.persist = persist  # type: ignore[method-assign,assignment]
    link.broadcast = broadcast  # type: ignore[method-assign]
    network.submit(network.attestation(1))
    network.wait("the block", lambda: network.heights() == {1})

    assert persisted
    assert sent_before_persisted == []


# -- cosignatures ----------------------------------------------------------------------------------------


@pytest.fixture
def cosigning(genesis: Genesis, tmp_path: Path) -> Iterator[Cosigning]:
    signing = SigningStore(tmp_path / "signing.db")
    tree = Tree([bytes([n]) * 32 for n in range(5)])
    did = ledger.MAKER
    cosigner = Cosigner(did, (ledger.signer(did, "log"),), (ledger.signer(did, "cosign"),), signing)
    yield Cosigning(
        LogPolicies(LogPolicy.parse(genesis.governance.log_policy(genesis.origin))), tree, cosigner
    )
    signing.close()


FIRST = ledger.CUSTOMS  # a validator that has other things in mind


def lines(genesis: Genesis, did: str, size: int, root: bytes, at: int = 9) -> tuple[int, bytes, str, str]:
    checkpoint = Checkpoint(genesis.origin, size, root)
    name = did.removeprefix("did:web:")
    return (
        size,
        root,
        sign_log_line(checkpoint, genesis.origin, ledger.signer(did, "log")),
        cosign_line(checkpoint, name, at, ledger.signer(did, "cosign")),
    )


def test_a_quorum_of_cosignatures_makes_the_note(genesis: Genesis, cosigning: Cosigning) -> None:
    """
    Two of four are too few, three are enough; a repeated cosignature counts once.
    """
    own = cosigning.cosign(9)
    assert own is not None
    size, root = own[0], own[1]

    for did in (ledger.CN_AUTHORITY, ledger.CN_AUTHORITY):
        cosigning.receive(*lines(genesis, did, size, root))
    assert cosigning.note() is None
    cosigning.receive(*lines(genesis, ledger.CUSTOMS, size, root))

    found = cosigning.note()
    assert found is not None
    assert found[0] == size == 5


def test_a_checkpoint_of_another_log_is_an_alarm(genesis: Genesis, cosigning: Cosigning) -> None:
    """
    A validator that signs another root for a size this log has reached is reported, and does not count.
    """
    with pytest.raises(Conflict, match="another checkpoint of size 5"):
        cosigning.receive(*lines(genesis, ledger.CUSTOMS, 5, b"x" * 32))


@pytest.mark.parametrize("case", ["stranger", "altered", "other origin", "no log line", "log line twice"])
def test_lines_that_are_not_the_policys_are_refused(
    genesis: Genesis, cosigning: Cosigning, case: str
) -> None:
    """
    Lines of strangers, altered lines, lines for another log and lines in each other's place are refused.
    """
    size, root, log_line, line = lines(genesis, ledger.CUSTOMS, 4, b"y" * 32)
    match case:
        case "stranger":
            line = lines(genesis, ledger.IMPORTER, 4, b"y" * 32)[3]
        case "altered":
            root = b"z" * 32
        case "other origin":
            checkpoint = Checkpoint("log.other.example", 4, root)
            log_line = sign_log_line(checkpoint, "log.other.example", ledger.signer(ledger.CUSTOMS, "log"))
        case "no log line":
            log_line = line
        case "log line twice":
            line = log_line

    with pytest.raises(NoteError):
        cosigning.receive(size, root, log_line, line)


@pytest.mark.parametrize("case", ["a cosignature in its place", "a former key's"])
def test_no_log_line_that_comes_first_keeps_a_checkpoint_from_its_quorum(
    genesis: Genesis, cosigning: Cosigning, case: str
) -> None:
    """
    Whoever speaks first of a size, before the others are there, with a log line that counts for nothing: the
    honest ones' lines make the note.
    """
    own, leaves = cosigning._tree, [bytes([n]) * 32 for n in range(9)]
    root, former = Tree(leaves).root(), SeedSigner("former", b"\x05" * 32)
    text = genesis.governance.log_policy(genesis.origin)
    keys = [NoteKey(genesis.origin, LOG_KIND, s.public_key) for s in (ledger.signer(FIRST, "log"), former)]
    before = LogPolicy.parse(text.replace(keys[0].vkey(), keys[1].vkey()))
    cosigning.policies = LogPolicies(before)
    cosigning.policies.learn(0, PolicyEntry(bytes(32), text).encode())
    size, _, log_line, line = lines(genesis, FIRST, 9, root)
    if case == "a former key's":
        log_line = sign_log_line(Checkpoint(genesis.origin, 9, root), genesis.origin, former)
        cosigning.receive(size, root, log_line, line)
    else:
        with pytest.raises(NoteError, match="not one of a log key"):
            cosigning.receive(size, root, line, line)
    for did in (ledger.MAKER, ledger.CN_AUTHORITY, ledger.EU_AUTHORITY):
        cosigning.receive(*lines(genesis, did, 9, root))

    own.extend(leaves[own.size :])

    found = cosigning.note()
    assert found is not None
    LogPolicy.parse(text).cosigned(found[2])


def test_a_line_of_a_policy_that_is_yet_to_come_is_nobodys_fault(
    genesis: Genesis, cosigning: Cosigning
) -> None:
    """
    Who is behind does not know who cosigns by now: such a line is left alone, and counts for nothing.
    """
    cosigning.receive(*lines(genesis, ledger.IMPORTER, 7, b"y" * 32))

    assert cosigning.note() is None
    assert cosigning.said_by(ledger.IMPORTER) is None
    log_line = lines(genesis, ledger.CUSTOMS, 7, b"y" * 32)[2]
    with pytest.raises(NoteError):  # a line of a known key for another root
        cosigning.receive(7, b"z" * 32, log_line, lines(genesis, ledger.CUSTOMS, 7, b"y" * 32)[3])


def test_cosignatures_of_the_future_do_not_push_out_the_present(
    genesis: Genesis, cosigning: Cosigning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A validator that signs many sizes this log has not reached costs bounded memory and stops no quorum.
    """
    monkeypatch.setattr("node.ledger.cosigner.SIZES_MAX", 4)
    own = cosigning.cosign(9)
    assert own is not None
    for size in range(100, 110):
        cosigning.receive(*lines(genesis, ledger.CUSTOMS, size, b"f" * 32))

    for did in (ledger.CN_AUTHORITY, ledger.CUSTOMS):
        cosigning.receive(*lines(genesis, did, own[0], own[1]))

    assert cosigning.note() is not None


def test_signing_the_future_hides_no_second_checkpoint_of_the_present(
    genesis: Genesis, cosigning: Cosigning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A validator that signs more sizes than are kept of it is still held to what it signs of this one, to the
    largest it was seen to sign, and takes nothing of what is kept of another.
    """
    monkeypatch.setattr("node.ledger.cosigner.SIZES_MAX", 4)
    cosigning.receive(*lines(genesis, ledger.CN_AUTHORITY, 7, b"c" * 32))
    for size in range(8, 20):
        cosigning.receive(*lines(genesis, FIRST, size, b"f" * 32))

    cosigning.receive(*lines(genesis, FIRST, 6, b"a" * 32))
    cosigning.receive(*lines(genesis, FIRST, 6, b"b" * 32))
    cosigning.receive(*lines(genesis, ledger.CN_AUTHORITY, 7, b"d" * 32))

    rivals = {(found.key[0], Checkpoint.parse(found.first.body).size) for found in cosigning.rivals}
    assert rivals >= {("customs.example", 6), ("cn-authority.example", 7)}
    assert cosigning.said_by(FIRST) == lines(genesis, FIRST, 19, b"f" * 32)
    kept = cosigning._lines
    assert sorted(size for size in kept if any(of == "customs.example" for of, _ in kept[size])) == [
        6,
        8,
        9,
        19,
    ]


def test_who_signs_another_checkpoint_of_a_size_that_is_past_is_found(
    genesis: Genesis, cosigning: Cosigning
) -> None:
    """
    Lines of sizes below the cosigned one are not read any more, but for those that contradict what the same
    key signed: both are kept as evidence. The same line again contradicts nothing.
    """
    own = cosigning.cosign(9)
    assert own is not None
    size, root = own[0], own[1]
    cosigning.receive(*lines(genesis, FIRST, size + 1, b"a" * 32))
    for did in (ledger.CN_AUTHORITY, FIRST):
        cosigning.receive(*lines(genesis, did, size, root))
    assert cosigning.note() is not None
    cosigning.cosigned_size = size + 2

    cosigning.receive(*lines(genesis, FIRST, size + 1, b"a" * 32, at=10))
    assert cosigning.rivals == []
    cosigning.receive(*lines(genesis, FIRST, size + 1, b"b" * 32))

    assert [found.key[0] for found in cosigning.rivals] == [genesis.origin, "customs.example"]
    assert {Checkpoint.parse(found.second.body).root for found in cosigning.rivals} == {b"b" * 32}


def test_a_cosigner_that_is_ahead_of_its_ledger_waits(genesis: Genesis, tmp_path: Path) -> None:
    """
    A validator whose guard is beyond its ledger (a ledger.db that was put back) cosigns nothing until it has
    caught up.
    """
    signing = SigningStore(tmp_path / "signing.db")
    signing.guard_cosignature(6, b"r" * 32, 5)
    tree = Tree([bytes([n]) * 32 for n in range(5)])
    did = ledger.MAKER
    cosigner = Cosigner(did, (ledger.signer(did, "log"),), (ledger.signer(did, "cosign"),), signing)
    cosigning = Cosigning(
        LogPolicies(LogPolicy.parse(genesis.governance.log_policy(genesis.origin))), tree, cosigner
    )

    assert cosigning.cosign(9) is None
    tree.extend([b"a" * 32, b"b" * 32])
    assert cosigning.cosign(9) is not None
    signing.close()


def test_a_note_without_a_log_line_is_refused(genesis: Genesis, cosigning: Cosigning) -> None:
    """
    Cosignatures alone make no checkpoint of this log: the note is refused, with what it lacks.
    """
    line = lines(genesis, ledger.CUSTOMS, 5, b"x" * 32)[3]
    note = SignedNote(Checkpoint(genesis.origin, 5, b"x" * 32).body(), (line,))

    with pytest.raises(NoteError, match=r"^the checkpoint has no line of a log key$"):
        cosigning.receive_note(note)


def test_a_block_is_told_to_whoever_subscribed_with_its_height(network: Network) -> None:
    """
    The office waits for these moments: each block, and then how far the cosignatures reach.
    """
    network.submit(network.attestation(1))
    told: dict[str, list[Progressed]] = {did: [] for did in network.links.nodes}

    def told_whole() -> bool:
        """The checkpoint is stored before it is told: what is waited for is the word itself."""
        for did, node in network.links.nodes.items():
            told[did] += [moment for moment in node.told.take() if isinstance(moment, Progressed)]
        return all(moments and moments[-1].cosigned_size == 2 for moments in told.values())

    network.wait("the word of its checkpoint", told_whole)

    for did, node in network.links.nodes.items():
        assert node.tree.size == 2
        assert {moment.height for moment in told[did]} == {1}
        assert {moment.cosigned_size for moment in told[did]} <= {0, 2}


def test_a_validator_that_cosigns_two_logs_is_on_record_as_the_one_who_did(network: Network) -> None:
    """
    Two checkpoints of one size with its signature, seen by one node: a fault of that validator's, in a block.
    """
    seer = network.links.nodes[ledger.MAKER]
    for root in (b"x" * 32, b"y" * 32):
        fields = lines(network.genesis, ledger.CUSTOMS, 50, root)
        seer.engine.peer_items(ledger.CUSTOMS, [[ITEM_COSIGNATURE, *fields]])

    network.wait("the record", lambda: len(seer.ledger.leaves.evidence()) == 1)

    [row] = seer.ledger.leaves.evidence()
    entry = parse_entry(row.entry)
    assert isinstance(entry, EvidenceEntry)
    assert entry.evidence.validator == ledger.CUSTOMS
