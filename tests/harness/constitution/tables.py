"""What a record says, read straight off its table: the restatement's own reading, a few lines each.

A state is {(type, name): table}, the tables as genesis.toml has them. Nothing here is shared with the code
that is tested but the encoding whose SHA-256 a base names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.encoding import encode

Table = Mapping[str, Any]
Id = tuple[str, str]
State = Mapping[Id, Table]

TIME_MAX = (1 << 53) - 1
VALIDATORS, LIMITS, APPROVALS, VERSION = (
    ("validators", ""), ("limits", ""), ("approvals", ""), ("app_version", ""),
)  # fmt: skip
WHOLE = (VALIDATORS, LIMITS, APPROVALS, VERSION)
LIFECYCLE = json.loads((Path(__file__).parents[3] / "config" / "rules" / "lifecycle.json").read_bytes())
ROLES = set(LIFECYCLE["roles"])
CREATING_ROLES = {"manufacturer"}
VALIDATOR_KEYS = ("vote", "cosign", "log")


LIMITS_BETWEEN = {  # the least and the most of each limit
    "attestations_per_block_max": (1, 4_000),
    "block_bytes_max": (1, 1_048_576),
    "per_issuer_per_block_max": (1, 4_000),
    "per_issuer_per_day_max": (1, 10_000_000),
    "clock_skew_s": (1, 3_600),
    "attestation_age_s_max": (3_600, 31_622_400),
    "correction_s_max": (1, 31_622_400),
    "void_approvals_min": (1, 64),
    "heartbeat_ms": (1_000, 3_600_000),
    "timeout_propose_ms": (50, 30_000),
    "timeout_prevote_ms": (50, 30_000),
    "timeout_precommit_ms": (50, 30_000),
    "timeout_delta_ms": (10, 30_000),
    "evidence_heights_max": (1, 10_000_000),
}


def digest(table: Table | None) -> bytes | None:
    """What a base says of a record."""
    return None if table is None else sha256(encode(dict(table))).digest()


def member_digest(table: Table, name: str) -> bytes | None:
    """What a base says of one member of a record."""
    return sha256(encode(table[name])).digest() if name in table else None


def written_for(record: Id, old: Table | None, new: Table) -> bytes | dict[str, bytes | None] | None:
    """What a base says of a record that is to become another."""
    if old is None or record[0] not in ("participant", "accreditation", "recognition"):
        return digest(old)
    names = {n for n in old.keys() | new.keys() if old.get(n, None) != new.get(n, None)} or set(old)
    return {name: member_digest(old, name) for name in names}


def accreditation_name(table: Table) -> str:
    """The name of a licence: the first half of the digest of what it says."""
    said = [table["participant"], table["roles"], table["schemes"], table["jurisdiction"]]
    tag = "comity/accreditation/v1"
    return sha256(encode([tag, *said, table.get("licence", ""), table["valid_from"]])).hexdigest()[:32]


def recognition_name(table: Table) -> str:
    """The same of a recognition."""
    said = {n: v for n, v in table.items() if n not in ("valid_until", "suspended")}
    return sha256(encode(["comity/recognition/v1", said])).hexdigest()[:32]


def of_type(state: State, kind: str) -> Iterator[tuple[str, Table]]:
    """Every record of a type, with its name."""
    return ((name, table) for (record, name), table in state.items() if record == kind)


# -- dates -----------------------------------------------------------------------------------------------


def dated(table: Table, at: int) -> bool:
    """True in [valid_from, valid_until), outside of every suspension."""
    return (
        table["valid_from"] <= at < table.get("valid_until", TIME_MAX + 1)
        and not any(p[0] <= at and (len(p) == 1 or at < p[1]) for p in table.get("suspended", ()))
    )  # fmt: skip


def key_good(key: Table, at: int) -> bool:
    """True while a key is neither ended nor known to be another's."""
    return dated(key, at) and at < key.get("compromised_from", TIME_MAX + 1)


def present(party: Table | None, at: int) -> bool:
    """True for a participant that has not left."""
    return party is not None and at < party.get("left", TIME_MAX + 1)


def stopped(state: State, target: str, at: int) -> bool:
    """True under an emergency stop."""
    stop = state.get(("stop", target))
    return stop is not None and stop["since"] <= at < stop.get("until", TIME_MAX + 1)


# -- who is who ------------------------------------------------------------------------------------------


def owner_of(state: State, target: str) -> str | None:
    """The party of a DID or of a key on record."""
    if ("participant", target) in state:
        return target
    owners = (did for did, p in of_type(state, "participant") if any(k["id"] == target for k in p["keys"]))
    return next(owners, None)


def offices(state: State) -> Iterator[tuple[str, Table]]:
    """Every licence as an authority at home, whatever its dates."""
    for _, licence in of_type(state, "accreditation"):
        party = state.get(("participant", licence["participant"]))
        if party and "authority" in licence["roles"] and licence["jurisdiction"] == party["jurisdiction"]:
            yield licence["participant"], licence


def living(state: State, at: int) -> dict[str, str]:
    """{DID: jurisdiction} of the authorities that may approve at `at`."""
    found = {}
    for did, licence in offices(state):
        party = state["participant", did]
        if not present(party, at) or not dated(licence, at) or stopped(state, did, at):
            continue
        if any(
            k["role"] == "attest" and key_good(k, at) and not stopped(state, k["id"], at)
            for k in party["keys"]
        ):
            found[did] = party["jurisdiction"]
    return found


def is_authority(state: State, did: str, at: int) -> bool:
    """True of a party with an office that is not over, suspended or not."""
    return present(state.get(("participant", did)), at) and any(
        who == did and at < licence.get("valid_until", TIME_MAX + 1) for who, licence in offices(state)
    )


# -- what must hold --------------------------------------------------------------------------------------


def lasting(state: State, at: int) -> dict[str, str]:
    """{DID: jurisdiction} of the authorities that have begun and are left once every stated end is over."""
    found = {}
    for did, licence in offices(state):
        party = state["participant", did]
        if (
            "left" in party
            or "valid_until" in licence
            or at < licence["valid_from"]
            or any(len(p) == 1 for p in licence.get("suspended", ()))
        ):
            continue
        if _stopped_for_good(state, did):
            continue
        if any(
            k["role"] == "attest" and not {"valid_until", "compromised_from"} & k.keys()
            and k["valid_from"] <= at and not _stopped_for_good(state, k["id"])
            for k in party["keys"]
        ):  # fmt: skip
            found[did] = party["jurisdiction"]
    return found


def _stopped_for_good(state: State, target: str) -> bool:
    stop = state.get(("stop", target))
    return stop is not None and "until" not in stop


def dead_ends(state: State, at: int) -> set[str]:
    """What can never be approved any more, by its reason."""
    left, rules, found = lasting(state, at), state[APPROVALS], set()
    if state[LIMITS]["block_bytes_max"] < 16 * 1024:
        found.add("no block could hold a proposal")
    if rules["proposal_s_max"] < 86_400 or rules["proposal_s_max"] <= max(
        rules["objection_s"], rules["removal_s"]
    ):
        found.add("no proposal would live long enough")
    if len(left) < rules["approvals_min"]:
        found.add("too few")
    return found | (set(rules["jurisdictions"]) - set(left.values()))


def readable(record: Id, table: Table) -> bool:
    """True of a table that says what its type can say: what the generators can get wrong."""
    match record[0]:
        case "participant":
            return all(_lasts(key) for key in table["keys"])
        case "accreditation" | "recognition":
            pauses = table.get("suspended", [])
            times = [time for pause in pauses for time in pause]
            return _lasts(table) and times == sorted(times) and all(len(p) == 2 for p in pauses[:-1])
        case "limits":
            return all(least <= table[name] <= most for name, (least, most) in LIMITS_BETWEEN.items())
        case "approvals":
            numbers = [value for value in table.values() if type(value) is int]
            actions = table["actions"]
            return all(n > 0 for n in numbers) and all(
                actions[a] == "network" for a in actions if a in ("validators.changed", "limits.changed",
                                                                  "rules.changed", "approvals.changed")
            )  # fmt: skip
    return True


def _lasts(table: Table) -> bool:
    return bool(table["valid_from"] < table.get("valid_until", TIME_MAX + 1))


def sound(state: State) -> bool:
    """True of records that go together."""
    names: list[str] = []
    for _, party in of_type(state, "participant"):
        names += party.get("identifiers", [])
        names += [n for key in party["keys"] for n in (key["id"], key["public"])]
    if len(set(names)) != len(names):
        return False
    if not {role for _, p in of_type(state, "participant") for role in p["roles"]} <= ROLES:
        return False
    return _voting(state) and _licensed(state) and all(
        (by := state.get(("participant", r["authority"]))) and by["jurisdiction"] == r["jurisdiction"]
        for _, r in of_type(state, "recognition")
    )  # fmt: skip


def _voting(state: State) -> bool:
    voters = state[VALIDATORS]["participants"]
    if not voters or len(set(voters)) != len(voters):
        return False
    homes: list[str] = []
    for did in voters:
        party = state.get(("participant", did))
        if party is None or "left" in party:
            return False
        homes.append(party["jurisdiction"])
        for role in VALIDATOR_KEYS:
            keys = [k for k in party["keys"] if k["role"] == role]
            if (
                not keys
                or [k for k in keys if not {"valid_until", "compromised_from"} & k.keys()] != keys[-1:]
            ):
                return False
    quorum = len(voters) * 2 // 3 + 1
    return all(
        homes.count(needed) > len(voters) - quorum for needed in state[APPROVALS]["quorum_jurisdictions"]
    )


def _licensed(state: State) -> bool:
    codes: dict[tuple[str, str], list[Table]] = {}
    for _, licence in of_type(state, "accreditation"):
        if ("participant", licence["participant"]) not in state or not set(licence["roles"]) <= ROLES:
            return False
        if CREATING_ROLES & set(licence["roles"]):
            for scheme, namespace in licence["schemes"]:
                if namespace != "*":
                    codes.setdefault((scheme, namespace), []).append(licence)
    for held in codes.values():
        for a in held:
            for b in held:
                if a["participant"] != b["participant"] and (
                    a["valid_from"] < b.get("valid_until", TIME_MAX + 1)
                    and b["valid_from"] < a.get("valid_until", TIME_MAX + 1)
                ):
                    return False
    return True
