"""What the status lists of passports must say: a projection of the ledger, whoever made the event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest

from credentials.documents.status import BITS_MIN
from credentials.ledger.standing import LIVE, REVOKED, SUSPENDED, Standing
from node.issuing.remaking import WITHHELD
from node.issuing.statements import Batch
from node.issuing.status_lists import OwnStatusLists
from node.storage.database import Transaction
from node.storage.findings import Finding
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore

CHANGED_MAX = 2_000  # the newest changes of own passports, whose places are tried first for a lost version


class Projection:
    """The lists of one participant's passports; `publishing`: the kinds of statement that publish one."""

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        lists: OwnStatusLists,
        publishing: Callable[[], Sequence[str]],
    ) -> None:
        self._office, self._ledger, self._lists = office, ledger, lists
        self._publishing = publishing

    def project(self, db: Transaction, subjects: Iterable[bytes]) -> None:
        """Raise and lower the bits of our passports of these batteries to what the ledger says of them."""
        batch = Batch(int(time.time()))
        for subject in sorted(subjects):
            record = self._ledger.standings.record(subject)
            issued = self._office.issuances.of_subject(subject) if record is not None else []
            if record is None or not issued:
                continue
            standing = Standing.decode(record)
            for issuance in issued:
                version = standing.passport_with(issuance.digest)
                status = None if version is None else version.status
                if status == REVOKED:
                    self._lists.set_bit(db, "revocation", issuance.status_index, raised=True, batch=batch)
                if status in (LIVE, SUSPENDED):
                    raised = status == SUSPENDED
                    self._lists.set_bit(db, "suspension", issuance.status_index, raised=raised, batch=batch)
        batch.store(db)
        self._account_for_lost(db, batch.now)

    def changed(self, lists: OwnStatusLists, kinds: Sequence[str]) -> list[tuple[int, int]]:
        """(leaf, place over all lists) of the newest changes of our passports; of what follows a profile the
        ledger tells none.
        """
        if lists is not self._lists:
            return []
        told = self._ledger.leaves.told_of(self._office.issuances.subjects(), kinds)
        return [
            (row.leaf_index, issuance.status_index)
            for row in nlargest(CHANGED_MAX, told, key=lambda row: row.leaf_index)
            if row.subject is not None
            for issuance in self._office.issuances.of_subject(row.subject)
        ]

    def _account_for_lost(self, db: Transaction, now: int) -> None:
        """A passport whose record is lost has a place that nobody knows here: the raised bits at places of no
        known passport must be as many as the ledger says, or the lists are served no more.
        """
        lost = self._office.outbox.lost_publications(self._publishing())
        if not lost:
            return
        found = [self._status_on_ledger(subject, digest) for subject, digest in lost]
        for purpose, status in (("revocation", REVOKED), ("suspension", SUSPENDED)):
            unplaced = found.count(status) - self._office.status.raised_of_nobody(purpose, BITS_MIN)
            if unplaced == 0:
                continue
            for number in range(1, 1 + self._lists.counted() // BITS_MIN):
                name = self._lists.numbered(purpose, number)
                self._office.status.withhold(db, name, WITHHELD)
                self._office.findings.put(db, Finding(WITHHELD, name, now, {"unplaced": unplaced}))

    def _status_on_ledger(self, subject: bytes, digest: bytes) -> str | None:
        record = self._ledger.standings.record(subject)
        version = None if record is None else Standing.decode(record).passport_with(digest)
        return None if version is None else version.status
