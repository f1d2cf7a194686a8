"""What repairs tie to a battery: parts that they put into it, and batteries that it was a part of (I2, I6).

A dismantling ties a module to its pack on the ledger. A repair writes nothing on its parts, and on the
battery what they carry when it is recorded. So a verdict asks what became of them: a recall of a part is one
of what it is in, and of a battery one of the parts that came out of it. What was reported lost before a
repair names it was lost in it. Use of a part that is told later counts where the part is in the hands of
whoever made or has the battery: by anybody's word a stranger could make a used one of what he once supplied
(I5).

Whether a part was put in or taken out stands in the document of the repair; the last repair that names it
counts. Where that is not in hand nothing is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from credentials.documents.canonical import b64u
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.entries import AdmittedEntry
from credentials.ledger.governance import Governance
from credentials.ledger.rules import LOST
from credentials.ledger.standing import PARTY, PRIVATE, WASTE, Standing
from credentials.verdicts.event_documents import event_document
from credentials.verdicts.evidence import RELATIVES_MAX, LedgerEntry, LedgerView
from credentials.verdicts.named import AS_NEW, parts_of, was_used
from credentials.verdicts.record import Inquiry, Record, Recorded
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Findings, Outcome

RECALLED = "recalled"  # the setting


def parts_named(entries: Iterable[LedgerEntry], governance: Governance) -> list[bytes]:
    """The keys of all that the repairs among these entries name, each once."""
    said = (leaf.parsed.attestation for leaf in entries if isinstance(leaf.parsed, AdmittedEntry))
    repairs = (one for one in said if one.kind in governance.lifecycle.naming_parts)
    return list(dict.fromkeys(key for one in repairs for key in _keys(one)))


def repairs_behind(
    entries: Iterable[LedgerEntry],
    made_from: Iterable[bytes],
    governance: Governance,
    said_of: Callable[[bytes], Sequence[LedgerEntry]],
) -> tuple[list[bytes], dict[bytes, Sequence[LedgerEntry]]]:
    """(the keys of its parts, of theirs, and of those of what it was made from; the repairs of all these).

    `said_of`: what repairs a battery, and what takes that back.
    """
    parts = dict.fromkeys(parts_named(entries, governance))
    asked, found = [*parts, *made_from], dict[bytes, Sequence[LedgerEntry]]()
    for key in asked:
        if key not in found and len(found) < RELATIVES_MAX:
            found[key] = said_of(key)
            named = parts_named(found[key], governance)
            parts |= dict.fromkeys(named)
            asked += named
    return list(parts), {key: said for key, said in found.items() if said}


def tell_repairs(found: Findings, name: str, inquiry: Inquiry, condition: str, **told: Any) -> bool:
    """Say under this check what its parts, or what it was a part of, are; True if that is against it."""
    if inquiry.events.get("partsOut") is None:  # rules from before do not ask
        return False
    said = False
    for part, repair in _parts(inquiry):
        reason = _against(part, repair.leaf_index, inquiry, condition) or _used(part, inquiry, condition)
        inside, why = _inside(part, repair, inquiry) if reason is not None else (False, "ok")
        if reason is None or inside is False:
            continue
        place = {**repair.place(), **told}
        if inside is None:
            found.add(name, Outcome.INDETERMINATE, why, word=UNDECIDED, about=b64u(part.key), **place)
        else:
            _tell(found, name, reason, about=b64u(part.key), **place)
        said = True
    for pack, leaf_index in parts_of(inquiry):
        reason = _against(pack, leaf_index, inquiry, condition)
        if reason is not None:
            _tell(found, name, reason, about=b64u(pack.key), leaf_index=leaf_index, **told)
            said = True
    return said


def _tell(found: Findings, name: str, reason: str, **about: Any) -> None:
    if reason == "part_used":
        found.add(name, Outcome.INDETERMINATE, reason, rule="X7", word=UNDECIDED, **about)
    else:
        found.failed(name, reason, **about)


def _parts(inquiry: Inquiry) -> Iterator[tuple[Standing, Recorded]]:
    """What its repairs name, each with the last that does; what authorities took back names nothing.

    With the parts of what is inside, and of what it was made from.
    """
    view, governance = inquiry.evidence.ledger, inquiry.evidence.network.governance
    if view is None or view.standing is None or governance is None:
        return
    old = made_from(view.standing, view.relatives)
    records = {key: Record.read(LedgerView(None, view.repairs[key]), governance) for key in view.repairs}
    asked, seen = [inquiry.record, *(records[key] for key in old if key in records)], set[bytes]()
    for record in asked:
        for key, repair in _named(record, governance.lifecycle.naming_parts).items():
            part = view.parts.get(key)
            if part is None:
                continue
            yield part, repair
            if key in records and key not in seen and _inside(part, repair, inquiry)[0] is not False:
                seen.add(key)
                asked.append(records[key])


def made_from(standing: Standing | None, relatives: Mapping[bytes, Standing]) -> list[bytes]:
    """The keys of what it was made from, and that in turn; what it was taken out of was more than it."""
    asked = list(standing.predecessors) if standing is not None else []
    for key in asked:
        old = relatives.get(key)
        asked += [one for one in (old.predecessors if old is not None else ()) if one not in asked]
    return asked


def _named(record: Record, kinds: Collection[str]) -> dict[bytes, Recorded]:
    found = dict[bytes, Recorded]()
    for said in record.shown():
        if said.attestation.kind in kinds and said.attestation.digest not in record.withdrawn:
            found.update(dict.fromkeys(_keys(said.attestation), said))
    return found


def _against(one: Standing, leaf_index: int, inquiry: Inquiry, condition: str) -> str | None:
    """The reason by which what is set on one binds the other, by the repair at this leaf."""
    recalled, here = one.settings(RECALLED), inquiry.policy.jurisdiction
    if condition != WASTE and (here in recalled or PARTY in recalled):
        return "part_recalled"
    before = any(report.leaf_index < leaf_index for report in one.settings(LOST).values())
    return "part_lost" if before else None


def _used(part: Standing, inquiry: Inquiry, condition: str) -> str | None:
    """The reason, where a part shows use and is in the hands of whoever made or has the battery."""
    view = inquiry.evidence.ledger
    own = view.standing if view is not None else None
    if condition not in AS_NEW or own is None or part.holder in (None, PRIVATE):
        return None
    same = part.holder in (own.holder, own.producer)
    return "part_used" if same and was_used(part, inquiry) else None


def _inside(part: Standing, repair: Recorded, inquiry: Inquiry) -> tuple[bool | None, str]:
    """(whether this repair put the part in; None: not known; why)."""
    document, governance = event_document(inquiry, repair), inquiry.evidence.network.governance
    event = governance.lifecycle.event(repair.attestation.kind) if governance is not None else None
    out: Mapping[str, str] = inquiry.events["partsOut"]
    if document.members is None or event is None:
        return None, document.reason
    stated = [member.name for member in event.ledger_members if document.members.get(member.name) is not None]
    keys = _keys(repair.attestation)
    if len(stated) != len(keys):
        return None, "not_held"  # a code that nobody recorded is text: which of them that was it does not say
    named = {name for name, key in zip(stated, keys, strict=True) if key == part.key}
    return named != {out.get(repair.attestation.kind)}, "ok"


def _keys(repair: Attestation) -> list[bytes]:
    return [standing_key(subject) for subject in repair.referenced_subjects]
