"""Checkpoints: the own cosignature behind its guard, those of the others, and the quorum of `log.policy`.

Used by the engine's thread only. Validators sign the log line as well (the log has no operator), and cosign
every block they executed, in order; a note is kept as soon as the policy calls it cosigned.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Protocol

from consensus.checkpoint import (
    SIGNATURES_MAX,
    Checkpoint,
    NoteError,
    NoteSignature,
    SignedNote,
    cosign_line,
    sign_log_line,
    verify_signature,
)
from consensus.cose import Signer
from consensus.merkle import Tree
from credentials.ledger.governance import key_name
from node.ledger.log_policies import KeyName, LogPolicies

SIZES_MAX = 256  # checkpoints waited for at one time

CosignatureFields = tuple[int, bytes, str, str]  # size, root, log line, cosignature line


class CosignGuard(Protocol):
    """`store.SigningStore`."""

    def guard_cosignature(self, size: int, root: bytes, time: int) -> None: ...

    def last_cosigned(self) -> tuple[int, bytes, int] | None: ...


@dataclass(frozen=True, slots=True)
class Cosigner:
    """The own keys: every validator has both."""

    did: str
    log: Iterable[Signer]  # former and coming ones too: the policy of a size says which
    cosign: Iterable[Signer]
    guard: CosignGuard


@dataclass(frozen=True, slots=True)
class Rivals:
    """Two checkpoints of one size that one log or cosign key signed: evidence against its validator."""

    key: KeyName
    first: SignedNote
    second: SignedNote


class Conflict(NoteError):
    """A validator signed a checkpoint that is not of this log: evidence, and an alarm for the operator."""


class Cosigning:
    """Cosignatures by size of the log; `note` forms the cosigned checkpoint once there is a quorum."""

    def __init__(self, policies: LogPolicies, tree: Tree, cosigner: Cosigner | None) -> None:
        self.policies = policies
        self._origin = policies.origin
        self._tree = tree
        self._cosigner = cosigner
        # size -> cosigner name -> (root, log line, cosignature line, time)
        self._lines: dict[int, dict[str, tuple[bytes, str, str, int]]] = {}
        # Who signed what, by key and size: the root, the line, and the log line beside it.
        self._said: dict[KeyName, dict[int, tuple[bytes, str, str]]] = {}
        self.rivals: list[Rivals] = []  # found and not taken yet
        self.cosign_from = 0  # the first size an operator lets this node cosign
        self.foreign_size = 0  # of a checkpoint with the own cosignature that the guard does not know
        self.cosigned_size = 0
        self.ends_kept: set[int] = set()  # sizes that end an epoch, whose note is kept

    @property
    def ends_missing(self) -> set[int]:
        """Sizes that end an epoch, and have no note yet: without it nobody is led to the next policy."""
        return self.policies.ends() - self.ends_kept

    def lacks_an_end(self) -> bool:
        """Whether there are any: then the keys of an epoch before may be needed yet."""
        return bool(self.ends_missing)

    def cosign(self, now: int) -> CosignatureFields | None:
        """Sign the checkpoint of the whole tree, guard first; None for an observer.

        A guard beyond this tree (a ledger.db that was put back) is waited out: catching up reaches it.
        """
        if self._cosigner is None or self._tree.size == 0:
            return None
        size, root = self._tree.size, self._tree.root()
        signers = self._own_signers(size)
        if signers is None:
            return None
        last = self._cosigner.guard.last_cosigned()
        if (last is not None and size < last[0]) or size < self.cosign_from:
            return None
        if last is not None and size == last[0] and now < last[2]:
            return None  # the clock was put right: one tree is not cosigned twice with falling times
        self._cosigner.guard.guard_cosignature(size, root, now)
        checkpoint = Checkpoint(self._origin, size, root)
        log_line = sign_log_line(checkpoint, self._origin, signers[0])
        line = cosign_line(checkpoint, key_name(self._cosigner.did), now, signers[1])
        fields = size, root, log_line, line
        self.receive(*fields)
        return fields

    def _own_signers(self, size: int) -> tuple[Signer, Signer] | None:
        """The own log and cosign key that the policy of this size names; None where it names none."""
        assert self._cosigner is not None
        policy = self.policies.at(size).policy
        logs = {key.public_key for key in policy.logs}
        witnesses = {key.public_key for key in policy.witnesses.values()}
        log = next((s for s in self._cosigner.log if s.public_key in logs), None)
        cosign = next((s for s in self._cosigner.cosign if s.public_key in witnesses), None)
        return (log, cosign) if log is not None and cosign is not None else None

    def receive(self, size: int, root: bytes, log_line: str, line: str) -> None:
        """Take over one validator's lines; raises NoteError if they are not what the policy's keys sign."""
        contradicts = self._contradicts(size, root, line) or self._contradicts(size, root, log_line)
        if size < self.cosigned_size and not contradicts and size not in self.ends_missing:
            return
        if size > self._tree.size and not self._knows(log_line, line):
            return  # of a policy that this log has yet to reach
        body = Checkpoint(self._origin, size, root).body()
        known = self._lines.get(size, {})
        if not any(entry[0] == root for entry in known.values()):
            self._verify(size, body, log_line)  # one log line is enough for a note
            self._heed(size, root, log_line, log_line)
        name, time = self._verify(size, body, line)
        self._heed(size, root, line, log_line)
        if size <= self._tree.size and self._tree.root(size) != root:
            raise Conflict(
                f"{name} signed another checkpoint of size {size} than this log's: keep both notes"
            )
        if name not in known or known[name][3] < time:
            log_line = next((entry[1] for entry in known.values() if entry[0] == root), log_line)
            known[name] = root, log_line, line, time
            self._lines[size] = known
        while len(self._lines) > SIZES_MAX:
            # Sizes this log has not reached go first: they may never come.
            largest = max(self._lines)
            older = min(self._lines.keys() - self.ends_missing, default=min(self._lines))
            del self._lines[largest if largest > self._tree.size else older]

    def _knows(self, *lines: str) -> bool:
        signatures = (NoteSignature.parse(line) for line in lines)
        return all(self.policies.key_of((s.name, s.key_id)) is not None for s in signatures)

    def _verify(self, size: int, body: str, line: str) -> tuple[str, int]:
        """(key name, time) of a line under the policy of its size; of a size to come, under any."""
        signature = NoteSignature.parse(line)
        name = signature.name, signature.key_id
        epoch = self.policies.at(size)
        key = epoch.log_keys.get(name) or epoch.witness_keys.get(name)
        if key is None and size > self._tree.size:
            key = self.policies.key_of(name)
        if key is None:
            raise NoteError(f"{signature.name} is not in log.policy")
        return key.name, verify_signature(body, key, signature) or 0

    def said_by(self, did: str) -> CosignatureFields | None:
        """The largest checkpoint that a validator was seen to cosign."""
        name = key_name(did)
        said = [s for (of, _), s in self._said.items() if of == name and of != self._origin and s]
        if not said:
            return None
        of_key = max(said, key=max)  # it may have had several keys
        size = max(of_key)
        root, line, log_line = of_key[size]
        return size, root, log_line, line

    def recall(self, note: SignedNote) -> None:
        """Learn from a note that was kept who signed it."""
        checkpoint = Checkpoint.parse(note.body)
        log_line = note.lines[0]
        witnesses = self.policies.at(checkpoint.size).witness_keys
        for signature in note.signatures:
            if (signature.name, signature.key_id) in witnesses:
                self._verify(checkpoint.size, note.body, signature.line())
                self._heed(checkpoint.size, checkpoint.root, signature.line(), log_line)

    def _contradicts(self, size: int, root: bytes, line: str) -> bool:
        signature = NoteSignature.parse(line)
        known = self._said.get((signature.name, signature.key_id), {}).get(size)
        return known is not None and known[0] != root

    def _heed(self, size: int, root: bytes, line: str, log_line: str) -> None:
        """Hold a verified line against what its key signed before, and against the own guard."""
        signature = NoteSignature.parse(line)
        key = signature.name, signature.key_id
        said = self._said.setdefault(key, {})
        known = said.setdefault(size, (root, line, log_line))
        if known[0] != root:
            first, second = (
                SignedNote(Checkpoint(self._origin, size, of).body(), (by,))
                for of, by in ((known[0], known[1]), (root, line))
            )
            self.rivals.append(Rivals(key, first, second))
        while len(said) > SIZES_MAX:
            del said[min(said)]
        if self._cosigner is not None and signature.name == key_name(self._cosigner.did):
            last = self._cosigner.guard.last_cosigned()
            if (last is None or size > last[0]) and size >= self.cosign_from:
                self.foreign_size = max(self.foreign_size, size)

    def receive_note(self, note: SignedNote) -> None:
        """Take over the lines of a cosigned checkpoint; raises NoteError."""
        checkpoint = Checkpoint.parse(note.body)
        if checkpoint.origin != self._origin:
            raise NoteError(f"the checkpoint is of {checkpoint.origin}, this log is {self._origin}")
        signatures, size = note.signatures, checkpoint.size
        known = self.policies.epochs if size > self._tree.size else (self.policies.at(size),)
        logs = {name for epoch in known for name in epoch.log_keys}
        witnesses = {name for epoch in known for name in epoch.witness_keys}
        log_line = next((s.line() for s in signatures if (s.name, s.key_id) in logs), None)
        if log_line is None and size > self._tree.size:
            return  # of a policy that this log has yet to reach
        if log_line is None:
            raise NoteError("the checkpoint has no line of a log key")
        for signature in signatures:
            if (signature.name, signature.key_id) in witnesses:
                self.receive(checkpoint.size, checkpoint.root, log_line, signature.line())

    def note(self) -> tuple[int, int, SignedNote] | None:
        """(size, earliest safe time, note) of the largest checkpoint of this tree that has its quorum."""
        for size in sorted((s for s in self._lines if 0 < s <= self._tree.size), reverse=True):
            found = self._note_of(size)
            if found is None:
                continue
            self.cosigned_size = max(self.cosigned_size, size)
            missing = self.ends_missing - {size}
            for older in [s for s in self._lines if s < size and s not in missing]:
                del self._lines[older]
            return found
        return None

    def ending(self) -> list[tuple[int, int, SignedNote]]:
        """The same of each size that ends an epoch, once it has its quorum."""
        sizes = sorted(size for size in self.ends_missing if size in self._lines)
        return [found for size in sizes if (found := self._note_of(size)) is not None]

    def _note_of(self, size: int) -> tuple[int, int, SignedNote] | None:
        root = self._tree.root(size)
        epoch = self.policies.at(size)
        valid = {
            name: entry
            for name, entry in self._lines[size].items()
            if entry[0] == root and _is_of(entry[1], epoch.log_keys) and _is_of(entry[2], epoch.witness_keys)
        }
        names = {key.name: name for name, key in epoch.policy.witnesses.items()}
        times = {names[name]: entry[3] for name, entry in valid.items()}
        if not valid or not epoch.policy.is_met_by(times):
            return None  # every line was verified when it was received
        checkpoint = Checkpoint(self._origin, size, root)
        log_line = next(iter(valid.values()))[1]
        earliest = sorted(valid.values(), key=lambda entry: entry[3])[: SIGNATURES_MAX - 1]
        note = SignedNote(checkpoint.body(), (log_line, *(entry[2] for entry in earliest)))
        return size, epoch.policy.before(times), note


def _is_of(line: str, keys: Container[KeyName]) -> bool:
    signature = NoteSignature.parse(line)
    return (signature.name, signature.key_id) in keys
