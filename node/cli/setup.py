"""`comity init`, `comity network create|join|verify`: from an empty directory to a network."""

from __future__ import annotations

from pathlib import Path

import click
import tomli_w

from credentials.documents.uri import is_web_url
from credentials.ledger.engine_terms import EMBEDDED, ENGINES
from node.cli.client import DataFolder, NamedParty
from node.cli.terminal import say, who_decides
from node.config import DataDirectory, jurisdictions_with_policies, passphrase
from node.errors import SetupError
from node.ledger import incoming, snapshot_join
from node.ledger import snapshot as snapshots
from node.named_files import write_own
from node.peers.authentication import PeerAuthentication
from node.settings import SETTINGS_FILE, TokenSettings
from node.setup import ceremony, rule_files
from node.setup import network as networks
from node.setup.key_token import PIN, Token
from node.setup.keystore import Keys
from node.storage.ledger import LedgerStore

DATA = click.option(
    "--data",
    required=True,
    type=DataFolder(),
    help="Data directory of the node.",
)
PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="File with the passphrase of the keys; otherwise COMITY_PASSPHRASE.",
)


@click.command()
@DATA
@click.option(
    "--did",
    required=True,
    type=NamedParty(),
    metavar="DID",
    help="did:web of the organisation, e.g. did:web:maker.example",
)
@click.option("--name", required=True, help="Name of the organisation.")
@click.option("--jurisdiction", required=True, help="Capitals: that of a country or a union.")
@click.option("--role", "roles", multiple=True, required=True, help="manufacturer, customs, ... (repeatable)")
@click.option("--validator", is_flag=True, help="Put vote, log and cosign keys on the card as well.")
@click.option(
    "--pkcs11", "module", type=click.Path(path_type=Path), help="Make keys on a token: its library."
)
@click.option("--token", help="With --pkcs11: the label of the token.")
@click.option("--pin-file", type=click.Path(path_type=Path), help=f"With --pkcs11; otherwise {PIN}.")
@click.option(
    "--on-token",
    multiple=True,
    default=("attest", "credential", "cosign"),
    show_default=True,
    help="With --pkcs11: roles whose keys are made there (repeatable).",
)
@click.option("--policy", help="Shipped policy to judge by; default: by role and jurisdiction.")
@PASSPHRASE
def init(
    data: Path,
    *,
    did: str,
    name: str,
    jurisdiction: str,
    roles: tuple[str, ...],
    validator: bool,
    module: Path | None,
    token: str | None,
    pin_file: Path | None,
    on_token: tuple[str, ...],
    policy: str | None,
    passphrase_file: Path | None,
) -> None:
    """Make the keys and the public card of a new node."""
    directory = DataDirectory(data)
    settings = _token_settings(module, token, pin_file, on_token)
    networks.init(
        directory,
        did=did,
        name=name,
        jurisdiction=jurisdiction,
        roles=roles,
        validator=validator,
        passphrase=passphrase(passphrase_file),
        policy=policy,
        token=None if settings is None else Token(settings),
    )
    if settings is not None:
        write_own(directory.root / SETTINGS_FILE, tomli_w.dumps({"pkcs11": settings.row()}).encode())
    _tell_made(directory, did, jurisdiction, settings)


def _token_settings(
    module: Path | None, token: str | None, pin_file: Path | None, on_token: tuple[str, ...]
) -> TokenSettings | None:
    """On which token which keys are made; None: on none."""
    if (module is None) != (token is None):
        raise click.UsageError("keys on a token need --pkcs11 LIBRARY and --token LABEL")
    if module is None or token is None:
        return None
    file = None if pin_file is None else pin_file.absolute()
    return TokenSettings(module.absolute(), token, frozenset(on_token), file)


def _tell_made(directory: DataDirectory, did: str, jurisdiction: str, settings: TokenSettings | None) -> None:
    """What was made, and what to do with it."""
    data = directory.root
    if settings is not None:
        say(
            f"on the token {settings.token}: the keys of {', '.join(sorted(settings.roles))}; they stay there"
        )
    say(f"{did}: keys in {data / 'keys.enc'}, card for the founders in {directory.card}")
    say(
        f"move {data / 'recovery.enc'} offline: it alone replaces these keys once the network runs, and no "
        "node opens it"
    )
    if directory.policy().name == "elsewhere":
        known = " or ".join(f"--jurisdiction {one}" for one in jurisdictions_with_policies())
        say(
            f"no law of {jurisdiction} is among the rules of this version: the record, the signatures and "
            f"the code are judged. Who is under a law that is there, also as a member state, writes {known}"
        )


ID = click.option(
    "--id", "network_id", help="The id the founders told you, 64 hex digits: any other network is refused."
)


@click.group()
def network() -> None:
    """Found, join and verify networks."""


@network.command()
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="New directory.")
@click.option(
    "--founding", multiple=True, type=click.Path(path_type=Path), help="Founding file (repeatable)."
)
@click.option("--accredit", multiple=True, type=click.Path(path_type=Path), help="The same, by another name.")
@click.option("--name", help="Name of the network: lower-case letters, digits, hyphens.")
@click.option("--origin", help="Name of its log, for good; default log.NAME.example")
@click.option("--card", "cards", multiple=True, type=click.Path(path_type=Path), help="Participant card.")
@click.option(
    "--validator", "validators", multiple=True, help="DID of a validator; default: cards with keys."
)
@click.option("--address", "addresses", multiple=True, help="DID=URL for peers.toml (repeatable).")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=EMBEDDED,
    show_default=True,
    help="What orders it: cometbft is a program beside each node, which `make cometbft` builds.",
)
def create(
    *,
    out: Path,
    founding: tuple[Path, ...],
    accredit: tuple[Path, ...],
    name: str | None,
    origin: str | None,
    cards: tuple[Path, ...],
    validators: tuple[str, ...],
    addresses: tuple[str, ...],
    engine: str,
) -> None:
    """Found a network: cards and founding files in, a directory out."""
    plan = ceremony.Founding(engine=engine)
    for path in (*founding, *accredit):
        plan.read(path)
    plan.name, plan.origin = name or plan.name, origin or plan.origin
    for path in cards:
        card = networks.read_card(path)
        plan.add(card, validator=card.did in validators if validators else None)
    strangers = set(validators) - {p.did for p in plan.participants}
    if strangers:
        raise SetupError(
            f"the validator {min(strangers)} has no card among the given ones",
            step="Give its card with --card FILE, or leave it out of --validator.",
        )
    for address in addresses:
        did, separator, url = address.partition("=")
        if not separator:
            raise click.UsageError(f"--address is DID=URL, not {address!r}")
        plan.addresses[did] = url
    genesis = ceremony.create(out, plan)
    say(f"network {genesis.name}, id {networks.fingerprint(genesis)}")
    first = genesis.governance
    say(f"{len(first.participants)} participants, {len(first.validators.validators)} validators")
    say(f"give {out} to every participant; each runs: comity network join --data DIR --network {out}")


@network.command()
@DATA
@click.option("--network", "source", type=click.Path(path_type=Path), help="Its directory.")
@click.option("--via", help="URL of a participant's node, in place of --network: join a network that runs.")
@click.option("--fingerprint", help="With --via: what your sponsor reads off `comity network invite`.")
@click.option(
    "--snapshot", help="Begin with this snapshot: a file, or the URL of a peer in peers.toml to get one from."
)
@ID
@PASSPHRASE
def join(
    data: Path,
    *,
    source: Path | None,
    via: str | None,
    fingerprint: str | None,
    snapshot: str | None,
    network_id: str | None,
    passphrase_file: Path | None,
) -> None:
    """Check a network against this node's keys, and join it.

    It is kept in the data directory.
    """
    directory = DataDirectory(data)
    if (via is None) == (source is None) or (via is None) != (fingerprint is None):
        raise click.UsageError("give --network DIR, or --via URL with --fingerprint")
    if via is not None and (snapshot or network_id):
        raise click.UsageError("--via brings the ledger, and the fingerprint names the network")
    with directory.lock():
        if source is None:
            assert via is not None and fingerprint is not None, "asked for above"
            _join_via(directory, via, fingerprint, passphrase(passphrase_file))
        else:
            networks.require_id(networks.verify(source).genesis, network_id)
            _join_with(directory, source, snapshot, passphrase(passphrase_file))
    say(f"start the node with `comity serve --data {data}`")


def _join_via(directory: DataDirectory, via: str, fingerprint: str, words: str) -> None:
    """A network that runs: everything from that node, believed by the fingerprint."""
    from node.setup import joining  # noqa: PLC0415 - it reads what CometBFT says: slow to be loaded

    joined = joining.join_via(directory, via, fingerprint, words)
    say(f"joined {joined.genesis.name}, id {networks.fingerprint(joined.genesis)}")
    _write_home(directory, networks.verify(directory.network))
    if joined.kept:
        say(f"took over the ledger up to block {joined.height}: it is the one of your fingerprint")
        say_unchecked(directory.ledger)
        return
    given = "the node takes over a ledger" if joined.handed else "CometBFT fetches every block"
    say(
        f"compared the ledger up to block {joined.height}: it is the one of your fingerprint; "
        f"{given} when it starts"
    )


def _join_with(directory: DataDirectory, source: Path, snapshot: str | None, words: str) -> None:
    """A network by its directory, and with a ledger by a snapshot if one is named."""
    found = networks.join(directory, source, words)
    _write_home(directory, found)
    say(f"joined {found.genesis.name}, id {networks.fingerprint(found.genesis)}")
    if snapshot is not None:
        height = take_snapshot(directory, found, snapshot, words)
        say(f"took over the ledger up to block {height}: every root was computed again and agrees")
        say_unchecked(directory.ledger)


def _write_home(directory: DataDirectory, found: networks.Network) -> None:
    from node.setup.engines import write_home  # noqa: PLC0415 - the engines take a while to be loaded

    write_home(directory, found)


def say_unchecked(ledger: Path) -> None:
    """Of blocks that were pruned nobody checked here who agreed to them."""
    store = LedgerStore(ledger)
    try:
        pruned = store.pruned.height
    finally:
        store.close()
    if pruned:
        say(
            f"not checked: who agreed to blocks 1 to {pruned}, which were pruned. What they did leads to the "
            "cosigned checkpoint; who agreed is shown by a node that prunes nothing"
        )


def take_snapshot(directory: DataDirectory, found: networks.Network, snapshot: str, words: str) -> int:
    """Make ledger.db of a snapshot in a file or from a peer; its height."""
    known = snapshot_join.Known(found.genesis, found.policy, found.rule_files)
    if not is_web_url(snapshot):
        return snapshot_join.join(Path(snapshot), known, directory.ledger)
    keys = Keys.load(directory.root, networks.read_card(directory.card).did, words)
    authentication = PeerAuthentication(
        found.genesis.network_id, found.genesis.history(), keys.did, keys.all_of("transport")
    )
    incoming.clear(directory.root)
    fetched = incoming.place(directory.root, "snapshot.rows")
    try:
        with snapshots.asking(authentication, found.addresses, snapshot) as ask:
            snapshots.fetch(ask, fetched)
        return snapshot_join.join(fetched, known, directory.ledger)
    finally:
        incoming.leave(fetched)


@network.command()
@DATA
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="New file.")
def snapshot(data: Path, *, out: Path) -> None:
    """Write the ledger as rows that prove themselves.

    For `comity network join --snapshot`.
    """
    directory = DataDirectory(data)
    if not directory.ledger.exists():
        raise SetupError(
            f"{directory.ledger} does not exist: this node has no ledger yet",
            step="Start the node, which fetches the ledger, and repeat this.",
        )
    ledger = LedgerStore(directory.ledger)
    try:
        height, _ = snapshots.write(ledger, networks.verify(directory.network).genesis, out)
    finally:
        ledger.close()
    say(f"{out}: the ledger up to block {height}, {out.stat().st_size:,} bytes")


@network.command()
@click.argument("directory", type=click.Path(path_type=Path))
@ID
def verify(directory: Path, *, network_id: str | None) -> None:
    """Check genesis, its rule files and log.policy.

    Prints what all participants must see alike.

    Without --id this shows that the directory is whole, not that it is the founders': compare the id.
    """
    found = networks.verify(directory)
    networks.require_id(found.genesis, network_id)
    genesis = found.genesis
    say(f"network {genesis.name}, origin {genesis.origin}, id {networks.fingerprint(genesis)}")
    rules = genesis.governance.approvals
    validators = genesis.governance.validators
    say(f"  {who_decides(validators.quorum, len(validators.validators), rules.quorum_jurisdictions)}")
    homes = f", one of each of {', '.join(rules.jurisdictions)}" if rules.jurisdictions else ""
    say(f"  a change for all is approved by {rules.approvals_min}{homes}")
    for did, participant in genesis.governance.participants.items():
        voting = "validator" if genesis.governance.votes(did) else "observer"
        roles = ", ".join(participant.roles)
        say(f"  {did}  {participant.jurisdiction}  {voting}  {roles}  {found.addresses.get(did, '-')}")


@network.group("rules")
def rules() -> None:
    """Rule files that are proposed, and held before they are in force."""


@rules.command("add")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@DATA
@click.option("--as", "name", help="What the rules call it, e.g. lifecycle.json; default: its own name.")
def add_rules(*, path: Path, data: Path, name: str | None) -> None:
    """Put a rule FILE beside those of the network.

    The running node finds it, and says that it holds it.
    """
    folder = networks.joined(DataDirectory(data)).rule_files.folder
    kept, digest = rule_files.add(folder, path, name or path.name)
    say(f"{kept}: {name or path.name} with the SHA-256 {digest.hex()}")
    say("a validator's node says by itself that it holds it, while a proposal of that SHA-256 is open;")
    say("a node that waits for this file goes on by itself, one that could not start is started again")
