"""Peers: one sender with a bounded queue for each, batches, retries; and the edge where requests come in.

`messages.py` says what travels, `authentication.py` who is heard, `queue.py` what waits, `link.py` how it
gets there. Addresses come from `peers.toml` and the ledger, never from a message or a document.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Protocol

from consensus.encoding import Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from node import log
from node.errors import ProblemError, bad_request
from node.peers import polling
from node.peers.address_book import AddressBook
from node.peers.authentication import PeerAuthentication
from node.peers.certificates import Trust, UntrustedPeer
from node.peers.link import Link, LinkError
from node.peers.messages import (
    BLOCKS_PER_REQUEST,
    ITEM_ATTESTATION,
    ITEM_CONSENSUS,
    PEER_BODY_BYTES_MAX,
    STATUS_BYTES_MAX,
    Item,
    Status,
    not_authenticated,
    refusal_of,
    too_large,
)
from node.peers.polling import Pace
from node.peers.queue import PeerQueue
from node.transient_faults import is_out_of_room, out_of_room

# What the ledger grows by. That an old log is cosigned again, each minute, is none.
NEWS = frozenset({ITEM_CONSENSUS, ITEM_ATTESTATION})
FIRST_S = 0.4  # until a peer is asked that was never heard
MET_PER_SIDE_MAX = 128  # newcomers of one jurisdiction that are met: each takes a thread
ANSWER_BYTES_MAX = PEER_BODY_BYTES_MAX + (64 << 10)  # a body and its signature
BACKOFF_S_MIN, BACKOFF_DOUBLINGS = 0.05, 4  # 0.05 s to 0.8 s
UNKNOWN_DOUBLINGS = 10  # to 51 s: where the ledger says that a party is, and nobody has answered yet
_TOLD = (ProblemError, LinkError, UntrustedPeer)  # what the operator is told in words
ANSWER_S_MAX = 5.0  # from the first byte sent to the last one read


class PeerInbox(Protocol):
    """What the gossip gives to and asks of the engine."""

    def peer_items(self, sender: str, items: list[Value]) -> None:
        """Items of a batch; raises ProblemError 503 when the inbox is full."""

    def peer_status(self, sender: str, status: Status) -> None: ...

    def peer_blocks(self, sender: str, blocks: list[tuple[bytes, bytes]]) -> None: ...

    def status(self) -> Status: ...


@dataclass(slots=True, eq=False)
class Peer:
    """One peer: its address, what waits for it, and what is known of it."""

    did: str
    address: str
    link: Link
    outgoing: PeerQueue = field(default_factory=PeerQueue)
    height: int = 0
    log_size: int = 0
    last_seen: float | None = None  # wall clock of the last signed message or reply, to be shown
    seen_at_s: float | None = None  # the same on the monotonic clock: how long ago
    asked_at_s: float | None = None  # monotonic: its last question to us
    answered_at_s: float | None = None  # monotonic: its last answer to us
    reachable: bool = False
    refusal: str | None = None  # what the peer answered when it refused us
    failures: int = 0  # tries in a row that failed
    known: bool = False  # the operator named its address, or it has answered there
    heard: threading.Event = field(default_factory=threading.Event)  # it spoke while we waited to try again

    def seen(self, *, asked: bool = False) -> None:
        """It signed something just now; `asked`: a question to us."""
        self.last_seen, self.seen_at_s = time.time(), time.monotonic()
        self.asked_at_s = self.seen_at_s if asked else self.asked_at_s

    def found(self) -> None:
        """It answered."""
        if not self.reachable:
            log.moment("peer_found", peer=self.did)
        self.seen()
        self.answered_at_s = self.seen_at_s
        self.reachable, self.refusal, self.failures = True, None, 0
        self.known = True

    def lost(self, error: Exception) -> float:
        """It did not answer as it should: the seconds to wait before the next try."""
        if self.reachable:
            log.moment("peer_lost", peer=self.did, because=_because(error))
        self.reachable = False
        self.refusal = str(error) if isinstance(error, _TOLD) else None
        self.failures += 1
        doublings = BACKOFF_DOUBLINGS if self.known else UNKNOWN_DOUBLINGS
        return BACKOFF_S_MIN * (1 << min(self.failures - 1, doublings))

    def move(self, address: str, link: Link) -> None:
        """It is asked there from now on, and at once."""
        left, self.link = self.link, link
        self.address, self.known, self.failures = address, False, 0
        left.close()
        self.heard.set()


class Gossip:
    """Sends to all peers, each on its own thread; `open` and `answer` serve what comes in."""

    def __init__(
        self,
        authentication: PeerAuthentication,
        addresses: Mapping[str, str],
        inbox: PeerInbox,
        *,
        poll_s: float | None = None,
        trusts: Iterable[Trust] = (),
    ) -> None:
        """`poll_s`: between two questions when there is nothing to say; None: as whether it votes needs.

        `trusts`: whom to believe beside the peers' own certificates, as the operator said.
        """
        self._trusts = list(trusts)
        self._authentication = authentication
        self._inbox = inbox
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self.patience = authentication.patience
        self.votes, self.last_height_for = authentication.votes, authentication.last_height_for
        self.receiver_of, self.sender_of_sealed = authentication.receiver_of, authentication.sender_of_sealed
        self.refused: Counter[str] = Counter()  # requests of peers, by the code of the refusal
        self.cpu_s: defaultdict[str, float] = defaultdict(float)  # seconds by stage: send, receive, refuse
        self._counting = threading.Lock()
        self.news = polling.News()
        self.book = AddressBook(authentication, addresses)
        self.peers = {
            did: Peer(did, address, self._link(did, address), known=True)
            for did, address in self.book.hints().items()
        }

    def _link(self, did: str, address: str) -> Link:
        trusts = [*map(self._authentication.trust, self.book.at(did, address)), *self._trusts]
        return Link(address, trusts, elsewhere=self.book.is_elsewhere(did, address))

    def named(self) -> Mapping[str, str]:
        """{DID: address} of the other participants now."""
        return self.book.named()

    def meet(self, named: Mapping[str, str]) -> list[Sender]:
        """Follow who moved, and know who is new: the senders of those need threads.

        A side's authorities admit whom they like: so many of one side are met, and whoever votes.
        """
        side_of, hints, fresh = self._authentication.side_of, self.book.hints(), dict[str, Peer]()
        met = Counter(side_of(did) for did in self.peers.keys() - hints.keys())
        for did, address in named.items():
            peer, side = self.peers.get(did), side_of(did)
            if not self.book.may_be_asked(did, address):
                continue
            if peer is None:
                if did in hints or met[side] < MET_PER_SIDE_MAX or self._authentication.votes(did):
                    met[side] += did not in hints  # whoever is not met asks, and is answered
                    fresh[did] = Peer(did, address.rstrip("/"), self._link(did, address))
            elif peer.address != address.rstrip("/"):
                peer.move(address.rstrip("/"), self._link(did, address))
        self.peers = {**self.peers, **fresh}  # replaced, never changed: other threads go through it
        return [Sender(self, peer) for peer in fresh.values()]

    def part(self) -> list[Sender]:
        """Forget who left: nothing is sent to them or kept for them; their senders are to end."""
        gone = [peer for did, peer in self.peers.items() if self._authentication.has_left(did)]
        if gone:
            self.peers = {did: peer for did, peer in self.peers.items() if peer not in gone}
        for peer in gone:
            peer.link.close()
        return [Sender(self, peer) for peer in gone]

    def senders(self) -> list[Sender]:
        """One for each peer: each needs a thread of its own, so that a slow peer delays no other."""
        return [Sender(self, peer) for peer in self.peers.values()]

    def stop(self) -> None:
        """Nothing is sent any more: a sender that waits for company or for its peer returns."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections, once no sender runs."""
        for peer in self.peers.values():
            peer.link.close()

    # -- out -----------------------------------------------------------------------------------------

    def broadcast(self, item: Item, *, observers: bool = False) -> None:
        """Queue an item for every validator (and, if asked, every observer)."""
        for peer in self.peers.values():
            if observers or self._authentication.votes(peer.did):
                peer.outgoing.put(item)

    def send(self, did: str, item: Item) -> None:
        """Queue an item for one peer; a participant without an address is left to find us."""
        if (peer := self.peers.get(did)) is not None:
            peer.outgoing.put(item)

    def request_blocks(self, did: str, height: int) -> None:
        """Ask a peer for decided blocks from `height` on; the answer goes to the inbox."""
        if (peer := self.peers.get(did)) is not None:
            peer.outgoing.ask_blocks(height)

    def request(self, did: str, path: str, body: bytes, timeout_s: float = ANSWER_S_MAX) -> bytes:
        """One signed request, answered now; OSError when the peer cannot be reached or heard."""
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
        except Exception as error:
            if is_out_of_room(error):  # ours, and no word about the sender
                self._count_refusal("out_of_room")
                raise out_of_room(error) from error
            # whatever hostile bytes raise, it is the sender's fault and costs no more
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
        if len(data) > PEER_BODY_BYTES_MAX:
            raise too_large()
        sender, nonce, body = self._authentication.open_request(data, path)
        peer = self.peers.get(sender)
        if peer is not None:
            peer.seen(asked=True)
            if peer.failures:
                peer.heard.set()  # it is back: what waits for it need not wait for the next try
        return sender, nonce, body

    def certificate(self, names: Iterable[str]) -> tuple[bytes, bytes]:
        """(certificate, private key) in PEM under which other nodes know this one at these hosts."""
        return self._authentication.certificate(names)

    @property
    def vouching(self) -> tuple[str, ...]:
        """The ids of the keys that vouch for a certificate that is made now."""
        return self._authentication.vouching

    def answer(self, sender: str, nonce: bytes, path: str, body: bytes) -> bytes:
        return self._authentication.reply(sender, nonce, path, body)

    def note_status(self, sender: str, status: Value) -> None:
        """Take over a peer's status and tell the engine."""
        match status:
            case [bytes(replica), height, log_size, cosigned] if whole_numbers(height, log_size, cosigned):
                peer = self.peers.get(sender)
                if peer is not None:
                    self.news.told(anything=height > peer.height)
                    peer.height, peer.log_size = max(peer.height, height), max(peer.log_size, log_size)
                self._inbox.peer_status(sender, (replica, height, log_size, cosigned))
            case _:
                raise not_authenticated("the status of the peer cannot be read")

    # -- the sender of one peer ----------------------------------------------------------------------

    def serve(self, peer: Peer) -> None:
        """Send one batch to a peer, or wait for one; called on its sender's thread only."""
        started_s = time.thread_time()
        try:
            self._serve(peer)
        finally:
            with self._counting:
                self.cpu_s["send"] += time.thread_time() - started_s

    def _serve(self, peer: Peer) -> None:
        pace = self.news.pace()
        wait_s = wait_s_of(self, self._authentication, peer) if self._poll_s is None else self._poll_s
        batch, blocks_from = peer.outgoing.take(wait_s)
        nothing = not batch and blocks_from is None and self._poll_s is None
        if self._stopping.is_set() or (nothing and _listens(self._authentication, peer, pace)):
            return
        said = blocks_from is not None or any(item[0] in NEWS for _, item in batch)
        self.news.told(anything=said)
        if told := sum(item[0] == ITEM_ATTESTATION for _, item in batch):
            log.moment("gossip", peer=peer.did, attestations=told)
        try:
            self._exchange(peer, [item for _, item in batch], blocks_from)
        except (OSError, ConsensusError, ProblemError) as error:
            peer.outgoing.give_back(batch)
            backoff_s = peer.lost(error)
            if not self._stopping.is_set():
                peer.heard.wait(backoff_s)
            peer.heard.clear()
            return
        peer.found()

    def _exchange(self, peer: Peer, items: list[Item], blocks_from: int | None) -> None:
        status: Value = list(self._inbox.status())
        # Who we are is shown before anything large is sent: what strangers send has few places, and any of
        # them may hold those. What the answer gives is shown from then on (`link.py`).
        if not peer.reachable or (not items and blocks_from is None):
            self.note_status(peer.did, decode(self._post(peer, "status", encode(status))))
        if items:
            answer = self._post(peer, "messages", encode([status, list[Value](items)]))
            self.note_status(peer.did, decode(answer))
        if blocks_from is not None:
            body = encode([blocks_from, BLOCKS_PER_REQUEST])
            blocks = _blocks_of(peer, partial(self._post, peer, "blocks", body))
            if len(blocks) > 1:  # one block is no news: it comes with every height to an observer
                last = blocks_from + len(blocks) - 1
                of = max(peer.height, last)
                log.moment("catching_up", peer=peer.did, height=last, of=of, blocks=len(blocks))
            self._inbox.peer_blocks(peer.did, blocks)

    def _post(self, peer: Peer, path: str, body: bytes, seconds_max: float = ANSWER_S_MAX) -> bytes:
        data, nonce = self._authentication.request(peer.did, path, body)
        size_max = STATUS_BYTES_MAX if path in ("messages", "status") else ANSWER_BYTES_MAX
        status, answer = peer.link.post(
            f"/peer/{path}", data, seconds_max=seconds_max, size_bytes_max=size_max
        )
        if status == 401:
            self._authentication.unknown_to(peer.did)
        if status != 200:
            raise ProblemError(
                status, "peer_refused", "Refused", f"{peer.did} answered: {refusal_of(status, answer)}"
            )
        return self._authentication.open_reply(answer, path, peer.did, nonce)


class Sender:
    """The trade of one peer's thread (`node/supervision/`)."""

    def __init__(self, gossip: Gossip, peer: Peer) -> None:
        self._gossip = gossip
        self.peer = peer
        self.name = f"to {peer.did}"

    def turn(self) -> None:
        """Send one batch, or wait for one."""
        self._gossip.serve(self.peer)

    def wake(self) -> None:
        """Whatever it waits for, it waits no longer."""
        self.peer.heard.set()
        self.peer.outgoing.wake()


def wait_s_of(gossip: Gossip, authentication: PeerAuthentication, peer: Peer) -> float:
    """Seconds until it is asked, where there is nothing to say."""
    if peer.last_seen is None:
        return FIRST_S
    own, pace = authentication.did, gossip.news.pace()
    validators = sorted(filter(authentication.votes, (*gossip.peers, own)))
    return polling.wait_s(own, peer.did, validators, time.monotonic(), pace)


def _listens(authentication: PeerAuthentication, peer: Peer, pace: Pace) -> bool:
    """Whether nothing has to be asked, as the peer asked meanwhile: its question told what it is."""
    votes, own, now_s = authentication.votes, authentication.did, time.monotonic()
    heard_s, answered_s = (None if at is None else now_s - at for at in (peer.asked_at_s, peer.answered_at_s))
    both = peer.reachable and votes(own) and votes(peer.did)
    return both and polling.listens(own, peer.did, heard_s=heard_s, answered_s=answered_s, pace=pace)


def _blocks_of(peer: Peer, ask: Callable[[], bytes]) -> list[tuple[bytes, bytes]]:
    """Those that it gives; none where it pruned them: another peer is asked next."""
    try:
        answer = ask()
    except ProblemError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        log.moment("blocks_refused", peer=peer.did, because=str(error))
        return []
    match decode(answer, size_bytes_max=PEER_BODY_BYTES_MAX):
        case [*pairs]:
            return [_block_of(pair) for pair in pairs]
        case _:
            raise not_authenticated("the blocks of the peer cannot be read")


def _block_of(pair: Value) -> tuple[bytes, bytes]:
    match pair:
        case [bytes(block), bytes(certificate)]:
            return block, certificate
        case _:
            raise not_authenticated("the blocks of the peer cannot be read")


def _because(error: Exception) -> str:
    return str(error) if isinstance(error, _TOLD) else type(error).__name__
