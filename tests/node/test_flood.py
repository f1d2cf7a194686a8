"""Hostile messages of peers: refused at the edge, counted, bounded, cheap, and without any effect.

The sender is a participant of genesis with its own keys: the worst place to be attacked from. What it sends
is what no honest node sends; `node/peers/strikes.py` says what that costs it.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3

from consensus.cose import SeedSigner, sign1
from consensus.encoding import Value, encode
from consensus.types import PREVOTE, Vote
from credentials.ledger.genesis import Genesis
from node.config import DataDirectory
from node.errors import ProblemError
from node.ledger.inbox import EVENTS_PER_SENDER_MAX, URGENT_IN_ROW_MAX, Inbox
from node.peers.authentication import REQUEST_TAG, PeerAuthentication
from node.peers.messages import ITEM_ATTESTATION, ITEM_CONSENSUS, PEER_BODY_BYTES_MAX
from node.peers.strikes import STRIKES_MAX, Patience
from node.service import Service
from node.setup import network as networks
from node.setup.keystore import Keys
from node.setup.wiring import open_service
from tests.harness.net.harness import PASSPHRASE, VALIDATORS, Node, Party, found, wait

FLOODER = Party("flooder", "EU", ("holder",), validator=False)
STATUS: list[Value] = [encode(["comity/status/v1", 1, 0, 6, b""]), 0, 0, 0]
MIB = 1 << 20


@dataclass
class Attacker:
    """A participant that knows the protocol and its own keys, and what it can send with them."""

    genesis: Genesis
    keys: Keys
    victim: str
    random: random.Random = field(default_factory=lambda: random.Random(20261121))

    def __post_init__(self) -> None:
        transport = self.keys.signer("transport")
        network_id, history = self.genesis.network_id, self.genesis.history()
        self.authentication = PeerAuthentication(network_id, history, self.keys.did, (transport,))
        self.signer = transport
        self.replay = self.request(b"")

    @classmethod
    def of(cls, data: Path, victim: str) -> Attacker:
        genesis = networks.verify(data / "network").genesis
        return cls(genesis, Keys.load(data, FLOODER.did, PASSPHRASE), victim)

    def request(self, body: bytes, path: str = "messages") -> bytes:
        return self.authentication.request(self.victim, path, body)[0]

    def items(self, *items: Value) -> bytes:
        return self.request(encode([STATUS, list(items)]))

    def malformed(self) -> bytes:
        """Bytes that are no COSE message."""
        return self.random.randbytes(self.random.randint(0, 400))

    def foreign(self) -> bytes:
        """A well-signed request of another network."""
        nonce, now = self.random.randbytes(16), int(time.time())
        payload = encode([REQUEST_TAG, b"\7" * 32, self.keys.did, self.victim, now, nonce, "messages", b""])
        return sign1({}, payload, self.signer)

    def forged(self) -> bytes:
        """A request in another participant's name."""
        stranger = SeedSigner(f"{VALIDATORS[0].did}#transport-1", b"\1" * 32)
        network_id, history = self.genesis.network_id, self.genesis.history()
        named = PeerAuthentication(network_id, history, VALIDATORS[0].did, (stranger,))
        return named.request(self.victim, "messages", b"")[0]

    def oversized(self) -> bytes:
        return b"\xd2\x84" + bytes(PEER_BODY_BYTES_MAX)

    def replayed(self) -> bytes:
        """The same request again and again."""
        return self.replay

    def other_shapes(self) -> bytes:
        """Signed, for this node, and not what a node sends."""
        odd: list[Value] = [
            None,
            7,
            "x" * 1000,
            [],
            {1: 2},
            [[], []],
            [STATUS, [[99, b""]]],
            [STATUS, [[1, 2]]],
        ]
        return self.request(encode(self.random.choice(odd)))

    def garbage_items(self) -> bytes:
        """A signed batch of consensus messages that are none."""
        return self.items(*([ITEM_CONSENSUS, self.random.randbytes(200)] for _ in range(64)))

    def forged_votes(self) -> bytes:
        """A signed batch of votes in a validator's name, for the height that is next."""
        votes = (
            Vote(PREVOTE, 1, 0, -1, self.random.randbytes(32), VALIDATORS[0].did, self.random.randbytes(64))
            for _ in range(64)
        )
        return self.items(*([ITEM_CONSENSUS, vote.encode()] for vote in votes))

    def garbage_attestations(self) -> bytes:
        """A signed batch of attestations that are none."""
        return self.items(*([ITEM_ATTESTATION, self.random.randbytes(300)] for _ in range(64)))

    @property
    def kinds(self) -> dict[str, Callable[[], bytes]]:
        return {
            "malformed": self.malformed,
            "foreign": self.foreign,
            "forged": self.forged,
            "oversized": self.oversized,
            "replayed": self.replayed,
            "other shapes": self.other_shapes,
            "garbage items": self.garbage_items,
            "forged votes": self.forged_votes,
            "garbage attestations": self.garbage_attestations,
        }


@pytest.fixture
def victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Service, Attacker]]:
    """A validator in this process whose peers are away, and who attacks it; refusals are not slowed down."""
    monkeypatch.setattr("node.peers.strikes.LATE_S", 0.0)
    nodes = found(tmp_path, (*VALIDATORS, FLOODER))
    target = nodes["customs"]
    service = open_service(DataDirectory(target.data), PASSPHRASE, target.port)
    service.start()
    yield service, Attacker.of(nodes["flooder"].data, target.party.did)
    service.stop()


def test_hostile_messages_change_nothing_raise_nothing_and_are_counted(
    victim: tuple[Service, Attacker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of 900 hostile requests, of nine kinds, none raises anything but a refusal or changes height, log or pool,
    and /metrics counts every one of them.
    """
    monkeypatch.setattr("node.peers.strikes.STRIKES_PER_S", 0.0)  # however long this takes
    service, attacker = victim
    before = service.overview.status()
    service.peers.handle("messages", attacker.items())  # an honest one is heard
    with pytest.raises(ProblemError):
        service.peers.handle("messages", attacker.replay)  # its body is no batch

    refused, heard, judged = 1, 0, "comity_refused_malformed_total"
    for number in range(100):
        for kind, make in attacker.kinds.items():
            if kind == "oversized" and number > 3:
                continue
            try:
                service.peers.handle("messages", make())
                heard += 1  # a signed batch is judged item by item
            except ProblemError as problem:
                assert 400 <= problem.status < 500 or problem.status == 503, problem.document()
                refused += 1
    wait("the engine to judge what was heard", lambda: service.overview.metrics()[judged] > 0)

    after = service.overview.status()
    metrics = service.overview.metrics()
    for name in ("height", "round", "log", "pool", "outbox"):
        assert after[name] == before[name], name
    assert service.failure is None
    assert _counted(service, "comity_peer_refused_") == refused
    assert 0 < heard < 300  # once the engine has judged a few, its patience is at an end
    for name in (
        "comity_peer_refused_peer_not_authenticated_total",
        "comity_peer_refused_other_network_total",
        "comity_peer_refused_replayed_total",
        "comity_peer_refused_too_large_total",
        "comity_peer_refused_malformed_total",
        "comity_peer_refused_too_many_refused_total",
        judged,
    ):
        assert metrics[name] > 0, name


def _counted(service: Service, prefix: str) -> float:
    return float(sum(value for name, value in service.overview.metrics().items() if name.startswith(prefix)))


def test_the_inbox_is_bounded_per_sender() -> None:
    """
    One sender fills its own share of the inbox and nobody else's; what is taken out makes room again.
    """
    inbox: Inbox[int] = Inbox()
    for number in range(EVENTS_PER_SENDER_MAX):
        inbox.put("flooder", number)

    with pytest.raises(ProblemError, match="too many of your messages"):
        inbox.put("flooder", -1)
    with pytest.raises(ProblemError, match="too many of your messages"):
        inbox.put("other flooder", -1, size_bytes=17 * MIB)
    inbox.put("honest", 7)
    assert inbox.get(0) == 0
    inbox.put("flooder", 8)

    assert len(inbox) == EVENTS_PER_SENDER_MAX + 1


def test_votes_pass_batches_and_batches_have_their_turn() -> None:
    """
    What is patient waits for what is not, in order, and still has its turn while others never stop.
    """
    inbox: Inbox[str] = Inbox()
    for name in ("batch 1", "batch 2"):
        inbox.put("maker", name, patient=True)
    inbox.put("maker", "vote")

    assert [inbox.get(0) for _ in range(4)] == ["vote", "batch 1", "batch 2", None]
    inbox.put("maker", "batch 3", patient=True)
    for _ in range(2 * URGENT_IN_ROW_MAX):
        inbox.put("flooder", "vote")
    taken = [inbox.get(0) for _ in range(2 * URGENT_IN_ROW_MAX + 1)]

    assert taken.index("batch 3") <= URGENT_IN_ROW_MAX + 1
    assert len(inbox) == 0


def test_each_turn_of_what_is_patient_is_as_long_in_coming_as_the_one_before() -> None:
    """
    Between two of them URGENT_IN_ROW_MAX others pass, whether the first turn was waited for or not.
    """
    inbox: Inbox[str] = Inbox()
    for name in ("batch 1", "batch 2", "batch 3"):
        inbox.put("maker", name, patient=True)
    for _ in range(3 * URGENT_IN_ROW_MAX):
        inbox.put("flooder", "vote")
    taken = [inbox.get(0) for _ in range(3 * URGENT_IN_ROW_MAX + 3)]

    turns = [place for place, event in enumerate(taken) if event != "vote"]
    assert turns == [URGENT_IN_ROW_MAX * (n + 1) + n for n in range(3)]


def test_patience_ends_and_comes_back() -> None:
    """
    A sender is refused after STRIKES_MAX strikes, others are not, and time gives it another chance.
    """
    now = [0.0]
    patience = Patience(lambda: now[0])

    for _ in range(STRIKES_MAX + 1):
        assert not patience.exhausted("flooder")
        patience.strike("flooder")

    assert patience.exhausted("flooder")
    assert not patience.exhausted("honest")
    now[0] += 1.0
    assert not patience.exhausted("flooder")


# -- measured -----------------------------------------------------------------------------------------------

FLOOD_S = 10.0
THREADS = 4
CPU_SHARE_MAX = 0.10
MEMORY_BYTES_MAX = 48 * MIB
FINALITY_S_MAX = 3.0


def _cpu_s(node: Node) -> float:
    assert node.process is not None
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_bytes(node: Node) -> int:
    assert node.process is not None
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def _metrics(node: Node) -> dict[str, float]:
    text = str(node.request("GET", "/metrics", accept="text/plain")[1])
    rows = (line.split(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in rows}


def _work(maker: Node, first: int, seconds: float) -> list[float]:
    """Attest about ten a second, one by one; seconds to finality of each."""
    took: list[float] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        started = time.monotonic()
        body = {
            "event": "battery.produced",
            "battery": f"ZZ1PE75QH00001G61{first + len(took):07d}",
            "members": {"production_date": "2026-06-01", "category": "ev"},
        }
        digest = maker.post("/attestations", body)["digest"]
        while maker.get(f"/attestations/{digest}")["state"] != "admitted":
            assert time.monotonic() - started < 20, "finality stopped"
            time.sleep(0.01)
        took.append(time.monotonic() - started)
        time.sleep(0.05)
    return took


@pytest.mark.check
def test_a_flood_costs_the_victim_little(tmp_path: Path) -> None:
    """
    A participant floods one validator on four connections with nine kinds of hostile messages: refusing them
    takes at most 10 % of the victim's CPU seconds, memory stays, finality goes on.
    """
    nodes = found(tmp_path, (*VALIDATORS, FLOODER))
    running = [nodes[party.name] for party in VALIDATORS]
    target, maker = nodes["customs"], nodes["maker"]
    try:
        for node in running:
            node.start()
        for node in running:
            node.wait_ready()
        _work(maker, 1, 2.0)  # warms up
        cpu = _cpu_s(target)
        calm = _work(maker, 1000, FLOOD_S)
        calm_cpu_s = _cpu_s(target) - cpu

        stop, answers = threading.Event(), list[tuple[str, int]]()
        threads = [
            threading.Thread(target=_flood, args=(nodes["flooder"].data, target, stop, answers, number))
            for number in range(THREADS)
        ]
        memory, cpu, metrics = _memory_bytes(target), _cpu_s(target), _metrics(target)
        for thread in threads:
            thread.start()
        try:
            flooded = _work(maker, 2000, FLOOD_S)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        flood_cpu_s = _cpu_s(target) - cpu
        grown, counted = _memory_bytes(target) - memory, _metrics(target)
        share = (flood_cpu_s - calm_cpu_s * len(flooded) / len(calm)) / FLOOD_S
        refused = sum(
            counted[name] - metrics.get(name, 0.0)
            for name in counted
            if name.startswith("comity_peer_refused_")
        )
        items = sum(
            counted[name] - metrics.get(name, 0.0) for name in counted if name.startswith("comity_refused_")
        )
    finally:
        for node in running:
            node.stop()
    print(
        f"flood of {FLOOD_S:.0f} s, {THREADS} connections: {len(answers)} requests, {refused:.0f} refused at "
        f"the edge, {items:.0f} messages refused behind it; victim's CPU {flood_cpu_s:.2f} s with, "
        f"{calm_cpu_s:.2f} s without: refusing took {share * 100:.1f} % of a core; memory "
        f"{grown / MIB:+.1f} MiB; finality {max(flooded):.2f} s at most under the flood, "
        f"{max(calm):.2f} s without"
    )

    assert refused > 50
    assert items > 0
    assert share <= CPU_SHARE_MAX
    assert grown < MEMORY_BYTES_MAX
    assert max(flooded) < FINALITY_S_MAX
    assert {kind for kind, status in answers if status >= 400} >= {"malformed", "foreign", "replayed"}


def _flood(
    data: Path, target: Node, stop: threading.Event, answers: list[tuple[str, int]], number: int
) -> None:
    """Send as fast as one connection answers."""
    attacker = Attacker.of(data, target.party.did)
    attacker.random.seed(number)
    pool = urllib3.PoolManager(maxsize=1, retries=False)
    while not stop.is_set():
        for kind, make in attacker.kinds.items():
            if stop.is_set():
                break
            try:
                answer = pool.request("POST", f"{target.url}/peer/messages", body=make(), timeout=10)
                answers.append((kind, answer.status))
            except urllib3.exceptions.HTTPError:
                answers.append((kind, 0))


def test_a_peer_that_was_never_heard_is_shown_by_name_and_as_out_of_reach(
    victim: tuple[Service, Attacker],
) -> None:
    """
    /status names every other participant with its jurisdiction; none is called reachable before it answered.
    """
    service, _ = victim

    shown = {peer["did"]: peer for peer in service.overview.status()["peers"]}

    others = [party for party in (*VALIDATORS, FLOODER) if party.did != service.overview.did]
    assert {did: (p["name"], p["jurisdiction"]) for did, p in shown.items()} == {
        party.did: (party.name, party.jurisdiction) for party in others
    }
    assert {peer["reachable"] for peer in shown.values()} == {False}
    assert {peer["last_seen"] for peer in shown.values()} == {None}
