"""CometBFT's home, DIR/comet: written from our genesis at each start: nothing in it is a second truth.

    config/config.toml, config/genesis.json   written anew; what operators decide is in node.toml
    config/node_key.json                      under which its peers know it: made once, told by gossip
    data/                                     CometBFT's own: its blocks, its log, what waits
    app, votes, rpc, headers                  sockets of this user alone: nobody else of the machine asks

There is no key of ours in it. CometBFT makes a file `priv_validator_key.json` for itself when it has none,
with a key of nobody, and does not use it: its votes are signed by this node (`signer.py`).
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from consensus.cose import SeedSigner
from consensus.pool import COUNT_MAX, SIZE_BYTES_MAX
from credentials.ledger.engine_terms import FOUNDED, EngineTerm
from credentials.ledger.genesis import Genesis
from credentials.ledger.parties import Limits
from node.errors import SetupError
from node.ledger.comet.comet_names import address, chain_id
from node.ledger.comet.whereabouts import authority
from node.named_files import make_folder, read_own, write_own

FOLDER = "comet"
COMMIT_MS = 100  # waits so long for votes that are late: they count in the next block's time
GOSSIP_MS = 10  # between two looks at what a peer lacks, and at most before what is small is sent
LOOK_BACK_BLOCKS = 100  # for own votes, by who remembers none
PEERS_MAX = 256
LIGHT_SERVERS = 4  # it parts with one that has no answer, and ends without any
TRUST_HOURS = 20 * 8766  # a fingerprint does not age: whoever compared it named what it is of
DISCOVERY_S = 5  # the least: between two questions for snapshots
_KEY_TYPE = "tendermint/PrivKeyEd25519"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder."""

    root: Path

    @property
    def application(self) -> Path:
        """Where this node answers what CometBFT asks."""
        return self.root / "app"

    @property
    def votes(self) -> Path:
        """Where CometBFT listens for who signs for it."""
        return self.root / "votes"

    @property
    def rpc(self) -> Path:
        """Where CometBFT answers this node."""
        return self.root / "rpc"

    @property
    def headers(self) -> Path:
        """Where this node answers the light client of a newcomer's CometBFT."""
        return self.root / "headers"

    @property
    def has_blocks(self) -> bool:
        """Whether CometBFT was ever started here."""
        return (self.root / "data" / "blockstore.db").exists()

    @property
    def chain(self) -> str | None:
        """The chain that this home was written for; None: for none yet."""
        try:
            return str(json.loads(read_own(self._config / "genesis.json"))["chain_id"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def _config(self) -> Path:
        return self.root / "config"

    def write(
        self,
        genesis: Genesis,
        limits: Limits,
        *,
        listen: tuple[str, int],
        term: EngineTerm = FOUNDED,
        after_s: int | None = None,
        look_back: int = 0,
        trusted: tuple[int, bytes] | None = None,
    ) -> None:
        """All that CometBFT reads at its start. `listen`: host and port for its peers.

        `term`: of the chain; `after_s`: time of the last block of the engine before it, if there was one.
        `look_back`: it does not vote if so many of its last blocks have a vote of its key. `trusted`: height
        and hash of the header from which it verifies the one of a snapshot that it takes over.
        """
        make_folder(self.root / "data")
        make_folder(self._config)
        self.node_id()
        moment = datetime.fromtimestamp(genesis.created if after_s is None else after_s, UTC)
        founded = {
            "genesis_time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "chain_id": chain_id(genesis.network_id, term.epoch),
            "initial_height": str(term.first),
            "app_hash": "",
        }
        write_own(self._config / "genesis.json", json.dumps(founded, indent=1).encode())
        settings = _settings(limits, listen, look_back)
        if trusted is not None:
            settings["statesync"] = _state_sync(*trusted)
        text = tomli_w.dumps(settings)
        write_own(self._config / "config.toml", _HEAD.encode() + text.encode())

    def empty(self) -> None:
        """CometBFT has no block and no state any more; it is not running.

        The key of nobody goes as well: with it, and without what it signed last, CometBFT does not start.
        """
        shutil.rmtree(self.root / "data", ignore_errors=True)
        (self._config / "priv_validator_key.json").unlink(missing_ok=True)
        make_folder(self.root / "data")

    def node_id(self) -> bytes:
        """How its peers know it: made at the first start, never a key of ours."""
        path = self._config / "node_key.json"
        try:
            key = json.loads(read_own(path))["priv_key"]
            seed = base64.b64decode(key["value"], validate=True)[:32]
            if key["type"] != _KEY_TYPE or len(seed) != 32:
                raise ValueError("no Ed25519 key")
        except FileNotFoundError:
            seed = secrets.token_bytes(32)
            public = SeedSigner("", seed).public_key
            value = base64.b64encode(seed + public).decode()
            make_folder(self._config)
            write_own(path, json.dumps({"priv_key": {"type": _KEY_TYPE, "value": value}}).encode())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SetupError(f"{path} holds no key: remove it, and the node makes another") from error
        return address(SeedSigner("", seed).public_key)


_HEAD = "# Written by `comity serve` at each start: what is yours to decide is in node.toml.\n"


def _settings(limits: Limits, listen: tuple[str, int], look_back: int) -> dict[str, Any]:
    """Only what differs from CometBFT's defaults (config/config.go); decision node 0622 says why."""
    return {
        "proxy_app": "unix://app",
        "priv_validator_laddr": "unix://votes",
        "filter_peers": True,
        "log_level": "error",
        "log_format": "json",
        "rpc": {"laddr": "unix://rpc", "unsafe": True, "max_body_bytes": 4 * limits.block_bytes_max},
        "p2p": {
            "laddr": f"tcp://{authority(*listen)}",
            "pex": False,
            "addr_book_strict": False,
            "allow_duplicate_ip": True,
            "persistent_peers": "",
            "max_num_inbound_peers": PEERS_MAX,
            "flush_throttle_timeout": f"{GOSSIP_MS}ms",
        },
        "mempool": {
            "type": "flood",
            "size": COUNT_MAX,
            "max_txs_bytes": SIZE_BYTES_MAX,
            "cache_size": 2 * COUNT_MAX,
            "max_tx_bytes": limits.block_bytes_max,
        },
        "consensus": {
            "timeout_propose": f"{limits.timeout_propose_ms}ms",
            "timeout_propose_delta": f"{limits.timeout_delta_ms}ms",
            "timeout_prevote": f"{limits.timeout_prevote_ms}ms",
            "timeout_prevote_delta": f"{limits.timeout_delta_ms}ms",
            "timeout_precommit": f"{limits.timeout_precommit_ms}ms",
            "timeout_precommit_delta": f"{limits.timeout_delta_ms}ms",
            "timeout_commit": f"{COMMIT_MS}ms",
            "peer_gossip_sleep_duration": f"{GOSSIP_MS}ms",
            "create_empty_blocks": False,
            "create_empty_blocks_interval": f"{limits.heartbeat_ms}ms",
            "double_sign_check_height": look_back,
        },
        "storage": {"discard_abci_responses": True},
        "tx_index": {"indexer": "null"},
    }


def _state_sync(height: int, trusted: bytes) -> dict[str, object]:
    """Twice the same socket: whom it asks is chosen behind it, another one each time (`relay.py`)."""
    return {
        "enable": True,
        "rpc_servers": ["unix://headers"] * LIGHT_SERVERS,
        "trust_height": height,
        "trust_hash": trusted.hex().upper(),
        "trust_period": f"{TRUST_HOURS}h",
        "discovery_time": f"{DISCOVERY_S}s",
        "temp_dir": "data",
    }
