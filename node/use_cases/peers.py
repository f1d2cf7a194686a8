"""Answers to other nodes: one signed request in, one signed answer out (`node/peers/`)."""

from __future__ import annotations

from collections.abc import Iterable

from consensus.encoding import INTEGER_MAX, Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from node import log
from node.errors import bad_request, not_found
from node.ledger.engine import Engine
from node.ledger.shelf import Shelf
from node.oversight.attempts import Attempts
from node.oversight.cases import Cases
from node.oversight.forwarding import Forwarding
from node.oversight.set_requests import SetRequests
from node.peers.gossip import Gossip
from node.peers.mailboxes import Mailboxes
from node.peers.messages import (
    BLOCKS_BYTES_MAX,
    BLOCKS_PER_REQUEST,
    ITEM_ATTESTATION,
    PEER_BODY_BYTES_MAX,
    too_large,
)
from node.server.connections import Rank
from node.server.exchange import PeerAnswer
from node.storage.ledger import LedgerStore
from node.use_cases.welcoming import Welcome
from node.verdicts.sources import Gathering

HELLO = "hello"
PRUNED = (
    "this node shows who agreed to a block from {first} on: ask a participant whose node prunes nothing (no "
    "keep.blocks in its node.toml), or take a snapshot over (`comity rebuild --from URL`)"
)


class PeerDoor:
    """Where other nodes' requests come in."""

    def __init__(
        self,
        gossip: Gossip,
        engine: Engine,
        ledger: LedgerStore,
        gathering: Gathering,
        shelf: Shelf,
        *,
        welcome: Welcome,
        oversight: tuple[Attempts, Cases, Forwarding, SetRequests],
        mailboxes: Mailboxes | None = None,
    ) -> None:
        self._gossip = gossip
        self._engine = engine
        self._ledger = ledger
        self._gathering = gathering
        self._shelf = shelf
        self._welcome = welcome
        self._mailboxes = mailboxes or Mailboxes()
        self._attempts, self._cases, self._forwarding, self._set_requests = oversight

    def handle(self, path: str, body: bytes) -> PeerAnswer:
        """Answer POST /peer/PATH by its `path`: messages, status, blocks, documents, snapshot and so on.

        /peer/hello is unsigned: its asker does not know this network yet (`welcoming.py`). Else 401 for a
        body that is not signed by a participant of this network, 403 for the wrong receiver or network;
        both bodies are COSE_Sign1, application/cose.
        """
        gossip = self._gossip
        with gossip.receiving() as known:
            if path == HELLO:
                return PeerAnswer(self._welcome.hello(body))
            hosted = self._mailboxes.hosted
            if hosted and (receiver := gossip.receiver_of(body)) in hosted:
                return self._pass_on(receiver, path, body, known)
            sender, nonce, content = gossip.open(path, body)
            known.append(sender)
            last = gossip.last_height_for(sender)
            match path:
                case "status" | "messages" if last is not None:  # what it says is passed over
                    answer = self._peer_status(last)
                case "blocks" if last is not None:
                    answer = self._peer_blocks(content, last)
                case "messages":
                    answer = self._peer_messages(sender, content)
                case "status":
                    gossip.note_status(sender, _decoded(content))
                    answer = self._peer_status()
                case "blocks":
                    answer = self._peer_blocks(content)
                case "documents":
                    answer = self._gathering.giving.answer_peer(sender, content)
                case "snapshot":
                    answer = self._shelf.answer(content)
                case "engine":
                    answer = self._engine.peer_question(content)
                case "joining":
                    answer = self._welcome.give_key(sender)
                case "attempts":
                    answer = self._attempts.take(sender, content)
                case "cases":
                    answer = self._cases.take(sender, content)
                case "alerts":
                    answer = self._forwarding.take(sender, content)
                case "collect":
                    answer = self._mailboxes.collect(sender, content)
                case "set-requests":
                    answer = self._set_requests.take(sender, content)
                case _:
                    raise not_found(
                        "no_such_page",
                        "peers ask for status, messages, blocks, documents, snapshot, engine, joining, "
                        "attempts, cases, alerts and set-requests",
                    )
            return PeerAnswer(gossip.answer(sender, nonce, path, answer), sender, self._rank(sender))

    def _pass_on(self, receiver: str, path: str, body: bytes, known: list[str]) -> PeerAnswer:
        """To whom this node hosts, as it came: sealed."""
        sender = self._gossip.sender_of_sealed(body, path, receiver)
        known.append(sender)
        later = self._mailboxes.put(receiver, sender, path, body)
        return PeerAnswer(b"", sender, self._rank(sender), later)

    def _rank(self, sender: str) -> Rank:
        return Rank.VOTES if self._gossip.votes(sender) else Rank.TAKES_PART

    def refuse_large(self) -> None:
        """A peer's request is longer than any may be: counted like every refusal, and not read."""
        with self._gossip.receiving():
            raise too_large()

    def certificate(self, names: Iterable[str]) -> tuple[bytes, bytes]:
        """(certificate, private key) in PEM under which other nodes know this one at these hosts."""
        return self._gossip.certificate(names)

    @property
    def vouching(self) -> tuple[str, ...]:
        """The ids of the keys that vouch for a certificate that is made now."""
        return self._gossip.vouching

    def refusal_wait_s(self, subnet: str) -> float:
        """How long one more refusal of a peer's request from `subnet` waits before it is told."""
        return self._gossip.patience.refusal_wait_s(subnet)

    def _peer_messages(self, sender: str, content: bytes) -> bytes:
        match _decoded(content):
            case [status, list(items)]:
                self._engine.peer_items(sender, items)
                self._gossip.note_status(sender, status)
            case _:
                raise bad_request("malformed", "messages are [status, [item, ...]]")
        attestations = sum(isinstance(i, list) and i[:1] == [ITEM_ATTESTATION] for i in items)
        if attestations:
            log.moment("gossip", peer=sender, attestations=attestations)
        return self._peer_status()

    def _peer_status(self, last: int = INTEGER_MAX) -> bytes:
        """Where this node is, or the last block that somebody gets who left."""
        replica, height, log_size, cosigned = self._engine.status()
        return encode([replica, min(height, last), log_size, cosigned])

    def _peer_blocks(self, content: bytes, last: int = INTEGER_MAX) -> bytes:
        match _decoded(content):
            case [start, asked] if whole_numbers(start, asked) and 0 < asked <= BLOCKS_PER_REQUEST:
                count = max(0, min(asked, last + 1 - start))
                if count and start <= (pruned := self._ledger.pruned.height):
                    raise not_found("blocks_pruned", PRUNED, first=pruned + 1)
                blocks = self._ledger.blocks(start, count, BLOCKS_BYTES_MAX)
                return encode([list[Value](pair) for pair in blocks])
            case _:
                raise bad_request("malformed", f"blocks are asked for by [height, 1 to {BLOCKS_PER_REQUEST}]")


def _decoded(content: bytes) -> Value:
    try:
        return decode(content, size_bytes_max=PEER_BODY_BYTES_MAX)
    except ConsensusError as error:
        raise bad_request("malformed", str(error)) from error
