"""The door of peers, each of its answers and refusals whole: who is asked, with what, and what is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import pytest

from consensus.cose import sign1
from consensus.encoding import INTEGER_MAX, Value, decode, encode
from consensus.events import AttestationReceived, BlocksReceived, MessageReceived, PeerHeight
from credentials.ledger.genesis import Genesis
from node.errors import ProblemError
from node.ledger import inbox as inboxes
from node.ledger.engine_condition import Watch
from node.ledger.inbox import EVENTS_PER_SENDER_MAX, Inbox
from node.ledger.intake import RECENT_S, AttestationBatch, CheckpointItem, Intake
from node.peers import authentication as authentications
from node.peers.authentication import REQUEST_TAG, WINDOW_S, PeerAuthentication
from node.peers.gossip import Gossip
from node.peers.messages import BLOCKS_BYTES_MAX, BLOCKS_PER_REQUEST, Status
from node.peers.sealing import Sealing
from node.server.connections import Rank
from node.use_cases.peers import PeerDoor
from tests.harness import ledger

NOW = ledger.CREATED + 100
OWN_STATUS: Status = (b"own", 30, 4, 5)
THEIRS: list[Value] = [b"theirs", 7, 9, 8]
ATTESTATION: list[Value] = [2, b"an attestation"]


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return ledger.make_genesis()


def without(genesis: Genesis, did: str, since: int = NOW - 10) -> Any:
    """A history in which a participant leaves by block 4."""
    history, parties = genesis.history(), genesis.governance.participants
    history.enact(
        5, replace(genesis.governance, participants={**parties, did: replace(parties[did], left=since)})
    )
    for height in range(1, 6):
        history.advance(height)
    return history


def peer(genesis: Genesis, did: str, now: int = NOW, history: Any = None, **more: Any) -> PeerAuthentication:
    keys = (ledger.signer(did, "transport"),)
    history = history or genesis.history()
    return PeerAuthentication(genesis.network_id, history, did, keys, now=lambda: now, **more)


# -- who is heard -------------------------------------------------------------------------------------


def forged(genesis: Genesis, **changes: Any) -> bytes:
    """A request of MAKER to CUSTOMS of which some members are others, signed by MAKER all the same."""
    signer = ledger.signer(ledger.MAKER, "transport")
    reader = ledger.signer(ledger.CUSTOMS, "transport").public_key
    members = {
        "tag": REQUEST_TAG, "network": genesis.network_id, "sender": ledger.MAKER, "receiver": ledger.CUSTOMS,
        "sent": NOW, "nonce": b"n" * 16, "path": "status",
        "sealed": Sealing(signer.seed).seal(reader, b"body"),
    }  # fmt: skip
    return sign1({}, encode(list((members | changes).values())), signer)


NOT_AUTHENTICATED = (401, "peer_not_authenticated", "Not authenticated")
FORGED: list[tuple[dict[str, Any], tuple[int, str, str], str]] = [
    *(
        ({name: value}, NOT_AUTHENTICATED, "this is not a peer request")
        for name, value in {
            "tag": "comity/peer-reply/v1", "network": "text", "sender": b"bytes", "receiver": 7, "sent": True,
            "nonce": b"n" * 15, "path": b"status", "sealed": "text",
        }.items()
    ),
    ({"sent": "now"}, NOT_AUTHENTICATED, "this is not a peer request"),
    ({"nonce": b"n" * 17}, NOT_AUTHENTICATED, "this is not a peer request"),
    ({"more": 1}, NOT_AUTHENTICATED, "this is not a peer request"),
    (
        {"sender": "did:web:stranger.example"},
        NOT_AUTHENTICATED,
        "did:web:stranger.example is not a participant of this network",
    ),
    (
        {"receiver": ledger.IMPORTER},
        (403, "wrong_receiver", "Not allowed"),
        f"the request is for {ledger.IMPORTER}, this node is {ledger.CUSTOMS}",
    ),
    (
        {"path": "messages"},
        NOT_AUTHENTICATED,
        "the request was signed for /peer/messages, it came to /peer/status",
    ),
    (
        {"sealed": b"clear"},
        NOT_AUTHENTICATED,
        "the peer request cannot be read: it is not sealed for this node by its sender",
    ),
    *(
        (
            {"sent": NOW + off},
            NOT_AUTHENTICATED,
            f"the request's time is more than {WINDOW_S} s from this node's clock",
        )
        for off in (-WINDOW_S - 1, WINDOW_S + 1)
    ),
    (
        {"sender": ledger.IMPORTER},
        NOT_AUTHENTICATED,
        f"the request is not signed by the transport key of {ledger.IMPORTER}",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "head", "detail"), FORGED)
def test_a_request_that_is_false_in_one_member_is_refused_in_these_words(
    genesis: Genesis, changes: dict[str, Any], head: tuple[int, str, str], detail: str
) -> None:
    """
    Status, code, title and sentence, of each member; at the edge of the window it is heard, and once only.
    """
    customs = peer(genesis, ledger.CUSTOMS)
    with pytest.raises(ProblemError) as refused:
        customs.open_request(forged(genesis, **changes), "status")
    assert told(refused.value) == (*head, detail)

    for off in (-WINDOW_S, WINDOW_S):
        data = forged(genesis, sent=NOW + off, nonce=off.to_bytes(16, "big", signed=True))
        assert customs.open_request(data, "status")[::2] == (ledger.MAKER, b"body")
        with pytest.raises(ProblemError) as refused:
            customs.open_request(data, "status")
        again = (401, "replayed", "Not authenticated", "this request was received before")
        assert told(refused.value) == again


def told(error: ProblemError) -> tuple[int, str, str, str]:
    return error.status, error.code, error.title, error.detail


def test_so_many_requests_of_one_are_remembered_for_four_minutes(
    genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One more is told to come again; who else asks has a share of its own, and time gives the place back.
    """
    monkeypatch.setattr(authentications, "NONCES_PER_SENDER_MAX", 2)
    passed = [0.0]
    customs = peer(genesis, ledger.CUSTOMS, passed=lambda: passed[0])
    maker, importer = peer(genesis, ledger.MAKER), peer(genesis, ledger.IMPORTER)

    def ask(who: PeerAuthentication) -> None:
        customs.open_request(who.request(ledger.CUSTOMS, "status", b"")[0], "status")

    ask(maker)
    passed[0] = 1.0
    ask(maker)
    for moment in (1.0, 2 * WINDOW_S - 0.5):
        passed[0] = moment
        with pytest.raises(ProblemError) as refused:
            ask(maker)
        busy = (503, "busy", "Come again", "too many of your requests in four minutes")
        assert told(refused.value) == busy
    ask(importer)
    passed[0] = 2.0 * WINDOW_S
    ask(maker)
    with pytest.raises(ProblemError, match="too many of your requests"):
        ask(maker)


@pytest.mark.parametrize("what", ["another peer", "another request", "too old", "unsealed"])
def test_a_reply_is_of_who_was_asked_to_what_was_asked(genesis: Genesis, what: str) -> None:
    """
    Anything else is refused with its sentence, and the right one is read.
    """
    maker, customs = peer(genesis, ledger.MAKER), peer(genesis, ledger.CUSTOMS)
    data, nonce = maker.request(ledger.CUSTOMS, "status", b"?")
    reply = customs.reply(*customs.open_request(data, "status")[:2], "status", b"!")
    assert maker.open_reply(reply, "status", ledger.CUSTOMS, nonce) == b"!"

    asked, other = ledger.CUSTOMS, "the reply is of another peer or to another request"
    match what:
        case "another peer":
            asked, says = ledger.IMPORTER, other
        case "another request":
            nonce, says = b"m" * 16, other
        case "too old":
            maker, says = peer(genesis, ledger.MAKER, NOW + WINDOW_S + 1), "the request's time is more than"
        case _:
            reply, says = data, "this is not a peer request"
    with pytest.raises(ProblemError) as refused:
        maker.open_reply(reply, "status", asked, nonce)
    assert told(refused.value)[:3] == NOT_AUTHENTICATED and refused.value.detail.startswith(says)


# -- what is answered ---------------------------------------------------------------------------------


@dataclass
class Node:
    """All that the door asks, in order."""

    acts: list[tuple[Any, ...]] = field(default_factory=list)
    giving: Any = None
    height: int = 2  # of the last block that is pruned
    pruned: Any = None

    def __post_init__(self) -> None:
        self.giving = self.pruned = self

    def peer_items(self, sender: str, items: list[Value]) -> None:
        self.acts.append(("items", sender, items))

    def peer_status(self, sender: str, status: Status) -> None:
        self.acts.append(("status", sender, status))

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None:
        raise AssertionError("nobody was asked for blocks")

    def status(self) -> Status:
        return OWN_STATUS

    def blocks(self, start: int, count: int, size_bytes_max: int) -> list[tuple[bytes, bytes]]:
        self.acts.append(("blocks", start, count, size_bytes_max))
        return [(b"block %d" % n, b"certificate") for n in range(start, start + count)]

    def answer_peer(self, sender: str, content: bytes) -> bytes:
        self.acts.append(("documents", sender, content))
        return b"documents"

    def answer(self, content: bytes) -> bytes:
        self.acts.append(("snapshot", content))
        return b"snapshot"

    def hello(self, body: bytes) -> bytes:
        self.acts.append(("hello", body))
        return b"welcome"

    def give_key(self, sender: str) -> bytes:
        self.acts.append(("joining", sender))
        return b"key"


OWN_WORD = encode(list(OWN_STATUS))
LAST_WORD = encode([b"own", 4, 4, 5])
BLOCKS = encode([[b"block 3", b"certificate"], [b"block 4", b"certificate"]])
MESSAGES = encode([THEIRS, [ATTESTATION, [1, b"vote"], ATTESTATION, 7]])
ANSWERED: list[tuple[str, bytes, bytes, list[tuple[Any, ...]], int]] = [
    ("status", encode(THEIRS), OWN_WORD, [("status", ledger.MAKER, tuple(THEIRS))], 0),
    (
        "messages",
        MESSAGES,
        OWN_WORD,
        [
            ("items", ledger.MAKER, [ATTESTATION, [1, b"vote"], ATTESTATION, 7]),
            ("status", ledger.MAKER, tuple(THEIRS)),
        ],
        2,
    ),
    ("blocks", encode([3, 2]), BLOCKS, [("blocks", 3, 2, BLOCKS_BYTES_MAX)], 0),
    ("documents", b"{}", b"documents", [("documents", ledger.MAKER, b"{}")], 0),
    ("snapshot", b"which", b"snapshot", [("snapshot", b"which")], 0),
    ("joining", b"", b"key", [("joining", ledger.MAKER)], 0),
]


def asked(
    genesis: Genesis, path: str, content: bytes, *, by: str = ledger.MAKER, history: Any = None
) -> tuple[bytes, Node, tuple[str, Rank]]:
    """What CUSTOMS answers, whom that node asked for it, and as what the asker was served."""
    asker, node = peer(genesis, by), Node()
    gossip = Gossip(peer(genesis, ledger.CUSTOMS, history=history), {}, node, poll_s=1)
    parts: Any = node
    door = PeerDoor(gossip, parts, parts, parts, parts, welcome=parts, oversight=(parts, parts, parts, parts))
    data, nonce = asker.request(ledger.CUSTOMS, path, content)
    answer = door.handle(path, data)
    return asker.open_reply(answer.body, path, ledger.CUSTOMS, nonce), node, (answer.sender, answer.rank)


@pytest.mark.parametrize(("path", "content", "answer", "acts", "attestations"), ANSWERED)
def test_each_path_is_answered_by_whoever_holds_the_answer(  # noqa: PLR0917  (a row of the table)
    genesis: Genesis,
    path: str,
    content: bytes,
    answer: bytes,
    acts: list[tuple[Any, ...]],
    attestations: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    With what was asked, by whom; attestations that others pass on are counted in the log.
    """
    found, node, who = asked(genesis, path, content)

    rank = Rank.VOTES if genesis.governance.votes(ledger.MAKER) else Rank.TAKES_PART
    assert (found, node.acts, who) == (answer, acts, (ledger.MAKER, rank))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    logged = [(line["peer"], line["attestations"]) for line in lines if line["at"] == "gossip"]
    assert logged == ([(ledger.MAKER, attestations)] if attestations else [])


@pytest.mark.parametrize(
    ("path", "content", "answer", "acts"),
    [
        ("status", encode(THEIRS), LAST_WORD, []),
        ("messages", MESSAGES, LAST_WORD, []),
        ("blocks", encode([3, 9]), BLOCKS, [("blocks", 3, 2, BLOCKS_BYTES_MAX)]),
        (
            "blocks",
            encode([4, 1]),
            encode([[b"block 4", b"certificate"]]),
            [("blocks", 4, 1, BLOCKS_BYTES_MAX)],
        ),
        ("blocks", encode([5, 1]), encode([]), [("blocks", 5, 0, BLOCKS_BYTES_MAX)]),
        ("blocks", encode([9, 1]), encode([]), [("blocks", 9, 0, BLOCKS_BYTES_MAX)]),
    ],
)
def test_who_left_is_answered_up_to_the_block_that_says_so(
    genesis: Genesis, path: str, content: bytes, answer: bytes, acts: list[tuple[Any, ...]]
) -> None:
    """
    What it says is passed over, and nothing later is told to it.
    """
    found, node, who = asked(
        genesis, path, content, by=ledger.IMPORTER, history=without(genesis, ledger.IMPORTER)
    )

    assert (found, node.acts, who) == (answer, acts, (ledger.IMPORTER, Rank.TAKES_PART))


def test_of_what_is_pruned_the_way_to_it_is_told(genesis: Genesis) -> None:
    """
    Who agreed to a block that is pruned is not known here any more: the answer says from which block on it
    is, and who may know; it costs nobody a strike.
    """
    for start in (1, 2):
        with pytest.raises(ProblemError) as refused:
            asked(genesis, "blocks", encode([start, 9]))
        assert told(refused.value) == (
            404,
            "blocks_pruned",
            "Not found",
            "this node shows who agreed to a block from 3 on: ask a participant whose node prunes nothing "
            "(no keep.blocks in its node.toml), or take a snapshot over (`comity rebuild --from URL`)",
        )


@pytest.mark.parametrize("path", ["documents", "snapshot", "joining"])
def test_who_left_is_answered_nothing_else(genesis: Genesis, path: str) -> None:
    """
    No document, no snapshot, no key; nor anything once a week has passed.
    """
    late = without(genesis, ledger.IMPORTER, NOW - authentications.PARTING_S)
    for history, asking in ((without(genesis, ledger.IMPORTER), path), (late, "status")):
        with pytest.raises(ProblemError) as refused:
            asked(genesis, asking, encode(THEIRS), by=ledger.IMPORTER, history=history)
        says = f"the request is not signed by the transport key of {ledger.IMPORTER}"
        assert told(refused.value) == (*NOT_AUTHENTICATED, says)


def test_what_the_door_refuses_costs_a_strike_or_none(
    genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    `hello` needs no signature; bytes that are none, or too many, are refused, counted, and cost who signed
    them a strike, as an unknown path and a full inbox do not.
    """
    maker, node = peer(genesis, ledger.MAKER), Node()
    gossip = Gossip(peer(genesis, ledger.CUSTOMS), {}, node, poll_s=1)
    parts: Any = node
    door = PeerDoor(gossip, parts, parts, parts, parts, welcome=parts, oversight=(parts, parts, parts, parts))
    struck: list[str] = []
    monkeypatch.setattr(gossip.patience, "strike", struck.append)
    assert (door.handle("hello", b"who").body, node.acts) == (b"welcome", [("hello", b"who")])
    assert (door.handle("hello", b"").sender, struck) == ("", [])

    form = f"blocks are asked for by [height, 1 to {BLOCKS_PER_REQUEST}]"
    rows = [
        ("messages", encode([THEIRS]), 400, "messages are [status, [item, ...]]", True),
        ("blocks", encode([3, BLOCKS_PER_REQUEST + 1]), 400, form, True),
        ("blocks", encode([3, 0]), 400, form, True),
        ("status", b"\xff", 400, "", True),
        ("status", encode([b"", 1, 2]), 401, "the status of the peer cannot be read", True),
        (
            "nowhere",
            b"",
            404,
            "peers ask for status, messages, blocks, documents, snapshot, engine, joining, "
            "attempts, cases, alerts and set-requests",
            False,
        ),
    ]
    for path, content, status, says, costs in rows:
        struck.clear()
        with pytest.raises(ProblemError) as refused:
            door.handle(path, maker.request(ledger.CUSTOMS, path, content)[0])
        assert (refused.value.status, struck) == (status, [ledger.MAKER] if costs else [])
        assert refused.value.detail == says if says else refused.value.detail
    with pytest.raises(ProblemError) as refused:
        door.refuse_large()
    codes = {"malformed": 4, "peer_not_authenticated": 1, "no_such_page": 1, "too_large": 1}
    assert (refused.value.status, dict(gossip.refused)) == (413, codes)
    assert decode(door._peer_status(INTEGER_MAX)) == list(OWN_STATUS)


# -- what goes on to the engine -----------------------------------------------------------------------


def drained(intake: Intake) -> list[Any]:
    found = []
    while (event := intake.inbox.get(0)) is not None:
        found.append(event)
    return found


COSIGNATURE: list[Value] = [3, 9, b"root", "log", "line"]


def test_each_item_of_a_batch_becomes_its_event_and_counts_what_it_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    In the order received, attestations last and together; one that is unknown, and none of them is taken.
    """
    heard: list[str] = []
    watch = Watch(lambda: 0.0, lambda: 0.0)
    monkeypatch.setattr(watch, "heard", heard.append)
    intake, batch = (
        Intake(watch),
        list[Value]([ATTESTATION, [1, b"vote"], COSIGNATURE, [5, "did:x"], [4, "note"]]),
    )
    sizes: list[tuple[list[Value], int]] = [
        (ATTESTATION, 14),
        ([1, b"vote"], 4),
        (COSIGNATURE, 11),
        ([5, "did:x"], 5),
        ([4, "note"], 4),
    ]
    for item, size in sizes:
        one = Intake(watch)
        one.items("a", [item])
        assert (one.inbox._size_bytes, one.inbox._events) == (size, 1)
    one.submit(b"attestation")
    one.blocks("a", [(b"block", b"cert"), (b"b", b"c")])
    assert (one.inbox._size_bytes, one.inbox.waiting_of("")) == (4 + 11 + 11, 1)

    heard.clear()
    intake.items("a", batch)
    data = b"an attestation"
    digest = sha256(data).digest()
    events = [
        MessageReceived("a", b"vote"),
        CheckpointItem("cosignature", "a", (9, b"root", "log", "line")),
        CheckpointItem("ask", "a", ("did:x",)),
        CheckpointItem("note", "a", ("note",)),
        AttestationBatch("a", [(data, digest)]),
    ]
    assert (drained(intake), heard) == (events, ["a"])
    intake.submit(data)
    intake.blocks("b", [(b"block", b"certificate")])
    own = AttestationReceived(data, digest)
    assert drained(intake) == [own, BlocksReceived("b", [(b"block", b"certificate")])]
    for wrong in ([6, "x"], [1, "vote"], [2, "text"], [3, True, b"root", "log", "line"], [4, b"note"], 7):
        with pytest.raises(ProblemError) as refused:
            intake.items("a", [[1, b"vote"], wrong])
        says = "an item of the batch is not one this node knows"
        assert (refused.value.status, refused.value.code, refused.value.detail) == (400, "malformed", says)
    assert drained(intake) == []


@pytest.mark.parametrize(
    ("cosigned", "log_size", "lacks"),
    [(4, 9, True), (5, 9, False), (4, 5, True), (4, 4, False), (9, 9, False)],
)
def test_a_status_is_heard_and_says_what_its_peer_lacks(
    cosigned: int, log_size: int, lacks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The own checkpoint, where it is of entries that the peer has; and while much of its own waits, nothing.
    """
    heard: list[str] = []
    watch = Watch(lambda: 0.0, lambda: 0.0)
    monkeypatch.setattr(watch, "heard", heard.append)
    intake, status = Intake(watch), (b"replica", 7, log_size, cosigned)
    intake.status("a", status, 5)
    more = [CheckpointItem("lacks", "a", (cosigned,))] if lacks else []
    assert intake.inbox._size_bytes == len(b"replica")
    assert drained(intake) == [PeerHeight("a", 7), MessageReceived("a", b"replica"), *more]

    intake.inbox.put("a", MessageReceived("a", b""), count=EVENTS_PER_SENDER_MAX // 2)
    intake.status("a", status, 0)
    assert len(drained(intake)) == 3
    intake.inbox.put("a", MessageReceived("a", b""), count=EVENTS_PER_SENDER_MAX // 2 + 1)
    intake.status("a", status, 5)
    assert (len(drained(intake)), heard) == (1, ["a", "a", "a"])


def test_an_attestation_that_was_not_taken_in_may_come_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One that was taken in may after two seconds, and not before.
    """
    clock = [100.0]
    monkeypatch.setattr("node.ledger.intake.time.monotonic", lambda: clock[0])
    intake = Intake(Watch(lambda: 0.0, lambda: 0.0))
    intake.inbox.put("a", MessageReceived("a", b""), count=EVENTS_PER_SENDER_MAX)
    with pytest.raises(ProblemError):
        intake.items("a", [ATTESTATION])
    drained(intake)
    for moment, taken in ((100.0, 1), (100.0, 0), (100.0 + RECENT_S - 0.1, 0), (100.0 + RECENT_S, 1)):
        clock[0] = moment
        intake.items("a", [ATTESTATION, ATTESTATION])
        batches = drained(intake)
        assert [len(batch.attestations) for batch in batches] == [1] * taken


@pytest.mark.parametrize("patient", [False, True])
def test_an_inbox_is_full_at_its_bounds_and_not_before(patient: bool) -> None:
    """
    Events and bytes, of the whole, of one sender and of who has little waiting: each to the last.
    """
    rows = [
        ("a", inboxes.EVENTS_PER_SENDER_MAX, 0),
        ("b", inboxes.EVENTS_PER_SENDER_MAX, inboxes.SIZE_BYTES_PER_SENDER_MAX),
        ("c", inboxes.EVENTS_PER_SENDER_MAX, inboxes.SIZE_BYTES_PER_SENDER_MAX),
        ("d", inboxes.EVENTS_MAX - 3 * inboxes.EVENTS_PER_SENDER_MAX, 0),
    ]
    inbox = Inbox[str]()
    for sender, count, size in rows:
        inbox.put(sender, sender, count=count, size_bytes=size, patient=patient)
    for sender in "abc":
        with pytest.raises(ProblemError, match="inbox is full"):
            inbox.put(sender, "more", patient=patient)
    inbox.put("e", "few", count=inboxes.EVENTS_FLOOR, patient=patient)
    with pytest.raises(ProblemError, match="inbox is full"):
        inbox.put("e", "one more", patient=patient)
    assert len(inbox) == inboxes.EVENTS_MAX + inboxes.EVENTS_FLOOR
    assert [inbox.get(0) for _ in range(6)] == ["a", "b", "c", "d", "few", None]
    assert (len(inbox), inbox._size_bytes, inbox._shares) == (0, 0, {})
