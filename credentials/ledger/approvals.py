"""Who may change what governs: the table `[governance]` of genesis, read strictly.

    [governance]
    approvals_min          k: how many authorities approve what concerns the whole network
    jurisdictions          each keeps an authority, and its consent is needed for what concerns all
    quorum_jurisdictions   no quorum of validators decides without one of each of these
    proposal_s_max         a proposal expires at most so long after it was made
    stop_s                 an emergency stop lapses after so long unless it is confirmed
    objection_s            a recovery key is replaced, a party expelled, after so long (consents.py)
    removal_s              what removes the only authority of a jurisdiction waits so long
    proposals_per_party_max    open at once
    [governance.actions]   action = "own" | "recovery" | "authority" | "network": see `amendment.py`

Who gives an approval of each sort:

    own        the party itself, with its attest key
    recovery   the party itself, with its recovery key: never with a key that is replaced
    authority  one authority of the jurisdiction that the change is of
    network    `approvals_min` authorities, and one of each of `jurisdictions`

Whatever touches an authority or a key that validators use is of the sort "network", whatever the table says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from credentials.errors import CredentialError

OWN, RECOVERY, AUTHORITY, NETWORK = "own", "recovery", "authority", "network"
SORTS = (OWN, RECOVERY, AUTHORITY, NETWORK)  # from the weakest to the strictest
DAY_S = 86_400
APPROVALS_MIN = 2

# What can be done, and who may do it unless genesis says otherwise.
ACTIONS: Mapping[str, str] = {
    "participant.admitted": AUTHORITY,
    "participant.described": AUTHORITY,
    "participant.moved": OWN,
    "participant.left": RECOVERY,
    "participant.expelled": AUTHORITY,
    "keys.rotated": RECOVERY,
    "keys.compromised": RECOVERY,
    "recovery.replaced": AUTHORITY,
    "accreditation.given": AUTHORITY,
    "accreditation.suspended": AUTHORITY,
    "accreditation.reinstated": AUTHORITY,
    "accreditation.withdrawn": AUTHORITY,
    "recognition.given": AUTHORITY,
    "recognition.suspended": AUTHORITY,
    "recognition.reinstated": AUTHORITY,
    "recognition.withdrawn": AUTHORITY,
    "stop.set": AUTHORITY,
    "stop.confirmed": AUTHORITY,
    "stop.lifted": AUTHORITY,
    "validators.changed": NETWORK,
    "limits.changed": NETWORK,
    "rules.changed": NETWORK,
    "approvals.changed": NETWORK,
}
# What cannot be handed to fewer: it decides over everybody.
ALWAYS_NETWORK = frozenset({"validators.changed", "limits.changed", "rules.changed", "approvals.changed"})
# Beside the table, which is under the root of every network that there is: nobody can say otherwise of it.
MOVED = "engine.changed"
# What only the party itself may do; an authority has its own ways (expulsion, stop, a new recovery key).
ALWAYS_RECOVERY = frozenset({"participant.left", "keys.rotated", "keys.compromised"})


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """Who may change what, how many approve, and how long is waited; units last in the names."""

    approvals_min: int = APPROVALS_MIN
    jurisdictions: tuple[str, ...] = ()
    quorum_jurisdictions: tuple[str, ...] = ()
    proposal_s_max: int = 30 * DAY_S
    stop_s: int = 3 * DAY_S
    objection_s: int = 7 * DAY_S
    removal_s: int = 7 * DAY_S
    proposals_per_party_max: int = 8
    actions: Mapping[str, str] = field(default_factory=lambda: dict(ACTIONS))

    def sort_of(self, action: str) -> str:
        """Whose approval an action needs."""
        return NETWORK if action == MOVED else self.actions[action]

    @classmethod
    def parse(cls, table: Mapping[str, Any], **otherwise: Any) -> ApprovalRules:
        """Read the table; what it leaves out is `otherwise` or the default.

        Raises CredentialError("governance_invalid", sentence).
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(table.keys() - known):
            raise _invalid(f"it has the unknown member {unknown[0]!r}; known are {', '.join(sorted(known))}")
        values: dict[str, Any] = dict(otherwise)
        for name, value in table.items():
            if name == "actions":
                values[name] = _actions(value)
            elif name.endswith("jurisdictions"):
                values[name] = _texts(value, name)
            elif type(value) is not int or not 1 <= value <= _MOST.get(name, 366 * DAY_S):
                raise _invalid(f"{name} is a whole number from 1 to {_MOST.get(name, 366 * DAY_S)}")
            else:
                values[name] = value
        return cls(**values)

    def as_table(self) -> Mapping[str, Any]:
        """The table as `parse` reads it."""
        table = {f.name: getattr(self, f.name) for f in fields(self)}
        return {n: list(v) if isinstance(v, tuple) else v for n, v in table.items()} | {
            "actions": dict(self.actions)
        }


_MOST = {"approvals_min": 64, "proposals_per_party_max": 64}


def _actions(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _invalid("actions is a table")
    actions = dict(ACTIONS)
    for action, sort in value.items():
        if action not in ACTIONS:
            raise _invalid(f"there is no action {action!r}; there are {', '.join(ACTIONS)}")
        if sort not in SORTS:
            raise _invalid(f"{action} is approved by one of {', '.join(SORTS)}")
        if (action in ALWAYS_NETWORK and sort != NETWORK) or (action in ALWAYS_RECOVERY and sort != RECOVERY):
            raise _invalid(f"{action} stays with {ACTIONS[action]}")
        actions[action] = sort
    return actions


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(type(text) is str and text for text in value):
        raise _invalid(f"{name} is a list of texts")
    if list(value) != sorted(set(value)):
        raise _invalid(f"{name} is sorted, each once")
    return tuple(value)


def _invalid(why: str) -> CredentialError:
    return CredentialError("governance_invalid", f"[governance]: {why}")
