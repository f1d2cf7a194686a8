"""Proofs that a newcomer has the keys of its card: made with them, and read where they are handed over."""

from __future__ import annotations

from pathlib import Path

import tomli_w

from credentials.errors import CredentialError
from credentials.ledger.parties import Participant
from credentials.ledger.possession_file import parse_proofs, proofs_table
from credentials.ledger.proposals import prove_possession
from node.errors import Unfit, Unreadable
from node.settings import read_toml
from node.setup.keystore import Keys


def write_proofs(keys: Keys, card: Participant, network_id: bytes) -> str:
    """The proofs of every key on the card."""
    proofs = {key.id: prove_possession(network_id, key.role, keys.signer(key.role, 1)) for key in card.keys}
    return tomli_w.dumps(proofs_table(proofs, network_id))


def read_proofs(path: Path, network_id: bytes) -> dict[str, bytes]:
    """The proofs in a file, made for this network."""
    try:
        return parse_proofs(read_toml(path), network_id)
    except FileNotFoundError as error:
        raise Unreadable(f"the proofs {path} cannot be read: {error.strerror}") from error
    except CredentialError as error:
        raise Unfit(f"the proofs {path}: {error.message}") from error
