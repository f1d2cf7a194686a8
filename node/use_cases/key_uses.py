"""What rests on a key since a time: what its holder has to look at before it says that the key was stolen.

What was signed stays on record. A verdict on it gets no better for it, and what rests on the key is told to
whoever asks; which of it the thief signed only the holder knows.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from credentials.documents.canonical import b64u
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.entries import AdmittedEntry, ClaimEntry, parse_entry
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.governance_state import KINDS
from credentials.ledger.parties import Key
from node.errors import not_found
from node.governance_answers import KeyUseRecord, KeyUsesAnswer
from node.storage.documents import StoredDocument
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.overtaken import OpenLine
from node.use_cases.governance_shown import name_of

LEAVES_AT_ONCE = 2_000  # looked at for one answer
LINES_SHOWN = 20  # open lines of one battery that are named; all are counted
# What is found on the log that a key of this role signed; the others sign what is not about a battery.
RESTS = {
    "attest": "attestations",
    "credential": "documents",
    "vote": "votes",
    "cosign": "checkpoints",
    "log": "checkpoints",
    "transport": "messages",
}


class KeyUses:
    """Looks through the log for what a key signed."""

    def __init__(self, history: GovernanceHistory, ledger: LedgerStore, office: OfficeStore) -> None:
        self._history = history
        self._ledger = ledger
        self._office = office

    def uses(self, kid: str, since: int, leaf: int) -> KeyUsesAnswer:
        """What the key signed that the log took in at `since` or later, from a leaf on; 404 `key_unknown`.

        One answer looks at 2,000 leaves; `next` is where to go on, None at the end.
        """
        governance, did = self._history.latest, kid.partition("#")[0]
        key = governance.key_by_id(kid)
        if key is None:
            raise not_found("key_unknown", "no participant has or had a key {key}", key=kid)
        with self._ledger.reading():
            size = self._ledger.log_size()
            first = self._first_leaf(since, size)
            begin = max(first, leaf)
            searched = RESTS[key.role] in ("attestations", "documents")
            end = min(begin + LEAVES_AT_ONCE, size) if searched else size
            rows = self._ledger.leaves.concerning(did, (), begin, end) if searched else []
            times = self._ledger.block_times(row.height for row in rows)
        by_key = [
            (row, standing_key(said.subject), certain) for row, said, certain in self._signed(key, rows)
        ]
        lines = self._office.overtaken.open_lines({subject for _, subject, _ in by_key})
        return {
            "key": kid,
            "participant": did,
            "participant_name": name_of(governance, did),
            "role": key.role,
            "rests": RESTS[key.role],
            "since": since,
            "first_leaf": first,
            "uses": [
                _use(row, times[row.height], lines.get(subject, []), certain=certain)
                for row, subject, certain in by_key
            ],
            "next": end if end < size else None,
        }

    def _first_leaf(self, since: int, size: int) -> int:
        """The first leaf of a block of this time or later."""

        def time_of(index: int) -> int:
            row = self._ledger.leaves.at(index)
            assert row is not None, "the log has no gap"
            return self._ledger.block_times([row.height])[row.height]

        return bisect_left(range(size), since, key=time_of)

    def _signed(self, key: Key, rows: Iterable[EntryRow]) -> Iterator[tuple[EntryRow, Attestation, bool]]:
        """(leaf, what it says, whether it is known that this key signed it), of those that it may have."""
        said = [(row, found) for row in rows if (found := _attestation(row)) is not None]
        if key.role == "attest":
            yield from ((row, found, True) for row, found in said if found.kid == key.id)
            return
        # The digest of an act of governance is a proposal's: no document.
        signed = [
            (row, found, found.document_digest)
            for row, found in said
            if found.document_digest is not None and found.kind not in KINDS
        ]
        held = self._office.documents.get_many([digest for _, _, digest in signed])
        for row, found, digest in signed:
            methods = self._methods(held.get(digest))
            if methods is None or key.id in methods:
                yield row, found, methods is not None

    def _methods(self, document: StoredDocument | None) -> set[str] | None:
        """The keys that signed a document; None where nothing that was signed is held.

        A passport is recorded as the list of its sets, each of which is signed.
        """
        if document is None:
            return None
        if document.kind != "set_list":
            return _methods(document.body)
        sets = self._office.documents.of_set(document.digest)
        return set().union(*(_methods(one.body) for one in sets)) if sets else None


def _attestation(row: EntryRow) -> Attestation | None:
    entry = parse_entry(row.entry)
    return entry.attestation if isinstance(entry, AdmittedEntry | ClaimEntry) else None


def _methods(body: bytes) -> set[str]:
    """The keys that a document's proofs name."""
    document = json.loads(body)
    proofs = document.get("proof", []) if isinstance(document, dict) else []
    rows = proofs if isinstance(proofs, list) else [proofs]
    return {str(row.get("verificationMethod")) for row in rows if isinstance(row, dict)}


def _use(row: EntryRow, time: int, lines: Sequence[OpenLine], *, certain: bool) -> KeyUseRecord:
    return {
        "leaf_index": row.leaf_index,
        "height": row.height,
        "time": time,
        "type": row.type,
        "kind": row.kind or "",
        "digest": b64u(row.digest or b""),
        "document_digest": b64u(row.document_digest) if row.document_digest else None,
        "certain": certain,
        "open_lines": [
            {"consignment": line.consignment, "line": line.line, "verdict": line.verdict}
            for line in lines[:LINES_SHOWN]
        ],
        "open_lines_total": len(lines),
    }
