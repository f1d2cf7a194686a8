"""Parts that a repair names and of which nothing is on record: recalls of their codes are asked (I2)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from credentials.ledger.admission import plain
from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry
from credentials.ledger.governance import Governance
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import LedgerEntry
from credentials.verdicts.repaired import RepairsBehind


def as_unrecorded(
    behind: RepairsBehind, entries: Iterable[LedgerEntry], governance: Governance
) -> dict[bytes, Standing]:
    """What the repairs behind a battery, its own `entries` among them, name, as if without any record.

    By its key. Whoever gathers puts in its place the standing of each that has one (D1020).
    """
    kinds, asked = governance.lifecycle.naming_parts, set(behind.parts)
    leaves = chain(entries, *behind.repairs.values())
    said = (leaf.parsed.attestation for leaf in leaves if isinstance(leaf.parsed, AdmittedEntry))
    named = [one for repair in said if repair.kind in kinds for one in repair.referenced_subjects]
    return {key: Standing(plain(one)) for one in named if (key := standing_key(one)) in asked}
