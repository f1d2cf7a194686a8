"""The demo's cast, batteries and manifest: data only, the same on every run.

Every party is invented, and so are the maker codes ZZ1 and ZZ2. The payload of each passport is the shipped
plausible BatteryPass 1.2 sample; what must differ from battery to battery (identifiers, serial, mass, dates,
category) is set here so that it agrees with the battery's GB/T 34014 code (rule X16).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

LAW_DATE = "2027-03-01"
GTIN_13 = "0952000012345"  # GS1 keeps prefix 952 for demonstrations; the check digit is added below
DAY_SYMBOLS = "123456789ABCDEFGHJKLMNPRSTUVWXY"  # config/rules/gbt34014.json, days 1 to 31


@dataclass(frozen=True, slots=True)
class Party:
    """One participant of the demo network: `key` names its folder under .demo/."""

    key: str
    did: str
    name: str
    jurisdiction: str
    roles: tuple[str, ...]
    validator: bool
    policy: str
    door: str | None = None


PARTIES = (
    Party(
        "manufacturer",
        "did:web:qinghe-cells.example",
        "Qinghe Cells (invented)",
        "CN",
        ("manufacturer", "vehicle_manufacturer"),  # it builds cars as well
        True,
        "manufacturer",
        "manufacturer",
    ),
    Party(
        "cn-authority",
        "did:web:traceability.cn-authority.example",
        "Chinese traceability authority (invented)",
        "CN",
        ("authority", "customs_origin", "customs"),
        True,
        "authority-cn",
    ),
    Party(
        "eu-authority",
        "did:web:surveillance.eu-authority.example",
        "EU market surveillance authority (invented)",
        "EU",
        ("authority", "market_surveillance"),
        True,
        "authority-eu",
    ),
    Party(
        "customs",
        "did:web:customs-nl.example",
        "Dutch customs (invented)",
        "EU",
        ("customs",),
        True,
        "customs-eu",
        "customs",
    ),
    Party(
        "importer",
        "did:web:nordkai-import.example",
        "Nordkai Import GmbH (invented)",
        "EU",
        ("importer", "holder"),
        False,
        "importer-eu",
        "importer",
    ),
    Party(
        "recycler",
        "did:web:elbe-recycling.example",
        "Elbe Recycling (invented)",
        "EU",
        ("recycler", "workshop", "waste_operator", "vehicle_dismantler"),
        False,
        "recycler",
    ),
)


@dataclass(frozen=True, slots=True)
class DemoBattery:
    """One battery of the scenario, by its code; `day` is its day of manufacture in June 2026."""

    code: str
    serial: int
    category: str
    day: int
    mass_kg: float
    vin: str | None = None

    @property
    def identifier(self) -> str:
        """The GS1 Digital Link that the operator attributes (Art 77(3)): an alias of the code."""
        return f"https://id.example.org/01/{GTIN_13}{check_digit(GTIN_13)}/21/{self.code[-14:]}"


def check_digit(digits: str) -> int:
    """GS1 check digit, modulo 10 with weights 3 and 1 from the right."""
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
    return -total % 10


def code_of(maker: str, spec: str, day: int, serial: int) -> str:
    """A GB/T 34014 pack code: ternary chemistry, made on `day` June 2026 (symbols G, 6, day)."""
    return f"{maker}PE{spec}QH00001G6{DAY_SYMBOLS[day - 1]}{serial:07d}"


def vin_of(serial: int) -> str:
    """A 17-character VIN under an invented world manufacturer identifier."""
    return f"ZZ9DEM0E0T{serial:07d}"


def make(
    serial: int, category: str = "ev", *, in_vehicle: bool = False, day: int | None = None
) -> DemoBattery:
    maker, spec = {"ev": ("ZZ1", "75"), "industrial": ("ZZ2", "S1"), "lmt": ("ZZ2", "T2")}[category]
    base = {"ev": 452.5, "industrial": 96.4, "lmt": 3.1}[category]
    made = day if day is not None else 1 + serial % 28
    return DemoBattery(
        code=code_of(maker, spec, made, serial),
        serial=serial,
        category=category,
        day=made,
        mass_kg=round(base + (serial % 7) / 10, 1),
        vin=vin_of(serial) if in_vehicle else None,
    )


# Sixty batteries of the consignment: 1-50 EV (39-50 come in vehicles), 51-55 storage, 56-60 two-wheelers.
VEHICLES = range(39, 51)
CONSIGNMENT = tuple(
    make(n, "industrial" if 51 <= n <= 55 else "lmt" if n >= 56 else "ev", in_vehicle=n in VEHICLES)
    for n in range(1, 61)
)
ALTERED, REVOKED, LOOSE_AS_CAR, DUPLICATED = 7, 13, 21, 28  # lines of the consignment
SECOND_PASSPORT, UNACCREDITED, RECYCLED, NEVER_ATTESTED, UNSUPPORTED, UNKNOWN = 61, 62, 63, 64, 65, 66

UNACCREDITED_BATTERY = DemoBattery(code_of("ZZ2", "75", 3, 9000062), 9000062, "ev", 3, 450.1)
RECYCLED_BATTERY = make(9000063)
NEVER_ATTESTED_BATTERY = make(9000064)
UNSUPPORTED_BATTERY = make(9000065)
UNKNOWN_BATTERY = make(9000066)
USED_BATTERY = make(9000101)
# Shown as new at the border, each with a life of its own on record.
LIVES = tuple(make(n) for n in range(9000102, 9000106))
LIFE_TITLES = (
    "taken out of a car, shown as new",
    "waste, shown as new",
    "revoked by an authority, published again",
    "claimed by a stranger, and honest",
)


def claims_of(sample: dict[str, Any], battery: DemoBattery) -> dict[str, Any]:
    """The seven BatteryPass submodels for one battery, made from the shipped `sample`."""
    claims = copy.deepcopy(sample)
    general = claims["GeneralProductInformation"]
    made = f"2026-06-{battery.day:02d}T09:14:27.000+08:00"
    general["productIdentifier"] = battery.identifier
    general["batteryPassportIdentifier"] = f"urn:bpass:{battery.code.lower()}"
    general["batteryCategory"] = battery.category
    general["batteryMass"] = battery.mass_kg
    general["manufacturingDate"] = made
    manufacturer, importer = PARTIES[0], PARTIES[4]
    general["manufacturerInformation"] |= {
        "contactName": manufacturer.name,
        "identifier": manufacturer.did,
        "webAddress": "https://qinghe-cells.example",
        "emailAddress": "passport@qinghe-cells.example",
    }
    general["operatorInformation"] |= {
        "contactName": importer.name,
        "identifier": importer.did,
        "webAddress": "https://nordkai-import.example",
        "emailAddress": "compliance@nordkai-import.example",
    }
    if battery.category == "lmt":  # the two-wheelers' passports lack one mandatory data point (24): a gap
        del claims["Circularity"]["renewableContent"]
    for value in claims["Performance"]["batteryCondition"].values():
        for part in value if isinstance(value, list) else [value]:
            part["lastUpdate"] = made
    return claims


DECLARATION = "26NLRTM7DEMO000066"
EORI = "DE999999999999999"
COMMODITY = {"battery": "8507600000", "in_vehicle": "8703801000"}


def line_of(number: int, battery: DemoBattery, **other: Any) -> dict[str, Any]:
    """One manifest line as the importer declares it."""
    goods = "in_vehicle" if battery.vin else "battery"
    return {
        "line": number,
        "battery": battery.code,
        "goods": goods,
        "condition": "new",
        "commodity_code": COMMODITY[goods],
        "vin": battery.vin,
        "mass_kg": battery.mass_kg,
        "registration_id": f"DEMO-REG-{battery.serial:07d}",
        **other,
    }


def manifest(documents: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """The manifest of 66 lines; `documents` are the credentials shown with a line."""
    lines = [line_of(n, battery) for n, battery in enumerate(CONSIGNMENT, start=1)]
    lines[LOOSE_AS_CAR - 1]["commodity_code"] = COMMODITY["in_vehicle"]  # a loose pack declared as a car
    lines += [
        line_of(SECOND_PASSPORT, CONSIGNMENT[DUPLICATED - 1]),
        line_of(UNACCREDITED, UNACCREDITED_BATTERY),
        line_of(RECYCLED, RECYCLED_BATTERY),
        line_of(NEVER_ATTESTED, NEVER_ATTESTED_BATTERY),
        line_of(UNSUPPORTED, UNSUPPORTED_BATTERY),
        line_of(UNKNOWN, UNKNOWN_BATTERY),
    ]
    for number, shown in documents.items():
        lines[number - 1]["documents"] = shown
    return {
        "declaration": DECLARATION,
        "consignee_eori": EORI,
        "law_date": LAW_DATE,
        "direction": "import",
        "lines": lines,
    }
