"""Faults of validators: as the operations page shows them, and as a credential for third parties.

The credential is signed by the node that exports it, but nobody has to believe that node: the two statements
inside are signed by the accused, and are verified by the keys that it had then (`accused.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consensus.checkpoint import NoteKey, SignedNote
from consensus.cose import SignatureInvalid, Signer
from consensus.errors import ConsensusError
from consensus.evidence import CHECKPOINTS, FaultEvidence, verify_evidence
from consensus.validators import ValidatorSet
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.model import CREDENTIALS_V2
from credentials.documents.suites import eddsa
from credentials.errors import CredentialError
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import note_keys_of
from credentials.ledger.trqp import read_utc
from node.answers import FaultRecord
from node.catalogues import fault_words
from node.issuing.accused import FaultInvalid, KnownThen
from node.issuing.statements import stamp
from node.storage.entries import EntryRow
from node.words import when

JSON = dict[str, Any]

CREDENTIAL_TYPE = "ValidatorFaultCredential"
_TERMS = {"@vocab": "urn:comity:terms:"}


def shown(evidence: FaultEvidence, row: EntryRow | None = None) -> FaultRecord:
    """{digest, kind, validator, height, round, leaf_index, recorded_at}; pending: no last two."""
    return {
        "digest": b64u(evidence.id),
        "kind": evidence.kind,
        "validator": evidence.validator,
        "height": evidence.height,
        "round": evidence.round,
        "leaf_index": row.leaf_index if row is not None else None,
        "recorded_at": row.height if row is not None else None,
    }


def all_shown(pending: Sequence[FaultEvidence], recorded: Sequence[EntryRow]) -> list[FaultRecord]:
    """Every fault known, recorded ones first, in the order of the log."""
    done = [(FaultEvidence.decode(row.entry), row) for row in recorded]
    ids = {evidence.id for evidence, _ in done}
    return [shown(e, row) for e, row in done] + [shown(e) for e in pending if e.id not in ids]


def make_credential(
    evidence: FaultEvidence, row: EntryRow, *, genesis: Genesis, issuer: str, signer: Signer, now: int
) -> JSON:
    """A signed W3C credential (VCDM 2.0) about a recorded fault."""
    return eddsa.sign(
        {
            "@context": [CREDENTIALS_V2, _TERMS],
            "id": f"urn:comity:evidence:{b64u(evidence.id)}",
            "type": ["VerifiableCredential", CREDENTIAL_TYPE],
            "issuer": issuer,
            "validFrom": stamp(now),
            "credentialSubject": {
                "id": evidence.validator,
                **{k: v for k, v in shown(evidence, row).items() if k not in ("validator", "digest")},
                "words": fault_words(evidence.kind),  # whoever reads it has no catalogue of ours
                "network": genesis.network_id.hex(),
                "evidence": b64u(evidence.encode()),
            },
        },
        signer,
        stamp(now),
    )


def verify_credential(document: JSON, genesis: Genesis, known: KnownThen) -> FaultEvidence:
    """The fault that the credential proves; raises FaultInvalid.

    1. The proof is by a credential key of a participant of this network, in force when it was made.
    2. The evidence inside is of this network and says what the credential says.
    3. Both statements are signed by the accused, with its keys at the height of the fault, and contradict
       each other.
    """
    try:
        made = read_utc(document.get("validFrom"))
        result = eddsa.verify(document, lambda kid: _credential_key(known, kid, made))
        subject = document["credentialSubject"]
        if CREDENTIAL_TYPE not in document["type"]:
            raise FaultInvalid(f"it is not a {CREDENTIAL_TYPE}")
        if result.verification_method.partition("#")[0] != document["issuer"]:
            raise FaultInvalid("it is not signed by its issuer")
        if subject["network"] != genesis.network_id.hex():
            raise FaultInvalid("it is about another network")
        evidence = FaultEvidence.decode(b64u_decode(subject["evidence"], "evidence"))
        said = {name: subject[name] for name in ("id", "kind", "height", "round")}
    except CredentialError as error:
        raise FaultInvalid(f"its proof does not verify: {error}") from error
    except ConsensusError as error:
        raise FaultInvalid(f"the evidence inside cannot be read: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise FaultInvalid("it lacks a member that such a credential has") from error
    if said != {
        "id": evidence.validator,
        "kind": evidence.kind,
        "height": evidence.height,
        "round": evidence.round,
    }:
        raise FaultInvalid("it says something else than the evidence inside")
    verify_statements(evidence, genesis, known)
    return evidence


def verify_statements(evidence: FaultEvidence, genesis: Genesis, known: KnownThen) -> None:
    """Raise FaultInvalid unless the accused signed both statements, with keys that spoke for it then.

    A stolen key proves nothing of its owner: whoever has it signs for any height, long past ones too. Only
    what was on the record before the theft counts.
    """
    checkpoints = evidence.kind == CHECKPOINTS
    keys = _note_keys(evidence, genesis, known) if checkpoints else ()
    validators = None if checkpoints else known.validators(evidence.height)
    if not keys and (validators is None or validators.get(evidence.validator) is None):
        raise FaultInvalid(f"{evidence.validator} was no validator of this network then")

    def sets(_: int) -> ValidatorSet:
        assert validators is not None, "asked of votes alone"
        return validators

    try:
        verify_evidence(evidence, sets, genesis.network_id, {evidence.validator: keys})
    except SignatureInvalid as error:
        what = "checkpoint" if checkpoints else "vote"
        raise FaultInvalid(
            f"a {what} inside is not signed by {evidence.validator} with the keys it had then"
        ) from error
    except ConsensusError as error:
        raise FaultInvalid(str(error)) from error
    _require_not_stolen(evidence, _signed_with(evidence, keys, validators), known)


def _note_keys(evidence: FaultEvidence, genesis: Genesis, known: KnownThen) -> tuple[NoteKey, ...]:
    """The log and cosign keys of the accused that spoke for a log of that size."""
    party, policy = known.participant(evidence.validator), known.policy(evidence.height)
    spoke = {(key.name, key.key_id) for key in (*policy.logs, *policy.witnesses.values())}
    own = note_keys_of(party, genesis.origin) if party is not None else ()
    return tuple(key for key in own if (key.name, key.key_id) in spoke)


def _signed_with(
    evidence: FaultEvidence, keys: Sequence[NoteKey], validators: ValidatorSet | None
) -> set[bytes]:
    """The public keys under the statements."""
    if validators is not None:
        voted = validators.get(evidence.validator)
        return {voted.public_key} if voted is not None else set()
    lines = [line for text in evidence.statements for line in SignedNote.parse(text.decode()).signatures]
    return {k.public_key for k in keys for line in lines if (k.name, k.key_id) == (line.name, line.key_id)}


def _require_not_stolen(evidence: FaultEvidence, signed_with: set[bytes], known: KnownThen) -> None:
    party, recorded = known.participant(evidence.validator), known.recorded(evidence)
    for key in party.keys if party is not None else ():
        since = key.compromised_from
        if key.public in signed_with and since is not None and (recorded is None or recorded >= since):
            raise FaultInvalid(
                f"{key.id} was stolen by {when(since)}, as is on record, and whoever has it signs what it "
                "likes, for any height: only what was on the record before that counts"
            )


def _credential_key(known: KnownThen, kid: str, at: int) -> bytes:
    """The key that an exporter signed with; raises CredentialError unless it was in force then."""
    party = known.participant(kid.partition("#")[0])
    key = next((k for k in (party.keys if party is not None else ()) if k.id == kid), None)
    if party is None or key is None or key.role != "credential":
        raise CredentialError("issuer_key", f"{kid} is no credential key of a participant of this network")
    if not key.valid(at) or not party.takes_part(at):
        raise CredentialError("issuer_key", f"{kid} was not in force when this was made: export it again")
    return key.public
