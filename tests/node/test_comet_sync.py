"""A newcomer under CometBFT takes a ledger over: what is offered, what is believed, whom it asks."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consensus.encoding import encode
from consensus.log_policy import LogPolicy
from consensus.types import Block
from credentials.ledger.genesis import Genesis
from node.errors import ProblemError, SetupError
from node.ledger import snapshot
from node.ledger.chain import tip_of
from node.ledger.comet import relay, settling, state_sync
from node.ledger.comet.handing import Handing
from node.ledger.comet.headers import Header, HeaderError, read_header, validators_hash
from node.ledger.comet.home import FOLDER, Home
from node.ledger.comet.proto.tendermint.abci import types_pb2 as abci
from node.ledger.comet.rpc import Rpc, RpcRefused
from node.ledger.comet.state_sync import Syncing, TrustedHeader
from node.ledger.shelf import Shelf
from node.ledger.snapshot_join import Known
from node.storage.ledger import LedgerStore
from tests.harness import ledger
from tests.harness.comet import Pair
from tests.harness.engines import founded_now
from tests.node.test_snapshot import _read

OFFERED, APPLIED = abci.ResponseOfferSnapshot.Result, abci.ResponseApplySnapshotChunk.Result
IDLE = 2  # blocks that did nothing, at the end of the ledger that is handed over


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return founded_now(validators=(ledger.MAKER,))


@pytest.fixture
def pair(genesis: Genesis, tmp_path: Path, socket_path: Path) -> Iterator[Pair]:
    """A ledger of two blocks that did something and two idle ones, and the shelf that hands it over."""
    made = Pair(genesis, tmp_path, socket_path)
    now = int(time.time())
    for number in (1, 2):
        made.comet.check(made.attestation(number))
        made.comet.decide(now + number)
    for _ in range(IDLE):
        made.comet.decide(now + 3, ())
    yield made
    made.stop()


@pytest.fixture
def shelf(pair: Pair, tmp_path: Path) -> Shelf:
    store = LedgerStore(tmp_path / "node" / "ledger.db", read_only=True)
    folder = tmp_path / "shelf"
    folder.mkdir()
    shelf = Shelf(lambda out, stop: snapshot.write(store, pair.genesis, out, stop), folder, store.log_size)
    assert shelf.offered(99) == []
    shelf.turn()
    store.close()
    pair.application.behind.handing.lending = shelf
    return shelf


class Chain:
    """The headers of CometBFT, as the application's pair has its blocks: each names the one before."""

    def __init__(self, pair: Pair) -> None:
        self.headers: dict[int, Header] = {}
        last = bytes(32)
        times = [(block.time, block.proposer) for block in pair.comet.blocks]
        for height, (moment, proposer) in enumerate((*times, (times[-1][0] + 1, times[-1][1])), 1):
            own = sha256(encode([height, moment, proposer, last])).digest()
            self.headers[height] = Header("", height, moment, last, b"", b"", proposer, own)
            last = own

    def header(self, height: int) -> Header:
        return self.headers[height]


class Joining:
    """A newcomer's part, without its node."""

    def __init__(self, pair: Pair, root: Path, header: Callable[[int], Header]) -> None:
        root.mkdir()
        self.root, self.home, self.renewed = root, Home(root / FOLDER), threading.Event()
        genesis = pair.genesis
        policy = LogPolicy.parse(genesis.governance.log_policy(genesis.origin))
        known = Known(genesis, policy, genesis.rule_files.get)
        TrustedHeader(1, bytes(32)).write(self.home)
        self.syncing = Syncing(self.home, root, known, header, heartbeat_s=1, renewed=self.renewed)
        self.app_hash = pair.comet.hashes[-1]

    def offer(self, data: bytes, **changes: Any) -> int:
        """The rows as CometBFT offers them, with the hash that its light client verified."""
        digests = sha256(data).digest()
        said: dict[str, Any] = {
            "height": 4,
            "format": 1,
            "chunks": 1,
            "hash": sha256(digests).digest(),
            "metadata": digests,
        }
        offered = abci.Snapshot(**said | changes)
        asked = abci.RequestOfferSnapshot(snapshot=offered, app_hash=self.app_hash)
        return int(self.syncing.offer(asked).result)

    def apply(self, data: bytes, index: int = 0) -> abci.ResponseApplySnapshotChunk | None:
        asked = abci.RequestApplySnapshotChunk(index=index, chunk=data, sender="a peer")
        return self.syncing.apply(asked)

    def take(self, data: bytes) -> int:
        assert self.offer(data) == OFFERED.ACCEPT
        assert self.apply(data) is None, "it is being looked at"
        self.syncing.turn()
        answer = self.apply(data)
        assert answer is not None
        return int(answer.result)

    def close(self) -> Path:
        ledger_db = self.root / "ledger.db"
        settling.settle(self.home, ledger_db)
        return ledger_db


def test_a_newcomer_goes_on_from_the_ledger_that_the_header_names(
    pair: Pair, shelf: Shelf, tmp_path: Path
) -> None:
    """
    Listed over the ABCI once two further blocks are there, and fetched in chunks; taken by somebody
    else. The first block after it is executed by the node that goes on from it.
    """
    ask = pair.comet.snapshot.ask
    assert not ask(list_snapshots=abci.RequestListSnapshots()).snapshots
    for _ in range(2):
        pair.comet.decide(int(time.time()) + 4, ())
    (offered,) = ask(list_snapshots=abci.RequestListSnapshots()).snapshots
    load = abci.RequestLoadSnapshotChunk(height=offered.height, format=offered.format, chunk=0)
    data = ask(load_snapshot_chunk=load).chunk
    load.chunk = 1
    assert not ask(load_snapshot_chunk=load).chunk, "there is one"
    refused = ask(offer_snapshot=abci.RequestOfferSnapshot(snapshot=offered))
    assert refused.result == OFFERED.ABORT, "who has a ledger takes none"

    chain = Chain(pair)
    joining = Joining(pair, tmp_path / "new", chain.header)
    asked = abci.RequestOfferSnapshot(snapshot=offered, app_hash=pair.comet.hashes[-1])
    assert joining.syncing.offer(asked).result == OFFERED.ACCEPT
    assert joining.take(data) == APPLIED.ACCEPT
    taken = joining.syncing.taken
    assert taken is not None and (taken.height, taken.carried.height) == (4, 2)
    assert taken.carried.hash == pair.comet.hashes[3]
    assert not joining.syncing.delivered(6, b""), "that is not the block after it"
    assert joining.syncing.delivered(5, chain.header(5).hash)
    joining.syncing.turn()

    assert joining.renewed.is_set() and TrustedHeader.read(joining.home) is not None
    store = LedgerStore(joining.close())
    assert TrustedHeader.read(joining.home) is not None, "for when its ledger is moved away"
    here = tip_of(store, pair.genesis)
    assert (here.height, here.block_id) == (4, pair.application.store.block_id(4))
    assert store.log_size() == 2 * 2 + IDLE
    store.close()


def rewritten(data: Path, change: Callable[[Block], Block]) -> bytes:
    """The rows with changed blocks, each of which names the changed one before it."""
    rows, last = _read(data), None
    for row in rows:
        if row[0] == "block":
            block = Block.decode(row[1])
            before = block.previous_id if last is None else last
            made = change(replace(block, previous_id=before))
            row[1], last = made.encode(), made.id
    return b"".join(len(row).to_bytes(4, "big") + row for row in map(encode, rows))


def other_proposer(height: int) -> Callable[[Block], Block]:
    return lambda b: replace(b, proposer=ledger.CUSTOMS) if b.height == height else b


ALTERED: dict[str, tuple[Callable[[Block], Block], str]] = {
    "who proposed an old block": (other_proposer(1), "names another chain of blocks"),
    "who proposed the last that did something": (other_proposer(2), "names another chain of blocks"),
    "what it was made of": (
        lambda b: replace(b, attestations=()) if b.height == 1 else b,
        "names another chain of blocks",
    ),
    "who proposed an idle one": (other_proposer(3), "no validator proposed block 3"),
    "what an idle one was made of": (
        lambda b: replace(b, attestations=(b"x",)) if b.height == 4 else b,
        "names another end",
    ),
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_block_that_was_altered_is_not_taken(pair: Pair, shelf: Shelf, tmp_path: Path, what: str) -> None:
    """
    Nobody signed a block of our own under CometBFT; the hash that its header carries names them all.
    """
    change, says = ALTERED[what]
    joining = Joining(pair, tmp_path / "new", Chain(pair).header)
    data = rewritten(tmp_path / "shelf" / "snapshot.rows", change)

    assert joining.take(data) == APPLIED.REJECT_SNAPSHOT
    assert says in (joining.syncing._refused or "")
    assert joining.syncing.taken is None and not (joining.root / settling.TAKEN).exists()


def test_an_idle_block_of_another_time_is_found_by_the_headers(
    pair: Pair, shelf: Shelf, tmp_path: Path
) -> None:
    """
    What came after the last block that did something is in no hash yet: the headers down from the first block
    that CometBFT delivers say when and by whom. A header that none of them names proves nothing: it is asked
    for again.
    """
    chain = Chain(pair)
    joining = Joining(pair, tmp_path / "new", lambda height: chain.headers[height])
    data = (tmp_path / "shelf" / "snapshot.rows").read_bytes()
    assert joining.take(data) == APPLIED.ACCEPT
    true = dict(chain.headers)
    joining.syncing.delivered(5, true[5].hash)

    chain.headers[4] = replace(true[4], hash=bytes(32))
    joining.syncing.turn()
    assert not joining.renewed.is_set()

    chain.headers[4] = replace(true[4], time_s=true[4].time_s + 1)
    joining.syncing._woken.set()
    joining.syncing.turn()
    assert joining.renewed.is_set()
    assert not joining.close().exists() and TrustedHeader.read(joining.home) is not None, "it begins anew"


def test_another_state_than_the_one_that_was_signed_is_not_taken(
    pair: Pair, shelf: Shelf, tmp_path: Path
) -> None:
    """
    A true ledger of another height, or of another network, is not the one of the header.
    """
    joining = Joining(pair, tmp_path / "new", Chain(pair).header)
    joining.app_hash = pair.comet.hashes[0]
    assert joining.take((tmp_path / "shelf" / "snapshot.rows").read_bytes()) == APPLIED.REJECT_SNAPSHOT
    assert "not of the state that a quorum signed" in (joining.syncing._refused or "")
    assert joining.take(b"no rows") == APPLIED.REJECT_SNAPSHOT


class Lends:
    """A shelf with a snapshot of so many chunks."""

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks

    def offered(self, height_max: int) -> list[tuple[int, tuple[bytes, ...]]]:
        return [(height_max, (bytes(32),) * self.chunks)]

    def chunk(self, height: int, index: int) -> bytes:
        raise AssertionError("it was not offered")


def test_a_snapshot_that_nobody_takes_is_not_offered() -> None:
    """
    Of more bytes than a newcomer takes of a peer: its digests would fill CometBFT's message to everybody.
    """
    handing, most = Handing(lambda: 9), snapshot.SNAPSHOT_BYTES_MAX // snapshot.CHUNK_BYTES
    asked = abci.Request(list_snapshots=abci.RequestListSnapshots())
    for chunks, offered in ((most, 1), (most + 1, 0)):
        handing.lending = Lends(chunks)
        answer = handing.answer(asked)
        assert answer is not None and len(answer.list_snapshots.snapshots) == offered


def test_a_chunk_that_was_not_offered_is_fetched_again_from_somebody_else(
    pair: Pair, shelf: Shelf, tmp_path: Path
) -> None:
    """
    Each chunk has the hash of the offer, and an offer the hashes of its chunks: nothing else is written.
    """
    joining = Joining(pair, tmp_path / "new", Chain(pair).header)
    data = (tmp_path / "shelf" / "snapshot.rows").read_bytes()
    assert joining.offer(data, format=2) == OFFERED.REJECT_FORMAT
    assert joining.offer(data, chunks=2) == OFFERED.REJECT_SENDER
    assert joining.offer(data, hash=bytes(32)) == OFFERED.REJECT_SENDER
    assert joining.offer(data, chunks=0, metadata=b"", hash=sha256().digest()) == OFFERED.REJECT_SENDER
    assert joining.offer(data) == OFFERED.ACCEPT
    for wrong in (data[:-1], b"", data + b"x"):
        answer = joining.apply(wrong)
        assert answer is not None and answer.result == APPLIED.RETRY
        assert (list(answer.refetch_chunks), list(answer.reject_senders)) == ([0], ["a peer"])
    beyond = joining.apply(data, index=1)
    assert beyond is not None and beyond.result == APPLIED.ABORT
    assert (joining.root / "incoming" / "state-sync.rows").read_bytes() == b""

    joining.syncing.begin()
    lost = joining.apply(data)
    assert lost is not None and lost.result == APPLIED.ABORT, "CometBFT was started again: it offers again"


def test_who_is_offered_nothing_is_given_every_block(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    After two heartbeats and some minutes without anything to take, the node replays: CometBFT begins
    anew, once.
    """
    joining = Joining(pair, tmp_path / "new", Chain(pair).header)
    joining.syncing._woken.set()
    joining.syncing.turn()
    assert not joining.renewed.is_set()
    later = time.monotonic() + state_sync.OFFERED_S_MAX + 3
    monkeypatch.setattr("node.ledger.comet.state_sync.time.monotonic", lambda: later)
    joining.syncing._woken.set()
    joining.syncing.turn()
    assert joining.renewed.is_set() and TrustedHeader.read(joining.home) is None
    left = joining.home.root / "data" / "state.db"
    nobody = joining.home.root / "config" / "priv_validator_key.json"
    for path in (left, nobody):
        path.parent.mkdir()
        path.touch()
    joining.close()
    assert not left.exists(), "a state without the blocks that lead to it"
    assert not nobody.exists(), "CometBFT would not start: what it signed last is gone"
    left.touch()
    joining.close()
    assert left.exists(), "what CometBFT has since is its own"


# --- headers


HEADER: dict[str, Any] = {
    "version": {"block": "11", "app": "1"},
    "chain_id": "32038ae1987c2a82740a500e039c379e-0",
    "height": "2",
    "time": "2026-11-30T00:12:51.139925846Z",
    "last_block_id": {
        "hash": "83ABC35072BF7B26D05961B449A364A7DA79F5C2625570C4DCD912EC6D157E3B",
        "parts": {
            "total": 1,
            "hash": "087B1E25E57E5413373A556A328B8AF0803E872E3E17447034D13816A0527490",
        },
    },
    "last_commit_hash": "401BD09915EED4D8641314EF70CE2FA4EC45A2DA885A0B838B3FB8BA7204E115",
    "data_hash": "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "validators_hash": "48ABFFC9F3EF33DE58B1AF2256179D4AC9AFA097C046292B09B9E9420E6573A8",
    "next_validators_hash": "48ABFFC9F3EF33DE58B1AF2256179D4AC9AFA097C046292B09B9E9420E6573A8",
    "consensus_hash": "51F2C4B4074A8BC23635B000BE00AC37E77471270CF0E713B052499ADD8E7C2D",
    "app_hash": "70B1AF65287C09B4EFFE7F8A1EFBD2A98839E3A7E630701A97AE93DC63407A99",
    "last_results_hash": "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "evidence_hash": "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "proposer_address": "ADB4D42E1980C9D1E7D44773779444351284E097",
}
HASH = "0A33052C98A683056186873E1172FB5E00D3EDBF0819AC26858647F6FA0C6C66"


def test_a_header_has_the_hash_that_cometbft_gives_it(genesis: Genesis) -> None:
    """
    Recorded of CometBFT 0.38.25, of one validator with the harness's key.
    """
    header = read_header(HEADER)

    assert header.hash.hex().upper() == HASH
    assert header.validators_hash == validators_hash(genesis.governance.validators)
    assert (header.height, header.last_hash.hex()) == (2, HEADER["last_block_id"]["hash"].lower())


@pytest.mark.parametrize("name", HEADER)
def test_no_member_of_a_header_can_be_changed(name: str) -> None:
    """
    Each is under the hash; what is left out, or is none, is refused.
    """
    other = {"version": {"block": "12"}, "chain_id": "x", "height": "3", "time": "2026-11-30T00:12:52Z"}
    last = {"hash": "", "parts": {"total": 0, "hash": ""}}
    changed = (other | {"last_block_id": last}).get(name, "AB" * 32)
    assert read_header(HEADER | {name: changed}).hash.hex().upper() != HASH
    with pytest.raises(HeaderError):
        read_header({key: value for key, value in HEADER.items() if key != name})
    wrongs: tuple[Any, ...] = (None, -1, "no", [], "2026-13-40T00:00:00Z")
    for wrong in wrongs:
        if name != "chain_id":
            with pytest.raises(HeaderError):
                read_header(HEADER | {name: wrong})


# --- whom the light client asks


class Asked:
    """Peers' nodes: what each answers."""

    def __init__(self, **answers: str | Exception) -> None:
        self.answers, self.questions = answers, list[bytes]()

    def ask(self, did: str, body: bytes) -> bytes:
        self.questions.append(body)
        answer = self.answers[did]
        if isinstance(answer, Exception):
            raise answer
        return answer.encode()


def exchange(path: Path, asked: Asked, body: dict[str, Any]) -> Any:
    """One question of CometBFT's light client, as its client sends it."""
    served = relay.Relay(path, asked.ask, lambda: asked.answers)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            data = json.dumps(body).encode()
            sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            served.turn()
            told = b"".join(iter(lambda: sock.recv(1 << 16), b""))
    finally:
        served.close()
    assert not path.exists()
    return json.loads(told.partition(b"\r\n\r\n")[2]) if told else None


def test_the_light_client_asks_peers(socket_path: Path) -> None:
    """
    The next peer when one does not answer; CometBFT's own sentence when none has it; an answer has the number
    of its question. What peers are not asked for is not passed on, nor is what is no answer of CometBFT.
    """
    body = {"jsonrpc": "2.0", "id": 7, "method": "commit", "params": {"height": "5"}}
    silent, high = ConnectionError("away"), '{"error": {"data": "height 5 must be less than or equal to"}}'
    refuses = ProblemError(404, "engine_away", "Not there", "away")

    asked = Asked(a=silent, b='{"result": {"n": 1}}', c="nothing")
    told = [exchange(socket_path, asked, body) for _ in range(3)]
    assert told == [{"jsonrpc": "2.0", "id": 7, "result": {"n": 1}}] * 3
    assert set(asked.questions) == {relay.question("commit", {"height": 5})}
    assert exchange(socket_path, Asked(a=refuses, b=high), body)["error"]["data"].startswith("height 5 must")
    deep = "[" * 100_000
    for nothing in (Asked(), Asked(a=deep, b="[]", c='{"result": 1}')):
        assert exchange(socket_path, nothing, body)["error"]["data"] == "no peer answers"
    assert exchange(socket_path, Asked(a=high), body | {"method": "broadcast_evidence"}) is None
    assert exchange(socket_path, Asked(a=high), body | {"params": {}}) is None


def test_a_question_that_names_no_length_is_let_go(socket_path: Path) -> None:
    """
    Its connection ends and nothing else: the relay goes on.
    """
    served = relay.Relay(socket_path, Asked().ask, tuple)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(socket_path))
            sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
            served.turn()
            assert sock.recv(1) == b""
    finally:
        served.close()


class Told(Rpc):
    """CometBFT's RPC, or none."""

    def __init__(self, told: dict[str, Any] | Exception) -> None:
        self.told = told

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        assert parameters == {"height": "5"}, "as numbers in words, which it reads"
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    def close(self) -> None: ...


def test_a_peer_is_answered_three_questions_about_the_engine() -> None:
    """
    Headers, validators and limits of a height, as this node's CometBFT says it; nothing else reaches it.
    """
    content = relay.question("commit", {"height": 5})
    assert json.loads(relay.answer_peer(Told({"n": 1}), content)) == {"result": {"n": 1}}
    told = relay.read_answer(relay.answer_peer(Told(RpcRefused("why: what")), content))
    assert told["error"]["data"] == "why: what"
    with pytest.raises(ProblemError, match="does not answer now"):
        relay.answer_peer(Told(ConnectionRefusedError()), content)
    for wrong in (
        ["broadcast_tx_sync", {"tx": b"x"}],
        ["dial_peers", {}],
        ["commit", {}],
        ["commit", {"height": "5"}],
        ["commit", {"height": 5, "page": 1}],
        ["commit"],
        5,
    ):
        with pytest.raises(ProblemError) as refused:
            relay.answer_peer(Told({}), encode(wrong))
        assert refused.value.status == 400


def test_what_a_newcomer_trusts_is_read_strictly(tmp_path: Path) -> None:
    """
    A file that says nothing is told, with what to do; without one the node replays.
    """
    home = Home(tmp_path / FOLDER)
    assert TrustedHeader.read(home) is None
    TrustedHeader(7, b"\1" * 32).write(home)
    assert TrustedHeader.read(home) == TrustedHeader(7, b"\1" * 32)
    (home.root / state_sync.TRUST_FILE).write_text("{}")
    with pytest.raises(SetupError, match="given every block"):
        TrustedHeader.read(home)
