"""Later epochs of the small network of `ledger.py`: the first one, with something changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from consensus.cose import SeedSigner
from credentials.ledger.governance import Governance
from credentials.ledger.parties import Key
from tests.harness.ledger import MAKER, make_genesis

NEWER = SeedSigner(f"{MAKER}#attest-2", b"\x07" * 32)


def first() -> Governance:
    return make_genesis().governance


def with_party(governance: Governance, did: str, **changes: Any) -> Governance:
    """The same with one participant that is otherwise."""
    party = replace(governance.participants[did], **changes)
    return replace(governance, participants={**governance.participants, did: party})


def with_keys(governance: Governance, did: str, change: Callable[[Key], Key], *more: Key) -> Governance:
    """The same with the keys of one participant changed, and more of them."""
    keys = governance.participants[did].keys
    return with_party(governance, did, keys=(*map(change, keys), *more))


def without_licences(governance: Governance, did: str) -> Governance:
    kept = tuple(a for a in governance.accreditations if a.participant != did)
    return replace(governance, accreditations=kept)


def without_party(governance: Governance, did: str) -> Governance:
    """The same once this participant, no validator, is gone with its licences."""
    left = {d: p for d, p in governance.participants.items() if d != did}
    return replace(without_licences(governance, did), participants=left)


def rotated(governance: Governance, at: int) -> Governance:
    """MAKER's attest key ends at `at`, and a newer one begins."""
    return with_keys(
        governance,
        MAKER,
        lambda key: replace(key, valid_until=at) if key.role == "attest" else key,
        Key("attest", NEWER.key_id, NEWER.public_key, at),
    )
