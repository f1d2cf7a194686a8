"""Proposals: a change of what governs, exactly; who stands behind it; what is missing, and who can give it.

    proposal = ["comity/proposal/v1", network id, [[type, name, table], ...], base,
                {new key id: proof of possession}, expires, nonce (16)]
    base = [[type, name, digest / null], ...]

The base is the SHA-256 of every record that the change reads or replaces, null for one that there is not. It
is compared when the proposal is made and when it is decided, so nobody approves one thing and gets another.
Its SHA-256 names the proposal; the nonce makes it possible to propose the same again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, cast

from consensus.cose import Signer, verify_ed25519
from consensus.encoding import EncodingError, Value, decode, encode
from consensus.errors import ConsensusError
from credentials.documents.keys import ED25519, kind_of
from credentials.documents.suites.ecdsa import verify_ecdsa
from credentials.errors import CredentialError
from credentials.ledger.amendment import Amendment, is_authority
from credentials.ledger.approvals import AUTHORITY, NETWORK, OWN, RECOVERY
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import PARTICIPANT, PROPOSAL, TYPES, RecordId, Records, read_record
from credentials.ledger.parties import Participant

TAG = "comity/proposal/v1"
POSSESSION_TAG = "comity/possession/v1"
RECORDS_MAX, BASE_MAX, NONCE_BYTES = 32, 64, 16
PROPOSAL_BYTES_MAX = 12 * 1024  # with its attestation below that of any attestation


@dataclass(frozen=True, slots=True)
class ChangeProposal:
    """A change of records, with the records that it was written for."""

    network_id: bytes
    records: Records
    base: Mapping[RecordId, bytes | None]  # SHA-256 of each
    proofs: Mapping[str, bytes]  # new key id: its signature over `possession_message`
    expires: int
    nonce: bytes

    def encode(self) -> bytes:
        """The bytes whose SHA-256 names it."""
        value: list[Value] = [
            TAG,
            self.network_id,
            [[kind, name, decode(self.records[kind, name])] for kind, name in sorted(self.records)],
            [[kind, name, self.base[kind, name]] for kind, name in sorted(self.base)],
            dict(self.proofs),
            self.expires,
            self.nonce,
        ]
        return encode(value)

    @property
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
                int(expires),
                bytes(nonce),
            ]:
                pass
            case _:
                raise _malformed(f'it is ["{TAG}", network id, records, base, proofs, expires, nonce]')
        if tag != TAG or len(network_id) != 32 or len(nonce) != NONCE_BYTES or type(expires) is not int:
            raise _malformed("its tag, network id, expiry or nonce has the wrong form")
        if not 0 < len(records) <= RECORDS_MAX or not 0 < len(base) <= BASE_MAX:
            raise _malformed(f"it changes 1 to {RECORDS_MAX} records and reads at most {BASE_MAX}")
        changed = {record_id: encode(table) for record_id, table in _rows(records, dict, TYPES)}
        read = dict(_rows(base, bytes | None, TYPES))
        if not changed.keys() <= read.keys():
            raise _malformed("its base names every record that it changes")
        if any(digest is not None and len(digest) != 32 for digest in read.values()):
            raise _malformed("a digest of its base is not 32 bytes")
        if not all(type(kid) is str and type(proof) is bytes for kid, proof in proofs.items()):
            raise _malformed("its proofs are signatures by key id")
        return cls(network_id, changed, read, proofs, expires, nonce)


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
    base = {r: sha256(known[r]).digest() if r in known else None for r in changed}
    records = {record_id: encode(dict(table)) for record_id, table in changed.items()}
    return ChangeProposal(network_id, records, base, dict(proofs or {}), expires, nonce)


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


# -- who stands behind it ---------------------------------------------------------------------------------

OPEN, DECIDED, LAPSED, WITHDRAWN, OBJECTED = "open", "decided", "lapsed", "withdrawn", "objected"


@dataclass(frozen=True, slots=True)
class Tabled:
    """A proposal on the ledger, with who stands behind it; a record of what governs."""

    proposal: ChangeProposal
    by: str
    recovered: bool  # signed with the recovery key of `by`
    since: int
    height: int
    approvals: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()  # validators that hold its rule files and their code
    outcome: str = OPEN
    reason: str = ""
    in_force: int = 0  # the first height that it governs, once decided

    @property
    def record_id(self) -> RecordId:
        return PROPOSAL, self.proposal.digest.hex()

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
                "held": sorted(self.held),
                "outcome": self.outcome,
                "reason": self.reason,
                "in_force": self.in_force,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Tabled:
        """A record that `encode` wrote."""
        table = cast(Mapping[str, Any], decode(data))
        sets = {name: frozenset(table[name]) for name in ("approvals", "held")}
        proposal = ChangeProposal.decode(table["proposal"])
        return cls(**{**table, **sets, "proposal": proposal})


@dataclass(frozen=True, slots=True)
class ApprovalMissing:
    """What an action still needs: so many approvals of these parties, or the party's own signature."""

    action: str
    sort: str
    count: int
    of: tuple[str, ...]  # DIDs that can give it
    jurisdictions: tuple[str, ...] = ()  # of which one each is missing


@dataclass(frozen=True, slots=True)
class Wanting:
    """What keeps a proposal from being decided now; nothing in it: it can be decided."""

    missing: tuple[ApprovalMissing, ...] = ()
    waits_until: int = 0
    held_missing: int = 0  # weight of validators that have yet to say that they hold its rule files

    def ready(self, at: int) -> bool:
        """True if it can be decided."""
        return not self.missing and at >= self.waits_until and not self.held_missing


@dataclass(slots=True)
class _Count:
    """Approvals of one proposal, counted under what governs now."""

    tabled: Tabled
    governance: Governance
    at: int
    authorities: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.authorities = self.governance.authorities(self.at)

    @property
    def approving(self) -> frozenset[str]:
        """Authorities of this moment that stand behind it."""
        return self.tabled.approvals & self.authorities.keys()

    def of(self, amendment: Amendment) -> ApprovalMissing | None:
        sort = sort_of(self.tabled, self.governance, amendment)
        match sort:
            case "own" | "recovery":
                return self.own(amendment, sort)
            case "authority":
                return self._one(amendment)
        return None  # all of them together: `network`

    def own(self, amendment: Amendment, sort: str) -> ApprovalMissing | None:
        signed = self.tabled.by == amendment.party and self.tabled.recovered == (sort == RECOVERY)
        return None if signed else ApprovalMissing(amendment.action, sort, 1, (amendment.party,))

    def _one(self, amendment: Amendment) -> ApprovalMissing | None:
        can = {
            did
            for did, home in self.authorities.items()
            if home == amendment.jurisdiction
            and did not in amendment.not_by
            and amendment.only_by in ("", did)
        }
        if can & self.approving:
            return None
        # A jurisdiction with one authority cannot confirm its own stop: then all confirm it together.
        if amendment.not_by and not can and self.network(()) is None:
            return None
        return ApprovalMissing(amendment.action, AUTHORITY, 1, tuple(sorted(can)), (amendment.jurisdiction,))

    def network(self, unseated: Iterable[str]) -> ApprovalMissing | None:
        """k authorities and one of each jurisdiction; of one whose only authority is unseated: all others."""
        rules, gone = self.governance.approvals, set(unseated)
        others = {did: home for did, home in self.authorities.items() if did not in gone}
        bereft = self.bereft(gone)
        if bereft and others:
            lacking = tuple(sorted(others.keys() - self.approving))
            return ApprovalMissing(NETWORK, NETWORK, len(lacking), lacking) if lacking else None
        homes = {self.authorities[did] for did in self.approving}
        living = set(self.authorities.values())
        absent = tuple(j for j in rules.jurisdictions if j in living and j not in homes)
        short = max(rules.approvals_min - len(self.approving), len(absent), 0)
        if not short:
            return None
        can = tuple(sorted(self.authorities.keys() - self.approving))
        return ApprovalMissing(NETWORK, NETWORK, short, can, absent)

    def silence_ends(self) -> int:
        """When a side whose every authority is silenced by a stop that nobody confirmed is heard again.

        Until then nothing is decided for all: or the others stop it, and while it cannot consent put
        somebody of theirs into its place.
        """
        governance, living = self.governance, set(self.authorities.values())
        silent = {
            did
            for did, participant in governance.participants.items()
            if participant.jurisdiction in set(governance.approvals.jurisdictions) - living
            and is_authority(governance, did, self.at)
        }
        ends = (
            stop.until
            for target, stop in governance.stops.items()
            if target.partition("#")[0] in silent and stop.holds(self.at) and stop.until is not None
        )
        return max(ends, default=0)

    def bereft(self, unseated: set[str]) -> bool:
        """True if that leaves a jurisdiction without an authority that approves today."""
        left = {home for did, home in self.authorities.items() if did not in unseated}
        return any(self.authorities[did] not in left for did in unseated if did in self.authorities)


def sort_of(tabled: Tabled, governance: Governance, amendment: Amendment) -> str:
    """Whose approval an amendment needs: the table's, or all together where it is weighty."""
    action = amendment.action
    if action == "participant.left" and not (tabled.recovered and tabled.by == amendment.party):
        action = "participant.expelled"  # its authority may, where the party itself did not sign
    sort = governance.approvals.sort_of(action)
    return NETWORK if amendment.weighty else sort


def wanting(tabled: Tabled, amendments: Iterable[Amendment], governance: Governance, at: int) -> Wanting:
    """What is missing, and who can give it, under what governs at `at`."""
    amendments = tuple(amendments)
    count = _Count(tabled, governance, at)
    missing = [found for a in amendments if (found := count.of(a)) is not None]
    weighty = [a for a in amendments if sort_of(tabled, governance, a) == NETWORK]
    waits, rules = 0, governance.approvals
    if weighty:
        # Replacing keys is by their owner as well: others do not choose what a validator signs with.
        own = [a for a in weighty if rules.sort_of(a.action) == RECOVERY and a.action.startswith("keys.")]
        missing += [m for a in own if (m := count.own(a, RECOVERY)) is not None]
        unseated = {a.unseats for a in amendments if a.unseats}
        if (found := count.network(unseated)) is not None:
            missing.append(replace(found, action=weighty[0].action))
        if count.bereft(unseated):
            waits = tabled.since + rules.removal_s
        if not all(a.action.startswith("stop.") for a in amendments):
            waits = max(waits, count.silence_ends())
    if any(a.action == "recovery.replaced" for a in amendments):
        waits = max(waits, tabled.since + rules.objection_s)
    held = 0
    if any(a.action == "rules.changed" for a in amendments):
        validators = governance.validators
        held = max(validators.quorum - validators.weight_of(tabled.held), 0)
    return Wanting(tuple(missing), waits, held)


def strictest(tabled: Tabled, governance: Governance, amendments: Iterable[Amendment]) -> str:
    """The strictest sort of approval that they need: what is "network" comes into force a block later."""
    order = (OWN, RECOVERY, AUTHORITY, NETWORK)
    sorts = [sort_of(tabled, governance, a) for a in amendments]
    return max(sorts, key=order.index)


def may_object(tabled: Tabled, amendments: Iterable[Amendment], governance: Governance, who: str) -> bool:
    """The party whose recovery key is replaced, and authorities of its side, may stop that."""
    homes = governance.participants
    for amendment in amendments:
        if amendment.action == "recovery.replaced" and who in homes:
            same = homes[who].jurisdiction == amendment.jurisdiction
            if who == amendment.party or (same and who in governance.authorities(tabled.since)):
                return True
    return False
