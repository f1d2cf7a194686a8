"""Status lists that documents name: the latest on the ledger, each read and digested once, not once a line.

What the ledger says is the same for as long as its height is, and a list for as long as its digest is. Only
how fresh a copy is may change between two verdicts: when it was last asked for is looked up each time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from credentials.documents.canonical import digest_document
from credentials.documents.secured import credential_shown
from credentials.ledger.attestation import standing_key, status_subject
from credentials.ledger.governance import Governance
from credentials.ledger.records import StatusLists
from credentials.verdicts.evidence import NetworkView, StatusSource
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.disclosure import WANT_MAX
from node.verdicts.list_history import Before, Key, ListHistory

KEYS_KEPT_MAX = 4_096
TEXTS_KEPT_MAX, TEXT_KEPT_BYTES_MAX = 64, 256 << 10


class ListsInForce:
    """Finds the lists of a verdict; called inside its read transaction, from any thread."""

    def __init__(self, ledger: LedgerStore, office: OfficeStore) -> None:
        self._ledger = ledger
        self._office = office
        self._latest: tuple[int, dict[Key, bytes | None]] = (-1, {})
        self._history = ListHistory(ledger, office)
        self._texts: dict[bytes, tuple[Mapping[str, Any], bytes]] = {}

    def latest(self, key: Key, height: int) -> bytes | None:
        """The digest of the latest version of a list on the ledger at this height; None: it knows none."""
        known_at, known = self._latest
        if known_at != height or len(known) >= KEYS_KEPT_MAX:
            known = {}
            self._latest = height, known  # at once: another thread never sees one height's with another's
        if key not in known:
            issuer, purpose, url = key
            record = self._ledger.standings.record(standing_key(status_subject(issuer, url)))
            latest = None if record is None else StatusLists.decode(record).latest.get(purpose)
            known[key] = latest.digest if latest else None
        return known[key]

    def newest(self, documents: Iterable[Mapping[str, Any]], height: int) -> dict[str, set[bytes]]:
        """By issuer the digests of the latest versions of the lists that these documents name."""
        found = defaultdict[str, set[bytes]](set)
        for key in keys_of(documents):
            digest = self.latest(key, height)
            if digest is not None:
                found[key[0]].add(digest)
        return found

    def unread(
        self, documents: Iterable[Mapping[str, Any]], governance: Governance, height: int
    ) -> dict[str, set[bytes]]:
        """By issuer the digests of versions that their lists of revocations lack here: the newest of each.

        As many as one request holds: an issuer does not decide what a verdict costs (D842).
        """
        found = defaultdict[str, set[bytes]](set)
        for key in keys_of(documents):
            found[key[0]].update(self._history.unread(key, height, governance)[:WANT_MAX])
        return {issuer: digests for issuer, digests in found.items() if digests}

    def look_again(self) -> None:
        """Take note of versions that were fetched."""
        self._history.look_again()

    def sources(
        self, documents: Iterable[Mapping[str, Any]], network: NetworkView
    ) -> dict[Key, StatusSource]:
        """The lists that these documents name, as they are held; the own ones are as fresh as this moment."""
        governance, height = network.governance, network.height
        digests = {key: self.latest(key, height) for key in keys_of(documents)}
        fetched = self._office.documents.fetched_times([d for d in digests.values() if d is not None])
        now = int(time.time())
        sources: dict[Key, StatusSource] = {}
        for key, digest in digests.items():
            said: Before = {}
            if digest is not None and governance is not None:
                said = self._history.of(key, height, governance)
            if digest is None or digest not in fetched:
                sources[key] = StatusSource(None, digest, source=key[0], **said)
                continue
            document, computed = self._text(digest)
            at = fetched[digest]
            at = now if at is None else at
            sources[key] = StatusSource(document, digest, at, key[0], computed, **said)
        return sources

    def _text(self, digest: bytes) -> tuple[Mapping[str, Any], bytes]:
        """A list that is held, and the digest that it really has."""
        known = self._texts.get(digest)
        if known is not None:
            return known
        stored = self._office.documents.get(digest)
        assert stored is not None, "documents are never deleted"
        document = orjson.loads(stored.body)
        read = document, digest_document(document)
        if len(stored.body) <= TEXT_KEPT_BYTES_MAX:
            if len(self._texts) >= TEXTS_KEPT_MAX:
                self._texts.clear()
            self._texts[digest] = read
        return read


def keys_of(documents: Iterable[Mapping[str, Any]]) -> set[Key]:
    """The lists that the status entries of these documents name, as far as they have the form."""
    return {key for document in documents for key in _keys(document)}


def _keys(document: Mapping[str, Any]) -> list[Key]:
    said = credential_shown(document)
    issuer = said.get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    entries = said.get("credentialStatus")
    found = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, Mapping) and isinstance(issuer, str):
            purpose, url = entry.get("statusPurpose"), entry.get("statusListCredential")
            if isinstance(purpose, str) and isinstance(url, str):
                found.append((issuer, purpose, url))
    return found
