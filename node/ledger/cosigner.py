"""Checkpoints: the own cosignature behind its guard, those of the others, and the quorum of `log.policy`.

Used by the engine's thread only. Validators sign the log line as well (the log has no operator), and cosign
every block they executed, in order; a note is kept as soon as the policy calls it cosigned.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Protocol

from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    SIGNATURES_MAX,
    Checkpoint,
    NoteError,
    NoteKey,
    NoteSignature,
    SignedNote,
    cosign_line,
    sign_log_line,
    verify_signature,
)
from consensus.cose import Signer
from consensus.evidence import FaultEvidence, NoteKeys, evidence_of_checkpoints
from consensus.merkle import Tree
from credentials.ledger.governance import key_name
from node.errors import TokenAway
from node.ledger.log_policies import KeyName, LogPolicies

SIZES_MAX = 256  # that one key signed, and are kept: of the present, and right ahead of the own tree

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

    def evidence(self, keys: NoteKeys) -> FaultEvidence | None:
        """What they prove of the validator whose key it is; None where none of `keys` is."""
        named = (did for did, own in keys.items() if self.key in {(key.name, key.key_id) for key in own})
        did = next(named, None)
        return None if did is None else evidence_of_checkpoints(did, self.first, self.second)


@dataclass(frozen=True, slots=True)
class SignedLine:
    """What one key signed for a size, and a log line beside it; the time is a cosignature's."""

    root: bytes
    line: str
    log_line: str
    time: int


class Conflict(NoteError):
    """A validator signed a checkpoint that is not of this log: evidence, and an alarm for the operator."""


class Cosigning:
    """Cosignatures by size of the log; `note` forms the cosigned checkpoint once there is a quorum."""

    def __init__(self, policies: LogPolicies, tree: Tree, cosigner: Cosigner | None) -> None:
        self.policies = policies
        self._origin = policies.origin
        self._tree = tree
        self._cosigner = cosigner
        self._lines: dict[
            int, dict[KeyName, SignedLine]
        ] = {}  # cosignatures that wait for their quorum, by size
        self._said: dict[KeyName, dict[int, SignedLine]] = {}  # the first of each size
        self.rivals: list[Rivals] = []  # found and not taken yet
        self.key_is_away = False
        self.cosign_from = 0  # the first size an operator lets this node cosign
        self.foreign_size = 0  # of a checkpoint with the own cosignature that the guard does not know
        self.cosigned_size = 0
        self.ends_kept: set[int] = set()  # sizes that end an epoch, whose note is kept

    @property
    def ends_missing(self) -> set[int]:
        """Sizes that end an epoch, and have no note yet: without it nobody is led to the next policy."""
        return self.policies.ends() - self.ends_kept

    @property
    def not_remembered(self) -> str:
        """Why who finds a cosignature of its own that its guard does not know signs no more."""
        return (
            f"the network has a cosignature of this validator for a log of {self.foreign_size} entries, and "
            "signing.db knows nothing of it: it is missing, old or restored, or another node runs with the "
            "same keys"
        )

    def accusations(self, keys: NoteKeys) -> list[FaultEvidence]:
        """What the rivals found since the last time prove of whom these keys are."""
        found, self.rivals = self.rivals, []
        return [evidence for rivals in found if (evidence := rivals.evidence(keys)) is not None]

    def lacks_an_end(self) -> bool:
        """Whether there are any: then the keys of an epoch before may be needed yet."""
        return bool(self.ends_missing)

    def cosign(self, now: int) -> CosignatureFields | None:
        """Sign the checkpoint of the whole tree, guard first; None for an observer, or without its key.

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
        try:
            line = cosign_line(checkpoint, key_name(self._cosigner.did), now, signers[1])
        except TokenAway:
            self.key_is_away = True  # /readyz says so; blocks go on without this line
            return None
        self.key_is_away = False
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
        beside = self._log_line(size, root)  # one is enough for a note
        if beside is None:
            self._verify(size, body, log_line, LOG_KIND)
            beside = log_line
            self._heed(size, SignedLine(root, log_line, log_line, 0))
        name, time = self._verify(size, body, line, COSIGNATURE_KIND)
        said = SignedLine(root, line, beside, time)
        self._heed(size, said)
        if size <= self._tree.size and self._tree.root(size) != root:
            raise Conflict(
                f"{name[0]} signed another checkpoint of size {size} than this log's: keep both notes"
            )
        if size in self._said[name] and (name not in known or known[name].time < time):
            self._lines.setdefault(size, known)[name] = said

    def _log_line(self, size: int, root: bytes) -> str | None:
        """One of a log key that the policy of this size names; verified, whoever sent it."""
        keys = self.policies.at(size).log_keys
        lines = (said.log_line for said in self._lines.get(size, {}).values() if said.root == root)
        return next((line for line in lines if _is_of(line, keys)), None)

    def _knows(self, *lines: str) -> bool:
        signatures = (NoteSignature.parse(line) for line in lines)
        return all(self.policies.key_of((s.name, s.key_id)) is not None for s in signatures)

    def _verify(self, size: int, body: str, line: str, kind: int) -> tuple[KeyName, int]:
        """(key, time) of a line under the policy of its size; of a size to come, under any."""
        signature = NoteSignature.parse(line)
        name = signature.name, signature.key_id
        key = self._key_at(size, name)
        if key is None:
            raise NoteError(f"{signature.name} is not in log.policy")
        if key.kind != kind:
            # A cosignature in the place of the log's line would stand beside those of all others.
            what = "log" if kind == LOG_KIND else "cosign"
            raise NoteError(f"a line of {signature.name} is not one of a {what} key")
        return name, verify_signature(body, key, signature) or 0

    def _key_at(self, size: int, name: KeyName) -> NoteKey | None:
        """A key that the policy of this size names; of a size to come, any policy's so far."""
        epoch = self.policies.at(size)
        key = epoch.log_keys.get(name) or epoch.witness_keys.get(name)
        return self.policies.key_of(name) if key is None and size > self._tree.size else key

    def said_by(self, did: str) -> CosignatureFields | None:
        """The largest checkpoint that a validator was seen to cosign."""
        name = key_name(did)
        said = [s for (of, _), s in self._said.items() if of == name and of != self._origin and s]
        if not said:
            return None
        of_key = max(said, key=max)  # it may have had several keys
        size = max(of_key)
        largest = of_key[size]
        return size, largest.root, largest.log_line, largest.line

    def recall(self, note: SignedNote) -> None:
        """Learn from a note that was kept who signed it."""
        checkpoint = Checkpoint.parse(note.body)
        log_line = note.lines[0]
        witnesses = self.policies.at(checkpoint.size).witness_keys
        for signature in note.signatures:
            if (signature.name, signature.key_id) in witnesses:
                _, time = self._verify(checkpoint.size, note.body, signature.line(), COSIGNATURE_KIND)
                self._heed(checkpoint.size, SignedLine(checkpoint.root, signature.line(), log_line, time))

    def _contradicts(self, size: int, root: bytes, line: str) -> bool:
        signature = NoteSignature.parse(line)
        known = self._said.get((signature.name, signature.key_id), {}).get(size)
        return known is not None and known.root != root

    def _heed(self, size: int, now: SignedLine) -> None:
        """Hold a verified line against what its key signed before, and against the own guard."""
        signature = NoteSignature.parse(now.line)
        key = signature.name, signature.key_id
        of_key = self._said.setdefault(key, {})
        before = of_key.setdefault(size, now)
        if before.root != now.root:
            first, second = (
                SignedNote(Checkpoint(self._origin, size, said.root).body(), (said.line,))
                for said in (before, now)
            )
            self.rivals.append(Rivals(key, first, second))
        while len(of_key) > SIZES_MAX:
            self._forget(key, of_key)
        if self._cosigner is not None and signature.name == key_name(self._cosigner.did):
            last = self._cosigner.guard.last_cosigned()
            if (last is None or size > last[0]) and size >= self.cosign_from:
                self.foreign_size = max(self.foreign_size, size)

    def _forget(self, key: KeyName, of_key: dict[int, SignedLine]) -> None:
        """One size of a key that signed too many: what it says of the future costs nothing of the present.

        The largest stays: it is what its owner asks for when it lost its signing.db.
        """
        ahead = sorted(size for size in of_key if size > self._tree.size)
        oldest = min(of_key.keys() - self.ends_missing, default=min(of_key))
        size = ahead[-2] if len(ahead) > 1 else oldest
        del of_key[size]
        waiting = self._lines.get(size, {})
        waiting.pop(key, None)
        if not waiting:
            self._lines.pop(size, None)

    def receive_note(self, note: SignedNote) -> None:
        """Take over the lines of a cosigned checkpoint; raises NoteError."""
        checkpoint = Checkpoint.parse(note.body)
        if checkpoint.origin != self._origin:
            raise NoteError(f"the checkpoint is of {checkpoint.origin}, this log is {self._origin}")
        signatures, size = note.signatures, checkpoint.size
        keys = [self._key_at(size, (s.name, s.key_id)) for s in signatures]
        kinds = [None if key is None else key.kind for key in keys]
        spoken = list(zip(signatures, kinds, strict=True))
        log_line = next((s.line() for s, kind in spoken if kind == LOG_KIND), None)
        if log_line is None and size > self._tree.size:
            return  # of a policy that this log has yet to reach
        if log_line is None:
            raise NoteError("the checkpoint has no line of a log key")
        for signature, kind in spoken:
            if kind == COSIGNATURE_KIND:
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
        epoch, waiting = self.policies.at(size), self._lines[size]
        names = {(key.name, key.key_id): name for name, key in epoch.policy.witnesses.items()}
        if not epoch.policy.is_met_by({names[key] for key in waiting if key in names}):
            return None
        root = self._tree.root(size)
        valid = {names[key]: said for key, said in waiting.items() if key in names and said.root == root}
        times = {name: said.time for name, said in valid.items()}
        log_line = self._log_line(size, root)
        if log_line is None or not valid or not epoch.policy.is_met_by(times):
            return None  # every line was verified when it was received
        earliest = sorted(valid.values(), key=lambda said: said.time)[: SIGNATURES_MAX - 1]
        body = Checkpoint(self._origin, size, root).body()
        return size, epoch.policy.before(times), SignedNote(body, (log_line, *(s.line for s in earliest)))


def _is_of(line: str, keys: Container[KeyName]) -> bool:
    signature = NoteSignature.parse(line)
    return (signature.name, signature.key_id) in keys
