"""Parts of a battery: what its maker committed to, opened, and compared with what is on record of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.identifiers import Identifier, Subject
from credentials.ledger.attestation import standing_key
from credentials.ledger.descendants import root_of
from credentials.ledger.standing import Standing
from credentials.verdicts.parts_check import Opened, PartShown, check_parts, open_part
from credentials.verdicts.record import Record
from node.errors import bad_request
from node.issuing.issuing import Issuing
from node.parts_answers import OpenedPart, PartsRecord
from node.storage.ledger import LedgerStore
from node.use_cases.lookup import VIN, Lookup
from node.verdicts.sources import Gathering


class ShownPart(TypedDict):
    """A part as it is shown: its code, and where only some are, its way to the commitment."""

    code: str
    index: NotRequired[int]
    size: NotRequired[int]
    path: NotRequired[list[str]]


class PartsDesk:
    """Reads the commitment of a battery and compares what is shown."""

    def __init__(self, issuing: Issuing, gathering: Gathering, ledger: LedgerStore, lookup: Lookup) -> None:
        self._issuing = issuing
        self._gathering = gathering
        self._ledger = ledger
        self._lookup = lookup

    def check(self, battery: str, shown: Sequence[ShownPart]) -> PartsRecord:
        """Each part with what was found; where all are shown, each with its way to the commitment."""
        signing = self._issuing.signing
        pack = battery_named(self._issuing, battery)
        named = [self._part(one["code"]) for one in shown]
        keys = [standing_key(subject) for _, subject in named]
        if len(set(keys)) < len(keys):
            raise bad_request("part_twice", "One part is named twice: name each once.")
        with self._ledger.reading():
            view = self._gathering.ledger_view(signing.subject(pack), pack)
            network = self._gathering.network_view()
            standings = self._standings(keys)
            parts = [
                PartShown(subject, code, standings.get(key), _opened(one))
                for (code, subject), key, one in zip(named, keys, shown, strict=True)
            ]
            standing = view.standing or Standing(signing.subject(pack))
            around = {k for one in standings.values() for k in _around(one)}
            codes = self._lookup.codes_of(sorted(around))
            made = check_parts(standing, parts, self._gathering.history.latest, codes.get)
        record = Record.read(view, self._gathering.history.latest)
        root = standing.children_root
        producing = (r.attestation for r in record.admitted if r.attestation.children_root is not None)
        stated = next((one.digest for one in producing if one.children_root == root), None)
        whole = root is not None and root_of(keys) == root
        subjects = {standing_key(subject): subject for _, subject in named}
        return {
            "battery": pack.canonical,
            "answer": made.answer,
            "root": b64u(root) if root is not None else None,
            "shown_root": b64u(root_of(keys)),
            "attestation": b64u(stated) if stated is not None else None,
            "size": made.size,
            "shown": len(keys),
            "height": network.height,
            "parts": [
                {
                    "code": part.code,
                    "committed": part.committed,
                    "opened": _way(part.code, subjects[part.key], keys) if whole else None,
                    "findings": [
                        {"code": one.code, "outcome": one.outcome, "parameters": dict(one.parameters)}
                        for one in part.findings
                    ],
                }
                for part in made.parts
            ],
        }

    def _part(self, text: str) -> tuple[str, Subject]:
        found = battery_named(self._issuing, text)
        return found.canonical, self._issuing.signing.subject(found)

    def _standings(self, keys: Sequence[bytes]) -> Mapping[bytes, Standing]:
        found = self._ledger.standings.records(tuple(keys))
        return {key: Standing.decode(data) for key, data in found.items()}


def battery_named(issuing: Issuing, text: str) -> Identifier:
    """The battery, or part of one, that a text names; a vehicle is none."""
    found = issuing.signing.identifier(text)
    if found.scheme == VIN:
        told = "{code} is a vehicle's number: name its batteries by their own codes."
        raise bad_request("battery_expected", told, code=found.canonical)
    return found


def _opened(one: ShownPart) -> Opened | None:
    if "path" not in one:
        return None
    return Opened(one.get("index", 0), one.get("size", 1), tuple(map(b64u_decode, one["path"])))


def _around(one: Standing) -> tuple[bytes, ...]:
    parent = (one.parent.key,) if one.parent is not None else ()
    return (*parent, *(one.lineage.successors if one.lineage is not None else ()))


def _way(code: str, subject: Subject, keys: Sequence[bytes]) -> OpenedPart:
    found = open_part(keys, standing_key(subject))
    assert subject.blind is not None, "made of the code here"
    return {
        "code": code,
        "blind": b64u(subject.blind),
        "index": found.index,
        "size": found.size,
        "path": [b64u(one) for one in found.path],
    }
