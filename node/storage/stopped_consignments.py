"""Consignments whose judging somebody stopped, and went on with."""

from __future__ import annotations

from node.storage.consignments import ConsignmentTable
from node.storage.database import Transaction

STOPPED = "stopped"


def is_stopped(table: ConsignmentTable, consignment_id: str) -> bool:
    """Whether somebody stopped it."""
    row = table.get(consignment_id)
    return row is None or row.state == STOPPED


def stop(db: Transaction, consignment_id: str) -> bool:
    """No further line of it is judged; False where none waits, or it is stopped already."""
    done = db.execute(
        "UPDATE consignments SET state = 'stopped' WHERE id = ? AND state IN ('queued', 'running')",
        (consignment_id,),
    )
    return done.rowcount == 1


def go_on(db: Transaction, consignment_id: str) -> bool:
    """The lines that were left are judged when it is its client's turn; False where it was not stopped."""
    done = db.execute(
        "UPDATE consignments SET state = 'queued' WHERE id = ? AND state = 'stopped'", (consignment_id,)
    )
    return done.rowcount == 1
