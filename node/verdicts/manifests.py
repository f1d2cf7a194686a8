"""Manifests as they were read: each is parsed once for its whole job, never two large ones in hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from node.storage.office import OfficeStore

Pair = tuple[Line, Mapping[str, Any]]  # a line as parsed, and as sent


@dataclass(slots=True)
class Together:
    """What the lines of a manifest say of each other, by the codes of the rules that it was read by last."""

    identifiers: Mapping[str, Any]
    context: ManifestContext


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """A manifest as it was read: what its lines say of each other, and each line as parsed and as sent."""

    id: str  # of the consignment
    together: Together
    pairs: list[Pair]


class Manifests:
    """The last manifest read, and one that waits for its turn: what is stored never changes."""

    def __init__(
        self,
        office: OfficeStore,
        identifiers: Callable[[], Mapping[str, Any]],
        key_of: Callable[[str], bytes | None],
    ) -> None:
        self._office = office
        self._key_of = key_of
        self._identifiers = identifiers
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

    def context(
        self, consignment_id: str, known: Together, identifiers: Mapping[str, Any]
    ) -> ManifestContext:
        """What its lines say of each other by these rules; read again where the codes are read otherwise."""
        if known.identifiers != identifiers:
            manifest = Manifest.parse(orjson.loads(self._office.consignments.manifest(consignment_id)))
            known.context = ManifestContext.of(manifest, identifiers, self._key_of)
        known.identifiers = identifiers
        return known.context

    def forget(self) -> None:
        """Nothing is to be judged: nothing is kept in memory."""
        self._read = self._handed = None

    def _of(
        self, consignment_id: str, manifest: Manifest, lines: Sequence[Mapping[str, Any]]
    ) -> ReadManifest:
        identifiers = self._identifiers()
        together = Together(identifiers, ManifestContext.of(manifest, identifiers, self._key_of))
        return ReadManifest(consignment_id, together, list(zip(manifest.lines, lines, strict=True)))
