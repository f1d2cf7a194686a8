"""What governed after the block of a height, whole, with its proof: checked years later without a node.

    {"format": "comity/governance-proof/v1", "height", "receipt": the tlog-proof of that block's entry,
     "records": [[type, name, base64url of the record], ...]}        every record under its governance root

What does not fit into one answer of a node is given in parts of at most `PART_BYTES` of records, in order,

    {"format": "comity/governance-proof-part/v1", "height", "receipt", "records", "next": where the next part
     begins, null with the last one}

and put together by whoever fetches them: `joined`. A part proves nothing alone.

All records, not one with a path: "was X licensed for S at T" is about licences whose names nobody knows, and
only the whole map proves that there is no other. The dates in the records answer for T; the height says what
was known by then. What governs the block of a height is under the root of the block before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NotRequired, TypedDict

from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.validators import ValidatorSet
from credentials.documents.canonical import b64u, b64u_decode
from credentials.errors import CredentialError
from credentials.ledger.constitution import governance_map
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.governance_records import (
    ACCREDITATION,
    PARTICIPANT,
    RECOGNITION,
    RULE,
    STOP,
    VALIDATORS,
    RecordId,
    Records,
    read_record,
    rule_digest,
)
from credentials.ledger.log_epochs import LogEpochs, verify_under
from credentials.ledger.parties import Accreditation, Key, Participant, Stop
from credentials.ledger.recognition import Recognition
from credentials.ledger.soundness import validator_set

FORMAT = "comity/governance-proof/v1"
MEMBERS = {"format", "height", "receipt", "records"}
RECORDS_MAX = 1 << 16
PART_FORMAT = "comity/governance-proof-part/v1"
PART_BYTES = 1 << 20  # of records, as the file has them, in one answer


@dataclass(frozen=True, slots=True)
class ProvenGovernance:
    """What governed after the block of `height`, proven; each answer comes from every record there is."""

    height: int
    time: int  # of that block
    before: int  # the checkpoint was cosigned before
    records: Records

    def participant(self, did: str) -> Participant | None:
        """The participant with this DID; None: there was none."""
        data = self.records.get((PARTICIPANT, did))
        return None if data is None else _participant(data)

    @property
    def accreditations(self) -> Sequence[Accreditation]:
        """Every licence on record, in the order of their names."""
        return [read_record(ACCREDITATION, d) for (k, _), d in self.records.items() if k == ACCREDITATION]

    @property
    def recognitions(self) -> Sequence[Recognition]:
        """Every recognition on record, in the order of their names."""
        return [read_record(RECOGNITION, d) for (k, _), d in self.records.items() if k == RECOGNITION]

    def licences(self, did: str, role: str, scheme: str, namespace: str, at: int) -> list[Accreditation]:
        """The accreditations under which it acts as `role` for this namespace at `at`; none: it was not."""
        held = self.participant(did)
        if held is None or not held.takes_part(at):
            return []
        return [
            one
            for one in self.accreditations
            if one.participant == did
            and role in one.roles
            and one.covers(scheme, namespace)
            and one.in_force(at)
        ]

    def keys(self, did: str, role: str, at: int) -> list[Key]:
        """Its keys of this role that are valid at `at`; none: it had none."""
        held = self.participant(did)
        if held is None or not held.takes_part(at):
            return []
        return [key for key in held.keys if key.role == role and key.valid(at)]

    def stopped(self, target: str, at: int) -> Stop | None:
        """The emergency stop of a party or key that was in force at `at`."""
        data = self.records.get((STOP, target))
        stop = None if data is None else _stop(data)
        return stop if stop is not None and stop.holds(at) else None

    @property
    def validators(self) -> ValidatorSet:
        """Who decides the next block."""
        dids = read_record(VALIDATORS, self.records[VALIDATORS, ""])["participants"]
        known = {did: party for did in dids if (party := self.participant(did)) is not None}
        return validator_set(dids, known, ())  # of which jurisdictions there are enough was seen when decided

    def rules(self) -> dict[str, bytes]:
        """The SHA-256 of every rule file by its name."""
        return {
            name: rule_digest(name, read_record(RULE, data))
            for (kind, name), data in self.records.items()
            if kind == RULE
        }


class ProofAnswer(TypedDict):
    """The file."""

    format: str
    height: int
    receipt: str
    records: list[list[str]]


def prove_governance(records: Records, height: int, receipt: str) -> ProofAnswer:
    """The file that proves what governed after a block, from the receipt of that block's entry."""
    rows = [[kind, name, b64u(data)] for (kind, name), data in sorted(records.items())]
    return {"format": FORMAT, "height": height, "receipt": receipt, "records": rows}


class ProofPart(ProofAnswer):
    """Some of its records, from a place on."""

    next: NotRequired[int | None]  # where the next part begins; in every part


def part_of(proof: ProofAnswer, start: int) -> ProofPart:
    """The records from `start` on that fit into one answer: at least one, if there is one."""
    rows, size = list[list[str]](), 0
    for row in proof["records"][start:]:
        size += sum(map(len, row))
        if rows and size > PART_BYTES:
            break
        rows.append(row)
    end = start + len(rows)
    following = end if end < len(proof["records"]) else None
    return {**proof, "format": PART_FORMAT, "records": rows, "next": following}


def joined(parts: Sequence[Mapping[str, Any]]) -> ProofAnswer:
    """The file of all parts; whether it proves anything is `verify_governance`'s to say."""
    first = parts[0]
    rows = [row for part in parts for row in part["records"]]
    return {"format": FORMAT, "height": first["height"], "receipt": first["receipt"], "records": rows}


def verify_governance(proof: Mapping[str, Any], log: LogPolicy | LogEpochs) -> ProvenGovernance:
    """Check it offline, under log.policy or under what the epochs lead to from it.

    Raises CredentialError("governance_proof_invalid", sentence): the form; the receipt; another entry or
    height; records that are missing, added or changed.
    """
    if not isinstance(proof, Mapping) or proof.keys() != MEMBERS or proof["format"] != FORMAT:
        raise _invalid(f"it has exactly the members {', '.join(sorted(MEMBERS))}, and the format {FORMAT}")
    records = _records(proof["records"])
    if type(proof["receipt"]) is not str:
        raise _invalid("its receipt is text")
    try:
        verified = verify_under(log, proof["receipt"])
    except ConsensusError as error:
        raise _invalid(f"its receipt does not hold: {error}") from error
    entry = parse_entry(verified.entry)
    if not isinstance(entry, BlockEntry):
        raise _invalid("its receipt is not that of a block's entry")
    if type(proof["height"]) is not int or entry.height != proof["height"]:
        raise _invalid(f"its receipt is that of height {entry.height}")
    if governance_map(records).root != entry.governance_root:
        raise _invalid("its records are not those of that block: one is missing, added or changed")
    return ProvenGovernance(entry.height, entry.time, verified.before, records)


def _records(rows: object) -> dict[RecordId, bytes]:
    if not isinstance(rows, list) or len(rows) > RECORDS_MAX:
        raise _invalid(f"its records are a list of at most {RECORDS_MAX}")
    found: list[tuple[RecordId, bytes]] = []
    for row in rows:
        match row:
            case [str(kind), str(name), str(text)]:
                found.append(((kind, name), _bytes(text)))
            case _:
                raise _invalid("a record is [type, name, base64url]")
    if any(first >= second for (first, _), (second, _) in pairwise(found)):
        raise _invalid("its records stand in ascending order, each once")
    return dict(found)


def _bytes(text: str) -> bytes:
    try:
        return b64u_decode(text)
    except CredentialError as error:
        raise _invalid("a record is [type, name, base64url]") from error


def _participant(data: bytes) -> Participant:
    record = read_record(PARTICIPANT, data)
    assert isinstance(record, Participant), "its type says so"
    return record


def _stop(data: bytes) -> Stop:
    record = read_record(STOP, data)
    assert isinstance(record, Stop), "its type says so"
    return record


def _invalid(sentence: str) -> CredentialError:
    return CredentialError(
        "governance_proof_invalid", f"The proof of what governed cannot be used: {sentence}."
    )
