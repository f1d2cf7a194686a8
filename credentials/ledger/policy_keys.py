"""Until which size of its tree each key of checkpoints spoke for the log, by the policies in it.

A policy that a block names decides from the next leaf on (`log_epochs.py`): keys that are in policies before
it alone spoke for trees of up to that size. What somebody signs with one of them over a larger tree says
nothing of its former owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from consensus.log_policy import LogPolicy
from credentials.ledger.entries import PolicyEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.ledger.log_epochs import AFTER_ENTRY


class PolicyKeys:
    """Of the keys that were in a policy of the log, until when; grows as its blocks are adopted."""

    def __init__(self, founding: str, later: Iterable[tuple[int, str]] = ()) -> None:
        """`later`: each with the size after which it decides, rising."""
        self._speaking = _keys_of(founding)
        self.until: Mapping[bytes, int] = {}  # public key: the last size, of those that speak no more
        self.learn(*later)

    def learn(self, *later: tuple[int, str]) -> None:
        """Policies that follow, each with the size of the last tree for which it does not decide."""
        for after, text in later:
            before, self._speaking = self._speaking, _keys_of(text)
            ended = {**self.until, **dict.fromkeys(before, after)}
            self.until = {key: end for key, end in sorted(ended.items()) if key not in self._speaking}


def policies_in(entries: Iterable[bytes], first: int = 0) -> list[tuple[int, str]]:
    """The policies that entries name, from the leaf `first` on, each with the size after which it decides."""
    parsed = ((index, parse_entry(entry)) for index, entry in enumerate(entries, first))
    return [(index + AFTER_ENTRY, one.text) for index, one in parsed if isinstance(one, PolicyEntry)]


def policy_entry(now: Governance, following: Governance, origin: str) -> list[bytes]:
    """The log policy of the next block, where it is another one: cosigned by whoever this one names."""
    if (following.participants, following.validators) == (now.participants, now.validators):
        return []  # all that a policy and its lost keys are made of
    before, text = now.log_policy(origin), following.log_policy(origin)
    lost = following.compromised_note_keys(origin)
    if text == before and lost == now.compromised_note_keys(origin):
        return []
    return [PolicyEntry(sha256(before.encode()).digest(), text, lost).encode()]


def _keys_of(text: str) -> frozenset[bytes]:
    policy = LogPolicy.parse(text)
    return frozenset(key.public_key for key in (*policy.logs, *policy.witnesses.values()))
