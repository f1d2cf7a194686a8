"""Manifests as they are read: one large one at a time, and each parsed once for its whole job."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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


class TextLines(Sequence[Line]):
    """The lines of a manifest as texts, parsed when they are asked for: values take six times as much."""

    def __init__(self, lines: Iterable[Pair]) -> None:
        self.numbers: list[int] = []  # in the order of the manifest
        self._begins: dict[int, int] = {}
        texts = io.BytesIO()  # one text: orjson gives each four kilobytes of its own
        for line, raw in lines:
            self.numbers.append(line.line)
            self._begins[line.line] = texts.tell()
            texts.write(orjson.dumps(raw) + b"\n")
        self._text = texts.getvalue()

    def pair(self, number: int) -> Pair:
        """The line of this number, as parsed and as sent."""
        begins = self._begins[number]
        raw = orjson.loads(self._text[begins : self._text.index(b"\n", begins)])
        return Line.parse(raw, number), raw

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Line]:
        return (self.pair(number)[0] for number in self.numbers)

    def __getitem__(self, at: Any) -> Any:
        return [*self][at]


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """A manifest as it was read: its lines, and what they say of each other."""

    id: str  # of the consignment
    together: Together
    lines: TextLines


def read_manifest(
    office: OfficeStore, consignment_id: str, key_of: Callable[[str], bytes | None]
) -> ReadManifest:
    """The manifest of a consignment, from disk."""
    value = orjson.loads(office.consignments.manifest(consignment_id))
    return _of(consignment_id, Manifest.parse(value), value["lines"], key_of)


def _of(
    consignment_id: str,
    manifest: Manifest,
    lines: Sequence[Mapping[str, Any]],
    key_of: Callable[[str], bytes | None],
) -> ReadManifest:
    texts = TextLines(zip(manifest.lines, lines, strict=True))
    return ReadManifest(consignment_id, Together(replace(manifest, lines=texts), key_of), texts)


class Manifests:
    """The last manifest read, and one that waits for its turn: what is stored changes by new lines."""

    def __init__(self, office: OfficeStore, key_of: Callable[[str], bytes | None]) -> None:
        self._office = office
        self._key_of = key_of
        self._read: ReadManifest | None = None  # many turns are about the same
        self._handed: ReadManifest | None = None  # by whoever took one in

    def hand_on(self, consignment_id: str, manifest: Manifest, lines: Sequence[Mapping[str, Any]]) -> None:
        """A manifest that is being stored, as it was read for that, if its turn comes at once.

        While another one is judged it waits on disk alone.
        """
        if self._handed is None and self._read is None:
            self._handed = _of(consignment_id, manifest, lines, self._key_of)

    def read(self, consignment_id: str, lines: int = 0) -> ReadManifest:
        """A manifest from disk, unless it was handed on or was the last one read.

        `lines`: how many it has, where the caller knows: rows that were left out may have been added.
        """
        handed = self._handed
        if handed is not None and handed.id == consignment_id:
            self._read, self._handed = handed, None
        known = self._read
        if known is None or known.id != consignment_id or (lines and lines != len(known.lines)):
            known = self._read = None  # never two of them at once
            known = self._read = read_manifest(self._office, consignment_id, self._key_of)
        return known

    def forget(self) -> None:
        """Nothing is to be judged: nothing is kept in memory."""
        self._read = self._handed = None
