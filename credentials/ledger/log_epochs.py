"""The policies of a log, followed offline from the one that a device trusts to the newest.

Each policy is an entry of the log, right before the record of its block. Its receipt is under the policy
before it, over exactly the tree that ends with that block; from the next leaf on, it decides itself. So an
epoch speaks for a range of tree sizes, never for times, which cosigners choose. An entry names the policy
that it follows, so none can be left out; each tree extends the one before, so all are of one log.

Who has only the first policy and meets enough of its cosigners' stolen keys can be led into another log. That
is seen by whoever knows a later checkpoint of the true one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from consensus.checkpoint import Checkpoint, NoteError, SignedNote
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy, PolicyError
from consensus.merkle import MerkleError, verify_consistency
from consensus.receipt import Receipt, ReceiptError, VerifiedReceipt, verify_receipt
from credentials.errors import CredentialError
from credentials.ledger.entries import PolicyEntry, parse_entry

AFTER_ENTRY = 2  # leaves: the entry and the record of its block
EPOCHS_MAX = 10_000


class EpochError(ConsensusError):
    """The epochs do not follow each other, or a receipt does not count under them."""


@dataclass(frozen=True, slots=True)
class EpochStep:
    """From one policy to the next: its receipt, and that its tree extends that of the step before."""

    receipt: str
    consistency: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint under the newest policy, and that its tree extends that of the last step."""

    note: str
    consistency: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PolicyEpoch:
    """One policy, for trees of more than `after` leaves."""

    after: int
    text: str
    policy: LogPolicy


@dataclass(frozen=True, slots=True)
class EpochTree:
    """What a checkpoint says."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class LogEpochs:
    """Every epoch from a trusted policy to the newest, and the newest tree that is known."""

    epochs: tuple[PolicyEpoch, ...]
    compromised: frozenset[str] = frozenset()  # vkeys that prove nothing alone
    head: EpochTree | None = None  # under the newest policy
    links: Mapping[int, Sequence[bytes]] = field(default_factory=dict)  # from trees of these sizes to it

    @property
    def newest(self) -> PolicyEpoch:
        """The last one."""
        return self.epochs[-1]

    def at(self, size: int) -> PolicyEpoch:
        """The epoch that a tree of this size falls under."""
        return next(e for e in reversed(self.epochs) if size > e.after or e.after == 0)

    def verify(self, receipt: Receipt | str | bytes) -> VerifiedReceipt:
        """Verify a receipt by the policy of its tree's size; raises ReceiptError or EpochError.

        What is signed with a compromised key counts only if its tree is one that the log went through: shown
        by a link, a consistency proof from it to the head, which later keys have signed.
        """
        parsed = receipt if isinstance(receipt, Receipt) else Receipt.parse(receipt)
        try:
            said = Checkpoint.parse(parsed.note.body)
        except NoteError as error:
            raise ReceiptError(str(error)) from error
        epoch = self.at(said.size)
        verified = verify_receipt(parsed, epoch.policy)
        if not self._is_clean(epoch.policy, parsed.note):
            self._require_on_the_way(EpochTree(said.size, said.root), self.links.get(said.size))
        return verified

    def _is_clean(self, policy: LogPolicy, note: SignedNote) -> bool:
        """Whether the note satisfies its policy without the compromised keys."""
        lost = {
            (key.name, key.key_id)
            for key in (*policy.logs, *policy.witnesses.values())
            if key.vkey() in self.compromised
        }
        lines = tuple(s.line() for s in note.signatures if (s.name, s.key_id) not in lost)
        if not lost or not lines:
            return not lost
        try:
            policy.cosigned(SignedNote(note.body, lines))
        except PolicyError:
            return False
        return True

    def _require_on_the_way(self, tree: EpochTree, link: Sequence[bytes] | None) -> None:
        if self.head is None or tree.size > self.head.size:
            raise EpochError(
                "the receipt is signed with a key that somebody else may have used, and no checkpoint under "
                "the newest policy is known that covers it: export the epochs again"
            )
        if link is None:
            raise EpochError(
                "the receipt is signed with a key that somebody else may have used: it counts only with a "
                "proof that its tree is one of the log's (export the epochs again, --for this receipt)"
            )
        try:
            verify_consistency(tree.size, self.head.size, tree.root, self.head.root, link)
        except MerkleError as error:
            raise EpochError(
                f"the receipt is signed with a key that somebody else may have used, and is of no tree that "
                f"the log went through: {error}"
            ) from error


def walk(
    trusted: str,
    steps: Iterable[EpochStep],
    head: Head | None = None,
    links: Mapping[int, Sequence[bytes]] | None = None,
) -> LogEpochs:
    """From a trusted policy's text to the newest; raises EpochError with the step that fails.

    Steps before the one that follows the trusted policy are passed over. Where none follows it, it has to be
    the newest one.
    """
    epochs = [PolicyEpoch(0, trusted, _policy(trusted, "the policy that is trusted"))]
    lost: set[str] = set()
    trees: list[EpochTree] = []
    passed: str | None = None
    for number, step in enumerate(steps, start=1):
        if number > EPOCHS_MAX:
            raise EpochError(f"more than {EPOCHS_MAX} epochs")
        receipt, entry = _entry_of(step, number)
        if not trees and entry.before != _digest(trusted):
            passed = entry.text
            continue
        epoch, tree = _follow(epochs[-1], receipt, entry, number)
        if trees:
            _extends(trees[-1], tree, step.consistency, f"epoch {number}")
        epochs.append(epoch)
        trees.append(tree)
        lost = set(entry.compromised)
    if not trees and passed is not None and passed != trusted:
        raise EpochError(
            "no epoch follows the policy that is trusted: the file is of another log, or of an older state "
            "of this one, or the policy was edited"
        )
    found = _head(epochs[-1], head, trees)
    return LogEpochs(tuple(epochs), frozenset(lost), found, links or {})


def verify_under(log: LogPolicy | LogEpochs, receipt: Receipt | str) -> VerifiedReceipt:
    """Verify a receipt under the one policy that is trusted, or what it leads to; raises ConsensusError."""
    return log.verify(receipt) if isinstance(log, LogEpochs) else verify_receipt(receipt, log)


def _entry_of(step: EpochStep, number: int) -> tuple[Receipt, PolicyEntry]:
    """The policy that a step shows; nothing is verified."""
    try:
        receipt = Receipt.parse(step.receipt)
        entry = parse_entry(receipt.entry)
    except (ReceiptError, CredentialError) as error:
        raise EpochError(f"epoch {number} cannot be read: {error}") from error
    if not isinstance(entry, PolicyEntry):
        raise EpochError(f"epoch {number} is no log policy")
    return receipt, entry


def _follow(
    now: PolicyEpoch, receipt: Receipt, entry: PolicyEntry, number: int
) -> tuple[PolicyEpoch, EpochTree]:
    """The next epoch, receipted under the one before."""
    if entry.before != _digest(now.text):
        raise EpochError(
            f"epoch {number} follows another policy than the one before it: an epoch is missing, or is there "
            "twice"
        )
    try:
        verified = verify_receipt(receipt, now.policy)
    except ReceiptError as error:
        raise EpochError(f"epoch {number} is not receipted under the one before it: {error}") from error
    if verified.index < now.after or verified.size != verified.index + AFTER_ENTRY:
        raise EpochError(
            f"epoch {number} is receipted by a tree of {verified.size} leaves for its entry {verified.index}:"
            f" the policy before it speaks for trees of more than {now.after} leaves, up to the block that "
            "names the next"
        )
    following = PolicyEpoch(verified.size, entry.text, _policy(entry.text, f"epoch {number}"))
    if following.policy.origin != now.policy.origin:
        raise EpochError(f"epoch {number} is of the log {following.policy.origin}, not {now.policy.origin}")
    return following, EpochTree(verified.size, verified.root)


def _head(newest: PolicyEpoch, head: Head | None, trees: Sequence[EpochTree]) -> EpochTree | None:
    if head is None:
        return None
    try:
        note = SignedNote.parse(head.note)
        newest.policy.cosigned(note)
        said = Checkpoint.parse(note.body)
    except (NoteError, PolicyError) as error:
        raise EpochError(f"the last checkpoint is not one under the newest policy: {error}") from error
    if said.size <= newest.after:
        raise EpochError("the last checkpoint is of a tree that the newest policy does not speak for")
    tree = EpochTree(said.size, said.root)
    if trees:
        _extends(trees[-1], tree, head.consistency, "the last checkpoint")
    return tree


def _extends(before: EpochTree, after: EpochTree, proof: Sequence[bytes], what: str) -> None:
    try:
        verify_consistency(before.size, after.size, before.root, after.root, proof)
    except MerkleError as error:
        raise EpochError(f"{what} is not of the same log as the one before it: {error}") from error


def _policy(text: str, what: str) -> LogPolicy:
    try:
        return LogPolicy.parse(text)
    except PolicyError as error:
        raise EpochError(f"{what}: {error}") from error


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
