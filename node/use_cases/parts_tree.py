"""What was taken out of a battery or made of it, level by level, with what became of each (D678).

All of it follows from standings: parent, predecessors, children, lineage. The ledger has digests: a code is
known from a document held here that says it, and counts only if its own digest is the key. Whoever asks
pays for so many standings at most, and for the same number of statements however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Identifier
from credentials.ledger.attestation import standing_key
from credentials.ledger.standing import Standing
from credentials.verdicts.parts_check import committed_parts, fate_of
from node.errors import ProblemError, not_found
from node.issuing.issuing import Issuing
from node.parts_answers import PartNodeRecord, PartsTreeRecord
from node.storage.documents import StoredDocument
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.use_cases.parts import battery_named
from node.verdicts.sources import Gathering

PARTS_SHOWN, INNER_SHOWN = 25, 8  # of the battery, at once; of each of these
RECORDS_READ = 8  # the newest of each: what is stated about it, and what proves the last of it
WHOLE_CODE = 24  # characters: that of a cascade product has fewer, and no type
OBJECTS: Final = {"P": "pack", "M": "module", "C": "cell"}  # by the type that a code of GB/T 34014 says
STATED: Final = ("children", "successors")  # members of an event that name batteries


@dataclass(frozen=True, slots=True)
class _Read:
    """One battery as it was read; `codes`: what its own events name of what came of it."""

    key: bytes
    standing: Standing | None
    proof: EntryRow | None  # the newest record of it; without one, the record that took it out of a battery
    code: Identifier | None
    codes: Mapping[bytes, Identifier]
    fate: str | None  # as whoever took it out stated


@dataclass(frozen=True, slots=True)
class _TakenOut:
    """A dismantling, with the code and fate that it states of each part, by its key."""

    row: EntryRow
    stated: Mapping[bytes, tuple[Identifier, str]]


class PartsTree:
    """Reads a battery, what is around it, and what is around its parts."""

    def __init__(
        self, issuing: Issuing, gathering: Gathering, ledger: LedgerStore, office: OfficeStore
    ) -> None:
        self._issuing = issuing
        self._gathering = gathering
        self._ledger = ledger
        self._office = office

    def of(self, battery: str, audience: str, after: int = 0) -> PartsTreeRecord:
        """The tree, with the parts of the battery that come `after` so many."""
        pack = battery_named(self._issuing, battery)
        key = standing_key(self._issuing.signing.subject(pack))
        with self._ledger.reading(), self._office.reading():
            network = self._gathering.network_view()
            (top,) = self._level([key], {key: pack}, audience)
            if top.standing is None:
                told = "No record of {battery} is on this ledger; that says nothing about the battery."
                raise not_found("battery_not_found", told, battery=pack.canonical)
            around = _around(top.standing, after)
            level = self._level([one for _, one in around], top.codes, audience)
            inner = self._inner(top.standing, level, audience)
        nodes = [_node(top, "self", None, 0)]
        for (relation, _), one in zip(around, level, strict=True):
            nodes.append(_node(one, relation, top, len(inner.get(one.key, ()))))
            nodes += [_node(part, "part", one, 0) for part in inner.get(one.key, ())]
        shown = sum(relation == "part" for relation, _ in around)
        nodes[0]["shown"] = shown
        return {
            "battery": pack.canonical,
            "height": network.height,
            "block_time": network.block_time,
            "after": after,
            "more": after + shown if after + shown < len(top.standing.children) else None,
            "nodes": nodes,
        }

    def _inner(self, top: Standing, level: Sequence[_Read], audience: str) -> Mapping[bytes, Sequence[_Read]]:
        """The first parts of each part of the battery, by its key."""
        asked = {
            one.key: [key for key in one.standing.children if key != top.key][:INNER_SHOWN]
            for one in level
            if one.standing is not None and one.key in top.children
        }
        named = {key: code for one in level for key, code in one.codes.items()}
        keys = list(dict.fromkeys(key for keys in asked.values() for key in keys))
        read = {one.key: one for one in self._level(keys, named, audience)}
        return {key: [read[one] for one in keys] for key, keys in asked.items()}

    def _level(self, keys: Sequence[bytes], named: Mapping[bytes, Identifier], audience: str) -> list[_Read]:
        """These batteries, by five statements; `named`: codes that are known already.

        What took each out of a battery is read by its leaf: no number of later records hides it.
        """
        records = self._ledger.standings.records(tuple(keys)) if keys else {}
        standings = {key: Standing.decode(record) for key, record in records.items()}
        leaves = [one.parent.leaf_index for one in standings.values() if one.parent is not None]
        took = self._ledger.leaves.at_each(sorted(set(leaves)))
        rows = self._ledger.leaves.newest_of_each(keys, RECORDS_READ, admitted=True) if keys else {}
        read = [*took.values(), *(row for one in rows.values() for row in one)]
        documents = self._documents(read, audience)
        out = {leaf: _TakenOut(row, self._stated([row], documents)) for leaf, row in took.items()}
        found = []
        for key in keys:
            standing = standings.get(key)
            of = out.get(standing.parent.leaf_index) if standing is not None and standing.parent else None
            code = named.get(key)
            found.append(self._read(key, standing, rows.get(key, ()), documents, code=code, out=of))
        return found

    def _documents(self, rows: Sequence[EntryRow], audience: str) -> Mapping[bytes, StoredDocument]:
        """What this audience may see of these records' documents; of events alone what they say."""
        held = self._office.documents
        digests = list({row.document_digest for row in rows if row.document_digest})
        shown = {
            digest: one
            for digest, one in held.without_bodies(digests).items()
            if self._gathering.giving.entitled(one, audience)
        }
        return shown | held.get_many([digest for digest, one in shown.items() if one.kind == "event"])

    def _read(
        self,
        key: bytes,
        standing: Standing | None,
        rows: Sequence[EntryRow],
        documents: Mapping[bytes, StoredDocument],
        *,
        code: Identifier | None,
        out: _TakenOut | None,
    ) -> _Read:
        said = [one for row in rows if (one := documents.get(row.document_digest or b"")) is not None]
        own = (found for one in said if one.battery and (found := self._named(one.battery))[0] == key)
        named, fate = out.stated.get(key, (None, "")) if out is not None else (None, "")
        code = code or named or next((identifier for _, identifier in own), None)
        codes = {part: identifier for part, (identifier, _) in self._stated(rows, documents).items()}
        last = rows[-1] if rows else out.row if out is not None else None
        return _Read(key, standing, last, code, codes if standing is not None else {}, fate or None)

    def _stated(
        self, rows: Sequence[EntryRow], documents: Mapping[bytes, StoredDocument]
    ) -> Mapping[bytes, tuple[Identifier, str]]:
        """{key: (code, fate or "")} of what the events in these records name as having come of their own."""
        said = (documents.get(row.document_digest or b"") for row in rows)
        pairs = (
            pair for one in said if one is not None and one.kind == "event" for pair in _stated(one.body)
        )
        found = ((self._named(text), fate) for text, fate in pairs)
        return {key: (identifier, fate) for (key, identifier), fate in found if identifier is not None}

    def _named(self, text: str) -> tuple[bytes, Identifier | None]:
        """(key, code) that a document says; b"" where it is none."""
        try:
            found = self._issuing.signing.identifier(text)
        except ProblemError:
            return b"", None
        return standing_key(self._issuing.signing.subject(found)), found


def _stated(body: bytes) -> Iterator[tuple[str, str]]:
    """(code, fate or "") of the batteries that an event's document names as having come of its own."""
    about: Any = orjson.loads(body).get("credentialSubject")
    members = about.get("members") if isinstance(about, dict) else None
    if not isinstance(members, dict):
        return
    for name in STATED:
        codes = members.get(name)
        fates = members.get("fates") if name == "children" else None
        for place, code in enumerate(codes if isinstance(codes, list) else ()):
            fate = fates[place] if isinstance(fates, list) and place < len(fates) else ""
            if isinstance(code, str):
                yield code, fate if isinstance(fate, str) else ""


def _around(one: Standing, after: int) -> list[tuple[str, bytes]]:
    """(how it belongs to it, its key): what it came from, its parts from a place on, what it became."""
    parent = [one.parent.key] if one.parent is not None else []
    became = one.lineage.successors if one.lineage is not None else ()
    return [
        *(("taken_out_of", key) for key in parent),
        *(("made_from", key) for key in one.predecessors[:PARTS_SHOWN]),
        *(("part", key) for key in one.children[after : after + PARTS_SHOWN]),
        *(("became", key) for key in became[:PARTS_SHOWN]),
    ]


def _node(one: _Read, relation: str, under: _Read | None, shown: int) -> PartNodeRecord:
    pack = under if relation == "part" else None
    fate, proof, code = one.fate if pack is not None else None, one.proof, one.code
    coded = code is not None and code.scheme == "gbt34014" and len(code.canonical) == WHOLE_CODE
    return {
        "key": b64u(one.key),
        "code": code.canonical if code is not None else None,
        "object": OBJECTS.get(code.canonical[3]) if code is not None and coded else None,
        "relation": relation,
        "under": b64u(under.key) if under is not None else None,
        "state": one.standing.item_state if one.standing is not None else None,
        "committed": committed_parts(one.standing),
        "findings": [
            {"code": found.code, "outcome": found.outcome, "parameters": dict(found.parameters)}
            for found in fate_of(one.standing, pack.standing if pack is not None else None, fate)
        ],
        "parts": len(one.standing.children) if one.standing is not None else 0,
        "shown": shown,
        "leaf_index": proof.leaf_index if proof is not None else None,
        "attestation": b64u(proof.digest) if proof is not None and proof.digest else None,
    }
