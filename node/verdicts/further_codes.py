"""The records of the further codes that passports name a battery by, and what it came of (credentials D817).

Called inside a read transaction, once more for every set of documents that is in hand since: the passports of
a further code may name others. How many are read is bounded; what is not read is no record, and said so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from credentials.documents.identifiers import Identifier, Subject, subject
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.governance import Governance
from credentials.verdicts.evidence import Held, LedgerView, Tables, alias_texts, issuer_shown
from credentials.verdicts.kin_names import KIN_CODES_MAX
from credentials.verdicts.names import (
    FURTHER_CODES_MAX,
    OPAQUE,
    joined,
    public_sets,
    rightful,
    sets_published,
)
from credentials.verdicts.own_word import OWN_WORD_POINT
from credentials.verdicts.record import Record
from node.storage.office import OfficeStore
from node.verdicts.ledger_views import admitted as admitted_of
from node.verdicts.ledger_views import made_into_of, repairs_in, taken_out_of

if TYPE_CHECKING:
    from node.verdicts.sources import Reading

NOBODY = "-"  # whose an opaque identifier is that no issuer is known of
# Further codes whose records are read for a verdict: that passports name, and that are shown besides.
PASSPORT_CODES_MAX, SHOWN_CODES_MAX = FURTHER_CODES_MAX + 4, 4

Identified = Callable[[str, str], tuple[Identifier | None, str]]  # of (text, issuer)


class FurtherCodes:
    """Adds to a reading what is on record of the codes that its documents name."""

    def __init__(
        self,
        identified: Identified,
        view: Callable[[Subject, Identifier], LedgerView],
        network_key: bytes,
        tables: Callable[[], Tables],
        office: OfficeStore,
    ) -> None:
        self._identified = identified
        self._view = view
        self._network_key = network_key
        self._tables = tables
        self._office = office

    def read(self, reading: Reading, governance: Governance) -> bool:
        """Read those that are named since; True if there were any.

        What is shown with a line never crowds out what its passports name. A code that is looked up in vain
        is kept as that: one that is not kept was not asked about.
        """
        held = [d.document for d in reading.documents.values() if isinstance(d, Held)]
        named = len(reading.named)
        most = PASSPORT_CODES_MAX + (KIN_CODES_MAX if reading.view.kin_sets or reading.view.tied_sets else 0)
        new = self._read_codes(reading, held, most)
        new += self._read_codes(reading, reading.presented, most + SHOWN_CODES_MAX)
        kinds = self._tables().verdicts["events"].get("presentation", ())
        if not reading.parties:
            reading.parties.update(_parties(reading.view, governance))
        new += self._read_namers(reading, governance)
        for view in new:
            reading.declared.extend(a for a in admitted_of(view) if a.kind in kinds)
            for one in (view, *view.tied_kin.values()):
                reading.kin.extend((*taken_out_of(one), *made_into_of(one)))
            parts = governance.lifecycle.naming_parts  # of a part under its further code (credentials D1019)
            reading.kin.extend((*(a for a in admitted_of(view) if a.kind in parts), *repairs_in(view)))
            record = joined(view, reading.parties, governance)
            said = [r.attestation for r in record.shown()] if record is not None else []
            sets = earlier_sets(said, None, reading.seen)
            known = {digest for digest, _ in reading.earlier}
            reading.earlier.extend(one for one in (*sets, *kin_sets(view)) if one[0] not in known)
        return bool(new) or len(reading.named) > named

    def _read_codes(self, reading: Reading, documents: Sequence[object], most: int) -> list[LedgerView]:
        """The records of the codes that these documents name, as long as fewer than `most` are named."""
        new: list[LedgerView] = []
        named = [(text, issuer_shown(document)) for document in documents for text in alias_texts(document)]
        for text, issuer in named:
            if text in reading.named or len(reading.named) >= most:
                continue
            identifier, _ = self._identified(text, issuer or NOBODY)
            about = subject(identifier, self._network_key) if identifier is not None else None
            if identifier is not None and about is not None and about not in reading.subjects.values():
                reading.named[text] = about
                if text not in reading.aliases:
                    new.append(self._view(about, identifier))
                    reading.aliases[text] = new[-1]
        return new

    def _read_namers(self, reading: Reading, governance: Governance) -> list[LedgerView]:
        """The records of what this node has judged whose passports name it, a code, or what it came of.

        Of a battery's parties alone: what strangers write on manifests costs no verdict anything (I5). Where
        a party has more of them than are read, one more is there without its passports: then it is told.
        """
        labels = (about for text, about in reading.named.items() if _is_one(text, about, reading, governance))
        keys = [standing_key(about) for about in (*reading.subjects.values(), *labels)]
        keys += reading.view.relatives
        publishers = set(reading.parties)
        for code in reading.aliases.values():  # what a further code came of, by the word of its parties
            if code.relatives and joined(code, publishers, governance) is not None:
                keys += code.relatives
                publishers |= _parties(code, governance)
        first, more = self._office.overtaken.named_by(list(dict.fromkeys(keys)), sorted(publishers))
        new = [view for text in first if (view := self._namer(reading, text)) is not None]
        for text in more:
            self._namer(reading, text)
        return new

    def _namer(self, reading: Reading, text: str) -> LedgerView | None:
        """The record of one of these, kept in the reading; None: it is there already, or is the battery."""
        identifier, _ = self._identified(text, NOBODY)
        if identifier is None or text in reading.aliases:
            return None
        about = subject(identifier, self._network_key)
        if about in reading.subjects.values():
            return None
        reading.namers.append(text)
        reading.aliases[text] = self._view(about, identifier)
        return reading.aliases[text]


def _is_one(text: str, about: Subject, reading: Reading, governance: Governance) -> bool:
    """True if it names one battery: an opaque identifier is a model's, unless its record counts (D862)."""
    return about.scheme != OPAQUE or joined(reading.aliases[text], reading.parties, governance) is not None


def kin_sets(view: LedgerView) -> list[tuple[bytes, str]]:
    """(digest, issuer) of the public sets that name what a battery came of, or what is tied to it."""
    return [one for named in (view.kin_sets, view.tied_sets) for sets in named.values() for one in sets]


def _parties(view: LedgerView, governance: Governance) -> set[str]:
    """Who has a right over a battery by its own record, or over what it came of."""
    if view.standing is None:
        return set()
    kin = (rightful(one, Record(), governance) for one in view.relatives.values())
    return rightful(view.standing, Record.read(view, governance), governance).union(*kin)


def earlier_sets(
    statements: Collection[Attestation], live: Attestation | None, seen: Sequence[int]
) -> list[tuple[bytes, str]]:
    """(digest, issuer) of what a verdict reads of the passports before the live one, as far as it may."""
    own = sets_published(statements, live, point=OWN_WORD_POINT) if OWN_WORD_POINT in seen else []
    return [*public_sets(statements, live), *own]
