"""Genesis: the one file all nodes of a network agree on before anything is ordered.

`genesis.toml`; its SHA-256 is the network id, inside every vote and attestation:

    format = "comity/genesis/v1"
    name, origin, created, app_version, key_check
    [limits]               see Limits
    [[rules]]              name, sha256: the rule files, by digest
    [[participants]]       did, name, jurisdiction, roles, [[participants.keys]] role, id, public, interval
    [[validators]]         participant (weight 1 each)
    [[accreditations]]     participant, roles, schemes [[scheme, namespace]], licence, jurisdiction, interval
    [[recognitions]]       see recognition.Recognition
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
from functools import cached_property
from hashlib import sha256
from typing import Any

import tomli_w

from consensus.checkpoint import COSIGNATURE_KIND, LOG_KIND, NoteKey
from consensus.encoding import encode
from consensus.log_policy import make_policy
from consensus.validators import ValidatorSet
from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
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
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.parties import ANY, KEY_ROLES, Accreditation, Key, Limits, Participant
from credentials.ledger.recognition import Recognition

FORMAT = "comity/genesis/v1"
CARD_FORMAT = "comity/participant/v1"
CARD_BYTES_MAX = 1 << 16
LIFECYCLE_FILE = "lifecycle.json"
_KEY_CHECK_TAG = b"comity/key-check/v1"


__all__ = [
    "ANY",
    "KEY_ROLES",
    "Accreditation",
    "Genesis",
    "Key",
    "Limits",
    "Participant",
    "key_check",
    "key_name",
    "parse_card",
    "write_card",
    "write_genesis",
]


@dataclass(frozen=True)
class Genesis:
    """A parsed and checked genesis. Build it with `Genesis.parse`."""

    name: str
    origin: str
    created: int
    app_version: int
    limits: Limits
    participants: Mapping[str, Participant]
    validators: ValidatorSet
    accreditations: tuple[Accreditation, ...]
    recognitions: tuple[Recognition, ...]
    rules: Mapping[str, Any]  # parsed rule files by name
    rule_digests: Mapping[str, bytes]
    lifecycle: Lifecycle
    key_check: bytes
    sealed_network_keys: Mapping[str, bytes]
    network_id: bytes
    config_digest: bytes
    data: bytes = field(repr=False)  # the file

    @classmethod
    def parse(cls, data: bytes, rule_files: Mapping[str, bytes]) -> Genesis:
        """Read the file and the rule files it names; raises CredentialError with one clear sentence."""
        table = read_toml(data, SIZE_BYTES_MAX, "genesis")
        require_keys(table, _GENESIS_KEYS, "genesis", optional=_GENESIS_OPTIONAL)
        if table["format"] != FORMAT:
            raise genesis_invalid(f"its format is {table['format']!r}, this software reads {FORMAT}")
        rules, digests = read_rules(table["rules"], rule_files)
        if LIFECYCLE_FILE not in rules:
            raise genesis_invalid(f"it names no {LIFECYCLE_FILE}")
        lifecycle = Lifecycle.parse(rules[LIFECYCLE_FILE])
        participants = read_participants(table["participants"], lifecycle)
        network_id = sha256(data).digest()
        genesis = cls(
            name=match_text(table["name"], NAME, "name"),
            origin=match_text(table["origin"], ORIGIN, "origin"),
            created=read_time(table["created"], "created"),
            app_version=read_time(table["app_version"], "app_version"),
            limits=read_limits(table.get("limits", {})),
            participants=participants,
            validators=read_validators(table["validators"], participants),
            accreditations=read_accreditations(table.get("accreditations", []), participants, lifecycle),
            recognitions=read_recognitions(table.get("recognitions", []), participants),
            rules=rules,
            rule_digests=digests,
            lifecycle=lifecycle,
            key_check=read_bytes(table["key_check"], "key_check"),
            sealed_network_keys=read_sealed(table.get("sealed_network_keys", {}), participants),
            network_id=network_id,
            config_digest=sha256(encode(["comity/config/v1", network_id])).digest(),
            data=data,
        )
        if len(genesis.key_check) != 32:
            raise genesis_invalid("key_check is not 32 bytes")
        return genesis

    def require_network_key(self, network_key: bytes) -> None:
        """Refuse a network key other than the one of the founding ceremony."""
        if not hmac.compare_digest(key_check(network_key), self.key_check):
            raise CredentialError(
                "wrong_network_key", "the network key is not the one this genesis was made with"
            )

    def participant(self, did: str) -> Participant | None:
        """The participant with this DID."""
        return self.participants.get(did)

    def key(self, did: str, role: str, at: int) -> Key | None:
        """The participant's newest key of this role, valid at `at`."""
        participant = self.participants.get(did)
        return participant.key(role, at) if participant else None

    def key_by_id(self, kid: str, at: int | None = None) -> Key | None:
        """The key with this DID URL, if it is valid at `at` (None: at any time)."""
        key = self._keys_by_id.get(kid)
        return key if key and (at is None or key.valid(at)) else None

    def accredited(self, did: str, role: str, scheme: str, namespace: str, at: int) -> Accreditation | None:
        """The accreditation under which `did` acts as `role` for this namespace at `at`, or None.

        `role` is a role, or the name of an event: then any role that may attest it.
        """
        event = self.lifecycle.event(role)
        roles = event.attesters if event else (role,)
        exactly = bool(event and event.effects.creates)
        for accreditation in self._accreditations_of.get(did, ()):
            if (
                accreditation.in_force(at)
                and accreditation.covers(scheme, namespace, exactly=exactly)
                and (ANY in roles or not set(roles).isdisjoint(accreditation.roles))
            ):
                return accreditation
        return None

    def accreditations_of(self, did: str) -> tuple[Accreditation, ...]:
        """Every accreditation of a participant, in the order of the file."""
        return self._accreditations_of.get(did, ())

    def makes(self, did: str, scheme: str, namespace: str, at: int) -> bool:
        """True if `did` may bring codes of this namespace into being at `at`: named, not by "*"."""
        return any(
            a.in_force(at)
            and a.covers(scheme, namespace, exactly=True)
            and not self._creating_roles.isdisjoint(a.roles)
            for a in self._accreditations_of.get(did, ())
        )

    def aliases(self, did: str) -> frozenset[str]:
        """Every name a participant may be named by: its DID, and its EORI or USCC where it gave one."""
        return self._aliases.get(did, frozenset())

    def owner_of(self, name: str) -> str | None:
        """The participant with this DID, EORI or USCC; None for a party without a node."""
        return self._owners.get(name)

    def holds_role(self, did: str, role: str, at: int) -> bool:
        """True if some accreditation in force gives the participant this role."""
        return any(role in a.roles and a.in_force(at) for a in self._accreditations_of.get(did, ()))

    def is_official(self, did: str, at: int) -> bool:
        """True if the participant is an authority of any kind, by the roles that the table calls so."""
        return any(self.holds_role(did, role, at) for role in sorted(self.lifecycle.officials))

    def holders_of(self, role: str, at: int) -> tuple[str, ...]:
        """The participants that hold a role at `at`, in the order of the file."""
        return tuple(did for did in self.participants if self.holds_role(did, role, at))

    @cached_property
    def _keys_by_id(self) -> dict[str, Key]:
        return {key.id: key for p in self.participants.values() for key in p.keys}

    @cached_property
    def _creating_roles(self) -> frozenset[str]:
        return self.lifecycle.creating_roles()

    @cached_property
    def _aliases(self) -> dict[str, frozenset[str]]:
        return {did: frozenset((did, *p.identifiers)) for did, p in self.participants.items()}

    @cached_property
    def _owners(self) -> dict[str, str]:
        return {name: did for did, names in self._aliases.items() for name in names}

    @cached_property
    def _accreditations_of(self) -> dict[str, tuple[Accreditation, ...]]:
        found: dict[str, list[Accreditation]] = {}
        for accreditation in self.accreditations:
            found.setdefault(accreditation.participant, []).append(accreditation)
        return {did: tuple(held) for did, held in found.items()}


def key_check(network_key: bytes) -> bytes:
    """HMAC(network key, "comity/key-check/v1"): shows that two parties hold one key, and nothing else."""
    return hmac.new(network_key, _KEY_CHECK_TAG, sha256).digest()


def key_name(did: str) -> str:
    """The C2SP key name of a participant's cosign key: the host and path of its did:web."""
    return did.removeprefix("did:web:").replace(":", "/").replace("%3A", ":")


def log_key(genesis: Genesis, did: str) -> NoteKey:
    """The C2SP key (0x01) with which a validator signs checkpoints; its name is the origin."""
    return NoteKey(genesis.origin, LOG_KIND, _validator_key(genesis, did, "log"))


def cosign_key(genesis: Genesis, did: str) -> NoteKey:
    """The C2SP key (0x04) with which a validator cosigns."""
    return NoteKey(key_name(did), COSIGNATURE_KIND, _validator_key(genesis, did, "cosign"))


def log_policy(genesis: Genesis) -> str:
    """The tlog-policy of the network: every validator's log key, and a quorum of cosigners."""
    dids = [validator.name for validator in genesis.validators.validators]
    return make_policy(
        genesis.origin,
        [log_key(genesis, did) for did in dids],
        [(key_name(did), cosign_key(genesis, did)) for did in dids],
        genesis.validators.quorum,
    )


def _validator_key(genesis: Genesis, did: str, role: str) -> bytes:
    if genesis.validators.get(did) is None:
        raise CredentialError("not_a_validator", f"{did} is no validator of this network")
    return next(key.public for key in genesis.participants[did].keys if key.role == role)


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
    return read_participant(table, None)


_GENESIS_KEYS = frozenset(
    {"format", "name", "origin", "created", "app_version", "key_check", "rules", "participants", "validators"}
)
_GENESIS_OPTIONAL = frozenset({"limits", "accreditations", "recognitions", "sealed_network_keys"})
