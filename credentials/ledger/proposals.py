"""Proposals: a change of what governs, exactly, the records it was written for, and who stands behind it.

    proposal = ["comity/proposal/v1", network id, [[type, name, table], ...], base,
                {new key id: proof of possession}, expires, nonce (16)]
    base = [[type, name, digest / null / {member: digest / null, ...}], ...]

The base is the SHA-256 of every record that the change reads or replaces, null for one that there is not. It
is compared when the proposal is made and when it is decided, so nobody approves one thing and gets another.
Of a participant, licence or recognition that is on record it names the members that change, and these alone
are compared and replaced: or a party could void whatever is decided about it by changing its address.
Its SHA-256 names the proposal; the nonce makes it possible to propose the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, cast

from consensus.cose import Signer, verify_ed25519
from consensus.encoding import EncodingError, Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from credentials.documents.keys import ED25519, kind_of
from credentials.documents.suites.ecdsa import verify_ecdsa
from credentials.errors import CredentialError
from credentials.ledger.entries import GovernanceEntry
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import (
    ACCREDITATION,
    APP_VERSION,
    PARTICIPANT,
    PROPOSAL,
    RECOGNITION,
    RULE,
    TYPES,
    RecordId,
    Records,
    read_record,
)
from credentials.ledger.parties import Participant

TAG = "comity/proposal/v1"
POSSESSION_TAG = "comity/possession/v1"
RECORDS_MAX, BASE_MAX, NONCE_BYTES = 32, 64, 16
PROPOSAL_BYTES_MAX = 12 * 1024  # with its attestation below that of any attestation


BY_MEMBERS = (PARTICIPANT, ACCREDITATION, RECOGNITION)  # several change these, each something else of it
Base = bytes | Mapping[str, bytes | None] | None


@dataclass(frozen=True)
class ChangeProposal:
    """A change of records, with the records that it was written for."""

    network_id: bytes
    records: Records
    base: Mapping[RecordId, Base]  # SHA-256 of each
    proofs: Mapping[str, bytes]  # new key id: its signature over `possession_message`
    expires: int
    nonce: bytes

    def encode(self) -> bytes:
        """The bytes whose SHA-256 names it."""
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        value: list[Value] = [
            TAG,
            self.network_id,
            [[kind, name, decode(self.records[kind, name])] for kind, name in sorted(self.records)],
            [[kind, name, _plain(self.base[kind, name])] for kind, name in sorted(self.base)],
            dict(self.proofs),
            self.expires,
            self.nonce,
        ]
        return encode(value)

    @cached_property
    def digest(self) -> bytes:
        """Its name."""
        return sha256(self.encode()).digest()

    @classmethod
    def decode(cls, data: bytes) -> ChangeProposal:
        """Read strictly; raises CredentialError("malformed", sentence)."""
        try:
            value = decode(data, size_bytes_max=PROPOSAL_BYTES_MAX)
        except EncodingError as error:
            raise _malformed(str(error)) from error
        match value:
            case [
                tag,
                bytes(network_id),
                list(records),
                list(base),
                dict(proofs),
                expires,
                bytes(nonce),
            ]:
                pass
            case _:
                raise _malformed(f'it is ["{TAG}", network id, records, base, proofs, expires, nonce]')
        if tag != TAG or len(network_id) != 32 or len(nonce) != NONCE_BYTES or not whole_numbers(expires):
            raise _malformed("its tag, network id, expiry or nonce has the wrong form")
        if not 0 < len(records) <= RECORDS_MAX or not 0 < len(base) <= BASE_MAX:
            raise _malformed(f"it changes 1 to {RECORDS_MAX} records and reads at most {BASE_MAX}")
        changed = {record_id: encode(table) for record_id, table in _rows(records, dict, TYPES)}
        read: dict[RecordId, Base] = dict(_rows(base, bytes | dict | None, TYPES))
        if not changed.keys() <= read.keys():
            raise _malformed("its base names every record that it changes")
        for record_id, known in read.items():
            _require_base(record_id, known, changed=record_id in changed)
        if not all(type(kid) is str and type(proof) is bytes for kid, proof in proofs.items()):
            raise _malformed("its proofs are signatures by key id")
        return cls(network_id, changed, read, proofs, expires, nonce)


def _require_base(record_id: RecordId, base: Base, *, changed: bool) -> None:
    digests = base.values() if isinstance(base, Mapping) else (base,)
    if any(digest is not None and (type(digest) is not bytes or len(digest) != 32) for digest in digests):
        raise _malformed("a digest of its base is not 32 bytes")
    by_members = changed and record_id[0] in BY_MEMBERS
    if base is not None and isinstance(base, Mapping) != by_members:
        raise _malformed(f"its base names the members that change, of each of {', '.join(BY_MEMBERS)}")
    if isinstance(base, Mapping) and not (base and all(type(member) is str for member in base)):
        raise _malformed("its base names the members that change")


def _plain(base: Base) -> Value:
    return dict(base) if isinstance(base, Mapping) else base


def _rows(rows: list[Any], kind: Any, types: Iterable[str]) -> Iterable[tuple[RecordId, Any]]:
    """[type, name, value], each once, in order."""
    ids: list[RecordId] = []
    for row in rows:
        match row:
            case [str(record_type), str(name), value] if record_type in types and isinstance(value, kind):
                ids.append((record_type, name))
            case _:
                raise _malformed("its rows are [type, name, value]")
    if ids != sorted(set(ids)):
        raise _malformed("its rows are in order, each once")
    return zip(ids, (row[2] for row in rows), strict=True)


def _malformed(why: str) -> CredentialError:
    return CredentialError("malformed", f"not a proposal: {why}")


def propose(
    network_id: bytes,
    known: Records,
    changed: Mapping[RecordId, Mapping[str, Any]],
    *,
    expires: int,
    nonce: bytes,
    proofs: Mapping[str, bytes] | None = None,
) -> ChangeProposal:
    """A proposal that these records become so, written for what they are among `known`."""
    records = {record_id: encode(dict(table)) for record_id, table in changed.items()}
    base = {record_id: base_of(record_id, known.get(record_id), data) for record_id, data in records.items()}
    return ChangeProposal(network_id, records, base, dict(proofs or {}), expires, nonce)


# -- the records that it was written for -----------------------------------------------------------------


def base_of(record_id: RecordId, known: bytes | None, proposed: bytes) -> Base:
    """What a proposal says of a record that it changes: of one that others change too, what it changes."""
    if known is None or record_id[0] not in BY_MEMBERS:
        return None if known is None else sha256(known).digest()
    before, after = _members(known), _members(proposed)
    differing = (m for m in sorted(before.keys() | after.keys()) if before.get(m) != after.get(m))
    # One that changes nothing is written for all of it, and refused for that.
    return {m: _digest(before, m) for m in differing} or {m: _digest(before, m) for m in before}


def placed(proposal: ChangeProposal, known: Callable[[RecordId], bytes | None]) -> tuple[Records, Records]:
    """The records that it reads as they are now, and as those that it changes would be.

    Raises CredentialError("base_changed", sentence) where what it replaces or reads is not what it was.
    """
    before: dict[RecordId, bytes] = {}
    after = dict(proposal.records)
    for record_id, base in proposal.base.items():
        data = known(record_id)
        if data is not None:
            before[record_id] = data
        if isinstance(base, Mapping):
            now = _members(data) if data is not None else {}
            if data is None or any(_digest(now, member) != digest for member, digest in base.items()):
                raise _changed(record_id)
            proposed = _members(after[record_id])
            kept = {member: value for member, value in now.items() if member not in base}
            after[record_id] = encode(kept | {m: proposed[m] for m in base if m in proposed})
        elif base != (None if data is None else sha256(data).digest()):
            raise _changed(record_id)
    return before, after


def _members(data: bytes) -> dict[str, Value]:
    return cast(dict[str, Value], decode(data))


def _digest(table: Mapping[str, Value], member: str) -> bytes | None:
    return sha256(encode(table[member])).digest() if member in table else None


def _changed(record_id: RecordId) -> CredentialError:
    told = f"{' '.join(record_id)} is not what this proposal was written for: make it again"
    return CredentialError("base_changed", told)


# -- possession of new keys ------------------------------------------------------------------------------


def possession_message(network_id: bytes, kid: str, role: str, public: bytes) -> bytes:
    """What a new key signs to show that its holder has it: for one network, one name, one role."""
    return encode([POSSESSION_TAG, network_id, kid, role, public])


def prove_possession(network_id: bytes, role: str, signer: Signer) -> bytes:
    """The proof of a new key."""
    return signer.sign(possession_message(network_id, signer.key_id, role, signer.public_key))


def require_possession(governance: Governance, proposal: ChangeProposal) -> None:
    """Every key that the proposal brings signed for itself; raises CredentialError."""
    wanted: set[str] = set()
    for (kind, _), data in proposal.records.items():
        if kind != PARTICIPANT:
            continue
        participant: Participant = read_record(kind, data)
        for key in participant.keys:
            if governance.key_by_id(key.id) is not None:
                continue
            wanted.add(key.id)
            message = possession_message(proposal.network_id, key.id, key.role, key.public)
            try:
                verify = verify_ed25519 if kind_of(key.public) == ED25519 else verify_ecdsa
                verify(key.public, proposal.proofs.get(key.id, b""), message)
            except (ConsensusError, CredentialError) as error:
                raise CredentialError(
                    "possession_unproven", f"{key.id} did not sign for itself: its holder makes the proof"
                ) from error
    if extra := sorted(proposal.proofs.keys() - wanted):
        raise _malformed(f"{extra[0]} is no new key of it")


# -- on the ledger ----------------------------------------------------------------------------------------

OPEN, DECIDED, LAPSED, WITHDRAWN = "open", "decided", "lapsed", "withdrawn"


_FORM = {
    "proposal": bytes,
    "by": str,
    "recovered": bool,
    "since": int,
    "height": int,
    "approvals": list,
    "objections": list,
    "held": dict,
    "outcome": str,
    "reason": str,
    "in_force": int,
}  # of the record of a proposal, as `Tabled.encode` writes it


@dataclass(frozen=True, slots=True)
class Tabled:
    """A proposal on the ledger, with who stands behind it; a record of what governs."""

    proposal: ChangeProposal
    by: str
    recovered: bool  # signed with the recovery key of `by`
    since: int
    height: int
    approvals: frozenset[str] = frozenset()
    held: Mapping[str, str] = field(default_factory=dict)  # validators that hold what it brings: key id
    outcome: str = OPEN
    reason: str = ""
    in_force: int = 0  # the first height that it governs, once decided
    objections: frozenset[str] = frozenset()  # then more have to approve: consents.py

    @property
    def record_id(self) -> RecordId:
        return PROPOSAL, self.proposal.digest.hex()

    @property
    def brings_rules(self) -> bool:
        """True if validators have to hold something for it: rule files, or the code of another version."""
        return any(kind in (RULE, APP_VERSION) for kind, _ in self.proposal.records)

    def closed(self, outcome: str, reason: str = "", in_force: int = 0) -> Tabled:
        """The same once it is over."""
        return replace(self, outcome=outcome, reason=reason, in_force=in_force)

    def encode(self) -> bytes:
        """Its record."""
        return encode(
            {
                "proposal": self.proposal.encode(),
                "by": self.by,
                "recovered": self.recovered,
                "since": self.since,
                "height": self.height,
                "approvals": sorted(self.approvals),
                "objections": sorted(self.objections),
                "held": dict(self.held),
                "outcome": self.outcome,
                "reason": self.reason,
                "in_force": self.in_force,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Tabled:
        """A record that `encode` wrote; CredentialError("malformed", ...) for another, as of a snapshot."""
        try:
            table = decode(data)
        except EncodingError as error:
            raise _malformed(str(error)) from error
        if type(table) is not dict or {name: type(value) for name, value in table.items()} != _FORM:
            raise _malformed(f"its record has {', '.join(_FORM)}")
        told = cast(Mapping[str, Any], table)
        approvals, objections, held = told["approvals"], told["objections"], told["held"]
        if not all(type(text) is str for text in (*approvals, *objections, *held, *held.values())):
            raise _malformed("who stands behind it is a text")
        sets = {"approvals": frozenset(approvals), "objections": frozenset(objections)}
        return cls(**{**told, **sets, "proposal": ChangeProposal.decode(told["proposal"])})


def leaf_of(tabled: Tabled, before: Records, after: Records) -> bytes:
    """The leaf that says what became of a proposal."""
    changed = tuple(
        (
            *record_id,
            sha256(before[record_id]).digest() if record_id in before else None,
            sha256(data).digest(),
        )
        for record_id, data in sorted(after.items())
    )
    return GovernanceEntry(
        tabled.proposal.digest, tabled.outcome, tabled.reason, tabled.in_force, changed
    ).encode()
