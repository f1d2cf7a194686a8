"""What governed after a height is proven offline: presence, absence, and nothing that was changed passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from consensus.checkpoint import COSIGNATURE_KIND, LOG_KIND, NoteKey
from consensus.log_policy import LogPolicy, make_policy
from consensus.receipt import Receipt, make_receipt
from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
from credentials.ledger import governance_proof
from credentials.ledger.constitution import records_under_root
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.governance_proof import (
    ProvenGovernance,
    joined,
    part_of,
    prove_governance,
    verify_governance,
)
from credentials.ledger.log_epochs import walk
from tests.consensus.test_receipt import NAMES, ORIGIN, POLICY, log
from tests.consensus.test_receipt import signer as note_signer
from tests.credentials.test_constitution import _Kept, story
from tests.credentials.test_log_epochs import FIRST, Log, cosign_key
from tests.harness.ledger import CN_AUTHORITY, IMPORTER, MAKER

Proof = dict[str, Any]


@cache
def told() -> _Kept:
    """The ledger of a history with licences, keys, limits, validators and stops."""
    ledger = story().ledger
    assert isinstance(ledger, _Kept)
    return ledger


def proof(height: int) -> Proof:
    entries = [entry for _, entry in told().entries]
    tree, note = log(entries)
    index = max(n for n, (h, _) in enumerate(told().entries) if h == height)
    receipt = make_receipt(entries[index], None, index, tree, note, policy=POLICY).text()
    records = records_under_root(told().genesis.governance, told().rows, height)
    return dict(prove_governance(records, height, receipt))


def proven(height: int) -> ProvenGovernance:
    return verify_governance(proof(height), POLICY)


def block(height: int) -> BlockEntry:
    entry = parse_entry(next(e for h, e in reversed(told().entries) if h == height))
    assert isinstance(entry, BlockEntry)
    return entry


def test_every_height_is_proven_and_answers_as_the_history_does() -> None:
    """
    At every height: licences, keys, stops and rule files are those of the governance of the next block.
    """
    asked = 0
    for height in range(1, told().height):
        found, governs = proven(height), told().history.at(height + 1)
        at = block(height).time

        assert (found.height, found.time) == (height, at)
        assert found.rules() == dict(governs.rule_digests)
        for did, party in governs.participants.items():
            assert found.participant(did) == party
            assert found.stopped(did, at) == governs.stopped(did, at)
            for role in ("manufacturer", "importer", "authority"):
                expected = governs.accredited(did, role, "gbt34014", "ZZ8", at) is not None
                assert bool(found.licences(did, role, "gbt34014", "ZZ8", at)) is expected
            for role in ("attest", "vote"):
                latest = governs.key(did, role, at)
                assert (latest in found.keys(did, role, at)) is (latest is not None)
            asked += 1
    print(f"{asked} parties asked about at {told().height - 1} heights")
    assert asked > 100


def test_the_parts_of_a_proof_are_the_proof_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each part holds as many records as fit into it; joined they are what was proven, member by member.
    """
    whole: Any = proof(told().height - 1)

    def size(rows: list[list[str]]) -> int:
        return sum(len(text) for row in rows for text in row)

    most = max(size([row]) for row in whole["records"])
    monkeypatch.setattr(governance_proof, "PART_BYTES", most)

    parts = [part_of(whole, 0)]
    while (start := parts[-1]["next"]) is not None:
        parts.append(part_of(whole, start))

    for part, following in pairwise(part["records"] for part in parts):
        assert size(part) <= most < size([*part, following[0]])
    assert len(parts) > 1 and joined(parts) == whole


def test_what_was_not_there_yet_is_proven_absent_and_later_present() -> None:
    """
    A key replaced in the course of time; a suspension; a stop; a stranger: each as known at a height.
    """
    last = told().height
    at = block(last).time
    votes = [[key.id for key in proven(h).keys(MAKER, "vote", at)] for h in (1, last)]
    suspended = [bool(proven(h).licences(IMPORTER, "importer", "gbt34014", "ZZ1", at)) for h in (1, last)]
    stops = [proven(h).stopped(MAKER, at) for h in (1, last)]

    assert [len(ids) for ids in votes] == [1, 1] and votes[0] != votes[1]
    assert suspended == [True, False]
    assert stops[0] is None and stops[1] is not None and stops[1].by == CN_AUTHORITY
    assert proven(last).participant("did:web:nobody.example") is None
    assert proven(last).keys("did:web:nobody.example", "attest", at) == []
    assert proven(last).licences("did:web:nobody.example", "importer", "gbt34014", "ZZ1", at) == []
    assert proven(last).stopped(MAKER, 1) is None


def _rows(change: Callable[[list[Any]], object]) -> Callable[[Proof], object]:
    def changed(found: Proof) -> None:
        rows = [list(row) for row in found["records"]]
        result = change(rows)
        found["records"] = rows if result is None else result

    return changed


def _other_policy() -> LogPolicy:
    return LogPolicy.parse(
        make_policy(
            ORIGIN,
            [NoteKey(ORIGIN, LOG_KIND, note_signer("other", "log").public_key)],
            [(n, NoteKey(n, COSIGNATURE_KIND, note_signer(n, "other").public_key)) for n in NAMES],
            3,
        )
    )


def _receipt_of(height: int) -> Callable[[Proof], object]:
    return lambda p: p.update(receipt=proof(height)["receipt"])


def _statement(found: Proof) -> None:
    entries = [entry for _, entry in told().entries]
    tree, note = log(entries)
    index = next(n for n, e in enumerate(entries) if not isinstance(parse_entry(e), BlockEntry))
    found["receipt"] = make_receipt(entries[index], None, index, tree, note, policy=POLICY).text()


HOSTILE: dict[str, tuple[str, Callable[[Proof], object]]] = {
    "the receipt of another height": ("is that of height 3", _receipt_of(3)),
    "records of another height": ("not those of that block", lambda p: p.update(records=proof(1)["records"])),
    "another height": ("is that of height", lambda p: p.update(height=5)),
    "a height that is none": ("is that of height", lambda p: p.update(height=True)),
    "the receipt of a statement": ("not that of a block", _statement),
    "a receipt that is none": ("does not hold", lambda p: p.update(receipt="x")),
    "a receipt cut off": ("does not hold", lambda p: p.update(receipt=p["receipt"][:-40])),
    "no text as receipt": ("receipt is text", lambda p: p.update(receipt=7)),
    "another format": ("the format", lambda p: p.update(format="comity/governance-proof/v2")),
    "a member left out": ("exactly the members", lambda p: p.pop("height")),
    "a member more": ("exactly the members", lambda p: p.update(answer="yes")),
    "one record left out": ("not those of that block", _rows(lambda r: r.pop(0) and None)),
    "the last records left out": ("not those of that block", _rows(lambda r: r[:-3])),
    "none": ("not those of that block", _rows(lambda _: [])),
    "one record changed": ("not those of that block", _rows(lambda r: r[0].__setitem__(2, b64u(b"\xa0")))),
    "under another name": ("not those of that block", _rows(lambda r: r[-1].__setitem__(1, "zzz"))),
    "one record twice": ("ascending order", _rows(lambda r: [r[0], *r])),
    "another order": ("ascending order", _rows(lambda r: r[::-1])),
    "no list": ("are a list", lambda p: p.update(records={})),
    "too many": ("at most 65536", lambda p: p.update(records=[0] * 65_537)),
    "a record cut off": (r"\[type, name, base64url\]", _rows(lambda r: r[0].pop() and None)),
    "no base64url": (r"\[type, name, base64url\]", _rows(lambda r: r[0].__setitem__(2, "=="))),
}


@pytest.mark.parametrize("what", [*HOSTILE])
def test_nothing_changed_passes(what: str) -> None:
    """
    Another height or root, records left out, added, changed, truncated: each refused with its sentence.
    """
    sentence, change = HOSTILE[what]
    found = proof(told().height)
    change(found)

    with pytest.raises(CredentialError, match=sentence) as refused:
        verify_governance(found, POLICY)
    assert refused.value.code == "governance_proof_invalid"


def test_a_proof_under_other_keys_is_none() -> None:
    """
    The keys are those of the log.policy in hand; and what is no object is no proof.
    """
    with pytest.raises(CredentialError, match="does not hold"):
        verify_governance(proof(3), _other_policy())
    with pytest.raises(CredentialError, match="exactly the members"):
        verify_governance([], POLICY)  # type: ignore[arg-type]


def recorded_in(log: Log, height: int) -> Proof:
    """The proof of a height whose block's record is the newest entry but one of this log."""
    log.grow(block(height).encode())
    index = log.tree.size - 1
    log.grow()
    records = records_under_root(told().genesis.governance, told().rows, height)
    return dict(prove_governance(records, height, log.receipt(index)))


def test_under_later_epochs_a_device_needs_the_old_policy_and_the_epochs_alone() -> None:
    """
    Three of four cosigners changed keys in two steps: the founding policy alone knows none of them, and by
    the epochs every proof holds, of the first epoch, of the second and of the third.
    """
    log = Log()
    proofs = {3: recorded_in(log, 3)}
    log.rotate(0, 1)
    proofs[5] = recorded_in(log, 5)
    log.rotate(2)
    proofs[8] = recorded_in(log, 8)
    epochs = walk(FIRST, log.steps, log.head())

    for height, found in proofs.items():
        assert verify_governance(found, epochs).height == height
    with pytest.raises(CredentialError, match="its receipt does not hold"):
        verify_governance(proofs[8], LogPolicy.parse(FIRST))
    with pytest.raises(CredentialError, match="not those of that block"):
        verify_governance({**proofs[8], "records": proofs[5]["records"]}, epochs)


def test_under_a_compromised_key_a_proof_counts_only_on_the_way_to_a_later_epoch() -> None:
    """
    Two keys that signed it were stolen: without the proof that its tree is the log's it is none.
    """
    log = Log()
    found = recorded_in(log, 3)
    size = log.tree.size
    log.rotate(0, 1, lost=[cosign_key("a", 1), cosign_key("b", 1)])
    link = log.tree.consistency_proof(size, log.tree.size)
    epochs = walk(FIRST, log.steps, log.head())

    assert Receipt.parse(found["receipt"]).size == size
    with pytest.raises(CredentialError, match="somebody else may have used"):
        verify_governance(found, epochs)
    assert verify_governance(found, replace(epochs, links={size: link})).height == 3
