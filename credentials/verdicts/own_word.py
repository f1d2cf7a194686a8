"""What the passport itself says of use (Annex XIII 4(c), 4(d)), where set 4 is seen: X7.

Its values are those of the day it was issued: they never make a battery better than its record. What an
earlier passport said counts on: publishing again with other words does not make a battery new (I1, I6). So
does what those of a further code say: it is the same battery (X1).

What was made of others was never original (Art 77(7), 13(9)): a passport that says so of it contradicts its
record, whatever it is shown as (X16). Another one mends that: only the passport shown is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from credentials.documents.canonical import digest_document
from credentials.documents.secured import credential_shown
from credentials.ledger.attestation import Attestation
from credentials.ledger.standing import ORIGINAL, WASTE
from credentials.verdicts.content import sets_of_one_passport, why_missing, why_unread
from credentials.verdicts.evidence import Held
from credentials.verdicts.names import sets_published
from credentials.verdicts.record import Inquiry, Record, live_passport
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.shown_as import NOT_GIVEN
from credentials.verdicts.verdict import Findings, Outcome

if TYPE_CHECKING:
    from credentials.verdicts.cell import Cell
    from credentials.verdicts.verifier import Examined

OWN_WORD_POINT = 4  # the set of individual values (Annex XIII point 4)
_CYCLES = ("Performance", "batteryCondition", "numberOfFullCycles", "numberOfFullCyclesValue")


def check_own_word(
    found: Findings,
    passports: Sequence[Examined],
    inquiry: Inquiry,
    cell: Cell | None,
    further: Sequence[Record] = (),
) -> None:
    """Against what it is shown as, the word of the passport shown, of those before it, and of further codes.

    `further` are its records under these, as far as they count.
    """
    if cell is None or inquiry.evidence.network.tables.shown_as is None:
        return
    claims = sets_of_one_passport(passports).get(OWN_WORD_POINT)
    shown = _Said(claims, why_missing(inquiry, OWN_WORD_POINT) if _kept_back(inquiry) else None)
    said = [shown, *_others(inquiry, further)]
    contradicts = _is_original_on_paper_alone(found, shown, cell, inquiry)
    if any([_speaks_against(found, one, cell, inquiry) for one in said]) or contradicts:
        return
    unread = next((one for one in said if one.claims is None and one.reason is not None), None)
    if unread is not None and unread.reason is not None and cell["condition"] not in (WASTE, NOT_GIVEN):
        name = "new_not_used" if cell["condition"] == "new" else "standing.state"
        found.add(name, Outcome.INDETERMINATE, unread.reason, rule="X7", word=UNDECIDED, **unread.place)


@dataclass(frozen=True, slots=True)
class _Said:
    """Set 4 of one passport; None: it was not had, with the reason code if that must not pay."""

    claims: Mapping[str, Any] | None
    reason: str | None = None
    place: Mapping[str, Any] = field(default_factory=dict)  # of another one: who published it, and where


def _speaks_against(found: Findings, said: _Said, cell: Cell, inquiry: Inquiry) -> bool:
    """Tell what one set 4 says against the goods, if it does."""
    table, claims = inquiry.evidence.network.tables.shown_as, said.claims
    if table is None or claims is None:
        return False
    status = _at(claims, "GeneralProductInformation", "batteryStatus")
    cycles = _at(claims, *_CYCLES)
    worn = isinstance(cycles, int | float) and table.beyond_new({"cycles": int(cycles)})
    told = {"passport_status": str(status)[:32], "passport_cycles": cycles if worn else None, **said.place}
    word = _status(claims)
    if word == WASTE and cell["condition"] != WASTE:
        found.failed("standing.state", "waste", rule="X19", **told)
    elif cell["condition"] == "new" and (worn or word not in (None, ORIGINAL)):
        found.failed("new_not_used", "used_sold_as_new", rule="X7", **told)
    else:
        return False
    return True


def _is_original_on_paper_alone(found: Findings, said: _Said, cell: Cell, inquiry: Inquiry) -> bool:
    """Tell of a second life whose own passport says that it is none.

    Of what became something else after its passport was published, waste or out of a pack, the passport says
    what it was: that is no contradiction.
    """
    view, status = inquiry.evidence.ledger, _status(said.claims or {})
    made = view.standing if view is not None else None
    if made is None or not made.predecessors or made.eu_status in (ORIGINAL, WASTE) or status != ORIGINAL:
        return False
    if cell["condition"] == WASTE:
        return False
    told = {"passport": status, "record": made.eu_status, **said.place}
    found.failed("standing.state", "status_mismatch", rule="X16", **told)
    return True


def _status(claims: Mapping[str, Any]) -> str | None:
    status = _at(claims, "GeneralProductInformation", "batteryStatus")
    return None if status is None else str(status).lower()


def _others(inquiry: Inquiry, further: Sequence[Record]) -> Iterator[_Said]:
    """Of each passport before the live one, and of each of a further code; none for who may not see set 4."""
    if not _entitled(inquiry):
        return
    live = live_passport(inquiry.evidence, inquiry.record)
    yield from _published(inquiry.record, live.attestation if live is not None else None, inquiry)
    for record in further:
        yield from _published(record, None, inquiry)


def _published(record: Record, live: Attestation | None, inquiry: Inquiry) -> Iterator[_Said]:
    statements = (recorded.attestation for recorded in record.shown())
    for digest, by in sets_published(statements, live, point=OWN_WORD_POINT):
        published = record.covering(digest)
        assert published is not None, "a statement of this record names it"
        place = {"published_by": by, **published.place()}
        held = inquiry.evidence.earlier.get(digest)
        if isinstance(held, Held) and digest_document(dict(held.document)) == digest:
            subject = credential_shown(held.document).get("credentialSubject")
            yield _Said(subject if isinstance(subject, Mapping) else {}, None, place)
        else:
            yield _Said(None, why_unread(held), place)


def _entitled(inquiry: Inquiry) -> bool:
    audiences = inquiry.evidence.network.tables.access.get("audiences", {})
    return str(OWN_WORD_POINT) in audiences.get(inquiry.policy.audience, ())


def _kept_back(inquiry: Inquiry) -> bool:
    """True if this party may see the set, asked for it, and has none that counts: that must not pay (I6)."""
    return _entitled(inquiry) and OWN_WORD_POINT in inquiry.evidence.documents


def _at(claims: Mapping[str, Any], *path: str) -> object:
    value: object = claims
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
