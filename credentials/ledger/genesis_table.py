"""Strict readers and writers of the tables of a genesis file; errors say what is wrong in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from hashlib import sha256
from typing import Any

from consensus.encoding import whole_numbers
from credentials.documents.canonical import b64u, b64u_decode, parse_json
from credentials.documents.keys import ED25519, P256, P384, multikey_decode, multikey_encode, require_did
from credentials.errors import CredentialError
from credentials.ledger.limit_bounds import beyond_bounds
from credentials.ledger.parties import (
    KEY_ROLES,
    Accreditation,
    Key,
    Limits,
    Participant,
    Pause,
    read_pauses,
)
from credentials.ledger.payload import read_parties
from credentials.ledger.recognition import Recognition, pauses_table
from credentials.toml_text import TomlTextError, parse_toml

SIZE_BYTES_MAX = 1 << 20
REFUSED = "this genesis is refused: "

NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
ORIGIN = re.compile(r"[a-z0-9][a-z0-9./:-]{0,126}")
_JURISDICTION = re.compile(r"[A-Z]{2,8}")
RULE_FILE = re.compile(r"[a-z0-9-]{1,60}\.(json|toml)")
_SCHEME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_HOST = r"([A-Za-z0-9-]{1,63}\.){0,8}[A-Za-z0-9-]{1,63}\.?|\[[0-9A-Fa-f:.]{2,45}\]"
_ADDRESS = re.compile(rf"https?://({_HOST})(:[1-9][0-9]{{0,4}})?(/[!-~]{{0,200}})?")
# No control characters, and none that shows as nothing or turns the direction of what follows.
_LABEL = re.compile("[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]{1,200}")
_FORMS = {  # in words
    NAME: "small letters, digits, dots and hyphens, at most 63",
    ORIGIN: "small letters, digits, dots, slashes, colons and hyphens, at most 127",
    _JURISDICTION: "2 to 8 capitals",
    RULE_FILE: "the name of a JSON or TOML file",
    _SCHEME: "small letters, digits and hyphens, at most 32",
    _HEX_DIGEST: "64 hexadecimal digits",
    _ADDRESS: "the address of a node, such as https://node.example",
    _LABEL: "a text of 1 to 200 characters that show",
}


def participant_table(participant: Participant) -> dict[str, Any]:
    return {
        "did": participant.did,
        "name": participant.name,
        "jurisdiction": participant.jurisdiction,
        "roles": list(participant.roles),
        **({"identifiers": list(participant.identifiers)} if participant.identifiers else {}),
        **({"address": participant.address} if participant.address else {}),
        **({} if participant.recovery is None else {"recovery": b64u(participant.recovery)}),
        **({} if participant.left is None else {"left": participant.left}),
        "keys": [
            {"role": key.role, "id": key.id, "public": multikey_encode(key.public), **_key_times(key)}
            for key in participant.keys
        ],
    }


def _key_times(key: Key) -> dict[str, int]:
    since = {} if key.compromised_from is None else {"compromised_from": key.compromised_from}
    return {**_interval_table(key), **since}


def accreditation_table(accreditation: Accreditation) -> dict[str, Any]:
    return {
        "participant": accreditation.participant,
        "roles": list(accreditation.roles),
        "schemes": [list(scheme) for scheme in accreditation.schemes],
        "licence": accreditation.licence,
        "jurisdiction": accreditation.jurisdiction,
        **_interval_table(accreditation),
        **({"suspended": pauses_table(accreditation.suspended)} if accreditation.suspended else {}),
    }


def _interval_table(dated: Key | Accreditation) -> dict[str, int]:
    until = {} if dated.valid_until is None else {"valid_until": dated.valid_until}
    return {"valid_from": dated.valid_from, **until}


def read_participants(value: object) -> dict[str, Participant]:
    found: dict[str, Participant] = {}
    for table in _tables(value, "participants"):
        participant = read_participant(table)
        if participant.did in found:
            raise genesis_invalid(f"{participant.did} is there twice")
        found[participant.did] = participant
    return found


def read_participant(table: Mapping[str, Any]) -> Participant:
    required = {"did", "name", "jurisdiction", "roles", "keys"}
    optional = {"identifiers", "address", "recovery", "left"}
    require_keys(table, required, "a participant", optional=optional)
    did = match_text(table["did"], _LABEL, "did")
    require_did(did)
    roles = _texts(table["roles"], f"roles of {did}")
    return Participant(
        did=did,
        name=match_text(table["name"], _LABEL, f"name of {did}"),
        jurisdiction=match_text(table["jurisdiction"], _JURISDICTION, f"jurisdiction of {did}"),
        roles=roles,
        keys=tuple(_key(did, key) for key in _tables(table["keys"], f"keys of {did}")),
        identifiers=_identifiers(did, table.get("identifiers", [])),
        address=match_text(table["address"], _ADDRESS, f"address of {did}") if "address" in table else "",
        recovery=_recovery(did, table["recovery"]) if "recovery" in table else None,
        left=read_time(table["left"], f"left of {did}") if "left" in table else None,
    )


def _recovery(did: str, value: object) -> bytes:
    digest = read_bytes(value, f"recovery of {did}")
    if len(digest) != sha256().digest_size:
        raise genesis_invalid(f"recovery of {did} is not the SHA-256 of a public key")
    return digest


def _identifiers(did: str, value: object) -> tuple[str, ...]:
    found = _texts(value, f"identifiers of {did}")
    try:
        return read_parties(list(found))
    except CredentialError as error:
        raise genesis_invalid(f"identifiers of {did}: {error.message}") from error


def _key(did: str, table: Mapping[str, Any]) -> Key:
    optional = {"valid_until", "compromised_from"}
    require_keys(table, {"role", "id", "public", "valid_from"}, f"a key of {did}", optional=optional)
    if table["role"] not in KEY_ROLES:
        raise genesis_invalid(f"{did} has a key of the unknown role {table['role']!r}")
    key_id = match_text(table["id"], _LABEL, f"key id of {did}")
    if key_id.partition("#")[0] != did or "#" not in key_id:
        raise genesis_invalid(f"the key id {key_id} does not belong to {did}")
    if type(table["public"]) is not str:
        raise genesis_invalid(f"the public key {key_id} is not text")
    # Credentials may be signed on P-256 and P-384; the ledger's own signatures are Ed25519 alone.
    kinds = (ED25519, P256, P384) if table["role"] == "credential" else (ED25519,)
    since = table.get("compromised_from")
    return Key(
        table["role"],
        key_id,
        multikey_decode(table["public"], kinds),
        *_interval(table, key_id),
        compromised_from=None if since is None else read_time(since, f"compromised_from of {key_id}"),
    )


def read_validators(value: object) -> tuple[str, ...]:
    """The DIDs of the validators, in the order in which they take turns."""
    found = []
    for table in _tables(value, "validators"):
        require_keys(table, {"participant"}, "a validator")
        did = table["participant"]
        if type(did) is not str:
            raise genesis_invalid(f"the validator {did!r} is no participant")
        found.append(did)
    return tuple(found)


def read_accreditations(value: object) -> tuple[Accreditation, ...]:
    return tuple(_accreditation(table) for table in _tables(value, "accreditations"))


def _accreditation(table: Mapping[str, Any]) -> Accreditation:
    required = {"participant", "roles", "schemes", "jurisdiction", "valid_from"}
    require_keys(table, required, "an accreditation", optional={"licence", "valid_until", "suspended"})
    did = table["participant"]
    if type(did) is not str:
        raise genesis_invalid(f"the accreditation of {did!r} is for no participant")
    roles = _texts(table["roles"], f"roles accredited to {did}")
    schemes = []
    for pair in table["schemes"] if isinstance(table["schemes"], list) else [None]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise genesis_invalid(f"schemes accredited to {did} are pairs [scheme, namespace]")
        scheme = match_text(pair[0], _SCHEME, f"scheme accredited to {did}")
        schemes.append((scheme, match_text(pair[1], _LABEL, f"namespace accredited to {did}")))
    if len(set(schemes)) != len(schemes) or not schemes:
        raise genesis_invalid(f"schemes accredited to {did} are distinct and not none")
    return Accreditation(
        did,
        roles,
        tuple(schemes),
        match_text(table["jurisdiction"], _JURISDICTION, f"jurisdiction of an accreditation of {did}"),
        *_interval(table, f"accreditation of {did}"),
        licence=match_text(table["licence"], _LABEL, f"licence of {did}") if table.get("licence") else "",
        suspended=_pauses(did, table.get("suspended", [])),
    )


def _pauses(did: str, value: object) -> tuple[Pause, ...]:
    try:
        return read_pauses(value)
    except ValueError as error:
        raise genesis_invalid(f"an accreditation of {did}: {error}") from error


def read_recognitions(value: object) -> tuple[Recognition, ...]:
    return tuple(Recognition.parse(table) for table in _tables(value, "recognitions"))


def read_rules(value: object, rule_files: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, bytes]]:
    rules: dict[str, Any] = {}
    digests: dict[str, bytes] = {}
    for table in _tables(value, "rules"):
        require_keys(table, {"name", "sha256"}, "a rule file")
        name = match_text(table["name"], RULE_FILE, "name of a rule file")
        digest = match_text(table["sha256"], _HEX_DIGEST, f"sha256 of {name}")
        if name in rules:
            raise genesis_invalid(f"the rule file {name} is there twice")
        if name not in rule_files:
            raise genesis_invalid(f"the rule file {name} is missing")
        if sha256(rule_files[name]).hexdigest() != digest:
            raise genesis_invalid(f"the rule file {name} was altered: its digest is not the one in genesis")
        rules[name] = read_rule_file(name, rule_files[name])
        digests[name] = bytes.fromhex(digest)
    return rules, digests


def read_rule_file(name: str, data: bytes) -> Any:
    """A rule file as values, by the ending of its name."""
    match_text(name, RULE_FILE, "name of a rule file")
    return read_toml(data, SIZE_BYTES_MAX, name) if name.endswith(".toml") else parse_json(data)


def read_sealed(value: object, participants: Mapping[str, Participant]) -> dict[str, bytes]:
    if not isinstance(value, Mapping):
        raise genesis_invalid("sealed_network_keys is not a table")
    for did in value:
        if did not in participants:
            raise genesis_invalid(f"a network key is sealed to {did!r}, which is no participant")
    return {did: read_bytes(sealed, f"sealed network key of {did}") for did, sealed in value.items()}


def read_limits(value: object) -> Limits:
    known = {f.name for f in fields(Limits)}
    if not isinstance(value, Mapping) or not value.keys() <= known:
        raise genesis_invalid(f"limits are among {', '.join(sorted(known))}")
    if (sentence := beyond_bounds(value)) is not None:
        raise genesis_invalid(sentence)
    return Limits(**value)


def genesis_invalid(why: str) -> CredentialError:
    return CredentialError("genesis_invalid", f"{REFUSED}{why}")


def read_toml(data: bytes, size_bytes_max: int, what: str) -> dict[str, Any]:
    if len(data) > size_bytes_max:
        raise genesis_invalid(f"{what} has {len(data)} bytes; at most {size_bytes_max} are read")
    try:
        return parse_toml(data)
    except TomlTextError as error:
        raise genesis_invalid(f"{what} {error}") from error


def require_keys(
    table: Mapping[str, Any], required: Iterable[str], where: str, *, optional: Iterable[str] = ()
) -> None:
    required = set(required)
    for name in sorted(required - table.keys()):
        raise genesis_invalid(f"{where} lacks {name}")
    for name in sorted(table.keys() - required - set(optional)):
        raise genesis_invalid(f"{where} has the unknown member {name!r}")


def _tables(value: object, what: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise genesis_invalid(f"{what} is not an array of tables")
    return value


def _texts(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(type(text) is str for text in value):
        raise genesis_invalid(f"{what} is not a list of texts")
    if len(set(value)) != len(value):
        raise genesis_invalid(f"{what} names one twice")
    return tuple(value)


def match_text(value: object, pattern: re.Pattern[str], what: str) -> str:
    if type(value) is not str or not pattern.fullmatch(value):
        raise genesis_invalid(f"{what} has the wrong form: it is {_FORMS[pattern]}")
    return value


def read_time(value: object, what: str) -> int:
    if type(value) is not int or not whole_numbers(value):
        raise genesis_invalid(f"{what} is not a whole number of at most 2^53-1")
    return value


def _interval(table: Mapping[str, Any], what: str) -> tuple[int, int | None]:
    valid_from = read_time(table["valid_from"], f"valid_from of {what}")
    if "valid_until" not in table:
        return valid_from, None
    valid_until = read_time(table["valid_until"], f"valid_until of {what}")
    if valid_until <= valid_from:
        raise genesis_invalid(f"the interval of {what} ends before it begins")
    return valid_from, valid_until


def read_bytes(value: object, what: str) -> bytes:
    if type(value) is not str or len(value) > 4096:
        raise genesis_invalid(f"{what} is not base64url text")
    return b64u_decode(value, what)
