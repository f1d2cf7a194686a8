"""What must hold between participants, licences, validators and recognitions, whoever put them together.

The readers of a table say whether one row can be read (`genesis_table.py`); here is what rows must not be to
each other. `Governance` asks it of itself, so no epoch, the first or a later one, can be otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from consensus.errors import ConsensusError
from consensus.validators import Validator, ValidatorSet
from credentials.errors import CredentialError
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.parties import ANY, VALIDATOR_KEY_ROLES, Accreditation, Participant
from credentials.ledger.recognition import Recognition


def governance_invalid(why: str) -> CredentialError:
    """The error for parties and licences that do not go together."""
    return CredentialError("governance_invalid", why)


def require_participants(participants: Mapping[str, Participant], lifecycle: Lifecycle) -> None:
    """Known roles; no number, key id or key given twice."""
    ids: set[str] = set()
    publics: dict[bytes, str] = {}
    owners: dict[str, str] = {}
    if not participants:
        raise governance_invalid("it has no participants")
    for did, participant in participants.items():
        assert did == participant.did, "participants are kept by their DID"
        for role in participant.roles:
            if role not in lifecycle.roles:
                raise governance_invalid(f"{did} has the unknown role {role!r}")
        for name in sorted(participant.identifiers):
            if name in owners:
                raise governance_invalid(f"{name} is given to {owners[name]} and to {did}")
            owners[name] = did
        for key in participant.keys:
            if key.id in ids:
                raise governance_invalid(f"the key id {key.id} is there twice")
            if key.public in publics:
                raise governance_invalid(
                    f"{key.id} and {publics[key.public]} are one key: each role needs its own"
                )
            ids.add(key.id)
            publics[key.public] = key.id


def validator_set(
    dids: Iterable[str], participants: Mapping[str, Participant], quorum_jurisdictions: Iterable[str]
) -> ValidatorSet:
    """These participants as validators of weight 1, with their vote keys.

    Each has one open key of every role that validators need, and no quorum decides without one of each of
    these jurisdictions.
    """
    found: list[Validator] = []
    jurisdictions: dict[str, int] = {}
    for did in dids:
        participant = participants.get(did)
        if participant is None:
            raise governance_invalid(f"the validator {did!r} is no participant")
        if participant.left is not None:
            raise governance_invalid(f"the validator {did} left: propose the other validators with it")
        keys = {role: participant.latest_key(role) for role in VALIDATOR_KEY_ROLES}
        for role, key in keys.items():
            open_ones = [k for k in participant.keys if k.role == role and k.is_open]
            if open_ones != [key]:
                raise governance_invalid(f"the validator {did} needs exactly one {role} key")
        vote = keys["vote"]
        assert vote is not None, "just looked at"
        found.append(Validator(did, vote.public))
        jurisdictions[participant.jurisdiction] = jurisdictions.get(participant.jurisdiction, 0) + 1
    if not found:
        raise governance_invalid("a network needs at least one validator")
    try:
        validators = ValidatorSet(tuple(found))
    except ConsensusError as error:
        raise governance_invalid(str(error)) from error
    least = len(found) - validators.quorum + 1
    for jurisdiction in quorum_jurisdictions:
        count = jurisdictions.get(jurisdiction, 0)
        if count < least:
            raise governance_invalid(
                f"{jurisdiction} has {count} of {len(found)} validators and needs {least}, or a quorum could "
                "decide without it: choose other validators, or take it out of `quorum_jurisdictions` (who "
                f"is not named there rests on the quorum; of {len(found)} validators at most "
                f"{len(found) // least} can be named)"
            )
    return validators


def require_accreditations(
    accreditations: Sequence[Accreditation], participants: Mapping[str, Participant], lifecycle: Lifecycle
) -> None:
    """Licences are of participants, for known roles; a maker's code is one maker's at a time."""
    creating = lifecycle.creating_roles()
    owners: dict[tuple[str, str], list[Accreditation]] = {}
    ids: set[str] = set()
    for accreditation in accreditations:
        did = accreditation.participant
        if did not in participants:
            raise governance_invalid(f"the accreditation of {did!r} is for no participant")
        if accreditation.id in ids:
            raise governance_invalid(f"{did} is accredited for the same twice")
        ids.add(accreditation.id)
        for role in accreditation.roles:
            if role not in lifecycle.roles:
                raise governance_invalid(f"{did} is accredited for the unknown role {role!r}")
        if creating.isdisjoint(accreditation.roles):
            continue
        for scheme, namespace in accreditation.schemes:
            if namespace == ANY:
                continue
            for other in owners.setdefault((scheme, namespace), []):
                if other.participant != did and _overlap(other, accreditation):
                    raise governance_invalid(
                        f"the code {namespace} ({scheme}) is given to {other.participant} "
                        f"and to {did} at once"
                    )
            owners[scheme, namespace].append(accreditation)


def _overlap(a: Accreditation, b: Accreditation) -> bool:
    return (b.valid_until is None or a.valid_from < b.valid_until) and (
        a.valid_until is None or b.valid_from < a.valid_until
    )


def require_recognitions(
    recognitions: Iterable[Recognition], participants: Mapping[str, Participant]
) -> None:
    """A recognition is given by a participant of the jurisdiction that recognises, and once."""
    ids: set[str] = set()
    for recognition in recognitions:
        if recognition.id in ids:
            raise governance_invalid(f"{recognition.authority} recognises the same twice")
        ids.add(recognition.id)
        authority = participants.get(recognition.authority)
        if authority is None or authority.jurisdiction != recognition.jurisdiction:
            raise governance_invalid(
                f"{recognition.authority} recognises for {recognition.jurisdiction}, "
                "where it is no participant"
            )
