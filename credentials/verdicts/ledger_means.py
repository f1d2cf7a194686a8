"""What a ledger holds to examine a document with: keys, statuses and lists of participants (`Means`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from credentials.documents.canonical import digest_document
from credentials.documents.keys import controller_of, did_key_decode, require_did
from credentials.documents.model import Credential, StatusEntry
from credentials.errors import CredentialError
from credentials.ledger.governance import Governance
from credentials.ledger.parties import Key
from credentials.verdicts.evidence import StatusSource
from credentials.verdicts.list_versions import REVOCATION
from credentials.verdicts.means import ListInHand, Means
from credentials.verdicts.record import Inquiry, ended_as, passport_status
from credentials.verdicts.status_step import ENDING

THIEFS = "The latest version of this list was attested by a key that was stolen by then."
ASSERTING_ROLES = ("credential", "attest")  # the keys a did.json lists under assertionMethod


def means_of(inquiry: Inquiry) -> Means:
    """What the evidence holds to examine a document with: keys and statuses are what the ledger says."""
    network = inquiry.evidence.network
    return Means(
        key_of=participants_keys(network.governance),
        contexts=network.contexts,
        schemas=network.schemas,
        resources=network.resources,
        list_of=lambda issuer, entry: _list_of(issuer, entry, inquiry),
        ledger=_OwnLedger(inquiry),
        opened=network.lists_opened,
        proofs=network.proofs_held,
    )


def participants_keys(governance: Governance | None) -> Callable[[str], bytes]:
    """The keys that can be looked up without asking anybody: those of participants, and of did:keys."""

    def key_of(method: str) -> bytes:
        if governance is None:
            raise CredentialError("genesis_unavailable", "This node has no genesis to look up keys in.")
        key = participant_key(governance, method)
        if key is not None:
            return key.public
        did = controller_of(method)
        require_did(did)
        if did.startswith("did:key:"):
            return did_key_decode(method)
        raise CredentialError("issuer_unknown", f"{did} is not a participant of this network.")

    return key_of


def participant_key(governance: Governance, method: str) -> Key | None:
    """The key of a participant by its URL, or the only one by which it makes statements, by its DID.

    None: `method` is not a participant's. Raises `issuer_key_mismatch` where it has no such key.
    """
    key = governance.key_by_id(method)
    if key is not None:
        return key
    did = controller_of(method)
    participant = governance.participant(did)
    if participant is None:
        return None
    keys = [key for key in participant.keys if key.role in ASSERTING_ROLES]
    if method != did or len(keys) != 1:
        raise CredentialError("issuer_key_mismatch", f"{did} has no key {method[:200]} on the ledger.")
    return keys[0]


@dataclass(frozen=True, slots=True)
class _OwnLedger:
    """The ledger's side of an examination (`LedgerSide`)."""

    inquiry: Inquiry

    def require_key(self, method: str, digest: bytes | None) -> None:
        """Recorded: in force when it was admitted and when it happened. Never recorded: today's keys only."""
        governance = self.inquiry.evidence.network.governance
        assert governance is not None, "without it no key was found, and no proof holds"
        key = participant_key(governance, method)
        if key is None:
            return  # a did:key: its own name is its key
        times: tuple[int, ...] = ()
        if digest is not None:
            recorded = self.inquiry.record.covering(digest)
            times = (self.inquiry.now,)
            if recorded is not None:
                times = (recorded.block_time, recorded.attestation.event_time)
            else:
                moments = (key.valid_from, key.valid_until, key.compromised_from)
                self.inquiry.moments.update(moment for moment in moments if moment is not None)
        if key.role not in ASSERTING_ROLES or not all(key.valid(time) for time in times):
            taken = any(key.compromised(time) for time in times)
            raise CredentialError(
                "key_compromised" if taken else "key_not_valid", f"The key {method} was not in force."
            )

    def status(self, digest: bytes, credential: Credential) -> str | None:
        said = [_listed_before(credential.issuer, entry, self.inquiry) for entry in credential.status]
        ledger, record = self.inquiry.evidence.ledger, self.inquiry.record
        recorded = record.covering(digest)
        if ledger is not None and ledger.standing is not None and recorded is not None:
            sets = recorded.attestation.document_digest
            said.append(passport_status(ledger.standing, sets))
            governance = self.inquiry.evidence.network.governance
            if governance is not None and record.revokes(sets, governance):
                said.append("revoked")
        return next((word for word in ("revoked", "suspended") if word in said), None)

    def unread(self, digest: bytes, credential: Credential) -> Mapping[str, Any] | None:
        recorded = self.inquiry.record.covering(digest)
        if recorded is not None and recorded.attestation.set_list is not None:
            return None  # a passport: that it was revoked is on the ledger itself
        for entry in credential.status:
            source = _source(credential.issuer, entry, self.inquiry)
            if entry.purpose == REVOCATION and source is not None and source.unread_before:
                place = {"purpose": entry.purpose, "list": entry.list_credential, "index": entry.index}
                return {"unread": source.unread_before, "issuer": credential.issuer, **place}
        return None

    def records(self, digest: bytes) -> bool:
        return self.inquiry.record.covering(digest) is not None

    def ended(self, digest: bytes) -> str | None:
        ledger = self.inquiry.evidence.ledger
        if ledger is None or ledger.standing is None or not self.records(digest):
            return None
        return ended_as(ledger.standing, self.inquiry.evidence.network.tables.verdicts)


def _source(issuer: str, entry: StatusEntry, inquiry: Inquiry) -> StatusSource | None:
    lists = inquiry.evidence.network.status_lists
    return lists.get((issuer, entry.purpose, entry.list_credential))


def _listed_before(issuer: str, entry: StatusEntry, inquiry: Inquiry) -> str | None:
    """What an earlier version of the list said that the latest one does not take back (I3)."""
    source = _source(issuer, entry, inquiry)
    places = range(entry.index * entry.size, (entry.index + 1) * entry.size)
    if source is None or not source.raised_before.meet(places):
        return None
    return ENDING.get(entry.purpose)


def _list_of(issuer: str, entry: StatusEntry, inquiry: Inquiry) -> ListInHand:
    """A status list as it was gathered: only the latest one on the ledger is one (D17)."""
    network, at = inquiry.evidence.network, inquiry.at
    source = _source(issuer, entry, inquiry)
    if source is None or source.credential is None:
        return ListInHand(None)
    age_s = at.evaluated_at - source.fetched_at if source.fetched_at is not None else None
    if source.fetched_at is not None:
        inquiry.moments.add(source.fetched_at + inquiry.policy.status_list_age_s_max + 1)
    if source.digest_on_ledger is None:
        return ListInHand(None, age_s, why="The ledger knows no such list.")
    if network.governance is None:
        return ListInHand(None, age_s, "genesis_unavailable")
    if source.attested is not None and source.attested.stolen(network.governance):
        return ListInHand(None, age_s, "status_list_invalid", THIEFS)
    if (source.digest or digest_document(dict(source.credential))) != source.digest_on_ledger:
        return ListInHand(None, age_s, "status_stale", "This is not the latest list on the ledger.")
    if age_s is None or age_s > inquiry.policy.status_list_age_s_max:
        return ListInHand(None, age_s, "status_stale")
    return ListInHand(source.credential, age_s, digest=source.digest_on_ledger)
