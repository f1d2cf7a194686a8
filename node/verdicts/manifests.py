"""Manifests as they are read: one large one at a time, and each parsed once for its whole job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from node.errors import busy
from node.storage.office import OfficeStore

SMALL_BYTES_MAX = 64 << 10  # to read one takes many times its size, which is little
READ_WAIT_S = 5.0
CLIENTS_WAITING_MAX = 3  # each in a thread that others need

Pair = tuple[Line, Mapping[str, Any]]  # a line as parsed, and as sent


class OneAtATime:
    """Large manifests are read one at a time; of each client one may wait. Thread-safe.

    Whoever was not the last has the next turn, in order of arrival.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[str] = []  # clients
        self._taken = False
        self._last = ""

    @contextmanager
    def turn(self, client: str, size_bytes: int) -> Iterator[None]:
        """Around reading a manifest of this size; a small one needs no turn. 503 without one in time."""
        if size_bytes <= SMALL_BYTES_MAX:
            yield
            return
        with self._changed:
            if client in self._waiting:
                raise busy("another manifest of yours waits to be read: send this one again after it")
            if len(self._waiting) >= CLIENTS_WAITING_MAX or not self._had(client):
                raise busy("other manifests are being read: send this one again in a few seconds")
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()

    def _had(self, client: str) -> bool:
        """Wait for the client's turn; whether it came. Inside the condition."""
        self._waiting.append(client)
        try:
            if not self._changed.wait_for(lambda: not self._taken and self._next() == client, READ_WAIT_S):
                return False
            self._taken, self._last = True, client
            return True
        finally:
            self._waiting.remove(client)
            self._changed.notify_all()  # another one is the next

    def _next(self) -> str:
        return next((one for one in self._waiting if one != self._last), self._waiting[0])


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
        """A manifest that is being stored, as it was read for that, if its turn comes at once.

        While another one is judged it waits on disk alone: its lines would take twenty times their size.
        """
        if self._handed is None and self._read is None:
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
