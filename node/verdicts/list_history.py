"""What the versions of a status list said, as far as they are held: each leaf and each document is read once.

A revocation is final, and a version that a thief attested ends no suspension (D815 of credentials/): so a
verdict asks the versions before the latest one as well. The list alone is what its issuer publishes today.
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
    answered: tuple[Governance, Before] | None = None

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
            if not history.versions:
                return {}
            if history.answered is not None and history.answered[0] is governance:
                return history.answered[1]
            found = self._before(history, key[1], governance)
            if sum(known.size_bytes for known in self._known.values()) > HISTORIES_BYTES_MAX:
                self._known = {key: history}
            return found

    def _before(self, history: _History, purpose: str, governance: Governance) -> Before:
        if purpose == REVOCATION:
            self._count(history, governance)
        latest = history.versions[-1][0]
        if latest.stolen(governance):  # what it raises is nothing either
            return {"attested": latest, "raised_before": history.own | self._kept(history, governance)}
        found: Before = {"attested": latest, "raised_before": history.own - history.latest}
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
        """Take over what is held; the latest one may still be fetched, those before it are not asked for.

        Of those counted before all are read again once another of their keys is known to be stolen.
        """
        stolen = frozenset(by for by, _ in history.versions if by.stolen(governance))
        if history.stolen != stolen.intersection(by for by, _ in history.versions[: history.counted]):
            history.counted, history.own = 0, Places()
        missing = False  # the last one
        for by, digest in history.versions[history.counted :]:
            places = self._places(digest)
            missing, history.latest = places is None, places or Places()
            if by not in stolen:
                history.own |= history.latest
        history.counted = len(history.versions) - missing
        history.stolen = stolen.intersection(by for by, _ in history.versions[: history.counted])

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
