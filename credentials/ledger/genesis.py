"""Genesis: the one file all nodes of a network agree on before anything is ordered.

Said once: name, origin, network id, the digest of the configuration, who got the network key. Everything that
governs is asked of a `Governance` (governance.py); that of genesis is the first.

`genesis.toml`; its SHA-256 is the network id, inside every vote and attestation:

    format = "comity/genesis/v1"
    name, origin, created, app_version, key_check
    [limits]               see Limits
    [[rules]]              name, sha256: the rule files, by digest
    [[participants]]       did, name, jurisdiction, roles, [[participants.keys]] role, id, public, interval
    [[validators]]         participant (weight 1 each)
    [[accreditations]]     participant, roles, schemes [[scheme, namespace]], licence, jurisdiction, interval
    [[recognitions]]       see recognition.Recognition
    [governance]           see approvals.py: who may change all this while the network runs
    [sealed_network_keys]  DID = base64url: the network key, sealed to that participant's transport key

Intervals are [valid_from, valid_until) in seconds, valid_until absent: open. A namespace "*" in an
accreditation covers every namespace of its scheme, except for bringing an identifier into being.
The origin is the name of every validator's log key; a cosign key is named after its participant's DID
("did:web:customs.example" is `customs.example`, "did:web:a.example:b" is `a.example/b`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from hashlib import sha256
from typing import Any

import tomli_w

from consensus.encoding import encode
from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
from credentials.ledger.approvals import APPROVALS_MIN, ApprovalRules
from credentials.ledger.genesis_table import (
    NAME,
    ORIGIN,
    SIZE_BYTES_MAX,
    accreditation_table,
    genesis_invalid,
    match_text,
    participant_table,
    read_accreditations,
    read_bytes,
    read_limits,
    read_participant,
    read_participants,
    read_recognitions,
    read_rules,
    read_sealed,
    read_time,
    read_toml,
    read_validators,
    require_keys,
)
from credentials.ledger.governance import APPROVING_ROLE, Governance, GovernanceHistory
from credentials.ledger.parties import Accreditation, Limits, Participant
from credentials.ledger.recognition import Recognition

FORMAT = "comity/genesis/v1"
CARD_FORMAT = "comity/participant/v1"
CARD_BYTES_MAX = 1 << 16
_KEY_CHECK_TAG = b"comity/key-check/v1"


@dataclass(frozen=True)
class Genesis:
    """The founding, and the first epoch of what governs. Made by `Genesis.parse`."""

    name: str
    origin: str  # of the log
    created: int
    key_check: bytes
    sealed_network_keys: Mapping[str, bytes]
    network_id: bytes
    config_digest: bytes
    governance: Governance  # the first epoch
    data: bytes = field(repr=False)  # the file
    rule_files: Mapping[bytes, bytes] = field(repr=False)  # by SHA-256: those that it names

    @classmethod
    def parse(cls, data: bytes, rule_files: Mapping[str, bytes]) -> Genesis:
        """Read the file and the rule files it names; raises CredentialError with one clear sentence."""
        return _parsed(data, frozenset(rule_files.items()))

    def history(self, height: int = 0) -> GovernanceHistory:
        """A history that begins with this founding, for a ledger whose last block is `height`."""
        return GovernanceHistory([(0, self.governance)], height)

    def require_network_key(self, network_key: bytes) -> None:
        """Refuse a network key other than the one of the founding ceremony."""
        if not hmac.compare_digest(key_check(network_key), self.key_check):
            raise CredentialError(
                "wrong_network_key", "the network key is not the one this genesis was made with"
            )


# What a founding writes it reads again, and a start reads for each of its steps; nothing in it changes.
@lru_cache(maxsize=2)
def _parsed(data: bytes, files: frozenset[tuple[str, bytes]]) -> Genesis:
    rule_files = dict(files)
    table = read_toml(data, SIZE_BYTES_MAX, "genesis")
    require_keys(table, _GENESIS_KEYS, "genesis", optional=_GENESIS_OPTIONAL)
    if table["format"] != FORMAT:
        raise genesis_invalid(f"its format is {table['format']!r}, this software reads {FORMAT}")
    governance = _read_governance(table, rule_files)
    network_id = sha256(data).digest()
    genesis = Genesis(
        name=match_text(table["name"], NAME, "name"),
        origin=match_text(table["origin"], ORIGIN, "origin"),
        created=read_time(table["created"], "created"),
        key_check=read_bytes(table["key_check"], "key_check"),
        sealed_network_keys=read_sealed(table.get("sealed_network_keys", {}), governance.participants),
        network_id=network_id,
        config_digest=sha256(encode(["comity/config/v1", network_id])).digest(),
        governance=governance,
        data=data,
        rule_files={digest: rule_files[file_name] for file_name, digest in governance.rule_digests.items()},
    )
    if len(genesis.key_check) != 32:
        raise genesis_invalid("key_check is not 32 bytes")
    return genesis


def key_check(network_key: bytes) -> bytes:
    """HMAC(network key, "comity/key-check/v1"): shows that two parties hold one key, and nothing else."""
    return hmac.new(network_key, _KEY_CHECK_TAG, sha256).digest()


def _read_governance(table: Mapping[str, Any], rule_files: Mapping[str, bytes]) -> Governance:
    participants = read_participants(table["participants"])
    rules, digests = read_rules(table["rules"], rule_files)
    recognitions = read_recognitions(table.get("recognitions", []))
    accreditations = read_accreditations(table.get("accreditations", []))
    limits = read_limits(table.get("limits", {}))
    app_version = read_time(table["app_version"], "app_version")
    validators = read_validators(table["validators"])
    try:
        return Governance(
            participants=participants,
            validator_dids=validators,
            accreditations=accreditations,
            recognitions=recognitions,
            limits=limits,
            rules=rules,
            rule_digests=digests,
            app_version=app_version,
            approvals=_read_approvals(table.get("governance", {}), participants, validators, accreditations),
        )
    except CredentialError as error:
        if error.code != "governance_invalid":
            raise
        raise genesis_invalid(error.message) from error


def _read_approvals(
    table: object,
    participants: Mapping[str, Participant],
    validators: Sequence[str],
    accreditations: Sequence[Accreditation],
) -> ApprovalRules:
    """The table `[governance]`; what it leaves out follows from who founds the network."""
    if not isinstance(table, Mapping):
        raise genesis_invalid("governance is not a table")
    homes = {participants[did].jurisdiction for did in validators if did in participants}
    usual = usual_rules(participants, accreditations)
    return ApprovalRules.parse(
        table,
        approvals_min=usual.approvals_min,
        jurisdictions=usual.jurisdictions,
        quorum_jurisdictions=tuple(sorted(homes)),
    )


def usual_rules(
    participants: Mapping[str, Participant], accreditations: Sequence[Accreditation]
) -> ApprovalRules:
    """Who approves unless genesis says otherwise: two authorities, one of each jurisdiction that has one."""
    homes = {did: participant.jurisdiction for did, participant in participants.items()}
    authorities = {
        a.participant
        for a in accreditations
        if APPROVING_ROLE in a.roles and homes.get(a.participant) == a.jurisdiction
    }
    return ApprovalRules(
        approvals_min=max(1, min(APPROVALS_MIN, len(authorities))),
        jurisdictions=tuple(sorted({homes[did] for did in authorities})),
    )


def write_genesis(
    *,
    name: str,
    origin: str,
    created: int,
    participants: Sequence[Participant],
    validators: Sequence[str],
    accreditations: Sequence[Accreditation],
    rule_files: Mapping[str, bytes],
    network_key_check: bytes,
    recognitions: Sequence[Recognition] = (),
    sealed_network_keys: Mapping[str, bytes] | None = None,
    limits: Limits | None = None,
    governance: Mapping[str, Any] | None = None,
    app_version: int = 1,
) -> bytes:
    """Write a genesis file, the same bytes for the same arguments, and check it as `Genesis.parse` does."""
    limits = limits or Limits()
    table = {
        "format": FORMAT,
        "name": name,
        "origin": origin,
        "created": created,
        "app_version": app_version,
        "key_check": b64u(network_key_check),
        "limits": {f.name: getattr(limits, f.name) for f in fields(Limits)},
        **({"governance": governance} if governance else {}),
        "rules": [
            {"name": file, "sha256": sha256(rule_files[file]).hexdigest()} for file in sorted(rule_files)
        ],
        "participants": [participant_table(participant) for participant in participants],
        "validators": [{"participant": did} for did in validators],
        "accreditations": [accreditation_table(accreditation) for accreditation in accreditations],
        "recognitions": [recognition.as_table() for recognition in recognitions],
        "sealed_network_keys": {
            did: b64u(sealed) for did, sealed in sorted((sealed_network_keys or {}).items())
        },
    }
    data = tomli_w.dumps(table).encode()
    Genesis.parse(data, rule_files)
    return data


def write_card(participant: Participant) -> bytes:
    """The participant card: what one party hands to the others before genesis (public keys only)."""
    return tomli_w.dumps({"format": CARD_FORMAT, **participant_table(participant)}).encode()


def parse_card(data: bytes) -> Participant:
    """Read a participant card; raises CredentialError. Its roles are checked when genesis is made."""
    table = dict(read_toml(data, CARD_BYTES_MAX, "the participant card"))
    if table.pop("format", None) != CARD_FORMAT:
        raise genesis_invalid(f"a participant card has the format {CARD_FORMAT}")
    return read_participant(table)


_GENESIS_KEYS = frozenset(
    {"format", "name", "origin", "created", "app_version", "key_check", "rules", "participants", "validators"}
)
_GENESIS_OPTIONAL = frozenset(
    {"limits", "accreditations", "recognitions", "sealed_network_keys", "governance"}
)
