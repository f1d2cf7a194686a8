"""Every code by which passports ever named the battery: what is known of one name is known under all (X1).

The passports that are shown name further codes, those before them did, and the passports of a further code
name others again. A code once named stays named: leaving one out of a later passport does not pay (I6). The
record names every passport that was published; the public set of each is had by its digest.

What a stranger entered under a further code is a claim (D780): its passports name nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import read_identifier
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation
from credentials.ledger.governance import Governance
from credentials.ledger.rules import gives_way
from credentials.ledger.standing import CEASED, PRIVATE, Standing
from credentials.verdicts.content import ALIAS_CHARS_MAX, JudgeAlias, why_unread
from credentials.verdicts.evidence import Evidence, Held, LedgerView, alias_texts
from credentials.verdicts.manifest import canonical_name
from credentials.verdicts.record import Inquiry, Record, live_passport
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Findings, Outcome

if TYPE_CHECKING:
    from credentials.verdicts.verifier import Examined

OPAQUE = "uri"  # the scheme of an identifier that may be a model's as well as one battery's
PUBLIC_POINT = 1  # the set that names the code (Annex XIII point 1)
FURTHER_CODES_MAX = 4  # codes beside those that the passports shown name, read for one verdict


@dataclass(frozen=True, slots=True)
class Names:
    """The codes of one battery beside the one that it is asked about."""

    canonical: frozenset[str] = frozenset()  # of all of them
    further: tuple[str, ...] = ()  # those that the passports shown do not name, in order of finding
    unread: str | None = None  # why there may be more, as a reason code
    parties: frozenset[str] = frozenset()  # who has a right over it under one of them


@dataclass(slots=True)
class Found:
    """What was found so far."""

    evidence: Evidence
    seen: set[str]  # canonical names
    parties: set[str]
    further: list[str] = field(default_factory=list)
    counted: set[str] = field(default_factory=set)  # of these, those whose record is no stranger's
    unread: str | None = None

    def take(self, texts: Iterable[str], scheme: str | None) -> list[str]:
        """Those of these texts that are new; of `scheme` are the codes of other batteries, None: of none."""
        rules, new = self.evidence.network.tables.identifiers, list[str]()
        for text in texts:
            name = canonical_name(text, rules)
            if name not in self.seen and (scheme is None or not name.startswith(f"{scheme}:")):
                self.seen.add(name)
                new.append(text)
        return new

    def add(self, texts: Iterable[str], scheme: str | None) -> None:
        """Follow those of these that are new, and codes."""
        self.further += (text for text in self.take(texts, scheme) if is_code(text, self.evidence))


def public_sets(
    statements: Iterable[Attestation], live: Attestation | None = None
) -> list[tuple[bytes, str]]:
    """(digest, issuer) of the public sets that these statements published, but for the live one."""
    return sets_published(statements, live, point=PUBLIC_POINT)


def sets_published(
    statements: Iterable[Attestation], live: Attestation | None, *, point: int
) -> list[tuple[bytes, str]]:
    """(digest, issuer) of the sets of one point that these statements published, but for the live one."""
    found: dict[bytes, str] = {}
    for statement in statements:
        digest = statement.set_list.points.get(point) if statement.set_list is not None else None
        if digest is not None:
            found[digest] = statement.issuer
    if live is not None and live.set_list is not None:
        found.pop(live.set_list.points.get(point, b""), None)
    return list(found.items())


def kin_sets_of(standing: Standing, record: Record) -> list[tuple[bytes, str]]:
    """The public sets by which a battery was named that another came of."""
    return [] if standing.passport is None else public_sets(_published(record))


def has_ceased(standing: Standing) -> bool:
    """True of one whose passport is readable no longer by law, as it was recycled (Art 77(8))."""
    return standing.passport is not None and standing.passport.status == CEASED


def names_of(shown: Sequence[Examined], inquiry: Inquiry) -> Names:
    """Every code of the battery, from the documents shown on; at most FURTHER_CODES_MAX beside theirs."""
    view = inquiry.evidence.ledger
    if view is None or view.standing is None:
        return Names()
    own, governance = view.standing, inquiry.evidence.network.governance
    found = Found(inquiry.evidence, _own_names(own, inquiry), rightful(own, inquiry.record, governance))
    asked = set(found.seen)
    first = found.take((t for e in shown if e.established for t in alias_texts(e.document)), None)
    live = live_passport(inquiry.evidence, inquiry.record)
    sets = public_sets(_published(inquiry.record), live.attestation if live is not None else None)
    # Of its own scheme an earlier one named another battery: that was held while it did.
    found.add(texts_of(sets, found), own.subject.scheme)
    for text in each(first, found.further, FURTHER_CODES_MAX):
        follow(text, found, governance)
    follow_namers(found, _own_names(own, inquiry), own.subject.scheme, governance, FURTHER_CODES_MAX)
    return Names(frozenset(found.seen - asked), tuple(found.further), found.unread, frozenset(found.parties))


def follow_namers(
    found: Found, names: Set[str], scheme: str, governance: Governance | None, most: int
) -> None:
    """Of a battery of these names and this scheme: the codes whose own passports name it, or a further code.

    By one of its parties' word; and those that name a code found so, in whatever order they come (D856).
    Leaving the other code out of one of the two passports does not pay (I6). What anybody else's passport
    names is nothing to this battery (I5). Two codes of one scheme are two batteries, unless both name one
    further code: then they are one under it. An opaque identifier is one battery's once on record (D862).
    """
    waiting = list(found.evidence.namers)
    while True:
        begin = len(found.further)
        shared = _shared(found) - names
        for text in waiting:
            said = _said_by_parties(text, found, governance)
            if said & shared:
                found.add([text], None)
            elif said & names:
                found.add([text], scheme)
        waiting = [text for text in waiting if text not in found.further]
        if len(found.further) == begin or begin >= most:
            return
        # What is a code of the battery since may be named by others in turn.
        for text in each((), found.further, most, begin):
            follow(text, found, governance)


def _shared(found: Found) -> set[str]:
    """The names by which two codes that both have one are one battery."""
    rules = found.evidence.network.tables.identifiers
    counted = {canonical_name(text, rules) for text in found.counted}
    return {name for name in found.seen if name in counted or not name.startswith(f"{OPAQUE}:")}


def _said_by_parties(text: str, found: Found, governance: Governance | None) -> set[str]:
    """The canonical names that passports of that code give it, of those that a party here published."""
    code = found.evidence.aliases.get(text)
    if code is None or code.standing is None or not code.standing.born:
        return set()
    record = Record.read(code, governance)
    if is_claim(code.standing, record, found.parties, governance):
        return set()
    published = public_sets(one for one in _published(record) if one.issuer in found.parties)
    rules = found.evidence.network.tables.identifiers
    return {canonical_name(name, rules) for name in texts_of(published, found)}


def follow(text: str, found: Found, governance: Governance | None) -> None:
    """What the passports of a further code name in turn, where its record counts."""
    code = found.evidence.aliases.get(text)
    record = joined(code, found.parties, governance) if code is not None else None
    if code is None or code.standing is None or record is None:
        return
    found.counted.add(text)
    passport, scheme = code.standing.passport, code.standing.subject.scheme
    current = record.with_digest(passport.attestation) if passport is not None else None
    latest = current.attestation if current is not None else None
    found.add(texts_of(public_sets([latest] if latest else []), found), None)
    found.add(texts_of(public_sets(_published(record), latest), found), scheme)


def check_further_codes(found: Findings, names: Names, inquiry: Inquiry, judge_alias: JudgeAlias) -> None:
    """X1: what is on record of a code that the passports shown do not name; what is unread is undecided."""
    unread = names.unread
    for text in names.further[:FURTHER_CODES_MAX]:
        view = inquiry.evidence.aliases.get(text)
        if view is None:
            unread = "not_held"  # nobody looked whether it is on record
        elif view.recalls or view.on_record:
            judge_alias(text[:ALIAS_CHARS_MAX], view)
        else:  # the line is woken once it is on record
            found.warned("alias", "alias_not_recorded", rule="X16", identifier=text[:ALIAS_CHARS_MAX])
    if len(names.further) > FURTHER_CODES_MAX:
        unread = "not_held"
    if unread is not None:
        found.add("alias", Outcome.INDETERMINATE, unread, rule="X1", word=UNDECIDED)


def is_code(text: str, evidence: Evidence) -> bool:
    """True for what can name a battery on record; an opaque identifier does, with its issuer."""
    try:
        read_identifier(text, evidence.network.tables.identifiers, namespace="-")
    except (CredentialError, KeyError):
        return False
    return True


def joined(view: LedgerView, parties: set[str], governance: Governance | None) -> Record | None:
    """The record of a further code, whose rightful parties join these; None where it names nothing more."""
    standing = view.standing
    if standing is None or not view.on_record:
        return None
    record = Record.read(view, governance)
    if is_claim(standing, record, parties, governance):
        return None
    parties |= rightful(standing, record, governance)
    return record


# -- whose word it is ----------------------------------------------------------------------------------


def is_claim(standing: Standing, record: Record, parties: Set[str], governance: Governance | None) -> bool:
    """True of what a licence alone entered under a further code, and none of the battery's parties has (I5).

    Whoever reads the label can enter the code. That its maker had brought it into being and took that back is
    no word on what somebody entered there.
    """
    if not gives_way(standing):
        return False
    events = governance.lifecycle.events if governance is not None else {}
    making = {kind for kind, event in events.items() if event.effects.creates}
    made = {r.attestation.digest for r in record.admitted if r.attestation.kind in making}
    said = (r.attestation for r in record.admitted if r.attestation.digest not in made)
    authors = {a.issuer for a in said if made.isdisjoint(a.referenced_digests)}
    entered = {standing.enrolled.by} if standing.enrolled is not None else set()
    return parties.isdisjoint({*entered, *_holders(standing), *authors})


def rightful(standing: Standing, record: Record, governance: Governance | None) -> set[str]:
    """Who has or had a right over a battery: its parties, and the authors of its record but for trades.

    A trade of the place has none: what it enters under a further code is one stranger's word as another's.
    """
    events = governance.lifecycle.events if governance is not None else {}
    trades = {kind for kind, event in events.items() if event.speaks == "trade" or event.effects.undo}
    authors = (r.attestation.issuer for r in record.admitted if r.attestation.kind not in trades)
    return {
        *standing.named,
        *authors,
        *_holders(standing),
        *([standing.producer] if standing.producer else []),
    }


def _holders(standing: Standing) -> set[str]:
    """Its holder and its operator; two owners without a node are not one."""
    return {party for party in (standing.holder, standing.responsible) if party not in (None, PRIVATE)}


# -- what is named -------------------------------------------------------------------------------------


def _own_names(own: Standing, inquiry: Inquiry) -> set[str]:
    """The canonical names of the code that the verdict is asked about."""
    rules, known = inquiry.evidence.network.tables.identifiers, inquiry.evidence.subjects.items()
    return {canonical_name(text, rules) for text, it in known if it.as_list() == own.subject.as_list()}


def _published(record: Record) -> Iterator[Attestation]:
    return (recorded.attestation for recorded in record.shown())


def texts_of(sets: Iterable[tuple[bytes, str]], found: Found) -> list[str]:
    """What these sets name the battery by; one that is not in hand as it was published is told."""
    texts: list[str] = []
    for digest, _ in sets:
        held = found.evidence.earlier.get(digest)
        if isinstance(held, Held) and digest_document(dict(held.document)) == digest:
            texts += alias_texts(held.document)
        else:
            found.unread = why_unread(held)
    return texts


def each(first: Sequence[str], further: Sequence[str], most: int, begin: int = 0) -> Iterator[str]:
    """Those first, then the others, which grow meanwhile: as many as are read."""
    yield from first
    for place in range(begin, most):
        if place < len(further):
            yield further[place]
