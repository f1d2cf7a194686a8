"""Random changes of what governs: whatever a record can be turned into, and much that it cannot.

Each maker looks at the restatement's records and gives the tables that are proposed, or None where there is
nothing of its sort to change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from credentials.ledger.approvals import ACTIONS, ALWAYS_NETWORK, ALWAYS_RECOVERY, SORTS
from credentials.ledger.parties import KEY_ROLES
from tests.harness.constitution.parties import (
    HOUR_S,
    THIRD,
    key_table,
    licence_of,
    participant_of,
    recovery_digest,
    small_rules,
)
from tests.harness.constitution.tables import (
    APPROVALS,
    LIMITS,
    VALIDATOR_KEYS,
    VALIDATORS,
    VERSION,
    Id,
    State,
    Table,
    accreditation_name,
    of_type,
    offices,
    recognition_name,
)
from tests.harness.ledger import CREATED

Tables = dict[Id, Table]
PLACES = ("CN", "EU", THIRD)


@dataclass
class Chance:
    """The dice, the records and the time that a maker of changes sees."""

    rng: Random
    records: State
    at: int
    late: int = 0  # how many joined after the founding
    unheld: set[bytes] = field(default_factory=set)

    def some(self, kind: str) -> Table | None:
        """A record of this type."""
        found = [table for _, table in of_type(self.records, kind)]
        return self.rng.choice(found) if found else None

    def party(self) -> Table:
        """Any participant, of the first ones more often."""
        found = self.some("participant")
        assert found is not None, "genesis has participants"
        return found

    def moment(self) -> int:
        """A time around now: mostly now, sometimes over, sometimes to come."""
        now = self.at
        return self.rng.choice(
            [now, now, now, now - 5, now - HOUR_S, now + HOUR_S, now + 9 * HOUR_S, CREATED]
        )


Maker = Callable[[Chance], Tables | None]


def licence_row(table: Table) -> Tables:
    return {("accreditation", accreditation_name(table)): table}


def recognition_row(table: Table) -> Tables:
    return {("recognition", recognition_name(table)): table}


def party_row(table: Table) -> Tables:
    return {("participant", table["did"]): table}


# -- participants ----------------------------------------------------------------------------------------


def admitted(c: Chance) -> Tables:
    """Somebody new, at home anywhere, perhaps at once as an authority."""
    c.late += 1
    did, place = f"did:web:late-{c.late}.example", c.rng.choice(PLACES)
    table = participant_of(did, place, with_recovery=c.rng.random() < 0.8, since=c.moment())
    if c.rng.random() < 0.2:
        table["keys"] = table["keys"][:2]
    rows = party_row(table)
    if c.rng.random() < 0.4:
        rows |= licence_row(licence_of(did, place, ["authority"], valid_from=c.moment()))
    return rows


def described(c: Chance) -> Tables:
    party = dict(c.party())
    match c.rng.randrange(3):
        case 0:
            party["name"] = f"name {c.rng.randrange(9)}"
        case 1:
            party["roles"] = c.rng.choice([[], ["importer"], ["lab", "workshop"]])
        case _:
            party["identifiers"] = [f"eori:DE{c.rng.randrange(4)}"]
    return party_row(party)


def moved(c: Chance) -> Tables:
    return party_row({**c.party(), "address": f"https://node-{c.rng.randrange(9)}.example"})


def recovery_replaced(c: Chance) -> Tables:
    party = c.party()
    return party_row({**party, "recovery": recovery_digest(party["did"], c.rng.randrange(1, 5))})


def gone(c: Chance) -> Tables:
    return party_row({**c.party(), "left": c.moment()})


def rotated(c: Chance) -> Tables:
    """Keys of some roles ended, replaced, or both."""
    party = c.party()
    roles = set(c.rng.sample(KEY_ROLES, c.rng.choice([1, 1, 2, 3])))
    if party["did"] in c.records[VALIDATORS]["participants"] and c.rng.random() < 0.6:
        roles |= {c.rng.choice(VALIDATOR_KEYS)}
    ends, begins = c.rng.choice([(True, True), (True, True), (True, True), (False, True), (True, False)])
    keys: list[Any] = [
        {**k, "valid_until": c.moment()} if ends and k["role"] in roles and "valid_until" not in k else k
        for k in party["keys"]
    ]
    if begins:
        keys += [fresh_key(c, party, role) for role in sorted(roles)]
    return party_row({**party, "keys": keys})


def fresh_key(c: Chance, party: Table, role: str, **more: Any) -> Table:
    number = 1 + sum(k["role"] == role for k in party["keys"])
    return {**key_table(party["did"], role, number + c.rng.randrange(3), c.moment()), **more}


def shortened(c: Chance) -> Tables:
    """One date of one key set, moved, or taken back; or a key spoilt in another way."""
    party = c.party()
    keys = [dict(k) for k in party["keys"]]
    spoilt = c.rng.choice(keys)
    match c.rng.randrange(8):
        case 0 | 1 | 2:
            spoilt["compromised_from"] = c.moment()
        case 3 | 4:
            spoilt["valid_until"] = c.moment()
        case 5:
            spoilt.pop(c.rng.choice(["valid_until", "compromised_from"]), None)
        case 6:
            keys.remove(spoilt)
        case _:
            ended = {"valid_until": c.moment()} if c.rng.random() < 0.5 else {"compromised_from": c.at - 9}
            keys.append(dict(fresh_key(c, party, "attest", **ended)))
    return party_row({**party, "keys": keys})


def elsewhere(c: Chance) -> Tables:
    return party_row({**c.party(), "jurisdiction": c.rng.choice(PLACES)})


# -- licences and recognitions ---------------------------------------------------------------------------


def licensed(c: Chance) -> Tables:
    party = c.party()
    roles = c.rng.choice(
        [["authority"], ["authority"], ["importer"], ["workshop", "lab"], ["manufacturer"], ["king"]]
    )
    place = party["jurisdiction"] if c.rng.random() < 0.8 else c.rng.choice(PLACES)
    table = licence_of(party["did"], place, roles, valid_from=c.moment())
    if c.rng.random() < 0.2:
        table["valid_until"] = c.at + c.rng.choice([-9, 2 * HOUR_S, 400 * HOUR_S])
    if c.rng.random() < 0.05:
        table["suspended"] = [[c.at]]
    return licence_row(table)


def recognised(c: Chance) -> Tables:
    by, issuer = c.party(), c.party()
    place = by["jurisdiction"] if c.rng.random() < 0.9 else c.rng.choice(PLACES)
    return recognised_by(c, by["did"], place, issuer["did"])


def recognised_by(c: Chance, by: str, place: str, issuer: str) -> Tables:
    table = {
        "authority": by, "jurisdiction": place, "issuer": issuer, "issuer_class": "*",
        "issuer_jurisdiction": "*", "rows": [c.rng.choice(["ID-06", "EXP-02"])], "effect": "information-only",
        "legal_basis": "network-policy", "valid_from": c.moment(),
    }  # fmt: skip
    return recognition_row(table)


def redated(kind: str) -> Maker:
    """A licence or recognition ended, suspended, reinstated, or something that is none of it."""

    def make(c: Chance) -> Tables | None:
        old = c.some(kind)
        if kind == "accreditation" and c.rng.random() < 0.5:
            old = c.rng.choice([table for _, table in offices(c.records)])
        if old is None:
            return None
        table, pauses = dict(old), [list(p) for p in old.get("suspended", [])]
        match c.rng.randrange(8):
            case 0 | 1:
                table["valid_until"] = c.moment()
            case 2 | 3 | 4 if pauses and len(pauses[-1]) == 1:
                table["suspended"] = [*pauses[:-1], [*pauses[-1], c.moment()]]
            case 2 | 3 | 4 | 5:
                table["suspended"] = [*pauses, [c.moment()]]
            case 6:
                table["suspended"] = [*pauses, [c.at, c.at + HOUR_S]]
            case _:
                table.pop("valid_until", None)
                table["suspended"] = pauses[:-1]
                if not table["suspended"]:
                    del table["suspended"]
        return {(kind, _name(kind, old)): table}

    return make


def _name(kind: str, table: Table) -> str:
    return accreditation_name(table) if kind == "accreditation" else recognition_name(table)


# -- stops -----------------------------------------------------------------------------------------------


def stop(c: Chance) -> Tables:
    """Set, repeated, confirmed, lifted: on a party or a key."""
    held = [table for _, table in of_type(c.records, "stop")]
    if held and c.rng.random() < 0.6:
        old = c.rng.choice(held)
        match c.rng.randrange(4):
            case 0 | 1:
                table = {n: v for n, v in old.items() if n not in ("until", "lifted")}
            case 2:
                table = {**old, "lifted": True}
            case _:
                table = {**old, "since": c.at, "until": c.at + 9 * HOUR_S}
        return {("stop", old["target"]): table}
    party = c.party()
    target = party["did"] if c.rng.random() < 0.6 else c.rng.choice(party["keys"])["id"]
    if c.rng.random() < 0.03:
        target = "did:web:nobody.example"
    here = [d for d, lic in offices(c.records) if lic["jurisdiction"] == party["jurisdiction"]]
    by = c.rng.choice(here) if here else party["did"]
    return {("stop", target): {"target": target, "by": by, "since": 0, "until": 0}}


# -- what is everybody's ---------------------------------------------------------------------------------


def validators(c: Chance) -> Tables:
    now = list(c.records[VALIDATORS]["participants"])
    everyone = [p["did"] for _, p in of_type(c.records, "participant")]
    match c.rng.randrange(6):
        case 0:
            now.remove(c.rng.choice(now))
        case 1:
            now.insert(c.rng.randrange(len(now)), c.rng.choice(everyone))
        case 2:
            c.rng.shuffle(now)
        case 3:
            now = [*now[1:], c.rng.choice(everyone)]
        case _:
            now += c.rng.sample(everyone, c.rng.choice([1, 1, 2]))
    return {VALIDATORS: {"participants": now}}


LIMIT_VALUES = {
    "attestations_per_block_max": (3, 4, 6, 500),
    "block_bytes_max": (8_000, 20_000, 524_288),
    "per_issuer_per_block_max": (1, 2, 400),
    "per_issuer_per_day_max": (20, 60, 200_000),
    "clock_skew_s": (1, 30, 60),
    "attestation_age_s_max": (300, 3_600, 7_776_000),
    "heartbeat_ms": (0, 500_000, 600_000, 86_400_000),
    "timeout_propose_ms": (1, 1_000, 30_000, 30_001),
}


def limits(c: Chance) -> Tables:
    name = c.rng.choice(list(LIMIT_VALUES))
    return {LIMITS: {**c.records[LIMITS], name: c.rng.choice(LIMIT_VALUES[name])}}


def approvals(c: Chance) -> Tables:
    """The approval rules themselves."""
    table = dict(c.records[APPROVALS])
    match c.rng.randrange(6):
        case 0:
            table["approvals_min"] = c.rng.choice([1, 2, 2, 3, 4, 0])
        case 1:
            table["jurisdictions"] = sorted(c.rng.sample(PLACES, c.rng.choice([1, 2, 2, 3])))
        case 2:
            table["quorum_jurisdictions"] = sorted(c.rng.sample(PLACES, c.rng.choice([0, 1, 2])))
        case 3:
            name = c.rng.choice(["stop_s", "objection_s", "removal_s"])
            table[name] = c.rng.choice([2, 4, 8]) * HOUR_S
        case 4:
            table["proposals_per_party_max"] = c.rng.choice([3, 8, 12])
        case _:
            free = sorted(ACTIONS.keys() - ALWAYS_NETWORK - ALWAYS_RECOVERY)
            action = c.rng.choice(free) if c.rng.random() < 0.9 else c.rng.choice(sorted(ALWAYS_NETWORK))
            table["actions"] = {**table["actions"], action: c.rng.choice(SORTS)}
    return {APPROVALS: table}


def rules(c: Chance) -> Tables:
    """A rule file by its digest: one of two that every node holds, or one that none does."""
    digests = [sha256(data).hexdigest() for data in small_rules()]
    name = "lifecycle.json" if c.rng.random() < 0.8 else "second.json"
    if c.rng.random() < 0.15:
        return {("rule", name): {"sha256": "00" * 32}}
    return {("rule", name): {"sha256": c.rng.choice(digests)}}


def version(c: Chance) -> Tables:
    return {VERSION: {"app_version": c.records[VERSION]["app_version"] + c.rng.choice([0, 1, 1])}}


MAKERS: tuple[tuple[Maker, int], ...] = (
    (admitted, 8), (described, 4), (moved, 3), (recovery_replaced, 5), (gone, 5), (rotated, 12),
    (shortened, 8), (elsewhere, 1), (licensed, 8), (redated("accreditation"), 14), (recognised, 4),
    (redated("recognition"), 6), (stop, 14), (validators, 6), (limits, 5), (approvals, 6),
    (rules, 3), (version, 1),
)  # fmt: skip


def some_change(c: Chance) -> Tables:
    """One change, or two or three in one proposal."""
    rows: Tables = {}
    makers, weights = zip(*MAKERS, strict=True)
    for maker in c.rng.choices(makers, weights, k=c.rng.choice([1, 1, 1, 1, 1, 2, 3])):
        rows |= maker(c) or {}
    return rows or limits(c)
