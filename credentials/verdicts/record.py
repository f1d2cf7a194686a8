"""The ledger view of one battery, read once per verdict: what was admitted about it, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Subject
from credentials.documents.passport import DataPointState, completeness
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, parse_attestation
from credentials.ledger.entries import AdmittedEntry, RefusedEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.ledger.rules import OWN_RECORD, PUT_IN
from credentials.ledger.standing import CEASED, PASSPORT_SUSPENDED, REVOKED, SUSPENDED, Standing
from credentials.ledger.undo import undone_by
from credentials.verdicts.evidence import At, Evidence, LedgerEntry, LedgerView, kin_of
from credentials.verdicts.policy import Policy
from credentials.verdicts.verdict_record import PlaceRecord, StepRecord

if TYPE_CHECKING:
    from credentials.verdicts.event_documents import EventDocument
    from credentials.verdicts.verdict import Findings


TIMELINE_MAX = 100  # statements shown beside a verdict; `GET /batteries/{code}` has all of them, by pages


def taken_out_at(standing: Standing | None, relatives: Mapping[bytes, Standing]) -> dict[int, Standing]:
    """What was taken out of its pack, and this of its own, by the leaf at which it was: nearest first."""
    found: dict[int, Standing] = {}
    while standing is not None and standing.parent is not None and standing.parent.leaf_index not in found:
        found[standing.parent.leaf_index] = standing
        standing = relatives.get(standing.parent.key)
    return found


def made_into_at(standing: Standing | None, relatives: Mapping[bytes, Standing]) -> dict[int, Standing]:
    """Its predecessors, by the leaf of the act by which each became this battery."""
    made = standing.predecessors if standing is not None else ()
    old = (one for key in made if (one := relatives.get(key)) is not None)
    return {one.lineage.leaf_index: one for one in old if one.lineage is not None}


def put_in_at(standing: Standing | None) -> tuple[int, ...]:
    """The leaf of the act by which it was last put into a vehicle in place of another, if there is one."""
    return (standing.facts[PUT_IN],) if standing is not None and PUT_IN in standing.facts else ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """An attestation about the subject, with its place on the ledger; `rule` is set when it was refused."""

    attestation: Attestation
    leaf_index: int
    height: int
    block_time: int
    rule: str | None = None
    winner_leaf_index: int | None = None

    def covers(self, digest: bytes) -> bool:
        """True if the attestation is about the document with this digest."""
        return covers(self.attestation, digest)

    def place(self) -> PlaceRecord:
        """Where a reader finds it."""
        return {
            "leaf_index": self.leaf_index,
            "height": self.height,
            "attestation": b64u(self.attestation.digest),
        }


def admitted_at(leaf: LedgerEntry | None) -> Recorded | None:
    """What was admitted at a leaf; None for one that is not in hand, or not to be read as that."""
    try:
        entry = (leaf.parsed or parse_entry(leaf.entry)) if leaf is not None else None
    except CredentialError:
        return None
    if leaf is None or not isinstance(entry, AdmittedEntry):
        return None
    return Recorded(entry.attestation, leaf.leaf_index, leaf.height, leaf.block_time)


def hours_of(leaves: Iterable[LedgerEntry]) -> dict[int, int]:
    """When it happened that each of these leaves states, by the leaf."""
    said = (admitted_at(leaf) for leaf in leaves)
    return {one.leaf_index: one.attestation.event_time for one in said if one is not None}


@dataclass(frozen=True, slots=True)
class RecordedRefusal:
    """A refusal record: its attestation's bytes may or may not be held."""

    entry: RefusedEntry
    leaf_index: int
    height: int
    block_time: int


@dataclass(frozen=True, slots=True)
class Record:
    """Admitted and refused statements in ledger order; `unreadable` leaves are counted, never guessed at."""

    admitted: tuple[Recorded, ...] = ()
    refused: tuple[Recorded, ...] = ()  # those whose bytes are held
    refusals: tuple[RecordedRefusal, ...] = ()  # all of them
    unreadable: int = 0
    taken_back: frozenset[bytes] = frozenset()  # digests of statements that a later one undid
    voided: frozenset[bytes] = frozenset()  # of these, what authorities voided: it no longer shows anything
    withdrawn: frozenset[bytes] = frozenset()  # and what one authority withdrew, of what trades said
    # What was said on an enrolment that gave way to the maker's production: on the timeline, and for nothing.
    unseated: tuple[Recorded, ...] = ()
    begins: int = 0  # the leaf from which the battery's own record goes on
    late: frozenset[int] = frozenset()  # leaves of what was told of a time before the record came to stand so
    # What the record of another says of this one: it was put into a vehicle in place of that.
    put_in: Recorded | None = None

    @classmethod
    def read(cls, view: LedgerView | None, governance: Governance | None) -> Record:
        """Read the entries of a ledger view; by the rules at its height some statements take others back."""
        admitted: list[Recorded] = []
        refused: list[Recorded] = []
        refusals: list[RecordedRefusal] = []
        unreadable = 0
        for leaf in sorted(view.entries, key=lambda e: e.leaf_index) if view else ():
            place = (leaf.leaf_index, leaf.height, leaf.block_time)
            try:
                entry = leaf.parsed or parse_entry(leaf.entry)
                if isinstance(entry, AdmittedEntry):
                    admitted.append(Recorded(entry.attestation, *place))
                elif isinstance(entry, RefusedEntry):
                    refusals.append(RecordedRefusal(entry, *place))
                    data = view.refused.get(entry.digest) if view else None
                    if data is not None:
                        lost = parse_attestation(data)
                        refused.append(Recorded(lost, *place, entry.rule, entry.winner_leaf_index))
            except CredentialError:
                unreadable += 1
        standing = view.standing if view else None
        since = standing.facts.get(OWN_RECORD, 0) if standing else 0
        unseated = tuple(r for r in admitted if r.leaf_index < since)
        admitted = admitted[len(unseated) :]
        undone, voided, withdrawn = set[bytes](), set[bytes](), set[bytes]()
        said = [r.attestation for r in admitted]
        for how, row in undone_by(said, governance.lifecycle) if governance else ():
            undone.update(row)
            voided.update(row if how == "void" else ())
            withdrawn.update(row if how == "withdraw" else ())
        return cls(
            tuple(admitted),
            tuple(refused),
            tuple(refusals),
            unreadable,
            frozenset(undone),
            frozenset(voided),
            frozenset(withdrawn),
            unseated,
            since,
            frozenset(standing.past.late_leaves if standing else ()),
            next((admitted_at(leaf) for leaf in view.put_in), None) if view else None,
        )

    def covering(self, digest: bytes) -> Recorded | None:
        """The latest admitted attestation about this document."""
        return next((r for r in reversed((*self.unseated, *self.admitted)) if r.covers(digest)), None)

    def refused_covering(self, digest: bytes) -> Recorded | None:
        """The refused attestation about this document."""
        return next((r for r in self.refused if r.covers(digest)), None)

    def of_kinds(self, kinds: Mapping[str, Any] | list[str] | tuple[str, ...]) -> list[Recorded]:
        """The admitted statements of these kinds that nobody took back, oldest first."""
        return [
            r
            for r in self.admitted
            if r.attestation.kind in kinds and r.attestation.digest not in self.taken_back
        ]

    def says(self, kind: str) -> bool:
        """True if such a statement was admitted and not voided."""
        return any(r.attestation.kind == kind for r in self.shown())

    def shown(self) -> Iterator[Recorded]:
        """Every admitted statement that was not voided, oldest first: a correction leaves what it showed."""
        return (r for r in self.admitted if r.attestation.digest not in self.voided)

    def in_order(self) -> Iterator[Recorded]:
        """The same but what was told late: of that the place in the log does not say what it followed."""
        return (r for r in self.shown() if r.leaf_index not in self.late)

    def shown_assets(self, kinds: Sequence[str]) -> frozenset[Subject]:
        """The vehicles of every admitted statement of these kinds that was not voided, or it was put into."""
        said = [r for r in self.shown() if r.attestation.kind in kinds]
        said += [self.put_in] if self.put_in is not None else []
        assets = (r.attestation.bound_asset for r in said)
        return frozenset(asset for asset in assets if asset is not None)

    def revokes(self, passport: bytes, governance: Governance) -> bool:
        """True if the passport with this set-list digest was revoked once: it stays so (I3)."""
        kinds = {k for k, event in governance.lifecycle.events.items() if event.effects.passport == "revoke"}
        said = (r.attestation for r in (*self.unseated, *self.admitted))
        return any(a.kind in kinds and passport in a.referenced_digests for a in said)

    def with_digest(self, attestation: bytes) -> Recorded | None:
        """The admitted statement with this digest."""
        return next((r for r in self.admitted if r.attestation.digest == attestation), None)

    def timeline(self, governance: Governance | None) -> tuple[StepRecord, ...]:
        """The newest statements about the battery, oldest first, with who made them and where they stand."""
        newest = sorted((*self.unseated, *self.admitted), key=lambda r: r.leaf_index)[-TIMELINE_MAX:]
        steps = [_step(r.leaf_index, r.height, r.block_time, governance, r.attestation) for r in newest]
        for r in self.refusals[-TIMELINE_MAX:]:
            held = next((x.attestation for x in self.refused if x.leaf_index == r.leaf_index), None)
            step = _step(r.leaf_index, r.height, r.block_time, governance, held, issuer=r.entry.issuer)
            refused: StepRecord = {
                **step,
                "state": "refused",
                "rule": r.entry.rule,
                "winner_leaf_index": r.entry.winner_leaf_index,
                "attestation_digest": b64u(r.entry.digest),
            }
            steps.append(refused)
        return tuple(sorted(steps, key=lambda step: step["leaf_index"])[-TIMELINE_MAX:])


class FilledPoints(NamedTuple):
    """The data points of these sets of a passport by the law of this day."""

    sets: Mapping[int, Mapping[str, Any]]
    category: str
    law_date: str
    states: Sequence[DataPointState]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What one verdict is about: the evidence, what the ledger says in it, the policy and the two dates."""

    evidence: Evidence
    record: Record
    policy: Policy
    at: At
    # Documents of events that were examined for this verdict, by digest: several checks may read one.
    read: dict[bytes, EventDocument] = field(default_factory=dict, compare=False, repr=False)
    # Which data points its sets fill, by the law of a day: the verdict and the importer's report ask (0667).
    filled: list[FilledPoints] = field(default_factory=list, compare=False, repr=False)
    # What was compared with the time beside the checks, as `Findings.moments`.
    moments: set[int] = field(default_factory=set, compare=False, repr=False)

    @property
    def now(self) -> int:
        """When documents are judged: never before the ledger's own time, whatever this node's clock says.

        A clock that is behind is the node's fault (`fresh`), and no fault of what was signed meanwhile.
        """
        return max(self.at.evaluated_at, self.evidence.network.block_time)

    @property
    def events(self) -> Mapping[str, Any]:
        """What each kind of event means for a verdict; nothing where no table says so."""
        found: Mapping[str, Any] = self.evidence.network.tables.verdicts.get("events", {})
        return found

    def data_points(self, sets: Mapping[int, Mapping[str, Any]], category: str) -> Sequence[DataPointState]:
        """The state of each data point of these sets; raises CredentialError, KeyError, TypeError."""
        tables, law_date = self.evidence.network.tables, self.at.law_date
        for one in self.filled:
            same = one.sets.keys() == sets.keys() and all(one.sets[point] is sets[point] for point in sets)
            if same and (one.category, one.law_date) == (category, law_date):
                return one.states
        states = completeness(sets, category, law_date, tables.datapoints, tables.paths)
        self.filled.append(FilledPoints(sets, category, law_date, states))
        return states

    def good_until(self, found: Findings) -> int | None:
        """The first moment at which something that this verdict compared with the time may differ.

        How far behind this node is changes with what it hears, not with time alone: that is no moment.
        """
        return first_after(self.at.evaluated_at, self.moments | found.moments)

    def relatives(self) -> tuple[Standing, ...]:
        """What it was made from or taken out of, and that in turn, as far as it is in hand."""
        assert self.evidence.ledger is not None, "asked of a battery that is on record"
        return tuple(self.evidence.ledger.relatives.values())

    def taken_out(self) -> list[tuple[Subject, Recorded | None]]:
        """(what was taken out, the dismantling) of it, and of what that was taken out of; nearest first.

        Of a pack under each of its further codes (D867). None: the dismantling is not in hand, or cannot be
        read.
        """
        view = self.evidence.ledger
        if view is None or view.standing is None:
            return []
        leaves = {leaf.leaf_index: leaf for leaf in view.taken_out}
        inner, found = [view.standing], list[tuple[Subject, Recorded | None]]()
        for one in inner:
            if one.parent is None:
                continue
            found.append((one.subject, admitted_at(leaves.get(one.parent.leaf_index))))
            packs = (view.relatives.get(key) for key in _called(one.parent.key, view))
            inner += [pack for pack in packs if pack is not None and pack not in inner]
        return found

    def made_into(self) -> list[tuple[Standing, Recorded | None]]:
        """(a predecessor, the act by which it became this battery); None: it is not had or not read."""
        view = self.evidence.ledger
        if view is None:
            return []
        leaves = {leaf.leaf_index: leaf for leaf in view.made_into}
        made = made_into_at(view.standing, view.relatives).items()
        return [(old, admitted_at(leaves.get(leaf))) for leaf, old in made]

    @property
    def kin_missing(self) -> bool:
        """True if something it was made from or taken out of is not in hand, or by what that was named.

        Or what the record of another says of it, or what repairs of its parts name.
        """
        view = self.evidence.ledger
        if view is None or view.standing is None:
            return False
        if (
            view.kin_unread
            or view.repairs_unread
            or (self.record.put_in is None and put_in_at(view.standing))
        ):
            return True
        named_at = {naming.leaf_index for naming in view.namings.first} if view.namings else set()
        if named_at - {leaf.leaf_index for leaf in view.named_by}:
            return True
        family = (view.standing, *view.relatives.values())
        return any(key not in view.relatives for one in family for key in kin_of(one))

    def changed_at(self, standing: Standing) -> tuple[int, int] | None:
        """The leaf at which it became another battery, and when that happened; None: not in hand.

        Of waste the latest values are those of the item, whenever they were measured: (-1, 0). Where a
        predecessor was an enrolment that gave way to its maker since, from then on (D730).
        """
        view, leaf, happened = self.evidence.ledger, -1, 0
        for key in standing.predecessors:
            old = view.relatives.get(key) if view is not None else None
            if old is None:
                return None
            if old.lineage is None:
                leaf = max(leaf, old.facts.get(OWN_RECORD, leaf))
            else:
                leaf, happened = max(leaf, old.lineage.leaf_index), max(happened, old.last_event_time)
        return leaf, happened


def first_after(at: int, moments: Set[int]) -> int | None:
    """The first of these moments after `at`."""
    return min((moment for moment in moments if moment > at), default=None)


def _called(key: bytes, view: LedgerView) -> list[bytes]:
    """The keys of a battery behind it, and of its further codes, and of theirs."""
    found = [key]
    for one in found:
        found += [code for code in view.kin_codes.get(one, ()) if code not in found]
    return found


def live_passport(evidence: Evidence, record: Record) -> Recorded | None:
    """The statement under which the latest passport was published."""
    standing = evidence.ledger.standing if evidence.ledger else None
    if standing is None or standing.passport is None:
        return None
    return record.with_digest(standing.passport.attestation)


def attestation_of(entry: bytes) -> Attestation | None:
    """The admitted attestation in one leaf; None for any other leaf."""
    parsed = parse_entry(entry)
    return parsed.attestation if isinstance(parsed, AdmittedEntry) else None


def covers(attestation: Attestation, digest: bytes) -> bool:
    """True if the attestation is about the document with this digest, alone or in its set list."""
    sets = attestation.set_list
    return digest == attestation.document_digest or (sets is not None and digest in sets.points.values())


def passport_status(standing: Standing, digest: bytes) -> str | None:
    """`revoked` or `suspended` if the ledger says so of the passport with this set-list digest.

    What ceased with its battery while it was suspended is suspended until that is lifted.
    """
    version = standing.passport_with(digest)
    if version is None:
        return None
    if version.status == CEASED and version == standing.passport and standing.settings(PASSPORT_SUSPENDED):
        return "suspended"
    return {REVOKED: "revoked", SUSPENDED: "suspended"}.get(version.status)


def ended_as(standing: Standing, verdicts: Mapping[str, Any]) -> str | None:
    """`waste`, `consumed` or `recycled`: what the record says the battery has become."""
    states: Mapping[str, str] = verdicts.get("events", {}).get("ended", {})
    return states.get(standing.item_state) or states.get(standing.eu_status)


def _step(
    leaf_index: int,
    height: int,
    block_time: int,
    governance: Governance | None,
    statement: Attestation | None,
    *,
    issuer: str = "",
) -> StepRecord:
    issuer = statement.issuer if statement else issuer
    participant = governance.participant(issuer) if governance else None
    return {
        "leaf_index": leaf_index,
        "height": height,
        "time": block_time,
        "event_time": statement.event_time if statement else None,
        "kind": statement.kind if statement else None,
        "issuer": issuer,
        "issuer_name": participant.name if participant else None,
        "jurisdiction": participant.jurisdiction if participant else None,
        "document_digest": b64u(statement.document_digest) if statement else None,
        "attestation_digest": b64u(statement.digest) if statement else None,
        "state": "admitted",
    }
