"""`office.db`: what only this participant has and must back up.

Issuing is one transaction over documents, status index, issuance and outbox: acknowledged means on disk. The
tables are reached by name (`office.outbox.waiting(...)`); what takes a `Transaction` runs inside the caller's
`with office.writing() as db:`. Times are seconds (UTC); digests are raw bytes.
"""

from __future__ import annotations

from pathlib import Path

from node.storage.access import AccessTable
from node.storage.accounts import AccountTable
from node.storage.alerts import AlertTable
from node.storage.aside import AsideTable
from node.storage.audit import AuditTable
from node.storage.cases import CaseTable
from node.storage.consignments import ConsignmentTable
from node.storage.database import Database, Transaction
from node.storage.declarations import DeclaredTable
from node.storage.documents import DocumentTable
from node.storage.findings import FindingTable
from node.storage.issuances import IssuanceTable
from node.storage.jobs import JobTable
from node.storage.left_out import LeftOutRows
from node.storage.letters import LetterTable
from node.storage.line_answers import LineAnswersTable
from node.storage.lot_amounts import LotAmountTable
from node.storage.outbox import OutboxTable
from node.storage.overtaken import OvertakenLines
from node.storage.reached import ReachedLines
from node.storage.refused_attempts import AttemptTable
from node.storage.requested_sets import RequestedSetTable
from node.storage.schema_steps import OFFICE
from node.storage.status import StatusTable
from node.storage.tallies import TallyTable
from node.storage.throughput import ThroughputTable
from node.storage.webhook_posts import WebhookTable

FOLLOWED, EPOCH, COPIED = "followed", "epoch", "copied"


class OfficeStore:
    """The participant's own records, one table class for each thing kept."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._db = Database(path, OFFICE, read_only=read_only)
        self.writing = self._db.writing
        self.reading = self._db.reading
        self.bind = self._db.bind
        self.close = self._db.close
        self.refusal = self._db.refusal
        self.documents = DocumentTable(self._db)
        self.outbox = OutboxTable(self._db)
        self.issuances = IssuanceTable(self._db)
        self.status = StatusTable(self._db)
        self.jobs = JobTable(self._db)
        self.consignments = ConsignmentTable(self._db)
        self.left_out = LeftOutRows(self._db)
        self.line_answers = LineAnswersTable(self._db)
        self.declared = DeclaredTable(self._db)
        self.overtaken = OvertakenLines(self._db)
        self.reached = ReachedLines(self._db)
        self.alerts = AlertTable(self._db)
        self.attempts = AttemptTable(self._db)
        self.tallies = TallyTable(self._db)
        self.lot_amounts = LotAmountTable(self._db)
        self.throughput = ThroughputTable(self._db)
        self.webhooks = WebhookTable(self._db)
        self.cases = CaseTable(self._db)
        self.letters = LetterTable(self._db)
        self.requested = RequestedSetTable(self._db)
        self.access = AccessTable(self._db)
        self.accounts = AccountTable(self._db)
        self.aside = AsideTable(self._db)
        self.audit = AuditTable(self._db)
        self.findings = FindingTable(self._db)
        self.remembered = self._db.remembered
        self.remember = self._db.remember

    @property
    def damaged(self) -> bool:
        """True once something was read that is not what was written."""
        return self.documents.damaged or self.consignments.damaged

    def followed(self) -> int:
        """How many leaves of the log this office has followed."""
        return int.from_bytes(self.remembered(FOLLOWED) or b"", "big")

    def follow(self, db: Transaction, size: int) -> None:
        self.remember(db, FOLLOWED, size.to_bytes(8, "big"))

    def copy(self, to: Path) -> None:
        """A backup: whole at one moment, and marked, so that a node that finds it compares first."""
        self._db.copy(to)
        marked = Database(to, OFFICE)
        try:
            with marked.writing() as db:
                marked.remember(db, COPIED, b"1")
        finally:
            marked.close()
