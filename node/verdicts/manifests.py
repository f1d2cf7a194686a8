"""Manifests as they were read: each is parsed once for its whole job, never two large ones in hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from node.storage.office import OfficeStore

Pair = tuple[Line, Mapping[str, Any]]  # a line as parsed, and as sent


class Together:
    """What the lines of a manifest say of each other: found once by each way of reading codes."""

    def __init__(self, manifest: Manifest, key_of: Callable[[str], bytes | None]) -> None:
        self._manifest = manifest
        self._key_of = key_of
        self._known: list[tuple[Mapping[str, Any], ManifestContext]] = []

    def by(self, identifiers: Mapping[str, Any]) -> ManifestContext:
        """By these rules; those asked for last are kept, of before and after a change."""
        known = next((context for rules, context in self._known if rules == identifiers), None)
        if known is None:
            known = ManifestContext.of(self._manifest, identifiers, self._key_of)
            self._known = [(identifiers, known), *self._known[:1]]
        return known


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """A manifest as it was read: what its lines say of each other, and each line as parsed and as sent."""

    id: str  # of the consignment
    together: Together
    pairs: list[Pair]


class Manifests:
    """The last manifest read, and one that waits for its turn: what is stored never changes."""

    def __init__(self, office: OfficeStore, key_of: Callable[[str], bytes | None]) -> None:
        self._office = office
        self._key_of = key_of
        self._read: ReadManifest | None = None  # many turns are about the same
        self._handed: ReadManifest | None = None  # by whoever took one in

    def hand_on(self, consignment_id: str, manifest: Manifest, lines: Sequence[Mapping[str, Any]]) -> None:
        """A manifest that is being stored, as it was read for that; one at most is kept until its turn."""
        if self._handed is None:
            self._handed = self._of(consignment_id, manifest, lines)

    def read(self, consignment_id: str) -> ReadManifest:
        """A manifest from disk, unless it was handed on or was the last one read."""
        handed = self._handed
        if handed is not None and handed.id == consignment_id:
            self._read, self._handed = handed, None
        if self._read is None or self._read.id != consignment_id:
            self._read = None  # never two of them at once
            value = orjson.loads(self._office.consignments.manifest(consignment_id))
            self._read = self._of(consignment_id, Manifest.parse(value), value["lines"])
        return self._read

    def forget(self) -> None:
        """Nothing is to be judged: nothing is kept in memory."""
        self._read = self._handed = None

    def _of(
        self, consignment_id: str, manifest: Manifest, lines: Sequence[Mapping[str, Any]]
    ) -> ReadManifest:
        pairs = list(zip(manifest.lines, lines, strict=True))
        return ReadManifest(consignment_id, Together(manifest, self._key_of), pairs)
