"""What is on record about a supplier, as figures: each from what it is computed, and as of which height.

No finding and no score: what a reader makes of a figure is his. What this node cannot know says so (`value`
is null), and is nobody's fault.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TypedDict

from credentials.ledger.entries import AdmittedEntry, ClaimEntry, parse_entry
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.parties import Participant
from node.errors import bad_request
from node.oversight.set_requests import OPEN
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore

LEAVES_LOOKED_AT = 50_000  # of the log, from its end
STATEMENTS_READ_MAX = 2_000  # the newest of one party
SUPPLIERS_MAX = 2
DAY_S = 86_400
LEDGER, OWN_NODE = "ledger", "node"


class SupplierFigure(TypedDict):
    """One figure. `value` None: not known; `of`: of how many records; `source`: ledger | node."""

    name: str
    value: float | None
    unit: str  # count | seconds | days | percent
    of: int
    source: str


class SupplierShown(TypedDict):
    """A party with its figures; `since`: the first record looked at, `more`: there are older ones."""

    did: str
    name: str
    jurisdiction: str
    roles: list[str]
    since: int | None
    more: bool
    figures: list[SupplierFigure]


class PartyNamed(TypedDict):
    """Somebody who may be asked about."""

    did: str
    name: str


class SuppliersRecord(TypedDict):
    """One or two suppliers, side by side."""

    height: int
    evaluated_at: int
    leaf_min: int
    leaf_end: int
    suppliers: list[SupplierShown]
    parties: list[PartyNamed]


class SupplierAudit:
    """Computes figures when somebody asks; nothing of it is kept."""

    def __init__(
        self, history: GovernanceHistory, ledger: LedgerStore, office: OfficeStore, did: str
    ) -> None:
        self._history, self._ledger, self._office, self._did = history, ledger, office, did

    def of(self, suppliers: Sequence[str]) -> SuppliersRecord:
        """The figures of these parties. 400 for one that takes no part, or for more than two."""
        governance, now = self._history.latest, int(time.time())
        if len(suppliers) > SUPPLIERS_MAX:
            raise bad_request(
                "bad_argument", "at most {most} suppliers stand side by side", most=SUPPLIERS_MAX
            )
        named = [(did, governance.participant(did)) for did in dict.fromkeys(suppliers)]
        with self._ledger.reading(), self._office.reading():
            tip, end = self._ledger.tip(), self._ledger.leaves.count()
            begin = max(0, end - LEAVES_LOOKED_AT)
            shown = []
            for did, party in named:
                if party is None:
                    raise bad_request("bad_argument", "no participant of this network has that DID")
                shown.append(self._of(did, party, begin, now))
        parties = sorted(governance.participants.items(), key=lambda one: one[1].name)
        return {
            "height": tip.height if tip is not None else 0,
            "evaluated_at": now,
            "leaf_min": begin,
            "leaf_end": end,
            "suppliers": shown,
            "parties": [{"did": did, "name": party.name} for did, party in parties],
        }

    def _of(self, did: str, party: Participant, begin: int, now: int) -> SupplierShown:
        rows = self._ledger.leaves.newest_of_issuer(did, begin, STATEMENTS_READ_MAX)
        times = self._ledger.block_times({row.height for row in rows})
        more = begin > 0 or len(rows) == STATEMENTS_READ_MAX
        return {
            "did": did,
            "name": party.name,
            "jurisdiction": party.jurisdiction,
            "roles": list(party.roles),
            "since": min(times.values(), default=None),
            "more": more,
            "figures": [
                *_statements(rows, times),
                *_keys(party, now),
                *_cases(self._office.cases.counts_against(did, now)),
                *self._answers(did),
            ],
        }

    def _answers(self, did: str) -> list[SupplierFigure]:
        """How long this party's own requests to be shown sets waited for an answer."""
        asked = self._office.requested.of_pair(self._did, did)
        took = [row.answered_at - row.at for row in asked if row.answered_at is not None]
        waiting = sum(row.state == OPEN for row in asked)  # in 30 days, or since
        return [
            _figure("answer_median", median(took) if took else None, "seconds", len(took), OWN_NODE),
            _figure("requests_waiting", waiting, "count", len(asked), OWN_NODE),
        ]


def _statements(rows: Sequence[EntryRow], times: dict[int, int]) -> list[SupplierFigure]:
    refused = sum(row.type == "refused" for row in rows)
    late = list[int]()
    for row in rows:
        entry = parse_entry(row.entry)
        if isinstance(entry, AdmittedEntry | ClaimEntry) and row.height in times:
            late.append(max(0, times[row.height] - entry.attestation.event_time))
    said = len(rows) - refused
    late.sort()
    return [
        _figure("statements", said, "count", len(rows), LEDGER),
        _figure("late_median", median(late) if late else None, "seconds", len(late), LEDGER),
        _figure("late_tenth", late[len(late) * 9 // 10] if late else None, "seconds", len(late), LEDGER),
        _figure("refused", refused, "count", len(rows), LEDGER),
        _figure("refused_share", 100 * refused / len(rows) if rows else None, "percent", len(rows), LEDGER),
    ]


def _keys(party: Participant, now: int) -> list[SupplierFigure]:
    held = [key for key in party.keys if key.role == "attest"]
    age = min(((now - key.valid_from) / DAY_S for key in held if key.valid(now)), default=None)
    stolen = sum(key.compromised_from is not None for key in party.keys)
    return [
        _figure("key_age", age, "days", len(held), LEDGER),
        _figure("keys_stolen", stolen, "count", len(party.keys), LEDGER),
    ]


def _cases(counted: Mapping[str, int]) -> list[SupplierFigure]:
    return [
        _figure("cases_open", counted["open"], "count", counted["all"], OWN_NODE),
        _figure("cases_founded", counted["founded"], "count", counted["all"], OWN_NODE),
    ]


def _figure(name: str, value: float | None, unit: str, of: int, source: str) -> SupplierFigure:
    told = None if value is None else round(value, 1)
    return {"name": name, "value": told, "unit": unit, "of": of, "source": source}
