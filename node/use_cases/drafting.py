"""The page to propose: what a person filled in, made into the records of a change, field by field.

One table says what can be proposed and what is asked for it; another who makes records of that
(`drafted.py`). What only a recovery key may sign has no form: that key is kept offline, and has a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
from credentials.ledger.amendment import may_stop
from credentials.ledger.approvals import ACTIONS, SORTS
from credentials.ledger.engine_terms import ENGINES
from credentials.ledger.governance import Governance
from credentials.ledger.parties import VALIDATOR_KEY_ROLES, Stop
from credentials.ledger.possession_file import parse_proofs
from credentials.ledger.recognition import Effect
from credentials.toml_text import TomlTextError, parse_toml
from node.use_cases.drafted import (
    MAKERS,
    DraftedRecord,
    FieldProblemError,
    Given,
    called,
    dated,
    every_of,
    limits_of,
    name_and_digest,
    settings_of,
)
from node.use_cases.governance import GovernanceDesk
from node.use_cases.governance_shown import name_of

Choices = list[tuple[str, str]]  # value, and how it is called, or what it is now

# What can be proposed on the page, in groups, and what is asked for it.
GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "participants": {
        "admit": ("card", "proofs", "address"),
        "rename": ("who", "name"),
        "move": ("who", "url"),
        "recovery": ("card",),
        "expel": ("who",),
    },
    "licences": {
        "license": ("participant", "side", "roles", "scheme", "namespace", "licence", "ends"),
        "recognise": ("authority", "issuer", "rows", "effect", "basis", "ends"),
        "suspend": ("record",),
        "reinstate": ("record",),
        "end": ("record",),
    },
    "emergency": {"stop": ("party",), "confirm": ("unconfirmed",), "lift": ("stopped",)},
    "network": {
        "promote": ("candidate",),
        "retire": ("voting",),
        "limit": ("limit", "value"),
        "rule": ("rule",),
        "engine": ("engine", "after"),
        "approval": ("setting", "content"),
        "approver": ("action", "sort"),
        "records": ("changes",),
    },
}
FORMS = {kind: asked for forms in GROUPS.values() for kind, asked in forms.items()}
OPTIONAL = frozenset({"address", "ends"})
DOCUMENTS = frozenset({"card", "proofs", "changes"})  # a file, or its text
DAYS = frozenset({"ends"})
TEXT_CHARACTERS_MAX, DOCUMENT_CHARACTERS_MAX = 256, 1 << 16


class RuleShelf(Protocol):
    """The rule files on this machine."""

    def offered(self) -> list[tuple[str, bytes]]:
        """(name of the rule file, SHA-256) of each, in order."""


@dataclass(frozen=True, slots=True)
class DraftedChange:
    """A change that is not tried yet."""

    changes: list[DraftedRecord]
    proofs: Mapping[str, str]  # new key id: proof of possession, base64url


class Drafting:
    """Makes changes of forms, compared with what is decided so far."""

    def __init__(self, desk: GovernanceDesk, own: str, network_id: bytes, shelf: RuleShelf) -> None:
        self._desk = desk
        self._own = own
        self._network_id = network_id
        self._shelf = shelf

    def choices(self) -> dict[str, Choices]:
        """What the fields that are chosen from offer."""
        governance, at = self._desk.state.future, self._desk.now()
        authorities = governance.authorities(at)
        stops = [stop for stop in governance.stops.values() if stop.holds(at)]
        parties = [(did, p.name) for did, p in governance.participants.items() if p.takes_part(at)]
        keys = [
            (key.id, f"{p.name} · {key.role} · {key.id.partition('#')[2]}")
            for p in governance.participants.values()
            for key in p.keys
            if p.takes_part(at) and key.valid(at)
        ]
        sides = sorted({p.jurisdiction for p in governance.participants.values()})
        return {
            "authority": [(d, f"{name_of(governance, d)} ({side})") for d, side in authorities.items()],
            "issuer": parties + [(every_of(side), side) for side in sides],
            "participant": parties,
            "who": parties,
            "party": [one for one in parties + keys if may_stop(governance, self._own, one[0], at)],
            "candidate": [(d, name) for d, name in parties if _may_vote(governance, d)],
            "voting": [(did, name_of(governance, did)) for did in governance.validator_dids],
            "side": [(side, side) for side in sorted(set(authorities.values()))],
            "effect": [(one.value, one.value.replace("-", " ")) for one in Effect],
            "record": [(one.id, called(governance, one)) for one in dated(governance)],
            "stopped": [(stop.target, _stopped(governance, stop)) for stop in stops],
            "unconfirmed": [(s.target, _stopped(governance, s)) for s in stops if s.until is not None],
            "limit": [(name, str(value)) for name, value in limits_of(governance).items()],
            "rule": self._rules(governance),
            "engine": [(name, name) for name in ENGINES if name != self._desk.orders.engine],
            "setting": [(name, _listed(value)) for name, value in settings_of(governance).items()],
            "action": [(one, "") for one in ACTIONS],
            "sort": [(one, "") for one in SORTS],
        }

    def draft(self, kind: str, given: Given) -> DraftedChange:
        """The records as they would be; raises FieldProblemError."""
        choices = self.choices()
        for field in FORMS[kind]:
            _require_given(field, given.get(field, ""), choices)
        governance, at = self._desk.state.future, self._desk.now()
        changes = MAKERS[kind](governance, given, at, self._own)
        return DraftedChange(changes, self._proofs(given["proofs"]) if "proofs" in FORMS[kind] else {})

    def _rules(self, governance: Governance) -> Choices:
        """Files of this machine that are not those that govern."""
        known = governance.rule_digests
        return [
            (name_and_digest(name, digest), f"{name}: {digest.hex()[:16]}…")
            for name, digest in self._shelf.offered()
            if known.get(name) != digest
        ]

    def _proofs(self, text: str) -> dict[str, str]:
        try:
            proofs = parse_proofs(parse_toml(text.encode()), self._network_id)
        except (TomlTextError, CredentialError) as error:
            raise FieldProblemError("proofs", "document", detail=_why(error)) from error
        return {kid: b64u(proof) for kid, proof in proofs.items()}


def _require_given(field: str, text: str, choices: Mapping[str, Choices]) -> None:
    if not text and field not in OPTIONAL:
        raise FieldProblemError(field, "needed")
    most = DOCUMENT_CHARACTERS_MAX if field in DOCUMENTS else TEXT_CHARACTERS_MAX
    if len(text) > most:
        raise FieldProblemError(field, "long", most=most)
    if field in choices and text not in {value for value, _ in choices[field]}:
        raise FieldProblemError(field, "choose")


def _may_vote(governance: Governance, did: str) -> bool:
    """True for whoever does not vote yet and has the keys for it."""
    roles = {key.role for key in governance.participants[did].keys if key.is_open}
    return did not in governance.validator_dids and roles >= set(VALIDATOR_KEY_ROLES)


def _stopped(governance: Governance, stop: Stop) -> str:
    key = f" ({stop.target})" if "#" in stop.target else ""
    return f"{name_of(governance, stop.target)}{key} · {name_of(governance, stop.by)}"


def _listed(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _why(error: Exception) -> str:
    return error.message if isinstance(error, CredentialError) else str(error)
