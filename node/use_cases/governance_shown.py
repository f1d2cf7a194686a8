"""What governs, and what a proposal does, as callers are told: values of the ledger made into answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from hashlib import sha256
from typing import Any, cast

from consensus.encoding import Value, encode
from credentials.documents.canonical import b64u
from credentials.documents.keys import multikey_encode
from credentials.errors import CredentialError
from credentials.ledger.approvals import ApprovalRules
from credentials.ledger.consents import ApprovalMissing, Wanting
from credentials.ledger.foreseen import ChangedRecord, Foreseen
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import ACCREDITATION, RECOGNITION
from credentials.ledger.governance_state import GovernanceState
from credentials.ledger.parties import Accreditation, Key, Limits, Stop
from credentials.ledger.proposals import Tabled
from credentials.ledger.recognition import Recognition, pauses_table
from node.governance_answers import (
    AccreditationAnswer,
    ApprovalsAnswer,
    GoverningAnswer,
    GoverningParticipant,
    KeyAnswer,
    MoveAnswer,
    PartyAnswer,
    RecognitionGiven,
    StopAnswer,
)
from node.proposal_answers import ActAheadRecord, EffectRecord, MemberChange, MissingRecord, RecordChange

JSON = dict[str, Any]


def party(governance: Governance, did: str) -> PartyAnswer:
    """A participant by name; the DID again for one that is none (yet)."""
    return {"did": did, "name": name_of(governance, did)}


def name_of(governance: Governance, target: str) -> str:
    """How a participant, or the owner of a key, is called."""
    did = target.partition("#")[0]
    found = governance.participant(did)
    return found.name if found else did


def governing(
    governance: Governance, *, height: int, at: int, since_height: int, changes_at: int | None
) -> GoverningAnswer:
    """Everything that governs; states are as of `at`."""
    return {
        "height": height,
        "at": at,
        "since_height": since_height,
        "changes_at": changes_at,
        "participants": _participants(governance, at),
        "accreditations": [_accreditation(governance, a, at) for a in governance.accreditations],
        "recognitions": [_recognition(governance, r, at) for r in governance.recognitions],
        "stops": [_stop(governance, stop, at) for stop in governance.stops.values()],
        "validators": [party(governance, did) for did in governance.validator_dids],
        "quorum": governance.validators.quorum,
        "limits": {f.name: getattr(governance.limits, f.name) for f in fields(Limits)},
        "rules": [{"name": n, "sha256": d.hex()} for n, d in sorted(governance.rule_digests.items())],
        "app_version": governance.app_version,
        "engine": _move(governance),
        "approvals": _approvals(governance.approvals),
    }


def _move(governance: Governance) -> MoveAnswer | None:
    move = governance.engine
    return None if move is None else {"engine": move.engine, "epoch": move.epoch, "first": move.first}


def _participants(governance: Governance, at: int) -> list[GoverningParticipant]:
    authorities = governance.authorities(at)
    return [
        {
            "did": did,
            "name": participant.name,
            "jurisdiction": participant.jurisdiction,
            "roles": list(participant.roles),
            "identifiers": list(participant.identifiers),
            "address": participant.address,
            "recovery": None if participant.recovery is None else b64u(participant.recovery),
            "left": participant.left,
            "validator": governance.votes(did),
            "authority": did in authorities,
            "stopped": governance.stopped(did, at) is not None,
            "keys": [_key(governance, key, at) for key in participant.keys],
        }
        for did, participant in governance.participants.items()
    ]


def _key(governance: Governance, key: Key, at: int) -> KeyAnswer:
    state = "in_force"
    if governance.stopped(key.id, at):
        state = "stopped"
    elif key.compromised(at):
        state = "compromised"
    elif governance.key_by_id(key.id, at) is None:
        state = "not_yet" if at < key.valid_from else "ended"
    return {
        "role": key.role,
        "id": key.id,
        "public": multikey_encode(key.public),
        "valid_from": key.valid_from,
        "valid_until": key.valid_until,
        "compromised_from": key.compromised_from,
        "state": state,
    }


def _state(dated: Accreditation | Recognition, at: int) -> str:
    if dated.in_force(at):
        return "in_force"
    if at < dated.valid_from:
        return "not_yet"
    return "ended" if dated.valid_until is not None and at >= dated.valid_until else "suspended"


def _accreditation(governance: Governance, held: Accreditation, at: int) -> AccreditationAnswer:
    return {
        "id": held.id,
        "participant": held.participant,
        "participant_name": name_of(governance, held.participant),
        "roles": list(held.roles),
        "schemes": [list(pair) for pair in held.schemes],
        "jurisdiction": held.jurisdiction,
        "licence": held.licence,
        "valid_from": held.valid_from,
        "valid_until": held.valid_until,
        "suspended": pauses_table(held.suspended),
        "state": _state(held, at),
    }


def _recognition(governance: Governance, given: Recognition, at: int) -> RecognitionGiven:
    return {
        "id": given.id,
        "authority": given.authority,
        "authority_name": name_of(governance, given.authority),
        "jurisdiction": given.jurisdiction,
        "issuer": given.issuer,
        "issuer_class": given.issuer_class,
        "issuer_jurisdiction": given.issuer_jurisdiction,
        "rows": list(given.rows),
        "effect": given.effect.value,
        "legal_basis": given.legal_basis,
        "valid_from": given.valid_from,
        "valid_until": given.valid_until,
        "conditions": dict(given.conditions),
        "suspended": pauses_table(given.suspended),
        "state": _state(given, at),
    }


def _stop(governance: Governance, stop: Stop, at: int) -> StopAnswer:
    if stop.holds(at):
        state = "in_force" if stop.until is not None else "confirmed"
    else:
        state = "lifted" if stop.lifted else "lapsed"
    return {
        "target": stop.target,
        "target_name": name_of(governance, stop.target),
        "by": stop.by,
        "by_name": name_of(governance, stop.by),
        "since": stop.since,
        "until": stop.until,
        "state": state,
    }


def _approvals(rules: ApprovalRules) -> ApprovalsAnswer:
    return {
        "approvals_min": rules.approvals_min,
        "jurisdictions": list(rules.jurisdictions),
        "quorum_jurisdictions": list(rules.quorum_jurisdictions),
        "proposal_s_max": rules.proposal_s_max,
        "stop_s": rules.stop_s,
        "objection_s": rules.objection_s,
        "removal_s": rules.removal_s,
        "proposals_per_party_max": rules.proposals_per_party_max,
        "actions": dict(rules.actions),
    }


# -- effects -------------------------------------------------------------------------------------------


def effect(governance: Governance, found: Foreseen, at: int) -> EffectRecord:
    """What a proposal does and needs, member by member."""
    wanted = found.wanting
    return {
        "digest": b64u(found.digest),
        "changes": [_change_ahead(governance, found, change) for change in found.changed],
        "actions": [
            {
                "action": _action(r.amendment.action, recovered=found.tabled.recovered),
                "type": r.amendment.record[0],
                "name": r.amendment.record[1],
                "party": r.amendment.party,
                "party_name": name_of(governance, r.amendment.party),
                "jurisdiction": r.amendment.jurisdiction,
                "sort": r.sort,
            }
            for r in found.required
        ],
        "missing": [_missing(governance, missing) for missing in wanted.missing],
        "waits_until": _waits(wanted, at),
        "held_missing": wanted.held_missing,
        "ready": wanted.ready(at),
        "governs_from": found.in_force,
        "blocks_ahead": found.ahead,
    }


def acts_ahead(
    state: GovernanceState, tabled: Tabled, did: str, may: Sequence[str], *, at: int, height: int
) -> list[ActAheadRecord]:
    """What each act that a party may do would leave missing, were it done now; withdrawing leaves none."""
    found: list[ActAheadRecord] = []
    sitting = state.sitting(at, height, lambda _: None)
    for act in may:
        match act:
            case "approve":
                then = replace(tabled, approvals=tabled.approvals | {did})
            case "withdraw_approval":
                then = replace(tabled, approvals=tabled.approvals - {did})
            case "object":
                then = replace(tabled, objections=tabled.objections | {did})
            case _:
                continue
        try:
            _, _, wanted = sitting.weighed(then)
        except CredentialError:
            continue  # it would lapse then
        found.append(
            {
                "act": act,
                "missing": [_missing(state.next, missing) for missing in wanted.missing],
                "waits_until": _waits(wanted, at),
                "held_missing": wanted.held_missing,
                "ready": wanted.ready(at),
            }
        )
    return found


def _waits(wanted: Wanting, at: int) -> int | None:
    return wanted.waits_until if wanted.waits_until > at else None


def _action(action: str, *, recovered: bool) -> str:
    """Who goes signs it with its recovery key; everybody else sends it away."""
    return "participant.expelled" if action == "participant.left" and not recovered else action


def _missing(governance: Governance, missing: ApprovalMissing) -> MissingRecord:
    return {
        "action": missing.action,
        "sort": missing.sort,
        "count": missing.count,
        "of": [party(governance, did) for did in missing.of],
        "jurisdictions": list(missing.jurisdictions),
    }


def _change_ahead(governance: Governance, found: Foreseen, change: ChangedRecord) -> RecordChange:
    """A record as it would be: its digest is known unless a time of it is that of the decision."""
    settled = encode(cast(Value, dict(change.after))) == found.records[change.record]
    return record_change(governance, change, found.records[change.record] if settled else None)


def record_change(governance: Governance, change: ChangedRecord, data: bytes | None) -> RecordChange:
    """A record before and after, with the members that differ; `data`: the record after, None: not known."""
    kind, name = change.record
    before = None if change.before is None else dict(change.before)
    after = dict(change.after)
    return {
        "type": kind,
        "name": name,
        "about": _about(governance, kind, name, after),
        "members": list(differing(before, after)),
        "before": before,
        "after": after,
        "before_digest": None if before is None else b64u(sha256(encode(cast(Value, before))).digest()),
        "after_digest": None if data is None else b64u(sha256(data).digest()),
    }


def _about(governance: Governance, kind: str, name: str, table: Mapping[str, Any]) -> str:
    """Whom a record concerns: a licence its holder, a recognition who gives it."""
    if kind == ACCREDITATION:
        return name_of(governance, str(table["participant"]))
    if kind == RECOGNITION:
        return name_of(governance, str(table["authority"]))
    known = governance.participant(name.partition("#")[0])
    return known.name if known else str(table.get("name", name))


def differing(before: Any, after: Any, path: str = "") -> Iterator[MemberChange]:
    """The innermost members that differ; those of a list of tables by their `id`, others by their place."""
    if before == after:
        return
    if isinstance(after, dict) and isinstance(before, dict | None) and (path == "" or before is not None):
        old = before or {}
        for name in [*old, *(name for name in after if name not in old)]:
            yield from differing(old.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif _tables(before) and _tables(after):
        rows = {_row_name(row, n): row for n, row in enumerate(before)}
        new = {_row_name(row, n): row for n, row in enumerate(after)}
        for name in [*rows, *(name for name in new if name not in rows)]:
            yield from differing(rows.get(name), new.get(name), f"{path}[{name}]")
    else:
        yield {"member": path, "before": before, "after": after}


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _row_name(row: Mapping[str, Any], number: int) -> str:
    return str(row.get("id", number))
