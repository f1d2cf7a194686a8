"""Sets of passports that their issuer handed to this party: read by its reports, by no verdict."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

from credentials.ledger.attestation import Attestation
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering


def with_handed(gathering: Gathering, office: OfficeStore) -> Gathering:
    """The same, which asks for and reads what was handed over by now as well (decision 0705)."""

    held = office.requested.all_handed(gathering.did)

    def also(live: Attestation | None) -> Iterator[int]:
        points = live.set_list.points if live is not None and live.set_list is not None else {}
        return (point for point, digest in points.items() if digest in held)

    more = copy(gathering)
    more.also = also
    return more
