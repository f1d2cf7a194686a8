"""Which battery a key of the ledger is: its code, read in what was stated about it.

The log holds a digest of each code under the network's key, and nobody reads a code out of it. What was
stated holds the code; a party that may see it asks its author. What is found counts only if its own digest is
the key that was asked about. Whoever does not answer leaves an alert without a code.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from credentials.documents.identifiers import read_identifier
from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.verdicts.evidence import Held
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

STATEMENTS_READ_MAX = 8  # of one battery: of each something may be withheld, or its author silent
MEMBERS = ("battery", "id", "productIdentifier")
NAMED_AT_ONCE = 8  # batteries whose code is asked for in one turn
NAMED_APART_S = 30.0  # between two times that the same are asked for


class BatteryCodes:
    """Looks codes up; asks other nodes, so from a thread of its own."""

    def __init__(self, ledger: LedgerStore, gathering: Gathering) -> None:
        self._ledger, self._gathering = ledger, gathering

    def codes_of(self, subjects: Sequence[bytes]) -> dict[bytes, str]:
        """The codes of these keys, as far as they can be known."""
        named = {subject: self._stated(subject) for subject in subjects}
        wanted = [one for pairs in named.values() for one in pairs]
        asked = defaultdict[str, set[bytes]](set)
        for digest, issuer in wanted:
            asked[issuer].add(digest)
        self._gathering.fetching.fetch(asked, once=True)
        documents = self._gathering.fetching.held(wanted)
        found: dict[bytes, str] = {}
        for subject, pairs in named.items():
            for digest, issuer in pairs:
                held = documents.get(digest)
                texts = _texts(held.document) if isinstance(held, Held) else ()
                read = (self._read(subject, text, issuer) for text in texts)
                code = next((one for one in read if one is not None), None)
                if code is not None:
                    found[subject] = code
                    break
        return found

    def _stated(self, subject: bytes) -> list[tuple[bytes, str]]:
        """(digest, author) of the newest documents about this battery."""
        pairs = list[tuple[bytes, str]]()
        for row in self._ledger.leaves.of(subject, STATEMENTS_READ_MAX):
            entry = parse_entry(row.entry)
            if isinstance(entry, AdmittedEntry):
                said = entry.attestation
                sets = said.set_list.points if said.set_list is not None else {}
                pairs.append((sets.get(1, said.document_digest), said.issuer))
        return pairs[::-1]

    def _read(self, subject: bytes, text: str, issuer: str) -> str | None:
        """The code that a text says, in its one spelling; None where it is not that of this key."""
        about = self._gathering.subject_of(text, issuer)
        if about is None or standing_key(about) != subject:
            return None
        return read_identifier(text, self._gathering.tables.identifiers, namespace=issuer).canonical


class CodeSearch:
    """One thread that asks authors: for the codes of batteries of alerts, for the metals of lots."""

    name = "alert_codes"

    def __init__(self, office: OfficeStore, codes: BatteryCodes, lots: Callable[[], bool]) -> None:
        self._office, self._codes, self._woken = office, codes, threading.Event()
        self._lots = lots

    def wake(self) -> None:
        """An alert is new, or the node stops."""
        self._woken.set()

    def turn(self) -> None:
        """Look for a few codes and lots; rest, unless any was found: then there may be more."""
        rows = self._office.alerts.unnamed(NAMED_AT_ONCE)
        found = self._codes.codes_of([row.subject for row in rows if row.subject is not None]) if rows else {}
        if not self._lots() and not found:
            self._woken.wait(NAMED_APART_S)
            self._woken.clear()
            return
        with self._office.writing() as db:
            for subject, code in found.items():
                self._office.alerts.name(db, subject, code)


def _texts(document: Mapping[str, object]) -> Iterator[str]:
    """What may be a code: in the document, or in what it is about."""
    about = document.get("credentialSubject")
    for part in (document, about):
        if isinstance(part, Mapping):
            yield from (value for name in MEMBERS if isinstance(value := part.get(name), str))
