"""Which keys a node signs with: those that the ledger names for the next block, of those it holds.

A key that `comity keys rotate` made is in keys.enc before it is proposed. So whenever the ledger names a key
that is not held, the file is read once more if it has changed. What is retired is destroyed (`retiring.py`).
A node that lacks the key goes on with the last one it had: what it signs is refused with a sentence. Peers
that are a block ahead already seal to the new key: whoever asks for every key of a role is given what the
file holds by now (decision 0496).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

from consensus.cose import Signer
from credentials.ledger.governance import Governance, GovernanceHistory
from node.errors import SetupError
from node.ledger.cosigner import Cosigner, CosignGuard
from node.setup.keystore import ROLES, Keys, key_id


class HeldKeys:
    """The keys of a node, as keys.enc and the ledger have them by now. Thread-safe."""

    def __init__(self, keys: Keys, history: GovernanceHistory) -> None:
        self._keys = keys
        self._history = history
        self._lock = threading.Lock()
        self._seen: tuple[Governance, bool] | None = None  # who governed, and whether all it names is held
        self._read = keys.stamp()  # of the file as it was read

    @property
    def now(self) -> Keys:
        """Speaking with the keys that govern the next block, where they are held."""
        with self._lock:
            self._keep_up()
            return self._keys

    @property
    def all(self) -> Keys:
        """The same, with what was added to the file since: the ledger of others may name it already."""
        with self._lock:
            self._keep_up()
            self._read_again()
            return self._keys

    def signer(self, role: str) -> CurrentSigner:
        """Signs with the key of this role that governs at that moment."""
        return CurrentSigner(self, role)

    def all_of(self, role: str) -> RoleKeys:
        """Every key of this role, as of each time it is asked."""
        return RoleKeys(self, role)

    def cosigner(self, guard: CosignGuard) -> Cosigner:
        """What signs checkpoints of the log, whatever its policies come to name."""
        return Cosigner(self._keys.did, self.all_of("log"), self.all_of("cosign"), guard)

    def retire(self, roles: Iterable[str]) -> list[str]:
        """Destroy the keys of these roles that nothing needs any more; their ids.

        One that the ledger names as ended, once the one after it is held and has governed a block that is
        stored: what is signed from now on is signed with that.
        """
        keys, height = self.now, self._history.height
        before, after = (of.participant(keys.did) for of in (self._history.at(height), self._history.latest))
        if height == 0 or before is None or after is None:
            return []
        gone = []
        for role in roles:
            newest, governed = after.latest_key(role), before.latest_key(role)
            if newest is None or governed is None or newest.public != governed.public:
                continue
            ended = {key.public for key in after.keys if key.role == role and not key.is_open}
            if keys.holds(role, newest.public):
                held = [(role, number) for number in keys.numbers(role)]
                gone += [one for one in held if keys.signer(*one).public_key in ended - {newest.public}]
        if gone:
            with self._lock:
                self._keys = self._keys.without(gone)
                self._read = self._keys.stamp()
                self._seen = None
        return [key_id(keys.did, role, number) for role, number in gone]

    def _keep_up(self) -> None:
        """Look once more if something else governs, or a key was not held."""
        governance = self._history.latest
        if self._seen is None or self._seen[0] is not governance or not self._seen[1]:
            self._look(governance)

    def _look(self, governance: Governance) -> None:
        participant = governance.participant(self._keys.did)
        if participant is None:
            self._seen = governance, True
            return
        named = {role: key.public for role in ROLES if (key := participant.latest_key(role)) is not None}

        def held() -> bool:
            return all(self._keys.holds(role, public) for role, public in named.items())

        if not held():
            self._read_again()
        self._keys = self._keys.speaking_for(participant)
        self._seen = governance, held()

    def _read_again(self) -> None:
        """Take up the file if it was replaced."""
        if (stamp := self._keys.stamp()) != self._read:
            with suppress(SetupError):  # damaged since the start: the keys in hand are good
                self._keys = self._keys.again()
            self._read = stamp


class CurrentSigner:
    """A signer (`consensus.cose.Signer`) whose key changes with what governs.

    Whoever signs asks for the key id first: what is signed next by the same thread is signed with that key.
    """

    def __init__(self, held: HeldKeys, role: str) -> None:
        self._held = held
        self._role = role
        self._pinned = threading.local()

    @property
    def now(self) -> Signer:
        """The key of this moment."""
        return self._held.now.signer(self._role)

    @property
    def key_id(self) -> str:
        self._pinned.signer = self.now
        return str(self._pinned.signer.key_id)

    @property
    def public_key(self) -> bytes:
        return self.now.public_key

    def sign(self, message: bytes) -> bytes:
        pinned: Signer = getattr(self._pinned, "signer", None) or self.now
        return pinned.sign(message)


class RoleKeys:
    """Every key of one role that a node holds, as of each time it is asked: the one that governs first."""

    def __init__(self, held: HeldKeys, role: str) -> None:
        self._held = held
        self._role = role

    def __iter__(self) -> Iterator[Signer]:
        keys = self._held.all
        first = keys.signer(self._role)
        others = (keys.signer(self._role, number) for number in reversed(keys.numbers(self._role)))
        yield first
        yield from (signer for signer in others if signer.public_key != first.public_key)
