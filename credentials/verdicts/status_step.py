"""The status of a document: its lists, and for a participant the ledger; the stricter counts.

Whatever is wrong with a list is the list's, or its server's: it never speaks against the document.
"""

from __future__ import annotations

from typing import Any

from credentials.documents.model import StatusEntry
from credentials.documents.secured import open_secured, what_is_said
from credentials.documents.status import read_list
from credentials.errors import UNDECIDED, CredentialError
from credentials.verdicts.means import Examination, ListInHand, Means, OpenedList
from credentials.verdicts.verdict import Findings

LISTS_KEPT_MAX, LIST_KEPT_BYTES_MAX = 64, 256 << 10
# What a raised bit of a purpose means (Bitstring Status List 1.0, 2.1); other purposes are not evaluated.
ENDING = {"revocation": "revoked", "suspension": "suspended"}
TELLING = {"message": "status_message", "refresh": "status_refresh"}
NOT_RAISED = "not_raised"
MESSAGE_CHARS_MAX = 200


def check_status(found: Findings, examined: Examination, means: Means, at: int) -> None:
    """The lists, and for a participant the ledger, whose projection they are: the stricter counts."""
    credential = examined.credential
    ledger = means.ledger.status(examined.digest, credential) if means.ledger is not None else None
    for kind in credential.status_unknown:
        found.unknown("status", "status_unsupported", type=kind[:200])
    decided = not credential.status_unknown
    raised: dict[str, dict[str, Any]] = {}
    for entry in credential.status:
        told: dict[str, Any] = {"purpose": entry.purpose, "list": entry.list_credential, "index": entry.index}
        value = _value_of(found, credential.issuer, entry, means, at, told)
        if value is None:
            decided = False
        elif value and entry.purpose in ENDING:
            raised[ENDING[entry.purpose]] = told
        elif value:
            message = entry.messages.get(value)
            found.warned(
                "status",
                TELLING[entry.purpose],
                value=value,
                message=message and message[:MESSAGE_CHARS_MAX],
                **told,
            )
    listed = next((word for word in ("revoked", "suspended") if word in raised), None)
    sides = {"ledger": ledger or NOT_RAISED, "status_list": listed or NOT_RAISED}
    sides = sides if means.ledger is not None else {}
    if listed or ledger:
        stricter = "revoked" if "revoked" in (listed, ledger) else "suspended"
        found.failed("status", stricter, **raised.get(stricter, {}), **sides)
    elif decided and credential.status:
        unread = means.ledger.unread(examined.digest, credential) if means.ledger is not None else None
        if unread is not None:
            found.unknown("status", "status_unavailable", **unread)
        else:
            found.passed("status", lists=len(credential.status))
    elif decided and means.ledger is not None:
        found.warned("status", "status_missing")
    elif decided:
        found.inapplicable("status")
    ended = means.ledger.ended(examined.digest) if means.ledger is not None else None
    if ended is not None:
        found.warned("status", ended)  # the passport is as it was signed; the battery is not
    recorded = means.ledger is not None and means.ledger.records(examined.digest)
    if listed != ledger and credential.status and decided and recorded:
        found.warned("status", "status_differs", **sides)


def _value_of(  # noqa: PLR0917  (one entry, and what judges it)
    found: Findings, issuer: str, entry: StatusEntry, means: Means, at: int, told: dict[str, Any]
) -> int | None:
    """The value of one entry, or None after saying why it could not be read. `told` gains the list's age."""
    if entry.purpose not in ENDING and entry.purpose not in TELLING:
        found.unknown("status", "status_unsupported", **told)
        return None
    had = means.list_of(issuer, entry)
    told["age_s"] = had.age_s
    if had.document is None:
        found.unknown("status", had.code, detail=had.why, **told)
        return None
    try:
        return _read_list(found, had, issuer, entry, means, at)
    except CredentialError as error:
        found.unknown("status", _reason_of_list(error.code), detail=str(error), **told)
        return None


def _read_list(  # noqa: PLR0917  (one list, one entry, and what judges them)
    found: Findings, had: ListInHand, issuer: str, entry: StatusEntry, means: Means, at: int
) -> int:
    opened = _open_list(had, means)
    valid_until = opened.list.valid_until
    found.turns_at(opened.not_before, opened.expires, opened.list.valid_from)
    found.turns_at(valid_until + 1 if valid_until is not None else None)
    by = opened.list.issuer
    if by != issuer and by not in means.list_issuers:
        raise CredentialError(
            "status_list_foreign",
            f"The list is by {by[:200]}, the credential by {issuer[:200]}; whether one may speak for the "
            "other is for this node's operator to say ([status] issuers in node.toml).",
        )
    if (opened.expires is not None and opened.expires <= at) or (opened.not_before or 0) > at:
        raise CredentialError("status_stale", "The signature of the list is out of its time.")
    return opened.list.value(entry, at)


def _open_list(had: ListInHand, means: Means) -> OpenedList:
    """A list whose own proof holds; opened once, as long as it is the same bytes."""
    assert had.document is not None, "what could not be had is told before"
    known = means.opened.get(had.digest) if had.digest is not None else None
    if known is not None:
        return known
    secured = open_secured(dict(had.document), means.key_of, means.contexts)
    read = read_list(what_is_said(secured.document))  # null says nothing here either
    if read.issuer not in secured.controllers:
        raise CredentialError(
            "status_list_invalid", f"The list is by {read.issuer[:200]}, and signed by another."
        )
    for method in secured.methods if means.ledger is not None else ():
        assert means.ledger is not None, "asked only where there is a ledger"
        means.ledger.require_key(method, None)
    opened = OpenedList(read, secured.not_before, secured.expires)
    if had.digest is not None and len(read.string) <= LIST_KEPT_BYTES_MAX:
        if len(means.opened) >= LISTS_KEPT_MAX:
            means.opened.clear()
        means.opened[had.digest] = opened
    return opened


def _reason_of_list(code: str) -> str:
    """Whatever is wrong with a list is the list's: it never speaks against the credential."""
    if code.startswith("status_"):
        return code
    if code in ("unsupported_algorithm", "context_unknown"):
        return "status_unsupported"
    return "status_unavailable" if code in UNDECIDED else "status_list_invalid"
