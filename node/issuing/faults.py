"""Faults of validators: as the operations page shows them, and as a credential for third parties.

The credential is signed by the node that exports it, but nobody has to believe that node: the two statements
inside are signed by the accused, and `verify_credential` verifies them against genesis alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consensus.cose import SignatureInvalid, Signer
from consensus.errors import ConsensusError
from consensus.evidence import CHECKPOINTS, FaultEvidence, verify_evidence
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.model import CREDENTIALS_V2
from credentials.documents.suites import eddsa
from credentials.errors import CredentialError
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import Governance, GovernanceHistory
from node.answers import FaultRecord
from node.issuing.statements import stamp
from node.storage.entries import EntryRow
from node.words import fault_words

JSON = dict[str, Any]

CREDENTIAL_TYPE = "ValidatorFaultCredential"
_TERMS = {"@vocab": "urn:comity:terms:"}


class FaultInvalid(ValueError):
    """The credential does not prove what it says."""


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


def verify_credential(document: JSON, genesis: Genesis, history: GovernanceHistory) -> FaultEvidence:
    """The fault that the credential proves, with genesis and what follows from it; raises FaultInvalid.

    1. The proof is by a credential key of a participant of this network, as it governs itself now.
    2. The evidence inside is of this network and says what the credential says.
    3. Both statements are signed by the accused, with its keys at the height of the fault, and contradict
       each other.
    """
    try:
        result = eddsa.verify(document, lambda kid: _credential_key(history.latest, kid))
        subject = document["credentialSubject"]
        if CREDENTIAL_TYPE not in document["type"]:
            raise FaultInvalid(f"it is not a {CREDENTIAL_TYPE}")
        if result.verification_method.partition("#")[0] != document["issuer"]:
            raise FaultInvalid("it is not signed by its issuer")
        if subject["network"] != genesis.network_id.hex():
            raise FaultInvalid("it is about another network")
        evidence = FaultEvidence.decode(b64u_decode(subject["evidence"], "the evidence"))
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
    verify_statements(evidence, genesis, history)
    return evidence


def verify_statements(evidence: FaultEvidence, genesis: Genesis, history: GovernanceHistory) -> None:
    """Raise FaultInvalid unless the accused signed both statements, with the keys it voted with then."""
    if not _voted(evidence, history):
        raise FaultInvalid(f"{evidence.validator} was no validator of this network then")
    keys = history.latest.note_keys(genesis.origin)
    try:
        verify_evidence(evidence, lambda height: history.at(height).validators, genesis.network_id, keys)
    except SignatureInvalid as error:
        what = "checkpoint" if evidence.kind == CHECKPOINTS else "vote"
        raise FaultInvalid(
            f"a {what} inside is not signed by {evidence.validator} with the keys it had then"
        ) from error
    except ConsensusError as error:
        raise FaultInvalid(str(error)) from error


def _voted(evidence: FaultEvidence, history: GovernanceHistory) -> bool:
    """At the height of the votes; checkpoints name a size of the log and no height: ever."""
    if evidence.kind != CHECKPOINTS:
        return history.at(evidence.height).votes(evidence.validator)
    governed = (governance for start, governance in history.epochs if start <= history.height + 1)
    return any(governance.votes(evidence.validator) for governance in governed)


def _credential_key(governance: Governance, kid: str) -> bytes:
    key = governance.key_by_id(kid)
    if key is None or key.role != "credential":
        raise CredentialError("issuer_key", f"{kid} is no credential key of a participant of this network")
    return key.public
