"""What a battery's label says: Annex VI, Part A, to Reg (EU) 2023/1542, and what its data carrier holds.

All of it is read from the passport that was signed; what the passport does not give is named, never made up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credentials.documents.code_schemes import LABEL_PATH
from credentials.documents.identifiers import Identifier
from credentials.documents.selecting import values_of

JSON = Mapping[str, Any]

# Annex VI, Part A, in its order: the data points of the Commission's list that answer each of its points.
ANNEX_VI_A: Mapping[str, tuple[int, ...]] = {
    "manufacturer": (3, 4, 5),
    "category": (6,),
    "place": (8,),
    "date": (9,),
    "weight": (10,),
    "capacity": (11,),
    "chemistry": (12,),
    "hazardous": (13,),
    "extinguishing": (14,),
    "critical": (15,),
}
UNITS = {10: "kg", 11: "Ah"}  # of data points whose name does not say it
SHARE_OF_SIDE = 0.03  # of the area of the battery's largest side (Art 13(4))
COLLECTION_MM_MAX, COLLECTION_MM_MIN, ON_PACKAGING_MM = 50.0, 4.7, 10.0
MODULE_MM_MIN, MODULE_MM, MODULE_MM_MAX = 0.25, 1.0, 1.3
_ADDRESS = ("streetAddress", "postalCode", "addressLocality", "addressCountry")
_DIGITAL_LINK = "/01/"


@dataclass(frozen=True, slots=True)
class Label:
    """A label before it is drawn."""

    code: str  # for people, beside the data carrier
    link: str  # in the data carrier
    told: Mapping[str, str]  # by point of Annex VI, Part A, as ANNEX_VI_A names it
    missing: tuple[str, ...]  # the points that the passport does not answer


@dataclass(frozen=True, slots=True)
class Marks:
    """What the maker decides about a label, because no passport says it."""

    symbology: str = "qr"
    module_mm: float = MODULE_MM
    side_mm: tuple[float, float] | None = (
        None  # of the battery's largest side; None: as large as can be asked
    )
    ce: bool = False
    notified_body: str = ""  # its number, four digits, beside CE (Art 20(3))
    cadmium: bool = False  # more than 0.002 % (Art 13(5))
    lead: bool = False  # more than 0.004 %

    @property
    def collection_mm(self) -> float:
        """The side of the symbol for separate collection; too small a one goes on the packaging."""
        if self.side_mm is None:
            return COLLECTION_MM_MAX
        wanted = math.sqrt(SHARE_OF_SIDE * self.side_mm[0] * self.side_mm[1])
        return min(COLLECTION_MM_MAX, wanted) if wanted >= COLLECTION_MM_MIN else ON_PACKAGING_MM


def label_of(claims: JSON, paths: JSON, identifier: Identifier, base_url: str) -> Label:
    """The label of a battery. `claims`: of the public set; `paths`: the table of passport-paths.json."""
    told = dict[str, str]()
    for name, points in ANNEX_VI_A.items():
        values = [value for point in points for value in values_of(claims, paths["dataPoints"][str(point)])]
        if text := ", ".join(dict.fromkeys(filter(None, (_text(name, value) for value in values)))):
            told[name] = text
    missing = tuple(name for name in ANNEX_VI_A if name not in told)
    return Label(identifier.canonical, carrier_link(identifier, base_url), told, missing)


def carrier_link(identifier: Identifier, base_url: str) -> str:
    """The address that opens the passport: a GS1 Digital Link of this node, or its own short one.

    An identifier that is a URI stands as it is: where it leads is its maker's affair.

    Where nothing in it is told apart by case, scheme and host are in capitals as well (RFC 3986, 6.2.2.1):
    the smaller alphabet of a QR code then does for all of it.
    """
    head, _, path = base_url.partition("://")
    host, slash, below = path.partition("/")
    text = identifier.canonical
    if identifier.scheme == "uri":
        return text
    if identifier.scheme == "gs1":
        rest = below.rstrip("/") + _DIGITAL_LINK + text.partition(_DIGITAL_LINK)[2]
    else:
        rest = below.rstrip("/") + LABEL_PATH + text
    if rest == rest.upper():
        head, host = head.upper(), host.upper()
    return f"{head}://{host}{slash if below else ''}{rest}"


def _text(name: str, value: Any) -> str:
    """A value as a label prints it."""
    if name == "date":
        return f"{value[5:7]}/{value[:4]}" if isinstance(value, str) else ""  # month and year; ISO 8601
    if (unit := UNITS.get(ANNEX_VI_A[name][0])) is not None:
        return f"{value:g} {unit}"
    if isinstance(value, Mapping):
        return _of_members(name, value)
    return str(value)


def _of_members(name: str, value: JSON) -> str:
    if name == "chemistry":
        short, clear = value.get("shortName"), value.get("clearName")
        return f"{short} ({clear})" if short and clear else str(short or clear or "")
    if name == "hazardous":
        return str(value.get("hazardousSubstanceName", ""))
    return ", ".join(str(value[part]) for part in _ADDRESS if value.get(part))
