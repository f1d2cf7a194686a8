"""What became of the own part in a network is told at the node concerned: since when, by whose decision."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from credentials.documents.canonical import b64u
from credentials.ledger.entries import GovernanceEntry
from credentials.ledger.genesis_table import participant_table
from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.governance_records import PARTICIPANT, STOP, VALIDATORS, records_of
from credentials.ledger.governance_state import GovernanceState
from credentials.ledger.parties import Stop
from credentials.ledger.proposals import DECIDED, Tabled, propose
from node.cli.governance import OWN_PART
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import LedgerStore
from node.supervision.readiness import Condition
from node.use_cases.own_part import NOTICE_S, OwnPart
from tests.harness.epochs import first, with_party
from tests.harness.ledger import CREATED, CUSTOMS, EU_AUTHORITY, IMPORTER, make_genesis

ROOT = Path(__file__).resolve().parents[2]
AT = CREATED + 1_000


@dataclass
class Life:
    """What governs from height 3 on, as a node of this participant sees it at a time."""

    did: str = IMPORTER
    change: Callable[[Governance], Governance] = lambda governance: governance
    before: Callable[[Governance], Governance] = lambda governance: governance
    tabled: Mapping[bytes, Tabled] = field(default_factory=dict)

    def told(self, at: int = AT) -> list[Condition]:
        history = GovernanceHistory([(0, self.before(first())), (3, self.change(first()))], 3)
        state = replace(GovernanceState.founded(first()), tabled=self.tabled)
        with decided(3) as ledger:
            return list(OwnPart(self.did, history, ledger, lambda: state, lambda: at).conditions())


@contextmanager
def decided(*starts: int) -> Iterator[LedgerStore]:
    """A ledger of which the block before each of these heights decides on every record that is tried here."""
    targets = [(STOP, IMPORTER), (STOP, own_key()), (PARTICIPANT, IMPORTER), (VALIDATORS, "")]
    ledger = LedgerStore(Path(":memory:"))
    for height in range(1, max(starts)):
        changed = tuple((*record, None, bytes(32)) for record in targets)
        entry = GovernanceEntry(bytes([height]) * 32, DECIDED, "", height + 1, changed).encode()
        rows = [row_of(entry)] if height + 1 in starts else []
        tip = LedgerTip(height, bytes([height]), AT - 20 + height, b"app", b"front")
        ledger.commit_block(tip, block=b"b", certificate=b"c", entries=rows, standings={})
    try:
        yield ledger
    finally:
        ledger.close()


def stopped(target: str, until: int | None) -> Callable[[Governance], Governance]:
    return lambda g: replace(g, stops={target: Stop(target, EU_AUTHORITY, AT - 10, until)})


def own_key() -> str:
    return next(k.id for k in first().participants[IMPORTER].keys if k.role == "attest")


def without_vote(governance: Governance) -> Governance:
    return replace(governance, validator_dids=tuple(d for d in governance.validator_dids if d != CUSTOMS))


def tabled(by: str, **changes: Any) -> dict[bytes, Tabled]:
    """A proposal about the importer's record."""
    table = participant_table(replace(first().participants[IMPORTER], **changes))
    known = records_of(first())
    made = propose(
        make_genesis().network_id, known, {(PARTICIPANT, IMPORTER): table}, expires=AT + 5, nonce=bytes(16)
    )
    return {made.digest: Tabled(made, by, False, AT - 5, 2)}


LIVES = {
    "own_removal_proposed": Life(tabled=tabled(EU_AUTHORITY, left=AT)),
    "own_vote_began": Life(CUSTOMS, before=without_vote),
    "own_left": Life(change=lambda g: with_party(g, IMPORTER, left=AT - 10)),
    "own_stopped": Life(change=stopped(IMPORTER, AT + 10)),
    "own_stopped_confirmed": Life(change=stopped(IMPORTER, None)),
    "own_key_stopped": Life(change=stopped(own_key(), AT + 10)),
    "own_key_stopped_confirmed": Life(change=stopped(own_key(), None)),
    "own_vote_ended": Life(CUSTOMS, without_vote),
    "own_address_changed": Life(change=lambda g: with_party(g, IMPORTER, address="https://new.example")),
    "own_name_changed": Life(change=lambda g: with_party(g, IMPORTER, name="Other name")),
}


def test_each_condition_about_the_own_part_is_shown_as_one() -> None:
    """
    By the beginning of its code, beside who governs: all of these, and no other condition.
    """
    said = tomllib.loads((ROOT / "config" / "conditions.toml").read_text())

    assert {code for code in said if code.startswith(OWN_PART)} == LIVES.keys()


@pytest.mark.parametrize("code", LIVES)
def test_what_became_of_the_own_part_is_told_at_that_node_alone(code: str) -> None:
    """
    With the height from which it is so; at no other participant's node.
    """
    life = LIVES[code]
    (found,) = life.told()

    assert (found.code, found.stops) == (code, False)
    assert found.parameters.get("height", 3) == 3
    assert found.since is not None and found.since > 0
    at_two = b64u(bytes([2]) * 32)
    assert found.parameters["decision"] == (at_two if code != "own_removal_proposed" else b64u(*life.tabled))
    assert replace(life, did=EU_AUTHORITY).told() == []
    assert Life(life.did).told() == []


def test_what_is_over_is_told_no_more() -> None:
    """
    A stop until it lapses; what is only to be known for a week; who is to leave not before; and the own
    proposal is no news.
    """
    assert LIVES["own_stopped"].told(AT + 9) != []
    assert LIVES["own_stopped"].told(AT + 10) == []
    assert LIVES["own_left"].told(AT - 11) == []
    assert LIVES["own_left"].told(AT + NOTICE_S * 10) != []
    assert Life(tabled=tabled(IMPORTER, name="Own wish")).told() == []


def test_of_what_changed_twice_the_last_is_told() -> None:
    """
    Retired and called back: it votes, since when it votes again.
    """
    history = GovernanceHistory([(0, first()), (2, without_vote(first())), (4, first())], 4)
    state = GovernanceState.founded(first())
    with decided(2, 4) as ledger:
        told = list(OwnPart(CUSTOMS, history, ledger, lambda: state, lambda: AT).conditions())

    assert [(one.code, one.parameters["height"]) for one in told] == [("own_vote_began", 4)]
