"""Who is heard: requests between nodes and their answers, signed by transport keys on the ledger.

    request  ["comity/peer/v1", network id, sender, receiver, time, nonce(16), path, sealed body]
    reply    ["comity/peer-reply/v1", network id, receiver, sender, time, its nonce, path, sealed body]

Only who takes part now is heard, within a window of time, and each request once. What was captured and
is sent again is refused, and costs its signer nothing: it did not send it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from consensus.cose import SeedSigner, Sign1, Signer, parse_sign1, sign1, verify_sign1
from consensus.encoding import Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.parties import Key, Participant
from node.errors import ProblemError, forbidden
from node.peers.certificates import Trust, make_certificate, pinned
from node.peers.messages import PEER_BODY_BYTES_MAX, not_authenticated
from node.peers.sealing import Sealing, SealingError
from node.peers.strikes import Patience

REQUEST_TAG, REPLY_TAG = "comity/peer/v1", "comity/peer-reply/v1"
WINDOW_S = 120  # a request older or newer than this is refused; nonces are remembered twice as long
ENVELOPE_VALUES = 16  # a list of eight: whoever sent it is not known yet
NONCES_PER_SENDER_MAX = 50_000
# Who left is answered these for so long: the block that says it left comes to it like every other one.
PARTING, PARTING_S = frozenset({"status", "messages", "blocks"}), 7 * 86_400


@dataclass(frozen=True, slots=True)
class _Envelope:
    """What is read of a message without opening it; `key`: its sender's, by which it is signed."""

    sender: str
    sent: int
    nonce: bytes
    key: bytes
    sealed: bytes


class PeerAuthentication:
    """Signs what goes to peers, and opens what comes from them."""

    def __init__(
        self,
        network_id: bytes,
        history: GovernanceHistory,
        did: str,
        keys: Iterable[Signer],
        *,
        now: Callable[[], float] = time.time,
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keys`: the own transport keys as of each time they are asked for, first the one that governs."""
        self._network_id = network_id
        self._history = history
        self.did = did
        self._keys = keys
        self._sealings: dict[bytes, Sealing] = {}  # by own key
        self._tries: dict[str, int] = {}  # how often a peer did not know the key that it was shown
        self._now, self._passed = now, passed
        # When, and to which own key: by sender, so that none takes another's place.
        self._nonces: dict[str, dict[bytes, tuple[float, Signer]]] = {}
        self._lock = threading.Lock()
        self.patience = Patience()
        # (peer, what its clock shows, whether by an answer to us: a request may be one that was captured)
        self.on_clock: Callable[[str, float, bool], None] | None = None

    def votes(self, did: str) -> bool:
        """True for a validator of the next block."""
        return self._history.latest.votes(did)

    @property
    def keys_held(self) -> int:
        """How many transport keys this node has by now."""
        return len(tuple(self._keys))

    def side_of(self, did: str) -> str:
        """The jurisdiction of a participant; empty for none."""
        participant = self._history.latest.participant(did)
        return participant.jurisdiction if participant is not None else ""

    def addresses(self) -> dict[str, str]:
        """Where the ledger says that the nodes of the others are."""
        now, others = int(self._now()), self._history.latest.participants.values()
        return {p.did: p.address for p in others if p.address and p.takes_part(now) and p.did != self.did}

    def own_address(self) -> str:
        """Where the ledger says that this node is; empty where it says nothing."""
        own = self._history.latest.participant(self.did)
        return own.address if own is not None else ""

    def takes_part(self, did: str) -> bool:
        """True for a participant, by now."""
        participant = self._history.latest.participant(did)
        return participant is not None and participant.takes_part(int(self._now()))

    def has_left(self, did: str) -> bool:
        """True for who took part and does no more; False for whom this ledger does not know (yet)."""
        participant = self._history.latest.participant(did)
        return participant is not None and not participant.takes_part(int(self._now()))

    def last_height_for(self, did: str) -> int | None:
        """The block that a participant gets last, the one in which it left; None: it takes part."""
        if not self.has_left(did):
            return None
        epochs = ((start, governance.participant(did)) for start, governance in self._history.epochs)
        return next(start for start, party in epochs if party is not None and party.left is not None) - 1

    def request(self, receiver: str, path: str, body: bytes) -> tuple[bytes, bytes]:
        """(signed request, its nonce)."""
        nonce, keys = secrets.token_bytes(16), tuple(self._keys)
        signer = keys[self._tries.get(receiver, 0) % len(keys)]
        return self._sign(REQUEST_TAG, receiver, nonce, path, body, signer=signer), nonce

    def unknown_to(self, receiver: str) -> None:
        """A peer did not know the key of a request, being ahead or behind: it is shown another next time."""
        self._tries[receiver] = self._tries.get(receiver, 0) + 1

    def reply(self, receiver: str, nonce: bytes, path: str, body: bytes) -> bytes:
        """Signed with the key to which the request was sealed: that one its sender knows."""
        with self._lock:
            asked = self._nonces.get(receiver, {}).get(nonce)
        signer = asked[1] if asked is not None else next(iter(self._keys))
        return self._sign(REPLY_TAG, receiver, nonce, path, body, signer=signer)

    def open_request(self, data: bytes, path: str) -> tuple[str, bytes, bytes]:
        """(sender, nonce, body) of a request that is for this node, fresh, and seen for the first time."""
        envelope, body, opened_by = self._open(REQUEST_TAG, data, path)
        self._require_once(envelope, opened_by)
        return envelope.sender, envelope.nonce, body

    def receiver_of(self, data: bytes) -> str:
        """Whom a request names, whoever sent it; empty for what is none."""
        with suppress(ConsensusError):
            match _payload(data)[1]:
                case [_, _, _, str(receiver), *_]:
                    return receiver
        return ""

    def sender_of_sealed(self, data: bytes, path: str, receiver: str) -> str:
        """Who sent a request, fresh and seen for the first time, to whom this node hosts: it stays sealed."""
        try:
            envelope = self._envelope(REQUEST_TAG, data, path, receiver)
        except ConsensusError as error:
            raise not_authenticated(f"the peer request cannot be read: {error}") from error
        self._require_once(envelope, next(iter(self._keys)))
        return envelope.sender

    def _require_once(self, envelope: _Envelope, opened_by: Signer) -> None:
        sender, nonce = envelope.sender, envelope.nonce
        with self._lock:
            # Whoever sends it again need not be who signed it: the signer is not struck for it.
            if nonce in self._nonces.get(sender, {}):
                raise ProblemError(401, "replayed", "Not authenticated", "this request was received before")
            self._require_fresh(sender, envelope.sent, answered=False)
            passed = self._passed()
            for each in (next(iter(self._nonces), sender), sender):  # in turn also who asks no more
                self._forget(each, passed)
            nonces = self._nonces.setdefault(sender, {})
            if len(nonces) >= NONCES_PER_SENDER_MAX:
                raise ProblemError(503, "busy", "Come again", "too many of your requests in four minutes")
            nonces[nonce] = passed, opened_by

    def _forget(self, sender: str, passed: float) -> None:
        """Its nonces that no fresh request can have any more; from now on it is the last in turn."""
        nonces = self._nonces.pop(sender, {})
        # In the order received; by how much time passed, which no wrong clock shortens.
        while nonces and nonces[oldest := next(iter(nonces))][0] <= passed - 2 * WINDOW_S:
            del nonces[oldest]
        if nonces:
            self._nonces[sender] = nonces

    def open_reply(self, data: bytes, path: str, sender: str, nonce: bytes) -> bytes:
        """The body of `sender`'s reply to the request with `nonce`."""
        envelope, body, _ = self._open(REPLY_TAG, data, path)
        if envelope.sender != sender or envelope.nonce != nonce:
            raise not_authenticated("the reply is of another peer or to another request")
        self._require_fresh(sender, envelope.sent, answered=True)
        return body

    def certificate(self, names: Iterable[str]) -> tuple[bytes, bytes]:
        """(certificate, private key) in PEM under which other nodes know this one at these hosts."""
        return make_certificate(self.did, self._keys, names, int(self._now()))

    @property
    def vouching(self) -> tuple[str, ...]:
        """The ids of the keys that vouch for a certificate that is made now."""
        return tuple(signer.key_id for signer in self._keys)

    def trust(self, did: str) -> Trust:
        """What a TLS connection to `did` must show."""

        def transport() -> list[bytes]:
            party, now = self._history.latest.participant(did), int(self._now())
            if party is None or not party.takes_part(now):
                return []
            return [key.public for key in party.keys if key.role == "transport" and key.valid(now)]

        return pinned(did, transport, self._now)

    def _require_fresh(self, sender: str, sent: int, *, answered: bool) -> None:
        # A clock that is wrong shows in every message, and is told before the message is refused for it.
        if self.on_clock is not None:
            self.on_clock(sender, sent, answered)
        if abs(sent - self._now()) > WINDOW_S:
            raise not_authenticated(f"the request's time is more than {WINDOW_S} s from this node's clock")

    def _sealing(self, signer: Signer) -> Sealing:
        if signer.public_key not in self._sealings:
            assert isinstance(signer, SeedSigner), "a transport key is on no token: it decrypts"
            self._sealings[signer.public_key] = Sealing(signer.seed)
        return self._sealings[signer.public_key]

    def _unseal(self, writer: bytes, sealed: bytes) -> tuple[bytes, Signer]:
        """What was sealed to one of the own keys, and to which: a peer that is behind knows a former one."""
        for signer in self._keys:
            with suppress(SealingError):
                return self._sealing(signer).open(writer, sealed), signer
        raise SealingError("it is not sealed for this node by its sender")

    def _sign(
        self, tag: str, receiver: str, nonce: bytes, path: str, body: bytes, *, signer: Signer
    ) -> bytes:
        now = int(self._now())
        party = self._history.latest.participant(receiver)
        if party is not None and tag == REPLY_TAG:
            party = _as_heard(party, path)
        reader = party.key("transport", now) if party is not None else None
        if reader is None:
            raise not_authenticated(f"the network knows no transport key of {receiver} for this time")
        try:
            sealed = self._sealing(signer).seal(reader.public, body)
        except SealingError as error:
            told = f"the transport key of {receiver} is no key: {error}"
            raise not_authenticated(told) from error
        payload = encode([tag, self._network_id, self.did, receiver, now, nonce, path, sealed])
        return sign1({}, payload, signer)

    def _open(self, tag: str, data: bytes, path: str) -> tuple[_Envelope, bytes, Signer]:
        try:
            envelope = self._envelope(tag, data, path, self.did)
            body, opened_by = self._unseal(envelope.key, envelope.sealed)
        except (ConsensusError, SealingError) as error:
            raise not_authenticated(f"the peer request cannot be read: {error}") from error
        return envelope, body, opened_by

    def _envelope(self, tag: str, data: bytes, path: str, to: str) -> _Envelope:
        """Of a message that a participant signed, and that names this network, reader and path."""
        message, payload = _payload(data)
        match payload:
            case [
                str(said),
                bytes(network),
                str(sender),
                str(receiver),
                sent,
                bytes(nonce),
                str(signed_for),
                bytes(sealed),
            ] if said == tag and len(nonce) == 16 and whole_numbers(sent):
                pass
            case _:
                raise not_authenticated("this is not a peer request")
        if network != self._network_id:
            raise forbidden(
                "other_network",
                f"the request is of network {network.hex()[:16]}, this node is in network "
                f"{self._network_id.hex()[:16]}: compare genesis.toml",
            )
        if receiver != to:
            raise forbidden("wrong_receiver", f"the request is for {receiver}, this node is {self.did}")
        participant = self._history.latest.participant(sender)
        if participant is None:
            raise not_authenticated(f"{sender} is not a participant of this network")
        if self.patience.exhausted(sender):
            raise ProblemError(
                429, "too_many_refused", "Come again", "too many of your messages had to be refused"
            )
        key = _key_of(message, _as_heard(participant, path), sent)
        verify_sign1(message, key.public)
        if signed_for != path:
            raise not_authenticated(f"the request was signed for /peer/{signed_for}, it came to /peer/{path}")
        return _Envelope(sender, sent, nonce, key.public, sealed)


def _payload(data: bytes) -> tuple[Sign1, Value]:
    message = parse_sign1(data, size_bytes_max=PEER_BODY_BYTES_MAX)
    return message, decode(message.payload, size_bytes_max=PEER_BODY_BYTES_MAX, values_max=ENVELOPE_VALUES)


def _as_heard(party: Participant, path: str) -> Participant:
    """A participant, for a while after it left, where it asks for the last blocks."""
    if party.left is None or path not in PARTING:
        return party
    return replace(party, left=party.left + PARTING_S)


def _key_of(message: Sign1, sender: Participant, sent: int) -> Key:
    """The transport key of the sender that a message names: any that is valid, while one follows another."""
    for key in sender.keys:
        found = key.role == "transport" and key.id == message.key_id
        if found and key.valid(sent) and sender.takes_part(sent):
            return key
    raise not_authenticated(f"the request is not signed by the transport key of {sender.did}")
