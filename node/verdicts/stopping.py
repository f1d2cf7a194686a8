"""A consignment that is being judged, stopped by whoever sends consignments, and gone on with.

What was judged stays, and is judged again when the ledger learns more; the other lines have no verdict, and
no page or file says otherwise. A line that is being judged while it is stopped is judged to its end.
"""

from __future__ import annotations

import time

from node import log
from node.errors import ProblemError, not_found
from node.storage import stopped_consignments
from node.storage.office import OfficeStore
from node.verdicts.judging import Judging


class Stopping:
    """Stops and goes on."""

    def __init__(self, office: OfficeStore, judging: Judging) -> None:
        self._office = office
        self._judging = judging

    def stop(self, consignment_id: str, sender: str) -> None:
        """404 for no consignment, 409 `not_being_judged` where no line waits."""
        self._require(consignment_id)
        with self._office.writing() as db:
            if not stopped_consignments.stop(db, consignment_id):
                told = "no line of this consignment waits to be judged"
                raise ProblemError(409, "not_being_judged", "Conflict", told)
            self._office.audit.put(db, int(time.time()), sender, "consignment.stopped", consignment_id)
        log.moment("consignment", id=consignment_id, stopped=True)

    def go_on(self, consignment_id: str, sender: str) -> None:
        """404 for no consignment; nothing where it was not stopped."""
        self._require(consignment_id)
        with self._office.writing() as db:
            if not stopped_consignments.go_on(db, consignment_id):
                return
            self._office.audit.put(db, int(time.time()), sender, "consignment.continued", consignment_id)
        self._judging.wake()
        log.moment("consignment", id=consignment_id, stopped=False)

    def _require(self, consignment_id: str) -> None:
        if self._office.consignments.get(consignment_id) is None:
            raise not_found("consignment_unknown", "this node holds no consignment with that id")
