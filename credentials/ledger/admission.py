"""One attestation after the other, judged on an overlay over the committed records.

    expired? -> members and values as the table says -> predecessors final -> quota
             -> X9, X3, X11 of everybody -> may its author speak about this battery (speaking.py)?
             -> no, but at its time: what it shows is admitted, and moves nothing (told_late.py)
             -> no: a claim, recorded beside the standing
             -> yes: rules X1..X22 -> state -> effects.py -> other records (linked_records.py)

A refusal changes nothing: records are put only once nothing can be refused any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, TypeVar

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.effects import after, with_authority
from credentials.ledger.governance import Governance
from credentials.ledger.governance_state import KINDS as GOVERNANCE_KINDS
from credentials.ledger.governance_state import Sitting
from credentials.ledger.lifecycle import Event, Lifecycle
from credentials.ledger.linked_records import linked, require_named_exist
from credentials.ledger.namings import Namings, claimed_of_others, namings, namings_key
from credentials.ledger.parties import Limits
from credentials.ledger.recalls import Recalls, recalls_after
from credentials.ledger.records import (
    CLAIM,
    CLAIMS_PER_PARTY_MAX,
    CONTEST,
    CONTESTS_PER_PARTY_MAX,
    REFUSALS_PER_PARTY_MAX,
    Asset,
    Claim,
    Claims,
    Quota,
    Record,
    Said,
    StatusLists,
    StatusVersion,
    asset_key,
    claims_key,
    quota_key,
    said_key,
)
from credentials.ledger.rules import RULES, Context, RuleConflict, gives_way, passport_asked
from credentials.ledger.speaking import Silent, Voice, speak
from credentials.ledger.standing import Refused, Standing
from credentials.ledger.told_late import after_late, told_late, with_pasts
from credentials.ledger.undo import remembered, taken_back
from credentials.ledger.values import (
    GOVERNANCE_ACTS_PER_DAY_MAX,
    governing_share,
    next_quota,
    require_governance_form,
    require_members,
    require_not_falling,
    require_parts,
    require_schemes,
)

R = TypeVar("R")
STATUS_RULE = "S1"  # two lists of one issuer for one number; not one of X1..X22

Judgment = RuleConflict | Silent | None  # it lost, it is a claim, it is admitted


class StandingReader(Protocol):
    """Where the registry reads the committed records and what is final."""

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The encoded records that exist, by key."""
        ...

    def final(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of `digests` that are on the ledger already, whatever became of them."""
        ...


@dataclass(slots=True)
class Judge:
    """Judges attestations in order, by what governs the block they are for.

    `at`: block time of admission, or now.
    """

    governance: Governance
    reader: StandingReader
    at: int
    committed_height: int
    sitting: Sitting
    records: dict[bytes, object | None] = field(default_factory=dict)
    cores: dict[bytes, tuple[Standing, bytes]] = field(default_factory=dict)  # as they were read
    fetched: dict[bytes, bytes | None] = field(default_factory=dict)
    changed: dict[bytes, Record | Recalls | Namings] = field(default_factory=dict)
    ordered: set[bytes] = field(default_factory=set)
    per_issuer: dict[str, int] = field(default_factory=dict)

    def prefetch(self, attestations: Iterable[Attestation]) -> Self:
        """Read in one go the records that these attestations name; the judge itself."""
        keys: dict[bytes, None] = {}
        for attestation in attestations:
            keys[standing_key(attestation.subject)] = None
            keys[quota_key(_share_of(attestation))] = None
            if attestation.bound_asset is not None:
                keys[asset_key(attestation.bound_asset)] = None
            keys.update(dict.fromkeys(map(standing_key, attestation.referenced_subjects)))
        found = self.reader.get_many(list(keys))
        self.fetched.update((key, found.get(key)) for key in keys)
        return self

    def changes(self) -> dict[bytes, bytes]:
        """The encoded records that changed, in the order of their keys."""
        return {key: self.changed[key].encode() for key in sorted(self.changed)}

    # -- records (rules.Records) ---------------------------------------------------------------------

    def standing(self, subject: Subject) -> Standing:
        """The standing of a battery; one without history is unknown."""
        return self.standing_at(standing_key(subject)) or Standing(plain(subject))

    def standing_at(self, key: bytes) -> Standing | None:
        """The standing with this key."""
        if key not in self.records and (data := self._data(key)) is not None:
            standing, core = Standing.decode_with_core(data)
            self.records[key], self.cores[key] = standing, (standing, core)
        found = self.records.setdefault(key, None)
        return found if isinstance(found, Standing) else None

    def asset(self, subject: Subject) -> Asset:
        """The vehicle or asset, with what is bound to it."""
        return self._record(asset_key(subject), Asset.decode, Asset) or Asset(plain(subject))

    def recalls(self, empty: Recalls) -> Recalls:
        """The recalls in force about the codes of a namespace, as `empty` names it."""
        return self._record(empty.key, Recalls.decode, Recalls) or empty

    def namings(self, battery: bytes) -> Namings:
        """What names the battery with this standing key without being state of it."""
        return self._record(namings_key(battery), Namings.decode, Namings) or Namings(battery)

    def _record(self, key: bytes, decode: Callable[[bytes], R], kind: type[R]) -> R | None:
        if key not in self.records:
            data = self._data(key)
            self.records[key] = decode(data) if data is not None else None
        found = self.records[key]
        return found if isinstance(found, kind) else None

    def _data(self, key: bytes) -> bytes | None:
        if key not in self.fetched:
            self.fetched[key] = self.reader.get_many([key]).get(key)
        return self.fetched[key]

    def _put(self, *records: Record | Recalls | Namings) -> None:
        for record in records:
            key = record.key
            self.records[key] = self.changed[key] = record

    # -- one attestation -----------------------------------------------------------------------------

    def judge(self, attestation: Attestation, countersigned: frozenset[str], leaf_index: int) -> Judgment:
        """Admit it into the overlay, or say that it lost or is a claim; raises Refusal, changing nothing."""
        event = self.governance.lifecycle.event(attestation.kind)
        if attestation.expires is not None and self.at > attestation.expires:
            raise Refusal("act_expired", "the time until which it could be recorded is over; sign it again")
        if event is None:
            assert attestation.kind in GOVERNANCE_KINDS, "the kind was checked before the signature"
            self._governance_act(attestation)
            return None
        context = Context(
            self.governance, event, self.at, self, countersigned, leaf_index, self.committed_height
        )
        require_members(attestation, event)
        self._require_predecessors(attestation)
        quota = self._next_quota(attestation.issuer, self.governance.limits)
        judgment: Judgment = None
        if event.effects.status_list:
            judgment = self._status_list(attestation, context)
        elif event.effects.recall is not None:
            RULES["X11"](Standing(attestation.subject), attestation, context)
            self._put(recalls_after(attestation, context, self.recalls))
        else:
            judgment = self._battery(attestation, context)
        self._count(attestation, quota)
        return judgment

    def _count(self, attestation: Attestation, quota: Quota) -> None:
        self._put(quota)
        self.per_issuer[quota.issuer] = self.per_issuer.get(quota.issuer, 0) + 1
        self.ordered.add(attestation.digest)

    def _governance_act(self, attestation: Attestation) -> None:
        require_governance_form(attestation, self.governance.limits, self.at)
        self._require_predecessors(attestation)
        limits = replace(self.governance.limits, per_issuer_per_day_max=GOVERNANCE_ACTS_PER_DAY_MAX)
        quota = self._next_quota(_share_of(attestation), limits)
        self.sitting.act(attestation)
        self._count(attestation, quota)

    def _known(self, digests: Sequence[bytes]) -> bool:
        missing = [digest for digest in digests if digest not in self.ordered]
        return not missing or len(self.reader.final(missing)) == len(missing)

    def _require_predecessors(self, attestation: Attestation) -> None:
        if not self._known(attestation.predecessors):
            raise NotYet("predecessor", "an attestation that it follows is not on the ledger yet")

    def _next_quota(self, share: str, limits: Limits) -> Quota:
        found = self._record(quota_key(share), Quota.decode, Quota) or Quota(share, 0)
        return next_quota(found, self.at, self.per_issuer.get(share, 0), limits)

    def _status_list(self, attestation: Attestation, context: Context) -> RuleConflict | None:
        _require_own_list(attestation)  # before the record is read: under another key lies no list
        subject = plain(attestation.subject)
        lists = self._record(standing_key(subject), StatusLists.decode, StatusLists) or StatusLists(subject)
        found = _version_after(lists, attestation, context)
        if isinstance(found, RuleConflict):
            return found
        assert attestation.status is not None, "required by the table"
        self._put(replace(lists, latest={**lists.latest, attestation.status.purpose: found}))
        return None

    def _battery(self, attestation: Attestation, context: Context) -> Judgment:
        require_schemes(attestation, self.governance.lifecycle)
        standing = self.standing(attestation.subject)
        told = told_late(standing, attestation, context)
        context = replace(context, told_late=True) if told is not None else context
        for rule in self.governance.lifecycle.guards_always:
            RULES[rule](standing, attestation, context)
        voice = told or speak(standing, attestation, context)
        require_named_exist(attestation, context)
        heard = told is None and not isinstance(voice, Silent)
        conflict = self._conflict(standing, attestation, context) if heard else None
        if isinstance(voice, Silent):
            self._claim(standing.key, attestation, voice, context.leaf_index)
        elif conflict is not None:
            refusal = _refused_already(conflict, attestation)
            self._say(standing.key, attestation.issuer, conflict.rule, REFUSALS_PER_PARTY_MAX, refusal)
            self._put(standing.with_refusal(_refused(conflict, attestation, context.leaf_index)))
        elif told is not None:
            self._put(*after_late(standing, told, attestation, context, self._core(standing)))
        else:
            self._admit(standing, attestation, context, voice)
        judgment = voice if isinstance(voice, Silent) else conflict
        admitted, by_right = heard and conflict is None, not isinstance(voice, Silent)
        for battery, naming in namings(standing, attestation, context, admitted=admitted, by_right=by_right):
            self._put(self.namings(battery).with_naming(naming, self.governance.lifecycle.parts_apart))
        for battery in claimed_of_others(standing, attestation, context) if judgment is None else ():
            claim = Claim(attestation.issuer, attestation.kind, context.leaf_index, alert=False)
            self._claim_of_named(battery, claim)
        return judgment

    def _claim(self, battery: bytes, attestation: Attestation, silent: Silent, leaf_index: int) -> None:
        """Recorded beside the standing: one of a party about a battery, the first shown, all counted."""
        told = "{why}; its one claim about it is on the ledger already"
        refusal = Refusal("claimed_already", told, why=silent.reason)
        self._say(battery, attestation.issuer, CLAIM, CLAIMS_PER_PARTY_MAX, refusal)
        self._count_claim(battery, Claim(attestation.issuer, attestation.kind, leaf_index, silent.alert))

    def _claim_of_named(self, battery: bytes, claim: Claim) -> None:
        """What a statement says beside of a battery of others; it stays what it is: its party's one claim."""
        said = self._said(battery, claim.issuer, CLAIM)
        if said.count < CLAIMS_PER_PARTY_MAX:
            self._put(replace(said, count=said.count + 1))
            self._count_claim(battery, claim)

    def _said(self, battery: bytes, issuer: str, what: str) -> Said:
        return self._record(said_key(battery, issuer, what), Said.decode, Said) or Said(battery, issuer, what)

    def _say(self, battery: bytes, issuer: str, what: str, most: int, refusal: Refusal) -> None:
        """Count what this party says about the battery; raises `refusal` beyond `most` of its kind."""
        said = self._said(battery, issuer, what)
        if said.count >= most:
            raise refusal
        self._put(replace(said, count=said.count + 1))

    def _count_claim(self, battery: bytes, claim: Claim) -> None:
        claims = self._record(claims_key(battery), Claims.decode, Claims) or Claims(battery)
        self._put(claims.with_claim(claim))

    def _conflict(
        self, standing: Standing, attestation: Attestation, context: Context
    ) -> RuleConflict | None:
        for rule in context.event.guards:
            conflict = RULES[rule](standing, attestation, context)
            if conflict is not None:
                return conflict
        return None

    def _admit(self, standing: Standing, attestation: Attestation, context: Context, voice: Voice) -> None:
        event, lifecycle = context.event, self.governance.lifecycle
        marks = standing.marks if standing.bound is None else ()
        if not lifecycle.allows(event, standing.item_state, marks) and not (
            event.effects.creates and standing.born
        ):
            raise _out_of_order(lifecycle, event, standing.item_state, marks)
        _require_told_late(standing, event, voice)
        require_not_falling(standing, attestation, event)
        require_parts(standing, attestation, event)
        asked = passport_asked(standing, attestation, context, voice.jurisdiction)
        if asked and not standing.live and "X21" not in event.guards:  # which asks it of every pack
            raise NotYet("state", "{event} needs a live passport, the battery has none", event=event.type)
        if event.effects.undo is not None:
            known = self._known(attestation.referenced_digests)
            now = taken_back(standing, attestation, context, known=known)
        else:
            core = self._core(standing)
            kept = event.effects.contests  # beside the last record, which stays the one to be taken back
            undo = standing.undo if kept else remembered(standing, attestation, context, voice, core)
            now = after(standing, attestation, context, voice, undo)
        now = with_authority(now, attestation, context)
        others = linked(standing, now, attestation, context)
        if event.effects.contests:
            told, issuer = "{issuer} contested it {most} times already", attestation.issuer
            refusal = Refusal("contested_already", told, issuer=issuer, most=CONTESTS_PER_PARTY_MAX)
            self._say(standing.key, attestation.issuer, CONTEST, CONTESTS_PER_PARTY_MAX, refusal)
        enrolled = standing.enrolled
        if event.effects.creates and enrolled is not None and gives_way(standing):
            kind = next((e.type for e in lifecycle.events.values() if e.effects.enrols), "")  # "": none now
            self._count_claim(standing.key, Claim(enrolled.by, kind, enrolled.leaf_index, alert=False))
        self._put(*with_pasts(standing, now, others, attestation, context))

    def _core(self, standing: Standing) -> bytes | None:
        """The encoded core of a standing as it was before; None if there was none."""
        known = self.cores.get(standing.key)
        if known is not None and known[0] is standing:
            return known[1]
        return standing.core() if self.standing_at(standing.key) is not None else None


def _require_own_list(attestation: Attestation) -> None:
    subject, update = attestation.subject, attestation.status
    assert update is not None, "required by the table"
    if subject.scheme != "status" or subject.namespace != attestation.issuer:
        raise Refusal("subject", "a status list is published by its issuer, about its own list")
    if update.list_digest != attestation.document_digest:
        raise Refusal("members", "the digest of the list is not that of the document")


def _version_after(
    lists: StatusLists, attestation: Attestation, context: Context
) -> StatusVersion | RuleConflict:
    """The version that this attests, after those on the ledger; another with its number came first (S1)."""
    update = attestation.status
    assert update is not None, "required by the table"
    RULES["X11"](Standing(attestation.subject), attestation, context)
    latest = lists.latest.get(update.purpose)
    seq = latest.seq if latest else 0
    if update.seq > seq + 1:
        raise NotYet("status", "version {seq} of this status list is not on the ledger yet", seq=seq + 1)
    if latest is not None and update.seq <= seq:
        if update.seq < seq or update.list_digest == latest.digest:
            raise Refusal("duplicate", "version {seq} of this status list is on the ledger already", seq=seq)
        return RuleConflict(STATUS_RULE, latest.leaf_index)
    if update.previous != (latest.digest if latest else None):
        raise Refusal("status", "it does not follow version {seq} that is on the ledger", seq=seq)
    return StatusVersion(update.seq, update.list_digest, attestation.digest, context.leaf_index, context.at)


def _out_of_order(lifecycle: Lifecycle, event: Event, state: str, marks: Collection[str]) -> NotYet:
    """Why the event does not follow, and what comes first where something can."""
    states = tuple(sorted(event.from_states))
    first = lifecycle.first_steps(event, state, marks)
    if not first:
        told = "{event} follows {states:or}; the battery is {state}"
        return NotYet("state", told, event=event.type, states=states, state=state)
    told = "{event} follows {states:or}; the battery is {state}: {first:or} comes first"
    return NotYet("state", told, event=event.type, states=states, state=state, first=first)


def _require_told_late(standing: Standing, event: Event, voice: Voice) -> None:
    """What is told late of a battery in its vehicle is what was done there, and once: it moves nothing."""
    if event.sets is None or event.custody is None or event.to_in_vehicle != standing.item_state:
        return
    before = standing.setting(event.sets, voice.jurisdiction)
    if before is not None:
        told = "{by} recorded {event} in {place} already"
        raise Refusal("duplicate", told, by=before.by, event=event.type, place=voice.jurisdiction)
    if standing.place != voice.jurisdiction:
        told = "the battery is in its vehicle in {place}, and this is an act of {jurisdiction}"
        raise Refusal("jurisdiction_unclear", told, place=standing.place, jurisdiction=voice.jurisdiction)


def _refused_already(conflict: RuleConflict, attestation: Attestation) -> Refusal:
    told = "another statement came first ({rule}), as {issuer} was told"
    return Refusal("refused_already", told, rule=conflict.rule, issuer=attestation.issuer)


def _refused(conflict: RuleConflict, attestation: Attestation, leaf_index: int) -> Refused:
    return Refused(
        conflict.rule,
        attestation.digest,
        attestation.document_digest,
        attestation.issuer,
        conflict.winner_leaf_index,
        leaf_index,
    )


def plain(subject: Subject) -> Subject:
    """The subject without what only its holders know."""
    return subject if subject.blind is None else replace(subject, blind=None)


def _share_of(attestation: Attestation) -> str:
    """Under what an attestation is counted: its issuer, or what governs of it."""
    return governing_share(attestation) if attestation.kind in GOVERNANCE_KINDS else attestation.issuer
