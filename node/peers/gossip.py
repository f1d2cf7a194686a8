"""Peers: signed requests, one sender with a bounded queue for each peer, batches, retries.

    POST /peer/<path>   body = COSE_Sign1 by the sender's `transport` key over CBOR
        ["comity/peer/v1", network id, sender, receiver, time, nonce(16), path, body]
    200                 body = COSE_Sign1 by the receiver's `transport` key over CBOR
        ["comity/peer-reply/v1", network id, receiver, sender, time, nonce of the request, path, body]

Only participants of genesis are heard. Addresses come from `peers.toml` alone, never from a message or a
document. `body` by path (all CBOR):

    messages   [status, [item, ...]]       -> status      item = [kind(int), fields...], see ITEM_*
    status     status                      -> status
    blocks     [from height, count]        -> [[block, certificate], ...]
    documents  JSON bytes                  -> JSON bytes  (service.py says which)
    snapshot   [height or 0, offset]       -> [height, size, chunk]  (snapshot.py)

    status = [replica status, height, log size, size of the cosigned checkpoint]
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import urllib3

from consensus.cose import Signer, parse_sign1, sign1, verify_sign1
from consensus.encoding import Value, decode, encode
from consensus.errors import ConsensusError
from credentials.ledger.genesis import Genesis
from node import log
from node.errors import ProblemError, bad_request, forbidden
from node.peers.patience import Patience

REQUEST_TAG, REPLY_TAG = "comity/peer/v1", "comity/peer-reply/v1"
WINDOW_S = 120  # a request older or newer than this is refused; nonces are remembered as long
NONCES_PER_SENDER_MAX = 50_000
BODY_BYTES_MAX = 4 << 20
QUEUE_ITEMS_MAX = 4096  # per peer; the oldest goes first: consensus helps a peer behind, the outbox retries
BATCH_ITEMS_MAX = 256
BATCH_BYTES_MAX = 1 << 20
MESSAGE_AGE_S_MAX = (
    10.0  # a consensus message this old is of no use: status exchange brings a peer up to date
)
LINGER_S = 0.015  # what is not consensus waits this long for company: one request instead of several
BACKOFF_S_MIN, BACKOFF_DOUBLINGS = 0.05, 4  # 0.05 s to 0.8 s
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 1.0, 5.0
BLOCKS_PER_REQUEST = 64
BLOCKS_BYTES_MAX = 2 << 20

ITEM_CONSENSUS = 1  # [1, replica message]
ITEM_ATTESTATION = 2  # [2, attestation]
ITEM_COSIGNATURE = 3  # [3, size, root, log line, cosignature line]
ITEM_NOTE = 4  # [4, text of a cosigned checkpoint]: to a peer that lacks it

ITEM_ASK_COSIGNATURE = 5  # [5, DID]: which checkpoint did you see it cosign? Answered by item 3

Item = list[Value]
Status = tuple[bytes, int, int, int]  # replica status, height, log size, size of the cosigned checkpoint


class PeerAuthentication:
    """Signs what goes to peers, and opens what comes from them."""

    def __init__(
        self, genesis: Genesis, did: str, signer: Signer, now: Callable[[], float] = time.time
    ) -> None:
        self._genesis = genesis
        self.did = did
        self._signer = signer
        self._now = now
        self._nonces: dict[str, dict[bytes, float]] = {}  # by sender, so that none takes another's place
        self._lock = threading.Lock()
        self.patience = Patience()
        self.on_clock: Callable[[str, float], None] | None = None  # (peer, what its clock shows)

    def request(self, receiver: str, path: str, body: bytes) -> tuple[bytes, bytes]:
        """(signed request, its nonce)."""
        nonce = secrets.token_bytes(16)
        return self._sign(REQUEST_TAG, receiver, nonce, path, body), nonce

    def reply(self, receiver: str, nonce: bytes, path: str, body: bytes) -> bytes:
        return self._sign(REPLY_TAG, receiver, nonce, path, body)

    def open_request(self, data: bytes, path: str) -> tuple[str, bytes, bytes]:
        """(sender, nonce, body) of a request that is for this node, fresh, and seen for the first time."""
        sender, sent, nonce, body = self._open(REQUEST_TAG, data, path)
        now = self._now()
        with self._lock:
            nonces = self._nonces.setdefault(sender, {})
            if nonce in nonces:
                self.patience.strike(sender)
                raise ProblemError(401, "replayed", "Not authenticated", "this request was received before")
            self._require_fresh(sender, sent)
            if len(nonces) >= NONCES_PER_SENDER_MAX:
                nonces = {n: t for n, t in nonces.items() if t > now - 2 * WINDOW_S}
                self._nonces[sender] = nonces
            if len(nonces) >= NONCES_PER_SENDER_MAX:
                raise ProblemError(503, "busy", "Come again", "too many of your requests in two minutes")
            nonces[nonce] = now
        return sender, nonce, body

    def open_reply(self, data: bytes, path: str, sender: str, nonce: bytes) -> bytes:
        """The body of `sender`'s reply to the request with `nonce`."""
        replied_by, sent, echoed, body = self._open(REPLY_TAG, data, path)
        if replied_by != sender or echoed != nonce:
            raise _refused("the reply is of another peer or to another request")
        self._require_fresh(sender, sent)
        return body

    def _require_fresh(self, sender: str, sent: int) -> None:
        # A clock that is wrong shows in every message, and is told before the message is refused for it.
        if self.on_clock is not None:
            self.on_clock(sender, sent)
        if abs(sent - self._now()) > WINDOW_S:
            raise _refused(f"the request's time is more than {WINDOW_S} s from this node's clock")

    def _sign(self, tag: str, receiver: str, nonce: bytes, path: str, body: bytes) -> bytes:
        network_id = self._genesis.network_id
        payload = encode([tag, network_id, self.did, receiver, int(self._now()), nonce, path, body])
        return sign1({}, payload, self._signer)

    def _open(self, tag: str, data: bytes, path: str) -> tuple[str, int, bytes, bytes]:
        try:
            message = parse_sign1(data, size_bytes_max=BODY_BYTES_MAX)
            payload = decode(message.payload, size_bytes_max=BODY_BYTES_MAX)
            match payload:
                case [
                    str(said),
                    bytes(network),
                    str(sender),
                    str(receiver),
                    int(sent),
                    bytes(nonce),
                    str(to),
                    bytes(body),
                ] if said == tag and len(nonce) == 16:
                    pass
                case _:
                    raise _refused("this is not a peer request")
            if network != self._genesis.network_id:
                raise forbidden(
                    "other_network",
                    f"the request is of network {network.hex()[:16]}, this node is in network "
                    f"{self._genesis.network_id.hex()[:16]}: compare genesis.toml",
                )
            if receiver != self.did:
                raise forbidden("wrong_receiver", f"the request is for {receiver}, this node is {self.did}")
            participant = self._genesis.participants.get(sender)
            if participant is None:
                raise _refused(f"{sender} is not a participant of this network")
            if self.patience.exhausted(sender):
                raise ProblemError(
                    429, "too_many_refused", "Come again", "too many of your messages had to be refused"
                )
            key = self._genesis.key(sender, "transport", sent)
            if key is None or message.protected.get(4) != key.id.encode():
                raise _refused(f"the request is not signed by the transport key of {sender}")
            verify_sign1(message, key.public)
        except ConsensusError as error:
            raise _refused(f"the peer request cannot be read: {error}") from error
        if to != path:
            raise _refused(f"the request was signed for /peer/{to}, it came to /peer/{path}")
        return sender, sent, nonce, body


def too_large() -> ProblemError:
    """413: told by the length alone, without reading."""
    return ProblemError(413, "too_large", "Too large", f"a peer request has at most {BODY_BYTES_MAX} bytes")


def _refused(detail: str) -> ProblemError:
    return ProblemError(401, "peer_not_authenticated", "Not authenticated", detail)


class PeerInbox(Protocol):
    """What the gossip gives to and asks of the engine."""

    def peer_items(self, sender: str, items: list[Value]) -> None:
        """Items of a batch; raises ProblemError 503 when the inbox is full."""

    def peer_status(self, sender: str, status: Status) -> None: ...

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None: ...

    def status(self) -> Status: ...


@dataclass(slots=True)
class Peer:
    """One peer: its address, what waits for it, and what is known of it."""

    did: str
    address: str
    validator: bool
    queue: deque[tuple[float, Item]] = field(default_factory=lambda: deque(maxlen=QUEUE_ITEMS_MAX))
    wake: threading.Condition = field(default_factory=threading.Condition)
    blocks_from: int | None = None  # a pending request for blocks
    height: int = 0
    log_size: int = 0
    last_seen: float | None = None  # wall clock of the last signed message or reply
    reachable: bool = False
    refusal: str | None = None  # what the peer answered when it refused us
    failures: int = 0  # tries in a row that failed
    heard: threading.Event = field(default_factory=threading.Event)  # it spoke while we waited to try again


class Gossip:
    """Sends to all peers, each on its own thread; `open` and `answer` serve what comes in."""

    def __init__(
        self,
        authentication: PeerAuthentication,
        addresses: Mapping[str, str],
        validators: Iterable[str],
        inbox: PeerInbox,
        *,
        poll_s: float,
    ) -> None:
        voting = set(validators)
        self._authentication = authentication
        self._inbox = inbox
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self._pool = urllib3.PoolManager(num_pools=32, maxsize=4, retries=False)
        self.patience = authentication.patience
        self.refused: Counter[str] = Counter()  # requests of peers, by the code of the refusal
        self.cpu_s: defaultdict[str, float] = defaultdict(float)  # seconds by stage: send, receive, refuse
        self._counting = threading.Lock()
        self.peers = {
            did: Peer(did, address.rstrip("/"), did in voting)
            for did, address in addresses.items()
            if did != authentication.did
        }

    def senders(self) -> list[Sender]:
        """One for each peer: each needs a thread of its own, so that a slow peer delays no other."""
        return [Sender(self, peer) for peer in self.peers.values()]

    def stop(self) -> None:
        """Nothing is sent any more: a sender that waits for company or for its peer returns."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections, once no sender runs."""
        self._pool.clear()

    # -- out -----------------------------------------------------------------------------------------

    def broadcast(self, item: Item, *, observers: bool = False) -> None:
        """Queue an item for every validator (and, if asked, every observer)."""
        for peer in self.peers.values():
            if peer.validator or observers:
                self._enqueue(peer, item)

    def send(self, did: str, item: Item) -> None:
        """Queue an item for one peer; a participant without an address is left to find us."""
        peer = self.peers.get(did)
        if peer is not None:
            self._enqueue(peer, item)

    def request_blocks(self, did: str, height: int) -> None:
        """Ask a peer for decided blocks from `height` on; the answer goes to the inbox."""
        peer = self.peers.get(did)
        if peer is not None:
            with peer.wake:
                peer.blocks_from = height
                peer.wake.notify()

    def request(self, did: str, path: str, body: bytes, timeout_s: float = READ_TIMEOUT_S) -> bytes:
        """One signed request, answered now; OSError or urllib3's errors when the peer cannot be reached."""
        peer = self.peers.get(did)
        if peer is None:
            raise ConnectionError(f"peers.toml names no address for {did}")
        return self._post(peer, path, body, timeout_s)

    # -- in ------------------------------------------------------------------------------------------

    @contextmanager
    def receiving(self) -> Iterator[list[str]]:
        """Around one request of a peer: only ProblemError leaves it; refusals are counted and slowed down.

        The authenticated sender is put into the list that it yields: what cannot be read costs it a strike.
        """
        started, stage = time.thread_time(), "refuse"
        known: list[str] = []
        try:
            yield known
            stage = "receive"
        except ProblemError as error:
            self._count_refusal(error.code)
            if known and error.status not in (503, 404):
                self.strike(known[0])
            raise
        except Exception as error:  # whatever hostile bytes raise, it is the sender's fault and costs no more
            self._count_refusal("unexpected")
            log.moment("peer_error", because=type(error).__name__)
            raise bad_request("malformed", "the request cannot be read") from error
        finally:
            with self._counting:
                self.cpu_s[stage] += time.thread_time() - started

    def strike(self, sender: str) -> None:
        """An authenticated sender sent what no honest node sends."""
        self.patience.strike(sender)

    def _count_refusal(self, code: str) -> None:
        with self._counting:
            self.refused[code] += 1

    def open(self, path: str, data: bytes) -> tuple[str, bytes, bytes]:
        """(sender, nonce, body) of an authenticated request."""
        if len(data) > BODY_BYTES_MAX:
            raise too_large()
        sender, nonce, body = self._authentication.open_request(data, path)
        peer = self.peers.get(sender)
        if peer is not None:
            peer.last_seen = time.time()
            if peer.failures:
                peer.heard.set()  # it is back: what waits for it need not wait for the next try
        return sender, nonce, body

    def answer(self, sender: str, nonce: bytes, path: str, body: bytes) -> bytes:
        return self._authentication.reply(sender, nonce, path, body)

    def note_status(self, sender: str, status: Value) -> None:
        """Take over a peer's status and tell the engine."""
        match status:
            case [bytes(replica), int(height), int(log_size), int(cosigned)]:
                peer = self.peers.get(sender)
                if peer is not None:
                    peer.height, peer.log_size = max(peer.height, height), max(peer.log_size, log_size)
                self._inbox.peer_status(sender, (replica, height, log_size, cosigned))
            case _:
                raise _refused("the status of the peer cannot be read")

    # -- the sender of one peer ----------------------------------------------------------------------

    def _enqueue(self, peer: Peer, item: Item) -> None:
        with peer.wake:
            peer.queue.append((time.monotonic(), item))
            peer.wake.notify()

    def serve(self, peer: Peer) -> None:
        """Send one batch to a peer, or wait for one; called on its sender's thread only."""
        started_s = time.thread_time()
        try:
            self._serve(peer)
        finally:
            with self._counting:
                self.cpu_s["send"] += time.thread_time() - started_s

    def _serve(self, peer: Peer) -> None:
        with peer.wake:
            if not peer.queue and peer.blocks_from is None:
                peer.wake.wait(self._poll_s)
            self._linger(peer)
            batch, blocks_from = self._take(peer), peer.blocks_from
            peer.blocks_from = None
        if self._stopping.is_set():
            return
        told = sum(item[0] == ITEM_ATTESTATION for _, item in batch)
        if told:
            log.moment("gossip", peer=peer.did, attestations=told)
        try:
            self._exchange(peer, [item for _, item in batch], blocks_from)
        except (OSError, urllib3.exceptions.HTTPError, ConsensusError, ProblemError) as error:
            if peer.reachable:
                log.moment("peer_lost", peer=peer.did, because=_because(error))
            peer.reachable = False
            peer.refusal = str(error) if isinstance(error, ProblemError) else None
            with peer.wake:
                peer.queue.extendleft(reversed(batch))
            backoff_s = BACKOFF_S_MIN * 2 ** min(peer.failures, BACKOFF_DOUBLINGS)
            peer.failures += 1
            if not self._stopping.is_set():
                peer.heard.wait(backoff_s)
            peer.heard.clear()
            return
        if not peer.reachable:
            log.moment("peer_found", peer=peer.did)
        peer.reachable, peer.refusal, peer.last_seen, peer.failures = True, None, time.time(), 0

    def _linger(self, peer: Peer) -> None:
        """Wait a moment for more, holding `peer.wake`, unless something of the agreement itself waits."""
        while peer.queue and peer.blocks_from is None and not self._stopping.is_set():
            wait_s = peer.queue[0][0] + LINGER_S - time.monotonic()
            urgent = len(peer.queue) >= BATCH_ITEMS_MAX or any(i[0] == ITEM_CONSENSUS for _, i in peer.queue)
            if urgent or wait_s <= 0:
                return
            peer.wake.wait(wait_s)

    def _take(self, peer: Peer) -> list[tuple[float, Item]]:
        """The next batch: within the limits, without consensus messages that are too old to matter."""
        batch: list[tuple[float, Item]] = []
        size = 0
        oldest = time.monotonic() - MESSAGE_AGE_S_MAX
        while peer.queue and len(batch) < BATCH_ITEMS_MAX:
            queued, item = peer.queue[0]
            bytes_of_item = sum(len(part) for part in item if isinstance(part, (bytes, str)))
            if batch and size + bytes_of_item > BATCH_BYTES_MAX:
                break
            peer.queue.popleft()
            if item[0] == ITEM_CONSENSUS and queued < oldest:
                continue
            size += bytes_of_item
            batch.append((queued, item))
        return batch

    def _exchange(self, peer: Peer, items: list[Item], blocks_from: int | None) -> None:
        status: Value = list(self._inbox.status())
        if items:
            answer = self._post(peer, "messages", encode([status, list[Value](items)]))
            self.note_status(peer.did, decode(answer))
        elif blocks_from is None:
            self.note_status(peer.did, decode(self._post(peer, "status", encode(status))))
        if blocks_from is not None:
            body = encode([blocks_from, BLOCKS_PER_REQUEST])
            answer = self._post(peer, "blocks", body)
            blocks = decode(answer, size_bytes_max=BODY_BYTES_MAX)
            match blocks:
                case [*pairs]:
                    if len(pairs) > 1:  # one block is no news: it comes with every height to an observer
                        log.moment(
                            "catching_up",
                            peer=peer.did,
                            height=blocks_from + len(pairs) - 1,
                            of=max(peer.height, blocks_from + len(pairs) - 1),
                            blocks=len(pairs),
                        )
                    self._inbox.peer_blocks(peer.did, [_block_of(pair) for pair in pairs])
                case _:
                    raise _refused("the blocks of the peer cannot be read")

    def _post(self, peer: Peer, path: str, body: bytes, timeout_s: float = READ_TIMEOUT_S) -> bytes:
        data, nonce = self._authentication.request(peer.did, path, body)
        response = self._pool.request(
            "POST",
            f"{peer.address}/peer/{path}",
            body=data,
            headers={"content-type": "application/cose"},
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=timeout_s),
            redirect=False,
        )
        answer = response.data
        if response.status != 200:
            raise ProblemError(
                response.status, "peer_refused", "Refused", f"{peer.did} answered {_sentence(answer)}"
            )
        return self._authentication.open_reply(answer, path, peer.did, nonce)


class Sender:
    """The trade of one peer's thread (`node/supervision/`)."""

    def __init__(self, gossip: Gossip, peer: Peer) -> None:
        self._gossip = gossip
        self._peer = peer
        self.name = f"to {peer.did}"

    def turn(self) -> None:
        """Send one batch, or wait for one."""
        self._gossip.serve(self._peer)

    def wake(self) -> None:
        """Whatever it waits for, it waits no longer."""
        self._peer.heard.set()
        with self._peer.wake:
            self._peer.wake.notify()


def _block_of(pair: Value) -> tuple[bytes, bytes]:
    match pair:
        case [bytes(block), bytes(certificate)]:
            return block, certificate
        case _:
            raise _refused("the blocks of the peer cannot be read")


def _sentence(problem: bytes) -> str:
    """The detail of a problem document of a peer, shortened: it is shown to the operator."""
    return problem[:300].decode("utf-8", "replace")


def _because(error: Exception) -> str:
    return str(error) if isinstance(error, ProblemError) else type(error).__name__
