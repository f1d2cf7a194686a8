"""The invented parties of the second opinion: six that matter, and the customs of each side."""

from __future__ import annotations

from dataclasses import dataclass

MAKER = "did:web:maker.example"
RIVAL = "did:web:other-maker.example"
STRANGER = "did:web:workshop.example"
HOLDER = "did:web:importer.example"
CAR_MAKER = "did:web:vehicle-maker.example"
CN_AUTHORITY = "did:web:cn-authority.example"
EU_AUTHORITY = "did:web:eu-authority.example"
CN_CUSTOMS = "did:web:cn-customs.example"
EU_CUSTOMS = "did:web:customs.example"

TRADES = (
    "workshop", "swap_operator", "lab", "insurer", "vehicle_dismantler", "vehicle_manufacturer",
    "waste_operator", "licensed_dismantler", "collection_point", "recycler", "holder", "owner", "exporter",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Party:
    """Where a party is established, what it is accredited for, and the codes that are its own."""

    name: str
    jurisdiction: str
    roles: tuple[str, ...]
    namespaces: tuple[str, ...] = ()


PARTIES: dict[str, Party] = {
    # The maker also prepares for a second life, so that a successor can be brought into being in its codes.
    MAKER: Party("maker", "CN", ("manufacturer", "producer", "second_life_operator"), ("ZZ1",)),
    RIVAL: Party("rival", "EU", ("manufacturer", "importer", "exporter", "distributor"), ("ZZ3",)),
    STRANGER: Party("stranger", "EU", TRADES),
    HOLDER: Party("holder", "EU", ("importer", "distributor", *TRADES)),
    CAR_MAKER: Party("car maker", "CN", ("vehicle_manufacturer",)),
    CN_AUTHORITY: Party("authority CN", "CN", ("authority", "customs_origin", "registration_authority")),
    EU_AUTHORITY: Party("authority EU", "EU", ("authority", "market_surveillance", "registration_authority")),
    CN_CUSTOMS: Party("customs CN", "CN", ("customs",)),
    EU_CUSTOMS: Party("customs EU", "EU", ("customs",)),
}


def name(did: str) -> str:
    return PARTIES[did].name if did in PARTIES else did


def side(did: str) -> str:
    """The jurisdiction of a party; a party without a node has none here."""
    return PARTIES[did].jurisdiction if did in PARTIES else "-"


def is_authority(did: str) -> bool:
    return did in PARTIES and bool({"authority", "customs", "customs_origin"} & set(PARTIES[did].roles))


def is_customs(did: str) -> bool:
    return did in PARTIES and bool({"customs", "customs_origin"} & set(PARTIES[did].roles))


def is_customs_only(did: str) -> bool:
    return is_customs(did) and "authority" not in PARTIES[did].roles
