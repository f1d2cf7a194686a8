"""X13 by metal: lots of recovered material, from the battery they came of to those they are in (D710, D711).

    a lot on the ledger (its mass) -> its document, asked of the recycler (which metal, which lot)
    -> the lots of one metal of one battery are not more than its recycling gave out of that metal
    a new battery that says how much is recovered -> its document, asked of its maker (which lots)
    -> all that new batteries name of a lot is not more than the lot holds

The ledger holds masses, and neither metal nor lot, so only whoever supervises and may read the documents can
compare. What is not shown is not checked, and asked for again; so is a lot while another of its recycler is
not shown, for it may be that one.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial

from credentials.documents.recycled_lots import read_lots
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation
from credentials.ledger.governance import Governance
from credentials.verdicts.evidence import Held
from node.oversight.alert_kinds import ADMITTED, AUTHORITY, LOTS, LOTS_SPENT, kind_of
from node.oversight.balances import COMPLETED, OUT, RECOVERED, RULE, out_of_balance
from node.oversight.capacities import WHO
from node.oversight.counted_again import TAKEN_BACK, still_said
from node.oversight.raising import RECORD_READ_MAX, Raising, admitted_of, code_of, row_of
from node.storage.database import Transaction
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.lot_amounts import IN_LOT, IN_NEW, LotAmount
from node.storage.lot_amounts import RECOVERED as RECOVERED_OF
from node.storage.office import OfficeStore
from node.storage.tallies import MADE
from node.verdicts.sources import Gathering

LEAVES_AT_ONCE = 1_000
COMPARED_AT_ONCE = 8  # batteries whose lots are asked for in one turn
UNREAD_MAX = 1_000  # batteries that wait for a document; beyond it the oldest are not checked
LOOKED = "lots_looked"  # how many leaves were looked at
GRAMS = "recycled_grams"  # of a new battery: how much of it is recovered
SPEAK_OF_LOTS = frozenset({RECOVERED, COMPLETED, *TAKEN_BACK})
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
            if (
                row.type == ADMITTED
                and row.subject is not None
                and (row.kind in SPEAK_OF_LOTS or _made_of(row))
            ):
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
        lots = [one for _, one in left if one.kind == RECOVERED or one.quantities.get(GRAMS)]
        shown = self._shown([one for one in lots])
        given = [(row, one) for row, one in left if one.kind == COMPLETED][-1:]
        amounts = [amount for row, one in left if one in lots for amount in amounts_of(row, one, shown)]
        amounts += [amount for row, one in given for amount in recovered_of(row, one)]
        said = [(one.metal, one.grams) for one in amounts if one.what == IN_LOT and one.metal]
        too_much = beyond(given[0][1].quantities if given else {}, said)
        last = next((row for row, one in reversed(left) if one.kind == RECOVERED), None)
        now = int(time.time())
        with self._office.writing() as db:
            if too_much is not None and last is not None:
                if out_of_balance(one for _, one in left) is None:  # else that is the alert of X13
                    self._raise(db, last, LOTS, too_much, at.get(last.height, now))
            elif len(shown) == len(lots) and (kind := kind_of(LOTS, ())) is not None:
                self._office.alerts.settle(db, (leaf, kind.code, battery), WHO, now)
            self._keep(db, battery, amounts, now)
        return len(shown) == len(lots)

    def _keep(self, db: Transaction, battery: bytes, amounts: Sequence[LotAmount], now: int) -> None:
        """What this battery's statements say of lots, and what follows for each lot that they speak of."""
        table = self._office.lot_amounts
        spoken_of = table.lots_of(db, battery)
        table.replace(db, battery, amounts)
        for lot in sorted(spoken_of | table.lots_of(db, battery)):
            held = table.held(db, *lot)
            if held is None:
                continue  # not checked
            taken = 0
            for one in table.taken(db, *lot):
                taken += one.grams
                self._tell(db, one, (lot[2], taken, held), now)

    def _tell(self, db: Transaction, one: LotAmount, beyond_lot: Beyond, now: int) -> None:
        """Of a new battery that names more of a lot than is left of it: an alert; else none any more."""
        _, taken, held = beyond_lot
        kind = kind_of(LOTS_SPENT, ())
        assert kind is not None, "a row of the shipped table"
        if taken <= held:
            self._office.alerts.settle(db, (one.leaf + 1, kind.code, one.battery), WHO, now)
            return
        row = self._ledger.leaves.at(one.leaf)
        if row is not None:
            self._raise(db, row, LOTS_SPENT, beyond_lot, now, lot=one.lot, owner=one.owner)

    def _shown(self, lots: Sequence[Attestation]) -> dict[bytes, Mapping[str, object]]:
        """The members of each of these statements whose document is here, or comes when it is asked for."""
        asked = dict[str, set[bytes]]()
        for one in lots:
            asked.setdefault(one.issuer, set()).add(one.document_digest)
        self._gathering.fetching.fetch(asked, once=True)
        held = self._gathering.fetching.held([(one.document_digest, one.issuer) for one in lots])
        read = {one.digest: _members(held.get(one.document_digest)) for one in lots}
        return {digest: members for digest, members in read.items() if members}

    def _raise(
        self, db: Transaction, row: EntryRow, what: str, too_much: Beyond, at: int, **more: str
    ) -> None:
        kind = kind_of(what, ())
        assert kind is not None, "a row of the shipped table"
        raised = replace(self._raising.about(row, kind), rule=RULE)
        if not self._sides(self._gathering.history.latest, at) & raised.sides:
            return
        metal, said, there = too_much
        told = {"metal": metal.capitalize(), "grams": said, "most": there, **more}
        self._office.alerts.put(db, row_of(raised, code_of(self._office, raised), at, [AUTHORITY], more=told))


def amounts_of(
    row: EntryRow, said: Attestation, shown: Mapping[bytes, Mapping[str, object]]
) -> Iterator[LotAmount]:
    """What a statement puts into a lot, or a new battery takes of some; of no metal where none is shown."""
    assert row.subject is not None, "it is about a battery"
    members = shown.get(said.digest, {})
    amount = partial(LotAmount, row.leaf_index, row.subject)
    if said.kind == RECOVERED:
        lot, metal = str(members.get("lot", "")), str(members.get("element", ""))
        yield amount(IN_LOT, said.issuer, said.issuer, lot, metal, said.quantities.get("mass_grams", 0))
        return
    lines = members.get("recycled_lots")
    try:
        named = read_lots(lines) if isinstance(lines, list) else ()
    except CredentialError:
        named = ()
    left = said.quantities.get(GRAMS, 0) - sum(lot.grams for lot in named)
    for lot_named in named if left >= 0 else ():
        yield amount(IN_NEW, said.issuer, *astuple(lot_named))
    if left:
        unnamed = left if left > 0 else said.quantities.get(GRAMS, 0)
        yield amount(IN_NEW, said.issuer, "", "", "", unnamed)


def recovered_of(row: EntryRow, said: Attestation) -> Iterator[LotAmount]:
    """What a recycling gave out of each metal."""
    assert row.subject is not None, "it is about a battery"
    for name, grams in sorted(said.quantities.items()):
        if name.endswith(OUT):
            metal = name.removesuffix(OUT)
            yield LotAmount(
                row.leaf_index, row.subject, RECOVERED_OF, said.issuer, said.issuer, "", metal, grams
            )


def _made_of(row: EntryRow) -> bool:
    """Whether it brings a battery into being of which some is recovered."""
    return row.kind == MADE and any(one.quantities.get(GRAMS) for _, one in admitted_of([row]))


def _members(held: object) -> Mapping[str, object]:
    """The members of a document; none where it is not here."""
    about = held.document.get("credentialSubject") if isinstance(held, Held) else None
    members = about.get("members") if isinstance(about, Mapping) else None
    return members if isinstance(members, Mapping) else {}
