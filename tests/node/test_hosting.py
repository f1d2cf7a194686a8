"""A participant on another's node: what its host passes on, and what that host cannot do (mailboxes.py)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from consensus.encoding import Value, decode, encode
from credentials.ledger.genesis import Genesis
from node.errors import ProblemError, SetupError
from node.named_files import write_own
from node.peers.authentication import PeerAuthentication
from node.peers.collecting import ANSWERS_BYTES_MAX, Collecting
from node.peers.gossip import Gossip
from node.peers.mailboxes import (
    ANSWERED_S_MAX,
    ASKED_MAX,
    AWAY_S,
    OF_SENDER_MAX,
    REQUEST_BYTES_MAX,
    Mailboxes,
    waited,
)
from node.server.exchange import PeerAnswer
from node.settings import Settings
from node.use_cases.peers import PeerDoor
from tests.harness import ledger
from tests.node.test_peers_door import OWN_WORD, Node, peer

HOST, FIRM, ASKER = ledger.CUSTOMS, ledger.IMPORTER, ledger.MAKER


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return ledger.make_genesis()


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Between:
    """Three doors and nothing between them: the host's, the hosted firm's own, and whoever asks."""

    def __init__(self, genesis: Genesis, hosted: tuple[str, ...] = (FIRM,)) -> None:
        self.clock = Clock()
        self.mailboxes = Mailboxes(hosted, passed=self.clock)
        self.nodes = {did: Node() for did in (HOST, FIRM)}
        self.speakers = {did: peer(genesis, did) for did in (HOST, FIRM, ASKER)}
        self.gossips = {
            did: Gossip(self.speakers[did], {}, self.nodes[did], poll_s=1) for did in (HOST, FIRM)
        }
        self.host = self._door(HOST, self.mailboxes)
        self.firm = self._door(FIRM, None)

    def _door(self, did: str, mailboxes: Mailboxes | None) -> PeerDoor:
        parts: Any = self.nodes[did]
        four: Any = (parts, parts, parts, parts)
        return PeerDoor(
            self.gossips[did], parts, parts, parts, parts, welcome=parts, oversight=four, mailboxes=mailboxes
        )

    @property
    def asker(self) -> PeerAuthentication:
        return self.speakers[ASKER]

    def ask(self, path: str = "documents", body: bytes = b"{}") -> tuple[PeerAnswer, bytes]:
        data, nonce = self.asker.request(FIRM, path, body)
        return self.host.handle(path, data), nonce

    def collect(self, answers: list[Value] | None = None, by: str = FIRM) -> list[Any]:
        """What a participant collects at the host."""
        speaker = self.speakers[by]
        data, nonce = speaker.request(HOST, "collect", encode(answers or []))
        body = speaker.open_reply(self.host.handle("collect", data).body, "collect", HOST, nonce)
        found = decode(body)
        assert isinstance(found, list)
        return found


@pytest.fixture
def between(genesis: Genesis) -> Between:
    made = Between(genesis)
    made.collect()
    return made


def later(answer: PeerAnswer) -> bytes:
    assert answer.later is not None and answer.later.done()
    return waited(answer.later)


def test_what_is_asked_of_a_hosted_participant_is_answered_by_it_alone(between: Between) -> None:
    """
    The host hands over what came, as it came; the firm's own door opens it and signs the answer.
    """
    answer, nonce = between.ask()
    ((number, path, request),) = between.collect()
    signed = between.firm.handle(path, request).body
    assert between.collect([[number, 200, signed]]) == []

    assert between.asker.open_reply(later(answer), "documents", FIRM, nonce) == b"documents"
    assert between.nodes[FIRM].acts == [("documents", ASKER, b"{}")]
    assert between.nodes[HOST].acts == [] and answer.sender == ASKER


def test_a_host_can_neither_read_nor_answer_nor_alter(between: Between) -> None:
    """
    A request is sealed to the firm; an answer that the host signs, or changes by a bit, is taken by nobody.
    """
    data, nonce = between.asker.request(FIRM, "documents", b"which sets")
    with pytest.raises(ProblemError, match="is for did:web:importer"):
        between.gossips[HOST].open("documents", data)
    assert b"which sets" not in data

    _, echoed, _ = between.speakers[FIRM].open_request(data, "documents")
    honest = between.speakers[FIRM].reply(ASKER, echoed, "documents", b"set 2")
    assert b"set 2" not in honest
    own = between.speakers[HOST].reply(ASKER, nonce, "documents", b"another set 2")
    with pytest.raises(ProblemError, match="of another peer"):
        between.asker.open_reply(own, "documents", FIRM, nonce)
    for place in (10, len(honest) // 2, len(honest) - 1):
        altered = honest[:place] + bytes([honest[place] ^ 1]) + honest[place + 1 :]
        with pytest.raises(ProblemError):
            between.asker.open_reply(altered, "documents", FIRM, nonce)


def test_who_asks_is_known_and_heard_once(between: Between, genesis: Genesis) -> None:
    """
    What is passed on is signed by a participant, fresh, and not sent before; who forges is told so here.
    """
    data, _ = between.asker.request(FIRM, "documents", b"{}")
    between.host.handle("documents", data)
    stranger = PeerAuthentication(
        genesis.network_id,
        genesis.history(),
        ASKER,
        (ledger.signer(HOST, "transport"),),
        now=lambda: ledger.CREATED + 100,
    )
    forged, _ = stranger.request(FIRM, "documents", b"{}")
    for sent, says in ((data, "received before"), (forged, "not signed by"), (data[:-1], "cannot be read")):
        with pytest.raises(ProblemError, match=says):
            between.host.handle("documents", sent)
    with pytest.raises(ProblemError, match="was signed for /peer/documents"):
        between.host.handle("blocks", between.asker.request(FIRM, "documents", b"{}")[0])
    assert len(between.collect()) == 1


def test_whoever_is_away_is_said_to_be(genesis: Genesis) -> None:
    """
    Before it collects, and some seconds after it did last, nothing is kept for it; what it does not answer in
    time is told to whoever asked, and its late answer goes to nobody.
    """
    between = Between(genesis)
    with pytest.raises(ProblemError, match="does not answer now") as refused:
        between.ask()
    assert refused.value.status == 503

    between.collect()
    answer, _ = between.ask()
    ((number, path, request),) = between.collect()
    between.clock.now_s += ANSWERED_S_MAX + 1
    assert between.collect([[number, 200, between.firm.handle(path, request).body]]) == []
    assert answer.later is not None
    answer, _ = between.ask()
    between.clock.now_s += ANSWERED_S_MAX + 1
    assert between.collect() == []
    assert answer.later is not None and answer.later.cancelled()
    between.clock.now_s += AWAY_S + 1
    with pytest.raises(ProblemError, match="does not answer now"):
        between.ask()
    assert between.gossips[HOST].refused["hosted_away"] == 2


def test_what_waits_is_bounded_by_who_asks(between: Between) -> None:
    """
    So many requests of one sender, so many in all, each of so many bytes: more is a 503 and costs no strike.
    """
    for _ in range(OF_SENDER_MAX):
        between.ask()
    with pytest.raises(ProblemError, match="more is asked of") as refused:
        between.ask()
    assert (refused.value.status, refused.value.code) == (503, "busy")
    boxes = between.mailboxes
    for number in range(ASKED_MAX - OF_SENDER_MAX):
        boxes.put(FIRM, f"did:web:{number}.example", "status", b"")
    with pytest.raises(ProblemError, match="more is asked of"):
        boxes.put(FIRM, "did:web:another.example", "status", b"")
    assert len(between.collect()) == ASKED_MAX and between.collect() == [], "each is handed over once"
    between.clock.now_s += ANSWERED_S_MAX + 1
    with pytest.raises(ProblemError, match="more is asked of"):
        boxes.put(FIRM, ASKER, "status", bytes(REQUEST_BYTES_MAX + 1))


def test_only_who_is_hosted_collects(between: Between) -> None:
    """
    Nobody collects what is for another; answers of another shape are refused; a refusal of the firm is passed
    on in its words, as text and no more.
    """
    with pytest.raises(ProblemError, match="this node hosts no") as refused:
        between.collect(by=ASKER)
    assert refused.value.status == 403
    for wrong in ([[1, 200]], [[1, 302, b""]], [[1, "200", b""]], [1]):
        with pytest.raises(ProblemError, match="answers are"):
            between.collect(wrong)  # type: ignore[arg-type]
    answer, _ = between.ask()
    ((number, _, _),) = between.collect()
    between.collect([[number, 429, b'{"detail": "too many of your messages"}']])
    with pytest.raises(ProblemError, match="it answered: too many of your messages") as told:
        later(answer)
    assert told.value.status == 429


class Passing:
    """In the place of the way between the firm and its host."""

    def __init__(self, between: Between) -> None:
        self._between = between
        self.cut = False

    def request(self, did: str, path: str, body: bytes) -> bytes:
        if self.cut:
            raise ConnectionError("the cable is out")
        assert (did, path) == (HOST, "collect")
        return encode(self._between.collect(list(decode(body))))  # type: ignore[arg-type]


def test_a_firm_answers_by_itself_and_says_when_its_host_is_silent(
    between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its trade collects, answers and hands over; a request that its door refuses is answered with why; a host
    that does not answer for some seconds is told, and what was collected meanwhile goes to nobody.
    """
    way: Any = Passing(between)
    collecting = Collecting(HOST, way)
    collecting.answer_by(lambda path, request: between.firm.handle(path, request).body)
    monkeypatch.setattr(collecting, "_wait", lambda seconds: None)
    first, nonce = between.ask("status", encode([b"theirs", 7, 9, 8]))
    second, _ = between.ask("nowhere", b"")
    collecting.turn()
    collecting.turn()

    assert between.asker.open_reply(later(first), "status", FIRM, nonce) == OWN_WORD
    with pytest.raises(ProblemError, match="it answered: peers ask for"):
        later(second)
    assert collecting.silence_s() is None
    way.cut = True
    collecting._heard_s -= AWAY_S + 1
    collecting.turn()
    assert (collecting.silence_s() or 0) >= AWAY_S


def test_a_host_that_hands_over_too_much_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of a thousand requests at each turn as many are kept as an honest host has, and answers that are not
    handed over yet are never more than one body, and one answer.
    """

    class Way:
        def request(self, _did: str, _path: str, _body: bytes) -> bytes:
            rows: list[Value] = [[number, "documents", b"asked"] for number in range(1_000)]
            return encode(rows)

    way: Any = Way()
    collecting = Collecting(HOST, way)
    collecting.answer_by(lambda path, request: b"a" * (1 << 20))
    monkeypatch.setattr(collecting, "_wait", lambda seconds: None)
    for _ in range(3):
        collecting.turn()

        assert len(collecting._asked) <= ASKED_MAX
        assert sum(len(answer) for *_, answer in collecting._answers) <= ANSWERS_BYTES_MAX + (1 << 20)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('host = "host.example"', "host is the DID of a participant"),
        ("[hosting]\nparticipants = [7]", "hosting.participants is the DID of a participant"),
        ("[hosting]\nfirms = []", "the member hosting.firms is not known"),
        (
            "[hosting]\nparticipants = [" + ", ".join(f'"did:web:f{n}.example"' for n in range(65)) + "]",
            "has 65 of them, and at most 64 are hosted",
        ),
    ],
)
def test_a_setting_of_hosting_that_is_wrong_is_told(tmp_path: Path, text: str, says: str) -> None:
    """
    By its name, at the start.
    """
    path = tmp_path / "node.toml"
    write_own(path, text.encode())
    with pytest.raises(SetupError, match=re.escape(says)):
        Settings.read(path)


def test_who_is_hosted_and_who_hosts_are_read(tmp_path: Path) -> None:
    """
    Both are DIDs, one before any table.
    """
    path = tmp_path / "node.toml"
    write_own(path, f'host = "{HOST}"\n[hosting]\nparticipants = ["{FIRM}"]\n'.encode())
    settings = Settings.read(path)
    assert (settings.host, settings.hosting) == (HOST, frozenset({FIRM}))
