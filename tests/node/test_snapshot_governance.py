"""Snapshots over a history in which everything that governs has changed, many times."""

from __future__ import annotations

import copy
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from consensus.checkpoint import SignedNote
from consensus.delivered import Carried
from consensus.encoding import decode, encode
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.merkle import Tree, leaf_hash
from consensus.types import Block
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.constitution import (
    Constitution,
    GovernanceRow,
    Replay,
    governance_map,
    records_under_root,
)
from credentials.ledger.entries import BlockEntry, GovernanceEntry, parse_entry
from credentials.ledger.governance_proof import ProvenGovernance, prove_governance, verify_governance
from credentials.ledger.governance_records import records_of
from node.errors import SetupError
from node.ledger import snapshot, snapshot_join
from node.ledger.chain import constitution_of, tip_of, tree_of
from node.ledger.comet.decided import decided_by
from node.ledger.rebuilding import rebuild
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import LedgerStore
from tests.harness.constitution.acts import signer_of
from tests.harness.constitution.as_of import Past, asked, asked_with_proof
from tests.harness.constitution.parties import IMPORTER, genesis
from tests.harness.constitution.side import Side, files
from tests.harness.kept import KeptLedger, certificate, receipt_of_block

Row = list[Any]


@dataclass
class Lived:
    """A network that changed often: the disk of a node that executed it all, and that of one that joined."""

    past: Past
    ledger: KeptLedger
    note: SignedNote
    rows: Path
    joined: LedgerStore

    @property
    def known(self) -> snapshot_join.Known:
        first = genesis()
        policy = LogPolicy.parse(first.governance.log_policy(first.origin))
        return snapshot_join.Known(first, policy, files().get)

    def restored(self) -> Constitution:
        """What governs, by the joined node's disk alone."""
        return constitution_of(self.joined, self.ledger.genesis, files().get)

    def taken(self, rows: list[Row], folder: Path, known: snapshot_join.Known | None = None) -> int:
        """Join with these rows."""
        source = folder / "tampered.rows"
        with source.open("wb") as file:
            for row in rows:
                data = encode(row)
                file.write(len(data).to_bytes(4, "big") + data)
        return snapshot_join.join(source, known or self.known, folder / "tampered.db")


def lived(folder: Path, changes: int) -> Lived:
    """So many decided changes, some batteries, a checkpoint, a snapshot, and a node that joined by it."""
    side = Side(genesis(), compare_checks=False)
    ledger = KeptLedger(side.ledger.genesis, folder / "executed.db")
    ledger.registry.constitution.rule_files = files().get
    side.ledger = ledger
    past = Past(side)
    past.live(3, changes)
    _batteries(ledger)
    note = ledger.seal()
    rows = folder / "ledger.rows"
    height, _ = snapshot.write(ledger.store, ledger.genesis, rows)
    assert height == ledger.height
    found = Lived(past, ledger, note, rows, ledger.store)
    joined = folder / "joined.db"
    assert snapshot_join.join(rows, found.known, joined) == height
    found.joined = LedgerStore(joined)
    return found


def _batteries(ledger: KeptLedger) -> None:
    """What makers may make by now, so that there are standings."""
    now = ledger.history.latest
    for licence in now.accreditations:
        for scheme, namespace in licence.schemes:
            key = now.key(licence.participant, "attest", ledger.now)
            if key is None or not now.makes(licence.participant, scheme, namespace, ledger.now):
                continue
            if now.stopped(licence.participant, ledger.now) or now.stopped(key.id, ledger.now):
                continue
            subject = Subject(scheme, namespace, bytes([len(namespace)]) * 32)
            made = ledger.attest(licence.participant, "battery.produced", subject, key=signer_of(key.id))
            ledger.execute(ledger.block(ledger.propose([made])))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    found = lived(tmp_path_factory.mktemp("few"), 25)
    yield found
    found.joined.close()
    found.ledger.store.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    found = lived(tmp_path_factory.mktemp("many"), 200)
    yield found
    found.joined.close()
    found.ledger.store.close()


def table(store: LedgerStore, folder: Path, name: str) -> list[tuple[Any, ...]]:
    copied = folder / "copied.db"
    copied.unlink(missing_ok=True)
    store._db.connection.execute("VACUUM INTO ?", (str(copied),))
    with closing(sqlite3.connect(copied)) as db, db:
        return sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)


def require_same_state(found: Lived, folder: Path) -> None:
    """Every table that is not of one disk alone, what governs, the order of its parties, the log."""
    for name in ("blocks", "entries", "standings", "governance", "validators"):
        executed, taken = (table(store, folder, name) for store in (found.ledger.store, found.joined))
        assert executed == taken, name
    live, again = found.ledger.registry.constitution, found.restored()
    assert again.state == live.state
    assert again.records.root == live.records.root
    assert again.history.epochs == live.history.epochs
    assert list(again.state.next.participants) == list(live.state.next.participants)
    tip = tip_of(found.joined, found.ledger.genesis)
    assert tree_of(found.joined, tip, found.rows).root() == found.ledger.log.root
    assert table(found.joined, folder, "standings"), "a history without a battery shows little"


def differing(found: Lived, questions: int) -> list[str]:
    """Questions that the joined node answers otherwise than a naive replay."""
    rng, history = Random("snapshot"), found.restored().history
    told = [asked(found.past, rng, history) for _ in range(questions)]
    print(f"{questions} questions, {sum(bool(got) for _, got, _ in told)} answered with yes")
    assert 0.2 < sum(bool(got) for _, got, _ in told) / questions < 0.95
    return [f"{question}: {got}, not {said}" for question, got, said in told if got != said]


def differing_proofs(found: Lived, questions: int) -> list[str]:
    """The same over the proofs that the joined node gives, each checked under the newest log.policy."""
    ledger, rows = found.ledger, found.joined.governance()
    tree = Tree(row.leaf_hash for row in found.joined.leaves.since(0, found.joined.log_size()))

    @cache
    def prove(height: int) -> ProvenGovernance:
        records = records_under_root(ledger.genesis.governance, rows, height)
        receipt = receipt_of_block(found.joined, tree, found.note, ledger.policy, height)
        return verify_governance(dict(prove_governance(records, height, receipt)), ledger.policy)

    rng = Random("proofs")
    told = [asked_with_proof(found.past, rng, prove) for _ in range(questions)]
    print(f"{questions} questions about {prove.cache_info().currsize} proven heights")
    assert 0.2 < sum(bool(got) for _, got, _ in told) / questions < 0.95
    return [f"{question}: {got}, not {said}" for question, got, said in told if got != said]


def test_a_node_joins_over_changes_of_all_that_governs(few: Lived, tmp_path: Path) -> None:
    """
    25 changes: what a node has that took the snapshot is what one has that executed every block.
    """
    require_same_state(few, tmp_path)
    assert not differing(few, 200)
    assert not differing_proofs(few, 200)


@pytest.mark.check
def test_a_node_joins_over_two_hundred_changes(many: Lived, tmp_path: Path) -> None:
    """
    Licences, keys, validators, limits, rules, recognitions, stops: 200 decisions, one state.
    """
    print(many.past.side.counts)

    require_same_state(many, tmp_path)
    actions = many.past.side.counts.actions
    assert actions.keys() >= {"accreditation", "participant", "validators", "limits", "rule", "recognition"}


@pytest.mark.check
def test_a_thousand_questions_are_answered_as_a_replay_does(many: Lived) -> None:
    """
    1,000 random pairs of a question and a height over 200 changes, asked of the node that joined.
    """
    assert not differing(many, 1_000)


@pytest.mark.check
def test_a_thousand_questions_are_proven_as_a_replay_answers(many: Lived) -> None:
    """
    1,000 random pairs over the proofs of `comity governance prove`, verified offline.
    """
    assert not differing_proofs(many, 1_000)


# -- altered ---------------------------------------------------------------------------------------------


def _rows(path: Path) -> list[Row]:
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        row = decode(data[at + 4 : at + 4 + size])
        assert isinstance(row, list)
        found.append(row)
        at += 4 + size
    return found


def _changes(rows: list[Row]) -> list[Row]:
    """The governance rows, where they stand."""
    return next(row[1] for row in rows if row[0] == "governance")


def _another_record(rows: list[Row], rng: Random, found: Lived) -> None:
    """The record of one change is that of another one of its type."""
    changes = _changes(rows)
    one = rng.choice([c for c in changes if any(o[2] == c[2] and o[4] != c[4] for o in changes)])
    one[4] = rng.choice([o[4] for o in changes if o[2] == one[2] and o[4] != one[4]])


def _left_out(rows: list[Row], rng: Random, found: Lived) -> None:
    changes = _changes(rows)
    changes.remove(rng.choice(changes))


def _twice(rows: list[Row], rng: Random, found: Lived) -> None:
    """A change is decided once more, a block later."""
    changes = _changes(rows)
    one = copy.deepcopy(rng.choice([c for c in changes if c[0] < found.ledger.height - 2]))
    changes.append([one[0] + 1, one[1] + 1, *one[2:]])


def _earlier(rows: list[Row], rng: Random, found: Lived) -> None:
    one = rng.choice([c for c in _changes(rows) if c[0] > 1])
    one[0], one[1] = one[0] - 1, one[1] - 1


def _in_force_earlier(rows: list[Row], rng: Random, found: Lived) -> None:
    """What all decide together governs one block too early."""
    one = rng.choice([c for c in _changes(rows) if c[1] == c[0] + 2])
    one[1] -= 1


def _in_force_later(rows: list[Row], rng: Random, found: Lived) -> None:
    one = rng.choice([c for c in _changes(rows) if c[1] == c[0] + 1])
    one[1] += 1


def _beyond(rows: list[Row], rng: Random, found: Lived) -> None:
    """A change of blocks that nobody has decided yet."""
    changes, last = _changes(rows), found.ledger.height
    one = copy.deepcopy(rng.choice(changes))
    changes.append([last + rng.choice([1, 2, 50]), 0, *one[2:]])
    changes[-1][1] = changes[-1][0] + 1


def _before(rows: list[Row], rng: Random, found: Lived) -> None:
    """A change of before the first block: genesis says what governed then."""
    changes = _changes(rows)
    one = copy.deepcopy(rng.choice(changes))
    changes.insert(0, [-rng.choice([0, 0, 7]), 0, *one[2:]])
    changes[0][1] = changes[0][0] + 1


def _renamed(rows: list[Row], rng: Random, found: Lived) -> None:
    changes = _changes(rows)
    one = rng.choice([c for c in changes if any(o[2] == c[2] and o[3] != c[3] for o in changes)])
    one[3] = rng.choice([o[3] for o in changes if o[2] == one[2] and o[3] != one[3]])


def _leaf(rows: list[Row], rng: Random, found: Lived) -> None:
    entries = rng.choice([row for row in rows if row[0] == "entries"])[1]
    place = rng.randrange(len(entries))
    entries[place] = entries[place][:-1] + bytes([entries[place][-1] ^ 1])


def _standing(rows: list[Row], rng: Random, found: Lived) -> None:
    one = rng.choice(rng.choice([row for row in rows if row[0] == "standings"])[1])
    one[1] = one[1][:-1] + bytes([one[1][-1] ^ 1])


def _block_of_others(rows: list[Row], rng: Random, found: Lived) -> None:
    """A block is decided by whoever voted at the founding, after others had taken their place."""
    first, history = found.ledger.genesis.governance, found.ledger.history
    blocks = [row for row in rows if row[0] == "block"]
    later = [r for r in blocks if history.at(Block.decode(r[1]).height).validators != first.validators]
    one = rng.choice(later)
    one[2] = certificate(Block.decode(one[1]), first, found.ledger.genesis.network_id).encode()


def _block_of_few(rows: list[Row], rng: Random, found: Lived) -> None:
    one = rng.choice([row for row in rows if row[0] == "block"])
    block = Block.decode(one[1])
    governance = found.ledger.history.at(block.height)
    few = certificate(block, governance, found.ledger.genesis.network_id, governance.validators.quorum - 1)
    one[2] = few.encode()


def _repeated(rows: list[Row], rng: Random, found: Lived) -> None:
    changes = _changes(rows)
    changes.append(copy.deepcopy(rng.choice(changes)))


def _unknown_type(rows: list[Row], rng: Random, found: Lived) -> None:
    rng.choice([c for c in _changes(rows) if c[2] != "proposal"])[2] = "treasury"


def _oversized(rows: list[Row], rng: Random, found: Lived) -> None:
    rng.choice(_changes(rows))[4] += bytes(1 << 20)


def _file_of_nobody(rows: list[Row], rng: Random, found: Lived) -> None:
    """A rule file that the network never decided on, and that nobody has."""
    record = encode({"sha256": "ab" * 32})
    _changes(rows).append([rng.randrange(1, found.ledger.height), 0, "rule", "a.toml", record])
    _changes(rows)[-1][1] = _changes(rows)[-1][0] + 2


def _late_part(rows: list[Row], rng: Random, found: Lived) -> None:
    """Some changes are told once the first leaves were believed."""
    changes = _changes(rows)
    part = changes[rng.randrange(len(changes)) :]
    del changes[-len(part) :]
    rows.append(["governance", part])


def _standings_first(rows: list[Row], rng: Random, found: Lived) -> None:
    first = next(at for at, row in enumerate(rows) if row[0] == "entries")
    rows.insert(first, rows.pop())


def _fewer_entries(rows: list[Row], rng: Random, found: Lived) -> None:
    entries = next(row for row in rows if row[0] == "entries")
    del entries[1][rng.randrange(1, len(entries[1])) :]


TAMPERED: dict[str, Callable[[list[Row], Random, Lived], None]] = {
    "another record": _another_record, "a change left out": _left_out, "a change twice": _twice,
    "decided earlier": _earlier, "in force earlier": _in_force_earlier, "in force later": _in_force_later,
    "beyond the last block": _beyond, "before the first block": _before,
    "a change repeated": _repeated, "a type of nobody": _unknown_type, "a record without end": _oversized,
    "a rule file of nobody": _file_of_nobody, "changes that come late": _late_part,
    "standings before entries": _standings_first, "entries left out": _fewer_entries,
    "another name": _renamed, "a leaf": _leaf, "a standing": _standing,
    "a block of former validators": _block_of_others, "a block of too few": _block_of_few,
}  # fmt: skip


def require_refused(found: Lived, name: str, seed: int, folder: Path) -> None:
    rows = _rows(found.rows)
    TAMPERED[name](rows, Random(f"{name} {seed}"), found)
    with pytest.raises(snapshot.SnapshotRefused) as refused:
        found.taken(rows, folder)
    assert "\n" not in str(refused.value)
    assert not (folder / "tampered.db").exists()


@pytest.mark.parametrize("name", TAMPERED)
def test_nothing_that_was_changed_is_taken_over(few: Lived, name: str, tmp_path: Path) -> None:
    """
    A change altered, left out, moved in time, or made by others: refused, and no ledger is made.
    """
    require_refused(few, name, 0, tmp_path)


def test_nobody_puts_itself_in_the_place_of_the_validators(tmp_path: Path) -> None:
    """
    A participant makes a whole log of its own, which it alone decides, and one change before the first block
    says that it may: every leaf, root and certificate fits, and nothing of it is taken over.
    """
    first = genesis()
    alone = replace(first.governance.approvals, quorum_jurisdictions=())
    own = replace(first.governance, validator_dids=(IMPORTER,), approvals=alone)
    ledger = KeptLedger(replace(first, governance=own), tmp_path / "own.db")
    ledger.registry.constitution.records = governance_map(records_of(first.governance))
    for _ in range(3):
        ledger.execute(ledger.block(()))
    ledger.seal()
    snapshot.write(ledger.store, first, tmp_path / "own.rows")
    rows = _rows(tmp_path / "own.rows")
    records = records_of(own)
    said = [[0, 1, *record, records[record]] for record in (("validators", ""), ("approvals", ""))]
    rows[2:2] = [["governance", said]]
    found = Lived(Past(Side(first)), ledger, ledger.seal(), tmp_path / "own.rows", ledger.store)

    with pytest.raises(snapshot.SnapshotRefused, match="block 0, which is not here, decides something"):
        found.taken(rows, tmp_path)
    ledger.store.close()


def test_nobody_takes_over_a_block_after_a_change_that_no_validator_could_know_of(tmp_path: Path) -> None:
    """
    After a true block a participant goes on alone: its own leaves of that block say that it votes from the
    next one on, and that one, which it alone decides, names them. Who votes is known two blocks ahead.
    """
    first = genesis()
    alone = replace(first.governance.approvals, quorum_jurisdictions=())
    own = replace(first.governance, validator_dids=(IMPORTER,), approvals=alone)
    records, true = records_of(own), KeptLedger(first, tmp_path / "true.db")
    block = true.block(())
    execution = true.execute(block)
    ledger = KeptLedger(replace(first, governance=own), tmp_path / "own.db")
    ledger.registry.constitution.records = governance_map(records)
    said = {record: records[record] for record in (("validators", ""), ("approvals", ""))}
    changed = tuple((*record, None, sha256(data).digest()) for record, data in sorted(said.items()))
    last = parse_entry(execution.entries[-1])
    assert isinstance(last, BlockEntry)
    root = governance_map(records).root
    forged = [
        *execution.entries[:-1],
        GovernanceEntry(bytes(32), "decided", "", 2, changed).encode(),
        replace(last, governance_root=root, app_hash=ledger.registry.app_hash).encode(),
    ]
    ledger.history.advance(1)
    ledger.height, ledger.previous_id = 1, block.id
    ledger.log = ledger.log.append([leaf_hash(entry) for entry in forged])
    ledger.store.commit_block(
        LedgerTip(1, block.id, block.time, ledger.registry.app_hash, ledger.log.encode()),
        block=block.encode(),
        certificate=certificate(block, first.governance, first.network_id).encode(),
        entries=[row_of(entry) for entry in forged],
        standings={},
    )
    for _ in range(2):
        ledger.execute(ledger.block(()))
    note = ledger.seal()
    snapshot.write(ledger.store, first, tmp_path / "own.rows")
    rows = _rows(tmp_path / "own.rows")
    rows[2:2] = [["governance", [[1, 2, *record, data] for record, data in sorted(said.items())]]]
    found = Lived(Past(Side(first)), ledger, note, tmp_path / "own.rows", ledger.store)

    with pytest.raises(snapshot.SnapshotRefused, match="block 2 was not decided by those who vote on it"):
        found.taken(rows, tmp_path)
    changes = [GovernanceRow(1, 2, *record, data) for record, data in said.items()]
    with pytest.raises(CredentialError, match="who votes is decided two blocks ahead"):
        Replay(first, changes, first.rule_files.get).advance(1)
    for store in (true.store, ledger.store):
        store.close()


def test_the_rows_that_were_not_changed_are_taken_over(few: Lived, tmp_path: Path) -> None:
    """
    The tests above refuse what they changed, not the way in which they write it down.
    """
    assert few.taken(_rows(few.rows), tmp_path) == few.ledger.height


@pytest.mark.check
def test_a_ledger_whose_cosigners_changed_is_rebuilt_from_its_own_blocks(many: Lived, tmp_path: Path) -> None:
    """
    The note over the last block is held against the policy that the log itself names there: who cosigns now
    is not who founded.
    """
    path = tmp_path / "ledger.db"
    many.ledger.store._db.connection.execute("VACUUM INTO ?", (str(path),))
    with pytest.raises(ConsensusError):
        many.known.policy.cosigned(many.note)

    assert rebuild(path, many.ledger.genesis, many.known.policy, files().get) == many.ledger.height


def by_another_engine(rows: list[Row], heights: range) -> None:
    """What CometBFT leaves in the place of the certificates of these blocks."""
    for row in (row for row in rows if row[0] == "block"):
        if (height := Block.decode(row[1]).height) in heights:
            row[2] = decided_by(height, b"its hash", Carried(height, b"", 0, b"", b"", 1, b""))


def test_blocks_without_a_certificate_are_compared_and_never_gone_on_from(few: Lived, tmp_path: Path) -> None:
    """
    Who goes on from a snapshot takes no block that CometBFT decided; who compares it with a fingerprint does,
    if all are such: one among certified ones would hide that others decided it.
    """
    last, comparing = few.ledger.height, replace(few.known, uncertified=True)
    for heights, known, says in (
        (range(1, last + 1), few.known, "block 1 was decided by CometBFT"),
        (range(last, last + 1), few.known, f"block {last} was decided by CometBFT"),
        (range(2, 3), comparing, "block 2 was decided by another engine"),
        (range(last, last + 1), comparing, f"block {last} was decided by another engine"),
        (range(1, last), comparing, f"block {last} was decided by another engine"),
    ):
        rows = _rows(few.rows)
        by_another_engine(rows, heights)
        with pytest.raises(SetupError, match=says):
            few.taken(rows, tmp_path, known)

    rows = _rows(few.rows)
    by_another_engine(rows, range(1, last + 1))
    assert few.taken(rows, tmp_path, comparing) == last


def _in_another_order(rows: list[Row], rng: Random) -> None:
    """Every change of what governs in another place, over two rows of the snapshot."""
    place, changes = next(at for at, row in enumerate(rows) if row[0] == "governance"), _changes(rows)
    rng.shuffle(changes)
    rows.insert(place + 1, ["governance", changes[len(changes) // 2 :]])
    del changes[len(changes) // 2 :]


def test_changes_in_another_order_are_the_same_changes(few: Lived, tmp_path: Path) -> None:
    """
    Neither who gives a snapshot nor a disk chooses by their order what comes of changes: of rows in any order
    a node makes what one has that executed every block, and tells them on in theirs. A block carries none.
    """
    rows = _rows(few.rows)
    decided = [row[0] for row in _changes(rows)]
    assert any(one == other for one, other in pairwise(decided)), "some were decided in one block"
    _in_another_order(rows, Random("order"))

    assert few.taken(rows, tmp_path) == few.ledger.height

    joined = LedgerStore(tmp_path / "tampered.db")
    require_same_state(replace(few, joined=joined), tmp_path)
    again = tmp_path / "again.rows"
    snapshot.write(joined, few.ledger.genesis, again)
    assert again.read_bytes() == few.rows.read_bytes()
    changes, height = joined.governance(), few.ledger.height
    Random("disk").shuffle(changes)
    first = few.ledger.genesis
    assert Constitution.restored(first, changes, height, files().get).state == few.restored().state
    assert records_under_root(first.governance, changes, height) == records_under_root(
        first.governance, joined.governance(), height
    )
    joined.close()


@pytest.mark.check
@pytest.mark.parametrize("name", TAMPERED)
def test_nothing_that_was_changed_is_taken_over_after_two_hundred_changes(
    many: Lived, name: str, tmp_path: Path
) -> None:
    """
    The same at a random place of a long history.
    """
    require_refused(many, name, 7, tmp_path)


@pytest.mark.parametrize("trials", [10, pytest.param(40, marks=pytest.mark.check)])
def test_no_changed_byte_is_taken_over(few: Lived, tmp_path: Path, trials: int) -> None:
    """
    One bit anywhere in a snapshot over 25 changes: it is refused with one sentence, whatever it is a part of.
    """
    data, rng = few.rows.read_bytes(), Random("bits")
    source, kept = tmp_path / "tampered.rows", tmp_path / "tampered.db"
    for _ in range(trials):
        at = rng.randrange(len(data))
        source.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])

        with pytest.raises(snapshot.SnapshotRefused) as refused:
            snapshot_join.join(source, few.known, kept)
        assert "\n" not in str(refused.value) and not kept.exists(), at


@pytest.mark.check
def test_who_lacks_a_rule_file_of_the_history_is_told_which(many: Lived, tmp_path: Path) -> None:
    """
    A snapshot holds no rule files: whoever joins without one is told its name and digest, and has no ledger.
    """
    known = replace(many.known, rule_files=many.known.genesis.rule_files.get)

    with pytest.raises(SetupError, match=r"SHA-256 [0-9a-f]{64}, and this node does not hold that file"):
        snapshot_join.join(many.rows, known, tmp_path / "joined.db")

    assert not list(tmp_path.iterdir())


def test_what_was_made_up_costs_its_reader_one_block(
    few: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Changes without end that no block decided: refused at the first of them, before the next one is applied.
    """
    applied: list[int] = []
    advance = Replay.advance

    def counted(replay: Replay, height: int) -> None:
        applied.append(height)
        advance(replay, height)

    monkeypatch.setattr(Replay, "advance", counted)
    rows = _rows(few.rows)
    changes = _changes(rows)
    first = min(change[0] for change in changes)
    changes += [[height, height + 1, "stop", "made up", b""] for height in range(first, few.ledger.height)]

    with pytest.raises(snapshot.SnapshotRefused, match=f"block {first} decided something else"):
        few.taken(rows, tmp_path)
    assert applied == list(range(1, first))


def test_a_disk_that_is_full_is_not_the_snapshots_fault(few: Lived, tmp_path: Path) -> None:
    """
    What the own disk does not take is said so: the snapshot is not called false, and no ledger is made.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = few.rows.with_name("joined.db").stat().st_size // 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(SetupError, match=r"^nothing was taken over of ledger\.rows: ") as refused:
            snapshot_join.join(few.rows, few.known, tmp_path / "joined.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert not isinstance(refused.value, snapshot.SnapshotRefused)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "most"), [("GOVERNANCE_ROWS_MAX", 20), ("GOVERNANCE_BYTES_MAX", 2_000)])
def test_a_peer_cannot_fill_the_memory_with_changes(
    few: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    """
    Too many changes, or too large ones, are refused before the next row of the snapshot is read.
    """
    monkeypatch.setattr(snapshot_join, name, most)
    rows = _rows(few.rows)
    many = next(row for row in rows if row[0] == "governance")
    rows[2:] = [many, ["never read"]]

    with pytest.raises(snapshot.SnapshotRefused, match="more changes of what governs than are read"):
        few.taken(rows, tmp_path)
