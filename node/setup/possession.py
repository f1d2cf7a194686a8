"""Proofs that a newcomer has the keys of its card: made with them, for one network, and handed over with it.

format = "comity/possession/v1"
network = "hexadecimal id"
[proofs]
"did:web:maker.example#attest-1" = "signature over itself, base64url"
"""

from __future__ import annotations

from pathlib import Path

import tomli_w

from credentials.documents.canonical import b64u, b64u_decode
from credentials.errors import CredentialError
from credentials.ledger.parties import Participant
from credentials.ledger.proposals import prove_possession
from node.errors import SetupError
from node.settings import read_toml
from node.setup.keystore import Keys

FORMAT = "comity/possession/v1"


def write_proofs(keys: Keys, card: Participant, network_id: bytes) -> str:
    """The proofs of every key on the card."""
    proofs = {
        key.id: b64u(prove_possession(network_id, key.role, keys.signer(key.role, 1))) for key in card.keys
    }
    return tomli_w.dumps({"format": FORMAT, "network": network_id.hex(), "proofs": proofs})


def read_proofs(path: Path, network_id: bytes) -> dict[str, bytes]:
    """The proofs in a file, made for this network."""
    try:
        table = read_toml(path)
    except FileNotFoundError as error:
        raise SetupError(f"the proofs {path} cannot be read: {error.strerror}") from error
    proofs = table.get("proofs")
    if table.get("format") != FORMAT or not isinstance(proofs, dict):
        raise SetupError(f"{path} holds no proofs of possession: `comity keys prove` makes them")
    if table.get("network") != network_id.hex():
        raise SetupError(f"the proofs {path} were made for another network: make them with its id")
    try:
        return {str(kid): b64u_decode(proof, kid) for kid, proof in proofs.items()}
    except CredentialError as error:
        raise SetupError(f"the proofs {path}: {error}") from error
