"""What governs, as records: each has a type, a name and a table, and a place under the governance root.

    participant/DID  accreditation/ID  recognition/ID  rule/FILE  stop/DID or key id
    validators/  limits/  approvals/  app_version/  engine/               one of each
    proposal/HEX DIGEST                                                   `proposals.py`

The tables are those of genesis.toml, in deterministic CBOR, so genesis seeds them and one reader reads both.
A record is never deleted: what ends says so, and absence means that there never was any. The root is that of
the map of standings (`consensus.standings_map`) over their keys: presence and absence have the same proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

from consensus.application import CannotFollow
from consensus.encoding import Value, decode, encode, whole_numbers
from credentials.documents.code_schemes import CodeScheme, is_scheme_file
from credentials.errors import CredentialError
from credentials.ledger.approvals import ApprovalRules
from credentials.ledger.engine_terms import EngineTerm
from credentials.ledger.genesis_table import (
    REFUSED,
    RULE_FILE,
    accreditation_table,
    participant_table,
    read_accreditations,
    read_limits,
    read_participant,
    read_rule_file,
)
from credentials.ledger.governance import LIFECYCLE_FILE, Governance
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.parties import Accreditation, Limits, Participant, Stop
from credentials.ledger.recognition import Recognition
from credentials.ledger.rules import require_built
from credentials.ledger.soundness import governance_invalid

RecordId = tuple[str, str]  # type, name
Table = Mapping[str, Any]
Records = Mapping[RecordId, bytes]
RuleFiles = Callable[[bytes], bytes | None]  # a rule file by its SHA-256; None: this node lacks it

PARTICIPANT, ACCREDITATION, RECOGNITION, STOP = "participant", "accreditation", "recognition", "stop"
RULE, VALIDATORS, LIMITS = "rule", "validators", "limits"
APPROVALS, APP_VERSION, ENGINE, PROPOSAL = "approvals", "app_version", "engine", "proposal"
TYPES = (
    PARTICIPANT, ACCREDITATION, RECOGNITION, STOP, RULE, VALIDATORS, LIMITS, APPROVALS, APP_VERSION, ENGINE,
)  # fmt: skip
APP_VERSIONS = frozenset({1})  # of the ledger's rules, that this code executes: a later one adds its own
_KEY_TAG = "comity/governance-key/v1"


class RulesNotHere(CannotFollow):
    """The network agreed on a rule file that this node lacks, or whose code it lacks (`newer`): it waits.

    No CredentialError: whoever lacks a file must not decide otherwise than those that hold it.
    """

    def __init__(self, name: str, digest: bytes, why: str, *, newer: bool = False) -> None:
        self.name, self.digest, self.why, self.newer = name, digest, why, newer
        told = f"the network goes on under {name} with the SHA-256 {digest.hex()}, "
        if newer:
            told += (
                f"for which a newer version of Comity is needed ({why}): install it, and start the node again"
            )
        else:
            told += f"and {why}: get it from another participant, and `{self.remedy}`"
        super().__init__(told)

    @property
    def remedy(self) -> str:
        """What to type once the file is here."""
        return f"comity network rules add FILE --as {self.name} --data DIR"


class VersionNotHere(RulesNotHere):
    """The network agreed on a version of the ledger's rules that is not in this code: it waits."""

    def __init__(self, version: int) -> None:
        super().__init__(APP_VERSION, b"", f"the code here is of version {max(APP_VERSIONS)}", newer=True)
        self.version = version
        self.args = (
            f"the network goes on by version {version} of the ledger's rules, and {self.why}: install a "
            "newer version of Comity, and start the node again",
        )


def require_version(version: int) -> None:
    """Raise VersionNotHere unless this code executes the ledger's rules of this version."""
    if version not in APP_VERSIONS:
        raise VersionNotHere(version)


def record_key(record_id: RecordId) -> bytes:
    """The key of a record in the map under the governance root."""
    return sha256(encode([_KEY_TAG, *record_id])).digest()


def records_of(governance: Governance) -> dict[RecordId, bytes]:
    """Every record of what governs; proposals are not among them."""
    tables: dict[RecordId, Table] = {}
    found = {(PARTICIPANT, did): _participant_record(p) for did, p in governance.participants.items()}
    found |= {(ACCREDITATION, a.id): _accreditation_record(a) for a in governance.accreditations}
    for recognition in governance.recognitions:
        tables[RECOGNITION, recognition.id] = recognition.as_table()
    for target, stop in governance.stops.items():
        tables[STOP, target] = stop_table(stop)
    for name, digest in governance.rule_digests.items():
        tables[RULE, name] = {"sha256": digest.hex()}
    tables[VALIDATORS, ""] = {"participants": list(governance.validator_dids)}
    tables[LIMITS, ""] = {f.name: getattr(governance.limits, f.name) for f in fields(Limits)}
    tables[APPROVALS, ""] = governance.approvals.as_table()
    tables[APP_VERSION, ""] = {"app_version": governance.app_version}
    if governance.engine is not None:
        tables[ENGINE, ""] = governance.engine.as_table()
    return found | {record_id: encode(cast(Value, table)) for record_id, table in tables.items()}


# Each change writes all records again, of which it changed a few.
@lru_cache(maxsize=2048)
def _participant_record(participant: Participant) -> bytes:
    return encode(cast(Value, participant_table(participant)))


@lru_cache(maxsize=2048)
def _accreditation_record(accreditation: Accreditation) -> bytes:
    return encode(cast(Value, accreditation_table(accreditation)))


def governance_with(governance: Governance, changed: Records, rule_files: RuleFiles | None) -> Governance:
    """What governs after these records; the same for the same records, in whatever order they were decided.

    Without `rule_files` the rules stay as they are and only their digests change: what every node can answer
    before anybody holds them. Raises CredentialError("governance_invalid", ...) for a table that cannot be
    read, a name that is not its own, or records that do not go together, and RulesNotHere.
    """
    if not changed:
        return governance
    participants = dict(governance.participants)
    accreditations = {a.id: a for a in governance.accreditations}
    recognitions = {r.id: r for r in governance.recognitions}
    stops = dict(governance.stops)
    rules, digests = dict(governance.rules), dict(governance.rule_digests)
    whole: dict[str, Any] = {}
    for record_id in sorted(changed):
        kind, name = record_id
        record = read_record(kind, changed[record_id])
        match kind:
            case "participant":
                participants[name] = _named(name, record.did, record)
            case "accreditation":
                accreditations[name] = _named(name, record.id, record)
            case "recognition":
                recognitions[name] = _named(name, record.id, record)
            case "stop":
                stops[name] = _named(name, record.target, record)
            case "rule":
                digests[name] = rule_digest(name, record)
                rules[name] = read_rule(name, digests[name], rule_files) if rule_files else rules.get(name)
            case "proposal":
                pass
            case _:
                whole |= _whole(kind, name, record)
    if rule_files is not None and "app_version" in whole:
        require_version(whole["app_version"])
    return replace(
        governance,
        participants=participants,
        accreditations=tuple(accreditations.values()),
        recognitions=tuple(recognitions.values()),
        stops=stops,
        rules=rules,
        rule_digests=digests,
        **whole,
    )


def _whole(kind: str, name: str, table: Table) -> Table:
    """The records of which there is one."""
    if name:
        raise governance_invalid(f"{kind} has no name")
    match kind:
        case "validators":
            _require_members(table, "validators", {"participants"})
            dids = table["participants"]
            if not isinstance(dids, list) or not all(type(did) is str for did in dids):
                raise governance_invalid("validators are a list of DIDs")
            return {"validator_dids": tuple(dids)}
        case "limits":
            try:
                return {"limits": read_limits(table)}
            except CredentialError as error:
                raise _no_genesis(error) from error
        case "approvals":
            return {"approvals": ApprovalRules.parse(table)}
        case "app_version":
            _require_members(table, "app_version", {"app_version"})
            if type(table["app_version"]) is not int:
                raise governance_invalid("app_version is a whole number")
            return {"app_version": table["app_version"]}
        case "engine":
            return {"engine": EngineTerm.parse(table)}
    raise governance_invalid(f"there are no records of the type {kind!r}")


def rule_digest(name: str, table: Table) -> bytes:
    """The SHA-256 in the record of a rule file; raises CredentialError("governance_invalid", sentence)."""
    _require_members(table, "a rule file", {"sha256"})
    text = table["sha256"]
    if type(text) is not str or len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise governance_invalid(f"the SHA-256 of {name} is 64 hexadecimal digits")
    if not RULE_FILE.fullmatch(name):
        raise governance_invalid(f"{name:.80} is no name of a rule file: small letters, .json or .toml")
    return bytes.fromhex(text)


def read_rule(name: str, digest: bytes, rule_files: RuleFiles) -> Any:
    """A rule file as values, with the code of its guards here; raises RulesNotHere for any other."""
    data = rule_files(digest)
    if data is None:
        raise RulesNotHere(name, digest, "this node does not hold that file")
    assert sha256(data).digest() == digest, "a rule file is asked for by its digest"
    try:
        rules = read_rule_file(name, data)
        if name == LIFECYCLE_FILE:
            require_built(Lifecycle.parse(rules))
        elif is_scheme_file(name):
            CodeScheme.parse(name, rules)
    except CredentialError as error:
        raise RulesNotHere(name, digest, error.message, newer=True) from error
    return rules


def stop_table(stop: Stop) -> Table:
    """The table of an emergency stop."""
    until = {} if stop.until is None else {"until": stop.until}
    lifted = {"lifted": True} if stop.lifted else {}
    return {"target": stop.target, "by": stop.by, "since": stop.since, **until, **lifted}


def _read_stop(table: Table) -> Stop:
    _require_members(table, "a stop", {"target", "by", "since"}, {"until", "lifted"})
    if type(table["target"]) is not str or type(table["by"]) is not str:
        raise governance_invalid("a stop names its target and who set it")
    if not whole_numbers(table["since"], table.get("until", 0)):
        raise governance_invalid("a stop is [since, until) in whole seconds")
    if table.get("lifted", True) is not True:
        raise governance_invalid("lifted is true or left out")
    return Stop(table["target"], table["by"], table["since"], table.get("until"), "lifted" in table)


def read_record(kind: str, data: bytes) -> Any:
    """The participant, accreditation, recognition or stop of a record; other types: the table itself.

    Raises CredentialError("governance_invalid", sentence).
    """
    try:
        match kind:
            case "participant":
                return _read_participant(data)
            case "accreditation":
                return _read_accreditation(data)
    except CredentialError as error:
        raise _no_genesis(error) from error
    table = _table(data)
    try:
        match kind:
            case "recognition":
                return Recognition.parse(table)
            case "stop":
                return _read_stop(table)
    except CredentialError as error:
        raise _no_genesis(error) from error
    return table


# A proposal is tried when it is made, with each approval and when it is decided: its records are read once.
@lru_cache(maxsize=2048)
def _read_participant(data: bytes) -> Participant:
    return read_participant(_table(data))


@lru_cache(maxsize=2048)
def _read_accreditation(data: bytes) -> Accreditation:
    return read_accreditations([dict(_table(data))])[0]


def _no_genesis(error: CredentialError) -> CredentialError:
    """What a reader of genesis says of a record: here it is none of genesis."""
    return governance_invalid(error.message.removeprefix(REFUSED))


def _table(data: bytes) -> Table:
    table = decode(data)
    if not isinstance(table, dict) or not all(type(name) is str for name in table):
        raise governance_invalid("a record is a table")
    return table


def _named(name: str, own: str, record: Any) -> Any:
    if name != own:
        raise governance_invalid(f"the record of {own} is called {name}")
    return record


def _require_members(table: Table, what: str, required: set[str], optional: Collection[str] = ()) -> None:
    known = required | set(optional)
    if not required <= table.keys() <= known:
        raise governance_invalid(f"{what} has the members {', '.join(sorted(known))}")
