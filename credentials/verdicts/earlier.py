"""The codes by which earlier passports named the battery: leaving one out of a later one does not pay (I6).

The record names every passport that was published, and the public set of each is fetched by its digest as
that of the latest is. What an earlier one says of the battery's code binds like the latest's word (X1, I1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import read_identifier
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation
from credentials.verdicts.content import ALIAS_CHARS_MAX, JudgeAlias, why_unread
from credentials.verdicts.evidence import Held, LedgerView, alias_texts
from credentials.verdicts.record import Inquiry, live_passport
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Findings, Outcome

if TYPE_CHECKING:
    from credentials.verdicts.verifier import Examined

PUBLIC_POINT = 1  # the set that names the code (Annex XIII point 1)
EARLIER_CODES_MAX = 4  # further codes of earlier passports whose records are read for one verdict


def earlier_sets(statements: Iterable[Attestation], live: Attestation | None) -> list[tuple[bytes, str]]:
    """(digest, issuer) of the public sets that these statements published beside the live one."""
    found: dict[bytes, str] = {}
    for statement in statements:
        digest = statement.set_list.points.get(PUBLIC_POINT) if statement.set_list is not None else None
        if digest is not None:
            found[digest] = statement.issuer
    if live is not None and live.set_list is not None:
        found.pop(live.set_list.points.get(PUBLIC_POINT, b""), None)
    return list(found.items())


def check_earlier_codes(
    found: Findings, passports: Sequence[Examined], inquiry: Inquiry, judge_alias: JudgeAlias
) -> None:
    """X1: what is on record of a code that only earlier passports name it by; what is unread is undecided."""
    evidence = inquiry.evidence
    live = live_passport(evidence, inquiry.record)
    published = (recorded.attestation for recorded in inquiry.record.shown())
    unread, named = None, dict[str, None]()
    for digest, _ in earlier_sets(published, live.attestation if live is not None else None):
        held = evidence.earlier.get(digest)
        if isinstance(held, Held) and digest_document(dict(held.document)) == digest:
            named.update(dict.fromkeys(alias_texts(held.document)))
        else:
            unread = why_unread(held)
    latest = {text for e in passports if e.established for text in alias_texts(e.document)}
    further = [text for text in named if text not in latest and _of_another_scheme(text, inquiry)]
    for text in further[:EARLIER_CODES_MAX]:
        view = evidence.aliases.get(text)
        if view is not None and _says_anything(view):
            judge_alias(text[:ALIAS_CHARS_MAX], view)
    if len(further) > EARLIER_CODES_MAX:
        unread = "not_held"
    if unread is not None:
        found.add("alias", Outcome.INDETERMINATE, unread, rule="X1", word=UNDECIDED)


def _of_another_scheme(text: str, inquiry: Inquiry) -> bool:
    """False for what is no code, and for one of its own scheme, which is another battery's, or its own."""
    view, rules = inquiry.evidence.ledger, inquiry.evidence.network.tables.identifiers
    try:
        scheme = read_identifier(text, rules, namespace="-").scheme
    except (CredentialError, KeyError):
        return False
    return view is not None and view.standing is not None and scheme != view.standing.subject.scheme


def _says_anything(view: LedgerView) -> bool:
    return bool(view.recalls) or (view.standing is not None and view.standing.born)
