"""What the newest leaves of the log are about, by the columns in which the open lines are found (I9)."""

from __future__ import annotations

from collections.abc import Sequence

from credentials.errors import CredentialError
from credentials.ledger.entries import AdmittedEntry, GovernanceEntry, parse_entry
from credentials.ledger.namings import Namings
from credentials.ledger.records import Asset
from credentials.ledger.standing import Standing
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.rests_on import KIN, PARTY
from node.verdicts.foretelling import parties_concerned
from node.verdicts.sources import Gathering

DESCENDANTS_MAX = 10_000  # of what the leaves of one look are about
GOVERNANCE = "governance"  # the type of a leaf
ANY_NAMESPACE = "*"  # of a line whose battery was made from others, of whatever codes


def decision_of(row: EntryRow) -> GovernanceEntry:
    """What the row of a decision says."""
    entry = parse_entry(row.entry)
    assert isinstance(entry, GovernanceEntry), "the type of the row says so"
    return entry


class Learned:
    """Reads leaves for the batteries, codes, lists and parties that they are about; from any thread."""

    def __init__(self, ledger: LedgerStore, gathering: Gathering) -> None:
        self._ledger = ledger
        self._gathering = gathering

    def about(self, rows: Sequence[EntryRow]) -> dict[str, Sequence[bytes | str]] | None:
        """What these leaves are about, by the columns in which lines are found; None if that is not known."""
        changed = self._ledger.standings.keys_changed(rows[0].height, rows[-1].height)
        if changed is None:
            return None
        subjects = set(changed)
        issuers: set[str] = set()
        namespaces: set[str] = set()
        parties: set[str] = set()
        for row in rows:
            if row.type == GOVERNANCE:
                concerned = self.parties_changed(decision_of(row))
                if concerned is None:
                    return None
                parties |= concerned
                continue
            event = self._gathering.event_of(row)
            if event is not None and event.effects.status_list and row.issuer is not None:
                issuers.add(row.issuer)
            elif event is not None and event.effects.recall is not None:
                entry = parse_entry(row.entry)
                if isinstance(entry, AdmittedEntry):
                    namespaces.update((entry.attestation.subject.namespace, ANY_NAMESPACE))
            elif row.subject is not None:
                subjects.add(row.subject)
        subjects, all_read = self._with_what_came_of(subjects)
        if not all_read:  # each line about what was made of others is found so (`_recalled_by`)
            namespaces.add(ANY_NAMESPACE)
        return {
            "subject": sorted(subjects),
            "namespace": sorted(namespaces),
            "issuer": sorted(issuers | parties),
            PARTY: sorted(parties),
            KIN: sorted(subjects),
        }

    def parties_changed(self, decision: GovernanceEntry) -> set[str] | None:
        """Whose words count otherwise since a decision; None for everybody's."""
        history = self._gathering.history
        governance = history.at(history.height)  # what verdicts go by now
        return parties_concerned(governance, [(kind, name) for kind, name, _, _ in decision.changed])

    def _with_what_came_of(self, subjects: set[bytes]) -> tuple[set[bytes], bool]:
        """These batteries, and what was taken out of them or made from them; whether that is all."""
        found, new = set(subjects), set(subjects)
        while new and len(found) < DESCENDANTS_MAX:
            records = self._ledger.standings.records(sorted(new))
            new = {key for record in records.values() for key in _came_of(record)} - found
            found |= new
        return found, not new


def _came_of(record: bytes) -> tuple[bytes, ...]:
    """The batteries taken out of this one or made from it; of a vehicle's record those that are in it.

    What names a battery without being state of it is kept beside that one's record.
    """
    try:
        standing = Standing.decode(record)
    except CredentialError:
        return _inside(record)
    return (*standing.children, *(standing.lineage.successors if standing.lineage else ()))


def _inside(record: bytes) -> tuple[bytes, ...]:
    """The batteries of a vehicle, about which as a whole something was said; none of any other record."""
    try:
        return tuple(one.pack for one in Asset.decode(record).installed)
    except CredentialError:
        return _named(record)


def _named(record: bytes) -> tuple[bytes, ...]:
    try:
        return (Namings.decode(record).battery,)
    except CredentialError:
        return ()
