"""What consensus takes from genesis and from the disk: its configuration, the keys of notes, the tip."""

from __future__ import annotations

from consensus.chain import ChainConfig, Timeouts, Tip
from consensus.checkpoint import NoteKey
from consensus.merkle import Frontier
from credentials.ledger.genesis import Genesis, cosign_key, log_key
from credentials.ledger.registry import genesis_app_hash
from node.storage.ledger import LedgerStore


def chain_config(genesis: Genesis) -> ChainConfig:
    """What consensus takes from genesis."""
    limits = genesis.limits
    return ChainConfig(
        network_id=genesis.network_id,
        validators=genesis.validators,
        config_digest=genesis.config_digest,
        app_version=genesis.app_version,
        timeouts=Timeouts(
            propose_ms=limits.timeout_propose_ms,
            propose_delta_ms=limits.timeout_delta_ms,
            vote_ms=max(limits.timeout_prevote_ms, limits.timeout_precommit_ms),
            vote_delta_ms=limits.timeout_delta_ms,
        ),
        block_bytes_max=limits.block_bytes_max,
        heartbeat_ms=limits.heartbeat_ms,
        evidence_heights_max=limits.evidence_heights_max,
        note_keys={v.name: note_keys(genesis, v.name) for v in genesis.validators.validators},
    )


def note_keys(genesis: Genesis, did: str) -> tuple[NoteKey, NoteKey]:
    """The keys with which a validator signs checkpoints."""
    return log_key(genesis, did), cosign_key(genesis, did)


def tip_of(ledger: LedgerStore, genesis: Genesis) -> Tip:
    """Where the chain stands on this disk."""
    kept = ledger.tip()
    if kept is None:
        return Tip(0, genesis.network_id, genesis.created, genesis_app_hash(genesis), Frontier())
    return Tip(kept.height, kept.block_id, kept.time, kept.app_hash, Frontier.decode(kept.frontier))
