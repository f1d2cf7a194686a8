"""Retired vote and cosign keys are destroyed: when nothing can need them, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.parties import Key
from node.ledger.subscriptions import Moments, Progressed
from node.setup.current_keys import HeldKeys
from node.setup.keystore import KEYS_FILE, Keys
from node.setup.retiring import Retiring
from tests.harness.epochs import first, with_keys
from tests.harness.ledger import CREATED, MAKER

WORDS = "correct horse battery"
ROLES = ("vote", "cosign")


def named(governance: Governance, keys: Keys, role: str, number: int) -> Governance:
    """The key of this role and number follows the one before it on record."""
    signer = keys.signer(role, number)

    def ended(key: Key) -> Key:
        return replace(key, valid_until=CREATED) if key.role == role and key.is_open else key

    return with_keys(governance, MAKER, ended, Key(role, signer.key_id, signer.public_key, CREATED))


def founded(keys: Keys) -> Governance:
    """The small network, with these keys for its maker."""
    own = keys.public_keys()
    return with_keys(first(), MAKER, lambda key: replace(key, public=own[key.role]))


def rotated(tmp_path: Path) -> tuple[Keys, GovernanceHistory]:
    """New vote and cosign keys that govern from height 2 on, and a third vote key that nobody proposed."""
    Keys.generate(MAKER).save(tmp_path, WORDS)
    keys = Keys.load(tmp_path, MAKER, WORDS)
    for role, number in (("vote", 2), ("cosign", 2), ("vote", 3)):
        keys = keys.with_key(role, number)
        keys.add(tmp_path, WORDS)
    before = founded(keys)
    after = named(named(before, keys, "vote", 2), keys, "cosign", 2)
    return Keys.load(tmp_path, MAKER, WORDS), GovernanceHistory([(0, before), (2, after)])


def kept(tmp_path: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which vote and cosign keys are in the file."""
    keys = Keys.load(tmp_path, MAKER, WORDS)
    return keys.numbers("vote"), keys.numbers("cosign")


def test_the_old_key_is_destroyed_once_the_new_one_has_governed_a_block(tmp_path: Path) -> None:
    """
    Not before that block is stored; a key that nobody proposed stays; the node goes on with the new one, and
    a start from the file does too.
    """
    keys, history = rotated(tmp_path)
    held = HeldKeys(keys, history)
    for height in (1, 2):
        assert held.retire(ROLES) == [] and kept(tmp_path) == ((1, 2, 3), (1, 2))
        history.advance(height)

    assert held.retire(ROLES) == [f"{MAKER}#vote-1", f"{MAKER}#cosign-1"]

    assert kept(tmp_path) == ((2, 3), (2,)) and held.retire(ROLES) == []
    again = HeldKeys(Keys.load(tmp_path, MAKER, WORDS), history)
    assert again.signer("vote").key_id == held.signer("vote").key_id == f"{MAKER}#vote-2"
    assert [s.key_id for s in again.all_of("cosign")] == [f"{MAKER}#cosign-2"]
    assert "vote" not in again.now.public_keys() and "attest" in again.now.public_keys()


def test_a_cosign_key_waits_for_the_last_checkpoint_of_its_epoch(tmp_path: Path) -> None:
    """
    Whoever is led from the old policy to the new one needs that checkpoint; no vote key waits for it.
    """
    keys, history = rotated(tmp_path)
    for height in (1, 2):
        history.advance(height)
    missing, moments = [True], Moments()
    retiring = Retiring(HeldKeys(keys, history), lambda: missing[0], moments)

    moments.tell(Progressed(2, 0))
    retiring.turn()
    assert kept(tmp_path) == ((2, 3), (1, 2))
    missing[0] = False
    moments.tell(Progressed(2, 0))
    retiring.turn()

    assert kept(tmp_path) == ((2, 3), (2,))


def test_nothing_is_destroyed_where_the_new_key_is_not_held(tmp_path: Path) -> None:
    """
    A backup from before the rotation was put back: the node says what it lacks, and keeps what it has.
    """
    keys, history = rotated(tmp_path)
    for height in (1, 2):
        history.advance(height)
    (tmp_path / KEYS_FILE).unlink()
    old = Keys(MAKER, {
        name: seed for name, seed in keys._seeds.items() if name not in ("vote-2", "cosign-2")
    })  # fmt: skip
    old.save(tmp_path, WORDS)

    assert HeldKeys(Keys.load(tmp_path, MAKER, WORDS), history).retire(ROLES) == []
    assert kept(tmp_path) == ((1, 3), (1,))


def test_a_backup_brings_no_key_back_for_longer_than_a_start(tmp_path: Path) -> None:
    """
    keys.enc of before is put back after the old keys were destroyed: the node destroys them again.
    """
    keys, history = rotated(tmp_path)
    backup = (tmp_path / KEYS_FILE).read_bytes()
    for height in (1, 2):
        history.advance(height)
    HeldKeys(keys, history).retire(ROLES)
    (tmp_path / KEYS_FILE).write_bytes(backup)

    started = HeldKeys(Keys.load(tmp_path, MAKER, WORDS), history)

    assert started.retire(ROLES) and kept(tmp_path) == ((2, 3), (2,))


def test_a_destroyed_key_is_overwritten_and_its_number_not_given_again(tmp_path: Path) -> None:
    """
    What the file was is zeros where nothing else leads to it; a copy under another name stays as it is. A key
    that the command line adds meanwhile stays, and does not bring the destroyed one back.
    """
    keys, _ = rotated(tmp_path)
    path = tmp_path / KEYS_FILE
    with path.open("rb") as former:
        keys.without([("vote", 1)])
        assert set(former.read()) == {0}
    link = tmp_path / "a copy"
    os.link(path, link)
    before = link.read_bytes()
    Keys.load(tmp_path, MAKER, WORDS).without([("cosign", 1)])
    assert link.read_bytes() == before != path.read_bytes()

    keys.with_key("attest", 2).add(tmp_path, WORDS)

    assert kept(tmp_path) == ((2, 3), (2,))
    assert Keys.load(tmp_path, MAKER, WORDS).numbers("attest") == (1, 2)
    with pytest.raises(AssertionError, match="a number names one key for ever"):
        Keys.load(tmp_path, MAKER, WORDS).with_key("vote", 1)


def killed_at(call: int, work: Callable[[], object]) -> bool:
    """Do it in a child that dies before this step on the disk; True if it came to an end instead."""
    child = os.fork()
    if child == 0:
        left, fsync, rename = [call], os.fsync, os.replace

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def step(*arguments: object) -> object:
                if left[0] == 0:
                    os._exit(9)
                left[0] -= 1
                return real(*arguments)

            return step

        os.fsync, os.replace = counted(fsync), counted(rename)  # type: ignore[assignment]
        Path.replace = counted(Path.replace)  # type: ignore[method-assign, assignment]
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_kill_at_any_step_leaves_a_file_that_opens(tmp_path: Path) -> None:
    """
    Before each step on the disk in turn: all keys or all but the retired ones are there, and the next start
    ends the work.
    """
    keys, history = rotated(tmp_path)
    before = (tmp_path / KEYS_FILE).read_bytes()
    for height in (1, 2):
        history.advance(height)

    found = set()
    for call in range(10):
        (tmp_path / KEYS_FILE).write_bytes(before)
        ended = killed_at(call, lambda: HeldKeys(keys, history).retire(ROLES))
        found.add(kept(tmp_path))
        HeldKeys(Keys.load(tmp_path, MAKER, WORDS), history).retire(ROLES)
        assert kept(tmp_path) == ((2, 3), (2,))
        if ended:
            break

    assert ended and call >= 3
    assert found == {((1, 2, 3), (1, 2)), ((2, 3), (2,))}
