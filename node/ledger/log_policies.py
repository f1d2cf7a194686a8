"""Which log policy a checkpoint falls under: those of the founding, and each that the log itself names since.

An entry ["comity/policy/v1", ...] stands right before the record of its block. It is cosigned by whoever the
policy before it names; from the first size after that block on, the one that it holds decides. So an epoch
speaks for a range of sizes, never for times, which cosigners choose.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from consensus.checkpoint import NoteKey
from consensus.log_policy import LogPolicy
from credentials.ledger.entries import PolicyEntry, parse_entry
from credentials.ledger.log_epochs import AFTER_ENTRY
from node.storage.entries import EntryRow

KeyName = tuple[str, bytes]  # name and key id
KEPT_MAX = 64  # policies in memory, some 10 KiB each where ten validators sign


@dataclass(frozen=True, slots=True)
class Epoch:
    """One policy, for checkpoints of more than `after` leaves."""

    after: int
    policy: LogPolicy
    text: str = ""

    @property
    def log_keys(self) -> dict[KeyName, NoteKey]:
        """By name and id."""
        return {(key.name, key.key_id): key for key in self.policy.logs}

    @property
    def witness_keys(self) -> dict[KeyName, NoteKey]:
        """By name and id."""
        return {(key.name, key.key_id): key for key in self.policy.witnesses.values()}


class PolicyLeaves(Protocol):
    """Where the policies that a log names are on disk."""

    def policies(self) -> Iterable[EntryRow]:
        """All of them, in log order."""

    def at(self, leaf_index: int) -> EntryRow | None:
        """One leaf."""


class LogPolicies:
    """The epochs of one log, in rising order; grows as its blocks are adopted.

    In memory stay the first size of each epoch and each key that ever spoke (what governs has them as well);
    of the policies themselves the founding's and the KEPT_MAX newest. An older one is read from `leaves` when
    somebody asks for it: receipts of its time, a walk, a fault of then.
    """

    def __init__(self, founding: LogPolicy, text: str = "", leaves: PolicyLeaves | None = None) -> None:
        self._founding = Epoch(0, founding, text)
        self._leaves = leaves
        self._starts = [0]  # `after` of each epoch
        self._newest: tuple[Epoch, ...] = ()  # replaced, never changed: other threads read it
        self._keys = {**self._founding.log_keys, **self._founding.witness_keys}
        for row in leaves.policies() if leaves is not None else ():
            self.learn(row.leaf_index, row.entry)

    @property
    def origin(self) -> str:
        """Of the log, for all its life."""
        return self._founding.policy.origin

    @property
    def starts(self) -> tuple[int, ...]:
        """`after` of each epoch that is known, by its number."""
        return tuple(self._starts)

    def epoch(self, number: int) -> Epoch:
        """One of them; 0 is the founding's."""
        if number == 0:
            return self._founding
        after = self._starts[number]
        kept = next((epoch for epoch in self._newest if epoch.after == after), None)
        return kept if kept is not None else self._read(after)

    def at(self, size: int) -> Epoch:
        """The one that a checkpoint of this size falls under."""
        return self.epoch(max(0, bisect_left(self._starts, size) - 1))

    def ends(self) -> set[int]:
        """The last size of each epoch that is over: its checkpoint is the way to the next policy."""
        return set(self._starts[1:])

    def learn(self, leaf_index: int, entry: bytes) -> None:
        """A policy entry of the own log, which is on disk."""
        epoch = _epoch_of(leaf_index, entry)
        self._keys |= epoch.log_keys | epoch.witness_keys
        self._newest = (*self._newest, epoch)[-KEPT_MAX:]
        self._starts.append(epoch.after)  # last: who finds it here finds its policy

    def key_of(self, name: KeyName) -> NoteKey | None:
        """A log or cosign key of any epoch."""
        return self._keys.get(name)

    def _read(self, after: int) -> Epoch:
        row = self._leaves.at(after - AFTER_ENTRY) if self._leaves is not None else None
        assert row is not None, "a policy of the log was on disk when it was learnt"
        return _epoch_of(row.leaf_index, row.entry)


def _epoch_of(leaf_index: int, entry: bytes) -> Epoch:
    parsed = parse_entry(entry)
    assert isinstance(parsed, PolicyEntry), "asked with policy entries only"
    return Epoch(leaf_index + AFTER_ENTRY, LogPolicy.parse(parsed.text), parsed.text)
