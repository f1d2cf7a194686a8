"""What the own ledger says about one battery, as a verdict reads it; inside a read transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from credentials.documents.identifiers import Identifier, Subject
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, standing_key
from credentials.ledger.entries import AdmittedEntry, Entry, parse_entry
from credentials.ledger.governance import Governance
from credentials.ledger.namings import Namings, namings_key
from credentials.ledger.recalls import Recalls, recall_subject, recalls_of
from credentials.ledger.records import Asset, Claims, asset_key, claims_key
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import LedgerEntry, LedgerView, kin_of, relatives_of
from credentials.verdicts.hands import ALWAYS, by_own_names, made_from, of_same_hands, own_parties
from credentials.verdicts.kin import made_at, placings_of
from credentials.verdicts.named import naming_parties, taken_back_by_authorities
from credentials.verdicts.names import kin_sets_of
from credentials.verdicts.record import Record, hours_of, made_into_at, put_in_at, taken_out_at
from credentials.verdicts.repaired import UNDOING, lost_at, repairs_behind
from credentials.verdicts.tests_read import tests_behind
from credentials.verdicts.unrecorded import as_unrecorded
from credentials.verdicts.used import TESTS_READ_MAX
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore

DOCUMENTS_READ_MAX = TESTS_READ_MAX  # of one author and kind about one battery


def read_view(
    ledger: LedgerStore,
    about: Subject,
    identifier: Identifier,
    newest: int | None = None,
    before: int | None = None,
    *,
    governance: Governance,
) -> LedgerView:
    """Its whole record, or the `newest` entries of it, `before` a leaf."""
    key = standing_key(about)
    claims, recalls = claims_key(key), standing_key(recall_subject(about.scheme, about.namespace))
    records = ledger.standings.records((key, claims, recalls, namings_key(key)))
    namings = Namings.decode(records[namings_key(key)]) if namings_key(key) in records else None
    rows = ledger.leaves.of(key, newest, before)
    standing = by_own_names(Standing.decode(records[key]), governance) if key in records else None
    of_codes = Recalls.decode(records[recalls]) if recalls in records else None
    relatives = relatives_of(standing, lambda keys: _standings(ledger, keys, governance))
    vehicle, entries = _vehicle(ledger, standing), entries_of(ledger, rows)
    beside, kin = _beside(ledger, vehicle, key, governance)
    same = of_same_hands(standing, beside, kin)
    asked = [*made_from(standing, relatives), *same.batteries]
    parties, read = own_parties(standing, relatives) | same.parties, partial(_repairs, ledger, governance)
    behind = repairs_behind(entries, asked, parties, governance, read)
    parts = as_unrecorded(behind, entries, governance) | _standings(ledger, behind.parts, governance)
    named_in = _standings(ledger, sorted({n.about for n in namings.first}), governance) if namings else {}
    put_in, tied = _at(ledger, put_in_at(standing)), {**named_in, **parts}
    replaced, around = _replaced(ledger, put_in, governance), {**beside, **tied}
    return LedgerView(
        standing,
        entries,
        _lost(ledger, rows),
        vehicle=vehicle.of(key) if vehicle is not None else None,
        beside=beside,
        tests=tests_behind({**named_in, **parts, **beside, **replaced}, governance, partial(_tests, ledger)),
        claims=Claims.decode(records[claims]) if claims in records else None,
        recalls=of_codes.covering(identifier, key, standing) if of_codes is not None else (),
        relatives=relatives,
        kin_sets=_kin_sets(ledger, relatives, governance),
        tied_sets=_kin_sets(ledger, around, governance),
        tied_kin=(kin := kin | _kin_views(ledger, tied, governance)),
        kin_recalls=recalls_of(relatives, ledger.standings.records),
        taken_out=_at(ledger, taken_out_at(standing, relatives)),
        made_into=_at(ledger, made_into_at(standing, relatives)),
        put_in=put_in,
        replaced=next(iter(replaced.values()), None),
        kin_placed=_times(ledger, placings_of(relatives)),
        behind=_behind(ledger, about, {**around, **relatives}, kin, governance) if governance.robbed else (),
        namings=namings,
        named_in=named_in,
        unnamed=_unnamed(ledger, namings, governance) if namings else frozenset(),
        named_by=_at(ledger, sorted({naming.leaf_index for naming in namings.first}) if namings else []),
        kin_named=_named(ledger, relatives, governance),
        beside_named={key: _named(ledger, one, governance).values() for key, one in same.lives.items()},
        lost_at=hours_of(_at(ledger, lost_at(named_in.values()))),
        parts=parts,
        part_recalls=recalls_of(around, ledger.standings.records),
        repairs=behind.repairs,
        repairs_unread=behind.cut,
    )


def _lost(ledger: LedgerStore, rows: Iterable[EntryRow]) -> Mapping[bytes, bytes]:
    """What was refused, by digest: bytes of which the leaf has the digest alone."""
    return ledger.ordered_attestations(
        [(r.height, r.digest) for r in rows if r.type == "refused" and r.digest]
    )


def _beside(
    ledger: LedgerStore, vehicle: Asset | None, key: bytes, governance: Governance
) -> tuple[dict[bytes, Standing], dict[bytes, LedgerView]]:
    """(the other batteries in a vehicle, what they came of)."""
    others = [one.pack for one in vehicle.installed if one.pack != key] if vehicle is not None else []
    beside = _standings(ledger, others, governance)
    return beside, _kin_views(ledger, beside, governance)


def _named(
    ledger: LedgerStore, standings: Mapping[bytes, Standing], governance: Governance
) -> dict[bytes, LedgerView]:
    """What names these without being state of them, by their keys."""
    records = ledger.standings.records([namings_key(key) for key in standings]) if standings else {}
    found = {}
    for namings in map(Namings.decode, records.values()):
        about = _standings(ledger, sorted({naming.about for naming in namings.first}), governance)
        found[namings.battery] = LedgerView(
            standings[namings.battery],
            namings=namings,
            named_in=about,
            unnamed=_unnamed(ledger, namings, governance),
            named_by=_at(ledger, sorted({naming.leaf_index for naming in namings.first})),
            lost_at=hours_of(_at(ledger, lost_at(about.values()))),
            part_recalls=recalls_of(about, ledger.standings.records),
        )
    return found


def _kin_views(
    ledger: LedgerStore, standings: Mapping[bytes, Standing], governance: Governance
) -> dict[bytes, LedgerView]:
    """Of those of these that came of others, what they came of, by their keys."""
    return {key: _kin_view(ledger, one, governance) for key, one in standings.items() if kin_of(one)}


def _kin_view(ledger: LedgerStore, standing: Standing, governance: Governance) -> LedgerView:
    """What a battery came of, with the acts by which it did."""
    relatives = relatives_of(standing, lambda keys: _standings(ledger, keys, governance))
    return LedgerView(
        standing,
        relatives=relatives,
        kin_recalls=recalls_of(relatives, ledger.standings.records),
        taken_out=_at(ledger, taken_out_at(standing, relatives)),
        made_into=_at(ledger, made_into_at(standing, relatives)),
    )


def _at(ledger: LedgerStore, leaves: Iterable[int]) -> list[LedgerEntry]:
    return entries_of(ledger, [row for leaf in leaves if (row := ledger.leaves.at(leaf)) is not None])


def _replaced(
    ledger: LedgerStore, put_in: Sequence[LedgerEntry], governance: Governance
) -> dict[bytes, Standing]:
    """The battery that the act is about by which another was put into its place, by its key."""
    said = (leaf.parsed.attestation for leaf in put_in if isinstance(leaf.parsed, AdmittedEntry))
    keys = [standing_key(one.subject) for one in said]
    return _standings(ledger, keys, governance)


def _unnamed(ledger: LedgerStore, namings: Namings, governance: Governance) -> frozenset[bytes]:
    """Of the statements that name a battery, and of others like these, those that authorities took back."""
    undoing = [kind for kind, event in governance.lifecycle.events.items() if event.effects.undo]
    found = frozenset[bytes]()
    for about in sorted({naming.about for naming in namings.first}):
        rows = ledger.leaves.said_by(about, naming_parties(namings, about), undoing)
        record = Record.read(LedgerView(None, entries_of(ledger, rows)), governance)
        found |= taken_back_by_authorities(record)
    return found


def _repairs(  # noqa: PLR0917  (the first three are filled in once for a view)
    ledger: LedgerStore, governance: Governance, parties: Collection[str], key: bytes, before: int, most: int
) -> list[LedgerEntry]:
    """What repairs a battery, before a leaf or by these, and what takes that back."""
    events = governance.lifecycle.events.items()
    repairs = [kind for kind, event in events if event.effects.names_parts]
    ends = [kind for kind, event in events if event.effects.undo in UNDOING]
    rows = ledger.leaves.told_before(key, repairs, ends, sorted(parties), before, most)
    return entries_of(ledger, rows)


def _tests(
    ledger: LedgerStore, key: bytes, tests: Sequence[str], voiding: Sequence[str], most: int
) -> list[LedgerEntry]:
    """What tests a battery, and what authorities voided of it."""
    return entries_of(ledger, ledger.leaves.told_before(key, tests, voiding, (), ALWAYS, most))


def _kin_sets(
    ledger: LedgerStore, relatives: Mapping[bytes, Standing], governance: Governance
) -> dict[bytes, list[tuple[bytes, str]]]:
    """The public sets of the passports of what it came of, or of what is tied to it."""
    events = governance.lifecycle.events.items()
    kinds = [kind for kind, e in events if e.effects.passport in ("publish", "supersede") or e.effects.undo]
    found = {}
    for key, one in relatives.items():
        entries = (
            entries_of(ledger, ledger.leaves.said_by(key, (), kinds)) if one.passport is not None else []
        )
        found[key] = kin_sets_of(one, Record.read(LedgerView(one, entries), governance))
    return found


def _times(ledger: LedgerStore, leaves: Sequence[int]) -> dict[int, int]:
    """The block times of these leaves."""
    rows = [row for leaf in leaves if (row := ledger.leaves.at(leaf)) is not None]
    times = ledger.block_times(row.height for row in rows)
    return {row.leaf_index: times[row.height] for row in rows}


def _behind(
    ledger: LedgerStore,
    about: Subject,
    others: Mapping[bytes, Standing],
    kin: Mapping[bytes, LedgerView],
    governance: Governance,
) -> list[LedgerEntry]:
    """What a thief may have said that its own record does not hold (D806); read only once a key was stolen.

    About what it was made from, its parts and what it was one of, what is in its vehicle, and what these came
    of: by whoever was robbed, and what takes statements back. About recalls: all.
    """
    others = {**others, **{key: one for view in kin.values() for key, one in view.relatives.items()}}
    undoing = [kind for kind, event in governance.lifecycle.events.items() if event.effects.undo]
    codes = {
        recall_subject(s.scheme, s.namespace) for s in (about, *(one.subject for one in others.values()))
    }
    robbed = sorted(governance.robbed)
    rows = [row for key in others for row in ledger.leaves.said_by(key, robbed, undoing)]
    rows += [row for one in sorted(codes, key=standing_key) for row in ledger.leaves.of(standing_key(one))]
    return entries_of(ledger, rows)


def entries_of(ledger: LedgerStore, rows: Sequence[EntryRow]) -> list[LedgerEntry]:
    """These rows with the times of their blocks, as a record is read from them."""
    times = ledger.block_times(row.height for row in rows)
    return [
        LedgerEntry(row.leaf_index, row.height, times[row.height], row.entry, _parsed(row.entry))
        for row in rows
    ]


def admitted(view: LedgerView) -> Iterator[Attestation]:
    """The admitted statements of a view, oldest first."""
    return (leaf.parsed.attestation for leaf in view.entries if isinstance(leaf.parsed, AdmittedEntry))


def newest_of(statements: Sequence[Attestation]) -> tuple[Attestation, ...]:
    """Of statements in their order, the first of each kind and the newest of each kind and author.

    The documents of the others decide nothing, and nobody makes a verdict read thousands of them.
    """
    kept: set[int] = set()
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[str, int] = {}
    for place in range(len(statements) - 1, -1, -1):
        one = statements[place]
        first[one.kind] = place
        counts[one.kind, one.issuer] += 1
        if counts[one.kind, one.issuer] <= DOCUMENTS_READ_MAX:
            kept.add(place)
    kept.update(first.values())
    return tuple(statements[place] for place in sorted(kept))


def kin_statements(ledger: LedgerStore, view: LedgerView) -> tuple[Attestation, ...]:
    """The statements by which others became this battery: their documents name the codes of these.

    By which it was taken out of its pack: they say what was to become of it. By which its predecessors became
    it: they say what was tested. The repairs of these, of its parts, and of what it was one of: they say what
    was put in. Those before only where recalls of such codes are in force, or a thief may have lifted them.
    """
    leaves = made_at(view) if view.kin_recalls or view.behind else ()
    rows = [row for leaf in leaves if (row := ledger.leaves.at(leaf)) is not None]
    parsed = (_parsed(row.entry) for row in rows)
    kin = (entry.attestation for entry in parsed if isinstance(entry, AdmittedEntry))
    tied = (said for one in view.tied_kin.values() for said in kin_statements(ledger, one))
    every = (*taken_out_of(view), *made_into_of(view), *kin, *repairs_in(view), *tied)
    return tuple({a.digest: a for a in every}.values())


def repairs_in(view: LedgerView) -> list[Attestation]:
    """The repairs of its parts, of others in its vehicle, and of what names any of these."""
    named = (one.named_by for one in (view, *view.named_of_others))
    repairs = (leaf.parsed for said in (*view.repairs.values(), *named) for leaf in said)
    return [entry.attestation for entry in repairs if isinstance(entry, AdmittedEntry)]


def taken_out_of(view: LedgerView) -> list[Attestation]:
    """The dismantlings by which it came out of its pack, and that of its own."""
    return [leaf.parsed.attestation for leaf in view.taken_out if isinstance(leaf.parsed, AdmittedEntry)]


def made_into_of(view: LedgerView) -> list[Attestation]:
    """The acts by which its predecessors became this battery."""
    return [leaf.parsed.attestation for leaf in view.made_into if isinstance(leaf.parsed, AdmittedEntry)]


def _vehicle(ledger: LedgerStore, standing: Standing | None) -> Asset | None:
    if standing is None or standing.bound is None:
        return None
    key = asset_key(standing.bound.asset)
    found = ledger.standings.records((key,)).get(key)
    return Asset.decode(found) if found is not None else None


def _standings(ledger: LedgerStore, keys: Sequence[bytes], governance: Governance) -> dict[bytes, Standing]:
    found = ledger.standings.records(tuple(keys)) if keys else {}
    return {key: by_own_names(Standing.decode(data), governance) for key, data in found.items()}


def _parsed(entry: bytes) -> Entry | None:
    """A leaf as it is read; None: it cannot be read, and whoever judges says so."""
    try:
        return parse_entry(entry)
    except CredentialError:
        return None
