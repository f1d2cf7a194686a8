"""Which log policy a checkpoint falls under: those of the founding, and each that the log itself names since.

An entry ["comity/policy/v1", ...] stands right before the record of its block. It is cosigned by whoever the
policy before it names; from the first size after that block on, the one that it holds decides. So an epoch
speaks for a range of sizes, never for times, which cosigners choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consensus.checkpoint import NoteKey
from consensus.log_policy import LogPolicy
from credentials.ledger.entries import PolicyEntry, parse_entry
from credentials.ledger.log_epochs import AFTER_ENTRY
from node.storage.entries import EntryRow

KeyName = tuple[str, bytes]  # name and key id


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


class LogPolicies:
    """The epochs of one log, in rising order; grows as its blocks are adopted."""

    def __init__(self, founding: LogPolicy, text: str = "", leaves: Iterable[EntryRow] = ()) -> None:
        self._epochs = [Epoch(0, founding, text)]
        for row in leaves:
            self.learn(row.leaf_index, row.entry)

    @property
    def origin(self) -> str:
        """Of the log, for all its life."""
        return self._epochs[0].policy.origin

    @property
    def epochs(self) -> Sequence[Epoch]:
        """All that are known."""
        return self._epochs

    def at(self, size: int) -> Epoch:
        """The one that a checkpoint of this size falls under."""
        return next(e for e in reversed(self._epochs) if size > e.after or e.after == 0)

    def ends(self) -> set[int]:
        """The last size of each epoch that is over: its checkpoint is the way to the next policy."""
        return {epoch.after for epoch in self._epochs[1:]}

    def learn(self, leaf_index: int, entry: bytes) -> None:
        """A policy entry of the own log."""
        parsed = parse_entry(entry)
        assert isinstance(parsed, PolicyEntry), "asked with policy entries only"
        self._epochs.append(Epoch(leaf_index + AFTER_ENTRY, LogPolicy.parse(parsed.text), parsed.text))

    def key_of(self, name: KeyName) -> NoteKey | None:
        """A log or cosign key of any epoch."""
        for epoch in reversed(self._epochs):
            found = epoch.log_keys.get(name) or epoch.witness_keys.get(name)
            if found is not None:
                return found
        return None
