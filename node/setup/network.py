"""The keys and card of a new node, what a network directory says, and joining that network.

    NETWORK/ genesis.toml   everything the nodes agree on; its SHA-256 is the network id
             rules/         the rule files genesis names by digest
             log.policy     C2SP tlog-policy: whose cosignatures make a checkpoint
             peers.toml     [addresses] DID = URL: a hint of each operator, not part of genesis

Who founds one goes by `ceremony.py`; who joins a running one, by `joining.py`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import tomli_w

from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from credentials.documents.uri import parse_did
from credentials.errors import CredentialError
from credentials.ledger.engine_terms import EMBEDDED
from credentials.ledger.genesis import Genesis, parse_card, write_card
from credentials.ledger.parties import Key, Participant
from node.config import (
    DataDirectory,
    policy_name,
    read_table,
    require_strong,
    rule_files,
    shipped_policy,
)
from node.errors import SetupError, Unfit, Unreadable
from node.named_files import make_folder, put_whole, read_own, write_own
from node.settings import read_toml
from node.setup.closing import close_to_others
from node.setup.engine_file import engine_of
from node.setup.founding_file import require_url
from node.setup.key_token import Token
from node.setup.keystore import (
    RECOVERY_FILE,
    Keys,
    key_id,
    new_recovery,
    save_recovery,
    write_operator_key,
)
from node.setup.rule_files import RuleFolder

VALIDATOR_ROLES = ("vote", "cosign", "log")
# Any of these, and the making of the node had come to its end: the lock is the last thing made.
_OF_A_WHOLE_NODE = frozenset({"lock", "network", "office.db", "ledger.db", "signing.db"})
GENESIS_FILE, POLICY_FILE, PEERS_FILE, RULES_FOLDER = "genesis.toml", "log.policy", "peers.toml", "rules"
SEALED_KEY_FILE = "network.key"  # of who joined later: genesis holds none for it


# -- init ------------------------------------------------------------------------------------------------


def init(
    directory: DataDirectory,
    *,
    did: str,
    name: str,
    jurisdiction: str,
    roles: Sequence[str],
    validator: bool,
    passphrase: str,
    policy: str | None = None,
    token: Token | None = None,
) -> Participant:
    """Make keys, card, operator key and policy of a new node. The card is public; give it to the founders.

    Its recovery key, whose digest is on the card, is to be moved away: no node opens it.
    """
    root = directory.root
    if root.exists() and (there := {path.name for path in root.iterdir()}):
        if "keys.enc" in there and not there & _OF_A_WHOLE_NODE:
            raise SetupError(
                f"{root} holds keys of a node whose making was interrupted, and which were given to nobody: "
                "remove the directory, and repeat this"
            )
        raise SetupError(f"{root} is not empty: `comity init` makes a new node in a new directory")
    if parse_did(did) is None:
        raise SetupError(
            f"{did!r} is not a DID: write did:web: and the organisation's host, did:web:maker.example"
        )
    lifecycle = read_table("lifecycle.json", rule_files()["lifecycle.json"])
    for role in roles:
        if role not in lifecycle["roles"]:
            known = ", ".join(lifecycle["roles"])
            raise SetupError(f"there is no role {role!r}: it is one of {known}")
    keys, recovery = Keys.generate(did, token), new_recovery(did)
    public = {role: k for role, k in keys.public_keys().items() if validator or role not in VALIDATOR_ROLES}
    participant = Participant(
        did=did,
        name=name,
        jurisdiction=jurisdiction,
        roles=tuple(roles),
        keys=tuple(Key(role, key_id(did, role), key, int(time.time())) for role, key in public.items()),
        recovery=sha256(recovery.public_key).digest(),
    )
    try:
        parse_card(card := write_card(participant))
    except CredentialError as error:
        why = str(error).removeprefix("this genesis is refused: ")
        raise SetupError(f"this participant cannot be described, correct that: {why}") from error
    policy_data = shipped_policy(policy or policy_name(jurisdiction, tuple(roles)), jurisdiction)
    require_strong(passphrase)
    make_folder(root)
    root.chmod(0o700)  # one that was there already, with room for others to look in
    keys.save(root, passphrase)
    save_recovery(root / RECOVERY_FILE, recovery, passphrase)
    write_own(directory.card, card)
    write_own(directory.policy_file, policy_data)
    write_operator_key(directory.operator_key)
    (root / "lock").touch()
    close_to_others(root)
    return participant


def read_card(path: Path) -> Participant:
    """A participant card."""
    try:
        return parse_card(read_own(path))
    except OSError as error:
        raise Unreadable(f"the card {path} cannot be read: {error.strerror}") from error
    except CredentialError as error:
        why = str(error).removeprefix("this genesis is refused: ")
        raise Unfit(f"the card {path}: {why}") from error


def write(out: Path, genesis: Genesis, files: Mapping[str, bytes], addresses: Mapping[str, str]) -> None:
    """A network directory."""
    make_folder(out / RULES_FOLDER, 0o777)
    for name, rule in files.items():
        write_own(out / RULES_FOLDER / name, rule)
    write_own(out / POLICY_FILE, genesis.governance.log_policy(genesis.origin).encode())
    write_own(out / PEERS_FILE, _peers_text(addresses).encode())
    write_own(out / GENESIS_FILE, genesis.data)


def _peers_text(addresses: Mapping[str, str]) -> str:
    head = "# Where the nodes of this network listen. A hint for this node only: edit it as you like.\n"
    return head + tomli_w.dumps({"addresses": dict(sorted(addresses.items()))})


@dataclass(frozen=True, slots=True)
class Network:
    """A network directory that was read and checked."""

    genesis: Genesis
    policy: LogPolicy
    policy_text: str
    addresses: Mapping[str, str]
    rule_files: RuleFolder  # those of genesis, and what the operator put beside them
    sealed_key: bytes | None = None  # of a node that joined later (`joining.py`)
    engine: str = EMBEDDED  # what orders it


def verify(directory: Path) -> Network:
    """Read a network directory and check everything in it against genesis."""
    try:
        data = read_own(directory / GENESIS_FILE)
    except FileNotFoundError as error:
        raise SetupError(
            f"{directory} is no network directory, name another: it has no {GENESIS_FILE}"
        ) from error
    except OSError as error:
        raise Unreadable(f"{directory / GENESIS_FILE} cannot be read: {error.strerror}") from error
    folder = directory / RULES_FOLDER
    try:
        files = {path.name: read_own(path) for path in sorted(folder.glob("*")) if path.is_file()}
    except OSError as error:
        raise Unreadable(f"{error.filename} cannot be read: {error.strerror}") from error
    try:
        genesis = Genesis.parse(data, files)
    except CredentialError as error:
        raise Unfit(f"{directory / GENESIS_FILE}: {error}") from error
    try:
        text = read_own(directory / POLICY_FILE).decode()
        policy = LogPolicy.parse(text)
    except FileNotFoundError as error:
        raise SetupError(f"{directory} holds no {POLICY_FILE}: take it from another participant") from error
    except OSError as error:
        raise Unreadable(f"{directory / POLICY_FILE} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        where = directory / POLICY_FILE
        told = f"{where} is not text in UTF-8 (its byte {error.start + 1} is none)"
        raise SetupError(f"{told}: take it from another participant") from error
    except ConsensusError as error:
        raise Unfit(f"{directory / POLICY_FILE}: {error}") from error
    if policy.origin != genesis.origin:
        raise Unfit(
            f"{directory / POLICY_FILE} is of the log {policy.origin}, genesis is of {genesis.origin}"
        )
    if policy != LogPolicy.parse(genesis.governance.log_policy(genesis.origin)):
        raise SetupError(
            f"{directory / POLICY_FILE} names other keys or jurisdictions than the validators of genesis "
            "have: it is of another network, or of a later time, or was edited; take the founding one from "
            "another participant"
        )
    by_digest = {sha256(content).digest(): content for content in files.values()}
    kept = directory / SEALED_KEY_FILE
    sealed = read_own(kept) if kept.exists() else None
    held = RuleFolder(folder, by_digest)
    return Network(genesis, policy, text, _addresses(directory), held, sealed, engine_of(directory))


def joined(directory: DataDirectory) -> Network:
    """The network that a data directory belongs to."""
    if not directory.network.exists():
        raise SetupError(
            f"{directory.root} has joined no network: run `comity network join --data {directory.root} "
            "--network DIR`"
        )
    return verify(directory.network)


def _addresses(directory: Path) -> dict[str, str]:
    """Of whomever the operator names: who takes part is asked of the ledger (`peers/address_book.py`)."""
    path = directory / PEERS_FILE
    try:
        table = read_toml(path)
    except FileNotFoundError:
        return {}
    if unknown := table.keys() - {"addresses"}:
        raise Unfit(f"{path}: the member {min(unknown)!r} is not known: it has [addresses] alone")
    addresses = table.get("addresses", {})
    if not isinstance(addresses, dict):
        raise Unfit(f"{path}: addresses is a table of DID = URL")
    for did, url in addresses.items():
        require_url(did, url, f"{path}: ")
    return addresses


def join(directory: DataDirectory, network: Path, passphrase: str) -> Network:
    """Check a network directory against this node's keys, and keep a copy in the data directory."""
    found = verify(network)
    keys = Keys.load(directory.root, read_card(directory.card).did, passphrase)
    open_network_key(found.genesis, keys, found.sealed_key)
    if directory.network.exists() and network.resolve() != directory.network.resolve():
        present = verify(directory.network)
        if present.genesis.network_id != found.genesis.network_id:
            raise SetupError(
                f"{directory.root} has already joined the network {present.genesis.name} "
                f"({present.genesis.network_id.hex()[:16]}): name another directory for another network"
            )
        return present
    if network.resolve() != directory.network.resolve():
        scratch = directory.root / "network.new"
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(network, scratch)
        put_whole(scratch, directory.network)
        close_to_others(directory.root)
    return found


def open_network_key(genesis: Genesis, keys: Keys, kept: bytes | None = None) -> bytes:
    """The network key: sealed in genesis to these keys, or `kept`, of a node that joined later."""
    sealed = kept if kept is not None else _sealed_in(genesis, keys)
    network_key = keys.unseal(sealed)
    try:
        genesis.require_network_key(network_key)
    except CredentialError as error:
        raise SetupError(f"this node cannot start: {error}: join with its own network directory") from error
    return network_key


def _sealed_in(genesis: Genesis, keys: Keys) -> bytes:
    participant = genesis.governance.participant(keys.did)
    if participant is None:
        raise SetupError(
            f"{keys.did} is no participant of the network {genesis.name} "
            f"({genesis.network_id.hex()[:16]}): join the network that was founded with your card"
        )
    public = keys.public_keys()
    for key in participant.keys:
        held = public.get(key.role, key.public)  # one that was retired is destroyed: nothing to compare
        if key.id == key_id(keys.did, key.role) and held != key.public:
            raise SetupError(
                f"the {key.role} key in keys.enc is not the one genesis names for {keys.did}: "
                "this is the data directory of another node; name the one whose card was given"
            )
    sealed = genesis.sealed_network_keys.get(keys.did)
    if sealed is None:
        raise Unfit(f"genesis holds no network key sealed to {keys.did}: the founders must add it")
    return sealed


def require_id(genesis: Genesis, expected: str | None) -> None:
    """Refuse a network whose id is not the one that was told; None: nobody told one."""
    if expected is not None and expected.strip().lower() != fingerprint(genesis):
        raise SetupError(
            f"this is the network {fingerprint(genesis)}, not {expected:.64}: its genesis.toml was altered "
            "or is of another network; take the directory from the founders again"
        )


def fingerprint(genesis: Genesis) -> str:
    """The network id in hex: what participants compare before they join."""
    assert sha256(genesis.data).digest() == genesis.network_id, "the id is the digest of the file"
    return genesis.network_id.hex()
