"""A passport from claims to signed credentials in one call, for tests and for peers of the interop tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.cose import Signer
from credentials.documents.issuer import IssuedPassport, draft_passport


def issue_passport(
    claims: Mapping[str, Any], *, signer: Signer, created: str, **asked: Any
) -> IssuedPassport:
    """`draft_passport`, signed."""
    return draft_passport(claims, **asked).signed(signer, created)
