"""What a proposal changes, and so whose approval it needs: read off the records before and after.

Nobody says what kind of change it is: a record that differs in its keys is a rotation, one that ends a
licence a withdrawal. What no case below describes cannot be changed at all, and the refusal says so. A time
that a change states and that is over when it comes into force is then: nothing reaches back, but the time
from which a key is known to be compromised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from consensus.encoding import Value, encode
from credentials.ledger.approvals import NETWORK
from credentials.ledger.genesis_table import accreditation_table, participant_table
from credentials.ledger.governance import APPROVING_KEY, APPROVING_ROLE, Governance
from credentials.ledger.governance_records import (
    APP_VERSION,
    APPROVALS,
    ENGINE,
    LIMITS,
    RULE,
    VALIDATORS,
    RecordId,
    Records,
    Table,
    read_record,
    stop_table,
)
from credentials.ledger.parties import VALIDATOR_KEY_ROLES, Accreditation, Key, Participant, Pause, Stop
from credentials.ledger.recognition import Recognition
from credentials.ledger.soundness import governance_invalid


@dataclass(frozen=True, slots=True)
class Amendment:
    """One thing that a proposal does."""

    action: str  # of approvals.ACTIONS
    record: RecordId
    party: str = ""  # whose own consent "own" and "recovery" mean
    jurisdiction: str = ""  # whose authority "authority" means
    weighty: bool = False  # touches an authority, or a key that validators use
    not_by: frozenset[str] = frozenset()  # whose approval does not count
    unseats: str = ""  # the authority that cannot approve any more, or whose key is replaced
    only_by: str = ""  # whose approval alone counts, where one authority approves


@dataclass(frozen=True, slots=True)
class Amended:
    """The amendments of a proposal, and its records as they would come into force now."""

    amendments: tuple[Amendment, ...]
    records: Records


def read_amendments(governance: Governance, before: Records, proposed: Records, at: int) -> Amended:
    """What `proposed` does to what governs; `at`: block time.

    Raises CredentialError("governance_invalid", sentence) for what cannot be changed so.
    """
    found: list[Amendment] = []
    settled: dict[RecordId, bytes] = {}
    for record_id in sorted(proposed):
        if proposed[record_id] == before.get(record_id):
            raise governance_invalid(f"it leaves {_named(record_id)} as it is")
        amendments, table = _of_record(governance, record_id, proposed[record_id], at)
        if not amendments:
            raise governance_invalid(f"nothing that may be changed of {_named(record_id)} is changed")
        found.extend(amendments)
        settled[record_id] = encode(cast(Value, table))
    return Amended(tuple(found), settled)


def _of_record(
    governance: Governance, record_id: RecordId, proposed: bytes, at: int
) -> tuple[list[Amendment], Table]:
    kind, name = record_id
    record = read_record(kind, proposed)
    match kind:
        case "participant":
            return _participant(governance, record_id, record, at)
        case "accreditation":
            return _accreditation(governance, record_id, record, at)
        case "recognition":
            return _recognition(governance, record_id, record, at)
        case "stop":
            return _stop(governance, record_id, record, at)
        case "validators":
            _require_order(governance.validator_dids, record.get("participants"))
    if kind not in _WHOLE:
        raise governance_invalid(f"records of the type {kind!r} are not changed by proposals")
    return [Amendment(_WHOLE[kind], (kind, name), weighty=True)], record


_WHOLE = {
    VALIDATORS: "validators.changed",
    LIMITS: "limits.changed",
    RULE: "rules.changed",
    APP_VERSION: "rules.changed",
    APPROVALS: "approvals.changed",
    ENGINE: "engine.changed",
}


def _require_order(before: Sequence[str], after: object) -> None:
    """Validators that stay keep their turn, new ones come last: what consensus does with the changes."""
    if not isinstance(after, list):
        raise governance_invalid("validators are a list of DIDs")
    stay = [did for did in before if did in after]
    if after[: len(stay)] != stay or not set(after[len(stay) :]).isdisjoint(before):
        raise governance_invalid("validators that stay keep their order, new ones come last")


# -- participants --------------------------------------------------------------------------------------


def _participant(
    governance: Governance, record_id: RecordId, after: Participant, at: int
) -> tuple[list[Amendment], Table]:
    before = governance.participants.get(after.did)
    if before is None:
        if after.left is not None:
            raise governance_invalid(f"{after.did} has left before it was admitted")
        keys = tuple(_begun(key, at) for key in after.keys)
        # The first of a jurisdiction has nobody at home who could sponsor it: all admit it together.
        first = not any(
            p.jurisdiction == after.jurisdiction and is_authority(governance, did, at, begun=True)
            for did, p in governance.participants.items()
        )
        admitted = Amendment("participant.admitted", record_id, after.did, after.jurisdiction, first)
        return [admitted], participant_table(replace(after, keys=keys))
    if after.jurisdiction != before.jurisdiction:
        raise governance_invalid(f"{after.did} stays in {before.jurisdiction}: admit another participant")
    if before.left is not None:
        raise governance_invalid(f"{after.did} has left: admit it under another DID")
    keys = _keys_after(before, after, at)
    left = None if after.left is None else max(after.left, at)
    found = list(_participant_amendments(governance, record_id, before, after, at))
    return found, participant_table(replace(after, keys=keys, left=left))


def _participant_amendments(
    governance: Governance, record_id: RecordId, before: Participant, after: Participant, at: int
) -> Iterator[Amendment]:
    did, home = before.did, before.jurisdiction
    authority, unheard = is_authority(governance, did, at), not _can_object(governance, before, at)

    def about(action: str, *, weighty: bool = authority, unseats: bool = False) -> Amendment:
        unseated = did if unseats and authority else ""
        return Amendment(action, record_id, did, home, weighty, unseats=unseated)

    if after.address != before.address:
        yield about("participant.moved", weighty=False)
    described = ("name", "roles", "identifiers")
    if any(getattr(after, name) != getattr(before, name) for name in described):
        yield about("participant.described", weighty=False)
    if after.recovery != before.recovery:
        yield about("recovery.replaced", weighty=authority or unheard)
    if after.left is not None:
        yield about("participant.left", weighty=authority or unheard, unseats=True)
    touched = [key for key in after.keys if key not in before.keys]
    voting = governance.votes(did) and any(key.role in VALIDATOR_KEY_ROLES for key in touched)
    for role in VALIDATOR_KEY_ROLES if voting else ():
        if not any(key.role == role and key.is_open for key in after.keys):
            raise governance_invalid(f"{did} is a validator: its {role} key ends with the next one beside it")
    replaced = any(key.role == "attest" for key in touched)
    old = {key.id: key for key in before.keys}
    if any(key.id in old and key.compromised_from != old[key.id].compromised_from for key in touched):
        yield about("keys.compromised", weighty=voting, unseats=replaced)
    if any(key.id not in old or key.valid_until != old[key.id].valid_until for key in touched):
        yield about("keys.rotated", weighty=voting, unseats=replaced)


def _can_object(governance: Governance, participant: Participant, at: int) -> bool:
    """True for whoever is heard on what would be done to it: with its recovery key, or with one in use."""
    if participant.recovery is not None:
        return True
    stopped = any(governance.stopped(target, at) for target in (participant.did, *attest_keys(participant)))
    return not stopped and participant.key(APPROVING_KEY, at) is not None


def attest_keys(participant: Participant) -> list[str]:
    """The ids of the keys with which it signs what it attests, whatever their times."""
    return [key.id for key in participant.keys if key.role == APPROVING_KEY]


def _keys_after(before: Participant, after: Participant, at: int) -> tuple[Key, ...]:
    """The keys in their old order, then new ones; no end is taken back, no key changed or left out."""
    new = after.keys[len(before.keys) :]
    kept = [_ended(old, now, at) for old, now in zip(before.keys, after.keys, strict=False)]
    if len(kept) < len(before.keys):
        raise governance_invalid(f"{before.did} keeps every key on record: state when it ends")
    return (*kept, *(_begun(key, at) for key in new))


def _ended(old: Key, now: Key, at: int) -> Key:
    if (now.id, now.role, now.public, now.valid_from) != (old.id, old.role, old.public, old.valid_from):
        raise governance_invalid(f"{old.id} stays as it is and in its place: only its end can be stated")
    until = now.valid_until
    if until != old.valid_until:
        if until is None or (old.valid_until is not None and until > old.valid_until):
            raise governance_invalid(f"the end of {old.id} cannot be put off")
        if old.valid_until is not None and old.valid_until <= at:
            raise governance_invalid(f"{old.id} has ended already")
        until = max(until, at)
    since, known = now.compromised_from, old.compromised_from
    if since != known and (since is None or since > at or (known is not None and since > known)):
        raise governance_invalid(f"{old.id} is compromised from a time until now, and no later than known")
    return replace(now, valid_until=until)


def _begun(key: Key, at: int) -> Key:
    """A new key is nobody's before it comes into force."""
    if not key.is_open:
        raise governance_invalid(f"the new key {key.id} is ended already")
    return replace(key, valid_from=max(key.valid_from, at))


def is_authority(governance: Governance, did: str, at: int, *, begun: bool = False) -> bool:
    """True for whoever approves, or would but for a suspension or a stop; unless `begun`, or will one day."""
    home = governance.participants[did].jurisdiction
    return any(
        APPROVING_ROLE in a.roles
        and a.jurisdiction == home
        and (a.valid_until is None or at < a.valid_until)
        and (not begun or a.valid_from <= at)
        for a in governance.accreditations_of(did)
    )


# -- licences and recognitions -------------------------------------------------------------------------


def _accreditation(
    governance: Governance, record_id: RecordId, after: Accreditation, at: int
) -> tuple[list[Amendment], Table]:
    before = next((a for a in governance.accreditations if a.id == after.id), None)
    weighty = APPROVING_ROLE in after.roles
    action = f"accreditation.{_what_became(before, after, at)}"
    unseats = action in ("accreditation.suspended", "accreditation.withdrawn") and weighty
    amendment = Amendment(
        action, record_id, after.participant, after.jurisdiction, weighty,
        unseats=after.participant if unseats else "",
    )  # fmt: skip
    until, pauses = _times(before, after, at)
    return [amendment], accreditation_table(replace(after, valid_until=until, suspended=pauses))


def _recognition(
    governance: Governance, record_id: RecordId, after: Recognition, at: int
) -> tuple[list[Amendment], Table]:
    before = next((r for r in governance.recognitions if r.id == after.id), None)
    action = f"recognition.{_what_became(before, after, at)}"
    until, pauses = _times(before, after, at)
    amendment = Amendment(action, record_id, after.authority, after.jurisdiction)
    return [amendment], replace(after, valid_until=until, suspended=pauses).as_table()


Dated = Accreditation | Recognition


def _what_became(before: Dated | None, after: Dated, at: int) -> str:
    if before is None:
        if after.suspended:
            raise governance_invalid("what is given is not suspended yet")
        return "given"
    ended, paused = before.valid_until != after.valid_until, before.suspended != after.suspended
    if ended and paused:
        raise governance_invalid("it is ended or suspended, not both at once")
    if before.valid_until is not None and before.valid_until <= at:
        raise governance_invalid("it is over: give another one")
    if ended:
        if after.valid_until is None or (
            before.valid_until is not None and after.valid_until > before.valid_until
        ):
            raise governance_invalid("its end cannot be put off: give another one")
        return "withdrawn"
    if len(after.suspended) == len(before.suspended) + 1 and after.suspended[:-1] == before.suspended:
        if after.suspended[-1][1] is not None:
            raise governance_invalid("a suspension lasts until it is ended: state no end")
        if _lasts(before.suspended, at):
            raise governance_invalid("it is suspended already")
        return "suspended"
    lasting = before.suspended[-1:]
    if (
        lasting
        and _lasts(lasting, at)
        and len(after.suspended) == len(before.suspended)
        and after.suspended[:-1] == before.suspended[:-1]
        and after.suspended[-1][0] == lasting[0][0]
        and (end := after.suspended[-1][1]) is not None
    ):
        # Nobody counts on whoever is to come back later: `dead_ends` takes them for an authority.
        if end > max(at, lasting[0][0]):
            raise governance_invalid("a suspension is ended now, or lasts: state no end that is to come")
        return "reinstated"
    raise governance_invalid("of what is given only its end and its suspension can be stated")


def _lasts(pauses: tuple[Pause, ...], at: int) -> bool:
    return bool(pauses) and (pauses[-1][1] is None or at < pauses[-1][1])


def _times(before: Dated | None, after: Dated, at: int) -> tuple[int | None, tuple[Pause, ...]]:
    """Its end and its suspensions as they come into force: what this change states is never over by then."""
    until, pauses = after.valid_until, after.suspended
    if until is not None and (before is None or until != before.valid_until):
        until = max(until, at)
    if before is not None and pauses != before.suspended:
        start, end = pauses[-1]
        known = len(pauses) == len(before.suspended)
        start = start if known else max(start, at)
        pauses = (*pauses[:-1], (start, None if end is None else max(end, start, at)))
    return until, pauses


# -- emergency stops -----------------------------------------------------------------------------------


def _stop(governance: Governance, record_id: RecordId, after: Stop, at: int) -> tuple[list[Amendment], Table]:
    """A stop is asked for with any times: they are the ledger's. Confirmed: no until; lifted: it says so."""
    did = after.target.partition("#")[0]
    party = governance.participants.get(did)
    if party is None or ("#" in after.target and governance.key_by_id(after.target) is None):
        raise governance_invalid(f"{after.target} is no participant and no key of one")
    before = governance.stops.get(after.target)
    lasting = before if before is not None and before.holds(at) else None
    authority = is_authority(governance, did, at)

    def about(action: str, *, weighty: bool = authority, **who: Any) -> Amendment:
        unseats = did if authority and action == "stop.set" else ""
        return Amendment(action, record_id, did, party.jurisdiction, weighty, unseats=unseats, **who)

    if lasting is None:
        again = _stopped_lately(governance, after.target, at)
        if after.until is None or after.lifted or after.by not in governance.participants:
            raise governance_invalid(
                f"{after.target} is not stopped: a stop begins with an end and who sets it"
            )
        begun = replace(after, since=at, until=at + governance.approvals.stop_s)
        # Whoever sets it cannot confirm it: so nobody sets it in another's name.
        return [about("stop.set", weighty=authority or again, only_by=after.by)], stop_table(begun)
    if (after.by, after.since) != (lasting.by, lasting.since):
        raise governance_invalid(f"the stop of {after.target} was set by {lasting.by} at {lasting.since}")
    if after.lifted:
        return [about("stop.lifted")], stop_table(replace(lasting, until=at, lifted=True))
    if after.until is None and lasting.until is not None:
        not_by = frozenset({lasting.by})
        return [about("stop.confirmed", not_by=not_by)], stop_table(replace(lasting, until=None))
    raise governance_invalid(f"the stop of {after.target} is confirmed or lifted, nothing else")


def may_stop(governance: Governance, by: str, target: str, at: int) -> bool:
    """True if a stop of a party or key, set in the name of `by`, can be decided: by it alone, or by all.

    One authority stops whoever is of its side; nobody sets a stop in another's name, so no other authority
    can approve it instead.
    """
    did = target.partition("#")[0]
    if governance.stopped(target, at) is not None:
        return False
    together = (
        is_authority(governance, did, at)
        or _stopped_lately(governance, target, at)
        or governance.approvals.sort_of("stop.set") == NETWORK
    )
    own = governance.authorities(at).get(by)
    return together or own == governance.participants[did].jurisdiction


def _stopped_lately(governance: Governance, target: str, at: int) -> bool:
    """True where one authority alone does not stop it again: or nobody would ever have to confirm a stop.

    What lapsed is not repeated; after a stop that was lifted, and after one of the party or another of its
    keys, all together decide for ten times as long as a stop holds.
    """
    before = governance.stops.get(target)
    if before is not None and not before.lifted:
        return True
    owner, quiet_s = target.partition("#")[0], 10 * governance.approvals.stop_s
    return any(
        stop.until is not None and stop.until <= at < stop.until + quiet_s
        for other, stop in governance.stops.items()
        if other.partition("#")[0] == owner
    )


def _named(record_id: RecordId) -> str:
    kind, name = record_id
    return f"{kind} {name}".strip()
