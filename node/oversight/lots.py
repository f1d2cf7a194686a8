"""X13 by metal: lots of recovered material beside what of that metal was recovered of the battery (D710).

    a lot on the ledger (its mass) -> its document, asked of the recycler (which metal, which lot)
    -> the lots of one metal of one battery are not more than its recycling gave out of that metal

The ledger holds the mass of a lot and not its metal, so only whoever supervises and may read the document can
compare. Without the document a lot is not checked, and asked for again. What into a new battery goes of a lot
is on no record: nothing is compared there.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from credentials.ledger.attestation import Attestation
from credentials.ledger.governance import Governance
from credentials.verdicts.evidence import Held
from node.oversight.alert_kinds import ADMITTED, AUTHORITY, LOTS, kind_of
from node.oversight.balances import COMPLETED, OUT, RECOVERED, RULE, out_of_balance
from node.oversight.capacities import WHO
from node.oversight.counted_again import TAKEN_BACK, still_said
from node.oversight.raising import RECORD_READ_MAX, Raising, admitted_of, code_of, row_of
from node.storage.database import Transaction
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

LEAVES_AT_ONCE = 1_000
COMPARED_AT_ONCE = 8  # batteries whose lots are asked for in one turn
UNREAD_MAX = 1_000  # batteries that wait for a document; beyond it the oldest are not checked
LOOKED = "lots_looked"  # how many leaves were looked at
Beyond = tuple[str, int, int]  # (metal, grams in lots, grams that were recovered of it)


def beyond(recovered: Mapping[str, int], lots: Iterable[tuple[str, int]]) -> Beyond | None:
    """The metal of which there is most too much; None where all of it was there, or is not known."""
    sums = dict[str, int]()
    for metal, grams in lots:
        sums[metal] = sums.get(metal, 0) + grams
    known = [
        (metal, said, recovered[metal + OUT]) for metal, said in sums.items() if metal + OUT in recovered
    ]
    return max((one for one in known if one[1] > one[2]), key=lambda one: one[1] - one[2], default=None)


class LotsByMetal:
    """Reads the documents of lots and compares; used by the thread that asks for documents."""

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        gathering: Gathering,
        sides: Callable[[Governance, int], frozenset[str]],
    ) -> None:
        self._office, self._ledger, self._gathering = office, ledger, gathering
        self._raising = Raising(ledger, gathering.history)
        self._sides = sides
        self._looked = int.from_bytes(office.remembered(LOOKED) or b"", "big")
        self._waiting = OrderedDict[bytes, int]()  # battery -> the newest leaf about its lots

    def turn(self) -> bool:
        """Look at the next leaves and compare a few batteries; True if there may be more of them."""
        if not self._sides(self._gathering.history.latest, int(time.time())):
            return False
        more = self._look()
        done = self._compare_some()
        # From the first battery that waits on: after a start it is found again.
        begin = min([self._looked, *self._waiting.values()]).to_bytes(8, "big")
        if begin != self._office.remembered(LOOKED):
            with self._office.writing() as db:
                self._office.remember(db, LOOKED, begin)
        return done or more

    def _look(self) -> bool:
        rows = self._ledger.leaves.since(self._looked, LEAVES_AT_ONCE)
        for row in rows:
            if row.type == ADMITTED and row.subject is not None and row.kind in {RECOVERED, *TAKEN_BACK}:
                self._waiting[row.subject] = row.leaf_index
        while len(self._waiting) > UNREAD_MAX:
            self._waiting.popitem(last=False)
        self._looked = rows[-1].leaf_index + 1 if rows else self._looked
        return len(rows) == LEAVES_AT_ONCE

    def _compare_some(self) -> bool:
        """True if any was compared with all of its documents at hand."""
        done = False
        for battery, leaf in list(self._waiting.items())[:COMPARED_AT_ONCE]:
            self._waiting.move_to_end(battery)  # whose author is silent does not hold up the others
            if self._compare(battery, leaf):
                del self._waiting[battery]
                done = True
        return done

    def _compare(self, battery: bytes, leaf: int) -> bool:
        """Raise or close what this battery's lots say; False while a document of one is not here."""
        with self._ledger.reading():
            rows = admitted_of(self._ledger.leaves.of(battery, RECORD_READ_MAX, leaf + 1))
            lifecycle = self._gathering.history.latest.lifecycle
            left = still_said(rows, lifecycle)
            at = self._ledger.block_times([one.height for one, _ in left[-1:]])
        lots = [one for _, one in left if one.kind == RECOVERED]
        metals = self._metals(lots)
        given = [one.quantities for _, one in left if one.kind == COMPLETED]
        said = [
            (metals[one.digest], one.quantities.get("mass_grams", 0)) for one in lots if one.digest in metals
        ]
        too_much = beyond(given[-1] if given else {}, said)
        last = next((row for row, one in reversed(left) if one.kind == RECOVERED), None)
        with self._office.writing() as db:
            if too_much is not None and last is not None:
                if out_of_balance(one for _, one in left) is None:  # else that is the alert of X13
                    self._raise(db, last, too_much, at.get(last.height, int(time.time())))
            elif len(metals) == len(lots) and (kind := kind_of(LOTS, ())) is not None:
                self._office.alerts.settle(db, (leaf, kind.code, battery), WHO, int(time.time()))
        return len(metals) == len(lots)

    def _metals(self, lots: Sequence[Attestation]) -> dict[bytes, str]:
        """The metal of each of these lots whose document is here, or comes when it is asked for."""
        asked = dict[str, set[bytes]]()
        for one in lots:
            asked.setdefault(one.issuer, set()).add(one.document_digest)
        self._gathering.fetching.fetch(asked, once=True)
        held = self._gathering.fetching.held([(one.document_digest, one.issuer) for one in lots])
        read = {one.digest: _metal(held.get(one.document_digest)) for one in lots}
        return {digest: metal for digest, metal in read.items() if metal}

    def _raise(self, db: Transaction, row: EntryRow, too_much: Beyond, at: int) -> None:
        kind = kind_of(LOTS, ())
        assert kind is not None, "a row of the shipped table"
        raised = replace(self._raising.about(row, kind), rule=RULE)
        if not self._sides(self._gathering.history.latest, at) & raised.sides:
            return
        metal, said, there = too_much
        more = {"metal": metal.capitalize(), "grams": said, "most": there}
        self._office.alerts.put(db, row_of(raised, code_of(self._office, raised), at, [AUTHORITY], more=more))


def _metal(held: object) -> str:
    """The metal that a lot's document says; "" where it is not here or says none."""
    about = held.document.get("credentialSubject") if isinstance(held, Held) else None
    members = about.get("members") if isinstance(about, Mapping) else None
    metal = members.get("element") if isinstance(members, Mapping) else None
    return metal if isinstance(metal, str) else ""
