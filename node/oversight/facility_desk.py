"""Who does what on a side that this party supervises: parties and their licences, by facility and month.

Reads what `tallying.py` added up, who holds which licence now, and the alerts that are open about each. What
is recorded under no licence that governs at its height stands under its party alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.parties import Accreditation
from node.errors import bad_request
from node.oversight.alerting import sides_of
from node.oversight.tallying import month_of
from node.storage.alerts import PartyAlerts
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.tallies import FacilityTally, MonthTally, TallyFilter

ROWS_MAX = 300  # facilities on one page
MONTHS = 12  # that are shown where nobody asks for others
MONTHS_MAX = 36
IN_FORCE, SUSPENDED, NOT_YET, ENDED, NONE = "in_force", "suspended", "not_yet", "ended", "none"
FULL = 1_000  # height of the highest bar


class FacilityRow(TypedDict):
    """A party under one licence, and what it recorded in the months shown; masses in grams."""

    party: str
    party_name: str | None
    facility: str  # the licence; "" for what was recorded under none
    side: str
    roles: list[str]
    state: str  # in_force | suspended | not_yet | ended | none
    valid_until: int | None
    changed: bool  # its state is another than when whoever asks has looked last
    events: int
    refused: int  # lost by a rule
    made: int
    taken_in: int
    given_out: int
    alerts_open: int  # about the party, whatever the licence
    alerts_new: int


class MonthRow(TypedDict):
    """One month of what is asked for; masses in grams."""

    month: str  # 2027-03
    events: int
    refused: int
    made: int
    taken_in: int
    given_out: int
    bar: int  # of FULL, the month with most


class KindRow(TypedDict):
    """One event over the months shown."""

    kind: str
    events: int
    grams: int


class MetalRow(TypedDict):
    """One metal over all that was looked at, whoever it was and in whatever month; in grams."""

    metal: str  # "": nobody showed here of which metal or lot it is: not checked
    recovered: int
    in_lots: int
    in_new: int  # in new batteries, as their makers name lots


class FacilitiesAnswer(TypedDict):
    """What happens on the sides that this party supervises."""

    sides: list[str]  # none: it is no authority, and nothing is counted
    since: str  # the first month
    until: str
    facilities: list[FacilityRow]
    not_shown: bool  # there are more facilities than one page shows
    months: list[MonthRow]
    kinds: list[KindRow]
    metals: list[MetalRow]
    looked_at: int | None  # when whoever asks has looked last
    counted_until: int  # leaves of the log
    log_size: int


@dataclass(frozen=True, slots=True)
class _Licence:
    """Licences of one party that its authority calls the same."""

    roles: tuple[str, ...]
    state: str
    valid_until: int | None
    changed: bool


class FacilityDesk:
    """Reads; any thread."""

    def __init__(
        self, did: str, office: OfficeStore, ledger: LedgerStore, history: GovernanceHistory
    ) -> None:
        self._did, self._office, self._ledger, self._history = did, office, ledger, history

    def overview(self, asked: dict[str, str], who: str) -> FacilitiesAnswer:
        """Facilities, months and events, as far as the address asks for; 400 for a month that is none."""
        now, governance = int(time.time()), self._history.latest
        since, until = _months(asked.get("since", ""), asked.get("until", ""), now)
        sides = sorted(sides_of(self._did, governance, now))
        side = asked.get("side", "")
        named = {name: asked.get(name, "")[:200] for name in ("party", "facility", "kind")}
        seen_sides = tuple(one for one in sides if side in ("", one))
        wanted = TallyFilter(seen_sides, since, until, **named)
        with self._office.reading():
            seen, looked_at = self._office.alerts.looked(who)
            sums = self._office.tallies.by_facility(wanted, ROWS_MAX + 1)
            months = self._office.tallies.by_month(wanted)
            kinds = self._office.tallies.by_kind(wanted)
            alerts = self._office.alerts.by_party(seen)
            metals = self._office.lot_amounts.by_metal() if sides else []
            counted = self._office.tallies.counted_until()
        held = _held(governance, wanted, now, looked_at)
        rows = [_row(key, one, held.get(key), governance, alerts) for key, one in _keyed(sums, held)]
        return {
            "sides": sides,
            "since": _month(since),
            "until": _month(until),
            "facilities": rows[:ROWS_MAX],
            "not_shown": len(rows) > ROWS_MAX,
            "months": _bars(months, since, until),
            "kinds": [{"kind": kind, "events": count, "grams": grams} for kind, count, grams in kinds],
            "metals": [
                {"metal": m.metal, "recovered": m.recovered, "in_lots": m.in_lots, "in_new": m.in_new}
                for m in metals
            ],
            "looked_at": looked_at,
            "counted_until": counted,
            "log_size": self._ledger.log_size(),
        }


_Key = tuple[str, str, str]  # party, licence, side


def _held(
    governance: Governance, wanted: TallyFilter, now: int, looked_at: int | None
) -> dict[_Key, _Licence]:
    """The licences of these sides, and of parties of them."""
    found: dict[_Key, list[Accreditation]] = {}
    for one in governance.accreditations:
        party = governance.participant(one.participant)
        home = party.jurisdiction if party is not None else ""
        if not {one.jurisdiction, home} & set(wanted.sides):
            continue
        if wanted.party in ("", one.participant) and wanted.facility in ("", one.licence):
            found.setdefault((one.participant, one.licence, one.jurisdiction), []).append(one)
    return {key: _licence(given, now, looked_at) for key, given in found.items()}


def _licence(given: list[Accreditation], now: int, looked_at: int | None) -> _Licence:
    best = min(given, key=lambda one: _ORDER[_state(one, now)])
    before = _state(best, looked_at) if looked_at is not None else _state(best, now)
    roles = tuple(dict.fromkeys(role for one in given for role in one.roles))
    return _Licence(roles, _state(best, now), best.valid_until, before != _state(best, now))


_ORDER = {IN_FORCE: 0, SUSPENDED: 1, NOT_YET: 2, ENDED: 3}


def _state(given: Accreditation, at: int) -> str:
    if given.in_force(at):
        return IN_FORCE
    if given.is_suspended(at):
        return SUSPENDED
    return NOT_YET if at < given.valid_from else ENDED


def _keyed(
    sums: Iterable[FacilityTally], held: dict[_Key, _Licence]
) -> list[tuple[_Key, FacilityTally | None]]:
    """Those with most first, then who recorded nothing in these months."""
    found: dict[_Key, FacilityTally | None] = {(one.party, one.facility, one.side): one for one in sums}
    return [*found.items(), *((key, None) for key in sorted(held) if key not in found)]


def _row(
    key: _Key,
    sums: FacilityTally | None,
    licence: _Licence | None,
    governance: Governance,
    alerts: dict[str, PartyAlerts],
) -> FacilityRow:
    party = governance.participant(key[0])
    about = alerts.get(key[0])
    return {
        "party": key[0],
        "party_name": party.name if party is not None else None,
        "facility": key[1],
        "side": key[2],
        "roles": list(licence.roles) if licence is not None else [],
        "state": licence.state if licence is not None else NONE,
        "valid_until": licence.valid_until if licence is not None else None,
        "changed": licence is not None and licence.changed,
        "events": sums.events if sums is not None else 0,
        "refused": sums.refused if sums is not None else 0,
        "made": sums.made if sums is not None else 0,
        "taken_in": sums.taken_in if sums is not None else 0,
        "given_out": sums.given_out if sums is not None else 0,
        "alerts_open": about.open if about is not None else 0,
        "alerts_new": about.new if about is not None else 0,
    }


def _bars(found: list[MonthTally], since: int, until: int) -> list[MonthRow]:
    """Every month of the time asked for, also one in which nothing was."""
    known = {one.month: one for one in found}
    most = max((one.events + one.refused for one in found), default=0)
    rows: list[MonthRow] = []
    month = since
    while month <= until:
        one = known.get(month, MonthTally(month, 0, 0, 0, 0, 0))
        rows.append(
            {
                "month": _month(month),
                "events": one.events,
                "refused": one.refused,
                "made": one.made,
                "taken_in": one.taken_in,
                "given_out": one.given_out,
                "bar": (one.events + one.refused) * FULL // most if most else 0,
            }
        )
        month = _later(month, 1)
    return rows


def _months(since: str, until: str, now: int) -> tuple[int, int]:
    """The months asked for, both included; 400."""
    last = _read("until", until) if until else month_of(now)
    first = _read("since", since) if since else _later(last, 1 - MONTHS)
    if first > last or _later(first, MONTHS_MAX) <= last:
        raise bad_request("bad_months", "Ask for 1 to {most} months, the first one first.", most=MONTHS_MAX)
    return first, last


def _read(name: str, text: str) -> int:
    year, _, month = text.partition("-")
    digits = text.isascii() and (year + month).isdigit()
    if not digits or (len(year), len(month)) != (4, 2) or not 1 <= int(month) <= 12 or int(year) < 2000:
        raise bad_request("bad_month", "`{name}` must be a month, YYYY-MM.", name=name)
    return int(year + month)


def _later(month: int, count: int) -> int:
    """So many months later, or earlier."""
    whole = month // 100 * 12 + month % 100 - 1 + count
    return whole // 12 * 100 + whole % 12 + 1


def _month(month: int) -> str:
    return f"{month // 100:04d}-{month % 100:02d}"
