"""The office follows the ledger: what became of own statements, and what the status lists must say.

Every leaf of the log is looked at once, in order; how far stands in office.db, in the transaction that acted
on it. An own attestation is settled. An event that changes a passport of ours changes its bits: the status
list is a projection of the ledger, whoever made the event.

Records can be older than what they already said: office.db put back from a backup, by hand or by `comity
restore`. signing.db is never put back, and both hold the same token from start to start; a copy is marked;
and a statement of ours on the ledger that the office does not know tells it as well. A directory put back as
a whole cannot be told from an ordinary start, so at every start the gate is closed until a quorum was heard
and this node has caught up: nothing is signed and no list served before. If the records are older:

    own entries on the ledger   -> settled, or taken into the outbox as the ledger has them
    status lists                -> made again to the version on the ledger (`remaking.py`), or withheld
    places                      -> go on in new lists: what was given away after the backup is not known
    documents that are lost     -> findings
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock

from credentials.documents.canonical import b64u
from credentials.ledger.attestation import Attestation, parse_attestation, standing_key
from credentials.ledger.entries import AdmittedEntry, ClaimEntry, parse_entry
from credentials.ledger.governance import Derived, Governance, GovernanceHistory
from node import log
from node.errors import TokenAway
from node.issuing.gate import Gate
from node.issuing.goal import Goal
from node.issuing.projecting import Projection
from node.issuing.remaking import Clues, Remaking
from node.issuing.statements import Batch
from node.issuing.status_lists import OwnStatusLists
from node.storage.database import Transaction
from node.storage.entries import EntryRow
from node.storage.findings import Finding
from node.storage.ledger import LedgerStore
from node.storage.office import COPIED, EPOCH, OfficeStore
from node.storage.outbox import OutboxItem, Settled
from node.storage.signing import SigningStore

LEAVES_AT_ONCE = 2_000  # followed in one transaction
EPOCH_BYTES = 16
ON_RECORD = ("admitted", "claim")  # their entry is the attestation itself
FINDINGS_SHOWN = 20
CHANGING = ("revoke", "suspend", "reinstate")
STARTING = "it has just started, and only the network can tell whether its records are the newest"
UNKNOWN = "the ledger holds a statement of this participant that office.db does not know"
CLOSED = (
    "this node does not sign yet: {why}. It goes on by itself once it has heard from a quorum, caught up and "
    "compared its records with the ledger; ask again in a moment"
)


@dataclass(frozen=True, slots=True)
class Speaking:
    """Who numbers places and versions: lists, and the lock under which they are numbered."""

    lists: Sequence[OwnStatusLists]
    lock: Lock


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of statement that matter to the office, by their effects in the life cycle."""

    changing: tuple[str, ...]  # a published passport's status
    listing: frozenset[str]
    publishing: frozenset[str]

    @classmethod
    def of(cls, governance: Governance) -> Kinds:
        """As its life cycle says."""
        events = governance.lifecycle.events.values()
        return cls(
            tuple(e.type for e in events if e.effects.passport in CHANGING or e.effects.undo),
            frozenset(e.type for e in events if e.effects.status_list),
            frozenset(e.type for e in events if e.effects.passport in ("publish", "supersede")),
        )


@dataclass(frozen=True, slots=True)
class Told:
    """Why the records are being compared, if they are; how many things are lost, by code."""

    comparing: str | None
    lost: Mapping[str, int]


class Following:
    """Keeps office.db in step with ledger.db; run by the outbox's thread."""

    def __init__(
        self,
        *,
        office: OfficeStore,
        ledger: LedgerStore,
        signing: SigningStore,
        did: str,
        history: GovernanceHistory,
        speaking: Sequence[Speaking],
        gate: Gate,
        network_height: Callable[[], int | None],
    ) -> None:
        self._office, self._ledger, self._signing = office, ledger, signing
        self._did = did
        self._history = history
        self._kinds_of = Derived(Kinds.of)
        self._speaking = speaking
        passports = speaking[0].lists[0]
        self._projection = Projection(office, ledger, passports, lambda: sorted(self._kinds.publishing))
        self._gate = gate
        self._goal = Goal(office, ledger, network_height)
        self._whole = False  # compare from the first leaf on
        self._why = ""
        self._suspected = False  # office.db is older than what this participant said, or may be
        self._repair = False  # a list version of ours was refused
        self._vain: set[bytes] = set()  # list versions that were not found again: at most one of each list
        self._renewed_for: Governance | None = None  # for which no list is under a key that is over
        self._begin()

    @property
    def _kinds(self) -> Kinds:
        return self._kinds_of.of(self._history.latest)

    # -- is this the office that ran last? -----------------------------------------------------------

    def _begin(self) -> None:
        """Closed until the network was heard: a directory put back as a whole looks as it did then."""
        ours, theirs = self._office.remembered(EPOCH), self._signing.epoch()
        if self._office.remembered(COPIED) is not None:
            self._suspect("office.db is a copy that was put back", whole=True)
        elif ours != theirs:
            self._suspect("office.db and signing.db are not of one time", whole=True)
        else:
            self._close(STARTING)
        self.turn()

    def _suspect(self, why: str, *, whole: bool) -> None:
        self._whole = self._whole or whole
        self._suspected = True
        self._close(why)
        log.moment("comparing", because=why)

    def _close(self, why: str) -> None:
        self._why = why
        self._goal.renew()
        self._gate.closed = CLOSED.format(why=why)

    def _open(self) -> None:
        self._agree()
        self._suspected = False
        self._gate.closed = None

    def _agree(self) -> None:
        """From here on these two files belong together."""
        token = secrets.token_bytes(EPOCH_BYTES)
        self._signing.begin_epoch(token)
        with self._office.writing() as db:
            self._office.remember(db, EPOCH, token)
            self._office.remember(db, COPIED, None)

    def list_dropped(self) -> None:
        """No pool takes a version of a list of ours: the next one follows what the ledger has."""
        self._repair = True

    @property
    def is_open(self) -> bool:
        """Whether this participant speaks."""
        return self._gate.closed is None

    @property
    def listing(self) -> frozenset[str]:
        """The kinds of statement that are versions of status lists."""
        return self._kinds.listing

    def told(self) -> Told:
        """What the operator must know of the records of this node."""
        findings = self._office.findings
        return Told(self._why if self._gate.closed else None, findings.counts())

    def findings(self) -> list[Finding]:
        """The newest things that are lost or withheld."""
        return self._office.findings.page(FINDINGS_SHOWN)

    def end(self) -> None:
        """The node stops: a copy made until now is told from the file that goes on."""
        if self._gate.closed is None:
            self._agree()

    # -- following -----------------------------------------------------------------------------------

    def turn(self) -> list[bytes]:
        """Follow what is new; the digests of own attestations that became final."""
        opening = self._gate.closed is not None
        if opening and not self._goal.reached(cosigned=self._suspected):
            return []
        if opening and not self._suspected:
            self._look_ahead()
        if self._whole:
            with self._office.writing() as db:
                self._office.follow(db, 0)
            self._whole = False
        settled: list[bytes] = []
        for start, end in self._ahead():
            settled += self._follow(start, end)
        if not self._goal.asked:
            return settled  # suspected meanwhile: first of all the ledger catches up
        if self._suspected:
            self._compare()
        elif opening:
            self._open()
        with suppress(TokenAway):  # without its key on a token no list is made: at the next turn, or later
            if self._repair and not self._suspected:
                self._repair_lists()
            if self.is_open and self._history.latest is not self._renewed_for:
                self._renew_lists(self._history.latest)
        return settled

    def _ahead(self) -> Iterator[tuple[int, int]]:
        """Ranges of leaves that were not followed yet; none while the ledger is the older one."""
        size = self._ledger.log_size()
        for start in range(self._office.followed(), size, LEAVES_AT_ONCE):
            yield start, min(size, start + LEAVES_AT_ONCE)

    def _look_ahead(self) -> None:
        """Before anything is signed that follows the ledger: whether it holds a statement unknown here."""
        for start, end in self._ahead():
            rows = self._ledger.leaves.concerning(self._did, (), start, end)
            digests = [row.digest for row in rows if row.digest is not None]
            if len(self._office.outbox.get_many(digests)) < len(digests):
                self._suspect(UNKNOWN, whole=False)
                return

    def _follow(self, start: int, end: int) -> list[bytes]:
        """Leaves `start` to `end`, in one transaction with what they lead to."""
        rows = self._ledger.leaves.concerning(self._did, self._kinds.changing, start, end)
        own = [row for row in rows if row.issuer == self._did and row.digest is not None]
        known = self._office.outbox.get_many([row.digest for row in own if row.digest is not None])
        unknown = [row for row in own if row.digest not in known]
        outcomes = [_outcome(row) for row in own if row.digest in known]
        refused = {o.digest for o in outcomes if o.state == "refused"}
        self._repair = self._repair or any(known[d].kind in self._kinds.listing for d in refused)
        changed = self._changed(rows)
        with _locked(self._speaking) if changed else nullcontext(), self._office.writing() as db:
            self._office.outbox.settle(db, outcomes)
            for row in unknown:
                self._adopt(db, row)
            if not self._suspected:
                self._projection.project(db, changed)
            self._office.follow(db, end)
        return [o.digest for o in outcomes]

    def _adopt(self, db: Transaction, row: EntryRow) -> None:
        """A statement of ours that the office does not know: it was made after this office was copied."""
        assert row.digest is not None, "own entries have one"
        attestation = self._statement(row)
        if attestation is None:
            return  # a refusal in a block that is not here: nothing rests on it
        self._office.outbox.adopt(db, _adopted(attestation, row))
        if attestation.kind in self._kinds.listing | self._kinds.publishing and not self._suspected:
            self._suspect(UNKNOWN, whole=False)
        lost = attestation.kind not in self._kinds.listing and row.type in ON_RECORD
        if lost and self._office.documents.get(attestation.document_digest) is None:
            parameters = {"kind": attestation.kind, "leaf_index": row.leaf_index}
            about = b64u(attestation.document_digest)
            self._office.findings.put(db, Finding("document_lost", about, int(time.time()), parameters))

    def _statement(self, row: EntryRow) -> Attestation | None:
        """The attestation of an own entry; of a refusal, from the block that ordered it."""
        if row.type in ON_RECORD:
            entry = parse_entry(row.entry)
            assert isinstance(entry, AdmittedEntry | ClaimEntry), "own entries are statements"
            return entry.attestation
        assert row.digest is not None, "a refusal names what it refused"
        data = self._ledger.ordered_attestation(row.height, row.digest)
        return None if data is None else parse_attestation(data)

    def _changed(self, rows: Iterable[EntryRow]) -> set[bytes]:
        """The batteries whose passports an admitted event changed; a claim changes nothing."""
        return {
            row.subject
            for row in rows
            if row.type == "admitted" and row.kind in self._kinds.changing and row.subject is not None
        }

    # -- comparing -----------------------------------------------------------------------------------

    def _compare(self) -> None:
        """Everything that is numbered is taken over from the ledger; then the gate is opened."""
        with _locked(self._speaking), self._office.writing() as db:
            batch = Batch(int(time.time()))
            for lists in self._all_lists():
                self._remaking(lists).run(db, batch, go_on_in_new_lists=True)
            batch.store(db)
            # Before the gate opens: the version in force is the latest one with a receipt.
            if (kept := self._ledger.checkpoint()) is not None:
                self._office.outbox.receipt(db, kept[0], batch.now, -1)
            issued = self._office.issuances.subjects()
            rows = self._ledger.leaves.told_of(issued, self._kinds.changing)
            self._projection.project(db, self._changed(rows))
        self._repair = False
        self._open()
        log.moment("compared", findings=sum(self._office.findings.counts().values()))

    def _repair_lists(self) -> None:
        """A version of ours was refused: the next one follows what the ledger has."""
        with _locked(self._speaking), self._office.writing() as db:
            batch = Batch(int(time.time()))
            for lists in self._all_lists():
                self._remaking(lists).run(db, batch)
            batch.store(db)
        self._repair = False

    def _renew_lists(self, governance: Governance) -> None:
        """Whenever what governs changes: no list stays under a key that is over or was stolen."""
        now = int(time.time())

        def in_force(kid: str) -> bool:
            key = governance.key_by_id(kid)
            return key is None or key.valid(now)  # None: of a profile, which no ledger ends

        with _locked(self._speaking), self._office.writing() as db:
            batch = Batch(now)
            for lists in self._all_lists():
                lists.renew(db, batch, in_force)
            batch.store(db)
        self._renewed_for = governance

    def _remaking(self, lists: OwnStatusLists) -> Remaking:
        changed = self._projection.changed(lists, self._kinds.changing)
        clues = Clues(partial(_could_sign, self._history.latest), changed, self._vain)
        return Remaking(self._office, self._ledger, lists, self._did, self._office.followed(), clues=clues)

    def _all_lists(self) -> list[OwnStatusLists]:
        return [lists for speaking in self._speaking for lists in speaking.lists]


def _locked(speaking: Sequence[Speaking]) -> ExitStack:
    stack = ExitStack()
    for one in speaking:
        stack.enter_context(one.lock)
    return stack


def _could_sign(governance: Governance, kid: str, at: int) -> bool:
    """Whether the key with this id had begun then and not ended; of one of a profile no ledger says so."""
    key = governance.key_by_id(kid)
    return key is None or (key.valid_from <= at and (key.valid_until is None or at < key.valid_until))


def _outcome(row: EntryRow) -> Settled:
    assert row.digest is not None, "own entries have one"
    return Settled(row.digest, _state(row), row.height, row.leaf_index, row.rule, row.winner)


def _state(row: EntryRow) -> str:
    return row.type if row.type in ON_RECORD else "refused"


def _adopted(attestation: Attestation, row: EntryRow) -> OutboxItem:
    return OutboxItem(
        number=0,
        digest=attestation.digest,
        data=attestation.data,
        kind=attestation.kind,
        battery=None,
        subject=standing_key(attestation.subject),
        document_digest=attestation.document_digest,
        created=attestation.iat,
        state=_state(row),
        height=row.height,
        leaf_index=row.leaf_index,
        rule=row.rule,
        winner=row.winner,
        reason=None,
        receipted_at=None,
    )
