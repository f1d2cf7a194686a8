"""Which documents a verdict reads of a battery with a long record: bounded for each author and kind."""

from __future__ import annotations

from credentials.ledger.attestation import Attestation, parse_attestation
from node.verdicts.ledger_views import DOCUMENTS_READ_MAX, newest_of
from tests.harness.ledger import RECYCLER, WORKSHOP, Ledger, battery


def statements(ledger: Ledger, by: str, kind: str, count: int) -> list[Attestation]:
    return [
        parse_attestation(ledger.attest(by, kind, battery(1), document_digest=bytes([n]) * 32))
        for n in range(count)
    ]


def test_of_thousands_of_statements_the_newest_of_each_author_are_read_and_the_first() -> None:
    """
    Nobody pushes another's test out, and nobody makes a verdict read thousands of documents.
    """
    ledger = Ledger()
    own = statements(ledger, WORKSHOP, "battery.maintained", 40)
    others = statements(ledger, RECYCLER, "battery.maintained", DOCUMENTS_READ_MAX)
    lost = statements(ledger, WORKSHOP, "battery.sold", 3)

    assert newest_of(own) == (own[0], *own[-DOCUMENTS_READ_MAX:])
    assert newest_of([*others, *own, *lost]) == (*others, *own[-DOCUMENTS_READ_MAX:], *lost)
    assert newest_of([]) == ()
