"""Genesis: the one file all nodes of a network agree on before anything is ordered (design.md, section 5).

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
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import sha256
from typing import Any

import tomli_w

from consensus.checkpoint import COSIGNATURE_KIND, LOG_KIND, NoteKey
from consensus.encoding import encode
from consensus.errors import ConsensusError
from consensus.policy import make_policy
from consensus.types import Validator, ValidatorSet
from credentials.documents.canonical import b64u, b64u_decode, parse_json
from credentials.documents.keys import ED25519, P256, P384, multikey_decode, multikey_encode, require_did
from credentials.errors import CredentialError
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.recognition import Recognition

FORMAT = "comity/genesis/v1"
CARD_FORMAT = "comity/participant/v1"
SIZE_BYTES_MAX = 1 << 20
CARD_BYTES_MAX = 1 << 16
TIME_MAX = (1 << 53) - 1
ANY = "*"
KEY_ROLES = ("vote", "attest", "credential", "cosign", "log", "transport")
VALIDATOR_KEY_ROLES = ("vote", "cosign", "log")
LIFECYCLE_FILE = "lifecycle.json"
_KEY_CHECK_TAG = b"comity/key-check/v1"

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_ORIGIN = re.compile(r"[a-z0-9][a-z0-9./:-]{0,126}")
_JURISDICTION = re.compile(r"[A-Z]{2,8}")
_RULE_FILE = re.compile(r"[a-z0-9-]{1,60}\.(json|toml)")
_SCHEME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_LABEL = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What every node enforces alike; units last in the names."""

    attestations_per_block_max: int = 500
    block_bytes_max: int = 512 * 1024
    per_issuer_per_block_max: int = 400
    per_issuer_per_day_max: int = 200_000
    clock_skew_s: int = 60  # how far in the future a time may lie
    attestation_age_s_max: int = 90 * 86_400  # from iat to admission
    correction_s_max: int = 7 * 86_400  # within which an author may take an attestation back
    void_approvals_min: int = 2  # authorities, the author included, and one per jurisdiction that has one
    heartbeat_ms: int = 600_000
    timeout_propose_ms: int = 1_000
    timeout_prevote_ms: int = 500
    timeout_precommit_ms: int = 500
    timeout_delta_ms: int = 500  # each round waits so much longer
    evidence_heights_max: int = 100_000  # how long ago a validator's fault may be that a block records


@dataclass(frozen=True, slots=True)
class Key:
    """A public key (credentials.documents.keys) of a participant for one role."""

    role: str
    id: str  # DID URL
    public: bytes
    valid_from: int
    valid_until: int | None = None  # rotated: what was admitted before stays as it was
    compromised_from: int | None = None  # from then on it proves nothing, also in what was admitted since

    def valid(self, at: int) -> bool:
        """True while the key is valid."""
        return (
            self.valid_from <= at
            and (self.valid_until is None or at < self.valid_until)
            and not self.compromised(at)
        )

    def compromised(self, at: int) -> bool:
        """True if somebody else may have signed with the key at `at`."""
        return self.compromised_from is not None and at >= self.compromised_from


@dataclass(frozen=True, slots=True)
class Participant:
    """An organisation. `roles` describe it; what it may attest is said by its accreditations."""

    did: str
    name: str
    jurisdiction: str
    roles: tuple[str, ...]
    keys: tuple[Key, ...]

    def key(self, role: str, at: int) -> Key | None:
        """The newest key of this role that is valid at `at`."""
        found = [key for key in self.keys if key.role == role and key.valid(at)]
        return max(found, key=lambda key: key.valid_from, default=None)


@dataclass(frozen=True, slots=True)
class Accreditation:
    """A licence to attest in these roles about identifiers of these schemes and namespaces."""

    participant: str
    roles: tuple[str, ...]
    schemes: tuple[tuple[str, str], ...]
    jurisdiction: str
    valid_from: int
    valid_until: int | None = None
    licence: str = ""

    def in_force(self, at: int) -> bool:
        """True while the accreditation is valid."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)

    def covers(self, scheme: str, namespace: str, *, exactly: bool = False) -> bool:
        """True if the subject is in scope; `exactly`: named, not by "*"."""
        return (scheme, namespace) in self.schemes or (not exactly and (scheme, ANY) in self.schemes)


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
        table = _toml(data, SIZE_BYTES_MAX, "genesis")
        _keys(table, _GENESIS_KEYS, "genesis", optional=_GENESIS_OPTIONAL)
        if table["format"] != FORMAT:
            raise _invalid(f"its format is {table['format']!r}, this software reads {FORMAT}")
        rules, digests = _rules(table["rules"], rule_files)
        if LIFECYCLE_FILE not in rules:
            raise _invalid(f"it names no {LIFECYCLE_FILE}")
        lifecycle = Lifecycle.parse(rules[LIFECYCLE_FILE])
        participants = _participants(table["participants"], lifecycle)
        network_id = sha256(data).digest()
        genesis = cls(
            name=_match(table["name"], _NAME, "name"),
            origin=_match(table["origin"], _ORIGIN, "origin"),
            created=_time(table["created"], "created"),
            app_version=_time(table["app_version"], "app_version"),
            limits=_limits(table.get("limits", {})),
            participants=participants,
            validators=_validators(table["validators"], participants),
            accreditations=_accreditations(table.get("accreditations", []), participants, lifecycle),
            recognitions=_recognitions(table.get("recognitions", []), participants),
            rules=rules,
            rule_digests=digests,
            lifecycle=lifecycle,
            key_check=_bytes(table["key_check"], "key_check"),
            sealed_network_keys=_sealed(table.get("sealed_network_keys", {}), participants),
            network_id=network_id,
            config_digest=sha256(encode(["comity/config/v1", network_id])).digest(),
            data=data,
        )
        if len(genesis.key_check) != 32:
            raise _invalid("key_check is not 32 bytes")
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

    def holds_role(self, did: str, role: str, at: int) -> bool:
        """True if some accreditation in force gives the participant this role."""
        return any(role in a.roles and a.in_force(at) for a in self._accreditations_of.get(did, ()))

    def holders_of(self, role: str, at: int) -> tuple[str, ...]:
        """The participants that hold a role at `at`, in the order of the file."""
        return tuple(did for did in self.participants if self.holds_role(did, role, at))

    @cached_property
    def _keys_by_id(self) -> dict[str, Key]:
        return {key.id: key for p in self.participants.values() for key in p.keys}

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
        "participants": [_participant_table(participant) for participant in participants],
        "validators": [{"participant": did} for did in validators],
        "accreditations": [_accreditation_table(accreditation) for accreditation in accreditations],
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
    return tomli_w.dumps({"format": CARD_FORMAT, **_participant_table(participant)}).encode()


def parse_card(data: bytes) -> Participant:
    """Read a participant card; raises CredentialError. Its roles are checked when genesis is made."""
    table = dict(_toml(data, CARD_BYTES_MAX, "the participant card"))
    if table.pop("format", None) != CARD_FORMAT:
        raise _invalid(f"a participant card has the format {CARD_FORMAT}")
    return _participant(table, None)


_GENESIS_KEYS = frozenset(
    {"format", "name", "origin", "created", "app_version", "key_check", "rules", "participants", "validators"}
)
_GENESIS_OPTIONAL = frozenset({"limits", "accreditations", "recognitions", "sealed_network_keys"})


def _participant_table(participant: Participant) -> dict[str, Any]:
    return {
        "did": participant.did,
        "name": participant.name,
        "jurisdiction": participant.jurisdiction,
        "roles": list(participant.roles),
        "keys": [
            {"role": key.role, "id": key.id, "public": multikey_encode(key.public), **_key_times(key)}
            for key in participant.keys
        ],
    }


def _key_times(key: Key) -> dict[str, int]:
    since = {} if key.compromised_from is None else {"compromised_from": key.compromised_from}
    return {**_interval_table(key), **since}


def _accreditation_table(accreditation: Accreditation) -> dict[str, Any]:
    return {
        "participant": accreditation.participant,
        "roles": list(accreditation.roles),
        "schemes": [list(scheme) for scheme in accreditation.schemes],
        "licence": accreditation.licence,
        "jurisdiction": accreditation.jurisdiction,
        **_interval_table(accreditation),
    }


def _interval_table(dated: Key | Accreditation) -> dict[str, int]:
    until = {} if dated.valid_until is None else {"valid_until": dated.valid_until}
    return {"valid_from": dated.valid_from, **until}


def _participants(value: object, lifecycle: Lifecycle) -> dict[str, Participant]:
    found: dict[str, Participant] = {}
    ids: set[str] = set()
    publics: dict[bytes, str] = {}
    for table in _tables(value, "participants"):
        participant = _participant(table, lifecycle)
        if participant.did in found:
            raise _invalid(f"{participant.did} is there twice")
        for key in participant.keys:
            if key.id in ids:
                raise _invalid(f"the key id {key.id} is there twice")
            if key.public in publics:
                raise _invalid(f"{key.id} and {publics[key.public]} are one key: each role needs its own")
            ids.add(key.id)
            publics[key.public] = key.id
        found[participant.did] = participant
    if not found:
        raise _invalid("it has no participants")
    return found


def _participant(table: Mapping[str, Any], lifecycle: Lifecycle | None) -> Participant:
    _keys(table, {"did", "name", "jurisdiction", "roles", "keys"}, "a participant")
    did = _match(table["did"], _LABEL, "did")
    require_did(did)
    roles = _texts(table["roles"], f"roles of {did}")
    for role in roles:
        if lifecycle is not None and role not in lifecycle.roles:
            raise _invalid(f"{did} has the unknown role {role!r}")
    return Participant(
        did=did,
        name=_match(table["name"], _LABEL, f"name of {did}"),
        jurisdiction=_match(table["jurisdiction"], _JURISDICTION, f"jurisdiction of {did}"),
        roles=roles,
        keys=tuple(_key(did, key) for key in _tables(table["keys"], f"keys of {did}")),
    )


def _key(did: str, table: Mapping[str, Any]) -> Key:
    optional = {"valid_until", "compromised_from"}
    _keys(table, {"role", "id", "public", "valid_from"}, f"a key of {did}", optional=optional)
    if table["role"] not in KEY_ROLES:
        raise _invalid(f"{did} has a key of the unknown role {table['role']!r}")
    key_id = _match(table["id"], _LABEL, f"key id of {did}")
    if key_id.partition("#")[0] != did or "#" not in key_id:
        raise _invalid(f"the key id {key_id} does not belong to {did}")
    if type(table["public"]) is not str:
        raise _invalid(f"the public key {key_id} is not text")
    # Credentials may be signed on P-256 and P-384; the ledger's own signatures are Ed25519 alone.
    kinds = (ED25519, P256, P384) if table["role"] == "credential" else (ED25519,)
    since = table.get("compromised_from")
    return Key(
        table["role"],
        key_id,
        multikey_decode(table["public"], kinds),
        *_interval(table, key_id),
        compromised_from=None if since is None else _time(since, f"compromised_from of {key_id}"),
    )


def _validators(value: object, participants: Mapping[str, Participant]) -> ValidatorSet:
    found: list[Validator] = []
    jurisdictions: dict[str, int] = {}
    for table in _tables(value, "validators"):
        _keys(table, {"participant"}, "a validator")
        participant = participants.get(table["participant"])
        if participant is None:
            raise _invalid(f"the validator {table['participant']!r} is no participant")
        for role in VALIDATOR_KEY_ROLES:
            if len([key for key in participant.keys if key.role == role]) != 1:
                raise _invalid(f"the validator {participant.did} needs exactly one {role} key")
        found.append(Validator(participant.did, next(k.public for k in participant.keys if k.role == "vote")))
        jurisdictions[participant.jurisdiction] = jurisdictions.get(participant.jurisdiction, 0) + 1
    if not found:
        raise _invalid("a network needs at least one validator")
    try:
        validators = ValidatorSet(tuple(found))
    except ConsensusError as error:
        raise _invalid(str(error)) from error
    least = len(found) - validators.quorum + 1
    for jurisdiction, count in sorted(jurisdictions.items()):
        if count < least:
            raise _invalid(
                f"{jurisdiction} has {count} of {len(found)} validators and needs {least}, "
                "or a quorum could decide without it"
            )
    return validators


def _accreditations(
    value: object, participants: Mapping[str, Participant], lifecycle: Lifecycle
) -> tuple[Accreditation, ...]:
    found: list[Accreditation] = []
    creating = lifecycle.creating_roles()
    owners: dict[tuple[str, str], list[Accreditation]] = {}
    for table in _tables(value, "accreditations"):
        accreditation = _accreditation(table, participants, lifecycle)
        found.append(accreditation)
        if creating.isdisjoint(accreditation.roles):
            continue
        for scheme, namespace in accreditation.schemes:
            if namespace == ANY:
                continue
            for other in owners.setdefault((scheme, namespace), []):
                if other.participant != accreditation.participant and _overlap(other, accreditation):
                    raise _invalid(
                        f"the code {namespace} ({scheme}) is given to {other.participant} "
                        f"and to {accreditation.participant} at once"
                    )
            owners[scheme, namespace].append(accreditation)
    return tuple(found)


def _accreditation(
    table: Mapping[str, Any], participants: Mapping[str, Participant], lifecycle: Lifecycle
) -> Accreditation:
    required = {"participant", "roles", "schemes", "jurisdiction", "valid_from"}
    _keys(table, required, "an accreditation", optional={"licence", "valid_until"})
    did = table["participant"]
    if type(did) is not str or did not in participants:
        raise _invalid(f"the accreditation of {did!r} is for no participant")
    roles = _texts(table["roles"], f"roles accredited to {did}")
    for role in roles:
        if role not in lifecycle.roles:
            raise _invalid(f"{did} is accredited for the unknown role {role!r}")
    schemes = []
    for pair in table["schemes"] if isinstance(table["schemes"], list) else [None]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise _invalid(f"schemes accredited to {did} are pairs [scheme, namespace]")
        scheme = _match(pair[0], _SCHEME, f"scheme accredited to {did}")
        schemes.append((scheme, _match(pair[1], _LABEL, f"namespace accredited to {did}")))
    if len(set(schemes)) != len(schemes) or not schemes:
        raise _invalid(f"schemes accredited to {did} are distinct and not none")
    return Accreditation(
        did,
        roles,
        tuple(schemes),
        _match(table["jurisdiction"], _JURISDICTION, f"jurisdiction of an accreditation of {did}"),
        *_interval(table, f"accreditation of {did}"),
        licence=_match(table["licence"], _LABEL, f"licence of {did}") if table.get("licence") else "",
    )


def _overlap(a: Accreditation, b: Accreditation) -> bool:
    return (b.valid_until is None or a.valid_from < b.valid_until) and (
        a.valid_until is None or b.valid_from < a.valid_until
    )


def _recognitions(value: object, participants: Mapping[str, Participant]) -> tuple[Recognition, ...]:
    found = tuple(Recognition.parse(table) for table in _tables(value, "recognitions"))
    for recognition in found:
        authority = participants.get(recognition.authority)
        if authority is None or authority.jurisdiction != recognition.jurisdiction:
            raise _invalid(
                f"{recognition.authority} recognises for {recognition.jurisdiction}, "
                "where it is no participant"
            )
    return found


def _rules(value: object, rule_files: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, bytes]]:
    rules: dict[str, Any] = {}
    digests: dict[str, bytes] = {}
    for table in _tables(value, "rules"):
        _keys(table, {"name", "sha256"}, "a rule file")
        name = _match(table["name"], _RULE_FILE, "name of a rule file")
        digest = _match(table["sha256"], _HEX_DIGEST, f"sha256 of {name}")
        if name in rules:
            raise _invalid(f"the rule file {name} is there twice")
        if name not in rule_files:
            raise _invalid(f"the rule file {name} is missing")
        if sha256(rule_files[name]).hexdigest() != digest:
            raise _invalid(f"the rule file {name} was altered: its digest is not the one in genesis")
        if name.endswith(".toml"):
            rules[name] = _toml(rule_files[name], SIZE_BYTES_MAX, name)
        else:
            rules[name] = parse_json(rule_files[name])
        digests[name] = bytes.fromhex(digest)
    return rules, digests


def _sealed(value: object, participants: Mapping[str, Participant]) -> dict[str, bytes]:
    if not isinstance(value, Mapping):
        raise _invalid("sealed_network_keys is not a table")
    for did in value:
        if did not in participants:
            raise _invalid(f"a network key is sealed to {did!r}, which is no participant")
    return {did: _bytes(sealed, f"sealed network key of {did}") for did, sealed in value.items()}


def _limits(value: object) -> Limits:
    known = {f.name for f in fields(Limits)}
    if not isinstance(value, Mapping) or not value.keys() <= known:
        raise _invalid(f"limits are among {', '.join(sorted(known))}")
    for name, limit in value.items():
        if type(limit) is not int or not 1 <= limit <= TIME_MAX:
            raise _invalid(f"the limit {name} is not a whole number from 1")
    limits = Limits(**value)
    if limits.block_bytes_max > 1 << 20:
        raise _invalid("block_bytes_max is at most 1 MiB")
    return limits


def _invalid(why: str) -> CredentialError:
    return CredentialError("genesis_invalid", f"this genesis is refused: {why}")


def _toml(data: bytes, size_bytes_max: int, what: str) -> dict[str, Any]:
    if len(data) > size_bytes_max:
        raise _invalid(f"{what} has {len(data)} bytes; at most {size_bytes_max} are read")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _invalid(f"{what} is not TOML in UTF-8 ({error})") from error


def _keys(
    table: Mapping[str, Any], required: Iterable[str], where: str, *, optional: Iterable[str] = ()
) -> None:
    required = set(required)
    for name in sorted(required - table.keys()):
        raise _invalid(f"{where} lacks {name}")
    for name in sorted(table.keys() - required - set(optional)):
        raise _invalid(f"{where} has the unknown member {name!r}")


def _tables(value: object, what: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise _invalid(f"{what} is not an array of tables")
    return value


def _texts(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(type(text) is str for text in value):
        raise _invalid(f"{what} is not a list of texts")
    if len(set(value)) != len(value):
        raise _invalid(f"{what} names one twice")
    return tuple(value)


def _match(value: object, pattern: re.Pattern[str], what: str) -> str:
    if type(value) is not str or not pattern.fullmatch(value):
        raise _invalid(f"{what} has the wrong form")
    return value


def _time(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value <= TIME_MAX:
        raise _invalid(f"{what} is not a whole number of at most 2^53-1")
    return value


def _interval(table: Mapping[str, Any], what: str) -> tuple[int, int | None]:
    valid_from = _time(table["valid_from"], f"valid_from of {what}")
    if "valid_until" not in table:
        return valid_from, None
    valid_until = _time(table["valid_until"], f"valid_until of {what}")
    if valid_until <= valid_from:
        raise _invalid(f"the interval of {what} ends before it begins")
    return valid_from, valid_until


def _bytes(value: object, what: str) -> bytes:
    if type(value) is not str or len(value) > 4096:
        raise _invalid(f"{what} is not base64url text")
    return b64u_decode(value, what)
