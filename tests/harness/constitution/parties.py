"""The invented network of the model test: its parties, all keys they will ever have, its genesis."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from hashlib import sha256
from typing import Any

from consensus.cose import SeedSigner
from credentials.documents.canonical import b64u
from credentials.documents.keys import multikey_encode
from credentials.ledger.approvals import ACTIONS
from credentials.ledger.genesis import Genesis
from credentials.ledger.genesis_table import read_accreditations, read_participant
from credentials.ledger.parties import KEY_ROLES, Limits
from tests.harness.constitution.tables import (
    APPROVALS,
    LIMITS,
    VALIDATORS,
    VERSION,
    Id,
    Table,
    accreditation_name,
    recognition_name,
)
from tests.harness.ledger import CREATED, make_genesis, rule_files

MAKER, IMPORTER = "did:web:maker.example", "did:web:importer.example"
WORKSHOP, OUTSIDER = "did:web:workshop.example", "did:web:outsider.example"
CUSTOMS = "did:web:customs.example"
CN_ONE, CN_TWO = "did:web:cn-authority.example", "did:web:cn-office.example"
EU_ONE, EU_TWO = "did:web:eu-authority.example", "did:web:eu-office.example"
THIRD = "IN"

HOMES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    MAKER: ("CN", ("manufacturer",)),
    IMPORTER: ("EU", ("importer",)),
    WORKSHOP: ("EU", ("workshop",)),
    OUTSIDER: ("CN", ()),
    CUSTOMS: ("EU", ("customs",)),
    CN_ONE: ("CN", ("authority",)),
    CN_TWO: ("CN", ("authority",)),
    EU_ONE: ("EU", ("authority",)),
    EU_TWO: ("EU", ("authority",)),
}
VOTING = (MAKER, CN_ONE, EU_ONE, CUSTOMS)
WITHOUT_RECOVERY = (WORKSHOP,)

HOUR_S = 3_600
RULES = {  # every wait short, so that walks pass many of them
    "approvals_min": 2,
    "jurisdictions": ["CN", "EU"],
    "quorum_jurisdictions": ["CN", "EU"],
    "proposal_s_max": 30 * HOUR_S,
    "stop_s": 6 * HOUR_S,
    "objection_s": 8 * HOUR_S,
    "removal_s": 10 * HOUR_S,
    "proposals_per_party_max": 8,
    "actions": dict(ACTIONS),
}


# -- keys ------------------------------------------------------------------------------------------------


@cache
def key(did: str, role: str, number: int = 1) -> SeedSigner:
    """A key of a party; every number is another one."""
    return SeedSigner(f"{did}#{role}-{number}", sha256(f"{did}/{role}/{number}".encode()).digest())


@cache
def recovery(did: str, number: int = 1) -> SeedSigner:
    """A key that a party keeps offline."""
    return SeedSigner(f"{did}#recovery", sha256(f"{did}/recovery/{number}".encode()).digest())


@cache
def recovery_digest(did: str, number: int = 1) -> str:
    """What a participant's record says of it."""
    return b64u(sha256(recovery(did, number).public_key).digest())


@cache
def public_text(did: str, role: str, number: int) -> str:
    return multikey_encode(key(did, role, number).public_key)


def key_table(did: str, role: str, number: int, valid_from: int) -> dict[str, Any]:
    """A key as a participant's record has it."""
    signer = key(did, role, number)
    return {
        "role": role,
        "id": signer.key_id,
        "public": public_text(did, role, number),
        "valid_from": valid_from,
    }


def participant_of(
    did: str, place: str, *, roles: Sequence[str] = (), with_recovery: bool = True, since: int = CREATED
) -> dict[str, Any]:
    """A participant with a key of each role."""
    return {
        "did": did,
        "name": did.removeprefix("did:web:"),
        "jurisdiction": place,
        "roles": list(roles),
        **({"recovery": recovery_digest(did)} if with_recovery else {}),
        "keys": [key_table(did, role, 1, since) for role in KEY_ROLES],
    }


def licence_of(did: str, place: str, roles: Sequence[str], **more: Any) -> dict[str, Any]:
    """A licence; a maker's is for a code of its own."""
    code = sha256(did.encode()).hexdigest()[:3].upper() if "manufacturer" in roles else "*"
    table = {
        "participant": did, "roles": list(roles), "schemes": [["gbt34014", code]], "licence": "",
        "jurisdiction": place, "valid_from": CREATED - 86_400,
    }  # fmt: skip
    return table | more


# -- genesis ---------------------------------------------------------------------------------------------


@cache
def small_rules() -> tuple[bytes, bytes]:
    """The life cycle with one event alone, which is read ten times as fast; and a second version of it."""
    table = json.loads(rule_files()["lifecycle.json"])
    table["events"] = [event for event in table["events"] if event["type"] == "battery.produced"]
    return json.dumps(table).encode(), json.dumps(table | {"$comment": "The second version."}).encode()


@cache
def genesis(*, rules: tuple[tuple[str, Any], ...] = ()) -> Genesis:
    """The founding of the invented network."""
    parties = [
        participant_of(
            did, place, roles=roles, with_recovery=did not in WITHOUT_RECOVERY, since=CREATED - 86_400
        )
        for did, (place, roles) in HOMES.items()
    ]
    licences = [licence_of(did, place, roles) for did, (place, roles) in HOMES.items() if roles]
    return make_genesis(
        participants=[read_participant(table) for table in parties],
        validators=VOTING,
        accreditations=read_accreditations(licences),
        recognitions=[],
        rule_files={"lifecycle.json": small_rules()[0]},
        governance=RULES | dict(rules),
        sealed_network_keys={},
        limits=Limits(),
    )


def records_of_genesis(data: bytes) -> dict[Id, Table]:
    """The records that the file seeds, as the restatement reads it."""
    table = tomllib.loads(data.decode())
    state: dict[Id, Table] = {("participant", p["did"]): p for p in table["participants"]}
    for licence in table["accreditations"]:
        state["accreditation", accreditation_name(licence)] = licence
    for recognition in table["recognitions"]:
        state["recognition", recognition_name(recognition)] = recognition
    for rule in table["rules"]:
        state["rule", rule["name"]] = {"sha256": rule["sha256"]}
    state[VALIDATORS] = {"participants": [row["participant"] for row in table["validators"]]}
    state[LIMITS] = {f.name: table["limits"][f.name] for f in fields(Limits)}
    state[APPROVALS] = table["governance"]
    state[VERSION] = {"app_version": table["app_version"]}
    return state
