"""`comity network join --via`: from a card that was admitted to a data directory that can be served.

Trusted is one fingerprint (`peers/fingerprint.py`), and nothing that the peer says:

    genesis      its SHA-256 is the network id, and that goes into the fingerprint
    rule files   by their digests, in genesis
    the ledger   `snapshot_join.py` checks it against genesis; its root at the told size is the fingerprint's
    who answers  the transport key that it claims is on that ledger, or all of it is thrown away
    the key      its check value is in genesis
    the card     what the ledger says of this participant is what its card said

The ledger gets its name when all of that held, and the network directory after it: whoever is killed before
that begins again. Where CometBFT orders it is compared and not kept: it names the validators of one header of
CometBFT, from which the ledger that the node takes over is verified (decision 0650). Who is shown no such
header is given every block, with who agreed to it (decision 0628).
"""

from __future__ import annotations

import shutil
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from consensus.encoding import Value, decode, encode
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.types import Block
from credentials.errors import CredentialError
from credentials.ledger.engine_terms import COMETBFT, EMBEDDED
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.genesis_table import read_participant
from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.parties import Participant
from node.config import DataDirectory
from node.errors import PeerFailed, ProblemError, SetupError
from node.ledger import incoming, snapshot_join
from node.ledger import snapshot as snapshots
from node.ledger.chain import constitution_of, tip_of, tree_of
from node.ledger.comet import relay, state_sync
from node.ledger.comet.comet_names import chain_id
from node.ledger.comet.decided import by_cometbft
from node.ledger.comet.headers import read_header, validators_hash
from node.ledger.comet.home import FOLDER, Home
from node.ledger.comet.newcomer import PEER_PATH
from node.named_files import put_whole, write_own
from node.peers.authentication import PeerAuthentication
from node.peers.certificates import PEER_NAME, Trust
from node.peers.fingerprint import JoiningFingerprint
from node.peers.link import Link, LinkError
from node.peers.messages import PEER_BODY_BYTES_MAX, refusal_of
from node.setup import network as networks
from node.setup.closing import close_to_others
from node.setup.engine_file import write_engine
from node.setup.founding_file import require_address, require_url
from node.setup.keystore import Keys, seal_to
from node.storage.ledger import LedgerStore

ANSWER_S_MAX = 30.0
PARTIAL = "ledger.joining"


@dataclass(frozen=True, slots=True)
class _Hello:
    """What a peer says of itself and its network; true if the ledger agrees later."""

    url: str
    genesis: Genesis
    rule_files: Mapping[str, bytes]  # of genesis, by name
    later: tuple[bytes, ...]  # those that came into force since
    root: bytes
    peer: Participant

    @property
    def by_digest(self) -> dict[bytes, bytes]:
        return {sha256(data).digest(): data for data in (*self.rule_files.values(), *self.later)}

    @property
    def history(self) -> GovernanceHistory:
        """Genesis, with the peer as it says it is: to hear its answers, and for nothing else."""
        first = self.genesis.governance
        known = {**first.participants, self.peer.did: self.peer}
        return GovernanceHistory([(0, replace(first, participants=known))])


@dataclass(frozen=True, slots=True)
class Joined:
    """The network, and the height of the ledger that was compared with the fingerprint."""

    genesis: Genesis
    height: int
    kept: bool  # the node goes on from it
    handed: bool = False  # under CometBFT: it takes one over by state sync, instead of every block


def join_via(directory: DataDirectory, url: str, fingerprint: str, passphrase: str) -> Joined:
    """Join the network of the peer at `url`.

    Raises SetupError with one sentence, and leaves a directory that can try again.
    """
    told = JoiningFingerprint.parse(fingerprint.strip())
    if told is None:
        raise SetupError(
            "that is no fingerprint: your sponsor reads it off `comity network invite`, a number, a hyphen "
            "and 64 hexadecimal digits"
        )
    card = networks.read_card(directory.card)
    keys = Keys.load(directory.root, card.did, passphrase)
    if directory.network.exists():
        name = networks.verify(directory.network).genesis.name
        raise SetupError(f"{directory.root} has joined the network {name} already: start its node")
    require_address(f"--via {url:.120}", url)
    partial = directory.root / PARTIAL
    incoming.remove(partial)
    hello = _greet(url, told)
    authentication = PeerAuthentication(
        hello.genesis.network_id, hello.history, card.did, (keys.signer("transport"),)
    )
    try:
        network_key, addresses = _ask_key(authentication, hello)
        height = _take_ledger(authentication, hello, partial, told.size)
        history = _compared(partial, hello, told, card)
        engine, last = _engines(partial, history, height, told)
        of_first = last == COMETBFT and not history.term(height).epoch
        trust = _trusted(authentication, hello, partial, told.size, history) if of_first else None
    except BaseException:
        incoming.remove(partial)
        raise
    incoming.remove(directory.ledger)  # of a join that was killed before the network directory had its name
    if last == COMETBFT:
        incoming.remove(partial)
    else:
        put_whole(partial, directory.ledger)
    if trust is not None:
        trust.write(Home(directory.root / FOLDER))
    sealed = seal_to(keys.signer("transport").public_key, network_key)
    reachable = _reachable(history.latest, addresses, hello)
    _write_network(directory, hello, history, reachable, sealed=sealed, engine=engine)
    return Joined(hello.genesis, height, kept=last != COMETBFT, handed=trust is not None)


# -- what the peer says ----------------------------------------------------------------------------------


def _greet(url: str, told: JoiningFingerprint) -> _Hello:
    link = Link(url, [_anybody()] if urlsplit(url).scheme == "https" else [])
    try:
        status, answer = link.post(
            "/peer/hello", encode([told.text]), seconds_max=ANSWER_S_MAX, size_bytes_max=PEER_BODY_BYTES_MAX
        )
    except LinkError as error:
        raise PeerFailed(f"the peer does not answer as a node does: {error}") from error
    except OSError as error:
        raise PeerFailed(f"no node answers at {url}: {type(error).__name__}") from error
    finally:
        link.close()
    if status != 200:
        raise PeerFailed(f"the node at {url} gives you nothing: {refusal_of(status, answer)}")
    try:
        return _read_hello(url, decode(answer, size_bytes_max=PEER_BODY_BYTES_MAX), told)
    except (ConsensusError, CredentialError, TypeError, KeyError, ValueError) as error:
        raise PeerFailed(f"the answer of {url} cannot be read: {error}") from error


def _read_hello(url: str, answer: Value, told: JoiningFingerprint) -> _Hello:
    match answer:
        case [bytes(network_id), bytes(root), dict(own), bytes(genesis), dict(rules), list(later)]:
            pass
        case _:
            raise PeerFailed(f"the node at {url} answers otherwise than a node does")
    if JoiningFingerprint.of(network_id, told.size, root) != told or sha256(genesis).digest() != network_id:
        raise SetupError(
            f"the node at {url} shows a network that is not the one of your fingerprint: compare the "
            "fingerprint with your sponsor, and ask another peer"
        )
    files = {str(name): data for name, data in rules.items() if isinstance(data, bytes)}
    parsed = Genesis.parse(genesis, files)
    named = {name: files[name] for name in parsed.governance.rule_digests}
    contents = tuple(data for data in later if isinstance(data, bytes))
    hello = _Hello(
        url,
        parsed,
        named,
        contents,
        root,
        read_participant({str(name): value for name, value in own.items()}),
    )
    assert hello.history.latest.participant(hello.peer.did), "it can be asked"
    return hello


def _anybody() -> Trust:
    """A TLS connection to whom we do not know yet: what is said over it is checked, and nothing secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return Trust(context, PEER_NAME)


# -- what is asked of it as a participant ------------------------------------------------------------------


def _trusted(
    authentication: PeerAuthentication,
    hello: _Hello,
    partial: Path,
    log_size: int,
    history: GovernanceHistory,
) -> state_sync.TrustedHeader | None:
    """The header of the last block under the fingerprint: its validators are those of the compared ledger.

    CometBFT verifies itself that they signed it. None where the peer shows no such header: it is not needed.
    """
    ledger = LedgerStore(partial)
    try:
        last = ledger.leaves.at(log_size - 1)
    finally:
        ledger.close()
    entry = None if last is None else parse_entry(last.entry)
    if not isinstance(entry, BlockEntry):
        return None
    try:
        asked = relay.question("commit", {"height": entry.height})
        told = relay.read_answer(_ask(authentication, hello, PEER_PATH, asked))
        header = read_header(told["result"]["signed_header"]["header"])
    except (OSError, ProblemError, SetupError, KeyError, TypeError, ValueError):
        return None
    named = header.chain_id, header.height, header.validators_hash
    deciding = validators_hash(history.at(entry.height).validators)
    if named != (chain_id(hello.genesis.network_id), entry.height, deciding):
        raise PeerFailed(
            f"{hello.peer.did} shows a block {entry.height} of CometBFT with other validators than those of "
            "the ledger"
        )
    return state_sync.TrustedHeader(header.height, header.hash)


def _post(
    authentication: PeerAuthentication, hello: _Hello, path: str, body: bytes
) -> tuple[int, bytes, bytes]:
    """(status, answer, nonce) of one signed question to the peer that was greeted; OSError without one."""
    did, link = hello.peer.did, Link(hello.url, [authentication.trust(hello.peer.did)])
    try:
        data, nonce = authentication.request(did, path, body)
        told = link.post(f"/peer/{path}", data, seconds_max=ANSWER_S_MAX, size_bytes_max=PEER_BODY_BYTES_MAX)
        return *told, nonce
    finally:
        link.close()


def _ask(authentication: PeerAuthentication, hello: _Hello, path: str, body: bytes) -> bytes:
    """What it answers to one question; OSError, ProblemError or SetupError."""
    status, answer, nonce = _post(authentication, hello, path, body)
    if status != 200:
        raise PeerFailed(f"{hello.peer.did} answers nothing: {refusal_of(status, answer)}")
    return authentication.open_reply(answer, path, hello.peer.did, nonce)


def _ask_key(authentication: PeerAuthentication, hello: _Hello) -> tuple[bytes, dict[str, str]]:
    """The network key, sealed to this node by the peer, and where other nodes are."""
    did = hello.peer.did
    try:
        status, answer, nonce = _post(authentication, hello, "joining", b"")
        if status == 401:
            raise SetupError(
                f"{did} does not know you: {refusal_of(status, answer)}. If your admission is not decided "
                "yet, wait: your sponsor sees who still has to approve with `comity network invite`. If it "
                "is, the card was altered on its way, or the clocks differ: compare both with your sponsor"
            )
        if status != 200:
            raise PeerFailed(f"{did} gives you no network key: {refusal_of(status, answer)}")
        answered = authentication.open_reply(answer, "joining", did, nonce)
    except OSError as error:
        raise PeerFailed(f"{did} gave no network key: {error or type(error).__name__}") from error
    except ProblemError as error:
        raise PeerFailed(f"the answer of {did} was not signed by it: {error}") from error
    try:
        match decode(answered, size_bytes_max=PEER_BODY_BYTES_MAX):
            case [bytes(key), dict(addresses)]:
                hello.genesis.require_network_key(key)
                return key, {str(peer): str(address) for peer, address in addresses.items()}
    except (ConsensusError, CredentialError) as error:
        raise PeerFailed(f"{did} gave a key that is not this network's") from error
    raise PeerFailed(f"{did} answers otherwise than a node does")


def _take_ledger(authentication: PeerAuthentication, hello: _Hello, partial: Path, log_size: int) -> int:
    policy = LogPolicy.parse(hello.genesis.governance.log_policy(hello.genesis.origin))
    known = snapshot_join.Known(
        hello.genesis, policy, hello.by_digest.get, uncertified=True, compared=log_size
    )
    incoming.clear(partial.parent)
    fetched = incoming.place(partial.parent, "snapshot.rows")
    try:
        with snapshots.asking(authentication, {hello.peer.did: hello.url}, hello.url) as ask:
            snapshots.fetch(ask, fetched, log_size)
        return snapshot_join.join(fetched, known, partial)
    finally:
        incoming.leave(fetched)


# -- what the ledger says ------------------------------------------------------------------------------------


def _compared(partial: Path, hello: _Hello, told: JoiningFingerprint, card: Participant) -> GovernanceHistory:
    """What governed, once the ledger agrees with the fingerprint, the peer and the card."""
    ledger = LedgerStore(partial)
    try:
        tree = tree_of(ledger, tip_of(ledger, hello.genesis), partial)
        history = constitution_of(ledger, hello.genesis, hello.by_digest.get).history
    finally:
        ledger.close()
    if tree.size < told.size or tree.root(told.size) != hello.root:
        raise SetupError(
            f"the ledger of {hello.peer.did} is not the one of your fingerprint, or an older one: ask "
            "another peer"
        )
    now, governing = int(time.time()), history.latest
    peer = governing.key(hello.peer.did, "transport", now)
    if peer is None or peer != hello.peer.key("transport", now):
        raise PeerFailed(f"who answers at {hello.url} is not {hello.peer.did}")
    own = governing.participant(card.did)
    if own is None or not own.takes_part(now):
        raise SetupError(
            f"{card.did} is not admitted on the ledger of {hello.peer.did}: wait until it is, or ask another "
            "peer; your sponsor sees who still has to approve with `comity network invite`"
        )
    changed = [
        name for name in ("jurisdiction", "roles", "recovery") if getattr(own, name) != getattr(card, name)
    ]
    if {(k.id, k.public) for k in card.keys} - {(k.id, k.public) for k in own.keys}:
        changed.append("keys")
    if changed:
        raise SetupError(
            f"the card was altered on its way: {', '.join(changed)} of {card.did} on the ledger are not "
            "those on your card. Do not use this node: an authority of your jurisdiction stops the "
            "participant (`comity network propose stop`) and expels it"
        )
    return history


def _engines(
    partial: Path, history: GovernanceHistory, height: int, told: JoiningFingerprint
) -> tuple[str, str]:
    """What ordered the first block, and what the last; SetupError where a newcomer cannot go on from there.

    What CometBFT ordered before is believed by the fingerprint, which then is of a later block; what it
    orders now, it gives itself, after the blocks that a quorum certified.
    """
    term = history.term(height)
    ledger = LedgerStore(partial)
    try:
        (first_form,), (last_form,) = (ledger.blocks(h, 1, 1)[0][1:] for h in (1, height))
        begun = Block.decode(ledger.blocks(term.first, 1, 1)[0][0])
    finally:
        ledger.close()
    first, last = (COMETBFT if by_cometbft(form) else EMBEDDED for form in (first_form, last_form))
    if last == EMBEDDED and term.epoch and told.size < begun.log_size:
        raise SetupError(
            "the fingerprint is older than the network's move to the engine that it has now: ask your "
            "sponsor for another one (`comity network invite`)"
        )
    if last == COMETBFT and term.epoch > 1:
        raise SetupError(
            f"the network was moved between engines {term.epoch} times, and CometBFT orders it now: it gives "
            "nobody what it ordered before. Join once the network is ordered by the embedded engine again"
        )
    return first, last


def _reachable(governing: Governance, hints: Mapping[str, str], hello: _Hello) -> dict[str, str]:
    """Where participants are: as the ledger says, else as the peer does; who answers there shows its key."""
    found = {}
    for did, participant in governing.participants.items():
        address = hello.url if did == hello.peer.did else participant.address or hints.get(did)
        with suppress(SetupError):
            require_url(did, address)
            found[did] = str(address)
    return found


def _write_network(
    directory: DataDirectory,
    hello: _Hello,
    history: GovernanceHistory,
    addresses: Mapping[str, str],
    *,
    sealed: bytes,
    engine: str,
) -> None:
    scratch = directory.root / "network.new"
    shutil.rmtree(scratch, ignore_errors=True)
    # What the ledger named, and nothing else that the peer gave with it.
    named = {digest for _, epoch in history.epochs for digest in epoch.rule_digests.values()}
    found = {digest: data for digest, data in hello.by_digest.items() if digest in named}
    later = {f"{digest.hex()}.json": data for digest, data in found.items() if data in hello.later}
    networks.write(scratch, hello.genesis, {**later, **hello.rule_files}, addresses)
    write_own(scratch / networks.SEALED_KEY_FILE, sealed)
    write_engine(scratch, engine)
    put_whole(scratch, directory.network)
    close_to_others(directory.root)
