"""What governs is made again from its rows: after every block, to the byte what the registry had."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from consensus.application import Execution
from consensus.encoding import Value, encode
from credentials.errors import CredentialError
from credentials.ledger.constitution import Constitution, GovernanceRow
from credentials.ledger.entries import PolicyEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance_records import VALIDATORS, RulesNotHere, records_of
from credentials.ledger.registry import governance_map
from tests.credentials.test_proposals import governing, licence, limits_row, stop_row
from tests.harness.governing import Governing, licence_row, with_key
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OUTSIDER,
    Ledger,
    rule_files,
)


class _Kept(Ledger):
    """A ledger that keeps what each block decided, as ledger.db does."""

    def __init__(self, genesis: Genesis) -> None:
        super().__init__(genesis)
        self.rows: list[GovernanceRow] = []
        self.entries: list[tuple[int, bytes]] = []
        self.compared = 0

    def execute(self, block: object) -> Execution:
        execution = super().execute(block)  # type: ignore[arg-type]
        self.rows += [GovernanceRow(execution.height, *row) for row in execution.governance]
        self.entries += [(execution.height, entry) for entry in execution.entries]
        self.compare()
        return execution

    def compare(self) -> None:
        live = self.registry.constitution
        again = Constitution.restored(self.genesis, self.rows, self.height, self.genesis.rule_files.get)
        assert again.state == live.state
        assert again.records.root == live.records.root
        assert again.history.epochs == live.history.epochs
        assert again.history.height == live.history.height == self.height
        assert list(again.state.next.participants) == list(live.state.next.participants)
        self.compared += 1

    def require_root(self) -> None:
        """The root is that of what governs the next block, and of the proposals."""
        live = self.registry.constitution
        governed = records_of(live.state.next)
        proposals = {r: d for r, d in _latest(self.rows, self.height + 1).items() if r[0] == "proposal"}
        assert governance_map({**governed, **proposals}).root == live.records.root


def _latest(rows: list[GovernanceRow], height: int) -> dict[tuple[str, str], bytes]:
    return {(row.type, row.name): row.record for row in rows if row.governs_from <= height}


def story() -> Governing:
    """Licences, keys, validators, limits and stops, decided alone, together and one after the other."""
    g = governing()
    ledger = _Kept(g.ledger.genesis)
    g.ledger = ledger
    network_id = ledger.genesis.network_id
    new = licence(OUTSIDER, schemes=(("gbt34014", "ZZ8"),))
    g.propose(CN_AUTHORITY, licence_row(new))
    rows, proofs = with_key(g.now, MAKER, ("vote", "cosign"), 2, ledger.now, network_id=network_id)
    rotation = g.propose(MAKER, rows, proofs=proofs, recovery=True)
    limits = g.propose(CUSTOMS, limits_row(per_issuer_per_day_max=7))
    g.propose(CUSTOMS, limits_row(per_issuer_per_day_max=8))
    ledger.run(*(g.act(d, "approved", p) for p in (rotation, limits) for d in (CN_AUTHORITY, EU_AUTHORITY)))
    held = next(a for a in g.now.accreditations if a.participant == IMPORTER)
    g.propose(EU_AUTHORITY, licence_row(replace(held, suspended=((ledger.now, None),))))
    g.idle(2)
    seats = {(VALIDATORS, ""): {"participants": [CN_AUTHORITY, EU_AUTHORITY, CUSTOMS, OUTSIDER]}}
    g.pass_(CUSTOMS, seats, CN_AUTHORITY, EU_AUTHORITY)
    g.propose(CN_AUTHORITY, stop_row(MAKER, CN_AUTHORITY))
    gone = g.propose(CUSTOMS, limits_row(clock_skew_s=61))
    ledger.run(g.act(CUSTOMS, "proposal_withdrawn", gone))
    g.idle(3)
    return g


def test_rows_lead_to_what_the_registry_had_after_every_block() -> None:
    """
    State, root, epochs, order of the participants and open proposals: whoever is stopped goes on as before.
    """
    g = story()

    ledger = g.ledger
    assert isinstance(ledger, _Kept)
    assert ledger.compared == ledger.height > 15
    ledger.require_root()
    assert len(ledger.history.epochs) == 5
    outcomes = {outcome for outcome, _ in ledger.registry.constitution.state.over.values()}
    assert outcomes == {"decided", "lapsed", "withdrawn"}


def test_each_change_of_who_cosigns_is_named_in_the_log_by_those_before() -> None:
    """
    Right before the record of the last block that the former ones cosign.
    """
    g = story()

    ledger = g.ledger
    assert isinstance(ledger, _Kept)
    named = [
        (height, parsed.text)
        for height, entry in ledger.entries
        if isinstance(parsed := parse_entry(entry), PolicyEntry)
    ]
    assert len(named) == 2
    for height, text in named:
        assert ledger.history.at(height).log_policy(ledger.genesis.origin) != text
        assert ledger.history.at(height + 1).log_policy(ledger.genesis.origin) == text
        last = [entry for h, entry in ledger.entries if h == height][-2:]
        assert isinstance(parse_entry(last[0]), PolicyEntry)


def test_a_rule_file_governs_once_a_quorum_holds_it_and_stops_who_does_not() -> None:
    """
    Proposed by digest, approved by all; in force when validators say that they hold it; a node that lacks it
    goes no further, and says what it lacks.
    """
    from hashlib import sha256

    g = governing()
    newer = rule_files()["lifecycle.json"] + b"\n"
    digest = sha256(newer).digest()
    row = {("rule", "lifecycle.json"): {"sha256": digest.hex()}}
    proposal = g.propose(CUSTOMS, row)
    g.approve(proposal, CN_AUTHORITY, EU_AUTHORITY)
    assert g.outcome(proposal) == ("open", "")
    assert g.refused(IMPORTER, "held", proposal) == "not_responsible"
    g.ledger.run(*(g.act(did, "held", proposal) for did in (MAKER, CN_AUTHORITY)))
    assert g.outcome(proposal) == ("open", "")

    last = g.act(EU_AUTHORITY, "held", proposal)
    with pytest.raises(RulesNotHere, match="this node cannot: it does not hold that file"):
        g.ledger.run(last)
    files = {**g.ledger.genesis.rule_files, digest: newer}
    g.ledger.registry.constitution.rule_files = files.get
    g.ledger.run(last)
    g.idle()

    assert g.outcome(proposal) == ("decided", "")
    assert g.now.rule_digests["lifecycle.json"] == digest
    assert g.ledger.history.at(1).rule_digests["lifecycle.json"] != digest


def test_rows_by_which_somebody_votes_at_once_are_no_decisions() -> None:
    """
    Who decides a block binds what the one before it decided: who votes is known two blocks ahead.
    """
    first = governing().ledger.genesis
    seats = encode({"participants": [MAKER, CN_AUTHORITY, EU_AUTHORITY]})
    rules = {**first.governance.approvals.as_table(), "quorum_jurisdictions": []}
    fewer = encode(cast(Value, rules))

    def led_to(start: int) -> int:
        rows = [
            GovernanceRow(4, start, kind, "", data)
            for kind, data in (("approvals", fewer), ("validators", seats))
        ]
        return len(Constitution.restored(first, rows, 9, first.rule_files.get).history.at(6).validator_dids)

    assert led_to(6) == 3
    with pytest.raises(CredentialError, match="two blocks ahead, and block 4 changed it for the next one"):
        led_to(5)
