"""DIR/node.toml: what the operator of one node decides beside its policy, read strictly.

    public_url, [fetch] public origins ca_file, [peers] ca_file, [[contexts]] url file sha256,
    [status] issuers, [keep] audit_years consignments_years, engine, [cometbft] binary listen, workers,
    [[webhooks]] name url topics secret_file
    [pkcs11] module token roles pin_file
    [oidc] issuer client_id secret_file algorithm name roles scopes ca_file, [oidc.gives]
    [hosting] participants; host
    [[alerts]] webhook or mail; side maker party facility rule code model
    [[capacities]] party licence side basis events per grams_max or batteries_max since until
    [attempts] after_s

A member that nobody reads, and a value of another shape, is told with its name: a setting never does nothing.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from credentials.documents.canonical import Contexts
from credentials.documents.uri import is_url, parse_did, parse_uri
from credentials.errors import CredentialError
from credentials.ledger.engine_terms import ENGINES
from credentials.toml_text import TomlTextError, parse_toml
from node.capacity_rows import Capacity, capacities_of
from node.errors import SetupError, Unfit, Unreadable
from node.named_files import read_own
from node.provider_settings import MEMBERS as OF_PROVIDER
from node.provider_settings import ProviderSettings
from node.resolution.fetch import FetchError, FetchPolicy, origin_of
from node.resolution.webhooks import ALERTS, ENDPOINTS_MAX, TOPICS, WebhookEndpoint
from node.storage.alerts import AlertFilter, AlertSubscription

SETTINGS_FILE = "node.toml"
KEEP_YEARS_MAX = 100
BLOCKS_KEPT_MIN = 1_000  # a peer that was away for a while is still given what it lacks
SUBSCRIPTIONS_MAX = 64
HOSTED_MAX = 64  # participants: each asks twice a second
ATTEMPTS_AFTER_S, ATTEMPTS_AFTER_S_MAX = 600, 3_000  # a pool keeps what waits for an hour
ALERT_MEMBERS = ("side", "maker", "party", "facility", "rule", "code", "model")
WORKERS_USUAL_MAX, WORKERS_MAX = 4, 64  # without a setting; with one


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file of the operator; SetupError for one that cannot be read, FileNotFoundError without one."""
    try:
        return parse_toml(read_own(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    except TomlTextError as error:
        raise Unfit(f"{path} {error}") from error


@dataclass(frozen=True, slots=True)
class Keeping:
    """[keep]: how many years what was done here stays in office.db; older, `comity archive` takes it out.

    `blocks`: of how many of the newest the ledger keeps who agreed to them, older ones are pruned.
    """

    audit_years: int = 10
    consignments_years: int = 10
    blocks: int | None = None  # None: of all, for whoever asks: an archive node

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Keeping:
        blocks = row.get("blocks", BLOCKS_KEPT_MIN)
        if type(blocks) is not int or blocks < BLOCKS_KEPT_MIN:
            raise ValueError(
                f"keep.blocks is a number of blocks, {BLOCKS_KEPT_MIN} at least; without it all are kept"
            )
        for name, value in row.items():
            if name == "blocks":
                continue
            if type(value) is not int or not 1 <= value <= KEEP_YEARS_MAX:
                raise ValueError(f"keep.{name} is a number of years, from 1 to {KEEP_YEARS_MAX}")
        return cls(**row)


@dataclass(frozen=True, slots=True)
class CometSettings:
    """[cometbft]: of a node whose engine it is."""

    binary: Path | None = None  # None: of `make cometbft`, or of the PATH
    listen: tuple[str, int] | None = None  # for its peers; None: where this node listens, at a free port

    @classmethod
    def of(cls, row: Mapping[str, Any], folder: Path) -> CometSettings:
        binary, listen = row.get("binary"), row.get("listen")
        if binary is not None and (not isinstance(binary, str) or not binary):
            raise ValueError("cometbft.binary is the path of the program")
        return cls(
            None if binary is None else folder / binary, None if listen is None else _host_and_port(listen)
        )


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """[pkcs11]: the token on which the keys of some roles are made, and stay."""

    module: Path  # the library of its maker
    token: str  # its label
    roles: frozenset[str]
    pin_file: Path | None = None  # None: the PIN is in the environment, as the passphrase may be

    @classmethod
    def of(cls, row: Mapping[str, Any], folder: Path) -> TokenSettings:
        for name in ("module", "token", *(("pin_file",) if "pin_file" in row else ())):
            if not isinstance(row.get(name), str) or not row[name]:
                raise ValueError(f"pkcs11.{name} is a text, and has to be there")
        roles = _list(row, "roles", "pkcs11.roles", "roles of keys")
        if not roles or not all(isinstance(role, str) for role in roles):
            raise ValueError("pkcs11.roles names the roles whose keys are made on the token: attest, cosign")
        pin_file = folder / row["pin_file"] if "pin_file" in row else None
        return cls(folder / row["module"], row["token"], frozenset(roles), pin_file)

    def row(self) -> dict[str, object]:
        """The table in node.toml."""
        pin = {} if self.pin_file is None else {"pin_file": str(self.pin_file)}
        return {"module": str(self.module), "token": self.token, "roles": sorted(self.roles), **pin}


@dataclass(frozen=True, slots=True)
class Settings:
    """DIR/node.toml: what the operator of one node decides beside its policy."""

    public_url: str | None = None  # where outsiders reach this node; None: where it listens, or its did:web
    fetch: FetchPolicy | None = None  # None: nothing named in a document is fetched
    contexts: Mapping[str, tuple[bytes, str]] = field(default_factory=dict)  # URL -> (file, sha256)
    peers_ca_file: str | None = None  # authorities for proxies in front of peers, beside the peers' own keys
    list_issuers: frozenset[str] = frozenset()  # whose status lists count for credentials of others
    keep: Keeping = field(default_factory=Keeping)
    engine: str | None = None  # None: as the network directory says
    cometbft: CometSettings = field(default_factory=CometSettings)
    webhooks: tuple[WebhookEndpoint, ...] = ()
    alerts: tuple[AlertSubscription, ...] = ()
    capacities: tuple[Capacity, ...] = ()
    attempts_after_s: int = ATTEMPTS_AFTER_S  # that what waits may still become lawful, untold
    pkcs11: TokenSettings | None = None  # None: every key is in keys.enc
    oidc: ProviderSettings | None = None  # None: people sign in by accounts of this node alone
    hosting: frozenset[str] = frozenset()  # participants whose address is this node's: it passes on, sealed
    host: str | None = None  # the participant whose node does that for this one
    # Processes that judge the lines of large manifests beside the one that writes; 0: it judges them itself.
    workers: int = field(default_factory=lambda: min(os.cpu_count() or 1, WORKERS_USUAL_MAX))

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read node.toml strictly; no file means every default."""
        try:
            table = read_toml(path)
        except FileNotFoundError:
            return cls()
        try:
            return cls._of(table, path.parent)
        except ValueError as error:
            raise Unfit(f"{path}: {error}") from error

    @classmethod
    def _of(cls, table: dict[str, Any], folder: Path) -> Settings:
        if unknown := table.keys() - MEMBERS:
            raise ValueError(f"the member {min(unknown)} is not known: it has {', '.join(sorted(MEMBERS))}")
        peers = _row(table, "peers", {"ca_file"})
        status = _row(table, "status", {"issuers"})
        return cls(
            _origin(table["public_url"], "public_url") if "public_url" in table else None,
            _fetch_policy(_row(table, "fetch", {"public", "origins", "ca_file"}), folder)
            if "fetch" in table
            else None,
            _contexts(_list(table, "contexts", "contexts", "tables [[contexts]]"), folder),
            peers_ca_file=_authorities(folder, peers["ca_file"], "peers.ca_file")
            if "ca_file" in peers
            else None,
            list_issuers=_list_issuers(status),
            keep=Keeping.of(_row(table, "keep", {"audit_years", "consignments_years", "blocks"})),
            engine=read_engine(table["engine"]) if "engine" in table else None,
            cometbft=CometSettings.of(_row(table, "cometbft", {"binary", "listen"}), folder),
            webhooks=_webhooks(_list(table, "webhooks", "webhooks", "tables [[webhooks]]"), folder),
            alerts=_subscriptions(_list(table, "alerts", "alerts", "tables [[alerts]]"), table),
            capacities=capacities_of(_list(table, "capacities", "capacities", "tables [[capacities]]")),
            attempts_after_s=_after_s(_row(table, "attempts", {"after_s"})),
            pkcs11=TokenSettings.of(_row(table, "pkcs11", {"module", "token", "roles", "pin_file"}), folder)
            if "pkcs11" in table
            else None,
            oidc=_provider(_row(table, "oidc", set(OF_PROVIDER)), folder) if "oidc" in table else None,
            hosting=_participants(_row(table, "hosting", {"participants"})),
            host=_did(table["host"], "host") if "host" in table else None,
            **({"workers": _workers(table["workers"])} if "workers" in table else {}),
        )

    def known_contexts(self, pinned: Contexts) -> Contexts:
        """The pinned contexts and those of this operator."""
        try:
            return pinned.adding(self.contexts) if self.contexts else pinned
        except CredentialError as error:
            raise SetupError(
                str(error),
                step="Correct [[contexts]] of node.toml: the file and the digest are those of one text.",
            ) from error


MEMBERS = {
    *("public_url", "fetch", "contexts", "status", "peers", "keep", "engine", "cometbft", "workers"),
    "webhooks",
    "alerts",
    "capacities",
    "attempts",
    "pkcs11",
    "oidc",
    "hosting",
    "host",
}


def _participants(row: Mapping[str, Any]) -> frozenset[str]:
    """[hosting] participants: for whom this node takes what other nodes ask."""
    listed = _list(row, "participants", "hosting.participants", "DIDs of participants")
    found = frozenset(_did(one, "hosting.participants") for one in listed)
    if len(found) > HOSTED_MAX:
        raise ValueError(
            f"hosting.participants has {len(found)} of them, and at most {HOSTED_MAX} are hosted"
        )
    return found


def _did(value: object, setting: str) -> str:
    if not isinstance(value, str) or parse_did(value) is None:
        raise ValueError(f"{setting} is the DID of a participant, such as did:web:host.example")
    return value


def _after_s(row: Mapping[str, Any]) -> int:
    value = row.get("after_s", ATTEMPTS_AFTER_S)
    if type(value) is not int or not 1 <= value <= ATTEMPTS_AFTER_S_MAX:
        raise ValueError(f"attempts.after_s is a number of seconds, from 1 to {ATTEMPTS_AFTER_S_MAX}")
    return value


def _workers(value: object) -> int:
    if type(value) is not int or not 0 <= value <= WORKERS_MAX:
        raise ValueError(f"workers is a number of processes, from 0 to {WORKERS_MAX}")
    return value


def read_engine(value: object) -> str:
    """Which engine orders; raises ValueError."""
    if value not in ENGINES:
        raise ValueError(f"engine is {' or '.join(ENGINES)}")
    return str(value)


def _host_and_port(value: object) -> tuple[str, int]:
    host, separator, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not separator or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 1 << 16:
        raise ValueError("cometbft.listen is HOST:PORT, where its peers reach it")
    return host.strip("[]"), int(port)


def _row(table: Mapping[str, Any], name: str, known: set[str]) -> Mapping[str, Any]:
    """One table of node.toml; a member that nobody reads is told, instead of a setting that does nothing."""
    row = table.get(name, {})
    if not isinstance(row, dict):
        raise ValueError(f"{name} is a table: write [{name}], and its members below")
    if unknown := row.keys() - known:
        raise ValueError(f"the member {name}.{min(unknown)} is not known: it has {', '.join(sorted(known))}")
    return row


def _list(row: Mapping[str, Any], name: str, setting: str, of: str) -> list[Any]:
    value = row.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{setting} is a list of {of}")
    return value


def _origin(text: object, setting: str) -> str:
    """An address without a path: what stands behind the host would be left out, and nobody told."""
    uri = parse_uri(text)
    if uri is None or not uri.is_web or uri.path not in ("", "/") or uri.query is not None:
        shown = ascii(text)[:99] if isinstance(text, str) else "no text"
        raise ValueError(f"{setting} is {shown}: write an address such as https://node.example, no more")
    try:
        return origin_of(uri.text)
    except FetchError as error:
        raise ValueError(f"{setting}: {error}") from error


def _fetch_policy(row: Mapping[str, Any], folder: Path) -> FetchPolicy:
    public = row.get("public", False)
    if not isinstance(public, bool):
        raise ValueError("fetch.public is true or false, without quotation marks")
    return FetchPolicy(
        public=public,
        origins=frozenset(
            _origin(one, "fetch.origins") for one in _list(row, "origins", "fetch.origins", "addresses")
        ),
        ca_file=_authorities(folder, row["ca_file"], "fetch.ca_file") if "ca_file" in row else None,
    )


def _contexts(rows: list[Any], folder: Path) -> dict[str, tuple[bytes, str]]:
    """{URL: (file, sha256)}, each URL once."""
    found: dict[str, tuple[bytes, str]] = {}
    for row in rows:
        if not isinstance(row, dict) or row.keys() != {"url", "file", "sha256"}:
            raise ValueError("an entry of contexts has url, file and sha256")
        url, digest = row["url"], row["sha256"]
        if not is_url(url) or not isinstance(digest, str) or url in found:
            raise ValueError("contexts.url is a URL, given once, and contexts.sha256 the digest of its file")
        found[url] = _content(folder, row["file"], "contexts.file")[1], digest
    return found


def _webhooks(rows: list[Any], folder: Path) -> tuple[WebhookEndpoint, ...]:
    """Who is told what happens here: each by a name, at an address, with a secret of its own."""
    found: dict[str, WebhookEndpoint] = {}
    if len(rows) > ENDPOINTS_MAX:
        raise ValueError(f"webhooks has {len(rows)} endpoints, and at most {ENDPOINTS_MAX} are told")
    for row in rows:
        if not isinstance(row, dict) or row.keys() != {"name", "url", "topics", "secret_file"}:
            raise ValueError("an entry of webhooks has name, url, topics and secret_file")
        name, topics = row["name"], _list(row, "topics", "webhooks.topics", "names")
        if not isinstance(name, str) or not re.fullmatch("[a-z0-9-]{1,32}", name) or name in found:
            raise ValueError("webhooks.name is given once: small letters, digits and hyphens, at most 32")
        strange = [one for one in topics if not isinstance(one, str) or one not in TOPICS]
        if strange or not topics:
            raise ValueError(f"webhooks.topics of {name} are some of {', '.join(sorted(TOPICS))}")
        try:
            origin_of(row["url"])
        except FetchError as error:
            raise ValueError(f"webhooks.url of {name}: {error}") from error
        _, text = _content(folder, row["secret_file"], "webhooks.secret_file")
        found[name] = WebhookEndpoint(name, row["url"], frozenset(topics), _secret(text, name))
    return tuple(found.values())


def _subscriptions(rows: list[Any], table: Mapping[str, Any]) -> tuple[AlertSubscription, ...]:
    """Who is told of which alerts; `table`: the whole file, in which webhooks have names and topics."""
    told = {row["name"] for row in table.get("webhooks", ()) if ALERTS in row["topics"]}
    found: list[AlertSubscription] = []
    if len(rows) > SUBSCRIPTIONS_MAX:
        raise ValueError(f"alerts has {len(rows)} rows, and at most {SUBSCRIPTIONS_MAX} are told")
    for row in rows:
        if not isinstance(row, dict) or not all(isinstance(value, str) and value for value in row.values()):
            raise ValueError("an entry of alerts has texts")
        if ("webhook" in row) == ("mail" in row) or row.keys() - {"webhook", "mail"} - set(ALERT_MEMBERS):
            raise ValueError(f"an entry of alerts has webhook or mail, and of {', '.join(ALERT_MEMBERS)}")
        if "webhook" in row and row["webhook"] not in told:
            raise ValueError(f"alerts.webhook {row['webhook']} names no entry of webhooks with this topic")
        if "mail" in row and not re.fullmatch(r"[^@\s<>,;:]{1,64}@[A-Za-z0-9.-]{1,190}", row["mail"]):
            raise ValueError("alerts.mail is one address, as name@host.example")
        wanted = AlertFilter(**{name: row[name] for name in ALERT_MEMBERS if name in row})
        found.append(AlertSubscription(row.get("webhook", ""), row.get("mail", ""), wanted))
    return tuple(found)


def _secret(text: bytes, name: str) -> bytes:
    """Standard Webhooks: `whsec_` and 24 to 64 bytes in base64."""
    prefix, _, rest = text.strip().partition(b"_")
    try:
        secret = base64.b64decode(rest, validate=True) if prefix == b"whsec" else b""
    except ValueError:
        secret = b""
    if not 24 <= len(secret) <= 64:
        told = "`whsec_` and 24 to 64 random bytes in base64, as `openssl rand -base64 32` writes them"
        raise ValueError(f"webhooks.secret_file of {name} holds no secret: {told}")
    return secret


def _content(folder: Path, named: object, setting: str) -> tuple[Path, bytes]:
    """A file that a setting names, beside node.toml: one that cannot be read is told when a node starts."""
    if not isinstance(named, str) or not named:
        raise ValueError(f"{setting} is the path of a file")
    path = folder / named
    try:
        return path.resolve(), read_own(path)
    except (OSError, ValueError) as error:
        why = (
            "there is no such file"
            if isinstance(error, FileNotFoundError)
            else getattr(error, "strerror", error)
        )
        raise ValueError(f"{setting} names {path}, which cannot be read: {why}") from error


def _authorities(folder: Path, named: object, setting: str) -> str:
    """The path of a file with certificates of authorities."""
    path, data = _content(folder, named, setting)
    try:
        ssl.create_default_context(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"{setting} names {path}, which holds no certificates in PEM") from error
    return str(path)


def _provider(row: Mapping[str, Any], folder: Path) -> ProviderSettings:
    secret = _content(folder, row.get("secret_file"), "oidc.secret_file")[1]
    ca_file = _authorities(folder, row["ca_file"], "oidc.ca_file") if "ca_file" in row else None
    return ProviderSettings.of(row, secret, ca_file)


def _list_issuers(row: Mapping[str, Any]) -> frozenset[str]:
    """[status] issuers: whose lists may speak about credentials of others (Bitstring, 2.2)."""
    issuers = _list(row, "issuers", "status.issuers", "DIDs or URLs of issuers")
    if not all(is_url(issuer) for issuer in issuers):
        raise ValueError("status.issuers is a list of DIDs or URLs of issuers")
    return frozenset(issuers)


def files_of_settings(root: Path) -> tuple[str, ...]:
    """The files that node.toml names (contexts, authorities), as it writes them.

    None for settings that cannot be read: whoever reads them for their own sake says so.
    """
    try:
        table = read_toml(root / SETTINGS_FILE)
    except (OSError, SetupError):
        return ()
    lists = [value for name in ("contexts", "webhooks") if isinstance(value := table.get(name), list)]
    rows = [*table.values(), *(row for one in lists for row in one)]
    keys = ("file", "ca_file", "secret_file")
    named = [row.get(key) for row in rows if isinstance(row, dict) for key in keys]
    return tuple(sorted({name for name in named if isinstance(name, str)}))
