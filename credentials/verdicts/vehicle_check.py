"""No vehicle without registration: may this vehicle be registered, sold or scrapped, by what is on record?

    check_vehicle(found, asked, table, lifecycle) -> VehicleCheck

Every battery bound to the vehicle's number is looked at, each with what stands in the way; what could not be
looked at leaves the question open, and nothing looked at is no yes. Which finding stands in the way of which
act, and which leaving of a battery is lawful, is data (`config/vehicle-acts.toml`). Pure; the ledger decides
by the same functions when the act is recorded (X5, X6, X18, X21 in `ledger/rules.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.governance import Governance
from credentials.ledger.lifecycle import Event, Lifecycle
from credentials.ledger.records import Asset, asset_key
from credentials.ledger.rules import LOST, lawful_in_vehicle, of_one_hand, told_of
from credentials.ledger.standing import REFUSED, Standing, side_of
from credentials.table_shapes import ShapeError, listed, one_of, table, text, truth
from credentials.verdicts.evidence import LedgerView
from credentials.verdicts.record import Record

YES, NO, NOT_DECIDED = "yes", "no", "not_decided"
RECALLED = "recalled"
BATTERIES_MAX = 64  # named with one vehicle
FINDINGS = (
    *("none_on_record", "several_hands", "presence_not_checked", "scrapped"),  # of the vehicle
    *("no_record", "not_in_vehicle", "explained", "absent", "state", "elsewhere", "passport", "lost"),
    *("recalled", "recall_not_checked", "refused", "other_hands", "contested", "claims"),
)
_NAMES = listed(one_of(*FINDINGS), once=True)
_ACT = table({"name": text, "event": text, "no": _NAMES, "note": _NAMES}, {"present": truth})
_LAWFUL = table(
    {
        **{"event": text, "acts": listed(text), "jurisdictions": listed(text)},
        **{"empty": truth, "basis": text, "confirmed": truth},
    }
)
_SHAPE = table({"act": listed(_ACT, least=1), "lawful": listed(_LAWFUL)})


@dataclass(frozen=True, slots=True)
class VehicleAct:
    """What is asked before one act about a vehicle."""

    name: str
    event: str
    no: frozenset[str]
    note: frozenset[str]
    present: bool  # the batteries that are there have to be named


@dataclass(frozen=True, slots=True)
class LawfulLeaving:
    """An event by which a battery left a vehicle for a reason that the law accepts."""

    event: str
    acts: frozenset[str]
    jurisdictions: frozenset[str]
    empty: bool  # also where none is in the vehicle then
    basis: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class VehicleTable:
    """config/vehicle-acts.toml."""

    acts: Mapping[str, VehicleAct]
    lawful: tuple[LawfulLeaving, ...]

    @classmethod
    def parse(cls, rows: Mapping[str, Any], lifecycle: Lifecycle) -> VehicleTable:
        """Read the table strictly; raises CredentialError("rules_invalid", ...)."""
        try:
            _SHAPE(rows, "")
        except ShapeError as error:
            raise CredentialError("rules_invalid", f"what is asked of vehicles: {error}") from error
        acts = {
            row["name"]: VehicleAct(
                row["name"],
                row["event"],
                frozenset(row["no"]),
                frozenset(row["note"]),
                row.get("present", False),
            )
            for row in rows["act"]
        }
        lawful = tuple(
            LawfulLeaving(
                row["event"],
                frozenset(row["acts"]),
                frozenset(row["jurisdictions"]),
                row["empty"],
                row["basis"],
                row["confirmed"],
            )
            for row in rows["lawful"]
        )
        for kind in (*(act.event for act in acts.values()), *(one.event for one in lawful)):
            if lifecycle.event(kind) is None:
                raise CredentialError("rules_invalid", f"what is asked of vehicles: no event is named {kind}")
        both = next((act.name for act in acts.values() if act.no & act.note), None)
        if both is not None:
            raise CredentialError(
                "rules_invalid", f"what is asked of vehicles: {both} says no and note of one"
            )
        return cls(acts, lawful)


@dataclass(frozen=True, slots=True)
class PackFound:
    """What is known of one battery: bound to the vehicle, named by whoever asks, or both."""

    key: bytes  # standing key
    code: str | None  # canonical; None: no document held here says it
    standing: Standing | None
    named: bool
    family: tuple[Standing, ...] = ()  # what it came of
    recalls: tuple[str, ...] = ()  # where recalls reach it: a jurisdiction, "" by its maker
    recalls_open: bool = False  # whether others reach it cannot be said without its code
    said_here: tuple[str, ...] = ()  # kinds of what stands on its record about this vehicle, oldest first
    claims: int = 0

    @classmethod
    def read(
        cls, key: bytes, code: str, view: LedgerView, vehicle: Subject, governance: Governance, *, named: bool
    ) -> PackFound:
        """By its code: its whole record, and every recall that reaches it or what it came of."""
        record = Record.read(view, governance)
        kin = [r.covering_unnamed(k, view.relatives[k]) for k, r in view.kin_recalls.items()]
        reaching = (*view.recalls, *(one for sure, _ in kin for one in sure))
        return cls(
            key,
            code,
            view.standing,
            named,
            family=tuple(view.relatives.values()),
            recalls=tuple(one.jurisdiction for one in reaching),
            recalls_open=any(others for _, others in kin),
            said_here=tuple(
                r.attestation.kind
                for r in record.admitted
                if (there := r.attestation.bound_asset) is not None
                and asset_key(there) == asset_key(vehicle)
                and r.attestation.digest not in record.taken_back
            ),
            claims=view.claims.count if view.claims is not None else 0,
        )


@dataclass(frozen=True, slots=True)
class VehicleFound:
    """A vehicle with its batteries; `asset` None: the ledger knows nothing of it."""

    asset: Asset | None
    packs: tuple[PackFound, ...]


@dataclass(frozen=True, slots=True)
class VehicleQuestion:
    """Which act, where, and when."""

    act: str
    jurisdiction: str
    at: int


@dataclass(frozen=True, slots=True)
class VehicleFinding:
    """One thing that was found: `outcome` no, note or not_decided."""

    code: str
    outcome: str
    parameters: Mapping[str, str | int | list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PackCheck:
    """One battery with what was found; nothing: it was looked at, and nothing stands in the way."""

    key: bytes
    code: str | None
    findings: tuple[VehicleFinding, ...]


@dataclass(frozen=True, slots=True)
class VehicleCheck:
    """The answer, what was found of the vehicle, and of each battery."""

    answer: str
    findings: tuple[VehicleFinding, ...]
    packs: tuple[PackCheck, ...]


def check_vehicle(
    found: VehicleFound, asked: VehicleQuestion, rules: VehicleTable, lifecycle: Lifecycle
) -> VehicleCheck:
    """May the vehicle be registered, sold, scrapped: `asked.act` is one of `rules.acts`."""
    act = rules.acts[asked.act]
    event = lifecycle.event(act.event)
    assert event is not None, "VehicleTable.parse asks for it"
    lawful = {
        one.event: one
        for one in rules.lawful
        if asked.act in one.acts and asked.jurisdiction in one.jurisdictions
    }
    inside = frozenset(one.pack for one in found.asset.installed) if found.asset is not None else frozenset()
    return _Checking(found, asked, act, event, lifecycle, lawful, inside).answer()


@dataclass(frozen=True, slots=True)
class _Checking:
    found: VehicleFound
    asked: VehicleQuestion
    act: VehicleAct
    event: Event
    lifecycle: Lifecycle
    lawful: Mapping[str, LawfulLeaving]
    inside: frozenset[bytes]

    def answer(self) -> VehicleCheck:
        own = self._own()
        packs = tuple(PackCheck(p.key, p.code, tuple(self._of_pack(p, own))) for p in self.found.packs)
        findings = tuple(self._of_vehicle(own))
        outcomes = {f.outcome for f in (*findings, *(f for pack in packs for f in pack.findings))}
        answer = NO if NO in outcomes else NOT_DECIDED if NOT_DECIDED in outcomes else YES
        return VehicleCheck(answer, findings, packs)

    def _finding(self, code: str, **parameters: str | int | list[str]) -> VehicleFinding:
        outcome = NO if code in self.act.no else "note" if code in self.act.note else NOT_DECIDED
        return VehicleFinding(code, outcome, parameters)

    def _own(self) -> frozenset[bytes]:
        """The batteries that are the vehicle's: what the named ones answer for, all where none is named.

        Anybody may bind a battery of its own to a number that it read on a stranger's car: whoever names what
        is in the car is not held by that.
        """
        named = [p for p in self.found.packs if p.named and p.key in self.inside]
        return frozenset(key for p in named for key in self._of_hand(p)) if named else self.inside

    def _of_hand(self, pack: PackFound) -> frozenset[bytes]:
        assert self.found.asset is not None, "it is in the vehicle"
        if pack.standing is None:
            return frozenset({pack.key})
        return frozenset(
            of_one_hand(pack.standing, self.found.asset, {p.key: p.standing for p in self.found.packs}.get)
        )

    def _of_vehicle(self, own: frozenset[bytes]) -> Iterable[VehicleFinding]:
        named = any(pack.named for pack in self.found.packs)
        if not own and not any(self._leaves_empty(pack) for pack in self.found.packs):
            yield self._finding("none_on_record")
        packs = [pack for pack in self.found.packs if pack.key in own]
        if not named and any(self._of_hand(pack) != own for pack in packs):
            yield self._finding("several_hands", count=len(packs))
        if self.act.present and not named and own:
            yield self._finding("presence_not_checked", count=len(own))
        if by := self._scrapped_by(packs):
            yield self._finding("scrapped", by=by)

    def _scrapped_by(self, packs: Sequence[PackFound]) -> list[str]:
        """Who said that it was scrapped, of those whose word binds what is in it; of nothing, everybody."""
        if self.found.asset is None:
            return []
        ends = {kind for kind, e in self.lifecycle.events.items() if "X6" in e.guards}
        hands = {hand for p in packs if p.standing is not None for hand in told_of(p.standing)}
        said = self.found.asset.said.items()
        return sorted(h for h, kinds in said if ends & kinds.keys() and (not packs or h in hands))

    def _leaves_empty(self, pack: PackFound) -> bool:
        last = pack.said_here[-1] if pack.said_here else ""
        return pack.key not in self.inside and last in self.lawful and self.lawful[last].empty

    def _of_pack(self, pack: PackFound, own: frozenset[bytes]) -> Iterable[VehicleFinding]:
        standing = pack.standing
        if standing is None or not standing.born:
            yield self._finding("no_record")
            return
        if pack.key not in self.inside:
            yield self._gone(pack)
            return
        if pack.key not in own:
            yield self._finding("other_hands", holder=standing.holder or "")
            return
        if not pack.named and any(p.named for p in self.found.packs):
            yield self._finding("absent")
        yield from self._state(standing)
        yield from self._settings(pack, standing)
        if standing.contested or any(refused.rule in ("X1", "X2") for refused in standing.refusals):
            yield self._finding("contested", count=len(standing.contested) + standing.refusals_count)
        if pack.claims:
            yield self._finding("claims", count=pack.claims)

    def _gone(self, pack: PackFound) -> VehicleFinding:
        last = pack.said_here[-1] if pack.said_here else ""
        if (lawful := self.lawful.get(last)) is not None:
            return self._finding("explained", event=last, basis=lawful.basis)
        assert pack.standing is not None, "asked of what is on record"
        return self._finding("not_in_vehicle", state=pack.standing.item_state)

    def _state(self, standing: Standing) -> Iterable[VehicleFinding]:
        if not self.lifecycle.allows(self.event, standing.item_state):
            yield self._finding("state", state=standing.item_state)
        if standing.place not in (None, self.asked.jurisdiction):
            yield self._finding("elsewhere", place=standing.place)
        place = standing.place or self.asked.jurisdiction
        if not lawful_in_vehicle(standing, self.event, self.asked.at, place):
            status = standing.passport.status if standing.passport is not None else ""
            yield self._finding("passport", status=status)

    def _settings(self, pack: PackFound, standing: Standing) -> Iterable[VehicleFinding]:
        family = (standing, *pack.family)
        sides = ("", self.asked.jurisdiction)
        lost = {setting.by for one in family for setting in one.settings(LOST).values()}
        if lost:
            yield self._finding("lost", by=sorted(lost))
        set_by = {s.by for one in family for k, s in one.settings(RECALLED).items() if side_of(k) in sides}
        if set_by or any(side in sides for side in pack.recalls):
            yield self._finding("recalled", by=sorted(set_by))
        elif pack.recalls_open:
            yield self._finding("recall_not_checked")
        refused = {s.by for k, s in standing.settings(REFUSED).items() if side_of(k) in sides}
        if refused:
            yield self._finding("refused", by=sorted(refused))
