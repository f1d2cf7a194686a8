"""What the versions of a status list said, as far as they are held: each leaf and each document is read once.

A revocation is final, and a version that a thief attested ends no suspension (D815 of credentials/): so a
verdict asks the versions before the latest one as well. The list alone is what its issuer publishes today.
Of a list of revocations it tells what was never held here: what that raised is not known (D842).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TypedDict

import orjson

from credentials.documents.secured import credential_shown
from credentials.documents.status import Places, read_list
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key, status_subject
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.verdicts.list_versions import REVOCATION, AttestedBy
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore

Key = tuple[str, str, str]  # issuer DID, statusPurpose, statusListCredential URL
HISTORIES_MAX, HISTORIES_BYTES_MAX = 256, 128 << 20


class Before(TypedDict, total=False):
    """The members of a `StatusSource` that are about its versions; none of a list that the ledger lacks."""

    attested: AttestedBy
    raised_before: Places
    unread_before: int


@dataclass(slots=True)
class _History:
    """The versions of one list and purpose, oldest first, up to a leaf."""

    height: int = -1  # at which it was followed last
    read_until: int = 0
    versions: list[tuple[AttestedBy, bytes]] = field(default_factory=list)  # with the digest of each
    # Of revocations: how many of them were counted, which of these thieves attested, what the others raised.
    counted: int = 0
    stolen: frozenset[AttestedBy] = frozenset()
    own: Places = field(default_factory=Places)
    latest: Places = field(default_factory=Places)  # of the last one counted
    # Of those before it: what was not held when they were looked for last, but for what thieves attested.
    unread: list[bytes] = field(default_factory=list)
    looked: bool = True
    answered: tuple[Governance, Before] | None = None

    def look_again(self) -> None:
        """What was not held may have been fetched since."""
        if self.unread:
            self.looked, self.answered = False, None

    @property
    def size_bytes(self) -> int:
        """Of what it keeps of lists: an issuer makes them as long as it likes."""
        kept = (self.own, self.latest, self.answered[1]["raised_before"] if self.answered else Places())
        return sum(len(places.string) for places in kept)


class ListHistory:
    """Follows the lists that verdicts ask for; called inside their read transaction, from any thread."""

    def __init__(self, ledger: LedgerStore, office: OfficeStore) -> None:
        self._ledger = ledger
        self._office = office
        self._lock = threading.Lock()
        self._known: dict[Key, _History] = {}

    def of(self, key: Key, height: int, governance: Governance) -> Before:
        """Who attested the latest version of a list, and what it lowers in vain."""
        with self._lock:
            if key not in self._known and len(self._known) >= HISTORIES_MAX:
                self._known.clear()
            history = self._known.setdefault(key, _History())
            if history.height != height:
                self._follow(history, key)
                history.height = height
                history.look_again()
            if not history.versions:
                return {}
            if history.answered is not None and history.answered[0] is governance:
                return history.answered[1]
            found = self._before(history, key[1], governance)
            if sum(known.size_bytes for known in self._known.values()) > HISTORIES_BYTES_MAX:
                self._known = {key: history}
            return found

    def unread(self, key: Key, height: int, governance: Governance) -> list[bytes]:
        """The digests of the versions of a list of revocations that it lacks here, newest first."""
        self.of(key, height, governance)
        with self._lock:
            history = self._known.get(key)
            return history.unread[::-1] if history is not None else []

    def look_again(self) -> None:
        """Look for what was not held, once something was fetched."""
        with self._lock:
            for history in self._known.values():
                history.look_again()

    def _before(self, history: _History, purpose: str, governance: Governance) -> Before:
        if purpose == REVOCATION:
            self._count(history, governance)
        latest = history.versions[-1][0]
        if latest.stolen(governance):  # what it raises is nothing either
            return {"attested": latest, "raised_before": history.own | self._kept(history, governance)}
        found: Before = {
            "attested": latest,
            "raised_before": history.own - history.latest,
            "unread_before": len(history.unread),
        }
        if purpose != REVOCATION or history.counted == len(history.versions):
            history.answered = governance, found
        return found

    def _follow(self, history: _History, key: Key) -> None:
        issuer, purpose, url = key
        about = standing_key(status_subject(issuer, url))
        rows = self._ledger.leaves.of_since(about, history.read_until)
        times = self._ledger.block_times(row.height for row in rows)
        for row in rows:
            entry = parse_entry(row.entry)
            update = entry.attestation.status if isinstance(entry, AdmittedEntry) else None
            if isinstance(entry, AdmittedEntry) and update is not None and update.purpose == purpose:
                version = AttestedBy(entry.attestation.kid, times[row.height]), update.list_digest
                history.versions.append(version)
                history.answered = None
            history.read_until = row.leaf_index + 1

    def _count(self, history: _History, governance: Governance) -> None:
        """Take over what is held; the others may still be fetched.

        Of those counted before all are read again once another of their keys is known to be stolen.
        """
        stolen = frozenset(by for by, _ in history.versions if by.stolen(governance))
        if history.stolen != stolen.intersection(by for by, _ in history.versions[: history.counted]):
            history.counted, history.own, history.unread = 0, Places(), []
        fresh = history.versions[history.counted :]
        wanted = [digest for by, digest in fresh[:-1] if by not in stolen]
        if not history.looked:
            wanted, history.unread, history.looked = [*history.unread, *wanted], [], True
        history.unread += [digest for digest in wanted if not self._take(history, digest)]
        for by, digest in fresh[-1:]:
            places = self._places(digest)
            history.latest = places or Places()
            if by not in stolen:
                history.own |= history.latest
            history.counted = len(history.versions) - (places is None)
        history.stolen = stolen.intersection(by for by, _ in history.versions[: history.counted])

    def _take(self, history: _History, digest: bytes) -> bool:
        """Take over what a version before the latest one raised; False: it is not held."""
        places = self._places(digest)
        history.own |= places or Places()
        return places is not None

    def _kept(self, history: _History, governance: Governance) -> Places:
        """The raised places of the newest version that no stolen key attested; none if it is not held."""
        own = next((digest for by, digest in reversed(history.versions) if not by.stolen(governance)), None)
        return (self._places(own) if own is not None else None) or Places()

    def _places(self, digest: bytes) -> Places | None:
        """The raised places of a version; None: it is not held."""
        stored = self._office.documents.get_many([digest]).get(digest)
        if stored is None:
            return None
        try:
            return read_list(credential_shown(orjson.loads(stored.body))).raised
        except CredentialError:
            return Places()  # no list: whoever attested it said nothing that can be read
