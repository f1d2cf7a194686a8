"""Who is given which set of a passport: the access table, by the role of the node that asks (Art 77(2))."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credentials.documents.canonical import b64u
from credentials.ledger.standing import Standing
from node.storage.documents import StoredDocument
from node.storage.office import OfficeStore
from node.verdicts.disclosure import ANSWER_BYTES_MAX, Giving
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


def test_a_peer_is_told_of_each_document_whether_it_has_it_may_not_or_there_is_none(
    giving: Giving, tmp_path: Path
) -> None:
    """
    Documents of others that this node only fetched are not its to hand on: asked for, they are not found.
    """
    own, restricted = (replace(document(point), body=b'{"point":%d}' % point) for point in (1, 4))
    fetched = replace(document(2), kind="fetched", fetched_at=1)
    with giving._office.writing() as db:
        giving._office.documents.put(db, [own, restricted, fetched])
    texts = [b64u(stored.digest) for stored in (own, restricted, fetched)]

    told = json.loads(giving.answer_peer(CUSTOMS, json.dumps({"want": texts}).encode()))

    assert told["documents"] == {texts[0]: {"point": 1}}
    assert told["missing"] == {texts[1]: "withheld", texts[2]: "not_found"}


def test_an_answer_to_a_peer_is_bounded_and_leaves_out_what_does_not_fit(giving: Giving) -> None:
    """
    As many documents as fit, and at least one; what is left out is neither missing nor withheld: it is asked
    for again.
    """
    large = b'"%s"' % (b"x" * (ANSWER_BYTES_MAX // 2 + 1))
    stored = [
        replace(document(1), digest=bytes([n]) * 32, body=large if n < 3 else b"1") for n in range(1, 5)
    ]
    with giving._office.writing() as db:
        giving._office.documents.put(db, stored)
    texts = [b64u(one.digest) for one in stored]

    told = json.loads(giving.answer_peer(CUSTOMS, json.dumps({"want": texts}).encode()))

    assert list(told["documents"]) == [texts[0], texts[2], texts[3]] and told["missing"] == {}
