"""Proofs that a newcomer has the keys of its card, as a file: made with them, for one network.

format = "comity/possession/v1"
network = "hexadecimal id"
[proofs]
"did:web:maker.example#attest-1" = "signature over itself, base64url"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credentials.documents.canonical import b64u, b64u_decode
from credentials.errors import CredentialError

FORMAT = "comity/possession/v1"


def proofs_table(proofs: Mapping[str, bytes], network_id: bytes) -> Mapping[str, Any]:
    """The table of the file."""
    named = {kid: b64u(proof) for kid, proof in proofs.items()}
    return {"format": FORMAT, "network": network_id.hex(), "proofs": named}


def parse_proofs(table: Mapping[str, Any], network_id: bytes) -> dict[str, bytes]:
    """The proofs of a file by key id; raises CredentialError for one of another network or form."""
    proofs = table.get("proofs")
    if table.get("format") != FORMAT or table.keys() != {"format", "network", "proofs"}:
        raise _malformed("these are no proofs of possession: `comity keys prove` makes them")
    if table.get("network") != network_id.hex():
        raise CredentialError(
            "wrong_network", "these proofs were made for another network: make them with its id"
        )
    if not isinstance(proofs, dict) or not all(type(proof) is str for proof in proofs.values()):
        raise _malformed("proofs of possession are a table: under the id of each key text in base64url")
    return {str(kid): b64u_decode(proof, str(kid)) for kid, proof in proofs.items()}


def _malformed(told: str) -> CredentialError:
    return CredentialError("malformed", told)
