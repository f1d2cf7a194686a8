"""Status lists made again from what the ledger knows of them, when the office holds an older version.

A version differs from the one before by one bit, its attestation says when it was made, and its signature
(Ed25519) is a function of its text. So a version that is lost is made again by trying places: the right one
gives the digest that stands on the ledger, and that digest proves it. Tried first is the place of what the
ledger changed nearest to the version. What cannot be made again (a key that was changed since, a place out of
reach) withholds the list: an older version would call revoked what reads 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain as chained
from itertools import islice

import orjson

from credentials.documents.status import BITS_MIN, PURPOSES, read_list
from credentials.ledger.attestation import Attestation, standing_key, status_subject
from credentials.ledger.entries import AdmittedEntry, parse_entry
from node.issuing.statements import Batch
from node.issuing.status_lists import OwnStatusLists
from node.storage.database import Transaction
from node.storage.findings import Finding
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.status import ListVersion

Likely = Callable[[int], Iterable[int]]  # places of a list to try for a version at this leaf of the log

BEYOND_MAX = 2_000  # places that may have been given away after the backup without a trace on the ledger
TRIES_MAX = 8_000  # lists signed in search of lost versions by one run, under the office's locks: 10 to 20 s
WITHHELD = "status_list_withheld"


@dataclass(frozen=True, slots=True)
class Clues:
    """What tells a version that was lost; `vain`: attestations of those that were searched for in vain."""

    could_sign: Callable[[str, int], bool]  # whether a version of this time can be of the key with this id
    changed: Sequence[tuple[int, int]]  # (leaf, place over all lists) of own passports the ledger changed
    vain: set[bytes]


@dataclass(frozen=True, slots=True)
class _Recorded:
    leaf_index: int
    attestation: Attestation


@dataclass(frozen=True, slots=True)
class _Made:
    bits: frozenset[int]
    digest: bytes
    body: bytes


class Remaking:
    """The lists of one issuer, inside one transaction of the office.

    `leaves`: how many of the log the office has followed. A version behind them is not in the outbox yet.
    """

    def __init__(
        self,
        office: OfficeStore,
        ledger: LedgerStore,
        lists: OwnStatusLists,
        did: str,
        leaves: int,
        *,
        clues: Clues,
    ) -> None:
        self._office, self._ledger, self._lists, self._did = office, ledger, lists, did
        self._leaves, self._clues, self._tries_left = leaves, clues, TRIES_MAX

    def run(self, db: Transaction, batch: Batch, *, go_on_in_new_lists: bool = False) -> None:
        """Take every list to its version on the ledger; with the flag, give no place away in them again."""
        number, counted = 0, self._lists.counted()
        while found := self._known(number + 1):
            number += 1
            given = min(BITS_MIN, max(0, counted - (number - 1) * BITS_MIN))
            for purpose, name, hidden in found:
                if hidden:
                    self._lists.hide_from(db, number)
                if go_on_in_new_lists:
                    self._office.status.reserve(db, name, purpose, number * BITS_MIN)
                self._remake(db, name, purpose, batch, partial(self._likely, number, given, hidden))

    def _likely(self, number: int, given: int, hidden: bool, leaf_index: int) -> Iterator[int]:
        """What the ledger changed, nearest to this leaf first; then outwards from the last one given away."""
        for _, place in sorted(self._clues.changed, key=lambda one: abs(one[0] - leaf_index)):
            if place // BITS_MIN == number - 1:
                yield place % BITS_MIN
        yield from self._lists.given(number, given, BEYOND_MAX, hidden=hidden)

    def _known(self, number: int) -> list[tuple[str, str, bool]]:
        """(purpose, name, whether its order is hidden) of each list with this number that there is."""
        return [
            (purpose, name, hidden)
            for purpose in PURPOSES
            for name, hidden in zip(self._lists.names(purpose, number), (False, True), strict=True)
            if self._office.status.newest(name) is not None or self._on_ledger(name, purpose)
        ]

    def _on_ledger(self, name: str, purpose: str) -> dict[int, _Recorded]:
        """{seq: what the ledger admitted}: without a gap, for the rules of the ledger allow none."""
        subject = status_subject(self._did, self._lists.url(name))
        found: dict[int, _Recorded] = {}
        for row in self._ledger.leaves.of(standing_key(subject)):
            if row.leaf_index >= self._leaves:
                break
            entry = parse_entry(row.entry)
            update = entry.attestation.status if isinstance(entry, AdmittedEntry) else None
            if isinstance(entry, AdmittedEntry) and update is not None and update.purpose == purpose:
                found[update.seq] = _Recorded(row.leaf_index, entry.attestation)
        return found

    def _remake(self, db: Transaction, name: str, purpose: str, batch: Batch, likely: Likely) -> None:
        ledger = self._on_ledger(name, purpose)
        held = {version.seq: version for version in self._office.status.versions(name)}
        agreed = 0
        while (
            (seq := agreed + 1) in ledger
            and seq in held
            and held[seq].digest == ledger[seq].attestation.document_digest
        ):
            agreed = seq
        later = [held[seq] for seq in sorted(held) if seq > agreed]
        states = {d: i.state for d, i in self._office.outbox.get_many([v.attestation for v in later]).items()}
        if agreed == len(ledger) and all(states.get(v.attestation) == "outbox" for v in later):
            return  # what is missing on the ledger is on its way there
        wanted = set(self._office.status.bits(name))
        why = "the ledger has another version of this list"
        self._office.outbox.drop(db, [(v.attestation, "superseded", why) for v in later])
        self._office.status.forget_after(db, name, agreed)
        bits = self._bits_of(held[agreed]) if agreed else frozenset()
        for seq in range(agreed + 1, len(ledger) + 1):
            places = chained(sorted(wanted ^ bits), likely(ledger[seq].leaf_index), sorted(wanted))
            made = self._version(name, purpose, bits, ledger[seq].attestation, places)
            if made is None:
                self._withhold(db, name, seq, len(ledger), batch.now)
                return
            bits = made.bits
            batch.documents.append(self._lists.stored(name, made.digest, made.body))
            version = ListVersion(seq, made.digest, ledger[seq].attestation.digest)
            self._office.status.put_version(db, name, version)
        self._office.status.withhold(db, name, None)
        self._office.findings.clear(db, WITHHELD, name)
        # What is raised here is meant, whoever put another version on record: who stole the attest key can.
        # So what was lifted after a backup is raised again, until the ledger or the operator says it is over.
        now = bits | wanted
        self._office.status.set_bits(db, name, now)
        if now != bits or not ledger:
            self._lists.publish(db, name, purpose, batch)

    def _bits_of(self, version: ListVersion) -> frozenset[int]:
        stored = self._office.documents.get(version.digest)
        assert stored is not None, "a version and its document are one transaction"
        return frozenset(read_list(orjson.loads(stored.body)).places)

    def _version(
        self, name: str, purpose: str, before: frozenset[int], wanted: Attestation, likely: Iterable[int]
    ) -> _Made | None:
        """The version with the digest on the ledger: found among the documents, or by trying places."""
        stored = self._office.documents.get(wanted.document_digest)
        if stored is not None:
            return _Made(frozenset(read_list(orjson.loads(stored.body)).places), stored.digest, stored.body)
        assert wanted.status is not None, "it was admitted as a version of a list"
        clues = self._clues
        if wanted.digest in clues.vain or not clues.could_sign(self._lists.key_id, wanted.iat):
            return None
        if wanted.status.seq == 1:
            tries: Iterable[frozenset[int]] = [frozenset()]
        else:
            tries = (before ^ {place} for place in _once(likely))
        # Half of what is left: one that nobody can find keeps no other list from being found.
        for bits in islice(tries, -(-self._tries_left // 2)):
            self._tries_left -= 1
            digest, document = self._lists.made(name, purpose, bits, wanted.iat)
            if digest == wanted.document_digest:
                return _Made(bits, digest, orjson.dumps(document))
        clues.vain.add(wanted.digest)
        return None

    def _withhold(self, db: Transaction, name: str, seq: int, of: int, now: int) -> None:
        self._office.status.withhold(db, name, WITHHELD)
        parameters: Mapping[str, int] = {"version": seq, "of": of}
        self._office.findings.put(db, Finding(WITHHELD, name, now, dict(parameters)))


def _once(places: Iterable[int]) -> Iterator[int]:
    seen = set[int]()
    for place in places:
        if place not in seen:
            seen.add(place)
            yield place
