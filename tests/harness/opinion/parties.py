"""The invented parties of the second opinion: six that matter, and the customs of each side; a third side."""

from __future__ import annotations

from dataclasses import dataclass, replace

MAKER = "did:web:maker.example"
RIVAL = "did:web:other-maker.example"
STRANGER = "did:web:workshop.example"
HOLDER = "did:web:importer.example"
CAR_MAKER = "did:web:vehicle-maker.example"
CN_AUTHORITY = "did:web:cn-authority.example"
EU_AUTHORITY = "did:web:eu-authority.example"
CN_CUSTOMS = "did:web:cn-customs.example"
EU_CUSTOMS = "did:web:customs.example"
IN_AUTHORITY = "did:web:in-authority.example"
IN_CUSTOMS = "did:web:in-customs.example"
IN_HOLDER = "did:web:in-importer.example"
IN_STRANGER = "did:web:in-workshop.example"

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

# Whoever acts in a country between the two, in histories of three (`third.py`).
THIRD: dict[str, Party] = {
    IN_AUTHORITY: replace(PARTIES[EU_AUTHORITY], name="authority IN", jurisdiction="IN"),
    IN_CUSTOMS: replace(PARTIES[EU_CUSTOMS], name="customs IN", jurisdiction="IN"),
    IN_HOLDER: replace(PARTIES[HOLDER], name="holder IN", jurisdiction="IN"),
    IN_STRANGER: replace(PARTIES[STRANGER], name="stranger IN", jurisdiction="IN"),
}
WITH_A_THIRD = PARTIES | THIRD


def name(did: str) -> str:
    return WITH_A_THIRD[did].name if did in WITH_A_THIRD else did


def side(did: str) -> str:
    """The jurisdiction of a party; a party without a node has none here."""
    return WITH_A_THIRD[did].jurisdiction if did in WITH_A_THIRD else "-"


def is_authority(did: str) -> bool:
    return did in WITH_A_THIRD and bool(
        {"authority", "customs", "customs_origin"} & set(WITH_A_THIRD[did].roles)
    )


def is_customs(did: str) -> bool:
    return did in WITH_A_THIRD and bool({"customs", "customs_origin"} & set(WITH_A_THIRD[did].roles))


def is_customs_only(did: str) -> bool:
    return is_customs(did) and "authority" not in WITH_A_THIRD[did].roles
