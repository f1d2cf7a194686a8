"""Membership: validators join, leave and change keys while the network goes on (consensus/replica.py)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from consensus.cose import SignatureInvalid
from consensus.errors import ConsensusError
from consensus.events import AttestationReceived, MessageReceived
from consensus.evidence import FaultEvidence, evidence_of, verify_evidence
from consensus.types import PREVOTE, CertificateInvalid, Vote, verify_vote
from consensus.validators import Validator, ValidatorHistory, ValidatorSet
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import LedgerStore
from tests.harness.replicas import NETWORK, Net, chain_of, did, key, make_change, sign, validator
from tests.harness.sim.ledger import make_tx

REMOVED = 0


def removed(index: int) -> Validator:
    return validator(index, weight=REMOVED)


def sets_by_hand(net: Net, index: int) -> dict[int, dict[str, bytes]]:
    """Who votes at each height, from one node's blocks alone: changes of h are in force at h + 2."""
    commits = net.node(index).disk.commits
    sets = {h: {v.name: v.public_key for v in net.chain.validators.validators} for h in (1, 2)}
    for commit in commits:
        height = commit.block.height
        members = dict(sets[height + 1])
        for update in commit.execution.validator_updates:
            members.pop(update.name, None)
            if update.weight:
                members[update.name] = update.public_key
        sets[height + 2] = members
    return sets


def check_certificates(net: Net, index: int) -> None:
    """Every block has more than two thirds of that height's validators, each with that height's key."""
    sets = sets_by_hand(net, index)
    for commit in net.node(index).disk.commits:
        members = sets[commit.block.height]
        for votes in (commit.certificate.precommits, commit.certificate.polka):
            names = {v.validator for v in votes}
            assert names <= members.keys()
            assert 3 * len(names) > 2 * len(members)
            current = ValidatorHistory.at(net.node(index).up.history, commit.block.height)
            assert {v.name: v.public_key for v in current.validators} == members
            for v in votes:
                verify_vote(v, current, NETWORK)


def test_a_walk_from_four_to_seven_to_five_to_four() -> None:
    """
    4 -> 7 -> 5 -> 4 validators under load, every key rotated on the way, one node restarted: each block is
    decided by its height's validators with its height's keys, all logs are one, and nothing is lost.
    """
    net = Net(3, chain_of(4), nodes=7, generations=2)
    net.loss = 0.02
    net.start()
    loaded = [0]

    def load() -> None:
        net.submit(make_tx(f"value {loaded[0]}"))
        loaded[0] += 1
        if loaded[0] < 120:
            net.after(150, load)

    def change(*updates: Validator, wait_for: tuple[int, ...]) -> int:
        """Order a change; returns the height it is in force at, once these nodes are past it."""
        tx = make_change(*updates)
        net.submit(tx)
        net.run_until(lambda: net.final_everywhere(tx, *wait_for))
        digest = sha256(tx).digest()
        ordered = next(c.block.height for c in net.node(2).disk.commits if digest in c.execution.finals)
        net.run_until(lambda: net.height(*wait_for) > ordered + 3)
        return ordered + 2

    load()
    net.run_until(lambda: net.height() >= 3)
    assert not net.node(4).up.voting
    seven = change(validator(4), validator(5), validator(6), wait_for=(0, 1, 2, 3, 4, 5, 6))
    assert net.node(4).up.voting
    rotated = change(*(validator(i, 1) for i in range(7)), wait_for=(0, 1, 2, 3, 4, 5, 6))
    five = change(removed(0), removed(1), wait_for=(2, 3, 4, 5, 6))
    assert not net.node(0).up.voting
    net.node(0).stop()
    net.node(1).stop()
    net.node(5).stop()
    net.run(400)
    net.node(5).start()
    four = change(removed(6), *(validator(i, 0) for i in (2, 3)), wait_for=(2, 3, 4, 5))
    net.node(6).stop()
    net.run_until(lambda: loaded[0] == 120, 120_000)
    for name in range(120):
        tx = make_tx(f"value {name}")
        net.run_until(lambda tx=tx: net.final_everywhere(tx, 2, 3, 4, 5))  # type: ignore[misc]

    sets = sets_by_hand(net, 2)
    assert [len(sets[h]) for h in (1, seven - 1, seven, five - 1, five, four - 1, four)] == [
        4, 4, 7, 7, 5, 5, 4,
    ]  # fmt: skip
    assert {name: sets[rotated][name] for name in sets[rotated]} == {
        did(i): key(i, 1).public_key for i in range(7)
    }
    for index in (2, 3, 4, 5):
        check_certificates(net, index)
        blocks = [c.block.id for c in net.node(index).disk.commits]
        assert blocks[: net.height(2, 3, 4, 5)] == [
            c.block.id for c in net.node(2).disk.commits[: net.height(2, 3, 4, 5)]
        ]
        assert net.node(index).up.evidence == []
    for v in net.votes:
        assert v.validator in sets[v.height], "a vote by somebody who had none at that height"


def test_old_keys_stay_punishable() -> None:
    """
    A removed validator whose old key signed twice is recorded by the validators of today; the same statements
    for a height at which the key had no vote prove nothing.
    """
    net = Net(5, chain_of(4), nodes=5)
    net.start()
    tx = make_change(removed(0), validator(4))
    net.submit(tx)
    net.run_until(lambda: net.final_everywhere(tx, 1, 2, 3, 4))
    for number in range(4):
        net.submit_named(f"later {number}")
        net.run_until(lambda: net.final_everywhere(make_tx(f"later {number}"), 1, 2, 3, 4))  # noqa: B023
    net.node(0).stop()
    history = net.node(1).up.history
    assert history.at(net.height(1)).get(did(0)) is None

    old, new = (double_vote(0, 0, height, history) for height in (1, net.height(1)))
    before = net.node(1).up.refused["stranger"]
    net.node(1).feed(MessageReceived(did(3), new.encode()))
    assert net.node(1).up.refused["stranger"] == before + 1
    assert net.node(1).up.evidence == []

    net.node(1).feed(MessageReceived(did(3), old.encode()))
    net.run_until(
        lambda: all(
            any(old.encode() in c.block.evidence for c in net.node(i).disk.commits) for i in (1, 2, 3, 4)
        )
    )
    recorded = [data for c in net.node(2).disk.commits for data in c.block.evidence]
    assert recorded == [old.encode()]


def test_a_rotated_key_votes_no_more() -> None:
    """
    From its height on the new key alone counts: what the old one signs then is refused and proves nothing.
    """
    first = ValidatorSet(tuple(validator(i) for i in range(4)))
    history = ValidatorHistory(((1, first), (5, first.updated([validator(0, 1)]))))
    late = Vote(PREVOTE, 5, 0, -1, sha256(b"v").digest(), did(0))

    verify_vote(sign(late, key(0, 1), history.at(5)), history.at(5), NETWORK)
    for validators in (history.at(4), history.at(5)):
        with pytest.raises(SignatureInvalid):
            verify_vote(sign(late, key(0, 0), validators), history.at(5), NETWORK)
    with pytest.raises(SignatureInvalid):
        verify_evidence(double_vote(0, 0, 5, history), history.at, NETWORK, {})
    verify_evidence(double_vote(0, 0, 4, history), history.at, NETWORK, {})


def test_updates_keep_the_order_and_refuse_what_is_no_set() -> None:
    """
    A change of key keeps a validator's place, newcomers follow, and no update leaves an empty or doubled set.
    """
    first = ValidatorSet(tuple(validator(i) for i in range(3)))

    changed = first.updated([validator(1, 1), validator(3), removed(0)])
    assert changed.validators == (validator(1, 1), validator(2), validator(3))
    assert ValidatorSet.decode(changed.encode()) == changed
    assert changed.hash == sha256(changed.encode()).digest()
    with pytest.raises(ConsensusError):
        first.updated([removed(0), removed(1), removed(2)])
    with pytest.raises(ConsensusError):
        first.updated([replace(validator(1), public_key=key(0).public_key)])
    with pytest.raises(ConsensusError):
        ValidatorHistory(((3, first), (3, changed)))


def test_a_block_whose_change_leaves_no_set_is_not_valid() -> None:
    """
    An attestation that would remove all validators costs its block the votes; the network goes on.
    """
    net = Net(6, chain_of(4), nodes=4)
    net.start()
    tx = make_change(*(removed(i) for i in range(4)))
    net.node(1).feed(AttestationReceived(tx, sha256(tx).digest()))
    net.submit_named("after")
    net.run_until(lambda: net.final_everywhere(make_tx("after")))

    assert all(c.validators is None for c in net.node(0).disk.commits)
    assert any(net.node(i).up.refused["invalid_block"] for i in range(4))


def double_vote(index: int, generation: int, height: int, history: ValidatorHistory) -> FaultEvidence:
    """Two prevotes of one key for one round of `height`."""
    values = (sha256(b"one").digest(), sha256(b"two").digest())
    votes = [
        sign(Vote(PREVOTE, height, 0, -1, v, did(index)), key(index, generation), history.at(height))
        for v in values
    ]
    found = evidence_of(*votes)
    assert found is not None
    return found


def test_a_stranger_is_no_certificate() -> None:
    """
    A vote of somebody who is not in the height's set is refused, however well it is signed.
    """
    first = ValidatorSet(tuple(validator(i) for i in range(4)))
    stranger = sign(Vote(PREVOTE, 1, 0, -1, None, did(9)), key(9), first)

    with pytest.raises(CertificateInvalid):
        verify_vote(stranger, first, NETWORK)


def test_sets_are_on_disk_by_height(tmp_path: Path) -> None:
    """
    A ledger.db that is opened again knows who votes at which height, and the evidence on the record.
    """
    first = ValidatorSet(tuple(validator(i) for i in range(4)))
    changed = first.updated([validator(4), removed(0)])
    fault = double_vote(1, 0, 1, ValidatorHistory(((1, first),)))
    ledger = LedgerStore(tmp_path / "ledger.db")
    for height in (1, 2):
        tip = LedgerTip(height, bytes([height]) * 32, height, bytes(32), b"")
        ledger.commit_block(
            tip,
            block=b"block",
            certificate=b"certificate %d" % height,
            entries=[row_of(fault.encode())] if height == 2 else [],
            standings={},
            validators=changed if height == 1 else None,
        )
    ledger.close()

    ledger = LedgerStore(tmp_path / "ledger.db")
    history = ledger.validator_history(first)
    assert [history.at(height) for height in (1, 2, 3, 9)] == [first, first, changed, changed]
    assert ledger.certificates(16) == [b"certificate 1", b"certificate 2"]
    [row] = ledger.leaves.evidence()
    assert (row.entry, row.digest, row.kind) == (fault.encode(), fault.id, "double_prevote")
    ledger.close()
