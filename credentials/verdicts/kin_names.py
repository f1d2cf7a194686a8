"""What is on record, under its further codes, of what a battery was made from or taken out of (X1, X8, I2).

Lost, recalled, stopped or certified to have ended under one code, a battery is that under all, and so is what
was made of it (D722). It has one life: what it became under one code, and where it is, it is under the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from credentials.ledger.attestation import standing_key
from credentials.ledger.governance import Governance
from credentials.ledger.standing import WASTE, Standing
from credentials.verdicts.contents import with_repairs
from credentials.verdicts.evidence import RELATIVES_MAX, Evidence, LedgerView
from credentials.verdicts.manifest import canonical_name
from credentials.verdicts.names import Found, each, follow, follow_namers, has_ceased, rightful, texts_of
from credentials.verdicts.record import Record

KIN_CODES_MAX = 256  # further codes of what it came of: one of each of as many as a verdict reads
KIN_READ_MAX = 2 * RELATIVES_MAX  # of what it came of under these codes, too: as many again


class _Step(NamedTuple):
    """A battery came of another one."""

    old: bytes  # standing keys
    new: bytes
    leaf_index: int
    taken_out: bool  # of it; else the whole old one became the new one


def with_names_of_kin(evidence: Evidence) -> Evidence:
    """The evidence with what those records say; what cannot be read is told as relatives that were not.

    Of what a further code came of in turn as well, whatever that is called (D867).
    """
    view, governance = evidence.ledger, evidence.network.governance
    if view is None or view.standing is None or not view.kin_sets:
        return evidence
    found, names = Found(evidence, set(), set()), dict[bytes, Sequence[str]]()
    family, sets, gone = dict(view.relatives), dict(view.kin_sets), False
    waiting = list(family)
    for key in waiting:
        if len(names) == KIN_READ_MAX:
            break
        relative, begin, unread = family[key], len(found.further), found.unread
        found.parties |= rightful(relative, Record(), governance)
        found.add(texts_of(sets.get(key, ()), found), relative.subject.scheme)
        if has_ceased(relative):  # read where it is in hand; nobody has to hand it out
            found.unread, gone = unread, gone or found.unread != unread
        for text in each((), found.further, KIN_CODES_MAX, begin):
            follow(text, found, governance)
        scheme, named = relative.subject.scheme, _names_in_hand(key, evidence)
        follow_namers(found, named, scheme, governance, KIN_CODES_MAX)
        names[key] = found.further[begin:]
        for code in (evidence.aliases[text] for text in names[key] if text in found.counted):
            more = {k: one for k, one in code.relatives.items() if k not in family}
            more.pop(view.standing.key, None)
            family, sets = {**family, **more}, {**code.kin_sets, **sets}
            waiting += more
    all_read = found.unread is None and len(found.further) <= KIN_CODES_MAX and len(names) == len(waiting)
    codes = {text: evidence.aliases.get(text) for text in found.further[:KIN_CODES_MAX]}
    robbed = governance is not None and bool(governance.robbed)
    beside = _with_codes(view, codes, found.counted, robbed=robbed)
    others = {key: [s for t in texts if (s := _counted(t, codes, found))] for key, texts in names.items()}
    beside = replace(
        beside,
        kin_codes={key: tuple(code.key for code in called) for key, called in others.items()},
        kin_unread=view.kin_unread or not all_read or None in codes.values(),
        kin_gone=gone,
        kin_otherwise=_otherwise(beside, others, evidence, governance),
    )
    for key, text in ((key, text) for key, texts in names.items() for text in texts):
        if text in found.counted:
            beside = with_repairs(beside, key, evidence.aliases[text], governance)
    return replace(evidence, ledger=beside)


def _names_in_hand(key: bytes, evidence: Evidence) -> set[str]:
    """The canonical names of what has this key on the ledger, as far as a document in hand has its code."""
    rules = evidence.network.tables.identifiers
    read = {text for text, view in evidence.aliases.items() if _key_of(view) == key}
    read |= {text for text, about in evidence.subjects.items() if standing_key(about) == key}
    return {canonical_name(text, rules) for text in read}


def _key_of(view: LedgerView) -> bytes | None:
    return view.standing.key if view.standing is not None else None


def _counted(text: str, codes: Mapping[str, LedgerView | None], found: Found) -> Standing | None:
    code = codes.get(text) if text in found.counted else None
    return code.standing if code is not None else None


def _with_codes(
    view: LedgerView, codes: Mapping[str, LedgerView | None], counted: set[str], *, robbed: bool
) -> LedgerView:
    """The view with these records beside those of its relatives; once a key was stolen, with all they say."""
    assert view.standing is not None, "asked of a battery that is on record"
    relatives, kin_recalls, recalls = dict(view.relatives), dict(view.kin_recalls), list(view.recalls)
    behind = {leaf.leaf_index: leaf for leaf in view.behind}
    taken_out = {leaf.leaf_index: leaf for leaf in view.taken_out}
    for text, code in codes.items():
        if code is None or (code.standing is not None and code.standing.key == view.standing.key):
            continue
        recalls += code.recalls
        if text in counted and code.standing is not None:
            relatives |= {code.standing.key: code.standing, **code.relatives}
            kin_recalls |= code.kin_recalls
            said = (*code.entries, *code.behind) if robbed else ()
            behind |= {leaf.leaf_index: leaf for leaf in said}
            taken_out |= {leaf.leaf_index: leaf for leaf in code.taken_out}
    return replace(
        view,
        relatives=relatives,
        kin_recalls=kin_recalls,
        recalls=tuple(dict.fromkeys(recalls)),
        behind=tuple(behind.values()),
        taken_out=tuple(taken_out.values()),
    )


def _steps(view: LedgerView) -> Iterator[_Step]:
    """How it came of others, and these of others again."""
    assert view.standing is not None, "asked of a battery that is on record"
    for new in (view.standing, *view.relatives.values()):
        if new.parent is not None:
            yield _Step(new.parent.key, new.key, new.parent.leaf_index, taken_out=True)
        for key in new.predecessors:
            old = view.relatives.get(key)
            if old is not None and old.lineage is not None:
                yield _Step(key, new.key, old.lineage.leaf_index, taken_out=False)


def _otherwise(
    view: LedgerView,
    others: Mapping[bytes, Sequence[Standing]],
    evidence: Evidence,
    governance: Governance | None,
) -> str | None:
    """What a further code of an old battery says of it, so that this did not come of it; a reason code."""
    ended: Mapping[str, str] = evidence.network.tables.verdicts.get("events", {}).get("ended", {})
    for step in _steps(view):
        for code in others.get(step.old, ()):
            successors = code.lineage.successors if code.lineage is not None else ()
            if step.new in (*successors, *code.children):
                continue
            word = _elsewhere(code, step) or _ended(code, step, ended, governance)
            if word is not None:
                return word
    return None


def _ended(
    code: Standing, step: _Step, ended: Mapping[str, str], governance: Governance | None
) -> str | None:
    """It had ended otherwise. What is left of a pack that was taken apart ends by itself, later (D818).

    Of waste a second life is made; of what became another one nothing is left to become waste.
    """
    state, since = ended.get(code.item_state), _since(code, ended, governance)
    if step.taken_out:
        otherwise = bool(code.children) or since < step.leaf_index
    else:
        otherwise = (state is not None and code.item_state != WASTE) or since > step.leaf_index
    return (state or ended.get(code.eu_status)) if otherwise else None


def _elsewhere(code: Standing, step: _Step) -> str | None:
    """It is before customs, or in a vehicle: of a pack that was taken apart, since before it was.

    What customs stopped is not made into something else under another name (I2).
    """
    open_, bound = code.presentation, code.bound
    if open_ is not None and not (step.taken_out and open_.leaf_index > step.leaf_index):
        return "not_released"
    if bound is not None and not (step.taken_out and bound.leaf_index > step.leaf_index):
        return "installed_on_record"
    return None


def _since(code: Standing, ended: Mapping[str, str], governance: Governance | None) -> int:
    """The leaf from which on a record says that the battery has ended; 0: it is not known."""
    events = governance.lifecycle.events.values() if governance is not None else ()
    ending = {e.effects.fact for e in events if e.effects.eu_status == WASTE or e.to in ended}
    ending -= {e.effects.fact for e in events if e.effects.eu_status != WASTE and e.to not in ended}
    return min((leaf for fact, leaf in code.facts.items() if fact in ending), default=0)
