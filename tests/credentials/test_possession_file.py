"""Proofs of possession as a file: read as they were written, and nothing else (`possession_file.py`)."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.ledger.possession_file import parse_proofs, proofs_table

NETWORK = bytes(range(32))
PROOFS = {"did:web:maker.example#attest-1": bytes(64), "did:web:maker.example#vote-1": bytes(range(64))}


def test_proofs_are_read_as_they_were_written() -> None:
    """
    Each under the id of its key.
    """
    assert parse_proofs(proofs_table(PROOFS, NETWORK), NETWORK) == PROOFS


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("proof", {}),  # beside the others: what is not read is refused
        ("proofs", None),
        ("proofs", "text"),
        ("proofs", {"did:web:maker.example#attest-1": 7}),
        ("proofs", {"did:web:maker.example#attest-1": "+"}),
        ("format", "comity/possession/v2"),
        ("network", "00" * 32),
        ("network", None),
    ],
)
def test_what_is_not_such_a_file_is_refused(member: str, value: Any) -> None:
    """
    With a member too many, too few, of another type, or of another network.
    """
    table = {**proofs_table(PROOFS, NETWORK), member: value}
    if value is None:
        del table[member]

    with pytest.raises(CredentialError) as raised:
        parse_proofs(table, NETWORK)
    assert raised.value.code in ("malformed", "wrong_network") and raised.value.message
