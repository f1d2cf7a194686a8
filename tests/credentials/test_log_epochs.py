"""A device that trusts one old policy walks to the newest, offline; nothing forged or left out passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import pytest

from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    Checkpoint,
    NoteKey,
    SignedNote,
    cosign_line,
    sign_log_line,
)
from consensus.cose import SeedSigner
from consensus.log_policy import LogPolicy, make_policy
from consensus.merkle import Tree, leaf_hash
from consensus.receipt import Receipt, ReceiptError, make_receipt, verify_receipt
from credentials.ledger.entries import BlockEntry, PolicyEntry
from credentials.ledger.log_epochs import AFTER_ENTRY, EpochError, EpochStep, Head, LogEpochs, walk

ORIGIN = "log.tests.example"
NAMES = ("a", "b", "c", "d")
TIME = 1_803_800_000


def signer(name: str, role: str, number: int) -> SeedSigner:
    return SeedSigner(f"{name}#{role}", sha256(f"{name}/{role}/{number}".encode()).digest())


def log_key(name: str, number: int) -> NoteKey:
    return NoteKey(ORIGIN, LOG_KIND, signer(name, "log", number).public_key)


def cosign_key(name: str, number: int) -> NoteKey:
    return NoteKey(name, COSIGNATURE_KIND, signer(name, "cosign", number).public_key)


def policy_of(numbers: Sequence[int], origin: str = ORIGIN) -> str:
    """The policy in which each cosigner has its key of that number."""
    keys = list(zip(NAMES, numbers, strict=True))
    logs = [replace(log_key(name, number), name=origin) for name, number in keys]
    return make_policy(origin, logs, [(name, cosign_key(name, number)) for name, number in keys], 3)


@dataclass
class Log:
    """A log whose cosigners change keys."""

    numbers: list[int] = field(default_factory=lambda: [1, 1, 1, 1])
    entries: list[bytes] = field(default_factory=lambda: [b"entry %d" % n + bytes(40) for n in range(5)])
    tree: Tree = field(default_factory=Tree)
    steps: list[EpochStep] = field(default_factory=list)
    last: int = 0

    def __post_init__(self) -> None:
        self.tree.extend(map(leaf_hash, self.entries))

    @property
    def text(self) -> str:
        return policy_of(self.numbers)

    def grow(self, *entries: bytes) -> None:
        for entry in entries or (b"entry %d" % self.tree.size + bytes(40),):
            self.entries.append(entry)
            self.tree.extend([leaf_hash(entry)])

    def note(self, numbers: Sequence[int] | None = None) -> SignedNote:
        """Of the whole tree, signed by all."""
        checkpoint = Checkpoint(ORIGIN, self.tree.size, self.tree.root())
        keys = list(zip(NAMES, numbers or self.numbers, strict=True))
        lines = [sign_log_line(checkpoint, ORIGIN, signer(keys[3][0], "log", keys[3][1]))]
        lines += [cosign_line(checkpoint, of, TIME, signer(of, "cosign", number)) for of, number in keys]
        return SignedNote(checkpoint.body(), tuple(lines))

    def receipt(self, index: int, numbers: Sequence[int] | None = None) -> str:
        used = numbers or self.numbers
        policy = LogPolicy.parse(policy_of(used))
        return make_receipt(
            self.entries[index], None, index, self.tree, self.note(used), policy=policy
        ).text()

    def rotate(
        self, *who: int, before: str | None = None, after: int = 1, by: Sequence[int] | None = None,
        lost: Sequence[NoteKey] = (), text: str | None = None,
    ) -> None:  # fmt: skip
        """These cosigners get new keys: an entry, the record of its block, a receipt under the old policy."""
        old = list(by or self.numbers)
        previous = self.text if before is None else before
        for position in who:
            self.numbers[position] += 1
        names = tuple(sorted(key.vkey() for key in lost))
        entry = PolicyEntry(sha256(previous.encode()).digest(), text or self.text, names).encode()
        index = self.tree.size
        self.grow(entry, *([b"the record of a block" + bytes(40)] * after))
        proof = tuple(self.tree.consistency_proof(self.last, self.tree.size)) if self.last else ()
        self.steps.append(EpochStep(self.receipt(index, old), proof))
        self.last = self.tree.size
        self.grow()

    def head(self) -> Head:
        proof = tuple(self.tree.consistency_proof(self.last, self.tree.size)) if self.last else ()
        return Head(self.note().text(), proof)


FIRST = policy_of([1, 1, 1, 1])


def rotated(times: int = 3) -> Log:
    log = Log()
    for number in range(times):
        log.rotate(number % 4)
    return log


def test_a_device_walks_from_any_policy_to_the_newest() -> None:
    """
    From the founding, from one in between, and from the newest itself, where no step is left.
    """
    log = rotated()

    found = walk(FIRST, log.steps, log.head())

    assert found.newest.text == log.text and len(found.epochs) == 4
    assert [e.after for e in found.epochs] == sorted({e.after for e in found.epochs})
    middle = walk(found.epochs[2].text, log.steps, log.head())
    assert (middle.newest.text, len(middle.epochs)) == (log.text, 2)
    assert walk(log.text, log.steps, log.head()).newest.text == log.text
    assert walk(FIRST, []).newest.text == FIRST


def test_a_receipt_is_verified_by_the_policy_of_its_tree() -> None:
    """
    One of each epoch by its own; one that retired keys signed over a later tree by none.
    """
    log, receipts = Log(), list[str]()
    for position in range(4):
        receipts.append(log.receipt(2))
        log.rotate(position)
    found = walk(FIRST, log.steps, log.head())

    for receipt in receipts:
        assert found.verify(receipt).index == 2
    late = log.receipt(2, [1, 1, 1, 1])
    assert verify_receipt(late, LogPolicy.parse(FIRST)).index == 2, "by the old policy alone it looks good"
    with pytest.raises(ReceiptError):
        found.verify(late)


def skipped(log: Log) -> None:
    """Three cosigners are in both policies: the second one's receipt would satisfy the first."""
    log.rotate(0)
    log.rotate(0)
    del log.steps[0]
    log.steps[0] = replace(log.steps[0], consistency=())


def forked(log: Log) -> None:
    log.rotate(0)
    other = Log(entries=[b"another log %d" % n + bytes(40) for n in range(5)])
    other.rotate(0)
    other.rotate(1)
    log.steps.append(other.steps[1])


def by_retired(log: Log) -> None:
    """All have new keys; the old ones name a policy of their own."""
    log.rotate(0, 1, 2, 3)
    log.rotate(0, by=[1, 1, 1, 1])


def overlapping(log: Log) -> None:
    """Receipted by a tree beyond the block that names the policy: the next one speaks for it."""
    log.rotate(0, after=2)


def too_early(log: Log) -> None:
    """Receipted by a tree that ends with the entry: no block ends there."""
    log.rotate(0, after=0)


def older_entry(log: Log) -> None:
    """The second step's entry and tree are from before the first one came into force."""
    log.rotate(0, before=FIRST)
    second = Log()
    second.rotate(0, before=policy_of([2, 1, 1, 1]))
    log.steps.append(second.steps[0])


def other_origin(log: Log) -> None:
    log.rotate(0, text=policy_of([2, 1, 1, 1], "log.another.example"))


def no_policy(log: Log) -> None:
    log.grow(BlockEntry(1, 2, *[bytes(32)] * 5).encode())
    log.steps.append(EpochStep(log.receipt(5), ()))


def no_receipt(log: Log) -> None:
    log.rotate(0)
    log.steps[0] = replace(log.steps[0], receipt=log.steps[0].receipt[:-40])


def repeated(log: Log) -> None:
    log.rotate(0)
    log.steps += log.steps


def turned_round(log: Log) -> None:
    """What follows the trusted policy comes last: those after it are passed over, and not believed."""
    log.rotate(0)
    log.rotate(1)
    log.steps.reverse()
    log.steps.append(log.steps[0])
    log.steps.append(log.steps[0])


def another_network(log: Log) -> None:
    """A step of a log of the same name, with other entries and cosigners, goes on from this one's."""
    log.rotate(0)
    other = Log(numbers=[5, 6, 7, 8], entries=[b"another %d" % n + bytes(40) for n in range(9)])
    other.rotate(0, before=log.text)
    log.steps += other.steps


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (skipped, "no epoch follows the policy"),
        (forked, "not of the same log"),
        (by_retired, "epoch 2 is not receipted under the one before"),
        (overlapping, "speaks for trees of more than"),
        (too_early, "speaks for trees of more than"),
        (older_entry, "speaks for trees of more than 7"),
        (other_origin, "is of the log log.another.example"),
        (no_policy, "is no log policy"),
        (no_receipt, "epoch 1 cannot be read"),
        (repeated, "epoch 2 follows another policy .* or is there twice"),
        (turned_round, "epoch 4 follows another policy"),
        (another_network, "epoch 2 is not receipted under the one before"),
    ],
)
def test_no_other_chain_of_policies_passes(spoil: Callable[[Log], None], says: str) -> None:
    """
    A skipped epoch, a forked one, one signed by retired keys, ranges that overlap, another log: refused.
    """
    log = Log()
    spoil(log)

    with pytest.raises(EpochError, match=says):
        walk(FIRST, log.steps)


def test_a_walk_without_an_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Steps that never stop coming, passed over or not, are refused after so many.
    """
    monkeypatch.setattr("credentials.ledger.log_epochs.EPOCHS_MAX", 9)
    log = rotated(2)

    with pytest.raises(EpochError, match="more than 9 epochs"):
        walk(FIRST, itertools.cycle(log.steps[1:]))


def test_an_epoch_left_out_in_the_middle_is_missed() -> None:
    """
    Three of four cosigners are in all three policies: only the digest of the one before shows the gap.
    """
    log = rotated(3)
    del log.steps[1]

    with pytest.raises(EpochError, match="an epoch is missing"):
        walk(FIRST, log.steps)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (lambda log: Head("nonsense", ()), "not one under the newest policy"),
        (lambda log: Head(log.note([1, 1, 1, 1]).text(), ()), "not one under the newest policy"),
        (lambda log: replace(log.head(), consistency=()), "not of the same log"),
    ],
)
def test_the_last_checkpoint_is_under_the_newest_policy(head: Callable[[Log], Head], says: str) -> None:
    """
    Readable, by its keys, of a tree that it speaks for, which extends the last step's.
    """
    log = Log()
    log.rotate(0, 1, 2, 3)

    with pytest.raises(EpochError, match=says):
        walk(FIRST, log.steps, head(log))


def test_the_last_checkpoint_is_of_the_newest_range() -> None:
    """
    A tree that the policy before speaks for is none of the newest one's, whoever signed it.
    """
    log = Log()
    log.rotate(0)
    early = Log()
    head = Head(early.note(log.numbers).text(), ())

    with pytest.raises(EpochError, match="does not speak for"):
        walk(FIRST, log.steps, head)


def compromised() -> tuple[Log, LogEpochs, str, list[bytes]]:
    """A receipt that two stolen keys helped to sign, the epochs since, the proof of its tree."""
    log = Log()
    early, size = log.receipt(2), log.tree.size
    lost = [cosign_key("a", 1), cosign_key("b", 1)]
    log.rotate(0, 1, lost=lost)
    found = walk(FIRST, log.steps, log.head())
    return log, found, early, log.tree.consistency_proof(size, log.tree.size)


def test_under_a_compromised_key_a_receipt_counts_only_on_the_way_to_a_later_epoch() -> None:
    """
    With the proof it counts as before; without it, with another's, or for a tree that the log never had, not.
    """
    log, found, early, link = compromised()

    def by(link: list[bytes], epochs: LogEpochs = found) -> LogEpochs:
        return replace(epochs, links={Receipt.parse(early).size: link})

    assert by(link).verify(early).index == 2
    for refused in ([], link[:-1], [bytes(32), *link[1:]]):
        with pytest.raises(EpochError, match="somebody else may have used"):
            by(refused).verify(early)
    with pytest.raises(EpochError, match="somebody else may have used"):
        found.verify(early)
    forged = Log(entries=[b"never said %d" % n + bytes(40) for n in range(5)])
    with pytest.raises(EpochError, match="no tree that the log went through"):
        by(link).verify(forged.receipt(2))
    with pytest.raises(EpochError, match="no checkpoint under the newest policy"):
        by(link, walk(FIRST, log.steps)).verify(early)


def test_a_receipt_with_a_quorum_beside_the_compromised_key_counts_as_it_is() -> None:
    """
    One of four is lost, and three others signed: nothing rests on the lost one; a lost log key is like it.
    """
    log = Log()
    policy = LogPolicy.parse(FIRST)
    note = log.note()
    kept = SignedNote(note.body, (note.lines[0], *note.lines[2:]))
    receipt = make_receipt(log.entries[2], None, 2, log.tree, kept, policy=policy).text()
    by_lost_log = log.receipt(3)
    log.rotate(0, lost=[cosign_key("a", 1)])
    found = walk(FIRST, log.steps, log.head())
    log.rotate(3, lost=[log_key("d", 1)])
    later = walk(FIRST, log.steps, log.head())

    assert found.verify(receipt).index == 2
    with pytest.raises(EpochError, match="somebody else may have used"):
        later.verify(by_lost_log)


@pytest.mark.parametrize("epochs", [30, pytest.param(1_000, marks=pytest.mark.check)])
def test_a_thousand_epochs_are_walked(epochs: int) -> None:
    """
    One after the other, each a quorum's word: thirty in `make test`, a thousand in `make check`.
    """
    log = rotated(epochs)

    found = walk(FIRST, log.steps, log.head())

    assert len(found.epochs) == epochs + 1 and found.newest.text == log.text
    assert AFTER_ENTRY == 2
