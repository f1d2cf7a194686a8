"""Who is given which set of a passport: the access table, by the role of the node that asks (Art 77(2))."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credentials.ledger.standing import Standing
from node.storage.documents import StoredDocument
from node.storage.office import OfficeStore
from node.verdicts.disclosure import Giving
from tests.harness.border import code, subject_of, tables
from tests.harness.ledger import (
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    OUTSIDER,
    PARTIES,
    RECYCLER,
    SECOND_LIFE,
    WORKSHOP,
    make_genesis,
)

EXPECTED = {
    MAKER: {1, 2, 3, 4},  # answers for the battery
    EU_AUTHORITY: {1, 2, 3},
    CUSTOMS: {1},
    RECYCLER: {1, 2, 4},
    WORKSHOP: {1, 2, 4},
    SECOND_LIFE: {1, 2, 4},
    IMPORTER: {1},
    OTHER_MAKER: {1},
    OUTSIDER: {1},
}


@pytest.fixture(name="giving")
def _giving(tmp_path: Path) -> Any:
    office = OfficeStore(tmp_path / "office.db")
    standing = Standing(subject_of(code(1)), responsible=MAKER)
    history = make_genesis().history()
    yield Giving(history, lambda: tables().access, office, lambda text: standing if text == code(1) else None)
    office.close()


def document(point: int) -> StoredDocument:
    return StoredDocument(bytes([point]) * 32, "passport", b"{}", MAKER, battery=code(1), point=point)


def seen_by(giving: Giving, did: str, stored: StoredDocument) -> bool:
    return giving.entitled(stored, giving.audience_of_peer(did, stored))


@pytest.mark.parametrize("did", EXPECTED)
def test_a_participant_is_given_the_sets_of_its_audience(giving: Giving, did: str) -> None:
    """
    Nobody but the responsible operator is given all four sets, whatever roles it has in the network.
    """
    given = {
        p for p in (1, 2, 3, 4) if giving.entitled(document(p), giving.audience_of_peer(did, document(p)))
    }

    assert given == EXPECTED[did]


def test_every_party_of_the_network_has_an_audience(giving: Giving) -> None:
    """
    For each participant the set 3 (test reports) goes to authorities and the operator alone.
    """
    seen = {did for did in PARTIES if seen_by(giving, did, document(3))}

    assert seen == {MAKER, EU_AUTHORITY, "did:web:cn-authority.example"}


def test_a_passport_of_an_unknown_battery_is_nobodys_own(giving: Giving) -> None:
    """
    Without a record of who answers for it, a set is given by role alone.
    """
    stray = replace(document(4), battery=code(2))

    assert not seen_by(giving, MAKER, stray)
