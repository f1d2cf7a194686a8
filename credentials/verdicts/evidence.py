"""What a verdict rests on: the evidence a node gathered.

Everything here is plain data. The node gathers it in ONE read transaction, says how old each source is and
which source it could not reach; the verifier never asks for more. A source that is missing is `None` or a
`Missing`, never an empty value that reads like an answer.

    NetworkView   what is the same for every battery at one height: who governs, status lists, lag
    Evidence      NetworkView + what concerns ONE battery: its ledger view, documents, subjects
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Any

from credentials.documents.canonical import Contexts
from credentials.documents.identifiers import canonical_declaration_number, canonical_vin
from credentials.documents.secured import credential_shown
from credentials.documents.spelling import trimmed
from credentials.documents.status import Places
from credentials.errors import CredentialError
from credentials.verdicts.list_versions import AttestedBy

if TYPE_CHECKING:
    from credentials.documents.identifiers import Subject
    from credentials.ledger.entries import Entry
    from credentials.ledger.governance import Governance
    from credentials.ledger.lifecycle import Lifecycle
    from credentials.ledger.namings import Namings
    from credentials.ledger.recalls import Recall, Recalls
    from credentials.ledger.recognition import Recognition
    from credentials.ledger.records import Claims, Installed
    from credentials.ledger.standing import Standing
    from credentials.verdicts.manifest import DeclaredHere
    from credentials.verdicts.means import HeldProofs, OpenedList
    from credentials.verdicts.shown_as import ShownAs

Document = Mapping[str, Any]


class MissingReason(StrEnum):
    """Why a document is not in hand."""

    WITHHELD = "withheld"  # its holder answered: not for you
    UNREACHABLE = "unreachable"  # nobody answered
    NOT_FOUND = "not_found"  # its holder answered: no such document


@dataclass(frozen=True, slots=True)
class Missing:
    """A document that was asked for and not received."""

    reason: MissingReason
    source: str = ""  # DID of the party that was asked
    asked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A document in hand, with where and when it was received (None: it was presented or is our own)."""

    document: Document
    source: str = ""
    fetched_at: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One leaf about the subject. `entry` is the exact leaf bytes: an attestation or a refusal record.

    `parsed` is what `parse_entry` made of these very bytes, where whoever gathered them had to read them.
    """

    leaf_index: int
    height: int
    block_time: int
    entry: bytes
    parsed: Entry | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What the own ledger says about one subject. `standing` None: it was read and knows nothing of it."""

    standing: Standing | None
    entries: Sequence[LedgerEntry] = ()
    refused: Mapping[bytes, bytes] = field(default_factory=dict)  # bytes, by digest: which passport lost
    vehicle: Installed | None = None  # the vehicle in which it is, as far as that is about this battery
    beside: Mapping[bytes, Standing] = field(default_factory=dict)  # the others in that vehicle, by key
    replaced: Standing | None = None  # in whose place it was last put into a vehicle
    # What reads these, and the parts that repairs put in, and what authorities took back of it.
    tests: Mapping[bytes, Sequence[LedgerEntry]] = field(default_factory=dict)
    claims: Claims | None = None  # what parties without a right over it said: never read for a word
    recalls: Sequence[Recall] = ()  # those in force that reach it, by model, batch or days of production
    # Standings, by their keys, of what it was made from or taken out of, and so on (`relatives_of`).
    relatives: Mapping[bytes, Standing] = field(default_factory=dict)
    # The recalls in force about the codes of these, by their keys; those of whose codes none is are left out.
    kin_recalls: Mapping[bytes, Recalls] = field(default_factory=dict)
    # The public sets of the passports of these, by their keys: (digest, issuer).
    kin_sets: Mapping[bytes, Sequence[tuple[bytes, str]]] = field(default_factory=dict)
    # Those of what repairs and its vehicle tie to it, in the same way.
    tied_sets: Mapping[bytes, Sequence[tuple[bytes, str]]] = field(default_factory=dict)
    # Of those of them that came of others: what that is, and by which acts, by key (`kin_view`).
    tied_kin: Mapping[bytes, LedgerView] = field(default_factory=dict)
    tied_more: Mapping[bytes, Standing] = field(default_factory=dict)  # all that, and under further codes
    kin_placed: Mapping[int, int] = field(default_factory=dict)  # block times, by leaf, of `placings_of`
    # Of these and of their further codes: the keys of the further codes that count, whose records are there.
    kin_codes: Mapping[bytes, Sequence[bytes]] = field(default_factory=dict)
    kin_unread: bool = False  # what these were named by could not be read
    kin_gone: bool = False  # of one whose passport ceased: nobody has to have that any more
    kin_otherwise: str | None = None  # what one of these is under a further code instead, as a reason code
    taken_out: Sequence[LedgerEntry] = ()  # by which it came out of its pack, and these of theirs
    made_into: Sequence[LedgerEntry] = ()  # the acts by which its predecessors became this battery
    put_in: Sequence[LedgerEntry] = ()  # the act on another by which it was last put into that one's place
    # Once a key was stolen: what its party said of these, and all that was said of recalls of codes (D806).
    behind: Sequence[LedgerEntry] = ()
    namings: Namings | None = None  # what names it without being state of it
    named_in: Mapping[bytes, Standing] = field(default_factory=dict)  # what these are about, by key
    unnamed: frozenset[bytes] = frozenset()  # digests of those that authorities took back
    named_by: Sequence[LedgerEntry] = ()  # the leaves of those that are kept
    kin_named: Mapping[bytes, LedgerView] = field(default_factory=dict)  # the same of what it came of
    # The same of each other battery in its vehicle in the same hands, and of what that came of.
    beside_named: Mapping[bytes, Collection[LedgerView]] = field(default_factory=dict)
    lost_at: Mapping[int, int] = field(default_factory=dict)  # hours, by leaf, at which `named_in` were lost
    parts: Mapping[bytes, Standing] = field(default_factory=dict)  # what its repairs name, by key
    # The repairs of these, and of what it was made from, by key of the battery that was repaired.
    repairs: Mapping[bytes, Sequence[LedgerEntry]] = field(default_factory=dict)
    repairs_unread: bool = False  # there are more of these than a verdict reads
    # The recalls in force about the codes of its parts, and of what names it as one, by key of these.
    part_recalls: Mapping[bytes, Recalls] = field(default_factory=dict)
    unknown: str = "not_found"  # why there is no standing, as a reason code: what cannot be read has none

    @property
    def on_record(self) -> bool:
        """True if anything is said of it, or names it: of a code that nobody produced yet, too (D996)."""
        one, named = self.standing, self.namings is not None and self.namings.count > 0
        return named or (one is not None and (one.born or bool(one.marks or kin_of(one))))

    @property
    def named_of_others(self) -> Sequence[LedgerView]:
        """What names those that are asked about with it, without being state of them."""
        return (*self.kin_named.values(), *chain(*self.beside_named.values()))

    def kin_beside(self, other: Standing) -> Mapping[bytes, Standing]:
        """What another battery in its vehicle came of."""
        known = self.tied_kin.get(other.key)
        return known.relatives if known is not None else {}


RELATIVES_MAX = 256


def relatives_of(
    standing: Standing | None, read: Callable[[Sequence[bytes]], Mapping[bytes, Standing]]
) -> dict[bytes, Standing]:
    """Every battery behind this one, nearest first: predecessors and parents, theirs, up to RELATIVES_MAX."""
    found: dict[bytes, Standing] = {}
    asked = kin_of(standing) if standing is not None else ()
    while asked and len(found) < RELATIVES_MAX:
        near = read(asked[: RELATIVES_MAX - len(found)])
        found.update({key: near[key] for key in asked if key in near})
        asked = tuple(dict.fromkeys(k for one in near.values() for k in kin_of(one) if k not in found))
    return found


def kin_of(standing: Standing) -> tuple[bytes, ...]:
    """The keys of the batteries it was made from, and of the one it was taken out of."""
    return (*standing.predecessors, *([standing.parent.key] if standing.parent else ()))


@dataclass(frozen=True, slots=True)
class StatusSource:
    """A status list of one issuer and purpose: the credential in hand, and its last digest on the ledger."""

    credential: Document | None  # None: could not be had
    digest_on_ledger: bytes | None  # latest attested list; None: the ledger knows none
    fetched_at: int | None = None
    source: str = ""
    # Of `credential`, where whoever gathered it computed it: once for as long as it is the same.
    digest: bytes | None = field(default=None, repr=False)
    attested: AttestedBy | None = None  # the latest version
    # Places that an earlier version raised and the latest one lowers, without effect (D815).
    raised_before: Places = field(default=Places(), repr=False)
    unread_before: int = 0  # revocations: versions before the latest one, by no thief, never held here (D842)


@dataclass(frozen=True, slots=True)
class Tables:
    """Data files a verdict reads; each is parsed once by the node and shared by every verdict."""

    reasons: Mapping[str, Any]  # config/reasons.toml
    verdicts: Mapping[str, Any]  # config/rules/verdicts.json
    commodity: Mapping[str, Any]  # config/rules/commodity.toml
    access: Mapping[str, Any]  # config/rules/annex-xiii-access.json
    datapoints: Mapping[str, Any]  # config/rules/eu-datapoints-v2.json
    paths: Mapping[str, Any]  # config/rules/passport-paths.json
    identifiers: Mapping[str, Any]  # config/rules/gbt34014.json
    shown_as: ShownAs | None  # config/rules/shown-as.toml; None: it could not be read
    crosswalk: Mapping[str, Any] = field(default_factory=dict)  # config/rules/crosswalk-eu-cn.json
    # config/rules/crosswalk-evidence.json
    crosswalk_evidence: Mapping[str, Any] = field(default_factory=dict)
    # Of further jurisdictions, with their evidence: `crosswalk.py`.
    crosswalks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Rule files that govern and that this version cannot read, with why: nothing is decided without them.
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NetworkView:
    """What the node knows at one height, whatever the battery. Built once per read transaction."""

    height: int
    block_time: int
    tables: Tables
    governance: Governance | None = None  # at `height`; None: not in hand, so no key and no accreditation
    network_id: bytes | None = None  # None: this node does not know of which network it is
    network_name: str = ""
    lag_heights: int | None = None  # heights behind the highest peer seen; None: unknown
    quorum_silence_s: int | None = None  # seconds since a quorum of validators was last heard; None: unknown
    recognitions: Sequence[Recognition] | None = None  # None: the recognition table could not be read
    # By (issuer DID, statusPurpose, statusListCredential URL).
    status_lists: Mapping[tuple[str, str, str], StatusSource] = field(default_factory=dict)
    schemas: Mapping[str, Any] = field(default_factory=dict)  # by credentialSchema.id
    contexts: Contexts = field(default_factory=lambda: Contexts({}))  # the known ones, by URL
    # The right texts of contexts and schemas that are held, by URL.
    resources: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    # Status lists that were opened already, by digest; whoever gathers hands the same table on.
    lists_opened: dict[bytes, OpenedList] = field(default_factory=dict, compare=False, repr=False)
    # Documents whose proofs held already, by digest; the same.
    proofs_held: dict[bytes, HeldProofs] = field(default_factory=dict, compare=False, repr=False)
    log_policy: str | None = None  # text of log.policy, for receipts shown with a document


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything gathered about ONE battery.

    `subjects` holds a Subject for every identifier text of `identifiers_in_play`, keyed by that exact text; a
    text that does not parse is absent. `ledger` None: it could not be read, which is not "not found".
    """

    network: NetworkView
    ledger: LedgerView | None
    subjects: Mapping[str, Subject]
    # The live passport's sets by Annex XIII point (1-4), those this node may see; absent = not asked for.
    documents: Mapping[int, Held | Missing] = field(default_factory=dict)
    # Documents shown with the line: parsed JSON objects, or raw bytes not parsed yet.
    presented: Sequence[Document | bytes] = ()
    # Event credentials by document digest, where held.
    events: Mapping[bytes, Held | Missing] = field(default_factory=dict)
    receipts: Sequence[str] = ()  # tlog-proof texts shown with the line
    # What the ledger says of the further codes that the passport names it by (`alias_texts`).
    aliases: Mapping[str, LedgerView] = field(default_factory=dict)
    # The sets of points 1 and 4 of the passports that were published before the live one, by digest.
    earlier: Mapping[bytes, Held | Missing] = field(default_factory=dict)
    # Other declarations of this node that may name it, and its own; the ledger's word on presentations goes
    # before them.
    declared: Sequence[DeclaredHere] = ()
    declared_as: DeclaredHere | None = None
    namers: Sequence[str] = ()  # in `aliases`: judged here, their own passports may name this battery
    # By canonical name of what may be a further code of it: other lines of the manifest that rest on it.
    sharing: Mapping[str, Sequence[int]] = field(default_factory=dict)


def subject_texts(document: object) -> tuple[str, ...]:
    """The identifiers a document is about: every `credentialSubject.id` that is text."""
    subjects = credential_shown(document).get("credentialSubject")
    listed = subjects if isinstance(subjects, list) else [subjects]
    return tuple(s["id"] for s in listed if isinstance(s, Mapping) and isinstance(s.get("id"), str))


def alias_texts(document: object) -> tuple[str, ...]:
    """The product identifier of a passport set: the code by which its operator names the battery."""
    subject = credential_shown(document).get("credentialSubject")
    general = subject.get("GeneralProductInformation") if isinstance(subject, Mapping) else None
    text = general.get("productIdentifier") if isinstance(general, Mapping) else None
    return (text.strip(),) if isinstance(text, str) and text.strip() else ()


def part_texts(document: object, lifecycle: Lifecycle) -> tuple[str, ...]:
    """The codes of the parts that a repair names."""
    subject = credential_shown(document).get("credentialSubject")
    told = subject if isinstance(subject, Mapping) else {}
    kind, members = told.get("event"), told.get("members")
    event = lifecycle.event(str(kind)) if str(kind) in lifecycle.naming_parts else None
    named = [m.name for m in event.ledger_members if m.ledger == "references"] if event is not None else []
    said = [members.get(name) for name in named] if isinstance(members, Mapping) else []
    return tuple(trimmed(text) for text in said if isinstance(text, str))


def issuer_shown(document: object) -> str:
    """Who says that it issued the document: an opaque identifier in it is that party's; "" for nobody."""
    issuer = credential_shown(document).get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    return issuer if isinstance(issuer, str) else ""


def battery_text(line: Mapping[str, Any]) -> str | None:
    """The battery a line names, without blanks around it; the one reading of it, for clearance and node."""
    text = line.get("battery")
    return trimmed(text) if isinstance(text, str) else None


def vin_text(line: Mapping[str, Any]) -> str | None:
    """The vehicle a line names in its one spelling, or as it is written where it is no VIN; None: none."""
    text = line.get("vin")
    if not isinstance(text, str) or not trimmed(text):
        return None
    try:
        return canonical_vin(text)
    except CredentialError:
        return trimmed(text)


def declaration_text(text: str) -> str:
    """A declaration number in its one spelling, or as it is written where it is none."""
    try:
        return canonical_declaration_number(text)
    except CredentialError:
        return trimmed(text)


def identifiers_in_play(line: Mapping[str, Any], documents: Sequence[object] = ()) -> tuple[str, ...]:
    """Every identifier text for which the node must compute a Subject before a line can be judged.

    `documents` are the parsed documents of the line and those the node fetched for it.
    """
    own = (text for text in (battery_text(line), vin_text(line)) if text)
    shown = line.get("documents")
    every = (*(shown if isinstance(shown, list) else ()), *documents)
    named = (text for one in every for text in (*subject_texts(one), *alias_texts(one)))
    return tuple(dict.fromkeys((*own, *named)))


@dataclass(frozen=True, slots=True)
class At:
    """The two dates of every verdict, never one parameter: which law applies, and when we looked."""

    law_date: str  # YYYY-MM-DD
    evaluated_at: int  # seconds, UTC
