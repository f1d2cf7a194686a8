"""Receipts: made by whoever knows the battery, read by whoever has nothing but the log's policy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from consensus.checkpoint import SignedNote
from consensus.log_policy import LogPolicy
from consensus.merkle import Tree, leaf_hash
from consensus.receipt import Receipt, VerifiedReceipt, verify_receipt
from credentials.documents.canonical import b64u, digest_document
from credentials.documents.identifiers import Subject
from credentials.ledger.entries import BlockEntry, GovernanceEntry, PolicyEntry, RefusedEntry
from node.cli.in_parts import fetch_epochs
from node.errors import ProblemError, SetupError
from node.ledger.log_policies import LogPolicies
from node.node_client import Client
from node.receipts.checker import NotAboutThis, check_document, what_it_says
from node.receipts.epochs import EpochFile
from node.receipts.maker import Proofs
from node.storage.documents import StoredDocument
from node.storage.entries import EntryRow, LedgerTip, row_of
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering
from node.web.sample import sample_claims
from tests.credentials.test_log_epochs import FIRST, Log, rotated
from tests.harness.support_service import CODE, DID, LiveNode, live_node

ABOUT = Subject("gbt34014", "ZZ1", bytes(32))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("receipts")) as made:
        yield made


@pytest.fixture(scope="module")
def credential(node: LiveNode) -> dict[str, Any]:
    """The first set of a passport that is on the log and under a cosigned checkpoint."""
    order = {"code": CODE, "claims": sample_claims(node.service, CODE)}
    made = node.post_json("/passports", order).get_json()
    node.wait(lambda: node.get(f"/receipts/{made['digest']}").status_code == 200, "the receipt")
    found: dict[str, Any] = made["credentials"]["1"]
    return found


@pytest.fixture
def verified(node: LiveNode, credential: dict[str, Any]) -> VerifiedReceipt:
    """The receipt of the credential, read again."""
    text = node.service.records.receipt(b64u(digest_document(credential)))
    return verify_receipt(text.encode(), LogPolicy.parse(node.service.records.log_policy()))


def test_a_receipt_is_about_the_document_whose_battery_it_names(
    verified: VerifiedReceipt, credential: dict[str, Any]
) -> None:
    """
    One credential of a passport, by the list it belongs to: whose, of which battery, said in one line.
    """
    told = check_document(verified, credential)

    assert told.startswith(f"passport.published of {CODE} by {DID}, document ")


@pytest.mark.parametrize(
    ("change", "blind", "says"),
    [
        ({"credentialSubject": {"id": 7}}, True, "its digest is another"),
        ({"x": 2**53 + 1}, True, "^The integer 9007199254740993 is beyond"),
        ({}, False, "^the receipt carries no blind: which battery it is about cannot be checked$"),
    ],
)
def test_a_receipt_is_not_taken_for_more_than_it_proves(
    verified: VerifiedReceipt, credential: dict[str, Any], change: dict[str, Any], blind: bool, says: str
) -> None:
    """
    Of another document, of none that has a digest, or without what ties it to a battery: with the reason.
    """
    shown = verified if blind else replace(verified, blind=None)

    with pytest.raises(NotAboutThis, match=says):
        check_document(shown, {**credential, **change})


def test_the_record_of_a_block_is_no_statement_about_a_battery() -> None:
    """
    A receipt of the last leaf of a block says which block, and that it proves nothing about a battery.
    """
    meaning = what_it_says(BlockEntry(7, 1, *[bytes(32)] * 5).encode())

    assert not meaning.admitted
    assert meaning.words == "the record of block 7: no statement about a battery"


def test_what_a_receipt_of_any_other_leaf_says_is_no_admission() -> None:
    """
    Of a refusal which rule and which entry came first; of a change, a policy, what cannot be read: that.
    """
    refused = RefusedEntry(bytes(32), DID, ABOUT, "X1", 4, 7)
    leaves = {
        "the proposal": GovernanceEntry(bytes(32), "decided", "", 9, ()).encode(),
        "a log policy": PolicyEntry(bytes(32), "log x").encode(),
        "was REFUSED by X1: entry 4 came first": refused.encode(),
        "cannot read": b"\x80",
    }

    for says, leaf in leaves.items():
        meaning = what_it_says(leaf)
        assert (meaning.admitted, says in meaning.words) == (False, True), meaning


def test_who_only_fetched_a_credential_proves_it_with_its_battery(
    node: LiveNode, credential: dict[str, Any], verified: VerifiedReceipt, tmp_path: Path
) -> None:
    """
    Another participant, whose office holds nothing but the fetched document, makes the same receipt from the
    same log: the list that names it, and the blind of the battery. What the log does not have is told.
    """
    office, service = OfficeStore(tmp_path / "office.db"), node.service
    policy = LogPolicy.parse(service.records.log_policy())
    tree, gathering = service.overview.tree, service.overview.gathering
    elsewhere = Proofs(service.stores.ledger, office, tree, LogPolicies(policy), gathering)
    digest, unlisted = digest_document(credential), {**credential, "id": "urn:example:unlisted"}
    stored = [
        StoredDocument(digest_document(d), "fetched", orjson.dumps(d), DID, fetched_at=1)
        for d in (credential, unlisted)
    ]
    try:
        with office.writing() as db:
            office.documents.put(db, stored)
        made = verify_receipt(elsewhere.receipt(digest).encode(), policy)
        with pytest.raises(ProblemError, match="no entry of this log has that digest"):
            elsewhere.receipt(digest_document(unlisted))
    finally:
        office.close()

    assert (made.entry, made.blind) == (verified.entry, verified.blind)
    assert made.blind is not None


def test_a_receipt_that_is_shown_with_goods_is_verified(node: LiveNode, credential: dict[str, Any]) -> None:
    """
    Offline proof beside the own ledger: of the document that is shown it passes, altered it fails.
    """
    receipt = node.service.records.receipt(b64u(digest_document(credential)))
    item = {"battery": CODE, "goods": "battery", "condition": "new", "documents": [credential]}

    def said(*receipts: str) -> list[tuple[str, str]]:
        found = node.post_json("/clearance", {**item, "receipts": list(receipts)}).get_json()
        return [(c["outcome"], c["reason"]) for c in found["checks"] if c["name"] == "receipt"]

    assert [outcome for outcome, _ in said(receipt)] == ["pass"]
    assert said("nonsense") == [("fail", "receipt_invalid")]


def test_a_passport_is_listed_once_on_the_page_of_its_battery(
    node: LiveNode, credential: dict[str, Any]
) -> None:
    """
    The one in force is among those whose record is shown: it is not added again.
    """
    passports = node.get_json(f"/batteries/{CODE}")["passports"]

    assert [passport["version"] for passport in passports] == [1]


def test_what_is_not_cosigned_yet_is_asked_for_again(
    node: LiveNode, credential: dict[str, Any], tmp_path: Path
) -> None:
    """
    On the log and under no checkpoint: 404 `no_receipt_yet`. Under a checkpoint that does not fit the log (a
    ledger.db in the middle of a repair): 503, and never a receipt that does not verify.
    """
    service, policy = node.service, LogPolicy.parse(node.service.records.log_policy())
    office, ledger = OfficeStore(tmp_path / "office.db"), LedgerStore(tmp_path / "ledger.db")
    digest = b"d" * 32
    leaf = row_of(RefusedEntry(digest, DID, ABOUT, "X1", 0, 1).encode())
    tip = LedgerTip(1, b"id", 101, b"app", b"frontier")
    ledger.commit_block(tip, block=b"b", certificate=b"c", entries=[leaf], standings={})
    proofs = Proofs(ledger, office, Tree([leaf.leaf_hash]), LogPolicies(policy), service.overview.gathering)
    try:
        with pytest.raises(ProblemError) as early:
            proofs.receipt(digest)
        ledger.put_checkpoint(5, 1, service.records.checkpoint())
        with pytest.raises(ProblemError) as unfit:
            proofs.receipt(digest)
    finally:
        ledger.close()
        office.close()

    assert (early.value.status, early.value.code) == (404, "no_receipt_yet")
    assert early.value.detail == "the validators are still cosigning: ask again in a moment"
    assert (unfit.value.status, unfit.value.code, unfit.value.title) == (503, "no_receipt_yet", "Come again")


def epochs_of(log: Log, room: Path) -> tuple[Proofs, Callable[[], None]]:
    """A node's proofs over a log whose cosigners changed keys, and what closes its ledger."""
    office, ledger = OfficeStore(room / "office.db"), LedgerStore(room / "ledger.db")
    rows = [
        EntryRow(
            entry=one, leaf_hash=leaf_hash(one), type="policy" if b"comity/policy/v1" in one else "other"
        )
        for one in log.entries
    ]
    tip = LedgerTip(1, b"id", 101, b"app", b"frontier")
    ledger.commit_block(tip, block=b"b", certificate=b"c", entries=rows, standings={})
    for step in log.steps:
        receipt = Receipt.parse(step.receipt)
        ledger.put_checkpoint(receipt.size, 1, receipt.note.text())
    ledger.put_checkpoint(log.tree.size, 1, log.note().text())
    policies = LogPolicies(LogPolicy.parse(FIRST), FIRST, ledger.leaves)

    def close() -> None:
        ledger.close()
        office.close()

    return Proofs(ledger, office, log.tree, policies, cast(Gathering, None)), close


def test_each_step_to_a_newer_policy_is_made_once(tmp_path: Path) -> None:
    """
    Whoever asks, and however many changes there were: what was made stays, and the file is the same.
    """
    log = rotated(60)
    proofs, close = epochs_of(log, tmp_path)
    try:
        first = work_s(proofs.epochs)
        again = min(work_s(proofs.epochs) for _ in range(5))
        text = proofs.epochs()
        threads = [threading.Thread(target=proofs.epochs) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        close()

    print(f"60 epochs: {first * 1000:.1f} ms, then {again * 1000:.1f} ms")
    assert EpochFile.parse(text).walk(FIRST).newest.text == log.text
    assert again < first / 5


def test_a_policy_of_long_ago_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    However many policies a log had, so many stay in memory, and every size is answered as if all did.
    """
    log = rotated(9)
    proofs, close = epochs_of(log, tmp_path)
    try:
        monkeypatch.setattr("node.ledger.log_policies.KEPT_MAX", 2)
        few = LogPolicies(LogPolicy.parse(FIRST), FIRST, proofs._ledger.leaves)
        whole, sizes = proofs._policies, range(log.tree.size + 2)
        again = [few.at(size) for size in sizes]
        few_starts, few_ends = few.starts, few.ends()
        names = [name for size in sizes for name in (*whole.at(size).log_keys, *whole.at(size).witness_keys)]
        keys = [few.key_of(name) for name in names]
    finally:
        close()

    assert again == [whole.at(size) for size in sizes]
    assert len({epoch.text for epoch in again}) == len(few_starts) == 10
    assert (few_starts, few_ends, keys) == (
        whole.starts,
        whole.ends(),
        [whole.key_of(name) for name in names],
    )
    assert None not in keys
    assert len(few._newest) == 2


def test_a_long_line_of_policies_is_given_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each of a bounded size; whoever asks for all at once is told, a part leads nobody astray, and all of them
    together are the file that leads from the first policy to the newest.
    """
    log = rotated(7)
    proofs, close = epochs_of(log, tmp_path)

    class Asked(Client):
        """The client of the command, in this process."""

        def text(self, path: str) -> str:
            asked = dict(pair.split("=") for pair in path.partition("?")[2].split("&") if pair)
            numbers = {name: int(value) for name, value in asked.items()}
            return proofs.epochs(numbers.get("link"), numbers.get("after"))

    try:
        whole = fetch_epochs(Asked("", None), 3)
        monkeypatch.setattr("node.receipts.maker.STEPS_MAX", 3)
        monkeypatch.setattr("node.receipts.maker.STEPS_KEPT_MAX", 0)  # each step is made anew
        monkeypatch.setattr("node.ledger.log_policies.KEPT_MAX", 2)
        proofs._policies = LogPolicies(LogPolicy.parse(FIRST), FIRST, proofs._ledger.leaves)
        with pytest.raises(ProblemError) as refused:
            proofs.epochs()
        parts = [EpochFile.parse(proofs.epochs(3, after)) for after in (0, 0)]
        while parts[-1].more is not None:
            parts.append(EpochFile.parse(proofs.epochs(3, parts[-1].more)))
        again = fetch_epochs(Asked("", None), 3)
    finally:
        close()

    assert (refused.value.status, refused.value.code) == (400, "in_parts")
    assert [len(part.steps) for part in parts[1:]] == [3, 3, 1]
    assert [part.head is None for part in parts[1:]] == [True, True, False]
    assert again == whole and EpochFile.parse(again).walk(FIRST).newest.text == log.text
    with pytest.raises(SetupError, match="a part of them"):
        parts[0].walk(FIRST)


def test_the_policy_is_that_of_the_newest_checkpoint(tmp_path: Path) -> None:
    """
    Whoever asks for the log's policy gets the one under which its newest checkpoint stands; of a size that of
    then, of none the first; and from the first the file of epochs leads to the newest.
    """
    log = rotated(3)
    proofs, close = epochs_of(log, tmp_path)
    try:
        newest = proofs.policy()
        LogPolicy.parse(newest).cosigned(SignedNote.parse(proofs.checkpoint()))
        told = [proofs.policy(size) for size in (0, *(Receipt.parse(s.receipt).size for s in log.steps))]
        walked = EpochFile.parse(proofs.epochs()).walk(FIRST).newest.text
    finally:
        close()

    assert told[0] == FIRST != newest == log.text == walked
    assert told[1] == FIRST and len({*told, newest}) == 4, "the last size of each falls under the one before"


def test_steps_that_are_kept_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    However many policies there were: of the steps to them the ones asked for last are kept, and any part is
    the same when it is made again.
    """
    log = rotated(9)
    proofs, close = epochs_of(log, tmp_path)
    monkeypatch.setattr("node.receipts.maker.STEPS_MAX", 2)
    monkeypatch.setattr("node.receipts.maker.STEPS_KEPT_MAX", 3)
    try:
        parts = [EpochFile.parse(proofs.epochs(None, 0))]
        while parts[-1].more is not None:
            parts.append(EpochFile.parse(proofs.epochs(None, parts[-1].more)))
            assert len(proofs._steps) <= 3
        again = EpochFile.parse(proofs.epochs(None, 0))
    finally:
        close()

    assert again == parts[0]
    assert [step.receipt for part in parts for step in part.steps] == [s.receipt for s in log.steps]
    assert sorted(proofs._steps) == [0, 1, 8]


def work_s(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def test_a_ledger_in_repair_is_no_fault_of_who_asks_for_epochs(tmp_path: Path) -> None:
    """
    A note that does not fit the log (a ledger.db in the middle of a repair) is a 503, and nothing is kept.
    """
    log = rotated(2)
    proofs, close = epochs_of(log, tmp_path)
    try:
        other = Log(entries=[b"another log" + bytes(40)]).note().text()
        proofs._ledger._db.connection.execute("UPDATE checkpoints SET first_note = ?", (other,))
        with pytest.raises(ProblemError) as refused:
            proofs.epochs()
    finally:
        close()

    assert (refused.value.status, refused.value.code) == (503, "no_receipt_yet")
