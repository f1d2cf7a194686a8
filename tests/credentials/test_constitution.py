"""What governs is made again from its rows: after every block, to the byte what the registry had."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import cast

import pytest

from consensus.application import Execution, Refusal
from consensus.cose import SeedSigner
from consensus.encoding import Value, encode
from credentials.errors import CredentialError
from credentials.ledger.attestation import parse_attestation
from credentials.ledger.block_order import block_order
from credentials.ledger.constitution import Constitution, GovernanceRow
from credentials.ledger.entries import PolicyEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance_records import VALIDATORS, RulesNotHere, records_of
from credentials.ledger.proposals import ChangeProposal
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
    signer,
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
    with pytest.raises(RulesNotHere, match=r"comity network rules add FILE --as lifecycle\.json"):
        g.ledger.run(last)
    files = {**g.ledger.genesis.rule_files, digest: newer}
    g.ledger.registry.constitution.rule_files = files.get
    g.ledger.run(last)
    g.idle()

    assert g.outcome(proposal) == ("decided", "")
    assert g.now.rule_digests["lifecycle.json"] == digest
    assert g.ledger.history.at(1).rule_digests["lifecycle.json"] != digest


HOLDING = (MAKER, CN_AUTHORITY, EU_AUTHORITY)  # with the weight of a quorum, just so


def held_by_a_quorum() -> tuple[Governing, ChangeProposal]:
    """A rule file that everybody here has; said to be held, approved by nobody yet."""
    g = governing()
    newer = rule_files()["lifecycle.json"] + b"\n"
    files = {**g.ledger.genesis.rule_files, sha256(newer).digest(): newer}
    g.ledger.registry.constitution.rule_files = files.get
    row = {("rule", "lifecycle.json"): {"sha256": sha256(newer).hexdigest()}}
    proposal = g.propose(IMPORTER, row)
    g.ledger.run(*(g.act(did, "held", proposal) for did in HOLDING))
    return g, proposal


def test_who_said_that_it_holds_a_file_is_counted_once() -> None:
    """
    The same said again is refused, in another block or the same; it adds nothing to the weight.
    """
    g, proposal = held_by_a_quorum()

    assert g.refused(MAKER, "held", proposal, iat=g.ledger.now - 1) == "duplicate"
    again = [g.act(CUSTOMS, "held", proposal, iat=g.ledger.now - late) for late in (0, 1)]
    chosen = g.ledger.propose(again)
    assert len(chosen) == 1
    both = [parse_attestation(tx) for tx in again]
    with pytest.raises(Refusal, match="said already that it holds what it brings"):
        g.ledger.execute(g.ledger.block([a.data for a in block_order(both, g.ledger.previous_id)]))
    g.ledger.execute(g.ledger.block(chosen))
    tabled = g.ledger.registry.constitution.state.tabled[proposal.digest]
    assert tabled.held == {did: signer(did).key_id for did in (*HOLDING, CUSTOMS)}
    assert g.refused(OUTSIDER, "held", proposal) == "not_responsible"
    assert g.refused(MAKER, "held", g.proposal(limits_row(clock_skew_s=63))) == "predecessor"


def test_a_rule_file_held_by_who_was_stopped_waits_for_the_end_of_the_stop_or_lapses() -> None:
    """
    A quorum no more: approved by all it stays open. The stop lapses, and it is decided without a further act;
    confirmed, the stop does not lapse, and the proposal does.
    """
    for confirmed in (False, True):
        g, proposal = held_by_a_quorum()
        g.propose(CN_AUTHORITY, stop_row(MAKER, CN_AUTHORITY))
        until = g.now.stops[MAKER].until
        assert until is not None
        g.approve(proposal, CN_AUTHORITY, EU_AUTHORITY)
        assert g.outcome(proposal) == ("open", "")
        if confirmed:
            for_good = {
                ("stop", MAKER): {"target": MAKER, "by": CN_AUTHORITY, "since": g.now.stops[MAKER].since}
            }
            g.pass_(CUSTOMS, for_good, CN_AUTHORITY, EU_AUTHORITY)
            assert g.now.stops[MAKER].until is None
        wanted = proposal.expires if confirmed else until

        assert g.ledger.registry.next_block_at(g.ledger.now) == wanted
        g.idle(later_s=wanted - g.ledger.now)
        assert g.outcome(proposal) == (("lapsed", "expired") if confirmed else ("decided", ""))


def test_a_rule_file_held_by_who_votes_no_more_waits_for_another() -> None:
    """
    Retired, a party's word counts no more: the quorum is that of those who vote now.
    """
    g, proposal = held_by_a_quorum()
    g.pass_(
        CUSTOMS, {(VALIDATORS, ""): {"participants": [CN_AUTHORITY, EU_AUTHORITY, CUSTOMS]}}, *HOLDING[1:]
    )
    g.approve(proposal, CN_AUTHORITY, EU_AUTHORITY)
    assert g.outcome(proposal) == ("open", "")

    g.ledger.run(g.act(CUSTOMS, "held", proposal))

    assert g.outcome(proposal) == ("decided", "")


def test_what_a_stolen_key_said_of_a_rule_file_is_said_again_with_a_new_one() -> None:
    """
    Replaced in time a key said it rightly. Once it is known that it was stolen, its word is not counted.
    """
    for stolen in (False, True):
        g, proposal = held_by_a_quorum()
        keys, proofs = with_key(
            g.now, MAKER, ("attest",), 2, g.ledger.now, network_id=g.ledger.genesis.network_id
        )
        if stolen:
            for key in keys["participant", MAKER]["keys"]:
                if key["id"] == signer(MAKER).key_id:
                    key["compromised_from"] = g.ledger.now - 100
        g.propose(MAKER, keys, proofs=proofs, recovery=True)
        g.approve(proposal, CN_AUTHORITY, EU_AUTHORITY)
        assert g.outcome(proposal) == (("open", "") if stolen else ("decided", ""))

    fresh = SeedSigner(f"{MAKER}#attest-2", sha256(f"{MAKER}/attest/2".encode()).digest())
    g.ledger.run(g.act(MAKER, "held", proposal, signed=fresh))

    assert g.outcome(proposal) == ("decided", "")


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
