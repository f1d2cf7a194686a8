"""What one verifying party requires of an item: `config/policies/*.toml`, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus.encoding import whole_numbers
from credentials.errors import CredentialError
from credentials.toml_text import TomlTextError, parse_toml


@dataclass(frozen=True, slots=True)
class Policy:
    """What one verifying party requires. Parsed strictly: unknown keys and an empty policy are refused."""

    name: str
    title: str
    jurisdiction: str
    direction: str  # "import" | "export" | "inland"
    audience: str  # a row of annex-xiii-access.json
    required: frozenset[str]  # names of checks that must be decided
    schemes: tuple[str, ...]  # identifier schemes accepted on a line
    status_list_age_s_max: int
    lag_heights_max: int
    quorum_silence_s_max: int
    clock_skew_s: int
    mass_tolerance_permille: int
    recognition_required: bool
    recognition_rows: tuple[str, ...]  # crosswalk rows asked of a foreign issuer
    annex_xiv_required: bool  # a used export needs the Annex XIV record (X19)
    soh_age_days_max: int | None  # a used pack needs a state-of-health test not older than this
    hold_when_missing: tuple[int, ...]  # data points whose absence is a ground 26(a), not a gap

    @classmethod
    def parse(cls, data: bytes) -> Policy:
        """Read a policy file, refusing unknown keys, wrong types and a policy that requires nothing."""
        try:
            table = parse_toml(data)
        except TomlTextError as error:
            raise CredentialError("policy_invalid", f"the policy file {error}") from error
        return cls.from_table(table)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Policy:
        """Build a policy from its parsed TOML table."""
        values: dict[str, Any] = {}
        for key, kind, at in _POLICY_KEYS:
            section: Any = table
            for step in at[:-1]:
                section = section.get(step, {}) if isinstance(section, Mapping) else {}
            if not isinstance(section, Mapping) or at[-1] not in section:
                if key in _POLICY_OPTIONAL:
                    values[key] = None
                    continue
                raise CredentialError("policy_invalid", f"the policy lacks {'.'.join(at)}")
            values[key] = _policy_value(".".join(at), section[at[-1]], kind)
        _refuse_unknown(table)
        if not values["required"]:
            raise CredentialError("policy_invalid", "a policy that requires no check decides nothing")
        unknown = values["required"] - CHECKS.keys()
        if unknown:
            raise CredentialError("policy_invalid", f"unknown checks required: {', '.join(sorted(unknown))}")
        if values["direction"] not in ("import", "export", "inland"):
            raise CredentialError("policy_invalid", "direction is import, export or inland")
        return cls(**values)


# Name of every check, in the order of the steps, with the source it needs. A policy may require any.
CHECKS: Mapping[str, str] = {
    "identifier": "manifest",
    "ledger": "ledger",
    "fresh": "ledger",
    "law_date": "clock",
    "document": "document",
    "parse": "document",
    "structure": "document",
    "proof": "genesis",
    "issuer_key": "genesis",
    "validity": "document",
    "schema": "schema",
    "related": "document",
    "status": "status_list",
    "admitted.payload": "ledger",
    "admitted.issuer": "ledger",
    "admitted.subject": "ledger",
    "admitted.kind": "ledger",
    "admitted.network": "ledger",
    "admitted.entry": "ledger",
    "receipt": "receipt",
    "accredited": "genesis",
    "recognised": "recognition",
    "standing.identity": "ledger",
    "standing.state": "ledger",
    "standing.publication": "ledger",
    "standing.lost": "ledger",
    "standing.recall": "ledger",
    "standing.claims": "ledger",
    "standing.issuers": "ledger",
    "standing.presentation": "manifest",
    "certificates": "document",
    "code_matches_passport": "document",
    "alias": "document",
    "category": "document",
    "new_not_used": "ledger",
    "condition": "manifest",
    "parts_not_used": "ledger",
    "used_evidence": "ledger",
    "soh": "ledger",
    "status_change_values": "ledger",
    "completeness": "document",
    "commodity_code": "manifest",
    "goods": "manifest",
    "vin": "manifest",
    "mass": "document",
    "manifest": "manifest",
}

_POLICY_KEYS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("name", "str", ("name",)),
    ("title", "str", ("title",)),
    ("jurisdiction", "str", ("jurisdiction",)),
    ("direction", "str", ("direction",)),
    ("audience", "str", ("audience",)),
    ("schemes", "strs", ("schemes",)),
    ("required", "set", ("checks", "required")),
    ("status_list_age_s_max", "int", ("age", "status_list_s_max")),
    ("lag_heights_max", "int", ("age", "lag_heights_max")),
    ("quorum_silence_s_max", "int", ("age", "quorum_silence_s_max")),
    ("clock_skew_s", "int", ("age", "clock_skew_s")),
    ("mass_tolerance_permille", "int", ("tolerance", "mass_permille")),
    ("recognition_required", "bool", ("recognition", "required")),
    ("recognition_rows", "strs", ("recognition", "rows")),
    ("annex_xiv_required", "bool", ("used", "annex_xiv_required")),
    ("soh_age_days_max", "int", ("used", "soh_age_days_max")),
    ("hold_when_missing", "ints", ("completeness", "hold_when_missing")),
)
_POLICY_OPTIONAL = frozenset({"soh_age_days_max"})


def _policy_value(where: str, value: object, kind: str) -> object:
    if kind == "str" and type(value) is str and value:
        return value
    if kind == "int" and whole_numbers(value):
        return value
    if kind == "bool" and type(value) is bool:
        return value
    if kind in ("strs", "set") and isinstance(value, list) and all(type(v) is str for v in value):
        return frozenset(value) if kind == "set" else tuple(value)
    if kind == "ints" and isinstance(value, list) and all(type(v) is int for v in value):
        return tuple(value)
    raise CredentialError("policy_invalid", f"{where} in the policy has the wrong type")


def _refuse_unknown(table: Mapping[str, Any]) -> None:
    known = {at for _, _, at in _POLICY_KEYS}
    sections = {at[0] for at in known if len(at) == 2}
    for name, value in table.items():
        if name in sections and isinstance(value, Mapping):
            stray = [f"{name}.{key}" for key in value if (name, key) not in known]
        else:
            stray = [] if (name,) in known else [name]
        if stray:
            raise CredentialError("policy_invalid", f"unknown key in the policy: {stray[0]}")
