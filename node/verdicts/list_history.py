"""What the versions of a status list said, as far as they are held: each leaf and each document is read once.

A revocation is final, and a version that a thief attested ends no suspension (D815 of credentials/): so a
verdict asks the versions before the latest one as well. The list alone is what its issuer publishes today.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import orjson

from credentials.documents.secured import credential_shown
from credentials.documents.status import read_list
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key, status_subject
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.verdicts.list_versions import REVOCATION, AttestedBy, lasting
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore

Key = tuple[str, str, str]  # issuer DID, statusPurpose, statusListCredential URL
HISTORIES_MAX = 256


class Before(TypedDict, total=False):
    """The members of a `StatusSource` that are about its versions; none of a list that the ledger lacks."""

    attested: AttestedBy
    raised_before: frozenset[int]


@dataclass(slots=True)
class _History:
    """The versions of one list and purpose that were read, oldest first, up to a leaf."""

    height: int = -1  # at which it was followed last
    read_until: int = 0
    versions: list[tuple[AttestedBy, bytes]] = field(default_factory=list)  # with the digest of each
    unread: list[tuple[AttestedBy, bytes]] = field(default_factory=list)  # of revocations
    # Of revocations: what each version raised first of those that its key attested.
    raised: list[tuple[AttestedBy, frozenset[int]]] = field(default_factory=list)
    by_key: dict[str, set[int]] = field(default_factory=dict)
    latest: frozenset[int] = frozenset()  # the places of the newest version that was read
    lasting: tuple[Governance, frozenset[int]] | None = None  # by what governed when it was asked last


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
            if history.unread:
                self._read(history)
            if not history.versions:
                return {}
            if history.lasting is None or history.lasting[0] is not governance:
                history.lasting = governance, lasting(history.raised, governance)
            latest, raised = history.versions[-1][0], history.lasting[1]
            if latest.stolen(governance):  # what it raises is nothing either
                raised |= self._kept(history.versions, governance)
            else:
                raised -= history.latest
            return {"attested": latest, "raised_before": raised}

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
                if purpose == REVOCATION:
                    history.unread.append(version)
            history.read_until = row.leaf_index + 1

    def _read(self, history: _History) -> None:
        """Take over what is held; the latest one may still be fetched, those before it are not asked for."""
        held = self._places([digest for _, digest in history.unread])
        for by, digest in history.unread:
            known = history.by_key.setdefault(by.kid, set())
            first = held.get(digest, frozenset[int]()) - known
            if first:
                known |= first
                history.raised.append((by, first))
            history.latest = held.get(digest, frozenset())
        history.lasting = None
        history.unread = [version for version in history.unread[-1:] if version[1] not in held]

    def _kept(self, versions: Sequence[tuple[AttestedBy, bytes]], governance: Governance) -> frozenset[int]:
        """The raised places of the newest version that no stolen key attested; none if it is not held."""
        own = next((digest for by, digest in reversed(versions) if not by.stolen(governance)), None)
        return frozenset[int]().union(*self._places([own]).values()) if own is not None else frozenset()

    def _places(self, digests: Sequence[bytes]) -> dict[bytes, frozenset[int]]:
        """The raised places of those that are held."""
        found: dict[bytes, frozenset[int]] = {}
        for digest, stored in self._office.documents.get_many(digests).items():
            try:
                found[digest] = frozenset(read_list(credential_shown(orjson.loads(stored.body))).places)
            except CredentialError:
                found[digest] = frozenset()  # no list: whoever attested it said nothing that can be read
        return found
