"""No vehicle without registration: may a vehicle be registered, sold or scrapped, by what is on record?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache

from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Identifier, Subject
from credentials.ledger.attestation import standing_key
from credentials.ledger.recalls import recalls_of
from credentials.ledger.records import Asset, Claims, asset_key, claims_key
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import relatives_of
from credentials.verdicts.hands import by_own_names
from credentials.verdicts.policy import Policy
from credentials.verdicts.vehicle_check import (
    BATTERIES_MAX,
    PackFound,
    VehicleFinding,
    VehicleFound,
    VehicleQuestion,
    VehicleTable,
    check_vehicle,
)
from node.config import read_table, shipped
from node.errors import bad_request
from node.issuing.issuing import Issuing
from node.storage.ledger import LedgerStore
from node.use_cases.lookup import VIN, Lookup
from node.use_cases.parts import battery_named
from node.vehicle_answers import FindingRecord, VehicleRecord
from node.verdicts.sources import Gathering

TABLE = "vehicle-acts.toml"


@cache
def _rows() -> dict[str, object]:
    return read_table(TABLE, shipped(TABLE))


class VehicleDesk:
    """Reads a vehicle's batteries and asks the rules about them."""

    def __init__(
        self, issuing: Issuing, gathering: Gathering, ledger: LedgerStore, lookup: Lookup, policy: Policy
    ) -> None:
        self._issuing = issuing
        self._gathering = gathering
        self._ledger = ledger
        self._lookup = lookup
        self._policy = policy

    @property
    def acts(self) -> list[str]:
        """What may be asked about, by name."""
        return list(self._table().acts)

    def check(
        self, vin: str, act: str, batteries: Sequence[str] = (), jurisdiction: str | None = None
    ) -> VehicleRecord:
        """May it? `batteries`: those that are in it, or were; read now, by the rules in force."""
        vehicle, named = self._vehicle(vin), [battery_named(self._issuing, text) for text in batteries]
        table = self._table()
        if act not in table.acts:
            told = "Ask about one of these: {acts}."
            raise bad_request("vehicle_act_unknown", told, acts=", ".join(table.acts))
        now, lifecycle = int(time.time()), self._gathering.history.latest.lifecycle
        asked = VehicleQuestion(act, jurisdiction or self._policy.jurisdiction, now)
        with self._ledger.reading():
            network = self._gathering.network_view()
            found = self._found(self._issuing.signing.subject(vehicle), named)
        made = check_vehicle(found, asked, table, lifecycle)
        return {
            "vin": vehicle.canonical,
            "act": act,
            "jurisdiction": asked.jurisdiction,
            "answer": made.answer,
            "height": network.height,
            "block_time": network.block_time,
            "evaluated_at": now,
            "findings": [_record(one) for one in made.findings],
            "batteries": [
                {
                    "battery": pack.code,
                    "key": b64u(pack.key),
                    "findings": [_record(one) for one in pack.findings],
                }
                for pack in made.packs
            ],
        }

    def _table(self) -> VehicleTable:
        return VehicleTable.parse(_rows(), self._gathering.history.latest.lifecycle)

    def _vehicle(self, text: str) -> Identifier:
        found = self._issuing.signing.identifier(text)
        if found.scheme != VIN:
            told = "Give the vehicle's identification number (17 characters): {code} names no vehicle."
            raise bad_request("vehicle_expected", told, code=found.canonical[:80])
        return found

    def _found(self, about: Subject, named: Sequence[Identifier]) -> VehicleFound:
        data = self._ledger.standings.records((asset_key(about),)).get(asset_key(about))
        asset = Asset.decode(data) if data is not None else None
        inside = [one.pack for one in asset.installed] if asset is not None else []
        by_key = {standing_key(self._issuing.signing.subject(one)): one for one in named}
        told = self._lookup.codes_of([key for key in inside[:BATTERIES_MAX] if key not in by_key])
        read = {key: self._issuing.signing.identifier(code) for key, code in told.items()}
        keys = list(dict.fromkeys((*inside, *by_key)))
        packs = []
        for key in keys:
            code = by_key.get(key) or read.get(key)
            packs.append(
                self._pack(key, code, about, named=key in by_key) if code is not None else self._unnamed(key)
            )
        return VehicleFound(asset, tuple(packs))

    def _pack(self, key: bytes, code: Identifier, vehicle: Subject, *, named: bool) -> PackFound:
        """By its code: its whole record, and every recall that reaches it."""
        about, governance = self._issuing.signing.subject(code), self._gathering.history.latest
        view = self._gathering.ledger_view(about, code)
        return PackFound.read(key, code.canonical, view, vehicle, governance, named=named)

    def _unnamed(self, key: bytes) -> PackFound:
        """By its key alone: whether recalls by code reach it cannot be said."""
        records = self._ledger.standings.records((key, claims_key(key)))
        standing = self._standing(records[key]) if key in records else None
        claims = Claims.decode(records[claims_key(key)]) if claims_key(key) in records else None
        family = relatives_of(standing, self._standings)
        about = {**family, **({key: standing} if standing is not None else {})}
        reaching = [
            recalls.covering_unnamed(k, about[k])
            for k, recalls in recalls_of(about, self._ledger.standings.records).items()
        ]
        return PackFound(
            key,
            None,
            standing,
            named=False,
            family=tuple(family.values()),
            recalls=tuple(one.jurisdiction for sure, _ in reaching for one in sure),
            recalls_open=any(others for _, others in reaching),
            claims=claims.count if claims is not None else 0,
        )

    def _standings(self, keys: Sequence[bytes]) -> dict[bytes, Standing]:
        return {
            key: self._standing(data) for key, data in self._ledger.standings.records(tuple(keys)).items()
        }

    def _standing(self, data: bytes) -> Standing:
        return by_own_names(Standing.decode(data), self._gathering.history.latest)


def _record(finding: VehicleFinding) -> FindingRecord:
    return {"code": finding.code, "outcome": finding.outcome, "parameters": dict(finding.parameters)}
