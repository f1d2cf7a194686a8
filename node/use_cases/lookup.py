"""One box for what people know of goods: a code, a link, a vehicle's number, a declaration, part of any."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypedDict

import orjson

from credentials.ledger.attestation import standing_key
from credentials.ledger.records import Asset, asset_key
from credentials.verdicts.verdict_record import ItemRecord
from node.answers import ConsignmentListed, LineAnswer, PassportAnswer
from node.errors import ProblemError
from node.issuing.issuing import Issuing
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.use_cases.batteries import Batteries, StandingAnswer
from node.verdicts.overtaking import Overtaking

VIN = "vin"
SHOWN = 20  # of each sort


class FoundBattery(TypedDict):
    """A code that was read, and what the ledger has on record of it; None: no record."""

    battery: str
    scheme: str
    standing: StandingAnswer | None


class FoundLine(TypedDict):
    """An open line about this battery, of a consignment of this node, with its word."""

    consignment: str
    declaration: str
    verdict: LineAnswer


class FoundVehicle(TypedDict):
    """The batteries on record in a vehicle; `unnamed`: how many have a code that this node does not know."""

    vin: str
    known: bool
    batteries: list[str]
    unnamed: int


class Named(TypedDict):
    """What a text names if it is a code; None: it names none, or whoever asks may not see it."""

    code: str | None  # in its one spelling
    not_a_code: str | None  # why it was not read as one
    battery: FoundBattery | None
    vehicle: FoundVehicle | None


class FoundAnswer(Named):
    """The same, and the lists of this node in which its words stand; None: not for whoever asks."""

    q: str
    lines: list[FoundLine] | None  # those judged last come first
    passports: list[PassportAnswer] | None
    consignments: list[ConsignmentListed] | None


class Lookup:
    """Reads what somebody typed or scanned as a code, and looks it up."""

    def __init__(
        self,
        issuing: Issuing,
        batteries: Batteries,
        ledger: LedgerStore,
        office: OfficeStore,
        overtaking: Overtaking,
    ) -> None:
        self._issuing = issuing
        self._batteries = batteries
        self._ledger = ledger
        self._office = office
        self._overtaking = overtaking

    def find(self, text: str, *, staff: bool) -> Named:
        """What `text` names, in any spelling; `staff` sees into vehicles."""
        found: Named = {"code": None, "not_a_code": None, "battery": None, "vehicle": None}
        try:
            identifier = self._issuing.signing.identifier(text)
        except ProblemError as error:
            if error.status != 400:
                raise
            return {**found, "not_a_code": str(error)}
        found["code"] = identifier.canonical
        about = self._issuing.signing.subject(identifier)
        if identifier.scheme == VIN:
            found["vehicle"] = self._vehicle(identifier.canonical, asset_key(about)) if staff else None
            return found
        known = self._batteries.battery(text)
        found["battery"] = {
            "battery": known["battery"],
            "scheme": known["scheme"],
            "standing": known["standing"],
        }
        return found

    def open_lines(self, battery: str) -> list[ItemRecord]:
        """Open lines about a battery, those of the consignments that came last."""
        key = standing_key(self._issuing.signing.subject(self._issuing.signing.identifier(battery)))
        with self._office.reading():
            lines = self._office.overtaken.newest_about(key, SHOWN)
            places = [(consignment, line) for consignment, line, _ in lines]
            bodies = self._office.consignments.items_at(places)
            behind = self._overtaking.of(places)
        found = list[ItemRecord]()
        for place, (consignment, _, declaration) in zip(places, lines, strict=True):
            item: ItemRecord = orjson.loads(bodies[place])
            named: ItemRecord = {**item, "consignment": consignment, "declaration": declaration}
            found.append({**named, "overtaken": place in behind})
        return found

    def _vehicle(self, vin: str, key: bytes) -> FoundVehicle:
        """The ledger has digests: a code is known from a document of the battery that is held here."""
        record = self._ledger.standings.records((key,)).get(key)
        if record is None:
            return {"vin": vin, "known": False, "batteries": [], "unnamed": 0}
        inside = [one.pack for one in Asset.decode(record).installed]
        named = self.codes_of(inside)
        codes = [named[pack] for pack in inside if pack in named]
        return {"vin": vin, "known": True, "batteries": codes, "unnamed": len(inside) - len(codes)}

    def codes_of(self, packs: Sequence[bytes]) -> dict[bytes, str]:
        """The codes of those of which a document is held that says it, by their keys."""
        said = self._ledger.leaves.newest_of_each(packs, SHOWN)
        digests = [row.document_digest for row in chain(*said.values()) if row.document_digest]
        held = self._office.documents.get_many(digests)
        found: dict[bytes, str] = {}
        for pack, rows in said.items():
            documents = (held.get(row.document_digest or b"") for row in rows)
            if code := next((one.battery for one in documents if one is not None and one.battery), None):
                found[pack] = code
        return found
