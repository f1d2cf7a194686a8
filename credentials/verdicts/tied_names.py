"""What is on record, under its further codes, of what a repair or a vehicle ties to a battery (X1, I2).

A part that was recalled, stolen or declared waste under one of its codes is that under all of them, and so is
a pack that it came out of, or another battery in its vehicle: each is read as one with all its records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from credentials.ledger.standing import WASTE, Setting, Standing
from credentials.verdicts.evidence import Evidence, LedgerView
from credentials.verdicts.names import FURTHER_CODES_MAX, Found, each, follow, has_ceased, rightful, texts_of
from credentials.verdicts.parts_check import RECALLED
from credentials.verdicts.record import Record, ended_as
from credentials.verdicts.repaired import own_parties

Tied = Mapping[bytes, Standing]


def with_names_of_tied(evidence: Evidence) -> Evidence:
    """The evidence in which each of these is one with its further codes.

    What cannot be read is told where whoever made or has the battery published it: of others' passports
    nobody makes a battery wait (I5).
    """
    view = evidence.ledger
    if view is None or view.standing is None or not any(view.tied_sets.values()):
        return evidence
    own, whole, unread = own_parties(view.standing, view.relatives), dict[bytes, Standing](), False
    for key, one in {**view.beside, **view.parts, **view.named_in}.items():
        sets = view.tied_sets.get(key, ())
        codes, all_read = _codes_of(one, sets, evidence)
        whole[key] = _as_one(one, codes, evidence) if codes else one
        unread = unread or not (all_read or has_ceased(one) or own.isdisjoint(by for _, by in sets))
    joined = replace(
        view,
        named_in={key: whole[key] for key in view.named_in},
        parts={key: whole[key] for key in view.parts},
        beside={key: whole[key] for key in view.beside},
        kin_unread=view.kin_unread or unread,
    )
    return replace(evidence, ledger=joined)


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
    """What it is under all of its codes; where it is, and whose, its own record says."""
    standings = [code.standing for code in codes if code.standing is not None]
    verdicts = evidence.network.tables.verdicts
    ended = next((s.item_state for s in (one, *standings) if ended_as(s, verdicts)), one.item_state)
    waste = any(s.eu_status == WASTE for s in standings)
    whole = replace(
        one.with_marks(*(mark for s in standings for mark in s.marks)),
        item_state=ended,
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


def _highest(each_of: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found = dict[str, int]()
    for told in each_of:
        found |= {name: max(n, found.get(name, n)) for name, n in told.items()}
    return found
