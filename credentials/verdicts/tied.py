"""What a repair or a vehicle ties to a battery, as a whole: under all its codes, and with what it came of.

A part that was recalled, stolen or declared waste under one of its codes is that under all of them (X1), and
it is what a dismantled pack or a first life makes of it (I2, X8). So is a pack that a battery came out of, or
another battery in its vehicle. Each is read as one with all these records before it is asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from credentials.ledger.governance import Governance
from credentials.ledger.rules import LOST
from credentials.ledger.standing import BANNED, PARTY, PASSPORT_SUSPENDED, REFUSED, WASTE, Setting, Standing
from credentials.verdicts.cell import ENDED, binding, recalls
from credentials.verdicts.contents import with_repairs
from credentials.verdicts.evidence import At, Evidence, LedgerEntry, LedgerView
from credentials.verdicts.fates import bad_fates
from credentials.verdicts.hands import own_parties
from credentials.verdicts.kin import recalls_unasked
from credentials.verdicts.names import FURTHER_CODES_MAX, Found, each, follow, has_ceased, rightful, texts_of
from credentials.verdicts.parts_check import RECALLED
from credentials.verdicts.policy import Policy
from credentials.verdicts.record import Inquiry, Record, ended_as

STOPPED = "suspended"  # the item state of what customs look at


def with_whole_of_tied(evidence: Evidence, policy: Policy, at: At) -> Evidence:
    """The evidence in which each of these is one with its further codes, and what it came of binds it.

    What cannot be read is told where whoever made or has the battery published or recorded it: by what
    others keep back nobody makes a battery wait (I5).
    """
    view = evidence.ledger
    if view is None or view.standing is None or not (any(view.tied_sets.values()) or view.tied_kin):
        return evidence
    own, whole, unread = own_parties(view.standing, view.relatives), dict[bytes, Standing](), False
    more, behind = dict[bytes, Standing](), {leaf.leaf_index: leaf for leaf in view.behind}
    repaired = view
    for key, one in {**view.beside, **view.parts, **view.named_in}.items():
        sets = view.tied_sets.get(key, ())
        codes, all_read = _codes_of(one, sets, evidence)
        unread = unread or not (all_read or has_ceased(one) or own.isdisjoint(by for _, by in sets))
        whole[key] = _as_one(one, codes, evidence) if codes else one
        for code in codes:
            repaired = with_repairs(repaired, key, code, evidence.network.governance)
        more |= {code.standing.key: code.standing for code in codes if code.standing is not None}
        behind |= {leaf.leaf_index: leaf for leaf in _behind(codes, evidence.network.governance)}
        if key in view.tied_kin:
            kin = replace(evidence, ledger=replace(view.tied_kin[key], standing=whole[key]))
            whole[key], untold = _with_kin(whole[key], Inquiry(kin, Record(), policy, at))
            unread, more = unread or not own.isdisjoint(untold), {**view.tied_kin[key].relatives, **more}
    joined = replace(
        repaired,
        named_in={key: whole[key] for key in view.named_in},
        parts={key: whole.get(key, one) for key, one in repaired.parts.items()},
        beside={key: whole[key] for key in view.beside},
        kin_unread=view.kin_unread or unread,
        tied_more=more,
        behind=tuple(behind.values()),
    )
    return replace(evidence, ledger=joined)


def _behind(codes: Sequence[LedgerView], governance: Governance | None) -> Iterator[LedgerEntry]:
    """What thieves may have said under further codes; nothing until a key was stolen."""
    if governance is not None and governance.robbed:
        for code in codes:
            yield from (*code.entries, *code.behind)


def _codes_of(
    one: Standing, sets: Collection[tuple[bytes, str]], evidence: Evidence
) -> tuple[list[LedgerView], bool]:
    """(the records of its further codes that count, whether all that may name some was read)."""
    governance, view = evidence.network.governance, evidence.ledger
    found = Found(evidence, set(), rightful(one, Record(), governance))
    found.add(texts_of(sets, found), one.subject.scheme)
    for text in each((), found.further, FURTHER_CODES_MAX):
        follow(text, found, governance)
    codes = [evidence.aliases[text] for text in found.further if text in found.counted]
    known = {one.key, *([view.standing.key] if view is not None and view.standing is not None else ())}
    others = [code for code in codes if code.standing is not None and code.standing.key not in known]
    return others, found.unread is None and len(found.further) <= FURTHER_CODES_MAX


def _as_one(one: Standing, codes: Sequence[LedgerView], evidence: Evidence) -> Standing:
    """What it is under all of its codes, before customs as well; whose it is its own record says."""
    standings = [code.standing for code in codes if code.standing is not None]
    verdicts = evidence.network.tables.verdicts
    states = [s.item_state for s in (one, *standings) if ended_as(s, verdicts)]
    states += [s.item_state for s in standings if s.item_state == STOPPED]
    waste = any(s.eu_status == WASTE for s in standings)
    whole = replace(
        one.with_marks(*(mark for s in standings for mark in s.marks)),
        item_state=next(iter(states), one.item_state),
        presentation=next((s.presentation for s in (one, *standings) if s.presentation is not None), None),
        eu_status=WASTE if waste else one.eu_status,
        readings=_highest(s.readings for s in (one, *standings)),
        facts=_highest(s.facts for s in (one, *standings)),
    )
    for s in standings:
        for name, settings in s.jurisdictions.items():
            for side, setting in settings.items():
                whole = whole if whole.setting(name, side) else whole.with_set(name, side, setting)
    for recall in (recall for code in codes for recall in code.recalls):
        setting = Setting(recall.by, recall.leaf_index, recall.role)
        whole = whole.with_set(RECALLED, recall.jurisdiction, setting)
    return whole


def _with_kin(one: Standing, inquiry: Inquiry) -> tuple[Standing, set[str]]:
    """(it, bound by what it came of; whose word on that is not in hand).

    A recall or loss of that is one of it, and what an authority stopped; as what it was taken out, and that
    an authority certified the end of any of it.
    """
    kept = {name: binding(name, one, inquiry) for name in (LOST, REFUSED, BANNED, PASSPORT_SUSPENDED)}
    for name, settings in {**kept, RECALLED: recalls(one, inquiry)}.items():
        for side, setting in settings.items():
            one = one.with_set(name, side, setting)
    table, untold = inquiry.evidence.network.tables.shown_as, set[str]()
    marks = table.use_of if table is not None else {}
    one = one.with_marks(*(m for old in inquiry.relatives() for m in old.marks if marks.get(m) == ENDED))
    for reason, taken in bad_fates(inquiry):
        if taken is None or reason is None:
            untold |= {taken.attestation.issuer} if taken is not None else set()
        elif reason == LOST:
            one = one.with_set(LOST, PARTY, Setting(taken.attestation.issuer, taken.leaf_index))
        else:
            one = replace(one, eu_status=WASTE)
    if recalls_unasked(inquiry):
        untold |= {party for party in (one.producer, one.holder) if party is not None}
    return one, untold


def _highest(each_of: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found = dict[str, int]()
    for told in each_of:
        found |= {name: max(n, found.get(name, n)) for name, n in told.items()}
    return found
